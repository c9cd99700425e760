--- How many users are needed, what can be detected, how often would it be found.
---
--- Each function solves for the one of its quantities that is left out: the number, the power or
--- the effect. Two-sided tests at `alpha`. Formulas: doc/stats/power.md.
local base = require "wayproof.stats.base"
local check = require "wayproof.check"
local core = require("wayproof.core").stats

local power = {}

local function within(value, what, low, high)
  check.number(value, what)
  if not (value > low and value < high) then
    check.fail("%s: %g (expected above %g and below %g)", what, value, low, high)
  end
  return value
end

-- Critical values; z of the power, unless the power is what is asked for.
local function settings(options, where)
  local alpha = within(options.alpha or 0.05, where .. ": alpha", 0, 1)
  local wanted = options.power
  if wanted then within(wanted, where .. ": power", 0, 1) end
  return -core.normal_quantile(alpha / 2), wanted and core.normal_quantile(wanted), alpha
end

-- Exactly one of the named quantities must be missing (power defaults to 0.8 when two are).
local function unknown(options, names, where)
  local missing = {}
  for _, name in ipairs(names) do
    if options[name] == nil then missing[#missing + 1] = name end
  end
  if #missing == 2 and missing[2] == "power" then
    options.power = 0.8
    missing[2] = nil
  end
  if #missing ~= 1 then
    check.fail("%s: leave out exactly one of %s", where, table.concat(names, ", "))
  end
  return missing[1]
end

local function copy(options)
  local out = {}
  for key, value in pairs(options) do out[key] = value end
  return out
end

-- n * information = (z_alpha + z_beta)^2 / beta^2, with n events or users times their variance.
local function wald_power(options, where, size, effect, information)
  options = copy(options)
  local asked = unknown(options, { size, effect, "power" }, where)
  local z_alpha, z_beta, alpha = settings(options, where)
  local out = { alpha = alpha, power = options.power, [size] = options[size],
    [effect] = options[effect] }
  if asked ~= size then within(options[size], where .. ": " .. size, 0, math.huge) end
  local beta
  if asked ~= effect then
    within(options[effect], where .. ": " .. effect, 0, math.huge)
    beta = math.abs(math.log(options[effect]))
    if beta == 0 then check.fail("%s: %s: 1 is no effect", where, effect) end
  end
  if asked == size then
    out[size] = (z_alpha + z_beta) ^ 2 / (information * beta * beta)
  elseif asked == effect then
    out[effect] = math.exp((z_alpha + z_beta) / math.sqrt(information * options[size]))
  else
    out.power = core.normal_cdf(beta * math.sqrt(information * options[size]) - z_alpha)
  end
  return base.result(where, out)
end

--- Logistic regression, one standardised metric: users, odds ratio per standard deviation, power.
---
---     stats.power_logistic{ odds_ratio = 1.2, rate = 0.2, power = 0.8 }   --> n 1475.746
---@param options { n: number, odds_ratio: number, power: number, rate: number, r2: number,
---  alpha: number }  leave out n, odds_ratio or power (0.8 when two are left out); rate: share of
---  users with the outcome; r2: how well activity predicts the metric (0); alpha 0.05
---@return wayproof.Statistic  n, odds_ratio, power, alpha
---Source: Hsieh, Bloch & Larsen 1998.
function power.power_logistic(options)
  local where = "power_logistic"
  options = check.options(options, { "n", "odds_ratio", "power", "rate", "r2", "alpha" }, where)
  local rate = within(options.rate, where .. ": rate", 0, 1)
  local r2 = check.number(options.r2 or 0, where .. ": r2", 0)
  if r2 >= 1 then check.fail("%s: r2: %g (expected below 1)", where, r2) end
  return wald_power(options, where, "n", "odds_ratio", rate * (1 - rate) * (1 - r2))
end

--- Cox regression, one standardised metric: events, hazard ratio per standard deviation, power.
---@param options { events: number, hazard_ratio: number, power: number, r2: number, alpha: number }
---@return wayproof.Statistic  events, hazard_ratio, power, alpha
---Source: Schoenfeld 1983; Hsieh & Lavori 2000.
function power.power_cox(options)
  local where = "power_cox"
  options = check.options(options, { "events", "hazard_ratio", "power", "r2", "alpha" }, where)
  local r2 = check.number(options.r2 or 0, where .. ": r2", 0)
  if r2 >= 1 then check.fail("%s: r2: %g (expected below 1)", where, r2) end
  return wald_power(options, where, "events", "hazard_ratio", 1 - r2)
end

local function proportions_power(n, p1, p2, z_alpha)
  local mean = (p1 + p2) / 2
  local distance = math.sqrt(n) * math.abs(p1 - p2) - z_alpha * math.sqrt(2 * mean * (1 - mean))
  return core.normal_cdf(distance / math.sqrt(p1 * (1 - p1) + p2 * (1 - p2)))
end

-- The smallest p2 above p1 that reaches the power, by bisection; nil when even 1 does not.
local function detectable(n, p1, wanted, z_alpha)
  local low, high = p1, 1.0
  if proportions_power(n, p1, high, z_alpha) < wanted then return nil end
  for _ = 1, 200 do
    local middle = (low + high) / 2
    if middle == low or middle == high then break end
    if proportions_power(n, p1, middle, z_alpha) < wanted then low = middle else high = middle end
  end
  return high
end

--- Two proportions: users per group, p1, p2, power.
---@param options { n: number, p1: number, p2: number, power: number, alpha: number }  n: users in
---  each group; leave out n, p2 or power (0.8 when two are left out)
---@return wayproof.Statistic  n, p1, p2 (above p1 when asked for), power, alpha
---Source: Fleiss, Levin & Paik 2003; as R's power.prop.test.
function power.power_proportions(options)
  local where = "power_proportions"
  options = copy(check.options(options, { "n", "p1", "p2", "power", "alpha" }, where))
  local p1 = within(options.p1, where .. ": p1", 0, 1)
  local asked = unknown(options, { "n", "p2", "power" }, where)
  local z_alpha, z_beta, alpha = settings(options, where)
  local out = { alpha = alpha, p1 = p1, p2 = options.p2, n = options.n, power = options.power }
  if asked ~= "p2" then
    within(options.p2, where .. ": p2", 0, 1)
    if options.p2 == p1 then check.fail("%s: p2: equal to p1, there is nothing to find", where) end
  end
  if asked ~= "n" then within(options.n, where .. ": n", 0, math.huge) end
  if asked == "n" then
    local p2, mean = options.p2, (p1 + options.p2) / 2
    local root = z_alpha * math.sqrt(2 * mean * (1 - mean))
      + z_beta * math.sqrt(p1 * (1 - p1) + p2 * (1 - p2))
    out.n = root ^ 2 / (p1 - p2) ^ 2
  elseif asked == "p2" then
    out.p2 = detectable(options.n, p1, options.power, z_alpha)
    if not out.p2 then out.undefined = "no difference is large enough for so few users" end
  else
    out.power = proportions_power(options.n, p1, options.p2, z_alpha)
  end
  return base.result(where, out)
end

-- Variance of an AUC times the number of cases, kappa controls per case (binormal approximation).
local function obuchowski(auc, kappa)
  local a = core.normal_quantile(auc) * 1.414
  return 0.0099 * math.exp(-a * a / 2) * ((5 * a * a + 8) + (a * a + 8) / kappa)
end

local function auc_power(n1, auc, kappa, z_alpha)
  local null = z_alpha * math.sqrt(0.0792 * (1 + 1 / kappa))
  return core.normal_cdf((math.sqrt(n1) * math.abs(auc - 0.5) - null)
    / math.sqrt(obuchowski(auc, kappa)))
end

--- AUC against 1/2: events, AUC, power.
---@param options { n1: number, n0: number, ratio: number, auc: number, power: number,
---  alpha: number }  n1: users with the outcome; n0: without, or `ratio` of n0 to n1 (default 1);
---  leave out n1 (and n0) or power
---@return wayproof.Statistic  n1, n0, auc, power, alpha
---Source: Obuchowski, Lieber & Wians 2004; as pROC's power.roc.test.
function power.power_auc(options)
  local where = "power_auc"
  local names = { "n1", "n0", "ratio", "auc", "power", "alpha" }
  options = copy(check.options(options, names, where))
  local auc = within(options.auc, where .. ": auc", 0, 1)
  if auc == 0.5 then check.fail("%s: auc: 0.5 is no effect", where) end
  local asked = unknown(options, { "n1", "power" }, where)
  local z_alpha, z_beta, alpha = settings(options, where)
  local kappa = options.ratio or 1
  if options.n1 and options.n0 then kappa = options.n0 / options.n1 end
  within(kappa, where .. ": ratio", 0, math.huge)
  local out = { alpha = alpha, auc = auc, n1 = options.n1, power = options.power }
  if asked == "n1" then
    local root = z_alpha * math.sqrt(0.0792 * (1 + 1 / kappa))
      + z_beta * math.sqrt(obuchowski(auc, kappa))
    out.n1 = root ^ 2 / (auc - 0.5) ^ 2
  else
    within(options.n1, where .. ": n1", 0, math.huge)
    out.power = auc_power(options.n1, auc, kappa, z_alpha)
  end
  out.n0 = out.n1 * kappa
  return base.result(where, out)
end

return power
