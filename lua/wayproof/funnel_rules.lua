--- What people write about a funnel, checked and settled: its steps, its exclusions, its rules.
---
--- A step is `{ name, selector, optional, gap_min_us, gap_max_us }`. Rules are options in full:
--- what was said, then what a preset says (funnel_presets.lua), then ours.
local check = require "wayproof.check"
local presets = require "wayproof.funnel_presets"
local select_events = require "wayproof.select"
local stages_of = require "wayproof.stages"
local suggest = require "wayproof.suggest"

local rules_of = {}

local steps_max = 32

-- Steps ------------------------------------------------------------------------------------------

local step_options = { "name", "events", "where", "optional", "within", "after" }

local function step_of(entry, what)
  if type(entry) == "string" or select_events.is_selector(entry) then
    local selector = select_events.selector(entry, nil, what)
    return { name = type(entry) == "string" and entry or tostring(selector), selector = selector }
  end
  if type(entry) ~= "table" or check.class(entry) then
    check.fail("%s: %s (expected an event name, a list of names that mean the same step, or "
      .. "{ events = …, where = …, optional = true })", what, check.describe(entry))
  end
  local named, events = {}, {}
  for key, value in pairs(entry) do
    if math.type(key) == "integer" then events[key] = value else named[key] = value end
  end
  check.options(named, step_options, what)
  if named.events ~= nil then events = named.events end
  if type(events) == "table" and next(events) == nil then events = nil end
  if events == nil and named.where == nil then
    check.fail("%s: no events (expected a name, a list of names, or `where`)", what)
  end
  local selector = select_events.selector(events, named.where, what)
  local step = {
    name = named.name and check.name(named.name, what .. ": name") or tostring(selector),
    selector = selector,
    optional = named.optional ~= nil and check.boolean(named.optional, what .. ": optional") or nil,
    gap_max_us = named.within ~= nil and check.duration(named.within, what .. ": within") or nil,
    gap_min_us = named.after ~= nil and check.duration(named.after, what .. ": after") or nil,
  }
  if step.gap_min_us and step.gap_max_us and step.gap_min_us > step.gap_max_us then
    check.fail("%s: after is longer than within (expected a shorter one)", what)
  end
  return step
end

