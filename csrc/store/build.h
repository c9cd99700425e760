/* From columns that are grouped by user to a complete log: sort, pack, fingerprint.
**
** Used by every reader and by the store after it has filled a wp_columns. */
#ifndef WP_STORE_BUILD_H
#define WP_STORE_BUILD_H

#include "store/log.h"

/* What breaks ties of equal time: by whole, then by fraction (in 2^-32). Missing sorts first. */
typedef struct wp_order {
    int64_t whole;
    uint32_t fraction;
} wp_order;
#define WP_ORDER_MISSING ((wp_order){INT64_MIN, 0})

/* Of a packed number column that is not complete yet: the row of each packed number, ascending. A
** dense column has no rows. */
typedef struct wp_sparse {
    uint32_t *rows;
    uint32_t count;
} wp_sparse;

/* Completes columns whose rows are grouped by user, each user's rows in source order: sorts each
** user's rows by (time, order, source row) and fills in bytes_size and fingerprint. `orders` has
** one entry per row and is permuted; NULL: row order. `sparse` has one entry per number column; its
** rows follow the numbers. */
WP_NODISCARD wp_status wp_columns_complete(wp_columns *columns, wp_order *orders,
                                           const wp_sparse *sparse, const wp_run *run,
                                           wp_error *err);

/* Counts the bits of a packed column's `present` into its `rank`. */
void wp_numbers_rank(wp_numbers *numbers, size_t rows_count);

/* What wp_columns_complete stores as fingerprint, of columns that are complete. */
WP_NODISCARD wp_status wp_columns_fingerprint(const wp_columns *columns, const wp_run *run,
                                              uint64_t *fingerprint, wp_error *err);
/* Memory held by what is there. */
int64_t wp_columns_size(const wp_columns *columns);

/* Packs one column in place when fewer than half of its rows have a number. */
WP_NODISCARD wp_status wp_numbers_pack(wp_numbers *numbers, size_t rows_count, wp_error *err);

#endif
