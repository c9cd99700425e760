--- Does the metric know the outcome by construction? Rows L1 to L6 of the protocol.
--
-- L1 and L2 hold by definition for logs (windows are disjoint) and are told by the tree; frames
-- decide them from declared windows. L3 finds steps of the outcome: events that come within a day
-- before it (needs.lua), and whose effect dies with a short embargo, faster than activity's does.
-- L4 is an AUC too good to be true. L5 and L6 are warnings: what a lifetime count would have
-- claimed, and what the metric "predicts" about the time before the clock started.
-- Cost: L3 asks for four pairs of one-column fits, only where the events are close to the outcome.
local core = require "wayproof.core"
local case_of = require "wayproof.case"
local fit = require "wayproof.fit"
local scale = require "wayproof.scale"
local stats = require "wayproof.stats"

local leakage = {}

leakage.near_share = 0.5
leakage.auc_limit = 0.95
leakage.naive_difference = 0.10
leakage.pre_share = 0.8

-- L3: of the users with the outcome, how many had a metric event shortly before it.
function leakage.proximity(frame, columns)
  if #columns.near == 0 then return nil end
  local ever = case_of.sum_of(frame, columns.ever):above(0)
  local near = case_of.most_of(frame, columns.near):above(0) * ever
  local outcomes = ever:sum()
  if outcomes < 20 then return nil end
  return { share = near:sum() / outcomes, outcomes = math.floor(outcomes),
    near_us = columns.near_us }
end

leakage.gone_least = 10

-- One-column logistic slope with the influence of every user on it (0 for users not at risk), so
-- that slopes on overlapping users can be compared: their covariance is the sum of the products.
local function slope(x, y, risk)
  local part = case_of.new { kind = "binary", y = y:select(risk) }
  local events, others = part:events()
  if events < 20 or others < 20 then return nil end
  local model = fit.run(part, { x:select(risk) }, { firth = true })
  if not model.ok then return nil end
  local p = 1 / ((-(x * model:beta(1) + model:intercept())):exp() + 1)
  local influence = (y - p) * (risk * (x * model:cov(1, 1) + model:cov(0, 1)))
  return { beta = model:beta(1), influence = influence }
end

-- Variance of c1*b1 + c2*b2 + … from influences.
local function variance(terms)
  local influences, factors = {}, {}
  for i, term in ipairs(terms) do influences[i], factors[i] = term[1].influence, term[2] end
  local total = core.vector.combine(influences, factors)
  return total:dot(total)
end

