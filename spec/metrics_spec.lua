-- Every metric on worked journeys, by the core and by the naive twin.
local journeys = require "spec.journeys"
local measure = require "wayproof.measure"
local select_events = require "wayproof.select"
local twin = require "spec.twin"

local everyone = journeys.bystander { "a", "b", "c", "d", "s", "x", "W_one", "xW_one" }
local as_of_us = journeys.start_us + 30 * 86400 * 1000000

local function by_core(user, node, window, from)
  local log <close> = journeys.log { user, everyone }
  local frame <close> = assert(measure.run(log, { as_of_us = as_of_us, from = from,
    columns = { { name = "metric", metric = node, window = window } } }))
  local users = frame:column "user"
  for row = 1, #frame do
    if users[row] == user.id then return frame:column("metric")[row] end
  end
  error("the user has no row")
end

local function by_twin(user, node, window, from)
  local clock = assert(twin.clock(user, { as_of_us = as_of_us, from = from }))
  return twin.value(node, user, window, clock)
end

for _, file in ipairs { "metrics_count", "metrics_value", "metrics_time" } do
  for _, group in ipairs(require("spec.semantics." .. file)) do
    describe("the metric " .. group.of, function()
      for _, case in ipairs(group.cases) do
        local title, entries, expression, seconds, expected, more = table.unpack(case, 1, 6)
        it(title, function()
          local user = journeys.user("u", entries)
          local node = journeys.tree(expression)
          local window = { from_us = math.floor(seconds[1] * 1e6),
            to_us = math.floor(seconds[2] * 1e6) }
          local from = more and more.from and select_events.selector(more.from) or nil
          local want = expected ~= "missing" and expected or nil
          assert.equal(want, by_twin(user, node, window, from), "the twin")
          assert.equal(want, by_core(user, node, window, from), "the core")
        end)
      end
    end)
  end
end

describe("a measured column", function()
  it("hands out whole numbers as integers and the rest as floats", function()
    local user = journeys.user("u", { { 0, "a", 2 }, { 1, "b", 3 } })
    local window = { from_us = 0, to_us = 10000000 }
    for expression, kind in pairs {
      ['wp.count "a"'] = "integer", ['wp.did "a"'] = "integer", ['wp.active_days()'] = "integer",
      ['wp.count "a" * 2 + 1'] = "integer", ['wp.count("a"):at_least(1)'] = "integer",
      ['wp.count "a" / wp.count "b"'] = "float", ['wp.sum "a"'] = "float",
      ['wp.time_to "a"'] = "float", ['wp.log1p(wp.count "a")'] = "float",
    } do
      assert.equal(kind, math.type(by_core(user, journeys.tree(expression), window)), expression)
    end
  end)
end)
