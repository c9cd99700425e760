/* Events from SQLite; see sqlite.h.
**
** Data structure: a `plan` names the columns once; each worker has its own connection, prepared
** statement and writer. Invariant: all connections of a read see the same snapshot (same_snapshot),
** and a chunk is a range of rowids that depends on the table only, so the log has the same bits for
** any number of threads. */
#include "ingest/sqlite.h"

#include "base/hash.h"
#include "base/memory.h"
#include "ingest/sqlite_source.h"

#include <inttypes.h>
#include <stdio.h>

/* A chunk spans this many rowids, more in tables with more than CHUNKS_MAX such spans. */
#define ROWIDS_PER_CHUNK (4 * (int64_t)WP_BATCH_ROWS)
#define CHUNKS_MAX       4096
#define PLACES_PER_CHUNK (1u << 20) /* batches of one chunk, more than a chunk can have */

/* Ids of users are mostly integers, and users at work come back soon: what the batch calls them is
** found here without writing the digits. */
#define USERS_BITS 10
typedef struct known_user {
    int64_t id;
    uint64_t batch; /* of those the reader has begun, from 1; 0: free */
    uint32_t code;
} known_user;

typedef struct reader {
    struct read_work *work;
    sqlite3 *connection;
    sqlite3_stmt *statement;
    sqlite3_value **values;  /* of the row at hand, in the order of the table's columns */
    sqlite3_value **columns; /* room for those of a statement */
    uint64_t rows_seen;      /* so far, in the statement or in the range */
    uint64_t place;          /* of the next batch */
    bool is_folding;
    int64_t range_first, range_last; /* folding: rowids */
    wp_status status;                /* folding: what stopped it, and why */
    wp_error failure;
    wp_writer *writer;
    known_user *users; /* 1 << USERS_BITS */
    uint64_t batch;
    double *numbers;
    wp_slice *texts;
    wp_cell *cells; /* one per text column, for the digits of integers */
} reader;

typedef struct read_work {
    const wp_source *source;
    wp__sqlite_table *table;
    wp_build *build;
    reader *readers;
    unsigned readers_count;
    int64_t first_rowid;
    uint64_t span; /* rowids per chunk */
    int64_t last_rowid;
    uint64_t first_place;
} read_work;

/* Cells of a row: user, time, (event), (order), numbers, texts. */
enum { USER, TIME, EVENT };

/* Asks for the values of the row that a statement stands on. */
static void take_columns(const wp__sqlite_table *table, sqlite3_stmt *statement,
                         sqlite3_value **values)
{
    for (uint32_t i = 0; i < table->columns_count; i++)
        values[i] = sqlite3_column_value(statement, table->places[i]);
}

/* The rowid of the row at hand. Folding does not carry it along, for the few times it is asked for.
 */
static int64_t rowid_of(const read_work *work, const reader *from)
{
    const wp__sqlite_table *table = work->table;
    if (!from->is_folding)
        return sqlite3_column_int64(from->statement, table->places[table->rowid_place]);
    sqlite3_stmt *nth = NULL;
    int64_t rowid = 0;
    if (sqlite3_prepare_v2(from->connection, table->nth_sql, -1, &nth, NULL) == SQLITE_OK) {
        sqlite3_bind_int64(nth, 1, from->range_first);
        sqlite3_bind_int64(nth, 2, from->range_last);
        sqlite3_bind_int64(nth, 3, (int64_t)from->rows_seen - 1);
        if (sqlite3_step(nth) == SQLITE_ROW)
            rowid = sqlite3_column_int64(nth, 0);
    }
    sqlite3_finalize(nth);
    return rowid;
}

/* "events.db: rowid 42" or, in a query or view, "events.db: row 42". */
static void name_place(const read_work *work, const reader *from, char *place)
{
    if (work->table->rowid_place >= 0)
        snprintf(place, WP_PLACE_TEXT, "%.200s: rowid %lld", work->table->path,
                 (long long)rowid_of(work, from));
    else
        snprintf(place, WP_PLACE_TEXT, "%.200s: row %" PRIu64, work->table->path, from->rows_seen);
}

/* Describes why a cell will not do; its kind of column decides what was expected. */
static wp_status bad_row(const read_work *work, const reader *from, uint32_t column,
                         wp_status (*fail)(wp_error *, const char *, const char *, wp_cell *),
                         wp_cell *cell, wp_error *err)
{
    const char *name = work->table->columns[column];
    char place[WP_PLACE_TEXT];
    if (work->source->skip_bad)
        return wp_fail(err, WP_PARSE, "left out"); /* nobody asks why */
    name_place(work, from, place);
    if (wp_cell_missing(cell))
        return wp_fail_missing(err, place, name);
    return fail != NULL ? fail(err, place, name, cell)
                        : wp_fail_time(err, place, name, cell, &work->source->time_rule);
}

