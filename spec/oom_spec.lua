-- Memory runs out at every possible moment: each call either succeeds or says so, nothing leaks and
-- nothing crashes. `make oom` runs these; `make test` does too.
local core = require "wayproof.core"
local wp = require "wayproof"

-- The sweep ends when a call succeeds although the n-th allocation would have failed: it asked for
-- fewer. A cap keeps a call that never gets there from running for ever.
local attempts_cap = 20000

-- Runs `work` and forgets what it made: true, or false, how it failed and the message.
local function attempt(work)
  local ok, result, message, code = pcall(work)
  core.memory(0)
  if ok and result then return true end
  return false, ok and tostring(code) or "raised", tostring(ok and message or result)
end

--- Calls `work` with the first, second, third … allocation failing, until it succeeds.
local function sweep(work, step)
  local failures = 0
  for n = 1, attempts_cap, step or 1 do
    collectgarbage()
    collectgarbage()
    local live = core.memory()
    core.memory(n)
    local ok, failed, message = attempt(work)
    if ok then
      assert.is_true(failures > 0, "no allocation was asked for: the sweep tests nothing")
      return failures
    end
    failures = failures + 1
    assert.is_truthy(message:find("memory", 1, true), ("allocation %d: %s"):format(n, message))
    assert.is_true(failed == "raised" or failed == "memory", failed)
    collectgarbage()
    collectgarbage()
    assert.equal(live, (core.memory()), ("allocation %d left memory behind"):format(n))
  end
  error("the sweep did not end")
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

describe("when memory runs out #oom", function()
  local csv = os.tmpname()
  local database = os.tmpname()
  local threads

  setup(function()
    threads = wp.threads()
    wp.threads(1) -- which allocation is the n-th must not depend on the scheduler
    local lines = { "user,event,time,value,channel" }
    for i = 1, 300 do
      lines[#lines + 1] = ("u%d,%s,%d,%s,%s"):format(i % 40, i % 3 == 0 and "buy" or "look",
        1704067200 + i * 7200, i % 5 == 0 and "" or i / 4, i % 2 == 0 and "ads" or "mail")
    end
    write(csv, table.concat(lines, "\n") .. "\n")
    os.remove(database)
    assert(require("wayproof.shop").write(database, { users = 20 }))
  end)

  teardown(function()
    wp.threads(threads)
    os.remove(csv)
    os.remove(database)
  end)

  it("reading a CSV file says so", function()
    sweep(function()
      return wp.read_csv(csv, { value = "value", properties = { "channel" } })
    end)
  end)

  it("reading a database says so", function()
    sweep(function()
      return wp.read_sqlite(database, { table = "events", user = "user_id", time = "ts",
        value = "value", properties = { "channel", "device" } })
    end)
  end)

  it("reading rows says so", function()
    sweep(function()
      return wp.read_rows { { user = "a", event = "x", time = 1 }, { user = "b", event = "y",
        time = 2 } }
    end)
  end)

  it("filtering, splitting and walking a log say so", function()
    local log = assert(wp.read_csv(csv, { value = "value", properties = { "channel" } }))
    sweep(function()
      local part = log:where { channel = "ads", value = wp.above(10) }
      return part and part:summary()
    end)
    sweep(function()
      return log:journey "u7"
    end)
  end)

  it("measuring says so", function()
    local log = assert(wp.read_csv(csv, { value = "value", properties = { "channel" } }))
    sweep(function()
      return log:measure { metrics = { looks = wp.count("look", { channel = "ads" }),
        days = wp.active_days(), worth = wp.sum("buy") / wp.count("buy") },
        outcome = wp.converts "buy", observe = "1d", within = "2d" }
    end)
  end)

  it("journeys say so", function()
    local log = assert(wp.read_csv(csv, { value = "value", properties = { "channel" } }))
    local stages = wp.stages { { "first", "look", where = { channel = "ads" } },
      { "then", "look", "buy" } }
    for _, work in ipairs {
      function() return log:sessions { by = "channel" } end,
      function() return log:transitions { stages = stages } end,
      function() return log:retention { period = "day", periods = 3 } end,
      function() return log:paths { steps = 4, stages = stages } end,
      function() return log:dwell() end,
      function() return log:gaps { events = "buy" } end,
      function()
        return log:funnel({ "look", { events = "buy", within = "1d" }, "look" },
          { within = "7d", by = "channel", ties = "any" })
      end,
      function() return log:funnel({ "look", "buy" }, { order = "any", within = "1d" }) end,
      function()
        local funnel = log:funnel({ "look", "buy", "look" }, { within = "3d" })
        return funnel and funnel:explain "mixpanel"
      end,
    } do
      sweep(work)
    end
  end)

  it("judging says so", function()
    local path = os.tmpname()
    os.remove(path)
    assert(require("wayproof.shop").write(path, { users = 700 }))
    local log = assert(wp.read_sqlite(path, { table = "events", user = "user_id", time = "ts" }))
    os.remove(path)
    local guides = wp.hypothesis "guides help" { metric = wp.count "compare_guide",
      outcome = wp.converts "purchase", observe = "7d", within = "30d", as_of = "2024-06-14" }
    -- a whole validation asks for much: every 211th allocation is a fair sample
    sweep(function()
      return log:validate(guides)
    end, 211)
  end)
end)
