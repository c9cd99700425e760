-- A store as CSV: events and users come back exactly.
local made = require "spec.store_made"
local shell = require "spec.shell"
local store = require "wayproof.store"
local wp = require "wayproof"

describe("exporting a store", function()
  local folder, path

  setup(function()
    folder = shell.folder()
    path = folder .. "/shop.way"
  end)
  teardown(function() shell.remove(folder) end)

  it("gives CSV that reads back to the same events", function()
    local csv = folder .. "/events.csv"
    local log = made.read(made.rows(15, 400, 20))
    assert(log:save(path))
    assert(store.export(assert(wp.open(path)), csv))
    local options = { value = "value", numbers = { "load" }, properties = { "plan", "note" } }
    assert.equal(made.fingerprint(log), made.fingerprint(assert(wp.read_csv(csv, options))))
    assert.is_nil((store.export(log, folder .. "/no folder/x.csv")))
  end)

  it("gives CSV of users that reads back to the same attributes, dates and idle people", function()
    local csv, users_csv = folder .. "/events.csv", folder .. "/users.csv"
    local random, people = made.random(4), {}
    for i = 1, 60 do
      people[i] = { user = i % 11 == 0 and 'the "' .. i .. '"\n, id' or "u" .. i,
        size = random(3) > 1 and random(1000) / 7 or nil,
        country = random(3) > 1 and ({ "d,e", ' "f', "ünï" })[random(3)] or nil,
        since = random(4) > 1 and 1600000000000000 + random(1000000000) or nil }
    end
    for _, dated in ipairs { true, false } do
      local users = { id = "user", numbers = { "size" }, properties = { "country" },
        known_at = dated and "since" or nil }
      local options = { value = "value", numbers = { "load" }, properties = { "plan", "note" },
        time_unit = "us", users = { rows = people } }
      for key, value in pairs(users) do options.users[key] = value end
      local log = assert(wp.read_rows(made.rows(15, 400, 40), options))
      assert.is_true(log:summary().idle_users > 5)
      assert(log:save(path))
      assert(store.export(assert(wp.open(path)), csv, users_csv))
      options.users = { path = users_csv, id = "user", numbers = { "size" },
        properties = { "country" }, known_at = dated and "known_at" or nil }
      local back = assert(wp.read_csv(csv, options))
      assert.equal(made.fingerprint(log), made.fingerprint(back))
      assert.same(log:summary():table(), back:summary():table())
    end
    assert.is_nil((store.export(assert(wp.open(path)), csv,
      folder .. "/no folder/x.csv")))
  end)
end)
