/* The columns of one part of a store, in final order; see way_join.c for who has rows, and where
** each final row comes from. */
#include "store/way_internal.h"

void wp__way_scratch_free(wp__way_scratch *scratch)
{
    wp_bytes_free(&scratch->bytes);
    for (size_t i = 0; i < 8; i++)
        wp_free(scratch->blocks[i]);
    *scratch = (wp__way_scratch){0};
}

void *wp__way_room(wp__way_scratch *scratch, unsigned k, size_t count, size_t size)
{
    size_t wanted = count * size; /* rows < 2^32, size <= 8 */
    if (scratch->blocks[k] != NULL && scratch->capacities[k] >= wanted)
        return scratch->blocks[k];
    wp_free(scratch->blocks[k]);
    wanted += wanted / 8; /* parts are of about one size: the next one fits */
    scratch->capacities[k] = wanted;
    scratch->blocks[k] = wp_alloc(wanted);
    return scratch->blocks[k];
}

size_t wp__way_part_runs(const wp__way_view *view, uint32_t part, const wp__way_run **first)
{
    size_t low = 0, high = view->runs_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (view->runs[middle].part < part)
            low = middle + 1;
        else
            high = middle;
    }
    *first = view->runs + low;
    while (high < view->runs_count && view->runs[high].part == part)
        high++;
    return high - low;
}

void wp__way_part_free(wp__way_part *part)
{
    wp_free(part->offsets);
    wp_free(part->row_counts);
    wp_free(part->order);
    wp_free(part->times_us);
    *part = (wp__way_part){0};
}

static const char *column_name(const wp_way *way, uint32_t column)
{
    if (column >= WP__COLUMN_FIRST && column - WP__COLUMN_FIRST < way->view.columns_count)
        return way->view.columns[column - WP__COLUMN_FIRST].name;
    return column == WP__COLUMN_USERS    ? "users"
           : column == WP__COLUMN_TIMES  ? "times"
           : column == WP__COLUMN_EVENTS ? "events"
                                         : "attributes";
}

wp_status wp__way_blame(const wp_way *way, const wp__way_run *run, uint32_t column, wp_error *err)
{
    if (err == NULL || err->status != WP_CORRUPT)
        return err != NULL ? err->status : WP_CORRUPT;
    char said[256];
    memcpy(said, err->message, sizeof said - 1);
    said[sizeof said - 1] = '\0';
    return wp_fail(err, WP_CORRUPT, "%s: part %u, run %u, %s: %s", way->path, run->part, run->run,
                   column_name(way, column), said);
}

wp_status wp__way_fetch(wp_way *way, const wp__way_run *run, uint32_t column, char kind,
                        uint32_t expected, bool may_miss, wp__way_scratch *scratch, wp_segment *out,
                        wp_error *err)
{
    uint32_t count = 0;
    WP_TRY(wp__way_read_segment(way, run->part, run->run, column, &scratch->bytes, out, err));
    if (out->size == 0 && may_miss)
        return WP_OK;
    wp_status status = out->size == 0
                           ? wp_fail(err, WP_CORRUPT, "the segment is missing")
                           : wp_segment_check(out, kind, expected, UINT32_MAX, &count, err);
    return status == WP_OK ? WP_OK : wp__way_blame(way, run, column, err);
}

/* --- Columns --------------------------------------------------------------------------------- */

wp_status wp__way_part_codes(wp_way *way, const wp__way_part *part, uint32_t column, uint32_t below,
                             wp__way_scratch *scratch, uint32_t *codes, wp_error *err)
{
    uint32_t *from = part->order == NULL ? codes : wp__way_room(scratch, 0, part->rows_count, 4);
    if (from == NULL)
        return wp_fail_memory(err, part->rows_count * 4ULL);
    size_t row = 0;
    for (size_t i = 0; i < part->runs_count; row += part->runs[i++].events_count) {
        const wp__way_run *run = &part->runs[i];
        wp_segment segment;
        WP_TRY(wp__way_fetch(way, run, column, 'c', run->events_count, column != WP__COLUMN_EVENTS,
                             scratch, &segment, err));
        if (segment.size == 0)
            memset(from + row, 0, run->events_count * sizeof *from);
        else if (wp_segment_codes(&segment, run->events_count, below, from + row, err) != WP_OK)
            return wp__way_blame(way, run, column, err);
    }
    if (part->order != NULL)
        for (uint32_t i = 0; i < part->rows_count; i++)
            codes[i] = from[part->order[i]];
    return WP_OK;
}

