# wayproof: `make demo` and `make test` are all a newcomer needs; `make help` lists the rest.
.DEFAULT_GOAL := build
LUA ?= lua5.4
LUA_CFLAGS ?= $(shell pkg-config --cflags lua5.4 2>/dev/null || echo -I/usr/include/lua5.4)
CC ?= cc
DEFINES := -D_GNU_SOURCE
CFLAGS ?= -O2
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wvla -Wstrict-prototypes
VARIANT ?= release
OUT := build/$(VARIANT)

CORE_SOURCES := $(wildcard csrc/base/*.c csrc/store/*.c csrc/ingest/*.c csrc/journey/*.c csrc/stats/*.c)
LUA_SOURCES := $(wildcard csrc/lua/*.c)
OBJECTS := $(patsubst csrc/%.c,$(OUT)/%.o,$(CORE_SOURCES) $(LUA_SOURCES))

.PHONY: build clean
build: $(OUT)/wayproof/core.so

$(OUT)/wayproof/core.so: $(OBJECTS)
	@mkdir -p $(@D)
	$(CC) -shared $(LDFLAGS) -o $@ $(OBJECTS) -lsqlite3 -lz -lpthread -lm

$(OUT)/lua/%.o: csrc/lua/%.c
	@mkdir -p $(@D)
	$(CC) -std=c11 $(DEFINES) $(CFLAGS) $(WARNINGS) -fPIC -fvisibility=hidden -MMD -Icsrc $(LUA_CFLAGS) -c $< -o $@

$(OUT)/%.o: csrc/%.c
	@mkdir -p $(@D)
	$(CC) -std=c11 $(DEFINES) $(CFLAGS) $(WARNINGS) -fPIC -fvisibility=hidden -MMD -Icsrc -c $< -o $@

-include $(OBJECTS:.o=.d)

clean:
	rm -rf build
