--- One hypothesis's users: who counts, who was left out and why, and their numbers as vectors.
--
-- A case holds the users in the analysis only: `y` (or `time` and `status`), the raw metric `m`,
-- entry time, activity, history, segments. It is made from a measured Frame (`from_log`) or from a
-- table that the user brought (`frame_case.lua`). Every user left out is counted once, by the first
-- reason that applies: too recent, prior outcome, missing.
local core = require "wayproof.core"

local case = {}

local Case = {}
Case.__index = Case
case.Case = Case

--- Events and non-events (numeric outcomes: users above zero and at zero or below).
---@return integer events, integer others
function Case:events()
  local y = self.kind == "time" and self.status or self.y
  if self.kind == "numeric" then y = y:above(0) end
  local events = math.tointeger(y:sum()) or math.floor(y:sum())
  return events, #y - events
end

-- As how many equal amounts are these informative? A few large ones outvote all others, and errors
-- that are robust on paper are then too small.
local function effective(y)
  local sum, squares = y:sum(), y:dot(y)
  return squares > 0 and math.floor(sum * sum / squares + 0.5) or 0
end

--- What the rules about too few events look at: numeric and censored outcomes carry information in
--- every user, so only the users with something (or with the event) are scarce; amounts count as
--- the number of equal amounts that would be as informative.
---@return integer events, integer others
function Case:information()
  local events, others = self:events()
  if self.kind == "numeric" then events = effective(self.y) end
  if self.kind ~= "binary" then others = #(self.y or self.time) end
  return events, others
end

local vectors = { "y", "time", "status", "m", "entry", "volume", "log_volume", "total", "days",
  "sessions", "silence", "even", "odd", "first_half", "second_half", "history", "cluster" }

-- Items of a list with the rows of their vector under `key` chosen.
local function choose(list, key, mask)
  if not list then return nil end
  local out = {}
  for i, item in ipairs(list) do
    out[i] = {}
    for name, value in pairs(item) do out[i][name] = value end
    out[i][key] = item[key]:select(mask)
  end
  return out
end

