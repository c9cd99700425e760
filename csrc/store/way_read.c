/* A store as a log: columns that are read when they are needed; see way.h.
**
** Parts are decoded side by side, each into its own range of the final columns: a log's rows are
*the
** rows of part 0, then of part 1, and so on, as users are numbered in the order of the log. Users
** without events come last; where there are some, or some were taken away, `numbers` leads from a
** user of the log to the number in the store. Nothing depends on the number of threads. */
#include "store/build.h"
#include "store/way_internal.h"

typedef struct way_loader {
    wp_loader base;
    wp_way *way;
    bool has_rows, has_ids, has_attributes, has_fingerprint;
    bool *has_column;  /* by position in the view */
    uint32_t *numbers; /* store number of each user of the log; NULL: the same */
    uint32_t active_count;
} way_loader;

typedef struct load_work {
    way_loader *loader;
    wp_way *way;
    wp_columns *columns;
    uint32_t parts_count;
    uint32_t *row_bases; /* first row of each part, one more */
    wp__way_scratch *scratches;
    wp__way_part *parts; /* rows: who has rows in each part */
    uint32_t column;     /* in segments */
    uint32_t below;      /* codes */
    wp_codes *codes;
    int64_t inverse; /* of the odd part of the unit, modulo 2^64 */
    unsigned shift;
    wp_times times;
    struct number_part {
        uint64_t *present; /* bit per row of the part */
        double *packed;
        uint32_t count;
    } * numbers;
    wp_numbers *target;
    uint32_t *packed_bases;
} load_work;

static unsigned width_of(uint32_t count)
{
    return count <= 1 ? 0 : count <= 1u << 8 ? 1 : count <= 1u << 16 ? 2 : 4;
}

static void put_codes(const wp_codes *codes, size_t row, const uint32_t *from, size_t count)
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

/* Memory for codes below `count`; false when short. */
static bool make_codes(wp_codes *codes, uint32_t count, size_t rows)
{
    codes->width = width_of(count);
    codes->data = codes->width > 0 ? wp_alloc_array(rows, codes->width) : NULL;
    return codes->width == 0 || codes->data != NULL;
}

static wp_status work_start(load_work *work, way_loader *loader, wp_columns *columns,
                            const wp_run *run, wp_error *err)
{
    const wp__way_view *view = &loader->way->view;
    *work = (load_work){
        .loader = loader, .way = loader->way, .columns = columns, .parts_count = view->parts_count};
    work->row_bases = wp_alloc_array_zero((size_t)view->parts_count + 1, sizeof(uint32_t));
    work->scratches = wp_alloc_array_zero(wp_run_threads(run), sizeof *work->scratches);
    if (work->row_bases == NULL || work->scratches == NULL)
        return wp_fail_memory(err, view->parts_count * 4ULL);
    for (size_t i = 0; i < view->runs_count; i++)
        work->row_bases[view->runs[i].part + 1] += view->runs[i].events_count;
    for (uint32_t part = 0; part < view->parts_count; part++)
        work->row_bases[part + 1] += work->row_bases[part];
    return WP_OK;
}

static void work_end(load_work *work, const wp_run *run)
{
    for (unsigned i = 0; work->scratches != NULL && i < wp_run_threads(run); i++)
        wp__way_scratch_free(&work->scratches[i]);
    for (uint32_t i = 0; work->parts != NULL && i < work->parts_count; i++)
        wp__way_part_free(&work->parts[i]);
    for (uint32_t i = 0; work->numbers != NULL && i < work->parts_count; i++) {
        wp_free(work->numbers[i].present);
        wp_free(work->numbers[i].packed);
    }
    wp_free(work->scratches);
    wp_free(work->parts);
    wp_free(work->numbers);
    wp_free(work->packed_bases);
    wp_free(work->row_bases);
}

/* --- Rows ------------------------------------------------------------------------------------ */

/* All times differ by multiples of the unit, so dividing is a shift and a product (modulo 2^64). */
static void plan_division(load_work *work, int64_t unit_us)
{
    uint64_t odd = (uint64_t)unit_us;
    work->shift = (unsigned)__builtin_ctzll(odd);
    odd >>= work->shift;
    uint64_t inverse = odd; /* right to 3 bits; every step doubles them */
    for (int i = 0; i < 5; i++)
        inverse *= 2 - odd * inverse;
    work->inverse = (int64_t)inverse;
}

