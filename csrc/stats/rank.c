/* Ranks: mid-ranks with ties, and correlations of ranks.
**
** The one data structure is a flat array of (key, tag) items. Invariant: keys order as the numbers
** do, so equal numbers are neighbours after the sort and one scan sees every group of ties whole.
** Cost: the sort of sort.h, then linear scans. */
#include "stats/rank.h"

#include "base/memory.h"
#include "stats/rank_spread.h"

#include <math.h>

/* --- Rows --- */

static bool is_complete(const double *column, size_t rows_count)
{
    size_t missing = 0;
    for (size_t row = 0; row < rows_count; row++)
        missing += column[row] != column[row];
    return missing == 0;
}

static bool all_count(const wp_rows *rows)
{
    bool all = rows->weights == NULL && rows->rows_count <= (size_t)WP_WEIGHT_MAX;
    for (size_t i = 0; i < rows->columns_count && all; i++)
        all = is_complete(rows->columns[i], rows->rows_count);
    return all;
}

wp_status wp_rows_init(wp_rows *rows, const double *const *columns, size_t columns_count,
                       size_t rows_count, const double *weights, wp_error *err)
{
    *rows = (wp_rows){columns, columns_count, rows_count, weights, 0, 0, 0};
    if (all_count(rows)) {
        rows->used = rows_count;
        rows->weight = (int64_t)rows_count;
        return WP_OK;
    }
    for (size_t row = 0; row < rows_count; row++) {
        double weight = weights == NULL ? 1 : weights[row];
        if (!(weight >= 0 && weight <= (double)WP_WEIGHT_MAX && weight == floor(weight)))
            return wp_fail(err, WP_INVALID, "weight %zu: found %g (expected a whole number >= 0)",
                           row + 1, weight);
        if (wp_row_counts(rows, row)) {
            rows->used++;
            rows->weight += (int64_t)weight;
        } else if (weight > 0)
            rows->missing += (int64_t)weight;
        if (rows->weight > WP_WEIGHT_MAX)
            return wp_fail(err, WP_LIMIT, "weights: they add up to more than 2147483647");
    }
    return WP_OK;
}

/* Sorted (number, row) items of the rows that count; wp_free. */
static wp_status sorted_items(const wp_rows *rows, size_t column, wp_item **sorted,
                              const wp_run *run, wp_error *err)
{
    wp_item *items = wp_alloc_array(rows->used, sizeof *items);
    *sorted = NULL;
    if (items == NULL)
        return wp_fail_memory(err, rows->used * sizeof *items);
    size_t count = 0;
    for (size_t row = 0; row < rows->rows_count; row++)
        if (wp_row_counts(rows, row))
            items[count++] = (wp_item){wp_order_key(rows->columns[column][row]), row};
    wp_status status = wp_items_sort(items, count, NULL, run, err);
    if (status != WP_OK)
        wp_free(items);
    else
        *sorted = items;
    return status;
}

/* End of the group of equal keys that starts at `start`, and its weight. */
static size_t group_end(const wp_rows *rows, const wp_item *items, size_t start, uint64_t *weight)
{
    size_t end = start;
    for (*weight = 0; end < rows->used && items[end].key == items[start].key; end++)
        *weight += wp_row_weight(rows, items[end].tag);
    return end;
}

wp_status wp_midranks(const wp_rows *rows, size_t column, uint64_t *ranks, wp_ties *ties,
                      const wp_run *run, wp_error *err)
{
    wp_item *items;
    WP_TRY(sorted_items(rows, column, &items, run, err));
    memset(ranks, 0, rows->rows_count * sizeof *ranks);
    wp_ties found = {0};
    uint64_t before = 0, weight;
    for (size_t start = 0, end; start < rows->used; start = end) {
        end = group_end(rows, items, start, &weight);
        for (size_t i = start; i < end; i++)
            ranks[items[i].tag] = 2 * before + weight + 1;
        before += weight;
        found.distinct++;
        found.pairs += (wp_wide)weight * (weight - 1) / 2;
        found.cubes += (wp_wide)weight * weight * weight - weight;
        found.triples += weight < 3 ? 0 : (wp_wide)weight * (weight - 1) * (weight - 2);
    }
    wp_free(items);
    if (ties != NULL)
        *ties = found;
    return WP_OK;
}

/* --- Spearman --- */

