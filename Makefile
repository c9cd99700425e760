# wayproof: `make demo` and `make test` are all a newcomer needs; `make help` lists the rest.
.DEFAULT_GOAL := build
MAKEFLAGS += --no-print-directory

# --- Tools and flags; every one may be given on the command line ---------------------------------
ifeq ($(origin LUA),undefined)
LUA := $(notdir $(firstword $(shell command -v lua5.4 || command -v lua54 || command -v lua || echo lua5.4)))
endif
ifeq ($(origin LUA_CFLAGS),undefined)
LUA_CFLAGS := $(shell pkg-config --cflags lua5.4 2>/dev/null || pkg-config --cflags lua-5.4 2>/dev/null \
    || pkg-config --cflags lua54 2>/dev/null || echo -I/usr/include/lua5.4)
endif
CC ?= cc
DEFINES := -D_GNU_SOURCE
CFLAGS ?= -O2
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wvla -Wstrict-prototypes
# A build lives in build/<variant>; sanitizers get their own by calling make again.
VARIANT ?= release
OUT := build/$(VARIANT)
# Extra libraries elsewhere: make SQLITE_DIR=/opt/sqlite ZLIB_DIR=/opt/zlib
EXTRA_CFLAGS := $(foreach dir,$(SQLITE_DIR) $(ZLIB_DIR),-I$(dir)/include)
EXTRA_LDFLAGS := $(foreach dir,$(SQLITE_DIR) $(ZLIB_DIR),-L$(dir)/lib)
LIBRARIES := -lsqlite3 -lz -lpthread -lm
ifeq ($(shell uname -s),Darwin)
SHARED := -bundle -undefined dynamic_lookup
else
SHARED := -shared
endif

