-- Regression at the edges: separation, one class, constant and collinear columns, two rows, missing
-- numbers, huge values, no convergence; and cells that stand for rows.
local core = require "wayproof.core"
local stats = require "wayproof.stats"
local new = core.vector.new

local function near(expected, found, tolerance)
  assert.is_number(found)
  local error = math.abs(expected - found) / math.max(1, math.abs(expected))
  assert.is_true(error <= (tolerance or 1e-9),
    string.format("%.15g, expected %.15g", found, expected))
end

local x8, y8 = { 1, 2, 3, 4, 5, 6, 7, 8 }, { 0, 0, 1, 0, 1, 0, 1, 1 }

-- Rows with repeats: two columns of few values, an outcome, a time.
local function rows()
  local a, b, y, time, status, seed = {}, {}, {}, {}, {}, 1
  local function draw(limit)
    seed = (seed * 1103515245 + 12345) % 2147483648
    return seed // 65536 % limit
  end
  for i = 1, 3000 do
    a[i], b[i] = draw(5), draw(3)
    y[i] = draw(10) < 2 + a[i] and 1 or 0
    time[i], status[i] = 1 + draw(30), draw(3) > 0 and 1 or 0
  end
  return new(a), new(b), new(y), new(time), new(status)
end

describe("a logistic regression", function()
  it("gives figures that can be worked out by hand", function()
    -- 2 x 2: odds ratio 30*86/(44*29) with Woolf's error (birthwt, low by smoke).
    local fit = stats.logistic({ { 1, 1, 0, 0 } }, { 1, 0, 1, 0 }, { weights = { 30, 44, 29, 86 } })
    near(math.log(30 * 86 / (44 * 29)), fit.coefficients[2].estimate)
    near(math.sqrt(1 / 30 + 1 / 44 + 1 / 29 + 1 / 86), fit.coefficients[2].se)
    near(1.0806606, math.exp(fit.coefficients[2].low), 1e-6)
    near(3.7831115, math.exp(fit.coefficients[2].high), 1e-6)
    assert.equal(189, fit.n)
    assert.equal(59, fit.events)
    assert.equal("intercept", fit.coefficients[1].name)
    near(fit.coefficients[2].se ^ 2, fit.covariance[2][2])
  end)

  it("says that it is separated, and has no estimate then", function()
    local fit = stats.logistic({ x8, { 1, 0, 0, 1, 1, 0, 0, 1 } }, { 0, 0, 0, 0, 1, 1, 1, 1 })
    assert.is_true(fit.separated)
    assert.is_false(fit.converged)
    assert.is_nil(fit.coefficients[2].estimate)
    assert.is_nil(fit.coefficients[2].se)
    assert.equal("separated", fit.coefficients[2].note)
    assert.is_nil(fit.coefficients[1].estimate)
    near(0, fit.loglik, 1e-6)
    assert.matches("separated: intercept, x1", tostring(fit))
  end)

  it("prints the log-likelihood without columns only where there is one", function()
    local line = tostring(stats.linear({ x8 }, { 1, 3, 2, 5, 4, 6, 8, 7 }))
    assert.matches("\nlog%-likelihood %-%d[%d.]+, 8 rows$", line)
    assert.matches("without columns", tostring(stats.logistic({ x8 }, { 0, 1, 0, 0, 1, 0, 1, 1 })))
  end)

  it("finds quasi-complete separation and keeps the other estimates", function()
    -- Nobody with x = 1 lacks the outcome; within x = 0 the slope of z stays well defined.
    local x = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1 }
    local z = { 1, 2, 3, 4, 5, 6, 7, 8, 2, 5, 7 }
    local y = { 0, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1 }
    local fit = stats.logistic({ x, z }, y, { names = { "always", "z" } })
    assert.is_true(fit.separated)
    assert.same({ "always" }, { fit.runaway[1] })
    assert.equal(1, #fit.runaway)
    local rest = stats.logistic({ x8 }, y8)
    near(rest.loglik, fit.loglik, 1e-6)
    near(rest.coefficients[2].estimate, fit.coefficients[3].estimate, 1e-4)
    local test = stats.likelihood_ratio(stats.logistic({ z }, y), fit)
    assert.equal(1, test.df)
    assert.is_true(test.statistic > 1)
  end)

  it("is not called separated for a strong but finite effect", function()
    local x, y = {}, {}
    for i = 1, 200 do x[i], y[i] = i, i > 100 and 1 or 0 end
    y[100], y[101] = 1, 0
    local fit = stats.logistic({ x }, y)
    assert.is_false(fit.separated)
    assert.is_true(fit.converged)
    assert.is_true(fit.coefficients[2].estimate > 0.5)
  end)

  it("has a finite penalised estimate where plain likelihood has none", function()
    local fit = stats.logistic({ x8 }, { 0, 0, 0, 0, 1, 1, 1, 1 }, { firth = true })
    assert.is_false(fit.separated)
    assert.is_true(fit.converged)
    -- A 2 x 2 table with an empty cell: Firth's slope is the log odds ratio with 1/2 in each cell.
    local table2 = stats.logistic({ { 1, 1, 0, 0 } }, { 1, 0, 1, 0 },
      { weights = { 10, 0, 4, 6 }, firth = true })
    near(math.log(10.5 / 0.5 * 6.5 / 4.5), table2.coefficients[2].estimate, 1e-7)
    assert.has_error(function()
      stats.likelihood_ratio(fit, fit)
    end, nil)
  end)

  it("has nothing to estimate when all outcomes are equal", function()
    for _, y in ipairs { { 0, 0, 0 }, { 1, 1, 1 } } do
      local fit = stats.logistic({ { 1, 2, 3 } }, y)
      assert.is_true(fit.separated)
      assert.is_nil(fit.coefficients[1].estimate)
      assert.is_nil(fit.coefficients[2].estimate)
      assert.equal(0, fit.loglik)
    end
  end)

  it("names constant and collinear columns, and fits the rest", function()
    local fit = stats.logistic({ x8, { 3, 3, 3, 3, 3, 3, 3, 3 }, { 3, 5, 7, 9, 11, 13, 15, 17 } },
      y8, { names = { "x", "three", "twice x" } })
    assert.same({ "three" }, fit:table().constant)
    assert.same({ "twice x" }, fit:table().collinear)
    assert.equal(2, fit.rank)
    assert.is_nil(fit.coefficients[3].estimate)
    assert.equal("constant", fit.coefficients[3].note)
    local alone = stats.logistic({ x8 }, y8)
    near(alone.coefficients[2].estimate, fit.coefficients[2].estimate)
    near(alone.loglik, fit.loglik)
    assert.is_nil(alone.collinear)
    local test = stats.likelihood_ratio(alone, fit)
    assert.equal(0, test.df)
    assert.is_nil(test.p)
  end)

  it("takes two rows, one row and none", function()
    local two = stats.logistic({ { 1, 2 } }, { 0, 1 })
    assert.is_true(two.separated)
    local same = stats.logistic({ { 1, 1 } }, { 0, 1 })
    near(0, same.coefficients[1].estimate, 1e-9)
    near(math.sqrt(2), same.coefficients[1].se, 1e-9)
    assert.is_true(stats.logistic({ { 1 } }, { 1 }).separated)
    local none = stats.logistic({ {} }, {})
    assert.equal(0, none.n)
    assert.is_false(none.converged)
  end)

  it("leaves out rows with a missing number or no weight, and counts the missing ones", function()
    local x, y, w = { 9, table.unpack(x8) }, { [1] = nil, n = 9 }, {}
    for i = 1, 8 do y[i + 1] = y8[i] end
    for i = 1, 9 do w[i] = 1 end
    local fit = stats.logistic({ x }, y)
    assert.equal(1, fit.missing)
    assert.equal(8, fit.n)
    near(stats.logistic({ x8 }, y8).loglik, fit.loglik)
    y[1], w[1] = 1, 0
    fit = stats.logistic({ x }, y, { weights = w })
    assert.equal(0, fit.missing)
    near(stats.logistic({ x8 }, y8).loglik, fit.loglik)
  end)

  it("does not mind huge values or tiny spreads", function()
    local plain = stats.logistic({ x8 }, y8)
    local huge, shifted = {}, {}
    for i, x in ipairs(x8) do huge[i], shifted[i] = x * 1e150, 1e9 + x / 1024 end
    local fit = stats.logistic({ huge }, y8)
    near(plain.loglik, fit.loglik, 1e-12)
    near(plain.coefficients[2].estimate, fit.coefficients[2].estimate * 1e150, 1e-9)
    fit = stats.logistic({ shifted }, y8)
    near(plain.loglik, fit.loglik, 1e-9)
    near(plain.coefficients[2].estimate * 1024, fit.coefficients[2].estimate, 1e-7)
  end)

  it("says when it was stopped before it converged", function()
    local fit = stats.logistic({ x8 }, y8, { max_iterations = 1 })
    assert.is_false(fit.converged)
    assert.is_false(fit.separated)
    assert.matches("not converged after 1 iterations", tostring(fit))
  end)

  it("starts from an earlier fit and ends at the same place", function()
    local a, b, y = rows()
    local small = stats.logistic({ a }, y)
    local cold = stats.logistic({ a, b }, y)
    local warm = stats.logistic({ a, b }, y, { start = small })
    near(cold.loglik, warm.loglik, 1e-12)
    local again = stats.logistic({ a, b }, y, { start = cold })
    assert.is_true(again.iterations <= 2)
    near(cold.coefficients[3].estimate, again.coefficients[3].estimate, 1e-10)
  end)

  it("has the same bits for one and two threads", function()
    local a, b, y = rows()
    local before = core.threads()
    local function figures(threads)
      core.threads(threads)
      local fit = stats.logistic({ a, b:log1p() }, y, { robust = true })
      local line = stats.linear({ a, y }, b)
      return { fit.loglik, fit.coefficients[2].estimate, fit.coefficients[3].se,
        line.coefficients[2].estimate, line.coefficients[2].se }
    end
    local one, two = figures(1), figures(2)
    core.threads(before)
    assert.same(one, two)
  end)

  it("gives fitted probabilities that add up to the events", function()
    local a, b, y = rows()
    local fit = stats.logistic({ a, b }, y, { fitted = true })
    near(y:sum(), fit.fitted:sum(), 1e-9)
  end)

  it("blames the caller's line for a wrong call", function()
    local function message(...)
      local fine, text = pcall(...)
      assert.is_false(fine)
      return text
    end
    assert.matches("spec.model_spec%.lua:%d+: logistic: unknown option 'wieghts' %(did you mean "
      .. "'weights'", message(function() stats.logistic({ x8 }, y8, { wieghts = x8 }) end))
    assert.matches("logistic: column 1: 2 numbers %(expected 8",
      message(function() stats.logistic({ { 1, 2 } }, y8) end))
    assert.matches("spec.model_spec%.lua:%d+: logistic: y: row 8: 2 %(expected 0, 1 or a share%)",
      message(function() stats.logistic({ x8 }, { 0, 0, 0, 0, 1, 1, 1, 2 }) end))
    assert.matches("logistic: clusters: 1 found", message(function()
      stats.logistic({ x8 }, y8, { clusters = { 1, 1, 1, 1, 1, 1, 1, 1 } })
    end))
    assert.matches("not a weight", message(function()
      stats.logistic({ x8 }, y8, { weights = { -1, 1, 1, 1, 1, 1, 1, 1 } })
    end))
    assert.matches("infinite", message(function()
      stats.logistic({ { 1, 2, 3, 4, 5, 6, 7, math.huge } }, y8)
    end))
    assert.matches("expected a fit", message(function() stats.likelihood_ratio({}, {}) end))
    assert.matches("expected the smaller fit first", message(function()
      stats.likelihood_ratio(stats.logistic({ x8 }, y8), stats.logistic({}, y8))
    end))
  end)
end)

