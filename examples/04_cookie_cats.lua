-- Cookie Cats: do rounds played in the first 14 days predict who comes back on day 7? Day 7 lies
-- inside the 14 days. Declared windows make it `leaking`; without them nothing is ever validated.
--
--     lua5.4 examples/04_cookie_cats.lua cookie_cats.csv.gz
--
-- The table (90,189 players; userid, version, sum_gamerounds, retention_1, retention_7) is Tactile
-- Entertainment's, published with DataCamp's course on A/B testing.
local wp = require "wayproof"

local folder = os.getenv "WAYPROOF_DATA" or "../shared/data"
local path = arg[1] or folder .. "/cookie_cats.csv.gz"
local file = io.open(path, "rb")
if not file then
  print("This example reads a table that is not part of the project: cookie_cats.csv, known from "
    .. "courses on A/B testing. Give its path: lua5.4 examples/04_cookie_cats.lua PATH")
  os.exit(true)
end
file:close()

local players = assert(wp.read_frame(path))
local declared = players:validate { name = "rounds bring players back",
  metric = "sum_gamerounds", outcome = "retention_7",
  metric_window = { "0d", "14d" }, outcome_window = { "7d", "8d" } }
print(declared)
print()
local undeclared = players:validate { name = "the same, windows unsaid",
  metric = "sum_gamerounds", outcome = "retention_7" }
print(undeclared)
assert(declared.verdict == "leaking" and undeclared.verdict == "inconclusive")
