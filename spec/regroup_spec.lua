-- log:regroup: another property becomes the unit.
local wp = require "wayproof"
local core = require "wayproof.core"

local function contents(log)
  local result = {}
  for id, journey in log:journeys() do
    local events = {}
    for i, e in ipairs(journey) do
      events[i] = table.concat({ e.event, e.time // 1000000, e.user or "-", e.value or "-" }, " ")
    end
    result[id] = events
  end
  return result
end

local rows = {
  { user = "ann", event = "invite", time = 10, account = "acme", seats = 2 },
  { user = "bob", event = "login", time = 5, account = "acme" },
  { user = "cid", event = "login", time = 7, account = "bee", seats = 1 },
  { user = "ann", event = "pay", time = 20, account = "acme", seats = 5 },
  { user = "dan", event = "login", time = 1 },
  { user = "ann", event = "login", time = 3, account = "bee" },
}

describe("regroup", function()
  it("makes journeys of accounts, with the former user as a property", function()
    local log <close> = assert(wp.read_rows(rows, { value = "seats", properties = { "account" } }))
    local accounts <close> = log:regroup "account"
    assert.same({
      acme = { "login 5 bob -", "invite 10 ann 2.0", "pay 20 ann 5.0" },
      bee = { "login 3 ann -", "login 7 cid 1.0" },
    }, contents(accounts))
    assert.equal(5, #accounts)
    assert.equal(2, accounts:users())
    assert.equal(1, accounts:summary().ungrouped)
    assert.truthy(tostring(accounts):find("1 event left out by regroup", 1, true))
    assert.equal(6, #log) -- the log itself is as it was
  end)

  it("takes an attribute of the users table as the unit", function()
    local log <close> = assert(wp.read_rows({
      { user = "ann", event = "login", time = 2 }, { user = "bob", event = "login", time = 1 },
      { user = "cid", event = "login", time = 3 } },
      { users = { id = "id", properties = { "company" },
        rows = { { id = "ann", company = "acme" }, { id = "bob", company = "acme" } } } }))
    local companies <close> = log:regroup "company"
    assert.same({ acme = { "login 1 bob -", "login 2 ann -" } }, contents(companies))
    assert.equal(1, companies:summary().ungrouped)
  end)

  it("keeps only the rows of a view, and can be undone", function()
    local log <close> = assert(wp.read_rows(rows, { value = "seats", properties = { "account" } }))
    local logins <close> = log:where { events = "login" }
    local accounts <close> = logins:regroup "account"
    assert.same({ acme = { "login 5 bob -" }, bee = { "login 3 ann -", "login 7 cid 1.0" } },
      contents(accounts))
    local users <close> = accounts:regroup "user"
    assert.same({ "login 3 - -" }, contents(users).ann)
    assert.equal(3, users:users())
  end)

  it("agrees with reading the same rows by that column, for any number of threads", function()
    math.randomseed(5)
    local many = {}
    for i = 1, 50000 do
      many[i] = { user = "u" .. math.random(400), event = "e" .. math.random(5), time = i,
        account = "a" .. math.random(60), price = math.random(100) }
    end
    local direct <close> = assert(wp.read_rows(many, { user = "account", value = "price" }))
    local log <close> = assert(wp.read_rows(many, { value = "price", properties = { "account" } }))
    local expected = {}
    for id, journey in direct:journeys() do expected[id] = journey end
    local threads, prints = wp.threads(), {}
    for _, n in ipairs { 1, 2, 4 } do
      wp.threads(n)
      local accounts <close> = log:regroup "account"
      prints[#prints + 1] = accounts:summary().fingerprint
      local users = 0
      for id, journey in accounts:journeys() do
        users = users + 1
        assert.equal(#expected[id], #journey)
        for i, event in ipairs(journey) do
          local other = expected[id][i]
          assert.is_true(event.time == other.time and event.event == other.event
            and event.value == other.value)
        end
      end
      assert.equal(60, users)
    end
    wp.threads(threads)
    assert.equal(prints[1], prints[2])
    assert.equal(prints[1], prints[3])
  end)

  it("frees what it made #bare", function()
    local log <close> = assert(wp.read_rows(rows, { value = "seats", properties = { "account" } }))
    local live = core.memory()
    local accounts = log:regroup "account"
    accounts:close()
    assert.equal(live, (core.memory()))
  end)

  it("refuses a property that is not there, or that holds numbers", function()
    local log <close> = assert(wp.read_rows(rows, { value = "seats", properties = { "account" } }))
    local function raises(text, ...)
      local ok, message = pcall(log.regroup, log, ...)
      assert.is_false(ok)
      assert.truthy(message:find(text, 1, true), message)
    end
    raises("unknown property 'acount' (did you mean 'account'?)", "acount")
    raises("regroup: 'seats' holds numbers", "seats")
    raises("regroup: nothing (expected the name of a property)")
  end)
end)
