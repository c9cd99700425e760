-- The command line of the truth bench: `SCENARIOS RATE USERS RUNS [--name VALUE …]`.
local scenarios = require "scenarios"

local arguments = {}

function arguments.fail(...)
  io.stderr:write(string.format(...), "\n")
  os.exit(2)
end

-- Scenarios by names with commas, or `all`, `nothing`, `something`.
local function chosen(text)
  local list = {}
  for _, scenario in ipairs(scenarios.list) do
    local group = scenario.nothing and "nothing" or "something"
    local named = ("," .. text .. ","):find("," .. scenario.name .. ",", 1, true)
    if text == "all" or text == group or named then list[#list + 1] = scenario end
  end
  if #list == 0 then arguments.fail("no scenario is called '%s'", text) end
  return list
end

--- What was asked: scenarios (a list), rate, users, runs, and the options by name, all texts but
--- for `flags`, which take no value.
function arguments.read(usage, defaults, flags)
  local options, given, i = defaults, {}, 1
  while i <= #arg do
    local name = arg[i]:match("^%-%-(%a+)$")
    if name and flags and flags[name] then
      options[name] = true
    elseif name then
      options[name] = arg[i + 1]
      i = i + 1
    else
      given[#given + 1] = arg[i]
    end
    i = i + 1
  end
  if #given ~= 4 then arguments.fail("usage: %s", usage) end
  options.scenarios = chosen(given[1])
  options.rate, options.users = tonumber(given[2]), tonumber(given[3])
  options.runs = tonumber(given[4])
  return options
end

return arguments
