--- Codes in words: why a verdict is what it is, what weakens it, and what to do next.
--
-- reasons.text(reason, facts) is one sentence for a marketer; reasons.next(verdict, facts) is the
-- step that would change the verdict or use it. Texts read numbers from the facts, never compute.
local show = require "wayproof.show"

local reasons = {}

local function ratio(beta) return show.number(math.exp(beta)) end

local function percent(x) return show.percent(x, x < 0.0995 and 1 or 0) end

local function count(n) return show.integer(n) end

-- More, less and neither, by kind of outcome.
local words = {
  converts = { "convert more", "convert less", "convert neither more nor less" },
  refers = { "refer more", "refer less", "refer neither more nor less" },
  retained = { "stay more often", "stay less often", "stay neither more nor less often" },
  churned = { "leave more often", "leave less often", "leave neither more nor less often" },
  earns = { "bring more", "bring less", "bring neither more nor less" },
  accelerates = { "get there sooner", "get there later", "get there neither sooner nor later" },
  numeric = { "have more of the outcome", "have less of the outcome",
    "have neither more nor less of the outcome" },
  binary = { "have the outcome more often", "have the outcome less often",
    "have the outcome neither more nor less often" },
}

--- What people with more of the metric do: side 1 more, -1 less, 0 neither.
function reasons.outcome_words(facts, side)
  local h = facts.hypothesis
  local kind = h and h.outcome and type(h.outcome) ~= "string" and h.outcome.kind
  local forms = words[kind] or words[facts.kind] or words.binary
  return side > 0 and forms[1] or side < 0 and forms[2] or forms[3]
end

function reasons.who(facts)
  return facts.scaled and facts.scaled.kind == "did" and "people who have it"
    or "people with more of it"
end

local measures = { binary = "odds", numeric = "mean", time = "hazard" }
function reasons.measure(facts) return measures[facts.kind] or "odds" end

local text = {}

-- Row 0 ------------------------------------------------------------------------------------------

function text.not_in_log(reason) return reason.message end

function text.no_users() return "there are no users; load events first" end

function text.one_user() return "one user is no sample: a link needs many users to show" end

function text.no_anchor(_, facts)
  return string.format("nobody has the event that starts the clock or passes the population filter "
    .. "(%s users looked at)", count(facts.n.users))
end

function text.no_follow_up(_, facts)
  return string.format("no user was followed to the end of the outcome window: %s of %s are too "
    .. "recent. Shorten `observe`, `gap` or `within`, or wait for more data",
    count(facts.n.too_recent), count(facts.n.users))
end

function text.all_prior(_, facts)
  return string.format("all %s users who were followed long enough had the outcome before the "
    .. "metric's window ended. Use `prior_outcome = \"keep\"` for outcomes that repeat, or a "
    .. "shorter `observe`", count(facts.n.prior_outcome))
end

function text.missing(_, facts)
  local n = facts.n
  return string.format("%s of %s eligible users have no value of the metric or of a covariate (%s, "
    .. "more than 35 %%). Use `:default(x)` if no value means something, or "
    .. "`acknowledge = { \"missing\" }`", count(n.missing), count(n.missing + n.used),
    percent(n.missing / (n.missing + n.used)))
end

function text.constant(_, facts)
  local value = facts.case.m and facts.case.m[1]
  return string.format("the metric is %s for all %s users: there is nothing to compare. Check the "
    .. "event names, or observe for longer", value and show.number(value) or "the same",
    count(facts.n.used))
end

function text.no_outcome(_, facts)
  return string.format("none of %s users had the outcome in its window. Check the event name, or "
    .. "give it a longer `within`", count(facts.n.used))
end

function text.constant_outcome(_, facts)
  return string.format("the outcome is the same for all %s users: there is nothing to explain",
    count(facts.n.used))
end

function text.negative_outcome()
  return "an outcome that can be negative has no mean ratio; only its rank correlation is shown"
end

