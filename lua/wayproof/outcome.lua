--- Outcomes: what happens to a user in the outcome window.
---
--- An outcome is an immutable node `{ kind, scale, … }`: `scale` is `"binary"`, `"numeric"` or
--- `"time"`. Like metrics, outcomes are plain data that every engine can read.
local check = require "wayproof.check"
local metric = require "wayproof.metric"
local object = require "wayproof.object"
local select_events = require "wayproof.select"
local suggest = require "wayproof.suggest"
local words = require "wayproof.metric_words"

local outcome = {}

local phrase = {}

local function times(node)
  return node.at_least > 1 and string.format(" at least %d times", node.at_least) or ""
end

function phrase.converts(node)
  return "whether " .. words.event_of(node.selector) .. " happens" .. times(node)
end

function phrase.refers(node)
  return "whether the user refers: " .. words.event_of(node.selector) .. " happens" .. times(node)
end

local function span(node)
  if not node.to_us then
    return node.from_us == 0 and ""
      or string.format(" from %s into the outcome window to its end", words.duration(node.from_us))
  end
  if node.from_us == 0 then
    return string.format(" in the first %s of the outcome window", words.duration(node.to_us))
  end
  return string.format(" from %s to %s into the outcome window", words.duration(node.from_us),
    words.duration(node.to_us))
end

function phrase.retained(node)
  return "whether the user is still active (" .. words.event_of(node.selector) .. ")"
    .. times(node) .. span(node)
end

function phrase.churned(node)
  local event = words.event_of(node.selector)
  if node.at_least > 1 then
    return string.format("whether the user is gone (%s happens fewer than %d times)%s", event,
      node.at_least, span(node))
  end
  return "whether the user is gone (no " .. event:gsub("^any event", "event") .. ")" .. span(node)
end

function phrase.earns(node)
  return "sum of " .. (node.column or "value") .. " over " .. words.events_of(node.selector)
end

function phrase.accelerates(node)
  return "time until " .. words.event_of(node.selector)
end

function phrase.metric(node)
  return tostring(node.metric)
end

local Outcome = object.class {
  name = "wayproof.Outcome",
  result = false,
  render = function(self) return self.title or phrase[self.kind](self) end,
}

--- Whether a value is an outcome.
function outcome.is(value)
  return Outcome.is(value)
end

--- Raises unless `value` is an outcome.
function outcome.check(value, what)
  if Outcome.is(value) then return value end
  if metric.is(value) then
    check.fail("%s: a metric (expected an outcome: wrap it as wp.outcome(metric))", what)
  elseif type(value) == "function" then
    check.fail("%s: a function (expected an outcome: call it, as in wp.converts(\"purchase\"))",
      what)
  end
  check.fail("%s: %s (expected an outcome such as wp.converts(\"purchase\"))", what,
    check.describe(value))
end

-- Takes `at_least` out of a table of filter conditions; everything else in it is a filter.
local function split_options(filter, what)
  if type(filter) ~= "table" or check.class(filter) then return nil, filter end
  local at_least, rest
  for key, value in pairs(filter) do
    if key == "at_least" then
      at_least = check.integer(value, what .. ": at_least", 1)
    else
      if type(key) == "string" and suggest.distance(key, "at_least") <= 2 then
        check.fail("%s: unknown option '%s' (did you mean 'at_least'?)", what, key)
      end
      rest = rest or {}
      rest[key] = value
    end
  end
  return at_least, rest
end

local function happens(kind)
  return function(events, options)
    local alone = type(events) == "table" and not check.class(events) and events[1] == nil
    local at_least, filter
    if alone and options == nil and next(events) ~= nil then
      at_least, events = split_options(events, kind)
    else
      at_least, filter = split_options(options, kind)
    end
    if events == nil and filter == nil then
      check.fail("%s: nothing (expected the events that count, such as \"purchase\")", kind)
    end
    return Outcome.new { kind = kind, scale = "binary", at_least = at_least or 1,
      selector = select_events.selector(events, filter, kind) }
  end
end

--- Whether the user does one of the events: 0 or 1.
---@param events string|string[]|table
---@param options? { at_least: integer }  and filter conditions
outcome.converts = happens "converts"

--- The same as converts, named for referral.
outcome.refers = happens "refers"

-- Active between two offsets inside the outcome window.
local function activity(kind)
  return function(options)
    if type(options) == "string" then options = { options } end
    if type(options) == "table" and options[1] ~= nil and not check.class(options) then
      local events, named = {}, {}
      for key, value in pairs(options) do
        if math.type(key) == "integer" then events[key] = value else named[key] = value end
      end
      if named.events ~= nil then check.fail("%s: events are named twice", kind) end
      named.events, options = events, named
    end
    local given = check.options(options, { "events", "from", "to", "at_least", "where" }, kind)
    local from_us = check.duration(given.from or 0, kind .. ": from")
    local to_us = given.to ~= nil and check.duration(given.to, kind .. ": to") or nil
    if to_us and to_us <= from_us then
      check.fail("%s: to: %s is not after from: %s", kind, words.duration(to_us),
        words.duration(from_us))
    end
    return Outcome.new { kind = kind, scale = "binary", from_us = from_us, to_us = to_us,
      at_least = check.integer(given.at_least or 1, kind .. ": at_least", 1),
      selector = select_events.selector(given.events, given.where, kind) }
  end
end

--- Whether the user is active between two offsets inside the outcome window; default: all of it.
---@param options? { events: string|string[], from: string|number, to: string|number }
outcome.retained = activity "retained"

--- The opposite of retained.
outcome.churned = activity "churned"

--- Sum of the value column (or of the number column named second) over the events.
---@param events? string|string[]|table
---@param column? string
---@param filter? table
function outcome.earns(events, column, filter)
  if type(column) == "table" and filter == nil then column, filter = nil, column end
  if column ~= nil then check.name(column, "earns: column", "the name of a number column") end
  return Outcome.new { kind = "earns", scale = "numeric", column = column,
    selector = select_events.selector(events, filter, "earns") }
end

--- Time from the landmark to the first such event, censored at the window's end.
function outcome.accelerates(events, filter)
  if events == nil and filter == nil then
    check.fail("accelerates: nothing (expected the events that count, such as \"purchase\")")
  end
  return Outcome.new { kind = "accelerates", scale = "time",
    selector = select_events.selector(events, filter, "accelerates") }
end

--- Any metric, evaluated in the outcome window: binary when it is 0/1 by construction.
---@param of wayproof.Metric
function outcome.outcome(of)
  metric.check(of, "outcome")
  return Outcome.new { kind = "metric", metric = of,
    scale = metric.is_binary(of) and "binary" or "numeric" }
end

local methods = Outcome.methods

--- The same outcome under a title of your own.
function methods:named(title)
  local node = {}
  for key, value in pairs(outcome.check(self, "named")) do node[key] = value end
  node.title = check.name(title, "named", "a title")
  return Outcome.new(node)
end

--- What it is, in words, also where it has a title.
function methods:sentence()
  return phrase[self.kind](self)
end

--- 32 hex digits, equal for equal outcomes in every run and process.
---@param log? wayproof.Log  also resolves patterns to the log's event names
function methods:fingerprint(log)
  return metric.tree_fingerprint(self, log)
end

--- The selectors whose events make the outcome, and whether they are all known (a custom metric may
--- hide its own).
function outcome.selectors(node)
  if node.metric then return metric.selectors(node.metric) end
  return { node.selector }, true
end

return outcome
