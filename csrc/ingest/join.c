/* Joining batches into a log: wp_build_finish of batch.h.
**
** Every batch lists its users by partition of their hash, so each partition numbers its users
** alone, without locks, walking the batches in order. A user's number in the log follows from the
** batch of first appearance and the order in it. Then the place of each run of rows is known, all
** batches are copied side by side, and users whose rows are not in order are sorted in place.
**
** Cost: linear in rows, plus the sorting of what is out of order. Batches are freed as they are
** copied. Nothing depends on the number of threads: chunks are partitions, batches, columns and
** fixed ranges of users, and sums are folded in their order. */
#include "ingest/join_internal.h"

#include "base/memory.h"

#include <stdlib.h>

static int by_place(const void *left, const void *right)
{
    uint64_t a = (*(wp_batch *const *)left)->place, b = (*(wp_batch *const *)right)->place;
    return (a > b) - (a < b);
}

/* --- Texts ------------------------------------------------------------------------------------ */

static uint32_t intern_entry(wp_intern *table, const wp_batch_dictionary *d, uint32_t code)
{
    return wp_intern_add(table, d->bytes + d->offsets[code],
                         (size_t)(d->offsets[code + 1] - d->offsets[code]), d->hashes[code]);
}

/* Chunk: one text column, or the event names as the last. */
static wp_status join_texts(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    wp__join *work = context;
    wp_intern *values = &work->values[chunk];
    bool is_event = chunk == work->build->texts_count;
    if (!is_event && wp_intern_add(values, "", 0, wp_hash_bytes("", 0)) == UINT32_MAX)
        return wp_fail_memory(err, 256);
    for (size_t i = 0; i < work->build->batches_count; i++) {
        wp_batch *batch = work->build->batches[i];
        wp_batch_dictionary *d = is_event ? &batch->event_names : &batch->text_values[chunk];
        uint32_t shift = is_event ? 0 : 1;
        d->global = wp_alloc_array((size_t)d->count + 1, sizeof *d->global);
        if (d->global == NULL)
            return wp_fail_memory(err, d->count * sizeof *d->global);
        d->global[0] = 0;
        for (uint32_t code = 0; code < d->count; code++) {
            uint32_t global = intern_entry(values, d, code);
            if (global == UINT32_MAX)
                return wp_fail_memory(err, values->bytes_capacity * 2);
            d->global[code + shift] = global;
        }
    }
    return WP_OK;
}

/* The table becomes a dictionary of exact size. */
static bool take_dictionary(wp_dictionary *into, wp_intern *table)
{
    into->count = table->count;
    if (table->count == 0) {
        into->offsets = wp_alloc_array_zero(1, sizeof *into->offsets);
        into->bytes = wp_alloc(0);
        return into->offsets != NULL && into->bytes != NULL;
    }
    uint64_t *offsets = wp_realloc_array(table->offsets, (size_t)table->count + 1, sizeof *offsets);
    if (offsets != NULL)
        table->offsets = offsets;
    char *bytes = wp_realloc_array(table->bytes, (size_t)table->offsets[table->count], 1);
    into->offsets = table->offsets;
    into->bytes = bytes != NULL ? bytes : table->bytes;
    table->offsets = NULL;
    table->bytes = NULL;
    wp_intern_free(table);
    return true;
}

/* --- Rows ------------------------------------------------------------------------------------- */

/* Instants of all batches: the range, the greatest unit that divides them, and the room. */
static wp_status plan_times(wp__join *work, wp_error *err)
{
    wp_columns *columns = work->columns;
    int64_t first = INT64_MAX, last = INT64_MIN, unit = 1000000;
    for (size_t i = 0; i < work->build->batches_count; i++) {
        const wp_batch *batch = work->build->batches[i];
        first = batch->first_us < first ? batch->first_us : first;
        last = batch->last_us > last ? batch->last_us : last;
        unit = batch->times.unit_us < unit ? batch->times.unit_us : unit;
    }
    bool empty = columns->events_count == 0;
    columns->first_us = empty ? WP_TIME_MISSING : first;
    columns->last_us = empty ? WP_TIME_MISSING : last;
    columns->times.base_us = empty ? 0 : first;
    columns->times.unit_us = unit;
    size_t rows = columns->events_count;
    columns->times.wide =
        !empty && ((uint64_t)last - (uint64_t)first) / (uint64_t)unit >= UINT32_MAX;
    if (!columns->times.wide)
        columns->times.offsets = wp_alloc_array(rows, sizeof(uint32_t));
    else
        columns->times.micros = wp_alloc_array(rows, sizeof(int64_t));
    if (columns->times.offsets == NULL && columns->times.micros == NULL)
        return wp_fail_memory(err, (unsigned long long)rows * 8);
    return WP_OK;
}

