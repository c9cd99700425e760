-- How far do people get, who stays behind, and would another tool say the same?
--
--     lua5.4 examples/06_funnel.lua
--
-- A made-up shop of 3,000 visitors (the same on every machine). Half a year of events; some people
-- came so late that their 30 days are not over: they are pending, not lost.
local wp = require "wayproof"

local path = os.tmpname()
os.remove(path)
assert(require("wayproof.shop").write(path, { users = 3000 }))
local log = assert(wp.read_sqlite(path, { table = "events", user = "user_id", time = "ts",
  properties = { "device" } }))
os.remove(path)

local steps = { "search", "product_view", "checkout_start", "purchase" }
local funnel = log:funnel(steps, { within = "30d" })
print(funnel)

-- Every figure is a list of people, each with one winning sequence.
local left = funnel:dropped "checkout_start"
assert(#left == funnel.steps[3].dropped)
for _, person in ipairs(funnel:users("purchase")) do
  for k = 2, 4 do assert(person.times[k] >= person.times[k - 1]) end
end

-- The same people by the rules of another tool.
print()
print(funnel:explain "mixpanel")

-- What people do from the first search on, and how long they stay with each event.
print()
print(log:paths { start = "search", steps = 4, within = "30m" })

-- The rate among those who had all their time is the honest one while the log still runs.
local observable = log:funnel(steps, { within = "30d", denominator = "observable" })
assert(observable.observable + funnel.pending <= funnel.entered)
assert(observable.rate > funnel.rate)
