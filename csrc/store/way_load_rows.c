/* Rows and columns of events from a store: parts are decoded side by side, each into its own range
** of the final columns; see way_read.c for the order of users. */
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

static unsigned width_of(uint32_t count)
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
    codes->width = width_of(count);
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
static void plan_times(wp__way_load *work)
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
    if (times->wide) {
        times->micros = wp_alloc_array(rows, sizeof *times->micros);
        return in_large_pages(times->micros, rows * sizeof *times->micros) != NULL;
    }
    times->offsets = wp_alloc_array(rows, sizeof *times->offsets);
    return in_large_pages(times->offsets, rows * sizeof *times->offsets) != NULL;
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
    uint32_t *own = wp__way_room(scratch, 3, part.rows_count, sizeof *own);
    wp_status status = own == NULL ? wp_fail_memory(err, part.rows_count * 4ULL)
                                   : wp__way_part_codes(work->way, &part, WP__COLUMN_EVENTS,
                                                        events_below, scratch, own, err);
    if (status == WP_OK) {
        put_times(work, times, row, part.times_us, part.rows_count);
        wp__put_codes(codes, row, own, part.rows_count);
        *in_order = part.in_order;
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
    plan_times(work);
    columns->row_starts = row_starts;
    columns->part_users = part_users;
    columns->parts_count = work->parts_count;
    columns->times = work->times;
    columns->events.width = width_of(columns->event_names.count);
    work->loader->numbers = numbers;
    work->loader->active_count = active;
    return WP_OK;
}

wp_status wp__load_rows(wp__way_load *work, const wp_run *run, wp_error *err)
{
    wp_columns *columns = work->columns;
    wp_codes events = {0};
    plan_times(work);
    work->codes = &events;
    work->part_users = columns->part_users;
    wp_status status =
        make_times(&work->times, columns->events_count) &&
                wp__make_codes(&events, columns->event_names.count, columns->events_count)
            ? wp_pool_run(run, work->parts_count, load_part_rows, work, err)
            : wp_fail_memory(err, columns->events_count * 5ULL);
    if (status != WP_OK) {
        wp_free(events.data);
        wp_free(work->times.offsets);
        wp_free(work->times.micros);
        return status;
    }
    columns->times = work->times;
    columns->events = events;
    wp_free(columns->part_users);
    columns->part_users = NULL;
    columns->parts_count = 0;
    return WP_OK;
}

/* --- Rows part by part ----------------------------------------------------------------------- */

#define READABLE 64u /* rows behind the last one of a part */

/* One worker's rows, those of the part it reads. */
typedef struct part_room {
    void *times, *codes;
} part_room;

typedef struct way_scan {
    wp__way_load work;
    part_room *rooms;
    const wp_run *run;
    size_t rows_room;
} way_scan;

void wp__scan_end(void *context)
{
    way_scan *scan = context;
    if (scan == NULL)
        return;
    wp__way_end_reading(scan->work.way);
    for (unsigned i = 0; scan->rooms != NULL && i < wp_run_threads(scan->run); i++) {
        wp_free(scan->rooms[i].times);
        wp_free(scan->rooms[i].codes);
    }
    wp_free(scan->rooms);
    wp__work_end(&scan->work, scan->run);
    wp_free(scan);
}

wp_status wp__scan_start(wp_loader *base, const wp_columns *columns, const wp_run *run, void **out,
                         wp_error *err)
{
    wp__way_loader *loader = (wp__way_loader *)base;
    way_scan *scan = wp_alloc_zero(sizeof *scan);
    if (scan == NULL)
        return wp_fail_memory(err, sizeof *scan);
    scan->run = run;
    scan->rooms = wp_alloc_array_zero(wp_run_threads(run), sizeof *scan->rooms);
    wp_status status = wp__work_start(&scan->work, loader, (wp_columns *)columns, run, err);
    if (status == WP_OK && scan->rooms == NULL)
        status = wp_fail_memory(err, wp_run_threads(run) * sizeof *scan->rooms);
    if (status == WP_OK)
        status = wp__way_begin_reading(loader->way, err);
    if (status != WP_OK) {
        wp_free(scan->rooms);
        wp__work_end(&scan->work, run);
        wp_free(scan);
        return status;
    }
    wp__way_load *work = &scan->work;
    plan_times(work);
    work->part_users = columns->part_users;
    for (uint32_t part = 0; part < work->parts_count; part++) {
        size_t rows = work->row_bases[part + 1] - work->row_bases[part];
        scan->rows_room = rows > scan->rows_room ? rows : scan->rows_room;
    }
    scan->rows_room += READABLE;
    *out = scan;
    return WP_OK;
}

