/* Resolved selectors; see selection.h. Text values are looked up by one pass over the column's
** dictionary with a binary search in the wanted values: O(D log V), nothing is hashed. */
#include "lua/selection.h"

#include "base/memory.h"

#include <stdlib.h>

#define WPL_SELECTION "wayproof.Selection"

typedef struct wanted_text {
    const char *text; /* owned by the Lua table, which stays on the stack */
    size_t length;
} wanted_text;

static int compare_text(const void *left, const void *right)
{
    const wanted_text *a = left, *b = right;
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->text, b->text, shorter);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static void *check_block(lua_State *L, void *block)
{
    if (block == NULL)
        luaL_error(L, "out of memory");
    return block;
}

static uint64_t *new_bits(lua_State *L, uint32_t count)
{
    return check_block(L, wp_alloc_array_zero(count / 64 + 1, sizeof(uint64_t)));
}

static void read_codes(lua_State *L, int list, uint32_t count, uint64_t *bits)
{
    lua_Integer length = luaL_len(L, list);
    for (lua_Integer i = 1; i <= length; i++) {
        lua_geti(L, list, i);
        lua_Integer code = luaL_checkinteger(L, -1) - 1;
        lua_pop(L, 1);
        if (code < 0 || code >= (lua_Integer)count)
            luaL_error(L, "selection: event code %I is out of range", (LUAI_UACINT)(code + 1));
        bits[code >> 6] |= 1ULL << (code & 63);
    }
}

/* The list at the top of the stack becomes a bitmap of dictionary codes. */
static void read_texts(lua_State *L, const wp_dictionary *dictionary, wp_condition *condition)
{
    int list = lua_gettop(L);
    lua_Integer length = luaL_len(L, list);
    condition->codes = new_bits(L, dictionary->count);
    wanted_text *wanted = lua_newuserdatauv(L, (size_t)(length + 1) * sizeof *wanted, 0);
    for (lua_Integer i = 1; i <= length; i++) {
        if (lua_geti(L, list, i) != LUA_TSTRING)
            luaL_error(L, "selection: a text value is a %s", luaL_typename(L, -1));
        wanted[i - 1].text = lua_tolstring(L, -1, &wanted[i - 1].length);
        lua_pop(L, 1);
    }
    qsort(wanted, (size_t)length, sizeof *wanted, compare_text);
    for (uint32_t code = 0; code < dictionary->count; code++) {
        wanted_text key;
        key.text = wp_dictionary_text(dictionary, code, &key.length);
        if (bsearch(&key, wanted, (size_t)length, sizeof *wanted, compare_text) != NULL)
            condition->codes[code >> 6] |= 1ULL << (code & 63);
    }
    lua_pop(L, 1);
}

/* The list at the top of the stack becomes an array of doubles. */
static void read_numbers(lua_State *L, wp_condition *condition)
{
    int list = lua_gettop(L);
    lua_Integer length = luaL_len(L, list);
    condition->numbers =
        check_block(L, wp_alloc_array((size_t)length + 1, sizeof *condition->numbers));
    for (lua_Integer i = 1; i <= length; i++) {
        lua_geti(L, list, i);
        condition->numbers[i - 1] = luaL_checknumber(L, -1);
        condition->numbers_count = (uint32_t)i;
        lua_pop(L, 1);
    }
}

static bool flag_field(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    bool flag = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return flag;
}

static double bound_field(lua_State *L, const char *name, double absent)
{
    double bound = lua_getfield(L, -1, name) == LUA_TNIL ? absent : luaL_checknumber(L, -1);
    lua_pop(L, 1);
    return bound;
}

/* The table at the top of the stack becomes *condition. */
static void read_condition(lua_State *L, const wp_columns *columns, wp_condition *condition)
{
    static const char *const kinds[] = {"text_in", "number_range", "number_in", "selected", NULL};
    lua_getfield(L, -1, "kind");
    condition->kind = (wp_condition_kind)luaL_checkoption(L, -1, NULL, kinds);
    lua_pop(L, 1);
    condition->per_user = flag_field(L, "per_user");
    condition->negated = flag_field(L, "negated");
    if (condition->kind == WP_SELECTED) {
        condition->selection = check_block(L, wp_alloc_zero(sizeof *condition->selection));
        lua_getfield(L, -1, "selection");
        wpl_to_selection(L, -1, columns, condition->selection);
        lua_pop(L, 1);
        return;
    }
    bool text = condition->kind == WP_TEXT_IN, per_user = condition->per_user;
    uint32_t count = text ? (per_user ? columns->user_texts_count : columns->texts_count)
                          : (per_user ? columns->user_numbers_count : columns->numbers_count);
    lua_getfield(L, -1, "column");
    lua_Integer column = luaL_checkinteger(L, -1) - 1;
    lua_pop(L, 1);
    if (column < 0 || column >= (lua_Integer)count)
        luaL_error(L, "selection: column %I is out of range", (LUAI_UACINT)(column + 1));
    condition->column = (uint32_t)column;
    wpl_need_column(L, columns, text, per_user, condition->column);
    if (condition->kind == WP_NUMBER_RANGE) {
        condition->low = bound_field(L, "low", -INFINITY);
        condition->high = bound_field(L, "high", INFINITY);
        condition->low_open = flag_field(L, "low_open");
        condition->high_open = flag_field(L, "high_open");
        return;
    }
    lua_getfield(L, -1, "values");
    luaL_checktype(L, -1, LUA_TTABLE);
    if (text)
        read_texts(L, &(per_user ? columns->user_texts : columns->texts)[column].values, condition);
    else
        read_numbers(L, condition);
    lua_pop(L, 1);
}

void wpl_to_selection(lua_State *L, int index, const wp_columns *columns, wp_selection *selection)
{
    if (lua_isnoneornil(L, index))
        return;
    index = lua_absindex(L, index);
    luaL_checktype(L, index, LUA_TTABLE);
    luaL_checkstack(L, 8, "selection");
    if (lua_getfield(L, index, "codes") != LUA_TNIL) {
        luaL_checktype(L, -1, LUA_TTABLE);
        selection->codes = new_bits(L, columns->event_names.count);
        read_codes(L, lua_gettop(L), columns->event_names.count, selection->codes);
    }
    lua_pop(L, 1);
    if (lua_getfield(L, index, "conditions") != LUA_TNIL) {
        luaL_checktype(L, -1, LUA_TTABLE);
        uint32_t count = (uint32_t)luaL_len(L, -1);
        selection->conditions =
            check_block(L, wp_alloc_array_zero((size_t)count + 1, sizeof(wp_condition)));
        for (uint32_t i = 0; i < count; i++) {
            lua_geti(L, -1, (lua_Integer)i + 1);
            luaL_checktype(L, -1, LUA_TTABLE);
            selection->conditions_count = i + 1;
            read_condition(L, columns, &selection->conditions[i]);
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
}

static int selection_gc(lua_State *L)
{
    wp_selection_reset(lua_touserdata(L, 1));
    return 0;
}

const wp_selection *wpl_push_selection(lua_State *L, int index, const wp_columns *columns)
{
    index = lua_absindex(L, index);
    wp_selection *selection = lua_newuserdatauv(L, sizeof *selection, 0);
    memset(selection, 0, sizeof *selection);
    if (luaL_newmetatable(L, WPL_SELECTION)) {
        lua_pushcfunction(L, selection_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    wpl_to_selection(L, index, columns, selection);
    return selection;
}
