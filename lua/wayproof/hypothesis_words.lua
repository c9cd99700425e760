--- Hypotheses in words: what print(hypothesis) shows.
---
--- A sentence, the two windows drawn to scale, and every assumption that is not a default.
local select_events = require "wayproof.select"
local show = require "wayproof.show"
local words = require "wayproof.metric_words"

local hypothesis_words = {}

local drawing_width = 70

local claims = {
  binary = { rise = "the more, the likelier", fall = "the more, the less likely" },
  numeric = { rise = "the more, the more", fall = "the more, the less" },
  time = { rise = "the more, the sooner", fall = "the more, the later" },
}

local function width_of(text)
  return utf8.len(text) or #text
end

-- Widths of the segments: as in proportion to their durations as their labels allow.
local function segment_widths(segments)
  local total_us, room = 0, drawing_width
  for _, segment in ipairs(segments) do
    segment.width = width_of(segment.label) + 2
    room, total_us = room - segment.width, total_us + segment.duration_us
  end
  local wanted, missing = {}, 0
  for i, segment in ipairs(segments) do
    wanted[i] = math.max(0, segment.duration_us / total_us * drawing_width - segment.width)
    missing = missing + wanted[i]
  end
  for i, segment in ipairs(segments) do
    if missing > 0 and room > 0 then
      segment.width = segment.width + math.floor(wanted[i] / missing * room + 0.5)
    end
  end
end

local function centred(text, width, fill)
  local free = width - width_of(text)
  local left = free // 2
  return string.rep(fill, left) .. text .. string.rep(fill, free - left)
end

local mark_units = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 0, "second" } }

-- An offset from t0: "day 7", "day 7.5", "minute 90".
local function mark(offset_us)
  local seconds = offset_us / 1e6
  for _, unit in ipairs(mark_units) do
    if seconds >= unit[1] then
      return string.format("%s %.4g", unit[2], seconds / math.max(1, unit[1]))
    end
  end
end

--- The windows as two lines: a bar per window, and the marks under its ends.
---@return string bars
---@return string marks
function hypothesis_words.windows(self)
  local segments = { { label = " metric: " .. words.duration(self.observe_us) .. " ",
    duration_us = self.observe_us } }
  if self.gap_us > 0 then
    segments[2] = { label = " gap: " .. words.duration(self.gap_us) .. " ",
      duration_us = self.gap_us }
  end
  segments[#segments + 1] = { label = " outcome: " .. words.duration(self.within_us) .. " ",
    duration_us = self.within_us }
  segment_widths(segments)
  local bars, marks, offset_us, column = "├", "t0", 0, 0
  for i, segment in ipairs(segments) do
    bars = bars .. centred(segment.label, segment.width, segment.label:find("^ gap") and "·" or "─")
      .. (i == #segments and "┤" or "┼")
    offset_us, column = offset_us + segment.duration_us, column + segment.width + 1
    local text = mark(offset_us)
    local at = math.max(width_of(marks) + 1, column - (i == #segments and width_of(text) - 1 or 0))
    marks = marks .. string.rep(" ", at - width_of(marks)) .. text
  end
  return bars, marks
end

local function start_words(self)
  if not self.from then return "the user's first event" end
  return "the user's " .. words.first_of(self.from)
end

local lines_most = 25

-- How much of a text is shown: lines under one label, and columns of one word. Where names are so
-- long that all would take more than 25 lines, the next one is tried.
local limits = { { lines = 4 }, { lines = 4, word = 34 }, { lines = 3, word = 34 },
  { lines = 2, word = 34 }, { lines = 1, word = 20 } }

-- Adds a text wrapped at `width` columns, `first` before it and `following` before its other lines.
local function add_wrapped(lines, text, width, first, following)
  local limit, count = lines.limit, 0
  if limit.word then text = show.clip_words(text, limit.word) end
  for line in show.wrap(text, width):gmatch("[^\n]+") do
    count = count + 1
    if count > limit.lines then
      lines[#lines] = show.cut(lines[#lines], 76) .. " …"
      return
    end
    lines[#lines + 1] = (count == 1 and first or following) .. line
  end
end

-- "text" after a label, wrapped at 78 columns.
local function add_line(lines, label, text)
  add_wrapped(lines, text, 68, "  " .. label .. string.rep(" ", 8 - width_of(label)),
    string.rep(" ", 10))
end

local function listed(list)
  local texts = {}
  for i, entry in ipairs(list) do texts[i] = tostring(entry) end
  return table.concat(texts, ", ")
end

local function assumptions(self)
  local parts = {}
  local function add(format, ...) parts[#parts + 1] = string.format(format, ...) end
  add("an effect below %s is not worth acting on", words.number(self.minimum))
  add("activity counts capture at least %s %% of engagement",
    words.number(math.floor(self.reliability * 1000 + 0.5) / 10))
  if self.alpha ~= 0.05 then add("alpha %s", words.number(self.alpha)) end
  if self.strict_vanity then add("vanity is judged strictly") end
  if #self.acknowledge > 0 then add("accepted knowingly: %s", listed(self.acknowledge)) end
  if self.seed ~= 1 then add("seed %d", self.seed) end
  return table.concat(parts, "; ")
end

local function add_conditions(lines, self)
  if self.population then
    add_line(lines, "users", "only those whose first event has "
      .. select_events.filter_words(self.population))
  end
  if self.prior_outcome == "exclude" then
    add_line(lines, "prior", "who had the outcome before its window is left out")
  end
  if self.until_selector then
    add_line(lines, "until", "each user's " .. words.first_of(self.until_selector))
  end
  if self.as_of_us then
    add_line(lines, "as of", os.date("!%Y-%m-%d %H:%M:%S", self.as_of_us // 1000000) .. " UTC")
  end
  if self.activity then
    add_line(lines, "beyond", #self.activity == 0 and "nothing: no activity baseline"
      or listed(self.activity))
  end
  if #self.adjust > 0 then add_line(lines, "adjust", listed(self.adjust)) end
  if #self.across > 0 then add_line(lines, "across", listed(self.across)) end
  if self.cluster then add_line(lines, "cluster", self.cluster) end
end

local function lines_of(self, limit)
  local lines = { limit = limit }
  add_wrapped(lines, self.name, 78, "", "  ")
  add_line(lines, "metric", tostring(self.metric))
  if self.metric.title then add_line(lines, "", "= " .. words.sentence(self.metric, true)) end
  add_line(lines, "outcome", tostring(self.outcome))
  add_line(lines, "claim", claims[self.outcome.scale][self.expect])
  add_line(lines, "clock", "starts at " .. start_words(self))
  local bars, marks = hypothesis_words.windows(self)
  lines[#lines + 1] = ""
  lines[#lines + 1] = "  " .. bars
  lines[#lines + 1] = "  " .. marks
  lines[#lines + 1] = ""
  add_conditions(lines, self)
  add_line(lines, "assumes", assumptions(self))
  lines[#lines + 1] = "  try     log:validate(hypothesis)"
  return lines
end

--- What tostring(hypothesis) gives.
---@return string
function hypothesis_words.render(self)
  local lines
  for _, limit in ipairs(limits) do
    lines = lines_of(self, limit)
    if #lines <= lines_most then break end
  end
  return table.concat(lines, "\n")
end

return hypothesis_words
