-- Hypothesis files: what they may say, and that they can do nothing else.
local sandbox = require "wayproof.sandbox"

local body = "{ metric = wp.count 'a', outcome = wp.converts 'b', observe = '7d', within = '30d' }"

local function read(text) return sandbox.read(text, "file.lua", function() end) end

local function message_of(text)
  local list, message = read(text)
  assert.is_nil(list)
  return message
end

local function names_of(text)
  local list = assert(read(text))
  local names = {}
  for i, made in ipairs(list) do names[i] = made.name end
  return table.concat(names, " ")
end

describe("a hypothesis file", function()
  local steps_max = sandbox.steps_max
  setup(function() sandbox.steps_max = 300000 end)
  teardown(function() sandbox.steps_max = steps_max end)

  it("gives every hypothesis that it builds, in order", function()
    assert.equal("one two", names_of("wp.hypothesis 'one' " .. body
      .. " local two = wp.hypothesis 'two' " .. body))
  end)

  it("gives what it returns instead: one, or a list", function()
    assert.equal("two", names_of("local x = wp.hypothesis 'one' " .. body
      .. " return wp.hypothesis 'two' " .. body))
    assert.equal("b a", names_of("local a = wp.hypothesis 'a' " .. body
      .. " local b = wp.hypothesis 'b' " .. body .. " return { b, a }"))
  end)

  it("may use loops, functions, mathematics, texts and tables", function()
    assert.equal("H1 H4", names_of([[
      local function square(x) return math.floor(x ^ 2) end
      local list = {}
      for i = 1, 2 do
        table.insert(list, wp.hypothesis(("h%d"):format(square(i)):upper()) ]] .. body .. [[)
      end
      return list]]))
  end)

  it("may require wayproof, as in a script", function()
    assert.equal("x", names_of("local wp = require 'wayproof' wp.hypothesis 'x' " .. body))
  end)

  it("may read from the machine's time only what is written in it", function()
    assert.equal("x", names_of("wp.hypothesis 'x' { metric = wp.count(), observe = '1d', "
      .. "outcome = wp.converts 'b', within = '1d', as_of = wp.time '2024-06-01' }"))
  end)

  it("says file and line of what is wrong", function()
    assert.matches("^file%.lua:2: unexpected symbol", message_of "\nlocal x = = 3")
    assert.matches("^file%.lua:3: count: events: 3 %(expected", message_of "\n\nwp.count(3)")
    assert.matches("^file%.lua:2: hypothesis: unknown option 'metrc' %(did you mean 'metric'%?%)",
      message_of "\nwp.hypothesis 'x' { metrc = 1 }")
    assert.matches("^file%.lua:1: attempt to call a nil value", message_of "wp.read_csv 'x'")
    assert.equal("file.lua: it returns 3 (expected a hypothesis, a list of them, or nothing)",
      message_of "return 3")
    assert.matches("file.lua: entry 1 of what it returns: 'x'", message_of "return { 'x' }", 1,
      true)
    assert.matches("file.lua: no hypothesis (expected", message_of "", 1, true)
  end)

  it("is named also where `return` has taken the line away", function()
    local message = message_of "return wp.hypothesis 'x' { metrc = 1 }"
    assert.equal("file.lua: hypothesis: unknown option 'metrc' (did you mean 'metric'?)", message)
  end)

  it("cannot be bytecode", function()
    local code = string.dump(load("return 1"))
    assert.matches("file.lua: attempt to load a binary chunk", message_of(code), 1, true)
  end)

  it("reaches nothing of the machine", function()
    for _, name in ipairs { "os", "io", "debug", "package", "load", "loadstring", "loadfile",
      "dofile", "collectgarbage", "coroutine", "setmetatable", "getmetatable", "rawset", "rawget",
      "rawequal", "pcall", "xpcall", "arg", "utf8", "warn", "_ENV.os", "_G.io", "string.dump",
      "string.gsub", "string.find", "string.match", "string.gmatch", "math.random",
      "math.randomseed", "table.move", "wp.read_csv", "wp.read_sqlite", "wp.threads", "wp.frame",
      "wp.help", "('x').dump", "('x').gsub", "('x').find" } do
      assert.matches("it is nil", message_of("if " .. name .. " == nil then error 'it is nil' end"))
    end
    assert.matches("has only wp", message_of "require 'os'")
  end)

  it("leaves no trace in the globals, in strings or in wayproof", function()
    local wp = require "wayproof"
    local count = wp.count
    message_of "x = 1; string.rep = nil; wp.count = nil; _G.print = nil; math.pi = 3"
    assert.is_nil(rawget(_G, "x"))
    assert.equal("xx", ("x"):rep(2))
    assert.equal("x", ("x"):match "x")
    assert.equal(count, wp.count)
    assert.is_true(math.pi > 3.1)
    assert.is_nil(debug.gethook())
    message_of "while true do end"
    assert.is_nil(debug.gethook())
    assert.equal("x", ("x"):match "x")
  end)

  it("is stopped when it runs forever", function()
    assert.equal("file.lua: it takes too many steps (is there an endless loop?)",
      message_of "while true do end")
    assert.matches("too many steps", message_of "local function f() return f() end f()")
    assert.matches("too many steps", message_of "for i = 1, 1e15 do wp.count() end")
    assert.matches("it takes too m", message_of "local function f() return 1 + f() end f()")
  end)

  it("is stopped when it eats memory", function()
    assert.matches("string.rep: 1000000000 bytes", message_of "('x'):rep(1e9)", 1, true)
    assert.matches("string.rep: ", message_of "string.rep('', 3, ('x'):rep(1000000))", 1, true)
    assert.matches("too much memory", message_of "local s = 'x' while true do s = s .. s end")
    assert.matches("table.concat: the text is too long", message_of
      "local t = {} for i = 1, 10 do t[i] = ('x'):rep(1000000) end table.concat(t)", 1, true)
    assert.matches("too many values", message_of "table.unpack({}, 1, 1e8)")
    collectgarbage()
    assert.is_true(collectgarbage("count") < 200 * 1024)
  end)

  it("bounds the custom metrics that it defines, also later", function()
    local list = assert(read([[wp.hypothesis 'x' { metric = wp.custom('f', function(n)
      if n == 0 then while true do end end
      if n == 1 then return os end
      return ('x'):rep(n):len()
    end), outcome = wp.converts 'b', observe = '7d', within = '30d' }]]))
    local call = list[1].metric.call
    assert.equal(7, call(7))
    assert.is_nil(call(1))
    assert.matches("file.lua: f: it takes too many steps", select(2, pcall(call, 0)), 1, true)
    assert.equal(3, call(3))
  end)

  it("gives a custom metric the fingerprint of its code", function()
    local function of(code)
      return assert(read("wp.hypothesis 'x' { metric = wp.custom('f', function(j) return " .. code
        .. " end), outcome = wp.converts 'b', observe = '7d', within = '30d' }"))[1]:fingerprint()
    end
    assert.equal(of "#j", of "#j")
    assert.not_equal(of "#j", of "#j + 1")
  end)

  it("prints to the ear it is given", function()
    local heard = {}
    sandbox.read("print('a', 1, nil) wp.hypothesis 'x' " .. body, "file.lua", function(line)
      heard[#heard + 1] = line
    end)
    assert.same({ "a\t1\tnil" }, heard)
  end)
end)
