--- Metrics in words: what tostring(metric) says to an analyst.
---
--- One function per kind of node; arithmetic puts parentheses around what is itself combined.
local select_events = require "wayproof.select"

local words = {}

-- " of compare or faq events where device is mobile"; "" for all events.
local function of_events(selector)
  local names, where = select_events.words(selector)
  if names == "" and where == "" then return "" end
  return (names == "" and " of events" or " of " .. names .. " events") .. where
end

-- "compare or faq events where …", "events" for all.
local function events_of(selector)
  local names, where = select_events.words(selector)
  return (names == "" and "events" or names .. " events") .. where
end

-- "compare or faq where …", "any event" for all: one event of a selector.
local function event_of(selector)
  local names, where = select_events.words(selector)
  return (names == "" and "any event" or names) .. where
end

-- "first compare or faq where …", "first event" for all.
local function first_of(selector)
  local names, where = select_events.words(selector)
  return "first " .. (names == "" and "event" or names) .. where
end

local function number_text(number)
  local integer = math.tointeger(number)
  return integer and string.format("%d", integer) or string.format("%.14g", number)
end

local duration_units = { { 86400000000, "day" }, { 3600000000, "hour" }, { 60000000, "minute" },
  { 1000000, "second" } }

--- A length of time in its largest whole unit up to days: "7 days", "36 hours", "1.5 seconds".
---@param duration_us integer
---@return string
function words.duration(duration_us)
  for _, unit in ipairs(duration_units) do
    if duration_us ~= 0 and duration_us % unit[1] == 0 then
      local count = duration_us // unit[1]
      return string.format("%d %s%s", count, unit[2], count == 1 and "" or "s")
    end
  end
  local seconds = duration_us / 1e6
  return string.format("%.14g second%s", seconds, seconds == 1 and "" or "s")
end

local function stage_names(stages)
  local names = {}
  for i, stage in ipairs(stages) do names[i] = stage.name end
  return table.concat(names, " > ")
end

local phrase = {}

function phrase.count(m)
  local names, where = select_events.words(m.selector)
  local part = m.part and (m.part == "even" and " (every second)" or " (every other)") or ""
  return "number of " .. (names == "" and "events" or names .. " events") .. where .. part
end

function phrase.did(m)
  return "whether " .. event_of(m.selector) .. " happened"
end

function phrase.distinct(m)
  local what = m.column == "event" and "kinds of event" or "values of " .. m.column
  local of = of_events(m.selector)
  return "number of different " .. what .. (of == "" and "" or " among" .. of:sub(4))
end

local function of_value(label)
  return function(m)
    return label .. (m.column or "value") .. " over " .. events_of(m.selector)
  end
end
phrase.sum = of_value "sum of "
phrase.mean = of_value "mean of "
phrase.max = of_value "largest "
phrase.min = of_value "smallest "
phrase.first_value = of_value "first "
phrase.last_value = of_value "last "

function phrase.sessions(m)
  return string.format("number of sessions (a gap over %s starts a new one)",
    words.duration(m.timeout_us))
end

function phrase.active_days(m)
  return "number of active days" .. (m.zone and m.zone ~= "UTC" and " (in " .. m.zone .. ")" or "")
end

function phrase.time_to(m)
  return "seconds from the window's start to the " .. first_of(m.selector)
end

function phrase.first_time(m)
  return "time of the " .. first_of(m.selector)
end

function phrase.time_of_last(m)
  return "time of the last of " .. events_of(m.selector)
end

function phrase.time_between(m)
  return "seconds from the " .. first_of(m.from_selector) .. " to the next "
    .. event_of(m.to_selector)
end

function phrase.dwell(m)
  return "seconds spent on " .. events_of(m.selector)
end

function phrase.longest_gap()
  return "longest gap between events, in seconds"
end

function phrase.pace()
  return "median gap between events, in seconds"
end

function phrase.depth(m)
  return "furthest stage reached of " .. stage_names(m.stages)
end

function phrase.backtracks(m)
  return "number of moves back to an earlier stage of " .. stage_names(m.stages)
end

function phrase.hesitation(m)
  return "seconds from entering stage " .. m.stages[m.stage].name .. " to any later stage"
end

function phrase.self_loops(m)
  return "number of times " .. event_of(m.selector) .. " was repeated at once"
end

function phrase.u_turns(m)
  return "number of u-turns (there, elsewhere, back) among " .. events_of(m.selector)
end

function phrase.matches(m)
  local steps = {}
  for i, step in ipairs(m.steps) do steps[i] = event_of(step) end
  return "number of times " .. table.concat(steps, ", then ")
    .. (m.within_us and " within " .. words.duration(m.within_us) or "")
end

function phrase.attribute(m)
  return "the user's " .. m.name
end

function phrase.custom(m)
  return m.name .. " (custom)"
end

function phrase.constant(m)
  return number_text(m.number)
end

local operators = { add = " plus ", subtract = " minus ", multiply = " times ",
  divide = " divided by " }

local function side(m)
  local text = words.sentence(m)
  if operators[m.kind] and not m.title then return "(" .. text .. ")" end
  return text
end

for kind, operator in pairs(operators) do
  phrase[kind] = function(m) return side(m.left) .. operator .. side(m.right) end
end

function phrase.log1p(m)
  return "log(1 + " .. words.sentence(m.of) .. ")"
end

function phrase.at_least(m)
  if m.of.kind == "count" and not m.of.title then
    local names, where = select_events.words(m.of.selector)
    return string.format("whether there are at least %s %s%s", number_text(m.number),
      names == "" and "events" or names .. " events", where)
  end
  return "whether " .. side(m.of) .. " is at least " .. number_text(m.number)
end

function phrase.capped(m)
  return side(m.of) .. ", at most " .. number_text(m.number)
end

function phrase.default(m)
  return side(m.of) .. " (" .. number_text(m.number) .. " when missing)"
end

--- A metric as a sentence; its title where it has one.
---@param bare? boolean  true: say what it measures even where it has a title
---@return string
function words.sentence(m, bare)
  if m.title and not bare then return m.title end
  return phrase[m.kind](m)
end

words.events_of = events_of
words.event_of = event_of
words.first_of = first_of
words.number = number_text

return words
