/* wayproof.Vector: an immutable array of doubles that the judge computes with, so that no loop over
** users runs in Lua. A missing number is NaN inside and nil outside.
**
** Whatever takes a vector takes a Lua array too: check_numbers turns an array into a vector in its
** own stack slot, so that the collector owns every temporary. Core results that hold memory of
** their own (factor) live in a to-be-collected box. */
#include "lua/l_vector.h"

#include "lua/garbage.h"
#include "stats/map.h"

#include <math.h>
#include <string.h>

double *wpl_new_vector(lua_State *L, size_t count)
{
    wpl_make_room(L, count * sizeof(double));
    wpl_vector *v = lua_newuserdatauv(L, sizeof *v + count * sizeof(double), WPL_VECTOR_VALUES);
    v->count = count;
    v->known = WPL_KNOWN_NOTHING;
    v->column = wp_column_plain(v->payload);
    luaL_setmetatable(L, WPL_VECTOR);
    return v->payload;
}

wpl_vector *wpl_check_vector(lua_State *L, int index)
{
    return luaL_checkudata(L, index, WPL_VECTOR);
}

/* ---- codes ---- */

wpl_codes *wpl_push_codes(lua_State *L, size_t count, size_t table_count)
{
    wpl_make_room(L, count * wp_code_width(table_count));
    wpl_codes *codes = lua_newuserdatauv(
        L, sizeof *codes + table_count * sizeof *codes->rows + count * wp_code_width(table_count),
        0);
    codes->table_count = table_count;
    codes->tallied = false;
    return codes;
}

wpl_vector *wpl_push_coded(lua_State *L, size_t count, int codes)
{
    codes = lua_absindex(L, codes);
    wpl_codes *shared = lua_touserdata(L, codes);
    wpl_new_vector(L, shared->table_count);
    wpl_vector *v = lua_touserdata(L, -1);
    v->count = count;
    v->column = (wp_column){
        .codes = wpl_code_bytes(shared), .table = v->payload, .table_count = shared->table_count};
    lua_pushvalue(L, codes);
    lua_setiuservalue(L, -2, WPL_SOURCE);
    return v;
}

wpl_codes *wpl_codes_of(lua_State *L, int index)
{
    lua_getiuservalue(L, index, WPL_SOURCE);
    return lua_touserdata(L, -1);
}

const uint64_t *wpl_tally(lua_State *L, int index)
{
    wpl_vector *v = wpl_check_vector(L, index);
    wpl_codes *codes = wpl_codes_of(L, index);
    lua_pop(L, 1); /* the vector keeps them */
    wp_error err;
    if (!codes->tallied && wp_column_tally(&v->column, v->count, codes->rows, NULL, &err) != WP_OK)
        wpl_raise(L, &err);
    codes->tallied = true;
    return codes->rows;
}

wpl_vector *wpl_check_plain(lua_State *L, int index)
{
    wpl_vector *v = wpl_check_vector(L, index);
    if (!wpl_is_coded(v) && !wpl_is_curve(v))
        return v;
    index = lua_absindex(L, index);
    double *out = wpl_new_vector(L, v->count);
    wp_error err;
    if (wp_column_expand(&v->column, v->count, out, NULL, &err) != WP_OK)
        wpl_raise(L, &err);
    wpl_vector *plain = lua_touserdata(L, -1);
    plain->known = v->known;
    plain->moments = v->moments;
    lua_replace(L, index);
    return plain;
}

wpl_vector *wpl_check_worked_out(lua_State *L, int index)
{
    wpl_vector *v = wpl_check_vector(L, index);
    return wpl_is_curve(v) ? wpl_check_plain(L, index) : v;
}

void wpl_push_curve(lua_State *L, int index, const wp_spline *curve)
{
    index = lua_absindex(L, index);
    const wpl_vector *base = wpl_check_vector(L, index);
    wpl_new_vector(L, sizeof *curve / sizeof(double));
    wpl_vector *v = lua_touserdata(L, -1);
    memcpy(v->payload, curve, sizeof *curve);
    v->count = base->count;
    v->column = (wp_column){.numbers = base->payload, .curve = (const wp_spline *)v->payload};
    lua_pushvalue(L, index);
    lua_setiuservalue(L, -2, WPL_SOURCE);
}

