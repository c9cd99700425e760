-- A cell of the grid: one scenario at one base rate and size, many seeds, counted.
local runs = require "runs"
local stats = require "wayproof.stats"

local cells = {}

cells.verdicts = { "validated", "reversed", "unstable", "vanity", "unrelated", "inconclusive",
  "leaking", "invalid" }

local columns = { "scenario", "rate", "users", "seed", "runs", "validated", "reversed", "unstable",
  "vanity", "unrelated", "inconclusive", "leaking", "invalid", "phi", "odds", "p01", "p05",
  "p_deciles", "auc", "auc_covered", "effect", "effect_sd", "effect_se", "effect_covered",
  "tolerance", "reliability", "needed", "reasons" }

function cells.key(cell)
  return table.concat({ cell.scenario.name, cell.rate, cell.users, cell.seed, cell.runs }, "\t")
end

local function mean_sd(list)
  local sum, squares = 0, 0
  for _, v in ipairs(list) do sum = sum + v end
  local mean = sum / math.max(#list, 1)
  for _, v in ipairs(list) do squares = squares + (v - mean) ^ 2 end
  return mean, #list > 1 and math.sqrt(squares / (#list - 1)) or 0
end

local function median(list)
  if #list == 0 then return nil end
  table.sort(list)
  return list[(#list + 1) // 2]
end

-- Share of intervals that hold `truth`.
local function covered(list, truth)
  local inside = 0
  for _, e in ipairs(list) do
    if e.low <= truth and truth <= e.high then inside = inside + 1 end
  end
  return #list > 0 and inside / #list or nil
end

local function summarise(cell, results)
  local counts, reasons = {}, {}
  for _, v in ipairs(cells.verdicts) do counts[v] = 0 end
  local phi, odds, p01, p05 = 0, 0, 0, 0
  local deciles = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
  local aucs, effects, logs, errors = {}, {}, {}, {}
  local tolerance, reliability, needed, ps = {}, {}, {}, 0
  for _, r in ipairs(results) do
    counts[r.verdict] = counts[r.verdict] + 1
    local reason = r.row .. ":" .. tostring(r.reason)
    reasons[reason] = (reasons[reason] or 0) + 1
    phi = phi + (r.simple.phi_says and 1 or 0)
    odds = odds + (r.simple.odds_says and 1 or 0)
    if r.auc then aucs[#aucs + 1] = r.auc end
    local e = r.adjusted
    if e then
      effects[#effects + 1] = { low = math.log(e.low), high = math.log(e.high) }
      logs[#logs + 1], errors[#errors + 1] = e.log, e.se
      ps = ps + 1
      p01, p05 = p01 + (e.p < 0.01 and 1 or 0), p05 + (e.p < 0.05 and 1 or 0)
      local d = math.min(10, math.floor(e.p * 10) + 1)
      deciles[d] = deciles[d] + 1
    end
    tolerance[#tolerance + 1], reliability[#reliability + 1] = r.tolerance, r.reliability
    needed[#needed + 1] = r.needed
  end
  local points = {}
  for i, a in ipairs(aucs) do points[i] = a.estimate end
  local auc, effect, effect_sd = mean_sd(points), mean_sd(logs)
  cell.counts = counts
  cell.phi, cell.odds = phi, odds
  cell.p01, cell.p05 = ps > 0 and p01 / ps or nil, ps > 0 and p05 / ps or nil
  cell.p_deciles = table.concat(deciles, " ")
  cell.auc = #aucs > 0 and auc or nil
  local known = cell.scenario.truth:match "^null" and 0
  cell.auc_covered = covered(aucs, known and 0.5 or auc)
  cell.effect, cell.effect_sd = #logs > 0 and effect or nil, #logs > 0 and effect_sd or nil
  cell.effect_se = #errors > 0 and (mean_sd(errors)) or nil
  cell.effect_covered = covered(effects, known or effect)
  cell.tolerance, cell.reliability = median(tolerance), median(reliability)
  cell.needed = median(needed)
  local texts = {}
  for reason, n in pairs(reasons) do texts[#texts + 1] = { reason, n } end
  table.sort(texts, function(a, b) return a[2] > b[2] or a[2] == b[2] and a[1] < b[1] end)
  for i, item in ipairs(texts) do texts[i] = item[1] .. "=" .. item[2] end
  cell.reasons = table.concat(texts, " ")
end

--- Runs a cell; forbidden verdicts are printed with their seed when asked to.
function cells.run(cell, verbose)
  local results = {}
  for i = 1, cell.runs do
    local seed = cell.seed + i - 1
    local r = runs.one(cell.scenario, cell.rate, cell.users, seed)
    results[i] = r
    if verbose and cell.scenario.nothing and (r.verdict == "validated" or r.verdict == "reversed")
    then
      io.stderr:write(string.format("  %s seed %d: %s, effect %.3f, tolerance %s, holdout p %s\n",
        cell.scenario.name, seed, r.verdict, r.adjusted and r.adjusted.log or 0,
        tostring(r.tolerance), tostring(r.holdout)))
    end
  end
  summarise(cell, results)
  cell.results = results
  return cell
end

local function text(v)
  if v == nil then return "" end
  if math.type(v) == "float" then return string.format("%.5g", v) end
  return tostring(v)
end

local function field(cell, name)
  if name == "scenario" then return cell.scenario.name end
  return cell.counts[name] or cell[name]
end

--- Appends the cell to a file of results, or prints it.
function cells.write(cell, path)
  local file = path and assert(io.open(path, "a+")) or io.stdout
  if path and file:seek "end" == 0 then file:write(table.concat(columns, ","), "\n") end
  local out = {}
  for i, name in ipairs(columns) do out[i] = text(field(cell, name)) end
  file:write(table.concat(out, ","), "\n")
  if path then file:close() end
end

--- Cells of a file of results: a list of tables by column, all texts.
function cells.read(path)
  local list = {}
  local file = io.open(path)
  if not file then return list end
  local names
  for line in file:lines() do
    local row, i = {}, 0
    for value in (line .. ","):gmatch "(.-)," do
      i = i + 1
      if names then row[names[i]] = value else row[i] = value end
    end
    if names then list[#list + 1] = row else names = row end
  end
  file:close()
  return list
end

function cells.done(path)
  local done = {}
  for _, row in ipairs(cells.read(path)) do
    done[table.concat({ row.scenario, row.rate, row.users, row.seed, row.runs }, "\t")] = true
  end
  return done
end

--- Upper 95 % bound (two-sided Wilson) of k in n.
function cells.bound(k, n)
  return stats.wilson(k, n).high
end

--- One line a person can read.
function cells.line(cell)
  local parts = {}
  for _, v in ipairs(cells.verdicts) do
    if cell.counts[v] > 0 then
      parts[#parts + 1] = string.format("%s %.1f", v, 100 * cell.counts[v] / cell.runs)
    end
  end
  return string.format("%-15s %4.0f%% n=%-6d %s  (phi %.0f, odds %.0f; tol %s, p<.05 %s)",
    cell.scenario.name, 100 * cell.rate, cell.users, table.concat(parts, ", "),
    100 * cell.phi / cell.runs, 100 * cell.odds / cell.runs, text(cell.tolerance), text(cell.p05))
end

return cells
