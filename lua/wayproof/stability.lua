--- Is the effect the same everywhere? Cohorts, segments, Simpson's trap and decay.
--
-- A family is one way of cutting the users: four blocks of entry time with equal numbers, or the
-- levels of one property of `across`. Every stratum with enough events is fitted with the pooled
-- model's activity score as its only baseline (cohorts also the segments' dummies).
-- Cost: one small fit per stratum.
local effects = require "wayproof.effects"
local fit = require "wayproof.fit"
local stats = require "wayproof.stats"

local stability = {}

stability.events_least = 20
stability.blocks = 4

local function fit_stratum(case, mask, score, extra, label)
  local part = case:part(mask)
  local events, others = part:events()
  local stratum = { label = label, users = #part.x, events = events, non_events = others }
  events, others = part:information()
  if events < stability.events_least or others < stability.events_least then
    stratum.skipped = "too few events"
    return stratum
  end
  local columns = {}
  for _, v in ipairs { score, table.unpack(extra) } do
    local chosen = v:select(mask)
    if chosen:min() ~= chosen:max() then columns[#columns + 1] = chosen end
  end
  if part.x:min() == part.x:max() then
    stratum.skipped = "metric constant"
    return stratum
  end
  columns[#columns + 1] = part.x
  local model = fit.run(part, columns, { few = true })
  if not model.ok then
    stratum.skipped = model.failed
    return stratum
  end
  stratum.beta, stratum.se = model:beta(#columns), model:se(#columns)
  return stratum
end

-- Q, I2, tau2 and the inverse-variance mean of the strata that could be fitted.
local function describe(family)
  local usable, estimates, errors = {}, {}, {}
  for _, stratum in ipairs(family.all) do
    if stratum.beta then
      usable[#usable + 1] = stratum
      estimates[#estimates + 1], errors[#errors + 1] = stratum.beta, stratum.se
    end
  end
  family.strata = usable
  if #usable >= 2 then
    local h = stats.heterogeneity(estimates, errors)
    family.q, family.p, family.i2, family.tau2 = h.q, h.p, h.i2, h.tau2
    if family.i2 and family.i2 > 1 then family.i2 = family.i2 / 100 end
  end
  local weights, total = 0, 0
  for i, beta in ipairs(estimates) do
    local w = 1 / errors[i] ^ 2
    weights, total = weights + w, total + w * beta
  end
  if weights > 0 then family.mean = total / weights end
  return family
end

-- Weighted regression of the cohorts' effects on their mean time: is it shrinking?
local function add_decay(family, side)
  local s = family.strata
  if #s < 3 then return end
  local sw, st, sb = 0, 0, 0
  for _, c in ipairs(s) do
    local w = 1 / c.se ^ 2
    sw, st, sb = sw + w, st + w * c.time, sb + w * c.beta
  end
  local mean_t, mean_b, stt, stb = st / sw, sb / sw, 0, 0
  for _, c in ipairs(s) do
    local w = 1 / c.se ^ 2
    stt = stt + w * (c.time - mean_t) ^ 2
    stb = stb + w * (c.time - mean_t) * (c.beta - mean_b)
  end
  if stt <= 0 then return end
  local slope, se = stb / stt, 1 / math.sqrt(stt)
  family.slope, family.slope_se = slope, se
  family.slope_p = stats.normal_cdf(side * slope / se)
  family.last = s[#s].beta
end

local function cohort_family(case, found, side)
  local family = { name = "cohorts", by = "time of entry", all = {} }
  local blocks = case.entry:groups(stability.blocks)
  local extra = effects.segment_columns(case.base)
  for block = 1, stability.blocks do
    local mask = blocks:equals(block)
    if mask:sum() > 0 then
      local entry = case.entry:select(mask)
      local stratum = fit_stratum(case, mask, found.score, extra, "cohort " .. block)
      stratum.from, stratum.to, stratum.time = entry:min(), entry:max(), entry:mean() / 86400e6
      family.all[#family.all + 1] = stratum
    end
  end
  describe(family)
  add_decay(family, side)
  return family
end

local function segment_family(case, found, across)
  local family = { name = "segments", by = across.name, all = {} }
  local codes, counts = across.codes:distinct()
  for i = 1, math.min(#codes, 50) do
    if counts[i] >= 2 * stability.events_least then
      local mask = across.codes:equals(codes[i])
      family.all[#family.all + 1] = fit_stratum(case, mask, found.score, {},
        across.label and across.label(codes[i]) or tostring(codes[i]))
    end
  end
  return describe(family)
end

-- Simpson's trap: the crude effect and the effect at equal activity clearly point apart. (A crude
-- effect that activity explains is vanity, and has its own row in the table.)
local function simpson(found)
  local crude, adjusted = found.crude, found.adjusted
  if not crude or not adjusted then return false end
  local function clear(e) return math.abs(e.beta) > 1.96 * e.se end
  return clear(crude) and clear(adjusted) and crude.beta * adjusted.beta < 0
end

--- Families of strata with their heterogeneity.
---@param case table with x and base (effects.measure)
---@param found table what effects.measure returned
---@return table {families, simpson}
function stability.measure(case, found)
  local families = {}
  if not found.adjusted then return { families = families } end
  local side = found.adjusted.beta >= 0 and 1 or -1
  if case.entry and case.mask then families[1] = cohort_family(case, found, side) end
  for _, across in ipairs(case.across or {}) do
    families[#families + 1] = segment_family(case, found, across)
  end
  return { families = families, simpson = simpson(found) }
end

return stability
