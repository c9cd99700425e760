--- How many threads the core works with: one setting for the process.
local check = require "wayproof.check"
local core = require "wayproof.core"

local threads = {}

--- Sets the number of threads (1 to 256), or only reads it.
---@param n? integer
---@return integer
function threads.threads(n)
  if n ~= nil then check.integer(n, "threads", 1, 256) end
  return core.threads(n)
end

return threads
