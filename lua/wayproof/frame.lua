--- Frames: one row per user, in C memory, handed out on demand.
---
--- A Frame comes from `log:measure`, from `wp.frame` (Lua arrays) or from `wp.read_frame` (CSV).
--- Its columns stay in the core; `column`, `rows`, `table` and `csv` copy values out, `vector`
--- makes a vector for the statistics, `cells` groups rows. A frame is immutable.
--- Cost: making one is free; `column` and `vector` are O(rows), a row of `rows` O(columns).
local check = require "wayproof.check"
local core = require "wayproof.core"
local show = require "wayproof.show"
local suggest = require "wayproof.suggest"

local frame = {}

---@class wayproof.Frame
---@field n table          why users were lost, see `log:measure`
---@field columns string[] names of the columns, in order
---@field windows table|nil  of a measured frame: `as_of_us, metric, outcome`, each of the last two
---   `{ from_us, to_us }` from t0
local methods = {}
frame.methods = methods

local states = setmetatable({}, { __mode = "k" }) -- Frame → its handle, names and words

local Frame = { __name = "wayproof.Frame" }

local fixed = { t0_us = true, end_us = true, length_us = true, user = true }

local function state_of(self)
  local state = states[self]
  if not state then
    check.fail("frame: %s (expected a frame: call methods with a colon)", check.describe(self))
  end
  if state.closed then check.fail("frame is closed") end
  return state
end

