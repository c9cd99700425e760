-- What `needed.users` promises, against the rule itself on numbers drawn from the laws that the
-- closed form assumes. (bench/truth/needed.lua holds it against logs.)
local baseline = require "wayproof.baseline"
local made = require "spec.made"
local power = require "wayproof.power"
local vector = require("wayproof.core").vector

-- Facts of a pilot: an effect, its noise gate, and how many users and events there were.
local function pilot(changes)
  local beta, se = changes.beta, changes.se
  local numbers = { v_xx = se ^ 2, v_xz = -0.3 * se ^ 2, v_zz = 2 * se ^ 2 }
  local function corrected(shift, left)
    return { beta = left, shift = shift,
      se = math.sqrt(numbers.v_xx - 2 * shift * numbers.v_xz + shift ^ 2 * numbers.v_zz) }
  end
  local events = changes.events or 5000
  local case = { kind = changes.kind or "binary", mask = changes.mask ~= false or nil,
    base = { r_squared = changes.r_squared or 0.1 } }
  local whole = { kind = case.kind, y = changes.y,
    information = changes.information or function() return events, events end }
  return {
    case = case, whole = whole, events = events, non_events = events,
    n = { used = changes.used or 10000 },
    settings = { minimum = 1.2 },
    found = { case = case, adjusted = { beta = beta, se = se }, gate_fit = numbers,
      model = { inflation = changes.inflation or 1, count = changes.count or 20 },
      gate = { floor = corrected(0.4, changes.floor), half = corrected(0.25, changes.half) } },
  }
end

-- Share of runs, with `ratio` times the users, in which every condition of the rule holds.
local function simulated(facts, ratio, runs)
  local random = made.random(7)
  local found = facts.found
  local epsilon = math.log(facts.settings.minimum)
  local shrink = math.sqrt(ratio)
  local side = found.adjusted.beta > 0 and 1 or -1
  local se, beta = found.adjusted.se / shrink, side * found.adjusted.beta
  local yes = 0
  for _ = 1, runs do
    local early, late = random.normal(), random.normal()
    local both = math.sqrt(0.7) * early + math.sqrt(0.3) * late
    local z_own = random.normal()
    local ok = beta + se / math.sqrt(0.7) * early > 1.96 * se / math.sqrt(0.7)
      and beta + se / math.sqrt(0.3) * late > 1.645 * se / math.sqrt(0.3)
      and beta + se * both > math.max(1.96 * se, epsilon)
    for name, c in pairs { floor = found.gate.floor, half = found.gate.half } do
      local along = (found.gate_fit.v_xx - c.shift * found.gate_fit.v_xz)
        / (found.adjusted.se * c.se)
      local estimate = side * c.beta + c.se / shrink
        * (name == "floor" and power.gate_spread or 1)
        * (along * both + math.sqrt(1 - along ^ 2) * z_own)
      ok = ok and estimate > (name == "floor" and 2.326 * c.se / shrink or epsilon)
    end
    if ok then yes = yes + 1 end
  end
  return yes / runs * power.steady
end

local function check(facts)
  local needed = power.needed(facts)
  assert.equal("effect", needed.for_what)
  local share = simulated(facts, needed.users / facts.n.used, 20000)
  assert.is_true(math.abs(share - 0.8) < 0.015, string.format("%.3f at %d", share, needed.users))
end

describe("needed.users", function()
  it("is where 80 % of runs pass, whichever condition is the hard one", function()
    check(pilot { beta = 0.4, se = 0.05, floor = 0.35, half = 0.38 }) -- later users
    check(pilot { beta = 0.5, se = 0.05, floor = 0.15, half = 0.35 }) -- noise gate
    check(pilot { beta = 0.4, se = 0.05, floor = 0.26, half = 0.3 }) -- both
    check(pilot { beta = 0.3, se = 0.05, floor = 0.25, half = 0.22 }) -- the minimum
    check(pilot { beta = -0.4, se = 0.05, floor = -0.26, half = -0.3 })
  end)

  it("asks for nobody later where no entry times tell who is later", function()
    local fields = { beta = 0.4, se = 0.05, floor = 0.38, half = 0.39 }
    local with = power.needed(pilot(fields)).users
    fields.mask = false
    assert.is_true(power.needed(pilot(fields)).users < 0.9 * with)
  end)

  it("asks for more where errors of Cox regression are wider than the information's", function()
    local function needed(inflation)
      return power.needed(pilot { kind = "time", beta = 0.5, se = 0.05, floor = 0.47, half = 0.48,
        events = 400, count = 23, inflation = inflation, information = function()
          return 5000, 10000
        end }).users
    end
    local plain, wider = needed(1), needed(400 / 377)
    assert.is_true(wider > 1.05 * plain and wider < 1.5 * plain)
  end)

  it("waits until amounts are worth 100 equal ones in 80 % of runs", function()
    local random = made.random(3)
    local function amounts(users)
      local list = {}
      for i = 1, users do
        list[i] = random.uniform() < 0.2 and math.exp(0.5 * random.normal()) or 0
      end
      local y = vector.new(list)
      return y, y:sum() ^ 2 / y:dot(y)
    end
    local y, worth = amounts(100000)
    local facts = pilot { kind = "numeric", y = y, beta = 0.9, se = 0.005, floor = 0.9, half = 0.9,
      used = 100000, information = function() return worth, 100000 end }
    local users, enough = power.needed(facts).users, 0
    for _ = 1, 2000 do
      if select(2, amounts(users)) >= 100 then enough = enough + 1 end
    end
    assert.is_true(math.abs(enough / 2000 * power.steady - 0.8) < 0.04)
  end)

  it("is nil where activity is all there is, however many users come", function()
    local needed = power.needed(pilot { beta = 0.5, se = 0.05, floor = -0.1, half = 0.2 })
    assert.is_nil(needed.users)
    assert.equal("never", needed.for_what)
    assert.equal("never", power.needed(pilot { beta = 0.5, se = 0.05, floor = 0.4, half = 0.45,
      r_squared = 0.8 }).for_what)
  end)

  it("knows how many columns a calendar has", function()
    local random = made.random(11)
    local entry = {}
    for i = 1, 3000 do entry[i] = math.floor(random.uniform() * 90 * 86400) * 1e6 end
    for _, events in ipairs { 10, 36, 47, 48, 100, 149, 150, 2000 } do
      local part = { information = function() return events, 3000 end }
      assert.equal(#baseline.calendar(vector.new(entry), {}, part),
        baseline.calendar_terms(events))
    end
  end)
end)
