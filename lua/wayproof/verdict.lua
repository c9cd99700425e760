--- The decision table: evidence in, one verdict out.
--
-- `decide` is a pure function of an evidence table; it fits nothing, reads no data and has no
-- state, so every row can be tested on numbers written by hand. The rows are tried in order and
-- the first that matches decides. doc/design/verdict.md tells where the rows come from.
--
-- Evidence (what `evidence.lua` fills; all effects on the log scale, per unit of `scale`):
--
--   invalid, leaking   lists of {code, …} (empty lists or nil: nothing found)
--   events, non_events of the users in the analysis (numeric outcomes: users above/at zero)
--   claim              +1 for "rise", -1 for "fall"
--   minimum            epsilon = ln(minimum), the smallest effect worth acting on
--   alpha              level for `p` (adjusted for multiplicity by the caller)
--   beta, se, p        effect beyond activity, its standard error, nested test
--   discovery          {beta, se, p}            earliest 70 %, or nil
--   holdout            {beta, se, p}            latest 30 %, p one-sided for the sign of `beta`
--   calendar           {beta, se} with entry time beside a baseline that was given, or nil
--   volume             {beta, se, floor, half} with the log's own volume instead of a baseline that
--                      was given, or nil
--   as_seen            {beta, se} with users cut by their own `until` counted as far as they were
--                      seen, or nil
--   holdout_failed     why the later users could not be fitted (there are some), or nil
--   families           list of {name = "cohorts" | "segments", by, q, p, i2, mean, slope_p, last,
--                      strata = {{label, beta, se}…}}
--   noise              {half, floor, split}: each {beta, se} or false where not identified;
--                      parts: list of {beta, se, floor, with = sign of its correlation with x}
--   auc                {estimate, low, high, se}
--   r_squared          of the metric on the baseline
--   collinear          nil | "is_activity" | "is_history" | "is_adjusted"
--   rare               true when a transformed metric is non-zero for fewer than 20 % of users
--   caps               list of {code, …}: what forbids a claim (undeclared windows …)
--   experiments        nil | {contradict = bool, agree = bool}
--   grade_limits       list of codes that hold the grade at C
--   strict_vanity      use the uncorrected interval only in row 5
local stats = require "wayproof.stats"

local verdict = {}

--- Constants of the table, by name; the result prints them.
verdict.rules = {
  delta = 0.03, -- |AUC - 0.5| below this is nothing
  near_half = 0.05, -- row 6: the AUC must stay this close to 0.5
  events_to_judge = 20,
  events_to_claim = 100,
  like_activity = 0.75, -- R^2 of the metric on the baseline above which nothing of its own is left
  gate_z = 2.326, -- noise gate, one-sided 1 %
  discovery_p = 0.05,
  holdout_p = 0.05,
  stratum_p = 0.05,
  heterogeneity_p = 0.01,
  heterogeneity_i2 = 0.5,
  not_replicated_z = 2.576,
  z = 1.959963984540054,
}
local rules = verdict.rules

local function sign(x)
  return x > 0 and 1 or x < 0 and -1 or 0
end

--- Row 3b: in one family two strata point clearly, and by at least the minimum, in opposite ways.
local function find_crossing(e)
  for _, family in ipairs(e.families or {}) do
    local k = #family.strata
    local z = k > 0 and stats.normal_quantile(1 - 0.025 / k)
    local up, down
    for _, s in ipairs(family.strata) do
      if math.abs(s.beta) / s.se > z then
        if s.beta >= e.minimum then up = up or s end
        if s.beta <= -e.minimum then down = down or s end
      end
    end
    if up and down then
      return { code = "opposite", family = family, stratum = up, other = down }
    end
  end
end

--- Row 4a: one stratum has the other sign than the whole, beyond chance for its family.
local function find_opposite(e, side)
  for _, family in ipairs(e.families or {}) do
    local k = #family.strata
    for _, s in ipairs(family.strata) do
      local p = 2 * k * (1 - stats.normal_cdf(math.abs(s.beta) / s.se))
      if sign(s.beta) == -side and p < rules.stratum_p then
        return { code = "opposite", family = family, stratum = s }
      end
    end
  end
end

