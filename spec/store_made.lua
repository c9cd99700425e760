-- Logs for the specs of the store: nasty random rows, and what makes two logs equal.
local core = require "wayproof.core"
local wp = require "wayproof"

local made = {}

made.options = { value = "value", numbers = { "load" }, properties = { "plan", "note" } }

local notes = { "", "a,b", '"quoted"', "line\nbreak", "back\\slash", "tab\there", "ünïcödé",
  "\1\2control", "\255\254 not utf-8", ("long "):rep(200), "null", "[", "]", "\\u0041" }

--- A generator of numbers 1 .. n that is the same everywhere.
function made.random(seed)
  local state = seed
  return function(n)
    state = (state * 6364136223846793005 + 1442695040888963407) & 0xffffffffffffffff
    return (state >> 33) % n + 1
  end
end

--- Rows of events in no order of time: ties, duplicates, odd ids and texts, numbers of every kind.
function made.rows(seed, count, users)
  local random = made.random(seed)
  local kind = random(4)
  local rows = {}
  for i = 1, count do
    local user = random(users)
    local time = 1700000000000000 + random(5000) * 60000000
    if kind == 2 then time = time + random(1000000) end
    if kind == 3 then time = random(4000000000000000) - 2000000000000000 end
    rows[i] = {
      user = user % 7 == 0 and "id \"" .. user .. "\"\n" or "u" .. user,
      event = "e" .. random(kind == 4 and 300 or 5),
      time = time,
      value = random(3) == 1 and random(1000) / 100 or nil,
      load = random(10) == 1 and (random(2) == 1 and -0.0 or random(1000) / 7e5) or nil,
      plan = random(2) == 1 and "p" .. random(kind == 4 and 500 or 4) or nil,
      note = random(20) == 1 and notes[random(#notes)] or nil,
    }
  end
  return rows
end

function made.read(rows, options)
  local given = { time_unit = "us" }
  for key, value in pairs(options or made.options) do given[key] = value end
  return assert(wp.read_rows(rows, given))
end

function made.fingerprint(log)
  return core.log.facts(log).fingerprint
end

--- Everything a log says, as plain data: journeys in order, names, facts.
function made.contents(log)
  local contents = { names = core.log.names(log), journeys = {} }
  for id, journey in log:journeys() do
    contents.journeys[#contents.journeys + 1] = { id, journey }
  end
  local facts = core.log.facts(log)
  facts.memory, facts.bytes = nil, nil
  contents.facts = facts
  contents.summary = log:summary():table()
  contents.summary.bytes = nil
  return contents
end

function made.file_bytes(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("a")
  file:close()
  return bytes
end

function made.write_bytes(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

return made
