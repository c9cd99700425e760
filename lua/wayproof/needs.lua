--- What the judge must know about every user to judge a hypothesis, as measuring columns.
--
-- Hypotheses of one call share columns: a column is asked for once per (metric, window), however
-- many hypotheses read it. `needs.plan` returns passes (hypotheses with the same clock, population
-- and end of observation share one), each with a request for `measure.run` and, per hypothesis, the
-- names of its columns by role. Nothing here reads events; leakage by definition is decided from
-- the tree alone. Cost: O(hypotheses x columns), about 40 columns each, most of them shared.
local fingerprint = require "wayproof.fingerprint"
local metric = require "wayproof.metric"
local outcomes = require "wayproof.outcome"
local select_events = require "wayproof.select"

local needs = {}

local MINUTE = 60 * 1000000
-- L3: a metric event this close before the outcome may be a step of it: a day, but no more than a
-- seventh of the observation (the shortest embargo) and no less than half an hour.
needs.near_least_us, needs.near_most_us = 30 * MINUTE, 24 * 60 * MINUTE
needs.session_us = 30 * MINUTE
needs.placebos_most = 20
needs.placebo_users = 20 -- an event that fewer have is no control

local function is_everything(selector)
  if selector.filter or selector.except then return false end
  if not selector.names then return true end
  for _, name in ipairs(selector.names) do
    if name == "*" then return true end
  end
  return false
end
needs.is_everything = is_everything

-- Whether selectors without filters take in every event name of the log.
local function cover(selectors, events)
  for _, event in ipairs(events) do
    local found = false
    for _, selector in ipairs(selectors) do
      if not selector.filter and select_events.has_event(selector, event.name) then
        found = true
        break
      end
    end
    if not found then return false end
  end
  return #events > 0
end

