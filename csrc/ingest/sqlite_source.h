/* Inside the SQLite reader: finding a table or query and opening it for reading. Private to
** ingest/sqlite*.c. */
#ifndef WP_INGEST_SQLITE_SOURCE_H
#define WP_INGEST_SQLITE_SOURCE_H

#include "ingest/cell.h"
#include "ingest/sqlite.h"

#include <sqlite3.h>

/* The aggregate function that readers of ranges define on their connection. SQLite hands it the
** values of a row in the middle of its own loop: a third cheaper than stepping from row to row and
** asking for each column. */
#define WP__SQLITE_FOLD         "wayproof_take"
#define WP__SQLITE_FOLD_COLUMNS 100u /* that every build of SQLite allows */

typedef struct wp__sqlite_table {
    char *path;
    char *uri;                  /* what connections open */
    bool is_immutable;          /* opened without locks; checked for changes at the end */
    unsigned char head[100];    /* of the file, as it was found */
    const char *const *columns; /* borrowed names, as asked for */
    uint32_t columns_count;
    int *places;           /* of each column in the rows of the statement; then of the rowid */
    int rowid_place;       /* where in `places` the rowid is; -1: not known */
    char *sql, *range_sql; /* all rows; those with rowid between ?1 and ?2 (NULL: no rowids) */
    char *fold_sql;      /* those of range_sql into the function WP__SQLITE_FOLD; NULL: too wide */
    char *nth_sql;       /* rowid of the row ?3 of those, from 0 */
    char *bounds_sql;    /* lowest and highest rowid */
    sqlite3 *connection; /* the first one, until it is taken */
} wp__sqlite_table;

/* Opens the database, finds the columns and writes the statements. */
WP_NODISCARD wp_status wp__sqlite_open(const wp_sqlite_source *source, const char *const *columns,
                                       uint32_t columns_count, wp__sqlite_table **out,
                                       wp_error *err);
void wp__sqlite_free(wp__sqlite_table *table); /* NULL is fine */
/* The connection that wp__sqlite_open made; the caller closes it. */
sqlite3 *wp__sqlite_take_connection(wp__sqlite_table *table);
void wp__sqlite_close(sqlite3 *connection);
/* Opens connections[1 .. *count-1] beside connections[0] and starts a read transaction on each, all
** of the same state of the database. Lowers *count to 1 when others keep writing. */
WP_NODISCARD wp_status wp__sqlite_same_snapshot(const wp__sqlite_table *table,
                                                sqlite3 **connections, unsigned *count,
                                                wp_error *err);
WP_NODISCARD wp_status wp__sqlite_prepare(const wp__sqlite_table *table, sqlite3 *connection,
                                          const char *sql, sqlite3_stmt **out, wp_error *err);
WP_NODISCARD wp_status wp__sqlite_rowids(const wp__sqlite_table *table, sqlite3 *connection,
                                         int64_t *first, int64_t *last, bool *is_empty,
                                         wp_error *err);
/* Lets `run` interrupt long statements of the connection; run must outlive its use. */
void wp__sqlite_watch(sqlite3 *connection, const wp_run *run);
/* An immutable file must be the same after reading as it was before. */
WP_NODISCARD wp_status wp__sqlite_check_unchanged(const wp__sqlite_table *table, wp_error *err);
/* "path: what SQLite says". */
wp_status wp__sqlite_fail(const wp__sqlite_table *table, sqlite3 *connection, wp_error *err);

/* One look at the column's value instead of one per question; the connection belongs to this thread
** alone, so the value needs no lock. */
static inline void wp__sqlite_cell(sqlite3_value *value, wp_cell *cell)
{
    switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
        cell->kind = WP_CELL_INTEGER;
        cell->integer = sqlite3_value_int64(value);
        break;
    case SQLITE_FLOAT:
        cell->kind = WP_CELL_REAL;
        cell->real = sqlite3_value_double(value);
        break;
    case SQLITE_NULL:
        cell->kind = WP_CELL_NULL;
        break;
    default: /* a blob is taken as the bytes of a text */
        cell->kind = WP_CELL_TEXT;
        cell->text.text = (const char *)sqlite3_value_text(value);
        cell->text.length = (size_t)sqlite3_value_bytes(value);
    }
}

#endif
