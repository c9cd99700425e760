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
        local rho, beta, se = table.unpack(pair)
        local found, what = noise.corrected(case, rho), "case " .. i .. ", reliability " .. rho
        near(beta, found.beta, what)
        near(se, found.se, what .. ", error") -- of the same combination of R's estimates
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
end)
