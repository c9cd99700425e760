--- Refuters that shuffle or resample users, on scores instead of refits.
--
-- A logistic, Poisson or Cox effect is, to first order, a sum of one influence per user; resampling
-- that sum is resampling the effect. Seeded; the same bits for any number of threads.
local resample = {}

function resample.permutation() return { name = "permutation" } end
function resample.common_cause() return { name = "common_cause" } end
function resample.subset() return { name = "subset" } end

return resample
