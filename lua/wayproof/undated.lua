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
  if tree == nil or core.log.facts(log, false).attributes_dated then return nil end
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

local chosen_by = setmetatable({}, { __mode = "k" })

--- Remembers that the users or events of `view` were chosen from `log` by an attribute without a
--- date, if they were, so that whatever is judged on the view can say so.
---@param log wayproof.Log
---@param view wayproof.Log
---@param tree table|nil  what they were chosen by
---@return wayproof.Log view
function undated.passed_on(log, view, tree)
  chosen_by[view] = chosen_by[log] or undated.find(log, tree)
  return view
end

--- The attribute without a date by which the users of a log were chosen; nil when by none.
---@param log wayproof.Log
---@return string? name
function undated.chosen_by(log)
  return chosen_by[log]
end

return undated
