--- From one hypothesis's users to facts, and from facts to the evidence of the decision table.
--
-- `judge.facts` measures everything (effects, stability, leakage, refuters, dose) and decides
-- nothing; `judge.evidence` arranges it for verdict.decide, given the p-value after correction for
-- multiplicity. A case that cannot be judged has `invalid` reasons and no other numbers.
local effects = require "wayproof.effects"
local leakage = require "wayproof.leakage"
local legs = require "wayproof.legs"
local model = require "wayproof.model"
local power = require "wayproof.power"
local refute = require "wayproof.refute"
local stability = require "wayproof.stability"
local stats = require "wayproof.stats"

local judge = {}

judge.missing_most = 0.35

local function set_of(list)
  local set = {}
  for _, item in ipairs(list or {}) do set[item] = true end
  return set
end

-- Row 0: nothing can be measured, and why.
local function find_invalid(case, acknowledged)
  local n = case.n
  if n.users == 0 then return { code = "no_users" } end
  if n.users == 1 then return { code = "one_user" } end
  if n.no_anchor + n.outside == n.users then return { code = "no_anchor" } end
  if n.used == 0 then
    if n.missing > 0 then return { code = "missing" } end
    if n.prior_outcome > 0 then return { code = "all_prior" } end
    return { code = "no_follow_up" }
  end
  local eligible = n.used + n.missing
  if n.missing > judge.missing_most * eligible and not acknowledged.missing then
    return { code = "missing" }
  end
  if n.used == 1 then return { code = "one_user" } end
  local events, others = case:events()
  if events == 0 and case.kind ~= "numeric" then return { code = "no_outcome" } end
  if others == 0 and case.kind == "binary" then return { code = "everybody" } end
  if case.kind == "numeric" and case.y:min() == case.y:max() then
    return { code = "constant_outcome" }
  end
  if case.m:min() == case.m:max() then return { code = "constant" } end
end

-- How well the raw metric ranks the outcome, on the scale of an AUC: the AUC itself, Harrell's C of
-- "more, sooner", or half of Spearman's correlation away from 1/2.
local function association(facts, case)
  if case.kind == "binary" then return facts.auc end
  if case.kind == "time" then
    local c = stats.concordance(case.m, case.time, case.status)
    facts.concordance = c
    if not c.estimate or not c.se then return nil end
    return { estimate = c.estimate, se = c.se, low = c.low, high = c.high }
  end
  local s = facts.spearman
  if not s or not s.estimate or not s.low then return nil end
  return { estimate = 0.5 + s.estimate / 2, se = (s.high - s.low) / (4 * 1.96),
    low = 0.5 + s.low / 2, high = 0.5 + s.high / 2 }
end

-- AUC with the intervals of the protocol; where users share clusters (accounts), from resampling
-- whole clusters.
local function plain_auc(case, seed)
  local result = stats.auc(case.m, case.y, { method = "auto" })
  local wald = stats.auc(case.m, case.y, { method = "wald" })
  local logit = stats.auc(case.m, case.y, { method = "delong_logit" })
  local auc = { estimate = result.estimate, low = result.low, high = result.high, p = result.p,
    se = result.se, variance = result.variance, method = result.method,
    wald = { low = wald.low, high = wald.high }, logit = { low = logit.low, high = logit.high } }
  if case.cluster then
    local drawn = model.auc_bootstrap(case.m, case.y, { clusters = case.cluster, seed = seed })
    if drawn.se and drawn.se > 0 then
      auc.se, auc.low, auc.high, auc.method = drawn.se, drawn.low, drawn.high, "cluster bootstrap"
      auc.p = 2 * stats.normal_upper(math.abs(auc.estimate - 0.5) / drawn.se)
    end
  end
  return auc
end

-- Binary: dose by groups, trend over the groups, isotonic shape. Numeric outcomes have a dose too.
local function add_dose(facts, case, groups)
  local response = case.y
  if not response then return end
  facts.dose = stats.dose(case.m, response, { groups = groups or 5 })
  if case.kind ~= "binary" or #facts.dose < 2 or not stats.trend then return end
  local events, totals, scores, rates = {}, {}, {}, {}
  for i, row in ipairs(facts.dose) do
    events[i], totals[i], scores[i], rates[i] = row.events, row.users, i, row.rate
  end
  facts.trend = stats.trend(events, totals, scores)
  facts.shape = judge.shape(facts, events, totals, rates)
end

-- Share of the variation between groups that a monotone curve catches.
local function monotone_share(rates, totals, rising)
  local signed = {}
  for i, rate in ipairs(rates) do signed[i] = rising and rate or -rate end
  local curve = stats.isotonic(signed, totals)
  curve = curve.estimates or curve.fitted or curve
  local weight, mean = 0, 0
  for i, rate in ipairs(signed) do
    weight, mean = weight + totals[i], mean + totals[i] * rate
  end
  mean = mean / weight
  local between, kept = 0, 0
  for i, rate in ipairs(signed) do
    between = between + totals[i] * (rate - mean) ^ 2
    kept = kept + totals[i] * (curve[i] - mean) ^ 2
  end
  return between > 0 and kept / between or 1, curve
end

