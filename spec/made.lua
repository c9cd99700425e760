-- Seeded event logs with a known truth, small enough for the test suite.
local wp = require "wayproof"

local made = {}

--- xorshift-multiply numbers in [0, 1), standard normals and Poisson counts.
function made.random(seed)
  local state = seed * 2 + 1
  local random = {}
  function random.uniform()
    state = state * 6364136223846793005 + 1442695040888963407
    local x = state ~ (state >> 33)
    x = x * 0x2545f4914f6cdd1d
    return ((x ~ (x >> 29)) >> 11) * 0x1p-53
  end
  function random.normal()
    return math.sqrt(-2 * math.log(1 - random.uniform())) * math.cos(2 * math.pi * random.uniform())
  end
  function random.poisson(mean)
    local limit, product, count = math.exp(-mean), random.uniform(), 0
    while product > limit do
      count, product = count + 1, product * random.uniform()
    end
    return count
  end
  return random
end

made.day = 86400

--- A log of `users` who arrive over 100 days. `visit(random, add, user, start)` adds each user's
--- events through `add(event, day after arrival, properties)`; the log is closed by a last event of
--- a user "end" on day 200.
function made.log(users, seed, visit, options)
  local random = made.random(seed)
  local rows = {}
  for user = 1, users do
    local start = random.uniform() * 100 * made.day
    local id = "u" .. user
    local function add(event, at, properties)
      local row = { user = id, event = event, time = start + at * made.day }
      for key, value in pairs(properties or {}) do row[key] = value end
      rows[#rows + 1] = row
    end
    visit(random, add, user, start / made.day)
  end
  rows[#rows + 1] = { user = "end", event = "end", time = 200 * made.day }
  local given = { user = "user", event = "event", time = "time", time_unit = "s" }
  for key, value in pairs(options or {}) do given[key] = value end
  return assert(wp.read_rows(rows, given))
end

--- Activity of a user in the first week, driven by engagement: views and searches on some days.
function made.week(random, add, engagement)
  add("view", 0)
  for _ = 1, random.poisson(math.exp(1.6 + 0.6 * engagement)) do
    add(random.uniform() < 0.7 and "view" or "search", random.uniform() * 7)
  end
end

--- Whether something with these log odds happens.
function made.happens(random, log_odds)
  return random.uniform() < 1 / (1 + math.exp(-log_odds))
end

--- Set of the codes in a list of reasons or warnings.
function made.codes(list)
  local set = {}
  for _, item in ipairs(list) do set[item.code] = true end
  return set
end

return made
