--- Frames that the caller brings: Lua arrays and CSV tables with one row per user.
---
--- Each column becomes what all its values have in common: truth in any spelling is 1 and 0, ISO
--- dates are instants, other texts are codes, whole numbers take as few bytes as they need.
--- Cost: one look at every value.
local check = require "wayproof.check"
local core = require "wayproof.core"
local frame = require "wayproof.frame"

local frame_bring = {}

local yes_no = { yes = true, no = false, ["true"] = true, ["false"] = false, t = true, f = false,
  y = true, n = false }

-- What a list of Lua values holds: "number", "boolean" or "text"; nil when nothing is there.
local function content_of(values, rows, name)
  local kind
  for i = 1, rows do
    local value = values[i]
    local found = type(value)
    if value ~= nil and value == value then
      if found ~= "number" and found ~= "boolean" and found ~= "string" then
        check.fail("frame: column '%s', row %d: %s (expected numbers, texts or true and false)",
          name, i, check.describe(value))
      end
      if kind and kind ~= found then
        check.fail("frame: column '%s', row %d: %s in a column of %ss", name, i,
          check.describe(value), kind)
      end
      kind = found
    end
  end
  return kind
end

local function highest_index(values)
  local highest = 0
  for key in pairs(values) do
    if math.type(key) == "integer" and key > highest then highest = key end
  end
  return highest
end

-- yes and no, true and false in words become 1 and 0.
local function as_flags(values, rows)
  local flags = {}
  for i = 1, rows do
    local value = values[i]
    if value ~= nil and value ~= "" then
      local flag = yes_no[value:lower()]
      if flag == nil then return nil end
      flags[i] = flag
    end
  end
  return flags
end

local function whole(values, rows)
  local lowest, highest = 0, 0
  for i = 1, rows do
    local value = values[i]
    if value ~= nil and value == value then
      if not math.tointeger(value) then return false end
      lowest, highest = math.min(lowest, value), math.max(highest, value)
    end
  end
  return true, lowest, highest
end

local function number_spec(values, rows)
  local integral, lowest, highest = whole(values, rows)
  local cell = "f64"
  if integral and lowest >= 0 then
    cell = highest < 255 and "u8" or highest < 0xffffffff and "u32" or "f64"
  end
  return { type = cell, integral = integral, values = values }
end

-- Dates come as ISO texts; a column in which every text is one holds instants.
local function as_instants(values, rows)
  local instants, any, parse = {}, false, nil
  for i = 1, rows do
    local value = values[i]
    if value ~= nil and value ~= "" then
      if not value:find("^%d%d%d%d%-%d%d%-%d%d") then return nil end
      parse = parse or require("wayproof.time").time
      local done, instant = pcall(parse, value)
      if not done or not instant then return nil end
      instants[i], any = instant, true
    end
  end
  return any and instants or nil
end

local function spec_of(values, rows, name)
  local kind = content_of(values, rows, name)
  if kind == "boolean" then return { type = "u8", integral = true, values = values } end
  if kind == "string" then
    local flags = as_flags(values, rows)
    if flags then return { type = "u8", integral = true, values = flags } end
    local instants = as_instants(values, rows)
    if instants then
      return { type = "i64", integral = true, instant = true, values = instants }
    end
    return { text = true, values = values }
  end
  return number_spec(values, rows)
end

--- A frame from Lua arrays: `wp.frame({ rounds = {3, 0, 7}, returned = {true, false, nil} },
--- { rows = 3 })`. Numbers, texts (dates in ISO 8601 become times), 0/1, true/false and yes/no are
--- understood; nil and NaN are missing. Without `rows` the longest column says how many there are.
---@param columns table<string, any[]>  a map gives name order
---@param options? { rows: integer, order: string[] }
---@return wayproof.Frame
function frame_bring.frame(columns, options)
  check.type(columns, "table", "frame", "a table of columns by name")
  local given = check.options(options, { "rows", "order" }, "frame")
  local names, rows = {}, 0
  for name, values in pairs(columns) do
    if type(name) ~= "string" then
      check.fail("frame: column %s has no name (expected { name = { … } })", tostring(name))
    end
    if check.class(values) ~= "wayproof.Vector" then
      check.type(values, "table", string.format("frame: column '%s'", name), "a list of values")
      rows = math.max(rows, highest_index(values))
    else
      rows = math.max(rows, #values)
    end
    names[#names + 1] = name
  end
  if #names == 0 then check.fail("frame: no columns (expected { name = { … } })") end
  if given.rows ~= nil then
    local wanted = check.integer(given.rows, "frame: rows", 0)
    if wanted < rows then
      check.fail("frame: rows: %d, but a column has %d values", wanted, rows)
    end
    rows = wanted
  end
  table.sort(names)
  if given.order then names = check.names(given.order, "frame: order") end
  local specs = {}
  for i, name in ipairs(names) do
    local values = columns[name]
    if values == nil then check.fail("frame: order: there is no column '%s'", name) end
    specs[i] = check.class(values) and { type = "f64", values = values }
      or spec_of(values, rows, name)
  end
  return frame.wrap(assert(core.frame.bring(rows, specs)), names,
    { n = { users = rows, used = rows } })
end

--- A frame from a CSV file with one row per user (`.gz` too). Numbers, 0/1, TRUE/FALSE, yes/no,
--- dates and texts are told apart by column; empty cells are missing.
---
---     local players = assert(wp.read_frame "cookie_cats.csv")
---     print(players:validate { metric = "sum_gamerounds", outcome = "retention_7" })
---@param path string
---@param options? { delimiter: string, bad_rows: "fail"|"skip", limit: integer }
---@return wayproof.Frame|nil frame
---@return string? message
---@return string? code
function frame_bring.read_frame(path, options)
  check.name(path, "read_frame", "the path of a CSV file")
  local given = check.options(options, { "delimiter", "bad_rows", "limit" }, "read_frame")
  if given.bad_rows ~= nil then
    check.choice(given.bad_rows, { "fail", "skip" }, "read_frame: bad_rows")
  end
  if given.limit ~= nil then check.integer(given.limit, "read_frame: limit", 1) end
  if given.delimiter ~= nil and (type(given.delimiter) ~= "string" or #given.delimiter ~= 1) then
    check.fail("read_frame: delimiter: %s (expected one character such as \",\")",
      check.describe(given.delimiter))
  end
  local read, message, code = core.read.table(path, given)
  if not read then return nil, message, code end
  local specs = {}
  for i, values in ipairs(read.columns) do
    if read.kinds[i] == "text" then
      specs[i] = spec_of(values, read.rows, read.names[i])
    else
      specs[i] = number_spec(values, read.rows)
    end
    read.columns[i] = false -- the text of a large file is not needed twice
  end
  local handle
  handle, message, code = core.frame.bring(read.rows, specs)
  if not handle then return nil, message, code end
  return frame.wrap(handle, read.names, { n = { users = read.rows, used = read.rows,
    skipped = read.skipped } })
end

return frame_bring
