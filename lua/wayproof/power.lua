--- What would be needed: users, days, and the smallest effect these users could have shown.
--
-- Closed form for the whole decision rule, if the effect is what it seems to be now. Standard
-- errors shrink with the square root of the number of users (those of Cox regression a little
-- faster, see fit.lua). Earlier and later users are other people, and three tenths of what the
-- whole sample says is what the later ones say, so for n users the chance of a clear verdict is
--     P(enough events) * sum over later users who replicate of
--       min(P(discovery passes), P(every condition on the full sample passes | what they say))
-- since the full-sample conditions move together. `users` is the smallest n for which that is 80 %;
-- nil when no number of users would do (the noise gate fails at any size).
-- Cost: about a millisecond, whatever the number of users.
local baseline = require "wayproof.baseline"
local core = require("wayproof.core").stats
local verdict = require "wayproof.verdict"

local power = {}

power.chance = 0.8
power.gate_spread = 1.08 -- the corrected effect varies more than its error says (r is estimated)
power.steady = 0.98 -- share of constant effects that no stability rule trips over
power.nodes = 12 -- values of the later users' effect that are looked at
local Z_DETECT = 1.959963984540054 + 0.8416212335729143 -- 5 % two-sided, 80 %
local Z_LATER = 1.6448536269514722 -- the later users' test: one-sided 5 %
local LATER = 0.3

local phi, phi_inverse = core.normal_cdf, core.normal_quantile

-- How the estimate of a full-sample condition moves with the pooled effect: correlation of the
-- effect corrected for noisy activity and the plain one in the noise gate's fit.
local function along(numbers, corrected)
  if not numbers or not corrected.shift then return 1 end
  local shared = numbers.v_xx - corrected.shift * numbers.v_xz
  return math.max(0, math.min(1, shared / (math.sqrt(numbers.v_xx) * corrected.se)))
end

-- Conditions on the full sample: each {mean, se, threshold in se, fixed threshold, along}; nil
-- where the noise gate has no answer, as more users would not give it one. (Few users may only seem
-- so.)
local function full_conditions(facts, found, epsilon, side)
  local adjusted, gate = found.adjusted, found.gate
  local list = {
    { mean = side * adjusted.beta, se = adjusted.se, z = 1.96, at = 0, along = 1 },
    { mean = side * adjusted.beta, se = adjusted.se, z = 0, at = epsilon, along = 1 },
  }
  if gate and gate.floor and gate.half then
    list[#list + 1] = { mean = side * gate.floor.beta, se = gate.floor.se * power.gate_spread,
      z = verdict.rules.gate_z / power.gate_spread, at = 0,
      along = along(found.gate_fit, gate.floor) }
    list[#list + 1] = { mean = side * gate.half.beta, se = gate.half.se, z = 0, at = epsilon,
      along = along(found.gate_fit, gate.half) }
  elseif gate and math.min(facts.events, facts.non_events) >= 100 then
    return nil
  end
  local base = found.case and found.case.base
  if base and base.r_squared and base.r_squared >= verdict.rules.like_activity then return nil end
  return list
end

-- By how much errors are wider than the square root of the information says, for a Cox regression
-- of `events` on the calendar and `others` terms (fit.lua: events / (events - terms)).
local function widened(events, others)
  local terms = others + baseline.calendar_terms(events)
  return math.sqrt(events / math.max(1, events - terms))
end

-- Factors by which the pooled error grows at `ratio` times the present users: of all of them, of
-- the earlier, of the later. The calendar is as fine as the events of a part allow.
local function widths(facts, found, ratio)
  local all, early, late = 1, 1, 1
  local model = found.model
  if facts.case.kind == "time" and model and model.inflation > 1 then
    local events = facts.events
    local others = math.max(0, model.count - baseline.calendar_terms(events))
    local now = math.sqrt(model.inflation)
    all = widened(ratio * events, others) / now
    early = widened((1 - LATER) * ratio * events, others) / now
    late = widened(LATER * ratio * events, 3) / now -- score, the metric expected, the metric
  end
  return all, early / math.sqrt(1 - LATER), late / math.sqrt(LATER)
end

-- Chance that the whole rule says yes at `ratio` times the present users.
local function chance_at(facts, found, conditions, side, ratio)
  local shrink = math.sqrt(ratio)
  local all, early, late = widths(facts, found, ratio)
  local z = side * found.adjusted.beta / found.adjusted.se * shrink
  local split = found.case.mask ~= nil -- without entry times nobody is early or late
  local discovery = split and phi(z / early - 1.96) or 1
  local replicates = split and phi(z / late - Z_LATER) or 1
  if replicates <= 0 then return 0 end
  local sum = 0
  for i = 1, power.nodes do
    -- How far above its mean the later users' estimate is, among those that replicate.
    local u = -phi_inverse(replicates * (i - 0.5) / power.nodes)
    local least = discovery
    for _, c in ipairs(conditions) do
      local share = math.sqrt(LATER) * c.along
      local above = (c.mean - c.at) / (c.se * all) * shrink - c.z
      least = math.min(least, phi((above + share * u) / math.sqrt(1 - share * share)))
    end
    sum = sum + least
  end
  return sum / power.nodes * replicates * power.steady
