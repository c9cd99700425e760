-- The noise gate against structural equation models with a latent activity (lavaan, stored in
-- spec/oracle/noise.lua by tools/oracles/noise.R).
local noise = require "wayproof.noise"

local cases = dofile "spec/oracle/noise.lua"

-- lavaan's optimiser stops at about 1e-7.
local function near(expected, actual, what)
  assert.is_true(math.abs(expected - actual) < 1e-6,
    string.format("%s: %.9f (expected %.9f)", what, actual, expected))
end

describe("the noise gate", function()
  it("leaves of an effect what a model with latent activity does", function()
    local compared = 0
    for i, case in ipairs(cases) do
      for _, pair in ipairs(case.corrected) do
        local rho, expected = pair[1], pair[2]
        near(expected, noise.corrected(case, rho).beta, "case " .. i .. ", reliability " .. rho)
        compared = compared + 1
      end
    end
    assert.equal(20, compared)
  end)

  it("names the reliability at which that model leaves nothing", function()
    local named = 0
    for i, case in ipairs(cases) do
      if case.tolerance then
        near(case.tolerance, noise.tolerance(case), "case " .. i)
        named = named + 1
      else -- the correction leads away from zero: below r^2, where nothing is identified
        near(case.r ^ 2, noise.tolerance(case), "case " .. i)
      end
    end
    assert.equal(3, named)
  end)

  it("has the errors of one linear combination of two estimates", function()
    for _, case in ipairs(cases) do
      assert.is_true(math.abs(noise.corrected(case, 1).se - math.sqrt(case.v_xx)) < 1e-15)
    end
  end)
end)
