-- Real logs: sessions, transitions, retention and funnels as the reference has them (computed with
-- pandas; reference.py beside the data defines them).
local helper = require "spec.helper"
local json = require "dkjson"
local wp = require "wayproof"

local readers = {
  cdnow_master = { "cdnow_master.csv.gz", { user = "customer_id", event_name = "purchase",
    time = "date", time_format = "%Y%m%d" } },
  bpic2012 = { "bpic2012.csv.gz", { user = "case", time = "timestamp" } },
  receipt = { "receipt.csv.gz", { user = "case:concept:name", event = "concept:name",
    time = "time:timestamp" } },
  weblog_semicomplete = { "weblog_semicomplete.csv", { user = "visitor", time = "timestamp",
    time_format = "%d/%b/%Y:%H:%M:%S %z" } },
  bitcoin_otc = { "bitcoin_otc_events.csv.gz", { user = "user_id", time = "timestamp" } },
  cgd_trial = { "cgd_trial_events.csv", { user = "patient", time = "date" } },
  rees46_head1000 = { "rees46_head1000.csv", { user = "user_id", event = "event_type",
    time = "event_time" } },
}

-- Windows of the reference's funnels, which it names in words.
local windows = { ["365 days"] = "365d", ["30 days"] = "30d", ["10 days"] = "10d",
  ["7 days"] = "7d", ["1 day"] = "1d", ["1 hour"] = "1h" }

local path, why = helper.data_file("reference.json")
local reference
if path then
  local file <close> = assert(io.open(path))
  reference = json.decode(file:read "a").datasets
end

local function near(wanted, found, what)
  assert.is_true(math.abs(wanted - found) <= 1e-9 * math.max(1, math.abs(wanted)),
    string.format("%s: expected %s, found %s", what, wanted, found))
end

local function users_of(result)
  local list = {}
  for i, step in ipairs(result.steps) do list[i] = step.users end
  return list
end

local function check_sessions(log, wanted)
  local found = log:sessions { timeout = "30m" }
  assert.equal(wanted.sessions, found.sessions)
  assert.equal(wanted.single_event_sessions, found.single_event)
  near(wanted.mean_events, found.mean_events, "mean events")
  near(wanted.median_events, found.median_events, "median events")
  near(wanted.median_duration_s, found.median_seconds, "median length")
  near(wanted.max_duration_s, found.max_seconds, "longest")
  near(wanted.mean_sessions_per_user, found.sessions_per_user, "sessions per user")
end

local function check_transitions(log, wanted, within)
  local found = log:transitions { within = within }
  assert.equal(wanted.total, found.total)
  local sum = 0
  for _, row in ipairs(found.rows) do sum = sum + row.count end
  assert.equal(found.total, sum)
  for i, row in ipairs(wanted.top5) do
    assert.same({ row.src, row.dst, row.count }, { found.rows[i].from, found.rows[i].to,
      found.rows[i].count })
    near(row.median_gap_s, found.rows[i].median_seconds, "median gap")
  end
end

local function check_calendar(log, wanted)
  local offsets = #wanted.active
  local found = log:retention { period = wanted.unit, periods = offsets }
  local start_us = wp.time((wanted.cohort_start:gsub(" ", "T")) .. "Z")
  for _, cohort in ipairs(found.cohorts) do
    if cohort.start == start_us then
      assert.equal(wanted.cohort_size, cohort.users)
      assert.same(wanted.active, { table.unpack(cohort.retained) })
      assert.same(wanted.period_complete, { table.unpack(cohort.complete) })
      return
    end
  end
  error("no cohort of " .. wanted.cohort_start)
end

-- The reference keeps people who could be followed over all periods: found here by their start.
local function check_user_relative(log, wanted)
  local offsets = #wanted.active
  local length_us = (wanted.unit == "week" and 7 or 1) * 86400 * 1000000
  local last_us = log:summary().last
  local ids = {}
  for id, journey in log:journeys() do
    if journey[1].time + offsets * length_us <= last_us then ids[#ids + 1] = id end
  end
  assert.equal(wanted.users_with_full_follow_up, #ids)
  if #ids == 0 then return end
  local found = log:where { users = ids }:retention { period = wanted.unit, periods = offsets,
    align = "user", as_of = last_us }
  assert.same(wanted.active, { table.unpack(found.overall.retained) })
  for j = 1, offsets do assert.equal(#ids, found.overall.observable[j]) end
end

local function check_funnel(log, wanted)
  local within = windows[wanted.window:match("^%d+ %a+")]
  assert.is_string(within)
  assert.same(wanted.any_start, users_of(log:funnel(wanted.steps, { within = within })))
  local first = log:funnel(wanted.steps, { within = within, entry = "first" })
  assert.same(wanted.first_start_only, users_of(first))
  for i, seconds in ipairs(wanted.median_seconds_from_first_start) do
    if seconds ~= json.null then
      near(seconds, first.steps[i].median_seconds, "median to step " .. i)
    end
  end
  assert.same(wanted.no_window_first_start,
    users_of(log:funnel(wanted.steps, { entry = "first" })))
  if wanted.any_start_ties_in_any_order then
    assert.same(wanted.any_start_ties_in_any_order,
      users_of(log:funnel(wanted.steps, { within = within, ties = "any" })))
  end
end

for name, reader in pairs(readers) do
  describe("the journeys of " .. name, function()
    local log
    local function it_has(what, check)
      it("have the reference's " .. what, function()
        if not path then return pending(why) end
        log = log or assert(wp.read_csv(assert(helper.data_file(reader[1])), reader[2]))
        check(reference[name])
      end)
    end
    it_has("sessions", function(wanted) check_sessions(log, wanted.sessions_30min) end)
    it_has("transitions", function(wanted)
      check_transitions(log, wanted.transitions.whole_history)
      check_transitions(log, wanted.transitions.within_session, "session")
    end)
    it_has("retention by calendar and by user", function(wanted)
      check_calendar(log, wanted.retention.calendar)
      check_user_relative(log, wanted.retention.user_relative)
    end)
    it_has("funnels, under each of its rules", function(wanted)
      assert.is_true(#wanted.funnels > 0)
      for _, funnel in ipairs(wanted.funnels) do check_funnel(log, funnel) end
    end)
  end)
end
