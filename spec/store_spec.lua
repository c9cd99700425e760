-- The store: what comes out is what went in, to the bit, however it went in.
local core = require "wayproof.core"
local helper = require "spec.helper"
local made = require "spec.store_made"
local shell = require "spec.shell"
local wp = require "wayproof"

local datasets = {
  { "bpic2012.csv.gz", { user = "case", time = "timestamp", value = "amount_req",
    properties = { "lifecycle", "resource" } } },
  { "receipt.csv.gz", { user = "case:concept:name", event = "concept:name",
    time = "time:timestamp", properties = { "case:group", "case:enddate" } } },
  { "weblog_semicomplete.csv", { user = "visitor", time = "timestamp", value = "bytes",
    time_format = "%d/%b/%Y:%H:%M:%S %z", properties = { "path" } } },
  { "bitcoin_otc_events.csv.gz", { user = "user_id", time = "timestamp", value = "value",
    properties = { "peer" } } },
  { "cdnow_master.csv.gz", { user = "customer_id", event_name = "purchase", time = "date",
    time_format = "%Y%m%d", value = "dollar_value", numbers = { "number_of_cds" } } },
  { "cgd_trial_events.csv", { user = "patient", time = "date", properties = { "treat" } } },
  { "rees46_head1000.csv", { user = "user_id", event = "event_type", time = "event_time",
    value = "price", properties = { "category_code", "brand" } } },
}