const double *wpl_to_vector(lua_State *L, int index, size_t *count)
{
    if (luaL_testudata(L, index, WPL_VECTOR) == NULL)
        return NULL;
    wpl_vector *v = wpl_check_plain(L, index);
    *count = v->count;
    return v->payload;
}

wp_column wpl_check_column(lua_State *L, int index, size_t *count)
{
    const wpl_vector *v = luaL_testudata(L, index, WPL_VECTOR);
    if (v == NULL)
        return wp_column_plain(wpl_check_numbers(L, index, count));
    *count = v->count;
    return v->column;
}

wp_column wpl_check_column_of(lua_State *L, int index, size_t count)
{
    size_t found;
    wp_column column = wpl_check_column(L, index, &found);
    if (found != count)
        luaL_error(L, "vectors differ in length: %I and %I", (lua_Integer)count,
                   (lua_Integer)found);
    return column;
}

wp_column *wpl_check_columns(lua_State *L, int index, size_t *count, size_t *rows)
{
    luaL_checktype(L, index, LUA_TTABLE);
    *count = lua_rawlen(L, index);
    luaL_argcheck(L, *count >= 1 && *count <= 1000, index, "expected 1 to 1000 columns");
    luaL_checkstack(L, (int)*count + 10, "too many columns");
    wp_column *columns = lua_newuserdatauv(L, *count * sizeof *columns, 0);
    for (size_t i = 0; i < *count; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        columns[i] = i == 0 ? wpl_check_column(L, lua_gettop(L), rows)
                            : wpl_check_column_of(L, lua_gettop(L), *rows);
    }
    return columns;
}

/* ---- arrays ---- */

/* Length of an array that may have holes: its field n where there is one. */
static size_t array_length(lua_State *L, int index)
{
    lua_Integer count = (lua_Integer)lua_rawlen(L, index);
    lua_pushliteral(L, "n");
    if (lua_rawget(L, index) == LUA_TNUMBER && lua_isinteger(L, -1) && lua_tointeger(L, -1) > count)
        count = lua_tointeger(L, -1);
    lua_pop(L, 1);
    return (size_t)count;
}

/* Pushes a vector made of the Lua array at index; false counts as 0, true as 1. */
static const double *vector_of_array(lua_State *L, int index, size_t count)
{
    double *numbers = wpl_new_vector(L, count);
    for (size_t i = 0; i < count; i++) {
        int type = lua_rawgeti(L, index, (lua_Integer)i + 1);
        if (type == LUA_TBOOLEAN)
            numbers[i] = lua_toboolean(L, -1);
        else if (type == LUA_TNIL)
            numbers[i] = NAN;
        else if (type == LUA_TNUMBER)
            numbers[i] = lua_tonumber(L, -1);
        else
            luaL_error(L, "element %I: number expected, got %s", (lua_Integer)i + 1,
                       luaL_typename(L, -1));
        lua_pop(L, 1);
    }
    return numbers;
}

const double *wpl_check_numbers(lua_State *L, int index, size_t *count)
{
    index = lua_absindex(L, index);
    const double *numbers = wpl_to_vector(L, index, count);
    if (numbers != NULL)
        return numbers;
    if (lua_type(L, index) != LUA_TTABLE)
        luaL_typeerror(L, index, "vector or array of numbers");
    *count = array_length(L, index);
    numbers = vector_of_array(L, index, *count);
    lua_replace(L, index);
    return numbers;
}

const double *wpl_check_numbers_of(lua_State *L, int index, size_t count)
{
    size_t found;
    const double *numbers = wpl_check_numbers(L, index, &found);
    if (found != count)
        luaL_error(L, "vectors differ in length: %I and %I", (lua_Integer)count,
                   (lua_Integer)found);
    return numbers;
}

const double *wpl_opt_numbers_of(lua_State *L, int index, size_t count)
{
    return lua_isnoneornil(L, index) ? NULL : wpl_check_numbers_of(L, index, count);
}

const double *wpl_opt_weights(lua_State *L, int index, size_t count)
{
    const double *weights = wpl_opt_numbers_of(L, index, count);
    for (size_t i = 0; weights != NULL && i < count; i++)
        if (!(weights[i] >= 0 && weights[i] < INFINITY))
            luaL_error(L, "weights: element %I: not a weight (expected 0 or more)",
                       (lua_Integer)i + 1);
    return weights;
}

