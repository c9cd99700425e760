--- Metrics: one number per user, measured in the observation window.
---
--- A metric is an immutable node `{ kind, … }` of plain data (see doc/design/contracts.md); its
--- children are metrics too, so that any engine can walk the tree, the printer can say it and the
--- ledger can fingerprint it. Only `custom` holds a Lua function. Nothing here touches events.
--- Cost: building a node is O(its own size).
local check = require "wayproof.check"
local fingerprint = require "wayproof.fingerprint"
local object = require "wayproof.object"
local select_events = require "wayproof.select"
local stages = require "wayproof.stages"
local words = require "wayproof.metric_words"

local metric = {}

local Metric = object.class {
  name = "wayproof.Metric",
  result = false,
  render = function(self) return words.sentence(self) end,
}

local function new(node)
  return Metric.new(node)
end

--- Whether a value is a metric.
function metric.is(value)
  return Metric.is(value)
end

--- Raises unless `value` is a metric.
---@return wayproof.Metric
function metric.check(value, what)
  if Metric.is(value) then return value end
  if check.class(value) == "wayproof.Outcome" then
    check.fail("%s: an outcome (expected a metric such as wp.count(\"compare\"))", what)
  elseif type(value) == "function" then
    check.fail("%s: a function (expected a metric: call it, as in wp.count(\"compare\"), "
      .. "or use wp.custom)", what)
  end
  check.fail("%s: %s (expected a metric such as wp.count(\"compare\"))", what,
    check.describe(value))
end

-- Constructors over events -----------------------------------------------------------------------

--- How many events; no argument counts all.
---@param events? string|string[]|table  a name, a list, a pattern, or a filter alone
---@param filter? table
---@return wayproof.Metric
function metric.count(events, filter)
  return new { kind = "count", selector = select_events.selector(events, filter, "count") }
end

--- Whether such an event happened: 0 or 1.
function metric.did(events, filter)
  return new { kind = "did", selector = select_events.selector(events, filter, "did") }
end

--- How many different values of a property, or of `"event"` (names); missing values do not count.
---@param column string
function metric.distinct(column, events, filter)
  check.name(column, "distinct", "a property name, or \"event\"")
  return new { kind = "distinct", column = column,
    selector = select_events.selector(events, filter, "distinct") }
end

-- sum, mean, …: (events), (events, column), (events, filter), (events, column, filter).
local function over_values(kind)
  metric[kind] = function(events, column, filter)
    if type(column) == "table" and filter == nil then column, filter = nil, column end
    if column ~= nil then check.name(column, kind .. ": column", "the name of a number column") end
    return new { kind = kind, column = column,
      selector = select_events.selector(events, filter, kind) }
  end
end
for _, kind in ipairs { "sum", "mean", "max", "min", "first_value", "last_value" } do
  over_values(kind)
end

-- Kinds that need nothing but a selector.
local function over_events(kind)
  metric[kind] = function(events, filter)
    return new { kind = kind, selector = select_events.selector(events, filter, kind) }
  end
end
for _, kind in ipairs { "time_to", "dwell", "self_loops", "u_turns" } do over_events(kind) end

-- Exactly one event or set of events, not "all": for steps and ends.
local function step(events, what)
  if events == nil then
    check.fail("%s: nothing (expected an event name, a list of names or a pattern)", what)
  end
  return select_events.selector(events, nil, what)
end

--- Seconds from the first `a` to the first `b` strictly after it; missing otherwise.
function metric.time_between(a, b)
  return new { kind = "time_between", from_selector = step(a, "time_between: first"),
    to_selector = step(b, "time_between: second") }
end

--- How often the steps happened in order: leftmost, greedy, non-overlapping.
---@param steps (string|string[]|table)[]
---@param options? { within: string|number }  longest time from the first step to the last
function metric.matches(steps, options)
  if type(steps) ~= "table" or check.class(steps) or #steps == 0 then
    check.fail("matches: %s (expected a list of steps such as { \"search\", \"compare\" })",
      check.describe(steps))
  end
  local selectors = {}
  for i = 1, #steps do selectors[i] = step(steps[i], "matches: step " .. i) end
  local given = check.options(options, { "within" }, "matches")
  local within_us = given.within ~= nil and check.duration(given.within, "matches: within") or nil
  return new { kind = "matches", steps = selectors, within_us = within_us }
end

-- Constructors over the whole journey ------------------------------------------------------------

--- How many sessions; a gap longer than the timeout starts a new one.
---@param options? { timeout: string|number }  default 30 minutes
function metric.sessions(options)
  if type(options) == "string" or type(options) == "number" then options = { timeout = options } end
  local given = check.options(options, { "timeout" }, "sessions")
  local timeout_us = check.duration(given.timeout or 1800, "sessions: timeout")
  if timeout_us == 0 then check.fail("sessions: timeout: 0 (expected more than nothing)") end
  return new { kind = "sessions", timeout_us = timeout_us }
