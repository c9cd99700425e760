-- Do the intervals of a result hold the truth as often as they say? Every interval of a result,
-- not only those a verdict rests on.
--
--     lua5.4 bench/truth/coverage.lua SCENARIOS RATE USERS RUNS [--seed N] [--out FILE]
--
-- The truth is what the same question says of one log of 400,000 users, whose own intervals are
-- twenty times narrower than those of 1,000 users. A group of a dose table is compared where the
-- large log has a group of the same bounds, cohorts (calendar time, alike in these truths) with
-- the whole.
local here = (arg and arg[0] or "bench/truth/coverage.lua"):match("^(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local arguments = require "arguments"
local runs = require "runs"
local stats = require "wayproof.stats"
local wp = require "wayproof"

local truth_users = 400000

-- Calls visit(name, estimate, low, high) for each interval in a result's table.
local function each_interval(t, name, visit)
  if type(t) ~= "table" then return end
  if t.low and t.high then
    visit(name, t.estimate or t.rate or t.value or t.mean, t.low, t.high)
  end
  for key, value in pairs(t) do
    if type(key) == "number" and type(value) == "table" then
      if name == "dose" then
        key = key == #t and string.format("from %s", value.from)
          or string.format("%s to %s", value.from, value.to)
      elseif value.by or value.label then
        key = value.by or value.label
      end
    end
    -- the same interval on two scales counts once; the noise gate's is a band, not an interval
    if not (name == "auc" and key == "logit") and key ~= "noise" then
      each_interval(value, name == "" and tostring(key) or name .. "." .. key, visit)
    end
  end
end

local function validate(scenario, rate, users, seed)
  local log = runs.log(scenario.truth, rate, users, seed)
  local fields = { as_of = runs.as_of }
  for key, value in pairs(scenario.ask) do fields[key] = value end
  local result = assert(log:validate(wp.hypothesis(scenario.name)(fields), { refute = false }))
  log:close()
  return result:table()
end

local function coverage(scenario, rate, users, count, seed, out)
  local truth, found, names = {}, {}, {}
  each_interval(validate(scenario, rate, truth_users, 77), "", function(name, estimate)
    truth[name] = estimate
  end)
  truth["auc.wald"] = truth.auc
  for i = 1, count do
    each_interval(validate(scenario, rate, users, seed + i - 1), "", function(name, _, low, high)
      local value = truth[name]
      if name:find("^stability%.cohorts%.") then
        name, value = "stability.cohorts", truth.adjusted
      end
      if value then
        local sum = found[name]
        if not sum then
          sum = { n = 0, inside = 0, below = 0, above = 0, value = value }
          found[name], names[#names + 1] = sum, name
        end
        sum.n = sum.n + 1
        if value < low then
          sum.below = sum.below + 1
        elseif value > high then
          sum.above = sum.above + 1
        else
          sum.inside = sum.inside + 1
        end
      end
    end)
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local sum = found[name]
    local interval = stats.wilson(sum.inside, sum.n)
    out:write(string.format("%s,%g,%d,%d,%s,%.5g,%d,%.4f,%.4f,%.4f,%d,%d\n", scenario.name, rate,
      users, seed, name, sum.value, sum.n, sum.inside / sum.n, interval.low, interval.high,
      sum.below, sum.above))
  end
  out:flush()
end

local asked = arguments.read("coverage.lua SCENARIOS RATE USERS RUNS [--seed N] [--out FILE]",
  { seed = "300001" })
wp.threads(1)
local out = asked.out and assert(io.open(asked.out, "a+")) or io.stdout
if out == io.stdout or out:seek "end" == 0 then
  out:write("scenario,rate,users,seed,interval,truth,runs,covered,low,high,truth_below,",
    "truth_above\n")
end
for _, scenario in ipairs(asked.scenarios) do
  coverage(scenario, asked.rate, asked.users, asked.runs, tonumber(asked.seed), out)
end
