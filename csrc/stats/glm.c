/* See glm.h. State of a fit: b in standardised terms, and the sums of the last pass over the rows:
** log-likelihood, gradient g and information H (lower triangle), laid out as [loglik, g, H]. */
#include "stats/glm.h"

#include "base/memory.h"
#include "stats/linear_algebra.h"
#include "stats/sandwich.h"

#include <math.h>
#include <string.h>

#define STEP_TOLERANCE   1e-14
#define PIVOT_TOLERANCE  1e-13
#define PROOF_TOLERANCE  1e-4
#define SAMPLE_ROWS_MIN  131072
#define SAMPLE_STRIDE    16
#define ITERATIONS_MAX   100
#define SEPARATION_AFTER 6

typedef struct newton {
    const wp_design *design;
    const double *y;
    const wp_glm_options *options;
    const wp_run *run;
    size_t k;
    double *b, *tried, *step; /* k */
    double *sums;             /* 1 + k + k*k */
    double *factor, *inverse; /* k*k */
    double promised;          /* g' H^-1 g: twice the log-likelihood to be gained */
    int iterations;
    bool converged, separated;
} newton;

static double weight_at(const double *weights, size_t row)
{
    return weights == NULL ? 1 : weights[row];
}

/* Means, weights and log-likelihood of a block. log(1 + e) is taken of products of factors, which
** stay below 2^256, wherever the weights are one. */
static double logistic_rows(const double *y, const double *weights, const double *eta, size_t count,
                            double *residual, double *w)
{
    double loglik = 0, product = 1;
    for (size_t i = 0; i < count; i++) {
        double e = exp(-fabs(eta[i])), share = 1 / (1 + e);
        double p = eta[i] >= 0 ? share : e * share;
        residual[i] = y[i] - p;
        w[i] = e * share * share;
        loglik += y[i] * eta[i] - (eta[i] > 0 ? eta[i] : 0);
        product *= 1 + e;
    }
    if (weights == NULL)
        return loglik - log(product);
    loglik = 0;
    for (size_t i = 0; i < count; i++) {
        loglik +=
            weights[i] * (y[i] * eta[i] - (eta[i] > 0 ? eta[i] : 0) - log1p(exp(-fabs(eta[i]))));
        residual[i] *= weights[i];
        w[i] *= weights[i];
    }
    return loglik;
}

static double poisson_rows(const double *y, const double *weights, const double *eta, size_t count,
                           double *residual, double *w)
{
    double loglik = 0;
    for (size_t i = 0; i < count; i++) {
        double weight = weight_at(weights, i), mean = exp(eta[i]);
        residual[i] = weight * (y[i] - mean);
        w[i] = weight * mean;
        loglik += weight * (y[i] * eta[i] - mean);
    }
    return loglik;
}

static void likelihood_visit(void *context, const wp_design *design, size_t first, size_t count,
                             const double *block, double *scratch, double *sums)
{
    const newton *state = context;
    double *eta = scratch + WP_BLOCK_ROWS, *residual = eta + WP_BLOCK_ROWS;
    double *w = residual + WP_BLOCK_ROWS;
    const double *weights = design->input.weights;
    weights = weights == NULL ? NULL : weights + first;
    wp_block_linear(design, block, state->tried, first, count, eta);
    bool logistic = state->options->family == WP_LOGISTIC;
    sums[0] += (logistic ? logistic_rows : poisson_rows)(state->y + first, weights, eta, count,
                                                         residual, w);
    wp_block_project(block, residual, state->k, count, sums + 1);
    wp_block_gram(block, w, state->k, count, scratch, sums + 1 + state->k);
}

/* Evaluates at `tried`; on success factor holds the Cholesky factor and step the Newton step. */
static wp_status evaluate(newton *state, size_t stride, bool *definite, wp_error *err)
{
    size_t k = state->k;
    WP_TRY(wp_design_pass(state->design, stride, likelihood_visit, state, 1 + k + k * k,
                          state->sums, state->run, err));
    memcpy(state->factor, state->sums + 1 + k, k * k * sizeof(double));
    memcpy(state->step, state->sums + 1, k * sizeof(double));
    *definite = wp_cholesky_factor(state->factor, k, PIVOT_TOLERANCE);
    if (!*definite || !isfinite(state->sums[0])) {
        *definite = false;
        return WP_OK;
    }
    wp_cholesky_solve(state->factor, k, state->step);
    state->promised = 0;
    for (size_t i = 0; i < k; i++)
        state->promised += state->step[i] * state->sums[1 + i];
    return WP_OK;
}

