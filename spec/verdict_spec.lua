-- The decision table on evidence written by hand, row by row, and the noise gate in closed form.
local noise = require "wayproof.noise"
local verdict = require "wayproof.verdict"

local ln = math.log

-- Evidence that validates; specs change what they are about.
local function evidence(changes)
  local e = {
    events = 800, non_events = 3200, claim = 1, minimum = ln(1.2), alpha = 0.05,
    beta = 0.45, se = 0.05, p = 1e-9,
    discovery = { beta = 0.44, se = 0.06, p = 1e-6 },
    holdout = { beta = 0.46, se = 0.09, p = 1e-4 },
    families = { { name = "cohorts", strata = {
      { label = "1", beta = 0.44, se = 0.1 }, { label = "2", beta = 0.46, se = 0.1 },
      { label = "3", beta = 0.45, se = 0.1 }, { label = "4", beta = 0.45, se = 0.1 } },
      p = 0.9, i2 = 0, mean = 0.45, slope_p = 0.5, last = 0.45 } },
    noise = { floor = { beta = 0.3, se = 0.06 }, half = { beta = 0.33, se = 0.06 },
      split = { beta = 0.4, se = 0.055 } },
    auc = { estimate = 0.62, low = 0.6, high = 0.64, se = 0.01 },
  }
  for key, value in pairs(changes or {}) do
    if value == "none" then e[key] = nil else e[key] = value end
  end
  return e
end

local function decide(changes)
  return verdict.decide(evidence(changes))
end

local function is(expected, changes, code)
  local d = decide(changes)
  assert.equal(expected, d.verdict)
  if code then assert.equal(code, d.reasons[1].code) end
  return d
end

