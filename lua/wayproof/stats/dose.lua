--- Dose and response over ordered groups: trend, departure from it, and the isotonic fit.
---
--- Formulas: doc/stats/dose.md.
local base = require "wayproof.stats.base"
local check = require "wayproof.check"
local core = require("wayproof.core").stats

local dose = {}

local function check_groups(events, totals, where)
  local r = base.numbers(events, where .. ": events", 2)
  local n = base.numbers(totals, where .. ": totals", 2)
  base.same_length(r, n, "events", "totals", where)
  local all_r, all_n = 0, 0
  for i = 1, #r do
    check.number(r[i], string.format("%s: events: group %d", where, i), 0)
    if r[i] > n[i] then
      check.fail("%s: events: group %d: %g (expected at most its total, %g)", where, i, r[i], n[i])
    end
    all_r, all_n = all_r + r[i], all_n + n[i]
  end
  return r, n, all_r, all_n
end

-- Mid-ranks of the groups as scores: users before the group plus half of it.
local function midrank_scores(totals)
  local scores, before = {}, 0
  for i = 1, #totals do
    scores[i] = before + (totals[i] + 1) / 2
    before = before + totals[i]
  end
  return scores
end

--- Does the event rate move with the dose? Cochran-Armitage, with the departure from a line.
---@param events number[]  events per group
---@param totals number[]  users per group
---@param scores? number[]|string  the dose of each group; default 1, 2, 3 …; "midrank" uses the
---  groups' mid-ranks. The choice matters: report it
---@return wayproof.Statistic  statistic, df, p (trend), z (signed), total, total_df, total_p (any
---  difference), departure, departure_df, departure_p, slope (rate per unit of score)
---Source: Cochran 1954; Armitage 1955. As R's prop.trend.test.
function dose.trend(events, totals, scores)
  local where = "trend"
  local r, n, all_r, all_n = check_groups(events, totals, where)
  local x = {}
  if scores == "midrank" then
    x = midrank_scores(n)
  elseif scores == nil then
    for i = 1, #r do x[i] = i end
  else
    x = base.numbers(scores, where .. ": scores", 2)
    base.same_length(r, x, "events", "scores", where)
  end
  local out = { n = all_n, events = all_r, groups = #r }
  if all_n == 0 or all_r == 0 or all_r == all_n then
    out.undefined = "everybody or nobody has the event"
    return base.result(where, out)
  end
  local p, mean = all_r / all_n, 0
  for i = 1, #r do mean = mean + n[i] * x[i] / all_n end
  local t, spread, total, used = 0, 0, 0, 0
  for i = 1, #r do
    t = t + (x[i] - mean) * (r[i] - n[i] * p)
    spread = spread + n[i] * (x[i] - mean) ^ 2
    if n[i] > 0 then
      total, used = total + (r[i] - n[i] * p) ^ 2 / (n[i] * p * (1 - p)), used + 1
    end
  end
  if spread <= 0 then
    out.undefined = "all users have the same score"
    return base.result(where, out)
  end
  out.z = t / math.sqrt(p * (1 - p) * spread)
  out.statistic, out.df, out.slope = out.z ^ 2, 1, t / spread
  out.p = core.chi_square_upper(out.statistic, 1)
  out.total, out.total_df = total, used - 1
  out.total_p = core.chi_square_upper(total, used - 1)
  if used > 2 then
    out.departure, out.departure_df = math.max(0, total - out.statistic), used - 2
    out.departure_p = core.chi_square_upper(out.departure, used - 2)
  end
  return base.result(where, out)
end

--- The closest never-falling sequence (weighted least squares, pool adjacent violators).
---@param y number[]|wayproof.Vector  for instance the rate of each group, in order of dose
---@param w? number[]|wayproof.Vector  weights above 0, for instance users per group
---@return wayproof.Statistic  a list of the fitted numbers (also `fitted`), with `blocks` (a list
---  of { from, to, value }) and `index`: the share of the differences that a never-falling curve
---  explains, 1 when y never falls, 0 when it only falls; nil when all y are equal
---Source: Ayer et al. 1955; Barlow et al. 1972.
function dose.isotonic(y, w)
  local fitted = core.isotonic(y, w)
  local n, sum, mean = #fitted, 0, 0
  local out, plain = { blocks = {} }, {}
  for i = 1, n do
    local weight = w and w[i] or 1
    sum, mean = sum + weight, mean + weight * y[i]
    out[i], plain[i] = fitted[i], fitted[i]
    local block = out.blocks[#out.blocks]
    if block and block.value == fitted[i] then
      block.to = i
    else
      out.blocks[#out.blocks + 1] = { from = i, to = i, value = fitted[i] }
    end
  end
  out.fitted = plain
  local explained, total = 0, 0
  mean = mean / sum
  for i = 1, n do
    local weight = w and w[i] or 1
    explained = explained + weight * (fitted[i] - mean) ^ 2
    total = total + weight * (y[i] - mean) ^ 2
  end
  if total > 0 then out.index = math.min(1, explained / total) end
  return base.result("isotonic", out)
end

return dose
