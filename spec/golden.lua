-- Printed output held against files of spec/golden/: 80 columns, no colour, no machine's paths.
--
-- WAYPROOF_GOLDEN=write makes the files anew; read the difference before committing it.
local golden = {}

local function widest(text)
  local most = 0
  for line in (text .. "\n"):gmatch("(.-)\n") do most = math.max(most, utf8.len(line) or #line) end
  return most
end

--- Texts one below the other, long lines wrapped and indented.
function golden.lines(texts)
  local out = {}
  for i, text in ipairs(texts) do
    local lines = {}
    for line in (text .. "\n"):gmatch("(.-)\n") do
      lines[#lines + 1] = #line <= 80 and line or require("wayproof.show").wrap(line, 76)
        :gsub("\n", "\n    ")
    end
    out[i] = table.concat(lines, "\n")
  end
  return table.concat(out, "\n")
end

--- Fails when `text` differs from spec/golden/<name>.txt, or has a line of more than 80 columns.
function golden.check(name, text)
  local path = "spec/golden/" .. name .. ".txt"
  assert(widest(text) <= 80, name .. ": a line is wider than 80 columns:\n" .. text)
  if os.getenv("WAYPROOF_GOLDEN") == "write" then
    local file = assert(io.open(path, "wb"))
    file:write(text, "\n")
    file:close()
  end
  local file = io.open(path, "rb")
  local wanted = file and file:read("a")
  if file then file:close() end
  require("luassert").equal(wanted, text .. "\n")
end

return golden
