-- log:clarity: what follows a touch among equals; labels, and what must not get one.
local wp = require "wayproof"
local core = require "wayproof.core"
local made = require "spec.made"
local plan = require "wayproof.friction_plan"
local stage_made = require "spec.stage_made"
local twin = require "spec.stage_twin"

local function rows_log(rows, options)
  local given = { user = "user", event = "event", time = "time", time_unit = "s",
    properties = { "page" } }
  for key, value in pairs(options or {}) do given[key] = value end
  return assert(wp.read_rows(rows, given))
end

local function label_of(result, item)
  for _, row in ipairs(result.rows) do
    if row.item == item then return row.label, row end
  end
end

local function labelled(result)
  local count = 0
  for _, row in ipairs(result.rows) do
    count = count + ((row.label == "clears" or row.label == "clouds") and 1 or 0)
  end
  return count
end

-- Random journeys with ties, pauses and pages; "move" and "later" are stages two and three.
local function random_log(seed, users, pages)
  local random, rows = made.random(seed), {}
  local events = { "view", "view", "view", "help", "start", "move", "later", "view" }
  for user = 1, users do
    local now = math.floor(random.uniform() * 3000)
    for _ = 1, 2 + math.floor(random.uniform() * 20) do
      if random.uniform() > 0.4 then now = now + math.floor(random.uniform() ^ 4 * 8000) end
      local event = events[1 + math.floor(random.uniform() * (random.uniform() < 0.3 and 8 or 5))]
      rows[#rows + 1] = { user = "u" .. user, time = now, event = event,
        page = random.uniform() < 0.8 and "p" .. math.floor(random.uniform() ^ 2 * (pages or 6))
          or nil }
    end
  end
  return rows_log(rows)
end

local stages = wp.stages { { "one", "start" }, { "two", "move" }, { "three", "later" } }
local stage_of_event = { start = 1, move = 2, later = 3 }
local function stage_of(event) return stage_of_event[event] or 0 end

local function compare(log, within_us, text_column, item_of)
  local as_of = core.log.facts(log).last
  local handle <close> = plan.open(log, { stages = stages, times = 1, as_of_us = as_of })
  local raws = handle:clarity { within_us = within_us, users_least = 1, text_column = text_column }
  local names = core.log.names(log).events
  local expected = twin.stays(log, 3, stage_of, function() return false end, 1, as_of)
  local seen = 0
  for stage = 1, 3 do
    local items = twin.clarity(expected[stage], within_us, as_of, stage_of, item_of)
    for _, raw in ipairs(raws) do
      if raw.stage == stage then
        local key = raw.value and names[raw.code] .. " " .. raw.value or names[raw.code]
        local own = items[key]
        items[key], seen = nil, seen + 1
        assert.equal(own.users, raw.users)
        assert.equal(own.passed, raw.passed)
        assert.equal(own.moved, raw.moved)
        assert.equal(own.structural, raw.structural)
        if not own.structural then
          assert.equal(own.compared, raw.compared)
          for _, name in ipairs { "advance", "se" } do
            assert.equal(own[name] == nil, raw[name] == nil, name)
            assert.is_true(math.abs((own[name] or 0) - (raw[name] or 0)) < 1e-9, name)
          end
        end
      end
    end
    assert.is_nil((next(items)))
  end
  return seen
end

describe("clarity: the core", function()
  it("counts and compares as a naive twin does, by event and by event and value", function()
    local seen = 0
    for seed = 1, 5 do
      local log = random_log(seed, 120)
      seen = seen + compare(log, 600000000, nil, function(row) return row.event end)
      seen = seen + compare(log, 600000000, 1, function(row)
        return row.page and row.event .. " " .. row.page
      end)
      log:close()
    end
    assert.is_true(seen > 100)
  end)

  it("tells more items apart than a byte counts", function()
    local log = random_log(3, 150, 2000)
    local seen = compare(log, 600000000, 1, function(row)
      return row.page and row.event .. " " .. row.page
    end)
    assert.is_true(seen > 400, tostring(seen))
  end)

  it("has what follows a touch add up to nothing in all", function()
    local log = random_log(9, 400)
    local handle <close> = plan.open(log, { stages = stages, times = 1,
      as_of_us = core.log.facts(log).last })
    local checked = 0
    for _, raw in ipairs((handle:clarity { within_us = 900000000, users_least = 5 })) do
      if raw.advance then
        checked = checked + 1
        assert.is_true(math.abs(raw.advance + raw.back + raw.linger + raw.leave) < 1e-12)
      end
    end
    assert.is_true(checked > 3)
  end)
end)