--- "rising", "falling", "flat", "threshold" or "peak" of a dose table.
function judge.shape(facts, _, totals, rates)
  local trend = facts.trend
  local rising = rates[#rates] >= rates[1]
  if trend and trend.slope then rising = trend.slope >= 0 end
  local share = monotone_share(rates, totals, rising)
  facts.monotonicity = share
  local departure = trend and (trend.departure_p or trend.departure and trend.departure.p)
  if departure and departure < 0.01 and share < 0.8 then
    local top = 1
    for i, rate in ipairs(rates) do
      if rate > rates[top] then top = i end
    end
    return top > 1 and top < #rates and "peak" or "threshold"
  end
  if trend and trend.p and trend.p >= 0.05 then return "flat" end
  return rising and "rising" or "falling"
end

-- A separated fit is a leak when chance would have filled the empty cell; otherwise it is only a
-- sparse metric, about which nothing can be estimated.
local function separation_is_telling(case)
  if case.kind ~= "binary" then return false end
  local has = 1 - case.m:equals(0)
  local rate = case.y:mean()
  local with = has:sum()
  local events = has:dot(case.y)
  if with == 0 or with == #case.y then return true end
  if events == 0 then return with * rate >= 10 end
  if events == with then return with * (1 - rate) >= 10 end
  return false
end

-- What a frame or a log forbids before any number is looked at.
local function add_leakage(facts, case, found, acknowledged)
  local telling = found.separated and separation_is_telling(case)
  local shown = setmetatable({ separated = telling }, { __index = found })
  local leak
  if case.frame then
    leak = leakage.measure(case, shown, facts.association, acknowledged)
  else
    leak = { leaking = {}, warnings = {} }
    leakage.too_good(leak, shown, facts.association, acknowledged)
  end
  for _, item in ipairs(case.leaking or {}) do table.insert(leak.leaking, 1, item) end
  facts.leakage = leak
end

--- Everything measured about one case.
---@param case table
---@param settings table {claim, minimum, alpha, reliability, acknowledge, seed, groups, …}
---@return table facts
function judge.facts(case, settings)
  local acknowledged = set_of(settings.acknowledge)
  local facts = { case = case, whole = case, n = case.n, kind = case.kind, settings = settings,
    acknowledged = acknowledged, invalid = {} }
  local invalid = case.invalid or find_invalid(case, acknowledged)
  if invalid then
    facts.invalid[1] = invalid
    return facts
  end
  local events, others = case:events()
  facts.events, facts.non_events, facts.lead = events, others, case.lead
  if case.kind == "binary" then facts.auc = plain_auc(case, settings.seed) end
  if case.y then facts.spearman = stats.spearman(case.m, case.y) end
  add_dose(facts, case, settings.groups)
  facts.association = association(facts, case)
  if case.kind == "numeric" and case.y:min() < 0 then
    facts.no_verdict = "negative_outcome"
  end
  local found = facts.no_verdict and { case = case } or effects.measure(case)
  facts.found = found
  case = found.case
  facts.case = case
  facts.scaled = case.scaled
  facts.stability = stability.measure(case, found)
  add_leakage(facts, case, found, acknowledged)
  facts.refuters = refute.run(case, found, settings)
  facts.p = found.adjusted and found.adjusted.p
  facts.clusters = found.model and found.model.clusters
  if found.adjusted and stats.e_value then
    facts.e_value = refute.e_value(case, found, facts)
  end
  facts.legs = legs.of(case, found)
  facts.needed = power.needed(facts)
  return facts
end

-- C at most: what weakens the evidence without changing the verdict.
local function grade_limits(facts)
  local limits = {}
  for _, warning in ipairs(facts.leakage.warnings) do
    if warning.code == "pre_existing" or warning.code == "unknown_events" then
      limits[#limits + 1] = warning.code
    end
  end
  if facts.refuters.left_out then limits[#limits + 1] = "not_refuted" end
  if facts.refuters.not_special then limits[#limits + 1] = "not_special" end
  return limits
end

--- The evidence table of verdict.decide.
---@param facts table
---@param p number? nested test after correction for multiplicity
function judge.evidence(facts, p)
  local settings = facts.settings
  if #facts.invalid > 0 then return { invalid = facts.invalid } end
  local found, case = facts.found, facts.case
  local events, others = facts.whole:information()
  local caps = {}
  for _, cap in ipairs(case.caps or {}) do caps[#caps + 1] = cap end
  if found.no_baseline and not found.collinear then
    caps[#caps + 1] = { code = "no_activity_baseline" }
  end
  return {
    leaking = facts.leakage.leaking, events = events, non_events = others,
    claim = settings.claim, minimum = math.log(settings.minimum), alpha = settings.alpha,
    beta = found.adjusted and found.adjusted.beta, se = found.adjusted and found.adjusted.se,
    p = p or facts.p, discovery = found.discovery, holdout = found.holdout,
    holdout_failed = found.holdout_failed, calendar = found.calendar,
    volume = found.volume, as_seen = found.as_seen,
    families = facts.stability.families, noise = found.gate, auc = facts.association,
    r_squared = case.base and case.base.r_squared,
    collinear = found.collinear, no_baseline = found.no_baseline, caps = caps,
    separated = found.separated, failed = found.failed,
    rare = facts.scaled and facts.scaled.rare, grade_limits = grade_limits(facts),
    strict_vanity = settings.strict_vanity,
  }
end

return judge
