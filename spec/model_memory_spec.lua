-- Every allocation of the models and of resampling may fail: the call then says so, nothing leaks
-- and the next call works.
local core = require "wayproof.core"
local stats = require "wayproof.stats"

local x, z, y = { 1, 2, 3, 4, 5, 6, 7, 8 }, { 2, 1, 4, 3, 6, 5, 8, 7.5 }, { 0, 0, 1, 0, 1, 0, 1, 1 }
local time, group = { 5, 3, 8, 2, 9, 4, 7, 7 }, { 1, 1, 2, 2, 3, 3, 4, 4 }
local half = { 1, 1, 1, 1, 2, 2, 2, 2 }

local calls = {
  ["a logistic fit"] = function() return stats.logistic({ x, z }, y, { clusters = group }) end,
  ["a separated fit"] = function() return stats.logistic({ x }, { 0, 0, 0, 0, 1, 1, 1, 1 }) end,
  ["a Firth fit"] = function() return stats.logistic({ x }, y, { firth = true, fitted = true }) end,
  ["a Poisson fit"] = function() return stats.poisson({ x }, y, { offset = z, robust = true }) end,
  ["a linear fit"] = function() return stats.linear({ x, z }, time, { clusters = group }) end,
  ["a Cox fit"] = function()
    return stats.cox({ x, z }, time, y, { clusters = group, zph = true, strata = half })
  end,
  ["a curve"] = function() return stats.kaplan_meier(time, y, { groups = group }) end,
  ["a log-rank test"] = function() return stats.log_rank(time, y, group, half) end,
  ["a concordance"] = function() return stats.concordance(x, time, y, { method = "uno" }) end,
  ["cells"] = function() return stats.cells({ x, y }, { index = true }) end,
  ["a bootstrap"] = function()
    return stats.auc_bootstrap(x, y, { resamples = 5, clusters = group })
  end,
  ["a permutation"] = function() return stats.score_permutation(x, y, { resamples = 5 }) end,
  ["a permutation of ranks"] = function()
    return stats.score_permutation(x, y, { ranks = true, resamples = 5 })
  end,
  ["a permutation within strata"] = function()
    return stats.score_permutation(x, y, { strata = half, resamples = 5 })
  end,
  ["a quantile"] = function() return core.vector.new(x):quantiles { 0.5 } end,
  ["ranks"] = function() return core.vector.new(x):ranks() end,
  ["residuals"] = function() return core.vector.new(x):residual { z } end,
}

describe("without memory", function()
  for name, call in pairs(calls) do
    it(name .. " fails cleanly at every allocation", function()
      call()
      collectgarbage()
      collectgarbage()
      local before = core.memory()
      local failures = 0
      for n = 1, 400 do
        core.memory(n)
        local fine, message = pcall(call)
        core.memory(0)
        if fine then break end
        failures = failures + 1
        assert.matches("memory", message)
      end
      assert.is_true(failures > 0 and failures < 400)
      collectgarbage()
      collectgarbage()
      assert.equal(before, (core.memory()))
      call()
    end)
  end
end)
