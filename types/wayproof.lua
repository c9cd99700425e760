---@meta wayproof
-- luacheck: ignore
-- Every public name of wayproof, once: editors complete from this file, `wp.help` prints it
-- (through tools/help.lua), and a spec holds it against what the module exports.
--
-- "-- ## " opens a group of `wp.help()`. The first sentence of a name is its line in the list;
-- lines indented by four spaces are its example.

---@class wayproof
---@field _VERSION string
local wp = {}

---@alias wayproof.Duration string|number  `"90s" "30m" "12h" "7d" "2w"`, or a number of seconds
---@alias wayproof.Instant string|integer  ISO 8601 text, or microseconds since 1970 in UTC

--- Which events: a name, a list of names, a pattern with `*` (`"W_*"`), or a filter alone.
---@alias wayproof.Events string|string[]|wayproof.Filter

--- Conditions on properties; all must hold: `{ device = "mobile", value = wp.above(100) }`.
---@alias wayproof.Filter table<string, string|number|boolean|table>

-- ## Loading

---@class wayproof.ReaderOptions
---@field user? string  column with the user's id (default `"user"`)
---@field event? string  column with the event's name (default `"event"`)
---@field time? string  column with the time (default `"time"`)
---@field value? string  the default number column
---@field numbers? string[]  further number columns
---@field properties? string[]  text columns
---@field order? string  column that breaks ties of equal time (default: row order)
---@field time_format? string  strptime style (default: ISO 8601, or epoch numbers)
---@field time_unit? "s"|"ms"|"us"  of epoch numbers (default: by magnitude)
---@field timezone? string  of times without an offset: an IANA name or an offset (default `"UTC"`)
---@field event_name? string  one name for every row, instead of an event column
---@field bad_rows? "fail"|"skip"  skipped rows are counted in the summary
---@field limit? integer  read at most so many rows
---@field delimiter? string  of a CSV file (default: detected)
---@field users? wayproof.UsersOptions  a second table that describes the users
---@field pseudonymise? string|boolean  a secret text of at least 16 characters (or true, and the
---   text as `key`): ids are replaced by a hash keyed with it; it is not kept
---@field key? string  see pseudonymise

---@class wayproof.UsersOptions
---@field path? string  a CSV file or a database
---@field table? string
---@field query? string
---@field rows? table[]|fun(): table|nil
---@field id? string  column with the user's id
---@field events? table<string, string>  time column = name of the event that it becomes
---@field properties? string[]
---@field numbers? string[]
---@field alias? string  column with an earlier id of the same person
---@field known_at? string  column with the time at which the attributes were known

--- Reads events from a CSV file (or a list of files) into a log.
---
---     local log = assert(wp.read_csv("events.csv", {
---       user = "user_id", time = "timestamp", value = "revenue",
---       properties = { "channel", "device" },
---     }))
---
--- RFC 4180, with BOM, CRLF, other delimiters, and `.gz`. Raises on unknown options.
---@param path string|string[]
---@param options? wayproof.ReaderOptions
---@return wayproof.Log? log
---@return string? message  the file, row and value that cannot be read
---@return string? code
function wp.read_csv(path, options) end

--- Reads events from a SQLite database, which is opened read-only.
---
---     local log = assert(wp.read_sqlite("shop.db", {
---       table = "events", user = "user_id", time = "ts",
---     }))
---
---@param path string
---@param options wayproof.ReaderOptions  with `table = "events"` or `query = "SELECT …"`
---@return wayproof.Log? log
---@return string? message
---@return string? code
function wp.read_sqlite(path, options) end

--- Makes a log from a Lua array of tables, or from a function that returns one at a time.
---
---     local log = assert(wp.read_rows {
---       { user = "ann", event = "search", time = "2024-03-01T12:00:00Z" },
---       { user = "ann", event = "purchase", time = "2024-03-02T09:30:00Z" },
---     })
---
---@param rows table[]|fun(): table|nil
---@param options? wayproof.ReaderOptions
---@return wayproof.Log? log
---@return string? message
---@return string? code
function wp.read_rows(rows, options) end

--- Opens a store, a file written by `log:save` or `wp.store`, as a log. At once: an analysis reads
--- the columns that it needs. The log stays as it is now, also while somebody appends.
---
---     local log = assert(wp.open "shop.way")
---
---@param path string
---@return wayproof.Log? log
---@return string? message
---@return string? code
function wp.open(path) end

--- Opens a store for writing, and makes it when it is missing. Others may read it meanwhile.
---
---     local store <close> = assert(wp.store "shop.way")
---     print(assert(store:append(wp.read_csv("june.csv", { value = "revenue" }))))
---
---@param path string
---@return wayproof.Store? store
---@return string? message
---@return string? code
function wp.store(path) end

--- Reads a table with one row per person into a frame.
---
---     local frame = assert(wp.read_frame "cookie_cats.csv")
---
---@param path string
---@param options? { delimiter: string, bad_rows: "fail"|"skip", limit: integer }
---@return wayproof.Frame? frame
---@return string? message
---@return string? code
function wp.read_frame(path, options) end

