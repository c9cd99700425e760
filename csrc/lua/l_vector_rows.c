/* wayproof.Vector: sorted views (distinct numbers, quantiles, ranks, groups) and parts (rows that a
** mask or places choose). What depends on a row's number only is worked out on the table of a coded
** vector, where the rows of each code are case weights. */
#include "lua/l_vector.h"

#include <math.h>
#include <string.h>

#define FACTOR "wayproof.factor"
#define WEAK   "wayproof.weak"

static int factor_gc(lua_State *L)
{
    wp_factor_free(lua_touserdata(L, 1));
    return 0;
}

/* Factor of the payload of the vector at 1 (its numbers, or its table), in a box on the stack. */
static wp_factor *push_factor(lua_State *L)
{
    wpl_vector *v = wpl_check_worked_out(L, 1);
    size_t count = wpl_is_coded(v) ? v->column.table_count : v->count;
    wp_factor *factor = lua_newuserdatauv(L, sizeof *factor, 0);
    *factor = (wp_factor){0};
    luaL_setmetatable(L, FACTOR);
    wp_error err;
    if (wp_factor_make(factor, v->payload, count, &err) != WP_OK)
        wpl_raise(L, &err);
    return factor;
}

/* The weights (or NULL) of what push_factor sorts. With weights of rows, the vector at 1 becomes
** plain. */
static const double *check_weights(lua_State *L, int index)
{
    wpl_vector *v = wpl_check_worked_out(L, 1);
    const double *weights = wpl_opt_weights(L, index, v->count);
    if (weights != NULL)
        wpl_check_plain(L, 1);
    if (weights != NULL || !wpl_is_coded(v))
        return weights;
    const uint64_t *rows = wpl_tally(L, 1);
    double *out = wpl_new_vector(L, v->column.table_count);
    for (size_t code = 0; code < v->column.table_count; code++)
        out[code] = (double)rows[code];
    return out;
}

/* Room for a result per number of the vector at 1: a vector as that one is. */
static double *push_like(lua_State *L)
{
    wpl_vector *v = wpl_check_vector(L, 1);
    if (!wpl_is_coded(v))
        return wpl_new_vector(L, v->count);
    wpl_codes_of(L, 1);
    return wpl_push_coded(L, v->count, -1)->payload;
}

/* ---- sorted views ---- */

/* v:distinct([weights]) -> ascending distinct numbers, counts, number of missing rows. */
static int m_distinct(lua_State *L)
{
    lua_settop(L, 2);
    bool weighted = !lua_isnil(L, 2);
    const double *weights = check_weights(L, 2);
    wp_factor *factor = push_factor(L);
    double *totals = wpl_new_vector(L, factor->numbers_count), missing = 0;
    wp_factor_weights(factor, weights, totals);
    size_t count = 0;
    for (size_t i = 0; i < factor->numbers_count; i++) /* a table may have what no row has */
        count += !isnan(factor->numbers[i]) && (weighted || totals[i] > 0);
    double *numbers = wpl_new_vector(L, count), *counts = wpl_new_vector(L, count);
    for (size_t i = 0; i < factor->numbers_count; i++) {
        if (isnan(factor->numbers[i])) {
            missing = totals[i];
        } else if (weighted || totals[i] > 0) {
            *numbers++ = factor->numbers[i];
            *counts++ = totals[i];
        }
    }
    lua_pushnumber(L, missing);
    wp_factor_free(factor);
    return 3;
}

