/* Imports: adding a log to a store; see way.h.
**
** First every user of the log gets a number, every text a code and every column a place; what is
** new is added to the dictionaries. Then the users are taken in the order of their numbers, part by
** part: workers pack a window of parts side by side, the calling thread writes them in order. All
** of it is one transaction. A user that had no events so far moves behind those that have: users
** with events keep the order in which they first appear.
**
** Cost: the ids of all users are read once per import (a hash of 8 bytes per user). */
#include "store/way_import.h"

#include <stdio.h>

/* --- Rows ------------------------------------------------------------------------------------ */

typedef struct window {
    wp__import *work;
    uint32_t *starts; /* first of work->users of each part of the window, one more */
    wp__way_packed *packed;
    wp__way_scratch *scratches;
} window;

/* The rows of one user, appended to the columns from row `at` on. */
static uint32_t gather_rows(const wp__import *work, uint32_t user, uint32_t at, int64_t *times_us,
                            uint32_t *events, double **numbers, uint32_t **codes)
{
    const wp_log *log = work->log;
    const wp_columns *c = log->columns;
    uint32_t from = at;
    for (uint32_t row = c->row_starts[user]; row < c->row_starts[user + 1]; row++) {
        if (!wp_bit(log->rows, row))
            continue;
        times_us[at] = wp_time_at(&c->times, row);
        events[at] = work->event_map[wp_code_at(&c->events, row)];
        for (uint32_t i = 0; i < c->numbers_count; i++)
            numbers[i][at] = wp_number_at(&c->numbers[i], row);
        for (uint32_t i = 0; i < c->texts_count; i++)
            codes[i][at] = work->text_maps[i][wp_code_at(&c->texts[i].codes, row)];
        at++;
    }
    return at - from;
}

typedef struct gathered {
    uint32_t *offsets, *row_counts, *events;
    int64_t *times_us;
    double **numbers; /* numbers, then NULL per text */
    uint32_t **codes; /* NULL per number, then texts */
} gathered;

static bool gathered_make(gathered *rows, const wp_columns *c, uint32_t users, size_t count)
{
    uint32_t columns = c->numbers_count + c->texts_count;
    *rows = (gathered){.offsets = wp_alloc_array(users, 4),
                       .row_counts = wp_alloc_array(users, 4),
                       .events = wp_alloc_array(count, 4),
                       .times_us = wp_alloc_array(count, 8),
                       .numbers = wp_alloc_array_zero(columns, sizeof *rows->numbers),
                       .codes = wp_alloc_array_zero(columns, sizeof *rows->codes)};
    if (rows->offsets == NULL || rows->row_counts == NULL || rows->events == NULL ||
        rows->times_us == NULL || rows->numbers == NULL || rows->codes == NULL)
        return false;
    for (uint32_t i = 0; i < columns; i++)
        if (i < c->numbers_count ? (rows->numbers[i] = wp_alloc_array(count, 8)) == NULL
                                 : (rows->codes[i] = wp_alloc_array(count, 4)) == NULL)
            return false;
    return true;
}

static void gathered_free(gathered *rows, const wp_columns *c)
{
    for (uint32_t i = 0; i < c->numbers_count + c->texts_count; i++) {
        if (rows->numbers != NULL)
            wp_free(rows->numbers[i]);
        if (rows->codes != NULL)
            wp_free(rows->codes[i]);
    }
    wp_free(rows->offsets);
    wp_free(rows->row_counts);
    wp_free(rows->events);
    wp_free(rows->times_us);
    wp_free(rows->numbers);
    wp_free(rows->codes);
}

static wp_status pack_users(const wp__import *work, const wp__numbered *users, uint32_t users_count,
                            gathered *rows, wp__way_scratch *scratch, wp__way_packed *packed,
                            wp_error *err)
{
    const wp_columns *c = work->log->columns;
    uint32_t at = 0;
    for (uint32_t i = 0; i < users_count; i++) {
        rows->offsets[i] = users[i].number % WP_WAY_PART_USERS;
        rows->row_counts[i] = gather_rows(work, users[i].user, at, rows->times_us, rows->events,
                                          rows->numbers, rows->codes + c->numbers_count);
        at += rows->row_counts[i];
    }
    wp__way_rows ready = {users[0].number / WP_WAY_PART_USERS,
                          users_count,
                          at,
                          rows->offsets,
                          rows->row_counts,
                          rows->times_us,
                          rows->events,
                          c->numbers_count + c->texts_count,
                          work->columns,
                          (const uint32_t *const *)rows->codes,
                          (const double *const *)rows->numbers};
    return wp__way_pack(&ready, work->run, scratch, packed, err);
}

