--- What every analysis of a log accepts: `where`, `since`, `before` and `by`.
---
--- `where`, `since` and `before` narrow the log first (no event is copied). `by` names a property
--- or
--- an attribute: people are grouped by their first value of it in what is left, and the analysis
--- runs once per group besides once for everybody.
local check = require "wayproof.check"
local core = require "wayproof.core"
local object = require "wayproof.object"
local resolve = require "wayproof.resolve"

local view = {}

--- Names of the options that `view` understands, to be added to an analysis's own.
view.options = { "where", "since", "before", "by", "groups" }

--- The list of option names of an analysis: its own and the common ones.
---@param own string[]
---@return string[]
function view.allowed(own)
  local list = table.move(own, 1, #own, 1, {})
  return table.move(view.options, 1, #view.options, #list + 1, list)
end

--- The log that `options` ask about.
---@return userdata log
function view.of(log, options, what)
  local narrow = {}
  if options.where ~= nil then
    check.type(options.where, "table", what .. ": where", "a filter table")
    for key, value in pairs(options.where) do narrow[key] = value end
  end
  narrow.since = options.since or narrow.since
  narrow.before = options.before or narrow.before
  if next(narrow) == nil then return log end
  return log:where(narrow)
end

local groups_default = 12

--- Runs `analyse` for each group of people by their first (or last) value of `options.by`.
---@return table fields  `by`, `groups` (list of the fields of each group, with `value` and
---   `people`) and
---   `users_left` (people in groups beyond the option `groups`)
function view.groups(narrowed, options, what, last, analyse)
  check.name(options.by, what .. ": by", "a property or attribute name")
  local column = resolve.column(narrowed, options.by)
  if column.kind ~= "text" then
    check.fail("%s: by: '%s' holds numbers (expected a text property: list it under `properties` "
      .. "when reading)", what, options.by)
  end
  local most = check.integer(options.groups or groups_default, what .. ": groups", 1, 10000)
  local groups, left = core.flow.groups(narrowed, column.column, column.per_user, most, last)
  if not groups then error(left, 0) end
  local fields = { by = options.by, users_left = left, groups = {} }
  for i, group in ipairs(groups) do
    local own = analyse(group.log)
    own.value = group.value
    fields.groups[i] = object.freeze(own)
    group.log:close()
  end
  return fields
end

--- Runs `analyse(view)` for everybody and, with `by`, for each group, largest first.
---@param analyse fun(log: userdata): table  fields of the result
---@return table fields  those of everybody; with `by` also those of view.groups
function view.run(log, options, what, analyse)
  local narrowed = view.of(log, options, what)
  local fields = analyse(narrowed)
  if options.by ~= nil then
    local grouped = view.groups(narrowed, options, what, false, analyse)
    fields.by, fields.groups, fields.users_left = grouped.by, grouped.groups, grouped.users_left
  end
  return fields
end

return view
