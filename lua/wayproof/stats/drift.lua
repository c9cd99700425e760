--- Has something moved? Population stability and the two-sided CUSUM.
---
--- Formulas: doc/stats/drift.md.
local base = require "wayproof.stats.base"
local check = require "wayproof.check"
local core = require("wayproof.core").stats

local drift = {}

-- Counts or shares of one side, checked: list, sum, whether they are shares.
local function side(list, name)
  local values, sum = base.numbers(list, "psi: " .. name, 2), 0
  for i = 1, #values do
    sum = sum + check.number(values[i], string.format("psi: %s: bin %d", name, i), 0)
  end
  if sum <= 0 then check.fail("psi: %s: all bins are empty", name) end
  return values, sum, math.abs(sum - 1) < 1e-6
end

local function shares(values, sum, half)
  local out = {}
  for i = 1, #values do out[i] = (values[i] + half) / (sum + half * #values) end
  return out
end

--- Population stability index of two distributions over the same bins.
---
---     stats.psi({ 100, 200, 400, 200, 100 }, { 150, 250, 300, 200, 100 })
---@param expected number[]  counts per bin (or shares that add up to 1)
---@param actual number[]  the same bins
---@param options? { n: number, m: number, level: number }  n, m: users behind `expected` and
---  `actual` where shares were given; level of `critical`, default 0.95
---@return wayproof.Statistic  estimate; and where the numbers of users are known: critical (what no
---  drift exceeds in 5 % of cases), p, alarm (estimate above both 0.10 and the 99 % point). With an
---  empty bin 1/2 is added to each count (`corrected`)
---Source: PSI = sum((a - e) ln(a / e)); under no drift PSI ~ (1/n + 1/m) chi-square(bins - 1).
function drift.psi(expected, actual, options)
  options = check.options(options, { "n", "m", "level" }, "psi")
  local _, level = base.critical(options.level, "psi")
  local e, sum_e, share_e = side(expected, "expected")
  local a, sum_a, share_a = side(actual, "actual")
  base.same_length(e, a, "expected", "actual", "psi")
  local n = options.n or (not share_e and sum_e) or nil
  local m = options.m or (not share_a and sum_a) or nil
  local out = { bins = #e, df = #e - 1, level = level, n = n, m = m, corrected = false }
  for i = 1, #e do out.corrected = out.corrected or e[i] == 0 or a[i] == 0 end
  if out.corrected and not (n and m) then
    out.undefined = "a bin is empty (give counts, or n and m)"
    return base.result("psi", out)
  end
  local half = out.corrected and 0.5 or 0
  e = shares(e, sum_e, half * sum_e / (n or sum_e))
  a = shares(a, sum_a, half * sum_a / (m or sum_a))
  out.estimate = 0.0
  for i = 1, #e do out.estimate = out.estimate + (a[i] - e[i]) * math.log(a[i] / e[i]) end
  if n and m then
    local scale = 1 / n + 1 / m
    out.critical = scale * core.chi_square_quantile(level, out.df)
    out.p = core.chi_square_upper(out.estimate / scale, out.df)
    out.alarm = out.estimate > math.max(0.10, scale * core.chi_square_quantile(0.99, out.df))
  end
  return base.result("psi", out)
end

--- Page's two-sided CUSUM: notices a lasting shift of the mean.
---@param x number[]|wayproof.Vector  one number per period, in order
---@param options { target: number, k: number, h: number, sd: number }  target: the mean in control;
---  k: slack (default 0.5), h: decision limit (default 5), both in units of sd (default 1)
---@return wayproof.Statistic  upper and lower (the two sums, lists), alarm (first period beyond h,
---  or nil), side ("up" or "down"), onset (first period of the run that raised the alarm)
---Source: Page 1954; k = 0.5 and h = 5 give a false alarm every 465 periods.
function drift.cusum(x, options)
  options = check.options(options, { "target", "k", "h", "sd" }, "cusum")
  local values = base.numbers(x, "cusum: x", 0)
  local target = check.number(options.target or 0, "cusum: target")
  local k = check.number(options.k or 0.5, "cusum: k", 0)
  local h = check.number(options.h or 5, "cusum: h", 0)
  local sd = check.number(options.sd or 1, "cusum: sd", 0)
  if sd <= 0 then check.fail("cusum: sd: %g (expected above 0)", sd) end
  local out = { upper = {}, lower = {}, target = target, k = k, h = h, sd = sd, n = #values }
  local up, down, up_start, down_start = 0.0, 0.0, 1, 1
  for i = 1, #values do
    local z = (values[i] - target) / sd
    if up == 0 then up_start = i end
    if down == 0 then down_start = i end
    up, down = math.max(0.0, up + z - k), math.max(0.0, down - z - k)
    out.upper[i], out.lower[i] = up, down
    if not out.alarm and (up > h or down > h) then
      out.alarm, out.side = i, up > h and "up" or "down"
      out.onset = up > h and up_start or down_start
    end
  end
  return base.result("cusum", out)
end

return drift
