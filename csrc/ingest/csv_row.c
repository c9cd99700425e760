/* Rows of CSV text; see csv_row.h. */
#include "ingest/csv_row.h"

#include "base/memory.h"
#include "base/number.h"

/* --- Columns ---------------------------------------------------------------------------------- */

void wp_csv_columns_free(wp_csv_columns *columns)
{
    wp_free(columns->numbers);
    wp_free(columns->texts);
    *columns = (wp_csv_columns){0};
}

static wp_status find_all(const wp_file *file, const wp_csv_head *head, const char *const *names,
                          uint32_t count, uint32_t *into, wp_error *err)
{
    for (uint32_t i = 0; i < count; i++)
        WP_TRY(wp_csv_head_find(head, file->name, names[i], &into[i], err));
    return WP_OK;
}

static wp_status find_columns(const wp_file *file, const wp_source *source, const wp_csv_head *head,
                              wp_csv_columns *columns, wp_error *err)
{
    const wp_schema *schema = &source->schema;
    columns->numbers = wp_alloc_array(schema->numbers_count, sizeof(uint32_t));
    columns->texts = wp_alloc_array(schema->texts_count, sizeof(uint32_t));
    if (columns->numbers == NULL || columns->texts == NULL)
        return wp_fail_memory(err, schema->texts_count * sizeof(uint32_t));
    columns->width = head->columns_count;
    columns->event = columns->order = WP_NO_COLUMN;
    WP_TRY(wp_csv_head_find(head, file->name, source->user, &columns->user, err));
    if (source->event_name == NULL)
        WP_TRY(wp_csv_head_find(head, file->name, source->event, &columns->event, err));
    WP_TRY(wp_csv_head_find(head, file->name, source->time, &columns->time, err));
    if (source->order != NULL)
        WP_TRY(wp_csv_head_find(head, file->name, source->order, &columns->order, err));
    WP_TRY(find_all(file, head, schema->numbers, schema->numbers_count, columns->numbers, err));
    return find_all(file, head, schema->texts, schema->texts_count, columns->texts, err);
}

wp_status wp_csv_columns_find(const wp_file *file, const wp_source *source, wp_csv_head *head,
                              wp_csv_columns *columns, wp_error *err)
{
    const wp_schema *schema = &source->schema;
    uint32_t count = 0;
    const char **wanted =
        wp_alloc_array((size_t)schema->numbers_count + schema->texts_count + 4, sizeof *wanted);
    if (wanted == NULL)
        return wp_fail_memory(err, schema->texts_count * sizeof *wanted);
    wanted[count++] = source->user;
    wanted[count++] = source->time;
    if (source->event_name == NULL)
        wanted[count++] = source->event;
    for (uint32_t i = 0; i < schema->numbers_count; i++)
        wanted[count++] = schema->numbers[i];
    for (uint32_t i = 0; i < schema->texts_count; i++)
        wanted[count++] = schema->texts[i];
    wp_status status = wp_csv_head_read(file, source->delimiter, wanted, count, head, err);
    wp_free((void *)wanted);
    if (status != WP_OK)
        return status;
    return find_columns(file, source, head, columns, err);
}

/* --- Rows ------------------------------------------------------------------------------------- */

wp_status wp_csv_row_start(wp_csv_row *row, const wp_schema *schema, wp_error *err)
{
    *row = (wp_csv_row){.numbers = wp_alloc_array(schema->numbers_count, sizeof(double)),
                        .texts = wp_alloc_array(schema->texts_count, sizeof(wp_slice))};
    row->row.numbers = row->numbers;
    row->row.texts = row->texts;
    if (row->numbers == NULL || row->texts == NULL)
        return wp_fail_memory(err, schema->texts_count * sizeof(wp_slice));
    return WP_OK;
}

void wp_csv_row_free(wp_csv_row *row)
{
    wp_free(row->numbers);
    wp_free(row->texts);
    wp_free(row->spare);
    *row = (wp_csv_row){0};
}

/* Everything a field needs while one row is read. */
typedef struct fields {
    wp_csv_row *row;
    const char *text;
    size_t start;
    const uint32_t *ends;
} fields;

static inline wp_slice cut(const fields *f, uint32_t column)
{
    size_t start = column == 0 ? f->start : (size_t)(f->ends[column - 1] & WP_END_OFFSET) + 1;
    uint32_t end = f->ends[column];
    wp_slice slice = wp_csv_cut(f->text, start, end, f->row->spare + f->row->spare_used);
    if ((end & WP_END_ESCAPED) != 0)
        f->row->spare_used += slice.length;
    return slice;
}

/* A value for a message: no control characters, not too long. */
static const char *shown(wp_slice value, char *into, size_t into_size)
{
    size_t length = value.length < into_size - 4 ? value.length : into_size - 4;
    while (length < value.length && length > 0 && (value.text[length] & 0xc0) == 0x80)
        length--; /* not in the middle of a character */
    for (size_t i = 0; i < length; i++)
        into[i] = (unsigned char)value.text[i] < 32 ? ' ' : value.text[i];
    memcpy(into + length, length < value.length ? "…" : "", length < value.length ? 4 : 1);
    return into;
}

static wp_status bad_value(const char *column, wp_slice value, const char *expected, wp_error *err)
{
    char quoted[128];
    if (value.length == 0)
        return wp_fail(err, WP_PARSE, "column '%s': is empty (expected %s)", column, expected);
    return wp_fail(err, WP_PARSE, "column '%s': '%s' is not %s", column,
                   shown(value, quoted, sizeof quoted), expected);
}

