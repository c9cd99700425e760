--- Stages of progression: an ordered list of named steps, each meant by one or more events.
---
--- `stages[i]` is `{ name, selector }` for i = 1..#stages, in the order of progression. An event
--- that could belong to two stages (through a pattern) belongs to the first.
local check = require "wayproof.check"
local object = require "wayproof.object"
local select_events = require "wayproof.select"
local show = require "wayproof.show"
local suggest = require "wayproof.suggest"

local stages = {}

local function render(self)
  local names, lines, width = {}, {}, 0
  for i, stage in ipairs(self) do
    names[i] = stage.name
    width = math.max(width, show.width(show.cut(stage.name, 24)))
  end
  lines[1] = show.cut(string.format("%d stages: %s", #self, table.concat(names, " > ")), 80)
  for i, stage in ipairs(self) do
    local events, where = select_events.words(stage.selector)
    lines[#lines + 1] = show.cut(string.format("  %d  %s  %s", i,
      show.pad(show.cut(stage.name, 24), width), (events == "" and "any event" or events) .. where),
      80)
  end
  return table.concat(lines, "\n")
end

local Stages = object.class { name = "wayproof.Stages", result = false, render = render }

function Stages.methods:names()
  local names = {}
  for i, stage in ipairs(self) do names[i] = stage.name end
  return names
end

--- Position of the stage called `name` (or at that position); raises when there is none.
---@return integer
function stages.index(self, name, what)
  if math.type(name) == "integer" and self[name] then return name end
  local names = Stages.methods.names(self)
  for i, other in ipairs(names) do
    if other == name then return i end
  end
  local near = type(name) == "string" and suggest.closest(name, names)
  check.fail("%s: unknown stage %s (%s)", what, check.describe(name),
    near and string.format("did you mean '%s'?", near) or "stages: " .. table.concat(names, ", "))
end

function stages.is(value) return Stages.is(value) end

--- Raises unless `value` comes from wp.stages.
function stages.check(value, what)
  if not Stages.is(value) then
    check.fail("%s: %s (expected stages made by wp.stages)", what, check.describe(value))
  end
  return value
end

-- { "discover", "landing", "search" }: the name, then its events; a name alone is its own event.
local function stage_of(entry, what)
  if type(entry) == "string" then entry = { entry } end
  if type(entry) ~= "table" or check.class(entry) then
    check.fail("%s: %s (expected { \"name\", \"event\", … })", what, check.describe(entry))
  end
  local name = check.name(entry[1], what, "a stage name, then the events that mean it")
  local events = {}
  for key, value in pairs(entry) do
    if key == "where" then -- a filter, kept apart
      check.type(value, "table", what .. ": where", "a filter table")
    elseif math.type(key) ~= "integer" then
      check.fail("%s: unexpected entry '%s' (expected a name, then events)", what, tostring(key))
    elseif key > 1 then
      events[key - 1] = value
    end
  end
  if #events == 0 then events[1] = name end
  return { name = name, selector = select_events.selector(events, entry.where, what) }
end

local function check_apart(list)
  local stage_of_name, stage_of_event = {}, {}
  for _, stage in ipairs(list) do
    if stage_of_name[stage.name] then
      check.fail("stages: two stages are called '%s'", stage.name)
    end
    stage_of_name[stage.name] = true
    for _, event in ipairs(stage.selector.names) do
      local other = stage_of_event[event]
      if other and not (stage.selector.filter or other.selector.filter) then
        check.fail("stages: event '%s' is in '%s' and in '%s' (expected each event in one stage)",
          event, other.name, stage.name)
      end
      stage_of_event[event] = stage
    end
  end
end

--- Stages in the order of progression.
---
---     local stages = wp.stages {
---       { "discover", "landing", "search" },   -- stage name, then the events that mean it
---       { "buy", "purchase" },
---     }
---@param list table[]
---@return wayproof.Stages
function stages.stages(list)
  if type(list) ~= "table" or check.class(list) then
    check.fail("stages: %s (expected a list of stages)", check.describe(list))
  end
  local made, count = {}, 0
  for _ in pairs(list) do count = count + 1 end
  if count == 0 then check.fail("stages: an empty list (expected at least one stage)") end
  for i = 1, count do made[i] = stage_of(list[i], "stages: stage " .. i) end
  check_apart(made)
  return Stages.new(made)
end

return stages
