-- Every analysis gives the same text from memory and from a file that was just opened, so that each
-- asks the file for all the columns it reads.
local core = require "wayproof.core"
local wp = require "wayproof"

local function events()
  local rows, state = {}, 11
  local function draw(n)
    state = (state * 1103515245 + 12345) & 0x7fffffff
    return state % 65536 * n // 65536
  end
  local names = { "look", "weigh", "basket", "buy", "help" }
  for user = 1, 300 do
    for _ = 1, 2 + draw(9) do
      rows[#rows + 1] = { user = "u" .. user, event = names[1 + draw(5)],
        time = 1700000000 + draw(90 * 86400), value = draw(3) > 0 and draw(100) or nil,
        channel = ({ "ads", "mail" })[1 + draw(3)], page = "p" .. draw(6),
        other = "o" .. draw(4) }
    end
  end
  return rows
end

local steps = { "look", { events = "weigh", where = { channel = "ads" } }, "buy" }
local stages = wp.stages { { "look" }, { "weigh", where = { channel = "ads" } }, { "buy" } }

local analyses = {
  ["a funnel by its people's first channel"] = function(log)
    return log:funnel(steps, { within = "30d", by = "channel" })
  end,
  ["a funnel that holds a page"] = function(log)
    return log:funnel({ "look", "buy" }, { within = "30d", hold = "page" })
  end,
  ["a funnel by the page of a step"] = function(log)
    return log:funnel({ "look", "buy" }, { within = "30d", by = "page", attribution = 2 })
  end,
  ["a funnel that excludes by value"] = function(log)
    return log:funnel({ "look", "buy" }, { within = "30d",
      exclude = { events = "help", where = { value = wp.above(50) } } })
  end,
  ["transitions of stages with a filter"] = function(log)
    return log:transitions { stages = stages, where = { page = "p1" } }
  end,
  ["retention by channel"] = function(log) return log:retention { by = "channel" } end,
  ["paths by channel"] = function(log) return log:paths { start = "look", by = "channel" } end,
  ["dwell where the value is high"] = function(log)
    return log:dwell { where = { value = wp.above(20) } }
  end,
  ["sessions by page"] = function(log) return log:sessions { by = "page" } end,
  ["friction where the channel is ads"] = function(log)
    return log:friction(stages, { outcome = "buy", where = { channel = "ads" } })
  end,
  ["clarity of pages"] = function(log)
    return log:clarity(stages, { outcome = "buy", content = "page" })
  end,
  ["measuring with a population"] = function(log)
    return log:measure { metrics = { sum = wp.sum "look", pages = wp.distinct "page" },
      outcome = wp.converts "buy", observe = "7d", within = "20d",
      population = { value = wp.above(10) } }
  end,
  ["a verdict across channels"] = function(log)
    return log:validate(wp.hypothesis "value" { metric = wp.mean(), outcome = wp.earns "buy",
      observe = "7d", within = "20d", across = { "channel" }, adjust = { "page" } },
      { refute = false })
  end,
  ["regrouping"] = function(log) return log:regroup("page"):sessions() end,
}

describe("a log that was just opened from a file", function()
  local path, log

  setup(function()
    path = os.tmpname()
    os.remove(path)
    log = assert(wp.read_rows(events(), { value = "value",
      properties = { "channel", "page", "other" } }))
    assert(log:save(path))
  end)

  teardown(function()
    log:close()
    os.remove(path)
  end)

  for name, analyse in pairs(analyses) do
    it("answers as the log in memory does: " .. name, function()
      local opened <close> = assert(wp.open(path))
      local expected = analyse(log):json()
      assert.is_true(#expected > 40)
      assert.equal(expected, analyse(opened):json())
    end)
  end

  for name, analyse in pairs(analyses) do
    if name ~= "regrouping" then -- it keeps all columns
      it("reads no column that nobody named: " .. name, function()
        local opened <close> = assert(wp.open(path))
        analyse(opened)
        local before = core.log.facts(opened, false).bytes
        assert(opened:where { other = "o1" })
        assert.is_true(core.log.facts(opened, false).bytes > before)
      end)
    end
  end
end)

describe("times in whole minutes", function()
  -- The same people, alone and beside one whose clock shows milliseconds.
  local function read(with_other)
    local rows, state, ids = {}, 7, {}
    local function upto(n)
      state = state * 6364136223846793005 + 1442695040888963407
      return (state >> 33) % n
    end
    for user = 1, 200 do
      local minute = 28401120 + upto(40000)
      ids[user] = "u" .. user
      for _ = 1, 4 + upto(20) do
        minute = minute + 1 + upto(upto(8) == 0 and 5000 or 12)
        rows[#rows + 1] = { user = ids[user], event = ({ "a", "b", "c" })[1 + upto(3)],
          time = minute * 60 }
      end
    end
    if with_other then rows[#rows + 1] = { user = "v", event = "a", time = 1704067200.125 } end
    return assert(wp.read_rows(rows, { time_unit = "s" })), ids
  end

  it("give the same bits in any unit: in memory, from a store, through a view", function()
    local path = os.tmpname()
    os.remove(path)
    local alone <close> = read(false)
    local both <close>, ids = read(true)
    assert(alone:save(path))
    local opened <close> = assert(wp.open(path))
    for _, analyse in ipairs {
      function(l) return l:transitions() end,
      function(l) return l:sessions { timeout = "20m" } end,
      function(l) return l:gaps() end,
      function(l) return l:funnel({ "a", "b", "c" }, { within = "2d" }) end,
    } do
      local expected = analyse(alone):json()
      assert.equal(expected, analyse(opened):json())
      assert.equal(expected, analyse(both:where { users = ids }):json())
    end
    os.remove(path)
  end)
end)
