-- The stored results as tables, written between the markers of a page.
--
--     lua5.4 bench/truth/report.lua               prints
--     lua5.4 bench/truth/report.lua PAGE          writes between <!-- grid --> and <!-- end -->
local here = (arg and arg[0] or "bench/truth/report.lua"):match("^(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local cells = require "cells"
local scenarios = require "scenarios"

local results = here .. "results/grid.csv"

-- Truths in which the metric has nothing to do with the outcome, so p-values must be uniform.
local null = { null = true, null_heavy = true, null_time = true, rare4_null = true,
  daily_null = true, immortal = true }

-- Adds a cell's share, if it has one, to its group's mean over runs.
local function add_share(group, name, row)
  local is_p = name:sub(1, 1) == "p"
  if row[name] == "" or is_p and not null[row.scenario] then return end
  local share = group[name] or { runs = 0, sum = 0 }
  group[name] = share
  share.runs, share.sum = share.runs + row.runs, share.sum + row.runs * row[name]
end

-- Cells by (rate, users), in the order of the file; runs of one cell with other seeds are added up.
local function read()
  local groups, order = {}, {}
  for _, row in ipairs(cells.read(results)) do
    local key = row.rate .. " " .. row.users
    if not groups[key] then
      groups[key] = { rate = tonumber(row.rate), users = tonumber(row.users), by_name = {} }
      order[#order + 1] = groups[key]
    end
    local by_name = groups[key].by_name
    local sum = by_name[row.scenario] or { runs = 0, phi = 0, odds = 0, tolerance = row.tolerance }
    by_name[row.scenario] = sum
    sum.runs, sum.phi = sum.runs + row.runs, sum.phi + row.phi
    sum.odds = sum.odds + row.odds
    for _, name in ipairs { "auc_covered", "effect_covered", "p01", "p05" } do
      add_share(groups[key], name, row)
    end
    for _, verdict in ipairs(cells.verdicts) do
      sum[verdict] = (sum[verdict] or 0) + tonumber(row[verdict])
    end
  end
  return order
end

local function percent(k, n)
  local p = 100 * k / n
  return (p == 0 or p == 100) and string.format("%d", p) or string.format("%.1f", p)
end

local function verdict_text(sum, skip)
  local parts = {}
  for _, verdict in ipairs(cells.verdicts) do
    if sum[verdict] > 0 and not skip[verdict] then
      parts[#parts + 1] = { verdict .. " " .. percent(sum[verdict], sum.runs), sum[verdict] }
    end
  end
  table.sort(parts, function(a, b) return a[2] > b[2] end)
  for i, part in ipairs(parts) do parts[i] = part[1] end
  return table.concat(parts, ", ")
end

local function write_shares(line, group)
  local function percent_of(name)
    local share = group[name]
    return 100 * share.sum / share.runs, share.runs
  end
  local auc, runs = percent_of "auc_covered"
  local effect, effect_runs = percent_of "effect_covered"
  line("Intervals that hold (nominal 95 %%): the AUC's in %.1f %% of %d runs, the adjusted "
    .. "effect's in %.1f %% of %d.", auc, runs, effect, effect_runs)
  if group.p05 then
    local p05, p_runs = percent_of "p05"
    line("P-values of metrics unrelated to anything: below 0.01 in %.1f %%, below 0.05 in %.1f %% "
      .. "of %d runs.", percent_of "p01", p05, p_runs)
  end
  line("")
end

local function write_group(out, group)
  local function line(format, ...) out[#out + 1] = string.format(format, ...) end
  line("### Base rate %g %%, %d users\n", 100 * group.rate, group.users)
  line("| nothing there | runs | false claims, %% (at most) | said instead, %% | phi | odds |")
  line("|---|---|---|---|---|---|")
  local all, wrong = 0, 0
  for _, s in ipairs(scenarios.list) do
    local sum = group.by_name[s.name]
    if s.nothing and sum then
      local claims = sum.validated + sum.reversed
      all, wrong = all + sum.runs, wrong + claims
      line("| %s: %s | %d | %s (%.1f) | %s | %s | %s |", s.name, s.why, sum.runs,
        percent(claims, sum.runs), 100 * cells.bound(claims, sum.runs),
        verdict_text(sum, { validated = true, reversed = true }), percent(sum.phi, sum.runs),
        percent(sum.odds, sum.runs))
    end
  end
  line("| **all** | %d | %.2f (%.2f) | | | |\n", all, 100 * wrong / math.max(1, all),
    100 * cells.bound(wrong, math.max(1, all)))
  local head
  for _, s in ipairs(scenarios.list) do
    local sum = group.by_name[s.name]
    if not s.nothing and sum then
      if not head then
        line("| something there | right | runs | verdicts, %% | phi | odds |")
        line("|---|---|---|---|---|---|")
        head = true
      end
      line("| %s: %s | %s | %d | %s | %s | %s |", s.name, s.why, table.concat(s.right, ", "),
        sum.runs, verdict_text(sum, {}), percent(sum.phi, sum.runs), percent(sum.odds, sum.runs))
    end
  end
  if head then line("") end
  write_shares(line, group)
end

local out = {}
for _, group in ipairs(read()) do write_group(out, group) end
local text = table.concat(out, "\n")
if not arg[1] then
  print(text)
  return
end
local file = assert(io.open(arg[1]))
local page = file:read "a"
file:close()
local _, from = assert(page:find("<!-- grid -->\n", 1, true))
local to = assert(page:find("<!-- end -->", from, true))
file = assert(io.open(arg[1], "w"))
file:write(page:sub(1, from), text, page:sub(to))
file:close()
