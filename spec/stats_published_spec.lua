-- Statistics against published worked examples and the figures of the packages that define them
-- (R 4.2, pROC, metafor, statsmodels). Small tables are facts of public data sets, named beside.
local stats = require "wayproof.stats"

local function near(expected, found, tolerance)
  assert.is_number(found)
  assert.is_near(expected, found, (tolerance or 1e-8) * math.max(1, math.abs(expected)))
end

-- UCBAdmissions (R datasets): admitted and rejected men, admitted and rejected women.
local admissions = {
  { 512, 313, 89, 19 }, { 353, 207, 17, 8 }, { 120, 205, 202, 391 },
  { 138, 279, 131, 244 }, { 53, 138, 94, 299 }, { 22, 351, 24, 317 },
}

describe("the AUC", function()
  it("of a tiny example has DeLong's variance and a clipped Wald interval", function()
    local auc = stats.auc({ .9, .8, .4, .5, .3, .3, .1, .3 }, { 1, 1, 1, 0, 0, 0, 0, 1 },
      { method = "wald" })
    near(0.8125, auc.estimate)
    near(0.0260416667, auc.variance, 1e-10)
    near(0.4962121720, auc.low)
    assert.equal(1, auc.high)
  end)

  it("counts ties half and knows the textbook", function()
    near(0.75, stats.auc({ .1, .4, .35, .8 }, { 0, 0, 1, 1 }).estimate)
    -- Wilcoxon's example of R's ?wilcox.test: U = 35 of 50.
    local x = { 0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46 }
    local scores, labels = {}, {}
    for i, v in ipairs(x) do scores[i], labels[i] = v, 1 end
    for _, v in ipairs { 1.15, 0.88, 0.90, 0.74, 1.21 } do
      scores[#scores + 1], labels[#labels + 1] = v, 0
    end
    near(0.7, stats.auc(scores, labels).estimate)
  end)
end)

describe("rank correlations", function()
  it("give the figures of R's ?cor.test on tuna", function()
    local x = { 44.4, 45.9, 41.9, 53.3, 44.7, 44.1, 50.7, 45.2, 60.1 }
    local y = { 2.6, 3.1, 2.5, 5.0, 3.6, 4.0, 5.2, 2.8, 3.8 }
    local kendall = stats.kendall(x, y, { alternative = "greater" })
    near(0.4444444444, kendall.tau, 1e-10)
    near(0.05971947, kendall.p)
    assert.equal("exact", kendall.method)
    local spearman = stats.spearman(x, y)
    near(0.6, spearman.rho)
    near(0.09679783951, spearman.p_exact)
  end)

  it("give scipy's documented example", function()
    local r = stats.spearman({ 1, 2, 3, 4, 5 }, { 5, 6, 7, 8, 7 })
    near(0.8207826817, r.estimate)
    near(0.0885870053, r.p)
  end)

  it("give mtcars: mpg and wt, and at equal hp", function()
    local mpg = { 21, 21, 22.8, 21.4, 18.7, 18.1, 14.3, 24.4, 22.8, 19.2, 17.8, 16.4, 17.3, 15.2,
      10.4, 10.4, 14.7, 32.4, 30.4, 33.9, 21.5, 15.5, 15.2, 13.3, 19.2, 27.3, 26, 30.4, 15.8,
      19.7, 15, 21.4 }
    local wt = { 2.62, 2.875, 2.32, 3.215, 3.44, 3.46, 3.57, 3.19, 3.15, 3.44, 3.44, 4.07, 3.73,
      3.78, 5.25, 5.424, 5.345, 2.2, 1.615, 1.835, 2.465, 3.52, 3.435, 3.84, 3.845, 1.935, 2.14,
      1.513, 3.17, 2.77, 3.57, 2.78 }
    local hp = { 110, 110, 93, 110, 175, 105, 245, 62, 95, 123, 123, 180, 180, 180, 205, 215, 230,
      66, 52, 65, 97, 150, 150, 245, 175, 66, 91, 113, 264, 175, 335, 109 }
    near(-0.8864220333, stats.spearman(mpg, wt).rho)
    near(-0.7278321495, stats.kendall(mpg, wt).tau)
    near(-0.6844151608, stats.partial_spearman(mpg, wt, hp).rho)
    near(-0.6844151608, stats.partial_spearman(mpg, wt, { hp }).rho)
  end)
end)

describe("tables", function()
  it("give birthwt, low weight by smoking", function()
    local found = stats.odds_ratio(30, 44, 29, 86)
    near(2.0219435737, found.estimate)
    -- Rscript -e 'exp(log(30*86/(44*29)) + c(-1,1)*qnorm(.975)*sqrt(1/30+1/44+1/29+1/86))'
    near(1.0806596029988442, found.low, 1e-14)
    near(3.7831115401660185, found.high, 1e-14)
    near(4.923705434, found.chi_square)
    near(0.02649064, found.chi_square_p)
    near(0.0361764987, found.fisher_p)
  end)

  it("give Berkeley: one odds ratio in strata, and that it is not one", function()
    local mh = stats.mantel_haenszel(admissions)
    near(0.9046968283, mh.estimate)
    near(0.7719073618, mh.low)
    near(1.0603297644, mh.high)
    near(0.08098890966, mh.se)
    near(1.4269462, mh.statistic, 1e-7)
    near(0.2322635, mh.p, 1e-7)
    near(1.52460666, mh.statistic_uncorrected)
    near(17.998628638, mh.q)
    near(0.002948124, mh.q_p, 1e-8)
    near(0.7222010576, mh.i2)
    local bd = stats.breslow_day(admissions)
    near(18.825513705, bd.statistic)
    near(0.00207139035, bd.p)
    near(18.825501252, bd.tarone)
    local crude = stats.odds_ratio(1198, 1493, 557, 1278)
    near(1.841080037, crude.estimate)
    near(92.20528, crude.chi_square, 1e-7)
  end)

  it("give Cochran's Q of the Berkeley log odds ratios around their own mean", function()
    local estimates, se = {}, {}
    for i, t in ipairs(admissions) do
      local one = stats.odds_ratio(t[1], t[2], t[3], t[4])
      estimates[i], se[i] = one.log_estimate, one.se
    end
    -- metafor rma(measure = "OR", method = "DL"), equal to vcd's Woolf test.
    local found = stats.heterogeneity(estimates, se)
    near(17.9017124698, found.q)
    near(0.003072142, found.p)
    near(0.7206971161, found.i2)
    near(0.1148124696, found.tau2)
  end)
end)

describe("pooled estimates", function()
  it("give the BCG vaccine trials (metafor dat.bcg, log risk ratios)", function()
    local bcg = { { 4, 119, 11, 128 }, { 6, 300, 29, 274 }, { 3, 228, 11, 209 },
      { 62, 13536, 248, 12619 }, { 33, 5036, 47, 5761 }, { 180, 1361, 372, 1079 },
      { 8, 2537, 10, 619 }, { 505, 87886, 499, 87892 }, { 29, 7470, 45, 7232 },
      { 17, 1699, 65, 1600 }, { 186, 50448, 141, 27197 }, { 5, 2493, 3, 2338 },
      { 27, 16886, 29, 17825 } }
    local y, se = {}, {}
    for i, t in ipairs(bcg) do
      local a, b, c, d = t[1], t[2], t[3], t[4]
      y[i] = math.log(a / (a + b) / (c / (c + d)))
      se[i] = math.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))
    end
    local dl, reml = stats.heterogeneity(y, se), stats.heterogeneity(y, se, { method = "reml" })
    near(152.2330081, dl.q)
    near(0.30876026, dl.tau2)
    near(-0.71411722, dl.estimate)
    near(0.17874209, dl.se)
    near(-0.43028516, dl.fixed.estimate)
    near(0.04049875, dl.fixed.se)
    near(0.31324333, reml.tau2, 1e-6)
    near(-0.71453235, reml.estimate, 1e-6)
    near(0.17978153, reml.se, 1e-6)
    near(0.92221386, reml.i2_tau, 1e-6)
  end)
