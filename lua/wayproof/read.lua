--- Readers: CSV files, SQLite databases and Lua rows become a Log.
---
--- Here options are checked and defaults filled in; the core reads. A wrong option raises and
--- blames the caller's line; a file, query or row that fails returns nil, message, code. A reading
--- takes any number of sources: first the users table, whose ids, dates and other ids must be known
--- before the first event, then the events.
local check = require "wayproof.check"
local core = require "wayproof.core"

local read = {}

local common = { "user", "event", "event_name", "time", "value", "numbers", "properties", "order",
  "time_format", "time_unit", "timezone", "bad_rows", "limit", "users", "pseudonymise", "key" }

local user_options = { "path", "table", "query", "rows", "id", "events", "properties", "numbers",
  "alias", "known_at", "time_format", "time_unit", "timezone", "delimiter" }

-- Options ----------------------------------------------------------------------------------------

local function optional_name(options, field, what)
  if options[field] == nil then return nil end
  return check.name(options[field], what .. ": " .. field)
end

local function names_without(list, taken, what, kind)
  local kept = {}
  for _, name in ipairs(list) do
    if taken[name] ~= nil and taken[name] ~= kind then
      check.fail("%s: column '%s' is listed as %s and as %s (expected one of them)", what, name,
        taken[name], kind)
    end
    if taken[name] == nil then
      taken[name] = kind
      kept[#kept + 1] = name
    end
  end
  return kept
end

local function time_options(options, spec, what)
  spec.time_format = optional_name(options, "time_format", what)
  spec.timezone = optional_name(options, "timezone", what)
  if options.time_unit ~= nil then
    spec.time_unit = check.choice(options.time_unit, { "s", "ms", "us" }, what .. ": time_unit")
  end
end

local function delimiter_option(options, what)
  local delimiter = options.delimiter
  if delimiter == nil then return nil end
  if type(delimiter) ~= "string" or #delimiter ~= 1 or delimiter:find('["\r\n]') then
    check.fail("%s: delimiter: %s (expected one character such as \",\" \";\" or \"\\t\")", what,
      check.describe(delimiter))
  end
  return delimiter
end

-- What the core is told about the events; `taken` maps the names of columns to their kind.
local function event_spec(options, what)
  local spec = {
    user = optional_name(options, "user", what) or "user",
    event = optional_name(options, "event", what) or "event",
    event_name = optional_name(options, "event_name", what),
    time = optional_name(options, "time", what) or "time",
    value = optional_name(options, "value", what),
    order = optional_name(options, "order", what),
    delimiter = delimiter_option(options, what),
  }
  if spec.event_name then
    if options.event ~= nil then
      check.fail("%s: event and event_name are both given (expected the name of a column, or one "
        .. "name for all events)", what)
    end
    spec.event = nil
  end
  time_options(options, spec, what)
  spec.bad_rows = options.bad_rows ~= nil
    and check.choice(options.bad_rows, { "fail", "skip" }, what .. ": bad_rows") or "fail"
  if options.limit ~= nil then
    spec.limit = check.integer(options.limit, what .. ": limit", 1)
  end
  local taken = {}
  if spec.value then taken[spec.value] = "number" end
  spec.numbers = names_without(check.names(options.numbers or {}, what .. ": numbers"), taken, what,
    "number")
  spec.properties = names_without(check.names(options.properties or {}, what .. ": properties"),
    taken, what, "property")
  return spec, taken
end

-- Columns of dates and the events they become, in the order of the columns' names.
local function date_columns(events, what)
  local columns, names = {}, {}
  if type(events) == "string" then events = { events } end
  if type(events) ~= "table" or check.class(events) then
    check.fail("%s: events: %s (expected { column = \"event name\" })", what,
      check.describe(events))
  end
  for column, name in pairs(events) do
    if math.type(column) == "integer" then column = name end
    check.name(column, what .. ": events", "the name of a column with times")
    check.name(name, what .. ": events: " .. column, "the name of an event")
    columns[#columns + 1] = column
    names[column] = name
  end
  table.sort(columns)
  for i, column in ipairs(columns) do names[i] = names[column] end
  return columns, table.move(names, 1, #columns, 1, {})
end

local function describe_sources(found)
  local names = {}
  for _, name in ipairs { "path", "table", "query", "rows" } do
    if found[name] ~= nil then names[#names + 1] = name end
  end
  return #names > 0 and table.concat(names, ", ") or "none of them"
end

-- Where the users are: rows, a CSV file, or a table or query of a database.
local function users_source(users, path, what)
  local from = { rows = users.rows, table = optional_name(users, "table", what),
    query = optional_name(users, "query", what), path = users.path }
  local in_database = from.table ~= nil or from.query ~= nil
  local fine = from.rows ~= nil and not in_database and from.path == nil
    or from.rows == nil and not (from.table and from.query)
    and (from.path ~= nil or in_database and path ~= nil)
  if not fine then
    check.fail("%s: %s (expected one of path, table, query or rows)", what,
      describe_sources(users))
  end
  if in_database then
    from.path = check.name(from.path or path, what .. ": path", "a path")
  elseif from.path ~= nil then
    from.paths = check.names(from.path, what .. ": path")
  elseif type(from.rows) ~= "table" and type(from.rows) ~= "function" then
    check.fail("%s: rows: %s (expected a list of tables, or an iterator)", what,
      check.describe(from.rows))
  end
  return from
end

-- What the core is told about the users table, and where its rows are.
local function users_spec(options, spec, taken, path, reader)
  local what = reader .. ": users"
  local users = check.options(options.users, user_options, what)
  local columns, names = date_columns(users.events or {}, what)
  local own = {
    id = optional_name(users, "id", what) or spec.user,
    alias = optional_name(users, "alias", what),
    known_at = optional_name(users, "known_at", what),
    event_columns = columns,
    event_names = names,
    delimiter = delimiter_option(users, what) or spec.delimiter,
  }
  time_options(users, own, what)
  own.timezone = own.timezone or spec.timezone
  own.time_unit = own.time_unit or spec.time_unit
  own.time_format = own.time_format or (users.path == nil and users.rows == nil
    and spec.time_format or nil)
  local mine = {}
  own.numbers = names_without(check.names(users.numbers or {}, what .. ": numbers"), mine, what,
    "number")
  own.properties = names_without(check.names(users.properties or {}, what .. ": properties"), mine,
    what, "property")
  for _, name in ipairs(columns) do
    if mine[name] then
      check.fail("%s: column '%s' is listed under events and as a %s (expected one of them)", what,
        name, mine[name])
    end
  end
  for name in pairs(mine) do
    if taken[name] then
      check.fail("%s: column '%s' is already a %s of the events (rename one: "
        .. "query = \"SELECT … AS …\")", what, name, taken[name])
    end
  end
  spec.user_numbers, spec.user_texts = own.numbers, own.properties
  spec.has_known_at = own.known_at ~= nil
  return own, users_source(users, path, what)
end

-- Reading ----------------------------------------------------------------------------------------

local function is_database(path)
  local file = io.open(path, "rb")
  if not file then return false end
  local head = file:read(15)
  file:close()
  return head == "SQLite format 3"
end

local function feed_users_file(users, path, from, reader)
  if from.table or from.query then return users:sqlite(path, from.table, from.query) end
  if is_database(path) then
    check.fail("%s: users: '%s' is a database (say which table or query)", reader, path)
  end
  return users:csv(path)
end

local function feed_users(reading, own, from, reader)
  local users <close>, message, code = core.source.users(reading, own)
  if not users then
    if code == "invalid" then check.fail("%s: users: %s", reader, message) end
    return nil, message, code
  end
  local done
  if from.rows then
    done, message, code = users:rows(from.rows)
    if not done then return nil, message, code end
  end
  for _, path in ipairs(from.paths or { from.path }) do
    done, message, code = feed_users_file(users, path, from, reader)
    if not done then return nil, message, code end
  end
  return users:finish()
end

-- The key of pseudonyms, or nil. The column of ids must not stay behind as a property.
local function pseudonym_key(options, spec, taken, reader)
  if options.pseudonymise == nil and options.key == nil then return nil end
  local key = require("wayproof.store").pseudonym_key(options, reader)
  if key and taken[spec.user] then
    check.fail("%s: pseudonymise: column '%s' is a property too (it would keep the ids)", reader,
      spec.user)
  end
  return key
end

-- Starts a reading, feeds the users table, then calls feed(reading), and finishes.
local function run(reader, options, path, feed)
  local spec, taken = event_spec(options, reader)
  local key = pseudonym_key(options, spec, taken, reader)
  local own, from
  if options.users ~= nil then own, from = users_spec(options, spec, taken, path, reader) end
  local reading <close>, message, code = core.read.start(spec)
  if not reading then
    if code == "invalid" then check.fail("%s: %s", reader, message) end
    return nil, message, code
  end
  local done
  if own then
    done, message, code = feed_users(reading, own, from, reader)
    if not done then return nil, message, code end
  end
  done, message, code = feed(reading)
  if not done then return nil, message, code end
  if not key then return reading:finish() end
  local log
  log, message, code = reading:finish()
  if not log then return nil, message, code end
  return require("wayproof.store").pseudonymise(log, key)
end

local function with_methods(log, message, code)
  if log then require "wayproof.log" end
  return log, message, code
end

local function allowed(...)
  local list = table.move(common, 1, #common, 1, {})
  return table.move({ ... }, 1, select("#", ...), #list + 1, list)
end

local csv_options = allowed("delimiter")
local sqlite_options = allowed("table", "query")

local function path_list(path, what)
  if type(path) ~= "string" and (type(path) ~= "table" or check.class(path)) then
    check.fail("%s: %s (expected a path or a list of paths)", what, check.describe(path))
  end
  local paths = check.names(path, what .. ": path")
  if #paths == 0 then check.fail("%s: an empty list (expected at least one path)", what) end
  return paths
end

--- Reads events from a CSV file: RFC 4180 quotes, BOM, CRLF, `.gz`, detected delimiter.
---
---     local log = assert(wp.read_csv("events.csv", { user = "user_id", time = "timestamp",
---       value = "revenue", properties = { "channel", "device" } }))
---@param path string|string[]  one file, or several that follow each other
---@param options? table  see the guide: `user`, `event`, `time`, `value`, `numbers`, `properties`,
---   `order`, `time_format`, `time_unit`, `timezone`, `bad_rows`, `limit`, `delimiter`, `users`;
---   `event_name = "order"` names every row where there is no event column
---@return wayproof.Log|nil log
---@return string? message
---@return string? code
function read.read_csv(path, options)
  local paths = path_list(path, "read_csv")
  options = check.options(options, csv_options, "read_csv")
  return with_methods(run("read_csv", options, nil, function(reading)
    return reading:csv(paths)
  end))
end

--- Reads events from an SQLite database, which is opened read-only and never written.
---
---     local log = assert(wp.read_sqlite("shop.db", { table = "events", user = "user_id" }))
---@param path string|string[]
---@param options table  `table` (a table or view) or `query` (one SELECT), and those of read_csv
---@return wayproof.Log|nil log
---@return string? message
---@return string? code
function read.read_sqlite(path, options)
  local paths = path_list(path, "read_sqlite")
  options = check.options(options, sqlite_options, "read_sqlite")
  local name = optional_name(options, "table", "read_sqlite")
  local query = optional_name(options, "query", "read_sqlite")
  if (name == nil) == (query == nil) then
    check.fail("read_sqlite: %s (expected table = \"events\" or query = \"SELECT …\")",
      name and "table and query are both given" or "no table is named")
  end
  return with_methods(run("read_sqlite", options, paths[1], function(reading)
    for _, file in ipairs(paths) do
      local done, message, code = core.source.sqlite(reading, file, name, query)
      if not done then return nil, message, code end
    end
    return true
  end))
end

--- Makes a log from Lua tables.
---
---     local log = assert(wp.read_rows {
---       { user = "ann", event = "search", time = "2024-03-01T12:00:00Z" },
---       { user = "ann", event = "purchase", time = "2024-03-02T09:30:00Z" },
---     })
---@param rows table[]|fun(): table|nil  a list of tables, or an iterator that returns one each call
---@param options? table  those of read_csv
---@return wayproof.Log|nil log
---@return string? message
---@return string? code
function read.read_rows(rows, options)
  local is_list = type(rows) == "table" and not check.class(rows)
    and (rows[1] ~= nil or next(rows) == nil)
  if type(rows) ~= "function" and not is_list then
    check.fail("read_rows: %s (expected a list of tables, or an iterator function)",
      check.describe(rows))
  end
  options = check.options(options, common, "read_rows")
  return with_methods(run("read_rows", options, nil, function(reading)
    return reading:rows(rows)
  end))
end

return read
