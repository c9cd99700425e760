--- `wayproof demo`: the whole main job on a shop whose truth is known, in a few seconds.
--
-- Writes the shop's events into a SQLite database, reads them back through the public interface,
-- validates five hypotheses that somebody in the shop might believe, and holds the verdicts against
-- what was planted. The exit code is 1 when they differ.
local demo = {}

--- What the shop believes, what is true, and the verdict that a careful look must reach.
demo.beliefs = {
  {
    name = "comparison guides help people decide",
    events = "compare_guide", verdict = "validated", planted = "works",
    story = "Whoever reads a guide is surer of the choice, and buys more often:\n"
      .. "equally busy visitors without a guide do not. Make more of these.",
  },
  {
    name = "banner clicks bring sales",
    events = "banner_click", verdict = "vanity", planted = "vanity",
    story = "Keen visitors do more of everything, banners and buying included.\n"
      .. "At equal activity a click adds nothing: steering by it steers by traffic.",
  },
  {
    name = "looking up delivery costs shows interest",
    events = "delivery_costs", verdict = "reversed", planted = "backwards",
    story = "The team reads it as a sign of interest. It is where buyers get lost:\n"
      .. "the more often somebody looks, the less likely the sale.",
  },
  {
    name = "a theme of their own makes them stay",
    events = "theme_switch", verdict = "unrelated", planted = "nothing",
    story = "Dark or light is a matter of taste. There is enough data here to say\n"
      .. "that nothing worth acting on is missed, which is more than 'not significant'.",
  },
  {
    name = "starting the checkout predicts the sale",
    events = "checkout_start", verdict = "leaking", planted = "a step of it",
    story = "Of course: it happens minutes before. A metric that is a part of its\n"
      .. "outcome looks splendid on a dashboard and leaves nothing to act on.",
  },
}

local function hypotheses(wp)
  local list = {}
  for i, belief in ipairs(demo.beliefs) do
    list[i] = wp.hypothesis(belief.name) {
      metric = wp.count(belief.events),
      outcome = wp.converts "purchase",
      observe = "7d",
      within = "30d",
      expect = "rise",
      as_of = "2024-06-14T00:00:00Z",
    }
  end
  return list
end

local function with_commas(count)
  local text = tostring(count)
  repeat
    local changed
    text, changed = text:gsub("^(%-?%d+)(%d%d%d)", "%1,%2")
  until changed == 0
  return text
end

--- Prints the comparison; returns how many verdicts are not those planted.
local function compare(board, write)
  local misses = 0
  write "What was planted, and what was found\n\n"
  for _, belief in ipairs(demo.beliefs) do
    local result = board[belief.name]
    local hit = result.verdict == belief.verdict
    misses = misses + (hit and 0 or 1)
    write(("  %s %-13s %-12s %s\n"):format(hit and "✓" or "✗", belief.planted, result.verdict,
      belief.name))
    if not hit then
      write(("    expected %s\n"):format(belief.verdict))
    end
    write("    ", (belief.story:gsub("\n", "\n    ")), "\n\n")
  end
  return misses
end

---@class wayproof.DemoOptions
---@field users? integer visitors of the shop (default 24000)
---@field seed? integer of the shop's generator (default 1)
---@field keep? string write the database to this path and leave it there
---@field write? fun(...: string) where the text goes (default: standard output)

--- Runs the demonstration.
---@param options? wayproof.DemoOptions
---@return integer exit_code 0: all verdicts match the plant; 1: one differs, or the world failed
function demo.run(options)
  options = options or {}
  local wp = require "wayproof"
  local shop = require "wayproof.shop"
  local write = options.write or function(...)
    io.stdout:write(...)
  end
  local began = os.time()
  local path = options.keep or os.tmpname()
  os.remove(path)

  local function give_up(message)
    io.stderr:write("wayproof demo: ", tostring(message), "\n")
    return 1
  end
  local function run()
    write "Building a shop with a planted truth...\n"
    local counts, message = shop.write(path, { users = options.users, seed = options.seed })
    if not counts then
      return give_up(message)
    end
    write(("  %s visitors, %s events, seed %d, in the SQLite database %s\n"):format(
      with_commas(counts.users), with_commas(counts.events), counts.seed, path))

    local log
    log, message = wp.read_sqlite(path, {
      table = "events", user = "user_id", event = "event", time = "ts",
      value = "value", properties = { "channel", "device" },
    })
    if not log then
      return give_up(message)
    end
    write("  ", tostring(log):match("^[^\n]*"), "\n\n")

    write "Asking five things that somebody in the shop believes...\n\n"
    local board = log:validate(hypotheses(wp))
    write(tostring(board), "\n\n")
    write("One of them in full, as print(board[1]) would show it:\n\n")
    write(tostring(board[demo.beliefs[1].name]), "\n\n")

    local misses = compare(board, write)
    if misses == 0 then
      write(("All five verdicts match the plant (%d s).\n"):format(os.time() - began))
    else
      write(("%d of five verdicts differ from the plant.\n"):format(misses))
    end
    if options.keep then
      write(("The shop is yours: wayproof summary --data %s --user user_id --time ts\n")
        :format(path))
    else
      write "Keep the shop to play with: wayproof demo --keep shop.db\n"
    end
    return misses == 0 and 0 or 1
  end

  local ok, code = pcall(run)
  if not options.keep then
    os.remove(path)
  end
  if not ok then
    error(code, 0)
  end
  return code
end

return demo
