--- A Result: the verdict on one hypothesis, immutable, printing itself for a marketer.
--
-- The first line is the verdict in words; then the effect with its interval, who was counted, why,
-- what weakens it, and the next step. `result:detail()` shows the working.
local object = require "wayproof.object"
local show = require "wayproof.show"

local result = {}

local function percent(x) return show.percent(x, x < 0.0995 and 1 or 0) end

local function times(x) return "×" .. show.number(x) end

local headline = {}

-- +1 when the metric and the outcome go together in the raw data, -1 when they part.
local function raw_side(self)
  if self.auc then return self.auc.estimate >= 0.5 and 1 or -1 end
  return self.crude and self.crude.estimate < 1 and -1 or 1
end

local function side_words(self, side)
  return side >= 0 and self.sentences.more or self.sentences.less
end

function headline.validated(self)
  local side = self.adjusted.estimate >= 1 and 1 or -1
  return string.format("%s %s, beyond how active they are", self.sentences.who,
    side_words(self, side))
end

function headline.vanity(self)
  return string.format("%s %s, but no more than their activity explains", self.sentences.who,
    side_words(self, raw_side(self)))
end

function headline.unrelated(self)
  return self.sentences.who .. " " .. self.sentences.neither
end

function headline.reversed(self)
  local side = self.adjusted and self.adjusted.estimate < 1 and -1 or 1
  return string.format("at equal activity %s %s: the opposite of the claim", self.sentences.who,
    side_words(self, side))
end

function headline.unstable() return "there is a link, but it does not hold everywhere" end

function headline.leaking()
  return "the metric is part of its outcome, so it cannot predict it"
end

function headline.inconclusive() return "these data cannot tell" end

function headline.invalid() return "there is nothing to judge" end

--- The verdict in words, without the name.
function result.headline(self) return headline[self.verdict](self) end

local function effect_line(self)
  local parts = {}
  local adjusted, crude, auc = self.adjusted, self.crude, self.auc
  if adjusted then
    local bare = not self.baseline or #self.baseline.columns == 0
    parts[#parts + 1] = string.format("%s ×%s%s", self.sentences.measure,
      show.interval(adjusted.estimate, adjusted.low, adjusted.high),
      bare and " (no activity to compare with)" or " at equal activity")
    if bare then crude = nil end
  end
  if crude then
    parts[#parts + 1] = (adjusted and "" or self.sentences.measure .. " ")
      .. times(crude.estimate) .. " before"
  end
  if auc and auc.estimate then
    parts[#parts + 1] = "AUC " .. show.interval(auc.estimate, auc.low, auc.high)
  elseif self.spearman and self.spearman.estimate then
    parts[#parts + 1] = "rank correlation " .. show.interval(self.spearman.estimate,
      self.spearman.low, self.spearman.high)
  end
  if #parts == 0 then return nil end
  local line = table.concat(parts, ", ")
  if self.scale then line = line .. " (" .. self.scale .. ")" end
  return line
end

local lost = { { "outside", "outside the population" }, { "no_anchor", "never started" },
  { "too_recent", "too recent" }, { "prior_outcome", "had the outcome before" },
  { "missing", "without a value" } }

local function users_line(self)
  local n = self.n
  if n.users == 0 then return nil end
  local line = string.format("%s of %s", show.integer(n.used), show.plural(n.users, "user"))
  if n.events and n.used > 0 then
    line = line .. string.format(", %s with the outcome (%s)", show.integer(n.events),
      percent(n.events / n.used))
  end
  local parts = {}
  for _, item in ipairs(lost) do
    local number = n[item[1]]
    if number and number > 0 then parts[#parts + 1] = show.integer(number) .. " " .. item[2] end
  end
  if #parts > 0 then line = line .. "; left out: " .. table.concat(parts, ", ") end
  return line
end

local function texts(list, most)
  local out = {}
  for i = 1, math.min(#list, most) do out[i] = list[i].text end
  local line = table.concat(out, "; ")
  if #list > most then line = line .. string.format("; and %d more", #list - most) end
  return line
end

-- The warnings that are no reason already.
local function unsaid(self)
  local said, out = {}, {}
  for _, reason in ipairs(self.reasons) do said[reason.text] = true end
  for _, warning in ipairs(self.warnings) do
    if not said[warning.text] then out[#out + 1] = warning end
  end
  return out
end

-- "  effect  text", continued under the text.
local function labelled(lines, label, text)
  if not text or text == "" then return end
  local kept = text:gsub("(%d) %%", "%1\194\160%%") -- a number and its sign stay together
  local wrapped = show.wrap(kept, 70):gsub("\194\160", " "):gsub("\n", "\n          ")
  lines[#lines + 1] = string.format("  %-8s%s", label, wrapped)
end

local function render(self)
  local grade = self.grade and string.format(" (grade %s)", self.grade) or ""
  local lines = { show.wrap(string.format("%s%s: %s — %s", self.verdict, grade, self.name,
    result.headline(self)), 80, "  ") }
  labelled(lines, "effect", effect_line(self))
  labelled(lines, "users", users_line(self))
  labelled(lines, "why", texts(self.reasons, 2))
  labelled(lines, "note", texts(unsaid(self), 3))
  labelled(lines, "next", self.sentences.next)
  return table.concat(lines, "\n")
end

local Result = object.class {
  name = "wayproof.Result",
  render = render,
  rows = function(self)
    local columns = { "from", "to", "users", "rate", "low", "high", "lift" }
    local rows = {}
    for i, group in ipairs(self.dose or {}) do
      rows[i] = {}
      for c, column in ipairs(columns) do rows[i][c] = group[column] end
    end
    return columns, rows
  end,
  plain = function(self)
    local out = {}
    for key, value in pairs(self) do
      if key == "hypothesis" then
        out.hypothesis = value ~= nil and tostring(value) or nil
      elseif key ~= "sentences" then
        out[key] = object.plain(value)
      end
    end
    return out
  end,
}

--- The working behind a verdict, each number with its name and interval; prints itself.
function Result.methods:detail() return require("wayproof.detail").of(self) end

function result.new(fields) return Result.new(fields) end

function result.is(value) return Result.is(value) end

return result
