/* wayproof.core.stats: the statistics room for lua/wayproof/stats.lua, which shapes the results.
**
** Columns are Lua arrays or wayproof.Vector alike; an array is copied into a vector that sits on
** the stack, so a raise leaks nothing. Every function pushes raw numbers (nil where the core said
** NaN). A wrong call blames the first line outside this library: the user's. */
#include "lua/binding.h"

#include "lua/l_model.h"
#include "stats/alike.h"
#include "stats/auc.h"
#include "stats/calibration.h"
#include "stats/distribution.h"
#include "stats/dose.h"
#include "stats/rank.h"

#include <math.h>
#include <string.h>

/* --- Blame --- */

static const char home_key = 0; /* registry: source prefix of the library's own Lua files */

/* home(prefix): lines of chunks whose source starts with it are never blamed. */
static int l_home(lua_State *L)
{
    luaL_checkstring(L, 1);
    lua_settop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &home_key);
    return 0;
}

/* Pushes "file:line: " of the innermost line that is not the library's, or "". */
static void push_where(lua_State *L)
{
    lua_Debug at;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &home_key);
    const char *home = lua_tostring(L, -1);
    for (int level = 1; lua_getstack(L, level, &at); level++) {
        lua_getinfo(L, "Sl", &at);
        bool ours = home != NULL && strncmp(at.source, home, strlen(home)) == 0;
        if (at.currentline > 0 && !ours) {
            lua_pop(L, 1);
            lua_pushfstring(L, "%s:%d: ", at.short_src, at.currentline);
            return;
        }
    }
    lua_pop(L, 1);
    lua_pushliteral(L, "");
}

static int fail(lua_State *L, const char *where, const char *message)
{
    push_where(L);
    lua_pushfstring(L, "%s: %s", where, message);
    lua_concat(L, 2);
    return lua_error(L);
}

static int fail_core(lua_State *L, const char *where, const wp_error *err)
{
    if (err->status == WP_INTERRUPTED)
        return wpl_raise(L, err);
    return fail(L, where, err->message);
}

/* --- Columns --- */

static void fill(lua_State *L, int table, double *numbers, size_t count, const char *where,
                 const char *name)
{
    for (size_t i = 0; i < count; i++) {
        int type = lua_geti(L, table, (lua_Integer)i + 1);
        if (type == LUA_TNUMBER)
            numbers[i] = lua_tonumber(L, -1);
        else if (type == LUA_TBOOLEAN)
            numbers[i] = lua_toboolean(L, -1);
        else if (type == LUA_TNIL)
            numbers[i] = NAN;
        else
            fail(L, where,
                 lua_pushfstring(
                     L, "%s: number %I: found a %s (expected a number, or nil for missing)", name,
                     (lua_Integer)i + 1, luaL_typename(L, -1)));
        lua_pop(L, 1);
    }
}

/* The column at index (absolute), which may be replaced by a vector. `n` of a table.pack counts
** trailing holes too. */
static const double *column(lua_State *L, int index, const char *where, const char *name,
                            size_t *count)
{
    const double *numbers = wpl_to_vector(L, index, count);
    if (numbers != NULL)
        return numbers;
    if (lua_type(L, index) != LUA_TTABLE)
        fail(L, where,
             lua_pushfstring(L, "%s: found a %s (expected an array of numbers)", name,
                             luaL_typename(L, index)));
    lua_Integer length = (lua_Integer)lua_rawlen(L, index);
    if (lua_getfield(L, index, "n") == LUA_TNUMBER && lua_isinteger(L, -1) &&
        lua_tointeger(L, -1) > length)
        length = lua_tointeger(L, -1);
    lua_pop(L, 1);
    *count = (size_t)length;
    double *copy = wpl_new_vector(L, *count);
    fill(L, index, copy, *count, where, name);
    lua_replace(L, index);
    return copy;
}

/* A column that must be as long as the first one; nil is allowed when `optional`. */
static const double *match(lua_State *L, int index, const char *where, const char *name,
                           size_t expected, const char *first, bool optional)
{
    size_t count;
    if (optional && lua_isnoneornil(L, index))
        return NULL;
    const double *numbers = column(L, index, where, name, &count);
    if (count != expected)
        fail(L, where,
             lua_pushfstring(L, "%s: found %I (expected %I, as many as %s)", name,
                             (lua_Integer)count, (lua_Integer)expected, first));
    return numbers;
}

