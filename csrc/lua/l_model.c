/* The model room: what its functions share (samples without missing numbers, options, estimates),
** and the table of functions. The fits themselves are in l_model_<kind>.c. */
#include "lua/l_model.h"

#include "lua/garbage.h"

#include "stats/distribution.h"

#include <math.h>

/* Leaves out rows with a missing number or without a weight. Columns, which start at stack index
** `first`, become plain; the originals stay untouched. */
static void compact(lua_State *L, wpl_sample *sample, int first)
{
    size_t rows = sample->rows_count, columns = sample->columns_count;
    size_t count = columns + sample->named_count;
    const double *weights = sample->named[WPL_WEIGHTS];
    const double **arrays = lua_newuserdatauv(L, count * sizeof *arrays, 0);
    for (size_t i = 0; i < columns; i++) {
        arrays[i] = wpl_check_numbers_of(L, first + (int)i, rows);
        sample->columns[i] = wp_column_plain(arrays[i]);
    }
    for (size_t i = columns; i < count; i++)
        arrays[i] = sample->named[i - columns];
    size_t kept = wp_rows_complete(arrays, count, weights, rows, NULL);
    if (kept == rows)
        return;
    uint8_t *keep = lua_newuserdatauv(L, rows + 1, 0);
    sample->missing = rows - wp_rows_complete(arrays, count, NULL, rows, NULL);
    wp_rows_complete(arrays, count, weights, rows, keep);
    for (size_t a = 0; a < count; a++) {
        if (arrays[a] == NULL)
            continue;
        double *to = wpl_new_vector(L, kept);
        if (a < columns)
            sample->columns[a] = wp_column_plain(to);
        else
            sample->named[a - columns] = to;
        for (size_t i = 0; i < rows; i++)
            if (keep[i])
                *to++ = arrays[a][i];
    }
    sample->keep = keep;
    sample->rows_count = kept;
}

wpl_sample wpl_check_sample(lua_State *L, int columns, const int *named, size_t named_count)
{
    wpl_sample sample = {.named_count = named_count};
    if (columns != 0) {
        luaL_checktype(L, columns, LUA_TTABLE);
        sample.columns_count = lua_rawlen(L, columns);
    }
    if (sample.columns_count > 1000)
        luaL_error(L, "columns: %I found (expected at most 1000)",
                   (lua_Integer)sample.columns_count);
    luaL_checkstack(L, 2 * (int)(sample.columns_count + named_count) + 10, "too many columns");
    sample.columns = lua_newuserdatauv(L, sample.columns_count * sizeof *sample.columns, 0);
    sample.named = lua_newuserdatauv(L, named_count * sizeof *sample.named, 0);
    wpl_check_numbers(L, named[1], &sample.rows_count);
    wpl_make_room(L, sample.rows_count * sizeof(double)); /* what a fit has beside its columns */
    bool complete = true;
    int first = lua_gettop(L) + 1;
    for (size_t i = 0; i < sample.columns_count; i++) {
        lua_rawgeti(L, columns, (lua_Integer)i + 1);
        sample.columns[i] = wpl_check_column_of(L, lua_gettop(L), sample.rows_count);
        complete = complete && wpl_vector_complete(L, lua_gettop(L));
    }
    for (size_t i = 0; i < named_count; i++) {
        sample.named[i] = named[i] == 0 ? NULL : wpl_opt_numbers_of(L, named[i], sample.rows_count);
        if (sample.named[i] != NULL)
            complete = complete && wpl_vector_complete(L, named[i]);
    }
    const double *weights = wpl_named(&sample, WPL_WEIGHTS);
    for (size_t i = 0; weights != NULL && i < sample.rows_count; i++)
        if (weights[i] < 0 || isinf(weights[i]))
            luaL_error(L, "weights: element %I: %f is not a weight (expected 0 or more)",
                       (lua_Integer)i + 1, weights[i]);
    if (!complete || weights != NULL)
        compact(L, &sample, first);
    return sample;
}

int wpl_push_option(lua_State *L, int options, const char *name)
{
    if (lua_istable(L, options))
        lua_getfield(L, options, name);
    else
        lua_pushnil(L);
    return lua_gettop(L);
}

bool wpl_option_flag(lua_State *L, int options, const char *name, bool by_default)
{
    int index = wpl_push_option(L, options, name);
    bool flag = lua_isnil(L, index) ? by_default : lua_toboolean(L, index);
    lua_pop(L, 1);
    return flag;
}

