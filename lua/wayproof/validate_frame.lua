--- frame:validate: judging a table with one row per user that the caller brought.
--
-- The table says nothing about time, so the caller must: `metric_window` and `outcome_window` from
-- the user's start. Overlap is leaking; undeclared windows can never give a claim; without `cohort`
-- there is no out-of-time check, hence grade C at best. Activity enters as given.
local case_of = require "wayproof.case"
local check = require "wayproof.check"
local conclude = require "wayproof.conclude"
local fingerprint = require "wayproof.fingerprint"
local frame_metric = require "wayproof.frame_metric"
local hypothesis = require "wayproof.hypothesis"
local judge = require "wayproof.judge"
local metric = require "wayproof.metric"
local words = require "wayproof.metric_words"

local validate_frame = {}

local options_known = { "metric", "outcome", "expect", "activity", "adjust", "across", "cohort",
  "cluster", "metric_window", "outcome_window", "minimum", "alpha", "reliability", "strict_vanity",
  "acknowledge", "seed", "name", "groups", "refute" }

local function window_of(given, what)
  if given == nil then return nil end
  check.type(given, "table", what, "a pair such as { \"0d\", \"14d\" }")
  local from_us = check.duration(given[1] or given.from, what .. ": from")
  local to_us = check.duration(given[2] or given.to, what .. ": to")
  if to_us <= from_us then
    check.fail("%s: to is not after from (expected a pair such as { \"0d\", \"14d\" })", what)
  end
  return { from_us = from_us, to_us = to_us }
end

local function window_words(window)
  return window.from_us == 0 and "the first " .. words.duration(window.to_us)
    or words.duration(window.from_us) .. " to " .. words.duration(window.to_us)
end

-- What declared windows decide: {leaking, caps}.
local function judge_windows(metric_window, outcome_window)
  if not metric_window or not outcome_window then
    return {}, { { code = "windows_not_declared" } }
  end
  if outcome_window.to_us <= metric_window.from_us then
    return { { code = "outcome_first" } }, {}
  end
  if metric_window.to_us > outcome_window.from_us then
    return { { code = "windows_overlap", metric = window_words(metric_window),
      outcome = window_words(outcome_window) } }, {}
  end
  return {}, {}
end

local function list_of(value)
  if value == nil then return nil end
  if type(value) == "string" or metric.is(value) then return { value } end
  return value
end

local function columns_of(frame, given, what)
  local out = {}
  for i, item in ipairs(list_of(given) or {}) do
    local v, name = frame_metric.of(frame, item, string.format("validate: %s: entry %d", what, i))
    out[i] = { v = v, name = name }
  end
  return out
end

local function adjust_of(frame, given)
  local out = {}
  for i, item in ipairs(list_of(given) or {}) do
    if type(item) == "string" and frame:kind(item) == "text" then
      out[i] = { name = item, v = frame:vector(item), level = true }
    else
      local v, name = frame_metric.of(frame, item, "validate: adjust: entry " .. i)
      out[i] = { name = name, v = v }
    end
  end
  return out
end

local function entry_of(frame, options)
  if options.cohort == nil then return nil end
  local name = check.name(options.cohort, "validate: cohort", "the name of a column")
  local kind = frame:kind(name)
  if kind == "text" then
    check.fail("validate: cohort: column '%s' holds texts (expected dates or numbers that order "
      .. "the users by when they started)", name)
  end
  return frame:vector(name), kind == "time"
end

local function is_binary(y)
  local numbers = y:distinct()
  return #numbers <= 2 and (numbers[1] == nil or numbers[1] == 0 or numbers[1] == 1)
    and (numbers[2] == nil or numbers[1] == 0 and numbers[2] == 1)
end

local function settings_of(options)
  local expect = check.choice(options.expect or "rise", { "rise", "fall" }, "validate: expect")
  local settings = { claim = expect == "fall" and -1 or 1, expect = expect, groups = options.groups,
    refute = options.refute ~= false }
  for _, key in ipairs { "minimum", "alpha", "reliability", "seed", "strict_vanity",
    "acknowledge" } do
    settings[key] = hypothesis.setting(options, key, "validate")
  end
  return settings
end

-- The users with a value of everything that is asked.
local function complete_rows(parts)
  local missing
  for _, v in ipairs(parts) do
    local here = v:is_missing()
    missing = missing and missing:maximum(here) or here
  end
  return 1 - missing
end

