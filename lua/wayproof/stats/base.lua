--- What the statistics share: results that print themselves, checks, p-values and critical values.
local check = require "wayproof.check"
local core = require "wayproof.core"
local object = require "wayproof.object"

local base = {}

-- The C side blames the first line outside this library too; see l_stats.c.
core.stats.home(debug.getinfo(1, "S").source:match("^(.*)stats.base%.lua$") or "@?")

local first = { "estimate", "se", "low", "high", "statistic", "df", "p" }

local function text_of(value)
  if math.type(value) == "float" then return string.format("%.6g", value) end
  if type(value) == "table" then return "{…}" end
  return tostring(value)
end

local function render(self)
  local words, seen = {}, { title = true }
  local function add(key)
    if seen[key] or self[key] == nil then return end
    seen[key] = true
    words[#words + 1] = key .. " " .. text_of(self[key])
  end
  for _, key in ipairs(first) do add(key) end
  local others = {}
  for key in pairs(self) do
    if type(key) == "string" then others[#others + 1] = key end
  end
  table.sort(others)
  for _, key in ipairs(others) do add(key) end
  local list = {}
  for i = 1, math.min(#self, 10) do list[i] = text_of(self[i]) end
  if #self > 0 then
    words[#words + 1] = "[" .. table.concat(list, ", ") .. (#self > 10 and ", …]" or "]")
  end
  return self.title .. ": " .. table.concat(words, "  ")
end

local Statistic = object.class { name = "wayproof.Statistic", render = render }

--- An immutable result with named fields; prints on one line, `:table()` gives plain data.
function base.result(title, fields)
  fields.title = title
  for key, value in pairs(fields) do
    -- Missing is nil: no NaN or infinity may leave the room.
    if type(value) == "number" and not (value > -math.huge and value < math.huge) then
      fields[key] = nil
    end
  end
  return Statistic.new(fields)
end

--- Two-sided standard normal quantile of a confidence level (1.96 for 0.95). Raises outside (0, 1).
function base.critical(level, where)
  level = level or 0.95
  if type(level) ~= "number" or not (level > 0 and level < 1) then
    check.fail("%s: level: %s (expected a number between 0 and 1)", where, check.describe(level))
  end
  return -core.stats.normal_quantile((1 - level) / 2), level
end

--- Two-sided p of a standard normal statistic.
function base.p_normal(z)
  return math.min(1, 2 * core.stats.normal_upper(math.abs(z)))
end

--- Two-sided p of a t statistic.
function base.p_t(t, df)
  if t == math.huge or t == -math.huge then return 0.0 end
  return math.min(1, 2 * core.stats.t_upper(math.abs(t), df))
end

--- A whole number of people or events.
function base.count(value, what)
  return check.integer(value, what, 0)
end

--- A list of finite numbers (array or Vector), at least `least` of them, as a plain array.
function base.numbers(list, what, least)
  if type(list) ~= "table" and check.class(list) ~= "wayproof.Vector" then
    check.fail("%s: %s (expected a list of numbers)", what, check.describe(list))
  end
  local copy = {}
  for i = 1, #list do copy[i] = check.number(list[i], string.format("%s: number %d", what, i)) end
  if #copy < (least or 0) then
    check.fail("%s: %d numbers (expected at least %d)", what, #copy, least)
  end
  return copy
end

--- Raises when two lists differ in length, naming both.
function base.same_length(a, b, name_a, name_b, where)
  if #a ~= #b then
    check.fail("%s: %s: found %d (expected %d, as many as %s)", where, name_b, #b, #a, name_a)
  end
end

return base
