/* Rows of one part packed as a run, ready to be written; see way_internal.h. */
#include "store/way_internal.h"

void wp__way_packed_free(wp__way_packed *packed)
{
    for (uint32_t i = 0; packed->segments != NULL && i < packed->segments_count; i++)
        wp_bytes_free(&packed->segments[i]);
    wp_free(packed->segments);
    wp_free(packed->columns);
    *packed = (wp__way_packed){0};
}

static bool all_missing(const wp__way_rows *rows, uint32_t column)
{
    if (rows->codes[column] != NULL) {
        for (uint32_t i = 0; i < rows->rows_count; i++)
            if (rows->codes[column][i] != 0)
                return false;
        return true;
    }
    for (uint32_t i = 0; i < rows->rows_count; i++)
        if (!isnan(rows->numbers[column][i]))
            return false;
    return true;
}

static void pack_columns(const wp__way_rows *rows, uint32_t run, uint64_t *words,
                         wp__way_packed *packed)
{
    uint32_t count = rows->rows_count, n = 3;
    uint32_t part = rows->part;
    packed->columns[0] = WP__COLUMN_USERS;
    packed->columns[1] = WP__COLUMN_TIMES;
    packed->columns[2] = WP__COLUMN_EVENTS;
    wp_segment_of_users(&packed->segments[0], (uint64_t)wp__segment_id(part, run, WP__COLUMN_USERS),
                        rows->offsets, rows->row_counts, rows->users_count, words);
    wp_segment_of_times(&packed->segments[1], (uint64_t)wp__segment_id(part, run, WP__COLUMN_TIMES),
                        rows->times_us, rows->row_counts, rows->users_count, count, words);
    wp_segment_of_codes(&packed->segments[2],
                        (uint64_t)wp__segment_id(part, run, WP__COLUMN_EVENTS), rows->events, count,
                        words);
    for (uint32_t i = 0; i < rows->columns_count; i++) {
        if (all_missing(rows, i))
            continue; /* a column without a segment is missing throughout */
        uint64_t id = (uint64_t)wp__segment_id(part, run, rows->columns[i]);
        packed->columns[n] = rows->columns[i];
        if (rows->codes[i] != NULL)
            wp_segment_of_codes(&packed->segments[n++], id, rows->codes[i], count, words);
        else
            wp_segment_of_numbers(&packed->segments[n++], id, rows->numbers[i], count, words);
    }
    packed->segments_count = n;
}

wp_status wp__way_pack(const wp__way_rows *rows, uint32_t run, wp__way_scratch *scratch,
                       wp__way_packed *out, wp_error *err)
{
    uint32_t most = 3 + rows->columns_count;
    wp__way_packed packed = {.segments_count = most};
    packed.columns = wp_alloc_array(most, sizeof *packed.columns);
    packed.segments = wp_alloc_array_zero(most, sizeof *packed.segments);
    uint64_t *words = wp__way_room(scratch, 2, rows->rows_count, 8);
    wp_status status = WP_OK;
    if (packed.columns == NULL || packed.segments == NULL || words == NULL)
        status = wp_fail_memory(err, rows->rows_count * 8ULL);
    if (status == WP_OK) {
        pack_columns(rows, run, words, &packed);
        for (uint32_t i = 0; i < packed.segments_count; i++)
            if (packed.segments[i].failed)
                status = wp_fail_memory(err, packed.segments[i].capacity * 2);
    }
    if (status != WP_OK) {
        packed.segments_count = most;
        wp__way_packed_free(&packed);
        return status;
    }
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (uint32_t i = 0; i < rows->rows_count; i++) {
        first = rows->times_us[i] < first ? rows->times_us[i] : first;
        last = rows->times_us[i] > last ? rows->times_us[i] : last;
    }
    packed.run = (wp__way_run){rows->part,
                               run,
                               rows->users_count,
                               rows->rows_count,
                               first,
                               last,
                               (int64_t)wp_segment_unit(&packed.segments[1])};
    *out = packed;
    return WP_OK;
}

wp_status wp__way_put_packed(wp_way *way, sqlite3_stmt *insert, const wp__way_packed *packed,
                             wp_error *err)
{
    const wp__way_run *run = &packed->run;
    for (uint32_t i = 0; i < packed->segments_count; i++)
        WP_TRY(wp__way_put_segment(way, insert, run->part, run->run, packed->columns[i],
                                   i == 0 ? run->users_count : run->events_count,
                                   &packed->segments[i], err));
    return wp__way_put_run(way, run, err);
}