#define ALIKE "wayproof.alike"

static int alike_gc(lua_State *L)
{
    wp_alike_free(lua_touserdata(L, 1));
    return 0;
}

/* Room for rows that are alike, in a box on the stack. */
static wp_alike *push_alike(lua_State *L)
{
    wp_alike *alike = lua_newuserdatauv(L, sizeof *alike, 0);
    *alike = (wp_alike){0};
    if (luaL_newmetatable(L, ALIKE)) {
        lua_pushcfunction(L, alike_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return alike;
}

static void replace_by_copy(lua_State *L, int index, const double *numbers, size_t count)
{
    memcpy(wpl_new_vector(L, count), numbers, count * sizeof *numbers);
    lua_replace(L, index);
}

/* Where a coded vector, an outcome of 0 and 1 and no weights are at these (absolute) indexes: rows
** that are alike become one with a weight. What counts rows exactly says the same of them. */
static bool group_alike(lua_State *L, int x, int outcome, int weights)
{
    if (!lua_isnoneornil(L, weights) || luaL_testudata(L, x, WPL_VECTOR) == NULL ||
        luaL_testudata(L, outcome, WPL_VECTOR) == NULL)
        return false;
    size_t count, rows;
    wp_column given = wpl_check_column(L, x, &count);
    if (given.numbers != NULL)
        return false;
    const double *y = wpl_to_vector(L, outcome, &rows);
    if (rows != count)
        return false;
    wp_alike *alike = push_alike(L);
    wp_error err;
    if (wp_alike_make(alike, &given, 1, count, y, NULL, &err) != WP_OK)
        wpl_raise(L, &err);
    bool grouped = alike->rows > 0;
    if (grouped) {
        replace_by_copy(L, x, alike->columns[0].numbers, alike->rows);
        replace_by_copy(L, outcome, alike->y, alike->rows);
        replace_by_copy(L, weights, alike->weights, alike->rows);
        wp_alike_free(alike);
    }
    lua_pop(L, 1);
    return grouped;
}

static void set_number(lua_State *L, const char *name, double number)
{
    if (isnan(number))
        return;
    lua_pushnumber(L, number);
    lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, int64_t number)
{
    lua_pushinteger(L, (lua_Integer)number);
    lua_setfield(L, -2, name);
}

/* --- AUC --- */

static void push_auc(lua_State *L, const wp_auc *auc)
{
    lua_createtable(L, 0, 12);
    set_number(L, "estimate", auc->estimate);
    set_number(L, "variance", auc->variance);
    set_number(L, "null_variance", auc->null_variance);
    set_integer(L, "n1", auc->n1);
    set_integer(L, "n0", auc->n0);
    set_integer(L, "missing", auc->missing);
    set_integer(L, "distinct", (int64_t)auc->distinct);
    set_integer(L, "high1", auc->high1);
    set_integer(L, "high0", auc->high0);
}

/* auc(scores, labels, weights|nil) */
static int l_auc(lua_State *L)
{
    size_t n;
    wp_auc auc;
    wp_error err;
    wpl_poll poll;
    lua_settop(L, 3);
    group_alike(L, 1, 2, 3);
    const double *scores = column(L, 1, "auc", "scores", &n);
    const double *labels = match(L, 2, "auc", "labels", n, "scores", false);
    const double *weights = match(L, 3, "auc", "weights", n, "scores", true);
    wp_run run = wpl_run(L, &poll);
    if (wp_auc_delong(scores, labels, weights, n, &run, &auc, &err) != WP_OK)
        return fail_core(L, "auc", &err);
    push_auc(L, &auc);
    return 1;
}

/* auc_compare(a, b, labels, weights|nil) */
static int l_auc_compare(lua_State *L)
{
    static const char *where = "auc_compare";
    size_t n;
    wp_auc_pair pair;
    wp_error err;
    wpl_poll poll;
    lua_settop(L, 4);
    const double *a = column(L, 1, where, "a", &n);
    const double *b = match(L, 2, where, "b", n, "a", false);
    const double *labels = match(L, 3, where, "labels", n, "a", false);
    const double *weights = match(L, 4, where, "weights", n, "a", true);
    wp_run run = wpl_run(L, &poll);
    if (wp_auc_compare(a, b, labels, weights, n, &run, &pair, &err) != WP_OK)
        return fail_core(L, where, &err);
    lua_createtable(L, 0, 3);
    push_auc(L, &pair.a);
    lua_setfield(L, -2, "a");
    push_auc(L, &pair.b);
    lua_setfield(L, -2, "b");
    set_number(L, "covariance", pair.covariance);
    return 1;
}

/* auc_score_interval(estimate, n1, n0, z) -> low, high */
static int l_auc_score_interval(lua_State *L)
{
    double low, high;
    wp_auc_score_interval(luaL_checknumber(L, 1), luaL_checknumber(L, 2), luaL_checknumber(L, 3),
                          luaL_checknumber(L, 4), &low, &high);
    lua_pushnumber(L, low);
    lua_pushnumber(L, high);
    return 2;
}

/* --- Ranks --- */

#define COLUMNS_MAX 64

typedef struct job {
    const double *columns[COLUMNS_MAX], *weights;
    const char *where;
    wp_rows rows;
    wp_run run;
    wpl_poll poll;
    wp_error err;
} job;

/* Reads (where, {column, ...}, {name, ...}, weights|nil) into a job. Leaves the columns on the
** stack. */
static void check_job(lua_State *L, job *j)
{
    size_t n = 0;
    lua_settop(L, 4);
    j->where = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_checktype(L, 3, LUA_TTABLE);
    size_t count = lua_rawlen(L, 3);
    luaL_argcheck(L, count >= 1 && count <= COLUMNS_MAX, 3, "1 to 64 columns");
    luaL_checkstack(L, (int)(2 * count) + 20, "too many columns");
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 3, (lua_Integer)i + 1);
        const char *name = luaL_checkstring(L, -1); /* stays alive in the table */
        lua_pop(L, 1);
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        if (i == 0)
            j->columns[i] = column(L, lua_gettop(L), j->where, name, &n);
        else {
            lua_rawgeti(L, 3, 1);
            const char *first = luaL_checkstring(L, -1);
            lua_pop(L, 1);
            j->columns[i] = match(L, lua_gettop(L), j->where, name, n, first, false);
        }
    }
    lua_rawgeti(L, 3, 1);
    j->weights = match(L, 4, j->where, "weights", n, lua_tostring(L, -1), true);
    if (wp_rows_init(&j->rows, j->columns, count, n, j->weights, &j->err) != WP_OK)
        fail_core(L, j->where, &j->err);
    j->run = wpl_run(L, &j->poll);
}

