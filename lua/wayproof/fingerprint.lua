--- Fingerprints: a short text that is equal for equal trees, in every run, process and machine.
---
--- A value is written in one canonical way (keys sorted, numbers by value, titles and other words
--- for people left out) and the text is hashed to 128 bits. Not a cryptographic hash: it guards
--- against accidents, not against someone who wants two questions to look alike.
--- Cost: O(length of the canonical text).
local fingerprint = {}

-- What names a tree for people and does not change what is asked.
local unsaid = { title = true }

local function number_text(number)
  local integer = math.tointeger(number)
  if integer then return string.format("%d", integer) end
  return string.format("%.17g", number)
end

local function compare_keys(a, b)
  local kind_a, kind_b = type(a), type(b)
  if kind_a ~= kind_b then return kind_a < kind_b end
  return a < b
end

local originals = setmetatable({}, { __mode = "k" })

--- Says that `wrapper` only guards `original`, whose fingerprint it shall have.
function fingerprint.stands_for(wrapper, original)
  originals[wrapper] = original
end

-- Bytecode without debug information stands for a function: changing its code changes the text.
-- Upvalues are not seen. C functions have no code to read.
local function function_text(call)
  local code = require("wayproof.bytecode").text(originals[call] or call)
  return "f" .. (code and fingerprint.hash(code) or "c")
end

local write

local function write_table(value, out)
  local keys = {}
  for key, item in pairs(value) do
    if item ~= nil and not unsaid[key] then keys[#keys + 1] = key end
  end
  table.sort(keys, compare_keys)
  out[#out + 1] = "{"
  for _, key in ipairs(keys) do
    write(key, out)
    out[#out + 1] = "="
    write(value[key], out)
    out[#out + 1] = ";"
  end
  out[#out + 1] = "}"
end

function write(value, out)
  local kind = type(value)
  if kind == "table" then
    write_table(value, out)
  elseif kind == "string" then
    out[#out + 1] = string.format("s%d:%s", #value, value)
  elseif kind == "number" then
    out[#out + 1] = "n" .. number_text(value)
  elseif kind == "boolean" then
    out[#out + 1] = value and "t" or "b"
  elseif kind == "function" then
    out[#out + 1] = function_text(value)
  else
    error("a " .. kind .. " has no fingerprint")
  end
end

--- The canonical text of plain data or a tree of nodes.
---@return string
function fingerprint.text(value)
  local out = {}
  write(value, out)
  return table.concat(out)
end

local function mix(hash)
  hash = (hash ~ (hash >> 30)) * 0xbf58476d1ce4e5b9
  hash = (hash ~ (hash >> 27)) * 0x94d049bb133111eb
  return hash ~ (hash >> 31)
end

--- 128 bits of a text as 32 hex digits: two lanes over words of 8 bytes, each a multiply, a
--- rotation or shift and an exclusive or, with splitmix64's finaliser; at the end the lanes are
--- mixed into each other.
---@param text string
---@return string hex
function fingerprint.hash(text)
  local a, b = 0x243f6a8885a308d3 ~ #text, 0x13198a2e03707344 + #text
  local padded = text .. string.rep("\0", -#text % 8)
  for at = 1, #padded, 8 do
    local word = string.unpack("<i8", padded, at)
    a = (a ~ word) * 0x9e3779b97f4a7c15
    a = (a << 31) | (a >> 33)
    b = (b + mix(word)) * 0xd6e8feb86659fd93
    b = b ~ (b >> 29)
  end
  local low, high = mix(a + mix(b)), mix(b ~ mix(a))
  return string.format("%016x%016x", low, high)
end

--- The fingerprint of a tree.
---@return string hex  32 hex digits
function fingerprint.of(value)
  return fingerprint.hash(fingerprint.text(value))
end

return fingerprint
