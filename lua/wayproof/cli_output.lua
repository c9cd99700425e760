--- What a command prints: a result in words, as JSON, or as CSV.
local object = require "wayproof.object"

local cli_output = {}

--- Adds --json and --csv to a command.
---@param command table
function cli_output.add(command)
  command:flag("--json", "print JSON")
  command:option("--csv", "print CSV, or write it to FILE"):argname("FILE"):args("?")
end

--- Writes a result to standard output, or as CSV to a file, as the arguments ask.
---@param result table    an object of object.class with rows
---@param arguments table  `json`: a flag; `csv`: the list of at most one path
---@param shown? table    what is printed where words are asked for (default: the result)
---@return boolean|nil done
---@return string? message
function cli_output.write(result, arguments, shown)
  local csv = arguments.csv
  local path = csv and csv[1] ~= "-" and csv[1] or nil
  if path then
    local done, message = result:csv(path)
    if not done then return nil, message end
  end
  if arguments.json then
    io.stdout:write(result:json(), "\n")
  elseif csv and not path then
    io.stdout:write(object.csv(result))
  elseif not csv then
    io.stdout:write(tostring(shown or result), "\n")
  end
  return true
end

return cli_output
