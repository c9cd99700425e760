--- Lets go of vectors that nobody holds any more. The collector would wait until there is as much
--- again as what is held, which for a few long vectors is a lot of memory. Cost: a walk over all
--- Lua objects, about a millisecond.
local least = 200000 -- rows from which on vectors weigh more than looking for dead ones costs

---@param rows integer length of the vectors
return function(rows)
  if rows >= least then collectgarbage() end
end