end

--- How many calendar days with an event, in UTC or in `zone`.
---@param options? { zone: string }
function metric.active_days(options)
  local given = check.options(options, { "zone" }, "active_days")
  local zone = given.zone
  if zone ~= nil then check.name(zone, "active_days: zone", "a time zone") end
  if zone == "UTC" then zone = nil end
  return new { kind = "active_days", zone = zone }
end

--- Longest time without an event, in seconds; missing below two events.
function metric.longest_gap(...)
  if select("#", ...) > 0 and (...) ~= nil then check.fail("longest_gap: takes no arguments") end
  return new { kind = "longest_gap" }
end

--- Median time between events, in seconds; missing below two events.
function metric.pace(...)
  if select("#", ...) > 0 and (...) ~= nil then check.fail("pace: takes no arguments") end
  return new { kind = "pace" }
end

--- Furthest stage reached in order, 0 to k.
function metric.depth(given)
  return new { kind = "depth", stages = stages.check(given, "depth") }
end

--- How many moves to an earlier stage.
function metric.backtracks(given)
  return new { kind = "backtracks", stages = stages.check(given, "backtracks") }
end

--- Seconds from the first event of a stage to the first later event of any later stage.
---@param stage string|integer
function metric.hesitation(given, stage)
  stages.check(given, "hesitation")
  local index = stages.index(given, stage, "hesitation")
  if index == #given then
    check.fail("hesitation: stage '%s' is the last one (expected a stage with one after it)",
      given[index].name)
  end
  return new { kind = "hesitation", stages = given, stage = index }
end

--- A number column of the users table.
---@param name string
function metric.attribute(name)
  check.name(name, "attribute", "the name of an attribute")
  return new { kind = "attribute", name = name }
end

--- A metric in Lua: `call(journey, window)` returns a number, or nil for missing. The slow path.
---@param name string
---@param call fun(journey: wayproof.Journey, window: table): number|nil
---@param options? { events: string|string[] }  the events it reads; without, leakage by definition
---   cannot be checked
function metric.custom(name, call, options)
  check.name(name, "custom: name")
  check.type(call, "function", "custom", "a function of (journey, window)")
  if type(options) == "string" then options = { events = options } end
  if type(options) == "table" and options[1] ~= nil then options = { events = options } end
  local given = check.options(options, { "events" }, "custom")
  local events
  if given.events ~= nil then events = select_events.selector(given.events, nil, "custom") end
  return new { kind = "custom", name = name, call = call, events = events }
end

-- Arithmetic -------------------------------------------------------------------------------------

local function operand(value, sign)
  if Metric.is(value) then return value end
  if type(value) == "number" then
    return new { kind = "constant", number = check.number(value, "metric: number") }
  end
  check.fail("metric %s: %s (expected a metric or a number)", sign, check.describe(value))
end

local function arithmetic(kind, sign)
  return function(left, right)
    return new { kind = kind, left = operand(left, sign), right = operand(right, sign) }
  end
end

local function no_operator(sign)
  return function()
    check.fail("metric %s: metrics combine with + - * / and numbers", sign)
  end
end

local function no_comparison()
  check.fail("metrics have no order until they are measured (use :at_least(n))")
end

local metatable = Metric.metatable
metatable.__add = arithmetic("add", "+")
metatable.__sub = arithmetic("subtract", "-")
metatable.__mul = arithmetic("multiply", "*")
metatable.__div = arithmetic("divide", "/")
metatable.__unm = function(value) return metatable.__mul(-1, value) end
metatable.__lt, metatable.__le = no_comparison, no_comparison
metatable.__idiv, metatable.__mod, metatable.__pow =
  no_operator "//", no_operator "%", no_operator "^"
metatable.__concat = no_operator ".."
metatable.__len = function() check.fail("metric #: a metric has no length (measure it first)") end

--- log(1 + m); missing where m is missing or not above -1.
---@param of wayproof.Metric
function metric.log1p(of)
  return new { kind = "log1p", of = metric.check(of, "log1p") }
end

local methods = Metric.methods

--- 1 where the metric is at least `number`, else 0; missing stays missing.
function methods:at_least(number)
  return new { kind = "at_least", of = metric.check(self, "at_least"),
    number = check.number(number, "at_least") }
end

--- The metric, at most `number`.
function methods:capped(number)
  return new { kind = "capped", of = metric.check(self, "capped"),
    number = check.number(number, "capped") }
