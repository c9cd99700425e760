/* Header of a CSV file; see csv_head.h. */
#include "ingest/csv_head.h"

#include "base/memory.h"

#include <stdio.h>

#define HEAD_BYTES (1u << 18)
#define HEAD_MOST  (1u << 24)

void wp_csv_head_free(wp_csv_head *head)
{
    for (uint32_t i = 0; head->names != NULL && i < head->columns_count; i++)
        wp_free(head->names[i]);
    wp_free(head->names);
    *head = (wp_csv_head){0};
}

static bool is_name(const char *name, const char *wanted)
{
    size_t length = strlen(wanted);
    while (*name == ' ')
        name++;
    if (strncmp(name, wanted, length) != 0)
        return false;
    for (name += length; *name == ' '; name++) {
    }
    return *name == '\0';
}

/* Exact names first, then names with blanks around them. */
static uint32_t count_named(const wp_csv_head *head, const char *name, uint32_t *column)
{
    uint32_t exact = 0, loose = 0;
    for (uint32_t i = head->columns_count; i-- > 0;)
        if (strcmp(head->names[i], name) == 0) {
            exact++;
            *column = i;
        }
    for (uint32_t i = head->columns_count; exact == 0 && i-- > 0;)
        if (is_name(head->names[i], name)) {
            loose++;
            *column = i;
        }
    return exact > 0 ? exact : loose;
}

wp_status wp_csv_head_find(const wp_csv_head *head, const char *file_name, const char *name,
                           uint32_t *column, wp_error *err)
{
    uint32_t count = count_named(head, name, column);
    if (count == 1)
        return WP_OK;
    if (count > 1)
        return wp_fail(err, WP_PARSE, "%s: column '%s': appears %u times (expected once)",
                       file_name, name, count);
    char list[512];
    size_t used = 0;
    for (uint32_t i = 0; i < head->columns_count && used < sizeof list - 1; i++) {
        int more =
            snprintf(list + used, sizeof list - used, "%s%.60s", i > 0 ? ", " : "", head->names[i]);
        used += more > 0 ? (size_t)more : 0;
    }
    if (used >= sizeof list - 1)
        memcpy(list + sizeof list - 6, ", …", sizeof ", …");
    return wp_fail(err, WP_PARSE, "%s: column '%s': not found (expected one of: %s)", file_name,
                   name, list);
}

/* The first row of `text` under one delimiter. */
static wp_status read_names(wp_scan *scan, const char *text, wp_csv_head *head, wp_error *err)
{
    uint32_t count = scan->rows[0];
    size_t start = 0, longest = (size_t)(scan->ends[count - 1] & WP_END_OFFSET) + 1;
    char *spare = wp_alloc(longest);
    head->names = wp_alloc_array_zero(count, sizeof *head->names);
    head->columns_count = count;
    bool fine = spare != NULL && head->names != NULL;
    for (uint32_t i = 0; fine && i < count; i++) {
        wp_slice name = wp_csv_cut(text, start, scan->ends[i], spare);
        head->names[i] = wp_copy_string(name.text, name.length);
        fine = head->names[i] != NULL;
        start = (size_t)(scan->ends[i] & WP_END_OFFSET) + 1;
    }
    wp_free(spare);
    if (!fine) {
        wp_csv_head_free(head);
        return wp_fail_memory(err, longest);
    }
    head->data_offset = start;
    return WP_OK;
}

/* How well a delimiter explains the text: names found, then rows cut evenly, then more columns. */
static uint64_t score_of(const wp_scan *scan, const wp_csv_head *head, const char *const *wanted,
                         uint32_t wanted_count)
{
    uint64_t found = 0, even = 0;
    uint32_t column, width = head->columns_count;
    for (uint32_t i = 0; i < wanted_count; i++)
        found += count_named(head, wanted[i], &column) > 0;
    for (size_t row = 1; row < scan->rows_count && row < 100; row++)
        even += width > 1 && scan->rows[row] - scan->rows[row - 1] == width;
    return found << 48 | even << 32 | width;
}

