-- Whole logs of hostile shapes, where the loops for the plain question run: what every analysis
-- answers is what naive loops answer, and the same bits for any processor, number of threads and
-- size of chunks, and from a store.
local core = require "wayproof.core"
local json = require "wayproof.json"
local made = require "spec.made"
local measure = require "wayproof.measure"
local twin = require "spec.twin_flow"
local wp = require "wayproof"

local SECOND, DAY = 1000000, 86400000000

-- First time, step and most steps between two events: what offsets of 32 bits hold and what not.
local clocks = {
  { first = 1704067200 * SECOND, step = SECOND, most = 4000 },
  { first = -4000000 * SECOND, step = SECOND, most = 8000 }, -- 1969 to 1970
  { first = -62135596800 * SECOND, step = DAY, most = 2 }, -- from the year 1 on
  { first = (1 << 31) * SECOND - 5000 * SECOND, step = SECOND, most = 300 }, -- 2038
  { first = 1704067200 * SECOND + 1, step = 1, most = 1 << 26 }, -- microseconds beyond 2^32
  { first = 1704067200 * SECOND + 1000, step = 1000, most = 1 << 12 },
  { first = -5 * DAY - 1, step = 333, most = 1 << 20 },
  { first = 0, step = SECOND, most = 1, tied = 0.7 },
}
local names_counts = { 1, 3, 12, 13, 40, 255, 256, 257, 400 }

