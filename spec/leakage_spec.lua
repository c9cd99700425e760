-- Metrics that know the outcome, and metrics that only look as if they did.
local made = require "spec.made"
local wp = require "wayproof"

local codes, happens = made.codes, made.happens

local function ask(changes)
  local options = { metric = wp.count "step", outcome = wp.converts "purchase", observe = "7d",
    within = "30d" }
  for key, value in pairs(changes or {}) do options[key] = value end
  return wp.hypothesis "asked"(options)
end

-- Purchases at exponential times; a step comes hours before most of them.
local function steps(users, seed)
  return made.log(users, seed, function(random, add)
    local engagement = random.normal()
    made.week(random, add, engagement)
    if happens(random, -0.5 + 0.6 * engagement) then
      local at = 2 + -9 * math.log(1 - random.uniform())
      add("step", math.max(0.01, at - random.uniform() * 0.8))
      add("step", at - random.uniform() * 0.01)
      add("purchase", at)
    elseif random.uniform() < 0.01 then
      add("step", random.uniform() * 7)
    end
  end)
end

describe("a step of the outcome", function()
  it("is leaking: close to the outcome, and gone with a short embargo", function()
    local r = steps(6000, 1):validate(ask())
    assert.equal("leaking", r.verdict)
    assert.equal("funnel_step", r.reasons[1].code)
    assert.is_true(r.leakage.proximity > 0.9)
    assert.is_true(r.leakage.embargo[1].loss > 0.5)
    assert.is_true(r.leakage.embargo[1].low > 0)
    assert.match("step of the outcome", r.reasons[1].text)
  end)

  it("is found behind a pattern, a list, kept outcomes, an outcome made of a metric", function()
    local log = steps(6000, 1)
    local carts = wp.custom("steps", function(journey)
      local n = 0
      for i = 1, #journey do n = n + (journey[i].event == "step" and 1 or 0) end
      return n
    end)
    for name, changes in pairs { list = { metric = wp.count { "step", "purchase" } },
      kept = { metric = wp.did { "step", "purchase" }, prior_outcome = "keep" },
      pattern = { metric = wp.count "*p*" }, sum = { metric = wp.count "step" + wp.did "purchase" },
      metric = { outcome = wp.outcome(wp.did "purchase") }, custom = { metric = carts } } do
      local r = log:validate(ask(changes))
      assert.equal("leaking", r.verdict, name)
      assert.equal("funnel_step", r.reasons[1].code, name)
    end
  end)

  it("is not called so when the same events lie days before the outcome", function()
    local log = made.log(4000, 4, function(random, add)
      local engagement, curious = random.normal(), random.normal()
      made.week(random, add, engagement)
      local count = random.poisson(math.exp(-0.3 + 0.8 * curious))
      for _ = 1, count do add("step", random.uniform() * 7) end
      if happens(random, -1.5 + 0.5 * engagement + 0.9 * math.log(1 + count)) then
        add("purchase", 7.1 + random.uniform() * 29)
      end
    end)
    local r = log:validate(ask())
    assert.equal("validated", r.verdict)
    assert.is_true(r.leakage.proximity < 0.1)
    for name, changes in pairs { list = { metric = wp.count { "step", "purchase" } },
      outcome = { outcome = wp.outcome(wp.did "purchase") } } do
      assert.equal("validated", log:validate(ask(changes)).verdict, name)
    end
  end)

  it("is not called so in an app used every day, where all is close to all", function()
    local log = made.log(3000, 6, function(random, add)
      local taste = random.normal()
      for day = 0, 39 do
        add("open", day + 0.5)
        if random.uniform() < 0.75 + 0.1 * taste then add("step", day + 0.5 + 0.005) end
        if happens(random, -4.2 + 0.5 * taste) then add("purchase", day + 0.5 + 0.01) end
      end
    end)
    local r = log:validate(ask())
    assert.is_true(r.leakage.proximity > 0.5)
    assert.not_equal("leaking", r.verdict)
  end)
end)

