-- Statistics on real data, read in place: the per-user tables of the reference folder with the
-- exact answers of its reference.json, and pROC's aSAH where R has it installed.
local helper = require "spec.helper"
local stats = require "wayproof.stats"

local function near(expected, found, what)
  assert.is_number(found, what)
  assert.is_near(expected, found, 1e-8 * math.max(math.abs(expected), 1e-3), what)
end

-- A CSV file without quotes as lists of strings by column name.
local function read_table(path)
  local pipe = assert(io.popen(string.format(path:find("%.gz$") and "gzip -dc '%s'" or "cat '%s'",
    path)))
  local names, columns = {}, {}
  for name in pipe:read("l"):gsub("^\xEF\xBB\xBF", ""):gsub("\r$", ""):gmatch("[^,]+") do
    names[#names + 1], columns[name] = name, {}
  end
  for line in pipe:lines() do
    local i = 0
    for field in line:gsub("\r$", ""):gmatch("[^,]+") do
      i = i + 1
      local column = columns[names[i]]
      column[#column + 1] = field
    end
  end
  pipe:close()
  return columns
end

local function numbers(list)
  local out = {}
  for i, text in ipairs(list) do
    local upper = text:upper()
    out[i] = upper == "TRUE" and 1 or upper == "FALSE" and 0 or tonumber(text)
  end
  return out
end

local function check_hypothesis(reference, metric, outcome, what)
  local auc = stats.auc(metric, outcome)
  assert.equal(reference.n, auc.n, what)
  assert.equal(reference.n_pos, auc.n1, what)
  near(reference.auc, auc.estimate, what .. " auc")
  near(reference.delong_var, auc.variance, what .. " variance")
  near(reference.ci95[1], auc.wald_low, what .. " low")
  near(reference.ci95[2], auc.wald_high, what .. " high")
  local rho = stats.spearman(metric, outcome)
  near(reference.spearman.rho, rho.rho, what .. " rho")
  if reference.spearman.p > 1e-300 then near(reference.spearman.p, rho.p, what .. " p") end
  local by_group = {}
  for _, row in ipairs(stats.dose(metric, outcome, { groups = 4 })) do by_group[row.group] = row end
  for _, bin in ipairs(reference.quartile_bins) do
    local row = by_group[bin.bin + 1]
    assert.equal(bin.n, row and row.users or 0, what)
    if row then
      assert.equal(bin.sum_outcome, row.sum, what)
      assert.equal(bin.metric_min, row.from, what)
      assert.equal(bin.metric_max, row.to, what)
      near(bin.mean_outcome, row.rate, what)
      near(bin.lift, row.lift, what)
    end
  end
end

local function reference_of(name)
  local path, why = helper.data_file("reference.json")
  if not path then return nil, why end
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  local by_id = {}
  local found, json = pcall(require, "dkjson")
  if not found then return nil, "dkjson is not installed" end
  for _, one in ipairs(json.decode(text).datasets[name].hypotheses) do
    by_id[one.id:match("^H%d+")] = one.all or one
  end
  return by_id
end

describe("on real per-user tables", function()
  it("every figure of the mobile game holds", function()
    local path, why = helper.data_file("cookie_cats.csv.gz")
    local reference, no_reader = reference_of("cookie_cats")
    if not path or not reference then return pending(why or no_reader) end
    local data = read_table(path)
    local kept, gate = numbers(data.retention_7), {}
    for i, version in ipairs(data.version) do gate[i] = version == "gate_40" and 1 or 0 end
    check_hypothesis(reference.H1, numbers(data.sum_gamerounds), kept, "rounds")
    check_hypothesis(reference.H2, numbers(data.retention_1), kept, "day 1")
    check_hypothesis(reference.H4, gate, kept, "gate")
  end)

  it("every figure of the online shop holds", function()
    local path, why = helper.data_file("online_shoppers_intention.csv")
    local reference, no_reader = reference_of("online_shoppers_intention")
    if not path or not reference then return pending(why or no_reader) end
    local data = read_table(path)
    local bought = numbers(data.Revenue)
    for id, column in pairs { H1 = "PageValues", H2 = "ProductRelated",
      H3 = "ProductRelated_Duration", H4 = "BounceRates", H5 = "Region", H6 = "Weekend" } do
      check_hypothesis(reference[id], numbers(data[column]), bought, column)
    end
  end)
end)

describe("on pROC's aSAH", function()
  local function asah()
    local pipe = io.popen("Rscript --vanilla -e 'data(aSAH, package = \"pROC\"); "
      .. "write.csv(with(aSAH, data.frame(y = as.integer(outcome == \"Poor\"), s100b, ndka, "
      .. "wfns = as.integer(wfns))), quote = FALSE, row.names = FALSE)' 2>/dev/null")
    local text = pipe and pipe:read("a") or ""
    if pipe then pipe:close() end
    if not text:find("^y,s100b") then return nil end
    local columns = { y = {}, s100b = {}, ndka = {}, wfns = {} }
    for y, s, n, w in text:gmatch("\n([^,\n]+),([^,\n]+),([^,\n]+),([^,\n]+)") do
      local row = #columns.y + 1
      columns.y[row], columns.s100b[row] = tonumber(y), tonumber(s)
      columns.ndka[row], columns.wfns[row] = tonumber(n), tonumber(w)
    end
    return columns
  end

  it("AUC, intervals and paired tests are pROC's", function()
    local data = asah()
    if not data then return pending("R with pROC is not installed") end
    local s100b = stats.auc(data.s100b, data.y)
    assert.equal(41, s100b.n1)
    near(0.731368563686, s100b.estimate)
    near(0.002668682457, s100b.variance)
    near(0.6301182118, s100b.wald_low)
    near(0.8326189156, s100b.wald_high)
    near(0.6192169390, s100b.low)
    near(0.8200857499, s100b.high)
    local ndka = stats.auc(data.ndka, data.y, { method = "wald" })
    near(0.61195799458, ndka.estimate)
    near(0.5012449993, ndka.low)
    near(0.7226709899, ndka.high)
    near(0.823678861789, stats.auc(data.wfns, data.y).estimate)
    local pairs_of = { { "s100b", "ndka", 1.390770026, 0.1642951752, -0.0007561649381 },
      { "s100b", "wfns", -2.208983591, 0.02717578223, 0.001196155674 },
      { "ndka", "wfns", -2.797775919, 0.005145579707 } }
    for _, pair in ipairs(pairs_of) do
      local found = stats.auc_compare(data[pair[1]], data[pair[2]], data.y)
      near(pair[3], found.statistic, pair[1])
      near(pair[4], found.p, pair[1])
      if pair[5] then near(pair[5], found.covariance, pair[1]) end
    end
    local first = stats.auc_compare(data.s100b, data.ndka, data.y)
    near(-0.04887060642, first.low)
    near(0.28769174463, first.high)
  end)
end)
