/* See users_csv.h. A block of text is scanned for field ends (scan.h); its whole rows are handed
** over as cells and the rest is moved to the front of the next block. A row longer than a block
** makes the block grow. */
#include "ingest/users_csv.h"

#include "base/memory.h"
#include "ingest/csv_head.h"

#include <inttypes.h>
#include <stdio.h>

#define BLOCK_BYTES ((size_t)1 << 20)

typedef struct users_csv {
    wp_file file;
    wp_csv_head head;
    wp_users *users;
    uint32_t *fields; /* of each cell: which field of a row */
    wp_cell *cells;
    char *text, *spare; /* text: size + WP_SCAN_PADDING bytes */
    size_t text_size, text_used;
    uint64_t offset; /* of text[0] in the file */
    wp_scan scan;
} users_csv;

static wp_status grow_text(users_csv *csv, size_t text_size, wp_error *err)
{
    char *text = wp_realloc_array(csv->text, text_size + WP_SCAN_PADDING, 1);
    if (text == NULL)
        return wp_fail_memory(err, text_size);
    csv->text = text;
    char *spare = wp_realloc_array(csv->spare, text_size + WP_SCAN_PADDING, 1);
    if (spare == NULL)
        return wp_fail_memory(err, text_size);
    csv->spare = spare;
    csv->text_size = text_size;
    return WP_OK;
}

static wp_status start(users_csv *csv, const char *path, char delimiter, wp_error *err)
{
    uint32_t count = wp_users_columns_count(csv->users);
    csv->fields = wp_alloc_array(count, sizeof *csv->fields);
    csv->cells = wp_alloc_array_zero(count, sizeof *csv->cells);
    const char **names = wp_alloc_array(count, sizeof *names);
    wp_status status = WP_OK;
    if (csv->fields == NULL || csv->cells == NULL || names == NULL)
        status = wp_fail_memory(err, count * sizeof *csv->cells);
    for (uint32_t i = 0; status == WP_OK && i < count; i++)
        names[i] = wp_users_column(csv->users, i);
    if (status == WP_OK)
        status = wp_file_open(path, &csv->file, err);
    if (status == WP_OK)
        status = wp_csv_head_read(&csv->file, delimiter, names, count, &csv->head, err);
    for (uint32_t i = 0; status == WP_OK && i < count; i++)
        status = wp_csv_head_find(&csv->head, path, names[i], &csv->fields[i], err);
    wp_free((void *)names);
    csv->offset = csv->head.data_offset;
    return status == WP_OK ? grow_text(csv, BLOCK_BYTES, err) : status;
}

/* "users.csv:7" */
static wp_status name_place(const users_csv *csv, size_t row_start, char *place, wp_error *err)
{
    uint64_t line = 0;
    WP_TRY(wp_file_line(&csv->file, csv->offset + row_start, &line, err));
    snprintf(place, WP_PLACE_TEXT, "%.200s:%" PRIu64, csv->file.name, line);
    return WP_OK;
}

/* Cuts the wanted fields out of the row whose fields are [first, end) of the scan. Says what is
** wrong with the row, or NULL. */
static const char *cut_row(users_csv *csv, size_t row_start, uint32_t first, uint32_t end)
{
    uint32_t columns_count = wp_users_columns_count(csv->users);
    char *spare = csv->spare;
    if (end - first != csv->head.columns_count)
        return end - first < csv->head.columns_count ? "has fewer fields than the header"
                                                     : "has more fields than the header";
    for (uint32_t i = 0; i < columns_count; i++) {
        uint32_t field = first + csv->fields[i];
        size_t start =
            field == first ? row_start : (csv->scan.ends[field - 1] & WP_END_OFFSET) + (size_t)1;
        if (csv->scan.ends[field] & WP_END_SPOILED)
            return "has text after a closing quote";
        csv->cells[i].kind = WP_CELL_TEXT;
        csv->cells[i].text = wp_csv_cut(csv->text, start, csv->scan.ends[field], spare);
        if (csv->cells[i].text.text == spare)
            spare += csv->cells[i].text.length;
    }
    return NULL;
}

static wp_status take_row(users_csv *csv, size_t row_start, uint32_t first, uint32_t end,
                          wp_error *err)
{
    char place[WP_PLACE_TEXT] = "";
    wp_error why;
    const char *problem = cut_row(csv, row_start, first, end);
    wp_status status = problem == NULL ? wp_users_add(csv->users, csv->cells, "", &why)
                                       : wp_users_refuse(csv->users, "", problem, &why);
    if (status == WP_OK)
        return WP_OK;
    WP_TRY(name_place(csv, row_start, place, err)); /* counting lines is left to the rare case */
    return wp_fail(err, status, "%s%s", place, why.message); /* which begins with ": " */
}

/* The whole rows of the block; *used is where the first row that is not whole begins. */
static wp_status take_rows(users_csv *csv, size_t *used, wp_error *err)
{
    uint32_t first = 0;
    size_t row_start = 0;
    for (size_t row = 0; row < csv->scan.rows_count; row++) {
        uint32_t end = csv->scan.rows[row];
        size_t row_end = csv->scan.ends[end - 1] & WP_END_OFFSET;
        bool is_blank =
            end - first == 1 &&
            (row_end == row_start || (row_end == row_start + 1 && csv->text[row_start] == '\r'));
        if (!is_blank)
            WP_TRY(take_row(csv, row_start, first, end, err));
        row_start = row_end + 1;
        first = end;
    }
    *used = row_start < csv->text_used ? row_start : csv->text_used;
    return WP_OK;
}

/* One block; *more is false after the last one. */
static wp_status take_block(users_csv *csv, bool *more, wp_error *err)
{
    size_t got = 0, used = 0, room = csv->text_size - csv->text_used;
    WP_TRY(wp_file_read(&csv->file, csv->offset + csv->text_used, csv->text + csv->text_used, room,
                        &got, err));
    csv->text_used += got;
    memset(csv->text + csv->text_used, 0, WP_SCAN_PADDING);
    bool is_last = got < room;
    wp_scan_start(&csv->scan, csv->head.delimiter, 0, false);
    WP_TRY(wp_scan_run(&csv->scan, csv->text, csv->text_used, SIZE_MAX, is_last, err));
    if (is_last && csv->scan.in_quotes) {
        char place[WP_PLACE_TEXT] = "";
        WP_TRY(name_place(csv, 0, place, err));
        return wp_fail(err, WP_PARSE, "%s: a quote in this row or after it is never closed", place);
    }
    WP_TRY(take_rows(csv, &used, err));
    *more = !is_last;
    if (!*more)
        return WP_OK;
    memmove(csv->text, csv->text + used, csv->text_used - used);
    csv->text_used -= used;
    csv->offset += used;
    return used == 0 ? grow_text(csv, csv->text_size * 2, err) : WP_OK;
}

wp_status wp_users_read_csv(const char *path, char delimiter, wp_users *users, const wp_run *run,
                            wp_error *err)
{
    users_csv csv = {.users = users, .file = {.descriptor = -1}};
    wp_status status = start(&csv, path, delimiter, err);
    for (bool more = true; status == WP_OK && more;) {
        status = take_block(&csv, &more, err);
        if (status == WP_OK && wp_run_interrupted(run))
            status = wp_fail(err, WP_INTERRUPTED, "interrupted");
    }
    wp_scan_free(&csv.scan);
    wp_csv_head_free(&csv.head);
    wp_file_close(&csv.file);
    wp_free(csv.fields);
    wp_free(csv.cells);
    wp_free(csv.text);
    wp_free(csv.spare);
    return status;
}
