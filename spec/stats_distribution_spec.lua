-- Distribution functions against 50-digit figures (tools/oracles/distributions.py) and identities.
local stats = require "wayproof.stats"

describe("a distribution function", function()
  it("is right to 12 digits relative, in the far tails too", function()
    local rows = dofile("spec/oracle/distributions.lua")
    assert.is_true(#rows > 500)
    for _, row in ipairs(rows) do
      local name, arguments, expected = row[1], row[2], row[3]
      local found = stats[name](table.unpack(arguments))
      local error = expected == 0 and math.abs(found) or math.abs(found / expected - 1)
      assert.is_true(error <= 1e-12, string.format("%s(%s): %.17g, expected %.17g", name,
        table.concat(arguments, ", "), found, expected))
    end
  end)

  it("splits one into a lower and an upper part", function()
    for _, x in ipairs { 0, 0.1, 1, 3, 20 } do
      local sum = stats.chi_square_lower(x, 3) + stats.chi_square_upper(x, 3)
      assert.is_near(1, sum, 1e-14)
      assert.is_near(1, stats.gamma_lower(2.5, x) + stats.gamma_upper(2.5, x), 1e-14)
    end
    for _, x in ipairs { 0, 0.2, 0.5, 0.9, 1 } do
      assert.is_near(1, stats.beta_lower(x, 2, 5) + stats.beta_upper(x, 2, 5), 1e-14)
    end
    assert.is_near(1, stats.t_upper(0.7, 3) + stats.t_upper(-0.7, 3), 1e-14)
    assert.is_near(1, stats.normal_cdf(0.3) + stats.normal_upper(0.3), 1e-15)
  end)

  it("comes back from its quantile", function()
    for _, p in ipairs { 1e-6, 0.025, 0.5, 0.9, 0.999 } do
      assert.is_near(1, stats.normal_cdf(stats.normal_quantile(p)) / p, 1e-13)
      assert.is_near(1, stats.chi_square_lower(stats.chi_square_quantile(p, 7), 7) / p, 1e-12)
      assert.is_near(1, stats.beta_lower(stats.beta_quantile(p, 3, 8), 3, 8) / p, 1e-12)
      assert.is_near(1 - p, stats.t_upper(stats.t_quantile(p, 6), 6), 1e-12)
    end
  end)

  it("answers at the ends of its domain", function()
    assert.equal(-math.huge, stats.normal_quantile(0))
    assert.equal(math.huge, stats.normal_quantile(1))
    assert.equal(0, stats.normal_quantile(0.5))
    assert.equal(1, stats.chi_square_upper(0, 3))
    assert.equal(0, stats.chi_square_upper(math.huge, 3))
    assert.equal(0.5, stats.t_upper(0, 4))
    assert.equal(0, stats.beta_lower(0, 2, 3))
    assert.equal(1, stats.beta_lower(1, 2, 3))
    assert.equal(0, stats.chi_square_quantile(0, 3))
    assert.equal(1, stats.f_upper(0, 3, 4))
  end)

  it("raises outside its domain and blames the caller's line", function()
    for _, call in ipairs {
      function() stats.normal_quantile(1.5) end,
      function() stats.chi_square_upper(1, 0) end,
      function() stats.t_upper(1, -1) end,
      function() stats.beta_lower(2, 1, 1) end,
      function() stats.chi_square_upper(1) end,
      function() stats.normal_cdf("x") end,
    } do
      local ok, message = pcall(call)
      assert.is_false(ok)
      assert.matches("stats_distribution_spec.lua:%d+: ", message)
    end
  end)
end)