local function pick(random, list) return list[1 + math.floor(random.uniform() * #list)] end

-- Journeys by id, ids by first appearance. Lengths at the borders of what fits one word, one block
-- and one walk.
local function draw(seed)
  local random = made.random(seed)
  local clock, names = clocks[1 + seed % #clocks], pick(random, names_counts)
  local lengths = { 1, 1, 1, 2, 3, 5, 15, 16, 17, 63, 64, 65, 127, 128, 129 }
  if seed % 6 == 0 then lengths[#lengths + 1] = pick(random, { 1023, 1024, 1025 }) end
  local journeys, ids = {}, {}
  for user = 1, 1 + math.floor(random.uniform() * 40) do
    local id = "u" .. user
    local time = clock.first + math.floor(random.uniform() * 50) * clock.step
    local journey = {}
    for i = 1, pick(random, lengths) do
      if i > 1 and random.uniform() > (clock.tied or 0.2) then
        time = time + math.floor(random.uniform() * (clock.most + 1)) * clock.step
      end
      -- few names are common, so that funnels have something to find
      local name = random.uniform() < 0.5 and math.floor(random.uniform() * math.min(names, 5))
        or math.floor(random.uniform() * names)
      journey[i] = { time = time, event = "e" .. name }
    end
    journeys[id], ids[user] = journey, id
  end
  return { journeys = journeys, ids = ids, clock = clock, random = random }
end

local path = os.tmpname()
local endings = { "\n", "\r\n" }

-- The events as CSV, users taking turns, some ids quoted, lines ending as they like.
local function write(log)
  local random, lines, at, left = log.random, { "user,event,time\n" }, {}, #log.ids
  while left > 0 do
    local id = pick(random, log.ids)
    local event = log.journeys[id][(at[id] or 0) + 1]
    if event then
      at[id] = (at[id] or 0) + 1
      if at[id] == #log.journeys[id] then left = left - 1 end
      local text = random.uniform() < 0.02 and '"' .. id .. '"' or id
      lines[#lines + 1] = text .. "," .. event.event .. "," .. event.time .. pick(random, endings)
      if random.uniform() < 0.01 then lines[#lines + 1] = pick(random, endings) end
    end
  end
  local file = assert(io.open(path, "wb"))
  file:write(random.uniform() < 0.3 and "\239\187\191" or "", table.concat(lines))
  file:close()
end

local function read() return assert(wp.read_csv(path, { time_unit = "us" })) end

local within = { "40s", "90m", "9d", "400w" }

local function funnels()
  return coroutine.wrap(function()
    for count = 1, 4 do
      local steps = {}
      for i = 1, count do steps[i] = "e" .. i - 1 end
      for i, ties in ipairs { "as_recorded", "any", "strict" } do
        coroutine.yield(steps, { within = within[(count + i) % #within + 1], ties = ties,
          entry = (count + i) % 2 == 0 and "first" or "any" })
      end
    end
  end)
end

local function has_events(log, names)
  local known = {}
  for _, name in ipairs(core.log.names(log).events) do known[name] = true end
  for _, name in ipairs(names) do
    if not known[name] then return false end
  end
  return true
end

-- Retention takes at most 5,000 periods.
local function fits_days(log)
  local facts = core.log.facts(log)
  return (facts.last - facts.first) // DAY < 4900
end

-- Counts in windows: the walk over short journeys where their borders fit.
local function measured(log)
  local first = core.log.names(log).events[1]
  return assert(measure.run(log, { as_of_us = core.log.facts(log).last, columns = {
    { name = "early", metric = wp.count(first), window = { from_us = 0, to_us = DAY } },
    { name = "middle", metric = wp.count "e*",
      window = { from_us = 3 * SECOND, to_us = 9 * DAY + 1 } },
    { name = "late", metric = wp.count(first),
      window = { from_us = DAY, to_us = (1 << 32) * SECOND } },
    { name = "all", metric = wp.count(first), window = { "lifetime" } },
  } }))
end

-- Everything an analysis can say, as text.
local function answers(log)
  local list = { core.log.facts(log).fingerprint }
  local function add(result) list[#list + 1] = result:json() end
  for _, timeout in ipairs(within) do add(log:sessions { timeout = timeout }) end
  add(log:transitions())
  add(log:transitions { within = "session", timeout = "2h" })
  add(log:gaps())
  add(log:dwell())
  for steps, options in funnels() do
    if has_events(log, steps) then add(log:funnel(steps, options)) end
  end
  if fits_days(log) then
    add(log:retention { period = "day", periods = 9 })
    add(log:retention { period = "week", align = "user" })
  end
  local frame = measured(log)
  for _, name in ipairs { "user", "early", "middle", "late", "all" } do
    list[#list + 1] = json.encode(frame:column(name))
  end
  return list
end

local function same(wanted, found, what)
  assert(#wanted == #found, what)
  for i = 1, #wanted do
    if wanted[i] ~= found[i] then
      error(("%s: answer %d:\n%s\nnot\n%s"):format(what, i, found[i], wanted[i]))
    end
  end
end

local function near(wanted, found, what)
  assert(math.abs(wanted - found) <= 1e-9 * math.max(1, math.abs(wanted)),
    ("%s: %s, not %s"):format(what, found, wanted))
end

local function compare_sessions(journeys, log, what)
  for i, timeout in ipairs(within) do
    local wanted = twin.sessions(journeys, ({ 40, 5400, 777600, 241920000 })[i] * SECOND)
    local found = log:sessions { timeout = timeout }
    for key, value in pairs(wanted) do near(value, found[key], what .. ": sessions: " .. key) end
  end
end

local function compare_transitions(journeys, log, what)
  local total, rows = twin.transitions(journeys, function(event) return event.event end)
  local found = log:transitions()
  assert(total == found.total, what .. ": transitions")
  for _, row in ipairs(found.rows) do
    local wanted = assert(rows[row.from .. " > " .. row.to], what)
    assert(row.count == wanted.count and row.users == wanted.users, what .. ": counts")
    near(wanted.median_seconds, row.median_seconds, what)
    near(wanted.p90_seconds, row.p90_seconds, what)
    rows[row.from .. " > " .. row.to] = nil
  end
  assert(next(rows) == nil, what .. ": pairs")
end

local function compare_retention(journeys, log, what)
  if not fits_days(log) then return end
  local function any() return true end
  for _, period in ipairs { "day", "week" } do
    local last = core.log.facts(log).last
    local wanted = twin.retention(journeys, { period = period, offsets = 6, start = any,
      returns = any, as_of = last })
    local found = log:retention { period = period, periods = 6 }
    for _, cohort in ipairs(found.cohorts) do
      for _, own in pairs(wanted) do
        if own.start == cohort.start then
          assert(own.users == cohort.users, what .. ": retention: users")
          for k = 1, 6 do
            assert(own.retained[k] == cohort.retained[k], what .. ": retention: retained")
            assert(own.observable[k] == cohort.observable[k], what .. ": retention: observable")
          end
          own.found = true
        end
      end
    end
    for _, own in pairs(wanted) do assert(own.found, what .. ": retention: cohorts") end
  end
end

-- Loose funnels by the definition: for every entry the earliest row of each next step.
local function naive_funnel(journey, steps, limit, ties, only_first)
  local best = 0
  for entry, first in ipairs(journey) do
    if first.event == steps[1] then
      local level, at = 1, entry
      while level < #steps do
        local following
        for j = 1, #journey do
          local e, now = journey[j], journey[at].time
          local after = ties == "strict" and e.time > now or ties == "any" and e.time >= now
            or ties == "as_recorded" and j > at
          if after and e.event == steps[level + 1] and e.time - first.time <= limit then
            following = j
            break
          end
        end
        if not following then break end
        level, at = level + 1, following
      end
      best = math.max(best, level)
      if only_first then break end
    end
  end
  return best
end

local seconds = { ["40s"] = 40, ["90m"] = 5400, ["9d"] = 777600, ["400w"] = 241920000 }

local function compare_funnels(journeys, log, what)
  for steps, options in funnels() do
    if has_events(log, steps) then
      local wanted = {}
      for i = 1, #steps do wanted[i] = 0 end
      for _, journey in pairs(journeys) do
        local level = naive_funnel(journey, steps, seconds[options.within] * SECOND, options.ties,
          options.entry == "first")
        for i = 1, level do wanted[i] = wanted[i] + 1 end
      end
      for i, step in ipairs(log:funnel(steps, options).steps) do
        if step.users ~= wanted[i] then
          error(("%s: funnel of %d, ties %s, within %s: step %d: %d, not %d"):format(what, #steps,
            options.ties, options.within, i, step.users, wanted[i]))
        end
      end
    end
  end
end

local function compare_counts(drawn, log, what)
  local frame, name = measured(log), core.log.names(log).events[1]
  local early, late, all = frame:column "early", frame:column "late", frame:column "all"
  for i, id in ipairs(frame:column "user") do
    local journey, counts, whole = drawn.journeys[id], { 0, 0 }, 0
    for _, event in ipairs(journey) do
      local since = event.time - journey[1].time
      local k = since < DAY and 1 or since < (1 << 32) * SECOND and 2
      if event.event == name then whole = whole + 1 end
      if event.event == name and k then counts[k] = counts[k] + 1 end
    end
    assert(counts[1] == early[i] and counts[2] == late[i] and whole == all[i],
      what .. ": counts of " .. id)
  end
end

describe("hostile logs", function()
  local threads

  before_each(function() threads = wp.threads() end)
  after_each(function()
    wp.threads(threads)
    core.instructions(3)
    core.read.chunk_bytes(0)
    os.remove(path)
  end)

  local from = tonumber(os.getenv "WAYPROOF_SEED") or 0 -- another one, other logs

  for part = 0, 2 do
    it("get the answers of naive loops, part " .. part, function()
      for seed = from + part * 8, from + part * 8 + 7 do
        local drawn = draw(seed)
        write(drawn)
        for level = 0, 3, 3 do
          core.instructions(level)
          local log, what = read(), ("seed %d, level %d"):format(seed, level)
          compare_sessions(drawn.journeys, log, what)
          compare_transitions(drawn.journeys, log, what)
          compare_retention(drawn.journeys, log, what)
          compare_funnels(drawn.journeys, log, what)
          compare_counts(drawn, log, what)
        end
      end
    end)
  end

  it("get the same answers on any processor, with any threads, chunks and store", function()
    for seed = from + 100, from + 105 do
      local drawn = draw(seed)
      write(drawn)
      wp.threads(1)
      local wanted = answers(read())
      for _, setting in ipairs { { 0, 2, 64 }, { 1, 3, 129 }, { 2, 7, 1000 }, { 3, 2, 4096 } } do
        core.instructions(setting[1])
        wp.threads(setting[2])
        core.read.chunk_bytes(setting[3])
        local what = ("seed %d, level %d, %d threads, chunks of %d"):format(seed,
          table.unpack(setting))
        local log = read()
        same(wanted, answers(log), what)
        assert(log:save(path .. ".way"))
        local stored <close> = assert(wp.open(path .. ".way"))
        same(wanted, answers(stored), what .. ", stored")
        os.remove(path .. ".way")
      end
      core.instructions(3)
      core.read.chunk_bytes(0)
    end
  end)

  it("put an event that is 2^32 - 1 units after the first into its period", function()
    local last = (1 << 32) - 1
    local rows = { { user = "b", event = "y", time = last } }
    for i, user in ipairs { "a", "c" } do
      rows[2 * i], rows[2 * i + 1] = { user = user, event = "x", time = 0 },
        { user = user, event = "y", time = last }
    end
    local log = assert(wp.read_rows(rows, { time_unit = "s" }))
    for _, later in ipairs { 0, 40 * 86400, 4 * 366 * 86400 } do
      local cohorts = log:retention { period = "month", periods = 12,
        as_of = (last + later) * SECOND }.cohorts
      assert.equal(2, #cohorts)
      assert.equal("1970-01-01T00:00:00Z", wp.date(cohorts[1].start))
      assert.equal("2106-02-01T00:00:00Z", wp.date(cohorts[2].start))
      assert.equal(1, cohorts[2].users)
    end
    local frame = assert(measure.run(log, { as_of_us = last * SECOND, columns = {
      { name = "before", metric = wp.count "y", window = { from_us = 0, to_us = last * SECOND } },
      { name = "upto", metric = wp.count "y",
        window = { from_us = 0, to_us = (last + 1) * SECOND } },
    } }))
    assert.same({ 1, 0, 0 }, frame:column "before")
    assert.same({ 1, 1, 1 }, frame:column "upto")
    assert.equal(2, log:funnel({ "x", "y" }, { within = last }).steps[2].users)
    assert.equal(0, log:funnel({ "x", "y" }, { within = last - 1 }).steps[2].users)
    assert.equal(3, log:sessions { timeout = last }.sessions)
    assert.equal(5, log:sessions { timeout = last - 1 }.sessions)
  end)
end)
