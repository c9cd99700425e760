-- The rules of ClickHouse against ClickHouse itself: users per level on a random log of 2,000
-- people and 31,573 events, three in ten of them tied.
--
-- Figures by ClickHouse 26.7.2.1 (npm chdb 26.7):
--   lua5.4 tools/oracles/funnel_events.lua 1 > events.csv
--   NODE_PATH=… node tools/oracles/funnel_clickhouse.mjs events.csv
local flow_made = require "spec.flow_made"

local steps = {
  apart = { "a", "b", "c" },
  shared = { { "a", "b" }, { "b", "c" }, { "a", "c" }, "d" },
  equal = { "a", "a", "b" },
}

-- Steps, window, users at level 0, 1, 2, …
local without_modes = {
  { "apart", 5, { 196, 415, 721, 668 } },
  { "apart", 20, { 196, 226, 286, 1292 } },
  { "shared", 5, { 73, 64, 100, 596, 1167 } },
  { "shared", 20, { 73, 52, 75, 233, 1567 } },
  { "equal", 5, { 196, 0, 415, 1389 } }, -- one a is two steps there
  { "equal", 20, { 196, 0, 226, 1578 } },
}
local strict_once = { -- one event, one step
  { "apart", 20, { 196, 226, 286, 1292 } },
  { "shared", 20, { 73, 95, 116, 244, 1472 } },
  { "equal", 20, { 196, 294, 262, 1248 } },
}
local strict_increase = {
  { "apart", 5, { 196, 681, 999, 124 } },
  { "shared", 5, { 73, 610, 1060, 246, 11 } },
  { "equal", 5, { 196, 1804, 0, 0 } },
}

describe("funnels and ClickHouse", function()
  local log

  setup(function()
    log = flow_made.log(1, { users = 2000, events = 30, names = { "a", "b", "c", "d" } })
      :where { since = flow_made.start_us }
  end)

  local function levels(name, options)
    local found = log:funnel(steps[name], options)
    local list = { 2000 - found.entered }
    for i, step in ipairs(found.steps) do
      local further = found.steps[i + 1]
      list[i + 1] = step.users - (further and further.users or 0)
    end
    return list
  end

  it("agree level by level where its rules are asked for", function()
    for _, case in ipairs(without_modes) do
      assert.same(case[3], levels(case[1], { within = case[2], semantics = "clickhouse" }))
    end
  end)

  it("agree with strict_once where ties are free and one event is one step", function()
    for _, case in ipairs(strict_once) do
      assert.same(case[3], levels(case[1], { within = case[2], ties = "any" }))
    end
  end)

  it("find what strict_increase misses when ties hide a chain (its #52844)", function()
    for _, case in ipairs(strict_increase) do
      local found = levels(case[1], { within = case[2], ties = "strict" })
      local ours, theirs = 0, 0
      for k = #case[3], 2, -1 do -- people at this level or further
        ours, theirs = ours + found[k], theirs + case[3][k]
        assert.is_true(ours >= theirs)
      end
      assert.is_true(found[#found] > case[3][#found])
    end
  end)
end)
