/* The tables of a store: what they say, checked before it is believed, and the rows that are
** written to them; see way_internal.h. */
#include "base/hash.h"
#include "store/way_internal.h"

#include <stdio.h>
#include <stdlib.h>

static wp_status damaged(const wp_way *way, wp_error *err, const char *what)
{
    return wp_fail(err, WP_CORRUPT, "%s: damaged: %s (wayproof verify says where)", way->path,
                   what);
}

/* --- The view -------------------------------------------------------------------------------- */

void wp__way_view_reset(wp__way_view *view)
{
    for (uint32_t i = 0; view->columns != NULL && i < view->columns_count; i++)
        wp_free(view->columns[i].name);
    wp_free(view->columns);
    wp_free(view->runs);
    *view = (wp__way_view){0};
}

static void take_fact(wp__way_view *view, const char *name, int64_t value)
{
    if (strcmp(name, "generation") == 0)
        view->generation = value;
    else if (strcmp(name, "users_numbered") == 0)
        view->users_numbered = value < 0 || value >= UINT32_MAX - 1 ? UINT32_MAX : (uint32_t)value;
    else if (strcmp(name, "users") == 0)
        view->users_count = value < 0 || value >= UINT32_MAX - 1 ? UINT32_MAX : (uint32_t)value;
    else if (strcmp(name, "run_last") == 0)
        view->run_last = value < 0 || value > WP__RUNS_MOST ? UINT32_MAX : (uint32_t)value;
    else if (strcmp(name, "rows_skipped") == 0)
        view->rows_skipped = (uint64_t)value;
    else if (strcmp(name, "rows_ungrouped") == 0)
        view->rows_ungrouped = (uint64_t)value;
    else if (strcmp(name, "ties_ordered") == 0)
        view->ties_ordered = value != 0;
    else if (strcmp(name, "time_zone_assumed") == 0)
        view->time_zone_assumed = value != 0;
    else if (strcmp(name, "has_known_at") == 0)
        view->has_known_at = value != 0;
}

static wp_status look_at_facts(wp_way *way, sqlite3_stmt *statement, wp_error *err)
{
    wp__way_view *view = &way->view;
    for (bool row = true;;) {
        WP_TRY(wp__way_step(way, statement, &row, err));
        if (!row)
            break;
        const char *name = (const char *)sqlite3_column_text(statement, 0);
        if (name == NULL)
            return damaged(way, err, "table store");
        take_fact(view, name, sqlite3_column_int64(statement, 1));
        if (strcmp(name, "fingerprint") == 0) {
            const char *text = (const char *)sqlite3_column_text(statement, 1);
            view->has_fingerprint = text != NULL && strlen(text) == 16;
            view->fingerprint = view->has_fingerprint ? strtoull(text, NULL, 16) : 0;
        }
    }
    if (view->users_numbered == UINT32_MAX || view->users_count > view->users_numbered ||
        view->run_last == UINT32_MAX)
        return damaged(way, err, "numbers of users or runs");
    view->parts_count = (view->users_numbered + WP_WAY_PART_USERS - 1) / WP_WAY_PART_USERS;
    return WP_OK;
}

static wp_status look_at_columns(wp_way *way, sqlite3_stmt *statement, wp_error *err)
{
    static const struct {
        const char *kind;
        bool is_text, per_user, is_value;
    } kinds[] = {{"value", false, false, true},
                 {"number", false, false, false},
                 {"text", true, false, false},
                 {"user number", false, true, false},
                 {"user text", true, true, false}};
    wp__way_view *view = &way->view;
    bool has_value = false;
    for (bool row = true;;) {
        WP_TRY(wp__way_step(way, statement, &row, err));
        if (!row)
            return WP_OK;
        const char *kind = (const char *)sqlite3_column_text(statement, 1);
        const char *name = (const char *)sqlite3_column_text(statement, 2);
        int size = sqlite3_column_bytes(statement, 2);
        size_t k = 0;
        while (kind != NULL && k < 5 && strcmp(kind, kinds[k].kind) != 0)
            k++;
        bool second_value = k == 0 && has_value;
        has_value = has_value || k == 0;
        if (kind == NULL || k == 5 || second_value || name == NULL ||
            strlen(name) != (size_t)size ||
            sqlite3_column_int64(statement, 0) != view->columns_count ||
            view->columns_count + WP__COLUMN_FIRST >= WP__COLUMNS_MOST)
            return damaged(way, err, "table columns");
        wp__way_column *columns =
            wp_realloc_array(view->columns, (size_t)view->columns_count + 1, sizeof *columns);
        if (columns == NULL)
            return wp_fail_memory(err, sizeof *columns);
        view->columns = columns;
        char *copy = wp_copy_string(name, (size_t)size);
        if (copy == NULL)
            return wp_fail_memory(err, (size_t)size);
        columns[view->columns_count] =
            (wp__way_column){copy, kinds[k].is_text, kinds[k].per_user, kinds[k].is_value,
                             WP__COLUMN_FIRST + view->columns_count};
        view->columns_count++;
    }
}

