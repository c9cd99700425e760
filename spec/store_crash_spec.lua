-- The store while processes die and others read: it holds exactly the imports that had returned.
-- WAYPROOF_KILLS sets how many times a writer is killed (bench/store.lua asks for hundreds).
local made = require "spec.store_made"
local shell = require "spec.shell"
local wp = require "wayproof"

local kills = tonumber(os.getenv("WAYPROOF_KILLS")) or 30

-- Appends imports of 40 events until it is stopped, or `most` times, and writes a line for each
-- that has returned. Every event of every import has another `value`, so that none can be taken
-- for another.
local writer = [[
package.path, package.cpath = %q, %q
local wp = require "wayproof"
local store = assert(wp.store(%q))
local done = #assert(store:imports())
for n = done + 1, done + %d do
  local rows = {}
  for i = 1, 40 do
    rows[i] = { user = "u" .. (n * 7 + i * 3) %% 90, event = "e" .. i %% 3,
      time = 1700000000 + n * 50 - i, value = n * 1000 + i, plan = "plan " .. n }
  end
  assert(store:append(wp.read_rows(rows, { value = "value", properties = { "plan" } })))
  io.stdout:write(n, "\n")
  io.stdout:flush()
  if n %% 7 == 0 then assert(store:compact()) end
end
]]

describe("a store whose writer dies #slow", function()
  local folder, path, script

  setup(function()
    folder = shell.folder()
    path = folder .. "/shop.way"
    script = folder .. "/writer.lua"
  end)
  teardown(function() shell.remove(folder) end)

  local function write_script(most)
    made.write_bytes(script, writer:format(package.path, package.cpath, path, most))
  end

  -- The events of imports 1 .. n, all there and nothing else.
  local function check_imports(log, n)
    assert.equal(40 * n, #log)
    local seen, total = {}, 0
    for _, journey in log:journeys() do
      for i = 1, #journey do
        assert.is_nil(seen[journey[i].value])
        seen[journey[i].value] = true
        total = total + 1
      end
    end
    assert.equal(40 * n, total)
    for import = 1, n do assert.is_true(seen[import * 1000 + 40]) end
  end

  it("holds the imports that had returned, killed at any moment", function()
    local random = made.random(os.time())
    write_script(1000000)
    local returned = 0
    for _ = 1, kills do
      local seconds = 0.03 + random(250) / 1000
      local output = shell.run(("timeout -s KILL %.3f %s %s"):format(seconds,
        shell.quote(shell.lua), shell.quote(script)))
      for number in output:gmatch("(%d+)\n") do returned = tonumber(number) end
      assert.is_nil(output:find("traceback", 1, true), output)
      local log = wp.open(path)
      if log then
        local there = #log // 40
        -- one import may have ended just before it could say so
        assert.is_true(there == returned or there == returned + 1,
          ("%d imports there, %d returned"):format(there, returned))
        check_imports(log, there)
        returned = there
      else
        assert.equal(0, returned)
      end
    end
    assert.is_true(returned > 0, "no import ever returned: the waits are too short")
    local store <close> = assert(wp.store(path))
    assert.is_true(assert(store:verify()).ok)
    assert.equal(returned, #assert(store:imports()))
  end)

  it("shows readers whole imports while another process appends", function()
    os.remove(path)
    write_script(25)
    assert(wp.store(path)):close()
    local pipe = assert(io.popen(shell.quote(shell.lua) .. " " .. shell.quote(script) .. " 2>&1"))
    local last, reads = 0, 0
    repeat
      local log = assert(wp.open(path))
      local n = #log // 40
      assert.is_true(n >= last)
      -- compacting may come between opening and reading: then the log says so
      local fine, message = pcall(check_imports, log, n)
      if not fine then assert.matches("rewritten since", tostring(message)) end
      last, reads = n, reads + 1
    until n == 25
    local output = pipe:read("a")
    pipe:close()
    assert.equal("25", output:match("(%d+)\n$"))
    assert.is_true(reads > 1)
    check_imports(assert(wp.open(path)), 25)
  end)

  it("lets two writers take turns", function()
    os.remove(path)
    write_script(8)
    assert(wp.store(path)):close()
    -- both count on from what is there; the one that comes second is refused its import
    local command = shell.quote(shell.lua) .. " " .. shell.quote(script)
    shell.run(command .. " & " .. command .. " & wait")
    local store <close> = assert(wp.store(path))
    local imports = assert(store:imports())
    assert.is_true(#imports >= 8)
    assert.equal(40 * #imports, #assert(wp.open(path)))
    assert.is_true(assert(store:verify()).ok)
  end)
end)
