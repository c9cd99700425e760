--- Differences in outcome rates between people who are otherwise alike.
---
--- `effect.difference` is least squares of a 0/1 outcome on a 0/1 signal and the baseline columns:
--- the coefficient is the difference in rates among equals. Its variance is the larger of the
--- robust one (HC1) and the binomial one under no difference, since the robust one vanishes when a
--- small group has no outcome at all. Activity is a noisy measure of keenness, so each difference
--- is also corrected as if activity told only 40 % of it (noise.lua). `effect.model` fits a
--- logistic model, `effect.chances` scores others.
--- Cost: O(rows x columns^2) per effect; nothing loops over people in Lua.
local core = require "wayproof.core"
local noise = require "wayproof.noise"
local scale = require "wayproof.scale"
local stats = require "wayproof.stats"

local effect = {}

effect.reliability = 0.4   -- share of keenness that activity is taken to tell at least
effect.users_least = 20    -- people with and without the signal, each
effect.expected_least = 5  -- outcomes expected, and missed, among people with the signal
local knot_levels = { 0.05, 0.35, 0.65, 0.95 }

effect.tidy = require "wayproof.tidy"

local function knots_of(v)
  local at, knots = v:quantiles(knot_levels), {}
  for i = 1, #knot_levels do
    if at[i] and (#knots == 0 or at[i] > knots[#knots]) then knots[#knots + 1] = at[i] end
  end
  return knots
end

--- A column and its curvature: standardised, with a restricted cubic spline where there is room for
--- one.
---@param list wayproof.Vector[]  columns are appended
---@param keep? fun(column: wayproof.Vector): any  what of a column is kept in the list
function effect.add_curve(list, v, keep)
  local z = #v > 0 and scale.standardise(v)
  if not z then return end
  local knots = knots_of(z)
  list[#list + 1] = keep and keep(z) or z
  if #knots < 3 then return end
  for _, column in ipairs(core.vector.spline(z, knots)) do
    list[#list + 1] = keep and keep(column) or column
  end
  effect.tidy(#v)
end

function effect.add(list, v, keep)
  local z = #v > 0 and scale.standardise(v)
  if z then list[#list + 1] = keep and keep(z) or z end
  effect.tidy(#v)
end

local function residual(v, columns)
  if #columns == 0 then return v - v:mean() end
  return v:residual(columns)
end

-- Whether the difference keeps its sign, and is certain, when activity tells only 40 % of keenness.
local function survives(y, x, activity, variance)
  if not activity.z then return true end
  local yr, xr, zr = residual(y, activity.others), residual(x, activity.others),
    residual(activity.z, activity.others)
  local xx, zz, xz = xr:dot(xr), zr:dot(zr), xr:dot(zr)
  local determinant = xx * zz - xz * xz
  if zz <= 1e-9 * #y then return true end
  if determinant <= 1e-9 * xx * zz then return false end
  local xy, zy = xr:dot(yr), zr:dot(yr)
  local fit = { beta_x = (zz * xy - xz * zy) / determinant,
    beta_z = (xx * zy - xz * xy) / determinant, v_xx = variance * zz / determinant,
    v_xz = -variance * xz / determinant, v_zz = variance * xx / determinant,
    s_x = math.sqrt(xx / #y), s_z = math.sqrt(zz / #y), r = xz / math.sqrt(xx * zz) }
  local corrected = noise.corrected(fit, effect.reliability)
  if not corrected or corrected.beta * fit.beta_x <= 0 then return false end
  return math.abs(corrected.beta) > stats.normal_quantile(0.975) * corrected.se
end

local function robust_squares(own, rest, difference)
  local scores = own * (rest - own * difference)
  return scores:dot(scores)
end

-- The chance of an outcome as the baseline has it, kept within 0 and 1: how many are expected among
-- those with the signal, and the variance p (1 - p) of everybody.
local function expectation(y, x, rest)
  local chance = (y - rest):maximum(0):minimum(1)
  return chance:dot(x), chance * (1 - chance)
end

-- The difference, its standard error and the mean variance of outcomes; nil when too few are alike.
-- Vectors of everybody are let go of before more is made.
local function compare(y, x, columns, activity)
  local n, users = #y, x:sum()
  local rest = activity and activity.y == y and activity.rest or residual(y, columns)
  if activity then activity.y, activity.rest = y, rest end -- many signals share their baseline
  local expected, variance = expectation(y, x, rest)
  if expected < effect.expected_least or users - expected < effect.expected_least then
    return nil
  end
  effect.tidy(n)
  local own = residual(x, columns)
  local squares = own:dot(own)
  if squares <= 1e-9 * users then return nil end -- the columns tell who has the signal
  local difference = own:dot(rest) / squares
  if math.abs(difference) > 1 then return nil end -- no rates differ so: too few are alike
  local binomial, mean_variance = (own * own):dot(variance), variance:mean()
  variance = nil -- luacheck: ignore 311 (collected before more is made)
  effect.tidy(n)
  local robust = robust_squares(own, rest, difference) * n / math.max(1, n - #columns - 2)
  return difference, math.sqrt(math.max(robust, binomial)) / squares, mean_variance
end

--- The difference in the rate of `y` between people with the signal `x` and equals without it.
---@param y wayproof.Vector  0/1
---@param x wayproof.Vector  0/1
---@param columns wayproof.Vector[]  what people must be equal in
---@param activity? { z: wayproof.Vector, others: wayproof.Vector[] }  the measure of activity, and
---   the columns that are none
---@return table|nil effect  users, rate_with, rate_without, difference, low, high, p, holds (p
---   below 0.05, and still there if activity is a poor measure); nil: too few people or outcomes,
---   or too few who are alike
function effect.difference(y, x, columns, activity)
  local n, users = #y, x:sum()
  if users < effect.users_least or n - users < effect.users_least then return nil end
  local difference, se, variance = compare(y, x, columns, activity)
  effect.tidy(n)
  if not difference then return nil end
  local hits, z = y:dot(x), stats.normal_quantile(0.975)
  local p = se > 0 and math.min(1, 2 * stats.normal_upper(math.abs(difference) / se)) or 1.0
  return {
    users = math.tointeger(users) or users,
    rate_with = hits / users, rate_without = (y:sum() - hits) / (n - users),
    difference = difference, low = math.max(-1, difference - z * se),
    high = math.min(1, difference + z * se), se = se,
    p = p, holds = p < 0.05 and (not activity or survives(y, x, activity, variance)),
  }
end

--- A logistic model of chances; the share of outcomes where a model has no answer.
---@param y wayproof.Vector  0/1 of those to learn from
---@param columns wayproof.Vector[]  of the same people
---@return table|nil model  for `effect.chances`; nil when nobody is there to learn from
function effect.model(y, columns)
  if #y == 0 then return nil end
  local hits = y:sum()
  local constant = { share = y:mean(), modelled = false }
  -- About ten outcomes (and as many misses) for every column keep a model from learning noise.
  local most = math.floor(math.min(hits, #y - hits) / 10)
  if most < 1 or #columns == 0 then return constant end
  local chosen = table.move(columns, 1, math.min(#columns, most), 1, {})
  local fit = core.model.glm(chosen, y, { family = "logistic", firth = true })
  if fit.converged == false or not fit.coefficients[1].estimate then return constant end
  local model = { modelled = true, intercept = fit.coefficients[1].estimate, places = {},
    factors = {} }
  for i = 1, #chosen do
    local coefficient = fit.coefficients[i + 1]
    if coefficient.estimate then
      model.places[#model.places + 1] = i
      model.factors[#model.factors + 1] = coefficient.estimate
    end
  end
  return model
end

--- What a model says about people whose columns are like those that it was learned on.
---@param model table  of `effect.model`
---@param columns wayproof.Vector[]
---@param count integer  people
---@return wayproof.Vector chances
function effect.chances(model, columns, count)
  if not model.modelled then return core.vector.full(count, model.share) end
  local score = core.vector.full(count, model.intercept)
  if #model.places > 0 then
    local chosen = {}
    for i, place in ipairs(model.places) do chosen[i] = columns[place] end
    score = core.vector.combine(chosen, model.factors, model.intercept)
  end
  effect.tidy(count)
  return 1 / (1 + (-score):exp())
end

--- Exact (chi-square) limits of a Poisson count.
---@return number low, number high
function effect.poisson_limits(count)
  local low = count > 0 and stats.chi_square_quantile(0.025, 2 * count) / 2 or 0.0
  return low, stats.chi_square_quantile(0.975, 2 * count + 2) / 2
end

return effect