describe("the decision table", function()
  it("validates an effect that passes every rule, with grade B", function()
    local d = is("validated", nil, "beyond_activity")
    assert.equal("B", d.grade)
    assert.equal("4h", d.row)
  end)

  it("gives grade C without a holdout or with a weakness, A with agreeing experiments", function()
    assert.equal("C", is("validated", { holdout = "none" }).grade)
    assert.equal("C", is("validated", { grade_limits = { "pre_existing" } }).grade)
    assert.equal("A", is("validated", { experiments = { agree = true } }).grade)
  end)

  it("answers invalid before anything else", function()
    local d = is("invalid", { invalid = { { code = "constant" } },
      leaking = { { code = "funnel_step" } } }, "constant")
    assert.is_nil(d.grade)
  end)

  it("answers leaking before it looks at numbers", function()
    is("leaking", { leaking = { { code = "funnel_step" } }, events = 3 }, "funnel_step")
  end)

  it("says nothing below 20 events or 20 non-events", function()
    is("inconclusive", { events = 19 }, "too_few_events")
    is("inconclusive", { non_events = 19 }, "too_few_events")
    is("inconclusive", { events = 20 }, "few_events")
  end)

  it("claims nothing below 100 events", function()
    is("inconclusive", { events = 99 }, "few_events")
    is("validated", { events = 100 })
  end)

  it("believes experiments that contradict", function()
    local d = is("reversed", { experiments = { contradict = true } }, "experiments_contradict")
    assert.equal("A", d.grade)
  end)

  it("calls a link that works both ways unstable, even when the whole is nothing", function()
    is("unstable", { beta = 0.01, p = 0.8, families = { { name = "segments", by = "channel",
      strata = { { label = "mail", beta = 0.6, se = 0.1 },
        { label = "ads", beta = -0.5, se = 0.1 } }, p = 1e-9, i2 = 0.9, mean = 0.05 } } },
      "opposite")
  end)

  it("needs both sides of a crossing to reach the minimum", function()
    local d = decide { beta = 0.01, p = 0.8, auc = { estimate = 0.5, low = 0.49, high = 0.51,
      se = 0.005 }, families = { { name = "segments", strata = {
        { label = "mail", beta = 0.6, se = 0.1 }, { label = "ads", beta = -0.1, se = 0.01 } },
        p = 1e-9, i2 = 0.9, mean = 0.05 } } }
    assert.not_equal("unstable", d.verdict)
  end)

  it("calls a candidate with an opposite stratum unstable", function()
    is("unstable", { families = { { name = "segments", strata = {
      { label = "a", beta = 0.6, se = 0.1 }, { label = "b", beta = -0.1, se = 0.03 } },
      p = 1e-4, i2 = 0.8, mean = 0.3 } } }, "opposite")
  end)

  it("fails the noise gate where the corrected effect is not clear of zero", function()
    is("inconclusive", { noise = { floor = { beta = 0.1, se = 0.05 },
      half = { beta = 0.25, se = 0.05 }, split = { beta = 0.4, se = 0.05 } } }, "activity_noise")
  end)

  it("fails the noise gate where half-reliable activity leaves less than the minimum", function()
    is("inconclusive", { noise = { floor = { beta = 0.3, se = 0.05 },
      half = { beta = 0.18, se = 0.05 }, split = { beta = 0.4, se = 0.05 } } }, "activity_noise")
  end)

  it("fails the noise gate where it is not identified, and where there is none", function()
    is("inconclusive", { noise = { floor = false, half = false } }, "activity_noise")
    is("inconclusive", { noise = "none" }, "activity_noise")
  end)

  it("lets the measured noise narrow the vanity interval, unless strict_vanity", function()
    local changes = { beta = 0.15, se = 0.03, p = 1e-6, noise = {
      floor = { beta = -0.1, se = 0.05 }, half = { beta = 0, se = 0.05 },
      split = { beta = 0.05, se = 0.03 } } }
    is("vanity", changes, "activity_only")
    changes.strict_vanity = true
    is("inconclusive", changes, "below_minimum")
  end)

  it("reports heterogeneity found at the gate as a warning", function()
    local d = is("inconclusive", { noise = { floor = { beta = 0.1, se = 0.05 },
      half = { beta = 0.25, se = 0.05 } }, families = { { name = "cohorts", strata = {
        { label = "1", beta = 0.9, se = 0.1 }, { label = "2", beta = 0.01, se = 0.1 } },
        p = 1e-6, i2 = 0.9, mean = 0.45 } } }, "activity_noise")
    assert.equal("cohorts", d.warnings[1].code)
  end)

  it("calls effects that differ between segments unstable", function()
    is("unstable", { families = { { name = "segments", by = "channel", strata = {
      { label = "a", beta = 0.9, se = 0.1 }, { label = "b", beta = 0.02, se = 0.1 } },
      p = 1e-8, i2 = 0.97, mean = 0.46 } } }, "segments")
  end)

  it("accepts effects that differ where even the weakest is worth acting on", function()
    is("validated", { families = { { name = "segments", strata = {
      { label = "a", beta = 0.9, se = 0.1 }, { label = "b", beta = 0.4, se = 0.1 } },
      p = 4e-4, i2 = 0.92, mean = 0.65 } } })
  end)

  it("calls a fading effect unstable", function()
    is("unstable", { families = { { name = "cohorts", strata = {
      { label = "1", beta = 0.8, se = 0.1 }, { label = "2", beta = 0.5, se = 0.1 },
      { label = "3", beta = 0.15, se = 0.1 } }, p = 0.02, i2 = 0.4, mean = 0.48,
      slope_p = 0.0001, last = 0.15 } } }, "decay")
  end)

  it("tells a failed replication from a holdout that is too small", function()
    is("unstable", { holdout = { beta = -0.1, se = 0.1, p = 0.8 } }, "not_replicated")
    is("inconclusive", { holdout = { beta = 0.3, se = 0.25, p = 0.12 } }, "holdout_underpowered")
  end)

  it("does not claim a metric that is mostly activity", function()
    is("inconclusive", { r_squared = 0.8 }, "activity_noise")
    is("validated", { r_squared = 0.7 })
  end)

  it("does not claim what a calendar beside a given baseline explains", function()
    is("inconclusive", { calendar = { beta = 0.1, se = 0.05 } }, "calendar")
    is("inconclusive", { calendar = { beta = 0.25, se = 0.15 } }, "calendar")
    is("validated", { calendar = { beta = 0.4, se = 0.06 } })
  end)

  it("does not claim what the log's volume explains where a baseline was given", function()
    local function volume(beta, floor, half)
      return { volume = { beta = beta, se = 0.06, floor = floor and { beta = floor, se = 0.06 },
        half = half and { beta = half, se = 0.06 } } }
    end
    is("inconclusive", volume(0.1, 0.3, 0.3), "activity_given")
    is("inconclusive", volume(0.4, 0.13, 0.3), "activity_given")
    is("inconclusive", volume(0.4, 0.3, 0.17), "activity_given")
    is("inconclusive", volume(0.4), "activity_given")
    is("validated", volume(0.4, 0.3, 0.3))
  end)

  it("does not claim what is gone with users counted as far as they were seen", function()
    is("inconclusive", { as_seen = { beta = 0.1, se = 0.05 } }, "informative_until")
    is("inconclusive", { as_seen = { beta = 0.25, se = 0.15 } }, "informative_until")
    is("validated", { as_seen = { beta = 0.4, se = 0.06 } })
  end)

  it("does not claim what later users could not be asked", function()
    is("inconclusive", { holdout = "none", holdout_failed = "separated" }, "holdout_underpowered")
  end)

  it("calls the opposite of the claim reversed", function()
    is("reversed", { claim = -1 }, "other_direction")
    local d = is("reversed", { beta = -0.45, discovery = { beta = -0.44, se = 0.06, p = 1e-6 },
      holdout = { beta = -0.46, se = 0.09, p = 1e-4 }, families = {},
      noise = { floor = { beta = -0.3, se = 0.06 }, half = { beta = -0.33, se = 0.06 } } })
    assert.equal("B", d.grade)
  end)

  it("never claims with undeclared windows or without a baseline", function()
    is("inconclusive", { caps = { { code = "windows_not_declared" } } }, "windows_not_declared")
    is("inconclusive", { claim = -1, caps = { { code = "windows_not_declared" } } },
      "windows_not_declared")
    is("inconclusive", { no_baseline = true, noise = "none",
      caps = { { code = "no_activity_baseline" } } }, "no_activity_baseline")
  end)

  it("calls a metric vanity that ranks users well and adds less than the minimum", function()
    local d = is("vanity", { beta = 0.05, se = 0.03, p = 0.1 }, "activity_only")
    assert.equal("5", d.row)
  end)

  it("needs an AUC clear of 0.5 by 0.03 for vanity", function()
    is("unrelated", { beta = 0.05, se = 0.03, p = 0.1,
      auc = { estimate = 0.52, low = 0.505, high = 0.535, se = 0.008 } }, "no_relation")
    is("inconclusive", { beta = 0.05, se = 0.03, p = 0.1,
      auc = { estimate = 0.54, low = 0.49, high = 0.59, se = 0.02 } }, "not_significant")
  end)

  it("calls nothing vanity without a baseline", function()
    is("inconclusive", { beta = 0.05, se = 0.03, p = 0.1, no_baseline = true },
      "not_significant")
  end)

  it("calls a metric unrelated only when the whole interval is too small", function()
    local flat = { estimate = 0.5, low = 0.49, high = 0.51, se = 0.01 }
    is("unrelated", { beta = 0.02, se = 0.05, p = 0.7, auc = flat })
    is("inconclusive", { beta = 0.02, se = 0.1, p = 0.8, auc = flat }, "not_significant")
    is("inconclusive", { beta = 0.02, se = 0.05, p = 0.7, auc = flat, rare = true })
  end)

  it("names the rule that blocked a claim", function()
    local unclear = { estimate = 0.53, low = 0.49, high = 0.57, se = 0.02 }
    is("inconclusive", { p = 0.06, beta = 0.3, se = 0.16, auc = unclear }, "not_significant")
    is("inconclusive", { p = 0.001, beta = 0.15, se = 0.04, auc = unclear }, "below_minimum")
    is("inconclusive", { discovery = { beta = 0.3, se = 0.2, p = 0.13 } }, "not_in_discovery")
    is("inconclusive", { discovery = { beta = -0.3, se = 0.1, p = 0.003 } }, "not_in_discovery")
  end)

  it("answers for metrics that are activity or history themselves", function()
    local d = is("vanity", { collinear = "is_activity", beta = "none", se = "none" },
      "is_activity")
    assert.equal("collinear", d.reasons[2].code)
    is("vanity", { collinear = "is_history", beta = "none", se = "none" }, "is_history")
    is("unrelated", { collinear = "is_activity", beta = "none", se = "none",
      auc = { estimate = 0.505, low = 0.49, high = 0.52, se = 0.008 } })
    is("inconclusive", { collinear = "is_activity", beta = "none", se = "none",
      auc = { estimate = 0.52, low = 0.47, high = 0.57, se = 0.025 } })
  end)

  it("never turns a missing estimate into a number", function()
    is("inconclusive", { beta = "none", se = "none", separated = true }, "separated")
    is("inconclusive", { beta = "none", se = "none" }, "no_estimate")
  end)
end)

