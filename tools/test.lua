-- Runs the parts of `make test` one after the other and adds up what they counted.
--
-- Every part is a command whose last line reads "N passed, N failed, N skipped". A part that ends
-- badly without having counted a failure (a crash, a sanitizer's report) counts as one failure.
-- The sum is the last line printed. Usage: lua5.4 tools/test.lua "title=command" ...

local total = { passed = 0, failed = 0, skipped = 0 }
local notes = {}

local function run_part(title, command)
  io.write("\n== ", title, "\n")
  io.flush()
  local started = os.time()
  local pipe = assert(io.popen(command .. " 2>&1", "r"))
  local passed, failed, skipped
  for line in pipe:lines() do
    local p, f, s = line:match("^(%d+) passed, (%d+) failed, (%d+) skipped$")
    if p then
      passed, failed, skipped = tonumber(p), tonumber(f), tonumber(s)
    else
      io.write(line, "\n")
      io.flush()
    end
  end
  local ok, how, code = pipe:close()
  if not passed then
    passed, failed, skipped = 0, 0, 0
    io.write("this part did not say what it counted\n")
    ok, how, code = false, how or "exit", code or 1
  end
  if not ok and failed == 0 then
    io.write(("FAILED %s ended with %s %s\n"):format(title, how, code))
    failed = 1
  elseif passed + failed + skipped == 0 then
    io.write(("FAILED %s ran no test\n"):format(title))
    failed = 1
  end
  total.passed = total.passed + passed
  total.failed = total.failed + failed
  total.skipped = total.skipped + skipped
  notes[#notes + 1] = ("  %-34s %5d passed %4d failed %4d skipped %5d s"):format(
    title, passed, failed, skipped, os.time() - started)
end

for _, part in ipairs(arg) do
  local title, command = part:match("^(.-)=(.*)$")
  run_part(assert(title, "expected title=command"), command)
end

io.write("\n", table.concat(notes, "\n"), "\n")
io.write(("%d passed, %d failed, %d skipped\n"):format(
  total.passed, total.failed, total.skipped))
os.exit(total.failed == 0 and 0 or 1, true)
