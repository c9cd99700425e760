--- The ledger: every try counts, and none twice.
---
--- A SQLite file with two tables. A *question* is a hypothesis by its fingerprint, in a *family*:
--- the
--- questions about one outcome. A *try* is a question asked of one data fingerprint; it is written
--- before its result is known and completed afterwards, so a crash leaves an honest unfinished try.
---
--- Main invariant: a question's family for the correction is the questions first asked before it,
--- or together with it. What is asked later never changes an earlier answer; asking the same of
--- the same data reads the corrected p back, so re-running a script never moves a verdict. New data
--- is a replication: a new try of the same question, with the same family.
---
--- Writers take the file one after the other (BEGIN IMMEDIATE, waiting up to ten seconds).
local check = require "wayproof.check"
local core = require "wayproof.core"
local fingerprint = require "wayproof.fingerprint"
local json = require "wayproof.json"
local object = require "wayproof.object"
local show = require "wayproof.show"
local stats = require "wayproof.stats"

local ledger = {}

local schema_version = 1

local schema = [[
  CREATE TABLE IF NOT EXISTS ledger (version INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS questions (
    id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, family TEXT NOT NULL,
    asked INTEGER NOT NULL, name TEXT NOT NULL, outcome TEXT NOT NULL, sentence TEXT NOT NULL,
    first_us INTEGER NOT NULL);
  CREATE INDEX IF NOT EXISTS questions_family ON questions (family, asked);
  CREATE TABLE IF NOT EXISTS tries (
    id INTEGER PRIMARY KEY, question INTEGER NOT NULL REFERENCES questions,
    name TEXT NOT NULL, data TEXT NOT NULL, windows TEXT NOT NULL,
    started_us INTEGER NOT NULL, finished_us INTEGER, verdict TEXT, grade TEXT,
    p REAL, p_adjusted REAL, family_size INTEGER, estimate REAL, low REAL, high REAL,
    users INTEGER, version TEXT, result TEXT, UNIQUE (question, data));
]]

local function now_us()
  return os.time() * 1000000
end

-- Raises what the world refused: inside a transaction that rolls it back.
local function must(value, message)
  if value == nil then error({ message = message }, 0) end
  return value
end

local function rows_of(db, sql, ...)
  local statement <close> = must(db:prepare(sql))
  local rows = {}
  must(statement:bind(...))
  while must(statement:step()) do rows[#rows + 1] = { statement:row() } end
  return rows
end

local function run(db, sql, ...)
  local statement <close> = must(db:prepare(sql))
  must(statement:run(...))
end

-- Runs f inside BEGIN IMMEDIATE … COMMIT; nil, message, code when the world refuses.
local function transaction(db, f)
  local done, message, code = db:transaction(function()
    local fine, result = pcall(f)
    if fine then return { result } end
    if type(result) == "table" and result.message then return nil, result.message, "sql" end
    error(result, 0)
  end)
  if done then return done[1] end
  return nil, message, code or "sql"
end

-- Families ---------------------------------------------------------------------------------------

--- What makes two questions compete: the same outcome events, whatever the windows and thresholds.
---@return string family
function ledger.family(h)
  local outcome = h.outcome
  return fingerprint.of { kind = outcome.metric and "metric" or "events",
    selector = outcome.selector, metric = outcome.metric }
end

-- Methods ----------------------------------------------------------------------------------------

---@class wayproof.Ledger
local Ledger = { }
Ledger.__index = Ledger
Ledger.__name = "wayproof.Ledger"

local function database(self, what)
  if getmetatable(self) ~= Ledger then
    check.fail("%s: %s (expected a ledger: call methods with a colon)", what, check.describe(self))
  end
  local db = rawget(self, "db")
  if not db then check.fail("%s: ledger is closed", what) end
  return db
end

local function question_of(db, h, fingerprint_text, asked)
  local known = rows_of(db, "SELECT id, asked FROM questions WHERE fingerprint = ?",
    fingerprint_text)[1]
  if known then return known[1] end
  run(db, "INSERT INTO questions (fingerprint, family, asked, name, outcome, sentence, first_us) "
    .. "VALUES (?, ?, ?, ?, ?, ?, ?)", fingerprint_text, ledger.family(h), asked, h.name,
    tostring(h.outcome), tostring(h.metric), now_us())
  return db:last_rowid()
end

--- Writes down that hypotheses are about to be asked of data. For `log:validate`.
---@param asked { hypothesis: wayproof.Hypothesis, fingerprint: string, windows: string }[]
---@param data string  fingerprint of the data
---@return integer[]|nil tries  ids, in the order of `asked`
---@return string? message, string? code
function Ledger:begin(asked, data)
  local db = database(self, "begin")
  return transaction(db, function()
    local order = rows_of(db, "SELECT coalesce(max(asked), 0) + 1 FROM questions")[1][1]
    local ids = {}
    for i, one in ipairs(asked) do
      local question = question_of(db, one.hypothesis, one.fingerprint, order)
      local known = rows_of(db, "SELECT id FROM tries WHERE question = ? AND data = ?", question,
        data)[1]
      if known then
        ids[i] = known[1]
      else
        run(db, "INSERT INTO tries (question, name, data, windows, started_us) "
          .. "VALUES (?, ?, ?, ?, ?)", question, one.hypothesis.name, data, one.windows, now_us())
        ids[i] = db:last_rowid()
      end
    end
    return ids
  end)
end

-- p of every other question of the family that counts for this try: on the same data where it was
-- asked there, else as it was first answered; 1 where no answer has come.
local function family_ps(db, try, data, own)
  local rows = rows_of(db, [[
    SELECT q.id,
      (SELECT t.p FROM tries t WHERE t.question = q.id AND t.finished_us IS NOT NULL
        ORDER BY CASE WHEN t.data = ?2 THEN 0 ELSE 1 END, t.id LIMIT 1)
    FROM tries me JOIN questions mine ON mine.id = me.question
    JOIN questions q ON q.family = mine.family AND q.asked <= mine.asked AND q.id <> mine.id
    WHERE me.id = ?1 ORDER BY q.id]], try, data)
  local ps = {}
  for i, row in ipairs(rows) do ps[i] = own[row[1]] or row[2] or 1 end
  return ps
end

--- The corrected p of each try of a call, and how many questions were tried on its outcome by then.
---@param tries integer[]
---@param ps (number|false)[]  own p, false where there was no test
---@param method? string  "holm" up to five questions and "bh" beyond by default
---@return { p: number|nil, tried: integer }[]|nil corrected
---@return string? message, string? code
function Ledger:correct(tries, ps, method)
  local db = database(self, "correct")
  local own = {}
  return transaction(db, function()
    for i, try in ipairs(tries) do
      own[rows_of(db, "SELECT question FROM tries WHERE id = ?", try)[1][1]] = ps[i] or 1
    end
    local corrected = {}
    for i, try in ipairs(tries) do
      local done = rows_of(db,
        "SELECT p_adjusted, family_size, finished_us, data FROM tries WHERE id = ?", try)[1]
      if done[3] then
        corrected[i] = { p = done[1], tried = done[2] }
      else
        local family = family_ps(db, try, done[4], own)
        table.insert(family, 1, ps[i] or 1)
        local adjusted = stats.adjust(family, method or (#family <= 5 and "holm" or "bh"))
        adjusted = adjusted.adjusted or adjusted
        corrected[i] = { p = ps[i] and adjusted[1] or nil, tried = #family }
      end
    end
    return corrected
  end)
end

--- Completes tries with their results; one that is complete already stays as it is.
---@param tries integer[]
---@param results wayproof.Result[]
---@return true|nil done
---@return string? message, string? code
function Ledger:complete(tries, results)
  local db = database(self, "complete")
  return transaction(db, function()
    for i, result in ipairs(results) do
      local e = result.adjusted or result.crude or {}
      run(db, [[UPDATE tries SET finished_us = ?, verdict = ?, grade = ?, p = ?, p_adjusted = ?,
          family_size = ?, estimate = ?, low = ?, high = ?, users = ?, version = ?, result = ?
        WHERE id = ? AND finished_us IS NULL]], now_us(), result.verdict, result.grade,
        result.p, result.p_adjusted, result.tried, e.estimate, e.low, e.high, result.n.used,
        result.version, json.encode { reasons = object.plain(result.reasons),
          warnings = object.plain(result.warnings), n = object.plain(result.n) }, tries[i])
    end
    return true
  end)
end

--- Records a result that was judged without a ledger. A result of a question and data that the
--- ledger knows already changes nothing.
---@param result wayproof.Result
---@return true|nil done
---@return string? message, string? code
function Ledger:record(result)
  database(self, "record")
  if check.class(result) ~= "wayproof.Result" then
    check.fail("record: %s (expected a result of log:validate)", check.describe(result))
  end
  if not result.data then
    check.fail("record: '%s' was judged on a table without a fingerprint (expected a result of "
      .. "log:validate)", result.name)
  end
  local tries, message, code = self:begin({ { hypothesis = result.hypothesis,
    fingerprint = result.fingerprint, windows = result.windows.text } }, result.data)
  if not tries then return nil, message, code end
  return self:complete(tries, { result })
end

-- Reading ----------------------------------------------------------------------------------------

local function day(time_us)
  return time_us and show.date(time_us) or show.missing
end

local History = object.class {
  name = "wayproof.History",
  render = function(self)
    if #self == 0 then return string.format("'%s' was never tried", self.name) end
    local rows = {}
    for i, try in ipairs(self) do
      rows[i] = { day(try.started), try.verdict
        and try.verdict .. (try.grade and " " .. try.grade or "") or "unfinished",
        try.estimate and string.format("×%s [%s, %s]", show.number(try.estimate),
          show.number(try.low), show.number(try.high)) or show.missing,
        try.p_adjusted and show.p(try.p_adjusted) or show.missing, try.tried,
        try.users and show.integer(try.users) or show.missing, try.data:sub(1, 8) }
    end
    return string.format("%s: %s\n%s", show.cut(self.name, 66), show.plural(#self, "try", "tries"),
      show.table({ "tried on", { title = "verdict", align = "left" }, "effect", "p", "of", "users",
        "data" }, rows, { indent = "  ", max_rows = 20 }))
  end,
  rows = function(self)
    local names = { "started", "finished", "verdict", "grade", "estimate", "low", "high", "p",
      "p_adjusted", "tried", "users", "data", "windows" }
    local rows = {}
    for i, try in ipairs(self) do
      rows[i] = {}
      for k, name in ipairs(names) do rows[i][k] = try[name] end
    end
    return names, rows
  end,
}

--- How a verdict moved: every try of the hypotheses called `name`, oldest first.
---@param name string
---@return wayproof.History  list of { started, finished, status = "finished"|"unfinished", verdict,
---   grade,
---   estimate, low, high, p, p_adjusted, tried, users, data, windows, question }; times in µs UTC
function Ledger:history(name)
  local db = database(self, "history")
  check.name(name, "history", "the name of a hypothesis")
  local list = { name = name }
  for _, row in ipairs(rows_of(db, [[
    SELECT t.started_us, t.finished_us, t.verdict, t.grade, t.estimate, t.low, t.high, t.p,
      t.p_adjusted, t.family_size, t.users, t.data, t.windows, q.fingerprint
    FROM tries t JOIN questions q ON q.id = t.question
    WHERE t.name = ?1 OR q.name = ?1 ORDER BY t.id]], name)) do
    list[#list + 1] = { started = row[1], finished = row[2],
      status = row[2] and "finished" or "unfinished", verdict = row[3], grade = row[4],
      estimate = row[5], low = row[6], high = row[7], p = row[8], p_adjusted = row[9],
      tried = row[10], users = row[11], data = row[12], windows = row[13], question = row[14] }
  end
  return History.new(list)
end

local Tries = object.class {
  name = "wayproof.Tries",
  render = function(self)
    local rows = {}
    for i, try in ipairs(self) do
      rows[i] = { day(try.first), try.name, try.metric, try.verdict or "unfinished", try.times }
    end
    return string.format("%s\n%s", show.wrap(string.format("%s tried on %s",
      show.plural(#self, "question"), self.outcome), 80, "  "),
      show.table({ "first", { title = "hypothesis", align = "left" },
        { title = "metric", align = "left" }, { title = "latest", align = "left" }, "tries" }, rows,
        { indent = "  ", max_rows = 20 }))
  end,
  rows = function(self)
    local rows = {}
    for i, try in ipairs(self) do
      rows[i] = { try.first, try.name, try.metric, try.verdict, try.times }
    end
    return { "first", "name", "metric", "verdict", "tries" }, rows
  end,
}

--- Every question tried on an outcome, in the order of first asking.
---@param outcome? wayproof.Outcome|string  an outcome, or the name of its event; nil: all
---@return wayproof.Tries  list of { name, metric, outcome, first, times, verdict, question }
function Ledger:tries(outcome)
  local db = database(self, "tries")
  local family, title = nil, "any outcome"
  if outcome ~= nil then
    if type(outcome) == "string" then outcome = require("wayproof.outcome").converts(outcome) end
    if check.class(outcome) ~= "wayproof.Outcome" then
      check.fail("tries: %s (expected an outcome, or the name of its event)",
        check.describe(outcome))
    end
    family, title = ledger.family { outcome = outcome }, tostring(outcome)
  end
  local list = { outcome = title }
  for _, row in ipairs(rows_of(db, [[
    SELECT q.name, q.sentence, q.outcome, q.first_us, q.fingerprint,
      (SELECT count(*) FROM tries t WHERE t.question = q.id),
      (SELECT t.verdict FROM tries t WHERE t.question = q.id AND t.finished_us IS NOT NULL
        ORDER BY t.id DESC LIMIT 1)
    FROM questions q WHERE ?1 IS NULL OR q.family = ?1 ORDER BY q.asked, q.id]], family)) do
    list[#list + 1] = { name = row[1], metric = row[2], outcome = row[3], first = row[4],
      question = row[5], times = row[6], verdict = row[7] }
  end
  return Tries.new(list)
end

local Due = object.class {
  name = "wayproof.Due",
  render = function(self)
    if #self == 0 then return "nothing is due: no validated verdict has expired" end
    local rows = {}
    for i, item in ipairs(self) do
      rows[i] = { item.name, item.verdict .. (item.grade and " " .. item.grade or ""),
        day(item.validated), show.seconds(item.age_seconds) }
    end
    return string.format("%s expired: ask again on new data\n%s",
      show.plural(#self, "validated verdict"), show.table({
        { title = "hypothesis", align = "left" }, { title = "verdict", align = "left" },
        "validated", "age" }, rows, { indent = "  ", max_rows = 20 }))
  end,
  rows = function(self)
    local rows = {}
    for i, item in ipairs(self) do rows[i] = { item.name, item.grade, item.validated } end
    return { "name", "grade", "validated" }, rows
  end,
}

--- Validated verdicts that have expired: the latest answer to a question is `validated` and older
--- than `after`.
---@param options? { after: string|number, now: integer|string }  default "90d" and the present
---@return wayproof.Due  list of { name, verdict, grade, validated, age_seconds, question }
function Ledger:due(options)
  local db = database(self, "due")
  options = check.options(options, { "after", "now" }, "due")
  local after_us = check.duration(options.after or "90d", "due: after")
  local now = options.now and require("wayproof.time").instant(options.now, "due: now") or now_us()
  local list = {}
  for _, row in ipairs(rows_of(db, [[
    SELECT q.name, t.verdict, t.grade, t.finished_us, q.fingerprint
    FROM questions q JOIN tries t ON t.id = (SELECT max(id) FROM tries
      WHERE question = q.id AND finished_us IS NOT NULL)
    WHERE t.verdict = 'validated' AND t.finished_us + ?1 <= ?2
    ORDER BY t.finished_us, q.id]], after_us, now)) do
    list[#list + 1] = { name = row[1], verdict = row[2], grade = row[3], validated = row[4],
      question = row[5], age_seconds = (now - row[4]) / 1e6 }
  end
  return Due.new(list)
end

--- Closes the file; closing twice is fine.
function Ledger:close()
  local db = rawget(self, "db")
  self.db = nil
  if db then db:close() end
end

Ledger.__close = Ledger.close

function Ledger:__tostring()
  local db = rawget(self, "db")
  if not db then return "Ledger (closed)" end
  local row = rows_of(db, [[SELECT (SELECT count(*) FROM questions), count(*),
    coalesce(sum(finished_us IS NULL), 0) FROM tries]])[1]
  return string.format("ledger %s: %s, %s%s\nnext: ledger:tries(), ledger:history(name), "
    .. "ledger:due()", self.path, show.plural(row[1], "question"),
    show.plural(row[2], "try", "tries"),
    row[3] > 0 and string.format(", %d unfinished", row[3]) or "")
end

--- Opens a ledger, making the file when there is none.
---@param path string
---@return wayproof.Ledger|nil ledger
---@return string? message, string? code
function ledger.ledger(path)
  check.name(path, "ledger", "a path")
  local db, message, code = core.sqlite.open(path)
  if not db then return nil, message, code end
  db:busy_timeout(10)
  local found
  found, message, code = transaction(db, function()
    must(db:exec(schema))
    local row = rows_of(db, "SELECT version FROM ledger")[1]
    if not row then run(db, "INSERT INTO ledger VALUES (?)", schema_version) end
    return row and row[1] or schema_version
  end)
  if found and found > schema_version then
    message = string.format("%s: ledger of version %d (expected at most %d: written by a newer "
      .. "wayproof)", path, found, schema_version)
    found, code = nil, "corrupt"
  end
  if not found then
    db:close()
    return nil, message, code
  end
  return setmetatable({ db = db, path = path }, Ledger)
end

return ledger
