--- From facts to a Result: the verdict, its reasons in words, and every number asked for.
--
-- All numbers come from `judge.facts`; this file only arranges, converts effects from the log scale
-- to ratios, and collects warnings. Nothing here touches users.
local effects = require "wayproof.effects"
local judge = require "wayproof.judge"
local object = require "wayproof.object"
local reasons = require "wayproof.reasons"
local result = require "wayproof.result"
local stats = require "wayproof.stats"
local verdict = require "wayproof.verdict"
local version = require "wayproof.version"

local conclude = {}

local missing_least = 20 -- users without a value before their outcomes are compared

local function effect(e)
  return e and effects.ratio(e.beta, e.se, e.p) or nil
end

local function noise_fields(gate, side)
  if not gate then return nil end
  local floor = gate.floor
  local out = { reliability = gate.reliability, floor = gate.declared, tolerance = gate.tolerance,
    correlation = gate.correlation }
  if floor then
    local corrected = effects.ratio(floor.beta, floor.se)
    out.corrected, out.low, out.high = corrected.estimate, corrected.low, corrected.high
    out.se = floor.se
    out.survives = side * floor.beta > verdict.rules.gate_z * floor.se
  end
  return out
end

local function stratum_fields(list)
  local out = {}
  for i, s in ipairs(list or {}) do
    local e = effect(s) or {}
    out[i] = { label = s.label, users = s.users, events = s.events, estimate = e.estimate,
      low = e.low, high = e.high, se = e.se, skipped = s.skipped, from = s.from, to = s.to }
  end
  return out
end

local function stability_fields(stability)
  local out = { cohorts = {}, segments = {}, simpson = stability.simpson or false }
  for _, family in ipairs(stability.families) do
    local strata = stratum_fields(family.all)
    if family.name == "cohorts" then
      out.cohorts, out.slope_p = strata, family.slope_p
    else
      out.segments[#out.segments + 1] = { by = family.by, strata = strata, q = family.q,
        p = family.p, i2 = family.i2, tau2 = family.tau2 }
    end
    if family.name == "cohorts" or not out.q then
      out.q, out.p, out.i2, out.tau2 = family.q, family.p, family.i2, family.tau2
    end
  end
  return out
end

local function refuter_fields(list)
  local out = {}
  for i, item in ipairs(list or {}) do
    local copy = {}
    for key, value in pairs(item) do
      if key == "events" then
        copy.events = {}
        for j, placebo in ipairs(value) do
          copy.events[j] = { event = placebo.event, estimate = math.exp(placebo.beta),
            se = placebo.se, tolerance = placebo.tolerance }
        end
      else
        copy[key] = value
      end
    end
    copy.status = item.pass == nil and "not run" or item.pass and "pass" or "fail"
    out[i] = copy
  end
  return out
end

local function added_fields(added, gain)
  if not added then return nil end
  return { estimate = added.estimate, statistic = added.statistic, df = added.df, p = added.p,
    loglik0 = added.loglik0, loglik1 = added.loglik1, adequacy = added.adequacy,
    method = added.method, holdout_auc_gain = gain and gain.estimate,
    holdout_auc_gain_low = gain and gain.low, holdout_auc_gain_high = gain and gain.high }
end

local function holdout_fields(found)
  local h, d = found.holdout, found.discovery
  if not h then return nil end
  local late, early = effect(h), effect(d)
  return { estimate = late.estimate, low = late.low, high = late.high, se = h.se, p = h.p,
    users = h.users, events = h.events, replicated = h.p < verdict.rules.holdout_p,
    discovery = early and { estimate = early.estimate, low = early.low, high = early.high,
      se = d.se, p = d.p, users = d.users, events = d.events } or nil }
end

local function rows_of(dose)
  if not dose then return nil end
  local out = {}
  for i, row in ipairs(dose) do
    out[i] = { from = row.from, to = row.to, users = row.users, events = row.events,
      rate = row.rate, low = row.low, high = row.high, lift = row.lift, group = row.group,
      capture = row.capture, sum = row.sum }
  end
  return out
end

local function plain(statistic)
  if not statistic then return nil end
  local out = object.plain(statistic)
  out.title = nil
  return out
end

