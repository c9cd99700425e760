--- Instants: integer microseconds UTC, from and to text.
local check = require "wayproof.check"
local core = require "wayproof.core"

local time = {}

--- Microseconds of an instant given as text or as integer microseconds; raises otherwise.
---@param what string  who asks, for the message: "hypothesis: as_of"
---@return integer time_us
function time.instant(value, what)
  if math.type(value) == "integer" then return value end
  local time_us = type(value) == "string" and core.time.parse(value)
  if not time_us then
    check.fail("%s: %s (expected a time such as \"2024-03-01\" or \"2024-03-01T12:00:00Z\", "
      .. "or integer microseconds)", what, check.describe(value))
  end
  return time_us
end

local parse_options = { "time_format", "time_unit", "timezone" }

--- The instant that a text names, in microseconds UTC: ISO 8601 in its usual spellings, or an epoch
--- number. Without an offset it is read in `timezone` (default UTC). Raises on anything else.
---
---     wp.time "2024-03-01T12:00:00Z"   --> 1709294400000000
---@param text string|number
---@param options? { time_format: string, time_unit: "s"|"ms"|"us", timezone: string }
---@return integer time_us
function time.time(text, options)
  options = check.options(options, parse_options, "time")
  if type(text) ~= "string" and type(text) ~= "number" then
    check.fail("time: %s (expected a text such as \"2024-03-01T12:00:00Z\")", check.describe(text))
  end
  local time_us, message = core.time.parse(text, options)
  if not time_us then check.fail("time: %s", message) end
  return time_us
end

--- An instant as ISO 8601 text, in UTC or in `zone`.
---
---     wp.date(1709294400000000)   --> "2024-03-01T12:00:00Z"
---@param time_us integer
---@param zone? string  IANA name or offset
---@return string
function time.date(time_us, zone)
  if math.type(time_us) ~= "integer" then
    check.fail("date: %s (expected integer microseconds)", check.describe(time_us))
  end
  local text, message = core.time.format(time_us, zone)
  if not text then check.fail("date: %s", message) end
  return text
end

return time
