-- doc/guide/honest-verdicts.md shows what its examples print.
--
-- WAYPROOF_GOLDEN=write puts the real output into the page; read the difference before committing.
local helper = require "spec.helper"
local shell = require "spec.shell"

local page_path = "doc/guide/honest-verdicts.md"
local build = os.getenv("WAYPROOF_BUILD") or "build/release"
local paths = ("LUA_PATH='%s/lua/?.lua;%s/lua/?/init.lua;;' LUA_CPATH='%s/?.so;;' "):format(
  shell.root, shell.root, build:match("^/") and build or shell.root .. "/" .. build)

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function block_of(page, example)
  local open = "<!-- " .. example .. " -->\n```text\n"
  local _, from = assert(page:find(open, 1, true))
  local to = assert(page:find("```\n", from + 1, true))
  return from, to
end

describe("the guide to honest verdicts #slow", function()
  local function shows(example, ...)
    local output, code = shell.run(paths .. shell.lua .. " " .. example)
    assert.equal(0, code, output)
    output = output:gsub("\n*$", "\n")
    local page = read(page_path)
    local from, to = block_of(page, example)
    if os.getenv "WAYPROOF_GOLDEN" == "write" then
      page = page:sub(1, from) .. output .. page:sub(to)
      local file = assert(io.open(page_path, "wb"))
      file:write(page)
      file:close()
      from, to = block_of(page, example)
    end
    assert.equal(output, page:sub(from + 1, to - 1))
    for _, text in ipairs { ... } do assert.is_truthy(output:find(text, 1, true), text) end
  end

  it("does not validate the Stanford heart transplants", function()
    shows("examples/03_immortal_time.lua", "inconclusive: a transplant within 30 days",
      "45 of 69 with a transplant, 30 of 34 without", "time, not the metric")
  end)

  it("calls rounds that cover day 7 leaking, and claims nothing without windows", function()
    local path, why = helper.data_file "cookie_cats.csv.gz"
    if not path then return pending(why) end
    shows("examples/04_cookie_cats.lua", "leaking: rounds bring players back",
      "inconclusive: the same, windows unsaid")
  end)

  it("calls errors that predict success vanity", function()
    shows("examples/05_errors_that_predict_success.lua", "vanity       rageclick",
      "vanity       client_request_failure", "vanity       exception", "validated", "×20.5")
  end)
end)