/* Where row 0 of the log would stand, were it all in memory: never touched, rows of the part are.
 */
static void *before(void *rows, size_t first_row, size_t width)
{
    return (void *)((uintptr_t)rows - first_row * width);
}

wp_status wp__scan_part(void *context, uint32_t part, unsigned worker, wp_columns *view,
                        wp_error *err)
{
    way_scan *scan = context;
    const wp__way_load *work = &scan->work;
    part_room *room = &scan->rooms[worker];
    wp_times times = work->times;
    wp_codes codes = {.width = view->events.width};
    size_t row = work->row_bases[part], width = times.wide ? 8 : 4;
    if (room->times == NULL)
        room->times = wp_alloc_array_zero(scan->rows_room, width);
    if (room->codes == NULL)
        room->codes = wp_alloc_array_zero(scan->rows_room, codes.width > 0 ? codes.width : 1);
    if (room->times == NULL || room->codes == NULL)
        return wp_fail_memory(err, scan->rows_room * 5ULL);
    if (times.wide)
        times.micros = before(room->times, row, width);
    else
        times.offsets = before(room->times, row, width);
    codes.data = codes.width > 0 ? before(room->codes, row, codes.width) : NULL;
    WP_TRY(wp__read_part_rows(work, part, &times, &codes, &scan->work.scratches[worker], err));
    view->times = times;
    view->events = codes;
    return WP_OK;
}

/* --- Columns of events ----------------------------------------------------------------------- */

/* What loading the rows has found spares columns the times. */
static wp__way_depth depth_of(const wp__way_load *work, size_t part)
{
    return work->loader->in_order[part] ? WP__PART_IN_ORDER : WP__PART_ORDER;
}

static wp_status load_part_codes(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    wp__way_load *work = context;
    wp__way_scratch *scratch = &work->scratches[worker];
    wp__way_part part = {0};
    const wp__way_run *runs;
    if (wp__way_part_runs(&work->way->view, (uint32_t)chunk, &runs) == 1)
        return wp__way_run_codes(work->way, runs, work->column, work->below, work->codes,
                                 work->row_bases[chunk], scratch, err);
    WP_TRY(
        wp__way_part_read(work->way, (uint32_t)chunk, depth_of(work, chunk), scratch, &part, err));
    uint32_t *codes = wp__way_room(scratch, 3, part.rows_count, sizeof *codes);
    wp_status status = codes == NULL ? wp_fail_memory(err, part.rows_count * 4ULL)
                                     : wp__way_part_codes(work->way, &part, work->column,
                                                          work->below, scratch, codes, err);
    if (status == WP_OK)
        wp__put_codes(work->codes, work->row_bases[chunk], codes, part.rows_count);
    wp__way_part_free(&part);
    return status;
}

wp_status wp__read_values(wp_way *way, uint32_t column, wp_dictionary *values, wp_error *err)
{
    WP_TRY(wp__way_read_texts(way, column, values, NULL, err));
    if (values->count > 0 && values->offsets[1] == 0)
        return WP_OK;
    wp__dictionary_free(values);
    return wp_fail(err, WP_CORRUPT, "%s: damaged: the values of a property", way->path);
}

wp_status wp__load_texts(wp__way_load *work, wp_texts *texts, const wp_run *run, wp_error *err)
{
    wp_dictionary values = {0};
    wp_codes codes = {0};
    WP_TRY(wp__read_values(work->way, work->column, &values, err));
    work->below = values.count;
    work->codes = &codes;
    wp_status status = wp__make_codes(&codes, values.count, work->columns->events_count)
                           ? wp_pool_run(run, work->parts_count, load_part_codes, work, err)
                           : wp_fail_memory(err, work->columns->events_count * 4ULL);
    if (status == WP_OK) {
        texts->codes = codes;
        texts->values = values;
    } else {
        wp_free(codes.data);
        wp__dictionary_free(&values);
    }
    return status;
}

