-- The rock, as a stranger would get it: from a clean copy of the tree, into an empty tree, used
-- from another directory with nothing of this checkout in sight.
local shell = require "spec.shell"
local quote = shell.quote

describe("the rockspec #house", function()
  it("lists every C file of the core and every Lua module (else run `make rockspec`)", function()
    local output, code = shell.run(shell.lua .. " tools/rockspec.lua --check")
    assert.equal("", output)
    assert.equal(0, code)
  end)

  it("asks for headers and libraries of SQLite and zlib, never for the system's", function()
    local spec = {}
    assert(loadfile("rockspec/wayproof-scm-1.rockspec", "t", spec))()
    for _, name in ipairs { "SQLITE", "ZLIB" } do
      assert.is_string(spec.external_dependencies[name].header)
      assert.is_string(spec.external_dependencies[name].library)
    end
    assert.is_nil(spec.external_dependencies.PTHREAD)
    assert.is_nil(spec.external_dependencies.M)
    assert.equal("make test", spec.test.command)
  end)
end)

describe("the rock #slow", function()
  local folder, tree, elsewhere

  --- Runs a command far from the checkout, with the paths that LuaRocks prints and no others.
  local function away(command)
    return shell.run(table.concat({
      "cd " .. quote(elsewhere),
      "unset LUA_PATH LUA_CPATH LUA_PATH_5_4 LUA_CPATH_5_4 WAYPROOF_BUILD",
      'eval "$(luarocks --lua-version=5.4 --tree ' .. quote(tree) .. ' path)"',
      command,
    }, " && "))
  end

  setup(function()
    if not shell.has("luarocks") then
      return
    end
    folder = shell.folder()
    tree, elsewhere = folder .. "/tree", folder .. "/elsewhere"
    shell.must("mkdir " .. quote(elsewhere))
    shell.must("tools/export.sh " .. quote(folder .. "/clone"))
    shell.must("cd " .. quote(folder .. "/clone") .. " && unset LUA_PATH LUA_CPATH"
      .. " && luarocks --lua-version=5.4 make --deps-mode=none --tree " .. quote(tree))
  end)

  teardown(function()
    if folder then
      shell.remove(folder)
    end
  end)

  local function needs_luarocks()
    if not folder then
      pending("luarocks is not installed")
    end
  end

  it("installs from a clean copy and loads from another directory", function()
    needs_luarocks()
    local output, code = away(shell.lua .. [[ -e 'local wp = require "wayproof"
      print(package.searchpath("wayproof", package.path))
      print(type(wp.hypothesis), wp._VERSION)']])
    assert.equal(0, code, output)
    assert.is_truthy(output:find(tree, 1, true), output)
    assert.is_truthy(output:find("function\t%d+%.%d+"), output)
  end)

  it("answers a question end to end", function()
    needs_luarocks()
    local output, code = away(shell.lua .. [[ -e 'local wp = require "wayproof"
      local log = assert(wp.read_rows({ { user = "a", event = "x", time = 0 } }))
      print(#log, math.type(log:summary().users))']])
    assert.equal(0, code, output)
    assert.is_truthy(output:find("1\tinteger", 1, true), output)
  end)

  it("installs the command", function()
    needs_luarocks()
    local output, code = away("command -v wayproof && wayproof --version")
    assert.equal(0, code, output)
    assert.is_truthy(output:find(tree .. "/bin/wayproof", 1, true), output)
    assert.is_truthy(output:find("%d+%.%d+"), output)
  end)

  it("leaves nothing behind in the working directory", function()
    needs_luarocks()
    assert.equal("", (away("ls -A")))
  end)
end)
