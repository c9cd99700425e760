--- The journey commands: `wayproof funnel`, `sessions`, `transitions`, `retention`, `paths`,
--- `dwell`, `gaps`. Each is one call of the method of that name.
local cli_output = require "wayproof.cli_output"

local cli_flow = {}

-- Options by command: the method's own, as { name, description, convert }; `flag` where the
-- readers' options already have the name.
local whole = math.tointeger
local specs = {
  { "funnel", "how many people get through steps, and where they leave", steps = true, options = {
    { "within", "time from the first step to the last: 7d, 12h, 30m" },
    { "order", "order of the steps: loose (default), strict or any", flag = "step-order" },
    { "entry", "any (default), first or latest" },
    { "ties", "as_recorded (default), any or strict" },
    { "exclude", "events that end an attempt, separated by commas", list = true },
    { "exclude_scope", "attempt (default) or user" },
    { "hold", "property that stays the same along the steps" },
    { "denominator", "entered (default), observable or all" },
    { "attribution", "with --by: first (default), last or a step" },
    { "semantics", "count as another tool: clickhouse, posthog, mixpanel, amplitude or "
      .. "retentioneering" },
    { "as_of", "end of observation" },
  } },
  { "sessions", "how people's events fall into sessions", options = {
    { "timeout", "a longer gap starts a new session (default: 30m)" },
  } },
  { "transitions", "moves from an event to the next", options = {
    { "within", "session: only moves within sessions" },
    { "timeout", "a longer gap starts a new session (default: 30m)" },
  } },
  { "retention", "who comes back, by the period in which they began", options = {
    { "period", "day, week (default) or month" },
    { "periods", "how many periods to look at", convert = whole },
    { "start", "events that begin a life (default: any)", list = true },
    { "returns", "events that count as coming back (default: any)", list = true },
    { "mode", "on (default) or on_or_after" },
    { "align", "calendar (default) or user" },
    { "zone", "time zone of the calendar (default: UTC)" },
    { "as_of", "end of observation" },
  } },
  { "paths", "what people do after an event, or before one", options = {
    { "start", "paths from the first of these events", list = true },
    { "finish", "paths up to the last of these events", list = true },
    { "steps", "length of a path (default: 10)", convert = whole },
    { "top", "how many sequences (default: 20)", convert = whole },
    { "within", "a longer gap ends a path" },
  } },
  { "dwell", "how long people stay with each event", options = {
    { "within", "session: only within sessions" },
    { "timeout", "a longer gap starts a new session (default: 30m)" },
  } },
  { "gaps", "the time between people's events", options = {
    { "events", "only these events", list = true },
  } },
}

local common = {
  { "since", "only events from this time on" },
  { "before", "only events before this time" },
  { "by", "a property: the same per group of people" },
  { "groups", "how many groups (default: 12)", convert = whole },
  { "min_group", "leave out groups of fewer people", convert = whole },
}

local function target_of(name) return "flow_" .. name end

local function flag_of(option) return option.flag or (option[1]:gsub("_", "-")) end

local function add_option(command, option)
  command:option("--" .. flag_of(option), option[2]):target(target_of(option[1]))
    :argname(option.list and "EVENTS" or "VALUE"):count(option.list and "*" or "?")
end

--- Adds the commands to an argparse parser.
---@param add_data_options fun(command: table, needed: boolean)
function cli_flow.add(parser, add_data_options)
  for _, spec in ipairs(specs) do
    local command = parser:command(spec[1], spec[2])
    if spec.steps then
      command:argument("steps", "events in order; several that mean the same step with commas")
        :args("1+")
    end
    add_data_options(command, true)
    for _, option in ipairs(spec.options) do add_option(command, option) end
    for _, option in ipairs(common) do add_option(command, option) end
    command:option("--where", "condition on a property, such as device=mobile"):argname("NAME=TEXT")
      :count("*")
    cli_output.add(command)
  end
end

local function split(text)
  local list = {}
  for name in text:gmatch("[^,]+") do list[#list + 1] = name:match("^%s*(.-)%s*$") end
  return list
end

local function value_of(option, text)
  if option.list then
    local list = {}
    for _, part in ipairs(text) do table.move(split(part), 1, #split(part), #list + 1, list) end
    return #list > 0 and list or nil
  end
  if not option.convert then return text end
  local value = option.convert(tonumber(text))
  if not value then
    return nil, string.format("--%s: '%s' (expected a whole number)", flag_of(option), text)
  end
  return value
end

local function conditions(texts)
  if not texts or #texts == 0 then return nil end
  local where = {}
  for _, text in ipairs(texts) do
    local name, value = text:match("^([^=]+)=(.*)$")
    if not name then
      return nil, string.format("--where: '%s' (expected a condition such as device=mobile)", text)
    end
    local list = where[name] or {}
    list[#list + 1] = value
    where[name] = list
  end
  return where
end

-- The method's options; nil and a message when one cannot be read.
local function options_of(spec, arguments)
  local options, wrong = {}
  for _, list in ipairs { spec.options, common } do
    for _, option in ipairs(list) do
      local text = arguments[target_of(option[1])]
      if text ~= nil then
        options[option[1]], wrong = value_of(option, text)
        if wrong then return nil, wrong end
      end
    end
  end
  options.where, wrong = conditions(arguments.where)
  if wrong then return nil, wrong end
  return options
end

local function steps_of(texts)
  local steps = {}
  for i, text in ipairs(texts) do
    local names = split(text)
    steps[i] = #names == 1 and names[1] or names
  end
  return steps
end

-- Properties that the options name are read without being asked for.
local function add_properties(arguments, options)
  local listed = {}
  for _, list in ipairs { arguments.properties or {}, arguments.numbers or {} } do
    for _, text in ipairs(list) do
      for _, name in ipairs(split(text)) do listed[name] = true end
    end
  end
  local names = { options.by, options.hold }
  for name in pairs(options.where or {}) do names[#names + 1] = name end
  arguments.properties = arguments.properties or {}
  for _, name in pairs(names) do
    if not listed[name] then table.insert(arguments.properties, name) end
    listed[name] = true
  end
end

local function run(spec, arguments, read, exit)
  local options, wrong = options_of(spec, arguments)
  if not options then return exit.usage, wrong end
  add_properties(arguments, options)
  local log <close>, message, code = read(arguments)
  if not log then return code, message end
  local result
  if spec.steps then
    result = log:funnel(steps_of(arguments.steps), options)
  else
    result = log[spec[1]](log, options)
  end
  local done, why = cli_output.write(result, arguments)
  if not done then return exit.world, why end
  return exit.success
end

--- The commands by name: fn(arguments) → exit code, message.
---@param read fun(arguments: table): userdata|nil, string|nil, integer|nil
---@param exit table<string, integer>
function cli_flow.commands(read, exit)
  local commands = {}
  for _, spec in ipairs(specs) do
    commands[spec[1]] = function(arguments) return run(spec, arguments, read, exit) end
  end
  return commands
end

return cli_flow
