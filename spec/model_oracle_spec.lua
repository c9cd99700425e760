-- Models against R on one data set with ties, weights and clusters: tools/oracles/models.R.
local stats = require "wayproof.stats"
local same = require "spec.near"
local vector = require("wayproof.core").vector

local oracle = dofile("spec/oracle/models.lua")
local d = oracle.columns

-- Estimates, then standard errors, then the fields named, in the order of the stored figures.
local function same_fit(expected, fit, fields, tolerance)
  local at = 0
  local function take(found, what)
    at = at + 1
    same(expected[at], found, what, tolerance)
  end
  for i, c in ipairs(fit.coefficients) do take(c.estimate, "estimate " .. i) end
  if not fields.no_se then
    for i, c in ipairs(fit.coefficients) do take(c.se, "se " .. i) end
  end
  for _, field in ipairs(fields) do
    local value = fit[field]
    if type(value) == "table" then value = value.statistic end
    take(value, field)
  end
  assert.equal(#expected, at)
end

local function same_se(expected, fit, tolerance)
  for i, c in ipairs(fit.coefficients) do same(expected[i], c.se, "se " .. i, tolerance) end
end

-- Rows repeated as often as their weight says.
local function repeated(list)
  local out = {}
  for i, x in ipairs(list) do
    for _ = 1, d.w[i] do out[#out + 1] = x end
  end
  return out
end

describe("against R", function()
  it("fits logistic regressions, with a column of large numbers among them", function()
    local fit = stats.logistic({ d.a, d.b, d.c }, d.y)
    assert.is_true(fit.converged)
    same_fit(oracle.logistic, fit, { "loglik", "deviance", "null_deviance" }, 1e-6)
    same_fit(oracle.logistic_offset, stats.logistic({ d.a, d.b }, d.y, { offset = d.o }),
      { no_se = true, "loglik", "null_deviance" })
    same_fit(oracle.logistic_origin, stats.logistic({ d.a, d.b }, d.y, { intercept = false }),
      { "loglik" })
  end)

  it("reads weights as repeated rows, in robust and clustered errors too", function()
    local weighted = stats.logistic({ d.a, d.b }, d.y, { weights = d.w })
    same_fit(oracle.logistic_weighted, weighted, { "loglik" })
    local rows = stats.logistic({ repeated(d.a), repeated(d.b) }, repeated(d.y))
    for i, c in ipairs(rows.coefficients) do
      same(c.estimate, weighted.coefficients[i].estimate, "estimate " .. i, 1e-12)
      same(c.se, weighted.coefficients[i].se, "se " .. i, 1e-12)
    end
    local clustered = stats.logistic({ d.a, d.b }, d.y, { weights = d.w, clusters = d.g })
    same_se(oracle.logistic_weighted_cluster, clustered)
    assert.equal(12, clustered.clusters)
    assert.equal(11, clustered.df)
    same_se(oracle.logistic_weighted_robust,
      stats.logistic({ d.a, d.b }, d.y, { weights = d.w, robust = true }))
  end)

  it("fits Firth's penalised logistic regression", function()
    local fit = stats.logistic({ d.a, d.b }, d.y, { firth = true })
    same_fit(oracle.firth, fit, { "penalised_loglik" })
  end)

  it("fits Poisson regressions", function()
    same_fit(oracle.poisson, stats.poisson({ d.a, d.b, d.c }, d.k),
      { "loglik", "deviance", "null_deviance", "dispersion" }, 1e-6)
    same_fit(oracle.poisson_cluster,
      stats.poisson({ d.a, d.b }, d.k, { weights = d.w, clusters = d.g }), {})
  end)

  it("fits least squares with classic, clustered and robust errors", function()
    same_fit(oracle.linear, stats.linear({ d.b, d.c }, d.a), { "sigma", "r2", "loglik" }, 1e-6)
    local expected = oracle.linear_weighted
    local columns = { d.b, d.o }
    same_fit({ table.unpack(expected, 1, 6) }, stats.linear(columns, d.a, { weights = d.w }), {})
    same_se({ table.unpack(expected, 7, 9) },
      stats.linear(columns, d.a, { weights = d.w, clusters = d.g }))
    same_se({ table.unpack(expected, 10, 12) },
      stats.linear(columns, d.a, { weights = d.w, robust = true }))
  end)

  it("fits Cox regressions with Efron's and Breslow's ties, weights, strata and offset", function()
    for _, ties in ipairs { "efron", "breslow" } do
      same_fit(oracle["cox_" .. ties], stats.cox({ d.a, d.b }, d.t, d.s, { ties = ties }),
        { "null_loglik", "loglik", "score", "wald" })
      same_fit(oracle["cox_weighted_" .. ties],
        stats.cox({ d.a, d.b }, d.t, d.s, { ties = ties, weights = d.w }),
        { "null_loglik", "loglik" })
    end
    local strata = {}
    for i, g in ipairs(d.g) do strata[i] = g > 6 and 1 or 0 end
    same_fit(oracle.cox_strata, stats.cox({ d.a, d.b }, d.t, d.s, { strata = strata }),
      { "null_loglik", "loglik" })
    same_fit(oracle.cox_offset, stats.cox({ d.a }, d.t, d.s, { offset = d.o }),
      { no_se = true, "null_loglik", "loglik" })
  end)

  it("gives Cox regressions robust errors and the test of proportional hazards", function()
    same_se(oracle.cox_cluster, stats.cox({ d.a, d.b }, d.t, d.s, { clusters = d.g }))
    same_se(oracle.cox_robust_breslow,
      stats.cox({ d.a, d.b }, d.t, d.s, { robust = true, ties = "breslow" }))
    local zph = stats.cox({ d.a, d.b }, d.t, d.s, { zph = true }).zph
    same(oracle.cox_zph[1], zph.columns[1].statistic, "zph 1", 1e-6)
    assert.is_true(math.abs(oracle.cox_zph[2] - zph.columns[2].statistic) < 1e-9)
    same(oracle.cox_zph[3], zph.global.statistic, "zph", 1e-6)
  end)

  it("draws Kaplan-Meier curves with log and log-log limits", function()
    local km = stats.kaplan_meier(d.t, d.s, { weights = d.w })
    local places, at = { 3, 8, 15 }, 0
    for _, field in ipairs { "survival", "se", "low", "high" } do
      for _, place in ipairs(places) do
        at = at + 1
        same(oracle.km[at], km[field][place], field)
      end
    end
    assert.same({ oracle.km[13], oracle.km[14], oracle.km[15] },
      { km.median.estimate, km.median.low, km.median.high })
    km, at = stats.kaplan_meier(d.t, d.s, { interval = "log-log" }), 0
    for _, field in ipairs { "low", "high" } do
      for _, place in ipairs(places) do
        at = at + 1
        same(oracle.km_loglog[at], km[field][place], field)
      end
    end
    assert.same({ oracle.km_loglog[7], oracle.km_loglog[8], oracle.km_loglog[9] },
      { km.median.estimate, km.median.low, km.median.high })
  end)

  it("tests curves by log-rank, with rho, strata and weights", function()
    local group, busy = {}, {}
    for i, g in ipairs(d.g) do group[i], busy[i] = 1 + g % 3, d.b[i] > 2 and 1 or 0 end
    local expected = oracle.log_rank
    same(expected[1], stats.log_rank(d.t, d.s, group).statistic, "log-rank")
    same(expected[2], stats.log_rank(d.t, d.s, group, nil, { rho = 1 }).statistic, "rho 1")
    same(expected[3], stats.log_rank(d.t, d.s, group, busy).statistic, "stratified")
    same(expected[4], stats.log_rank(d.t, d.s, group, nil, { weights = d.w }).statistic, "weights")
  end)

  it("counts concordance after Harrell and after Uno", function()
    local c = stats.concordance(d.a, d.t, d.s)
    same(oracle.concordance[1], c.estimate, "C")
    same(oracle.concordance[2], c.se, "se of C")
    assert.equal(oracle.concordance[3], c.concordant)
    assert.equal(oracle.concordance[4], c.discordant)
    assert.equal(oracle.concordance[5], c.tied_score)
    local uno = stats.concordance(d.a, d.t, d.s, { method = "uno" })
    same(oracle.uno[1], uno.estimate, "Uno's C")
    same(oracle.uno[2], uno.se, "se of Uno's C")
  end)

  it("spans Harrell's restricted cubic spline", function()
    local columns = vector.spline(vector.new { -1, 0.5, 2, 7, 11 }, { 0, 1, 4, 9 })
    assert.equal(2, #columns)
    for j = 1, 2 do
      for i = 1, 5 do
        local expected = oracle.spline[(j - 1) * 5 + i]
        assert.is_true(math.abs(expected - columns[j][i]) < 1e-12)
      end
    end
  end)
end)