/* n * sum(w a b) - sum(w a) sum(w b), exact. The sum of mid-ranks is n (n + 1) / 2 always. */
static wp_swide rank_covariance(const wp_rows *rows, const uint64_t *a, const uint64_t *b)
{
    wp_wide products = 0, n = (wp_wide)rows->weight, total = n * (n + 1);
    if (rows->weights == NULL)
        for (size_t row = 0; row < rows->rows_count; row++)
            products += (wp_wide)a[row] * b[row];
    else
        for (size_t row = 0; row < rows->rows_count; row++)
            if (a[row] != 0)
                products += (wp_wide)a[row] * b[row] * wp_row_weight(rows, row);
    return (wp_swide)(n * products - total * total);
}

wp_status wp_rank_correlation(const wp_rows *rows, double *matrix, double *variance,
                              const wp_run *run, wp_error *err)
{
    size_t k = rows->columns_count, n = rows->rows_count;
    uint64_t *ranks = wp_alloc_array(k * n, sizeof *ranks);
    if (ranks == NULL)
        return wp_fail_memory(err, k * n * sizeof *ranks);
    wp_status status = WP_OK;
    for (size_t i = 0; i < k && status == WP_OK; i++)
        status = wp_midranks(rows, i, ranks + i * n, NULL, run, err);
    for (size_t i = 0; i < k && status == WP_OK; i++)
        matrix[i * k + i] = sqrt((double)rank_covariance(rows, ranks + i * n, ranks + i * n));
    for (size_t i = 0; i < k && status == WP_OK; i++)
        for (size_t j = 0; j < i; j++) {
            double covariance = (double)rank_covariance(rows, ranks + i * n, ranks + j * n);
            double r = covariance / matrix[i * k + i] / matrix[j * k + j];
            r = r > 1 ? 1 : r < -1 ? -1 : r;
            matrix[i * k + j] = matrix[j * k + i] = r;
        }
    for (size_t i = 0; i < k && status == WP_OK; i++)
        matrix[i * k + i] = matrix[i * k + i] > 0 ? 1 : NAN;
    if (variance != NULL && status == WP_OK && matrix[0] == 1 && matrix[3] == 1)
        status = wp_rank_spread(rows, ranks, ranks + n, matrix[1], variance, run, err);
    wp_free(ranks);
    return status;
}

/* Counts permutations of y[k..] with a product sum at most / at least `observed`. */
typedef struct enumeration {
    const uint64_t *x;
    uint64_t y[9], observed;
    size_t n;
    double lower, greater, all;
} enumeration;

static void enumerate(enumeration *e, size_t k, uint64_t sum)
{
    if (k == e->n) {
        e->all++;
        e->lower += sum <= e->observed;
        e->greater += sum >= e->observed;
        return;
    }
    for (size_t i = k; i < e->n; i++) {
        uint64_t chosen = e->y[i];
        e->y[i] = e->y[k];
        e->y[k] = chosen;
        enumerate(e, k + 1, sum + e->x[k] * chosen);
        e->y[k] = e->y[i];
        e->y[i] = chosen;
    }
}

/* Ranks of at most 9 distinct numbers by counting; false when two are equal. */
static bool few_ranks(const double *numbers, size_t n, uint64_t *ranks)
{
    for (size_t i = 0; i < n; i++) {
        ranks[i] = 1;
        for (size_t j = 0; j < n; j++) {
            if (i != j && numbers[i] == numbers[j])
                return false;
            ranks[i] += numbers[j] < numbers[i];
        }
    }
    return true;
}

bool wp_spearman_exact(const wp_rows *rows, double *p_lower, double *p_greater)
{
    double x[9], y[9];
    uint64_t ranks[9];
    enumeration e = {.x = ranks};
    if (rows->used < 2 || rows->used > 9 || rows->weight != (int64_t)rows->used)
        return false;
    for (size_t row = 0; row < rows->rows_count; row++)
        if (wp_row_counts(rows, row)) {
            x[e.n] = rows->columns[0][row];
            y[e.n++] = rows->columns[1][row];
        }
    if (!few_ranks(x, e.n, ranks) || !few_ranks(y, e.n, e.y))
        return false;
    for (size_t i = 0; i < e.n; i++)
        e.observed += ranks[i] * e.y[i];
    enumerate(&e, 0, 0);
    *p_lower = e.lower / e.all;
    *p_greater = e.greater / e.all;
    return true;
}

