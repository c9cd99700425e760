--- From words to positions: what a selector or a filter means in one log.
---
--- The tree of a hypothesis says "compare", "W_*" and device = "mobile"; the core works with event
--- codes and column positions. This module translates, and is where a name that a log does not have
--- is refused, with the names that come close. Positions are 1-based; `selection.h` reads them.
--- Cost: O(event names) once per log, then O(names asked for); patterns visit every event name.
local check = require "wayproof.check"
local core = require "wayproof.core"
local suggest = require "wayproof.suggest"

local resolve = {}

local fail = check.fail

---@class wayproof.Resolved  what the core understands of a selector (see csrc/lua/selection.h)
---@field codes integer[]|nil       positions in the list of event names; nil: every event
---@field conditions table[]|nil

-- "did you mean 'x'?" or the list of what there is, never longer than a line or two.
local function hint(name, names, plural)
  local near = suggest.closest(name, names)
  if near then return string.format("did you mean '%s'?", near) end
  if #names == 0 then return "there are none" end
  local shown = {}
  for i = 1, math.min(#names, 8) do shown[i] = names[i] end
  if #names > #shown then shown[#shown + 1] = "…" end
  return string.format("%s: %s", plural, table.concat(shown, ", "))
end
resolve.hint = hint

local cache = setmetatable({}, { __mode = "k" })

--- Names of a log by position, with the inverse maps.
---@return table names  `events, numbers, texts, user_numbers, user_texts` (lists), `has_value`,
---   and `event_codes` (name → position)
function resolve.names(log)
  local names = cache[log]
  if not names or log:is_closed() then
    names = core.log.names(log) -- raises on a closed log
    names.event_codes = {}
    for code, name in ipairs(names.events) do names.event_codes[name] = code end
    cache[log] = names
  end
  return names
end

local function position(list, name)
  for i, other in ipairs(list) do
    if other == name then return i end
  end
  return nil
end

local function all_columns(names)
  local all = {}
  for _, kind in ipairs { "texts", "numbers", "user_texts", "user_numbers" } do
    for _, name in ipairs(names[kind]) do all[#all + 1] = name end
  end
  return all
end

---@class wayproof.Column
---@field kind "text"|"number"
---@field column integer    position in the list of that kind
---@field per_user boolean  an attribute from the users table

--- Finds a column by name; properties of events come before attributes of users, and `value` is
--- the default number column unless a column has that name. nil when there is none.
---@return wayproof.Column|nil
function resolve.find_column(log, name)
  local names = resolve.names(log)
  local at = position(names.texts, name)
  if at then return { kind = "text", column = at, per_user = false } end
  at = position(names.numbers, name)
  if not at and name == "value" and names.has_value then at = 1 end
  if at then return { kind = "number", column = at, per_user = false } end
  at = position(names.user_texts, name)
  if at then return { kind = "text", column = at, per_user = true } end
  at = position(names.user_numbers, name)
  if at then return { kind = "number", column = at, per_user = true } end
  return nil
end

--- As find_column, and raises when the log has no such column.
---@param what? string  how to call it in the message (default "property")
---@return wayproof.Column
function resolve.column(log, name, what)
  local found = resolve.find_column(log, name)
  if not found then
    if name == "value" then
      fail("the log has no value column (name it with `value` when reading)")
    end
    fail("unknown %s '%s' (%s)", what or "property", name,
      hint(name, all_columns(resolve.names(log)), "the log has"))
  end
  return found
end

--- A number column: `name`, or the default value column for nil. Raises when there is none.
---@return wayproof.Column
function resolve.number_column(log, name)
  local found = resolve.column(log, name or "value", "number column")
  if found.kind ~= "number" then
    fail("column '%s' holds text (expected numbers: list it under `numbers` when reading)", name)
  end
  return found
end

-- The texts that a value stands for. Booleans are spelled in several ways in files.
local booleans = {
  [true] = { "true", "TRUE", "True", "1" },
  [false] = { "false", "FALSE", "False", "0" },
}

local function add_texts(texts, value)
  if type(value) == "boolean" then
    table.move(booleans[value], 1, 4, #texts + 1, texts)
  elseif type(value) == "number" then
    local integer = math.tointeger(value)
    texts[#texts + 1] = integer and string.format("%d", integer) or string.format("%.14g", value)
  else
    texts[#texts + 1] = value
  end
end

local function text_condition(condition, column)
  if condition.test ~= "in" then
    fail("property '%s' holds text (`above`, `below` and `between` need a number column: "
      .. "list it under `numbers` when reading)", condition.column)
  end
  local texts = {}
  for _, value in ipairs(condition.values) do add_texts(texts, value) end
  return { kind = "text_in", column = column.column, per_user = column.per_user or nil,
    negated = condition.negated or nil, values = texts }
end

local function number_condition(condition, column)
  local resolved = { column = column.column, per_user = column.per_user or nil,
    negated = condition.negated or nil }
  if condition.test == "range" then
    resolved.kind = "number_range"
    resolved.low, resolved.high = condition.low, condition.high
    resolved.low_open, resolved.high_open = condition.low_open, condition.high_open
    return resolved
  end
  resolved.kind, resolved.values = "number_in", {}
  for i, value in ipairs(condition.values) do
    local number = type(value) == "boolean" and (value and 1 or 0) or tonumber(value)
    if not number then
      fail("column '%s' holds numbers: '%s' (expected a number)", condition.column, value)
    end
    resolved.values[i] = number
  end
  return resolved
end

--- The conditions of a filter as the core reads them; nil for nil.
---@param filter table|nil  Filter: a list of conditions
---@return table[]|nil
function resolve.filter(log, filter)
  if filter == nil or #filter == 0 then return nil end
  local conditions = {}
  for i, condition in ipairs(filter) do
    local column = resolve.column(log, condition.column)
    conditions[i] = column.kind == "text" and text_condition(condition, column)
      or number_condition(condition, column)
  end
  return conditions
end

-- A pattern with `*` as a Lua pattern for the whole name.
local function to_lua_pattern(pattern)
  return "^" .. pattern:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*") .. "$"
end

local function add_codes(names, name, into, optional)
  if name:find("*", 1, true) then
    local pattern, found = to_lua_pattern(name), false
    for code, other in ipairs(names.events) do
      if other:find(pattern) then into[code], found = true, true end
    end
    if not found and not optional then
      fail("no event matches '%s' (%s)", name, hint(name:gsub("%*", ""), names.events, "events"))
    end
  elseif names.event_codes[name] then
    into[names.event_codes[name]] = true
  elseif not optional then
    fail("unknown event '%s' (%s)", name, hint(name, names.events, "events"))
  end
end

-- Codes of the selector's own names as a set; nil: every event.
local function code_set(log, selector, optional)
  if not selector.names then return nil end
  local set = {}
  for _, name in ipairs(selector.names) do add_codes(resolve.names(log), name, set, optional) end
  return set
end

-- Takes an excluded selector's codes out of the set; one with a filter becomes a condition.
local function exclude(log, set, conditions, other)
  if (other.filter and #other.filter > 0) or other.except then
    conditions[#conditions + 1] =
      { kind = "selected", negated = true, selection = resolve.selector(log, other, true) }
    return set
  end
  if not set then
    set = {}
    for code in ipairs(resolve.names(log).events) do set[code] = true end
  end
  local excluded = code_set(log, other, true)
  if not excluded then return {} end
  for code in pairs(excluded) do set[code] = nil end
  return set
end

--- What a selector means in this log.
---@param selector table|nil  Selector (see the contracts); nil: every event
---@param optional? boolean  true: names that the log does not have select nothing; else they raise
---@return wayproof.Resolved
function resolve.selector(log, selector, optional)
  if not selector then
    resolve.names(log)
    return {}
  end
  local set, codes = code_set(log, selector, optional), nil
  local conditions = resolve.filter(log, selector.filter) or {}
  for _, other in ipairs(selector.except or {}) do
    set = exclude(log, set, conditions, other)
  end
  if set then
    codes = {}
    for code in pairs(set) do codes[#codes + 1] = code end
    table.sort(codes)
  end
  return { codes = codes, conditions = #conditions > 0 and conditions or nil }
end

--- The event names that a selector stands for in this log, sorted; for fingerprints and printing.
---@return string[]|nil names  nil: every event
function resolve.event_names(log, selector)
  local resolved = resolve.selector(log, selector, true)
  if not resolved.codes then return nil end
  local names, list = resolve.names(log), {}
  for i, code in ipairs(resolved.codes) do list[i] = names.events[code] end
  table.sort(list)
  return list
end

return resolve
