--- Hypotheses: a metric, an outcome, windows, and what is assumed, as one immutable tree of data.
---
--- `wp.hypothesis "name" { … }` checks every option, fills in every default and returns a
--- Hypothesis with the fields of doc/design/contracts.md. Windows are half-open and touch: the
--- metric sees [t0, t0+observe), the outcome [t0+observe+gap, t0+observe+gap+within).
local check = require "wayproof.check"
local metric = require "wayproof.metric"
local object = require "wayproof.object"
local outcome = require "wayproof.outcome"
local select_events = require "wayproof.select"
local words = require "wayproof.metric_words"

local hypothesis = {}

--- Every option of a hypothesis. `until` is a word of Lua, so it is written `["until"] = …`, or
--- `until_events = …`.
hypothesis.options = { "metric", "outcome", "observe", "within", "expect", "from", "gap",
  "population", "prior_outcome", "activity", "adjust", "cluster", "until", "until_events",
  "acknowledge", "across", "minimum", "reliability", "strict_vanity", "as_of", "alpha", "seed" }

hypothesis.defaults = { expect = "rise", gap_us = 0, minimum = 1.2, reliability = 0.4,
  strict_vanity = false, alpha = 0.05, seed = 1, acknowledge = {} }

local acknowledgeable = { "missing", "separation", "undated_attribute" }

local excludes_prior = { converts = true, refers = true, accelerates = true }

local function required_duration(given, key)
  local what = "hypothesis: " .. key
  if given[key] == nil then
    check.fail("%s: missing (expected a duration such as %s = \"%s\")", what, key,
      key == "observe" and "7d" or "30d")
  end
  local duration_us = check.duration(given[key], what)
  if duration_us == 0 then check.fail("%s: 0 (expected more than nothing)", what) end
  return duration_us
end

local function metric_list(value, what)
  if metric.is(value) then value = { value } end
  if type(value) ~= "table" or check.class(value) then
    check.fail("%s: %s (expected a list of metrics)", what, check.describe(value))
  end
  local list, count = {}, 0
  for _ in pairs(value) do count = count + 1 end
  for i = 1, count do list[i] = metric.check(value[i], string.format("%s: entry %d", what, i)) end
  return list
end

-- Properties by name, or metrics.
local function adjust_list(value, what)
  if type(value) == "string" or metric.is(value) then value = { value } end
  if type(value) ~= "table" or check.class(value) then
    check.fail("%s: %s (expected a list of properties or metrics)", what, check.describe(value))
  end
  local list, count = {}, 0
  for _ in pairs(value) do count = count + 1 end
  for i = 1, count do
    local entry = value[i]
    if not metric.is(entry) then
      check.name(entry, string.format("%s: entry %d", what, i), "a property or a metric")
    end
    list[i] = entry
  end
  return list
end

--- The list of what is accepted knowingly, checked.
function hypothesis.acknowledged(value, what)
  local list = check.names(value, what)
  for _, code in ipairs(list) do check.choice(code, acknowledgeable, what) end
  return list
end

-- Loaded late, so that the language needs no C.
local function instant(value, what)
  return require("wayproof.time").instant(value, what)
end

local function check_needed(given)
  if given.metric == nil then
    check.fail("hypothesis: metric: missing (expected a metric such as wp.count(\"compare\"))")
  end
  metric.check(given.metric, "hypothesis: metric")
  if given.outcome == nil then
    check.fail("hypothesis: outcome: missing "
      .. "(expected an outcome such as wp.converts(\"purchase\"))")
  end
  outcome.check(given.outcome, "hypothesis: outcome")
end

local function check_span(fields)
  local kind, to_us = fields.outcome.kind, fields.outcome.to_us
  local within = words.duration(fields.within_us)
  if to_us and to_us > fields.within_us then
    check.fail("hypothesis: outcome: %s to %s ends after the outcome window (within is %s)", kind,
      words.duration(to_us), within)
  elseif fields.outcome.from_us and fields.outcome.from_us >= fields.within_us then
    check.fail("hypothesis: outcome: %s from %s starts after the outcome window (within is %s)",
      kind, words.duration(fields.outcome.from_us), within)
  end
end

local function prior_outcome(given, kind)
  if given.prior_outcome == nil then return excludes_prior[kind] and "exclude" or "keep" end
  return check.choice(given.prior_outcome, { "exclude", "keep" }, "hypothesis: prior_outcome")
end

local function optional(given, key, read, ...)
  if given[key] == nil then return nil end
  return read(given[key], "hypothesis: " .. key, ...)
end

local function until_selector(given)
  local events = given["until"]
  if given.until_events ~= nil then
    if events ~= nil then check.fail("hypothesis: until and until_events are the same option") end
    events = given.until_events
  end
  return events ~= nil and select_events.selector(events, nil, "hypothesis: until") or nil
end

local function expected(given)
  if given.expect == nil then return hypothesis.defaults.expect end
  return check.choice(given.expect, { "rise", "fall" }, "hypothesis: expect")
end

local function above_one(value, what)
  check.number(value, what)
  if value <= 1 then
    check.fail("%s: %s (expected a ratio above 1, such as 1.2)", what, value)
  end
  return value
end

local function fraction(value, what)
  check.number(value, what, 0, 1)
  if value <= 0 or value >= 1 then
    check.fail("%s: %s (expected more than 0 and less than 1)", what, value)
  end
  return value
