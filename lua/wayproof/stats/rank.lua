--- Statistics of ranks: AUC, rank correlations, dose tables, quantiles, Gini.
---
--- Columns are Lua arrays or vectors; nil and NaN are missing, and a row with a missing number is
--- left out and counted in `missing`. `weights` are whole case weights. Formulas: doc/stats/.
local base = require "wayproof.stats.base"
local check = require "wayproof.check"
local core = require("wayproof.core").stats
local proportion = require "wayproof.stats.proportion"

local rank = {}

--- Wald, logit and score intervals of an AUC; see doc/stats/auc.md.
local interval = {}

function interval.wald(raw, z)
  if not raw.variance then return nil end
  local half = z * math.sqrt(raw.variance)
  return math.max(0, raw.estimate - half), math.min(1, raw.estimate + half)
end

function interval.delong_logit(raw, z)
  local a = raw.estimate
  if not raw.variance or a <= 0 or a >= 1 then return nil end
  local centre, half = math.log(a / (1 - a)), z * math.sqrt(raw.variance) / (a * (1 - a))
  return 1 / (1 + math.exp(half - centre)), 1 / (1 + math.exp(-half - centre))
end

function interval.score(raw, z)
  return core.auc_score_interval(raw.estimate, raw.n1, raw.n0, z)
end

-- Two distinct scores: AUC = 1/2 + (p1 - p0) / 2.
function interval.hybrid(raw, z)
  if raw.distinct ~= 2 then return nil end
  local low, high = proportion.hybrid_interval(raw.high1, raw.n1, raw.high0, raw.n0, z)
  return 0.5 + low / 2, 0.5 + high / 2
end

-- The rule of doc/stats/auc.md: where DeLong's interval covers too little, another one.
local function pick(raw, method)
  if method == "auto" then
    if raw.distinct == 2 then return "hybrid" end
    if math.min(raw.n1, raw.n0) < 100 or raw.estimate < 0.1 or raw.estimate > 0.9 then
      return "score"
    end
    return "delong_logit"
  end
  return method
end

local function limits(raw, method, z)
  if raw.distinct == 1 then return 0.5, 0.5, "constant" end
  method = pick(raw, method)
  local low, high = interval[method](raw, z)
  if low then return low, high, method end
  low, high = interval.score(raw, z)
  return low, high, "score"
end

-- Two-sided test of AUC = 1/2: with DeLong's standard error, or with the Mann-Whitney one where
-- DeLong's is zero or undefined (perfect separation, one user in a class).
local function test(raw)
  if raw.distinct == 1 then return nil end
  local variance = raw.variance
  if not variance or variance <= 0 then variance = raw.null_variance end
  if not variance or variance <= 0 then return nil end
  local z = (raw.estimate - 0.5) / math.sqrt(variance)
  return z, base.p_normal(z)
end

local methods = { "delong_logit", "wald", "score", "hybrid", "auto" }

local function describe(raw, title, method, z, level)
  local out = {
    n = raw.n1 + raw.n0, n1 = raw.n1, n0 = raw.n0, missing = raw.missing, distinct = raw.distinct,
    level = level, estimate = raw.estimate, variance = raw.variance,
  }
  if not raw.estimate then
    out.undefined = raw.n1 + raw.n0 == 0 and "no user has both a score and a label"
      or "all users have the same label"
    return base.result(title, out)
  end
  out.se = raw.variance and math.sqrt(raw.variance)
  out.low, out.high, out.method = limits(raw, method, z)
  out.wald_low, out.wald_high = interval.wald(raw, z)
  out.statistic, out.p = test(raw)
  return base.result(title, out)
end