describe("the store", function()
  local folder, path

  before_each(function()
    folder = shell.folder()
    path = folder .. "/shop.way"
  end)
  after_each(function() shell.remove(folder) end)

  local function same(expected, found)
    assert.equal(made.fingerprint(expected), made.fingerprint(found))
    assert.same(made.contents(expected), made.contents(found))
  end

  for _, case in ipairs(datasets) do
    it("gives back " .. case[1] .. " to the bit", function()
      local file, why = helper.data_file(case[1])
      if not file then return pending(why) end
      local log = assert(wp.read_csv(file, case[2]))
      assert.is_true(log:save(path))
      local back = assert(wp.open(path))
      assert.equal(#log, #back)
      assert.equal(tostring(log), tostring(back))
      assert.equal(made.fingerprint(log), made.fingerprint(back))
      local stored = core.log.facts(back).fingerprint
      local store <close> = assert(wp.store(path))
      assert.is_true(assert(store:verify()).ok)
      -- the fingerprint is computed from what is read, not only taken from the file
      local other <close> = assert(wp.store(path .. "2"))
      assert(store and other:append(back))
      assert(other:append(back, { force = true }))
      assert.are_not.equal(stored, made.fingerprint(assert(wp.open(path .. "2"))))
    end)
  end

  it("gives back nasty random logs to the bit, saved at once or in fifty pieces", function()
    local seed = tonumber(os.getenv("WAYPROOF_SEED")) or os.time() % 100000
    print("store_spec: WAYPROOF_SEED=" .. seed)
    for round = 1, 3 do
      local random = made.random(seed + round)
      local rows = made.rows(seed + round, 200 + random(2000), 5 + random(300))
      local log = made.read(rows)
      os.remove(path)
      assert(log:save(path))
      same(log, assert(wp.open(path)))

      local pieces = path .. round
      local store <close> = assert(wp.store(pieces))
      local first = 1
      for k = 1, 50 do
        local last = k == 50 and #rows or math.min(#rows, first + random(2 * #rows // 50))
        local piece = table.move(rows, first, last, 1, {})
        if #piece > 0 then assert(store:append(made.read(piece), { force = true })) end
        first = last + 1
      end
      same(log, assert(wp.open(pieces)))
      if random(2) == 1 then
        assert(store:compact())
        same(log, assert(wp.open(pieces)))
      end
      assert.is_true(assert(store:verify()).ok)
    end
  end)

  it("gives the same verdict from a file and in fifty pieces", function()
    local shop = require "wayproof.shop"
    local database = folder .. "/shop.db"
    assert(shop.write(database, { users = 800 }))
    local log = assert(wp.read_sqlite(database, { table = "events", user = "user_id",
      time = "ts" }))
    local rows = {}
    for id, journey in log:journeys() do
      for i = 1, #journey do
        rows[#rows + 1] = { user = id, event = journey[i].event, time = journey[i].time, at = i }
      end
    end
    table.sort(rows, function(a, b)
      if a.time ~= b.time then return a.time < b.time end
      if a.user ~= b.user then return a.user < b.user end
      return a.at < b.at
    end)
    local whole = made.read(rows, {})
    local store <close> = assert(wp.store(path))
    for k = 0, 49 do
      local piece = table.move(rows, #rows * k // 50 + 1, #rows * (k + 1) // 50, 1, {})
      assert(store:append(made.read(piece, {})))
    end
    local pieces = assert(wp.open(path))
    local name = log:summary().event_names[2].name
    local last = log:summary().event_names[#log:summary().event_names].name
    local hypothesis = wp.hypothesis "the second most frequent leads to the rarest" {
      metric = wp.count(name), outcome = wp.converts(last), observe = "7d", within = "30d",
    }
    assert.equal(whole:validate(hypothesis):json(), pieces:validate(hypothesis):json())
    assert.same(whole:sessions {}:table(), pieces:sessions {}:table())
    assert.same(whole:transitions {}:table(), pieces:transitions {}:table())
  end)

  it("keeps an empty log, one event, and users without events", function()
    local nothing = made.read({}, {})
    assert(nothing:save(path))
    assert.equal(0, #assert(wp.open(path)))
    local one = made.read({ { user = "a", event = "x", time = 5 } }, {})
    assert(one:save(path))
    same(one, assert(wp.open(path)))
    local idle = made.read({ { user = "b", event = "x", time = 5 } }, { users = {
      rows = { { id = "a", seats = 3, plan = "free" }, { id = "b", plan = "paid" },
        { id = "c", seats = 1 } }, id = "id", numbers = { "seats" }, properties = { "plan" } } })
    assert(idle:save(path))
    same(idle, assert(wp.open(path)))
  end)

  it("numbers users as one file would, also when they were idle before", function()
    local people = { { id = "z", seats = 1, plan = "p" }, { id = "y", seats = 2 },
      { id = "x", plan = "q" }, { id = "w", seats = 4, plan = "p" } }
    local users = { rows = people, id = "id", numbers = { "seats" }, properties = { "plan" } }
    local pieces = {
      { { user = "a", event = "e1", time = 10 }, { user = "y", event = "e2", time = 11 } },
      { { user = "b", event = "e3", time = 3 }, { user = "x", event = "e1", time = 9 },
        { user = "a", event = "e2", time = 1 } },
      { { user = "w", event = "e1", time = 4 }, { user = "c", event = "e1", time = 4 } },
    }
    local all = {}
    local store <close> = assert(wp.store(path))
    for _, piece in ipairs(pieces) do
      table.move(piece, 1, #piece, #all + 1, all)
      assert(store:append(made.read(piece, { users = users })))
    end
    same(made.read(all, { users = users }), assert(wp.open(path)))
    assert.is_true(store:verify().ok)
    assert.equal(7, store:facts().users)
  end)

  it("brings attributes up to date and keeps what a later table does not say", function()
    local function piece(time, rows)
      return made.read({ { user = "a", event = "e", time = time } },
        { users = { rows = rows, id = "id", numbers = { "seats" }, properties = { "plan" } } })
    end
    local store <close> = assert(wp.store(path))
    assert(store:append(piece(1, { { id = "a", seats = 1, plan = "free" } })))
    assert(store:append(piece(2, { { id = "a", seats = 2 } })))
    local _, journey = assert(wp.open(path)):journeys()()
    assert.same({ seats = 2.0, plan = "free" }, journey.attributes)
  end)

  it("takes new properties, numbers and event names later", function()
    local store <close> = assert(wp.store(path))
    local first = { { user = "a", event = "x", time = 1 }, { user = "b", event = "x", time = 2 } }
    local second = { { user = "a", event = "new", time = 3, plan = "p", value = 2.5 } }
    assert(store:append(made.read(first, {})))
    assert(store:append(made.read(second, { value = "value", properties = { "plan" } })))
    local rows = table.move(second, 1, 1, 3, table.move(first, 1, 2, 1, {}))
    same(made.read(rows, { value = "value", properties = { "plan" } }), assert(wp.open(path)))
    local refused, message, code = store:append(made.read({ { user = "a", event = "x", time = 1,
      plan = 3 } }, { numbers = { "plan" } }))
    assert.is_nil(refused)
    assert.equal("invalid", code)
    assert.matches("column 'plan': a number %(expected a text", message)
  end)

  it("refuses the same events a second time unless force is given", function()
    local store <close> = assert(wp.store(path))
    local log = made.read(made.rows(3, 50, 9))
    local import = assert(store:append(log, { source = "monday.csv" }))
    assert.equal(1, import.import)
    assert.equal(50, import.events)
    local again, message, code = store:append(made.read(made.rows(3, 50, 9)))
    assert.is_nil(again)
    assert.equal("invalid", code)
    assert.matches("these events are there already, as import 1 %(force = true", message)
    assert.equal(50, #assert(wp.open(path)))
    assert.equal(2, assert(store:append(log, { force = true })).import)
    assert.equal(100, #assert(wp.open(path)))
    local imports = assert(store:imports())
    assert.equal(2, #imports)
    assert.equal("monday.csv", imports[1].source)
    assert.equal(50, imports[2].events)
    assert.matches("monday.csv", tostring(imports))
  end)

  it("hands a failed reader call on", function()
    local store <close> = assert(wp.store(path))
    local done, message, code = store:append(wp.read_csv("there is no such file.csv"))
    assert.is_nil(done)
    assert.matches("there is no such file.csv", message)
    assert.equal("io", code)
    done, message = store:append(function() return wp.read_csv("nor this.csv") end)
    assert.is_nil(done)
    assert.matches("nor this.csv", message)
  end)

  it("saves of a view what the view shows, and no value that it hides", function()
    local log = made.read(made.rows(11, 500, 40))
    local some = log:where { plan = "p1" }
    assert(some:save(path))
    local back = assert(wp.open(path))
    assert.equal(#some, #back)
    local expected, found = {}, {}
    for id, journey in some:journeys() do expected[id] = journey end
    for id, journey in back:journeys() do found[id] = journey end
    assert.same(expected, found)
    assert.is_nil(made.file_bytes(path):find("p2", 1, true))
  end)

  it("replaces a store that is there, also the one the log was opened from", function()
    assert(made.read(made.rows(1, 300, 20)):save(path))
    local small = made.read(made.rows(2, 30, 5))
    assert(small:save(path))
    same(small, assert(wp.open(path)))
    local opened = assert(wp.open(path))
    assert(opened:save(path))
    same(small, assert(wp.open(path)))
  end)

  it("never overwrites a file that is not a store", function()
    local text = ("this is a text, not a store\n"):rep(400)
    made.write_bytes(path, text)
    local done, message, code = made.read(made.rows(1, 9, 3)):save(path)
    assert.is_nil(done)
    assert.matches("not a store", message)
    assert.equal("corrupt", code)
    assert.equal(text, made.file_bytes(path))
    local other = folder .. "/other.db"
    local database <close> = assert(core.sqlite.open(other))
    assert(database:exec "CREATE TABLE t(x)")
    assert.is_nil((wp.open(other)))
    assert.is_nil((wp.store(other)))
  end)

  it("names both formats of a store of another one, and says what to do", function()
    assert(made.read(made.rows(1, 9, 3)):save(path))
    local bytes = made.file_bytes(path)
    local function of_format(format, page_size)
      return bytes:sub(1, 16) .. string.pack(">I2", page_size) .. bytes:sub(19, 60)
        .. string.pack(">I4", format) .. bytes:sub(65)
    end
    for _, open in ipairs { wp.open, wp.store } do
      made.write_bytes(path, of_format(7, 16384))
      local opened, message, code = open(path)
      assert.is_nil(opened)
      assert.equal("corrupt", code)
      assert.equal(path .. ": a store of format 7 (expected format 1, which this wayproof reads; "
        .. "a newer wayproof wrote it: update wayproof)", message)
      made.write_bytes(path, of_format(0, 4096))
      assert.matches("a store of format 0 .expected format 1, .* older wayproof wrote it",
        select(2, open(path)))
      assert.equal(of_format(0, 4096), made.file_bytes(path))
    end
  end)

  it("opens what is there, and says what is not", function()
    local log, message, code = wp.open(folder .. "/missing.way")
    assert.is_nil(log)
    assert.matches("missing.way: cannot open: No such file", message)
    assert.equal("io", code)
    assert.matches("is a folder", select(2, wp.open(folder)))
    assert.is_nil((wp.store(folder .. "/no such folder/x.way")))
    assert.is_nil((made.read({}, {}):save(folder .. "/no such folder/x.way")))
    made.write_bytes(path, "")
    assert.is_nil((wp.open(path)))
  end)

  it("leaves no file behind when a save fails", function()
    local log = made.read(made.rows(1, 40, 3))
    log:close()
    assert.has_error(function() log:save(path) end)
    assert.is_nil(io.open(path))
  end)

  it("keeps an open log as it was while others append", function()
    local store <close> = assert(wp.store(path))
    local rows = made.rows(5, 400, 30)
    local first = made.read(table.move(rows, 1, 200, 1, {}))
    assert(store:append(first))
    local untouched, touched = assert(wp.open(path)), assert(wp.open(path))
    assert.equal(200, #touched)
    touched:summary()
    assert(store:append(made.read(table.move(rows, 201, 400, 1, {}))))
    same(first, touched)
    local facts = core.log.facts(untouched)
    assert.equal(200, facts.events)
    local expected = made.contents(first)
    local found = made.contents(untouched)
    expected.names, found.names = nil, nil -- it may know names that no event of it has
    assert.same(expected.journeys, found.journeys)
    assert.equal(400, #assert(wp.open(path)))
  end)

  it("says so when a log can no longer be read, and never mixes", function()
    local store <close> = assert(wp.store(path))
    local rows = made.rows(6, 100, 10)
    assert(store:append(made.read(table.move(rows, 1, 50, 1, {}))))
    assert(store:append(made.read(table.move(rows, 51, 100, 1, {}))))
    local late = assert(wp.open(path))
    local loaded = assert(wp.open(path))
    loaded:summary()
    assert(store:compact())
    assert.error_matches(function() late:summary() end, "rewritten since this log was opened")
    same(made.read(rows), loaded)
    same(made.read(rows), assert(wp.open(path)))
  end)

  it("forgets a user for good", function()
    local store <close> = assert(wp.store(path))
    local rows = made.rows(8, 300, 12)
    for _, row in ipairs(rows) do
      if row.user == "u3" then row.note, row.event = "only u3 says this", "only-u3-does" end
    end
    local users = { rows = { { id = "u3", mail = "u3@example.org" }, { id = "u4", mail = "x" } },
      id = "id", properties = { "mail" } }
    local options = { value = "value", numbers = { "load" }, properties = { "plan", "note" },
      users = users }
    local log = made.read(rows, options)
    assert(store:append(log))
    assert.is_truthy(made.file_bytes(path):find("u3@example.org", 1, true))
    local before = log:journey("u3")
    local done = assert(store:forget("u3"))
    assert.is_true(done.found)
    assert.equal(#before, done.events)
    assert.is_true(done.values >= 3)
    local bytes = made.file_bytes(path)
    for _, trace in ipairs { '"u3"', "u3@example.org", "only u3 says this", "only-u3-does" } do
      assert.is_nil(bytes:find(trace, 1, true), trace .. " is still in the file")
    end
    local left = {}
    for _, row in ipairs(rows) do if row.user ~= "u3" then left[#left + 1] = row end end
    local found = assert(wp.open(path))
    assert.equal(#left, #found)
    assert.is_nil(found:journey("u3"))
    users.rows = { users.rows[2] }
    local expected = made.read(left, options)
    local by_id, by_id_found = {}, {}
    for id, journey in expected:journeys() do by_id[id] = journey end
    for id, journey in found:journeys() do by_id_found[id] = journey end
    assert.same(by_id, by_id_found)
    assert.is_true(store:verify().ok)
    assert.equal(1, store:facts().forgotten)
  end)

  it("keeps a forgotten user out of later imports, unless told otherwise", function()
    local store <close> = assert(wp.store(path))
    local log = made.read(made.rows(9, 200, 10))
    assert(store:append(log))
    assert(store:forget("u2"))
    local import = assert(store:append(log, { force = true }))
    assert.equal(1, import.kept_out)
    assert.is_nil(assert(wp.open(path)):journey("u2"))
    import = assert(store:append(log, { force = true, forgotten = "import" }))
    assert.equal(0, import.kept_out)
    assert.equal(#log:journey("u2"), #assert(wp.open(path)):journey("u2"))
    assert.is_false(assert(store:forget("somebody who was never here")).found)
  end)

  it("lets go of users who forget one another until none is left", function()
    local store <close> = assert(wp.store(path))
    local log = made.read(made.rows(10, 60, 6))
    assert(store:append(log))
    local ids = {}
    for id in log:journeys() do ids[#ids + 1] = id end
    for i, id in ipairs(ids) do
      assert.is_true(assert(store:forget(id)).found)
      assert.equal(#ids - i, store:facts().users)
      assert.is_true(store:verify().ok)
    end
    assert.equal(0, #assert(wp.open(path)))
    assert(store:append(made.read({ { user = "new", event = "e", time = 1 } }, {})))
    assert.equal(1, #assert(wp.open(path)))
  end)

  it("holds pseudonyms where the ids were replaced on reading", function()
    local key = "a secret of at least 16"
    local rows = made.rows(14, 200, 10)
    local function read(more)
      local options = { time_unit = "us", value = "value" }
      for name, value in pairs(more) do options[name] = value end
      return wp.read_rows(rows, options)
    end
    local plain, hidden = assert(read {}), assert(read { pseudonymise = key })
    local pseudonym = require("wayproof.store").pseudonym
    assert.equal(plain:users(), hidden:users())
    assert.same(plain:journey("u1"), hidden:journey(pseudonym("u1", key)))
    assert.is_nil(hidden:journey("u1"))
    assert.matches("^%x+$", pseudonym("u1", key))
    assert.are_not.equal(pseudonym("u1", key), pseudonym("u1", key .. "!"))
    assert.equal(made.fingerprint(hidden),
      made.fingerprint(assert(read { pseudonymise = true, key = key })))
    assert.are_not.equal(made.fingerprint(plain), made.fingerprint(hidden))
    assert(hidden:save(path))
    local bytes = made.file_bytes(path)
    assert.is_nil(bytes:find('"u1"', 1, true))
    assert.is_nil(bytes:find(key, 1, true))
    local store <close> = assert(wp.store(path))
    assert.is_true(assert(store:forget("u1", { key = key })).found)
    assert.is_nil(assert(wp.open(path)):journey(pseudonym("u1", key)))
    assert.error_matches(function() read { pseudonymise = "short" } end, "at least 16 characters")
    assert.error_matches(function() read { pseudonymise = true } end, "key: nothing")
    assert.error_matches(function() read { key = key } end, "goes with pseudonymise")
    assert.error_matches(function() read { pseudonymise = key, properties = { "user" } } end,
      "column 'user' is a property too")
  end)

  it("can be read by the sqlite3 shell's SQL", function()
    local log = made.read(made.rows(12, 100, 9))
    assert(log:save(path))
    local database <close> = assert(core.sqlite.open(path, "r"))
    local names, users = {}, {}
    local statement = assert(database:prepare "SELECT name FROM event_names ORDER BY code")
    for _, name in statement:rows() do names[#names + 1] = name end
    statement = assert(database:prepare "SELECT id FROM users ORDER BY number")
    for _, id in statement:rows() do users[#users + 1] = id end
    assert.same(core.log.names(log).events, names)
    local ids = {}
    for id in log:journeys() do ids[#ids + 1] = id end
    assert.same(ids, users)
    statement = assert(database:prepare "SELECT events, users FROM imports")
    assert.is_true(statement:step())
    assert.same({ 100, #ids }, { statement:row() })
  end)

  it("treats its handles like any other", function()
    local store = assert(wp.store(path))
    assert.matches("0 events", tostring(store))
    store:close()
    store:close()
    assert.equal("Store (closed)", tostring(store))
    for _, name in ipairs { "append", "forget", "compact", "verify", "imports", "facts" } do
      assert.error_matches(function() store[name](store, "x") end, name .. ": store is closed")
    end
    do
      local inner <close> = assert(wp.store(path))
      assert.is_false(inner:is_closed())
    end
    for _ = 1, 50 do assert(wp.store(path)) end
    collectgarbage()
    assert(made.read(made.rows(1, 20, 3)):save(path))
    local log = assert(wp.open(path))
    local each = log:journeys()
    log:close()
    assert.error_matches(function() each() end, "log is closed")
    assert.equal("Log (closed)", tostring(log))
    log = assert(wp.open(path))
    local view = log:where { events = "e*" }
    log:close()
    log = nil -- luacheck: ignore
    collectgarbage()
    assert.equal(20, #view)
    view:summary()
  end)

  it("blames wrong calls on their line", function()
    assert.error_matches(function() wp.open(3) end, "open: 3 %(expected a path%)")
    assert.error_matches(function() wp.store "" end, "store: ")
    local store <close> = assert(wp.store(path))
    assert.error_matches(function() store:append(7) end, "append: 7 %(expected a log")
    local log = made.read({}, {})
    assert.error_matches(function() store:append(log, { forse = true }) end, "did you mean 'force'")
    assert.error_matches(function() store:append(log, { forgotten = "x" }) end, "keep_out")
    assert.error_matches(function() store:forget {} end, "expected the id of a user")
    assert.error_matches(function() store.append() end, "call methods with a colon")
    assert.error_matches(function() log:save() end, "save: ")
  end)

  it("gives the same bits with one thread and with many", function()
    local rows = made.rows(21, 3000, 200)
    local threads = wp.threads()
    wp.threads(1)
    assert(made.read(rows):save(path))
    local one = made.file_bytes(path)
    wp.threads(5)
    assert(made.read(rows):save(path .. "5"))
    same(assert(wp.open(path)), assert(wp.open(path .. "5")))
    wp.threads(threads)
    assert.equal(#one, #made.file_bytes(path .. "5"))
  end)
end)
