-- tools/tidy.lua as a test, and the things that must agree with one another.
local shell = require "spec.shell"

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

describe("the tree #house", function()
  it("keeps the rules of the house (tools/tidy.lua)", function()
    local findings, _, count = assert(loadfile("tools/tidy.lua"))()
    assert.is_true(count > 30)
    assert.same({}, findings)
  end)

  it("names one version in the rock, the changelog and the command", function()
    local version = dofile("lua/wayproof/version.lua")
    assert.is_truthy(version:match("^%d+%.%d+%.%d+$"))
    assert.is_truthy(read("CHANGELOG.md"):find("## [" .. version .. "]", 1, true)
      or read("CHANGELOG.md"):find("## [Unreleased]", 1, true))
  end)

  it("has one line in .ci/run's end that starts the whole test", function()
    assert.is_truthy(read(".ci/run"):find("make test", 1, true))
    assert.equal("", (shell.run("test -x .ci/run || echo not executable")))
  end)

  it("installs with tools/setup.sh what the product and its tests require", function()
    local setup = read("tools/setup.sh")
    for _, package in ipairs { "lua-dkjson", "lua-argparse", "lua-busted", "lua-check", "luarocks",
      "libsqlite3-dev", "zlib1g-dev", "liblua5.4-dev" } do
      assert.is_truthy(setup:find(package, 1, true), package)
    end
  end)
end)