--- Area under the ROC curve: the chance that a user with label 1 has a higher score than one with
--- label 0, ties counting half.
---
---     stats.auc({ 0.9, 0.8, 0.4, 0.5 }, { 1, 1, 0, 0 }).estimate   --> 1.0
---@param scores number[]|wayproof.Vector
---@param labels (number|boolean)[]|wayproof.Vector  0/1 or false/true
---@param options? { weights: number[], level: number, method: string }  method: "delong_logit"
---  (default), "wald", "score", "hybrid" (two distinct scores) or "auto"
---@return wayproof.Statistic  estimate, se, variance, low, high, wald_low, wald_high, statistic, p,
---  n, n1, n0, missing, method; estimate is nil and `undefined` says why with one class only
---Source: DeLong et al. 1988; Sun & Xu 2014; Newcombe 2006 (method 5).
function rank.auc(scores, labels, options)
  options = check.options(options, { "weights", "level", "method" }, "auc")
  local method = check.choice(options.method or "delong_logit", methods, "auc: method")
  local z, level = base.critical(options.level, "auc")
  return describe(core.auc(scores, labels, options.weights), "auc", method, z, level)
end

--- Paired comparison of two scores of the same users (DeLong). Only for held-out scores: on the
--- data that fitted nested models this test is invalid, use the likelihood ratio.
---@param a number[]|wayproof.Vector
---@param b number[]|wayproof.Vector
---@param labels (number|boolean)[]|wayproof.Vector
---@param options? { weights: number[], level: number }
---@return wayproof.Statistic  estimate (a - b), se, covariance, low, high, statistic, p, a, b
---Source: DeLong et al. 1988; warning: Demler et al. 2012.
function rank.auc_compare(a, b, labels, options)
  options = check.options(options, { "weights", "level" }, "auc_compare")
  local z, level = base.critical(options.level, "auc_compare")
  local raw = core.auc_compare(a, b, labels, options.weights)
  local out = {
    a = describe(raw.a, "auc", "delong_logit", z, level),
    b = describe(raw.b, "auc", "delong_logit", z, level),
    covariance = raw.covariance, level = level, n1 = raw.a.n1, n0 = raw.a.n0,
    n = raw.a.n1 + raw.a.n0, missing = raw.a.missing,
  }
  if not raw.a.estimate then
    out.undefined = out.a.undefined
    return base.result("auc_compare", out)
  end
  out.estimate = raw.a.estimate - raw.b.estimate
  if raw.covariance then
    local variance = raw.a.variance + raw.b.variance - 2 * raw.covariance
    -- Rounding only: equal scores have an exact variance of 0.
    if variance < 1e-15 * (raw.a.variance + raw.b.variance) then variance = 0 end
    out.se = math.sqrt(variance)
    out.low = math.max(-1, out.estimate - z * out.se)
    out.high = math.min(1, out.estimate + z * out.se)
    if out.se > 0 then
      out.statistic = out.estimate / out.se
      out.p = base.p_normal(out.statistic)
    end
  end
  return base.result("auc_compare", out)
end

local function fisher(out, r, se, z)
  if math.abs(r) >= 1 then return end
  local centre = 0.5 * math.log((1 + r) / (1 - r))
  local function back(x) return 1 - 2 / (math.exp(2 * x) + 1) end
  out.low, out.high = back(centre - z * se), back(centre + z * se)
end

-- t statistic of a correlation and its p, with the degrees of freedom that are left.
local function correlation_test(out, r, df)
  if df < 1 then return end
  out.df = df
  out.statistic = r * math.sqrt(df / ((1 - r) * (1 + r)))
  out.p = base.p_t(out.statistic, df)
end

local function constant_column(matrix)
  for i = 1, #matrix do
    if matrix[i][i] ~= matrix[i][i] then return true end
  end
  return false
end

-- Correlation of 1 and 2 given 3 …, one variable at a time; nil when a column says what another
-- says already.
local function partial(matrix)
  for k = #matrix, 3, -1 do
    local smaller = {}
    for i = 1, k - 1 do
      smaller[i] = {}
      for j = 1, k - 1 do
        local rik, rjk = matrix[i][k], matrix[j][k]
        local left = (1 - rik * rik) * (1 - rjk * rjk)
        if left < 1e-13 then return nil end
        local r = (matrix[i][j] - rik * rjk) / math.sqrt(left)
        smaller[i][j] = i == j and 1 or math.max(-1, math.min(1, r))
      end
    end
    matrix = smaller
  end
  return matrix[1][2]
end

