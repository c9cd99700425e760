/* Score residuals with robust errors, and the test of proportional hazards; see cox.h. */
#include "stats/cox_internal.h"

#include "base/memory.h"
#include "stats/linear_algebra.h"
#include "stats/vector.h"

#include <math.h>
#include <string.h>

/* Per event group: what a row at risk gains from it, for score residuals (Therneau & Grambsch 2000,
** section 4.6): [sum 1/q, sum zbar/q] for rows that stay, the same times (1 - f) for its events,
** and the mean zbar of its terms. Rows: 2 + 3k numbers. */
static void group_hazard(const wp__cox *state, const wp__time_group *group, double *out)
{
    size_t k = state->k;
    const double *s = state->risk_sums, *d = state->tied;
    wp__tie_plan plan = wp__cox_ties(state, group);
    memset(out, 0, (2 + 3 * k) * sizeof *out);
    for (size_t l = 0; l < plan.steps; l++) {
        double f = (double)l / (double)plan.steps, q = s[0] - f * d[0], h = plan.each / q;
        out[0] += h;
        out[1] += (1 - f) * h;
        for (size_t i = 0; i < k; i++) {
            double mean = (s[1 + i] - f * d[1 + i]) / q;
            out[2 + i] += h * mean;
            out[2 + k + i] += (1 - f) * h * mean;
            out[2 + 2 * k + i] += mean / (double)plan.steps;
        }
    }
}

/* scores (rows * k, input order): the score residual of one subject of each row. */
static wp_status score_residuals(wp__cox *state, double *scores, wp_error *err)
{
    size_t k = state->k, width = 2 + 3 * k;
    double *hazard = wp_alloc_array_zero(state->groups_count * width + width, sizeof *hazard);
    if (hazard == NULL)
        return wp_fail_memory(err, state->groups_count * width * sizeof *hazard);
    double *total = hazard + state->groups_count * width;
    wp__cox_risks(state, state->b);
    for (size_t g = 0; g < state->groups_count; g++) {
        wp__cox_enter(state, &state->groups[g]);
        if (state->groups[g].has_events)
            group_hazard(state, &state->groups[g], hazard + g * width);
    }
    for (size_t g = state->groups_count; g-- > 0;) { /* time rising within a stratum */
        const wp__time_group *group = &state->groups[g];
        const double *here = hazard + g * width;
        for (size_t i = group->first; i < group->last; i++) {
            const double *z = state->z + i * k;
            double *score = scores + state->source[i] * k, risk = state->risk[i];
            bool event = state->event[i] != 0;
            double own = event ? here[1] : here[0];
            const double *own_mean = here + 2 + (event ? k : 0);
            for (size_t j = 0; j < k; j++) {
                score[j] = -risk * (z[j] * (total[0] + own) - total[2 + j] - own_mean[j]);
                score[j] += event ? z[j] - here[2 + 2 * k + j] : 0;
            }
        }
        for (size_t i = 0; i < 2 + k; i++)
            total[i] += here[i];
        if (group->starts_stratum)
            memset(total, 0, width * sizeof *total);
    }
    wp_free(hazard);
    return WP_OK;
}

/* out = V (sum of cluster scores) V without small-sample factor, as R's coxph. */
wp_status wp__cox_robust(wp__cox *state, const double *weights, double *out, size_t *clusters_count,
                         wp_error *err)
{
    size_t k = state->k, rows = state->rows;
    const double *clusters = state->options->clusters;
    wp_factor factor = {0};
    double *scores = wp_alloc_array(rows * k, sizeof *scores), *totals = NULL;
    double *meat = wp_alloc_array_zero(2 * k * k, sizeof *meat);
    wp_status status = WP_OK;
    if (scores == NULL || meat == NULL)
        status = wp_fail_memory(err, rows * k * sizeof *scores);
    if (status == WP_OK && clusters != NULL)
        status = wp_factor_make(&factor, clusters, rows, err);
    size_t groups = clusters == NULL ? rows : factor.numbers_count;
    if (status == WP_OK)
        status = score_residuals(state, scores, err);
    if (status == WP_OK && (totals = wp_alloc_array_zero(groups * k, sizeof *totals)) == NULL)
        status = wp_fail_memory(err, groups * k * sizeof *totals);
    if (status != WP_OK)
        goto done;
    for (size_t i = 0; i < rows; i++) {
        double weight = weights == NULL ? 1 : weights[i];
        double *total = totals + (clusters == NULL ? i : factor.codes[i]) * k;
        for (size_t j = 0; j < k; j++)
            total[j] += (clusters == NULL ? sqrt(weight) : weight) * scores[i * k + j];
    }
    for (size_t g = 0; g < groups; g++)
        for (size_t i = 0; i < k; i++)
            for (size_t j = 0; j < k; j++)
                meat[i * k + j] += totals[g * k + i] * totals[g * k + j];
    wp_matrix_sandwich(state->inverse, meat, k, meat + k * k, out);
    *clusters_count = groups;
done:
    wp_factor_free(&factor);
    wp_free(meat);
    wp_free(totals);
    wp_free(scores);
    return status;
}

