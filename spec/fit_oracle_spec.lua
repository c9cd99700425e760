-- The judge's fits and the slopes of its expected metric against R: tools/oracles/fits.R.
local case_of = require "wayproof.case"
local fit = require "wayproof.fit"
local gram = require "wayproof.gram"
local stats = require "wayproof.stats"
local core = require "wayproof.core"
local made = require "spec.made"
local same = require "spec.near"
local vector = core.vector

local oracle = dofile("spec/oracle/fits.lua")
local function v(list) return vector.new(list) end
local a, b, c = v(oracle.a), v(oracle.b), v(oracle.c)
local y, money = v(oracle.y), v(oracle.money)
local n = #oracle.a

local function repeated(value, times)
  local out = {}
  for i = 1, times do out[i] = value end
  return v(out)
end

describe("the judge's fits", function()
  it("finds R's least squares slopes, none for columns that say nothing new", function()
    local x = b + a / 3 + c:sqrt()
    local list = { a, repeated(4, n), c, a * 2 - c, b, b * 1 }
    local g = gram.build { x, table.unpack(list) }
    local slopes = g:slopes(1, { 2, 3, 4, 5, 6, 7 })
    assert.equal(6, #slopes)
    for i, expected in ipairs(oracle.slopes) do
      if expected == 0 then
        assert.equal(0, slopes[i])
      else
        same(expected, slopes[i], "slope " .. i, 1e-10)
      end
    end
    same(oracle.slopes_first[1], g:slopes(1, { 2 })[1], "alone", 1e-12)
    assert.same({}, g:slopes(1, {}))
    -- What is left of x has nothing to do with what it was fitted on.
    local left = x - vector.combine(list, slopes)
    for _, column in ipairs { a, c, b } do
      assert.is_true(math.abs(left:correlation(column)) < 1e-12)
    end
  end)

  it("gives slopes of 0 to a constant metric", function()
    local g = gram.build { repeated(2, n), a, b }
    assert.same({ 0, 0 }, g:slopes(1, { 2, 3 }))
  end)

  it("gives money sandwich's HC2 covariances and its own degrees of freedom", function()
    local model = fit.run(case_of.new { kind = "numeric", y = money }, { a, b, c })
    assert.is_true(model.ok)
    for i = 0, 3 do
      same(oracle.poisson[i + 1], model:beta(i), "estimate " .. i)
      for j = 0, 3 do
        same(oracle.poisson_hc2[4 * i + j + 1], model:cov(i, j), "covariance " .. i .. j)
      end
      same(oracle.poisson_df[i + 1], model:df(i), "df " .. i)
      same(oracle.poisson_se[i + 1], model:se(i), "se " .. i)
      same(oracle.poisson_p[i + 1], model:p(i), "p " .. i, 1e-6)
    end
  end)

  it("leaves a user who has a column of their own to that column", function()
    local own = {}
    for i = 1, n do own[i] = i == oracle.alone[1] and 1 or 0 end
    local model = fit.run(case_of.new { kind = "numeric", y = money }, { a, b, v(own) })
    assert.is_true(model.ok)
    same(oracle.alone[2], model:cov(1, 1), "variance of a", 1e-6)
    same(oracle.alone[3], model:cov(1, 2), "covariance", 1e-6)
    same(oracle.alone[4], model:cov(2, 2), "variance of b", 1e-6)
  end)

  it("does not look at leverages where there are more than 200 users for each term", function()
    local x, amounts = {}, {}
    for i = 1, 600 do
      x[i] = (i * 37) % 101 / 20
      amounts[i] = i * i % 17 + (i * 37) % 101 / 10
    end
    local model = fit.run(case_of.new { kind = "numeric", y = v(amounts) }, { v(x) })
    same(oracle.many[1], math.sqrt(model:cov(1, 1)), "HC0")
  end)

  it("multiplies Cox variances by events / (events - terms)", function()
    local case = case_of.new { kind = "time", time = v(oracle.time), status = v(oracle.status) }
    local model = fit.run(case, { a, b, c })
    for i = 1, 3 do
      same(oracle.cox[i], model:beta(i), "estimate " .. i)
      same(oracle.cox[i + 3], model:se(i), "se " .. i)
    end
  end)
end)

-- Users whose outcome depends on ten columns, some of them 0/1.
local function simulated(users, intercept, seed)
  local random = made.random(seed)
  local columns, outcome = {}, {}
  for k = 1, 10 do columns[k] = {} end
  for i = 1, users do
    local eta = intercept
    for k = 1, 10 do
      local value = k <= 6 and random.normal() or (random.uniform() < 0.2 and 1 or 0)
      columns[k][i] = value
      eta = eta + (k % 3 - 1) * 0.4 * value
    end
    outcome[i] = random.uniform() < 1 / (1 + math.exp(-eta)) and 1 or 0
  end
  for k = 1, 10 do columns[k] = v(columns[k]) end
  return columns, case_of.new { kind = "binary", y = v(outcome) }
end

describe("Firth's penalty where events are few", function()
  it("takes two scoring steps from the ordinary estimates, as written out in R", function()
    local case = case_of.new { kind = "binary", y = y }
    local ordinary = fit.run(case, { a, b, c })
    local few = fit.run(case, { a, b, c }, { few = true })
    local whole = fit.run(case, { a, b, c }, { firth = true })
    for i = 0, 3 do
      same(oracle.logistic[i + 1], ordinary:beta(i), "ordinary " .. i)
      same(oracle.firth_steps[i + 1], few:beta(i), "two steps " .. i)
      same(oracle.firth[i + 1], whole:beta(i), "to the end " .. i, 1e-6)
      same(oracle.firth[i + 5], whole:se(i), "se to the end " .. i)
      same(oracle.firth[i + 5], few:se(i), "se after two steps " .. i, 0.002)
    end
  end)

  -- Some 55 events for 11 terms, and fewer users who bought than who did not, or the reverse.
  for _, sample in ipairs { { 300, -1.6 }, { 600, -2.5 }, { 300, 1.6 } } do
    it(string.format("is 0.002 standard errors from the end at most (%d users, intercept %g)",
      sample[1], sample[2]), function()
      local moved = 0
      for seed = 1, 25 do
        local columns, case = simulated(sample[1], sample[2], seed)
        local ordinary, few = fit.run(case, columns), fit.run(case, columns, { few = true })
        local whole = stats.logistic(columns, case.y, { firth = true })
        for i, term in ipairs(whole.coefficients) do
          assert.is_true(math.abs(few:beta(i - 1) - term.estimate) < 0.002 * term.se)
          moved = math.max(moved, math.abs(ordinary:beta(i - 1) - term.estimate) / term.se)
        end
      end
      assert.is_true(moved > 0.2) -- the penalty had something to do
    end)
  end

  it("leaves estimates alone from 25 events for each term on", function()
    local columns, case = simulated(1500, 0, 1)
    local ordinary = fit.run(case, columns)
    assert.equal(ordinary, fit.unbiased(ordinary, case))
    columns, case = simulated(400, 0, 1)
    ordinary = fit.run(case, columns)
    assert.is_true(math.min(case.y:sum(), 400 - case.y:sum()) < 25 * 11)
    assert.are_not.equal(ordinary:beta(3), fit.unbiased(ordinary, case):beta(3))
  end)

  it("does not hide that a column separates", function()
    local first = {}
    for i = 1, n do first[i] = oracle.y[i] == 1 and i % 2 or 0 end
    local case = case_of.new { kind = "binary", y = y }
    local model = fit.run(case, { a, v(first) }, { few = true })
    assert.is_false(model.ok)
    assert.equal("separated", model.failed)
  end)
end)

describe("Spearman's interval", function()
  local function variance(x, other, weights)
    return core.stats.rank_correlation("spec", { x, other }, { "x", "y" }, weights).variance
  end

  it("is as wide as equal numbers make it", function()
    same(oracle.spearman[2], variance(b, y), "variance", 1e-6)
    local found = stats.spearman(b, y)
    same(oracle.spearman[1], found.estimate, "rho", 1e-6)
    same(oracle.spearman[3], found.low, "low", 1e-6)
    same(oracle.spearman[4], found.high, "high", 1e-6)
  end)

  it("is Bonett and Wright's where that is wider", function()
    local found = stats.spearman(b, money)
    local rho = found.estimate
    assert.is_true(variance(b, money) * n / (1 - rho ^ 2) ^ 2 < 0.95 * (1 + rho ^ 2 / 2))
    local z = 0.5 * math.log((1 + rho) / (1 - rho))
    local half = 1.959963984540054 * math.sqrt((1 + rho ^ 2 / 2) / (n - 3))
    same(2 / (1 + math.exp(-2 * (z + half))) - 1, found.high, "high", 1e-9)
  end)

  it("counts weights as so many users, whatever the order of the rows", function()
    local x, other, weights, all_x, all_y = {}, {}, {}, {}, {}
    for i = 1, n do
      x[i], other[i], weights[i] = oracle.b[n + 1 - i], oracle.money[n + 1 - i], i % 4
      for _ = 1, weights[i] do
        all_x[#all_x + 1], all_y[#all_y + 1] = x[i], other[i]
      end
    end
    same(variance(b, money), variance(v(x), v(other)), "turned round", 1e-12)
    same(variance(v(all_x), v(all_y)), variance(v(x), v(other), v(weights)), "weights", 1e-12)
  end)
end)
