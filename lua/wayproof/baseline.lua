--- Plain activity as columns: what a metric must add to.
--
-- Default: log volume (all events but the metric's own) as a restricted cubic spline with knots at
-- 5, 35, 65, 95 %, log active days, log sessions, silence (how long before the end of the window
-- the last event was, as a share of it; a spline too, and times volume), and W = entry time as a
-- spline of up to 8 knots, segments, outcome history.
-- A list that the hypothesis gives enters as given, without anything else but `adjust`. Columns
-- that are constant or follow from earlier ones are left out, so every fit has full rank.
-- Cost: O(n k^2) for k columns (gram.lua).
local core = require "wayproof.core"
local gram = require "wayproof.gram"
local scale = require "wayproof.scale"

local baseline = {}

local levels = { 0.05, 0.35, 0.65, 0.95 }
baseline.collinear = 0.999 -- R^2 of the metric on the baseline above which it is the baseline
baseline.levels_most, baseline.level_least = 20, 20 -- levels of a property with a column, users
baseline.calendar_knots, baseline.knot_events = 8, 12 -- knots of entry time; events for each
baseline.week_events = 150 -- events from which every weekday has a column
baseline.history_most = 0.98 -- R^2 of volume on W above which history is volume again

-- Quantiles of v at `places` (5, 35, 65, 95 %) without ties.
local function knots_of(v, places)
  places = places or levels
  local at = v:quantiles(places)
  local knots = {}
  for i = 1, #places do
    if at[i] and (#knots == 0 or at[i] > knots[#knots]) then knots[#knots + 1] = at[i] end
  end
  return knots
end

baseline.knots_of = knots_of

--- Whether a column is one of the calendar's.
function baseline.is_calendar(name)
  return name:find("entry time", 1, true) == 1
end

local function add(list, name, v, group)
  if v then list[#list + 1] = { name = name, v = v, group = group } end
end

-- 0/1 columns of all levels but the most frequent; rare levels share one column.
local function dummies(item, codes, group, list)
  local name, label = item.name, item.label or tostring
  local numbers, counts = codes:distinct()
  local order = {}
  for i = 1, #numbers do order[i] = i end
  table.sort(order, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    return a < b
  end)
  local rest
  for place = 2, #order do
    local i = order[place]
    local column = codes:equals(numbers[i])
    if place <= baseline.levels_most and counts[i] >= baseline.level_least then
      add(list, name .. " " .. label(numbers[i]), column, group)
    else
      rest = rest and rest + column or column
    end
  end
  add(list, name .. " other", rest, group)
end

local function add_curve(list, name, v, knots, group)
  if #knots < 3 then return end
  for i, column in ipairs(core.vector.spline(v, knots)) do
    add(list, string.format("%s (curve %d)", name, i), column, group)
  end
end

baseline.add_curve = add_curve

local function knots_within(v, learn)
  return knots_of(learn and v:select(learn) or v)
end

local function add_default(list, case, learn, shared)
  local z = case.volume and scale.standardise(case.volume:log1p(), learn)
  add(list, "volume", z, "z")
  if z then add_curve(list, "volume", z, knots_within(z, learn), "activity") end
  table.move(shared.presence, 1, #shared.presence, #list + 1, list)
  -- A long silence says more about somebody who used to do much.
  if shared.silence and z then
    add(list, "silence x volume", shared.silence * z, "activity")
  end
end

-- Days of the week (UTC): a column each, or one wave through the week where events are few.
local function add_week(list, entry, events)
  if entry:max() - entry:min() < 21 * 86400e6 then return end
  local day = (entry / 86400e6):floor()
  local weekday = day - (day / 7):floor() * 7
  local many = events >= baseline.week_events
  local cosine, sine
  for k = 0, 6 do
    local here = weekday:equals(k)
    if many then
      if k > 0 then add(list, string.format("entry time (weekday %d)", k), here, "w") end
    else
      local angle = 2 * math.pi * k / 7
      cosine = cosine and cosine + here * math.cos(angle) or here * math.cos(angle)
      sine = sine and sine + here * math.sin(angle) or here * math.sin(angle)
    end
  end
  add(list, "entry time (weekday 1)", cosine, "w")
  add(list, "entry time (weekday 2)", sine, "w")
end

local function knot_count(events)
  return math.max(3, math.min(baseline.calendar_knots, events // baseline.knot_events))
end

--- How many columns a calendar of more than three weeks has for so many events.
function baseline.calendar_terms(events)
  return math.floor(knot_count(events)) - 1 + (events >= baseline.week_events and 6 or 2)
end

--- Columns of a calendar: entry time as a restricted cubic spline, as fine as the events allow, and
--- the days of the week. Seasons, launches, weekends move metric and outcome together; a straight
--- line would not see them.
---@param entry wayproof.Vector when the users of `case` (or of a part of it) started
---@return table list of {name, v, group = "w"}
function baseline.calendar(entry, case, part, learn)
  local events, others = part:information()
  events = math.min(events, others)
  local list = {}
  local t = scale.standardise(entry, learn)
  if not t then return list end
  add(list, "entry time", t, "w")
  local count = knot_count(events)
  local at = {}
  for i = 1, count do at[i] = 0.05 + 0.9 * (i - 1) / (count - 1) end
  add_curve(list, "entry time", t, knots_of(t, at), "w")
  if case.entry_is_time ~= false then add_week(list, entry, events) end
  local all, kept = {}, {}
  for i, item in ipairs(list) do all[i] = item.v end
  for i, place in ipairs((gram.build(all):independent())) do kept[i] = list[place] end
  return kept
end

-- What activity has beside its volume; the silence in one column is returned as well.
local function add_presence(list, case, learn)
  if case.days then
    add(list, "active days", (scale.standardise(case.days:log1p(), learn)), "activity")
  end
  if case.sessions then
    add(list, "sessions", (scale.standardise(case.sessions:log1p(), learn)), "activity")
  end
  local r = case.silence and scale.standardise(case.silence, learn)
  if r then
    add(list, "silence", r, "activity")
    add_curve(list, "silence", r, knots_within(r, learn), "activity")
  end
  return r
end

-- W: what is known before activity.
local function add_before(list, case, learn)
  if case.entry then
    local calendar = baseline.calendar(case.entry, case, case, learn)
    table.move(calendar, 1, #calendar, #list + 1, list)
  end
  for _, across in ipairs(case.across or {}) do
    dummies(across, across.codes, "w", list)
  end
  if case.history then
    add(list, "earlier outcomes", (scale.standardise(case.history:log1p(), learn)), "history")
  end
end

local function add_adjust(list, case, learn)
  for _, item in ipairs(case.adjust or {}) do
    if item.level then
      dummies(item, item.v, "w", list)
    else
      add(list, item.name, (scale.standardise(item.v, learn)), "w")
    end
  end
end

-- The columns that do not depend on the metric, made once for a case and its placebos.
local function shared_of(case, learn)
  local shared = case.shared
  if shared and shared.learn == learn then return shared end
  shared = { learn = learn, before = {}, presence = {}, adjust = {} }
  if not case.activity then
    add_before(shared.before, case, learn)
    shared.silence = add_presence(shared.presence, case, learn)
    case.silence = shared.silence -- its unit does not matter, and one copy is enough
  end
  add_adjust(shared.adjust, case, learn)
  case.shared = shared
  return shared
end

local function vectors(list)
  local out = {}
  for i, item in ipairs(list) do out[i] = item.v end
  return out
end

local function places(list, group)
  local out = {}
  for i, item in ipairs(list) do
    if item.group == group or (group == "w" and item.group == "history") then out[#out + 1] = i end
  end
  return out
end

local function first_place(list, group)
  return places(list, group)[1]
end

-- History that only repeats the volume would leave nothing of it in the noise gate.
local function drop_history(list, known)
  local z, history = first_place(list, "z"), first_place(list, "history")
  if not z or not history then return list end
  local g = gram.build(vectors(list), known)
  local r2 = g:r_squared(z, places(list, "w"))
  if not r2 or r2 < baseline.history_most then return list end
  table.remove(list, history)
  return list
end

--- The baseline of a case and how far the metric is the baseline.
---
--- Result: `columns` (vectors, full rank, x not among them), `names`, `w` (places of W among them),
--- `z` (vector of activity in one dimension, or nil), `r_squared` (of x on the columns),
--- `collinear` (nil, "is_activity", "is_history", "is_adjusted"), `s_z, s_x, r` (noise.lua),
--- `given`, `empty`.
---@param case table
---@param x wayproof.Vector the metric as it enters the model
---@param learn wayproof.Vector? mask of the discovery part
function baseline.build(case, x, learn)
  local shared = shared_of(case, learn)
  local list = {}
  if case.activity then
    for i, item in ipairs(case.activity) do
      add(list, item.name, item.v, i == 1 and "z" or "activity")
    end
  else
    table.move(shared.before, 1, #shared.before, 1, list)
    add_default(list, case, learn, shared)
  end
  table.move(shared.adjust, 1, #shared.adjust, #list + 1, list)
  list = drop_history(list, shared.gram)
  local all = vectors(list)
  all[#all + 1] = x
  local g = gram.build(all, shared.gram)
  shared.gram = shared.gram or g
  local kept = g:independent()
  local built = { columns = {}, names = {}, groups = {}, w = {}, given = case.activity ~= nil }
  local activity_left = false
  local given = {}
  built.gram, built.places, built.place_x = g, given, #all
  for _, i in ipairs(kept) do
    if i <= #list then
      built.columns[#built.columns + 1] = list[i].v
      built.names[#built.names + 1] = list[i].name
      built.groups[#built.groups + 1] = list[i].group
      given[#given + 1] = i
      local group = list[i].group
      if group == "w" or group == "history" then built.w[#built.w + 1] = #built.columns end
      if group == "z" or group == "activity" then activity_left = true end
    end
  end
  built.empty = not activity_left
  built.r_squared = g:r_squared(#all, given)
  if built.r_squared and built.r_squared >= baseline.collinear then
    built.collinear = "is_activity"
    local history = first_place(list, "history")
    local alone = history and g:r_squared(#all, { history })
    if alone and alone >= baseline.collinear then built.collinear = "is_history" end
    local before = {}
    for i, item in ipairs(list) do
      if item.group == "w" then before[#before + 1] = i end
    end
    local held = #before > 0 and g:r_squared(#all, before)
    if held and held >= baseline.collinear then built.collinear = "is_adjusted" end
  end
  local z = first_place(list, "z")
  if z and g.sd[z] > 0 then
    built.z = list[z].v
    built.s_z, built.s_x, built.r = g:partial(z, #all, places(list, "w"))
  end
  return built
end

--- The metric as activity would have it: its least squares fit on the baseline without the
--- calendar, up to a constant; no outcome is looked at. nil where there is nothing to fit it on.
---@param built table what baseline.build returned
---@return wayproof.Vector?
function baseline.expected(built)
  local given, columns = {}, {}
  for i, name in ipairs(built.names) do
    if not baseline.is_calendar(name) then
      given[#given + 1], columns[#columns + 1] = built.places[i], built.columns[i]
    end
  end
  if #columns == 0 then return nil end
  return core.vector.combine(columns, built.gram:slopes(built.place_x, given))
end

return baseline
