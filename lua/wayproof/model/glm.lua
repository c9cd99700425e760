--- Logistic and Poisson regression, likelihood-ratio tests, cells.
---
--- Formulas and references: doc/stats/regression.md. Every fit accepts weights that stand for equal
--- rows: a fit of grouped cells equals the fit of the rows.
local base = require "wayproof.stats.base"
local check = require "wayproof.check"
local core = require "wayproof.core"
local fit = require "wayproof.model.fit"

local glm = {}

local allowed = { "weights", "offset", "clusters", "robust", "intercept", "names", "start", "level",
  "max_iterations", "fitted" }

-- Estimates of an earlier fit, as the core wants them: intercept first.
local function start_values(start, columns, what)
  if start == nil then return nil end
  local values, n = {}, #columns + 1
  if fit.is(start) then
    local shift = start.coefficients[1] and start.coefficients[1].name == "intercept" and 0 or 1
    for i, c in ipairs(start.coefficients) do values[i + shift] = c.estimate end
  else
    check.type(start, "table", what .. ": start", "a fit or a list of estimates")
    for i = 1, n do values[i] = start[i] end
  end
  return core.vector.new(values, n)
end

local function regression(what, family, columns, y, options)
  y = fit.vector(y, what .. ": y")
  columns = fit.columns(columns, what, #y)
  local intercept = options.intercept ~= false
  local names = fit.names(options.names, #columns, what)
  local raw = fit.call(what, core.model.glm, columns, y, {
    family = family,
    weights = fit.optional(options.weights, what .. ": weights", #y),
    offset = fit.optional(options.offset, what .. ": offset", #y),
    clusters = fit.optional(options.clusters, what .. ": clusters", #y),
    robust = options.robust, firth = options.firth, intercept = intercept,
    start = start_values(options.start, columns, what),
    level = fit.level(options, what),
    max_iterations = options.max_iterations and
      check.integer(options.max_iterations, what .. ": max_iterations", 1, 100000),
    fitted = options.fitted,
  })
  raw.family, raw.firth = family, options.firth and true or nil
  return fit.label(raw, names, intercept)
end

---@class wayproof.Fit
---@field coefficients wayproof.Coefficient[]  the intercept first where there is one
---@field covariance (number|nil)[][]  of the coefficients, in their order; nil where not estimated
---@field loglik number  maximum of the log-likelihood; its limit when separated
---@field null_loglik number  of the intercept (and offset) alone
---@field deviance number
---@field rank integer  coefficients fitted
---@field n number  sum of weights of the rows used
---@field events number  sum of weights times y
---@field missing integer  rows left out because a number was missing
---@field iterations integer
---@field converged boolean
---@field separated boolean  some columns tell the outcome without error: see `runaway`
---@field runaway string[]?  names of the terms without a finite estimate
---@field collinear string[]?  names of columns that earlier columns add up to; not fitted
---@field constant string[]?  names of columns that never vary; not fitted

--- Logistic regression by maximum likelihood, or with Firth's penalty.
---
--- `columns` is a list of arrays or vectors, `y` is 0/1 (true/false; or a share with weights as
--- trials). Options: `weights` (case weights), `offset`, `clusters` (robust errors by cluster, t
--- law with clusters - 1), `robust` (HC1), `firth`, `intercept` (true), `names`, `start` (an
--- earlier fit), `level` (0.95), `max_iterations`, `fitted` (adds the vector `fitted` of
--- probabilities).
--- A separated or constant column has no estimate; `note` on the coefficient says why.
---@return wayproof.Fit
function glm.logistic(columns, y, options)
  options = check.options(options, { "firth", table.unpack(allowed) }, "logistic")
  local raw = regression("logistic", "logistic", columns, y, options)
  return fit.result(raw, options.firth and "logistic regression (Firth)" or "logistic regression")
end

--- Poisson regression with log link; options as `logistic`, without `firth`. Use `robust = true` or
--- `clusters` for counts that vary more than a Poisson law: `dispersion` (Pearson's X²/df) above 1.
---@return wayproof.Fit
function glm.poisson(columns, y, options)
  options = check.options(options, allowed, "poisson")
  return fit.result(regression("poisson", "poisson", columns, y, options), "Poisson regression")
end

local function check_nested(small, large)
  for i, model in ipairs { small or false, large or false } do
    local what = "likelihood_ratio: argument " .. i
    if not fit.is(model) or not model.loglik then
      check.fail("%s: %s (expected a fit)", what, check.describe(model))
    end
    if model.firth then check.fail("%s: a Firth fit (expected maximum likelihood)", what) end
  end
  if small.family ~= large.family then
    check.fail("likelihood_ratio: a %s and a %s fit (expected the same model)", small.family,
      large.family)
  end
  if small.n ~= large.n or small.missing ~= large.missing then
    check.fail("likelihood_ratio: fits of %s and %s rows (expected the same rows)", small.n,
      large.n)
  end
  if large.rank < small.rank then
    check.fail("likelihood_ratio: %d and %d coefficients (expected the smaller fit first)",
      small.rank, large.rank)
  end
end

--- Likelihood-ratio test of nested fits of the same rows: statistic 2(ℓ₁ - ℓ₀), chi-square law
--- with df = difference of fitted coefficients. With separated fits the statistic is its limit.
---@return table test  `statistic, df, p`; p is nil when nothing was added (df 0)
function glm.likelihood_ratio(small, large)
  check_nested(small, large)
  local df = large.rank - small.rank
  local statistic = math.max(0, 2 * (large.loglik - small.loglik))
  local p
  if df > 0 then p = core.stats.chi_square_upper(statistic, df) end
  return base.result("likelihood-ratio test", { statistic = statistic, df = df, p = p })
end

--- Distinct tuples of some columns in canonical order (ascending by the exact value of the first
--- column, then the second, …; missing first), with the weight of each.
---
--- Options: `weights` (one per row without), `index` (true adds the cell of every row).
---@return table cells  `columns` (list of vectors), `weights`, `count`, `index`
function glm.cells(columns, options)
  options = check.options(options, { "weights", "index" }, "cells")
  columns = fit.columns(columns, "cells")
  if #columns == 0 then check.fail("cells: no columns (expected at least one)") end
  local n = #columns[1]
  for i = 2, #columns do fit.vector(columns[i], "cells: column " .. i, n) end
  local weights = fit.optional(options.weights, "cells: weights", n)
  local lists, totals, index =
    fit.call("cells", core.model.cells, columns, weights, options.index and true or false)
  return { columns = lists, weights = totals, count = #totals, index = index }
end

return glm