/* A part's numbers, packed: less than the whole column takes while most are missing. */
static wp_status load_part_numbers(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    wp__way_load *work = context;
    wp__way_scratch *scratch = &work->scratches[worker];
    struct wp__number_part *into = &work->numbers[chunk];
    wp__way_part part = {0};
    const wp__way_run *runs;
    if (wp__way_part_runs(&work->way->view, (uint32_t)chunk, &runs) == 1)
        return wp__way_run_numbers(work->way, runs, work->column, scratch, &into->present,
                                   &into->packed, &into->count, err);
    WP_TRY(
        wp__way_part_read(work->way, (uint32_t)chunk, depth_of(work, chunk), scratch, &part, err));
    double *numbers = wp__way_room(scratch, 3, part.rows_count, sizeof *numbers);
    wp_status status = numbers == NULL ? wp_fail_memory(err, part.rows_count * 8ULL)
                                       : wp__way_part_numbers(work->way, &part, work->column,
                                                              scratch, numbers, err);
    uint32_t count = 0;
    for (uint32_t i = 0; status == WP_OK && i < part.rows_count; i++)
        count += !isnan(numbers[i]);
    if (status == WP_OK) {
        into->present = wp_alloc_array_zero(part.rows_count / 64 + 1, sizeof *into->present);
        into->packed = wp_alloc_array(count, sizeof *into->packed);
        if (into->present == NULL || into->packed == NULL)
            status = wp_fail_memory(err, count * 8ULL);
    }
    for (uint32_t i = 0; status == WP_OK && i < part.rows_count; i++)
        if (!isnan(numbers[i])) {
            into->present[i >> 6] |= 1ULL << (i & 63);
            into->packed[into->count++] = numbers[i];
        }
    wp__way_part_free(&part);
    return status;
}

static wp_status place_numbers(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    wp__way_load *work = context;
    struct wp__number_part *from = &work->numbers[chunk];
    size_t base = work->row_bases[chunk];
    uint32_t rows = work->row_bases[chunk + 1] - work->row_bases[chunk], next = 0;
    wp_numbers *to = work->target;
    if (to->dense != NULL) {
        for (uint32_t i = 0; i < rows; i++)
            to->dense[base + i] = wp_bit(from->present, i) ? from->packed[next++] : NAN;
    } else {
        memcpy(to->packed + work->packed_bases[chunk], from->packed, from->count * sizeof(double));
        unsigned shift = base & 63; /* words at a border belong to two parts */
        for (size_t word = 0; word * 64 < rows; word++) {
            uint64_t bits = from->present[word], *at = &to->present[(base >> 6) + word];
            __atomic_fetch_or(at, bits << shift, __ATOMIC_RELAXED);
            if (shift > 0 && bits >> (64 - shift) != 0)
                __atomic_fetch_or(at + 1, bits >> (64 - shift), __ATOMIC_RELAXED);
        }
    }
    wp_free(from->present);
    wp_free(from->packed);
    from->present = NULL;
    from->packed = NULL;
    return WP_OK;
}

static bool make_numbers(wp_numbers *numbers, size_t rows, uint64_t present_count)
{
    if (present_count * 2 >= rows) {
        numbers->dense = wp_alloc_array(rows, sizeof(double));
        return numbers->dense != NULL;
    }
    numbers->present = wp_alloc_array_zero(rows / 64 + 1, sizeof *numbers->present);
    numbers->rank = wp_alloc_array_zero(rows / 64 + 1, sizeof *numbers->rank);
    numbers->packed = wp_alloc_array(present_count, sizeof *numbers->packed);
    return numbers->present != NULL && numbers->rank != NULL && numbers->packed != NULL;
}

void wp__drop_numbers(wp_numbers *numbers)
{
    wp_free(numbers->dense);
    wp_free(numbers->present);
    wp_free(numbers->rank);
    wp_free(numbers->packed);
}

wp_status wp__load_numbers(wp__way_load *work, wp_numbers *into, const wp_run *run, wp_error *err)
{
    size_t rows = work->columns->events_count;
    uint64_t present = 0;
    wp_numbers made = {.name = into->name};
    work->numbers = wp_alloc_array_zero(work->parts_count, sizeof *work->numbers);
    work->packed_bases = wp_alloc_array(work->parts_count, sizeof *work->packed_bases);
    work->target = &made;
    if (work->numbers == NULL || work->packed_bases == NULL)
        return wp_fail_memory(err, work->parts_count * sizeof *work->numbers);
    wp_status status = wp_pool_run(run, work->parts_count, load_part_numbers, work, err);
    for (uint32_t part = 0; status == WP_OK && part < work->parts_count; part++) {
        work->packed_bases[part] = (uint32_t)present;
        present += work->numbers[part].count;
    }
    if (status == WP_OK && !make_numbers(&made, rows, present))
        status = wp_fail_memory(err, present * 8);
    if (status == WP_OK)
        status = wp_pool_run(run, work->parts_count, place_numbers, work, err);
    if (status != WP_OK) {
        wp__drop_numbers(&made);
        return status;
    }
    if (made.dense == NULL)
        for (size_t block = 0, seen = 0; block <= rows / 64; block++) {
            made.rank[block] = (uint32_t)seen;
            seen += (size_t)__builtin_popcountll(made.present[block]);
        }
    *into = made;
    return WP_OK;
}
