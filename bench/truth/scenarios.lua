-- What is asked of each truth, and which answers are right, allowed and forbidden.
--
-- A scenario is {name, truth, ask (options of wp.hypothesis), nothing = true where no verdict but a
-- doubtful one may fall ("validated" and "reversed" are false), right = verdicts counted as right,
-- why}. Several scenarios may ask different things of one truth; each is a question of its own.
local wp = require "wayproof"

local function ask(changes)
  local out = { metric = wp.count "metric", outcome = wp.converts "purchase", observe = "7d",
    within = "30d" }
  for key, value in pairs(changes or {}) do out[key] = value end
  return out
end

local list = {}
local function add(name, truth, fields)
  fields.name, fields.truth = name, truth
  fields.ask = ask(fields.ask)
  list[#list + 1] = fields
end

local function nothing(name, truth, why, changes, right)
  add(name, truth, { nothing = true, why = why, ask = changes, right = right })
end

local function something(name, truth, right, why, changes)
  add(name, truth, { right = right, why = why, ask = changes })
end

local others = {}
for i = 1, 9 do others[i] = "event" .. i end

-- Nothing there ----------------------------------------------------------------------------------
nothing("null", "null", "metric unrelated to anything", nil, { "unrelated" })
nothing("null_heavy", "null_heavy", "the same, heavy-tailed", nil, { "unrelated" })
nothing("thin", "thin", "a random 13 % of activity", { across = "channel" }, { "vanity" })
nothing("thin_hi", "thin_hi", "a random 28 % of activity", nil, { "vanity" })
nothing("bots", "bots", "the same, with bots", nil, { "vanity" })
nothing("noisy_p", "noisy_p", "activity measured noisily", nil, { "vanity" })
nothing("noisy_2", "noisy_2", "noisier", nil, { "vanity" })
nothing("noisy_4", "noisy_4", "noisier still", nil, { "vanity" })
nothing("noisy_4hi", "noisy_4hi", "the same, a frequent metric", nil, { "vanity" })
nothing("noisy_4inf", "noisy_4inf", "the same, days and sessions informative", nil, { "vanity" })
nothing("noisy_5", "noisy_5", "close to the declared floor", nil, { "vanity" })
nothing("noisy_7sh", "noisy_7sh", "noise shared by the metric", nil, { "vanity" })
nothing("noisy_own", "noisy_own", "every event with noise of its own", nil, { "vanity" })
nothing("noisy_half", "noisy_half", "noise that lasts half the window", nil, { "vanity" })
nothing("noisy_curve", "noisy_curve", "engagement pays off for the most engaged only", nil,
  { "vanity" })
nothing("twenty", "twenty", "a noisy truth whose metric about 20 % of users have", nil,
  { "vanity" })
nothing("rare4_null", "rare4_null", "4 % of users have the metric, which does nothing")
-- What people ask besides plain counts, of truths in which nothing but engagement matters
nothing("most", "noisy_4", "a count of nearly everything", { metric = wp.count(others) },
  { "vanity" })
nothing("did", "noisy_4", "did it at all", { metric = wp.did "metric" }, { "vanity" })
nothing("variety", "noisy_4", "how many kinds of events", { metric = wp.distinct "event" },
  { "vanity" })
nothing("gap", "noisy_4", "longest pause", { metric = wp.longest_gap(), expect = "fall" },
  { "vanity" })
nothing("soon", "noisy_4", "how soon it first happened",
  { metric = wp.time_to "metric", expect = "fall" }, { "vanity" })
nothing("dwell", "noisy_4", "time spent after an event", { metric = wp.dwell "event1" },
  { "vanity" })
nothing("ratio", "noisy_4", "metric per session",
  { metric = wp.count "metric" / wp.sessions() }, { "vanity" })
nothing("mixed", "noisy_4", "a weighted score",
  { metric = wp.count "metric" * 5 + wp.count "event3" }, { "vanity" })
-- Other kinds of outcome
nothing("null_earns", "null_money", "money with a heavy tail", { outcome = wp.earns "purchase" },
  { "unrelated" })
nothing("noisy_earns", "noisy_money", "money follows engagement",
  { outcome = wp.earns "purchase" }, { "vanity" })
nothing("noisy_time", "noisy_4", "time follows engagement",
  { outcome = wp.accelerates "purchase" }, { "vanity" })
nothing("null_time", "null", "time, metric unrelated", { outcome = wp.accelerates "purchase" },
  { "unrelated" })
-- Time and groups
nothing("launch", "launch", "metric and a better season start on the same day")
nothing("season", "season", "metric and base rate rise and fall together")
nothing("weekend", "weekend", "who comes at the weekend does more of the metric, and buys more")
nothing("account", "account", "accounts share trait and metric separately",
  { cluster = "account" }, { "unrelated", "vanity" })
nothing("lapse_thin", "lapse_thin", "a random part of activity; who stays, buys", nil,
  { "vanity" })
nothing("lapse_late", "lapse_late", "a random part of late activity; who stays, buys", nil,
  { "vanity" })
nothing("lapse_back", "lapse_thin", "the same, coming back is the outcome",
  { outcome = wp.retained {} }, { "vanity" })
nothing("lapse_late_back", "lapse_late", "late activity, coming back is the outcome",
  { outcome = wp.retained {} }, { "vanity" })
nothing("lapse_gap", "lapse_thin", "longest pause, coming back is the outcome",
  { metric = wp.longest_gap(), outcome = wp.retained {}, expect = "fall" }, { "vanity" })
nothing("lapse_soon", "lapse_thin", "median pause, coming back is the outcome",
  { metric = wp.pace(), outcome = wp.retained {}, expect = "fall",
    acknowledge = { "missing" } }, { "vanity" })
nothing("daily_null", "daily_null", "an app used every day")
-- Leaks
nothing("step", "step", "minutes before the outcome", nil, { "leaking" })
nothing("step_slow", "step_slow", "hours before the outcome", nil, { "leaking" })
nothing("immortal", "immortal", "goes on after the outcome only", nil, { "unrelated" })
nothing("twin", "twin", "the outcome's own confirmation",
  { metric = wp.count "confirmed", prior_outcome = "keep" }, { "vanity", "leaking" })
nothing("twin_first", "twin", "the same, first purchases only", { metric = wp.count "confirmed" },
  { "invalid" })

-- Something there --------------------------------------------------------------------------------
something("real35", "real35", { "validated" }, "0.35 per SD", { across = "channel" })
something("real60", "real60", { "validated" }, "0.60 per SD", { across = "channel" })
something("real100", "real100", { "validated" }, "1.00 per SD")
something("real60lk", "real60lk", { "validated" }, "three other events work too")
something("real60c", "real60c", { "validated" }, "tied to activity (r = 0.38)")
something("dose", "dose", { "validated" }, "each of the first three counts")
something("real_earns", "real60", { "validated" }, "the same, in money",
  { outcome = wp.earns "purchase" })
something("real_time", "real60", { "validated" }, "the same, in time",
  { outcome = wp.accelerates "purchase" })
something("real_ratio", "real60", { "validated" }, "the same, per session",
  { metric = wp.count "metric" / wp.sessions() })
something("real_soon", "real60", { "validated" }, "the same, by how soon",
  { metric = wp.time_to "metric", expect = "fall" })
something("reversed", "reversed", { "reversed" }, "works the other way")
something("seg_one", "seg_one", { "unstable" }, "in one segment of two", { across = "channel" })
something("seg_opp", "seg_opp", { "unstable" }, "opposite in two segments",
  { across = "channel" })
something("seg_eight", "seg_eight", { "unstable" }, "in one segment of eight",
  { across = "channel" })
something("decay", "decay", { "unstable" }, "wears off")
something("simpson", "simpson", { "reversed" }, "crude and true effect disagree",
  { across = "channel" })
something("weak", "weak", { "inconclusive", "unrelated" }, "0.09 per SD, half the minimum")
something("edge", "edge", { "inconclusive", "validated", "vanity" }, "exactly the minimum")
something("rare4_or2", "rare4_or2", { "validated" }, "4 % of users, odds ratio 2")
something("rare15_or16", "rare15_or16", { "validated" }, "15 % of users, odds ratio 1.6")
something("growing", "growing", { "validated" }, "0.60 per SD, most users too recent")
something("daily_real", "daily_real", { "validated" }, "an app used every day")
something("shared", "shared", { "validated" }, "shares an event with the outcome",
  { metric = wp.count { "metric", "purchase" }, prior_outcome = "keep" })
something("retry", "retry", {}, "people who are out to buy: intent that no activity shows")
something("noisy_7", "noisy_7", {}, "activity less reliable than declared")
something("noisy_half9", "noisy_half9", {}, "the same, by noise that lasts half the window")

local by_name = {}
for _, scenario in ipairs(list) do by_name[scenario.name] = scenario end
return { list = list, by_name = by_name }
