/* core.model.cox, curve, log_rank and concordance. */
#include "lua/l_model.h"

#include "stats/cox.h"
#include "stats/distribution.h"
#include "stats/survival.h"

#include <math.h>
#include <string.h>

static int cox_gc(lua_State *L)
{
    wp_cox_free(lua_touserdata(L, 1));
    return 0;
}

static void set_cox(lua_State *L, const wp_cox_fit *fit, double level)
{
    lua_createtable(L, 0, 24);
    wpl_set_estimates(L, fit->estimates, fit->covariance, fit->terms, fit->columns_count, 0, NAN,
                      level);
    wpl_set_number(L, "loglik", fit->loglik);
    wpl_set_number(L, "null_loglik", fit->null_loglik);
    wpl_set_number(L, "score", fit->score);
    wpl_set_number(L, "wald", fit->wald);
    wpl_set_count(L, "n", fit->weight);
    wpl_set_count(L, "events", fit->events);
    wpl_set_integer(L, "rank", (lua_Integer)fit->rank);
    wpl_set_integer(L, "iterations", fit->iterations);
    wpl_set_flag(L, "converged", fit->converged);
    wpl_set_flag(L, "separated", fit->separated);
    if (isnan(fit->zph_global))
        return;
    wpl_set_number(L, "zph_global", fit->zph_global);
    lua_newtable(L);
    for (size_t i = 0; i < fit->columns_count; i++) {
        lua_pushnumber(L, fit->zph[i]);
        if (!isnan(fit->zph[i]))
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        else
            lua_pop(L, 1);
    }
    lua_setfield(L, -2, "zph_columns");
}

/* cox(columns, time, status [, { ties, weights, offset, strata, clusters, robust, zph, level,
** max_iterations }]) -> fit. */
int wpl_model_cox(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 4);
    double level = wpl_option_number(L, 4, "level", 0.95);
    wpl_push_option(L, 4, "ties");
    static const char *const ties[] = {"efron", "breslow", NULL};
    wp_cox_options options = {
        .ties = (wp_ties)luaL_checkoption(L, -1, "efron", ties),
        .robust = wpl_option_flag(L, 4, "robust", false),
        .want_zph = wpl_option_flag(L, 4, "zph", false),
        .iterations_max = (int)wpl_option_number(L, 4, "max_iterations", 0),
    };
    int named[] = {wpl_push_option(L, 4, "weights"),
                   2,
                   3,
                   wpl_push_option(L, 4, "offset"),
                   wpl_push_option(L, 4, "strata"),
                   wpl_push_option(L, 4, "clusters")};
    wpl_sample sample = wpl_check_sample(L, 1, named, 6);
    options.strata = wpl_named(&sample, 4);
    options.clusters = wpl_named(&sample, 5);
    wp_design_input input = {.columns = sample.columns,
                             .columns_count = sample.columns_count,
                             .rows_count = sample.rows_count,
                             .weights = wpl_named(&sample, WPL_WEIGHTS),
                             .offset = wpl_named(&sample, 3)};
    wp_cox_fit *fit = wpl_push_box(L, sizeof *fit, cox_gc, "wayproof.cox");
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    if (wp_cox_make(fit, &input, wpl_named(&sample, 1), wpl_named(&sample, 2), &options, &run,
                    &err) != WP_OK)
        return wpl_raise(L, &err);
    set_cox(L, fit, level);
    wpl_set_integer(L, "missing", (lua_Integer)sample.missing);
    if (options.clusters != NULL)
        wpl_set_integer(L, "clusters", (lua_Integer)fit->clusters);
    wp_cox_free(fit);
    return 1;
}

static int curve_gc(lua_State *L)
{
    wp_curve_free(lua_touserdata(L, 1));
    return 0;
}

/* Limits on the survival, log or log-log scale, as R's conf.type. */
static void fill_limits(const wp_curve *curve, double z, bool log_log, double *low, double *high)
{
    for (size_t t = 0; t < curve->count; t++) {
        double s = curve->survival[t], width = z * curve->se[t];
        if (log_log) {
            double centre = log(-log(s)), spread = width / fabs(log(s));
            low[t] = s < 1 ? exp(-exp(centre + spread)) : 1;
            high[t] = s < 1 ? exp(-exp(centre - spread)) : 1;
        } else {
            low[t] = exp(log(s) - width);
            high[t] = fmin(1, exp(log(s) + width));
        }
        if (isnan(curve->se[t]))
            low[t] = high[t] = NAN;
    }
}

static double *set_vector(lua_State *L, const char *name, const double *numbers, size_t count)
{
    double *out = wpl_new_vector(L, count);
    if (numbers != NULL && count > 0)
        memcpy(out, numbers, count * sizeof *out);
    lua_setfield(L, -2, name);
    return out;
}

