-- Real logs: users, positives, missing values, sums and quartiles of every hypothesis of the
-- reference (computed with pandas; reference.py beside the data defines them).
local helper = require "spec.helper"
local json = require "dkjson"
local wp = require "wayproof"

local function reader(file, options)
  return function()
    local path, missing = helper.data_file(file)
    if not path then return nil, missing end
    return assert(wp.read_csv(path, options))
  end
end

-- Columns that the reference derives and the files lack are made by the hypotheses' own trees.
local logs = {
  cdnow_master = reader("cdnow_master.csv.gz", { user = "customer_id", event_name = "purchase",
    time = "date", time_format = "%Y%m%d", value = "dollar_value", numbers = { "number_of_cds" } }),
  bpic2012 = reader("bpic2012.csv.gz", { user = "case", event = "event", time = "timestamp",
    value = "amount_req", properties = { "lifecycle", "resource" } }),
  receipt = reader("receipt.csv.gz", { user = "case:concept:name", event = "concept:name",
    time = "time:timestamp", properties = { "org:resource", "case:channel" } }),
  weblog_semicomplete = reader("weblog_semicomplete.csv", { user = "visitor", event = "event",
    time = "timestamp", time_format = "%d/%b/%Y:%H:%M:%S %z", value = "bytes",
    numbers = { "bot" } }),
  bitcoin_otc = reader("bitcoin_otc_events.csv.gz", { user = "user_id", event = "event",
    time = "timestamp", value = "value", properties = { "peer" } }),
  cgd_trial = reader("cgd_trial_events.csv", { user = "patient", event = "event", time = "date",
    numbers = { "age" }, properties = { "treat" } }),
}

local purchase = 'wp.converts "purchase"'
local activated, any, rates, infection = 'wp.converts "A_ACTIVATED"', 'wp.retained()',
  'wp.converts "rate"', 'wp.converts "infection"'

-- metric, outcome; the weekday of an order and the arm of a trial are not numbers of these logs.
local hypotheses = {
  cdnow_master = { H1_purchase_days_28d = { 'wp.active_days()', purchase },
    H2_dollars_28d = { 'wp.sum()', purchase },
    H3_cds_first_order = { 'wp.first_value(nil, "number_of_cds")', purchase } },
  bpic2012 = {
    H1_work_items_7d = { 'wp.count("W_*", { lifecycle = "COMPLETE" })', activated },
    H2_amount = { 'wp.first_value "A_SUBMITTED"', activated },
    H3_offer_sent_7d = { 'wp.count "O_SENT"', activated },
    H4_resources_7d = { 'wp.distinct "resource"', activated } },
  receipt = { H1_events_1d = { 'wp.count()', any },
    H2_resources_1d = { 'wp.distinct "org:resource"', any },
    H3_internet = { 'wp.did { ["case:channel"] = "Internet" }', any } },
  weblog_semicomplete = { H1_requests_1h = { 'wp.count()', any },
    H2_sections_1h = { 'wp.distinct "event"', any },
    H3_bot = { 'wp.first_value(nil, "bot")', any }, H4_bytes_1h = { 'wp.sum()', any } },
  bitcoin_otc = { H1_ratings_received_30d = { 'wp.count "rated"', rates },
    H2_rating_sum_30d = { 'wp.sum "rated"', rates },
    H3_rating_mean_30d = { 'wp.mean "rated"', rates },
    H4_negative_30d = { 'wp.count("rated", { value = wp.below(0) })', rates } },
  cgd_trial = { H1_infection_90d = { 'wp.count "infection"', infection },
    H2_treated = { 'wp.did("randomised", { treat = "rIFN-g" })', infection },
    H3_age = { 'wp.first_value("randomised", "age")', infection } },
}

local function tree(expression)
  return assert(load("local wp = ... return " .. expression))(wp)
end

