/* See glm.h: likelihoods, errors and terms for callers, around the steps of glm_newton.c. */
#include "stats/glm_internal.h"

#include "base/memory.h"
#include "stats/alike.h"
#include "stats/kernel.h"
#include "stats/linear_algebra.h"
#include "stats/sandwich.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Log-likelihood of a model that fits every row, relative to the sums of the passes; 0 where every
** row is 0 or 1. */
static double saturated_loglik(wp_family family, const double *y, const double *weights,
                               size_t count)
{
    double total = 0;
    if (family == WP_LOGISTIC && wp_kernel_figures(y, count).sum == wp_kernel_dot(y, y, count))
        return 0;
    for (size_t i = 0; i < count; i++) {
        double part = 0;
        if (family == WP_POISSON)
            part = y[i] > 0 ? y[i] * log(y[i]) - y[i] : 0;
        else if (y[i] > 0 && y[i] < 1)
            part = y[i] * log(y[i]) + (1 - y[i]) * log1p(-y[i]);
        total += wp__weight_at(weights, i) * part;
    }
    return total;
}

static double log_factorials(const double *y, const double *weights, size_t count)
{
    double total = 0;
    for (size_t i = 0; i < count; i++)
        total += y[i] > 1 ? wp__weight_at(weights, i) * lgamma(y[i] + 1) : 0;
    return total;
}

/* The last step moves the estimates by sqrt(promised) standard errors, which changes the errors by
** that over the root of the information: 1e-7 relative, whatever the number of events. What is left
** after that step is about promised over the root of the information too, in standard errors: rough
** fits stop where that is a thousandth. */
static double step_tolerance(const wp_glm_fit *fit, const wp_glm_options *options)
{
    double rarer = fit->events;
    if (options->family == WP_LOGISTIC)
        rarer = fmin(rarer, fit->weight - fit->events);
    rarer = fmax(rarer, 1);
    return options->rough ? fmin(1e-3 * sqrt(rarer), 0.1) : 1e-14 * fmin(rarer, 1e5);
}

/* Log-likelihood of intercept and offset alone, without the factorials. */
static wp_status null_loglik(const wp_glm_fit *fit, const wp_design_input *input, const double *y,
                             const wp_glm_options *options, double *out, const wp_run *run,
                             wp_error *err)
{
    double mean = fit->events / fit->weight;
    bool logistic = options->family == WP_LOGISTIC;
    if (input->offset == NULL && input->intercept) {
        if (logistic)
            *out = (mean > 0 ? fit->events * log(mean) : 0) +
                   (mean < 1 ? (fit->weight - fit->events) * log1p(-mean) : 0);
        else
            *out = mean > 0 ? fit->events * log(mean) - fit->events : 0;
        return WP_OK;
    }
    wp_design_input alone = *input;
    alone.columns_count = 0;
    wp_glm_options plain = {.family = options->family};
    wp_design design;
    WP_TRY(wp_design_make(&design, &alone, run, err));
    wp__newton state = {.design = &design, .y = y, .options = &plain, .run = run, .k = design.k};
    state.tolerance = step_tolerance(fit, options);
    wp_status status;
    if (design.k > 0 && mean > 0 && !(logistic && mean >= 1))
        status = wp__newton_fit(&state, mean, err);
    else if ((status = wp__newton_alloc(&state, err)) == WP_OK)
        status = wp_design_pass(&design, 1, wp__likelihood_visit, &state,
                                1 + design.k * (1 + design.k), state.sums, run, err);
    if (status == WP_OK)
        *out = state.sums[0];
    wp_free(state.b);
    wp_design_free(&design);
    return status;
}

typedef struct means_work {
    const wp__newton *state;
    double *means;
} means_work;

static void means_visit(void *context, const wp_design *design, size_t first, size_t count,
                        double *block, double *scratch, double *sums)
{
    (void)sums;
    const means_work *work = context;
    wp_block_linear(design, block, work->state->b, first, count, scratch);
    for (size_t i = 0; i < count; i++)
        work->means[first + i] = work->state->options->family == WP_LOGISTIC
                                     ? 1 / (1 + exp(-scratch[i]))
                                     : exp(scratch[i]);
}

static wp_status fill_means(const wp__newton *state, double *means, wp_error *err)
{
    means_work work = {state, means};
    double none;
    return wp_design_pass(state->design, 1, means_visit, &work, 0, &none, state->run, err);
}

