--- The noise gate in closed form: what is left of an effect when activity is measured badly.
--
-- z is standardised log volume and measures engagement e with reliability rho; x is the metric; e
-- drives the outcome. One fit `Y ~ W + z + x` gives beta_x, beta_z and their covariance; with the
-- residual SDs s_z, s_x and the correlation r of z and x given W,
--
--     E[e | z, x]  is proportional to  (rho - r^2) z + r (1 - rho) x
--     c(rho)    = r (1 - rho) / (rho - r^2) * s_z / s_x
--     beta(rho) = beta_x - c beta_z            SE^2 = V_xx - 2 c V_xz + c^2 V_zz
--     rho*      = (B r + beta_x r^2) / (beta_x + B r),   B = beta_z s_z / s_x
--
-- Not identified when r^2 >= rho: then the metric is activity as far as these data can tell.
-- Exact for a linear model, where it is the estimate of a structural equation model with latent
-- engagement (tools/oracles/noise.R); close for logistic ones.
-- Pure arithmetic on a few numbers; no cost.
local noise = {}

--- c(rho), or nil where it is not identified.
---@param r number correlation of z and x given W
---@param ratio number s_z / s_x
---@param rho number reliability assumed, 0..1
function noise.shift(r, ratio, rho)
  if r * r >= rho then return nil end
  return r * (1 - rho) / (rho - r * r) * ratio
end

--- The effect corrected for reliability `rho`: `{beta, se}`, or false where not identified.
---@param fit {beta_x: number, beta_z: number, v_xx: number, v_xz: number, v_zz: number,
---  s_x: number, s_z: number, r: number}
---@param rho number
function noise.corrected(fit, rho)
  local c = noise.shift(fit.r, fit.s_z / fit.s_x, rho)
  if not c then return false end
  local variance = fit.v_xx - 2 * c * fit.v_xz + c * c * fit.v_zz
  return { beta = fit.beta_x - c * fit.beta_z, se = math.sqrt(math.max(variance, 0)), shift = c }
end

--- rho*: the reliability of activity at which nothing is left of the effect, clamped to 0..1.
--
-- When the correction moves the effect away from zero (x and z pull in opposite ways) no
-- reliability explains it away; below r^2 nothing is identified, so that is the answer.
function noise.tolerance(fit)
  local b = fit.beta_z * fit.s_z / fit.s_x
  local r = fit.r
  local toward = r * b * fit.beta_x -- the sign of c * beta_z against beta_x
  if toward <= 0 then return math.min(r * r, 1) end
  local rho = (b * r + fit.beta_x * r * r) / (fit.beta_x + b * r)
  return math.max(0, math.min(1, rho))
end

--- Spearman-Brown: reliability of a whole measured by two halves whose correlation is q.
function noise.spearman_brown(q)
  if not q or q <= 0 then return 0 end
  return 2 * q / (1 + q)
end

--- Everything the table and the result need from one fit.
---@param fit table as in `corrected`
---@param split number? reliability measured on halves; nil when it was not measured
---@param floor number rho_0, declared
---@return table {floor, half, split, tolerance, correlation, reliability}
function noise.gate(fit, split, floor)
  local measured = split or 1
  local half = math.max(0.5, floor) -- a declared higher reliability also moves the second test
  return {
    floor = noise.corrected(fit, math.min(measured, floor)),
    half = noise.corrected(fit, math.min(measured, half)),
    split = split and noise.corrected(fit, split) or nil,
    tolerance = noise.tolerance(fit),
    correlation = fit.r,
    reliability = split,
    declared = floor,
  }
end

return noise