end)

describe("trend and shape", function()
  it("give R's ?prop.trend.test smokers", function()
    local events, totals = { 83, 90, 129, 70 }, { 86, 93, 136, 82 }
    local trend = stats.trend(events, totals)
    near(8.2249223, trend.statistic)
    near(0.004131897, trend.p)
    near(12.600411, trend.total, 1e-7)
    near(12.600411 - 8.2249223, trend.departure, 1e-7)
    near(12.173146, stats.trend(events, totals, { 0, 0, 0, 1 }).statistic, 1e-7)
  end)

  it("depend on the scores, as Agresti's alcohol and malformation shows", function()
    local events, totals = { 48, 38, 5, 1, 1 }, { 17114, 14502, 793, 127, 38 }
    local dose = stats.trend(events, totals, { 0, 0.5, 1.5, 4, 7 })
    near(6.5701339, dose.statistic, 1e-8)
    near(0.01037041, dose.p)
    local rank = stats.trend(events, totals, { 1, 2, 3, 4, 5 })
    near(1.827815751093086, rank.statistic, 1e-12)
    near(0.1763858, rank.p, 1e-7)
  end)

  it("give R's ?isoreg", function()
    local first = stats.isotonic({ 1, 0, 4, 3, 3, 5, 4, 2, 0 }):table()
    assert.same({ 0.5, 0.5, 3, 3, 3, 3, 3, 3, 3 }, first.fitted)
    local fit = stats.isotonic { 1, 3, 2, 4, 3.5, 3.5, 5 }
    for i, expected in ipairs { 1, 2.5, 2.5, 11 / 3, 11 / 3, 11 / 3, 5 } do
      near(expected, fit[i], 1e-14)
    end
  end)
end)

