/* See cox.h. The sorted copy is row after row (risk sums walk down it), standardised. */
#include "stats/cox.h"

#include "base/memory.h"
#include "stats/cells.h"
#include "stats/linear_algebra.h"
#include "stats/vector.h"

#include <math.h>
#include <string.h>

#define STEP_TOLERANCE  1e-14
#define PROOF_TOLERANCE 1e-4

/* Rows of one stratum and one time: first .. last-1 of the sorted rows. */
typedef struct time_group {
    size_t first, last;
    bool starts_stratum, has_events;
} time_group;

typedef struct cox_state {
    const wp_cox_options *options;
    size_t rows, k;
    double *z; /* rows * k, sorted */
    double *weight, *event, *offset, *risk;
    size_t *source;     /* row of the input */
    time_group *groups; /* by stratum, time falling */
    size_t groups_count;
    double *b, *tried, *step; /* k */
    double *sums;             /* 1 + k + k*k: loglik, score, information (lower triangle) */
    double *factor, *inverse; /* k*k */
    double *risk_sums, *tied; /* 1 + k + k*k: S0 S1 S2; D0 D1 D2 */
    double *part;             /* k + k*k: score and information of one group */
    double promised;
    int iterations;
    bool converged, separated;
    double *memory;
} cox_state;

static wp_status cox_alloc(cox_state *state, wp_error *err)
{
    size_t k = state->k, rows = state->rows, packed = 1 + k + k * k;
    size_t places = rows * (k + 4) + 3 * k + 4 * packed + 2 * k * k;
    state->memory = wp_alloc_array_zero(places, sizeof(double));
    state->source = wp_alloc_array(rows, sizeof *state->source);
    state->groups = wp_alloc_array(rows, sizeof *state->groups);
    if (state->memory == NULL || state->source == NULL || state->groups == NULL)
        return wp_fail_memory(err, places * sizeof(double));
    double *next = state->memory;
    state->z = next;
    state->weight = next += rows * k;
    state->event = next += rows;
    state->offset = next += rows;
    state->risk = next += rows;
    state->b = next += rows;
    state->tried = next += k;
    state->step = next += k;
    state->sums = next += k;
    state->risk_sums = next += packed;
    state->tied = next += packed;
    state->part = next += packed;
    state->factor = next += packed;
    state->inverse = next + k * k;
    return WP_OK;
}

static void cox_free(cox_state *state)
{
    wp_free(state->memory);
    wp_free(state->source);
    wp_free(state->groups);
}

/* Fills source and groups: rows by stratum, then time falling. */
static wp_status sort_rows(cox_state *state, const double *time, const double *strata,
                           wp_error *err)
{
    size_t rows = state->rows, count = 0;
    wp_factor times = {0}, levels = {0};
    wp_factor places = {0};
    uint64_t *distinct = NULL, *keys = wp_alloc_array(rows, sizeof *keys);
    uint32_t *order = wp_alloc_array(rows, sizeof *order);
    places.codes = wp_alloc_array(rows, sizeof *places.codes);
    wp_status status = WP_OK;
    if (keys == NULL || order == NULL || places.codes == NULL) {
        status = wp_fail_memory(err, rows * sizeof *keys);
        goto done;
    }
    if ((status = wp_factor_make(&times, time, rows, err)) != WP_OK)
        goto done;
    if (strata != NULL && (status = wp_factor_make(&levels, strata, rows, err)) != WP_OK)
        goto done;
    for (size_t i = 0; i < rows; i++)
        keys[i] = (uint64_t)(strata == NULL ? 0 : levels.codes[i]) << 32 |
                  (times.numbers_count - 1 - times.codes[i]);
    places.count = rows;
    status = wp__keys_encode(keys, rows, places.codes, &distinct, &places.numbers_count, err);
    if (status == WP_OK)
        status = wp_factor_order(&places, order, err);
    if (status != WP_OK)
        goto done;
    for (size_t i = 0; i < rows; i++) {
        uint64_t key = keys[order[i]];
        state->source[i] = order[i];
        if (i == 0 || key != keys[order[i - 1]])
            state->groups[count++] =
                (time_group){i, i, i == 0 || key >> 32 != keys[order[i - 1]] >> 32, false};
        state->groups[count - 1].last = i + 1;
    }
    state->groups_count = count;
done:
    wp_factor_free(&places);
    wp_factor_free(&levels);
    wp_factor_free(&times);
    wp_free(distinct);
    wp_free(order);
    wp_free(keys);
    return status;
}

