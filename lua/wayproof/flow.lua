--- How people move through a log: sessions, and transitions from an event to the next.
---
--- Each analysis is one or two scans in the core (csrc/journey/flow.h) and one immutable result.
--- Rows are by falling count, ties by name, so that printing is the same on every machine.
local check = require "wayproof.check"
local classes_of = require "wayproof.classes"
local core = require "wayproof.core"
local object = require "wayproof.object"
local show = require "wayproof.show"
local stats = require "wayproof.stats"
local view = require "wayproof.view"

local flow = {}

local function must(value, message)
  if value == nil then error(message, 0) end
  return value
end

--- Groups of `by` as a table under a result: one line each.
---@param cells fun(group: table): any[]
function flow.group_lines(self, titles, cells)
  if not self.groups then return "" end
  local rows, columns = {}, { { title = self.by, align = "left" } }
  for i, group in ipairs(self.groups) do
    rows[i] = { group.value or "(none)", table.unpack(cells(group)) }
  end
  for i, title in ipairs(titles) do columns[i + 1] = { title = title, align = "right" } end
  local text = "\n\n" .. show.table(columns, rows, { indent = "  ", max_rows = 6 })
  if self.users_left > 0 then
    text = text .. string.format("\n  %s in smaller groups", show.plural(self.users_left, "user"))
  end
  return text
end

-- Sessions ---------------------------------------------------------------------------------------

local session_columns = { "sessions", "events", "users", "single_event", "mean_events",
  "median_events", "median_seconds", "p90_seconds", "max_seconds", "sessions_per_user" }

