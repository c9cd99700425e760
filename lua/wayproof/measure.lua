--- Measuring: a request over trees becomes a plan of the core, a plan becomes a frame.
---
--- `measure.run` is what the judge and `log:measure` share: any number of (metric, window) columns
--- in one pass over the log. This module only translates; see csrc/journey/plan.h for what a plan
--- is. Cost: O(nodes of the request); the same selector, window or leaf asked for twice is one.
local check = require "wayproof.check"
local core = require "wayproof.core"
local fingerprint = require "wayproof.fingerprint"
local resolve = require "wayproof.resolve"

local measure = {}

local DWELL_CAP_US = 30 * 60 * 1000000
local SESSION_US = 30 * 60 * 1000000

-- A plan under construction ----------------------------------------------------------------------

local Plan = {}
Plan.__index = Plan

local function new_plan(log)
  return setmetatable({ log = log, seen = {}, custom = {}, core = { selections = {}, windows = {},
    steps = {}, leaves = {}, columns = {} } }, Plan)
end

-- Adds `value` to the list `name` of the plan once, and returns its position.
function Plan:once(name, key, make)
  local seen = self.seen[name]
  if not seen then
    seen = {}
    self.seen[name] = seen
  end
  if not seen[key] then
    local list = self.core[name]
    local value = make()
    list[#list + 1] = value
    seen[key] = #list
  end
  return seen[key]
end

function Plan:selection(selector)
  local wanted = selector or {}
  local key = fingerprint.text { names = wanted.names or false, filter = wanted.filter or false,
    except = wanted.except or false }
  return self:once("selections", key, function() return resolve.selector(self.log, wanted) end)
end

function Plan:window(window)
  local kind = window[1]
  if kind then
    return self:once("windows", kind, function() return { kind = kind } end)
  end
  local key = window.from_us .. " " .. window.to_us
  return self:once("windows", key, function()
    return { kind = "offsets", from_us = window.from_us, to_us = window.to_us }
  end)
end

-- A list of selectors as consecutive steps; returns the first position and the number.
function Plan:steps(selectors)
  local first = #self.core.steps + 1
  for i,
    selector in ipairs(selectors) do self.core.steps[first + i - 1] = self:selection(selector) end
  return first, #selectors
end

local function source_of(log, name, what)
  if name == "event" then return "event", { column = 1, per_user = false } end
  local column = resolve.column(log, name, what)
  return column.kind, column
end

-- Leaves -----------------------------------------------------------------------------------------
--
-- leaf[kind](plan, node, leaf) fills in what the kind needs. `leaf.window` and `leaf.kind` are set.
local leaf = {}

local function by_selector(plan, node, out)
  out.a = plan:selection(node.selector)
end

for _, kind in ipairs { "did", "time_to", "self_loops", "u_turns", "longest_gap", "pace",
  "first_time", "time_of_last", "until_time", "until_status" } do
  leaf[kind] = by_selector
end

function leaf.count(plan, node, out)
  by_selector(plan, node, out)
  out.part = node.part
end

local function by_number(plan, node, out)
  by_selector(plan, node, out)
  local column = resolve.number_column(plan.log, node.column)
  out.column, out.per_user = column.column, column.per_user
end

for _, kind in ipairs { "sum", "mean", "max", "min", "first_value", "last_value" } do
  leaf[kind] = by_number
end

function leaf.distinct(plan, node, out)
  by_selector(plan, node, out)
  local source, column = source_of(plan.log, node.column)
  out.source, out.column, out.per_user = source, column.column, column.per_user
end

function leaf.sessions(plan, node, out)
  by_selector(plan, node, out)
  out.limit_us = node.timeout_us or SESSION_US
end

function leaf.active_days(plan, node, out)
  by_selector(plan, node, out)
  out.zone = node.zone
end

function leaf.dwell(plan, node, out)
  by_selector(plan, node, out)
  out.limit_us = DWELL_CAP_US
end

function leaf.time_between(plan, node, out)
  out.a, out.b = plan:selection(node.from_selector), plan:selection(node.to_selector)
end

local function by_stages(plan, node, out)
  local selectors = {}
  for i, stage in ipairs(node.stages) do selectors[i] = stage.selector end
  out.first_step, out.steps_count = plan:steps(selectors)
end
leaf.depth, leaf.backtracks = by_stages, by_stages

function leaf.hesitation(plan, node, out)
  by_stages(plan, node, out)
  out.stage = node.stage
end

function leaf.matches(plan, node, out)
  out.first_step, out.steps_count = plan:steps(node.steps)
  out.limit_us = node.within_us
end

function leaf.attribute(plan, node, out)
  local found = resolve.find_column(plan.log, node.name)
  if found and not found.per_user then
    check.fail("attribute '%s': a column of the events (expected a number column of the users "
      .. "table; try wp.first_value(nil, \"%s\"))", node.name, node.name)
  end
  found = found or resolve.column(plan.log, node.name, "attribute")
  if found.kind ~= "number" then
    check.fail("attribute '%s': text (expected a number column of the users table: list it under "
      .. "`numbers` of `users`, or filter by it with `where`)", node.name)
  end
  out.column, out.per_user = found.column, true
end

function leaf.anchor(plan, node, out)
  local source, column = source_of(plan.log, node.column)
  out.source, out.column, out.per_user = source, column.column, column.per_user
end

function leaf.custom(plan, node, out, window)
  out.kind = "given"
  plan.custom[#plan.custom + 1] = { node = node, window = window, leaf = out }
end

-- Kinds whose numbers are whole, by the width that they need.
local cell_types = {
  did = "u8", until_status = "u8", count = "u32", distinct = "u32", sessions = "u32",
  active_days = "u32", depth = "u32", backtracks = "u32", self_loops = "u32", u_turns = "u32",
  matches = "u32", first_time = "i64", time_of_last = "i64",
}

-- Programs ---------------------------------------------------------------------------------------

local two_sided = { add = true, subtract = true, multiply = true, divide = true }
local with_number = { at_least = true, capped = true, default = true }

function Plan:leaf(node, window)
  local fill = leaf[node.kind]
  if not fill then check.fail("measure: unknown kind of metric '%s'", tostring(node.kind)) end
  local position = self:window(window)
  if node.kind == "custom" then
    local out = { kind = "given", window = position }
    fill(self, node, out, window)
    self.core.leaves[#self.core.leaves + 1] = out
    return #self.core.leaves
  end
  local bare = {}
  for key, value in pairs(node) do
    if key ~= "title" and key ~= "window" then bare[key] = value end
  end
  return self:once("leaves", position .. " " .. fingerprint.text(bare), function()
    local out = { kind = node.kind, window = position }
    fill(self, node, out)
    return out
  end)
end

-- Appends the operations of `node`; returns the cell type and whether all its numbers are whole. A
-- node may bring a window of its own.
function Plan:program(node, window, ops)
  local kind = node.kind
  window = node.window or window
  if two_sided[kind] then
    local _, left = self:program(node.left, window, ops)
    local _, right = self:program(node.right, window, ops)
    ops[#ops + 1] = { kind = kind }
    return "f64", left and right and kind ~= "divide"
  elseif kind == "constant" then
    ops[#ops + 1] = { kind = "constant", number = node.number }
    return "f64", math.type(node.number) == "integer"
  elseif kind == "log1p" then
    self:program(node.of, window, ops)
    ops[#ops + 1] = { kind = "log1p" }
    return "f64", false
  elseif with_number[kind] then
    local cell, whole = self:program(node.of, window, ops)
    ops[#ops + 1] = { kind = kind, number = node.number }
    if kind == "at_least" then return "u8", true end
    local integer = math.tointeger(node.number)
    -- A number outside what the cell holds needs the wide type.
    if cell ~= "u32" or not integer or integer < 0 or integer >= 0xffffffff then
      cell = cell == "u8" and (integer == 0 or integer == 1) and "u8" or "f64"
    end
    return cell, whole and integer ~= nil
  end
  ops[#ops + 1] = { kind = "leaf", leaf = self:leaf(node, window) }
  local cell = cell_types[kind] or "f64"
  return cell, cell ~= "f64"
end

function Plan:column(request)
  local ops, texts = {}, nil
  local metric = request.metric
  local cell, whole = self:program(metric, request.window, ops)
  if metric.kind == "anchor" then
    local source, column = source_of(self.log, metric.column)
    if source ~= "number" then
      texts = source == "event" and "event" or column
      cell, whole = "u32", true
    end
  end
  local columns = self.core.columns
  columns[#columns + 1] = { type = cell, integral = whole, ops = ops, texts = texts }
end

-- Custom metrics ---------------------------------------------------------------------------------

-- What the window of a custom metric sees: `{ from, to }`, instants; lists the row's own journey.
local function window_of(window, t0_us, end_us, as_of_us)
  if window[1] == "lifetime" then return math.mininteger, as_of_us + 1 end
  if window[1] == "before" then return math.mininteger, t0_us end
  if window[1] == "since" then return t0_us, end_us end
  return t0_us + window.from_us, t0_us + window.to_us
end

local function journey_in(journey, from_us, to_us, wanted)
  local part = {}
  for i = 1, #journey do
    local event = journey[i]
    if event.time >= from_us and event.time < to_us and (not wanted or wanted[event.event]) then
      part[#part + 1] = event
    end
  end
  return part
end

local function custom_number(custom, journey, window, user)
  local ok, number = pcall(custom.node.call, journey, window)
  if not ok then
    error(string.format("custom '%s': user '%s': %s", custom.node.name, user, tostring(number)), 0)
  end
  if number == nil or number ~= number then return nil end
  if number == true then return 1 elseif number == false then return 0 end
  if type(number) ~= "number" or number == math.huge or number == -math.huge then
    check.fail("custom '%s': user '%s': %s (expected a finite number or nil)", custom.node.name,
      user, check.describe(number))
  end
  return number
end

-- Measures the plan without columns to learn who has which clock, then asks Lua for the numbers.
local function fill_custom(log, plan)
  local bare = { from = plan.core.from, until_ = plan.core.until_,
    population = plan.core.population, as_of_us = plan.core.as_of_us }
  local handle, message, code = core.frame.measure(log, bare)
  if not handle then return nil, message, code end
  local rows, numbers = handle:rows(), {}
  for i, custom in ipairs(plan.custom) do
    numbers[i] = {}
    if custom.node.events then
      local names = resolve.event_names(log, custom.node.events)
      if names then
        custom.wanted = {}
        for _, name in ipairs(names) do custom.wanted[name] = true end
      end
    end
  end
  for row = 1, rows do
    local user = handle:user(row)
    local t0_us, end_us = handle:times(row)
    local journey = core.log.journey(log, user)
    for i, custom in ipairs(plan.custom) do
      local from_us, to_us = window_of(custom.window, t0_us, end_us, plan.core.as_of_us)
      local part = journey_in(journey, from_us, to_us, custom.wanted)
      numbers[i][row] = custom_number(custom, part, { from = math.max(from_us, journey[1].time),
        to = to_us, t0 = t0_us, user = user }, user)
    end
  end
  handle:close()
  for i, custom in ipairs(plan.custom) do
    custom.leaf.given = core.vector.new(numbers[i], rows)
  end
  return true
end

-- Running ----------------------------------------------------------------------------------------

---@class wayproof.MeasureRequest
---@field from table|nil            Selector: t0 is the user's first such event (nil: the first
---   event)
---@field population table|nil      Filter on the anchor event
---@field until_selector table|nil  Selector: the first at or after t0 ends the user's follow-up
---@field as_of_us integer          end of observation
---@field columns { name: string, metric: table, window: table }[]
---@field rules { needed_us: integer, prior: integer?, outcome: integer?, required: integer[] }|nil
---   who stays: those with `needed_us` of follow-up from t0 and nothing above 0 in the column
---   `prior`; `handle:loss()` counts the others, and rows without a number in a `required` column

--- The request as a plan of the core. Raises on what the log does not have.
---@param log wayproof.Log
---@param request wayproof.MeasureRequest
---@return table plan
function measure.plan(log, request)
  local plan = new_plan(log)
  plan.core.as_of_us = request.as_of_us
  plan.core.rules = request.rules
  if request.from then plan.core.from = resolve.selector(log, request.from) end
  if request.until_selector then plan.core.until_ = resolve.selector(log,
    request.until_selector) end
  if request.population and #request.population > 0 then
    plan.core.population = { conditions = resolve.filter(log, request.population) }
  end
  for _, column in ipairs(request.columns) do plan:column(column) end
  if #plan.core.leaves > 0 then plan:selection(nil) end
  return plan
end

--- Measures every column of the request in one pass.
---@param log wayproof.Log
---@param request wayproof.MeasureRequest
---@return userdata|nil handle  the core's frame (see l_frame.c); columns in the request's order
---@return string? message
---@return string? code
function measure.handle(log, request)
  local plan = measure.plan(log, request)
  if #plan.custom > 0 then
    local done, message, code = fill_custom(log, plan)
    if not done then return nil, message, code end
  end
  return core.frame.measure(log, plan.core)
end

--- As measure.handle, and wraps the result as a Frame of every user that has an anchor event and
--- passes `population`: `frame:vector(name)`, `frame:vector "t0_us"`, `"end_us"`, `"user"`;
--- `frame.n` has `users`, `outside`, `no_anchor`, `used` (rows).
---@return wayproof.Frame|nil frame
---@return string? message
---@return string? code
function measure.run(log, request)
  local handle, message, code = measure.handle(log, request)
  if not handle then return nil, message, code end
  local names = {}
  for i, column in ipairs(request.columns) do names[i] = column.name end
  return require("wayproof.frame").wrap(handle, names)
end

return measure
