-- The ledger: families, replications, crashes, two writers. The corrections are checked against
-- p.adjust of R 4.2.2, for example
--     Rscript -e 'p.adjust(c(.01, .02, .03), "holm"); p.adjust(c(.04, .01, .03), "holm")'
local shell = require "spec.shell"
local wp = require "wayproof"
local object = require "wayproof.object"

local function hypothesis(name, events, options)
  local fields = { metric = wp.count(events), outcome = wp.converts "buy", observe = "7d",
    within = "30d" }
  for key, value in pairs(options or {}) do fields[key] = value end
  return wp.hypothesis(name)(fields)
end

-- Asks without judging: p-values as given. Returns the corrected p and the family's size of each.
local function ask(ledger, data, asked)
  local questions, ps, results = {}, {}, {}
  for i, one in ipairs(asked) do
    questions[i] = { hypothesis = one[1], fingerprint = one[1]:fingerprint(), windows = "w" }
    ps[i] = one[2]
  end
  local tries = assert(ledger:begin(questions, data))
  local corrected = assert(ledger:correct(tries, ps))
  for i, c in ipairs(corrected) do
    results[i] = { verdict = asked[i][3] or "inconclusive", p = ps[i], p_adjusted = c.p,
      tried = c.tried, n = { used = 10 }, reasons = {}, warnings = {} }
  end
  assert(ledger:complete(tries, results))
  return corrected
end

local function near(expected, actual)
  assert.is_true(math.abs(expected - actual) < 1e-12, expected .. " ~= " .. tostring(actual))
end

