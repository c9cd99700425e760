-- Log: what it says about itself, its views, its journeys, its end.
local wp = require "wayproof"
local core = require "wayproof.core"
local helper = require "spec.helper"

-- A seeded log as plain rows, with ties, missing values and users out of order.
local function make_rows(count, seed)
  math.randomseed(seed)
  local rows = {}
  for i = 1, count do
    rows[i] = {
      user = "u" .. math.random(1, math.max(1, count // 8)),
      event = ("abcdefg"):sub(math.random(1, 7)):sub(1, 1),
      time = 1700000000 + math.random(0, 50) * 3600,
      revenue = math.random() < 0.4 and math.random(-50, 200) / 4 or nil,
      channel = math.random() < 0.7 and ({ "ads", "mail", "seo" })[math.random(3)] or nil,
    }
  end
  return rows
end

local options = { value = "revenue", properties = { "channel" } }

-- The naive twin of a log: users by first appearance, each with events sorted by time, ties in row
-- order; `keep(row)` says which rows belong to it.
local function twin(rows, keep)
  local order, of = {}, {}
  for i, row in ipairs(rows) do
    if not of[row.user] then
      of[row.user] = {}
      order[#order + 1] = row.user
    end
    if not keep or keep(row) then
      table.insert(of[row.user], { time = row.time * 1000000, event = row.event,
        value = row.revenue, channel = row.channel, row = i })
    end
  end
  local result = {}
  for _, user in ipairs(order) do
    local events = of[user]
    table.sort(events, function(a, b)
      if a.time ~= b.time then return a.time < b.time end
      return a.row < b.row
    end)
    for _, event in ipairs(events) do event.row = nil end
    if #events > 0 then result[#result + 1] = { user, events } end
  end
  return result
end

local function contents(log)
  local result = {}
  for id, journey in log:journeys() do result[#result + 1] = { id, journey } end
  return result
end

local function count(list)
  local events = 0
  for _, entry in ipairs(list) do events = events + #entry[2] end
  return events
end

describe("a log", function()
  local rows = make_rows(3000, 7)
  local log

  before_each(function() log = assert(wp.read_rows(rows, options)) end)
  after_each(function() log:close() end)

  it("gives back every journey as it was, users in order of first appearance", function()
    assert.same(twin(rows), contents(log))
    assert.equal(3000, #log)
  end)

  it("finds one journey by id, also by a number", function()
    for _, entry in ipairs(twin(rows)) do assert.same(entry[2], log:journey(entry[1])) end
    assert.is_nil(log:journey "nobody")
    local other <close> = assert(wp.read_rows { { user = 42, event = "x", time = 1 } })
    assert.equal("x", other:journey(42)[1].event)
    assert.equal("x", other:journey("42")[1].event)
    assert.has_error(function() log:journey(nil) end)
  end)

  it("prints one journey, with its properties and the attributes of its user", function()
    local events = {}
    for i = 1, 20 do
      events[i] = { user = "ann", event = "step " .. i, time = i * 86400 }
    end
    events[2].page = "faq"
    local other <close> = assert(wp.read_rows(events, { time_unit = "s", properties = { "page" },
      users = { rows = { { id = "ann", plan = "pro", seats = 3 } }, id = "id",
        properties = { "plan" }, numbers = { "seats" } } }))
    local text = tostring(other:journey "ann")
    assert.equal("ann · 20 events · 1970-01-02 … 1970-01-21", text:match "^[^\n]+")
    assert.matches("\n  1970%-01%-03 00:00:00  step 2 +faq\n", text)
    assert.matches("\n  … 4 more\nplan pro, seats 3$", text)
  end)

  it("summarises what a naive count finds", function()
    local summary = log:summary()
    local events, people, seen, first, last = {}, {}, {}, math.huge, -math.huge
    local sum, present, low, high, texts, ties = 0, 0, math.huge, -math.huge, 0, 0
    for _, row in ipairs(rows) do
      events[row.event] = (events[row.event] or 0) + 1
      if not seen[row.event .. row.user] then
        seen[row.event .. row.user] = true
        people[row.event] = (people[row.event] or 0) + 1
      end
      first, last = math.min(first, row.time), math.max(last, row.time)
      if row.revenue then
        present, sum = present + 1, sum + row.revenue
        low, high = math.min(low, row.revenue), math.max(high, row.revenue)
      end
      if row.channel then texts = texts + 1 end
    end
    for _, entry in ipairs(twin(rows)) do
      for i = 2, #entry[2] do
        if entry[2][i].time == entry[2][i - 1].time then ties = ties + 1 end
      end
    end
    assert.equal(3000, summary.events)
    assert.equal(#twin(rows), summary.users)
    assert.equal(first * 1000000, summary.first)
    assert.equal(last * 1000000, summary.last)
    assert.equal(7, #summary.event_names)
    local before = math.huge
    for _, event in ipairs(summary.event_names) do
      assert.equal(events[event.name], event.events)
      assert.equal(people[event.name], event.users)
      assert.is_true(event.events <= before)
      before = event.events
    end
    local value, channel = summary.properties[1], summary.properties[2]
    assert.same({ "revenue", "number", false, present, 3000 - present, sum, low, high },
      { value.name, value.kind, value.per_user, value.present, value.missing, value.sum, value.min,
        value.max })
    assert.same({ "channel", "text", texts, 3000 - texts, 3 },
      { channel.name, channel.kind, channel.present, channel.missing, channel.values })
    assert.equal(ties, summary.ties)
    assert.equal(0, summary.skipped)
    assert.is_true(summary.bytes > 0)
    assert.equal("table", type(summary:table()))
    assert.truthy(summary:json():find('"events":3000', 1, true))
  end)

  it("prints a header, the busiest events and what to try next within 25 lines", function()
    local text = tostring(log)
    assert.truthy(text:find("^3,000 events · %d+ users · 7 event names · 2023%-11%-14 … "))
    assert.truthy(text:find("log:validate", 1, true))
    for _, result in ipairs { text, tostring(log:summary()) } do
      local lines = 0
      for line in (result .. "\n"):gmatch("(.-)\n") do
        lines = lines + 1
        assert.is_true(utf8.len(line) <= 80, line)
      end
      assert.is_true(lines <= 25)
    end
  end)

  it("stays within 25 lines with many long columns and event names", function()
    local wide, properties, numbers = {}, {}, {}
    for i = 1, 40 do
      properties[i] = "a property with a rather long name " .. i
      numbers[i] = "number " .. i
    end
    for i = 1, 60 do
      wide[i] = { user = "u" .. i % 7, time = "2024-01-01 00:00:00",
        event = ("an event that somebody gave quite a long name, number %d, "):rep(2):format(i, i) }
      for k, name in ipairs(properties) do wide[i][name] = "v" .. i % k end
      for k, name in ipairs(numbers) do wide[i][name] = i * k / 7 end
    end
    wide[61] = { user = "bad", time = "never" }
    local other <close> = assert(wp.read_rows(wide, { properties = properties, numbers = numbers,
      bad_rows = "skip", users = { id = "id", properties = { "plan" },
        rows = { { id = "idle", plan = "x" } } } }))
    for _, text in ipairs { tostring(other), tostring(other:summary()) } do
      local lines = 0
      for line in (text .. "\n"):gmatch("(.-)\n") do
        lines = lines + 1
        assert.is_true(utf8.len(line) <= 80, line)
      end
      assert.is_true(lines <= 25, text)
    end
  end)

  it("says that times without an offset were read as UTC, unless a zone was named", function()
    local naive = { { user = "a", event = "x", time = "2024-01-01 00:00:00" } }
    local assumed <close> = assert(wp.read_rows(naive))
    assert.truthy(tostring(assumed):find("read as UTC", 1, true))
    local named <close> = assert(wp.read_rows(naive, { timezone = "+02:00" }))
    assert.is_nil(tostring(named):find("read as UTC", 1, true))
    assert.equal(1704060000000000, named:summary().first)
  end)

  it("gives the same figures for any number of threads", function()
    local threads, texts = wp.threads(), {}
    local big = make_rows(30000, 3)
    for _, n in ipairs { 1, 2, 4 } do
      wp.threads(n)
      local other <close> = assert(wp.read_rows(big, options))
      local view <close> = other:where { value = wp.above(3) }
      texts[#texts + 1] = other:summary():json() .. view:summary():json()
    end
    wp.threads(threads)
    assert.equal(texts[1], texts[2])
    assert.equal(texts[1], texts[3])
  end)

  describe("narrowed by where", function()
    local cases = {
      { "a property", { channel = "ads" }, function(r) return r.channel == "ads" end },
      { "one of a list", { channel = { "ads", "mail" } },
        function(r) return r.channel == "ads" or r.channel == "mail" end },
      { "is_not, which a missing value passes", { channel = wp.is_not "ads" },
        function(r) return r.channel ~= "ads" end },
      { "above", { value = wp.above(10) }, function(r) return r.revenue and r.revenue > 10 end },
      { "below, by the column's own name", { revenue = wp.below(0) },
        function(r) return r.revenue and r.revenue < 0 end },
      { "between, both ends in", { value = wp.between(0, 12.5) },
        function(r) return r.revenue and r.revenue >= 0 and r.revenue <= 12.5 end },
      { "not between", { value = wp.is_not(wp.between(0, 12.5)) },
        function(r) return not (r.revenue and r.revenue >= 0 and r.revenue <= 12.5) end },
      { "a number", { value = 12.5 }, function(r) return r.revenue == 12.5 end },
      { "events", { events = { "a", "c" } },
        function(r) return r.event == "a" or r.event == "c" end },
      { "a pattern", { events = "*" }, function() return true end },
      { "since and before, half open", { since = "2023-11-15", before = 1700092800000000 },
        function(r) return r.time >= 1700006400 and r.time < 1700092800 end },
      { "users", { users = { "u1", "u9", "nobody" } },
        function(r) return r.user == "u1" or r.user == "u9" end },
      { "several at once", { channel = "seo", value = wp.above(0), events = { "a", "b" },
        since = "2023-11-15" },
        function(r)
          return r.channel == "seo" and r.revenue and r.revenue > 0
            and (r.event == "a" or r.event == "b") and r.time >= 1700006400
        end },
    }
    for _, case in ipairs(cases) do
      it("keeps exactly the rows that pass " .. case[1], function()
        local view <close> = log:where(case[2])
        local expected = twin(rows, case[3])
        -- users keep the order of the whole log
        assert.same(expected, contents(view))
        assert.equal(count(expected), #view)
        assert.equal(#expected, view:users())
        assert.equal(count(expected), view:summary().events)
      end)
    end

    it("can be narrowed again, and shares the memory of the log it came from #bare", function()
      local before = core.memory()
      local view <close> = log:where { channel = "ads" }:where { value = wp.above(0) }
      local expected = twin(rows, function(r)
        return r.channel == "ads" and r.revenue and r.revenue > 0
      end)
      assert.same(expected, contents(view))
      assert.equal(core.log.facts(log).memory, core.log.facts(view).memory)
      assert.is_true(core.memory() - before < 8192)
    end)

    it("lives on when the log it came from is closed", function()
      local whole = assert(wp.read_rows(rows, options))
      local view <close> = whole:where { channel = "ads" }
      whole:close()
      collectgarbage()
      assert.same(twin(rows, function(r) return r.channel == "ads" end), contents(view))
    end)

    it("may be empty", function()
      local view <close> = log:where { channel = "none" }
      assert.equal(0, #view)
      assert.equal(0, view:users())
      assert.is_nil(view:summary().first)
      assert.same({}, contents(view))
      assert.truthy(tostring(view):find("no events", 1, true))
      local again <close> = view:where { channel = "ads" }
      assert.equal(0, #again)
    end)

    it("reaches a property that is called like an option through `properties`", function()
      local other <close> = assert(wp.read_rows({
        { user = "a", event = "x", time = 1, since = "old" },
        { user = "b", event = "x", time = 1, since = "new" } }, { properties = { "since" } }))
      local view <close> = other:where { properties = { since = "old" } }
      assert.equal("a", (view:journeys()()))
      assert.equal(1, #view)
    end)

    local function raises(text, condition)
      local ok, message = pcall(function() return log:where(condition) end)
      assert.is_false(ok)
      assert.truthy(message:find(text, 1, true), message)
      assert.truthy(message:find("^spec/log_spec.lua:%d+: "), message)
    end

    it("refuses what the log does not have, with what comes close", function()
      raises("unknown property 'chanel' (did you mean 'channel'?)", { chanel = "ads" })
      raises("unknown property 'sinc' (did you mean 'since'?)", { sinc = "2024-01-01" })
      raises("unknown event 'z'", { events = "z" })
      raises("no event matches 'z*'", { events = "z*" })
      raises("property 'channel' holds text", { channel = wp.above(1) })
      raises("column 'revenue' holds numbers: 'much' (expected a number)", { revenue = "much" })
      raises("where: since: 'soon' (expected a time", { since = "soon" })
      raises("where: users", { users = { {} } })
      raises("expected conditions such as", "ads")
    end)
  end)

  it("splits by the users' first event, whole journeys on each side", function()
    local at = 1700000000 + 10 * 3600
    local before, after = log:split { at = at * 1000000 }
    local early, late = {}, {}
    for _, entry in ipairs(twin(rows)) do
      table.insert(entry[2][1].time < at * 1000000 and early or late, entry)
    end
    assert.same(early, contents(before))
    assert.same(late, contents(after))
    assert.is_true(#early > 0 and #late > 0)
    before:close()
    after:close()
    assert.has_error(function() log:split {} end)
    assert.has_error(function() log:split { att = 1 } end)
  end)

  it("has the same journeys from a view that keeps everything", function()
    local view <close> = log:where {}
    assert.same(contents(log), contents(view))
  end)
end)

describe("a log's life", function()
  local rows = make_rows(200, 1)

  it("ends once, however often it is closed, and raises afterwards", function()
    local log = assert(wp.read_rows(rows, options))
    log:close()
    log:close()
    assert.is_true(log:is_closed())
    assert.equal("Log (closed)", tostring(log))
    for _, use in ipairs {
      function() return #log end,
      function() return log:summary() end,
      function() return log:journeys() end,
      function() return log:journey "u1" end,
      function() return log:where {} end,
      function() return log:split { at = 1 } end,
      function() return log:regroup "channel" end,
      function() return log:users() end,
    } do
      local ok, message = pcall(use)
      assert.is_false(ok)
      assert.truthy(message:find("log is closed", 1, true), message)
      assert.truthy(message:find("^spec/log_spec.lua:%d+: "), message)
    end
  end)

  it("ends with a to-be-closed variable and with the collector", function()
    collectgarbage()
    collectgarbage()
    local live = core.memory()
    do
      local log <close> = assert(wp.read_rows(rows, options))
      assert.is_true(core.memory() > live)
      log:journey "u1" -- builds the table of ids, which must go too
    end
    assert.equal(live, (core.memory()))
    for _ = 1, 20 do
      local log = assert(wp.read_rows(rows, options))
      log:journeys()()
      log:where { channel = "ads" }
    end
    collectgarbage()
    collectgarbage()
    assert.equal(live, (core.memory()))
  end)

  it("stops an iteration cleanly when it is closed in the middle", function()
    local log = assert(wp.read_rows(rows, options))
    local kept
    local ok, message = pcall(function()
      for _, journey in log:journeys() do
        kept = kept or journey
        log:close()
        collectgarbage()
      end
    end)
    assert.is_false(ok)
    assert.truthy(message:find("log is closed", 1, true))
    assert.is_string(kept[1].event) -- a journey is plain data and stays
  end)

  it("lets go of an abandoned iterator", function()
    local live = core.memory()
    local iterate = assert(wp.read_rows(rows, options)):journeys()
    iterate()
    collectgarbage()
    assert.is_string((iterate())) -- the iterator keeps its log
    iterate = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.equal(live, (core.memory()))
  end)

  it("works on a log of one user with one event", function()
    local log <close> = assert(wp.read_rows { { user = "a", event = "x", time = 0 } })
    assert.equal(1, #log)
    assert.same({ { time = 0, event = "x" } }, log:journey "a")
    assert.truthy(tostring(log):find("^1 event · 1 user · 1 event name · 1970"))
  end)

  it("works on an empty list of rows", function()
    local log <close> = assert(wp.read_rows {})
    assert.equal(0, #log)
    assert.equal(0, log:summary().users)
    local before, after = log:split { at = 0 }
    assert.equal(0, #before + #after)
  end)
end)

describe("reader options", function()
  it("are checked before anything is read", function()
    local function raises(text, ...)
      local ok, message = pcall(wp.read_rows, ...)
      assert.is_false(ok)
      assert.truthy(message:find(text, 1, true), message)
    end
    raises("unknown option 'usr' (did you mean 'user'?)", {}, { usr = "id" })
    raises("expected a list of tables, or an iterator", "rows")
    raises("expected a list of tables, or an iterator", { user = "a" })
    raises("event and event_name are both given", {}, { event = "e", event_name = "x" })
    raises("timezone 'Mars/Base'", {}, { timezone = "Mars/Base" })
    raises("delimiter", {}, { delimiter = "," })
    local ok, message = pcall(wp.read_csv, "x.csv", { delimiter = ";;" })
    assert.is_false(ok)
    assert.truthy(message:find("delimiter: ';;' (expected one character", 1, true), message)
    assert.has_error(function() wp.read_csv {} end)
    assert.has_error(function() wp.read_csv() end)
  end)

  it("that make every time fall in 1970 are questioned when the log is printed", function()
    local log = assert(wp.read_rows({ { user = 1, event = "a", time = 1700000000 } },
      { time_unit = "ms" }))
    assert.matches("every event falls in 1970: is `time_unit` right?", tostring(log), 1, true)
    log:close()
    log = assert(wp.read_rows { { user = 1, event = "a", time = 1700000000 } })
    assert.is_nil(tostring(log):find("1970", 1, true))
    log:close()
  end)

  it("can name every row where there is no event column", function()
    local log <close> = assert(wp.read_rows({ { user = "a", time = 5 } }, { event_name = "order" }))
    assert.equal("order", log:journey "a"[1].event)
  end)

  it("of value, numbers and properties make columns that a filter can use", function()
    local log <close> = assert(wp.read_rows({
      { user = "a", event = "x", time = 1, price = 3, items = 2, vip = true },
      { user = "b", event = "x", time = 1, price = 4, items = 1, vip = false } },
      { value = "price", numbers = { "items" }, properties = { "vip" } }))
    assert.same({ time = 1000000, event = "x", value = 3, items = 2, vip = "true" },
      log:journey "a"[1])
    for _, condition in ipairs { { value = 3 }, { price = 3 }, { items = 2 }, { vip = true } } do
      local view <close> = log:where(condition)
      assert.equal("a", (view:journeys()()))
      assert.equal(1, #view)
    end
  end)
end)

-- Figures of reference.json (made by reference.py with pandas): rows, users, event names, last
-- instant, ties, missing values, sum of values.
describe("real data", function()
  local files = {
    { "bpic2012.csv.gz", { user = "case", time = "timestamp", value = "amount_req",
      properties = { "lifecycle", "resource" } },
      262200, 13087, 24, 1331737494681000, 13995, 0, 4086857749.0,
      "W_Completeren aanvraag", 54850 },
    { "weblog_semicomplete.csv", { user = "visitor", time = "timestamp", value = "bytes",
      time_format = "%d/%b/%Y:%H:%M:%S %z" },
      10000, 1862, 20, 1432155959000000, 761, 669, 2747282740.0, "presentations", 2305 },
    { "bitcoin_otc_events.csv.gz", { user = "user_id", time = "timestamp", value = "value" },
      71184, 5881, 2, 1453684323757280, 0, 0, 72040.0, "rate", 35592 },
    { "cdnow_master.csv.gz", { user = "customer_id", time = "date", time_format = "%Y%m%d",
      event_name = "purchase", value = "dollar_value" },
      69659, 23570, 1, 899164800000000, 2068, 0, 2500315.63, "purchase", 69659 },
    { "rees46_head1000.csv", { user = "user_id", event = "event_type", time = "event_time",
      value = "price" },
      1000, 330, 3, 1569889046000000, 1, 0, 293615.99, "view", 987 },
  }
  for _, file in ipairs(files) do
    it("of " .. file[1] .. " has the figures of the reference", function()
      local path, reason = helper.data_file(file[1])
      if not path then return pending(reason) end
      local log <close> = assert(wp.read_csv(path, file[2]))
      local summary = log:summary()
      assert.equal(file[3], #log)
      assert.equal(file[4], summary.users)
      assert.equal(file[5], #summary.event_names)
      assert.equal(file[6], summary.last)
      assert.equal(file[7], summary.ties)
      local value = summary.properties[1]
      assert.equal(file[8], value.missing)
      assert.is_true(math.abs(value.sum - file[9]) <= 1e-9 * file[9])
      assert.same({ file[10], file[11] },
        { summary.event_names[1].name, summary.event_names[1].events })
    end)
  end
end)