typedef struct proof {
    const newton *state;
    double worst;   /* least s_i z_i . d */
    double largest; /* greatest |z_i . d| */
} proof;

/* Sequential: minima are not sums. Runs a few times per separated fit at most. */
static wp_status prove(const newton *state, const double *direction, proof *result, wp_error *err)
{
    const wp_design *design = state->design;
    size_t rows = design->input.rows_count, k = state->k;
    double *block = wp_alloc_array((k + 1) * WP_BLOCK_ROWS, sizeof *block);
    if (block == NULL)
        return wp_fail_memory(err, (k + 1) * WP_BLOCK_ROWS * sizeof *block);
    bool logistic = state->options->family == WP_LOGISTIC;
    *result = (proof){.state = state};
    for (size_t first = 0; first < rows; first += WP_BLOCK_ROWS) {
        size_t count = rows - first < WP_BLOCK_ROWS ? rows - first : WP_BLOCK_ROWS;
        wp_design_block(design, first, count, block);
        for (size_t row = 0; row < count; row++) {
            double along = 0, y = state->y[first + row];
            for (size_t i = 0; i < k; i++)
                along += direction[i] * block[i * WP_BLOCK_ROWS + row];
            double gain = y == 0 ? -along : logistic && y == 1 ? along : -fabs(along);
            result->worst = fmin(result->worst, gain);
            result->largest = fmax(result->largest, fabs(along));
        }
    }
    wp_free(block);
    return WP_OK;
}

/* Names the terms that run away along `direction`. The intercept is judged in the caller's units.
 */
static void mark_separated(const wp_design *design, const double *direction)
{
    size_t intercept = design->input.intercept;
    double largest = 0, shift = intercept ? direction[0] : 0, size = fabs(shift);
    for (size_t i = 0; i < design->k; i++)
        largest = fmax(largest, fabs(direction[i]));
    for (size_t i = intercept; i < design->k; i++) {
        size_t column = design->kept[i - intercept];
        double part = direction[i] * design->centre[column] / design->scale[column];
        shift -= part;
        size += fabs(part);
        if (fabs(direction[i]) > 1e-3 * largest)
            design->terms[column + 1] = WP_TERM_SEPARATED;
    }
    if (intercept && fabs(shift) > 1e-3 * size)
        design->terms[0] = WP_TERM_SEPARATED;
}

static wp_status look_for_separation(newton *state, wp_error *err)
{
    proof found = {0};
    WP_TRY(prove(state, state->step, &found, err));
    if (!(found.largest > 0) || found.worst < -PROOF_TOLERANCE * found.largest)
        return WP_OK;
    state->separated = true;
    mark_separated(state->design, state->step);
    return WP_OK;
}

/* Halves the step until the likelihood does not fall; false when it never stops falling. */
static wp_status step_forward(newton *state, size_t stride, bool *moved, wp_error *err)
{
    size_t k = state->k;
    double loglik = state->sums[0], length = 1;
    double *direction = wp_alloc_array(k, sizeof *direction);
    if (direction == NULL)
        return wp_fail_memory(err, k * sizeof *direction);
    memcpy(direction, state->step, k * sizeof *direction);
    *moved = false;
    wp_status status = WP_OK;
    for (int halving = 0; halving < 20 && !*moved && status == WP_OK; halving++, length /= 2) {
        for (size_t i = 0; i < k; i++)
            state->tried[i] = state->b[i] + length * direction[i];
        status = evaluate(state, stride, moved, err);
        *moved = *moved && state->sums[0] >= loglik - 1e-11 * (fabs(loglik) + 1);
    }
    if (*moved)
        memcpy(state->b, state->tried, k * sizeof *state->b);
    else
        memcpy(state->step, direction, k * sizeof *direction);
    wp_free(direction);
    return status;
}

