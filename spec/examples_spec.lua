-- Every example runs and holds its own assertions; the README shows what its code prints.
local shell = require "spec.shell"
local quote = shell.quote

local build = os.getenv("WAYPROOF_BUILD") or "build/release"
local paths = ("LUA_PATH='%s/lua/?.lua;%s/lua/?/init.lua;;' LUA_CPATH='%s/?.so;;' "):format(
  shell.root, shell.root, build:match("^/") and build or shell.root .. "/" .. build)

describe("the examples #slow", function()
  for _, file in ipairs(shell.lines("find examples -name '*.lua' | sort")) do
    it("run and hold: " .. file, function()
      local output, code = shell.run(paths .. shell.lua .. " " .. file)
      assert.equal(0, code, output)
      assert.is_true(#output > 100, "an example shows something")
    end)
  end

  it("turn any repository into an event log, whatever its authors are called", function()
    if not shell.has("git") then
      pending("git is not installed")
      return
    end
    local output, code = shell.run(paths .. shell.lua .. " examples/git_contributors.lua --sample")
    assert.equal(0, code, output)
    assert.is_truthy(output:find("60 users", 1, true), output)
  end)

  it("say that a folder is not a repository", function()
    local folder = shell.folder()
    local output, code = shell.run(paths .. shell.lua .. " examples/git_contributors.lua "
      .. quote(folder))
    shell.remove(folder)
    assert.equal(1, code)
    assert.is_truthy(output:find("not a git repository", 1, true), output)
  end)

  it("run from another directory", function()
    local output, code = shell.run("cd / && " .. paths .. shell.lua .. " "
      .. quote(shell.root .. "/examples/01_first_hypothesis.lua"))
    assert.equal(0, code, output)
  end)
end)

describe("the README #slow", function()
  it("shows what its code prints (else run `make readme`)", function()
    local output, code = shell.run(paths .. shell.lua .. " tools/readme.lua --check")
    assert.equal(0, code, output)
  end)

  it("links to files that exist", function()
    for _, page in ipairs { "README.md", "CONTRIBUTING.md" } do
      for target in io.open(page):read("a"):gmatch("%]%(([^)#]+)%)") do
        if not target:match("^https?:") then
          assert.equal("", (shell.run("test -e " .. quote(target) .. " || echo " .. target)))
        end
      end
    end
  end)
end)
