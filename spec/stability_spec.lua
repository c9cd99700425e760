-- Effects that are not the same everywhere, and effects that are.
local made = require "spec.made"
local wp = require "wayproof"

-- A link whose strength depends on when a user came (0 .. 1 over the arrivals) and on the channel.
local function log_with(strength, seed, users)
  return made.log(users or 4000, seed, function(random, add, _, start)
    local engagement, curious = random.normal(), random.normal()
    local channel = random.uniform() < 0.5 and "mail" or "ads"
    add("start", 0, { channel = channel })
    made.week(random, add, engagement)
    local count = random.poisson(math.exp(-0.2 + 0.8 * curious))
    for _ = 1, count do add("guide", random.uniform() * 7) end
    if made.happens(random, -1.5 + 0.6 * engagement
      + strength(start / 100, channel) * (math.log(1 + count) - 0.6) / 0.55) then
      add("purchase", 7.2 + random.uniform() * 25)
    end
  end, { properties = { "channel" } })
end

local function judge(log, across)
  return log:validate(wp.hypothesis "guides" { metric = wp.count "guide",
    outcome = wp.converts "purchase", observe = "7d", within = "30d", across = across },
    { refute = false })
end

describe("stability", function()
  it("is reported with Q, I2 and tau2 for cohorts and for segments", function()
    local r = judge(log_with(function() return 0.6 end, 3), { "channel" })
    assert.equal("validated", r.verdict)
    assert.equal(4, #r.stability.cohorts)
    local before
    for _, cohort in ipairs(r.stability.cohorts) do
      assert.is_true(cohort.low < cohort.estimate and cohort.estimate < cohort.high)
      assert.is_true(before == nil or cohort.from >= before)
      before = cohort.to
    end
    local family = r.stability.segments[1]
    assert.equal("channel", family.by)
    assert.equal(2, #family.strata)
    for _, key in ipairs { "q", "p", "i2", "tau2" } do
      assert.is_number(family[key], key)
      assert.is_number(r.stability[key], key)
    end
    assert.is_true(r.stability.i2 >= 0 and r.stability.i2 <= 1)
  end)

  it("is missing when an effect fades from cohort to cohort", function()
    local r = judge(log_with(function(when) return math.max(1.3 - 1.7 * when, -0.1) end, 4))
    assert.equal("unstable", r.verdict)
    assert.is_true(r.reasons[1].code == "decay" or r.reasons[1].code == "cohorts"
      or r.reasons[1].code == "not_replicated", r.reasons[1].code)
  end)

  it("is missing when a link lives in one segment", function()
    local r = judge(log_with(function(_, channel) return channel == "mail" and 1 or 0 end, 5),
      { "channel" })
    assert.equal("unstable", r.verdict)
    assert.equal("segments", r.reasons[1].code)
    assert.match("one segment of channel at a time", tostring(r))
  end)

  it("is missing when segments point apart, even if the whole is nothing", function()
    local r = judge(log_with(function(_, channel) return channel == "mail" and 0.8 or -0.8 end, 6),
      { "channel" })
    assert.equal("unstable", r.verdict)
    assert.equal("opposite", r.reasons[1].code)
  end)

  it("leaves strata with fewer than 20 events out, and says so", function()
    local r = judge(log_with(function() return 0.6 end, 7, 260))
    local skipped = 0
    for _, cohort in ipairs(r.stability.cohorts) do
      if cohort.skipped then
        skipped = skipped + 1
        assert.is_nil(cohort.estimate)
        assert.is_true(cohort.events < 20)
      end
    end
    assert.is_true(skipped > 0)
  end)
end)

describe("Simpson's trap", function()
  it("is pointed out when activity turns the sign", function()
    local log = made.log(4000, 8, function(random, add)
      local busy = random.uniform() < 0.5
      for _ = 1, random.poisson(busy and 14 or 3) do add("view", random.uniform() * 7) end
      local count = random.poisson(busy and 3.5 or 0.5)
      for _ = 1, count do add("guide", random.uniform() * 7) end
      add("view", 0)
      if made.happens(random, (busy and 0.6 or -2.2) - 0.8 * math.log(1 + count)) then
        add("purchase", 7.2 + random.uniform() * 25)
      end
    end)
    local r = judge(log)
    assert.is_true(r.crude.low > 1)
    assert.is_true(r.adjusted.high < 1)
    assert.is_true(r.stability.simpson)
    assert.is_true(made.codes(r.warnings).simpson)
    assert.not_equal("validated", r.verdict)
  end)
end)