static void set_counts(lua_State *L, const job *j)
{
    set_integer(L, "n", j->rows.weight);
    set_integer(L, "missing", j->rows.missing);
}

/* The same for a list of two columns at 2, with weights at 4. */
static void group_pair(lua_State *L)
{
    if (lua_type(L, 2) != LUA_TTABLE || lua_rawlen(L, 2) != 2)
        return;
    lua_rawgeti(L, 2, 1);
    lua_rawgeti(L, 2, 2);
    if (group_alike(L, 5, 6, 4)) {
        lua_createtable(L, 2, 0);
        lua_insert(L, 5);
        lua_rawseti(L, 5, 2);
        lua_rawseti(L, 5, 1);
        lua_replace(L, 2);
    }
    lua_settop(L, 4);
}

/* rank_correlation(where, columns, names, weights) -> {n, missing, matrix = {{...}, ...}, variance,
** lower, greater}: the variance of 2 columns' correlation; the exact tails when they have at most 9
** rows without ties. */
static int l_rank_correlation(lua_State *L)
{
    job j;
    double matrix[COLUMNS_MAX * COLUMNS_MAX], variance = NAN;
    lua_settop(L, 4);
    group_pair(L);
    check_job(L, &j);
    size_t k = j.rows.columns_count;
    if (wp_rank_correlation(&j.rows, matrix, k == 2 ? &variance : NULL, &j.run, &j.err) != WP_OK)
        return fail_core(L, j.where, &j.err);
    lua_createtable(L, 0, 6);
    set_counts(L, &j);
    lua_createtable(L, (int)k, 0);
    for (size_t i = 0; i < k; i++) {
        lua_createtable(L, (int)k, 0);
        for (size_t m = 0; m < k; m++) {
            lua_pushnumber(L, matrix[i * k + m]);
            lua_rawseti(L, -2, (lua_Integer)m + 1);
        }
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "matrix");
    set_number(L, "variance", variance);
    double lower, greater;
    if (k == 2 && wp_spearman_exact(&j.rows, &lower, &greater)) {
        set_number(L, "lower", lower);
        set_number(L, "greater", greater);
    }
    return 1;
}

