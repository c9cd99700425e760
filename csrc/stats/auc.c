/* AUC and DeLong's variance: see auc.h for the formulas.
**
** The fold below sees each distinct score once, with the number of positives p and negatives q that
** have it, and keeps integer sums of doubled placements: c = 2 (negatives below) + q of a positive,
** e = 2 (positives below) + p of a negative. Invariant: sums are exact (below 2^127 for total
** weights below 2^31), so the result is one rounding away from the truth whatever the row order.
** Cost: a counting pass when scores are few whole numbers, otherwise one sort; the parts of the
** sort are folded in parallel and joined. */
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

/* Joins the fold of the scores above all that f has seen: their placements rise by what is below
** them, (c + b)^2 = c^2 + 2 b c + b^2. */
static void fold_join(fold *f, const fold *above)
{
    wp_wide b0 = 2 * (wp_wide)f->below0, b1 = 2 * (wp_wide)f->below1;
    if (above->distinct == 0)
        return;
    f->c += above->c + b0 * above->below1;
    f->cc += above->cc + 2 * b0 * above->c + b0 * b0 * above->below1;
    f->e += above->e + b1 * above->below0;
    f->ee += above->ee + 2 * b1 * above->e + b1 * b1 * above->below0;
    f->cubes += above->cubes;
    f->below1 += above->below1;
    f->below0 += above->below0;
    f->last1 = above->last1;
    f->last0 = above->last0;
    f->distinct += above->distinct;
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

/* --- Sorting --- */

enum { FILL_ROWS = 16384 };

typedef struct sort_job {
    const wp_rows *rows;
    wp_item *items; /* tag: twice the weight, plus the label */
    wp_sort_parts parts;
    fold folds[WP_SORT_PARTS];
} sort_job;

static void fill_items(const wp_rows *rows, size_t first, size_t last, wp_item *items)
{
    for (size_t row = first; row < last; row++)
        if (wp_row_counts(rows, row))
            *items++ = (wp_item){wp_order_key(rows->columns[0][row]),
                                 2 * wp_row_weight(rows, row) + (rows->columns[1][row] != 0)};
}

/* Where all rows count, each knows its place. */
static wp_status fill_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const sort_job *job = context;
    size_t first = chunk * FILL_ROWS, last = first + FILL_ROWS;
    fill_items(job->rows, first, last < job->rows->rows_count ? last : job->rows->rows_count,
               job->items + first);
    return WP_OK;
}

static wp_status fold_part(void *context, size_t part, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    sort_job *job = context;
    const wp_item *items = job->items;
    size_t end = job->parts.starts[part + 1];
    fold f = {0};
    for (size_t i = job->parts.starts[part]; i < end;) {
        uint64_t by_label[2] = {0, 0}, key = items[i].key;
        for (; i < end && items[i].key == key; i++)
            by_label[items[i].tag & 1] += items[i].tag >> 1;
        fold_group(&f, by_label[1], by_label[0]);
    }
    job->folds[part] = f;
    return WP_OK;
}

static wp_status sort_and_fold(sort_job *job, const wp_run *run, wp_error *err)
{
    size_t count = job->rows->rows_count;
    if (job->rows->used == count)
        WP_TRY(wp_pool_run(run, (count + FILL_ROWS - 1) / FILL_ROWS, fill_chunk, job, err));
    else
        fill_items(job->rows, 0, count, job->items);
    WP_TRY(wp_items_sort(job->items, job->rows->used, &job->parts, run, err));
    return wp_pool_run(run, job->parts.count, fold_part, job, err);
}

static wp_status fold_by_sorting(const wp_rows *rows, const wp_run *run, fold *f, wp_error *err)
{
    sort_job *job = wp_alloc(sizeof *job);
    if (job == NULL)
        return wp_fail_memory(err, sizeof *job);
    job->rows = rows;
    job->items = wp_alloc_array(rows->used, sizeof *job->items);
    wp_status status = job->items == NULL ? wp_fail_memory(err, rows->used * sizeof *job->items)
                                          : sort_and_fold(job, run, err);
    for (size_t part = 0; status == WP_OK && part < job->parts.count; part++)
        fold_join(f, &job->folds[part]);
    wp_free(job->items);
    wp_free(job);
    return status;
}

static wp_status check_labels(const double *labels, size_t rows_count, wp_error *err)
{
    size_t others = 0; /* without a branch: labels are hard to guess */
    for (size_t row = 0; row < rows_count; row++)
        others += (labels[row] != 0) & (labels[row] != 1);
    for (size_t row = 0; others > 0 && row < rows_count; row++)
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
    wp_item *items = wp_alloc_array(rows->used, sizeof *items);
    if (items == NULL)
        return wp_fail_memory(err, rows->used * sizeof *items);
    size_t count = 0;
    for (size_t row = 0; row < rows->rows_count; row++)
        if (wp_row_counts(rows, row))
            items[count++] = (wp_item){wp_order_key(rows->columns[column][row]), row};
    wp_status status = wp_items_sort(items, count, NULL, run, err);
    for (size_t start = 0, end = 0; start < count && status == WP_OK; start = end) {
        uint64_t by_label[2] = {0, 0};
        for (; end < count && items[end].key == items[start].key; end++)
            by_label[labels[items[end].tag] != 0] += wp_row_weight(rows, items[end].tag);
        for (size_t i = start; i < end; i++)
            places[items[i].tag] = labels[items[i].tag] != 0 ? 2 * f->below0 + by_label[0]
                                                             : 2 * f->below1 + by_label[1];
        fold_group(f, by_label[1], by_label[0]);
    }
    wp_free(items);
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