static wp_status plan_codes(wp_codes *codes, uint32_t values_count, size_t rows, wp_error *err)
{
    codes->width = wp__code_width(values_count);
    if (codes->width == 0)
        return WP_OK;
    codes->data = wp_alloc_array(rows, codes->width);
    return codes->data != NULL ? WP_OK : wp_fail_memory(err, rows * codes->width);
}

/* Packed when fewer than half of the rows have a number. */
static wp_status plan_numbers(wp__join *work, uint32_t column, wp_error *err)
{
    wp_build *build = work->build;
    wp_numbers *numbers = &work->columns->numbers[column];
    size_t rows = work->columns->events_count;
    uint64_t count = 0;
    numbers->name = build->names[column];
    build->names[column] = NULL;
    for (size_t i = 0; i < build->batches_count; i++)
        count += build->batches[i]->numbers[column].count;
    if (count * 2 < rows)
        return wp__sparse_start(numbers, &work->sparse[column], count, rows, err);
    numbers->dense = wp_alloc_array(rows, sizeof(double));
    return numbers->dense != NULL ? WP_OK : wp_fail_memory(err, rows * sizeof(double));
}

static wp_status plan_columns(wp__join *work, wp_error *err)
{
    wp_build *build = work->build;
    wp_columns *columns = work->columns;
    size_t rows = columns->events_count;
    WP_TRY(plan_times(work, err));
    if (!take_dictionary(&columns->event_names, &work->values[build->texts_count]))
        return wp_fail_memory(err, 16);
    WP_TRY(plan_codes(&columns->events, columns->event_names.count, rows, err));
    for (uint32_t i = 0; i < build->texts_count; i++) {
        columns->texts[i].name = build->names[build->numbers_count + i];
        build->names[build->numbers_count + i] = NULL;
        if (!take_dictionary(&columns->texts[i].values, &work->values[i]))
            return wp_fail_memory(err, 16);
        WP_TRY(plan_codes(&columns->texts[i].codes, columns->texts[i].values.count, rows, err));
    }
    for (uint32_t i = 0; i < build->numbers_count; i++)
        WP_TRY(plan_numbers(work, i, err));
    if (build->has_order) {
        work->orders = wp_alloc_array(rows, sizeof *work->orders);
        if (work->orders == NULL)
            return wp_fail_memory(err, rows * sizeof *work->orders);
    }
    return WP_OK;
}

static void copy_times(wp_times *to, size_t to_row, const wp_times *from, uint32_t from_row,
                       uint32_t count)
{
    if (to->wide) {
        for (uint32_t i = 0; i < count; i++)
            to->micros[to_row + i] = wp_time_at(from, from_row + i);
    } else if (!from->wide) {
        /* A batch's unit is a multiple of the log's. */
        uint32_t scale = (uint32_t)(from->unit_us / to->unit_us);
        uint32_t shift = (uint32_t)((from->base_us - to->base_us) / to->unit_us);
        for (uint32_t i = 0; i < count; i++)
            to->offsets[to_row + i] = from->offsets[from_row + i] * scale + shift;
    } else {
        for (uint32_t i = 0; i < count; i++)
            to->offsets[to_row + i] =
                (uint32_t)((from->micros[from_row + i] - to->base_us) / to->unit_us);
    }
}

