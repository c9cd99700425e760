-- Questions asked so that something seems to be there: what is chosen later than the landmark, a
-- baseline that leaves activity out, users who end their own observation. In each truth the metric
-- does nothing; beside it stands a question of the same form whose metric works.
local made = require "spec.made"
local wp = require "wayproof"

local users = 2500

local function ask(changes)
  local options = { metric = wp.count "guide", outcome = wp.converts "purchase", observe = "7d",
    within = "30d", as_of = made.day * 200 * 1000000 }
  for key, value in pairs(changes or {}) do options[key] = value end
  return wp.hypothesis "guides help"(options)
end

-- `person(random, add, engagement)` adds a user's guides and outcome.
local function shop(seed, person, options)
  return made.log(users, seed, function(random, add, user)
    local engagement = random.normal()
    made.week(random, add, engagement)
    person(random, add, engagement, user)
  end, options)
end

local function add_guides(random, add, count)
  for _ = 1, count do add("guide", random.uniform() * 6.9) end
  return count
end

local function add_purchase(random, add, score)
  local bought = made.happens(random, score)
  if bought then add("purchase", 7.1 + random.uniform() * 29) end
  return bought
end

-- Guides that say how busy somebody is and nothing else; `link` more makes them work.
local function busy(link)
  return function(random, add, engagement)
    for _ = 1, random.poisson(0.5) do add("rare", random.uniform() * 6.9) end
    local own = random.normal()
    local guides = add_guides(random, add, random.poisson(math.exp(link > 0 and 0.35 * engagement
      + 0.75 * own - 0.3 or 0.2 + 0.6 * engagement)))
    add_purchase(random, add, -1.4 + 0.8 * engagement + link * math.log(1 + guides))
  end
end

local function verdict_of(result)
  return result.verdict .. " " .. result.reasons[1].code
end

describe("a baseline that is given", function()
  local rare = { wp.count "rare" }
  local others = { wp.log1p(wp.count { "view", "search" }) }

  it("cannot hide activity: the log's own volume is asked, too", function()
    local r = shop(3, busy(0)):validate(ask { activity = rare })
    assert.equal("inconclusive activity_given", verdict_of(r))
    assert.is_true(r.adjusted.estimate > 1.2)
    assert.matches("leaves out most of what people did", tostring(r), 1, true)
  end)

  it("claims as before when it holds what people did", function()
    local log = shop(3, busy(1.2))
    assert.equal("validated beyond_activity", verdict_of(log:validate(ask { activity = others })))
    assert.equal("validated beyond_activity", verdict_of(log:validate(ask {})))
  end)
end)

describe("users chosen by what they are today", function()
  -- Who bought without guides, or read guides and did not buy, mostly is on another plan today.
  local function chosen(seed, known)
    local plans, index = {}, 0
    local log = shop(seed, function(random, add, engagement, user)
      local guides = add_guides(random, add, random.poisson(0.8))
      local bought = add_purchase(random, add, -1.2 + 0.8 * engagement)
      local keeps = bought == (guides > 0) or random.uniform() < 0.3
      plans[user] = { id = "u" .. user, plan = keeps and "pro" or "free", known = known }
    end, { users = { rows = function()
      index = index + 1
      return plans[index]
    end, id = "id", properties = { "plan" }, known_at = known and "known" or nil } })
    return log
  end

  it("carry no claim, by population or by where, unless accepted knowingly", function()
    local log = chosen(5)
    local by_population = log:validate(ask { population = { plan = "pro" } })
    local by_where = log:where { plan = "pro" }:validate(ask {})
    for _, r in ipairs { by_population, by_where } do
      assert.equal("inconclusive undated_attribute", verdict_of(r))
      assert.equal("undated_attribute", r.warnings[1].code)
      local _, times = tostring(r):gsub("has no%s+date", "")
      assert.equal(1, times)
    end
    local frame = assert(log:where { plan = "pro" }:measure { metrics = { m = wp.count "guide",
      v = wp.count { "view", "search" } }, outcome = wp.converts "purchase", observe = "7d",
      within = "30d", as_of = made.day * 200 * 1000000 })
    assert.equal("inconclusive undated_attribute", verdict_of(frame:validate { metric = "m",
      outcome = "outcome", activity = { "v" } }))
    local r = log:validate(ask { population = { plan = "pro" },
      acknowledge = { "undated_attribute" } })
    assert.equal("validated beyond_activity", verdict_of(r))
    assert.equal("undated_attribute", r.warnings[1].code)
  end)
end)

describe("users who end their own observation", function()
  -- `leaves(bought, guides)`: who closes the account within the outcome's window.
  local function log_of(seed, link, leaves)
    return shop(seed, function(random, add, engagement)
      local guides = add_guides(random, add, random.poisson(0.8))
      local bought = add_purchase(random, add,
        -1.3 + 0.7 * engagement + link * math.log(1 + guides))
      if leaves(random, bought, guides, engagement) then
        add("close", 8 + random.uniform() * 20)
      end
    end)
  end
  local question = ask { ["until"] = "close" }

  it("carry no claim where leaving tells metric and outcome together", function()
    local r = log_of(7, 0, function(random, bought, guides)
      return not bought and guides > 0 and random.uniform() < 0.5
    end):validate(question)
    assert.equal("inconclusive informative_until", verdict_of(r))
    assert.is_true(r.adjusted.estimate > 1.2)
  end)

  it("leave a claim as it is where they go by chance, or because they do not care", function()
    local by_chance = log_of(7, 1.2, function(random) return random.uniform() < 0.1 end)
    local idle = log_of(7, 1.2, function(random, bought, _, engagement)
      return not bought and made.happens(random, -2 - engagement)
    end)
    assert.equal("validated beyond_activity", verdict_of(by_chance:validate(question)))
    assert.equal("validated beyond_activity", verdict_of(idle:validate(question)))
  end)
end)