end

local function reliability(value, what)
  check.number(value, what, 0, 1)
  if value <= 0 then check.fail("%s: %s (expected more than 0, up to 1)", what, value) end
  return value
end

local function default(value, fallback)
  if value == nil then return fallback end
  return value
end

local setting_checks = { minimum = above_one, reliability = reliability,
  strict_vanity = check.boolean, alpha = fraction, seed = check.integer,
  acknowledge = hypothesis.acknowledged }

--- One of `minimum, reliability, strict_vanity, alpha, seed, acknowledge`, checked, or its default.
function hypothesis.setting(given, key, what)
  if given[key] == nil then return hypothesis.defaults[key] end
  return setting_checks[key](given[key], what .. ": " .. key)
end

--- The fields of a hypothesis from its options; raises on anything wrong.
function hypothesis.fields(name, given)
  check.options(given, hypothesis.options, "hypothesis")
  check_needed(given)
  local defaults = hypothesis.defaults
  local fields = {
    name = name, metric = given.metric, outcome = given.outcome,
    observe_us = required_duration(given, "observe"),
    within_us = required_duration(given, "within"),
    gap_us = default(optional(given, "gap", check.duration), defaults.gap_us),
    expect = expected(given),
    from = given.from ~= nil and select_events.selector(given.from, nil, "hypothesis: from") or nil,
    population = select_events.filter(given.population, "hypothesis: population"),
    prior_outcome = prior_outcome(given, given.outcome.kind),
    until_selector = until_selector(given),
    activity = optional(given, "activity", metric_list),
    adjust = optional(given, "adjust", adjust_list) or {},
    cluster = optional(given, "cluster", check.name, "the name of a property"),
    across = optional(given, "across", check.names) or {},
    as_of_us = optional(given, "as_of", instant),
  }
  for key in pairs(setting_checks) do
    fields[key] = hypothesis.setting(given, key, "hypothesis")
  end
  check_span(fields)
  return fields
end

local Hypothesis = object.class {
  name = "wayproof.Hypothesis",
  result = false,
  render = function(self) return require("wayproof.hypothesis_words").render(self) end,
}

-- Called with each new hypothesis while a hypothesis file is read (see sandbox.lua).
local listener

local function build(name, given)
  local made = Hypothesis.new(hypothesis.fields(name, given))
  if listener then listener(made) end
  return made
end

--- `wp.hypothesis "name" { metric = …, outcome = …, observe = …, within = …, … }`.
---@param name string
---@param given? table  the options, when not given in a second call
---@return wayproof.Hypothesis|fun(options: table): wayproof.Hypothesis
function hypothesis.hypothesis(name, given)
  if type(name) ~= "string" or name == "" then
    check.fail("hypothesis: name: %s (expected a name, then options: wp.hypothesis \"name\" { … })",
      name == "" and "an empty text" or check.describe(name))
  end
  if given ~= nil then return build(name, given) end
  return function(options)
    if options == nil then
      check.fail("hypothesis '%s': nothing (expected a table of options)", name)
    end
    return build(name, options)
  end
end

--- Whether a value is a hypothesis.
function hypothesis.is(value)
  return Hypothesis.is(value)
end

--- Raises unless `value` is a hypothesis.
function hypothesis.check(value, what)
  if Hypothesis.is(value) then return value end
  local hint = ""
  if type(value) == "function" then hint = ", then its options: wp.hypothesis \"name\" { … }" end
  check.fail("%s: %s (expected a hypothesis made by wp.hypothesis%s)", what, check.describe(value),
    hint)
end

--- Calls `heard(hypothesis)` for every hypothesis built during `run()`; returns what that returns.
function hypothesis.listen(heard, run)
  local before = listener
  listener = heard
  local results = table.pack(pcall(run))
  listener = before
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

local methods = Hypothesis.methods

--- 32 hex digits: equal for the same question, in every run and process. Names and titles do not
--- count: a question asked under another name is the same question.
---@param log? wayproof.Log  also resolves patterns such as `W_*` to the log's event names
---@return string
function methods:fingerprint(log)
  local question = {}
  for key, value in pairs(self) do
    if key ~= "name" then question[key] = value end
  end
  return metric.tree_fingerprint(question, log)
end

--- The same hypothesis with some options changed: `h:with { within = "60d" }`.
---@param changes table  options as wp.hypothesis takes them, and `name`
---@return wayproof.Hypothesis
function methods:with(changes)
  local given = hypothesis.given(self)
  local name = self.name
  for key, value in pairs(check.options(changes, { "name", table.unpack(hypothesis.options) },
    "with")) do
    if key == "name" then
      name = check.name(value, "with: name")
    else
      given[key] = value
    end
  end
  return build(name, given)
end

-- Options that would build the same hypothesis again.
function hypothesis.given(self)
  local given = {}
  for _, key in ipairs { "metric", "outcome", "expect", "from", "prior_outcome", "activity",
    "adjust", "cluster", "acknowledge", "across", "minimum", "reliability", "strict_vanity",
    "alpha", "seed" } do
    given[key] = self[key]
  end
  given.observe, given.within, given.gap =
    self.observe_us / 1e6, self.within_us / 1e6, self.gap_us / 1e6
  given.as_of, given.until_events = self.as_of_us, self.until_selector
  given.population = self.population
  return given
end

return hypothesis
