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
local cells = require "cells"
local scenarios = require "scenarios"
local wp = require "wayproof"

local function fail(...)
  io.stderr:write(string.format(...), "\n")
  os.exit(2)
end

local options, given = { seed = 1 }, {}
do
  local i = 1
  while i <= #arg do
    local name = arg[i]:match("^%-%-(%a+)$")
    if name == "verbose" then
      options.verbose = true
    elseif name then
      options[name] = arg[i + 1]
      i = i + 1
    else
      given[#given + 1] = arg[i]
    end
    i = i + 1
  end
end
if #given ~= 4 then fail("usage: run.lua SCENARIOS RATE USERS RUNS [--seed N --out FILE …]") end

local function chosen(text)
  local list = {}
  for _, scenario in ipairs(scenarios.list) do
    local group = scenario.nothing and "nothing" or "something"
    local named = ("," .. text .. ","):find("," .. scenario.name .. ",", 1, true)
    if text == "all" or text == group or named then list[#list + 1] = scenario end
  end
  if #list == 0 then fail("no scenario is called '%s'", text) end
  return list
end

wp.threads(1)
local rate, users, count = tonumber(given[2]), tonumber(given[3]), tonumber(given[4])
local part, parts = (options.part or "1/1"):match("^(%d+)/(%d+)$")
local done = options.out and cells.done(options.out) or {}
for i, scenario in ipairs(chosen(given[1])) do
  local cell = { scenario = scenario, rate = rate, users = users, runs = count,
    seed = tonumber(options.seed) }
  if (i - 1) % tonumber(parts) == tonumber(part) - 1 and not done[cells.key(cell)] then
    cells.run(cell, options.verbose)
    cells.write(cell, options.out)
    io.stderr:write(cells.line(cell), "\n")
  end
end