--- Makes a frame, one row per person, from Lua arrays.
---
---     local frame = wp.frame {
---       rounds = { 3, 165, 38 }, retained_7 = { false, true, false },
---     }
---
---@param columns table<string, any[]>
---@param options? { rows: integer, order: string[] }  rows: for arrays with holes
---@return wayproof.Frame
function wp.frame(columns, options) end

-- ## Conditions for filters

--- More than a number, in a filter.
---
---     wp.count("purchase", { value = wp.above(100) })
---
---@param number number
---@return wayproof.Condition
function wp.above(number) end

--- Less than a number, in a filter.
---
---     wp.count("purchase", { value = wp.below(10) })
---
---@param number number
---@return wayproof.Condition
function wp.below(number) end

--- From a number to another, both included, in a filter.
---
---     wp.count("purchase", { value = wp.between(10, 100) })
---
---@param low number
---@param high number
---@return wayproof.Condition
function wp.between(low, high) end

--- Anything but a value, a list of values or a condition; also where the property is missing.
---
---     log:where { channel = wp.is_not { "ads", "affiliate" } }
---
---@param value string|number|boolean|table
---@return wayproof.Condition
function wp.is_not(value) end

-- ## Metrics: one number per user, in the observation window

--- How many events.
---
---     wp.count { "compare", "faq" }
---     wp.count("W_*", { lifecycle = "COMPLETE" })
---     wp.count { channel = "ads" }
---
---@param events? wayproof.Events  default: all
---@param filter? wayproof.Filter
---@return wayproof.Metric
function wp.count(events, filter) end

--- Whether an event happened: 0 or 1.
---
---     wp.did "compare"
---
---@param events? wayproof.Events
---@param filter? wayproof.Filter
---@return wayproof.Metric
function wp.did(events, filter) end

--- How many different values of a property, or kinds of event.
---
---     wp.distinct("event")
---     wp.distinct("product", "product_view")
---
---@param property string  a property, or `"event"`
---@param events? wayproof.Events
---@param filter? wayproof.Filter
---@return wayproof.Metric
function wp.distinct(property, events, filter) end

--- Sum of the value column, or of the number column named second.
---
---     wp.sum "purchase"
---     wp.sum("purchase", "shipping")
---
---@param events? wayproof.Events
---@param column? string
---@param filter? wayproof.Filter
---@return wayproof.Metric
function wp.sum(events, column, filter) end

--- Mean of the value column, or of the number column named second; missing without a value.
---
---     wp.mean "purchase"
---
---@param events? wayproof.Events
---@param column? string
---@param filter? wayproof.Filter
---@return wayproof.Metric
function wp.mean(events, column, filter) end

--- Largest value; missing without a value.
---
---     wp.max("purchase", "revenue")
---
---@param events? wayproof.Events
---@param column? string
---@param filter? wayproof.Filter
---@return wayproof.Metric
function wp.max(events, column, filter) end

--- Smallest value; missing without a value.
---
---     wp.min("purchase", "revenue")
---
---@param events? wayproof.Events
---@param column? string
---@param filter? wayproof.Filter
---@return wayproof.Metric
function wp.min(events, column, filter) end

--- First value in time; missing without a value.
---
---     wp.first_value "rating"
---
---@param events? wayproof.Events
---@param column? string
---@param filter? wayproof.Filter
---@return wayproof.Metric
function wp.first_value(events, column, filter) end

--- Last value in time; missing without a value.
---
---     wp.last_value "rating"
---
---@param events? wayproof.Events
---@param column? string
---@param filter? wayproof.Filter
---@return wayproof.Metric
function wp.last_value(events, column, filter) end

--- How many sessions; a gap longer than the timeout starts a new one.
---
---     wp.sessions { timeout = "30m" }
---
---@param options? { timeout: wayproof.Duration }  default 30 minutes
---@return wayproof.Metric
function wp.sessions(options) end

--- How many calendar days with an event.
---
---     wp.active_days { zone = "Europe/Berlin" }
---
---@param options? { zone: string }  default UTC
---@return wayproof.Metric
function wp.active_days(options) end

--- Seconds from the window's start to the first event; the whole window when it never happened.
---
---     wp.time_to "compare"
---
---@param events? wayproof.Events
---@param filter? wayproof.Filter
---@return wayproof.Metric
function wp.time_to(events, filter) end

--- Seconds from the first `a` to the next `b`. Strictly after it; missing when there is none.
---
---     wp.time_between("search", "compare")
---
---@param a wayproof.Events
---@param b wayproof.Events
---@return wayproof.Metric
function wp.time_between(a, b) end

--- Seconds from each event to the user's next one, each at most 30 minutes; the last counts 0.
---
---     wp.dwell "product_view"
---
---@param events? wayproof.Events
---@param filter? wayproof.Filter
---@return wayproof.Metric
function wp.dwell(events, filter) end

--- Longest time without an event, in seconds.
---
---     wp.longest_gap()
---
---@return wayproof.Metric
function wp.longest_gap() end

--- Median time between events, in seconds; missing below two events.
---
---     wp.pace()
---
---@return wayproof.Metric
function wp.pace() end

--- Furthest stage reached in order, from 0 to the number of stages.
---
---     wp.depth(stages)
---
---@param stages wayproof.Stages
---@return wayproof.Metric
function wp.depth(stages) end

