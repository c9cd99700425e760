--- Help at the prompt: the verbs in groups, or one of them with an example.
---
--- The texts come from help_text.lua, which tools/help.lua makes from types/wayproof.lua.
local check = require "wayproof.check"
local entries = require "wayproof.help_text"
local show = require "wayproof.show"
local suggest = require "wayproof.suggest"

local help = {}

-- The first sentence of a text, without its full stop.
local function first_sentence(text)
  local line = text:match("^[^\n]*")
  return (line:match("^(.-)%.%s") or line):gsub("[.:]$", "")
end

local function short_name(entry)
  return entry.name:match("[.:]([%w_]+)$") or entry.name
end

-- A sentence in `room` columns: shortened at a clause where it can be, never inside of code.
local function shortened(sentence, room)
  if show.width(sentence) <= room then return sentence end
  for at = room, 12, -1 do
    local clause = sentence:sub(1, at):match("^(.*%w)[;:,(%s]*[;:,(]%s*$")
    if clause and select(2, clause:gsub("`", "")) % 2 == 0 then return clause end
  end
  return show.cut(sentence, room)
end

local function listed(group)
  local lines, width = {}, 0
  for _, entry in ipairs(group) do width = math.max(width, #entry.shown) end
  for i, entry in ipairs(group) do
    lines[i] = "  " .. show.pad(entry.shown, width) .. "  "
      .. shortened(first_sentence(entry.text), 76 - width)
  end
  return table.concat(lines, "\n")
end

--- The verbs in groups.
---@return string
function help.overview()
  local groups, by_title = {}, {}
  for _, entry in ipairs(entries) do
    if not entry.class and entry.group then
      local group = by_title[entry.group]
      if not group then
        group = { title = entry.group }
        by_title[entry.group] = group
        groups[#groups + 1] = group
      end
      group[#group + 1] = { shown = entry.name, text = entry.text }
    end
  end
  local parts = {}
  for i, group in ipairs(groups) do parts[i] = group.title .. "\n" .. listed(group) end
  parts[#parts + 1] = "One of them, with an example: wp.help(wp.count), wp.help \"log:validate\""
  return table.concat(parts, "\n\n")
end

-- `wayproof.Metric` reads as "Metric".
local function type_words(kind)
  return (kind:gsub("wayproof%.", ""):gsub("|", " or "))
end

local function entry_called(name)
  for _, entry in ipairs(entries) do
    if entry.name == name then return entry end
  end
end

local function add_fields(lines, fields)
  local width = 0
  for _, field in ipairs(fields) do width = math.max(width, #field.name) end
  for _, field in ipairs(fields) do
    local name = field.name:gsub("%?$", "")
    local text = type_words(field.type) .. (field.text and ": " .. field.text or "")
    local wrapped = show.wrap(text, 76 - width):gsub("\n", "\n" .. string.rep(" ", width + 4))
    lines[#lines + 1] = "  " .. show.pad(name, width) .. "  " .. wrapped
  end
end

local function add_params(lines, params)
  local plain, options = {}, nil
  for _, param in ipairs(params) do
    plain[#plain + 1] = param
    local class = entry_called(param.type:match("^wayproof%.%w+Options") or "")
    options = class or options
  end
  if #plain > 0 then
    lines[#lines + 1] = ""
    add_fields(lines, plain)
  end
  if options then
    lines[#lines + 1] = ""
    lines[#lines + 1] = "options"
    add_fields(lines, options.fields)
  end
end

local function indented(text)
  return "    " .. text:gsub("\n", "\n    ")
end

local function explain_function(entry)
  local lines = { entry.signature, "" }
  local paragraphs = {}
  for paragraph in entry.text:gmatch("[^\n]+") do paragraphs[#paragraphs + 1] = paragraph end
  lines[#lines + 1] = show.wrap(table.concat(paragraphs, " "), 80)
  if entry.example then
    lines[#lines + 1] = ""
    lines[#lines + 1] = indented(entry.example)
  end
  add_params(lines, entry.params or {})
  if entry.returns then
    local returned = {}
    for i, text in ipairs(entry.returns) do returned[i] = type_words(text:gsub("  +", ", ")) end
    lines[#lines + 1] = ""
    lines[#lines + 1] = show.wrap("returns " .. table.concat(returned, "; "), 80, "  ")
  end
  return table.concat(lines, "\n")
end

-- Methods of a class: names start with the class in lower case.
local function explain_class(entry)
  local word = entry.name:match("(%w+)$")
  local lines = { word, "", entry.text and show.wrap((entry.text:gsub("\n", " ")), 80) or nil }
  if entry.example then
    lines[#lines + 1] = ""
    lines[#lines + 1] = indented(entry.example)
  end
  local methods = {}
  for _, other in ipairs(entries) do
    if other.name:sub(1, #word + 1) == word:lower() .. ":" then
      methods[#methods + 1] = { shown = other.name, text = other.text }
    end
  end
  if #methods > 0 then
    lines[#lines + 1] = ""
    lines[#lines + 1] = listed(methods)
  end
  if entry.fields then
    lines[#lines + 1] = ""
    add_fields(lines, entry.fields)
  end
  return table.concat(lines, "\n")
end

local function explain(entry)
  return entry.class and explain_class(entry) or explain_function(entry)
end

-- "count", "wp.count", "log:validate", "validate", "Metric", "wayproof.Metric".
local function find_by_name(name)
  local found = {}
  local wanted = name:lower()
  for _, entry in ipairs(entries) do
    local full = entry.name:lower()
    if full == wanted or full == "wp." .. wanted then return { entry } end
    if short_name(entry):lower() == wanted then found[#found + 1] = entry end
  end
  return found
end

local function unknown_name(name)
  local names = {}
  for _, entry in ipairs(entries) do names[#names + 1] = short_name(entry) end
  local near = suggest.closest(name, names)
  check.fail("help: unknown topic '%s' (%s)", name,
    near and string.format("did you mean '%s'?", near) or "wp.help() lists them")
end

-- One object of each class, to see its methods.
local samples = {
  metric = function(wp) return wp.count() end,
  outcome = function(wp) return wp.converts "a" end,
  stages = function(wp) return wp.stages { "a" } end,
  hypothesis = function(wp)
    return wp.hypothesis "a" { metric = wp.count(), outcome = wp.converts "a", observe = 1,
      within = 1 }
  end,
  frame = function(wp) return wp.frame { a = { 1 } } end,
  log = function(wp) return (wp.read_rows { { user = "a", event = "a", time = 0 } }) end,
}

local function find_function(call)
  local wp = require "wayproof"
  for name, value in pairs(wp) do
    if value == call then return entry_called("wp." .. name) end
  end
  local made = {}
  for _, entry in ipairs(entries) do
    local owner, name = entry.name:match("^(%l+):([%w_]+)$")
    if samples[owner] then
      made[owner] = made[owner] or samples[owner](wp)
      if made[owner][name] == call then return entry end
    end
  end
end

--- The text about a topic: nil for the list, a function of wayproof, a name, or an object.
---@return string
function help.text(topic)
  if topic == nil or topic == require "wayproof" then return help.overview() end
  if type(topic) == "string" then
    local found = find_by_name(topic)
    if #found == 0 then unknown_name(topic) end
    local texts = {}
    for i, entry in ipairs(found) do texts[i] = explain(entry) end
    return table.concat(texts, "\n\n")
  end
  if type(topic) == "function" then
    local entry = find_function(topic)
    if entry then return explain(entry) end
    check.fail("help: a function that is not part of wayproof (wp.help() lists the verbs)")
  end
  local class = check.class(topic)
  local entry = class and entry_called(class)
  if entry then return explain(entry) end
  check.fail("help: %s (expected a function or name of wayproof; wp.help() lists them)",
    check.describe(topic))
end

return help