/* Model-based or sandwich covariance, and estimates, in the caller's columns. */
static wp_status fill_estimates(wp_glm_fit *fit, wp__newton *state, wp_error *err)
{
    size_t k = state->k, rows = state->design->input.rows_count;
    const wp_glm_options *options = state->options;
    wp_cholesky_inverse(state->factor, k, state->inverse);
    double *covariance = state->inverse, *residuals = NULL;
    if (options->robust || options->clusters != NULL) {
        covariance = state->sums + 1 + k;
        residuals = wp_alloc_array(rows, sizeof *residuals);
        if (residuals == NULL)
            return wp_fail_memory(err, rows * sizeof *residuals);
        wp_status status = fill_means(state, residuals, err);
        for (size_t i = 0; i < rows; i++)
            residuals[i] = state->y[i] - residuals[i];
        if (status == WP_OK)
            status = wp_sandwich_make(state->design, state->inverse, residuals, options->clusters,
                                      covariance, &fit->clusters, state->run, err);
        wp_free(residuals);
        WP_TRY(status);
        if (options->clusters != NULL)
            fit->df = (double)fit->clusters - 1;
    }
    return wp_design_restore(state->design, state->b, covariance, fit->estimates, fit->covariance,
                             err);
}

static wp_status fill_pearson(wp_glm_fit *fit, const wp__newton *state, wp_error *err)
{
    size_t rows = state->design->input.rows_count;
    double *means = wp_alloc_array(rows, sizeof *means), total = 0;
    if (means == NULL)
        return wp_fail_memory(err, rows * sizeof *means);
    wp_status status = fill_means(state, means, err);
    for (size_t i = 0; status == WP_OK && i < rows; i++) {
        double distance = state->y[i] - means[i];
        total += wp__weight_at(state->design->input.weights, i) * distance * distance / means[i];
    }
    wp_free(means);
    fit->pearson = total;
    return status;
}

/* A separated term has no estimate, and neither has its error. */
static void blank_separated(wp_glm_fit *fit)
{
    for (size_t i = 0; i < fit->terms_count; i++) {
        if (fit->terms[i] != WP_TERM_SEPARATED)
            continue;
        fit->estimates[i] = NAN;
        for (size_t j = 0; j < fit->terms_count; j++)
            fit->covariance[i * fit->terms_count + j] = fit->covariance[j * fit->terms_count + i] =
                NAN;
    }
}

static wp_status glm_alloc(wp_glm_fit *fit, const wp_design_input *input, bool want_fitted,
                           wp_error *err)
{
    size_t terms = 1 + input->columns_count;
    fit->terms_count = terms;
    fit->estimates = wp_alloc_array(terms, sizeof(double));
    fit->covariance = wp_alloc_array(terms * terms, sizeof(double));
    fit->terms = wp_alloc_array_zero(terms, sizeof *fit->terms);
    if (want_fitted)
        fit->fitted = wp_alloc_array(input->rows_count, sizeof(double));
    if (fit->estimates == NULL || fit->covariance == NULL || fit->terms == NULL ||
        (want_fitted && fit->fitted == NULL))
        return wp_fail_memory(err, (terms * terms + input->rows_count) * sizeof(double));
    for (size_t i = 0; i < terms; i++)
        fit->estimates[i] = NAN;
    for (size_t i = 0; i < terms * terms; i++)
        fit->covariance[i] = NAN;
    return WP_OK;
}

/* Checks y and sums up its events. */
static wp_status read_outcome(wp_glm_fit *fit, const double *y, const double *weights, size_t count,
                              wp_family family, wp_error *err)
{
    double most = family == WP_POISSON ? DBL_MAX : 1;
    wp_figures figures = wp_kernel_figures(y, count);
    if (weights == NULL && figures.numbers == count && figures.minimum >= 0 &&
        figures.maximum <= most) {
        fit->events = figures.sum;
        return WP_OK;
    }
    for (size_t i = 0; i < count; i++) {
        if (!(y[i] >= 0 && y[i] <= most))
            return wp_fail(err, WP_INVALID, "y: row %zu: %g (expected %s)", i + 1, y[i],
                           family == WP_POISSON ? "a count of 0 or more" : "0, 1 or a share");
        fit->events += y[i] * wp__weight_at(weights, i);
    }
    return WP_OK;
}

/* Outcomes that never vary have no finite maximum: everything runs away. */
static void fit_constant_outcome(wp_glm_fit *fit, const wp_design *design)
{
    fit->separated = true;
    for (size_t i = 0; i < fit->terms_count; i++)
        if (fit->terms[i] == WP_TERM_KEPT && (i > 0 || design->input.intercept))
            fit->terms[i] = WP_TERM_SEPARATED;
}

