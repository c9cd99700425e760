/* Correlations of many columns, and what is left of two of them, in one pass over the rows. */
#ifndef WP_STATS_CORRELATION_H
#define WP_STATS_CORRELATION_H

#include "base/error.h"
#include "base/pool.h"
#include "stats/column.h"

#include <stddef.h>

/* out[i * count + j] for i = first .. count-1, j = 0 .. i: the correlation of columns i and j, with
** given means and standard deviations (divisor rows - 1); 0 where one of them is 0. No number is
** missing. Other places of out are left in no particular state. Cost: O(rows (count - first)
** count). */
WP_NODISCARD wp_status wp_correlations(const wp_column *columns, size_t count, size_t first,
                                       size_t rows, const double *means, const double *sds,
                                       double *out, const wp_run *run, wp_error *err);
/* The same for all columns over the rows where `keep` (0/1) is 1, and at least one is: means and
** sds are those of all rows, and become those of the kept ones. */
WP_NODISCARD wp_status wp_correlations_kept(const wp_column *columns, size_t count, size_t rows,
                                            const wp_column *keep, double *means, double *sds,
                                            double *out, const wp_run *run, wp_error *err);

/* What a 0/1 column `x` says about a 0/1 column `y` beyond others, for errors of a difference in
** rates: own = x less its fit on the others, rest = y less its, both linear in all columns. */
typedef struct wp_contrast_input {
    const wp_column *columns;         /* columns_count of them, `rows` rows; none missing */
    size_t columns_count, rows, x, y; /* x, y: their places */
    const wp_column *keep;            /* 0/1, the rows that count; NULL: all */
    const double *means;
    const double *own, *rest; /* factors of the columns less their means */
    double difference;
} wp_contrast_input;

typedef struct wp_contrast {
    double squares;  /* sum of own^2 */
    double robust;   /* sum of own^2 (rest - own difference)^2 */
    double expected; /* sum of x p, where p is y - rest kept within 0 and 1 */
    double variance; /* sum of p (1 - p) */
    double binomial; /* sum of own^2 p (1 - p) */
} wp_contrast;

/* One pass over the rows. Parallel. */
WP_NODISCARD wp_status wp_contrast_make(const wp_contrast_input *input, wp_contrast *out,
                                        const wp_run *run, wp_error *err);

#endif