/* kendall(where, {x, y}, names, weights) */
static int l_kendall(lua_State *L)
{
    job j;
    wp_kendall kendall;
    check_job(L, &j);
    if (wp_kendall_tau(&j.rows, &kendall, &j.run, &j.err) != WP_OK)
        return fail_core(L, j.where, &j.err);
    lua_createtable(L, 0, 7);
    set_counts(L, &j);
    set_number(L, "tau", kendall.tau);
    set_number(L, "z", kendall.z);
    set_number(L, "score", kendall.score);
    set_number(L, "lower", kendall.p_lower);
    set_number(L, "greater", kendall.p_greater);
    return 1;
}

/* midranks(where, {x}, names, weights) -> vector of mid-ranks, missing where x is */
static int l_midranks(lua_State *L)
{
    job j;
    check_job(L, &j);
    double *ranks = wpl_new_vector(L, j.rows.rows_count);
    if (wp_midranks(&j.rows, 0, (uint64_t *)(void *)ranks, NULL, &j.run, &j.err) != WP_OK)
        return fail_core(L, j.where, &j.err);
    for (size_t row = 0; row < j.rows.rows_count; row++) {
        uint64_t doubled;
        memcpy(&doubled, ranks + row, sizeof doubled);
        ranks[row] = doubled == 0 ? NAN : (double)doubled / 2;
    }
    return 1;
}

/* rank_products(where, {x, y}, names, weights) -> {n, missing, products, total} */
static int l_rank_products(lua_State *L)
{
    job j;
    double products, total;
    check_job(L, &j);
    if (wp_rank_products(&j.rows, &products, &total, &j.run, &j.err) != WP_OK)
        return fail_core(L, j.where, &j.err);
    lua_createtable(L, 0, 4);
    set_counts(L, &j);
    set_number(L, "products", products);
    set_number(L, "total", total);
    return 1;
}

#define LEVELS_MAX 1024