static wp_status fit_terms(wp_glm_fit *fit, wp__newton *state, wp_error *err)
{
    double mean = fit->events / fit->weight;
    state->tolerance = step_tolerance(fit, state->options);
    if (state->options->firth)
        mean = (fit->events + 0.5) / (fit->weight + 1);
    WP_TRY(wp__newton_fit(state, mean, err));
    memcpy(fit->terms, state->design->terms, fit->terms_count * sizeof *fit->terms);
    fit->loglik = state->sums[0];
    fit->iterations = state->iterations;
    fit->converged = state->converged;
    fit->separated = state->separated;
    if (state->options->firth) {
        fit->penalty = wp_cholesky_log_determinant(state->factor, state->k) / 2;
        for (size_t i = state->design->input.intercept; i < state->k; i++)
            fit->penalty +=
                log(state->design->scale[state->design->kept[i - state->design->input.intercept]]);
    }
    if (fit->fitted != NULL)
        WP_TRY(fill_means(state, fit->fitted, err));
    if (state->options->family == WP_POISSON)
        WP_TRY(fill_pearson(fit, state, err));
    WP_TRY(fill_estimates(fit, state, err));
    blank_separated(fit);
    return WP_OK;
}

static wp_status fill_likelihoods(wp_glm_fit *fit, const wp_design_input *input, const double *y,
                                  const wp_glm_options *options, const wp_run *run, wp_error *err)
{
    size_t rows = input->rows_count;
    double saturated = saturated_loglik(options->family, y, input->weights, rows);
    WP_TRY(null_loglik(fit, input, y, options, &fit->null_loglik, run, err));
    if (fit->rank == 0)
        fit->loglik = fit->null_loglik;
    fit->deviance = fmax(0, 2 * (saturated - fit->loglik));
    fit->null_deviance = fmax(0, 2 * (saturated - fit->null_loglik));
    if (options->family == WP_POISSON) {
        double factorials = log_factorials(y, input->weights, rows);
        fit->loglik -= factorials;
        fit->null_loglik -= factorials;
    }
    return WP_OK;
}

static wp_status fit_rows(wp_glm_fit *fit, const wp_design_input *input, const double *y,
                          const wp_glm_options *options, bool want_fitted, const wp_run *run,
                          wp_error *err)
{
    wp_design design;
    wp_glm_fit made = {.df = NAN, .pearson = NAN};
    WP_TRY(read_outcome(&made, y, input->weights, input->rows_count, options->family, err));
    WP_TRY(wp_design_make(&design, input, run, err));
    made.weight = design.weight;
    made.rank = design.k;
    wp__newton state = {.design = &design, .y = y, .options = options, .run = run, .k = design.k};
    wp_status status = glm_alloc(&made, input, want_fitted, err);
    if (status != WP_OK)
        goto done;
    memcpy(made.terms, design.terms, made.terms_count * sizeof *made.terms);
    bool varies = made.events > 0 && (options->family == WP_POISSON || made.events < made.weight);
    for (size_t i = 0; want_fitted && i < input->rows_count; i++)
        made.fitted[i] = made.events / made.weight;
    if (input->rows_count == 0 || design.k == 0)
        made.converged = input->rows_count > 0;
    else if (!varies && !options->firth)
        fit_constant_outcome(&made, &design);
    else
        status = fit_terms(&made, &state, err);
    if (status == WP_OK)
        status = fill_likelihoods(&made, input, y, options, run, err);
done:
    wp_free(state.b);
    wp_design_free(&design);
    if (status != WP_OK)
        wp_glm_free(&made);
    else
        *fit = made;
    return status;
}

/* Whether rows that are alike may be one row: nobody looks at the rows themselves. */
static bool may_group(const wp_design_input *input, const wp_glm_options *options, bool want_fitted)
{
    return options->family == WP_LOGISTIC && options->clusters == NULL && !options->robust &&
           !want_fitted && input->weights == NULL && input->offset == NULL;
}

wp_status wp_glm_make(wp_glm_fit *fit, const wp_design_input *input, const double *y,
                      const wp_glm_options *options, bool want_fitted, const wp_run *run,
                      wp_error *err)
{
    if (options->firth && options->family != WP_LOGISTIC)
        return wp_fail(err, WP_INVALID, "firth: not available here (expected logistic regression)");
    wp_alike alike = {0};
    if (may_group(input, options, want_fitted))
        WP_TRY(wp_alike_make(&alike, input->columns, input->columns_count, input->rows_count, y,
                             run, err));
    if (alike.rows == 0)
        return fit_rows(fit, input, y, options, want_fitted, run, err);
    wp_design_input grouped = *input;
    grouped.columns = alike.columns;
    grouped.rows_count = alike.rows;
    grouped.weights = alike.weights;
    wp_status status = fit_rows(fit, &grouped, alike.y, options, false, run, err);
    wp_alike_free(&alike);
    return status;
}

void wp_glm_free(wp_glm_fit *fit)
{
    wp_free(fit->estimates);
    wp_free(fit->covariance);
    wp_free(fit->terms);
    wp_free(fit->fitted);
    *fit = (wp_glm_fit){0};
}
