-- Errors that predict success: people who do more meet more errors, and people who do more
-- subscribe. A table of odds ratios puts failures, rage clicks and exceptions at the top of what
-- "works" (one did, on a real product: github.com/PostHog/posthog/issues/5543). Here the truth is
-- known: errors do nothing, guides help.
--
--     lua5.4 examples/05_errors_that_predict_success.lua
local wp = require "wayproof"

local state = 2024
local function uniform()
  state = state * 6364136223846793005 + 1442695040888963407
  local x = (state ~ (state >> 33)) * 0x2545f4914f6cdd1d
  return ((x ~ (x >> 29)) >> 11) * 0x1p-53
end
local function normal()
  return math.sqrt(-2 * math.log(1 - uniform())) * math.cos(2 * math.pi * uniform())
end

local errors = { client_request_failure = 0.020, rageclick = 0.012, exception = 0.040 }
local rows, day = {}, 86400

local function visit(id, start, from, to, actions)
  for _ = 1, actions do
    local at = start + (from + uniform() * (to - from)) * day
    local kind = uniform()
    rows[#rows + 1] = { user = id, time = at,
      event = kind < 0.5 and "page" or kind < 0.8 and "click" or "query" }
    for _, name in ipairs { "client_request_failure", "exception", "rageclick" } do
      if uniform() < errors[name] then
        rows[#rows + 1] = { user = id, time = at + 1, event = name }
      end
    end
  end
end

for id = 1, 5000 do
  local start, busy = uniform() * 100 * day, math.floor(math.exp(2.3 + 0.9 * normal()))
  rows[#rows + 1] = { user = id, time = start, event = "signup" }
  visit(id, start, 0, 7, busy)
  local guides = uniform() < 0.4 and 1 + math.floor(2 * uniform()) or 0
  for _ = 1, guides do
    rows[#rows + 1] = { user = id, time = start + uniform() * 7 * day, event = "guide" }
  end
  local odds = math.exp(-1.9 + 0.9 * (math.log(1 + busy) - 2.3) / 0.9 + 0.7 * guides)
  if uniform() < odds / (1 + odds) then
    local when = 7 + uniform() * 30
    rows[#rows + 1] = { user = id, time = start + when * day, event = "subscribe" }
    visit(id, start, 7, 60, 6 * busy) -- who subscribed stays around
  elseif uniform() < 0.5 then
    visit(id, start, 7, 14, busy // 2)
  end
end
local log = assert(wp.read_rows(rows, { time_unit = "s" }))

local names = { "client_request_failure", "rageclick", "exception", "guide" }

-- Odds ratios over everything each person ever did, as a table of correlations would show them.
local did, subscribed, users = {}, 0, 0
for _, journey in log:journeys() do
  local seen = {}
  for i = 1, #journey do seen[journey[i].event] = true end
  users, subscribed = users + 1, subscribed + (seen.subscribe and 1 or 0)
  for _, name in ipairs(names) do
    did[name] = did[name] or { yes = 0, no = 0 }
    if seen[name] then
      local key = seen.subscribe and "yes" or "no"
      did[name][key] = did[name][key] + 1
    end
  end
end
print "odds of subscribing, who ever did it against who never did:"
for _, name in ipairs(names) do
  local a, b = did[name].yes, did[name].no
  local c, d = subscribed - a, users - subscribed - b
  print(string.format("  %-24s ×%.1f", name, a * d / (b * c)))
end

local hypotheses = {}
for i, name in ipairs(names) do
  hypotheses[i] = wp.hypothesis(name) { metric = wp.count(name), outcome = wp.converts "subscribe",
    observe = "7d", within = "30d", as_of = wp.time "1970-05-20" }
end
local board = log:validate(hypotheses)
print()
print(board)
print()
print(board["rageclick"])

for _, name in ipairs { "client_request_failure", "rageclick", "exception" } do
  assert(board[name].verdict == "vanity", name)
end
assert(board.guide.verdict == "validated")