-- Standard error of Fisher's z of a Spearman correlation: Bonett & Wright's, or that of these very
-- ranks where it is wider (many equal numbers, such as users who spend nothing).
local function spearman_se(rho, n, variance)
  local normal = (1 + rho * rho / 2) / (n - 3)
  local own = variance and variance / (1 - rho * rho) ^ 2 * n / (n - 3) or 0
  return math.sqrt(math.max(normal, own))
end

--- Spearman's rank correlation: Pearson's r of mid-ranks.
---@param x number[]|wayproof.Vector
---@param y number[]|wayproof.Vector
---@param options? { weights: number[], level: number }
---@return wayproof.Statistic  estimate (also `rho`), low, high (Fisher's z with the wider standard
---  error of Bonett & Wright 2000 and Brown & Benedetti 1977), statistic (t), df, p (t
---  approximation), p_exact (two-sided, 2 to 9 users without ties), n, missing; estimate is nil
---  when a column is constant
function rank.spearman(x, y, options)
  options = check.options(options, { "weights", "level" }, "spearman")
  local z, level = base.critical(options.level, "spearman")
  local raw = core.rank_correlation("spearman", { x, y }, { "x", "y" }, options.weights)
  local out = { n = raw.n, missing = raw.missing, level = level }
  if raw.n < 2 or constant_column(raw.matrix) then
    out.undefined = raw.n < 2 and "fewer than 2 users" or "a column is constant"
    return base.result("spearman", out)
  end
  local rho = raw.matrix[1][2]
  out.estimate, out.rho = rho, rho
  if raw.n > 3 and math.abs(rho) < 1 then
    fisher(out, rho, spearman_se(rho, raw.n, raw.variance), z)
  end
  correlation_test(out, rho, raw.n - 2)
  if raw.lower then
    out.p_lower, out.p_greater = raw.lower, raw.greater
    out.p_exact = math.min(1, 2 * math.min(raw.lower, raw.greater))
  end
  return base.result("spearman", out)
end

--- Spearman's correlation of x and y at equal z (one column or a list of columns).
---@return wayproof.Statistic  estimate (also `rho`), low, high, statistic (t), df, p, n, missing
---Source: r_xy.z = (r_xy - r_xz r_yz) / sqrt((1 - r_xz^2)(1 - r_yz^2)) on mid-ranks.
function rank.partial_spearman(x, y, z, options)
  local where = "partial_spearman"
  options = check.options(options, { "weights", "level" }, where)
  local critical, level = base.critical(options.level, where)
  local list = { z }
  if type(z) == "table" and type(z[1]) ~= "number" and z[1] ~= nil then list = z end
  local columns, names = { x, y }, { "x", "y" }
  for i = 1, #list do
    columns[i + 2], names[i + 2] = list[i], #list == 1 and "z" or "z[" .. i .. "]"
  end
  local raw = core.rank_correlation(where, columns, names, options.weights)
  local out = { n = raw.n, missing = raw.missing, level = level }
  local left = raw.n - 2 - #list
  local r = not constant_column(raw.matrix) and raw.n > 2 and partial(raw.matrix)
  if not r then
    out.undefined = raw.n <= 2 and "fewer than 3 users" or "a column is constant or repeats another"
    return base.result(where, out)
  end
  out.estimate, out.rho = r, r
  if left > 1 then fisher(out, r, math.sqrt((1 + r * r / 2) / (left - 1)), critical) end
  correlation_test(out, r, left)
  return base.result(where, out)
end

--- Kendall's tau-b.
---@param options? { weights: number[], level: number, alternative: string }  alternative:
---  "two_sided" (default), "greater" or "less"
---@return wayproof.Statistic  estimate (also `tau`), low, high (Fisher z, se sqrt(.437/(n-4))),
---  statistic (z, ties included), p (exact below 50 users without ties, else normal), method, n
---Source: Kendall 1970; Fieller, Hartley & Pearson 1957 for the interval.
function rank.kendall(x, y, options)
  options = check.options(options, { "weights", "level", "alternative" }, "kendall")
  local z, level = base.critical(options.level, "kendall")
  local side = check.choice(options.alternative or "two_sided",
    { "two_sided", "greater", "less" }, "kendall: alternative")
  local raw = core.kendall("kendall", { x, y }, { "x", "y" }, options.weights)
  local out = { n = raw.n, missing = raw.missing, level = level, score = raw.score }
  if not raw.tau then
    out.undefined = raw.n < 2 and "fewer than 2 users" or "a column is constant"
    return base.result("kendall", out)
  end
  out.estimate, out.tau, out.statistic = raw.tau, raw.tau, raw.z
  if raw.n > 4 then fisher(out, raw.tau, math.sqrt(0.437 / (raw.n - 4)), z) end
  local less, greater = raw.lower, raw.greater
  out.method = less and "exact" or "normal"
  if not less then less, greater = core.normal_cdf(raw.z), core.normal_upper(raw.z) end
  out.p = side == "less" and less or side == "greater" and greater
    or math.min(1, 2 * math.min(less, greater))
  return base.result("kendall", out)
