/* wayproof.Vector: an immutable array of doubles that the judge computes with, so that no loop over
** users runs in Lua. A missing number is NaN inside and nil outside. */
#include "lua/binding.h"

#include <math.h>

typedef struct vector {
    size_t count;
    double numbers[];
} vector;

double *wpl_new_vector(lua_State *L, size_t count)
{
    vector *v = lua_newuserdatauv(L, sizeof *v + count * sizeof(double), 0);
    v->count = count;
    luaL_setmetatable(L, WPL_VECTOR);
    return v->numbers;
}

const double *wpl_to_vector(lua_State *L, int index, size_t *count)
{
    vector *v = luaL_testudata(L, index, WPL_VECTOR);
    if (v == NULL)
        return NULL;
    *count = v->count;
    return v->numbers;
}

static vector *check_vector(lua_State *L, int index)
{
    return luaL_checkudata(L, index, WPL_VECTOR);
}

/* vector(table [, count]) : nil and NaN become missing. */
static int l_new(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer count = luaL_optinteger(L, 2, (lua_Integer)lua_rawlen(L, 1));
    luaL_argcheck(L, count >= 0, 2, "count must not be negative");
    double *numbers = wpl_new_vector(L, (size_t)count);
    for (lua_Integer i = 1; i <= count; i++) {
        int type = lua_rawgeti(L, 1, i);
        if (type == LUA_TBOOLEAN)
            numbers[i - 1] = lua_toboolean(L, -1);
        else if (type == LUA_TNIL)
            numbers[i - 1] = NAN;
        else if (type == LUA_TNUMBER)
            numbers[i - 1] = lua_tonumber(L, -1);
        else
            return luaL_error(L, "element %I: number expected, got %s", i, luaL_typename(L, -1));
        lua_pop(L, 1);
    }
    return 1;
}

static void push_number(lua_State *L, double number)
{
    if (isnan(number))
        lua_pushnil(L);
    else
        lua_pushnumber(L, number);
}

static int mm_index(lua_State *L)
{
    vector *v = check_vector(L, 1);
    if (lua_type(L, 2) == LUA_TNUMBER) {
        lua_Integer i = luaL_checkinteger(L, 2);
        if (i >= 1 && (size_t)i <= v->count)
            push_number(L, v->numbers[i - 1]);
        else
            lua_pushnil(L);
        return 1;
    }
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    return 1;
}

static int mm_len(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check_vector(L, 1)->count);
    return 1;
}

/* v:table() : a Lua array; missing numbers are holes. */
static int m_table(lua_State *L)
{
    vector *v = check_vector(L, 1);
    lua_createtable(L, v->count > INT32_MAX ? INT32_MAX : (int)v->count, 0);
    for (size_t i = 0; i < v->count; i++) {
        if (isnan(v->numbers[i]))
            continue;
        lua_pushnumber(L, v->numbers[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

int wpl_open_vector(lua_State *L)
{
    static const luaL_Reg methods[] = {{"table", m_table}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__len", mm_len}, {NULL, NULL}};
    wpl_class(L, WPL_VECTOR, NULL, methods, metamethods);
    luaL_getmetatable(L, WPL_VECTOR);
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, mm_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushcfunction(L, l_new);
    lua_setfield(L, -2, "new");
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "methods");
    return 1;
}
