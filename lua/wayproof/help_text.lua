--- What wp.help says: made by tools/help.lua from types/wayproof.lua; not edited by hand.
-- luacheck: no max line length
return {
  {
    class = true,
    fields = {
      {
        name = "_VERSION",
        type = "string",
      },
    },
    name = "wayproof",
  },
  {
    class = true,
    fields = {
      {
        name = "user?",
        text = "column with the user's id (default `\"user\"`)",
        type = "string",
      },
      {
        name = "event?",
        text = "column with the event's name (default `\"event\"`)",
        type = "string",
      },
      {
        name = "time?",
        text = "column with the time (default `\"time\"`)",
        type = "string",
      },
      {
        name = "value?",
        text = "the default number column",
        type = "string",
      },
      {
        name = "numbers?",
        text = "further number columns",
        type = "string[]",
      },
      {
        name = "properties?",
        text = "text columns",
        type = "string[]",
      },
      {
        name = "order?",
        text = "column that breaks ties of equal time (default: row order)",
        type = "string",
      },
      {
        name = "time_format?",
        text = "strptime style (default: ISO 8601, or epoch numbers)",
        type = "string",
      },
      {
        name = "time_unit?",
        text = "of epoch numbers (default: by magnitude)",
        type = "\"s\"|\"ms\"|\"us\"",
      },
      {
        name = "timezone?",
        text = "of times without an offset: an IANA name or an offset (default `\"UTC\"`)",
        type = "string",
      },
      {
        name = "event_name?",
        text = "one name for every row, instead of an event column",
        type = "string",
      },
      {
        name = "bad_rows?",
        text = "skipped rows are counted in the summary",
        type = "\"fail\"|\"skip\"",
      },
      {
        name = "limit?",
        text = "read at most so many rows",
        type = "integer",
      },
      {
        name = "delimiter?",
        text = "of a CSV file (default: detected)",
        type = "string",
      },
      {
        name = "users?",
        text = "a second table that describes the users",
        type = "wayproof.UsersOptions",
      },
      {
        name = "pseudonymise?",
        text = "a secret text of at least 16 characters (or true, and the",
        type = "string|boolean",
      },
      {
        name = "key?",
        text = "see pseudonymise",
        type = "string",
      },
    },
    group = "Loading",
    name = "wayproof.ReaderOptions",
    text = "text as `key`): ids are replaced by a hash keyed with it; it is not kept",
  },
  {
    class = true,
    fields = {
      {
        name = "path?",
        text = "a CSV file or a database",
        type = "string",
      },
      {
        name = "table?",
        type = "string",
      },
      {
        name = "query?",
        type = "string",
      },
      {
        name = "rows?",
        type = "table[]|fun(): table|nil",
      },
      {
        name = "id?",
        text = "column with the user's id",
        type = "string",
      },
      {
        name = "events?",
        text = "time column = name of the event that it becomes",
        type = "table<string, string>",
      },
      {
        name = "properties?",
        type = "string[]",
      },
      {
        name = "numbers?",
        type = "string[]",
      },
      {
        name = "alias?",
        text = "column with an earlier id of the same person",
        type = "string",
      },
      {
        name = "known_at?",
        text = "column with the time at which the attributes were known",
        type = "string",
      },
    },
    group = "Loading",
    name = "wayproof.UsersOptions",
  },
  {
    example = "local log = assert(wp.read_csv(\"events.csv\", {\n  user = \"user_id\", time = \"timestamp\", value = \"revenue\",\n  properties = { \"channel\", \"device\" },\n}))",
    group = "Loading",
    name = "wp.read_csv",
    params = {
      {
        name = "path",
        type = "string|string[]",
      },
      {
        name = "options?",
        type = "wayproof.ReaderOptions",
      },
    },
    returns = {
      "wayproof.Log? log",
      "string? message  the file, row and value that cannot be read",
      "string? code",
    },
    signature = "wp.read_csv(path, options)",
    text = "Reads events from a CSV file (or a list of files) into a log.\nRFC 4180, with BOM, CRLF, other delimiters, and `.gz`. Raises on unknown options.",
  },
  {
    example = "local log = assert(wp.read_sqlite(\"shop.db\", {\n  table = \"events\", user = \"user_id\", time = \"ts\",\n}))",
    group = "Loading",
    name = "wp.read_sqlite",
    params = {
      {
        name = "path",
        type = "string",
      },
      {
        name = "options",
        text = "with `table = \"events\"` or `query = \"SELECT …\"`",
        type = "wayproof.ReaderOptions",
      },
    },
    returns = {
      "wayproof.Log? log",
      "string? message",
      "string? code",
    },
    signature = "wp.read_sqlite(path, options)",
    text = "Reads events from a SQLite database, which is opened read-only.",
  },
  {
    example = "local log = assert(wp.read_rows {\n  { user = \"ann\", event = \"search\", time = \"2024-03-01T12:00:00Z\" },\n  { user = \"ann\", event = \"purchase\", time = \"2024-03-02T09:30:00Z\" },\n})",
    group = "Loading",
    name = "wp.read_rows",
    params = {
      {
        name = "rows",
        type = "table[]|fun(): table|nil",
      },
      {
        name = "options?",
        type = "wayproof.ReaderOptions",
      },
    },
    returns = {
      "wayproof.Log? log",
      "string? message",
      "string? code",
    },
    signature = "wp.read_rows(rows, options)",
    text = "Makes a log from a Lua array of tables, or from a function that returns one at a time.",
  },
  {
    example = "local log = assert(wp.open \"shop.way\")",
    group = "Loading",
    name = "wp.open",
    params = {
      {
        name = "path",
        type = "string",
      },
    },
    returns = {
      "wayproof.Log? log",
      "string? message",
      "string? code",
    },
    signature = "wp.open(path)",
    text = "Opens a store, a file written by `log:save` or `wp.store`, as a log. At once: an analysis reads\nthe columns that it needs. The log stays as it is now, also while somebody appends.",
  },
  {
    example = "local store <close> = assert(wp.store \"shop.way\")\nprint(assert(store:append(wp.read_csv(\"june.csv\", { value = \"revenue\" }))))",
    group = "Loading",
    name = "wp.store",
    params = {
      {
        name = "path",
        type = "string",
      },
    },
    returns = {
      "wayproof.Store? store",
      "string? message",
      "string? code",
    },
    signature = "wp.store(path)",
    text = "Opens a store for writing, and makes it when it is missing. Others may read it meanwhile.",
  },
  {
    example = "local frame = assert(wp.read_frame \"cookie_cats.csv\")",
    group = "Loading",
    name = "wp.read_frame",
    params = {
      {
        name = "path",
        type = "string",
      },
      {
        name = "options?",
        type = "{ delimiter: string, bad_rows: \"fail\"|\"skip\", limit: integer }",
      },
    },
    returns = {
      "wayproof.Frame? frame",
      "string? message",
      "string? code",
    },
    signature = "wp.read_frame(path, options)",
    text = "Reads a table with one row per person into a frame.",
  },
  {
    example = "local frame = wp.frame {\n  rounds = { 3, 165, 38 }, retained_7 = { false, true, false },\n}",
    group = "Loading",
    name = "wp.frame",
    params = {
      {
        name = "columns",
        type = "table<string, any[]>",
      },
      {
        name = "options?",
        text = "rows: for arrays with holes",
        type = "{ rows: integer, order: string[] }",
      },
    },
    returns = {
      "wayproof.Frame",
    },
    signature = "wp.frame(columns, options)",
    text = "Makes a frame, one row per person, from Lua arrays.",
  },
  {
    example = "wp.count(\"purchase\", { value = wp.above(100) })",
    group = "Conditions for filters",
    name = "wp.above",
    params = {
      {
        name = "number",
        type = "number",
      },
    },
    returns = {
      "wayproof.Condition",
    },
    signature = "wp.above(number)",
    text = "More than a number, in a filter.",
  },
  {
    example = "wp.count(\"purchase\", { value = wp.below(10) })",
    group = "Conditions for filters",
    name = "wp.below",
    params = {
      {
        name = "number",
        type = "number",
      },
    },
    returns = {
      "wayproof.Condition",
    },
    signature = "wp.below(number)",
    text = "Less than a number, in a filter.",
  },
  {
    example = "wp.count(\"purchase\", { value = wp.between(10, 100) })",
    group = "Conditions for filters",
    name = "wp.between",
    params = {
      {
        name = "low",
        type = "number",
      },
      {
        name = "high",
        type = "number",
      },
    },
    returns = {
      "wayproof.Condition",
    },
    signature = "wp.between(low, high)",
    text = "From a number to another, both included, in a filter.",
  },
  {
    example = "log:where { channel = wp.is_not { \"ads\", \"affiliate\" } }",
    group = "Conditions for filters",
    name = "wp.is_not",
    params = {
      {
        name = "value",
        type = "string|number|boolean|table",
      },
    },
    returns = {
      "wayproof.Condition",
    },
    signature = "wp.is_not(value)",
    text = "Anything but a value, a list of values or a condition; also where the property is missing.",
  },
  {
    example = "wp.count { \"compare\", \"faq\" }\nwp.count(\"W_*\", { lifecycle = \"COMPLETE\" })\nwp.count { channel = \"ads\" }",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.count",
    params = {
      {
        name = "events?",
        text = "default: all",
        type = "wayproof.Events",
      },
      {
        name = "filter?",
        type = "wayproof.Filter",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.count(events, filter)",
    text = "How many events.",
  },
  {
    example = "wp.did \"compare\"",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.did",
    params = {
      {
        name = "events?",
        type = "wayproof.Events",
      },
      {
        name = "filter?",
        type = "wayproof.Filter",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.did(events, filter)",
    text = "Whether an event happened: 0 or 1.",
  },
  {
    example = "wp.distinct(\"event\")\nwp.distinct(\"product\", \"product_view\")",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.distinct",
    params = {
      {
        name = "property",
        text = "a property, or `\"event\"`",
        type = "string",
      },
      {
        name = "events?",
        type = "wayproof.Events",
      },
      {
        name = "filter?",
        type = "wayproof.Filter",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.distinct(property, events, filter)",
    text = "How many different values of a property, or kinds of event.",
  },
  {
    example = "wp.sum \"purchase\"\nwp.sum(\"purchase\", \"shipping\")",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.sum",
    params = {
      {
        name = "events?",
        type = "wayproof.Events",
      },
      {
        name = "column?",
        type = "string",
      },
      {
        name = "filter?",
        type = "wayproof.Filter",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.sum(events, column, filter)",
    text = "Sum of the value column, or of the number column named second.",
  },
  {
    example = "wp.mean \"purchase\"",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.mean",
    params = {
      {
        name = "events?",
        type = "wayproof.Events",
      },
      {
        name = "column?",
        type = "string",
      },
      {
        name = "filter?",
        type = "wayproof.Filter",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.mean(events, column, filter)",
    text = "Mean of the value column, or of the number column named second; missing without a value.",
  },
  {
    example = "wp.max(\"purchase\", \"revenue\")",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.max",
    params = {
      {
        name = "events?",
        type = "wayproof.Events",
      },
      {
        name = "column?",
        type = "string",
      },
      {
        name = "filter?",
        type = "wayproof.Filter",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.max(events, column, filter)",
    text = "Largest value; missing without a value.",
  },
  {
    example = "wp.min(\"purchase\", \"revenue\")",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.min",
    params = {
      {
        name = "events?",
        type = "wayproof.Events",
      },
      {
        name = "column?",
        type = "string",
      },
      {
        name = "filter?",
        type = "wayproof.Filter",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.min(events, column, filter)",
    text = "Smallest value; missing without a value.",
  },
  {
    example = "wp.first_value \"rating\"",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.first_value",
    params = {
      {
        name = "events?",
        type = "wayproof.Events",
      },
      {
        name = "column?",
        type = "string",
      },
      {
        name = "filter?",
        type = "wayproof.Filter",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.first_value(events, column, filter)",
    text = "First value in time; missing without a value.",
  },
  {
    example = "wp.last_value \"rating\"",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.last_value",
    params = {
      {
        name = "events?",
        type = "wayproof.Events",
      },
      {
        name = "column?",
        type = "string",
      },
      {
        name = "filter?",
        type = "wayproof.Filter",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.last_value(events, column, filter)",
    text = "Last value in time; missing without a value.",
  },
  {
    example = "wp.sessions { timeout = \"30m\" }",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.sessions",
    params = {
      {
        name = "options?",
        text = "default 30 minutes",
        type = "{ timeout: wayproof.Duration }",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.sessions(options)",
    text = "How many sessions; a gap longer than the timeout starts a new one.",
  },
  {
    example = "wp.active_days { zone = \"Europe/Berlin\" }",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.active_days",
    params = {
      {
        name = "options?",
        text = "default UTC",
        type = "{ zone: string }",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.active_days(options)",
    text = "How many calendar days with an event.",
  },
  {
    example = "wp.time_to \"compare\"",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.time_to",
    params = {
      {
        name = "events?",
        type = "wayproof.Events",
      },
      {
        name = "filter?",
        type = "wayproof.Filter",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.time_to(events, filter)",
    text = "Seconds from the window's start to the first event; the whole window when it never happened.",
  },
  {
    example = "wp.time_between(\"search\", \"compare\")",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.time_between",
    params = {
      {
        name = "a",
        type = "wayproof.Events",
      },
      {
        name = "b",
        type = "wayproof.Events",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.time_between(a, b)",
    text = "Seconds from the first `a` to the next `b`. Strictly after it; missing when there is none.",
  },
  {
    example = "wp.dwell \"product_view\"",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.dwell",
    params = {
      {
        name = "events?",
        type = "wayproof.Events",
      },
      {
        name = "filter?",
        type = "wayproof.Filter",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.dwell(events, filter)",
    text = "Seconds from each event to the user's next one, each at most 30 minutes; the last counts 0.",
  },
  {
    example = "wp.longest_gap()",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.longest_gap",
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.longest_gap()",
    text = "Longest time without an event, in seconds.",
  },
  {
    example = "wp.pace()",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.pace",
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.pace()",
    text = "Median time between events, in seconds; missing below two events.",
  },
  {
    example = "wp.depth(stages)",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.depth",
    params = {
      {
        name = "stages",
        type = "wayproof.Stages",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.depth(stages)",
    text = "Furthest stage reached in order, from 0 to the number of stages.",
  },
  {
    example = "wp.backtracks(stages)",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.backtracks",
    params = {
      {
        name = "stages",
        type = "wayproof.Stages",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.backtracks(stages)",
    text = "How many moves to an earlier stage.",
  },
  {
    example = "wp.hesitation(stages, \"decide\")",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.hesitation",
    params = {
      {
        name = "stages",
        type = "wayproof.Stages",
      },
      {
        name = "stage",
        type = "string|integer",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.hesitation(stages, stage)",
    text = "Seconds from entering a stage to any later stage; the window's end when there is none.\nMissing if the stage was never entered.",
  },
  {
    example = "wp.self_loops \"search\"",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.self_loops",
    params = {
      {
        name = "events?",
        type = "wayproof.Events",
      },
      {
        name = "filter?",
        type = "wayproof.Filter",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.self_loops(events, filter)",
    text = "How often an event was followed at once by the same event.",
  },
  {
    example = "wp.u_turns { \"pricing\", \"faq\" }",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.u_turns",
    params = {
      {
        name = "events?",
        type = "wayproof.Events",
      },
      {
        name = "filter?",
        type = "wayproof.Filter",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.u_turns(events, filter)",
    text = "How often a user went back at once: A, another event, A.",
  },
  {
    example = "wp.matches({ \"search\", { \"compare\", \"faq\" }, \"buy\" }, { within = \"1d\" })",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.matches",
    params = {
      {
        name = "steps",
        type = "wayproof.Events[]",
      },
      {
        name = "options?",
        text = "from the first step to the last",
        type = "{ within: wayproof.Duration }",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.matches(steps, options)",
    text = "How often steps happened in order. Leftmost, greedy, non-overlapping.",
  },
  {
    example = "wp.attribute \"seats\"",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.attribute",
    params = {
      {
        name = "name",
        type = "string",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.attribute(name)",
    text = "A number column of the users table.",
  },
  {
    example = "wp.custom(\"big orders\", function(journey, window)\n  local count = 0\n  for i = 1, #journey do\n    if (journey[i].value or 0) > 100 then count = count + 1 end\n  end\n  return count\nend, { events = \"purchase\" })",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.custom",
    params = {
      {
        name = "name",
        type = "string",
      },
      {
        name = "call",
        type = "fun(journey: wayproof.Journey, window: table): number?",
      },
      {
        name = "options?",
        type = "{ events: wayproof.Events }",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.custom(name, call, options)",
    text = "A metric written in Lua: the slow path.\nThe journey holds the events of the window, which is `{ from, to }` in microseconds. `events`\nsays which events it reads; without it leakage by definition cannot be checked, and a verdict\nhas grade C at most.",
  },
  {
    example = "wp.log1p(wp.count \"compare\")",
    group = "Metrics: one number per user, in the observation window",
    name = "wp.log1p",
    params = {
      {
        name = "metric",
        type = "wayproof.Metric",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "wp.log1p(metric)",
    text = "log(1 + metric), for counts with a long tail.",
  },
  {
    class = true,
    example = "wp.count \"compare\" / wp.count()",
    fields = {
      {
        name = "kind",
        type = "string",
      },
      {
        name = "title?",
        type = "string",
      },
    },
    group = "Metrics: one number per user, in the observation window",
    name = "wayproof.Metric",
    text = "One number per user, as a tree of data. Metrics combine with `+ - * /` and numbers; x/0 is\nmissing.",
  },
  {
    example = "wp.count \"compare\":at_least(3)",
    group = "Metrics: one number per user, in the observation window",
    name = "metric:at_least",
    params = {
      {
        name = "number",
        type = "number",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "metric:at_least(number)",
    text = "1 where the metric is at least a number, else 0; missing stays missing.",
  },
  {
    example = "wp.count \"compare\":capped(20)",
    group = "Metrics: one number per user, in the observation window",
    name = "metric:capped",
    params = {
      {
        name = "number",
        type = "number",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "metric:capped(number)",
    text = "The metric, but never more than a number.",
  },
  {
    example = "wp.mean \"purchase\":default(0)",
    group = "Metrics: one number per user, in the observation window",
    name = "metric:default",
    params = {
      {
        name = "number",
        type = "number",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "metric:default(number)",
    text = "The metric, with a number in place of a missing value.",
  },
  {
    example = "wp.count { \"compare\", \"faq\" }:named \"guides read\"",
    group = "Metrics: one number per user, in the observation window",
    name = "metric:named",
    params = {
      {
        name = "title",
        type = "string",
      },
    },
    returns = {
      "wayproof.Metric",
    },
    signature = "metric:named(title)",
    text = "The same metric under a title of your own.",
  },
  {
    group = "Metrics: one number per user, in the observation window",
    name = "metric:sentence",
    returns = {
      "string",
    },
    signature = "metric:sentence()",
    text = "What it measures, in words, also where it has a title.",
  },
  {
    example = "wp.count \"W_*\":fingerprint(log)   -- W_* becomes the log's event names",
    group = "Metrics: one number per user, in the observation window",
    name = "metric:fingerprint",
    params = {
      {
        name = "log?",
        type = "wayproof.Log",
      },
    },
    returns = {
      "string",
    },
    signature = "metric:fingerprint(log)",
    text = "A text that is equal for equal metrics, in every run and process. 32 hex digits; titles do\nnot count.",
  },
  {
    example = "wp.converts \"purchase\"\nwp.converts(\"purchase\", { at_least = 2 })",
    group = "Outcomes: what happens in the outcome window",
    name = "wp.converts",
    params = {
      {
        name = "events",
        type = "wayproof.Events",
      },
      {
        name = "options?",
        text = "and conditions of a filter",
        type = "{ at_least: integer }",
      },
    },
    returns = {
      "wayproof.Outcome",
    },
    signature = "wp.converts(events, options)",
    text = "Whether the user does one of the events.",
  },
  {
    example = "wp.refers \"invite_sent\"",
    group = "Outcomes: what happens in the outcome window",
    name = "wp.refers",
    params = {
      {
        name = "events",
        type = "wayproof.Events",
      },
      {
        name = "options?",
        type = "{ at_least: integer }",
      },
    },
    returns = {
      "wayproof.Outcome",
    },
    signature = "wp.refers(events, options)",
    text = "Whether the user refers others. As converts, named for referral.",
  },
  {
    class = true,
    fields = {
      {
        name = "events?",
        text = "default: any event",
        type = "wayproof.Events",
      },
      {
        name = "from?",
        text = "from the start of the outcome window (default 0)",
        type = "wayproof.Duration",
      },
      {
        name = "to?",
        text = "from the start of the outcome window (default: its end)",
        type = "wayproof.Duration",
      },
      {
        name = "at_least?",
        text = "how many events (default 1)",
        type = "integer",
      },
      {
        name = "where?",
        type = "wayproof.Filter",
      },
    },
    group = "Outcomes: what happens in the outcome window",
    name = "wayproof.ActivityOptions",
  },
  {
    example = "wp.retained { \"login\", from = \"7d\", to = \"14d\" }",
    group = "Outcomes: what happens in the outcome window",
    name = "wp.retained",
    params = {
      {
        name = "options?",
        type = "wayproof.ActivityOptions",
      },
    },
    returns = {
      "wayproof.Outcome",
    },
    signature = "wp.retained(options)",
    text = "Whether the user is active in the outcome window, or between two offsets inside it.\nDefault: any event, in the whole outcome window.",
  },
  {
    example = "wp.churned()",
    group = "Outcomes: what happens in the outcome window",
    name = "wp.churned",
    params = {
      {
        name = "options?",
        type = "wayproof.ActivityOptions",
      },
    },
    returns = {
      "wayproof.Outcome",
    },
    signature = "wp.churned(options)",
    text = "Whether the user is gone: the opposite of retained.",
  },
  {
    example = "wp.earns \"purchase\"",
    group = "Outcomes: what happens in the outcome window",
    name = "wp.earns",
    params = {
      {
        name = "events?",
        type = "wayproof.Events",
      },
      {
        name = "column?",
        type = "string",
      },
      {
        name = "filter?",
        type = "wayproof.Filter",
      },
    },
    returns = {
      "wayproof.Outcome",
    },
    signature = "wp.earns(events, column, filter)",
    text = "What the user spends. The sum of the value column, or of the number column named second.",
  },
  {
    example = "wp.accelerates \"purchase\"",
    group = "Outcomes: what happens in the outcome window",
    name = "wp.accelerates",
    params = {
      {
        name = "events",
        type = "wayproof.Events",
      },
      {
        name = "filter?",
        type = "wayproof.Filter",
      },
    },
    returns = {
      "wayproof.Outcome",
    },
    signature = "wp.accelerates(events, filter)",
    text = "How soon the user does it. Time to the first event, censored at the window's end.",
  },
  {
    example = "wp.outcome(wp.count \"purchase\":at_least(2))",
    group = "Outcomes: what happens in the outcome window",
    name = "wp.outcome",
    params = {
      {
        name = "metric",
        type = "wayproof.Metric",
      },
    },
    returns = {
      "wayproof.Outcome",
    },
    signature = "wp.outcome(metric)",
    text = "Any metric as an outcome, measured in the outcome window.\nBinary when the metric is 0 or 1 by construction, else numeric.",
  },
  {
    class = true,
    fields = {
      {
        name = "kind",
        type = "string",
      },
      {
        name = "scale",
        type = "\"binary\"|\"numeric\"|\"time\"",
      },
    },
    group = "Outcomes: what happens in the outcome window",
    name = "wayproof.Outcome",
    text = "What happens to a user in the outcome window.",
  },
  {
    group = "Outcomes: what happens in the outcome window",
    name = "outcome:named",
    params = {
      {
        name = "title",
        type = "string",
      },
    },
    returns = {
      "wayproof.Outcome",
    },
    signature = "outcome:named(title)",
    text = "The same outcome under a title of your own.",
  },
  {
    group = "Outcomes: what happens in the outcome window",
    name = "outcome:sentence",
    returns = {
      "string",
    },
    signature = "outcome:sentence()",
    text = "What it is, in words, also where it has a title.",
  },
  {
    group = "Outcomes: what happens in the outcome window",
    name = "outcome:fingerprint",
    params = {
      {
        name = "log?",
        type = "wayproof.Log",
      },
    },
    returns = {
      "string",
    },
    signature = "outcome:fingerprint(log)",
    text = "A text that is equal for equal outcomes, in every run and process. 32 hex digits.",
  },
  {
    example = "local stages = wp.stages {\n  { \"discover\", \"landing\", \"search\" },\n  { \"compare\",  \"product_view\", \"compare\", \"faq\" },\n  { \"buy\",      \"purchase\" },\n}",
    group = "Stages and hypotheses",
    name = "wp.stages",
    params = {
      {
        name = "list",
        type = "(string|string[])[]",
      },
    },
    returns = {
      "wayproof.Stages",
    },
    signature = "wp.stages(list)",
    text = "Stages of progression in order. Each is a name, then the events that mean it.",
  },
  {
    example = "local guides = wp.hypothesis \"guides build confidence\" {\n  metric  = wp.count { \"compare\", \"faq\" },\n  outcome = wp.converts \"purchase\",\n  observe = \"7d\", within = \"30d\", expect = \"rise\",\n}\nprint(log:validate(guides))",
    group = "Stages and hypotheses",
    name = "wp.hypothesis",
    params = {
      {
        name = "name",
        type = "string",
      },
      {
        name = "options?",
        text = "may come in a second call",
        type = "wayproof.HypothesisOptions",
      },
    },
    returns = {
      "wayproof.Hypothesis|fun(options: wayproof.HypothesisOptions): wayproof.Hypothesis",
    },
    signature = "wp.hypothesis(name, options)",
    text = "A hypothesis: metric, outcome, their windows, and what is assumed.",
  },
  {
    class = true,
    fields = {
      {
        name = "metric",
        text = "what you would like to steer by",
        type = "wayproof.Metric",
      },
      {
        name = "outcome",
        text = "what the business wants",
        type = "wayproof.Outcome",
      },
      {
        name = "observe",
        text = "the metric's window, from the start of the user's clock",
        type = "wayproof.Duration",
      },
      {
        name = "within",
        text = "the outcome's window, after the metric's",
        type = "wayproof.Duration",
      },
      {
        name = "expect?",
        text = "default `\"rise\"`: more of the metric, more of the outcome",
        type = "\"rise\"|\"fall\"",
      },
      {
        name = "from?",
        text = "events that start the clock (default: the user's first event)",
        type = "wayproof.Events",
      },
      {
        name = "gap?",
        text = "between the windows (default 0)",
        type = "wayproof.Duration",
      },
      {
        name = "population?",
        text = "on the event that starts the clock",
        type = "wayproof.Filter",
      },
      {
        name = "prior_outcome?",
        text = "people who had the outcome before its window",
        type = "\"exclude\"|\"keep\"",
      },
      {
        name = "activity?",
        text = "what to beat (default: volume, active days, sessions)",
        type = "wayproof.Metric[]",
      },
      {
        name = "adjust?",
        text = "properties or metrics added to the baseline",
        type = "(string|wayproof.Metric)[]",
      },
      {
        name = "cluster?",
        text = "a property such as the account",
        type = "string",
      },
      {
        name = "until_events?",
        text = "events that end a user's own observation; also `[\"until\"]`",
        type = "wayproof.Events",
      },
      {
        name = "acknowledge?",
        text = "accepted knowingly",
        type = "(\"missing\"|\"separation\"|\"undated_attribute\")[]",
      },
      {
        name = "across?",
        text = "properties whose segments must agree",
        type = "string[]",
      },
      {
        name = "minimum?",
        text = "smallest effect worth acting on: a ratio above 1 (default 1.2)",
        type = "number",
      },
      {
        name = "reliability?",
        text = "share of real engagement that activity captures (default 0.40)",
        type = "number",
      },
      {
        name = "strict_vanity?",
        text = "vanity only when provably below the minimum",
        type = "boolean",
      },
      {
        name = "as_of?",
        text = "end of observation (default: the last event, with a warning)",
        type = "wayproof.Instant",
      },
      {
        name = "alpha?",
        text = "default 0.05",
        type = "number",
      },
      {
        name = "seed?",
        text = "default 1",
        type = "integer",
      },
    },
    group = "Stages and hypotheses",
    name = "wayproof.HypothesisOptions",
  },
  {
    class = true,
    fields = {
      {
        name = "name",
        type = "string",
      },
      {
        name = "metric",
        type = "wayproof.Metric",
      },
      {
        name = "outcome",
        type = "wayproof.Outcome",
      },
      {
        name = "expect",
        type = "\"rise\"|\"fall\"",
      },
      {
        name = "observe_us",
        type = "integer",
      },
      {
        name = "within_us",
        type = "integer",
      },
      {
        name = "gap_us",
        type = "integer",
      },
    },
    group = "Stages and hypotheses",
    name = "wayproof.Hypothesis",
    text = "What is believed, as data; every default is filled in.",
  },
  {
    example = "guides:with { name = \"guides, slower\", within = \"60d\" }",
    group = "Stages and hypotheses",
    name = "hypothesis:with",
    params = {
      {
        name = "changes",
        type = "wayproof.HypothesisOptions",
      },
    },
    returns = {
      "wayproof.Hypothesis",
    },
    signature = "hypothesis:with(changes)",
    text = "The same hypothesis with some options changed.",
  },
  {
    group = "Stages and hypotheses",
    name = "hypothesis:fingerprint",
    params = {
      {
        name = "log?",
        type = "wayproof.Log",
      },
    },
    returns = {
      "string",
    },
    signature = "hypothesis:fingerprint(log)",
    text = "A text that is equal for the same question, in every run and process. 32 hex digits; its\nname does not count.",
  },
  {
    class = true,
    group = "Stages and hypotheses",
    name = "wayproof.Stages",
    text = "Stages of progression: `stages[i]` is `{ name, selector }`, `#stages` their number.",
  },
  {
    group = "Stages and hypotheses",
    name = "stages:names",
    returns = {
      "string[]",
    },
    signature = "stages:names()",
    text = "The names of the stages, in order.",
  },
  {
    example = "wp.time \"2024-03-01T12:00:00Z\"   --> 1709294400000000",
    group = "Times, threads, help",
    name = "wp.time",
    params = {
      {
        name = "text",
        text = "ISO 8601, or epoch",
        type = "string",
      },
    },
    returns = {
      "integer time_us",
    },
    signature = "wp.time(text)",
    text = "A time as microseconds since 1970 in UTC.",
  },
  {
    example = "wp.date(1709294400000000)   --> \"2024-03-01T12:00:00Z\"",
    group = "Times, threads, help",
    name = "wp.date",
    params = {
      {
        name = "time_us",
        type = "integer",
      },
    },
    returns = {
      "string",
    },
    signature = "wp.date(time_us)",
    text = "Microseconds since 1970 as ISO 8601 text in UTC.",
  },
  {
    example = "local ledger = assert(wp.ledger \"kpi.db\")\nlog:validate(guides, { ledger = ledger })\nprint(ledger:history \"comparison guides build confidence\")",
    group = "Times, threads, help",
    name = "wp.ledger",
    params = {
      {
        name = "path",
        type = "string",
      },
    },
    returns = {
      "wayproof.Ledger|nil ledger",
      "string? message, string? code",
    },
    signature = "wp.ledger(path)",
    text = "The record of every question asked, in a SQLite file (made when there is none). A question about\nan outcome is written down before it is answered and enters the correction of later ones; asking\nthe same of the same data again costs nothing. Close it with `:close()` or `<close>`.",
  },
  {
    class = true,
    group = "Times, threads, help",
    name = "wayproof.Ledger",
    text = "The tries of a team, in a SQLite file.",
  },
  {
    group = "Times, threads, help",
    name = "ledger:record",
    params = {
      {
        name = "result",
        type = "wayproof.Result",
      },
    },
    returns = {
      "true|nil done",
      "string? message, string? code",
    },
    signature = "ledger:record(result)",
    text = "Records a result that was judged without the ledger.",
  },
  {
    group = "Times, threads, help",
    name = "ledger:history",
    params = {
      {
        name = "name",
        type = "string",
      },
    },
    returns = {
      "table history  list of { started, finished, status, verdict, grade, estimate, low, high,",
    },
    signature = "ledger:history(name)",
    text = "How a verdict moved: every try of the hypotheses called `name`, oldest first.\n  p, p_adjusted, tried, users, data, windows, question }; times in µs UTC",
  },
  {
    group = "Times, threads, help",
    name = "ledger:tries",
    params = {
      {
        name = "outcome?",
        text = "nil: all outcomes",
        type = "wayproof.Outcome|string",
      },
    },
    returns = {
      "table tries  list of { name, metric, outcome, first, times, verdict, question }",
    },
    signature = "ledger:tries(outcome)",
    text = "Every question tried on an outcome (or on its event), in the order of first asking.",
  },
  {
    group = "Times, threads, help",
    name = "ledger:due",
    params = {
      {
        name = "options?",
        type = "{ after: string|number, now: integer|string }",
      },
    },
    returns = {
      "table due  list of { name, verdict, grade, validated, age_seconds, question }",
    },
    signature = "ledger:due(options)",
    text = "Validated verdicts that have expired: ask again on new data. They do after 90 days by default.",
  },
  {
    group = "Times, threads, help",
    name = "ledger:close",
    signature = "ledger:close()",
    text = "Closes the file; closing twice is fine.",
  },
  {
    example = "wp.threads(4)",
    group = "Times, threads, help",
    name = "wp.threads",
    params = {
      {
        name = "count?",
        type = "integer",
      },
    },
    returns = {
      "integer",
    },
    signature = "wp.threads(count)",
    text = "The number of threads that C code uses; sets it when given one. Results never depend on it.",
  },
  {
    example = "wp.help()\nwp.help(wp.count)\nwp.help \"log:validate\"",
    group = "Times, threads, help",
    name = "wp.help",
    params = {
      {
        name = "topic?",
        type = "any",
      },
    },
    returns = {
      "string",
    },
    signature = "wp.help(topic)",
    text = "Lists the verbs, or explains one. By function, by name, or by any of wayproof's objects.\nPrints, and returns the text; at a prompt, where the text shows anyway, it only returns.",
  },
  {
    class = true,
    group = "Logs: events in memory",
    name = "wayproof.Log",
    text = "Events grouped by user and in time order. `#log` is the number of events.",
  },
  {
    example = "print(log:summary())",
    group = "Logs: events in memory",
    name = "log:summary",
    returns = {
      "wayproof.Summary",
    },
    signature = "log:summary()",
    text = "What is in the log. Fields `events, users, first, last, event_names, properties, skipped,\nbytes`.",
  },
  {
    example = "for id, journey in log:journeys() do print(id, #journey) end",
    group = "Logs: events in memory",
    name = "log:journeys",
    returns = {
      "fun(): string, wayproof.Journey",
    },
    signature = "log:journeys()",
    text = "Iterates over every user's id and journey. `journey[i]` is `{ time, event, value, … }`.",
  },
  {
    example = "log:journey \"ann\"",
    group = "Logs: events in memory",
    name = "log:journey",
    params = {
      {
        name = "id",
        type = "string|integer",
      },
    },
    returns = {
      "wayproof.Journey?",
    },
    signature = "log:journey(id)",
    text = "One user's journey, or nil.",
  },
  {
    example = "log:where { device = \"mobile\", since = \"2024-02-01\", events = { \"search\" } }",
    group = "Logs: events in memory",
    name = "log:where",
    params = {
      {
        name = "filter",
        text = "property conditions, and `since`, `before`, `users`, `events`, `properties`",
        type = "table",
      },
    },
    returns = {
      "wayproof.Log",
    },
    signature = "log:where(filter)",
    text = "A new log with the events that pass. It shares memory with this one.",
  },
  {
    example = "local early, late = log:split { at = \"2024-04-01\" }",
    group = "Logs: events in memory",
    name = "log:split",
    params = {
      {
        name = "options",
        type = "{ at: wayproof.Instant }",
      },
    },
    returns = {
      "wayproof.Log early",
      "wayproof.Log late",
    },
    signature = "log:split(options)",
    text = "Two logs: users who began before a time, and the others.",
  },
  {
    example = "log:regroup \"account_id\"",
    group = "Logs: events in memory",
    name = "log:regroup",
    params = {
      {
        name = "property",
        type = "string",
      },
    },
    returns = {
      "wayproof.Log",
    },
    signature = "log:regroup(property)",
    text = "A new log whose unit is another property, such as the account.",
  },
  {
    example = "print(log:validate(guides))\nprint(log:validate { guides, banners })",
    group = "Logs: events in memory",
    name = "log:validate",
    params = {
      {
        name = "hypothesis",
        type = "wayproof.Hypothesis|wayproof.Hypothesis[]",
      },
      {
        name = "options?",
        type = "table",
      },
    },
    returns = {
      "wayproof.Result|wayproof.Board|nil",
      "string? message",
      "string? code",
    },
    signature = "log:validate(hypothesis, options)",
    text = "Judges a hypothesis, or a list of them. Corrected for multiplicity.",
  },
  {
    class = true,
    fields = {
      {
        name = "metrics",
        text = "a list of `m:named` keeps order",
        type = "table<string, wayproof.Metric>|wayproof.Metric[]",
      },
      {
        name = "observe",
        type = "wayproof.Duration",
      },
      {
        name = "outcome?",
        type = "wayproof.Outcome",
      },
      {
        name = "within?",
        type = "wayproof.Duration",
      },
      {
        name = "from?",
        type = "wayproof.Events",
      },
      {
        name = "gap?",
        type = "wayproof.Duration",
      },
      {
        name = "prior_outcome?",
        type = "\"exclude\"|\"keep\"",
      },
      {
        name = "population?",
        type = "wayproof.Filter",
      },
      {
        name = "as_of?",
        type = "wayproof.Instant",
      },
    },
    group = "Logs: events in memory",
    name = "wayproof.MeasureOptions",
  },
  {
    example = "log:measure { metrics = { guides = wp.count \"compare\" }, observe = \"7d\",\n  outcome = wp.converts \"purchase\", within = \"30d\" }",
    group = "Logs: events in memory",
    name = "log:measure",
    params = {
      {
        name = "request",
        type = "wayproof.MeasureOptions",
      },
    },
    returns = {
      "wayproof.Frame",
    },
    signature = "log:measure(request)",
    text = "Measures metrics, one row per user.",
  },
  {
    example = "assert(log:save \"shop.way\")",
    group = "Logs: events in memory",
    name = "log:save",
    params = {
      {
        name = "path",
        type = "string",
      },
    },
    returns = {
      "true|nil done",
      "string? message, string? code",
    },
    signature = "log:save(path)",
    text = "Writes the log as a store, one file: all of it or nothing. A store that is there is replaced,\nany other file is left alone.",
  },
  {
    group = "Logs: events in memory",
    name = "log:users",
    returns = {
      "integer",
    },
    signature = "log:users()",
    text = "The number of users.",
  },
  {
    group = "Logs: events in memory",
    name = "log:close",
    signature = "log:close()",
    text = "Frees the log's memory. Views that share it live on; using the log afterwards raises.",
  },
  {
    group = "Logs: events in memory",
    name = "log:is_closed",
    returns = {
      "boolean",
    },
    signature = "log:is_closed()",
    text = "Whether the log has been closed.",
  },
  {
    class = true,
    group = "Stores: logs on disk that grow",
    name = "wayproof.Store",
    text = "A store opened for writing. Every call is one transaction.",
  },
  {
    example = "assert(store:append(wp.read_csv(\"june.csv\", options)))",
    group = "Stores: logs on disk that grow",
    name = "store:append",
    params = {
      {
        name = "log",
        text = "a failed reader call is handed on",
        type = "wayproof.Log|fun(): wayproof.Log?, string?",
      },
      {
        name = "options?",
        type = "{ force: boolean, forgotten: \"keep_out\"|\"import\", source: string }",
      },
    },
    returns = {
      "wayproof.Import? import  fields `import, events, users, new_users, kept_out`",
      "string? message, string? code",
    },
    signature = "store:append(log, options)",
    text = "Adds the events of a log, all or nothing; late ones sort into place. The same events a second\ntime are refused unless `force`; forgotten users stay out unless `forgotten = \"import\"`.",
  },
  {
    example = "print(assert(store:forget \"ann\"))",
    group = "Stores: logs on disk that grow",
    name = "store:forget",
    params = {
      {
        name = "user_id",
        type = "string|integer",
      },
      {
        name = "options?",
        text = "where ids were pseudonymised on reading: the key that was used",
        type = "{ key: string }",
      },
    },
    returns = {
      "wayproof.Forgotten? forgotten  fields `found, events, values`",
      "string? message, string? code",
    },
    signature = "store:forget(user_id, options)",
    text = "Removes a user for good: events, id, attributes, and values that only they had, overwritten on\ndisk. A keyed hash of the id is recorded, so that later imports keep them out.",
  },
  {
    group = "Stores: logs on disk that grow",
    name = "store:compact",
    returns = {
      "integer? parts  rewritten",
      "string? message, string? code",
    },
    signature = "store:compact()",
    text = "Puts together what many imports added and gives free space back.",
  },
  {
    group = "Stores: logs on disk that grow",
    name = "store:verify",
    returns = {
      "wayproof.StoreCheck? check  fields `ok, found, damages, pages, segments`",
      "string? message, string? code, wayproof.StoreCheck? damages",
    },
    signature = "store:verify()",
    text = "Reads every byte. Sound: a result that prints itself; damaged: nil, the first damage,\n`\"corrupt\"` and the result.",
  },
  {
    group = "Stores: logs on disk that grow",
    name = "store:imports",
    returns = {
      "wayproof.Imports? imports",
      "string? message, string? code",
    },
    signature = "store:imports()",
    text = "What was imported, oldest first: `import, imported_at, events, users, new_users, kept_out,\nfirst, last, fingerprint, source`.",
  },
  {
    group = "Stores: logs on disk that grow",
    name = "store:facts",
    returns = {
      "table? facts",
      "string? message, string? code",
    },
    signature = "store:facts()",
    text = "The store in figures: `events, users, imports, forgotten, runs, parts, bytes`.",
  },
  {
    group = "Stores: logs on disk that grow",
    name = "store:close",
    signature = "store:close()",
    text = "Closes the file; closing twice is fine.",
  },
  {
    class = true,
    fields = {
      {
        name = "where?",
        text = "look at these events only",
        type = "wayproof.Filter",
      },
      {
        name = "since?",
        type = "wayproof.Instant",
      },
      {
        name = "before?",
        type = "wayproof.Instant",
      },
      {
        name = "by?",
        text = "also once per group: people by their first value of this property",
        type = "string",
      },
      {
        name = "groups?",
        text = "how many groups, the largest first (default 12)",
        type = "integer",
      },
      {
        name = "min_group?",
        text = "leave out groups of fewer people (default 1), and the smallest of the",
        type = "integer",
      },
    },
    group = "Analyses of a log",
    name = "wayproof.ViewOptions",
    text = "others while those left out are fewer than that together; `users_left` says how many they are",
  },
  {
    example = "print(log:sessions { timeout = \"30m\" })",
    group = "Analyses of a log",
    name = "log:sessions",
    params = {
      {
        name = "options?",
        text = "`timeout`, and `where, since, before, by`",
        type = "table",
      },
    },
    returns = {
      "wayproof.Sessions",
    },
    signature = "log:sessions(options)",
    text = "Sessions: how many, how long, how busy. A gap longer than the timeout starts a new one.",
  },
  {
    class = true,
    fields = {
      {
        name = "sessions",
        type = "integer",
      },
      {
        name = "users",
        type = "integer",
      },
      {
        name = "mean_events",
        text = "    events per session",
        type = "number",
      },
      {
        name = "median_events",
        type = "number",
      },
      {
        name = "single_event",
        text = "  sessions of one event (share: `single_low` to `single_high`)",
        type = "integer",
      },
      {
        name = "median_seconds",
        text = " from first to last event; also `p90_seconds`, `max_seconds`",
        type = "number",
      },
      {
        name = "sessions_per_user",
        type = "number",
      },
      {
        name = "groups?",
        text = "       with `by`: the same fields per `value`",
        type = "table[]",
      },
    },
    group = "Analyses of a log",
    name = "wayproof.Sessions",
  },
  {
    example = "local moves = log:transitions { within = \"session\" }\nprint(moves.rows[1].from, moves.rows[1].to, moves.rows[1].probability)",
    group = "Analyses of a log",
    name = "log:transitions",
    params = {
      {
        name = "options?",
        text = "`within = \"session\"`, `timeout`, `stages` (moves between stages), `times =",
        type = "table",
      },
    },
    returns = {
      "wayproof.Transitions",
    },
    signature = "log:transitions(options)",
    text = "Moves from each event to the user's next one, over the whole history or within sessions.\n  false` (no medians), and `where, since, before, by`",
  },
  {
    class = true,
    fields = {
      {
        name = "total",
        type = "integer",
      },
      {
        name = "rows",
        text = "`from, to, count, users, share` (of all), `probability` (= count / `of`, the",
        type = "table[]",
      },
      {
        name = "groups?",
        type = "table[]",
      },
    },
    group = "Analyses of a log",
    name = "wayproof.Transitions",
    text = "moves from `from`) with `low, high`, `median_seconds, p90_seconds`",
  },
  {
    example = "local funnel = log:funnel({ \"search\", \"purchase\" }, { within = \"7d\" })\nprint(funnel)\nprint(#funnel:dropped \"search\", funnel:explain \"posthog\")",
    group = "Analyses of a log",
    name = "log:funnel",
    params = {
      {
        name = "steps",
        type = "(wayproof.Events|table)[]|wayproof.Stages",
      },
      {
        name = "options?",
        type = "wayproof.FunnelOptions",
      },
    },
    returns = {
      "wayproof.Funnel",
    },
    signature = "log:funnel(steps, options)",
    text = "How many people get how far through steps, and who did not.\nA step is an event, a list of events that mean the same, or `{ events =, where =, name =,\noptional = true, within =, after = }`; `within` and `after` bound the time since the step\nbefore.",
  },
  {
    class = true,
    fields = {
      {
        name = "within?",
        text = "from the first step to the last, inclusive; default: no limit",
        type = "wayproof.Duration",
      },
      {
        name = "order?",
        text = "others may lie between; the very next event; any order",
        type = "\"loose\"|\"strict\"|\"any\"",
      },
      {
        name = "entry?",
        text = "which first steps begin an attempt",
        type = "\"any\"|\"first\"|\"latest\"",
      },
      {
        name = "ties?",
        text = "what may follow what at one instant",
        type = "\"as_recorded\"|\"any\"|\"strict\"",
      },
      {
        name = "grace?",
        text = "a step may come so much before the one before it",
        type = "wayproof.Duration",
      },
      {
        name = "exclude?",
        text = "events that must not lie between: names, or `{ events =, where =,",
        type = "string|table",
      },
      {
        name = "exclude_scope?",
        text = "an excluded event ends the attempt, or removes the person",
        type = "\"attempt\"|\"user\"",
      },
      {
        name = "hold?",
        text = "a property that stays the same along the steps",
        type = "string",
      },
      {
        name = "denominator?",
        text = "of whom rates are",
        type = "\"entered\"|\"observable\"|\"all\"",
      },
      {
        name = "semantics?",
        type = "\"clickhouse\"|\"posthog\"|\"mixpanel\"|\"amplitude\"|\"retentioneering\"",
      },
      {
        name = "attribution?",
        text = "with `by`: which value; a step: that one's",
        type = "\"first\"|\"last\"|string|integer",
      },
      {
        name = "as_of?",
        text = "end of observation (default: the last event)",
        type = "wayproof.Instant",
      },
      {
        name = "where?",
        type = "wayproof.Filter",
      },
      {
        name = "since?",
        type = "wayproof.Instant",
      },
      {
        name = "before?",
        type = "wayproof.Instant",
      },
      {
        name = "by?",
        type = "string",
      },
      {
        name = "groups?",
        text = "how many groups, the largest first (default 12)",
        type = "integer",
      },
      {
        name = "min_group?",
        text = "leave out groups of fewer people: see ViewOptions",
        type = "integer",
      },
    },
    group = "Analyses of a log",
    name = "wayproof.FunnelOptions",
    text = "between = { step, step }, scope = \"attempt\" or \"user\" }`",
  },
  {
    class = true,
    fields = {
      {
        name = "steps",
        text = "`name, users`; `rate` = `counted` / `of` with `low, high`; `from_previous`",
        type = "table[]",
      },
      {
        name = "people",
        text = "   everybody looked at",
        type = "integer",
      },
      {
        name = "entered",
        text = "  did the first step",
        type = "integer",
      },
      {
        name = "converted",
        text = "did the last one",
        type = "integer",
      },
      {
        name = "pending",
        text = "  did not yet, but their window is open",
        type = "integer",
      },
      {
        name = "observable",
        type = "integer of `entered`: their window is over",
      },
      {
        name = "excluded",
        text = " removed by an exclusion with scope \"user\"",
        type = "integer",
      },
      {
        name = "groups?",
        text = "  with `by`: the same fields per `value`",
        type = "table[]",
      },
    },
    group = "Analyses of a log",
    name = "wayproof.Funnel",
    text = "likewise; `dropped` and `pending` (went no further; still may); `median_seconds` from the\n  first step, `median_step_seconds` from the one before",
  },
  {
    example = "for _, person in ipairs(funnel:users \"search\") do print(person.user) end",
    group = "Analyses of a log",
    name = "funnel:users",
    params = {
      {
        name = "step",
        type = "string|integer",
      },
      {
        name = "limit?",
        type = "integer",
      },
    },
    returns = {
      "table[] people  `user, level, pending, events, times` (µs; holes at steps left out)",
    },
    signature = "funnel:users(step, limit)",
    text = "People who reached a step, with their winning sequence.",
  },
  {
    example = "print(#funnel:dropped(1))",
    group = "Analyses of a log",
    name = "funnel:dropped",
    params = {
      {
        name = "step",
        type = "string|integer",
      },
      {
        name = "limit?",
        type = "integer",
      },
    },
    returns = {
      "table[] people",
    },
    signature = "funnel:dropped(step, limit)",
    text = "People who reached a step and, though they had the time, went no further.",
  },
  {
    example = "print(#funnel:pending_users(1))",
    group = "Analyses of a log",
    name = "funnel:pending_users",
    params = {
      {
        name = "step",
        type = "string|integer",
      },
      {
        name = "limit?",
        type = "integer",
      },
    },
    returns = {
      "table[] people",
    },
    signature = "funnel:pending_users(step, limit)",
    text = "People who reached a step and still have time.",
  },
  {
    example = "print(funnel:explain \"posthog\")",
    group = "Analyses of a log",
    name = "funnel:explain",
    params = {
      {
        name = "semantics",
        type = "\"clickhouse\"|\"posthog\"|\"mixpanel\"|\"amplitude\"|\"retentioneering\"",
      },
    },
    returns = {
      "table comparison  `ours, theirs` (`converted, base`), `differences` of `rule, ours,",
    },
    signature = "funnel:explain(semantics)",
    text = "Whom another tool would count differently, and why.\n  theirs, further, less, people`",
  },
  {
    example = "print(log:paths { start = \"search\", steps = 5 })",
    group = "Analyses of a log",
    name = "log:paths",
    params = {
      {
        name = "options?",
        text = "`start` or `finish`, `steps`, `top`, `stages`, `merge_repeats`, `within`",
        type = "table",
      },
    },
    returns = {
      "wayproof.Paths",
    },
    signature = "log:paths(options)",
    text = "What people do after an event, or before one, step by step.\n  (a longer gap ends a path), and `where, since, before, by`",
  },
  {
    class = true,
    fields = {
      {
        name = "users",
        text = "    people with the anchor event",
        type = "integer",
      },
      {
        name = "matrix",
        text = "share of them on an event at step k; \"(over)\": path ended",
        type = "table<string, number[]>",
      },
      {
        name = "sequences",
        text = "`users, share, low, high, events`, the most frequent first",
        type = "table[]",
      },
      {
        name = "distinct",
        text = " different sequences in all",
        type = "integer",
      },
      {
        name = "cycles",
        text = "   `path, events, count, users, share`: x > x, x > y > x, x > y > z > x",
        type = "table[]",
      },
      {
        name = "groups?",
        type = "table[]",
      },
    },
    group = "Analyses of a log",
    name = "wayproof.Paths",
  },
  {
    example = "print(log:retention { period = \"week\", returns = \"purchase\" })",
    group = "Analyses of a log",
    name = "log:retention",
    params = {
      {
        name = "options?",
        text = "`period` (\"day\" \"week\" \"month\"), `periods, start, returns`, `mode` (\"on\"",
        type = "table",
      },
    },
    returns = {
      "wayproof.Retention",
    },
    signature = "log:retention(options)",
    text = "Cohorts by the period in which users began, and how many came back in each period after it.\n  \"on_or_after\"), `align` (\"calendar\" \"user\"), `zone, as_of`, and `where, since, before, by`",
  },
  {
    class = true,
    fields = {
      {
        name = "cohorts",
        text = "`start` (µs), `users`, and by period: `retained`, `observable`,",
        type = "table[]",
      },
      {
        name = "overall",
        text = "  the same over all cohorts, of people whose period was over",
        type = "table",
      },
      {
        name = "groups?",
        type = "table[]",
      },
    },
    group = "Analyses of a log",
    name = "wayproof.Retention",
    text = "`complete` (over for all of them), `rates, low, high` (false: nobody to see yet)",
  },
  {
    example = "print(log:dwell { within = \"session\" })",
    group = "Analyses of a log",
    name = "log:dwell",
    params = {
      {
        name = "options?",
        text = "`stages`, `cap` (the most a gap counts in the mean, \"30m\"), `within =",
        type = "table",
      },
    },
    returns = {
      "wayproof.Dwell",
    },
    signature = "log:dwell(options)",
    text = "How long people stay with each event: the time to their next one.\n  \"session\"`, `timeout`, and `where, since, before, by`",
  },
  {
    class = true,
    fields = {
      {
        name = "rows",
        text = "`event, events, gaps, users, median_seconds, p75_seconds, p90_seconds,",
        type = "table[]",
      },
      {
        name = "groups?",
        type = "table[]",
      },
    },
    group = "Analyses of a log",
    name = "wayproof.Dwell",
    text = "p99_seconds, max_seconds, mean_capped_seconds`; `last` events had no next one, `end_rate` with\n  `low, high`",
  },
  {
    example = "print(log:gaps { events = \"purchase\" })",
    group = "Analyses of a log",
    name = "log:gaps",
    params = {
      {
        name = "options?",
        text = "`events` (others are as if absent), and `where, since, before, by`",
        type = "table",
      },
    },
    returns = {
      "wayproof.Gaps",
    },
    signature = "log:gaps(options)",
    text = "How long people stay away: the distribution of the time from one event to the next.",
  },
  {
    class = true,
    fields = {
      {
        name = "gaps",
        type = "integer",
      },
      {
        name = "median_seconds",
        text = "also `p75_seconds, p90_seconds, p99_seconds, max_seconds`",
        type = "number",
      },
      {
        name = "bands",
        text = "        `from_seconds, to_seconds, count, share, low, high`",
        type = "table[]",
      },
      {
        name = "groups?",
        type = "table[]",
      },
    },
    group = "Analyses of a log",
    name = "wayproof.Gaps",
  },
  {
    example = "local stages = wp.stages { { \"look\", \"search\" }, \"compare\", \"purchase\" }\nlocal friction = log:friction(stages, { outcome = \"purchase\" })\nprint(friction)\nprint(friction.early, friction.late, friction.written_off.expected)",
    group = "Analyses of a log",
    name = "log:friction",
    params = {
      {
        name = "stages",
        type = "wayproof.Stages",
      },
      {
        name = "options",
        text = "`outcome`; within, observe, early, minimum, as_of; where, since, before, by",
        type = "table",
      },
    },
    returns = {
      "wayproof.Friction",
    },
    signature = "log:friction(stages, options)",
    text = "Where people stop, what went before, and what it costs in outcomes.\nA signal is something that people did, or not, between entering a stage and its landmark (the\nmedian time that moving on takes). People with it are compared with equals without it who are\nstill in the stage, by the outcomes after the landmark; the sign is found, not assumed.\n`outcome` is an event, wp.converts or wp.refers; `within` is the time that a stage may take, and\nan outcome after the landmark (default \"30d\", at most a quarter of the log); `observe` is the\nlandmark, `early` the last early stage, `minimum` the smallest difference that matters.",
  },
  {
    class = true,
    fields = {
      {
        name = "stages",
        text = "     `name, entered, advanced, left, pending, median_seconds`",
        type = "table[]",
      },
      {
        name = "signals",
        text = "    `name, stage, users, rate_with, rate_without, difference, low, high,",
        type = "table[]",
      },
      {
        name = "early",
        text = "       outcomes that the early stages lose",
        type = "number",
      },
      {
        name = "late",
        text = "        outcomes that the late stages lose",
        type = "number",
      },
      {
        name = "written_off",
        text = "  `people` stuck in an early stage, the outcomes `expected` of them",
        type = "table",
      },
      {
        name = "top?",
        text = "         `stage, entered, reached, reach, late_rate, starving`",
        type = "table",
      },
      {
        name = "groups?",
        type = "table[]",
      },
    },
    group = "Analyses of a log",
    name = "wayproof.Friction",
    text = "(Kaplan-Meier: people who are still inside count), `lost_outcomes`; `rate, low, high` (moved\n  on in time)\n  p, q, certain, outcomes_per_month`; the certain ones first, then the dearest\n  with `low, high`, `observed`, `claimed` (0), `alike`, `calibration`",
  },
  {
    example = "local clarity = log:clarity(stages, { content = \"page\" })\nprint(clarity)\nprint(clarity.rows[1].item, clarity.rows[1].label)",
    group = "Analyses of a log",
    name = "log:clarity",
    params = {
      {
        name = "stages",
        type = "wayproof.Stages",
      },
      {
        name = "options?",
        text = "content, outcome, within, minimum, as_of; where, since, before, by",
        type = "table",
      },
    },
    returns = {
      "wayproof.Clarity",
    },
    signature = "log:clarity(stages, options)",
    text = "Which touchpoints remove uncertainty and which create it.\nWhat follows people's first meeting of an item is compared with what follows other touches of\npeople at the same stage, equally long in it and equally active, who have not met it.\n`content` is a text property, events, or { property = …, events = … } (default: every event);\n`outcome` counts as moving on from any stage; `within` is the window after a touch (default\n\"1d\", at most a quarter of the log); `minimum` is the smallest difference that matters.",
  },
  {
    class = true,
    fields = {
      {
        name = "rows",
        text = "  `item, stage, users, advance` (difference in the share that moves on),",
        type = "table[]",
      },
      {
        name = "effort",
        text = "`stage, users, median_events, median_engaged_seconds` of who moved on",
        type = "table[]",
      },
      {
        name = "tested",
        text = "rows with enough people to compare",
        type = "integer",
      },
      {
        name = "groups?",
        type = "table[]",
      },
    },
    group = "Analyses of a log",
    name = "wayproof.Clarity",
    text = "`low, high, q, label` (\"clears\" \"clouds\" \"neutral\" \"unknown\" \"structural\"); also `back,\n  linger, leave` (differences), `base` (share of the others that moves on), `passed, event,\n  value`",
  },
  {
    class = true,
    fields = {
      {
        name = "n",
        type = "table",
      },
    },
    group = "Frames: one row per person",
    name = "wayproof.Frame",
    text = "A table with one row per person. `#frame` is the number of rows, `frame.n` counts who was left\nout.",
  },
  {
    example = "frame:column \"guides\"",
    group = "Frames: one row per person",
    name = "frame:column",
    params = {
      {
        name = "name",
        type = "string",
      },
    },
    returns = {
      "any[]",
    },
    signature = "frame:column(name)",
    text = "The values of a column, as a list with missing values as nil.",
  },
  {
    example = "for row in frame:rows() do print(row.user, row.guides, row.outcome) end",
    group = "Frames: one row per person",
    name = "frame:rows",
    returns = {
      "fun(): table",
    },
    signature = "frame:rows()",
    text = "Iterates over the rows as tables.",
  },
  {
    example = "frame:validate { metric = \"rounds\", outcome = \"retained_7\", expect = \"rise\",\n  metric_window = { \"0d\", \"7d\" }, outcome_window = { \"7d\", \"8d\" } }",
    group = "Frames: one row per person",
    name = "frame:validate",
    params = {
      {
        name = "hypothesis",
        type = "table",
      },
    },
    returns = {
      "wayproof.Result",
    },
    signature = "frame:validate(hypothesis)",
    text = "Judges columns of the frame as a log judges events.",
  },
  {
    example = "stats.auc(frame:vector \"guides\", frame:vector \"outcome\")",
    group = "Frames: one row per person",
    name = "frame:vector",
    params = {
      {
        name = "name",
        type = "string",
      },
    },
    returns = {
      "wayproof.Vector",
    },
    signature = "frame:vector(name)",
    text = "The numbers of a column as a vector for `wayproof.stats`. They are not copied into Lua.",
  },
  {
    group = "Frames: one row per person",
    name = "frame:table",
    returns = {
      "table",
    },
    signature = "frame:table()",
    text = "Plain Lua data.",
  },
  {
    group = "Frames: one row per person",
    name = "frame:json",
    returns = {
      "string",
    },
    signature = "frame:json()",
    text = "A string of JSON.",
  },
  {
    group = "Frames: one row per person",
    name = "frame:csv",
    params = {
      {
        name = "path",
        type = "string",
      },
    },
    returns = {
      "boolean?",
      "string? message",
      "string? code",
    },
    signature = "frame:csv(path)",
    text = "Writes the rows to a CSV file.",
  },
  {
    group = "Frames: one row per person",
    name = "frame:close",
    signature = "frame:close()",
    text = "Frees the frame's memory.",
  },
  {
    class = true,
    fields = {
      {
        name = "verdict",
        type = "wayproof.Verdict",
      },
      {
        name = "grade",
        type = "\"A\"|\"B\"|\"C\"|nil",
      },
      {
        name = "reasons",
        type = "{ code: string, text: string }[]",
      },
      {
        name = "warnings",
        type = "{ code: string, text: string }[]",
      },
      {
        name = "name",
        type = "string",
      },
      {
        name = "n",
        text = "users = outside + no_anchor + too_recent + prior_outcome + missing + used",
        type = "table",
      },
    },
    group = "Results",
    name = "wayproof.Result",
    text = "A verdict and everything it rests on; immutable.",
  },
  {
    group = "Results",
    name = "result:table",
    returns = {
      "table",
    },
    signature = "result:table()",
    text = "Plain Lua data.",
  },
  {
    group = "Results",
    name = "result:json",
    returns = {
      "string",
    },
    signature = "result:json()",
    text = "A string of JSON.",
  },
  {
    class = true,
    fields = {
      {
        name = "tried",
        type = "integer",
      },
    },
    group = "Results",
    name = "wayproof.Board",
    text = "Results of several hypotheses, the most useful first: `#board`, `board[i]`, `board[name]`.",
  },
  {
    group = "Results",
    name = "board:table",
    returns = {
      "table",
    },
    signature = "board:table()",
    text = "Plain Lua data.",
  },
  {
    group = "Results",
    name = "board:json",
    returns = {
      "string",
    },
    signature = "board:json()",
    text = "A string of JSON.",
  },
}
