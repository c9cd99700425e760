/* See cox.h: Newton's steps on the partial likelihood, and the result in the caller's units. */
#include "stats/cox_internal.h"

#include "base/memory.h"
#include "stats/linear_algebra.h"

#include <math.h>
#include <string.h>

#define STEP_TOLERANCE  1e-14
#define PROOF_TOLERANCE 1e-4

static void pass(wp__cox *state, const double *b)
{
    size_t k = state->k;
    wp__cox_risks(state, b);
    memset(state->sums, 0, (1 + k + k * k) * sizeof(double));
    for (size_t g = 0; g < state->groups_count; g++) {
        wp__cox_enter(state, &state->groups[g]);
        if (!state->groups[g].has_events)
            continue;
        state->sums[0] += wp__cox_terms(state, &state->groups[g]);
        for (size_t i = 0; i < k + k * k; i++)
            state->sums[1 + i] += state->part[i];
    }
}

static bool evaluate(wp__cox *state)
{
    size_t k = state->k;
    pass(state, state->tried);
    memcpy(state->factor, state->sums + 1 + k, k * k * sizeof(double));
    memcpy(state->step, state->sums + 1, k * sizeof(double));
    if (!isfinite(state->sums[0]) || !wp_cholesky_factor(state->factor, k, 1e-13))
        return false;
    wp_cholesky_solve(state->factor, k, state->step);
    state->promised = 0;
    for (size_t i = 0; i < k; i++)
        state->promised += state->step[i] * state->sums[1 + i];
    return true;
}

/* A direction in which every event has the largest z . d of its risk set: the likelihood only
** rises along it (monotone likelihood, Heinze & Schemper 2001). */
static bool runs_away(const wp__cox *state, const double *direction)
{
    double largest = 0, worst = 0, top = -INFINITY;
    for (size_t g = 0; g < state->groups_count; g++) {
        const wp__time_group *group = &state->groups[g];
        top = group->starts_stratum ? -INFINITY : top;
        for (size_t i = group->first; i < group->last; i++) {
            double along = wp__cox_linear(state, direction, i);
            top = fmax(top, along);
            largest = fmax(largest, fabs(along));
        }
        for (size_t i = group->first; i < group->last; i++)
            if (state->event[i] != 0)
                worst = fmin(worst, wp__cox_linear(state, direction, i) - top);
    }
    return largest > 0 && worst >= -PROOF_TOLERANCE * largest;
}

static void look_for_separation(wp__cox *state, wp_design *design)
{
    if (!runs_away(state, state->step))
        return;
    state->separated = true;
    double largest = 0;
    for (size_t i = 0; i < state->k; i++)
        largest = fmax(largest, fabs(state->step[i]));
    for (size_t i = 0; i < state->k; i++)
        if (fabs(state->step[i]) > 1e-3 * largest)
            design->terms[1 + design->kept[i]] = WP_TERM_SEPARATED;
}

/* The Newton step, halved until the likelihood does not fall. */
static bool step_forward(wp__cox *state, double *direction)
{
    size_t k = state->k;
    double loglik = state->sums[0], length = 1;
    memcpy(direction, state->step, k * sizeof *direction);
    for (int halving = 0; halving < 20; halving++, length /= 2) {
        for (size_t i = 0; i < k; i++)
            state->tried[i] = state->b[i] + length * direction[i];
        if (evaluate(state) && state->sums[0] >= loglik - 1e-11 * (fabs(loglik) + 1)) {
            memcpy(state->b, state->tried, k * sizeof *state->b);
            return true;
        }
    }
    memcpy(state->tried, state->b, k * sizeof *state->b);
    evaluate(state);
    return false;
}

static wp_status iterate(wp__cox *state, wp_design *design, const wp_run *run, wp_error *err)
{
    int limit = state->options->iterations_max ? state->options->iterations_max : 50;
    double before = INFINITY, *direction = state->inverse; /* free until the end */
    for (int i = 1; i <= limit; i++) {
        if (wp_run_interrupted(run))
            return wp_fail(err, WP_INTERRUPTED, "interrupted");
        state->iterations = i;
        if (state->promised <= STEP_TOLERANCE * (state->separated ? 1e5 : 1)) {
            for (size_t j = 0; j < state->k; j++)
                state->b[j] += state->step[j];
            state->sums[0] += state->promised / 2;
            state->converged = !state->separated;
            return WP_OK;
        }
        if (i > 6 && state->promised > 0.1 * before && !state->separated)
            look_for_separation(state, design);
        before = state->promised;
        if (!step_forward(state, direction)) {
            state->converged = before <= 1e-9 && !state->separated;
            return WP_OK;
        }
    }
    return WP_OK;
}

