--- How log:friction prints: stages with bars, the dearest signals, and three sentences.
local show = require "wayproof.show"

local signals_shown = 6

local function stage_table(self)
  local rows = {}
  for i, stage in ipairs(self.stages) do
    rows[i] = { stage.name, stage.entered,
      stage.rate and show.pad(show.bar(stage.rate, 8), 8) or "",
      stage.rate and show.percent(stage.rate) or nil, stage.left, stage.pending,
      stage.median_seconds and show.seconds(stage.median_seconds) or nil,
      show.integer(stage.lost_outcomes) }
  end
  local whole = show.integer
  return show.table({ { title = "stage", align = "left" },
    { title = "entered", align = "right", format = whole }, { title = "", align = "left" },
    { title = "moved on", align = "right" }, { title = "left", align = "right", format = whole },
    { title = "pending", align = "right", format = whole }, { title = "median", align = "right" },
    { title = "lost", align = "right" } }, rows, { indent = "  ", max_rows = 8 })
end

local function points(share)
  return (share > 0 and "+" or "") .. show.fixed(share * 100, 1)
end

local function signed(number)
  local text = math.abs(number) < 10 and show.fixed(number, 1) or show.integer(number)
  return (number > 0 and "+" or "") .. text
end

local function signal_table(self, shown)
  local rows = {}
  for i = 1, shown do
    local signal = self.signals[i]
    rows[i] = { signal.name, signal.stage, signal.users,
      string.format("%s [%s, %s]", points(signal.difference), points(signal.low),
        points(signal.high)), show.p(signal.q), signed(signal.outcomes_per_month) }
  end
  return show.table({ { title = "signal", align = "left" }, { title = "stage", align = "left" },
    { title = "users", align = "right", format = show.integer },
    { title = "points of outcome rate", align = "right" }, { title = "q", align = "right" },
    { title = "per month", align = "right" } }, rows, { indent = "  " })
end

local function signal_lines(self, lines)
  local certain = 0
  for _, signal in ipairs(self.signals) do certain = certain + (signal.certain and 1 or 0) end
  if #self.signals == 0 then
    lines[#lines + 1] = "signals: too few people or outcomes to price any"
    return
  end
  lines[#lines + 1] = string.format("signals among equals, %d priced, %s certain:", #self.signals,
    certain == 0 and "none" or show.integer(certain))
  lines[#lines + 1] = signal_table(self, math.min(#self.signals, signals_shown))
end

local function sentences(self, lines)
  local function add(text) lines[#lines + 1] = show.wrap(text, 78, "  ") end
  add(string.format("lost: about %s outcomes in the early stages, %s in the late ones",
    show.integer(self.early), show.integer(self.late)))
  local top = self.top
  if top and top.reach then
    add(string.format("top: %s of those who start reach %s%s%s", show.percent(top.reach), top.stage,
      top.late_rate and ", " .. show.percent(top.late_rate) .. " of these get the outcome" or "",
      top.starving and string.format("; that rate holds while the first stage fell from %s to %s",
        show.percent(top.early.earlier), show.percent(top.early.later)) or ""))
  end
  local off = self.written_off
  if off and off.people > 0 then
    add(string.format("written off: %s stuck early; %s outcomes were to be expected of them "
      .. "[%s, %s], not the 0 of 'unqualified' (%s came; %s more looked like those)",
      show.plural(off.people, "person", "people"), show.integer(off.expected),
      show.integer(off.low), show.integer(off.high), show.integer(off.observed),
      show.integer(off.alike)))
  end
end

local function render(self)
  if self.stages[1] == nil then return "no stages" end
  local lines = { string.format("friction on the way to %s (a stage may take %s)", self.outcome,
    show.seconds(self.within_seconds)), stage_table(self), "" }
  signal_lines(self, lines)
  lines[#lines + 1] = ""
  sentences(self, lines)
  if self.groups then
    local parts = {}
    for i, group in ipairs(self.groups) do
      if i > 4 then break end
      parts[i] = string.format("%s %s early, %s late", group.value or "(none)",
        show.integer(group.early), show.integer(group.late))
    end
    lines[#lines + 1] = show.wrap("lost by " .. self.by .. ": " .. table.concat(parts, "; "), 78,
      "  ")
  end
  return table.concat(lines, "\n")
end

return render
