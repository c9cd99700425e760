/* core.model.linear and residual. */
#include "lua/l_model.h"

#include "stats/correlation.h"
#include "stats/linear.h"

#include <math.h>
#include <string.h>

static int linear_gc(lua_State *L)
{
    wp_linear_free(lua_touserdata(L, 1));
    return 0;
}

/* linear(columns, y [, { weights, offset, clusters, robust, intercept, level }]) -> fit. */
int wpl_model_linear(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 3);
    bool intercept = wpl_option_flag(L, 3, "intercept", true);
    bool want_residuals = wpl_option_flag(L, 3, "residuals", false);
    double level = wpl_option_number(L, 3, "level", 0.95);
    wp_linear_options options = {.robust = wpl_option_flag(L, 3, "robust", false)};
    int named[] = {wpl_push_option(L, 3, "weights"), 2, wpl_push_option(L, 3, "offset"),
                   wpl_push_option(L, 3, "clusters")};
    wpl_sample sample = wpl_check_sample(L, 1, named, 4);
    options.clusters = wpl_named(&sample, 3);
    wp_design_input input = {.columns = sample.columns,
                             .columns_count = sample.columns_count,
                             .rows_count = sample.rows_count,
                             .weights = wpl_named(&sample, WPL_WEIGHTS),
                             .offset = wpl_named(&sample, 2),
                             .intercept = intercept};
    wp_linear_fit *fit = wpl_push_box(L, sizeof *fit, linear_gc, "wayproof.linear");
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    if (wp_linear_make(fit, &input, wpl_named(&sample, 1), &options, &run, &err) != WP_OK)
        return wpl_raise(L, &err);
    lua_createtable(L, 0, 20);
    wpl_set_estimates(L, fit->estimates, fit->covariance, fit->terms, fit->terms_count, !intercept,
                      fit->df, level);
    wpl_set_count(L, "n", fit->weight);
    wpl_set_integer(L, "rank", (lua_Integer)fit->rank);
    wpl_set_integer(L, "missing", (lua_Integer)sample.missing);
    wpl_set_number(L, "df", fit->df);
    wpl_set_number(L, "df_residual", fit->df_residual);
    wpl_set_number(L, "deviance", fit->residual_squares);
    wpl_set_number(L, "null_deviance", fit->total_squares);
    if (isfinite(fit->loglik))
        wpl_set_number(L, "loglik", fit->loglik);
    if (fit->df_residual > 0)
        wpl_set_number(L, "sigma", sqrt(fit->residual_squares / fit->df_residual));
    if (fit->total_squares > 0)
        wpl_set_number(L, "r2", 1 - fit->residual_squares / fit->total_squares);
    if (options.clusters != NULL)
        wpl_set_integer(L, "clusters", (lua_Integer)fit->clusters);
    if (want_residuals) {
        double *out = wpl_new_vector(L, sample.rows_count);
        memcpy(out, fit->residuals, sample.rows_count * sizeof *out);
        lua_setfield(L, -2, "residuals");
    }
    wp_linear_free(fit);
    return 1;
}

/* residual(y, columns [, weights]) -> y less its least squares fit (with intercept); missing where
** y or a column is. */
int wpl_model_residual(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 3);
    size_t rows;
    wpl_check_numbers(L, 1, &rows);
    int named[] = {3, 1};
    wpl_sample sample = wpl_check_sample(L, 2, named, 2);
    wp_design_input input = {.columns = sample.columns,
                             .columns_count = sample.columns_count,
                             .rows_count = sample.rows_count,
                             .weights = wpl_named(&sample, WPL_WEIGHTS),
                             .intercept = true};
    wp_linear_options options = {0};
    wp_linear_fit *fit = wpl_push_box(L, sizeof *fit, linear_gc, "wayproof.linear");
    double *out = wpl_new_vector(L, rows);
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    if (wp_linear_make(fit, &input, wpl_named(&sample, 1), &options, &run, &err) != WP_OK)
        return wpl_raise(L, &err);
    for (size_t i = 0, next = 0; i < rows; i++)
        out[i] = sample.keep == NULL || sample.keep[i] ? fit->residuals[next++] : NAN;
    wp_linear_free(fit);
    return 1;
}

/* correlations(columns, first, means, sds) -> a list whose entries first .. #columns are lists: the
** correlations of that column with the columns up to itself (0 where an SD is 0). No number may be
** missing. */
int wpl_model_correlations(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 4);
    size_t count = lua_rawlen(L, 1), rows = 0;
    lua_Integer first = luaL_checkinteger(L, 2);
    luaL_argcheck(L, count >= 1 && count <= 1000, 1, "expected 1 to 1000 columns");
    luaL_argcheck(L, first >= 1 && (size_t)first <= count, 2, "expected one of the columns");
    luaL_checkstack(L, (int)count + 10, "too many columns");
    const double *means = wpl_check_numbers_of(L, 3, count);
    const double *sds = wpl_check_numbers_of(L, 4, count);
    wp_column *columns = lua_newuserdatauv(L, count * sizeof *columns, 0);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        columns[i] = i == 0 ? wpl_check_column(L, lua_gettop(L), &rows)
                            : wpl_check_column_of(L, lua_gettop(L), rows);
    }
    double *out = lua_newuserdatauv(L, count * count * sizeof *out, 0);
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    if (wp_correlations(columns, count, (size_t)first - 1, rows, means, sds, out, &run, &err) !=
        WP_OK)
        return wpl_raise(L, &err);
    lua_createtable(L, (int)count, 0);
    for (size_t i = (size_t)first - 1; i < count; i++) {
        lua_createtable(L, (int)i + 1, 0);
        for (size_t j = 0; j <= i; j++) {
            lua_pushnumber(L, out[i * count + j]);
            lua_rawseti(L, -2, (lua_Integer)j + 1);
        }
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}
