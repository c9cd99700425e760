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

static bool plan_times(wp__way_load *work)
{
    const wp__way_view *view = &work->way->view;
    wp_times *times = &work->times;
    times->base_us = view->runs_count > 0 ? view->first_us : 0;
    times->unit_us = view->runs_count > 0 ? INT64_MAX : 1;
    for (size_t i = 0; i < view->runs_count; i++)
        times->unit_us =
            view->runs[i].unit_us < times->unit_us ? view->runs[i].unit_us : times->unit_us;
    plan_division(work, times->unit_us);
    uint64_t span = view->runs_count > 0 ? (uint64_t)view->last_us - (uint64_t)view->first_us : 0;
    if (span / (uint64_t)times->unit_us < UINT32_MAX) {
        times->offsets = wp_alloc_array(view->events_count, sizeof *times->offsets);
        return in_large_pages(times->offsets, view->events_count * sizeof *times->offsets) != NULL;
    }
    times->base_us = 0;
    times->unit_us = 1;
    times->micros = wp_alloc_array(view->events_count, sizeof *times->micros);
    return in_large_pages(times->micros, view->events_count * sizeof *times->micros) != NULL;
}

static void put_times(const wp__way_load *work, size_t row, const int64_t *times_us, size_t count)
{
    if (work->times.micros != NULL) {
        memcpy(work->times.micros + row, times_us, count * sizeof *times_us);
        return;
    }
    uint64_t base = (uint64_t)work->times.base_us, inverse = (uint64_t)work->inverse;
    unsigned shift = work->shift;
    uint32_t *to = work->times.offsets + row;
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
static wp_status load_plain_rows(wp__way_load *work, const wp__way_run *run,
                                 wp__way_scratch *scratch, wp__way_part *part, bool *done,
                                 wp_error *err)
{
    const uint32_t *row_counts;
    if (work->row_counts != NULL) {
        uint32_t *own = work->row_counts + (size_t)run->part * WP_WAY_PART_USERS;
        uint32_t *offsets = wp__way_room(scratch, 4, run->users_count, sizeof *offsets);
        if (offsets == NULL)
            return wp_fail_memory(err, run->users_count * 4ULL);
        WP_TRY(wp__way_run_users(work->way, run, offsets, own, scratch, err));
        row_counts = own;
    } else {
        WP_TRY(wp__way_part_read(work->way, run->part, WP__PART_ORDER, scratch, part, err));
        row_counts = part->row_counts;
    }
    return wp__way_run_rows(work->way, run, row_counts, &work->times, work->codes,
                            work->columns->event_names.count, work->row_bases[run->part], scratch,
                            done, err);
}

static wp_status load_part_rows(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    wp__way_load *work = context;
    wp__way_scratch *scratch = &work->scratches[worker];
    wp__way_part *part = &work->parts[chunk];
    const wp__way_run *runs;
    size_t runs_count = wp__way_part_runs(&work->way->view, (uint32_t)chunk, &runs);
    if (runs_count > 0 && work->times.offsets != NULL) {
        bool done = false;
        WP_TRY(runs_count == 1
                   ? load_plain_rows(work, runs, scratch, part, &done, err)
                   : wp__way_part_rows(work->way, (uint32_t)chunk, &work->times, work->codes,
                                       work->columns->event_names.count, work->row_bases[chunk],
                                       scratch, part, &done, err));
        if (done)
            return WP_OK;
        wp__way_part_free(part);
    }
    WP_TRY(wp__way_part_read(work->way, (uint32_t)chunk, WP__PART_TIMES, scratch, part, err));
    if (part->rows_count == 0)
        return WP_OK;
    uint32_t *codes = wp__way_room(scratch, 3, part->rows_count, sizeof *codes);
    if (codes == NULL)
        return wp_fail_memory(err, part->rows_count * 4ULL);
    WP_TRY(wp__way_part_codes(work->way, part, WP__COLUMN_EVENTS, work->columns->event_names.count,
                              scratch, codes, err));
    put_times(work, work->row_bases[chunk], part->times_us, part->rows_count);
    wp__put_codes(work->codes, work->row_bases[chunk], codes, part->rows_count);
    if (work->row_counts != NULL)
        memcpy(work->row_counts + chunk * WP_WAY_PART_USERS, part->row_counts,
               part->users_count * sizeof *part->row_counts);
    wp_free(part->times_us);
    wp_free(part->order);
    part->times_us = NULL;
    part->order = NULL;
    return WP_OK;
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

/* row_starts, and the numbers of users where they differ. */
static wp_status number_users(wp__way_load *work, uint32_t *row_starts, uint32_t *active_out,
                              uint32_t **numbers_out, wp_error *err)
{
    const wp__way_view *view = &work->way->view;
    uint32_t active = 0, row = 0;
    if (work->row_counts != NULL) {
        start_rows(row_starts, view->users_count);
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
    for (uint32_t p = 0; p < work->parts_count; p++)
        for (uint32_t i = 0; i < work->parts[p].users_count; i++, user++) {
            row_starts[user] = row;
            row += work->parts[p].row_counts[i];
            if (numbers != NULL)
                numbers[user] = p * WP_WAY_PART_USERS + work->parts[p].offsets[i];
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

wp_status wp__load_rows(wp__way_load *work, const wp_run *run, wp_error *err)
{
    wp_columns *columns = work->columns;
    wp_codes events = {0};
    uint32_t active = 0, *numbers = NULL;
    uint32_t *row_starts = wp_alloc_array((size_t)columns->users_count + 1, sizeof *row_starts);
    work->parts = wp_alloc_array_zero(work->parts_count, sizeof *work->parts);
    work->codes = &events;
    work->row_counts = is_plain(&work->way->view) ? row_starts : NULL;
    in_large_pages(row_starts, ((size_t)columns->users_count + 1) * sizeof *row_starts);
    wp_status status = WP_OK;
    if (row_starts == NULL || work->parts == NULL || !plan_times(work) ||
        !wp__make_codes(&events, columns->event_names.count, columns->events_count))
        status = wp_fail_memory(err, columns->events_count * 5ULL);
    if (status == WP_OK)
        status = wp_pool_run(run, work->parts_count, load_part_rows, work, err);
    if (status == WP_OK)
        status = number_users(work, row_starts, &active, &numbers, err);
    if (status == WP_OK && numbers != NULL)
        status = number_idle(work, active, numbers, err);
    if (status == WP_OK) {
        columns->row_starts = row_starts;
        columns->times = work->times;
        columns->events = events;
        work->loader->numbers = numbers;
        work->loader->active_count = active;
        for (uint32_t p = 0; p < work->parts_count; p++)
            work->loader->in_order[p] = work->parts[p].in_order;
        work->loader->has_rows = true;
        return WP_OK;
    }
    wp_free(numbers);
    wp_free(row_starts);
    wp_free(events.data);
    wp_free(work->times.offsets);
    wp_free(work->times.micros);
    return status;
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
