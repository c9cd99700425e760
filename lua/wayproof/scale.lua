--- On which scale a metric enters a model, and what its effect is "per".
--
-- Bare counts, sums and lengths of time that are never negative enter as log(1 + metric); what the
-- user transformed or combined enters as given. Both are standardised with the mean and SD of the
-- discovery part. A 0/1 metric stays 0/1, and so does a bare metric that fewer than 20 % of users
-- have: "per SD" would shrink a rare metric's effect to nothing. Cost: a few vector passes.
local scale = {}

scale.rare_share = 0.2

-- Whether every number is 0 or 1; the caller knows that there are two different ones.
local function is_binary(m, low, high)
  return low == 0 and high == 1 and m:count(0) + m:count(1) == m:count()
end

local function share_nonzero(m)
  return 1 - m:count(0) / math.max(1, #m)
end

local function standardise(v, learn)
  local part = learn and v:select(learn) or v
  local mean, sd = part:mean(), part:sd()
  if not sd or sd == 0 then mean, sd = v:mean(), v:sd() end
  if not sd or sd == 0 then return nil end
  return v:scaled(mean, sd), mean, sd
end
scale.standardise = standardise

--- The metric as it enters models.
---@param m wayproof.Vector raw metric of the users in the analysis, none missing
---@param bare boolean whether it is a plain count, sum or duration (metric.is_bare)
---@param learn wayproof.Vector? 0/1 mask of the discovery part
---@return table? scaled {x, kind, unit, share, rare, mean, sd}, nil when the metric is constant
function scale.of(m, bare, learn)
  local low, high = m:min(), m:max()
  if not low or low == high then return nil end
  local share = share_nonzero(m)
  if is_binary(m, low, high) then
    return { x = m, kind = "did", unit = "did against did not", share = share, rare = false,
      binary = true }
  end
  if bare and share < scale.rare_share then
    return { x = 1 - m:equals(0), kind = "did", unit = "did against did not", share = share,
      rare = false, binary = true }
  end
  local kind, v = "as given", m
  local unit = "per standard deviation"
  if bare and low >= 0 then
    kind, v, unit = "log1p", m:log1p(), "per standard deviation of log(1 + metric)"
  end
  local x, mean, sd = standardise(v, learn)
  if not x then return nil end
  return { x = x, kind = kind, unit = unit, share = share, rare = share < scale.rare_share,
    mean = mean, sd = sd, binary = false }
end

return scale
