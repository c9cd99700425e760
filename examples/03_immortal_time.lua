-- The Stanford heart transplants: who was transplanted lived longer, because who lived longer could
-- be transplanted. A lifetime count calls it strong; from a landmark on there is nothing to claim.
--
--     lua5.4 examples/03_immortal_time.lua
--
-- 103 patients: days from acceptance to death or end of study, died, days until the transplant (-
-- for none). Crowley and Hu (1977), Journal of the American Statistical Association 72, 27-36; as
-- in R's survival::jasa.
local wp = require "wayproof"

local patients = [[
49 1 -, 5 1 -, 15 1 0, 38 1 35, 17 1 -, 2 1 -, 674 1 50, 39 1 -, 84 1 -, 57 1 11, 152 1 25, 7 1
-, 80 1 16, 1386 1 36, 0 1 -, 307 1 27, 35 1 -, 42 1 19, 36 1 -, 27 1 17, 1031 1 7, 50 1 11,
732 1 2, 218 1 82, 1799 0 24, 1400 0 -, 262 1 -, 71 1 70, 34 1 -, 851 1 15, 15 1 -, 76 1 16,
1586 0 50, 1571 0 22, 11 1 -, 99 1 45, 65 1 18, 4 1 4, 52 1 1, 1407 0 40, 1321 0 57, 2 1 -, 1 1
-, 39 1 -, 44 1 0, 995 1 1, 71 1 20, 8 1 -, 1141 0 35, 979 1 82, 284 1 31, 101 1 -, 187 1 40, 2
1 -, 60 1 9, 941 0 66, 148 1 -, 342 1 20, 915 0 77, 67 1 2, 1 1 -, 68 1 -, 841 0 26, 583 1 32,
77 1 11, 31 1 -, 284 1 56, 67 1 2, 669 0 9, 29 1 4, 619 0 30, 595 0 3, 89 1 26, 16 1 4, 1 1 -,
544 0 45, 20 1 -, 514 0 209, 95 1 66, 481 0 25, 444 0 5, 427 0 -, 79 1 31, 333 1 36, 4 1 -, 396
0 7, 109 1 59, 369 0 30, 206 1 138, 185 1 159, 339 1 -, 339 0 309, 264 0 27, 164 1 3, 15 1 1,
179 0 12, 130 0 20, 108 0 95, 20 1 -, 38 0 37, 30 0 -, 10 0 -, 5 1 -]]

local rows = {}
for followed, died, wait in patients:gmatch "(%d+)%s+(%d)%s+([%d%-]+)" do
  local id = "patient " .. #rows
  local function add(event, day)
    rows[#rows + 1] = { user = id, event = event, time = day * 86400 }
  end
  add("accepted", 0)
  if wait ~= "-" then add("transplant", tonumber(wait)) end
  add(died == "1" and "death" or "end_of_study", tonumber(followed))
end
local log = assert(wp.read_rows(rows, { time_unit = "s" }))

-- What a lifetime count says: transplanted ever against died ever.
local both, transplanted, deaths = 0, 0, 0
for _, journey in log:journeys() do
  local had, died = false, false
  for i = 1, #journey do
    had = had or journey[i].event == "transplant"
    died = died or journey[i].event == "death"
  end
  if had then transplanted = transplanted + 1 end
  if died then deaths = deaths + 1 end
  if had and died then both = both + 1 end
end
print(string.format("died: %d of %d with a transplant, %d of %d without", both, transplanted,
  deaths - both, log:users() - transplanted))

local result = log:validate(wp.hypothesis "a transplant within 30 days keeps people alive" {
  metric = wp.did "transplant",
  outcome = wp.accelerates "death",
  observe = "30d",
  within = "1800d",
  expect = "fall",
  until_events = "end_of_study",
})
print(result)
assert(result.verdict == "inconclusive")
