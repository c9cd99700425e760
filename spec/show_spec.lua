-- show.lua, json.lua, object.lua: what results are printed and written with.
local json = require "wayproof.json"
local object = require "wayproof.object"
local show = require "wayproof.show"

local function each(format, cases)
  for _, case in ipairs(cases) do
    assert.equal(case[2], format(table.unpack(case, 1, 1)), "of " .. tostring(case[1]))
  end
end

describe("numbers for people", function()
  it("have thousands separators", function()
    each(show.integer, { { 0, "0" }, { 999, "999" }, { 1000, "1,000" }, { -1234567, "-1,234,567" },
      { 1234.6, "1,235" }, { math.maxinteger, "9,223,372,036,854,775,807" }, { nil, "–" } })
  end)

  it("keep three significant digits, plainly", function()
    each(show.number, { { 0, "0" }, { 0.0, "0" }, { 1.85, "1.85" }, { 27.64, "27.6" },
      { 0.01234, "0.0123" }, { 12345.6, "12,346" }, { 99.96, "100" }, { 0.9996, "1.00" },
      { -0.5, "-0.500" }, { 1e-7, "1.00e-07" }, { 1e13, "1.00e+13" }, { 48210, "48,210" },
      { 1 / 0, "inf" } })
  end)

  it("say shares as percentages", function()
    each(show.percent, { { 0, "0.0 %" }, { 0.1234, "12.3 %" }, { 1, "100.0 %" },
      { 0.00034, "0.034 %" }, { 1e-9, "< 0.001 %" }, { nil, "–" } })
    assert.equal("12 %", show.percent(0.1234, 0))
  end)

  it("say p-values, intervals, plurals and sizes", function()
    each(show.p, { { 0.0341, "0.034" }, { 0.2, "0.20" }, { 0.0001, "< 0.001" }, { nil, "–" } })
    assert.equal("1.85 [1.42, 2.41]", show.interval(1.853, 1.4199, 2.41))
    assert.equal("1.85", show.interval(1.853))
    assert.equal("1 user", show.plural(1, "user"))
    assert.equal("2,000 hypotheses", show.plural(2000, "hypothesis", "hypotheses"))
    each(show.bytes, { { 0, "0 B" }, { 999, "999 B" }, { 1000, "1.00 kB" },
      { 12345678, "12.3 MB" } })
  end)
end)

describe("times for people", function()
  it("take the unit that suits them", function()
    each(show.seconds, { { 0, "0 seconds" }, { 1, "1 second" }, { 0.5, "500 ms" },
      { 45, "45 seconds" }, { 59.99, "1 minute" }, { 5400, "1.5 hours" }, { 259200, "3 days" },
      { 86400 * 365.25 * 3, "3 years" }, { -60, "-1 minute" } })
    assert.equal("7 days", show.duration(7 * 86400 * 1000000))
  end)

  it("say instants in UTC, before 1970 and long after too", function()
    each(show.instant, { { 0, "1970-01-01 00:00:00" }, { -1, "1969-12-31 23:59:59.999999" },
      { 1709294400123400, "2024-03-01 12:00:00.1234" },
      { 951782400000000, "2000-02-29 00:00:00" }, { -62135596800000000, "0001-01-01 00:00:00" },
      { 253402300799000000, "9999-12-31 23:59:59" } })
    assert.equal("2024-03-01", show.date(1709294400123400))
  end)

  it("agree with the C library over four centuries of days", function()
    for day = -70000, 73000, 37 do
      assert.equal(os.date("!%Y-%m-%d", day * 86400), show.date(day * 86400 * 1000000))
    end
  end)
end)

