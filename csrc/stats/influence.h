/* Sums over what every row adds to an estimate of a fit: the row's place along that estimate's row
** of the inverse information, times its residual (the infinitesimal jackknife). Its rows are worked
** out where they are summed up, so that nothing as long as the data is made. */
#ifndef WP_STATS_INFLUENCE_H
#define WP_STATS_INFLUENCE_H

#include "base/pool.h"
#include "stats/column.h"

typedef struct wp_influences {
    const wp_column *columns;
    size_t columns_count, rows;
    const double *residuals;
    /* Of the two estimates: the intercept's factor, then one per column. */
    const double *left, *right;
} wp_influences;

/* *product = the sum of left times right, the covariance of the two estimates; *fourths = that of
** left to the fourth power. The same bits for any number of threads. Linear in rows times columns.
*/
WP_NODISCARD wp_status wp_influences_sum(const wp_influences *of, double *product, double *fourths,
                                         const wp_run *run, wp_error *err);

#endif
