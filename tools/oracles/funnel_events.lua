-- Writes the random log of spec/funnel_clickhouse_spec.lua as CSV: user, event, seconds,
-- position. lua5.4 tools/oracles/funnel_events.lua SEED > events.csv (from the project's root)
package.path = "./?.lua;lua/?.lua;lua/?/init.lua;" .. package.path
package.cpath = "build/release/?.so;" .. package.cpath
local flow_made = require "spec.flow_made"

local names = { "a", "b", "c", "d" }
local _, journeys = flow_made.log(math.tointeger(arg[1]), { users = 2000, events = 30,
  names = names })
io.write("user,event,ts,rid\n")
local rid = 0
for user = 1, 2000 do
  for _, event in ipairs(journeys["u" .. user]) do
    rid = rid + 1
    io.write(("%d,%s,%d,%d\n"):format(user, event.event,
      (event.time - flow_made.start_us) // 1000000, rid))
  end
end
