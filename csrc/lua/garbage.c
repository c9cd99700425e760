/* Garbage of long vectors: see garbage.h. */
#include "lua/garbage.h"

#include <stdint.h>
#include <time.h>

/* bytes: of vectors that nobody looks at; of garbage before it is collected; and for each
** nanosecond that collecting takes, so that it costs a small part of what filling vectors costs,
** however many objects a script holds. Giving freed memory back to the system (so many bytes in a
** nanosecond at least) is no cost of collecting: it must be given back some time. */
enum { SHORT = 1 << 16, GARBAGE_LEAST = 16 << 20, BYTES_PER_NS = 20, FREED_PER_NS = 5 };

typedef struct heap_state {
    size_t clean;   /* bytes of the heap when it was last known to hold no garbage, or less */
    size_t allowed; /* growth from there on */
} heap_state;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static size_t heap_bytes(lua_State *L)
{
    return (size_t)lua_gc(L, LUA_GCCOUNT) * 1024;
}

/* One for all coroutines of a state. */
static heap_state *state_of(lua_State *L)
{
    static const char key;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &key);
    heap_state *state = lua_touserdata(L, -1);
    lua_pop(L, 1); /* the registry keeps it */
    if (state != NULL)
        return state;
    state = lua_newuserdatauv(L, sizeof *state, 0);
    *state = (heap_state){heap_bytes(L), GARBAGE_LEAST};
    lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
    return state;
}

void wpl_make_room(lua_State *L, size_t bytes)
{
    if (bytes < SHORT)
        return;
    luaL_checkstack(L, 2, NULL);
    heap_state *state = state_of(L);
    size_t heap = heap_bytes(L);
    if (heap < state->clean)
        state->clean = heap;
    if (heap + bytes - state->clean < state->allowed || !lua_gc(L, LUA_GCISRUNNING))
        return;
    int64_t started = now_ns();
    lua_gc(L, LUA_GCCOLLECT);
    int64_t took_ns = now_ns() - started;
    state->clean = heap_bytes(L);
    if (state->clean < heap)
        took_ns -= (int64_t)((heap - state->clean) / FREED_PER_NS);
    size_t cost = took_ns > 0 ? (size_t)took_ns * BYTES_PER_NS : 0;
    state->allowed = cost > GARBAGE_LEAST ? cost : GARBAGE_LEAST;
}
