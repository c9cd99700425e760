-- Asserts that a figure is an oracle's, to a relative tolerance.
local assert = require "luassert"

---@param expected number
---@param found number
---@param what? string  which figure, for the message
---@param tolerance? number  1e-7 unless given
return function(expected, found, what, tolerance)
  assert.is_number(found, what)
  local error = math.abs(found - expected) / math.max(1e-9, math.abs(expected))
  assert.is_true(error <= (tolerance or 1e-7),
    string.format("%s: %.15g, expected %.15g", what, found, expected))
end
