/* See survival.h. All three work on the factor of the times: sums per distinct time first. */
#include "stats/survival.h"

#include "base/memory.h"
#include "stats/linear_algebra.h"

#include <string.h>

static double weight_at(const double *weights, size_t i)
{
    return weights == NULL ? 1 : weights[i];
}

wp_status wp_curve_make(wp_curve *curve, const double *time, const double *status,
                        const double *weights, size_t rows, wp_error *err)
{
    wp_factor times;
    WP_TRY(wp_factor_make(&times, time, rows, err));
    size_t count = times.numbers_count;
    double *block = wp_alloc_array_zero(6 * count, sizeof *block);
    if (block == NULL) {
        wp_factor_free(&times);
        return wp_fail_memory(err, 6 * count * sizeof *block);
    }
    wp_curve made = {.count = count,
                     .time = block,
                     .at_risk = block + count,
                     .events = block + 2 * count,
                     .censored = block + 3 * count,
                     .survival = block + 4 * count,
                     .se = block + 5 * count};
    for (size_t i = 0; i < rows; i++)
        (status[i] != 0 ? made.events : made.censored)[times.codes[i]] += weight_at(weights, i);
    double at_risk = 0, survival = 1, variance = 0;
    for (size_t t = count; t-- > 0;) {
        at_risk += made.events[t] + made.censored[t];
        made.at_risk[t] = at_risk;
        made.time[t] = times.numbers[t];
    }
    for (size_t t = 0; t < count; t++) {
        double n = made.at_risk[t], d = made.events[t];
        survival *= (n - d) / n;
        variance += d > 0 ? d / (n * (n - d)) : 0;
        made.survival[t] = survival;
        made.se[t] = survival > 0 ? sqrt(variance) : NAN;
    }
    wp_factor_free(&times);
    *curve = made;
    return WP_OK;
}

void wp_curve_free(wp_curve *curve)
{
    wp_free(curve->time);
    *curve = (wp_curve){0};
}

double wp_curve_quantile(const wp_curve *curve, const double *line, double p)
{
    const double tolerance = 1.5e-8; /* as R's: 1 - p is met in spite of rounding */
    for (size_t t = 0; t < curve->count; t++) {
        if (isnan(line[t]))
            return NAN;
        if (line[t] > 1 - p + tolerance)
            continue;
        if (line[t] < 1 - p - tolerance)
            return curve->time[t];
        for (size_t next = t + 1; next < curve->count; next++)
            if (line[next] < line[t] - tolerance)
                return (curve->time[t] + curve->time[next]) / 2;
        return curve->events[t] > 0 ? curve->time[t] : NAN;
    }
    return NAN;
}

/* One (stratum, time): what its rows add to the test. */
typedef struct rank_work {
    const wp_factor *groups, *times;
    const double *status, *weights;
    double *at_risk, *deaths; /* groups */
} rank_work;

static void add_time(wp_log_rank *test, const rank_work *work, double factor)
{
    size_t groups = test->groups;
    double n = 0, d = 0;
    for (size_t g = 0; g < groups; g++) {
        n += work->at_risk[g];
        d += work->deaths[g];
    }
    if (d == 0)
        return;
    double spread = n > 1 ? d * (n - d) / (n - 1) / n : 0;
    for (size_t g = 0; g < groups; g++) {
        double share = work->at_risk[g] / n;
        test->observed[g] += factor * work->deaths[g];
        test->expected[g] += factor * d * share;
        for (size_t h = 0; h < groups; h++)
            test->variance[g * groups + h] +=
                factor * factor * spread *
                ((g == h ? work->at_risk[g] : 0) - share * work->at_risk[h]);
    }
}

/* rows `order[first .. last-1]` are one stratum in ascending time. */
static void add_stratum(wp_log_rank *test, rank_work *work, const uint32_t *order, size_t first,
                        size_t last, double rho)
{
    const uint32_t *group = work->groups->codes, *time = work->times->codes;
    memset(work->at_risk, 0, test->groups * sizeof(double));
    for (size_t i = first; i < last; i++) {
        double weight = weight_at(work->weights, order[i]);
        work->at_risk[group[order[i]]] += weight;
        test->n[group[order[i]]] += weight;
    }
    double survival = 1;
    for (size_t i = first; i < last;) {
        size_t next = i;
        double n = 0, d = 0;
        memset(work->deaths, 0, test->groups * sizeof(double));
        for (size_t g = 0; g < test->groups; g++)
            n += work->at_risk[g];
        for (; next < last && time[order[next]] == time[order[i]]; next++) {
            double dying = work->status[order[next]] * weight_at(work->weights, order[next]);
            work->deaths[group[order[next]]] += dying;
            d += dying;
        }
        add_time(test, work, rho == 0 ? 1 : pow(survival, rho));
        survival *= (n - d) / n;
        for (; i < next; i++)
            work->at_risk[group[order[i]]] -= weight_at(work->weights, order[i]);
    }
}

