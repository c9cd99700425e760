-- Programs and temporary folders for specs that look at the project from outside.
local shell = {}

--- Text as one word of a shell command.
function shell.quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Runs a command; returns everything it wrote (stderr too, and what the shell says of its end,
--- such as "Killed") and its exit code.
---@param command string
---@return string output, integer code
function shell.run(command)
  local pipe = assert(io.popen("exec 2>&1; ( " .. command .. " )", "r"))
  local output = pipe:read("a")
  local _, _, code = pipe:close()
  return output, code
end

--- As `run`, and raises with the output when the command fails.
function shell.must(command)
  local output, code = shell.run(command)
  if code ~= 0 then
    error(("command ended with %d: %s\n%s"):format(code, command, output), 2)
  end
  return output
end

--- A new empty folder; give it to `remove` in the end.
function shell.folder()
  return (shell.must("mktemp -d"):gsub("\n$", ""))
end

function shell.remove(folder)
  assert(folder:match("^/.+/tmp%.%w+") or folder:match("^/tmp/"), "not a temporary folder")
  shell.must("rm -rf " .. shell.quote(folder))
end

--- Lines of a command's output.
function shell.lines(command)
  local lines = {}
  for line in shell.must(command):gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  return lines
end

--- True when a program of this name can be started.
function shell.has(program)
  return (select(2, shell.run("command -v " .. program))) == 0
end

--- The folder of the project.
shell.root = (shell.must("pwd"):gsub("\n$", ""))

--- The interpreter that runs the specs.
shell.lua = (function()
  local first = 0
  while arg and arg[first - 1] do
    first = first - 1
  end
  return arg and arg[first]:find("lua", 1, true) and arg[first] or "lua5.4"
end)()

return shell
