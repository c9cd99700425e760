/* AUC and DeLong's variance: see auc.h for the formulas.
**
** The fold below sees each distinct score once, with the number of positives p and negatives q that
** have it, and keeps integer sums of doubled placements: c = 2 (negatives below) + q of a positive,
** e = 2 (positives below) + p of a negative. Invariant: sums are exact (below 2^127 for total
** weights below 2^31), so the result is one rounding away from the truth whatever the row order.
** Cost: a counting pass when scores are few whole numbers, otherwise one radix sort. */
#include "stats/auc.h"

#include "base/memory.h"

#include <math.h>

typedef struct fold {
    uint64_t below1, below0; /* weight of positives and negatives with a smaller score */
    wp_wide c, cc, e, ee, cubes;
    uint64_t last1, last0;
    size_t distinct;
} fold;

static void fold_group(fold *f, uint64_t p, uint64_t q)
{
    wp_wide c = 2 * f->below0 + q, e = 2 * f->below1 + p, t = p + q;
    f->c += p * c;
    f->cc += p * c * c;
    f->e += q * e;
    f->ee += q * e * e;
    f->cubes += t * t * t - t;
    f->below1 += p;
    f->below0 += q;
    f->last1 = p;
    f->last0 = q;
    f->distinct++;
}

/* Sample variance of placements that are doubled[i] / (2 m), n of them. */
static double placement_variance(wp_wide sum, wp_wide squares, uint64_t n, uint64_t m)
{
    double spread = (double)(n * squares - sum * sum);
    return spread / ((double)n * (double)(n - 1)) / (4 * (double)m * (double)m);
}

static void fold_results(const fold *f, wp_auc *out)
{
    uint64_t n1 = f->below1, n0 = f->below0;
    out->n1 = (int64_t)n1;
    out->n0 = (int64_t)n0;
    out->distinct = f->distinct;
    out->high1 = f->distinct == 2 ? (int64_t)f->last1 : 0;
    out->high0 = f->distinct == 2 ? (int64_t)f->last0 : 0;
    out->estimate = out->variance = out->null_variance = NAN;
    if (n1 == 0 || n0 == 0)
        return;
    double product = (double)n1 * (double)n0, n = (double)(n1 + n0);
    out->estimate = (double)f->c / (2 * product);
    if (n1 + n0 > 2)
        out->null_variance = (n + 1 - (double)f->cubes / (n * (n - 1))) / (12 * product);
    else
        out->null_variance = f->distinct == 1 ? 0 : 0.25;
    if (out->null_variance < 0 || f->distinct == 1)
        out->null_variance = 0;
    if (n1 < 2 || n0 < 2)
        return;
    out->variance = placement_variance(f->c, f->cc, n1, n0) / (double)n1 +
                    placement_variance(f->e, f->ee, n0, n1) / (double)n0;
}

/* --- Counting: scores that are whole numbers in a small range --- */

#define COUNTS_MAX 65536

/* True when every score that counts is a whole number and the range is small. */
static bool countable(const wp_rows *rows, double *low, size_t *range)
{
    const double *scores = rows->columns[0];
    double most = -INFINITY;
    *low = INFINITY;
    for (size_t row = 0; row < rows->rows_count; row++) {
        if (!wp_row_counts(rows, row))
            continue;
        double score = scores[row];
        if (!(fabs(score) < 1e15) || score != (double)(int64_t)score)
            return false;
        *low = score < *low ? score : *low;
        most = score > most ? score : most;
    }
    if (!(most - *low < COUNTS_MAX) || most - *low > 16 * (double)rows->used + 256)
        return false;
    *range = (size_t)(most - *low) + 1;
    return true;
}

static wp_status fold_by_counting(const wp_rows *rows, double low, size_t range, fold *f,
                                  wp_error *err)
{
    uint64_t *counts = wp_alloc_array_zero(range, 2 * sizeof *counts);
    if (counts == NULL)
        return wp_fail_memory(err, range * 2 * sizeof *counts);
    for (size_t row = 0; row < rows->rows_count; row++)
        if (wp_row_counts(rows, row)) {
            size_t place = (size_t)(rows->columns[0][row] - low);
            counts[2 * place + (rows->columns[1][row] != 0)] += wp_row_weight(rows, row);
        }
    for (size_t place = 0; place < range; place++)
        if (counts[2 * place] + counts[2 * place + 1] > 0)
            fold_group(f, counts[2 * place + 1], counts[2 * place]);
    wp_free(counts);
    return WP_OK;
}

static wp_status fold_by_sorting(const wp_rows *rows, const wp_run *run, fold *f, wp_error *err)
{
    wp_item *block = wp_alloc_array(rows->used, 2 * sizeof *block);
    if (block == NULL)
        return wp_fail_memory(err, rows->used * 2 * sizeof *block);
    wp_item *items = block, *scratch = block + rows->used;
    size_t count = 0;
    for (size_t row = 0; row < rows->rows_count; row++)
        if (wp_row_counts(rows, row))
            items[count++] = (wp_item){wp_order_key(rows->columns[0][row]),
                                       2 * wp_row_weight(rows, row) + (rows->columns[1][row] != 0)};
    wp_status status = wp_items_sort(&items, &scratch, count, run, err);
    for (size_t i = 0; i < count && status == WP_OK;) {
        uint64_t by_label[2] = {0, 0}, key = items[i].key;
        for (; i < count && items[i].key == key; i++)
            by_label[items[i].tag & 1] += items[i].tag >> 1;
        fold_group(f, by_label[1], by_label[0]);
    }
    wp_free(block);
    return status;
}

