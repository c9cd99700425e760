--- Clarity: which touchpoint moves people on, and which leaves them hesitating.
---
--- For every item (an event, or an event with a property's value) and stage, what follows people's
--- first meeting of it is compared with what follows other touches of people at the same stage,
--- equally long in it and equally active (csrc/journey/clarity.h). An item that nearly everybody
--- who moves on has passed is structural: there is nobody to compare with, and nothing to learn.
--- Labels need a false-discovery rate below 5 % over all items and stages, and an effect that who
--- meets the item cannot explain: still there if measured activity told only 40 % of how keen
--- people are, and either seen within people's own journeys too (those who moved on met it later
--- than the others did) or so large that a hidden cause would have to be strong. See
--- doc/design/clarity.md.
local check = require "wayproof.check"
local object = require "wayproof.object"
local plan = require "wayproof.friction_plan"
local resolve = require "wayproof.resolve"
local select_events = require "wayproof.select"
local show = require "wayproof.show"
local stats = require "wayproof.stats"
local view = require "wayproof.view"

local clarity = {}

local users_least = 20
local expected_least = 5    -- people who are expected to move on, and not to
local odds_least = 1.2      -- smallest odds ratio (or its inverse) that matters
local odds_alone = 1.8      -- without support within journeys: a hidden cause of both meeting and
                            -- moving on would have to raise each 3-fold (E-value)
local place_z = 1.96
local reliability = 0.4     -- share of keenness that activity is taken to tell at least
local discovery_rate = 0.05

-- What to look at ---------------------------------------------------------------------------------

local function property_of(log, name, what)
  local column = type(name) == "string" and resolve.find_column(log, name)
  if not column then return nil end
  if column.kind ~= "text" or column.per_user then
    check.fail("%s: '%s' %s (expected a text property of events, or events)", what, name,
      column.per_user and "belongs to users" or "holds numbers")
  end
  return column.column
end

