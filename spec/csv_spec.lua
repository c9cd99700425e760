-- CSV text to a log: quoting, delimiters, line ends, chunks and threads, against a naive reader.
local core = require "wayproof.core"
local wp = require "wayproof"
local twin = require "spec.csv_twin"

local path = os.tmpname()

local function write(text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function lines_of(log)
  local lines = {}
  for id, journey in log:journeys() do
    for i = 1, #journey do
      local e = journey[i]
      lines[#lines + 1] = ("%q %d %q %s %q"):format(id, e.time, e.event, tostring(e.value),
        e.note or "(none)")
    end
  end
  return lines
end

local options = { value = "value", properties = { "note" } }

local function read(text, more)
  write(text)
  local given = {}
  for key, value in pairs(more or {}) do given[key] = value end
  return wp.read_csv(path, given)
end

describe("reading CSV", function()
  local threads

  before_each(function() threads = wp.threads() end)
  after_each(function()
    wp.threads(threads)
    core.read.chunk_bytes(0)
    os.remove(path)
  end)

  it("gives what a naive reader gives, for any chunk size and number of threads", function()
    local seed = tonumber(os.getenv("WAYPROOF_SEED")) or os.time()
    math.randomseed(seed)
    for round = 1, 60 do
      local delimiter = ({ ",", ";", "\t", "|" })[math.random(4)]
      local text, events = twin.events(math.random, math.random(1, 120), delimiter)
      write(text)
      assert.equal(#events + 1, #twin.parse(text:gsub("^\239\187\191", ""), delimiter))
      local wanted, fingerprint = twin.journeys(events), nil
      for _, setting in ipairs { { 0, 1 }, { 1, 2 }, { 64, 8 }, { 100, 3 }, { 997, 2 } } do
        core.read.chunk_bytes(setting[1])
        wp.threads(setting[2])
        local where = ("seed %d, round %d, chunks of %d"):format(seed, round, setting[1])
        local log, message = wp.read_csv(path, options)
        assert(log, where .. ": " .. tostring(message))
        assert.same(wanted, lines_of(log), where)
        local facts = core.log.facts(log)
        fingerprint = fingerprint or facts.fingerprint
        assert.equal(fingerprint, facts.fingerprint, where)
      end
    end
  end)

  it("gives the same log or the same error for garbage, wherever chunks begin", function()
    local seed = tonumber(os.getenv("WAYPROOF_SEED")) or os.time()
    math.randomseed(seed)
    local bits = { "a", "b", ",", ",", ",", "\n", "\n", "\r\n", '"', '"', '""', "1", "7", "x,1\n",
      "a,x,5\n", '"a\n",x,9\n', "b,y,3\r\n", "\0", " ", "2024-01-01", 'c"d' }
    for round = 1, 400 do
      local parts = { "user,event,time\n" }
      for i = 2, math.random(2, 120) do parts[i] = bits[math.random(#bits)] end
      write(table.concat(parts))
      local bad_rows = math.random(2) == 1 and "fail" or "skip"
      local limit = math.random(3) == 1 and math.random(1, 12) or nil
      local wanted
      for _, setting in ipairs { { 0, 1 }, { 1, 2 }, { 2, 1 }, { 13, 4 }, { 64, 2 }, { 128, 3 } } do
        core.read.chunk_bytes(setting[1])
        wp.threads(setting[2])
        local log, message = wp.read_csv(path, { bad_rows = bad_rows, limit = limit })
        local found = message
        if log then
          local facts = core.log.facts(log)
          -- what lies behind the limit may be looked at or not
          local skipped = limit and 0 or facts.skipped
          found = table.concat({ facts.fingerprint, facts.events, skipped }, " ")
        end
        wanted = wanted or found
        assert.equal(wanted, found, ("seed %d, round %d, chunks of %d"):format(seed, round,
          setting[1]))
      end
    end
  end)

  it("gives the same bits for 1, 2 and 8 threads on a log of many chunks", function()
    local rows = { "user,event,time,value,note" }
    for i = 1, 40000 do
      rows[#rows + 1] = ("u%d,e%d,%d,%s,%s"):format(i * 7919 % 1013, i % 13,
        1700000000 + i * 104729 % 100003, i % 7 == 0 and i / 4 or "", i % 3 == 0 and "x" or "")
    end
    write(table.concat(rows, "\n"))
    core.read.chunk_bytes(4096)
    local seen = {}
    for _, n in ipairs { 1, 2, 8 } do
      wp.threads(n)
      local facts = core.log.facts(assert(wp.read_csv(path, options)))
      assert.equal(40000, facts.events)
      assert.equal(1013, facts.users)
      seen[facts.fingerprint] = true
    end
    assert.is_not_nil(next(seen))
    assert.is_nil(next(seen, (next(seen))))
  end)

  it("finds the bad rows among thousands of good ones", function()
    local rows = { "user,event,time,value" }
    for i = 2, 3000 do
      rows[i] = ("u%d,e%d,%d,%s"):format(i % 7, i % 3, i, i % 9 == 0 and i or "")
    end
    rows[1501], rows[1502], rows[2800] = "u1,e1,soon,", "u1,e1", ",e1,7,"
    local text = table.concat(rows, "\r\n")
    local log, message = read(text, { value = "value" })
    assert.is_nil(log)
    assert.equal(path .. ":1501: column 'time': 'soon' is not a time (expected ISO 8601 or epoch)",
      message)
    log = assert(read(text, { value = "value", bad_rows = "skip" }))
    assert.equal(2996, #log)
    assert.equal(3, log:summary().skipped)
    local users = log:summary().users
    assert.equal(7, users)
    log = assert(read(text, { value = "value", limit = 1300 }))
    assert.equal(1300, #log)
  end)

  it("reads a byte order mark, CRLF, blank lines and a last row without its newline", function()
    local log = assert(read("\239\187\191user,event,time\r\n\r\na,x,1\r\nb,\"y\",2"))
    assert.equal(2, #log)
    assert.equal("y", log:journey("b")[1].event)
  end)

  it("keeps newlines, delimiters and doubled quotes inside of quotes", function()
    local log = assert(read('user,event,time\n"a, b\n""c""",x,1\n'))
    assert.is_not_nil(log:journey('a, b\n"c"'))
  end)

  it("takes quotes in the middle of a field as text", function()
    local log = assert(read('user,event,time\n5" disk,x,1\nb,x,2\n'))
    assert.is_not_nil(log:journey('5" disk'))
    assert.equal(2, #log)
  end)

  it("detects tabs, semicolons and bars, and takes the delimiter it is told", function()
    for _, delimiter in ipairs { "\t", ";", "|" } do
      local text = ("user,a%sevent%stime\n1,5%sx%s7\n"):gsub("%%s", delimiter)
      local log = assert(read(text, { user = "user,a" }))
      assert.is_not_nil(log:journey("1,5"), delimiter)
    end
    assert.equal(1, #assert(read("user:event:time\na:b:3\n", { delimiter = ":" })))
  end)

  it("reads several files as one log, columns in any order", function()
    local other = os.tmpname()
    write("user,event,time\na,x,5\nb,x,1\n")
    local file = assert(io.open(other, "wb"))
    file:write("time,user,event\n5,a,y\n2,c,z\n")
    file:close()
    local log = assert(wp.read_csv({ path, other }))
    os.remove(other)
    assert.equal(4, #log)
    local journey = log:journey("a")
    assert.equal("x", journey[1].event)
    assert.equal("y", journey[2].event)
  end)

  it("stops at the limit, before a bad row that lies behind it", function()
    local rows = { "user,event,time" }
    for i = 1, 500 do rows[#rows + 1] = "u" .. i .. ",x," .. i end
    rows[302] = "u,x,nonsense"
    core.read.chunk_bytes(50)
    local text = table.concat(rows, "\n")
    for _, limit in ipairs { 1, 7, 100, 300 } do
      assert.equal(limit, #assert(read(text, { limit = limit })))
    end
    local log, message = read(text, { limit = 301 })
    assert.is_nil(log)
    assert.is_truthy(message:find(":302: column 'time': 'nonsense' is not a time", 1, true))
  end)

  it("orders ties by the order column: numbers of any size, then times", function()
    local log = assert(read("user,event,time,n\na,third,1,9007199254740995\n"
      .. "a,second,1,9007199254740994\na,first,1,-0.5\n", { order = "n" }))
    local journey = log:journey("a")
    assert.same({ "first", "second", "third" },
      { journey[1].event, journey[2].event, journey[3].event })
  end)

  it("keeps ties in row order, also when the file is not in time order", function()
    local rows = { "user,event,time" }
    for i = 1, 200 do rows[#rows + 1] = ("a,e%d,%d"):format(i, (200 - i) // 10) end
    local journey = assert(read(table.concat(rows, "\n"))):journey("a")
    local last_time, last_row = -1, 0
    for i = 1, #journey do
      local row = tonumber(journey[i].event:sub(2))
      assert.is_true(journey[i].time > last_time or row > last_row)
      last_time, last_row = journey[i].time, row
    end
    assert.equal(200, #journey)
  end)

  it("reads a file that is compressed, in one member or several", function()
    write("user,event,time\na,x,1\nb,y,2\n")
    local quoted = "'" .. path .. "'"
    if not os.execute("gzip -k " .. quoted .. " 2>/dev/null") then
      return pending("gzip is not installed")
    end
    os.execute("printf 'c,z,3\\n' | gzip >> " .. quoted .. ".gz")
    local log = assert(wp.read_csv(path .. ".gz"))
    assert.equal(3, #log)
    local file = assert(io.open(path .. ".gz", "rb"))
    local bytes = file:read("a")
    file:close()
    write(bytes:sub(1, 30))
    local cut, message, code = wp.read_csv(path)
    os.remove(path .. ".gz")
    assert.is_nil(cut)
    assert.is_truthy(message:find("compressed data ends too early", 1, true))
    assert.equal("corrupt", code)
  end)

  it("reads extreme shapes: one user, all users, many names, many columns", function()
    local rows = { "user,event,time" }
    for i = 1, 70000 do rows[#rows + 1] = ("u%d,name%d,%d"):format(i, i, i) end
    local log = assert(read(table.concat(rows, "\n")))
    local facts = core.log.facts(log)
    assert.equal(70000, facts.users)
    assert.equal("name65537", log:journey("u65537")[1].event)

    local names, cells = {}, {}
    for i = 1, 200 do names[i], cells[i] = "p" .. i, "v" .. i end
    log = assert(read("user,event,time," .. table.concat(names, ",") .. "\na,x,1,"
      .. table.concat(cells, ",") .. "\n", { properties = names }))
    assert.equal("v200", log:journey("a")[1].p200)
    local long = ("y"):rep(3000000)
    log = assert(read("user,event,time\na,x,1\n" .. long .. ",x,2\nb,x,3\n"))
    assert.equal(1, #log:journey(long))
    assert.equal(3, #log)
  end)
end)