-- Rows without a missing value, in order of the metric.
local function used_rows(frame)
  local rows = {}
  for row in frame:rows() do
    if row.metric ~= nil then rows[#rows + 1] = row end
  end
  table.sort(rows, function(a, b) return a.metric < b.metric end)
  return rows
end

-- bin = min(3, floor(4 * (midrank - 0.5) / n)): n, lowest and highest metric, sum of the outcome.
local function quartiles(rows)
  local bins, first = {}, 1
  while first <= #rows do
    local last = first
    while rows[last + 1] and rows[last + 1].metric == rows[first].metric do last = last + 1 end
    local midrank = (first + last) / 2
    local bin = math.min(3, math.floor(4 * (midrank - 0.5) / #rows))
    local b = bins[bin] or { n = 0, sum = 0, low = rows[first].metric }
    bins[bin] = b
    b.high = rows[first].metric
    for i = first, last do
      b.n = b.n + 1
      b.sum = b.sum + rows[i].outcome
    end
    first = last + 1
  end
  return bins
end

local function near(expected, found, what)
  assert.is_true(math.abs(expected - found) <= 1e-9 * math.max(1, math.abs(expected)),
    string.format("%s: expected %s, found %s", what, expected, found))
end

local function check_part(log, wanted, hypothesis, part, prior)
  local unit = wanted.unit == "hours" and 3600 or 86400
  local frame <close> = assert(log:measure {
    metrics = { metric = tree(hypothesis[1]) }, outcome = tree(hypothesis[2]),
    observe = math.tointeger(wanted.W * unit), within = math.tointeger(wanted.H * unit),
    prior_outcome = prior,
  })
  local n, expected = frame.n, wanted[part]
  assert.equal(wanted.users_total, n.users)
  assert.equal(wanted.users_full_follow_up, n.used + n.missing + n.prior_outcome)
  assert.equal(expected.n, n.used)
  assert.equal(expected.n_pos, n.events)
  assert.equal(n.used, n.events + n.non_events)
  assert.equal(n.used + n.missing, #frame)
  local rows = used_rows(frame)
  local bins = quartiles(rows)
  for _, bin in ipairs(expected.quartile_bins or {}) do
    local found = bins[bin.bin] or { n = 0 }
    assert.equal(bin.n, found.n)
    if bin.n > 0 then
      near(bin.metric_min, found.low, "lowest metric")
      near(bin.metric_max, found.high, "highest metric")
      near(bin.sum_outcome, found.sum, "outcomes")
    end
  end
  return n
end

local function check_revenue(log, wanted, hypothesis)
  local frame <close> = assert(log:measure { metrics = { metric = tree(hypothesis[1]) },
    outcome = wp.earns "purchase", observe = math.tointeger(wanted.W * 86400),
    within = math.tointeger(wanted.H * 86400) })
  near(wanted.all.numeric_outcome.sum, frame:vector("outcome"):sum(), "revenue")
end

local path, why = helper.data_file("reference.json")
local reference
if path then
  local file <close> = assert(io.open(path))
  reference = json.decode(file:read "a").datasets
end

for name, open in pairs(logs) do
  describe("the hypotheses of " .. name, function()
    local log
    it("load", function()
      if not path then return pending(why) end
      log = assert(open())
      assert.equal(reference[name].summary.rows, #log)
    end)
    local ids = {}
    for id in pairs(hypotheses[name]) do ids[#ids + 1] = id end
    table.sort(ids)
    for _, id in ipairs(ids) do
      it("measure as the reference does: " .. id, function()
        if not path then return pending(why) end
        local wanted
        for _, entry in ipairs(reference[name].hypotheses) do
          if entry.id == id then wanted = entry end
        end
        local hypothesis = hypotheses[name][id]
        local n = check_part(log, wanted, hypothesis, "all", "keep")
        assert.equal(wanted.metric_missing, n.missing)
        n = check_part(log, wanted, hypothesis, "excluding_prior_outcome", "exclude")
        assert.equal(wanted.users_with_outcome_already_in_observation_window, n.prior_outcome)
        if wanted.all.numeric_outcome then check_revenue(log, wanted, hypothesis) end
      end)
    end
  end)
end
