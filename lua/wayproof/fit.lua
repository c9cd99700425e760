--- Model fits for the judge: one shape for all outcomes.
--
-- fit.run(case, columns) fits the case's outcome on vectors: binary by logistic regression, numeric
-- by Poisson regression with robust errors (effects are mean ratios, whatever the distribution),
-- time by Cox (Efron). Effects are on the log scale; column 0 is the intercept. With clusters,
-- errors are cluster-robust and tests use Student's t with clusters - 1 degrees of freedom.
-- A fit without an answer is {ok = false, failed = "separated" | "collinear" | "constant" |
-- "not_converged"}; nothing is ever guessed. Cost: that of the fit in C.
local core = require "wayproof.core"
local stats = require "wayproof.stats"

local fit = {}

local Fit = {}
Fit.__index = Fit

function Fit:beta(k) return self.estimates[k + self.first] end
function Fit:intercept() return self.first == 1 and self.estimates[1] or 0 end
function Fit:cov(i, j) return self.covariance[i + self.first][j + self.first] end

--- Standard error for normal intervals of the right width: with clusters, stretched to Student's t.
function Fit:se(k) return math.sqrt(self:cov(k, k)) * self.widen end

--- Two-sided p of column k (Wald).
function Fit:p(k)
  local z = math.abs(self:beta(k)) / math.sqrt(self:cov(k, k))
  if self.df then return math.min(1, 2 * stats.t_upper(z, self.df)) end
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

local function describe(raw, count, first, firth)
  if raw.separated and not firth then
    local out = failed "separated"
    out.first, out.notes = first, {}
    for i, coefficient in ipairs(raw.coefficients) do out.notes[i] = coefficient.note or false end
    return out
  end
  local self = { ok = true, count = count, first = first, estimates = {},
    covariance = raw.covariance, loglik = raw.loglik, null_loglik = raw.null_loglik, df = raw.df,
    clusters = raw.clusters }
  -- With few clusters, intervals are as wide as Student's t makes them (see Fit:se).
  self.widen = raw.df and stats.t_quantile(0.975, raw.df) / stats.normal_quantile(0.975) or 1
  for i, coefficient in ipairs(raw.coefficients) do
    local note = coefficient.note
    if note and not (firth and note == "separated") then return failed(note) end
    if not coefficient.estimate then return failed "not_converged" end
    self.estimates[i] = coefficient.estimate
  end
  if raw.converged == false then return failed "not_converged" end
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

--- Fits the outcome of `case` on `columns`.
---@param case table {kind, y | time, status, cluster}
---@param columns wayproof.Vector[]
---@param options? {firth: boolean, independent: boolean, like: table} `firth`: Firth's penalty,
---  finite estimates also when separated; `independent`: the columns are known to vary and to be
---  independent, so nobody looks; `like`: an earlier fit to much the same columns, to start from
---@return table fit
function fit.run(case, columns, options)
  options = options or {}
  local cluster = case.cluster
  if cluster and cluster:min() == cluster:max() then cluster = nil end
  if case.kind == "time" then
    if #columns == 0 then return failed "constant" end
    local raw = core.model.cox(columns, case.time, case.status,
      { clusters = cluster, ties = "efron" })
    return describe(raw, #columns, 0)
  end
  local numeric = case.kind == "numeric"
  local raw = core.model.glm(columns, case.y, { family = numeric and "poisson" or "logistic",
    robust = numeric or nil, clusters = cluster, firth = options.firth,
    independent = options.independent, start = start_like(options.like, columns) })
  local out = describe(raw, #columns, 1, options.firth)
  out.columns = columns
  return out
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
