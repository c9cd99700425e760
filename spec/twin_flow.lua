-- The naive engine of journeys: funnels by looking at every chain, sessions, transitions, retention
-- and paths by plain loops over one user at a time. It shares nothing with the core.
--
-- A journey is a list of events { time = µs, event = name, <properties> } in order; selectors are
-- functions of an event.
local twin = {}

-- Funnels ----------------------------------------------------------------------------------------
--
-- rules: steps = { { is = fn, optional, gap_min, gap_max } }, within, order, entry, ties, grace,
-- reuse, first_required, exclusions = { { is = fn, after, before, whole_user } }, hold = property,
-- as_of. Durations in µs, nil: none.

local function better(a, b)
  if not b then return true end
  if a.level ~= b.level then return a.level > b.level end
  if a.completed ~= b.completed then return a.completed < b.completed end
  if a.place ~= b.place then return a.place < b.place end
  if a.entered ~= b.entered then return a.entered > b.entered end
  return (a.entry or 0) > (b.entry or 0)
end

-- Whether event j may be the step after event i (positions in the journey).
local function follows(journey, i, j, rules)
  local a, b = journey[i], journey[j]
  if rules.order == "strict" then
    if j ~= i + 1 then return false end
    return rules.ties ~= "strict" or b.time > a.time
  end
  if rules.ties == "any" then return b.time >= a.time - (rules.grace or 0) end
  if rules.ties == "strict" then return b.time > a.time end
  return j > i
end

local function strictly_between(journey, i, x, j, rules)
  if rules.ties == "any" then
    return journey[x].time > journey[i].time and (not j or journey[x].time < journey[j].time)
  end
  return x > i and (not j or x < j)
end

local function same_hold(journey, a, b, rules)
  return not rules.hold or journey[a][rules.hold] == journey[b][rules.hold]
end

-- Excluded events that end an attempt between the steps `from` (at i) and its next (at j).
local function barred(journey, i, j, from, rules)
  for _, exclusion in ipairs(rules.exclusions or {}) do
    if not exclusion.whole_user and from >= exclusion.after and from < exclusion.before then
      for x = 1, #journey do
        if exclusion.is(journey[x]) and same_hold(journey, x, i, rules)
            and strictly_between(journey, i, x, j, rules) then
          return true
        end
      end
    end
  end
  return false
end

local function gap_fits(step, gap)
  if gap < (step.gap_min or 0) and (step.gap_min or 0) > 0 then return false end
  return not step.gap_max or gap <= step.gap_max
end

local function has(list, value)
  for _, item in pairs(list) do
    if item == value then return true end
  end
  return false
end

-- Every chain that begins at entry i; visit(rows by step, last step, last position).
local function each_chain(journey, entry, rules, visit)
  local function extend(rows, step, at)
    visit(rows, step, at)
    local next_step = step + 1
    while next_step <= #rules.steps do
      for j = 1, #journey do
        if rules.steps[next_step].is(journey[j]) and follows(journey, at, j, rules)
            and same_hold(journey, at, j, rules)
            and (rules.reuse or not has(rows, j))
            and gap_fits(rules.steps[next_step], journey[j].time - journey[at].time)
            and (not rules.within or journey[j].time - journey[entry].time <= rules.within)
            and not barred(journey, at, j, step, rules) then
          rows[next_step] = j
          extend(rows, next_step, j)
          rows[next_step] = nil
        end
      end
      if not rules.steps[next_step].optional then break end
      next_step = next_step + 1
    end
  end
  extend({ [1] = entry }, 1, entry)
end

