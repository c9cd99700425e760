-- frame:validate: what a table without time may and may not claim.
local helper = require "spec.helper"
local simulated = require "spec.made"
local wp = require "wayproof"

-- Users whose outcome follows `effect` times a metric that has nothing to do with activity; seeded.
local function made(users, effect, seed)
  local state = seed or 1
  local function uniform()
    state = (state * 6364136223846793005 + 1442695040888963407)
    return (state >> 11) * 0x1p-53
  end
  local function normal()
    return math.sqrt(-2 * math.log(1 - uniform())) * math.cos(2 * math.pi * uniform())
  end
  local columns = { metric = {}, visits = {}, bought = {}, week = {}, channel = {}, user = {} }
  for i = 1, users do
    local engaged, special = normal(), normal()
    columns.visits[i] = math.floor(math.exp(2 + 0.6 * engaged + 0.2 * normal()))
    columns.metric[i] = math.floor(math.exp(1 + 0.8 * special))
    local odds = math.exp(-1.4 + 0.5 * engaged + effect * special)
    columns.bought[i] = uniform() < odds / (1 + odds)
    columns.week[i] = math.floor(uniform() * 52)
    columns.channel[i] = uniform() < 0.4 and "mail" or "ads"
  end
  columns.user = nil
  return wp.frame(columns)
end

local function codes(list)
  local set = {}
  for _, item in ipairs(list) do set[item.code] = true end
  return set
end

local windows = { metric_window = { "0d", "7d" }, outcome_window = { "7d", "37d" } }

local function with(options)
  for key, value in pairs(windows) do
    if options[key] == nil then options[key] = value end
  end
  return options
end

