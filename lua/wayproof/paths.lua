--- Paths: what people do after an event, or before one, step by step.
---
--- Each person counts once, by the path away from the anchor: their first `start` event, their last
--- `finish` event, or their first event. Step matrix, distinct sequences and cycles come from one
--- scan in the core (csrc/journey/paths.c).
local check = require "wayproof.check"
local classes_of = require "wayproof.classes"
local core = require "wayproof.core"
local flow = require "wayproof.flow"
local object = require "wayproof.object"
local resolve = require "wayproof.resolve"
local select_events = require "wayproof.select"
local show = require "wayproof.show"
local stats = require "wayproof.stats"
local view = require "wayproof.view"

local paths = {}

local over = "(over)"

-- Printing ---------------------------------------------------------------------------------------

local function sequence_table(self, most)
  local rows = {}
  for i, sequence in ipairs(self.sequences) do
    if i > most then break end
    rows[i] = { show.integer(sequence.users), show.percent(sequence.share),
      table.concat(sequence.events, " > ") }
  end
  local text = show.table({ { title = "users", align = "right" },
    { title = "share", align = "right" }, { title = "path", align = "left" } }, rows,
    { indent = "  " })
  if self.distinct > #rows then
    text = text .. string.format("\n  … %s different paths in all", show.integer(self.distinct))
  end
  return text
end