/* curve(time, status, weights, level, log_log) -> { time, at_risk, events, censored, survival, se,
** low, high: vectors; n, deaths, missing; median = { estimate, low, high } }. */
int wpl_model_curve(lua_State *L)
{
    lua_settop(L, 5);
    double level = luaL_optnumber(L, 4, 0.95);
    bool log_log = lua_toboolean(L, 5);
    int named[] = {3, 1, 2};
    wpl_sample sample = wpl_check_sample(L, 0, named, 3);
    const double *weights = wpl_named(&sample, WPL_WEIGHTS), *status = wpl_named(&sample, 2);
    wp_curve *curve = wpl_push_box(L, sizeof *curve, curve_gc, "wayproof.curve");
    wp_error err;
    if (wp_curve_make(curve, wpl_named(&sample, 1), status, weights, sample.rows_count, &err) !=
        WP_OK)
        return wpl_raise(L, &err);
    size_t count = curve->count;
    lua_createtable(L, 0, 16);
    set_vector(L, "time", curve->time, count);
    set_vector(L, "at_risk", curve->at_risk, count);
    set_vector(L, "events", curve->events, count);
    set_vector(L, "censored", curve->censored, count);
    set_vector(L, "survival", curve->survival, count);
    double *se = set_vector(L, "se", curve->se, count);
    double *low = set_vector(L, "low", NULL, count), *high = set_vector(L, "high", NULL, count);
    fill_limits(curve, -wp_normal_quantile((1 - level) / 2), log_log, low, high);
    double events = 0;
    for (size_t t = 0; t < count; t++) {
        se[t] *= curve->survival[t];
        events += curve->events[t];
    }
    wpl_set_count(L, "n", count > 0 ? curve->at_risk[0] : 0);
    wpl_set_count(L, "deaths", events);
    wpl_set_integer(L, "missing", (lua_Integer)sample.missing);
    lua_createtable(L, 0, 3);
    wpl_set_number(L, "estimate", wp_curve_quantile(curve, curve->survival, 0.5));
    wpl_set_number(L, "low", wp_curve_quantile(curve, low, 0.5));
    wpl_set_number(L, "high", wp_curve_quantile(curve, high, 0.5));
    lua_setfield(L, -2, "median");
    wp_curve_free(curve);
    return 1;
}

static int log_rank_gc(lua_State *L)
{
    wp_log_rank_free(lua_touserdata(L, 1));
    return 0;
}

/* log_rank(time, status, group, strata, weights, rho) -> { statistic, df, p, groups = { { group, n,
** observed, expected }, … } }. */
int wpl_model_log_rank(lua_State *L)
{
    lua_settop(L, 6);
    int named[] = {5, 1, 2, 3, 4};
    wpl_sample sample = wpl_check_sample(L, 0, named, 5);
    wp_log_rank *test = wpl_push_box(L, sizeof *test, log_rank_gc, "wayproof.log_rank");
    wp_error err;
    if (wp_log_rank_make(test, wpl_named(&sample, 1), wpl_named(&sample, 2), wpl_named(&sample, 3),
                         wpl_named(&sample, 4), wpl_named(&sample, WPL_WEIGHTS),
                         luaL_optnumber(L, 6, 0), sample.rows_count, &err) != WP_OK)
        return wpl_raise(L, &err);
    lua_createtable(L, 0, 8);
    wpl_set_number(L, "statistic", test->statistic);
    wpl_set_integer(L, "df", (lua_Integer)test->groups - 1);
    wpl_set_number(L, "p", wp_chi_square_upper(test->statistic, (double)test->groups - 1));
    wpl_set_integer(L, "missing", (lua_Integer)sample.missing);
    lua_createtable(L, (int)test->groups, 0);
    for (size_t g = 0; g < test->groups; g++) {
        lua_createtable(L, 0, 5);
        wpl_set_count(L, "group", test->group[g]);
        wpl_set_count(L, "n", test->n[g]);
        wpl_set_number(L, "observed", test->observed[g]);
        wpl_set_number(L, "expected", test->expected[g]);
        wpl_set_number(L, "variance", test->variance[g * test->groups + g]);
        lua_rawseti(L, -2, (lua_Integer)g + 1);
    }
    lua_setfield(L, -2, "groups");
    wp_log_rank_free(test);
    return 1;
}

/* concordance(score, time, status, weights, uno) -> raw figures. */
int wpl_model_concordance(lua_State *L)
{
    lua_settop(L, 5);
    int named[] = {4, 1, 2, 3};
    wpl_sample sample = wpl_check_sample(L, 0, named, 4);
    wp_concordance c;
    wp_error err;
    if (wp_concordance_make(&c, wpl_named(&sample, 1), wpl_named(&sample, 2), wpl_named(&sample, 3),
                            wpl_named(&sample, WPL_WEIGHTS), lua_toboolean(L, 5), sample.rows_count,
                            &err) != WP_OK)
        return wpl_raise(L, &err);
    lua_createtable(L, 0, 8);
    wpl_set_number(L, "estimate", c.estimate);
    wpl_set_number(L, "se", c.se);
    wpl_set_count(L, "concordant", c.concordant);
    wpl_set_count(L, "discordant", c.discordant);
    wpl_set_count(L, "tied_score", c.tied_score);
    wpl_set_count(L, "tied_time", c.tied_time);
    wpl_set_integer(L, "missing", (lua_Integer)sample.missing);
    return 1;
}