/* new(array [, count]) : nil and NaN become missing. new(vector) is the vector itself. */
static int l_new(lua_State *L)
{
    if (luaL_testudata(L, 1, WPL_VECTOR) != NULL) {
        lua_settop(L, 1);
        return 1;
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer given = luaL_optinteger(L, 2, (lua_Integer)array_length(L, 1));
    luaL_argcheck(L, given >= 0, 2, "count must not be negative");
    vector_of_array(L, 1, (size_t)given);
    return 1;
}

/* full(count, number) : nil fills with missing. */
static int l_full(lua_State *L)
{
    lua_Integer count = luaL_checkinteger(L, 1);
    luaL_argcheck(L, count >= 0, 1, "count must not be negative");
    double number = lua_isnoneornil(L, 2) ? NAN : luaL_checknumber(L, 2);
    double *out = wpl_new_vector(L, (size_t)count);
    for (lua_Integer i = 0; i < count; i++)
        out[i] = number;
    return 1;
}

/* sequence(count) : 1, 2, …, count. */
static int l_sequence(lua_State *L)
{
    lua_Integer count = luaL_checkinteger(L, 1);
    luaL_argcheck(L, count >= 0, 1, "count must not be negative");
    double *out = wpl_new_vector(L, (size_t)count);
    for (lua_Integer i = 0; i < count; i++)
        out[i] = (double)(i + 1);
    return 1;
}

/* concat{v, w, …} : one vector, one after the other. */
static int l_concat(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer parts = (lua_Integer)lua_rawlen(L, 1);
    luaL_checkstack(L, (int)(parts > 1000 ? 1000 : parts) + 8, "too many vectors");
    luaL_argcheck(L, parts <= 1000, 1, "at most 1000 vectors");
    size_t total = 0, count;
    for (lua_Integer i = 1; i <= parts; i++) {
        lua_rawgeti(L, 1, i);
        wpl_check_numbers(L, -1, &count);
        total += count;
    }
    double *out = wpl_new_vector(L, total);
    for (int i = 2; i <= parts + 1; i++) {
        const double *numbers = wpl_to_vector(L, i, &count);
        memcpy(out, numbers, count * sizeof *out);
        out += count;
    }
    return 1;
}

void wpl_push_number(lua_State *L, double number)
{
    if (isnan(number))
        lua_pushnil(L);
    else
        lua_pushnumber(L, number);
}

static int mm_index(lua_State *L)
{
    wpl_vector *v = wpl_check_vector(L, 1);
    if (lua_type(L, 2) == LUA_TNUMBER) {
        lua_Integer i = luaL_checkinteger(L, 2);
        if (i >= 1 && (size_t)i <= v->count)
            wpl_push_number(L, wp_column_number(&v->column, (size_t)i - 1));
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
    lua_pushinteger(L, (lua_Integer)wpl_check_vector(L, 1)->count);
    return 1;
}

static int mm_tostring(lua_State *L)
{
    wpl_vector *v = wpl_check_vector(L, 1);
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    lua_pushfstring(L, "vector of %I:", (lua_Integer)v->count);
    luaL_addvalue(&text);
    for (size_t i = 0; i < v->count && i < 10; i++) {
        char number[32];
        lua_Number x = wp_column_number(&v->column, i);
        int length = snprintf(number, sizeof number, isnan(x) ? " nil" : " %.6g", x);
        luaL_addlstring(&text, number, (size_t)length);
    }
    luaL_addstring(&text, v->count > 10 ? " …" : "");
    luaL_pushresult(&text);
    return 1;
}

/* ---- maps ---- */

const wp_moments *wpl_measured(lua_State *L, int index, wpl_known wanted)
{
    wpl_vector *v = wpl_check_vector(L, index);
    if (v->known >= wanted)
        return &v->moments;
    wp_error err;
    if (wpl_is_coded(v)) {
        wanted = WPL_KNOWN_ALL;
        v->moments = wp_table_moments(v->payload, wpl_tally(L, index), v->column.table_count);
    } else if (wp_vector_measure(v->column.numbers, v->column.curve, v->count,
                                 wanted == WPL_KNOWN_ALL, &v->moments, NULL, &err) != WP_OK) {
        wpl_raise(L, &err);
    }
    v->known = wanted;
    return &v->moments;
}

/* One side of a map. */
typedef struct side {
    int index;
    const wpl_vector *vector; /* NULL: a number */
    wp_operand operand;       /* of the rows */
} side;

static side check_side(lua_State *L, int index, size_t *count)
{
    side made = {.index = index};
    if (lua_type(L, index) == LUA_TNUMBER) {
        made.operand = (wp_operand){.is_number = true, .number = lua_tonumber(L, index)};
        return made;
    }
    size_t found;
    made.operand.rows = wpl_check_column(L, index, &found);
    if (*count != SIZE_MAX && *count != found)
        luaL_error(L, "vectors differ in length: %I and %I", (lua_Integer)*count,
                   (lua_Integer)found);
    *count = found;
    made.vector = wpl_check_vector(L, index);
    return made;
}

static bool is_coded(const side *s)
{
    return s->vector != NULL && wpl_is_coded(s->vector);
}

/* The table of a coded side. */
static wp_operand table_of(const side *s)
{
    return s->vector == NULL ? s->operand
                             : (wp_operand){.rows = wp_column_plain(s->vector->payload)};
}

static void map_rows(lua_State *L, wp_map map, const wp_operand *left, const wp_operand *right,
                     double *out, size_t count)
{
    wp_error err;
    if (wp_map_rows(map, left, right, out, count, NULL, &err) != WP_OK)
        wpl_raise(L, &err);
}

/* Sides whose rows share one set of codes, or numbers: only the tables are mapped. */
static int map_tables(lua_State *L, wp_map map, const side *left, const side *right)
{
    const side *coded = left->vector != NULL ? left : right;
    size_t count = coded->vector->count, table_count = coded->vector->column.table_count;
    wpl_codes_of(L, coded->index);
    wpl_vector *out = wpl_push_coded(L, count, -1);
    wp_operand from = table_of(left), with = table_of(right);
    map_rows(L, map, &from, &with, out->payload, table_count);
    return 1;
}

/* Two coded sides with few pairs of numbers; false: too many different results. */
static bool map_pairs(lua_State *L, wp_map map, const side *left, const side *right)
{
    const wp_column *a = &left->vector->column, *b = &right->vector->column;
    size_t pairs = a->table_count * b->table_count, count = left->vector->count, to_count;
    double *firsts = lua_newuserdatauv(L, (3 * pairs + WP_TABLE_MOST) * sizeof *firsts, 0);
    double *seconds = firsts + pairs, *results = seconds + pairs, *table = results + pairs;
    uint16_t *code_of = lua_newuserdatauv(L, pairs * sizeof *code_of + 1, 0);
    for (size_t i = 0; i < pairs; i++) {
        firsts[i] = a->table[i / b->table_count];
        seconds[i] = b->table[i % b->table_count];
    }
    wp_operand from = {.rows = wp_column_plain(firsts)}, with = {.rows = wp_column_plain(seconds)};
    map_rows(L, map, &from, &with, results, pairs);
    wp_error err;
    if (wp_table_make(results, pairs, code_of, table, &to_count, &err) != WP_OK)
        wpl_raise(L, &err);
    if (to_count > WP_TABLE_MOST)
        return false;
    wpl_codes *codes = wpl_push_codes(L, count, to_count);
    if (wp_codes_join(a, b, count, code_of, to_count, wpl_code_bytes(codes), NULL, &err) != WP_OK)
        wpl_raise(L, &err);
    memcpy(wpl_push_coded(L, count, -1)->payload, table, to_count * sizeof *table);
    return true;
}

/* Row by row. Comparisons have three results. */
static int map_each(lua_State *L, wp_map map, const wp_operand *left, const wp_operand *right,
                    size_t count)
{
    if (!wp_map_is_flag(map)) {
        map_rows(L, map, left, right, wpl_new_vector(L, count), count);
        return 1;
    }
    static const double table[] = {
        [WP_FLAG_MISSING] = (double)NAN, [WP_FLAG_NO] = 0, [WP_FLAG_YES] = 1};
    wp_error err;
    wpl_codes *codes = wpl_push_codes(L, count, 3);
    if (wp_map_flags(map, left, right, wpl_code_bytes(codes), count, NULL, &err) != WP_OK)
        return wpl_raise(L, &err);
    memcpy(wpl_push_coded(L, count, -1)->payload, table, sizeof table);
    return 1;
}

static bool share_codes(lua_State *L, const side *left, const side *right)
{
    wpl_codes *codes = wpl_codes_of(L, left->index);
    bool same = codes == wpl_codes_of(L, right->index);
    lua_pop(L, 2);
    return same;
}

static int map_two(lua_State *L, wp_map map)
{
    size_t count = SIZE_MAX;
    side left = check_side(L, 1, &count), right = check_side(L, 2, &count);
    bool left_coded = is_coded(&left), right_coded = is_coded(&right);
    if ((left_coded && right.vector == NULL) || (right_coded && left.vector == NULL))
        return map_tables(L, map, &left, &right);
    if (left_coded && right_coded) {
        size_t pairs = left.vector->column.table_count * right.vector->column.table_count;
        if (share_codes(L, &left, &right))
            return map_tables(L, map, &left, &right);
        if (pairs <= WP_PAIRS_MOST && (pairs <= 256 || pairs <= count) &&
            map_pairs(L, map, &left, &right))
            return 1;
    }
    return map_each(L, map, &left.operand, &right.operand, count);
}

static int map_one(lua_State *L, wp_map map)
{
    size_t count = SIZE_MAX;
    luaL_checkudata(L, 1, WPL_VECTOR);
    side only = check_side(L, 1, &count);
    if (is_coded(&only))
        return map_tables(L, map, &only, &only);
    return map_each(L, map, &only.operand, &only.operand, count);
}

#define MAP_TWO(name, map)                                                                         \
    static int name(lua_State *L)                                                                  \
    {                                                                                              \
        return map_two(L, map);                                                                    \
    }
#define MAP_ONE(name, map)                                                                         \
    static int name(lua_State *L)                                                                  \
    {                                                                                              \
        return map_one(L, map);                                                                    \
    }
MAP_TWO(mm_add, WP_MAP_ADD)
MAP_TWO(mm_sub, WP_MAP_SUBTRACT)
MAP_TWO(mm_mul, WP_MAP_MULTIPLY)
MAP_TWO(mm_div, WP_MAP_DIVIDE)
MAP_TWO(mm_pow, WP_MAP_POWER)
MAP_TWO(m_minimum, WP_MAP_MINIMUM)
MAP_TWO(m_maximum, WP_MAP_MAXIMUM)
MAP_TWO(m_above, WP_MAP_ABOVE)
MAP_TWO(m_below, WP_MAP_BELOW)
MAP_TWO(m_at_least, WP_MAP_AT_LEAST)
MAP_TWO(m_at_most, WP_MAP_AT_MOST)
MAP_TWO(m_equals, WP_MAP_EQUALS)
MAP_ONE(m_log1p, WP_MAP_LOG1P)
MAP_ONE(m_log, WP_MAP_LOG)
MAP_ONE(m_exp, WP_MAP_EXP)
MAP_ONE(m_sqrt, WP_MAP_SQRT)
MAP_ONE(m_abs, WP_MAP_ABSOLUTE)
MAP_ONE(m_is_missing, WP_MAP_IS_MISSING)

/* v:floor() : codes where many rows of a plain vector have few whole numbers between them. */
static int m_floor(lua_State *L)
{
    const wpl_vector *v = wpl_check_vector(L, 1);
    if (wpl_is_coded(v) || wpl_is_curve(v) || v->count < WP_TABLE_MOST)
        return map_one(L, WP_MAP_FLOOR);
    const wp_moments *range = wpl_measured(L, 1, WPL_KNOWN_RANGE);
    double least = floor(range->minimum), span = floor(range->maximum) - least;
    if (!(span + 2 <= WP_TABLE_MOST))
        return map_one(L, WP_MAP_FLOOR);
    size_t table_count = (size_t)span + 2;
    wpl_codes *codes = wpl_push_codes(L, v->count, table_count);
    wp_error err;
    if (wp_map_floor_codes(v->payload, least, table_count, wpl_code_bytes(codes), v->count, NULL,
                           &err) != WP_OK)
        return wpl_raise(L, &err);
    double *table = wpl_push_coded(L, v->count, -1)->payload;
    table[0] = NAN;
    for (size_t code = 1; code < table_count; code++)
        table[code] = least + (double)(code - 1);
    return 1;
}

/* v:fill(number or vector) : v itself where nothing is missing. */
static int m_fill(lua_State *L)
{
    size_t count = wpl_check_vector(L, 1)->count;
    if (wpl_measured(L, 1, WPL_KNOWN_RANGE)->rows < count)
        return map_two(L, WP_MAP_FILL);
    check_side(L, 2, &count);
    lua_pushvalue(L, 1);
    return 1;
}

static int mm_unm(lua_State *L)
{
    lua_settop(L, 1);
    lua_pushnumber(L, 0);
    lua_insert(L, 1);
    return map_two(L, WP_MAP_SUBTRACT);
}

/* ---- figures ---- */

static wp_moments check_moments(lua_State *L, wpl_known wanted)
{
    wpl_vector *v = wpl_check_vector(L, 1);
    const double *weights = wpl_opt_weights(L, 2, v->count);
    if (weights == NULL)
        return *wpl_measured(L, 1, wanted);
    return wp_column_moments(&v->column, weights, v->count);
}

bool wpl_vector_complete(lua_State *L, int index)
{
    return wpl_measured(L, index, WPL_KNOWN_RANGE)->rows == wpl_check_vector(L, index)->count;
}

bool wpl_vector_scale(lua_State *L, int index, double *mean, double *sd)
{
    if (luaL_testudata(L, index, WPL_VECTOR) == NULL)
        return false;
    const wp_moments *m = wpl_measured(L, index, WPL_KNOWN_ALL);
    *mean = m->mean;
    *sd = sqrt(m->variance);
    return *sd > 0 && isfinite(*sd);
}

static int m_sum(lua_State *L)
{
    lua_pushnumber(L, check_moments(L, WPL_KNOWN_RANGE).sum);
    return 1;
}

static int m_mean(lua_State *L)
{
    wpl_push_number(L, check_moments(L, WPL_KNOWN_ALL).mean);
    return 1;
}

/* v:sd([weights]) : divisor weight - 1; nil below two. */
static int m_sd(lua_State *L)
{
    wpl_push_number(L, sqrt(check_moments(L, WPL_KNOWN_ALL).variance));
    return 1;
}

static int m_min(lua_State *L)
{
    wpl_push_number(L, check_moments(L, WPL_KNOWN_RANGE).minimum);
    return 1;
}

static int m_max(lua_State *L)
{
    wpl_push_number(L, check_moments(L, WPL_KNOWN_RANGE).maximum);
    return 1;
}

static int push_scaled(lua_State *L, double mean, double sd)
{
    wpl_vector *v = wpl_check_worked_out(L, 1);
    size_t count = wpl_is_coded(v) ? v->column.table_count : v->count;
    double *out;
    if (wpl_is_coded(v)) {
        wpl_codes_of(L, 1);
        out = wpl_push_coded(L, v->count, -1)->payload;
    } else {
        out = wpl_new_vector(L, count);
    }
    wp_error err;
    if (wp_vector_scale(v->payload, mean, sd, count, out, NULL, &err) != WP_OK)
        return wpl_raise(L, &err);
    return 1;
}

/* v:scaled(mean, sd) -> (v - mean) / sd. */
static int m_scaled(lua_State *L)
{
    return push_scaled(L, luaL_checknumber(L, 2), luaL_checknumber(L, 3));
}

/* v:standardised([weights]) -> (v - mean) / sd, mean, sd. A constant vector gives missing. */
static int m_standardised(lua_State *L)
{
    wp_moments m = check_moments(L, WPL_KNOWN_ALL);
    double sd = sqrt(m.variance);
    push_scaled(L, m.mean, sd > 0 ? sd : NAN);
    wpl_push_number(L, m.mean);
    wpl_push_number(L, sd);
    return 3;
}

static void push_count(lua_State *L, double total)
{
    if (total == floor(total) && total < 0x1p53)
        lua_pushinteger(L, (lua_Integer)total);
    else
        lua_pushnumber(L, total);
}

/* v:count([number [, weights]]) : rows equal to number; rows that are not missing without one. */
static int m_count(lua_State *L)
{
    bool any = lua_isnoneornil(L, 2);
    wpl_vector *v = wpl_check_vector(L, 1);
    double number = any ? 0 : luaL_checknumber(L, 2), total = 0;
    const double *weights = wpl_opt_weights(L, 3, v->count);
    if (weights == NULL && any) {
        lua_pushinteger(L, (lua_Integer)wpl_measured(L, 1, WPL_KNOWN_RANGE)->rows);
        return 1;
    }
    if (weights == NULL && wpl_is_coded(v)) {
        const uint64_t *rows = wpl_tally(L, 1);
        for (size_t code = 0; code < v->column.table_count; code++)
            total += v->payload[code] == number ? (double)rows[code] : 0;
    } else {
        v = wpl_check_plain(L, 1);
        for (size_t i = 0; i < v->count; i++)
            if (any ? !isnan(v->payload[i]) : v->payload[i] == number)
                total += weights == NULL ? 1 : weights[i];
    }
    push_count(L, total);
    return 1;
}

static int m_dot(lua_State *L)
{
    const wpl_vector *v = wpl_check_vector(L, 1);
    wp_column other = wpl_check_column_of(L, 2, v->count);
    double sum;
    wp_error err;
    if (wp_column_dot(&v->column, &other, v->count, &sum, NULL, &err) != WP_OK)
        return wpl_raise(L, &err);
    lua_pushnumber(L, sum);
    return 1;
}

/* v:correlation(other [, weights]) : Pearson's over complete pairs; nil when one is constant. */
static int m_correlation(lua_State *L)
{
    const wpl_vector *v = wpl_check_vector(L, 1);
    wp_column other = wpl_check_column_of(L, 2, v->count);
    const double *weights = wpl_opt_weights(L, 3, v->count);
    wpl_push_number(L, wp_column_correlation(&v->column, &other, weights, v->count));
    return 1;
}

/* combine(columns, factors, constant) -> constant + factors[1] * columns[1] + …, in this order. */
static int l_combine(lua_State *L)
{
    lua_settop(L, 3);
    size_t columns, rows = 0;
    wp_column *parts = wpl_check_columns(L, 1, &columns, &rows);
    const double *factors = wpl_check_numbers_of(L, 2, columns);
    double constant = luaL_optnumber(L, 3, 0);
    double *out = wpl_new_vector(L, rows);
    wp_error err;
    if (wp_column_combine(parts, factors, columns, constant, rows, out, NULL, &err) != WP_OK)
        return wpl_raise(L, &err);
    return 1;
}

/* v:plain() : the same numbers, a double per row: for what will be read as numbers many times. */
static int m_plain(lua_State *L)
{
    lua_settop(L, 1);
    wpl_check_plain(L, 1);
    return 1;
}

/* v:table() : a Lua array; missing numbers are holes. */
static int m_table(lua_State *L)
{
    wpl_vector *v = wpl_check_plain(L, 1);
    lua_createtable(L, v->count > INT32_MAX ? INT32_MAX : (int)v->count, 0);
    for (size_t i = 0; i < v->count; i++) {
        if (isnan(v->payload[i]))
            continue;
        lua_pushnumber(L, v->payload[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static const luaL_Reg methods[] = {{"table", m_table},
                                   {"log1p", m_log1p},
                                   {"log", m_log},
                                   {"exp", m_exp},
                                   {"sqrt", m_sqrt},
                                   {"abs", m_abs},
                                   {"floor", m_floor},
                                   {"minimum", m_minimum},
                                   {"maximum", m_maximum},
                                   {"above", m_above},
                                   {"below", m_below},
                                   {"at_least", m_at_least},
                                   {"at_most", m_at_most},
                                   {"equals", m_equals},
                                   {"is_missing", m_is_missing},
                                   {"fill", m_fill},
                                   {"scaled", m_scaled},
                                   {"standardised", m_standardised},
                                   {"sum", m_sum},
                                   {"mean", m_mean},
                                   {"sd", m_sd},
                                   {"min", m_min},
                                   {"max", m_max},
                                   {"count", m_count},
                                   {"dot", m_dot},
                                   {"correlation", m_correlation},
                                   {"plain", m_plain},
                                   {"residual", wpl_model_residual},
                                   {NULL, NULL}};

static const luaL_Reg metamethods[] = {
    {"__len", mm_len}, {"__tostring", mm_tostring}, {"__add", mm_add},
    {"__sub", mm_sub}, {"__mul", mm_mul},           {"__div", mm_div},
    {"__pow", mm_pow}, {"__unm", mm_unm},           {NULL, NULL}};

int wpl_open_vector(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"new", l_new},       {"full", l_full},    {"sequence", l_sequence},
        {"concat", l_concat}, {"stack", l_concat}, {"combine", l_combine},
        {NULL, NULL}};
    wpl_class(L, WPL_VECTOR, NULL, methods, metamethods);
    wpl_open_vector_rows(L);
    luaL_getmetatable(L, WPL_VECTOR);
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, mm_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_getfield(L, -2, "spline");
    lua_setfield(L, -2, "spline");
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "methods");
    return 1;
}
