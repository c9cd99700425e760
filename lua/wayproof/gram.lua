--- Small algebra on a design: which columns depend on others, and what is left after them.
--
-- A Gram is the correlation matrix of a list of vectors, held as Lua tables (k by k, k about 20),
-- with their means and standard deviations; constant columns have sd 0 and correlation 0. Rows are
-- only touched by the one pass that builds it: cost O(n k^2) once, then O(k^3).
-- Cholesky with the columns in the order given, so the first of two equal columns is the one kept.
local core = require "wayproof.core"

local gram = {}
gram.__index = gram

-- Places in `known` of the columns that it has, as {new place = old place}.
local function places_in(known, columns)
  local found = {}
  if not known then return found end
  local place = {}
  for i, v in ipairs(known.columns) do place[v] = i end
  for i, v in ipairs(columns) do found[i] = place[v] end
  return found
end

--- Correlations of `columns` (vectors of equal length without missing numbers).
---@param columns wayproof.Vector[]
---@param known? table an earlier Gram: correlations of columns that it has are taken from there
function gram.build(columns, known)
  local self = { count = #columns, columns = columns, mean = {}, sd = {}, r = {} }
  for i, v in ipairs(columns) do
    local mean, sd = v:mean(), v:sd()
    if not sd or sd <= 1e-12 * math.max(1, math.abs(mean)) then sd = 0 end
    self.mean[i], self.sd[i], self.r[i] = mean, sd, {}
  end
  setmetatable(self, gram)
  if #columns == 0 then return self end
  -- Those that are known first, so that only the others' rows are summed up.
  local old, order = places_in(known, columns), {}
  for i = 1, #columns do
    if old[i] then order[#order + 1] = i end
  end
  local first = #order + 1
  for i = 1, #columns do
    if not old[i] then order[#order + 1] = i end
  end
  local arranged, means, sds = {}, {}, {}
  for k, i in ipairs(order) do
    arranged[k], means[k], sds[k] = columns[i], self.mean[i], self.sd[i]
  end
  local rows = first <= #order and core.model.correlations(arranged, first, means, sds) or {}
  for a, i in ipairs(order) do
    for b = 1, a do
      local j = order[b]
      local value = a < first and known.r[old[i]][old[j]] or a >= first and rows[a][b]
      if i == j then value = 1 end
      if self.sd[i] == 0 or self.sd[j] == 0 then value = 0 end
      self.r[i][j], self.r[j][i] = value, value
    end
  end
  return self
end

--- The Gram of the rows where `keep` (0/1) is 1 only.
function gram.build_kept(columns, keep)
  local means, sds = {}, {}
  for i, v in ipairs(columns) do means[i], sds[i] = v:mean(), v:sd() or 0 end
  local self = setmetatable({ count = #columns, columns = columns, keep = keep }, gram)
  self.r, self.mean, self.sd = core.model.correlations(columns, 1, means, sds, keep)
  for i = 1, #columns do
    self.r[i][i] = 1
    for j = 1, i - 1 do self.r[j][i] = self.r[i][j] end
  end
  return self
end

-- Row i of the Cholesky factor over the columns `kept`; returns the row and what is left of its
-- variance (1 - R^2 on the kept columns).
local function project(self, rows, kept, i)
  local row = {}
  local left = self.r[i][i]
  for a, k in ipairs(kept) do
    local sum = self.r[i][k]
    local pivot = rows[k]
    for b = 1, a - 1 do sum = sum - row[b] * pivot[b] end
    row[a] = sum / pivot[a]
    left = left - row[a] * row[a]
  end
  return row, left
end

--- Indices of the columns that are neither constant nor linear combinations of earlier ones.
---@param tolerance number? least share of a column's variance that must be its own
---@return integer[] kept, table<integer, number> left share of own variance of every column
function gram:independent(tolerance)
  tolerance = tolerance or 1e-9
  local kept, rows, left_of = {}, {}, {}
  for i = 1, self.count do
    local row, left = project(self, rows, kept, i)
    left_of[i] = self.sd[i] > 0 and left or 0
    if self.sd[i] > 0 and left > tolerance then
      row[#kept + 1] = math.sqrt(left)
      kept[#kept + 1] = i
      rows[i] = row
    end
  end
  self.rows, self.kept = rows, kept
  return kept, left_of
end

--- Slopes of column `i` on the columns `given`, in the columns' own units; 0 for those among them
--- that are constant or depend on earlier ones.
---@return number[] slopes as many as `given`
function gram:slopes(i, given)
  local kept, rows, place = {}, {}, {}
  local slopes = {}
  for a, k in ipairs(given) do
    local row, left = project(self, rows, kept, k)
    slopes[a] = 0
    if self.sd[k] > 0 and left > 1e-9 then
      row[#kept + 1] = math.sqrt(left)
      kept[#kept + 1], place[#kept + 1] = k, a
      rows[k] = row
    end
  end
  local along = project(self, rows, kept, i)
  for a = #kept, 1, -1 do
    local sum = along[a]
    for b = a + 1, #kept do sum = sum - rows[kept[b]][a] * along[b] end
    along[a] = sum / rows[kept[a]][a]
  end
  for a, k in ipairs(kept) do slopes[place[a]] = along[a] * self.sd[i] / self.sd[k] end
  return slopes
end

--- R^2 of column `i` on the columns `given` (dependent ones among them are skipped); nil when `i`
--- is constant.
function gram:r_squared(i, given)
  if self.sd[i] == 0 then return nil end
  local kept, rows = {}, {}
  for _, k in ipairs(given) do
    local row, left = project(self, rows, kept, k)
    if self.sd[k] > 0 and left > 1e-9 then
      row[#kept + 1] = math.sqrt(left)
      kept[#kept + 1] = k
      rows[k] = row
    end
  end
  local _, left = project(self, rows, kept, i)
  return math.max(0, math.min(1, 1 - left))
end

--- Residual SDs of columns `i` and `j` and their correlation, given the columns `given`.
---@return number s_i, number s_j, number r
function gram:partial(i, j, given)
  local kept, rows = {}, {}
  for _, k in ipairs(given) do
    local row, left = project(self, rows, kept, k)
    if self.sd[k] > 0 and left > 1e-9 then
      row[#kept + 1] = math.sqrt(left)
      kept[#kept + 1] = k
      rows[k] = row
    end
  end
  local row_i, left_i = project(self, rows, kept, i)
  local row_j, left_j = project(self, rows, kept, j)
  local covariance = self.r[i][j]
  for a = 1, #kept do covariance = covariance - row_i[a] * row_j[a] end
  left_i, left_j = math.max(left_i, 0), math.max(left_j, 0)
  local r = 0
  if left_i > 1e-12 and left_j > 1e-12 then
    r = math.max(-1, math.min(1, covariance / math.sqrt(left_i * left_j)))
  end
  return self.sd[i] * math.sqrt(left_i), self.sd[j] * math.sqrt(left_j), r
end

return gram