static wp_status fit_alloc(wp_cox_fit *fit, size_t columns, wp_error *err)
{
    fit->columns_count = columns;
    fit->estimates = wp_alloc_array(2 * columns + 2 * columns * columns, sizeof(double));
    fit->terms = wp_alloc_array_zero(columns, sizeof *fit->terms);
    if (fit->estimates == NULL || fit->terms == NULL)
        return wp_fail_memory(err, 2 * columns * (columns + 1) * sizeof(double));
    fit->zph = fit->estimates + columns;
    fit->covariance = fit->zph + columns;
    fit->naive = fit->covariance + columns * columns;
    for (size_t i = 0; i < 2 * columns + 2 * columns * columns; i++)
        fit->estimates[i] = NAN;
    fit->zph_global = fit->wald = fit->score = NAN;
    return WP_OK;
}

/* Estimates and covariances in the caller's units; separated terms have none. */
static void fill_estimates(wp_cox_fit *fit, const wp__cox *state, const wp_design *design,
                           const double *covariance)
{
    size_t k = state->k;
    for (size_t i = 0; i < k; i++) {
        size_t a = design->kept[i];
        if (fit->terms[a] == WP_TERM_SEPARATED)
            continue;
        fit->estimates[a] = state->b[i] / design->scale[a];
        for (size_t j = 0; j < k; j++) {
            size_t b = design->kept[j];
            double scale = design->scale[a] * design->scale[b];
            if (fit->terms[b] == WP_TERM_SEPARATED)
                continue;
            fit->covariance[a * fit->columns_count + b] = covariance[i * k + j] / scale;
            fit->naive[a * fit->columns_count + b] = state->inverse[i * k + j] / scale;
        }
    }
}

static double wald_statistic(const wp__cox *state, double *covariance, double *solved)
{
    size_t k = state->k;
    double sum = 0;
    if (!wp_cholesky_factor(covariance, k, 1e-14))
        return NAN;
    memcpy(solved, state->b, k * sizeof *solved);
    wp_cholesky_solve(covariance, k, solved);
    for (size_t i = 0; i < k; i++)
        sum += solved[i] * state->b[i];
    return sum;
}

static wp_status finish(wp_cox_fit *fit, wp__cox *state, wp_design *design, const double *time,
                        const double *status, wp_error *err)
{
    size_t k = state->k;
    fit->loglik = state->sums[0];
    fit->iterations = state->iterations;
    fit->converged = state->converged;
    fit->separated = state->separated;
    memcpy(fit->terms, design->terms + 1, fit->columns_count * sizeof *fit->terms);
    wp_cholesky_inverse(state->factor, k, state->inverse);
    double *covariance = wp_alloc_array(k * k + k, sizeof *covariance);
    if (covariance == NULL)
        return wp_fail_memory(err, k * k * sizeof *covariance);
    memcpy(covariance, state->inverse, k * k * sizeof *covariance);
    wp_status done = WP_OK;
    if (state->options->robust || state->options->clusters != NULL)
        done = wp__cox_robust(state, design->input.weights, covariance, &fit->clusters, err);
    if (done == WP_OK) {
        fill_estimates(fit, state, design, covariance);
        if (!fit->separated)
            fit->wald = wald_statistic(state, covariance, covariance + k * k);
    }
    if (done == WP_OK && state->options->want_zph && !fit->separated)
        done = wp__cox_zph(fit, state, design, time, status, err);
    wp_free(covariance);
    return done;
}

