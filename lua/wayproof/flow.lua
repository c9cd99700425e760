--- How people move through a log: sessions, transitions and paths.
---
--- Each analysis is one scan in the core (csrc/journey/flow.h) and one immutable result. Rows are
--- by
--- falling count, ties by name, so that printing is the same on every machine.
local check = require "wayproof.check"
local core = require "wayproof.core"
local object = require "wayproof.object"
local resolve = require "wayproof.resolve"
local select_events = require "wayproof.select"
local show = require "wayproof.show"
local stages_of = require "wayproof.stages"
local view = require "wayproof.view"

local flow = {}

local function must(value, message)
  if value == nil then error(message, 0) end
  return value
end

-- Groups of `by` as a table under the result: one line each.
local function group_lines(self, titles, cells)
  if not self.groups then return "" end
  local rows = {}
  for i, group in ipairs(self.groups) do
    rows[i] = { group.value or "(none)", table.unpack(cells(group)) }
  end
  local columns = { { title = self.by, align = "left" } }
  for i, title in ipairs(titles) do columns[i + 1] = title end
  return "\n\n" .. show.table(columns, rows, { indent = "  ", max_rows = 12 })
end

-- Sessions ---------------------------------------------------------------------------------------

local session_columns = { "sessions", "events", "users", "single_event", "mean_events",
  "median_events", "median_seconds", "p90_seconds", "max_seconds" }

local function render_sessions(self)
  if self.sessions == 0 then return "no sessions: the log has no events" end
  local text = string.format(
    "%s sessions of %s users, cut where nothing happened for more than %s\n"
      .. "  events per session   median %s, mean %s\n"
      .. "  length               median %s, 9 in 10 under %s, longest %s\n"
      .. "  single-event         %s (%s)\n"
      .. "  sessions per user    %s",
    show.integer(self.sessions), show.integer(self.users), show.seconds(self.timeout_seconds),
    show.number(self.median_events), show.number(self.mean_events),
    show.seconds(self.median_seconds), show.seconds(self.p90_seconds),
    show.seconds(self.max_seconds),
    show.integer(self.single_event), show.percent(self.single_event / self.sessions),
    show.number(self.sessions_per_user))
  return text .. group_lines(self, { "sessions", "median events", "median length" },
    function(group)
      return { show.integer(group.sessions), show.number(group.median_events),
        group.median_seconds and show.seconds(group.median_seconds) or nil }
    end)
end

local Sessions = object.class {
  name = "wayproof.Sessions",
  render = render_sessions,
  rows = function(self)
    local row = {}
    for i, name in ipairs(session_columns) do row[i] = self[name] end
    return session_columns, { row }
  end,
}

---@class wayproof.Sessions
---@field sessions integer
---@field events integer
---@field users integer
---@field single_event integer     sessions of one event
---@field mean_events number       events per session
---@field median_events number
---@field median_seconds number    from the first to the last event of a session
---@field p90_seconds number
---@field max_seconds number
---@field sessions_per_user number

--- Sessions of a log: a gap longer than `timeout` (default "30m") starts a new one.
---@param options? table  timeout; where, since, before, by
---@return wayproof.Sessions
function flow.sessions(log, options)
  options = check.options(options, view.allowed { "timeout" }, "sessions")
  local timeout_us = check.duration(options.timeout or "30m", "sessions: timeout")
  return Sessions.new(view.run(log, options, "sessions", function(part)
    local fields = must(core.flow.sessions(part, timeout_us))
    fields.timeout_seconds = timeout_us / 1e6
    if fields.users > 0 then fields.sessions_per_user = fields.sessions / fields.users end
    return fields
  end))
end

-- Classes: events by name, or stages
-- ---------------------------------------------------------------

--- What the core calls classes: event names, or the stages that events belong to.
---@return string[] names, integer[]|nil classes  class of each event code, false: none
function flow.classes(log, stages, what)
  local events = resolve.names(log).events
  if stages == nil then return events, nil end
  stages_of.check(stages, what .. ": stages")
  local classes = {}
  for code, event in ipairs(events) do
    classes[code] = false
    for i, stage in ipairs(stages) do
      if stage.selector.filter then
        check.fail("%s: stage '%s' has a filter (expected stages told apart by event names alone)",
          what, stage.name)
      end
      if select_events.has_event(stage.selector, event) then
        classes[code] = i
        break
      end
    end
  end
  return stages:names(), classes
end

-- Transitions
-- --------------------------------------------------------------------------------------

