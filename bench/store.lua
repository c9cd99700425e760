-- The store at full size, through the public interface:
--
--     lua5.4 bench/store.lua EVENTS.csv [THREADS] [PIECES]
--     WAYPROOF_KILLS=300 lua5.4 tools/busted.lua spec/store_crash_spec.lua     kills by the hundred
--
-- Reads the benchmark's log, saves it, opens it, and asks the same of memory and of the file; then
-- appends it in pieces and compacts. Prints wall and processor seconds, the best of three where
-- repeating makes sense, bytes per event and peak resident memory.
local path, threads, pieces = arg[1], tonumber(arg[2] or 2), tonumber(arg[3] or 10)
local wp = require "wayproof"
local core = require "wayproof.core"
wp.threads(threads)

local folder = os.tmpname()
os.remove(folder)
local file = folder .. ".way"

local function wall()
  local uptime = assert(io.open "/proc/uptime")
  local seconds = uptime:read("n")
  uptime:close()
  return seconds
end

local function peak()
  for line in io.lines "/proc/self/status" do
    local kilobytes = line:match("^VmHWM:%s+(%d+)")
    if kilobytes then return kilobytes // 1024 end
  end
end

local function time(what, runs, work)
  local best_wall, best_cpu, result = math.huge, math.huge, nil
  for _ = 1, runs do
    collectgarbage()
    local from, cpu = wall(), os.clock()
    result = work()
    best_wall, best_cpu = math.min(best_wall, wall() - from), math.min(best_cpu, os.clock() - cpu)
  end
  print(string.format("%-44s %7.2f s %8.3f s cpu", what, best_wall, best_cpu))
  return result
end

local function size(name)
  local handle = assert(io.open(name, "rb"))
  local bytes = handle:seek "end"
  handle:close()
  return bytes
end

local request = { metrics = { compared = wp.count "compare" }, outcome = wp.converts "purchase",
  observe = "7d", within = "30d" }
local steps = { "landing", "product_view", "add_to_cart", "checkout_start", "purchase" }
local options = { user = "user_id", time = "ts", value = "value" }

local log = time("read CSV", 1, function() return assert(wp.read_csv(path, options)) end)
time("save", 1, function() return assert(log:save(file)) end)
print(string.format("%d events, %d users: %.2f bytes per event on disk, %.2f in memory", #log,
  log:users(), size(file) / #log, core.log.facts(log).bytes / #log))
time("open", 3, function() return assert(wp.open(file)) end)
time("measure, in memory", 3, function() return assert(log:measure(request)) end)
time("open and measure", 3, function() return assert(assert(wp.open(file)):measure(request)) end)
time("funnel, in memory", 3, function() return assert(log:funnel(steps, { within = "7d" })) end)
time("open and funnel", 3, function()
  return assert(assert(wp.open(file)):funnel(steps, { within = "7d" }))
end)
time("summary, in memory", 1, function() return log:summary() end)
time("open and summary (every column)", 1, function() return assert(wp.open(file)):summary() end)
local fingerprint = core.log.facts(log).fingerprint
do
  local store <close> = assert(wp.store(file))
  time("verify", 1, function() return assert(store:verify()) end)
end
os.remove(file)

if pieces > 0 then
  local first, last = core.log.facts(log).first, core.log.facts(log).last
  local store <close> = assert(wp.store(file))
  time(string.format("append in %d pieces by time", pieces), 1, function()
    for k = 0, pieces - 1 do
      local view = log:where { since = first + (last - first) * k // pieces,
        before = k == pieces - 1 and last + 1 or first + (last - first) * (k + 1) // pieces }
      assert(store:append(view))
    end
    return true
  end)
  print(string.format("%.2f bytes per event in %d pieces", size(file) / #log, pieces))
  time("open and measure, in pieces", 3, function()
    return assert(assert(wp.open(file)):measure(request))
  end)
  time("compact", 1, function() return assert(store:compact()) end)
  print(string.format("%.2f bytes per event, compacted; peak %d MB; fingerprint %s",
    size(file) / #log, peak(),
    core.log.facts(assert(wp.open(file))).fingerprint == fingerprint and "equal" or "different"))
end
os.remove(file)
