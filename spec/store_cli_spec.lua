-- `wayproof import`, `export` and `verify`: exit codes, and events that come back as they went in.
local made = require "spec.store_made"
local shell = require "spec.shell"

describe("the command and stores #processes", function()
  local folder, store, csv

  local function wayproof(arguments)
    local build = package.cpath:match("(build/%w+)/%?%.so") or "build/release"
    return shell.run(string.format("WAYPROOF_BUILD=%s %s bin/wayproof %s", build, shell.lua,
      arguments))
  end

  setup(function()
    folder = shell.folder()
    store, csv = folder .. "/shop.way", folder .. "/events.csv"
    local lines = { "who,event,time,revenue,plan" }
    for i = 1, 200 do
      lines[i + 1] = ("u%d,%s,%d,%s,%s"):format(i % 17, i % 3 == 0 and "buy" or "look",
        1704067200 + i * 977 % 5000, i % 5 == 0 and i / 4 or "", i % 2 == 0 and "a;b" or "")
    end
    made.write_bytes(csv, table.concat(lines, "\n") .. "\n")
  end)
  teardown(function() shell.remove(folder) end)

  it("imports once, exports the same events, and finds damage", function()
    local import = ("import %s %s --user who --value revenue --properties plan"):format(csv, store)
    local output, code = wayproof(import)
    assert.equal(0, code, output)
    assert.matches("import 1: 200 events of 17 users", output)
    output, code = wayproof(import)
    assert.equal(1, code)
    assert.matches("these events are there already", output)
    output, code = wayproof(import .. " --force")
    assert.equal(0, code, output)

    os.remove(store)
    wayproof(import)
    local back = folder .. "/back.csv"
    local people = folder .. "/people.csv"
    local exported, export_code = wayproof("export " .. store .. " --csv --users " .. people)
    assert.equal(0, export_code, exported)
    assert.matches("^user\nu%d+\n", made.file_bytes(people))
    made.write_bytes(back, exported)
    local function summary(arguments) -- without the memory that is held: ids wait in the file
      return (wayproof("summary --json " .. arguments):gsub('"bytes":%d+,', ""))
    end
    assert.equal(summary("--data " .. store),
      summary("--value revenue --properties plan --data " .. back))

    output, code = wayproof("verify " .. store)
    assert.equal(0, code)
    assert.matches("^sound: ", output)
    local bytes = made.file_bytes(store)
    local at = #bytes - 5000
    made.write_bytes(store, bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ 16)
      .. bytes:sub(at + 1))
    output, code = wayproof("verify " .. store)
    assert.equal(1, code)
    assert.matches("damaged: .*page %d+ %(bytes", output)
    output, code = wayproof("export " .. folder .. "/missing.way --csv")
    assert.equal(1, code)
    assert.matches("missing.way", output)
  end)
end)
