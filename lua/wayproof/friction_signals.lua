--- Signals of friction and hesitation in a stage, each priced in the outcome.
---
--- A signal is something that a person did, or not, between entering a stage and its landmark (see
--- csrc/journey/friction.h). People with it are compared with equals without it: as active before
--- the landmark and as lately, with as much history, who came at about the same time; all are still
--- in the stage, and only outcomes after the landmark count.
--- Whether a signal is good or bad is what the comparison finds, never assumed.
local effect = require "wayproof.friction_effect"
local plan = require "wayproof.friction_plan"
local stats = require "wayproof.stats"

local signals = {}

signals.events_most = 12      -- events of a stage that are looked at as detours and last touches
signals.retries_least = 3
local matters = 0.2
local deviations = { 1, 1.5, 2, 2.5, 3 }

-- Signals that are a count of some kind: what counts, from how many on, and how many events each
-- takes.
local counted = {
  { name = "repeats", column = "self_loops", least = 1, own = 1 },
  { name = "rework", column = "rework", least = 1, own = 1 },
  { name = "u_turns", column = "u_turns", least = 1, own = 2 },
  { name = "quick_backs", column = "quick_backs", least = 1, own = 2 },
  { name = "page_loops", column = "page_loops", least = 1, own = 1 },
  { name = "backtracks", column = "backtracks", least = 1, own = 1 },
  { name = "retries", column = "runs", least = signals.retries_least, own = 1 },
  { name = "pauses", column = "pauses", least = 1, own = 0 },
}

local function activity(people, own)
  local columns, z = {}, {}
  local volume = people.read "events"
  if own then volume = (volume - own):maximum(0) end
  effect.add(z, (volume + people.before):log1p())
  effect.add_curve(columns, volume:log1p())
  return columns, z
end

