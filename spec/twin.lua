-- The naive engine: every metric and outcome in plain Lua, one user at a time.
--
-- It shares nothing with the core but the trees that it reads. Clarity over speed: windows are
-- filters over all events, every metric a loop. The specs compare the C engine with it.
--
-- An event is { time = µs, event = name, value = number or nil, <properties> }; a journey is a
-- list of events in order; a user is { id =, journey =, attributes = {…}, known_at = µs or nil
-- }.
local twin = {}

local HALF_HOUR = 30 * 60 * 1000000
local DAY = 86400 * 1000000

-- Which events -----------------------------------------------------------------------------------

local function name_matches(wanted, name)
  if not wanted:find("*", 1, true) then return wanted == name end
  local pattern = wanted:gsub("%p", function(sign) return sign == "*" and ".*" or "%" .. sign end)
  return name:match("^" .. pattern .. "$") ~= nil
end

local function condition_holds(condition, event)
  local value, holds = event[condition.column], false
  if value ~= nil and value ~= "" then
    if condition.test == "in" then
      for _, wanted in ipairs(condition.values) do holds = holds or wanted == value end
    else
      holds = true
      if condition.low and value < condition.low then holds = false end
      if condition.low and condition.low_open and value == condition.low then holds = false end
      if condition.high and value > condition.high then holds = false end
      if condition.high and condition.high_open and value == condition.high then holds = false end
    end
  end
  if condition.negated then return not holds end
  return holds
end

function twin.filter_holds(filter, event)
  for _, condition in ipairs(filter or {}) do
    if not condition_holds(condition, event) then return false end
  end
  return true
end

function twin.selects(selector, event)
  if not selector then return true end
  if selector.names then
    local found = false
    for _, wanted in ipairs(selector.names) do
      if name_matches(wanted, event.event) then found = true end
    end
    if not found then return false end
  end
  for _, other in ipairs(selector.except or {}) do
    if twin.selects(other, event) then return false end
  end
  return twin.filter_holds(selector.filter, event)
end

-- Windows ----------------------------------------------------------------------------------------

-- First instant and first instant after it, for one user.
local function borders(window, clock)
  if window[1] == "lifetime" then return clock.first_us, clock.as_of_us end
  if window[1] == "before" then return clock.first_us, clock.t0_us end
  if window[1] == "since" then return clock.t0_us, clock.end_us end
  return clock.t0_us + window.from_us, clock.t0_us + window.to_us
end

