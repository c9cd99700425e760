-- wayproof's side of the statistics: lua5.4 bench/statistics.lua FILE.csv THREADS [RUNS]
local path, threads, runs = arg[1], tonumber(arg[2] or 2), tonumber(arg[3] or 3)
local probe = require "probe"
local wp = require "wayproof"
local stats = require "wayproof.stats"
wp.threads(threads)

local frame = assert(wp.read_frame(path))
local score, label = frame:vector "score", frame:vector "label"
local covariates = { frame:vector "c1", frame:vector "c2", frame:vector "c3" }
local all = { covariates[1], covariates[2], covariates[3], score }

local function time(task, work)
  work()
  local seconds, answer = {}, nil
  for i = 1, runs do
    collectgarbage()
    local began = probe.now()
    answer = work()
    seconds[i] = probe.now() - began
  end
  table.sort(seconds)
  print(string.format('{"task":"%s","seconds":%.6f,"answer":[%s]}', task,
    seconds[#seconds // 2 + 1], table.concat(answer, ",")))
end

time("T8", function()
  local auc = stats.auc(score, label)
  return { auc.estimate, auc.se }
end)
time("T9", function()
  return { stats.score_permutation(score, label, { ranks = true, resamples = 1000 }).auc }
end)
time("T10", function()
  local small, large = stats.logistic(covariates, label), stats.logistic(all, label)
  return { stats.likelihood_ratio(small, large).statistic }
end)
time("T11", function()
  return { stats.auc_bootstrap(score, label, { resamples = 1000 }).se }
end)
print(string.format('{"task":"memory","megabytes":%d}', probe.peak()))
