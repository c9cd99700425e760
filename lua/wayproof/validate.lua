--- log:validate and frame:validate: hypotheses in, a Result or a Board out.
--
-- One pass over the log measures what all hypotheses need (needs.lua), each becomes a case
-- (case.lua), a case becomes facts (judge.lua), and facts become a Result once the p-values of all
-- hypotheses of the call have been corrected together (conclude.lua).
local board = require "wayproof.board"
local case_of = require "wayproof.case"
local check = require "wayproof.check"
local conclude = require "wayproof.conclude"
local core = require "wayproof.core"
local frames = require "wayproof.frame"
local hypothesis = require "wayproof.hypothesis"
local judge = require "wayproof.judge"
local ledger = require "wayproof.ledger"
local logs = require "wayproof.log"
local needs = require "wayproof.needs"
local undated = require "wayproof.undated"
local words = require "wayproof.metric_words"

local validate = {}

local log_options = { "ledger", "adjust", "groups", "refute" }

-- One hypothesis or a list of them.
local function hypotheses_of(given, what)
  if hypothesis.is(given) then return { given }, false end
  if type(given) ~= "table" or check.class(given) then hypothesis.check(given, what) end
  local list, count = {}, 0
  for _ in pairs(given) do count = count + 1 end
  if count == 0 then check.fail("%s: an empty list (expected hypotheses)", what) end
  local seen = {}
  for i = 1, count do
    list[i] = hypothesis.check(given[i], string.format("%s: entry %d", what, i))
    if seen[list[i].name] then
      check.fail("%s: two hypotheses are called '%s'", what, list[i].name)
    end
    seen[list[i].name] = true
  end
  return list, true
end

local function settings_of(h, options)
  return { claim = h.expect == "fall" and -1 or 1, minimum = h.minimum, alpha = h.alpha,
    reliability = h.reliability, acknowledge = h.acknowledge, seed = h.seed,
    strict_vanity = h.strict_vanity, groups = options.groups, refute = options.refute ~= false }
end

local function windows_of(h, as_of_us)
  local landmark = h.observe_us + h.gap_us
  return { metric = { 0, h.observe_us / 1e6 },
    outcome = { landmark / 1e6, (landmark + h.within_us) / 1e6 }, gap = h.gap_us / 1e6,
    as_of = as_of_us, text = string.format("metric in the first %s, outcome in the %s after%s",
      words.duration(h.observe_us), words.duration(h.within_us),
      h.gap_us > 0 and " a gap of " .. words.duration(h.gap_us) or "") }
end

local function undated_in(log, h, keys)
  for _, key in ipairs(keys) do
    local name = undated.find(log, h[key])
    if name then return name end
  end
end

-- Today's values are refused in the metric and in the outcome, forbid a claim where they choose the
-- users, and are warned about elsewhere.
local function add_undated(case, h, log)
  local of_metric = undated_in(log, h, { "metric", "outcome" })
  local of_users = undated.chosen_by(log)
    or undated_in(log, h, { "population", "from", "until_selector" })
  local other = undated_in(log, h, { "across", "adjust", "activity" })
  local accepted = false
  for _, code in ipairs(h.acknowledge) do accepted = accepted or code == "undated_attribute" end
  if of_metric and not accepted then
    case.invalid = { code = "undated_attribute", name = of_metric }
  elseif of_metric or of_users or other then
    local reason = { code = "undated_attribute", name = of_metric or of_users or other }
    table.insert(case.warnings, reason)
    if of_users and not accepted then case.caps = { reason } end
  end
end

-- Microseconds of silence between the log's last event and `as_of`, where it is far longer than
-- chance would have it: the days without data would count as days without outcomes.
local function silence(summary, as_of_us)
  if not summary.last or summary.events < 2 then return nil end
  local gap = as_of_us - summary.last
  local usual = (summary.last - summary.first) / (summary.events - 1)
  return gap > math.max(86400e6, 20 * usual) and gap or nil
end