/* (O - E)' V^- (O - E) over the groups but one, without those that add no variance. matrix: k * k,
** vector: 2 k places. */
static wp_status quadratic_form(wp_log_rank *test, double *matrix, double *vector, wp_error *err)
{
    size_t k = test->groups - 1, kept = 0;
    bool *out = wp_alloc_array_zero(k, sizeof *out);
    size_t *places = wp_alloc_array(k, sizeof *places);
    if (out == NULL || places == NULL) {
        wp_free(places);
        wp_free(out);
        return wp_fail_memory(err, k * sizeof *places);
    }
    for (size_t g = 0; g < k; g++)
        memcpy(matrix + g * k, test->variance + g * test->groups, k * sizeof *matrix);
    wp_gram_choose(matrix, k, 1e-12, out);
    for (size_t g = 0; g < k; g++)
        if (!out[g])
            places[kept++] = g;
    for (size_t i = 0; i < kept; i++) {
        vector[i] = vector[kept + i] = test->observed[places[i]] - test->expected[places[i]];
        for (size_t j = 0; j < kept; j++)
            matrix[i * kept + j] = test->variance[places[i] * test->groups + places[j]];
    }
    if (kept > 0 && wp_cholesky_factor(matrix, kept, 0)) {
        wp_cholesky_solve(matrix, kept, vector);
        test->statistic = 0;
        for (size_t i = 0; i < kept; i++)
            test->statistic += vector[i] * vector[kept + i];
    }
    wp_free(places);
    wp_free(out);
    return WP_OK;
}

static wp_status order_by_stratum(const wp_factor *times, const wp_factor *strata, size_t rows,
                                  uint32_t *order, wp_error *err)
{
    uint32_t *by_time = wp_alloc_array(rows, sizeof *by_time);
    size_t *starts = wp_alloc_array_zero(strata->numbers_count + 2, sizeof *starts);
    wp_status status = WP_OK;
    if (by_time == NULL || starts == NULL)
        status = wp_fail_memory(err, rows * sizeof *by_time);
    if (status == WP_OK)
        status = wp_factor_order(times, by_time, err);
    for (size_t i = 0; status == WP_OK && i < rows; i++)
        starts[strata->codes[i] + 1]++;
    for (size_t s = 1; status == WP_OK && s <= strata->numbers_count; s++)
        starts[s] += starts[s - 1];
    for (size_t i = 0; status == WP_OK && i < rows; i++)
        order[starts[strata->codes[by_time[i]]]++] = by_time[i];
    wp_free(starts);
    wp_free(by_time);
    return status;
}

static wp_status log_rank_alloc(wp_log_rank *test, const wp_factor *groups, double **scratch,
                                wp_error *err)
{
    size_t k = groups->numbers_count;
    size_t places = 4 * k + k * k + 2 * k + k * k + 2 * k;
    double *block = wp_alloc_array_zero(places, sizeof *block);
    if (block == NULL)
        return wp_fail_memory(err, places * sizeof *block);
    *test = (wp_log_rank){.groups = k,
                          .group = block,
                          .n = block + k,
                          .observed = block + 2 * k,
                          .expected = block + 3 * k,
                          .variance = block + 4 * k,
                          .statistic = NAN};
    memcpy(test->group, groups->numbers, k * sizeof *block);
    *scratch = test->variance + k * k;
    return WP_OK;
}

