--- Many tests, hidden causes, and how many users are needed.
---
--- Formulas: doc/stats/multiplicity.md, doc/stats/sensitivity.md, doc/stats/power.md.
local base = require "wayproof.stats.base"
local check = require "wayproof.check"

local many = {}

-- Each rule gives the factor of the p-value of rank i (1 = smallest) among m; running says how
-- monotonicity is kept: from the smallest up (step-down) or from the largest down (step-up).
local rules = {
  bonferroni = { factor = function(_, m) return m end },
  holm = { factor = function(i, m) return m - i + 1 end, running = "up" },
  hochberg = { factor = function(i, m) return m - i + 1 end, running = "down" },
  bh = { factor = function(i, m) return m / i end, running = "down" },
  by = { factor = function(i, m, harmonic) return harmonic * m / i end, running = "down" },
}

--- Adjusts p-values for their number.
---
---     stats.adjust({ 0.01, 0.04, 0.03 }, "holm")   --> 0.03, 0.06, 0.06
---@param p number[]  p-values; their order is kept
---@param method? string  "bonferroni" "holm" "hochberg" "bh" (default) "by"
---@param options? { n: integer }  n: tests in the family when more than the ones given
---@return wayproof.Statistic  a list of adjusted p-values, with method and n
---Source: Holm 1979; Hochberg 1988; Benjamini & Hochberg 1995; Benjamini & Yekutieli 2001.
function many.adjust(p, method, options)
  options = check.options(options, { "n" }, "adjust")
  method = check.choice(method or "bh", { "bonferroni", "holm", "hochberg", "bh", "by" },
    "adjust: method")
  local values = base.numbers(p, "adjust: p", 0)
  local m = check.integer(options.n or #values, "adjust: n", #values)
  local order, harmonic = {}, 0
  for i = 1, #values do
    check.number(values[i], string.format("adjust: p: number %d", i), 0, 1)
    order[i] = i
  end
  for i = 1, m do harmonic = harmonic + 1 / i end
  table.sort(order, function(a, b)
    if values[a] ~= values[b] then return values[a] < values[b] end
    return a < b
  end)
  local out, rule = { method = method, n = m }, rules[method]
  local first, last, step = 1, #values, 1
  if rule.running == "down" then first, last, step = #values, 1, -1 end
  local bound = rule.running == "down" and 1.0 or 0.0
  for i = first, last, step do
    local adjusted = math.min(1.0, rule.factor(i, m, harmonic) * values[order[i]])
    if rule.running == "up" then adjusted = math.max(bound, adjusted) end
    if rule.running == "down" then adjusted = math.min(bound, adjusted) end
    bound = adjusted
    out[order[i]] = adjusted
  end
  return base.result("adjust", out)
end

-- Risk-ratio scale of an estimate (VanderWeele & Ding 2017, table 2).
local to_ratio = {
  RR = function(x) return x end,
  OR = function(x, rare) return rare and x or math.sqrt(x) end,
  HR = function(x, rare)
    if rare then return x end
    return (1 - 0.5 ^ math.sqrt(x)) / (1 - 0.5 ^ math.sqrt(1 / x))
  end,
}

local function e_of_ratio(ratio)
  if ratio < 1 then ratio = 1 / ratio end
  return ratio + math.sqrt(ratio * (ratio - 1))
end

--- How strong a hidden cause of both metric and outcome must be (as a risk ratio with each) to
--- explain an effect away.
---@param estimate number  a ratio above 0
---@param low? number  its confidence limits; both or neither
---@param high? number
---@param options? { measure: string, rare: boolean }  measure: "RR" (default) "OR" "HR"; rare: the
---  outcome happens to fewer than 15 %, so OR and HR are read as risk ratios
---@return wayproof.Statistic  estimate, limit (of the confidence limit nearest 1; 1 when the
---  interval holds 1), ratio
---Source: VanderWeele & Ding 2017.
function many.e_value(estimate, low, high, options)
  local where = "e_value"
  options = check.options(options, { "measure", "rare" }, where)
  local convert = to_ratio[check.choice(options.measure or "RR", { "RR", "OR", "HR" },
    where .. ": measure")]
  local function ratio_of(x, what)
    check.number(x, where .. ": " .. what, 0)
    if x <= 0 then check.fail("%s: %s: %g (expected above 0)", where, what, x) end
    return convert(x, options.rare)
  end
  local out = { measure = options.measure or "RR", rare = options.rare or false }
  out.ratio = ratio_of(estimate, "estimate")
  out.estimate = e_of_ratio(out.ratio)
  if low ~= nil or high ~= nil then
    local ratio_low, ratio_high = ratio_of(low, "low"), ratio_of(high, "high")
    if not (ratio_low <= out.ratio and out.ratio <= ratio_high) then
      check.fail("%s: %g is not within %g to %g (expected low <= estimate <= high)", where,
        estimate, low, high)
    end
    if ratio_low <= 1 and ratio_high >= 1 then
      out.limit = 1.0
    else
      out.limit = e_of_ratio(out.ratio > 1 and ratio_low or ratio_high)
    end
  end
  return base.result(where, out)
end

return many
