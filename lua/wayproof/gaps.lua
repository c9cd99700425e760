--- Time between events: how long people stay with an event (dwell), and how long they stay away
--- (gaps).
---
--- A gap runs from an event to the same user's next one, whatever that is. The last event of a user
--- has none: it is counted as such, never as a gap of zero.
local check = require "wayproof.check"
local classes_of = require "wayproof.classes"
local core = require "wayproof.core"
local flow = require "wayproof.flow"
local object = require "wayproof.object"
local show = require "wayproof.show"
local stats = require "wayproof.stats"
local view = require "wayproof.view"

local gaps = {}

local row_columns = { "event", "events", "gaps", "last", "users", "median_seconds", "p75_seconds",
  "p90_seconds", "p99_seconds", "max_seconds", "mean_capped_seconds" }

-- Rows of the core with what follows from them: `last` events without a next one.
local function measure(part, fields, options)
  local rows, bands = core.flow.gaps(part, classes_of.with(fields, options))
  if not rows then error(bands, 0) end
  for _, row in ipairs(rows) do
    row.last = row.events - row.gaps
    if row.gaps > 0 then row.mean_capped_seconds = row.capped_seconds / row.gaps end
    row.capped_seconds = nil
  end
  return rows, bands
end

-- Dwell ------------------------------------------------------------------------------------------

local function render_dwell(self)
  if #self.rows == 0 then return "no events" end
  local rows = {}
  for i, row in ipairs(self.rows) do
    rows[i] = { row.event, show.integer(row.gaps), show.integer(row.users),
      row.median_seconds and show.span(row.median_seconds) or show.missing,
      row.p90_seconds and show.span(row.p90_seconds) or show.missing,
      row.mean_capped_seconds and show.span(row.mean_capped_seconds) or show.missing,
      show.percent(row.last / row.events) }
  end
  return string.format("time from an event to the user's next one%s\n\n%s\n\n%s",
    self.within == "session" and ", within sessions" or "",
    show.table({ { title = "event", align = "left" }, { title = "gaps", align = "right" },
      { title = "users", align = "right" }, { title = "median", align = "right" },
      { title = "9 in 10", align = "right" }, { title = "mean*", align = "right" },
      { title = "ends here", align = "right" } }, rows,
      { indent = "  ", max_rows = self.groups and 6 or 14 }),
    string.format("* each gap counted as at most %s", show.seconds(self.cap_seconds)))
    .. flow.group_lines(self, { "events" }, function(group)
      return { show.integer(group.events) }
    end)
end

