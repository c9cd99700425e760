-- The fingerprint of a large store that grew: made once, written down, and gone when it is wrong.
local core = require "wayproof.core"
local wp = require "wayproof"
local made = require "spec.store_made"
local shell = require "spec.shell"

local each = 130000 -- events of an import; below 250,000 nothing is written down

-- Events number `first` .. `last`, the same wherever they are cut.
local function events(first, last)
  local lines = { "user,event,time,plan" }
  for i = first, last do
    lines[#lines + 1] = string.format("u%d,%s,%d,%s", i * 7919 % 9000,
      i % 5 == 0 and "buy" or "look", 1700000000 + i // 3, i % 4 == 0 and "p" .. i % 3 or "")
  end
  return table.concat(lines, "\n") .. "\n"
end

describe("the fingerprint of a store that grew", function()
  local folder, path, first, both
  local options = { user = "user", properties = { "plan" } }
  local function read(name, from, to)
    made.write_bytes(folder .. name, events(from, to))
    return assert(wp.read_csv(folder .. name, options))
  end
  local function stored()
    local database <close> = assert(core.sqlite.open(path, "r"))
    local query <close> = assert(database:prepare
      "SELECT value FROM store WHERE name = 'fingerprint'")
    return query:step() and query:column(1) or nil
  end
  local function opened() return made.fingerprint(assert(wp.open(path))) end

  before_each(function()
    folder = shell.folder()
    path = folder .. "/shop.way"
    first, both = read("/1.csv", 1, each), read("/both.csv", 1, 2 * each)
    local store <close> = assert(wp.store(path))
    assert(store:append(first))
    assert(store:append(read("/2.csv", each + 1, 2 * each)))
  end)
  after_each(function() shell.remove(folder) end)

  it("is that of the same log in memory, and read without the events from then on", function()
    assert.is_nil(stored())
    assert.equal(made.fingerprint(both), opened())
    assert.equal(made.fingerprint(both), stored())
    local again = assert(wp.open(path))
    local bytes = core.log.facts(again, false).bytes
    assert.equal(made.fingerprint(both), made.fingerprint(again))
    assert.equal(bytes, core.log.facts(again, false).bytes)
  end)

  it("goes with an import, and with somebody forgotten; compacting keeps it", function()
    local known = opened()
    do
      local store <close> = assert(wp.store(path))
      assert(store:compact())
      assert.equal(known, stored())
      assert.equal(known, opened())
      assert(store:append(read("/late.csv", 5, 8), { force = true }))
    end
    assert.is_nil(stored())
    local grown = opened()
    assert.equal(grown, stored())
    assert.are_not.equal(known, grown)
    do
      local store <close> = assert(wp.store(path))
      assert(store:forget "u5")
    end
    assert.is_nil(stored())
    local forgot = opened()
    assert.are_not.equal(grown, forgot)
    assert.equal(forgot, stored())
  end)

  it("goes when users get attributes", function()
    local known = opened()
    made.write_bytes(folder .. "/users.csv", "user,country\nu5,DE\nu17,FR\n")
    made.write_bytes(folder .. "/3.csv", events(2 * each + 1, 2 * each + 2))
    local store <close> = assert(wp.store(path))
    assert(store:append(assert(wp.read_csv(folder .. "/3.csv", { user = "user",
      properties = { "plan" }, users = { path = folder .. "/users.csv", id = "user",
        properties = { "country" } } }))))
    assert.is_nil(stored())
    assert.are_not.equal(known, opened())
  end)

  it("is never written for a log that is not the store as it stands", function()
    local before = assert(wp.open(path))
    local store <close> = assert(wp.store(path))
    assert(store:append(read("/3.csv", 2 * each + 1, 2 * each + 9)))
    assert.equal(made.fingerprint(both), made.fingerprint(before))
    assert.is_nil(stored())
  end)

  it("does without where the file cannot be written", function()
    assert(os.execute("chmod a-w " .. shell.quote(path)))
    assert.equal(made.fingerprint(both), opened())
  end)

  it("does without while somebody writes", function()
    local writer <close> = assert(core.sqlite.open(path, "rw"))
    assert(writer:exec "BEGIN IMMEDIATE")
    assert.equal(made.fingerprint(both), opened())
    assert(writer:exec "ROLLBACK")
    assert.is_nil(stored())
  end)
end)
