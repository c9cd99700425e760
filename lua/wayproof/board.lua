--- A Board: several hypotheses judged together, corrected for how many there are, best first.
--
-- `#board`, `board[i]`, `board[name]`, `board.tried`. Sorted by usefulness: validated by the size
-- of what holds, then reversed (worth knowing), unstable, inconclusive, vanity, unrelated, leaking,
-- invalid. Vanity metrics are named beside what could replace them.
local object = require "wayproof.object"
local show = require "wayproof.show"
local stats = require "wayproof.stats"

local board = {}

local rank_of = { validated = 1, reversed = 2, unstable = 3, inconclusive = 4, vanity = 5,
  unrelated = 6, leaking = 7, invalid = 8 }

--- p-values corrected for the family: Holm up to five hypotheses, Benjamini-Hochberg beyond.
---@param ps (number|false)[] one per hypothesis, false where there was no test
---@param method string? "holm" "bh" "by" …; default by the number of hypotheses
---@return (number|nil)[] adjusted, string method
function board.adjust(ps, method)
  local values, places = {}, {}
  for i, p in ipairs(ps) do
    if p then
      values[#values + 1] = p
      places[#places + 1] = i
    end
  end
  method = method or (#ps <= 5 and "holm" or "bh")
  local adjusted = {}
  if #values == 0 then return adjusted, method end
  local list = stats.adjust(values, method)
  list = list.adjusted or list
  for k, place in ipairs(places) do adjusted[place] = list[k] end
  return adjusted, method
end

-- How much of a result could be steered by: the lower limit after noise correction.
local function strength(self)
  local adjusted = self.adjusted
  if not adjusted then return 0 end
  return math.abs(adjusted.log)
end

function board.sort(results)
  table.sort(results, function(a, b)
    local ra, rb = rank_of[a.verdict], rank_of[b.verdict]
    if ra ~= rb then return ra < rb end
    local sa, sb = strength(a), strength(b)
    if sa ~= sb then return sa > sb end
    return a.name < b.name
  end)
  return results
end

local function effect_text(result)
  local e = result.adjusted or result.crude
  if not e then return show.missing end
  return string.format("%s×%s [%s, %s]", result.adjusted and "" or "~", show.number(e.estimate),
    show.number(e.low), show.number(e.high))
end

local short = {
  validated = "beyond activity", vanity = "only activity", unrelated = "nothing there",
  reversed = "works against it", leaking = "part of the outcome",
}

-- A few words that fit a table; the result says it in full.
local function short_reason(result)
  local reason = result.reasons[1]
  if reason and reason.code == "not_in_log" then return (reason.text:gsub("%s*%(.*$", "")) end
  return short[result.verdict] or reason and (reason.code:gsub("_", " ")) or ""
end

local function names_of(self, wanted, most)
  local names = {}
  for _, result in ipairs(self) do
    if result.verdict == wanted and #names < most then
      names[#names + 1] = "'" .. result.name .. "'"
    end
  end
  return names
end

local method_names = { holm = "Holm", bh = "Benjamini-Hochberg", by = "Benjamini-Yekutieli",
  ["by family size"] = "Holm for up to five of an outcome, else Benjamini-Hochberg",
  bonferroni = "Bonferroni", hochberg = "Hochberg" }

local function render(self)
  local rows = {}
  for i = 1, math.min(#self, 15) do
    local result = self[i]
    rows[i] = { result.verdict .. (result.grade and " " .. result.grade or ""), result.name,
      effect_text(result), short_reason(result) }
  end
  local lines = { show.wrap(string.format("%s, %d tried together (p adjusted by %s)",
    show.plural(#self, "hypothesis", "hypotheses"), self.tried,
    method_names[self.method] or self.method), 80, "  ") }
  lines[2] = show.table({ "verdict", "hypothesis", "effect", "why" }, rows, { indent = "  " })
  if #self > 15 then lines[#lines + 1] = string.format("  … and %d more", #self - 15) end
  local vanity, good = names_of(self, "vanity", 3), names_of(self, "validated", 2)
  if #vanity > 0 and #good > 0 then
    lines[#lines + 1] = show.wrap(string.format("Instead of %s, steer by %s.",
      table.concat(vanity, ", "), table.concat(good, " or ")), 80, "  ")
  end
  lines[#lines + 1] = "next: print(board[1]) for one in full, board[1]:detail() for the working"
  return table.concat(lines, "\n")
end

local columns = { "name", "verdict", "grade", "estimate", "low", "high", "p", "p_adjusted", "auc",
  "users", "events" }

local Board = object.class {
  name = "wayproof.Board",
  render = render,
  metamethods = {
    __index = function(self, name)
      if type(name) ~= "string" then return nil end
      for _, result in ipairs(self) do
        if result.name == name then return result end
      end
      return nil
    end,
  },
  plain = function(self)
    local out = { tried = self.tried, method = self.method }
    for i, result in ipairs(self) do out[i] = object.plain(result) end
    return out
  end,
  json = function(self)
    local results = {}
    for i, result in ipairs(self) do results[i] = object.plain(result) end
    return { results = results, tried = self.tried, method = self.method }
  end,
  rows = function(self)
    local rows = {}
    for i, r in ipairs(self) do
      local e = r.adjusted or {}
      rows[i] = { r.name, r.verdict, r.grade, e.estimate, e.low, e.high, e.p, e.p_adjusted,
        r.auc and r.auc.estimate, r.n.used, r.n.events }
    end
    return columns, rows
  end,
}

--- A board of results; sorts them.
---@param results wayproof.Result[]
---@param fields {tried: integer, method: string}
function board.new(results, fields)
  local all = board.sort(results)
  all.tried, all.method = fields.tried, fields.method
  return Board.new(all)
end

function board.is(value) return Board.is(value) end

return board
