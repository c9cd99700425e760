--- Checks of what a caller passes in: types, options, durations.
---
--- A wrong call raises, and the message names the first line outside this library: the walk over
--- the stack makes that right through curried calls, methods, metamethods and callbacks alike.
--- Cost: nothing until something is wrong, except O(options) for each options table.
local suggest = require "wayproof.suggest"

local check = {}

local library = debug.getinfo(1, "S").source:match("^(.*)check%.lua$") or "@?"

--- "file:line: " of the first Lua function on the stack that is not part of this library, or "".
---@return string
function check.where()
  local level = 2
  while true do
    local info = debug.getinfo(level, "Sl")
    if not info then return "" end
    if info.what ~= "C" and info.source:sub(1, #library) ~= library and info.currentline > 0 then
      return string.format("%s:%d: ", info.short_src, info.currentline)
    end
    level = level + 1
  end
end

-- While attempts run, check.fail raises a Refusal instead of text, so that they can tell it from
-- other errors.
local attempts = 0
local Refusal = { __name = "wayproof.Refusal" }

--- Raises a formatted message that blames the caller's line.
---@param format string  a sentence in lower case: `where: what: found (expected …)`
function check.fail(format, ...)
  local message = select("#", ...) > 0 and string.format(format, ...) or format
  if attempts > 0 then error(setmetatable({ message = message }, Refusal), 0) end
  error(check.where() .. message, 0)
end
local fail = check.fail

--- Calls `fn`: what it returns, or nil and what check.fail said in it. Other errors go through.
---@return any result, string? message
function check.attempt(fn, ...)
  attempts = attempts + 1
  local ok, result = pcall(fn, ...)
  attempts = attempts - 1
  if ok then return result end
  if getmetatable(result) ~= Refusal then error(result, 0) end
  return nil, result.message
end

--- The class of one of our objects ("wayproof.Metric"), or nil. Frozen data has none: it may stand
--- wherever plain data may.
---@return string|nil
function check.class(value)
  local kind = type(value)
  if kind ~= "table" and kind ~= "userdata" then return nil end
  local metatable = debug.getmetatable(value)
  local name = metatable and rawget(metatable, "__name")
  return type(name) == "string" and name ~= "wayproof.Frozen" and name or nil
end

-- Text in an error message: short, on one line.
local function quoted(text)
  text = text:gsub("[%c]", " ")
  if #text > 60 then text = text:sub(1, (utf8.offset(text, 0, 58) or 58) - 1) .. "…" end
  return "'" .. text .. "'"
end

--- How a value is called in an error message: "'compre'", "3", "a metric", "a table".
---@return string
function check.describe(value)
  local kind = type(value)
  if kind == "string" then return quoted(value) end
  if kind == "number" or kind == "boolean" then return tostring(value) end
  if kind == "nil" then return "nothing" end
  local class = check.class(value)
  if class and class:find("^wayproof%.") then
    local word = class:match("^wayproof%.(.*)$"):gsub("(%l)(%u)", "%1 %2"):lower()
    return (word:find("^[aeio]") and "an " or "a ") .. word
  end
  return "a " .. kind
end

--- Raises unless `value` has the Lua type `kind`.
---@param what string  what the value is, for the message: "count: events"
function check.type(value, kind, what, expected)
  if type(value) ~= kind then
    fail("%s: %s (expected %s)", what, check.describe(value), expected or ("a " .. kind))
  end
  return value
end

--- Raises unless `value` is a non-empty string.
function check.name(value, what, expected)
  if type(value) ~= "string" or value == "" then
    fail("%s: %s (expected %s)", what, value == "" and "an empty name" or check.describe(value),
      expected or "a name")
  end
  return value
end

--- Raises unless `value` is a finite number, at least `low` and at most `high` where given.
---@return number value  an integer where it has an integer value
function check.number(value, what, low, high)
  local expected = "a number"
  if low and high then
    expected = string.format("a number from %s to %s", low, high)
  elseif low then
    expected = string.format("a number of at least %s", low)
  end
  if type(value) ~= "number" or value ~= value or value == math.huge or value == -math.huge
      or (low and value < low) or (high and value > high) then
    fail("%s: %s (expected %s)", what, check.describe(value), expected)
  end
  return math.tointeger(value) or value
end

--- As check.number, for integers.
function check.integer(value, what, low, high)
  local integer = type(value) == "number" and math.tointeger(value)
  if not integer or (low and integer < low) or (high and integer > high) then
    local expected = "a whole number"
    if low and high then
      expected = string.format("a whole number from %d to %d", low, high)
    elseif low then
      expected = string.format("a whole number of at least %d", low)
    end
    fail("%s: %s (expected %s)", what, check.describe(value), expected)
  end
  return integer
end

function check.boolean(value, what)
  return check.type(value, "boolean", what, "true or false")
end

--- Raises unless `value` is one of the list `choices`.
function check.choice(value, choices, what)
  for _, choice in ipairs(choices) do
    if value == choice then return value end
  end
  local listed = {}
  for i, choice in ipairs(choices) do listed[i] = "'" .. choice .. "'" end
  local expected = table.concat(listed, ", ")
  if #listed > 1 then
    expected = table.concat(listed, ", ", 1, #listed - 1) .. " or " .. listed[#listed]
  end
  local near = type(value) == "string" and suggest.closest(value, choices)
  fail("%s: %s (expected %s%s)", what, check.describe(value), expected,
    near and string.format("; did you mean '%s'?", near) or "")
end

local function names_of(allowed)
  local names = {}
  for key, value in pairs(allowed) do
    names[#names + 1] = math.type(key) == "integer" and value or key
  end
  table.sort(names)
  return names
end

local function unknown(key, allowed, what)
  if type(key) ~= "string" then
    fail("%s: unexpected entry [%s] (expected named options)", what, tostring(key))
  end
  local names = names_of(allowed)
  local near = suggest.closest(key, names)
  if near then fail("%s: unknown option '%s' (did you mean '%s'?)", what, key, near) end
  if #names == 0 then fail("%s: unknown option '%s' (it takes no options)", what, key) end
  fail("%s: unknown option '%s' (options: %s)", what, key, table.concat(names, ", "))
end

--- Raises when the options table has a key that is not allowed, with a "did you mean".
---@param given table|nil  what the caller passed; nil stands for no options
---@param allowed table  a list of names, or a set or map keyed by name; both forms may mix
---@param what string  who asks: "read_csv"
---@return table options  `given`, or an empty table
function check.options(given, allowed, what)
  if given == nil then return {} end
  if type(given) ~= "table" or check.class(given) then
    fail("%s: %s (expected a table of options)", what, check.describe(given))
  end
  local known = {}
  for key, value in pairs(allowed) do known[math.type(key) == "integer" and value or key] = true end
  for key in pairs(given) do
    if not known[key] then unknown(key, allowed, what) end
  end
  return given
end

--- A list of non-empty strings; one string stands for a list of one. Raises otherwise.
---@return string[] list  a fresh table
function check.names(value, what)
  if type(value) == "string" then value = { value } end
  if type(value) ~= "table" or check.class(value) then
    fail("%s: %s (expected a name or a list of names)", what, check.describe(value))
  end
  local list, count = {}, 0
  for _ in pairs(value) do count = count + 1 end
  for i = 1, count do
    if value[i] == nil then
      fail("%s: a table with named entries (expected a list of names)", what)
    end
    list[i] = check.name(value[i], what)
  end
  return list
end

local units = { s = 1, m = 60, h = 3600, d = 86400, w = 604800 }
local longest_us = 1 << 60 -- about 36,000 years: sums of a few still fit 64 bits

local duration_words = "a duration such as \"90s\" \"30m\" \"12h\" \"7d\" \"2w\", or seconds"

--- A duration in microseconds: `"90s" "30m" "12h" "7d" "2w"` or a number of seconds.
--- Raises on anything else, on negative values and on more than 36,000 years.
---@param value string|number
---@param what string  for the message: "hypothesis: observe"
---@return integer duration_us
function check.duration(value, what)
  local seconds
  if type(value) == "number" then
    seconds = value
  elseif type(value) == "string" then
    local number, unit = value:match("^%s*(%d+%.?%d*)%s*([smhdw])%s*$")
    if number then
      local count = math.tointeger(tonumber(number)) or tonumber(number)
      if count > longest_us then fail("%s: '%s' is too long", what, value) end
      seconds = count * units[unit]
    end
  end
  if not seconds or seconds ~= seconds then
    fail("%s: %s (expected %s)", what, check.describe(value), duration_words)
  end
  if seconds < 0 then
    fail("%s: %s is negative (expected %s)", what, check.describe(value), duration_words)
  end
  if seconds > longest_us // 1000000 then
    fail("%s: %s is too long (expected at most 36,000 years)", what, check.describe(value))
  end
  if math.type(seconds) == "integer" then return seconds * 1000000 end
  return math.floor(seconds * 1e6 + 0.5)
end

return check
