-- Is `needed.users` true? Pilots of one size say how many users they would need; at the median of
-- what they say, and at 2.5 times it, many fresh runs are judged. The goal is 80 % right verdicts
-- at the printed size (78 to 82 cannot be told from it with 1,000 runs) and 95 % at 2.5 times.
--
--     lua5.4 bench/truth/needed.lua SCENARIO RATE PILOT_USERS PILOTS RUNS [SEED]
local here = (arg and arg[0] or "bench/truth/needed.lua"):match("^(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local runs = require "runs"
local scenarios = require "scenarios"
local stats = require "wayproof.stats"
local wp = require "wayproof"

wp.threads(1)
local name, rate, pilot_users, pilots, count, seed = arg[1], tonumber(arg[2]), tonumber(arg[3]),
  tonumber(arg[4]), tonumber(arg[5]), tonumber(arg[6] or 5001)
local scenario = assert(scenarios.by_name[name or ""], "usage: needed.lua SCENARIO RATE "
  .. "PILOT_USERS PILOTS RUNS [SEED]")

local right = {}
for _, verdict in ipairs(scenario.right) do right[verdict] = true end

local said = {}
for i = 1, pilots do
  local needed = runs.one(scenario, rate, pilot_users, seed + i).needed
  said[#said + 1] = needed or math.huge
end
table.sort(said)
local median = said[(#said + 1) // 2]
if median == math.huge then
  print(string.format("%s at %g %%: most pilots say that no number of users would do", name,
    100 * rate))
  return
end

local function share_right(users, from)
  local good = 0
  for i = 1, count do
    if right[runs.one(scenario, rate, users, from + i).verdict] then good = good + 1 end
  end
  local w = stats.wilson(good, count)
  return string.format("%d users: %.1f %% [%.1f, %.1f]", users, 100 * good / count, 100 * w.low,
    100 * w.high)
end

print(string.format("%s at %g %%, %d pilots of %d users say %d (half of them %d to %d); %d runs: "
  .. "%s; %s", name, 100 * rate, pilots, pilot_users, median, said[(#said + 3) // 4],
  said[(3 * #said + 3) // 4], count, share_right(median, seed + 10000),
  share_right(math.ceil(2.5 * median), seed + 20000)))