--- The case on the users where the mask is 1, for models only: counts stay those of the whole.
function Case:restrict(mask)
  local out = {}
  for key, value in pairs(self) do out[key] = value end
  out.shared = nil -- columns of the whole (baseline.lua)
  for _, key in ipairs(vectors) do
    if self[key] then out[key] = self[key]:select(mask) end
  end
  out.activity, out.adjust = choose(self.activity, "v", mask), choose(self.adjust, "v", mask)
  out.across = choose(self.across, "codes", mask)
  out.parts = choose(self.parts, "v", mask)
  if self.used then -- rows of the frame that remain
    local places = core.vector.sequence(#self.used):select(self.used):select(mask)
    out.used = places
  end
  return setmetatable(out, Case)
end

--- The users where the mask is 1, with what fits on a part need.
function Case:part(mask)
  local part = { kind = self.kind }
  for _, key in ipairs { "y", "time", "status", "x", "cluster", "m" } do
    if self[key] then part[key] = self[key]:select(mask) end
  end
  return setmetatable(part, Case)
end

function case.new(fields)
  return setmetatable(fields, Case)
end

-- Masks ------------------------------------------------------------------------------------------

local function sum_of(frame, names)
  local total
  for _, name in ipairs(names or {}) do
    local v = frame:vector(name):fill(0)
    total = total and total + v or v
  end
  return total
end

local function most_of(frame, names)
  local most
  for _, name in ipairs(names or {}) do
    local v = frame:vector(name):fill(0)
    most = most and most:maximum(v) or v
  end
  return most
end

case.sum_of, case.most_of = sum_of, most_of

--- The outcome of the binary kinds as 0/1.
function case.binary_outcome(outcome, v)
  if outcome.kind == "metric" then return v:fill(0):above(0) end
  local happened = v:fill(0):at_least(outcome.at_least or 1)
  if outcome.kind == "churned" then return 1 - happened end
  return happened
end

--- Who is at risk for an outcome window that starts at `landmark_us`: 0/1 vectors.
---@return wayproof.Vector followed whole outcome window observed
---@return wayproof.Vector? prior had the outcome before, where that excludes
function case.masks(frame, h, landmark_us, prior_names)
  local length = frame:vector "length_us"
  local followed
  if h.outcome.scale == "time" then
    followed = length:above(landmark_us)
  else
    followed = length:at_least(landmark_us + h.within_us)
  end
  local prior
  if h.prior_outcome == "exclude" then prior = sum_of(frame, prior_names):above(0) end
  return followed, prior
end

local function whole(x)
  return math.tointeger(x) or math.floor(x + 0.5)
end

local function missing_mask(frame, columns)
  local missing = frame:vector(columns.metric):is_missing()
  local function also(name) missing = missing:maximum(frame:vector(name):is_missing()) end
  for _, name in ipairs(columns.activity or {}) do also(name) end
  for _, item in ipairs(columns.adjust or {}) do
    if not item.level then also(item.column) end
  end
  return missing
end

-- Counts by the first reason that applies, and the mask of who is left.
local function count_users(counts, followed, prior, missing)
  local n = { users = counts.users, outside = counts.outside, no_anchor = counts.no_anchor }
  n.too_recent = whole(#followed - followed:sum())
  local used = followed
  n.prior_outcome = 0
  if prior then
    local kept = used * (1 - prior)
    n.prior_outcome = whole(used:sum() - kept:sum())
    used = kept
  end
  local kept = used * (1 - missing)
  n.missing = whole(used:sum() - kept:sum())
  n.used = whole(kept:sum())
  return n, kept
end

local function label_of(frame, name)
  return function(code)
    if code < 0 then return "none" end
    local text = frame:label(name, code)
    return text or tostring(math.tointeger(code) or code)
  end
end

local function add_response(out, frame, h, columns, used)
  local v = frame:vector(columns.outcome):select(used)
  out.kind = h.outcome.scale
  if out.kind == "binary" then
    out.y = case.binary_outcome(h.outcome, v):plain() -- read by every fit
  elseif out.kind == "numeric" then
    out.y = v:fill(0):plain()
  else
    local length = frame:vector("length_us"):select(used)
    local horizon = length:minimum(columns.landmark_us + h.within_us)
    out.status = 1 - v:is_missing()
    out.status = (out.status * v:fill(math.huge):at_most(horizon)):plain()
    out.time = (v:fill(math.huge):minimum(horizon) - columns.landmark_us) / 1e6
    out.time = out.time:maximum(1e-6)
  end
end

local function add_activity(out, h, columns, pick)
  out.parts = {}
  for i, name in ipairs(columns.parts) do out.parts[i] = { v = pick(name):fill(0) } end
  if columns.activity then
    out.activity = {}
    for i, name in ipairs(columns.activity) do
      out.activity[i] = { name = tostring(h.activity[i]), v = pick(name) }
    end
    out.log_volume = pick(columns.volume):fill(0)
  else
    out.volume, out.total = pick(columns.volume):fill(0), pick(columns.total):fill(0)
    out.days, out.sessions = pick(columns.days):fill(0), pick(columns.sessions):fill(0)
    out.silence = 1 - pick(columns.last):fill(0) / h.observe_us
  end
  for _, key in ipairs { "even", "odd", "first_half", "second_half" } do
    out[key] = pick(columns[key]):fill(0)
  end
end

-- The outcome's earlier events as a covariate: always where prior outcomes are kept or the metric
-- shares events with the outcome, unless that is every event, which is activity itself.
local function add_history(out, frame, h, columns, used)
  if columns.history_is_activity then return end
  if h.prior_outcome == "keep" or columns.shared or h.from then
    local history = sum_of(frame, columns.prior)
    if history then out.history = history:select(used) end
  end
end

-- The case of the users where `used` is 1.
local function case_of(frame, member, n, used)
  local h, columns = member.hypothesis, member.columns
  local function pick(name) return frame:vector(name):select(used) end
  local out = case.new { n = n, used = used, reliability = h.reliability, bare = columns.bare,
    same = columns.same, frame = frame, member = member }
  if n.used == 0 then return out end
  out.m = pick(columns.metric)
  out.entry = pick("t0_us")
  add_response(out, frame, h, columns, used)
  add_activity(out, h, columns, pick)
  add_history(out, frame, h, columns, used)
  out.across, out.adjust = {}, {}
  for i, item in ipairs(columns.across) do
    out.across[i] = { name = item.name, codes = pick(item.column):fill(-1),
      label = label_of(frame, item.column) }
  end
  for i, item in ipairs(columns.adjust) do
    local v = pick(item.column)
    out.adjust[i] = { name = item.name, level = item.level, v = item.level and v:fill(-1) or v,
      label = item.level and label_of(frame, item.column) or nil }
  end
  if columns.cluster then
    out.cluster = pick(columns.cluster)
    local none = out.cluster:is_missing()
    if none:sum() > 0 then -- a user without the property is a cluster of their own
      local own = core.vector.sequence(#out.cluster) * -1
      out.cluster = out.cluster:fill(0) * (1 - none) + own * none
    end
  end
  return out
end

-- The same with users whose own `until` ended the outcome's window early, as far as they were seen;
-- nil where those are fewer than one in a hundred.
local function as_far_as_seen(frame, member, as_of_us, n, prior, missing)
  local h, landmark_us = member.hypothesis, member.columns.landmark_us
  if not h.until_selector or h.outcome.scale == "time" or n.used == 0 then return nil end
  local t0 = frame:vector "t0_us"
  local seen = (as_of_us - t0):at_least(landmark_us + h.within_us)
    * frame:vector("length_us"):at_least(landmark_us)
  local more, used = count_users(frame.n, seen, prior, missing)
  if more.used - n.used < 0.01 * n.used then return nil end
  local out = case_of(frame, member, more, used)
  out.cut = more.used - n.used
  return out
end

-- The outcome of users who count but for a missing value; nil where nobody lacks one.
local function outcome_of_lost(frame, h, columns, followed, prior, missing)
  if h.outcome.scale ~= "binary" then return nil end
  local lost = followed * missing
  if prior then lost = lost * (1 - prior) end
  if lost:sum() == 0 then return nil end
  return case.binary_outcome(h.outcome, frame:vector(columns.outcome):select(lost))
end

-- The least of some columns, among the users chosen by `used`.
local function least_of(frame, names, used)
  local least
  for _, name in ipairs(names or {}) do
    local v = frame:vector(name):select(used):fill(math.huge)
    least = least and least:minimum(v) or v
  end
  return least
end

-- Median seconds from the first metric event to the first outcome, among users who had both.
local function lead_of(frame, columns, used)
  local first = least_of(frame, columns.first_metric, used)
  local outcome = first and least_of(frame, columns.first_outcome, used)
  if not outcome then return nil end
  local both = first:below(math.huge) * outcome:below(math.huge)
  if both:sum() < 1 then return nil end
  return (outcome:select(both) - first:select(both)):quantiles({ 0.5 })[1] / 1e6
end

--- The case of one hypothesis in a measured frame.
---@param frame wayproof.Frame measured by needs.plan's request
---@param member table {hypothesis, columns} of needs.plan
---@param as_of_us integer end of observation
---@return table case
function case.from_log(frame, member, as_of_us)
  local h, columns = member.hypothesis, member.columns
  local followed, prior = case.masks(frame, h, columns.landmark_us, columns.prior)
  local missing = missing_mask(frame, columns)
  local n, used = count_users(frame.n, followed, prior, missing)
  local out = case_of(frame, member, n, used)
  out.lead = lead_of(frame, columns, used)
  out.lost = outcome_of_lost(frame, h, columns, followed, prior, missing)
  out.as_seen = as_far_as_seen(frame, member, as_of_us, n, prior, missing)
  return out
end

return case