--- Row 4c: effects differ between strata and somewhere there is hardly any.
local function find_heterogeneity(e, side)
  for _, family in ipairs(e.families or {}) do
    if #family.strata >= 2 and family.p and family.p < rules.heterogeneity_p
      and family.i2 >= rules.heterogeneity_i2 then
      local weakest
      for _, s in ipairs(family.strata) do
        if not weakest or side * s.beta < side * weakest.beta then weakest = s end
      end
      if side * weakest.beta < math.max(e.minimum / 2, side * family.mean / 2) then
        return { code = family.name, family = family, stratum = weakest }
      end
    end
  end
end

--- Row 4d: the effect shrinks from cohort to cohort.
local function find_decay(e, side)
  for _, family in ipairs(e.families or {}) do
    if family.name == "cohorts" and #family.strata >= 3 and family.slope_p
      and family.slope_p < rules.heterogeneity_p
      and side * family.last < side * family.mean / 2 then
      return { code = "decay", family = family }
    end
  end
end

--- A count of the metric's own events that tells the outcome beyond activity, in the direction of
--- the metric's effect, and would not survive noisy activity: then neither does what is made of it.
function verdict.part_fails(parts, side)
  for _, part in ipairs(parts or {}) do
    local s = sign(part.beta)
    local tells = math.abs(part.beta) > rules.z * part.se and s * part.with == side
    local floor = part.floor
    if tells and not (floor and s * floor.beta > rules.gate_z * floor.se) then return true end
  end
  return false
end

--- Row 4b: does the effect survive an activity measure as unreliable as declared?
local function gate_fails(e, side)
  local noise = e.noise
  if not noise or not noise.floor or not noise.half then return true end
  if e.r_squared and e.r_squared >= rules.like_activity then return true end
  if side * noise.floor.beta <= rules.gate_z * noise.floor.se then return true end
  if verdict.part_fails(noise.parts, side) then return true end
  return side * noise.half.beta < e.minimum
end

--- Row 5: the metric tells who converts, and adds less than the minimum to plain activity.
local function only_activity(e)
  local auc = e.auc
  if not auc or e.no_baseline then return false end
  if not (auc.low > 0.5 or auc.high < 0.5) then return false end
  if math.abs(auc.estimate - 0.5) < rules.delta then return false end
  local s = sign(auc.estimate - 0.5)
  local upper = s * e.beta + rules.z * e.se
  local corrected = e.noise and e.noise.split
  if corrected and not e.strict_vanity then
    upper = math.min(upper, s * corrected.beta + rules.z * corrected.se)
  end
  return s * e.beta < e.minimum and upper < e.minimum and s * e.beta - rules.z * e.se > -e.minimum
end

--- Row 6: nothing here, affirmatively.
local function no_relation(e)
  if e.rare then return false end
  local auc = e.auc
  if auc and math.abs(auc.estimate - 0.5) + rules.z * auc.se >= rules.near_half then
    return false
  end
  return math.abs(e.beta) + rules.z * e.se < e.minimum
end

--- What keeps the effect from being a candidate for row 4, in the order a reader should hear it.
local function blocker(e, side)
  if e.events < rules.events_to_claim or e.non_events < rules.events_to_claim then
    return { code = "few_events" }
  end
  if e.p >= e.alpha then return { code = "not_significant" } end
  if math.abs(e.beta) < e.minimum then return { code = "below_minimum" } end
  local d = e.discovery
  if d and not (d.p < rules.discovery_p and sign(d.beta) == side) then
    return { code = "not_in_discovery" }
  end
end

