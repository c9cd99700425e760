-- The language of hypotheses: selectors, filters, metrics, outcomes, stages as immutable data.
local wp = require "wayproof"
local metric = require "wayproof.metric"
local outcome = require "wayproof.outcome"
local object = require "wayproof.object"
local select_events = require "wayproof.select"
local golden = require "spec.golden"

-- The message of a call that must raise, without its position.
local function message_of(call, ...)
  local done, message = pcall(call, ...)
  assert.is_false(done, "it did not raise")
  return (tostring(message):gsub("^[^\n]-%.lua:%d+: ", ""))
end

local function here() return debug.getinfo(2, "l").currentline end

describe("a selector", function()
  it("is the same for a name and a list of that name", function()
    local plain = object.plain
    assert.same(plain(select_events.selector "a"), plain(select_events.selector { "a" }))
  end)

  it("sorts names and drops repeats", function()
    local selector = select_events.selector { "faq", "compare", "faq" }
    assert.same({ names = { "compare", "faq" } }, object.plain(selector))
  end)

  it("takes a table with named entries as a filter", function()
    assert.same({ filter = { { column = "channel", test = "in", values = { "ads" } } } },
      object.plain(select_events.selector { channel = "ads" }))
  end)

  it("is every event without arguments", function()
    assert.same({}, object.plain(select_events.selector()))
  end)

  it("resolves patterns to the names that fit as a whole, special characters included", function()
    local selector = select_events.selector { "W_*", "a.b*" }
    local resolved = select_events.resolved(selector, { "W_1", "xW_2", "W_", "a.b", "axb", "a.bc" })
    assert.same({ "W_", "W_1", "a.b", "a.bc" }, object.plain(resolved).names)
  end)

  it("knows which names it has, except what it excludes", function()
    local narrowed = select_events.new { names = { "W_*" },
      except = { select_events.selector "W_1" } }
    assert.is_true(select_events.has_event(narrowed, "W_2"))
    assert.is_false(select_events.has_event(narrowed, "W_1"))
    assert.is_false(select_events.has_event(narrowed, "A"))
    assert.is_true(select_events.has_event(select_events.selector(), "A"))
  end)

  it("refuses an empty list, mixed tables, two filters and other types", function()
    assert.matches("an empty list", message_of(wp.count, {}), 1, true)
    assert.matches("names and conditions in one table",
      message_of(wp.count, { "compare", device = "mobile" }), 1, true)
    assert.matches("two filters", message_of(wp.count, { a = 1 }, { b = 1 }), 1, true)
    assert.matches("count: events: 3 (expected an event name", message_of(wp.count, 3), 1, true)
    assert.matches("a metric (expected", message_of(wp.count, wp.count()), 1, true)
    assert.matches("an empty name", message_of(wp.count, ""), 1, true)
    assert.matches("list of event names", message_of(wp.count, { "a", 3 }), 1, true)
  end)
end)

describe("a filter", function()
  local function plain(filter) return object.plain(select_events.filter(filter, "where")) end

  it("is a list of conditions sorted by column, with sorted values", function()
    assert.same({
      { column = "channel", test = "in", values = { "ads", "mail" } },
      { column = "device", test = "in", values = { "mobile" } },
      { column = "value", test = "range", low = 100, low_open = true },
    }, plain { value = wp.above(100), device = "mobile", channel = { "mail", "ads", "mail" } })
  end)

  it("says below, between and is_not", function()
    assert.same({ { column = "v", test = "range", high = 1.5, high_open = true } },
      plain { v = wp.below(1.5) })
    assert.same({ { column = "v", test = "range", low = 1, high = 2 } },
      plain { v = wp.between(1, 2) })
    assert.same({ { column = "v", test = "in", values = { "x" }, negated = true } },
      plain { v = wp.is_not "x" })
    assert.same({ { column = "v", test = "range", low = 3, low_open = true, negated = true } },
      plain { v = wp.is_not(wp.above(3)) })
    assert.same({ { column = "v", test = "in", values = { "x" } } },
      plain { v = wp.is_not(wp.is_not "x") })
  end)

  it("reaches properties with the names of options through `properties`", function()
    assert.same({ { column = "since", test = "in", values = { "2020" } } },
      plain { properties = { since = "2020" } })
  end)

  it("keeps whole numbers whole and orders numbers, texts and booleans", function()
    assert.same({ { column = "v", test = "in", values = { 2, 10, "a", true } } },
      plain { v = { "a", 10.0, true, 2 } })
  end)

  it("is nothing when empty", function()
    assert.is_nil(select_events.filter({}, "where"))
    assert.is_nil(select_events.filter(nil, "where"))
  end)

  it("refuses values that cannot be compared", function()
    assert.matches("filter: device: a function", message_of(wp.count, "a", { device = print }), 1,
      true)
    assert.matches("an empty list", message_of(wp.count, "a", { device = {} }), 1, true)
    assert.matches("expected a list", message_of(wp.count, "a", { device = { x = 1 } }), 1, true)
    assert.matches("filter: price: %-?nan", message_of(wp.count, "a", { price = 0 / 0 }))
    assert.matches("low, high", message_of(wp.between, 2, 1), 1, true)
    assert.matches("above: '3' (expected a number)", message_of(wp.above, "3"), 1, true)
  end)
end)

