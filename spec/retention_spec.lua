-- Retention: against the naive twin, at the borders of days, months and clock changes, and where
-- the log ends too early to know.
local flow_made = require "spec.flow_made"
local twin = require "spec.twin_flow"
local wp = require "wayproof"

local SECOND, DAY = 1000000, 86400 * 1000000

local function log_of(rows, options)
  options = options or {}
  options.time_unit = options.time_unit or "s"
  return assert(wp.read_rows(rows, options))
end

local function check(log, journeys, given, rules, what)
  local found = log:retention(given)
  local wanted, users = twin.retention(journeys, rules), 0
  local by_start = {}
  for _, cohort in pairs(wanted) do
    by_start[cohort.start] = cohort
    users = users + cohort.users
  end
  assert(found.users == users, what .. ": users")
  for _, cohort in ipairs(found.cohorts) do
    local own = assert(by_start[cohort.start], what)
    by_start[cohort.start] = nil
    assert(cohort.users == own.users, what)
    for k = 1, rules.offsets do
      assert(cohort.retained[k] == own.retained[k], string.format("%s: period %d: %d, not %d",
        what, k, cohort.retained[k], own.retained[k]))
      assert(cohort.observable[k] == own.observable[k], what .. ": observable")
      assert(cohort.complete[k] == (own.observable[k] == own.users), what .. ": complete")
      local of = rules.per_user and own.observable[k] or own.users
      if of == 0 then
        assert(cohort.rates[k] == false, what)
      else
        assert(cohort.rates[k] == own.retained[k] / of, what)
        assert(cohort.rates[k] <= 1 and cohort.low[k] <= cohort.rates[k]
          and cohort.rates[k] <= cohort.high[k], what)
      end
    end
  end
  assert(next(by_start) == nil, what .. ": cohorts")
end

describe("retention", function()
  local function any() return true end
  local function is_a(event) return event.event == "a" end
  local function is_b(event) return event.event == "b" end

  it("agrees with the twin on random journeys", function()
    for seed = 1, 40 do
      local log, journeys = flow_made.log(seed, { users = 30, events = 12,
        names = { "a", "b", "c" }, gap = 400000, spread = 1200000 })
      log = log:where { since = flow_made.start_us }
      local last = 0
      for _, journey in pairs(journeys) do last = math.max(last, journey[#journey].time) end
      for _, period in ipairs { "day", "week" } do
        for _, align in ipairs { "calendar", "user" } do
          for _, mode in ipairs { "on", "on_or_after" } do
            local offsets = 1 + seed % 5
            local what = string.format("seed %d, %s, %s, %s", seed, period, align, mode)
            local rules = { period = period, offsets = offsets, start = any, returns = any,
              per_user = align == "user", on_or_after = mode == "on_or_after", as_of = last }
            check(log, journeys, { period = period, periods = offsets, align = align,
              mode = mode }, rules, what)
            rules.start, rules.returns, rules.as_of = is_a, is_b, last + 3 * DAY
            check(log, journeys, { period = period, periods = offsets, align = align,
              mode = mode, start = "a", returns = "b", as_of = last + 3 * DAY }, rules,
              what .. ", from a to b")
          end
        end
      end
    end
  end)

  it("begins weeks on Monday and days at midnight, inclusive", function()
    local monday = 1704067200 -- 2024-01-01
    local log = log_of {
      { user = "sunday", event = "a", time = monday - 1 },
      { user = "sunday", event = "a", time = monday },
      { user = "monday", event = "a", time = monday },
    }
    local weeks = log:retention { period = "week", periods = 2 }
    assert.equal(2, #weeks.cohorts)
    assert.same({ 1, 1 }, { table.unpack(weeks.cohorts[1].retained) })
    assert.equal(monday * SECOND, weeks.cohorts[2].start)
  end)

  it("cuts months and days by the calendar of a zone", function()
    -- 2024-03-31: clocks in Berlin go forward, the day has 23 hours
    local log = log_of {
      { user = "u", event = "a", time = wp.time "2024-03-30T23:30:00Z" // SECOND },
      { user = "v", event = "a", time = wp.time "2024-03-31T22:30:00Z" // SECOND },
    }
    local days = log:retention { period = "day", zone = "Europe/Berlin" }
    assert.equal(wp.time "2024-03-30T23:00:00Z", days.cohorts[1].start)
    assert.equal(wp.time "2024-03-31T22:00:00Z", days.cohorts[2].start)
    local months = log:retention { period = "month", zone = "Europe/Berlin" }
    assert.equal(2, #months.cohorts)
    assert.equal(1, #log:retention { period = "month" }.cohorts)
  end)

  it("calls no period complete that was not over", function()
    local log = log_of {
      { user = "u", event = "a", time = 0 }, { user = "u", event = "a", time = 86400 },
      { user = "v", event = "a", time = 86400 * 2 },
    }
    local open = log:retention { period = "day", periods = 3 }
    assert.same({ true, true, false }, { table.unpack(open.cohorts[1].complete) })
    assert.equal(1, open.overall.observable[2]) -- only the first cohort's second day is over
    -- a moment less, and the second day is not over either
    local cut = log:retention { period = "day", periods = 3, as_of = 86400 * 2 * SECOND - 2 }
    assert.same({ true, false, false }, { table.unpack(cut.cohorts[1].complete) })
  end)

  it("of users counts only those whose period was over, so that no rate passes 1", function()
    local rows = {}
    for i = 1, 10 do
      rows[#rows + 1] = { user = "u" .. i, event = "a", time = i * 3600 }
      rows[#rows + 1] = { user = "u" .. i, event = "a", time = i * 3600 + 86400 }
    end
    local found = log_of(rows):retention { period = "day", periods = 2, align = "user",
      as_of = (86400 * 2 + 5 * 3600) * SECOND }
    assert.equal(5, found.overall.observable[2])
    assert.equal(5, found.overall.retained[2])
  end)

  it("looks beyond the log without trouble", function()
    local log = log_of { { user = "u", event = "a", time = 0 } }
    local found = log:retention { period = "week", periods = 1000 }
    assert.equal(1000, #found.cohorts[1].retained)
    assert.is_false(found.cohorts[1].complete[1000])
  end)
end)