/* Where an integer id would be remembered; NULL: it is none. */
static known_user *known_place(const reader *from, const wp_cell *user)
{
    return user->kind != WP_CELL_INTEGER
               ? NULL
               : &from->users[(uint64_t)user->integer * WP_HASH_A >> (64 - USERS_BITS)];
}

static wp_status add_row(const read_work *work, reader *from, wp_error *err)
{
    const wp_source *source = work->source;
    sqlite3_value **values = from->values;
    wp_cell user, event, time, cell;
    wp_row row = {.numbers = from->numbers, .texts = from->texts, .order = WP_ORDER_MISSING};
    uint32_t column = EVENT;
    wp__sqlite_cell(values[USER], &user);
    known_user *known = known_place(from, &user);
    if (known != NULL && known->id == user.integer && known->batch == from->batch)
        row.known_user = known->code + 1;
    else if ((row.user = wp_cell_text(&user)).length == 0)
        return bad_row(work, from, USER, NULL, &user, err);
    wp__sqlite_cell(values[TIME], &time);
    if (!wp_cell_time(&time, &source->time_rule, &row.time_us, &row.time_zone_assumed))
        return bad_row(work, from, TIME, NULL, &time, err);
    if (source->event_name != NULL) {
        row.event = (wp_slice){source->event_name, strlen(source->event_name)};
    } else {
        wp__sqlite_cell(values[column], &event);
        row.event = wp_cell_text(&event);
        if (row.event.length == 0)
            return bad_row(work, from, column, NULL, &event, err);
        column++;
    }
    if (source->order != NULL) {
        wp__sqlite_cell(values[column], &cell);
        if (!wp_cell_order(&cell, &row.order))
            return bad_row(work, from, column, wp_fail_order, &cell, err);
        column++;
    }
    for (uint32_t i = 0; i < source->schema.numbers_count; i++, column++) {
        wp__sqlite_cell(values[column], &cell);
        if (!wp_cell_number(&cell, &from->numbers[i]))
            return bad_row(work, from, column, wp_fail_number, &cell, err);
    }
    for (uint32_t i = 0; i < source->schema.texts_count; i++, column++) {
        wp__sqlite_cell(values[column], &from->cells[i]);
        from->texts[i] = wp_cell_text(&from->cells[i]);
    }
    WP_TRY(wp_writer_add(from->writer, &row, err));
    if (known != NULL && row.known_user == 0)
        *known = (known_user){user.integer, from->batch, wp_writer_last_user(from->writer)};
    return WP_OK;
}

static wp_status finish_batch(reader *from, wp_error *err)
{
    from->batch++;
    return wp_writer_finish(from->writer, from->place++, err);
}

/* The row at hand; a bad one is counted when bad rows are skipped. */
static wp_status take_row(const read_work *work, reader *from, bool *taken, wp_error *err)
{
    from->rows_seen++;
    wp_status status = add_row(work, from, err);
    *taken = status == WP_OK;
    if (status != WP_PARSE || !work->source->skip_bad)
        return status;
    wp_build_count_skipped(work->build, 1);
    return WP_OK;
}

/* WP__SQLITE_FOLD: one row of a range. */
static void fold_row(sqlite3_context *context, int count, sqlite3_value **values)
{
    reader *from = sqlite3_user_data(context);
    bool taken;
    (void)count;
    if (from->status != WP_OK)
        return;
    from->values = values;
    from->status = take_row(from->work, from, &taken, &from->failure);
    if (from->status == WP_OK && wp_writer_count(from->writer) == WP_BATCH_ROWS)
        from->status = finish_batch(from, &from->failure);
    if (from->status != WP_OK)
        sqlite3_result_error(context, "stopped", -1);
}

static void end_fold(sqlite3_context *context)
{
    sqlite3_result_null(context);
}

/* Every page is read once, so few are kept: what SQLite reads them into stays in the processor's
** cache. */
static wp_status start_folding(const read_work *work, reader *one, wp_error *err)
{
    one->is_folding = true;
    sqlite3_exec(one->connection, "PRAGMA cache_size = -256", NULL, NULL, NULL);
    if (sqlite3_create_function_v2(one->connection, WP__SQLITE_FOLD, -1,
                                   SQLITE_UTF8 | SQLITE_DIRECTONLY, one, NULL, fold_row, end_fold,
                                   NULL) != SQLITE_OK)
        return wp__sqlite_fail(work->table, one->connection, err);
    return WP_OK;
}

