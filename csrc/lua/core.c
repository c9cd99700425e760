/* luaopen_wayproof_core: one table per room. The only exported symbol of the library. */
#include "lua/binding.h"

#include "base/memory.h"
#include "ingest/scan.h"
#include "journey/window.h"
#include "stats/kernel.h"
#include "store/pack.h"

static int l_threads(lua_State *L)
{
    if (!lua_isnoneornil(L, 1)) {
        lua_Integer threads = luaL_checkinteger(L, 1);
        luaL_argcheck(L, threads >= 1 && threads <= 256, 1, "threads must be 1 to 256");
        wp_pool_set_threads((unsigned)threads);
    }
    lua_pushinteger(L, (lua_Integer)wp_pool_threads());
    return 1;
}

/* memory() -> live, peak bytes; memory("reset") starts a new peak; memory(n) fails the n-th
** allocation from now (tests only). */
static int l_memory(lua_State *L)
{
    if (lua_type(L, 1) == LUA_TNUMBER)
        wp_memory_fail_after(luaL_checkinteger(L, 1));
    else if (lua_type(L, 1) == LUA_TSTRING)
        wp_memory_peak_reset();
    lua_pushinteger(L, wp_memory_live());
    lua_pushinteger(L, wp_memory_peak());
    return 2;
}

/* instructions(level): at most those of an older processor, which must not change any result (tests
** only): 0 none beyond the compiler's, 1 SSE2, 2 AVX2, 3 whatever this one has. */
static int l_instructions(lua_State *L)
{
    lua_Integer level = luaL_checkinteger(L, 1);
    luaL_argcheck(L, level >= 0 && level <= 3, 1, "0 to 3 expected");
    wp_scan_limit(level < 2 ? (unsigned)level : 2);
    wp_walk_off = wp_simd_off = level < 2;
    wp_kernel_limit_width(level < 2 ? 2 : level == 2 ? 4 : 0);
    return 0;
}

static int l_metatable(lua_State *L)
{
    luaL_getmetatable(L, luaL_checkstring(L, 1));
    return 1;
}

/* A live worker at lua_close would run in code that is being unmapped. */
static int end_pool(lua_State *L)
{
    (void)L;
    wp_pool_shutdown();
    return 0;
}

__attribute__((visibility("default"))) int luaopen_wayproof_core(lua_State *L)
{
    luaL_checkversion(L);
    lua_newuserdatauv(L, 0, 0); /* the sentinel whose end is the end of the pool */
    lua_newtable(L);
    lua_pushcfunction(L, end_pool);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_setfield(L, LUA_REGISTRYINDEX, "wayproof.pool");

    static const luaL_Reg functions[] = {{"threads", l_threads},
                                         {"memory", l_memory},
                                         {"instructions", l_instructions},
                                         {"metatable", l_metatable},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    static const luaL_Reg rooms[] = {{"time", wpl_open_time},         {"read", wpl_open_read},
                                     {"source", wpl_open_source},     {"log", wpl_open_log},
                                     {"frame", wpl_open_frame},       {"vector", wpl_open_vector},
                                     {"stats", wpl_open_stats},       {"model", wpl_open_model},
                                     {"sqlite", wpl_open_sqlite},     {"funnel", wpl_open_funnel},
                                     {"flow", wpl_open_flow},         {"store", wpl_open_store},
                                     {"friction", wpl_open_friction}, {NULL, NULL}};
    for (const luaL_Reg *room = rooms; room->name != NULL; room++) {
        lua_pushcfunction(L, room->func);
        lua_call(L, 0, 1);
        lua_setfield(L, -2, room->name);
    }
    return 1;
}
