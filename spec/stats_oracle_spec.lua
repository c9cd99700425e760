-- Statistics against R on random inputs with ties and zero cells: tools/oracles/statistics.R
-- (pROC 1.18, metafor 3.8, base R 4.2). Closed forms to 1e-9 relative.
local stats = require "wayproof.stats"

local oracle = dofile("spec/oracle/statistics.lua")

local function same(expected, found, what, tolerance)
  assert.is_number(found, what)
  local error = math.abs(found - expected) / math.max(1e-12, math.abs(expected))
  assert.is_true(error <= (tolerance or 1e-9) or math.abs(found - expected) < 1e-13,
    string.format("%s: %.17g, expected %.17g", what, found, expected))
end

local function same_list(expected, found, what)
  assert.equal(#expected, #found, what)
  for i = 1, #expected do same(expected[i], found[i], what .. " " .. i) end
end

describe("with the figures of R", function()
  it("agrees on AUC, DeLong variance and the paired test", function()
    for i, case in ipairs(oracle.ranks) do
      local auc = stats.auc(case.x, case.y)
      same(case.auc, auc.estimate, "auc " .. i)
      same(case.variance, auc.variance, "variance " .. i)
      same(case.wald[1], auc.wald_low, "low " .. i)
      same(case.wald[2], auc.wald_high, "high " .. i)
      local pair = stats.auc_compare(case.x, case.z, case.y)
      same(case.covariance, pair.covariance, "covariance " .. i)
      same(case.compare_z, pair.statistic, "Z " .. i)
      same(case.compare_p, pair.p, "p " .. i)
    end
  end)

  it("agrees on rank correlations and quantiles", function()
    for i, case in ipairs(oracle.ranks) do
      local rho = stats.spearman(case.x, case.z)
      same(case.rho, rho.rho, "rho " .. i)
      same(case.rho_p, rho.p, "rho p " .. i)
      local tau = stats.kendall(case.x, case.z)
      same(case.tau, tau.tau, "tau " .. i)
      same(case.tau_p, tau.p, "tau p " .. i)
      same_list(case.quantiles, stats.quantile(case.x, { 0, 0.05, 0.33, 0.5, 0.9, 1 }), "q" .. i)
    end
  end)

  it("agrees on stratified tables", function()
    for i, case in ipairs(oracle.tables) do
      local mh = stats.mantel_haenszel(case.tables)
      same(case.odds_ratio, mh.estimate, "odds ratio " .. i)
      same(case.low, mh.low, "low " .. i)
      same(case.high, mh.high, "high " .. i)
      same(case.statistic, mh.statistic, "CMH " .. i)
      same(case.p, mh.p, "p " .. i)
      same(case.uncorrected, mh.statistic_uncorrected, "uncorrected " .. i)
      same(case.se, mh.se, "se " .. i)
      same(case.q, mh.q, "Q " .. i)
      local bd = stats.breslow_day(case.tables)
      same(case.breslow_day, bd.statistic, "Breslow-Day " .. i)
      same(case.tarone, bd.tarone, "Tarone " .. i)
    end
  end)

  it("agrees on single tables and proportions", function()
    for i, case in ipairs(oracle.two_by_two) do
      local c = case.cells
      local found = stats.odds_ratio(c[1], c[2], c[3], c[4])
      same(case.chi_square, found.chi_square, "chi-square " .. i)
      same(case.p, found.chi_square_p, "p " .. i)
      same(case.fisher, found.fisher_p, "Fisher " .. i)
      local independence = stats.chi_square { { c[1], c[2] }, { c[3], c[4] } }
      same(case.chi_square, independence.statistic, "independence " .. i)
    end
    for i, case in ipairs(oracle.proportions) do
      local wilson = stats.wilson(case.k, case.n, case.level)
      same_list(case.wilson, { wilson.low, wilson.high }, "Wilson " .. i)
      local exact = stats.clopper_pearson(case.k, case.n, case.level)
      same_list(case.exact, { exact.low, exact.high }, "exact " .. i)
    end
  end)

  it("agrees on pooled estimates", function()
    for i, case in ipairs(oracle.pools) do
      local dl = stats.heterogeneity(case.y, case.se)
      same(case.q, dl.q, "Q " .. i)
      same(case.p, dl.p, "p " .. i)
      same(case.tau2_dl, dl.tau2, "tau2 DL " .. i)
      same(case.i2_dl / 100, dl.i2, "I2 " .. i)
      same(case.estimate_dl, dl.estimate, "mean DL " .. i)
      same(case.se_dl, dl.se, "se DL " .. i)
      same(case.fixed, dl.fixed.estimate, "fixed " .. i)
      same(case.fixed_se, dl.fixed.se, "fixed se " .. i)
      local reml = stats.heterogeneity(case.y, case.se, { method = "reml" })
      same(case.tau2_reml, reml.tau2, "tau2 REML " .. i, 1e-6)
      same(case.i2_reml / 100, reml.i2_tau, "I2 REML " .. i, 1e-6)
      same(case.estimate_reml, reml.estimate, "mean REML " .. i, 1e-6)
      same(case.se_reml, reml.se, "se REML " .. i, 1e-6)
    end
  end)

  it("agrees on trends, isotonic fits and calibration", function()
    for i, case in ipairs(oracle.trends) do
      local trend = stats.trend(case.events, case.totals, case.scores)
      same(case.statistic, trend.statistic, "trend " .. i)
      same(case.total, trend.total, "total " .. i)
    end
    for i, case in ipairs(oracle.isotonic) do
      same_list(case.fitted, stats.isotonic(case.y).fitted, "isotonic " .. i)
    end
    for i, case in ipairs(oracle.calibration) do
      local found = stats.calibration(case.p, case.y)
      for _, field in ipairs { "brier", "intercept", "slope", "in_the_large" } do
        same(case[field], found[field], field .. " " .. i)
      end
      -- R takes the weights of the step before the last.
      same(case.slope_se, found.slope_se, "slope_se " .. i, 1e-6)
      same(case.in_the_large_se, found.in_the_large_se, "in_the_large_se " .. i, 1e-6)
    end
  end)

  it("agrees on adjusted p-values and power", function()
    for i, case in ipairs(oracle.adjust) do
      for _, method in ipairs { "bonferroni", "holm", "hochberg", "bh", "by" } do
        same_list(case[method], stats.adjust(case.p, method), method .. " " .. i)
      end
    end
    for i, case in ipairs(oracle.power.proportions) do
      local found = stats.power_proportions { n = case.n, p1 = case.p1, p2 = case.p2 }
      same(case.power, found.power, "power " .. i)
      local needed = stats.power_proportions { p1 = case.p1, p2 = case.p2, power = 0.9 }
      same(case.needed, needed.n, "n " .. i, 1e-6)
    end
    for i, case in ipairs(oracle.power.auc) do
      local needed = stats.power_auc { auc = case.auc, ratio = case.ratio, power = 0.8 }
      same(case.needed, needed.n1, "n1 " .. i)
      local found = stats.power_auc { auc = case.auc, ratio = case.ratio, n1 = 60 }
      same(case.power, found.power, "power " .. i)
    end
  end)
end)