--- How many moves to an earlier stage.
---
---     wp.backtracks(stages)
---
---@param stages wayproof.Stages
---@return wayproof.Metric
function wp.backtracks(stages) end

--- Seconds from entering a stage to any later stage; the window's end when there is none.
---
---     wp.hesitation(stages, "decide")
---
--- Missing if the stage was never entered.
---@param stages wayproof.Stages
---@param stage string|integer
---@return wayproof.Metric
function wp.hesitation(stages, stage) end

--- How often an event was followed at once by the same event.
---
---     wp.self_loops "search"
---
---@param events? wayproof.Events
---@param filter? wayproof.Filter
---@return wayproof.Metric
function wp.self_loops(events, filter) end

--- How often a user went back at once: A, another event, A.
---
---     wp.u_turns { "pricing", "faq" }
---
---@param events? wayproof.Events
---@param filter? wayproof.Filter
---@return wayproof.Metric
function wp.u_turns(events, filter) end

--- How often steps happened in order. Leftmost, greedy, non-overlapping.
---
---     wp.matches({ "search", { "compare", "faq" }, "buy" }, { within = "1d" })
---
---@param steps wayproof.Events[]
---@param options? { within: wayproof.Duration }  from the first step to the last
---@return wayproof.Metric
function wp.matches(steps, options) end

--- A number column of the users table.
---
---     wp.attribute "seats"
---
---@param name string
---@return wayproof.Metric
function wp.attribute(name) end

--- A metric written in Lua: the slow path.
---
---     wp.custom("big orders", function(journey, window)
---       local count = 0
---       for i = 1, #journey do
---         if (journey[i].value or 0) > 100 then count = count + 1 end
---       end
---       return count
---     end, { events = "purchase" })
---
--- The journey holds the events of the window, which is `{ from, to }` in microseconds. `events`
--- says which events it reads; without it leakage by definition cannot be checked, and a verdict
--- has grade C at most.
---@param name string
---@param call fun(journey: wayproof.Journey, window: table): number?
---@param options? { events: wayproof.Events }
---@return wayproof.Metric
function wp.custom(name, call, options) end

--- log(1 + metric), for counts with a long tail.
---
---     wp.log1p(wp.count "compare")
---
---@param metric wayproof.Metric
---@return wayproof.Metric
function wp.log1p(metric) end

--- One number per user, as a tree of data. Metrics combine with `+ - * /` and numbers; x/0 is
--- missing.
---
---     wp.count "compare" / wp.count()
---
---@class wayproof.Metric
---@field kind string
---@field title? string
---@operator add(wayproof.Metric|number): wayproof.Metric
---@operator sub(wayproof.Metric|number): wayproof.Metric
---@operator mul(wayproof.Metric|number): wayproof.Metric
---@operator div(wayproof.Metric|number): wayproof.Metric
---@operator unm: wayproof.Metric
local Metric = {}

--- 1 where the metric is at least a number, else 0; missing stays missing.
---
---     wp.count "compare":at_least(3)
---
---@param number number
---@return wayproof.Metric
function Metric:at_least(number) end

--- The metric, but never more than a number.
---
---     wp.count "compare":capped(20)
---
---@param number number
---@return wayproof.Metric
function Metric:capped(number) end

--- The metric, with a number in place of a missing value.
---
---     wp.mean "purchase":default(0)
---
---@param number number
---@return wayproof.Metric
function Metric:default(number) end

--- The same metric under a title of your own.
---
---     wp.count { "compare", "faq" }:named "guides read"
---
---@param title string
---@return wayproof.Metric
function Metric:named(title) end

--- What it measures, in words, also where it has a title.
---@return string
function Metric:sentence() end

--- A text that is equal for equal metrics, in every run and process. 32 hex digits; titles do
--- not count.
---
---     wp.count "W_*":fingerprint(log)   -- W_* becomes the log's event names
---
---@param log? wayproof.Log
---@return string
function Metric:fingerprint(log) end

-- ## Outcomes: what happens in the outcome window

--- Whether the user does one of the events.
---
---     wp.converts "purchase"
---     wp.converts("purchase", { at_least = 2 })
---
---@param events wayproof.Events
---@param options? { at_least: integer }  and conditions of a filter
---@return wayproof.Outcome
function wp.converts(events, options) end

--- Whether the user refers others. As converts, named for referral.
---
---     wp.refers "invite_sent"
---
---@param events wayproof.Events
---@param options? { at_least: integer }
---@return wayproof.Outcome
function wp.refers(events, options) end

---@class wayproof.ActivityOptions
---@field events? wayproof.Events  default: any event
---@field from? wayproof.Duration  from the start of the outcome window (default 0)
---@field to? wayproof.Duration  from the start of the outcome window (default: its end)
---@field at_least? integer  how many events (default 1)
---@field where? wayproof.Filter

--- Whether the user is active in the outcome window, or between two offsets inside it.
---
---     wp.retained { "login", from = "7d", to = "14d" }
---
--- Default: any event, in the whole outcome window.
---@param options? wayproof.ActivityOptions
---@return wayproof.Outcome
function wp.retained(options) end

