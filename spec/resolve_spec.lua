-- From names to positions: what selectors and filters mean in one log.
local wp = require "wayproof"
local core = require "wayproof.core"
local resolve = require "wayproof.resolve"
local select_events = require "wayproof.select"

local rows = {}
for i = 1, 120 do
  rows[i] = { user = "u" .. i % 5, event = ({ "W_call", "W_mail", "view", "buy" })[i % 4 + 1],
    time = i, revenue = i % 3 == 0 and i or nil, channel = i % 7 < 3 and "ads" or nil }
end

describe("resolving", function()
  local log
  setup(function()
    log = assert(wp.read_rows(rows, { value = "revenue", properties = { "channel" } }))
  end)
  teardown(function() log:close() end)

  -- How many events a selector stands for, through the core and by hand.
  local function counts(selector, holds)
    local view <close> = core.log.where(log, resolve.selector(log, selector))
    local expected = 0
    for _, row in ipairs(rows) do
      if holds(row) then expected = expected + 1 end
    end
    return expected, #view
  end

  local function selector(events, filter, except)
    return select_events.new { names = events, filter = select_events.filter(filter, "spec"),
      except = except }
  end

  local cases = {
    { "a name", selector { "buy" }, function(r) return r.event == "buy" end },
    { "a pattern", selector { "W_*" }, function(r) return r.event:find "^W_" end },
    { "a pattern in the middle", selector { "*a*" }, function(r) return r.event:find "a" end },
    { "everything", selector(), function() return true end },
    { "a name where a property holds", selector({ "buy" }, { channel = "ads" }),
      function(r) return r.event == "buy" and r.channel == "ads" end },
    { "everything except a name", selector(nil, nil, { selector { "W_*" } }),
      function(r) return not r.event:find "^W_" end },
    { "everything except a name where a number holds",
      selector(nil, nil, { selector({ "W_call" }, { value = wp.above(20) }) }),
      function(r) return not (r.event == "W_call" and r.revenue and r.revenue > 20) end },
    { "a pattern except two, one with a filter",
      selector({ "*" }, nil, { selector { "view" }, selector(nil, { channel = "ads" }) }),
      function(r) return r.event ~= "view" and r.channel ~= "ads" end },
    { "everything except everything", selector(nil, nil, { selector() }),
      function() return false end },
    { "the missing value, as the empty text", selector(nil, { channel = "" }),
      function(r) return r.channel == nil end },
  }
  for _, case in ipairs(cases) do
    it("selects " .. case[1], function()
      local expected, found = counts(case[2], case[3])
      assert.equal(expected, found)
    end)
  end

  it("takes a dot, a dash and a bracket in a pattern for what they are", function()
    local other <close> = assert(wp.read_rows { { user = "a", event = "a.b", time = 1 },
      { user = "a", event = "axb", time = 1 }, { user = "a", event = "[x]-%d", time = 1 } })
    assert.same({ "a.b" }, resolve.event_names(other, selector { "a.*" }))
    assert.same({ "[x]-%d" }, resolve.event_names(other, selector { "[x]-*" }))
  end)

  it("lists what a selector stands for, sorted", function()
    assert.same({ "W_call", "W_mail", "buy" }, resolve.event_names(log, selector { "W_*", "buy" }))
    assert.is_nil(resolve.event_names(log, selector()))
    assert.same({}, resolve.event_names(log, selector { "nothing" }))
  end)

  it("raises for names that the log does not have, unless they are optional", function()
    local ok, message = pcall(resolve.selector, log, selector { "by" })
    assert.is_false(ok)
    assert.truthy(message:find("unknown event 'by' (did you mean 'buy'?)", 1, true), message)
    assert.same({}, resolve.selector(log, selector { "by" }, true).codes)
  end)

  it("finds columns by name, and the value column by its two names", function()
    assert.same({ kind = "number", column = 1, per_user = false },
      resolve.find_column(log, "value"))
    assert.same({ kind = "number", column = 1, per_user = false },
      resolve.number_column(log, "revenue"))
    assert.same({ kind = "text", column = 1, per_user = false }, resolve.column(log, "channel"))
    assert.is_nil(resolve.find_column(log, "nothing"))
    assert.has_error(function() resolve.number_column(log, "channel") end)
    local plain <close> = assert(wp.read_rows(rows))
    local ok, message = pcall(resolve.number_column, plain)
    assert.is_false(ok)
    assert.truthy(message:find("the log has no value column", 1, true))
  end)
end)
