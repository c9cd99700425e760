/* Rows of coded columns with an outcome of 0 or 1, those that are alike as one row with a weight:
** an exact rewriting of whatever only counts rows. */
#ifndef WP_STATS_ALIKE_H
#define WP_STATS_ALIKE_H

#include "base/error.h"
#include "base/pool.h"
#include "stats/column.h"

#include <stddef.h>

typedef struct wp_alike {
    double *numbers, *y, *weights; /* y and weights are parts of numbers */
    wp_column *columns;            /* plain, as many as were given */
    size_t rows;
} wp_alike;

/* rows is 0, and nothing is held, after a failure and where grouping does not pay or cannot be
** done: a column that is not coded, too many different rows, an outcome that is neither 0 nor 1. */
WP_NODISCARD wp_status wp_alike_make(wp_alike *out, const wp_column *columns, size_t columns_count,
                                     size_t rows_count, const double *y, const wp_run *run,
                                     wp_error *err);
void wp_alike_free(wp_alike *alike);

#endif