static bool plan_times(load_work *work)
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
        return times->offsets != NULL;
    }
    times->base_us = 0;
    times->unit_us = 1;
    times->micros = wp_alloc_array(view->events_count, sizeof *times->micros);
    return times->micros != NULL;
}

static void put_times(const load_work *work, size_t row, const int64_t *times_us, size_t count)
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

static wp_status load_part_rows(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    load_work *work = context;
    wp__way_scratch *scratch = &work->scratches[worker];
    wp__way_part *part = &work->parts[chunk];
    WP_TRY(wp__way_part_read(work->way, (uint32_t)chunk, true, scratch, part, err));
    if (part->rows_count == 0)
        return WP_OK;
    uint32_t *codes = wp__way_room(scratch, 3, part->rows_count, sizeof *codes);
    if (codes == NULL)
        return wp_fail_memory(err, part->rows_count * 4ULL);
    WP_TRY(wp__way_part_codes(work->way, part, WP__COLUMN_EVENTS, work->columns->event_names.count,
                              scratch, codes, err));
    put_times(work, work->row_bases[chunk], part->times_us, part->rows_count);
    put_codes(work->codes, work->row_bases[chunk], codes, part->rows_count);
    wp_free(part->times_us);
    wp_free(part->order);
    part->times_us = NULL;
    part->order = NULL;
    return WP_OK;
}