static wp_status pack_part(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    window *w = context;
    const wp_columns *c = w->work->log->columns;
    const wp__numbered *users = w->work->users + w->starts[chunk];
    uint32_t users_count = w->starts[chunk + 1] - w->starts[chunk];
    size_t rows_count = 0;
    for (uint32_t i = 0; i < users_count; i++)
        rows_count += c->row_starts[users[i].user + 1] - c->row_starts[users[i].user];
    gathered rows;
    wp_status status = gathered_make(&rows, c, users_count, rows_count)
                           ? pack_users(w->work, users, users_count, &rows, &w->scratches[worker],
                                        &w->packed[chunk], err)
                           : wp_fail_memory(err, rows_count * 16);
    gathered_free(&rows, c);
    return status;
}

static wp_status write_window(wp__import *work, window *w, uint32_t parts_count,
                              sqlite3_stmt *insert, const wp_run *run, wp_error *err)
{
    wp_status status = wp_pool_run(run, parts_count, pack_part, w, err);
    for (uint32_t i = 0; i < parts_count; i++) {
        if (status == WP_OK && wp_run_interrupted(run))
            status = wp_fail(err, WP_INTERRUPTED, "interrupted");
        if (status == WP_OK) {
            const wp__way_run *made = &w->packed[i].run;
            status = wp__way_put_packed(work->way, insert, &w->packed[i], err);
            work->events_count += made->events_count;
            work->first_us = made->first_us < work->first_us ? made->first_us : work->first_us;
            work->last_us = made->last_us > work->last_us ? made->last_us : work->last_us;
        }
        wp__way_packed_free(&w->packed[i]);
    }
    return status;
}

#define PARTS_PER_WINDOW 32u

static wp_status write_rows(wp__import *work, const wp_run *run, wp_error *err)
{
    sqlite3_stmt *insert = NULL;
    uint32_t starts[PARTS_PER_WINDOW + 1];
    wp__way_packed packed[PARTS_PER_WINDOW] = {0};
    window w = {work, starts, packed, NULL};
    unsigned threads = wp_run_threads(run);
    WP_TRY(wp__way_insert_segments(work->way, &insert, err));
    w.scratches = wp_alloc_array_zero(threads, sizeof *w.scratches);
    wp_status status = w.scratches != NULL ? WP_OK : wp_fail_memory(err, threads * 64);
    work->first_us = INT64_MAX;
    work->last_us = INT64_MIN;
    for (uint32_t at = 0; status == WP_OK && at < work->users_count;) {
        uint32_t parts = 0;
        while (parts < PARTS_PER_WINDOW && at < work->users_count) {
            uint32_t part = work->users[at].number / WP_WAY_PART_USERS;
            starts[parts++] = at;
            while (at < work->users_count && work->users[at].number / WP_WAY_PART_USERS == part)
                at++;
        }
        starts[parts] = at;
        status = write_window(work, &w, parts, insert, run, err);
    }
    for (unsigned i = 0; w.scratches != NULL && i < threads; i++)
        wp__way_scratch_free(&w.scratches[i]);
    wp_free(w.scratches);
    sqlite3_finalize(insert);
    return status;
}

/* --- The record ------------------------------------------------------------------------------ */

static wp_status refuse_again(wp_way *way, uint64_t fingerprint, wp_error *err)
{
    sqlite3_stmt *statement = NULL;
    char text[17];
    bool row = false;
    snprintf(text, sizeof text, "%016llx", (unsigned long long)fingerprint);
    WP_TRY(
        wp__way_prepare(way, "SELECT import FROM imports WHERE fingerprint = ?1", &statement, err));
    sqlite3_bind_text(statement, 1, text, -1, SQLITE_STATIC);
    wp_status status = wp__way_step(way, statement, &row, err);
    if (status == WP_OK && row)
        status = wp_fail(err, WP_INVALID,
                         "%s: these events are there already, as import %lld (force = true adds "
                         "them again)",
                         way->path, (long long)sqlite3_column_int64(statement, 0));
    sqlite3_finalize(statement);
    return status;
}