--- The events that a metric is made of: a list of selectors without repeats, with `all` when they
--- are every event of the log and `unknown` when a custom metric hides them.
---@param of table Metric
---@param events {name: string, users: integer}[] event names of the log
function needs.own(of, events)
  local selectors, complete = metric.selectors(of)
  local own, seen = { unknown = not complete }, {}
  for _, selector in ipairs(selectors) do
    local key = fingerprint.text(selector)
    if is_everything(selector) then own.all = true end
    if not seen[key] then
      seen[key] = true
      own[#own + 1] = selector
    end
  end
  own.all = own.all or cover(own, events)
  return own
end

-- Whether two selectors can pick the same event of the log.
local function overlap(a, b, events)
  for _, event in ipairs(events) do
    if select_events.has_event(a, event.name) and select_events.has_event(b, event.name) then
      return true
    end
  end
  return false
end

-- Columns of a pass ------------------------------------------------------------------------------

local Pass = {}
Pass.__index = Pass

-- The name of the column that holds the metric `node` over `window`, asked for once.
function Pass:column(node, window)
  local key = fingerprint.text { node = node, window = window }
  local name = self.by_key[key]
  if not name then
    name = "c" .. #self.request.columns + 1
    self.by_key[key] = name
    self.request.columns[#self.request.columns + 1] =
      { name = name, metric = node, window = window }
  end
  return name
end

local everything = { names = nil }

local function count_of(selector, part)
  return { kind = "count", selector = selector or everything, part = part }
end

local function is_time(outcome)
  return outcome.scale == "time"
end

--- The outcome's own events.
function needs.outcome_selectors(outcome)
  return (outcomes.selectors(outcome))
end

-- The outcome of a window that starts at `landmark` as a metric column; of a numeric one, where
-- `above_zero`, only whether it is (a byte for each user instead of eight).
local function outcome_column(pass, outcome, landmark, within, above_zero)
  local from, to = landmark, landmark + within
  if outcome.kind == "retained" or outcome.kind == "churned" then
    if outcome.to_us then to = landmark + math.min(outcome.to_us, within) end
    if outcome.from_us then from = landmark + outcome.from_us end
  end
  local window = { from_us = from, to_us = to }
  local selector = outcome.selector or everything
  if outcome.kind == "metric" or outcome.kind == "earns" then
    local amount = outcome.metric
      or { kind = "sum", selector = selector, column = outcome.column }
    if above_zero and outcome.scale == "numeric" then
      amount = { kind = "at_least", of = amount, number = 0x1p-1074 }
    end
    return pass:column(amount, window)
  end
  if is_time(outcome) then
    return pass:column({ kind = "first_time", selector = selector }, window)
  end
  return pass:column(count_of(selector), window)
end

-- Outcome events before the landmark, other than at the instant t0; with a clock of its own
-- (`from`) history before t0 counts too.
local function prior_columns(pass, h, landmark)
  local names = {}
  for _, selector in ipairs(needs.outcome_selectors(h.outcome)) do
    names[#names + 1] = pass:column(count_of(selector), { from_us = 1, to_us = landmark })
    if h.from then names[#names + 1] = pass:column(count_of(selector), { "before" }) end
  end
  return names
end

-- Activity is everything but the metric's own events, which would be compared with themselves.
local function add_activity(pass, h, columns, own)
  local window = { from_us = 0, to_us = h.observe_us }
  local except
  if not own.all and not own.unknown and #own > 0 then except = { table.unpack(own) } end
  local rest = except and { except = except } or everything
  columns.total = pass:column(count_of(), window)
  columns.volume = pass:column(count_of(rest), window)
  if h.activity then
    columns.activity = {}
    for i, node in ipairs(h.activity) do columns.activity[i] = pass:column(node, window) end
  else
    columns.days = pass:column({ kind = "active_days", selector = rest }, window)
    columns.sessions = pass:column({ kind = "sessions", selector = rest,
      timeout_us = needs.session_us }, window)
    columns.last = pass:column({ kind = "time_of_last", selector = everything }, window)
  end
  local middle = h.observe_us // 2
  columns.even = pass:column(count_of(rest, "even"), window)
  columns.odd = pass:column(count_of(rest, "odd"), window)
  columns.first_half = pass:column(count_of(rest), { from_us = 0, to_us = middle })
  columns.second_half = pass:column(count_of(rest), { from_us = middle, to_us = h.observe_us })
end

-- What a metric that is no plain count is made of: counts of its own events. A ratio or a time may
-- read engagement through them although it does not move with activity itself.
local function add_parts(pass, h, columns, own)
  columns.parts = {}
  if metric.is_binary(h.metric) or h.metric.kind == "count" or own.unknown then return end
  for _, selector in ipairs(own) do
    if not is_everything(selector) then
      columns.parts[#columns.parts + 1] =
        pass:column(count_of(selector), { from_us = 0, to_us = h.observe_us })
    end
  end
end

local function add_embargo(pass, h, columns)
  columns.gaps = {}
  for i, seventh in ipairs { 1, 3, 7 } do
    local gap = math.max(1, h.observe_us * seventh // 7)
    local landmark = h.observe_us + h.gap_us + gap
    columns.gaps[i] = {
      gap_us = gap,
      landmark_us = landmark,
      outcome = outcome_column(pass, h.outcome, landmark, h.within_us, "above zero"),
      prior = prior_columns(pass, h, landmark),
    }
  end
end

local function near_of(h)
  return math.max(needs.near_least_us, math.min(needs.near_most_us, h.observe_us // 7))
end

-- The metric's own events that may be steps of the outcome: all of them but the outcome's.
local function step_selectors(columns, own, selectors, events)
  if own.all or own.unknown then return {} end
  if not columns.shared then return own end
  local steps = {}
  for _, mine in ipairs(own) do
    local step = { names = mine.names, filter = mine.filter, except = { table.unpack(selectors) } }
    table.move(mine.except or {}, 1, #(mine.except or {}), #step.except + 1, step.except)
    for _, event in ipairs(events) do
      if select_events.has_event(step, event.name) then
        steps[#steps + 1] = step
        break
      end
    end
  end
  return steps
end

-- How often each step came shortly before the outcome. Where the metric also counts the outcome's
-- own events, its steps are looked at by themselves (`columns.steps`).
local function add_steps(pass, h, columns, own, selectors, events)
  columns.near, columns.near_us = {}, near_of(h)
  if columns.shared then columns.steps = {} end
  for _, step in ipairs(step_selectors(columns, own, selectors, events)) do
    local near = {}
    for i, outcome in ipairs(selectors) do
      near[i] = pass:column({ kind = "matches", steps = { step, outcome },
        within_us = columns.near_us }, { "since" })
    end
    if columns.shared then
      columns.steps[#columns.steps + 1] = { near = near,
        metric = pass:column(count_of(step), { from_us = 0, to_us = h.observe_us }) }
    else
      table.move(near, 1, #near, #columns.near + 1, columns.near)
    end
  end
end

-- Proximity, the naive analysis, lead and what happened before the clock started.
local function add_leakage(pass, h, columns, own, events)
  local selectors = needs.outcome_selectors(h.outcome)
  columns.ever, columns.first_outcome, columns.first_metric = {}, {}, {}
  local outcome_window =
    { from_us = h.observe_us + h.gap_us, to_us = h.observe_us + h.gap_us + h.within_us }
  for _, outcome in ipairs(selectors) do
    columns.ever[#columns.ever + 1] = pass:column(count_of(outcome), { "since" })
    columns.first_outcome[#columns.first_outcome + 1] =
      pass:column({ kind = "first_time", selector = outcome }, outcome_window)
  end
  add_steps(pass, h, columns, own, selectors, events)
  for _, selector in ipairs(own.unknown and {} or own) do
    columns.first_metric[#columns.first_metric + 1] = pass:column(
      { kind = "first_time", selector = selector }, { from_us = 0, to_us = h.observe_us })
  end
  columns.naive = pass:column(h.metric, { "since" })
  if h.from and #selectors > 0 then
    columns.pre = pass:column(count_of(selectors[1]), { "before" })
  end
end

local function add_anchor(pass, h, columns)
  local function anchor(name)
    return pass:column({ kind = "anchor", column = name }, { from_us = 0, to_us = h.observe_us })
  end
  columns.across = {}
  for i, name in ipairs(h.across) do
    columns.across[i] = { name = name, column = anchor(name) }
  end
  columns.adjust = {}
  for i, item in ipairs(h.adjust) do
    if type(item) == "string" then
      columns.adjust[i] = { name = item, column = anchor(item), level = true }
    else
      columns.adjust[i] = { name = tostring(item),
        column = pass:column(item, { from_us = 0, to_us = h.observe_us }) }
    end
  end
  if h.cluster then columns.cluster = anchor(h.cluster) end
end

-- Other events of the log, the busiest first: what any event would have shown.
local function add_placebos(pass, h, columns, own, events)
  columns.placebos = {}
  if h.outcome.scale == "time" then return end
  local taken = {}
  for _, selector in ipairs(own) do taken[#taken + 1] = selector end
  for _, selector in ipairs(needs.outcome_selectors(h.outcome)) do taken[#taken + 1] = selector end
  local candidates = {}
  for _, event in ipairs(events) do
    local free = event.users >= needs.placebo_users
    for _, selector in ipairs(taken) do
      if free and not is_everything(selector) and select_events.has_event(selector, event.name) then
        free = false
      end
    end
    if free then candidates[#candidates + 1] = event end
  end
  table.sort(candidates, function(a, b)
    if a.users ~= b.users then return a.users > b.users end
    return a.name < b.name
  end)
  for i = 1, math.min(#candidates, needs.placebos_most) do
    local selector = { names = { candidates[i].name } }
    columns.placebos[i] = { event = candidates[i].name,
      column = pass:column(count_of(selector), { from_us = 0, to_us = h.observe_us }),
      near = h.outcome.selector and pass:column({ kind = "matches",
        steps = { selector, h.outcome.selector }, within_us = near_of(h) }, { "since" }) }
  end
end

-- A count of the outcome's own events is the outcome's history, not a metric beside it.
local function is_history(of, outcome)
  of = metric.leaf(of)
  if of.kind ~= "count" and of.kind ~= "did" or not outcome.selector then return false end
  return fingerprint.text(of.selector) == fingerprint.text(outcome.selector)
end

-- One number of the baseline, seen otherwise (its logarithm, a threshold …), is activity, too: what
-- it adds is only the shape of activity's own effect.
local function is_activity(h)
  local mine = metric.tree_fingerprint(metric.leaf(h.metric))
  for _, item in ipairs(h.activity or { metric.count(), metric.active_days(),
    metric.sessions() }) do
    if metric.tree_fingerprint(metric.leaf(item)) == mine then return true end
  end
  return false
end

-- What the tree alone tells: shared events, and metrics that are the baseline by construction.
local function relate(h, own, events)
  local related = { own = own, landmark_us = h.observe_us + h.gap_us,
    bare = metric.is_bare(h.metric) }
  for _, selector in ipairs(needs.outcome_selectors(h.outcome)) do
    if is_everything(selector) then related.history_is_activity = true end
    for _, mine in ipairs(own) do
      if overlap(mine, selector, events) then related.shared = true end
    end
  end
  if not h.activity and is_history(h.metric, h.outcome) then
    related.same = own.all and "is_activity" or "is_history"
  elseif is_activity(h) then
    related.same = "is_activity"
  end
  return related
end

local function add_hypothesis(pass, h, events)
  local own = needs.own(h.metric, events)
  local columns = relate(h, own, events)
  local landmark = columns.landmark_us
  columns.metric = pass:column(h.metric, { from_us = 0, to_us = h.observe_us })
  columns.outcome = outcome_column(pass, h.outcome, landmark, h.within_us)
  columns.prior = prior_columns(pass, h, landmark)
  add_activity(pass, h, columns, own)
  add_parts(pass, h, columns, own)
  add_embargo(pass, h, columns)
  add_leakage(pass, h, columns, own, events)
  add_anchor(pass, h, columns)
  add_placebos(pass, h, columns, own, events)
  return columns
end

-- Roles whose columns are read when the case is made, and never again.
local read_once = { activity = true, cluster = true, days = true, sessions = true, last = true,
  even = true, odd = true, first_half = true, second_half = true, parts = true,
  first_metric = true, first_outcome = true }

--- Names of the columns that are still read once the case is made (and of some that are not there).
---@param columns table of a member
---@return table<string, boolean>
function needs.read_later(columns)
  local names = {}
  local function walk(roles)
    for role, value in pairs(roles) do
      if read_once[role] then goto continue end
      if type(value) == "string" then names[value] = true end
      if type(value) == "table" then walk(value) end
      ::continue::
    end
  end
  walk(columns)
  return names
end

local function clock_key(h, as_of_us)
  return fingerprint.text { h.from or false, h.population or false, h.until_selector or false,
    as_of_us }
end

--- Passes over the log that answer all `hypotheses`.
---@param hypotheses table[] trees
---@param events {name: string, users: integer}[] event names of the log
---@param last_us integer time of the last event: end of observation where none is declared
---@return table[] passes each {request, members = {{index, hypothesis, columns}…}}
function needs.plan(hypotheses, events, last_us)
  local passes, by_key = {}, {}
  for index, h in ipairs(hypotheses) do
    local as_of_us = h.as_of_us or last_us
    local key = clock_key(h, as_of_us)
    local pass = by_key[key]
    if not pass then
      pass = setmetatable({ by_key = {}, members = {}, request = { from = h.from,
        population = h.population, until_selector = h.until_selector, as_of_us = as_of_us,
        columns = {} } }, Pass)
      by_key[key] = pass
      passes[#passes + 1] = pass
    end
    pass.members[#pass.members + 1] =
      { index = index, hypothesis = h, columns = add_hypothesis(pass, h, events) }
  end
  return passes
end

return needs
