/* Numbers and texts of events from a store: parts are decoded side by side, each into its own range
** of the final column. */
#include "store/way_load.h"

/* What loading the rows has found spares columns the times. */
static wp__way_depth depth_of(const wp__way_load *work, size_t part)
{
    return work->loader->in_order[part] ? WP__PART_IN_ORDER : WP__PART_ORDER;
}

wp_status wp__read_part_codes(const wp__way_load *work, uint32_t number, uint32_t column,
                              uint32_t below, const wp_codes *codes, wp__way_scratch *scratch,
                              wp_error *err)
{
    wp__way_part part = {0};
    const wp__way_run *runs;
    if (wp__way_part_runs(&work->way->view, number, &runs) == 1)
        return wp__way_run_codes(work->way, runs, column, below, codes, work->row_bases[number],
                                 scratch, err);
    WP_TRY(wp__way_part_read(work->way, number, depth_of(work, number), scratch, &part, err));
    uint32_t *wide = wp__way_room(scratch, 3, part.rows_count, sizeof *wide);
    wp_status status =
        wide == NULL ? wp_fail_memory(err, part.rows_count * 4ULL)
                     : wp__way_part_codes(work->way, &part, column, below, scratch, wide, err);
    if (status == WP_OK)
        wp__put_codes(codes, work->row_bases[number], wide, part.rows_count);
    wp__way_part_free(&part);
    return status;
}

static wp_status load_part_codes(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    wp__way_load *work = context;
    return wp__read_part_codes(work, (uint32_t)chunk, work->column, work->below, work->codes,
                               &work->scratches[worker], err);
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
    wp_codes codes = {0};
    if (texts->values.offsets == NULL)
        WP_TRY(wp__read_values(work->way, work->column, &texts->values, err));
    work->below = texts->values.count;
    work->codes = &codes;
    wp_status status = wp__make_codes(&codes, work->below, work->columns->events_count)
                           ? wp_pool_run(run, work->parts_count, load_part_codes, work, err)
                           : wp_fail_memory(err, work->columns->events_count * 4ULL);
    if (status == WP_OK)
        texts->codes = codes;
    else
        wp_free(codes.data);
    return status;
}

void wp__number_part_free(wp__number_part *part)
{
    wp_free(part->present);
    wp_free(part->packed);
    *part = (wp__number_part){0};
}

wp_status wp__read_part_numbers(const wp__way_load *work, uint32_t number, uint32_t column,
                                wp__way_scratch *scratch, wp__number_part *into, wp_error *err)
{
    wp__way_part part = {0};
    const wp__way_run *runs;
    if (wp__way_part_runs(&work->way->view, number, &runs) == 1)
        return wp__way_run_numbers(work->way, runs, column, scratch, &into->present, &into->packed,
                                   &into->count, err);
    WP_TRY(wp__way_part_read(work->way, number, depth_of(work, number), scratch, &part, err));
    double *dense = wp__way_room(scratch, 3, part.rows_count, sizeof *dense);
    wp_status status = dense == NULL
                           ? wp_fail_memory(err, part.rows_count * 8ULL)
                           : wp__way_part_numbers(work->way, &part, column, scratch, dense, err);
    uint32_t count = 0;
    for (uint32_t i = 0; status == WP_OK && i < part.rows_count; i++)
        count += !isnan(dense[i]);
    if (status == WP_OK) {
        into->present = wp_alloc_array_zero(part.rows_count / 64 + 1, sizeof *into->present);
        into->packed = wp_alloc_array(count, sizeof *into->packed);
        if (into->present == NULL || into->packed == NULL)
            status = wp_fail_memory(err, count * 8ULL);
    }
    for (uint32_t i = 0; status == WP_OK && i < part.rows_count; i++)
        if (!isnan(dense[i])) {
            into->present[i >> 6] |= 1ULL << (i & 63);
            into->packed[into->count++] = dense[i];
        }
    wp__way_part_free(&part);
    return status;
}

static wp_status load_part_numbers(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    wp__way_load *work = context;
    return wp__read_part_numbers(work, (uint32_t)chunk, work->column, &work->scratches[worker],
                                 &work->numbers[chunk], err);
}

static wp_status place_numbers(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    wp__way_load *work = context;
    wp__number_part *from = &work->numbers[chunk];
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
    wp__number_part_free(from);
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
