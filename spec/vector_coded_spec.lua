-- Vectors that hold codes, or curves, say what plain ones say. Oracle: the same numbers, a double
-- per row (vector_spec.lua checks those).
local core = require "wayproof.core"
local stats = require "wayproof.stats"
local wp = require "wayproof"

-- A column of whole numbers and what it holds, in a frame that knows how narrow it is.
local function pair(values, rows)
  local frame = wp.frame { v = values, row = (function()
    local list = {}
    for i = 1, rows do list[i] = i / 7 end
    return list
  end)() }
  local coded = frame:vector "v"
  return coded, coded:plain()
end

local function random_values(rows, largest, missing)
  local values = {}
  for i = 1, rows do
    local r = math.random()
    if r >= missing then values[i] = math.floor(largest * math.random() ^ 3) end
  end
  values[rows] = values[rows] or 1
  return values
end

local function same(expected, found, what)
  if expected == nil or found == nil then
    assert.equal(expected, found, what)
  elseif type(expected) == "number" then
    local size = math.max(1, math.abs(expected))
    assert.is_true(expected == found or math.abs(expected - found) <= 1e-12 * size,
      string.format("%s: %.17g against %.17g", what, expected, found))
  else
    assert.equal(#expected, #found, what)
    for i = 1, #expected do
      if expected[i] ~= found[i] then assert.equal(expected[i], found[i], what .. " row " .. i) end
    end
  end
end

local unary = { "log1p", "log", "exp", "sqrt", "abs", "floor", "is_missing", "ranks" }
local binary = { "minimum", "maximum", "above", "below", "at_least", "at_most", "equals", "fill" }
local figures = { "sum", "mean", "sd", "min", "max", "count" }
local arithmetic = {
  add = function(a, b) return a + b end, subtract = function(a, b) return a - b end,
  multiply = function(a, b) return a * b end, divide = function(a, b) return a / b end,
  power = function(a, b) return a ^ b end,
}

describe("vectors of codes", function()
  -- One byte, two bytes, too many different numbers, and pairs beyond what a table holds.
  for _, case in ipairs { { 300, 5, 0 }, { 300, 5, 0.2 }, { 5000, 900, 0.1 }, { 70000, 40, 0.05 },
    { 20000, 30000, 0 }, { 1, 1, 0 }, { 40000, 400, 0.01 } } do
    local rows, largest, missing = table.unpack(case)
    local name = string.format("%d rows below %d, %g missing", rows, largest, missing)

    it("map, measure and sort as plain ones do: " .. name, function()
      math.randomseed(rows, largest)
      local coded, plain = pair(random_values(rows, largest, missing), rows)
      local other, other_plain = pair(random_values(rows, 3 + largest // 2, missing), rows)
      same(plain, coded, "rows")
      for _, method in ipairs(unary) do
        same(plain[method](plain), coded[method](coded), method)
      end
      for _, method in ipairs(figures) do
        same(plain[method](plain), coded[method](coded), method)
        local mapped, mapped_plain = coded:log1p(), plain:log1p()
        same(mapped_plain[method](mapped_plain), mapped[method](mapped), "log1p " .. method)
      end
      for _, method in ipairs(binary) do
        same(plain[method](plain, 2), coded[method](coded, 2), method .. " 2")
        same(plain[method](plain, other_plain), coded[method](coded, other), method)
        same(plain[method](plain, other_plain), coded[method](coded, other_plain), method)
      end
      for what, f in pairs(arithmetic) do
        same(f(plain, 3), f(coded, 3), what .. " 3")
        same(f(3, plain), f(3, coded), "3 " .. what)
        same(f(plain, other_plain), f(coded, other), what)
        same(f(plain, other_plain), f(plain, other), what)
        same(f(plain, plain:log1p()), f(coded, coded:log1p()), what .. " of one's own")
      end
      same(plain:scaled(2, 3), coded:scaled(2, 3), "scaled")
      same(plain:bin { 1, 2, 7 }, coded:bin { 1, 2, 7 }, "bin")
      same(plain:groups(4), coded:groups(4), "groups")
      same(plain:order(), coded:order(), "order")
      same(plain:count(1), coded:count(1), "count 1")
      local at = { 0, 0.05, 0.35, 0.5, 0.95, 1 }
      same(plain:quantiles(at), coded:quantiles(at), "quantiles")
      local numbers, counts, lost = plain:distinct()
      local coded_numbers, coded_counts, coded_lost = coded:distinct()
      same(numbers, coded_numbers, "distinct")
      same(counts, coded_counts, "distinct counts")
      assert.equal(lost, coded_lost)
      assert.equal(plain:table()[rows], coded:table()[rows])
      for i, column in ipairs(plain:spline { 0, 1, 3, 9 }) do
        same(column, coded:spline({ 0, 1, 3, 9 })[i], "spline")
      end
    end)

    it("are chosen from, weighted and summed as plain ones are: " .. name, function()
      math.randomseed(rows, largest + 1)
      local coded, plain = pair(random_values(rows, largest, missing), rows)
      local mask = coded:above(1)
      same(plain:select(plain:above(1)), coded:select(mask), "select")
      same(plain:select(mask:plain()), coded:select(mask:plain()), "select plain")
      same(plain:select(mask), coded:select(mask), "plain select")
      local kept, kept_plain = coded:select(mask), plain:select(mask)
      same(kept_plain:mean(), kept:mean(), "mean of the selected")
      same((kept_plain:distinct()), (kept:distinct()), "distinct of the selected")
      same(kept_plain:quantiles { 0.5 }, kept:quantiles { 0.5 }, "median of the selected")
      same(plain:slice(2, -2), coded:slice(2, -2), "slice")
      same(plain:take { 1, rows, 1 }, coded:take { 1, rows, 1 }, "take")
      local weights = {}
      for i = 1, rows do weights[i] = i % 3 end
      for _, method in ipairs { "sum", "mean", "sd", "ranks", "distinct" } do
        same((plain[method](plain, weights)), (coded[method](coded, weights)), method)
      end
      same(plain:count(1, weights), coded:count(1, weights), "weighted count")
      same(plain:dot(plain), coded:dot(coded), "dot")
      same(plain:correlation(plain:log1p()), coded:correlation(coded:log1p()), "correlation")
      same(core.vector.combine({ plain, plain:log1p() }, { 2, 3 }, 1),
        core.vector.combine({ coded, coded:log1p() }, { 2, 3 }, 1), "combine")
      same(core.vector.concat { plain, plain }, core.vector.concat { coded, coded }, "concat")
    end)
  end

  it("and curves over vectors say what their numbers say", function()
    math.randomseed(8)
    local values = {}
    for i = 1, 9000 do values[i] = math.random() < 0.9 and math.random() * 10 or nil end
    local base = core.vector.new(values, 9000)
    local mask = base:above(5)
    for _, curve in ipairs(base:spline { 1, 2, 5, 7, 9 }) do
      local plain = curve:plain()
      same(plain, curve, "rows")
      for _, method in ipairs(figures) do
        same(plain[method](plain), curve[method](curve), method)
      end
      for _, method in ipairs(unary) do
        same(plain[method](plain), curve[method](curve), method)
      end
      same(plain + base, curve + base, "sum")
      same(plain * curve, curve * curve, "square")
      same(plain:scaled(1, 2), curve:scaled(1, 2), "scaled")
      same(plain:select(mask), curve:select(mask), "select")
      same(plain:slice(3, 80), curve:slice(3, 80), "slice")
      same(plain:take { 9000, 2 }, curve:take { 9000, 2 }, "take")
      same(plain:quantiles { 0, 0.3, 1 }, curve:quantiles { 0, 0.3, 1 }, "quantiles")
      same((plain:distinct()), (curve:distinct()), "distinct")
      same(plain:groups(5), curve:groups(5), "groups")
      same(plain:bin { 1, 2 }, curve:bin { 1, 2 }, "bin")
      same(core.vector.combine({ plain, base }, { 2, 3 }), core.vector.combine({ curve, base },
        { 2, 3 }), "combine")
      same(plain:spline({ 0, 1, 2 })[1], curve:spline({ 0, 1, 2 })[1], "curve of a curve")
      assert.equal(plain[17], curve[17])
      local y = base:above(4):fill(0)
      local fit_plain = core.model.glm({ base, plain }, y)
      local fit = core.model.glm({ base, curve }, y)
      assert.equal(fit_plain.coefficients[2].note, fit.coefficients[2].note)
      local noisy = {}
      for i = 1, 9000 do noisy[i] = math.random() < 1 / (1 + (values[i] or 3)) and 1 or 0 end
      for _, weights in ipairs { false, y + 1 } do
        local options = { weights = weights or nil }
        same(core.model.glm({ base, plain }, noisy, options).coefficients[3].estimate,
          core.model.glm({ base, curve }, noisy, options).coefficients[3].estimate, "fit")
      end
      same(core.model.cox({ plain }, base:fill(1) + 1, noisy).coefficients[1].estimate,
        core.model.cox({ curve }, base:fill(1) + 1, noisy).coefficients[1].estimate, "cox")
    end
  end)

  it("make the same fits, with the same bits for any number of threads", function()
    math.randomseed(5)
    local rows = 30000
    local a, a_plain = pair(random_values(rows, 12, 0), rows)
    local b, b_plain = pair(random_values(rows, 600, 0), rows)
    local y = {}
    for i = 1, rows do
      y[i] = math.random() < 1 / (1 + math.exp(1 - 0.2 * a[i] - 0.001 * b[i])) and 1 or 0
    end
    local function fit(columns, options) return core.model.glm(columns, y, options) end
    for _, options in ipairs { {}, { robust = true, family = "poisson" }, { firth = true } } do
      local plain = fit({ a_plain, b_plain:log1p() }, options)
      local coded = fit({ a, b:log1p() }, options)
      local before = wp.threads()
      wp.threads(1)
      local alone = fit({ a, b:log1p() }, options)
      wp.threads(before)
      for i = 1, 3 do
        same(plain.coefficients[i].estimate, coded.coefficients[i].estimate, "estimate")
        same(plain.coefficients[i].se, coded.coefficients[i].se, "error")
        assert.equal(alone.coefficients[i].estimate, coded.coefficients[i].estimate)
      end
    end
    local linear, linear_plain = core.model.linear({ a, b }, y), core.model.linear(
      { a_plain, b_plain }, y)
    same(linear_plain.coefficients[2].estimate, linear.coefficients[2].estimate, "linear")
    local time, status = {}, y
    for i = 1, rows do time[i] = 1 + (i * 7919) % 1000 + a[i] end
    local cox, cox_plain = core.model.cox({ a, b }, time, status), core.model.cox(
      { a_plain, b_plain }, time, status)
    same(cox_plain.coefficients[1].estimate, cox.coefficients[1].estimate, "cox")
  end)

  it("are what floors of many rows become", function()
    math.randomseed(7)
    for _, width in ipairs { 3, 200, 5000, 9000, 1e6 } do
      local values = {}
      for i = 1, 20000 do values[i] = (math.random() - 0.5) * width end
      values[7] = nil
      local v = core.vector.new(values, 20000)
      local floors = v:floor()
      for i = 1, #v do
        if floors[i] ~= (v[i] and v[i] // 1) then assert.equal(v[i] // 1, floors[i]) end
      end
      same(floors:plain():sum(), floors:sum(), "sum")
    end
  end)

  it("make the same permutations and rank correlations", function()
    math.randomseed(6)
    local rows = 20000
    for _, case in ipairs { { 9, 5, 0 }, { 700, 5, 0 }, { 15000, 5, 0 }, { 9, 5, 0.1 } } do
      local largest, levels, missing = table.unpack(case)
      local score, score_plain = pair(random_values(rows, largest, missing), rows)
      local strata, strata_plain = pair(random_values(rows, levels, missing), rows)
      local y = {}
      for i = 1, rows do y[i] = math.random() < 0.2 and 1 or 0 end
      for _, options in ipairs { {}, { ranks = true }, { strata = true },
        { strata = true, ranks = true } } do
        local plain, coded = { ranks = options.ranks, resamples = 20 }, { ranks = options.ranks,
          resamples = 20 }
        if options.strata then plain.strata, coded.strata = strata_plain, strata end
        local expected = stats.score_permutation(score_plain, y, plain)
        local found = stats.score_permutation(score, y, coded)
        assert.same(expected.replicates:table(), found.replicates:table())
        for _, figure in ipairs { "statistic", "mean", "sd", "p", "auc" } do
          same(expected[figure], found[figure], figure)
        end
      end
    end
    local score, score_plain = pair(random_values(rows, 300, 0.1), rows)
    local y = {}
    for i = 1, rows do y[i] = math.random() < 0.2 and 1 or 0 end
    y = core.vector.new(y)
    for name, fields in pairs { auc = { "estimate", "low", "high", "n", "missing" },
      spearman = { "rho", "low", "high", "p", "n", "missing" } } do
      for _, outcome in ipairs { y, y * 3, y:above(0) } do
        local expected, found = stats[name](score_plain, outcome:above(0):plain()),
          stats[name](score, name == "auc" and outcome:above(0) or outcome)
        for _, field in ipairs(fields) do same(expected[field], found[field], name) end
      end
    end
    assert.error(function() stats.score_permutation(score, score) end)
  end)
end)

describe("groups without a sort", function()
  -- Weights of one go through a sort, what has no weights does not. Oracle: mid-ranks of a sort.
  it("are those of the sorted numbers, with ties at any place", function()
    math.randomseed(20261124)
    for _, rows in ipairs { 1, 2, 3, 7, 100, 2049, 70000 } do
      local ones = core.vector.full(rows, 1)
      for _, steps in ipairs { 1, 2, 5, 40, 1e9 } do
        local values = {}
        for i = 1, rows do values[i] = (math.random(steps) - steps // 2) * 0.3 end
        if rows > 3 then values[2], values[3] = -math.huge, math.huge end
        local v = core.vector.new(values)
        local ranks = v:ranks()
        for _, count in ipairs { 2, 3, 10, 16, 32, 33, 34 } do
          local what = rows .. " rows, " .. steps .. " steps, groups(" .. count .. ")"
          same(v:groups(count, ones), v:groups(count), what)
          local by_rank = ((ranks - 0.5) * count / rows):floor() + 1
          same(by_rank, v:groups(count), what .. " by rank")
        end
      end
    end
  end)
end)