local function matrix_lines(self, most)
  local order, seen, weight = {}, {}, {}
  for _, row in ipairs(self.rows) do
    for _, name in ipairs { row.from, row.to } do
      if not seen[name] then
        seen[name] = true
        order[#order + 1] = name
      end
      weight[name] = (weight[name] or 0) + row.count
    end
  end
  table.sort(order, function(a, b)
    if weight[a] ~= weight[b] then return weight[a] > weight[b] end
    return a < b
  end)
  local shown = math.min(#order, most)
  local probability = {}
  for _, row in ipairs(self.rows) do probability[row.from .. "\0" .. row.to] = row.probability end
  local lines = {}
  for i = 1, shown do
    local cells = {}
    for k = 1, shown do
      cells[k] = show.shade(probability[order[i] .. "\0" .. order[k]] or 0):rep(2)
    end
    lines[i] = string.format("  %s %s", show.pad(show.cut(order[i], 20), 20), table.concat(cells))
  end
  return table.concat(lines, "\n"), shown
end

local function render_transitions(self)
  if self.total == 0 then return "no transitions: nobody has two events" end
  local rows = {}
  for i, row in ipairs(self.rows) do
    if i > 8 then break end
    rows[i] = { row.from, row.to, row.count, row.users, show.percent(row.probability),
      row.median_seconds and show.seconds(row.median_seconds) or nil,
      row.p90_seconds and show.seconds(row.p90_seconds) or nil }
  end
  local heat, shown = matrix_lines(self, 8)
  return string.format("%s transitions%s\n\n%s%s\n\nto (in the same order), darker: likelier\n%s%s",
    show.integer(self.total), self.within == "session" and " within sessions" or "",
    show.table({ "from", "to", { title = "count", format = show.integer },
      { title = "users", format = show.integer }, { title = "of from", align = "right" },
      { title = "median", align = "right" }, { title = "9 in 10", align = "right" } }, rows,
      { indent = "  " }),
    #self.rows > #rows and string.format("\n  … %s more in .rows", show.integer(#self.rows - #rows))
      or "",
    heat, shown < 2 and "" or "")
end

local transition_columns = { "from", "to", "count", "users", "share", "probability",
  "median_seconds", "p90_seconds" }

local Transitions = object.class {
  name = "wayproof.Transitions",
  render = render_transitions,
  rows = function(self)
    local rows = {}
    for i, row in ipairs(self.rows) do
      rows[i] = {}
      for k, name in ipairs(transition_columns) do rows[i][k] = row[name] end
    end
    return transition_columns, rows
  end,
}

local function name_transitions(rows, total, names)
  local from_total = {}
  for _, row in ipairs(rows) do
    from_total[row.from] = (from_total[row.from] or 0) + row.count
  end
  for _, row in ipairs(rows) do
    row.share = row.count / total
    row.probability = row.count / from_total[row.from]
    row.from, row.to = names[row.from], names[row.to]
  end
  table.sort(rows, function(a, b)
    if a.count ~= b.count then return a.count > b.count end
    if a.from ~= b.from then return a.from < b.from end
    return a.to < b.to
  end)
  return rows
end

---@class wayproof.Transitions
---@field total integer   moves from an event to the same user's next one
---@field rows { from: string, to: string, count: integer, users: integer, share: number,
---   probability: number, median_seconds: number, p90_seconds: number }[]  by falling count;
---   `share` of all
---   moves, `probability` of the moves from `from`

--- Moves from each event to the user's next one, over the whole history or within sessions.
---@param options? table  within = "session", timeout (default "30m"), stages (count moves between
---   stages; other events are as if absent), times = false (leave out medians); where, since,
---   before, by
---@return wayproof.Transitions
function flow.transitions(log, options)
  options = check.options(options, view.allowed { "within", "timeout", "stages", "times" },
    "transitions")
  if options.within ~= nil then
    check.choice(options.within, { "session" }, "transitions: within")
  end
  local timeout_us = check.duration(options.timeout or "30m", "transitions: timeout")
  if options.times ~= nil then check.boolean(options.times, "transitions: times") end
  local names, classes = flow.classes(log, options.stages, "transitions")
  local fields = view.run(log, options, "transitions", function(part)
    local total, rows = core.flow.transitions(part, {
      classes = classes, classes_count = #names,
      timeout_us = options.within and timeout_us or nil, times = options.times ~= false,
    })
    must(total, rows)
    return { total = total, rows = name_transitions(rows, total, names), within = options.within }
  end)
  return Transitions.new(fields)
end

-- Paths
-- --------------------------------------------------------------------------------------------

local function render_paths(self)
  if self.users == 0 then return "no paths: nobody has the anchor event" end
  local lines = { string.format("%s users %s; their most frequent paths of up to %d steps:",
    show.integer(self.users),
    self.finish and "before " .. self.finish or self.start and "from " .. self.start
      or "from their first event", self.steps), "" }
  local rows = {}
  for i, sequence in ipairs(self.sequences) do
    if i > 10 then break end
    rows[i] = { show.integer(sequence.users), show.percent(sequence.share),
      table.concat(sequence.events, " > ") }
  end
  lines[#lines + 1] = show.table({ { title = "users", align = "right" },
    { title = "share", align = "right" }, { title = "path", align = "left" } }, rows,
    { indent = "  " })
  if self.distinct > #rows then
    lines[#lines + 1] = string.format("  … %s different paths in all",
      show.integer(self.distinct))
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = string.format("share of users on each event at step %s 1 … %d:",
    self.finish and "-" or "+", math.min(self.steps, 24))
  local order = {}
  for name in pairs(self.matrix) do order[#order + 1] = name end
  local function weight(name)
    local sum = 0
    for _, share in ipairs(self.matrix[name]) do sum = sum + share end
    return sum
  end
  table.sort(order, function(a, b)
    local x, y = weight(a), weight(b)
    if x ~= y then return x > y end
    return a < b
  end)
  for i = 1, math.min(#order, 8) do
    local cells = {}
    for k, share in ipairs(self.matrix[order[i]]) do
      if k <= 24 then cells[k] = show.shade(share):rep(2) end
    end
    lines[#lines + 1] = "  " .. show.pad(show.cut(order[i], 20), 20) .. " " .. table.concat(cells)
  end
  return table.concat(lines, "\n")
end

local Paths = object.class {
  name = "wayproof.Paths",
  render = render_paths,
  rows = function(self)
    local rows = {}
    for i, sequence in ipairs(self.sequences) do
      rows[i] = { sequence.users, sequence.share, table.concat(sequence.events, " > ") }
    end
    return { "users", "share", "path" }, rows
  end,
}

-- matrix[name][k] = share of users on the event at step k; "(over)" for ended paths.
local function name_matrix(matrix, users, names)
  local named = {}
  for k, counts in ipairs(matrix) do
    for class, count in ipairs(counts) do
      if count > 0 then
        local name = names[class] or "(over)"
        named[name] = named[name] or {}
        named[name][k] = count / users
      end
    end
  end
  for _, shares in pairs(named) do
    for k = 1, #matrix do shares[k] = shares[k] or 0.0 end
  end
  return named
end

-- Cycles in the sequences' events: x (the same again), x > y > x, x > y > z > x; counted per user
-- of a sequence, once per occurrence.
local function count_cycles(sequences)
  local counts = {}
  for _, sequence in ipairs(sequences) do
    local events = sequence.events
    for length = 1, 3 do
      for i = 1, #events - length do
        local closes = events[i] == events[i + length]
        for k = 1, length - 1 do closes = closes and events[i + k] ~= events[i] end
        if closes then
          local key = table.concat(events, " > ", i, i + length)
          counts[key] = (counts[key] or 0) + sequence.users
        end
      end
    end
  end
  local list = {}
  for path, count in pairs(counts) do list[#list + 1] = { path = path, count = count } end
  table.sort(list, function(a, b)
    if a.count ~= b.count then return a.count > b.count end
    return a.path < b.path
  end)
  return list
end

local function reverse(list)
  local reversed = {}
  for i = #list, 1, -1 do reversed[#reversed + 1] = list[i] end
  return reversed
end

---@class wayproof.Paths
---@field users integer       people with the anchor event
---@field matrix table<string, number[]>  event → share of those people on it at step k, away from
---   the
---   anchor; "(over)": the path had ended
---@field sequences { users: integer, share: number, events: string[] }[]  in the order of time
---@field distinct integer    different sequences in all
---@field cycles { path: string, count: integer }[]  returns to the same event within three steps

--- What people do after an event (`start`, default their first event) or before one (`finish`),
--- step
--- by step.
---@param options? table  start or finish (events), steps (default 10), top (default 20 sequences),
---   stages,
---   merge_repeats, within (a longer gap ends the path); where, since, before, by
---@return wayproof.Paths
function flow.paths(log, options)
  options = check.options(options,
    view.allowed { "start", "finish", "steps", "top", "stages", "merge_repeats", "within" },
    "paths")
  if options.start ~= nil and options.finish ~= nil then
    check.fail("paths: start and finish together (expected one anchor)")
  end
  local steps = check.integer(options.steps or 10, "paths: steps", 1, 64)
  local top = check.integer(options.top or 20, "paths: top", 1, 100000)
  local anchor = options.start or options.finish
  local selector = anchor and select_events.selector(anchor, nil, "paths")
  local within_us = options.within and check.duration(options.within, "paths: within")
  local names, classes = flow.classes(log, options.stages, "paths")
  return Paths.new(view.run(log, options, "paths", function(part)
    local resolved = selector and resolve.selector(log, selector)
    local users, matrix, sequences, distinct = core.flow.paths(part, {
      start = options.start and resolved, finish = options.finish and resolved,
      classes = classes, classes_count = #names, steps = steps, timeout_us = within_us,
      merge_repeats = options.merge_repeats, top = top,
    })
    must(users, matrix)
    for _, sequence in ipairs(sequences) do
      sequence.events = {}
      for k, class in ipairs(sequence.classes) do sequence.events[k] = names[class] end
      if options.finish then sequence.events = reverse(sequence.events) end
      sequence.classes = nil
      sequence.share = sequence.users / users
    end
    local words = selector and tostring(selector)
    return { users = users, steps = steps, matrix = name_matrix(matrix, users, names),
      sequences = sequences, distinct = distinct, cycles = count_cycles(sequences),
      start = options.start and words, finish = options.finish and words }
  end))
end

return flow