static void copy_rows(cox_state *state, const wp_design *design, const double *status)
{
    const wp_design_input *input = &design->input;
    for (size_t i = 0; i < state->rows; i++) {
        size_t row = state->source[i];
        for (size_t t = 0; t < state->k; t++) {
            size_t column = design->kept[t];
            state->z[i * state->k + t] =
                (input->columns[column][row] - design->centre[column]) / design->scale[column];
        }
        state->weight[i] = input->weights == NULL ? 1 : input->weights[row];
        state->event[i] = status[row];
        state->offset[i] = input->offset == NULL ? 0 : input->offset[row];
    }
    for (size_t g = 0; g < state->groups_count; g++)
        for (size_t i = state->groups[g].first; i < state->groups[g].last; i++)
            state->groups[g].has_events |= state->event[i] != 0;
}

static double linear_of(const cox_state *state, const double *b, size_t i)
{
    double sum = 0;
    for (size_t t = 0; t < state->k; t++)
        sum += b[t] * state->z[i * state->k + t];
    return sum;
}

/* risk = exp(eta - largest eta): the shift cancels in every term. */
static void fill_risks(cox_state *state, const double *b)
{
    double largest = -INFINITY;
    for (size_t i = 0; i < state->rows; i++) {
        state->risk[i] = linear_of(state, b, i) + state->offset[i];
        largest = fmax(largest, state->risk[i]);
    }
    for (size_t i = 0; i < state->rows; i++)
        state->risk[i] = exp(state->risk[i] - largest);
}

/* sums += amount * [1, z, z z'] */
static void add_row(double *sums, double amount, const double *z, size_t k)
{
    sums[0] += amount;
    for (size_t i = 0; i < k; i++) {
        double scaled = amount * z[i];
        sums[1 + i] += scaled;
        double *row = sums + 1 + k + i * k;
        for (size_t j = 0; j <= i; j++)
            row[j] += scaled * z[j];
    }
}

/* How the tied events of a group are counted. */
typedef struct tie_plan {
    double weight; /* of all events */
    size_t steps;  /* Efron terms */
    double each;   /* weight of one term */
} tie_plan;

static tie_plan plan_ties(const cox_state *state, const time_group *group)
{
    double total = 0;
    size_t rows = 0;
    bool whole = true;
    for (size_t i = group->first; i < group->last; i++) {
        if (state->event[i] == 0)
            continue;
        rows++;
        total += state->weight[i];
        whole = whole && state->weight[i] == floor(state->weight[i]);
    }
    if (state->options->ties == WP_BRESLOW)
        return (tie_plan){total, 1, total};
    size_t steps = whole && total < 1e9 ? (size_t)total : rows;
    return (tie_plan){total, steps, total / (double)steps};
}

/* Sums over the Efron terms: of 1/q, f/q and 1/q^2, f/q^2, f^2/q^2 with q = S0 - f D0. */
typedef struct tie_sums {
    double log_q, one, f, one2, f2, ff2;
} tie_sums;

static tie_sums add_ties(tie_plan plan, double s0, double d0)
{
    tie_sums t = {0};
    for (size_t l = 0; l < plan.steps; l++) {
        double f = (double)l / (double)plan.steps, q = s0 - f * d0, inverse = 1 / q;
        t.log_q += log(q);
        t.one += inverse;
        t.f += f * inverse;
        t.one2 += inverse * inverse;
        t.f2 += f * inverse * inverse;
        t.ff2 += f * f * inverse * inverse;
    }
    t.log_q *= plan.each, t.one *= plan.each, t.f *= plan.each;
    t.one2 *= plan.each, t.f2 *= plan.each, t.ff2 *= plan.each;
    return t;
}

