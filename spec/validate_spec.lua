-- log:validate end to end on logs with a planted truth, and on logs that cannot be judged.
local made = require "spec.made"
local wp = require "wayproof"

local codes, happens = made.codes, made.happens

-- Guides help (log odds 0.9 per log unit), banners follow engagement and do nothing.
local function shop(users, seed, effect)
  return made.log(users, seed, function(random, add)
    local engagement, curious = random.normal(), random.normal()
    made.week(random, add, engagement)
    local guides = random.poisson(math.exp(-0.2 + 0.8 * curious))
    for _ = 1, guides do add("guide", random.uniform() * 7) end
    for _ = 1, random.poisson(math.exp(-0.3 + 0.6 * engagement)) do
      add("banner", random.uniform() * 7)
    end
    if happens(random, -1.6 + 0.8 * engagement + effect * math.log(1 + guides)) then
      local value = math.floor(random.uniform() * 90) + 10
      add("purchase", 7.2 + random.uniform() * 25, { value = value })
    end
  end, { value = "value" })
end

local function ask(name, changes)
  local options = { metric = wp.count "guide", outcome = wp.converts "purchase", observe = "7d",
    within = "30d" }
  for key, value in pairs(changes or {}) do options[key] = value end
  return wp.hypothesis(name)(options)
end

