--- Proportions and 2x2 tables: intervals, odds ratios, stratified tables, chi-square.
---
--- A 2x2 table is `{a, b, c, d}` with odds ratio a d / (b c): rows (a, b) and (c, d). Formulas and
--- edge cases: doc/stats/contingency.md.
local base = require "wayproof.stats.base"
local check = require "wayproof.check"
local core = require("wayproof.core").stats

local proportion = {}

local function check_part(k, n, where, name_k, name_n)
  base.count(k, where .. ": " .. name_k)
  base.count(n, where .. ": " .. name_n)
  if k > n then check.fail("%s: %s: %d (expected at most %s, %d)", where, name_k, k, name_n, n) end
end

--- Wilson's limits of k out of n > 0 with critical value z.
function proportion.wilson_interval(k, n, z)
  local p, zz = k / n, z * z
  local centre = (p + zz / (2 * n)) / (1 + zz / n)
  local half = z / (1 + zz / n) * math.sqrt(p * (1 - p) / n + zz / (4 * n * n))
  local low = k == 0 and 0.0 or math.max(0, centre - half)
  local high = k == n and 1.0 or math.min(1, centre + half)
  return low, high
end

--- Newcombe's hybrid score limits of k1/n1 - k0/n0.
function proportion.hybrid_interval(k1, n1, k0, n0, z)
  local p1, p0 = k1 / n1, k0 / n0
  local low1, high1 = proportion.wilson_interval(k1, n1, z)
  local low0, high0 = proportion.wilson_interval(k0, n0, z)
  local difference = p1 - p0
  return difference - math.sqrt((p1 - low1) ^ 2 + (high0 - p0) ^ 2),
    difference + math.sqrt((high1 - p1) ^ 2 + (p0 - low0) ^ 2)
end

--- Wilson score interval of a proportion.
---
---     stats.wilson(3, 20)   --> estimate 0.15, low 0.0524, high 0.3604
---@param k integer  successes
---@param n integer  trials
---@param level? number  0.95
---@return wayproof.Statistic  estimate, low, high (nil when n is 0), k, n
---Source: Wilson 1927; Brown, Cai & DasGupta 2001.
function proportion.wilson(k, n, level)
  check_part(k, n, "wilson", "k", "n")
  local z, used = base.critical(level, "wilson")
  local out = { k = k, n = n, level = used }
  if n > 0 then
    out.estimate = k / n
    out.low, out.high = proportion.wilson_interval(k, n, z)
  end
  return base.result("wilson", out)
end

--- Exact (Clopper-Pearson) interval of a proportion.
---@return wayproof.Statistic  estimate, low, high (nil when n is 0), k, n
---Source: Clopper & Pearson 1934: quantiles of Beta(k, n-k+1) and Beta(k+1, n-k).
function proportion.clopper_pearson(k, n, level)
  check_part(k, n, "clopper_pearson", "k", "n")
  local _, used = base.critical(level, "clopper_pearson")
  local out = { k = k, n = n, level = used }
  if n > 0 then
    local tail = (1 - used) / 2
    out.estimate = k / n
    out.low = k == 0 and 0.0 or core.beta_quantile(tail, k, n - k + 1)
    out.high = k == n and 1.0 or 1 - core.beta_quantile(tail, n - k, k + 1)
  end
  return base.result("clopper_pearson", out)
end

