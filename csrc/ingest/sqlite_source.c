/* Opening SQLite databases for reading; see sqlite_source.h.
**
** A database in WAL mode whose log is empty is opened as immutable, because reading it any other
** way would create -wal and -shm files beside it; that no writer came in between is checked when
** the reading ends. */
#include "ingest/sqlite_source.h"

#include "base/memory.h"

#include <errno.h>
#include <stdio.h>

wp_status wp__sqlite_fail(const wp__sqlite_table *table, sqlite3 *connection, wp_error *err)
{
    int code = connection == NULL ? SQLITE_NOMEM : sqlite3_errcode(connection);
    if (code == SQLITE_INTERRUPT)
        return wp_fail(err, WP_INTERRUPTED, "interrupted");
    wp_status status = code == SQLITE_NOMEM                              ? WP_NO_MEMORY
                       : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? WP_CORRUPT
                       : code == SQLITE_CANTOPEN || code == SQLITE_IOERR ? WP_IO
                                                                         : WP_SQL;
    return wp_fail(err, status, "%s: %s", table->path,
                   connection == NULL ? "out of memory" : sqlite3_errmsg(connection));
}

/* --- The file -----------------------------------------------------------------------------------
 */

static bool file_has_bytes(const char *path)
{
    FILE *file = fopen(path, "rb");
    bool some = file != NULL && fgetc(file) != EOF;
    if (file != NULL)
        fclose(file);
    return some;
}

/* Another process has written, or is writing, a log that must be read with the database. */
static bool has_log(const char *path, bool *has, wp_error *err)
{
    size_t length = strlen(path);
    char *name = wp_alloc(length + 5);
    if (name == NULL) {
        wp_fail_memory(err, length + 5);
        return false;
    }
    memcpy(name, path, length);
    memcpy(name + length, "-wal", 5);
    *has = file_has_bytes(name);
    wp_free(name);
    return true;
}

static wp_status read_head(const char *path, unsigned char *head, wp_error *err)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return wp_fail(err, WP_IO, "%s: cannot be opened: %s", path, strerror(errno));
    errno = 0;
    size_t length = fread(head, 1, 100, file);
    int why = ferror(file) ? errno : 0;
    fclose(file);
    if (why != 0)
        return wp_fail(err, WP_IO, "%s: cannot be read: %s", path, strerror(why));
    if (length == 0)
        return wp_fail(err, WP_PARSE, "%s: the file is empty (expected an SQLite database)", path);
    if (length < 100 || memcmp(head, "SQLite format 3", 16) != 0)
        return wp_fail(err, WP_CORRUPT,
                       "%s: not an SQLite database (text files are read with read_csv)", path);
    return WP_OK;
}

/* "file:path?mode=ro", with what has a meaning in a URI written as %xx. */
static char *make_uri(const char *path, bool is_immutable)
{
    static const char hex[] = "0123456789abcdef";
    const char *options = is_immutable ? "?mode=ro&immutable=1" : "?mode=ro";
    char *uri = wp_alloc(3 * strlen(path) + strlen(options) + 16), *at = uri;
    if (uri == NULL)
        return NULL;
    while (path[0] == '/' && path[1] == '/')
        path++; /* two slashes would begin a host name */
    memcpy(at, "file:", 5);
    at += 5;
    for (; *path != '\0'; path++) {
        unsigned char byte = (unsigned char)*path;
        if (byte == '?' || byte == '#' || byte == '%') {
            *at++ = '%';
            *at++ = hex[byte >> 4];
            *at++ = hex[byte & 15];
        } else {
            *at++ = (char)byte;
        }
    }
    memcpy(at, options, strlen(options) + 1);
    return uri;
}

static wp_status open_connection(const wp__sqlite_table *table, sqlite3 **out, wp_error *err)
{
    sqlite3 *connection = NULL;
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(table->uri, &connection, flags, NULL) != SQLITE_OK) {
        wp_status status = wp__sqlite_fail(table, connection, err);
        sqlite3_close_v2(connection);
        return status;
    }
    sqlite3_busy_timeout(connection, 5000);
    *out = connection;
    return WP_OK;
}

