-- Statistics of ranks: naive twins, weights, order, threads, and the ends of their domain.
local core = require "wayproof.core"
local stats = require "wayproof.stats"

-- A small generator of our own, so that a failure names its seed.
local function generator(seed)
  local state = seed
  return function(limit)
    state = (state * 6364136223846793005 + 1442695040888963407) & 0x7fffffffffffffff
    return (state >> 33) % limit
  end
end

local function sample(seed, n, values, weight_limit)
  local random = generator(seed)
  local x, y, label, w = {}, {}, {}, {}
  for i = 1, n do
    x[i] = random(values)
    y[i] = random(values) + x[i] // 2
    label[i] = random(10) < 3 + x[i] % 3 and 1 or 0
    w[i] = random(weight_limit or 4)
  end
  label[1], label[2], label[3], label[4] = 0, 1, 0, 1
  w[1], w[2], w[3], w[4] = 1, 2, 3, 1
  return x, y, label, w
end

-- Each row repeated as often as its weight says.
local function expand(w, ...)
  local out = {}
  for k, column in ipairs { ... } do
    out[k] = {}
    for i, v in ipairs(column) do
      for _ = 1, w[i] do out[k][#out[k] + 1] = v end
    end
  end
  return table.unpack(out)
end

-- Every pair compared, and DeLong's components by their definition.
local function naive_auc(scores, labels)
  local pos, neg = {}, {}
  for i, s in ipairs(scores) do
    local class = labels[i] == 1 and pos or neg
    class[#class + 1] = s
  end
  local v10, v01, a = {}, {}, 0
  for j = 1, #neg do v01[j] = 0 end
  for i, p in ipairs(pos) do
    v10[i] = 0
    for j, q in ipairs(neg) do
      local win = p > q and 1 or p == q and 0.5 or 0
      v10[i], v01[j] = v10[i] + win / #neg, v01[j] + win / #pos
    end
    a = a + v10[i] / #pos
  end
  local function variance(v)
    local sum = 0
    for _, one in ipairs(v) do sum = sum + (one - a) ^ 2 end
    return sum / (#v - 1) / #v
  end
  return a, variance(v10) + variance(v01)
end

local function all_fields_finite(result)
  for key, value in pairs(result) do
    if type(value) == "number" then
      assert.is_true(value == value and value > -math.huge and value < math.huge, key)
    end
  end
end

describe("auc", function()
  it("equals comparing every pair", function()
    for seed = 1, 30 do
      local x, _, label = sample(seed, 10 + seed * 3, seed % 3 == 0 and 1000 or 7)
      local estimate, variance = naive_auc(x, label)
      local found = stats.auc(x, label)
      assert.is_near(estimate, found.estimate, 1e-13, "seed " .. seed)
      assert.is_near(variance, found.variance, 1e-13, "seed " .. seed)
    end
  end)

  it("gives the same bits for whole numbers counted and for the same numbers sorted", function()
    local x, _, label = sample(5, 5000, 40)
    local halves = {}
    for i, v in ipairs(x) do halves[i] = v + 0.5 end -- not whole: sorted instead of counted
    local a, b = stats.auc(x, label), stats.auc(halves, label)
    assert.equal(a.estimate, b.estimate)
    assert.equal(a.variance, b.variance)
  end)

  it("gives the same bits for weighted rows, repeated rows and any order", function()
    for seed = 1, 10 do
      local x, y, label, w = sample(seed, 400, 25)
      local ex, ey, elabel = expand(w, x, y, label)
      local a, b = stats.auc(x, label, { weights = w }), stats.auc(ex, elabel)
      assert.equal(b.n1, a.n1)
      for _, field in ipairs { "estimate", "variance", "low", "high", "p" } do
        assert.equal(b[field], a[field], field)
      end
      local rx, rlabel = {}, {}
      for i = 1, #ex do rx[i], rlabel[i] = ex[#ex + 1 - i], elabel[#ex + 1 - i] end
      assert.equal(b.variance, stats.auc(rx, rlabel).variance)
      local c = stats.auc_compare(x, y, label, { weights = w })
      local d = stats.auc_compare(ex, ey, elabel)
      for _, field in ipairs { "estimate", "se", "covariance", "p" } do
        assert.equal(d[field], c[field], field)
      end
    end
  end)

  it("gives the same bits for one and two threads", function()
    local threads = core.threads()
    local x, label = {}, {}
    local random = generator(99)
    for i = 1, 120000 do
      x[i] = random(1 << 30) / 7
      label[i] = random(20) == 0 and 1 or 0
    end
    core.threads(1)
    local one = stats.auc(x, label)
    core.threads(2)
    local two = stats.auc(x, label)
    core.threads(threads)
    assert.equal(one.estimate, two.estimate)
    assert.equal(one.variance, two.variance)
  end)

  it("is exact for two thousand million users in weighted rows and stays within 0 and 1", function()
    local w = { 499999999, 499999999, 499999999, 499999999 }
    local found = stats.auc({ 1, 2, 1, 2 }, { 0, 1, 1, 0 }, { weights = w })
    assert.equal(0.5, found.estimate)
    assert.equal(999999998, found.n1)
    local perfect = stats.auc({ 1, 2 }, { 0, 1 }, { weights = { 1000000000, 1000000000 } })
    assert.equal(1, perfect.estimate)
    assert.equal(0, perfect.variance)
    assert.has_error(function()
      stats.auc({ 1, 2 }, { 0, 1 }, { weights = { 2147483647, 2147483647 } })
    end)
  end)

  it("takes vectors, booleans and holes, and counts what is missing", function()
    local scores = core.vector.new({ 1, 2, 0 / 0, 4, 5 }, 5)
    local found = stats.auc(scores, { false, true, true, true, false })
    assert.equal(1, found.missing)
    assert.equal(4, found.n)
    local holes = stats.auc({ 1, nil, 3, 4, n = 4 }, { 0, 1, 1, 0 })
    assert.equal(1, holes.missing)
    assert.equal(3, holes.n)
  end)

  it("says why there is no answer, and never leaks NaN", function()
    local one_class = stats.auc({ 1, 2 }, { 1, 1 })
    assert.is_nil(one_class.estimate)
    assert.equal("all users have the same label", one_class.undefined)
    assert.equal("no user has both a score and a label", stats.auc({}, {}).undefined)
    for _, result in ipairs {
      one_class, stats.auc({}, {}), stats.auc({ 1, 2 }, { 0, 1 }), stats.auc({ 2, 2 }, { 0, 1 }),
      stats.auc({ 1, 2, 3, 4 }, { 0, 0, 1, 1 }),
      stats.auc({ 1, 1 }, { 0, 1 }, { weights = { 0, 0 } }),
      stats.auc({ math.huge, -math.huge, 3, 4 }, { 1, 0, 0, 1 }),
    } do
      all_fields_finite(result)
    end
  end)

  it("does not claim certainty for a perfect score of four users", function()
    local found = stats.auc({ 1, 2, 3, 4 }, { 0, 0, 1, 1 })
    assert.equal(1, found.estimate)
    assert.equal("score", found.method)
    assert.is_true(found.low < 0.5)
    assert.equal(1, found.high)
    assert.is_true(found.p > 0.1)
  end)

  it("of a constant score is 0.5 and tests nothing", function()
    local found = stats.auc({ 3, 3, 3, 3 }, { 0, 1, 0, 1 })
    assert.equal(0.5, found.estimate)
    assert.equal(0, found.variance)
    assert.is_nil(found.p)
    assert.equal("constant", found.method)
  end)

  it("chooses its interval by the rule of the house when asked", function()
    local x, _, label = sample(3, 2000, 1000)
    assert.equal("delong_logit", stats.auc(x, label, { method = "auto" }).method)
    local few_x, _, few = sample(3, 90, 1000)
    assert.equal("score", stats.auc(few_x, few, { method = "auto" }).method)
    local did = {}
    for i = 1, #label do did[i] = x[i] % 2 end
    local hybrid = stats.auc(did, label, { method = "auto" })
    assert.equal("hybrid", hybrid.method)
    -- 1/2 + (p1 - p0) / 2 with Newcombe's interval for p1 - p0.
    local k1, n1, k0, n0 = 0, 0, 0, 0
    for i, l in ipairs(label) do
      if l == 1 then n1, k1 = n1 + 1, k1 + did[i] else n0, k0 = n0 + 1, k0 + did[i] end
    end
    local two = stats.two_proportions(k1, n1, k0, n0)
    assert.is_near(0.5 + two.estimate / 2, hybrid.estimate, 1e-14)
    assert.is_near(0.5 + two.low / 2, hybrid.low, 1e-14)
    assert.is_near(0.5 + two.high / 2, hybrid.high, 1e-14)
  end)

  it("has a score interval whose limits solve its equation", function()
    local x, _, label = sample(8, 60, 1000)
    local found = stats.auc(x, label, { method = "score" })
    local z, n = stats.normal_quantile(0.975), (found.n1 + found.n0) / 2 - 1
    for _, a in ipairs { found.low, found.high } do
      local v = a * (1 - a) * (1 + n * (1 - a) / (2 - a) + n * a / (1 + a)) / (found.n1 * found.n0)
      assert.is_near(z * math.sqrt(v), math.abs(found.estimate - a), 1e-12)
    end
  end)

  it("names both lengths, wrong labels, weights and options, on the caller's line", function()
    local function message(...)
      local ok, text = pcall(...)
      assert.is_false(ok)
      assert.matches("^spec/stats_rank_spec.lua:%d+: ", text)
      return text
    end
    assert.matches("labels: found 2 %(expected 3, as many as scores%)",
      message(function() stats.auc({ 1, 2, 3 }, { 0, 1 }) end))
    assert.matches("label 2: found 7 %(expected 0 or 1%)",
      message(function() stats.auc({ 1, 2 }, { 0, 7 }) end))
    assert.matches("weight 1: found 0.5 %(expected a whole number >= 0%)",
      message(function() stats.auc({ 1, 2 }, { 0, 1 }, { weights = { 0.5, 1 } }) end))
    assert.matches("did you mean 'weights'",
      message(function() stats.auc({ 1, 2 }, { 0, 1 }, { weigths = {} }) end))
    assert.matches("scores: number 2: found a string",
      message(function() stats.auc({ 1, "2x" }, { 0, 1 }) end))
    assert.matches("scores: found a nil", message(function() stats.auc(nil, { 0, 1 }) end))
  end)
end)

describe("auc_compare", function()
  it("of a score with itself finds no difference", function()
    local x, _, label = sample(4, 200, 30)
    local found = stats.auc_compare(x, x, label)
    assert.equal(0, found.estimate)
    assert.equal(0, found.se)
    assert.is_nil(found.p)
  end)

  it("uses the same users for both scores", function()
    local found = stats.auc_compare({ 1, 2, 3, 4, n = 5 }, { 2, nil, 1, 4, 5, n = 5 },
      { 0, 1, 1, 0, 1 })
    assert.equal(2, found.missing)
    assert.equal(3, found.a.n)
    assert.equal(3, found.b.n)
  end)
end)

describe("rank correlations", function()
  it("give the same bits for weighted rows and repeated rows", function()
    for seed = 1, 10 do
      local x, y, _, w = sample(seed, 150, 12)
      local ex, ey = expand(w, x, y)
      for _, name in ipairs { "spearman", "kendall" } do
        local a, b = stats[name](x, y, { weights = w }), stats[name](ex, ey)
        for _, field in ipairs { "estimate", "statistic", "p", "low", "high", "n" } do
          assert.equal(b[field], a[field], name .. " " .. field)
        end
      end
    end
  end)

  it("equal the definition: Pearson of mid-ranks, and pairs counted one by one", function()
    for seed = 1, 10 do
      local x, y = sample(seed, 60, 9)
      local rx, ry = stats.ranks(x), stats.ranks(y)
      local sxy, sxx, syy, s, tx, ty, pairs_count = 0, 0, 0, 0, 0, 0, 0
      for i = 1, #x do
        local a, b = rx[i] - 30.5, ry[i] - 30.5
        sxy, sxx, syy = sxy + a * b, sxx + a * a, syy + b * b
        for j = i + 1, #x do
          local dx, dy = x[i] - x[j], y[i] - y[j]
          local sign = dx * dy
          s = s + (sign > 0 and 1 or sign < 0 and -1 or 0)
          tx, ty = tx + (dx == 0 and 1 or 0), ty + (dy == 0 and 1 or 0)
          pairs_count = pairs_count + 1
        end
      end
      assert.is_near(sxy / math.sqrt(sxx * syy), stats.spearman(x, y).rho, 1e-13)
      local tau = s / math.sqrt((pairs_count - tx) * (pairs_count - ty))
      assert.is_near(tau, stats.kendall(x, y).tau, 1e-13)
    end
  end)

  it("have no answer for constants, and say so", function()
    for _, name in ipairs { "spearman", "kendall" } do
      local found = stats[name]({ 1, 1, 1 }, { 1, 2, 3 })
      assert.is_nil(found.estimate)
      assert.equal("a column is constant", found.undefined)
      assert.equal("fewer than 2 users", stats[name]({ 1 }, { 2 }).undefined)
      all_fields_finite(stats[name]({ 1, 2 }, { 2, 1 }))
      all_fields_finite(stats[name]({ 1, 2, 3, 4 }, { 1, 2, 3, 4 }))
    end
    local same = stats.partial_spearman({ 1, 2, 3, 4 }, { 2, 1, 4, 3 }, { 1, 2, 3, 4 })
    assert.is_nil(same.estimate)
    assert.equal("a column is constant or repeats another", same.undefined)
  end)

  it("reach exactly 1 and -1", function()
    local x, up, down = {}, {}, {}
    for i = 1, 77 do x[i], up[i], down[i] = i % 13, (i % 13) ^ 3, -(i % 13) end
    assert.equal(1, stats.spearman(x, up).rho)
    assert.equal(-1, stats.spearman(x, down).rho)
    assert.equal(1, stats.kendall(x, up).tau)
    assert.equal(-1, stats.kendall(x, down).tau)
  end)

  it("at equal z equal the correlation of what z leaves of the ranks", function()
    local x, y, z = sample(21, 80, 50)
    local rx, ry, rz = stats.ranks(x), stats.ranks(y), stats.ranks(z)
    local function residuals(r)
      local szz, srz, out = 0, 0, {}
      for i = 1, #x do
        szz, srz = szz + (rz[i] - 40.5) ^ 2, srz + (rz[i] - 40.5) * (r[i] - 40.5)
      end
      for i = 1, #x do out[i] = r[i] - 40.5 - srz / szz * (rz[i] - 40.5) end
      return out
    end
    local a, b, sab, saa, sbb = residuals(rx), residuals(ry), 0, 0, 0
    for i = 1, #x do sab, saa, sbb = sab + a[i] * b[i], saa + a[i] ^ 2, sbb + b[i] ^ 2 end
    assert.is_near(sab / math.sqrt(saa * sbb), stats.partial_spearman(x, y, z).rho, 1e-12)
  end)
end)

describe("dose", function()
  it("keeps equal scores together and follows the mid-rank rule", function()
    for seed = 1, 8 do
      local x, _, label = sample(seed, 137, 6 + seed)
      local ranks, groups = stats.ranks(x), 1 + seed % 5
      local users, events = {}, {}
      for i = 1, #x do
        local k = math.min(groups, math.floor(groups * (ranks[i] - 0.5) / #x) + 1)
        users[k], events[k] = (users[k] or 0) + 1, (events[k] or 0) + label[i]
      end
      for _, row in ipairs(stats.dose(x, label, { groups = groups })) do
        assert.equal(users[row.group], row.users)
        assert.equal(events[row.group], row.events)
        users[row.group] = nil
      end
      assert.is_nil(next(users))
    end
  end)

  it("gives rates, Wilson intervals, lift and what the top captures", function()
    local table_of = stats.dose({ 1, 2, 3, 4, 5, 6, 7, 8 }, { 0, 0, 0, 1, 0, 1, 1, 1 },
      { groups = 4 })
    assert.equal(4, #table_of)
    assert.equal(0.5, table_of.base)
    local last = table_of[4]
    local wilson = stats.wilson(2, 2)
    assert.same({ 7, 8, 2, 2, 1.0, 2.0, 0.5 }, { last.from, last.to, last.users, last.events,
      last.rate, last.lift, last.capture })
    assert.equal(wilson.low, last.low)
    assert.equal(1, table_of[1].capture)
  end)

  it("takes a numeric outcome and leaves out empty groups", function()
    local found = stats.dose({ 1, 1, 1, 9 }, { 2, 4, 6, 10 }, { groups = 4 })
    assert.is_false(found.binary)
    assert.equal(2, #found)
    assert.equal(4, found[1].rate)
    -- t.test(c(2,4,6)) in R: -0.9682754 to 8.9682754
    assert.is_near(-0.968275352, found[1].low, 1e-7)
    assert.is_nil(found[2].low)
    assert.equal(0, #stats.dose({}, {}))
  end)

  it("bends a skewed mean's interval to the side where the truth may be", function()
    local one = {}
    for i = 1, 10 do one[i] = 1 end
    local row = stats.dose(one, { 0, 0, 0, 0, 5, 0, 20, 0, 3, 0 })[1]
    -- R: x <- c(0,0,0,0,5,0,20,0,3,0); n <- 10; m <- mean(x); se <- sd(x)/sqrt(n);
    -- g <- mean((x-m)^3)/mean((x-m)^2)^1.5; q <- qt(.975, 9)
    -- G <- function(y) y + g/sqrt(n)*(y^2/3 + 1/6) + (g/3)^2/3/n*y^3
    -- inv <- function(v) uniroot(function(y) G(y) - v, c(-100, 100), tol = 1e-12)$root
    -- c(m - se*inv(q), m - se*inv(-q))
    assert.is_near(-0.2008092052, row.low, 1e-9)
    assert.is_near(18.2613260404, row.high, 1e-9)
    -- the same money the other way round bends the other way
    local back = stats.dose(one, { 0, 0, 0, 0, -5, 0, -20, 0, -3, 0 })[1]
    assert.is_near(-row.high, back.low, 1e-9)
    assert.is_near(-row.low, back.high, 1e-9)
  end)

  it("gives the same for weighted and repeated rows", function()
    local x, _, label, w = sample(6, 300, 15)
    local ex, elabel = expand(w, x, label)
    assert.same(stats.dose(ex, elabel):table(), stats.dose(x, label, { weights = w }):table())
  end)
end)

describe("quantile", function()
  it("interpolates as R's type 7, also through weights", function()
    local x, _, _, w = sample(9, 50, 30)
    local ex = expand(w, x)
    local levels = { 0, 0.01, 0.1, 0.25, 0.5, 0.77, 0.99, 1 }
    assert.same(stats.quantile(ex, levels), stats.quantile(x, levels, { weights = w }))
    assert.equal(2.5, stats.quantile({ 4, 1, 3, 2 }, 0.5))
    assert.is_nil(stats.quantile({}, 0.5))
  end)
end)

describe("gini", function()
  it("of an outcome sorted by itself is 1, in reverse -1", function()
    local y, reverse = { 0, 3, 10, 2, 8 }, { 0, -3, -10, -2, -8 }
    assert.is_near(1, stats.gini_normalised(y, y).estimate, 1e-14)
    assert.is_near(-1, stats.gini_normalised(reverse, y).estimate, 1e-14)
    assert.is_near(0, stats.gini_normalised({ 1, 1, 1, 1, 1 }, y).estimate, 1e-14)
    assert.is_nil(stats.gini({ 0, 0 }).estimate)
  end)
end)