describe("cells", function()
  it("come in ascending order, missing first, with weights and the cell of each row", function()
    local cells = stats.cells({ new({ 2, nil, 1, 2, 1 }, 5), { 0, 5, 7, 0, 6 } }, { index = true })
    assert.equal(4, cells.count)
    assert.is_nil(cells.columns[1][1])
    assert.same({ nil, 1, 1, 2 }, { cells.columns[1][1], cells.columns[1][2], cells.columns[1][3],
      cells.columns[1][4] })
    assert.same({ 5, 6, 7, 0 }, cells.columns[2]:table())
    assert.same({ 1, 1, 1, 2 }, cells.weights:table())
    assert.same({ 4, 1, 3, 4, 2 }, cells.index:table())
  end)

  it("do not depend on the order of rows, nor on threads", function()
    local a, b, y = rows()
    local backwards = (core.vector.sequence(#a) * -1):order()
    local before = core.threads()
    core.threads(1)
    local one = stats.cells { a, b, y }
    core.threads(2)
    local two = stats.cells { a:take(backwards), b:take(backwards), y:take(backwards) }
    core.threads(before)
    for i = 1, 3 do assert.same(one.columns[i]:table(), two.columns[i]:table()) end
    assert.same(one.weights:table(), two.weights:table())
    assert.equal(3000, one.weights:sum())
  end)

  it("count tuples as a plain Lua table does, for many and few distinct values", function()
    local a, b, wide, counts = {}, {}, {}, {}
    for i = 1, 40000 do
      a[i], b[i], wide[i] = i * 7919 % 20011, i % 2, (i * 31 % 39999) / 7
      local key = a[i] .. ":" .. b[i] .. ":" .. wide[i]
      counts[key] = (counts[key] or 0) + 1
    end
    local cells = stats.cells { a, b, wide }
    local distinct = 0
    for _ in pairs(counts) do distinct = distinct + 1 end
    assert.equal(distinct, cells.count)
    for i = 1, cells.count, 97 do
      local key = string.format("%d:%d:%s", cells.columns[1][i], cells.columns[2][i],
        cells.columns[3][i])
      assert.equal(counts[key], cells.weights[i])
    end
  end)

  it("give the fits that the rows give", function()
    local a, b, y, time, status = rows()
    local function compare(by_rows, by_cells)
      near(by_rows.loglik, by_cells.loglik, 1e-12)
      for i, c in ipairs(by_rows.coefficients) do
        near(c.estimate, by_cells.coefficients[i].estimate, 1e-11)
        near(c.se, by_cells.coefficients[i].se, 1e-11)
      end
    end
    local cells = stats.cells { a, b, y }
    local columns, weights = cells.columns, { weights = cells.weights }
    local x, outcome = { columns[1], columns[2] }, columns[3]
    compare(stats.logistic({ a, b }, y), stats.logistic(x, outcome, weights))
    compare(stats.poisson({ a, b }, y), stats.poisson(x, outcome, weights))
    compare(stats.linear({ a, b }, y), stats.linear(x, outcome, weights))
    compare(stats.logistic({ a, b }, y, { robust = true }),
      stats.logistic(x, outcome, { weights = cells.weights, robust = true }))
    local timed = stats.cells { a, b, time, status }
    local covariates = { timed.columns[1], timed.columns[2] }
    for _, ties in ipairs { "efron", "breslow" } do
      compare(stats.cox({ a, b }, time, status, { ties = ties, robust = true }),
        stats.cox(covariates, timed.columns[3], timed.columns[4],
          { ties = ties, weights = timed.weights, robust = true }))
    end
    local by_rows = stats.concordance(a, time, status)
    local by_cells = stats.concordance(timed.columns[1], timed.columns[3], timed.columns[4],
      { weights = timed.weights })
    near(by_rows.estimate, by_cells.estimate, 1e-12)
    near(by_rows.se, by_cells.se, 1e-12)
  end)
end)

describe("a Cox regression", function()
  it("says when the likelihood has no maximum", function()
    -- The group with x = 1 fails first, always.
    local fit = stats.cox({ { 1, 1, 1, 0, 0, 0 } }, { 1, 2, 3, 4, 5, 6 }, { 1, 1, 1, 1, 1, 1 })
    assert.is_true(fit.separated)
    assert.is_nil(fit.coefficients[1].estimate)
    assert.equal("separated", fit.coefficients[1].note)
  end)

  it("takes data without events, and columns that never vary within a stratum", function()
    local none = stats.cox({ { 1, 2, 3 } }, { 1, 2, 3 }, { 0, 0, 0 })
    assert.equal(0, none.loglik)
    assert.is_nil(none.coefficients[1].estimate)
    local fit = stats.cox({ { 1, 1, 1, 2, 2, 2 }, { 1, 3, 2, 1, 2, 3 } }, { 1, 2, 3, 1, 2, 3 },
      { 1, 1, 1, 1, 1, 1 }, { strata = { 1, 1, 1, 2, 2, 2 } })
    assert.equal("collinear", fit.coefficients[1].note)
    assert.is_number(fit.coefficients[2].estimate)
    assert.equal(1, fit.rank)
  end)

  it("refuses a status that is neither 0 nor 1", function()
    assert.has_error(function() stats.cox({ { 1, 2 } }, { 1, 2 }, { 1, 2 }) end)
    assert.has_error(function() stats.cox({ { 1, 2 } }, { 1, 2 }, { 1, 0 }, { ties = "exact" }) end)
  end)
end)

describe("survival curves", function()
  it("step down by hand-made figures", function()
    local km = stats.kaplan_meier({ 1, 2, 2, 3, 5 }, { 1, 1, 0, 0, 1 })
    assert.same({ 1, 2, 3, 5 }, km.time:table())
    assert.same({ 5, 4, 2, 1 }, km.at_risk:table())
    near(0.8, km.survival[1])
    near(0.6, km.survival[2])
    near(0.6, km.survival[3])
    assert.equal(0, km.survival[4])
    assert.equal(1, km:at(0.5).estimate)
    near(0.6, km:at(4).estimate)
    assert.equal(0, km:at(9).estimate)
    assert.is_nil(stats.kaplan_meier({ 1, 2 }, { 1, 0 }):at(3))
    assert.equal(5, km.median.estimate)
    assert.is_nil(stats.kaplan_meier({ 1, 2, 3 }, { 1, 0, 0 }).median.estimate)
  end)

  it("split by group, and the log-rank test adds up", function()
    local time, status, group = { 1, 2, 3, 4, 5, 6 }, { 1, 1, 0, 1, 1, 1 }, { 1, 1, 1, 2, 2, 2 }
    local km = stats.kaplan_meier(time, status, { groups = group })
    assert.equal(2, #km.groups)
    assert.equal(3, km.groups[2].n)
    local test = stats.log_rank(time, status, group)
    near(5, test.groups[1].expected + test.groups[2].expected)
    assert.equal(1, test.df)
    assert.has_error(function() stats.log_rank(time, status, { 1, 1, 1, 1, 1, 1 }) end)
  end)
end)

describe("sums of influences", function()
  it("are those of a loop over the rows, whatever the columns are made of", function()
    local n, coded, wide, residual = 9001, {}, {}, {} -- three blocks
    for i = 1, n do
      coded[i], wide[i], residual[i] = i * 7 % 5, math.sin(i), math.cos(i * i)
    end
    local a, b = { 0.5, -1, 2 }, { 1, 0.25, -3 }
    local product, fourths, joint = 0, 0, 0
    for i = 1, n do
      local left = (a[1] + a[2] * coded[i] + a[3] * wide[i]) * residual[i]
      local right = (b[1] + b[2] * coded[i] + b[3] * wide[i]) * residual[i]
      product, fourths, joint = product + left ^ 2, fourths + left ^ 4, joint + left * right
    end
    local columns, influences = { new(coded), new(wide) }, core.model.influences
    local found, found_fourths = influences(columns, new(residual), a)
    near(product, found, 1e-12)
    near(fourths, found_fourths, 1e-12)
    near(joint, (influences(columns, new(residual), a, b)), 1e-12)
    near(product, (influences({ new(coded):floor(), columns[2] }, new(residual), a)), 1e-12)
  end)
end)