static wp_status open_file(wp__sqlite_table *table, wp_error *err)
{
    bool log = false;
    WP_TRY(read_head(table->path, table->head, err));
    if (table->head[18] == 2) { /* the file's way of writing is WAL */
        if (!has_log(table->path, &log, err))
            return WP_NO_MEMORY;
        table->is_immutable = !log;
    }
    table->uri = make_uri(table->path, table->is_immutable);
    if (table->uri == NULL)
        return wp_fail_memory(err, strlen(table->path));
    return open_connection(table, &table->connection, err);
}

wp_status wp__sqlite_check_unchanged(const wp__sqlite_table *table, wp_error *err)
{
    unsigned char head[100];
    bool log = false;
    if (!table->is_immutable)
        return WP_OK;
    WP_TRY(read_head(table->path, head, err));
    if (!has_log(table->path, &log, err))
        return WP_NO_MEMORY;
    if (log || memcmp(head, table->head, sizeof head) != 0)
        return wp_fail(err, WP_IO, "%s: was written to while it was read (read it again)",
                       table->path);
    return WP_OK;
}

/* --- The columns ---------------------------------------------------------------------------------
 */

/* What follows a statement: blanks, semicolons and comments, or another statement. */
static bool is_blank(sqlite3 *connection, const char *rest)
{
    sqlite3_stmt *second = NULL;
    while (*rest == ';')
        rest++;
    bool blank = sqlite3_prepare_v2(connection, rest, -1, &second, NULL) == SQLITE_OK;
    blank = blank && second == NULL;
    sqlite3_finalize(second);
    return blank;
}

wp_status wp__sqlite_prepare(const wp__sqlite_table *table, sqlite3 *connection, const char *sql,
                             sqlite3_stmt **out, wp_error *err)
{
    const char *rest = NULL;
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(connection, sql, -1, &statement, &rest) != SQLITE_OK)
        return wp__sqlite_fail(table, connection, err);
    bool fine = statement != NULL && sqlite3_column_count(statement) > 0 &&
                sqlite3_stmt_readonly(statement) && is_blank(connection, rest);
    if (!fine) {
        sqlite3_finalize(statement);
        return wp_fail(err, WP_SQL, "%s: query: '%.60s' (expected one SELECT)", table->path, sql);
    }
    *out = statement;
    return WP_OK;
}

/* A list of names that grows until it is long enough to be understood. */
static void append_name(char *list, size_t list_size, const char *name)
{
    size_t length = strlen(list);
    if (length + 8 >= list_size)
        return;
    if (length + strlen(name) + 8 >= list_size)
        snprintf(list + length, list_size - length, ", …");
    else
        snprintf(list + length, list_size - length, "%s%s", length > 0 ? ", " : "", name);
}

