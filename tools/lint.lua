-- Checks every Lua file with luacheck and every C file with clang-format; counts the clean ones.
-- Usage: lua5.4 tools/lint.lua [lua|c]; the last line reads "N passed, N failed, N skipped".

local which = arg[1]
local passed, failed, skipped = 0, 0, 0

local function read_lines(command)
  local lines = {}
  local pipe = assert(io.popen(command))
  for line in pipe:lines() do
    lines[#lines + 1] = line
  end
  pipe:close()
  return lines
end

local function has(command)
  return os.execute("command -v " .. command .. " >/dev/null 2>&1") == true
end

local function quote(list)
  local quoted = {}
  for i, text in ipairs(list) do
    quoted[i] = "'" .. text:gsub("'", "'\\''") .. "'"
  end
  return table.concat(quoted, " ")
end

--- Runs one command over all files; a line that starts with a file's name is a finding in it.
local function check(files, command, skip_reason)
  if skip_reason then
    print("skipped " .. #files .. " files: " .. skip_reason)
    skipped = skipped + #files
    return
  end
  local findings, count = {}, 0
  for _, file in ipairs(files) do
    findings[file] = 0
  end
  for _, line in ipairs(read_lines(command .. " " .. quote(files) .. " 2>&1")) do
    local file = line:match("^%s*([^:]+):%d+:")
    if file and findings[file] then
      findings[file] = findings[file] + 1
      count = count + (findings[file] == 1 and 1 or 0)
      if findings[file] <= 5 then
        print(line)
      end
    end
  end
  failed = failed + count
  passed = passed + #files - count
end

if which ~= "c" then
  local folders = "lua spec tools examples bench types"
  local files = read_lines("find " .. folders .. " -name '*.lua' 2>/dev/null | sort")
  if os.rename("bin/wayproof", "bin/wayproof") then
    files[#files + 1] = "bin/wayproof"
  end
  check(files, "luacheck --quiet --codes --no-color --formatter plain",
    not has("luacheck") and "luacheck is not installed" or nil)
end
if which ~= "lua" then
  local files = read_lines("find csrc bench -name '*.[ch]' 2>/dev/null | sort")
  local version = has("clang-format")
    and tonumber((read_lines("clang-format --version")[1] or ""):match("version (%d+)"))
  check(files, "clang-format --dry-run -Werror", not version and "clang-format is not installed"
    or version ~= 14 and ("layout is defined by clang-format 14, here is " .. version) or nil)
end
print(("%d passed, %d failed, %d skipped"):format(passed, failed, skipped))
os.exit(failed == 0)
