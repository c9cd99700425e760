/* Users and rows of a store: parts are decoded side by side, each into its own range of the final
** columns; see way_read.c for the order of users. */
#include "store/way_load.h"

#if defined(__linux__)
#    include <sys/mman.h>
#endif

/* Asks for pages of 2 MB where a column is large: it is about to be filled from end to end, and
** small pages, fetched one by one, would take longer than the decoding. */
static void *in_large_pages(void *block, size_t size)
{
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    const uintptr_t page = (uintptr_t)1 << 21;
    uintptr_t from = ((uintptr_t)block + page - 1) & ~(page - 1);
    uintptr_t to = ((uintptr_t)block + size) & ~(page - 1);
    if (block != NULL && from < to)
        (void)madvise((void *)from, to - from, MADV_HUGEPAGE);
#endif
    (void)size;
    return block;
}

unsigned wp__codes_width(uint32_t count)
{
    return count <= 1 ? 0 : count <= 1u << 8 ? 1 : count <= 1u << 16 ? 2 : 4;
}

void wp__put_codes(const wp_codes *codes, size_t row, const uint32_t *from, size_t count)
{
    if (codes->width == 1) {
        uint8_t *to = (uint8_t *)codes->data + row;
        for (size_t i = 0; i < count; i++)
            to[i] = (uint8_t)from[i];
    } else if (codes->width == 2) {
        uint16_t *to = (uint16_t *)codes->data + row;
        for (size_t i = 0; i < count; i++)
            to[i] = (uint16_t)from[i];
    } else if (codes->width == 4) {
        memcpy((uint32_t *)codes->data + row, from, count * sizeof *from);
    }
}

bool wp__make_codes(wp_codes *codes, uint32_t count, size_t rows)
{
    codes->width = wp__codes_width(count);
    codes->data = codes->width > 0 ? wp_alloc_array(rows, codes->width) : NULL;
    in_large_pages(codes->data, rows * codes->width);
    return codes->width == 0 || codes->data != NULL;
}

/* --- Rows ------------------------------------------------------------------------------------ */

/* All times differ by multiples of the unit, so dividing is a shift and a product (modulo 2^64). */
static void plan_division(wp__way_load *work, int64_t unit_us)
{
    uint64_t odd = (uint64_t)unit_us;
    work->shift = (unsigned)__builtin_ctzll(odd);
    odd >>= work->shift;
    uint64_t inverse = odd; /* right to 3 bits; every step doubles them */
    for (int i = 0; i < 5; i++)
        inverse *= 2 - odd * inverse;
    work->inverse = (int64_t)inverse;
}

/* How the log's times are kept: everything but the memory. */
void wp__plan_times(wp__way_load *work)
{
    const wp__way_view *view = &work->way->view;
    wp_times *times = &work->times;
    int64_t unit_us = view->runs_count > 0 ? INT64_MAX : 1;
    for (size_t i = 0; i < view->runs_count; i++)
        unit_us = view->runs[i].unit_us < unit_us ? view->runs[i].unit_us : unit_us;
    uint64_t span = view->runs_count > 0 ? (uint64_t)view->last_us - (uint64_t)view->first_us : 0;
    bool wide = span / (uint64_t)unit_us >= UINT32_MAX;
    *times = wide ? (wp_times){.unit_us = 1, .wide = true} : (wp_times){.unit_us = unit_us};
    if (!wide && view->runs_count > 0)
        times->base_us = view->first_us;
    plan_division(work, unit_us);
}

static bool make_times(wp_times *times, size_t rows)
{
    size_t width = wp_times_width(times);
    wp_times_set_data(times, wp_alloc_array(rows, width));
    return in_large_pages(wp_times_data(times), rows * width) != NULL;
}

static void put_times(const wp__way_load *work, const wp_times *times, size_t row,
                      const int64_t *times_us, size_t count)
{
    if (times->wide) {
        memcpy(times->micros + row, times_us, count * sizeof *times_us);
        return;
    }
    uint64_t base = (uint64_t)times->base_us, inverse = (uint64_t)work->inverse;
    unsigned shift = work->shift;
    uint32_t *to = times->offsets + row;
    for (size_t i = 0; i < count; i++)
        to[i] = (uint32_t)((((uint64_t)times_us[i] - base) >> shift) * inverse);
}

/* Whether users of the log are those of the store, with one run for each part: a store that was
** written at once or compacted, and nobody left out. */
static bool is_plain(const wp__way_view *view)
{
    bool plain = view->users_numbered == view->users_count && view->runs_count == view->parts_count;
    for (uint32_t p = 0; plain && p < view->parts_count; p++) {
        uint32_t after = view->users_numbered - p * WP_WAY_PART_USERS;
        plain =
            view->runs[p].part == p &&
            view->runs[p].users_count == (after < WP_WAY_PART_USERS ? after : WP_WAY_PART_USERS);
    }
    return plain;
}