wp_status wp_log_rank_make(wp_log_rank *test, const double *time, const double *status,
                           const double *group, const double *strata, const double *weights,
                           double rho, size_t rows, wp_error *err)
{
    wp_factor groups = {0}, times = {0}, levels = {0};
    wp_log_rank made = {0};
    double *scratch = NULL;
    uint32_t *order = wp_alloc_array(rows, sizeof *order);
    wp_status result = order == NULL ? wp_fail_memory(err, rows * sizeof *order) : WP_OK;
    if (result == WP_OK)
        result = wp_factor_make(&groups, group, rows, err);
    if (result == WP_OK)
        result = wp_factor_make(&times, time, rows, err);
    if (result == WP_OK)
        result = wp_factor_make(&levels, strata == NULL ? group : strata, rows, err);
    if (result == WP_OK && groups.numbers_count > 1000)
        result = wp_fail(err, WP_LIMIT, "groups: %zu found (expected at most 1000)",
                         groups.numbers_count);
    if (result == WP_OK && groups.numbers_count < 2)
        result = wp_fail(err, WP_INVALID, "groups: %zu found (expected at least 2)",
                         groups.numbers_count);
    if (result != WP_OK)
        goto done;
    if (strata == NULL) {
        memset(levels.codes, 0, rows * sizeof *levels.codes);
        levels.numbers_count = 1;
    }
    if ((result = order_by_stratum(&times, &levels, rows, order, err)) != WP_OK ||
        (result = log_rank_alloc(&made, &groups, &scratch, err)) != WP_OK)
        goto done;
    rank_work work = {&groups, &times, status, weights, scratch, scratch + made.groups};
    for (size_t first = 0, last = 0; first < rows; first = last) {
        while (last < rows && levels.codes[order[last]] == levels.codes[order[first]])
            last++;
        add_stratum(&made, &work, order, first, last, rho);
    }
    double *matrix = scratch + 2 * made.groups;
    result = quadratic_form(&made, matrix, matrix + made.groups * made.groups, err);
    if (result != WP_OK) {
        wp_log_rank_free(&made);
        goto done;
    }
    *test = made;
done:
    wp_free(order);
    wp_factor_free(&levels);
    wp_factor_free(&times);
    wp_factor_free(&groups);
    return result;
}

void wp_log_rank_free(wp_log_rank *test)
{
    wp_free(test->group);
    *test = (wp_log_rank){0};
}

/* Weights by score rank in a binary indexed tree (Fenwick 1994). */
typedef struct rank_tree {
    double *nodes;
    size_t count;
    double total;
} rank_tree;

static void tree_add(rank_tree *tree, size_t place, double weight)
{
    tree->total += weight;
    for (size_t i = place + 1; i <= tree->count; i += i & -i)
        tree->nodes[i] += weight;
}

/* Weight at places below `place`. */
static double tree_below(const rank_tree *tree, size_t place)
{
    double sum = 0;
    for (size_t i = place; i > 0; i -= i & -i)
        sum += tree->nodes[i];
    return sum;
}

typedef struct pair_work {
    const wp_factor *scores, *times;
    const uint32_t *order;                         /* ascending time */
    const double *status, *weights, *pair_weights; /* pair weight per distinct time, or NULL */
    double *wins, *pairs; /* per row: concordance (ties 1/2) and number of its pairs */
    wp_concordance counts;
} pair_work;

static double pair_weight(const pair_work *work, size_t row)
{
    return work->pair_weights == NULL ? 1 : work->pair_weights[work->times->codes[row]];
}

static size_t group_end(const pair_work *work, size_t first, size_t rows)
{
    size_t last = first;
    while (last < rows &&
           work->times->codes[work->order[last]] == work->times->codes[work->order[first]])
        last++;
    return last;
}

/* Events against everyone later: walks from the latest time to the first. */
static void count_as_earlier(pair_work *work, rank_tree *later, size_t rows)
{
    for (size_t last = rows; last > 0;) {
        size_t first = last;
        while (first > 0 && work->times->codes[work->order[first - 1]] ==
                                work->times->codes[work->order[last - 1]])
            first--;
        double events = 0, squares = 0;
        for (int phase = 0; phase < 3; phase++) { /* censored enter, events look, events enter */
            for (size_t i = first; i < last; i++) {
                size_t row = work->order[i], place = work->scores->codes[row];
                double weight = weight_at(work->weights, row);
                bool event = work->status[row] != 0;
                if (event == (phase == 0))
                    continue;
                if (phase != 1) {
                    tree_add(later, place, weight);
                    continue;
                }
                double below = tree_below(later, place);
                double upto = tree_below(later, place + 1), factor = pair_weight(work, row);
                events += weight;
                squares += weight * weight;
                work->counts.concordant += factor * weight * below;
                work->counts.tied_score += factor * weight * (upto - below);
                work->counts.discordant += factor * weight * (later->total - upto);
                work->wins[row] += factor * (below + (upto - below) / 2);
                work->pairs[row] += factor * later->total;
            }
        }
        work->counts.tied_time += (events * events - squares) / 2;
        last = first;
    }
}

