--- Friction: where people stop on their way, what it looked like before, and what it costs.
---
--- One scan finds every stay in a stage (csrc/journey/stage_spans.h), two more read the signals
--- (friction_signals.lua) and what early leavers were worth (friction_lost.lua). Everything is told
--- in outcomes. People who have not moved on are pending until the time of a stage is over, then
--- they have left; who moves on after all has advanced. Rates count moves within that time, among
--- people for whom it is over.
local check = require "wayproof.check"
local lost = require "wayproof.friction_lost"
local object = require "wayproof.object"
local plan = require "wayproof.friction_plan"
local render = require "wayproof.friction_text"
local resolve = require "wayproof.resolve"
local select_events = require "wayproof.select"
local signals = require "wayproof.friction_signals"
local stages_of = require "wayproof.stages"
local stats = require "wayproof.stats"
local view = require "wayproof.view"

local friction = {}

-- What happened to the people of one stage; `handle` counts.
local function stage_figures(handle, stage, name, request)
  local entered, within_us = handle:counts()[stage], request.within_us
  local figure = { name = name, entered = entered, advanced = 0, left = 0, pending = 0,
    lost_outcomes = 0.0 }
  if entered == 0 then return figure end
  figure.advanced = handle:count(stage, { advanced = true })
  figure.left = handle:count(stage, { advanced = false, closed_us = within_us })
  figure.pending = entered - figure.advanced - figure.left
  figure.median_seconds = stats.kaplan_meier(handle:column(stage, "watched_seconds"),
    handle:column(stage, "advanced")).median.estimate
  local closed = handle:count(stage, { closed_us = within_us })
  if closed > 0 then
    local done = handle:count(stage, { closed_us = within_us, in_time_us = within_us })
    local interval = stats.wilson(done, closed)
    figure.rate, figure.low, figure.high = done / closed, interval.low, interval.high
  end
  if request.outcome then figure.lost_outcomes = lost.of_stage(handle, stage, within_us) end
  return figure
end

