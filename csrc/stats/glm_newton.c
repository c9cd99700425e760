/* Newton's steps for logistic and Poisson regression, Firth's penalty and the proof of separation;
** see glm.h. */
#include "stats/glm_internal.h"

#include "base/memory.h"
#include "stats/kernel.h"
#include "stats/linear_algebra.h"

#include <math.h>
#include <string.h>

#define PIVOT_TOLERANCE  1e-13
#define PROOF_TOLERANCE  1e-4
#define SAMPLE_ROWS_MIN  131072
#define SAMPLE_STRIDE    16
#define REFINED_STRIDE   4
#define CHORD_STEPS_MAX  8
#define CHORD_SHARE      0.01 /* of what a step promised is left for the next, at most */
#define ITERATIONS_MAX   100
#define SEPARATION_AFTER 6

/* Means, weights and log-likelihood of a block whose rows are cases of one weight or the other. */
static double logistic_rows(const double *y, const double *weights, double *eta, size_t count,
                            double *residual, double *w)
{
    double padded[WP_LANES] = {0};
    size_t whole = count / WP_LANES * WP_LANES, left = count - whole;
    double loglik = wp_kernel_logistic(y, eta, whole, residual, w);
    if (left > 0) {
        memcpy(padded, y + whole, left * sizeof *padded);
        for (size_t row = count; row < whole + WP_LANES; row++)
            eta[row] = -1000;
        loglik += wp_kernel_logistic(padded, eta + whole, WP_LANES, residual + whole, w + whole);
    }
    if (weights == NULL)
        return loglik;
    loglik = 0;
    for (size_t i = 0; i < count; i++) {
        loglik +=
            weights[i] * (y[i] * eta[i] - (eta[i] > 0 ? eta[i] : 0) - log1p(exp(-fabs(eta[i]))));
        residual[i] *= weights[i];
        w[i] *= weights[i];
    }
    return loglik;
}

static double poisson_rows(const double *y, const double *weights, double *eta, size_t count,
                           double *residual, double *w)
{
    double loglik = 0;
    wp_kernel_exp(eta, (count + WP_LANES - 1) / WP_LANES * WP_LANES, w);
    for (size_t i = 0; i < count; i++) {
        double weight = wp__weight_at(weights, i), mean = w[i];
        residual[i] = weight * (y[i] - mean);
        w[i] = weight * mean;
        loglik += weight * (y[i] * eta[i] - mean);
    }
    return loglik;
}

void wp__likelihood_visit(void *context, const wp_design *design, size_t first, size_t count,
                          double *block, double *scratch, double *sums)
{
    const wp__newton *state = context;
    double *eta = scratch, *residual = eta + WP_BLOCK_ROWS, *w = residual + WP_BLOCK_ROWS;
    const double *weights = design->input.weights;
    weights = weights == NULL ? NULL : weights + first;
    wp_block_linear(design, block, state->tried, first, count, eta);
    bool logistic = state->options->family == WP_LOGISTIC;
    sums[0] += (logistic ? logistic_rows : poisson_rows)(state->y + first, weights, eta, count,
                                                         residual, w);
    wp_block_project(block, residual, state->k, count, sums + 1);
    if (!state->gradient_only)
        wp_block_gram(block, w, state->k, count, sums + 1 + state->k);
}