static wp_status start_reader(read_work *work, reader *one, const char *sql, wp_error *err)
{
    const wp_schema *schema = &work->source->schema;
    one->work = work;
    one->columns = wp_alloc_array(work->table->columns_count, sizeof *one->columns);
    one->values = one->columns;
    one->users = wp_alloc_array_zero((size_t)1 << USERS_BITS, sizeof *one->users);
    one->batch = 1;
    one->numbers = wp_alloc_array(schema->numbers_count, sizeof *one->numbers);
    one->texts = wp_alloc_array(schema->texts_count, sizeof *one->texts);
    one->cells = wp_alloc_array(schema->texts_count, sizeof *one->cells);
    if (one->columns == NULL || one->users == NULL || one->numbers == NULL || one->texts == NULL ||
        one->cells == NULL)
        return wp_fail_memory(err, schema->texts_count * sizeof *one->cells);
    if (sql == work->table->fold_sql)
        WP_TRY(start_folding(work, one, err));
    WP_TRY(wp__sqlite_prepare(work->table, one->connection, sql, &one->statement, err));
    return wp_writer_start(work->build, &one->writer, err);
}

static void end_readers(read_work *work)
{
    for (unsigned i = 0; work->readers != NULL && i < work->readers_count; i++) {
        reader *one = &work->readers[i];
        sqlite3_finalize(one->statement);
        wp__sqlite_close(one->connection);
        wp_writer_free(one->writer);
        wp_free(one->columns);
        wp_free(one->users);
        wp_free(one->numbers);
        wp_free(one->texts);
        wp_free(one->cells);
    }
    wp_free(work->readers);
}

/* --- One connection: queries, views, tables without rowids, limits -----------------------------
 */

static wp_status read_in_order(read_work *work, uint64_t *rows_left, const wp_run *run,
                               wp_error *err)
{
    reader *from = &work->readers[0];
    from->place = work->first_place;
    wp__sqlite_watch(from->connection, run);
    while (*rows_left > 0) {
        int code = sqlite3_step(from->statement);
        if (code == SQLITE_DONE)
            break;
        if (code != SQLITE_ROW)
            return wp__sqlite_fail(work->table, from->connection, err);
        bool taken;
        take_columns(work->table, from->statement, from->columns);
        WP_TRY(take_row(work, from, &taken, err));
        *rows_left -= taken && *rows_left != UINT64_MAX;
        if (wp_writer_count(from->writer) < WP_BATCH_ROWS)
            continue;
        if (wp_run_interrupted(run))
            return wp_fail(err, WP_INTERRUPTED, "interrupted");
        WP_TRY(finish_batch(from, err));
    }
    return finish_batch(from, err);
}

/* --- Ranges of rowids over several connections --------------------------------------------------
 */

static wp_status step_range(read_work *work, reader *from, wp_error *err)
{
    int code;
    bool taken;
    while ((code = sqlite3_step(from->statement)) == SQLITE_ROW) {
        take_columns(work->table, from->statement, from->columns);
        WP_TRY(take_row(work, from, &taken, err));
        if (wp_writer_count(from->writer) == WP_BATCH_ROWS)
            WP_TRY(finish_batch(from, err));
    }
    return code == SQLITE_DONE ? WP_OK : wp__sqlite_fail(work->table, from->connection, err);
}

static wp_status fold_range(read_work *work, reader *from, wp_error *err)
{
    from->status = WP_OK;
    bool is_done = sqlite3_step(from->statement) == SQLITE_ROW;
    if (from->status != WP_OK && err != NULL)
        *err = from->failure;
    if (from->status != WP_OK)
        return from->status;
    return is_done ? WP_OK : wp__sqlite_fail(work->table, from->connection, err);
}

static wp_status read_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    read_work *work = context;
    reader *from = &work->readers[worker];
    uint64_t start = (uint64_t)work->first_rowid + (uint64_t)chunk * work->span;
    uint64_t left = (uint64_t)work->last_rowid - start;
    uint64_t end = left < work->span ? (uint64_t)work->last_rowid : start + work->span - 1;
    from->place = work->first_place + (uint64_t)chunk * PLACES_PER_CHUNK;
    from->rows_seen = 0;
    from->range_first = (int64_t)start;
    from->range_last = (int64_t)end;
    sqlite3_bind_int64(from->statement, 1, from->range_first);
    sqlite3_bind_int64(from->statement, 2, from->range_last);
    WP_TRY(from->is_folding ? fold_range(work, from, err) : step_range(work, from, err));
    sqlite3_reset(from->statement);
    return finish_batch(from, err);
}

