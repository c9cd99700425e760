-- Runs the Lua blocks of README.md and holds the output shown below each against the real one.
--
-- A block ```lua that is followed by a block ```text is run, in a folder that holds the demo's shop
-- as shop.db. `lua5.4 tools/readme.lua` writes the real output into the page (make readme),
-- `--check` prints the first difference and exits with 1.

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function run(command)
  local pipe = assert(io.popen(command .. " 2>&1", "r"))
  local output = pipe:read("a")
  return output, pipe:close()
end

local lua = arg[-1] or "lua5.4"
local build = os.getenv("WAYPROOF_BUILD") or "build/release"
local root = run("pwd"):gsub("\n$", "")
local paths = ("LUA_PATH='%s/lua/?.lua;%s/lua/?/init.lua;;' LUA_CPATH='%s/?.so;;' "):format(root,
  root, build:match("^/") and build or root .. "/" .. build)
local folder = run("mktemp -d"):gsub("\n$", "")

write(folder .. "/make.lua", 'assert(require("wayproof.shop").write("shop.db"))')
local output, ok = run(("cd '%s' && %s %s make.lua"):format(folder, paths, lua))
assert(ok, output)

local page = read("README.md")
local blocks, differences = 0, 0
local updated = page:gsub("(```lua\n)(.-)(```\n\n```text\n)(.-)(```\n)",
  function(open, code, between, shown, close)
    blocks = blocks + 1
    write(folder .. "/block.lua", code)
    local found, ran = run(("cd '%s' && %s %s block.lua"):format(folder, paths, lua))
    assert(ran, found)
    if found:sub(-1) ~= "\n" then
      found = found .. "\n"
    end
    if found ~= shown then
      differences = differences + 1
      if arg[1] == "--check" then
        io.write("README.md shows:\n", shown, "\nits code prints:\n", found)
      end
    end
    return open .. code .. between .. found .. close
  end)
run("rm -rf '" .. folder .. "'")

assert(blocks > 0, "README.md: no block of Lua is followed by its output")
if arg[1] == "--check" then
  os.exit(differences == 0)
elseif updated ~= page then
  write("README.md", updated)
  print(("README.md: %d of %d outputs written"):format(differences, blocks))
end
