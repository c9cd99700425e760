-- wp.custom: a metric in Lua, over the events that the window shows.
local wp = require "wayproof"

local DAY = 86400

local function log()
  return assert(wp.read_rows({
    { user = "ann", event = "view", time = 0, value = 1, device = "mobile" },
    { user = "ann", event = "compare", time = 60, value = 4 },
    { user = "ann", event = "view", time = 2 * DAY },
    { user = "bob", event = "view", time = 5 * DAY },
    { user = "bob", event = "stay", time = 30 * DAY },
  }, { value = "value", properties = { "device" }, time_unit = "s" }))
end

local function column(metric, more)
  local asked = { metrics = { m = metric }, observe = "1d" }
  for key, value in pairs(more or {}) do asked[key] = value end
  local frame <close> = assert(log():measure(asked))
  return frame:column "m", frame.n
end

describe("a custom metric", function()
  it("sees the events of the window and nothing later", function()
    assert.same({ 2, 1 }, column(wp.custom("n", function(journey) return #journey end)))
  end)

  it("sees whole events", function()
    local seen
    column(wp.custom("look", function(journey)
      seen = seen or journey[1]
      return 0
    end))
    assert.equal("view", seen.event)
    assert.equal(0, seen.time)
    assert.equal(1, seen.value)
    assert.equal("mobile", seen.device)
  end)

  it("is told its window", function()
    assert.same({ DAY, DAY }, column(wp.custom("w", function(_, window)
      return (window.to - window.from) / 1e6
    end)))
  end)

  it("sees only the events it declares", function()
    local metric = wp.custom("n", function(journey) return #journey end, { events = "comp*" })
    assert.same({ 1, 0 }, column(metric))
  end)

  it("may say nil for missing", function()
    local values, n = column(wp.custom("x", function(journey) return journey[2] and 7 end))
    assert.same({ 7 }, values)
    assert.equal(1, n.missing)
    assert.equal(1, n.used)
  end)

  it("combines with other metrics", function()
    local metric = wp.custom("n", function(journey) return #journey end) + wp.count "view" * 10
    assert.same({ 12, 11 }, column(metric))
  end)

  it("may be the outcome", function()
    local frame <close> = assert(log():measure { metrics = { n = wp.count() }, observe = "1d",
      within = "1d", gap = "1d",
      outcome = wp.outcome(wp.custom("n", function(journey) return #journey end)) })
    assert.same({ 1, 0 }, frame:column "outcome")
  end)

  it("respects a view", function()
    local frame <close> = assert(log():where { events = { "view" } }:measure {
      metrics = { m = wp.custom("n", function(journey) return #journey end) }, observe = "1d",
      as_of = "1970-02-01" })
    assert.same({ 1, 1 }, frame:column "m")
  end)

  it("names the user when it fails", function()
    assert.error_matches(function()
      column(wp.custom("bad", function() error("no idea", 0) end))
    end, "custom 'bad': user 'ann': no idea")
    assert.error_matches(function()
      column(wp.custom("bad", function() return "x" end))
    end, "custom 'bad': user 'ann': 'x' %(expected a finite number or nil%)")
  end)
end)

describe("active days in a zone", function()
  -- 2024-03-30 22:30 and 23:30 UTC are one day in UTC and two in Berlin; clocks change on the 31st.
  it("are the days of that place", function()
    local rows = {}
    for i, text in ipairs { "2024-03-30T22:30:00Z", "2024-03-30T23:30:00Z", "2024-03-31T21:59:00Z",
      "2024-03-31T22:01:00Z" } do
      rows[i] = { user = "u", event = "a", time = text }
    end
    local frame <close> = assert(wp.read_rows(rows):measure { observe = "7d", as_of = "2024-05-01",
      metrics = { utc = wp.active_days(), berlin = wp.active_days { zone = "Europe/Berlin" } } })
    assert.same({ 2 }, frame:column "utc")
    assert.same({ 3 }, frame:column "berlin")
  end)

  it("are refused for a zone that does not exist", function()
    assert.error_matches(function()
      log():measure { observe = "7d", metrics = { d = wp.active_days { zone = "Europe/Berlinn" } } }
    end, "Berlinn")
  end)
end)

describe("an attribute", function()
  local function users(options)
    options.rows = { { id = "ann", seats = 5, known = "1970-01-01T12:00:00Z" },
      { id = "bob", seats = 7, known = "1970-01-20" }, { id = "cid", seats = 9 } }
    options.id, options.numbers = "id", { "seats" }
    return assert(wp.read_rows({
      { user = "ann", event = "view", time = 0 }, { user = "bob", event = "view", time = DAY },
      { user = "cid", event = "view", time = DAY }, { user = "cid", event = "view",
        time = 60 * DAY },
    }, { time_unit = "s", users = options }))
  end

  it("is the number of the users table", function()
    local frame <close> = assert(users {}:measure { metrics = { seats = wp.attribute "seats" },
      observe = "7d" })
    assert.same({ 5, 7, 9 }, frame:column "seats")
  end)

  it("is missing when it was known at or after the window's end", function()
    local frame <close> = assert(users { known_at = "known" }:measure {
      metrics = { seats = wp.attribute "seats" }, observe = "7d" })
    assert.same({ 5 }, frame:column "seats")
    assert.equal(2, frame.n.missing)
  end)
end)
