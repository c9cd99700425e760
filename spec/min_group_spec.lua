-- Groups of few people are left out, and no figure of theirs can be had by subtraction.
local wp = require "wayproof"

--- People by channel: { ads = 18, … }; one event each, and a second one for every second person.
local function log_of(sizes)
  local rows, user = {}, 0
  for channel, size in pairs(sizes) do
    for _ = 1, size do
      user = user + 1
      for k = 1, 1 + user % 2 do
        rows[#rows + 1] = { user = "u" .. user, event = k == 1 and "look" or "buy",
          time = 1700000000 + 60 * k, channel = channel }
      end
    end
  end
  return assert(wp.read_rows(rows, { properties = { "channel" }, time_unit = "s" }))
end

local stages = wp.stages { { "look" }, { "buy" } }

local analyses = {
  sessions = function(log, options) return log:sessions(options) end,
  transitions = function(log, options) return log:transitions(options) end,
  retention = function(log, options) return log:retention(options) end,
  paths = function(log, options) options.start = "look" return log:paths(options) end,
  gaps = function(log, options) return log:gaps(options) end,
  funnel = function(log, options) return log:funnel({ "look", "buy" }, options) end,
  ["funnel by the value at a step"] = function(log, options)
    options.attribution = 1
    return log:funnel({ "look", "buy" }, options)
  end,
  friction = function(log, options)
    options.outcome = "buy"
    return log:friction(stages, options)
  end,
}

local function values(result)
  local list = {}
  for i, group in ipairs(result.groups) do list[i] = group.value end
  table.sort(list)
  return table.concat(list, " ")
end

describe("min_group", function()
  for name, analyse in pairs(analyses) do
    it("leaves out groups of fewer people: " .. name, function()
      local log <close> = log_of { ads = 18, mail = 8, shop = 6, talk = 2, post = 3 }
      local all = analyse(log, { by = "channel" })
      assert.equal("ads mail post shop talk", values(all))
      assert.equal(0, all.users_left)
      local some = analyse(log, { by = "channel", min_group = 5 })
      assert.equal("ads mail shop", values(some)) -- 2 and 3 people are 5 together
      assert.equal(5, some.users_left)
    end)

    it("leaves out another where few would remain: " .. name, function()
      local log <close> = log_of { ads = 18, mail = 8, talk = 2 }
      local some = analyse(log, { by = "channel", min_group = 5 })
      assert.equal("ads", values(some)) -- everybody less ads and mail would be the two
      assert.equal(10, some.users_left)
    end)
  end

  it("counts people beyond the number of groups", function()
    local log <close> = log_of { ads = 18, mail = 8, shop = 6, talk = 2 }
    local some = log:sessions { by = "channel", groups = 3, min_group = 5 }
    assert.equal("ads mail", values(some))
    assert.equal(8, some.users_left)
    assert.matches("8 users in smaller groups", tostring(some), 1, true)
  end)

  it("is a whole number of people", function()
    local log <close> = log_of { ads = 3 }
    for _, wrong in ipairs { 0, -1, 2.5, "5" } do
      assert.error_matches(function() log:sessions { by = "channel", min_group = wrong } end,
        "sessions: min_group: ")
    end
  end)
end)
