-- What an embargo takes from the metric's slope, beside activity's, with its interval, against a
-- stacked sandwich in R: tools/oracles/leakage.R.
local core = require "wayproof.core"
local leakage = require "wayproof.leakage"
local same = require "spec.near"

local oracle = dofile "spec/oracle/leakage.lua"

describe("an embargo", function()
  it("takes what R says, with R's interval", function()
    local DAY = 86400e6
    local vectors = { length_us = core.vector.full(#oracle.metric, 100 * DAY) }
    for _, name in ipairs { "metric", "volume", "before", "within", "after", "before_after" } do
      vectors[name] = core.vector.new(oracle[name])
    end
    local frame = { vector = function(_, name) return vectors[name] end }
    local found = leakage.embargo(frame, {
      hypothesis = { outcome = { kind = "converts", scale = "binary" }, within_us = 30 * DAY,
        prior_outcome = "exclude" },
      columns = { metric = "metric", volume = "volume", bare = true, outcome = "within",
        prior = { "before" }, landmark_us = 7 * DAY, gaps = { { gap_us = DAY,
          landmark_us = 8 * DAY, outcome = "after", prior = { "before_after" } } } },
    })
    local gap = found.gaps[1]
    same(oracle.slope[1], found.beta, "slope")
    same(oracle.slope[2], found.se, "error")
    -- Fits stop some 1e-8 before their end, which is much of a loss that is nearly nothing.
    same(1 - oracle.loss[1], 1 - gap.loss, "what is left")
    same(1 - oracle.loss[2], 1 - gap.volume_loss, "what is left of volume")
    for i, name in ipairs { "difference", "low", "high" } do
      same(oracle.difference[i], gap[name], name)
    end
  end)
end)
