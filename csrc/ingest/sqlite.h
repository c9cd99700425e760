/* Reading events from an SQLite database: a table, a view or a query.
**
** The database is opened read-only and never written: no journal, and no -wal or -shm file unless
** another process left a log that must be read. A table with rowids is cut into ranges of rowids
** that are read over several connections, all in the same snapshot; everything else is read over
** one. Rows come in rowid order (table) or in the order of the query, and that order breaks ties.
** Cost: what SQLite needs to scan, plus the builder's work per row; memory is that of the builder.
*/
#ifndef WP_INGEST_SQLITE_H
#define WP_INGEST_SQLITE_H

#include "ingest/source.h"

/* Where the rows are. */
typedef struct wp_sqlite_source {
    const char *path;
    const char *table; /* a table or view; NULL when query is set */
    const char *query; /* one SELECT */
} wp_sqlite_source;

/* Adds all events. Batches take places from `place` on, at most 2^32. *rows_left is how many rows
** may still be read (UINT64_MAX: all) and is lowered by those that were. */
WP_NODISCARD wp_status wp_sqlite_read_events(const wp_sqlite_source *from, const wp_source *source,
                                             uint64_t place, uint64_t *rows_left, wp_build *build,
                                             const wp_run *run, wp_error *err);

struct wp_users;
/* Feeds every row of a users table; see users.h. */
WP_NODISCARD wp_status wp_sqlite_read_users(const wp_sqlite_source *from, struct wp_users *users,
                                            const wp_run *run, wp_error *err);

#endif