--- Whether the user is gone: the opposite of retained.
---
---     wp.churned()
---
---@param options? wayproof.ActivityOptions
---@return wayproof.Outcome
function wp.churned(options) end

--- What the user spends. The sum of the value column, or of the number column named second.
---
---     wp.earns "purchase"
---
---@param events? wayproof.Events
---@param column? string
---@param filter? wayproof.Filter
---@return wayproof.Outcome
function wp.earns(events, column, filter) end

--- How soon the user does it. Time to the first event, censored at the window's end.
---
---     wp.accelerates "purchase"
---
---@param events wayproof.Events
---@param filter? wayproof.Filter
---@return wayproof.Outcome
function wp.accelerates(events, filter) end

--- Any metric as an outcome, measured in the outcome window.
---
---     wp.outcome(wp.count "purchase":at_least(2))
---
--- Binary when the metric is 0 or 1 by construction, else numeric.
---@param metric wayproof.Metric
---@return wayproof.Outcome
function wp.outcome(metric) end

--- What happens to a user in the outcome window.
---@class wayproof.Outcome
---@field kind string
---@field scale "binary"|"numeric"|"time"
local Outcome = {}

--- The same outcome under a title of your own.
---@param title string
---@return wayproof.Outcome
function Outcome:named(title) end

--- What it is, in words, also where it has a title.
---@return string
function Outcome:sentence() end

--- A text that is equal for equal outcomes, in every run and process. 32 hex digits.
---@param log? wayproof.Log
---@return string
function Outcome:fingerprint(log) end

-- ## Stages and hypotheses

--- Stages of progression in order. Each is a name, then the events that mean it.
---
---     local stages = wp.stages {
---       { "discover", "landing", "search" },
---       { "compare",  "product_view", "compare", "faq" },
---       { "buy",      "purchase" },
---     }
---
---@param list (string|string[])[]
---@return wayproof.Stages
function wp.stages(list) end

--- A hypothesis: metric, outcome, their windows, and what is assumed.
---
---     local guides = wp.hypothesis "guides build confidence" {
---       metric  = wp.count { "compare", "faq" },
---       outcome = wp.converts "purchase",
---       observe = "7d", within = "30d", expect = "rise",
---     }
---     print(log:validate(guides))
---
---@param name string
---@param options? wayproof.HypothesisOptions  may come in a second call
---@return wayproof.Hypothesis|fun(options: wayproof.HypothesisOptions): wayproof.Hypothesis
function wp.hypothesis(name, options) end