-- A given measure of activity that moves with neither the metric nor the outcome may not be one.
local function idle_activity(found)
  local numbers, base = found.gate_fit, found.case.base
  if not numbers or not base.given then return false end
  local z = verdict.rules.z
  return math.abs(numbers.r) < math.max(0.1, z / math.sqrt(#found.case.m))
    and math.abs(numbers.beta_z) < z * math.sqrt(numbers.v_zz)
end

-- Whether users without a value have the outcome more or less often: then the answer is about the
-- others only. Rates of both, or nil.
local function missing_tells(facts)
  local lost, kept = facts.whole.lost, facts.whole.y
  if not lost or not kept or #lost < missing_least then return nil end
  local test = stats.two_proportions(lost:sum(), #lost, kept:sum(), #kept)
  return test.p and test.p < 0.01 and { lost = lost:mean(), kept = kept:mean() } or nil
end

-- Warnings, in the order of weight.
local function collect_warnings(facts, decided)
  local list = {}
  local function add(code, extra)
    local item = extra or {}
    item.code = code
    list[#list + 1] = item
  end
  for _, item in ipairs(decided.warnings) do list[#list + 1] = item end
  local found, n = facts.found, facts.n
  local leaks = facts.leakage and facts.leakage.warnings or {}
  table.move(leaks, 1, #leaks, #list + 1, list)
  if found then
    if facts.stability.simpson then add "simpson" end
    local claims = decided.verdict == "validated" or decided.verdict == "reversed"
    if facts.refuters.tail_driven then add "tail_driven" end
    if claims and facts.refuters.not_special then add "not_special" end
    if claims and found.gate and found.gate.tolerance >= 0.25 then add "fragile_to_activity" end
    if claims and facts.e_value and facts.e_value.limit
      and facts.e_value.limit < 1.25 then
      add "fragile"
    end
    if claims and not found.holdout then add "no_holdout" end
    if claims and idle_activity(found) then add "idle_activity" end
    if claims and found.gate and not found.gate.reliability then add "reliability_unmeasured" end
    if found.decided then add "decided" end
    local rates = missing_tells(facts)
    if rates then add("missing_tells", rates) end
    local proportional = facts.legs and facts.legs.proportional
    if proportional and not proportional.holds then add "not_proportional" end
    if facts.shape == "peak" or facts.shape == "threshold" then add "non_monotone" end
    if facts.clusters and facts.clusters < 40 then add "few_clusters" end
  end
  for _, item in ipairs(facts.case.warnings or {}) do list[#list + 1] = item end
  if facts.found and n.too_recent + n.prior_outcome > 0.35 * n.users then add "high_loss" end
  if facts.acknowledged.missing and n.missing > judge.missing_most * (n.used + n.missing) then
    add("acknowledged", { what = "missing" })
  end
  return list
end

local function with_texts(list, facts)
  local out = {}
  for i, item in ipairs(list) do
    out[i] = { code = item.code, text = reasons.text(item, facts), name = item.name }
  end
  return out
end

local function n_fields(facts)
  local n = {}
  for key, value in pairs(facts.n) do n[key] = value end
  n.events, n.non_events = facts.events, facts.non_events
  return n
end

-- Numeric fields of the effect, or none when the case is invalid.
local function add_effects(fields, facts)
  local found = facts.found
  if not found then return end
  local side = found.adjusted and found.adjusted.beta < 0 and -1 or 1
  fields.auc, fields.crude, fields.adjusted = facts.auc, effect(found.crude), effect(found.adjusted)
  fields.concordance = plain(facts.concordance)
  if fields.adjusted then fields.adjusted.p_adjusted = facts.p_adjusted end
  fields.spearman = plain(facts.spearman)
  fields.scale = facts.scaled and facts.scaled.unit
  fields.noise = noise_fields(found.gate, side)
  fields.added_information = added_fields(found.added, found.gain)
  fields.dose, fields.trend, fields.shape = rows_of(facts.dose), plain(facts.trend), facts.shape
  fields.stability = stability_fields(facts.stability)
  fields.holdout = holdout_fields(found)
  fields.refuters = refuter_fields(facts.refuters)
  fields.e_value = plain(facts.e_value)
  fields.baseline = facts.case.base and { columns = facts.case.base.names,
    r_squared = facts.case.base.r_squared } or nil
  local legs = facts.legs
  if legs then
    fields.legs = { any = effect(legs.any), amount = effect(legs.amount),
      dispersion = legs.dispersion, log_rank = legs.log_rank, proportional = legs.proportional }
  end
end

--- The Result of one hypothesis.
---@param facts table judge.facts, with `name`, `hypothesis`, `windows`, `fingerprint`
---@param p_adjusted number? p after correction over the `tried` hypotheses
---@param tried integer? how many hypotheses were tried together
function conclude.result(facts, p_adjusted, tried)
  facts.p_adjusted, facts.tried = p_adjusted, tried
  local decided
  if facts.no_verdict and #facts.invalid == 0 then
    decided = { verdict = "inconclusive", reasons = { { code = facts.no_verdict } }, warnings = {},
      row = "-" }
  else
    decided = verdict.decide(judge.evidence(facts, p_adjusted))
  end
  facts.decided = decided
  local leak, case = facts.leakage, facts.case
  local fields = {
    verdict = decided.verdict, grade = decided.grade, row = decided.row, name = facts.name,
    hypothesis = facts.hypothesis, n = n_fields(facts), kind = facts.kind,
    reasons = with_texts(decided.reasons, facts),
    warnings = with_texts(collect_warnings(facts, decided), facts),
    needed = facts.needed, lead = facts.lead, windows = facts.windows,
    p = facts.p, p_adjusted = p_adjusted, seed = facts.settings.seed, version = version,
    fingerprint = facts.fingerprint, data = facts.data,
    minimum = facts.settings.minimum, alpha = facts.settings.alpha, tried = tried or 1,
  }
  add_effects(fields, facts)
  if leak and case.frame then
    fields.leakage = { proximity = leak.proximity and leak.proximity.share,
      near = leak.proximity and leak.proximity.near_us / 1e6,
      naive_auc = leak.naive and leak.naive.auc, embargo = leak.embargo and leak.embargo.gaps }
    for i, gap in ipairs(fields.leakage.embargo or {}) do
      fields.leakage.embargo[i] = { gap = gap.gap_us / 1e6, loss = gap.loss,
        volume_loss = gap.volume_loss, low = gap.low, high = gap.high,
        estimate = math.exp(gap.beta) }
    end
  end
  fields.sentences = {
    who = reasons.who(facts),
    more = reasons.outcome_words(facts, 1), less = reasons.outcome_words(facts, -1),
    neither = reasons.outcome_words(facts, 0),
    measure = reasons.measure(facts), next = reasons.next(facts),
  }
  return result.new(fields)
end

return conclude