/* A part with one run needs no merging: straight to the final columns. *done stays false where the
** long way has to be taken. */
static wp_status read_only_run(const wp__way_load *work, const wp__way_run *run,
                               const wp_times *times, const wp_codes *codes,
                               wp__way_scratch *scratch, bool *done, wp_error *err)
{
    const uint32_t *starts = work->columns->row_starts + work->part_users[run->part];
    uint32_t users = work->part_users[run->part + 1] - work->part_users[run->part];
    uint32_t *row_counts = wp__way_room(scratch, 4, run->users_count, sizeof *row_counts);
    if (row_counts == NULL)
        return wp_fail_memory(err, run->users_count * 4ULL);
    if (run->users_count > users) /* behind the last part stand people without events */
        return wp_fail(err, WP_CORRUPT, "%s: damaged: number of users", work->way->path);
    for (uint32_t i = 0; i < run->users_count; i++)
        row_counts[i] = starts[i + 1] - starts[i];
    return wp__way_run_rows(work->way, run, row_counts, times, codes,
                            work->columns->event_names.count, work->row_bases[run->part], scratch,
                            done, err);
}

wp_status wp__read_part_rows(const wp__way_load *work, uint32_t number, const wp_times *times,
                             const wp_codes *codes, wp__way_scratch *scratch, wp_error *err)
{
    const wp__way_run *runs;
    size_t runs_count = wp__way_part_runs(&work->way->view, number, &runs);
    uint32_t events_below = work->columns->event_names.count;
    size_t row = work->row_bases[number];
    bool done = runs_count == 0, *in_order = &work->loader->in_order[number];
    wp__way_part part = {0};
    if (runs_count == 1 && !times->wide) {
        WP_TRY(read_only_run(work, runs, times, codes, scratch, &done, err));
        *in_order = true;
    } else if (runs_count > 1 && !times->wide) {
        WP_TRY(wp__way_part_rows(work->way, number, times, codes, events_below, row, scratch, &part,
                                 &done, err));
        *in_order = part.in_order;
        wp__way_part_free(&part);
    }
    if (done)
        return WP_OK;
    WP_TRY(wp__way_part_read(work->way, number, WP__PART_TIMES, scratch, &part, err));
    put_times(work, times, row, part.times_us, part.rows_count);
    *in_order = part.in_order;
    wp_status status = WP_OK;
    if (codes != NULL) {
        uint32_t *own = wp__way_room(scratch, 3, part.rows_count, sizeof *own);
        status = own == NULL ? wp_fail_memory(err, part.rows_count * 4ULL)
                             : wp__way_part_codes(work->way, &part, WP__COLUMN_EVENTS, events_below,
                                                  scratch, own, err);
        if (status == WP_OK)
            wp__put_codes(codes, row, own, part.rows_count);
    }
    wp__way_part_free(&part);
    return status;
}

static wp_status load_part_rows(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    wp__way_load *work = context;
    return wp__read_part_rows(work, (uint32_t)chunk, &work->times, work->codes,
                              &work->scratches[worker], err);
}

/* --- Users ----------------------------------------------------------------------------------- */

static wp_status load_part_users(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    wp__way_load *work = context;
    wp__way_scratch *scratch = &work->scratches[worker];
    const wp__way_run *run;
    if (work->row_counts == NULL)
        return wp__way_part_users(work->way, (uint32_t)chunk, scratch, &work->parts[chunk], err);
    (void)wp__way_part_runs(&work->way->view, (uint32_t)chunk, &run);
    uint32_t *offsets = wp__way_room(scratch, 4, run->users_count, sizeof *offsets);
    if (offsets == NULL)
        return wp_fail_memory(err, run->users_count * 4ULL);
    return wp__way_run_users(work->way, run, offsets, work->row_counts + chunk * WP_WAY_PART_USERS,
                             scratch, err);
}

/* Row counts of users become their first rows, in place. */
static void start_rows(uint32_t *row_starts, uint32_t users_count)
{
    uint32_t row = 0;
    for (uint32_t user = 0; user < users_count; user++) {
        uint32_t count = row_starts[user];
        row_starts[user] = row;
        row += count;
    }
    row_starts[users_count] = row;
}

