--- The rules by which other tools count funnels, and a comparison of two sets of rules.
---
--- Each preset states that tool's documented behaviour in our own options; `notes` say it in words.
--- `ours` are the defaults. Sources and golden cases: doc/design/funnels.md and
--- spec/funnel_presets_spec.lua.
local check = require "wayproof.check"
local object = require "wayproof.object"
local show = require "wayproof.show"

local presets = {}

presets.ours = {
  rules = { order = "loose", entry = "any", ties = "as_recorded", exclude_scope = "attempt" },
}

local known = {
  clickhouse = {
    rules = { order = "loose", entry = "any", ties = "any", reuse_rows = true,
      exclude_scope = "attempt" },
    orders = { "loose" },
    orders_note = "its strict_order stops at the first other event for good and is not offered",
    notes = "windowFunnel without modes: the newest first step restarts the chain, events of one "
      .. "instant count in the order of the steps, one event may serve several steps",
  },
  posthog = {
    rules = { order = "loose", entry = "any", ties = "any", within = "14d",
      exclude_scope = "user" },
    notes = "the newest first step restarts the chain, events of one instant convert in either "
      .. "order, an excluded event removes the person, 14 days unless said otherwise",
  },
  mixpanel = {
    rules = { order = "loose", entry = "first", ties = "any", grace = 2, within = "7d",
      exclude_scope = "attempt" },
    orders = { "loose", "any" },
    orders_note = "its 'specific order' allows other events in between",
    notes = "uniques: only the first entry counts, consecutive steps within 2 seconds of each "
      .. "other are interchangeable, 7 days unless said otherwise",
  },
  amplitude = {
    rules = { order = "loose", entry = "any", ties = "any", within = "1d", first_required = true,
      exclude_scope = "attempt" },
    notes = "events of one instant count as ordered, in any order the first step must still come, "
      .. "1 day unless said otherwise",
  },
  retentioneering = {
    rules = { order = "loose", entry = "first", ties = "as_recorded", exclude_scope = "attempt",
      denominator = "all" },
    orders = { "loose" },
    orders_note = "its funnel has steps in order only",
    notes = "row order decides ties, the first entry wins, no window, rates are of all paths",
  },
}

presets.names = { "amplitude", "clickhouse", "mixpanel", "posthog", "retentioneering" }

--- A preset by name; raises with the names there are.
function presets.get(name)
  return known[check.choice(name, presets.names, "funnel: semantics")]
end

-- What can differ, in the order in which it is explained ------------------------------------------

local function tie_words(rules)
  if rules.ties == "strict" then return "a step needs a later time" end
  if rules.ties ~= "any" then return "events of one instant count in row order" end
  local words = "events of one instant convert in either order"
  if rules.grace then
    words = string.format("steps up to %s apart are interchangeable",
      type(rules.grace) == "number" and show.seconds(rules.grace) or rules.grace)
  end
  return words .. (rules.reuse_rows and ", one event may serve several steps" or "")
end

local words_of = {
  entry = { any = "every first step begins an attempt", first = "only the first entry counts",
    latest = "only the latest entry counts" },
  first_required = { [true] = "the first step must come first",
    [false] = "any step may come first" },
  denominator = { entered = "rates are of those who entered", all = "rates are of everybody",
    observable = "rates are of those whose window is over" },
  exclude_scope = { attempt = "an excluded event ends the attempt",
    user = "an excluded event removes the person" },
}

local function duration_words(value)
  return type(value) == "number" and show.seconds(value) or tostring(value)
end

