--- The commands `wayproof friction` and `wayproof clarity`: stages in words, then one method call.
---
--- A stage is written `name=event,event`, or as an event that is its own name.
local cli_output = require "wayproof.cli_output"

local cli_friction = {}

local whole = math.tointeger

local specs = {
  friction = { text = "where people stop, what went before, and what it costs", options = {
    { "outcome", "event that it is all for" },
    { "within", "time that a stage may take (default: 30d)" },
    { "observe", "time after entering a stage in which signals are read" },
    { "early", "the last of the early stages" },
    { "minimum", "smallest difference in the outcome rate that matters", convert = tonumber },
  } },
  clarity = { text = "which touchpoints move people on, and which leave them hesitating",
    options = {
      { "content", "property whose values are looked at (default: events)" },
      { "outcome", "event that counts as moving on from any stage" },
      { "within", "time that may pass after a touch (default: 1d)" },
      { "minimum", "smallest difference in moving on that matters", convert = tonumber },
    } },
}

local common = {
  { "as_of", "end of observation" },
  { "since", "only events from this time on" },
  { "before", "only events before this time" },
  { "by", "a property: the same per group of people" },
  { "groups", "how many groups (default: 12)", convert = whole },
  { "min_group", "leave out groups of fewer people", convert = whole },
}

local function each_option(spec, visit)
  for _, list in ipairs { spec.options, common } do
    for _, option in ipairs(list) do visit(option) end
  end
end

--- Adds the commands to an argparse parser.
---@param add_data_options fun(command: table, needed: boolean)
function cli_friction.add(parser, add_data_options)
  for _, name in ipairs { "friction", "clarity" } do
    local spec = specs[name]
    local command = parser:command(name, spec.text)
    command:argument("stages", "stages in order: name=event,event or an event"):args("1+")
    add_data_options(command, true)
    each_option(spec, function(option)
      command:option("--" .. option[1]:gsub("_", "-"), option[2]):target("stay_" .. option[1])
        :argname("VALUE")
    end)
    cli_output.add(command)
  end
end

local function stages_of(texts)
  local list = {}
  for i, text in ipairs(texts) do
    local name, events = text:match("^([^=]+)=(.*)$")
    local stage = { name or text }
    for event in (events or text):gmatch("[^,]+") do
      stage[#stage + 1] = event:match("^%s*(.-)%s*$")
    end
    list[i] = stage
  end
  return require("wayproof.stages").stages(list)
end

-- The method's options; nil and a message when a number is none.
local function options_of(spec, arguments)
  local options, wrong = {}, nil
  each_option(spec, function(option)
    local text = arguments["stay_" .. option[1]]
    options[option[1]] = text
    if text and option.convert then
      options[option[1]] = option.convert(tonumber(text))
      if not options[option[1]] then
        wrong = string.format("--%s: '%s' (expected a %snumber)", (option[1]:gsub("_", "-")), text,
          option.convert == whole and "whole " or "")
      end
    end
  end)
  if wrong then return nil, wrong end
  return options
end

-- Properties that the options name are read without being asked for.
local function add_properties(arguments, options)
  arguments.properties = arguments.properties or {}
  for _, name in pairs { options.by or false, options.content or false } do
    local listed = not name
    for _, text in ipairs(arguments.properties) do
      for other in text:gmatch("[^,]+") do listed = listed or other == name end
    end
    if not listed then table.insert(arguments.properties, name) end
  end
end

local function run(name, arguments, read, exit)
  local options, wrong = options_of(specs[name], arguments)
  if not options then return exit.usage, wrong end
  add_properties(arguments, options)
  local stages = stages_of(arguments.stages)
  local log <close>, message, code = read(arguments)
  if not log then return code, message end
  local result = log[name](log, stages, options)
  local done, why = cli_output.write(result, arguments)
  if not done then return exit.world, why end
  return exit.success
end

--- Adds the commands by name to a table of fn(arguments) → exit code, message.
---@param commands table<string, function>
---@param read fun(arguments: table): userdata|nil, string|nil, integer|nil
---@param exit table<string, integer>
function cli_friction.commands(commands, read, exit)
  for name in pairs(specs) do
    commands[name] = function(arguments) return run(name, arguments, read, exit) end
  end
end

return cli_friction