/* Evaluates at `tried`; on success factor holds the Cholesky factor and step the Newton step. */
static wp_status evaluate(wp__newton *state, size_t stride, bool *definite, wp_error *err)
{
    size_t k = state->k;
    WP_TRY(wp_design_pass(state->design, stride, wp__likelihood_visit, state, 1 + k + k * k,
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
    const wp__newton *state;
    double worst;   /* least s_i z_i . d */
    double largest; /* greatest |z_i . d| */
} proof;

/* Sequential: minima are not sums. Runs a few times per separated fit at most. */
static wp_status prove(const wp__newton *state, const double *direction, proof *result,
                       wp_error *err)
{
    const wp_design *design = state->design;
    size_t rows = design->input.rows_count, k = state->k;
    double *block = wp_alloc_array((k + WP_BLOCK_SPARE) * WP_BLOCK_ROWS, sizeof *block);
    if (block == NULL)
        return wp_fail_memory(err, (k + WP_BLOCK_SPARE) * WP_BLOCK_ROWS * sizeof *block);
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

static wp_status look_for_separation(wp__newton *state, wp_error *err)
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
static wp_status step_forward(wp__newton *state, size_t stride, bool *moved, wp_error *err)
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

static wp_status iterate(wp__newton *state, wp_error *err)
{
    int limit = state->options->iterations_max ? state->options->iterations_max : ITERATIONS_MAX;
    bool definite = false;
    double before = INFINITY;
    state->converged = false;
    memcpy(state->tried, state->b, state->k * sizeof *state->b);
    WP_TRY(evaluate(state, 1, &definite, err));
    for (int i = 1; definite && i <= limit; i++) {
        state->iterations = i;
        if (state->promised <= (state->separated ? 1e-9 : state->tolerance)) {
            for (size_t j = 0; j < state->k; j++)
                state->b[j] += state->step[j];
            state->sums[0] += state->promised / 2;
            state->converged = !state->separated;
            return WP_OK;
        }
        bool slow = state->promised > 0.1 * before && i > SEPARATION_AFTER;
        before = state->promised;
        if (slow && !state->separated)
            WP_TRY(look_for_separation(state, err));
        WP_TRY(step_forward(state, 1, &definite, err));
        if (!definite) /* rounding is all that is left to gain, or there is no maximum */
            state->converged = before <= 1e-9 && !state->separated;
    }
    if (definite)
        return WP_OK;
    if (!state->separated && !state->converged)
        WP_TRY(look_for_separation(state, err));
    memcpy(state->tried, state->b, state->k * sizeof *state->b); /* the last point that was fine */
    return evaluate(state, 1, &definite, err);
}

/* Firth: the score becomes sum z (m (y - p) + m h (1/2 - p)) with h = w z' H^-1 z of one row. */
static void firth_visit(void *context, const wp_design *design, size_t first, size_t count,
                        double *block, double *scratch, double *sums)
{
    const wp__newton *state = context;
    size_t k = state->k;
    double *eta = scratch, *residual = eta + WP_BLOCK_ROWS;
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
        residual[row] = wp__weight_at(weights, first + row) *
                        (state->y[first + row] - p + leverage * (0.5 - p));
    }
    wp_block_project(block, residual, k, count, sums);
}

/* Sets inverse, and step to the penalised Newton step at b; *gain is what it promises. */
static wp_status firth_step(wp__newton *state, double *gain, wp_error *err)
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

static double penalised(const wp__newton *state)
{
    return state->sums[0] + wp_cholesky_log_determinant(state->factor, state->k) / 2;
}

static wp_status iterate_firth(wp__newton *state, wp_error *err)
{
    int limit = state->options->iterations_max ? state->options->iterations_max : 1000;
    bool definite;
    memcpy(state->tried, state->b, state->k * sizeof *state->b);
    WP_TRY(evaluate(state, 1, &definite, err));
    for (int i = 1; definite && i <= limit; i++) {
        double gain, before = penalised(state), loglik = state->sums[0];
        WP_TRY(firth_step(state, &gain, err));
        state->iterations = i;
        state->converged = gain <= state->tolerance;
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

/* Newton's steps on every 16th chunk, until what they promise is no more than a sample would make
** of nothing: from there on they would only fit the sample. Leaves the factor of its
** information. */
static wp_status fit_sample(wp__newton *state, bool *usable, wp_error *err)
{
    bool definite = false;
    memcpy(state->tried, state->b, state->k * sizeof *state->b);
    WP_TRY(evaluate(state, SAMPLE_STRIDE, &definite, err));
    for (int i = 0; definite && i < 20 && state->promised > 2 * (double)state->k; i++)
        WP_TRY(step_forward(state, SAMPLE_STRIDE, &definite, err));
    *usable = definite && state->promised <= 2 * (double)state->k;
    if (!*usable)
        return WP_OK;
    memcpy(state->tried, state->b, state->k * sizeof *state->b);
    WP_TRY(evaluate(state, REFINED_STRIDE, usable, err));
    for (size_t i = 0; *usable && i < state->k && state->promised > 2 * (double)state->k; i++)
        state->b[i] += state->step[i];
    return WP_OK;
}

/* Steps of all rows' gradient and a sample's information, which is off by a few per cent: a pass
** costs a third of one that sums up the information, and each promises less than 0.001 of what the
** one before did. Ends where the next would promise far less than the tolerance (errors
** come from the point before the last step), or gains little. */
static wp_status chord(wp__newton *state, wp_error *err)
{
    const wp_design *design = state->design;
    size_t k = state->k;
    double loglik = -INFINITY, before = INFINITY;
    double share =
        (double)wp_design_rows(design, REFINED_STRIDE) / (double)design->input.rows_count;
    double *last = state->inverse; /* not in use before the end */
    memcpy(last, state->b, k * sizeof *last);
    state->gradient_only = true;
    wp_status status = WP_OK;
    for (int i = 0; i < CHORD_STEPS_MAX; i++) {
        double promised = 0;
        memcpy(state->tried, state->b, k * sizeof *state->b);
        status = wp_design_pass(design, 1, wp__likelihood_visit, state, 1 + k, state->sums,
                                state->run, err);
        if (status != WP_OK || !(state->sums[0] >= loglik - 1e-11 * (fabs(loglik) + 1))) {
            memcpy(state->b, last, k * sizeof *last);
            break;
        }
        loglik = state->sums[0];
        memcpy(state->step, state->sums + 1, k * sizeof *state->step);
        wp_cholesky_solve(state->factor, k, state->step);
        for (size_t j = 0; j < k; j++)
            promised += share * state->step[j] * state->sums[1 + j];
        memcpy(last, state->b, k * sizeof *last);
        for (size_t j = 0; j < k; j++)
            state->b[j] += share * state->step[j];
        double next = isinf(before) ? CHORD_SHARE * promised : promised / before * promised;
        if (promised > 0.1 * before || next <= 0.01 * state->tolerance)
            break;
        before = promised;
    }
    state->gradient_only = false;
    return status;
}

static void start_at_mean(wp__newton *state, double mean)
{
    memset(state->b, 0, state->k * sizeof *state->b);
    if (state->design->input.intercept)
        state->b[0] = state->options->family == WP_LOGISTIC ? log(mean / (1 - mean)) : log(mean);
}

static void start_at_given(wp__newton *state, const double *given)
{
    const wp_design *design = state->design;
    size_t intercept = design->input.intercept;
    double shift = 0;
    for (size_t i = intercept; i < state->k; i++) {
        size_t column = design->kept[i - intercept];
        double slope = isfinite(given[column + 1]) ? given[column + 1] : 0;
        state->b[i] = slope * design->scale[column];
        shift += slope * design->centre[column];
    }
    if (intercept && isfinite(given[0]))
        state->b[0] = given[0] + shift;
}

/* Starting values: given ones or the mean, brought close on a sample where there are many rows. */
static wp_status start(wp__newton *state, double mean, wp_error *err)
{
    start_at_mean(state, mean);
    if (state->options->start != NULL)
        start_at_given(state, state->options->start);
    if (state->design->input.rows_count < SAMPLE_ROWS_MIN || state->options->firth)
        return WP_OK;
    bool usable = false;
    WP_TRY(fit_sample(state, &usable, err));
    if (usable)
        return chord(state, err);
    start_at_mean(state, mean);
    return WP_OK;
}

wp_status wp__newton_alloc(wp__newton *state, wp_error *err)
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

wp_status wp__newton_fit(wp__newton *state, double mean, wp_error *err)
{
    WP_TRY(wp__newton_alloc(state, err));
    WP_TRY(start(state, mean, err));
    return state->options->firth ? iterate_firth(state, err) : iterate(state, err);
}
