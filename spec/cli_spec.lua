-- The `wayproof` command: exit codes, what goes to standard output, what to standard error.
local shell = require "spec.shell"

local folder

local function write(name, text)
  local path = folder .. "/" .. name
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

-- Runs the command; returns standard output, standard error and the exit code.
local function wayproof(arguments)
  local out, err = folder .. "/out", folder .. "/err"
  local build = package.cpath:match("(build/%w+)/%?%.so") or "build/release"
  local _, _, code = os.execute(string.format("WAYPROOF_BUILD=%s %s bin/wayproof %s >%s 2>%s",
    build, shell.lua, arguments, out, err))
  local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read("a")
    file:close()
    return text
  end
  return read(out), read(err), code
end

-- A little shop: everybody who compares in the first week buys in the month after it.
local function shop()
  local lines = { "who,what,at,channel" }
  for user = 1, 300 do
    local compares, start = user % 3, 1704067200 + user * 3600
    local function add(event, seconds)
      lines[#lines + 1] = string.format("u%d,%s,%d,%s", user, event, start + seconds,
        user % 2 == 0 and "ads" or "mail")
    end
    add("visit", 0)
    for i = 1, compares do add("compare", i * 86400) end
    for i = 1, user % 5 do add("visit", i * 43200 + 7) end
    if (user * 7) % 10 < compares * 4 then add("buy", 20 * 86400) end
    add("visit", 60 * 86400)
  end
  return table.concat(lines, "\n") .. "\n"
end

local columns = " --user who --event what --time at --properties channel "

local good = [[
wp.hypothesis "comparing helps" {
  metric = wp.count "compare", outcome = wp.converts "buy", observe = "7d", within = "30d",
  as_of = "2024-06-01",
}
]]

