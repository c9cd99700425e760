--- result:detail(): the working behind a verdict, every number with its name and interval.
--
-- A Detail keeps the result it explains and prints one section per step of the protocol; sections
-- without numbers are left out.
local object = require "wayproof.object"
local show = require "wayproof.show"

local detail = {}

local integer, percent = show.integer, show.percent

local function number(x) return show.number(math.tointeger(x) or x) end

local margin = string.rep(" ", 25)

local function line(out, name, text)
  if not text then return end
  local kept = text:gsub("(%d) %%", "%1\194\160%%"):gsub("  ", " \194\160")
  local wrapped = show.wrap(kept, 55):gsub("\n\194\160", "\n"):gsub("\194\160", " ")
    :gsub("\n", "\n" .. margin)
  out[#out + 1] = "  " .. show.pad(show.cut(name, 22), 22) .. " " .. wrapped
end

-- Names of columns; those that a spline or a calendar adds to one are told by one word.
local function without_curves(names)
  local out, curved = {}, {}
  for _, name in ipairs(names) do
    local of = name:match "^(.-) %(curve %d+%)$" or name:match "^(.-) %(weekday %d%)$"
    if of then curved[of] = true else out[#out + 1] = name end
  end
  for i, name in ipairs(out) do out[i] = curved[name] and name .. " (curve)" or name end
  return table.concat(out, ", ")
end

local function ratio_text(e)
  if not e or not e.estimate then return nil end
  local text = "×" .. show.interval(e.estimate, e.low, e.high)
  if e.se then text = text .. "  se(log) " .. number(e.se) end
  if e.p then text = text .. "  p " .. show.p(e.p) end
  if e.p_adjusted and e.p_adjusted ~= e.p then
    text = text .. ", corrected " .. show.p(e.p_adjusted)
  end
  return text
end

local section = {}

function section.users(r, out)
  local n = r.n
  out[#out + 1] = "who was counted"
  for _, key in ipairs { "users", "outside", "no_anchor", "too_recent", "prior_outcome", "missing",
    "used", "events", "non_events" } do
    if n[key] then line(out, (key:gsub("_", " ")), integer(n[key])) end
  end
  if r.windows then line(out, "windows", r.windows.text) end
end

function section.effects(r, out)
  if not r.crude and not r.spearman then return end
  out[#out + 1] = "effect on the " .. r.sentences.measure .. (r.scale and ", " .. r.scale or "")
  local auc = r.auc
  if auc then
    line(out, "AUC", string.format("%s  se %s  p %s  (%s; Wald [%s, %s])",
      show.interval(auc.estimate, auc.low, auc.high), number(auc.se), show.p(auc.p), auc.method,
      number(auc.wald.low), number(auc.wald.high)))
  end
  if r.spearman and r.spearman.estimate then
    line(out, "Spearman", show.interval(r.spearman.estimate, r.spearman.low, r.spearman.high)
      .. "  p " .. show.p(r.spearman.p))
  end
  line(out, "crude", ratio_text(r.crude))
  line(out, "at equal activity", ratio_text(r.adjusted))
  if r.baseline then
    line(out, "baseline", string.format("%s  (R² of the metric on it %s)",
      #r.baseline.columns > 0 and without_curves(r.baseline.columns) or "none",
      number(r.baseline.r_squared)))
  end
  local added = r.added_information
  if added then
    line(out, "added information", string.format("%s χ² %s, df %d, p %s",
      added.estimate and percent(added.estimate) .. " of what is known; " or "",
      number(added.statistic), added.df, show.p(added.p)))
    if added.holdout_auc_gain then
      line(out, "AUC gained on holdout", show.interval(added.holdout_auc_gain,
        added.holdout_auc_gain_low, added.holdout_auc_gain_high))
    end
  end
end

function section.legs(r, out)
  local legs = r.legs
  if not legs then return end
  out[#out + 1] = "what it is made of"
  line(out, "having any at all", ratio_text(legs.any))
  line(out, "how much, having some", ratio_text(legs.amount))
  if legs.dispersion then
    line(out, "dispersion", number(legs.dispersion)
      .. (legs.dispersion > 1.5 and "  (varies more than counts would; errors allow for it)" or ""))
  end
  local test = legs.log_rank
  if test then
    line(out, "log-rank", string.format("χ² %s, df %d, p %s  (%s)", number(test.statistic),
      test.df, show.p(test.p), test.groups))
  end
  if legs.proportional then
    line(out, "same over time", string.format("χ² %s, p %s", number(legs.proportional.statistic),
      show.p(legs.proportional.p)))
  end
end

function section.noise(r, out)
  local noise = r.noise
  if not noise then return end
  out[#out + 1] = "if activity is measured badly"
  line(out, "measured reliability",
    noise.reliability and percent(noise.reliability) or "not measured")
  if noise.corrected then
    line(out, "effect at " .. percent(noise.floor, 0),
      "×" .. show.interval(noise.corrected, noise.low, noise.high))
  else
    line(out, "effect at " .. percent(noise.floor, 0), "not identified: the metric is activity")
  end
  line(out, "explained away below", percent(noise.tolerance))
  line(out, "correlation with it", number(noise.correlation))
end

local function strata(out, list)
  for _, s in ipairs(list) do
    line(out, "  " .. s.label, string.format("%s  (%s users, %s events)",
      s.estimate and "×" .. show.interval(s.estimate, s.low, s.high) or s.skipped,
      integer(s.users), integer(s.events)))
  end
end

function section.stability(r, out)
  local stability = r.stability
  if not stability or (#stability.cohorts == 0 and #stability.segments == 0) then return end
  out[#out + 1] = "is it the same everywhere"
  if #stability.cohorts > 0 then
    line(out, "cohorts", stability.q and string.format("Q %s, p %s, I² %s, τ² %s",
      number(stability.q), show.p(stability.p), percent(stability.i2), number(stability.tau2))
      or "")
    strata(out, stability.cohorts)
  end
  for _, family in ipairs(stability.segments) do
    line(out, "by " .. tostring(family.by), family.q and string.format("Q %s, p %s, I² %s",
      number(family.q), show.p(family.p), percent(family.i2)) or "")
    strata(out, family.strata)
  end
end

function section.holdout(r, out)
  local h = r.holdout
  if not h then return end
  out[#out + 1] = "out of time"
  line(out, "earliest 70 %", ratio_text(h.discovery))
  line(out, "latest 30 %", ratio_text(h) .. (h.replicated and "  replicated" or "  not replicated"))
end

function section.dose(r, out)
  if not r.dose or #r.dose == 0 then return end
  out[#out + 1] = "dose" .. (r.shape and " (" .. r.shape .. ")" or "")
  local rows, most = {}, 0
  for _, row in ipairs(r.dose) do most = math.max(most, row.rate) end
  for i, row in ipairs(r.dose) do
    rows[i] = { number(row.from) .. " … " .. number(row.to), row.users, number(row.rate),
      row.low and string.format("[%s, %s]", number(row.low), number(row.high)) or "",
      row.lift and number(row.lift) or "", show.bar(most > 0 and row.rate / most or 0, 20) }
  end
  out[#out + 1] = show.table({ "metric", "users", "rate", "95 %", "lift", "" }, rows,
    { indent = "  " })
  if r.trend then
    line(out, "trend", string.format("χ² %s, p %s", number(r.trend.statistic), show.p(r.trend.p)))
  end
end

local function refuter_text(item)
  local parts = { item.status }
  if item.p then parts[#parts + 1] = "p " .. show.p(item.p) end
  if item.estimate then parts[#parts + 1] = "×" .. number(item.estimate) end
  if item.shift then parts[#parts + 1] = "moved it by " .. percent(item.shift) end
  if item.kept then parts[#parts + 1] = "sign kept in " .. percent(item.kept) end
  if item.name == "placebos" and #item.events > 0 then
    local names = {}
    for i, placebo in ipairs(item.events) do
      if i <= 6 then names[i] = placebo.event .. " ×" .. number(placebo.estimate) end
    end
    parts[#parts + 1] = table.concat(names, ", ") .. (#item.events > 6 and " …" or "")
  end
  return table.concat(parts, ", ")
end

function section.refuters(r, out)
  if not r.refuters or #r.refuters == 0 then return end
  out[#out + 1] = "attempts to refute it"
  for _, item in ipairs(r.refuters) do
    line(out, (item.name:gsub("_", " ")), refuter_text(item))
  end
  local e = r.e_value
  if e then
    line(out, "E-value", string.format("%s, interval %s", number(e.estimate),
      number(e.limit)))
  end
end

function section.leakage(r, out)
  local leak = r.leakage
  if not leak then return end
  out[#out + 1] = "does the metric know the outcome"
  if leak.proximity then
    line(out, string.format("within %s before", show.duration(leak.near * 1e6)),
      percent(leak.proximity) .. " of outcomes")
  end
  for _, gap in ipairs(leak.embargo or {}) do
    line(out, "waiting " .. show.seconds(gap.gap), string.format("loses %s (activity %s%s)",
      percent(gap.loss, 0), percent(gap.volume_loss, 0), gap.low and string.format(
        "; difference [%s, %s]", number(gap.low), number(gap.high)) or ""))
  end
  if leak.naive_auc then line(out, "lifetime AUC", number(leak.naive_auc)) end
end

function section.needed(r, out)
  local needed = r.needed
  if not needed then return end
  out[#out + 1] = "what would be needed"
  line(out, "smallest effect seen", needed.effect and "×" .. number(needed.effect))
  line(out, "users", needed.users and integer(needed.users))
  line(out, "days from now", needed.days and integer(needed.days))
  if r.lead then line(out, "lead", show.seconds(r.lead) .. " from metric to outcome (median)") end
end

local function noted(out, label, item)
  local text = show.wrap(item.text .. " (" .. item.code .. ")", 69):gsub("\n", "\n           ")
  out[#out + 1] = string.format("  %-8s %s", label, text)
end

function section.reasons(r, out)
  out[#out + 1] = string.format("decided by row %s", r.row)
  for _, reason in ipairs(r.reasons) do noted(out, "because", reason) end
  for _, warning in ipairs(r.warnings) do noted(out, "note", warning) end
  out[#out + 1] = string.format("  seed %d, minimum ×%s, alpha %s, %s tried, version %s", r.seed,
    number(r.minimum), number(r.alpha), integer(r.tried), r.version)
end

local order = { "reasons", "users", "effects", "legs", "noise", "stability", "holdout", "dose",
  "refuters", "leakage", "needed" }

local function render(self)
  local r = self.result
  local out = { show.wrap(r.verdict .. (r.grade and " (grade " .. r.grade .. ")" or "") .. ": "
    .. r.name, 80, "  ") }
  for _, name in ipairs(order) do section[name](r, out) end
  return table.concat(out, "\n")
end

local Detail = object.class {
  name = "wayproof.Detail",
  render = render,
  plain = function(self) return object.plain(self.result) end,
}

--- The working of a result.
function detail.of(result) return Detail.new { result = result } end

return detail