/* Everyone against earlier events: walks from the first time on. */
static void count_as_later(pair_work *work, rank_tree *earlier, size_t rows)
{
    for (size_t first = 0; first < rows;) {
        size_t last = group_end(work, first, rows);
        for (int phase = 0; phase < 3; phase++) { /* events look, events enter, censored look */
            for (size_t i = first; i < last; i++) {
                size_t row = work->order[i], place = work->scores->codes[row];
                bool event = work->status[row] != 0;
                if (event != (phase < 2))
                    continue;
                if (phase == 1) {
                    tree_add(earlier, place,
                             weight_at(work->weights, row) * pair_weight(work, row));
                    continue;
                }
                double below = tree_below(earlier, place), upto = tree_below(earlier, place + 1);
                work->wins[row] += earlier->total - upto + (upto - below) / 2;
                work->pairs[row] += earlier->total;
            }
        }
        first = last;
    }
}

/* 1 / G(t-)^2 per distinct time, G the curve of being censored. */
static void fill_uno_weights(const wp_factor *times, const double *status, const double *weights,
                             double *out, double *scratch)
{
    size_t count = times->numbers_count;
    double *events = scratch, *censored = scratch + count, at_risk = 0, survival = 1;
    memset(scratch, 0, 2 * count * sizeof *scratch);
    for (size_t i = 0; i < times->count; i++) {
        double weight = weight_at(weights, i);
        (status[i] != 0 ? events : censored)[times->codes[i]] += weight;
        at_risk += weight;
    }
    for (size_t t = 0; t < count; t++) {
        out[t] = 1 / (survival * survival);
        at_risk -= events[t]; /* an event at t leaves before the censored at t */
        survival *= at_risk > 0 ? 1 - censored[t] / at_risk : 1;
        at_risk -= censored[t];
    }
}

static void finish_concordance(pair_work *work, const double *weights, size_t rows)
{
    wp_concordance *c = &work->counts;
    double pairs = c->concordant + c->discordant + c->tied_score, variance = 0;
    c->estimate = (c->concordant + c->tied_score / 2) / pairs;
    for (size_t i = 0; i < rows; i++) {
        double influence = (work->wins[i] - c->estimate * work->pairs[i]) / pairs;
        variance += weight_at(weights, i) * influence * influence;
    }
    c->se = sqrt(variance);
}

wp_status wp_concordance_make(wp_concordance *result, const double *score, const double *time,
                              const double *status, const double *weights, bool uno, size_t rows,
                              wp_error *err)
{
    wp_factor scores = {0}, times = {0};
    double *block = NULL;
    uint32_t *order = wp_alloc_array(rows, sizeof *order);
    wp_status done = order == NULL ? wp_fail_memory(err, rows * sizeof *order) : WP_OK;
    if (done == WP_OK)
        done = wp_factor_make(&scores, score, rows, err);
    if (done == WP_OK)
        done = wp_factor_make(&times, time, rows, err);
    if (done == WP_OK)
        done = wp_factor_order(&times, order, err);
    if (done != WP_OK)
        goto done;
    size_t places = 2 * rows + (scores.numbers_count + 1) + 3 * times.numbers_count;
    block = wp_alloc_array_zero(places, sizeof *block);
    if (block == NULL) {
        done = wp_fail_memory(err, places * sizeof *block);
        goto done;
    }
    rank_tree tree = {.nodes = block + 2 * rows, .count = scores.numbers_count};
    double *pair_weights = tree.nodes + tree.count + 1;
    if (uno)
        fill_uno_weights(&times, status, weights, pair_weights, pair_weights + times.numbers_count);
    pair_work work = {.scores = &scores,
                      .times = &times,
                      .order = order,
                      .status = status,
                      .weights = weights,
                      .pair_weights = uno ? pair_weights : NULL,
                      .wins = block,
                      .pairs = block + rows};
    count_as_earlier(&work, &tree, rows);
    memset(tree.nodes, 0, (tree.count + 1) * sizeof *tree.nodes);
    tree.total = 0;
    count_as_later(&work, &tree, rows);
    finish_concordance(&work, weights, rows);
    *result = work.counts;
done:
    wp_free(block);
    wp_free(order);
    wp_factor_free(&times);
    wp_factor_free(&scores);
    return done;
}