static bool run_is_sound(const wp__way_view *view, const wp__way_run *run, int64_t id)
{
    int64_t limit = (int64_t)1 << 62;
    uint32_t before = run->part * WP_WAY_PART_USERS;
    return run->part < view->parts_count && run->run >= 1 && run->run <= view->run_last &&
           id == wp__segment_id(run->part, run->run, 0) && run->users_count >= 1 &&
           run->users_count <= run->events_count && run->users_count <= WP_WAY_PART_USERS &&
           run->users_count <= view->users_numbered - before && run->first_us > -limit &&
           run->first_us <= run->last_us && run->last_us < limit && run->unit_us >= 1;
}

static uint32_t column32(sqlite3_stmt *statement, int place)
{
    int64_t value = sqlite3_column_int64(statement, place);
    return value < 0 || value >= UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static wp_status look_at_runs(wp_way *way, sqlite3_stmt *statement, wp_error *err)
{
    wp__way_view *view = &way->view;
    size_t capacity = 0;
    view->first_us = INT64_MAX;
    view->last_us = INT64_MIN;
    for (bool row = true;;) {
        WP_TRY(wp__way_step(way, statement, &row, err));
        if (!row)
            break;
        wp__way_run run = {column32(statement, 1),
                           column32(statement, 2),
                           column32(statement, 3),
                           column32(statement, 4),
                           sqlite3_column_int64(statement, 5),
                           sqlite3_column_int64(statement, 6),
                           sqlite3_column_int64(statement, 7)};
        if (run.part >= view->parts_count ||
            !run_is_sound(view, &run, sqlite3_column_int64(statement, 0)))
            return damaged(way, err, "table runs");
        if (view->runs_count == capacity) {
            capacity = capacity == 0 ? 64 : capacity * 2;
            wp__way_run *runs = wp_realloc_array(view->runs, capacity, sizeof *runs);
            if (runs == NULL)
                return wp_fail_memory(err, capacity * sizeof *runs);
            view->runs = runs;
        }
        view->runs[view->runs_count++] = run;
        view->events_count += run.events_count;
        view->first_us = run.first_us < view->first_us ? run.first_us : view->first_us;
        view->last_us = run.last_us > view->last_us ? run.last_us : view->last_us;
    }
    if (view->runs_count == 0)
        view->first_us = view->last_us = WP_TIME_MISSING;
    if (view->events_count >= UINT32_MAX - 1)
        return wp_fail(err, WP_LIMIT, "%s: %llu events (expected fewer than 2^32 - 2)", way->path,
                       (unsigned long long)view->events_count);
    return WP_OK;
}

wp_status wp__way_look(wp_way *way, wp_error *err)
{
    static const struct {
        const char *sql;
        wp_status (*look)(wp_way *, sqlite3_stmt *, wp_error *);
    } tables[] = {
        {"SELECT name, value FROM store", look_at_facts},
        {"SELECT position, kind, name FROM columns ORDER BY position", look_at_columns},
        {"SELECT id, part, run, users, events, first_us, last_us, unit_us FROM runs ORDER BY id",
         look_at_runs},
    };
    wp__way_view_reset(&way->view);
    for (size_t i = 0; i < 3; i++) {
        sqlite3_stmt *statement = NULL;
        WP_TRY(wp__way_prepare(way, tables[i].sql, &statement, err));
        wp_status status = tables[i].look(way, statement, err);
        sqlite3_finalize(statement);
        WP_TRY(status);
    }
    return WP_OK;
}

/* --- Rows ------------------------------------------------------------------------------------ */

wp_status wp__way_set(wp_way *way, const char *name, int64_t value, wp_error *err)
{
    sqlite3_stmt *statement = NULL;
    WP_TRY(wp__way_prepare(way, "INSERT OR REPLACE INTO store VALUES (?1, ?2)", &statement, err));
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, value);
    wp_status status = wp__way_run_once(way, statement, err);
    sqlite3_finalize(statement);
    return status;
}

wp_status wp__way_set_fingerprint(wp_way *way, bool known, uint64_t fingerprint, wp_error *err)
{
    if (!known)
        return wp__way_exec(way, "DELETE FROM store WHERE name = 'fingerprint'", err);
    char sql[96];
    snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO store VALUES ('fingerprint', '%016llx')",
             (unsigned long long)fingerprint);
    return wp__way_exec(way, sql, err);
}

wp_status wp__way_salt(wp_way *way, uint64_t salt[2], wp_error *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    WP_TRY(wp__way_prepare(way, "SELECT value FROM store WHERE name = 'salt'", &statement, err));
    wp_status status = wp__way_step(way, statement, &row, err);
    if (status == WP_OK) {
        const char *bytes = row ? sqlite3_column_blob(statement, 0) : NULL;
        if (bytes == NULL || sqlite3_column_bytes(statement, 0) != 16) {
            status = damaged(way, err, "salt");
        } else {
            salt[0] = wp_load64(bytes);
            salt[1] = wp_load64(bytes + 8);
        }
    }
    sqlite3_finalize(statement);
    return status;
}

