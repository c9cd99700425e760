-- Resampling: laws of the draws, agreement of the fast paths with plain ones, seeds and threads.
local core = require "wayproof.core"
local stats = require "wayproof.stats"
local new = core.vector.new

local function near(expected, found, tolerance)
  assert.is_number(found)
  assert.is_true(math.abs(expected - found) <= tolerance,
    string.format("%.15g, expected %.15g +- %g", found, expected, tolerance))
end

-- Scores of few or of many distinct values, with about a third of positives.
local function data(n, distinct)
  local scores, labels, strata, seed = {}, {}, {}, 42
  local function draw(limit)
    seed = (seed * 6364136223846793005 + 1442695040888963407)
    return (seed >> 33) % limit
  end
  for i = 1, n do
    scores[i] = draw(distinct)
    labels[i] = draw(30) < 10 + scores[i] * 6 // distinct and 1 or 0
    strata[i] = draw(4)
  end
  return new(scores), new(labels), new(strata)
end

describe("the bootstrap", function()
  it("comes near the standard error of a mean", function()
    local x, sum = {}, 0
    for i = 1, 100 do
      x[i] = (i * 37 % 101) / 10
      sum = sum + x[i]
    end
    local calls = 0
    local result = stats.bootstrap(100, function(places)
      calls = calls + 1
      local total = 0
      for _, place in ipairs(places) do total = total + x[place] end
      return total / #places
    end, { resamples = 999, seed = 5 })
    assert.equal(1000, calls)
    near(sum / 100, result.estimate, 1e-12)
    local se = new(x):sd() * math.sqrt(0.99 / 100)
    near(se, result.se, 0.1 * se)
    near(result.estimate - 1.96 * se, result.low, 0.3 * se)
    near(result.estimate + 1.96 * se, result.high, 0.3 * se)
    assert.equal(999, #result.replicates)
    assert.equal(5, result.seed)
  end)

  it("has the same numbers for the same seed, others for another", function()
    local function total(places)
      local sum = 0
      for i, place in ipairs(places) do sum = sum + i * place end
      return sum
    end
    local one = stats.bootstrap(20, total, { resamples = 50 })
    local two = stats.bootstrap(20, total, { resamples = 50 })
    local three = stats.bootstrap(20, total, { resamples = 50, seed = 2 })
    assert.same(one.replicates:table(), two.replicates:table())
    assert.are_not.same(one.replicates:table(), three.replicates:table())
  end)

  it("counts replicates that cannot be computed", function()
    local result = stats.bootstrap(2, function(places)
      if places[1] == places[2] then return nil end
      return 1
    end, { resamples = 200 })
    assert.is_true(result.failed > 60 and result.failed < 140)
    assert.equal(1, result.estimate)
  end)

  it("of the AUC agrees with DeLong's error, however many distinct scores there are", function()
    for _, distinct in ipairs { 7, 1000000 } do
      local scores, labels = data(4000, distinct)
      local exact = stats.auc(scores, labels)
      local result = stats.auc_bootstrap(scores, labels, { resamples = 1500 })
      near(exact.estimate, result.estimate, 1e-12)
      near(exact.se, result.se, 0.08 * exact.se)
      near(exact.estimate, result.replicates:mean(), 5 * exact.se / math.sqrt(1500))
      assert.equal(0, result.failed)
    end
  end)

  it("of the AUC reads weights as cases and draws whole clusters", function()
    local scores, labels = data(600, 5)
    local cells = stats.cells { scores, labels }
    local by_rows = stats.auc_bootstrap(scores, labels, { resamples = 100 })
    local by_cells = stats.auc_bootstrap(cells.columns[1], cells.columns[2],
      { weights = cells.weights, resamples = 100 })
    assert.same(by_rows.replicates:table(), by_cells.replicates:table())
    -- Every user three times over in one cluster: the error is that of the users once.
    local again = core.vector.concat { scores, scores, scores }
    local label = core.vector.concat { labels, labels, labels }
    local user = core.vector.sequence(600)
    local clustered = stats.auc_bootstrap(again, label, { resamples = 800,
      clusters = core.vector.concat { user, user, user } })
    local once = stats.auc(scores, labels)
    near(once.se, clustered.se, 0.1 * once.se)
  end)

  it("of the AUC has a result missing where a resample holds one label", function()
    local result = stats.auc_bootstrap({ 1, 2, 3 }, { 0, 0, 1 }, { resamples = 500 })
    -- (2/3)^3 without positives, (1/3)^3 without the others: 1/3 of the resamples.
    near(500 / 3, result.failed, 4 * math.sqrt(500 * 2 / 9))
    assert.is_nil(stats.auc_bootstrap({ 1, 2 }, { 0, 0 }, { resamples = 10 }).estimate)
  end)

  it("draws multinomial counts of whole weights", function()
    local weights, total = { 5, 0, 20, 1000, 3 }, 1028
    local sums = core.vector.full(5, 0)
    for stream = 0, 999 do
      local counts = stats.multinomial(weights, 9, stream)
      assert.equal(total, counts:sum())
      sums = sums + counts
    end
    for i, weight in ipairs(weights) do
      local sd = math.sqrt(weight * (1 - weight / total) / 1000)
      near(weight, sums[i] / 1000, 5 * sd + 1e-12)
    end
  end)
end)

describe("a permutation test", function()
  -- Two samples; exact p of the difference of means 0.1318681319, U 35 with exact one-sided p
  -- 0.1272061272 (all 3003 splits; base R).
  local x = { 0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46, 1.15, 0.88, 0.90, 0.74,
    1.21 }
  local label = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0 }

  it("comes near the exact p of a small example, in Lua and in the core", function()
    local general = stats.permutation(15, function(places)
      local sum = 0
      for i = 1, 10 do sum = sum + x[places[i]] end
      return sum
    end, { resamples = 4000 })
    near(0.1318681319, general.p, 4 * math.sqrt(0.13 * 0.87 / 4000) * 1.5)
    local fast = stats.score_permutation(x, label, { resamples = 20000 })
    near(0.1318681319, fast.p, 4 * math.sqrt(0.13 * 0.87 / 20000) * 1.5)
    local ranked = stats.score_permutation(x, label,
      { resamples = 20000, ranks = true, alternative = "greater" })
    near(0.1272061272, ranked.p, 4 * math.sqrt(0.13 * 0.87 / 20000))
    near(0.7, ranked.auc, 1e-12)
  end)

  it("has the exact permutation mean and variance, for few and many distinct scores", function()
    for _, distinct in ipairs { 6, 1000000 } do
      local scores, labels, strata = data(3000, distinct)
      local result = stats.score_permutation(scores, labels, { strata = strata, resamples = 2000 })
      local mean, variance = 0, 0
      for level = 0, 3 do
        local here = strata:equals(level)
        local a, y = scores:select(here), labels:select(here)
        local n, k = #a, y:sum()
        mean = mean + k * a:mean()
        variance = variance + k * (n - k) / n * a:sd() ^ 2
      end
      near(mean, result.mean, 1e-9 * math.abs(mean))
      near(math.sqrt(variance), result.sd, 1e-9 * math.sqrt(variance))
      near(result.mean, result.replicates:mean(), 5 * result.sd / math.sqrt(2000))
      near(result.sd, result.replicates:sd(), 5 * result.sd / math.sqrt(4000))
      near((result.statistic - mean) / math.sqrt(variance), result.z, 1e-9)
    end
  end)

  it("does not depend on threads or on the order of rows", function()
    local scores, labels, strata = data(2000, 500)
    local before = core.threads()
    local function run(threads, places)
      core.threads(threads)
      local options = { strata = strata:take(places), resamples = 200, seed = 3 }
      local permuted = stats.score_permutation(scores:take(places), labels:take(places), options)
      local booted = stats.auc_bootstrap(scores:take(places), labels:take(places),
        { resamples = 200, seed = 3 })
      return { permuted.replicates:table(), booted.replicates:table() }
    end
    local forwards = core.vector.sequence(2000)
    local one, two = run(1, forwards), run(2, (forwards * -1):order())
    core.threads(before)
    assert.same(one, two)
  end)

  it("counts the observed order among the permutations", function()
    local result = stats.permutation(6, function(places) return places[1] end,
      { resamples = 9, alternative = "greater" })
    assert.is_true(result.p >= 0.1 and result.p <= 1)
    local constant = stats.score_permutation({ 1, 1, 1, 1 }, { 0, 1, 0, 1 })
    assert.equal(1, constant.p)
    assert.is_nil(constant.z)
  end)

  it("keeps labels within their stratum", function()
    -- Each stratum has one score only: nothing can change.
    local result = stats.score_permutation({ 1, 1, 5, 5 }, { 1, 0, 1, 0 },
      { strata = { 1, 1, 2, 2 } })
    assert.equal(6, result.replicates:min())
    assert.equal(6, result.replicates:max())
  end)
end)

