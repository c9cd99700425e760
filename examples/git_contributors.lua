-- Does the way somebody starts in a project tell whether they will still be there 90 days later?
--
--     lua5.4 examples/git_contributors.lua               the repository around this file
--     lua5.4 examples/git_contributors.lua ~/src/linux   any other
--     lua5.4 examples/git_contributors.lua --sample      a small made-up one
--
-- Every developer has this data: a repository's history is an event log. Authors are the users,
-- commits and merges are the events, a commit's value is the number of files it touches, and its
-- `day` says whether it was made on a weekend. A small project will hear "inconclusive", one with a
-- single author "invalid", which are the honest answers: a dozen people prove nothing.
local wp = require "wayproof"

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Runs git in a repository; returns its first line, or nil when it fails.
local function git_line(repository, arguments)
  local command = "git -C " .. quote(repository) .. " " .. arguments .. " 2>/dev/null"
  local pipe = assert(io.popen(command))
  local line = pipe:read("l")
  return pipe:close() and line or nil
end

-- --- The history as rows ----------------------------------------------------------------------

--- An iterator over the events of a history, one table per event, for wp.read_rows. Fields are
--- parted by bytes that no name holds, so that commas, quotes and every script are just names.
local function events_of(repository, last_time)
  local log = assert(io.popen("git -C " .. quote(repository)
    .. " -c log.showSignature=false -c i18n.logOutputEncoding=UTF-8 log --use-mailmap --name-only"
    .. " --format=%x1e%at%x1f%P%x1f%aN%x1f%aE"))
  local commit, waiting = nil, {}

  --- The commit that has just been read, as one or two events.
  local function finish()
    if commit and commit.time <= last_time and commit.time > 0 then
      local weekday = tonumber(os.date("!%w", commit.time))
      local day = (weekday == 0 or weekday == 6) and "weekend" or "weekday"
      waiting[#waiting + 1] = {
        user = commit.author, event = "commit", time = commit.time, files = commit.files, day = day,
      }
      if commit.parents > 1 then
        waiting[#waiting + 1] = {
          user = commit.author, event = "merge", time = commit.time, day = day,
        }
      end
    end
    commit = nil
  end

  return function()
    while #waiting == 0 do
      local line = log:read("l")
      if not line then
        finish()
        log:close()
        log = { read = function() end, close = function() end }
        if #waiting == 0 then
          return nil
        end
      else
        local time, parents, name, email =
          line:match("^\30(%-?%d+)\31([^\31]*)\31([^\31]*)\31(.*)$")
        if time then
          finish()
          local _, count = parents:gsub("%x+", "")
          commit = { time = tonumber(time), parents = count, files = 0,
            author = name ~= "" and name or email }
        elseif line ~= "" and commit then
          commit.files = commit.files + 1
        end
      end
    end
    return table.remove(waiting, 1)
  end
end

-- --- A small made-up repository -----------------------------------------------------------------

local names = {
  'O\'Neil, "Bob"', "Žofie Ščučková", "李雷", "Ana María, PhD", "x", "Ünal; Öz", "D\\B",
}

--- Writes 60 authors and their commits through `git fast-import`, the same ones every time.
local function make_sample(folder)
  local state = 7
  local function random(limit)
    state = state * 6364136223846793005 + 1442695040888963407
    return (state >> 33) % limit
  end
  local commits = {}
  for i = 1, 60 do
    local name = (names[i] or "Author " .. i)
    local start, keen = 1577836800 + random(500) * 86400, random(5)
    for _ = 0, keen do
      commits[#commits + 1] = { start + random(14 * 86400), name, i }
    end
    if random(6) <= keen then
      for _ = 0, random(4) do
        commits[#commits + 1] = { start + (90 + random(90)) * 86400, name, i }
      end
    end
  end
  table.sort(commits, function(a, b)
    return a[1] < b[1] or a[1] == b[1] and a[3] < b[3]
  end)
  assert(os.execute("git init -q " .. quote(folder)))
  local import = assert(io.popen("git -C " .. quote(folder) .. " fast-import --quiet", "w"))
  for i, commit in ipairs(commits) do
    local who = ("%s <a%d@example.org> %d +0000"):format(commit[2], commit[3], commit[1])
    local text = "step " .. i
    import:write("commit refs/heads/main\nmark :", i, "\n")
    import:write("author ", who, "\ncommitter ", who, "\n")
    import:write("data ", #text, "\n", text, "\n")
    if i % 15 == 0 then
      import:write("merge :", i - 2, "\n")
    end
    for file = 0, random(4) do
      import:write("M 644 inline file", file, "\ndata ", #text, "\n", text, "\n")
    end
    import:write "\n"
  end
  assert(import:close(), "git fast-import failed")
  assert(os.execute("git -C " .. quote(folder) .. " symbolic-ref HEAD refs/heads/main"))
  return folder
end

-- --- The questions ------------------------------------------------------------------------------

local function questions(last_time)
  local function ask(name, metric)
    return wp.hypothesis(name) {
      metric = metric,                               -- in the first two weeks
      outcome = wp.retained { events = "commit" },   -- a commit between day 90 and day 180
      observe = "14d", gap = "76d", within = "90d",
      as_of = last_time * 1000000,
    }
  end
  return {
    ask("those who commit much stay", wp.count "commit"),
    ask("those who come back on another day stay", wp.active_days()),
    ask("those who give their weekends stay", wp.count("commit", { day = "weekend" })),
    ask("those who touch much of the code stay", wp.sum "commit"),
  }
end

local here = arg and arg[0] and arg[0]:match("^(.*)/[^/]*$") or "."
local wanted = arg and arg[1]
local repository, made
if wanted and wanted ~= "--sample" then
  repository = assert(git_line(wanted, "rev-parse --git-dir") and wanted,
    wanted .. ": not a git repository")
elseif not wanted and git_line(here, "log -1 --format=%ct") then
  repository = here
else
  made = os.tmpname()
  os.remove(made)
  repository = make_sample(made)
end

local last_time = assert(tonumber(git_line(repository, "log -1 --format=%ct")),
  repository .. ": no commit yet")
local log = assert(wp.read_rows(events_of(repository, last_time), {
  value = "files", properties = { "day" },
}))
print(log)
print()
local board = log:validate(questions(last_time))
print(board)
for i = 1, #board do
  print()
  print(board[i])
end

-- The example checks itself: every question has an answer with its counts, and a project with few
-- people never gets a proof.
assert(#board == 4)
for i = 1, #board do
  local result = board[i]
  assert(result.n.users == log:summary().users)
  assert(result.verdict ~= "validated" or result.n.events >= 100, "a proof from too few people")
end
if made then
  os.execute("rm -rf " .. quote(made))
  assert(log:summary().users == 60 and #log > log:where({ events = { "commit" } }):summary().events)
  assert(log:journey(names[1]) and log:journey(names[3]), "a name was read differently")
end
