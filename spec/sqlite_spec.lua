-- Reading events from SQLite, and the small binding that the library's own files use.
local wp = require "wayproof"
local core = require "wayproof.core"

local folder = os.tmpname()
os.remove(folder)

local made = {}

-- A fresh database; statements are run in order. Removed when the spec ends.
local function database(name, ...)
  local path = folder .. "-" .. name .. ".db"
  made[#made + 1] = path
  os.remove(path)
  local db <close> = assert(core.sqlite.open(path))
  for _, sql in ipairs { ... } do assert(db:exec(sql)) end
  return path
end

local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

-- "id: event time value, …" of every journey, for comparison at a glance.
local function journeys(log)
  local all = {}
  for id, journey in log:journeys() do
    local events = {}
    for i, e in ipairs(journey) do
      events[i] = e.event .. " " .. e.time .. (e.value and (" %g"):format(e.value) or "")
    end
    all[#all + 1] = id .. ": " .. table.concat(events, ", ")
  end
  return all
end

local schema = "CREATE TABLE events(user_id, event, ts, revenue, channel)"

local function numbers(name, count)
  return database(name, schema, ([[
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
    INSERT INTO events SELECT (i * 7919) %% 997, 'e' || (i %% 5), 1700000000 + (i * 31) %% 5000,
      CASE WHEN i %% 3 = 0 THEN i / 8.0 END, CASE WHEN i %% 4 > 0 THEN 'c' || (i %% 4) END FROM n]])
    :format(count))
end

local options = { table = "events", user = "user_id", time = "ts", value = "revenue",
  properties = { "channel" } }

local function with(changes)
  local copy = {}
  for key, value in pairs(options) do copy[key] = value end
  for key, value in pairs(changes) do copy[key] = value or nil end -- false takes an option away
  return copy
end

describe("read_sqlite", function()
  teardown(function()
    for _, path in ipairs(made) do
      os.remove(path)
      os.remove(path .. "-wal")
      os.remove(path .. "-shm")
    end
  end)

  it("agrees with what SQL says about the same table", function()
    local path = numbers("agree", 20000)
    local log <close> = assert(wp.read_sqlite(path, options))
    local summary = log:summary()
    local db <close> = assert(core.sqlite.open(path, "r"))
    local st <close> = assert(db:prepare [[SELECT count(*), count(DISTINCT user_id), min(ts),
      max(ts),
      sum(revenue), count(revenue), count(channel), count(DISTINCT channel) FROM events]])
    assert(st:step())
    local count, users, first, last, sum, present, texts, values = st:row()
    assert.equal(count, #log)
    assert.equal(count, summary.events)
    assert.equal(users, summary.users)
    assert.equal(first * 1000000, summary.first)
    assert.equal(last * 1000000, summary.last)
    assert.equal("revenue", summary.properties[1].name)
    assert.equal(present, summary.properties[1].present)
    assert.equal(count - present, summary.properties[1].missing)
    assert.is_true(math.abs(sum - summary.properties[1].sum) <= 1e-9 * sum)
    assert.equal(texts, summary.properties[2].present)
    assert.equal(values, summary.properties[2].values)
    local by_event <close> = assert(db:prepare [[SELECT event, count(*), count(DISTINCT user_id)
      FROM events GROUP BY event ORDER BY 2 DESC, 1]])
    local i = 0
    for _, name, events, people in by_event:rows() do
      i = i + 1
      assert.same({ name = name, events = events, users = people },
        { name = summary.event_names[i].name, events = summary.event_names[i].events,
          users = summary.event_names[i].users })
    end
    assert.equal(#summary.event_names, i)
  end)

  it("gives the same bits for any number of threads, for a query and for a table", function()
    local path = numbers("threads", 300000)
    local threads = wp.threads()
    local prints = {} -- what is read, in one number
    for _, n in ipairs { 1, 2, 5 } do
      wp.threads(n)
      local log <close> = assert(wp.read_sqlite(path, options))
      prints[#prints + 1] = log:summary().fingerprint
      assert.equal(300000, #log)
    end
    wp.threads(threads)
    local log <close> = assert(wp.read_sqlite(path, with { table = false,
      query = "SELECT * FROM events" }))
    prints[#prints + 1] = log:summary().fingerprint
    assert.equal(prints[1], prints[2])
    assert.equal(prints[1], prints[3])
    assert.equal(prints[1], prints[4])
  end)

  it("keeps 64-bit ids exact and reads integers, reals and texts as ids", function()
    local path = database("ids", schema, [[INSERT INTO events VALUES
      (9223372036854775807, 'a', 1, NULL, NULL), (-9223372036854775808, 'a', 2, NULL, NULL),
      (9007199254740993, 'a', 3, NULL, NULL), ('007', 'a', 4, NULL, NULL),
      (12.0, 'a', 5, NULL, NULL), (1.5, 'a', 6, NULL, NULL), (x'616263', 'a', 7, NULL, NULL)]])
    local log <close> = assert(wp.read_sqlite(path, with { time_unit = "s" }))
    local ids = {}
    for id in log:journeys() do ids[#ids + 1] = id end
    assert.same({ "9223372036854775807", "-9223372036854775808", "9007199254740993", "007", "12",
      "1.5", "abc" }, ids)
    assert.equal(1, #log:journey(9223372036854775807))
    assert.equal(1, #log:journey "007")
    assert.is_nil(log:journey(7))
  end)

  it("reads times as integers of any magnitude, reals and texts", function()
    local path = database("times", schema, [[INSERT INTO events VALUES
      ('a', 's', 1709294400, NULL, NULL), ('a', 'ms', 1709294400001, NULL, NULL),
      ('a', 'us', 1709294400001500, NULL, NULL), ('a', 'real', 1709294400.25, NULL, NULL),
      ('a', 'iso', '2024-03-01T13:00:01+01:00', NULL, NULL),
      ('a', 'text', '1709294402', NULL, NULL)]])
    local log <close> = assert(wp.read_sqlite(path, options))
    assert.same({ "a: s 1709294400000000, ms 1709294400001000, us 1709294400001500, "
      .. "real 1709294400250000, iso 1709294401000000, text 1709294402000000" }, journeys(log))
  end)

  it("reads an integer such as 20240301 under a time_format", function()
    local path = database("format", schema,
      "INSERT INTO events VALUES ('a', 'x', 20240301, NULL, NULL)")
    local log <close> = assert(wp.read_sqlite(path, with { time_format = "%Y%m%d" }))
    assert.same({ "a: x 1709251200000000" }, journeys(log))
  end)

  it("keeps ties in rowid order, in query order and by the order column", function()
    local path = database("ties",
      "CREATE TABLE events(n INTEGER PRIMARY KEY, user_id, event, ts, k)",
      "INSERT INTO events VALUES (30,'u','c',5,1), (10,'u','a',5,3), (20,'u','b',5,2)")
    local by_rowid <close> = assert(wp.read_sqlite(path,
      { table = "events", user = "user_id", time = "ts", time_unit = "s" }))
    assert.same({ "u: a 5000000, b 5000000, c 5000000" }, journeys(by_rowid))
    local by_query <close> = assert(wp.read_sqlite(path, { user = "user_id", time = "ts",
      time_unit = "s", query = "SELECT * FROM events ORDER BY event DESC" }))
    assert.same({ "u: c 5000000, b 5000000, a 5000000" }, journeys(by_query))
    local by_order <close> = assert(wp.read_sqlite(path, { table = "events", user = "user_id",
      time = "ts", time_unit = "s", order = "k" }))
    assert.same({ "u: c 5000000, b 5000000, a 5000000" }, journeys(by_order))
  end)

  it("reads NULL and the empty text as missing", function()
    local path = database("nulls", schema, [[INSERT INTO events VALUES
      ('a', 'x', 1, NULL, NULL), ('a', 'x', 2, '', ''), ('a', 'x', 3, '2.5', 'ads')]])
    local log <close> = assert(wp.read_sqlite(path, with { time_unit = "s" }))
    local journey = log:journey "a"
    assert.same({ time = 1000000, event = "x" }, journey[1])
    assert.same({ time = 2000000, event = "x" }, journey[2])
    assert.same({ time = 3000000, event = "x", value = 2.5, channel = "ads" }, journey[3])
  end)

  it("reads views, tables without rowids, odd names and rowids with gaps and signs", function()
    local path = database("kinds", schema,
      "INSERT INTO events(rowid, user_id, event, ts) VALUES (-9223372036854775807,'a','x',1), "
      .. "(-5,'b','x',2), (0,'c','x',3), (9223372036854775807,'d','x',4)",
      "CREATE VIEW v AS SELECT * FROM events WHERE ts > 2",
      "CREATE TABLE w(user_id, event, ts, PRIMARY KEY (ts)) WITHOUT ROWID",
      "INSERT INTO w VALUES ('p','x',2), ('q','x',1)",
      [[CREATE TABLE "odd ""name"" ?"(rowid, oid, _rowid_, "user id", event, ts)]],
      [[INSERT INTO "odd ""name"" ?" VALUES (1, 1, 1, 'z', 'x', 1)]])
    local o = { user = "user_id", time = "ts", time_unit = "s" }
    local function ids(changes)
      for key, value in pairs(o) do changes[key] = changes[key] or value end
      local log <close> = assert(wp.read_sqlite(path, changes))
      local list = {}
      for id in log:journeys() do list[#list + 1] = id end
      return table.concat(list, " ")
    end
    assert.equal("a b c d", ids { table = "events" })
    assert.equal("c d", ids { table = "v" })
    assert.equal("q p", ids { table = "w" })
    assert.equal("z", ids { table = 'odd "name" ?', user = "user id" })
    assert.equal("a b c d", ids { table = "EVENTS", user = "USER_ID" })
  end)

  it("reads UTF-16 databases", function()
    local path = database("utf16", "PRAGMA encoding = 'UTF-16'", schema,
      "INSERT INTO events VALUES ('zoë', 'öffnen', 1, NULL, 'straße')")
    local log <close> = assert(wp.read_sqlite(path, with { time_unit = "s" }))
    assert.same({ time = 1000000, event = "öffnen", channel = "straße" }, log:journey("zoë")[1])
  end)

  it("reads several files one after the other, and stops at the limit", function()
    local a = database("several-a", schema, "INSERT INTO events VALUES ('u','one',5,NULL,NULL)")
    local b = database("several-b", schema,
      "INSERT INTO events VALUES ('u','two',5,NULL,NULL), ('v','three',5,NULL,NULL)")
    local log <close> = assert(wp.read_sqlite({ a, b }, with { time_unit = "s" }))
    assert.same({ "u: one 5000000, two 5000000", "v: three 5000000" }, journeys(log))
    local two <close> = assert(wp.read_sqlite({ a, b }, with { time_unit = "s", limit = 2 }))
    assert.same({ "u: one 5000000, two 5000000" }, journeys(two))
  end)

  it("reads an empty table as an empty log that says what to look at", function()
    local path = database("empty", schema)
    local log <close> = assert(wp.read_sqlite(path, options))
    assert.equal(0, #log)
    assert.is_nil(log:summary().first)
    assert.truthy(tostring(log):find("no events: check", 1, true))
    assert.is_nil(log:journeys()())
  end)

  it("names the rowid and the column of a bad row, or skips and counts it", function()
    local path = database("bad", schema, [[INSERT INTO events(rowid, user_id, event, ts, revenue)
      VALUES (7,'a','x',1,NULL), (8,'a','x','yesterday',NULL), (9,NULL,'x',1,NULL),
      (10,'a','x',1,'dear'), (11,'a','',1,NULL), (12,'a','x',2,3)]])
    local log, message, code = wp.read_sqlite(path, with { time_unit = "s" })
    assert.is_nil(log)
    assert.equal("parse", code)
    assert.equal(path .. ": rowid 8: column 'ts': 'yesterday' is not a time "
      .. "(expected ISO 8601 or epoch)", message)
    local function why(condition)
      local _, text = wp.read_sqlite(path, with { table = false, time_unit = "s",
        query = "SELECT * FROM events WHERE " .. condition })
      return text:sub(#path + 3)
    end
    assert.equal("row 1: column 'user_id': is empty (expected a value)", why "rowid = 9")
    assert.equal("row 2: column 'revenue': 'dear' is not a number", why "rowid IN (7, 10)")
    assert.equal("row 1: column 'event': is empty (expected a value)", why "rowid = 11")
    local skipped <close> = assert(wp.read_sqlite(path,
      with { time_unit = "s", bad_rows = "skip" }))
    assert.equal(2, #skipped)
    assert.equal(4, skipped:summary().skipped)
    assert.truthy(tostring(skipped):find("4 bad rows left out", 1, true))
  end)

  it("names the rowid of a bad row far inside a table, also when it reads many columns", function()
    local names, values = {}, {}
    for i = 1, 120 do names[i], values[i] = "p" .. i, ("'v%d'"):format(i) end
    local path = database("far", ("CREATE TABLE events(user_id, event, ts, %s)"):format(
      table.concat(names, ", ")), ([[
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
      INSERT INTO events(rowid, user_id, event, ts, %s)
        SELECT i * 100, i %% 50, 'e', i, %s FROM n]])
      :format(table.concat(names, ", "), table.concat(values, ", ")),
      "UPDATE events SET ts = 'soon' WHERE rowid = 222200")
    for _, properties in ipairs { { "p1" }, names } do
      local log, message = wp.read_sqlite(path, { table = "events", user = "user_id", time = "ts",
        properties = properties })
      assert.is_nil(log)
      assert.equal(path .. ": rowid 222200: column 'ts': 'soon' is not a time "
        .. "(expected ISO 8601 or epoch)", message)
      local skipped <close> = assert(wp.read_sqlite(path, { table = "events", user = "user_id",
        time = "ts", properties = properties, bad_rows = "skip" }))
      assert.equal(2999, #skipped)
      assert.equal("v1", skipped:journey("49")[1].p1)
    end
  end)

  it("says which tables and columns there are", function()
    local path = database("names", schema, "CREATE TABLE clicks(a)", "CREATE VIEW v AS SELECT 1")
    local log, message, code = wp.read_sqlite(path, with { table = "evnts" })
    assert.is_nil(log)
    assert.equal(path .. ": table 'evnts' does not exist (tables: clicks, events, v)", message)
    assert.equal("sql", code)
    log, message, code = wp.read_sqlite(path, with { time = "timestamp" })
    assert.is_nil(log)
    assert.equal(path .. ": column 'timestamp' does not exist (columns: user_id, event, ts, "
      .. "revenue, channel)", message)
    assert.equal("sql", code)
  end)

  it("returns nil, message, code for what is not a database or not one SELECT", function()
    local text = folder .. "-text.csv"
    made[#made + 1] = text
    local file = assert(io.open(text, "wb"))
    file:write(("user,event,time\n"):rep(20))
    file:close()
    local log, message, code = wp.read_sqlite(text, options)
    assert.is_nil(log)
    assert.equal(text .. ": not an SQLite database (text files are read with read_csv)", message)
    assert.equal("corrupt", code)
    log, message, code = wp.read_sqlite(folder .. "-nowhere.db", options)
    assert.is_nil(log)
    assert.truthy(message:find("cannot be opened", 1, true))
    assert.equal("io", code)
    assert.is_false(exists(folder .. "-nowhere.db"))
    local path = database("queries", schema)
    for _, query in ipairs { "DELETE FROM events", "SELECT 1; SELECT 2", "SELEC", "-- nothing",
      "CREATE TABLE x(y)" } do
      log, message, code = wp.read_sqlite(path, { query = query })
      assert.is_nil(log)
      assert.equal("sql", code)
      assert.truthy(message:find(path, 1, true))
    end
    local fine <close> = assert(wp.read_sqlite(path, { user = "user_id", time = "ts",
      query = "SELECT * FROM events; -- all of them" }))
    assert.equal(0, #fine)
  end)

  it("survives a database whose pages are damaged", function()
    local path = numbers("damaged", 5000)
    local file = assert(io.open(path, "r+b"))
    for page = 2, 30 do
      file:seek("set", page * 4096 + 3)
      file:write(("\255"):rep(64))
    end
    file:close()
    local log, message, code = wp.read_sqlite(path, options)
    assert.is_nil(log)
    assert.equal("corrupt", code)
    assert.truthy(message:find(path, 1, true))
  end)

  it("raises for wrong options, blaming the caller's line #bare", function()
    local function raises(text, ...)
      local ok, message = pcall(wp.read_sqlite, ...)
      assert.is_false(ok)
      assert.truthy(message:find(text, 1, true), message)
    end
    raises("unknown option 'tabel' (did you mean 'table'?)", "x.db", { tabel = "events" })
    raises("no table is named", "x.db", {})
    raises("table and query are both given", "x.db", { table = "a", query = "b" })
    raises("expected a path or a list of paths", 5, { table = "a" })
    raises("properties: 5 (expected a name or a list of names)", "x.db",
      { table = "a", properties = 5 })
    raises("listed as number and as property", "x.db",
      { table = "a", numbers = { "x" }, properties = { "x" } })
    raises("bad_rows: 'ignore' (expected 'fail' or 'skip'", "x.db",
      { table = "a", bad_rows = "ignore" })
    raises("time_unit", "x.db", { table = "a", time_unit = "days" })
    raises("limit: 0", "x.db", { table = "a", limit = 0 })
    local ok, message = pcall(function() wp.read_sqlite("x.db", { tabel = "events" }) end)
    assert.is_false(ok)
    assert.truthy(message:find("sqlite_spec.lua:%d+: read_sqlite: "), message)
  end)

  it("leaves no file beside a WAL database, and sees what is still in the log", function()
    local path = database("wal", "PRAGMA journal_mode = WAL", schema,
      "INSERT INTO events VALUES ('a','x',1,NULL,NULL)")
    assert.is_false(exists(path .. "-wal"))
    local log <close> = assert(wp.read_sqlite(path, with { time_unit = "s" }))
    assert.equal(1, #log)
    assert.is_false(exists(path .. "-wal"))
    assert.is_false(exists(path .. "-shm"))
    local writer <close> = assert(core.sqlite.open(path))
    assert(writer:exec "INSERT INTO events VALUES ('b','x',2,NULL,NULL)")
    assert.is_true(exists(path .. "-wal"))
    local more <close> = assert(wp.read_sqlite(path, with { time_unit = "s" }))
    assert.equal(2, #more)
  end)

  it("never changes a byte of the file", function()
    local path = numbers("untouched", 3000)
    local before = assert(io.open(path, "rb")):read("a")
    local log <close> = assert(wp.read_sqlite(path, options))
    assert.equal(3000, #log)
    assert.is_true(before == assert(io.open(path, "rb")):read("a"))
  end)

  it("stops at Ctrl-C, in the middle of a long query #process", function()
    local path = database("forever", schema)
    local script = folder .. "-forever.lua"
    made[#made + 1] = script
    local file = assert(io.open(script, "w"))
    file:write(string.format([[
      package.path, package.cpath = %q, %q
      local wp = require "wayproof"
      local read = wp.read_sqlite
      io.write "ready\n"
      io.flush()
      print(pcall(read, %q, { user = "i", event_name = "x", time = "i",
        query = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
          .. "SELECT i FROM n ORDER BY i" }))]], package.path, package.cpath, path))
    file:close()
    local said = script .. ".out"
    made[#made + 1] = said
    -- The signal waits until the script is at work, however busy the machine is.
    os.execute(string.format("lua5.4 %s >%s 2>&1 & pid=$!; n=0; "
      .. "while ! grep -q ready %s && [ $n -lt 600 ]; do sleep 0.1; n=$((n + 1)); done; "
      .. "sleep 0.3; kill -INT $pid; wait $pid", script, said, said))
    local output = assert(io.open(said)):read("a")
    assert.truthy(output:find("^ready%s+false%s.*interrupted!"), output)
  end)
end)

describe("the binding of SQLite", function()
  it("keeps integers exact, NULL as nil and texts with any byte", function()
    local db <close> = assert(core.sqlite.open(":memory:"))
    assert(db:exec "CREATE TABLE t(a, b, c, d)")
    local insert <close> = assert(db:prepare "INSERT INTO t VALUES (?, ?, ?, ?)")
    assert(insert:run(math.maxinteger, 0.1, "a\0b", true))
    assert(insert:run(math.mininteger, nil, "", false))
    local all <close> = assert(db:prepare "SELECT a, b, c, d FROM t")
    assert.same({ "a", "b", "c", "d" }, all:names())
    assert.is_true(all:step())
    assert.same({ math.maxinteger, 0.1, "a\0b", 1 }, { all:row() })
    assert.is_true(all:step())
    assert.same({ n = 4, math.mininteger, nil, "", 0 }, table.pack(all:row()))
    assert.is_nil(all:column(2))
    assert.is_false(all:step())
    assert.equal(2, db:last_rowid())
  end)

  it("rolls a transaction back when its function raises or returns nil, message", function()
    local db <close> = assert(core.sqlite.open(":memory:"))
    assert(db:exec "CREATE TABLE t(a)")
    local function count()
      local st <close> = assert(db:prepare "SELECT count(*) FROM t")
      st:step()
      return st:column(1)
    end
    local function insert(how)
      return db:transaction(function(what)
        assert(db:exec "INSERT INTO t VALUES (1)")
        if what == "raise" then error("no", 0) end
        if what == "fail" then return nil, "why", "code" end
        return 1, 2, what
      end, how)
    end
    assert.has_error(function() insert "raise" end, "no")
    assert.same({ n = 3, nil, "why", "code" }, table.pack(insert "fail"))
    assert.equal(0, count())
    assert.same({ 1, 2, "commit" }, { insert "commit" })
    assert.equal(1, count())
  end)

  it("returns nil, message, code when SQLite refuses", function()
    local db <close> = assert(core.sqlite.open(":memory:"))
    local ok, message, code = db:exec "SELEC"
    assert.is_nil(ok)
    assert.equal("sql", code)
    assert.truthy(message:find("^:memory:: near \"SELEC\""))
    assert.is_nil((core.sqlite.open("/nowhere/at/all.db")))
    assert.is_nil((db:prepare "SELECT * FROM nothing"))
  end)

  it("closes twice, raises after close, and lets the collector go in any order", function()
    local db = assert(core.sqlite.open(":memory:"))
    local st = assert(db:prepare "SELECT 1")
    db:close()
    db:close()
    assert.has_error(function() db:exec "SELECT 1" end)
    assert.has_error(function() st:step() end)
    st:close()
    st:close()
    assert.equal("Statement (closed)", tostring(st))
    assert.equal("Database (closed)", tostring(db))
    for _ = 1, 200 do
      local other = assert(core.sqlite.open(":memory:"))
      local iterate = assert(other:prepare "SELECT 1 UNION SELECT 2"):rows()
      iterate(nil, 0)
    end
    collectgarbage()
    collectgarbage()
  end)
end)