static wp_status iterate(newton *state, size_t stride, wp_error *err)
{
    int limit = state->options->iterations_max ? state->options->iterations_max : ITERATIONS_MAX;
    bool definite = false;
    double before = INFINITY;
    state->converged = false;
    memcpy(state->tried, state->b, state->k * sizeof *state->b);
    WP_TRY(evaluate(state, stride, &definite, err));
    for (int i = 1; definite && i <= limit; i++) {
        state->iterations = i;
        if (state->promised <= STEP_TOLERANCE * (state->separated ? 1e5 : 1)) {
            for (size_t j = 0; j < state->k; j++)
                state->b[j] += state->step[j];
            state->sums[0] += state->promised / 2;
            state->converged = !state->separated;
            return WP_OK;
        }
        bool slow = state->promised > 0.1 * before && i > SEPARATION_AFTER;
        before = state->promised;
        if (slow && !state->separated && stride == 1)
            WP_TRY(look_for_separation(state, err));
        WP_TRY(step_forward(state, stride, &definite, err));
        if (!definite) /* rounding is all that is left to gain, or there is no maximum */
            state->converged = before <= 1e-9 && !state->separated;
    }
    if (definite || stride > 1)
        return WP_OK;
    if (!state->separated && !state->converged)
        WP_TRY(look_for_separation(state, err));
    memcpy(state->tried, state->b, state->k * sizeof *state->b); /* the last point that was fine */
    return evaluate(state, stride, &definite, err);
}

/* Firth: the score becomes sum z (m (y - p) + m h (1/2 - p)) with h = w z' H^-1 z of one row. */
static void firth_visit(void *context, const wp_design *design, size_t first, size_t count,
                        const double *block, double *scratch, double *sums)
{
    const newton *state = context;
    size_t k = state->k;
    double *eta = scratch + WP_BLOCK_ROWS, *residual = eta + WP_BLOCK_ROWS;
    const double *weights = design->input.weights;
    wp_block_linear(design, block, state->b, first, count, eta);
    for (size_t row = 0; row < count; row++) {
        double e = exp(-fabs(eta[row])), share = 1 / (1 + e), leverage = 0;
        double p = eta[row] >= 0 ? share : e * share;
        for (size_t i = 0; i < k; i++) {
            double zi = block[i * WP_BLOCK_ROWS + row], sum = 0;
            for (size_t j = 0; j < i; j++)
                sum += state->inverse[i * k + j] * block[j * WP_BLOCK_ROWS + row];
            leverage += zi * (2 * sum + state->inverse[i * k + i] * zi);
        }
        leverage *= e * share * share;
        residual[row] =
            weight_at(weights, first + row) * (state->y[first + row] - p + leverage * (0.5 - p));
    }
    wp_block_project(block, residual, k, count, sums);
}

/* Sets inverse, and step to the penalised Newton step at b; *gain is what it promises. */
static wp_status firth_step(newton *state, double *gain, wp_error *err)
{
    size_t k = state->k;
    double *score = state->sums + 1, largest = 0;
    wp_cholesky_inverse(state->factor, k, state->inverse);
    WP_TRY(wp_design_pass(state->design, 1, firth_visit, state, k, score, state->run, err));
    memcpy(state->step, score, k * sizeof *score);
    wp_cholesky_solve(state->factor, k, state->step);
    *gain = 0;
    for (size_t i = 0; i < k; i++) {
        *gain += score[i] * state->step[i];
        largest = fmax(largest, fabs(state->step[i]));
    }
    for (size_t i = 0; i < k && largest > 5; i++)
        state->step[i] *= 5 / largest;
    return WP_OK;
}

static double penalised(const newton *state)
{
    return state->sums[0] + wp_cholesky_log_determinant(state->factor, state->k) / 2;
}

