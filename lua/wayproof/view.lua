--- What every analysis of a log accepts: `where`, `since`, `before`, `by` and what goes with it.
---
--- `where`, `since` and `before` narrow the log first (no event is copied). `by` names a property
--- or an attribute: people are grouped by their first value of it in what is left, and the analysis
--- runs once per group besides once for everybody. All events of a person are in one group.
local check = require "wayproof.check"
local core = require "wayproof.core"
local object = require "wayproof.object"
local resolve = require "wayproof.resolve"
local time = require "wayproof.time"

local view = {}

--- Names of the options that `view` understands, to be added to an analysis's own.
view.options = { "where", "since", "before", "by", "groups", "min_group" }

--- The list of option names of an analysis: its own and the common ones.
---@param own string[]
---@return string[]
function view.allowed(own)
  local list = table.move(own, 1, #own, 1, {})
  return table.move(view.options, 1, #view.options, #list + 1, list)
end

local function narrow(log, options, what)
  local wanted = {}
  if options.where ~= nil then
    check.type(options.where, "table", what .. ": where", "a filter table")
    for key, value in pairs(options.where) do wanted[key] = value end
  end
  if options.since ~= nil then wanted.since = options.since end
  if options.before ~= nil then wanted.before = options.before end
  if next(wanted) == nil then return log end
  return log:where(wanted)
end

--- The log that `options` ask about. Raises what a failing world says: an analysis has no second
--- return value.
---@return userdata log
function view.of(log, options, what)
  if check.class(log) ~= "wayproof.Log" then
    check.fail("%s: %s (expected a log: call methods with a colon)", what, check.describe(log))
  end
  if log:is_closed() then check.fail("%s: log is closed", what) end
  local part, message = narrow(log, options, what)
  if not part then error(message, 0) end
  return part
end

--- The same up to `options.as_of`, and the end of observation in µs: `as_of`, else the log's last
--- event (of everybody: who is left out by `where` was observed as long).
---@return userdata log
---@return integer as_of_us
function view.observed(log, options, what)
  local part = view.of(log, options, what)
  local last_us = core.log.facts(log, false).last or 0
  if options.before ~= nil then
    local before_us = time.instant(options.before, what .. ": before")
    if before_us - 1 < last_us then last_us = before_us - 1 end
  end
  if options.as_of == nil then return part, last_us end
  local as_of_us = time.instant(options.as_of, what .. ": as_of")
  if as_of_us < last_us then
    local seen, message = part:where { before = as_of_us + 1 }
    if not seen then error(message, 0) end
    part = seen
  end
  return part, as_of_us
end

local groups_default = 12

--- How many groups are shown, and of how many people at least.
---@return integer most, integer least
function view.limits(options, what)
  return check.integer(options.groups or groups_default, what .. ": groups", 1, 10000),
    check.integer(options.min_group or 1, what .. ": min_group", 1)
end

--- How many of the groups are shown: those of fewer than `least` people are not, nor the smallest
--- of the others while those left out are fewer than that together, as what they did would follow
--- from the figures of everybody.
---@param sizes integer[] people in each group, falling
---@param left integer people who are left out already
---@return integer shown
---@return integer left people of all groups that are not shown
function view.shown(sizes, least, left)
  local shown = #sizes
  while shown > 0 and (sizes[shown] < least or left > 0 and left < least) do
    left = left + sizes[shown]
    shown = shown - 1
  end
  return shown, left
end

--- Runs `analyse` for each group of people by their first (or last) value of `options.by`.
---@param analyse fun(log: userdata): table  fields of one group
---@return table fields  `by`, `groups` (list of the fields of each group, with `value`; nil: people
---   without one) and `users_left` (people in groups beyond the option `groups` or smaller than
---   `min_group`)
function view.groups(narrowed, options, what, last, analyse)
  check.name(options.by, what .. ": by", "a property or attribute name")
  local column = resolve.column(narrowed, options.by)
  if column.kind ~= "text" then
    check.fail("%s: by: '%s' holds numbers (expected a text property: list it under `properties` "
      .. "when reading)", what, options.by)
  end
  local most, least = view.limits(options, what)
  local groups, left = core.flow.groups(narrowed, column.column, column.per_user, most, last)
  if not groups then error(left, 0) end
  local sizes = {}
  for i, group in ipairs(groups) do sizes[i] = group.log:users() end
  local shown, users_left = view.shown(sizes, least, left)
  local fields = { by = options.by, users_left = users_left, groups = {} }
  for i, group in ipairs(groups) do
    if i <= shown then
      local own = analyse(group.log)
      own.value = group.value
      fields.groups[i] = object.freeze(own)
    end
    group.log:close()
  end
  return fields
end

--- Runs `analyse(view)` for everybody and, with `by`, for each group, largest first.
---@param analyse fun(log: userdata, as_of_us: integer): table  fields of the result
---@return table fields  those of everybody; with `by` also those of view.groups
function view.run(log, options, what, analyse)
  local part, as_of_us = view.observed(log, options, what)
  local fields = analyse(part, as_of_us)
  if options.by ~= nil then
    local grouped = view.groups(part, options, what, false, function(group)
      return analyse(group, as_of_us)
    end)
    fields.by, fields.groups, fields.users_left = grouped.by, grouped.groups, grouped.users_left
  end
  return fields
end

return view