/* row_starts, and the numbers of users where they differ. */
static wp_status number_users(load_work *work, uint32_t *row_starts, uint32_t *active_out,
                              uint32_t **numbers_out, wp_error *err)
{
    const wp__way_view *view = &work->way->view;
    uint32_t active = 0, row = 0;
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
static wp_status number_idle(load_work *work, uint32_t active, uint32_t *numbers, wp_error *err)
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

static wp_status load_rows(load_work *work, const wp_run *run, wp_error *err)
{
    wp_columns *columns = work->columns;
    wp_codes events = {0};
    uint32_t active = 0, *numbers = NULL;
    uint32_t *row_starts = wp_alloc_array((size_t)columns->users_count + 1, sizeof *row_starts);
    work->parts = wp_alloc_array_zero(work->parts_count, sizeof *work->parts);
    work->codes = &events;
    wp_status status = WP_OK;
    if (row_starts == NULL || work->parts == NULL || !plan_times(work) ||
        !make_codes(&events, columns->event_names.count, columns->events_count))
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

static wp_status load_part_codes(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    load_work *work = context;
    wp__way_scratch *scratch = &work->scratches[worker];
    wp__way_part part = {0};
    WP_TRY(wp__way_part_read(work->way, (uint32_t)chunk, false, scratch, &part, err));
    uint32_t *codes = wp__way_room(scratch, 3, part.rows_count, sizeof *codes);
    wp_status status = codes == NULL ? wp_fail_memory(err, part.rows_count * 4ULL)
                                     : wp__way_part_codes(work->way, &part, work->column,
                                                          work->below, scratch, codes, err);
    if (status == WP_OK)
        put_codes(work->codes, work->row_bases[chunk], codes, part.rows_count);
    wp__way_part_free(&part);
    return status;
}

/* A dictionary whose first text is the missing one. */
static wp_status read_values(wp_way *way, uint32_t column, wp_dictionary *values, wp_error *err)
{
    WP_TRY(wp__way_read_texts(way, column, values, NULL, err));
    if (values->count > 0 && values->offsets[1] == 0)
        return WP_OK;
    wp__dictionary_free(values);
    return wp_fail(err, WP_CORRUPT, "%s: damaged: the values of a property", way->path);
}

static wp_status load_texts(load_work *work, wp_texts *texts, const wp_run *run, wp_error *err)
{
    wp_dictionary values = {0};
    wp_codes codes = {0};
    WP_TRY(read_values(work->way, work->column, &values, err));
    work->below = values.count;
    work->codes = &codes;
    wp_status status = make_codes(&codes, values.count, work->columns->events_count)
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
    load_work *work = context;
    wp__way_scratch *scratch = &work->scratches[worker];
    struct number_part *into = &work->numbers[chunk];
    wp__way_part part = {0};
    WP_TRY(wp__way_part_read(work->way, (uint32_t)chunk, false, scratch, &part, err));
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
    load_work *work = context;
    struct number_part *from = &work->numbers[chunk];
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

static void drop_numbers(wp_numbers *numbers)
{
    wp_free(numbers->dense);
    wp_free(numbers->present);
    wp_free(numbers->rank);
    wp_free(numbers->packed);
}

static wp_status load_numbers(load_work *work, wp_numbers *into, const wp_run *run, wp_error *err)
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
        drop_numbers(&made);
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

/* --- Users ----------------------------------------------------------------------------------- */

static wp_status load_ids(load_work *work, wp_error *err)
{
    const way_loader *loader = work->loader;
    wp_columns *columns = work->columns;
    wp_dictionary ids = {0}, own = {0};
    WP_TRY(wp__way_read_texts(work->way, WP__COLUMN_USERS, &ids, NULL, err));
    if (ids.count < work->way->view.users_numbered) {
        wp__dictionary_free(&ids);
        return wp_fail(err, WP_CORRUPT, "%s: damaged: number of users", work->way->path);
    }
    if (loader->numbers == NULL) {
        ids.count = columns->users_count; /* an import may have added some since */
        columns->user_ids = ids;
        return WP_OK;
    }
    size_t size = 0, length;
    for (uint32_t user = 0; user < columns->users_count; user++) {
        wp_dictionary_text(&ids, loader->numbers[user], &length);
        size += length;
    }
    own.count = columns->users_count;
    own.offsets = wp_alloc_array((size_t)own.count + 1, sizeof *own.offsets);
    own.bytes = wp_alloc(size);
    wp_status status = WP_OK;
    if (own.offsets == NULL || own.bytes == NULL) {
        wp__dictionary_free(&own);
        status = wp_fail_memory(err, size);
    } else {
        own.offsets[0] = 0;
        for (uint32_t user = 0; user < own.count; user++) {
            const char *id = wp_dictionary_text(&ids, loader->numbers[user], &length);
            memcpy(own.bytes + own.offsets[user], id, length);
            own.offsets[user + 1] = own.offsets[user] + length;
        }
        columns->user_ids = own;
    }
    wp__dictionary_free(&ids);
    return status;
}

/* One column per user, in the order of the store; `width` bytes each, missing where no segment
** says otherwise. `into` has room for whole parts. */
static wp_status read_user_column(load_work *work, uint32_t column, char kind, uint32_t below,
                                  void *into, wp_error *err)
{
    wp_way *way = work->way;
    wp__way_scratch *scratch = &work->scratches[0];
    uint64_t *words = wp__way_room(scratch, 1, WP_WAY_PART_USERS, sizeof *words);
    if (words == NULL)
        return wp_fail_memory(err, WP_WAY_PART_USERS * 8);
    for (uint32_t part = 0; part < work->parts_count; part++) {
        uint32_t first = part * WP_WAY_PART_USERS, count = 0;
        wp_segment segment; /* may know users that came since */
        WP_TRY(wp__way_read_segment(way, part, WP__RUN_OF_USERS, column, &scratch->bytes, &segment,
                                    err));
        if (segment.size == 0)
            continue;
        WP_TRY(wp_segment_check(&segment, kind, UINT32_MAX, WP_WAY_PART_USERS, &count, err));
        if (kind == 'c')
            WP_TRY(wp_segment_codes(&segment, count, below, (uint32_t *)into + first, err));
        else if (kind == 'n')
            WP_TRY(wp_segment_numbers(&segment, count, (double *)into + first, words, err));
        else
            WP_TRY(wp_segment_instants(&segment, count, (int64_t *)into + first, err));
    }
    return WP_OK;
}

static uint32_t number_of(const load_work *work, uint32_t user)
{
    return work->loader->numbers != NULL ? work->loader->numbers[user] : user;
}

static wp_status load_user_numbers(load_work *work, uint32_t column, wp_numbers *into,
                                   wp_error *err)
{
    uint32_t numbered = work->parts_count * WP_WAY_PART_USERS, users = work->columns->users_count;
    double *all = wp_alloc_array(numbered, sizeof *all);
    wp_numbers made = {.name = into->name};
    made.dense = wp_alloc_array(users, sizeof *made.dense);
    wp_status status = WP_OK;
    if (all == NULL || made.dense == NULL)
        status = wp_fail_memory(err, numbered * 8ULL);
    for (uint32_t i = 0; status == WP_OK && i < numbered; i++)
        all[i] = NAN;
    if (status == WP_OK)
        status = read_user_column(work, column, 'n', 0, all, err);
    for (uint32_t user = 0; status == WP_OK && user < users; user++)
        made.dense[user] = all[number_of(work, user)];
    if (status == WP_OK)
        status = wp_numbers_pack(&made, users, err);
    wp_free(all);
    if (status == WP_OK)
        *into = made;
    else
        drop_numbers(&made);
    return status;
}

static wp_status load_user_texts(load_work *work, uint32_t column, wp_texts *into, wp_error *err)
{
    uint32_t numbered = work->parts_count * WP_WAY_PART_USERS, users = work->columns->users_count;
    wp_dictionary values = {0};
    wp_codes codes = {0};
    WP_TRY(read_values(work->way, column, &values, err));
    uint32_t *all = wp_alloc_array_zero(numbered, sizeof *all);
    wp_status status = WP_OK;
    if (all == NULL || !make_codes(&codes, values.count, users))
        status = wp_fail_memory(err, numbered * 4ULL);
    if (status == WP_OK)
        status = read_user_column(work, column, 'c', values.count, all, err);
    for (uint32_t user = 0; status == WP_OK && user < users; user++)
        put_codes(&codes, user, &all[number_of(work, user)], 1);
    wp_free(all);
    if (status == WP_OK) {
        into->codes = codes;
        into->values = values;
    } else {
        wp_free(codes.data);
        wp__dictionary_free(&values);
    }
    return status;
}

static wp_status load_known_at(load_work *work, int64_t **out, wp_error *err)
{
    uint32_t numbered = work->parts_count * WP_WAY_PART_USERS, users = work->columns->users_count;
    int64_t *all = wp_alloc_array(numbered, sizeof *all);
    int64_t *own = wp_alloc_array(users, sizeof *own);
    wp_status status = WP_OK;
    if (all == NULL || own == NULL)
        status = wp_fail_memory(err, numbered * 8ULL);
    for (uint32_t i = 0; status == WP_OK && i < numbered; i++)
        all[i] = WP_TIME_MISSING;
    if (status == WP_OK)
        status = read_user_column(work, WP__COLUMN_KNOWN_AT, 'i', 0, all, err);
    for (uint32_t user = 0; status == WP_OK && user < users; user++)
        own[user] = all[number_of(work, user)];
    wp_free(all);
    if (status == WP_OK)
        *out = own;
    else
        wp_free(own);
    return status;
}

static wp_status load_attributes(load_work *work, wp_error *err)
{
    const wp__way_view *view = &work->way->view;
    wp_columns *columns = work->columns;
    uint32_t numbers = 0, texts = 0;
    for (uint32_t i = 0; i < view->columns_count; i++) {
        const wp__way_column *column = &view->columns[i];
        if (!column->per_user)
            continue;
        uint32_t place = column->is_text ? texts++ : numbers++;
        if (work->loader->has_column[i])
            continue;
        if (column->is_text)
            WP_TRY(load_user_texts(work, column->column, &columns->user_texts[place], err));
        else
            WP_TRY(load_user_numbers(work, column->column, &columns->user_numbers[place], err));
        work->loader->has_column[i] = true;
    }
    if (view->has_known_at && columns->known_at_us == NULL)
        WP_TRY(load_known_at(work, &columns->known_at_us, err));
    return WP_OK;
}

/* --- The loader ------------------------------------------------------------------------------ */

/* Position in the view of an event's n-th number or text column. The value, if any, is the first
** number, also when it came with a later import. */
static uint32_t position_of(const wp__way_view *view, bool is_text, uint32_t n)
{
    uint32_t seen = 0;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < view->columns_count; i++) {
            const wp__way_column *column = &view->columns[i];
            if (column->per_user || column->is_text != is_text || column->is_value != (pass == 0))
                continue;
            if (seen++ == n)
                return i;
        }
    return UINT32_MAX;
}

static wp_status load_one(way_loader *loader, wp_columns *columns, wp_part part, uint32_t place,
                          const wp_run *run, wp_error *err)
{
    uint32_t position = UINT32_MAX;
    if (part == WP_PART_NUMBERS || part == WP_PART_TEXTS) {
        position = position_of(&loader->way->view, part == WP_PART_TEXTS, place);
        if (loader->has_column[position])
            return WP_OK;
    } else if ((part == WP_PART_ROWS && loader->has_rows) ||
               (part == WP_PART_IDS && loader->has_ids) ||
               (part == WP_PART_ATTRIBUTES && loader->has_attributes)) {
        return WP_OK;
    }
    load_work work;
    wp_status status = work_start(&work, loader, columns, run, err);
    if (status == WP_OK)
        status = wp__way_begin_reading(loader->way, err);
    if (status == WP_OK) {
        work.column = WP__COLUMN_FIRST + position;
        if (part == WP_PART_ROWS)
            status = load_rows(&work, run, err);
        else if (part == WP_PART_IDS)
            status = load_ids(&work, err);
        else if (part == WP_PART_ATTRIBUTES)
            status = load_attributes(&work, err);
        else if (part == WP_PART_TEXTS)
            status = load_texts(&work, &columns->texts[place], run, err);
        else
            status = load_numbers(&work, &columns->numbers[place], run, err);
        wp__way_end_reading(loader->way);
    }
    work_end(&work, run);
    if (status != WP_OK)
        return status;
    loader->has_ids = loader->has_ids || part == WP_PART_IDS;
    loader->has_attributes = loader->has_attributes || part == WP_PART_ATTRIBUTES;
    if (position != UINT32_MAX)
        loader->has_column[position] = true;
    columns->bytes_size = wp_columns_size(columns);
    return WP_OK;
}

static wp_status load_all(way_loader *loader, wp_columns *columns, const wp_run *run, wp_error *err)
{
    WP_TRY(load_one(loader, columns, WP_PART_ROWS, 0, run, err));
    WP_TRY(load_one(loader, columns, WP_PART_IDS, 0, run, err));
    for (uint32_t i = 0; i < columns->numbers_count; i++)
        WP_TRY(load_one(loader, columns, WP_PART_NUMBERS, i, run, err));
    for (uint32_t i = 0; i < columns->texts_count; i++)
        WP_TRY(load_one(loader, columns, WP_PART_TEXTS, i, run, err));
    return load_one(loader, columns, WP_PART_ATTRIBUTES, 0, run, err);
}

static wp_status load_part(way_loader *loader, wp_columns *columns, wp_part part, uint32_t column,
                           const wp_run *run, wp_error *err)
{
    if (part == WP_PART_ALL)
        return load_all(loader, columns, run, err);
    if (part == WP_PART_FINGERPRINT) {
        if (loader->has_fingerprint)
            return WP_OK;
        WP_TRY(load_all(loader, columns, run, err));
        WP_TRY(wp_columns_fingerprint(columns, run, &columns->fingerprint, err));
        loader->has_fingerprint = true;
        return WP_OK;
    }
    if (part != WP_PART_ROWS) /* they say which user of the store a user of the log is */
        WP_TRY(load_one(loader, columns, WP_PART_ROWS, 0, run, err));
    return load_one(loader, columns, part, column, run, err);
}

static void free_loader(wp_loader *base)
{
    way_loader *loader = (way_loader *)base;
    wp_way_close(loader->way);
    wp_free(loader->has_column);
    wp_free(loader->numbers);
    wp_free(loader);
}

static bool has_all(const way_loader *loader)
{
    bool all =
        loader->has_rows && loader->has_ids && loader->has_attributes && loader->has_fingerprint;
    for (uint32_t i = 0; i < loader->way->view.columns_count; i++)
        all = all && loader->has_column[i];
    return all;
}

static wp_status load(wp_loader *base, wp_columns *columns, wp_part part, uint32_t column,
                      const wp_run *run, wp_error *err)
{
    way_loader *loader = (way_loader *)base;
    WP_TRY(load_part(loader, columns, part, column, run, err));
    if (has_all(loader)) { /* the file is not needed any more */
        columns->loader = NULL;
        free_loader(base);
    }
    return WP_OK;
}

/* Names and counts of columns; the value comes first among the numbers. */
static wp_status name_columns(const wp__way_view *view, wp_columns *columns, wp_error *err)
{
    size_t count = view->columns_count;
    columns->numbers = wp_alloc_array_zero(count, sizeof *columns->numbers);
    columns->texts = wp_alloc_array_zero(count, sizeof *columns->texts);
    columns->user_numbers = wp_alloc_array_zero(count, sizeof *columns->user_numbers);
    columns->user_texts = wp_alloc_array_zero(count, sizeof *columns->user_texts);
    if (columns->numbers == NULL || columns->texts == NULL || columns->user_numbers == NULL ||
        columns->user_texts == NULL)
        return wp_fail_memory(err, count * sizeof *columns->numbers);
    columns->has_value = position_of(view, false, 0) != UINT32_MAX &&
                         view->columns[position_of(view, false, 0)].is_value;
    columns->numbers_count = columns->has_value;
    for (uint32_t i = 0; i < view->columns_count; i++) {
        const wp__way_column *column = &view->columns[i];
        char *name = wp_copy_string(column->name, strlen(column->name));
        if (name == NULL)
            return wp_fail_memory(err, strlen(column->name));
        if (column->is_text && column->per_user)
            columns->user_texts[columns->user_texts_count++].name = name;
        else if (column->is_text)
            columns->texts[columns->texts_count++].name = name;
        else if (column->per_user)
            columns->user_numbers[columns->user_numbers_count++].name = name;
        else if (!column->is_value)
            columns->numbers[columns->numbers_count++].name = name;
        else if (columns->numbers[0].name == NULL)
            columns->numbers[0].name = name;
        else
            wp_free(name); /* a second value column, which reading the tables has refused */
    }
    /* Codes that are not there crash when they are used, instead of looking like missing values. */
    for (uint32_t i = 0; i < columns->texts_count; i++)
        columns->texts[i].codes.width = 4;
    for (uint32_t i = 0; i < columns->user_texts_count; i++)
        columns->user_texts[i].codes.width = 4;
    return WP_OK;
}

static wp_status fill_facts(way_loader *loader, wp_columns *columns, wp_error *err)
{
    wp_way *way = loader->way;
    const wp__way_view *view = &way->view;
    WP_TRY(name_columns(view, columns, err));
    columns->events_count = (uint32_t)view->events_count;
    columns->users_count = view->users_count;
    columns->first_us = view->first_us;
    columns->last_us = view->last_us;
    columns->ties_ordered = view->ties_ordered;
    columns->time_zone_assumed = view->time_zone_assumed;
    columns->rows_skipped = view->rows_skipped;
    columns->rows_ungrouped = view->rows_ungrouped;
    columns->fingerprint = view->fingerprint;
    loader->has_fingerprint = view->has_fingerprint;
    loader->has_column = wp_alloc_array_zero((size_t)view->columns_count + 1, sizeof(bool));
    if (loader->has_column == NULL)
        return wp_fail_memory(err, view->columns_count);
    WP_TRY(wp__way_begin_reading(way, err));
    wp_status status = wp__way_read_texts(way, WP__COLUMN_EVENTS, &columns->event_names, NULL, err);
    wp__way_end_reading(way);
    columns->bytes_size = wp_columns_size(columns);
    return status;
}

wp_status wp_way_log(wp_way *take_way, wp_log **out, wp_error *err)
{
    way_loader *loader = wp_alloc_zero(sizeof *loader);
    wp_columns *columns = wp_alloc_zero(sizeof *columns);
    if (loader == NULL || columns == NULL) {
        wp_free(loader);
        wp_free(columns);
        wp_way_close(take_way);
        return wp_fail_memory(err, sizeof *columns);
    }
    loader->base = (wp_loader){load, free_loader};
    loader->way = take_way;
    columns->references = 1;
    columns->loader = &loader->base;
    wp_status status = fill_facts(loader, columns, err);
    if (status != WP_OK) {
        wp_columns_release(columns);
        return status;
    }
    return wp_log_take_columns(columns, out, err);
}
