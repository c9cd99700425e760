--- Statistics, usable on their own: `local stats = require "wayproof.stats"`.
---
--- Works on plain Lua arrays and on vectors. Each function returns a table with named fields
--- (`estimate, se, low, high, statistic, df, p` where they apply), missing is nil, and a wrong call
--- raises. Fits (`logistic`, `cox`, …) live in wayproof.model, which is loaded on first use.
local check = require "wayproof.check"
local core = require("wayproof.core").stats

local stats = {}

local parts = {
  require "wayproof.stats.proportion", require "wayproof.stats.rank",
  require "wayproof.stats.strata", require "wayproof.stats.dose", require "wayproof.stats.many",
  require "wayproof.stats.drift", (require "wayproof.stats.power"),
}
for _, part in ipairs(parts) do
  for name, call in pairs(part) do stats[name] = call end
end
for _, name in ipairs { "wilson_interval", "hybrid_interval", "independence" } do
  stats[name] = nil -- shared inside the room only
end

local distributions = {
  normal_cdf = { "z" }, normal_upper = { "z" }, normal_quantile = { "p" },
  chi_square_lower = { "x", "df" }, chi_square_upper = { "x", "df" },
  chi_square_quantile = { "p", "df" }, t_upper = { "t", "df" }, t_quantile = { "p", "df" },
  f_upper = { "f", "df1", "df2" }, gamma_lower = { "a", "x" }, gamma_upper = { "a", "x" },
  beta_lower = { "x", "a", "b" }, beta_upper = { "x", "a", "b" }, beta_quantile = { "p", "a", "b" },
}

for name, parameters in pairs(distributions) do
  local call = core[name]
  stats[name] = function(...)
    for i, parameter in ipairs(parameters) do
      local value = select(i, ...)
      if type(value) ~= "number" then
        check.fail("%s: %s: %s (expected a number)", name, parameter, check.describe(value))
      end
    end
    return call(...)
  end
end

-- Fits and resampling, loaded when one of them is first asked for.
local models = {
  "logistic", "likelihood_ratio", "poisson", "linear", "cox", "kaplan_meier", "log_rank",
  "concordance", "bootstrap", "permutation", "auc_bootstrap", "score_permutation", "multinomial",
  "cells",
}
local is_model = {}
for _, name in ipairs(models) do is_model[name] = true end

local function load_models()
  for name, call in pairs(require "wayproof.model") do
    if rawget(stats, name) == nil then stats[name] = call end
  end
end

return setmetatable(stats, {
  __index = function(_, name)
    if not is_model[name] then return nil end
    load_models()
    return rawget(stats, name)
  end,
})
