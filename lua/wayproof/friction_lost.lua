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

--- Expected outcomes of the leavers of one stage. Columns are put on a scale by everybody in the
--- stage, and then only kept of those whose time is over.
---@param handle userdata  of `plan.open`
---@param within_us integer
---@return number lost
function lost.of_stage(handle, stage, within_us)
  local closed = { closed_us = within_us }
  if handle:count(stage, { closed_us = within_us, advanced = false }) == 0 then return 0.0 end
  local function entry_columns()
    local is_closed, columns = handle:mask(stage, closed), {}
    effect.add_curve(columns, handle:column(stage, "before"):log1p(), is_closed)
    effect.add(columns, handle:column(stage, "tenure_seconds"):log1p(), is_closed)
    effect.add(columns, handle:column(stage, "entry_us"), is_closed)
    return columns
  end
  local function outcome()
    return handle:column(stage, "outcome_seconds", closed):fill(lost.never)
      :at_most(within_us / 1e6)
  end
  local columns, count = entry_columns(), handle:count(stage, closed)
  local model = effect.model(outcome(), columns)
  if not model then return 0.0 end
  return effect.chances(model, columns, count):dot(1 - handle:column(stage, "advanced", closed))
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

--- Whether a healthy rate at the late stages hides that few get there.
---@param handle userdata  of `plan.open`
---@param names string[]  of the stages
---@return table|nil top  nil where there is no late stage
function lost.top(handle, names, early_count, within_us)
  local late = early_count + 1
  if early_count == 0 or not names[late] then return nil end
  local entered = handle:users(1, early_count)
  local both = entered + handle:users(late, #names) - handle:users(1, #names)
  local top = { stage = names[late], entered = entered, reached = both,
    reach = entered > 0 and both / entered or nil }
  local counts, closed = handle:counts(), { closed_us = within_us }
  if counts[late] > 0 then
    local base = handle:mask(late, closed)
    local outcome = handle:column(late, "outcome_seconds"):fill(lost.never)
      :at_most(within_us / 1e6)
    if base:sum() > 0 then top.late_rate = outcome:dot(base) / base:sum() end
    top.late = halves(outcome, base, handle:column(late, "entry_us"))
  end
  if counts[1] > 0 then
    top.early = halves(handle:mask(1, { in_time_us = within_us }), handle:mask(1, closed),
      handle:column(1, "entry_us"))
  end
  top.starving = top.early ~= nil and top.late ~= nil and top.early.fell and not top.late.fell
  return top
end

local feature_names = { "quiet", "events", "before", "distinct", "tenure", "pauses" }

-- One early stage's people that were given up: what was known by then, as vectors.
local function given_up(handle, stage, index, count)
  local fresh = 1 - handle:signal(stage, "again")
  local function signal(name) return handle:signal(stage, name):select(fresh) end
  local function column(name)
    return handle:column(stage, name, { used = true }):select(fresh)
  end
  local people = { y = signal "outcome", entry = column "entry_us", events = signal "events",
    distinct = signal "distinct", pauses = signal "pauses", quiet = signal "quiet_seconds",
    before = column "before", tenure = column "tenure_seconds" }
  for i = 2, count do
    people["stage " .. i] = core.vector.full(#people.y, i == index and 1 or 0)
  end
  return people
end

-- One column of all parts, which no longer have it then.
local function joined(parts, name)
  local lists = {}
  for i, part in ipairs(parts) do lists[i], part[name] = part[name], nil end
  return core.vector.concat(lists)
end

-- The columns of the people to learn from, and of the others.
local function design(parts, count, learn)
  local learned, others = {}, {}
  local rest = learn and others
  effect.add_curve(learned, joined(parts, "quiet"):log1p(), learn, rest)
  effect.add_curve(learned, joined(parts, "events"):log1p(), learn, rest)
  for i = 2, count do effect.add(learned, joined(parts, "stage " .. i), learn, rest) end
  for i = 3, #feature_names do
    effect.add(learned, joined(parts, feature_names[i]):log1p(), learn, rest)
  end
  return learned, others
end

local function earlier_of(entry)
  local earlier = entry:below(entry:quantiles({ split_level })[1])
  if earlier:sum() == 0 or earlier:min() == 1 then return nil end
  return earlier
end

-- Of those who were given up and did not come, how many looked at least as promising as the
-- typical one who did; `groups` of chances and outcomes.
local function alike(groups)
  local buyers, count = {}, 0
  for i, group in ipairs(groups) do buyers[i] = group.chances:select(group.y) end
  buyers = core.vector.concat(buyers)
  if #buyers == 0 then return 0 end
  local typical = buyers:quantiles({ 0.5 })[1]
  for _, group in ipairs(groups) do
    count = count + (group.chances:at_least(typical) * (1 - group.y)):sum()
  end
  return math.tointeger(count)
end

--- What people who were given up in the early stages are worth.
--- Closes the handle as soon as all has been read from it: what follows needs the memory.
---@param patience_us integer[]  per stage: when somebody who has not moved on is given up
---@param within_us integer
---@return table written_off  people, expected, low, high, observed, claimed (0), alike, calibration
function lost.written_off(handle, early_count, patience_us, cut_us, within_us)
  local result = { people = 0, expected = 0.0, low = 0.0, high = 0.0, observed = 0, claimed = 0,
    alike = 0 }
  if early_count == 0 then return result end
  local observe = {}
  for i, patience in ipairs(patience_us) do observe[i] = i <= early_count and patience or 0 end
  handle:measure { observe_us = observe, cut_us = cut_us, within_us = within_us }
  local parts = {}
  for stage = 1, early_count do parts[stage] = given_up(handle, stage, stage, early_count) end
  handle:close()
  local y = joined(parts, "y")
  result.people = #y
  if #y == 0 then return result end
  result.observed = math.tointeger(y:sum())
  local learn = earlier_of(joined(parts, "entry")) -- who is learned from; nil: all
  local learned, others = design(parts, early_count, learn)
  local known = learn and y:select(learn) or y
  local model = assert(effect.model(known, learned))
  local groups = { { chances = effect.chances(model, learned, #known), y = known } }
  local total, came = groups[1].chances:sum(), y:sum()
  local forecast = total
  if learn then -- only those who came later judge the forecast
    local later = y:select(1 - learn)
    groups[2] = { chances = effect.chances(model, others, #later), y = later }
    forecast, came = groups[2].chances:sum(), later:sum()
    total = total + forecast
  end
  local judges = learn and #y - #known or #y
  local low, high = effect.poisson_limits(came)
  if forecast <= 0 then -- nobody came in the earlier cohorts: only the later ones can tell
    total, forecast = #y, judges
  end
  result.expected = came / forecast * total
  result.low, result.high = low / forecast * total, high / forecast * total
  result.high = math.min(result.high, #y)
  result.alike = alike(groups)
  result.calibration = { people = judges, expected = forecast,
    observed = math.tointeger(came), ratio = came / forecast, modelled = model.modelled }
  return result
end

return lost
