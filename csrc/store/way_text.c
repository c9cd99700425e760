/* Dictionaries of a store: texts by code, as JSON arrays of at most TEXTS_PER_ROW each, so that the
** sqlite3 shell can list them; null is a text that was taken away.
**
** The JSON is what json_each reads back to the same bytes: strings with the escapes \" \\ \u00XX
** and nothing else between them. Bytes above 127 stand as they are. Reading checks the checksum and
** then accepts this form only. */
#include "store/checksum.h"
#include "store/way_internal.h"

#include <stdio.h>

#define TEXTS_PER_ROW 16384u

void wp__dictionary_free(wp_dictionary *dictionary)
{
    wp_free(dictionary->offsets);
    wp_free(dictionary->bytes);
    *dictionary = (wp_dictionary){0};
}

static uint64_t checksum(const char *json, size_t size, int64_t id)
{
    return wp_checksum(json, size, (uint64_t)id);
}

static int64_t row_id(uint32_t dictionary, uint32_t first)
{
    return (int64_t)((uint64_t)dictionary << 32 | first);
}

/* --- Writing --------------------------------------------------------------------------------- */

static void add_string(wp_bytes *json, const char *text, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    size_t size = length + 2;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        size += c < 0x20 ? 5 : c == '"' || c == '\\';
    }
    char *at = wp_bytes_add(json, size);
    if (at == NULL)
        return;
    *at++ = '"';
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20) {
            memcpy(at, "\\u00", 4);
            at[4] = digits[c >> 4];
            at[5] = digits[c & 15];
            at += 6;
        } else {
            if (c == '"' || c == '\\')
                *at++ = '\\';
            *at++ = (char)c;
        }
    }
    *at = '"';
}

static void add_separator(wp_bytes *json, char separator)
{
    char *at = wp_bytes_add(json, 1);
    if (at != NULL)
        *at = separator;
}

static wp_status put_row(wp_way *way, sqlite3_stmt *insert, uint32_t dictionary, uint32_t first,
                         uint32_t count, const wp_bytes *json, wp_error *err)
{
    int64_t id = row_id(dictionary, first);
    sqlite3_bind_int64(insert, 1, id);
    sqlite3_bind_int64(insert, 2, dictionary);
    sqlite3_bind_int64(insert, 3, first);
    sqlite3_bind_int64(insert, 4, count);
    sqlite3_bind_int64(insert, 5, (int64_t)checksum(json->data, json->size, id));
    if (sqlite3_bind_text64(insert, 6, json->data, json->size, SQLITE_STATIC, SQLITE_UTF8) !=
        SQLITE_OK)
        return wp_fail(err, WP_LIMIT, "%s: %zu bytes of texts (expected less than 1 GB)", way->path,
                       json->size);
    return wp__way_run_once(way, insert, err);
}

static wp_status prepare_put(wp_way *way, sqlite3_stmt **out, wp_error *err)
{
    return wp__way_prepare(way, "INSERT OR REPLACE INTO texts VALUES (?1, ?2, ?3, ?4, ?5, ?6)", out,
                           err);
}

wp_status wp__way_add_texts(wp_way *way, uint32_t dictionary, uint32_t first,
                            const wp_dictionary *from, const uint32_t *codes, uint32_t count,
                            wp_error *err)
{
    sqlite3_stmt *insert = NULL;
    if (count == 0)
        return WP_OK;
    WP_TRY(prepare_put(way, &insert, err));
    wp_bytes json = {0};
    wp_status status = WP_OK;
    for (uint32_t at = 0; at < count && status == WP_OK;) {
        /* Rows of users end where parts do. */
        uint32_t n = TEXTS_PER_ROW - (first + at) % TEXTS_PER_ROW;
        n = n < count - at ? n : count - at;
        json.size = 0;
        for (uint32_t i = 0; i < n; i++) {
            size_t length;
            const char *text = wp_dictionary_text(from, codes[at + i], &length);
            add_separator(&json, i == 0 ? '[' : ',');
            add_string(&json, text, length);
        }
        add_separator(&json, ']');
        status = json.failed ? wp_fail_memory(err, json.capacity * 2)
                             : put_row(way, insert, dictionary, first + at, n, &json, err);
        at += n;
    }
    wp_bytes_free(&json);
    sqlite3_finalize(insert);
    return status;
}

