--- Journeys in words: what print(log:journey(id)) shows.
---
--- A journey is a plain list of events; all that is added is how it prints. Cost: one table per
--- journey when it is made; the words when somebody looks.
local show = require "wayproof.show"

local journey = {}

local most = 16 -- events shown
local fixed = { time = true, event = true }

local function columns_of(self)
  local seen, names = {}, {}
  for i = 1, #self do
    for name in pairs(self[i]) do
      if not fixed[name] and not seen[name] then
        seen[name] = true
        names[#names + 1] = name
      end
    end
  end
  table.sort(names)
  return { "time", "event", table.unpack(names) }
end

local function span_of(self)
  if #self == 0 then return "" end
  local first, last = show.date(self[1].time), show.date(self[#self].time)
  return " · " .. (first == last and first or first .. " … " .. last)
end

local function render(self, id)
  local lines = { show.cut(id, 40) .. " · " .. show.plural(#self, "event") .. span_of(self) }
  local columns, rows = columns_of(self), {}
  for i = 1, #self do
    rows[i] = { show.instant(self[i].time) }
    for c = 2, #columns do rows[i][c] = self[i][columns[c]] end
  end
  if #rows > 0 then lines[2] = show.table(columns, rows, { indent = "  ", max_rows = most }) end
  local facts = {}
  for name, value in pairs(self.attributes or {}) do
    facts[#facts + 1] = name .. " " .. (type(value) == "number"
      and show.number(math.tointeger(value) or value) or value)
  end
  table.sort(facts)
  if #facts > 0 then lines[#lines + 1] = show.wrap(table.concat(facts, ", "), 80, "  ") end
  return table.concat(lines, "\n")
end

--- Gives a journey its words; returns it.
---@param events table|nil  list of events
---@param id string|integer
---@return table|nil
function journey.named(events, id)
  if not events then return nil end
  return setmetatable(events, {
    __tostring = function(self) return render(self, tostring(id)) end,
  })
end

return journey
