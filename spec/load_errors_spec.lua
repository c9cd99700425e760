-- Input that is not as it should be: where it stands, what was found, what was expected.
local wp = require "wayproof"
local core = require "wayproof.core"

local path = os.tmpname()

local function read(text, options)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  local given = {}
  for key, value in pairs(options or {}) do given[key] = value end
  return wp.read_csv(path, given)
end

local function fails(text, expected, options, code)
  local log, message, found_code = read(text, options)
  assert.is_nil(log, text)
  assert.equal(path .. expected, message)
  assert.equal(code or "parse", found_code)
end

describe("a bad CSV file", function()
  after_each(function()
    os.remove(path)
    core.read.chunk_bytes(0)
  end)

  it("says where it is bad, what stands there and what was expected", function()
    local head = "user,event,time,value\n"
    fails(head .. "a,x,2024-13-01,\n",
      ":2: column 'time': '2024-13-01' is not a time (expected ISO 8601 or epoch)")
    fails(head .. "a,x,1,\na,x,,\n", ":3: column 'time': is empty (expected a time)")
    fails(head .. ",x,1,\n", ":2: column 'user': is empty (expected the id of a user)")
    fails(head .. "a,,1,\n", ":2: column 'event': is empty (expected the name of an event)")
    fails(head .. "a,x,1,12 EUR\n", ":2: column 'value': '12 EUR' is not a number",
      { value = "value" })
    fails(head .. "a,x,1,1e999\n", ":2: column 'value': '1e999' is not a number",
      { value = "value" })
    fails(head .. "a,x,1,b\n",
      ":2: column 'value': 'b' is not an order (expected a number or a time)", { order = "value" })
    fails(head .. "a,x,1\n", ":2: 3 fields found (expected 4, as in the header)")
    fails(head .. "a,x,1,,\n", ":2: 5 fields found (expected 4, as in the header)")
    fails(head .. '"a"b,x,1,\n',
      ":2: field 1: has text behind its closing quote (expected a delimiter)")
    fails(head .. "a\0b,x,1,\n", ":2: holds a NUL byte (expected text)")
    fails(head .. 'a,x,1,\na,"x,1,\nb,x,2,\n',
      ":3: a quote is never closed (expected a second one before the end)")
  end)

  it("counts lines as an editor does, newlines inside of quotes included", function()
    fails('user,event,time\r\n"a\nb\n",x,1\r\n\r\nc,x,soon\r\n',
      ":6: column 'time': 'soon' is not a time (expected ISO 8601 or epoch)")
  end)

  it("names the lowest bad line, for any number of threads", function()
    local rows = { "user,event,time" }
    for i = 2, 4000 do
      rows[i] = i % 613 == 500 and "u,x,never" or ('"u\n%d",x,%d'):format(i % 10, i)
    end
    core.read.chunk_bytes(512)
    local threads = wp.threads()
    for _, n in ipairs { 1, 2, 8 } do
      wp.threads(n)
      fails(table.concat(rows, "\n"),
        ":998: column 'time': 'never' is not a time (expected ISO 8601 or epoch)")
    end
    wp.threads(threads)
  end)

  it("lists the columns that are there when one is missing", function()
    fails("user_id,action,ts\na,x,1\n",
      ": column 'user': not found (expected one of: user_id, action, ts)")
    fails("user,event,time,user\na,x,1,b\n", ": column 'user': appears 2 times (expected once)")
  end)

  it("that is empty says what belongs there", function()
    for _, text in ipairs { "", "\239\187\191" } do
      fails(text, ": is empty (expected a row of column names, then one row per event)")
    end
    fails("user,event,time\n",
      ": has column names and no rows (expected one row per event below them)")
  end)

  it("that is no CSV says what it is", function()
    fails("\255\254u\0s\0", ": is UTF-16 text (expected UTF-8: save it as CSV UTF-8)")
    fails("SQLite format 3\0xxxxxxx",
      ": is a SQLite database (expected CSV: use read_sqlite)")
    fails("PK\3\4xxxx", ": is a zip archive or a spreadsheet (expected CSV text, or CSV in .gz)")
  end)

  it("that is not there or is a folder says so", function()
    local log, message, code = wp.read_csv "/nowhere/events.csv"
    assert.is_nil(log)
    assert.equal("/nowhere/events.csv: cannot open: No such file or directory", message)
    assert.equal("io", code)
    log, message = wp.read_csv "/"
    assert.is_nil(log)
    assert.equal("/: is a folder (expected a file)", message)
  end)

  it("in the wrong unit says what the times would be without it", function()
    fails("user,event,time\na,x,1709294400000\n",
      ":2: column 'time': '1709294400000' is not a time by the given time_unit "
      .. "(without it: 2024-03-01T12:00:00Z)", { time_unit = "s" })
    fails("user,event,time\na,x,2024-03-01\n",
      ":2: column 'time': '2024-03-01' is not a time by the given time_format "
      .. "(without it: 2024-03-01T00:00:00Z)", { time_format = "%d/%m/%Y" })
  end)

  it("can be read without its bad rows, which are counted", function()
    local log = assert(read("user,event,time\na,x,1\nb,x,\nc\nd,x,2,3\ne,x,3\n",
      { bad_rows = "skip" }))
    assert.equal(2, #log)
    assert.equal(3, log:summary().skipped)
    local none, message = read("user,event,time\na,x,soon\nb,x,never\n", { bad_rows = "skip" })
    assert.is_nil(none)
    assert.equal(path .. ":2: column 'time': 'soon' is not a time (expected ISO 8601 or epoch) "
      .. "(and all of 2 rows are bad)", message)
  end)

  it("with a quote that is never closed fails even when bad rows are skipped", function()
    fails('user,event,time\na,x,1\nb,"x,2\nc,x,3\n',
      ":3: a quote is never closed (expected a second one before the end)", { bad_rows = "skip" })
  end)
end)

describe("bad rows from Lua", function()
  local function fails_rows(rows, expected, options)
    local given = { value = "value" }
    for key, value in pairs(options or {}) do given[key] = value end
    local log, message, code = wp.read_rows(rows, given)
    assert.is_nil(log)
    assert.equal(expected, message)
    assert.equal("parse", code)
  end

  it("are named by number and field", function()
    local good = { user = 1, event = "x", time = 1 }
    fails_rows({ good, good, { user = 1, event = "x", time = "2024-13-01" } },
      "row 3: field 'time': '2024-13-01' is not a time (expected ISO 8601 or epoch)")
    fails_rows({ { event = "x", time = 1 } },
      "row 1: field 'user': is missing (expected a text)")
    fails_rows({ { user = {}, event = "x", time = 1 } },
      "row 1: field 'user': is a table (expected a text or number)")
    fails_rows({ { user = 1, event = "x" } }, "row 1: field 'time': is missing (expected a time)")
    fails_rows({ { user = 1, event = "x", time = 1, value = "much" } },
      "row 1: field 'value': 'much' is not a number")
    fails_rows({ good, 5 }, "row 2: is a number (expected a table)")
    assert.equal(1, #assert(wp.read_rows({ good, { user = 2 } }, { bad_rows = "skip" })))
  end)

  it("that an iterator raises on pass the error through and leak nothing", function()
    collectgarbage()
    collectgarbage()
    local live = core.memory()
    local count = 0
    assert.error_matches(function()
      wp.read_rows(function()
        count = count + 1
        if count > 3 then error "the source broke" end
        return { user = count, event = "x", time = count }
      end)
    end, "the source broke")
    collectgarbage()
    collectgarbage()
    assert.equal(live, (core.memory()))
  end)

  it("keep integers exact and drop the point of whole floats", function()
    local log = assert(wp.read_rows {
      { user = 9007199254740993, event = "x", time = 1 }, { user = 2.0, event = 3, time = 1.5 },
    })
    assert.is_not_nil(log:journey("9007199254740993"))
    assert.equal("3", log:journey("2")[1].event)
    assert.equal(1500000, log:journey("2")[1].time)
  end)
end)