-- Each: the options it sets, whether it can matter here, and its words for a set of rules.
local aspects = {
  { name = "ties", keys = { "ties", "grace", "reuse_rows" }, words = tie_words,
    applies = function(rules) return rules.order == "loose" end },
  { name = "entry", keys = { "entry" },
    words = function(rules) return words_of.entry[rules.entry] end },
  { name = "first_required", keys = { "first_required" },
    words = function(rules) return words_of.first_required[rules.first_required or false] end,
    applies = function(rules) return rules.order == "any" end },
  { name = "exclude_scope", keys = { "exclude_scope" },
    words = function(rules) return words_of.exclude_scope[rules.exclude_scope] end,
    applies = function(rules) return #rules.exclusions > 0 end },
  -- A window that was asked for stays; only the default differs between tools.
  { name = "within", keys = { "within" }, words = function(rules)
      return rules.within and "within " .. duration_words(rules.within) or "no time limit"
    end,
    applies = function(rules) return rules.within == nil end },
}

local function same(aspect, ours, theirs)
  for _, key in ipairs(aspect.keys) do
    if (ours[key] or nil) ~= (theirs[key] or nil) then return false end
  end
  return true
end

-- Printing ---------------------------------------------------------------------------------------

local function difference_words(difference)
  if difference.further + difference.less == 0 then
    return difference.rule == "denominator" and "the same people, another rate"
      or "no person's furthest step changes"
  end
  local parts = {}
  if difference.further > 0 then
    parts[1] = show.plural(difference.further, "person", "people") .. " further"
  end
  if difference.less > 0 then
    parts[#parts + 1] = show.plural(difference.less, "person", "people") .. " less far"
  end
  local examples = {}
  for i, change in ipairs(difference.people) do
    if i > 3 then break end
    examples[i] = string.format("%s: step %d, not %d", change.user, change.after, change.before)
  end
  return table.concat(parts, ", ") .. " (" .. table.concat(examples, "; ") .. ")"
end

local function converted_words(figures)
  return string.format("%s of %s%s", show.integer(figures.converted), show.integer(figures.base),
    figures.base > 0 and " (" .. show.percent(figures.converted / figures.base) .. ")" or "")
end

local function render(self)
  local lines = { string.format("%s counts %s through, these rules %s", self.semantics,
    converted_words(self.theirs), converted_words(self.ours)), "" }
  if #self.differences == 0 then lines[#lines + 1] = "  no rule differs" end
  for _, difference in ipairs(self.differences) do
    lines[#lines + 1] = show.wrap(string.format("  %s, not: %s", difference.theirs,
      difference.ours), 76, "  "):gsub("^", "  ")
    lines[#lines + 1] = "    " .. show.wrap(difference_words(difference), 74, "    ")
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = show.wrap(self.semantics .. ": " .. self.notes, 78, "  ")
  return table.concat(lines, "\n")
end

local Comparison = object.class {
  name = "wayproof.FunnelComparison",
  render = render,
  rows = function(self)
    local rows = {}
    for i, difference in ipairs(self.differences) do
      rows[i] = { difference.rule, difference.ours, difference.theirs, difference.further,
        difference.less }
    end
    return { "rule", "ours", "theirs", "further", "less" }, rows
  end,
}

---@class wayproof.FunnelComparison
---@field semantics string
---@field notes string       the tool's rules in a sentence
---@field differences { rule: string, ours: string, theirs: string, further: integer, less: integer,
---   people: table[] }[]  people whose furthest step moves when that rule alone is changed, the
---   first 20 of them as `user, before, after`
---@field ours { converted: integer, base: integer }
---@field theirs { converted: integer, base: integer }  with all of their rules

--- Compares settled rules with a preset.
---@param measure fun(given: table): userdata, table  measures by unsettled rules: handle and fields
---@param given table  the options of the funnel
function presets.compare(semantics, rules, measure, given)
  local preset = presets.get(semantics)
  -- Options that say our rules in full, so that nothing but `changes` differs.
  local function with(changes)
    local options = {}
    for key, value in pairs(given) do options[key] = value end
    options.semantics = nil
    for _, aspect in ipairs(aspects) do
      for _, key in ipairs(aspect.keys) do options[key] = rules[key] or false end
    end
    for key, value in pairs(changes) do options[key] = value end
    return measure(options)
  end
  local base, base_fields = with {}
  local differences, all = {}, {}
  for _, aspect in ipairs(aspects) do
    local applies = not aspect.applies or aspect.applies(rules)
    if applies and not same(aspect, rules, preset.rules) then
      local changes = {}
      for _, key in ipairs(aspect.keys) do
        changes[key] = preset.rules[key] or false
        all[key] = changes[key]
      end
      local other = with(changes)
      local further, less, people = base:changes(other, 20)
      other:close()
      differences[#differences + 1] = { rule = aspect.name, ours = aspect.words(rules),
        theirs = aspect.words(preset.rules), further = further, less = less, people = people }
    end
  end
  base:close()
  local denominator = preset.rules.denominator or "entered"
  if denominator ~= rules.denominator then
    differences[#differences + 1] = { rule = "denominator", further = 0, less = 0, people = {},
      ours = words_of.denominator[rules.denominator], theirs = words_of.denominator[denominator] }
  end
  local last, theirs = with(all)
  last:close()
  local function base_of(fields, of)
    return of == "all" and fields.people or fields.entered
  end
  return Comparison.new {
    semantics = semantics, notes = preset.notes, differences = differences,
    ours = { converted = base_fields.converted, base = base_of(base_fields, rules.denominator) },
    theirs = { converted = theirs.converted, base = base_of(theirs, preset.rules.denominator) },
  }
end

return presets
