-- The benchmark: generates the log, runs wayproof and its peers one after the other on the same
-- questions with the same number of threads, checks the answers against each other, and prints
-- Markdown tables. Called by bench/run.sh, which builds the tools and installs peers:
--
--     lua5.4 bench/run.lua WORK_FOLDER EVENTS THREADS RUNS

local work, events, threads, runs =
  arg[1], math.tointeger(arg[2]), math.tointeger(arg[3]), math.tointeger(arg[4])
local here = arg[0]:match("^(.*)/") or "."

local function exists(path)
  local file = io.open(path, "rb")
  return file and file:close() or false
end

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function must(command)
  if not os.execute(command) then error("failed: " .. command, 0) end
end

local function say(...) io.stderr:write(string.format(...), "\n") end

-- The data ----------------------------------------------------------------------------------------

local csv = string.format("%s/%d.csv", work, events)
local statistics_csv = work .. "/statistics.csv"
local database = string.format("%s/%d.db", work, events)
if not exists(csv) then
  say("generating %d events", events)
  must(string.format("%s/generate %d > %s.new && mv %s.new %s", work, events, csv, csv, csv))
end
if not exists(statistics_csv) then
  must(string.format("%s/generate 425390 statistics > %s", work, statistics_csv))
end
if not exists(database) and events <= 10000000
  and os.execute("command -v sqlite3 >/dev/null 2>&1") then
  say("writing the SQLite table")
  must(string.format([[rm -f %s.new && sqlite3 %s.new 'PRAGMA journal_mode = off' \
    'PRAGMA synchronous = off' \
    'CREATE TABLE events(user_id INTEGER, event TEXT, ts INTEGER, value REAL)' '.mode csv' \
    '.import --skip 1 %s events' "UPDATE events SET value = NULL WHERE value = ''" >/dev/null \
    && mv %s.new %s]], database, database, csv, database, database))
end
local table_given = exists(database) and database or ""

-- Running -----------------------------------------------------------------------------------------

local python = os.getenv("BENCH_PYTHON") or "python3"
local node = work .. "/node"
local participants = {
  { name = "wayproof", command = string.format("lua5.4 %s/wayproof.lua %s %d %d %s", here, csv,
    threads, runs, table_given) },
  { name = "DuckDB", needs = node .. "/node_modules/@duckdb", command =
    string.format("node %s/duckdb.mjs %s %d %d", node, csv, threads, runs) },
  { name = "ClickHouse", needs = node .. "/node_modules/chdb", command =
    string.format("node %s/chdb.mjs %s %d %d %s", node, csv, threads, runs, table_given) },
  { name = "numpy", test = python .. " -c 'import numpy, pandas' 2>/dev/null", command =
    string.format("%s %s/peers/expert_numpy.py %s %d %d", python, here, csv, threads, runs) },
  { name = "data.table", test = "Rscript -e 'library(data.table)' >/dev/null 2>&1", command =
    string.format("Rscript %s/peers/datatable.R %s %d %d", here, csv, threads, runs) },
}
local statistics = {
  { name = "wayproof", command = string.format("lua5.4 %s/statistics.lua %s %d %d", here,
    statistics_csv, threads, runs) },
  { name = "Python", test = python .. " -c 'import scipy, pandas, statsmodels' 2>/dev/null",
    command = string.format("%s %s/peers/scipy_stats.py %s %d %d", python, here, statistics_csv,
      threads, runs) },
  { name = "R", test = "Rscript -e 'library(pROC)' >/dev/null 2>&1", command =
    string.format("Rscript %s/peers/stats.R %s %d %d", here, statistics_csv, threads, runs) },
}

