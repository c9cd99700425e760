-- Paths: against the naive twin, forwards and backwards, and their cycles.
local flow_made = require "spec.flow_made"
local twin = require "spec.twin_flow"
local wp = require "wayproof"

local SECOND = 1000000
local names = { "a", "b", "c", "d" }

local function by_name(event) return event.event end

local function check(log, journeys, given, rules, what)
  given.top = 100000
  local found = log:paths(given)
  local wanted = twin.paths(journeys, rules)
  assert(found.users == wanted.users, what .. ": users")
  local left, last = found.distinct, math.maxinteger
  for _, sequence in ipairs(found.sequences) do
    local key = table.concat(sequence.events, " > ")
    assert(wanted.sequences[key] == sequence.users, what .. ": " .. key)
    assert(sequence.share == sequence.users / found.users, what)
    assert(sequence.users <= last, what .. ": order")
    left, last = left - 1, sequence.users
  end
  assert(left == 0, what .. ": distinct")
  for name, shares in pairs(wanted.matrix) do
    for k = 1, rules.steps do
      assert((shares[k] or 0) / wanted.users == found.matrix[name][k],
        string.format("%s: %s at step %d", what, name, k))
    end
  end
  for name in pairs(found.matrix) do assert(wanted.matrix[name], what .. ": " .. name) end
  return found
end

-- Cycles by looking at every place of every person's path.
local function check_cycles(found, what)
  local counts, people = {}, {}
  for _, sequence in ipairs(found.sequences) do
    local events, seen = sequence.events, {}
    for i = 1, #events do
      for length = 1, 3 do
        if events[i + length] == events[i] then
          local key = table.concat(events, " > ", i, i + length)
          counts[key] = (counts[key] or 0) + sequence.users
          if not seen[key] then people[key] = (people[key] or 0) + sequence.users end
          seen[key] = true
          break
        end
      end
    end
  end
  for _, cycle in ipairs(found.cycles) do
    assert(counts[cycle.path] == cycle.count, what .. ": " .. cycle.path)
    assert(people[cycle.path] == cycle.users, what .. ": users of " .. cycle.path)
    counts[cycle.path] = nil
  end
  assert(next(counts) == nil, what .. ": cycles")
end

describe("paths", function()
  local stages = wp.stages { { "x", "a", where = { device = "x" } }, { "rest", "a", "b" } }
  local function by_stage(event)
    if event.event == "a" and event.device == "x" then return "x" end
    return (event.event == "a" or event.event == "b") and "rest" or nil
  end

  it("agree with the twin, whatever the anchor", function()
    for seed = 1, 60 do
      local log, journeys = flow_made.log(seed, { users = 30, events = 9, names = names })
      log = log:where { since = flow_made.start_us }
      local what, steps = "seed " .. seed, 1 + seed % 7
      local function anchor(event) return event.event == "b" end
      check_cycles(check(log, journeys, { steps = steps }, { steps = steps, class = by_name },
        what), what)
      check(log, journeys, { steps = steps, start = "b", within = 3 },
        { steps = steps, class = by_name, anchor = anchor, within = 3 * SECOND },
        what .. " from b")
      check_cycles(check(log, journeys, { steps = steps, finish = "b", merge_repeats = true },
        { steps = steps, class = by_name, anchor = anchor, backwards = true, merge = true },
        what .. " to b"), what)
      check(log, journeys, { steps = steps, stages = stages },
        { steps = steps, class = by_stage }, what .. " by stage")
    end
  end)

  it("end at the last event of a person, and say so", function()
    local log = assert(wp.read_rows { { user = "u", event = "a", time = 1 },
      { user = "v", event = "a", time = 1 }, { user = "v", event = "b", time = 2 } })
    local found = log:paths { steps = 2 }
    assert.same({ 0.0, 0.5 }, { table.unpack(found.matrix["(over)"]) })
    assert.same({ 1.0, 0.0 }, { table.unpack(found.matrix.a) })
  end)

  it("keep tied events in the order of the source, at the end of a path too", function()
    local log = assert(wp.read_rows { { user = "u", event = "a", time = 1 },
      { user = "u", event = "leave", time = 5 }, { user = "u", event = "after", time = 5 } })
    assert.same({ "a", "leave", "after" }, { table.unpack(log:paths().sequences[1].events) })
    assert.same({ "a", "leave" },
      { table.unpack(log:paths { finish = "leave" }.sequences[1].events) })
  end)
end)
