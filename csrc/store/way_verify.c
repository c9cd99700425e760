/* Reading all of a store to see whether it is what was written; see way.h.
**
** Three sweeps: every page against its checksum, so that no flipped byte stays unseen, wherever it
** is; SQLite's own check of its trees; every segment and dictionary through the decoders, which
** says what a damage means: which part, run and column. */
#include "base/hash.h"
#include "store/way_internal.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct checking {
    const char *path;
    wp_way *way;        /* NULL: cannot be opened */
    sqlite3_file *file; /* without the layer that checks pages */
    const wp_run *run;
    wp_way_damage damage;
    void *context;
    wp_way_checked counts;
} checking;

static void report(checking *work, const char *text)
{
    work->counts.damages_count++;
    work->damage(work->context, text);
}

/* --- Pages ----------------------------------------------------------------------------------- */

static void report_pages(checking *work, uint64_t first, uint64_t last)
{
    char text[160];
    if (first == last)
        snprintf(text, sizeof text,
                 "page %" PRIu64 " (bytes %" PRIu64 " to %" PRIu64 "): its checksum does not fit",
                 first + 1, first * WP__PAGE_SIZE, (first + 1) * WP__PAGE_SIZE - 1);
    else
        snprintf(text, sizeof text,
                 "pages %" PRIu64 " to %" PRIu64 " (from byte %" PRIu64
                 "): their checksums do not fit",
                 first + 1, last + 1, first * WP__PAGE_SIZE);
    report(work, text);
}

static wp_status read_at(const checking *work, uint64_t offset, void *into, size_t size,
                         wp_error *err)
{
    int code = work->file->pMethods->xRead(work->file, into, (int)size, (sqlite3_int64)offset);
    if (code == SQLITE_IOERR_SHORT_READ)
        return wp_fail(err, WP_IO, "%s: became shorter while it was read", work->path);
    return code == SQLITE_OK ? WP_OK : wp_fail(err, WP_IO, "%s: reading failed", work->path);
}

static wp_status check_pages(checking *work, uint64_t size, wp_error *err)
{
    enum { PAGES = 32 };
    char *block = wp_alloc((size_t)PAGES * WP__PAGE_SIZE);
    wp_status status = block != NULL ? WP_OK : wp_fail_memory(err, PAGES * WP__PAGE_SIZE);
    uint64_t pages = size / WP__PAGE_SIZE, bad_from = 0, bad_count = 0;
    for (uint64_t page = 0; status == WP_OK && page < pages;) {
        size_t wanted = (size_t)(pages - page < PAGES ? pages - page : PAGES);
        status = read_at(work, page * WP__PAGE_SIZE, block, wanted * WP__PAGE_SIZE, err);
        for (size_t i = 0; status == WP_OK && i < wanted; i++, page++) {
            if (wp__page_is_good(block + i * WP__PAGE_SIZE, WP__PAGE_SIZE, page * WP__PAGE_SIZE))
                continue;
            if (bad_count > 0 && bad_from + bad_count != page) {
                report_pages(work, bad_from, bad_from + bad_count - 1);
                bad_count = 0;
            }
            bad_from = bad_count == 0 ? page : bad_from;
            bad_count++;
        }
        if (status == WP_OK && wp_run_interrupted(work->run))
            status = wp_fail(err, WP_INTERRUPTED, "interrupted");
    }
    if (bad_count > 0)
        report_pages(work, bad_from, bad_from + bad_count - 1);
    if (status == WP_OK && (size % WP__PAGE_SIZE != 0 || pages == 0))
        report(work, "the file does not end with a whole page: it was cut off or added to");
    work->counts.pages_count = pages;
    wp_free(block);
    return status;
}

