--- Outcomes lost on the way: stage by stage, early against late, and among people written off.
---
--- Figures are in outcomes. What a stage loses is what could be expected of its leavers when they
--- entered it, judged by everybody who was then like them: what was lost cannot be more than what
--- came. What early leavers are worth is a forecast that can fail: learned on earlier cohorts, and
--- put right by what later cohorts did. See doc/design/friction.md.
local core = require "wayproof.core"
local effect = require "wayproof.friction_effect"
local stats = require "wayproof.stats"

local lost = {}

lost.never = 1e18 -- seconds: later than anything
lost.patience_level = 0.9 -- share of those who move on that have done so when others are given up
local split_level = 0.7    -- cohorts below this share of entries are the earlier ones

--- Expected outcomes of the leavers of one stage.
---@param stays table  vectors over the stage: entry, before, tenure, moved, closed, outcome
---   (0/1 within the time of the stage)
---@return number lost
function lost.of_stage(stays)
  local leavers = (1 - stays.moved) * stays.closed
  if leavers:sum() == 0 then return 0.0 end
  local columns = {}
  effect.add_curve(columns, stays.before:log1p(), nil)
  effect.add(columns, stays.tenure:log1p())
  effect.add(columns, stays.entry)
  local chances = effect.chances(stays.outcome, columns, stays.closed)
  return chances and chances:dot(leavers) or 0.0
end

-- Early or late halves of a rate: { rate, n } each, and whether it fell (one-sided p < 0.05).
local function halves(hits, base, entry)
  local cut = #entry > 0 and entry:quantiles({ 0.5 })[1]
  if not cut then return nil end
  local earlier = entry:below(cut)
  local n1, n2 = base:dot(earlier), base:dot(1 - earlier)
  if n1 < effect.users_least or n2 < effect.users_least then return nil end
  local r1 = (hits * base):dot(earlier) / n1
  local r2 = (hits * base):dot(1 - earlier) / n2
  local pooled = (r1 * n1 + r2 * n2) / (n1 + n2)
  local se = math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
  local z = se > 0 and (r1 - r2) / se or 0
  return { earlier = r1, later = r2, fell = stats.normal_upper(z) < 0.05 }
end

local function distinct_users(handle, first, last)
  local lists = {}
  for stage = first, last do lists[#lists + 1] = handle:column(stage, "user") end
  if #lists == 0 then return 0 end
  local numbers = core.vector.concat(lists):distinct()
  return #numbers
end

--- Whether a healthy rate at the late stages hides that few get there.
---@return table|nil top  nil where there is no late stage
function lost.top(handle, all, early_count)
  local late = early_count + 1
  if early_count == 0 or not all[late] then return nil end
  local entered = distinct_users(handle, 1, early_count)
  local both = entered + distinct_users(handle, late, #all) - distinct_users(handle, 1, #all)
  local first, there = all[1].stays, all[late].stays
  local top = { stage = all[late].name, entered = entered, reached = both,
    reach = entered > 0 and both / entered or nil }
  if there then
    local base = there.closed
    if base:sum() > 0 then top.late_rate = there.outcome:dot(base) / base:sum() end
    top.late = halves(there.outcome, base, there.entry)
  end
  if first then top.early = halves(first.in_time, first.closed, first.entry) end
  top.starving = top.early ~= nil and top.late ~= nil and top.early.fell and not top.late.fell
  return top
end

-- One early stage's people that were given up: features known by then, as vectors.
local function given_up(handle, stage, index, count)
  local fresh = 1 - handle:signal(stage, "again")
  local function signal(name) return handle:signal(stage, name):select(fresh) end
  local function column(name) return handle:column(stage, name, true):select(fresh) end
  local people = { y = signal "outcome", entry = column "entry_us",
    events = signal("events"):log1p(), distinct = signal("distinct"):log1p(),
    pauses = signal("pauses"):log1p(), quiet = signal("quiet_seconds"):log1p(),
    before = column("before"):log1p(), tenure = column("tenure_seconds"):log1p() }
  for i = 2, count do
    people["stage " .. i] = core.vector.full(#people.y, i == index and 1 or 0)
  end
  return people
end

local feature_names = { "quiet", "events", "before", "distinct", "tenure", "pauses" }

local function join(parts, count)
  local all = {}
  for name in pairs(parts[1]) do
    local lists = {}
    for i, part in ipairs(parts) do lists[i] = part[name] end
    all[name] = core.vector.concat(lists)
  end
  all.columns = {}
  effect.add_curve(all.columns, all.quiet)
  effect.add_curve(all.columns, all.events)
  for i = 2, count do effect.add(all.columns, all["stage " .. i]) end
  for i = 3, #feature_names do effect.add(all.columns, all[feature_names[i]]) end
  return all
end

-- Of those who were given up and did not come, how many looked at least as promising as the
-- typical one who did.
local function alike(chances, y)
  local buyers = chances:select(y)
  if #buyers == 0 then return 0 end
  return math.tointeger(chances:select(1 - y):at_least(buyers:quantiles({ 0.5 })[1]):sum())
end

--- What people who were given up in the early stages are worth.
---@param patience_us integer[]  per stage: when somebody who has not moved on is given up
---@param within_us integer
---@return table written_off  people, expected, low, high, observed, claimed (0), alike, calibration
function lost.written_off(handle, early_count, patience_us, cut_us, within_us)
  local result = { people = 0, expected = 0.0, low = 0.0, high = 0.0, observed = 0, claimed = 0,
    alike = 0 }
  if early_count == 0 then return result end
  local observe = {}
  for i, patience in ipairs(patience_us) do observe[i] = i <= early_count and patience or 0 end
  local done, message = handle:measure { observe_us = observe, cut_us = cut_us,
    within_us = within_us }
  if not done then error(message, 0) end
  local parts = {}
  for stage = 1, early_count do parts[stage] = given_up(handle, stage, stage, early_count) end
  local all = join(parts, early_count)
  result.people = #all.y
  if #all.y == 0 then return result end
  result.observed = math.tointeger(all.y:sum())
  local cut = all.entry:quantiles({ split_level })[1]
  local learn = all.entry:below(cut)
  if learn:sum() == 0 then learn = core.vector.full(#all.y, 1) end
  local later = learn:min() == 1 and learn or 1 - learn
  local chances, modelled = effect.chances(all.y, all.columns, learn)
  local total, forecast, came = chances:sum(), chances:dot(later), all.y:dot(later)
  local low, high = effect.poisson_limits(came)
  if forecast <= 0 then -- nobody came in the earlier cohorts: only the later ones can tell
    total, forecast = #all.y, later:sum()
  end
  result.expected = came / forecast * total
  result.low, result.high = low / forecast * total, high / forecast * total
  result.high = math.min(result.high, #all.y)
  result.alike = alike(chances, all.y)
  result.calibration = { people = math.tointeger(later:sum()), expected = forecast,
    observed = math.tointeger(came), ratio = came / forecast, modelled = modelled }
  return result
end

return lost
