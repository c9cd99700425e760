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
local gram = require "wayproof.gram"
local noise = require "wayproof.noise"
local scale = require "wayproof.scale"
local stats = require "wayproof.stats"

local effect = {}

effect.reliability = 0.4   -- share of keenness that activity is taken to tell at least
effect.users_least = 20    -- people with and without the signal, each
effect.expected_least = 5  -- outcomes expected, and missed, among people with the signal
local knot_levels = { 0.05, 0.35, 0.65, 0.95 }

local function knots_of(v)
  local at, knots = v:quantiles(knot_levels), {}
  for i = 1, #knot_levels do
    if at[i] and (#knots == 0 or at[i] > knots[#knots]) then knots[#knots + 1] = at[i] end
  end
  return knots
end

-- Appends a column, and its curvature where there are knots for one.
local function append(list, z, knots)
  list[#list + 1] = z
  if #knots < 3 then return end
  for _, column in ipairs(core.vector.spline(z, knots)) do list[#list + 1] = column end
end

local function add(list, v, knots, keep, rest)
  local z = #v > 0 and scale.standardise(v)
  if not z then return end
  knots = knots and knots_of(z) or {}
  append(list, keep and z:select(keep) or z, knots)
  if rest then append(rest, z:select(1 - keep), knots) end
end

--- A column and its curvature: standardised, with a restricted cubic spline where there is room for
--- one. Scale and knots are those of everybody.
---@param list wayproof.Vector[]  columns are appended
---@param keep? wayproof.Vector  0/1: the rows that go into `list`
---@param rest? wayproof.Vector[]  takes the other rows
function effect.add_curve(list, v, keep, rest)
  add(list, v, true, keep, rest)
end

function effect.add(list, v, keep, rest)
  add(list, v, false, keep, rest)
end

-- Whether the difference keeps its sign, and is certain, when activity tells only 40 % of keenness.
-- `places` of the measure of activity and of the columns that are none.
local function survives(g, n, places, variance)
  if not places.z then return true end
  local y, x, z = g.count - 1, g.count, places.z
  local s_x, s_z, r = g:partial(x, z, places.others)
  if s_z * s_z <= 1e-9 then return true end
  local own = 1 - r * r
  if own <= 1e-9 then return false end
  local s_y, _, r_xy = g:partial(y, x, places.others)
  local r_zy = select(3, g:partial(y, z, places.others))
  local unit = variance / (n * own)
  local fit = { beta_x = (r_xy - r * r_zy) / own * s_y / s_x,
    beta_z = (r_zy - r * r_xy) / own * s_y / s_z, v_xx = unit / s_x ^ 2,
    v_xz = -unit * r / (s_x * s_z), v_zz = unit / s_z ^ 2, s_x = s_x, s_z = s_z, r = r }
  local corrected = noise.corrected(fit, effect.reliability)
  if not corrected or corrected.beta * fit.beta_x <= 0 then return false end
  return math.abs(corrected.beta) > stats.normal_quantile(0.975) * corrected.se
end

-- Products of all columns, with the outcome and the signal as the last two; what many signals share
-- is summed up once. Returns the Gram and the places of `survives`.
local function products(y, x, base, keep)
  local list, places = { table.unpack(base.columns) }, { columns = {}, others = {} }
  local place = {}
  for i, v in ipairs(list) do places.columns[i], place[v] = i, i end
  for i, v in ipairs(base.others or {}) do places.others[i] = place[v] end
  if base.z then
    list[#list + 1] = base.z
    places.z = #list
  end
  list[#list + 1] = y
  local known = base.known
  if not keep and known and (not known.gram or known.gram.y ~= y) then
    known.gram = gram.build { table.unpack(list) }
    known.gram.y = y
  end
  list[#list + 1] = x
  if keep then return gram.build_kept(list, keep), places end
  return gram.build(list, known and known.gram), places
end

-- Factors of all columns for column `i` less its fit on those at `places`.
local function left_of(g, i, places)
  local factors = {}
  for k = 1, g.count do factors[k] = k == i and 1 or 0 end
  for k, slope in ipairs(g:slopes(i, places)) do factors[places[k]] = -slope end
  return factors
end

-- The difference, its standard error and the mean variance of outcomes; nil when too few are alike.
local function compare(g, places, n, users)
  local y, x = g.count - 1, g.count
  local s_y, s_x, r = g:partial(y, x, places.columns)
  if s_x * s_x * n <= 1e-9 * users then return nil end -- the columns tell who has the signal
  local difference = r * s_y / s_x
  local sums = core.model.contrast(g.columns, g.mean, left_of(g, x, places.columns),
    left_of(g, y, places.columns), difference, g.keep)
  if sums.expected < effect.expected_least or users - sums.expected < effect.expected_least then
    return nil
  end
  if math.abs(difference) > 1 then return nil end -- no rates differ so: too few are alike
  local robust = sums.robust * n / math.max(1, n - #places.columns - 2)
  return difference, math.sqrt(math.max(robust, sums.binomial)) / sums.squares, sums.variance / n
end

--- The difference in the rate of `y` between people with the signal `x` and equals without it.
---@param y wayproof.Vector  0/1
---@param x wayproof.Vector  0/1
---@param base { columns: wayproof.Vector[], z: wayproof.Vector?, others: wayproof.Vector[]?,
---   known: table? }  what people must be equal in; the measure of activity, and the columns that
---   are none; a table in which calls that share columns leave what they have summed up
---@param keep? wayproof.Vector  0/1: only these people
---@return table|nil effect  users, rate_with, rate_without, difference, low, high, p, holds (p
---   below 0.05, and still there if activity is a poor measure); nil: too few people or outcomes,
---   or too few who are alike
function effect.difference(y, x, base, keep)
  local n, users = keep and keep:sum() or #y, keep and x:dot(keep) or x:sum()
  if users < effect.users_least or n - users < effect.users_least then return nil end
  local g, places = products(y, x, base, keep)
  local difference, se, variance = compare(g, places, n, users)
  if not difference then return nil end
  local kept_y = keep and y * keep or y
  local hits, z = kept_y:dot(x), stats.normal_quantile(0.975)
  local p = se > 0 and math.min(1, 2 * stats.normal_upper(math.abs(difference) / se)) or 1.0
  return {
    users = math.tointeger(users) or users,
    rate_with = hits / users, rate_without = (kept_y:sum() - hits) / (n - users),
    difference = difference, low = math.max(-1, difference - z * se),
    high = math.min(1, difference + z * se), se = se,
    p = p, holds = p < 0.05 and survives(g, n, places, variance),
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
  return 1 / (1 + (-score):exp())
end

--- Exact (chi-square) limits of a Poisson count.
---@return number low, number high
function effect.poisson_limits(count)
  local low = count > 0 and stats.chi_square_quantile(0.025, 2 * count) / 2 or 0.0
  return low, stats.chi_square_quantile(0.975, 2 * count + 2) / 2
end

return effect
