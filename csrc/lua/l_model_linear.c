/* core.model.linear, residual, correlations and contrast. */
#include "lua/l_model.h"

#include "stats/correlation.h"
#include "stats/influence.h"
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

/* The 0/1 column at index; NULL where there is none. */
static const wp_column *opt_keep(lua_State *L, int index, size_t rows)
{
    if (lua_isnoneornil(L, index))
        return NULL;
    wp_column *keep = lua_newuserdatauv(L, sizeof *keep, 0);
    *keep = wpl_check_column_of(L, index, rows);
    return keep;
}

static void push_numbers(lua_State *L, const double *numbers, size_t count)
{
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushnumber(L, numbers[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* correlations(columns, first, means, sds) -> a list whose entries first .. #columns are lists: the
** correlations of that column with the columns up to itself (0 where an SD is 0). No number may be
** missing. With a fifth argument, a vector of 0 and 1, of the rows where it is 1 only, and then
** also -> their means and SDs; `first` is 1. */
int wpl_model_correlations(lua_State *L)
{
    lua_settop(L, 5);
    size_t count, rows = 0;
    wp_column *columns = wpl_check_columns(L, 1, &count, &rows);
    lua_Integer first = luaL_checkinteger(L, 2);
    const wp_column *keep = opt_keep(L, 5, rows);
    luaL_argcheck(L, first >= 1 && (size_t)first <= (keep == NULL ? count : 1), 2,
                  "expected one of the columns, the first with rows to keep");
    const double *given[] = {wpl_check_numbers_of(L, 3, count), wpl_check_numbers_of(L, 4, count)};
    double *out = lua_newuserdatauv(L, (count + 2) * count * sizeof *out, 0);
    double *means = out + count * count, *sds = means + count;
    memcpy(means, given[0], count * sizeof *means);
    memcpy(sds, given[1], count * sizeof *sds);
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    wp_status status =
        keep != NULL
            ? wp_correlations_kept(columns, count, rows, keep, means, sds, out, &run, &err)
            : wp_correlations(columns, count, (size_t)first - 1, rows, means, sds, out, &run, &err);
    if (status != WP_OK)
        return wpl_raise(L, &err);
    lua_createtable(L, (int)count, 0);
    for (size_t i = (size_t)first - 1; i < count; i++) {
        push_numbers(L, out + i * count, i + 1);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    if (keep == NULL)
        return 1;
    push_numbers(L, means, count);
    push_numbers(L, sds, count);
    return 3;
}

/* contrast(columns, means, own, rest, difference, keep) -> { squares, robust, expected, variance,
** binomial } of correlation.h; the last two columns are y and x, of 0 and 1. No number may be
** missing. */
int wpl_model_contrast(lua_State *L)
{
    lua_settop(L, 6);
    wp_contrast_input input = {.difference = luaL_checknumber(L, 5)};
    input.columns = wpl_check_columns(L, 1, &input.columns_count, &input.rows);
    luaL_argcheck(L, input.columns_count >= 2, 1, "expected y and x");
    input.y = input.columns_count - 2;
    input.x = input.columns_count - 1;
    input.means = wpl_check_numbers_of(L, 2, input.columns_count);
    input.own = wpl_check_numbers_of(L, 3, input.columns_count);
    input.rest = wpl_check_numbers_of(L, 4, input.columns_count);
    input.keep = opt_keep(L, 6, input.rows);
    wp_contrast contrast;
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    if (wp_contrast_make(&input, &contrast, &run, &err) != WP_OK)
        return wpl_raise(L, &err);
    lua_createtable(L, 0, 5);
    wpl_set_number(L, "squares", contrast.squares);
    wpl_set_number(L, "robust", contrast.robust);
    wpl_set_number(L, "expected", contrast.expected);
    wpl_set_number(L, "variance", contrast.variance);
    wpl_set_number(L, "binomial", contrast.binomial);
    return 1;
}

/* influences(columns, residuals, left [, right]) -> the sums of influence.h. left and right are
** rows of the covariance, the intercept's place first. */
int wpl_model_influences(lua_State *L)
{
    lua_settop(L, 4);
    wp_influences of = {0};
    of.columns = wpl_check_columns(L, 1, &of.columns_count, &of.rows);
    of.residuals = wpl_check_numbers_of(L, 2, of.rows);
    of.left = wpl_check_numbers_of(L, 3, of.columns_count + 1);
    of.right = lua_isnil(L, 4) ? of.left : wpl_check_numbers_of(L, 4, of.columns_count + 1);
    double product, fourths;
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    if (wp_influences_sum(&of, &product, &fourths, &run, &err) != WP_OK)
        return wpl_raise(L, &err);
    lua_pushnumber(L, product);
    lua_pushnumber(L, fourths);
    return 2;
}
