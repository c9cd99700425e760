-- wp.help: the list, one verb, one object, and what it does at a prompt.
local wp = require "wayproof"
local help = require "wayproof.help"
local shell = require "spec.shell"

local function widest(text)
  local most = 0
  for line in text:gmatch("[^\n]+") do most = math.max(most, utf8.len(line)) end
  return most
end

describe("help", function()
  it("lists every verb in groups, in 80 columns", function()
    local text = help.text()
    for name, value in pairs(wp) do
      if type(value) == "function" then
        assert.is_truthy(text:find("wp." .. name .. "%f[^%w_]"), name)
      end
    end
    assert.matches("Metrics: one number per user", text, 1, true)
    assert.is_nil(text:find("…", 1, true))
    assert.is_true(widest(text) <= 80)
  end)

  it("shortens a line of the list at a clause, never inside of code", function()
    local text = help.text()
    assert.matches("\n  wp%.open +Opens a store\n", text)
    for line in text:gmatch "[^\n]+" do
      assert.equal(0, select(2, line:gsub("`", "")) % 2, line)
    end
  end)

  it("explains a verb by function and by name alike, with an example", function()
    local text = help.text(wp.count)
    assert.matches("^wp%.count%(events, filter%)\n\nHow many events%.\n\n    wp%.count {", text)
    assert.equal(text, help.text "count")
    assert.equal(text, help.text "wp.count")
  end)

  it("shows the options that a verb takes", function()
    assert.matches("prior_outcome", help.text "hypothesis", 1, true)
    assert.matches("time_format", help.text(wp.read_csv), 1, true)
  end)

  it("explains objects by their class, and methods by name", function()
    assert.matches("metric:at_least", help.text(wp.count()), 1, true)
    assert.matches("^metric:capped%(number%)", help.text "metric:capped")
    assert.matches("^log:validate", help.text "validate")
    assert.matches("^metric:capped", help.text(wp.count().capped))
  end)

  it("keeps every text within 80 columns", function()
    for _, entry in ipairs(require "wayproof.help_text") do
      local text = help.text(entry.name)
      assert.is_true(widest(text) <= 80, entry.name .. "\n" .. text)
    end
  end)

  it("raises on what it does not know, with what comes close", function()
    local function message_of(topic) return select(2, pcall(help.text, topic)) end
    assert.matches("unknown topic 'cuont' (did you mean 'count'?)", message_of "cuont", 1, true)
    assert.matches("a function that is not part of wayproof", message_of(print), 1, true)
    assert.matches("help: 3 (expected", message_of(3), 1, true)
  end)

  it("prints in a script, and gives its text to a prompt #processes", function()
    local prefix = "LUA_PATH='lua/?.lua;lua/?/init.lua;;' " .. shell.lua .. " -l wp=wayproof "
    local printed = shell.must(prefix .. "-e 'wp.help \"pace\"'")
    assert.matches("^wp%.pace%(%)\n", printed)
    local prompt = shell.must("printf 'wp.help \"pace\"\\n' | " .. prefix .. "-i")
    local _, count = prompt:gsub("Median time between events", "")
    assert.equal(1, count)
  end)
end)
