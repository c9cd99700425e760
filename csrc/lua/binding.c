/* Shared parts of the binding; see binding.h. */
#include "lua/binding.h"

#include "base/terminal.h"

#include <stdio.h>
#include <string.h>

int wpl_push_failure(lua_State *L, const wp_error *err)
{
    if (err->status == WP_INTERRUPTED) {
        lua_sethook(L, NULL, 0, 0);
        return luaL_error(L, "interrupted!");
    }
    luaL_pushfail(L);
    lua_pushstring(L, err->message);
    lua_pushstring(L, wp_status_name(err->status));
    return 3;
}

int wpl_raise(lua_State *L, const wp_error *err)
{
    if (err->status == WP_INTERRUPTED)
        lua_sethook(L, NULL, 0, 0);
    return luaL_error(L, "%s", err->status == WP_INTERRUPTED ? "interrupted!" : err->message);
}

static bool hook_changed(void *context)
{
    const wpl_poll *poll = context;
    return lua_gethook(poll->L) != poll->hook;
}

/* A line that is written over itself, and taken away in the end. */
static void show_progress(void *context, size_t done, size_t total)
{
    static const int64_t patience_ns = 1000000000, pause_ns = 100000000;
    wpl_poll *poll = context;
    int64_t now_ns = wp_clock_ns();
    if (done == total) {
        if (poll->shown_ns != 0)
            fputs("\r\033[K", stderr);
        poll->shown_ns = 0;
    } else if (now_ns - poll->started_ns > patience_ns && now_ns - poll->shown_ns > pause_ns &&
               wp_terminal_watches()) {
        fprintf(stderr, "\r%3.0f %%\033[K", 100.0 * (double)done / (double)total);
        poll->shown_ns = now_ns;
    }
}

wp_run wpl_run(lua_State *L, wpl_poll *poll)
{
    *poll = (wpl_poll){.L = L, .hook = lua_gethook(L), .started_ns = wp_clock_ns()};
    return (wp_run){.interrupted = hook_changed, .progress = show_progress, .context = poll};
}

void wpl_gc_pressure(lua_State *L, int64_t bytes_size)
{
    if (bytes_size > (256 << 10))
        lua_gc(L, LUA_GCSTEP, bytes_size / 1024 > 1 << 20 ? 1 << 20 : (int)(bytes_size / 1024));
}

void wpl_class(lua_State *L, const char *name, lua_CFunction close, const luaL_Reg *methods,
               const luaL_Reg *metamethods)
{
    luaL_newmetatable(L, name);
    if (metamethods != NULL)
        luaL_setfuncs(L, metamethods, 0);
    if (close != NULL) {
        lua_pushcfunction(L, close);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, "__gc");
        lua_setfield(L, -2, "__close");
    }
    lua_newtable(L); /* methods */
    if (methods != NULL)
        luaL_setfuncs(L, methods, 0);
    if (close != NULL) {
        lua_pushcfunction(L, close);
        lua_setfield(L, -2, "close");
    }
    if (lua_getfield(L, -2, "__index") == LUA_TNIL) {
        lua_pushvalue(L, -2);
        lua_setfield(L, -4, "__index");
    }
    lua_pop(L, 1);
    lua_remove(L, -2); /* metatable */
}
