--- Log: events of many users in memory, or a view of them.
---
--- The core holds the columns and does the work; here options are checked and results put into
--- words. Views share the memory of the log they come from. Methods of the analyses live in their
--- own modules and are loaded when they are first called (`rooms` below).
local check = require "wayproof.check"
local core = require "wayproof.core"
local journeys = require "wayproof.journey"
local object = require "wayproof.object"
local resolve = require "wayproof.resolve"
local select_events = require "wayproof.select"
local show = require "wayproof.show"
local undated = require "wayproof.undated"

local log = {}
local methods = core.log.methods
local metatable = core.log.metatable

-- Methods of other rooms -------------------------------------------------------------------------

-- Method = { module, function in it (default: the method's name) }. A method exists when its module
-- does. They are called as fn(log, ...).
local rooms = {
  measure = { "wayproof.measure_log" },
  validate = { "wayproof.validate", "log" },
  sessions = { "wayproof.flow" },
  transitions = { "wayproof.flow" },
  paths = { "wayproof.paths" },
  dwell = { "wayproof.gaps" },
  gaps = { "wayproof.gaps" },
  retention = { "wayproof.retention" },
  funnel = { "wayproof.funnel" },
  friction = { "wayproof.friction" },
  clarity = { "wayproof.clarity" },
  discover = { "wayproof.discover" },
  confidence = { "wayproof.confidence" },
  watch = { "wayproof.watch" },
  review = { "wayproof.review" },
  experiment = { "wayproof.experiment" },
  explain = { "wayproof.explain" },
  save = { "wayproof.store" },
}

setmetatable(methods, {
  __index = function(_, name)
    local room = rooms[name]
    if not room or not package.searchpath(room[1], package.path) then return nil end
    local method = require(room[1])[room[2] or name]
    rawset(methods, name, method)
    return method
  end,
})

-- Arguments --------------------------------------------------------------------------------------

local function check_log(self, what)
  if check.class(self) ~= "wayproof.Log" then
    check.fail("%s: %s (expected a log: call methods with a colon)", what, check.describe(self))
  end
  if self:is_closed() then check.fail("%s: log is closed", what) end
end

-- Microseconds from an integer of microseconds or a text.
local function instant(value, what)
  if value == nil then return nil end
  if math.type(value) == "integer" then return value end
  local time_us = type(value) == "string" and core.time.parse(value)
  if not time_us then
    check.fail("%s: %s (expected a time such as \"2024-03-01\" or microseconds)", what,
      check.describe(value))
  end
  return time_us
end

local function user_list(users, what)
  if users == nil then return nil end
  if type(users) == "string" or math.type(users) == "integer" then users = { users } end
  if type(users) ~= "table" or check.class(users) then
    check.fail("%s: users: %s (expected a list of ids)", what, check.describe(users))
  end
  local list = {}
  for i, id in ipairs(users) do
    if type(id) ~= "string" and math.type(id) ~= "integer" then
      check.fail("%s: users: %s (expected a list of ids)", what, check.describe(id))
    end
    list[i] = id
  end
  if #list == 0 and next(users) ~= nil then
    check.fail("%s: users: a table with named entries (expected a list of ids)", what)
  end
  return list
end

-- Views ------------------------------------------------------------------------------------------

local own_options = { since = true, before = true, users = true, events = true }

-- The other entries are conditions on properties. A slip in an option's name would look like one;
-- resolve names what comes close among the columns, so options are looked at first.
local function conditions_of(self, options)
  local filter = {}
  for key, value in pairs(options) do
    if type(key) ~= "string" then
      check.fail("where: unexpected entry [%s] (expected named conditions)", tostring(key))
    end
    if not own_options[key] then filter[key] = value end
  end
  for key in pairs(filter) do
    if key ~= "properties" and not resolve.find_column(self, key) then
      local near = require("wayproof.suggest").closest(key, { "since", "before", "users", "events",
        "properties" })
      if near then check.fail("where: unknown property '%s' (did you mean '%s'?)", key, near) end
    end
  end
  return filter
end

--- The events for which all conditions hold, as a new Log that shares this one's memory. Users
--- without such an event are not part of it.
---
---     log:where { device = "mobile", since = "2024-03-01", events = { "search", "W_*" } }
---@param options table  conditions by property or attribute; `since`, `before` (microseconds or
---   text; since <= time < before), `users` (list of ids), `events` (names and patterns),
---   `properties` (conditions on properties that are called like one of these)
---@return wayproof.Log
function methods:where(options)
  check_log(self, "where")
  if type(options) ~= "table" or check.class(options) then
    check.fail("where: %s (expected conditions such as { device = \"mobile\" })",
      check.describe(options))
  end
  local filter = select_events.filter(conditions_of(self, options), "where")
  local selector = select_events.selector(options.events, filter, "where")
  local view = core.log.where(self, resolve.selector(self, selector), instant(options.since,
    "where: since"), instant(options.before, "where: before"), user_list(options.users, "where"))
  return undated.passed_on(self, view, selector)
end

--- Two logs by the users' first event: those who came before `at`, with all their events, and those
--- who came at `at` or later. For judging on later people what was found on earlier ones.
---
---     local early, late = log:split { at = "2024-04-01" }
---@param options { at: integer|string }
---@return wayproof.Log before, wayproof.Log after
function methods:split(options)
  check_log(self, "split")
  check.options(options, { "at" }, "split")
  local at = instant(options and options.at, "split: at")
  if not at then check.fail("split: at: nothing (expected a time such as \"2024-03-01\")") end
  local early, late = core.log.split(self, at)
  return undated.passed_on(self, early), undated.passed_on(self, late)
end

--- Another property becomes the unit: journeys, users and rates are then of accounts, say. Events
--- without it are left out and counted (`summary().ungrouped`); the former user id becomes the
--- property `user`; attributes of users stay behind, since they describe somebody else than the
--- unit. Events are copied. At equal times they are ordered by former user, then as they were.
---
---     local accounts = log:regroup "account_id"
---@param property string  a text property or attribute
---@return wayproof.Log
function methods:regroup(property)
  check_log(self, "regroup")
  check.name(property, "regroup", "the name of a property")
  local column = resolve.column(self, property)
  if column.kind ~= "text" then
    check.fail("regroup: '%s' holds numbers (expected a property: list it under `properties` when "
      .. "reading)", property)
  end
  local former = "user"
  if resolve.find_column(self, former) then former = nil end
  local groups = core.log.regroup(self, column.column, column.per_user, former)
  return undated.passed_on(self, groups, { property })
end

-- Journeys ---------------------------------------------------------------------------------------

--- Iterates over the users in the order in which they first appear in the source.
---
---     for id, journey in log:journeys() do print(id, #journey, journey[1].event) end
---
--- A journey is a list of events in time order, each `{ time, event, value, <properties> }` with
--- what is missing left out; with a users table, `journey.attributes` holds the user's attributes.
---@return fun(): string, table
function methods:journeys()
  check_log(self, "journeys")
  return core.log.journeys(self)
end

--- The journey of one user, or nil when the log has no such user.
---@param id string|integer
---@return table|nil
function methods:journey(id)
  check_log(self, "journey")
  if type(id) ~= "string" and math.type(id) ~= "integer" then
    check.fail("journey: %s (expected the id of a user)", check.describe(id))
  end
  return journeys.named(core.log.journey(self, id), id)
end

--- Number of users.
---@return integer
function methods:users()
  check_log(self, "users")
  return core.log.facts(self, false).users
end

-- Summary ----------------------------------------------------------------------------------------

local function figure(number)
  if number == math.floor(number) then return show.integer(number) end
  return math.abs(number) >= 100 and show.fixed(number, 2) or show.number(number)
end

local function property_words(property)
  local words = property.name .. " ("
  if property.kind == "number" then
    words = words .. (property.sum and string.format("%s to %s, sum %s", figure(property.min),
      figure(property.max), figure(property.sum)) or "a number, always missing")
  else
    words = words .. (property.values == 1 and "1 value" or show.integer(property.values)
      .. " values")
  end
  if property.missing > 0 and property.present > 0 then
    words = words .. ", " .. show.percent(property.missing / (property.present + property.missing))
      .. " missing"
  end
  return words .. ")"
end

local function columns_lines(summary, per_user, title, lines)
  local parts = {}
  for _, property in ipairs(summary.properties) do
    if property.per_user == per_user then parts[#parts + 1] = property_words(property) end
  end
  if #parts == 0 then return end
  for shown = math.min(#parts, 8), 1, -1 do -- at most three lines
    local some = table.move(parts, 1, shown, 1, {})
    if shown < #parts then some[shown + 1] = string.format("and %d more", #parts - shown) end
    local text = show.wrap(title .. table.concat(some, ", "), 78, "  ")
    if shown == 1 or select(2, text:gsub("\n", "")) < 3 then
      lines[#lines + 1] = text
      return
    end
  end
end

-- What a person should know before trusting figures of this log.
local function notes(summary, lines)
  local function note(count, word, rest)
    if count > 0 then lines[#lines + 1] = show.plural(count, word) .. rest end
  end
  note(summary.skipped, "bad row", " left out (bad_rows = \"skip\")")
  note(summary.ungrouped, "event", " left out by regroup: the property is missing there")
  note(summary.idle_users, "user", " without any event")
  if not summary.ties_ordered then
    note(summary.ties, "event", " at the same instant as the user's event before, in row order")
  end
  if summary.first and summary.first >= 0 and summary.last < 365 * 86400000000 then
    lines[#lines + 1] = "every event falls in 1970: is `time_unit` right?"
  end
  if summary.time_zone_assumed then
    lines[#lines + 1] = "some times have no offset: read as UTC (timezone = \"…\" if they are not)"
  end
end

local function header(facts, names_count)
  local parts = { show.plural(facts.events, "event"), show.plural(facts.users, "user") }
  if names_count then parts[3] = show.plural(names_count, "event name") end
  if facts.first then
    parts[#parts + 1] = show.date(facts.first) .. " … " .. show.date(facts.last)
  end
  return table.concat(parts, " · ")
end

local function event_rows(summary)
  local rows = {}
  for i, event in ipairs(summary.event_names) do
    rows[i] = { event.name, event.events, event.events / summary.events, event.users }
  end
  return rows
end

local function integer_column(title)
  return { title = title, align = "right", format = show.integer }
end

local function events_table(summary, most)
  return show.table({ "event", integer_column "events",
    { title = "share", align = "right", format = show.percent }, integer_column "users" },
    event_rows(summary), { max_rows = most })
end

local function render(summary, most, next_step)
  local lines = { header(summary, #summary.event_names) }
  if summary.events > 0 then
    lines[#lines + 1] = ""
    lines[#lines + 1] = events_table(summary, most)
    lines[#lines + 1] = ""
    columns_lines(summary, false, "properties: ", lines)
    columns_lines(summary, true, "attributes: ", lines)
  end
  notes(summary, lines)
  lines[#lines + 1] = next_step
  return table.concat(lines, "\n")
end

local Summary = object.class {
  name = "wayproof.Summary",
  render = function(summary)
    local span = summary.first and string.format("\nfrom %s to %s UTC", show.instant(summary.first),
      show.instant(summary.last)) or ""
    return render(summary, 10, string.format("%s in memory%s", show.bytes(summary.bytes), span))
  end,
  rows = function(summary)
    local rows = {}
    for i, event in ipairs(summary.event_names) do
      rows[i] = { event.name, event.events, event.users }
    end
    return { "event", "events", "users" }, rows
  end,
}

local function by_frequency(a, b)
  if a.events ~= b.events then return a.events > b.events end
  return a.name < b.name
end

local summaries = setmetatable({}, { __mode = "k" })

--- What the log holds, in figures; one pass over it, remembered.
---
--- Fields: `events, users, first, last` (microseconds; nil when there are no events), `event_names`
--- (by frequency, each `name, events, users`), `properties` (each `name`, `kind` ("text" or
--- "number"), `per_user, present, missing`, and `values` or `sum, min, max`), `skipped` (bad rows),
--- `ungrouped`, `idle_users`, `ties` (events at the same instant as the user's event before),
--- `bytes`, `fingerprint` (of the contents of the whole log, also for a view).
---@return wayproof.Summary
function methods:summary()
  check_log(self, "summary")
  local summary = summaries[self]
  if not summary then
    local fields = core.log.summarize(self)
    for key, value in pairs(core.log.facts(self)) do fields[key] = value end
    fields.memory, fields.is_view = nil, nil
    table.sort(fields.event_names, by_frequency)
    summary = Summary.new(fields)
    summaries[self] = summary
  end
  return summary
end

local outlines = setmetatable({}, { __mode = "k" })

--- The part of the summary that takes no property and no id to know: `events, users, first, last,
--- event_names, idle_users, ties`. What a file holds besides stays there.
---@param self wayproof.Log
---@return table
function log.outline(self)
  if summaries[self] then return summaries[self] end
  local outline = outlines[self]
  if not outline then
    outline = core.log.summarize(self, false)
    for key, value in pairs(core.log.facts(self, false)) do outline[key] = value end
    table.sort(outline.event_names, by_frequency)
    outlines[self] = outline
  end
  return outline
end

function metatable.__tostring(self)
  if self:is_closed() then return "Log (closed)" end
  local summary = methods.summary(self)
  if summary.events == 0 then
    return render(summary, 0, "no events: check the file, the options or the conditions of where")
  end
  return render(summary, 8, "next: log:summary(), or log:validate(wp.hypothesis \"…\" { … })")
end

--- Whether a value is a Log.
---@return boolean
function log.is(value)
  return check.class(value) == "wayproof.Log"
end

return log
