-- Runs busted under this interpreter (Debian's `busted` command starts Lua 5.1).
--
-- WAYPROOF_GC=generational or incremental lets Lua's collector be as nasty as it can: a handle that
-- C still uses, or a table that only a C local knows, does not survive long.
local collector = os.getenv("WAYPROOF_GC")
if collector == "generational" then
  collectgarbage("generational", 5, 10)
elseif collector == "incremental" then
  collectgarbage("incremental", 1, 1000, 2)
end
require("busted.runner")({ standalone = false })
