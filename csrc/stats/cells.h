/* Cells: the distinct tuples of some columns, with how many rows (or how much weight) each has.
**
** Canonical order: ascending by the first column, then the second, ...; missing first. The order
** depends on values only, never on the order of rows: what is computed from cells has the same
** bits for every engine and any number of threads.
** Method: each column becomes codes (place among its distinct numbers), codes are packed into one
** 64-bit key, keys become codes again. Linear for few distinct values, a radix sort otherwise. */
#ifndef WP_STATS_CELLS_H
#define WP_STATS_CELLS_H

#include "stats/vector.h"

typedef struct wp_cells {
    size_t count; /* cells */
    size_t columns_count;
    size_t rows_count;
    double **columns; /* columns_count arrays of `count` numbers */
    double *weights;  /* count: sum of row weights, exact for integers below 2^53 */
    uint32_t *index;  /* rows_count: the cell of each row, 0-based */
} wp_cells;

/* weights may be NULL (one per row). rows_count < 2^32. */
WP_NODISCARD wp_status wp_cells_make(wp_cells *cells, const double *const *columns,
                                     size_t columns_count, size_t rows_count, const double *weights,
                                     const wp_run *run, wp_error *err);
void wp_cells_free(wp_cells *cells);

/* Distinct keys in ascending order and the place of each key among them. codes has count places,
** *distinct is allocated (wp_free). Shared by wp_factor_make and wp_cells_make. */
WP_NODISCARD wp_status wp__keys_encode(const uint64_t *keys, size_t count, uint32_t *codes,
                                       uint64_t **distinct, size_t *distinct_count, wp_error *err);

#endif