describe("immortal time", function()
  -- The metric goes on at the same rate before the purchase and stops with it, or the other way
  -- round; before the landmark it says nothing about the purchase.
  local function lifetimes(after)
    return made.log(4000, 9, function(random, add)
      local bought_at = -40 * math.log(1 - random.uniform())
      add("view", 0)
      local at = 0
      while at < 90 do
        local rate = at < bought_at and 0.1 or after
        at = at - math.log(1 - random.uniform()) / rate
        if at < 90 then add("visit", at) end
      end
      if bought_at < 90 then add("purchase", bought_at) end
      for _ = 1, random.poisson(3) do add("view", random.uniform() * 7) end
    end)
  end

  it("makes a lifetime count look good; from the landmark on there is nothing", function()
    local r = lifetimes(0.5):validate(ask { metric = wp.count "visit" })
    assert.is_true(r.leakage.naive_auc > 0.75)
    assert.is_true(math.abs(r.auc.estimate - 0.5) < 0.04)
    assert.is_true(codes(r.warnings).immortal_time)
    assert.not_equal("validated", r.verdict)
  end)

  it("never validates the Stanford heart transplants", function()
    local pipe = io.popen("Rscript -e 'library(survival); write.csv(jasa[, c(\"futime\", "
      .. "\"fustat\", \"wait.time\", \"transplant\")], row.names = FALSE)' 2>/dev/null")
    local text = pipe and pipe:read "a" or ""
    if pipe then pipe:close() end
    if not text:find "futime" then return pending "needs R with the survival package" end
    local rows = {}
    local patient = 0
    for time, status, wait, transplant in text:gmatch "\n(%d+),(%d),(%w+),(%d)" do
      patient = patient + 1
      local function add(event, day)
        rows[#rows + 1] = { user = "p" .. patient, event = event, time = day * made.day }
      end
      add("accepted", 0)
      if transplant == "1" then add("transplant", tonumber(wait)) end
      add(status == "1" and "death" or "follow_up_end", tonumber(time))
    end
    assert.equal(103, patient)
    local log = assert(wp.read_rows(rows, { user = "user", event = "event", time = "time",
      time_unit = "s" }))
    for _, observe in ipairs { "1d", "14d", "30d", "60d", "90d" } do
      for _, outcome in ipairs { wp.accelerates "death", wp.converts "death" } do
        local r = log:validate(ask { metric = wp.did "transplant", outcome = outcome,
          observe = observe, within = "365d", expect = "fall",
          until_events = "follow_up_end" })
        assert.not_equal("validated", r.verdict)
        assert.not_equal("reversed", r.verdict)
        assert.not_equal("vanity", r.verdict)
      end
    end
    -- survival::coxph on those alive and followed 30 days after acceptance; transplants and deaths
    -- on day 30 itself belong to the later window here.
    local r = log:validate(ask { metric = wp.did "transplant", outcome = wp.accelerates "death",
      observe = "30d", within = "2000d", expect = "fall", until_events = "follow_up_end" })
    assert.near(0.915, r.crude.estimate, 0.25)
    assert.is_true(r.crude.low < 1 and r.crude.high > 1)
    assert.is_true(codes(r.warnings).immortal_time)
  end)
end)

describe("what is not leakage", function()
  it("warns when metric and outcome share an event over separate windows", function()
    local log = made.log(1500, 8, function(random, add)
      made.week(random, add, random.normal())
      for _ = 1, random.poisson(2) do add("play", random.uniform() * 30) end
    end)
    local r = log:validate(ask { metric = wp.count { "play", "search" },
      outcome = wp.converts "play", prior_outcome = "keep" })
    assert.is_true(codes(r.warnings).same_event)
    assert.not_equal("leaking", r.verdict)
    local columns = {}
    for _, name in ipairs(r.baseline.columns) do columns[name] = true end
    assert.is_true(columns["earlier outcomes"])
  end)

  it("warns when the metric 'predicts' what was before the clock", function()
    local log = made.log(4000, 12, function(random, add)
      local buyer = random.normal()
      for _ = 1, random.poisson(4) do add("view", random.uniform() * 20) end
      if happens(random, -1 + 1.2 * buyer) then add("purchase", random.uniform() * 10) end
      add("signup", 20)
      for _ = 1, random.poisson(math.exp(0.7 * buyer)) do add("step", 20 + random.uniform() * 7) end
      for _ = 1, random.poisson(4) do add("view", 20 + random.uniform() * 7) end
      if happens(random, -1 + 1.2 * buyer) then add("purchase", 28 + random.uniform() * 20) end
    end)
    local r = log:validate(ask { from = "signup", prior_outcome = "keep" })
    assert.is_true(codes(r.warnings).pre_existing)
    assert.is_true(r.grade == nil or r.grade == "C")
  end)

  it("cannot check a custom metric that does not say what it reads: grade C at most", function()
    local log = made.log(2500, 13, function(random, add)
      local curious = random.normal()
      made.week(random, add, random.normal())
      local count = random.poisson(math.exp(0.8 * curious))
      for _ = 1, count do add("step", random.uniform() * 7) end
      if happens(random, -1.2 + 1.0 * math.log(1 + count)) then
        add("purchase", 8 + random.uniform() * 20)
      end
    end)
    local counted = wp.custom("steps", function(journey)
      local count = 0
      for i = 1, #journey do
        if journey[i].event == "step" then count = count + 1 end
      end
      return math.log(1 + count)
    end)
    local r = log:validate(ask { metric = counted })
    assert.is_true(codes(r.warnings).unknown_events)
    assert.equal("validated", r.verdict)
    assert.equal("C", r.grade)
  end)
end)

describe("an AUC too good to be true", function()
  local function perfect(acknowledge)
    local log = made.log(1200, 14, function(random, add)
      made.week(random, add, random.normal())
      local buys = random.uniform() < 0.4
      for _ = 1, (buys and 5 or 0) + random.poisson(0.6) do add("step", random.uniform() * 7) end
      if buys then add("purchase", 8 + random.uniform() * 20) end
    end)
    return log:validate(ask { acknowledge = acknowledge })
  end

  it("is leaking", function()
    local r = perfect()
    assert.equal("leaking", r.verdict)
    assert.equal("too_good", r.reasons[1].code)
  end)

  it("is a warning once it is accepted knowingly", function()
    local r = perfect { "separation" }
    assert.not_equal("leaking", r.verdict)
    assert.is_true(codes(r.warnings).too_good)
  end)
end)
