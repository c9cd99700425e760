--- Text in the columns of a terminal: how wide it is; how it is cut, clipped, padded and wrapped.
---
--- Widths are characters, not bytes; wide East Asian characters count two and combining marks none.
--- Bytes that are not UTF-8 count one each. `show` has all of this too.
local columns = {}

local zero_width = { { 0x0300, 0x036F }, { 0x200B, 0x200F }, { 0x20D0, 0x20FF },
  { 0xFE00, 0xFE0F } }
local double_width = { { 0x1100, 0x115F }, { 0x2E80, 0x303E }, { 0x3041, 0xA4CF },
  { 0xAC00, 0xD7A3 }, { 0xF900, 0xFAFF }, { 0xFE30, 0xFE6F }, { 0xFF00, 0xFF60 },
  { 0xFFE0, 0xFFE6 }, { 0x1F300, 0x1F64F }, { 0x1F900, 0x1F9FF }, { 0x20000, 0x3FFFD } }

local function is_in(code, ranges)
  for _, range in ipairs(ranges) do
    if code >= range[1] and code <= range[2] then return true end
  end
  return false
end

local function character_width(code)
  if code < 0x300 then return 1 end
  if is_in(code, zero_width) then return 0 end
  return is_in(code, double_width) and 2 or 1
end

--- Columns that a text takes on a terminal; bytes that are not UTF-8 count one each.
---@return integer
function columns.width(text)
  if not text:find("[\128-\255]") then return #text end
  if not utf8.len(text) then return #text end
  local width = 0
  for _, code in utf8.codes(text) do width = width + character_width(code) end
  return width
end

--- A text on one line, cut to `width` columns with "…" at the end when it is longer.
---@return string
function columns.cut(text, width)
  text = text:gsub("%c", " ")
  if columns.width(text) <= width then return text end
  if not utf8.len(text) then return text:sub(1, width - 1) .. "…" end
  local kept, used = {}, 0
  for _, code in utf8.codes(text) do
    used = used + character_width(code)
    if used > width - 1 then break end
    kept[#kept + 1] = utf8.char(code)
  end
  return table.concat(kept) .. "…"
end

--- A text padded with spaces to `width` columns.
---@param align? "left"|"right"|"center"  default left
---@return string
function columns.pad(text, width, align)
  local free = width - columns.width(text)
  if free <= 0 then return text end
  if align == "right" then return string.rep(" ", free) .. text end
  if align == "center" then
    return string.rep(" ", free // 2) .. text .. string.rep(" ", free - free // 2)
  end
  return text .. string.rep(" ", free)
end

-- The last characters of a text that fit into `width` columns.
local function ending(text, width)
  local from, used = #text + 1, 0
  while from > 1 do
    local at = utf8.offset(text, -1, from)
    used = used + character_width(utf8.codepoint(text, at))
    if used > width then break end
    from = at
  end
  return text:sub(from)
end

--- A text on one line, its middle replaced by "…" when it is longer than `width` columns: names are
--- told apart by how they begin and end.
---@return string
function columns.clip(text, width)
  text = text:gsub("%c", " ")
  if columns.width(text) <= width then return text end
  local tail = (width - 1) // 2
  local first = columns.cut(text, width - tail)
  return first .. (utf8.len(text) and ending(text, tail) or text:sub(#text - tail + 1))
end

--- A text whose words are at most `width` columns wide each: longer ones are clipped.
---@return string
function columns.clip_words(text, width)
  return (text:gsub("%S+", function(word) return columns.clip(word, width) end))
end

-- How many bytes of a word fit into `width` columns; at least one character.
local function fitting(word, width)
  if not utf8.len(word) then return math.max(width, 1) end
  local used, bytes = 0, 0
  for at, code in utf8.codes(word) do
    used = used + character_width(code)
    if used > width and bytes > 0 then break end
    bytes = at + #utf8.char(code) - 1
  end
  return bytes
end

-- The words of a text; one that no line can hold comes in pieces.
local function words_of(text, room)
  local words = {}
  for word in text:gmatch("%S+") do
    while columns.width(word) > room do
      local bytes = fitting(word, room)
      words[#words + 1] = word:sub(1, bytes)
      word = word:sub(bytes + 1)
    end
    if word ~= "" then words[#words + 1] = word end
  end
  return words
end

--- A text broken into lines of at most `width` columns: between words, and in words that are longer
--- than a line. Control characters become spaces.
---@param width? integer  default 78
---@param indent? string  put before every line after the first
---@return string
function columns.wrap(text, width, indent)
  width, indent = width or 78, indent or ""
  local lines, room = {}, width - columns.width(indent)
  for paragraph in (text .. "\n"):gmatch("(.-)\n") do
    local line
    for _, word in ipairs(words_of(paragraph:gsub("%c", " "), room)) do
      if not line then
        line = (#lines > 0 and indent or "") .. word
      elseif columns.width(line) + 1 + columns.width(word) > width then
        lines[#lines + 1] = line
        line = indent .. word
      else
        line = line .. " " .. word
      end
    end
    lines[#lines + 1] = line or ""
  end
  return table.concat(lines, "\n")
end

return columns
