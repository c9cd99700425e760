-- Your own CSV: a file as it comes out of real systems, and the options that read it.
--
--     lua5.4 examples/02_your_own_csv.lua            writes a small file and reads it
--     lua5.4 examples/02_your_own_csv.lua mine.csv   starts from yours: change the options below
local wp = require "wayproof"

-- 400 people of a learning site. The export is awkward on purpose: a byte order mark, semicolons
-- between the columns, German dates in local time, names with quotes, a line break inside a value,
-- and two rows that cannot be read.
local function write_sample(path)
  local file = assert(io.open(path, "wb"))
  file:write("\239\187\191", "Kunde;Aktion;Zeitpunkt;Betrag;Kurs\r\n")
  local function row(user, action, time, amount, course)
    file:write(user, ";", action, ";", os.date("!%d.%m.%Y %H:%M:%S", time), ";", amount, ";",
      course, "\r\n")
  end
  for i = 1, 400 do
    local user = i % 50 == 0 and ('"Ann ""Nan"" %d"'):format(i) or "user " .. i
    local start = 1709251200 + (i * 7919) % 90 * 86400 + (i * 104729) % 40000
    local course = i % 3 == 0 and '"Guitar;\nfirst steps"' or "Piano"
    row(user, "start", start, "", course)
    for lesson = 1, i % 5 do
      row(user, "lesson", start + lesson * 90000, "", course)
    end
    if (i * 31) % 10 < 2 + i % 5 then
      row(user, "subscribe", start + 9 * 86400 + i * 60, 9.5, course)
    end
  end
  file:write("user 7;lesson;31.02.2024 10:00:00;;Piano\r\n") -- there is no such day
  file:write("user 8;lesson;yesterday;;Piano\r\n")
  file:close()
end

local path, own = arg and arg[1], true
if not path then
  path, own = os.tmpname(), false
  write_sample(path)
end

local options = {
  user = "Kunde", event = "Aktion", time = "Zeitpunkt",
  value = "Betrag", properties = { "Kurs" },
  time_format = "%d.%m.%Y %H:%M:%S", timezone = "Europe/Berlin",
}

-- A bad row stops the reading, and the message says where it is and what was expected ...
local log, message = wp.read_csv(path, options)
print(log and "every row could be read" or message)

-- ... or it is left out and counted.
options.bad_rows = "skip"
log = assert(wp.read_csv(path, options))
print(log)
print(log:summary())

local result = log:validate(wp.hypothesis "lessons lead to subscriptions" {
  metric = wp.count "lesson",
  outcome = wp.converts "subscribe",
  observe = "7d",
  within = "14d",
  as_of = "2024-07-01",
})
print(result)

if not own then
  os.remove(path)
  local summary = log:summary()
  assert(message:find("31.02.2024", 1, true), message)
  assert(summary.skipped == 2 and summary.users == 400 and #summary.event_names == 3)
  -- the file says 07:06:50 in Berlin, where it is an hour later than in UTC
  assert(log:journey("user 90")[1].time == wp.time "2024-03-01T06:06:50Z")
  assert(log:journey('Ann "Nan" 50')[1].Kurs == "Piano")
  assert(log:journey("user 3")[1].Kurs == "Guitar;\nfirst steps")
  assert(result.n.users == 400)
  -- here lessons and subscriptions have nothing to do with one another, and 400 people prove little
  assert(result.verdict == "inconclusive", result.verdict)
end
