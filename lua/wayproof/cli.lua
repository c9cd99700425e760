--- The `wayproof` command: a thin door to the same functions as the Lua interface.
---
--- Data goes to standard output, talk to standard error. Exit codes: 0 success, 1 the world failed
--- (a file, a parse error, a database), 2 wrong usage, 3 a verdict is not the one that `--require`
--- names.
local check = require "wayproof.check"
local cli_flow = require "wayproof.cli_flow"
local cli_friction = require "wayproof.cli_friction"
local cli_output = require "wayproof.cli_output"
local cli_store = require "wayproof.cli_store"

local cli = {}

local exit = { success = 0, world = 1, usage = 2, verdict = 3 }

local function say(...)
  io.stderr:write(...)
  io.stderr:write("\n")
end

-- The command line --------------------------------------------------------------------------------

local verdicts = { "validated", "vanity", "unrelated", "reversed", "unstable", "leaking",
  "inconclusive", "invalid" }

-- Options of the readers, as interface and command line call them.
local reader_texts = {
  { "user", "column with the user's id (default: user)" },
  { "event", "column with the event's name (default: event)" },
  { "time", "column with the time (default: time)" },
  { "value", "number column that sum, mean and earns use" },
  { "numbers", "further number columns, separated by commas", list = true },
  { "properties", "text columns, separated by commas", list = true },
  { "order", "column that breaks ties of equal time" },
  { "event_name", "one name for every row, instead of an event column" },
  { "time_format", "strptime style, such as '%d/%b/%Y:%H:%M:%S %z'" },
  { "time_unit", "unit of epoch numbers: s, ms or us" },
  { "timezone", "zone of times without an offset (default: UTC)" },
  { "bad_rows", "what to do with a row that cannot be read: fail or skip" },
  { "delimiter", "what separates the columns of a CSV file (default: detected)", csv = true },
  { "limit", "read at most so many rows", convert = math.tointeger },
  { "table", "table of a SQLite database (default: events)", sqlite = true },
  { "query", "SELECT statement for a SQLite database", sqlite = true },
}

local function add_reader_options(command)
  for _, option in ipairs(reader_texts) do
    command:option("--" .. option[1]:gsub("_", "-"), option[2]):target(option[1])
      :argname("NAME"):count(option.list and "*" or "?")
  end
  command:option("--threads", "number of threads"):argname("N"):convert(tonumber)
end

local function add_data_options(command, needed)
  local data = command:option("--data",
    "events: a store (.way), .csv .tsv .csv.gz, or .db .sqlite .sqlite3")
  data:argname("FILE"):count(needed and "1+" or "*")
  add_reader_options(command)
end

local function build_parser(argparse)
  local parser = argparse("wayproof",
    "Prove on your own events whether a metric really predicts an outcome.")
  parser:help_max_width(80)
  parser:epilog("Exit codes: 0 success, 1 the world failed, 2 wrong usage, "
    .. "3 a verdict differs from --require.")
  parser:flag("--version", "print the version and stop"):action(function()
    io.stdout:write("wayproof ", require "wayproof.version", "\n")
    os.exit(exit.success, true)
  end)
  parser:command_target("command"):require_command(false)

  local demo = parser:command("demo", "run the main job on a shop whose truth is known")
  demo:option("--users", "visitors of the shop"):argname("N"):convert(tonumber)
  demo:option("--seed", "seed of the shop's generator"):argname("N"):convert(tonumber)
  demo:option("--keep", "write the database here and leave it"):argname("FILE")

  local summary = parser:command("summary", "say what is in a file of events")
  add_data_options(summary, true)
  summary:flag("--json", "print JSON")

  local validate = parser:command("validate", "judge the hypotheses of a Lua file on events")
  validate:argument("hypotheses", "Lua file with wp.hypothesis \"name\" { … }")
  add_data_options(validate, true)
  cli_output.add(validate)
  validate:option("--ledger", "record and count every try in this file")
  validate:option("--require", "exit with 3 unless every verdict is this one"):target("require")
    :argname("VERDICT"):choices(verdicts)

  cli_flow.add(parser, add_data_options)
  cli_friction.add(parser, add_data_options)
  cli_store.add(parser, add_reader_options)

  local repl = parser:command("repl", "Lua prompt with wp and, given --data, log")
  add_data_options(repl, false)
  return parser
end

-- Data --------------------------------------------------------------------------------------------

