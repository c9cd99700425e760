-- log:friction: stages and their people, priced signals, outcomes lost and written off.
local wp = require "wayproof"
local core = require "wayproof.core"
local made = require "spec.made"
local plan = require "wayproof.friction_plan"
local stage_made = require "spec.stage_made"
local twin = require "spec.stage_twin"

local function rows_log(rows, options)
  local given = { user = "user", event = "event", time = "time", time_unit = "s" }
  for key, value in pairs(options or {}) do given[key] = value end
  return assert(wp.read_rows(rows, given))
end

local stages = wp.stages { { "look", "look" }, { "choose", "choose" }, { "pay", "pay" } }

-- One person per line: "name: event at second, …".
local function journeys(text)
  local rows = {}
  for line in text:gmatch "[^\n]+" do
    local user, rest = line:match "^%s*(%S+):%s*(.*)$"
    for event, at in (rest or ""):gmatch "(%S+) (%d+)" do
      rows[#rows + 1] = { user = user, event = event, time = tonumber(at) }
    end
  end
  return rows
end

describe("friction: stages", function()
  local log = rows_log(journeys [[
    through: look 0 choose 100 pay 400
    jumps:   look 0 pay 300
    left:    look 0 look 50
    late:    look 0 choose 5000
    open:    look 9900
    starts:  choose 200 look 300 pay 500
    end:     other 10000
  ]])
  local result = log:friction(stages, { outcome = "pay", within = 1000 })

  it("counts who entered, moved on, left and is pending", function()
    local look, choose, pay = result.stages[1], result.stages[2], result.stages[3]
    assert.same({ 5, 3, 1, 1 }, { look.entered, look.advanced, look.left, look.pending })
    assert.same({ 3, 2, 1, 0 }, { choose.entered, choose.advanced, choose.left, choose.pending })
    assert.same({ 3, 3, 0, 0 }, { pay.entered, pay.advanced, pay.left, pay.pending })
    assert.equal("look", look.name)
  end)

  it("gives the Kaplan-Meier median with people who are still inside", function()
    -- moved on after 100, 300, 5000; 100 (still inside) and 10000 (left): S = 0.8, 0.533, 0.267
    assert.equal(5000, result.stages[1].median_seconds)
    assert.equal(300, result.stages[2].median_seconds)
    assert.equal(0, result.stages[3].median_seconds)
  end)

  it("has the fields of the contract even where nothing can be said", function()
    assert.equal(0, #result.signals)
    assert.is_number(result.early)
    assert.is_number(result.late)
    assert.equal(0, result.written_off.claimed)
    assert.is_true(#tostring(result) > 0)
  end)

  it("has nobody enter a stage behind the outcome: customers have not left", function()
    local shop = rows_log(journeys [[
      buys:   look 0 pay 100 choose 200
      back:   pay 0 look 100 choose 200
      leaves: look 0 choose 100
      end:    other 10000
    ]])
    local short = wp.stages { { "look", "look" }, { "choose", "choose" } }
    local found = shop:friction(short, { outcome = "pay", within = 1000 }).stages
    assert.same({ 2, 2, 0 }, { found[1].entered, found[1].advanced, found[1].left })
    assert.same({ 1, 0, 1 }, { found[2].entered, found[2].advanced, found[2].left })
  end)

  it("counts moves within the stage's time in the rate, and later ones as advanced all the same",
    function()
      local strict = log:friction(stages, { outcome = "pay", within = 200 })
      assert.equal(3, strict.stages[1].advanced)
      assert.equal(1, strict.stages[1].left)
      assert.equal(0.25, strict.stages[1].rate) -- 1 of the 4 whose 200 seconds are over
    end)
end)

-- Random journeys on a coarse clock: many ties, pauses, repeats, every kind of order.
local function random_rows(seed, users)
  local random, rows = made.random(seed), {}
  local names = { "a", "b", "c", "d", "e", "f", "g", "h" }
  for user = 1, users do
    local now = math.floor(random.uniform() * 3000)
    for _ = 1, 1 + math.floor(random.uniform() * 25) do
      local jump = random.uniform()
      if jump > 0.95 then
        now = now + math.floor(random.uniform() * 9000)
      elseif jump > 0.3 then
        now = now + 4 * math.floor(random.uniform() * 5)
      end
      rows[#rows + 1] = { user = "u" .. user, time = now, device = user % 3 == 0 and "x" or "y",
        event = names[1 + math.floor(random.uniform() ^ 2 * 8)] }
    end
  end
  return rows
end

local twin_stages = wp.stages { { "one", "a", "b" }, { "two", "e" }, { "three", "g" } }
local stage_of_event = { a = 1, b = 1, e = 2, g = 3 }
local function stage_of(event) return stage_of_event[event] or 0 end

local function close_to(expected, found, what)
  if expected == nil or found == nil then
    assert.equal(expected, found, what)
  else
    assert.is_true(math.abs(expected - found) <= 1e-6 * math.max(1, math.abs(expected)),
      what .. ": " .. expected .. " and " .. found)
  end
end

local function compare_stays(log, seed, times)
  local facts = core.log.facts(log)
  local as_of = facts.last - 1000000
  local request = { stages = twin_stages, times = times, as_of_us = as_of,
    outcome = require("wayproof.select").selector("h", nil, "spec") }
  local expected = twin.stays(log, 3, stage_of, function(event) return event == "h" end, times,
    as_of)
  local handle <close> = plan.open(log, request)
  local observe, within, cut = { 40000000, 60000000, 80000000 }, 2000000000, {}
  for stage = 1, 3 do cut[stage] = facts.first + 2500000000 end
  assert(handle:measure { observe_us = observe, cut_us = cut, within_us = within })
  local used_rows = 0
  for stage = 1, 3 do
    local own, at = expected[stage], 0
    assert.equal(#own, handle:counts()[stage])
    local thresholds = twin.gaps(own, observe[stage], within, as_of, cut[stage])
    local columns, signals = {}, {}
    for _, name in ipairs { "entry_us", "advance_seconds", "outcome_seconds", "before",
      "rows", "engaged_seconds" } do columns[name] = handle:column(stage, name) end
    local names = { "outcome", "events", "self_loops", "rework", "u_turns", "quick_backs",
      "page_loops", "backtracks", "off_path", "distinct", "runs", "pauses", "quiet_seconds",
      "start_delay", "hesitation" }
    for _, name in ipairs(names) do signals[name] = handle:signal(stage, name) end
    for i, stay in ipairs(own) do
      local what = string.format("seed %d, stage %d, stay %d", seed, stage, i)
      local entered = stay.rows[stay.entry].time
      assert.equal(entered, columns.entry_us[i], what)
      close_to(stay.advance and (stay.advance - entered) / 1e6, columns.advance_seconds[i], what)
      close_to(stay.outcome and (stay.outcome - entered) / 1e6, columns.outcome_seconds[i], what)
      assert.equal(stay.entry - 1, columns.before[i], what)
      assert.equal(stay.exit - stay.entry, columns.rows[i], what)
      close_to(twin.engaged(stay), columns.engaged_seconds[i], what)
      local found = twin.signals(stay, observe[stage], within, as_of, stage_of)
      if found then
        at, used_rows = at + 1, used_rows + 1
        found.hesitation = twin.hesitation(found, thresholds)
        for _, name in ipairs(names) do
          local tolerant = name == "hesitation" and found[name]
            and math.abs(found[name] - (signals[name][at] or 1e9)) < 1e-3
          if not tolerant then close_to(found[name], signals[name][at], what .. " " .. name) end
        end
      end
    end
    assert.equal(at, #signals.outcome)
  end
  return used_rows
end

describe("friction: the core", function()
  it("finds the stays and signals that a naive twin finds", function()
    local used_rows = 0
    for seed = 1, 6 do
      local log = rows_log(random_rows(seed, 80), { properties = { "device" } })
      used_rows = used_rows + compare_stays(log, seed, 1 + seed % 2)
      used_rows = used_rows + compare_stays(log:where { device = "y" }, seed, 1)
      log:close()
    end
    assert.is_true(used_rows > 200)
  end)

  it("tells hesitation by the gaps of later converters", function()
    local log = rows_log(random_rows(99, 700))
    assert.is_true(compare_stays(log, 99, 1) > 100)
    local handle <close> = plan.open(log, { stages = twin_stages, times = 1,
      as_of_us = core.log.facts(log).last, outcome = require("wayproof.select").selector("h") })
    handle:measure { observe_us = { 40000000, 1, 1 }, cut_us = { 1 << 60, 0, 0 },
      within_us = 2000000000 }
    assert.is_true(handle:signal(1, "hesitation"):count() > 0)
  end)

  it("counts further than a byte goes", function()
    local rows = {}
    for i = 0, 399 do rows[#rows + 1] = { user = "often", event = "look", time = i } end
    rows[#rows + 1] = { user = "seldom", event = "look", time = 5 }
    rows[#rows + 1] = { user = "end", event = "choose", time = 5000 }
    rows[#rows + 1] = { user = "end", event = "pay", time = 5001 }
    local log = rows_log(rows)
    local handle <close> = plan.open(log, { stages = stages, times = 1,
      as_of_us = core.log.facts(log).last, outcome = require("wayproof.select").selector("pay") })
    handle:measure { observe_us = { 1000000000, 1, 1 }, cut_us = { 0, 0, 0 }, within_us = 1000000 }
    assert.same({ 400, 1 }, handle:signal(1, "events"):table())
    assert.same({ 399, 0 }, handle:signal(1, "self_loops"):table())
    assert.same({ 400, 1 }, handle:signal(1, "runs"):table())
    assert.same({ 1, 1 }, handle:signal(1, "distinct"):table())
    assert.same({ 400, 1 }, handle:times(1, handle:events(1)[1].code):table())
  end)

  it("gives the same for one thread and for several", function()
    local log = rows_log(random_rows(5, 3000))
    local threads = core.threads()
    core.threads(1)
    local one = log:friction(twin_stages, { outcome = "h", within = 500 }):json()
    local clear_one = log:clarity(twin_stages, { within = 500 }):json()
    core.threads(4)
    local four = log:friction(twin_stages, { outcome = "h", within = 500 }):json()
    local clear_four = log:clarity(twin_stages, { within = 500 }):json()
    core.threads(threads)
    assert.equal(one, four)
    assert.equal(clear_one, clear_four)
  end)
end)

describe("friction: edges", function()
  local function friction(text, options)
    options = options or {}
    options.outcome = options.outcome or "pay"
    return rows_log(journeys(text)):friction(options.stages or stages, options)
  end

  it("takes stages that nobody entered", function()
    local result = friction("a: other 0 look 1\n b: choose 0 pay 5\n c: other 9",
      { where = { events = { "other", "look" } }, within = 3 })
    assert.same({ 0, 0, 0, 0 }, { result.stages[2].entered, result.stages[2].advanced,
      result.stages[2].left, result.stages[2].pending })
    assert.is_nil(result.stages[2].median_seconds)
    assert.equal(0, result.stages[2].lost_outcomes)
    assert.is_true(#tostring(result) > 0)
  end)

  it("takes a single person, and a log where everybody is pending", function()
    local one = friction "a: look 0 choose 5 pay 9"
    assert.equal(1, one.stages[1].advanced)
    local open = friction("a: look 0\n b: look 1\n c: choose 2 look 3 pay 3", { within = "1d" })
    assert.equal(2, open.stages[1].pending)
    assert.equal(0, open.stages[1].left)
    assert.equal(0, open.written_off.people)
  end)

  it("takes a narrowed log without any event", function()
    local log = rows_log(journeys "a: look 0 choose 5 pay 9")
    local result = log:friction(stages, { outcome = "pay", since = "2030-01-01" })
    assert.equal(0, result.stages[1].entered)
    assert.equal(0, result.early)
    assert.is_true(#tostring(result) > 0)
  end)

  it("takes an outcome that nobody has", function()
    local log = stage_made.shop(300, 3, {})
    local result = log:friction(stage_made.shop_stages,
      { outcome = wp.converts("buy", { at_least = 5 }), within = "5d" })
    assert.equal(0, #result.signals)
    assert.equal(0, result.early)
    assert.equal(0, result.late)
    assert.equal(0, result.written_off.expected)
    assert.is_true(result.written_off.high > 0)
  end)

  it("refuses what makes no sense, at the caller's line", function()
    local log = rows_log(journeys "a: look 0 choose 5 pay 9")
    local function refuses(message, ...)
      local arguments = table.pack(...)
      local ok, found = pcall(function() return log:friction(table.unpack(arguments, 1, 2)) end)
      assert.is_false(ok)
      assert.is_truthy(found:find(message, 1, true), found)
      assert.is_truthy(found:find("friction_spec.lua", 1, true), found)
    end
    refuses("expected stages made by wp.stages", { "look" }, { outcome = "pay" })
    refuses("no outcome", stages)
    refuses("did you mean 'outcome'", stages, { outcom = "pay" })
    refuses("unknown event 'pai' (did you mean 'pay'?)", stages, { outcome = "pai" })
    refuses("expected an outcome that has a moment", stages, { outcome = wp.earns("pay") })
    refuses("did you mean 'choose'", stages, { outcome = "pay", early = "chose" })
    refuses("no time at all", stages, { outcome = "pay", within = 0 })
    refuses("unknown property 'page'", stages, { outcome = "pay", by = "page" })
    refuses("unknown event 'compare'", wp.stages { "look", "compare" }, { outcome = "pay" })
  end)
end)

describe("friction: figures", function()
  it("equals R's Kaplan-Meier median", function()
    -- d: first browse to first basket or buy (else the log's end), stage_made.shop(120, 7, {}):
    -- quantile(survfit(Surv(time, status) ~ 1, d), 0.5)
    local log = stage_made.shop(120, 7, {})
    local stage = log:friction(stage_made.shop_stages, { outcome = "buy", within = "6h" }).stages[1]
    assert.equal(120, stage.entered)
    assert.is_true(math.abs(stage.median_seconds - 19022.846292) < 1e-4)
  end)

  it("finds planted confusion with sign and price, and nothing where none is planted", function()
    local certain, planted_found, difference = 0, 0, 0
    for seed = 1, 4 do
      local null = stage_made.shop(3000, seed, {})
      for _, signal in ipairs(null:friction(stage_made.shop_stages,
        { outcome = "buy", within = "10d" }).signals) do
        certain = certain + (signal.certain and 1 or 0)
      end
      null:close()
      local planted = stage_made.shop(6000, seed, { planted = true })
      for _, signal in ipairs(planted:friction(stage_made.shop_stages,
        { outcome = "buy", within = "10d" }).signals) do
        if signal.name == "repeats" and signal.stage == "basket" then
          planted_found = planted_found + (signal.certain and 1 or 0)
          difference = difference + signal.difference / 4
          assert.is_true(signal.low < signal.difference and signal.difference < signal.high)
          assert.is_true(signal.outcomes_per_month < 0)
          assert.is_true(signal.users > 100)
        end
      end
      planted:close()
    end
    assert.is_true(certain <= 1, certain .. " certain without a plant")
    assert.is_true(planted_found >= 3, planted_found .. " of 4 found")
    assert.is_true(difference < -0.1 and difference > -0.5, tostring(difference))
  end)

  it("forecasts what people who were written off bring, the silent ones included", function()
    local log = stage_made.shop(8000, 11, { return_chance = 0.1 })
    local result = log:friction(stage_made.shop_stages, { outcome = "buy", within = "10d" })
    local off = result.written_off
    assert.is_true(off.low < off.expected and off.expected < off.high)
    assert.is_true(off.low > 0)
    assert.is_true(off.low <= off.observed and off.observed <= off.high)
    assert.is_true(off.people > 3000)
    assert.is_true(off.calibration.observed > 0)
    assert.is_true(result.early > 0 and result.late > 0)
    local sum = 0
    for _, stage in ipairs(result.stages) do sum = sum + stage.lost_outcomes end
    assert.is_true(math.abs(sum - result.early - result.late) < 1e-6)
  end)

  it("loses no more in a stage than came from people like its leavers", function()
    -- 400 leave and 100 pay; all are alike when they enter: each was worth 0.2, so 80 are lost
    local rows = {}
    for user = 1, 500 do
      local at = user % 7
      rows[#rows + 1] = { user = user, event = "look", time = at }
      if user % 5 == 0 then rows[#rows + 1] = { user = user, event = "pay", time = at + 50 } end
    end
    rows[#rows + 1] = { user = 501, event = "other", time = 5000 }
    local result = rows_log(rows):friction(wp.stages { "look", "pay" },
      { outcome = "pay", within = 100 })
    assert.equal(400, result.stages[1].left)
    assert.is_true(math.abs(result.stages[1].lost_outcomes - 80) < 2)
    assert.equal(result.stages[1].lost_outcomes, result.early)
    assert.equal(0, result.late)
  end)

  it("sees a top that starves behind a healthy late rate", function()
    local random, rows = made.random(4), {}
    for user = 1, 3000 do
      local start = user * 3600
      rows[#rows + 1] = { user = user, event = "look", time = start }
      if random.uniform() < (user < 1500 and 0.5 or 0.2) then
        rows[#rows + 1] = { user = user, event = "choose", time = start + 600 * random.uniform() }
        if random.uniform() < 0.6 then
          rows[#rows + 1] = { user = user, event = "pay",
            time = start + 900 + 60 * random.uniform() }
        end
      end
    end
    local log = rows_log(rows)
    local top = log:friction(stages, { outcome = "pay", within = "1d", early = "look" }).top
    assert.is_true(top.starving)
    assert.is_true(math.abs(top.late_rate - 0.6) < 0.06)
    assert.is_true(math.abs(top.reach - 0.35) < 0.05)
    assert.is_true(top.early.later < top.early.earlier)
  end)
end)

describe("friction: as every analysis", function()
  local log = stage_made.shop(1500, 21, {})

  it("narrows by where, since and before, and groups by a property", function()
    local rows = random_rows(17, 600)
    local own = rows_log(rows, { properties = { "device" } })
    local result = own:friction(twin_stages, { outcome = "h", within = 500, by = "device" })
    assert.equal("device", result.by)
    assert.equal(2, #result.groups)
    local entered = 0
    for _, group in ipairs(result.groups) do entered = entered + group.stages[1].entered end
    assert.equal(result.stages[1].entered, entered)
    local x = own:friction(twin_stages, { outcome = "h", within = 500, where = { device = "x" } })
    for _, group in ipairs(result.groups) do
      if group.value == "x" then assert.equal(x.stages[1].entered, group.stages[1].entered) end
    end
    -- what comes after `before` was not seen: people there are pending
    local cut = core.log.facts(own).first + 600 * 1000000
    local early = own:friction(twin_stages, { outcome = "h", within = 500, before = cut })
    assert.is_true(early.stages[1].pending > 0)
  end)

  it("prints on at most 25 lines of 80 columns", function()
    local text = tostring(log:friction(stage_made.shop_stages, { outcome = "buy", within = "10d" }))
    local lines = 0
    for line in (text .. "\n"):gmatch "(.-)\n" do
      lines = lines + 1
      assert.is_true(require("wayproof.show").width(line) <= 80, line)
    end
    assert.is_true(lines <= 25)
    assert.is_truthy(text:find("written off", 1, true))
  end)

  it("gives plain tables, JSON and CSV", function()
    local result = log:friction(stage_made.shop_stages, { outcome = "buy", within = "10d" })
    assert.equal(result.stages[1].entered, result:table().stages[1].entered)
    assert.is_truthy(result:json():find('"written_off"', 1, true))
    local path = os.tmpname()
    assert(result:csv(path))
    local file = assert(io.open(path, "rb"))
    local text = file:read "a"
    file:close()
    os.remove(path)
    assert.is_truthy(text:find("^name,stage,users,rate_with,rate_without,difference,low,high,p"))
    assert.has_error(function() result.early = 1 end)
  end)
end)

describe("friction: differences among equals", function()
  local effect = require "wayproof.friction_effect"
  local stats = require "wayproof.stats"

  it("equals least squares with robust errors where these are the larger", function()
    local random, y, x, z = made.random(8), {}, {}, {}
    for i = 1, 2000 do
      z[i] = random.normal()
      x[i] = made.happens(random, z[i]) and 1 or 0
      y[i] = made.happens(random, -0.5 + z[i] - 0.8 * x[i]) and 1 or 0
    end
    local vector = core.vector.new
    local found = effect.difference(vector(y), vector(x), { columns = { vector(z) } })
    local fit = stats.linear({ z, x }, y, { robust = true })
    local own = fit.coefficients[3]
    assert.is_true(math.abs(found.difference - own.estimate) < 1e-12)
    assert.is_true(found.se >= own.se * (1 - 1e-9) and found.se < own.se * 1.1)
    assert.is_true(found.p < 1e-3)
  end)

  it("equals lm with HC1 errors of R's sandwich", function()
    -- i <- 1:240; x <- as.numeric((7*i) %% 5 < 2); a <- (i*i) %% 13 + 3*x; b <- i %% 11
    -- y <- as.numeric((3*i*i + 5*i) %% 17 < 5 + 4*x); f <- lm(y ~ x + a + b)
    -- se <- sqrt(sandwich::vcovHC(f, "HC1")["x","x"]); d <- coef(f)["x"]
    -- print(c(d, se, d + qnorm(c(.025, .975))*se, 2*pnorm(-abs(d)/se)), digits = 12)
    local x, y, a, b = {}, {}, {}, {}
    for i = 1, 240 do
      x[i] = (7 * i) % 5 < 2 and 1 or 0
      a[i], b[i] = (i * i) % 13 + 3 * x[i], i % 11
      y[i] = (3 * i * i + 5 * i) % 17 < 5 + 4 * x[i] and 1 or 0
    end
    local vector = core.vector.new
    local found = effect.difference(vector(y), vector(x), { columns = { vector(a), vector(b) } })
    assert.is_near(0.17025477208897, found.difference, 1e-12)
    assert.is_near(0.06540018692695, found.se, 1e-12)
    assert.is_near(0.04207276112997, found.low, 1e-12)
    assert.is_near(0.29843678304797, found.high, 1e-12)
    assert.is_near(0.00923374408959, found.p, 1e-12)
    -- the same of some people: lm(…, subset = i %% 3 > 0)
    local keep = {}
    for i = 1, 240 do keep[i] = i % 3 > 0 and 1 or 0 end
    found = effect.difference(vector(y), vector(x), { columns = { vector(a), vector(b) } },
      vector(keep))
    assert.is_near(0.1906196844051, found.difference, 1e-12)
    assert.is_near(0.0791722951346, found.se, 1e-12)
    assert.is_near(0.0354448373679, found.low, 1e-12)
    assert.is_near(0.3457945314423, found.high, 1e-12)
    assert.is_near(0.0160552829127, found.p, 1e-12)
  end)

  it("equals R's least squares with binomial errors where these are the larger", function()
    -- i <- 1:600; x <- as.numeric((7*i) %% 23 < 3); a <- (i*i) %% 13; b <- i %% 11
    -- y <- as.numeric((3*i*i + 5*i) %% 29 < 5 & !(x == 1 & i %% 4 > 0))
    -- own <- resid(lm(x ~ a + b)); p <- pmin(1, pmax(0, fitted(lm(y ~ a + b))))
    -- d <- coef(lm(y ~ x + a + b))["x"]
    -- print(c(d, sqrt(sum(own^2 * p * (1 - p))) / sum(own^2)), digits = 14)
    local x, y, a, b = {}, {}, {}, {}
    for i = 1, 600 do
      x[i] = (7 * i) % 23 < 3 and 1 or 0
      a[i], b[i] = (i * i) % 13, i % 11
      local may = not (x[i] == 1 and i % 4 > 0)
      y[i] = may and (3 * i * i + 5 * i) % 29 < 5 and 1 or 0
    end
    local vector = core.vector.new
    local found = effect.difference(vector(y), vector(x), { columns = { vector(a), vector(b) } })
    assert.is_near(-0.097724009978015, found.difference, 1e-12)
    assert.is_near(0.039930667976878, found.se, 1e-12) -- HC1: 0.0267
    assert.equal(78, found.users)
  end)

  it("says of some people what it would if there were no others", function()
    local random, y, x, a, b, keep = made.random(9), {}, {}, {}, {}, {}
    for i = 1, 3000 do
      a[i], b[i] = random.normal(), math.floor(9 * random.uniform())
      x[i] = made.happens(random, a[i]) and 1 or 0
      y[i] = made.happens(random, a[i] + 0.1 * b[i] - 0.9 * x[i]) and 1 or 0
      keep[i] = a[i] + random.normal() > 0.5 and 1 or 0
    end
    local mask, all = core.vector.new(keep), { y = y, x = x, a = a, b = b }
    local some = {}
    for name, numbers in pairs(all) do
      all[name] = core.vector.new(numbers)
      some[name] = all[name]:select(mask)
    end
    local function base(of) return { columns = { of.a, of.b }, z = of.b, others = { of.a } } end
    local found = effect.difference(all.y, all.x, base(all), mask)
    local expected = effect.difference(some.y, some.x, base(some))
    for name, value in pairs(expected) do
      if type(value) == "number" then
        assert.is_near(value, found[name], 1e-12 * math.max(1, math.abs(value)), name)
      else
        assert.equal(value, found[name], name)
      end
    end
    assert.is_true(expected.p > 0 and expected.users < 3000)
  end)

  it("says nothing about a few people, or when no outcome could be expected of them", function()
    local vector = core.vector
    local y, x = {}, {}
    for i = 1, 1000 do y[i], x[i] = i % 100 == 0 and 1 or 0, i <= 30 and 1 or 0 end
    assert.is_nil(effect.difference(vector.new(y), vector.new(x), { columns = {} }))
    for i = 1, 1000 do x[i] = i <= 19 and 1 or 0 end
    assert.is_nil(effect.difference(vector.new(y), vector.new(x), { columns = {} }))
  end)

  it("says nothing where nobody is alike: no rates differ by more than 100 points", function()
    local y, x, z = {}, {}, {}
    for i = 1, 1000 do
      y[i], x[i] = i % 3 == 0 and 1 or 0, i <= 300 and 1 or 0
      z[i] = x[i] - 0.05 * y[i] + 0.01 * math.sin(i)
    end
    local vector = core.vector.new
    assert.is_table(effect.difference(vector(y), vector(x), { columns = {} }))
    assert.is_nil(effect.difference(vector(y), vector(x), { columns = { vector(z) } }))
  end)

  it("does not take a favourite of keen people for a cause, nor silence of a few for a proof",
    function()
      local random, y, x, z = made.random(3), {}, {}, {}
      for i = 1, 20000 do
        local keen = random.normal()
        z[i] = 0.7 * keen + 0.7 * random.normal()
        x[i] = made.happens(random, keen) and 1 or 0
        y[i] = made.happens(random, keen - 1) and 1 or 0
      end
      y, x, z = core.vector.new(y), core.vector.new(x), core.vector.new(z)
      local found = effect.difference(y, x, { columns = { z }, z = z, others = {} })
      assert.is_true(found.p < 1e-6 and found.difference > 0)
      assert.is_false(found.holds)
      -- nobody of 60 where 6 were expected: the robust error alone would call that certain
      local quiet_y, quiet_x = {}, {}
      for i = 1, 1060 do
        quiet_x[i] = i > 1000 and 1 or 0
        quiet_y[i] = i <= 1000 and i % 10 == 0 and 1 or 0
      end
      local quiet = effect.difference(core.vector.new(quiet_y), core.vector.new(quiet_x),
        { columns = {} })
      assert.is_true(quiet.p > 0.005 and quiet.p < 0.1, tostring(quiet.p))
    end)
end)

describe("friction: when memory runs out", function()
  it("says so at every allocation of stays, signals, clarity, and leaks nothing #bare", function()
    local log = rows_log(random_rows(3, 60))
    log:summary()
    local function work()
      local handle <close> = plan.open(log, { stages = twin_stages, times = 1,
        as_of_us = core.log.facts(log).last, outcome = require("wayproof.select").selector("h") })
      local observe = { 40000000, 40000000, 40000000 }
      local done, message = handle:measure { observe_us = observe, cut_us = observe,
        within_us = 60000000 }
      if not done then error(message, 0) end
      local events, why = handle:events(1)
      if not events then error(why, 0) end
      local items, reason = handle:clarity { within_us = 60000000, users_least = 1 }
      if not items then error(reason, 0) end
    end
    local failures, done = 0, false
    for n = 1, 2000 do
      collectgarbage()
      collectgarbage()
      local live = core.memory()
      core.memory(n)
      local ok, message = pcall(work)
      core.memory(0)
      if ok then
        done = true
        break
      end
      failures = failures + 1
      assert.is_truthy(tostring(message):find("memory", 1, true), tostring(message))
      collectgarbage()
      collectgarbage()
      assert.equal(live, (core.memory()), "allocation " .. n .. " left memory behind")
    end
    assert.is_true(done and failures > 20)
  end)
end)

describe("friction: the command #process", function()
  local shell = require "spec.shell"
  local path = os.tmpname() .. ".csv"

  local function wayproof(arguments)
    return shell.run(shell.lua .. " " .. shell.root .. "/bin/wayproof " .. arguments)
  end

  setup(function()
    local file = assert(io.open(path, "wb"))
    file:write "user,event,time,page\n"
    for _, row in ipairs(random_rows(12, 200)) do
      file:write(string.format("%s,%s,%d,%s\n", row.user, row.event, row.time, row.device))
    end
    file:close()
  end)
  teardown(function() os.remove(path) end)

  it("prints stages in words, JSON and CSV", function()
    local text, code = wayproof("friction one=a,b two=e g --outcome h --within 500s --data "
      .. path)
    assert.equal(0, code, text)
    assert.is_truthy(text:find("friction on the way to h", 1, true), text)
    local json = wayproof("clarity one=a,b two=e g --content page --within 500s --json --data "
      .. path)
    assert.is_truthy(json:find('"rows"', 1, true), json)
  end)

  it("exits with 2 for wrong usage", function()
    local text, code = wayproof("friction one=a g --data " .. path)
    assert.equal(2, code, text)
    assert.is_truthy(text:find("no outcome", 1, true), text)
    text, code = wayproof("clarity one=a g --minimum much --data " .. path)
    assert.equal(2, code, text)
    assert.is_truthy(text:find("--minimum: 'much' (expected a number)", 1, true), text)
    text, code = wayproof("clarity one=a g --min-group 2.5 --data " .. path)
    assert.equal(2, code, text)
    assert.is_truthy(text:find("--min-group: '2.5' (expected a whole number)", 1, true), text)
  end)
end)
