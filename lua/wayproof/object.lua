--- Immutable objects: the nodes of the tree, and every result that a user gets back.
---
--- An object is an empty table whose fields live under one private key; `__index` reads them,
--- `__newindex` raises. Nested plain tables are frozen the same way, so nothing below an object can
--- change either; `pairs`, `ipairs`, `#` and the table library read through. Objects of other
--- classes, functions and userdata are kept as they are.
--- Cost: one small table per frozen table; a field read is two table reads.
local check = require "wayproof.check"

local object = {}

local FIELDS = {} -- the private key
local EMPTY = {}

local function fields(self)
  return rawget(self, FIELDS) or EMPTY
end

local function refuse(self, key)
  check.fail("%s is immutable: field '%s' cannot be set", check.describe(self), tostring(key))
end

local frozen = {
  __name = "wayproof.Frozen",
  __index = function(self, key) return fields(self)[key] end,
  __newindex = function(_, key)
    check.fail("results are immutable: field '%s' cannot be set", tostring(key))
  end,
  __len = function(self) return #fields(self) end,
  __pairs = function(self) return next, fields(self), nil end,
  __tostring = function(self)
    return require("wayproof.show").value(self)
  end,
}

-- An empty table stays without the private key, so that `next(t) == nil` also holds for it.
local function seal(data, metatable)
  return setmetatable({ [FIELDS] = next(data) ~= nil and data or nil }, metatable)
end

--- A frozen copy of plain data (tables within tables); everything else is returned as it is.
---@generic T
---@param value T
---@return T
function object.freeze(value)
  if type(value) ~= "table" or getmetatable(value) then return value end
  local copy = {}
  for key, item in pairs(value) do copy[key] = object.freeze(item) end
  return seal(copy, frozen)
end

local FILL = {} -- the private key of what is still to be computed

-- The fields, all of them there. When `fill` raises, the next read tries again.
local function complete(self)
  local data, fill = rawget(self, FIELDS), rawget(self, FILL)
  if fill then
    for key, value in pairs(fill(data)) do data[key] = object.freeze(value) end
    rawset(self, FILL, nil)
  end
  return data
end

local lazy = {
  __name = frozen.__name,
  __index = function(self, key)
    local value = rawget(self, FIELDS)[key]
    if value == nil then value = complete(self)[key] end
    return value
  end,
  __newindex = frozen.__newindex,
  __len = function(self) return #complete(self) end,
  __pairs = function(self) return next, complete(self), nil end,
  __tostring = frozen.__tostring,
}

--- A frozen table with further fields that `fill` gives when somebody first asks for one that is
--- not there yet, or for all: figures that cost more than what most readers look at. `data` is
--- taken over, nested plain tables are frozen.
---@param data table
---@param fill fun(data: table): table
---@return table
function object.lazy(data, fill)
  for key, value in pairs(data) do
    if type(value) == "table" then data[key] = object.freeze(value) end
  end
  return setmetatable({ [FIELDS] = data, [FILL] = fill }, lazy)
end

--- Plain Lua data of an object or frozen table, all the way down: fresh tables without metatables.
--- A class with `plain` gives that; functions are left out; vectors, frames and logs stay as they
--- are.
function object.plain(value)
  if type(value) ~= "table" then
    if type(value) == "function" then return nil end
    return value
  end
  local metatable = getmetatable(value)
  local own = metatable and rawget(metatable, "plain")
  if own then return own(value) end
  local copy = {}
  for key, item in pairs(value) do copy[key] = object.plain(item) end
  return copy
end

local function write_csv(path, columns, rows)
  local text = require("wayproof.show").csv(columns, rows)
  local file, message = io.open(path, "wb")
  if not file then return nil, message, "file" end
  local done, why = file:write(text)
  local closed, why_close = file:close()
  if not done or not closed then
    return nil, string.format("%s: %s", path, why or why_close), "file"
  end
  return true
end

--- The rows of an object as CSV text.
---@param value table  an object of a class with `rows`
---@return string
function object.csv(value)
  return require("wayproof.show").csv(getmetatable(value).rows(value))
end

local function add_result_methods(class, spec)
  local methods = class.methods
  function methods:table() return object.plain(self) end

  local json = spec.json or object.plain
  function methods:json() return require("wayproof.json").encode(json(self)) end

  if spec.rows then
    function methods:csv(path)
      check.name(path, "csv", "a path")
      return write_csv(path, spec.rows(self))
    end
  end
end

---@class wayproof.ClassSpec
---@field name string  shown by type errors: "wayproof.Result"
---@field render? fun(self): string  what tostring gives; at most about 25 lines
---@field methods? table<string, function>
---@field metamethods? table<string, function>  `__len`, `__add` …; `__index` is asked last
---@field rows? fun(self): string[], any[][]  column names and rows, gives the class `:csv(path)`
---@field plain? fun(self): any  what `:table()` gives, where it is not all fields
---@field json? fun(self): any  what `:json()` encodes, where it is not what `:table()` gives
---@field result? boolean  false: a node, without `:table()`, `:json()`, `:csv()`

--- A class of immutable objects. Returns it as a table with `new(fields)`, `is(value)`, `methods`
--- (add to it freely) and `metatable`. Fields win over methods of the same name.
---
---     local Result = object.class { name = "wayproof.Result", render = render, rows = rows }
---     local result = Result.new { verdict = "validated", n = { users = 100 } }
---     result.n.users, result:json(), tostring(result)
---@param spec wayproof.ClassSpec
function object.class(spec)
  local methods = spec.methods or {}
  local metatable = { __name = spec.name, plain = spec.plain, rows = spec.rows }
  local class = { name = spec.name, methods = methods, metatable = metatable }
  for key, value in pairs(spec.metamethods or {}) do metatable[key] = value end
  local ask_last = metatable.__index

  function metatable.__index(self, key)
    local value = fields(self)[key]
    if value ~= nil then return value end
    value = methods[key]
    if value == nil and ask_last then return ask_last(self, key) end
    return value
  end

  metatable.__newindex = refuse
  metatable.__len = metatable.__len or function(self) return #fields(self) end
  metatable.__pairs = metatable.__pairs or function(self) return next, fields(self), nil end
  if spec.render then metatable.__tostring = spec.render end

  --- A new object; `data` is taken over, nested plain tables are frozen.
  function class.new(data)
    for key, value in pairs(data) do data[key] = object.freeze(value) end
    return seal(data, metatable)
  end

  function class.is(value)
    return type(value) == "table" and getmetatable(value) == metatable
  end

  if spec.result ~= false then add_result_methods(class, spec) end
  return class
end

return object
