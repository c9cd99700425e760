--- What would be needed: users, days, and the smallest effect these users could have shown.
--
-- Closed form for the whole decision rule. Standard errors shrink with the square root of the
-- number of users; for n users the chance of a clear verdict is about
--     P(holdout passes) * min(P(discovery passes), P(every condition on the full sample passes))
--       * P(enough events for a claim)
-- since discovery and holdout share no user and the full-sample conditions move together. `users`
-- is the smallest n for which that is 80 %, if the effect is what it seems to be now; nil when no
-- number of users would do (the noise gate fails at any size).
local stats = require "wayproof.stats"
local verdict = require "wayproof.verdict"

local power = {}

power.chance = 0.8
power.gate_spread = 1.08 -- the corrected effect varies more than its error says (r is estimated)
power.steady = 0.98 -- share of constant effects that no stability rule trips over
local Z_DETECT = 1.959963984540054 + 0.8416212335729143 -- 5 % two-sided, 80 %

local function phi(z)
  return stats.normal_cdf(z)
end

-- Conditions on the full sample: each {mean, se, threshold in se, fixed threshold}; nil where the
-- noise gate has no answer, as more users would not give it one. (Few users may only seem so.)
local function full_conditions(facts, found, epsilon, side)
  local adjusted, gate = found.adjusted, found.gate
  local list = {
    { mean = side * adjusted.beta, se = adjusted.se, z = 1.96, at = 0 },
    { mean = side * adjusted.beta, se = adjusted.se, z = 0, at = epsilon },
  }
  if gate and gate.floor and gate.half then
    list[#list + 1] = { mean = side * gate.floor.beta, se = gate.floor.se, z = 2.326, at = 0,
      spread = power.gate_spread }
    list[#list + 1] = { mean = side * gate.half.beta, se = gate.half.se, z = 0, at = epsilon }
  elseif gate and math.min(facts.events, facts.non_events) >= 100 then
    return nil
  end
  local base = found.case and found.case.base
  if base and base.r_squared and base.r_squared >= verdict.rules.like_activity then return nil end
  return list
end

-- Chance that the whole rule says yes at `ratio` times the present users.
local function chance_at(conditions, found, side, ratio)
  local shrink = math.sqrt(ratio)
  local least = 1
  for _, c in ipairs(conditions) do
    least = math.min(least, phi(((c.mean - c.at) / c.se * shrink - c.z) / (c.spread or 1)))
  end
  local beta, se = side * found.adjusted.beta, found.adjusted.se
  local discovery = phi(beta / (se / math.sqrt(0.7)) * shrink - 1.96)
  local holdout = phi(beta / (se / math.sqrt(0.3)) * shrink - 1.645)
  return math.min(least, discovery) * holdout * power.steady
end

-- Smallest ratio in [low, 10^7] at which `enough(ratio)` holds; nil when there is none.
local function smallest(enough)
  local low, high = 1e-4, 1e7
  if not enough(high) then return nil end
  for _ = 1, 80 do
    local middle = math.sqrt(low * high)
    if enough(middle) then high = middle else low = middle end
  end
  return high
end

-- Chance that `ratio` times the present users bring the events that a claim needs.
local function chance_of_events(facts, ratio)
  local scarce = math.min(facts.whole:information())
  if scarce == 0 then return 0 end
  local spread = math.sqrt(scarce * ratio * math.max(0.1, 1 - scarce / facts.n.used))
  return phi((scarce * ratio - verdict.rules.events_to_claim) / spread)
end

-- Chance that an estimate and its interval stay within `room` on both sides.
local function chance_within(mean, se, room)
  return phi((room - mean) / se - verdict.rules.z) + phi((room + mean) / se - verdict.rules.z) - 1
end

-- Ratio for "nothing worth acting on": the effect has to stay close to none and, for row 6, so has
-- the AUC. (Where the AUC is away from a half, vanity is what can be shown.)
local function ratio_for_nothing(facts, beta, se, epsilon)
  local auc = facts.association
  if auc and math.abs(auc.estimate - 0.5) >= verdict.rules.near_half then auc = nil end
  return smallest(function(ratio)
    local shrink = math.sqrt(ratio)
    local chance = chance_within(math.abs(beta), se / shrink, epsilon)
    if auc then
      chance = math.min(chance, chance_within(math.abs(auc.estimate - 0.5), auc.se / shrink,
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
  local ratio = conditions and smallest(function(r)
    return chance_at(conditions, found, side, r) * chance_of_events(facts, r) >= power.chance
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
    local ratio = smallest(function(r) return chance_of_events(facts, r) >= power.chance end)
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
