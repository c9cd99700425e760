--- Least squares with classic or robust errors. Formulas: doc/stats/regression.md.
local check = require "wayproof.check"
local core = require "wayproof.core"
local fit = require "wayproof.model.fit"

local linear = {}

--- Least squares of `y` on `columns` (a list of arrays or vectors).
---
--- Options: `weights` (case weights: a weight of 3 is three equal rows), `offset`, `clusters`
--- (errors by cluster, t law with clusters - 1), `robust` (HC1), `intercept` (true), `names`,
--- `level` (0.95), `residuals` (adds the vector `residuals`).
--- Fields beyond those of every fit: `sigma`, `r2`, `df_residual`, `df` (of the t law).
---@return wayproof.Fit
function linear.linear(columns, y, options)
  options = check.options(options, { "weights", "offset", "clusters", "robust", "intercept",
    "names", "level", "residuals" }, "linear")
  y = fit.vector(y, "linear: y")
  columns = fit.columns(columns, "linear", #y)
  local intercept = options.intercept ~= false
  local names = fit.names(options.names, #columns, "linear")
  local raw = fit.call("linear", core.model.linear, columns, y, {
    weights = fit.optional(options.weights, "linear: weights", #y),
    offset = fit.optional(options.offset, "linear: offset", #y),
    clusters = fit.optional(options.clusters, "linear: clusters", #y),
    robust = options.robust, intercept = intercept, residuals = options.residuals,
    level = fit.level(options, "linear"),
  })
  raw.family, raw.converged, raw.separated, raw.iterations = "linear", true, false, 1
  return fit.result(fit.label(raw, names, intercept), "linear regression")
end

return linear