static wp_status iterate_firth(newton *state, wp_error *err)
{
    int limit = state->options->iterations_max ? state->options->iterations_max : 1000;
    bool definite;
    memcpy(state->tried, state->b, state->k * sizeof *state->b);
    WP_TRY(evaluate(state, 1, &definite, err));
    for (int i = 1; definite && i <= limit; i++) {
        double gain, before = penalised(state), loglik = state->sums[0];
        WP_TRY(firth_step(state, &gain, err));
        state->iterations = i;
        state->converged = gain <= STEP_TOLERANCE;
        if (state->converged) {
            state->sums[0] = loglik;
            return WP_OK;
        }
        bool moved = false;
        double length = 1, *direction = state->inverse; /* its leverages are used up */
        memcpy(direction, state->step, state->k * sizeof *direction);
        for (int halving = 0; halving < 20 && !moved; halving++, length /= 2) {
            for (size_t j = 0; j < state->k; j++)
                state->tried[j] = state->b[j] + length * direction[j];
            WP_TRY(evaluate(state, 1, &definite, err));
            moved = definite && penalised(state) >= before - 1e-11 * (fabs(before) + 1);
        }
        if (!moved)
            return WP_OK;
        memcpy(state->b, state->tried, state->k * sizeof *state->b);
    }
    return WP_OK;
}

/* Starting values: given ones, a fit to a sample of the chunks, or the intercept of the mean. */
static wp_status start(newton *state, double mean, wp_error *err)
{
    const wp_design *design = state->design;
    size_t intercept = design->input.intercept, k = state->k;
    const double *given = state->options->start;
    memset(state->b, 0, k * sizeof *state->b);
    if (intercept)
        state->b[0] = state->options->family == WP_LOGISTIC ? log(mean / (1 - mean)) : log(mean);
    if (given != NULL) {
        double shift = 0;
        for (size_t i = intercept; i < k; i++) {
            size_t column = design->kept[i - intercept];
            double slope = isfinite(given[column + 1]) ? given[column + 1] : 0;
            state->b[i] = slope * design->scale[column];
            shift += slope * design->centre[column];
        }
        if (intercept && isfinite(given[0]))
            state->b[0] = given[0] + shift;
        return WP_OK;
    }
    if (design->input.rows_count < SAMPLE_ROWS_MIN || state->options->firth)
        return WP_OK;
    WP_TRY(iterate(state, SAMPLE_STRIDE, err));
    if (!state->converged) {
        memset(state->b, 0, k * sizeof *state->b);
        if (intercept)
            state->b[0] =
                state->options->family == WP_LOGISTIC ? log(mean / (1 - mean)) : log(mean);
    }
    return WP_OK;
}

static wp_status newton_alloc(newton *state, wp_error *err)
{
    size_t k = state->k, places = 3 * k + (1 + k + k * k) + 2 * k * k;
    state->b = wp_alloc_array_zero(places, sizeof(double));
    if (state->b == NULL)
        return wp_fail_memory(err, places * sizeof(double));
    state->tried = state->b + k;
    state->step = state->tried + k;
    state->sums = state->step + k;
    state->factor = state->sums + 1 + k + k * k;
    state->inverse = state->factor + k * k;
    return WP_OK;
}

static wp_status newton_fit(newton *state, double mean, wp_error *err)
{
    WP_TRY(newton_alloc(state, err));
    WP_TRY(start(state, mean, err));
    return state->options->firth ? iterate_firth(state, err) : iterate(state, 1, err);
}

/* Log-likelihood of a model that fits every row, relative to the sums of the passes. */
static double saturated_loglik(wp_family family, const double *y, const double *weights,
                               size_t count)
{
    double total = 0;
    for (size_t i = 0; i < count; i++) {
        double part = 0;
        if (family == WP_POISSON)
            part = y[i] > 0 ? y[i] * log(y[i]) - y[i] : 0;
        else if (y[i] > 0 && y[i] < 1)
            part = y[i] * log(y[i]) + (1 - y[i]) * log1p(-y[i]);
        total += weight_at(weights, i) * part;
    }
    return total;
}