/* quantiles(where, {x}, names, weights, levels) -> array */
static int l_quantiles(lua_State *L)
{
    job j;
    double levels[LEVELS_MAX], quantiles[LEVELS_MAX];
    luaL_checktype(L, 5, LUA_TTABLE);
    size_t count = lua_rawlen(L, 5);
    luaL_argcheck(L, count <= LEVELS_MAX, 5, "at most 1024 levels");
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 5, (lua_Integer)i + 1);
        levels[i] = luaL_checknumber(L, -1);
        luaL_argcheck(L, levels[i] >= 0 && levels[i] <= 1, 5, "levels must be within 0..1");
        lua_pop(L, 1);
    }
    check_job(L, &j);
    if (wp_quantiles(&j.rows, levels, count, quantiles, &j.run, &j.err) != WP_OK)
        return fail_core(L, j.where, &j.err);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count && j.rows.used > 0; i++) {
        lua_pushnumber(L, quantiles[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static void push_dose_group(lua_State *L, const wp_dose_group *group)
{
    lua_createtable(L, 0, 7);
    set_integer(L, "users", group->weight);
    set_number(L, "sum", group->sum);
    set_number(L, "squares", group->squares);
    set_number(L, "cubes", group->cubes);
    if (group->weight > 0) {
        set_number(L, "from", group->from);
        set_number(L, "to", group->to);
    }
}

/* dose(where, {scores, outcome}, names, weights, groups) -> {n, missing, binary, groups...} */
static int l_dose(lua_State *L)
{
    job j;
    wp_dose_group groups[WP_DOSE_GROUPS_MAX];
    lua_Integer count = luaL_checkinteger(L, 5);
    luaL_argcheck(L, count >= 1 && count <= WP_DOSE_GROUPS_MAX, 5, "1 to 1024 groups");
    check_job(L, &j);
    bool binary;
    if (wp_dose_table(&j.rows, (size_t)count, groups, &binary, &j.run, &j.err) != WP_OK)
        return fail_core(L, j.where, &j.err);
    lua_createtable(L, (int)count, 3);
    set_counts(L, &j);
    lua_pushboolean(L, binary);
    lua_setfield(L, -2, "binary");
    for (lua_Integer i = 0; i < count; i++) {
        push_dose_group(L, &groups[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* isotonic(where, {y}, names, weights) -> vector of fitted numbers */
static int l_isotonic(lua_State *L)
{
    size_t n;
    wp_error err;
    const char *where = "isotonic";
    lua_settop(L, 2);
    const double *y = column(L, 1, where, "y", &n);
    const double *w = match(L, 2, where, "w", n, "y", true);
    double *fitted = wpl_new_vector(L, n);
    if (wp_isotonic_fit(y, w, n, fitted, &err) != WP_OK)
        return fail_core(L, where, &err);
    return 1;
}

/* calibration(where, {p, y}, names, weights) */
static int l_calibration(lua_State *L)
{
    job j;
    wp_calibration c;
    check_job(L, &j);
    if (wp_calibration_fit(&j.rows, &c, &j.err) != WP_OK)
        return fail_core(L, j.where, &j.err);
    lua_createtable(L, 0, 10);
    set_counts(L, &j);
    set_number(L, "brier", c.brier);
    set_number(L, "rate", c.rate);
    set_number(L, "mean", c.mean);
    set_number(L, "slope", c.slope);
    set_number(L, "slope_se", c.slope_se);
    set_number(L, "intercept", c.intercept);
    set_number(L, "in_the_large", c.in_the_large);
    set_number(L, "in_the_large_se", c.in_the_large_se);
    return 1;
}

/* --- Distributions: f(number, ...) with the core's NaN as a raise --- */

static int answer(lua_State *L, double number)
{
    if (isnan(number)) {
        push_where(L);
        lua_pushliteral(L, "number outside the domain of this distribution");
        lua_concat(L, 2);
        return lua_error(L);
    }
    lua_pushnumber(L, number);
    return 1;
}

#define DISTRIBUTION_1(name)                                                                       \
    static int l_##name(lua_State *L)                                                              \
    {                                                                                              \
        return answer(L, wp_##name(luaL_checknumber(L, 1)));                                       \
    }
#define DISTRIBUTION_2(name)                                                                       \
    static int l_##name(lua_State *L)                                                              \
    {                                                                                              \
        return answer(L, wp_##name(luaL_checknumber(L, 1), luaL_checknumber(L, 2)));               \
    }
#define DISTRIBUTION_3(name)                                                                       \
    static int l_##name(lua_State *L)                                                              \
    {                                                                                              \
        return answer(                                                                             \
            L, wp_##name(luaL_checknumber(L, 1), luaL_checknumber(L, 2), luaL_checknumber(L, 3))); \
    }

DISTRIBUTION_1(normal_lower)
DISTRIBUTION_1(normal_upper)
DISTRIBUTION_1(normal_quantile)
DISTRIBUTION_2(gamma_lower)
DISTRIBUTION_2(gamma_upper)
DISTRIBUTION_2(chi_square_lower)
DISTRIBUTION_2(chi_square_upper)
DISTRIBUTION_2(chi_square_quantile)
DISTRIBUTION_2(t_upper)
DISTRIBUTION_2(t_quantile)
DISTRIBUTION_3(beta_lower)
DISTRIBUTION_3(beta_upper)
DISTRIBUTION_3(beta_quantile)
DISTRIBUTION_3(f_upper)

int wpl_open_stats(lua_State *L)
{
    static const luaL_Reg functions[] = {{"home", l_home},
                                         {"auc", l_auc},
                                         {"auc_compare", l_auc_compare},
                                         {"auc_score_interval", l_auc_score_interval},
                                         {"rank_correlation", l_rank_correlation},
                                         {"kendall", l_kendall},
                                         {"midranks", l_midranks},
                                         {"rank_products", l_rank_products},
                                         {"quantiles", l_quantiles},
                                         {"dose", l_dose},
                                         {"isotonic", l_isotonic},
                                         {"calibration", l_calibration},
                                         {"normal_cdf", l_normal_lower},
                                         {"normal_upper", l_normal_upper},
                                         {"normal_quantile", l_normal_quantile},
                                         {"gamma_lower", l_gamma_lower},
                                         {"gamma_upper", l_gamma_upper},
                                         {"chi_square_lower", l_chi_square_lower},
                                         {"chi_square_upper", l_chi_square_upper},
                                         {"chi_square_quantile", l_chi_square_quantile},
                                         {"t_upper", l_t_upper},
                                         {"t_quantile", l_t_quantile},
                                         {"beta_lower", l_beta_lower},
                                         {"beta_upper", l_beta_upper},
                                         {"beta_quantile", l_beta_quantile},
                                         {"f_upper", l_f_upper},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
