-- The arrows of the house: who may include or require whom. CONTRIBUTING.md shows the picture.
local shell = require "spec.shell"

-- Room -> rooms it may use besides itself.
local arrows = {
  base = {},
  store = { "base" },
  ingest = { "base", "store" },
  journey = { "base", "store" },
  stats = { "base" },
  lua = { "base", "store", "ingest", "journey", "stats" },
  test = { "base", "store", "ingest", "journey", "stats" },
  fuzz = { "base", "store", "ingest", "journey", "stats" },
}

local function contains(list, value)
  for _, item in ipairs(list) do
    if item == value then
      return true
    end
  end
  return false
end

--- Every #include of the core as {file, room, target, system}.
local function includes()
  local found = {}
  for _, file in ipairs(shell.lines("find csrc -name '*.[ch]' | sort")) do
    for line in io.lines(file) do
      local open, target = line:match('^%s*#%s*include%s*([<"])([^>"]+)')
      if target then
        found[#found + 1] = { file = file, room = file:match("^csrc/(%w+)/"), target = target,
          system = open == "<" }
      end
    end
  end
  return found
end

describe("the house #house", function()
  local all = includes()

  it("has no room that the picture does not show", function()
    for _, file in ipairs(shell.lines("find csrc -name '*.[ch]' | sort")) do
      local room = file:match("^csrc/(%w+)/[%w_]+%.[ch]$")
      assert.is_truthy(room and arrows[room], file .. " is in no room of the house")
    end
  end)

  it("lets every room of the core use only the rooms below it", function()
    local wrong = {}
    for _, include in ipairs(all) do
      if not include.system then
        local room = include.target:match("^(%w+)/")
        if not room or (room ~= include.room and not contains(arrows[include.room], room)) then
          wrong[#wrong + 1] = include.file .. " includes " .. include.target
        end
      end
    end
    assert.same({}, wrong)
  end)

  it("lets only the binding see Lua", function()
    for _, include in ipairs(all) do
      if include.target:match("^lua%w*%.h$") or include.target == "lauxlib.h" then
        assert.equal("lua", include.room, include.file)
      end
    end
  end)

  it("lets only the store, the readers and one binding see SQLite", function()
    for _, include in ipairs(all) do
      if include.target == "sqlite3.h" then
        assert.is_truthy(contains({ "store", "ingest", "test", "fuzz" }, include.room)
          or include.file == "csrc/lua/l_sqlite.c", include.file)
      end
    end
  end)

  it("keeps threads inside base", function()
    for _, include in ipairs(all) do
      if include.target == "pthread.h" then
        assert.is_truthy(include.room == "base" or include.room == "test", include.file)
      end
    end
  end)

  it("never lets the judge look at the log", function()
    -- judging reads Frames only: a module of these names may not reach the core's log or reader
    for _, file in ipairs(shell.lines("find lua/wayproof -name '*.lua' | sort")) do
      local name = file:match("([%w_]+)%.lua$")
      if contains({ "verdict", "noise", "baseline", "judge", "holdout", "leak" }, name) then
        local text = assert(io.open(file)):read("a")
        assert.is_nil(text:match('require%s*%(?%s*"wayproof%.log"'), file .. " requires the log")
        assert.is_nil(text:match("core%.read"), file .. " reads files")
      end
    end
  end)

  it("has no Lua module that cannot be loaded by its own name", function()
    for _, file in ipairs(shell.lines("find lua -name '*.lua' | sort")) do
      local name = file:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
      for wanted in assert(io.open(file)):read("a"):gmatch('require%s*%(?%s*"(wayproof[%w_.]*)"') do
        local path = wanted:gsub("%.", "/")
        local there = io.open("lua/" .. path .. ".lua") or io.open("lua/" .. path .. "/init.lua")
        assert.is_truthy(there or wanted == "wayproof.core", name .. " requires " .. wanted)
        if there then
          there:close()
        end
      end
    end
  end)
end)