---@class wayproof.HypothesisOptions
---@field metric wayproof.Metric  what you would like to steer by
---@field outcome wayproof.Outcome  what the business wants
---@field observe wayproof.Duration  the metric's window, from the start of the user's clock
---@field within wayproof.Duration  the outcome's window, after the metric's
---@field expect? "rise"|"fall"  default `"rise"`: more of the metric, more of the outcome
---@field from? wayproof.Events  events that start the clock (default: the user's first event)
---@field gap? wayproof.Duration  between the windows (default 0)
---@field population? wayproof.Filter  on the event that starts the clock
---@field prior_outcome? "exclude"|"keep"  people who had the outcome before its window
---@field activity? wayproof.Metric[]  what to beat (default: volume, active days, sessions)
---@field adjust? (string|wayproof.Metric)[]  properties or metrics added to the baseline
---@field cluster? string  a property such as the account
---@field until_events? wayproof.Events  events that end a user's own observation; also `["until"]`
---@field acknowledge? ("missing"|"separation"|"undated_attribute")[]  accepted knowingly
---@field across? string[]  properties whose segments must agree
---@field minimum? number  smallest effect worth acting on: a ratio above 1 (default 1.2)
---@field reliability? number  share of real engagement that activity captures (default 0.40)
---@field strict_vanity? boolean  vanity only when provably below the minimum
---@field as_of? wayproof.Instant  end of observation (default: the last event, with a warning)
---@field alpha? number  default 0.05
---@field seed? integer  default 1

--- What is believed, as data; every default is filled in.
---@class wayproof.Hypothesis
---@field name string
---@field metric wayproof.Metric
---@field outcome wayproof.Outcome
---@field expect "rise"|"fall"
---@field observe_us integer
---@field within_us integer
---@field gap_us integer
local Hypothesis = {}

--- The same hypothesis with some options changed.
---
---     guides:with { name = "guides, slower", within = "60d" }
---
---@param changes wayproof.HypothesisOptions
---@return wayproof.Hypothesis
function Hypothesis:with(changes) end

--- A text that is equal for the same question, in every run and process. 32 hex digits; its
--- name does not count.
---@param log? wayproof.Log
---@return string
function Hypothesis:fingerprint(log) end

--- Stages of progression: `stages[i]` is `{ name, selector }`, `#stages` their number.
---@class wayproof.Stages
local Stages = {}

--- The names of the stages, in order.
---@return string[]
function Stages:names() end

-- ## Times, threads, help

--- A time as microseconds since 1970 in UTC.
---
---     wp.time "2024-03-01T12:00:00Z"   --> 1709294400000000
---
---@param text string  ISO 8601, or epoch
---@return integer time_us
function wp.time(text) end

--- Microseconds since 1970 as ISO 8601 text in UTC.
---
---     wp.date(1709294400000000)   --> "2024-03-01T12:00:00Z"
---
---@param time_us integer
---@return string
function wp.date(time_us) end

--- The record of every question asked, in a SQLite file (made when there is none). A question about
--- an outcome is written down before it is answered and enters the correction of later ones; asking
--- the same of the same data again costs nothing. Close it with `:close()` or `<close>`.
---
---     local ledger = assert(wp.ledger "kpi.db")
---     log:validate(guides, { ledger = ledger })
---     print(ledger:history "comparison guides build confidence")
---
---@param path string
---@return wayproof.Ledger|nil ledger
---@return string? message, string? code
function wp.ledger(path) end

--- The tries of a team, in a SQLite file.
---@class wayproof.Ledger
local Ledger = {}

--- Records a result that was judged without the ledger.
---@param result wayproof.Result
---@return true|nil done
---@return string? message, string? code
function Ledger:record(result) end

--- How a verdict moved: every try of the hypotheses called `name`, oldest first.
---@param name string
---@return table history  list of { started, finished, status, verdict, grade, estimate, low, high,
---   p, p_adjusted, tried, users, data, windows, question }; times in µs UTC
function Ledger:history(name) end

--- Every question tried on an outcome (or on its event), in the order of first asking.
---@param outcome? wayproof.Outcome|string  nil: all outcomes
---@return table tries  list of { name, metric, outcome, first, times, verdict, question }
function Ledger:tries(outcome) end

--- Validated verdicts that have expired: ask again on new data. They do after 90 days by default.
---@param options? { after: string|number, now: integer|string }
---@return table due  list of { name, verdict, grade, validated, age_seconds, question }
function Ledger:due(options) end

--- Closes the file; closing twice is fine.
function Ledger:close() end

--- The number of threads that C code uses; sets it when given one. Results never depend on it.
---
---     wp.threads(4)
---
---@param count? integer
---@return integer
function wp.threads(count) end

--- Lists the verbs, or explains one. By function, by name, or by any of wayproof's objects.
---
---     wp.help()
---     wp.help(wp.count)
---     wp.help "log:validate"
---
--- Prints, and returns the text; at a prompt, where the text shows anyway, it only returns.
---@param topic? any
---@return string
function wp.help(topic) end

-- ## Logs: events in memory

--- Events grouped by user and in time order. `#log` is the number of events.
---@class wayproof.Log
local Log = {}

--- What is in the log. Fields `events, users, first, last, event_names, properties, skipped,
--- bytes`.
---
---     print(log:summary())
---
---@return wayproof.Summary
function Log:summary() end

--- Iterates over every user's id and journey. `journey[i]` is `{ time, event, value, … }`.
---
---     for id, journey in log:journeys() do print(id, #journey) end
---
---@return fun(): string, wayproof.Journey
function Log:journeys() end

--- One user's journey, or nil.
---
---     log:journey "ann"
---
---@param id string|integer
---@return wayproof.Journey?
function Log:journey(id) end

--- A new log with the events that pass. It shares memory with this one.
---
---     log:where { device = "mobile", since = "2024-02-01", events = { "search" } }
---
---@param filter table  property conditions, and `since`, `before`, `users`, `events`, `properties`
---@return wayproof.Log
function Log:where(filter) end

--- Two logs: users who began before a time, and the others.
---
---     local early, late = log:split { at = "2024-04-01" }
---
---@param options { at: wayproof.Instant }
---@return wayproof.Log early
---@return wayproof.Log late
function Log:split(options) end

--- A new log whose unit is another property, such as the account.
---
---     log:regroup "account_id"
---
---@param property string
---@return wayproof.Log
function Log:regroup(property) end

--- Judges a hypothesis, or a list of them. Corrected for multiplicity.
---
---     print(log:validate(guides))
---     print(log:validate { guides, banners })
---
---@param hypothesis wayproof.Hypothesis|wayproof.Hypothesis[]
---@param options? table
---@return wayproof.Result|wayproof.Board|nil
---@return string? message
---@return string? code
function Log:validate(hypothesis, options) end

---@class wayproof.MeasureOptions
---@field metrics table<string, wayproof.Metric>|wayproof.Metric[]  a list of `m:named` keeps order
---@field observe wayproof.Duration
---@field outcome? wayproof.Outcome
---@field within? wayproof.Duration
---@field from? wayproof.Events
---@field gap? wayproof.Duration
---@field prior_outcome? "exclude"|"keep"
---@field population? wayproof.Filter
---@field as_of? wayproof.Instant

--- Measures metrics, one row per user.
---
---     log:measure { metrics = { guides = wp.count "compare" }, observe = "7d",
---       outcome = wp.converts "purchase", within = "30d" }
---
---@param request wayproof.MeasureOptions
---@return wayproof.Frame
function Log:measure(request) end

--- Writes the log as a store, one file: all of it or nothing. A store that is there is replaced,
--- any other file is left alone.
---
---     assert(log:save "shop.way")
---
---@param path string
---@return true|nil done
---@return string? message, string? code
function Log:save(path) end

--- The number of users.
---@return integer
function Log:users() end

--- Frees the log's memory. Views that share it live on; using the log afterwards raises.
function Log:close() end

--- Whether the log has been closed.
---@return boolean
function Log:is_closed() end

-- ## Stores: logs on disk that grow

--- A store opened for writing. Every call is one transaction.
---@class wayproof.Store
local Store = {}

--- Adds the events of a log, all or nothing; late ones sort into place. The same events a second
--- time are refused unless `force`; forgotten users stay out unless `forgotten = "import"`.
---
---     assert(store:append(wp.read_csv("june.csv", options)))
---
---@param log wayproof.Log|fun(): wayproof.Log?, string?  a failed reader call is handed on
---@param options? { force: boolean, forgotten: "keep_out"|"import", source: string }
---@return wayproof.Import? import  fields `import, events, users, new_users, kept_out`
---@return string? message, string? code
function Store:append(log, options) end

--- Removes a user for good: events, id, attributes, and values that only they had, overwritten on
--- disk. A keyed hash of the id is recorded, so that later imports keep them out.
---
---     print(assert(store:forget "ann"))
---
---@param user_id string|integer
---@param options? { key: string }  where ids were pseudonymised on reading: the key that was used
---@return wayproof.Forgotten? forgotten  fields `found, events, values`
---@return string? message, string? code
function Store:forget(user_id, options) end

--- Puts together what many imports added and gives free space back.
---@return integer? parts  rewritten
---@return string? message, string? code
function Store:compact() end

--- Reads every byte. Sound: a result that prints itself; damaged: nil, the first damage,
--- `"corrupt"` and the result.
---@return wayproof.StoreCheck? check  fields `ok, found, damages, pages, segments`
---@return string? message, string? code, wayproof.StoreCheck? damages
function Store:verify() end

--- What was imported, oldest first: `import, imported_at, events, users, new_users, kept_out,
--- first, last, fingerprint, source`.
---@return wayproof.Imports? imports
---@return string? message, string? code
function Store:imports() end

--- The store in figures: `events, users, imports, forgotten, runs, parts, bytes`.
---@return table? facts
---@return string? message, string? code
function Store:facts() end

--- Closes the file; closing twice is fine.
function Store:close() end

-- ## Analyses of a log

---@class wayproof.ViewOptions
---@field where? wayproof.Filter  look at these events only
---@field since? wayproof.Instant
---@field before? wayproof.Instant
---@field by? string  also once per group: people by their first value of this property
---@field groups? integer  how many groups, the largest first (default 12)
---@field min_group? integer  leave out groups of fewer people (default 1), and the smallest of the
---   others while those left out are fewer than that together; `users_left` says how many they are

--- Sessions: how many, how long, how busy. A gap longer than the timeout starts a new one.
---
---     print(log:sessions { timeout = "30m" })
---
---@param options? table  `timeout`, and `where, since, before, by`
---@return wayproof.Sessions
function Log:sessions(options) end

---@class wayproof.Sessions
---@field sessions integer
---@field users integer
---@field mean_events number      events per session
---@field median_events number
---@field single_event integer    sessions of one event (share: `single_low` to `single_high`)
---@field median_seconds number   from first to last event; also `p90_seconds`, `max_seconds`
---@field sessions_per_user number
---@field groups? table[]         with `by`: the same fields per `value`

--- Moves from each event to the user's next one, over the whole history or within sessions.
---
---     local moves = log:transitions { within = "session" }
---     print(moves.rows[1].from, moves.rows[1].to, moves.rows[1].probability)
---
---@param options? table  `within = "session"`, `timeout`, `stages` (moves between stages), `times =
---   false` (no medians), and `where, since, before, by`
---@return wayproof.Transitions
function Log:transitions(options) end

---@class wayproof.Transitions
---@field total integer
---@field rows table[]  `from, to, count, users, share` (of all), `probability` (= count / `of`, the
---   moves from `from`) with `low, high`, `median_seconds, p90_seconds`
---@field groups? table[]

--- How many people get how far through steps, and who did not.
---
---     local funnel = log:funnel({ "search", "purchase" }, { within = "7d" })
---     print(funnel)
---     print(#funnel:dropped "search", funnel:explain "posthog")
---
--- A step is an event, a list of events that mean the same, or `{ events =, where =, name =,
--- optional = true, within =, after = }`; `within` and `after` bound the time since the step
--- before.
---@param steps (wayproof.Events|table)[]|wayproof.Stages
---@param options? wayproof.FunnelOptions
---@return wayproof.Funnel
function Log:funnel(steps, options) end

---@class wayproof.FunnelOptions
---@field within? wayproof.Duration  from the first step to the last, inclusive; default: no limit
---@field order? "loose"|"strict"|"any"  others may lie between; the very next event; any order
---@field entry? "any"|"first"|"latest"  which first steps begin an attempt
---@field ties? "as_recorded"|"any"|"strict"  what may follow what at one instant
---@field grace? wayproof.Duration  a step may come so much before the one before it
---@field exclude? string|table  events that must not lie between: names, or `{ events =, where =,
---   between = { step, step }, scope = "attempt" or "user" }`
---@field exclude_scope? "attempt"|"user"  an excluded event ends the attempt, or removes the person
---@field hold? string  a property that stays the same along the steps
---@field denominator? "entered"|"observable"|"all"  of whom rates are
---@field semantics? "clickhouse"|"posthog"|"mixpanel"|"amplitude"|"retentioneering"
---@field attribution? "first"|"last"|string|integer  with `by`: which value; a step: that one's
---@field as_of? wayproof.Instant  end of observation (default: the last event)
---@field where? wayproof.Filter
---@field since? wayproof.Instant
---@field before? wayproof.Instant
---@field by? string
---@field groups? integer  how many groups, the largest first (default 12)
---@field min_group? integer  leave out groups of fewer people: see ViewOptions

---@class wayproof.Funnel
---@field steps table[]  `name, users`; `rate` = `counted` / `of` with `low, high`; `from_previous`
---   likewise; `dropped` and `pending` (went no further; still may); `median_seconds` from the
---   first step, `median_step_seconds` from the one before
---@field people integer     everybody looked at
---@field entered integer    did the first step
---@field converted integer  did the last one
---@field pending integer    did not yet, but their window is open
---@field observable integer of `entered`: their window is over
---@field excluded integer   removed by an exclusion with scope "user"
---@field groups? table[]    with `by`: the same fields per `value`
local Funnel = {}

--- People who reached a step, with their winning sequence.
---
---     for _, person in ipairs(funnel:users "search") do print(person.user) end
---
---@param step string|integer
---@param limit? integer
---@return table[] people  `user, level, pending, events, times` (µs; holes at steps left out)
function Funnel:users(step, limit) end

--- People who reached a step and, though they had the time, went no further.
---
---     print(#funnel:dropped(1))
---
---@param step string|integer
---@param limit? integer
---@return table[] people
function Funnel:dropped(step, limit) end

--- People who reached a step and still have time.
---
---     print(#funnel:pending_users(1))
---
---@param step string|integer
---@param limit? integer
---@return table[] people
function Funnel:pending_users(step, limit) end

--- Whom another tool would count differently, and why.
---
---     print(funnel:explain "posthog")
---
---@param semantics "clickhouse"|"posthog"|"mixpanel"|"amplitude"|"retentioneering"
---@return table comparison  `ours, theirs` (`converted, base`), `differences` of `rule, ours,
---   theirs, further, less, people`
function Funnel:explain(semantics) end

--- What people do after an event, or before one, step by step.
---
---     print(log:paths { start = "search", steps = 5 })
---
---@param options? table  `start` or `finish`, `steps`, `top`, `stages`, `merge_repeats`, `within`
---   (a longer gap ends a path), and `where, since, before, by`
---@return wayproof.Paths
function Log:paths(options) end

---@class wayproof.Paths
---@field users integer      people with the anchor event
---@field matrix table<string, number[]>  share of them on an event at step k; "(over)": path ended
---@field sequences table[]  `users, share, low, high, events`, the most frequent first
---@field distinct integer   different sequences in all
---@field cycles table[]     `path, events, count, users, share`: x > x, x > y > x, x > y > z > x
---@field groups? table[]

--- Cohorts by the period in which users began, and how many came back in each period after it.
---
---     print(log:retention { period = "week", returns = "purchase" })
---
---@param options? table  `period` ("day" "week" "month"), `periods, start, returns`, `mode` ("on"
---   "on_or_after"), `align` ("calendar" "user"), `zone, as_of`, and `where, since, before, by`
---@return wayproof.Retention
function Log:retention(options) end

---@class wayproof.Retention
---@field cohorts table[]  `start` (µs), `users`, and by period: `retained`, `observable`,
---   `complete` (over for all of them), `rates, low, high` (false: nobody to see yet)
---@field overall table    the same over all cohorts, of people whose period was over
---@field groups? table[]

--- How long people stay with each event: the time to their next one.
---
---     print(log:dwell { within = "session" })
---
---@param options? table  `stages`, `cap` (the most a gap counts in the mean, "30m"), `within =
---   "session"`, `timeout`, and `where, since, before, by`
---@return wayproof.Dwell
function Log:dwell(options) end

---@class wayproof.Dwell
---@field rows table[]  `event, events, gaps, users, median_seconds, p75_seconds, p90_seconds,
---   p99_seconds, max_seconds, mean_capped_seconds`; `last` events had no next one, `end_rate` with
---   `low, high`
---@field groups? table[]

--- How long people stay away: the distribution of the time from one event to the next.
---
---     print(log:gaps { events = "purchase" })
---
---@param options? table  `events` (others are as if absent), and `where, since, before, by`
---@return wayproof.Gaps
function Log:gaps(options) end

---@class wayproof.Gaps
---@field gaps integer
---@field median_seconds number  also `p75_seconds, p90_seconds, p99_seconds, max_seconds`
---@field bands table[]          `from_seconds, to_seconds, count, share, low, high`
---@field groups? table[]

--- Where people stop, what went before, and what it costs in outcomes.
---
---     local stages = wp.stages { { "look", "search" }, "compare", "purchase" }
---     local friction = log:friction(stages, { outcome = "purchase" })
---     print(friction)
---     print(friction.early, friction.late, friction.written_off.expected)
---
--- A signal is something that people did, or not, between entering a stage and its landmark (the
--- median time that moving on takes). People with it are compared with equals without it who are
--- still in the stage, by the outcomes after the landmark; the sign is found, not assumed.
---
--- `outcome` is an event, wp.converts or wp.refers; `within` is the time that a stage may take, and
--- an outcome after the landmark (default "30d", at most a quarter of the log); `observe` is the
--- landmark, `early` the last early stage, `minimum` the smallest difference that matters.
---@param stages wayproof.Stages
---@param options table  `outcome`; within, observe, early, minimum, as_of; where, since, before, by
---@return wayproof.Friction
function Log:friction(stages, options) end

---@class wayproof.Friction
---@field stages table[]       `name, entered, advanced, left, pending, median_seconds`
---   (Kaplan-Meier: people who are still inside count), `lost_outcomes`; `rate, low, high` (moved
---   on in time)
---@field signals table[]      `name, stage, users, rate_with, rate_without, difference, low, high,
---   p, q, certain, outcomes_per_month`; the certain ones first, then the dearest
---@field early number         outcomes that the early stages lose
---@field late number          outcomes that the late stages lose
---@field written_off table    `people` stuck in an early stage, the outcomes `expected` of them
---   with `low, high`, `observed`, `claimed` (0), `alike`, `calibration`
---@field top? table           `stage, entered, reached, reach, late_rate, starving`
---@field groups? table[]

--- Which touchpoints remove uncertainty and which create it.
---
---     local clarity = log:clarity(stages, { content = "page" })
---     print(clarity)
---     print(clarity.rows[1].item, clarity.rows[1].label)
---
--- What follows people's first meeting of an item is compared with what follows other touches of
--- people at the same stage, equally long in it and equally active, who have not met it.
---
--- `content` is a text property, events, or { property = …, events = … } (default: every event);
--- `outcome` counts as moving on from any stage; `within` is the window after a touch (default
--- "1d", at most a quarter of the log); `minimum` is the smallest difference that matters.
---@param stages wayproof.Stages
---@param options? table  content, outcome, within, minimum, as_of; where, since, before, by
---@return wayproof.Clarity
function Log:clarity(stages, options) end

---@class wayproof.Clarity
---@field rows table[]    `item, stage, users, advance` (difference in the share that moves on),
---   `low, high, q, label` ("clears" "clouds" "neutral" "unknown" "structural"); also `back,
---   linger, leave` (differences), `base` (share of the others that moves on), `passed, event,
---   value`
---@field effort table[]  `stage, users, median_events, median_engaged_seconds` of who moved on
---@field tested integer  rows with enough people to compare
---@field groups? table[]

-- ## Frames: one row per person

--- A table with one row per person. `#frame` is the number of rows, `frame.n` counts who was left
--- out.
---@class wayproof.Frame
---@field n table
local Frame = {}

--- The values of a column, as a list with missing values as nil.
---
---     frame:column "guides"
---
---@param name string
---@return any[]
function Frame:column(name) end

--- Iterates over the rows as tables.
---
---     for row in frame:rows() do print(row.user, row.guides, row.outcome) end
---
---@return fun(): table
function Frame:rows() end

--- Judges columns of the frame as a log judges events.
---
---     frame:validate { metric = "rounds", outcome = "retained_7", expect = "rise",
---       metric_window = { "0d", "7d" }, outcome_window = { "7d", "8d" } }
---
---@param hypothesis table
---@return wayproof.Result
function Frame:validate(hypothesis) end

--- The numbers of a column as a vector for `wayproof.stats`. They are not copied into Lua.
---
---     stats.auc(frame:vector "guides", frame:vector "outcome")
---
---@param name string
---@return wayproof.Vector
function Frame:vector(name) end

--- Plain Lua data.
---@return table
function Frame:table() end

--- A string of JSON.
---@return string
function Frame:json() end

--- Writes the rows to a CSV file.
---@param path string
---@return boolean?
---@return string? message
---@return string? code
function Frame:csv(path) end

--- Frees the frame's memory.
function Frame:close() end

-- ## Results

---@alias wayproof.Verdict
---| "validated"
---| "vanity"
---| "unrelated"
---| "reversed"
---| "unstable"
---| "leaking"
---| "inconclusive"
---| "invalid"

--- A verdict and everything it rests on; immutable.
---@class wayproof.Result
---@field verdict wayproof.Verdict
---@field grade "A"|"B"|"C"|nil
---@field reasons { code: string, text: string }[]
---@field warnings { code: string, text: string }[]
---@field name string
---@field n table  users = outside + no_anchor + too_recent + prior_outcome + missing + used
local Result = {}

--- Plain Lua data.
---@return table
function Result:table() end

--- A string of JSON.
---@return string
function Result:json() end

--- Results of several hypotheses, the most useful first: `#board`, `board[i]`, `board[name]`.
---@class wayproof.Board
---@field tried integer
local Board = {}

--- Plain Lua data.
---@return table
function Board:table() end

--- A string of JSON.
---@return string
function Board:json() end

return wp
