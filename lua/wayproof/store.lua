--- Store: a log on disk, in one SQLite file, that grows by imports.
---
---     assert(log:save "shop.way")                  -- one file
---     local log = assert(wp.open "shop.way")       -- at once; columns are read when needed
---     local store <close> = assert(wp.store "shop.way")
---     assert(store:append(wp.read_csv("june.csv", options)))
---
--- The core does the work in transactions; here options are checked and results put into words.
--- doc/store.md describes the file.
local check = require "wayproof.check"
local core = require "wayproof.core"
local object = require "wayproof.object"
local show = require "wayproof.show"

local store = {}
local methods = core.store.methods
local metatable = core.store.metatable

local function now_us()
  return os.time() * 1000000
end

local function check_store(self, what)
  if check.class(self) ~= "wayproof.Store" then
    check.fail("%s: %s (expected a store: call methods with a colon)", what, check.describe(self))
  end
  if self:is_closed() then check.fail("%s: store is closed", what) end
end

local function check_path(path, what)
  if type(path) ~= "string" or path == "" or path:find("\0", 1, true) then
    check.fail("%s: %s (expected a path)", what, check.describe(path))
  end
  return path
end

-- Opening ----------------------------------------------------------------------------------------

--- Opens a store for reading, as a Log. Nothing is read yet: an analysis reads the columns that it
--- needs when it needs them. The log stays as it is now, also while somebody appends.
---
---     local log = assert(wp.open "shop.way")
---@param path string  a file written by `log:save` or `wp.store`
---@return wayproof.Log|nil log
---@return string? message
---@return string? code
function store.open(path)
  local log, message, code = core.store.log(check_path(path, "open"))
  if not log then return nil, message, code end
  require "wayproof.log"
  return log
end

--- Opens a store for writing and makes it when it is missing. Other processes may read it
--- meanwhile; writers take turns, each for one call.
---
---     local store <close> = assert(wp.store "shop.way")
---@param path string
---@return wayproof.Store|nil store
---@return string? message
---@return string? code
function store.store(path)
  return core.store.open(check_path(path, "store"))
end

--- Writes the log as a store: all of it or nothing, replacing a store that is there. What a view
--- leaves out is not written.
---
---     assert(log:save "shop.way")
---@param path string
---@return true|nil done
---@return string? message
---@return string? code
function store.save(log, path)
  if check.class(log) ~= "wayproof.Log" then
    check.fail("save: %s (expected a log: call methods with a colon)", check.describe(log))
  end
  if log:is_closed() then check.fail("save: log is closed") end
  check_path(path, "save")
  local done, message, code = core.store.save(log, path, { now_us = now_us() })
  if not done then return nil, message, code end
  return true
end

--- Writes a log's events as CSV that `wp.read_csv` reads back to the same events, and, to a file of
--- their own, its users with their attributes, which the readers' `users = { path = … }` takes.
---@param log wayproof.Log
---@param path? string  nil: standard output
---@param users_path? string  nil: no users
---@return true|nil done
---@return string? message
---@return string? code
function store.export(log, path, users_path)
  if path ~= nil then check_path(path, "export") end
  if users_path ~= nil then check_path(users_path, "export: users") end
  io.stdout:flush()
  local done, message, code = core.store.export(log, path, "events")
  if not done or not users_path then return done, message, code end
  return core.store.export(log, users_path, "users")
end

-- Pseudonyms -------------------------------------------------------------------------------------