describe("multiplicity", function()
  local p = { .0001, .0004, .0019, .0095, .0201, .0278, .0298, .0344, .0459, .3240, .4262, .5719,
    .6528, .7590, 1 }

  it("rejects as Benjamini and Hochberg's own example does", function()
    local expected = { bonferroni = 3, holm = 3, hochberg = 3, bh = 4, by = 3 }
    for method, count in pairs(expected) do
      local found = 0
      for _, adjusted in ipairs(stats.adjust(p, method)) do
        if adjusted <= 0.05 then found = found + 1 end
      end
      assert.equal(count, found, method)
    end
  end)

  it("gives the adjusted p-values", function()
    local bh, by = stats.adjust(p, "bh"), stats.adjust(p, "by")
    for i, expected in ipairs { .0015, .0030, .0095, .035625, .0603 } do near(expected, bh[i]) end
    for i, expected in ipairs { .0049773, .0099547, .0315232, .1182119 } do
      near(expected, by[i], 1e-7)
    end
  end)
end)

describe("sensitivity", function()
  it("gives VanderWeele and Ding's E-values", function()
    local rr = stats.e_value(3.9, 1.8, 8.7)
    near(7.263034344, rr.estimate)
    near(3.0, rr.limit)
    local odds = stats.e_value(0.86, 0.75, 0.99, { measure = "OR" })
    near(1.3689528611, odds.estimate)
    near(1.0761939453, odds.limit)
    local hazard = stats.e_value(0.56, 0.46, 0.69, { measure = "HR" })
    near(2.3495312573, hazard.estimate)
    near(1.9080039433, hazard.limit)
    -- The published 1.2837100672 comes from the odds ratio rounded to 0.9046968.
    local crossing = stats.e_value(0.9046968, 0.7719073618, 1.0603297644, { measure = "OR" })
    near(1.2837100672, crossing.estimate)
    assert.equal(1, crossing.limit)
    -- Published for an odds ratio that prints as 4.0256, hence five digits.
    local rare = stats.e_value(4.0256, nil, nil, { measure = "OR", rare = true })
    near(7.515590230, rare.estimate, 1e-5)
  end)
end)

