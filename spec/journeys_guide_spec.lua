-- doc/guide/journeys.md shows what its example prints.
--
-- WAYPROOF_GOLDEN=write puts the real output into the page; read the difference before committing.
local shell = require "spec.shell"

local page_path, example = "doc/guide/journeys.md", "examples/06_funnel.lua"
local build = os.getenv("WAYPROOF_BUILD") or "build/release"
local paths = ("LUA_PATH='%s/lua/?.lua;%s/lua/?/init.lua;;' LUA_CPATH='%s/?.so;;' "):format(
  shell.root, shell.root, build:match("^/") and build or shell.root .. "/" .. build)

local function read()
  local file <close> = assert(io.open(page_path, "rb"))
  return file:read "a"
end

describe("the guide to journeys #slow", function()
  it("shows what its example prints", function()
    local output, code = shell.run(paths .. shell.lua .. " " .. example)
    assert.equal(0, code, output)
    output = output:gsub("\n*$", "\n")
    local page = read()
    local open = "<!-- " .. example .. " -->\n```text\n"
    local _, from = assert(page:find(open, 1, true))
    local to = assert(page:find("```\n", from + 1, true))
    if os.getenv "WAYPROOF_GOLDEN" == "write" then
      local file <close> = assert(io.open(page_path, "wb"))
      file:write(page:sub(1, from), output, page:sub(to))
      return
    end
    assert.equal(output, page:sub(from + 1, to - 1))
  end)
end)