/* 1 - Kaplan-Meier just before each time, all strata together: the time scale of the test of
** proportional hazards. out has one place per input row. */
static wp_status time_scale(const double *time, const double *status, const double *weights,
                            size_t rows, double *out, wp_error *err)
{
    wp_factor times;
    WP_TRY(wp_factor_make(&times, time, rows, err));
    size_t count = times.numbers_count;
    double *events = wp_alloc_array_zero(3 * count, sizeof *events);
    if (events == NULL) {
        wp_factor_free(&times);
        return wp_fail_memory(err, 3 * count * sizeof *events);
    }
    double *leaving = events + count, *scale = leaving + count, at_risk = 0, survival = 1;
    for (size_t i = 0; i < rows; i++) {
        double weight = weights == NULL ? 1 : weights[i];
        leaving[times.codes[i]] += weight;
        events[times.codes[i]] += status[i] != 0 ? weight : 0;
        at_risk += weight;
    }
    for (size_t t = 0; t < count; t++) {
        scale[t] = 1 - survival;
        survival *= 1 - events[t] / at_risk;
        at_risk -= leaving[t];
    }
    for (size_t i = 0; i < rows; i++)
        out[i] = scale[times.codes[i]];
    wp_free(events);
    wp_factor_free(&times);
    return WP_OK;
}

/* The score test of adding z g(t) for the terms `from` .. `to`-1, given the estimates: u' J^-1 u
** where J is the information of all terms and the added ones. */
static double zph_statistic(const double *u, const double *blocks, size_t k, size_t from, size_t to,
                            double *matrix, double *vector)
{
    size_t n = k + to - from;
    const double *plain = blocks, *once = plain + k * k, *twice = once + k * k;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            size_t a = i < k ? i : from + i - k, b = j < k ? j : from + j - k;
            size_t high = a > b ? a : b, low = a > b ? b : a;
            const double *block = i < k ? plain : j < k ? once : twice;
            matrix[i * n + j] = block[high * k + low];
        }
        vector[i] = i < k ? 0 : u[from + i - k];
    }
    if (!wp_cholesky_factor(matrix, n, 1e-13))
        return NAN;
    double *solved = vector + n, sum = 0;
    memcpy(solved, vector, n * sizeof *solved);
    wp_cholesky_solve(matrix, n, solved);
    for (size_t i = 0; i < n; i++)
        sum += solved[i] * vector[i];
    return sum;
}

wp_status wp__cox_zph(wp_cox_fit *fit, wp__cox *state, const wp_design *design, const double *time,
                      const double *status, wp_error *err)
{
    size_t k = state->k, rows = state->rows, places = rows + k + 3 * k * k + 4 * k * k + 4 * k;
    double *scale = wp_alloc_array_zero(places, sizeof *scale);
    if (scale == NULL)
        return wp_fail_memory(err, places * sizeof *scale);
    double *u = scale + rows, *blocks = u + k, *matrix = blocks + 3 * k * k;
    double *vector = matrix + 4 * k * k;
    wp_status done = time_scale(time, status, design->input.weights, rows, scale, err);
    double weight = 0, mean = 0;
    for (size_t i = 0; done == WP_OK && i < state->rows; i++)
        if (state->event[i] != 0) {
            weight += state->weight[i];
            mean += state->weight[i] * scale[state->source[i]];
        }
    wp__cox_risks(state, state->b);
    for (size_t g = 0; done == WP_OK && g < state->groups_count; g++) {
        const wp__time_group *group = &state->groups[g];
        wp__cox_enter(state, group);
        if (!group->has_events)
            continue;
        wp__cox_terms(state, group);
        double at = scale[state->source[group->first]] - mean / weight;
        const double *information = state->part + k;
        for (size_t i = 0; i < k; i++)
            u[i] += at * state->part[i];
        for (size_t i = 0; i < k * k; i++) {
            blocks[i] += information[i];
            blocks[k * k + i] += at * information[i];
            blocks[2 * k * k + i] += at * at * information[i];
        }
    }
    if (done == WP_OK) {
        for (size_t i = 0; i < k; i++)
            fit->zph[design->kept[i]] = zph_statistic(u, blocks, k, i, i + 1, matrix, vector);
        fit->zph_global = zph_statistic(u, blocks, k, 0, k, matrix, vector);
    }
    wp_free(scale);
    return done;
}
