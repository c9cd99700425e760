--- What the models share: reading columns, calling the core, and a Fit that prints itself.
---
--- Columns go to the core as a list of vectors; the core leaves out rows with a missing number and
--- rows of weight 0. Nothing here loops over rows.
local check = require "wayproof.check"
local core = require "wayproof.core"
local object = require "wayproof.object"

local fit = {}

local function is_vector(value)
  return check.class(value) == "wayproof.Vector"
end

-- Rows of an array that may have holes: its field n, or its largest place.
local function rows_of(array)
  local n = math.tointeger(array.n)
  if n then return math.max(n, #array) end
  n = #array
  for key in pairs(array) do
    if math.type(key) == "integer" and key > n then n = key end
  end
  return n
end

--- A vector from a vector or an array of numbers; raises and names `what` otherwise.
---@param length? integer  the length it must have
function fit.vector(value, what, length)
  if not is_vector(value) then
    if type(value) ~= "table" or check.class(value) then
      check.fail("%s: %s (expected an array of numbers or a vector)", what, check.describe(value))
    end
    local fine, vector = pcall(core.vector.new, value, rows_of(value))
    if not fine then
      check.fail("%s: %s", what, (tostring(vector):gsub("^.-: ?element", "element")))
    end
    value = vector
  end
  if length and #value ~= length then
    check.fail("%s: %d numbers (expected %d, one per row)", what, #value, length)
  end
  return value
end

function fit.optional(value, what, length)
  if value == nil then return nil end
  return fit.vector(value, what, length)
end

--- A list of columns as a list of vectors of `length` rows. One column may stand alone.
function fit.columns(columns, what, length)
  if is_vector(columns) or (type(columns) == "table" and type(columns[1]) == "number") then
    columns = { columns }
  end
  if type(columns) ~= "table" or check.class(columns) then
    check.fail("%s: columns: %s (expected a list of columns)", what, check.describe(columns))
  end
  local vectors = {}
  for i = 1, #columns do
    vectors[i] = fit.vector(columns[i], string.format("%s: column %d", what, i), length)
  end
  if next(columns) ~= nil and #columns == 0 then
    check.fail("%s: columns: named entries (expected a list; give names as options.names)", what)
  end
  return vectors
end

function fit.names(names, count, what)
  if names == nil then
    names = {}
    for i = 1, count do names[i] = "x" .. i end
    return names
  end
  names = check.names(names, what .. ": names")
  if #names ~= count then
    check.fail("%s: names: %d found (expected %d, one per column)", what, #names, count)
  end
  return names
end

--- Calls the core and blames the caller's line when it refuses.
function fit.call(what, call, ...)
  local results = table.pack(pcall(call, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local message = tostring(results[2])
  if message:find("interrupted!", 1, true) then error(message, 0) end
  check.fail("%s: %s", what, (message:gsub("^[^\n:]*%.lua:%d+: ", "")))
end

function fit.level(options, what)
  local level = options.level or 0.95
  if type(level) ~= "number" or not (level > 0 and level < 1) then
    check.fail("%s: level: %s (expected a number between 0 and 1)", what, check.describe(level))
  end
  return level
end

--- Gives every coefficient its name and gathers those without an estimate by reason.
--- `fit.constant`, `fit.collinear` and `fit.runaway` are lists of names, nil when empty.
function fit.label(raw, names, intercept)
  local lists = { constant = "constant", collinear = "collinear", separated = "runaway" }
  for i, coefficient in ipairs(raw.coefficients) do
    local name = names[intercept and i - 1 or i] or "intercept"
    coefficient.name = name
    local list = lists[coefficient.note]
    if list then
      raw[list] = raw[list] or {}
      table.insert(raw[list], name)
    end
  end
  return raw
end

local function number(value)
  return value and string.format("%11.5g", value) or string.format("%11s", "–")
end

local function p_text(p)
  if not p then return "" end
  return p < 1e-4 and string.format("%.1e", p) or string.format("%.4f", p)
end

local function render(self)
  local lines = { self.title }
  local width = 9
  for i, c in ipairs(self.coefficients) do
    if i <= 15 then width = math.max(width, utf8.len(c.name) or #c.name) end
  end
  lines[2] = string.rep(" ", width) .. "   estimate          se         low        high  p"
  for i, c in ipairs(self.coefficients) do
    if i > 15 then
      lines[#lines + 1] = string.format("… %d more", #self.coefficients - 15)
      break
    end
    local pad = string.rep(" ", width - (utf8.len(c.name) or #c.name))
    lines[#lines + 1] = c.name .. pad .. number(c.estimate) .. " " .. number(c.se) .. " "
      .. number(c.low) .. " " .. number(c.high) .. "  " .. (c.note or p_text(c.p))
  end
  for _, line in ipairs(self.remarks) do lines[#lines + 1] = line end
  return table.concat(lines, "\n")
end

local Fit = object.class { name = "wayproof.Fit", render = render }

--- The coefficient of that name, or nil.
function Fit.methods:coefficient(name)
  for _, c in ipairs(self.coefficients) do
    if c.name == name then return c end
  end
  return nil
end

local function remarks(raw)
  local list = {}
  local function add(...) list[#list + 1] = string.format(...) end
  if raw.loglik then
    add("log-likelihood %.6g%s, %s rows%s", raw.loglik,
      raw.null_loglik and string.format(" (%.6g without columns)", raw.null_loglik) or "", raw.n,
      raw.missing > 0 and string.format(", %d left out (missing)", raw.missing) or "")
  end
  if raw.constant then add("constant, not fitted: %s", table.concat(raw.constant, ", ")) end
  if raw.collinear then add("collinear, not fitted: %s", table.concat(raw.collinear, ", ")) end
  if raw.separated then
    add("separated: %s tell the outcome without error; no finite estimate (try firth = true)",
      table.concat(raw.runaway or {}, ", "))
  elseif raw.converged == false then
    add("not converged after %d iterations", raw.iterations)
  end
  return list
end

--- Makes the immutable result of a model.
function fit.result(raw, title)
  raw.title = title
  raw.remarks = remarks(raw)
  return Fit.new(raw)
end

fit.is = Fit.is

return fit