--- A Frame around a handle of the core. `names` are the handle's columns in order; a name of
--- `false` hides the column. `extra.n` says why users were lost, `extra.words` is printed under the
--- title; `extra.undated` names by column the attribute without a date that it was made of,
--- `extra.undated_users` the one by which users were chosen.
---@return wayproof.Frame
function frame.wrap(handle, names, extra)
  extra = extra or {}
  local counts = handle:counts()
  local measured = counts.measured
  local state = { handle = handle, index = {}, columns = {}, measured = measured,
    words = extra.words, windows = extra.windows, undated = extra.undated,
    undated_users = extra.undated_users,
    cache = setmetatable({}, { __mode = "v" }) }
  if measured then state.columns[1] = "user" end
  for i, name in ipairs(names) do
    if name then
      state.index[name] = i
      state.columns[#state.columns + 1] = name
    end
  end
  local rows = handle:rows()
  state.n = extra.n or { users = counts.users, outside = counts.outside,
    no_anchor = counts.no_anchor, used = rows }
  local self = setmetatable({}, Frame)
  states[self] = state
  return self
end

--- Frees every column that is not named, and who the rows are. For a measured frame that nobody
--- else has: frames are immutable.
---@param kept table<string, boolean>
function frame.keep(self, kept)
  local state = state_of(self)
  state.handle:drop()
  for name, at in pairs(state.index) do
    if not kept[name] then
      state.handle:drop(at)
      state.index[name], state.cache[name] = nil, nil
    end
  end
end

--- Whether a value is a Frame.
function frame.is(value)
  return type(value) == "table" and getmetatable(value) == Frame
end

-- Columns ----------------------------------------------------------------------------------------

local function unknown_column(state, name)
  if type(name) ~= "string" then
    check.fail("frame: column: %s (expected a name)", check.describe(name))
  end
  local near = suggest.closest(name, state.columns)
  check.fail("frame: unknown column '%s' (%s)", name, near
    and string.format("did you mean '%s'?", near)
    or "columns: " .. table.concat(state.columns, ", "))
end

local function position(state, name)
  return state.index[name] or unknown_column(state, name)
end

--- The values of a column as a Lua array. Missing values are nil, so the array may have holes: its
--- length is `#frame`. The column `user` holds ids.
---@param name string
---@return any[]
function methods:column(name)
  local state = state_of(self)
  if name == "user" and state.measured and not state.index.user then return state.handle:users() end
  return (state.handle:column(position(state, name)))
end

--- The numbers of a column for the statistics: texts give their codes (see `labels`), dates
--- microseconds, missing values nil. `t0_us`, `end_us`, `length_us` (from one to the other) and
--- `user` (a number, not the id) exist for measured frames.
---@param name string
---@return wayproof.Vector
function methods:vector(name)
  local state = state_of(self)
  local vector = state.cache[name]
  if not vector then
    local at = state.index[name]
    if not at and fixed[name] and state.measured then
      vector = state.handle:fixed(name)
    else
      vector = state.handle:vector(at or unknown_column(state, name))
    end
    state.cache[name] = vector
  end
  return vector
end

--- The texts of a text column by code, or nil for a column of numbers. `vector(name)[row]` gives
--- the code of a row; `label` turns one code into its text.
---@return string[]|nil labels
---@return integer? offset  add it to a code to get the position in the list
function methods:labels(name)
  local state = state_of(self)
  return state.handle:texts(position(state, name))
end

--- The text that a code of `vector(name)` stands for; nil where the column holds numbers.
---@return string|nil
function methods:label(name, code)
  local state = state_of(self)
  local key = "labels of " .. name
  local labels = state[key]
  if labels == nil then
    local list, offset = state.handle:texts(position(state, name))
    labels = list and { list = list, offset = offset } or false
    state[key] = labels
  end
  return labels and labels.list[math.tointeger(code) + labels.offset] or nil
end

--- What a column holds: "number", "text" or "time".
function methods:kind(name)
  local state = state_of(self)
  if name == "user" and not state.index.user then return "text" end
  local _, _, instant, text = state.handle:describe(position(state, name))
  return text and "text" or instant and "time" or "number"
end

--- Distinct tuples of the columns named, in canonical order (ascending, missing first), and how
--- many rows each has.
---@param names string[]
---@return table<string, wayproof.Vector> columns  by name
---@return wayproof.Vector weights
function methods:cells(names)
  check.type(names, "table", "cells", "a list of column names")
  local vectors = {}
  for i, name in ipairs(names) do vectors[i] = self:vector(name) end
  local lists, weights = core.model.cells(vectors)
  local columns = {}
  for i, name in ipairs(names) do columns[name] = lists[i] end
  return columns, weights
end

-- Rows -------------------------------------------------------------------------------------------

local function row_at(state, row)
  local values = {}
  for _, name in ipairs(state.columns) do
    local at = state.index[name]
    if at then
      values[name] = state.handle:cell(at, row)
    else
      values[name] = state.handle:user(row)
    end
  end
  return values
end

--- Iterates over the rows in order: `for row, i in frame:rows() do print(row.user, row.metric)
--- end`. Each row is a fresh table by column name.
function methods:rows()
  local state = state_of(self)
  local row, count = 0, state.handle:rows()
  return function()
    row = row + 1
    if row > count then return nil end
    if state.closed then check.fail("frame is closed") end
    return row_at(state, row), row
  end
end

local function copy(value)
  if type(value) ~= "table" then return value end
  local out = {}
  for key, item in pairs(value) do out[key] = copy(item) end
  return out
end

--- Plain Lua data: `columns` (names), `n`, and `rows`, a list of tables by column name.
function methods:table()
  local state = state_of(self)
  local rows = {}
  for i = 1, state.handle:rows() do rows[i] = row_at(state, i) end
  return { columns = copy(state.columns), n = copy(state.n), rows = rows }
end

--- The same as JSON text.
---@return string
function methods:json()
  return require("wayproof.json").encode(self:table())
end

local function cell_text(state, name, value)
  if value == nil then return nil end
  if state.index[name] then
    local _, _, instant = state.handle:describe(state.index[name])
    if instant then return require("wayproof.time").date(value) end
  end
  return value
end

--- Writes the rows as CSV with a header (RFC 4180; missing values are empty, dates ISO 8601).
---@param path string
---@return boolean|nil ok
---@return string? message
---@return string? code
function methods:csv(path)
  local state = state_of(self)
  check.name(path, "csv", "a path")
  local file, message = io.open(path, "wb")
  if not file then return nil, message, "file" end
  local rows, done, why = {}, true, nil
  local function flush(header)
    local text = show.csv(state.columns, rows)
    if not header then text = text:sub(select(2, text:find("\r\n", 1, true)) + 1) end
    done, why = file:write(text)
    rows = {}
  end
  flush(true)
  for i = 1, state.handle:rows() do
    local values, cells = row_at(state, i), {}
    for c, name in ipairs(state.columns) do cells[c] = cell_text(state, name, values[name]) end
    rows[#rows + 1] = cells
    if #rows == 4096 then flush() end
    if not done then break end
  end
  if done and #rows > 0 then flush() end
  local closed, why_close = file:close()
  if not done or not closed then
    return nil, string.format("%s: %s", path, why or why_close), "file"
  end
  return true
end

--- Frees the memory; using the frame afterwards raises. Closing twice is fine.
function methods:close()
  local state = states[self]
  if not state then check.fail("frame: %s (expected a frame)", check.describe(self)) end
  if not state.closed then
    state.closed = true
    state.handle:close()
  end
end

--- Judges the rows as a hypothesis: `frame:validate{ metric = "rounds", outcome = "retained_7" }`.
--- See `wp.help "validate"`.
function methods:validate(...)
  return require("wayproof.validate").frame(self, ...)
end

-- Printing ---------------------------------------------------------------------------------------

local loss_words = {
  { "outside", "outside the population" }, { "no_anchor", "without an anchor event" },
  { "too_recent", "too recent" }, { "prior_outcome", "with an outcome before" },
  { "missing", "with a missing value" },
}

local function loss_line(n)
  local parts = {}
  for _, entry in ipairs(loss_words) do
    local count = n[entry[1]]
    if count and count > 0 then parts[#parts + 1] = show.integer(count) .. " " .. entry[2] end
  end
  local text = string.format("%s used of %s", show.integer(n.used), show.plural(n.users, "user"))
  if n.events then
    text = text .. string.format(", %s with the outcome", show.integer(n.events))
  end
  if #parts > 0 then text = text .. "; " .. table.concat(parts, ", ") end
  return text
end

-- What to do about a frame without rows: the commonest reason decides.
local advices = {
  too_recent = "no outcome window is complete: choose a shorter observe or within, or a later "
    .. "as_of",
  prior_outcome = "everyone had the outcome before: keep them (prior_outcome = \"keep\"), or start "
    .. "the clock at another event (from)",
  no_anchor = "nobody has the event that starts the clock: choose another `from`",
  outside = "nobody is inside the population: widen its filter",
}

local function advice(n)
  if n.users == 0 then return "the log has no users: check the reader's options and `where`" end
  local reason, most = nil, 0
  for _, name in ipairs { "too_recent", "prior_outcome", "no_anchor", "outside" } do
    if (n[name] or 0) > most then reason, most = name, n[name] end
  end
  return advices[reason] or "add rows"
end

-- Places of the columns that fit into 80 characters: from the left, and the last one.
local function fitting(columns, rows)
  local function width(c)
    local most = show.width(columns[c])
    for _, row in ipairs(rows) do most = math.max(most, show.width(show.cell(row[c]))) end
    return math.min(most, 30) + 2
  end
  local places, left = {}, 82 - width(#columns)
  for c = 1, #columns - 1 do
    left = left - width(c)
    if left < 0 then break end
    places[c] = c
  end
  places[#places + 1] = #columns
  return places
end

local function head(state, count)
  local rows, names = {}, {}
  for i = 1, math.min(count, 10) do
    local values, cells = row_at(state, i), {}
    for c, name in ipairs(state.columns) do cells[c] = cell_text(state, name, values[name]) end
    rows[i] = cells
  end
  local places = fitting(state.columns, rows)
  for k, c in ipairs(places) do names[k] = show.cut(state.columns[c], 30) end
  for i, cells in ipairs(rows) do
    rows[i] = {}
    for k, c in ipairs(places) do rows[i][k] = cells[c] end
  end
  local more = {}
  if count > 10 then more[1] = show.integer(count - 10) .. " more" end
  if #places < #state.columns then
    more[#more + 1] = show.plural(#state.columns - #places, "more column")
  end
  return show.table(names, rows) .. (#more > 0 and "\n… " .. table.concat(more, ", ") or "")
end

local function render(self)
  local state = states[self]
  if not state then return "wayproof.Frame" end
  if state.closed then return "frame (closed)" end
  local count = state.handle:rows()
  local lines = { string.format("frame: %s × %s", show.plural(count, "row"),
    show.plural(#state.columns, "column")) }
  if state.words then lines[#lines + 1] = show.wrap(state.words, 78, "  ") end
  lines[#lines + 1] = show.wrap(loss_line(state.n), 78, "  ")
  if count > 0 then
    lines[#lines + 1] = head(state, count)
    local last = state.columns[#state.columns]
    lines[#lines + 1] = string.format('next: frame:column %s, frame:rows(), frame:csv "frame.csv"',
      show.width(last) <= 30 and '"' .. last .. '"' or "…")
  else
    lines[#lines + 1] = show.wrap("next: " .. advice(state.n), 78, "  ")
  end
  return table.concat(lines, "\n")
end

Frame.__tostring = render

function Frame.__index(self, key)
  local method = methods[key]
  if method then return method end
  local state = states[self]
  if not state then return nil end
  if key == "n" then return copy(state.n) end
  if key == "columns" then return copy(state.columns) end
  if key == "windows" then return copy(state.windows) end
  if key == "undated" then return copy(state.undated) end
  if key == "undated_users" then return state.undated_users end
  if key == "users" or key == "outside" or key == "no_anchor" then return state.n[key] end
  return nil
end

function Frame.__newindex(_, key)
  check.fail("a frame is immutable: field '%s' cannot be set", tostring(key))
end

function Frame.__len(self)
  return state_of(self).handle:rows()
end

Frame.__close = methods.close
Frame.__gc = function(self)
  local state = states[self]
  if state and not state.closed then
    state.closed = true
    state.handle:close()
  end
end

-- Frames that the caller brings: frame_bring.lua --------------------------------------------------

--- As `wp.frame`.
function frame.frame(columns, options)
  return require("wayproof.frame_bring").frame(columns, options)
end

--- As `wp.read_frame`.
function frame.read_frame(path, options)
  return require("wayproof.frame_bring").read_frame(path, options)
end

return frame
