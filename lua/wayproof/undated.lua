--- Attributes of the users table without a date: what they hold may be later than the outcome.
--
-- A metric can read an attribute in many ways (wp.attribute, a filter on events, a sum over an
-- attribute, …), so the whole tree is searched for names of columns. Cost: O(size of the tree).
local core = require "wayproof.core"
local resolve = require "wayproof.resolve"

local undated = {}

local function add_names(node, names)
  if type(node) ~= "table" then return end
  if node.kind == "attribute" then names[#names + 1] = node.name end
  if type(node.column) == "string" then names[#names + 1] = node.column end
  for _, part in pairs(node) do add_names(part, names) end
end

--- The first attribute without a date that a tree (metric, outcome, selector, filter) reads, or
--- that is named in a list of names; nil when there is none.
---@param log wayproof.Log
---@param tree table|nil
---@return string? name
function undated.find(log, tree)
  if tree == nil or core.log.facts(log).attributes_dated then return nil end
  local names = {}
  add_names(tree, names)
  for _, item in ipairs(tree) do
    if type(item) == "string" then names[#names + 1] = item end
  end
  for _, name in ipairs(names) do
    local column = resolve.find_column(log, name)
    if column and column.per_user then return name end
  end
  return nil
end

return undated