end

--- The metric, with `number` for a missing value.
function methods:default(number)
  return new { kind = "default", of = metric.check(self, "default"),
    number = check.number(number, "default") }
end

--- The same metric under a title of your own.
function methods:named(title)
  local node = {}
  for key, value in pairs(metric.check(self, "named")) do node[key] = value end
  node.title = check.name(title, "named", "a title")
  return new(node)
end

--- What it measures, in words, also where it has a title.
function methods:sentence()
  return words.sentence(self, true)
end

-- Walking ----------------------------------------------------------------------------------------

--- Calls `visit(node)` for the metric and everything below it, parents first.
function metric.walk(node, visit)
  visit(node)
  if node.left then
    metric.walk(node.left, visit)
    metric.walk(node.right, visit)
  elseif node.of then
    metric.walk(node.of, visit)
  end
end

--- What a metric is made of where it has one part: without log1p, at_least, capped and default.
function metric.leaf(node)
  while node.of do node = node.of end
  return node
end

-- Kinds that read every event of the window; `active_days` and friends have no selector.
local reads_all = { sessions = true, active_days = true, longest_gap = true, pace = true }

--- The selectors of every leaf: which events can move the metric. A leaf that reads all events
--- gives the empty selector; an attribute gives none.
---@return table[] selectors
---@return boolean complete  false: a custom metric did not say which events it reads
function metric.selectors(node)
  local list, complete = {}, true
  local function add(selector) list[#list + 1] = selector end
  metric.walk(node, function(leaf)
    if leaf.selector then add(leaf.selector) end
    if leaf.from_selector then
      add(leaf.from_selector)
      add(leaf.to_selector)
    end
    for _, item in ipairs(leaf.steps or {}) do add(item) end
    for _, stage in ipairs(leaf.stages or {}) do add(stage.selector) end
    if reads_all[leaf.kind] then add(select_events.selector()) end
    if leaf.kind == "custom" then
      if leaf.events then
        add(leaf.events)
      else
        add(select_events.selector())
        complete = false
      end
    end
  end)
  return list, complete
end

--- Whether the metric is 0 or 1 by construction.
---@return boolean
function metric.is_binary(node)
  local kind = node.kind
  if kind == "did" or kind == "at_least" then return true end
  if kind == "constant" then return node.number == 0 or node.number == 1 end
  if kind == "multiply" then
    return metric.is_binary(node.left) and metric.is_binary(node.right)
  end
  if kind == "default" then
    return metric.is_binary(node.of) and (node.number == 0 or node.number == 1)
  end
  if kind == "capped" then return metric.is_binary(node.of) and node.number >= 1 end
  return false
end

local bare_kinds = { count = true, distinct = true, sum = true, sessions = true,
  active_days = true, time_to = true, time_between = true, dwell = true, longest_gap = true,
  pace = true, hesitation = true, self_loops = true, u_turns = true, matches = true,
  backtracks = true, depth = true }

--- Whether the metric is a bare count, sum or duration, which enters a model as log1p when it is
--- nowhere negative; whatever the user combined or transformed enters as given.
---@return boolean
function metric.is_bare(node)
  return bare_kinds[node.kind] == true
end

-- Fingerprints -----------------------------------------------------------------------------------

-- Event names of a log, a summary or a plain list.
local function names_of(source)
  if type(source) == "table" and not check.class(source) then
    if type(source[1]) == "string" or next(source) == nil then return source end
  end
  local summary = source
  if type(source) ~= "table" or source.event_names == nil then
    summary = require("wayproof.log").outline(source)
  end
  local names = {}
  for i, entry in ipairs(summary.event_names) do names[i] = entry.name end
  return names
end

-- Plain data of a tree with the patterns of its selectors resolved.
local function resolved(value, names)
  if type(value) ~= "table" then return value end
  if select_events.is_selector(value) then value = select_events.resolved(value, names) end
  local copy = {}
  for key, item in pairs(value) do copy[key] = resolved(item, names) end
  return copy
end

--- Fingerprint of any tree of metrics, outcomes and selectors.
---@param log? wayproof.Log|string[]  resolves patterns to the event names that this log has
function metric.tree_fingerprint(tree, log)
  if log ~= nil then tree = resolved(tree, names_of(log)) end
  return fingerprint.of(tree)
end

--- 32 hex digits, equal for equal metrics in every run and process; titles do not count.
---@param log? wayproof.Log  also resolves patterns such as `W_*` to the log's event names
---@return string
function methods:fingerprint(log)
  return metric.tree_fingerprint(self, log)
end

--- For the judge and other engines: a node of a kind that has no public constructor.
function metric.node(fields)
  return new(fields)
end

return metric
