-- A naive reader of CSV text and a writer of nasty CSV text: the oracle of csv_spec.
local twin = {}

--- Rows of fields, one byte at a time: a quote is special only where a field begins.
function twin.parse(text, delimiter)
  local rows, row, field = {}, {}, {}
  local state, i = "start", 1
  local function end_field()
    row[#row + 1] = table.concat(field)
    field, state = {}, "start"
  end
  local function end_row()
    end_field()
    if #row > 1 or row[1] ~= "" then rows[#rows + 1] = row end
    row = {}
  end
  while i <= #text do
    local c = text:sub(i, i)
    if state == "quoted" then
      if c ~= '"' then
        field[#field + 1] = c
      elseif text:sub(i + 1, i + 1) == '"' then
        field[#field + 1] = '"'
        i = i + 1
      else
        state = "closed"
      end
    elseif c == '"' and state == "start" then
      state = "quoted"
    elseif c == delimiter then
      end_field()
    elseif c == "\n" or (c == "\r" and text:sub(i + 1, i + 1) == "\n") then
      i = c == "\r" and i + 1 or i
      end_row()
    else
      field[#field + 1] = c
      state = "plain"
    end
    i = i + 1
  end
  if #field > 0 or #row > 0 or state == "closed" then end_row() end
  return rows
end

local pieces = { "a", "b", "word", "ü", "日本", " ", "'", "x\ty", "0", ".", "-", "\\" }
local nasty = { "\n", "\r\n", '"', ",", ";", "|", "\t", '""', "\n\n", '"\n"', ",\n", '\n"' }

local function random_text(random, delimiter, is_key)
  local parts = {}
  for i = 1, random(is_key and 1 or 0, 3) do
    parts[i] = random(4) == 1 and nasty[random(#nasty)] or pieces[random(#pieces)]
  end
  if random(60) == 1 then parts[#parts + 1] = ("long"):rep(random(400)) end
  local text = table.concat(parts)
  if text:find('["\r\n]') or text:find(delimiter, 1, true) or random(6) == 1 then
    -- A field that does not begin with a quote may hold quotes as they are.
    if not text:find("[\r\n]") and not text:find(delimiter, 1, true) and text:sub(1, 1) ~= '"'
      and text ~= "" and random(2) == 1 then
      return text, text
    end
    return text, '"' .. text:gsub('"', '""') .. '"'
  end
  return text, text
end

--- A file of `count` events with hostile ids, names and properties; the events as they should be.
function twin.events(random, count, delimiter)
  local ending = random(2) == 1 and "\n" or "\r\n"
  local lines = { table.concat({ "user", "note", "event", "time", "value" }, delimiter) }
  local events, users = {}, {}
  for i = 1, random(1, 8) do users[i] = { random_text(random, delimiter, true) } end
  for i = 1, count do
    local user = users[random(#users)]
    local note, note_raw = random_text(random, delimiter)
    local name, name_raw = random_text(random, delimiter, true)
    local time = random(1500000000, 1500000050)
    local value = random(3) > 1 and random(-1000, 1000) / 8 or nil
    events[i] = { user = user[1], note = note, event = name, time = time * 1000000, value = value }
    lines[#lines + 1] = table.concat({ user[2], note_raw, name_raw, tostring(time),
      value and tostring(value) or "" }, delimiter)
    if random(20) == 1 then lines[#lines + 1] = "" end
  end
  local text = table.concat(lines, ending)
  return (random(2) == 1 and "\239\187\191" or "") .. text .. (random(2) == 1 and ending or ""),
    events
end

--- Journeys of events: users by first appearance, each in time order, ties in row order.
function twin.journeys(events)
  local order, by_user = {}, {}
  for i, event in ipairs(events) do
    local own = by_user[event.user]
    if not own then
      own = {}
      by_user[event.user] = own
      order[#order + 1] = event.user
    end
    own[#own + 1] = { row = i, event = event }
  end
  local lines = {}
  for _, user in ipairs(order) do
    table.sort(by_user[user], function(a, b)
      if a.event.time ~= b.event.time then return a.event.time < b.event.time end
      return a.row < b.row
    end)
    for _, entry in ipairs(by_user[user]) do
      local e = entry.event
      lines[#lines + 1] = ("%q %d %q %s %q"):format(user, e.time, e.event, tostring(e.value),
        e.note ~= "" and e.note or "(none)")
    end
  end
  return lines
end

return twin