CORE_SOURCES := $(wildcard csrc/base/*.c csrc/store/*.c csrc/ingest/*.c csrc/journey/*.c csrc/stats/*.c)
LUA_SOURCES := $(wildcard csrc/lua/*.c)
TEST_SOURCES := $(wildcard csrc/test/*.c)
FUZZ_SOURCES := $(wildcard csrc/fuzz/*.c)
CORE_OBJECTS := $(patsubst csrc/%.c,$(OUT)/%.o,$(CORE_SOURCES))
LUA_OBJECTS := $(patsubst csrc/%.c,$(OUT)/%.o,$(LUA_SOURCES))
TEST_OBJECTS := $(patsubst csrc/%.c,$(OUT)/%.o,$(TEST_SOURCES))
COMPILE = $(CC) -std=c11 $(DEFINES) $(CFLAGS) $(WARNINGS) -fPIC -fvisibility=hidden -MMD -MP -Icsrc $(EXTRA_CFLAGS)

# --- Build ---------------------------------------------------------------------------------------
.PHONY: build
build: $(OUT)/wayproof/core.so ## the C core, into build/release

$(OUT)/wayproof/core.so: $(CORE_OBJECTS) $(LUA_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(SHARED) $(CFLAGS) $(LDFLAGS) $(EXTRA_LDFLAGS) -o $@.new $^ $(LIBRARIES)
	@mv -f $@.new $@

$(OUT)/test/wayproof_test: $(CORE_OBJECTS) $(TEST_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) $(EXTRA_LDFLAGS) -o $@ $^ $(LIBRARIES)

# Only csrc/lua sees Lua's headers: the rest compiles without their path.
$(OUT)/lua/%.o: csrc/lua/%.c
	@mkdir -p $(@D)
	$(COMPILE) $(LUA_CFLAGS) -c $< -o $@

$(OUT)/%.o: csrc/%.c
	@mkdir -p $(@D)
	$(COMPILE) -c $< -o $@

-include $(CORE_OBJECTS:.o=.d) $(LUA_OBJECTS:.o=.d) $(TEST_OBJECTS:.o=.d)

# --- The two commands ----------------------------------------------------------------------------
JOBS := $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)
BUILD_QUIETLY = $(MAKE) -s -j$(JOBS) build
export LUA_PATH := $(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;
export LUA_CPATH := $(abspath $(OUT))/?.so;;
export WAYPROOF_BUILD := $(OUT)

.PHONY: demo demo-run test test-run
demo: ## install what is missing, build, and run the main job on a shop with a planted truth
	@tools/setup.sh demo
	@$(MAKE) demo-run
demo-run:
	@$(BUILD_QUIETLY)
	@$(LUA) bin/wayproof demo

test: ## install what is missing, build, and run every test
	@tools/setup.sh test
	@$(MAKE) test-run
test-run:
	@$(BUILD_QUIETLY)
	@$(MAKE) -s -j$(JOBS) $(OUT)/test/wayproof_test
	@$(LUA) tools/test.lua \
	    "C unit tests=$(OUT)/test/wayproof_test" \
	    "lint and layout=$(LUA) tools/lint.lua" \
	    "specs=$(LUA) tools/busted.lua" \
	    "specs, hostile collector=$(MAKE) -s gc-hostile" \
	    "specs, generational collector=$(MAKE) -s gc-hostile GC=generational" \
	    "specs, every log in a store=$(MAKE) -s stored" \
	    "specs, address sanitizer=$(MAKE) -s asan"

# --- Parts of the test run -----------------------------------------------------------------------
.PHONY: spec gc-hostile asan tsan stored valgrind oom fuzz lint format format-check
spec: build ## specs that are quick; F=spec/one_spec.lua runs one file
	@$(LUA) tools/busted.lua $(if $(F),$(F),--exclude-tags=slow)

GC ?= incremental
gc-hostile: build ## specs while Lua's collector never rests (GC=generational: the other one)
	@WAYPROOF_GC=$(GC) $(LUA) tools/busted.lua $(if $(F),$(F),--exclude-tags=slow,house,oom)

# The interpreter stays Debian's: the sanitizer's library is preloaded and sees our .so.
SANITIZE = $(MAKE) -s -j$(JOBS) VARIANT=$(1) CFLAGS="-O1 -g -fno-omit-frame-pointer $(2)" LDFLAGS="$(2)"
PRELOADED = WAYPROOF_BUILD=build/$(1) LUA_CPATH="$(CURDIR)/build/$(1)/?.so;;" \
    LD_PRELOAD="$(shell $(CC) -print-file-name=$(2))" $(LUA) tools/busted.lua \
    $(if $(F),$(F),--exclude-tags=slow,house)

asan: ## C tests and specs under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(call SANITIZE,asan,-fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined) \
	    build/asan/wayproof/core.so build/asan/test/wayproof_test
	@build/asan/test/wayproof_test >build/asan/test/log 2>&1 || { cat build/asan/test/log; exit 1; }
	@ASAN_OPTIONS=detect_leaks=0:abort_on_error=0 $(call PRELOADED,asan,libasan.so)

# Debian's sh does not start under this sanitizer, so its library is given to Lua's process only, and
# specs that start others (#process) are left out.
LD_SO = $(firstword $(wildcard /lib64/ld-linux-*.so.* /lib/ld-linux-*.so.*))
tsan: ## C tests and specs under ThreadSanitizer
	@$(call SANITIZE,tsan,-fsanitize=thread) build/tsan/wayproof/core.so build/tsan/test/wayproof_test
	@build/tsan/test/wayproof_test
	@WAYPROOF_BUILD=build/tsan LUA_CPATH="$(CURDIR)/build/tsan/?.so;;" WAYPROOF_THREADS=4 \
	    TSAN_OPTIONS=halt_on_error=1 $(LD_SO) \
	    --preload "$(shell $(CC) -print-file-name=libtsan.so)" "$(shell command -v $(LUA))" \
	    tools/busted.lua $(if $(F),$(F),--exclude-tags=slow,house,process --exclude-pattern=cli)

stored: ## specs whose logs are all read from a store, part by part
	@$(MAKE) -s -j$(JOBS) VARIANT=parts CFLAGS="-O2 -DWP_WAY_PART_USERS=64u" build/parts/wayproof/core.so
	@WAYPROOF_STORED=1 WAYPROOF_BUILD=build/parts LUA_CPATH="$(CURDIR)/build/parts/?.so;;" \
	    $(LUA) tools/busted.lua $(F) --exclude-tags=slow,house,oom,bare

valgrind: build $(OUT)/test/wayproof_test ## C tests and specs under valgrind (slow)
	@valgrind -q --error-exitcode=9 --leak-check=full $(OUT)/test/wayproof_test
	@valgrind -q --error-exitcode=9 $(LUA) tools/busted.lua $(if $(F),$(F),--exclude-tags=slow,house,oom)

oom: build ## specs that let the n-th allocation fail, for every n
	@$(LUA) tools/busted.lua --tags=oom

FUZZ_SECONDS ?= 30
fuzz: ## fuzz each reader for FUZZ_SECONDS (needs clang with libFuzzer)
	@$(MAKE) -s -j$(JOBS) CC=clang VARIANT=fuzz \
	    CFLAGS="-O1 -g -fsanitize=fuzzer-no-link,address,undefined" fuzz-targets
	@for target in $(FUZZ_SOURCES:csrc/fuzz/%.c=%); do \
	    mkdir -p build/fuzz/corpus/$$target; \
	    build/fuzz/fuzz/$$target -max_total_time=$(FUZZ_SECONDS) build/fuzz/corpus/$$target || exit 1; \
	done
.PHONY: fuzz-targets
fuzz-targets: $(FUZZ_SOURCES:csrc/fuzz/%.c=$(OUT)/fuzz/%)
$(OUT)/fuzz/%: $(OUT)/fuzz/%.o $(CORE_OBJECTS)
	$(CC) $(CFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBRARIES)

lint: ## luacheck and the layout of C
	@$(LUA) tools/lint.lua
	@$(LUA) tools/tidy.lua

C_FILES := $(shell find csrc bench -name '*.[ch]' 2>/dev/null)
format: ## lay out the C files
	@clang-format -i $(C_FILES)
format-check:
	@clang-format --dry-run -Werror $(C_FILES)

# --- Installing and proving ----------------------------------------------------------------------
.PHONY: rock rockspec help-text readme fresh repl env oracles bench
rock: ## install the rock into build/tree and use it from another directory
	@$(LUA) tools/busted.lua spec/rock_spec.lua

rockspec: ## write the lists of files into the rockspec again
	@$(LUA) tools/rockspec.lua

help-text: ## write what wp.help says again, from types/wayproof.lua
	@$(LUA) tools/help.lua

readme: build ## write the real output below the README's code
	@$(LUA) tools/readme.lua

fresh: ## prove `make demo` and `make test` in a new minimal Debian (root; debootstrap)
	@tools/fresh.sh

repl: build ## Lua's prompt with wp = require "wayproof"
	@$(LUA) -l wp=wayproof -i

env: ## print what to evaluate: eval "$$(make -s env)"
	@echo "export LUA_PATH='$(LUA_PATH)'"
	@echo "export LUA_CPATH='$(LUA_CPATH)'"
	@echo "export PATH='$(CURDIR)/bin:'\"\$$PATH\""

oracles: ## compare with R and SciPy (where installed)
	@tools/oracles/run.sh

bench: build ## measure speed and memory
	@bench/run.sh $(EVENTS) $(THREADS)

.PHONY: clean help
clean: ## remove every build
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{ printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  Variables: LUA CC CFLAGS VARIANT SQLITE_DIR ZLIB_DIR F (a spec file) FUZZ_SECONDS"

comma := ,
