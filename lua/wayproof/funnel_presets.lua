--- The rules by which other tools count funnels, and a comparison of two sets of rules.
---
--- Each preset states that tool's documented behaviour in our own options; `notes` say it in words.
--- `ours` are the defaults. Sources: the tools' documentation and public source, see
--- doc/design/funnels.md.
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
    notes = "windowFunnel without modes: the newest first step restarts the chain, events of one "
      .. "instant count in the order of the steps, one event may serve several steps",
  },
  posthog = {
    rules = { order = "loose", entry = "any", ties = "any", within = "14d",
      exclude_scope = "user" },
    notes = "ordered funnel: the newest first step restarts the chain, ties convert, an excluded "
      .. "event removes the person, 14 days unless said otherwise",
  },
  mixpanel = {
    rules = { order = "loose", entry = "first", ties = "any", grace = 2, within = "7d",
      exclude_scope = "attempt" },
    notes = "the first entry holds the attempt, events up to 2 seconds apart count as ordered "
      .. "either way, 7 days unless said otherwise",
  },
  amplitude = {
    rules = { order = "loose", entry = "any", ties = "any", within = "1d", first_required = true,
      exclude_scope = "attempt" },
    notes = "events of one instant count as ordered, in any order the first step must still come "
      .. "first, 1 day unless said otherwise",
  },
  retentioneering = {
    rules = { order = "loose", entry = "first", ties = "as_recorded", exclude_scope = "attempt",
      denominator = "all" },
    notes = "row order decides ties, the first entry wins, no window, rates of all paths",
  },
}

--- A preset by name; raises with the names there are.
function presets.get(name)
  local names = {}
  for key in pairs(known) do names[#names + 1] = key end
  table.sort(names)
  return known[check.choice(name, names, "funnel: semantics")]
end

-- The rules that can differ, in the order in which they are explained.
local aspects = {
  { name = "ties", words = { any = "events of one instant convert in either order",
    as_recorded = "events of one instant count in row order",
    strict = "a step needs a later time" } },
  { name = "grace", words = function(value)
    return string.format("events up to %s apart count as ordered either way",
      show.seconds(value or 0))
  end },
  { name = "reuse_rows", words = { ["true"] = "one event may serve several steps",
    ["nil"] = "one event serves one step" } },
  { name = "entry", words = { any = "every first step begins an attempt",
    first = "only the first entry counts", latest = "only the latest entry counts" } },
  { name = "order", words = { loose = "other events may lie between", strict = "no event between",
    any = "any order" } },
  { name = "first_required", words = { ["true"] = "the first step must come first",
    ["nil"] = "any step may come first" } },
  { name = "exclude_scope", words = { attempt = "an excluded event ends the attempt",
    user = "an excluded event removes the person" } },
  { name = "within", words = function(value)
    return value and "within " .. tostring(value) or "no time limit"
  end },
}

local function aspect_words(aspect, value)
  if type(aspect.words) == "function" then return aspect.words(value) end
  return aspect.words[tostring(value)]
end

-- Furthest step by user (0: removed by an exclusion, or never entered).
local function levels_of(handle)
  local levels = {}
  for _, sequence in ipairs(handle:list(1, "reached")) do levels[sequence.user] = sequence.level end
  return levels
end

local function count_changes(before, after)
  local further, less = 0, 0
  for user, level in pairs(after) do
    local was = before[user] or 0
    if level > was then further = further + 1 elseif level < was then less = less + 1 end
  end
  for user in pairs(before) do
    if not after[user] then less = less + 1 end
  end
  return further, less
end

local function render(self)
  local lines = { string.format("%s counts %s of %s converted, these rules %s of %s",
    self.semantics,
    show.integer(self.theirs.converted), show.integer(self.theirs.base),
    show.integer(self.ours.converted), show.integer(self.ours.base)) }
  if #self.differences == 0 then
    lines[#lines + 1] = "no rule differs"
  end
  for _, difference in ipairs(self.differences) do
    lines[#lines + 1] = show.wrap(string.format("  %s instead of %s: %s get further, %s less far",
      difference.theirs, difference.ours, show.plural(difference.further, "user"),
      show.integer(difference.less)), 78, "    ")
  end
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
---@field differences { rule: string, ours: string, theirs: string, further: integer, less: integer
---   }[]  the
---   users whose furthest step moves when that rule alone is changed
---@field ours { converted: integer, base: integer }
---@field theirs { converted: integer, base: integer }

--- Compares settled rules with a preset. `measure(options)` gives a data handle and figures.
function presets.compare(semantics, rules, measure, options)
  local preset = presets.get(semantics)
  local function with(changes)
    local changed = {}
    for key, value in pairs(options) do changed[key] = value end
    changed.semantics = nil
    for _, aspect in ipairs(aspects) do changed[aspect.name] = rules[aspect.name] end
    for key, value in pairs(changes) do changed[key] = value end
    local handle, fields = measure(changed)
    local levels = levels_of(handle)
    handle:close()
    return levels, fields
  end
  local base_levels, base = with {}
  local differences, all = {}, {}
  for _, aspect in ipairs(aspects) do
    local theirs = preset.rules[aspect.name]
    -- A window that was asked for stays; only the default differs between tools.
    local asked = aspect.name == "order" -- what is asked, not how it is counted
      or (aspect.name == "within" and rules.within ~= nil)
      or (aspect.name == "first_required" and rules.order ~= "any")
    local differs = theirs ~= rules[aspect.name] and not asked
    if differs then
      local change = {}
      if theirs == nil then change[aspect.name] = false else change[aspect.name] = theirs end
      all[aspect.name] = change[aspect.name]
      local further, less = count_changes(base_levels, (with(change)))
      differences[#differences + 1] = { rule = aspect.name,
        ours = aspect_words(aspect, rules[aspect.name]), theirs = aspect_words(aspect, theirs),
        further = further, less = less }
    end
  end
  local _, theirs = with(all)
  local all_users = preset.rules.denominator == "all"
  return Comparison.new {
    semantics = semantics, notes = preset.notes, differences = differences,
    ours = { converted = base.converted,
      base = rules.denominator == "all" and base.people or base.entered },
    theirs = { converted = theirs.converted, base = all_users and theirs.people or theirs.entered },
  }
end

return presets
