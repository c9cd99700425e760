-- The ends of the domain of tables, pooling, trends, multiplicity, drift and power: zero cells,
-- empty groups, one group, wrong calls. Numbers themselves: stats_published and stats_oracle.
local stats = require "wayproof.stats"

local function message(call)
  local ok, text = pcall(call)
  assert.is_false(ok)
  assert.matches("^spec/stats_tables_spec.lua:%d+: ", text)
  return text
end

local function finite(value, path)
  if type(value) == "number" then
    assert.is_true(value == value and value > -math.huge and value < math.huge, path)
  elseif type(value) == "table" then
    for key, item in pairs(value) do finite(item, (path or "") .. "." .. tostring(key)) end
  end
end

describe("a proportion", function()
  it("has an interval at 0, at n, and none without trials", function()
    local none, all = stats.wilson(0, 10), stats.wilson(10, 10)
    assert.equal(0, none.low)
    assert.is_near(0.2775328, none.high, 1e-6)
    assert.equal(1, all.high)
    assert.is_near(1 - none.high, all.low, 1e-14)
    assert.is_nil(stats.wilson(0, 0).estimate)
    assert.is_nil(stats.wilson(0, 0).low)
    local exact = stats.clopper_pearson(0, 10)
    assert.equal(0, exact.low)
    assert.is_near(1 - 0.025 ^ 0.1, exact.high, 1e-14) -- closed form
  end)

  it("takes a level, and counts only", function()
    assert.is_true(stats.wilson(3, 20, 0.99).high > stats.wilson(3, 20).high)
    assert.matches("k: 5 %(expected at most n, 3%)", message(function() stats.wilson(5, 3) end))
    assert.matches("k: 1.5 %(expected a whole number",
      message(function() stats.wilson(1.5, 3) end))
    assert.matches("level: 95 %(expected a number between 0 and 1%)",
      message(function() stats.wilson(1, 3, 95) end))
  end)

  it("compared with another has a hybrid interval within -1 and 1", function()
    -- Newcombe 1998, table II, method 10: 56/70 - 48/80 = 0.2 (0.0524, 0.3339).
    local found = stats.two_proportions(56, 70, 48, 80)
    assert.is_near(0.2, found.estimate, 1e-14)
    assert.is_near(0.0524, found.low, 5e-5)
    assert.is_near(0.3339, found.high, 5e-5)
    local extreme = stats.two_proportions(10, 10, 0, 20) -- 1.0 (0.6791, 1.0000), same table
    assert.is_near(0.6791, extreme.low, 5e-5)
    assert.is_near(1, extreme.high, 1e-12)
    assert.equal("a group is empty", stats.two_proportions(0, 0, 1, 2).undefined)
    finite(stats.two_proportions(0, 5, 0, 5))
  end)
end)

describe("odds_ratio", function()
  it("adds one half only when a cell is zero, and says so", function()
    local zero = stats.odds_ratio(0, 10, 5, 20)
    assert.is_true(zero.corrected)
    assert.is_near((0.5 * 20.5) / (10.5 * 5.5), zero.estimate, 1e-14)
    assert.is_false(stats.odds_ratio(1, 10, 5, 20).corrected)
  end)

  it("has no answer for an empty row or column", function()
    local found = stats.odds_ratio(0, 0, 5, 20)
    assert.is_nil(found.estimate)
    assert.is_string(found.undefined)
    finite(found:table())
  end)

  it("has an exact p that is 1 for the likeliest table", function()
    assert.is_near(1, stats.odds_ratio(5, 5, 5, 5).fisher_p, 1e-12)
    -- The lady tasting tea: 3 of 4, two-sided.
    assert.is_near(34 / 70, stats.odds_ratio(3, 1, 1, 3).fisher_p, 1e-12)
  end)
end)

