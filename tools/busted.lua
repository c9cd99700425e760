-- Runs busted under this interpreter (Debian's `busted` command starts Lua 5.1).
--
-- WAYPROOF_GC=generational or incremental keeps Lua's collector at work all the time: a handle
-- that C still uses, or a table that only a C local knows, does not survive long. (A pause of 100
-- or less never lets a cycle end before the next begins: the same specs then take thirty times as
-- long.)
local collector = os.getenv("WAYPROOF_GC")
if collector == "generational" then
  collectgarbage("generational", 5, 10)
elseif collector == "incremental" then
  collectgarbage("incremental", 120, 200, 13)
end
require("busted.runner")({ standalone = false })