/* The head says how many pages there are, where it can be trusted. More are no damage: they are
** left by compacting that was killed, and gone with the next change. */
static wp_status check_length(checking *work, uint64_t size, wp_error *err)
{
    unsigned char head[100];
    if (size < sizeof head)
        return WP_OK;
    WP_TRY(read_at(work, 0, head, sizeof head, err));
    uint64_t pages = (uint64_t)head[28] << 24 | head[29] << 16 | head[30] << 8 | head[31];
    if (pages > size / WP__PAGE_SIZE) {
        char text[160];
        snprintf(text, sizeof text, "%" PRIu64 " pages (expected %" PRIu64 ", by the first page)",
                 size / WP__PAGE_SIZE, pages);
        report(work, text);
    }
    return WP_OK;
}

/* --- Trees ----------------------------------------------------------------------------------- */

static void check_trees(checking *work)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(work->way->connection, "PRAGMA integrity_check(20)", -1,
                                  &statement, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(statement);
        if (code != SQLITE_ROW)
            break;
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        if (text != NULL && strcmp(text, "ok") != 0) {
            char said[256];
            snprintf(said, sizeof said, "database: %s", text);
            for (char *at = said; *at != '\0'; at++)
                if (*at == '\n')
                    *at = ' ';
            report(work, said);
        }
    }
    if (code != SQLITE_DONE && code != SQLITE_OK)
        report(work, "database: its trees cannot be walked");
    sqlite3_finalize(statement);
}

/* --- Contents -------------------------------------------------------------------------------- */

/* A failure that is a damage is reported and forgotten; others end the check. */
static wp_status judge(checking *work, wp_status status, const wp_error *err)
{
    if (status != WP_CORRUPT && status != WP_SQL)
        return status;
    const char *text = err->message;
    size_t length = strlen(work->path);
    if (strncmp(text, work->path, length) == 0 && strncmp(text + length, ": ", 2) == 0)
        text += length + 2;
    report(work, text);
    return WP_OK;
}

static wp_status check_dictionary(checking *work, uint32_t dictionary, uint32_t *count,
                                  wp_error *err)
{
    wp_dictionary texts = {0};
    wp_status status = wp__way_read_texts(work->way, dictionary, &texts, NULL, err);
    if (status == WP_OK)
        *count = texts.count;
    wp__dictionary_free(&texts);
    return judge(work, status, err);
}

static wp_status check_part(checking *work, uint32_t number, uint32_t events_count,
                            const uint32_t *counts, wp__way_scratch *scratch, wp_error *err)
{
    wp_way *way = work->way;
    wp__way_part part = {0};
    wp_status status = wp__way_part_read(way, number, WP__PART_TIMES, scratch, &part, err);
    if (status != WP_OK)
        return judge(work, status, err);
    work->counts.segments_count += part.runs_count * 2;
    void *room = wp__way_room(scratch, 3, part.rows_count, 8);
    status = room == NULL ? wp_fail_memory(err, part.rows_count * 8ULL)
                          : judge(work,
                                  wp__way_part_codes(way, &part, WP__COLUMN_EVENTS, events_count,
                                                     scratch, room, err),
                                  err);
    work->counts.segments_count += part.runs_count;
    for (uint32_t i = 0; status == WP_OK && i < way->view.columns_count; i++) {
        const wp__way_column *column = &way->view.columns[i];
        if (column->per_user)
            continue;
        status = column->is_text
                     ? wp__way_part_codes(way, &part, column->column, counts[i], scratch, room, err)
                     : wp__way_part_numbers(way, &part, column->column, scratch, room, err);
        status = judge(work, status, err);
        work->counts.segments_count += part.runs_count;
    }
    wp__way_part_free(&part);
    return status;
}

