--- `log:measure`: metrics and an outcome for every user of a log, as a Frame.
---
--- Windows are half-open and touch: the clock starts at t0 (the first `from` event, default the
--- user's first event), metrics see [t0, t0+observe), the outcome
--- [t0+observe+gap, t0+observe+gap+within). Rows are the users whose outcome window lies at or
--- before `as_of` and their own `until`, less those with an outcome event before the landmark where
--- `prior_outcome` is "exclude"; the others are counted in `frame.n`, by reason.
local check = require "wayproof.check"
local core = require "wayproof.core"
local frame = require "wayproof.frame"
local time = require "wayproof.time"
local measure = require "wayproof.measure"
local metric = require "wayproof.metric"
local outcome = require "wayproof.outcome"
local select_events = require "wayproof.select"
local undated = require "wayproof.undated"
local words = require "wayproof.metric_words"

local measure_log = {}

local options = { "metrics", "outcome", "from", "until", "until_events", "observe", "gap", "within",
  "prior_outcome", "population", "as_of" }

local reserved = { user = true, outcome = true, time = true, status = true }

-- Metrics ----------------------------------------------------------------------------------------

local function add_metric(list, seen, name, value)
  if reserved[name] then
    check.fail("measure: metrics: '%s' is the name of another column (use :named or another name)",
      name)
  end
  if seen[name] then check.fail("measure: metrics: two metrics are called '%s'", name) end
  seen[name] = true
  list[#list + 1] = { name = name, metric = value }
end

-- A map gives name order, a list of named metrics keeps its own.
local function metric_columns(given)
  if given == nil then
    check.fail("measure: metrics: missing (expected metrics = { name = wp.count(\"compare\") })")
  end
  if metric.is(given) then given = { given } end
  if type(given) ~= "table" or check.class(given) then
    check.fail("measure: metrics: %s (expected { name = metric } or a list of m:named \"…\")",
      check.describe(given))
  end
  local list, seen, names = {}, {}, {}
  for i = 1, #given do
    local value = metric.check(given[i], "measure: metrics: entry " .. i)
    add_metric(list, seen, value.title or tostring(value), value)
  end
  for name in pairs(given) do
    if type(name) == "string" then
      names[#names + 1] = name
    elseif math.type(name) ~= "integer" or name < 1 or name > #given then
      check.fail("measure: metrics: unexpected entry [%s] (expected names or a list)",
        tostring(name))
    end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    add_metric(list, seen, name, metric.check(given[name], "measure: metrics: '" .. name .. "'"))
  end
  return list
end

-- Outcomes ---------------------------------------------------------------------------------------

local function window(from_us, to_us)
  return { from_us = from_us, to_us = to_us }
end

-- Where a retained or churned outcome looks, inside the outcome window.
local function span_of(node, landmark_us, within_us)
  local to_us = node.to_us or within_us
  if to_us > within_us then
    check.fail("measure: outcome: %s to %s ends after the outcome window (within is %s)", node.kind,
      words.duration(to_us), words.duration(within_us))
  elseif node.from_us >= to_us then
    check.fail("measure: outcome: %s from %s starts after the outcome window (within is %s)",
      node.kind, words.duration(node.from_us), words.duration(within_us))
  end
  return window(landmark_us + node.from_us, landmark_us + to_us)
end

local function count(selector) return { kind = "count", selector = selector } end

local function at_least(of, number) return { kind = "at_least", of = of, number = number } end

local constant_minus = { kind = "constant", number = -1 }

--- The outcome as columns of a measuring request: `outcome` first; for `accelerates` then `time`
--- and `status`. `accelerates` is seen until the end of window, `as_of` or `until`.
---@return { name: string, metric: table, window: table }[]
function measure_log.outcome_columns(node, landmark_us, within_us)
  local whole = window(landmark_us, landmark_us + within_us)
  local kind = node.kind
  if kind == "converts" or kind == "refers" then
    return { { name = "outcome", metric = at_least(count(node.selector), node.at_least),
      window = whole } }
  elseif kind == "retained" then
    return { { name = "outcome", metric = at_least(count(node.selector), node.at_least),
      window = span_of(node, landmark_us, within_us) } }
  elseif kind == "churned" then -- fewer than at_least
    local negative = { kind = "multiply", left = count(node.selector), right = constant_minus }
    return { { name = "outcome", metric = at_least(negative, 1 - node.at_least),
      window = span_of(node, landmark_us, within_us) } }
  elseif kind == "earns" then
    return { { name = "outcome", window = whole,
      metric = { kind = "sum", selector = node.selector, column = node.column } } }
  elseif kind == "accelerates" then
    local seen = { kind = "until_time", selector = node.selector }
    return { { name = "outcome", metric = seen, window = whole },
      { name = "time", metric = seen, window = whole },
      { name = "status", window = whole,
        metric = { kind = "until_status", selector = node.selector } } }
  end
  return { { name = "outcome", metric = node.metric, window = whole } }
end

--- More than 0 where the user had an outcome event before the landmark, other than at the instant
--- t0; with a clock of its own (`from`), history before t0 counts too.
---@return table metric  whose leaves carry their own windows
function measure_log.prior_metric(node, from, landmark_us)
  local selectors = node.metric and metric.selectors(node.metric) or { node.selector }
  local sum
  local function add(selector, where)
    local leaf = { kind = "did", selector = selector, window = where }
    sum = sum and { kind = "add", left = sum, right = leaf } or leaf
  end
  for _, selector in ipairs(selectors) do
    add(selector, window(1, landmark_us))
    if from then add(selector, { "before" }) end
  end
  return sum
end

-- The request ------------------------------------------------------------------------------------

local function duration(given, key, fallback)
  if given[key] == nil then
    if fallback then return fallback end
    check.fail("measure: %s: missing (expected a duration such as %s = \"%s\")", key, key,
      key == "observe" and "7d" or "30d")
  end
  local duration_us = check.duration(given[key], "measure: " .. key)
  if duration_us == 0 and key ~= "gap" then
    check.fail("measure: %s: 0 (expected more than nothing)", key)
  end
  return duration_us
end

local function until_selector(given)
  local events = given["until"]
  if given.until_events ~= nil then
    if events ~= nil then check.fail("measure: until and until_events are the same option") end
    events = given.until_events
  end
  return events ~= nil and select_events.selector(events, nil, "measure: until") or nil
end

local function excludes(given, node)
  local prior = given.prior_outcome
  if prior == nil then
    return node ~= nil
      and (node.kind == "converts" or node.kind == "refers" or node.kind == "accelerates")
  end
  check.choice(prior, { "exclude", "keep" }, "measure: prior_outcome")
  if not node and prior == "exclude" then
    check.fail("measure: prior_outcome: \"exclude\" without an outcome")
  end
  return prior == "exclude"
end

local function read(given)
  given = check.options(given, options, "measure")
  local asked = { metrics = metric_columns(given.metrics) }
  if given.outcome ~= nil then asked.outcome = outcome.check(given.outcome, "measure: outcome") end
  if #asked.metrics == 0 and not asked.outcome then
    check.fail("measure: nothing to measure (expected metrics = { name = metric })")
  end
  asked.observe_us = duration(given, "observe")
  asked.gap_us = duration(given, "gap", 0)
  asked.within_us = duration(given, "within", not asked.outcome and 0 or nil)
  asked.landmark_us = asked.observe_us + asked.gap_us
  asked.from = given.from ~= nil and select_events.selector(given.from, nil, "measure: from") or nil
  asked.population = select_events.filter(given.population, "measure: population")
  asked.until_selector = until_selector(given)
  asked.exclude = excludes(given, asked.outcome)
  if given.as_of ~= nil then
    asked.as_of_us = time.instant(given.as_of, "measure: as_of")
  end
  return asked
end

local function columns_of(asked)
  local columns, required = {}, {}
  local whole = window(0, asked.observe_us)
  for i, column in ipairs(asked.metrics) do
    columns[i] = { name = column.name, metric = column.metric, window = whole }
    required[i] = i
  end
  local outcome_at, prior_at
  if asked.outcome then
    outcome_at = #columns + 1
    local parts =
      measure_log.outcome_columns(asked.outcome, asked.landmark_us, asked.within_us)
    for _, column in ipairs(parts) do columns[#columns + 1] = column end
    required[#required + 1] = outcome_at
    if asked.outcome.scale == "time" then outcome_at = #columns end -- its status
    if asked.exclude then
      prior_at = #columns + 1
      columns[prior_at] = { name = false, window = whole,
        metric = measure_log.prior_metric(asked.outcome, asked.from, asked.landmark_us) }
    end
  end
  return columns, required, outcome_at, prior_at
end

local function loss_of(asked, counts, loss)
  local n = { users = counts.users, outside = counts.outside, no_anchor = counts.no_anchor,
    too_recent = loss.too_recent, prior_outcome = loss.prior_outcome, missing = loss.missing,
    used = loss.used }
  if asked.outcome and asked.outcome.scale == "binary" then
    n.events, n.non_events = loss.events, loss.used - loss.events
  elseif asked.outcome and asked.outcome.scale == "time" then
    n.events, n.censored = loss.events, loss.used - loss.events
  end
  return n
end

local function say(asked)
  local start = asked.from and "t0 is the first " .. words.event_of(asked.from)
    or "t0 is the first event"
  local text = string.format("%s; metrics from t0 to %s", start, words.duration(asked.observe_us))
  if asked.outcome then
    text = text .. string.format("; outcome (%s) from %s to %s", tostring(asked.outcome),
      words.duration(asked.landmark_us), words.duration(asked.landmark_us + asked.within_us))
  end
  return text
end

--- Measures metrics, and an outcome where one is given, for every user of the log.
---
---     local frame = assert(log:measure {
---       metrics = { guides = wp.count "compare" }, outcome = wp.converts "purchase",
---       observe = "7d", within = "30d",
---     })
---     print(frame.n.used, frame:column("guides")[1])
---@param log wayproof.Log
---@param given { metrics: table, outcome: table?, from: any, observe: string|number,
---   gap: string|number?, within: string|number?, prior_outcome: string?, population: table?,
---   as_of: string|integer? }  and `["until"]` (or `until_events`)
---@return wayproof.Frame|nil frame  columns `user`, the metrics, `outcome` (and `time`, `status`
---   for
---   `accelerates`, in seconds from the landmark)
---@return string? message
---@return string? code
function measure_log.measure(log, given)
  local asked = read(given)
  asked.as_of_us = asked.as_of_us or core.frame.last_us(log) or 0
  local columns, required, outcome_at, prior_at = columns_of(asked)
  local needed_us = asked.landmark_us + asked.within_us
  if asked.outcome and asked.outcome.scale == "time" then needed_us = asked.landmark_us end
  local handle, message, code = measure.handle(log, { from = asked.from,
    population = asked.population, until_selector = asked.until_selector,
    as_of_us = asked.as_of_us, columns = columns, rules = { needed_us = needed_us,
      prior = prior_at, outcome = outcome_at, required = required } })
  if not handle then return nil, message, code end
  local counts, loss = handle:counts(), handle:loss()
  local names, today = {}, {}
  for i, column in ipairs(columns) do
    names[i] = column.name
    if column.name then today[column.name] = undated.find(log, column.metric) end
  end
  return frame.wrap(handle, names, { n = loss_of(asked, counts, loss), words = say(asked),
    undated = today, undated_users = undated.chosen_by(log) or undated.find(log, asked.population)
      or undated.find(log, asked.from) or undated.find(log, asked.until_selector),
    windows = { as_of_us = asked.as_of_us, metric = window(0, asked.observe_us),
      outcome = asked.outcome
        and window(asked.landmark_us, asked.landmark_us + asked.within_us) or nil } })
end

return measure_log
