-- The users table of a reader: attributes, dates that become events, other ids, from any source.
local wp = require "wayproof"
local core = require "wayproof.core"

local events = {
  { user = "anon-1", event = "visit", time = "2024-03-01T09:00:00Z" },
  { user = "ann", event = "buy", time = "2024-03-05T00:00:00Z", revenue = 10 },
  { user = "anon-2", event = "visit", time = "2024-03-02T00:00:00Z" },
  { user = "bob", event = "buy", time = "2024-03-06T00:00:00Z", revenue = 20 },
}

-- ann has two earlier ids, hence two rows; zoe did nothing but sign up; max did nothing at all.
local people = {
  { id = "ann", anonymous_id = "anon-1", signed_up_at = "2024-03-01T10:00:00Z", plan = "pro",
    seats = 3, seen = "2024-02-01" },
  { id = "ann", anonymous_id = "anon-2", plan = "pro" },
  { id = "bob", signed_up_at = "2024-03-02T00:00:00Z", plan = "free", seats = 1 },
  { id = "zoe", signed_up_at = "2024-03-03T00:00:00Z", plan = "free" },
  { id = "max", plan = "pro", seats = 7 },
}

local columns = { "id", "anonymous_id", "signed_up_at", "plan", "seats", "seen" }

local function users(source)
  source.id = "id"
  source.alias = "anonymous_id"
  source.events = { signed_up_at = "signup" }
  source.properties = { "plan" }
  source.numbers = { "seats" }
  return source
end

local function names(journey)
  local list = {}
  for i, event in ipairs(journey) do list[i] = event.event end
  return table.concat(list, " ")
end

local scratch = os.tmpname()

local function csv_file()
  local file = assert(io.open(scratch, "wb"))
  file:write(table.concat(columns, ";"), "\r\n")
  for _, person in ipairs(people) do
    local cells = {}
    for i, column in ipairs(columns) do
      cells[i] = person[column] and '"' .. tostring(person[column]) .. '"' or ""
    end
    file:write(table.concat(cells, ";"), "\r\n")
  end
  file:close()
  return scratch
end