describe("log:validate", function()
  local log = shop(4000, 11, 1.0)

  it("validates a metric that works and fills every field", function()
    local r = log:validate(ask "guides help")
    assert.equal("validated", r.verdict)
    assert.equal("guides help", r.name)
    assert.equal(r.n.users, r.n.outside + r.n.no_anchor + r.n.too_recent + r.n.prior_outcome
      + r.n.missing + r.n.used)
    assert.equal(r.n.used, r.n.events + r.n.non_events)
    for _, key in ipairs { "auc", "crude", "adjusted", "spearman" } do
      assert.is_true(r[key].low < r[key].estimate and r[key].estimate < r[key].high, key)
      assert.is_number(r[key].p, key)
    end
    assert.equal("per standard deviation of log(1 + metric)", r.scale)
    assert.is_true(r.noise.low > 1 and r.noise.low < r.noise.corrected)
    assert.equal(0.4, r.noise.floor)
    assert.is_true(r.noise.tolerance < 0.3)
    assert.is_true(r.added_information.p < 1e-6)
    assert.equal("rising", r.shape)
    assert.is_true(r.trend.p < 1e-6)
    assert.equal(4, #r.stability.cohorts)
    assert.is_true(r.holdout.replicated)
    assert.is_true(r.e_value.estimate > 1)
    assert.is_true(r.needed.users < r.n.used)
    assert.is_true(r.lead > 0 and r.lead < 37 * 86400)
    assert.equal(0, r.windows.metric[1])
    assert.equal(7 * 86400, r.windows.metric[2])
    assert.equal(37 * 86400, r.windows.outcome[2])
    assert.equal(1, r.seed)
    assert.is_string(r.version)
    assert.equal(32, #r.fingerprint)
  end)

  it("gives the same answer, bit for bit, twice and on any number of threads", function()
    local before = wp.threads()
    wp.threads(1)
    local one = log:validate(ask "guides help"):json()
    wp.threads(3)
    local three = log:validate(ask "guides help"):json()
    wp.threads(before)
    assert.equal(one, three)
  end)

  it("calls a banner vanity and says what it adds to", function()
    local r = log:validate(ask("banners", { metric = wp.count "banner" }))
    assert.is_true(r.verdict == "vanity" or r.verdict == "inconclusive", r.verdict)
    assert.is_true(r.auc.estimate > 0.53)
    assert.is_true(r.adjusted.estimate < 1.2)
  end)

  it("answers whether plain activity is vanity", function()
    local r = log:validate(ask("activity", { metric = wp.count() }))
    assert.equal("vanity", r.verdict)
    assert.equal("is_activity", r.reasons[1].code)
    assert.is_nil(r.added_information)
    r = log:validate(ask("days", { metric = wp.active_days() }))
    assert.equal("vanity", r.verdict)
  end)

  it("calls the outcome's own count history", function()
    local repeated = made.log(2000, 5, function(random, add)
      local taste = random.normal()
      made.week(random, add, random.normal())
      local mean = math.exp(-0.7 + taste)
      for _ = 1, random.poisson(mean) do add("play", 0.5 + random.uniform() * 6) end
      for _ = 1, random.poisson(mean) do add("play", 7 + random.uniform() * 20) end
    end)
    local r = repeated:validate(ask("plays", { metric = wp.count "play",
      outcome = wp.converts "play", prior_outcome = "keep" }))
    assert.equal("vanity", r.verdict)
    assert.equal("is_history", r.reasons[1].code)
    assert.is_true(codes(r.warnings).same_event)
  end)

  it("calls the opposite of the claim reversed", function()
    local r = log:validate(ask("guides harm", { expect = "fall" }))
    assert.equal("reversed", r.verdict)
    assert.equal("other_direction", r.reasons[1].code)
  end)

  it("raises on wrong calls, with a hint", function()
    assert.has_error(function() log:validate() end)
    assert.error_matches(function() log:validate({}) end, "empty list")
    assert.error_matches(function() log:validate(ask "a", { group = 4 }) end,
      "did you mean 'groups'")
    assert.error_matches(function() log:validate { ask "a", ask "a" } end, "two hypotheses")
    assert.error_matches(function() log:validate "guides" end, "expected a hypothesis")
  end)

  it("takes explicit activity as given and measures nothing else", function()
    local r = log:validate(ask("guides", { activity = { wp.log1p(wp.count "view") } }))
    assert.equal(1, #r.baseline.columns)
    assert.is_nil(r.noise.reliability)
  end)

  it("uses did against did not for a metric that few have", function()
    local rare = made.log(3000, 3, function(random, add)
      made.week(random, add, random.normal())
      local has = random.uniform() < 0.08
      if has then add("call", random.uniform() * 7) end
      if happens(random, -1.4 + (has and 0.9 or 0)) then
        add("purchase", 8 + random.uniform() * 20)
      end
    end)
    local r = rare:validate(ask("calls", { metric = wp.count "call" }))
    assert.equal("did against did not", r.scale)
    assert.not_equal("unrelated", r.verdict)
    assert.near(0.9, r.adjusted.log, 0.4)
  end)

  it("judges money by its mean and time by its hazard", function()
    local r = log:validate(ask("revenue", { outcome = wp.earns "purchase" }))
    assert.equal("numeric", r.kind)
    assert.is_true(r.adjusted.estimate > 1.2)
    assert.equal("validated", r.verdict)
    assert.is_true(r.legs.any.estimate > 1.2) -- guides decide whether, not how much
    assert.is_true(r.legs.amount.low < 1 and r.legs.amount.high > 1)
    assert.is_true(r.legs.dispersion > 1.5)
    r = log:validate(ask("speed", { outcome = wp.accelerates "purchase" }))
    assert.equal("time", r.kind)
    assert.is_true(r.concordance.estimate > 0.5)
    assert.is_true(r.legs.log_rank.p < 1e-6)
    assert.is_number(r.legs.proportional.p)
    assert.equal("validated", r.verdict)
  end)
end)

describe("a log that cannot be judged", function()
  local log = shop(300, 2, 1.0)

  local function refused(changes, code, on)
    local r = (on or log):validate(ask("refused", changes))
    assert.equal("invalid", r.verdict)
    assert.equal(code, r.reasons[1].code)
    assert.is_nil(r.auc)
    assert.is_nil(r.adjusted)
    assert.is_true(#r.reasons[1].text > 20)
    assert.match("^invalid: refused", tostring(r))
    return r
  end

  it("says that a metric is constant", function()
    refused({ metric = wp.count "end" }, "constant")
  end)

  it("says that nobody had the outcome", function()
    refused({ outcome = wp.converts "end" }, "no_outcome")
  end)

  it("says that everybody had it", function()
    refused({ outcome = wp.churned { "end" } }, "everybody")
  end)

  it("says that nobody was followed to the end", function()
    local r = refused({ within = "300d" }, "no_follow_up")
    assert.equal(301, r.n.too_recent)
  end)

  it("says that nobody starts the clock", function()
    refused({ population = { value = wp.above(1e6) } }, "no_anchor")
  end)

  it("says that one user is no sample", function()
    local one = assert(wp.read_rows({ { user = "a", event = "view", time = 0 },
      { user = "a", event = "purchase", time = 100 * 86400 } },
      { user = "user", event = "event", time = "time", time_unit = "s" }))
    refused({ metric = wp.count "view" }, "one_user", one)
  end)

  it("says that most values are missing, unless that is accepted", function()
    local r = refused({ metric = wp.time_between("guide", "banner") }, "missing")
    assert.is_true(r.n.missing > 0.35 * (r.n.missing + r.n.used))
    r = log:validate(ask("accepted", { metric = wp.time_between("guide", "banner"),
      acknowledge = { "missing" } }))
    assert.not_equal("invalid", r.verdict)
    assert.is_true(codes(r.warnings).acknowledged)
  end)

  it("refuses a closed log", function()
    local closed = shop(30, 2, 1.0)
    closed:close()
    assert.error_matches(function() closed:validate(ask "closed") end, "closed")
  end)
end)

describe("accounts shared by several users", function()
  -- Accounts have a mood; the metric is one figure per account and does nothing.
  local log = made.log(1200, 31, function(random, add, user)
    local account = (user - 1) // 6
    local shared = made.random(account + 1)
    local mood, figure = shared.normal(), shared.poisson(2)
    made.week(random, add, random.normal())
    for _ = 1, figure do add("shared", random.uniform() * 7, { account = "a" .. account }) end
    if happens(random, -1 + 0.9 * mood) then
      add("purchase", 8 + random.uniform() * 20, { account = "a" .. account })
    end
  end, { properties = { "account" } })

  it("widen every interval when they are named as clusters", function()
    local single = log:validate(ask("alone", { metric = wp.count "shared" }))
    local rows = {}
    for id, journey in log:journeys() do
      for i = 1, #journey do
        rows[#rows + 1] = { user = id, event = journey[i].event, time = journey[i].time,
          account = "a" .. (tonumber(id:match "%d+") or 0) // 6 }
      end
    end
    local grouped = assert(wp.read_rows(rows, { user = "user", event = "event", time = "time",
      time_unit = "us", properties = { "account" } }))
    local r = grouped:validate(ask("together", { metric = wp.count "shared",
      cluster = "account" }))
    assert.near(single.adjusted.log, r.adjusted.log, 1e-9)
    assert.is_true(r.adjusted.se > 1.1 * single.adjusted.se)
    assert.is_true(r.auc.high - r.auc.low > 1.1 * (single.auc.high - single.auc.low))
    assert.equal("cluster bootstrap", r.auc.method)
    assert.equal("wald", r.added_information.method)
  end)
end)

describe("an end of observation long after the last event", function()
  it("is warned about: the days without data count as days without outcomes", function()
    local log = shop(500, 3, 0)
    local last = log:summary().last
    local function warned(as_of)
      return codes(log:validate(ask("late", { as_of = as_of })).warnings).as_of_beyond
    end
    assert.is_nil(warned(last + 3600 * 1000000))
    assert.is_true(warned(last + 90 * 86400 * 1000000))
    assert.is_nil(warned(nil))
  end)
end)

describe("a metric made of the baseline alone", function()
  local log = shop(3000, 5, 0)

  it("is activity, whatever its shape: what it adds is only activity's own curve", function()
    for name, changes in pairs { threshold = { metric = wp.active_days():at_least(3) },
      capped = { metric = wp.log1p(wp.sessions():capped(4)) },
      given = { metric = wp.count(), activity = { wp.count() } },
      part = { metric = wp.count("view"):at_least(2), activity = { wp.log1p(wp.count "view") } },
      all = { metric = wp.count():at_least(6) } } do
      local r = log:validate(ask(name, changes))
      assert.equal("is_activity", r.reasons[#r.reasons - 1].code, name)
      assert.equal("collinear", r.reasons[#r.reasons].code, name)
      assert.is_nil(r.added_information, name)
    end
    local r = log:validate(ask("a part", { metric = wp.count("view"):at_least(2) }))
    assert.is_table(r.added_information)
  end)

  it("is not called activity where segments or `adjust` tell it", function()
    local seen = made.log(1500, 9, function(random, add)
      local mobile = random.uniform() < 0.4 and 1 or 0
      local day = { device = mobile == 1 and "mobile" or "web", mobile = mobile }
      add("open", 0, day)
      for _ = 1, random.poisson(3) do add("view", random.uniform() * 6.9, day) end
      if happens(random, -1.5 + mobile) then add("purchase", 8 + random.uniform() * 20, day) end
    end, { properties = { "device" }, numbers = { "mobile" } })
    for _, key in ipairs { "across", "adjust" } do
      local r = seen:validate(ask(key, { metric = wp.first_value("open", "mobile"),
        [key] = { "device" } }))
      assert.equal("inconclusive", r.verdict)
      assert.equal("is_adjusted", r.reasons[1].code)
    end
  end)
end)

describe("activity that tells nothing about engagement", function()
  it("gets no number of users that would settle it: more would not help", function()
    local log = made.log(600, 3, function(random, add)
      add("open", 0)
      for _ = 1, random.poisson(3) do add("view", random.uniform() * 6.9) end
      local guides = random.poisson(1)
      for _ = 1, guides do add("guide", random.uniform() * 6.9) end
      if happens(random, -1.5 + 1.2 * guides) then add("purchase", 8 + random.uniform() * 20) end
    end)
    local r = log:validate(ask "guides")
    assert.equal("inconclusive", r.verdict)
    assert.equal("activity_noise", r.reasons[1].code)
    assert.is_nil(r.noise.corrected)
    assert.is_nil(r.needed.users)
    assert.equal("never", r.needed.for_what)
    assert.is_true(r.needed.effect > 1)
  end)
end)

describe("attributes of the users table", function()
  local function with_users(known)
    local rows, users = {}, {}
    local random = made.random(5)
    for i = 1, 600 do
      local id = "u" .. i
      local seats = random.poisson(3)
      users[i] = { id = id, seats = seats, known = known }
      local start = random.uniform() * 50 * made.day
      for _ = 1, 1 + random.poisson(4) do
        rows[#rows + 1] = { user = id, event = "view", time = start + random.uniform() * made.day }
      end
      if happens(random, -1 + 0.3 * seats) then
        rows[#rows + 1] = { user = id, event = "purchase", time = start + 9 * made.day }
      end
    end
    rows[#rows + 1] = { user = "u1", event = "view", time = 200 * made.day }
    return assert(wp.read_rows(rows, { user = "user", event = "event", time = "time",
      time_unit = "s", users = { rows = users, id = "id", numbers = { "seats" },
        known_at = known and "known" or nil } }))
  end

  it("are refused as a metric when they have no date, unless accepted knowingly", function()
    local log = with_users()
    local r = log:validate(ask("seats", { metric = wp.attribute "seats" }))
    assert.equal("invalid", r.verdict)
    assert.equal("undated_attribute", r.reasons[1].code)
    r = log:validate(ask("seats", { metric = wp.attribute "seats",
      acknowledge = { "undated_attribute" } }))
    assert.not_equal("invalid", r.verdict)
    assert.is_true(codes(r.warnings).undated_attribute)
  end)

  it("are refused however the metric or the outcome reads them", function()
    local log = with_users()
    for name, metric in pairs { filter = wp.count("view", { seats = wp.above(3) }),
      alone = wp.count { seats = 4 }, sum = wp.sum("view", "seats"),
      different = wp.distinct("seats", "view"), first = wp.first_value(nil, "seats"),
      within = wp.log1p(wp.count "view" + wp.attribute "seats") } do
      local r = log:validate(ask(name, { metric = metric }))
      assert.equal("undated_attribute", r.reasons[1].code, name)
      r = log:validate(ask(name, { metric = wp.count "view", outcome = wp.outcome(metric) }))
      assert.equal("undated_attribute", r.reasons[1].code, name)
    end
    local r = with_users(0):validate(ask("dated", { metric = wp.count { seats = 4 } }))
    assert.is_false(codes(r.reasons).undated_attribute or false)
  end)

  it("are refused in a measured frame, too", function()
    local frame = assert(with_users():measure { metrics = { seats = wp.attribute "seats",
      views = wp.count "view" }, outcome = wp.converts "purchase", observe = "7d",
      within = "30d" })
    local function judged(options)
      options.outcome = "outcome"
      return frame:validate(options)
    end
    local r = judged { metric = "seats", activity = { "views" } }
    assert.equal("undated_attribute", r.reasons[1].code)
    r = judged { metric = wp.log1p(wp.attribute "seats"), activity = { "views" } }
    assert.equal("undated_attribute", r.reasons[1].code)
    r = judged { metric = "seats", activity = { "views" },
      acknowledge = { "undated_attribute" } }
    assert.not_equal("invalid", r.verdict)
    assert.is_true(codes(r.warnings).undated_attribute)
    r = judged { metric = "views", activity = { "seats" } }
    assert.is_true(codes(r.warnings).undated_attribute)
  end)

  it("are warned about when they choose the users", function()
    local log = with_users()
    local question = ask("views", { metric = wp.count "view" })
    local function warned(of) return codes(of:validate(question).warnings).undated_attribute end
    assert.is_nil(warned(log))
    assert.is_nil(warned(log:where { events = { "view", "purchase" } }))
    local chosen = log:where { seats = wp.above(1) }
    assert.is_true(warned(chosen))
    assert.is_true(warned(chosen:where { before = "2100-01-01" }))
    assert.is_true(warned((chosen:split { at = "1970-01-20" })))
    assert.is_nil(warned(with_users(0):where { seats = wp.above(1) }))
    local frame = assert(chosen:measure { metrics = { views = wp.count "view" },
      outcome = wp.converts "purchase", observe = "7d", within = "30d" })
    local r = frame:validate { metric = "views", outcome = "outcome" }
    assert.is_true(codes(r.warnings).undated_attribute)
  end)

  it("are warned about when they adjust", function()
    local r = with_users():validate(ask("views", { metric = wp.count "view",
      adjust = { "seats" }, activity = { wp.active_days() } }))
    assert.is_true(codes(r.warnings).undated_attribute)
  end)
end)
