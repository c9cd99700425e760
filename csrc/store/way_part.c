/* One part of a store: putting its runs together, and packing rows into a run; see way.h.
**
** The rows of a part, run by run, are numbered from 0; `order` gives for each final row the one it
** comes from. A part with one run needs no order. Times of a run are ascending per user, so merging
** is a stable insertion of later runs, linear when nothing came late. */
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

/* Names the damaged place. */
static wp_status blame(const wp_way *way, uint32_t part, uint32_t run, const char *column,
                       wp_error *err)
{
    if (err != NULL && err->status == WP_CORRUPT) {
        char said[256];
        memcpy(said, err->message, sizeof said - 1);
        said[sizeof said - 1] = '\0';
        return wp_fail(err, WP_CORRUPT, "%s: part %u, run %u, %s: %s", way->path, part, run, column,
                       said);
    }
    return err != NULL ? err->status : WP_CORRUPT;
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

/* Reads and checks a segment that must be there (or may be missing: size 0). */
static wp_status fetch(wp_way *way, const wp__way_run *run, uint32_t column, char kind,
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
    return status == WP_OK ? WP_OK : blame(way, run->part, run->run, column_name(way, column), err);
}

/* --- Putting runs together ------------------------------------------------------------------- */

typedef struct run_list {
    uint32_t *offsets, *row_counts;     /* all runs, end to end */
    uint32_t *user_starts, *row_starts; /* per run, one more */
} run_list;

static void run_list_free(run_list *list)
{
    wp_free(list->offsets);
    wp_free(list->row_counts);
    wp_free(list->user_starts);
    wp_free(list->row_starts);
}

wp_status wp__way_run_users(wp_way *way, const wp__way_run *run, uint32_t *offsets,
                            uint32_t *row_counts, wp__way_scratch *scratch, wp_error *err)
{
    wp_segment segment;
    uint32_t below = way->view.users_numbered - run->part * WP_WAY_PART_USERS;
    below = below < WP_WAY_PART_USERS ? below : WP_WAY_PART_USERS;
    WP_TRY(fetch(way, run, WP__COLUMN_USERS, 'u', run->users_count, false, scratch, &segment, err));
    if (wp_segment_users(&segment, run->users_count, below, run->events_count, offsets, row_counts,
                         err) != WP_OK)
        return blame(way, run->part, run->run, "users", err);
    return WP_OK;
}

static wp_status read_users(wp_way *way, const wp__way_part *part, run_list *list,
                            wp__way_scratch *scratch, wp_error *err)
{
    uint64_t users = 0, rows = 0;
    list->user_starts = wp_alloc_array_zero(part->runs_count + 1, sizeof(uint32_t));
    list->row_starts = wp_alloc_array_zero(part->runs_count + 1, sizeof(uint32_t));
    if (list->user_starts == NULL || list->row_starts == NULL)
        return wp_fail_memory(err, part->runs_count * 8);
    for (size_t i = 0; i < part->runs_count; i++) {
        list->user_starts[i] = (uint32_t)users;
        list->row_starts[i] = (uint32_t)rows;
        users += part->runs[i].users_count;
        rows += part->runs[i].events_count;
    }
    list->user_starts[part->runs_count] = (uint32_t)users;
    list->row_starts[part->runs_count] = (uint32_t)rows;
    list->offsets = wp_alloc_array(users, sizeof(uint32_t));
    list->row_counts = wp_alloc_array(users, sizeof(uint32_t));
    if (list->offsets == NULL || list->row_counts == NULL)
        return wp_fail_memory(err, users * 8);
    for (size_t i = 0; i < part->runs_count; i++)
        WP_TRY(wp__way_run_users(way, &part->runs[i], list->offsets + list->user_starts[i],
                                 list->row_counts + list->user_starts[i], scratch, err));
    return WP_OK;
}

/* Times of all runs end to end, in microseconds. */
static wp_status read_times(wp_way *way, const wp__way_part *part, const run_list *list,
                            wp__way_scratch *scratch, int64_t *times_us, wp_error *err)
{
    for (size_t i = 0; i < part->runs_count; i++) {
        const wp__way_run *run = &part->runs[i];
        wp_segment segment;
        int64_t base = 0, unit = 1;
        int64_t *into = times_us + list->row_starts[i];
        WP_TRY(fetch(way, run, WP__COLUMN_TIMES, 't', run->events_count, false, scratch, &segment,
                     err));
        if (wp_segment_times(&segment, list->row_counts + list->user_starts[i], run->users_count,
                             run->events_count, &base, &unit, (uint64_t *)into, err) != WP_OK)
            return blame(way, run->part, run->run, "times", err);
        int64_t first = INT64_MAX, last = INT64_MIN;
        for (uint32_t row = 0; row < run->events_count; row++) {
            into[row] = base + into[row] * unit;
            first = into[row] < first ? into[row] : first;
            last = into[row] > last ? into[row] : last;
        }
        if (unit != run->unit_us || first != run->first_us || last != run->last_us) {
            WP_TRY(blame(way, run->part, run->run, "times",
                         (wp_fail(err, WP_CORRUPT, "they are not those of the run"), err)));
            return WP_CORRUPT;
        }
    }
    return WP_OK;
}

/* Users with rows, their numbers of rows, and where their rows are to stand (`next`). */
static wp_status join_users(wp__way_part *part, const run_list *list, uint32_t *next, wp_error *err)
{
    uint32_t users = 0, row = 0;
    memset(next, 0, WP_WAY_PART_USERS * sizeof *next);
    for (uint32_t i = 0; i < list->user_starts[part->runs_count]; i++)
        next[list->offsets[i]] += list->row_counts[i];
    for (uint32_t user = 0; user < WP_WAY_PART_USERS; user++)
        users += next[user] > 0;
    part->offsets = wp_alloc_array(users, sizeof *part->offsets);
    part->row_counts = wp_alloc_array(users, sizeof *part->row_counts);
    if (part->offsets == NULL || part->row_counts == NULL)
        return wp_fail_memory(err, users * 8ULL);
    users = 0;
    for (uint32_t user = 0; user < WP_WAY_PART_USERS; user++) {
        uint32_t rows = next[user];
        next[user] = row;
        if (rows == 0)
            continue;
        part->offsets[users] = user;
        part->row_counts[users++] = rows;
        row += rows;
    }
    part->users_count = users;
    return WP_OK;
}

/* Stable merge sort of one user's rows: they are ascending runs end to end, in `order` with their
** times beside them. */
static void merge_rows(uint32_t *order, int64_t *times, uint32_t *spare_order, int64_t *spare_times,
                       uint32_t count)
{
    for (;;) {
        uint32_t begin = 0, runs = 0;
        while (begin < count) {
            uint32_t middle = begin + 1, end, at = begin, left = begin, right;
            while (middle < count && times[middle - 1] <= times[middle])
                middle++;
            end = middle < count ? middle + 1 : middle;
            while (end < count && times[end - 1] <= times[end])
                end++;
            for (right = middle; at < end; at++) {
                bool take = left == middle || (right < end && times[right] < times[left]);
                uint32_t from = take ? right++ : left++;
                spare_order[at] = order[from];
                spare_times[at] = times[from];
            }
            begin = end;
            runs++;
        }
        memcpy(order, spare_order, count * sizeof *order);
        memcpy(times, spare_times, count * sizeof *times);
        if (runs <= 1)
            return;
    }
}

/* Fills part->order and, in final order, part->times_us from times of the runs. */
static wp_status join_rows(wp__way_part *part, const run_list *list, const int64_t *times_us,
                           uint32_t *next, wp_error *err)
{
    uint32_t most = 0, row = 0;
    part->order = wp_alloc_array(part->rows_count, sizeof *part->order);
    part->times_us = wp_alloc_array(part->rows_count, sizeof *part->times_us);
    for (uint32_t user = 0; user < part->users_count; user++)
        most = part->row_counts[user] > most ? part->row_counts[user] : most;
    uint32_t *spare_order = wp_alloc_array(most, sizeof *spare_order);
    int64_t *spare_times = wp_alloc_array(most, sizeof *spare_times);
    wp_status status = WP_OK;
    if (part->order == NULL || part->times_us == NULL || spare_order == NULL ||
        spare_times == NULL) {
        status = wp_fail_memory(err, part->rows_count * 12ULL);
    } else {
        for (uint32_t i = 0, from = 0; i < list->user_starts[part->runs_count]; i++)
            for (uint32_t k = 0; k < list->row_counts[i]; k++, from++) {
                uint32_t to = next[list->offsets[i]]++;
                part->order[to] = from;
                part->times_us[to] = times_us[from];
            }
        for (uint32_t user = 0; user < part->users_count; row += part->row_counts[user++])
            for (uint32_t k = 1; k < part->row_counts[user]; k++)
                if (part->times_us[row + k - 1] > part->times_us[row + k]) {
                    merge_rows(part->order + row, part->times_us + row, spare_order, spare_times,
                               part->row_counts[user]);
                    break;
                }
    }
    wp_free(spare_order);
    wp_free(spare_times);
    return status;
}

static wp_status join_runs(wp_way *way, wp__way_part *part, bool with_times, run_list *list,
                           wp__way_scratch *scratch, wp_error *err)
{
    WP_TRY(read_users(way, part, list, scratch, err));
    part->rows_count = list->row_starts[part->runs_count];
    if (part->runs_count == 1) {
        part->users_count = part->runs[0].users_count;
        part->offsets = list->offsets;
        part->row_counts = list->row_counts;
        list->offsets = NULL;
        list->row_counts = NULL;
        if (!with_times)
            return WP_OK;
        run_list only = {part->offsets, part->row_counts, list->user_starts, list->row_starts};
        part->times_us = wp_alloc_array(part->rows_count, sizeof *part->times_us);
        if (part->times_us == NULL)
            return wp_fail_memory(err, part->rows_count * 8ULL);
        return read_times(way, part, &only, scratch, part->times_us, err);
    }
    int64_t *times_us = wp_alloc_array(part->rows_count, sizeof *times_us);
    uint32_t *next = wp_alloc_array(WP_WAY_PART_USERS, sizeof *next);
    wp_status status = WP_OK;
    if (times_us == NULL || next == NULL)
        status = wp_fail_memory(err, part->rows_count * 8ULL);
    if (status == WP_OK)
        status = read_times(way, part, list, scratch, times_us, err);
    if (status == WP_OK)
        status = join_users(part, list, next, err);
    if (status == WP_OK)
        status = join_rows(part, list, times_us, next, err);
    wp_free(times_us);
    wp_free(next);
    return status;
}

wp_status wp__way_part_read(wp_way *way, uint32_t number, bool with_times, wp__way_scratch *scratch,
                            wp__way_part *out, wp_error *err)
{
    wp__way_part part = {.part = number};
    run_list list = {0};
    part.runs_count = wp__way_part_runs(&way->view, number, &part.runs);
    wp_status status = WP_OK;
    if (part.runs_count > 0)
        status = join_runs(way, &part, with_times, &list, scratch, err);
    run_list_free(&list);
    if (status == WP_OK)
        *out = part;
    else
        wp__way_part_free(&part);
    return status;
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
        WP_TRY(fetch(way, run, column, 'c', run->events_count, column != WP__COLUMN_EVENTS, scratch,
                     &segment, err));
        if (segment.size == 0)
            memset(from + row, 0, run->events_count * sizeof *from);
        else if (wp_segment_codes(&segment, run->events_count, below, from + row, err) != WP_OK)
            return blame(way, run->part, run->run, column_name(way, column), err);
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
    WP_TRY(fetch(way, run, column, 'c', run->events_count, column != WP__COLUMN_EVENTS, scratch,
                 &segment, err));
    if (segment.size == 0) {
        if (codes->width > 0)
            memset((char *)codes->data + row * codes->width, 0,
                   (size_t)run->events_count * codes->width);
        return WP_OK;
    }
    if (wp_segment_narrow(&segment, run->events_count, below, codes, row, err) != WP_OK)
        return blame(way, run->part, run->run, column_name(way, column), err);
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
    WP_TRY(
        fetch(way, run, WP__COLUMN_TIMES, 't', run->events_count, false, scratch, &segment, err));
    if (wp_segment_offsets(&segment, row_counts, run->users_count, run->events_count, times,
                           run->first_us, run->last_us, room, times->offsets + row, done,
                           err) != WP_OK)
        return blame(way, run->part, run->run, "times", err);
    if (!*done)
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
        WP_TRY(fetch(way, run, column, 'n', run->events_count, true, scratch, &segment, err));
        if (segment.size == 0)
            for (uint32_t k = 0; k < run->events_count; k++)
                from[row + k] = NAN;
        else if (wp_segment_numbers(&segment, run->events_count, from + row, spare, err) != WP_OK)
            return blame(way, run->part, run->run, column_name(way, column), err);
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
    WP_TRY(fetch(way, run, column, 'n', run->events_count, true, scratch, &segment, err));
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
    return status == WP_OK ? WP_OK : blame(way, run->part, run->run, column_name(way, column), err);
}

/* --- Packing --------------------------------------------------------------------------------- */

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
