/* Dose and response: see dose.h. Rows are visited in their own order, so sums do not depend on
** threads; cost is one sort and two scans. */
#include "stats/dose.h"

#include "base/memory.h"

#include <math.h>

static size_t group_of(uint64_t doubled_rank, size_t groups_count, int64_t n)
{
    /* G (r - 1/2) / n with r = doubled / 2, in whole numbers. */
    size_t group = (size_t)(groups_count * (doubled_rank - 1) / (2 * (uint64_t)n));
    return group < groups_count ? group : groups_count - 1;
}

/* Neumaier's compensated sum; the carry is kept beside. */
static void add(double *sum, double *carry, double x)
{
    double next = *sum + x;
    *carry += fabs(*sum) >= fabs(x) ? (*sum - next) + x : (x - next) + *sum;
    *sum = next;
}

static void add_rows(const wp_rows *rows, const uint64_t *ranks, size_t groups_count,
                     wp_dose_group *groups, bool *binary)
{
    double carry[WP_DOSE_GROUPS_MAX] = {0};
    *binary = true;
    for (size_t row = 0; row < rows->rows_count; row++) {
        if (ranks[row] == 0)
            continue;
        size_t k = group_of(ranks[row], groups_count, rows->weight);
        double score = rows->columns[0][row], y = rows->columns[1][row];
        wp_dose_group *group = &groups[k];
        *binary = *binary && (y == 0 || y == 1);
        group->from = group->weight == 0 || score < group->from ? score : group->from;
        group->to = group->weight == 0 || score > group->to ? score : group->to;
        group->weight += (int64_t)wp_row_weight(rows, row);
        add(&group->sum, &carry[k], y * (double)wp_row_weight(rows, row));
    }
    for (size_t k = 0; k < groups_count; k++)
        groups[k].sum += carry[k];
}

wp_status wp_dose_table(const wp_rows *rows, size_t groups_count, wp_dose_group *groups,
                        bool *binary, const wp_run *run, wp_error *err)
{
    uint64_t *ranks = wp_alloc_array(rows->rows_count, sizeof *ranks);
    if (ranks == NULL)
        return wp_fail_memory(err, rows->rows_count * sizeof *ranks);
    wp_status status = wp_midranks(rows, 0, ranks, NULL, run, err);
    if (status == WP_OK) {
        memset(groups, 0, groups_count * sizeof *groups);
        add_rows(rows, ranks, groups_count, groups, binary);
        for (size_t row = 0; row < rows->rows_count; row++) {
            if (ranks[row] == 0)
                continue;
            wp_dose_group *group = &groups[group_of(ranks[row], groups_count, rows->weight)];
            double distance = rows->columns[1][row] - group->sum / (double)group->weight;
            double square = (double)wp_row_weight(rows, row) * distance * distance;
            group->squares += square;
            group->cubes += square * distance;
        }
    }
    wp_free(ranks);
    return status;
}

/* --- Isotonic --- */

typedef struct block {
    double sum, weight;
    size_t count;
} block;

wp_status wp_isotonic_fit(const double *y, const double *weights, size_t count, double *fitted,
                          wp_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(y[i]))
            return wp_fail(err, WP_INVALID, "y %zu: it is missing or not finite", i + 1);
        if (weights != NULL && !(weights[i] > 0 && isfinite(weights[i])))
            return wp_fail(err, WP_INVALID, "w %zu: found %g (expected a number above 0)", i + 1,
                           weights[i]);
    }
    block *blocks = wp_alloc_array(count, sizeof *blocks);
    if (blocks == NULL)
        return wp_fail_memory(err, count * sizeof *blocks);
    size_t top = 0; /* blocks in use; their means rise strictly */
    for (size_t i = 0; i < count; i++) {
        double weight = weights == NULL ? 1 : weights[i];
        block now = {y[i] * weight, weight, 1};
        while (top > 0 && blocks[top - 1].sum * now.weight >= now.sum * blocks[top - 1].weight) {
            top--;
            now.sum += blocks[top].sum;
            now.weight += blocks[top].weight;
            now.count += blocks[top].count;
        }
        blocks[top++] = now;
    }
    for (size_t b = 0, i = 0; b < top; b++)
        for (size_t end = i + blocks[b].count; i < end; i++)
            fitted[i] = blocks[b].sum / blocks[b].weight;
    wp_free(blocks);
    return WP_OK;
}
