-- Compares two oracle files number by number: lua5.4 compare.lua STORED FRESH [TOLERANCE]
-- Prints the first differences and exits 1 when there are any.
local stored, fresh = assert(dofile(arg[1])), assert(dofile(arg[2]))
local tolerance = tonumber(arg[3]) or 1e-9
local compared, differ, worst = 0, 0, 0

local function close(a, b)
  if a == b then return true end
  if type(a) ~= "number" or type(b) ~= "number" then return false end
  local error = math.abs(a - b) / math.max(math.abs(a), math.abs(b), 1e-300)
  worst = math.max(worst, error)
  return error <= tolerance or math.abs(a - b) < 1e-14
end

local function walk(path, a, b)
  if type(a) == "table" and type(b) == "table" then
    for key, value in pairs(a) do walk(path .. "." .. key, value, b[key]) end
    for key in pairs(b) do
      if a[key] == nil then walk(path .. "." .. key, nil, b[key]) end
    end
    return
  end
  compared = compared + 1
  if not close(a, b) then
    differ = differ + 1
    if differ <= 10 then
      print(string.format("  %s: stored %s, now %s", path, tostring(a), tostring(b)))
    end
  end
end

walk(arg[1]:match("([^/]*)%.lua$"), stored, fresh)
print(string.format("%s: %d figures compared, %d differ, largest relative difference %.1e", arg[1],
  compared, differ, worst))
os.exit(differ == 0 and 0 or 1)
