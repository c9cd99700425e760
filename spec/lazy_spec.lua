-- Figures that are computed when somebody asks: whatever way they ask.
local object = require "wayproof.object"
local wp = require "wayproof"

describe("an object with figures on demand", function()
  local calls

  local function new()
    calls = 0
    return object.lazy({ users = 3, list = { 1 } }, function()
      calls = calls + 1
      return { median = 2.5, parts = { 4 } }
    end)
  end

  it("computes none for the fields that are there", function()
    local row = new()
    assert.equal(3, row.users)
    assert.equal(1, row.list[1])
    assert.equal(0, calls)
  end)

  it("computes all of them once when one is read", function()
    local row = new()
    assert.equal(2.5, row.median)
    assert.equal(4, row.parts[1])
    assert.is_nil(row.other)
    assert.equal(1, calls)
  end)

  it("shows them to pairs and as plain data, and is as immutable as any result", function()
    local seen = {}
    for key in pairs(new()) do seen[#seen + 1] = key end
    table.sort(seen)
    assert.same({ "list", "median", "parts", "users" }, seen)
    assert.same({ users = 3, list = { 1 }, median = 2.5, parts = { 4 } }, object.plain(new()))
    assert.has_error(function() new().median = 1 end)
    assert.has_error(function() new().parts[1] = 1 end)
  end)

  it("asks again after a failure", function()
    local fails = true
    local row = object.lazy({}, function()
      if fails then error("not now", 0) end
      return { median = 1 }
    end)
    assert.has_error(function() return row.median end, "not now")
    fails = false
    assert.equal(1, row.median)
  end)
end)

describe("results with figures on demand", function()
  local function log()
    local rows = {}
    for user = 1, 40 do
      for i, event in ipairs { "a", "b", "c" } do
        if user % (i + 1) < 2 then
          rows[#rows + 1] = { user = "u" .. user, event = event,
            time = user * 1000 + i * 60 * user }
        end
      end
    end
    return assert(wp.read_rows(rows))
  end

  it("are the same whether the log is still open or not, and in JSON", function()
    local open, closed = log(), log()
    local steps = { "a", "b", "c" }
    local one = open:funnel(steps, { within = "7d" })
    local other = closed:funnel(steps, { within = "7d" })
    local early, late = open:retention { period = "day" }, closed:retention { period = "day" }
    closed:close()
    assert.is_number(other.steps[2].median_seconds)
    assert.equal(one.steps[2].median_seconds, other.steps[2].median_seconds)
    assert.equal(one:json(), other:json())
    assert.truthy(one:json():find('"median_step_seconds"', 1, true))
    assert.is_number(late.cohorts[1].low[1])
    assert.equal(early:json(), late:json())
    open:close()
  end)
end)