local function session_row(fields, value)
  local row = { value }
  for _, name in ipairs(session_columns) do row[#row + 1] = fields[name] or "" end
  return row
end

local function render_sessions(self)
  if self.sessions == 0 then return "no sessions: the log has no events" end
  local text = string.format(
    "%s of %s, cut where nothing happened for more than %s\n"
      .. "  events per session   median %s, mean %s\n"
      .. "  length               median %s, 9 in 10 within %s, longest %s\n"
      .. "  of a single event    %s (%s)\n"
      .. "  sessions per user    %s",
    show.plural(self.sessions, "session"), show.plural(self.users, "user"),
    show.seconds(self.timeout_seconds),
    show.number(self.median_events), show.number(self.mean_events),
    show.span(self.median_seconds), show.span(self.p90_seconds), show.span(self.max_seconds),
    show.integer(self.single_event),
    show.interval(self.single_event / self.sessions, self.single_low, self.single_high,
      show.percent),
    show.number(self.sessions_per_user))
  return text .. flow.group_lines(self, { "sessions", "median events", "median length" },
    function(group)
      return { show.integer(group.sessions), show.number(group.median_events),
        show.span(group.median_seconds) }
    end)
end

local Sessions = object.class {
  name = "wayproof.Sessions",
  render = render_sessions,
  rows = function(self)
    local rows = { session_row(self, "") }
    for _, group in ipairs(self.groups or {}) do
      rows[#rows + 1] = session_row(group, group.value or "")
    end
    return { self.by or "group", table.unpack(session_columns) }, rows
  end,
}

---@class wayproof.Sessions
---@field sessions integer
---@field events integer
---@field users integer
---@field single_event integer     sessions of one event; `single_low, single_high`: their share
---@field mean_events number       events per session
---@field median_events number
---@field median_seconds number    from the first to the last event of a session
---@field p90_seconds number
---@field max_seconds number
---@field sessions_per_user number
---@field groups? table[]          with `by`: the same fields per `value`

--- Sessions of a log: a gap longer than `timeout` (default "30m") starts a new one.
---@param options? table  timeout; where, since, before, by
---@return wayproof.Sessions
function flow.sessions(log, options)
  options = check.options(options, view.allowed { "timeout" }, "sessions")
  local timeout_us = check.duration(options.timeout or "30m", "sessions: timeout")
  return Sessions.new(view.run(log, options, "sessions", function(part)
    local fields = must(core.flow.sessions(part, timeout_us))
    fields.timeout_seconds = timeout_us / 1e6
    if fields.sessions > 0 then
      fields.sessions_per_user = fields.sessions / fields.users
      local interval = stats.wilson(fields.single_event, fields.sessions)
      fields.single_low, fields.single_high = interval.low, interval.high
    end
    return fields
  end))
end

-- Transitions ------------------------------------------------------------------------------------

-- Names by how often moves touch them.
local function names_by_weight(rows)
  local names, weight = {}, {}
  for _, row in ipairs(rows) do
    for _, name in ipairs { row.from, row.to } do
      if not weight[name] then
        weight[name] = 0
        names[#names + 1] = name
      end
      weight[name] = weight[name] + row.count
    end
  end
  table.sort(names, function(a, b)
    if weight[a] ~= weight[b] then return weight[a] > weight[b] end
    return a < b
  end)
  return names
end

local function heat_lines(self, most)
  local names, probability = names_by_weight(self.rows), {}
  for _, row in ipairs(self.rows) do
    probability[row.from] = probability[row.from] or {}
    probability[row.from][row.to] = row.probability
  end
  local shown = math.min(#names, most)
  local lines, numbers = {}, {}
  for k = 1, shown do numbers[k] = string.format("%3d", k) end
  lines[1] = "  " .. show.pad("from \\ to", 26) .. table.concat(numbers)
  for i = 1, shown do
    local cells = {}
    for k = 1, shown do
      cells[k] = " " .. show.shade((probability[names[i]] or {})[names[k]] or 0):rep(2)
    end
    lines[i + 1] = string.format("  %2d %s%s", i, show.pad(show.cut(names[i], 22), 23),
      table.concat(cells)):gsub("%s+$", "")
  end
  return table.concat(lines, "\n")
end

local function transition_table(self, most)
  local rows = {}
  for i, row in ipairs(self.rows) do
    if i > most then break end
    rows[i] = { row.from, row.to, show.integer(row.count), show.integer(row.users),
      show.percent(row.probability), row.median_seconds and show.span(row.median_seconds) or "",
      row.p90_seconds and show.span(row.p90_seconds) or "" }
  end
  local text = show.table({ { title = "from", align = "left" }, { title = "to", align = "left" },
    { title = "count", align = "right" }, { title = "users", align = "right" },
    { title = "of from", align = "right" }, { title = "median", align = "right" },
    { title = "9 in 10", align = "right" } }, rows, { indent = "  " })
  if #self.rows > #rows then
    text = text .. string.format("\n  … %s more in .rows", show.integer(#self.rows - #rows))
  end
  return text
end

local function render_transitions(self)
  if self.total == 0 then return "no transitions: nobody has two events" end
  local grouped = flow.group_lines(self, { "transitions" },
    function(group) return { show.integer(group.total) } end)
  return string.format("%s%s\n\n%s%s", show.plural(self.total, "transition"),
    self.within == "session" and " within sessions" or "",
    transition_table(self, self.groups and 4 or 8),
    grouped ~= "" and grouped or "\n\n" .. heat_lines(self, 8)
      .. "\n  darker: likelier (empty below 1 in 8)")
end

local transition_columns = { "from", "to", "count", "users", "share", "probability", "low", "high",
  "median_seconds", "p90_seconds" }

local function add_transition_rows(rows, fields, value)
  for _, row in ipairs(fields.rows) do
    local cells = { value }
    for _, name in ipairs(transition_columns) do cells[#cells + 1] = row[name] or "" end
    rows[#rows + 1] = cells
  end
end

local Transitions = object.class {
  name = "wayproof.Transitions",
  render = render_transitions,
  rows = function(self)
    local rows = {}
    add_transition_rows(rows, self, "")
    for _, group in ipairs(self.groups or {}) do
      add_transition_rows(rows, group, group.value or "")
    end
    return { self.by or "group", table.unpack(transition_columns) }, rows
  end,
}

-- Hundreds of thousands of rows have no reader of their intervals.
local function interval_of(row)
  local interval = stats.wilson(row.count, row.of)
  return { low = interval.low, high = interval.high }
end

local function name_transitions(rows, total, names)
  local from_total = {}
  for _, row in ipairs(rows) do
    from_total[row.from] = (from_total[row.from] or 0) + row.count
  end
  for i, row in ipairs(rows) do
    local of = from_total[row.from]
    row.share, row.probability, row.of = row.count / total, row.count / of, of
    row.from, row.to = names[row.from], names[row.to]
    rows[i] = object.lazy(row, interval_of)
  end
  return rows
end

-- The place of each name among all names in order: what the core breaks ties by.
local function ranks_of(names)
  local order, ranks = {}, {}
  for i = 1, #names do order[i] = i end
  table.sort(order, function(a, b) return names[a] < names[b] end)
  for place, i in ipairs(order) do ranks[i] = place end
  return ranks
end

---@class wayproof.Transitions
---@field total integer   moves from an event to the same user's next one
---@field rows { from: string, to: string, count: integer, users: integer, share: number,
---   probability: number, of: integer, low: number, high: number, median_seconds: number,
---   p90_seconds: number }[]  by falling count; `share` of all moves, `probability` = count / of,
---   the moves from `from`, with its Wilson interval (moves of one person are not independent)
---@field groups? table[]  with `by`: the same fields per `value`

--- Moves from each event to the user's next one, over the whole history or within sessions.
---@param options? table  within = "session", timeout (default "30m"), stages (moves between stages,
---   a stage to itself included; other events are as if absent), times = false (leave out medians);
---   where, since, before, by
---@return wayproof.Transitions
function flow.transitions(log, options)
  options = check.options(options, view.allowed { "within", "timeout", "stages", "times" },
    "transitions")
  if options.within ~= nil then
    check.choice(options.within, { "session" }, "transitions: within")
  elseif options.timeout ~= nil then
    check.fail("transitions: timeout without within = \"session\" (expected both)")
  end
  local timeout_us = check.duration(options.timeout or "30m", "transitions: timeout")
  if options.times ~= nil then check.boolean(options.times, "transitions: times") end
  local names, classes = classes_of.of(log, options.stages, "transitions")
  return Transitions.new(view.run(log, options, "transitions", function(part)
    local total, rows = core.flow.transitions(part, classes_of.with(classes, {
      timeout_us = options.within and timeout_us or nil, times = options.times ~= false,
      ranks = ranks_of(names),
    }))
    must(total, rows)
    return { total = total, rows = name_transitions(rows, total, names), within = options.within }
  end))
end

return flow
