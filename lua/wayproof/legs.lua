--- What the one effect of a numeric or time-to-event outcome is made of.
--
-- Numeric: does the metric go with having any of the outcome (logistic), and with how much those
-- who have some have (log-linear, robust errors)? And how much more does the outcome vary than a
-- Poisson count? Time: the log-rank test of users with more against fewer (did against did not, or
-- above the median), and the test that the hazard ratio stays the same over time.
-- Reports only; no row of the decision table reads them. Cost: two fits each.
local case_of = require "wayproof.case"
local fit = require "wayproof.fit"
local stats = require "wayproof.stats"

local legs = {}

legs.proportional_p = 0.01

local function with(columns, x)
  local out = { table.unpack(columns) }
  out[#out + 1] = x
  return out
end

local function effect(model)
  local k = model.count
  return { beta = model:beta(k), se = model:se(k), p = model:p(k) }
end

-- exp of a log-linear coefficient is a ratio of (geometric) means.
local function amount(case, columns)
  local some = case.y:above(0)
  if some:sum() < 20 then return nil end
  local part = {}
  for _, v in ipairs(columns) do
    local chosen = v:select(some)
    if chosen:min() ~= chosen:max() then part[#part + 1] = chosen end
  end
  local x = case.x:select(some)
  if x:min() == x:max() then return nil end
  part[#part + 1] = x
  local model = stats.linear(part, case.y:select(some):log(), { robust = true,
    clusters = case.cluster and case.cluster:select(some) or nil })
  local coefficient = model.coefficients[#part + 1]
  if not coefficient.estimate or not coefficient.se then return nil end
  return { beta = coefficient.estimate, se = coefficient.se, p = coefficient.p }
end

local function numeric(case, found)
  local columns = case.base.columns
  local any = case_of.new { kind = "binary", y = case.y:above(0), cluster = case.cluster }
  local model = fit.run(any, with(columns, case.x), { few = true })
  local out = { any = model.ok and effect(model) or nil, amount = amount(case, columns) }
  local fitted = found.model
  local eta = case.x * fitted:beta(fitted.count) + fitted:intercept()
  if found.score then eta = eta + found.score end
  local mean = eta:exp()
  local pearson = (case.y - mean) * (case.y - mean) / mean
  out.dispersion = pearson:sum() / (#case.y - fitted.count - 1)
  return out
end

local function time(case)
  local group = case.x
  if not case.scaled.binary then group = case.m:above(case.m:quantiles({ 0.5 })[1]) end
  local out = {}
  if group:min() ~= group:max() then
    local test = stats.log_rank(case.time, case.status, group)
    out.log_rank = { statistic = test.statistic, df = test.df, p = test.p,
      groups = case.scaled.binary and "did against did not" or "above the median against the rest" }
  end
  local model = stats.cox(with(case.base.columns, case.x), case.time, case.status, { zph = true })
  local rows = model.zph and model.zph.columns or {}
  local mine = rows[#rows]
  if mine then
    out.proportional = { statistic = mine.statistic, p = mine.p,
      holds = mine.p >= legs.proportional_p }
  end
  return out
end

--- The legs of an effect, or nil for binary outcomes and where there is no effect.
---@return table? numeric: {any, amount (beta, se, p), dispersion}; time: {log_rank, proportional}
function legs.of(case, found)
  if not found.adjusted then return nil end
  if case.kind == "numeric" then return numeric(case, found) end
  if case.kind == "time" then return time(case) end
  return nil
end

return legs