local function facts_of(log, frame, member, pass, options)
  local h = member.hypothesis
  local case = case_of.from_log(frame, member, pass.request.as_of_us)
  if member == pass.members[#pass.members] then -- columns of millions of users are a lot of memory
    frames.keep(frame, needs.read_later(member.columns))
  end
  case.warnings = {}
  add_undated(case, h, log)
  local as_of_us, gap = pass.request.as_of_us, pass.silence
  if not h.as_of_us then table.insert(case.warnings, { code = "as_of_assumed" }) end
  if gap then table.insert(case.warnings, { code = "as_of_beyond", gap_us = gap }) end
  local facts = judge.facts(case, settings_of(h, options))
  facts.name, facts.hypothesis = h.name, h
  facts.windows = windows_of(h, as_of_us)
  facts.fingerprint, facts.data = h:fingerprint(log), core.log.facts(log).fingerprint
  return facts
end

local nobody = { users = 0, outside = 0, no_anchor = 0, too_recent = 0, prior_outcome = 0,
  missing = 0, used = 0 }

-- The Result of a hypothesis that names what the log does not have.
local function unanswerable(log, h, message, options)
  return conclude.result({ n = nobody, kind = h.outcome.scale, settings = settings_of(h, options),
    case = {}, acknowledged = {}, invalid = { { code = "not_in_log", message = message } },
    name = h.name, hypothesis = h,
    windows = windows_of(h, h.as_of_us or core.log.facts(log, false).last),
    fingerprint = h:fingerprint(log), data = core.log.facts(log).fingerprint }, nil, 1)
end

-- The passes that answer a list; raises on a name that the log does not have.
local function passes_for(log, list)
  local measure = require "wayproof.measure"
  local summary = logs.outline(log)
  local passes = needs.plan(list, summary.event_names, summary.last)
  for _, pass in ipairs(passes) do measure.plan(log, pass.request) end
  return passes
end

-- Splits a list: the hypotheses that the log can answer, Results of those that it cannot, and the
-- passes. All are tried together; only where that fails is each tried alone.
local function answerable(log, list, options)
  local passes = check.attempt(passes_for, log, list)
  if passes then return list, {}, passes end
  local good, refused = {}, {}
  for _, h in ipairs(list) do
    local fits, message = check.attempt(passes_for, log, { h })
    if fits then
      good[#good + 1] = h
    else
      refused[#refused + 1] = unanswerable(log, h, message, options)
    end
  end
  return good, refused, passes_for(log, good)
end

-- Facts of all hypotheses, in the order given; one pass per clock.
local function all_facts(log, passes, options)
  local measure = require "wayproof.measure"
  local summary = logs.outline(log)
  local facts = {}
  for _, pass in ipairs(passes) do
    local frame, message, code = measure.run(log, pass.request)
    if not frame then return nil, message, code end
    pass.silence = silence(summary, pass.request.as_of_us)
    for _, member in ipairs(pass.members) do
      facts[member.index] = facts_of(log, frame, member, pass, options)
    end
  end
  return facts
end

-- Corrects the p-values of one call: the hypotheses about one outcome are a family.
local function correct_together(facts, method)
  local families, order = {}, {}
  for i, f in ipairs(facts) do
    local key = ledger.family(f.hypothesis)
    if not families[key] then
      families[key] = {}
      order[#order + 1] = families[key]
    end
    table.insert(families[key], i)
  end
  local corrected, used = {}, nil
  for _, places in ipairs(order) do
    local ps = {}
    for k, i in ipairs(places) do ps[k] = facts[i].p or false end
    local adjusted, method_used = board.adjust(ps, method)
    used = (not used or used == method_used) and method_used or "by family size"
    for k, i in ipairs(places) do corrected[i] = { p = adjusted[k], tried = #places } end
  end
  return corrected, used
end

--- Results of facts tried together, in the same order.
---@param corrected? { p: number|nil, tried: integer }[]  by a ledger; else within the call
---@return wayproof.Result[] results, string method
function validate.results(facts, options, corrected)
  local method = options.adjust or "by family size"
  if not corrected then corrected, method = correct_together(facts, options.adjust) end
  local results = {}
  for i, f in ipairs(facts) do
    results[i] = conclude.result(f, corrected[i].p, corrected[i].tried)
  end
  return results, method
end

-- Facts and results with every question written into the ledger before its answer is known.
local function recorded(log, list, passes, options, book)
  local data = core.log.facts(log).fingerprint
  local asked = {}
  for i, h in ipairs(list) do
    asked[i] = { hypothesis = h, fingerprint = h:fingerprint(log), windows = windows_of(h).text }
  end
  local tries, message, code = book:begin(asked, data)
  if not tries then return nil, message, code end
  local facts
  facts, message, code = all_facts(log, passes, options)
  if not facts then return nil, message, code end
  local ps = {}
  for i, f in ipairs(facts) do ps[i] = f.p or false end
  local corrected
  corrected, message, code = book:correct(tries, ps, options.adjust)
  if not corrected then return nil, message, code end
  local results, method = validate.results(facts, options, corrected)
  local done
  done, message, code = book:complete(tries, results)
  if not done then return nil, message, code end
  return results, method
end

-- options.ledger: a path, or an open ledger, which stays open.
local function with_ledger(log, list, passes, options)
  local given = options.ledger
  if check.class(given) == "wayproof.Ledger" then
    return recorded(log, list, passes, options, given)
  end
  local book, message, code = ledger.ledger(check.name(given, "validate: ledger", "a path"))
  if not book then return nil, message, code end
  local closing <close> = book
  return recorded(log, list, passes, options, closing)
end

local function judged(log, list, passes, options)
  if options.ledger ~= nil then return with_ledger(log, list, passes, options) end
  local facts, message, code = all_facts(log, passes, options)
  if not facts then return nil, message, code end
  return validate.results(facts, options)
end

--- Judges a hypothesis, or a list of them, on a log.
---@param log wayproof.Log
---@param given wayproof.Hypothesis|wayproof.Hypothesis[]
---@param options? {ledger: string|wayproof.Ledger, adjust: string, groups: integer,
---  refute: boolean}
---  `ledger` records and counts every try; `adjust`: how p-values are corrected over the questions
---  about one outcome ("holm" up to five, else "bh"); `groups` of the dose table (5);
---  `refute = false` leaves out the refuters (faster; grade C at best)
---@return wayproof.Result|wayproof.Board|nil result
---@return string? message, string? code
function validate.log(log, given, options)
  options = check.options(options, log_options, "validate")
  local list, many = hypotheses_of(given, "validate")
  local asked, refused, passes = answerable(log, list, options)
  local results, method, code = judged(log, asked, passes, options)
  if not results then return nil, method, code end
  local tried = #results
  table.move(refused, 1, #refused, #results + 1, results)
  if not many then return results[1] end
  for _, result in ipairs(results) do tried = math.max(tried, result.tried) end
  return board.new(results, { tried = tried, method = method })
end

--- Judges a table that the user brought.
function validate.frame(frame, options)
  return require("wayproof.validate_frame").run(frame, options)
end

return validate
