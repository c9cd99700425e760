-- The rules of five other tools, case by case, and the mistakes that their users found.
--
-- Expected levels follow each tool's documented rules: ClickHouse's windowFunnel without modes
-- (its source and documentation), PostHog's ordered and unordered funnels, Mixpanel's uniques,
-- Amplitude's "this order", "any order" and "exact order", retentioneering's funnel of all paths.
local golden = require "spec.golden"
local wp = require "wayproof"

local SECOND, DAY = 1000000, 86400

local function log_of(journeys)
  local rows = {}
  local ids = {}
  for id in pairs(journeys) do ids[#ids + 1] = id end
  table.sort(ids)
  for _, user in ipairs(ids) do
    for event, seconds, device in journeys[user]:gmatch "(%a+)(%d+)/?(%a*)" do
      rows[#rows + 1] = { user = user, event = event, time = tonumber(seconds) * SECOND,
        device = device ~= "" and device or nil }
    end
  end
  for _, name in ipairs { "a", "b", "c", "d", "x" } do
    rows[#rows + 1] = { user = "bystander", event = name, time = -1000 * SECOND, device = "none" }
  end
  return assert(wp.read_rows(rows, { time_unit = "us", properties = { "device" } }))
    :where { since = 0 }
end

local function level_of(text, steps, options)
  local found = log_of { u = text }:funnel(steps, options):users(1)
  return found[1] and found[1].level or 0
end

local far = 100 * DAY * SECOND -- a log that was watched for long enough
local ab, abc = { "a", "b" }, { "a", "b", "c" }

-- What, journey, steps, options, expected level by tool.
local cases = {
  { "two events of one instant, recorded backwards", "b5 a5", ab, {},
    { ours = 1, clickhouse = 2, posthog = 2, mixpanel = 2, amplitude = 2, retentioneering = 1 } },
  { "a second too early", "b4 a5", ab, {},
    { ours = 1, clickhouse = 1, posthog = 1, mixpanel = 2, amplitude = 1, retentioneering = 1 } },
  { "three seconds too early", "b2 a5", ab, {},
    { ours = 1, clickhouse = 1, posthog = 1, mixpanel = 1, amplitude = 1, retentioneering = 1 } },
  { "a second entry that makes it in time", "a0 a5 b9", ab, { within = 6 },
    { ours = 2, clickhouse = 2, posthog = 2, mixpanel = 1, amplitude = 2, retentioneering = 1 } },
  { "two days without a window said", ("a0 b%d"):format(2 * DAY), ab, {},
    { ours = 2, clickhouse = 2, posthog = 2, mixpanel = 2, amplitude = 1, retentioneering = 2 } },
  { "ten days without a window said", ("a0 b%d"):format(10 * DAY), ab, {},
    { ours = 2, clickhouse = 2, posthog = 2, mixpanel = 1, amplitude = 1, retentioneering = 2 } },
  { "twenty days without a window said", ("a0 b%d"):format(20 * DAY), ab, {},
    { ours = 2, clickhouse = 2, posthog = 1, mixpanel = 1, amplitude = 1, retentioneering = 2 } },
  { "the last moment of a window", "a0 b10", ab, { within = 10 },
    { ours = 2, clickhouse = 2, posthog = 2, mixpanel = 2, amplitude = 2, retentioneering = 2 } },
  { "an excluded event in between", "a0 x1 b2", ab, { exclude = "x" },
    { ours = 1, clickhouse = 1, posthog = 0, mixpanel = 1, amplitude = 1, retentioneering = 1 } },
  { "an excluded event, then a clean attempt", "a0 x1 b2 a3 b4", ab, { exclude = "x" },
    { ours = 2, clickhouse = 2, mixpanel = 1, amplitude = 2, retentioneering = 1 } },
  { "one event for two equal steps", "a0", { "a", "a" }, {},
    { ours = 1, clickhouse = 2, posthog = 1, mixpanel = 1, amplitude = 1, retentioneering = 1 } },
  { "two events of one instant for two equal steps", "a5 a5", { "a", "a" }, {},
    { ours = 2, clickhouse = 2, posthog = 2, mixpanel = 2, amplitude = 2, retentioneering = 2 } },
  { "another event in between, nothing else", "a0 x1 b2", ab, { order = "strict" },
    { ours = 1, posthog = 1, amplitude = 1 } },
  { "the later step first, in any order", "b0 a5", ab, { order = "any" },
    { ours = 2, posthog = 2, mixpanel = 2, amplitude = 1 } },
  { "no first step, in any order", "b0 c5", abc, { order = "any" },
    { ours = 2, posthog = 2, mixpanel = 2, amplitude = 0 } },
  { "a step taken again after a deeper one", "a0 b1 a2 c3", abc, {},
    { ours = 3, clickhouse = 3, posthog = 3, mixpanel = 3, amplitude = 3, retentioneering = 3 } },
}

local tools = { "amplitude", "clickhouse", "mixpanel", "ours", "posthog", "retentioneering" }

describe("the rules of other tools", function()
  for _, tool in ipairs(tools) do
    it("give the documented level: " .. tool, function()
      local lines = {}
      for _, case in ipairs(cases) do
        local wanted = case[5][tool]
        if wanted then
          local options = { as_of = far, semantics = tool ~= "ours" and tool or nil }
          for key, value in pairs(case[4]) do options[key] = value end
          local level = level_of(case[2], case[3], options)
          assert.equal(wanted, level, tool .. ": " .. case[1])
          lines[#lines + 1] = ("%d of %d  %-46s %s"):format(level, #case[3], case[1],
            case[2])
        end
      end
      golden.check("funnel_rules_" .. tool, table.concat(lines, "\n"))
    end)
  end

  local log

  setup(function()
    local journeys = {}
    for i = 1, 20 do journeys[("on%02d"):format(i)] = "a0 b60 c120" end
    for i = 1, 6 do journeys["tied" .. i] = "a0 c90 b90" end
    for i = 1, 4 do journeys["early" .. i] = "b0 a1 c90" end
    for i = 1, 5 do journeys["again" .. i] = "a0 a200000 b200060 c200120" end
    for i = 1, 3 do journeys["left" .. i] = "a0 x5 b60 c70" end
    for i = 1, 7 do journeys["gone" .. i] = "a0 b30" end
    for i = 1, 9 do journeys["none" .. i] = "d0" end
    log = log_of(journeys)
  end)

  for _, tool in ipairs(tools) do
    if tool ~= "ours" then
      it("are explained by the people that they count differently: " .. tool, function()
        local funnel = log:funnel(abc, { within = "1d", exclude = "x", as_of = far })
        local theirs = log:funnel(abc, { within = "1d", exclude = "x", as_of = far,
          semantics = tool })
        local comparison = funnel:explain(tool)
        assert.equal(theirs.converted, comparison.theirs.converted)
        assert.equal(funnel.converted, comparison.ours.converted)
        assert.equal(tool == "retentioneering" and theirs.people or theirs.entered,
          comparison.theirs.base)
        golden.check("funnel_explain_" .. tool, tostring(comparison))
      end)
    end
  end

  it("differ from themselves in nothing", function()
    local theirs = log:funnel(abc, { semantics = "mixpanel", as_of = far })
    assert.equal(0, #theirs:explain "mixpanel".differences)
  end)

  it("are refused where a tool has no such order", function()
    for tool, order in pairs { clickhouse = "strict", mixpanel = "strict",
      retentioneering = "any" } do
      local ok, message = pcall(function()
        log:funnel(abc, { semantics = tool, order = order })
      end)
      assert.is_false(ok)
      assert.is_truthy(message:find("as " .. tool .. " counts", 1, true), message)
    end
  end)
end)

-- One case per report, named after the symptom.
describe("what users of other tools found", function()
  it("one event is not counted for two steps (ClickHouse #21835, #93789)", function()
    assert.equal(1, level_of("a5", { { "a", "b" }, { "a", "c" } }, {}))
    assert.equal(1, level_of("a5", { { "a", "b" }, { "a", "c" } }, { ties = "any" }))
    assert.equal(2, level_of("a5", { { "a", "b" }, { "a", "c" } }, { semantics = "clickhouse" }))
  end)

  it("events of one instant do not count where later ones are asked for (ClickHouse #21835)",
    function()
      assert.equal(1, level_of("a5 b5", ab, { ties = "strict" }))
    end)

  it("ties do not hide a chain that exists (ClickHouse #52844)", function()
    assert.equal(2, level_of("a1 b1 b2", ab, { ties = "strict" }))
    assert.equal(2, level_of("a1 a2 b2", ab, { ties = "strict" }))
    assert.equal(4, level_of("a1 b2 a2 b3", { "a", "b", "a", "b" }, {}))
    assert.equal(3, level_of("a1 b2 a2 b3", { "a", "b", "b" }, { ties = "strict" }))
  end)

  it("a repeated step does not stop a chain (ClickHouse #37177, #40263, #58711)", function()
    assert.equal(3, level_of("a0 b1 b2 c3", abc, {}))
    assert.equal(3, level_of("a0 a1 b2 a3 b4 c5", abc, {}))
    assert.equal(4, level_of("a0 b1 c2 c3 a4 d5", { "a", "b", "c", "d" }, {}))
  end)

  it("equal steps need as many events (ClickHouse #34986)", function()
    local aaa = { "a", "a", "a" }
    assert.equal(1, level_of("a0", aaa, {}))
    assert.equal(2, level_of("a0 a1", aaa, {}))
    assert.equal(3, level_of("a0 a1 a2", aaa, {}))
    assert.equal(2, level_of("a0 a1 a9", aaa, { within = 5 }))
  end)

  it("a new first step does not take an older chain away (ClickHouse PR #9938)", function()
    assert.equal(3, level_of("a0 b1 a2 c3", abc, { within = 3 }))
    assert.equal(2, level_of("a0 b1 a2 c3", abc, { within = 2 }))
  end)

  it("A, B, C, A, B, D has times that never fall (ClickHouse PR #79636, #63732)", function()
    local log = log_of { u = "a0 b1 c2 a3 b4 d5" }
    local winner = log:funnel({ "a", "b", "c", "d" }, {}):users(1)[1]
    assert.same({ 0, SECOND, 2 * SECOND, 5 * SECOND }, winner.times)
    local found = log:funnel({ "a", "b", "d" }, {})
    assert.same({ 3 * SECOND, 4 * SECOND, 5 * SECOND }, found:users(1)[1].times)
    for _, step in ipairs(found.steps) do assert.is_true(step.median_step_seconds >= 0) end
  end)

  it("later steps never have more people (ClickHouse #51079)", function()
    local found = log_of { u = "a0 c1", v = "a0 b1 c2", w = "c0 b1" }:funnel(abc)
    assert.same({ 2, 1, 1 }, { found.steps[1].users, found.steps[2].users, found.steps[3].users })
  end)

  it("the same question has the same answer (ClickHouse #12596)", function()
    local journeys = {}
    for i = 1, 500 do journeys["u" .. i] = "a5 b5 c5 a6 b6 c6" end
    local first = log_of(journeys):funnel(abc, { within = 1 }):json()
    for _ = 1, 3 do assert.equal(first, log_of(journeys):funnel(abc, { within = 1 }):json()) end
  end)

  it("people who skipped a step can be found (ClickHouse #3675)", function()
    local log = log_of { u = "a0 c2", v = "a0 b1 c2" }
    local found = log:funnel({ "a", { events = "b", optional = true }, "c" })
    assert.equal(2, found.converted)
    assert.same({ "v" }, { found:users(2)[1].user })
    assert.is_nil(found:users(3)[1].events[2] and found:users(3)[2].events[2])
  end)

  it("a repeated event with equal times is counted fully (PostHog #25048)", function()
    assert.equal(3, level_of("a5 a5 b5", { "a", "a", "b" }, { semantics = "posthog" }))
    assert.equal(3, level_of("b5 a5 a5", { "a", "a", "b" }, { semantics = "posthog" }))
    assert.equal(3, level_of("a5 a5 a5", { "a", "a", "a" }, { semantics = "posthog" }))
    assert.equal(2, level_of("a5 a5", { "a", "a", "a" }, { semantics = "posthog" }))
  end)

  it("the list of people follows the order that was asked for (PostHog #7058)", function()
    local log = log_of { u = "a0 x1 b2", v = "a0 b2", w = "b0 a2" }
    for order, wanted in pairs { strict = 1, loose = 2, any = 3 } do
      local found = log:funnel(ab, { order = order })
      assert.equal(wanted, found.converted)
      assert.equal(wanted, #found:users(2))
    end
  end)

  it("the number that dropped is the number on the list (PostHog #32772)", function()
    local log = log_of { u = "a0", v = "a0 b1", w = "a0 b1 c2", x = "a95", y = "x100" }
    local found = log:funnel(abc, { within = 10 })
    for i = 1, 2 do
      assert.equal(found.steps[i].dropped, #found:dropped(i))
      assert.equal(found.steps[i].pending, #found:pending_users(i))
      assert.equal(found.steps[i].users, #found:users(i))
      assert.equal(found.steps[i].users - found.steps[i + 1].users,
        found.steps[i].dropped + found.steps[i].pending)
    end
  end)

  it("two steps in one second convert, and the exit is the last row (Rybbit #1133)", function()
    local log = log_of { u = "a5 b5", v = "a9 b9" }
    assert.equal(1.0, log:funnel(ab).rate)
    assert.same({ "a", "b" }, { table.unpack(log:paths().sequences[1].events) })
    assert.equal(1.0, log:dwell().rows[2].end_rate)
    assert.equal("b", log:dwell().rows[2].event)
  end)

  it("events of one instant keep their order in transitions (pm4py #481)", function()
    local found = log_of { u = "b5 a5 c5" }:transitions()
    assert.same({ "a", "c" }, { found.rows[1].from, found.rows[1].to })
    assert.same({ "b", "a" }, { found.rows[2].from, found.rows[2].to })
  end)

  it("going back after a deeper step takes nothing away (retentioneering 5.2)", function()
    assert.equal(3, level_of("a0 b1 c2 b3 a4", abc, { semantics = "retentioneering" }))
  end)

  it("an event tied with the end of a path ends it (retentioneering 5.2)", function()
    local found = log_of { u = "a0 b5 c5" }:paths { finish = "c" }
    assert.same({ "a", "b", "c" }, { table.unpack(found.sequences[1].events) })
  end)

  it("paths around an event end at a gap, on its side only (retentioneering 5.2)", function()
    local log = log_of { u = "a0 b100 c105 d300" }
    assert.same({ "b", "c" },
      { table.unpack(log:paths { start = "b", within = 10 }.sequences[1].events) })
    assert.same({ "b", "c" },
      { table.unpack(log:paths { finish = "c", within = 10 }.sequences[1].events) })
  end)
end)
