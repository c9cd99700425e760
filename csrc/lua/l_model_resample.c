/* core.model.bootstrap_auc, permute_sum, multinomial and places: resampling. */
#include "lua/l_model.h"

#include "stats/alike.h"
#include "stats/resample.h"
#include "stats/sampler.h"

#include <math.h>

/* resamples and seed at `at`. */
static wp_resample_input check_resampling(lua_State *L, int at)
{
    lua_Integer resamples = luaL_checkinteger(L, at), seed = luaL_checkinteger(L, at + 1);
    luaL_argcheck(L, resamples >= 1 && resamples <= 10000000, at, "expected 1 to 10000000");
    return (wp_resample_input){.resamples = (size_t)resamples, .seed = (uint64_t)seed};
}

/* bootstrap_auc(score, label, weights, clusters, resamples, seed) -> AUC of each resample. */
int wpl_model_bootstrap_auc(lua_State *L)
{
    lua_settop(L, 6);
    int named[] = {3, 1, 2, 4};
    wpl_sample sample = wpl_check_sample(L, 0, named, 4);
    wp_resample_input input = check_resampling(L, 5);
    input.rows = sample.rows_count;
    input.score = wpl_named(&sample, 1);
    input.label = wpl_named(&sample, 2);
    input.weights = wpl_named(&sample, WPL_WEIGHTS);
    input.clusters = wpl_named(&sample, 3);
    double *out = wpl_new_vector(L, input.resamples);
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    if (wp_bootstrap_auc(&input, out, &run, &err) != WP_OK)
        return wpl_raise(L, &err);
    return 1;
}

/* The numbers of a column, worked out into a new vector on the stack where it is no plain one. */
static const double *plain_numbers(lua_State *L, const wp_column *column, size_t rows)
{
    if (column->numbers != NULL && column->curve == NULL)
        return column->numbers;
    double *out = wpl_new_vector(L, rows);
    wp_error err;
    if (wp_column_expand(column, rows, out, NULL, &err) != WP_OK)
        wpl_raise(L, &err);
    return out;
}

/* Scores (the first column) and strata (the second, where there is one) of the sample: rows that
** are alike as one, as resampling would have them anyway, or every row. */
static wp_status add_scores(lua_State *L, wp_resample_input *input, const wpl_sample *sample,
                            wp_alike *alike, const wp_run *run, wp_error *err)
{
    const wp_column *columns = sample->columns;
    input->rows = sample->rows_count;
    input->label = wpl_named(sample, 1);
    input->weights = wpl_named(sample, WPL_WEIGHTS);
    *alike = (wp_alike){0};
    if (input->weights == NULL)
        WP_TRY(wp_alike_make(alike, columns, sample->columns_count, input->rows, input->label, run,
                             err));
    if (alike->rows > 0) {
        columns = alike->columns;
        input->rows = alike->rows;
        input->label = alike->y;
        input->weights = alike->weights;
    }
    input->score = plain_numbers(L, &columns[0], input->rows);
    input->strata = sample->columns_count > 1 ? plain_numbers(L, &columns[1], input->rows) : NULL;
    return WP_OK;
}

/* permute_sum(score, label, weights, strata, resamples, seed, ranks) -> sums, observed, mean,
** variance, weight of the positives, weight of all. ranks: mid-ranks instead of scores, where there
** are no strata. */
int wpl_model_permute_sum(lua_State *L)
{
    lua_settop(L, 7);
    int named[] = {3, 2};
    lua_createtable(L, 2, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, 4);
    lua_rawseti(L, -2, 2);
    wpl_sample sample = wpl_check_sample(L, 8, named, 2);
    wp_resample_input input = check_resampling(L, 5);
    input.ranks = lua_toboolean(L, 7) && sample.columns_count == 1;
    double *out = wpl_new_vector(L, input.resamples);
    int at = lua_gettop(L);
    wp_alike alike;
    wp_permuted found;
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    wp_status status = add_scores(L, &input, &sample, &alike, &run, &err);
    if (status == WP_OK)
        status = wp_permute_sum(&input, out, &found, &run, &err);
    wp_alike_free(&alike);
    if (status != WP_OK)
        return wpl_raise(L, &err);
    lua_settop(L, at);
    lua_pushnumber(L, found.observed);
    lua_pushnumber(L, found.mean);
    lua_pushnumber(L, found.variance);
    lua_pushnumber(L, found.positives);
    lua_pushnumber(L, found.cases);
    return 6;
}

/* bootstrap_sums(values, resamples, seed) -> sum of each resample of the rows. */
int wpl_model_bootstrap_sums(lua_State *L)
{
    size_t count;
    lua_settop(L, 3);
    const double *values = wpl_check_numbers(L, 1, &count);
    lua_Integer resamples = luaL_checkinteger(L, 2), seed = luaL_checkinteger(L, 3);
    luaL_argcheck(L, resamples >= 1 && resamples <= 10000000, 2, "expected 1 to 10000000");
    double *out = wpl_new_vector(L, (size_t)resamples);
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    if (wp_bootstrap_sums(values, count, (size_t)resamples, (uint64_t)seed, out, &run, &err) !=
        WP_OK)
        return wpl_raise(L, &err);
    return 1;
}

/* multinomial(weights, seed, resample) -> counts of one bootstrap sample of the cases. */
int wpl_model_multinomial(lua_State *L)
{
    size_t count;
    lua_settop(L, 3);
    const double *weights = wpl_check_numbers(L, 1, &count);
    double total = 0;
    for (size_t i = 0; i < count; i++) {
        if (!(weights[i] >= 0 && weights[i] == floor(weights[i])))
            return luaL_error(L, "weights: element %I: not a whole number", (lua_Integer)i + 1);
        total += weights[i];
    }
    luaL_argcheck(L, total < 0x1p52, 1, "expected a sum below 2^52");
    wp_rng rng;
    wp_rng_seed(&rng, (uint64_t)luaL_checkinteger(L, 2), (uint64_t)luaL_checkinteger(L, 3));
    double *out = wpl_new_vector(L, count);
    wp_rng_multinomial(&rng, weights, count, (uint64_t)total, out);
    return 1;
}

/* places(count, seed, resample, permute) -> array of 1 .. count in random order, or drawn with
** replacement. */
int wpl_model_places(lua_State *L)
{
    lua_Integer count = luaL_checkinteger(L, 1);
    luaL_argcheck(L, count >= 0 && count < INT32_MAX, 1, "expected 0 to 2^31 - 2");
    wp_rng rng;
    wp_rng_seed(&rng, (uint64_t)luaL_checkinteger(L, 2), (uint64_t)luaL_checkinteger(L, 3));
    uint32_t *places = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *places, 0);
    (lua_toboolean(L, 4) ? wp_rng_permutation : wp_rng_replacement)(&rng, places, (size_t)count);
    lua_createtable(L, (int)count, 0);
    for (lua_Integer i = 0; i < count; i++) {
        lua_pushinteger(L, (lua_Integer)places[i] + 1);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}
