--- JSON text from plain Lua data: keys sorted, integers exact, floats as short as they round-trip.
---
--- A table with the keys 1..n is a list (gaps are null up to `n` when the table has such a field
--- as its only other key); any other table is an object. NaN and infinities become null. An empty
--- table is a list, because results hold more lists than maps.
--- Cost: O(size of the data).
local json = {}

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n",
  ["\r"] = "\\r", ["\t"] = "\\t" }

local function escape(character)
  return escapes[character] or string.format("\\u%04x", character:byte())
end

-- Bytes that are not UTF-8 become U+FFFD, so that the text is always valid JSON.
local function valid_utf8(text)
  if utf8.len(text) then return text end
  local out, at = {}, 1
  while at <= #text do
    local good, bad = utf8.len(text, at)
    local stop = good and #text or bad - 1
    out[#out + 1] = text:sub(at, stop)
    if not good then out[#out + 1] = "\u{FFFD}" end
    at = stop + 2
  end
  return table.concat(out)
end

--- A string as JSON text, quotes included; safe to place inside an HTML script element.
function json.string(text)
  text = valid_utf8(text):gsub('[%c"\\\127]', escape)
  return '"' .. text:gsub("</", "<\\/") .. '"'
end

--- A number as JSON text: the shortest of 15, 16 or 17 digits that gives the same number back.
function json.number(number)
  if math.type(number) == "integer" then return string.format("%d", number) end
  if number ~= number or number == math.huge or number == -math.huge then return "null" end
  for digits = 15, 17 do
    local text = string.format("%." .. digits .. "g", number)
    if tonumber(text) == number then return text end
  end
end

-- Length when the table is a list, else nil.
local function list_length(value)
  local count, largest = 0, 0
  for key in pairs(value) do
    if math.type(key) == "integer" and key >= 1 then
      count = count + 1
      largest = math.max(largest, key)
    elseif key ~= "n" then
      return nil
    end
  end
  local n = value.n
  if n == nil then return count == largest and largest or nil end
  if math.type(n) == "integer" and n >= largest and count > 0 then return n end
  return nil
end

local function sorted_keys(value)
  local keys = {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

local encode

local function encode_list(value, length, indent, out)
  local inner = indent and indent .. "  "
  out[#out + 1] = "["
  for i = 1, length do
    if i > 1 then out[#out + 1] = "," end
    if inner then out[#out + 1] = "\n" .. inner end
    encode(value[i], inner, out)
  end
  if inner and length > 0 then out[#out + 1] = "\n" .. indent end
  out[#out + 1] = "]"
end

local function encode_object(value, indent, out)
  local inner = indent and indent .. "  "
  out[#out + 1] = "{"
  for i, key in ipairs(sorted_keys(value)) do
    if i > 1 then out[#out + 1] = "," end
    if inner then out[#out + 1] = "\n" .. inner end
    out[#out + 1] = json.string(tostring(key)) .. (inner and ": " or ":")
    encode(value[key], inner, out)
  end
  if inner then out[#out + 1] = "\n" .. indent end
  out[#out + 1] = "}"
end

function encode(value, indent, out)
  local kind = type(value)
  if kind == "nil" then
    out[#out + 1] = "null"
  elseif kind == "boolean" then
    out[#out + 1] = tostring(value)
  elseif kind == "number" then
    out[#out + 1] = json.number(value)
  elseif kind == "string" then
    out[#out + 1] = json.string(value)
  elseif kind == "table" then
    local length = list_length(value)
    if length then
      encode_list(value, length, indent, out)
    else
      encode_object(value, indent, out)
    end
  else
    out[#out + 1] = json.string(tostring(value))
  end
end

--- JSON text of plain data.
---@param value any
---@param options? { pretty: boolean }  one entry a line, two spaces deep
---@return string
function json.encode(value, options)
  local out = {}
  encode(value, options and options.pretty and "" or nil, out)
  return table.concat(out)
end

return json
