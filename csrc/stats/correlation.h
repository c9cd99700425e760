/* Correlations of many columns in one pass over the rows. */
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

#endif