function text.everybody(_, facts)
  return string.format("all %s users had the outcome: nothing tells them apart. Ask for a rarer "
    .. "outcome, or a shorter `within`", count(facts.n.used))
end

function text.undated_attribute(reason)
  return string.format("attribute '%s' has no date: it holds today's value, which may be later "
    .. "than the outcome. Give it `known_at`, or `acknowledge = { \"undated_attribute\" }`",
    tostring(reason.name or "?"))
end

-- Leakage ----------------------------------------------------------------------------------------

function text.funnel_step(reason)
  local p, e = reason.proximity, reason.embargo
  local gap = e.gaps[e.step]
  local close = p and string.format("%s of the outcomes follow it within %s, and ",
    percent(p.share), show.duration(p.near_us)) or "" -- a custom metric hides its events
  return string.format("it is a step of the outcome: %swaiting %s before counting outcomes takes "
    .. "away %s of its effect (activity loses %s)", close, show.duration(gap.gap_us),
    percent(math.min(1, gap.loss)), percent(math.max(0, gap.volume_loss)))
end

function text.too_good(reason)
  return string.format("an AUC of %s is too good to be true: the metric all but is the outcome",
    show.number(reason.auc))
end

function text.separated(_, facts)
  local whole = facts.whole
  if whole.kind == "binary" then
    local has = 1 - whole.m:equals(0)
    local events, all = has:dot(whole.y), has:sum()
    if all > 0 and (events == 0 or events == all) then
      return string.format("%s of the %s with the metric had the outcome, so its effect has no "
        .. "finite estimate", events == 0 and "none" or "all", show.plural(all, "user"))
    end
  end
  return "the metric and activity separate those with and without the outcome completely, so the "
    .. "effect has no finite estimate"
end

function text.windows_overlap(reason)
  return string.format("metric and outcome were counted over overlapping time (%s and %s): what "
    .. "happens in both counts twice", reason.metric, reason.outcome)
end

function text.outcome_first()
  return "the outcome was counted before the metric: that is the past, not a prediction"
end

-- Rows 2 to 7 ------------------------------------------------------------------------------------

-- "52 with and 27 without the outcome"; a few large amounts weigh as much as fewer equal ones.
local function scarce(facts)
  local equal = facts.kind == "numeric" and facts.whole:information()
  return string.format("%s with%s and %s without the outcome", count(facts.events),
    equal and equal < facts.events and string.format(
      " (a few large amounts decide: they weigh as much as %s equal ones)", count(equal)) or "",
    count(facts.non_events))
end

function text.too_few_events(_, facts)
  return string.format("only %s: below 20 nothing can be said", scarce(facts))
end

function text.few_events(_, facts)
  return scarce(facts) .. "; a claim needs 100 of each"
end

function text.not_significant(_, facts)
  local found = facts.found
  if not found.adjusted then return "the link is not clear of chance" end
  return string.format("at equal activity the effect is not clear of chance (p %s%s)",
    show.p(facts.p_adjusted or facts.p),
    facts.tried and facts.tried > 1 and string.format(" after correction for %d tries", facts.tried)
      or "")
end

function text.below_minimum(_, facts)
  return string.format("at equal activity the %s change by a factor of %s, less than the %s that "
    .. "is worth acting on", reasons.measure(facts), ratio(facts.found.adjusted.beta),
    show.number(facts.settings.minimum))
end

function text.not_in_discovery()
  return "the earliest 70 % of users alone do not show it"
end

function text.activity_only(_, facts)
  return string.format("at equal activity what is left (a factor of %s on the %s) is less than the "
    .. "%s worth acting on", ratio(facts.found.adjusted.beta), reasons.measure(facts),
    show.number(facts.settings.minimum))
end

function text.is_activity()
  return "the metric is activity itself: it cannot add to it"
end

function text.is_adjusted()
  return "what is held equal beside activity (time of entry, `across`, `adjust`) tells the metric: "
    .. "nothing of it is left to compare"