static wp_status fail_no_table(const wp__sqlite_table *table, const char *name, wp_error *err)
{
    char list[400] = "";
    sqlite3_stmt *statement = NULL;
    wp_status status = wp__sqlite_prepare(
        table, table->connection,
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE "
        "'sqlite\\_%' ESCAPE '\\' ORDER BY name",
        &statement, err);
    if (status != WP_OK)
        return status;
    while (sqlite3_step(statement) == SQLITE_ROW)
        append_name(list, sizeof list, (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return wp_fail(err, WP_SQL, "%s: table '%s' does not exist (%s%s)", table->path, name,
                   list[0] == '\0' ? "the database has no tables" : "tables: ", list);
}

/* Whether the name is a table or view, and a table whose rows have rowids under which name. */
static wp_status find_table(const wp__sqlite_table *table, const char *name, bool *is_table,
                            wp_error *err)
{
    sqlite3_stmt *statement = NULL;
    WP_TRY(wp__sqlite_prepare(table, table->connection,
                              "SELECT type, rootpage FROM sqlite_master WHERE type IN ('table', "
                              "'view') AND name = ?1 COLLATE NOCASE",
                              &statement, err));
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *is_table = strcmp((const char *)sqlite3_column_text(statement, 0), "table") == 0 &&
                    sqlite3_column_int(statement, 1) > 0; /* virtual tables have no root page */
    sqlite3_finalize(statement);
    if (code == SQLITE_DONE)
        return fail_no_table(table, name, err);
    return code == SQLITE_ROW ? WP_OK : wp__sqlite_fail(table, table->connection, err);
}

static int find_column(sqlite3_stmt *statement, const char *name)
{
    int count = sqlite3_column_count(statement);
    for (int i = 0; i < count; i++)
        if (strcmp(sqlite3_column_name(statement, i), name) == 0)
            return i;
    for (int i = 0; i < count; i++)
        if (sqlite3_stricmp(sqlite3_column_name(statement, i), name) == 0)
            return i;
    return -1;
}

static wp_status find_columns(wp__sqlite_table *table, sqlite3_stmt *statement, wp_error *err)
{
    for (uint32_t i = 0; i < table->columns_count; i++) {
        table->places[i] = find_column(statement, table->columns[i]);
        if (table->places[i] >= 0)
            continue;
        char list[400] = "";
        for (int at = 0; at < sqlite3_column_count(statement); at++)
            append_name(list, sizeof list, sqlite3_column_name(statement, at));
        return wp_fail(err, WP_SQL, "%s: column '%s' does not exist (columns: %s)", table->path,
                       table->columns[i], list);
    }
    return WP_OK;
}

/* A name for the rowid that no column hides, or NULL; NULL too in tables without rowids. */
static const char *rowid_name(const wp__sqlite_table *table, const char *name,
                              sqlite3_stmt *columns)
{
    static const char *const names[] = {"rowid", "_rowid_", "oid"};
    for (int i = 0; i < 3; i++) {
        if (find_column(columns, names[i]) >= 0)
            continue;
        char *sql = sqlite3_mprintf("SELECT %s FROM \"%w\"", names[i], name);
        sqlite3_stmt *statement = NULL;
        int code = sql == NULL ? SQLITE_NOMEM
                               : sqlite3_prepare_v2(table->connection, sql, -1, &statement, NULL);
        sqlite3_finalize(statement);
        sqlite3_free(sql);
        return code == SQLITE_OK ? names[i] : NULL;
    }
    return NULL;
}

static char *take_text(char *sqlite_text)
{
    char *text = sqlite_text == NULL ? NULL : wp_copy_string(sqlite_text, strlen(sqlite_text));
    sqlite3_free(sqlite_text);
    return text;
}

/* Statements that read only the columns that are needed, so that places become 0, 1, 2 … */
static wp_status write_statements(wp__sqlite_table *table, const char *name, const char *rowid,
                                  wp_error *err)
{
    sqlite3_str *list = sqlite3_str_new(NULL);
    for (uint32_t i = 0; i < table->columns_count; i++) {
        sqlite3_str_appendf(list, "%s\"%w\"", i > 0 ? ", " : "", table->columns[i]);
        table->places[i] = (int)i;
    }
    int values_length = sqlite3_str_length(list);
    if (rowid != NULL) {
        table->rowid_place = (int)table->columns_count;
        table->places[table->rowid_place] = (int)table->columns_count;
        sqlite3_str_appendf(list, ", %s", rowid);
    }
    char *columns = sqlite3_str_finish(list);
    if (columns != NULL && rowid != NULL) {
        table->sql =
            take_text(sqlite3_mprintf("SELECT %s FROM \"%w\" ORDER BY %s", columns, name, rowid));
        table->range_sql = take_text(
            sqlite3_mprintf("SELECT %s FROM \"%w\" WHERE %s BETWEEN ?1 AND ?2 ORDER BY %s", columns,
                            name, rowid, rowid));
        if (table->columns_count <= WP__SQLITE_FOLD_COLUMNS)
            table->fold_sql = take_text(sqlite3_mprintf("SELECT " WP__SQLITE_FOLD
                                                        "(%.*s) FROM \"%w\" NOT INDEXED WHERE %s "
                                                        "BETWEEN ?1 AND ?2",
                                                        values_length, columns, name, rowid));
        table->nth_sql = take_text(sqlite3_mprintf(
            "SELECT %s FROM \"%w\" WHERE %s BETWEEN ?1 AND ?2 ORDER BY %s LIMIT 1 OFFSET ?3", rowid,
            name, rowid, rowid));
        table->bounds_sql = take_text(
            sqlite3_mprintf("SELECT (SELECT min(%s) FROM \"%w\"), (SELECT max(%s) FROM \"%w\")",
                            rowid, name, rowid, name));
    } else if (columns != NULL) {
        table->sql = take_text(sqlite3_mprintf("SELECT %s FROM \"%w\"", columns, name));
    }
    sqlite3_free(columns);
    bool done = table->sql != NULL &&
                (rowid == NULL ||
                 (table->range_sql != NULL && table->bounds_sql != NULL && table->nth_sql != NULL &&
                  (table->fold_sql != NULL || table->columns_count > WP__SQLITE_FOLD_COLUMNS)));
    return done ? WP_OK : wp_fail_memory(err, 1024);
}

static wp_status plan_table(wp__sqlite_table *table, const char *name, wp_error *err)
{
    bool is_table = false;
    sqlite3_stmt *all = NULL;
    WP_TRY(find_table(table, name, &is_table, err));
    char *sql = sqlite3_mprintf("SELECT * FROM \"%w\"", name);
    if (sql == NULL)
        return wp_fail_memory(err, strlen(name));
    wp_status status = wp__sqlite_prepare(table, table->connection, sql, &all, err);
    sqlite3_free(sql);
    if (status == WP_OK)
        status = find_columns(table, all, err);
    const char *rowid = status == WP_OK && is_table ? rowid_name(table, name, all) : NULL;
    sqlite3_finalize(all);
    return status == WP_OK ? write_statements(table, name, rowid, err) : status;
}

static wp_status plan_query(wp__sqlite_table *table, const char *query, wp_error *err)
{
    sqlite3_stmt *statement = NULL;
    WP_TRY(wp__sqlite_prepare(table, table->connection, query, &statement, err));
    wp_status status = find_columns(table, statement, err);
    sqlite3_finalize(statement);
    if (status != WP_OK)
        return status;
    table->sql = wp_copy_string(query, strlen(query));
    return table->sql != NULL ? WP_OK : wp_fail_memory(err, strlen(query));
}

wp_status wp__sqlite_open(const wp_sqlite_source *source, const char *const *columns,
                          uint32_t columns_count, wp__sqlite_table **out, wp_error *err)
{
    wp__sqlite_table *table = wp_alloc_zero(sizeof *table);
    if (table == NULL)
        return wp_fail_memory(err, sizeof *table);
    table->columns = columns;
    table->columns_count = columns_count;
    table->rowid_place = -1;
    table->path = wp_copy_string(source->path, strlen(source->path));
    table->places = wp_alloc_array((size_t)columns_count + 1, sizeof *table->places);
    wp_status status = WP_OK;
    if (table->path == NULL || table->places == NULL)
        status = wp_fail_memory(err, strlen(source->path));
    if (status == WP_OK)
        status = open_file(table, err);
    if (status == WP_OK)
        status = source->query != NULL ? plan_query(table, source->query, err)
                                       : plan_table(table, source->table, err);
    if (status == WP_OK)
        *out = table;
    else
        wp__sqlite_free(table);
    return status;
}

void wp__sqlite_free(wp__sqlite_table *table)
{
    if (table == NULL)
        return;
    wp__sqlite_close(table->connection);
    wp_free(table->path);
    wp_free(table->uri);
    wp_free(table->places);
    wp_free(table->sql);
    wp_free(table->range_sql);
    wp_free(table->fold_sql);
    wp_free(table->nth_sql);
    wp_free(table->bounds_sql);
    wp_free(table);
}

/* --- Connections
 * ---------------------------------------------------------------------------------- */

sqlite3 *wp__sqlite_take_connection(wp__sqlite_table *table)
{
    sqlite3 *connection = table->connection;
    table->connection = NULL;
    return connection;
}

void wp__sqlite_close(sqlite3 *connection)
{
    if (connection != NULL)
        sqlite3_progress_handler(connection, 0, NULL, NULL);
    sqlite3_close_v2(connection);
}

static int stop_wanted(void *context)
{
    return wp_run_interrupted(context);
}

void wp__sqlite_watch(sqlite3 *connection, const wp_run *run)
{
    if (run != NULL)
        sqlite3_progress_handler(connection, 100000, stop_wanted, (void *)run);
}

/* One integer from a statement that gives one row. */
static wp_status ask_integer(const wp__sqlite_table *table, sqlite3 *connection, const char *sql,
                             int64_t *number, wp_error *err)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(connection, sql, -1, &statement, NULL) != SQLITE_OK)
        return wp__sqlite_fail(table, connection, err);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? WP_OK : wp__sqlite_fail(table, connection, err);
}

