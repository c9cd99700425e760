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

return proportion
