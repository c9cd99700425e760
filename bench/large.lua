-- A store that is larger than memory should be: what every analysis of it takes.
--
--     lua5.4 bench/large.lua FOLDER [same] [BATCHES [EVENTS]]
--
-- Builds FOLDER/large.way (or same.way: every batch has the same people) from ten batches of ten
-- million events of bench/generate.c, each an import of its own with a value and a property, unless
-- it is there. Then every analysis, in a process of its own that opens the store and asks one
-- thing: wall and processor seconds, peak resident memory in MiB. The last are full verdicts.
local wp = require "wayproof"

local steps = { "landing", "product_view", "add_to_cart", "checkout_start", "purchase" }
local stages = wp.stages { { "landing", "search" }, { "product_view", "compare" },
  { "add_to_cart" }, { "purchase" } }

local function measure(log, metrics)
  return log:measure { metrics = metrics, outcome = wp.converts "purchase", observe = "7d",
    within = "30d" }
end

local function verdict(log, changes)
  local tree = { metric = wp.count "compare", outcome = wp.converts "purchase", observe = "7d",
    within = "30d" }
  for key, value in pairs(changes) do tree[key] = value end
  return log:validate(wp.hypothesis "comparing leads to buying" (tree))
end

local order = { "open", "measure", "measure properties", "funnel", "funnel with times",
  "funnel by property", "sessions", "sessions by property", "retention", "transitions", "paths",
  "where", "fingerprint", "summary", "friction", "clarity by property", "verdict",
  "verdict across property", "verdict on retention", "verdict on an amount" }
local ask = {
  open = function() end,
  measure = function(log) return measure(log, { compared = wp.count "compare" }) end,
  ["measure properties"] = function(log)
    return measure(log, { spent = wp.sum "purchase", ways = wp.distinct "channel" })
  end,
  funnel = function(log) return log:funnel(steps, { within = "7d" }) end,
  ["funnel with times"] = function(log) return tostring(log:funnel(steps, { within = "7d" })) end,
  ["funnel by property"] = function(log)
    return log:funnel(steps, { within = "7d", by = "channel" })
  end,
  sessions = function(log) return log:sessions() end,
  ["sessions by property"] = function(log) return log:sessions { by = "channel" } end,
  retention = function(log) return log:retention { period = "week" } end,
  transitions = function(log) return log:transitions() end,
  paths = function(log) return log:paths { start = "landing" } end,
  where = function(log)
    return log:where { channel = "ads", events = { "landing", "purchase" } }
  end,
  fingerprint = function(log) return require "wayproof.core".log.facts(log).fingerprint end,
  summary = function(log) return log:summary() end,
  friction = function(log) return log:friction(stages, { outcome = "purchase" }) end,
  ["clarity by property"] = function(log)
    return log:clarity(stages, { content = "channel", outcome = "purchase" })
  end,
  verdict = function(log) return verdict(log, {}) end,
  ["verdict across property"] = function(log) return verdict(log, { across = "channel" }) end,
  ["verdict on retention"] = function(log)
    return verdict(log, { outcome = wp.retained { events = "landing" } })
  end,
  ["verdict on an amount"] = function(log)
    return verdict(log, { outcome = wp.earns "purchase" })
  end,
}

local function wall()
  local uptime = assert(io.open "/proc/uptime")
  local seconds = uptime:read "n"
  uptime:close()
  return seconds
end

local function peak()
  for line in io.lines "/proc/self/status" do
    local kilobytes = line:match "^VmHWM:%s+(%d+)"
    if kilobytes then return kilobytes // 1024 end
  end
end

if arg[1] == "--ask" then
  local log <close> = assert(wp.open(arg[3]))
  local from, cpu = wall(), os.clock()
  assert(arg[2] == "open" or ask[arg[2]](log))
  print(("%-26s %7.2f s %7.2f s cpu %6d MiB"):format(arg[2], wall() - from, os.clock() - cpu,
    peak()))
  return
elseif arg[1] == "--append" then
  local store <close> = assert(wp.store(arg[2]))
  local log <close> = assert(wp.read_csv(arg[3],
    { user = "user_id", time = "ts", value = "value", properties = { "channel" } }))
  assert(store:append(log))
  return
end

local folder = table.remove(arg, 1) or error "usage: lua5.4 bench/large.lua FOLDER [same]"
local same = arg[1] == "same" and table.remove(arg, 1)
local batches, events = math.tointeger(arg[1] or 10), math.tointeger(arg[2] or 10000000)
local store = folder .. (same and "/same.way" or "/large.way")
local csv = folder .. "/batch.csv"

local function run(command, ...)
  assert(os.execute(command:format(...)))
end

local there = io.open(store, "rb")
if there then
  there:close()
else
  run("cc -O2 -o '%s/generate' bench/generate.c -lm", folder)
  for batch = 0, batches - 1 do
    run("'%s/generate' %d channel %s=%d > '%s' 2> '%s.log'", folder, events,
      same and "again" or "batch", batch, csv, csv)
    run("lua5.4 bench/large.lua --append '%s' '%s'", store, csv)
  end
  os.remove(csv)
  os.remove(csv .. ".log")
  if same then assert(assert(wp.store(store)):compact()) end
end

do
  local log <close> = assert(wp.open(store))
  print(("%d events, %d users"):format(#log, log:users()))
end
for _, what in ipairs(order) do run("lua5.4 bench/large.lua --ask '%s' '%s'", what, store) end
