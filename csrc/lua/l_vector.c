/* wayproof.Vector: an immutable array of doubles that the judge computes with, so that no loop over
** users runs in Lua. A missing number is NaN inside and nil outside.
**
** Whatever takes a vector takes a Lua array too: check_numbers turns an array into a vector in its
** own stack slot, so that the collector owns every temporary. Core results that hold memory of
** their own (factor) live in a to-be-collected box. */
#include "lua/binding.h"
#include "lua/l_model.h"

#include "stats/vector.h"

#include <math.h>
#include <string.h>

#define FACTOR "wayproof.factor"

/* Sum, range, mean and variance are kept once somebody asked for them: vectors do not change. */
typedef enum known { KNOWN_NOTHING, KNOWN_RANGE, KNOWN_ALL } known;

typedef struct vector {
    size_t count;
    known known;
    wp_moments moments;
    double numbers[];
} vector;

double *wpl_new_vector(lua_State *L, size_t count)
{
    vector *v = lua_newuserdatauv(L, sizeof *v + count * sizeof(double), 1);
    v->count = count;
    v->known = KNOWN_NOTHING;
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

static const double *opt_weights(lua_State *L, int index, size_t count)
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
    size_t count;
    if (wpl_to_vector(L, 1, &count) != NULL) {
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

static int mm_tostring(lua_State *L)
{
    vector *v = check_vector(L, 1);
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    lua_pushfstring(L, "vector of %I:", (lua_Integer)v->count);
    luaL_addvalue(&text);
    for (size_t i = 0; i < v->count && i < 10; i++) {
        char number[32];
        lua_Number x = v->numbers[i];
        int length = snprintf(number, sizeof number, isnan(x) ? " nil" : " %.6g", x);
        luaL_addlstring(&text, number, (size_t)length);
    }
    luaL_addstring(&text, v->count > 10 ? " …" : "");
    luaL_pushresult(&text);
    return 1;
}

/* ---- maps ---- */

static const wp_moments *measured(lua_State *L, vector *v, known wanted)
{
    if (v->known < wanted) {
        wp_error err;
        if (wp_vector_measure(v->numbers, v->count, wanted == KNOWN_ALL, &v->moments, NULL, &err) !=
            WP_OK)
            wpl_raise(L, &err);
        v->known = wanted;
    }
    return &v->moments;
}

static wp_operand check_operand(lua_State *L, int index, double *number, size_t *count)
{
    if (lua_type(L, index) == LUA_TNUMBER) {
        *number = lua_tonumber(L, index);
        return (wp_operand){number, true};
    }
    size_t found;
    const double *numbers = wpl_check_numbers(L, index, &found);
    if (*count != SIZE_MAX && *count != found)
        luaL_error(L, "vectors differ in length: %I and %I", (lua_Integer)*count,
                   (lua_Integer)found);
    *count = found;
    return (wp_operand){numbers, false};
}

static int map_two(lua_State *L, wp_map map)
{
    double first, second;
    size_t count = SIZE_MAX;
    wp_operand left = check_operand(L, 1, &first, &count);
    wp_operand right = check_operand(L, 2, &second, &count);
    double *out = wpl_new_vector(L, count);
    wp_error err;
    if (wp_vector_map(map, left, right, out, count, NULL, &err) != WP_OK)
        return wpl_raise(L, &err);
    return 1;
}

static int map_one(lua_State *L, wp_map map)
{
    vector *v = check_vector(L, 1);
    double *out = wpl_new_vector(L, v->count);
    wp_error err;
    wp_operand left = {v->numbers, false}, none = {NULL, false};
    if (wp_vector_map(map, left, none, out, v->count, NULL, &err) != WP_OK)
        return wpl_raise(L, &err);
    return 1;
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
MAP_ONE(m_floor, WP_MAP_FLOOR)
MAP_ONE(m_is_missing, WP_MAP_IS_MISSING)

/* v:fill(number or vector) : v itself where nothing is missing. */
static int m_fill(lua_State *L)
{
    vector *v = check_vector(L, 1);
    if (measured(L, v, KNOWN_RANGE)->rows < v->count)
        return map_two(L, WP_MAP_FILL);
    double number;
    size_t count = v->count;
    check_operand(L, 2, &number, &count);
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

static wp_moments check_moments(lua_State *L, known wanted)
{
    vector *v = check_vector(L, 1);
    const double *weights = opt_weights(L, 2, v->count);
    if (weights != NULL)
        return wp_vector_moments(v->numbers, weights, v->count);
    return *measured(L, v, wanted);
}

bool wpl_vector_complete(lua_State *L, int index)
{
    vector *v = check_vector(L, index);
    return measured(L, v, KNOWN_RANGE)->rows == v->count;
}

bool wpl_vector_scale(lua_State *L, int index, double *mean, double *sd)
{
    vector *v = luaL_testudata(L, index, WPL_VECTOR);
    if (v == NULL)
        return false;
    const wp_moments *m = measured(L, v, KNOWN_ALL);
    *mean = m->mean;
    *sd = sqrt(m->variance);
    return *sd > 0 && isfinite(*sd);
}

static int m_sum(lua_State *L)
{
    lua_pushnumber(L, check_moments(L, KNOWN_RANGE).sum);
    return 1;
}

static int m_mean(lua_State *L)
{
    push_number(L, check_moments(L, KNOWN_ALL).mean);
    return 1;
}

/* v:sd([weights]) : divisor weight - 1; nil below two. */
static int m_sd(lua_State *L)
{
    push_number(L, sqrt(check_moments(L, KNOWN_ALL).variance));
    return 1;
}

static int m_min(lua_State *L)
{
    push_number(L, check_moments(L, KNOWN_RANGE).minimum);
    return 1;
}

static int m_max(lua_State *L)
{
    push_number(L, check_moments(L, KNOWN_RANGE).maximum);
    return 1;
}

/* v:scaled(mean, sd) -> (v - mean) / sd. */
static int m_scaled(lua_State *L)
{
    vector *v = check_vector(L, 1);
    double mean = luaL_checknumber(L, 2), sd = luaL_checknumber(L, 3);
    double *out = wpl_new_vector(L, v->count);
    wp_error err;
    if (wp_vector_scale(v->numbers, mean, sd, v->count, out, NULL, &err) != WP_OK)
        return wpl_raise(L, &err);
    return 1;
}

/* v:standardised([weights]) -> (v - mean) / sd, mean, sd. A constant vector gives missing. */
static int m_standardised(lua_State *L)
{
    wp_moments m = check_moments(L, KNOWN_ALL);
    size_t count = check_vector(L, 1)->count;
    const double *numbers = check_vector(L, 1)->numbers;
    double *out = wpl_new_vector(L, count);
    double sd = sqrt(m.variance);
    for (size_t i = 0; i < count; i++)
        out[i] = sd > 0 ? (numbers[i] - m.mean) / sd : NAN;
    push_number(L, m.mean);
    push_number(L, sd);
    return 3;
}

/* v:count([number [, weights]]) : rows equal to number; rows that are not missing without one. */
static int m_count(lua_State *L)
{
    vector *v = check_vector(L, 1);
    bool any = lua_isnoneornil(L, 2);
    double number = any ? 0 : luaL_checknumber(L, 2), total = 0;
    const double *weights = opt_weights(L, 3, v->count);
    if (any && weights == NULL) {
        lua_pushinteger(L, (lua_Integer)measured(L, v, KNOWN_RANGE)->rows);
        return 1;
    }
    if (weights == NULL) {
        size_t equal = 0;
        for (size_t i = 0; i < v->count; i++)
            equal += v->numbers[i] == number;
        lua_pushinteger(L, (lua_Integer)equal);
        return 1;
    }
    for (size_t i = 0; i < v->count; i++)
        if (any ? !isnan(v->numbers[i]) : v->numbers[i] == number)
            total += weights[i];
    if (total == floor(total) && total < 0x1p53)
        lua_pushinteger(L, (lua_Integer)total);
    else
        lua_pushnumber(L, total);
    return 1;
}

static int m_dot(lua_State *L)
{
    vector *v = check_vector(L, 1);
    const double *other = wpl_check_numbers_of(L, 2, v->count);
    double sum;
    wp_error err;
    if (wp_vector_dot(v->numbers, other, v->count, &sum, NULL, &err) != WP_OK)
        return wpl_raise(L, &err);
    lua_pushnumber(L, sum);
    return 1;
}

/* v:correlation(other [, weights]) : Pearson's over complete pairs; nil when one is constant. */
static int m_correlation(lua_State *L)
{
    vector *v = check_vector(L, 1);
    const double *other = wpl_check_numbers_of(L, 2, v->count);
    push_number(L, wp_vector_correlation(v->numbers, other, opt_weights(L, 3, v->count), v->count));
    return 1;
}

/* ---- sorted views ---- */

static int factor_gc(lua_State *L)
{
    wp_factor_free(lua_touserdata(L, 1));
    return 0;
}

/* Factor of the vector at 1, in a box on the stack. */
static wp_factor *push_factor(lua_State *L)
{
    vector *v = check_vector(L, 1);
    wp_factor *factor = lua_newuserdatauv(L, sizeof *factor, 0);
    *factor = (wp_factor){0};
    luaL_setmetatable(L, FACTOR);
    wp_error err;
    if (wp_factor_make(factor, v->numbers, v->count, &err) != WP_OK)
        wpl_raise(L, &err);
    return factor;
}

/* v:distinct([weights]) -> ascending distinct numbers, counts, number of missing rows. */
static int m_distinct(lua_State *L)
{
    lua_settop(L, 2);
    const double *weights = opt_weights(L, 2, check_vector(L, 1)->count);
    wp_factor *factor = push_factor(L);
    double *totals = wpl_new_vector(L, factor->numbers_count);
    wp_factor_weights(factor, weights, totals);
    size_t first = factor->numbers_count > 0 && isnan(factor->numbers[0]);
    size_t count = factor->numbers_count - first;
    double *numbers = wpl_new_vector(L, count), *counts = wpl_new_vector(L, count);
    memcpy(numbers, factor->numbers + first, count * sizeof *numbers);
    memcpy(counts, totals + first, count * sizeof *counts);
    lua_pushnumber(L, first ? totals[0] : 0);
    wp_factor_free(factor);
    return 3;
}

/* Quantiles of the numbers of v as a new vector. */
static int select_quantiles(lua_State *L, vector *v, const double *chances, size_t count)
{
    const wp_moments *m = measured(L, v, KNOWN_RANGE);
    const double *numbers = v->numbers;
    if (m->rows < v->count) {
        double *kept = lua_newuserdatauv(L, (m->rows + 1) * sizeof *kept, 0);
        numbers = kept;
        for (size_t i = 0; i < v->count; i++)
            if (!isnan(v->numbers[i]))
                *kept++ = v->numbers[i];
    }
    double *out = wpl_new_vector(L, count);
    wp_error err;
    if (wp_vector_select(numbers, m->rows, m->minimum, m->maximum, chances, count, out, NULL,
                         &err) != WP_OK)
        return wpl_raise(L, &err);
    return 1;
}

/* v:quantiles({p, …} [, weights]) -> a vector, type 7 on the rows that the weights stand for. */
static int m_quantiles(lua_State *L)
{
    lua_settop(L, 3);
    size_t count;
    const double *weights = opt_weights(L, 3, check_vector(L, 1)->count);
    const double *chances = wpl_check_numbers(L, 2, &count);
    for (size_t i = 0; i < count; i++)
        luaL_argcheck(L, chances[i] >= 0 && chances[i] <= 1, 2, "expected numbers in 0..1");
    if (weights == NULL && count <= WP_SELECT_MOST)
        return select_quantiles(L, check_vector(L, 1), chances, count);
    wp_factor *factor = push_factor(L);
    double *totals = wpl_new_vector(L, factor->numbers_count);
    wp_factor_weights(factor, weights, totals);
    double *out = wpl_new_vector(L, count);
    for (size_t i = 0; i < count; i++)
        out[i] = wp_factor_quantile(factor, totals, chances[i]);
    wp_factor_free(factor);
    return 1;
}

/* v:order() -> places of the rows (1-based) in ascending order, missing first; stable. */
static int m_order(lua_State *L)
{
    wp_factor *factor = push_factor(L);
    uint32_t *order = lua_newuserdatauv(L, (factor->count + 1) * sizeof *order, 0);
    wp_error err;
    if (wp_factor_order(factor, order, &err) != WP_OK)
        return wpl_raise(L, &err);
    double *out = wpl_new_vector(L, factor->count);
    for (size_t i = 0; i < factor->count; i++)
        out[i] = (double)order[i] + 1;
    wp_factor_free(factor);
    return 1;
}

/* v:ranks([weights]) -> mid-ranks. */
static int m_ranks(lua_State *L)
{
    lua_settop(L, 2);
    const double *weights = opt_weights(L, 2, check_vector(L, 1)->count);
    wp_factor *factor = push_factor(L);
    double *out = wpl_new_vector(L, factor->count);
    wp_error err;
    if (wp_factor_ranks(factor, weights, out, &err) != WP_OK)
        return wpl_raise(L, &err);
    wp_factor_free(factor);
    return 1;
}

/* v:groups(count [, weights]) -> 1 .. count by mid-rank: equal numbers share a group. */
static int m_groups(lua_State *L)
{
    lua_settop(L, 3);
    lua_Integer groups = luaL_checkinteger(L, 2);
    luaL_argcheck(L, groups >= 1 && groups <= 1 << 20, 2, "expected 1 to 1048576 groups");
    const double *weights = opt_weights(L, 3, check_vector(L, 1)->count);
    wp_factor *factor = push_factor(L);
    double *out = wpl_new_vector(L, factor->count);
    wp_error err;
    if (wp_factor_groups(factor, weights, (int)groups, out, &err) != WP_OK)
        return wpl_raise(L, &err);
    wp_factor_free(factor);
    return 1;
}

static const double *check_cuts(lua_State *L, int index, size_t *count)
{
    const double *cuts = wpl_check_numbers(L, index, count);
    for (size_t i = 0; i < *count; i++)
        luaL_argcheck(L, !isnan(cuts[i]) && (i == 0 || cuts[i] >= cuts[i - 1]), index,
                      "expected ascending numbers");
    return cuts;
}

/* v:bin(cuts) -> 1 + number of cuts <= x. */
static int m_bin(lua_State *L)
{
    size_t cuts_count;
    vector *v = check_vector(L, 1);
    const double *cuts = check_cuts(L, 2, &cuts_count);
    double *out = wpl_new_vector(L, v->count);
    wp_vector_bin(v->numbers, v->count, cuts, cuts_count, out);
    return 1;
}

/* ---- parts ---- */

static int take_rows(lua_State *L, const vector *v, const double *places, size_t count)
{
    double *out = wpl_new_vector(L, count);
    for (size_t i = 0; i < count; i++) {
        double place = places[i];
        if (!(place >= 1 && place <= (double)v->count && place == floor(place)))
            return luaL_error(L, "place %f: no such row (expected 1 to %I)", place,
                              (lua_Integer)v->count);
        out[i] = v->numbers[(size_t)place - 1];
    }
    return 1;
}

/* v:take(places) -> the rows at these places (1-based), in that order. */
static int m_take(lua_State *L)
{
    size_t count;
    vector *v = check_vector(L, 1);
    const double *places = wpl_check_numbers(L, 2, &count);
    return take_rows(L, v, places, count);
}

/* Pushes where the rows go that the mask at 2 chooses (vector.h), NULL when it is no mask. They are
** kept as the mask's user value: one mask chooses from many columns. */
static const size_t *push_starts(lua_State *L, const double *mask, size_t count)
{
    bool kept = luaL_testudata(L, 2, WPL_VECTOR) != NULL, is_mask;
    if (kept && lua_getiuservalue(L, 2, 1) == LUA_TUSERDATA)
        return lua_touserdata(L, -1);
    size_t *starts = lua_newuserdatauv(L, (wp_mask_chunks(count) + 1) * sizeof *starts, 0);
    wp_error err;
    if (wp_mask_count(mask, count, starts, &is_mask, NULL, &err) != WP_OK)
        wpl_raise(L, &err);
    if (!is_mask)
        return NULL;
    if (kept) {
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, 2, 1);
    }
    return starts;
}

/* v:select(mask) -> the rows where the mask (0, 1 or missing; as long as v) is 1. Anything else is
** read as places. */
static int m_select(lua_State *L)
{
    size_t count;
    vector *v = check_vector(L, 1);
    const double *mask = wpl_check_numbers(L, 2, &count);
    if (count != v->count)
        return take_rows(L, v, mask, count);
    const size_t *starts = push_starts(L, mask, count);
    if (starts == NULL)
        return take_rows(L, v, mask, count);
    if (starts[wp_mask_chunks(count)] == count) {
        lua_pushvalue(L, 1);
        return 1;
    }
    double *out = wpl_new_vector(L, starts[wp_mask_chunks(count)]);
    wp_error err;
    if (wp_mask_apply(mask, v->numbers, count, starts, out, NULL, &err) != WP_OK)
        return wpl_raise(L, &err);
    return 1;
}

/* v:slice(first [, last]) : places as in string.sub. */
static int m_slice(lua_State *L)
{
    vector *v = check_vector(L, 1);
    lua_Integer count = (lua_Integer)v->count;
    lua_Integer first = luaL_checkinteger(L, 2), last = luaL_optinteger(L, 3, -1);
    first = first < 0 ? first + count + 1 : first;
    last = last < 0 ? last + count + 1 : last;
    first = first < 1 ? 1 : first;
    last = last > count ? count : last;
    size_t kept = last >= first ? (size_t)(last - first + 1) : 0;
    double *out = wpl_new_vector(L, kept);
    if (kept > 0)
        memcpy(out, v->numbers + first - 1, kept * sizeof *out);
    return 1;
}

/* combine(columns, factors, constant) -> constant + factors[1] * columns[1] + …, in this order. */
static int l_combine(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 3);
    size_t columns = lua_rawlen(L, 1), rows = 0;
    luaL_argcheck(L, columns >= 1 && columns <= 1000, 1, "expected 1 to 1000 vectors");
    luaL_checkstack(L, (int)columns + 10, "too many vectors");
    const double *factors = wpl_check_numbers_of(L, 2, columns);
    double constant = luaL_optnumber(L, 3, 0);
    const double **arrays = lua_newuserdatauv(L, columns * sizeof *arrays, 0);
    for (size_t i = 0; i < columns; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        arrays[i] = i == 0 ? wpl_check_numbers(L, lua_gettop(L), &rows)
                           : wpl_check_numbers_of(L, lua_gettop(L), rows);
    }
    double *out = wpl_new_vector(L, rows);
    wp_error err;
    if (wp_vector_combine(arrays, factors, columns, constant, rows, out, NULL, &err) != WP_OK)
        return wpl_raise(L, &err);
    return 1;
}

/* spline(v, knots) -> list of #knots - 2 columns; with v itself they span the spline. */
static int m_spline(lua_State *L)
{
    size_t knots_count;
    lua_settop(L, 2);
    vector *v = check_vector(L, 1);
    const double *knots = wpl_check_numbers(L, 2, &knots_count);
    luaL_argcheck(L, knots_count >= 3 && knots_count <= 100, 2, "expected 3 to 100 knots");
    lua_createtable(L, (int)knots_count - 2, 0);
    for (size_t column = 0; column + 2 < knots_count; column++) {
        double *out = wpl_new_vector(L, v->count);
        wp_error err;
        if (wp_vector_spline(v->numbers, v->count, knots, knots_count, column, out, NULL, &err) !=
            WP_OK)
            return wpl_raise(L, &err);
        lua_rawseti(L, -2, (lua_Integer)column + 1);
    }
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
                                   {"distinct", m_distinct},
                                   {"quantiles", m_quantiles},
                                   {"order", m_order},
                                   {"ranks", m_ranks},
                                   {"groups", m_groups},
                                   {"bin", m_bin},
                                   {"select", m_select},
                                   {"take", m_take},
                                   {"slice", m_slice},
                                   {"spline", m_spline},
                                   {"residual", wpl_model_residual},
                                   {NULL, NULL}};

static const luaL_Reg metamethods[] = {
    {"__len", mm_len}, {"__tostring", mm_tostring}, {"__add", mm_add},
    {"__sub", mm_sub}, {"__mul", mm_mul},           {"__div", mm_div},
    {"__pow", mm_pow}, {"__unm", mm_unm},           {NULL, NULL}};

int wpl_open_vector(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"new", l_new},      {"full", l_full},     {"sequence", l_sequence}, {"concat", l_concat},
        {"stack", l_concat}, {"spline", m_spline}, {"combine", l_combine},   {NULL, NULL}};
    luaL_newmetatable(L, FACTOR);
    lua_pushcfunction(L, factor_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    wpl_class(L, WPL_VECTOR, NULL, methods, metamethods);
    luaL_getmetatable(L, WPL_VECTOR);
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, mm_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "methods");
    return 1;
}
