-- Sessions, transitions, dwell and gaps: against the naive twin, at the edges, and as printed.
local flow_made = require "spec.flow_made"
local golden = require "spec.golden"
local twin = require "spec.twin_flow"
local wp = require "wayproof"

local SECOND = 1000000
local names = { "a", "b", "c", "d" }

local function near(wanted, found, what)
  assert(math.abs(wanted - found) <= 1e-9 * math.max(1, math.abs(wanted)),
    string.format("%s: expected %s, found %s", what, wanted, found))
end

local function by_name(event) return event.event end

-- { a, [b where device = x] } against events; what a filter on a stage means, by the row.
local stages = wp.stages {
  { "first", "a" },
  { "second", "b", where = { device = "x" } },
  { "third", "b", "c" },
}

local function by_stage(event)
  if event.event == "a" then return "first" end
  if event.event == "b" and event.device == "x" then return "second" end
  if event.event == "b" or event.event == "c" then return "third" end
  return nil
end

local function each_log(first, last, check)
  for seed = first, last do
    local log, journeys = flow_made.log(seed, { users = 25, events = 14, names = names })
    check(log:where { since = flow_made.start_us }, journeys, "seed " .. seed)
  end
end

local function check_transitions(journeys, found, class, timeout, what)
  local total, rows = twin.transitions(journeys, class, timeout)
  assert(total == found.total, what .. ": total")
  local seen, last = 0, math.maxinteger
  for _, row in ipairs(found.rows) do
    local wanted = assert(rows[row.from .. " > " .. row.to], what)
    seen = seen + 1
    assert(row.count == wanted.count and row.users == wanted.users, what .. ": counts")
    near(wanted.share, row.share, what)
    near(wanted.probability, row.probability, what)
    near(wanted.median_seconds, row.median_seconds, what)
    near(wanted.p90_seconds, row.p90_seconds, what)
    assert(row.low <= row.probability and row.probability <= row.high, what .. ": interval")
    assert(row.count <= last, what .. ": order")
    last = row.count
  end
  for _ in pairs(rows) do seen = seen - 1 end
  assert(seen == 0, what .. ": rows")
end

describe("sessions", function()
  it("agree with the twin", function()
    each_log(1, 40, function(log, journeys, what)
      for _, timeout in ipairs { 0, 2, 5, 100 } do
        local wanted = twin.sessions(journeys, timeout * SECOND)
        local found = log:sessions { timeout = timeout }
        for key, value in pairs(wanted) do near(value, found[key], what .. ": " .. key) end
      end
    end)
  end)

  it("are cut by a longer gap only, and per group of people", function()
    local log = assert(wp.read_rows({
      { user = "u", event = "a", time = 0, plan = "x" },
      { user = "u", event = "a", time = 1800 },
      { user = "u", event = "a", time = 3601 },
      { user = "v", event = "a", time = 0 },
    }, { time_unit = "s", properties = { "plan" } }))
    local found = log:sessions { by = "plan" }
    assert.equal(3, found.sessions)
    assert.equal(2, found.single_event)
    assert.equal(2, found.groups[1].sessions + found.groups[2].sessions - 1)
    assert.equal("x", found.groups[1].value or found.groups[2].value)
  end)
end)