static wp_status check_labels(const double *labels, size_t rows_count, wp_error *err)
{
    for (size_t row = 0; row < rows_count; row++)
        if (labels[row] == labels[row] && labels[row] != 0 && labels[row] != 1)
            return wp_fail(err, WP_INVALID, "label %zu: found %g (expected 0 or 1)", row + 1,
                           labels[row]);
    return WP_OK;
}

wp_status wp_auc_delong(const double *scores, const double *labels, const double *weights,
                        size_t rows_count, const wp_run *run, wp_auc *out, wp_error *err)
{
    const double *columns[] = {scores, labels};
    wp_rows rows;
    fold f = {0};
    double low;
    size_t range;
    WP_TRY(check_labels(labels, rows_count, err));
    WP_TRY(wp_rows_init(&rows, columns, 2, rows_count, weights, err));
    if (rows.used > 0 && countable(&rows, &low, &range))
        WP_TRY(fold_by_counting(&rows, low, range, &f, err));
    else
        WP_TRY(fold_by_sorting(&rows, run, &f, err));
    fold_results(&f, out);
    out->missing = rows.missing;
    return WP_OK;
}

/* --- Two scores --- */

/* Doubled placements of every row that counts, among the other class. */
static wp_status placements(const wp_rows *rows, size_t column, uint64_t *places, fold *f,
                            const wp_run *run, wp_error *err)
{
    const double *labels = rows->columns[rows->columns_count - 1];
    wp_item *block = wp_alloc_array(rows->used, 2 * sizeof *block);
    if (block == NULL)
        return wp_fail_memory(err, rows->used * 2 * sizeof *block);
    wp_item *items = block, *scratch = block + rows->used;
    size_t count = 0;
    for (size_t row = 0; row < rows->rows_count; row++)
        if (wp_row_counts(rows, row))
            items[count++] = (wp_item){wp_order_key(rows->columns[column][row]), row};
    wp_status status = wp_items_sort(&items, &scratch, count, run, err);
    for (size_t start = 0, end = 0; start < count && status == WP_OK; start = end) {
        uint64_t by_label[2] = {0, 0};
        for (; end < count && items[end].key == items[start].key; end++)
            by_label[labels[items[end].tag] != 0] += wp_row_weight(rows, items[end].tag);
        for (size_t i = start; i < end; i++)
            places[items[i].tag] = labels[items[i].tag] != 0 ? 2 * f->below0 + by_label[0]
                                                             : 2 * f->below1 + by_label[1];
        fold_group(f, by_label[1], by_label[0]);
    }
    wp_free(block);
    return status;
}

/* Sample covariance, over one class of n, of placements a[i] / (2 m) and b[i] / (2 m). */
static double placement_covariance(wp_wide products, wp_wide sum_a, wp_wide sum_b, uint64_t n,
                                   uint64_t m)
{
    double spread = (double)((wp_swide)(n * products) - (wp_swide)(sum_a * sum_b));
    return spread / ((double)n * (double)(n - 1)) / (4 * (double)m * (double)m);
}

wp_status wp_auc_compare(const double *a, const double *b, const double *labels,
                         const double *weights, size_t rows_count, const wp_run *run,
                         wp_auc_pair *out, wp_error *err)
{
    const double *columns[] = {a, b, labels};
    wp_rows rows;
    fold fold_a = {0}, fold_b = {0};
    WP_TRY(check_labels(labels, rows_count, err));
    WP_TRY(wp_rows_init(&rows, columns, 3, rows_count, weights, err));
    uint64_t *places = wp_alloc_array(rows_count, 2 * sizeof *places);
    if (places == NULL)
        return wp_fail_memory(err, rows_count * 2 * sizeof *places);
    wp_status status = placements(&rows, 0, places, &fold_a, run, err);
    if (status == WP_OK)
        status = placements(&rows, 1, places + rows_count, &fold_b, run, err);
    wp_wide products[2] = {0, 0};
    for (size_t row = 0; row < rows_count && status == WP_OK; row++)
        if (wp_row_counts(&rows, row))
            products[labels[row] != 0] +=
                (wp_wide)places[row] * places[rows_count + row] * wp_row_weight(&rows, row);
    wp_free(places);
    WP_TRY(status);
    fold_results(&fold_a, &out->a);
    fold_results(&fold_b, &out->b);
    out->a.missing = out->b.missing = rows.missing;
    uint64_t n1 = fold_a.below1, n0 = fold_a.below0;
    out->covariance = NAN;
    if (n1 >= 2 && n0 >= 2)
        out->covariance =
            placement_covariance(products[1], fold_a.c, fold_b.c, n1, n0) / (double)n1 +
            placement_covariance(products[0], fold_a.e, fold_b.e, n0, n1) / (double)n0;
    return WP_OK;
}

/* --- Score interval --- */

static double score_variance(double x, double n1, double n0)
{
    double n = (n1 + n0) / 2 - 1;
    return x * (1 - x) * (1 + n * (1 - x) / (2 - x) + n * x / (1 + x)) / (n1 * n0);
}

/* Bisection between the estimate (inside) and 0 or 1 (the far end). */
static double score_limit(double estimate, double n1, double n0, double z, double end)
{
    double inside = estimate, outside = end;
    for (int i = 0; i < 200; i++) {
        double x = inside + (outside - inside) / 2;
        if (x == inside || x == outside)
            break;
        if (fabs(estimate - x) <= z * sqrt(score_variance(x, n1, n0)))
            inside = x;
        else
            outside = x;
    }
    return inside;
}

void wp_auc_score_interval(double estimate, double n1, double n0, double z, double *low,
                           double *high)
{
    *low = score_limit(estimate, n1, n0, z, 0);
    *high = score_limit(estimate, n1, n0, z, 1);
}
