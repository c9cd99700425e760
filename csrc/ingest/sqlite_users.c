/* Users tables from SQLite: every row in order over one connection; see sqlite.h and users.h. */
#include "ingest/users.h"

#include "base/memory.h"
#include "ingest/sqlite_source.h"

#include <inttypes.h>
#include <stdio.h>

static wp_status read_users(wp__sqlite_table *table, sqlite3 *connection, sqlite3_stmt *statement,
                            wp_users *users, wp_cell *cells, const wp_run *run, wp_error *err)
{
    uint32_t columns_count = wp_users_columns_count(users);
    char place[WP_PLACE_TEXT];
    wp__sqlite_watch(connection, run);
    for (uint64_t row = 1;; row++) {
        int code = sqlite3_step(statement);
        if (code == SQLITE_DONE)
            return WP_OK;
        if (code != SQLITE_ROW)
            return wp__sqlite_fail(table, connection, err);
        for (uint32_t i = 0; i < columns_count; i++)
            wp__sqlite_cell(sqlite3_column_value(statement, table->places[i]), &cells[i]);
        snprintf(place, sizeof place, "%.200s: users: row %" PRIu64, table->path, row);
        WP_TRY(wp_users_add(users, cells, place, err));
        if (row % 4096 == 0 && wp_run_interrupted(run))
            return wp_fail(err, WP_INTERRUPTED, "interrupted");
    }
}

wp_status wp_sqlite_read_users(const wp_sqlite_source *from, wp_users *users, const wp_run *run,
                               wp_error *err)
{
    uint32_t columns_count = wp_users_columns_count(users);
    const char **columns = wp_alloc_array(columns_count, sizeof *columns);
    wp_cell *cells = wp_alloc_array(columns_count, sizeof *cells);
    wp__sqlite_table *table = NULL;
    sqlite3_stmt *statement = NULL;
    sqlite3 *connection = NULL;
    wp_status status = WP_OK;
    if (columns == NULL || cells == NULL)
        status = wp_fail_memory(err, columns_count * sizeof *cells);
    for (uint32_t i = 0; status == WP_OK && i < columns_count; i++)
        columns[i] = wp_users_column(users, i);
    if (status == WP_OK)
        status = wp__sqlite_open(from, columns, columns_count, &table, err);
    if (status == WP_OK) {
        connection = wp__sqlite_take_connection(table);
        status = wp__sqlite_prepare(table, connection, table->sql, &statement, err);
    }
    if (status == WP_OK)
        status = read_users(table, connection, statement, users, cells, run, err);
    if (status == WP_OK)
        status = wp__sqlite_check_unchanged(table, err);
    sqlite3_finalize(statement);
    wp__sqlite_close(connection);
    wp__sqlite_free(table);
    wp_free(columns);
    wp_free(cells);
    return status;
}
