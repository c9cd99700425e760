/* Ranks of a column and what is built from ranks alone.
**
** Every function takes columns of doubles of one length, NaN = missing, and an optional column of
** case weights: whole numbers >= 0, the number of users that the row stands for (NULL: 1 each).
** Rows with a missing number or weight 0 count for nothing. Sums of ranks are kept as exact 128-bit
** integers of doubled mid-ranks, so results do not depend on row order, on threads, or on whether
** equal rows were grouped into weighted ones. Total weight is at most 2^31 - 1 (WP_LIMIT). */
#ifndef WP_STATS_RANK_H
#define WP_STATS_RANK_H

#include "base/error.h"
#include "base/pool.h"
#include "stats/sort.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WP_WEIGHT_MAX INT64_C(2147483647)

__extension__ typedef unsigned __int128 wp_wide;
__extension__ typedef __int128 wp_swide;

/* The rows of some columns that count: none missing, weight above 0. */
typedef struct wp_rows {
    const double *const *columns;
    size_t columns_count, rows_count;
    const double *weights; /* or NULL */
    size_t used;           /* rows that count */
    int64_t weight;        /* their total weight */
    int64_t missing;       /* weight of the rows left out because a number is missing */
} wp_rows;

/* Checks the weights and counts; `name` is the word for the caller's error messages. */
WP_NODISCARD wp_status wp_rows_init(wp_rows *rows, const double *const *columns,
                                    size_t columns_count, size_t rows_count, const double *weights,
                                    wp_error *err);

static inline bool wp_row_counts(const wp_rows *rows, size_t row)
{
    if (rows->weights != NULL && !(rows->weights[row] > 0))
        return false;
    for (size_t i = 0; i < rows->columns_count; i++)
        if (rows->columns[i][row] != rows->columns[i][row])
            return false;
    return true;
}

static inline uint64_t wp_row_weight(const wp_rows *rows, size_t row)
{
    return rows->weights == NULL ? 1 : (uint64_t)rows->weights[row];
}

/* Doubled mid-ranks (2 * rank, whole numbers) of one column over the rows that count; other rows
** get 0. `ties` (may be NULL) gets the sum of t^3 - t, `ties2` of t (t - 1) (t - 2), `pairs` of
** t (t - 1) / 2 over groups of equal numbers. */
typedef struct wp_ties {
    wp_wide cubes, triples, pairs;
    size_t distinct;
} wp_ties;
WP_NODISCARD wp_status wp_midranks(const wp_rows *rows, size_t column, uint64_t *ranks,
                                   wp_ties *ties, const wp_run *run, wp_error *err);

/* Pearson correlation of mid-ranks, columns_count^2 numbers; NaN where a column is constant. Of two
** columns that vary, *variance (may be NULL) gets what wp_rank_spread says. */
WP_NODISCARD wp_status wp_rank_correlation(const wp_rows *rows, double *matrix, double *variance,
                                           const wp_run *run, wp_error *err);

/* Kendall's tau-b of columns 0 and 1. */
typedef struct wp_kendall {
    double tau;     /* NaN when a column is constant */
    double z;       /* S over its standard error under independence, ties included */
    double score;   /* S: concordant minus discordant pairs */
    double p_lower; /* exact P(S <= s) and P(S >= s); NaN unless n < 50 without ties */
    double p_greater;
} wp_kendall;
WP_NODISCARD wp_status wp_kendall_tau(const wp_rows *rows, wp_kendall *out, const wp_run *run,
                                      wp_error *err);

/* Exact P(rho <= r) and P(rho >= r) of Spearman's rho of columns 0 and 1 under independence, by
** enumeration; false when there are more than 9 users, fewer than 2, or ties. */
bool wp_spearman_exact(const wp_rows *rows, double *p_lower, double *p_greater);

/* Sum over rows of weight * doubled mid-rank of column 0 * (column 1), and of weight * column 1. */
WP_NODISCARD wp_status wp_rank_products(const wp_rows *rows, double *products, double *total,
                                        const wp_run *run, wp_error *err);

/* Quantiles (type 7: linear between order statistics of the expanded sample) of column 0. */
WP_NODISCARD wp_status wp_quantiles(const wp_rows *rows, const double *levels, size_t levels_count,
                                    double *quantiles, const wp_run *run, wp_error *err);

#endif
