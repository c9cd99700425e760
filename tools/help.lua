-- Makes lua/wayproof/help_text.lua from types/wayproof.lua, the one source of what help says.
--
-- Usage: lua5.4 tools/help.lua [types/wayproof.lua [lua/wayproof/help_text.lua]]
-- A spec runs `read` and compares, so a forgotten run is noticed.
local help_tool = {}

-- Splits collected `---` lines into text, example and tags.
local function parse_doc(lines)
  local doc = { text = {}, example = {}, params = {}, returns = {}, fields = {} }
  for _, line in ipairs(lines) do
    local tag, rest = line:match("^@(%a+)%s*(.*)$")
    if tag == "param" or tag == "field" then
      local name, kind = rest:match("^(%S+)%s+(.*)$")
      local what = kind:match("  (.*)$")
      local list = tag == "param" and doc.params or doc.fields
      list[#list + 1] = { name = name, type = kind:match("^(.-)  ") or kind, text = what }
    elseif tag == "return" then
      doc.returns[#doc.returns + 1] = rest
    elseif tag == "class" then
      doc.class = rest:match("^%S+")
    elseif not tag then
      local code = line:match("^     (.*)$")
      if code then
        doc.example[#doc.example + 1] = code
      else
        doc.text[#doc.text + 1] = (line:gsub("^ ", ""))
      end
    end
  end
  doc.text = table.concat(doc.text, "\n"):gsub("\n\n+", "\n"):gsub("^%s+", ""):gsub("%s+$", "")
  doc.example = #doc.example > 0 and table.concat(doc.example, "\n") or nil
  return doc
end

local function add_function(entries, group, doc, name, parameters)
  entries[#entries + 1] = {
    group = group, name = name, signature = string.format("%s(%s)", name, parameters),
    text = doc.text, example = doc.example, params = doc.params, returns = doc.returns,
  }
end

local function add_class(entries, group, doc)
  entries[#entries + 1] = { group = group, name = doc.class, class = true,
    text = doc.text ~= "" and doc.text or nil, example = doc.example, fields = doc.fields }
end

--- Entries of a stub file, in order: functions, methods and classes.
---@param path string
---@return table[] entries  `{ group, name, signature, text, example, params, returns, fields }`
function help_tool.read(path)
  local entries, lines, group = {}, {}, nil
  for line in assert(io.open(path)):lines() do
    local comment = line:match("^%-%-%-(.*)$")
    local heading = line:match("^%-%- ## (.*)$")
    if comment then
      lines[#lines + 1] = comment
    else
      local doc = parse_doc(lines)
      local owner, separator, name, parameters =
        line:match("^function (%w+)([.:])([%w_]+)%((.-)%) end$")
      if owner then
        local full = owner == "wp" and "wp." .. name or owner:lower() .. separator .. name
        add_function(entries, group, doc, full, parameters)
      elseif doc.class then
        add_class(entries, group, doc)
      end
      lines = {}
      group = heading or group
    end
  end
  return entries
end

local function write(value, indent, out)
  if type(value) ~= "table" then
    out[#out + 1] = type(value) == "string" and string.format("%q", value):gsub("\\\n", "\\n")
      or tostring(value)
    return
  end
  local inner = indent .. "  "
  out[#out + 1] = "{\n"
  for _, item in ipairs(value) do
    out[#out + 1] = inner
    write(item, inner, out)
    out[#out + 1] = ",\n"
  end
  local keys = {}
  for key in pairs(value) do
    if type(key) == "string" then keys[#keys + 1] = key end
  end
  table.sort(keys)
  for _, key in ipairs(keys) do
    if type(value[key]) ~= "table" or next(value[key]) ~= nil then
      out[#out + 1] = inner .. key .. " = "
      write(value[key], inner, out)
      out[#out + 1] = ",\n"
    end
  end
  out[#out + 1] = indent .. "}"
end

--- The text of lua/wayproof/help_text.lua.
---@return string
function help_tool.generate(path)
  local out = { "--- What wp.help says: made by tools/help.lua from types/wayproof.lua; not edited"
    .. " by hand.\n-- luacheck: no max line length\nreturn " }
  write(help_tool.read(path), "", out)
  out[#out + 1] = "\n"
  return table.concat(out)
end

if arg and arg[0] and arg[0]:match("tools/help%.lua$") then
  local from = arg[1] or "types/wayproof.lua"
  local to = arg[2] or "lua/wayproof/help_text.lua"
  local file = assert(io.open(to, "wb"))
  file:write(help_tool.generate(from))
  file:close()
end

return help_tool
