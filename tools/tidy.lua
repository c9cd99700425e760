-- The rules of the house that a machine can check, for every file that git tracks or would take.
-- Usage: lua5.4 tools/tidy.lua (prints findings, exit 1 when there are any), or as a module:
-- local findings, warnings, count = dofile("tools/tidy.lua")
local as_module = not (arg and arg[0] and arg[0]:match("tidy%.lua$"))

local lines_warning, lines_limit = 500, 1000
local columns_limit = 100

local findings, warnings = {}, {}

local function report(list, file, line, message)
  list[#list + 1] = line and ("%s:%d: %s"):format(file, line, message)
    or ("%s: %s"):format(file, message)
end

local function read_lines(command)
  local lines = {}
  local pipe = assert(io.popen(command))
  for line in pipe:lines() do
    lines[#lines + 1] = line
  end
  pipe:close()
  return lines
end

-- C functions that have no place here, and what to use instead. Only calls count: name then "(".
local banned_c = {
  strtod = "it follows the locale; use base/ number parsing",
  atof = "it follows the locale; use base/ number parsing",
  atoi = "it cannot say that it failed",
  atol = "it cannot say that it failed",
  sprintf = "use snprintf or wp_fail",
  vsprintf = "use vsnprintf",
  strcpy = "use memcpy with a length",
  strcat = "use memcpy with a length",
  strtok = "it keeps hidden state",
  gets = "it cannot be bounded",
  rand = "use base/rng.h",
  setlocale = "a library must not change the process",
}
-- Allowed inside base/ only.
local base_only_c = {
  malloc = "use wp_alloc",
  calloc = "use wp_alloc_zero",
  realloc = "use wp_realloc_array",
  strdup = "use wp_copy_string",
  free = "use wp_free",
  pthread_create = "use base/pool.h",
}
local banned_lua = {
  ["os.execute"] = "lua/wayproof starts no programs",
  ["io.popen"] = "lua/wayproof starts no programs",
  ["math.randomseed"] = "randomness takes a seed and leaves the global generator alone",
  ["math.random"] = "randomness takes a seed and leaves the global generator alone",
  ["loadstring"] = "this is Lua 5.4",
}

-- Written in pieces, so that this file does not find itself.
local unfinished = { "TO" .. "DO", "FIX" .. "ME", "XX" .. "X" }
local machine_paths = { "/wo" .. "rk/", "/ho" .. "me/%w", "/ro" .. "ot/%w", "/Use" .. "rs/%w" }

--- C without comments and string contents, lines kept.
local function strip_c(text)
  local out, i = {}, 1
  while i <= #text do
    local two = text:sub(i, i + 1)
    local char = two:sub(1, 1)
    local last
    if two == "/*" then
      last = select(2, text:find("*/", i + 2, true)) or #text
    elseif two == "//" then
      last = (text:find("\n", i, true) or #text + 1) - 1
    elseif char == '"' or char == "'" then
      last = i + 1
      while last < #text and text:sub(last, last) ~= char do
        last = last + (text:sub(last, last) == "\\" and 2 or 1)
      end
    end
    if last then
      out[#out + 1] = text:sub(i, last):gsub("[^\n]", " ")
      i = last + 1
    else
      out[#out + 1] = char
      i = i + 1
    end
  end
  return table.concat(out)
end

local function each_line(text, visit)
  local number = 0
  for line in (text:sub(-1) == "\n" and text or text .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    visit(number, line)
  end
  return number
end

local function check_c(file, text)
  local in_base = file:match("^csrc/base/")
  local library = file:match("^csrc/") and not file:match("^csrc/test/")
    and not file:match("^csrc/fuzz/")
  each_line(library and strip_c(text) or "", function(number, line)
    for before, name in (" " .. line):gmatch("([^%w_.>])([%a_][%w_]*)%s*%f[(]") do
      local _ = before
      local reason = banned_c[name] or (library and not in_base and base_only_c[name])
      if reason then
        report(findings, file, number, ("%s is banned (%s)"):format(name, reason))
      end
    end
  end)
  if library and file:match("%.h$") and not text:match("#ifndef WP_%u[%u%d_]*_H\n#define WP_") then
    report(findings, file, 1, "a header starts with its guard WP_ROOM_NAME_H")
  end
  if not text:match("^/%*") then
    report(findings, file, 1, "a file opens with what it is")
  end
  each_line(text, function(number, line)
    if line:match("^ ?%*%a") then report(findings, file, number, "a torn comment line") end
  end)
end

local function check_lua(file, text)
  if file:match("^lua/") then
    each_line(text, function(number, line)
      local code = line:gsub("%-%-.*$", "")
      for name, reason in pairs(banned_lua) do
        -- the command's prompt is Lua's own
        local allowed = name == "os.execute" and file == "lua/wayproof/cli.lua"
        if not allowed and code:find("%f[%w]" .. name:gsub("%.", "%%.") .. "%f[^%w]") then
          report(findings, file, number, ("%s is banned (%s)"):format(name, reason))
        end
      end
    end)
  end
  if file:match("%.lua$") and not text:match("^%-%-") and file:match("^[lset]") then
    report(findings, file, 1, "a file opens with what it is")
  end
end

local function display_width(line)
  return utf8.len(line) or #line
end

local function check_text(file, text)
  local prose = file:match("%.md$") or file:match("^LICENSE$")
  local source = file:match("%.[ch]$") or file:match("%.lua$")
  local data = file:match("^spec/golden/") or file:match("^spec/data/")
    or file:match("%.tsv$")
    or text:match("^[^\n]*not edited by hand")
  if text ~= "" and text:sub(-1) ~= "\n" then
    report(findings, file, nil, "the last line has no end")
  end
  if text:find("\r", 1, true) and not data then
    report(findings, file, nil, "lines end in LF")
  end
  local count = each_line(text, function(number, line)
    if line:find("\t", 1, true) and not file:match("Makefile$") and not data then
      report(findings, file, number, "a tab")
    end
    if line:find("%s$") and not data and not file:match("%.md$") then
      report(findings, file, number, "white space at the end of the line")
    end
    if source and not data and display_width(line) > columns_limit then
      report(findings, file, number, ("%d columns (limit %d)"):format(display_width(line),
        columns_limit))
    end
    for _, word in ipairs(unfinished) do
      if line:find("%f[%w]" .. word .. "%f[^%w]") then
        report(findings, file, number, "unfinished work: " .. word)
      end
    end
    for _, path in ipairs(machine_paths) do
      if line:find(path) then
        report(findings, file, number, "a path of one machine")
      end
    end
  end)
  local stubs = file:find("^types/") -- one entry per public name, however many there are
  if not prose and not data and not stubs then
    if count > lines_limit then
      report(findings, file, nil, ("%d lines (limit %d)"):format(count, lines_limit))
    elseif count > lines_warning and source then
      report(warnings, file, nil, ("%d lines (aim for %d)"):format(count, lines_warning))
    end
  end
end

local files = read_lines("git ls-files --cached --others --exclude-standard 2>/dev/null")
if #files == 0 then
  files = read_lines("find . -path ./build -prune -o -path ./.git -prune -o -type f -print"
    .. " | sed 's,^\\./,,'")
end
local checked = 0
for _, file in ipairs(files) do
  local handle = io.open(file, "rb")
  local text = handle and handle:read("a")
  if handle then
    handle:close()
  end
  if text and not text:find("\0", 1, true) then
    checked = checked + 1
    check_text(file, text)
    if file:match("%.[ch]$") then
      check_c(file, text)
    elseif file:match("%.lua$") or file == "bin/wayproof" then
      check_lua(file, text)
    end
  end
end

if as_module then
  return findings, warnings, checked
end
for _, text in ipairs(warnings) do
  print("note: " .. text)
end
for _, text in ipairs(findings) do
  print(text)
end
print(("%d files, %d findings"):format(checked, #findings))
os.exit(#findings == 0)
