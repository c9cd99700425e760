/* Inside the join: what its two halves, users and rows, share. Private to ingest/. */
#ifndef WP_INGEST_JOIN_INTERNAL_H
#define WP_INGEST_JOIN_INTERNAL_H

#include "ingest/batch_internal.h"
#include "store/build.h"

struct wp__partition_users;

typedef struct wp__join {
    wp_build *build;
    wp_columns *columns;
    struct wp__partition_users *partitions;
    wp_intern
        *tables; /* per worker, of the partition at hand; NULL: every partition keeps its own */
    unsigned tables_count;
    uint32_t *first_users; /* per batch: number of the first user that appears first there */
    wp_order *orders;
    wp_sparse *sparse; /* per number column; no rows: the column is dense */
    wp_intern *values; /* per text column, then one for event names */
} wp__join;

/* Numbers all users, fills in row_starts, user_ids and all columns per user, and says in each batch
** where its runs of rows go (wp_batch_user.place). */
WP_NODISCARD wp_status wp__join_users(wp__join *work, const wp_run *run, wp_error *err);
void wp__join_users_reset(wp__join *work); /* frees what that needed */

#endif
