-- The store while processes die and others read: it holds exactly the imports that had returned.
-- WAYPROOF_KILLS sets how many times a writer is killed (bench/store.lua asks for hundreds).
local made = require "spec.store_made"
local shell = require "spec.shell"
local wp = require "wayproof"

local kills = tonumber(os.getenv("WAYPROOF_KILLS")) or 30

-- Appends imports of 40 events until it is stopped, or `most` times, and writes a line for each
-- that has returned. Every event of every import has another `value`, so that none can be taken
-- for another. After every fifth import it waits for a file of that number in the folder `signs`,
-- if there is such a folder.
local writer = [[
package.path, package.cpath = %q, %q
local wp = require "wayproof"
local path, most, signs = %q, %d, %q
local store = assert(wp.store(path))
local done = #assert(store:imports())
for n = done + 1, done + most do
  local rows = {}
  for i = 1, 40 do
    rows[i] = { user = "u" .. (n * 7 + i * 3) %% 90, event = "e" .. i %% 3,
      time = 1700000000 + n * 50 - i, value = n * 1000 + i, plan = "plan " .. n }
  end
  assert(store:append(wp.read_rows(rows, { value = "value", properties = { "plan" } })))
  io.stdout:write(n, "\n")
  io.stdout:flush()
  if n %% 7 == 0 then assert(store:compact()) end
  while signs ~= "" and n %% 5 == 0 do
    local sign = io.open(signs .. "/" .. n)
    if sign then sign:close() break end
    os.execute "sleep 0.01"
  end
end
]]

-- Imports the same log again and again, so that nearly all of its time is spent inside `append`.
local importer = [[
package.path, package.cpath = %q, %q
local wp = require "wayproof"
local store = assert(wp.store(%q))
local rows = {}
for i = 1, 5000 do rows[i] = { user = "u" .. i, event = "e" .. i %% 9, time = 1700000000 + i } end
local log = assert(wp.read_rows(rows))
print "ready"
io.stdout:flush()
print(pcall(function()
  for n = 1, math.huge do
    assert(store:append(log, { force = true }))
    io.stdout:write(n, "\n")
    io.stdout:flush()
  end
end))
]]

describe("a store whose writer dies #slow", function()
  local folder, path, script

  setup(function()
    folder = shell.folder()
    path = folder .. "/shop.way"
    script = folder .. "/writer.lua"
  end)
  teardown(function() shell.remove(folder) end)

  local function write_script(most, signs)
    made.write_bytes(script, writer:format(package.path, package.cpath, path, most, signs or ""))
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

  -- How long a writer takes to start and import once, on this machine at this moment.
  local function time_one_import()
    write_script(1)
    local output = shell.run(("t=$(date +%%s%%N); %s %s; echo $(( $(date +%%s%%N) - t ))")
      :format(shell.quote(shell.lua), shell.quote(script)))
    local import, nanoseconds = output:match("^(%d+)\n(%d+)\n$")
    assert.equal("1", import, output)
    return tonumber(nanoseconds) / 1e9
  end

  it("holds the imports that had returned, killed at any moment", function()
    local random = made.random(os.time())
    local once = time_one_import()
    write_script(1000000)
    local returned = 1
    for _ = 1, kills do
      local output = shell.run(("timeout -s KILL %.3f %s %s"):format(
        once * (0.3 + random(200) / 100), shell.quote(shell.lua), shell.quote(script)))
      for number in output:gmatch("(%d+)\n") do returned = tonumber(number) end
      assert.is_nil(output:find("traceback", 1, true), output)
      local log = assert(wp.open(path))
      local there = #log // 40
      -- one import may have ended just before it could say so
      assert.is_true(there == returned or there == returned + 1,
        ("%d imports there, %d returned"):format(there, returned))
      check_imports(log, there)
      returned = there
    end
    local store <close> = assert(wp.store(path))
    assert.is_true(assert(store:verify()).ok)
    assert.equal(returned, #assert(store:imports()))
  end)

  it("holds the imports that had returned, interrupted by Ctrl-C", function()
    os.remove(path)
    made.write_bytes(script, importer:format(package.path, package.cpath, path))
    for round = 1, 3 do
      local before = #assert(wp.store(path):imports())
      local said = folder .. "/said"
      -- the signal waits until the importer is at work, however busy the machine is
      shell.run(("%s %s >%s 2>&1 & pid=$!; while ! grep -q '^%d$' %s; do kill -0 $pid || exit; "
        .. "sleep 0.05; done; sleep 0.0%d; kill -INT $pid; wait $pid"):format(
        shell.quote(shell.lua), shell.quote(script), shell.quote(said), round, shell.quote(said),
        round * 3))
      local output = made.file_bytes(said)
      assert.matches("\nfalse%s[^\n]*interrupted!", output)
      local returned = before
      for _ in output:gmatch("\n%d+%f[\n]") do returned = returned + 1 end
      local store <close> = assert(wp.store(path))
      local there = #assert(store:imports())
      assert.is_true(there == returned or there == returned + 1,
        ("%d imports there, %d returned"):format(there, returned))
      assert.equal(there * 5000, #assert(wp.open(path)))
      assert.is_true(assert(store:verify()).ok)
    end
  end)

  it("shows readers whole imports while another process appends", function()
    os.remove(path)
    local signs, ended = folder .. "/signs", folder .. "/ended"
    shell.must("mkdir " .. shell.quote(signs))
    write_script(25, signs)
    assert(wp.store(path)):close()
    local pipe = assert(io.popen(("%s %s 2>&1; touch %s"):format(shell.quote(shell.lua),
      shell.quote(script), shell.quote(ended))))
    local last = 0
    repeat
      local sign = io.open(ended)
      local has_ended = sign ~= nil
      if sign then sign:close() end
      local log = assert(wp.open(path))
      local n = #log // 40
      assert.is_true(n >= last)
      -- compacting may come between opening and reading: then the log says so
      local fine, message = pcall(check_imports, log, n)
      if not fine then assert.matches("rewritten since", tostring(message)) end
      if n % 5 == 0 then made.write_bytes(signs .. "/" .. n, "") end
      last = n
    until has_ended
    local output = pipe:read("a")
    pipe:close()
    assert.equal("25", output:match("(%d+)\n$"), output)
    assert.equal(25, last)
    check_imports(assert(wp.open(path)), 25)
  end)

  it("lets two writers take turns", function()
    os.remove(path)
    write_script(8)
    assert(wp.store(path)):close()
    -- both count on from what is there; the one that comes second is refused its import
    local command = shell.quote(shell.lua) .. " " .. shell.quote(script)
    local output = shell.run(command .. " & " .. command .. " & wait")
    local store <close> = assert(wp.store(path))
    local imports = assert(store:imports())
    assert.is_true(#imports >= 8, output)
    assert.equal(40 * #imports, #assert(wp.open(path)))
    assert.is_true(assert(store:verify()).ok)
  end)
end)
