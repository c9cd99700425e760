-- The differences of clarity against R's lm with strata as factors and people as clusters, on
-- journeys of its own: tools/oracles/clarity.R.
local core = require "wayproof.core"
local plan = require "wayproof.friction_plan"
local wp = require "wayproof"

local oracle = dofile "spec/oracle/clarity.lua"

local function journeys()
  local rows, at = {}, 0
  for user, count in ipairs(oracle.rows_of_people) do
    local time = 10 * user
    for _ = 1, count do
      at = at + 1
      time = time + oracle.gap[at]
      rows[at] = { user = "u" .. user, time = time, event = oracle.names[oracle.event[at]],
        page = oracle.page[at] > 0 and tostring(oracle.page[at]) or nil }
    end
  end
  return assert(wp.read_rows(rows, { time_unit = "s", properties = { "page" } }))
end

local figures = { "users", "passed", "compared", "advance", "se", "back", "linger", "leave",
  "crude", "known", "place", "place_se" }

describe("clarity", function()
  it("equals lm with strata as factors and clustered errors of R's sandwich", function()
    local log = journeys()
    assert.equal(oracle.as_of * 1000000, core.log.facts(log).last)
    local handle <close> = plan.open(log, { times = 1, as_of_us = oracle.as_of * 1000000,
      stages = wp.stages { { "one", "start" }, { "two", "move" }, { "three", "later" } } })
    local raws = handle:clarity { within_us = oracle.within * 1000000, users_least = 20,
      text_column = 1 }
    local names, checked = core.log.names(log).events, 0
    for _, raw in ipairs(raws) do
      local stage, item = oracle.stages[raw.stage], names[raw.code] .. " " .. raw.value
      local own = stage and stage.items[item]
      if own then
        assert.equal(stage.moved, raw.moved)
        for _, name in ipairs(figures) do
          local wanted, found = own[name], raw[name]
          assert.equal(wanted == nil, found == nil, item .. ": " .. name)
          assert.is_near(wanted or 0, found or 0, 1e-10, item .. ": " .. name)
        end
        stage.items[item], checked = nil, checked + 1
      else
        assert.is_true(stage == nil or raw.structural, item)
      end
    end
    for _, stage in ipairs(oracle.stages) do assert.is_nil((next(stage.items))) end
    assert.is_true(checked >= 20)
  end)
end)
