/* What resamples of scores and labels share: the check of their input, and the distinct scores.
**
** Cells ascend by stratum, then by score; the weights of a cell are exact (whole numbers that add
** up to 2^52 at most), so that they depend neither on the order of rows nor on threads. */
#ifndef WP_STATS_SCORE_CELLS_H
#define WP_STATS_SCORE_CELLS_H

#include "stats/resample.h"

typedef struct wp_score_cells {
    size_t count;
    uint32_t *strata; /* number of the stratum, from 0; NULL: all are one */
    double *scores;
    double *weights, *positives; /* of all rows, of those with label 1 */
} wp_score_cells;

/* Weights are whole, labels 0 or 1. */
WP_NODISCARD wp_status wp__resample_check(const wp_resample_input *input, wp_error *err);

/* Within the strata of the input, where it has some. */
WP_NODISCARD wp_status wp_score_cells_make(wp_score_cells *cells, const wp_resample_input *input,
                                           const wp_run *run, wp_error *err);
void wp_score_cells_free(wp_score_cells *cells);

#endif
