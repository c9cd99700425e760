--- Hypothesis files: Lua that can say hypotheses and nothing else.
---
--- A file is loaded as text with a small environment: the language of wayproof (no readers), and
--- basic functions that can neither reach the machine nor outlive the run: no `os`, `io`,
--- `require`, `load`, metatables, coroutines, protected calls or pattern matching. It is bounded in
--- steps and memory; so is every call of a `wp.custom` function it defines. Only one thing is not
--- caught: a single operation that joins many long texts may take a multiple of the memory bound.
--- Cost: a hook per instruction while the file runs, about 0.1 µs.
local check = require "wayproof.check"
local fingerprint = require "wayproof.fingerprint"
local hypothesis = require "wayproof.hypothesis"

local sandbox = {}

--- Steps that a file, or one call of a custom metric of it, may take.
sandbox.steps_max = 2000000
local text_bytes_max = 1 << 20
local memory_kb_max = 64 * 1024

--- Parts of the façade that a file sees.
local language = { "stages", "count", "did", "distinct", "sum", "mean", "max", "min",
  "first_value", "last_value", "sessions", "active_days", "time_to", "time_between", "dwell",
  "longest_gap", "pace", "depth", "backtracks", "hesitation", "self_loops", "u_turns", "matches",
  "attribute", "custom", "log1p", "above", "below", "between", "is_not", "converts", "refers",
  "retained", "churned", "earns", "accelerates", "outcome", "hypothesis", "time", "date",
  "_VERSION" }

local function pick(source, names)
  local picked = {}
  for _, name in ipairs(names) do picked[name] = source[name] end
  return picked
end

-- Text functions whose cost and result are bounded by their arguments; patterns are not.
local function safe_string()
  local safe = pick(string, { "byte", "char", "format", "len", "lower", "reverse", "sub", "upper" })
  function safe.rep(text, count, separator)
    local bytes = (#text + #(separator or "")) * math.max(0, count)
    if bytes > text_bytes_max then
      error(string.format("string.rep: %.0f bytes (expected at most %d in a hypothesis file)",
        bytes, text_bytes_max), 2)
    end
    return string.rep(text, count, separator)
  end
  return safe
end

local function safe_table()
  local safe = pick(table, { "insert", "remove", "sort", "pack" })
  function safe.concat(list, separator, first, last)
    local bytes = 0
    for i = first or 1, math.min(last or #list, text_bytes_max) do
      bytes = bytes + #tostring(list[i] or "") + #(separator or "")
      if bytes > text_bytes_max then
        error("table.concat: the text is too long for a hypothesis file", 2)
      end
    end
    return table.concat(list, separator, first, last)
  end
  function safe.unpack(list, first, last)
    if (last or #list) - (first or 1) > 10000 then error("table.unpack: too many values", 2) end
    return table.unpack(list, first, last)
  end
  return safe
end

-- What `("text"):method` finds: the safe functions; this library's own code also finds the others.
local library = debug.getinfo(1, "S").source:match("^(.*)sandbox%.lua$") or "@?"
local function string_methods(safe)
  return function(_, key)
    local method = safe[key]
    if method then return method end
    local caller = debug.getinfo(2, "S")
    if caller and caller.source:sub(1, #library) == library then return string[key] end
    return nil
  end
end

-- Runs `call(...)` with methods of strings narrowed and the bounds in force. A debug hook that is
-- already there (Ctrl-C at a prompt, a debugger) stays, and then the bounds do not apply.
local function bounded(safe, what, call, ...)
  local strings = getmetatable("")
  local full, had_hook = strings.__index, debug.gethook() ~= nil
  local steps, memory = 0, collectgarbage("count") + memory_kb_max
  local function stop(reason)
    debug.sethook()
    error(what .. ": it takes too " .. reason, 0)
  end
  local function watch()
    steps = steps + 1
    if steps > sandbox.steps_max then stop "many steps (is there an endless loop?)" end
    if collectgarbage("count") > memory then
      collectgarbage()
      if collectgarbage("count") > memory then stop "much memory" end
    end
  end
  strings.__index = string_methods(safe)
  if not had_hook then debug.sethook(watch, "", 1) end
  local results = table.pack(pcall(call, ...))
  if not had_hook then debug.sethook() end
  strings.__index = full
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- The environment of a file; `say` takes the lines that it prints.
local function environment(name, safe, say)
  local wp = pick(require "wayproof", language)
  local custom = wp.custom
  function wp.custom(title, call, options)
    if type(call) ~= "function" then return custom(title, call, options) end
    local function guarded(...) return bounded(safe, name .. ": " .. title, call, ...) end
    fingerprint.stands_for(guarded, call)
    return custom(title, guarded, options)
  end

  local env = pick(_G, { "assert", "error", "ipairs", "next", "pairs", "select", "tonumber",
    "tostring", "type", "_VERSION" })
  env._G = env
  env.wp, env.string, env.table = wp, safe, safe_table()
  env.math = pick(math, { "abs", "ceil", "floor", "fmod", "huge", "max", "maxinteger", "min",
    "mininteger", "modf", "pi", "sqrt", "exp", "log", "tointeger", "type", "ult" })
  function env.print(...)
    local parts = table.pack(...)
    for i = 1, parts.n do parts[i] = tostring(parts[i]) end
    say(table.concat(parts, "\t"))
  end
  function env.require(wanted)
    if wanted == "wayproof" then return wp end
    error("require: a hypothesis file has only wp (found '" .. tostring(wanted) .. "')", 2)
  end
  return env
end

-- What the file returned: one hypothesis, or a list of them.
local function returned(value, name)
  if hypothesis.is(value) then return { value } end
  if type(value) ~= "table" or check.class(value) then
    return nil, string.format("%s: it returns %s "
      .. "(expected a hypothesis, a list of them, or nothing)", name, check.describe(value))
  end
  for i, entry in ipairs(value) do
    if not hypothesis.is(entry) then
      return nil, string.format("%s: entry %d of what it returns: %s (expected a hypothesis)", name,
        i, check.describe(entry))
    end
  end
  return value
end

--- The hypotheses of a text: those that it returns, or else every one that it builds.
---@param text string
---@param name string  for messages: the file's path
---@param say? fun(line: string)  what the file prints; default: standard error
---@return wayproof.Hypothesis[]|nil
---@return string|nil message  "hypotheses.lua:7: …"
function sandbox.read(text, name, say)
  say = say or function(line) io.stderr:write(line, "\n") end
  local safe = safe_string()
  local chunk, message = load(text, "@" .. name, "t", environment(name, safe, say))
  if not chunk then
    if not message:find(name, 1, true) then message = name .. ": " .. message end
    return nil, message
  end
  local built = {}
  local function run() return bounded(safe, name, chunk) end
  local done, value = pcall(hypothesis.listen, function(made) built[#built + 1] = made end, run)
  if not done then
    -- `return wp.hypothesis …` is a tail call: its line is gone, and one of ours would be blamed.
    message = tostring(value)
    if message:sub(1, #name) == name then return nil, message end
    return nil, name .. ": " .. (message:gsub("^[^\n:]+:%d+: ", ""))
  end
  local list = built
  if value ~= nil then
    list, message = returned(value, name)
    if not list then return nil, message end
  end
  if #list == 0 then
    return nil, name .. ": no hypothesis (expected wp.hypothesis \"name\" { … })"
  end
  return list
end

return sandbox