/* --- Kendall --- */

/* A Fenwick tree over the mid-ranks of y, which are below 2^33 but few: places are group numbers.
 */
static void tree_add(uint64_t *tree, size_t size, size_t place, uint64_t weight)
{
    for (; place <= size; place += place & (0 - place))
        tree[place] += weight;
}

static uint64_t tree_sum(const uint64_t *tree, size_t place)
{
    uint64_t sum = 0;
    for (; place > 0; place -= place & (0 - place))
        sum += tree[place];
    return sum;
}

/* S = sum over pairs of sign(dx) sign(dy). Groups of equal x are looked up before any of them is
** added, so that ties in x count for nothing. places[row]: 1-based number of y's group. */
static wp_swide concordance(const wp_rows *rows, const wp_item *by_x, const size_t *places,
                            uint64_t *tree, size_t size)
{
    wp_swide score = 0;
    uint64_t before = 0, weight;
    for (size_t start = 0, end; start < rows->used; start = end) {
        end = group_end(rows, by_x, start, &weight);
        for (size_t i = start; i < end; i++) {
            size_t row = by_x[i].tag, place = places[row];
            wp_swide below = tree_sum(tree, place - 1), above = before - tree_sum(tree, place);
            score += (wp_swide)wp_row_weight(rows, row) * (below - above);
        }
        for (size_t i = start; i < end; i++)
            tree_add(tree, size, places[by_x[i].tag], wp_row_weight(rows, by_x[i].tag));
        before += weight;
    }
    return score;
}

/* P(S <= s) and P(S >= s) for n distinct numbers: the number of inversions of a random permutation,
** built one element at a time. n < 50, so at most 1226 states. */
static void kendall_exact(size_t n, double score, double *p_lower, double *p_greater)
{
    double chance[1226] = {1}, next[1226];
    size_t most = 0;
    for (size_t m = 2; m <= n; m++) {
        double window = 0;
        for (size_t k = 0; k <= most + m - 1; k++) {
            window += k <= most ? chance[k] : 0;
            window -= k >= m ? chance[k - m] : 0;
            next[k] = window / (double)m;
        }
        most += m - 1;
        memcpy(chance, next, (most + 1) * sizeof *chance);
    }
    size_t concordant = (size_t)(((double)most + score) / 2 + 0.5);
    *p_lower = *p_greater = 0;
    for (size_t k = 0; k <= most; k++) {
        *p_lower += k <= concordant ? chance[k] : 0;
        *p_greater += k >= concordant ? chance[k] : 0;
    }
}

/* Variance of S under independence with ties (Kendall 1970, chapter 4). */
static double kendall_variance(double n, const wp_ties *x, const wp_ties *y)
{
    double full = n * (n - 1) * (2 * n + 5);
    /* sum t (t-1) (2t+5) = 2 (t^3 - t) + 3 t (t-1) */
    double in_x = 2 * (double)x->cubes + 6 * (double)x->pairs;
    double in_y = 2 * (double)y->cubes + 6 * (double)y->pairs;
    double variance = (full - in_x - in_y) / 18;
    variance += 2 * (double)x->pairs * (double)y->pairs / (n * (n - 1));
    if (n > 2)
        variance += (double)x->triples * (double)y->triples / (9 * n * (n - 1) * (n - 2));
    return variance;
}

static void kendall_results(double n, wp_swide score, const wp_ties *x, const wp_ties *y,
                            wp_kendall *out)
{
    wp_wide pairs = (wp_wide)n * (wp_wide)(n - 1) / 2;
    double variance = kendall_variance(n, x, y);
    *out = (wp_kendall){NAN, NAN, (double)score, NAN, NAN};
    if (n >= 2 && x->pairs < pairs && y->pairs < pairs) {
        out->tau =
            (double)score / sqrt((double)(pairs - x->pairs)) / sqrt((double)(pairs - y->pairs));
        out->tau = out->tau > 1 ? 1 : out->tau < -1 ? -1 : out->tau;
        out->z = (double)score / sqrt(variance);
    }
    if (n >= 2 && n < 50 && x->pairs == 0 && y->pairs == 0)
        kendall_exact((size_t)n, (double)score, &out->p_lower, &out->p_greater);
}

