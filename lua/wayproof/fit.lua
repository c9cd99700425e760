--- Model fits for the judge: one shape for all outcomes.
--
-- fit.run(case, columns) fits the case's outcome on vectors: binary by logistic regression, numeric
-- by Poisson regression with robust errors (effects are mean ratios, whatever the distribution),
-- time by Cox (Efron). Effects are on the log scale; column 0 is the intercept. With clusters,
-- errors are cluster-robust and tests use Student's t with clusters - 1 degrees of freedom.
-- Robust errors without clusters come from each user's influence, corrected for leverage (HC2), and
-- tests use Student's t with the degrees of freedom that the influences say their variance has:
-- where a few users make up most of it, there are few.
-- A fit without an answer is {ok = false, failed = "separated" | "collinear" | "constant" |
-- "not_converged"}; nothing is ever guessed. Cost: that of the fit in C.
local core = require "wayproof.core"
local stats = require "wayproof.stats"

local fit = {}

fit.few = 25 -- events for each term below which Firth's penalty takes the bias out
fit.penalty_steps = 2 -- from the ordinary estimates; what is left is below 0.002 standard errors
fit.leverage_least = 0.005 -- terms per user below which leverages are too small to be looked at

local Fit = {}
Fit.__index = Fit

function Fit:beta(k) return self.estimates[k + self.first] end
function Fit:intercept() return self.first == 1 and self.estimates[1] or 0 end

-- Row k of the inverse information times every user's columns.
function Fit:along(k)
  local row = self.covariance[k + self.first]
  local factors = {}
  for i = 1, self.count do factors[i] = row[i + 1] end
  return core.vector.combine(self.columns, factors, row[1])
end

-- Residuals divided so that their squares are right on average: by sqrt(1 - leverage).
local function residuals_of(self, y, mean)
  local residual = y - mean
  if self.count + 1 < fit.leverage_least * #y then return residual end
  local leverage = self:along(0)
  for k = 1, self.count do leverage = leverage + self:along(k) * self.columns[k] end
  local left = 1 - leverage * mean
  local none = left:at_most(1e-8) -- users who decide a column of their own: residual 0
  return residual / (left * (1 - none) + none):sqrt()
end

-- What the users' influences on column k say: the variance of the estimate, and its degrees of
-- freedom as Satterthwaite's: a sum of squares whose own variance is the sum of fourth powers less
-- the mean part; normal influences give as many as there are users.
local function spread_of(self, k)
  local robust = self.robust
  if not robust[k] then
    local n = #robust.residual
    local variance, fourths =
      core.model.influences(self.columns, robust.residual, self.covariance[k + 1])
    local spread, most = fourths - variance ^ 2 / n, math.max(1, n - self.count - 1)
    robust[k] = { variance = variance,
      df = spread <= 0 and most or math.min(most, 2 * variance ^ 2 / spread) }
  end
  return robust[k]
end

--- Covariance of the estimates of columns i and j.
function Fit:cov(i, j)
  if not self.robust then
    return self.covariance[i + self.first][j + self.first] * self.inflation
  elseif i == j then
    return spread_of(self, i).variance
  end
  return (core.model.influences(self.columns, self.robust.residual, self.covariance[i + 1],
    self.covariance[j + 1]))
end

-- Degrees of freedom of the variance of column k, or nil for the normal law.
function Fit:df(k)
  if not self.robust then return self.clusters_df end
  return spread_of(self, k).df
end

--- Lets go of what every user adds; only the spread of column k stays known.
function Fit:settle(k)
  if self.robust then self.robust = { [k] = spread_of(self, k) } end
end

--- By how much normal intervals of column k must be stretched to be as wide as Student's t's.
function Fit:stretch(k)
  local df = self:df(k)
  return df and stats.t_quantile(0.975, df) / stats.normal_quantile(0.975) or 1
end

--- Standard error for normal intervals of the right width: stretched to Student's t.
function Fit:se(k) return math.sqrt(self:cov(k, k)) * self:stretch(k) end

--- Two-sided p of column k (Wald).
function Fit:p(k)
  local z, df = math.abs(self:beta(k)) / math.sqrt(self:cov(k, k)), self:df(k)
  if df then return math.min(1, 2 * stats.t_upper(z, df)) end
  return math.min(1, 2 * stats.normal_upper(z))
end

--- Linear predictor of the first #columns columns, without the intercept; nil for no columns.
function Fit:score(columns)
  if #columns == 0 then return nil end
  local factors = {}
  for i = 1, #columns do factors[i] = self:beta(i) end
  return core.vector.combine(columns, factors)
end

local function failed(reason)
  return setmetatable({ ok = false, failed = reason }, Fit)
end

