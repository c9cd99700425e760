-- From worked journeys to what the two engines read: a Log for the core, users for the twin.
local wp = require "wayproof"

local journeys = {}

journeys.start_us = 1710028800 * 1000000 -- 2024-03-10T00:00:00Z

local texts = { "device", "page" }
local numbers = { "seats" }

local function to_event(entry)
  local event = { time = journeys.start_us + math.floor(entry[1] * 1e6 + 0.5), event = entry[2],
    value = entry[3] }
  for name, value in pairs(entry[4] or {}) do event[name] = value end
  return event
end

--- One user of the twin: events in order of time, ties as listed.
function journeys.user(id, entries)
  local journey = {}
  for i, entry in ipairs(entries) do
    journey[i] = to_event(entry)
    journey[i].row = i
  end
  table.sort(journey, function(a, b)
    if a.time ~= b.time then return a.time < b.time end
    return a.row < b.row
  end)
  return { id = id, journey = journey }
end

--- A Log of users; rows are given user after user.
function journeys.log(users)
  local rows = {}
  for _, user in ipairs(users) do
    for _, event in ipairs(user.journey) do
      rows[#rows + 1] = { user = user.id, event = event.event, time = event.time,
        value = event.value, device = event.device, page = event.page, seats = event.seats }
    end
  end
  return assert(wp.read_rows(rows, { value = "value", numbers = numbers, properties = texts,
    time_unit = "us" }))
end

--- A tree from a wp expression such as 'wp.count "a"'.
function journeys.tree(expression)
  return assert(load("local wp = ... return " .. expression, expression, "t"))(wp)
end

-- Event names that a case asks for and its journey lacks would be refused as unknown: a bystander
-- who has them all makes them known. He is measured too, and left out of what is compared.
function journeys.bystander(names)
  local entries = {}
  for i, name in ipairs(names) do
    entries[i] = { -1e6 + i, name, 1, { device = "none", page = "none", seats = 1 } }
  end
  return journeys.user("bystander", entries)
end

return journeys