/* --- Reading --------------------------------------------------------------------------------- */

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads one entry at *at; its bytes go to `into`, which has room. False: not our JSON. */
static bool read_entry(const char **at, const char *end, char **into, bool *taken)
{
    const char *from = *at;
    char *to = *into;
    *taken = false;
    if (end - from >= 4 && memcmp(from, "null", 4) == 0) {
        *at = from + 4;
        *taken = true;
        return true;
    }
    if (from == end || *from++ != '"')
        return false;
    for (; from < end && *from != '"'; from++) {
        if ((unsigned char)*from < 0x20)
            return false;
        if (*from != '\\') {
            *to++ = *from;
        } else if (end - from >= 2 && (from[1] == '"' || from[1] == '\\')) {
            *to++ = *++from;
        } else {
            if (end - from < 6 || memcmp(from, "\\u00", 4) != 0 || hex(from[4]) < 0 ||
                hex(from[5]) < 0)
                return false;
            *to++ = (char)(hex(from[4]) << 4 | hex(from[5]));
            from += 5;
        }
    }
    if (from == end)
        return false;
    *at = from + 1;
    *into = to;
    return true;
}

typedef struct reading {
    wp_dictionary texts;
    uint64_t *taken;
    uint32_t capacity;
    size_t bytes_capacity;
} reading;

static bool make_room(reading *work, uint32_t count, size_t size)
{
    uint32_t wanted = work->texts.count + count;
    size_t used = work->texts.count > 0 ? (size_t)work->texts.offsets[work->texts.count] : 0;
    if (wanted > work->capacity || work->texts.offsets == NULL) {
        uint32_t capacity = wanted + wanted / 4 + 8;
        uint64_t *offsets =
            wp_realloc_array(work->texts.offsets, (size_t)capacity + 1, sizeof *offsets);
        if (offsets == NULL)
            return false;
        work->texts.offsets = offsets;
        work->capacity = capacity;
        offsets[work->texts.count] = used;
    }
    if (used + size > work->bytes_capacity || work->texts.bytes == NULL) {
        size_t capacity = used + size + (used + size) / 4 + 8;
        char *bytes = wp_realloc_array(work->texts.bytes, capacity, 1);
        if (bytes == NULL)
            return false;
        work->texts.bytes = bytes;
        work->bytes_capacity = capacity;
    }
    return true;
}

static bool mark_taken(reading *work, uint32_t code, uint32_t codes_limit)
{
    if (work->taken == NULL)
        work->taken = wp_alloc_array_zero((size_t)codes_limit / 64 + 1, sizeof *work->taken);
    if (work->taken != NULL)
        work->taken[code >> 6] |= 1ULL << (code & 63);
    return work->taken != NULL;
}

static wp_status bad_texts(const wp_way *way, uint32_t dictionary, wp_error *err)
{
    return wp_fail(err, WP_CORRUPT, "%s: damaged: %s (wayproof verify says where)", way->path,
                   dictionary == WP__COLUMN_USERS    ? "the ids of users"
                   : dictionary == WP__COLUMN_EVENTS ? "the names of events"
                                                     : "the values of a property");
}

static wp_status read_row(wp_way *way, sqlite3_stmt *statement, uint32_t dictionary,
                          uint32_t codes_limit, reading *work, wp_error *err)
{
    int64_t first = sqlite3_column_int64(statement, 1), count = sqlite3_column_int64(statement, 2);
    const char *json = (const char *)sqlite3_column_text(statement, 4);
    size_t size = (size_t)sqlite3_column_bytes(statement, 4);
    if (json == NULL || first != work->texts.count || count < 1 || (uint64_t)count > size ||
        first + count > codes_limit ||
        sqlite3_column_int64(statement, 0) != row_id(dictionary, (uint32_t)first) ||
        (uint64_t)sqlite3_column_int64(statement, 3) !=
            checksum(json, size, row_id(dictionary, (uint32_t)first)))
        return bad_texts(way, dictionary, err);
    if (!make_room(work, (uint32_t)count, size))
        return wp_fail_memory(err, size);
    const char *at = json, *end = json + size;
    char *into = work->texts.bytes + work->texts.offsets[work->texts.count];
    for (int64_t i = 0; i < count; i++) {
        bool taken = false;
        if (at == end || *at++ != (i == 0 ? '[' : ',') || !read_entry(&at, end, &into, &taken))
            return bad_texts(way, dictionary, err);
        if (taken && !mark_taken(work, work->texts.count, codes_limit))
            return wp_fail_memory(err, codes_limit / 8);
        work->texts.offsets[++work->texts.count] = (uint64_t)(into - work->texts.bytes);
    }
    return end - at == 1 && *at == ']' ? WP_OK : bad_texts(way, dictionary, err);
}

wp_status wp__way_count_texts(wp_way *way, uint32_t dictionary, uint32_t *count, wp_error *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    WP_TRY(wp__way_prepare(way,
                           "SELECT first + count FROM texts WHERE id BETWEEN ?1 AND ?2 "
                           "ORDER BY id DESC LIMIT 1",
                           &statement, err));
    sqlite3_bind_int64(statement, 1, row_id(dictionary, 0));
    sqlite3_bind_int64(statement, 2, row_id(dictionary, UINT32_MAX));
    wp_status status = wp__way_step(way, statement, &row, err);
    int64_t found = status == WP_OK && row ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    if (status == WP_OK && (found < 0 || found >= UINT32_MAX - 1))
        status = bad_texts(way, dictionary, err);
    if (status == WP_OK)
        *count = (uint32_t)found;
    return status;
}

