--- Regression, survival and resampling: the part of `wayproof.stats` that fits models.
---
--- Merged into `require "wayproof.stats"` on first use; each file documents its own functions.
local parts = {
  require "wayproof.model.glm",
  require "wayproof.model.linear",
  require "wayproof.model.survival",
  (require "wayproof.model.resample"), -- one value: require also returns the file
}

local model = {}

for _, part in ipairs(parts) do
  for name, call in pairs(part) do model[name] = call end
end

return model
