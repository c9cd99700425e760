-- One run: a log of a truth, a question, the verdict, and what simpler rules say of the same users.
local wp = require "wayproof"

local runs = {}

runs.as_of = 1704067200 * 1000000 + math.floor(137.5 * 86400) * 1000000

local function command_line(...)
  local pipe = assert(io.popen(table.concat({ ... }, " ")))
  local text = pipe:read "a"
  assert(pipe:close(), "the simulator failed")
  return text
end

--- Builds the simulator where it is not there yet; returns its path.
function runs.simulator()
  local folder = os.getenv "WAYPROOF_BUILD" or "build/release"
  local path = folder .. "/truth_simulator"
  assert(os.execute(string.format("mkdir -p %s && { test -z \"$(find bench/truth -name '*.[ch]' "
    .. "-newer %s 2>&1)\" || { cc -std=c11 -D_GNU_SOURCE -O2 -Icsrc -o %s.$$ bench/truth/*.c -lm "
    .. "&& mv %s.$$ %s; }; }", folder, path, path, path, path)))
  return path
end

local numbers = {}

--- A log of `users` people of a truth whose base rate is `rate`.
function runs.log(truth, rate, users, seed)
  local simulator = runs.simulator_path or runs.simulator()
  runs.simulator_path = simulator
  local key = truth .. " " .. rate
  numbers[key] = numbers[key]
    or command_line(simulator, "calibrate", truth, rate):gsub("%s+$", "")
  local path = os.tmpname()
  command_line(simulator, "write", truth, users, seed, numbers[key], ">", path)
  local log = assert(wp.read_csv(path, { user = "user", event = "event", time = "time",
    time_unit = "s", value = "value", properties = { "channel", "account" } }))
  os.remove(path)
  return log
end

-- Cells of the 2x2 table "metric at least k" against "outcome".
local function table_at(m, y, k)
  local has = m:at_least(k)
  local both, with, outcome = has:dot(y), has:sum(), y:sum()
  return both, with - both, outcome - both, #y - with - outcome + both
end

local function phi(a, b, c, d)
  local below = math.sqrt((a + b) * (c + d) * (a + c) * (b + d))
  return below > 0 and (a * d - b * c) / below or 0
end

--- What tools without a verdict say of the same users in the same windows: the best phi over ten
--- thresholds (a signal from 0.2 on), and the odds ratio of did against did not with one added to
--- every cell (a signal when its 95 % interval is above 1 and at least 25 users did it).
function runs.simple_rules(log, scenario)
  local ask = scenario.ask
  local frame = log:measure { metrics = { metric = ask.metric }, outcome = ask.outcome,
    observe = ask.observe, within = ask.within, as_of = runs.as_of,
    prior_outcome = ask.prior_outcome }
  if not frame or #frame == 0 then return {} end
  local y = frame:vector "outcome"
  y = y:fill(0):above(0)
  local m = frame:vector "metric"
  local side = ask.expect == "fall" and -1 or 1
  if side < 0 then m = m * -1 end
  m = m:fill(m:min() or 0)
  local best = 0
  local middle = m:quantiles({ 0.5 })[1]
  local whole = m:min() == 0 and m:max() <= 1000
  for k = 1, 10 do
    local at = whole and k or m:quantiles({ k / 11 })[1]
    best = math.max(best, phi(table_at(m, y, at)))
  end
  local a, b, c, d = table_at(m, y, whole and 1 or middle)
  local did = a + b
  a, b, c, d = a + 1, b + 1, c + 1, d + 1
  local odds = math.log(a * d / (b * c))
  local se = math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
  return { phi = best, phi_says = best >= 0.2, odds = math.exp(odds),
    odds_says = odds - 1.96 * se > 0 and did >= 25 }
end

--- Verdict and numbers of one run.
function runs.one(scenario, rate, users, seed, options)
  local log = runs.log(scenario.truth, rate, users, seed)
  local fields = { as_of = runs.as_of }
  for key, value in pairs(scenario.ask) do fields[key] = value end
  local h = wp.hypothesis(scenario.name)(fields)
  local r = assert(log:validate(h, { refute = options and options.refute or false }))
  local simple = runs.simple_rules(log, scenario)
  log:close()
  local out = { verdict = r.verdict, row = r.row, reason = r.reasons[1] and r.reasons[1].code,
    used = r.n.used, events = r.n.events, simple = simple, needed = r.needed and r.needed.users,
    for_what = r.needed and r.needed.for_what }
  out.auc, out.adjusted, out.spearman = r.auc, r.adjusted, r.spearman
  out.tolerance = r.noise and r.noise.tolerance
  out.reliability = r.noise and r.noise.reliability
  out.holdout = r.holdout and r.holdout.p
  return out
end

return runs
