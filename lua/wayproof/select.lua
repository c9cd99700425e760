--- Which events: selectors and filters, the leaves of every metric and outcome.
---
--- A Selector is `{ names = sorted list or nil, filter = Filter or nil, except = list or nil }`; no
--- names is every event, a name with `*` is a pattern. A Filter is a list of conditions sorted by
--- column, all of which must hold: `{ column, test = "in", values = sorted }` or `{ column,
--- test = "range", low, high, low_open, high_open }`, each with `negated` where it is turned round.
--- A missing value fails every condition, and so passes a negated one. Both are plain frozen data;
--- `resolve.lua` says what they mean in one log.
local check = require "wayproof.check"
local object = require "wayproof.object"

local select_events = {}

-- Conditions: what stands for a value in a filter ------------------------------------------------

local function text_of(value)
  if type(value) == "number" then
    return math.tointeger(value) and string.format("%d", value) or string.format("%.14g", value)
  end
  return (tostring(value):gsub("%c", " "))
end

-- "a", "a or b", "a, b or c".
local function alternatives(values, word)
  local texts = {}
  for i, value in ipairs(values) do texts[i] = text_of(value) end
  local last = table.remove(texts)
  if #texts == 0 then return last end
  return table.concat(texts, ", ") .. " " .. (word or "or") .. " " .. last
end

local function range_words(condition)
  local low, high = condition.low, condition.high
  if low and high then
    return "between " .. text_of(low) .. " and " .. text_of(high), "not between " .. text_of(low)
      .. " and " .. text_of(high)
  elseif low then
    return "above " .. text_of(low), "not above " .. text_of(low)
  end
  return "below " .. text_of(high), "not below " .. text_of(high)
end

local function condition_words(condition)
  if condition.test == "range" then
    local plain, negated = range_words(condition)
    return condition.negated and negated or plain
  end
  if condition.negated then return "not " .. alternatives(condition.values) end
  return alternatives(condition.values)
end

local Condition = object.class {
  name = "wayproof.Condition",
  result = false,
  render = condition_words,
}

