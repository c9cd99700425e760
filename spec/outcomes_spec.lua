-- Outcomes, clocks and who counts, on worked journeys, by the core and by the naive twin.
local journeys = require "spec.journeys"
local select_events = require "wayproof.select"
local twin = require "spec.twin"
local wp = require "wayproof"

local everyone = journeys.bystander { "a", "b", "buy", "close", "invite", "start", "x", "y" }

local excludes = { converts = true, refers = true, accelerates = true }

local function us(seconds) return seconds * 1000000 end

-- The result of one user: the outcome, { time, status }, or the reason why he is left out.
local function result_of(row, n)
  for _, reason in ipairs { "outside", "no_anchor", "too_recent", "prior_outcome", "missing" } do
    if n[reason] == 1 then return reason end
  end
  if row.time then return { row.time, row.status } end
  return row.outcome
end

local function by_twin(user, given)
  local outcome = journeys.tree(given.outcome)
  local exclude = excludes[outcome.kind]
  if given.prior_outcome then exclude = given.prior_outcome == "exclude" end
  local rows, n = twin.measure({ user }, {
    metrics = {}, outcome = outcome, exclude = exclude,
    observe_us = us(100), gap_us = us(given.gap or 0), within_us = us(100),
    as_of_us = journeys.start_us + us(given.as_of or 1000),
    from = given.from and select_events.selector(given.from) or nil,
    until_selector = given.until_events and select_events.selector(given.until_events) or nil,
    population = select_events.filter(given.population, "population"),
  })
  return result_of(rows[1], n)
end

local function by_core(user, given)
  local log <close> = journeys.log { user, everyone }
  local alone <close> = log:where { users = { "u" } }
  local frame <close> = assert(alone:measure {
    metrics = { n = wp.count() }, outcome = journeys.tree(given.outcome), observe = 100,
    within = 100, gap = given.gap, prior_outcome = given.prior_outcome, from = given.from,
    until_events = given.until_events, population = given.population,
    as_of = journeys.start_us + us(given.as_of or 1000),
  })
  local n = frame.n
  assert.equal(1, n.users)
  assert.equal(n.users,
    n.outside + n.no_anchor + n.too_recent + n.prior_outcome + n.missing + n.used)
  return result_of(frame:rows()(), n)
end

for _, group in ipairs(require "spec.semantics.outcomes") do
  describe("the outcome: " .. group.of, function()
    for _, case in ipairs(group.cases) do
      local title, entries, given, expected = table.unpack(case, 1, 4)
      it(title, function()
        local user = journeys.user("u", entries)
        assert.same(expected, by_twin(user, given), "the twin")
        assert.same(expected, by_core(user, given), "the core")
      end)
    end
  end)
end