local function describe(raw, count, first, firth, steps)
  if raw.separated and not firth then
    local out = failed "separated"
    out.first, out.notes = first, {}
    for i, coefficient in ipairs(raw.coefficients) do out.notes[i] = coefficient.note or false end
    return out
  end
  local self = { ok = true, count = count, first = first, estimates = {}, inflation = 1,
    covariance = raw.covariance, loglik = raw.loglik, null_loglik = raw.null_loglik,
    clusters_df = raw.df, clusters = raw.clusters }
  for i, coefficient in ipairs(raw.coefficients) do
    local note = coefficient.note
    if note and not (firth and note == "separated") then return failed(note) end
    if not coefficient.estimate then return failed "not_converged" end
    self.estimates[i] = coefficient.estimate
  end
  if raw.converged == false and not steps then return failed "not_converged" end
  return setmetatable(self, Fit)
end

-- Where to start: the estimates that an earlier fit has for the same columns.
local function start_like(model, columns)
  if not model or not model.ok or model.first ~= 1 then return nil end
  local place, start = {}, { model.estimates[1] }
  for i, v in ipairs(model.columns) do place[v] = i end
  for i, v in ipairs(columns) do start[i + 1] = place[v] and model:beta(place[v]) or 0 end
  return start
end

local function cluster_of(case)
  local cluster = case.cluster
  if cluster and cluster:min() == cluster:max() then return nil end
  return cluster
end

-- Cox regression takes its errors from the information, which knows nothing of the terms that were
-- fitted: as in least squares, events less terms is what is left to learn from.
local function cox(case, columns, cluster)
  local raw = core.model.cox(columns, case.time, case.status,
    { clusters = cluster, ties = "efron" })
  local out, events = describe(raw, #columns, 0), case.status:sum()
  if not cluster and events > #columns then out.inflation = events / (events - #columns) end
  return out
end

local function poisson(case, columns, cluster, options)
  local raw = core.model.glm(columns, case.y, { family = "poisson", clusters = cluster,
    independent = options.independent, start = start_like(options.like, columns),
    rough = options.rough, fitted = not cluster })
  local out = describe(raw, #columns, 1)
  out.columns = columns
  if out.ok and not cluster then
    out.robust = { residual = residuals_of(out, case.y, raw.fitted) } -- and spreads by column
  end
  return out
end

local function logistic(case, columns, cluster, options)
  local raw = core.model.glm(columns, case.y, { clusters = cluster, firth = options.firth,
    max_iterations = options.steps, independent = options.independent, rough = options.rough,
    start = start_like(options.like, columns) })
  local out = describe(raw, #columns, 1, options.firth, options.steps)
  out.columns = columns
  return out
end

--- The same fit with Firth's penalty where events are few for the terms (logistic estimates lean
--- away from zero there); any other fit as it is.
---@param model table an ordinary fit (fit.run)
---@return table fit
function fit.unbiased(model, case)
  if case.kind ~= "binary" or not model.ok then return model end
  local events = case.y:sum()
  local fewer = math.min(events, #case.y - events)
  if fewer >= fit.few * (model.count + 1) then return model end
  local out = logistic(case, model.columns, cluster_of(case),
    { firth = true, like = model, steps = fit.penalty_steps })
  return out.ok and out or model
end

--- Fits the outcome of `case` on `columns`.
---@param case table {kind, y | time, status, cluster}
---@param columns wayproof.Vector[]
---@param options? {firth: boolean, few: boolean, independent: boolean, like: table, rough: boolean}
---  `rough`: estimates to a thousandth of their errors are good enough; `firth`:
---  Firth's penalty, finite estimates also when separated; `few`: fit.unbiased, where nothing is
---  separated; `independent`: the columns are known to vary and to be independent, so nobody looks;
---  `like`: an earlier fit to much the same columns, to start from
---@return table fit
function fit.run(case, columns, options)
  options = options or {}
  local cluster = cluster_of(case)
  if case.kind == "time" then
    if #columns == 0 then return failed "constant" end
    return cox(case, columns, cluster)
  end
  if case.kind == "numeric" then return poisson(case, columns, cluster, options) end
  local out = logistic(case, columns, cluster, options)
  return options.few and fit.unbiased(out, case) or out
end

--- Test of the last column of `full` against `reduced`: likelihood ratio for binary and time
--- without clusters, Wald otherwise (a robust likelihood ratio does not exist).
---@return table? {statistic, df, p, loglik0, loglik1, total, base, method}
function fit.nested(reduced, full, case)
  if not full.ok then return nil end
  if case.kind == "numeric" or case.cluster then
    local k = full.count
    return { statistic = full:beta(k) ^ 2 / full:cov(k, k), df = 1, p = full:p(k), method = "wald" }
  end
  local chi2 = math.max(0, 2 * (full.loglik - reduced.loglik))
  local out = { statistic = chi2, df = 1, p = stats.chi_square_upper(chi2, 1),
    loglik0 = reduced.loglik, loglik1 = full.loglik, method = "likelihood_ratio" }
  if full.null_loglik then
    out.total = 2 * (full.loglik - full.null_loglik)
    out.base = 2 * (reduced.loglik - full.null_loglik)
  end
  return out
end

return fit