end

--- Mid-ranks (1-based; equal numbers share the mean of their ranks), missing where x is missing.
---@return wayproof.Vector
function rank.ranks(x, options)
  options = check.options(options, { "weights" }, "ranks")
  return core.midranks("ranks", { x }, { "x" }, options.weights)
end

--- Quantiles by linear interpolation between order statistics (R's type 7).
---@param levels number|number[]  within 0..1
---@return number|number[]|nil  a number for a number, a list for a list; nil without numbers
function rank.quantile(x, levels, options)
  options = check.options(options, { "weights" }, "quantile")
  local list = type(levels) == "table" and levels or { levels }
  for i = 1, #list do check.number(list[i], "quantile: level", 0, 1) end
  local found = core.quantiles("quantile", { x }, { "x" }, options.weights, list)
  if type(levels) == "table" then return found end
  return found[1]
end

-- Interval of a group's mean: Student's t, transformed for skewness as by Hall (1992). Money is
-- skewed, and the symmetric interval would miss its mean on one side.
local function mean_interval(group, level)
  local n, mean = group.users, group.sum / group.users
  local t = core.t_quantile(1 - (1 - level) / 2, n - 1)
  local se = math.sqrt(group.squares / (n - 1) / n)
  local skew = group.squares > 0 and group.cubes / n / (group.squares / n) ^ 1.5 or 0
  local bend = skew / math.sqrt(n)
  local function unbent(x)
    if math.abs(bend) < 1e-6 then return x end
    local cube = 1 + bend * (x - bend / 6)
    local root = cube < 0 and -(-cube) ^ (1 / 3) or cube ^ (1 / 3)
    return 3 / bend * (root - 1)
  end
  return mean - se * unbent(t), mean - se * unbent(-t)
end

local function dose_row(group, number, raw, totals, z, level)
  local row = {
    group = number, from = group.from, to = group.to, users = group.users, sum = group.sum,
    rate = group.sum / group.users, share = group.users / raw.n,
  }
  if raw.binary then
    row.events = math.tointeger(group.sum)
    row.low, row.high = proportion.wilson_interval(row.events, row.users, z)
    if row.events < 5 then
      local exact = proportion.clopper_pearson(row.events, row.users, level)
      row.exact_low, row.exact_high = exact.low, exact.high
    end
  elseif group.users > 1 then
    row.low, row.high = mean_interval(group, level)
  end
  if totals.base ~= 0 then row.lift = row.rate / totals.base end
  return row
end

-- Share of the whole outcome in this group and those above it.
local function add_capture(rows, total)
  local above = 0
  for i = #rows, 1, -1 do
    above = above + rows[i].sum
    if total ~= 0 then rows[i].capture = above / total end
  end
end

--- The outcome per group of equal-sized ranges of the score. Equal scores share a group, so groups
--- may differ in size; empty ones are left out (`group` keeps its 1-based number).
---@param options? { groups: integer, weights: number[], level: number }  groups default 5
---@return wayproof.Statistic  a list of { group, from, to, users, events, sum, rate, low, high,
---  lift, share, capture }, with n, missing, base (the overall rate), binary. Intervals: Wilson,
---  with exact_low/exact_high below 5 events; Student's t transformed for skewness (Hall 1992) for
---  numeric outcomes
---Source: group = min(G - 1, floor(G (midrank - 1/2) / n)).
function rank.dose(scores, outcome, options)
  options = check.options(options, { "groups", "weights", "level" }, "dose")
  local groups = check.integer(options.groups or 5, "dose: groups", 1, 1024)
  local z, level = base.critical(options.level, "dose")
  local raw = core.dose("dose", { scores, outcome }, { "scores", "outcome" }, options.weights,
    groups)
  local out = { n = raw.n, missing = raw.missing, binary = raw.binary, level = level }
  local total = 0
  for i = 1, groups do total = total + raw[i].sum end
  if raw.n > 0 then out.base = total / raw.n end
  for i = 1, groups do
    if raw[i].users > 0 then out[#out + 1] = dose_row(raw[i], i, raw, out, z, level) end
  end
  add_capture(out, total)
  return base.result("dose", out)
end

-- sum((2 r - n - 1) y) / (n sum(y)) with r the mid-rank by x; nil when the outcome sums to 0. A
-- third column only says which rows count.
local function concentration(where, columns, names, weights)
  local raw = core.rank_products(where, columns, names, weights)
  if raw.n < 2 or not raw.total or raw.total == 0 then return nil, raw end
  return (raw.products - (raw.n + 1) * raw.total) / (raw.n * raw.total), raw
end

--- Gini coefficient: 0 when all have the same, 1 when one has everything.
---@param options? { weights: number[], unbiased: boolean }  unbiased (n / (n - 1)) by default
---@return wayproof.Statistic  estimate, n, missing
function rank.gini(x, options)
  options = check.options(options, { "weights", "unbiased" }, "gini")
  local estimate, raw = concentration("gini", { x, x }, { "x", "x" }, options.weights)
  if estimate and options.unbiased ~= false then estimate = estimate * raw.n / (raw.n - 1) end
  return base.result("gini", { estimate = estimate, n = raw.n, missing = raw.missing })
end

--- How well a score sorts a numeric outcome such as revenue: Gini of the outcome sorted by the
--- score over Gini of the outcome sorted by itself. 1 is a perfect order, 0 none, -1 the reverse.
---@return wayproof.Statistic  estimate, n, missing
function rank.gini_normalised(scores, outcome, options)
  local where = "gini_normalised"
  options = check.options(options, { "weights" }, where)
  local sorted, raw = concentration(where, { scores, outcome }, { "scores", "outcome" },
    options.weights)
  local best = concentration(where, { outcome, outcome, scores },
    { "outcome", "outcome", "scores" }, options.weights)
  local out = { n = raw.n, missing = raw.missing }
  if sorted and best ~= 0 then out.estimate = sorted / best end
  return base.result(where, out)
end

--- Brier score of predicted probabilities: the mean squared distance from what happened.
---@param p number[]|wayproof.Vector  probabilities
---@param y (number|boolean)[]|wayproof.Vector  0/1
---@param options? { weights: number[] }
---@return wayproof.Statistic  estimate, skill (1 - Brier / Brier of the base rate), rate, n,
---  missing
---Source: Brier 1950.
function rank.brier(p, y, options)
  options = check.options(options, { "weights" }, "brier")
  local raw = core.calibration("brier", { p, y }, { "p", "y" }, options.weights)
  local out = { estimate = raw.brier, rate = raw.rate, n = raw.n, missing = raw.missing }
  if raw.brier and raw.rate > 0 and raw.rate < 1 then
    out.skill = 1 - raw.brier / (raw.rate * (1 - raw.rate))
  end
  return base.result("brier", out)
end

--- Are predicted probabilities right, on users that did not fit them? slope 1 and in_the_large 0
--- are perfect; a slope below 1 means that the predictions are too extreme.
---@param p number[]|wayproof.Vector  probabilities
---@param y (number|boolean)[]|wayproof.Vector  0/1
---@param options? { weights: number[] }
---@return wayproof.Statistic  slope, slope_se, intercept, in_the_large, in_the_large_se, brier,
---  rate, mean (of p), n, missing; slope and in_the_large are nil where they do not exist
---Source: Cox 1958; Harrell 2015, section 10.9.
function rank.calibration(p, y, options)
  options = check.options(options, { "weights" }, "calibration")
  local raw = core.calibration("calibration", { p, y }, { "p", "y" }, options.weights)
  return base.result("calibration", raw)
end

return rank
