--- Numbers, durations, times, tables and bars as text for people: 80 columns, no colour.
---
--- Missing values print as "–". What is said of columns is in wayproof.columns and here by the same
--- names. Nothing here knows about events or results.
local columns_of = require "wayproof.columns"

local show = {}

for name, call in pairs(columns_of) do show[name] = call end

show.missing = "–"
local missing = show.missing

-- Numbers ----------------------------------------------------------------------------------------

local function grouped(digits)
  return (digits:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""))
end

--- A whole number with thousands separators: 48,210. Floats are rounded.
---@return string
function show.integer(number)
  if number == nil then return missing end
  local text = string.format("%.0f", number)
  if math.type(number) == "integer" then text = string.format("%d", number) end
  local sign, digits = text:match("^(%-?)(%d+)$")
  if not digits then return text end
  return sign .. grouped(digits)
end

--- A number with `decimals` digits after the point and thousands separators.
---@return string
function show.fixed(number, decimals)
  if number == nil then return missing end
  local text = string.format("%." .. decimals .. "f", number)
  if tonumber(text) == 0 then text = text:gsub("^%-", "") end
  local sign, digits, rest = text:match("^(%-?)(%d+)(.*)$")
  if not digits then return text end
  return sign .. grouped(digits) .. rest
end

--- A number to `digits` significant digits (default 3), never in powers of ten between 0.0001 and
--- a trillion: 0.0123, 1.85, 27.6, 12,300.
---@return string
function show.number(number, digits)
  if number == nil then return missing end
  digits = digits or 3
  if number == 0 then return "0" end
  if number ~= number or math.abs(number) == math.huge then return tostring(number) end
  if math.type(number) == "integer" then return show.integer(number) end
  local size = math.abs(number)
  if size < 1e-4 or size >= 1e12 then return string.format("%." .. digits - 1 .. "e", number) end
  local power = math.floor(math.log(size, 10))
  if tonumber(string.format("%." .. digits - 1 .. "e", size)) >= 10.0 ^ (power + 1) then
    power = power + 1
  end
  return show.fixed(number, math.max(0, digits - 1 - power))
end

--- A share as a percentage: 0.1234 is "12.3 %"; small shares keep two significant digits.
---@param decimals? integer
---@return string
function show.percent(share, decimals)
  if share == nil then return missing end
  if not decimals then
    local size = math.abs(share)
    if size > 0 and size < 0.00001 then return (share < 0 and "> -" or "< ") .. "0.001 %" end
    decimals = 1
    if size > 0 and size < 0.001 then decimals = 1 - math.floor(math.log(size * 100, 10)) end
  end
  return show.fixed(share * 100, decimals) .. " %"
end

--- A p-value: "0.034", "< 0.001".
---@return string
function show.p(p)
  if p == nil then return missing end
  if p < 0.001 then return "< 0.001" end
  return string.format(p < 0.1 and "%.3f" or "%.2f", p)
end

--- An estimate with its interval: "1.85 [1.42, 2.41]".
---@param format? fun(x: number): string  default show.number
---@return string
function show.interval(estimate, low, high, format)
  format = format or show.number
  if estimate == nil then return missing end
  if low == nil and high == nil then return format(estimate) end
  return string.format("%s [%s, %s]", format(estimate), format(low), format(high))
end

--- "1 user", "48,210 users".
---@return string
function show.plural(count, word, many)
  return show.integer(count) .. " " .. (count == 1 and word or many or word .. "s")
end

--- A size in bytes: "12.4 MB".
---@return string
function show.bytes(bytes)
  if bytes == nil then return missing end
  local units, at, size = { "B", "kB", "MB", "GB", "TB" }, 1, bytes
  while size >= 999.5 and at < #units do size, at = size / 1000, at + 1 end
  return (at == 1 and show.integer(size) or show.number(size + 0.0)) .. " " .. units[at]
end

-- Times ------------------------------------------------------------------------------------------

local day_seconds = 86400
local spans = { { day_seconds * 365.25, "year" }, { day_seconds, "day" }, { 3600, "hour" },
  { 60, "minute" }, { 1, "second" } }

--- A number of seconds in the unit that suits it: "3 days", "2.5 hours", "45 seconds", "120 ms".
---@return string
function show.seconds(seconds)
  if seconds == nil then return missing end
  if seconds < 0 then return "-" .. show.seconds(-seconds) end
  if seconds == 0 then return "0 seconds" end
  for _, span in ipairs(spans) do
    local count = seconds / span[1]
    if count >= (span[2] == "year" and 3 or 0.9995) then
      local text = string.format(count < 99.95 and "%.1f" or "%.0f", count):gsub("%.0$", "")
      return text .. " " .. span[2] .. (text == "1" and "" or "s")
    end
  end
  return show.number(seconds * 1e3) .. " ms"
