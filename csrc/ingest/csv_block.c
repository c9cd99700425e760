/* Blocks of CSV rows; see csv_block.h. */
#include "ingest/csv_block.h"

#include "base/number.h"

typedef struct block {
    const char *text;
    size_t start;         /* of the first field */
    const uint32_t *ends; /* of the fields, row by row */
    uint32_t width, count;
} block;

/* Every row has `width` fields, and none of them has quotes. */
static bool has_plain_shape(const wp_scan *scan, size_t first, const block *b)
{
    uint32_t before = first > 0 ? scan->rows[first - 1] : 0, wrong = 0, flags = 0;
    for (uint32_t i = 0; i < b->count; i++)
        wrong |= scan->rows[first + i] ^ (before += b->width);
    if (wrong != 0 || !scan->has_quoted)
        return wrong == 0;
    for (size_t i = 0; i < (size_t)b->count * b->width; i++)
        flags |= b->ends[i];
    return (flags & ~WP_END_OFFSET) == 0;
}

/* The texts of one column; only the last one can end in a carriage return. */
static void cut_column(const block *b, uint32_t column, wp_slice *slices)
{
    const uint32_t *ends = b->ends + column;
    size_t start = column > 0 ? (size_t)ends[-1] + 1 : b->start;
    slices[0] = (wp_slice){b->text + start, ends[0] - start};
    for (uint32_t i = 1; i < b->count; i++) {
        const uint32_t *end = ends + (size_t)i * b->width;
        slices[i] = (wp_slice){b->text + end[-1] + 1, end[0] - end[-1] - 1};
    }
    if (column + 1 == b->width)
        for (uint32_t i = 0; i < b->count; i++) {
            size_t length = slices[i].length;
            slices[i].length -= length > 0 && slices[i].text[length - 1] == '\r';
        }
}

static bool read_numbers(const wp_slice *slices, uint32_t count, double *numbers)
{
    for (uint32_t i = 0; i < count; i++)
        if (slices[i].length == 0)
            numbers[i] = NAN;
        else if (!wp_number_parse(slices[i].text, slices[i].length, &numbers[i]))
            return false;
    return true;
}

static bool has_empty(const wp_slice *slices, uint32_t count)
{
    bool any = false;
    for (uint32_t i = 0; i < count; i++)
        any |= slices[i].length == 0;
    return any;
}

static wp_status put_all(const block *b, const wp_csv_columns *columns, const wp_source *source,
                         const wp_slice *users, wp_slice *slices, wp_writer *writer, wp_error *err)
{
    WP_TRY(wp_writer_put_users(writer, users, b->count, err));
    if (columns->event != WP_NO_COLUMN)
        WP_TRY(wp_writer_put_events(writer, slices, b->count, err));
    else
        WP_TRY(wp_writer_put_one_event(writer, source->event_name, b->count, err));
    for (uint32_t i = 0; i < source->schema.texts_count; i++) {
        cut_column(b, columns->texts[i], slices);
        WP_TRY(wp_writer_put_texts(writer, i, slices, b->count, err));
    }
    return WP_OK;
}

wp_status wp_csv_block_read(const wp_csv_columns *columns, const wp_source *source,
                            const char *text, const wp_scan *scan, size_t first, size_t start,
                            uint32_t count, wp_writer *writer, bool *taken, wp_error *err)
{
    wp_slice users[WP_CSV_BLOCK], slices[WP_CSV_BLOCK];
    uint32_t before = first > 0 ? scan->rows[first - 1] : 0;
    const block b = {text, start, scan->ends + before, columns->width, count};
    bool zone_assumed = false;
    *taken = false;
    if (scan->has_nul || source->schema.has_order || !has_plain_shape(scan, first, &b))
        return WP_OK;
    WP_TRY(wp_writer_open(writer, count, err));
    cut_column(&b, columns->time, slices);
    if (wp_time_parse_list(&source->time_rule, slices, count, wp_writer_times(writer),
                           &zone_assumed) < count)
        return WP_OK;
    for (uint32_t i = 0; i < source->schema.numbers_count; i++) {
        cut_column(&b, columns->numbers[i], slices);
        if (!read_numbers(slices, count, wp_writer_numbers(writer, i)))
            return WP_OK;
    }
    cut_column(&b, columns->user, users);
    if (columns->event != WP_NO_COLUMN)
        cut_column(&b, columns->event, slices);
    if (has_empty(users, count) || (columns->event != WP_NO_COLUMN && has_empty(slices, count)))
        return WP_OK;
    WP_TRY(put_all(&b, columns, source, users, slices, writer, err));
    wp_writer_take(writer, count, zone_assumed);
    *taken = true;
    return WP_OK;
}