local function names_by_weight(self)
  local names, weight = {}, {}
  for name, shares in pairs(self.matrix) do
    local sum = 0
    for _, share in ipairs(shares) do sum = sum + share end
    names[#names + 1], weight[name] = name, sum
  end
  table.sort(names, function(a, b)
    if weight[a] ~= weight[b] then return weight[a] > weight[b] end
    return a < b
  end)
  return names
end

local columns_most = 15

-- Backwards the anchor stands at the right, where time ends.
local function heat_lines(self, most)
  local names, lines = names_by_weight(self), {}
  local columns = math.min(self.steps, columns_most)
  local function line(title, cell)
    local cells = {}
    for k = 1, columns do
      cells[self.finish and columns + 1 - k or k] = show.pad(cell(k), 3, "right")
    end
    return ("  " .. show.pad(show.cut(title, 24), 25) .. table.concat(cells)):gsub("%s+$", "")
  end
  lines[1] = line("step", function(k) return tostring(self.finish and k - 1 or k) end)
  for i = 1, math.min(#names, most) do
    lines[i + 1] = line(names[i], function(k)
      return show.shade(self.matrix[names[i]][k]):rep(2)
    end)
  end
  return table.concat(lines, "\n")
end

local function render(self)
  if self.users == 0 then return "no paths: nobody has the anchor event" end
  local from = self.finish and "up to " .. self.finish or self.start and "from " .. self.start
    or "from the first event"
  local most = self.groups and 4 or 7
  return string.format("%s\n\n%s\n\n%s\n  darker: more of them%s",
    show.wrap(string.format("%s %s, paths of up to %d steps", show.plural(self.users, "user"), from,
      self.steps), 80, "  "), sequence_table(self, most),
    heat_lines(self, most), flow.group_lines(self, { "users", "most frequent path" },
      function(group)
        local first = group.sequences[1]
        return { show.integer(group.users), first and table.concat(first.events, " > ") or "" }
      end))
end

local Paths = object.class {
  name = "wayproof.Paths",
  render = render,
  rows = function(self)
    local rows = {}
    local function add(fields, value)
      for _, sequence in ipairs(fields.sequences) do
        rows[#rows + 1] = { value, sequence.users, sequence.share, sequence.low, sequence.high,
          table.concat(sequence.events, " > ") }
      end
    end
    add(self, "")
    for _, group in ipairs(self.groups or {}) do add(group, group.value or "") end
    return { self.by or "group", "users", "share", "low", "high", "path" }, rows
  end,
}

-- Results ----------------------------------------------------------------------------------------

-- matrix[name][k] = share of users on the event at step k; "(over)" for ended paths.
local function name_matrix(matrix, users, names)
  local named = {}
  for k, counts in ipairs(matrix) do
    for class, count in ipairs(counts) do
      if count > 0 then
        local name = names[class] or over
        named[name] = named[name] or {}
        named[name][k] = count / users
      end
    end
  end
  for _, shares in pairs(named) do
    for k = 1, #matrix do shares[k] = shares[k] or 0.0 end
  end
  return named
end

-- Names in the order of time; the core goes backwards from a finish.
local function name_classes(list, names, backwards)
  local events = {}
  for k, class in ipairs(list) do
    events[backwards and #list + 1 - k or k] = names[class]
  end
  return events
end

local function name_sequences(sequences, users, names, backwards)
  for _, sequence in ipairs(sequences) do
    local interval = stats.wilson(sequence.users, users)
    sequence.events = name_classes(sequence.classes, names, backwards)
    sequence.classes = nil
    sequence.share, sequence.low, sequence.high = sequence.users / users, interval.low,
      interval.high
  end
  return sequences
end

local function name_cycles(cycles, users, names, backwards)
  for _, cycle in ipairs(cycles) do
    cycle.classes[#cycle.classes + 1] = cycle.classes[1] -- back where it began
    cycle.events = name_classes(cycle.classes, names, backwards)
    cycle.path = table.concat(cycle.events, " > ")
    cycle.classes, cycle.share = nil, cycle.users / users
  end
  return cycles
end

---@class wayproof.Paths
---@field users integer       people with the anchor event
---@field steps integer
---@field matrix table<string, number[]>  event → share of those people on it at step k, away from
---   the anchor (which is step 1); "(over)": the path had ended
---@field sequences { users: integer, share: number, low: number, high: number, events: string[] }[]
---   the most frequent ones, events in the order of time
---@field distinct integer    different sequences in all
---@field cycles { path: string, events: string[], count: integer, users: integer, share: number }[]
---   returns to the same event within three steps, in all sequences: x > x, x > y > x,
---   x > y > z > x; `count` occurrences, `users` people with one
---@field groups? table[]     with `by`: the same fields per `value`

--- What people do after an event (`start`, default their first event) or before one (`finish`),
--- step by step.
---@param options? table  start or finish (events), steps (default 10), top (default 20 sequences
---   and cycles), stages, merge_repeats, within (a longer gap ends the path); where, since, before,
---   by
---@return wayproof.Paths
function paths.paths(log, options)
  options = check.options(options,
    view.allowed { "start", "finish", "steps", "top", "stages", "merge_repeats", "within" },
    "paths")
  if options.start ~= nil and options.finish ~= nil then
    check.fail("paths: start and finish together (expected one anchor)")
  end
  local steps = check.integer(options.steps or 10, "paths: steps", 1, 64)
  local top = check.integer(options.top or 20, "paths: top", 1, 100000)
  if options.merge_repeats ~= nil then
    check.boolean(options.merge_repeats, "paths: merge_repeats")
  end
  local anchor = options.start or options.finish
  local selector = anchor and select_events.selector(anchor, nil, "paths")
  local within_us = options.within and check.duration(options.within, "paths: within")
  local names, classes = classes_of.of(log, options.stages, "paths")
  local resolved = selector and resolve.selector(log, selector)
  local backwards = options.finish ~= nil
  return Paths.new(view.run(log, options, "paths", function(part)
    local wanted = classes_of.with(classes, { start = options.start and resolved,
      finish = options.finish and resolved, steps = steps, timeout_us = within_us,
      merge_repeats = options.merge_repeats, top = top })
    local users, matrix, sequences, distinct, cycles = core.flow.paths(part, wanted)
    if not users then error(matrix, 0) end
    local words = selector and tostring(selector)
    return { users = users, steps = steps, matrix = name_matrix(matrix, users, names),
      sequences = name_sequences(sequences, users, names, backwards), distinct = distinct,
      cycles = name_cycles(cycles, users, names, backwards),
      start = options.start and words, finish = options.finish and words }
  end))
end

return paths