/* Says what a time would be in another unit when the one that was asked for does not fit. */
static wp_status bad_time(const wp_source *source, wp_slice value, wp_error *err)
{
    const wp_time_rule *rule = &source->time_rule;
    wp_time_rule plain = {.zone = rule->zone};
    char quoted[128], other[WP_TIME_TEXT], expected[256];
    int64_t time_us;
    bool zone_assumed = false;
    if (value.length == 0)
        return wp_fail(err, WP_PARSE, "column '%s': is empty (expected a time)", source->time);
    if ((rule->format != NULL || rule->unit != WP_UNIT_AUTO) &&
        wp_time_parse(&plain, value.text, value.length, &time_us, &zone_assumed)) {
        wp_time_text(time_us, NULL, other);
        return wp_fail(err, WP_PARSE,
                       "column '%s': '%s' is not a time by the given %s (without it: %s)",
                       source->time, shown(value, quoted, sizeof quoted),
                       rule->format != NULL ? "time_format" : "time_unit", other);
    }
    if (rule->format != NULL) {
        wp_error scratch;
        wp_fail(&scratch, WP_PARSE, "a time (expected the format '%.200s')", rule->format);
        memcpy(expected, scratch.message, sizeof expected - 1);
        expected[sizeof expected - 1] = '\0';
        return bad_value(source->time, value, expected, err);
    }
    return bad_value(source->time, value, "a time (expected ISO 8601 or epoch)", err);
}

static wp_status check_fields(const wp_csv_columns *columns, const uint32_t *ends, uint32_t count,
                              const char *text, size_t start, bool may_have_nul, wp_error *err)
{
    if (count != columns->width)
        return wp_fail(err, WP_PARSE, "%u field%s found (expected %u, as in the header)", count,
                       count == 1 ? "" : "s", columns->width);
    for (uint32_t i = 0; i < count; i++)
        if ((ends[i] & WP_END_SPOILED) != 0)
            return wp_fail(err, WP_PARSE,
                           "field %u: has text behind its closing quote (expected a delimiter)",
                           i + 1);
    size_t end = ends[count - 1] & WP_END_OFFSET;
    if (may_have_nul && memchr(text + start, '\0', end - start) != NULL)
        return wp_fail(err, WP_PARSE, "holds a NUL byte (expected text)");
    return WP_OK;
}

static bool reserve_spare(wp_csv_row *row, size_t size)
{
    row->spare_used = 0;
    if (size <= row->spare_capacity)
        return true;
    char *spare = wp_realloc_array(row->spare, size * 2, 1);
    if (spare == NULL)
        return false;
    row->spare = spare;
    row->spare_capacity = size * 2;
    return true;
}

static wp_status read_extras(wp_csv_row *row, const wp_csv_columns *columns,
                             const wp_source *source, const fields *f, wp_error *err)
{
    const wp_schema *schema = &source->schema;
    for (uint32_t i = 0; i < schema->numbers_count; i++) {
        wp_slice value = cut(f, columns->numbers[i]);
        if (value.length == 0)
            row->numbers[i] = NAN;
        else if (!wp_number_parse(value.text, value.length, &row->numbers[i]))
            return bad_value(schema->numbers[i], value, "a number", err);
    }
    for (uint32_t i = 0; i < schema->texts_count; i++)
        row->texts[i] = cut(f, columns->texts[i]);
    if (columns->order != WP_NO_COLUMN) {
        wp_slice value = cut(f, columns->order);
        if (!wp_order_parse(value.text, value.length, &row->row.order))
            return bad_value(source->order, value, "an order (expected a number or a time)", err);
    }
    return WP_OK;
}

wp_status wp_csv_row_read(wp_csv_row *row, const wp_csv_columns *columns, const wp_source *source,
                          const char *text, size_t start, const uint32_t *ends, uint32_t count,
                          bool may_have_nul, wp_error *err)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < count; i++)
        seen |= ends[i];
    row->is_blank = false;
    if (count != columns->width || (seen & WP_END_SPOILED) != 0 || may_have_nul) {
        size_t end = ends[count - 1] & WP_END_OFFSET;
        row->is_blank = count == 1 && (end == start || (end == start + 1 && text[start] == '\r'));
        if (row->is_blank)
            return WP_OK;
        WP_TRY(check_fields(columns, ends, count, text, start, may_have_nul, err));
    }
    if ((seen & WP_END_ESCAPED) != 0 &&
        !reserve_spare(row, (ends[count - 1] & WP_END_OFFSET) - start + 1))
        return wp_fail_memory(err, (ends[count - 1] & WP_END_OFFSET) - start);
    const fields f = {row, text, start, ends};
    row->row.user = cut(&f, columns->user);
    if (row->row.user.length == 0)
        return bad_value(source->user, row->row.user, "the id of a user", err);
    if (columns->event != WP_NO_COLUMN)
        row->row.event = cut(&f, columns->event);
    else
        row->row.event = (wp_slice){source->event_name, strlen(source->event_name)};
    if (row->row.event.length == 0)
        return bad_value(source->event, row->row.event, "the name of an event", err);
    wp_slice time = cut(&f, columns->time);
    row->row.time_zone_assumed = false;
    if (!wp_time_parse(&source->time_rule, time.text, time.length, &row->row.time_us,
                       &row->row.time_zone_assumed))
        return bad_time(source, time, err);
    return read_extras(row, columns, source, &f, err);
}