double wpl_option_number(lua_State *L, int options, const char *name, double by_default)
{
    int index = wpl_push_option(L, options, name);
    if (!lua_isnil(L, index) && !lua_isnumber(L, index))
        luaL_error(L, "%s: number expected, got %s", name, luaL_typename(L, index));
    double number = lua_isnil(L, index) ? by_default : lua_tonumber(L, index);
    lua_pop(L, 1);
    return number;
}

void wpl_set_number(lua_State *L, const char *name, double number)
{
    if (isnan(number))
        return;
    lua_pushnumber(L, number);
    lua_setfield(L, -2, name);
}

void wpl_set_integer(lua_State *L, const char *name, lua_Integer number)
{
    lua_pushinteger(L, number);
    lua_setfield(L, -2, name);
}

void wpl_set_flag(lua_State *L, const char *name, bool flag)
{
    lua_pushboolean(L, flag);
    lua_setfield(L, -2, name);
}

void wpl_set_count(lua_State *L, const char *name, double number)
{
    if (number == floor(number) && fabs(number) < 0x1p53)
        wpl_set_integer(L, name, (lua_Integer)number);
    else
        wpl_set_number(L, name, number);
}

void wpl_push_estimate(lua_State *L, double estimate, double se, double df, double level)
{
    lua_createtable(L, 0, 8);
    wpl_set_number(L, "estimate", estimate);
    if (isnan(estimate) || !(se >= 0))
        return;
    bool normal = isnan(df);
    double upper = (1 - level) / 2;
    double width = se * (normal ? -wp_normal_quantile(upper) : -wp_t_quantile(upper, df));
    wpl_set_number(L, "se", se);
    wpl_set_number(L, "low", estimate - width);
    wpl_set_number(L, "high", estimate + width);
    if (!(se > 0))
        return;
    double statistic = estimate / se;
    wpl_set_number(L, "statistic", statistic);
    double tail = normal ? wp_normal_upper(fabs(statistic)) : wp_t_upper(fabs(statistic), df);
    wpl_set_number(L, "p", 2 * tail);
}

void wpl_push_matrix(lua_State *L, const double *matrix, size_t n, size_t first)
{
    lua_createtable(L, (int)(n - first), 0);
    for (size_t i = first; i < n; i++) {
        lua_createtable(L, (int)(n - first), 0);
        for (size_t j = first; j < n; j++) {
            if (isnan(matrix[i * n + j]))
                continue;
            lua_pushnumber(L, matrix[i * n + j]);
            lua_rawseti(L, -2, (lua_Integer)(j - first) + 1);
        }
        lua_rawseti(L, -2, (lua_Integer)(i - first) + 1);
    }
}

static const char *note_of(wp_term term)
{
    static const char *const notes[] = {NULL, "constant", "collinear", "separated"};
    return notes[term];
}

void wpl_set_estimates(lua_State *L, const double *estimates, const double *covariance,
                       const wp_term *terms, size_t count, size_t first, double df, double level)
{
    lua_createtable(L, (int)(count - first), 0);
    for (size_t i = first; i < count; i++) {
        wpl_push_estimate(L, estimates[i], sqrt(covariance[i * count + i]), df, level);
        if (note_of(terms[i]) != NULL) {
            lua_pushstring(L, note_of(terms[i]));
            lua_setfield(L, -2, "note");
        }
        lua_rawseti(L, -2, (lua_Integer)(i - first) + 1);
    }
    lua_setfield(L, -2, "coefficients");
    wpl_push_matrix(L, covariance, count, first);
    lua_setfield(L, -2, "covariance");
}

void *wpl_push_box(lua_State *L, size_t bytes_size, lua_CFunction close, const char *name)
{
    void *box = lua_newuserdatauv(L, bytes_size, 0);
    for (size_t i = 0; i < bytes_size; i++)
        ((unsigned char *)box)[i] = 0;
    if (luaL_newmetatable(L, name)) {
        lua_pushcfunction(L, close);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return box;
}

int wpl_open_model(lua_State *L)
{
    static const luaL_Reg functions[] = {{"cells", wpl_model_cells},
                                         {"glm", wpl_model_glm},
                                         {"linear", wpl_model_linear},
                                         {"residual", wpl_model_residual},
                                         {"correlations", wpl_model_correlations},
                                         {"contrast", wpl_model_contrast},
                                         {"influences", wpl_model_influences},
                                         {"cox", wpl_model_cox},
                                         {"curve", wpl_model_curve},
                                         {"log_rank", wpl_model_log_rank},
                                         {"concordance", wpl_model_concordance},
                                         {"bootstrap_auc", wpl_model_bootstrap_auc},
                                         {"permute_sum", wpl_model_permute_sum},
                                         {"bootstrap_sums", wpl_model_bootstrap_sums},
                                         {"multinomial", wpl_model_multinomial},
                                         {"places", wpl_model_places},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
