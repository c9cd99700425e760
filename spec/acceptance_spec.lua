-- Truths that a verdict must not get wrong, simulated as in the evidence behind the decision table:
-- ten other events driven by engagement and noise, a metric, and a known reason why it predicts.
-- Seeds are printed with every failure. A few seeds each: bench/truth runs the thousands.
local made = require "spec.made"
local wp = require "wayproof"

local means = { 3, 2.2, 1.6, 1.2, 0.9, 0.6, 0.45, 0.3, 0.22, 0.15 }

-- One user's activity over a week: counts of ten events with own noise; returns their total.
local function activity(random, add, engagement, noise, noise_sd)
  local total = 0
  for j, mean in ipairs(means) do
    local rate = mean * math.exp(0.6 * engagement + noise - noise_sd ^ 2 / 2
      + 0.6 * random.normal() - 0.18)
    local count = random.poisson(math.min(rate, 200))
    for _ = 1, count do add("event" .. j, random.uniform() * 7) end
    total = total + count
  end
  return total
end

local function with_metric(random, add, mean)
  local count = random.poisson(math.min(mean, 200))
  for _ = 1, count do add("metric", random.uniform() * 7) end
  return count
end

local function outcome(random, add, log_odds)
  if made.happens(random, log_odds) then add("purchase", 7.5 + random.uniform() * 25) end
end

local truths = {}

-- The metric is a random part of activity; activity drives the outcome.
function truths.thinned(random, add)
  local e, f = random.normal(), 0.3 * random.normal()
  add("start", 0, { channel = "all" })
  local total = activity(random, add, e, f, 0.3)
  total = total + with_metric(random, add, 1.3 * math.exp(0.6 * e + f))
  outcome(random, add, -1.6 + 0.8 * (math.log(1 + total) - 2.6) / 0.75)
end

-- Activity is a noisy picture of engagement (reliability about 0.48), the metric a clean one.
function truths.noisy(random, add)
  local e, f = random.normal(), 0.4 * random.normal()
  add("start", 0, { channel = "all" })
  activity(random, add, e, f, 0.4)
  with_metric(random, add, 1.2 * math.exp(0.6 * e))
  outcome(random, add, -1.6 + 0.8 * e)
end

-- The link lives in one channel only.
function truths.one_channel(random, add)
  local e, s = random.normal(), random.normal()
  local mail = random.uniform() < 1 / (1 + math.exp(-0.5 * e))
  add("start", 0, { channel = mail and "mail" or "ads" })
  activity(random, add, e, 0.3 * random.normal(), 0.3)
  local count = with_metric(random, add, math.exp(-0.3 + 0.35 * e + 0.75 * s))
  outcome(random, add, -1.7 + 0.5 * e + (mail and 1.0 * (math.log(1 + count) - 0.6) / 0.55 or 0))
end

-- 4 % of users have the metric; it doubles their odds.
function truths.rare(random, add)
  local e = random.normal()
  add("start", 0, { channel = "all" })
  activity(random, add, e, 0.3 * random.normal(), 0.3)
  local has = random.uniform() < 0.04
  if has then add("metric", random.uniform() * 7) end
  outcome(random, add, -1.5 + 0.5 * e + (has and math.log(2) or 0))
end

-- The appendix recipe: the metric is binomial thinning of volume.
function truths.vanity_recipe(random, add)
  local e = random.normal()
  local volume = random.poisson(math.min(math.exp(2.5 + 0.7 * e), 300))
  add("start", 0, { channel = "all" })
  for _ = 1, volume do
    add(random.uniform() < 0.12 and "metric" or "event1", random.uniform() * 7)
  end
  outcome(random, add, -1.8 + 0.8 * (math.log(1 + volume) - 2.5) / 0.8)
end

