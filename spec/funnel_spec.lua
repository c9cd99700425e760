-- Funnels at their edges: what the random specs would meet too rarely, and what people type.
local flow_made = require "spec.flow_made"
local wp = require "wayproof"

local SECOND = 1000000

-- "a0 b5 c5": events of one user with their seconds, in this order; "a0/x": device x.
local function log_of(journeys)
  local rows = {}
  for user, text in pairs(journeys) do
    for event, seconds, device in text:gmatch "(%a+)(%d+)/?(%a*)" do
      rows[#rows + 1] = { user = user, event = event, time = tonumber(seconds) * SECOND,
        device = device ~= "" and device or nil }
    end
  end
  -- what a case asks for and its journeys lack is known all the same
  for _, name in ipairs { "a", "b", "c", "d", "x" } do
    rows[#rows + 1] = { user = "bystander", event = name, time = -1000 * SECOND, device = "none" }
  end
  local log = assert(wp.read_rows(rows, { time_unit = "us", properties = { "device" } }))
  return log:where { since = 0 }
end

local function funnel_of(text, steps, options)
  return log_of { u = text }:funnel(steps, options)
end

local function level_of(text, steps, options)
  local found = funnel_of(text, steps, options):users(1)
  return found[1] and found[1].level or 0
end

local abc = { "a", "b", "c" }

describe("a funnel", function()
  it("includes the last moment of its window", function()
    assert.equal(3, level_of("a0 b5 c10", abc, { within = 10 }))
    assert.equal(2, level_of("a0 b5 c11", abc, { within = 10 }))
    assert.equal(1, level_of("a0 b0 c0", abc, { within = 0, ties = "strict" }))
    assert.equal(3, level_of("a0 b0 c0", abc, { within = 0 }))
  end)

  it("has a window longer than the log", function()
    local found = funnel_of("a0 b5", abc, { within = "3650d" })
    assert.equal(2, found.steps[2].users + found.steps[2].pending)
    assert.equal(0, found.steps[2].dropped)
  end)

  it("takes a later row for each step that repeats", function()
    assert.equal(1, level_of("a0", { "a", "a" }, {}))
    assert.equal(2, level_of("a0 a0", { "a", "a" }, {}))
    assert.equal(1, level_of("a0 a0", { "a", "a" }, { ties = "strict" }))
    assert.equal(3, level_of("a0 b1 a2", { "a", "b", "a" }, {}))
  end)

  it("has ties as recorded, free, strict or with a grace", function()
    assert.equal(1, level_of("b5 a5", { "a", "b" }, {}))
    assert.equal(2, level_of("b5 a5", { "a", "b" }, { ties = "any" }))
    assert.equal(1, level_of("a5 b5", { "a", "b" }, { ties = "strict" }))
    assert.equal(1, level_of("b3 a5", { "a", "b" }, { ties = "any" }))
    assert.equal(2, level_of("b3 a5", { "a", "b" }, { grace = 2 }))
    assert.equal(1, level_of("b3 a6", { "a", "b" }, { grace = 2 }))
  end)

  it("never has a negative time, even with a grace", function()
    local found = funnel_of("b3 a5", { "a", "b" }, { grace = 2 })
    assert.equal(0.0, found.steps[2].median_seconds)
    assert.equal(0.0, found.steps[2].median_step_seconds)
  end)

  it("enters at any first step, only the first, or only the latest", function()
    local text = "a0 b100 a101 b102 c103 a200"
    assert.equal(3, level_of(text, abc, { within = 10 }))
    assert.equal(1, level_of(text, abc, { within = 10, entry = "first" }))
    assert.equal(1, level_of(text, abc, { within = 10, entry = "latest" }))
    -- the winner entered as late as it could
    local winner = funnel_of("a0 a3 b5 c7", abc, {}):users(1)[1]
    assert.same({ 3 * SECOND, 5 * SECOND, 7 * SECOND }, { table.unpack(winner.times) })
  end)

  it("is strict about the very next row", function()
    assert.equal(3, level_of("a0 b1 c2", abc, { order = "strict" }))
    assert.equal(2, level_of("a0 b1 x2 c3", abc, { order = "strict" }))
    assert.equal(3, level_of("a0 x1 a2 b3 c4", abc, { order = "strict" }))
    assert.equal(2, level_of("a0 b1/p c2", { "a", { events = "b", where = { device = "p" } },
      { events = "c", where = { device = "p" } } }, { order = "strict" }))
  end)

  it("may leave optional steps out, and keeps them when it can", function()
    local steps = { "a", { events = "b", optional = true }, "c" }
    assert.equal(3, level_of("a0 c5", steps, {}))
    local found = funnel_of("a0 b2 c5", steps, {})
    assert.equal(1, found.steps[2].users)
    assert.equal(1.0, found.steps[3].from_previous) -- of step 1, which everybody must take
  end)

  it("has windows and waiting times per step", function()
    local soon = { "a", { events = "b", within = 5 } }
    assert.equal(2, level_of("a0 b5", soon, {}))
    assert.equal(1, level_of("a0 b6", soon, {}))
    local later = { "a", { events = "b", after = 5 } }
    assert.equal(1, level_of("a0 b4", later, {}))
    assert.equal(2, level_of("a0 b4 b5", later, {}))
    -- the latest a is too near, an earlier one fits
    assert.equal(2, level_of("a0 a4 b6", later, {}))
  end)

  it("ends an attempt at an excluded event, or leaves the person out", function()
    assert.equal(1, level_of("a0 x1 b2", { "a", "b" }, { exclude = "x" }))
    assert.equal(2, level_of("a0 x1 a2 b3", { "a", "b" }, { exclude = "x" }))
    local gone = funnel_of("a0 x1 b2", { "a", "b" }, { exclude = "x", exclude_scope = "user" })
    assert.equal(0, gone.entered)
    assert.equal(1, gone.excluded)
    -- only between the steps that are named, only with the property that is asked for
    local between = { { "x", between = { "b", "c" } } }
    assert.equal(3, level_of("a0 x1 b2 c3", abc, { exclude = between }))
    assert.equal(2, level_of("a0 b2 x3 c4", abc, { exclude = between }))
    local filtered = { { events = "x", where = { device = "p" } } }
    assert.equal(2, level_of("a0 x1/q b2", { "a", "b" }, { exclude = filtered }))
    assert.equal(1, level_of("a0 x1/p b2", { "a", "b" }, { exclude = filtered }))
  end)

  it("excludes after the last step that was taken, while the window was open", function()
    local options = { exclude = "x", exclude_scope = "user", within = 10 }
    assert.equal(1, funnel_of("a0 x5", { "a", "b" }, options).excluded)
    assert.equal(0, funnel_of("a0 x11", { "a", "b" }, options).excluded)
  end)

  it("holds a property along the chain", function()
    local hold = { hold = "device" }
    assert.equal(2, level_of("a0/p b1/p", { "a", "b" }, hold))
    assert.equal(1, level_of("a0/p b1/q", { "a", "b" }, hold))
    assert.equal(0, level_of("a0 b1", { "a", "b" }, hold)) -- a missing value holds nothing
    assert.equal(3, level_of("a0/p a1/q b2/q b3/p c4/q", abc, hold))
  end)

  it("counts steps in any order, one row for one step", function()
    local any = { order = "any", within = 10 }
    assert.equal(3, level_of("c0 a5 b10", abc, any))
    assert.equal(2, level_of("c0 a5 b11", abc, any))
    assert.equal(1, level_of("a0", { { "a", "b" }, { "a", "c" } }, any))
    assert.equal(2, level_of("a0 c1", { { "a", "b" }, { "a", "c" } }, any))
    assert.equal(2, level_of("a0 a1", { "a", "a", "b" }, any))
    local found = funnel_of("c0 a5 b10", abc, any)
    assert.same({ "any 1 of 3", "any 2 of 3", "all 3 steps" }, { found.steps[1].name,
      found.steps[2].name, found.steps[3].name })
    assert.equal(10.0, found.steps[3].median_seconds)
    assert.equal(1, #found:users "b") -- by name: those whose sequence has the step
  end)

  it("waits for people whose window is open, and only for them", function()
    local log = log_of { old = "a0", young = "a95", back = "a0 b3 a98", done = "a1 b2 c3",
      last = "x100" }
    local found = log:funnel(abc, { within = 10 })
    assert.equal(1, found.steps[1].dropped) -- old
    assert.equal(1, found.steps[1].pending) -- young
    assert.equal(1, found.steps[2].pending) -- back has begun again
    assert.equal(2, found.pending)
    assert.equal(2, found.observable) -- old and done
    assert.same({ "old" }, { found:dropped(1)[1].user })
    assert.same({ "young" }, { found:pending_users(1)[1].user })
    -- entry = "first": back's first window is over
    assert.equal(1, log:funnel(abc, { within = 10, entry = "first" }).pending)
    -- an excluded event ends the attempt, so there is nothing to wait for
    local ended = log_of { young = "a95 x96", last = "b100" }
    assert.equal(0, ended:funnel({ "a", "c" }, { within = 10, exclude = "x" }).pending)
    -- later observation closes windows
    assert.equal(0, log:funnel(abc, { within = 10, as_of = 200 * SECOND }).pending)
    -- nothing limits the time: nobody is waited for
    assert.equal(0, log:funnel(abc).pending)
  end)

  it("ignores what came after as_of", function()
    assert.equal(1, level_of("a0 b5", { "a", "b" }, { as_of = 4 * SECOND }))
    assert.equal(2, level_of("a0 b5", { "a", "b" }, { as_of = 5 * SECOND }))
  end)

  it("names its denominator, with an interval on every rate", function()
    local log = log_of { old = "a0", young = "a95", done = "a1 b2", none = "x100" }
    local entered = log:funnel({ "a", "b" }, { within = 10 })
    assert.equal(3, entered.steps[2].of)
    assert.equal(1 / 3, entered.rate)
    local observable = log:funnel({ "a", "b" }, { within = 10, denominator = "observable" })
    assert.equal(2, observable.steps[2].of)
    assert.equal(0.5, observable.rate)
    local all = log:funnel({ "a", "b" }, { within = 10, denominator = "all" })
    assert.equal(4, all.steps[2].of)
    local wilson = require("wayproof.stats").wilson(1, 4)
    assert.equal(wilson.low, all.low)
    assert.equal(wilson.high, all.high)
  end)

  it("groups people by their first or last value, or by the value at a step", function()
    local log = log_of { u = "a0/p b1/q", v = "a0/q b1/q", w = "a0/p" }
    local function through(attribution)
      local list = {}
      for _, group in ipairs(log:funnel({ "a", "b" }, { by = "device",
        attribution = attribution }).groups) do
        list[group.value or "none"] = { group.entered, group.converted }
      end
      return list
    end
    assert.same({ p = { 2, 1 }, q = { 1, 1 } }, through "first")
    assert.same({ p = { 1, 0 }, q = { 2, 2 } }, through "last")
    assert.same({ p = { 2, 1 }, q = { 1, 1 } }, through "a")
    assert.same({ q = { 2, 2 } }, through "b")
  end)

  it("limits the groups that it lists, and counts the rest", function()
    local log = log_of { u = "a0/p", v = "a0/q", w = "a0/p" }
    for _, attribution in ipairs { "first", "a" } do
      local found = log:funnel({ "a", "b" }, { by = "device", groups = 1,
        attribution = attribution })
      assert.equal(1, #found.groups)
      assert.equal(1, found.users_left)
    end
  end)

  it("takes stages as steps", function()
    local stages = wp.stages { { "look", "a", "x" }, { "buy", "b" } }
    local found = log_of { u = "x0 b1", v = "a0" }:funnel(stages)
    assert.equal("look", found.steps[1].name)
    assert.equal(1, found.converted)
  end)

  it("knows steps that nobody took", function()
    local found = funnel_of("b0", abc, { within = 10 })
    assert.equal(0, found.entered)
    assert.is_nil(found.rate)
    assert.is_truthy(tostring(found):find("0 of 0", 1, true))
    assert.is_nil(found.steps[2].median_seconds)
  end)

  it("follows 100,000 events of one person with every rule in little time", function()
    local rows = {}
    for i = 1, 100000 do
      rows[i] = { user = "u", event = ("abcx"):sub(1 + i % 4, 1 + i % 4), time = i // 3 }
    end
    local log = assert(wp.read_rows(rows, { time_unit = "s" }))
    local before = os.clock()
    for _, options in ipairs {
      { within = 5 }, { within = 5, ties = "any" }, { within = 5, ties = "strict" },
      { within = 5, entry = "latest" }, { order = "strict" }, { within = 50, order = "any" },
      { within = 5, exclude = "x" }, { grace = 2, within = 5 },
    } do
      log:funnel({ "b", "c", "a", "x" }, options)
      log:funnel({ { "a", "b" }, { "b", "c" }, { "a", "c" }, "x" }, options)
      log:funnel({ "b", { events = "c", within = 100 }, { events = "a", within = 1000 } },
        options.order ~= "any" and options or nil)
    end
    -- quadratic work would be 10^10 steps for each of the 24 searches: minutes, not seconds
    assert.is_true(os.clock() - before < 20)
  end)

  it("has at most 32 steps", function()
    local steps = {}
    for i = 1, 32 do steps[i] = "a" end
    assert.equal(0, funnel_of("a0 a1", steps, {}).converted)
    steps[33] = "a"
    assert.has_error(function() funnel_of("a0 a1", steps, {}) end)
  end)

  local mistakes = {
    { "unknown event 'aa' %(did you mean 'a'%?%)", { "aa", "b" } },
    { "unknown property 'devise' %(did you mean 'device'%?%)", { "a", "b" }, { hold = "devise" } },
    { "did you mean 'within'", { "a" }, { witin = 5 } },
    { "order: 'lose' %(expected", { "a" }, { order = "lose" } },
    { "no steps", {} },
    { "step 1 is optional", { { events = "a", optional = true }, "b" } },
    { "step 2 is optional", { "a", { events = "b", optional = true } } },
    { "step 1: within or after", { { events = "a", within = 5 }, "b" } },
    { "after is longer than within", { "a", { events = "b", within = 5, after = 6 } } },
    { "exclude with order", { "a", "b" }, { order = "any", exclude = "x" } },
    { "optional, within or after with order", { "a", { events = "b", optional = true }, "c" },
      { order = "any" } },
    { "ties = \"any\" with order", { "a", "b" }, { order = "strict", ties = "any" } },
    { "grace with ties", { "a", "b" }, { ties = "strict", grace = 2 } },
    { "attribution without `by`", { "a", "b" }, { attribution = "last" } },
    { "between steps 2 and 1", { "a", "b" }, { exclude = { { "x", between = { 2, 1 } } } } },
    { "did you mean 'first'", { "first", "b" }, { by = "device", attribution = "frst" },
      names = { first = "a" } },
    { "'observable' without `within`", { "a", "b" }, { denominator = "observable" } },
    { "did you mean 'posthog'", { "a", "b" }, { semantics = "postog" } },
    { "options are the second argument", { "a", "b", within = 5 } },
    { "expected a list of steps", "a" },
  }
  for _, mistake in ipairs(mistakes) do
    it("refuses what makes no sense: " .. mistake[1], function()
      local steps = mistake[2]
      if mistake.names then steps = { { events = "a", name = "first" }, "b" } end
      local ok, message = pcall(function() return funnel_of("a0 b1", steps, mistake[3]) end)
      assert.is_false(ok)
      assert.is_truthy(message:find(mistake[1]), message)
    end)
  end

  it("lists people with their winning sequence", function()
    local log = log_of { u = "a0 b5 c9", v = "a2" }
    local found = log:funnel(abc, { within = 10, as_of = 100 * SECOND })
    local reached = found:users "b"
    assert.equal(1, #reached)
    assert.equal("u", reached[1].user)
    assert.same({ "a", "b", "c" }, reached[1].events)
    assert.same({ 0, 5 * SECOND, 9 * SECOND }, reached[1].times)
    assert.equal(1, #found:users(1, 1))
    assert.equal("v", found:dropped("a")[1].user)
    assert.has_error(function() found:users "d" end)
  end)

  it("answers from a log with three ties in ten events as from its columns", function()
    local log = flow_made.log(3, { users = 200, events = 40, names = { "a", "b", "c" } })
    -- the loop for plain funnels and the general one: a filter that all rows pass switches
    for _, options in ipairs { {}, { within = 8 }, { within = 8, entry = "first" } } do
      local plain = log:funnel(abc, options)
      local general = log:funnel({ { events = "a", where = { device = wp.is_not "nowhere" } }, "b",
        "c" }, options)
      for i, step in ipairs(plain.steps) do
        for key, value in pairs(step) do
          if key ~= "name" then assert.equal(value, general.steps[i][key]) end
        end
      end
      assert.same(plain:users(2), general:users(2))
    end
  end)
end)