/* Adds the rows of a group to the risk sums, and fills tied with those of its events. */
static void enter_group(cox_state *state, const time_group *group)
{
    size_t k = state->k, used = 1 + k + k * k;
    if (group->starts_stratum)
        memset(state->risk_sums, 0, used * sizeof(double));
    memset(state->tied, 0, used * sizeof(double));
    for (size_t i = group->first; i < group->last; i++) {
        double amount = state->weight[i] * state->risk[i];
        add_row(state->risk_sums, amount, state->z + i * k, k);
        if (state->event[i] != 0)
            add_row(state->tied, amount, state->z + i * k, k);
    }
}

/* Score and information of one group with events into part; returns its log-likelihood. */
static double group_terms(cox_state *state, const time_group *group)
{
    size_t k = state->k;
    const double *s = state->risk_sums, *d = state->tied;
    double *score = state->part, *information = score + k, loglik = 0;
    tie_plan plan = plan_ties(state, group);
    tie_sums t = add_ties(plan, s[0], d[0]);
    for (size_t i = 0; i < k; i++)
        score[i] = -(s[1 + i] * t.one - d[1 + i] * t.f);
    for (size_t i = group->first; i < group->last; i++) {
        if (state->event[i] == 0)
            continue;
        loglik += state->weight[i] * log(state->risk[i]);
        for (size_t j = 0; j < k; j++)
            score[j] += state->weight[i] * state->z[i * k + j];
    }
    const double *s2 = s + 1 + k, *d2 = d + 1 + k;
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j <= i; j++) {
            double cross = s[1 + i] * d[1 + j] + d[1 + i] * s[1 + j];
            information[i * k + j] = s2[i * k + j] * t.one - d2[i * k + j] * t.f -
                                     s[1 + i] * s[1 + j] * t.one2 + cross * t.f2 -
                                     d[1 + i] * d[1 + j] * t.ff2;
        }
    return loglik - t.log_q;
}

static void pass(cox_state *state, const double *b)
{
    size_t k = state->k;
    fill_risks(state, b);
    memset(state->sums, 0, (1 + k + k * k) * sizeof(double));
    for (size_t g = 0; g < state->groups_count; g++) {
        enter_group(state, &state->groups[g]);
        if (!state->groups[g].has_events)
            continue;
        state->sums[0] += group_terms(state, &state->groups[g]);
        for (size_t i = 0; i < k + k * k; i++)
            state->sums[1 + i] += state->part[i];
    }
}

static bool evaluate(cox_state *state)
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
static bool runs_away(const cox_state *state, const double *direction)
{
    double largest = 0, worst = 0, top = -INFINITY;
    for (size_t g = 0; g < state->groups_count; g++) {
        const time_group *group = &state->groups[g];
        top = group->starts_stratum ? -INFINITY : top;
        for (size_t i = group->first; i < group->last; i++) {
            double along = linear_of(state, direction, i);
            top = fmax(top, along);
            largest = fmax(largest, fabs(along));
        }
        for (size_t i = group->first; i < group->last; i++)
            if (state->event[i] != 0)
                worst = fmin(worst, linear_of(state, direction, i) - top);
    }
    return largest > 0 && worst >= -PROOF_TOLERANCE * largest;
}

static void look_for_separation(cox_state *state, wp_design *design)
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
static bool step_forward(cox_state *state, double *direction)
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

static wp_status iterate(cox_state *state, wp_design *design, const wp_run *run, wp_error *err)
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

