-- wayproof's side of the benchmark, through the public interface only:
--
--     lua5.4 bench/wayproof.lua FILE.csv THREADS [RUNS] [FILE.db]
--
-- One JSON object a line, as every peer prints (bench/README.md); `cpu` beside it is the processor
-- time of all threads, which a busy machine disturbs less than the clock.
local path, threads, runs = arg[1], tonumber(arg[2] or 2), tonumber(arg[3] or 3)
local database = arg[4]
local probe = require "probe"
local start = probe.now()
local wp = require "wayproof"
local require_seconds = probe.now() - start
wp.threads(threads)

local names = { "add_to_cart", "checkout_start", "compare", "exit", "faq", "landing",
  "product_view", "purchase", "return", "review", "search", "support" }
local code = {}
for i, name in ipairs(names) do code[name] = i - 1 end
local steps = { "landing", "product_view", "add_to_cart", "checkout_start", "purchase" }
local WEEK = 7 * 86400 * 1000000

local function median(list)
  table.sort(list)
  return list[#list // 2 + 1]
end

local function say(task, seconds, cpu, answer)
  local texts = {}
  for i, number in ipairs(answer) do
    texts[i] = string.format(number % 1 == 0 and "%.0f" or "%.17g", number)
  end
  print(string.format('{"task":"%s","seconds":%.6f,"cpu":%.6f,"answer":[%s]}', task, seconds, cpu,
    table.concat(texts, ",")))
end

-- Runs `work` after `warm_ups` untimed runs and prints the medians.
local function time(task, warm_ups, work)
  local seconds, cpus, answer = {}, {}, nil
  for i = 1, warm_ups + runs do
    collectgarbage()
    local user, system = probe.cpu()
    local began = probe.now()
    answer = work()
    local took = probe.now() - began
    local user_end, system_end = probe.cpu()
    if i > warm_ups then
      seconds[#seconds + 1] = took
      cpus[#cpus + 1] = user_end + system_end - user - system
    end
  end
  say(task, median(seconds), median(cpus), answer)
end

local options = { user = "user_id", event = "event", time = "ts", value = "value" }
local log
local function load(read, from, extra)
  return function()
    if log then log:close() end
    for key, value in pairs(options) do extra[key] = value end
    log = assert(read(from, extra))
    return { #log, log:summary().users }
  end
end

if database then time("T2", 0, load(wp.read_sqlite, database, { table = "events" })) end
time("T1", 0, load(wp.read_csv, path, {}))
local load_peak = probe.peak()
local events = #log

time("T3", 1, function()
  local frame = assert(log:measure { metrics = { c = wp.count "compare" },
    outcome = wp.converts "purchase", observe = "7d", within = "30d", prior_outcome = "keep" })
  local c, y = frame:vector "c", frame:vector "outcome"
  return { frame.n.used, c:sum(), y:sum(), c:dot(y) }
end)

local function funnel(ties)
  return function()
    local result = log:funnel(steps, { within = "7d", ties = ties })
    local users = {}
    for i, step in ipairs(result.steps) do users[i] = step.users end
    return users
  end
end
time("T4", 1, funnel "as_recorded")
time("T4any", 1, funnel "any")

local function transitions(times)
  return function()
    local result = log:transitions { times = times }
    local sum = 0
    for _, row in ipairs(result.rows) do
      sum = sum + row.count * (31 * code[row.from] + code[row.to] + 1)
    end
    return { result.total, sum }
  end
end
time("T5", 1, transitions(false))
time("T5medians", 1, transitions(true))

time("T6", 1, function()
  local sessions = log:sessions { timeout = "30m" }
  return { sessions.sessions, sessions.single_event, sessions.median_seconds,
    sessions.median_events }
end)

time("T7", 1, function()
  local cohorts = log:retention { period = "week", periods = 60 }.cohorts
  local sum = 0
  for _, cohort in ipairs(cohorts) do
    local index = (cohort.start - cohorts[1].start) // WEEK
    for week, users in ipairs(cohort.retained) do sum = sum + users * (31 * index + week) end
  end
  return { sum }
end)

local bytes = log:summary().bytes
print(string.format('{"task":"memory","megabytes":%d,"load":%d,"log":%d,"require":%.6f}',
  probe.peak(), load_peak, bytes, require_seconds))
local bandwidth = probe.bandwidth(threads)
print(string.format('{"task":"machine","bandwidth":%.4g,"events":%d}', bandwidth, events))
if database then
  local seconds = {}
  for i = 1, runs do seconds[i] = probe.scan(database, events, threads) end
  say("T2floor", median(seconds), 0, { events })
end
log:close()
