--- Regression, survival and resampling: the part of `wayproof.stats` that fits models.
---
--- Merged into `require "wayproof.stats"` on first use; each file documents its own functions.
local model = {}

for _, part in ipairs { "glm", "linear", "survival", "resample" } do
  for name, call in pairs(require("wayproof.model." .. part)) do model[name] = call end
end

return model