static wp_status begin(const wp__sqlite_table *table, sqlite3 *connection, wp_error *err)
{
    int64_t ignored;
    if (!sqlite3_get_autocommit(connection))
        sqlite3_exec(connection, "ROLLBACK", NULL, NULL, NULL);
    if (sqlite3_exec(connection, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        return wp__sqlite_fail(table, connection, err);
    return ask_integer(table, connection, "SELECT count(*) FROM sqlite_master", &ignored, err);
}

/* Begins on the others first, then on the first; when nobody has committed from before to after, as
** the first connection sees it, all of them began in the same state. */
static wp_status begin_all(const wp__sqlite_table *table, sqlite3 **connections, unsigned count,
                           bool *same, wp_error *err)
{
    int64_t before = 0, after = 0;
    if (!sqlite3_get_autocommit(connections[0]))
        sqlite3_exec(connections[0], "ROLLBACK", NULL, NULL, NULL);
    WP_TRY(ask_integer(table, connections[0], "PRAGMA data_version", &before, err));
    for (unsigned i = 1; i < count; i++)
        WP_TRY(begin(table, connections[i], err));
    WP_TRY(begin(table, connections[0], err));
    WP_TRY(ask_integer(table, connections[0], "PRAGMA data_version", &after, err));
    *same = before == after;
    return WP_OK;
}

wp_status wp__sqlite_same_snapshot(const wp__sqlite_table *table, sqlite3 **connections,
                                   unsigned *count, wp_error *err)
{
    if (*count == 1)
        return WP_OK;
    for (unsigned i = 1; i < *count; i++)
        WP_TRY(open_connection(table, &connections[i], err));
    bool same = false;
    for (int attempt = 0; attempt < 5 && !same; attempt++)
        WP_TRY(begin_all(table, connections, *count, &same, err));
    for (unsigned i = 1; !same && i < *count; i++) {
        wp__sqlite_close(connections[i]);
        connections[i] = NULL;
    }
    *count = same ? *count : 1;
    return WP_OK;
}

wp_status wp__sqlite_rowids(const wp__sqlite_table *table, sqlite3 *connection, int64_t *first,
                            int64_t *last, bool *is_empty, wp_error *err)
{
    sqlite3_stmt *statement = NULL;
    WP_TRY(wp__sqlite_prepare(table, connection, table->bounds_sql, &statement, err));
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *is_empty = sqlite3_column_type(statement, 0) == SQLITE_NULL;
        *first = sqlite3_column_int64(statement, 0);
        *last = sqlite3_column_int64(statement, 1);
    }
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? WP_OK : wp__sqlite_fail(table, connection, err);
}
