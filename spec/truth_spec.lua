-- A slice of the truth bench: every scenario a few times, seeded. bench/truth runs the thousands.
--
-- A failure names scenario and seed; see it again with
--     lua5.4 bench/truth/run.lua SCENARIO 0.2 USERS 1 --seed SEED --verbose
local shell = require "spec.shell"
local wp = require "wayproof"

package.path = "bench/truth/?.lua;" .. package.path
local runs = require "runs"
local scenarios = require "scenarios"

local function verdict_of(name, users, seed)
  return runs.one(scenarios.by_name[name], 0.2, users, seed)
end

describe("the truth bench #slow", function()
  local threads
  setup(function()
    threads = wp.threads()
    wp.threads(1)
  end)
  teardown(function() wp.threads(threads) end)

  it("claims nothing where nothing is there", function()
    for _, scenario in ipairs(scenarios.list) do
      if scenario.nothing then
        for seed = 301, 303 do
          local r = runs.one(scenario, 0.2, 2000, seed)
          if r.verdict == "validated" or r.verdict == "reversed" then
            error(string.format("%s, seed %d: %s", scenario.name, seed, r.verdict))
          end
        end
      end
    end
  end)

  it("finds what is there", function()
    for _, name in ipairs { "real60", "real100", "dose", "reversed", "seg_one",
      "seg_opp", "decay", "simpson", "growing", "daily_real", "shared", "real_earns", "real_time",
      "real_ratio" } do
      local r = verdict_of(name, 4000, 301)
      local right = {}
      for _, verdict in ipairs(scenarios.by_name[name].right) do right[verdict] = true end
      assert.is_true(right[r.verdict], string.format("%s: %s (%s)", name, r.verdict, r.reason))
    end
  end)

  it("calls steps of the outcome leaking, minutes or hours before it", function()
    assert.equal("leaking", verdict_of("step", 4000, 301).verdict)
    assert.equal("leaking", verdict_of("step_slow", 4000, 301).verdict)
  end)

  it("calls nothing unrelated and activity vanity", function()
    assert.equal("unrelated", verdict_of("null", 4000, 301).verdict)
    assert.equal("vanity", verdict_of("thin", 4000, 301).verdict)
    assert.equal("vanity", verdict_of("launch", 4000, 301).verdict)
  end)

  it("fits the later users of a small log", function()
    for seed = 301, 310 do
      local r = verdict_of("real60", 1200, seed)
      assert.is_number(r.holdout, "seed " .. seed .. ": no estimate from the later users")
    end
  end)

  it("makes equal bytes of equal seeds, and knows what simpler rules say", function()
    local simulator = runs.simulator()
    local numbers = shell.must(simulator .. " calibrate noisy_4 0.2"):gsub("%s+$", "")
    local one = shell.must(simulator .. " write noisy_4 50 7 " .. numbers)
    assert.equal(one, shell.must(simulator .. " write noisy_4 50 7 " .. numbers))
    assert.not_equal(one, shell.must(simulator .. " write noisy_4 50 8 " .. numbers))
    local r = verdict_of("noisy_4", 4000, 301)
    assert.is_true(r.simple.odds_says)
    assert.is_true(r.simple.odds > 1.2)
  end)
end)
