/* See linear.h. The outcome is centred first, so that sums of squares keep their digits. */
#include "stats/linear.h"

#include "base/memory.h"
#include "stats/linear_algebra.h"
#include "stats/sandwich.h"
#include "stats/vector.h"

#include <math.h>
#include <string.h>

#define TWO_PI 6.283185307179586

/* Sums of a pass: [z'r (k), gram (k x k)]. */
static void normal_visit(void *context, const wp_design *design, size_t first, size_t count,
                         double *block, double *scratch, double *sums)
{
    const double *residuals = context, *weights = design->input.weights;
    double *w = scratch, *r = w + WP_BLOCK_ROWS;
    for (size_t row = 0; row < count; row++) {
        w[row] = weights == NULL ? 1 : weights[first + row];
        r[row] = w[row] * residuals[first + row];
    }
    wp_block_project(block, r, design->k, count, sums);
    wp_block_gram(block, w, design->k, count, sums + design->k);
}

typedef struct subtract_work {
    const double *step;
    double *residuals;
} subtract_work;

static void subtract_visit(void *context, const wp_design *design, size_t first, size_t count,
                           double *block, double *scratch, double *sums)
{
    (void)sums;
    const subtract_work *work = context;
    wp_block_linear(design, block, work->step, first, count, scratch);
    for (size_t row = 0; row < count; row++)
        work->residuals[first + row] -= scratch[row];
}

/* b and the residuals; factor receives the Cholesky factor of the gram matrix. */
static wp_status solve(const wp_design *design, double *residuals, double *b, double *factor,
                       double *step, const wp_run *run, wp_error *err)
{
    size_t k = design->k;
    memset(b, 0, k * sizeof *b);
    for (int round = 0; round < 2; round++) {
        WP_TRY(wp_design_pass(design, 1, normal_visit, residuals, k + k * k, step, run, err));
        memcpy(factor, step + k, k * k * sizeof *factor);
        if (!wp_cholesky_factor(factor, k, 1e-14))
            return wp_fail(err, WP_INVALID, "columns: too nearly dependent to be fitted");
        wp_cholesky_solve(factor, k, step);
        for (size_t i = 0; i < k; i++)
            b[i] += step[i];
        subtract_work work = {step, residuals};
        double none;
        WP_TRY(wp_design_pass(design, 1, subtract_visit, &work, 0, &none, run, err));
    }
    return WP_OK;
}

static double sum_of_squares(const double *r, const double *weights, size_t count)
{
    double total = 0;
    for (size_t first = 0; first < count; first += WP_CHUNK_ROWS) {
        size_t last = first + WP_CHUNK_ROWS < count ? first + WP_CHUNK_ROWS : count;
        double part = 0;
        for (size_t i = first; i < last; i++)
            part += (weights == NULL ? 1 : weights[i]) * r[i] * r[i];
        total += part;
    }
    return total;
}

static wp_status fit_terms(wp_linear_fit *fit, const wp_design *design, double y_mean,
                           const wp_linear_options *options, const wp_run *run, wp_error *err)
{
    size_t k = design->k, places = k + k * k + (k + k * k) + 2 * k * k;
    double *b = wp_alloc_array(places, sizeof *b);
    if (b == NULL)
        return wp_fail_memory(err, places * sizeof *b);
    double *factor = b + k, *step = factor + k * k, *inverse = step + k + k * k;
    double *covariance = inverse + k * k;
    wp_status status = solve(design, fit->residuals, b, factor, step, run, err);
    if (status != WP_OK)
        goto done;
    size_t rows = design->input.rows_count;
    fit->residual_squares = sum_of_squares(fit->residuals, design->input.weights, rows);
    wp_cholesky_inverse(factor, k, inverse);
    double variance = fit->df_residual > 0 ? fit->residual_squares / fit->df_residual : NAN;
    for (size_t i = 0; i < k * k; i++)
        covariance[i] = inverse[i] * variance;
    if (options->robust || options->clusters != NULL)
        status = wp_sandwich_make(design, inverse, fit->residuals, options->clusters, covariance,
                                  &fit->clusters, run, err);
    if (options->clusters != NULL)
        fit->df = (double)fit->clusters - 1;
    if (design->input.intercept)
        b[0] += y_mean;
    if (status == WP_OK)
        status = wp_design_restore(design, b, covariance, fit->estimates, fit->covariance, err);
done:
    wp_free(b);
    return status;
}

static wp_status linear_alloc(wp_linear_fit *fit, const wp_design_input *input, wp_error *err)
{
    size_t terms = 1 + input->columns_count;
    fit->terms_count = terms;
    fit->estimates = wp_alloc_array(terms, sizeof(double));
    fit->covariance = wp_alloc_array(terms * terms, sizeof(double));
    fit->terms = wp_alloc_array_zero(terms, sizeof *fit->terms);
    fit->residuals = wp_alloc_array(input->rows_count, sizeof(double));
    if (fit->estimates == NULL || fit->covariance == NULL || fit->terms == NULL ||
        fit->residuals == NULL)
        return wp_fail_memory(err, (terms * terms + input->rows_count) * sizeof(double));
    for (size_t i = 0; i < terms; i++)
        fit->estimates[i] = NAN;
    for (size_t i = 0; i < terms * terms; i++)
        fit->covariance[i] = NAN;
    return WP_OK;
}

wp_status wp_linear_make(wp_linear_fit *fit, const wp_design_input *input, const double *y,
                         const wp_linear_options *options, const wp_run *run, wp_error *err)
{
    wp_moments moments = wp_vector_moments(y, NULL, input->weights, input->rows_count);
    if (isinf(moments.minimum) || isinf(moments.maximum))
        return wp_fail(err, WP_INVALID, "y: infinite number (expected finite ones)");
    wp_design design;
    WP_TRY(wp_design_make(&design, input, run, err));
    wp_linear_fit made = {.weight = design.weight,
                          .rank = design.k,
                          .df = design.weight - (double)design.k,
                          .df_residual = design.weight - (double)design.k};
    wp_status status = linear_alloc(&made, input, err);
    if (status != WP_OK)
        goto done;
    memcpy(made.terms, design.terms, made.terms_count * sizeof *made.terms);
    double mean = input->intercept ? moments.mean : 0;
    for (size_t i = 0; i < input->rows_count; i++)
        made.residuals[i] = y[i] - mean - (input->offset == NULL ? 0 : input->offset[i]);
    made.total_squares = sum_of_squares(made.residuals, input->weights, input->rows_count);
    made.residual_squares = made.total_squares;
    design.input.offset = NULL; /* it is part of the outcome by now */
    if (design.k > 0 && input->rows_count > 0)
        status = fit_terms(&made, &design, mean, options, run, err);
    made.loglik = -made.weight / 2 * (log(TWO_PI * made.residual_squares / made.weight) + 1);
done:
    wp_design_free(&design);
    if (status != WP_OK)
        wp_linear_free(&made);
    else
        *fit = made;
    return status;
}

void wp_linear_free(wp_linear_fit *fit)
{
    wp_free(fit->estimates);
    wp_free(fit->covariance);
    wp_free(fit->terms);
    wp_free(fit->residuals);
    *fit = (wp_linear_fit){0};
}
