-- wp.hypothesis: every option, its default, and what is refused.
local wp = require "wayproof"
local golden = require "spec.golden"
local hypothesis = require "wayproof.hypothesis"
local object = require "wayproof.object"

local day_us = 86400 * 1000000

local function given(changes)
  local options = { metric = wp.count { "compare", "faq" }, outcome = wp.converts "purchase",
    observe = "7d", within = "30d" }
  for key, value in pairs(changes or {}) do options[key] = value end
  for key, value in pairs(options) do
    if value == "none" then options[key] = nil end
  end
  return options
end

local function with(changes) return wp.hypothesis "guides" (given(changes)) end

local function message_of(changes)
  local done, message = pcall(with, changes)
  assert.is_false(done, "it did not raise")
  return (message:gsub("^[^\n]-%.lua:%d+: ", ""))
end

describe("a hypothesis", function()
  it("fills in every default", function()
    local made = object.plain(with())
    made.metric, made.outcome = nil, nil
    assert.same({ name = "guides", observe_us = 7 * day_us, within_us = 30 * day_us, gap_us = 0,
      expect = "rise", prior_outcome = "exclude", adjust = {}, acknowledge = {}, across = {},
      minimum = 1.2, reliability = 0.4, strict_vanity = false, alpha = 0.05, seed = 1 }, made)
  end)

  it("takes its name and its options in one call or in two", function()
    local one, two = wp.hypothesis("x", given()), wp.hypothesis "x" (given())
    assert.equal("x", one.name)
    assert.equal(one:fingerprint(), two:fingerprint())
  end)

  it("excludes prior outcomes where the outcome is an event that happens once", function()
    local defaults = { exclude = { wp.converts "a", wp.refers "a", wp.accelerates "a" },
      keep = { wp.retained(), wp.churned(), wp.earns(), wp.outcome(wp.count "a") } }
    for expected, outcomes in pairs(defaults) do
      for _, outcome in ipairs(outcomes) do
        assert.equal(expected, with { outcome = outcome }.prior_outcome)
      end
    end
    assert.equal("keep", with { prior_outcome = "keep" }.prior_outcome)
  end)

  it("reads every option", function()
    local made = with { from = { "signup", "invite" }, gap = "12h", population = { plan = "pro" },
      activity = { wp.log1p(wp.count()) }, adjust = { "device", wp.attribute "seats" },
      cluster = "account", ["until"] = "closed", acknowledge = "missing", across = "device",
      minimum = 1.5, reliability = 1, strict_vanity = true, as_of = 1718323200000000, alpha = 0.01,
      seed = 7, expect = "fall" }
    assert.same({ "invite", "signup" }, object.plain(made.from).names)
    assert.equal(12 * 3600 * 1000000, made.gap_us)
    assert.equal("plan", made.population[1].column)
    assert.equal("log1p", made.activity[1].kind)
    assert.equal("device", made.adjust[1])
    assert.equal("attribute", made.adjust[2].kind)
    assert.equal("account", made.cluster)
    assert.equal("closed", made.until_selector.names[1])
    assert.same({ "missing" }, object.plain(made.acknowledge))
    assert.same({ "device" }, object.plain(made.across))
    assert.equal(1.5, made.minimum)
    assert.equal(1, made.reliability)
    assert.is_true(made.strict_vanity)
    assert.equal(1718323200000000, made.as_of_us)
    assert.equal(0.01, made.alpha)
    assert.equal(7, made.seed)
    assert.equal("fall", made.expect)
    assert.equal("closed", with { until_events = "closed" }.until_selector.names[1])
  end)

  it("reads durations as texts with units or as seconds", function()
    local cases = { ["90s"] = 90, ["30m"] = 1800, ["12h"] = 43200, ["7d"] = 604800,
      ["2w"] = 1209600, ["1.5h"] = 5400, [3600] = 3600, [0.5] = 0.5, [" 2d "] = 172800 }
    for duration, seconds in pairs(cases) do
      assert.equal(math.tointeger(seconds * 1000000), with { observe = duration }.observe_us)
    end
  end)

  it("reads as_of as a time", function()
    assert.equal(1718323200000000, with { as_of = "2024-06-14" }.as_of_us)
    assert.equal(1718323200000000, with { as_of = "2024-06-14T02:00:00+02:00" }.as_of_us)
    assert.matches("hypothesis: as_of: 'soon' (expected a time", message_of { as_of = "soon" }, 1,
      true)
  end)

  it("refuses what is wrong, and says what it expected", function()
    local cases = {
      { "unknown option 'metrc' (did you mean 'metric'?)", { metrc = 1 } },
      { "unknown option 'withn' (did you mean 'within'?)", { withn = "7d" } },
      { "unknown option 'colour' (options: acknowledge,", { colour = 1 } },
      { "metric: missing (expected a metric such as", { metric = "none" } },
      { "metric: 'compare' (expected a metric such as", { metric = "compare" } },
      { "metric: an outcome (expected a metric", { metric = wp.converts "a" } },
      { "metric: a function (expected a metric: call it", { metric = wp.count } },
      { "outcome: missing", { outcome = "none" } },
      { "outcome: a metric (expected an outcome: wrap it as wp.outcome(metric))",
        { outcome = wp.count "a" } },
      { "observe: missing (expected a duration such as observe = \"7d\")", { observe = "none" } },
      { "within: missing (expected a duration such as within = \"30d\")", { within = "none" } },
      { "observe: '7 days' (expected a duration", { observe = "7 days" } },
      { "observe: 0 (expected more than nothing)", { observe = 0 } },
      { "within: -5 is negative", { within = -5 } },
      { "gap: '-1d' (expected a duration", { gap = "-1d" } },
      { "observe: '99999999999999w' is too long", { observe = "99999999999999w" } },
      { "observe: inf is too long", { observe = math.huge } },
      { "observe: true (expected a duration", { observe = true } },
      { "expect: 'up' (expected 'rise' or 'fall')", { expect = "up" } },
      { "expect: 'raise' (expected 'rise' or 'fall'; did you mean 'rise'?)", { expect = "raise" } },
      { "prior_outcome: 'drop' (expected 'exclude' or 'keep')", { prior_outcome = "drop" } },
      { "acknowledge: 'mising' (expected 'missing', 'separation' or 'undated_attribute'; "
        .. "did you mean 'missing'?)", { acknowledge = { "mising" } } },
      { "activity: entry 2: 'x' (expected a metric", { activity = { wp.count(), "x" } } },
      { "activity: 3 (expected a list of metrics)", { activity = 3 } },
      { "adjust: entry 1: 3 (expected a property or a metric)", { adjust = { 3 } } },
      { "across: a table with named entries", { across = { a = "b" } } },
      { "cluster: 3 (expected the name of a property)", { cluster = 3 } },
      { "minimum: 1 (expected a ratio above 1, such as 1.2)", { minimum = 1 } },
      { "reliability: 0 (expected more than 0, up to 1)", { reliability = 0 } },
      { "reliability: 1.5 (expected a number from 0 to 1)", { reliability = 1.5 } },
      { "alpha: 1 (expected more than 0 and less than 1)", { alpha = 1 } },
      { "seed: 1.5 (expected a whole number)", { seed = 1.5 } },
      { "strict_vanity: 'yes' (expected true or false)", { strict_vanity = "yes" } },
      { "population: filter: 'pro' (expected a table such as", { population = "pro" } },
      { "until and until_events are the same option", { ["until"] = "a", until_events = "a" } },
      { "outcome: retained to 40 days ends after the outcome window (within is 30 days)",
        { outcome = wp.retained { from = "7d", to = "40d" } } },
      { "outcome: retained from 30 days starts after the outcome window (within is 30 days)",
        { outcome = wp.retained { from = "30d" } } },
    }
    for _, case in ipairs(cases) do
      assert.matches("hypothesis: " .. case[1], message_of(case[2]), 1, true)
    end
  end)

  it("needs a name", function()
    for _, name in ipairs { "", 3, {} } do
      local done, message = pcall(wp.hypothesis, name)
      assert.is_false(done)
      assert.matches("hypothesis: name: ", message, 1, true)
    end
    assert.matches("expected a table of options", select(2, pcall(wp.hypothesis "x", 3)), 1, true)
    assert.matches("hypothesis 'x': nothing", select(2, pcall(wp.hypothesis "x")), 1, true)
  end)

  it("cannot be changed, but gives changed copies", function()
    local made = with { gap = "1d", from = "signup", population = { plan = "pro" },
      until_events = "closed", as_of = 1718323200000000, across = { "device" } }
    assert.is_false(pcall(function() made.gap_us = 0 end))
    assert.is_false(pcall(function() made.across[1] = "x" end))
    assert.equal(made:fingerprint(), made:with({}):fingerprint())
    local other = made:with { name = "other", within = "60d" }
    assert.equal("other", other.name)
    assert.equal(60 * day_us, other.within_us)
    assert.equal(day_us, other.gap_us)
    assert.equal(30 * day_us, made.within_us)
    assert.is_false(pcall(made.with, made, { withn = "60d" }))
  end)

  it("can be heard while it is built", function()
    local heard = {}
    local result = hypothesis.listen(function(made) heard[#heard + 1] = made.name end, function()
      with()
      wp.hypothesis "b" (given())
      return 7
    end)
    with()
    assert.same({ "guides", "b" }, heard)
    assert.equal(7, result)
  end)

  it("prints its claim, its windows and what it assumes", function()
    golden.check("hypothesis_plain", tostring(wp.hypothesis "comparison guides build confidence" {
      metric = wp.count { "compare", "faq" }, outcome = wp.converts "purchase",
      observe = "7d", within = "30d", expect = "rise" }))
    golden.check("hypothesis_full", tostring(with { name = nil, from = { "signup", "invite" },
      gap = "12h", population = { plan = "pro", channel = wp.is_not { "ads", "mail" } },
      metric = wp.count { "compare", "faq" }:named "guides read",
      activity = { wp.log1p(wp.count()), wp.active_days() }, adjust = { "device",
        wp.attribute "seats" }, cluster = "account", until_events = "closed",
      acknowledge = { "missing", "separation" }, across = { "device", "channel" }, minimum = 1.5,
      reliability = 0.605, strict_vanity = true, as_of = 1718323200000000, alpha = 0.01, seed = 7,
      expect = "fall", outcome = wp.accelerates "purchase" }))
    golden.check("hypothesis_narrow", tostring(with { observe = "90s", within = "2w", gap = "1s",
      outcome = wp.earns() }))
  end)

  it("keep to 80 columns whatever events, properties and stages are called", function()
    local show = require "wayproof.show"
    local long, wide, marks = ("x"):rep(100), ("日本語 "):rep(20), ("e\u{301}"):rep(120)
    local red = "\27[31mred\nline"
    local asked = wp.hypothesis(long .. wide) {
      metric = wp.count { long, wide, marks, red } / wp.count(), outcome = wp.converts(wide),
      observe = "7d", within = "30d", from = { long, red }, population = { [long] = marks },
      across = { long, wide }, adjust = { marks }, cluster = wide, ["until"] = { marks, long },
    }
    local stages = wp.stages { { wide, long, marks }, { long, red }, { marks, "purchase" } }
    for _, text in ipairs { tostring(asked), tostring(stages) } do
      for line in text:gmatch "[^\n]+" do
        assert.is_true(show.width(line) <= 80, line)
        assert.is_nil(line:find "%c")
      end
    end
    assert.matches("\n  cluster " .. wide:sub(1, 40), tostring(asked), 1, true)
  end)

  it("keep to 25 lines when everything is given, and names end as they ended", function()
    local show = require "wayproof.show"
    for _, gap in ipairs { "_", " " } do
      local function name(word)
        return (word .. gap .. "very" .. gap .. "long" .. gap):rep(10):sub(1, 96) .. "last"
      end
      local text = tostring(wp.hypothesis(name "name") {
        metric = wp.sum(name "met", name "column", { [name "p1"] = name "v1" })
          / wp.count(name "other"),
        outcome = wp.converts(name "out", { [name "p2"] = { name "v2", name "v3" } }),
        observe = "7d", gap = "1d", within = "30d", from = name "from",
        population = { [name "p3"] = name "v4" }, prior_outcome = "exclude",
        ["until"] = name "until", as_of = "2024-01-01",
        activity = { wp.count(name "a1"), wp.count(name "a2") }, adjust = { name "b1", name "b2" },
        across = { name "c1", name "c2" }, cluster = name "cluster", alpha = 0.01,
        strict_vanity = true, seed = 5, minimum = 1.5, acknowledge = { "missing" } })
      local lines = 0
      for line in (text .. "\n"):gmatch "(.-)\n" do
        lines = lines + 1
        assert.is_true(show.width(line) <= 80, line)
      end
      assert.is_true(lines <= 25, text)
      local ending = gap == "_" and "last\n" or ""
      assert.matches("\n  cluster cluster" .. gap .. "[^\n]*" .. ending, text)
    end
  end)
end)
