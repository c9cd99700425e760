-- types/wayproof.lua against what the modules export, and the help made from it.
local help_tool = dofile "tools/help.lua"
local wp = require "wayproof"

local function by_name()
  local map = {}
  for _, entry in ipairs(help_tool.read "types/wayproof.lua") do map[entry.name] = entry end
  return map
end

-- Methods that a user can call, by the word for their class in the stubs.
local function methods_of()
  local stages = wp.stages { "a" }
  local metric, outcome = wp.count(), wp.converts "a"
  local hypothesis = wp.hypothesis "h" { metric = metric, outcome = outcome, observe = "1d",
    within = "1d" }
  local classes = { metric = metric, outcome = outcome, stages = stages, hypothesis = hypothesis }
  local frame = wp.frame { a = { 1, 2 } }
  local log = wp.read_rows { { user = "a", event = "b", time = 1 } }
  classes.frame, classes.log = frame, log
  return classes
end

describe("types/wayproof.lua", function()
  it("has every public name of the module", function()
    local entries = by_name()
    for name, value in pairs(wp) do
      if type(value) == "function" then
        assert.is_truthy(entries["wp." .. name], "wp." .. name .. " has no stub")
      end
    end
  end)

  it("has no name that the module does not have", function()
    for name in pairs(by_name()) do
      local short = name:match("^wp%.([%w_]+)$")
      if short then assert.equal("function", type(wp[short]), name) end
    end
  end)

  it("names only methods that exist", function()
    local classes = methods_of()
    for name in pairs(by_name()) do
      local class, method = name:match("^(%l+):([%w_]+)$")
      if classes[class] then assert.equal("function", type(classes[class][method]), name) end
    end
  end)

  it("names every analysis that a log has", function()
    local entries, log = by_name(), methods_of().log
    for _, name in ipairs { "measure", "validate", "sessions", "transitions", "paths", "retention",
      "funnel", "friction", "clarity", "discover", "confidence", "watch", "review", "experiment",
      "explain", "save", "regroup", "split", "where", "journey", "journeys", "summary", "users" } do
      if log[name] then assert.is_truthy(entries["log:" .. name], "log:" .. name) end
    end
  end)

  it("has every option of a hypothesis", function()
    local stubs = {}
    for _, field in ipairs(by_name()["wayproof.HypothesisOptions"].fields) do
      stubs[field.name:gsub("%?$", "")] = true
    end
    for _, name in ipairs(require("wayproof.hypothesis").options) do
      if name ~= "until" then assert.is_true(stubs[name], name) end -- a word of Lua
      stubs[name] = nil
    end
    assert.is_nil(next(stubs))
  end)

  it("gives each verb of wp a sentence, its parameters and an example", function()
    for name, entry in pairs(by_name()) do
      if name:match("^wp%.") then
        assert.is_true(#entry.text > 10, name .. " has no text")
        assert.is_truthy(entry.example, name .. " has no example")
        local count = select(2, entry.signature:gsub("[%w_]+[,)]", ""))
        assert.equal(count, #entry.params, name .. " documents other parameters")
      end
    end
  end)

  it("is Lua that loads", function()
    assert.is_truthy(loadfile "types/wayproof.lua")
  end)

  it("has examples that are Lua", function()
    for name, entry in pairs(by_name()) do
      if entry.example then
        local code = entry.example:gsub("%-%->[^\n]*", "")
        local pending = code
        if not load(code) then -- a list of expressions
          pending = ""
          for line in (code .. "\n"):gmatch("(.-)\n") do
            pending = pending .. line .. "\n"
            if load("return " .. pending) or load(pending) then pending = "" end
          end
        end
        assert.is_truthy(load(pending), name .. ": " .. code)
      end
    end
  end)
end)

describe("lua/wayproof/help_text.lua", function()
  it("is what tools/help.lua makes of the stubs now", function()
    local file = assert(io.open("lua/wayproof/help_text.lua", "rb"))
    local text = file:read("a")
    file:close()
    assert.is_true(text == help_tool.generate "types/wayproof.lua", "run lua5.4 tools/help.lua")
  end)
end)
