--- Times to an event, censored: Cox regression, Kaplan-Meier, log-rank, concordance.
---
--- `time` and `status` are arrays or vectors; status is 1 (true) where the event was seen and 0
--- where the time is censored. Formulas and references: doc/stats/survival.md.
local base = require "wayproof.stats.base"
local check = require "wayproof.check"
local core = require "wayproof.core"
local fit = require "wayproof.model.fit"
local object = require "wayproof.object"

local survival = {}

local function tail(statistic, df)
  if not statistic or df < 1 then return nil end
  return { statistic = statistic, df = df, p = core.stats.chi_square_upper(statistic, df) }
end

-- The test of proportional hazards, one row per fitted column and the global one.
local function proportional(raw, names)
  if not raw.zph_global then return nil end
  local zph = { columns = {} }
  for i, name in ipairs(names) do
    local row = tail(raw.zph_columns[i], 1)
    if row then
      row.name = name
      table.insert(zph.columns, row)
    end
  end
  zph.global = tail(raw.zph_global, raw.rank)
  return zph
end

--- Cox regression by partial likelihood.
---
--- Options: `ties` ("efron", the default, or "breslow"), `strata`, `clusters` (robust errors by
--- cluster, as R's coxph without small-sample factor), `robust`, `weights` (case weights),
--- `offset`, `zph` (adds the test of proportional hazards), `names`, `level` (0.95),
--- `max_iterations`.
--- Fields beyond those of every fit: `likelihood_ratio`, `score`, `wald` (each `statistic, df, p`),
--- `zph` (`global` and `columns`), and `ratio, ratio_low, ratio_high` on each coefficient.
---@return wayproof.Fit
function survival.cox(columns, time, status, options)
  options = check.options(options, { "ties", "strata", "clusters", "robust", "weights", "offset",
    "zph", "names", "level", "max_iterations" }, "cox")
  time = fit.vector(time, "cox: time")
  status = fit.vector(status, "cox: status", #time)
  columns = fit.columns(columns, "cox", #time)
  local names = fit.names(options.names, #columns, "cox")
  if options.ties then check.choice(options.ties, { "efron", "breslow" }, "cox: ties") end
  local raw = fit.call("cox", core.model.cox, columns, time, status, {
    ties = options.ties,
    strata = fit.optional(options.strata, "cox: strata", #time),
    clusters = fit.optional(options.clusters, "cox: clusters", #time),
    weights = fit.optional(options.weights, "cox: weights", #time),
    offset = fit.optional(options.offset, "cox: offset", #time),
    robust = options.robust, zph = options.zph, level = fit.level(options, "cox"),
    max_iterations = options.max_iterations and
      check.integer(options.max_iterations, "cox: max_iterations", 1, 100000),
  })
  fit.label(raw, names, false)
  for _, c in ipairs(raw.coefficients) do
    if c.estimate then c.ratio = math.exp(c.estimate) end
    if c.low then c.ratio_low, c.ratio_high = math.exp(c.low), math.exp(c.high) end
  end
  raw.family, raw.ties = "cox", options.ties or "efron"
  raw.likelihood_ratio = tail(2 * (raw.loglik - raw.null_loglik), raw.rank)
  raw.score, raw.wald = tail(raw.score, raw.rank), tail(raw.wald, raw.rank)
  raw.zph = proportional(raw, names)
  raw.zph_global, raw.zph_columns = nil, nil
  return fit.result(raw, "Cox regression")
end

local function curve_text(self)
  local function number(x) return x and string.format("%.6g", x) or "not reached" end
  local lines = { self.title }
  for _, curve in ipairs(self.groups or { self }) do
    lines[#lines + 1] = string.format("%s%s people, %s events, median %s (%s to %s)",
      curve.group and "group " .. tostring(curve.group) .. ": " or "", curve.n, curve.deaths,
      number(curve.median.estimate), number(curve.median.low), number(curve.median.high))
  end
  lines[#lines + 1] = "more: km:at(time), km.time, km.survival, km.low, km.high"
  return table.concat(lines, "\n")
end

local Curve = object.class { name = "wayproof.Curve", render = curve_text }

-- The last step at or before a time; 0 before the first.
local function step_at(times, at)
  local low, high = 0, #times
  while low < high do
    local middle = (low + high + 1) // 2
    if times[middle] <= at then low = middle else high = middle - 1 end
  end
  return low
end

--- Survival at a time: `estimate, low, high, at_risk`. nil past the last time unless it fell to 0.
function Curve.methods:at(at)
  check.number(at, "at: time")
  if self.groups then
    check.fail("at: curves by group (expected one curve: km.groups[i]:at(time))")
  end
  local step, last = step_at(self.time, at), #self.time
  if step == 0 then return { estimate = 1.0, low = 1.0, high = 1.0, at_risk = self.n } end
  if step == last and at > self.time[last] and self.survival[last] > 0 then return nil end
  return { estimate = self.survival[step], low = self.low[step], high = self.high[step],
    at_risk = self.at_risk[step] }
end

local function one_curve(time, status, weights, options, group)
  local raw = fit.call("kaplan_meier", core.model.curve, time, status, weights,
    fit.level(options, "kaplan_meier"), options.interval == "log-log")
  raw.title, raw.group = "Kaplan-Meier", group
  return Curve.new(raw)
end

--- Kaplan-Meier curve, or one per group.
---
--- Options: `groups` (a number per row), `weights` (case weights), `interval` ("log", R's default,
--- or "log-log"), `level` (0.95). Fields: vectors `time, at_risk, events, censored, survival, se,
--- low, high` with one place per distinct time; `median` (`estimate, low, high`), `n`, `deaths`;
--- method `:at(time)`. With `groups` these are in `groups[i]`, ascending, each with `group`.
---@return table curve
function survival.kaplan_meier(time, status, options)
  options = check.options(options, { "groups", "weights", "interval", "level" }, "kaplan_meier")
  time = fit.vector(time, "kaplan_meier: time")
  status = fit.vector(status, "kaplan_meier: status", #time)
  local weights = fit.optional(options.weights, "kaplan_meier: weights", #time)
  if options.interval then
    check.choice(options.interval, { "log", "log-log" }, "kaplan_meier: interval")
  end
  if not options.groups then return one_curve(time, status, weights, options) end
  local groups = fit.vector(options.groups, "kaplan_meier: groups", #time)
  local curves = {}
  local levels = groups:distinct()
  for i = 1, #levels do
    local mask = groups:equals(levels[i])
    curves[i] = one_curve(time:select(mask), status:select(mask),
      weights and weights:select(mask), options, levels[i])
  end
  return Curve.new { title = "Kaplan-Meier by group", groups = curves }
end

--- Log-rank test that survival is the same in all groups.
---
--- `group` and `strata` hold a number per row; options: `rho` (0; 1 is Peto and Peto's test),
--- `weights`.
---@return table test  `statistic, df, p`, and `groups` (list of `group, n, observed, expected`)
function survival.log_rank(time, status, group, strata, options)
  if type(strata) == "table" and options == nil and #strata == 0 and next(strata) ~= nil then
    strata, options = nil, strata
  end
  options = check.options(options, { "rho", "weights" }, "log_rank")
  time = fit.vector(time, "log_rank: time")
  status = fit.vector(status, "log_rank: status", #time)
  group = fit.vector(group, "log_rank: group", #time)
  local rho = options.rho and check.number(options.rho, "log_rank: rho", 0, 100) or 0
  local raw = fit.call("log_rank", core.model.log_rank, time, status, group,
    fit.optional(strata, "log_rank: strata", #time),
    fit.optional(options.weights, "log_rank: weights", #time), rho)
  return base.result("log-rank test", raw)
end

--- Harrell's C: of the pairs whose earlier time is an event, the share in which the earlier one has
--- the higher score (ties in score count half). 0.5 is no order, 1 the perfect one.
---
--- Options: `weights`, `method` ("harrell", or "uno": pairs weighted by the inverse squared
--- probability of being uncensored), `level` (0.95).
---@return table result  `estimate, se, low, high, concordant, discordant, tied_score, tied_time`
function survival.concordance(score, time, status, options)
  options = check.options(options, { "weights", "method", "level" }, "concordance")
  score = fit.vector(score, "concordance: score")
  time = fit.vector(time, "concordance: time", #score)
  status = fit.vector(status, "concordance: status", #score)
  local method = options.method or "harrell"
  check.choice(method, { "harrell", "uno" }, "concordance: method")
  local raw = fit.call("concordance", core.model.concordance, score, time, status,
    fit.optional(options.weights, "concordance: weights", #score), method == "uno")
  if raw.estimate and raw.se then
    local z = base.critical(options.level, "concordance")
    raw.low = math.max(0, raw.estimate - z * raw.se)
    raw.high = math.min(1, raw.estimate + z * raw.se)
  end
  raw.method = method
  return base.result("concordance", raw)
end

return survival