describe("frame:validate", function()
  local frame = made(4000, 0.6)

  it("validates with grade B when windows are declared and a cohort orders the users", function()
    local r = frame:validate(with { metric = "metric", outcome = "bought",
      activity = { wp.log1p(wp.attribute "visits") }, cohort = "week" })
    assert.equal("validated", r.verdict)
    assert.equal("B", r.grade)
    assert.equal(4000, r.n.used)
    assert.equal(4000, r.n.events + r.n.non_events)
    assert.is_true(r.holdout.replicated)
    assert.equal(4, #r.stability.cohorts)
    assert.is_true(codes(r.warnings).reliability_unmeasured)
  end)

  it("calls a column of the baseline activity, also its logarithm or a threshold of it", function()
    local visits = wp.attribute "visits"
    for _, metric in ipairs { "visits", visits, wp.log1p(visits), visits:at_least(9) } do
      for _, activity in ipairs { "visits", wp.log1p(visits) } do
        local r = frame:validate(with { metric = metric, outcome = "bought", cohort = "week",
          activity = { activity } })
        assert.equal("vanity", r.verdict)
        assert.equal("is_activity", r.reasons[1].code)
      end
    end
  end)

  it("gives at best grade C without a cohort", function()
    local r = frame:validate(with { metric = "metric", outcome = "bought",
      activity = { wp.log1p(wp.attribute "visits") } })
    assert.equal("validated", r.verdict)
    assert.equal("C", r.grade)
    assert.is_nil(r.holdout)
    assert.is_true(codes(r.warnings).no_holdout)
  end)

  it("never validates when the windows are not declared", function()
    local r = frame:validate { metric = "metric", outcome = "bought", activity = { "visits" },
      cohort = "week" }
    assert.equal("inconclusive", r.verdict)
    assert.equal("windows_not_declared", r.reasons[1].code)
    assert.is_nil(r.grade)
    r = frame:validate { metric = "metric", outcome = "bought", activity = { "visits" },
      metric_window = { "0d", "7d" } }
    assert.equal("windows_not_declared", r.reasons[1].code)
  end)

  it("never claims the opposite either when the windows are not declared", function()
    local r = frame:validate { metric = "metric", outcome = "bought", activity = { "visits" },
      expect = "fall" }
    assert.equal("inconclusive", r.verdict)
  end)

  it("calls overlapping windows leaking, and an outcome counted first too", function()
    local r = frame:validate { metric = "metric", outcome = "bought",
      metric_window = { "0d", "14d" }, outcome_window = { "7d", "8d" } }
    assert.equal("leaking", r.verdict)
    assert.equal("windows_overlap", r.reasons[1].code)
    r = frame:validate { metric = "metric", outcome = "bought",
      metric_window = { "14d", "21d" }, outcome_window = { "0d", "7d" } }
    assert.equal("outcome_first", r.reasons[1].code)
  end)

  it("accepts windows that touch", function()
    local r = frame:validate { metric = "metric", outcome = "bought", activity = { "visits" },
      metric_window = { "0d", "7d" }, outcome_window = { "7d", "8d" } }
    assert.not_equal("leaking", r.verdict)
  end)

  it("warns where those without a value have another outcome", function()
    local random = simulated.random(12)
    local columns = { metric = {}, bought = {}, visits = {} }
    local lost, buyers, others = 0, 0, 0
    for i = 1, 1000 do
      columns.bought[i] = random.uniform() < 0.3 and 1 or 0
      columns.visits[i] = random.poisson(3)
      if random.uniform() > 0.1 + 0.2 * columns.bought[i] then
        columns.metric[i] = random.poisson(2)
        others = others + columns.bought[i]
      else
        lost, buyers = lost + 1, buyers + columns.bought[i]
      end
    end
    local function judged(outcome)
      local result = wp.frame(columns, { rows = 1000 }):validate { metric = "metric",
        outcome = outcome, activity = { "visits" } }
      for _, warning in ipairs(result.warnings) do
        if warning.code == "missing_tells" then return warning.text end
      end
    end
    assert.matches(("of those without a value %.0f %%%% have the outcome, of the others %.0f %%%%:")
      :format(100 * buyers / lost, 100 * others / (1000 - lost)), judged "bought")
    columns.chance = {}
    for i = 1, 1000 do columns.chance[i] = i % 2 end
    assert.is_nil(judged "chance")
  end)

  it("warns where the activity given moves with neither metric nor outcome", function()
    local random = simulated.random(11)
    local columns = { metric = {}, bought = {}, luck = {}, visits = {}, day = {} }
    for i = 1, 2000 do
      local engagement = random.normal()
      columns.metric[i] = random.poisson(math.exp(1 + 0.6 * engagement))
      columns.visits[i] = random.poisson(math.exp(1.5 + 0.2 * engagement))
      columns.bought[i] = simulated.happens(random, -1 + 0.8 * engagement) and 1 or 0
      columns.luck[i], columns.day[i] = random.poisson(3), i
    end
    local luck_frame = wp.frame(columns)
    local function warned(activity)
      for _, warning in ipairs(luck_frame:validate { metric = "metric", outcome = "bought",
        activity = { activity }, cohort = "day", metric_window = { "0d", "7d" },
        outcome_window = { "7d", "14d" } }.warnings) do
        if warning.code == "idle_activity" then return true end
      end
      return false
    end
    assert.is_true(warned "luck")
    assert.is_false(warned "visits")
  end)

  it("cannot rule vanity out without activity", function()
    local r = frame:validate(with { metric = "metric", outcome = "bought", cohort = "week" })
    assert.equal("inconclusive", r.verdict)
    assert.equal("no_activity_baseline", r.reasons[1].code)
  end)

  it("reports segments that it is asked to agree", function()
    local r = frame:validate(with { metric = "metric", outcome = "bought", activity = { "visits" },
      across = "channel" })
    assert.equal("channel", r.stability.segments[1].by)
    local labels = {}
    for _, s in ipairs(r.stability.segments[1].strata) do labels[s.label] = s.users end
    assert.equal(4000, labels.mail + labels.ads)
  end)

  it("takes properties and columns to adjust for", function()
    local r = frame:validate(with { metric = "metric", outcome = "bought", activity = { "visits" },
      adjust = { "channel", "week" } })
    assert.equal(3, #r.baseline.columns)
  end)

  it("calls a metric that is its activity vanity, without numbers beyond activity", function()
    local r = frame:validate(with { metric = wp.attribute "visits", outcome = "bought",
      activity = { "visits" } })
    assert.equal("vanity", r.verdict)
    assert.equal("is_activity", r.reasons[1].code)
    assert.equal("collinear", r.reasons[2].code)
    assert.is_nil(r.added_information)
    assert.is_nil(r.adjusted)
  end)

  it("counts users without a value, and refuses when they are many", function()
    local columns = { metric = {}, bought = {} }
    for i = 1, 400 do
      columns.metric[i] = i % 5 ~= 0 and i % 7 or nil
      columns.bought[i] = i % 3 == 0
    end
    local some = wp.frame(columns, { rows = 400 })
    local r = some:validate(with { metric = "metric", outcome = "bought" })
    assert.equal(80, r.n.missing)
    assert.equal(320, r.n.used)
    for i = 1, 400 do columns.metric[i] = i % 2 == 0 and i % 7 or nil end
    local many = wp.frame(columns, { rows = 400 })
    r = many:validate(with { metric = "metric", outcome = "bought" })
    assert.equal("invalid", r.verdict)
    assert.equal("missing", r.reasons[1].code)
    r = many:validate(with { metric = "metric", outcome = "bought", acknowledge = { "missing" } })
    assert.not_equal("invalid", r.verdict)
    assert.is_true(codes(r.warnings).acknowledged)
  end)

  it("judges numeric outcomes by their mean ratio", function()
    local columns = { metric = {}, visits = {}, spent = {} }
    local state = 7
    for i = 1, 1000 do
      state = state * 6364136223846793005 + 1442695040888963407
      local u = (state >> 11) * 0x1p-53
      columns.metric[i], columns.visits[i] = i % 10, (i * 7) % 13
      columns.spent[i] = math.floor(-math.log(1 - u) * math.exp(1 + 0.1 * (i % 10)) * 100) / 100
    end
    local r = wp.frame(columns):validate(with { metric = wp.attribute "metric", outcome = "spent",
      activity = { "visits" } })
    assert.is_nil(r.auc)
    assert.equal("numeric", r.kind)
    -- 0.1 per unit times the SD of 0..9 (2.87)
    assert.near(0.287, r.adjusted.log, 0.1)
  end)

  it("shows ranks only where an outcome can be negative", function()
    local columns = { metric = {}, balance = {} }
    for i = 1, 200 do columns.metric[i], columns.balance[i] = i % 9, (i * 37) % 41 - 20 end
    local r = wp.frame(columns):validate(with { metric = "metric", outcome = "balance" })
    assert.equal("inconclusive", r.verdict)
    assert.equal("negative_outcome", r.reasons[1].code)
    assert.is_number(r.spearman.estimate)
    assert.is_nil(r.adjusted)
  end)

  it("raises on what it does not understand, with a hint", function()
    local function message(options)
      return select(2, pcall(frame.validate, frame, options))
    end
    assert.match("did you mean 'metric_window'", message { metric = "metric", outcome = "bought",
      metric_windw = { 0, 1 } })
    assert.match("unknown column 'bougt'.*did you mean 'bought'", message { metric = "metric",
      outcome = "bougt" })
    assert.match("outcome: missing", message { metric = "metric" })
    assert.match("'channel' holds texts", message { metric = "channel", outcome = "bought" })
    assert.match("cohort: column 'channel' holds texts", message { metric = "metric",
      outcome = "bought", cohort = "channel" })
    assert.match("to is not after from", message { metric = "metric", outcome = "bought",
      metric_window = { "7d", "7d" } })
    assert.match("events need a log", message { metric = wp.count "x", outcome = "bought" })
  end)
end)

describe("Cookie Cats, whose rounds of 14 days cover the outcome on day 7", function()
  it("is leaking with declared windows and never validated without", function()
    local path, why = helper.data_file "cookie_cats.csv.gz"
    if not path then return pending(why) end
    local frame = assert(wp.read_frame(path))
    local r = frame:validate { metric = "sum_gamerounds", outcome = "retention_7",
      metric_window = { "0d", "14d" }, outcome_window = { "7d", "8d" } }
    assert.equal("leaking", r.verdict)
    r = frame:validate { metric = "sum_gamerounds", outcome = "retention_7" }
    assert.equal("inconclusive", r.verdict)
    frame:close()
  end)
end)
