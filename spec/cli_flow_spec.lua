-- The journey commands: the same answers as the methods, on standard output.
local json = require "dkjson"
local shell = require "spec.shell"
local wp = require "wayproof"

local quote = shell.quote

describe("the journey commands #processes", function()
  local folder, data, log

  -- Standard output and error together, and the exit code.
  local function wayproof(arguments)
    local build = os.getenv("WAYPROOF_BUILD") or "build/release"
    return shell.run(string.format("WAYPROOF_BUILD=%s %s bin/wayproof %s", build, shell.lua,
      arguments))
  end

  setup(function()
    folder = shell.folder()
    data = folder .. "/events.csv"
    local lines = { "user,event,time,device" }
    for i = 1, 60 do
      local device = i % 2 == 0 and "phone" or "desk"
      lines[#lines + 1] = ("u%d,visit,%d,%s"):format(i, 1704067200 + i * 7200, device)
      if i % 3 > 0 then
        lines[#lines + 1] = ("u%d,search,%d,%s"):format(i, 1704067260 + i * 7200, device)
      end
      if i % 4 == 0 then
        lines[#lines + 1] = ("u%d,buy,%d,%s"):format(i, 1704153600 + i * 7200, device)
      end
    end
    local file = assert(io.open(data, "wb"))
    file:write(table.concat(lines, "\n"), "\n")
    file:close()
    log = assert(wp.read_csv(data, { properties = { "device" } }))
  end)

  teardown(function() shell.remove(folder) end)

  local same = {
    ["funnel visit search,buy --within 2d --by device"] = function()
      return log:funnel({ "visit", { "search", "buy" } }, { within = "2d", by = "device" })
    end,
    ["sessions --by device --min-group 31"] = function()
      return log:sessions { by = "device", min_group = 31 }
    end,
    ["funnel visit search buy --step-order any --where device=phone"] = function()
      return log:funnel({ "visit", "search", "buy" }, { order = "any",
        where = { device = "phone" } })
    end,
    ["sessions --timeout 1h"] = function() return log:sessions { timeout = "1h" } end,
    ["transitions --within session"] = function()
      return log:transitions { within = "session" }
    end,
    ["retention --period day --periods 3 --returns buy"] = function()
      return log:retention { period = "day", periods = 3, returns = "buy" }
    end,
    ["paths --start search --steps 3"] = function()
      return log:paths { start = "search", steps = 3 }
    end,
    ["dwell"] = function() return log:dwell() end,
    ["gaps --events visit,buy --since 2024-01-02"] = function()
      return log:gaps { events = { "visit", "buy" }, since = "2024-01-02" }
    end,
  }
  for arguments, call in pairs(same) do
    it("say what the method says: " .. arguments, function()
      local wanted = call()
      local output, code = wayproof(arguments .. " --data " .. quote(data))
      assert.equal(0, code, output)
      assert.equal(tostring(wanted), (output:gsub("%s+$", "")))
      output, code = wayproof(arguments .. " --json --data " .. quote(data))
      assert.equal(0, code, output)
      assert.same(json.decode(wanted:json()), json.decode(output))
    end)
  end

  it("write CSV", function()
    local path = folder .. "/out.csv"
    local output, code = wayproof("transitions --data " .. quote(data) .. " --csv " .. quote(path))
    assert.equal(0, code, output)
    assert.equal("group,from,to,count", io.lines(path)():match("^%w+,%w+,%w+,%w+"))
    local file <close> = assert(io.open(path, "rb"))
    for _, last in ipairs { "", " -" } do
      assert.equal(file:read "a",
        (wayproof("transitions --data " .. quote(data) .. " --csv" .. last)))
      file:seek "set"
    end
  end)

  local wrong = {
    ["funnel visit serch"] = "did you mean 'search'",
    ["funnel visit buy --within soon"] = "expected a duration",
    ["paths --steps many"] = "expected a whole number",
    ["gaps --where device"] = "expected a condition such as device=mobile",
  }
  for arguments, words in pairs(wrong) do
    it("refuse what makes no sense: " .. arguments, function()
      local output, code = wayproof(arguments .. " --data " .. quote(data))
      assert.equal(2, code, output)
      assert.is_truthy(output:find(words, 1, true), output)
    end)
  end
end)
