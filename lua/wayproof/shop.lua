--- A made-up shop with a planted truth: the same seed gives the same visitors on every machine.
--
-- Each visitor has three hidden traits: engagement (does more of everything, buys more), curiosity
-- (reads comparison guides) and thrift (looks up delivery costs). What is planted: guides raise the
-- chance to buy, looking up delivery costs lowers it, banner clicks follow engagement and do
-- nothing of their own, the colour theme is nobody's business, and a checkout is started minutes
-- before a purchase. Cost: about 2 microseconds per event, memory for one visitor at a time.
local core = require "wayproof.core"

local shop = {}

-- --- Random numbers: xoshiro256**, seeded by splitmix64, as in the C core --------------------

local function new_random(seed)
  local state = seed
  local function splitmix()
    state = state + 0x9e3779b97f4a7c15
    local z = state
    z = (z ~ (z >> 30)) * 0xbf58476d1ce4e5b9
    z = (z ~ (z >> 27)) * 0x94d049bb133111eb
    return z ~ (z >> 31)
  end
  local a, b, c, d = splitmix(), splitmix(), splitmix(), splitmix()
  local random = {}

  --- Uniform in [0, 1).
  local function uniform()
    local x, t = b * 5, b << 17
    x = ((x << 7) | (x >> 57)) * 9
    c = c ~ a
    d = d ~ b
    b = b ~ c
    a = a ~ d
    c = c ~ t
    d = (d << 45) | (d >> 19)
    return (x >> 11) * 0x1p-53
  end
  random.uniform = uniform

  --- Standard normal (Box and Muller; the second number is thrown away).
  function random.normal()
    return math.sqrt(-2 * math.log(1 - uniform())) * math.cos(2 * math.pi * uniform())
  end

  function random.exponential(mean)
    return -mean * math.log(1 - uniform())
  end

  --- Poisson by multiplication; the mean is split so that the product does not vanish.
  function random.poisson(mean)
    local count = 0
    while mean > 30 do
      local limit, product = math.exp(-30), uniform()
      while product > limit do
        count, product = count + 1, product * uniform()
      end
      mean = mean - 30
    end
    local limit, product = math.exp(-mean), uniform()
    while product > limit do
      count, product = count + 1, product * uniform()
    end
    return count
  end

  --- One of the values of a list {value, share, value, share, …}; the shares add up to 1.
  function random.pick(shares)
    local u = uniform()
    for i = 1, #shares - 2, 2 do
      u = u - shares[i + 1]
      if u < 0 then
        return shares[i]
      end
    end
    return shares[#shares - 1]
  end

  return random
end

-- --- The plant ------------------------------------------------------------------------------

local day = 86400
local start = 1704067200 -- 2024-01-01T00:00:00Z
local arrivals_days = 150
local observed_days = 165 -- the log ends here; who came in the last weeks is too recent to count
local week = 7 * day

local channels = { "search", 0.42, "ads", 0.27, "mail", 0.17, "direct", 0.14 }
local devices = { "mobile", 0.58, "desktop", 0.42 }
-- Everyday events, which engagement drives and which do nothing of their own.
local everyday = {
  "page_view", 0.34, "product_view", 0.24, "search", 0.11, "banner_click", 0.09, "photo_zoom", 0.05,
  "filter", 0.04, "wishlist", 0.03, "size_chart", 0.03, "newsletter_open", 0.025, "share", 0.025,
  "store_finder", 0.02,
}

--- Effects on the log odds of buying; 1 on the guides means e times the odds per unit of log(1+n).
shop.plant = { intercept = -1.85, engagement = 0.75, guides = 1.3, delivery_costs = -1.4 }

local function logistic(x)
  return 1 / (1 + math.exp(-x))
end

--- A visitor before the first click.
local function draw_traits(random)
  local engagement, curiosity, thrift = random.normal(), random.normal(), random.normal()
  return {
    engagement = engagement,
    guides = random.poisson(math.exp(-0.35 + 0.2 * engagement + 0.8 * curiosity)),
    delivery_costs = random.poisson(math.exp(-0.35 + 0.3 * engagement + 0.8 * thrift)),
    themes = random.poisson(1.1),
    channel = random.pick(channels),
    device = random.pick(devices),
  }
end

local function buys(random, traits)
  local plant = shop.plant
  local odds = math.exp(plant.intercept + plant.engagement * traits.engagement
    + plant.guides * math.log(1 + traits.guides)
    + plant.delivery_costs * math.log(1 + traits.delivery_costs))
  return random.uniform() < odds / (1 + odds)
end

--- Sessions of the first week: one at the start, then on some of the days, each with its events.
local function draw_week(random, traits, first, add)
  local sessions = {}
  local come_back = logistic(0.3 + 0.7 * traits.engagement)
  local per_session = math.exp(1.15 + 0.45 * traits.engagement)
  for session = 0, 6 do
    if session == 0 or random.uniform() < come_back then
      local at = session == 0 and first
        or first + (session - 1) * day + 3600 + math.floor(random.uniform() * (day - 3600))
      sessions[#sessions + 1] = at
      for _ = 1, 1 + random.poisson(per_session) do
        at = at + 1 + math.floor(random.exponential(70))
        add(random.pick(everyday), at)
      end
    end
  end
  -- Somewhere in one of these sessions.
  return function()
    return sessions[1 + math.floor(random.uniform() * #sessions)]
      + 1 + math.floor(random.uniform() * 600)
  end
end

--- Writes one visitor through `add(event, seconds, value)`.
local function visit(random, traits, add)
  local first = start + math.floor(random.uniform() * arrivals_days * day)
  add("landing", first)
  local in_session = draw_week(random, traits, first, add)
  for _ = 1, traits.guides do
    add("compare_guide", in_session())
  end
  for _ = 1, traits.delivery_costs do
    add("delivery_costs", in_session())
  end
  for _ = 1, traits.themes do
    add("theme_switch", in_session())
  end
  for _ = 1, random.poisson(math.exp(0.6 + 0.6 * traits.engagement)) do
    add(random.pick(everyday), first + week + math.floor(random.exponential(12 * day)))
  end

  if buys(random, traits) then
    local early = random.uniform() < 0.15
    local at = first + 3600 + math.floor(early and random.uniform() * (week - 3600)
      or week + random.exponential(8 * day))
    -- Many hesitate at the checkout, think it over, and come back the same day or the next.
    if random.uniform() < 0.75 then
      local thinking = 600 + math.floor(random.exponential(14 * 3600))
      add("checkout_start", math.max(first + 60, at - thinking))
    end
    add("checkout_start", at - 120 - math.floor(random.uniform() * 900))
    add("purchase", at, math.floor(100 * math.exp(3.9 + 0.5 * random.normal())) / 100)
  elseif random.uniform() < 0.01 then
    add("checkout_start", in_session())
  end
end

-- --- The database ---------------------------------------------------------------------------

--- Writes the shop's table `events(user_id, event, ts, value, channel, device)` into a new SQLite
--- database. Times are ISO 8601 text, rows are in the order of time, as a shop's log would be.
---@param path string a file that does not exist yet
---@param options? { users?: integer, seed?: integer } 24,000 visitors and seed 1 by default
---@return { users: integer, events: integer, seed: integer }? counts
---@return string? message
---@return string? code
function shop.write(path, options)
  local users = options and options.users or 24000
  local seed = options and options.seed or 1
  local database, message, code = core.sqlite.open(path)
  if not database then
    return nil, message, code
  end
  local random = new_random(seed)
  local log_end = start + observed_days * day
  local events = 0

  local function run(sql)
    return assert(database:exec(sql))
  end
  local ok, failure = pcall(function()
    run "PRAGMA journal_mode = OFF"
    run "PRAGMA synchronous = OFF"
    run [[CREATE TEMP TABLE written (visitor INTEGER, event TEXT, at INTEGER, value REAL,
      channel TEXT, device TEXT)]]
    run "BEGIN"
    local insert = assert(database:prepare "INSERT INTO written VALUES (?, ?, ?, ?, ?, ?)")
    for visitor = 1, users do
      local traits = draw_traits(random)
      visit(random, traits, function(event, at, value)
        if at < log_end then
          assert(insert:run(visitor, event, at, value, traits.channel, traits.device))
          events = events + 1
        end
      end)
    end
    insert:close()
    run [[CREATE TABLE events (user_id TEXT, event TEXT, ts TEXT, value REAL, channel TEXT,
      device TEXT)]]
    run [[INSERT INTO events SELECT printf('visitor-%05d', visitor), event,
      strftime('%Y-%m-%dT%H:%M:%SZ', at, 'unixepoch'), value, channel, device
      FROM written ORDER BY at, rowid]]
    run "DROP TABLE written"
    run "COMMIT"
  end)
  database:close()
  if not ok then
    return nil, tostring(failure), "sql"
  end
  return { users = users, events = events, seed = seed }
end

return shop