static void copy_codes(wp_codes *to, size_t to_row, const wp_codes *from, uint32_t from_row,
                       uint32_t count, const uint32_t *global)
{
    if (to->width == 0)
        return;
    if (to->width == 1 && from->width == 1) {
        const uint8_t *source = (const uint8_t *)from->data + from_row;
        uint8_t *target = (uint8_t *)to->data + to_row;
        for (uint32_t i = 0; i < count; i++)
            target[i] = (uint8_t)global[source[i]];
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        wp__put_code(to, to_row + i, global[wp_code_at(from, from_row + i)]);
}

/* Walks the numbers of a batch in row order; `next` is the place of the next packed one. */
static void copy_numbers(double *to, const wp_batch_numbers *from, uint32_t from_row,
                         uint32_t count, uint32_t *next)
{
    if (from->present == NULL) {
        memcpy(to, from->packed + from_row, count * sizeof *to);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        to[i] = wp_bit(from->present, from_row + i) ? from->packed[(*next)++] : NAN;
}

/* Runs are short and go all over the log: asking for a few ahead hides most of the waiting. */
#define RUNS_AHEAD 12u

/* The usual: times of one unit and few event names. One loop over each run for both, as where a run
** ends cannot be foreseen. */
static void copy_plain_events(wp_columns *columns, const wp_batch *batch)
{
    const uint32_t *global = batch->event_names.global, *from = batch->times.offsets;
    const uint8_t *from_codes = batch->events.data;
    uint32_t *offsets = columns->times.offsets;
    uint8_t *codes = columns->events.data;
    const uint32_t shift =
        (uint32_t)((batch->times.base_us - columns->times.base_us) / columns->times.unit_us);
    for (uint32_t user = 0; user < batch->users_count; user++) {
        if (user + RUNS_AHEAD < batch->users_count) {
            __builtin_prefetch(offsets + batch->users[user + RUNS_AHEAD].place, 1);
            __builtin_prefetch(codes + batch->users[user + RUNS_AHEAD].place, 1);
        }
        uint32_t row = batch->users[user].row, end = batch->users[user + 1].row;
        for (size_t to = batch->users[user].place; row < end; row++, to++) {
            offsets[to] = from[row] + shift;
            codes[to] = (uint8_t)global[from_codes[row]];
        }
    }
}

static void copy_events(wp__join *work, const wp_batch *batch)
{
    wp_columns *columns = work->columns;
    const wp_batch_user *users = batch->users;
    for (uint32_t user = 0; user < batch->users_count; user++) {
        uint32_t row = users[user].row, count = users[user + 1].row - row;
        copy_times(&columns->times, users[user].place, &batch->times, row, count);
        copy_codes(&columns->events, users[user].place, &batch->events, row, count,
                   batch->event_names.global);
    }
}

/* Chunk: a batch. */
static wp_status mark_numbers(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    wp__join *work = context;
    wp_batch *batch = work->build->batches[chunk];
    for (uint32_t i = 0; i < work->build->numbers_count; i++)
        if (work->sparse[i].rows != NULL)
            WP_TRY(wp__sparse_mark(&work->columns->numbers[i], batch, &batch->numbers[i], err));
    return WP_OK;
}

static wp_status plan_sparse(wp__join *work, const wp_run *run, wp_error *err)
{
    wp_columns *columns = work->columns;
    bool any = false;
    for (uint32_t i = 0; i < columns->numbers_count; i++)
        any |= work->sparse[i].rows != NULL;
    if (!any)
        return WP_OK;
    WP_TRY(wp_pool_run(run, work->build->batches_count, mark_numbers, work, err));
    for (uint32_t i = 0; i < columns->numbers_count; i++)
        if (work->sparse[i].rows != NULL)
            wp_numbers_rank(&columns->numbers[i], columns->events_count);
    return WP_OK;
}

static void copy_dense(double *dense, const wp_batch *batch, const wp_batch_numbers *from)
{
    const wp_batch_user *users = batch->users;
    uint32_t next = 0;
    for (uint32_t user = 0; user < batch->users_count; user++) {
        if (user + RUNS_AHEAD < batch->users_count)
            __builtin_prefetch(dense + users[user + RUNS_AHEAD].place, 1);
        copy_numbers(dense + users[user].place, from, users[user].row,
                     users[user + 1].row - users[user].row, &next);
    }
}

static void copy_orders(wp_order *orders, const wp_batch *batch)
{
    const wp_batch_user *users = batch->users;
    for (uint32_t user = 0; user < batch->users_count; user++)
        memcpy(orders + users[user].place, batch->orders + users[user].row,
               (users[user + 1].row - users[user].row) * sizeof *orders);
}

/* Chunk: a batch. Its runs of rows go where their users' rows stand. */
static wp_status copy_rows(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    wp__join *work = context;
    wp_build *build = work->build;
    wp_columns *columns = work->columns;
    wp_batch *batch = build->batches[chunk];
    const wp_batch_user *users = batch->users;
    if (columns->times.offsets != NULL && batch->times.offsets != NULL &&
        batch->times.unit_us == columns->times.unit_us && columns->events.width == 1 &&
        batch->events.width == 1)
        copy_plain_events(columns, batch);
    else
        copy_events(work, batch);
    if (work->orders != NULL)
        copy_orders(work->orders, batch);
    for (uint32_t i = 0; i < build->numbers_count; i++)
        if (work->sparse[i].rows != NULL)
            wp__sparse_place(&columns->numbers[i], &work->sparse[i], &batch->numbers[i]);
        else
            copy_dense(columns->numbers[i].dense, batch, &batch->numbers[i]);
    for (uint32_t i = 0; i < build->texts_count; i++)
        for (uint32_t user = 0; user < batch->users_count; user++)
            copy_codes(&columns->texts[i].codes, users[user].place, &batch->texts[i],
                       users[user].row, users[user + 1].row - users[user].row,
                       batch->text_values[i].global);
    wp__batch_free(batch, build->numbers_count, build->texts_count);
    build->batches[chunk] = NULL;
    return WP_OK;
}

/* --- All of it -------------------------------------------------------------------------------- */

/* What is not needed once the rows are copied. */
static void join_tables_reset(wp__join *work)
{
    wp__join_users_reset(work);
    for (uint32_t i = 0; work->values != NULL && i <= work->build->texts_count; i++)
        wp_intern_free(&work->values[i]);
    wp_free(work->values);
    work->values = NULL;
}

static void join_reset(wp__join *work)
{
    join_tables_reset(work);
    wp_free(work->orders);
    for (uint32_t i = 0; work->sparse != NULL && i < work->build->numbers_count; i++)
        wp_free(work->sparse[i].rows);
    wp_free(work->sparse);
}

static wp_status join_start(wp__join *work, wp_error *err)
{
    wp_build *build = work->build;
    wp_columns *columns = work->columns = wp_alloc_zero(sizeof *columns);
    if (columns == NULL)
        return wp_fail_memory(err, sizeof *columns);
    columns->references = 1;
    columns->numbers = wp_alloc_array_zero(build->numbers_count, sizeof *columns->numbers);
    columns->texts = wp_alloc_array_zero(build->texts_count, sizeof *columns->texts);
    work->values = wp_alloc_array_zero((size_t)build->texts_count + 1, sizeof *work->values);
    work->sparse = wp_alloc_array_zero(build->numbers_count, sizeof *work->sparse);
    if (columns->numbers == NULL || columns->texts == NULL || work->values == NULL ||
        work->sparse == NULL)
        return wp_fail_memory(err, build->texts_count * sizeof *columns->texts);
    columns->numbers_count = build->numbers_count;
    columns->texts_count = build->texts_count;
    columns->has_value = build->has_value;
    columns->ties_ordered = build->has_order;
    for (size_t i = 0; i < build->batches_count; i++)
        columns->time_zone_assumed |= build->batches[i]->time_zone_assumed;
    columns->rows_skipped = build->rows_skipped;
    if (build->rows_count >= UINT32_MAX - 1)
        return wp_fail(err, WP_LIMIT, "events: %llu found (expected fewer than 2^32 - 2)",
                       (unsigned long long)build->rows_count);
    columns->events_count = (uint32_t)build->rows_count;
    return WP_OK;
}

wp_status wp_build_finish(wp_build *build, const wp_run *run, wp_columns **out, wp_error *err)
{
    wp__join work = {.build = build};
    if (build->batches_count > 1)
        qsort(build->batches, build->batches_count, sizeof *build->batches, by_place);
    wp_status status = join_start(&work, err);
    if (status == WP_OK)
        status = wp_pool_run(run, (size_t)build->texts_count + 1, join_texts, &work, err);
    if (status == WP_OK)
        status = wp__join_users(&work, run, err);
    if (status == WP_OK)
        status = plan_columns(&work, err);
    if (status == WP_OK)
        status = plan_sparse(&work, run, err);
    if (status == WP_OK)
        status = wp_pool_run(run, build->batches_count, copy_rows, &work, err);
    if (status == WP_OK)
        join_tables_reset(&work);
    if (status == WP_OK)
        status = wp_columns_complete(work.columns, work.orders, work.sparse, run, err);
    join_reset(&work);
    if (status == WP_OK)
        *out = work.columns;
    else
        wp_columns_release(work.columns);
    return status;
}
