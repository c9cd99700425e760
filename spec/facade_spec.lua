-- What `require "wayproof"` gives, and that it does nothing else.
local shell = require "spec.shell"

-- Runs Lua code in a new interpreter with the library in reach; returns what it writes.
local function run(code)
  return shell.must(string.format("%s -e %s", shell.lua, shell.quote(
    "package.path = 'lua/?.lua;lua/?/init.lua;' .. package.path "
      .. "package.cpath = '" .. package.cpath .. "' " .. code)))
end

local names = { "read_csv", "read_sqlite", "read_rows", "frame", "read_frame", "stages", "count",
  "did", "distinct", "sum", "mean", "max", "min", "first_value", "last_value", "sessions",
  "active_days", "time_to", "time_between", "dwell", "longest_gap", "pace", "depth", "backtracks",
  "hesitation", "self_loops", "u_turns", "matches", "attribute", "custom", "log1p", "above",
  "below", "between", "is_not", "converts", "refers", "retained", "churned", "earns",
  "accelerates", "outcome", "hypothesis", "time", "date", "threads", "help" }

describe("require \"wayproof\" #processes", function()
  it("gives a table that shows every public name to pairs", function()
    local found = {}
    for name, value in pairs(require "wayproof") do
      if type(value) == "function" then found[name] = true end
    end
    for _, name in ipairs(names) do assert.is_true(found[name], name) end
    assert.matches("^%d+%.%d+%.%d+$", require("wayproof")._VERSION)
  end)

  it("gives only names whose feature exists #bare", function()
    local wp = require "wayproof"
    local rooms = {}
    for name, value in pairs(wp) do
      if type(value) == "function" and name ~= "help" then
        local i, module, member = 1, nil, nil
        while true do
          local upvalue, content = debug.getupvalue(value, i)
          if not upvalue then break end
          if upvalue == "module" then module = content end
          if upvalue == "name" then member = content end
          i = i + 1
        end
        local found, room = pcall(require, module)
        if not found or type(room[member]) ~= "function" then
          rooms[#rooms + 1] = name .. " of " .. tostring(module)
        end
      end
    end
    table.sort(rooms)
    assert.same({}, rooms)
  end)

  it("refuses a number of threads that makes no sense, blaming the caller", function()
    local wp = require "wayproof"
    for _, n in ipairs { 0, 257, 1.5, "two" } do
      local ok, message = pcall(wp.threads, n)
      assert.is_false(ok)
      assert.matches("threads: .* %(expected a whole number from 1 to 256%)$", message)
    end
    local before = wp.threads()
    assert.equal(3, wp.threads(3))
    assert.equal(before, wp.threads(before))
  end)

  it("adds no global, prints nothing and loads no room", function()
    assert.equal("1\n", run [[
      local before = 0
      for _ in pairs(_G) do before = before + 1 end
      local loaded = 0
      for _ in pairs(package.loaded) do loaded = loaded + 1 end
      require "wayproof"
      local after = 0
      for _ in pairs(_G) do after = after + 1 end
      assert(before == after)
      local more = -loaded
      for _ in pairs(package.loaded) do more = more + 1 end
      print(more - 1)]])
  end)

  it("takes less than 5 ms", function()
    local best = math.huge
    for _ = 1, 5 do
      best = math.min(best, tonumber(run [[
        local start = os.clock()
        require "wayproof"
        print(os.clock() - start)]]))
    end
    assert.is_true(best < 0.005, "took " .. best .. " s")
  end)

  it("loads the language without the C core", function()
    assert.equal("false\n", run [[
      local wp = require "wayproof"
      wp.hypothesis "h" { metric = wp.count "a" / wp.count(), outcome = wp.converts "b",
        observe = "7d", within = "30d" }
      print(package.loaded["wayproof.core"] ~= nil)]])
  end)

  it("works as a global on the command line", function()
    assert.equal("number of events\n", shell.must("LUA_PATH='lua/?.lua;lua/?/init.lua;;' "
      .. shell.lua .. " -l wp=wayproof -e 'print(wp.count())'"))
  end)
end)
