-- Funnels against every chain: random journeys with many ties, every combination of rules.
local flow_made = require "spec.flow_made"
local made = require "spec.made"
local twin = require "spec.twin_flow"
local wp = require "wayproof"

local SECOND = 1000000
local names = { "a", "b", "c", "d", "e" }

local function is_one_of(list, device)
  return function(event)
    for _, name in ipairs(list) do
      if event.event == name then return not device or event.device == device end
    end
    return false
  end
end

-- A random funnel, as the public options and as the twin's rules.
local function draw(random)
  local function chance(p) return random.uniform() < p end
  local function pick(list) return list[1 + math.floor(random.uniform() * #list)] end
  local order = pick { "loose", "loose", "loose", "strict", "any" }
  local given, rules = { order = order }, { order = order, steps = {} }
  local steps = {}
  local shared, count = chance(0.4), 2 + math.floor(random.uniform() * 3)
  for i = 1, count do
    local list = { shared and pick(names) or names[i] }
    if shared and chance(0.3) then list[2] = pick(names) end
    local filtered = chance(0.15)
    local step = { events = list, where = filtered and { device = "x" } or nil }
    local rule = { is = is_one_of(list, filtered and "x" or nil), named = is_one_of(list) }
    if order ~= "any" and i > 1 then
      if i < count and chance(0.2) then step.optional, rule.optional = true, true end
      if chance(0.15) then step.after, rule.gap_min = 2, 2 * SECOND end
      if chance(0.15) then step.within, rule.gap_max = 5, 5 * SECOND end
    end
    steps[i], rules.steps[i] = step, rule
  end
  if chance(0.7) then
    given.within = math.floor(random.uniform() * 20)
    rules.within = given.within * SECOND
  end
  given.entry = pick { "any", "any", "first", "latest" }
  given.ties = pick { "as_recorded", "any", "strict" }
  if order == "strict" and given.ties == "any" then given.ties = "as_recorded" end
  rules.entry, rules.ties = given.entry, given.ties
  if given.ties == "any" and not shared and order == "loose" and chance(0.4) then
    given.grace, rules.grace = 2, 2 * SECOND
  end
  if order ~= "any" and chance(0.3) then
    local event, filtered = pick(names), chance(0.3)
    local after = 1 + math.floor(random.uniform() * (count - 1))
    local before = after + 1 + math.floor(random.uniform() * (count - after))
    local whole_user = chance(0.4)
    given.exclude = { { event, between = { after, before }, where = filtered and { device = "x" }
      or nil, scope = whole_user and "user" or "attempt" } }
    rules.exclusions = { { is = is_one_of({ event }, filtered and "x" or nil), after = after,
      before = before, whole_user = whole_user } }
  end
  if chance(0.2) then given.hold, rules.hold = "device", "device" end
  return steps, given, rules
end

local function describe_case(seed, steps, given)
  local show = require "wayproof.show"
  return string.format("seed %d, steps %s, options %s", seed, show.source(steps),
    show.source(given))
end

-- The core's winners by user.
local function winners(log, steps, given)
  local result = log:funnel(steps, given)
  local list = {}
  for _, sequence in ipairs(result:users(1)) do list[sequence.user] = sequence end
  return result, list
end

local function first_and_last(sequence, count)
  local first, last
  for k = 1, count do
    local time = sequence.times[k]
    if time then
      first = math.min(first or time, time)
      last = math.max(last or time, time)
    end
  end
  return first, last
end

local function compare(journeys, result, found, steps, rules, what)
  local counts, excluded, pending, closed = {}, 0, 0, 0
  for i = 1, #steps do counts[i] = 0 end
  for id, journey in pairs(journeys) do
    local wanted = twin.funnel(journey, rules)
    local sequence = found[id]
    if wanted.excluded then
      excluded = excluded + 1
      wanted = { level = 0 }
    end
    local level = sequence and sequence.level or 0
    assert(wanted.level == level, string.format("%s: %s: level %d, not %d", what, id, level,
      wanted.level))
    if sequence then
      assert(twin.is_chain(sequence, rules, #steps), what .. ": " .. id .. ": not a chain")
      local _, last = first_and_last(sequence, #steps)
      if not rules.grace then
        assert(last == wanted.completed, what .. ": " .. id .. ": another completion")
        if rules.order ~= "any" then
          assert(sequence.times[1] == wanted.entered, what .. ": " .. id .. ": another entry")
        end
      end
      assert(sequence.pending == wanted.pending, string.format("%s: %s: pending %s", what, id,
        tostring(sequence.pending)))
      if wanted.pending then pending = pending + 1 end
      if not wanted.open then closed = closed + 1 end
      for k = 1, wanted.level do
        if rules.order == "any" or not rules.steps[k].optional or sequence.times[k] then
          counts[k] = counts[k] + 1
        end
      end
    end
  end
  for k, step in ipairs(result.steps) do
    assert(counts[k] == step.users, string.format("%s: step %d: %d users, not %d", what, k,
      step.users, counts[k]))
  end
  assert(excluded == result.excluded, what .. ": excluded")
  assert(pending == result.pending, what .. ": pending")
  assert(closed == result.observable, what .. ": observable")
end

-- Users of the bystander, who made all names known, are left out.
local function without_bystander(log)
  return log:where { since = flow_made.start_us }
end

describe("funnels by every chain", function()
  for _, seed in ipairs { 1, 2, 3, 4 } do
    it("agree with the twin on random journeys, seed " .. seed, function()
      for round = 1, 60 do
        local case = seed * 1000 + round
        local log, journeys, random = flow_made.log(case, { users = 12, events = 9, names = names })
        local view = without_bystander(log)
        local steps, given, rules = draw(random)
        given.as_of = flow_made.start_us + math.floor(random.uniform() * 30) * SECOND + 60 * SECOND
        -- some logs are still running when they end
        if random.uniform() < 0.5 then
          given.as_of = flow_made.start_us + math.floor(25 + random.uniform() * 30) * SECOND
        end
        rules.as_of = given.as_of
        local seen = {}
        for id, journey in pairs(journeys) do
          seen[id] = {}
          for _, event in ipairs(journey) do
            if event.time <= given.as_of then table.insert(seen[id], event) end
          end
        end
        local what = describe_case(case, steps, given)
        local result, found = winners(view, steps, given)
        compare(seen, result, found, steps, rules, what)
      end
    end)
  end

  it("give one row to one step whatever the order, exactly", function()
    -- only tied moments of ambiguous rows: where a greedy search goes wrong
    local random = made.random(77)
    for round = 1, 150 do
      local log, journeys = flow_made.log(5000 + round,
        { users = 6, events = 7, names = { "a", "b" }, gap = 1 })
      local rules = { order = "loose", ties = "any", entry = "any", steps = {},
        within = 6 * SECOND, as_of = flow_made.start_us + 1000 * SECOND }
      local steps = {}
      for i = 1, 4 do
        local list = random.uniform() < 0.5 and { "a", "b" } or { random.uniform() < 0.5 and "a"
          or "b" }
        local optional = i > 1 and i < 4 and random.uniform() < 0.25 or nil
        steps[i] = { events = list, optional = optional }
        rules.steps[i] = { is = is_one_of(list), optional = optional }
      end
      local given = { ties = "any", within = 6, as_of = rules.as_of }
      local result, found = winners(without_bystander(log), steps, given)
      compare(journeys, result, found, steps, rules, describe_case(round, steps, given))
    end
  end)

  it("let one row serve several steps only where a preset says so", function()
    local random = made.random(78)
    for round = 1, 60 do
      local log, journeys = flow_made.log(7000 + round,
        { users = 8, events = 7, names = { "a", "b", "c" }, gap = 2 })
      local rules = { order = "loose", ties = "any", entry = "any", reuse = true, steps = {},
        within = 5 * SECOND, as_of = flow_made.start_us + 1000 * SECOND }
      local steps = {}
      for i = 1, 3 do
        local list = { "a", random.uniform() < 0.5 and "b" or "c" }
        steps[i] = list
        rules.steps[i] = { is = is_one_of(list) }
      end
      local given = { semantics = "clickhouse", within = 5, as_of = rules.as_of }
      local result, found = winners(without_bystander(log), steps, given)
      compare(journeys, result, found, steps, rules, describe_case(round, steps, given))
    end
  end)

  it("are the same for 1, 2 and 8 threads", function()
    local log = flow_made.log(9, { users = 400, events = 20, names = names })
    local threads, wanted = wp.threads(), {}
    for round = 1, 20 do
      local steps, given = draw(made.random(900 + round))
      for _, n in ipairs { 1, 2, 8 } do
        wp.threads(n)
        local text = log:funnel(steps, given):json()
        wanted[round] = wanted[round] or text
        assert.equal(wanted[round], text)
      end
    end
    wp.threads(threads)
  end)
end)