-- What people must be equal in, with `own` events left out of how active they were: columns, and
-- for the noise gate activity in one column (`z`) beside those that are none (`others`). Only how
-- active they were differs from signal to signal.
local function baseline(people, own)
  if not own and people.shared then return people.shared end
  local columns, z = activity(people, own)
  if not people.others then
    local others, before = {}, {}
    effect.add(before, people.before:log1p())
    effect.add(others, people.column("tenure_seconds"):log1p())
    effect.add_curve(others, people.read("quiet_seconds"):log1p())
    effect.add_curve(others, people.column "entry_us")
    people.others, people.before_column = others, before[1]
  end
  columns[#columns + 1] = people.before_column
  table.move(people.others, 1, #people.others, #columns + 1, columns)
  local made = { columns = columns, others = people.others, z = z[1], known = people.known }
  if not own then people.shared = made end
  return made
end

local function month_price(found, span_us)
  return found.difference * found.users * plan.month_us / math.max(span_us, 86400e6)
end

-- Prices one signal; `keep` (0/1) restricts it to some people. Returns it when it was priced.
local function price(list, people, name, x, base, keep)
  local found = effect.difference(people.y, x, base, keep)
  if not found then return {} end
  local span_us = people.span_us
  if keep then
    local entry = people.column("entry_us"):select(keep)
    span_us = entry:max() - entry:min()
  end
  found.name, found.stage = name, people.name
  found.outcomes_per_month = month_price(found, span_us)
  list[#list + 1] = found
  return found
end

-- Log gaps that are long for later converters; how long is chosen on earlier cohorts, and only the
-- later ones are judged.
local function hesitation(list, people)
  local gaps, base = people.read("hesitation"):fill(-100), baseline(people)
  local earlier = people.column("entry_us"):below(people.cut_us)
  local function best_deviations()
    local best, best_z = nil, 0
    for _, k in ipairs(deviations) do
      local found = effect.difference(people.y, gaps:above(k), base, earlier)
      if found and math.abs(found.difference / found.se) > best_z then
        best, best_z = k, math.abs(found.difference / found.se)
      end
    end
    return best
  end
  local best = best_deviations()
  if not best then return end
  price(list, people, "hesitation", gaps:above(best), base, 1 - earlier).deviations = best
end

-- Slow to start, not starting, and looking at many different things.
local function pace(list, people, observe_seconds)
  local none = people.read("events"):at_most(1)
  price(list, people, "no_start", none, baseline(people))
  local function slow_start()
    local delay = people.read "start_delay"
    local slow = delay:select(1 - none):quantiles({ 0.75 })[1]
    if slow and slow < observe_seconds then return slow, delay:above(slow) end
  end
  local slow, is_slow = slow_start()
  if slow then
    price(list, people, "slow_start", is_slow, baseline(people), 1 - none).above = slow
  end
  local breadth = people.read "distinct"
  local wide = breadth:quantiles({ 0.75 })[1]
  price(list, people, "breadth", breadth:above(wide), baseline(people)).above = wide
end

-- Events off the way, and what was touched last before the landmark.
local function touches(list, people, handle, stage, names, in_stage)
  local last = people.read "last_code"
  for i, event in ipairs(handle:events(stage)) do
    if i > signals.events_most then break end
    local name = names[event.code]
    if not in_stage(name) then
      local times = handle:times(stage, event.code)
      price(list, people, "detour: " .. name, times:at_least(1), baseline(people, times))
    end
    price(list, people, "last touch: " .. name, last:equals(event.code), baseline(people))
  end
end

-- Nobody knows whether the events that make a pattern are activity like any other or come on top of
-- it. Without them, people with the pattern look less active than they may be, which flatters it: a
-- difference in its favour must be there with them, too.
local function with_own(people, x, found)
  local base = baseline(people)
  local other = effect.difference(people.y, x, base)
  return other ~= nil and other.holds and other.difference * found.difference > 0
    and other.p < 0.05
end

--- The signals of one stage, those that enough people show, in a fixed order.
---@param request { handle: userdata, stage: integer, name: string, cut_us: integer,
---   observe_us: integer, names: string[], in_stage: fun(event: string): boolean }
---@return table[] list  without `q`: that takes all signals of all stages
function signals.of_stage(request)
  local handle, stage = request.handle, request.stage
  local function column(name) return handle:column(stage, name, { used = true }) end
  local people = { name = request.name, cut_us = request.cut_us, column = column,
    read = function(name) return handle:signal(stage, name) end,
    before = column "before", known = {} }
  people.y = people.read "outcome"
  local list = {}
  if #people.y < 2 * effect.users_least or people.y:sum() == 0 then return list end
  local entry = people.column "entry_us"
  people.span_us = entry:max() - entry:min()
  entry = nil -- luacheck: ignore 311 (collected before more is made)
  for _, kind in ipairs(counted) do
    local count = people.read(kind.column)
    local x = count:at_least(kind.least)
    local own = kind.own > 0 and count * kind.own or nil
    local found = price(list, people, kind.name, x, baseline(people, own))
    if own and found.holds and found.difference > 0 then
      found.holds = with_own(people, x, found)
    end
  end
  hesitation(list, people)
  pace(list, people, request.observe_us / 1e6)
  touches(list, people, handle, stage, request.names, request.in_stage)
  return list
end

--- Adds `q`, the false-discovery rate over all signals that were priced, and `certain`: q below
--- 0.05, the difference still there if activity told only 40 % of how keen people are, and at least
--- `minimum`, or a fifth of what equals without the signal do.
function signals.adjust(list, minimum)
  if #list == 0 then return list end
  local p = {}
  for i, signal in ipairs(list) do p[i] = signal.p end
  local q = stats.adjust(p, "bh")
  for i, signal in ipairs(list) do
    signal.q, signal.se = q[i], nil
    local least = minimum or matters * math.max(0, signal.rate_with - signal.difference)
    signal.certain = q[i] < 0.05 and signal.holds and math.abs(signal.difference) >= least
  end
  return list
end

return signals