static double log_factorials(const double *y, const double *weights, size_t count)
{
    double total = 0;
    for (size_t i = 0; i < count; i++)
        total += y[i] > 1 ? weight_at(weights, i) * lgamma(y[i] + 1) : 0;
    return total;
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
    newton state = {.design = &design, .y = y, .options = &plain, .run = run, .k = design.k};
    wp_status status;
    if (design.k > 0 && mean > 0 && !(logistic && mean >= 1))
        status = newton_fit(&state, mean, err);
    else if ((status = newton_alloc(&state, err)) == WP_OK)
        status = wp_design_pass(&design, 1, likelihood_visit, &state, 1 + design.k * (1 + design.k),
                                state.sums, run, err);
    if (status == WP_OK)
        *out = state.sums[0];
    wp_free(state.b);
    wp_design_free(&design);
    return status;
}

typedef struct means_work {
    const newton *state;
    double *means;
} means_work;

static void means_visit(void *context, const wp_design *design, size_t first, size_t count,
                        const double *block, double *scratch, double *sums)
{
    (void)sums;
    const means_work *work = context;
    wp_block_linear(design, block, work->state->b, first, count, scratch);
    for (size_t i = 0; i < count; i++)
        work->means[first + i] = work->state->options->family == WP_LOGISTIC
                                     ? 1 / (1 + exp(-scratch[i]))
                                     : exp(scratch[i]);
}

static wp_status fill_means(const newton *state, double *means, wp_error *err)
{
    means_work work = {state, means};
    double none;
    return wp_design_pass(state->design, 1, means_visit, &work, 0, &none, state->run, err);
}

/* Model-based or sandwich covariance, and estimates, in the caller's columns. */
static wp_status fill_estimates(wp_glm_fit *fit, newton *state, wp_error *err)
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

static wp_status fill_pearson(wp_glm_fit *fit, const newton *state, wp_error *err)
{
    size_t rows = state->design->input.rows_count;
    double *means = wp_alloc_array(rows, sizeof *means), total = 0;
    if (means == NULL)
        return wp_fail_memory(err, rows * sizeof *means);
    wp_status status = fill_means(state, means, err);
    for (size_t i = 0; status == WP_OK && i < rows; i++) {
        double distance = state->y[i] - means[i];
        total += weight_at(state->design->input.weights, i) * distance * distance / means[i];
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

static wp_status check_outcome(const double *y, size_t count, wp_family family, wp_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!(y[i] >= 0 && (family == WP_POISSON ? y[i] < INFINITY : y[i] <= 1)))
            return wp_fail(err, WP_INVALID, "y: row %zu: %g (expected %s)", i + 1, y[i],
                           family == WP_POISSON ? "a count of 0 or more" : "0, 1 or a share");
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

static wp_status fit_terms(wp_glm_fit *fit, newton *state, wp_error *err)
{
    double mean = fit->events / fit->weight;
    if (state->options->firth)
        mean = (fit->events + 0.5) / (fit->weight + 1);
    WP_TRY(newton_fit(state, mean, err));
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

wp_status wp_glm_make(wp_glm_fit *fit, const wp_design_input *input, const double *y,
                      const wp_glm_options *options, bool want_fitted, const wp_run *run,
                      wp_error *err)
{
    WP_TRY(check_outcome(y, input->rows_count, options->family, err));
    if (options->firth && options->family != WP_LOGISTIC)
        return wp_fail(err, WP_INVALID, "firth: not available here (expected logistic regression)");
    wp_design design;
    WP_TRY(wp_design_make(&design, input, run, err));
    wp_glm_fit made = {.weight = design.weight, .df = NAN, .pearson = NAN, .rank = design.k};
    newton state = {.design = &design, .y = y, .options = options, .run = run, .k = design.k};
    wp_status status = glm_alloc(&made, input, want_fitted, err);
    if (status != WP_OK)
        goto done;
    memcpy(made.terms, design.terms, made.terms_count * sizeof *made.terms);
    for (size_t i = 0; i < input->rows_count; i++)
        made.events += y[i] * weight_at(input->weights, i);
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

void wp_glm_free(wp_glm_fit *fit)
{
    wp_free(fit->estimates);
    wp_free(fit->covariance);
    wp_free(fit->terms);
    wp_free(fit->fitted);
    *fit = (wp_glm_fit){0};
}
