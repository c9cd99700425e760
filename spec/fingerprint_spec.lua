-- Fingerprints: equal for equal questions, in every run; different for different ones.
local wp = require "wayproof"
local fingerprint = require "wayproof.fingerprint"
local shell = require "spec.shell"

local function hypothesis(changes)
  local options = { metric = wp.count "a", outcome = wp.converts "b", observe = "7d",
    within = "30d" }
  for key, value in pairs(changes or {}) do options[key] = value end
  local name = options.name or "h"
  options.name = nil
  return wp.hypothesis(name) (options)
end

describe("a fingerprint", function()
  it("is 32 hex digits", function()
    assert.matches("^%x+$", wp.count():fingerprint())
    assert.equal(32, #wp.count():fingerprint())
  end)

  it("does not depend on the way a thing is said", function()
    local same = {
      { wp.count "a", wp.count { "a" } },
      { wp.count { "b", "a" }, wp.count { "a", "b", "a" } },
      { wp.count("a", { x = 1, y = 2 }), wp.count("a", { y = 2.0, x = { 1 } }) },
      { wp.count("a", {}), wp.count "a" },
      { wp.sessions(), wp.sessions { timeout = "30m" } },
      { wp.count "a" * 2, wp.count "a" * 2.0 },
      { wp.count "a":named "text", wp.count "a" },
      { (wp.count "a" + wp.did "b"):named "x", wp.count "a":named "y" + wp.did "b" },
      { wp.converts "a":named "sale", wp.converts("a", { at_least = 1 }) },
      { wp.retained { "a" }, wp.retained { events = { "a" }, from = 0 } },
    }
    for i, pair in ipairs(same) do
      assert.equal(pair[1]:fingerprint(), pair[2]:fingerprint(), "pair " .. i)
    end
  end)

  it("tells different questions apart", function()
    local seen = {}
    for i, made in ipairs { wp.count(), wp.count "a", wp.count "b", wp.count { "a", "b" },
      wp.count "ab", wp.did "a", wp.count { a = "b" }, wp.count { a = wp.is_not "b" },
      wp.count { a = { "b", "c" } }, wp.count { a = 1 }, wp.count { a = "1" },
      wp.count { a = wp.above(1) }, wp.count { a = wp.below(1) }, wp.count { a = true },
      wp.sum "a", wp.sum("a", "b"), wp.mean "a", wp.sum { a = "b" }, wp.time_between("a", "b"),
      wp.time_between("b", "a"), wp.count "a" + wp.count "b", wp.count "b" + wp.count "a",
      wp.count "a" - wp.count "b", wp.count "a":at_least(1), wp.count "a":at_least(2),
      wp.count "a":capped(2), wp.log1p(wp.count "a"), wp.active_days(),
      wp.active_days { zone = "Asia/Tokyo" }, wp.matches { "a", "b" }, wp.matches { "b", "a" },
      wp.matches({ "a", "b" }, { within = "1d" }), wp.attribute "a", wp.converts "a",
      wp.refers "a", wp.converts("a", { at_least = 2 }), wp.retained "a", wp.churned "a",
      wp.retained { "a", from = "1d" }, wp.retained { "a", to = "1d" }, wp.earns "a",
      wp.accelerates "a", wp.outcome(wp.count "a"),
    } do
      local text = made:fingerprint()
      assert.is_nil(seen[text], "entry " .. i .. " is taken for entry " .. tostring(seen[text]))
      seen[text] = i
    end
  end)

  it("covers every option of a hypothesis but its name", function()
    local base = hypothesis():fingerprint()
    assert.equal(base, hypothesis { name = "another" }:fingerprint())
    for key, value in pairs { metric = wp.count "c", outcome = wp.converts "c", observe = "8d",
      within = "31d", expect = "fall", from = "a", gap = "1d", population = { a = "b" },
      prior_outcome = "keep", activity = {}, adjust = { "x" }, cluster = "x",
      until_events = "x", acknowledge = { "missing" }, across = { "x" }, minimum = 1.3,
      reliability = 0.5, strict_vanity = true, as_of = 1, alpha = 0.1, seed = 2 } do
      assert.not_equal(base, hypothesis { [key] = value }:fingerprint(), key)
    end
  end)

  it("resolves patterns to the events that a log has", function()
    local pattern, names = wp.count "W_*", { "W_a", "W_b", "other" }
    assert.equal(wp.count { "W_a", "W_b" }:fingerprint(), pattern:fingerprint(names))
    assert.not_equal(pattern:fingerprint(), pattern:fingerprint(names))
    assert.not_equal(pattern:fingerprint { "W_a" }, pattern:fingerprint(names))
    assert.equal(wp.count "x":fingerprint(), wp.count "x":fingerprint(names))
    local h = hypothesis { metric = pattern / wp.count(), outcome = wp.converts "W_*" }
    local resolved = hypothesis { metric = wp.count { "W_a", "W_b" } / wp.count(),
      outcome = wp.converts { "W_a", "W_b" } }
    assert.equal(resolved:fingerprint(), h:fingerprint(names))
    assert.equal(wp.converts { "W_a", "W_b" }:fingerprint(), wp.converts "W_*":fingerprint(names))
  end)

  it("sees the code of a custom metric, not where it stands", function()
    local function made(call) return wp.custom("x", call):fingerprint() end
    local one = made(function(journey) return #journey end)
    assert.equal(one, made(function(journey)

      return #journey
    end))
    local nested = made(function(journey)
      local function count() return #journey, 1.5, 3, "text", nil, true end
      return count()
    end)
    assert.equal(nested, made(function(journey)

      local function count()
        return #journey, 1.5, 3, "text", nil, true
      end

      return count()
    end))
    assert.not_equal(nested, made(function(journey)
      local function count() return #journey, 1.5, 4, "text", nil, true end
      return count()
    end))
    assert.equal(wp.custom("x", print):fingerprint(), wp.custom("x", print):fingerprint())
    assert.not_equal(one, made(function(journey) return #journey + 1 end))
    assert.not_equal(one, wp.custom("y", function(journey) return #journey end):fingerprint())
  end)

  it("is the same in another process #processes", function()
    local code = [[local wp = require "wayproof"; io.write(wp.hypothesis "h" {
      metric = wp.count({ "b", "a" }, { x = { "q", "p" }, y = wp.above(1.5) }) / wp.count(),
      outcome = wp.retained { from = "1d" }, observe = "7d", within = "30d", across = { "d" },
      adjust = { "e" }, population = { f = true } }:fingerprint())]]
    local command = shell.lua .. " -e " .. shell.quote(
      "package.path = 'lua/?.lua;lua/?/init.lua;' .. package.path " .. code)
    local one, two = shell.must(command), shell.must(command)
    assert.equal(one, two)
    assert.equal(32, #one)
    local parts = {}
    load(code, "=code", "t", { require = require, io = { write = function(text)
      parts[1] = text
    end } })()
    assert.equal(one, parts[1])
  end)

  it("of a fixed question stays as it was published", function()
    -- Ledgers hold these: a change here forgets every try that users have recorded.
    assert.equal("b139cdf6483a0047d5108526a8736904", wp.count { "compare", "faq" }:fingerprint())
    assert.equal("6c76162bd730e2449f6c8009777c21c5", hypothesis():fingerprint())
  end)
end)

describe("the hash under it", function()
  it("spreads single-bit changes over all its digits", function()
    local seen, text = {}, string.rep("abcdefgh", 9)
    local base = fingerprint.hash(text)
    local least = 32
    for i = 1, #text do
      for bit = 0, 7 do
        local changed = string.char(text:byte(i) ~ (1 << bit))
        local other = text:sub(1, i - 1) .. changed .. text:sub(i + 1)
        local hash = fingerprint.hash(other)
        assert.is_nil(seen[hash])
        seen[hash] = true
        local differing = 0
        for d = 1, 32 do
          if hash:byte(d) ~= base:byte(d) then differing = differing + 1 end
        end
        least = math.min(least, differing)
      end
    end
    assert.is_true(least >= 20)
  end)

  it("tells lengths apart where zero bytes pad the last word", function()
    assert.not_equal(fingerprint.hash "a", fingerprint.hash "a\0")
    assert.not_equal(fingerprint.hash "", fingerprint.hash "\0")
  end)
end)
