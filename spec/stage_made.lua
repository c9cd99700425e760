-- Seeded logs of people on their way through stages, with planted friction and touchpoints.
local made = require "spec.made"
local wp = require "wayproof"

local stage_made = {}

local function exponential(random, mean) return -mean * math.log(1 - random.uniform()) end

-- `visit(random, add)` adds one person's events through add(event, seconds after arrival, page).
local function log_of(users, seed, arrival_days, visit)
  local random, rows = made.random(seed), {}
  for user = 1, users do
    local start = random.uniform() * arrival_days * made.day
    visit(random, function(event, at, page)
      rows[#rows + 1] = { user = "u" .. user, event = event, time = start + at, page = page }
    end)
  end
  rows[#rows + 1] = { user = "end", event = "end", time = (arrival_days + 40) * made.day }
  return assert(wp.read_rows(rows, { user = "user", event = "event", time = "time",
    time_unit = "s", properties = { "page" } }))
end

stage_made.two_stages = wp.stages { { "sign up", "signup" }, { "start", "start" } }

--- People who look at pages until they start or leave. Keen people look faster and start sooner.
--- With `planted`, reading the guide makes starting 2.5 times as likely from then on, the terms a
--- third as likely, and the popular page (30 % of all looks) does nothing; with `favourite`, keen
--- people look at the popular page far more often than others.
function stage_made.pages(users, seed, options)
  return log_of(users, seed, 60, function(random, add)
    local keen, at, factor = random.normal(), 0, 1
    local popular = options.favourite and 0.54 / (1 + math.exp(-keen)) or 0.3
    add("signup", 0)
    for _ = 1, 200 do
      at = at + exponential(random, 6 * 3600 / math.exp(0.5 * keen))
      if at > 20 * made.day then return end
      local x = random.uniform()
      local page
      if not options.planted then
        page = "p" .. math.floor(x * options.pages)
      elseif x < popular then
        page = "popular"
      elseif x < popular + 0.08 then
        page, factor = "guide", 2.5
      elseif x < popular + 0.16 then
        page, factor = "terms", 0.35
      else
        page = "p" .. math.floor(random.uniform() * options.pages)
      end
      add("view", at, page)
      if random.uniform() < 0.02 * math.exp(0.5 * keen) * factor then
        add("start", at + 600 * random.uniform())
        return
      end
      if random.uniform() < 0.06 then return end
    end
  end)
end

stage_made.shop_stages = wp.stages {
  { "browse", "view", "search" }, { "basket", "basket" }, { "buy", "buy" },
}

--- A shop: browsing, a basket, a purchase. With `planted`, 30 % of the people are confused in the
--- basket: they look at it twice in a row, and buy half as often. Half of all people who browse
--- leave early though some of them come back after `return_days` and buy.
function stage_made.shop(users, seed, options)
  return log_of(users, seed, 90, function(random, add)
    local keen, at = random.normal(), 0
    add("view", 0)
    for _ = 1, random.poisson(math.exp(1 + 0.5 * keen)) do
      at = at + exponential(random, 1800)
      add(random.uniform() < 0.7 and "view" or "search", at)
    end
    if not made.happens(random, 0.2 + 0.5 * keen) then
      if options.return_chance and random.uniform() < options.return_chance then
        add("buy", at + 3 * made.day + exponential(random, made.day))
      end
      return
    end
    at = at + exponential(random, 3600)
    add("basket", at)
    local confused = random.uniform() < 0.3
    if confused then add("basket", at + 60) end
    local chance = made.happens(random, 0.4 + 0.5 * keen)
    if confused and options.planted then chance = chance and random.uniform() < 0.5 end
    for _ = 1, random.poisson(1.5) do add("view", at + 120 + exponential(random, 1800)) end
    if chance then add("buy", at + 8000 + exponential(random, 3600)) end
  end)
end

return stage_made