-- content: a text property, events, or { property = …, events = … }.
local function content_of(log, content)
  local what = "clarity: content"
  if content == nil then return {} end
  local property, events = nil, content
  if type(content) == "table" and not check.class(content)
      and (content.property ~= nil or content.events ~= nil) then
    check.options(content, { "property", "events" }, what)
    property, events = content.property, content.events
    if property ~= nil and not property_of(log, property, what) then
      resolve.column(log, check.name(property, what .. ": property", "a property's name"))
    end
  elseif property_of(log, content, what) then
    property, events = content, nil
  end
  local selection
  if events ~= nil then
    local names = resolve.names(log)
    if type(events) == "string" and not events:find("*", 1, true)
        and not names.event_codes[events] then
      check.fail("%s: '%s' is neither a property nor an event (%s)", what, events,
        resolve.hint(events, table.move(names.texts, 1, #names.texts, #names.events + 1,
          table.move(names.events, 1, #names.events, 1, {})), "the log has"))
    end
    selection = resolve.selector(log, select_events.selector(events, nil, what))
  end
  return { items = selection, text_column = property and property_of(log, property, what) }
end

-- Figures to labels -------------------------------------------------------------------------------

-- Interval and p of the difference in moving on; nil when too few people were compared.
local function judge(row, raw)
  if not raw.se or raw.se <= 0 or raw.compared < users_least then return end
  local expected = raw.compared * raw.base
  if expected < expected_least or raw.compared - expected < expected_least then return end
  local df = raw.compared - 1
  local reach = stats.t_quantile(0.975, df) * raw.se
  row.advance, row.low, row.high = raw.advance, raw.advance - reach, raw.advance + reach
  row.p = math.min(1, 2 * stats.t_upper(math.abs(raw.advance) / raw.se, df))
  row.back, row.linger, row.leave, row.base = raw.back, raw.linger, raw.leave, raw.base
  -- What activity took away is the part of keenness that it tells; the rest would take as much per
  -- share again.
  local rest = (raw.crude - raw.advance) * (1 - reliability) / reliability
  local corrected = raw.advance - rest
  row.holds = corrected * raw.advance > 0 and math.abs(corrected) > reach
    and (not raw.known or raw.known * raw.advance > 0)
  row.within_journeys = raw.place_se ~= nil and raw.place_se > 0
    and raw.place * raw.advance > 0 and math.abs(raw.place) > place_z * raw.place_se
end

-- How many times the odds of moving on change, whichever way: at least 1.
local function odds_of(row)
  local with = math.min(1 - 1e-9, math.max(1e-9, row.base + row.advance))
  local ratio = with / (1 - with) * (1 - row.base) / row.base
  return math.max(ratio, 1 / ratio)
end

-- Differences in the share that moves on whose odds ratios are 1 / odds_least and odds_least.
local function margins(row, minimum)
  if minimum then return -minimum, minimum end
  local odds = row.base / (1 - row.base)
  local function share(ratio) return odds * ratio / (1 + odds * ratio) end
  return share(1 / odds_least) - row.base, share(odds_least) - row.base
end

local function label_of(row, minimum)
  if row.structural then return "structural" end
  if not row.p then return "unknown" end
  local below, above = margins(row, minimum)
  local large = row.advance <= below or row.advance >= above
  if row.q < discovery_rate and row.holds and large
      and (row.within_journeys or odds_of(row) >= odds_alone) then
    return row.advance > 0 and "clears" or "clouds"
  end
  if row.low > below and row.high < above then return "neutral" end
  return "unknown"
end

local function name_items(log, raws)
  local names, events_of = resolve.names(log).events, {}
  for _, raw in ipairs(raws) do
    if raw.value then
      local seen = events_of[raw.value]
      events_of[raw.value] = (seen == nil or seen == raw.code) and raw.code or false
    end
  end
  return function(raw)
    local event = names[raw.code]
    if not raw.value then return event, event end
    return events_of[raw.value] and raw.value or event .. ": " .. raw.value, event
  end
end

local order = { clears = 1, clouds = 2, structural = 3, neutral = 4, unknown = 5 }

local function by_label(a, b)
  if order[a.label] ~= order[b.label] then return order[a.label] < order[b.label] end
  local x, y = math.abs(a.advance or 0), math.abs(b.advance or 0)
  if order[a.label] <= 2 and x ~= y then return x > y end
  if a.users ~= b.users then return a.users > b.users end
  if a.stage ~= b.stage then return a.stage < b.stage end
  return a.item < b.item
end

local function rows_of(log, raws, request)
  local name, rows, tested, p = name_items(log, raws), {}, {}, {}
  for i, raw in ipairs(raws) do
    local item, event = name(raw)
    local row = { item = item, event = event, value = raw.value,
      stage = request.stages[raw.stage].name, users = raw.users, label = "unknown" }
    if raw.moved > 0 then row.passed = raw.passed / raw.moved end
    row.structural = raw.structural
    if not row.structural then judge(row, raw) end
    if row.p then
      tested[#tested + 1] = row
      p[#p + 1] = row.p
    end
    rows[i] = row
  end
  if #p > 0 then
    for i, q in ipairs(stats.adjust(p, "bh")) do tested[i].q = q end
  end
  for _, row in ipairs(rows) do
    row.label = label_of(row, request.minimum)
    row.structural, row.holds = nil, nil
  end
  table.sort(rows, by_label)
  return rows, #tested
end

-- Effort ------------------------------------------------------------------------------------------

-- Events and engaged time that moving on took, per stage.
local function effort_of(handle, stages)
  local list = {}
  for i, stage in ipairs(stages) do
    local moved = 1 - handle:column(i, "advance_seconds"):is_missing()
    local entry = { stage = stage.name, users = math.tointeger(moved:sum()) }
    if entry.users > 0 then
      local events = handle:column(i, "rows"):select(moved):quantiles { 0.5, 0.9 }
      local engaged = handle:column(i, "engaged_seconds"):select(moved):quantiles { 0.5, 0.9 }
      entry.median_events, entry.p90_events = events[1], events[2]
      entry.median_engaged_seconds, entry.p90_engaged_seconds = engaged[1], engaged[2]
    end
    list[i] = entry
  end
  return list
end

local function analyse(log, request)
  local handle <close> = plan.open(log, request)
  local content = content_of(log, request.content)
  local raws, rare, touches = handle:clarity { items = content.items,
    text_column = content.text_column, within_us = request.within_us, users_least = 1 }
  if not raws then error(rare, 0) end
  local rows, tested = rows_of(log, raws, request)
  return { rows = rows, tested = tested, touches = touches, effort = effort_of(handle,
    request.stages), within_seconds = request.within_us / 1e6 }
end

-- Printing ----------------------------------------------------------------------------------------

local function points(share)
  return (share > 0 and "+" or "") .. show.fixed(share * 100, 1)
end

local function item_table(self)
  local rows = {}
  for i, row in ipairs(self.rows) do
    if i > 10 then break end
    rows[i] = { row.label, row.item, row.stage, row.users,
      row.advance and string.format("%s [%s, %s]", points(row.advance), points(row.low),
        points(row.high)) or nil, row.q and show.p(row.q) or nil,
      row.leave and points(row.leave) or nil }
  end
  return show.table({ { title = "", align = "left" }, { title = "item", align = "left" },
    { title = "stage", align = "left" }, { title = "users", format = show.integer },
    { title = "moves on, points", align = "right" }, { title = "q", align = "right" },
    { title = "leaves", align = "right" } }, rows, { indent = "  " })
end

local function effort_lines(self, lines)
  local parts = {}
  for _, entry in ipairs(self.effort) do
    if #parts < 5 and entry.median_events and entry.p90_events > 0 then
      parts[#parts + 1] = string.format("%s %s events, %s", entry.stage,
        show.number(entry.median_events), show.seconds(entry.median_engaged_seconds))
    end
  end
  if #parts > 0 then
    lines[#lines + 1] = show.wrap("effort of moving on (medians, engaged time): "
      .. table.concat(parts, "; "), 78, "  ")
  end
end

local function render(self)
  local counts = {}
  for _, row in ipairs(self.rows) do counts[row.label] = (counts[row.label] or 0) + 1 end
  local lines = { string.format("clarity: what follows within %s of meeting an item, among equals",
    show.seconds(self.within_seconds)) }
  if #self.rows == 0 then
    lines[2] = "nobody met an item in a stage long enough ago"
    return table.concat(lines, "\n")
  end
  local parts = {}
  for _, label in ipairs { "clears", "clouds", "structural", "neutral", "unknown" } do
    if counts[label] then parts[#parts + 1] = show.integer(counts[label]) .. " " .. label end
  end
  lines[2] = string.format("%s of item and stage, %s tested: %s", show.plural(#self.rows, "pair"),
    show.integer(self.tested), table.concat(parts, ", "))
  lines[3] = ""
  lines[4] = item_table(self)
  if #self.rows > 10 then
    lines[#lines + 1] = string.format("  … %s more in .rows", show.integer(#self.rows - 10))
  end
  lines[#lines + 1] = ""
  effort_lines(self, lines)
  if self.groups then
    lines[#lines + 1] = show.wrap(string.format("%s groups of %s in .groups", #self.groups,
      self.by), 78, "  ")
  end
  return table.concat(lines, "\n")
end

local row_columns = { "item", "stage", "users", "advance", "low", "high", "p", "q", "label", "base",
  "back", "linger", "leave", "passed" }

local Clarity = object.class {
  name = "wayproof.Clarity",
  render = render,
  rows = function(self)
    local rows = {}
    for i, row in ipairs(self.rows) do
      rows[i] = {}
      for k, name in ipairs(row_columns) do rows[i][k] = row[name] end
    end
    return row_columns, rows
  end,
}

---@class wayproof.Clarity
---@field rows { item: string, stage: string, users: integer, advance: number, low: number,
---   high: number, q: number, label: string, base: number, back: number, linger: number,
---   leave: number, passed: number }[]  differences in shares; see `log:clarity`
---@field effort { stage: string, users: integer, median_events: number,
---   median_engaged_seconds: number }[]  of the people who moved on
---@field tested integer  pairs of item and stage with enough people to compare

--- Which touchpoints remove uncertainty and which create it.
---
---     print(log:clarity(stages, { content = "page", outcome = wp.converts "purchase" }))
---@param stages wayproof.Stages
---@param options? table  content (a text property, events, or { property =, events = }; default:
---   every event), outcome (counts as moving on from any stage), within (the window that follows;
---   default "1d", at most a quarter of the log), minimum (smallest difference in the share that
---   moves on that matters; default: what an odds ratio of 1.2 makes), as_of; where, since,
---   before, by
---@return wayproof.Clarity
function clarity.clarity(log, stages, options)
  options = check.options(options, view.allowed { "content", "outcome", "within", "minimum",
    "as_of" }, "clarity")
  plan.stages(stages, "clarity")
  local request = { stages = stages, content = options.content,
    as_of_us = plan.as_of(log, options, "clarity"),
    within_us = plan.within(log, options.within, "clarity: within", 1),
    minimum = options.minimum and check.number(options.minimum, "clarity: minimum", 0, 1) }
  request.outcome, request.times = plan.outcome(options.outcome, "clarity: outcome")
  return Clarity.new(view.run(log, options, "clarity", function(part)
    return analyse(part, request)
  end))
end

return clarity