local function check_key(key, what)
  if type(key) ~= "string" or #key < 16 then
    check.fail("%s: %s (expected a secret text of at least 16 characters)", what,
      type(key) == "string" and string.format("%d characters", #key) or check.describe(key))
  end
  return key
end

--- The pseudonym of an id: what `pseudonymise = key` puts in its place. Without the key nobody can
--- go from one to the other.
---@param id string|integer
---@param key string  at least 16 characters
---@return string
function store.pseudonym(id, key)
  return core.store.pseudonym(tostring(id), check_key(key, "pseudonym: key"))
end

--- The key of a reader's options `pseudonymise` (the key itself, or true and `key`), or nil.
function store.pseudonym_key(options, what)
  local wanted = options.pseudonymise
  if wanted == nil or wanted == false then
    if options.key ~= nil then check.fail("%s: key: it goes with pseudonymise = true", what) end
    return nil
  end
  if wanted ~= true then return check_key(wanted, what .. ": pseudonymise") end
  return check_key(options.key, what .. ": key")
end

--- Replaces the ids of a log that nobody has seen yet.
function store.pseudonymise(log, key)
  return core.store.pseudonymise(log, key)
end

-- Appending --------------------------------------------------------------------------------------

local Import = object.class {
  name = "wayproof.Import",
  render = function(import)
    local text = string.format("import %d: %s of %s", import.import,
      show.plural(import.events, "event"), show.plural(import.users, "user"))
    if import.new_users > 0 then text = text .. string.format(", %s new",
      show.integer(import.new_users)) end
    if import.kept_out > 0 then
      text = text .. string.format("; %s kept out, as forgotten", show.plural(import.kept_out,
        "user"))
    end
    return text
  end,
}

--- Adds the events of a log, all of them or, when something fails, none.
---
---     assert(store:append(wp.read_csv("june.csv", options)))
---
--- Late events sort into place; new properties and event names may appear. The same events a
--- second time are refused (`nil, message, "invalid"`) unless `force`. Users that were forgotten
--- stay out unless `forgotten = "import"`. A failed reader call given as argument is handed on.
---@param log wayproof.Log|function  a log, or a function that returns one
---@param options? table  `force`, `forgotten` ("keep_out" or "import"), `source` (a note for
---   `imports`)
---@return wayproof.Import|nil import  fields `import, events, users, new_users, kept_out`
---@return string? message
---@return string? code
function methods:append(log, options, ...)
  check_store(self, "append")
  if log == nil and type(options) == "string" then return nil, options, (...) end
  options = check.options(options, { "force", "forgotten", "source" }, "append")
  local how = { now_us = now_us(), with_forgotten = false }
  if options.force ~= nil then how.force = check.boolean(options.force, "append: force") end
  if options.source ~= nil then how.source = check.name(options.source, "append: source") end
  if options.forgotten ~= nil then
    how.with_forgotten = check.choice(options.forgotten, { "keep_out", "import" },
      "append: forgotten") == "import"
  end
  if type(log) == "function" then
    local message, code
    log, message, code = log()
    if log == nil and type(message) == "string" then return nil, message, code end
  end
  if check.class(log) ~= "wayproof.Log" then
    check.fail("append: %s (expected a log, or a call of a reader)", check.describe(log))
  end
  if log:is_closed() then check.fail("append: log is closed") end
  local done, message, code = core.store.append(self, log, how)
  if not done then return nil, message, code end
  return Import.new(done)
end

-- Upkeep -----------------------------------------------------------------------------------------

local Forgotten = object.class {
  name = "wayproof.Forgotten",
  render = function(forgotten)
    if not forgotten.found then
      return "no such user; recorded, so that later imports keep them out"
    end
    return string.format("removed: the user, %s, %s that nobody else had",
      show.plural(forgotten.events, "event"), show.plural(forgotten.values, "value"))
  end,
}

--- Removes a user for good: their events, id, attributes and every property value that only they
--- had are overwritten on disk. What is recorded is a keyed hash of the id, so that later imports
--- keep the user out.
---
---     print(assert(store:forget "ann"))
---@param user_id string|integer
---@param options? { key: string }  where ids were pseudonymised on reading: the key that was used
---@return wayproof.Forgotten|nil forgotten  fields `found, events, values`
---@return string? message
---@return string? code
function methods:forget(user_id, options)
  check_store(self, "forget")
  options = check.options(options, { "key" }, "forget")
  if type(user_id) ~= "string" and math.type(user_id) ~= "integer" then
    check.fail("forget: %s (expected the id of a user)", check.describe(user_id))
  end
  local id = tostring(user_id)
  if options.key ~= nil then id = store.pseudonym(id, options.key) end
  local done, message, code = core.store.forget(self, id, now_us())
  if not done then return nil, message, code end
  return Forgotten.new(done)
end

--- Puts what several imports added together, so that reading is as fast as from one import, and
--- gives free space back. Logs that are open on the store must be opened again if they have not
--- read all they need.
---@return integer|nil parts  how many parts of the users were rewritten
---@return string? message
---@return string? code
function methods:compact()
  check_store(self, "compact")
  return core.store.compact(self)
end

local Check = object.class {
  name = "wayproof.StoreCheck",
  render = function(result)
    local read = string.format("%s and %s read", show.plural(result.pages, "page"),
      show.plural(result.segments, "segment"))
    if result.ok then return "sound: " .. read end
    local lines = { string.format("damaged: %s found, %s", show.plural(result.found, "damage"),
      read) }
    for i = 1, math.min(#result.damages, 15) do lines[i + 1] = "  " .. result.damages[i] end
    if result.found > 15 then
      lines[#lines + 1] = string.format("  and %d more", result.found - 15)
    end
    lines[#lines + 1] = "next: restore a copy, or read the sources again into a new store"
    return table.concat(lines, "\n")
  end,
}

--- Checks a file, also one that is too damaged to be opened. See `store:verify`.
---@param path string
---@return wayproof.StoreCheck|nil check
---@return string? message
---@return string? code
---@return wayproof.StoreCheck? damages
function store.verify(path)
  local result, message, code = core.store.verify(check_path(path, "verify"))
  if not result then return nil, message, code end
  result.ok = result.found == 0
  local found = Check.new(result)
  if result.ok then return found end
  local more = result.found > 1 and string.format(" (and %d more)", result.found - 1) or ""
  return nil, string.format("%s: damaged: %s%s", path, result.damages[1], more), "corrupt", found
end

--- Reads every byte and says what is damaged: pages, and which column of which part of the users
--- that means.
---
---     print(assert(store:verify()))
---@return wayproof.StoreCheck|nil check  fields `ok, found, damages` (texts), `pages, segments`;
---   nil when something is damaged
---@return string? message  names the first damage
---@return string? code  "corrupt"
---@return wayproof.StoreCheck? damages  all of them
function methods:verify()
  check_store(self, "verify")
  return store.verify(core.store.path(self))
end

local Imports = object.class {
  name = "wayproof.Imports",
  render = function(imports)
    local rows = {}
    for i, import in ipairs(imports) do
      rows[i] = { import.import, show.date(import.imported_at), import.events, import.users,
        import.first and show.date(import.first) or "", import.last and show.date(import.last)
          or "", import.source or "" }
    end
    if #rows == 0 then return "no imports yet: store:append(log)" end
    local function right(title)
      return { title = title, align = "right", format = show.integer }
    end
    return show.table({ right "import", "on", right "events", right "users", "from", "to",
      "source" }, rows, { max_rows = 20 })
  end,
  rows = function(imports)
    local rows = {}
    for i, import in ipairs(imports) do
      rows[i] = { import.import, import.imported_at, import.events, import.users, import.new_users,
        import.kept_out, import.first or "", import.last or "", import.fingerprint,
        import.source or "" }
    end
    return { "import", "imported_at", "events", "users", "new_users", "kept_out", "first", "last",
      "fingerprint", "source" }, rows
  end,
}

--- What was imported, oldest first: a list of `import, imported_at, events, users, new_users,
--- kept_out, first, last, fingerprint, source`, that prints itself.
---@return wayproof.Imports|nil imports
---@return string? message
---@return string? code
function methods:imports()
  check_store(self, "imports")
  local list, message, code = core.store.imports(self)
  if not list then return nil, message, code end
  return Imports.new(list)
end

--- What the store holds, in figures: `events, users, imports, forgotten, runs, parts, bytes`.
---@return table|nil facts
---@return string? message
---@return string? code
function methods:facts()
  check_store(self, "facts")
  return core.store.facts(self)
end

function metatable.__tostring(self)
  if self:is_closed() then return "Store (closed)" end
  local facts, message = core.store.facts(self)
  if not facts then return "Store (" .. message .. ")" end
  return string.format("%s · %s · %s · %s on disk\nnext: store:append(log), store:imports()",
    show.plural(facts.events, "event"), show.plural(facts.users, "user"),
    show.plural(facts.imports, "import"), show.bytes(facts.bytes))
end

return store