-- When a stage's signals end and when its people are given up: the middle and the 90 % point of
-- the time that moving on took earlier cohorts. A stage that nobody leaves has a tenth of the time.
local function landmarks(handle, stage, entered, request)
  local fallback = math.max(1000000, request.within_us // 10)
  if entered == 0 then return fallback, fallback, request.as_of_us end
  local cut = handle:column(stage, "entry_us"):quantiles({ 0.5 })[1]
  local times = handle:column(stage, "advance_seconds", { closed_us = request.within_us,
    in_time_us = request.within_us, entered_by = cut })
  cut = math.floor(cut)
  if #times == 0 then return request.observe_us or fallback, fallback, cut end
  local points = times:quantiles({ 0.5, lost.patience_level })
  local function whole_us(seconds) return math.max(1000000, math.ceil(seconds * 1e6)) end
  return request.observe_us or whole_us(points[1]), whole_us(points[2]), cut
end

-- Whether entering the stage is the outcome itself for everybody.
local function is_outcome(handle, stage, entered)
  return entered > 0 and handle:count(stage, { in_time_us = 0 }) == entered
end

-- Number of stages that count as early: the first half of those that people can still be lost in.
local function early_count(request, all)
  if request.early then return request.early end
  local open = #all
  while open > 0 and all[open].is_outcome do open = open - 1 end
  return (open + 1) // 2
end

local function stage_events(log, stages)
  return function(event)
    for _, stage in ipairs(stages) do
      if select_events.has_event(stage.selector, event) then return true end
    end
    return false
  end, resolve.names(log).events
end

local function all_signals(log, handle, request, all, marks)
  local list = {}
  handle:measure { observe_us = marks.observe_us, cut_us = marks.cut_us,
    within_us = request.within_us }
  local in_stage, names = stage_events(log, request.stages)
  for stage, entry in ipairs(all) do
    if entry.entered > 0 and not entry.is_outcome then
      local own = signals.of_stage { handle = handle, stage = stage, name = entry.name,
        cut_us = marks.cut_us[stage], observe_us = marks.observe_us[stage], names = names,
        in_stage = in_stage }
      table.move(own, 1, #own, #list + 1, list)
    end
  end
  signals.adjust(list, request.minimum)
  table.sort(list, function(a, b)
    local x, y = math.abs(a.outcomes_per_month), math.abs(b.outcomes_per_month)
    if a.certain ~= b.certain then return a.certain end
    if x ~= y then return x > y end
    if a.stage ~= b.stage then return a.stage < b.stage end
    return a.name < b.name
  end)
  return list
end

local function analyse(log, request)
  local handle <close> = plan.open(log, request)
  local all, marks = {}, { observe_us = {}, patience_us = {}, cut_us = {} }
  local fields = { stages = {}, signals = {}, outcome = request.words, early = 0.0, late = 0.0,
    within_seconds = request.within_us / 1e6 }
  local names = {}
  for i, stage in ipairs(request.stages) do
    local figure = stage_figures(handle, i, stage.name, request)
    fields.stages[i], names[i] = figure, stage.name
    all[i] = { name = stage.name, entered = figure.entered,
      is_outcome = is_outcome(handle, i, figure.entered) }
    marks.observe_us[i], marks.patience_us[i], marks.cut_us[i] = landmarks(handle, i,
      figure.entered, request)
    figure.observe_seconds = figure.entered > 0 and marks.observe_us[i] / 1e6 or nil
  end
  local early = early_count(request, all)
  for i, figure in ipairs(fields.stages) do
    local side = i <= early and "early" or "late"
    fields[side] = fields[side] + figure.lost_outcomes
  end
  fields.early_stages = early
  if not request.outcome then return fields end
  fields.signals = all_signals(log, handle, request, all, marks)
  fields.top = lost.top(handle, names, early, request.within_us)
  fields.written_off = lost.written_off(handle, early, marks.patience_us, marks.cut_us,
    request.within_us)
  return fields
end

local signal_columns = { "name", "stage", "users", "rate_with", "rate_without", "difference", "low",
  "high", "p", "q", "outcomes_per_month" }

local Friction = object.class {
  name = "wayproof.Friction",
  render = render,
  rows = function(self)
    local rows = {}
    for i, signal in ipairs(self.signals) do
      rows[i] = {}
      for k, name in ipairs(signal_columns) do rows[i][k] = signal[name] end
    end
    return signal_columns, rows
  end,
}

---@class wayproof.Friction
---@field stages { name: string, entered: integer, advanced: integer, left: integer,
---   pending: integer, median_seconds: number|nil, lost_outcomes: number, rate: number }[]
---@field signals table[]   see `log:friction`; the certain ones first, then the dearest
---@field early number      outcomes that the early stages lose
---@field late number       outcomes that the late stages lose
---@field written_off table people, expected, low, high, observed, claimed, alike, calibration
---@field top table|nil     reach, late_rate, starving: does a healthy late rate hide a starving top

--- Where people stop, what went before, and what it costs in outcomes.
---
---     print(log:friction(stages, { outcome = wp.converts "purchase" }))
---@param stages wayproof.Stages
---@param options { outcome: any }  an event, wp.converts or wp.refers; within (time that a stage
---   may take, and in which the outcome counts after the signals; default "30d", at most a quarter
---   of the log), observe (time of signals after entry; default: the stage's median time to move
---   on), early (the last early stage), minimum (smallest difference in the outcome rate that
---   matters; default: a fifth of the rate), as_of; where, since, before, by
---@return wayproof.Friction
function friction.friction(log, stages, options)
  options = check.options(options, view.allowed { "outcome", "within", "observe", "early",
    "minimum", "as_of" }, "friction")
  plan.stages(stages, "friction")
  if options.outcome == nil then
    check.fail("friction: no outcome (expected one, such as outcome = wp.converts \"purchase\")")
  end
  local request = { stages = stages, as_of_us = plan.as_of(log, options, "friction"),
    within_us = plan.within(log, options.within, "friction: within"),
    observe_us = options.observe and check.duration(options.observe, "friction: observe"),
    minimum = options.minimum and check.number(options.minimum, "friction: minimum", 0, 1),
    early = options.early and stages_of.index(stages, options.early, "friction: early") }
  request.outcome, request.times, request.words = plan.outcome(options.outcome, "friction: outcome")
  return Friction.new(view.run(log, options, "friction", function(part)
    return analyse(part, request)
  end))
end

return friction