/* Quantiles of the numbers of the plain vector at 1 as a new vector. */
static int select_quantiles(lua_State *L, const double *chances, size_t count)
{
    const wpl_vector *v = wpl_check_vector(L, 1);
    const wp_moments *m = wpl_measured(L, 1, WPL_KNOWN_RANGE);
    const double *numbers = v->payload;
    if (m->rows < v->count) {
        double *kept = lua_newuserdatauv(L, (m->rows + 1) * sizeof *kept, 0);
        numbers = kept;
        for (size_t i = 0; i < v->count; i++)
            if (!isnan(v->payload[i]))
                *kept++ = v->payload[i];
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
    const double *chances = wpl_check_numbers(L, 2, &count);
    for (size_t i = 0; i < count; i++)
        luaL_argcheck(L, chances[i] >= 0 && chances[i] <= 1, 2, "expected numbers in 0..1");
    const double *weights = check_weights(L, 3);
    if (weights == NULL && count <= WP_SELECT_MOST)
        return select_quantiles(L, chances, count);
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
    lua_settop(L, 1);
    wpl_check_plain(L, 1);
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
    const double *weights = check_weights(L, 2);
    wp_factor *factor = push_factor(L);
    double *out = push_like(L);
    wp_error err;
    if (wp_factor_ranks(factor, weights, out, &err) != WP_OK)
        return wpl_raise(L, &err);
    wp_factor_free(factor);
    return 1;
}

/* Few groups of the plain vector at 1, none of whose numbers is missing, without a sort. */
static int push_groups(lua_State *L, size_t groups)
{
    const wpl_vector *v = wpl_check_vector(L, 1);
    const wp_moments *m = wpl_measured(L, 1, WPL_KNOWN_RANGE);
    uint8_t *rows = wpl_code_bytes(wpl_push_codes(L, v->count, groups));
    wp_error err;
    if (wp_vector_groups(v->payload, v->count, m->minimum, m->maximum, groups, rows, NULL, &err) !=
        WP_OK)
        return wpl_raise(L, &err);
    double *table = wpl_push_coded(L, v->count, -1)->payload;
    for (size_t i = 0; i < groups; i++)
        table[i] = (double)(i + 1);
    return 1;
}

/* v:groups(count [, weights]) -> 1 .. count by mid-rank: equal numbers share a group. */
static int m_groups(lua_State *L)
{
    lua_settop(L, 3);
    lua_Integer groups = luaL_checkinteger(L, 2);
    luaL_argcheck(L, groups >= 1 && groups <= 1 << 20, 2, "expected 1 to 1048576 groups");
    const double *weights = check_weights(L, 3);
    const wpl_vector *v = wpl_check_vector(L, 1);
    if (weights == NULL && !wpl_is_coded(v) && groups > 1 && groups <= WP_SELECT_MOST + 1 &&
        v->count < UINT32_MAX && wpl_vector_complete(L, 1))
        return push_groups(L, (size_t)groups);
    wp_factor *factor = push_factor(L);
    double *out = push_like(L);
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
    wpl_vector *v = wpl_check_worked_out(L, 1);
    const double *cuts = check_cuts(L, 2, &cuts_count);
    wp_vector_bin(v->payload, wpl_is_coded(v) ? v->column.table_count : v->count, cuts, cuts_count,
                  push_like(L));
    return 1;
}

/* spline(v, knots) -> list of #knots - 2 columns; with v itself they span the spline. */
static int m_spline(lua_State *L)
{
    size_t knots_count;
    lua_settop(L, 2);
    wpl_vector *v = wpl_check_worked_out(L, 1);
    const double *knots = wpl_check_numbers(L, 2, &knots_count);
    luaL_argcheck(L, knots_count >= 3 && knots_count <= 100, 2, "expected 3 to 100 knots");
    lua_createtable(L, (int)knots_count - 2, 0);
    for (size_t column = 0; column + 2 < knots_count; column++) {
        wp_spline curve;
        wp_error err;
        if (wp_vector_curve(knots, knots_count, column, &curve, &err) != WP_OK)
            return wpl_raise(L, &err);
        if (wpl_is_coded(v))
            wp_kernel_spline(v->payload, &curve, v->column.table_count, push_like(L));
        else
            wpl_push_curve(L, 1, &curve);
        lua_rawseti(L, 3, (lua_Integer)column + 1);
        lua_settop(L, 3);
    }
    return 1;
}

/* ---- parts ---- */

/* Pushes a vector with room for `count` rows of the one at 1; *out is where its rows go. */
static void push_part(lua_State *L, size_t count, void **out)
{
    wpl_vector *v = wpl_check_vector(L, 1);
    if (!wpl_is_coded(v)) {
        *out = wpl_new_vector(L, count);
        return;
    }
    wpl_codes *codes = wpl_push_codes(L, count, v->column.table_count);
    *out = wpl_code_bytes(codes);
    memcpy(wpl_push_coded(L, count, -1)->payload, v->payload,
           v->column.table_count * sizeof *v->payload);
}

static size_t row_width(const wpl_vector *v)
{
    return wpl_is_coded(v) ? wp_code_width(v->column.table_count) : sizeof(double);
}

static const void *rows_of(const wpl_vector *v)
{
    return wpl_is_coded(v) ? v->column.codes : v->payload;
}

static int take_rows(lua_State *L, const double *places, size_t count)
{
    const wpl_vector *v = wpl_check_vector(L, 1);
    size_t width = row_width(v);
    void *out;
    push_part(L, count, &out);
    for (size_t i = 0; i < count; i++) {
        double place = places[i];
        if (!(place >= 1 && place <= (double)v->count && place == floor(place)))
            return luaL_error(L, "place %f: no such row (expected 1 to %I)", place,
                              (lua_Integer)v->count);
        memcpy((char *)out + i * width, (const char *)rows_of(v) + ((size_t)place - 1) * width,
               width);
    }
    return 1;
}

/* v:take(places) -> the rows at these places (1-based), in that order. */
static int m_take(lua_State *L)
{
    size_t count;
    lua_settop(L, 2);
    wpl_check_worked_out(L, 1);
    const double *places = wpl_check_numbers(L, 2, &count);
    return take_rows(L, places, count);
}

/* Where the rows go that a mask chooses, and which they are (column.h). */
typedef struct choice {
    bool is_mask;
    uint8_t *keep;
    size_t starts[];
} choice;

/* Pushes the choice of the mask at 2, which keeps it: one mask chooses from many columns. */
static const choice *push_choice(lua_State *L, size_t count)
{
    bool kept = luaL_testudata(L, 2, WPL_VECTOR) != NULL;
    if (kept && lua_getiuservalue(L, 2, WPL_CHOICE) == LUA_TUSERDATA)
        return lua_touserdata(L, -1);
    wp_column mask = wpl_check_column(L, 2, &count);
    size_t starts = wp_choice_chunks(count) + 1;
    choice *made = lua_newuserdatauv(L, sizeof *made + starts * sizeof *made->starts + count, 0);
    made->keep = (uint8_t *)(made->starts + starts);
    wp_error err;
    if (wp_choice_make(&mask, count, made->keep, made->starts, &made->is_mask, NULL, &err) != WP_OK)
        wpl_raise(L, &err);
    if (kept) {
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, 2, WPL_CHOICE);
    }
    return made;
}