describe("the command #processes", function()
  local data, hypotheses

  setup(function()
    folder = shell.folder()
    data = write("events.csv", shop())
    hypotheses = write("good.lua", good)
  end)

  teardown(function() shell.remove(folder) end)

  it("says its version", function()
    local out, err, code = wayproof "--version"
    assert.equal("wayproof " .. require("wayproof")._VERSION .. "\n", out)
    assert.equal("", err)
    assert.equal(0, code)
  end)

  it("explains itself", function()
    local out, _, code = wayproof "--help"
    for _, word in ipairs { "demo", "summary", "validate", "repl", "Exit codes" } do
      assert.matches(word, out, 1, true)
    end
    assert.equal(0, code)
    assert.matches("--time-format", (wayproof "validate --help"), 1, true)
  end)

  it("ends with 2 on wrong usage, with the reason on standard error", function()
    for arguments, reason in pairs {
      [""] = "Usage: wayproof",
      ["summar"] = "Did you mean 'summary'?",
      ["summary"] = "--data",
      ["summary --dta x.csv"] = "Did you mean '--data'?",
      ["summary shop.way"] = "as in --data shop.way",
      ["summary --data x.parquet"] = "'x.parquet' has no known extension",
      ["summary --data x.csv --table t"] = "--table is for SQLite",
      ["summary --data x.db --delimiter ';'"] = "--delimiter is for CSV files",
      ["summary --data a.csv --data b.db"] = "files of several kinds in one call",
      ["summary --data a.csv --limit few"] = "--limit: 'few' (expected a whole number)",
      ["validate " .. hypotheses .. " --data x.csv --require good"] = "--require",
    } do
      local out, err, code = wayproof(arguments)
      assert.equal(2, code, arguments)
      assert.equal("", out)
      assert.matches(reason, err, 1, true)
    end
  end)

  it("ends with 1 when the world fails", function()
    for _, arguments in ipairs { "summary --data /no/such.csv", "summary --data /no/such.db",
      "validate /no/such.lua --data " .. data, "summary --data " .. data } do
      local out, err, code = wayproof(arguments)
      assert.equal(1, code, arguments)
      assert.equal("", out)
      assert.matches("^wayproof: ", err)
      assert.is_nil(err:find("traceback", 1, true))
    end
  end)

  it("says what is in a file", function()
    local out, err, code = wayproof("summary --data " .. data .. columns)
    assert.equal(0, code)
    assert.equal("", err)
    assert.matches("300 users", out, 1, true)
    assert.matches("compare", out, 1, true)
    local json = wayproof("summary --json --data " .. data .. columns)
    assert.equal(300, require("dkjson").decode(json).users)
  end)

  it("reads databases and several CSV files too", function()
    local sqlite = require("wayproof.core").sqlite
    local path = folder .. "/shop.db"
    local db = assert(sqlite.open(path))
    db:exec "create table events (user text, event text, time integer)"
    db:exec "insert into events values ('a', 'x', 1704067200), ('b', 'y', 1704067300)"
    db:close()
    assert.matches("2 users", (wayproof("summary --data " .. path)), 1, true)
    assert.matches("1 user ", (wayproof("summary --data " .. path
      .. " --query \"select * from events where user = 'a'\"")), 1, true)
    local more = write("more.csv", "who,what,at,channel\nnew,visit,1704067200,ads\n")
    assert.matches("301 users", (wayproof("summary --data " .. data .. " --data " .. more
      .. columns)), 1, true)
  end)

  it("judges a hypothesis file", function()
    local out, err, code = wayproof("validate " .. hypotheses .. " --data " .. data .. columns)
    assert.equal(0, code, err)
    assert.matches("comparing helps", out:match("^[^\n]*"), 1, true)
    local json = wayproof("validate --json " .. hypotheses .. " --data " .. data .. columns)
    local board = require("dkjson").decode(json)
    assert.equal(1, board.tried)
    assert.equal("comparing helps", board.results[1].name)
    assert.matches("^" .. board.results[1].verdict, out)
  end)

  it("ends with 3 when a verdict is not the one required", function()
    local json = wayproof("validate --json " .. hypotheses .. " --data " .. data .. columns)
    local verdict = require("dkjson").decode(json).results[1].verdict
    local other = verdict == "leaking" and "vanity" or "leaking"
    local base = "validate " .. hypotheses .. " --data " .. data .. columns .. "--require "
    local _, _, code = wayproof(base .. verdict)
    assert.equal(0, code)
    local out, err
    out, err, code = wayproof(base .. other)
    assert.equal(3, code)
    assert.matches("comparing helps", out, 1, true)
    assert.matches("comparing helps: " .. verdict .. " (required: " .. other .. ")", err, 1, true)
  end)

  it("names file and line of a wrong hypothesis file, and ends with 2", function()
    local wrong = write("wrong.lua", "\nwp.hypothesis 'x' { metrc = 1 }\n")
    local out, err, code = wayproof("validate " .. wrong .. " --data " .. data .. columns)
    assert.equal(2, code)
    assert.equal("", out)
    assert.matches("wrong.lua:2: hypothesis: unknown option 'metrc' (did you mean 'metric'?)", err,
      1, true)
  end)

  it("says in one line what a hypothesis asks that the log does not have", function()
    local wrong = write("event.lua", (good:gsub("\"compare\"", "\"compere\"")))
    local out, err, code = wayproof("validate " .. wrong .. " --data " .. data .. columns)
    assert.equal("", out)
    assert.equal(2, code)
    assert.matches("^wayproof: unknown event 'compere' %(did you mean 'compare'%?%)\n$", err)
  end)

  it("judges the other hypotheses when one names what the log does not have", function()
    local mixed = write("mixed.lua", good .. "\n" .. (good:gsub("\"compare\"", "\"compere\"")
      :gsub("comparing helps", "misspelt")))
    local out, err, code = wayproof("validate " .. mixed .. " --data " .. data .. columns)
    assert.equal(2, code)
    assert.matches("comparing helps", out, 1, true)
    assert.matches("invalid%s+misspelt%s+–%s+unknown event 'compere'", out)
    assert.equal("wayproof: misspelt: unknown event 'compere' (did you mean 'compare'?)\n", err)
  end)

  it("explains itself in 80 columns, with --help and as `help`", function()
    local show = require "wayproof.show"
    local all = wayproof "--help"
    local commands = 0
    for command in (all:match "Commands:(.*)"):gmatch "\n   (%l+) " do
      local out, _, code = wayproof(command .. " --help")
      assert.equal(0, code)
      for line in (all .. out):gmatch "[^\n]+" do assert.is_true(show.width(line) <= 80, line) end
      assert.equal(out, (wayproof("help " .. command)))
      commands = commands + 1
    end
    assert.is_true(commands >= 12)
    assert.equal(all, (wayproof "help"))
  end)

  it("opens a prompt with wp, help and log", function()
    local script = write("script.txt",
      "print(#log, wp.count(), help ~= nil)\nlog:summary().users\n")
    local out, err = wayproof("repl --data " .. data .. columns .. "< " .. script)
    assert.matches("number of events\ttrue", out, 1, true)
    assert.matches("300", out, 1, true)
    assert.matches("log is ", err, 1, true)
    local _, why, code = wayproof "repl --data /no/such.csv < /dev/null"
    assert.equal(1, code)
    assert.matches("/no/such.csv", why, 1, true)
  end)
end)