/* The quick way: straight from SQLite's pages to `into`. False where it does not lead anywhere, for
** whatever reason, and find_segment has to say what is there. */
static bool read_blob(wp_way *way, int64_t id, wp_bytes *into, wp_segment *out)
{
    int code = way->segment != NULL ? sqlite3_blob_reopen(way->segment, id)
                                    : sqlite3_blob_open(way->connection, "main", "segments",
                                                        "bytes", id, 0, &way->segment);
    size_t size = code == SQLITE_OK ? (size_t)sqlite3_blob_bytes(way->segment) : 0;
    into->size = 0;
    char *copy = size > 0 ? wp_bytes_add(into, size) : NULL;
    if (copy == NULL || sqlite3_blob_read(way->segment, copy, (int)size, 0) != SQLITE_OK) {
        into->failed = false;
        sqlite3_blob_close(way->segment); /* it cannot be used again */
        way->segment = NULL;
        return false;
    }
    *out = (wp_segment){copy, size, (uint64_t)id};
    return true;
}

static wp_status find_segment(wp_way *way, int64_t id, wp_bytes *into, wp_segment *out,
                              wp_error *err)
{
    if (read_blob(way, id, into, out))
        return WP_OK;
    if (way->find_segment == NULL)
        WP_TRY(wp__way_prepare(way, "SELECT bytes FROM segments WHERE id = ?1", &way->find_segment,
                               err));
    bool row = false;
    sqlite3_bind_int64(way->find_segment, 1, id);
    wp_status status = wp__way_step(way, way->find_segment, &row, err);
    *out = (wp_segment){NULL, 0, (uint64_t)id};
    if (status == WP_OK && row) {
        const void *bytes = sqlite3_column_blob(way->find_segment, 0);
        size_t size = (size_t)sqlite3_column_bytes(way->find_segment, 0);
        into->size = 0;
        char *copy = bytes != NULL ? wp_bytes_add(into, size) : NULL;
        if (bytes == NULL) {
            status = damaged(way, err, "an empty segment");
        } else if (copy == NULL) {
            into->failed = false;
            status = wp_fail_memory(err, size);
        } else {
            memcpy(copy, bytes, size);
            out->bytes = copy;
            out->size = size;
        }
    }
    sqlite3_reset(way->find_segment);
    return status;
}

wp_status wp__way_read_segment(wp_way *way, uint32_t part, uint32_t run, uint32_t column,
                               wp_bytes *into, wp_segment *out, wp_error *err)
{
    wp_lock_take(&way->lock);
    wp_status status = find_segment(way, wp__segment_id(part, run, column), into, out, err);
    wp_lock_release(&way->lock);
    return status;
}

wp_status wp__way_insert_segments(wp_way *way, sqlite3_stmt **out, wp_error *err)
{
    return wp__way_prepare(way, "INSERT OR REPLACE INTO segments VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                           out, err);
}

wp_status wp__way_put_segment(wp_way *way, sqlite3_stmt *insert, uint32_t part, uint32_t run,
                              uint32_t column, uint32_t rows, const wp_bytes *bytes, wp_error *err)
{
    sqlite3_bind_int64(insert, 1, wp__segment_id(part, run, column));
    sqlite3_bind_int64(insert, 2, part);
    sqlite3_bind_int64(insert, 3, run);
    sqlite3_bind_int64(insert, 4, column);
    sqlite3_bind_int64(insert, 5, rows);
    if (sqlite3_bind_blob64(insert, 6, bytes->data, bytes->size, SQLITE_STATIC) != SQLITE_OK)
        return wp_fail(err, WP_LIMIT, "%s: a segment of %zu bytes (expected less than 1 GB)",
                       way->path, bytes->size);
    return wp__way_run_once(way, insert, err);
}

wp_status wp__way_put_run(wp_way *way, const wp__way_run *run, wp_error *err)
{
    sqlite3_stmt *statement = NULL;
    WP_TRY(wp__way_prepare(way, "INSERT INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                           &statement, err));
    sqlite3_bind_int64(statement, 1, wp__segment_id(run->part, run->run, 0));
    sqlite3_bind_int64(statement, 2, run->part);
    sqlite3_bind_int64(statement, 3, run->run);
    sqlite3_bind_int64(statement, 4, run->users_count);
    sqlite3_bind_int64(statement, 5, run->events_count);
    sqlite3_bind_int64(statement, 6, run->first_us);
    sqlite3_bind_int64(statement, 7, run->last_us);
    sqlite3_bind_int64(statement, 8, run->unit_us);
    wp_status status = wp__way_run_once(way, statement, err);
    sqlite3_finalize(statement);
    return status;
}
