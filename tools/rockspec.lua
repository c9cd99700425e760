-- Writes the lists of files in the rockspec from the tree: run `make rockspec` after adding a file.
-- `lua5.4 tools/rockspec.lua --check` only says whether they are up to date.

local path = "rockspec/wayproof-scm-1.rockspec"
local opening, closing = "-- files: written by `make rockspec`\n", "    -- end of files\n"

local function list(command)
  local lines = {}
  local pipe = assert(io.popen(command))
  for line in pipe:lines() do
    lines[#lines + 1] = line
  end
  pipe:close()
  return lines
end

--- The text between the two marks: the C module with its sources, then one line per Lua module.
local function describe_files()
  local out = {}
  local function add(...)
    out[#out + 1] = string.format(...)
  end
  add('    ["wayproof.core"] = {')
  add("      sources = {")
  local rooms = "csrc/base csrc/store csrc/ingest csrc/journey csrc/stats csrc/lua"
  for _, file in ipairs(list("find " .. rooms .. " -name '*.c' | LC_ALL=C sort")) do
    add('        "%s",', file)
  end
  add("      },")
  add('      incdirs = { "csrc", "$(SQLITE_INCDIR)", "$(ZLIB_INCDIR)" },')
  add('      libdirs = { "$(SQLITE_LIBDIR)", "$(ZLIB_LIBDIR)" },')
  add('      libraries = { "sqlite3", "z" },')
  add('      defines = { "_GNU_SOURCE" },')
  add("    },")
  for _, file in ipairs(list("find lua -name '*.lua' | LC_ALL=C sort")) do
    local name = file:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
    local key = name:find("%W") and ('["%s"]'):format(name) or name
    add('    %s = "%s",', key, file)
  end
  return table.concat(out, "\n") .. "\n"
end

local file = assert(io.open(path, "rb"))
local text = file:read("a")
file:close()
local _, from = text:find(opening, 1, true)
local to = text:find(closing, 1, true)
assert(from and to, path .. ": the marks around the list of files are gone")
local wanted = text:sub(1, from) .. describe_files() .. text:sub(to)

if arg[1] == "--check" then
  if wanted ~= text then
    io.stderr:write(path, ": the list of files is stale (run `make rockspec`)\n")
    os.exit(1)
  end
elseif wanted ~= text then
  local out = assert(io.open(path, "wb"))
  out:write(wanted)
  out:close()
  print("wrote " .. path)
end
