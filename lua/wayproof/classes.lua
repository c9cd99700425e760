--- What analyses of moves count: event names, or the stages that events belong to.
---
--- The core reads a class per event code (csrc/journey/flow.h): its position, none, or "look at the
--- row" where a stage has a filter. An event that fits two stages belongs to the first.
local resolve = require "wayproof.resolve"
local select_events = require "wayproof.select"
local stages_of = require "wayproof.stages"

local classes = {}

-- The class of an event: a stage's position; true: ask the row; false: none.
local function class_of(stages, event)
  for i, stage in ipairs(stages) do
    if select_events.has_event(stage.selector, event) then
      if stage.selector.filter or stage.selector.except then return true end
      return i
    end
  end
  return false
end

--- Names of the classes, and the fields `classes, classes_count, class_selections` of the core's
--- options. Raises on stages whose events the log does not know.
---@param stages wayproof.Stages|nil  nil: every event name is its own class
---@return string[] names
---@return table fields
function classes.of(log, stages, what)
  local events = resolve.names(log).events
  if stages == nil then return events, {} end
  stages_of.check(stages, what .. ": stages")
  local selections, by_code, asks = {}, {}, false
  for i, stage in ipairs(stages) do selections[i] = resolve.selector(log, stage.selector) end
  for code, event in ipairs(events) do
    by_code[code] = class_of(stages, event)
    asks = asks or by_code[code] == true
  end
  return stages:names(), { classes = by_code, classes_count = #stages,
    class_selections = asks and selections or nil }
end

--- The core's options with the fields of classes.of in them.
function classes.with(fields, options)
  for key, value in pairs(fields) do options[key] = value end
  return options
end

return classes