static wp_status read_rows(wp_way *way, sqlite3_stmt *statement, uint32_t dictionary,
                           uint32_t codes_limit, reading *work, wp_error *err)
{
    for (bool row = true;;) {
        WP_TRY(wp__way_step(way, statement, &row, err));
        if (!row)
            break;
        WP_TRY(read_row(way, statement, dictionary, codes_limit, work, err));
    }
    if (work->texts.offsets == NULL) {
        if (!make_room(work, 0, 1))
            return wp_fail_memory(err, 64);
        work->texts.offsets[0] = 0;
    }
    return WP_OK;
}

wp_status wp__way_read_texts(wp_way *way, uint32_t dictionary, wp_dictionary *out, uint64_t **taken,
                             wp_error *err)
{
    sqlite3_stmt *statement = NULL;
    uint32_t count = 0;
    WP_TRY(wp__way_count_texts(way, dictionary, &count, err));
    WP_TRY(wp__way_prepare(way,
                           "SELECT id, first, count, checksum, texts FROM texts "
                           "WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
                           &statement, err));
    sqlite3_bind_int64(statement, 1, row_id(dictionary, 0));
    sqlite3_bind_int64(statement, 2, row_id(dictionary, UINT32_MAX));
    reading work = {0};
    wp_status status = read_rows(way, statement, dictionary, count, &work, err);
    sqlite3_finalize(statement);
    if (status != WP_OK) {
        wp__dictionary_free(&work.texts);
        wp_free(work.taken);
        return status;
    }
    *out = work.texts;
    if (taken != NULL)
        *taken = work.taken;
    else
        wp_free(work.taken);
    return WP_OK;
}

/* --- Taking away ----------------------------------------------------------------------------- */

/* One row again without the texts that are to go, or that went before. */
static wp_status rewrite_row(wp_way *way, sqlite3_stmt *insert, uint32_t dictionary,
                             const wp_dictionary *texts, const uint64_t *gone, uint32_t first,
                             uint32_t count, wp_bytes *json, wp_error *err)
{
    json->size = 0;
    for (uint32_t code = first; code < first + count; code++) {
        size_t length;
        const char *text = wp_dictionary_text(texts, code, &length);
        add_separator(json, code == first ? '[' : ',');
        if (wp_bit(gone, code)) {
            char *at = wp_bytes_add(json, 4);
            if (at != NULL)
                memcpy(at, "null", 4);
        } else {
            add_string(json, text, length);
        }
    }
    add_separator(json, ']');
    if (json->failed)
        return wp_fail_memory(err, json->capacity * 2);
    return put_row(way, insert, dictionary, first, count, json, err);
}

wp_status wp__way_take_texts(wp_way *way, uint32_t dictionary, const uint64_t *taken, wp_error *err)
{
    wp_dictionary texts = {0};
    uint64_t *before = NULL;
    sqlite3_stmt *rows = NULL, *insert = NULL;
    wp_bytes json = {0};
    WP_TRY(wp__way_read_texts(way, dictionary, &texts, &before, err));
    size_t words = (size_t)texts.count / 64 + 1;
    uint64_t *gone = wp_alloc_array_zero(words, sizeof *gone);
    wp_status status = gone != NULL ? WP_OK : wp_fail_memory(err, words * 8);
    for (size_t i = 0; status == WP_OK && i < words; i++)
        gone[i] = taken[i] | (before != NULL ? before[i] : 0);
    if (status == WP_OK)
        status = wp__way_prepare(way, "SELECT first, count FROM texts WHERE id BETWEEN ?1 AND ?2",
                                 &rows, err);
    if (status == WP_OK)
        status = prepare_put(way, &insert, err);
    if (status == WP_OK) {
        sqlite3_bind_int64(rows, 1, row_id(dictionary, 0));
        sqlite3_bind_int64(rows, 2, row_id(dictionary, UINT32_MAX));
    }
    for (bool row = true; status == WP_OK && row;) {
        status = wp__way_step(way, rows, &row, err);
        if (status != WP_OK || !row)
            break;
        uint32_t first = (uint32_t)sqlite3_column_int64(rows, 0);
        uint32_t count = (uint32_t)sqlite3_column_int64(rows, 1);
        bool touched = false;
        for (uint32_t code = first; code < first + count; code++)
            touched = touched || wp_bit(taken, code);
        if (touched)
            status = rewrite_row(way, insert, dictionary, &texts, gone, first, count, &json, err);
    }
    sqlite3_finalize(rows);
    sqlite3_finalize(insert);
    wp_bytes_free(&json);
    wp_free(gone);
    wp_free(before);
    wp__dictionary_free(&texts);
    return status;
}
