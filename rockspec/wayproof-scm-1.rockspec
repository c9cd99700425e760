rockspec_format = "3.0"
package = "wayproof"
version = "scm-1"
-- `luarocks make` inside a clone does not read this; a release names its archive here.
source = {
  url = "git+file://.",
  branch = "main",
}
description = {
  summary = "Prove on your own events which metrics really predict the outcome",
  detailed = [[
Write an outcome-to-metric hypothesis in Lua, and wayproof proves on your own event data whether
the metric predicts the outcome beyond plain activity: validated, vanity, reversed, unrelated,
unstable, leaking, or not enough evidence yet. The core is C: it loads CSV and SQLite in parallel
and measures every user in one pass.]],
  license = "MIT",
  labels = { "analytics", "statistics", "data" },
}
-- The upper bound follows what the tests run on.
dependencies = {
  "lua >= 5.4, < 5.5",
  "argparse >= 0.7",
  "dkjson >= 2.5",
}
test_dependencies = {
  "busted >= 2.0",
  "luacheck >= 1.0",
}
-- Elsewhere than in the usual folders: luarocks make SQLITE_DIR=... ZLIB_DIR=...
-- (or SQLITE_INCDIR and SQLITE_LIBDIR where headers and libraries live apart).
external_dependencies = {
  SQLITE = { header = "sqlite3.h", library = "sqlite3" },
  ZLIB = { header = "zlib.h", library = "z" },
}
build = {
  type = "builtin",
  modules = {
    -- files: written by `make rockspec`
    ["wayproof.core"] = {
      sources = {
        "csrc/base/error.c",
        "csrc/base/memory.c",
        "csrc/base/pool.c",
        "csrc/lua/binding.c",
        "csrc/lua/core.c",
        "csrc/lua/l_flow.c",
        "csrc/lua/l_frame.c",
        "csrc/lua/l_funnel.c",
        "csrc/lua/l_log.c",
        "csrc/lua/l_model.c",
        "csrc/lua/l_read.c",
        "csrc/lua/l_sqlite.c",
        "csrc/lua/l_stats.c",
        "csrc/lua/l_time.c",
        "csrc/lua/l_vector.c",
        "csrc/lua/selection.c",
        "csrc/stats/distribution.c",
        "csrc/store/log.c",
      },
      incdirs = { "csrc", "$(SQLITE_INCDIR)", "$(ZLIB_INCDIR)" },
      libdirs = { "$(SQLITE_LIBDIR)", "$(ZLIB_LIBDIR)" },
      libraries = { "sqlite3", "z" },
      defines = { "_GNU_SOURCE" },
    },
    ["wayproof.check"] = "lua/wayproof/check.lua",
    ["wayproof.object"] = "lua/wayproof/object.lua",
    ["wayproof.resolve"] = "lua/wayproof/resolve.lua",
    ["wayproof.suggest"] = "lua/wayproof/suggest.lua",
    ["wayproof.verdict"] = "lua/wayproof/verdict.lua",
    ["wayproof.version"] = "lua/wayproof/version.lua",
    -- end of files
  },
  platforms = {
    -- System libraries are named for Linux only: on macOS and BSD they are part of libc.
    linux = {
      modules = {
        ["wayproof.core"] = {
          libraries = { "sqlite3", "z", "pthread", "m" },
        },
      },
    },
  },
  install = {
    bin = { wayproof = "bin/wayproof" },
  },
  copy_directories = { "doc", "examples", "types" },
}
test = {
  type = "command",
  command = "make test",
}
