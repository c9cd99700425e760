-- Small random journeys with many tied times, as a Log for the core and as tables for the twin.
local made = require "spec.made"
local wp = require "wayproof"

local flow_made = {}

--- Microseconds of 2024-01-01T00:00:00Z, a Monday.
flow_made.start_us = 1704067200 * 1000000
local SECOND = 1000000

--- options: users, events (most per user), names (list), gap (mean seconds between events).
--- Three in ten events share the instant of the one before. Returns log, journeys by id.
function flow_made.log(seed, options)
  local random = made.random(seed)
  local function pick(list) return list[1 + math.floor(random.uniform() * #list)] end
  local rows, journeys = {}, {}
  for user = 1, options.users do
    local id, journey = "u" .. user, {}
    local time = flow_made.start_us
      + math.floor(random.uniform() * (options.spread or 20)) * SECOND
    for i = 1, 1 + math.floor(random.uniform() * options.events) do
      if i > 1 and random.uniform() > 0.3 then
        time = time + (1 + math.floor(random.uniform() * (options.gap or 6))) * SECOND
      end
      local event = { time = time, event = pick(options.names),
        device = random.uniform() < 0.8 and pick { "x", "y" } or nil }
      journey[i] = event
      rows[#rows + 1] = { user = id, event = event.event, time = time, device = event.device }
    end
    journeys[id] = journey
  end
  -- every name exists, and the log goes on for a while
  for _, name in ipairs(options.names) do
    rows[#rows + 1] = { user = "bystander", event = name, time = flow_made.start_us - SECOND,
      device = "z" }
  end
  return assert(wp.read_rows(rows, { time_unit = "us", properties = { "device" } })), journeys,
    random
end

return flow_made