/* Pushes the rows of the vector at 1, which is no curve, that the mask at 2 chooses. */
static void choose_rows(lua_State *L, const choice *chosen)
{
    const wpl_vector *v = wpl_check_vector(L, 1);
    size_t stay = chosen->starts[wp_choice_chunks(v->count)];
    if (stay == v->count) {
        lua_pushvalue(L, 1);
        return;
    }
    void *out;
    wp_error err;
    push_part(L, stay, &out);
    if (wp_choice_apply(chosen->keep, chosen->starts, rows_of(v), row_width(v), v->count, out, NULL,
                        &err) != WP_OK)
        wpl_raise(L, &err);
}

/* The same; while somebody holds what the mask chose from a vector, it is not copied again. So the
** curves over one vector still share it when they are chosen one by one. */
static void recall_rows(lua_State *L, const choice *chosen)
{
    if (luaL_testudata(L, 2, WPL_VECTOR) == NULL) {
        choose_rows(L, chosen);
        return;
    }
    if (lua_getiuservalue(L, 2, WPL_CHOSEN) != LUA_TTABLE) {
        lua_newtable(L);
        luaL_newmetatable(L, WEAK);
        lua_setmetatable(L, -2);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, 2, WPL_CHOSEN);
    }
    int memory = lua_gettop(L);
    lua_pushvalue(L, 1);
    if (lua_rawget(L, memory) != LUA_TNIL)
        return;
    choose_rows(L, chosen);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, memory);
}

/* v:select(mask) -> the rows where the mask (0, 1 or missing; as long as v) is 1. Anything else is
** read as places. */
static int m_select(lua_State *L)
{
    lua_settop(L, 2);
    const wpl_vector *v = wpl_check_vector(L, 1);
    size_t count;
    wpl_check_column(L, 2, &count);
    const choice *chosen = count == v->count ? push_choice(L, count) : NULL;
    if (chosen == NULL || !chosen->is_mask) {
        wpl_check_worked_out(L, 1);
        return take_rows(L, wpl_check_numbers(L, 2, &count), count);
    }
    const wp_spline *curve = v->column.curve;
    if (curve != NULL) {
        lua_pushvalue(L, 1); /* holds the curve */
        lua_getiuservalue(L, 1, WPL_SOURCE);
        lua_replace(L, 1);
    }
    recall_rows(L, chosen);
    if (curve != NULL)
        wpl_push_curve(L, lua_gettop(L), curve);
    return 1;
}

/* v:slice(first [, last]) : places as in string.sub. */
static int m_slice(lua_State *L)
{
    wpl_vector *v = wpl_check_worked_out(L, 1);
    lua_Integer count = (lua_Integer)v->count;
    lua_Integer first = luaL_checkinteger(L, 2), last = luaL_optinteger(L, 3, -1);
    first = first < 0 ? first + count + 1 : first;
    last = last < 0 ? last + count + 1 : last;
    first = first < 1 ? 1 : first;
    last = last > count ? count : last;
    size_t kept = last >= first ? (size_t)(last - first + 1) : 0, width = row_width(v);
    void *out;
    push_part(L, kept, &out);
    if (kept > 0)
        memcpy(out, (const char *)rows_of(v) + (size_t)(first - 1) * width, kept * width);
    return 1;
}

void wpl_open_vector_rows(lua_State *L)
{
    static const luaL_Reg methods[] = {{"distinct", m_distinct},
                                       {"quantiles", m_quantiles},
                                       {"order", m_order},
                                       {"ranks", m_ranks},
                                       {"groups", m_groups},
                                       {"bin", m_bin},
                                       {"select", m_select},
                                       {"take", m_take},
                                       {"slice", m_slice},
                                       {"spline", m_spline},
                                       {NULL, NULL}};
    luaL_newmetatable(L, FACTOR);
    lua_pushcfunction(L, factor_gc);
    lua_setfield(L, -2, "__gc");
    luaL_newmetatable(L, WEAK);
    lua_pushliteral(L, "kv");
    lua_setfield(L, -2, "__mode");
    lua_pop(L, 2);
    luaL_setfuncs(L, methods, 0);
}
