-- What print(result), print(result:detail()) and print(board) show, held against spec/golden/.
local golden = require "spec.golden"
local made = require "spec.made"
local wp = require "wayproof"

local log = made.log(4000, 11, function(random, add)
  local engagement, curious, thrift = random.normal(), random.normal(), random.normal()
  made.week(random, add, engagement)
  local guides = random.poisson(math.exp(-0.2 + 0.8 * curious))
  local costs = random.poisson(math.exp(-0.2 + 0.8 * thrift))
  for _ = 1, guides do add("compare_guide", random.uniform() * 7) end
  for _ = 1, costs do add("delivery_costs", random.uniform() * 7) end
  for _ = 1, random.poisson(math.exp(0.3 * engagement)) do add("banner", random.uniform() * 7) end
  for _ = 1, random.poisson(1) do add("theme", random.uniform() * 7) end
  if made.happens(random, -1.5 + 0.8 * engagement + 1.1 * math.log(1 + guides)
    - 1.1 * math.log(1 + costs)) then
    local at = 3 + random.uniform() * 30
    add("checkout", math.max(0.1, at - random.uniform() * 1.2))
    add("checkout", at - 0.005)
    add("purchase", at)
  end
end)

local function ask(name, event, changes)
  local options = { metric = event and wp.count(event) or wp.count(),
    outcome = wp.converts "purchase", observe = "7d", within = "30d",
    as_of = "1970-07-20T00:00:00Z" }
  for key, value in pairs(changes or {}) do options[key] = value end
  return wp.hypothesis(name)(options)
end

local printed = {
  result_validated = ask("comparison guides build confidence", "compare_guide"),
  result_vanity = ask("banner clicks bring sales", "banner"),
  result_activity = ask("busy visitors buy", nil),
  result_unrelated = ask("a theme of their own makes them stay", "theme"),
  result_reversed = ask("looking up delivery costs shows interest", "delivery_costs"),
  result_leaking = ask("starting the checkout predicts the sale", "checkout"),
  result_invalid = ask("nobody stays that long", "theme", { within = "300d" }),
  result_time = ask("guides speed people up", "compare_guide",
    { outcome = wp.accelerates "purchase" }),
}

describe("print(result)", function()
  for name, hypothesis in pairs(printed) do
    it("is worded well: " .. name, function()
      local text = tostring(log:validate(hypothesis))
      golden.check(name, text)
      local lines = select(2, text:gsub("\n", "\n")) + 1
      assert.is_true(lines <= 25, "at most 25 lines")
    end)
  end

  it("says what would settle it when there are too few", function()
    local part = log:where { before = "1970-01-12T00:00:00Z" }
    local few = part:validate(ask("few", "compare_guide", { observe = "2d", within = "3d",
      as_of = "1970-01-11T00:00:00Z" }))
    assert.equal("inconclusive", few.verdict)
    golden.check("result_inconclusive", tostring(few))
  end)

  it("begins with the verdict and the name", function()
    for _, hypothesis in pairs(printed) do
      local result = log:validate(hypothesis)
      local head = tostring(result):sub(1, #result.verdict)
      assert.equal(result.verdict, head)
    end
  end)
end)

describe("print(result:detail())", function()
  it("shows the working", function()
    golden.check("detail_validated", tostring(log:validate(printed.result_validated):detail()))
    golden.check("detail_leaking", tostring(log:validate(printed.result_leaking):detail()))
  end)

  it("also explains what could not be judged", function()
    golden.check("detail_invalid", tostring(log:validate(printed.result_invalid):detail()))
  end)
end)

describe("print(board)", function()
  it("is a table with what to steer by", function()
    golden.check("board", tostring(log:validate { printed.result_validated, printed.result_vanity,
      printed.result_activity, printed.result_unrelated, printed.result_reversed,
      printed.result_leaking, printed.result_invalid }))
  end)
end)