local function events_in(journey, window, clock)
  local from, to = borders(window, clock)
  if window[1] == "lifetime" then to = to + 1 end
  local list = {}
  for position, event in ipairs(journey) do
    if event.time >= from and event.time < to then
      list[#list + 1] = event
      event.position = position
    end
  end
  return list
end

local function selected(list, selector)
  local out = {}
  for _, event in ipairs(list) do
    if twin.selects(selector, event) then out[#out + 1] = event end
  end
  return out
end

-- Metrics ----------------------------------------------------------------------------------------
--
-- kinds[kind](node, events of the window, scene): scene has user, clock, from, to.
local kinds = {}

function kinds.count(node, events)
  local n = 0
  for _, event in ipairs(selected(events, node.selector)) do
    local odd = event.position % 2 == 1
    if not node.part or (node.part == "odd") == odd then n = n + 1 end
  end
  return n
end

function kinds.did(node, events)
  return #selected(events, node.selector) > 0 and 1 or 0
end

function kinds.distinct(node, events)
  local seen, n = {}, 0
  for _, event in ipairs(selected(events, node.selector)) do
    local value = event[node.column]
    if value ~= nil and value ~= "" and not seen[value] then
      seen[value] = true
      n = n + 1
    end
  end
  return n
end

local function values_of(node, events)
  local list = {}
  for _, event in ipairs(selected(events, node.selector)) do
    local value = event[node.column or "value"]
    if value ~= nil then list[#list + 1] = value end
  end
  return list
end

function kinds.sum(node, events)
  local total = 0.0
  for _, value in ipairs(values_of(node, events)) do total = total + value end
  return total
end

function kinds.mean(node, events)
  local list = values_of(node, events)
  if #list == 0 then return nil end
  return kinds.sum(node, events) / #list
end

function kinds.max(node, events)
  local best
  for _, value in ipairs(values_of(node, events)) do
    if not best or value > best then best = value end
  end
  return best
end

function kinds.min(node, events)
  local best
  for _, value in ipairs(values_of(node, events)) do
    if not best or value < best then best = value end
  end
  return best
end

function kinds.first_value(node, events) return values_of(node, events)[1] end

function kinds.last_value(node, events)
  local list = values_of(node, events)
  return list[#list]
end

function kinds.sessions(node, events)
  local n, last = 0, nil
  for _, event in ipairs(events) do
    if not last or event.time - last > (node.timeout_us or HALF_HOUR) then n = n + 1 end
    last = event.time
  end
  return n
end

function kinds.active_days(_, events)
  local seen, n = {}, 0
  for _, event in ipairs(events) do
    local day = event.time // DAY
    if not seen[day] then
      seen[day] = true
      n = n + 1
    end
  end
  return n
end

function kinds.time_to(node, events, scene)
  local first = selected(events, node.selector)[1]
  return ((first and first.time or scene.to) - scene.from) / 1e6
end

function kinds.time_between(node, events)
  local start = selected(events, node.from_selector)[1]
  if not start then return nil end
  for _, event in ipairs(selected(events, node.to_selector)) do
    if event.time > start.time then return (event.time - start.time) / 1e6 end
  end
  return nil
end

function kinds.dwell(node, events)
  local total = 0
  for i, event in ipairs(events) do
    local following = events[i + 1]
    if following and twin.selects(node.selector, event) then
      total = total + math.min(following.time - event.time, HALF_HOUR)
    end
  end
  return total / 1e6
end

local function gaps_of(events)
  local gaps = {}
  for i = 2, #events do gaps[i - 1] = events[i].time - events[i - 1].time end
  table.sort(gaps)
  return gaps
end

function kinds.longest_gap(_, events)
  local gaps = gaps_of(events)
  return gaps[1] and gaps[#gaps] / 1e6 or nil
end

function kinds.pace(_, events)
  local gaps = gaps_of(events)
  local n = #gaps
  if n == 0 then return nil end
  if n % 2 == 1 then return gaps[(n + 1) // 2] / 1e6 end
  return (gaps[n // 2] + gaps[n // 2 + 1]) / 2e6
end

local function stage_of(stages, event)
  for i = 1, #stages do
    if twin.selects(stages[i].selector, event) then return i end
  end
  return nil
end

function kinds.depth(node, events)
  local reached = 0
  for _, event in ipairs(events) do
    if stage_of(node.stages, event) == reached + 1 then reached = reached + 1 end
  end
  return reached
end

function kinds.backtracks(node, events)
  local n, before = 0, nil
  for _, event in ipairs(events) do
    local stage = stage_of(node.stages, event)
    if stage and before and stage < before then n = n + 1 end
    before = stage or before
  end
  return n
end

function kinds.hesitation(node, events, scene)
  local start
  for _, event in ipairs(events) do
    local stage = stage_of(node.stages, event)
    if not start then
      if stage == node.stage then start = event.time end
    elseif stage and stage > node.stage then
      return (event.time - start) / 1e6
    end
  end
  return start and (scene.to - start) / 1e6 or nil
end

function kinds.self_loops(node, events)
  local n = 0
  for i = 2, #events do
    local a, b = events[i - 1], events[i]
    if a.event == b.event and twin.selects(node.selector, a) and twin.selects(node.selector, b) then
      n = n + 1
    end
  end
  return n
end

function kinds.u_turns(node, events)
  local n = 0
  for i = 3, #events do
    local a, b, c = events[i - 2], events[i - 1], events[i]
    if a.event == c.event and a.event ~= b.event and twin.selects(node.selector, a)
        and twin.selects(node.selector, c) then
      n = n + 1
    end
  end
  return n
end

function kinds.matches(node, events)
  local n, start = 0, 1
  while start <= #events do
    local last
    if twin.selects(node.steps[1], events[start]) then
      last = start
      for k = 2, #node.steps do
        repeat last = last + 1
        until not events[last] or twin.selects(node.steps[k], events[last])
        if not events[last] then break end
      end
    end
    if last and events[last]
        and (not node.within_us or events[last].time - events[start].time <= node.within_us) then
      n = n + 1
      start = last + 1
    else
      start = start + 1
    end
  end
  return n
end

function kinds.attribute(node, _, scene)
  local user = scene.user
  if user.known_at_dated and (not user.known_at or user.known_at >= scene.to) then return nil end
  return user.attributes and user.attributes[node.name]
end

function kinds.custom(node, events, scene)
  return node.call(selected(events, node.events), { from = scene.from, to = scene.to })
end

function kinds.first_time(node, events, scene)
  local first = selected(events, node.selector)[1]
  return first and first.time - scene.clock.t0_us
end

function kinds.time_of_last(node, events, scene)
  local list = selected(events, node.selector)
  return #list > 0 and list[#list].time - scene.clock.t0_us or nil
end

function kinds.anchor(node, _, scene)
  local value = scene.clock.anchor[node.column]
  return value ~= "" and value or nil
end

local function finite(number)
  if number ~= number or number == math.huge or number == -math.huge then return nil end
  return number
end

local arithmetic = {
  add = function(a, b) return finite(a + b) end,
  subtract = function(a, b) return finite(a - b) end,
  multiply = function(a, b) return finite(a * b) end,
  divide = function(a, b)
    if b == 0 then return nil end
    return finite(a / b)
  end,
}

-- log(1 + x) without losing small x (Kahan's correction).
local function log1p(x)
  local y = 1 + x
  if y == 1 then return x end
  return math.log(y) * x / (y - 1)
end
twin.log1p = log1p

--- A metric of one user in one window; nil is missing.
function twin.value(node, user, window, clock)
  window = node.window or window
  local kind = node.kind
  if arithmetic[kind] then
    local a = twin.value(node.left, user, window, clock)
    local b = twin.value(node.right, user, window, clock)
    if a == nil or b == nil then return nil end
    return arithmetic[kind](a, b)
  elseif kind == "constant" then
    return node.number
  elseif node.of then
    local a = twin.value(node.of, user, window, clock)
    if kind == "default" then return a == nil and node.number or a end
    if a == nil then return nil end
    if kind == "at_least" then return a >= node.number and 1 or 0 end
    if kind == "capped" then return math.min(a, node.number) end
    if a <= -1 then return nil end
    return log1p(a)
  end
  local from, to = borders(window, clock)
  return kinds[kind](node, events_in(user.journey, window, clock),
    { user = user, clock = clock, from = from, to = to })
end

-- Clocks, outcomes, loss -------------------------------------------------------------------------

--- The clock of a user, or nil and the reason ("no_anchor", "outside").
function twin.clock(user, asked)
  local anchor = selected(user.journey, asked.from)[1]
  if not anchor then return nil, "no_anchor" end
  if not twin.filter_holds(asked.population, anchor) then return nil, "outside" end
  local clock = { t0_us = anchor.time, anchor = anchor, as_of_us = asked.as_of_us,
    end_us = asked.as_of_us, first_us = user.journey[1].time }
  if asked.until_selector then
    for _, event in ipairs(selected(user.journey, asked.until_selector)) do
      if event.time >= anchor.time then
        clock.end_us = math.min(clock.end_us, event.time)
        break
      end
    end
  end
  return clock
end

local function happened(outcome, user, window, clock)
  return kinds.count({ selector = outcome.selector }, events_in(user.journey, window, clock))
    >= outcome.at_least
end

local outcomes = {}

function outcomes.converts(outcome, user, from, to, clock)
  return happened(outcome, user, { from_us = from, to_us = to }, clock) and 1 or 0
end
outcomes.refers = outcomes.converts

function outcomes.retained(outcome, user, from, to, clock)
  local window = { from_us = from + outcome.from_us,
    to_us = outcome.to_us and from + outcome.to_us or to }
  return happened(outcome, user, window, clock) and 1 or 0
end

function outcomes.churned(...) return 1 - outcomes.retained(...) end

function outcomes.earns(outcome, user, from, to, clock)
  return twin.value({ kind = "sum", selector = outcome.selector, column = outcome.column }, user,
    { from_us = from, to_us = to }, clock)
end

function outcomes.metric(outcome, user, from, to, clock)
  return twin.value(outcome.metric, user, { from_us = from, to_us = to }, clock)
end

function outcomes.accelerates(outcome, user, from, to, clock)
  local start = clock.t0_us + from
  local sight = math.min(clock.t0_us + to, clock.end_us)
  for _, event in ipairs(selected(user.journey, outcome.selector)) do
    if event.time >= start and event.time < sight then return (event.time - start) / 1e6, 1 end
  end
  return (sight - start) / 1e6, 0
end

-- The selectors of a metric that is an outcome.
local function selectors_of(node, into)
  if node.left then
    selectors_of(node.left, into)
    selectors_of(node.right, into)
  elseif node.of then
    selectors_of(node.of, into)
  elseif node.kind == "sessions" or node.kind == "active_days" or node.kind == "pace"
      or node.kind == "longest_gap" then
    into[#into + 1] = {}
  else
    into[#into + 1] = node.selector
    into[#into + 1] = node.from_selector
    into[#into + 1] = node.to_selector
    for _, step in ipairs(node.steps or {}) do into[#into + 1] = step end
    for i = 1, #(node.stages or {}) do into[#into + 1] = node.stages[i].selector end
  end
  return into
end

local function had_before(outcome, user, asked, clock)
  local selectors = outcome.metric and selectors_of(outcome.metric, {}) or { outcome.selector }
  local landmark = clock.t0_us + asked.observe_us + asked.gap_us
  for _, event in ipairs(user.journey) do
    local before = event.time < landmark and event.time ~= clock.t0_us
    for _, selector in ipairs(selectors) do
      if before and twin.selects(selector, event) then return true end
    end
  end
  return false
end

--- What `log:measure` does. asked: metrics (list of { name, metric }), outcome, observe_us, gap_us,
--- within_us, exclude (boolean), from, until_selector, population, as_of_us.
---@return table[] rows  used and missing users in order, each { user, <metrics>, outcome, time,
---   status }
---@return table n
function twin.measure(users, asked)
  local rows = {}
  local n = { users = #users, outside = 0, no_anchor = 0, too_recent = 0, prior_outcome = 0,
    missing = 0, used = 0 }
  local landmark = asked.observe_us + asked.gap_us
  local needed = landmark + asked.within_us
  if asked.outcome and asked.outcome.kind == "accelerates" then needed = landmark end
  for _, user in ipairs(users) do
    local clock, reason = twin.clock(user, asked)
    if clock and clock.t0_us + needed > clock.end_us then clock, reason = nil, "too_recent" end
    if clock and asked.exclude and had_before(asked.outcome, user, asked, clock) then
      clock, reason = nil, "prior_outcome"
    end
    if clock then
      local row, missing = { user = user.id }, false
      for _, column in ipairs(asked.metrics) do
        row[column.name] =
          twin.value(column.metric, user, { from_us = 0, to_us = asked.observe_us }, clock)
        missing = missing or row[column.name] == nil
      end
      if asked.outcome then
        row.outcome, row.status = outcomes[asked.outcome.kind](asked.outcome, user, landmark,
          landmark + asked.within_us, clock)
        if asked.outcome.kind == "accelerates" then row.time = row.outcome end
        missing = missing or row.outcome == nil
      end
      rows[#rows + 1] = row
      reason = missing and "missing" or "used"
    end
    n[reason] = n[reason] + 1
  end
  return rows, n
end

return twin
