-- How often log:clarity and log:friction are right on made journeys whose truth is known.
--
--     lua5.4 bench/stages.lua [runs = 200] [people = 2000]
--
-- Prints the shares that doc/design/clarity.md and doc/design/friction.md report. Seeds 1 to runs;
-- the journeys are those of spec/stage_made.lua. About a second for ten runs.
package.path = "lua/?.lua;lua/?/init.lua;./?.lua;" .. package.path
package.cpath = (os.getenv("WAYPROOF_BUILD") or "build/release") .. "/?.so;" .. package.cpath
local stage_made = require "spec.stage_made"

local runs = math.tointeger(arg[1]) or 200
local people = math.tointeger(arg[2]) or 2000

local function share(count, of)
  return string.format("%d of %d (%.1f %%)", count, of, 100 * count / math.max(1, of))
end

local function each(make, visit)
  for seed = 1, runs do
    local log = make(seed)
    visit(log)
    log:close()
  end
end

local function labels(log, options)
  local found, count = {}, 0
  for _, row in ipairs(log:clarity(stage_made.two_stages, options).rows) do
    found[row.item] = row.label
    if row.label == "clears" or row.label == "clouds" then count = count + 1 end
  end
  return found, count
end

-- 200 pages without effect: a run is wrong when any of them gets a label.
local wrong = 0
each(function(seed) return stage_made.pages(people, seed, { pages = 200 }) end, function(log)
  local _, count = labels(log, { content = "page" })
  wrong = wrong + (count > 0 and 1 or 0)
end)
print("200 pages without effect, runs with any label:   " .. share(wrong, runs))

for _, favourite in ipairs { false, true } do
  local hits = { clears = 0, clouds = 0, popular = 0, other = 0 }
  each(function(seed)
    return stage_made.pages(people, seed, { planted = true, pages = 20, favourite = favourite })
  end, function(log)
    local found, count = labels(log, { content = "page", outcome = "start" })
    local guide, terms = found.guide == "clears", found.terms == "clouds"
    hits.clears = hits.clears + (guide and 1 or 0)
    hits.clouds = hits.clouds + (terms and 1 or 0)
    hits.popular = hits.popular + (found.popular == "clears" and 1 or 0)
    hits.other = hits.other + count - (guide and 1 or 0) - (terms and 1 or 0)
  end)
  print(favourite and "keen people's favourite page:" or "merely popular page:")
  print("  guide clears:                                  " .. share(hits.clears, runs))
  print("  terms cloud:                                   " .. share(hits.clouds, runs))
  print("  popular page called clarifying:                " .. share(hits.popular, runs))
  print("  other labels of 21 pages:                      " .. share(hits.other, runs * 21))
end

local certain, priced, covered, repeats, chances, sum = 0, 0, 0, 0, {}, 0
local options = { outcome = "buy", within = "10d" }
each(function(seed) return stage_made.shop(people, seed, { return_chance = 0.1 }) end,
  function(log)
    local result = log:friction(stage_made.shop_stages, options)
    for _, signal in ipairs(result.signals) do
      priced, certain = priced + 1, certain + (signal.certain and 1 or 0)
    end
    local off = result.written_off
    chances[#chances + 1] = { off.low / off.people, off.high / off.people }
    sum = sum + off.observed / off.people
  end)
for _, chance in ipairs(chances) do -- against the mean of all runs, which is nearly the truth
  covered = covered + (chance[1] <= sum / runs and sum / runs <= chance[2] and 1 or 0)
end
each(function(seed) return stage_made.shop(people, seed, { planted = true }) end, function(log)
  for _, signal in ipairs(log:friction(stage_made.shop_stages, options).signals) do
    if signal.name == "repeats" and signal.stage == "basket" and signal.difference < 0
        and signal.certain then
      repeats = repeats + 1
    end
  end
end)
print("friction without a plant, certain signals:       " .. share(certain, priced))
print("planted confusion found:                         " .. share(repeats, runs))
print("written off, 95 % intervals that hold the truth: " .. share(covered, runs))