describe("text for a terminal", function()
  it("measures characters, not bytes", function()
    each(show.width, { { "abc", 3 }, { "größe", 5 }, { "比較", 4 }, { "e\u{301}", 1 },
      { "\xff\xfe", 2 } })
  end)

  it("is cut and padded to a width", function()
    assert.equal("gr…", show.cut("größe", 3))
    assert.equal("比…", show.cut("比較比", 4))
    assert.equal("a b", show.cut("a\nb", 9))
    assert.equal("  ab", show.pad("ab", 4, "right"))
    assert.equal(" ab ", show.pad("ab", 4, "center"))
    assert.equal("比較 ", show.pad("比較", 5))
  end)

  it("is clipped in the middle, by columns and not inside a character", function()
    assert.equal("short", show.clip("short", 5))
    assert.equal("ab…yz", show.clip("abcdwxyz", 5))
    assert.equal("abc…yz", show.clip("abcdwxyz", 6))
    assert.equal("…", show.clip("abc", 1))
    assert.equal("日…語", show.clip("日本日本語", 5))
    assert.equal("grö…öße", show.clip("größe und größe", 7))
    assert.equal("\xffa…bc", show.clip("\xffabbbbc", 5))
    assert.equal("so ab…yz it is", show.clip_words("so abcdwxyz it is", 5))
  end)

  it("is wrapped at words, with an indent for what follows", function()
    assert.equal("one two\n  three\n  four", show.wrap("one two three four", 9, "  "))
    assert.equal("a\n\nb", show.wrap("a\n\nb", 9))
    assert.equal("one\n  abcdefg\n  hij two", show.wrap("one abcdefghij two", 9, "  "))
    assert.equal("日本語\n日本 x", show.wrap("日本語日本 x", 7))
    assert.equal("e\u{301}e\u{301}e\u{301}\ne\u{301}", show.wrap(("e\u{301}"):rep(4), 3))
    assert.equal("\255\255\n\255", show.wrap("\255\255\255", 2))
    assert.equal("a [31mb c", show.wrap("a\27[31mb\tc", 20))
  end)

  it("stands in aligned columns that fit the line", function()
    local text = show.table({ "event", { title = "users" }, "rate" },
      { { "compare", 1234, 0.25 }, { "größe 比較", 3, nil }, { "x", 4, 0.5 } },
      { max_rows = 2, indent = "  " })
    assert.equal("  event       users   rate\n  compare     1,234  0.250\n"
      .. "  größe 比較      3      –\n  … 1 more", text)
    local wide = show.table({ "a", "b" }, { { string.rep("x", 90), string.rep("y", 60) } })
    for line in wide:gmatch("[^\n]+") do assert.is_true(show.width(line) <= 80) end
    local one, two = wide:match("(x+)…  (y+)…")
    assert.is_true(math.abs(#one - #two) <= 1)
  end)

  it("has bars, sparklines and shades", function()
    assert.equal("█████", show.bar(0.5, 10))
    assert.equal("█▌", show.bar(0.15, 10))
    assert.equal("", show.bar(0 / 0, 10))
    assert.equal("██", show.bar(7, 2))
    assert.equal("▁▅█ ▁", show.sparkline({ 1, 2, 3, nil, 1, n = 5 }))
    assert.equal("▅▅", show.sparkline { 2, 2 })
    assert.equal(" ", show.shade(0))
    assert.equal("█", show.shade(1))
  end)
end)

describe("CSV text", function()
  it("quotes what needs it and leaves missing values empty", function()
    assert.equal('a,"b ""c"""\r\n1,"x,y"\r\n2.5,\r\n" z","\n"\r\n0.1,true\r\n',
      show.csv({ "a", 'b "c"' }, { { 1, "x,y" }, { 2.5 }, { " z", "\n" }, { 0.1, true } }))
  end)
end)

describe("JSON text", function()
  it("keeps integers exact, floats round-trip, and what is not a number null", function()
    each(json.encode, { { math.maxinteger, "9223372036854775807" }, { 0.1, "0.1" },
      { 1 / 3, "0.3333333333333333" }, { 0 / 0, "null" }, { 1 / 0, "null" }, { true, "true" },
      { 5e-324, "4.94065645841247e-324" }, { 2.0, "2" } })
    for _, number in ipairs { 0.1 + 0.2, 1 / 3, 2 ^ 53 + 2, math.pi * 1e300 } do
      assert.equal(number, tonumber(json.encode(number)))
    end
  end)

  it("tells lists from objects and sorts keys", function()
    assert.equal('{"a":[1,2],"b":{"x":null_},"c":[]}', (json.encode { b = { x = "Z" }, a = { 1, 2 },
      c = {} }:gsub('"Z"', "null_")))
    assert.equal('{"1":"a","k":"b"}', json.encode { "a", k = "b" })
    assert.equal('[1,null,3]', json.encode { 1, nil, 3, n = 3 })
    assert.equal('{"n":5}', json.encode { n = 5 })
  end)

  it("escapes what must be, and repairs bytes that are not UTF-8", function()
    assert.equal([["\"\\\n\u0001\u007fgrö<\/script>"]], json.encode "\"\\\n\1\127grö</script>")
    assert.equal('"a\u{FFFD}b\u{FFFD}"', json.encode "a\xffb\xfe")
  end)

  it("indents when asked", function()
    assert.equal('{\n  "a": [\n    1\n  ]\n}', json.encode({ a = { 1 } }, { pretty = true }))
  end)

  it("is read back by a reader of JSON", function()
    local data = { text = "grö\"\\\t", list = { 1, 2.5, false }, deep = { { { x = "y" } } } }
    assert.same(data, (require("dkjson").decode(json.encode(data))))
  end)
end)

describe("a result object", function()
  local Thing = object.class {
    name = "wayproof.Thing",
    render = function(self) return "thing " .. self.n.users end,
    rows = function() return { "a" }, { { 1 }, { 2 } } end,
    methods = { double = function(self) return self.n.users * 2 end },
  }
  local thing = Thing.new { n = { users = 3 }, list = { "x", { y = 1 } }, none = {} }

  it("reads its fields and methods with a dot", function()
    assert.equal(3, thing.n.users)
    assert.equal("x", thing.list[1])
    assert.equal(2, #thing.list)
    assert.equal(6, thing:double())
    assert.is_nil(thing.missing)
    assert.equal("thing 3", tostring(thing))
  end)

  it("iterates, and knows an empty table", function()
    local keys = {}
    for key in pairs(thing) do keys[#keys + 1] = key end
    table.sort(keys)
    assert.same({ "list", "n", "none" }, keys)
    local items = {}
    for i, item in ipairs(thing.list) do items[i] = item end
    assert.equal(2, #items)
    assert.is_nil(next(thing.none))
    assert.is_not_nil(next(thing.list))
    assert.equal("x", (table.unpack(thing.list)))
  end)

  it("cannot be changed at any depth", function()
    for _, change in ipairs {
      function() thing.n = 1 end, function() thing.new = 1 end, function() thing.n.users = 4 end,
      function() thing.list[2].y = 2 end, function() thing.none[1] = 1 end,
      function() table.insert(thing.list, 1) end,
    } do
      local done, message = pcall(change)
      assert.is_false(done)
      assert.matches("spec/show_spec.lua:%d+: .*immutable", message)
    end
    assert.equal(3, thing.n.users)
  end)

  it("gives plain data, JSON and CSV", function()
    local plain = thing:table()
    assert.same({ n = { users = 3 }, list = { "x", { y = 1 } }, none = {} }, plain)
    plain.n.users = 9
    assert.equal(3, thing.n.users)
    assert.equal('{"list":["x",{"y":1}],"n":{"users":3},"none":[]}', thing:json())
    local path = os.tmpname()
    assert.is_true(thing:csv(path))
    local file = assert(io.open(path, "rb"))
    assert.equal("a\r\n1\r\n2\r\n", file:read("a"))
    file:close()
    os.remove(path)
    local none, message, code = thing:csv "/no/such/folder/x.csv"
    assert.is_nil(none)
    assert.matches("/no/such/folder/x.csv", message, 1, true)
    assert.equal("file", code)
  end)

  it("prints frozen tables as Lua would write them", function()
    assert.equal('{ "x", { y = 1 } }', tostring(thing.list))
    assert.equal("{}", tostring(thing.none))
  end)
end)