static wp_status check_contents(checking *work, wp_error *err)
{
    const wp__way_view *view = &work->way->view;
    wp__way_scratch scratch = {0};
    uint32_t users = 0, events = 0;
    uint32_t *counts = wp_alloc_array_zero(view->columns_count, sizeof *counts);
    wp_status status = counts != NULL ? WP_OK : wp_fail_memory(err, view->columns_count * 4ULL);
    if (status == WP_OK)
        status = check_dictionary(work, WP__COLUMN_USERS, &users, err);
    if (status == WP_OK)
        status = check_dictionary(work, WP__COLUMN_EVENTS, &events, err);
    for (uint32_t i = 0; status == WP_OK && i < view->columns_count; i++)
        if (view->columns[i].is_text)
            status = check_dictionary(work, view->columns[i].column, &counts[i], err);
    for (uint32_t part = 0; status == WP_OK && part < view->parts_count; part++) {
        status = check_part(work, part, events, counts, &scratch, err);
        if (status == WP_OK && wp_run_interrupted(work->run))
            status = wp_fail(err, WP_INTERRUPTED, "interrupted");
    }
    wp__way_scratch_free(&scratch);
    wp_free(counts);
    return status;
}

/* Attributes go through the loader, which is the one place that decodes them. */
static wp_status check_attributes(checking *work, wp_error *err)
{
    wp_way *way = NULL;
    wp_log *log = NULL;
    wp_status status = wp_way_open(work->path, WP_WAY_READ, &way, err);
    if (status == WP_OK)
        status = wp_way_log(way, &log, err);
    if (status == WP_OK)
        status = wp_columns_need(log->columns, WP_PART_ATTRIBUTES, 0, work->run, err);
    wp_log_release(log);
    return judge(work, status, err);
}

static wp_status check_all(checking *work, wp_error *err)
{
    sqlite3_int64 size = 0;
    if (work->file->pMethods->xFileSize(work->file, &size) != SQLITE_OK)
        return wp_fail(err, WP_IO, "%s: reading failed", work->path);
    WP_TRY(check_pages(work, (uint64_t)size, err));
    WP_TRY(check_length(work, (uint64_t)size, err));
    if (work->way == NULL)
        return WP_OK;
    check_trees(work);
    wp_status status = wp__way_look(work->way, err);
    if (status != WP_OK)
        return judge(work, status, err);
    WP_TRY(check_contents(work, err));
    /* Wherever events are damaged that has been said. */
    return work->counts.damages_count == 0 ? check_attributes(work, err) : WP_OK;
}

/* The bytes as they are, by SQLite's own hands: a descriptor of ours would, when it is closed, let
** go of every lock that this process has on the file. */
static wp_status open_bytes(checking *work, sqlite3 **connection, wp_error *err)
{
    int code = sqlite3_open_v2(work->path, connection, SQLITE_OPEN_READONLY, NULL);
    if (*connection == NULL)
        return wp_fail_memory(err, 1);
    if (code == SQLITE_OK)
        sqlite3_file_control(*connection, "main", SQLITE_FCNTL_FILE_POINTER, &work->file);
    if (work->file == NULL || work->file->pMethods == NULL)
        return wp_fail(err, WP_IO, "%s: cannot open: %s", work->path,
                       code == SQLITE_OK ? "not a file"
                                         : strerror(sqlite3_system_errno(*connection)));
    return WP_OK;
}

wp_status wp_way_verify(const char *path, const wp_run *run, wp_way_damage damage, void *context,
                        wp_way_checked *out, wp_error *err)
{
    checking work = {.path = path, .run = run, .damage = damage, .context = context};
    sqlite3 *bytes = NULL;
    wp_error opening;
    wp_status status = open_bytes(&work, &bytes, err);
    if (status == WP_OK) {
        status = wp_way_open(path, WP_WAY_REPAIR, &work.way, &opening);
        if (status == WP_OK)
            status = wp__way_exec(work.way, "BEGIN; SELECT 1 FROM sqlite_master", err);
        else if (status == WP_CORRUPT || status == WP_SQL)
            status = judge(&work, status, &opening);
        else if (err != NULL)
            *err = opening;
    }
    if (status == WP_OK)
        status = check_all(&work, err);
    if (work.way != NULL)
        wp__way_end_reading(work.way);
    wp_way_close(work.way);
    sqlite3_close(bytes);
    if (status == WP_OK)
        *out = work.counts;
    return status;
}