describe("the noise gate", function()
  local fit = { beta_x = 0.40, beta_z = 0.43, v_xx = 0.003, v_xz = -0.0008, v_zz = 0.003,
    s_x = 1, s_z = 1, r = 0.38 }

  it("has the closed form of the reference figures", function()
    assert.near(0.8920, noise.shift(0.38, 1, 0.4), 5e-5)
    assert.near(0.0164, noise.corrected(fit, 0.4).beta, 5e-5)
    assert.near(0.3925, noise.tolerance(fit), 1e-4)
  end)

  it("leaves nothing of the effect at its tolerance", function()
    assert.near(0, noise.corrected(fit, noise.tolerance(fit)).beta, 1e-12)
  end)

  it("is the ordinary effect at reliability 1", function()
    local whole = noise.corrected(fit, 1)
    assert.near(0.40, whole.beta, 1e-15)
    assert.near(math.sqrt(0.003), whole.se, 1e-15)
  end)

  it("does not depend on the units of metric and activity", function()
    local scaled = { beta_x = 0.40 / 3, beta_z = 0.43 / 7, v_xx = 0.003 / 9, v_xz = -0.0008 / 21,
      v_zz = 0.003 / 49, s_x = 3, s_z = 7, r = 0.38 }
    assert.near(noise.corrected(fit, 0.5).beta / 3, noise.corrected(scaled, 0.5).beta, 1e-12)
    assert.near(noise.tolerance(fit), noise.tolerance(scaled), 1e-12)
  end)

  it("is not identified once the metric explains as much of activity as activity itself", function()
    assert.is_false(noise.corrected({ beta_x = 0.4, beta_z = 0.4, v_xx = 1, v_xz = 0, v_zz = 1,
      s_x = 1, s_z = 1, r = 0.7 }, 0.4))
  end)

  it("cannot explain away an effect that activity works against", function()
    local against = { beta_x = -0.4, beta_z = 0.43, v_xx = 1, v_xz = 0, v_zz = 1, s_x = 1, s_z = 1,
      r = 0.38 }
    assert.near(0.38 ^ 2, noise.tolerance(against), 1e-12)
    assert.is_true(noise.corrected(against, 0.3).beta < -0.4)
  end)

  it("takes the smaller of measured and declared reliability", function()
    local gate = noise.gate(fit, 0.3, 0.4)
    assert.near(noise.corrected(fit, 0.3).beta, gate.floor.beta, 1e-12)
    assert.near(noise.corrected(fit, 0.3).beta, gate.half.beta, 1e-12)
    gate = noise.gate(fit, 0.8, 0.4)
    assert.near(noise.corrected(fit, 0.4).beta, gate.floor.beta, 1e-12)
    assert.near(noise.corrected(fit, 0.5).beta, gate.half.beta, 1e-12)
    assert.near(noise.corrected(fit, 0.8).beta, gate.split.beta, 1e-12)
  end)

  it("uses the floor alone where halves were not measured", function()
    local gate = noise.gate(fit, nil, 0.4)
    assert.is_nil(gate.split)
    assert.near(noise.corrected(fit, 0.4).beta, gate.floor.beta, 1e-12)
  end)

  it("doubles half correlations as Spearman and Brown did", function()
    assert.near(2 / 3, noise.spearman_brown(0.5), 1e-12)
    assert.equal(0, noise.spearman_brown(-0.1))
  end)
end)