/* Per event group: what a row at risk gains from it, for score residuals (Therneau & Grambsch 2000,
** section 4.6): [sum 1/q, sum zbar/q] for rows that stay, the same times (1 - f) for its events,
** and the mean zbar of its terms. Rows: 2 + 3k numbers. */
static void group_hazard(const cox_state *state, const time_group *group, double *out)
{
    size_t k = state->k;
    const double *s = state->risk_sums, *d = state->tied;
    tie_plan plan = plan_ties(state, group);
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
static wp_status score_residuals(cox_state *state, double *scores, wp_error *err)
{
    size_t k = state->k, width = 2 + 3 * k;
    double *hazard = wp_alloc_array_zero(state->groups_count * width + width, sizeof *hazard);
    if (hazard == NULL)
        return wp_fail_memory(err, state->groups_count * width * sizeof *hazard);
    double *total = hazard + state->groups_count * width;
    fill_risks(state, state->b);
    for (size_t g = 0; g < state->groups_count; g++) {
        enter_group(state, &state->groups[g]);
        if (state->groups[g].has_events)
            group_hazard(state, &state->groups[g], hazard + g * width);
    }
    for (size_t g = state->groups_count; g-- > 0;) { /* time rising within a stratum */
        const time_group *group = &state->groups[g];
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
static wp_status robust_covariance(cox_state *state, const double *weights, double *out,
                                   size_t *clusters_count, wp_error *err)
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

static wp_status fill_zph(wp_cox_fit *fit, cox_state *state, const wp_design *design,
                          const double *time, const double *status, wp_error *err)
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
    fill_risks(state, state->b);
    for (size_t g = 0; done == WP_OK && g < state->groups_count; g++) {
        const time_group *group = &state->groups[g];
        enter_group(state, group);
        if (!group->has_events)
            continue;
        group_terms(state, group);
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
static void fill_estimates(wp_cox_fit *fit, const cox_state *state, const wp_design *design,
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

static double wald_statistic(const cox_state *state, double *covariance, double *solved)
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

static wp_status finish(wp_cox_fit *fit, cox_state *state, wp_design *design, const double *time,
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
        done = robust_covariance(state, design->input.weights, covariance, &fit->clusters, err);
    if (done == WP_OK) {
        fill_estimates(fit, state, design, covariance);
        if (!fit->separated)
            fit->wald = wald_statistic(state, covariance, covariance + k * k);
    }
    if (done == WP_OK && state->options->want_zph && !fit->separated)
        done = fill_zph(fit, state, design, time, status, err);
    wp_free(covariance);
    return done;
}

/* Takes out terms without information at the start (constant within every risk set, or combinations
** of others there); true when some were. */
static wp_status drop_uninformative(cox_state *state, wp_design *design, double events,
                                    bool *dropped, wp_error *err)
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

static wp_status prepare(cox_state *state, const wp_design *design, const double *time,
                         const double *status, wp_error *err)
{
    state->k = design->k - 1;
    WP_TRY(cox_alloc(state, err));
    WP_TRY(sort_rows(state, time, state->options->strata, err));
    copy_rows(state, design, status);
    return WP_OK;
}

static wp_status fit_terms(wp_cox_fit *fit, cox_state *state, wp_design *design, const double *time,
                           const double *status, const wp_run *run, wp_error *err)
{
    WP_TRY(prepare(state, design, time, status, err));
    bool dropped = false, definite = evaluate(state);
    fit->null_loglik = state->sums[0];
    WP_TRY(drop_uninformative(state, design, fit->events, &dropped, err));
    if (dropped) {
        cox_free(state);
        state->memory = NULL, state->source = NULL, state->groups = NULL;
        WP_TRY(prepare(state, design, time, status, err));
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
    cox_state state = {.options = options, .rows = input->rows_count};
    for (size_t i = 0; i < input->rows_count; i++)
        made.events += (input->weights == NULL ? 1 : input->weights[i]) * status[i];
    wp_status result = fit_alloc(&made, input->columns_count, err);
    if (result == WP_OK)
        result = fit_terms(&made, &state, &design, time, status, run, err);
    cox_free(&state);
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
