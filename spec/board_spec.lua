-- Several hypotheses at once: one pass, corrected together, best first.
local board = require "wayproof.board"
local made = require "spec.made"
local measure = require "wayproof.measure"
local wp = require "wayproof"

local function shop(users, seed)
  return made.log(users, seed, function(random, add)
    local engagement, curious, thrift = random.normal(), random.normal(), random.normal()
    made.week(random, add, engagement)
    local guides = random.poisson(math.exp(-0.2 + 0.8 * curious))
    local costs = random.poisson(math.exp(-0.2 + 0.8 * thrift))
    for _ = 1, guides do add("guide", random.uniform() * 7) end
    for _ = 1, costs do add("costs", random.uniform() * 7) end
    for _ = 1, random.poisson(0.8) do add("theme", random.uniform() * 7) end
    if made.happens(random, -1.4 + 0.8 * engagement + 1.2 * math.log(1 + guides)
      - 1.2 * math.log(1 + costs)) then
      add("purchase", 7.2 + random.uniform() * 25)
    end
  end)
end

local function hypothesis(name, metric, changes)
  local options = { metric = metric, outcome = wp.converts "purchase", observe = "7d",
    within = "30d" }
  for key, value in pairs(changes or {}) do options[key] = value end
  return wp.hypothesis(name)(options)
end

