--- Retention: who comes back, by the period in which they began.
---
--- Calendar periods (day, week from Monday, month) are cut at midnight of `zone`, default UTC; with
--- `align = "user"` a period is counted from each user's own first event. Users whose period is not
--- over at `as_of` are not observable there: calendar cells are marked incomplete, and user-aligned
--- rates have the observable users as their denominator.
local check = require "wayproof.check"
local core = require "wayproof.core"
local flow = require "wayproof.flow"
local object = require "wayproof.object"
local resolve = require "wayproof.resolve"
local select_events = require "wayproof.select"
local show = require "wayproof.show"
local stats = require "wayproof.stats"
local view = require "wayproof.view"

local retention = {}

local DAY = 86400000000
local lengths = { day = DAY, week = 7 * DAY }
local cohorts_max = 5000

-- Days since 1970 of a civil date and back (proleptic Gregorian; Hinnant's era arithmetic).
local function days_from_civil(year, month, day)
  if month <= 2 then year = year - 1 end
  local era = year // 400
  local of_era = year - era * 400
  local of_year = (153 * (month > 2 and month - 3 or month + 9) + 2) // 5 + day - 1
  return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
end

local function civil_from_days(days)
  days = days + 719468
  local era = days // 146097
  local of_era = days - era * 146097
  local year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
  local of_year = of_era - (365 * year + year // 4 - year // 100)
  local month = (5 * of_year + 2) // 153
  return year + era * 400 + (month >= 10 and 1 or 0), month < 10 and month + 3 or month - 9
end

local function offset_us(time_us, zone)
  if not zone then return 0 end
  local seconds, message = core.time.offset(time_us, zone)
  if not seconds then check.fail("retention: zone: %s", message) end
  return seconds * 1000000
end

-- UTC instant of local midnight at a day number. At a clock change the offset of the guess and of
-- the midnight may differ, so it is asked twice.
local function midnight(day, zone)
  local guess = day * DAY - offset_us(day * DAY, zone)
  return day * DAY - offset_us(guess, zone)
end

local function first_day(day, period)
  if period == "week" then return day - (day + 3) % 7 end -- 1970-01-01 was a Thursday
  if period == "month" then
    local year, month = civil_from_days(day)
    return days_from_civil(year, month, 1)
  end
  return day
end

local function next_day(day, period)
  if period == "day" then return day + 1 end
  if period == "week" then return day + 7 end
  local year, month = civil_from_days(day)
  if month == 12 then return days_from_civil(year + 1, 1, 1) end
  return days_from_civil(year, month + 1, 1)
end

local shown_default = 12

-- Ascending boundaries of the periods that cover all events, and how many periods to look at. Where
-- people were observed longer than that, the boundaries of as many periods more.
local function boundaries(first_us, last_us, as_of_us, rules)
  local period, zone = rules.period, rules.zone
  local day = first_day((first_us + offset_us(first_us, zone)) // DAY, period)
  local list = { midnight(day, zone) }
  local function extend()
    day = next_day(day, period)
    list[#list + 1] = midnight(day, zone)
  end
  repeat
    extend()
    if #list > cohorts_max + 1 then
      check.fail("retention: more than %d periods of a %s between the first and the last event "
        .. "(expected a longer period)", cohorts_max, period)
    end
  until list[#list] > last_us
  local periods = rules.periods or math.min(shown_default, #list - 1)
  for _ = 1, periods do
    if list[#list] > as_of_us + 1 then break end
    extend()
  end
  return list, periods
end

-- The rates and their intervals, when somebody asks for one: they cost more than the counts.
-- Holes (nobody to see yet) are false, so that lists keep their length.
local function with_rates(row, denominators)
  return object.lazy(row, function()
    local rates, low, high = {}, {}, {}
    for j, retained in ipairs(row.retained) do
      local of = denominators and denominators[j] or row.users
      rates[j], low[j], high[j] = false, false, false
      if of > 0 then
        local interval = stats.wilson(retained, of)
        rates[j], low[j], high[j] = retained / of, interval.low, interval.high
      end
    end
    return { rates = rates, low = low, high = high }
  end)
end

local function cohort_rows(counts, bounds, user_aligned)
  local cohorts = {}
  for i, count in ipairs(counts) do
    if count.users > 0 then
      local row = { start = bounds[i], users = count.users, retained = count.active,
        observable = count.observable, complete = {} }
      for j, observable in ipairs(count.observable) do
        row.complete[j] = observable == count.users
      end
      cohorts[#cohorts + 1] = with_rates(row, user_aligned and count.observable)
    end
  end
  return cohorts
end

-- All cohorts together, by period: only people whose period was over.
local function overall_row(cohorts, periods, user_aligned)
  local row = { users = 0, retained = {}, observable = {} }
  for _, cohort in ipairs(cohorts) do row.users = row.users + cohort.users end
  for j = 1, periods do
    local retained, observable = 0, 0
    for _, cohort in ipairs(cohorts) do
      if user_aligned or cohort.complete[j] then
        retained = retained + cohort.retained[j]
        observable = observable + cohort.observable[j]
      end
    end
    row.retained[j], row.observable[j] = retained, observable
  end
  return with_rates(row, row.observable)
end

-- One cell: a whole percentage; * where the period was not over, · where there is nothing to see.
local function cell(rate, certain)
  if not rate then return "·" end
  local text = show.percent(rate, 0):gsub(" %%", "")
  if certain then return text end
  return rate > 0 and text .. "*" or "·"
end

local shown_most = 9

local function render(self)
  if #self.cohorts == 0 then return "no cohorts: nobody has the start event" end
  local lines = { string.format("retention by %s of %s%s: %s, %s", self.period,
    self.start or "the first event", self.align == "user" and " (counted per user)" or "",
    show.plural(#self.cohorts, "cohort"), show.plural(self.users, "user")), "" }
  local shown_periods = math.min(self.periods, shown_most)
  local header = { { title = "from", align = "left" }, { title = "users", align = "right" },
    { title = "", align = "left" } }
  for j = 1, shown_periods do header[j + 3] = { title = "+" .. (j - 1), align = "right" } end
  local most = self.groups and 6 or 12
  local rows, first = {}, math.max(1, #self.cohorts - most + 1)
  local user_aligned = self.align == "user"
  for i = first, #self.cohorts do
    local cohort = self.cohorts[i]
    local row, heat = { show.date(cohort.start), show.integer(cohort.users), "" }, {}
    for j = 1, shown_periods do
      row[j + 3] = cell(cohort.rates[j], user_aligned or cohort.complete[j])
      heat[j] = cohort.complete[j] and show.shade(cohort.rates[j]) or " "
    end
    row[3] = table.concat(heat)
    rows[#rows + 1] = row
  end
  local all = { "all", show.integer(self.overall.users), "" }
  for j = 1, shown_periods do all[j + 3] = cell(self.overall.rates[j], true) end
  rows[#rows + 1] = all
  lines[#lines + 1] = show.table(header, rows, { indent = "  " })
  if first > 1 then
    lines[#lines + 1] = string.format("  … %d earlier cohorts in .cohorts", first - 1)
  end
  lines[#lines + 1] = "  percent of the cohort; * the period was not over, · nothing to see yet"
  return table.concat(lines, "\n") .. flow.group_lines(self, { "users", "+1", "95 % interval" },
    function(group)
      local overall = group.overall
      return { show.integer(group.users), overall.rates[2] and show.percent(overall.rates[2]) or "",
        overall.low[2] and show.percent(overall.low[2]) .. " to " .. show.percent(overall.high[2])
          or "" }
    end)
end

local function add_rows(rows, fields, value)
  for _, cohort in ipairs(fields.cohorts) do
    for j, retained in ipairs(cohort.retained) do
      rows[#rows + 1] = { value, show.date(cohort.start), cohort.users, j - 1, retained,
        cohort.observable[j], cohort.rates[j] or "", cohort.low[j] or "", cohort.high[j] or "",
        tostring(cohort.complete[j]) }
    end
  end
end

local Retention = object.class {
  name = "wayproof.Retention",
  render = render,
  rows = function(self)
    local rows = {}
    add_rows(rows, self, "")
    for _, group in ipairs(self.groups or {}) do add_rows(rows, group, group.value or "") end
    return { self.by or "group", "cohort", "users", "period", "retained", "observable", "rate",
      "low", "high", "complete" }, rows
  end,
}

---@class wayproof.Retention
---@field period string
---@field periods integer   columns of each cohort, its own period included
---@field users integer
---@field cohorts { start: integer, users: integer, retained: integer[], observable: integer[],
---   rates: (number|false)[], low: (number|false)[], high: (number|false)[],
---   complete: boolean[] }[]  `start` in µs UTC; `retained[1]`: the own period of the cohort; rates
---   are of the cohort, or with align = "user" of those whose period was over (none else counts);
---   false where nobody can be seen yet; `complete[j]`: the period was over for all of them
---@field overall table     the same over all cohorts, of people whose period was over
---@field groups? table[]   with `by`: the same fields per `value`

local option_names = view.allowed { "period", "periods", "start", "returns", "mode", "align",
  "zone", "as_of" }

-- What was asked, checked.
local function settle(log, options)
  local period = check.choice(options.period or "week", { "day", "week", "month" },
    "retention: period")
  local align = check.choice(options.align or "calendar", { "calendar", "user" },
    "retention: align")
  if align == "user" and period == "month" then
    check.fail("retention: align = \"user\" with months "
      .. "(expected day or week: months differ in length)")
  end
  local start = options.start ~= nil
    and select_events.selector(options.start, nil, "retention: start")
  local returns = options.returns ~= nil
    and select_events.selector(options.returns, nil, "retention: returns")
  return {
    period = period, align = align, start = start,
    mode = check.choice(options.mode or "on", { "on", "on_or_after" }, "retention: mode"),
    periods = options.periods and check.integer(options.periods, "retention: periods", 1, 1000),
    zone = options.zone and check.name(options.zone, "retention: zone", "a time zone"),
    starts = start and resolve.selector(log, start) or {},
    returns = returns and resolve.selector(log, returns) or {},
  }
end

--- Cohorts by the period of a user's first `start` event, and how many have a `returns` event in
--- each period after it.
---@param options? table  period = "day" | "week" (default) | "month"; periods (default 12 at most);
---   start and returns (events; default all); mode = "on" (default) | "on_or_after"; align =
---   "calendar" (default) | "user"; zone; as_of; where, since, before, by
---@return wayproof.Retention
function retention.retention(log, options)
  options = check.options(options, option_names, "retention")
  local rules = settle(log, options)
  local user_aligned = rules.align == "user"
  return Retention.new(view.run(log, options, "retention", function(part, as_of_us)
    local facts = core.log.facts(part, false)
    local fields = { period = rules.period, periods = rules.periods or 0, mode = rules.mode,
      align = rules.align, zone = rules.zone or "UTC", users = 0, cohorts = {},
      start = rules.start and tostring(rules.start) or nil }
    if not facts.first then
      fields.overall = overall_row({}, fields.periods, user_aligned)
      return fields
    end
    local bounds
    bounds, fields.periods = boundaries(facts.first, facts.last, as_of_us, rules)
    local counts, message = core.flow.retention(part, {
      start = rules.starts, returns = rules.returns, boundaries_us = bounds,
      offsets = fields.periods, user_period_us = user_aligned and lengths[rules.period] or 0,
      on_or_after = rules.mode == "on_or_after", as_of_us = as_of_us,
    })
    if not counts then error(message, 0) end
    fields.cohorts = cohort_rows(counts, bounds, user_aligned)
    fields.overall = overall_row(fields.cohorts, fields.periods, user_aligned)
    fields.users = fields.overall.users
    return fields
  end))
end

return retention
