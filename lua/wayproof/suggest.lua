--- "Did you mean": the known name that comes closest to what was typed.
--- Cost: O(length²) per candidate; only run when something is already wrong.
local suggest = {}

--- Edits that turn `a` into `b`, ignoring case: insert, delete, replace, or swap two neighbours.
---@return integer
function suggest.distance(a, b)
  a, b = a:lower(), b:lower()
  local before, previous = {}, {}
  for j = 0, #b do previous[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local best = math.min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        best = math.min(best, before[j - 2] + 1)
      end
      row[j] = best
    end
    before, previous = previous, row
  end
  return previous[#b]
end

-- A typing slip: at most one edit in three letters.
local function is_near(edits, a, b)
  return edits <= math.max(1, math.min(#a, #b) // 3)
end

--- The entry of `names` that comes closest to `name`, or nil when none is near.
---@param name string
---@param names string[]
---@return string|nil
function suggest.closest(name, names)
  local best, fewest
  for _, other in ipairs(names) do
    if #other <= 100 and math.abs(#other - #name) <= 4 then
      local edits = suggest.distance(name, other)
      if is_near(edits, name, other) and (not fewest or edits < fewest) then
        best, fewest = other, edits
      end
    end
  end
  if best then return best end
  local lower = name:lower()
  for _, other in ipairs(names) do -- a beginning or an ending left out: "time" for "timestamp"
    local full = other:lower()
    if #lower >= 3 and #full >= 3 and (full:find(lower, 1, true) or lower:find(full, 1, true)) then
      return other
    end
  end
  return nil
end

return suggest