describe("a board", function()
  local log = shop(3000, 21)
  local asked = {
    hypothesis("themes", wp.count "theme"), hypothesis("costs", wp.count "costs"),
    hypothesis("guides", wp.count "guide"), hypothesis("everything", wp.count()),
  }
  local judged = log:validate(asked)

  it("judges the rest when a hypothesis names what the log does not have", function()
    local with_slips = log:validate { asked[3], hypothesis("slip", wp.count "guid"),
      hypothesis("column", wp.sum("guide", "amount")), asked[4],
      hypothesis("segment", wp.count "theme", { across = { "chanel" } }) }
    local without = log:validate { asked[3], asked[4] }
    assert.equal(5, #with_slips)
    assert.equal(2, with_slips.tried)
    for _, name in ipairs { "guides", "everything" } do
      assert.same(without[name]:table(), with_slips[name]:table())
    end
    local told = { slip = "unknown event 'guid' (did you mean 'guide'?)",
      column = "unknown number column 'amount' (there are none)",
      segment = "unknown property 'chanel' (there are none)" }
    for name, text in pairs(told) do
      local r = with_slips[name]
      assert.equal("invalid", r.verdict)
      assert.same({ { code = "not_in_log", text = text } }, r:table().reasons)
      assert.equal(0, r.n.users)
    end
    assert.matches("invalid%s+slip%s+–%s+unknown event 'guid'\n", tostring(with_slips))
    assert.equal("invalid: slip — there is nothing to judge\n  why     " .. told.slip,
      tostring(log:validate(hypothesis("slip", wp.count "guid"))))
  end)

  it("still raises what a custom metric does wrong", function()
    local broken = wp.custom("broken", function() return "much" end, { "guide" })
    local ok, message = pcall(log.validate, log, { asked[1], hypothesis("broken", broken) })
    assert.is_false(ok)
    assert.matches("custom 'broken': user .* %(expected a finite number or nil%)", message)
  end)

  it("is sorted by usefulness and can be asked by place and by name", function()
    assert.equal(4, #judged)
    assert.equal(4, judged.tried)
    assert.equal("guides", judged[1].name)
    assert.equal("validated", judged[1].verdict)
    assert.equal("reversed", judged[2].verdict)
    assert.equal("costs", judged["costs"].name)
    assert.is_nil(judged["no such hypothesis"])
    assert.is_nil(judged[5])
    local names = {}
    for i, result in ipairs(judged) do names[i] = result.name end
    assert.equal(4, #names)
  end)

  it("has the numbers of each hypothesis asked alone, with p corrected", function()
    local alone = log:validate(asked[1])
    local together = judged["themes"]
    assert.equal(alone.auc.estimate, together.auc.estimate)
    assert.equal(alone.adjusted.estimate, together.adjusted.estimate)
    assert.equal(alone.adjusted.p, together.adjusted.p)
    assert.is_true(together.adjusted.p_adjusted >= together.adjusted.p)
    assert.equal(4, together.tried)
  end)

  it("measures all hypotheses of one clock in one pass", function()
    local run, passes = measure.run, 0
    measure.run = function(...)
      passes = passes + 1
      return run(...)
    end
    log:validate(asked, { refute = false })
    measure.run = run
    assert.equal(1, passes)
  end)

  it("names what to steer by instead of vanity metrics", function()
    assert.match("Instead of 'everything', steer by 'guides'", tostring(judged))
  end)

  it("gives plain data, JSON and CSV", function()
    local plain = judged:table()
    assert.equal("validated", plain[1].verdict)
    assert.is_nil(getmetatable(plain[1]))
    assert.match('"verdict":"validated"', judged:json())
    local path = os.tmpname()
    assert(judged:csv(path))
    local file = assert(io.open(path))
    local header = file:read "l"
    file:close()
    os.remove(path)
    assert.match("^name,verdict,grade,estimate", header)
  end)

  it("cannot be changed", function()
    assert.has_error(function() judged[1] = nil end)
    assert.has_error(function() judged[1].verdict = "validated" end)
    assert.has_error(function() judged[1].n.used = 1 end)
  end)
end)

describe("correction for multiplicity", function()
  it("is Holm's up to five and Benjamini and Hochberg's beyond", function()
    local adjusted, method = board.adjust { 0.01, 0.04, 0.03, false, 0.005 }
    assert.equal("holm", method)
    assert.near(0.03, adjusted[1], 1e-12)
    assert.near(0.06, adjusted[2], 1e-12)
    assert.near(0.06, adjusted[3], 1e-12)
    assert.is_nil(adjusted[4])
    assert.near(0.02, adjusted[5], 1e-12)
    adjusted, method = board.adjust { 0.01, 0.02, 0.03, 0.04, 0.05, 0.06 }
    assert.equal("bh", method)
    for i = 1, 6 do assert.near(0.06, adjusted[i], 1e-12) end
  end)

  it("can be chosen", function()
    local _, method = board.adjust({ 0.01, 0.02 }, "by")
    assert.equal("by", method)
  end)

  it("takes a borderline claim back when many are tried", function()
    local log = shop(600, 3)
    local asked = {}
    for i = 1, 6 do asked[i] = hypothesis("theme " .. i, wp.count "theme":at_least(i)) end
    for _, result in ipairs(log:validate(asked, { refute = false })) do
      assert.not_equal("validated", result.verdict)
    end
  end)
end)

describe("a ledger", function()
  local path
  before_each(function()
    path = os.tmpname()
    os.remove(path)
  end)
  after_each(function() os.remove(path) end)

  it("counts tries over calls, and charges a repeated question nothing", function()
    local log = shop(800, 5)
    local first = hypothesis("guides", wp.count "guide")
    local alone = log:validate(first, { ledger = path, refute = false })
    assert.equal(1, alone.tried)
    assert.equal(alone.p, alone.p_adjusted)
    local second = log:validate(hypothesis("themes", wp.count "theme"), { ledger = path,
      refute = false })
    assert.equal(2, second.tried)
    assert.is_true(second.p_adjusted >= second.p)
    local again = log:validate(first, { ledger = path, refute = false })
    assert.equal(1, again.tried)
    assert.equal(alone.p_adjusted, again.p_adjusted)
    assert.equal(alone.verdict, again.verdict)
  end)

  it("says why when the file cannot be written", function()
    local result, message = shop(100, 5):validate(hypothesis("guides", wp.count "guide"),
      { ledger = "/no/such/folder/tries.db" })
    assert.is_nil(result)
    assert.is_string(message)
  end)

  it("raises on what is no ledger", function()
    assert.error_matches(function()
      shop(100, 5):validate(hypothesis("guides", wp.count "guide"), { ledger = 7 })
    end, "ledger: 7")
  end)
end)
