--- Effects of a metric on an outcome: crude, beyond activity, out of time, noise-corrected.
--
-- Works on a case (eligible.lua): vectors over the users in the analysis. One model family per kind
-- of outcome, all with effects on the log scale: logistic (odds), Poisson with robust errors (mean
-- ratio), Cox (hazard). Holdout and strata never refit the baseline: they take its score from the
-- discovery part or the pooled model. Cost: about eight fits over n users and k columns.
local baseline = require "wayproof.baseline"
local fit = require "wayproof.fit"
local gram = require "wayproof.gram"
local noise = require "wayproof.noise"
local scale = require "wayproof.scale"
local stats = require "wayproof.stats"

local effects = {}

effects.discovery_share = 0.7
local Z95 = 1.959963984540054

--- An effect as the result shows it: a ratio with its interval; `log` and `se` on the log scale.
function effects.ratio(beta, se, p)
  if not beta or not se then return nil end
  return { estimate = math.exp(beta), low = math.exp(beta - Z95 * se),
    high = math.exp(beta + Z95 * se), p = p, se = se, log = beta }
end

-- Earliest 70 % by entry time as a mask, or nil without entry times or when it splits nobody off.
-- Ties at the boundary stay in the discovery part.
local function discovery_mask(case)
  local entry = case.entry
  if not entry or entry:min() == entry:max() then return nil end
  local cut = entry:quantiles({ effects.discovery_share })[1]
  local mask = entry:at_most(cut)
  local part = mask:sum()
  if part >= #entry or part < 1 then return nil end
  return mask
end

local function selected(columns, mask)
  local out = {}
  for i, v in ipairs(columns) do out[i] = v:select(mask) end
  return out
end

