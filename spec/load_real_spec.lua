-- Every event log of the reference data loads with the figures that pandas found in it:
-- summary sections of reference.json, made by reference.py (pandas, ties and sums in float64).
local core = require "wayproof.core"
local helper = require "spec.helper"
local wp = require "wayproof"

local cases = {
  { "bpic2012.csv.gz", { user = "case", time = "timestamp", value = "amount_req",
      properties = { "lifecycle", "resource" } },
    rows = 262200, users = 13087, names = 24, first = "2011-09-30T22:38:44.546Z",
    last_us = 1331737494681000, ties = 13995, missing = 0, sum = 4086857749.0,
    empty = { resource = 18010 }, assumed = false },
  { "receipt.csv.gz", { user = "case:concept:name", event = "concept:name",
      time = "time:timestamp", properties = { "case:group", "case:enddate" } },
    rows = 8577, users = 1434, names = 27, first = "2010-10-02T07:20:39.266Z",
    last_us = 1327329774644000, ties = 0, missing = 8577, sum = 0,
    empty = { ["case:group"] = 4961, ["case:enddate"] = 617 }, assumed = false },
  { "weblog_semicomplete.csv", { user = "visitor", time = "timestamp", value = "bytes",
      time_format = "%d/%b/%Y:%H:%M:%S %z", properties = { "path" } },
    rows = 10000, users = 1862, names = 20, first = "2015-05-17T10:05:00Z",
    last_us = 1432155959000000, ties = 761, missing = 669, sum = 2747282740.0, empty = {},
    assumed = false },
  { "bitcoin_otc_events.csv.gz", { user = "user_id", time = "timestamp", value = "value",
      properties = { "peer" } },
    rows = 71184, users = 5881, names = 2, first = "2010-11-08T18:45:11.728360Z",
    last_us = 1453684323757280, ties = 0, missing = 0, sum = 72040.0, empty = {},
    assumed = false },
  { "cdnow_master.csv.gz", { user = "customer_id", event_name = "purchase", time = "date",
      time_format = "%Y%m%d", value = "dollar_value", numbers = { "number_of_cds" } },
    rows = 69659, users = 23570, names = 1, first = "1997-01-01T00:00:00Z",
    last_us = 899164800000000, ties = 2068, missing = 0, sum = 2500315.63, empty = {},
    duplicates = { 255, "number_of_cds" }, assumed = true },
  { "cgd_trial_events.csv", { user = "patient", time = "date", properties = { "treat" } },
    rows = 332, users = 128, names = 3, first = "1989-06-07T00:00:00Z",
    last_us = 656985600000000, ties = 1, missing = 332, sum = 0, empty = {}, assumed = true },
  { "rees46_head1000.csv", { user = "user_id", event = "event_type", time = "event_time",
      value = "price", properties = { "category_code", "brand" } },
    rows = 1000, users = 330, names = 3, first = "2019-10-01T00:00:00Z",
    last_us = 1569889046000000, ties = 1, missing = 0, sum = 293615.99,
    empty = { category_code = 366, brand = 143 }, assumed = false },
}

local function measure(log, case)
  local found = { ties = 0, missing = 0, sum = 0, empty = {}, users = 0, duplicates = 0 }
  local names = {}
  for _, journey in log:journeys() do
    found.users = found.users + 1
    local last, seen = nil, {}
    for i = 1, #journey do
      local e = journey[i]
      names[e.event] = true
      found.ties = found.ties + (e.time == last and 1 or 0)
      last = e.time
      found.missing = found.missing + (e.value == nil and 1 or 0)
      found.sum = found.sum + (e.value or 0)
      for name in pairs(case.empty) do
        found.empty[name] = (found.empty[name] or 0) + (e[name] == nil and 1 or 0)
      end
      if case.duplicates then
        local key = ("%d %s %s"):format(e.time, tostring(e.value),
          tostring(e[case.duplicates[2]]))
        found.duplicates = found.duplicates + (seen[key] and 1 or 0)
        seen[key] = true
      end
    end
  end
  found.names = 0
  for _ in pairs(names) do found.names = found.names + 1 end
  return found
end

describe("the reference data", function()
  for _, case in ipairs(cases) do
    it(case[1] .. " loads with pandas' figures, by 1, 2 and 8 threads alike", function()
      local path, why = helper.data_file(case[1])
      if not path then return pending(why) end
      local threads, fingerprint = wp.threads(), nil
      for _, n in ipairs { 1, 2, 8 } do
        wp.threads(n)
        local facts = core.log.facts(assert(wp.read_csv(path, case[2])))
        fingerprint = fingerprint or facts.fingerprint
        assert.equal(fingerprint, facts.fingerprint)
      end
      wp.threads(threads)
      local log = assert(wp.read_csv(path, case[2]))
      local facts, found = core.log.facts(log), measure(log, case)
      assert.equal(case.rows, #log)
      assert.equal(case.users, found.users)
      assert.equal(case.names, found.names)
      assert.equal(case.first, wp.date(facts.first))
      assert.equal(case.last_us, facts.last)
      assert.equal(case.ties, found.ties)
      assert.equal(case.missing, found.missing)
      assert.is_true(math.abs(found.sum - case.sum) <= 1e-12 * math.abs(case.sum) + 1e-9)
      assert.same(case.empty, found.empty)
      if case.duplicates then assert.equal(case.duplicates[1], found.duplicates) end
      assert.equal(case.assumed, facts.time_zone_assumed)
    end)
  end

  it("of people loads as tables, with a byte order mark and TRUE and FALSE as texts", function()
    local path, why = helper.data_file "cookie_cats.csv.gz"
    if not path then return pending(why) end
    local t = assert(core.read.table(path))
    assert.same({ "userid", "version", "sum_gamerounds", "retention_1", "retention_7" }, t.names)
    assert.same({ "integer", "text", "integer", "text", "text" }, t.kinds)
    assert.equal(90189, t.rows)
    local sum, most = 0, 0
    for _, rounds in ipairs(t.columns[3]) do sum, most = sum + rounds, math.max(most, rounds) end
    assert.equal(4678325, sum) -- pandas: read_csv(...).sum_gamerounds.sum()
    assert.equal(49854, most)
  end)
end)
