-- V: one full verdict, timed from the loaded log to the printed answer; then what the Python peer
-- needs to take the same steps is written out (not timed).
--
--     lua5.4 bench/verdict.lua FILE.csv FOLDER THREADS RUNS
--
-- The log is that of the truth bench's simulator with each plain event split into six names, so
-- that 50 of them can stand in the metric's place (the product takes the 20 busiest). A verdict
-- without clusters needs no bootstrap: 1,999 of the AUC are drawn beside it.
local here = (arg and arg[0] or "bench/verdict.lua"):match("^(.*/)") or "./"
package.path = here .. "truth/?.lua;" .. package.path
local judge = require "wayproof.judge"
local needs = require "wayproof.needs"
local probe = require "probe"
local runs_of = require "runs"
local stats = require "wayproof.stats"
local wp = require "wayproof"

local csv, folder, threads, runs = arg[1], arg[2], tonumber(arg[3]), tonumber(arg[4])
wp.threads(threads)
needs.placebos_most = 50

local log = assert(wp.read_csv(csv, { user = "user", event = "event", time = "time",
  time_unit = "s", value = "value", properties = { "channel", "account" } }))

local case, facts
local measured = judge.facts
judge.facts = function(given, ...) -- luacheck: ignore 122
  case, facts = given, measured(given, ...)
  return facts
end

local question = wp.hypothesis "more of it" { metric = wp.count "metric",
  outcome = wp.converts "purchase", observe = "7d", within = "30d", across = "channel",
  as_of = runs_of.as_of }

local seconds, cpus, result = {}, {}, nil
for i = 1, runs do
  collectgarbage()
  local begin, cpu = probe.now(), os.clock()
  result = assert(log:validate(question))
  stats.auc_bootstrap(case.m, case.y, { resamples = 1999 })
  seconds[i], cpus[i] = probe.now() - begin, os.clock() - cpu
end
table.sort(seconds)
table.sort(cpus)
local middle = (runs + 1) // 2

local function write(name, v)
  local file <close> = assert(io.open(folder .. "/" .. name .. ".f64", "wb"))
  local list, count = v:table(), #v
  for first = 1, count, 200 do
    local last = math.min(first + 199, count)
    file:write(string.pack("<" .. ("d"):rep(last - first + 1), table.unpack(list, first, last)))
  end
end

os.execute("mkdir -p '" .. folder .. "' && rm -f '" .. folder .. "'/*.f64")
for _, name in ipairs { "y", "m", "entry", "volume", "total", "days", "sessions", "silence" } do
  write(name, case[name])
end
write("channel", case.across[1].codes)
local placebos = {}
for _, placebo in ipairs(facts.refuters.placebos.events) do placebos[placebo.event] = placebo end
local answer = { facts.found.adjusted.beta, facts.found.adjusted.se, facts.auc.estimate,
  facts.found.discovery.beta, facts.found.holdout.beta, facts.stability.families[1].mean,
  facts.refuters.tail.estimate }
local mean, count = 0, 0
for _, item in ipairs(case.member.columns.placebos) do
  local placebo = placebos[item.event]
  if placebo then
    count = count + 1
    mean = mean + placebo.beta
    write(string.format("placebo%02d", count),
      case.frame:vector(item.column):select(case.used):fill(0))
  end
end
answer[#answer + 1] = mean / count
local texts = {}
for i, number in ipairs(answer) do texts[i] = string.format("%.15g", number) end
print(string.format('{"task":"V","seconds":%.3f,"cpu":%.3f,"users":%d,"placebos":%d,"answer":[%s]}',
  seconds[middle], cpus[middle], #case.y, count, table.concat(texts, ",")))
io.stderr:write(tostring(result), "\n")
