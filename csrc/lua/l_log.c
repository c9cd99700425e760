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

static void push_dictionary(lua_State *L, const wp_dictionary *dictionary)
{
    lua_createtable(L, (int)dictionary->count, 0);
    for (uint32_t code = 0; code < dictionary->count; code++) {
        size_t length;
        const char *text = wp_dictionary_text(dictionary, code, &length);
        lua_pushlstring(L, text, length);
        lua_rawseti(L, -2, (lua_Integer)code + 1);
    }
}

static void push_number_names(lua_State *L, const wp_numbers *columns, uint32_t count)
{
    lua_createtable(L, (int)count, 0);
    for (uint32_t i = 0; i < count; i++) {
        lua_pushstring(L, columns[i].name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_text_names(lua_State *L, const wp_texts *columns, uint32_t count)
{
    lua_createtable(L, (int)count, 0);
    for (uint32_t i = 0; i < count; i++) {
        lua_pushstring(L, columns[i].name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* names(log) -> { events, numbers, texts, user_numbers, user_texts, has_value }: lists of names,
** whose positions are what selection.h and the plans speak of. */
static int l_names(lua_State *L)
{
    const wp_columns *columns = wpl_check_log(L, 1)->columns;
    lua_createtable(L, 0, 6);
    push_dictionary(L, &columns->event_names);
    lua_setfield(L, -2, "events");
    push_number_names(L, columns->numbers, columns->numbers_count);
    lua_setfield(L, -2, "numbers");
    push_text_names(L, columns->texts, columns->texts_count);
    lua_setfield(L, -2, "texts");
    push_number_names(L, columns->user_numbers, columns->user_numbers_count);
    lua_setfield(L, -2, "user_numbers");
    push_text_names(L, columns->user_texts, columns->user_texts_count);
    lua_setfield(L, -2, "user_texts");
    lua_pushboolean(L, columns->has_value);
    lua_setfield(L, -2, "has_value");
    return 1;
}

int wpl_open_log(lua_State *L)
{
    static const luaL_Reg methods[] = {{"is_closed", m_is_closed}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__len", mm_len}, {NULL, NULL}};
    wpl_class(L, WPL_LOG, m_close, methods, metamethods);
    static const luaL_Reg functions[] = {{"names", l_names}, {NULL, NULL}};
    luaL_newlib(L, functions);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "methods");
    return 1;
}