describe("clarity: planted truths", function()
  it("finds the clarifying and the confusing page, and not the merely popular one", function()
    local clears, clouds, others = 0, 0, 0
    for seed = 1, 4 do
      local log = stage_made.pages(2500, seed, { planted = true, pages = 20 })
      local result = log:clarity(stage_made.two_stages, { content = "page", outcome = "start" })
      local guide, row = label_of(result, "guide")
      clears = clears + (guide == "clears" and 1 or 0)
      clouds = clouds + (label_of(result, "terms") == "clouds" and 1 or 0)
      others = others + labelled(result)
      assert.is_truthy(({ neutral = true, unknown = true })[label_of(result, "popular")])
      assert.equal("sign up", row.stage)
      assert.is_true(row.low < row.advance and row.advance < row.high)
      log:close()
    end
    assert.equal(4, clears)
    assert.equal(4, clouds)
    assert.is_true(others <= 9)
  end)

  it("does not call a favourite of keen people clarifying", function()
    for seed = 1, 4 do
      local log = stage_made.pages(2500, seed, { planted = true, pages = 20, favourite = true })
      local result = log:clarity(stage_made.two_stages, { content = "page", outcome = "start" })
      assert.not_equal("clears", (label_of(result, "popular")))
      assert.equal("clears", (label_of(result, "guide")))
      log:close()
    end
  end)

  it("gives 200 items without effect no label (a slice; doc/design/clarity.md has all runs)",
    function()
      local labels = 0
      for seed = 1, 8 do
        local log = stage_made.pages(1500, 500 + seed, { pages = 200 })
        labels = labels + math.min(1, labelled(log:clarity(stage_made.two_stages,
          { content = "page" })))
        log:close()
      end
      assert.is_true(labels <= 1)
    end)

  it("calls what everybody must pass structural", function()
    local random, rows = made.random(2), {}
    for user = 1, 400 do
      local at = user * 60
      local function add(event, page)
        at = at + 30 + 600 * random.uniform()
        rows[#rows + 1] = { user = user, event = event, time = at, page = page }
      end
      add "start"
      for _ = 1, random.poisson(3) do add("view", "p" .. math.floor(random.uniform() * 4)) end
      if random.uniform() < 0.6 then
        add("view", "terms")
        if random.uniform() < 0.8 then add "move" end
      end
    end
    rows[#rows + 1] = { user = 401, event = "later", time = 500 * 86400 }
    local result = rows_log(rows):clarity(stages, { content = "page" })
    local label, row = label_of(result, "terms")
    assert.equal("structural", label)
    assert.is_nil(row.advance)
    assert.equal(1, row.passed)
  end)
end)

describe("clarity: words", function()
  local log = random_log(31, 300)

  it("takes a property, events, both, or everything", function()
    local all = log:clarity(stages)
    assert.equal("string", type(all.rows[1].item))
    assert.is_truthy((label_of(all, "help")))
    local pages = log:clarity(stages, { content = "page" })
    assert.is_truthy((label_of(pages, "view: p0")) or label_of(pages, "p0"))
    for _, row in ipairs(pages.rows) do assert.is_string(row.value) end
    local events = log:clarity(stages, { content = { "help", "view" } })
    for _, row in ipairs(events.rows) do
      assert.is_true(row.item == "help" or row.item == "view")
    end
    local both = log:clarity(stages, { content = { property = "page", events = "help" } })
    for _, row in ipairs(both.rows) do assert.equal("help", row.event) end
    -- a value that one event alone has is named by itself
    for _, row in ipairs(both.rows) do assert.equal(row.value, row.item) end
  end)

  it("refuses what makes no sense, at the caller's line", function()
    local function refuses(message, given, options)
      local ok, found = pcall(function() return log:clarity(given, options) end)
      assert.is_false(ok)
      assert.is_truthy(found:find(message, 1, true), found)
      assert.is_truthy(found:find("clarity_spec.lua", 1, true), found)
    end
    refuses("expected stages made by wp.stages", { "start" })
    refuses("neither a property nor an event", stages, { content = "pgae" })
    refuses("did you mean 'page'", stages, { content = "pgae" })
    refuses("did you mean 'content'", stages, { contents = "page" })
    refuses("unknown event 'stat'", wp.stages { "stat", "move" })
    refuses("expected an outcome that has a moment", stages, { outcome = wp.earns("move") })
    refuses("minimum", stages, { minimum = 2 })
  end)

  it("takes people, stages and logs with nothing in them", function()
    local one = rows_log { { user = 1, event = "start", time = 0 },
      { user = 1, event = "move", time = 5 }, { user = 2, event = "later", time = 500000 } }
    local result = one:clarity(stages, { content = "start" })
    assert.equal(1, #result.rows)
    assert.equal("unknown", result.rows[1].label)
    assert.equal("start", result.rows[1].item)
    local nothing = one:clarity(stages, { since = "2030-01-01" })
    assert.equal(0, #nothing.rows)
    assert.is_true(#tostring(nothing) > 0)
    -- nobody's window is over
    assert.equal(0, #one:clarity(stages, { within = "30d" }).rows)
  end)

  it("narrows, groups, prints, and gives plain data", function()
    local result = log:clarity(stages, { by = "page", groups = 2, within = 900 })
    assert.equal(2, #result.groups)
    assert.is_true(#result.groups[1].rows > 0)
    assert.is_true(#log:clarity(stages, { where = { page = "p0" }, within = 900 }).rows > 0)
    local lines = 0
    for line in (tostring(result) .. "\n"):gmatch "(.-)\n" do
      lines = lines + 1
      assert.is_true(require("wayproof.show").width(line) <= 80, line)
    end
    assert.is_true(lines <= 25)
    assert.equal(#result.rows, #result:table().rows)
    assert.is_truthy(result:json():find('"label"', 1, true))
    local path = os.tmpname()
    assert(result:csv(path))
    os.remove(path)
  end)

  it("measures the effort of those who moved on", function()
    local rows = {}
    for user = 1, 10 do
      for i, event in ipairs { "start", "view", "view", "move" } do
        -- gaps of 10 s, 100 s (a minute counts) and an hour (nobody was there)
        local at = ({ 0, 10, 110, 3710 })[i]
        rows[#rows + 1] = { user = user, event = event, time = at + user }
      end
    end
    rows[#rows + 1] = { user = 11, event = "later", time = 900000 }
    local effort = rows_log(rows):clarity(stages).effort[1]
    assert.same({ 10, 3, 70 }, { effort.users, effort.median_events,
      effort.median_engaged_seconds })
  end)
end)