describe("the samplers", function()
  it("draw hypergeometric and binomial counts with the right chances", function()
    -- 12 of 30 scores are 1; the number among the positives is hypergeometric.
    local scores, labels = {}, {}
    for i = 1, 30 do scores[i], labels[i] = i <= 12 and 1 or 0, i % 3 == 0 and 1 or 0 end
    local draws = 20000
    local function choose(n, k)
      local c = 1.0
      for i = 1, k do c = c * (n - k + i) / i end
      return c
    end
    local result = stats.score_permutation(scores, labels, { resamples = draws })
    for k = 0, 10 do
      local chance = choose(12, k) * choose(18, 10 - k) / choose(30, 10)
      near(chance, result.replicates:count(k) / draws, 5 * math.sqrt(chance / draws) + 1e-9)
    end
    -- Large counts take the rejection sampler: 4000 of 9000 among 3000.
    local big = stats.score_permutation({ 1, 1, 0, 0 }, { 1, 0, 1, 0 },
      { weights = { 1500, 2500, 1500, 3500 }, resamples = draws })
    local sd = math.sqrt(3000 * (4 / 9) * (5 / 9) * 6000 / 8999)
    near(3000 * 4 / 9, big.replicates:mean(), 5 * sd / math.sqrt(draws))
    near(sd, big.replicates:sd(), 5 * sd / math.sqrt(2 * draws))
    local z = (big.replicates - 3000 * 4 / 9) / sd
    near(0.95, 1 - z:abs():above(1.96):mean(), 0.01)
    near(0, (z ^ 3):mean(), 0.1)
    near(3, (z ^ 4):mean(), 0.2)
  end)

  it("refuse what cannot be drawn", function()
    assert.has_error(function()
      stats.auc_bootstrap({ 1, 2 }, { 0, 1 }, { weights = { 0.5, 1 } })
    end)
    assert.has_error(function() stats.auc_bootstrap({ 1, 2 }, { 0, 2 }) end)
    assert.has_error(function() stats.bootstrap(0, function() return 1 end) end)
    assert.has_error(function() stats.bootstrap(5, 3) end)
    assert.has_error(function() stats.permutation(5, function() return {} end) end)
    assert.has_error(function() stats.permutation(5, function() return 1 end, { resample = 3 }) end)
  end)
end)