describe("stratified tables", function()
  it("leave out tables that say nothing and count them", function()
    local tables = { { 5, 3, 2, 6 }, { 0, 0, 4, 4 }, { 2, 0, 3, 0 }, { 6, 2, 3, 5 } }
    local found = stats.mantel_haenszel(tables)
    assert.equal(2, found.strata)
    assert.equal(2, found.left_out)
    local same = stats.mantel_haenszel { tables[1], tables[4] }
    assert.equal(same.estimate, found.estimate)
    assert.equal(same.p, found.p)
  end)

  it("have no common odds ratio when it is 0 or infinite, but still a test", function()
    local infinite = stats.mantel_haenszel { { 5, 0, 2, 6 }, { 4, 0, 3, 5 } }
    assert.is_nil(infinite.estimate)
    assert.equal("the odds ratio is infinite", infinite.undefined)
    assert.is_number(infinite.p)
    assert.equal("the odds ratio is 0", stats.mantel_haenszel({ { 0, 5, 6, 2 } }).undefined)
    assert.is_string(stats.mantel_haenszel({}).undefined)
    assert.is_string(stats.breslow_day({ { 1, 2, 3, 4 } }).undefined)
    finite(infinite:table())
  end)

  it("that agree perfectly have a Breslow-Day statistic of 0", function()
    local found = stats.breslow_day { { 10, 20, 20, 40 }, { 5, 10, 30, 60 } }
    assert.is_near(0, found.statistic, 1e-12)
    assert.is_near(1, found.p, 1e-9)
    local strong = stats.breslow_day { { 40, 10, 10, 40 }, { 80, 20, 20, 80 } }
    assert.is_near(0, strong.statistic, 1e-10)
  end)

  it("name the table and the cell that is wrong", function()
    assert.matches("table 2: cell 3: %-1 ",
      message(function() stats.mantel_haenszel { { 1, 2, 3, 4 }, { 1, 2, -1, 4 } } end))
    assert.matches("cell 4: nothing",
      message(function() stats.mantel_haenszel { { 1, 2, 3 } } end))
  end)
end)

describe("chi_square", function()
  it("tests counts against shares, counts, or equal shares", function()
    local equal = stats.chi_square({ 44700, 45489 })
    assert.is_near(0.00860799, equal.p, 1e-8)
    local half = stats.chi_square({ 44700, 45489 }, { 0.5, 0.5 })
    assert.is_near(equal.statistic, half.statistic, 1e-12)
    local counts = stats.chi_square({ 10, 20 }, { 15, 15 })
    assert.is_near(25 / 15 * 2, counts.statistic, 1e-12)
    assert.equal(1, counts.df)
  end)

  it("has no answer where the impossible was observed or nothing was", function()
    assert.is_string(stats.chi_square({ 1, 2 }, { 0, 1 }).undefined)
    assert.is_string(stats.chi_square({ 0, 0 }).undefined)
    assert.is_string(stats.chi_square({ { 1, 2 }, { 0, 0 } }).undefined)
    assert.matches("expected: found 3 %(expected 2, as many as observed%)",
      message(function() stats.chi_square({ 1, 2 }, { 1, 2, 3 }) end))
  end)
end)

describe("heterogeneity", function()
  it("of one estimate is that estimate", function()
    local one = stats.heterogeneity({ 0.3 }, { 0.1 })
    assert.equal(0.3, one.estimate)
    assert.is_near(0.1, one.se, 1e-15)
    assert.is_nil(one.q)
    finite(one:table())
  end)

  it("of equal estimates is none", function()
    for _, method in ipairs { "dl", "reml" } do
      local found = stats.heterogeneity({ 0.2, 0.2, 0.2 }, { 0.1, 0.2, 0.3 }, { method = method })
      assert.is_near(0, found.q, 1e-25)
      assert.equal(0, found.tau2)
      assert.equal(0, found.i2)
      assert.is_near(1, found.p, 1e-12)
    end
  end)

  it("has a REML tau2 where the restricted likelihood is highest", function()
    local y, se = { 0.1, 0.9, -0.4, 0.6 }, { 0.2, 0.1, 0.3, 0.25 }
    local function loglik(tau2)
      local sw, swy = 0, 0
      for i = 1, #y do
        local w = 1 / (se[i] ^ 2 + tau2)
        sw, swy = sw + w, swy + w * y[i]
      end
      local sum = -0.5 * math.log(sw)
      for i = 1, #y do
        local v = se[i] ^ 2 + tau2
        sum = sum - 0.5 * (math.log(v) + (y[i] - swy / sw) ^ 2 / v)
      end
      return sum
    end
    local tau2 = stats.heterogeneity(y, se, { method = "reml" }).tau2
    for _, factor in ipairs { 0.5, 0.9, 0.99, 1.01, 1.1, 2 } do
      assert.is_true(loglik(tau2) > loglik(tau2 * factor))
    end
  end)

  it("refuses a standard error of 0 and lists of different length", function()
    assert.matches("se: number 2: 0 ",
      message(function() stats.heterogeneity({ 1, 2 }, { 1, 0 }) end))
    assert.matches("se: found 1 %(expected 2, as many as estimates%)",
      message(function() stats.heterogeneity({ 1, 2 }, { 1 }) end))
  end)
end)

