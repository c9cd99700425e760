-- One row of the table of bench/shapes.sh: lua5.4 bench/shapes.lua FILE.csv SHAPE THREADS
local path, shape, threads = arg[1], arg[2], tonumber(arg[3])
local probe = require "probe"
local wp = require "wayproof"
wp.threads(threads)

local options = { user = "user_id", event = "event", time = "ts", value = "value" }
if shape == "wide" then
  options.properties = {}
  for i = 1, 200 do options.properties[i] = "p" .. i end
end
local log
local function cpu(work)
  local best = math.huge
  for _ = 1, 3 do
    collectgarbage()
    local user, system = probe.cpu()
    work()
    local user_end, system_end = probe.cpu()
    best = math.min(best, user_end + system_end - user - system)
  end
  return best
end

local costs = {}
local function cost(work) costs[#costs + 1] = cpu(work) end
cost(function()
  if log then log:close() end
  log = assert(wp.read_csv(path, options))
end)
local many = shape == "names"
local function any(name) return many and name .. "_*" or name end
cost(function()
  assert(log:measure { metrics = { c = wp.count(any "compare") },
    outcome = wp.converts(any "purchase"), observe = "7d", within = "30d", prior_outcome = "keep" })
end)
local steps = {}
for i, name in ipairs { "landing", "product_view", "add_to_cart", "checkout_start", "purchase" } do
  steps[i] = { name = name, events = any(name) }
end
cost(function() log:funnel(steps, { within = "7d" }) end)
cost(function() log:transitions { times = false } end)
cost(function() log:sessions { timeout = "30m" } end)
cost(function() log:retention { period = "week", periods = 60 } end)

local cells = { shape }
for i, seconds in ipairs(costs) do
  cells[i + 1] = string.format("%.1f ns", seconds * 1e9 / #log)
end
cells[#cells + 1] = string.format("%.1f", log:summary().bytes / #log)
cells[#cells + 1] = tostring(probe.peak())
print("| " .. table.concat(cells, " | ") .. " |")
