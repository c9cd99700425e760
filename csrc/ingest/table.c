/* CSV tables; see table.h. */
#include "ingest/table.h"

#include "base/memory.h"
#include "base/number.h"

#define TABLE_MOST (WP_END_OFFSET - 64)

void wp_table_free(wp_table *table)
{
    wp_csv_head_free(&table->head);
    wp_scan_free(&table->scan);
    wp_free(table->text);
    wp_free(table->spare);
    wp_free(table->rows);
    *table = (wp_table){0};
}

wp_slice wp_table_cell(wp_table *table, uint32_t row, uint32_t column)
{
    uint32_t at = table->rows[row] + column;
    size_t start = at == 0 ? 0 : (size_t)(table->scan.ends[at - 1] & WP_END_OFFSET) + 1;
    return wp_csv_cut(table->text, start, table->scan.ends[at], table->spare);
}

static bool is_blank(const wp_table *table, uint32_t first, uint32_t count)
{
    size_t start = first == 0 ? 0 : (size_t)(table->scan.ends[first - 1] & WP_END_OFFSET) + 1;
    size_t end = table->scan.ends[first] & WP_END_OFFSET;
    return count == 1 && table->head.columns_count > 1 &&
           (end == start || (end == start + 1 && table->text[start] == '\r'));
}

/* Why a row is bad, or NULL. */
static const char *row_problem(const wp_table *table, uint32_t first, uint32_t count)
{
    if (count != table->head.columns_count)
        return count < table->head.columns_count ? "too few fields" : "too many fields";
    for (uint32_t i = first; i < first + count; i++)
        if ((table->scan.ends[i] & WP_END_SPOILED) != 0)
            return "text behind a closing quote";
    size_t start = first == 0 ? 0 : (size_t)(table->scan.ends[first - 1] & WP_END_OFFSET) + 1;
    size_t end = table->scan.ends[first + count - 1] & WP_END_OFFSET;
    if (table->scan.has_nul && memchr(table->text + start, '\0', end - start) != NULL)
        return "a NUL byte";
    return NULL;
}

static wp_status keep_rows(wp_table *table, const wp_file *file, bool skip_bad, uint64_t limit,
                           wp_error *err)
{
    const wp_scan *scan = &table->scan;
    table->rows = wp_alloc_array(scan->rows_count, sizeof *table->rows);
    if (table->rows == NULL)
        return wp_fail_memory(err, scan->rows_count * sizeof *table->rows);
    uint32_t first = 0, longest = 0;
    for (size_t row = 0; row < scan->rows_count && table->rows_count < limit; row++) {
        uint32_t count = scan->rows[row] - first;
        uint64_t start = first == 0 ? 0 : (scan->ends[first - 1] & WP_END_OFFSET) + 1;
        uint32_t end = scan->ends[scan->rows[row] - 1] & WP_END_OFFSET;
        longest = end - (uint32_t)start > longest ? end - (uint32_t)start : longest;
        const char *problem =
            is_blank(table, first, count) ? NULL : row_problem(table, first, count);
        if (problem != NULL && !skip_bad) {
            uint64_t line;
            WP_TRY(wp_file_line(file, table->head.data_offset + start, &line, err));
            return wp_fail(err, WP_PARSE, "%s:%llu: %s: %u found (expected %u, as in the header)",
                           file->name, (unsigned long long)line, problem, count,
                           table->head.columns_count);
        }
        if (problem != NULL)
            table->rows_skipped++;
        else if (!is_blank(table, first, count))
            table->rows[table->rows_count++] = first;
        first = scan->rows[row];
    }
    table->spare = wp_alloc((size_t)longest + 1);
    return table->spare != NULL ? WP_OK : wp_fail_memory(err, longest);
}

static wp_status read_all(wp_table *table, const wp_file *file, wp_error *err)
{
    uint64_t offset = table->head.data_offset, size = file->size > offset ? file->size - offset : 0;
    size_t got;
    if (size > TABLE_MOST)
        return wp_fail(err, WP_LIMIT, "%s: %llu bytes in one table (expected at most 512 MiB)",
                       file->name, (unsigned long long)size);
    table->text = wp_alloc((size_t)size + WP_SCAN_PADDING);
    if (table->text == NULL)
        return wp_fail_memory(err, size);
    WP_TRY(wp_file_read(file, offset, table->text, (size_t)size, &got, err));
    memset(table->text + got, 0, (size_t)size + WP_SCAN_PADDING - got);
    wp_scan *scan = &table->scan;
    wp_scan_start(scan, table->head.delimiter, 0, false);
    WP_TRY(wp_scan_run(scan, table->text, got, SIZE_MAX, true, err));
    if (!scan->in_quotes)
        return WP_OK;
    uint64_t at = scan->rows_count == 0
                      ? 0
                      : (scan->ends[scan->rows[scan->rows_count - 1] - 1] & WP_END_OFFSET) + 1;
    uint64_t line;
    WP_TRY(wp_file_line(file, offset + at, &line, err));
    return wp_fail(err, WP_PARSE,
                   "%s:%llu: a quote is never closed (expected a second one before the end)",
                   file->name, (unsigned long long)line);
}

wp_status wp_table_read(const char *path, char delimiter, bool skip_bad, uint64_t limit,
                        wp_table *out, wp_error *err)
{
    wp_table table = {0};
    wp_file file;
    WP_TRY(wp_file_open(path, &file, err));
    wp_status status = wp_csv_head_read(&file, delimiter, NULL, 0, &table.head, err);
    if (status == WP_OK)
        status = read_all(&table, &file, err);
    if (status == WP_OK)
        status = keep_rows(&table, &file, skip_bad, limit, err);
    wp_file_close(&file);
    if (status == WP_OK)
        *out = table;
    else
        wp_table_free(&table);
    return status;
}

wp_table_kind wp_table_column_kind(wp_table *table, uint32_t column)
{
    wp_table_kind kind = WP_TABLE_INTEGERS;
    bool any = false;
    for (uint32_t row = 0; row < table->rows_count; row++) {
        wp_slice cell = wp_table_cell(table, row, column);
        int64_t integer;
        double number;
        if (cell.length == 0)
            continue;
        size_t sign = cell.text[0] == '-' || cell.text[0] == '+';
        if (cell.length > sign + 1 && cell.text[sign] == '0' && cell.text[sign + 1] >= '0' &&
            cell.text[sign + 1] <= '9')
            return WP_TABLE_TEXTS;
        if (!wp_number_parse(cell.text, cell.length, &number))
            return WP_TABLE_TEXTS;
        any |= !isnan(number);
        if (!wp_integer_parse(cell.text, cell.length, &integer))
            kind = WP_TABLE_NUMBERS;
    }
    return any ? kind : WP_TABLE_TEXTS;
}
