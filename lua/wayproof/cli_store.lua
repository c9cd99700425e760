--- The commands of stores: `wayproof import`, `export` and `verify`.
local cli_store = {}

---@param parser table
---@param add_reader_options fun(command: table)  the options of the readers
function cli_store.add(parser, add_reader_options)
  local import = parser:command("import", "add a file of events to a store, made when missing")
  import:argument("events", "events: .csv .tsv .csv.gz, .db .sqlite .sqlite3, or another store")
  import:argument("store", "the store, such as shop.way")
  add_reader_options(import)
  import:flag("--force", "also when these events were imported before")

  local export = parser:command("export", "write the events of a store as CSV")
  export:argument("store", "the store")
  export:flag("--csv", "CSV to standard output (the default)")
  export:option("--output", "write to this file instead"):argname("FILE")
  export:option("--users", "also write the users and their attributes, to this file")
    :argname("FILE")

  local verify = parser:command("verify", "read every byte of a store and say what is damaged")
  verify:argument("store", "the store")
  verify:flag("--json", "print JSON")
end

---@param commands table<string, function>  added to
---@param read fun(arguments: table): userdata|nil, string|nil, integer|nil
---@param exit table<string, integer>
function cli_store.commands(commands, read, exit)
  local wp = require "wayproof"

  function commands.import(arguments)
    arguments.data = { arguments.events }
    local log <close>, message, code = read(arguments)
    if not log then return code, message end
    local store <close>, why = wp.store(arguments.store)
    if not store then return exit.world, why end
    local import, wrong = store:append(log, { force = arguments.force, source = arguments.events })
    if not import then return exit.world, wrong end
    io.stderr:write(tostring(import), "\n")
    return exit.success
  end

  function commands.export(arguments)
    local log <close>, message = wp.open(arguments.store)
    if not log then return exit.world, message end
    local done, why = require("wayproof.store").export(log, arguments.output,
      arguments.users)
    if not done then return exit.world, why end
    return exit.success
  end

  function commands.verify(arguments)
    local check, message, _, damages = require("wayproof.store").verify(arguments.store)
    local found = check or damages
    if not found then return exit.world, message end
    io.stdout:write(arguments.json and found:json() or tostring(found), "\n")
    return check and exit.success or exit.world
  end
end

return cli_store
