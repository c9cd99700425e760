--- Funnels: how far people get through a list of steps, and who did not.
---
--- One winning sequence per user decides every figure (csrc/journey/funnel.h), so that times are
--- never negative and people can be listed. Rates name their denominator: everybody who entered.
--- People whose window is still open when the log ends are pending, never dropped.
local check = require "wayproof.check"
local core = require "wayproof.core"
local object = require "wayproof.object"
local presets = require "wayproof.funnel_presets"
local resolve = require "wayproof.resolve"
local select_events = require "wayproof.select"
local show = require "wayproof.show"
local stages_of = require "wayproof.stages"
local stats = require "wayproof.stats"
local view = require "wayproof.view"

local funnel = {}

-- What people write ------------------------------------------------------------------------------

local step_options = { "name", "events", "where", "optional", "within", "after" }

local function step_of(entry, what)
  if type(entry) == "string" or select_events.is_selector(entry) then
    local selector = select_events.selector(entry, nil, what)
    return { name = type(entry) == "string" and entry or tostring(selector), selector = selector }
  end
  if type(entry) ~= "table" or check.class(entry) then
    check.fail("%s: %s (expected an event name, a list of names that mean the same step, or "
      .. "{ events = …, where = …, optional = true })", what, check.describe(entry))
  end
  local named, events = {}, {}
  for key, value in pairs(entry) do
    if math.type(key) == "integer" then events[key] = value else named[key] = value end
  end
  check.options(named, step_options, what)
  if named.events ~= nil then events = named.events end
  if type(events) == "table" and next(events) == nil then events = nil end
  local selector = select_events.selector(events, named.where, what)
  return {
    name = named.name and check.name(named.name, what .. ": name") or tostring(selector),
    selector = selector,
    optional = named.optional and check.boolean(named.optional, what .. ": optional") or nil,
    gap_max_us = named.within and check.duration(named.within, what .. ": within"),
    gap_min_us = named.after and check.duration(named.after, what .. ": after"),
  }
end

local function steps_of(given)
  local steps = {}
  if stages_of.is(given) then
    for i, stage in ipairs(given) do steps[i] = { name = stage.name, selector = stage.selector } end
  else
    if type(given) ~= "table" or check.class(given) then
      check.fail("funnel: %s (expected a list of steps, or stages)", check.describe(given))
    end
    for i = 1, #given do steps[i] = step_of(given[i], "funnel: step " .. i) end
  end
  if #steps == 0 then check.fail("funnel: no steps (expected at least one)") end
  if #steps > 32 then check.fail("funnel: %d steps (expected at most 32)", #steps) end
  if steps[1].optional then
    check.fail("funnel: step 1 is optional (expected a first step that counts)")
  end
  return steps
end

-- { between = {1, 3} } in positions or step names.
local function place_of(value, steps, what)
  if math.type(value) == "integer" and steps[value] then return value end
  for i, step in ipairs(steps) do
    if step.name == value then return i end
  end
  check.fail("%s: %s (expected the name or the number of a step)", what, check.describe(value))
end