-- Numbers before texts before booleans, each in its own order, without duplicates.
local function sorted_values(values)
  local kinds = { number = 1, string = 2, boolean = 3 }
  local list, seen = {}, {}
  for _, value in ipairs(values) do
    if not seen[value] then
      seen[value] = true
      list[#list + 1] = value
    end
  end
  table.sort(list, function(a, b)
    local kind_a, kind_b = type(a), type(b)
    if kind_a ~= kind_b then return kinds[kind_a] < kinds[kind_b] end
    if kind_a == "boolean" then return a and not b end
    return a < b
  end)
  return list
end

local function check_value(value, what)
  local kind = type(value)
  if kind == "number" then return check.number(value, what) end
  if kind ~= "string" and kind ~= "boolean" then
    check.fail("%s: %s (expected a text, a number, true or false, a list of them, "
      .. "or wp.above, wp.below, wp.between, wp.is_not)", what, check.describe(value))
  end
  return value
end

local function in_list(value, what)
  local values = value
  if type(value) ~= "table" then values = { value } end
  local count = 0
  for _ in pairs(values) do count = count + 1 end
  if count == 0 then check.fail("%s: an empty list (expected at least one value)", what) end
  local list = {}
  for i = 1, count do
    if values[i] == nil then
      check.fail("%s: a table with named entries (expected a list)", what)
    end
    list[i] = check_value(values[i], what)
  end
  return { test = "in", values = sorted_values(list) }
end

local function to_condition(value, what)
  if Condition.is(value) then return value end
  if check.class(value) then check_value(value, what) end
  return in_list(value, what)
end

--- A condition for a filter: more than `number`.
function select_events.above(number)
  return Condition.new { test = "range", low = check.number(number, "above"), low_open = true }
end

--- A condition for a filter: less than `number`.
function select_events.below(number)
  return Condition.new { test = "range", high = check.number(number, "below"), high_open = true }
end

--- A condition for a filter: from `low` to `high`, both included.
function select_events.between(low, high)
  low, high = check.number(low, "between: low"), check.number(high, "between: high")
  if low > high then check.fail("between: %s is above %s (expected low, high)", low, high) end
  return Condition.new { test = "range", low = low, high = high }
end

--- A condition for a filter: turns a value, a list of values or another condition round. A missing
--- value is not the value, so it passes.
function select_events.is_not(value)
  local condition = to_condition(value, "is_not")
  local negated = {}
  for key, field in pairs(condition) do negated[key] = field end
  negated.negated = not condition.negated or nil
  return Condition.new(negated)
end

-- Filters ----------------------------------------------------------------------------------------

local Filter = object.class { name = "wayproof.Filter", result = false,
  render = function(self) return select_events.filter_words(self) end }

local function add_conditions(conditions, filter, what)
  for column, value in pairs(filter) do
    check.name(column, what .. ": filter", "a property name such as device = \"mobile\"")
    if column == "properties" and type(value) == "table" and not check.class(value)
        and value[1] == nil then
      add_conditions(conditions, value, what)
    else
      local condition = to_condition(value, what .. ": filter: " .. column)
      local node = { column = column }
      for key, field in pairs(condition) do node[key] = field end
      conditions[#conditions + 1] = node
    end
  end
end

--- A filter from a table such as `{ device = "mobile", value = wp.above(100) }`; nil for nil and
--- for an empty table. Property names that collide with options go under `properties = { … }`.
---@param filter table|nil
---@param what string  who asks, for error messages
---@return table|nil Filter
function select_events.filter(filter, what)
  if filter == nil or Filter.is(filter) then return filter end
  if type(filter) ~= "table" or check.class(filter) then
    check.fail("%s: filter: %s (expected a table such as { device = \"mobile\" })", what,
      check.describe(filter))
  end
  local conditions = {}
  add_conditions(conditions, filter, what)
  if #conditions == 0 then return nil end
  table.sort(conditions, function(a, b)
    if a.column ~= b.column then return a.column < b.column end
    return condition_words(a) < condition_words(b)
  end)
  return Filter.new(conditions)
end

--- A filter in words: "device is mobile and value is above 100".
---@return string
function select_events.filter_words(filter)
  local parts = {}
  for i, condition in ipairs(filter) do
    parts[i] = condition.column .. " is " .. condition_words(condition)
  end
  return table.concat(parts, " and ")
end

-- Selectors --------------------------------------------------------------------------------------

local events_expected =
  "an event name, a list of names, a pattern with *, or a filter such as { channel = \"ads\" }"

local function name_list(events, what)
  local list, seen, count = {}, {}, 0
  for _ in pairs(events) do count = count + 1 end
  for i = 1, count do
    local name = events[i]
    if name == nil then
      check.fail("%s: events: names and conditions in one table "
        .. "(expected a list of names, then a filter table)", what)
    end
    check.name(name, what .. ": events", "a list of event names")
    if not seen[name] then
      seen[name] = true
      list[#list + 1] = name
    end
  end
  table.sort(list)
  return list
end

--- A selector from what a user writes: a name, a list of names, a pattern, nil for all, or a filter
--- alone; a filter may follow. Selectors are taken as they are.
---@param events string|string[]|table|nil
---@param filter table|nil
---@param what string  who asks, for error messages: "count"
---@return table Selector
function select_events.selector(events, filter, what)
  what = what or "events"
  if select_events.is_selector(events) and filter == nil then return events end
  local names
  if type(events) == "string" then
    names = { check.name(events, what .. ": events", "an event name") }
  elseif type(events) == "table" and not check.class(events) then
    if next(events) == nil then
      check.fail("%s: events: an empty list (expected %s, or nothing for all)", what,
        events_expected)
    elseif events[1] ~= nil then
      names = name_list(events, what)
    elseif filter ~= nil then
      check.fail("%s: two filters (expected %s)", what, events_expected)
    else
      filter = events
    end
  elseif events ~= nil then
    check.fail("%s: events: %s (expected %s)", what, check.describe(events), events_expected)
  end
  return select_events.new { names = names, filter = select_events.filter(filter, what) }
end

-- Selectors have a metatable of their own, so that walkers can tell them from other data.
local Selector = object.class { name = "wayproof.Selector", result = false, render = function(self)
  local names, where = select_events.words(self)
  return (names == "" and "any event" or names) .. where
end }

--- Whether a value is a selector.
function select_events.is_selector(value)
  return Selector.is(value)
end

--- A selector from its fields, for code that narrows one: `{ names, filter, except }`.
function select_events.new(fields)
  return Selector.new { names = fields.names, filter = fields.filter, except = fields.except }
end

--- Whether a name in a selector is a pattern.
function select_events.is_pattern(name)
  return name:find("*", 1, true) ~= nil
end

-- `W_*` as a Lua pattern for the whole name.
local function lua_pattern(pattern)
  return "^" .. pattern:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*") .. "$"
end

--- Whether a selector's names include the event called `name` (its filter is not asked).
---@return boolean
function select_events.has_event(selector, name)
  for _, other in ipairs(selector.except or {}) do
    if not other.filter and select_events.has_event(other, name) then return false end
  end
  if not selector.names then return true end
  for _, wanted in ipairs(selector.names) do
    if wanted == name then return true end
    if select_events.is_pattern(wanted) and name:find(lua_pattern(wanted)) then return true end
  end
  return false
end

--- The selector with its patterns replaced by the event names that they stand for.
---@param selector table
---@param event_names string[]
---@return table Selector
function select_events.resolved(selector, event_names)
  if not selector.names then return selector end
  local seen, list = {}, {}
  local function add(name)
    if not seen[name] then
      seen[name] = true
      list[#list + 1] = name
    end
  end
  for _, wanted in ipairs(selector.names) do
    if select_events.is_pattern(wanted) then
      local pattern = lua_pattern(wanted)
      for _, name in ipairs(event_names) do
        if name:find(pattern) then add(name) end
      end
    else
      add(wanted)
    end
  end
  table.sort(list)
  return select_events.new { names = list, filter = selector.filter, except = selector.except }
end

--- The events of a selector in words: "compare or faq", "W_* where lifecycle is COMPLETE"; "" for
--- all events.
---@return string names, string where  without and with the filter's own words
function select_events.words(selector)
  local names = selector.names and alternatives(selector.names) or ""
  local where = selector.filter and " where " .. select_events.filter_words(selector.filter) or ""
  if selector.except then
    local others = {}
    for i, other in ipairs(selector.except) do
      others[i] = other.names and alternatives(other.names) or "any"
    end
    where = where .. " except " .. table.concat(others, ", ")
  end
  return names, where
end

--- "a, b or c" of a list of names.
select_events.alternatives = alternatives

return select_events
