-- Naive twins of csrc/journey/{stage_spans,friction,clarity}: one person at a time, from the words
-- of their headers, over journeys as `log:journeys()` gives them.
local stage_twin = {}

local SECOND = 1000000

local function log1p(x) return x < 1e-4 and x - x * x / 2 + x ^ 3 / 3 or math.log(1 + x) end

--- Stays of all people: { user (rank), stage, entry, last (rows are entry .. last), … }, by stage.
--- `stage_of(event)` is 0 for none; `is_outcome(event)`.
function stage_twin.stays(log, stages_count, stage_of, is_outcome, times, as_of)
  local by_stage = {}
  for stage = 1, stages_count do by_stage[stage] = {} end
  local user = 0
  for _, journey in log:journeys() do
    local rows, outcome_at, seen = {}, nil, 0
    for _, row in ipairs(journey) do
      if row.time <= as_of then rows[#rows + 1] = row end
    end
    for i, row in ipairs(rows) do
      if is_outcome(row.event) then
        seen = seen + 1
        if seen == times then outcome_at = outcome_at or i end
      end
    end
    local depth, open = 0, nil
    for i, row in ipairs(rows) do
      local stage = stage_of(row.event)
      if stage > depth then
        if open then open.advance, open.exit = row.time, i end
        depth = stage
        open = { user = user, rows = rows, stage = stage, entry = i, exit = #rows + 1,
          outcome = outcome_at and rows[outcome_at].time or nil }
        table.insert(by_stage[stage], open)
      end
      if i == outcome_at then
        if open then open.advance, open.exit = row.time, i end
        break
      end
    end
    user = user + 1
  end
  return by_stage
end

function stage_twin.engaged(stay)
  local sum, rows = 0, stay.rows
  local last = stay.advance and stay.exit or #rows
  for i = stay.entry + 1, last do
    local gap = rows[i].time - rows[i - 1].time
    if gap <= 1800 * SECOND then sum = sum + math.min(gap, 60 * SECOND) end
  end
  return sum / SECOND
end

local function used(stay, observe, within, as_of)
  local landmark = stay.rows[stay.entry].time + observe
  if landmark + within > as_of then return nil end
  return landmark
end

--- Signals of a stay before its landmark, or nil when it is not in use.
function stage_twin.signals(stay, observe, within, as_of, stage_of)
  local landmark = used(stay, observe, within, as_of)
  if not landmark or (stay.advance and stay.advance < landmark) then return nil end
  local rows = {}
  for i = stay.entry, stay.exit - 1 do
    if stay.rows[i].time < landmark then rows[#rows + 1] = stay.rows[i] end
  end
  local out = { events = #rows, self_loops = 0, rework = 0, u_turns = 0, quick_backs = 0,
    page_loops = 0, backtracks = 0, off_path = 0, distinct = 0, runs = 0, pauses = 0, rows = rows,
    outcome = stay.outcome and stay.outcome < landmark + within and 1 or 0,
    quiet_seconds = (landmark - rows[#rows].time) / SECOND,
    start_delay = ((rows[2] and rows[2].time or landmark) - rows[1].time) / SECOND }
  local before_stage, known, session, runs = stay.stage, {}, 0, {}
  for i, row in ipairs(rows) do
    local a, b, c = rows[i - 2], rows[i - 1], row
    if b and c.time - b.time > 1800 * SECOND then
      session, out.pauses = session + 1, out.pauses + 1
    end
    if b and b.event == c.event then
      out.self_loops = out.self_loops + 1
    elseif known[c.event] then
      out.rework = out.rework + 1
    end
    if a and a.event == c.event and b.event ~= c.event then
      out.u_turns = out.u_turns + 1
      if c.time - b.time <= 5 * SECOND then out.quick_backs = out.quick_backs + 1 end
    end
    known[c.event] = known[c.event] or {}
    table.insert(known[c.event], c.time)
    local times = known[c.event]
    if #times == 1 then out.distinct = out.distinct + 1 end
    if #times >= 3 and c.time - times[#times - 2] <= 15 * SECOND then
      out.page_loops = out.page_loops + 1
    end
    local key = c.event .. " " .. session
    runs[key] = (runs[key] or 0) + 1
    out.runs = math.max(out.runs, runs[key])
    local stage = stage_of(c.event)
    if stage == 0 then out.off_path = out.off_path + 1 end
    if stage ~= 0 then
      if stage < before_stage then out.backtracks = out.backtracks + 1 end
      before_stage = stage
    end
  end
  return out
end

local function median(list)
  table.sort(list)
  local n = #list
  return n % 2 == 1 and list[n // 2 + 1] or (list[n // 2] + list[n // 2 + 1]) / 2
end

--- Median and deviation of log gaps after each event, of later converters who entered before `cut`.
function stage_twin.gaps(stays, observe, within, as_of, cut)
  local lists = {}
  for _, stay in ipairs(stays) do
    local landmark = used(stay, observe, within, as_of)
    local entered = stay.rows[stay.entry].time
    if landmark and stay.outcome and stay.outcome < landmark + within and entered < cut then
      local last = stay.advance and stay.exit or #stay.rows
      for i = stay.entry, math.min(last, #stay.rows) - 1 do
        local event = stay.rows[i].event
        lists[event] = lists[event] or {}
        table.insert(lists[event], log1p((stay.rows[i + 1].time - stay.rows[i].time) / SECOND))
      end
    end
  end
  local thresholds = {}
  for event, list in pairs(lists) do
    if #list >= 20 then
      local middle = median(list)
      for i, x in ipairs(list) do list[i] = math.abs(x - middle) end
      thresholds[event] = { middle, math.max(0.1, median(list) * 1.4826) }
    end
  end
  return thresholds
end

function stage_twin.hesitation(signals, thresholds)
  local worst
  for i, row in ipairs(signals.rows) do
    local gap = signals.rows[i + 1] and (signals.rows[i + 1].time - row.time) / SECOND
      or signals.quiet_seconds
    local own = thresholds[row.event]
    if own then
      local excess = (log1p(gap) - own[1]) / own[2]
      worst = math.max(worst or excess, excess)
    end
  end
  return worst
end

-- Clarity ----------------------------------------------------------------------------------------

local function bin(x, upper)
  for i, limit in ipairs(upper) do
    if x <= limit then return i end
  end
  return #upper + 1
end

local function touches_of(stay, within, as_of, stage_of, item_of)
  local list, rows = {}, stay.rows
  local entered = rows[stay.entry].time
  for i = stay.entry, stay.exit - 1 do
    local now = rows[i].time
    if now + within > as_of then break end
    local follow = "leave"
    for k = i + 1, stay.exit - 1 do
      if rows[k].time <= now + within then
        if follow == "leave" then follow = "linger" end
        local stage = stage_of(rows[k].event)
        if stage > 0 and stage < stay.stage then follow = "back" end
      end
    end
    if stay.advance and stay.advance <= now + within then follow = "advance" end
    local before = stay.entry - 1
    local pause = i > stay.entry and now - rows[i - 1].time > 1800 * SECOND
    list[#list + 1] = { item = item_of(rows[i]), follow = follow,
      cell = table.concat({ bin(i - stay.entry, { 0, 1, 2, 4, 8, 16 }),
        bin((now - entered) / SECOND, { 0, 10, 60, 600, 3600, 21600, 86400, 259200, 604800 }),
        bin(before, { 0, 3, 15 }), tostring(pause) }, " ") }
  end
  return list
end

--- Difference in advances and its standard error for every item of a stage: by item
--- `{ users, passed, moved, advance, se, structural }`.
function stage_twin.clarity(stays, within, as_of, stage_of, item_of)
  local people, items, moved = {}, {}, 0
  for _, stay in ipairs(stays) do
    local touches = touches_of(stay, within, as_of, stage_of, item_of)
    local person = { touches = touches, met = {},
      moved = stay.advance ~= nil and #touches > 0 and #touches == stay.exit - stay.entry }
    moved = moved + (person.moved and 1 or 0)
    for i, touch in ipairs(touches) do
      if touch.item and not person.met[touch.item] then
        person.met[touch.item] = i
        items[touch.item] = items[touch.item] or { users = 0, passed = 0 }
        local own = items[touch.item]
        own.users = own.users + 1
        own.passed = own.passed + (person.moved and 1 or 0)
      end
    end
    people[#people + 1] = person
  end
  for _, own in pairs(items) do
    own.moved = moved
    own.structural = moved >= 20 and own.passed >= 0.95 * moved
  end
  for name, own in pairs(items) do
    if not own.structural then stage_twin.compare(people, items, name, own) end
  end
  return items
end

-- Least squares within cells, people as clusters; or the binomial law where it is larger.
function stage_twin.compare(people, items, name, own)
  local rows, cells = {}, {}
  for p, person in ipairs(people) do
    local met = person.met[name]
    for i, touch in ipairs(person.touches) do
      if met and i > met then break end
      if not (touch.item and items[touch.item].structural) then
        local row = { person = p, cell = touch.cell, x = i == met and 1 or 0,
          y = touch.follow == "advance" and 1 or 0 }
        rows[#rows + 1] = row
        local cell = cells[row.cell] or { n = 0, n1 = 0, y = 0, y1 = 0 }
        cells[row.cell] = cell
        cell.n, cell.n1, cell.y = cell.n + 1, cell.n1 + row.x, cell.y + row.y
        cell.y1 = cell.y1 + row.x * row.y
      end
    end
  end
  local weights, sum, compared, binomial = 0, 0, 0, 0
  for _, cell in pairs(cells) do
    local n0 = cell.n - cell.n1
    cell.used = cell.n1 > 0 and n0 > 0
    if cell.used then
      local weight = cell.n1 * n0 / cell.n
      weights = weights + weight
      sum = sum + weight * (cell.y1 / cell.n1 - (cell.y - cell.y1) / n0)
      compared = compared + cell.n1
      binomial = binomial + weight * cell.y / cell.n * (1 - cell.y / cell.n)
    end
  end
  own.compared = compared
  if weights == 0 then return end
  own.advance = sum / weights
  if compared < 2 then return end
  local scores, squares = {}, 0
  for _, row in ipairs(rows) do
    local cell = cells[row.cell]
    if cell.used then
      local x = row.x - cell.n1 / cell.n
      scores[row.person] = (scores[row.person] or 0)
        + x * (row.y - cell.y / cell.n - own.advance * x)
    end
  end
  for _, score in pairs(scores) do squares = squares + score * score end
  own.se = math.sqrt(math.max(squares * compared / (compared - 1), binomial)) / weights
end

return stage_twin