static wp_status read_with(char delimiter, const char *text, size_t size, bool is_last,
                           const char *const *wanted, uint32_t wanted_count, wp_csv_head *out,
                           uint64_t *score, wp_error *err)
{
    wp_scan scan = {0};
    wp_scan_start(&scan, delimiter, 0, false);
    *out = (wp_csv_head){.delimiter = delimiter};
    *score = 0;
    wp_status status = wp_scan_run(&scan, text, size, SIZE_MAX, is_last, err);
    if (status == WP_OK && scan.rows_count > 0)
        status = read_names(&scan, text, out, err);
    if (status == WP_OK && scan.rows_count > 0)
        *score = 1 + score_of(&scan, out, wanted, wanted_count);
    wp_scan_free(&scan);
    return status;
}

static wp_status best_head(char delimiter, const char *text, size_t size, bool is_last,
                           const char *const *wanted, uint32_t wanted_count, wp_csv_head *out,
                           wp_error *err)
{
    const char given[] = {delimiter, '\0'}, *candidates = delimiter != '\0' ? given : ",\t;|";
    uint64_t best = 0;
    for (const char *at = candidates; *at != '\0'; at++) {
        wp_csv_head head;
        uint64_t score;
        wp_status status =
            read_with(*at, text, size, is_last, wanted, wanted_count, &head, &score, err);
        if (status != WP_OK) {
            wp_csv_head_free(out);
            return status;
        }
        if (score > best) {
            wp_csv_head_free(out);
            *out = head;
            best = score;
        } else {
            wp_csv_head_free(&head);
        }
    }
    return WP_OK;
}

static wp_status check_text(const wp_file *file, const char *text, size_t size, wp_error *err)
{
    if (size >= 2 &&
        ((text[0] == '\xff' && text[1] == '\xfe') || (text[0] == '\xfe' && text[1] == '\xff')))
        return wp_fail(err, WP_PARSE, "%s: is UTF-16 text (expected UTF-8: save it as CSV UTF-8)",
                       file->name);
    if (size >= 16 && memcmp(text, "SQLite format 3", 16) == 0)
        return wp_fail(err, WP_PARSE, "%s: is a SQLite database (expected CSV: use read_sqlite)",
                       file->name);
    if (size >= 4 && memcmp(text, "PK\3\4", 4) == 0)
        return wp_fail(err, WP_PARSE,
                       "%s: is a zip archive or a spreadsheet (expected CSV text, or CSV in .gz)",
                       file->name);
    return WP_OK;
}

wp_status wp_csv_head_read(const wp_file *file, char delimiter, const char *const *wanted,
                           uint32_t wanted_count, wp_csv_head *out, wp_error *err)
{
    *out = (wp_csv_head){0};
    for (size_t most = HEAD_BYTES;; most *= 8) {
        size_t size = 0, skip = 0;
        char *text = wp_alloc_zero(most + WP_SCAN_PADDING + 1);
        if (text == NULL)
            return wp_fail_memory(err, most);
        wp_status status = wp_file_read(file, 0, text, most, &size, err);
        if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
            skip = 3;
        if (status == WP_OK && size == skip)
            status =
                wp_fail(err, WP_PARSE,
                        "%s: is empty (expected a row of column names, then one row per event)",
                        file->name);
        if (status == WP_OK)
            status = check_text(file, text, size, err);
        bool is_last = size < most;
        if (status == WP_OK)
            status = best_head(delimiter, text + skip, size - skip, is_last, wanted, wanted_count,
                               out, err);
        wp_free(text);
        if (status != WP_OK)
            return status;
        out->data_offset += skip;
        if (out->names != NULL)
            return WP_OK;
        if (is_last || most >= HEAD_MOST)
            return wp_fail(err, WP_PARSE,
                           "%s:1: no end of the first row found (expected column names; is a "
                           "quote not closed?)",
                           file->name);
    }
}
