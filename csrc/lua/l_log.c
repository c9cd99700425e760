/* wayproof.Log: the handle of a view of a log. Methods that only arrange words live in
** lua/wayproof/log.lua, which adds them to core.log.methods. */
#include "lua/binding.h"

typedef struct log_handle {
    wp_log *log; /* NULL: closed */
} log_handle;

const wp_log *wpl_check_log(lua_State *L, int index)
{
    log_handle *handle = luaL_checkudata(L, index, WPL_LOG);
    if (handle->log == NULL)
        luaL_error(L, "log is closed");
    return handle->log;
}

void wpl_push_log(lua_State *L, wp_log *take_log)
{
    log_handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
    handle->log = take_log;
    luaL_setmetatable(L, WPL_LOG);
    wpl_gc_pressure(L, take_log->columns->bytes_size);
}

static int m_close(lua_State *L)
{
    log_handle *handle = luaL_checkudata(L, 1, WPL_LOG);
    wp_log *log = handle->log;
    handle->log = NULL;
    wp_log_release(log);
    return 0;
}

static int mm_len(lua_State *L)
{
    lua_pushinteger(L, wpl_check_log(L, 1)->events_count);
    return 1;
}

static int m_is_closed(lua_State *L)
{
    log_handle *handle = luaL_checkudata(L, 1, WPL_LOG);
    lua_pushboolean(L, handle->log == NULL);
    return 1;
}

int wpl_open_log(lua_State *L)
{
    static const luaL_Reg methods[] = {{"is_closed", m_is_closed}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__len", mm_len}, {NULL, NULL}};
    wpl_class(L, WPL_LOG, m_close, methods, metamethods);
    lua_newtable(L);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "methods");
    return 1;
}
