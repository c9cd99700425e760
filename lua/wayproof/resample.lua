--- Refuters that shuffle or resample users.
--
-- permutation: outcomes shuffled among users of the same volume decile (999 times, seeded, in C).
-- common_cause: a random column beside the metric must leave its effect alone.
-- subset: 80 % of the users, 100 times, through each user's influence on the effect. Leaving a
-- random fifth out moves an estimate by half a standard error; a bootstrap moves it by a whole
-- one, so half of the bootstrap's moves are used (influences: Hampel 1974).
-- Seeded; the same bits for any number of threads. Cost: O(resamples x users) with a small
-- constant, one fit for common_cause.
local core = require "wayproof.core"
local fit = require "wayproof.fit"
local model = require "wayproof.model"

local resample = {}

resample.permutations = 999
resample.subsets = 100
resample.shift_most = 0.10
resample.sign_least = 0.95

--- Is the metric related to the outcome among equally busy users?
function resample.permutation(case, found, settings)
  local out = { name = "permutation" }
  local volume = case.volume or case.base.z
  if case.kind ~= "binary" or not volume then return out end
  local test = model.score_permutation(case.x, case.y, { strata = volume:groups(10),
    resamples = resample.permutations, seed = settings.seed })
  out.p, out.z, out.resamples = test.p, test.z, test.resamples
  out.pass = test.p < settings.alpha and test.z ~= nil and test.z * found.adjusted.beta > 0
  return out
end

local function random_column(n, seed)
  return core.model.multinomial(core.vector.full(n, 1), seed, 0)
end

--- A random column in the model: by how much does the effect move?
function resample.common_cause(case, found, settings)
  local out = { name = "common_cause" }
  local columns = { table.unpack(case.base.columns) }
  columns[#columns + 1] = random_column(#case.x, settings.seed)
  columns[#columns + 1] = case.x
  local with_noise = fit.run(case, columns, { independent = true, like = found.model })
  if not with_noise.ok then return out end
  local moved = math.abs(with_noise:beta(#columns) - found.adjusted.beta)
  out.shift = moved / math.abs(found.adjusted.beta)
  out.pass = out.shift < resample.shift_most or moved < found.adjusted.se / 2
  return out
end

-- What every user adds to the metric's coefficient in the pooled model (sums to zero).
local function influences(case, found)
  local pooled = found.model
  local k = pooled.count
  local columns, betas, along = { table.unpack(case.base.columns) }, {}, {}
  columns[k] = case.x
  for i = 1, k do betas[i], along[i] = pooled:beta(i), pooled:cov(k, i) end
  local eta = core.vector.combine(columns, betas, pooled:intercept())
  local direction = core.vector.combine(columns, along, pooled:cov(k, 0))
  local mean = case.kind == "numeric" and eta:exp() or 1 / ((-eta):exp() + 1)
  eta = nil -- luacheck: ignore 311 (collected before more is made)
  return (case.y - mean) * direction
end

--- Does the sign survive leaving a random fifth of the users out?
function resample.subset(case, found, settings)
  local out = { name = "subset" }
  if case.kind ~= "binary" or case.cluster then return out end
  local influence = influences(case, found)
  local beta = found.adjusted.beta
  local moved = core.model.bootstrap_sums(influence, resample.subsets, settings.seed)
  local kept = ((moved / 2 + beta) * beta):above(0):sum()
  out.kept, out.resamples = kept / resample.subsets, resample.subsets
  out.pass = out.kept >= resample.sign_least
  return out
end

return resample
