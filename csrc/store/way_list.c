/* What a store tells about itself: its imports and its size; see way.h. */
#include "store/way_internal.h"

const char *wp_way_path(const wp_way *way)
{
    return way->path;
}

static void take_text(char *into, size_t size, sqlite3_stmt *statement, int place)
{
    const char *text = (const char *)sqlite3_column_text(statement, place);
    size_t length = text != NULL ? strlen(text) : 0;
    length = length < size ? length : size - 1;
    memcpy(into, text != NULL ? text : "", length);
    into[length] = '\0';
}

static wp_status list_imports(wp_way *way, sqlite3_stmt *statement, wp_way_entry **entries,
                              size_t *count, wp_error *err)
{
    size_t capacity = 0;
    for (bool row = true;;) {
        WP_TRY(wp__way_step(way, statement, &row, err));
        if (!row)
            return WP_OK;
        if (*count == capacity) {
            capacity = capacity == 0 ? 16 : capacity * 2;
            wp_way_entry *grown = wp_realloc_array(*entries, capacity, sizeof *grown);
            if (grown == NULL)
                return wp_fail_memory(err, capacity * sizeof *grown);
            *entries = grown;
        }
        wp_way_entry *entry = &(*entries)[(*count)++];
        *entry = (wp_way_entry){.import = sqlite3_column_int64(statement, 0),
                                .imported_at_us = sqlite3_column_int64(statement, 3),
                                .events_count = (uint64_t)sqlite3_column_int64(statement, 4),
                                .users_count = (uint64_t)sqlite3_column_int64(statement, 5),
                                .users_new = (uint64_t)sqlite3_column_int64(statement, 6),
                                .users_kept_out = (uint64_t)sqlite3_column_int64(statement, 7),
                                .first_us = sqlite3_column_int64(statement, 8),
                                .last_us = sqlite3_column_int64(statement, 9)};
        take_text(entry->fingerprint, sizeof entry->fingerprint, statement, 1);
        take_text(entry->source, sizeof entry->source, statement, 2);
    }
}

wp_status wp_way_imports(wp_way *way, wp_way_entry **out, size_t *count, wp_error *err)
{
    sqlite3_stmt *statement = NULL;
    wp_way_entry *entries = NULL;
    size_t found = 0;
    WP_TRY(wp__way_prepare(way,
                           "SELECT import, fingerprint, source, imported_at_us, events, users, "
                           "users_new, users_kept_out, first_us, last_us FROM imports "
                           "ORDER BY import",
                           &statement, err));
    wp_status status = list_imports(way, statement, &entries, &found, err);
    sqlite3_finalize(statement);
    if (status == WP_OK) {
        *out = entries;
        *count = found;
    } else {
        wp_free(entries);
    }
    return status;
}

void wp_way_imports_free(wp_way_entry *entries)
{
    wp_free(entries);
}

static wp_status count_of(wp_way *way, const char *sql, uint64_t *out, wp_error *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    WP_TRY(wp__way_prepare(way, sql, &statement, err));
    wp_status status = wp__way_step(way, statement, &row, err);
    *out = status == WP_OK && row ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return status;
}

static wp_status tell(wp_way *way, wp_way_facts *out, wp_error *err)
{
    uint64_t pages = 0;
    WP_TRY(wp__way_look(way, err));
    WP_TRY(count_of(way, "SELECT count(*) FROM imports", &out->imports_count, err));
    WP_TRY(count_of(way, "SELECT count(*) FROM forgotten", &out->forgotten_count, err));
    WP_TRY(count_of(way, "PRAGMA page_count", &pages, err));
    out->events_count = way->view.events_count;
    out->users_count = way->view.users_count;
    out->runs_count = way->view.runs_count;
    out->parts_count = way->view.parts_count;
    out->bytes_size = pages * WP__PAGE_SIZE;
    return WP_OK;
}

wp_status wp_way_tell(wp_way *way, wp_way_facts *out, wp_error *err)
{
    wp_way_facts facts = {0};
    WP_TRY(wp__way_exec(way, "BEGIN", err));
    wp_status status = tell(way, &facts, err);
    wp__way_end_reading(way);
    if (status == WP_OK)
        *out = facts;
    return status;
}