end

-- Smallest ratio in [low, 10^7] at which `enough(ratio)` holds; nil when there is none.
local function smallest(enough)
  local low, high = 1e-4, 1e7
  if not enough(high) then return nil end
  for _ = 1, 40 do
    local middle = math.sqrt(low * high)
    if enough(middle) then high = middle else low = middle end
  end
  return high
end

-- Events that count, and their standard deviation; for amounts, which count as (sum y)^2 / sum y^2,
-- by the delta method.
local function scarcity(facts)
  local whole = facts.whole
  local scarce = math.min(whole:information())
  if whole.kind ~= "numeric" or scarce == 0 then
    return scarce, math.sqrt(scarce * math.max(0.1, 1 - scarce / facts.n.used))
  end
  local y = whole.y
  local moved = y * (2 / y:sum()) - y * y * (1 / y:dot(y))
  return scarce, scarce * math.sqrt(math.max(0, moved:dot(moved) - 1 / #y))
end

-- Chance that `ratio` times the present users bring the events that a claim needs.
local function chance_of_events(scarce, spread, ratio)
  if scarce == 0 then return 0 end
  spread = spread * math.sqrt(ratio)
  return phi((scarce * ratio - verdict.rules.events_to_claim) / spread)
end

-- Chance that an estimate and its interval stay within `room` on both sides.
local function chance_within(mean, se, room)
  return phi((room - mean) / se - verdict.rules.z) + phi((room + mean) / se - verdict.rules.z) - 1
end

-- What is left of a distance from nothing when chance alone is taken off, so that its square is
-- right on average: even where nothing is there, no estimate is exactly nothing.
local function beyond_chance(distance, se)
  return math.sqrt(math.max(0, distance * distance - se * se))
end

-- Ratio for "nothing worth acting on": the effect has to stay close to none and, for row 6, so has
-- the AUC. (Where the AUC is away from a half, vanity is what can be shown.)
local function ratio_for_nothing(facts, beta, se, epsilon)
  local auc = facts.association
  if auc and math.abs(auc.estimate - 0.5) >= verdict.rules.near_half then auc = nil end
  beta = beyond_chance(beta, se)
  local away = auc and beyond_chance(auc.estimate - 0.5, auc.se)
  return smallest(function(ratio)
    local shrink = math.sqrt(ratio)
    local chance = chance_within(beta, se / shrink, epsilon)
    if auc then
      chance = math.min(chance, chance_within(away, auc.se / shrink,
        verdict.rules.near_half))
    end
    return chance >= power.chance
  end)
end

-- Users for a yes at the effect seen, or for "nothing worth acting on" when that is too small.
local function users_needed(facts, found, epsilon)
  local beta, se = found.adjusted.beta, found.adjusted.se
  local side = beta >= 0 and 1 or -1
  local used = facts.n.used
  if math.abs(beta) < epsilon then
    local ratio = ratio_for_nothing(facts, beta, se, epsilon)
    if not ratio then return nil end
    return used * ratio, "nothing"
  end
  local conditions = full_conditions(facts, found, epsilon, side)
  local scarce, spread = scarcity(facts)
  local ratio = conditions and smallest(function(r)
    local chance = chance_of_events(scarce, spread, r)
    return chance >= power.chance
      and chance * chance_at(facts, found, conditions, side, r) >= power.chance
  end)
  if not ratio then return nil, "never" end
  return used * ratio, "effect"
end

-- Users arriving per day, from the entry times of those in the analysis.
local function arrivals(case)
  local entry = case.entry
  if not entry or case.entry_is_time == false then return nil end
  local days = (entry:max() - entry:min()) / 86400e6
  if days < 1 then return nil end
  return #entry / days
end

--- `needed` of a result: `users`, `days` (until that many are complete, at the present rate of
--- arrivals; 0 when they are there), `effect` (smallest ratio these users could have shown with
--- 80 % power), `events`, and `for_what` ("effect", "nothing" or "never").
---@param facts table
function power.needed(facts)
  local found = facts.found
  if not found then return nil end
  local epsilon = math.log(facts.settings.minimum)
  local needed = { chance = power.chance }
  if found.adjusted then
    needed.effect = math.exp(Z_DETECT * found.adjusted.se)
    needed.users, needed.for_what = users_needed(facts, found, epsilon)
  else
    local scarce, spread = scarcity(facts)
    local ratio = smallest(function(r)
      return chance_of_events(scarce, spread, r) >= power.chance
    end)
    if ratio then needed.users, needed.for_what = facts.n.used * ratio, "events" end
  end
  if needed.users then
    needed.users = math.ceil(needed.users)
    local per_day = arrivals(facts.case)
    if per_day then
      needed.days = math.max(0, math.ceil((needed.users - facts.n.used) / per_day))
    end
  end
  return needed
end

return power
