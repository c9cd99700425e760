-- Where a shop loses people, what that costs, and which page helps: stages instead of clicks.
--
--     lua5.4 examples/07_friction.lua
--
-- The shop is made up, with three things planted: in the basket, people who look twice are confused
-- and buy half as often; the guide helps people decide; the popular page does nothing.
local wp = require "wayproof"

local state = 7
local function uniform()
  state = state * 6364136223846793005 + 1442695040888963407
  return ((state ~ (state >> 29)) >> 11) * 0x1p-53
end
local function wait(mean) return -mean * math.log(1 - uniform()) end

local rows = {}
for person = 1, 6000 do
  local now, factor = uniform() * 90 * 86400, 1
  local function add(event)
    rows[#rows + 1] = { user = "p" .. person, event = event, time = now }
  end
  local function look()
    local x = uniform()
    local page = x < 0.4 and "popular page" or x < 0.5 and "guide" or "page " .. math.ceil(x * 10)
    add(page)
    if page == "guide" then factor = 2.5 end
  end
  add "landing"
  for _ = 1, 40 do
    now = now + wait(3600)
    look()
    if uniform() < 0.08 * factor then
      now = now + wait(300)
      add "basket"
      local confused = uniform() < 0.3
      if confused then
        now = now + 60
        add "basket"
      end
      while uniform() < 0.6 do
        now = now + wait(1800)
        look()
      end
      if uniform() < (confused and 0.3 or 0.6) then
        now = now + 600 + wait(3600)
        add "buy"
      end
      break
    end
    if uniform() < 0.12 then break end
  end
end
rows[#rows + 1] = { user = "end", event = "landing", time = 130 * 86400 }

local log = assert(wp.read_rows(rows, { user = "user", event = "event", time = "time",
  time_unit = "s" }))
local stages = wp.stages { { "browse", "landing", "guide", "popular page", "page *" }, "basket",
  "buy" }

local friction = log:friction(stages, { outcome = "buy", within = "10d" })
print(friction)
print()

local clarity = log:clarity(stages, { outcome = "buy" })
print(clarity)

-- What was planted was found, and the popular page was not taken for a helpful one.
local confusion
for _, signal in ipairs(friction.signals) do
  if signal.name == "repeats" and signal.stage == "basket" then confusion = signal end
end
assert(confusion and confusion.certain and confusion.difference < -0.1)

local labels = {}
for _, row in ipairs(clarity.rows) do
  if row.stage == "browse" then labels[row.item] = row.label end
end
assert(labels.guide == "clears")
assert(labels["popular page"] ~= "clears" and labels["popular page"] ~= "clouds")