-- One full verdict: users from BENCH_USERS (100,000); the simulator is the truth bench's.
local users = math.tointeger(os.getenv "BENCH_USERS" or 100000)
local verdict_csv = string.format("%s/verdict-%d.csv", work, users)
local verdict = {
  { name = "wayproof", command = string.format("lua5.4 %s/verdict.lua %s %s/verdict %d %d", here,
    verdict_csv, work, threads, runs) },
  { name = "Python", test = statistics[2].test,
    command = string.format("%s %s/peers/verdict.py %s/verdict %d", python, here, work, threads) },
}
if not exists(verdict_csv) then
  say("generating %d users", users)
  must(string.format([[cc -std=c11 -D_GNU_SOURCE -O2 -Icsrc -o %s/simulator %s/truth/*.c -lm \
    && %s/simulator write real35 %d 1 $(%s/simulator calibrate real35 0.2) \
    | awk -F, -v OFS=, '$2 ~ /^event[0-9]/ { $2 = $2 "_" NR %% 6 } 1' > %s.new && mv %s.new %s]],
    work, here, work, users, work, verdict_csv, verdict_csv, verdict_csv))
end

-- {"task":"T3","seconds":0.5,"cpu":0.9,"answer":[1,2]}
local function parse(line)
  local entry = { task = line:match('"task"%s*:%s*"(%w+)"'), answer = {} }
  for key, number in line:gmatch('"(%w+)"%s*:%s*([%d%.eE+-]+)') do entry[key] = tonumber(number) end
  for number in (line:match('"answer"%s*:%s*%[(.-)%]') or ""):gmatch("[^,%s]+") do
    entry.answer[#entry.answer + 1] = tonumber(number) or number
  end
  return entry.task and entry
end

local function run(list)
  for _, one in ipairs(list) do
    if one.needs and not os.execute("test -d " .. quote(one.needs))
      or one.test and not os.execute(one.test) then
      say("left out: %s is not installed", one.name)
    else
      say("running %s", one.name)
      one.tasks = {}
      local pipe = assert(io.popen(one.command))
      for line in pipe:lines() do
        local entry = parse(line)
        if entry then one.tasks[entry.task] = entry end
      end
      if not pipe:close() then
        if one.name == "wayproof" then error("wayproof failed", 0) end
        say("%s failed", one.name)
      end
    end
  end
end

-- Comparing ---------------------------------------------------------------------------------------

-- T11: random on both sides
local tolerances = { T8 = 1e-9, T9 = 1e-9, T10 = 1e-6, T11 = 0.1, V = 1e-8 }

local function agree(task, a, b)
  if #a ~= #b then return false end
  for i = 1, #a do
    if type(a[i]) ~= "number" or type(b[i]) ~= "number" then return false end
    local tolerance = (tolerances[task] or 1e-12) * math.max(math.abs(a[i]), math.abs(b[i]), 1)
    if math.abs(a[i] - b[i]) > tolerance then return false end
  end
  return true
end

local disagreements = {}
local function compare(list)
  local ours = list[1].tasks or {}
  for i = 2, #list do
    for task, entry in pairs(list[i].tasks or {}) do
      local own = ours[task:match("^T%d+") or task]
      if own and #entry.answer > 0 and not agree(task, own.answer, entry.answer) then
        disagreements[#disagreements + 1] = string.format("%s: wayproof %s, %s %s", task,
          table.concat(own.answer, " "), list[i].name, table.concat(entry.answer, " "))
      end
    end
  end
  table.sort(disagreements)
end

-- Printing ----------------------------------------------------------------------------------------

local function seconds(value)
  if not value then return "–" end
  if value >= 1 then return string.format("%.2f s", value) end
  return string.format("%.1f ms", value * 1e3)
end

local function row(cells) print("| " .. table.concat(cells, " | ") .. " |") end

local function head(list, titles)
  local names, rules = { titles[1] }, { "---" }
  for i = 2, #titles do names[i] = titles[i] end
  for i = 2, #list do if list[i].tasks then names[#names + 1] = list[i].name end end
  for i = 2, #names do rules[i] = "--:" end
  row(names)
  row(rules)
end

local function line(list, task, title, extra)
  local own = list[1].tasks[task]
  if not own then return end
  local cells = { title, seconds(own.seconds), table.unpack(extra) }
  for i = 2, #list do
    if list[i].tasks then
      local entry = list[i].tasks[task]
      cells[#cells + 1] = entry and string.format("%s (%.1fx%s)", seconds(entry.seconds),
        entry.seconds / own.seconds, entry.cpu and own.cpu
          and string.format(", CPU %.1fx", entry.cpu / own.cpu) or "") or "–"
    end
  end
  row(cells)
end

-- Bytes that a question must read at least, per event: how far memory is the limit.
local bytes_per_event = { T3 = 5, T4 = 5, T4any = 5, T5 = 1, T5medians = 5, T6 = 4, T7 = 4 }
local order = { { "T1", "T1 CSV to a log" }, { "T2", "T2 SQLite to a log" },
  { "T3", "T3 count × outcome" }, { "T4", "T4 funnel" }, { "T4any", "T4 funnel, ties either way" },
  { "T5", "T5 transitions" }, { "T5medians", "T5 with medians" }, { "T6", "T6 sessions" },
  { "T7", "T7 retention" } }

run(participants)
compare(participants)
local own = participants[1].tasks
local machine, memory = own.machine, own.memory
print(string.format("\n%d events, %d users, %d threads, median of %d runs\n", events,
  own.T1.answer[2], threads, runs))
head(participants, { "task", "wayproof", "its CPU", "of memory bandwidth" })
for _, entry in ipairs(order) do
  local task, title = entry[1], entry[2]
  local found, bytes = own[task], bytes_per_event[task]
  if found then
    line(participants, task, title, { seconds(found.cpu), bytes and string.format("%.0f %%",
      100 * bytes * events / found.seconds / machine.bandwidth) or "–" })
  end
end
local function total(tasks)
  local sum = 0
  for _, task in ipairs { "T1", "T3", "T4", "T5", "T6", "T7" } do
    if not (tasks and tasks[task]) then return nil end
    sum = sum + tasks[task].seconds
  end
  return sum
end
local all = total(own)
local cells = { "**load and T3 to T7**", seconds(all), "", "" }
local peaks = { "peak memory", string.format("%.0f MB", memory.megabytes), "",
  string.format("%.1f B per event", memory.log / events) }
for i = 2, #participants do
  local tasks = participants[i].tasks
  if tasks then
    local sum = total(tasks)
    cells[#cells + 1] = sum and string.format("%s (%.1fx)", seconds(sum), sum / all) or "–"
    peaks[#peaks + 1] = tasks.memory and string.format("%.0f MB", tasks.memory.megabytes) or "–"
  end
end
row(cells)
row(peaks)
if own.T2floor then
  print(string.format("\nSQLite: a bare scan over %d connections takes %s, wayproof %.2fx of it.",
    threads, seconds(own.T2floor.seconds), own.T2.seconds / own.T2floor.seconds))
end
print(string.format("Memory read on %d threads: %.1f GB/s. require \"wayproof\": %.2f ms.", threads,
  machine.bandwidth / 1e9, memory.require * 1e3))

run(statistics)
compare(statistics)
print "\nStatistics of 425,390 rows\n"
head(statistics, { "task", "wayproof" })
for _, entry in ipairs { { "T8", "T8 AUC and DeLong's variance" },
  { "T9", "T9 1,000 permutations of the AUC" }, { "T10", "T10 logistic likelihood ratio" },
  { "T11", "T11 1,000 bootstraps of the AUC" } } do
  line(statistics, entry[1], entry[2], {})
end

run(verdict)
compare(verdict)
local judged = verdict[1].tasks.V
print(string.format("\nOne full verdict on %d users: %d placebo metrics, 999 permutations, "
  .. "1,999 bootstraps\n", judged.users, judged.placebos))
head(verdict, { "task", "wayproof", "its CPU" })
line(verdict, "V", "V one full verdict", { seconds(judged.cpu) })

-- windowFunnel of ClickHouse takes rows of one second in the order that helps; the question asks
-- for the order of the file. `ties = "any"` asks nearly what ClickHouse answers.
print ""
local rows_only = 0
for _, text in ipairs(disagreements) do
  if text:find("^T4") and text:find("ClickHouse", 1, true) then
    print("ties: " .. text)
    print("ties: wayproof with ties = \"any\" " .. table.concat(own.T4any.answer, " "))
  else
    rows_only = rows_only + 1
    print("DISAGREE " .. text)
  end
end
if rows_only == 0 then print "All other answers are equal." end
os.exit(rows_only == 0)