-- A shop of 400 people; those who compare buy more often.
local function events(seed)
  local state = seed
  local function draw()
    state = (state * 6364136223846793005 + 1442695040888963407)
    return (state >> 11) / (1 << 53)
  end
  local rows, day = {}, 86400000000
  for user = 1, 400 do
    local start = math.floor(draw() * 100) * day
    local busy = math.floor(draw() * 6)
    for _ = 0, busy do
      rows[#rows + 1] = { user = user, event = "view", time = start + math.floor(draw() * 6 * day) }
    end
    local compares = draw() < 0.5
    if compares then rows[#rows + 1] = { user = user, event = "compare", time = start + day } end
    if draw() < (compares and 0.6 or 0.2) then
      rows[#rows + 1] = { user = user, event = "buy", time = start + 10 * day }
    end
    rows[#rows + 1] = { user = user, event = "visit", time = start }
  end
  rows[#rows + 1] = { user = 1, event = "view", time = 200 * day }
  return rows
end

describe("the ledger", function()
  local path, ledger

  before_each(function()
    path = os.tmpname()
    os.remove(path)
    ledger = assert(wp.ledger(path))
  end)

  after_each(function()
    ledger:close()
    os.remove(path)
  end)

  it("corrects a question for those asked before it, not for those asked later", function()
    local a, b, c = hypothesis("a", "x"), hypothesis("b", "y"), hypothesis("c", "z")
    near(0.01, ask(ledger, "d1", { { a, 0.01 } })[1].p)
    near(0.02, ask(ledger, "d1", { { b, 0.02 } })[1].p) -- holm of .01 and .02
    near(0.04, ask(ledger, "d1", { { c, 0.03 } })[1].p) -- of .01, .02 and .03
    local again = ask(ledger, "d1", { { a, 0.01 } })[1]
    near(0.01, again.p)
    assert.equal(1, again.tried)
    assert.equal(3, ask(ledger, "d1", { { c, 0.03 } })[1].tried)
  end)

  it("corrects the questions of one call together", function()
    local list = { { hypothesis("a", "x"), 0.04 }, { hypothesis("b", "y"), 0.01 },
      { hypothesis("c", "z"), 0.03 } }
    local corrected = ask(ledger, "d1", list)
    near(0.06, corrected[1].p)
    near(0.03, corrected[2].p)
    near(0.06, corrected[3].p)
  end)

  it("keeps the families of different outcomes apart, but not those of windows", function()
    ask(ledger, "d1", { { hypothesis("a", "x"), 0.01 } })
    local other = ask(ledger, "d1",
      { { hypothesis("b", "x", { outcome = wp.converts "refer" }), 0.02 } })[1]
    assert.equal(1, other.tried)
    near(0.02, other.p)
    local wider = ask(ledger, "d1", { { hypothesis("a", "x", { within = "60d" }), 0.04 } })[1]
    assert.equal(2, wider.tried)
    near(0.04, wider.p)
    local twice = ask(ledger, "d1",
      { { hypothesis("a", "x", { outcome = wp.converts("buy", { at_least = 2 }) }), 0.5 } })[1]
    assert.equal(3, twice.tried)
  end)

  it("takes new data for a replication and a new name for no new question", function()
    ask(ledger, "d1", { { hypothesis("a", "x"), 0.01 } })
    ask(ledger, "d2", { { hypothesis("renamed", "x"), 0.2 } })
    local tries = ledger:tries()
    assert.equal(1, #tries)
    assert.equal(2, tries[1].times)
    local history = ledger:history "a"
    assert.equal(2, #history)
    assert.same({ "d1", "d2" }, { history[1].data, history[2].data })
  end)

  it("counts a try that never finished, and says so", function()
    local a, b = hypothesis("a", "x"), hypothesis("b", "y")
    assert(ledger:begin({ { hypothesis = a, fingerprint = a:fingerprint(), windows = "w" } }, "d1"))
    local later = ask(ledger, "d1", { { b, 0.03 } })[1]
    assert.equal(2, later.tried)
    near(0.06, later.p)
    local try = ledger:history "a"[1]
    assert.equal("unfinished", try.status)
    assert.is_nil(try.verdict)
    assert.matches("unfinished", tostring(ledger:history "a"))
    assert.matches("1 unfinished", tostring(ledger))
  end)

  it("lists validated verdicts that have expired, and those only", function()
    ask(ledger, "d1", { { hypothesis("good", "x"), 0.001, "validated" },
      { hypothesis("bad", "y"), 0.5, "unrelated" } })
    assert.equal(0, #ledger:due())
    local soon = os.time() * 1000000 + 91 * 86400000000
    local due = ledger:due { now = soon }
    assert.equal(1, #due)
    assert.equal("good", due[1].name)
    assert.equal(0, #ledger:due { now = soon, after = "100d" })
    ask(ledger, "d2", { { hypothesis("good", "x"), 0.4, "inconclusive" } })
    assert.equal(0, #ledger:due { now = soon })
  end)

  it("never moves a verdict when a script runs twice, whatever came between", function()
    local log = assert(wp.read_rows(events(7)))
    local good = hypothesis("compare", "compare")
    local first = assert(log:validate(good, { ledger = path }))
    for i = 2, 6 do
      assert(log:validate(hypothesis("views " .. i, "view",
        { metric = wp.count("view"):at_least(i) }), { ledger = ledger }))
    end
    local second = assert(log:validate(good, { ledger = path }))
    assert.equal(first:json(), second:json())
    assert.equal(1, second.tried)
    local last = assert(log:validate(hypothesis("views 6", "view",
      { metric = wp.count("view"):at_least(6) }), { ledger = path }))
    assert.equal(6, last.tried)
    assert.equal(6, #ledger:tries "buy")
    local history = ledger:history "compare"
    assert.equal(first.verdict, history[1].verdict)
    assert.equal(first.p_adjusted, history[1].p_adjusted)
    assert.equal(first.n.used, history[1].users)
    log:close()
  end)

  it("knows a view of a log for other data", function()
    local log = assert(wp.read_rows(events(7)))
    local asked = hypothesis("compare", "compare")
    assert(log:validate(asked, { ledger = ledger }))
    assert(log:where { before = 150 * 86400000000 }:validate(asked, { ledger = ledger }))
    assert.equal(2, #ledger:history "compare")
    log:close()
  end)

  it("records a result that was judged without it", function()
    local log = assert(wp.read_rows(events(9)))
    local result = assert(log:validate(hypothesis("compare", "compare")))
    assert.is_true(ledger:record(result))
    assert.is_true(ledger:record(result))
    assert.equal(1, #ledger:history "compare")
    assert.equal(result.verdict, ledger:history "compare"[1].verdict)
    log:close()
  end)

  it("lets two processes write at once #process", function()
    local script = os.tmpname()
    local file = assert(io.open(script, "w"))
    file:write([[
      local wp = require "wayproof"
      local ledger = assert(wp.ledger(arg[1]))
      for i = 1, 40 do
        local h = wp.hypothesis("h" .. arg[2] .. i) { metric = wp.count(arg[2] .. i),
          outcome = wp.converts "buy", observe = "7d", within = "30d" }
        local tries = assert(ledger:begin({ { hypothesis = h, fingerprint = h:fingerprint(),
          windows = "w" } }, "d"))
        assert(ledger:correct(tries, { 0.5 }))
        assert(ledger:complete(tries, { { verdict = "unrelated", p = 0.5, p_adjusted = 1, tried = 1,
          n = { used = 1 }, reasons = {}, warnings = {} } }))
      end
      ledger:close()]])
    file:close()
    local one = string.format("LUA_PATH=%s LUA_CPATH=%s lua5.4 %s %s", shell.quote(package.path),
      shell.quote(package.cpath), script, path)
    local output, code = shell.run(string.format("%s a & first=$!; %s b && wait $first", one, one))
    os.remove(script)
    assert.equal(0, code, output)
    local tries = ledger:tries()
    assert.equal(80, #tries)
    for _, try in ipairs(tries) do assert.equal("unrelated", try.verdict) end
  end)

  it("leaves an unfinished try when the process dies between asking and answering", function()
    local log = assert(wp.read_rows(events(3)))
    local asked = hypothesis("broken", "compare",
      { metric = wp.custom("broken", function() error "gone" end, { events = { "compare" } }) })
    assert.has_error(function() log:validate(asked, { ledger = ledger }) end)
    assert.equal("unfinished", ledger:history "broken"[1].status)
    log:close()
  end)

  it("says what is wrong with a wrong call or a wrong file", function()
    assert.has_error(function() ledger:tries(42) end)
    assert.error_matches(function() ledger:due { befor = 1 } end, "unknown option 'befor'")
    assert.error_matches(function() ledger:record { verdict = "validated" } end, "record: a table")
    local none, message, code = wp.ledger "/nonexistent/folder/kpi.db"
    assert.is_nil(none)
    assert.matches("/nonexistent/folder/kpi.db", message, 1, true)
    assert.equal("io", code)
    local file = assert(io.open(path .. "x", "w"))
    file:write(("not a database, "):rep(100))
    file:close()
    none, message = wp.ledger(path .. "x")
    os.remove(path .. "x")
    assert.is_nil(none)
    assert.matches("not a database", message)
    ledger:close()
    ledger:close()
    assert.equal("Ledger (closed)", tostring(ledger))
    assert.error_matches(function() ledger:due() end, "ledger is closed")
  end)

  it("gives its lists as data", function()
    ask(ledger, "d1", { { hypothesis("a", "x"), 0.01, "validated" } })
    local plain = object.plain(ledger:history "a")
    assert.equal("validated", plain[1].verdict)
    assert.matches('"validated"', ledger:tries():json(), 1, true)
    assert.matches("1 question tried on", tostring(ledger:tries()))
    assert.matches("1 validated verdict expired",
      tostring(ledger:due { now = os.time() * 1000000, after = "0s" }))
  end)
end)