local function exclusion_of(entry, steps, what, scope)
  if type(entry) == "string" or (type(entry) == "table" and not check.class(entry)
      and entry.events == nil and entry[1] ~= nil and entry.between == nil and entry.where == nil
      and entry.scope == nil) then
    entry = { events = entry }
  end
  check.options(entry, { "events", "where", "between", "scope", 1, 2 }, what)
  local events = entry.events or entry[1]
  local between = entry.between or { 1, #steps }
  check.type(between, "table", what .. ": between", "two steps such as { 1, 3 }")
  local after = place_of(between[1], steps, what .. ": between")
  local before = place_of(between[2], steps, what .. ": between")
  if after >= before then
    check.fail("%s: between steps %d and %d (expected an earlier and a later step)", what,
      after, before)
  end
  return {
    selector = select_events.selector(events, entry.where, what),
    after_step = after, before_step = before,
    scope = check.choice(entry.scope or scope, { "attempt", "user" }, what .. ": scope"),
  }
end

local function exclusions_of(given, steps, scope)
  if given == nil then return {} end
  if type(given) == "string" then given = { given } end
  check.type(given, "table", "funnel: exclude", "an event, a list of events, or a list of tables")
  if given.events ~= nil or given.where ~= nil then given = { given } end
  local list, names = {}, {}
  for _, entry in ipairs(given) do
    if type(entry) == "string" then
      names[#names + 1] = entry
    else
      list[#list + 1] = exclusion_of(entry, steps, "funnel: exclude", scope)
    end
  end
  if #names > 0 then
    list[#list + 1] = exclusion_of({ events = names }, steps, "funnel: exclude", scope)
  end
  if #steps < 2 and #list > 0 then
    check.fail("funnel: exclude: one step (expected two or more)")
  end
  return list
end

local choices = {
  order = { loose = 0, strict = 1, any = 2 },
  entry = { any = 0, first = 1, latest = 2 },
  ties = { as_recorded = 0, any = 1, strict = 2 },
}

local function choice_names(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- Options in full: what was said, then the preset's rules, then ours.
local function settle(options, steps)
  local preset = options.semantics and presets.get(options.semantics) or presets.ours
  local rules = {}
  for _, name in ipairs { "order", "entry", "ties", "within", "exclude_scope", "reuse_rows",
    "first_required", "grace" } do
    local given = options[name]
    if given == nil then given = preset.rules[name] end
    rules[name] = given
  end
  for name, map in pairs(choices) do
    check.choice(rules[name], choice_names(map), "funnel: " .. name)
  end
  check.choice(rules.exclude_scope, { "attempt", "user" }, "funnel: exclude_scope")
  rules.within_us = rules.within and check.duration(rules.within, "funnel: within") or nil
  rules.grace_us = rules.grace and check.duration(rules.grace, "funnel: grace") or 0
  rules.denominator = preset.rules.denominator or "entered"
  rules.hold = options.hold and check.name(options.hold, "funnel: hold", "a property name")
  rules.exclusions = exclusions_of(options.exclude, steps, rules.exclude_scope)
  return rules
end

-- The core's options for one log.
local function compile(log, steps, rules, as_of_us)
  local plan = {
    steps = {}, exclusions = {}, within_us = rules.within_us, as_of_us = as_of_us,
    order = choices.order[rules.order], entry = choices.entry[rules.entry],
    ties = choices.ties[rules.ties], grace_us = rules.grace_us,
    reuse_rows = rules.reuse_rows, first_required = rules.first_required,
  }
  for i, step in ipairs(steps) do
    plan.steps[i] = { selection = resolve.selector(log, step.selector), optional = step.optional,
      gap_min_us = step.gap_min_us, gap_max_us = step.gap_max_us }
  end
  for i, exclusion in ipairs(rules.exclusions) do
    plan.exclusions[i] = { selection = resolve.selector(log, exclusion.selector),
      after_step = exclusion.after_step, before_step = exclusion.before_step,
      whole_user = exclusion.scope == "user" }
  end
  if rules.hold then
    local column = resolve.column(log, rules.hold)
    if column.kind ~= "text" or column.per_user then
      check.fail("funnel: hold: '%s' is not a text property of events", rules.hold)
    end
    plan.hold_text = column.column
  end
  return plan
end

-- Figures ----------------------------------------------------------------------------------------

local function add_rates(steps, figures, denominator)
  for i, figure in ipairs(figures) do
    figure.name = steps[i].name
    figure.optional = steps[i].optional
    local before = i - 1
    while before > 1 and steps[before].optional do before = before - 1 end
    if denominator > 0 then
      local interval = stats.wilson(figure.users, denominator)
      figure.rate, figure.low, figure.high = figure.users / denominator, interval.low, interval.high
    end
    if i > 1 and figures[before].users > 0 then
      local interval = stats.wilson(figure.users, figures[before].users)
      figure.from_previous = figure.users / figures[before].users
      figure.from_previous_low, figure.from_previous_high = interval.low, interval.high
    end
  end
  return figures
end

local function measure(log, steps, rules, as_of_us)
  local handle, figures, counts =
    core.funnel.measure(log, compile(log, steps, rules, as_of_us))
  if not handle then error(figures, 0) end
  local all = counts.entered + counts.excluded + counts.absent
  local denominator = rules.denominator == "all" and all or counts.entered
  add_rates(steps, figures, denominator)
  local last = figures[#figures]
  local pending = 0
  for _, figure in ipairs(figures) do pending = pending + figure.pending end
  return {
    handle = handle, steps = figures, people = all, entered = counts.entered,
    excluded = counts.excluded, pending = pending, converted = last.users,
    rate = last.rate, low = last.low, high = last.high,
    denominator = rules.denominator,
  }
end

-- Attribution to the value on the row of one step of the winning sequence.
local function groups_at_step(log, fields, name, at_step, steps)
  local column = resolve.column(log, name)
  if column.kind ~= "text" or column.per_user then
    check.fail("funnel: by: '%s' is not a text property of events (attribution to a step "
      .. "needs one)", name)
  end
  local groups = {}
  for i, group in ipairs(fields.handle:by_value(column.column, at_step)) do
    local figures = {}
    for k, users in ipairs(group.users) do figures[k] = { users = users } end
    add_rates(steps, figures, figures[1].users)
    groups[i] = { value = group.value, steps = figures, entered = figures[1].users,
      converted = figures[#figures].users, rate = figures[#figures].rate }
  end
  table.sort(groups, function(a, b)
    if a.entered ~= b.entered then return a.entered > b.entered end
    return (a.value or "") < (b.value or "")
  end)
  return groups
end

-- Printing ---------------------------------------------------------------------------------------

local function rule_words(self)
  local rules = self.rules
  local parts = { rules.within and "within " .. (type(rules.within) == "number"
    and show.seconds(rules.within) or rules.within) or "no time limit" }
  parts[#parts + 1] = ({ loose = "in order", strict = "in order with nothing between",
    any = "in any order" })[rules.order]
  parts[#parts + 1] = ({ any = "every entry tried", first = "first entry only",
    latest = "latest entry only" })[rules.entry]
  if rules.hold then parts[#parts + 1] = "same " .. rules.hold end
  if self.semantics then parts[#parts + 1] = "as " .. self.semantics .. " counts" end
  return table.concat(parts, ", ")
end

local function render(self)
  local lines = { string.format("funnel of %d steps: %s of %s %s (%s), %s", #self.steps,
    show.integer(self.converted), show.integer(self.steps_base),
    self.denominator == "all" and "users" or "who entered", self.rate and show.percent(self.rate) or show.missing, rule_words(self)), "" }
  local rows = {}
  for i, step in ipairs(self.steps) do
    rows[i] = { step.name .. (step.optional and " (optional)" or ""), show.integer(step.users),
      step.rate and show.pad(show.bar(step.rate, 10), 10) or "",
      step.rate and show.percent(step.rate) or nil,
      step.from_previous and show.percent(step.from_previous) or "",
      i < #self.steps and show.integer(step.dropped) or "",
      i < #self.steps and show.integer(step.pending) or "",
      i > 1 and step.median_step_seconds and show.seconds(step.median_step_seconds) or "" }
  end
  lines[#lines + 1] = show.table({ { title = "step", align = "left" },
    { title = "users", align = "right" }, { title = "", align = "left" },
    { title = "rate", align = "right" }, { title = "of prior", align = "right" },
    { title = "dropped", align = "right" }, { title = "pending", align = "right" },
    { title = "median", align = "right" } }, rows, { indent = "  " })
  if self.excluded > 0 then
    lines[#lines + 1] = string.format("  %s excluded", show.plural(self.excluded, "user"))
  end
  if self.groups then
    local groups = {}
    for i, group in ipairs(self.groups) do
      groups[i] = { group.value or "(none)", show.integer(group.entered),
        show.integer(group.converted), group.rate and show.percent(group.rate) or nil }
    end
    lines[#lines + 1] = "\n" .. show.table({ { title = self.by, align = "left" },
      { title = "entered", align = "right" }, { title = "converted", align = "right" },
      { title = "rate", align = "right" } }, groups, { indent = "  ", max_rows = 6 })
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "try funnel:dropped(1) for the people, "
    .. "funnel:explain \"posthog\" for other rules"
  return table.concat(lines, "\n")
end

local row_fields = { "name", "users", "rate", "low", "high", "from_previous", "dropped", "pending",
  "median_seconds", "p90_seconds", "median_step_seconds", "p90_step_seconds" }

-- What a result keeps to itself: the data handle and what it takes to measure again.
local private = setmetatable({}, { __mode = "k" })

local Funnel = object.class {
  name = "wayproof.Funnel",
  render = render,
  rows = function(self)
    local rows = {}
    for i, step in ipairs(self.steps) do
      rows[i] = {}
      for k, name in ipairs(row_fields) do rows[i][k] = step[name] end
    end
    return row_fields, rows
  end,
}

local function step_index(self, step)
  local own = private[self]
  return place_of(step, own.steps, "funnel: step")
end

--- People who reached a step, each with their winning sequence.
---@param step integer|string  number or name
---@param limit? integer
---@return { user: string, level: integer, pending: boolean, events: string[], times: integer[] }[]
function Funnel.methods:users(step, limit)
  return private[self].handle:list(step_index(self, step), "reached", limit)
end

--- People who reached a step and, though they had the time, went no further.
function Funnel.methods:dropped(step, limit)
  return private[self].handle:list(step_index(self, step), "dropped", limit)
end

--- People who reached a step and still have time left to go further.
function Funnel.methods:pending_users(step, limit)
  return private[self].handle:list(step_index(self, step), "pending", limit)
end

--- Which people another tool's rules would count differently, and why: one line per rule that
--- differs, with the users whose furthest step changes when that rule alone is changed.
---@param semantics string  "clickhouse", "posthog", "mixpanel", "amplitude" or "retentioneering"
---@return wayproof.FunnelComparison
function Funnel.methods:explain(semantics)
  local own = private[self]
  return presets.compare(semantics, own.rules, function(rules)
    local fields = measure(own.log, own.steps, settle(rules, own.steps), own.as_of_us)
    return fields.handle, fields
  end, own.options)
end

---@class wayproof.Funnel
---@field steps { name: string, users: integer, rate: number, low: number, high: number,
---   from_previous: number, dropped: integer, pending: integer, median_seconds: number,
---   median_step_seconds: number }[]  `rate` of the denominator with its Wilson interval;
---   `median_seconds` from
---   the first step, `median_step_seconds` from the step before
---@field people integer      everybody in the log (or in the part that was asked about)
---@field entered integer     people who did the first step
---@field converted integer   people who did the last one
---@field pending integer     people whose window was still open at the end
---@field excluded integer    people removed by an exclusion with scope "user"
---@field denominator "entered"|"all"
---@field groups? table[]     with `by`

--- How many people get how far through the steps.
---@param steps (string|table)[]|wayproof.Stages  event names, lists of names that mean the same
---   step, or
---   { events = …, where = filter, name =, optional = true, within = "1d", after = "10m" }
---@param options? table  within (whole window from the first step, inclusive), order = "loose"
---   "strict" "any", entry
---   = "any" "first" "latest", ties = "as_recorded" "any" "strict", exclude, exclude_scope =
---   "attempt" "user", hold (property that
---   stays the same), semantics (another tool's rules), as_of; by with attribution = "first" "last"
---   or a step; where, since, before
---@return wayproof.Funnel
function funnel.funnel(log, steps, options)
  options = check.options(options, view.allowed { "within", "order", "entry", "ties", "exclude",
    "exclude_scope", "hold", "semantics", "as_of", "attribution", "grace" }, "funnel")
  steps = steps_of(steps)
  local rules = settle(options, steps)
  local part = view.of(log, options, "funnel")
  local last_us = core.log.facts(log).last
  local as_of_us = options.as_of
    and require("wayproof.time").instant(options.as_of, "funnel: as_of") or last_us or 0
  local fields = measure(part, steps, rules, as_of_us)
  local handle = fields.handle
  if options.by ~= nil then
    local attribution = options.attribution or "first"
    fields.by, fields.attribution = options.by, attribution
    if attribution == "first" or attribution == "last" then
      local grouped = view.groups(part, options, "funnel", attribution == "last", function(group)
        local own = measure(group, steps, rules, as_of_us)
        own.handle:close()
        own.handle = nil
        return own
      end)
      fields.groups, fields.users_left = grouped.groups, grouped.users_left
    else
      fields.groups = groups_at_step(log, fields, options.by,
        place_of(attribution, steps, "funnel: attribution"), steps)
    end
  end
  fields.handle = nil
  fields.semantics = options.semantics
  fields.steps_base = rules.denominator == "all" and fields.people or fields.entered
  fields.rules = { within = rules.within, order = rules.order, entry = rules.entry,
    ties = rules.ties, hold = rules.hold, exclude_scope = rules.exclude_scope }
  local result = Funnel.new(fields)
  private[result] = { handle = handle, log = part, steps = steps, rules = rules,
    as_of_us = as_of_us, options = options }
  return result
end

return funnel
