-- A first hypothesis, on events made here: does asking support keep people?
--
--     lua5.4 examples/01_first_hypothesis.lua
--
-- 3,000 people sign up for a service over four months. The busier ones stay more often, and so do
-- those whose question was answered. The question: is "asked support" worth steering by, or do
-- busy people simply do more of everything?
local wp = require "wayproof"

-- A small generator, so that everybody sees the same people.
local state = 42
local function uniform()
  state = (state * 6364136223846793005 + 1442695040888963407)
  return (state >> 11) * 0x1p-53
end
local function times(mean) -- a Poisson number
  local limit, product, count = math.exp(-mean), uniform(), 0
  while product > limit do
    count, product = count + 1, product * uniform()
  end
  return count
end

local day = 86400
local rows = {}
local function add(user, event, seconds)
  rows[#rows + 1] = { user = user, event = event, time = seconds }
end

local first_day = 1704067200 -- 2024-01-01, in seconds since 1970
for i = 1, 3000 do
  local user = "person-" .. i
  local joined = first_day + math.floor(uniform() * 120 * day)
  local keen = uniform() * 3
  local answers = times(0.8)
  add(user, "signup", joined)
  for d = 0, 6 do -- a busy person comes on more days and does more
    for _ = 1, times(0.6 + keen) do
      add(user, "use", joined + d * day + math.floor(uniform() * day))
    end
  end
  for _ = 1, answers do
    add(user, "answer", joined + 3600 + math.floor(uniform() * 6 * day))
  end
  local odds = math.exp(-2.2 + 0.5 * keen + 1.4 * math.log(1 + answers))
  if uniform() < odds / (1 + odds) then
    add(user, "use", joined + 8 * day + math.floor(uniform() * 20 * day))
  end
end

-- 1. Events become a log: one row per event, in any order.
local log = assert(wp.read_rows(rows))
print(log)
print()

-- 2. A belief becomes a hypothesis: what we would steer by, what we want, and when to look.
local answers_keep = wp.hypothesis "answered questions keep people" {
  metric = wp.count "answer", -- in the first week ...
  outcome = wp.retained { events = "use" }, -- ... and coming back in the four weeks after it
  from = "signup",
  observe = "7d",
  within = "28d",
  expect = "rise",
  as_of = "2024-05-29", -- the log is complete up to here
}
print(answers_keep)
print()

-- 3. The log answers. The first line is the verdict.
local result = log:validate(answers_keep)
print(result)

-- The same can be read as data:
assert(result.verdict == "validated", "expected validated, found " .. result.verdict)
assert(result.adjusted.estimate > 1.2 and result.adjusted.low > 1)
assert(result.n.users == 3000)