local function sqlite_file()
  os.remove(scratch)
  local db <close> = assert(core.sqlite.open(scratch))
  assert(db:exec "CREATE TABLE people(id, anonymous_id, signed_up_at, plan, seats, seen)")
  local insert <close> = assert(db:prepare "INSERT INTO people VALUES (?, ?, ?, ?, ?, ?)")
  for _, person in ipairs(people) do
    local row = {}
    for i, column in ipairs(columns) do row[i] = person[column] end
    assert(insert:run(table.unpack(row, 1, #columns)))
  end
  assert(db:exec "CREATE TABLE events(user, event, time, revenue)")
  local add <close> = assert(db:prepare "INSERT INTO events VALUES (?, ?, ?, ?)")
  for _, event in ipairs(events) do
    assert(add:run(event.user, event.event, event.time, event.revenue))
  end
  return scratch
end

describe("a users table", function()
  teardown(function() os.remove(scratch) end)

  local sources = {
    { "Lua rows", function() return wp.read_rows(events, { value = "revenue",
      users = users { rows = people } }) end },
    { "an iterator", function()
      local i = 0
      return wp.read_rows(events, { value = "revenue", users = users { rows = function()
        i = i + 1
        return people[i]
      end } })
    end },
    { "a CSV file", function() return wp.read_rows(events, { value = "revenue",
      users = users { path = csv_file() } }) end },
    { "a table of the same database", function() return wp.read_sqlite(sqlite_file(),
      { table = "events", value = "revenue", users = users { table = "people" } }) end },
    { "a query on a database of its own", function() return wp.read_rows(events,
      { value = "revenue", users = users { path = sqlite_file(),
        query = "SELECT * FROM people" } }) end },
  }

  for _, source in ipairs(sources) do
    it("from " .. source[1] .. " gives dates as events, attributes, and one id per person",
      function()
        local log <close> = assert(source[2]())
        assert.equal(7, #log)
        assert.equal(4, log:users())
        assert.equal("visit signup visit buy", names(log:journey "ann"))
        assert.equal("signup buy", names(log:journey "bob"))
        assert.equal("signup", names(log:journey "zoe"))
        assert.equal("", names(log:journey "max"))
        assert.is_nil(log:journey "anon-1")
        assert.same({ plan = "pro", seats = 3 }, log:journey("ann").attributes)
        assert.same({ plan = "free" }, log:journey("zoe").attributes)
        assert.same({ plan = "pro", seats = 7 }, log:journey("max").attributes)
        assert.equal(10, log:journey("ann")[4].value)
      end)
  end

  it("gives the same log from every source", function()
    local fingerprints = {}
    for i, source in ipairs(sources) do
      local log <close> = assert(source[2]())
      fingerprints[i] = log:summary().fingerprint
    end
    for i = 2, #fingerprints do assert.equal(fingerprints[1], fingerprints[i]) end
  end)

  it("shows its attributes and the people who did nothing", function()
    local log <close> = assert(wp.read_rows(events, { users = users { rows = people } }))
    local summary = log:summary()
    assert.equal(1, summary.idle_users)
    assert.equal(4, summary.users)
    local plan, seats
    for _, property in ipairs(summary.properties) do
      if property.name == "plan" then plan = property end
      if property.name == "seats" then seats = property end
    end
    assert.same({ true, 4, 0, 2 }, { plan.per_user, plan.present, plan.missing, plan.values })
    assert.same({ true, 3, 1, 11 }, { seats.per_user, seats.present, seats.missing, seats.sum })
    assert.truthy(tostring(log):find("attributes: ", 1, true))
    assert.truthy(tostring(log):find("1 user without any event", 1, true))
  end)

  it("filters by attributes like by properties", function()
    local log <close> = assert(wp.read_rows(events, { users = users { rows = people } }))
    local pro <close> = log:where { plan = "pro" }
    assert.equal(1, pro:users())
    assert.equal(4, #pro)
    local large <close> = log:where { seats = wp.above(2), events = "buy" }
    assert.equal("ann", (large:journeys()()))
    local unknown <close> = log:where { seats = wp.is_not(wp.above(2)) }
    assert.equal(2, unknown:users()) -- bob has one seat, zoe's are not known
  end)

  it("remembers whether the attributes have a date", function()
    local undated <close> = assert(wp.read_rows(events, { users = users { rows = people } }))
    assert.is_false(undated:summary().attributes_dated)
    local with_date = users { rows = people }
    with_date.known_at = "seen"
    local dated <close> = assert(wp.read_rows(events, { users = with_date }))
    assert.is_true(dated:summary().attributes_dated)
  end)

  it("gives attributes a value from `known_at` on, in filters, sums and at the anchor", function()
    local rows = { { user = "a", event = "x", time = "2024-01-01" },
      { user = "a", event = "x", time = "2024-01-03" }, { user = "a", event = "x",
        time = "2024-01-05" } }
    local log <close> = assert(wp.read_rows(rows, { users = { id = "id", numbers = { "seats" },
      properties = { "plan" }, known_at = "seen",
      rows = { { id = "a", plan = "pro", seats = 2, seen = "2024-01-03" } } } }))
    local frame = assert(log:measure { observe = "7d", as_of = "2024-02-01", metrics = {
      pro = wp.count { plan = "pro" }, other = wp.count { plan = wp.is_not "pro" },
      seats = wp.sum("x", "seats"), plans = wp.distinct "plan", at = wp.attribute "seats" } })
    local found = {}
    for _, name in ipairs { "pro", "other", "seats", "plans", "at" } do
      found[name] = frame:column(name)[1]
    end
    assert.same({ pro = 2, other = 1, seats = 4.0, plans = 1, at = 2.0 }, found)
    local outside = assert(log:measure { observe = "7d", as_of = "2024-02-01",
      metrics = { n = wp.count() }, population = { plan = "pro" } })
    assert.equal(1, outside.n.outside)
    local later <close> = log:where { plan = "pro" }
    assert.equal(2, #later)
  end)

  it("takes the id of its rows from the events' user column by default", function()
    local log <close> = assert(wp.read_rows(events,
      { users = { rows = { { user = "ann", plan = "pro" } }, properties = { "plan" } } }))
    assert.equal("pro", log:journey("ann").attributes.plan)
  end)

  it("follows a chain of ids, and takes an id that stands for itself", function()
    local log <close> = assert(wp.read_rows(events, { users = { id = "id", alias = "old",
      rows = { { id = "anon-2", old = "anon-1" }, { id = "ann", old = "anon-2" },
        { id = "bob", old = "bob" } } } }))
    assert.equal("visit visit buy", names(log:journey "ann"))
    assert.equal(2, log:users())
  end)

  it("takes the rows of a person's several ids together, and refuses contradictions", function()
    local function read(second)
      return wp.read_rows(events, { users = { id = "id", alias = "old", events = { at = "signup" },
        properties = { "plan" }, numbers = { "seats" }, rows = { second,
          { id = "ann", old = "anon-1", plan = "pro", at = 1 } } } })
    end
    local log <close> = assert(read { id = "anon-1", seats = 4, plan = "pro", at = 1 })
    assert.equal("signup visit buy", names(log:journey "ann"))
    assert.same({ plan = "pro", seats = 4 }, log:journey("ann").attributes)
    assert.is_nil(log:journey "anon-1")
    local other <close> = assert(wp.read_rows(events, { users = { id = "id", alias = "old",
      events = { at = "signup" },
      rows = { { id = "anon-1", at = 1 }, { id = "ann", old = "anon-1" } } } }))
    assert.equal("signup visit buy", names(other:journey "ann"))
    local _, message, code = read { id = "anon-1", plan = "free" }
    assert.equal("users: 'anon-1' is an alias of 'ann', and their rows contradict each other in "
      .. "column 'plan' (expected equal values)", message)
    assert.equal("parse", code)
  end)

  it("refuses rows that contradict each other, naming the row, the user and the column", function()
    local function why(changes)
      local rows = { { id = "ann", plan = "pro", seats = 1, at = "2024-01-01" } }
      changes.id = "ann"
      rows[2] = changes
      local log, message, code = wp.read_rows(events, { users = { rows = rows, id = "id",
        properties = { "plan" }, numbers = { "seats" }, events = { at = "signup" } } })
      if log then return "fine" end
      assert.equal("parse", code)
      return message
    end
    assert.equal("users: row 2: user 'ann': column 'plan': 'free' contradicts an earlier row of "
      .. "this user (expected one row per user, or equal values)", why { plan = "free" })
    assert.truthy(why { seats = 2 }:find("column 'seats': '2' contradicts", 1, true))
    assert.truthy(why { at = "2024-01-02" }:find("column 'at': '2024-01-02' contradicts", 1, true))
    assert.equal("fine", why { plan = "pro", seats = 1.0, at = "2024-01-01T00:00:00Z" })
    assert.equal("fine", why {})
  end)

  it("makes one event of a date that several rows repeat", function()
    local log <close> = assert(wp.read_rows(events, { users = { id = "id",
      events = { at = "signup" }, rows = { { id = "ann", at = 1 }, { id = "ann", at = 1 } } } }))
    assert.equal("signup buy", names(log:journey "ann"))
  end)

  it("refuses an id that stands for two users, and ids that stand for each other", function()
    local function why(rows)
      local _, message, code = wp.read_rows(events, { users = { id = "id", alias = "old",
        rows = rows } })
      assert.equal("parse", code)
      return message
    end
    assert.truthy(why { { id = "a", old = "x" }, { id = "b", old = "x" } }
      :find("users: row 2: alias 'x': stands for two users", 1, true))
    assert.truthy(why { { id = "a", old = "b" }, { id = "b", old = "a" } }
      :find("users: row 2: alias 'a'", 1, true))
  end)

  it("names the line of a bad value in a file, or skips and counts the row", function()
    local file = assert(io.open(scratch, "wb"))
    file:write('id,at,seats,plan\nann,2024-01-01,1,"two\nlines"\nbob,soon,2,pro\n,,,\n'
      .. 'cid,2024-01-03,many,pro\ndan,2024-01-04\neve,2024-01-05,5,pro')
    file:close()
    local function options(bad_rows)
      return { bad_rows = bad_rows, users = { path = scratch, id = "id", events = { at = "signup" },
        numbers = { "seats" }, properties = { "plan" } } }
    end
    local _, message, code = wp.read_rows(events, options "fail")
    assert.equal(scratch .. ":4: column 'at': 'soon' is not a time (expected ISO 8601 or epoch)",
      message)
    assert.equal("parse", code)
    local log <close> = assert(wp.read_rows(events, options "skip"))
    assert.equal(4, log:summary().skipped)
    assert.equal("two\nlines", log:journey("ann").attributes.plan)
    assert.equal("signup", names(log:journey "eve"))
    assert.is_nil(log:journey "dan")
  end)

  it("reads a file larger than its block, with rows across the borders", function()
    local file = assert(io.open(scratch, "wb"))
    file:write("id,plan,n\n")
    for i = 1, 60000 do file:write("user-", i, ',"plan ""', i % 7, '"" of seven",', i, "\n") end
    file:write("long,", ("x"):rep(3000000), ",1\n")
    file:close()
    local log <close> = assert(wp.read_rows(events, { users = { path = scratch, id = "id",
      properties = { "plan" }, numbers = { "n" } } }))
    assert.equal(60001 + 4, log:users())
    for _, i in ipairs { 1, 777, 30000, 59999, 60000 } do
      assert.same({ plan = ('plan "%d" of seven'):format(i % 7), n = i },
        log:journey("user-" .. i).attributes)
    end
    assert.equal(3000000, #log:journey("long").attributes.plan)
  end)

  it("says which column or file is not there", function()
    local _, message, code = wp.read_rows(events, { users = { path = csv_file(), id = "user_id" } })
    assert.truthy(message:find("column 'user_id'", 1, true))
    assert.truthy(message:find("anonymous_id", 1, true))
    assert.is_string(code)
    local path = sqlite_file()
    _, message, code = wp.read_sqlite(path, { table = "events", users = { table = "people",
      id = "user_id" } })
    assert.equal(path .. ": column 'user_id' does not exist (columns: id, anonymous_id, "
      .. "signed_up_at, plan, seats, seen)", message)
    assert.equal("sql", code)
    _, message, code = wp.read_rows(events, { users = { path = scratch .. "-nowhere", id = "id" } })
    assert.truthy(message:find(scratch .. "-nowhere", 1, true))
    assert.equal("io", code)
  end)

  it("raises for options that cannot be meant", function()
    local function raises(text, users_options, options)
      options = options or {}
      options.users = users_options
      local ok, message = pcall(wp.read_rows, events, options)
      assert.is_false(ok)
      assert.truthy(message:find(text, 1, true), message)
    end
    raises("read_rows: users: unknown option 'propertys' (did you mean 'properties'?)",
      { rows = {}, propertys = {} })
    raises("none of them (expected one of path, table, query or rows)", {})
    raises("path, rows (expected one of path, table, query or rows)", { path = "x", rows = {} })
    raises("(expected one of path, table, query or rows)", { table = "t" })
    raises("listed under events and as a property",
      { rows = {}, events = { at = "signup" }, properties = { "at" } })
    raises("column 'channel' is already a property of the events",
      { rows = {}, properties = { "channel" } }, { properties = { "channel" } })
    raises("events: at: 5 (expected the name of an event)", { rows = {}, events = { at = 5 } })
    raises("read_rows: users: timezone 'Mars'", { rows = {}, timezone = "Mars" })
    sqlite_file()
    raises("is a database (say which table or query)", { path = scratch, id = "id" })
  end)

  it("has its own format and zone of times", function()
    local log <close> = assert(wp.read_rows(events, { users = { id = "id",
      events = { at = "signup" }, time_format = "%d/%m/%Y", timezone = "+02:00",
      rows = { { id = "new", at = "02/01/2024" } } } }))
    assert.equal(core.time.parse "2024-01-01T22:00:00Z", log:journey("new")[1].time)
  end)
end)