local function dwell_rows(self)
  local rows = {}
  local function add(fields, value)
    for _, row in ipairs(fields.rows) do
      local cells = { value }
      for _, name in ipairs(row_columns) do cells[#cells + 1] = row[name] or "" end
      rows[#rows + 1] = cells
    end
  end
  add(self, "")
  for _, group in ipairs(self.groups or {}) do add(group, group.value or "") end
  return { self.by or "group", table.unpack(row_columns) }, rows
end

local Dwell = object.class { name = "wayproof.Dwell", render = render_dwell, rows = dwell_rows }

---@class wayproof.Dwell
---@field rows { event: string, events: integer, gaps: integer, last: integer, users: integer,
---   median_seconds: number, p75_seconds: number, p90_seconds: number, p99_seconds: number,
---   max_seconds: number, mean_capped_seconds: number, end_rate: number, low: number,
---   high: number }[]  by falling `events`; `last` events had no next one (`end_rate` = last /
---   events, with Wilson's interval)
---@field events integer
---@field groups? table[]  with `by`: the same fields per `value`

local function session_options(options, what)
  if options.within ~= nil then
    check.choice(options.within, { "session" }, what .. ": within")
  elseif options.timeout ~= nil then
    check.fail("%s: timeout without within = \"session\" (expected both)", what)
  end
  local timeout_us = check.duration(options.timeout or "30m", what .. ": timeout")
  return options.within and timeout_us or nil
end

--- How long people stay with each event (or stage): the time to their next event.
---@param options? table  stages; cap (default "30m": the most a gap counts in the mean); within =
---   "session" with timeout (a longer gap is no dwelling: the event was the session's last); where,
---   since, before, by
---@return wayproof.Dwell
function gaps.dwell(log, options)
  options = check.options(options, view.allowed { "stages", "cap", "within", "timeout" }, "dwell")
  local timeout_us = session_options(options, "dwell")
  local cap_us = check.duration(options.cap or "30m", "dwell: cap")
  local names, fields = classes_of.of(log, options.stages, "dwell")
  return Dwell.new(view.run(log, options, "dwell", function(part)
    local rows, kept, events = measure(part, fields, { timeout_us = timeout_us, cap_us = cap_us }),
      {}, 0
    for class, row in ipairs(rows) do
      row.event, row.bands = names[class], nil
      if row.events > 0 then
        local interval = stats.wilson(row.last, row.events)
        row.end_rate, row.low, row.high = row.last / row.events, interval.low, interval.high
        kept[#kept + 1] = row
        events = events + row.events
      end
    end
    table.sort(kept, function(a, b)
      if a.events ~= b.events then return a.events > b.events end
      return a.event < b.event
    end)
    return { rows = kept, events = events, cap_seconds = cap_us / 1e6, within = options.within }
  end))
end

-- Gaps -------------------------------------------------------------------------------------------

local function render_gaps(self)
  if self.gaps == 0 then return "no gaps: nobody has two events" end
  local lines = { string.format("%s of %s\n  median %s, 9 in 10 within %s, longest %s",
    show.plural(self.gaps, "gap"), show.plural(self.users, "user"), show.span(self.median_seconds),
    show.span(self.p90_seconds), show.span(self.max_seconds)), "" }
  local most = 0
  for _, band in ipairs(self.bands) do most = math.max(most, band.share) end
  for _, band in ipairs(self.bands) do
    local title = band.to_seconds and "to " .. show.span(band.to_seconds) or "longer"
    lines[#lines + 1] = (string.format("  %s  %s  %s", show.pad(title, 9),
      show.pad(show.percent(band.share), 8, "right"), show.bar(band.share / most, 40))
      :gsub("%s+$", ""))
  end
  return table.concat(lines, "\n") .. flow.group_lines(self, { "gaps", "median", "9 in 10" },
    function(group)
      return { show.integer(group.gaps), show.span(group.median_seconds),
        show.span(group.p90_seconds) }
    end)
end

local band_columns = { "from_seconds", "to_seconds", "count", "share", "low", "high" }

local Gaps = object.class {
  name = "wayproof.Gaps",
  render = render_gaps,
  rows = function(self)
    local rows = {}
    local function add(fields, value)
      for _, band in ipairs(fields.bands) do
        local cells = { value }
        for _, name in ipairs(band_columns) do cells[#cells + 1] = band[name] or "" end
        rows[#rows + 1] = cells
      end
    end
    add(self, "")
    for _, group in ipairs(self.groups or {}) do add(group, group.value or "") end
    return { self.by or "group", table.unpack(band_columns) }, rows
  end,
}

---@class wayproof.Gaps
---@field gaps integer            all of them: events less users
---@field users integer           people with two events or more
---@field median_seconds number   `p75_seconds, p90_seconds, p99_seconds, max_seconds` likewise
---@field bands { from_seconds: number, to_seconds: number, count: integer, share: number,
---   low: number, high: number }[]  gaps longer than `from_seconds` and at most `to_seconds` long
---@field groups? table[]         with `by`: the same fields per `value`

local function bands_of(row, ends)
  local bands = {}
  for i, count in ipairs(row.bands) do
    local interval = row.gaps > 0 and stats.wilson(count, row.gaps) or {}
    bands[i] = { from_seconds = ends[i - 1] or 0, to_seconds = ends[i], count = count,
      share = row.gaps > 0 and count / row.gaps or 0.0, low = interval.low, high = interval.high }
  end
  return bands
end

--- How long people stay away: the distribution of the time between an event and the next one.
---@param options? table  events (only gaps between these events count, others are as if absent);
---   where, since, before, by
---@return wayproof.Gaps
function gaps.gaps(log, options)
  options = check.options(options, view.allowed { "events" }, "gaps")
  local events = options.events
  return Gaps.new(view.run(log, options, "gaps", function(part)
    local only = part
    if events ~= nil then
      local message
      only, message = part:where { events = events }
      if not only then error(message, 0) end
    end
    local codes, names = {}, core.log.names(only).events
    for code = 1, #names do codes[code] = 1 end
    local rows, ends = measure(only, { classes = codes, classes_count = 1 }, {})
    local row = rows[1]
    row.bands = bands_of(row, ends)
    row.mean_capped_seconds, row.events, row.last = nil, nil, nil
    return row
  end))
end

return gaps
