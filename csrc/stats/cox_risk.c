/* The sorted copy of the rows, and what a group of equal times adds to the likelihood; see cox.h.
** The copy is row after row (risk sums walk down it), standardised. */
#include "stats/cox_internal.h"

#include "base/memory.h"
#include "stats/cells.h"
#include "stats/vector.h"

#include <math.h>
#include <string.h>

wp_status wp__cox_alloc(wp__cox *state, wp_error *err)
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

void wp__cox_free(wp__cox *state)
{
    wp_free(state->memory);
    wp_free(state->source);
    wp_free(state->groups);
}

/* Fills source and groups: rows by stratum, then time falling. */
wp_status wp__cox_sort(wp__cox *state, const double *time, const double *strata, wp_error *err)
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
                (wp__time_group){i, i, i == 0 || key >> 32 != keys[order[i - 1]] >> 32, false};
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

wp_status wp__cox_copy(wp__cox *state, const wp_design *design, const double *status,
                       const wp_run *run, wp_error *err)
{
    const wp_design_input *input = &design->input;
    double *numbers = wp_alloc_array(input->rows_count, sizeof *numbers);
    if (numbers == NULL)
        return wp_fail_memory(err, input->rows_count * sizeof *numbers);
    wp_status result = WP_OK;
    for (size_t t = 0; t < state->k && result == WP_OK; t++) {
        size_t column = design->kept[t];
        result = wp_column_expand(&input->columns[column], input->rows_count, numbers, run, err);
        for (size_t i = 0; i < state->rows; i++)
            state->z[i * state->k + t] =
                (numbers[state->source[i]] - design->centre[column]) / design->scale[column];
    }
    wp_free(numbers);
    for (size_t i = 0; i < state->rows; i++) {
        size_t row = state->source[i];
        state->weight[i] = input->weights == NULL ? 1 : input->weights[row];
        state->event[i] = status[row];
        state->offset[i] = input->offset == NULL ? 0 : input->offset[row];
    }
    for (size_t g = 0; g < state->groups_count; g++)
        for (size_t i = state->groups[g].first; i < state->groups[g].last; i++)
            state->groups[g].has_events |= state->event[i] != 0;
    return result;
}

double wp__cox_linear(const wp__cox *state, const double *b, size_t i)
{
    double sum = 0;
    for (size_t t = 0; t < state->k; t++)
        sum += b[t] * state->z[i * state->k + t];
    return sum;
}

/* risk = exp(eta - largest eta): the shift cancels in every term. */
void wp__cox_risks(wp__cox *state, const double *b)
{
    double largest = -INFINITY;
    for (size_t i = 0; i < state->rows; i++) {
        state->risk[i] = wp__cox_linear(state, b, i) + state->offset[i];
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

wp__tie_plan wp__cox_ties(const wp__cox *state, const wp__time_group *group)
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
        return (wp__tie_plan){total, 1, total};
    size_t steps = whole && total < 1e9 ? (size_t)total : rows;
    return (wp__tie_plan){total, steps, total / (double)steps};
}

/* Sums over the Efron terms: of 1/q, f/q and 1/q^2, f/q^2, f^2/q^2 with q = S0 - f D0. */
typedef struct tie_sums {
    double log_q, one, f, one2, f2, ff2;
} tie_sums;

static tie_sums add_ties(wp__tie_plan plan, double s0, double d0)
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
void wp__cox_enter(wp__cox *state, const wp__time_group *group)
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
double wp__cox_terms(wp__cox *state, const wp__time_group *group)
{
    size_t k = state->k;
    const double *s = state->risk_sums, *d = state->tied;
    double *score = state->part, *information = score + k, loglik = 0;
    wp__tie_plan plan = wp__cox_ties(state, group);
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
