-- Analyses that read a store part by part say what they say in memory: of a store written at once,
-- of one that grew, of one with people who never came or were forgotten, and of any times.
local core = require "wayproof.core"
local wp = require "wayproof"

local users_count = 33000 -- three parts

local function draw_from(seed)
  local state = seed
  return function(n)
    state = state * 6364136223846793005 + 1442695040888963407
    return (state >> 33) % n
  end
end

--- Events of everybody; of several pieces, the events of one, drawn at random.
local function rows(piece, pieces)
  local draw, list = draw_from(5), {}
  local names = { "look", "weigh", "basket", "buy", "help" }
  for user = 1, users_count do
    local time = 1700000000 + draw(60 * 86400)
    for _ = 1, 1 + draw(5) do
      time = time + draw(draw(4) == 0 and 200000 or 900)
      local row = { user = "u" .. user, event = names[1 + draw(5)], time = time,
        value = draw(3) > 0 and draw(100) or nil, channel = ({ "ads", "mail" })[1 + draw(3)] }
      if draw(pieces) == piece then list[#list + 1] = row end
    end
  end
  return list
end

local options = { value = "value", properties = { "channel" }, time_unit = "s" }
local stages = wp.stages { { "look" }, { "weigh" }, { "buy" } }

-- `brings`: what refers back to rows, or has the fingerprint, brings them.
local analyses = {
  measure = { function(log)
    return log:measure { metrics = { weighed = wp.count "weigh", spent = wp.sum "look" },
      outcome = wp.converts "buy", observe = "7d", within = "20d" }
  end },
  ["measure from an event on"] = { function(log)
    return log:measure { metrics = { weighed = wp.count "weigh", gap = wp.longest_gap() },
      outcome = wp.converts "buy", observe = "7d", within = "20d", from = "look",
      population = { channel = "ads" } }
  end },
  funnel = { function(log)
    return log:funnel({ "look", "weigh", "buy" }, { within = "10d" })
  end },
  ["funnel in any order"] = { function(log)
    return log:funnel({ "look", "weigh", "buy" }, { within = "10d", order = "any" })
  end },
  ["funnel by a property"] = { function(log)
    return log:funnel({ "look", "buy" }, { within = "10d", by = "channel" })
  end },
  sessions = { function(log) return log:sessions() end },
  ["sessions of long gaps"] = { function(log)
    return log:sessions { timeout = "3d" }
  end },
  transitions = { function(log) return log:transitions() end },
  ["transitions of stages"] = { function(log)
    return log:transitions { stages = stages }
  end },
  retention = { function(log) return log:retention { period = "week" } end },
  ["retention per user"] = { function(log)
    return log:retention { start = "look", returns = "buy", align = "user" }
  end },
  paths = { function(log) return log:paths { start = "look" } end },
  gaps = { function(log) return log:gaps() end },
  ["measure of properties"] = { function(log)
    return log:measure { metrics = { spent = wp.sum "look", most = wp.max "weigh",
      ways = wp.distinct "channel", mailed = wp.count("look", { channel = "mail" }) },
      outcome = wp.converts "buy", observe = "7d", within = "20d" }
  end },
  ["funnel of one channel"] = { function(log)
    return log:funnel({ "look", "weigh", "buy" }, { within = "10d", hold = "channel" })
  end },
  summary = { brings = true, function(log) return log:summary() end },
  ["a view"] = { function(log)
    return log:where({ events = "look", channel = "ads" }):sessions()
  end },
  friction = { brings = true, function(log) return log:friction(stages, { outcome = "buy" }) end },
}

--- What an analysis says; how much memory the log took is another matter.
local function said(result)
  return (result:json():gsub('"bytes":%d+', ""))
end

describe("a store read part by part", function()
  local parts, rows_kept

  setup(function() parts, rows_kept = core.store.scan_parts(2) end)
  teardown(function() core.store.scan_parts(parts) end)
  after_each(function() core.store.scan_parts(nil, rows_kept) end)

  local function agrees(path, log)
    core.store.scan_parts(nil, 0)
    for name, analysis in pairs(analyses) do
      local opened <close> = assert(wp.open(path))
      core.log.where(opened, {}, nil, nil, { "u1" }) -- has the ids, which some results print
      local held = core.log.facts(opened, false).bytes
      assert.equal(said(analysis[1](log)), said(analysis[1](opened)), name)
      local brought = core.log.facts(opened, false).bytes - held
      assert.is_true(analysis.brings or brought < #opened / 2, name) -- no column at all
    end
  end

  local function with_store(work)
    local path = os.tmpname()
    os.remove(path)
    local ok, message = xpcall(work, debug.traceback, path)
    os.remove(path)
    if not ok then error(message, 0) end
  end

  it("answers as the log in memory does", function()
    with_store(function(path)
      local log <close> = assert(wp.read_rows(rows(0, 1), options))
      assert(log:save(path))
      agrees(path, log)
    end)
  end)

  it("answers so when it grew, with late events, and people in it have none", function()
    with_store(function(path)
      local users = {}
      for user = 1, users_count + 3000, 7 do
        users[#users + 1] = { user = "u" .. user, plan = user % 2 == 0 and "free" or "paid" }
      end
      local store = assert(wp.store(path))
      for piece = 0, 2 do
        local log <close> = assert(wp.read_rows(rows(piece, 3), {
          value = "value", properties = { "channel" }, time_unit = "s",
          users = piece == 0 and { rows = users, properties = { "plan" } } or nil }))
        assert(store:append(log))
      end
      for user = 1, users_count, 1000 do assert(store:forget("u" .. user)) end
      -- In memory: the same store, brought whole before anything is asked of it.
      store:close()
      local whole <close> = assert(wp.open(path))
      core.log.journeys(whole)
      agrees(path, whole)
    end)
  end)

  it("answers so where times do not fit 32 bits", function()
    with_store(function(path)
      local list = rows(0, 1)
      list[1].time = 1700000000.000001
      local log <close> = assert(wp.read_rows(list, options))
      assert(log:save(path))
      agrees(path, log)
    end)
  end)

  it("keeps the rows from the second analysis on #bare", function()
    with_store(function(path)
      assert(assert(wp.read_rows(rows(0, 1), options)):save(path))
      local opened <close> = assert(wp.open(path))
      local empty = core.log.facts(opened, false).bytes
      local first = said(opened:sessions())
      local one = core.log.facts(opened, false).bytes
      assert.is_true(one - empty < 5 * #opened)
      assert.equal(first, said(opened:sessions()))
      assert.is_true(core.log.facts(opened, false).bytes >= one + 5 * #opened)
    end)
  end)

  it("says when memory runs out, wherever it does, and keeps none #oom", function()
    with_store(function(path)
      assert(assert(wp.read_rows(rows(0, 1), options)):save(path))
      local threads = wp.threads()
      wp.threads(1)
      for name, most in pairs { sessions = 60, measure = 60, ["measure of properties"] = 120,
        ["a view"] = 60 } do
        local analysis, failures = analyses[name], 0
        for n = 1, most do -- some are made up for: a success is no end
          collectgarbage()
          local live = core.memory()
          local opened <close> = assert(wp.open(path))
          core.memory(n)
          local ok, message = pcall(analysis[1], opened)
          core.memory(0)
          if not ok then
            failures = failures + 1
            assert.matches("memory", tostring(message), 1, true)
            opened:close()
            collectgarbage()
            assert.equal(live, (core.memory()), ("%s: allocation %d"):format(name, n))
          end
        end
        assert.is_true(failures > 10, name .. ": " .. failures)
      end
      wp.threads(threads)
    end)
  end)

  it("names the damage, and says when the store is another by now", function()
    with_store(function(path)
      assert(assert(wp.read_rows(rows(0, 1), options)):save(path))
      local opened <close> = assert(wp.open(path))
      assert(opened:sessions())
      local again <close> = assert(wp.open(path))
      local store <close> = assert(wp.store(path))
      assert(store:forget("u1"))
      local ok, message = pcall(again.sessions, again)
      assert.is_false(ok)
      assert.matches("rewritten since this log was opened", message, 1, true)
      local file = assert(io.open(path, "r+b"))
      file:seek("set", file:seek "end" // 2)
      file:write(("\x5a"):rep(64))
      file:close()
      local damaged <close> = assert(wp.open(path))
      ok, message = pcall(damaged.sessions, damaged)
      assert.is_false(ok)
      assert.matches("damaged", message, 1, true)
    end)
  end)
end)
