-- The demo: a shop whose truth is known, found again through the public interface.
local shell = require "spec.shell"

describe("the made-up shop", function()
  local shop = require "wayproof.shop"
  local core = require "wayproof.core"

  local function make(options)
    local path = os.tmpname()
    os.remove(path)
    local counts = assert(shop.write(path, options))
    return path, counts
  end

  local function digest(path)
    local database = assert(core.sqlite.open(path, "r"))
    local hash, rows = 0, 0
    local statement = assert(database:prepare
      "SELECT user_id || event || ts || ifnull(value, '') || channel || device FROM events")
    for _, text in statement:rows() do
      rows = rows + 1
      for i = 1, #text do
        hash = hash * 31 + text:byte(i)
      end
    end
    statement:close()
    database:close()
    os.remove(path)
    return hash, rows
  end

  it("is the same for the same seed and another for another", function()
    local first, rows = digest((make { users = 200, seed = 5 }))
    local again = digest((make { users = 200, seed = 5 }))
    local other = digest((make { users = 200, seed = 6 }))
    assert.is_true(rows > 1000)
    assert.equal(first, again)
    assert.not_equal(first, other)
  end)

  it("counts what it wrote, in the order of time", function()
    local path, counts = make { users = 300 }
    local database = assert(core.sqlite.open(path, "r"))
    local statement = assert(database:prepare [[SELECT count(*), count(DISTINCT user_id),
      sum(ts < previous) FROM (SELECT *, lag(ts) OVER (ORDER BY rowid) AS previous FROM events)]])
    for _, events, users, backwards in statement:rows() do
      assert.equal(counts.events, events)
      assert.equal(300, users)
      assert.equal(0, backwards)
    end
    statement:close()
    database:close()
    os.remove(path)
  end)

  it("says what is wrong with a path that cannot be written", function()
    local counts, message, code = shop.write("/nowhere/at/all/shop.db")
    assert.is_nil(counts)
    assert.is_truthy(message:find("/nowhere/at/all/shop.db", 1, true))
    assert.is_string(code)
  end)
end)

describe("the demo #slow", function()
  local demo = require "wayproof.demo"

  local function run(options)
    local text = {}
    options.write = function(...)
      text[#text + 1] = table.concat { ... }
    end
    local code = demo.run(options)
    return code, table.concat(text)
  end

  -- The plant must be found whatever the dice say: other seeds are other visitors.
  for seed = 1, 3 do
    it("finds all five planted truths with seed " .. seed, function()
      local code, text = run { seed = seed }
      assert.equal(0, code, text)
      assert.is_truthy(text:find("All five verdicts match the plant", 1, true), text)
    end)
  end

  it("does not claim proofs from a shop that is too small", function()
    local code, text = run { users = 300 }
    assert.equal(1, code)
    assert.is_nil(text:find("All five", 1, true))
    assert.is_truthy(text:find("differ from the plant", 1, true))
  end)

  it("leaves the shop behind when asked, and nothing otherwise", function()
    local path = os.tmpname()
    os.remove(path)
    run { users = 50, keep = path }
    local file = io.open(path, "rb")
    assert.is_truthy(file)
    file:close()
    os.remove(path)
  end)

  it("is what `wayproof demo` runs", function()
    local build = os.getenv("WAYPROOF_BUILD") or "build/release"
    local output, code = shell.run(("LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='%s/?.so;;' "
      .. "%s bin/wayproof demo"):format(build, shell.lua))
    assert.equal(0, code, output)
    assert.is_truthy(output:find("match the plant", 1, true), output)
  end)
end)