/* row_starts and part_users, and the numbers of users where they differ. */
static wp_status number_users(wp__way_load *work, uint32_t *row_starts, uint32_t *part_users,
                              uint32_t *active_out, uint32_t **numbers_out, wp_error *err)
{
    const wp__way_view *view = &work->way->view;
    uint32_t active = 0, row = 0;
    part_users[work->parts_count] = view->users_count;
    if (work->row_counts != NULL) {
        start_rows(row_starts, view->users_count);
        for (uint32_t p = 0; p < work->parts_count; p++)
            part_users[p] = p * WP_WAY_PART_USERS;
        *active_out = view->users_count;
        return WP_OK;
    }
    for (uint32_t p = 0; p < work->parts_count; p++)
        active += work->parts[p].users_count;
    if (active > view->users_count)
        return wp_fail(err, WP_CORRUPT, "%s: damaged: number of users", work->way->path);
    uint32_t *numbers = NULL;
    if (active != view->users_numbered) {
        numbers = wp_alloc_array(view->users_count, sizeof *numbers);
        if (numbers == NULL)
            return wp_fail_memory(err, view->users_count * 4ULL);
    }
    uint32_t user = 0;
    for (uint32_t p = 0; p < work->parts_count; p++) {
        part_users[p] = user;
        for (uint32_t i = 0; i < work->parts[p].users_count; i++, user++) {
            row_starts[user] = row;
            row += work->parts[p].row_counts[i];
            if (numbers != NULL)
                numbers[user] = p * WP_WAY_PART_USERS + work->parts[p].offsets[i];
        }
    }
    for (; user < view->users_count; user++)
        row_starts[user] = row;
    row_starts[view->users_count] = row;
    *active_out = active;
    *numbers_out = numbers;
    return WP_OK;
}

/* Users without events: numbers that nobody with events has and that were not taken away. */
static wp_status number_idle(wp__way_load *work, uint32_t active, uint32_t *numbers, wp_error *err)
{
    const wp__way_view *view = &work->way->view;
    wp_dictionary ids = {0};
    uint64_t *taken = NULL;
    WP_TRY(wp__way_read_texts(work->way, WP__COLUMN_USERS, &ids, &taken, err));
    uint32_t next = active, at = 0;
    bool fits = ids.count >= view->users_numbered;
    for (uint32_t number = 0; fits && number < view->users_numbered; number++) {
        bool gone = taken != NULL && wp_bit(taken, number);
        if (at < active && numbers[at] == number) {
            fits = !gone;
            at++;
        } else if (!gone) {
            fits = next < view->users_count;
            if (fits)
                numbers[next++] = number;
        }
    }
    wp__dictionary_free(&ids);
    wp_free(taken);
    return fits && next == view->users_count
               ? WP_OK
               : wp_fail(err, WP_CORRUPT, "%s: damaged: number of users", work->way->path);
}

wp_status wp__load_starts(wp__way_load *work, const wp_run *run, wp_error *err)
{
    wp_columns *columns = work->columns;
    uint32_t active = 0, *numbers = NULL;
    uint32_t *row_starts = wp_alloc_array((size_t)columns->users_count + 1, sizeof *row_starts);
    uint32_t *part_users = wp_alloc_array((size_t)work->parts_count + 1, sizeof *part_users);
    work->parts = wp_alloc_array_zero(work->parts_count, sizeof *work->parts);
    work->row_counts = is_plain(&work->way->view) ? row_starts : NULL;
    in_large_pages(row_starts, ((size_t)columns->users_count + 1) * sizeof *row_starts);
    wp_status status = WP_OK;
    if (row_starts == NULL || part_users == NULL || work->parts == NULL)
        status = wp_fail_memory(err, columns->users_count * 4ULL);
    if (status == WP_OK)
        status = wp_pool_run(run, work->parts_count, load_part_users, work, err);
    if (status == WP_OK)
        status = number_users(work, row_starts, part_users, &active, &numbers, err);
    if (status == WP_OK && numbers != NULL)
        status = number_idle(work, active, numbers, err);
    if (status != WP_OK) {
        wp_free(numbers);
        wp_free(row_starts);
        wp_free(part_users);
        return status;
    }
    wp__plan_times(work);
    columns->row_starts = row_starts;
    columns->part_users = part_users;
    columns->parts_count = work->parts_count;
    columns->times = work->times;
    columns->events.width = wp__codes_width(columns->event_names.count);
    work->loader->numbers = numbers;
    work->loader->active_count = active;
    return WP_OK;
}

wp_status wp__load_rows(wp__way_load *work, const wp_run *run, wp_error *err)
{
    wp_columns *columns = work->columns;
    wp_codes events = {0};
    wp__plan_times(work);
    work->codes = &events;
    work->part_users = columns->part_users;
    wp_status status =
        make_times(&work->times, columns->events_count) &&
                wp__make_codes(&events, columns->event_names.count, columns->events_count)
            ? wp_pool_run(run, work->parts_count, load_part_rows, work, err)
            : wp_fail_memory(err, columns->events_count * 5ULL);
    if (status != WP_OK) {
        wp_free(events.data);
        wp_free(wp_times_data(&work->times));
        return status;
    }
    columns->times = work->times;
    columns->events = events;
    wp_free(columns->part_users);
    columns->part_users = NULL;
    columns->parts_count = 0;
    return WP_OK;
}
