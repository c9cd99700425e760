/* core.model.cells and core.model.glm. */
#include "lua/l_model.h"

#include "stats/cells.h"
#include "stats/glm.h"

#include <math.h>
#include <string.h>

static int cells_gc(lua_State *L)
{
    wp_cells_free(lua_touserdata(L, 1));
    return 0;
}

static void push_copy(lua_State *L, const double *numbers, size_t count)
{
    double *out = wpl_new_vector(L, count);
    if (count > 0)
        memcpy(out, numbers, count * sizeof *out);
}

/* cells({v, w, …} [, weights [, want_index]]) -> list of vectors, weights, index of each row. */
int wpl_model_cells(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 3);
    size_t columns = lua_rawlen(L, 1), rows;
    luaL_argcheck(L, columns >= 1 && columns <= 1000, 1, "expected 1 to 1000 columns");
    luaL_checkstack(L, (int)columns + 10, "too many columns");
    const double **arrays = lua_newuserdatauv(L, columns * sizeof *arrays, 0);
    for (size_t i = 0; i < columns; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        if (i == 0)
            arrays[i] = wpl_check_numbers(L, lua_gettop(L), &rows);
        else
            arrays[i] = wpl_check_numbers_of(L, lua_gettop(L), rows);
    }
    const double *weights = wpl_opt_numbers_of(L, 2, rows);
    wp_cells *cells = wpl_push_box(L, sizeof *cells, cells_gc, "wayproof.cells");
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    if (wp_cells_make(cells, arrays, columns, rows, weights, &run, &err) != WP_OK)
        return wpl_raise(L, &err);
    lua_createtable(L, (int)columns, 0);
    for (size_t i = 0; i < columns; i++) {
        push_copy(L, cells->columns[i], cells->count);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    push_copy(L, cells->weights, cells->count);
    if (lua_toboolean(L, 3)) {
        double *index = wpl_new_vector(L, rows);
        for (size_t i = 0; i < rows; i++)
            index[i] = (double)cells->index[i] + 1;
    } else {
        lua_pushnil(L);
    }
    wp_cells_free(cells);
    return 3;
}

static int glm_gc(lua_State *L)
{
    wp_glm_free(lua_touserdata(L, 1));
    return 0;
}

static void push_glm(lua_State *L, const wp_glm_fit *fit, bool intercept, double level)
{
    lua_createtable(L, 0, 20);
    wpl_set_estimates(L, fit->estimates, fit->covariance, fit->terms, fit->terms_count, !intercept,
                      fit->df, level);
    wpl_set_number(L, "loglik", fit->loglik);
    wpl_set_number(L, "null_loglik", fit->null_loglik);
    wpl_set_number(L, "deviance", fit->deviance);
    wpl_set_number(L, "null_deviance", fit->null_deviance);
    wpl_set_count(L, "n", fit->weight);
    wpl_set_count(L, "events", fit->events);
    wpl_set_integer(L, "rank", (lua_Integer)fit->rank);
    wpl_set_integer(L, "iterations", fit->iterations);
    wpl_set_flag(L, "converged", fit->converged);
    wpl_set_flag(L, "separated", fit->separated);
    wpl_set_number(L, "df", fit->df);
    if (!isnan(fit->df))
        wpl_set_integer(L, "clusters", (lua_Integer)fit->clusters);
    if (fit->weight > (double)fit->rank)
        wpl_set_number(L, "dispersion", fit->pearson / (fit->weight - (double)fit->rank));
    if (fit->penalty != 0)
        wpl_set_number(L, "penalised_loglik", fit->loglik + fit->penalty);
}

/* Estimates of an earlier fit as an array of 1 + columns numbers, intercept first. */
static const double *check_start(lua_State *L, int options, size_t columns)
{
    int index = wpl_push_option(L, options, "start");
    return wpl_opt_numbers_of(L, index, columns + 1);
}

/* Means and SDs of the columns as their vectors know them, where the caller says that they are
** independent and none is constant; else input stays as it is. */
static void take_measured(lua_State *L, wp_design_input *input)
{
    size_t columns = input->columns_count;
    double *centres = lua_newuserdatauv(L, 2 * columns * sizeof *centres + 1, 0);
    double *scales = centres + columns;
    for (size_t i = 0; i < columns; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        bool measured = wpl_vector_scale(L, lua_gettop(L), &centres[i], &scales[i]);
        lua_pop(L, 1);
        if (!measured)
            return;
    }
    input->known_centre = centres;
    input->known_scale = scales;
}

/* glm(columns, y [, { family, weights, offset, clusters, robust, firth, intercept, start, level,
** max_iterations, fitted, independent, rough }]) -> fit. independent: the caller knows that the
** columns vary and are independent, so that nobody needs to look. rough: estimates need not be
** known to more than a thousandth of their errors. */
int wpl_model_glm(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 3);
    bool intercept = wpl_option_flag(L, 3, "intercept", true);
    double level = wpl_option_number(L, 3, "level", 0.95);
    bool want_fitted = wpl_option_flag(L, 3, "fitted", false);
    wpl_push_option(L, 3, "family");
    static const char *const families[] = {"logistic", "poisson", NULL};
    wp_glm_options options = {
        .family = (wp_family)luaL_checkoption(L, -1, "logistic", families),
        .firth = wpl_option_flag(L, 3, "firth", false),
        .robust = wpl_option_flag(L, 3, "robust", false),
        .rough = wpl_option_flag(L, 3, "rough", false),
        .iterations_max = (int)wpl_option_number(L, 3, "max_iterations", 0),
        .start = check_start(L, 3, lua_rawlen(L, 1)),
    };
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
    if (wpl_option_flag(L, 3, "independent", false) && intercept && sample.keep == NULL &&
        input.weights == NULL)
        take_measured(L, &input);
    wp_glm_fit *fit = wpl_push_box(L, sizeof *fit, glm_gc, "wayproof.glm");
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    if (wp_glm_make(fit, &input, wpl_named(&sample, 1), &options, want_fitted, &run, &err) != WP_OK)
        return wpl_raise(L, &err);
    push_glm(L, fit, intercept, level);
    wpl_set_integer(L, "missing", (lua_Integer)sample.missing);
    if (want_fitted) {
        push_copy(L, fit->fitted, sample.rows_count);
        lua_setfield(L, -2, "fitted");
    }
    wp_glm_free(fit);
    return 1;
}
