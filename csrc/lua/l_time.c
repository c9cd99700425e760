/* core.time: instants from and to text.
**
** core.time.parse(text or number, { time_format, time_unit, timezone }) -> µs | nil, message, code
** core.time.format(us [, zone name]) -> "2024-03-01T12:00:00Z" | nil, message, code
** core.time.offset(us, zone name)    -> seconds east of UTC | nil, message, code */
#include "lua/reading.h"

static int l_parse(lua_State *L)
{
    luaL_checkany(L, 1);
    if (lua_isnoneornil(L, 2)) {
        lua_settop(L, 1);
        lua_newtable(L);
    }
    luaL_checktype(L, 2, LUA_TTABLE);
    wp_error err;
    wp_time_rule rule;
    wp_zone *zone;
    if (wpl_time_rule(L, 2, &rule, &zone, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    int64_t time_us = 0;
    bool fine = false, zone_assumed = false;
    if (lua_isinteger(L, 1) && rule.format == NULL) {
        fine = wp_time_from_integer(&rule, lua_tointeger(L, 1), &time_us);
    } else if (lua_type(L, 1) == LUA_TNUMBER && rule.format == NULL) {
        fine = wp_time_from_double(&rule, lua_tonumber(L, 1), &time_us);
    } else if (lua_type(L, 1) == LUA_TSTRING || lua_type(L, 1) == LUA_TNUMBER) {
        size_t length;
        const char *text = lua_tolstring(L, 1, &length);
        fine = wp_time_parse(&rule, text, length, &time_us, &zone_assumed);
    }
    wp_zone_free(zone);
    if (fine) {
        lua_pushinteger(L, time_us);
        return 1;
    }
    const char *shown = luaL_tolstring(L, 1, NULL);
    if (rule.format != NULL)
        wp_fail(&err, WP_PARSE, "'%.200s' is not a time (expected the format '%s')", shown,
                rule.format);
    else
        wp_fail(&err, WP_PARSE, "'%.200s' is not a time (expected ISO 8601 or epoch)", shown);
    return wpl_push_failure(L, &err);
}

static bool load_zone(lua_State *L, int index, wp_zone **zone, wp_error *err)
{
    *zone = NULL;
    return lua_isnoneornil(L, index) ||
           wp_zone_load(luaL_checkstring(L, index), zone, err) == WP_OK;
}

static int l_format(lua_State *L)
{
    wp_error err;
    wp_zone *zone;
    lua_Integer time_us = luaL_checkinteger(L, 1);
    if (!load_zone(L, 2, &zone, &err))
        return wpl_push_failure(L, &err);
    char text[WP_TIME_TEXT];
    size_t length = wp_time_text(time_us, zone, text);
    wp_zone_free(zone);
    lua_pushlstring(L, text, length);
    return 1;
}

static int l_offset(lua_State *L)
{
    wp_error err;
    wp_zone *zone;
    lua_Integer time_us = luaL_checkinteger(L, 1);
    luaL_checkstring(L, 2);
    if (!load_zone(L, 2, &zone, &err))
        return wpl_push_failure(L, &err);
    lua_Integer seconds = time_us / 1000000 - (time_us % 1000000 < 0);
    lua_pushinteger(L, wp_zone_offset_at(zone, seconds));
    wp_zone_free(zone);
    return 1;
}

int wpl_open_time(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"parse", l_parse}, {"format", l_format}, {"offset", l_offset}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
