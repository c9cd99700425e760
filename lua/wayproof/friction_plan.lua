--- What friction and clarity share: the words of a call become a plan of the core, and stays.
---
--- A stay is one person in one stage (csrc/journey/stage_spans.h); the handle that this module
--- opens gives them as vectors, one per stage and column. The end of observation is the end of the
--- whole log, or `before` where it is earlier: people are not gone because a filter left them out.
local check = require "wayproof.check"
local core = require "wayproof.core"
local outcomes = require "wayproof.outcome"
local resolve = require "wayproof.resolve"
local select_events = require "wayproof.select"
local stages_of = require "wayproof.stages"
local time = require "wayproof.time"

local plan = {}

plan.month_us = 30.4375 * 86400e6 -- a year has twelve of them
local DAY_US = 86400000000

--- An outcome that has a moment: events by name, wp.converts or wp.refers. nil stays nil.
---@return table|nil selector, integer times, string|nil words
function plan.outcome(value, what)
  if value == nil then return nil, 1 end
  local function words(selector)
    local events, where = select_events.words(selector)
    return (events == "" and "any event" or events) .. where
  end
  if not outcomes.is(value) then
    if type(value) == "function" or check.class(value) == "wayproof.Metric" then
      outcomes.check(value, what)
    end
    local selector = select_events.selector(value, nil, what)
    return selector, 1, words(selector)
  end
  if value.kind ~= "converts" and value.kind ~= "refers" then
    check.fail("%s: %s (expected an outcome that has a moment: an event, wp.converts or "
      .. "wp.refers)", what, tostring(value))
  end
  return value.selector, value.at_least, words(value.selector)
end

--- A duration of the options, or by default `days`, a quarter of the log where that is shorter.
---@param days? integer  30
---@return integer within_us
function plan.within(log, value, what, days)
  if value ~= nil then
    local within_us = check.duration(value, what)
    if within_us == 0 then check.fail("%s: no time at all (expected a longer one)", what) end
    return within_us
  end
  local facts = core.log.facts(log, false)
  local span_us = facts.first and facts.last - facts.first or 0
  return math.max(1000000, math.min((days or 30) * DAY_US, span_us // 4))
end

--- The end of observation.
---@return integer as_of_us
function plan.as_of(log, options, what)
  local last_us = core.log.facts(log, false).last or 0
  if options.as_of ~= nil then return time.instant(options.as_of, what .. ": as_of") end
  if options.before == nil then return last_us end
  local before_us = math.type(options.before) == "integer" and options.before
    or time.instant(options.before, what .. ": before")
  return math.min(last_us, before_us - 1)
end

--- Finds every stay in a log.
---@param request { stages: wayproof.Stages, outcome: table|nil, times: integer, as_of_us: integer }
---@return userdata handle  see csrc/lua/l_friction.c
function plan.open(log, request)
  local compiled = { stages = {}, outcome_times = request.times, as_of_us = request.as_of_us }
  for i, stage in ipairs(request.stages) do
    compiled.stages[i] = resolve.selector(log, stage.selector)
  end
  if request.outcome then compiled.outcome = resolve.selector(log, request.outcome) end
  local handle, message = core.friction.stays(log, compiled)
  if not handle then error(message, 0) end
  return handle
end

--- Stages of a call, at most as many as the core takes.
function plan.stages(value, what)
  stages_of.check(value, what .. ": stages")
  if #value > 64 then check.fail("%s: %d stages (expected at most 64)", what, #value) end
  return value
end

return plan