--- Difference of two proportions, k1/n1 - k2/n2.
---@param options? { level: number }
---@return wayproof.Statistic  estimate, low, high (Newcombe's hybrid score), wald_low, wald_high,
---  se, statistic (z, pooled), p, ratio, p1, p2
---Source: Newcombe 1998, method 10; test as R's prop.test without continuity correction.
function proportion.two_proportions(k1, n1, k2, n2, options)
  local where = "two_proportions"
  options = check.options(options, { "level" }, where)
  check_part(k1, n1, where, "k1", "n1")
  check_part(k2, n2, where, "k2", "n2")
  local z, level = base.critical(options.level, where)
  local out = { level = level, k1 = k1, n1 = n1, k2 = k2, n2 = n2 }
  if n1 == 0 or n2 == 0 then
    out.undefined = "a group is empty"
    return base.result(where, out)
  end
  local p1, p2, pooled = k1 / n1, k2 / n2, (k1 + k2) / (n1 + n2)
  out.p1, out.p2, out.estimate = p1, p2, p1 - p2
  if k2 > 0 then out.ratio = p1 / p2 end
  out.low, out.high = proportion.hybrid_interval(k1, n1, k2, n2, z)
  out.se = math.sqrt(p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2)
  out.wald_low, out.wald_high = out.estimate - z * out.se, out.estimate + z * out.se
  local null_se = math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
  if null_se > 0 then
    out.statistic = out.estimate / null_se
    out.p = base.p_normal(out.statistic)
  end
  return base.result(where, out)
end

local function check_cells(cells, where)
  local sum = 0
  for i = 1, 4 do
    check.number(cells[i], string.format("%s: cell %s", where, ("abcd"):sub(i, i)), 0)
    sum = sum + cells[i]
  end
  return sum
end

-- P(hypergeometric cell = x) for x = low .. high relative to its mode, by ratios of neighbours.
local function hypergeometric(a, b, c, d)
  local row, column, n = a + b, a + c, a + b + c + d
  local low, high = math.max(0, row + column - n), math.min(row, column)
  local mode = math.floor((row + 1) * (column + 1) / (n + 2))
  mode = math.max(low, math.min(high, mode))
  local weights, total, rest = { [mode] = 1.0 }, 1.0, n - row - column
  for x = mode, high - 1 do
    weights[x + 1] = weights[x] * ((row - x) * (column - x)) / ((x + 1) * (rest + x + 1))
    total = total + weights[x + 1]
  end
  for x = mode, low + 1, -1 do
    weights[x - 1] = weights[x] * (x * (rest + x)) / ((row - x + 1) * (column - x + 1))
    total = total + weights[x - 1]
  end
  return weights, total, low, high
end

-- Two-sided Fisher test: tables at most as likely as this one (R's rule, relative slack 1e-7).
local function fisher_p(a, b, c, d)
  local weights, total, low, high = hypergeometric(a, b, c, d)
  local limit, sum = weights[a] * (1 + 1e-7), 0
  for x = low, high do
    if weights[x] <= limit then sum = sum + weights[x] end
  end
  return math.min(1, sum / total)
end

--- Odds ratio a d / (b c) of the table (a, b; c, d), with Woolf's interval.
---@param options? { level: number }
---@return wayproof.Statistic  estimate, low, high, log_estimate, se (of the log), statistic, p
---  (Wald), chi_square, chi_square_p (Pearson, uncorrected), fisher_p (whole cells, at most 100,000
---  users), corrected (true when 1/2 was added to each cell because one was 0)
---Source: Woolf 1955; Haldane 1956 for a zero cell only.
function proportion.odds_ratio(a, b, c, d, options)
  local where = "odds_ratio"
  options = check.options(options, { "level" }, where)
  local z, level = base.critical(options.level, where)
  local n = check_cells({ a, b, c, d }, where)
  local out = { level = level, n = n }
  if a + b == 0 or c + d == 0 or a + c == 0 or b + d == 0 then
    out.undefined = "a row or a column of the table is empty"
    return base.result(where, out)
  end
  out.chi_square = n * (a * d - b * c) ^ 2 / ((a + b) * (c + d) * (a + c) * (b + d))
  out.chi_square_p = core.chi_square_upper(out.chi_square, 1)
  local ia, ib = math.tointeger(a), math.tointeger(b)
  local ic, id = math.tointeger(c), math.tointeger(d)
  if ia and ib and ic and id and n <= 100000 then out.fisher_p = fisher_p(ia, ib, ic, id) end
  out.corrected = a == 0 or b == 0 or c == 0 or d == 0
  if out.corrected then a, b, c, d = a + 0.5, b + 0.5, c + 0.5, d + 0.5 end
  out.estimate = a / b * (d / c)
  out.log_estimate = math.log(out.estimate)
  out.se = math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
  out.low, out.high = out.estimate * math.exp(-z * out.se), out.estimate * math.exp(z * out.se)
  out.statistic = out.log_estimate / out.se
  out.p = base.p_normal(out.statistic)
  return base.result(where, out)
end

--- Pearson's chi-square of observed against expected counts. `expected` may be shares that add up
--- to 1 or counts; without it a list is tested against equal shares and a list of rows (a table)
--- for independence.
---@param observed number[]|number[][]
---@param expected? number[]
---@param options? { df: integer }  df: default cells - 1
---@return wayproof.Statistic  statistic, df, p, n
---Source: Pearson 1900.
function proportion.chi_square(observed, expected, options)
  local where = "chi_square"
  options = check.options(options, { "df" }, where)
  if type(observed) == "table" and type(observed[1]) == "table" then
    if expected ~= nil then check.fail("%s: expected: a table of rows takes none", where) end
    return proportion.independence(observed, where)
  end
  observed = base.numbers(observed, where .. ": observed", 2)
  local n, total = 0, 0
  for i = 1, #observed do n = n + check.number(observed[i], where .. ": observed", 0) end
  if expected == nil then
    expected = {}
    for i = 1, #observed do expected[i] = 1 / #observed end
  end
  expected = base.numbers(expected, where .. ": expected", 2)
  base.same_length(observed, expected, "observed", "expected", where)
  for i = 1, #expected do total = total + check.number(expected[i], where .. ": expected", 0) end
  local scale = math.abs(total - 1) < 1e-9 and n / total or 1
  local out = { n = n, df = options.df or #observed - 1 }
  local statistic = 0
  for i = 1, #observed do
    local e = expected[i] * scale
    if e > 0 then statistic = statistic + (observed[i] - e) ^ 2 / e end
    if e == 0 and observed[i] > 0 then
      out.undefined = "something was observed where 0 is expected"
    end
  end
  if n == 0 then out.undefined = "nothing was observed" end
  if not out.undefined then
    out.statistic = statistic
    out.p = core.chi_square_upper(statistic, out.df)
  end
  return base.result(where, out)
end

--- Independence of the rows and columns of a table of counts; empty rows and columns are left out.
---@private
function proportion.independence(table_of_rows, where)
  local rows, columns, n = {}, {}, 0
  for i, row in ipairs(table_of_rows) do
    base.same_length(table_of_rows[1], row, "row 1", "row " .. i, where)
    rows[i] = 0
    for j = 1, #row do
      local count = check.number(row[j], string.format("%s: row %d", where, i), 0)
      rows[i], columns[j], n = rows[i] + count, (columns[j] or 0) + count, n + count
    end
  end
  local used_rows, used_columns, statistic = 0, 0, 0
  for _, sum in ipairs(rows) do used_rows = used_rows + (sum > 0 and 1 or 0) end
  for _, sum in ipairs(columns) do used_columns = used_columns + (sum > 0 and 1 or 0) end
  for i, row in ipairs(table_of_rows) do
    for j = 1, #row do
      local e = rows[i] * columns[j] / n
      if e > 0 then statistic = statistic + (row[j] - e) ^ 2 / e end
    end
  end
  local out = { n = n, df = (used_rows - 1) * (used_columns - 1) }
  if out.df < 1 then
    out.df, out.undefined = nil, "fewer than two rows or columns hold anything"
  else
    out.statistic, out.p = statistic, core.chi_square_upper(statistic, out.df)
  end
  return base.result(where, out)
end

return proportion