wp_status wp_kendall_tau(const wp_rows *rows, wp_kendall *out, const wp_run *run, wp_error *err)
{
    wp_ties x = {0}, y = {0};
    wp_item *items = NULL;
    size_t places_count = rows->rows_count + 1;
    size_t *places = wp_alloc_array(places_count, sizeof *places);
    uint64_t *tree = wp_alloc_array_zero(places_count, sizeof *tree);
    wp_status status = WP_OK;
    if (places == NULL || tree == NULL) {
        status = wp_fail_memory(err, places_count * 16);
        goto done;
    }
    uint64_t *ranks = tree; /* borrowed while the ties are counted, cleared below */
    if ((status = wp_midranks(rows, 0, ranks, &x, run, err)) != WP_OK ||
        (status = wp_midranks(rows, 1, ranks, &y, run, err)) != WP_OK ||
        (status = sorted_items(rows, 1, &items, run, err)) != WP_OK)
        goto done;
    for (size_t i = 0, place = 0; i < rows->used; i++) {
        place += i == 0 || items[i].key != items[i - 1].key;
        places[items[i].tag] = place;
    }
    wp_free(items);
    items = NULL;
    memset(tree, 0, places_count * sizeof *tree);
    if ((status = sorted_items(rows, 0, &items, run, err)) != WP_OK)
        goto done;
    wp_swide score = concordance(rows, items, places, tree, y.distinct);
    kendall_results((double)rows->weight, score, &x, &y, out);
done:
    wp_free(items);
    wp_free(places);
    wp_free(tree);
    return status;
}

/* --- Sums and quantiles --- */

/* Adds a b to (sum, carry) without losing the low part (Neumaier with an exact product). */
static void add_product(double *sum, double *carry, double a, double b)
{
    double product = a * b, low = fma(a, b, -product), next = *sum + product;
    *carry += fabs(*sum) >= fabs(product) ? (*sum - next) + product : (product - next) + *sum;
    *carry += low;
    *sum = next;
}

wp_status wp_rank_products(const wp_rows *rows, double *products, double *total, const wp_run *run,
                           wp_error *err)
{
    uint64_t *ranks = wp_alloc_array(rows->rows_count, sizeof *ranks);
    if (ranks == NULL)
        return wp_fail_memory(err, rows->rows_count * sizeof *ranks);
    wp_status status = wp_midranks(rows, 0, ranks, NULL, run, err);
    double sum = 0, sum_carry = 0, all = 0, all_carry = 0;
    for (size_t row = 0; row < rows->rows_count && status == WP_OK; row++) {
        if (!wp_row_counts(rows, row))
            continue;
        double weight = (double)wp_row_weight(rows, row), y = rows->columns[1][row];
        add_product(&sum, &sum_carry, weight * (double)ranks[row], y);
        add_product(&all, &all_carry, weight, y);
    }
    wp_free(ranks);
    *products = sum + sum_carry;
    *total = all + all_carry;
    return status;
}

wp_status wp_quantiles(const wp_rows *rows, const double *levels, size_t levels_count,
                       double *quantiles, const wp_run *run, wp_error *err)
{
    wp_item *items;
    WP_TRY(sorted_items(rows, 0, &items, run, err));
    uint64_t *ends = wp_alloc_array(rows->used, sizeof *ends); /* cumulative weight */
    if (ends == NULL) {
        wp_free(items);
        return wp_fail_memory(err, rows->used * sizeof *ends);
    }
    for (size_t i = 0; i < rows->used; i++)
        ends[i] = (i == 0 ? 0 : ends[i - 1]) + wp_row_weight(rows, items[i].tag);
    for (size_t k = 0; k < levels_count; k++) {
        double place = (double)(rows->weight - 1) * levels[k], whole = floor(place);
        size_t low = 0, high = rows->used; /* first item whose cumulative weight exceeds `whole` */
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if ((double)ends[middle] > whole)
                high = middle;
            else
                low = middle + 1;
        }
        if (rows->used == 0) {
            quantiles[k] = NAN;
            continue;
        }
        double at = wp_order_number(items[low].key), share = place - whole;
        size_t after = (double)ends[low] > whole + 1 || low + 1 == rows->used ? low : low + 1;
        double next = wp_order_number(items[after].key);
        quantiles[k] = share > 0 && next != at ? (1 - share) * at + share * next : at;
    }
    wp_free(ends);
    wp_free(items);
    return WP_OK;
}
