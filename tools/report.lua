-- Output handler for busted: one line per spec file, failures in full, and a last line of the form
-- "N passed, N failed, N skipped" that tools/test.lua (and any CI) can read.
local base = require "busted.outputHandlers.base"

local function describe_failure(failure)
  local trace = failure.element.trace or {}
  local place = trace.short_src and ("%s:%s: "):format(trace.short_src, trace.currentline) or ""
  local message = failure.message
  if type(message) ~= "string" then
    message = message == nil and "no message" or require("pl.pretty").write(message)
  end
  message = ("  " .. message):gsub("\n", "\n  ")
  return ("FAILED %s%s\n%s\n"):format(place, failure.name, message)
end

local function describe_skip(skip)
  local reason = type(skip.message) == "string" and ": " .. skip.message or ""
  return ("skipped %s%s\n"):format(skip.name, reason)
end

return function(options)
  local busted = require "busted"
  local handler = base()
  local file = { passed = 0, failed = 0, skipped = 0 }

  local function write(...)
    io.write(...)
    io.flush()
  end

  local function file_start()
    file = { passed = 0, failed = 0, skipped = 0, since = require("system").monotime() }
    return nil, true
  end

  local function test_end(_, _, status)
    local key = status == "success" and "passed" or status == "pending" and "skipped" or "failed"
    file[key] = file[key] + 1
    return nil, true
  end

  local function file_end(element)
    local seconds = require("system").monotime() - (file.since or 0)
    if file.passed + file.failed + file.skipped > 0 then
      local notes = file.failed > 0 and ("  %d FAILED"):format(file.failed) or ""
      if file.skipped > 0 then
        notes = notes .. ("  %d skipped"):format(file.skipped)
      end
      write(("%s %4d  %-44s %6.2f s%s\n"):format(
        file.failed == 0 and "ok  " or "FAIL", file.passed, element.name, seconds, notes))
    end
    return nil, true
  end

  local function suite_end()
    local failed = #handler.failures + #handler.errors
    for _, skip in ipairs(handler.pendings) do
      write(describe_skip(skip))
    end
    for _, list in ipairs { handler.failures, handler.errors } do
      for _, failure in ipairs(list) do
        write("\n", describe_failure(failure))
        if options.verbose and failure.trace and failure.trace.traceback then
          write(failure.trace.traceback, "\n")
        end
      end
    end
    write(("%d passed, %d failed, %d skipped\n"):format(
      handler.successesCount, failed, handler.pendingsCount))
    return nil, true
  end

  busted.subscribe({ "file", "start" }, file_start)
  busted.subscribe({ "test", "end" }, test_end, { predicate = handler.cancelOnPending })
  busted.subscribe({ "file", "end" }, file_end)
  busted.subscribe({ "suite", "end" }, suite_end)
  return handler
end
