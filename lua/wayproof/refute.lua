--- Attempts to refute an effect: reports and warnings, never gates.
--
-- tail         refit without the busiest 5 % of users and the top 1 % by metric
-- permutation  the metric shuffled among equally busy users (volume deciles)
-- common_cause a random column beside the metric must not move its effect
-- subset       80 % of the users, many times: the sign must stay
-- placebos     every other event of the log in the metric's place: is this one special?
-- Each entry of the result is {name, pass = true | false | nil (not run), text figures}.
-- Cost: one fit for tail and common_cause, one per placebo; permutation and subset resample scores.
local baseline = require "wayproof.baseline"
local effects = require "wayproof.effects"
local fit = require "wayproof.fit"
local leakage = require "wayproof.leakage"
local noise = require "wayproof.noise"
local resample = require "wayproof.resample"
local scale = require "wayproof.scale"
local stats = require "wayproof.stats"

local refute = {}

refute.placebos_least = 5
refute.placebo_users = 20
refute.placebo_share = 0.15

local function with(columns, x)
  local out = { table.unpack(columns) }
  out[#out + 1] = x
  return out
end

-- Columns and x on a part of the users, without columns that no longer vary.
local function refit(case, mask)
  local part = case:part(mask)
  local columns = {}
  for _, v in ipairs(case.base.columns) do
    local chosen = v:select(mask)
    if chosen:min() ~= chosen:max() then columns[#columns + 1] = chosen end
  end
  if part.x:min() == part.x:max() then return nil end
  columns[#columns + 1] = part.x
  local model = fit.run(part, columns)
  if not model.ok then return nil end
  return model:beta(#columns), model:se(#columns)
end

local function tail(case, found, settings)
  local keep
  if case.volume then
    keep = case.volume:at_most(case.volume:quantiles({ 0.95 })[1])
  end
  if not case.scaled.binary then
    local usual = case.m:at_most(case.m:quantiles({ 0.99 })[1])
    keep = keep and keep * usual or usual
  end
  if not keep or keep:sum() == #keep then return { name = "tail" } end
  local beta, se = refit(case, keep)
  if not beta then return { name = "tail" } end
  local side = found.adjusted.beta >= 0 and 1 or -1
  local epsilon = math.log(settings.minimum)
  local candidate = math.abs(found.adjusted.beta) >= epsilon
  return { name = "tail", estimate = math.exp(beta), se = se, users = math.floor(keep:sum()),
    pass = not candidate or side * beta >= epsilon / 2 }
end

-- Placebos ---------------------------------------------------------------------------------------

-- REML fit of beta_j ~ N(mu, tau^2 + se_j^2) by Fisher scoring.
local function fit_null(betas, errors)
  local k = #betas
  local tau2, mu = 0, 0
  for step = 0, 100 do
    local sw, swb, sw2, sw3 = 0, 0, 0, 0
    for j = 1, k do
      local w = 1 / (errors[j] ^ 2 + tau2)
      sw, swb, sw2, sw3 = sw + w, swb + w * betas[j], sw2 + w * w, sw3 + w ^ 3
    end
    mu = swb / sw
    if step == 100 then break end
    local quadratic = 0
    for j = 1, k do
      local w = 1 / (errors[j] ^ 2 + tau2)
      quadratic = quadratic + w * w * (betas[j] - mu) ^ 2
    end
    local trace = sw - sw2 / sw
    local information = sw2 - 2 * sw3 / sw + (sw2 / sw) ^ 2
    local next_tau2 = math.max(0, tau2 + (quadratic - trace) / information)
    local moved = math.abs(next_tau2 - tau2)
    tau2 = next_tau2
    if moved < 1e-12 then break end
  end
  local sw = 0
  for j = 1, k do sw = sw + 1 / (errors[j] ^ 2 + tau2) end
  return mu, tau2, math.sqrt(1 / sw)
end
refute.fit_null = fit_null

-- The effect of another event in the metric's place, at equal activity without that event.
local function placebo_effect(case, count, like)
  local scaled = scale.of(count, true, case.mask)
  if not scaled then return nil end
  local copy = setmetatable({ x = scaled.x }, { __index = case })
  if case.total then copy.volume = case.total - count end
  local base = baseline.build(copy, scaled.x, case.mask)
  if base.collinear then return nil end
  local model = fit.run(case, with(base.columns, scaled.x),
    { independent = true, like = like, rough = true })
  if not model.ok then return nil end
  local k = #base.columns + 1
  local found = { beta = model:beta(k), se = model:se(k) }
  if base.r then
    local z_model = fit.run(case, { base.z, scaled.x },
      { independent = true, rough = true })
    if z_model.ok then
      found.tolerance = noise.tolerance { beta_x = z_model:beta(2), beta_z = z_model:beta(1),
        s_x = base.s_x, s_z = base.s_z, r = base.r }
    end
  end
  return found
end

local function median(list)
  if #list == 0 then return nil end
  table.sort(list)
  local middle = (#list + 1) / 2
  return (list[math.floor(middle)] + list[math.ceil(middle)]) / 2
end

local function calibrate(out, found)
  local betas, errors = {}, {}
  for i, placebo in ipairs(out.events) do betas[i], errors[i] = placebo.beta, placebo.se end
  local mu, tau2, mu_se = fit_null(betas, errors)
  local beta, se = found.adjusted.beta, found.adjusted.se
  local t = math.abs(beta - mu) / math.sqrt(tau2 + mu_se ^ 2 + se ^ 2)
  out.mean, out.sd = mu, math.sqrt(tau2)
  out.p = math.min(1, 2 * stats.t_upper(t, #betas - 1))
  local below = 0
  for _, other in ipairs(betas) do
    if math.abs(other) < math.abs(beta) then below = below + 1 end
  end
  out.percentile = below / #betas
end

-- A step of the outcome is no control: it is near the outcome and dies with an embargo.
local function is_step(case, item)
  if not item.near then return false end
  local columns = setmetatable({ metric = item.column, volume = case.member.columns.total,
    near = { item.near }, bare = true }, { __index = case.member.columns })
  local near = leakage.proximity(case.frame, columns)
  if not near or near.share < leakage.near_share then return false end
  local embargo = leakage.embargo(case.frame,
    { hypothesis = case.member.hypothesis, columns = columns })
  return embargo ~= nil and embargo.step ~= nil
end

local function placebos(case, found, settings)
  local out = { name = "placebos", events = {} }
  if not case.member then return out end
  local tolerances = {}
  for _, item in ipairs(case.member.columns.placebos or {}) do
    local count = case.frame:vector(item.column):select(case.used):fill(0)
    local rare = #count - count:count(0) < refute.placebo_users
    -- An event that makes up much of all activity leaves no activity to be compared at.
    local main = case.total and count:sum() > refute.placebo_share * case.total:sum()
    if not rare and not main and not is_step(case, item) then
      local effect = placebo_effect(case, count, found.model)
      if effect then
        effect.event = item.event
        out.events[#out.events + 1] = effect
        tolerances[#tolerances + 1] = effect.tolerance
      end
    end
  end
  out.median_tolerance = median(tolerances)
  if #out.events < refute.placebos_least then
    out.too_few = true
    return out
  end
  calibrate(out, found)
  out.pass = out.p < settings.alpha
  return out
end

-- All --------------------------------------------------------------------------------------------

--- Runs every refuter that the case allows.
---@return table list of {name, pass, …}, also by name; `not_special, no_controls, tail_driven`
function refute.run(case, found, settings)
  local list = {}
  if not found.adjusted then return list end
  if settings.refute == false then
    list.left_out = true
    return list
  end
  for i, refuter in ipairs { resample.permutation, resample.common_cause, resample.subset, tail,
    placebos } do
    list[i] = refuter(case, found, settings)
    list[list[i].name] = list[i]
  end
  list.not_special = list.placebos.pass == false
  list.no_controls = list.placebos.too_few
  list.tail_driven = list.tail.pass == false
  return list
end

--- E-value of the adjusted effect: how strong an unmeasured cause would have to be.
function refute.e_value(case, found, facts)
  local e = effects.ratio(found.adjusted.beta, found.adjusted.se)
  local common = facts.events / (facts.events + facts.non_events) >= 0.15
  local measures = { binary = "OR", numeric = "RR", time = "HR" }
  return stats.e_value(e.estimate, e.low, e.high,
    { measure = measures[case.kind], rare = not common })
end

return refute