end

function text.is_history()
  return "the metric counts the outcome's own events: it is the outcome's history"
end

function text.collinear()
  return "it follows from the activity baseline, so no effect beyond activity can be estimated"
end

function text.no_relation(_, facts)
  return string.format("the whole interval lies inside the range not worth acting on (a factor of "
    .. "%s either way)", show.number(facts.settings.minimum))
end

function text.activity_noise(_, facts)
  local adjusted, gate = facts.found.adjusted, facts.found.gate
  local r2 = facts.case.base and facts.case.base.r_squared or 0
  local alike = r2 >= require("wayproof.verdict").rules.like_activity
  if alike or gate and not gate.floor then
    if gate.reliability and gate.reliability < facts.settings.reliability then
      return string.format("activity is measured too badly here (halves of it agree at %s "
        .. "reliability) to tell the metric from it", percent(gate.reliability))
    end
    return "the metric moves so closely with activity that the two cannot be told apart"
  end
  return string.format("there is something (a factor of %s on the %s), but activity measured at %s "
    .. "reliability would explain it", ratio(adjusted.beta), reasons.measure(facts),
    percent(facts.settings.reliability))
end

local function stratum_words(reason)
  local s = reason.stratum
  return string.format("%s (%s)", s.label, ratio(s.beta))
end

function text.opposite(reason)
  local family = reason.family
  local by = family.by and " by " .. family.by or ""
  if reason.other then
    return string.format("it works both ways%s: %s against %s (%s)", by, stratum_words(reason),
      reason.other.label, ratio(reason.other.beta))
  end
  return string.format("the effect%s points the other way in %s", by, stratum_words(reason))
end

local function uneven(what)
  return function(reason)
    local family = reason.family
    return string.format("the effect differs between %s%s (I² %s): hardly any in %s", what,
      what == "segments" and " of " .. tostring(family.by) or "", percent(family.i2),
      stratum_words(reason))
  end
end
text.cohorts = uneven "cohorts"
text.segments = uneven "segments"

