-- Boards of 200 hypotheses tried together: how many of those validated are false?
--
--     lua5.4 bench/truth/boards.lua RATE USERS BOARDS [SEED]
--
-- The truth `board` has 20 linked metrics (m1 to m20), 80 unrelated ones and 100 random parts of
-- activity. Prints per board, then the false discovery rate: the mean over boards of false among
-- validated or reversed (0 where none was).
local here = (arg and arg[0] or "bench/truth/boards.lua"):match("^(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local runs = require "runs"
local wp = require "wayproof"

local rate, users, count, seed = tonumber(arg[1]), tonumber(arg[2]), tonumber(arg[3]),
  tonumber(arg[4] or 7001)
assert(rate and users and count, "usage: boards.lua RATE USERS BOARDS [SEED]")

local list = {}
for m = 1, 200 do
  list[m] = wp.hypothesis("m" .. m) { metric = wp.count("m" .. m),
    outcome = wp.converts "purchase", observe = "7d", within = "30d", as_of = runs.as_of }
end

local rates, found, false_ones, p_only = 0, 0, 0, 0
for b = 1, count do
  local log = runs.log("board", rate, users, seed + b)
  local board = assert(log:validate(list, { refute = false }))
  log:close()
  local true_found, wrong, wrong_p, right_p = 0, 0, 0, 0
  for i = 1, #board do
    local r = board[i]
    local linked = tonumber(r.name:sub(2)) <= 20
    local claimed = r.verdict == "validated" or r.verdict == "reversed"
    if claimed and linked and r.verdict == "validated" then true_found = true_found + 1
    elseif claimed then wrong = wrong + 1 end
    local significant = r.adjusted and r.adjusted.p_adjusted and r.adjusted.p_adjusted < 0.05
    if significant and linked then right_p = right_p + 1 end
    if significant and not linked then wrong_p = wrong_p + 1 end
  end
  rates = rates + wrong / math.max(1, wrong + true_found)
  found, false_ones = found + true_found, false_ones + wrong
  p_only = p_only + wrong_p / math.max(1, wrong_p + right_p)
  io.stderr:write(string.format("board %d (%s): %d of 20 found, %d false; corrected p alone: %d, "
    .. "%d false\n", b, board.method, true_found, wrong, right_p, wrong_p))
end
print(string.format("%d boards of 200, %g %%, %d users: %.1f of 20 found, false discovery rate "
  .. "%.4f (%d false); by the corrected p alone %.4f", count, 100 * rate, users, found / count,
  rates / count, false_ones, p_only / count))
