--- Funnels: how far people get through a list of steps, and who did not.
---
--- One winning sequence per person decides every figure (csrc/journey/funnel.h), so that times are
--- never negative and people can be listed. Every rate names its numerator and denominator. People
--- whose window is still open when the log ends are pending, never dropped.
local check = require "wayproof.check"
local core = require "wayproof.core"
local object = require "wayproof.object"
local presets = require "wayproof.funnel_presets"
local resolve = require "wayproof.resolve"
local rules_of = require "wayproof.funnel_rules"
local show = require "wayproof.show"
local stats = require "wayproof.stats"
local view = require "wayproof.view"

local funnel = {}

-- Figures ----------------------------------------------------------------------------------------

-- The core's options for one log.
local function compile(log, steps, rules, as_of_us)
  local codes = rules_of.codes
  local plan = {
    steps = {}, exclusions = {}, within_us = rules.within_us, as_of_us = as_of_us,
    order = codes.order[rules.order], entry = codes.entry[rules.entry],
    ties = codes.ties[rules.ties], grace_us = rules.grace_us,
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

local function interval(counted, of)
  local bounds = stats.wilson(counted, of)
  return counted / of, bounds.low, bounds.high
end

-- rate = counted / of; from_previous likewise over the step before that everybody must take.
local function add_rates(steps, figures, denominator, people)
  local key = denominator == "observable" and "closed" or "users"
  local base = denominator == "all" and people or figures[1][key]
  for i, figure in ipairs(figures) do
    figure.counted, figure.of = figure[key], base
    if base > 0 then
      figure.rate, figure.low, figure.high = interval(figure.counted, base)
    end
    local before = i - 1
    while before > 1 and steps[before].optional do before = before - 1 end
    if i > 1 and figures[before][key] > 0 then
      figure.from_previous, figure.from_previous_low, figure.from_previous_high =
        interval(figure[key], figures[before][key])
    end
  end
  return figures
end

local function name_steps(steps, figures, order)
  for i, figure in ipairs(figures) do
    figure.name, figure.optional = steps[i].name, steps[i].optional
    if order == "any" then
      figure.name = i == #steps and string.format("all %d steps", i)
        or string.format("any %d of %d", i, #steps)
    end
  end
end

local function times_of(handle)
  local times, message = handle:times()
  if not times then error(message, 0) end
  return times
end

-- The seconds of all steps, when somebody asks for one: they cost as much as the counts.
local function add_times_later(steps, handle)
  local times
  for i, step in ipairs(steps) do
    steps[i] = object.lazy(step, function()
      times = times or times_of(handle)
      return times[i]
    end)
  end
end

local function measure(log, steps, rules, as_of_us)
  local handle, figures, counts = core.funnel.measure(log, compile(log, steps, rules, as_of_us))
  if not handle then error(figures, 0) end
  local people = counts.entered + counts.excluded + counts.absent
  name_steps(steps, figures, rules.order)
  add_rates(steps, figures, rules.denominator, people)
  local last, pending = figures[#figures], 0
  for _, figure in ipairs(figures) do pending = pending + figure.pending end
  return {
    handle = handle, steps = figures, people = people, entered = counts.entered,
    excluded = counts.excluded, absent = counts.absent, pending = pending, converted = last.users,
    observable = figures[1].closed, rate = last.rate, low = last.low, high = last.high,
    denominator = rules.denominator,
  }
end

-- Groups -----------------------------------------------------------------------------------------

-- By the value on the row of one step of the winning sequence; people without it are nobody's.
local function groups_at_step(log, fields, options, at_step, steps)
  local column = resolve.column(log, check.name(options.by, "funnel: by"))
  if column.kind ~= "text" or column.per_user then
    check.fail("funnel: by: '%s' is not a text property of events (attribution to a step "
      .. "needs one)", options.by)
  end
  local groups = {}
  for i, group in ipairs(fields.handle:by_value(column.column, at_step)) do
    local figures = {}
    for k, users in ipairs(group.users) do figures[k] = { users = users } end
    name_steps(steps, figures, fields.order)
    add_rates(steps, figures, "entered")
    local last = figures[#figures]
    groups[i] = { value = group.value, steps = figures, entered = figures[1].users,
      converted = last.users, rate = last.rate, low = last.low, high = last.high }
  end
  table.sort(groups, function(a, b)
    if a.entered ~= b.entered then return a.entered > b.entered end
    return (a.value or "") < (b.value or "")
  end)
  local most, least = view.limits(options, "funnel")
  local sizes, beyond = {}, 0
  for i, group in ipairs(groups) do
    if i <= most then sizes[i] = group.entered else beyond = beyond + group.entered end
  end
  local shown, left = view.shown(sizes, least, beyond)
  for i = #groups, shown + 1, -1 do groups[i] = nil end
  return groups, left
end

local function add_groups(part, fields, options, steps, rules, as_of_us)
  local attribution = options.attribution or "first"
  fields.by, fields.attribution = options.by, attribution
  if attribution ~= "first" and attribution ~= "last" then
    fields.groups, fields.users_left = groups_at_step(part, fields, options,
      rules_of.place(attribution, steps, "funnel: attribution"), steps)
    return
  end
  local grouped = view.groups(part, options, "funnel", attribution == "last", function(group)
    local own = measure(group, steps, rules, as_of_us)
    for i, times in ipairs(times_of(own.handle)) do
      for name, seconds in pairs(times) do own.steps[i][name] = seconds end
    end
    own.handle:close() -- it keeps the view of the group in memory
    own.handle = nil
    return own
  end)
  fields.groups, fields.users_left = grouped.groups, grouped.users_left
end

-- Printing ---------------------------------------------------------------------------------------

local entry_words = { any = "every entry tried", first = "first entry only",
  latest = "latest entry only" }
local order_words = { loose = "in order", strict = "in order with nothing between",
  any = "in any order" }

local function rule_words(self)
  local rules = self.rules
  local within = rules.within
  if type(within) == "number" then within = show.seconds(within) end
  local parts = { within and "within " .. within or "no time limit", order_words[rules.order],
    entry_words[rules.entry] }
  if rules.hold then parts[#parts + 1] = "same " .. rules.hold end
  if self.semantics then parts[#parts + 1] = "as " .. self.semantics .. " counts" end
  return table.concat(parts, ", ")
end

local base_words = { entered = "who entered", all = "users",
  observable = "who entered and had all their time" }

local function step_rows(self)
  local rows, last = {}, #self.steps
  for i, step in ipairs(self.steps) do
    local stays = ""
    if i < last then
      stays = show.integer(step.dropped)
      if step.pending > 0 then stays = stays .. " + " .. show.integer(step.pending) end
    end
    rows[i] = { step.name .. (step.optional and " (optional)" or ""), show.integer(step.counted),
      step.rate and show.pad(show.bar(step.rate, 8), 8) or "",
      step.rate and show.percent(step.rate) or show.missing,
      step.from_previous and show.percent(step.from_previous) or "",
      i > 1 and step.median_step_seconds and show.span(step.median_step_seconds) or "", stays }
  end
  return rows
end

local function group_table(self)
  local rows = {}
  for i, group in ipairs(self.groups) do
    rows[i] = { group.value or "(none)", show.integer(group.entered),
      show.integer(group.converted), group.rate and show.percent(group.rate) or show.missing,
      group.low and show.percent(group.low) .. " to " .. show.percent(group.high) or "" }
  end
  local text = show.table({ { title = self.by, align = "left" },
    { title = "entered", align = "right" }, { title = "through", align = "right" },
    { title = "rate", align = "right" }, { title = "95 % interval", align = "right" } }, rows,
    { indent = "  ", max_rows = 6 })
  if self.users_left > 0 then
    text = text .. string.format("\n  %s in smaller groups", show.plural(self.users_left, "user"))
  end
  return text
end

local steps_shown = 12

local function render(self)
  local last = self.steps[#self.steps]
  local head = string.format("%s of %s %s got through: %s", show.integer(last.counted),
    show.integer(last.of), base_words[self.denominator],
    self.rate and show.interval(self.rate, self.low, self.high, show.percent) or show.missing)
  local lines = { show.wrap(head .. "; " .. rule_words(self), 78, "  "), "" }
  lines[#lines + 1] = show.table({ { title = "step", align = "left" },
    { title = "users", align = "right" }, { title = "", align = "center" },
    { title = "rate", align = "right" }, { title = "of prior", align = "right" },
    { title = "median", align = "right" },
    { title = self.pending > 0 and "left + pending" or "left", align = "right" } },
    step_rows(self), { indent = "  ", max_rows = steps_shown })
  if self.excluded > 0 then
    lines[#lines + 1] = string.format("  %s excluded", show.plural(self.excluded, "user"))
  end
  if self.groups then lines[#lines + 1] = "\n" .. group_table(self) end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "try funnel:dropped(1) for the people, "
    .. "funnel:explain \"posthog\" for other rules"
  return table.concat(lines, "\n")
end

-- The result -------------------------------------------------------------------------------------

local row_fields = { "name", "users", "counted", "of", "rate", "low", "high", "from_previous",
  "from_previous_low", "from_previous_high", "dropped", "pending", "median_seconds", "p90_seconds",
  "median_step_seconds", "p90_step_seconds" }

local function add_rows(rows, steps, group)
  for _, step in ipairs(steps) do
    local row = { group }
    for _, name in ipairs(row_fields) do row[#row + 1] = step[name] or "" end
    rows[#rows + 1] = row
  end
end

local Funnel = object.class {
  name = "wayproof.Funnel",
  render = render,
  rows = function(self)
    local rows, names = {}, table.move(row_fields, 1, #row_fields, 2, { self.by or "group" })
    add_rows(rows, self.steps, "")
    for _, group in ipairs(self.groups or {}) do add_rows(rows, group.steps, group.value or "") end
    return names, rows
  end,
}

-- What a result keeps to itself: the data handle and what it takes to measure again.
local private = setmetatable({}, { __mode = "k" })

local function list(self, step, kind, limit)
  local own = private[self]
  limit = limit and check.integer(limit, "funnel: limit", 0)
  local place = rules_of.place(step, own.steps, "funnel: step")
  if own.rules.order == "any" and type(step) == "string" and kind == "reached" then kind = "did" end
  return own.handle:list(place, kind, limit)
end

--- People who reached a step, each with their winning sequence.
---@param step integer|string  number or name; in any order a number counts steps, a name is a step
---@param limit? integer
---@return { user: string, level: integer, pending: boolean, events: string[], times: integer[] }[]
function Funnel.methods:users(step, limit) return list(self, step, "reached", limit) end

--- People who reached a step and, though they had the time, went no further.
function Funnel.methods:dropped(step, limit) return list(self, step, "dropped", limit) end

--- People who reached a step and still have time left to go further.
function Funnel.methods:pending_users(step, limit) return list(self, step, "pending", limit) end

--- Which people another tool's rules would count differently, and why: per rule that differs, the
--- people whose furthest step changes when that rule alone is changed.
---@param semantics string  "clickhouse", "posthog", "mixpanel", "amplitude" or "retentioneering"
---@return wayproof.FunnelComparison
function Funnel.methods:explain(semantics)
  local own = private[self]
  return presets.compare(semantics, own.rules, function(given)
    local fields = measure(own.log, own.steps, rules_of.settle(given, own.steps), own.as_of_us)
    return fields.handle, fields
  end, own.options)
end

---@class wayproof.Funnel
---@field steps table[]      each `name, users`; `rate` = `counted` / `of`, Wilson's `low, high`;
---   `from_previous` with `from_previous_low, from_previous_high`; `dropped` and `pending` (people
---   who went no further); `closed` (of `users`: their window was over); `median_seconds,
---   p90_seconds` from the first step, `median_step_seconds, p90_step_seconds` from the one before
---@field people integer     everybody in the log (or in the part that was asked about)
---@field entered integer    people who did the first step
---@field absent integer     people who did not
---@field observable integer of `entered`: their window was over when the log ended
---@field converted integer  people who did the last step
---@field pending integer    people who did not, but still can
---@field excluded integer   people removed by an exclusion with scope "user"
---@field denominator "entered"|"observable"|"all"
---@field groups? table[]    with `by`: the same fields per `value`

local option_names = view.allowed { "within", "order", "entry", "ties", "grace", "exclude",
  "exclude_scope", "hold", "semantics", "as_of", "attribution", "denominator" }

--- How many people get how far through the steps.
---@param steps (string|table)[]|wayproof.Stages  event names, lists of names that mean the same
---   step, or { events = …, where = filter, name =, optional = true, within = "1d", after = "10m" }
---@param options? table  within (from the first step to the last, inclusive), order = "loose"
---   "strict" "any", entry = "any" "first" "latest", ties = "as_recorded" "any" "strict", grace,
---   exclude, exclude_scope = "attempt" "user", hold (property that stays the same), denominator =
---   "entered" "observable" "all", semantics (another tool's rules), as_of; by with attribution =
---   "first" "last" or a step; where, since, before
---@return wayproof.Funnel
function funnel.funnel(log, steps, options)
  options = check.options(options, option_names, "funnel")
  steps = rules_of.steps(steps)
  local rules = rules_of.settle(options, steps)
  if options.attribution ~= nil and options.by == nil then
    check.fail("funnel: attribution without `by` (expected both)")
  end
  local part, as_of_us = view.observed(log, options, "funnel")
  local fields = measure(part, steps, rules, as_of_us)
  fields.order = rules.order
  if options.by ~= nil then add_groups(part, fields, options, steps, rules, as_of_us) end
  local handle = fields.handle
  fields.handle = nil
  add_times_later(fields.steps, handle)
  fields.semantics = options.semantics
  fields.rules = { within = rules.within, order = rules.order, entry = rules.entry,
    ties = rules.ties, grace = rules.grace, hold = rules.hold, exclude_scope = rules.exclude_scope }
  local result = Funnel.new(fields)
  private[result] = { handle = handle, log = part, steps = steps, rules = rules,
    as_of_us = as_of_us, options = options }
  return result
end

return funnel
