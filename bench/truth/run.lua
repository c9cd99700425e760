-- Runs the truth bench and appends one line per cell to a file of results.
--
--     lua5.4 bench/truth/run.lua SCENARIOS RATE USERS RUNS [options]
--         SCENARIOS   names with commas, or `all`, `nothing`, `something`
--         --seed N    first seed (1); run i takes seed N + i - 1
--         --out FILE  append cells there (default: standard output)
--         --part 1/2  every second scenario only (to use two processors)
--         --verbose   print every forbidden verdict with its seed
--
-- A cell that the file already has with the same seeds is left out, so a stopped grid goes on.
local here = (arg and arg[0] or "bench/truth/run.lua"):match("^(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local arguments = require "arguments"
local cells = require "cells"
local wp = require "wayproof"

local asked = arguments.read("run.lua SCENARIOS RATE USERS RUNS [--seed N --out FILE …]",
  { seed = 1 }, { verbose = true })

wp.threads(1)
local part, parts = (asked.part or "1/1"):match("^(%d+)/(%d+)$")
local done = asked.out and cells.done(asked.out) or {}
for i, scenario in ipairs(asked.scenarios) do
  local cell = { scenario = scenario, rate = asked.rate, users = asked.users, runs = asked.runs,
    seed = tonumber(asked.seed) }
  if (i - 1) % tonumber(parts) == tonumber(part) - 1 and not done[cells.key(cell)] then
    cells.run(cell, asked.verbose)
    cells.write(cell, asked.out)
    io.stderr:write(cells.line(cell), "\n")
  end
end
