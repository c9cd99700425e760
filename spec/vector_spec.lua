-- wayproof.Vector: what every method gives for numbers, missing numbers and empty vectors.
local core = require "wayproof.core"
local new = core.vector.new

local function list(v)
  local out = {}
  for i = 1, #v do out[i] = v[i] == nil and "nil" or v[i] end
  return out
end

local sample = new({ 3, 1, 2, 2, nil, 5 }, 6)

describe("a vector", function()
  it("keeps missing numbers and positions", function()
    assert.equal(6, #sample)
    assert.is_nil(sample[5])
    assert.is_nil(sample[7])
    assert.equal(5, sample[6])
    assert.same({ 3, 1, 2, 2, [6] = 5 }, sample:table())
    assert.equal("vector of 6: 3 1 2 2 nil 5", tostring(sample))
    assert.same({ 1, 0, 1 }, list(new { true, false, true }))
    assert.same({ 1, "nil" }, list(new { 1, 0 / 0 }))
  end)

  it("calculates row by row, and x/0 is missing", function()
    assert.same({ 4, 2, 3, 3, "nil", 6 }, list(sample + 1))
    assert.same({ -2, 0, -1, -1, "nil", -4 }, list(1 - sample))
    assert.same({ 6, 2, 4, 4, "nil", 10 }, list(2 * sample))
    assert.same({ "nil", "nil" }, list(new { 1, 0 } / 0))
    assert.same({ 9, 4 }, list(new { 3, -2 } ^ 2))
    assert.same({ -3, 1 }, list(-new { 3, -1 }))
    assert.same({ 0, "nil", "nil" }, list(new({ 0, -1, nil }, 3):log1p()))
    assert.same({ "nil", 0 }, list(new { 0, 1 }:log()))
    assert.same({ 4, 6 }, list(new { 1, 2 } + { 3, 4 }))
  end)

  it("compares with missing staying missing", function()
    assert.same({ 1, 0, 0, 0, "nil", 1 }, list(sample:above(2)))
    assert.same({ 1, 0, 1, 1, "nil", 1 }, list(sample:at_least(2)))
    assert.same({ 0, 1, 0, 0, "nil", 0 }, list(sample:below(2)))
    assert.same({ 0, 1, 1, 1, "nil", 0 }, list(sample:at_most(2)))
    assert.same({ 0, 0, 1, 1, "nil", 0 }, list(sample:equals(2)))
    assert.same({ 0, 0, 0, 0, 1, 0 }, list(sample:is_missing()))
    assert.same({ 3, 1, 2, 2, 0, 5 }, list(sample:fill(0)))
  end)

  it("sums up without the missing numbers", function()
    assert.equal(13, sample:sum())
    assert.equal(2.6, sample:mean())
    assert.near(math.sqrt(2.3), sample:sd(), 1e-15)
    assert.equal(1, sample:min())
    assert.equal(5, sample:max())
    assert.equal(5, sample:count())
    assert.equal(2, sample:count(2))
    local empty = new {}
    assert.equal(0, empty:sum())
    assert.is_nil(empty:mean())
    assert.is_nil(empty:min())
    assert.is_nil(new({ 4 }):sd())
  end)

  it("reads weights as repeated rows", function()
    local v, w = new { 1, 2, 3 }, { 1, 5, 1 }
    local rows = new { 1, 2, 2, 2, 2, 2, 3 }
    assert.equal(rows:mean(), v:mean(w))
    assert.near(rows:sd(), v:sd(w), 1e-15)
    assert.same(list(rows:quantiles { 0, 0.1, 0.5, 0.93, 1 }),
      list(v:quantiles({ 0, 0.1, 0.5, 0.93, 1 }, w)))
    assert.same({ 1, 4, 7 }, list(v:ranks(w)))
    assert.near(rows:correlation { 5, 1, 1, 1, 1, 1, 2 }, v:correlation({ 5, 1, 2 }, w), 1e-15)
  end)

  it("keeps its digits far from zero", function()
    local v = new { 1e9 + 1, 1e9 + 2, 1e9 + 3 }
    assert.equal(1, v:sd())
    assert.equal(1e9 + 2, v:mean())
    assert.equal(0, new({ 0.1, 0.1, 0.1 }):sd())
  end)

  it("standardises, and a constant has no standard form", function()
    local z, mean, sd = new({ 1, 2, 3 }):standardised()
    assert.same({ -1, 0, 1 }, list(z))
    assert.equal(2, mean)
    assert.equal(1, sd)
    assert.same({ "nil", "nil" }, list((new { 4, 4 }:standardised())))
  end)

  it("sorts: distinct numbers, order, ranks, quantiles, groups", function()
    local numbers, counts, missing = sample:distinct()
    assert.same({ 1, 2, 3, 5 }, list(numbers))
    assert.same({ 1, 2, 1, 1 }, list(counts))
    assert.equal(1, missing)
    assert.same({ 5, 2, 3, 4, 1, 6 }, list(sample:order()))
    assert.same({ 4, 1, 2.5, 2.5, "nil", 5 }, list(sample:ranks()))
    assert.same({ 2, 1, 1, 1, "nil", 2 }, list(sample:groups(2)))
    assert.same({ 1, 1.5, 2, 3 }, list(new { 1, 2, 2, 3 }:quantiles { 0, 1 / 6, 0.5, 1 }))
    assert.same({ 2, 1, 2, 2, "nil", 3 }, list(sample:bin { 2, 4 }))
    assert.is_nil(new({}):quantiles({ 0.5 })[1])
  end)

  it("sorts many distinct numbers as well as few, negative ones and -0 too", function()
    local values, seed = {}, 12345
    for i = 1, 50000 do
      seed = (seed * 1103515245 + 12345) % 2147483648
      values[i] = (seed - 1073741824) / 1000
    end
    local order = new(values):order()
    for i = 2, #values do
      assert(values[order[i - 1] // 1] <= values[order[i] // 1], "out of order")
    end
    assert.equal(1, #(new { 0.0, -0.0 }:distinct()))
    assert.same({ -math.huge, -1, 0, 2, math.huge },
      list((new { 2, 0, -math.huge, -1, math.huge, -1 }:distinct())))
  end)

  it("gives parts of itself", function()
    assert.same({ 3, 2, 2, 5 }, list(sample:select(sample:above(1))))
    assert.same({ 5, 3 }, list(sample:select { 6, 1 }))
    assert.same({ 1, 1, 3 }, list(sample:take { 2, 2, 1 }))
    assert.same({ 1, 2 }, list(sample:slice(2, 3)))
    assert.same({ 5 }, list(sample:slice(-1)))
    assert.same({ 1, 2, 3 }, list(core.vector.concat { new { 1 }, { 2, 3 } }))
    assert.same({ 7, 7 }, list(core.vector.full(2, 7)))
    assert.same({ 1, 2, 3 }, list(core.vector.sequence(3)))
  end)

  it("correlates complete pairs; a constant has no correlation", function()
    assert.near(1, new({ 1, 2, 3 }):correlation { 2, 4, 6 }, 1e-15)
    assert.near(-1, new({ 1, 2, nil, 3 }, 4):correlation { 3, 2, 9, 1 }, 1e-15)
    assert.is_nil(new({ 1, 2 }):correlation { 5, 5 })
    assert.equal(11, new({ 1, 2 }):dot { 3, 4 })
  end)

  it("leaves what a least squares fit does not explain", function()
    local r = new({ 1, 3, nil, 7 }, 4):residual { { 0, 1, 2, 3 } }
    assert.near(0, r[1], 1e-12)
    assert.is_nil(r[3])
    local left = new { 1, 2, 4, 3 }:residual { { 1, 2, 3, 4 }, { 2, 4, 6, 8 } }
    for i, expected in ipairs { -0.3, -0.1, 1.1, -0.7 } do assert.near(expected, left[i], 1e-12) end
  end)

  it("has the same bits for one and two threads", function()
    local values = {}
    for i = 1, 60000 do values[i] = (i * 7919 % 1009) / 7 end
    local function figures(threads)
      core.threads(threads)
      local v = new(values)
      local z, mean, sd = v:log1p():standardised()
      return { z:sum(), mean, sd, v:spline({ 1, 20, 60, 120 })[2]:sum(), v:correlation(z) }
    end
    local before = core.threads()
    local one, two = figures(1), figures(2)
    core.threads(before)
    assert.same(one, two)
  end)

  it("refuses what makes no sense", function()
    assert.has_error(function() return sample + { 1, 2 } end)
    assert.has_error(function() return sample:above({}) end)
    assert.has_error(function() return sample:take { 9 } end)
    assert.has_error(function() return sample:bin { 2, 1 } end)
    assert.has_error(function() return sample:quantiles { 1.5 } end)
    assert.has_error(function() return sample:mean { -1, 1, 1, 1, 1, 1 } end)
    assert.has_error(function() return sample:spline { 1, 1, 2 } end)
    assert.has_error(function() return new { "one" } end)
    assert.has_error(function() sample[1] = 2 end)
  end)

  it("does not let long vectors pile up that nobody holds", function()
    collectgarbage()
    local before, most, v = collectgarbage "count", 0, core.vector.full(1e6, 1)
    for _ = 1, 50 do
      v = v:plain() * 0.5 + 1 -- 8 MB each
      most = math.max(most, collectgarbage "count" - before)
    end
    assert.is_true(most < 64 * 1024, "KB: " .. most)
    collectgarbage "stop"
    for _ = 1, 10 do v = v * 0.5 end
    local stopped = collectgarbage "count" - before
    collectgarbage "restart"
    assert.is_true(stopped > 70 * 1024, "KB: " .. stopped)
    assert.near(1, #v / 1e6, 0)
  end)
end)