describe("trend and isotonic", function()
  it("have no answer without events or with one score", function()
    assert.is_string(stats.trend({ 0, 0 }, { 5, 5 }).undefined)
    assert.is_string(stats.trend({ 5, 5 }, { 5, 5 }).undefined)
    assert.is_string(stats.trend({ 1, 2 }, { 5, 5 }, { 3, 3 }).undefined)
    assert.is_nil(stats.trend({ 1, 2 }, { 5, 5 }).departure) -- two groups: nothing is left
    assert.matches("group 2: 6 %(expected at most its total, 5%)",
      message(function() stats.trend({ 1, 6 }, { 5, 5 }) end))
  end)

  it("with mid-rank scores are the squared rank test", function()
    -- Equal to (N - 1) / N times ... the trend test of every user's mid-rank.
    local found = stats.trend({ 2, 3, 5 }, { 10, 10, 10 }, "midrank")
    local by_hand = stats.trend({ 2, 3, 5 }, { 10, 10, 10 }, { 5.5, 15.5, 25.5 })
    assert.equal(by_hand.statistic, found.statistic)
  end)

  it("never fall, keep the weighted mean, and beat every other such sequence", function()
    local y, w = { 3, 1, 2, 5, 4, 4.5, 0, 9 }, { 1, 2, 3, 1, 5, 1, 2, 1 }
    local fit = stats.isotonic(y, w)
    local mean_y, mean_fit = 0, 0
    for i = 1, #y do
      if i > 1 then assert.is_true(fit[i] >= fit[i - 1]) end
      mean_y, mean_fit = mean_y + w[i] * y[i], mean_fit + w[i] * fit[i]
    end
    assert.is_near(mean_y, mean_fit, 1e-12)
    -- Max-min formula: fit[i] = max over s <= i of min over t >= i of the mean of s..t.
    for i = 1, #y do
      local best = -math.huge
      for s = 1, i do
        local smallest = math.huge
        for t = i, #y do
          local sum, weight = 0, 0
          for k = s, t do sum, weight = sum + w[k] * y[k], weight + w[k] end
          smallest = math.min(smallest, sum / weight)
        end
        best = math.max(best, smallest)
      end
      assert.is_near(best, fit[i], 1e-12)
    end
  end)

  it("measure monotonicity from 0 to 1", function()
    assert.equal(1, stats.isotonic({ 1, 2, 2, 7 }).index)
    assert.is_near(0, stats.isotonic({ 3, 2, 1 }).index, 1e-15)
    assert.is_nil(stats.isotonic({ 2, 2 }).index)
    assert.equal(0, #stats.isotonic {})
    assert.matches("y 2: it is missing or not finite",
      message(function() stats.isotonic { 1, 0 / 0 } end))
    assert.matches("w 1: found 0", message(function() stats.isotonic({ 1, 2 }, { 0, 1 }) end))
  end)
end)

describe("adjust", function()
  it("keeps order, ties and the family size", function()
    assert.same({ 0.03, 0.06, 0.06 }, { table.unpack(stats.adjust({ 0.01, 0.04, 0.03 }, "holm")) })
    assert.same({ 0.1 }, { table.unpack(stats.adjust({ 0.01 }, "bonferroni", { n = 10 })) })
    assert.equal(0, #stats.adjust({}, "bh"))
    assert.equal(1, stats.adjust({ 0.9, 1 }, "bonferroni")[1])
  end)

  it("refuses what is not a p-value or a method", function()
    assert.matches("p: number 2: 1.2", message(function() stats.adjust({ 0.1, 1.2 }) end))
    assert.matches("did you mean 'holm'", message(function() stats.adjust({ 0.1 }, "hom") end))
    assert.matches("n: 1 ", message(function() stats.adjust({ 0.1, 0.2 }, "bh", { n = 1 }) end))
  end)
end)

describe("e_value", function()
  it("is 1 for no effect and the same for a ratio and its inverse", function()
    assert.equal(1, stats.e_value(1).estimate)
    assert.is_near(stats.e_value(2).estimate, stats.e_value(0.5).estimate, 1e-12)
    assert.is_nil(stats.e_value(2).limit)
    assert.matches("estimate: 0 ", message(function() stats.e_value(0) end))
    assert.matches("is not within", message(function() stats.e_value(2, 3, 4) end))
  end)
end)

describe("drift", function()
  it("of equal distributions is 0, with empty bins it is corrected or refused", function()
    assert.equal(0, stats.psi({ 10, 20 }, { 10, 20 }).estimate)
    local empty = stats.psi({ 10, 0 }, { 5, 5 })
    assert.is_true(empty.corrected)
    assert.is_near((5.5 / 11 - 10.5 / 11) * math.log(5.5 / 10.5)
      + (5.5 / 11 - 0.5 / 11) * math.log(5.5 / 0.5), empty.estimate, 1e-14)
    assert.is_string(stats.psi({ 1.0, 0.0 }, { 0.5, 0.5 }).undefined)
    assert.matches("all bins are empty", message(function() stats.psi({ 0, 0 }, { 1, 1 }) end))
  end)

  it("below the limit raises no alarm, above it says which way and since when", function()
    assert.is_nil(stats.cusum({ 0, 0.4, -0.4 }, {}).alarm)
    local down = stats.cusum({ 0, 0, -3, -3, -3 }, { h = 4 })
    assert.equal(4, down.alarm)
    assert.equal("down", down.side)
    assert.equal(3, down.onset)
    assert.matches("sd: 0 ", message(function() stats.cusum({ 1 }, { sd = 0 }) end))
  end)
end)

describe("power", function()
  it("wants exactly one thing left out", function()
    assert.matches("leave out exactly one of n, odds_ratio, power", message(function()
      stats.power_logistic { n = 100, odds_ratio = 1.2, power = 0.8, rate = 0.2 }
    end))
    assert.matches("leave out exactly one of",
      message(function() stats.power_proportions { p1 = 0.5, power = 0.8 } end))
    assert.matches("odds_ratio: 1 is no effect",
      message(function() stats.power_logistic { odds_ratio = 1, rate = 0.2 } end))
    assert.is_string(stats.power_proportions({ n = 2, p1 = 0.5, power = 0.9 }).undefined)
  end)
end)

describe("calibration", function()
  it("in sample of the base rate has no slope, and separated predictions have none", function()
    local flat = stats.calibration({ 0.5, 0.5, 0.5, 0.5 }, { 0, 1, 0, 1 })
    assert.is_nil(flat.slope)
    assert.is_near(0, flat.in_the_large, 1e-12)
    assert.equal(0.25, flat.brier)
    assert.is_nil(stats.calibration({ 0.1, 0.2, 0.8, 0.9 }, { 0, 0, 1, 1 }).slope)
    assert.is_nil(stats.calibration({ 0, 1 }, { 0, 1 }).slope)
    assert.is_nil(stats.brier({}, {}).estimate)
    assert.matches("probability 1: found 1.5",
      message(function() stats.brier({ 1.5 }, { 1 }) end))
  end)
end)

describe("a result", function()
  it("prints on one line, cannot be changed, and gives plain data", function()
    local found = stats.wilson(3, 20)
    assert.matches("^wilson: estimate 0.15  low 0.0523", tostring(found))
    assert.is_nil(tostring(found):find("\n"))
    assert.matches("immutable", message(function() found.low = 0 end))
    assert.is_nil(getmetatable(found:table()))
  end)

  it("is what every function gives, and the fits are merged in", function()
    assert.is_function(stats.logistic)
    assert.is_nil(stats.wilson_interval)
    assert.is_nil(stats.no_such_function)
  end)
end)