static size_t cut_chunks(read_work *work)
{
    uint64_t rowids = (uint64_t)work->last_rowid - (uint64_t)work->first_rowid; /* less one */
    uint64_t span = ROWIDS_PER_CHUNK;
    if (rowids / span >= CHUNKS_MAX)
        span = rowids / CHUNKS_MAX + 1;
    work->span = span;
    return (size_t)(rowids / span) + 1;
}

static wp_status read_ranges(read_work *work, const wp_run *run, wp_error *err)
{
    bool is_empty = false;
    WP_TRY(wp__sqlite_rowids(work->table, work->readers[0].connection, &work->first_rowid,
                             &work->last_rowid, &is_empty, err));
    if (is_empty)
        return WP_OK;
    wp_run limited = run != NULL ? *run : (wp_run){0};
    limited.threads = work->readers_count;
    return wp_pool_run(&limited, cut_chunks(work), read_chunk, work, err);
}

/* One connection per thread when the table can be cut, else one. */
static wp_status start_readers(read_work *work, bool cut, const wp_run *run, wp_error *err)
{
    unsigned count = cut ? wp_run_threads(run) : 1;
    work->readers = wp_alloc_array_zero(count, sizeof *work->readers);
    if (work->readers == NULL)
        return wp_fail_memory(err, count * sizeof *work->readers);
    work->readers_count = count;
    sqlite3 **connections = wp_alloc_array_zero(count, sizeof *connections);
    if (connections == NULL)
        return wp_fail_memory(err, count * sizeof *connections);
    connections[0] = wp__sqlite_take_connection(work->table);
    wp_status status =
        wp__sqlite_same_snapshot(work->table, connections, &work->readers_count, err);
    for (unsigned i = 0; i < count; i++)
        work->readers[i].connection = connections[i];
    wp_free(connections);
    const char *sql = !cut                            ? work->table->sql
                      : work->table->fold_sql != NULL ? work->table->fold_sql
                                                      : work->table->range_sql;
    for (unsigned i = 0; status == WP_OK && i < work->readers_count; i++)
        status = start_reader(work, &work->readers[i], sql, err);
    return status;
}

/* The columns to ask for, in the order of the cells. */
static const char **event_columns(const wp_source *source, uint32_t *count)
{
    const wp_schema *schema = &source->schema;
    const char **columns =
        wp_alloc_array((size_t)schema->numbers_count + schema->texts_count + 4, sizeof *columns);
    uint32_t at = 0;
    if (columns == NULL)
        return NULL;
    columns[at++] = source->user;
    columns[at++] = source->time;
    if (source->event_name == NULL)
        columns[at++] = source->event;
    if (source->order != NULL)
        columns[at++] = source->order;
    for (uint32_t i = 0; i < schema->numbers_count; i++)
        columns[at++] = schema->numbers[i];
    for (uint32_t i = 0; i < schema->texts_count; i++)
        columns[at++] = schema->texts[i];
    *count = at;
    return columns;
}

wp_status wp_sqlite_read_events(const wp_sqlite_source *from, const wp_source *source,
                                uint64_t place, uint64_t *rows_left, wp_build *build,
                                const wp_run *run, wp_error *err)
{
    read_work work = {.source = source, .build = build, .first_place = place};
    uint32_t columns_count = 0;
    const char **columns = event_columns(source, &columns_count);
    if (columns == NULL)
        return wp_fail_memory(err, source->schema.texts_count * sizeof *columns);
    bool cut = false;
    wp_status status = wp__sqlite_open(from, columns, columns_count, &work.table, err);
    if (status == WP_OK) {
        cut = work.table->rowid_place >= 0 && *rows_left == UINT64_MAX;
        status = start_readers(&work, cut, run, err);
    }
    if (status == WP_OK)
        status = cut ? read_ranges(&work, run, err) : read_in_order(&work, rows_left, run, err);
    if (status == WP_OK)
        status = wp__sqlite_check_unchanged(work.table, err);
    end_readers(&work);
    wp__sqlite_free(work.table);
    wp_free(columns);
    return status;
}