static wp_status write_import(wp__import *work, uint64_t fingerprint, int64_t *number,
                              wp_error *err)
{
    wp_way *way = work->way;
    sqlite3_stmt *insert = NULL;
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)fingerprint);
    WP_TRY(wp__way_prepare(way,
                           "INSERT INTO imports VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                           &insert, err));
    sqlite3_bind_text(insert, 1, text, -1, SQLITE_STATIC);
    if (work->how->source != NULL)
        sqlite3_bind_text(insert, 2, work->how->source, -1, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 3, work->how->now_us);
    sqlite3_bind_int64(insert, 4, (int64_t)work->events_count);
    sqlite3_bind_int64(insert, 5, work->all_count);
    sqlite3_bind_int64(insert, 6,
                       (int64_t)work->numbered_after - work->numbered_before - work->moved_count);
    sqlite3_bind_int64(insert, 7, (int64_t)work->kept_out_count);
    if (work->events_count > 0) {
        sqlite3_bind_int64(insert, 8, work->first_us);
        sqlite3_bind_int64(insert, 9, work->last_us);
    }
    wp_status status = wp__way_run_once(way, insert, err);
    if (status == WP_OK)
        *number = sqlite3_last_insert_rowid(way->connection);
    sqlite3_finalize(insert);
    return status;
}

/* Whether the store now is this log, and nothing else. */
static bool is_whole(const wp__import *work)
{
    return work->numbered_before == 0 && work->log->rows == NULL && work->log->users == NULL &&
           work->kept_out_count == 0 && work->way->view.events_count == 0;
}

static wp_status write_facts(wp__import *work, bool first_import, wp_error *err)
{
    wp_way *way = work->way;
    const wp__way_view *view = &way->view;
    const wp_columns *c = work->log->columns;
    const struct {
        const char *name;
        int64_t value;
    } facts[] = {
        {"generation", view->generation + (work->changes_users || work->how->replace)},
        {"users_numbered", work->numbered_after},
        {"users", (int64_t)view->users_count + work->numbered_after - work->numbered_before -
                      work->moved_count},
        {"run_last", work->run},
        {"rows_skipped", (int64_t)(view->rows_skipped + c->rows_skipped)},
        {"rows_ungrouped", (int64_t)(view->rows_ungrouped + c->rows_ungrouped)},
        {"ties_ordered", (first_import || view->ties_ordered) && c->ties_ordered},
        {"time_zone_assumed", view->time_zone_assumed || c->time_zone_assumed},
        {"has_known_at", view->has_known_at || c->known_at_us != NULL},
    };
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        WP_TRY(wp__way_set(way, facts[i].name, facts[i].value, err));
    return wp__way_set_fingerprint(way, is_whole(work), c->fingerprint, err);
}

/* Empties the store but for its salt and what was forgotten. */
static wp_status clear(wp_way *way, wp_error *err)
{
    int64_t generation = way->view.generation;
    WP_TRY(wp__way_exec(way,
                        "DELETE FROM segments; DELETE FROM runs; DELETE FROM texts; "
                        "DELETE FROM columns; DELETE FROM imports; "
                        "DELETE FROM store WHERE name <> 'salt'",
                        err));
    WP_TRY(wp__way_look(way, err));
    way->view.generation = generation;
    return WP_OK;
}

static wp_status write_all(wp__import *work, const wp_run *run, wp_way_imported *out, wp_error *err)
{
    wp_way *way = work->way;
    uint64_t fingerprint = wp_log_fingerprint(work->log);
    if (work->how->replace)
        WP_TRY(clear(way, err));
    else if (!work->how->force)
        WP_TRY(refuse_again(way, fingerprint, err));
    bool first_import = way->view.run_last == 0;
    if (way->view.run_last >= WP__RUNS_MOST)
        return wp_fail(err, WP_LIMIT, "%s: more than %u imports", way->path, WP__RUNS_MOST);
    if (way->view.events_count + work->log->events_count >= UINT32_MAX - 1)
        return wp_fail(err, WP_LIMIT, "%s: more than 2^32 - 2 events", way->path);
    work->run = way->view.run_last + 1;
    WP_TRY(wp__import_columns(work, err));
    WP_TRY(wp__import_users(work, err));
    WP_TRY(wp__import_texts(work, err));
    WP_TRY(write_rows(work, run, err));
    WP_TRY(wp__import_attributes(work, err));
    WP_TRY(write_import(work, fingerprint, &out->import, err));
    out->events_count = work->events_count;
    out->users_count = work->all_count;
    out->users_new = work->numbered_after - work->numbered_before - work->moved_count;
    out->users_kept_out = work->kept_out_count;
    return write_facts(work, first_import, err);
}

static void import_free(wp__import *work)
{
    const wp_columns *c = work->log->columns;
    for (uint32_t i = 0; work->text_maps != NULL && i < c->texts_count; i++)
        wp_free(work->text_maps[i]);
    for (uint32_t i = 0; work->user_text_maps != NULL && i < c->user_texts_count; i++)
        wp_free(work->user_text_maps[i]);
    wp_free(work->text_maps);
    wp_free(work->user_text_maps);
    wp_free(work->event_map);
    wp_free(work->columns);
    wp_free(work->users);
    wp_free(work->all);
    wp_free(work->moved);
}

wp_status wp_way_append(wp_way *way, const wp_log *log, const wp_way_import *how, const wp_run *run,
                        wp_way_imported *out, wp_error *err)
{
    wp__import work = {.way = way, .log = log, .how = how};
    wp_way_imported made = {0};
    way->run = run;
    wp_status status = wp__way_begin_writing(way, err);
    if (status == WP_OK) {
        status = write_all(&work, run, &made, err);
        status = wp__way_end_writing(way, status, err);
    }
    way->run = NULL;
    import_free(&work);
    if (status == WP_OK)
        *out = made;
    return status;
}
