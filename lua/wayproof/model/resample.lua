--- Bootstrap and permutation. Every resample has a random stream of its own, made of the seed and
--- its number: the same seed gives the same bits for any number of threads.
--- See doc/stats/resampling.md.
local base = require "wayproof.stats.base"
local check = require "wayproof.check"
local core = require "wayproof.core"
local fit = require "wayproof.model.fit"

local resample = {}

local function counts_of(options, what, by_default)
  local resamples = check.integer(options.resamples or by_default, what .. ": resamples", 1, 1e7)
  return resamples, check.integer(options.seed or 1, what .. ": seed")
end

local function statistic_of(statistic, places, what)
  local value = statistic(places)
  if type(value) == "boolean" then value = value and 1 or 0 end
  if value ~= nil and type(value) ~= "number" then
    check.fail("%s: statistic: returned %s (expected a number or nil)", what, check.describe(value))
  end
  return value
end

local function identity(n)
  local places = {}
  for i = 1, n do places[i] = i end
  return places
end

-- Percentile interval and standard error of replicates; those that are missing are left out.
local function summary(replicates, estimate, level)
  local kept = replicates:count()
  local fields = { estimate = estimate, replicates = replicates, failed = #replicates - kept }
  if kept > 0 then
    local limits = replicates:quantiles { (1 - level) / 2, (1 + level) / 2 }
    fields.low, fields.high, fields.se = limits[1], limits[2], replicates:sd()
    if estimate then fields.bias = replicates:mean() - estimate end
  end
  return fields
end

-- Replicates of a Lua statistic as a vector.
local function replicate(n, statistic, resamples, seed, permute, what)
  local values = {}
  for i = 1, resamples do
    values[i] = statistic_of(statistic, core.model.places(n, seed, i - 1, permute), what)
  end
  return core.vector.new(values, resamples)
end

local function check_call(n, statistic, what)
  check.integer(n, what .. ": n", 1, 2147483646)
  if type(statistic) ~= "function" then
    check.fail("%s: statistic: %s (expected a function of a list of places)", what,
      check.describe(statistic))
  end
end

--- Bootstrap of any statistic of `n` rows.
---
--- `statistic(places)` gets a list of `n` places 1..n, drawn with replacement, and returns a number
--- (or nil where it cannot be computed; those are left out and counted in `failed`). Options:
--- `resamples` (1999), `seed` (1), `level` (0.95). Percentile interval by the type 7 quantile;
--- `replicates` is a vector in the order of drawing.
---@return table result  `estimate, se, low, high, bias, failed, resamples, seed, replicates`
function resample.bootstrap(n, statistic, options)
  options = check.options(options, { "resamples", "seed", "level" }, "bootstrap")
  check_call(n, statistic, "bootstrap")
  local resamples, seed = counts_of(options, "bootstrap", 1999)
  local level = fit.level(options, "bootstrap")
  local estimate = statistic_of(statistic, identity(n), "bootstrap")
  local replicates = replicate(n, statistic, resamples, seed, false, "bootstrap")
  local fields = summary(replicates, estimate, level)
  fields.resamples, fields.seed = resamples, seed
  return base.result("bootstrap", fields)
end

-- (b + 1) / (B + 1) on each side (Phipson & Smyth 2010); two-sided twice the smaller one. Equal up
-- to rounding counts as equal.
local function tails(replicates, observed, alternative)
  local kept = replicates:count()
  local slack = 1e-12 * math.max(math.abs(observed), 1e-300)
  local high = (replicates:at_least(observed - slack):sum() + 1) / (kept + 1)
  local low = (replicates:at_most(observed + slack):sum() + 1) / (kept + 1)
  if alternative == "greater" then return high end
  if alternative == "less" then return low end
  return math.min(1, 2 * math.min(low, high))
end

local sides = { "two-sided", "greater", "less" }

--- Permutation test of any statistic of `n` rows.
---
--- `statistic(places)` gets a list of the places 1..n in random order (as they are, once): use it
--- to shuffle one side of the comparison. p counts the observed order among the permutations,
--- (b + 1) / (B + 1); two-sided it is twice the smaller tail. Options: `resamples` (999), `seed`
--- (1), `alternative` ("two-sided", "greater", "less").
---@return table result  `statistic, p, mean, sd, resamples, seed, replicates`
function resample.permutation(n, statistic, options)
  options = check.options(options, { "resamples", "seed", "alternative" }, "permutation")
  check_call(n, statistic, "permutation")
  local alternative = check.choice(options.alternative or "two-sided", sides,
    "permutation: alternative")
  local resamples, seed = counts_of(options, "permutation", 999)
  local observed = statistic_of(statistic, identity(n), "permutation")
  local replicates = replicate(n, statistic, resamples, seed, true, "permutation")
  return base.result("permutation test", {
    statistic = observed, estimate = observed,
    p = observed and tails(replicates, observed, alternative),
    mean = replicates:mean(), sd = replicates:sd(), failed = #replicates - replicates:count(),
    alternative = alternative, resamples = resamples, seed = seed, replicates = replicates,
  })
end

local function score_and_label(scores, labels, options, what)
  scores = fit.vector(scores, what .. ": scores")
  labels = fit.vector(labels, what .. ": labels", #scores)
  local weights = fit.optional(options.weights, what .. ": weights", #scores)
  return scores, labels, weights
end

--- Bootstrap of the AUC: users are drawn with replacement (or whole `clusters`).
---
--- Runs in the core on cells of the scores: fast for any number of rows. Options: `weights` (whole
--- case weights), `clusters`, `resamples` (1999), `seed` (1), `level` (0.95).
---@return table result  `estimate, se, low, high, bias, failed, resamples, seed, replicates`
function resample.auc_bootstrap(scores, labels, options)
  local what = "auc_bootstrap"
  options = check.options(options, { "weights", "clusters", "resamples", "seed", "level" }, what)
  local weights
  scores, labels, weights = score_and_label(scores, labels, options, what)
  local resamples, seed = counts_of(options, what, 1999)
  local replicates = fit.call(what, core.model.bootstrap_auc, scores, labels, weights,
    fit.optional(options.clusters, what .. ": clusters", #scores), resamples, seed)
  local known = (1 - scores:is_missing()) * (1 - labels:is_missing())
  local w = weights and weights:select(known)
  local y, ranks = labels:select(known), scores:select(known):ranks(w)
  local positives = (w and y * w or y):sum()
  local others = (w and w:sum() or #y) - positives
  local estimate
  if positives > 0 and others > 0 then
    local sum = ranks:dot(w and y * w or y)
    estimate = (sum - positives * (positives + 1) / 2) / (positives * others)
  end
  local fields = summary(replicates, estimate, fit.level(options, what))
  fields.resamples, fields.seed = resamples, seed
  return base.result("bootstrap of the AUC", fields)
end

--- Permutation test that scores and labels (0/1) are unrelated within strata: labels are shuffled
--- within each stratum, and the statistic is the sum of the scores of the positives.
---
--- Runs in the core on cells. Options: `strata` (a number per row; none: one stratum), `ranks`
--- (true: mid-ranks of all rows instead of scores, and `auc` in the result), `weights` (whole case
--- weights), `resamples` (999), `seed` (1), `alternative`. `z` uses the exact permutation moments.
---@return table result  `statistic, p, mean, sd, z, resamples, seed, replicates`, `auc` with ranks
function resample.score_permutation(scores, labels, options)
  local what = "score_permutation"
  options = check.options(options, { "strata", "ranks", "weights", "resamples", "seed",
    "alternative" }, what)
  local alternative = check.choice(options.alternative or "two-sided", sides,
    what .. ": alternative")
  local weights
  scores, labels, weights = score_and_label(scores, labels, options, what)
  local strata = fit.optional(options.strata, what .. ": strata", #scores)
  local resamples, seed = counts_of(options, what, 999)
  if options.ranks and strata then -- without strata the core ranks the rows it keeps
    local known = (1 - scores:is_missing()) * (1 - labels:is_missing())
    known = known * (1 - strata:is_missing())
    labels, scores, strata = labels:select(known), scores:select(known), strata:select(known)
    weights = weights and weights:select(known)
    scores = scores:ranks(weights)
  end
  local sums, observed, mean, variance, positives, cases = fit.call(what, core.model.permute_sum,
    scores, labels, weights, strata, resamples, seed, options.ranks and true or false)
  local sd = math.sqrt(variance)
  local fields = { statistic = observed, mean = mean, sd = sd, resamples = resamples, seed = seed,
    alternative = alternative, replicates = sums, p = tails(sums, observed, alternative),
    z = sd > 0 and (observed - mean) / sd or nil }
  if options.ranks then
    local others = cases - positives
    if positives > 0 and others > 0 then
      fields.auc = (observed - positives * (positives + 1) / 2) / (positives * others)
    end
  end
  return base.result("permutation within strata", fields)
end

--- Counts of one bootstrap sample of the cases that whole weights stand for: weights for a refit.
---@param stream integer  number of the resample, from 0
---@return wayproof.Vector
function resample.multinomial(weights, seed, stream)
  weights = fit.vector(weights, "multinomial: weights")
  return fit.call("multinomial", core.model.multinomial, weights,
    check.integer(seed, "multinomial: seed"), check.integer(stream, "multinomial: stream", 0))
end

return resample