local sqlite_extensions = { db = true, sqlite = true, sqlite3 = true }
local csv_extensions = { csv = true, tsv = true, txt = true, tab = true }

-- "csv", "sqlite" or "store" by the extension of a path; nil when it says none.
local function kind_of(path)
  local name = path:lower():gsub("%.gz$", "")
  local extension = name:match("%.([^./]+)$")
  if extension == "way" then return "store" end
  if sqlite_extensions[extension] and not path:lower():find("%.gz$") then return "sqlite" end
  return csv_extensions[extension] and "csv" or nil
end

local function split_list(texts)
  local list = {}
  for _, text in ipairs(texts) do
    for name in text:gmatch("[^,]+") do list[#list + 1] = name:match("^%s*(.-)%s*$") end
  end
  return list
end

-- Reader options from the parsed arguments; nil and a message when one does not fit the kind.
local function reader_options(arguments, kind)
  local options = {}
  for _, option in ipairs(reader_texts) do
    local name, value = option[1], arguments[option[1]]
    if option.list and value and #value == 0 then value = nil end
    if value ~= nil then
      if option.csv and kind ~= "csv" or option.sqlite and kind ~= "sqlite" then
        return nil, string.format("--%s is for %s", name, option.csv and "CSV files" or "SQLite")
      end
      options[name] = option.list and split_list(value) or value
      if option.convert then
        options[name] = option.convert(tonumber(value))
        if not options[name] then
          return nil, string.format("--%s: '%s' (expected a whole number)", name, value)
        end
      end
    end
  end
  if kind == "sqlite" and not options.query and not options.table then options.table = "events" end
  return options
end

--- Reads the log that the arguments name.
---@return wayproof.Log|nil log
---@return string|nil message
---@return integer|nil exit_code
function cli.read(arguments)
  local paths = arguments.data
  local kind
  for _, path in ipairs(paths) do
    local this = kind_of(path)
    if not this then
      return nil, string.format("--data: '%s' has no known extension "
        .. "(expected .way .csv .tsv .csv.gz .db .sqlite .sqlite3)", path), exit.usage
    elseif kind and this ~= kind then
      return nil, "--data: files of several kinds in one call", exit.usage
    elseif this == "store" and #paths > 1 then
      return nil, "--data: several stores in one call (expected one)", exit.usage
    end
    kind = this
  end
  local wp = require "wayproof"
  if arguments.threads then wp.threads(arguments.threads) end
  if kind == "store" then
    local log, message = wp.open(paths[1])
    if not log then return nil, message, exit.world end
    return log
  end
  local options, why = reader_options(arguments, kind)
  if not options then return nil, why, exit.usage end
  local read = kind == "sqlite" and wp.read_sqlite or wp.read_csv
  local log, message = read(#paths == 1 and paths[1] or paths, options)
  if not log then return nil, message, exit.world end
  return log
end

-- Commands ----------------------------------------------------------------------------------------

local commands = cli_flow.commands(cli.read, exit)
cli_friction.commands(commands, cli.read, exit)
cli_store.commands(commands, cli.read, exit)

function commands.demo(arguments)
  local code = require("wayproof.demo").run { users = arguments.users, seed = arguments.seed,
    keep = arguments.keep }
  return code or exit.success
end

function commands.summary(arguments)
  local log <close>, message, code = cli.read(arguments)
  if not log then return code, message end
  local summary = log:summary()
  if arguments.json then
    io.stdout:write(summary:json(), "\n")
  else
    io.stdout:write(tostring(summary), "\n")
  end
  return exit.success
end

local function read_hypotheses(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message, exit.world end
  local text, why = file:read(4 << 20)
  local rest = text and file:read(1)
  file:close()
  if why then return nil, string.format("%s: %s", path, why), exit.world end
  if rest then
    return nil, path .. ": larger than 4 MiB (expected a hypothesis file)", exit.usage
  end
  local list, wrong = require("wayproof.sandbox").read(text or "", path)
  if not list then return nil, wrong, exit.usage end
  return list
end

-- What hypotheses name that the log does not have, one line each.
local function unanswerable(board)
  local lines = {}
  for _, result in ipairs(board) do
    local reason = result.reasons[1]
    if reason and reason.code == "not_in_log" then
      lines[#lines + 1] = (#board > 1 and result.name .. ": " or "") .. reason.text
    end
  end
  return lines
end

local function differing(board, wanted)
  local count = 0
  for i = 1, #board do
    if board[i].verdict ~= wanted then
      count = count + 1
      say(string.format("%s: %s (required: %s)", board[i].name, board[i].verdict, wanted))
    end
  end
  return count
end

function commands.validate(arguments)
  local list, message, code = read_hypotheses(arguments.hypotheses)
  if not list then return code, message end
  local log <close>, why, log_code = cli.read(arguments)
  if not log then return log_code, why end
  local board, wrong = log:validate(list, { ledger = arguments.ledger })
  if not board then return exit.world, wrong end
  local mistakes = unanswerable(board)
  if #mistakes == #board then return exit.usage, table.concat(mistakes, "\nwayproof: ") end
  local done, not_done = cli_output.write(board, arguments, #board == 1 and board[1] or board)
  if not done then return exit.world, not_done end
  for _, mistake in ipairs(mistakes) do say("wayproof: " .. mistake) end
  if arguments.require and differing(board, arguments.require) > 0 then return exit.verdict end
  return #mistakes > 0 and exit.usage or exit.success
end

-- The prompt is the interpreter's own: line editing and Ctrl-C are as everywhere else.
local function quote_for_shell(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

function commands.repl(arguments)
  local interpreter, lowest = arg and arg[0] or "lua5.4", 0
  while arg and arg[lowest - 1] do
    lowest = lowest - 1
    interpreter = arg[lowest]
  end
  local plain = { threads = arguments.threads }
  if #arguments.data > 0 then plain.data = arguments.data end
  for _, option in ipairs(reader_texts) do plain[option[1]] = arguments[option[1]] end
  local show = require "wayproof.show"
  local start = string.format("package.path, package.cpath = %q, %q; "
    .. "require('wayproof.cli').prompt(%s)", package.path, package.cpath, show.source(plain))
  local done, how, status = os.execute(table.concat({ quote_for_shell(interpreter), "-e",
    quote_for_shell(start), "-i" }, " "))
  if done then return exit.success end
  return how == "exit" and status or exit.world
end

--- What a prompt starts with: the globals `wp`, `help` and, given data, `log`.
function cli.prompt(arguments)
  local wp = require "wayproof"
  _G.wp, _G.help = wp, wp.help
  say("wayproof ", wp._VERSION, ": wp is the library; try wp.help()")
  if not arguments.data then return end
  local log, message = cli.read(arguments)
  if not log then
    say("wayproof: ", message)
    os.exit(exit.world, true)
  end
  _G.log = log
  say("log is ", tostring(log))
end

-- Starting ----------------------------------------------------------------------------------------

local function usage(parser, message)
  if message == "too many arguments" then -- most likely a file without its option
    message = message .. " (files and texts follow an option, as in --data shop.way)"
  end
  say("wayproof: ", message)
  say(parser:get_usage())
  return exit.usage
end

-- A wrong call that came from the command line: without the line of the script that started us.
local function without_position(message, position)
  message = tostring(message)
  if #position > 0 and message:sub(1, #position) == position then
    message = message:sub(#position + 1)
  end
  return message
end

-- The exit code of a raised error: our own mistakes and short memory are not the user's.
local function explain_error(raised, position)
  local text = without_position(raised, position)
  if text:find("interrupted!", 1, true) then
    say("wayproof: interrupted")
    return 130
  end
  say("wayproof: ", text)
  local ours = text:match("^[^\n]-wayproof/[%w_/]+%.lua:%d+: ") or text == "not enough memory"
  return ours and exit.world or exit.usage
end

--- Runs the command; `arguments` is the global `arg` or any list of texts.
---@return integer exit_code
function cli.main(arguments)
  local found, argparse = pcall(require, "argparse")
  if not found then
    say("wayproof: the Lua module argparse is not installed "
      .. "(Debian: lua-argparse; elsewhere: luarocks install argparse)")
    return exit.world
  end
  local parser = build_parser(argparse)
  local list = table.move(arguments, 1, #arguments, 1, {})
  if list[1] == "help" then list = { list[2] or "--help", list[2] and "--help" } end
  local parsed, given = parser:pparse(list)
  if not parsed then return usage(parser, given) end
  if not given.command then
    say(parser:get_help())
    return exit.usage
  end
  local position = check.where()
  local done, code, message = pcall(commands[given.command], given)
  if not done then return explain_error(code, position) end
  if message then say("wayproof: ", message) end
  return code
end

return cli