/* Takes out terms without information at the start (constant within every risk set, or combinations
** of others there); true when some were. */
static wp_status drop_uninformative(wp__cox *state, wp_design *design, double events, bool *dropped,
                                    wp_error *err)
{
    size_t k = state->k, kept = 0;
    bool *out = wp_alloc_array_zero(k, sizeof *out);
    if (out == NULL)
        return wp_fail_memory(err, k);
    memcpy(state->factor, state->sums + 1 + k, k * k * sizeof(double));
    for (size_t i = 0; i < k; i++) /* columns have variance 1: this much is rounding */
        if (!(state->factor[i * k + i] > 1e-11 * events))
            state->factor[i * k + i] = 0;
    wp_gram_choose(state->factor, k, 1e-11, out);
    for (size_t i = 0; i < k; i++) {
        if (out[i]) {
            design->terms[1 + design->kept[i]] = WP_TERM_COLLINEAR;
            design->scale[design->kept[i]] = 0;
        } else {
            design->kept[kept++] = design->kept[i];
        }
    }
    *dropped = kept < k;
    design->k = kept + 1;
    wp_free(out);
    return WP_OK;
}

static wp_status prepare(wp__cox *state, const wp_design *design, const double *time,
                         const double *status, const wp_run *run, wp_error *err)
{
    state->k = design->k - 1;
    WP_TRY(wp__cox_alloc(state, err));
    WP_TRY(wp__cox_sort(state, time, state->options->strata, err));
    return wp__cox_copy(state, design, status, run, err);
}

static wp_status fit_terms(wp_cox_fit *fit, wp__cox *state, wp_design *design, const double *time,
                           const double *status, const wp_run *run, wp_error *err)
{
    WP_TRY(prepare(state, design, time, status, run, err));
    bool dropped = false, definite = evaluate(state);
    fit->null_loglik = state->sums[0];
    WP_TRY(drop_uninformative(state, design, fit->events, &dropped, err));
    if (dropped) {
        wp__cox_free(state);
        state->memory = NULL, state->source = NULL, state->groups = NULL;
        WP_TRY(prepare(state, design, time, status, run, err));
        definite = evaluate(state);
    } else {
        memcpy(state->factor, state->sums + 1 + state->k, state->k * state->k * sizeof(double));
        definite = definite && wp_cholesky_factor(state->factor, state->k, 1e-13);
    }
    fit->rank = state->k;
    fit->loglik = fit->null_loglik;
    memcpy(fit->terms, design->terms + 1, fit->columns_count * sizeof *fit->terms);
    fit->converged = true;
    if (state->k == 0 || !definite)
        return WP_OK;
    fit->score = state->promised;
    WP_TRY(iterate(state, design, run, err));
    return finish(fit, state, design, time, status, err);
}

static wp_status check_rows(const double *time, const double *status, size_t rows, wp_error *err)
{
    for (size_t i = 0; i < rows; i++) {
        if (isinf(time[i]))
            return wp_fail(err, WP_INVALID, "time: row %zu: infinite (expected a number)", i + 1);
        if (status[i] != 0 && status[i] != 1)
            return wp_fail(err, WP_INVALID, "status: row %zu: %g (expected 1 event or 0 censored)",
                           i + 1, status[i]);
    }
    return WP_OK;
}

wp_status wp_cox_make(wp_cox_fit *fit, const wp_design_input *input, const double *time,
                      const double *status, const wp_cox_options *options, const wp_run *run,
                      wp_error *err)
{
    WP_TRY(check_rows(time, status, input->rows_count, err));
    wp_design_input with_centre = *input;
    with_centre.intercept = true;
    wp_design design;
    WP_TRY(wp_design_make(&design, &with_centre, run, err));
    wp_cox_fit made = {.weight = design.weight};
    wp__cox state = {.options = options, .rows = input->rows_count};
    for (size_t i = 0; i < input->rows_count; i++)
        made.events += (input->weights == NULL ? 1 : input->weights[i]) * status[i];
    wp_status result = fit_alloc(&made, input->columns_count, err);
    if (result == WP_OK)
        result = fit_terms(&made, &state, &design, time, status, run, err);
    wp__cox_free(&state);
    wp_design_free(&design);
    if (result != WP_OK)
        wp_cox_free(&made);
    else
        *fit = made;
    return result;
}

void wp_cox_free(wp_cox_fit *fit)
{
    wp_free(fit->estimates);
    wp_free(fit->terms);
    *fit = (wp_cox_fit){0};
}
