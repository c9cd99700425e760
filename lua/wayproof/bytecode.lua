--- The code of a Lua function as text that does not depend on where the function stands.
---
--- `string.dump(f, true)` leaves the lines of a definition in; this walks Lua 5.4's dump and takes
--- them out, of the function and of those within it. Other versions of Lua give the dump as it is.
--- Cost: O(length of the code).
local bytecode = {}

local header_size = 4 + 1 + 1 + 6 + 3 + 8 + 8 + 1 -- up to and with the number of upvalues

-- Numbers of 7 bits a byte, most significant first; the last byte has bit 8 set.
local function read_size(dump, at)
  local size = 0
  while true do
    local byte = dump:byte(at)
    size, at = size << 7 | byte & 0x7f, at + 1
    if byte & 0x80 ~= 0 then return size, at end
  end
end

local function skip_string(dump, at)
  local size
  size, at = read_size(dump, at)
  return at + math.max(0, size - 1)
end

local constant_bytes = { [0x03] = 8, [0x13] = 8 } -- integers and floats
local function skip_constants(dump, at)
  local count
  count, at = read_size(dump, at)
  for _ = 1, count do
    local kind = dump:byte(at)
    at = at + 1 + (constant_bytes[kind] or 0)
    if kind == 0x04 or kind == 0x14 then at = skip_string(dump, at) end
  end
  return at
end

local function skip_sizes(dump, at, sizes)
  for _ = 1, sizes do
    local _, after = read_size(dump, at)
    at = after
  end
  return at
end

-- Appends the pieces of the function at `at` without its lines; returns what follows it.
local function walk(dump, at, pieces)
  local after_source = skip_string(dump, at)
  pieces[#pieces + 1] = dump:sub(at, after_source - 1)
  local from = skip_sizes(dump, after_source, 2) -- the lines of the definition
  local count
  count, at = read_size(dump, from + 3) -- parameters, varargs, stack, then instructions
  at = skip_constants(dump, at + 4 * count)
  count, at = read_size(dump, at)
  at = at + 3 * count -- upvalues
  count, at = read_size(dump, at)
  pieces[#pieces + 1] = dump:sub(from, at - 1)
  for _ = 1, count do at = walk(dump, at, pieces) end
  from = at
  for _ = 1, 4 do -- line and name tables, all empty
    count, at = read_size(dump, at)
    assert(count == 0)
  end
  pieces[#pieces + 1] = dump:sub(from, at - 1)
  return at
end

--- The code of a function, or nil for one that is written in C.
---@param call function
---@return string|nil
function bytecode.text(call)
  local done, dump = pcall(string.dump, call, true)
  if not done then return nil end
  local pieces = { dump:sub(1, header_size) }
  local walked, after = pcall(walk, dump, header_size + 1, pieces)
  if not walked or after ~= #dump + 1 then return dump end
  return table.concat(pieces)
end

return bytecode