describe("drift", function()
  it("gives the PSI and what chance alone exceeds", function()
    local psi = stats.psi({ .10, .20, .40, .20, .10 }, { .15, .25, .30, .20, .10 },
      { n = 1000, m = 1000 })
    near(0.06019864022, psi.estimate)
    near(0.01897545807, psi.critical)
    assert.is_false(psi.alarm)
    local counts = stats.psi({ 100, 200, 400, 200, 100 }, { 150, 250, 300, 200, 100 })
    near(psi.estimate, counts.estimate, 1e-14)
    near(psi.critical, counts.critical, 1e-14)
  end)

  it("gives Montgomery's CUSUM: alarm at 29", function()
    local x = { 9.45, 7.99, 9.29, 11.66, 12.16, 10.18, 8.04, 11.46, 9.20, 10.34, 9.03, 11.47,
      10.51, 9.40, 10.08, 9.37, 10.62, 10.31, 8.52, 10.84, 10.90, 9.33, 12.29, 11.50, 10.60,
      11.08, 10.38, 11.62, 11.31, 10.52 }
    local cusum = stats.cusum(x, { target = 10, k = 0.5, h = 5 })
    near(5.28, cusum.upper[29])
    assert.equal(29, cusum.alarm)
    assert.equal("up", cusum.side)
    assert.equal(23, cusum.onset)
  end)
end)

describe("power", function()
  it("gives R's power.prop.test", function()
    near(0.7401659013, stats.power_proportions({ n = 50, p1 = .5, p2 = .75 }).power)
    -- uniroot's default tolerance gives 76.70693011; with tol = 1e-12 it is this.
    near(76.70692845177744, stats.power_proportions({ p1 = .5, p2 = .75, power = 0.9 }).n)
    local found = stats.power_proportions { n = 76.70692845177744, p1 = .5, power = 0.9 }
    near(0.75, found.p2)
  end)

  it("gives Hsieh, Schoenfeld and Obuchowski", function()
    near(1475.746, stats.power_logistic({ odds_ratio = 1.2, rate = 0.2 }).n, 1e-6)
    near(2951.49, stats.power_logistic({ odds_ratio = 1.2, rate = 0.2, r2 = 0.5 }).n, 1e-6)
    near(236.119, stats.power_cox({ hazard_ratio = 1.2 }).events, 1e-5)
    near(165.3149, stats.power_auc({ auc = 0.6, power = 0.9 }).n1, 1e-6)
    near(0.9897453436, stats.power_auc({ auc = 0.73, n1 = 41, n0 = 72 }).power)
  end)

  it("solves back for what it was given", function()
    local n = stats.power_logistic({ odds_ratio = 1.3, rate = 0.1, power = 0.9 }).n
    near(0.9, stats.power_logistic({ odds_ratio = 1.3, rate = 0.1, n = n }).power, 1e-6)
    near(1.3, stats.power_logistic({ n = n, rate = 0.1, power = 0.9 }).odds_ratio, 1e-12)
    near(0.8, stats.power_cox({ events = 236.119, hazard_ratio = 1.2 }).power, 1e-5)
    near(1 / 1.2, 1 / stats.power_cox({ events = 236.119 }).hazard_ratio, 1e-5)
  end)
end)

describe("calibration", function()
  it("gives sklearn's Brier score", function()
    near(0.0375, stats.brier({ .1, .9, .8, .3 }, { 0, 1, 1, 0 }).estimate)
  end)

  it("gives Gini(1..5) = 1/3", function()
    near(1 / 3, stats.gini({ 1, 2, 3, 4, 5 }).estimate, 1e-14)
    near(4 / 15, stats.gini({ 1, 2, 3, 4, 5 }, { unbiased = false }).estimate, 1e-14)
  end)
end)
