-- The measuring pass against the naive twin on random logs: ties, views, anchors, threads.
local core = require "wayproof.core"
local journeys = require "spec.journeys"
local measure = require "wayproof.measure"
local select_events = require "wayproof.select"
local twin = require "spec.twin"
local wp = require "wayproof"

local DAY_US = 86400 * 1000000
local names = { "a", "b", "c", "d" }
local devices = { "mobile", "desk", "none" }

-- A generator of its own, so that the specs do not depend on math.random's state.
local function generator(seed)
  local state = seed
  return function(limit)
    state = (state * 6364136223846793005 + 1442695040888963407)
    return (state >> 33) % limit + 1
  end
end

-- 30 % of events share the instant of the one before; steps are whole seconds or microseconds.
local function random_users(random, count, step_us)
  local users = {}
  for u = 1, count do
    local entries, journey = random(25) - 1, {}
    local time = journeys.start_us + random(20) * DAY_US // 4
    for i = 1, entries do
      if i > 1 and random(100) > 30 then
        local scale = ({ 1, 60, 3600, 43200 })[random(4)]
        time = time + random(60) * scale * step_us
      end
      journey[i] = { time = time, event = names[random(#names)],
        value = random(3) > 1 and random(2000) / 8 - 100 or nil, seats = random(5),
        device = random(4) > 1 and devices[random(3)] or nil,
        page = random(3) > 1 and "p" .. random(6) or nil }
    end
    users[u] = { id = "u" .. u, journey = journey }
  end
  users[#users + 1] = { id = "all", journey = {} }
  for i, name in ipairs(names) do
    users[#users].journey[i] = { time = journeys.start_us + i, event = name, device = "none" }
  end
  return users
end

local expressions = {
  'wp.count "a"', 'wp.count()', 'wp.count { "a", "b" }', 'wp.count { device = "mobile" }',
  'wp.count("a", { value = wp.above(20) })', 'wp.count("*", { device = wp.is_not "desk" })',
  'wp.did "c"', 'wp.did("b", { seats = wp.between(2, 4) })', 'wp.distinct "event"',
  'wp.distinct("page", "a")', 'wp.distinct "seats"', 'wp.sum "a"', 'wp.sum("b", "seats")',
  'wp.mean()', 'wp.max "b"', 'wp.min { device = "desk" }', 'wp.first_value "a"',
    'wp.last_value "a"',
  'wp.sessions()', 'wp.sessions { timeout = "12h" }', 'wp.active_days()', 'wp.time_to "d"',
  'wp.time_between("a", "b")', 'wp.time_between("a", { "a", "c" })', 'wp.dwell "a"', 'wp.dwell()',
  'wp.longest_gap()', 'wp.pace()', 'wp.self_loops()', 'wp.self_loops { "a", "b" }', 'wp.u_turns()',
  'wp.u_turns "a"', 'wp.matches { "a", "b" }', 'wp.matches({ "a", "b", "c" }, { within = "1d" })',
  'wp.matches({ "a", "a" }, { within = "90s" })',
  'wp.depth(wp.stages { { "s", "a" }, { "t", "b", "c" }, { "u", "d" } })',
  'wp.backtracks(wp.stages { { "s", "a" }, { "t", "b", "c" }, { "u", "d" } })',
  'wp.hesitation(wp.stages { { "s", "a" }, { "t", "b", "c" }, { "u", "d" } }, "s")',
  'wp.sum "a" / wp.count "b"', '(wp.count "a" + 2) * wp.mean():default(1) - 0.5',
  'wp.count("a"):at_least(2) * wp.count("b"):capped(3)',
}

-- Kinds that only the judge asks for.
local judge_kinds = {
  { kind = "first_time", selector = select_events.selector "b" },
  { kind = "time_of_last", selector = select_events.selector "b" },
  { kind = "count", selector = select_events.selector(), part = "odd" },
  { kind = "count", selector = select_events.selector { "a", "b" }, part = "even" },
  { kind = "anchor", column = "event" }, { kind = "anchor", column = "device" },
  { kind = "anchor", column = "seats" },
  { kind = "count", selector = { except = { select_events.selector "a" } } },
  { kind = "count", selector = { except = { select_events.selector("a", { device = "mobile" }),
    select_events.selector "c" } } },
}

local windows = { { from_us = 0, to_us = DAY_US }, { from_us = 0, to_us = 7 * DAY_US },
  { from_us = DAY_US, to_us = 3 * DAY_US }, { "lifetime" }, { "before" }, { "since" } }

local function request_of(random, more)
  local columns = {}
  for i, expression in ipairs(expressions) do
    columns[i] = { name = "c" .. i, metric = journeys.tree(expression),
      window = windows[random(#windows)] }
  end
  for _, node in ipairs(judge_kinds) do
    columns[#columns + 1] = { name = "c" .. #columns + 1, metric = node,
      window = windows[random(#windows)] }
  end
  local request = { columns = columns, as_of_us = journeys.start_us + 12 * DAY_US }
  for key, value in pairs(more) do request[key] = value end
  return request
end

-- The rows that a view keeps, for the twin.
local function narrowed(users, keep)
  local out = {}
  for _, user in ipairs(users) do
    local journey = {}
    for _, event in ipairs(user.journey) do
      if keep(event) then
        local copy = {}
        for key, value in pairs(event) do copy[key] = value end
        journey[#journey + 1] = copy
      end
    end
    if #journey > 0 then out[#out + 1] = { id = user.id, journey = journey } end
  end
  return out
end

local function compare(log, users, request, seed)
  local frame <close> = assert(measure.run(log, request))
  local ids, columns = frame:column "user", {}
  for i, column in ipairs(request.columns) do columns[i] = frame:column(column.name) end
  local row, outside, no_anchor = 0, 0, 0
  for _, user in ipairs(users) do
    local clock, reason = twin.clock(user, request)
    if reason == "outside" then outside = outside + 1 end
    if reason == "no_anchor" then no_anchor = no_anchor + 1 end
    if clock then
      row = row + 1
      assert.equal(user.id, ids[row])
      assert.equal(clock.t0_us, math.tointeger(frame:vector("t0_us")[row]))
      assert.equal(clock.end_us, math.tointeger(frame:vector("end_us")[row]))
      for i, column in ipairs(request.columns) do
        local want = twin.value(column.metric, user, column.window, clock)
        local found = columns[i][row]
        if want ~= found then
          error(string.format("seed %d, user %s, %s in window %s: the core says %s, the twin %s",
            seed, user.id, expressions[i] or column.metric.kind,
            column.window[1] or column.window.from_us, tostring(found), tostring(want)))
        end
      end
    end
  end
  assert.equal(row, #frame)
  assert.equal(#users, frame.users)
  assert.equal(outside, frame.outside)
  assert.equal(no_anchor, frame.no_anchor)
end

describe("measuring agrees with the naive twin", function()
  local clocks = {
    { "from the first event", {} },
    { "from a named event", { from = select_events.selector "b" } },
    { "within a population", { population = select_events.filter({ device = "mobile" }, "p") } },
    { "until a named event", { until_selector = select_events.selector("d", { seats = 3 }) } },
    { "with all of them", { from = select_events.selector { "a", "c" },
      population = select_events.filter({ seats = wp.above(1) }, "p"),
      until_selector = select_events.selector "b" } },
  }
  for _, clock in ipairs(clocks) do
    for seed = 1, 4 do
      it(string.format("%s, seed %d", clock[1], seed), function()
        local random = generator(seed)
        local users = random_users(random, 60, seed % 2 == 0 and 1000000 or 999983)
        local log <close> = journeys.log(narrowed(users, function() return true end))
        compare(log, narrowed(users, function() return true end), request_of(random, clock[2]),
          seed)
      end)
    end
  end

  for seed = 11, 16 do
    it("in a view, seed " .. seed, function()
      local random = generator(seed)
      local users = random_users(random, 60, seed % 2 == 0 and 1000000 or 999983)
      local log <close> = journeys.log(users)
      local view <close> = log:where { device = { "mobile", "none" } }
      local kept = narrowed(users, function(event)
        return event.device == "mobile" or event.device == "none"
      end)
      compare(view, kept, request_of(random, clocks[seed % #clocks + 1][2]), seed)
    end)
  end
end)

describe("measuring", function()
  it("gives the same bits for 1, 2 and 8 threads", function()
    local random = generator(99)
    local users = random_users(random, 6000, 999983)
    local log <close> = journeys.log(users)
    local request, before, first = request_of(random, {}), wp.threads(), nil
    finally(function() wp.threads(before) end)
    for _, threads in ipairs { 1, 2, 8 } do
      wp.threads(threads)
      local frame <close> = assert(measure.run(log, request))
      local all = {}
      for i, column in ipairs(request.columns) do
        local values = frame:vector(column.name)
        for row = 1, #frame do
          local value = values[row]
          all[#all + 1] = value and string.pack("n", value) or "-"
        end
        all[#all + 1] = column.name .. i
      end
      local bits = table.concat(all)
      first = first or bits
      assert.is_true(first == bits, threads .. " threads")
    end
  end)

  it("takes more selections than one machine word has bits", function()
    local entries = {}
    for i = 1, 150 do entries[i] = { i, "event " .. i % 75 } end
    local user = journeys.user("u", entries)
    local log <close> = journeys.log { user }
    local columns = {}
    for i = 0, 74 do
      columns[#columns + 1] = { name = "c" .. i, window = { from_us = 0, to_us = DAY_US },
        metric = wp.count("event " .. i, { value = wp.is_not(7) }) + wp.count { "event " .. i } }
    end
    local frame <close> = assert(measure.run(log, { as_of_us = journeys.start_us + DAY_US,
      columns = columns }))
    for i = 0, 74 do assert.equal(4, frame:column("c" .. i)[1]) end
  end)

  it("reads a journey that is longer than a chunk of work", function()
    local rows = {}
    for i = 1, 70000 do
      rows[i] = { user = i % 1000 == 0 and "small " .. i or "big", time = i,
        event = i % 3 == 0 and "a" or "b" }
    end
    local log <close> = assert(wp.read_rows(rows, { time_unit = "s" }))
    local frame <close> = assert(measure.run(log, { as_of_us = 80000000000, columns = {
      { name = "a", metric = wp.count "a", window = { "lifetime" } },
      { name = "gap", metric = wp.longest_gap(), window = { "lifetime" } },
      { name = "early", metric = wp.count(), window = { from_us = 0, to_us = 100000000 } } } }))
    assert.equal(71, #frame)
    assert.equal("big", frame:column("user")[1])
    assert.equal(70000 // 3 - 23, frame:column("a")[1])
    assert.equal(2.0, frame:column("gap")[1])
    assert.equal(100, frame:column("early")[1])
  end)

  it("counts more than a byte holds, for some people in some chunks", function()
    local rows, expected, used = {}, {}, {}
    for user = 1, 20000 do
      local count = user == 9000 and 254 or user == 9001 and 255 or user == 15000 and 300
        or user % 7
      for k = 1, 1 + count do
        rows[#rows + 1] = { user = user, time = k, event = k == 1 and "start" or "a" }
      end
      if user % 3 == 0 then rows[#rows + 1] = { user = user, time = 0, event = "out" } end
      expected[user] = count
      if user % 3 ~= 0 then used[#used + 1] = count end
    end
    local log <close> = assert(wp.read_rows(rows, { time_unit = "s" }))
    local function column(rules)
      local frame <close> = assert(measure.run(log, { as_of_us = 80000000000, rules = rules,
        columns = {
          { name = "a", metric = wp.count "a", window = { "lifetime" } },
          { name = "out", metric = wp.count "out", window = { "lifetime" } } } }))
      return frame:column "a"
    end
    assert.same(expected, column(nil))
    assert.same(used, column { needed_us = 0, prior = 2, required = {} })
  end)

  it("frees what it allocated", function()
    local user = journeys.user("u", { { 0, "a" }, { 5, "b" } })
    local log <close> = journeys.log { user }
    local function once()
      local frame <close> = assert(log:measure { metrics = { m = wp.distinct "event" + wp.pace() },
        outcome = wp.converts "b", observe = "1s", within = "1s" })
      assert.equal(1, frame.n.users)
    end
    once()
    collectgarbage()
    local before = core.memory()
    for _ = 1, 20 do once() end
    collectgarbage()
    assert.equal(before, core.memory())
  end)

  it("fails cleanly when memory runs out, wherever it does #bare", function()
    local random = generator(5)
    local users = random_users(random, 20, 1000000)
    local log <close> = journeys.log(users)
    local request = request_of(random, {})
    local failures = 0
    for n = 1, 400 do
      core.memory(n)
      local ok, frame, message, code = pcall(measure.run, log, request)
      core.memory(0)
      if not ok then
        assert.matches("memory", frame)
        failures = failures + 1
      elseif frame then
        frame:close()
        assert.is_true(failures > 10)
        return
      else
        assert.matches("memory", message)
        assert.equal("memory", code)
        failures = failures + 1
      end
    end
    error("never succeeded")
  end)
end)