describe("a metric", function()
  local stages = wp.stages { { "discover", "landing", "search" }, { "compare", "faq" }, "buy" }

  it("is plain data under its kind", function()
    assert.same({ kind = "count", selector = { names = { "a" } } }, object.plain(wp.count "a"))
    assert.same({ kind = "sum", column = "price", selector = {
      names = { "a" }, filter = { { column = "b", test = "in", values = { 1 } } } } },
      object.plain(wp.sum("a", "price", { b = 1 })))
    assert.same({ kind = "mean", selector = { filter = { { column = "b", test = "in",
      values = { 1 } } } } }, object.plain(wp.mean { b = 1 }))
    assert.same(object.plain(wp.max("a", nil, { b = 1 })), object.plain(wp.max("a", { b = 1 })))
    assert.same({ kind = "sessions", timeout_us = 1800000000 }, object.plain(wp.sessions()))
    assert.same(object.plain(wp.sessions "1h"), object.plain(wp.sessions { timeout = 3600 }))
    assert.same({ kind = "matches", within_us = 86400000000,
      steps = { { names = { "a" } }, { names = { "b", "c" } } } },
      object.plain(wp.matches({ "a", { "c", "b" } }, { within = "1d" })))
    assert.same({ kind = "active_days" }, object.plain(wp.active_days { zone = "UTC" }))
    assert.equal(2, wp.hesitation(stages, "compare").stage)
  end)

  it("combines with numbers and metrics", function()
    local a, b = wp.count "a", wp.count "b"
    for kind, made in pairs { add = a + b, subtract = a - b, multiply = a * b, divide = a / b } do
      assert.equal(kind, made.kind)
      assert.equal("a", made.left.selector.names[1])
      assert.equal("b", made.right.selector.names[1])
    end
    assert.same({ kind = "constant", number = 2 }, object.plain((2 * a).left))
    assert.equal("multiply", (-a).kind)
    assert.matches("expected a metric or a number", message_of(function() return a + "1" end), 1,
      true)
    assert.matches("metric //: metrics combine with + - * /",
      message_of(function() return a // 2 end), 1, true)
  end)

  it("has no order, and says what to use", function()
    local a = wp.count "a"
    for _, compare in ipairs { function() return a < 3 end, function() return 3 <= a end,
      function() return a > a end } do
      assert.matches("use :at_least(n)", message_of(compare), 1, true)
    end
  end)

  it("cannot be changed, nor can anything below it", function()
    local m = wp.count { "a", "b" } + wp.count("c", { d = "e" })
    assert.matches("immutable", message_of(function() m.kind = "x" end))
    assert.matches("immutable", message_of(function() m.left.selector.names[1] = "x" end))
    assert.matches("immutable", message_of(function() m.extra = 1 end))
    assert.matches("immutable", message_of(function() m.right.selector.filter[1].column = "x" end))
    assert.matches("immutable", message_of(function() table.insert(m.left.selector.names, "x") end))
    assert.equal("a", m.left.selector.names[1])
  end)

  it("does not take over the caller's tables", function()
    local events, filter = { "a" }, { channel = { "ads" } }
    local m = wp.count(events, filter)
    events[1], events[2], filter.channel[1] = "z", "y", "mail"
    assert.equal("number of a events where channel is ads", tostring(m))
  end)

  it("is binary by construction only where every value is 0 or 1", function()
    local m = wp.count "a"
    for _, binary in ipairs { wp.did "a", m:at_least(3), wp.did "a" * m:at_least(1),
      m:at_least(1):default(0), wp.did "a":capped(1) } do
      assert.is_true(metric.is_binary(binary))
    end
    for _, other in ipairs { m, wp.did "a" + wp.did "b", m:at_least(1):default(0.5), -wp.did "a",
      wp.log1p(wp.did "a"), wp.did "a":capped(0.5) } do
      assert.is_false(metric.is_binary(other))
    end
  end)

  it("lists the selectors that can move it, and says when it cannot know", function()
    local function names(m)
      local list, complete = metric.selectors(m)
      local out = {}
      for i, selector in ipairs(list) do
        out[i] = selector.names and table.concat(selector.names, "+") or "*"
      end
      return table.concat(out, " "), complete
    end
    assert.equal("a b+c", (names(wp.count "a" / wp.log1p(wp.sum { "b", "c" }))))
    assert.equal("a b", (names(wp.time_between("a", "b"))))
    assert.equal("a b", (names(wp.matches { "a", "b" })))
    assert.equal("*", (names(wp.active_days())))
    assert.equal("", (names(wp.attribute "seats")))
    assert.equal("landing+search faq buy", (names(wp.depth(stages))))
    assert.same({ "x", true }, { names(wp.custom("f", print, { events = "x" })) })
    assert.same({ "*", false }, { names(wp.custom("f", print)) })
  end)

  it("takes the events of a custom metric as a list or by name", function()
    local one = wp.custom("f", print, { "b", "a" })
    assert.same({ "a", "b" }, object.plain(one.events).names)
    local two = wp.custom("f", print, { events = { "a", "b" } })
    assert.equal(tostring(one.events), tostring(two.events))
  end)

  it("refuses wrong arguments with what was expected", function()
    local cases = {
      { "unknown option 'timout' (did you mean 'timeout'?)", wp.sessions, { timout = "1h" } },
      { "sessions: timeout: '1x' (expected a duration", wp.sessions, { timeout = "1x" } },
      { "sessions: timeout: 0", wp.sessions, { timeout = 0 } },
      { "takes no arguments", wp.pace, "a" },
      { "expected stages made by wp.stages", wp.depth, { "a" } },
      { "unknown stage 'compere' (did you mean 'compare'?)", wp.hesitation, stages, "compere" },
      { "is the last one", wp.hesitation, stages, "buy" },
      { "expected a list of steps", wp.matches, "a" },
      { "matches: step 2", wp.matches, { "a", 3 } },
      { "unknown option 'withn' (did you mean 'within'?)", wp.matches, { "a" }, { withn = 1 } },
      { "custom: 3 (expected a function", wp.custom, "f", 3 },
      { "custom: name", wp.custom, print },
      { "distinct: nothing (expected a property name", wp.distinct },
      { "time_between: second: nothing", wp.time_between, "a" },
      { "expected the name of a number column", wp.sum, "a", 3 },
      { "log1p: 3 (expected a metric", wp.log1p, 3 },
      { "an outcome (expected a metric", wp.log1p, wp.converts "a" },
      { "a function (expected a metric: call it", wp.log1p, wp.count },
      { "at_least: 'x' (expected a number)", function() return wp.count():at_least("x") end },
      { "named: nothing (expected a title)", function() return wp.count():named() end },
    }
    for _, case in ipairs(cases) do
      assert.matches(case[1], message_of(table.unpack(case, 2)), 1, true)
    end
  end)
end)

describe("an outcome", function()
  it("fills in its defaults", function()
    assert.same({ kind = "converts", scale = "binary", at_least = 1,
      selector = { names = { "buy" } } }, object.plain(wp.converts "buy"))
    assert.same({ kind = "retained", scale = "binary", at_least = 1, from_us = 0, selector = {} },
      object.plain(wp.retained()))
    assert.same({ kind = "earns", scale = "numeric", column = "tax",
      selector = { names = { "buy" } } }, object.plain(wp.earns("buy", "tax")))
    assert.equal("time", wp.accelerates "buy".scale)
    assert.equal("binary", wp.outcome(wp.did "buy").scale)
    assert.equal("numeric", wp.outcome(wp.count "buy").scale)
  end)

  it("tells its options from a filter", function()
    local made = wp.converts("buy", { at_least = 2, channel = "ads" })
    assert.equal(2, made.at_least)
    assert.equal("channel", made.selector.filter[1].column)
    local alone = wp.converts { at_least = 2, channel = "ads" }
    assert.is_nil(alone.selector.names)
    assert.equal(2, alone.at_least)
  end)

  it("takes the events of retained as a name, in place, or by name", function()
    local one = wp.retained { "login", from = "7d", to = "14d" }
    local two = wp.retained { events = "login", from = "7d", to = "14d" }
    assert.equal(one:fingerprint(), two:fingerprint())
    assert.equal(wp.retained "login":fingerprint(), wp.retained { "login" }:fingerprint())
  end)

  it("refuses wrong arguments with what was expected", function()
    local cases = {
      { "unknown option 'atleast' (did you mean 'at_least'?)", wp.converts, "a", { atleast = 2 } },
      { "at_least: 0", wp.converts, "a", { at_least = 0 } },
      { "converts: nothing (expected the events that count", wp.converts },
      { "accelerates: nothing", wp.accelerates },
      { "is not after from", wp.retained, { from = "7d", to = "7d" } },
      { "unknown option 'form' (did you mean 'from'?)", wp.retained, { form = "7d" } },
      { "named twice", wp.retained, { "a", events = "b" } },
      { "outcome: an outcome (expected a metric", wp.outcome, wp.converts "a" },
    }
    for _, case in ipairs(cases) do
      assert.matches(case[1], message_of(table.unpack(case, 2)), 1, true)
    end
  end)

  it("lists its selectors", function()
    assert.equal("a", outcome.selectors(wp.converts "a")[1].names[1])
    assert.equal("b", outcome.selectors(wp.outcome(wp.count "b"))[1].names[1])
  end)
end)

describe("stages", function()
  it("keep their order, names and events", function()
    local stages = wp.stages { { "discover", "search", "landing" }, "buy" }
    assert.equal(2, #stages)
    assert.equal("discover", stages[1].name)
    assert.same({ "landing", "search" }, object.plain(stages[1].selector).names)
    assert.same({ "buy" }, object.plain(stages[2].selector).names)
    assert.same({ "discover", "buy" }, stages:names())
    assert.is_nil(stages[3])
  end)

  it("refuse repeats and odd entries", function()
    assert.matches("two stages are called 'a'",
      message_of(wp.stages, { { "a", "x" }, { "a", "y" } }))
    assert.matches("event 'x' is in 'a' and in 'b'",
      message_of(wp.stages, { { "a", "x" }, { "b", "x" } }))
    assert.matches("an empty list", message_of(wp.stages, {}))
    assert.matches("stage 2: 3", message_of(wp.stages, { "a", 3 }))
    assert.matches("expected a list of stages", message_of(wp.stages, "a"))
    assert.matches("immutable", message_of(function() wp.stages { "a" }[1] = nil end))
  end)
end)

describe("an error", function()
  it("blames the line of the caller, through operators and methods too", function()
    local m, line = wp.count "a", nil
    local function blamed(call)
      local _, message = pcall(call)
      assert.equal("spec/language_spec.lua:" .. line, message:match("^%.?/?(.-:%d+): "))
    end
    blamed(function() line = here() + 1
      wp.count(3)
    end)
    blamed(function() line = here() + 1
      return m < 3
    end)
    blamed(function() line = here() + 1
      local made = m:at_least "x"
      return made
    end)
    blamed(function() line = here() + 1
      m.kind = "x"
    end)
    blamed(function() line = here() + 1
      local made = wp.hypothesis "x" { metric = 3 }
      return made
    end)
  end)
end)

describe("the words of the language", function()
  local stages = wp.stages { { "discover", "landing", "search" }, { "compare", "faq" }, "buy" }

  it("say each metric as an analyst would", function()
    local a, b = wp.count "compare", wp.sum("purchase", "price")
    local lines = {}
    for i, made in ipairs {
      wp.count(), wp.count { "faq", "compare", "guide" }, wp.count { channel = "ads" },
      wp.count("W_*", { lifecycle = "COMPLETE", amount = wp.between(1, 1e6) }),
      wp.did "compare", wp.did(), wp.distinct "event", wp.distinct("product", "view"),
      wp.distinct("product", nil, { device = wp.is_not { "tv", "bot" } }), wp.sum(),
      b, wp.mean "rate", wp.max "rate", wp.min "rate", wp.first_value "rate", wp.last_value "rate",
      wp.sessions(), wp.sessions "90s", wp.active_days(), wp.active_days { zone = "Asia/Tokyo" },
      wp.time_to "compare", wp.time_to(), wp.time_between("search", { "faq", "compare" }),
      wp.dwell(), wp.dwell "faq", wp.longest_gap(), wp.pace(), wp.depth(stages),
      wp.backtracks(stages), wp.hesitation(stages, "compare"), wp.self_loops "search",
      wp.u_turns { "a", "b" }, wp.matches({ "a", { "b", "c" } }, { within = "36h" }),
      wp.matches { "a", "b" }, wp.attribute "seats", wp.custom("big orders", print),
      a + b, (a + 1) / (b - 2), a * 0.5, -a, wp.log1p(a), a:at_least(3), (a / b):at_least(0.25),
      b:capped(1000), wp.mean "rate":default(0), a:named "guides read" / wp.count(),
    } do
      lines[i] = tostring(made)
    end
    golden.check("metrics", golden.lines(lines))
  end)

  it("say each outcome and stages as an analyst would", function()
    local lines = {}
    for i, made in ipairs {
      wp.converts "purchase", wp.converts({ "a", "b" }, { at_least = 2, channel = "ads" }),
      wp.refers "invite", wp.retained(), wp.retained { "login", from = "7d", to = "14d" },
      wp.retained { from = "7d" }, wp.churned(), wp.churned { "login", at_least = 3 },
      wp.earns(), wp.earns("purchase", "revenue"), wp.accelerates "purchase",
      wp.outcome(wp.count "purchase":at_least(2)), wp.converts "x":named "the sale", stages,
    } do
      lines[i] = tostring(made)
    end
    golden.check("outcomes", golden.lines(lines))
  end)
end)
