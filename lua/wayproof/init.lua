--- wayproof: write a hypothesis, prove on your own events whether a metric predicts an outcome.
---
---     local wp = require "wayproof"
---     local log = assert(wp.read_csv("events.csv"))
---     print(log:validate(wp.hypothesis "guides help" {
---       metric = wp.count { "compare", "faq" }, outcome = wp.converts "purchase",
---       observe = "7d", within = "30d",
---     }))
---     wp.help()
---
--- This is the façade: every public name is a small function here that loads its room on the first
--- call, so that `require` costs next to nothing and `pairs` and completion show everything.
local wayproof = { _VERSION = require "wayproof.version" }

-- Public names by the module that holds them.
local rooms = {
  { "wayproof.read", "read_csv", "read_sqlite", "read_rows" },
  { "wayproof.store", "open", "store" },
  { "wayproof.frame", "frame", "read_frame" },
  { "wayproof.stages", "stages" },
  { "wayproof.metric", "count", "did", "distinct", "sum", "mean", "max", "min", "first_value",
    "last_value", "sessions", "active_days", "time_to", "time_between", "dwell", "longest_gap",
    "pace", "depth", "backtracks", "hesitation", "self_loops", "u_turns", "matches", "attribute",
    "custom", "log1p" },
  { "wayproof.select", "above", "below", "between", "is_not" },
  { "wayproof.outcome", "converts", "refers", "retained", "churned", "earns", "accelerates",
    "outcome" },
  { "wayproof.hypothesis", "hypothesis" },
  { "wayproof.time", "time", "date" },
  { "wayproof.ledger", "ledger" },
  { "wayproof.threads", "threads" },
}

local function door(module, name)
  local target
  return function(...)
    target = target or require(module)[name]
    return target(...)
  end
end

for _, room in ipairs(rooms) do
  for i = 2, #room do wayproof[room[i]] = door(room[1], room[i]) end
end

--- Lists the verbs, or explains one: by function, by name, or by object. Prints the text and
--- returns it; a prompt runs `return wp.help()`, a tail call, and shows the value itself.
function wayproof.help(topic)
  local text = require("wayproof.help").text(topic)
  if not debug.getinfo(1, "t").istailcall then io.stdout:write(text, "\n") end
  return text
end

return wayproof