-- A reason and, after it, what would have forbidden a claim anyway.
local function with_caps(e, reason)
  local reasons = { reason }
  for _, cap in ipairs(e.caps or {}) do reasons[#reasons + 1] = cap end
  return reasons
end

local function grade_of(e)
  if e.experiments and e.experiments.agree then return "A" end
  if not e.holdout or #(e.grade_limits or {}) > 0 then return "C" end
  return "B"
end

-- Whether an effect measured in another way as well is gone, or below the minimum, there.
local function gone(other, e, side)
  if not other then return false end
  return side * other.beta < e.minimum or side * other.beta < rules.z * other.se
end

-- A given baseline that leaves out what people did: the effect must pass beside that volume, too.
local function only_volume(e, side)
  local v = e.volume
  if not v then return false end
  if gone(v, e, side) or not v.floor or not v.half then return true end
  return side * v.floor.beta <= rules.gate_z * v.floor.se or side * v.half.beta < e.minimum
end

--- Rows 4a to 4h, for an effect that is a candidate.
local function judge_candidate(e, side)
  local opposite = find_opposite(e, side)
  if opposite then return "unstable", { opposite }, "4a" end
  local uneven = find_heterogeneity(e, side)
  local decay = find_decay(e, side)
  if e.no_baseline then return "inconclusive", e.caps, "caps" end
  if gate_fails(e, side) then
    local warnings = {}
    if uneven then warnings[#warnings + 1] = uneven end
    if decay then warnings[#warnings + 1] = decay end
    if only_activity(e) then return "vanity", { { code = "activity_only" } }, "4b", warnings end
    return "inconclusive", with_caps(e, { code = "activity_noise" }), "4b", warnings
  end
  -- A given baseline without a calendar: the effect must be there with one, too.
  if gone(e.calendar, e, side) then
    return "inconclusive", with_caps(e, { code = "calendar" }), "4b"
  end
  if only_volume(e, side) then
    return "inconclusive", with_caps(e, { code = "activity_given" }), "4b"
  end
  if gone(e.as_seen, e, side) then
    return "inconclusive", with_caps(e, { code = "informative_until" }), "4b"
  end
  if uneven then return "unstable", { uneven }, "4c" end
  if decay then return "unstable", { decay }, "4d" end
  local h, d = e.holdout, e.discovery
  if e.holdout_failed and not h then
    return "inconclusive", { { code = "holdout_underpowered" } }, "4f"
  end
  if h and h.p >= rules.holdout_p then
    local z = d and side * (d.beta - h.beta) / math.sqrt(d.se ^ 2 + h.se ^ 2) or 0
    if z > rules.not_replicated_z then
      return "unstable", { { code = "not_replicated" } }, "4e"
    end
    return "inconclusive", { { code = "holdout_underpowered" } }, "4f"
  end
  if e.caps and #e.caps > 0 then return "inconclusive", e.caps, "caps" end
  if side ~= e.claim then return "reversed", { { code = "other_direction" } }, "4g" end
  return "validated", { { code = "beyond_activity" } }, "4h"
end

--- A metric that is activity, or the outcome's own history, cannot be tested against it.
local function judge_collinear(e)
  local auc = e.auc
  local passes = auc and math.abs(auc.estimate - 0.5) >= rules.delta
    and (auc.low > 0.5 or auc.high < 0.5)
  local why = { { code = e.collinear }, { code = "collinear" } }
  if e.collinear == "is_adjusted" then return "inconclusive", why, "7" end -- not activity's doing
  if passes then return "vanity", why, "5" end
  if auc and math.abs(auc.estimate - 0.5) + rules.z * auc.se < rules.near_half then
    return "unrelated", { { code = "no_relation" }, table.unpack(why) }, "6"
  end
  return "inconclusive", { { code = "not_significant" }, table.unpack(why) }, "7"
end

local function judge(e)
  if e.invalid and #e.invalid > 0 then return "invalid", e.invalid, "0" end
  if e.leaking and #e.leaking > 0 then return "leaking", e.leaking, "1" end
  if e.events < rules.events_to_judge or e.non_events < rules.events_to_judge then
    return "inconclusive", { { code = "too_few_events" } }, "2"
  end
  if e.experiments and e.experiments.contradict then
    return "reversed", { { code = "experiments_contradict" } }, "3"
  end
  if e.collinear then return judge_collinear(e) end
  if not e.beta or not e.se then
    return "inconclusive", { { code = e.separated and "separated" or "no_estimate" } }, "7"
  end
  local crossing = find_crossing(e)
  if crossing then return "unstable", { crossing }, "3b" end
  local side = sign(e.beta)
  local blocked = blocker(e, side)
  if not blocked then return judge_candidate(e, side) end
  if only_activity(e) then return "vanity", { { code = "activity_only" } }, "5" end
  if no_relation(e) then return "unrelated", { { code = "no_relation" } }, "6" end
  return "inconclusive", with_caps(e, blocked), "7"
end

local graded = { validated = true, reversed = true }

--- The verdict on one hypothesis.
---@param e table evidence, fields as listed at the top of this file
---@return {verdict: string, grade: string?, reasons: table[], warnings: table[], row: string}
function verdict.decide(e)
  local name, reasons, row, warnings = judge(e)
  local grade
  if row == "3" then
    grade = "A"
  elseif graded[name] then
    grade = grade_of(e)
  end
  return { verdict = name, grade = grade, reasons = reasons, warnings = warnings or {}, row = row }
end

return verdict