-- Bots do everything a lot and never buy; among people the metric is thinned activity.
function truths.bots(random, add)
  if random.uniform() < 0.025 then
    add("start", 0, { channel = "all" })
    for j = 1, 10 do
      for _ = 1, 40 do add("event" .. j, random.uniform() * 7) end
    end
    for _ = 1, 30 + math.floor(random.uniform() * 370) do add("metric", random.uniform() * 7) end
  else
    truths.thinned(random, add)
  end
end

-- A link of 0.6 per SD beyond activity.
function truths.real(random, add)
  local e, s, f = random.normal(), random.normal(), 0.3 * random.normal()
  add("start", 0, { channel = "all" })
  activity(random, add, e, f, 0.3)
  local count = with_metric(random, add, math.exp(-0.3 + 0.35 * e + 0.3 * f + 0.75 * s))
  outcome(random, add, -1.7 + 0.5 * e + 0.6 * (math.log(1 + count) - 0.6) / 0.55)
end

-- As real, the other way.
function truths.backwards(random, add)
  local e, s, f = random.normal(), random.normal(), 0.3 * random.normal()
  add("start", 0, { channel = "all" })
  activity(random, add, e, f, 0.3)
  local count = with_metric(random, add, math.exp(-0.3 + 0.35 * e + 0.3 * f + 0.75 * s))
  outcome(random, add, -1.5 + 0.6 * e - 0.6 * (math.log(1 + count) - 0.6) / 0.55)
end

-- Nothing at all.
function truths.null(random, add)
  local e = random.normal()
  add("start", 0, { channel = "all" })
  activity(random, add, e, 0.3 * random.normal(), 0.3)
  with_metric(random, add, math.exp(-0.2 + 0.7 * random.normal()))
  outcome(random, add, -1.6 + 0.8 * e)
end

local function verdicts(truth, users, seeds, across)
  local seen = {}
  for seed = 1, seeds do
    local log = made.log(users, seed * 101, truths[truth], { properties = { "channel" } })
    local h = wp.hypothesis(truth) { metric = wp.count "metric", outcome = wp.converts "purchase",
      observe = "7d", within = "30d", across = across }
    local r = log:validate(h, { refute = false })
    seen[#seen + 1] = { seed = seed * 101, verdict = r.verdict, code = r.reasons[1].code }
    log:close()
  end
  return seen
end

local function none_is(seen, verdict)
  for _, item in ipairs(seen) do
    if item.verdict == verdict then
      error(string.format("seed %d: %s (%s)", item.seed, item.verdict, item.code), 2)
    end
  end
end

local function all_are(seen, verdict)
  for _, item in ipairs(seen) do
    if item.verdict ~= verdict then
      error(string.format("seed %d: %s (%s; expected %s)", item.seed, item.verdict, item.code,
        verdict), 2)
    end
  end
end

describe("never validated", function()
  it("is thinned activity, at 4,000 users", function()
    local seen = verdicts("thinned", 4000, 4)
    none_is(seen, "validated")
    none_is(seen, "reversed")
  end)

  it("is a clean picture of engagement beside noisy activity", function()
    none_is(verdicts("noisy", 4000, 4), "validated")
  end)

  it("is the appendix recipe", function()
    none_is(verdicts("vanity_recipe", 4000, 3), "validated")
  end)

  it("is what bots do", function()
    none_is(verdicts("bots", 3000, 2), "validated")
  end)

  it("is a link that lives in one channel", function()
    all_are(verdicts("one_channel", 4000, 3, { "channel" }), "unstable")
  end)

  it("is nothing", function()
    local seen = verdicts("null", 4000, 3)
    none_is(seen, "validated")
    none_is(seen, "vanity")
    none_is(seen, "reversed")
  end)
end)

describe("never unrelated", function()
  it("is a metric that 4 % have and that doubles their odds", function()
    none_is(verdicts("rare", 4000, 4), "unrelated")
  end)
end)

describe("a real link", function()
  it("is validated", function()
    all_are(verdicts("real", 4000, 3), "validated")
  end)

  it("is reversed when it goes the other way", function()
    all_are(verdicts("backwards", 4000, 3), "reversed")
  end)
end)
