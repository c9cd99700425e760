--- A metric over the columns of a table that the user brought: "rounds", or a tree of them.
--
-- A column name stands for itself; a metric built from `wp.attribute(column)` with arithmetic,
-- wp.log1p, :at_least, :capped and :default is computed column by column. Metrics over events need
-- a log and are refused. Cost: one vector operation per node.
local check = require "wayproof.check"
local core = require "wayproof.core"
local metric = require "wayproof.metric"

local frame_metric = {}

--- A column of numbers (true/false and yes/no have become 1 and 0 when the frame was made).
function frame_metric.column(frame, name, what)
  check.name(name, what, "the name of a column")
  if frame:kind(name) == "text" then
    check.fail("%s: column '%s' holds texts (expected numbers, true/false or yes/no)", what, name)
  end
  return frame:vector(name)
end

local compute = {}

function compute.attribute(frame, node, what) return frame_metric.column(frame, node.name, what) end
function compute.constant(frame, node) return core.vector.full(#frame, node.number) end

local function two(operate)
  return function(frame, node, what)
    return operate(frame_metric.tree(frame, node.left, what),
      frame_metric.tree(frame, node.right, what))
  end
end
compute.add = two(function(a, b) return a + b end)
compute.subtract = two(function(a, b) return a - b end)
compute.multiply = two(function(a, b) return a * b end)
compute.divide = two(function(a, b) return a / b end)

local function one(operate)
  return function(frame, node, what)
    return operate(frame_metric.tree(frame, node.of, what), node.number)
  end
end
compute.log1p = one(function(v) return v:log1p() end)
compute.at_least = one(function(v, number) return v:at_least(number) end)
compute.capped = one(function(v, number) return v:minimum(number) end)
compute.default = one(function(v, number) return v:fill(number) end)

--- The numbers of a metric tree over a frame.
function frame_metric.tree(frame, node, what)
  local call = compute[node.kind]
  if not call then
    check.fail("%s: %s (expected columns of the frame, as in wp.attribute \"rounds\"; events need "
      .. "a log)", what, tostring(node))
  end
  return call(frame, node, what)
end

--- A column name or a metric: its numbers, its name for people, and whether it is a bare column.
---@return wayproof.Vector v, string name, boolean bare
function frame_metric.of(frame, given, what)
  if metric.is(given) then return frame_metric.tree(frame, given, what), tostring(given), false end
  return frame_metric.column(frame, given, what), given, true
end

return frame_metric