local function with(columns, x)
  local out = { table.unpack(columns) }
  out[#out + 1] = x
  return out
end

-- Columns that still vary in a part; a fit on the part would refuse the others.
local function varying(columns)
  local kept = {}
  for i, v in ipairs(columns) do
    if v:min() ~= v:max() then kept[#kept + 1] = i end
  end
  return kept
end

local function pick(list, places)
  local out = {}
  for i, place in ipairs(places) do out[i] = list[place] end
  return out
end

-- The segments' dummies of W (entry time left out), for strata and holdout models.
local function segment_columns(base)
  local out = {}
  for _, i in ipairs(base.w) do
    if not baseline.is_calendar(base.names[i]) and base.groups[i] == "w" then
      out[#out + 1] = base.columns[i]
    end
  end
  return out
end

-- Baseline columns of a part of the users: the calendar is the part's own (a curve fitted to other
-- months says nothing about these, and hardly varies here), the others are those of the whole.
local function part_columns(case, base, mask)
  local columns, calendar = {}, {}
  for i, v in ipairs(base.columns) do
    if not baseline.is_calendar(base.names[i]) then columns[#columns + 1] = v:select(mask) end
  end
  if not base.given and case.entry then
    local list = baseline.calendar(case.entry:select(mask), case, case:part(mask))
    for i, item in ipairs(list) do calendar[i] = item.v end
  end
  return columns, calendar
end

-- Baseline of the later users: the score that earlier users gave, what activity makes of the
-- metric, segments, calendar. The score alone would not do: learned from few users it reads
-- activity badly, and the metric would take over what it misses. Beside what activity makes of it,
-- only the metric's own part counts, which no column of activity is correlated with.
local function later_design(base, score, late, calendar)
  local list = {}
  if score and score:min() ~= score:max() then list[1] = score end
  for _, v in ipairs(selected(segment_columns(base), late)) do
    if v:min() ~= v:max() then list[#list + 1] = v end
  end
  local expected = baseline.expected(base)
  if expected then
    expected = expected:select(late)
    list[#list + 1] = expected
    local kept = gram.build(list):independent(1e-6)
    if kept[#kept] ~= #list then list[#list] = nil end
  end
  table.move(calendar, 1, #calendar, #list + 1, list)
  return list
end

-- AUC that activity (the score) and the metric together reach on users who had no part in the fit.
local function holdout_gain(first, late_case, score)
  local beta = first:beta(first.count)
  if late_case.kind ~= "binary" or not score or not beta then return nil end
  return stats.auc_compare(score + late_case.x * beta, score, late_case.y)
end

-- The effect on the earliest 70 %; with the fit, and which of the baseline's columns it has.
local function discover(case, base, x, mask)
  local columns, calendar = part_columns(case, base, mask)
  local kept = varying(columns)
  local early_case = case:part(mask)
  local early = pick(columns, kept)
  table.move(calendar, 1, #calendar, #early + 1, early)
  local first = fit.run(early_case, with(early, x:select(mask)), { few = true })
  if not first.ok then return { failed = first.failed } end
  local place = #early + 1
  local found = { beta = first:beta(place), se = first:se(place), p = first:p(place),
    users = #early_case.x, events = early_case:events() }
  first:settle(place)
  first.columns = nil -- as long as the early users
  return found, first, kept
end

-- The same effect on the latest 30 %, given the score that the earlier users gave.
local function replicate(case, base, x, late, first, kept)
  local columns, calendar = part_columns(case, base, late)
  local score, late_case = first:score(pick(columns, kept)), case:part(late)
  local design = later_design(base, score, late, calendar)
  local second = fit.run(late_case, with(design, x:select(late)), { few = true })
  if not second.ok then return { failed = second.failed, users = #late_case.x } end
  local place = #design + 1
  return { beta = second:beta(place), se = second:se(place), users = #late_case.x,
    events = late_case:events() }, late_case, score
end

-- Discovery, holdout, and what the first fit gains there. One step after another, each of which
-- leaves little behind: columns of millions of users are a lot of memory.
local function out_of_time(case, base, x, mask)
  local discovery, first, kept = discover(case, base, x, mask)
  if not first then return discovery end
  local holdout, late_case, score = replicate(case, base, x, 1 - mask, first, kept)
  return discovery, holdout, late_case and holdout_gain(first, late_case, score)
end

local function one_sided(beta, se, side)
  return stats.normal_upper(side * beta / se)
end

-- A baseline that was given has no calendar; with one beside it, what is left of the effect?
local function beside_calendar(case, base, x)
  if not base.given or not case.entry then return nil end
  local columns = { table.unpack(base.columns) }
  for _, item in ipairs(baseline.calendar(case.entry, case, case)) do
    columns[#columns + 1] = item.v
  end
  local model = fit.run(case, with(columns, x))
  local k = #columns + 1
  return model.ok and { beta = model:beta(k), se = model:se(k) } or nil
end

-- The one-dimensional fit `Y ~ W + z + x` of the noise gate, and the reliability of z.
-- `like`: a fit that has all of these columns, where there is one.
local function noise_fit(case, base, x, like)
  if not base.z or not base.r then return nil end
  local columns = {}
  for _, i in ipairs(base.w) do columns[#columns + 1] = base.columns[i] end
  columns[#columns + 1] = base.z
  columns[#columns + 1] = x
  local model = fit.run(case, columns, { independent = like ~= nil, like = like })
  if not model.ok then return nil end
  local z, k = #columns - 1, #columns
  local widen = model:stretch(k) ^ 2
  return { beta_x = model:beta(k), beta_z = model:beta(z), v_xx = model:cov(k, k) * widen,
    v_xz = model:cov(z, k) * widen, v_zz = model:cov(z, z) * widen, s_x = base.s_x,
    s_z = base.s_z, r = base.r }
end

-- A baseline that was given may leave out most of what people did. Beside the log's own volume (and
-- a calendar) instead, what is left of the effect, and would it survive that volume being noisy?
local function beside_volume(case, base, x)
  if not base.given or not case.log_volume then return nil end
  local learn = case.mask
  local z = scale.standardise(case.log_volume:log1p(), learn)
  if not z then return nil end
  local columns, w = {}, {}
  local calendar = case.entry and baseline.calendar(case.entry, case, case, learn) or {}
  for i, item in ipairs(calendar) do columns[i], w[i] = item.v, i end
  local bare = { columns = { table.unpack(columns) }, w = w, z = z }
  columns[#columns + 1] = z
  local curve = {}
  baseline.add_curve(curve, "volume", z, baseline.knots_of(learn and z:select(learn) or z))
  for _, item in ipairs(curve) do columns[#columns + 1] = item.v end
  local model = fit.run(case, with(columns, x))
  if not model.ok then return nil end
  local k = #columns + 1
  local both = with(with(bare.columns, z), x)
  bare.s_z, bare.s_x, bare.r = gram.build(both):partial(#both - 1, #both, w)
  local numbers = noise_fit(case, bare, x)
  local gate = numbers and noise.gate(numbers, effects.split_reliability(case), case.reliability)
  return { beta = model:beta(k), se = model:se(k), floor = gate and gate.floor,
    half = gate and gate.half }
end

-- Users whose own `until` cut the outcome's window are left out. Counted as far as they were seen
-- instead, what is left of the effect?
local function as_far_as_seen(case)
  local seen = case.as_seen
  if not seen then return nil end
  local scaled = scale.of(seen.m, seen.bare)
  if not scaled then return nil end
  local base = baseline.build(seen, scaled.x)
  local model = fit.run(seen, with(base.columns, scaled.x))
  local k = #base.columns + 1
  return model.ok and { beta = model:beta(k), se = model:se(k), users = seen.cut } or nil
end

-- The gate of one count that the metric is made of, and how it moves with the metric.
local function part_gate(case, base, x, count, split)
  local scaled = scale.of(count, true, case.mask)
  local z = base.z
  if case.total then z = scale.standardise((case.total - count):log1p(), case.mask) end
  if not scaled or not z then return nil end
  local columns, w = {}, {}
  for i, place in ipairs(base.w) do columns[i], w[i] = base.columns[place], i end
  local k = #columns
  columns[k + 1], columns[k + 2], columns[k + 3] = z, scaled.x, x
  local g = gram.build(columns)
  if g.sd[k + 1] == 0 then return nil end
  local s_z, s_x, r = g:partial(k + 1, k + 2, w)
  local numbers = noise_fit(case, { z = z, r = r, s_x = s_x, s_z = s_z, w = base.w,
    columns = base.columns }, scaled.x)
  if not numbers then return nil end
  local along = select(3, g:partial(k + 2, k + 3, { k + 1, table.unpack(w) }))
  return { beta = numbers.beta_x, se = math.sqrt(numbers.v_xx), with = along < 0 and -1 or 1,
    floor = noise.gate(numbers, split, case.reliability).floor }
end

local function half_correlation(a, b)
  if not a or not b then return nil end
  if a:min() == a:max() or b:min() == b:max() then return 0 end
  return a:log1p():correlation(b:log1p())
end

--- Reliability of the volume measured on halves of it: the smaller of odd against even events and
--- the first against the second half of the window; nil where there are no halves.
function effects.split_reliability(case)
  local least
  for _, pair in ipairs { { "even", "odd" }, { "first_half", "second_half" } } do
    local q = half_correlation(case[pair[1]], case[pair[2]])
    if q then
      local rho = noise.spearman_brown(q)
      if not least or rho < least then least = rho end
    end
  end
  return least
end

-- What the metric adds to the baseline.
local function added(case, base, full)
  local reduced = fit.run(case, base.columns, { independent = true, like = full })
  local test = reduced.ok and fit.nested(reduced, full, case)
  if not test then return nil end
  local total, base_lr = test.total, test.base
  if total and total > 0 then
    test.adequacy = math.max(0, math.min(1, base_lr / total))
    test.estimate = 1 - test.adequacy
  end
  return test
end

-- Users whose outcome a separating baseline column decides (a buyer who never buys again) say
-- nothing about the metric: the likelihood's limit is that of the others. Returns who is left.
local function undecided(case, columns, fitted)
  local keep
  for i, coefficient in ipairs(fitted.notes or {}) do
    local v = coefficient == "separated" and columns[i - fitted.first]
    if v then
      local numbers, counts = v:distinct()
      local mode = 1
      for j = 1, #numbers do
        if counts[j] > counts[mode] then mode = j end
      end
      local apart = 1 - v:equals(numbers[mode])
      local y = case.kind == "time" and case.status or case.y
      local theirs = y:select(apart)
      local decided = #theirs > 0 and theirs:min() == theirs:max()
      if not decided or case.kind == "time" and theirs:max() > 0 then return nil end
      keep = keep and keep * (1 - apart) or 1 - apart
    end
  end
  if not keep or keep:sum() < 40 then return nil end
  return keep
end

local function add_crude(found, case, x)
  local model = fit.run(case, { x }, { independent = true })
  if model.ok then
    found.crude = { beta = model:beta(1), se = model:se(1), p = model:p(1) }
  elseif model.failed == "separated" then
    found.separated = true
  end
end

--- Everything about the size of the effect; fills `case.x`, `case.base`, `case.scaled`.
---
--- Result: `crude, adjusted` (beta, se, p), `added`, `discovery`, `holdout`, `gate` (noise.gate),
--- `collinear`, `separated`, `no_baseline`, `model`, `score` (pooled, for strata and refuters), and
--- `case`: the users the models are about (without those whose outcome the baseline decides).
---@param case table
---@return table found
function effects.measure(case)
  local found = { case = case }
  local mask = discovery_mask(case)
  local scaled = scale.of(case.m, case.bare, mask)
  if not scaled then
    found.constant = true
    return found
  end
  local x = scaled.x
  case.x, case.scaled, case.mask = x, scaled, mask
  add_crude(found, case, x)
  local base = baseline.build(case, x, mask)
  case.base = base
  found.no_baseline = base.empty
  found.collinear = base.collinear or case.same
  if found.collinear then return found end
  local full = fit.run(case, with(base.columns, x), { independent = true })
  if not full.ok then
    local keep = full.failed == "separated" and not full.notes[full.first + #base.columns + 1]
      and undecided(case, base.columns, full)
    if keep then
      local inner = effects.measure(case:restrict(keep))
      inner.decided = math.floor(#keep - keep:sum())
      inner.crude = found.crude
      return inner
    end
    found.failed = full.failed
    found.separated = found.separated or full.failed == "separated"
    return found
  end
  local k = #base.columns + 1
  found.added = added(case, base, full)
  found.adjusted = { beta = full:beta(k), se = full:se(k),
    p = found.added and found.added.p or full:p(k) }
  found.model = full
  found.calendar = beside_calendar(case, base, x)
  found.volume, found.as_seen = beside_volume(case, base, x), as_far_as_seen(case)
  local side = found.adjusted.beta >= 0 and 1 or -1
  if mask then
    local discovery, holdout, gain = out_of_time(case, base, x, mask)
    found.discovery = discovery
    if holdout and holdout.beta then
      holdout.p = one_sided(holdout.beta, holdout.se, side)
      found.holdout, found.gain = holdout, gain
    else
      found.holdout_failed = holdout and holdout.failed or discovery.failed
    end
    if not discovery.beta then found.discovery = nil end
  end
  local numbers = noise_fit(case, base, x, full)
  if numbers then
    local split = not base.given and effects.split_reliability(case) or nil
    found.gate = noise.gate(numbers, split, case.reliability)
    found.gate_fit = numbers
    found.gate.parts = {}
    for _, part in ipairs(case.parts or {}) do
      table.insert(found.gate.parts, part_gate(case, base, x, part.v, split))
    end
  end
  found.score = fit.unbiased(full, case):score(base.columns)
  full:settle(k)
  return found
end

effects.segment_columns = segment_columns
effects.varying = varying

return effects