describe("transitions", function()
  it("agree with the twin, over all and within sessions, by event and by stage", function()
    each_log(101, 140, function(log, journeys, what)
      check_transitions(journeys, log:transitions(), by_name, nil, what)
      check_transitions(journeys, log:transitions { within = "session", timeout = 3 }, by_name,
        3 * SECOND, what .. " sessions")
      check_transitions(journeys, log:transitions { stages = stages }, by_stage, nil,
        what .. " stages")
    end)
  end)

  it("count 65,536 event names", function()
    local rows = {}
    for i = 1, 65536 do
      rows[i] = { user = "u" .. i % 7, event = "e" .. i, time = i }
    end
    local log = assert(wp.read_rows(rows, { time_unit = "s" }))
    local found = log:transitions()
    assert.equal(65536 - 7, found.total)
    assert.equal(65536 - 7, #found.rows)
    assert.equal(7.0, found.rows[1].median_seconds)
    assert.equal("7 sessions of 7 users", tostring(log:sessions()):match("^[^,]+"))
    assert.equal(65536, log:dwell().events)
  end)

  it("know stages that never happen", function()
    local log = flow_made.log(5, { users = 5, events = 5, names = names })
    local found = log:where { events = { "c", "d" } }:transitions {
      stages = wp.stages { { "none", "a" }, { "some", "c", "d" } } }
    for _, row in ipairs(found.rows) do assert.equal("some", row.from) end
  end)

  it("give an event that fits two stages to the first", function()
    local log = assert(wp.read_rows { { user = "u", event = "ab", time = 1 },
      { user = "u", event = "ac", time = 2 } })
    local found = log:transitions { stages = wp.stages { { "x", "a*" }, { "y", "*c" } } }
    assert.equal(1, #found.rows)
    assert.same({ "x", "x" }, { found.rows[1].from, found.rows[1].to })
  end)
end)

describe("dwell and gaps", function()
  it("agree with the twin", function()
    each_log(201, 230, function(log, journeys, what)
      for _, timeout in ipairs { false, 3 } do
        local wanted = twin.dwell(journeys, by_name, timeout and timeout * SECOND)
        local found = log:dwell(timeout and { within = "session", timeout = timeout } or nil)
        for _, row in ipairs(found.rows) do
          local own = wanted[row.event]
          assert(row.events == own.events and row.gaps == #own.gaps, what)
          assert(row.last == own.events - #own.gaps, what)
          near(row.last / row.events, row.end_rate, what)
          if #own.gaps > 0 then
            near(twin.quantile(own.gaps, 0.5), row.median_seconds, what)
            near(twin.quantile(own.gaps, 0.99), row.p99_seconds, what)
            local sum = 0
            for _, gap in ipairs(own.gaps) do sum = sum + math.min(gap, 1800) end
            near(sum / #own.gaps, row.mean_capped_seconds, what)
          end
          wanted[row.event] = nil
        end
        assert(next(wanted) == nil, what)
      end
    end)
  end)

  it("put every gap into one band", function()
    local log, journeys = flow_made.log(7, { users = 40, events = 12, names = names, gap = 4000 })
    local found = log:where { since = flow_made.start_us }:gaps()
    local wanted, total = {}, 0
    for _, journey in pairs(journeys) do
      for i = 2, #journey do
        local gap = (journey[i].time - journey[i - 1].time) / 1e6
        for b, band in ipairs(found.bands) do
          if not band.to_seconds or gap <= band.to_seconds then
            wanted[b], total = (wanted[b] or 0) + 1, total + 1
            break
          end
        end
      end
    end
    assert.equal(total, found.gaps)
    for b, band in ipairs(found.bands) do assert.equal(wanted[b] or 0, band.count) end
  end)

  it("can look at some events only", function()
    local log = assert(wp.read_rows({ { user = "u", event = "buy", time = 0 },
      { user = "u", event = "look", time = 10 }, { user = "u", event = "buy", time = 60 } },
      { time_unit = "s" }))
    assert.equal(1, log:gaps { events = "buy" }.gaps)
    assert.equal(60.0, log:gaps { events = "buy" }.median_seconds)
    assert.equal(2, log:gaps().gaps)
  end)
end)

describe("analyses of moves", function()
  local log

  setup(function()
    log = flow_made.log(31, { users = 300, events = 30, names = names, gap = 900 })
  end)

  local calls = {
    sessions = function() return log:sessions { by = "device" } end,
    transitions = function() return log:transitions { within = "session" } end,
    dwell = function() return log:dwell() end,
    gaps = function() return log:gaps { by = "device" } end,
    paths = function() return log:paths { start = "b", steps = 5, within = "1h" } end,
    paths_back = function() return log:paths { finish = "b", steps = 5, by = "device" } end,
    retention = function() return log:retention { period = "day", periods = 3 } end,
    funnel = function()
      return log:funnel({ "a", "b", { events = "c", optional = true }, "d" },
        { within = "1h", by = "device" })
    end,
    funnel_explained = function()
      return log:funnel({ "a", "b", "c" }, { within = "1h", exclude = "d" }):explain "posthog"
    end,
  }

  for name, call in pairs(calls) do
    it("are the same for 1, 2 and 8 threads: " .. name, function()
      local threads, wanted = wp.threads(), nil
      for _, n in ipairs { 1, 2, 8 } do
        wp.threads(n)
        local text = call():json()
        wanted = wanted or text
        assert.equal(wanted, text)
      end
      wp.threads(threads)
    end)

    it("print within 25 lines and 80 columns: " .. name, function()
      local text = tostring(call())
      golden.check("flow_" .. name, text)
      local _, breaks = text:gsub("\n", "")
      assert.is_true(breaks < 25, name .. " has " .. breaks + 1 .. " lines")
    end)

    it("give tables, JSON and CSV: " .. name, function()
      local result, file = call(), os.tmpname()
      assert.is_table(result:table())
      assert.is_truthy(result:json():find("^{"))
      assert.is_true(result:csv(file))
      local lines = 0
      for _ in io.lines(file) do lines = lines + 1 end
      os.remove(file)
      assert.is_true(lines > 1)
    end)
  end

  it("answer for an empty log", function()
    local empty = log:where { since = "2030-01-01" }
    for name in pairs(calls) do
      local method = name:match("^%a+")
      local result = method == "funnel" and empty:funnel({ "a", "b" }, { within = "1h" })
        or empty[method](empty)
      assert.is_truthy(#tostring(result) > 0)
      assert.is_table(result:table())
    end
    assert.equal(0, empty:funnel({ "a", "b" }).entered)
    assert.is_nil(empty:funnel({ "a", "b" }).steps[1].rate)
  end)

  it("of a view see its events only, as the twin does", function()
    for seed = 301, 320 do
      local whole, journeys = flow_made.log(seed, { users = 25, events = 14, names = names })
      local since, before = flow_made.start_us + 5 * SECOND, flow_made.start_us + 30 * SECOND
      local seen = {}
      for id, journey in pairs(journeys) do
        for _, event in ipairs(journey) do
          if event.device == "x" and event.time >= since and event.time < before then
            seen[id] = seen[id] or {}
            table.insert(seen[id], event)
          end
        end
      end
      local narrow = { where = { device = "x" }, since = since, before = before }
      check_transitions(seen, whole:transitions(narrow), by_name, nil, "seed " .. seed)
      narrow.timeout = 2
      for key, value in pairs(twin.sessions(seen, 2 * SECOND)) do
        near(value, whole:sessions(narrow)[key], "seed " .. seed .. ": " .. key)
      end
      narrow.timeout, narrow.within = nil, 10
      local found, entered = whole:funnel({ "a", "b" }, narrow), 0
      local rules = { order = "loose", entry = "any", ties = "as_recorded", within = 10 * SECOND,
        as_of = before - 1, steps = { { is = function(e) return e.event == "a" end },
          { is = function(e) return e.event == "b" end } } }
      local through = 0
      for _, journey in pairs(seen) do
        local level = twin.funnel(journey, rules).level
        entered = entered + (level >= 1 and 1 or 0)
        through = through + (level >= 2 and 1 or 0)
      end
      assert.same({ entered, through }, { found.entered, found.converted })
    end
  end)

  it("narrow by where, since and before", function()
    local day_two = flow_made.start_us + 3600 * SECOND
    local narrowed = log:where { device = "x", since = flow_made.start_us, before = day_two }
    assert.equal(narrowed:transitions().total, log:transitions { where = { device = "x" },
      since = flow_made.start_us, before = day_two }.total)
  end)

  local mistakes = {
    { "transitions: timeout without within", function() log:transitions { timeout = "1h" } end },
    { "did you mean 'timeout'", function() log:sessions { timout = "1h" } end },
    { "unknown event 'aa' %(did you mean", function() log:paths { start = "aa" } end },
    { "unknown event 'bb'", function()
      log:dwell { stages = wp.stages { { "x", "bb" } } }
    end },
    { "unknown property 'devise' %(did you mean 'device'", function()
      log:sessions { by = "devise" }
    end },
    { "start and finish together", function() log:paths { start = "a", finish = "b" } end },
    { "paths: steps: 65", function() log:paths { steps = 65 } end },
    { "expected a log", function() log.sessions { timeout = "1h" } end },
    { "months differ", function() log:retention { align = "user", period = "month" } end },
  }
  for _, mistake in ipairs(mistakes) do
    it("refuse what makes no sense: " .. mistake[1], function()
      local ok, message = pcall(mistake[2])
      assert.is_false(ok)
      assert.is_truthy(message:find(mistake[1]), message)
      assert.is_truthy(message:find("flow_spec.lua:%d+: "), message)
    end)
  end
end)