wp_status wp__way_run_codes(wp_way *way, const wp__way_run *run, uint32_t column, uint32_t below,
                            const wp_codes *codes, size_t row, wp__way_scratch *scratch,
                            wp_error *err)
{
    wp_segment segment;
    WP_TRY(wp__way_fetch(way, run, column, 'c', run->events_count, column != WP__COLUMN_EVENTS,
                         scratch, &segment, err));
    if (segment.size == 0) {
        if (codes->width > 0)
            memset((char *)codes->data + row * codes->width, 0,
                   (size_t)run->events_count * codes->width);
        return WP_OK;
    }
    if (wp_segment_narrow(&segment, run->events_count, below, codes, row, err) != WP_OK)
        return wp__way_blame(way, run, column, err);
    return WP_OK;
}

wp_status wp__way_run_rows(wp_way *way, const wp__way_run *run, const uint32_t *row_counts,
                           const wp_times *times, const wp_codes *events, uint32_t events_below,
                           size_t row, wp__way_scratch *scratch, bool *done, wp_error *err)
{
    uint32_t *room = wp__way_room(scratch, 3, wp_segment_offsets_room(run->events_count), 4);
    if (room == NULL)
        return wp_fail_memory(err, run->events_count * 4ULL);
    wp_segment segment;
    WP_TRY(wp__way_fetch(way, run, WP__COLUMN_TIMES, 't', run->events_count, false, scratch,
                         &segment, err));
    if (wp_segment_offsets(&segment, row_counts, run->users_count, run->events_count, times,
                           run->first_us, run->last_us, room, times->offsets + row, done,
                           err) != WP_OK)
        return wp__way_blame(way, run, WP__COLUMN_TIMES, err);
    if (!*done || events == NULL)
        return WP_OK;
    return wp__way_run_codes(way, run, WP__COLUMN_EVENTS, events_below, events, row, scratch, err);
}

wp_status wp__way_part_numbers(wp_way *way, const wp__way_part *part, uint32_t column,
                               wp__way_scratch *scratch, double *numbers, wp_error *err)
{
    double *from = part->order == NULL ? numbers : wp__way_room(scratch, 0, part->rows_count, 8);
    double *spare = wp__way_room(scratch, 1, part->rows_count, 8);
    if (from == NULL || spare == NULL)
        return wp_fail_memory(err, part->rows_count * 8ULL);
    size_t row = 0;
    for (size_t i = 0; i < part->runs_count; row += part->runs[i++].events_count) {
        const wp__way_run *run = &part->runs[i];
        wp_segment segment;
        WP_TRY(
            wp__way_fetch(way, run, column, 'n', run->events_count, true, scratch, &segment, err));
        if (segment.size == 0)
            for (uint32_t k = 0; k < run->events_count; k++)
                from[row + k] = NAN;
        else if (wp_segment_numbers(&segment, run->events_count, from + row, spare, err) != WP_OK)
            return wp__way_blame(way, run, column, err);
    }
    if (part->order != NULL)
        for (uint32_t i = 0; i < part->rows_count; i++)
            numbers[i] = from[part->order[i]];
    return WP_OK;
}

wp_status wp__way_run_numbers(wp_way *way, const wp__way_run *run, uint32_t column,
                              wp__way_scratch *scratch, uint64_t **present, double **packed,
                              uint32_t *count, wp_error *err)
{
    wp_segment segment;
    uint32_t found = 0;
    WP_TRY(wp__way_fetch(way, run, column, 'n', run->events_count, true, scratch, &segment, err));
    wp_status status = segment.size == 0
                           ? WP_OK
                           : wp_segment_numbers_present(&segment, run->events_count, &found, err);
    if (status == WP_OK) {
        *present = wp_alloc_array_zero(run->events_count / 64 + 1, sizeof **present);
        *packed = wp_alloc_array(found, sizeof **packed);
        if (*present == NULL || *packed == NULL)
            return wp_fail_memory(err, found * 8ULL);
        if (segment.size > 0)
            status = wp_segment_numbers_packed(&segment, run->events_count, *present, *packed, err);
    }
    *count = found;
    return status == WP_OK ? WP_OK : wp__way_blame(way, run, column, err);
}