-- Share of the slope that an embargo takes, against what it takes from the volume's slope, with an
-- interval from the users' joint influences (what a bootstrap over users would estimate).
local function compare_loss(metric0, metric1, volume0, volume1)
  local loss = 1 - metric1.beta / metric0.beta
  local terms = { { metric1, -1 / metric0.beta }, { metric0, metric1.beta / metric0.beta ^ 2 } }
  local own_variance = variance(terms)
  local volume_loss = 0
  local volume_se = volume0 and math.sqrt(variance { { volume0, 1 } })
  if volume0 and volume1 and math.abs(volume0.beta) > 1.96 * volume_se then
    volume_loss = 1 - volume1.beta / volume0.beta
    terms[3] = { volume1, 1 / volume0.beta }
    terms[4] = { volume0, -volume1.beta / volume0.beta ^ 2 }
  end
  local se = math.sqrt(#terms > 2 and variance(terms) or own_variance)
  return { loss = loss, volume_loss = volume_loss, difference = loss - volume_loss,
    low = loss - volume_loss - 1.959963984540054 * se,
    high = loss - volume_loss + 1.959963984540054 * se }
end

-- The outcome as something that happened or did not, whatever its scale.
local function happened(outcome, v)
  if outcome.scale == "time" then return 1 - v:is_missing() end
  if outcome.scale == "numeric" then return v:fill(0):above(0) end
  return case_of.binary_outcome(outcome, v)
end

local function risk_of(followed, present, prior)
  local risk = followed * present
  if prior then risk = risk * (1 - prior) end
  return risk
end

-- How many have more of the metric than the least.
local function exposed(x, least)
  return #x - x:count(least)
end

-- L3: effects at three embargoes among the users whose follow-up covers the longest of them.
function leakage.embargo(frame, member)
  local h, columns = member.hypothesis, member.columns
  local longest = columns.gaps[#columns.gaps]
  local followed = frame:vector("length_us"):at_least(longest.landmark_us + h.within_us)
  local present = 1 - frame:vector(columns.metric):is_missing()
  local raw = frame:vector(columns.metric):fill(0)
  local learn = followed * present
  if learn:sum() < 100 then return nil end
  local scaled = scale.of(raw:select(learn), columns.bare)
  if not scaled then return nil end
  local x = raw
  if scaled.binary then x = 1 - raw:equals(0) elseif scaled.kind == "log1p" then x = raw:log1p() end
  if not scaled.binary then x = (x - scaled.mean) / scaled.sd end
  local volume = scale.standardise(frame:vector(columns.volume):fill(0):log1p(), learn)
  local function slopes(outcome, landmark_us, prior_names)
    local _, prior = case_of.masks(frame, h, landmark_us, prior_names)
    local risk = risk_of(followed, present, prior)
    local y = happened(h.outcome, frame:vector(outcome))
    local left = x:select(risk)
    return slope(x, y, risk), volume and slope(volume, y, risk), left
  end
  local metric0, volume0, left0 = slopes(columns.outcome, columns.landmark_us, columns.prior)
  if not metric0 then return nil end
  local found = { beta = metric0.beta, se = math.sqrt(variance { { metric0, 1 } }), gaps = {} }
  if math.abs(found.beta) <= 1.96 * found.se then return found end
  for i, gap in ipairs(columns.gaps) do
    local metric1, volume1, left1 = slopes(gap.outcome, gap.landmark_us, gap.prior)
    local with0, with1 = exposed(left0, left0:min()), exposed(left1, left0:min())
    if with0 >= leakage.gone_least and with1 < leakage.gone_least / 2 and with1 < with0 / 3 then
      -- Nearly everybody with the metric had the outcome during the embargo.
      found.gaps[#found.gaps + 1] = { gap_us = gap.gap_us, beta = 0, loss = 1, volume_loss = 0,
        difference = 1 }
      found.step = found.step or #found.gaps
      break
    elseif metric1 then
      local compared = compare_loss(metric0, metric1, volume0, volume1)
      compared.gap_us, compared.beta = gap.gap_us, metric1.beta
      found.gaps[#found.gaps + 1] = compared
      if compared.loss > 0.5 and compared.low > 0 and not found.step then
        found.step = #found.gaps
      end
    end
    if i == 1 and not metric1 then break end
  end
  return found
end

-- L5: what counting over the whole history against "ever had the outcome" would have said.
local function naive(frame, member, auc)
  local columns = member.columns
  if #columns.ever == 0 then return nil end
  local score = frame:vector(columns.naive)
  local y = case_of.sum_of(frame, columns.ever):above(0)
  if not score or y:sum() < 20 or #y - y:sum() < 20 then return nil end
  local result = stats.auc(score, y)
  if not result or not result.estimate then return nil end
  local found = { auc = result.estimate, low = result.low, high = result.high }
  local significant = result.low > 0.5 or result.high < 0.5
  local landmark = auc and (auc.low > 0.5 or auc.high < 0.5)
  local differs = auc and ((result.estimate - 0.5) * (auc.estimate - 0.5) < 0
    or math.abs(result.estimate - auc.estimate) > leakage.naive_difference)
  found.immortal_time = significant and not landmark and differs or false
  return found
end

-- L6: does the metric "predict" what happened before the clock started just as well?
local function before(case, found, frame, columns)
  if not columns.pre or not found.adjusted then return nil end
  local y = frame:vector(columns.pre):fill(0):above(0):select(case.used)
  local part = case_of.new { kind = "binary", y = y, cluster = case.cluster }
  local events, others = part:events()
  if events < 20 or others < 20 then return nil end
  local design = {}
  for i, v in ipairs(case.base.columns) do
    if case.base.groups[i] ~= "history" then design[#design + 1] = v end
  end
  design[#design + 1] = case.x
  local model = fit.run(part, design)
  if not model.ok then return nil end
  local beta, p = model:beta(#design), model:p(#design)
  return { beta = beta, p = p, pre_existing = p < 0.05
    and math.abs(beta) >= leakage.pre_share * math.abs(found.adjusted.beta) }
end

-- L3 on one set of columns. A custom metric that hides its events has only the embargo. Where
-- earlier outcomes are kept, users without any are looked at as well: among those who had the
-- outcome already, a step says nothing.
local function step_of(frame, h, columns)
  local near = leakage.proximity(frame, columns)
  if not columns.own.unknown and (not near or near.share < leakage.near_share) then return near end
  local found = leakage.embargo(frame, { hypothesis = h, columns = columns })
  if not (found and found.step) and h.prior_outcome ~= "exclude" then
    local fresh = setmetatable({ prior_outcome = "exclude" }, { __index = h })
    local other = leakage.embargo(frame, { hypothesis = fresh, columns = columns })
    if other and other.step then found = other end
  end
  return near, found
end

-- L3: the metric as a whole or, where it also counts the outcome's own events, each other part.
local function add_step(out, frame, h, columns)
  local parts = { columns }
  for i, step in ipairs(columns.steps or {}) do
    parts[i] = setmetatable({ near = step.near, metric = step.metric, bare = true },
      { __index = columns })
  end
  for _, part in ipairs(parts) do
    local near, embargo = step_of(frame, h, part)
    local step = embargo and embargo.step
    if step or not out.proximity then out.proximity, out.embargo = near, embargo end
    if step then
      out.leaking[1] = { code = "funnel_step", proximity = near, embargo = embargo }
      return
    end
  end
end

--- All leakage checks of a hypothesis measured on a log.
---@param case table
---@param found table effects.measure
---@param auc table? {estimate, low, high}
---@param acknowledged table<string, boolean>
---@return table {leaking = list, warnings = list, proximity, embargo, naive, before}
function leakage.measure(case, found, auc, acknowledged)
  local frame, member = case.frame, case.member
  local columns = member.columns
  local out = { leaking = {}, warnings = {} }
  add_step(out, frame, member.hypothesis, columns)
  leakage.too_good(out, found, auc, acknowledged)
  out.naive = naive(frame, member, auc)
  if out.naive and out.naive.immortal_time then
    out.warnings[#out.warnings + 1] = { code = "immortal_time", naive = out.naive }
  end
  out.before = before(case, found, frame, columns)
  if out.before and out.before.pre_existing then
    out.warnings[#out.warnings + 1] = { code = "pre_existing", before = out.before }
  end
  if columns.shared then out.warnings[#out.warnings + 1] = { code = "same_event" } end
  if columns.own.unknown then out.warnings[#out.warnings + 1] = { code = "unknown_events" } end
  return out
end

--- L4: perfect or nearly perfect separation.
function leakage.too_good(out, found, auc, acknowledged)
  local limit = leakage.auc_limit
  local extreme = auc and (auc.estimate >= limit or auc.estimate <= 1 - limit)
  if not extreme and not found.separated then return end
  local code = extreme and "too_good" or "separated"
  local list = acknowledged.separation and out.warnings or out.leaking
  list[#list + 1] = { code = code, auc = auc and auc.estimate }
end

return leakage