local function entries_of(journey, rules, value)
  local list = {}
  for i, event in ipairs(journey) do
    local begins = rules.steps[1].is(event)
    if rules.order == "any" and not rules.first_required then
      for _, step in ipairs(rules.steps) do begins = begins or step.is(event) end
    end
    if begins and (not rules.hold or event[rules.hold] == value) then list[#list + 1] = i end
  end
  if rules.entry == "first" then return { list[1] } end
  if rules.entry == "latest" then return { list[#list] } end
  return list
end

-- The most steps that the events from `entry` on can serve, one event per step, and when.
local function any_order(journey, entry, rules, value)
  local best = { level = 0 }
  local used = {}
  local function try(step, level, last)
    if step > #rules.steps then
      local chain = { level = level, completed = last, entered = journey[entry].time }
      if level > 0 and better(chain, best.level > 0 and best or nil) then best = chain end
      return
    end
    for j = entry, #journey do
      if not used[j] and rules.steps[step].is(journey[j])
          and (not rules.hold or journey[j][rules.hold] == value)
          and (not rules.within or journey[j].time - journey[entry].time <= rules.within)
          and (not rules.first_required or step ~= 1 or j == entry) then
        used[j] = true
        try(step + 1, level + 1, math.max(last, journey[j].time))
        used[j] = nil
      end
    end
    if not (rules.first_required and step == 1) then try(step + 1, level, last) end
  end
  try(1, 0, math.mininteger)
  return best
end

local function excludes_user(journey, chain, rules)
  for _, exclusion in ipairs(rules.exclusions or {}) do
    for from = exclusion.after, exclusion.before - 1 do
      local here = chain.rows[from]
      if exclusion.whole_user and here then
        local following
        for k = from + 1, #rules.steps do following = following or chain.rows[k] end
        for x = 1, #journey do
          if exclusion.is(journey[x]) and same_hold(journey, x, here, rules)
              and strictly_between(journey, here, x, following, rules)
              and (following or not rules.within
                or journey[x].time - chain.entered <= rules.within) then
            return true
          end
        end
      end
    end
  end
  return false
end

-- Whether a chain that ends at `at` as `step` can go on after the end of the log.
local function can_go_on(journey, rows, step, at, rules)
  local next_step = step + 1
  while next_step <= #rules.steps do
    local gap = rules.steps[next_step].gap_max
    local alive = (rules.within or gap)
      and (not rules.within or journey[rows[1]].time + rules.within > rules.as_of)
      and (not gap or journey[at].time + gap > rules.as_of)
      and (rules.order ~= "strict" or at == #journey)
      and not barred(journey, at, nil, step, rules)
    if alive then return true end
    if not rules.steps[next_step].optional then break end
    next_step = next_step + 1
  end
  return false
end

local function values_of(journey, rules)
  if not rules.hold then return { false } end
  local list, seen = {}, {}
  for _, event in ipairs(journey) do
    local value = event[rules.hold]
    if value and value ~= "" and not seen[value] then
      seen[value] = true
      list[#list + 1] = value
    end
  end
  return list
end

--- The winner of one user: level (0: never entered), entered, completed, pending, open, excluded.
function twin.funnel(journey, rules)
  local best, pending, open
  for _, value in ipairs(values_of(journey, rules)) do
    local value_best, value_pending
    local entries = entries_of(journey, rules, value)
    for _, entry in ipairs(entries) do
      if rules.order == "any" then
        local chain = any_order(journey, entry, rules, value)
        if chain.level > 0 and better(chain, value_best) then value_best = chain end
      else
        each_chain(journey, entry, rules, function(rows, step, at)
          local chain = { level = step, entered = journey[entry].time,
            completed = journey[at].time, rows = rows,
            entry = entry,
            place = rules.ties == "any" and 0 or at } -- tied rows complete in their order
          if better(chain, value_best) then
            chain.rows = {}
            for k, row in pairs(rows) do chain.rows[k] = row end
            value_best = chain
          end
          value_pending = value_pending or can_go_on(journey, rows, step, at, rules)
        end)
      end
    end
    local last = entries[#entries]
    local is_open = last and rules.within and journey[last].time + rules.within > rules.as_of
    if rules.order == "any" then value_pending = is_open end
    if value_best then
      open = open or is_open
      pending = pending or (value_pending and value_best.level < #rules.steps)
      if better(value_best, best) then best = value_best end
    end
  end
  if not best then return { level = 0 } end
  best.pending = (pending or false) and best.level < #rules.steps
  best.open = open or false
  best.excluded = rules.order ~= "any" and excludes_user(journey, best, rules)
  return best
end

--- Whether a listed sequence is a chain by the rules: events and times by step (a step's `named`
--- looks at the event's name alone).
function twin.is_chain(sequence, rules, steps_count)
  local before
  for k = 1, steps_count do
    local time = sequence.times[k]
    if time then
      local named = rules.steps[k].named or rules.steps[k].is
      if not named { event = sequence.events[k] } then return false end
      if rules.order ~= "any" and before and time < before - (rules.grace or 0) then
        return false
      end
      before = time
    end
  end
  return true
end

-- Order statistics: type 7 ------------------------------------------------------------------------

function twin.quantile(values, p)
  table.sort(values)
  if #values == 0 then return nil end
  local place = p * (#values - 1)
  local k = math.floor(place)
  local low, high = values[k + 1], values[math.min(k + 2, #values)]
  return low + (high - low) * (place - k)
end

-- Sessions ---------------------------------------------------------------------------------------

function twin.sessions(journeys, timeout)
  local sizes, seconds, single, events = {}, {}, 0, 0
  for _, journey in pairs(journeys) do
    local first, size = nil, 0
    local function close(last)
      sizes[#sizes + 1] = size
      seconds[#seconds + 1] = (last.time - first.time) / 1e6
      if size == 1 then single = single + 1 end
    end
    for i, event in ipairs(journey) do
      events = events + 1
      if i > 1 and event.time - journey[i - 1].time > timeout then
        close(journey[i - 1])
        first, size = nil, 0
      end
      first = first or event
      size = size + 1
    end
    if first then close(journey[#journey]) end
  end
  return { sessions = #sizes, single_event = single, mean_events = events / #sizes,
    median_events = twin.quantile(sizes, 0.5), median_seconds = twin.quantile(seconds, 0.5),
    p90_seconds = twin.quantile(seconds, 0.9) }
end

-- Transitions, dwell and gaps ---------------------------------------------------------------------

--- class(event) → name or nil (as if absent); timeout nil: none.
function twin.transitions(journeys, class, timeout)
  local total, rows, from_total = 0, {}, {}
  for id, journey in pairs(journeys) do
    local from, at
    for _, event in ipairs(journey) do
      local to = class(event)
      if to then
        if from and (not timeout or event.time - at <= timeout) then
          local key = from .. " > " .. to
          local row = rows[key] or { from = from, to = to, count = 0, users = {}, gaps = {} }
          rows[key] = row
          row.count = row.count + 1
          row.users[id] = true
          row.gaps[#row.gaps + 1] = (event.time - at) / 1e6
          total = total + 1
          from_total[from] = (from_total[from] or 0) + 1
        end
        from, at = to, event.time
      end
    end
  end
  for _, row in pairs(rows) do
    local users = 0
    for _ in pairs(row.users) do users = users + 1 end
    row.users = users
    row.share, row.probability = row.count / total, row.count / from_total[row.from]
    row.median_seconds, row.p90_seconds = twin.quantile(row.gaps, 0.5), twin.quantile(row.gaps, 0.9)
  end
  return total, rows
end

--- Time from each event of a class to the user's next event, whatever it is.
function twin.dwell(journeys, class, timeout)
  local rows = {}
  for _, journey in pairs(journeys) do
    for i, event in ipairs(journey) do
      local name = class(event)
      if name then
        local row = rows[name] or { events = 0, gaps = {} }
        rows[name] = row
        row.events = row.events + 1
        local gap = journey[i + 1] and journey[i + 1].time - event.time
        if gap and (not timeout or gap <= timeout) then row.gaps[#row.gaps + 1] = gap / 1e6 end
      end
    end
  end
  return rows
end

-- Retention --------------------------------------------------------------------------------------

local DAY = 86400 * 1000000

--- Cohorts by UTC day or week; rules: period, offsets, start, returns, on_or_after, per_user,
--- as_of.
function twin.retention(journeys, rules)
  local length = rules.period == "week" and 7 * DAY or DAY
  local shift = rules.period == "week" and 4 * DAY or 0 -- 1970-01-05 was a Monday
  local cohorts = {}
  for _, journey in pairs(journeys) do
    local first
    for i, event in ipairs(journey) do
      if rules.start(event) then
        first = i
        break
      end
    end
    if first then
      local t0 = journey[first].time
      local own = (t0 - shift) // length
      local cohort = cohorts[own] or { start = own * length + shift, users = 0, retained = {},
        observable = {} }
      cohorts[own] = cohort
      cohort.users = cohort.users + 1
      local back, last = {}, nil
      for i = first, #journey do
        if rules.returns(journey[i]) then
          local offset = rules.per_user and (journey[i].time - t0) // length
            or (journey[i].time - shift) // length - own
          back[offset], last = true, offset
        end
      end
      for k = 0, rules.offsets - 1 do
        local observable
        if rules.per_user then
          observable = t0 + (k + 1) * length <= rules.as_of
        else
          observable = (own + k + 1) * length + shift <= rules.as_of + 1
        end
        local is_back
        if rules.on_or_after then is_back = last ~= nil and k <= last else is_back = back[k] end
        if rules.per_user then is_back = is_back and observable end
        cohort.retained[k + 1] = (cohort.retained[k + 1] or 0) + (is_back and 1 or 0)
        cohort.observable[k + 1] = (cohort.observable[k + 1] or 0) + (observable and 1 or 0)
      end
    end
  end
  return cohorts
end

-- Paths ------------------------------------------------------------------------------------------

--- rules: anchor (fn or nil), backwards, steps, class, within, merge. Sequences by path text,
--- matrix by class and step.
function twin.paths(journeys, rules)
  local users, sequences, matrix = 0, {}, {}
  for _, journey in pairs(journeys) do
    local from, to, by = 1, #journey, 1
    if rules.backwards then from, to, by = #journey, 1, -1 end
    local anchor
    for i = from, to, by do
      if not rules.anchor or rules.anchor(journey[i]) then
        anchor = i
        break
      end
    end
    local path, at = {}, nil
    for i = anchor or to + by, to, by do
      local name = rules.class(journey[i])
      if name and #path < rules.steps then
        if at and rules.within and math.abs(journey[i].time - at) > rules.within then break end
        at = journey[i].time
        if not (rules.merge and path[#path] == name) then path[#path + 1] = name end
      end
    end
    if #path > 0 then
      users = users + 1
      for k = 1, rules.steps do
        local name = path[k] or "(over)"
        matrix[name] = matrix[name] or {}
        matrix[name][k] = (matrix[name][k] or 0) + 1
      end
      if rules.backwards then
        for k = 1, #path // 2 do path[k], path[#path + 1 - k] = path[#path + 1 - k], path[k] end
      end
      local key = table.concat(path, " > ")
      sequences[key] = (sequences[key] or 0) + 1
    end
  end
  return { users = users, sequences = sequences, matrix = matrix }
end

return twin
