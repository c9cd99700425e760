-- Frames: what log:measure gives back, and frames that the caller brings.
local helper = require "spec.helper"
local wp = require "wayproof"

local DAY = 86400

local function shop()
  return assert(wp.read_rows({
    { user = "ann", event = "view", time = 0 }, { user = "ann", event = "compare", time = DAY },
    { user = "ann", event = "purchase", time = 8 * DAY, value = 5.5 },
    { user = "bob", event = "view", time = 0 }, { user = "bob", event = "compare", time = 7 * DAY },
    { user = "cid", event = "compare", time = 10 * DAY },
    { user = "dan", event = "view", time = 1 }, { user = "dan", event = "purchase",
      time = 2 * DAY },
    { user = "eve", event = "view", time = 50 * DAY }, { user = "eve", event = "view",
      time = 60 * DAY },
  }, { value = "value", time_unit = "s" }))
end

local function asked(more)
  local given = { metrics = { guides = wp.count "compare", spend = wp.mean() },
    outcome = wp.converts "purchase", observe = "7d", within = "30d" }
  for key, value in pairs(more or {}) do given[key] = value end
  return given
end

describe("log:measure", function()
  it("gives user, the metrics in order of name, and the outcome", function()
    local frame = assert(shop():measure(asked()))
    assert.same({ "user", "guides", "spend", "outcome" }, frame.columns)
    assert.equal(3, #frame)
    assert.same({ "ann", "bob", "cid" }, frame:column "user")
    assert.same({ 1, 0, 1 }, frame:column "guides")
    assert.equal("integer", math.type(frame:column("guides")[1]))
    assert.same({ 1, 0, 0 }, frame:column "outcome")
    assert.same({}, frame:column "spend")
  end)

  it("counts every user who is left out, by reason", function()
    local n = shop():measure(asked()).n
    assert.same({ users = 5, outside = 0, no_anchor = 0, too_recent = 1, prior_outcome = 1,
      missing = 3, used = 0, events = 0, non_events = 0 }, n)
    n = shop():measure(asked { metrics = { guides = wp.count "compare" } }).n
    assert.same({ users = 5, outside = 0, no_anchor = 0, too_recent = 1, prior_outcome = 1,
      missing = 0, used = 3, events = 1, non_events = 2 }, n)
    n = shop():measure(asked { metrics = { wp.count() }, from = "compare",
      prior_outcome = "keep" }).n
    assert.equal(2, n.no_anchor)
    assert.equal(3, n.used)
  end)

  it("keeps the order of a list of named metrics", function()
    local frame = assert(shop():measure(asked { metrics = { wp.count "view" :named "z",
      wp.did "compare" :named "a" } }))
    assert.same({ "user", "z", "a", "outcome" }, frame.columns)
  end)

  it("calls an unnamed metric by its sentence", function()
    local metric = wp.count "view"
    local frame = assert(shop():measure(asked { metrics = { metric } }))
    assert.equal(tostring(metric), frame.columns[2])
  end)

  it("measures without an outcome", function()
    local frame = assert(shop():measure { metrics = { guides = wp.count "compare" },
      observe = "7d" })
    assert.same({ "user", "guides" }, frame.columns)
    assert.equal(5, #frame)
    assert.is_nil(frame.n.events)
  end)

  it("adds time and status for accelerates", function()
    local frame = assert(shop():measure(asked { metrics = { guides = wp.count "compare" },
      outcome = wp.accelerates "purchase" }))
    assert.same({ "user", "guides", "outcome", "time", "status" }, frame.columns)
    assert.same({ 1.0 * DAY, 30.0 * DAY, 30.0 * DAY, 3.0 * DAY }, frame:column "time")
    assert.same({ 1, 0, 0, 0 }, frame:column "status")
    assert.equal(1, frame.n.events)
    assert.equal(3, frame.n.censored)
  end)

  it("names the windows it used", function()
    local frame = assert(shop():measure(asked { gap = "1d" }))
    assert.same({ from_us = 0, to_us = 7 * DAY * 1000000 }, frame.windows.metric)
    assert.same({ from_us = 8 * DAY * 1000000, to_us = 38 * DAY * 1000000 }, frame.windows.outcome)
    assert.equal(60 * DAY * 1000000, frame.windows.as_of_us)
  end)

  it("says what to do when nobody can be followed to the end", function()
    local frame = assert(shop():measure(asked { within = "90d" }))
    assert.equal(0, #frame)
    assert.equal(5, frame.n.too_recent)
    assert.matches("shorter", tostring(frame))
  end)

  it("measures an empty log", function()
    local log = assert(wp.read_rows({ { user = "u", event = "a", time = 1 } }, { time_unit = "s" }))
    local frame = assert(log:where { before = 0 }:measure { metrics = { n = wp.count() },
      outcome = wp.retained(), observe = "1d", within = "1d" })
    assert.equal(0, #frame)
    assert.equal(0, frame.n.users)
    assert.matches("no users", tostring(frame))
  end)

  for _, case in ipairs {
    { { observe = false }, "measure: observe: missing" },
    { { within = false }, "measure: within: missing" },
    { { metrics = false }, "measure: metrics: missing" },
    { { metrics = {} , outcome = false, within = false }, "nothing to measure" },
    { { metrics = { n = "compare" } }, "expected a metric such as" },
    { { metrics = { outcome = wp.count() } }, "is the name of another column" },
    { { metrics = { wp.count(), wp.count() } }, "two metrics are called" },
    { { outcome = wp.count() }, "a metric %(expected an outcome" },
    { { witin = "30d" }, "unknown option 'witin' %(did you mean 'within'%?%)" },
    { { metrics = { n = wp.count "compar" } },
      "unknown event 'compar' %(did you mean 'compare'%?%)" },
    { { metrics = { n = wp.count { devize = "x" } } }, "unknown property 'devize'" },
    { { metrics = { n = wp.sum(nil, "event") } }, "event" },
    { { metrics = { n = wp.attribute "plan" } }, "attribute" },
    { { prior_outcome = "drop" }, "prior_outcome: 'drop' %(expected 'exclude' or 'keep'%)" },
    { { outcome = wp.retained { to = "60d" } }, "ends after the outcome window" },
    { { as_of = "yesterday" }, "as_of" },
    { { observe = "0d" }, "observe: 0" },
  } do
    it("refuses, blaming the caller: " .. case[2], function()
      local given = asked(case[1])
      for key, value in pairs(given) do
        if value == false then given[key] = nil end
      end
      local ok, message = pcall(function() shop():measure(given) end)
      assert.is_false(ok)
      assert.matches(case[2], message)
      assert.matches("frame_spec", message)
    end)
  end

  it("refuses a closed log", function()
    local log = shop()
    log:close()
    assert.error_matches(function() log:measure(asked()) end, "log is closed")
  end)
end)

describe("a frame", function()
  local frame
  before_each(function()
    frame = assert(shop():measure(asked { metrics = { guides = wp.count "compare",
      spend = wp.max "view" } }))
  end)

  it("iterates over its rows", function()
    local users = {}
    for row, i in frame:rows() do
      users[i] = row.user
      assert.is_nil(row.spend)
    end
    assert.same({ "ann", "bob", "cid" }, users)
  end)

  it("becomes plain data, JSON and CSV", function()
    local data = frame:table()
    assert.same({ user = "ann", guides = 1, outcome = 1 }, data.rows[1])
    assert.equal(5, data.n.users)
    local decoded = require("dkjson").decode(frame:json())
    assert.equal("bob", decoded.rows[2].user)
    local path = os.tmpname()
    assert.is_true(frame:csv(path))
    local file <close> = assert(io.open(path, "rb"))
    assert.equal("user,guides,spend,outcome\r\nann,1,,1\r\nbob,0,,0\r\ncid,1,,0\r\n", file:read "a")
    os.remove(path)
    local ok, message, code = frame:csv "/nowhere/at/all.csv"
    assert.is_nil(ok)
    assert.matches("/nowhere/at/all.csv", message)
    assert.is_string(code)
  end)

  it("groups its rows into cells in ascending order", function()
    local columns, weights = frame:cells { "guides", "outcome" }
    assert.same({ 0, 1, 1 }, columns.guides:table())
    assert.same({ 0, 0, 1 }, columns.outcome:table())
    assert.same({ 1, 1, 1 }, weights:table())
  end)

  it("gives vectors of its columns and of the times behind its rows", function()
    assert.same({ 1, 0, 1 }, frame:vector("guides"):table())
    assert.equal(3, #frame:vector "spend")
    assert.is_nil(frame:vector("spend")[1])
    assert.equal(10 * DAY * 1000000, frame:vector("t0_us")[3])
    assert.equal(60 * DAY * 1000000, frame:vector("end_us")[1])
  end)

  it("prints itself", function()
    local text = tostring(frame):gsub("%s+", " ")
    assert.matches("frame: 3 rows × 4 columns", text)
    assert.matches("1 too recent, 1 with an outcome before, 3 with a missing value", text)
    assert.matches("ann", text)
  end)

  it("prints within 25 lines of 80 columns, however many and long its columns are", function()
    local columns = { [("é"):rep(200)] = { 1 }, text = { ("y"):rep(300) } }
    for i = 1, 40 do columns["number " .. i] = { i } end
    local text, lines = tostring(wp.frame(columns)), 0
    for line in (text .. "\n"):gmatch("(.-)\n") do
      lines = lines + 1
      assert.is_true(utf8.len(line) <= 80, line)
    end
    assert.is_true(lines <= 25)
    assert.matches("%d+ more columns", text)
  end)

  it("cannot be changed", function()
    assert.error_matches(function() frame.n = {} end, "immutable")
    frame.n.users = 99
    assert.equal(5, frame.n.users)
  end)

  it("asks for a column that exists", function()
    assert.error_matches(function() frame:column "guide" end, "did you mean 'guides'")
    assert.error_matches(function() frame:vector() end, "expected a name")
  end)

  it("closes twice, and is of no use afterwards", function()
    local rows = frame:rows()
    frame:close()
    frame:close()
    assert.equal("frame (closed)", tostring(frame))
    assert.error_matches(function() frame:column "guides" end, "frame is closed")
    assert.error_matches(function() return #frame end, "frame is closed")
    assert.error_matches(function() rows() end, "frame is closed")
    do
      local other <close> = assert(shop():measure(asked()))
      assert.equal(3, #other)
    end
  end)

  it("outlives its log", function()
    local log = shop()
    local kept = assert(log:measure(asked()))
    log:close()
    collectgarbage()
    assert.same({ "ann", "bob", "cid" }, kept:column "user")
  end)
end)

describe("wp.frame", function()
  it("understands numbers, truth in several spellings, dates and texts", function()
    local frame = wp.frame({ rounds = { 3, nil, 7 }, back = { true, false, nil },
      said = { "yes", "No", nil }, plan = { "pro", nil, "free" },
      since = { "2024-01-02", nil, "2024-01-03T12:00:00Z" }, ratio = { 0.5, 0 / 0, -1 } },
      { rows = 4 })
    assert.equal(4, #frame)
    assert.same({ "back", "plan", "ratio", "rounds", "said", "since" }, frame.columns)
    assert.same({ 3, nil, 7 }, frame:column "rounds")
    assert.same({ 1, 0 }, frame:column "back")
    assert.same({ 1, 0 }, frame:column "said")
    assert.same({ "pro", nil, "free" }, frame:column "plan")
    assert.same({ 0.5, nil, -1 }, frame:column "ratio")
    assert.equal(1704153600000000, frame:column("since")[1])
    assert.equal("time", frame:kind "since")
    assert.equal("text", frame:kind "plan")
    assert.equal("number", frame:kind "back")
    assert.equal("free", frame:label("plan", frame:vector("plan")[3]))
    assert.is_nil(frame:label("rounds", 3))
    assert.same({ users = 4, used = 4 }, frame.n)
  end)

  it("refuses what is no column", function()
    assert.error_matches(function() wp.frame {} end, "no columns")
    assert.error_matches(function() wp.frame { a = { 1, "x" } } end,
      "row 2: 'x' in a column of numbers")
    assert.error_matches(function() wp.frame { a = { {} } } end, "a table")
    assert.error_matches(function() wp.frame({ a = { 1, 2 } }, { rows = 1 }) end, "2 values")
    assert.error_matches(function() wp.frame({ a = { 1 } }, { row = 1 }) end, "did you mean 'rows'")
    assert.error_matches(function() wp.frame { { 1 } } end, "has no name")
  end)

  it("takes a column that is missing everywhere", function()
    local frame = wp.frame({ a = {}, b = { 1 } }, { rows = 2 })
    assert.same({}, frame:column "a")
  end)
end)

describe("wp.read_frame", function()
  it("reads a table with one row per person", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write("id,rounds,back,day\n0017,3,TRUE,2024-01-02\n0018,,FALSE,\n")
    file:close()
    local frame = assert(wp.read_frame(path))
    os.remove(path)
    assert.same({ "id", "rounds", "back", "day" }, frame.columns)
    assert.same({ "0017", "0018" }, frame:column "id")
    assert.same({ 3 }, frame:column "rounds")
    assert.same({ 1, 0 }, frame:column "back")
    assert.equal("time", frame:kind "day")
  end)

  it("returns what failed", function()
    local frame, message, code = wp.read_frame "/nowhere/players.csv"
    assert.is_nil(frame)
    assert.matches("/nowhere/players.csv", message)
    assert.is_string(code)
    assert.error_matches(function() wp.read_frame("x.csv", { bad_row = "skip" }) end,
      "did you mean 'bad_rows'")
  end)

  it("reads a real one", function()
    local path, missing = helper.data_file "cookie_cats.csv.gz"
    if not path then return pending(missing) end
    local frame = assert(wp.read_frame(path))
    assert.equal(90189, #frame)
    assert.equal(49854, frame:vector("sum_gamerounds"):max())
    assert.equal(16781, frame:vector("retention_7"):sum())
    local columns, weights = frame:cells { "version" }
    assert.same({ "gate_30", "gate_40" }, { frame:label("version", columns.version[1]),
      frame:label("version", columns.version[2]) })
    assert.same({ 44700, 45489 }, weights:table())
  end)
end)