end

local short_spans = { { day_seconds, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } }

--- A number of seconds in at most seven columns: "13.1 d", "4.1 h", "9 min", "273 ms".
---@return string
function show.span(seconds)
  if seconds == nil then return missing end
  for _, unit in ipairs(short_spans) do
    if seconds >= 0.9995 * unit[1] then
      local count = seconds / unit[1]
      return (string.format(count < 99.95 and "%.1f" or "%.0f", count):gsub("%.0$", "")) .. " "
        .. unit[2]
    end
  end
  return seconds == 0 and "0 s" or string.format("%.0f ms", seconds * 1e3)
end

--- A duration in microseconds, as show.seconds.
---@return string
function show.duration(duration_us)
  return duration_us == nil and missing or show.seconds(duration_us / 1e6)
end

-- Civil date of days since 1970-01-01 (Hinnant's algorithm: 400-year cycles, years from March).
local function civil(days)
  days = days + 719468
  local cycle = days // 146097
  local day = days - cycle * 146097
  local year = (day - day // 1460 + day // 36524 - day // 146096) // 365
  local day_of_year = day - (365 * year + year // 4 - year // 100)
  local month = (5 * day_of_year + 2) // 153
  local month_day = day_of_year - (153 * month + 2) // 5 + 1
  month = month < 10 and month + 3 or month - 9
  return year + cycle * 400 + (month <= 2 and 1 or 0), month, month_day
end

--- The UTC date of an instant in microseconds: "2024-06-29".
---@return string
function show.date(time_us)
  if time_us == nil then return missing end
  return string.format("%04d-%02d-%02d", civil(time_us // (day_seconds * 1000000)))
end

--- An instant in microseconds, in UTC: "2024-06-29 17:04:05", with decimals where it has them.
---@return string
function show.instant(time_us)
  if time_us == nil then return missing end
  local seconds, micros = time_us // 1000000, time_us % 1000000
  local rest = seconds % day_seconds
  local text = string.format("%s %02d:%02d:%02d", show.date(time_us), rest // 3600,
    rest // 60 % 60, rest % 60)
  if micros == 0 then return text end
  return text .. (string.format(".%06d", micros):gsub("0+$", ""))
end

-- Bars -------------------------------------------------------------------------------------------

local eighths = { "▏", "▎", "▍", "▌", "▋", "▊", "▉" }

--- A bar of `share` (0 to 1) of `width` columns, to an eighth of a column; not padded.
---@return string
function show.bar(share, width)
  if share == nil or share ~= share then return "" end
  local parts = math.floor(math.max(0, math.min(1, share)) * width * 8 + 0.5)
  return string.rep("█", parts // 8) .. (eighths[parts % 8] or "")
end

local levels = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }

--- A line of small columns, one per value, from the lowest (or `low`) to the highest (or `high`);
--- missing values leave a gap. `values.n` counts values where the list has holes.
---@return string
function show.sparkline(values, low, high)
  local n = values.n or #values
  for i = 1, n do
    local value = values[i]
    if value then
      low, high = math.min(low or value, value), math.max(high or value, value)
    end
  end
  local out = {}
  for i = 1, n do
    local value = values[i]
    if value == nil then
      out[i] = " "
    else
      local share = high > low and (value - low) / (high - low) or 0.5
      out[i] = levels[math.min(8, math.floor(share * 8) + 1)]
    end
  end
  return table.concat(out)
end

local shades = { " ", "░", "▒", "▓", "█" }

--- One character whose darkness says how large `share` (0 to 1) is.
---@return string
function show.shade(share)
  if share == nil or share ~= share then return " " end
  return shades[math.min(5, math.floor(math.max(0, math.min(1, share)) * 4 + 0.5) + 1)]
end

-- Tables -----------------------------------------------------------------------------------------

--- Any value in one short piece of text: numbers by show.number, strings as they are, nil as "–".
---@return string
function show.cell(value)
  if value == nil then return missing end
  if type(value) == "number" then return show.number(value) end
  if type(value) == "boolean" then return value and "yes" or "no" end
  return tostring(value)
end

local function cell_texts(columns, rows, shown)
  local texts = {}
  for r = 1, shown do
    local line = {}
    for c, column in ipairs(columns) do
      local value = rows[r][c]
      line[c] = (column.format and value ~= nil and column.format(value)) or show.cell(value)
    end
    texts[r] = line
  end
  return texts
end

local function is_numeric(rows, shown, c)
  local any = false
  for r = 1, shown do
    local value = rows[r][c]
    if value ~= nil then
      if type(value) ~= "number" then return false end
      any = true
    end
  end
  return any
end

-- The widest left-aligned column gives way, a column at a time, until the row fits.
local function fit(columns, widths, room)
  local total = 2 * (#widths - 1)
  for _, width in ipairs(widths) do total = total + width end
  while total > room do
    local widest
    for c, column in ipairs(columns) do
      if column.align == "left" and (not widest or widths[c] > widths[widest]) then widest = c end
    end
    if not widest or widths[widest] <= 8 then return end
    widths[widest], total = widths[widest] - 1, total - 1
  end
end

---@class wayproof.TableColumn
---@field title string
---@field align? "left"|"right"   default: right for numbers
---@field format? fun(value: any): string

--- Aligned columns under their titles. Rows past `max_rows` become one line that counts them.
---@param columns (string|wayproof.TableColumn)[]
---@param rows any[][]
---@param options? { indent: string, width: integer, max_rows: integer }  width: 80 columns
---@return string text  lines without a final newline
function show.table(columns, rows, options)
  options = options or {}
  local indent = options.indent or ""
  local shown = math.min(#rows, options.max_rows or #rows)
  local own, widths = {}, {}
  for c, column in ipairs(columns) do
    if type(column) == "string" then column = { title = column } end
    own[c] = { title = column.title, format = column.format,
      align = column.align or (is_numeric(rows, shown, c) and "right" or "left") }
  end
  local texts = cell_texts(own, rows, shown)
  for c, column in ipairs(own) do
    widths[c] = show.width(column.title)
    for r = 1, shown do widths[c] = math.max(widths[c], show.width(texts[r][c])) end
  end
  fit(own, widths, (options.width or 80) - show.width(indent))
  local function line(cells)
    local parts = {}
    for c, column in ipairs(own) do
      parts[c] = show.pad(show.cut(cells[c], widths[c]), widths[c], column.align)
    end
    return (indent .. table.concat(parts, "  "):gsub("%s+$", ""))
  end
  local titles = {}
  for c, column in ipairs(own) do titles[c] = column.title end
  local lines = { line(titles) }
  for r = 1, shown do lines[#lines + 1] = line(texts[r]) end
  if #rows > shown then
    lines[#lines + 1] = string.format("%s… %s more", indent, show.integer(#rows - shown))
  end
  return table.concat(lines, "\n")
end

-- Plain data -------------------------------------------------------------------------------------

local function csv_cell(value)
  if value == nil then return "" end
  local text = type(value) == "number" and require("wayproof.json").number(value) or tostring(value)
  if text == "null" then return "" end
  if text:find('[,"\r\n]') or text:find("^%s") or text:find("%s$") then
    return '"' .. text:gsub('"', '""') .. '"'
  end
  return text
end

--- RFC 4180 text: a header, then the rows; missing values are empty.
---@param columns string[]
---@param rows any[][]
---@return string
function show.csv(columns, rows)
  local lines = {}
  local function add(cells)
    local out = {}
    for c = 1, #columns do out[c] = csv_cell(cells[c]) end
    lines[#lines + 1] = table.concat(out, ",")
  end
  add(columns)
  for _, row in ipairs(rows) do add(row) end
  return table.concat(lines, "\r\n") .. "\r\n"
end

--- Plain data (texts, numbers, booleans, lists and maps) as Lua source that gives it back.
---@return string
function show.source(value)
  if type(value) ~= "table" then return string.format("%q", value) end
  local parts = {}
  for i, item in ipairs(value) do parts[i] = show.source(item) end
  local keys = {}
  for key in pairs(value) do
    if type(key) == "string" then keys[#keys + 1] = key end
  end
  table.sort(keys)
  for _, key in ipairs(keys) do
    parts[#parts + 1] = string.format("[%q] = %s", key, show.source(value[key]))
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

--- Plain data as Lua would write it, on one line, cut at 200 columns: what frozen tables print.
---@return string
function show.value(value)
  local out = {}
  local function write(item, depth)
    if type(item) == "string" then
      out[#out + 1] = string.format("%q", item)
    elseif type(item) ~= "table" or depth > 3 then
      out[#out + 1] = type(item) == "table" and "{…}" or tostring(item)
    else
      local parts = {}
      for key in pairs(item) do
        if math.type(key) ~= "integer" then parts[#parts + 1] = key end
      end
      table.sort(parts, function(a, b) return tostring(a) < tostring(b) end)
      out[#out + 1] = "{ "
      for i = 1, #item do
        write(item[i], depth + 1)
        out[#out + 1] = ", "
      end
      for _, key in ipairs(parts) do
        out[#out + 1] = tostring(key) .. " = "
        write(item[key], depth + 1)
        out[#out + 1] = ", "
      end
      out[#out] = out[#out] == ", " and " }" or "{}"
    end
  end
  write(value, 0)
  return show.cut(table.concat(out), 200)
end

return show
