--- Tables in strata and estimates from several groups: one common effect, and do the groups agree?
---
--- A 2x2 table is `{a, b, c, d}` with odds ratio a d / (b c). Formulas: doc/stats/heterogeneity.md.
local base = require "wayproof.stats.base"
local check = require "wayproof.check"
local core = require("wayproof.core").stats

local strata = {}

-- Checked tables; those with an empty margin say nothing about the odds ratio and are left out.
local function informative(tables, where)
  check.type(tables, "table", where, "a list of tables {a, b, c, d}")
  local used = {}
  for i = 1, #tables do
    local cells = check.type(tables[i], "table", string.format("%s: table %d", where, i),
      "{a, b, c, d}")
    local t = {}
    for k = 1, 4 do
      t[k] = check.number(cells[k], string.format("%s: table %d: cell %d", where, i, k), 0)
    end
    local a, b, c, d = t[1], t[2], t[3], t[4]
    if a + b > 0 and c + d > 0 and a + c > 0 and b + d > 0 then used[#used + 1] = t end
  end
  return used
end

-- Cochran-Mantel-Haenszel: sum(a - E a) and its hypergeometric variance.
local function cmh(tables)
  local distance, variance = 0, 0
  for _, t in ipairs(tables) do
    local a, b, c, d = t[1], t[2], t[3], t[4]
    local n = a + b + c + d
    distance = distance + a - (a + b) * (a + c) / n
    if n > 1 then
      variance = variance + (a + b) * (c + d) * (a + c) * (b + d) / (n * n * (n - 1))
    end
  end
  return distance, variance
end

-- Spread of the tables' log odds ratios around the common one (1/2 added where a cell is 0). This
-- is the QE of metafor's rma.mh; Cochran's Q around their own mean is `heterogeneity`.
local function add_q(out, tables)
  if not out.log_estimate then return end
  local q = 0
  for _, t in ipairs(tables) do
    local a, b, c, d = t[1], t[2], t[3], t[4]
    local add = (a == 0 or b == 0 or c == 0 or d == 0) and 0.5 or 0
    a, b, c, d = a + add, b + add, c + add, d + add
    local distance = math.log(a / b * (d / c)) - out.log_estimate
    q = q + distance ^ 2 / (1 / a + 1 / b + 1 / c + 1 / d)
  end
  out.q, out.q_df = q, #tables - 1
  if #tables > 1 then
    out.q_p = core.chi_square_upper(q, out.q_df)
    out.i2 = q > 0 and math.max(0, (q - out.q_df) / q) or 0
  end
end

--- Common odds ratio of stratified 2x2 tables (Mantel & Haenszel), with the variance of Robins,
--- Breslow & Greenland.
---
---     stats.mantel_haenszel{ { 512, 313, 89, 19 }, { 353, 207, 17, 8 } }
---@param tables number[][]  `{a, b, c, d}` each
---@param options? { level: number }
---@return wayproof.Statistic  estimate, low, high, log_estimate, se (of the log), statistic and p
---  (CMH with continuity correction), statistic_uncorrected, p_uncorrected, df, strata, left_out;
---  q, q_df, q_p, i2: spread of the tables around the common odds ratio
---Source: Mantel & Haenszel 1959; Robins, Breslow & Greenland 1986. As R's mantelhaen.test.
function strata.mantel_haenszel(tables, options)
  local where = "mantel_haenszel"
  options = check.options(options, { "level" }, where)
  local z, level = base.critical(options.level, where)
  local used = informative(tables, where)
  local out = { level = level, strata = #used, left_out = #tables - #used }
  local r, s, pr, ps_qr, qs = 0, 0, 0, 0, 0
  for _, t in ipairs(used) do
    local a, b, c, d = t[1], t[2], t[3], t[4]
    local n = a + b + c + d
    local ri, si, p, q = a * d / n, b * c / n, (a + d) / n, (b + c) / n
    r, s = r + ri, s + si
    pr, ps_qr, qs = pr + p * ri, ps_qr + p * si + q * ri, qs + q * si
  end
  if #used == 0 then
    out.undefined = "no table has two rows and two columns that are not empty"
    return base.result(where, out)
  end
  if r > 0 and s > 0 then
    out.estimate, out.log_estimate = r / s, math.log(r / s)
    out.se = math.sqrt(pr / (2 * r * r) + ps_qr / (2 * r * s) + qs / (2 * s * s))
    out.low, out.high = out.estimate * math.exp(-z * out.se), out.estimate * math.exp(z * out.se)
  else
    out.undefined = r == s and "every product of cells is 0" or r == 0 and "the odds ratio is 0"
      or "the odds ratio is infinite"
  end
  add_q(out, used)
  local distance, variance = cmh(used)
  if variance > 0 then
    out.df = 1
    local corrected = math.max(0, math.abs(distance) - 0.5)
    out.statistic, out.statistic_uncorrected = corrected ^ 2 / variance, distance ^ 2 / variance
    out.p = core.chi_square_upper(out.statistic, 1)
    out.p_uncorrected = core.chi_square_upper(out.statistic_uncorrected, 1)
  end
  return base.result(where, out)
end

-- The cell a with odds ratio `odds` and the margins of t: the root of a quadratic that lies inside.
local function expected_cell(t, odds)
  local row, column, n = t[1] + t[2], t[1] + t[3], t[1] + t[2] + t[3] + t[4]
  if math.abs(odds - 1) < 1e-12 then return row * column / n end
  local k = odds - 1
  local b = n + k * (row + column)
  local root = math.sqrt(b * b - 4 * odds * k * row * column)
  -- The form without cancellation; b > 0 always.
  return 2 * odds * row * column / (b + root)
end

--- Are the odds ratios of the tables the same? Breslow and Day's test, with Tarone's correction.
---@param tables number[][]
---@return wayproof.Statistic  statistic, p (Breslow-Day), tarone, tarone_p, df, odds_ratio (common)
---Source: Breslow & Day 1980, section 4.4; Tarone 1985.
function strata.breslow_day(tables)
  local where = "breslow_day"
  local used = informative(tables, where)
  local common = strata.mantel_haenszel(tables)
  local out = { strata = #used, left_out = #tables - #used, odds_ratio = common.estimate }
  if #used < 2 or not common.estimate then
    out.undefined = #used < 2 and "fewer than two tables" or common.undefined
    return base.result(where, out)
  end
  local statistic, distance, total = 0, 0, 0
  for _, t in ipairs(used) do
    local row, column, n = t[1] + t[2], t[1] + t[3], t[1] + t[2] + t[3] + t[4]
    local e = expected_cell(t, common.estimate)
    local variance = 1 / (1 / e + 1 / (row - e) + 1 / (column - e) + 1 / (n - row - column + e))
    statistic = statistic + (t[1] - e) ^ 2 / variance
    distance, total = distance + t[1] - e, total + variance
  end
  out.df = #used - 1
  out.statistic, out.tarone = statistic, math.max(0, statistic - distance ^ 2 / total)
  out.p = core.chi_square_upper(out.statistic, out.df)
  out.tarone_p = core.chi_square_upper(out.tarone, out.df)
  return base.result(where, out)
end

-- Inverse-variance mean of y with between-group variance tau2: mean, its se, sums of weights.
local function pooled(y, v, tau2)
  local sum, weighted, squares = 0, 0, 0
  for i = 1, #y do
    local w = 1 / (v[i] + tau2)
    sum, weighted, squares = sum + w, weighted + w * y[i], squares + w * w
  end
  return weighted / sum, 1 / math.sqrt(sum), sum, squares
end

local function dersimonian_laird(q, k, sum, squares)
  return math.max(0, (q - (k - 1)) / (sum - squares / sum))
end

-- Slope of the restricted log-likelihood in tau2.
local function reml_score(y, v, tau2)
  local mean, _, sum, squares = pooled(y, v, tau2)
  local fit = 0
  for i = 1, #y do
    local w = 1 / (v[i] + tau2)
    fit = fit + w * w * (y[i] - mean) ^ 2
  end
  return fit - sum + squares / sum
end

-- The root of the score by bisection from a bracket that surely holds it: never diverges.
local function reml(y, v)
  if reml_score(y, v, 0) <= 0 then return 0.0 end
  local low, high = 0, 1e-8
  while reml_score(y, v, high) > 0 and high < 1e300 do low, high = high, high * 4 end
  for _ = 1, 200 do
    local middle = low + (high - low) / 2
    if middle == low or middle == high then break end
    if reml_score(y, v, middle) > 0 then low = middle else high = middle end
  end
  return low
end

--- Do several estimates of one effect agree? Cochran's Q, I2 and tau2, with the fixed and the
--- random-effects mean.
---@param estimates number[]  on a scale where they are roughly normal: log odds ratios
---@param se number[]  their standard errors, above 0
---@param options? { level: number, method: string }  tau2 by "dl" (DerSimonian-Laird, default) or
---  "reml"
---@return wayproof.Statistic  q, df, p, i2 (share, 0..1), i2_tau (from tau2, as metafor prints it),
---  tau2, fixed and random (each estimate, se, low, high, p); estimate, se, low, high are random's
---Source: Cochran 1954; DerSimonian & Laird 1986; Higgins & Thompson 2002; Viechtbauer 2005.
function strata.heterogeneity(estimates, se, options)
  local where = "heterogeneity"
  options = check.options(options, { "level", "method" }, where)
  local z, level = base.critical(options.level, where)
  local method = check.choice(options.method or "dl", { "dl", "reml" }, where .. ": method")
  local y = base.numbers(estimates, where .. ": estimates", 1)
  local errors = base.numbers(se, where .. ": se", 1)
  base.same_length(y, errors, "estimates", "se", where)
  local v, k = {}, #y
  for i = 1, k do
    if errors[i] <= 0 then
      check.fail("%s: se: number %d: %g (expected above 0)", where, i, errors[i])
    end
    v[i] = errors[i] ^ 2
  end
  local mean, mean_se, sum, squares = pooled(y, v, 0)
  local q = 0
  for i = 1, k do q = q + (y[i] - mean) ^ 2 / v[i] end
  local function summary(estimate, error)
    return {
      estimate = estimate, se = error, low = estimate - z * error, high = estimate + z * error,
      statistic = estimate / error, p = base.p_normal(estimate / error),
    }
  end
  local out = { k = k, df = k - 1, method = method, level = level, fixed = summary(mean, mean_se) }
  if k > 1 then
    out.q, out.statistic, out.p = q, q, core.chi_square_upper(q, k - 1)
    out.i2 = q > 0 and math.max(0, (q - (k - 1)) / q) or 0
    out.tau2 = method == "reml" and reml(y, v) or dersimonian_laird(q, k, sum, squares)
    out.i2_tau = out.tau2 / (out.tau2 + (k - 1) / (sum - squares / sum))
  end
  local random, random_se = pooled(y, v, out.tau2 or 0)
  out.random = summary(random, random_se)
  out.estimate, out.se, out.low, out.high = random, random_se, out.random.low, out.random.high
  return base.result(where, out)
end

return strata