function text.decay(reason)
  local first, last = reason.family.strata[1], reason.family.strata[#reason.family.strata]
  return string.format("the effect is fading: a factor of %s in the first cohort, %s in the last",
    ratio(first.beta), ratio(last.beta))
end

function text.not_replicated(_, facts)
  local d, h = facts.found.discovery, facts.found.holdout
  return string.format("the earliest 70 %% of users show it (%s), the latest 30 %% do not (%s)",
    ratio(d.beta), ratio(h.beta))
end

function text.calendar(_, facts)
  return string.format("with the time of entry beside the activity given, a factor of %s is left: "
    .. "metric and outcome may only share a season", ratio(facts.found.calendar.beta))
end

function text.activity_given(_, facts)
  local volume = facts.found.volume
  return string.format("the activity given leaves out most of what people did: beside everything "
    .. "else they did a factor of %s is left%s", ratio(volume.beta), volume.floor
    and string.format(", %s if that were measured badly", ratio(volume.floor.beta)) or "")
end

function text.informative_until(_, facts)
  local seen = facts.found.as_seen
  return string.format("%s were left out because their own `until` came first; counted as far as "
    .. "they were seen, a factor of %s is left", show.plural(seen.users, "user"), ratio(seen.beta))
end

function text.holdout_underpowered(_, facts)
  if not facts.found.holdout then
    return "nothing can be estimated on the latest 30 % of users alone, so nothing confirms it"
  end
  return string.format("the latest 30 %% of users are too few to confirm it (%s there, p %s)",
    ratio(facts.found.holdout.beta), show.p(facts.found.holdout.p))
end

function text.no_activity_baseline()
  return "there is no measure of activity beside the metric, so vanity cannot be ruled out"
end

function text.windows_not_declared()
  return "it is not known when metric and outcome were counted: say so with `metric_window` and "
    .. "`outcome_window`"
end

function text.other_direction(_, facts)
  local side = facts.found.adjusted.beta >= 0 and 1 or -1
  return string.format("at equal activity %s %s, which is not what was claimed", reasons.who(facts),
    reasons.outcome_words(facts, side))
end

function text.beyond_activity(_, facts)
  local gate, h = facts.found.gate, facts.found.holdout
  local parts = {}
  if gate and gate.floor then
    parts[1] = string.format("still there (%s, at least %s) if activity were measured at only %s "
      .. "reliability; it would take less than %s to explain it away", ratio(gate.floor.beta),
      ratio((facts.found.adjusted.beta >= 0 and 1 or -1)
        * (math.abs(gate.floor.beta) - 1.96 * gate.floor.se)), percent(facts.settings.reliability),
      percent(gate.tolerance))
  end
  if h then
    parts[#parts + 1] = string.format("the latest 30 %% of users show it too (%s)", ratio(h.beta))
  end
  return table.concat(parts, "; ")
end

function text.experiments_contradict()
  return "experiments that moved the metric up moved the outcome down"
end

function text.no_estimate() return "the model of the outcome could not be fitted" end

function text.no_holdout_events()
  return "the latest 30 % of users could not be fitted on their own"
end

-- Warnings ---------------------------------------------------------------------------------------

function text.as_of_assumed()
  return "the end of observation was taken to be the log's last event; declare it with `as_of`"
end

function text.as_of_beyond(reason)
  return string.format("`as_of` is %s after the log's last event: if the data end there, that time "
    .. "counts as time without outcomes", show.seconds(reason.gap_us / 1e6))
end

function text.high_loss(_, facts)
  local n = facts.n
  return string.format("only %s of %s users could be used", count(n.used), count(n.users))
end

function text.same_event()
  return "metric and outcome share an event, over separate windows; earlier outcomes are in the "
    .. "baseline"
end

function text.immortal_time(reason, facts)
  return string.format("counted over the whole history it looks like an AUC of %s; from the "
    .. "landmark on it is %s: time, not the metric, made the difference",
    show.number(reason.naive.auc), show.number(facts.association.estimate))
end

function text.pre_existing()
  return "the metric 'predicts' what happened before the clock started just as well"
end

function text.not_special(_, facts)
  local p = facts.refuters.placebos
  return string.format("other events in the metric's place show effects like it (p %s against "
    .. "%d of them)", show.p(p.p), #p.events)
end

function text.no_controls()
  return "fewer than five other events to compare with"
end

function text.tail_driven()
  return "without the busiest 5 % of users little of the effect is left"
end

function text.fragile(_, facts)
  return string.format("an unmeasured cause with risk ratios of %s would be enough to move the "
    .. "interval to nothing", show.number(facts.e_value.limit))
end

function text.fragile_to_activity(_, facts)
  return string.format("activity measured below %s reliability would explain it away",
    percent(facts.found.gate.tolerance))
end

function text.unknown_events()
  return "a custom metric did not say which events it reads, so leakage by definition cannot be "
    .. "checked"
end

function text.simpson(_, facts)
  return string.format("the crude effect (%s) and the effect at equal activity (%s) point apart",
    ratio(facts.found.crude.beta), ratio(facts.found.adjusted.beta))
end

function text.few_clusters(_, facts)
  return string.format("only %s clusters: below 40 robust errors are optimistic",
    count(facts.clusters))
end

function text.non_monotone(_, facts)
  return "more is not always better: the dose table has the shape of a " .. facts.shape
end

function text.decided(_, facts)
  return string.format("%s whose outcome the baseline decides (such as buyers who never buy again) "
    .. "are left out of the models", show.plural(facts.found.decided, "user"))
end

function text.not_proportional(_, facts)
  return string.format("the effect changes with time since the landmark (p %s): the ratio is an "
    .. "average", show.p(facts.legs.proportional.p))
end

function text.no_holdout()
  return "without entry times the effect could not be checked on later users"
end

function text.missing_tells(reason)
  return string.format("of those without a value %s have the outcome, of the others %s: the answer "
    .. "is about the others", percent(reason.lost), percent(reason.kept))
end

function text.idle_activity()
  return "the activity given tells neither the metric nor the outcome: unless keen people have "
    .. "more of it, activity is not ruled out"
end

function text.reliability_unmeasured()
  return "how reliably activity is measured could not be measured; the declared floor is used"
end

function text.acknowledged(reason)
  return "accepted knowingly: " .. tostring(reason.what)
end

--- One sentence for a reason or warning.
---@param reason {code: string}
---@param facts table
function reasons.text(reason, facts)
  local make = text[reason.code]
  return make and make(reason, facts) or (reason.code:gsub("_", " "))
end

-- What next --------------------------------------------------------------------------------------

local function users_and_days(needed)
  local words_out = count(needed.users) .. " users"
  if needed.days and needed.days > 0 then
    local years = needed.days / 365.25
    words_out = words_out .. " (about " .. (years < 2 and show.plural(needed.days, "more day")
      or show.plural(math.floor(years + 0.5), "more year")) .. ")"
  end
  return words_out
end

local next_step = {}

function next_step.validated()
  return "steer by it, ask again on new users (links decay), and confirm with an experiment "
    .. "that moves it"
end

function next_step.vanity()
  return "do not steer by it; look for a metric that says more than how busy somebody is"
end

function next_step.unrelated()
  return "drop it, and work upstream from the outcome to another metric"
end

function next_step.reversed(facts)
  local h = facts.hypothesis
  return string.format("find out what it stands for before making more of it; as a hypothesis of "
    .. "its own, use expect = \"%s\"", h and h.expect == "fall" and "rise" or "fall")
end

function next_step.unstable(facts)
  local reason = facts.decided.reasons[1]
  if reason.code == "segments" or reason.code == "opposite" and reason.family
    and reason.family.name == "segments" then
    return string.format("ask again for one segment of %s at a time (population or log:where)",
      tostring(reason.family.by))
  end
  return "look for what changed between the cohorts, and ask again on the users since then"
end

function next_step.leaking(facts)
  local code = facts.decided.reasons[1].code
  if code == "windows_overlap" or code == "outcome_first" then
    return "count the metric before the outcome's window starts"
  end
  if code == "too_good" or code == "separated" then
    return "check the definition; if it is right, acknowledge = { \"separation\" }"
  end
  return "use an earlier step, or a `gap` long enough that a decision lies between"
end

function next_step.inconclusive(facts)
  local code = facts.decided.reasons[1].code
  local needed = facts.needed
  if code == "activity_noise" then
    return "an experiment, a second independent measure of activity, or `reliability` if you can "
      .. "defend a higher one"
  end
  if code == "activity_given" then
    return "leave `activity` out, or give one that counts most of what people do"
  end
  if code == "informative_until" then
    return "a shorter `within`, or ask without `until`"
  end
  if code == "undated_attribute" then
    return "give the attribute `known_at`, or choose users by a property of the events"
  end
  if code == "windows_not_declared" then return "declare metric_window and outcome_window" end
  if code == "no_activity_baseline" then return "add columns of activity: activity = { … }" end
  if needed and needed.users and needed.users > facts.n.used then
    return string.format("about %s would settle it%s", users_and_days(needed), needed.effect
      and "; these data could have shown a factor of " .. show.number(needed.effect) or "")
  end
  if needed and needed.effect then
    return string.format("these data could have shown a factor of %s; an experiment would settle "
      .. "it", show.number(needed.effect))
  end
  return "collect more users, or ask for a more frequent outcome"
end

function next_step.invalid() return nil end

--- What to try next, or nil when the reason already says it.
function reasons.next(facts)
  local make = next_step[facts.decided.verdict]
  return make and make(facts) or nil
end

return reasons