local function counts_of(frame, used)
  local n = frame.n
  local kept = math.tointeger(used:sum()) or math.floor(used:sum())
  local before = (n.outside or 0) + (n.no_anchor or 0) + (n.too_recent or 0)
    + (n.prior_outcome or 0)
  local users = math.max(n.users or 0, before + #frame)
  return { users = users, outside = n.outside or 0, no_anchor = n.no_anchor or 0,
    too_recent = n.too_recent or 0, prior_outcome = n.prior_outcome or 0,
    missing = users - before - kept, used = kept }
end

local function add_selected(case, data, used)
  case.m, case.y = data.m:select(used), data.y:select(used)
  if data.entry then case.entry = data.entry:select(used) end
  case.activity = {}
  for i, item in ipairs(data.activity) do
    case.activity[i] = { name = item.name, v = item.v:select(used) }
  end
  case.adjust, case.across = {}, {}
  for i, item in ipairs(data.adjust) do
    local v = item.v:select(used)
    case.adjust[i] = { name = item.name, level = item.level, v = item.level and v:fill(-1) or v }
  end
  for i, item in ipairs(data.across) do
    case.across[i] = { name = item.name, codes = item.v:select(used):fill(-1), label = item.label }
  end
  if data.cluster then case.cluster = data.cluster:select(used) end
end

local function read_columns(frame, options)
  local data = {}
  if options.metric == nil then check.fail("validate: metric: missing (expected a column)") end
  if options.outcome == nil then check.fail("validate: outcome: missing (expected a column)") end
  data.m, data.metric_name, data.bare = frame_metric.of(frame, options.metric, "validate: metric")
  data.y, data.outcome_name = frame_metric.of(frame, options.outcome, "validate: outcome")
  data.activity = columns_of(frame, options.activity, "activity")
  data.adjust = adjust_of(frame, options.adjust)
  data.across = {}
  for i, name in ipairs(check.names(options.across or {}, "validate: across")) do
    data.across[i] = { name = name, v = frame:vector(name), label = function(code)
      if code < 0 then return "none" end
      return frame:label(name, code) or tostring(math.tointeger(code) or code)
    end }
  end
  if options.cluster then data.cluster = frame:vector(check.name(options.cluster, "cluster")) end
  data.entry, data.entry_is_time = entry_of(frame, options)
  return data
end

local function case_from(frame, data)
  local parts = { data.m, data.y }
  for _, item in ipairs(data.activity) do parts[#parts + 1] = item.v end
  for _, item in ipairs(data.adjust) do
    if not item.level then parts[#parts + 1] = item.v end
  end
  if data.entry then parts[#parts + 1] = data.entry end
  local used = complete_rows(parts)
  local case = case_of.new { n = counts_of(frame, used), bare = data.bare,
    kind = is_binary(data.y) and "binary" or "numeric", entry_is_time = data.entry_is_time,
    warnings = {} }
  if case.n.used > 0 then add_selected(case, data, used) end
  if case.kind == "binary" then
    case.lost = data.y:select((1 - used) * (1 - data.y:is_missing()))
  end
  return case
end

-- A column of the baseline, or its logarithm, a threshold of it …, is activity itself.
local function same_as_activity(options)
  local function leaf(item)
    if not metric.is(item) then return item end
    item = metric.leaf(item)
    return item.kind == "attribute" and item.name or nil
  end
  local mine = leaf(options.metric)
  for _, item in ipairs(list_of(options.activity) or {}) do
    if mine and leaf(item) == mine then return "is_activity" end
  end
end

-- Columns of a frame measured on a log may hold today's values of attributes.
local function add_undated(case, frame, options, accepted)
  local today = frame.undated
  if not today then return end
  local function find(given)
    for _, item in ipairs(list_of(given) or {}) do
      local found = type(item) == "string" and today[item]
      if metric.is(item) then
        metric.walk(item, function(leaf)
          found = found or leaf.kind == "attribute" and today[leaf.name]
        end)
      end
      if found then return found end
    end
  end
  local name = find(options.metric) or find(options.outcome)
  local of_users = frame.undated_users
  local other = of_users or find(options.activity) or find(options.adjust) or find(options.across)
  for _, code in ipairs(accepted) do
    if code == "undated_attribute" then name, of_users, other = nil, nil, name or other end
  end
  if name then
    case.invalid = { code = "undated_attribute", name = name }
  elseif other then
    table.insert(case.warnings, { code = "undated_attribute", name = other })
    if of_users then table.insert(case.caps, { code = "undated_attribute", name = of_users }) end
  end
end

-- A frame measured on a log knows its windows and when its users started.
local function measured_defaults(frame, options)
  local windows = frame.windows
  if not windows then return options end
  local out = {}
  for key, value in pairs(options) do out[key] = value end
  local function pair(w) return { w.from_us / 1e6, w.to_us / 1e6 } end
  out.metric_window = out.metric_window or windows.metric and pair(windows.metric)
  out.outcome_window = out.outcome_window or windows.outcome and pair(windows.outcome)
  return out
end

--- Judges a frame: see the options at the top and the interface page.
---@param frame wayproof.Frame
---@param given table
---@return wayproof.Result
function validate_frame.run(frame, given)
  local options = check.options(given, options_known, "validate")
  options = measured_defaults(frame, options)
  local settings = settings_of(options)
  local metric_window = window_of(options.metric_window, "validate: metric_window")
  local outcome_window = window_of(options.outcome_window, "validate: outcome_window")
  local data = read_columns(frame, options)
  if not data.entry and frame.windows then
    data.entry, data.entry_is_time = frame:vector "t0_us", true
  end
  local case = case_from(frame, data)
  case.leaking, case.caps = judge_windows(metric_window, outcome_window)
  case.reliability = settings.reliability
  case.same = same_as_activity(options)
  add_undated(case, frame, options, settings.acknowledge)
  local facts = judge.facts(case, settings)
  facts.name = options.name or data.metric_name .. " → " .. data.outcome_name
  facts.hypothesis = { metric = data.metric_name, outcome = data.outcome_name,
    expect = settings.expect, activity = list_of(options.activity) and #data.activity or 0 }
  facts.windows = { metric = metric_window and { metric_window.from_us / 1e6,
    metric_window.to_us / 1e6 }, outcome = outcome_window and { outcome_window.from_us / 1e6,
    outcome_window.to_us / 1e6 } }
  facts.fingerprint = fingerprint.of { data.metric_name, data.outcome_name, settings.expect,
    facts.windows, settings.minimum, settings.reliability }
  return conclude.result(facts, facts.p, 1)
end

return validate_frame