local function check_ends(steps)
  if #steps == 0 then check.fail("funnel: no steps (expected at least one)") end
  if #steps > steps_max then
    check.fail("funnel: %d steps (expected at most %d)", #steps, steps_max)
  end
  if steps[1].optional or steps[#steps].optional then
    check.fail("funnel: step %d is optional (expected a first and a last step that count)",
      steps[1].optional and 1 or #steps)
  end
  if steps[1].gap_min_us or steps[1].gap_max_us then
    check.fail("funnel: step 1: within or after (they count from the step before: "
      .. "expected them on a later step)")
  end
end

--- The steps of a list of events, or of stages.
function rules_of.steps(given)
  local steps = {}
  if stages_of.is(given) then
    for i, stage in ipairs(given) do steps[i] = { name = stage.name, selector = stage.selector } end
  else
    if type(given) ~= "table" or check.class(given) then
      check.fail("funnel: %s (expected a list of steps, or stages)", check.describe(given))
    end
    for key in pairs(given) do
      if math.type(key) ~= "integer" then
        check.fail("funnel: unexpected entry '%s' among the steps (options are the second "
          .. "argument)", tostring(key))
      end
    end
    for i = 1, #given do steps[i] = step_of(given[i], "funnel: step " .. i) end
  end
  check_ends(steps)
  return steps
end

--- Position of a step, given by number or name.
function rules_of.place(value, steps, what)
  if math.type(value) == "integer" and steps[value] then return value end
  local names = {}
  for i, step in ipairs(steps) do
    if step.name == value then return i end
    names[i] = step.name
  end
  local near = type(value) == "string" and suggest.closest(value, names)
  check.fail("%s: %s (expected the name or the number of a step%s)", what, check.describe(value),
    near and string.format("; did you mean '%s'?", near) or "")
end

-- Exclusions -------------------------------------------------------------------------------------

local function exclusion_of(entry, steps, what, scope)
  check.options(entry, { "events", "where", "between", "scope", 1 }, what)
  local between = entry.between or { 1, #steps }
  check.type(between, "table", what .. ": between", "two steps such as { 1, 3 }")
  local after = rules_of.place(between[1], steps, what .. ": between")
  local before = rules_of.place(between[2], steps, what .. ": between")
  if after >= before then
    check.fail("%s: between steps %d and %d (expected an earlier and a later step)", what,
      after, before)
  end
  local events = entry.events or entry[1]
  if events == nil and entry.where == nil then
    check.fail("%s: no events (expected a name, a list of names, or `where`)", what)
  end
  return {
    selector = select_events.selector(events, entry.where, what),
    after_step = after, before_step = before,
    scope = check.choice(entry.scope or scope, { "attempt", "user" }, what .. ": scope"),
  }
end

-- Names stand for themselves; tables say more. One table may stand alone.
local function exclusions_of(given, steps, scope)
  if given == nil then return {} end
  if type(given) == "string" then given = { given } end
  check.type(given, "table", "funnel: exclude", "an event, a list of events, or a list of tables")
  if given.events ~= nil or given.where ~= nil or given.between ~= nil or given.scope ~= nil then
    given = { given }
  end
  if #steps < 2 and #given > 0 then
    check.fail("funnel: exclude: one step (expected two or more)")
  end
  local list, names = {}, {}
  for _, entry in ipairs(given) do
    if type(entry) == "string" then
      names[#names + 1] = entry
    else
      check.type(entry, "table", "funnel: exclude", "an event or { events = …, between = … }")
      list[#list + 1] = exclusion_of(entry, steps, "funnel: exclude", scope)
    end
  end
  if #names > 0 then
    list[#list + 1] = exclusion_of({ events = names }, steps, "funnel: exclude", scope)
  end
  return list
end

-- Rules ------------------------------------------------------------------------------------------

rules_of.codes = {
  order = { loose = 0, strict = 1, any = 2 },
  entry = { any = 0, first = 1, latest = 2 },
  ties = { as_recorded = 0, any = 1, strict = 2 },
}

local order_words = { "any", "loose", "strict" }

local function check_order(given, rules, steps)
  if rules.order == "strict" and rules.ties == "any" then
    if given.ties == "any" or given.grace then
      check.fail("funnel: ties = \"any\" with order = \"strict\" (expected as_recorded or strict: "
        .. "the very next event is a matter of order)")
    end
    rules.ties, rules.grace = "as_recorded", nil
  end
  if rules.order ~= "any" then return end
  if #rules.exclusions > 0 then
    check.fail("funnel: exclude with order = \"any\" (expected loose or strict: no event lies "
      .. "between steps without an order)")
  end
  for i, step in ipairs(steps) do
    if step.optional or step.gap_min_us or step.gap_max_us then
      check.fail("funnel: step %d: optional, within or after with order = \"any\" (expected loose "
        .. "or strict)", i)
    end
  end
end

local function check_preset(name, preset, rules)
  for _, order in ipairs(preset.orders or order_words) do
    if order == rules.order then return end
  end
  check.fail("funnel: order: '%s' as %s counts (expected %s: %s)", rules.order, name,
    table.concat(preset.orders, " or "), preset.orders_note)
end

-- `false` takes a preset's rule away.
local function choose(given, preset, name)
  local value = given[name]
  if value == nil then value = preset.rules[name] end
  return value or nil
end

--- Options in full. Beyond the public options, `reuse_rows` and `first_required` may be given.
function rules_of.settle(given, steps)
  local preset = given.semantics ~= nil and presets.get(given.semantics) or presets.ours
  local rules = {}
  for _, name in ipairs { "order", "entry", "ties", "within", "exclude_scope", "reuse_rows",
    "first_required", "grace" } do
    rules[name] = choose(given, preset, name)
  end
  if given.grace and given.ties == nil then rules.ties = "any" end
  check.choice(rules.order, order_words, "funnel: order")
  check.choice(rules.entry, { "any", "first", "latest" }, "funnel: entry")
  check.choice(rules.ties, { "any", "as_recorded", "strict" }, "funnel: ties")
  check.choice(rules.exclude_scope, { "attempt", "user" }, "funnel: exclude_scope")
  if given.grace and rules.ties ~= "any" then
    check.fail("funnel: grace with ties = \"%s\" (expected ties = \"any\")", rules.ties)
  end
  rules.exclusions = exclusions_of(given.exclude, steps, rules.exclude_scope)
  check_order(given, rules, steps)
  if given.semantics then check_preset(given.semantics, preset, rules) end
  if rules.ties ~= "any" then rules.grace, rules.reuse_rows = nil, nil end
  rules.within_us = rules.within and check.duration(rules.within, "funnel: within") or nil
  rules.grace_us = rules.grace and check.duration(rules.grace, "funnel: grace") or 0
  rules.denominator = check.choice(given.denominator or preset.rules.denominator or "entered",
    { "entered", "observable", "all" }, "funnel: denominator")
  if rules.denominator == "observable" and not rules.within_us then
    check.fail("funnel: denominator: 'observable' without `within` (expected a window that ends)")
  end
  rules.hold = given.hold and check.name(given.hold, "funnel: hold", "a property name")
  return rules
end

return rules_of
