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
#include "ingest/batch_internal.h"
#include "store/build.h"

#include "base/memory.h"

#include <stdlib.h>

typedef struct partition {
    wp_intern users;
    uint32_t *rows;   /* rows of each user */
    uint32_t *global; /* the user's number in the log */
    size_t capacity;
} partition;

typedef struct join {
    wp_build *build;
    wp_columns *columns;
    partition *partitions;
    uint32_t *first_users; /* per batch: number of the first user that appears first there */
    uint32_t extra_count;  /* users without events */
    wp_order *orders;
    wp_intern *values; /* per text column, then one for event names */
} join;

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
    join *work = context;
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

/* --- Users ------------------------------------------------------------------------------------ */

static bool grow_partition(partition *part)
{
    size_t capacity = part->capacity < 16 ? 16 : part->capacity * 2;
    uint32_t *rows = wp_realloc_array(part->rows, capacity, sizeof *rows);
    if (rows == NULL)
        return false;
    part->rows = rows;
    part->capacity = capacity;
    return true;
}

/* Chunk: a partition. Gives its users numbers of its own and marks first appearances. */
static wp_status join_users(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    join *work = context;
    partition *part = &work->partitions[chunk];
    for (size_t i = 0; i < work->build->batches_count; i++) {
        wp_batch *batch = work->build->batches[i];
        uint32_t end = batch->partition_starts[chunk + 1];
        for (uint32_t user = batch->partition_starts[chunk]; user < end; user++) {
            uint32_t before = part->users.count,
                     own = intern_entry(&part->users, &batch->users, user);
            if (own == UINT32_MAX || (own == part->capacity && !grow_partition(part)))
                return wp_fail_memory(err, part->users.bytes_capacity * 2);
            bool is_new = part->users.count > before;
            batch->user_is_new[user] = is_new;
            batch->users.global[user] = own;
            batch->user_offsets[user] = is_new ? 0 : part->rows[own];
            part->rows[own] =
                batch->user_offsets[user] + batch->user_rows[user + 1] - batch->user_rows[user];
        }
    }
    part->global = wp_alloc_array(part->users.count, sizeof *part->global);
    return part->global != NULL ? WP_OK : wp_fail_memory(err, part->users.count * sizeof(uint32_t));
}

/* Chunk: a batch. Numbers the users that appear first here, in order of appearance. */
static wp_status number_users(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    join *work = context;
    wp_batch *batch = work->build->batches[chunk];
    uint32_t number = work->first_users[chunk];
    for (uint32_t i = 0; i < batch->users_count; i++) {
        uint32_t user = batch->slots[i];
        if (!batch->user_is_new[user])
            continue;
        partition *part = &work->partitions[wp__partition(batch->users.hashes[user])];
        uint32_t own = batch->users.global[user];
        part->global[own] = number;
        work->columns->row_starts[number + 1] = part->rows[own];
        work->columns->user_ids.offsets[number + 1] =
            batch->users.offsets[user + 1] - batch->users.offsets[user];
        number++;
    }
    return WP_OK;
}

/* Chunk: a batch. Fills in user numbers and copies the ids of users that appear first here. */
static wp_status place_users(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    join *work = context;
    wp_batch *batch = work->build->batches[chunk];
    wp_dictionary *ids = &work->columns->user_ids;
    for (uint32_t user = 0; user < batch->users_count; user++) {
        partition *part = &work->partitions[wp__partition(batch->users.hashes[user])];
        uint32_t number = part->global[batch->users.global[user]];
        batch->users.global[user] = number;
        uint64_t start = batch->users.offsets[user];
        if (batch->user_is_new[user])
            memcpy(ids->bytes + ids->offsets[number], batch->users.bytes + start,
                   (size_t)(batch->users.offsets[user + 1] - start));
    }
    return WP_OK;
}

static wp_status prepare_users(join *work, wp_error *err)
{
    for (size_t i = 0; i < work->build->batches_count; i++) {
        wp_batch *batch = work->build->batches[i];
        batch->user_offsets = wp_alloc_array(batch->users_count, sizeof *batch->user_offsets);
        batch->users.global = wp_alloc_array(batch->users_count, sizeof *batch->users.global);
        batch->user_is_new = wp_alloc(batch->users_count);
        if (batch->user_offsets == NULL || batch->users.global == NULL ||
            batch->user_is_new == NULL)
            return wp_fail_memory(err, batch->users_count * sizeof(uint32_t));
    }
    return WP_OK;
}

/* The number of a user of the users table, UINT32_MAX when it has no event. */
static uint32_t find_user(const join *work, uint32_t code)
{
    const wp_intern *ids = &work->build->user_ids;
    const partition *part = &work->partitions[wp__partition(ids->hashes[code])];
    uint64_t start = ids->offsets[code];
    uint32_t own = wp_intern_find(&part->users, ids->bytes + start,
                                  (size_t)(ids->offsets[code + 1] - start), ids->hashes[code]);
    return own == UINT32_MAX ? UINT32_MAX : part->global[own];
}

/* Users of the users table: numbers after all others for those without events. */
static void place_extra_users(join *work, uint32_t users_with_events, uint32_t *numbers)
{
    wp_columns *columns = work->columns;
    const wp_intern *table = &work->build->user_ids;
    uint32_t next = users_with_events;
    for (uint32_t code = 0; code < table->count; code++) {
        numbers[code] = find_user(work, code);
        if (numbers[code] != UINT32_MAX)
            continue;
        numbers[code] = next;
        columns->row_starts[next + 1] = 0;
        columns->user_ids.offsets[next + 1] = table->offsets[code + 1] - table->offsets[code];
        next++;
    }
}

static wp_status join_all_users(join *work, const wp_run *run, wp_error *err)
{
    wp_build *build = work->build;
    wp_columns *columns = work->columns;
    WP_TRY(prepare_users(work, err));
    WP_TRY(wp_pool_run(run, WP_PARTITIONS, join_users, work, err));
    uint64_t with_events = 0;
    for (uint32_t p = 0; p < WP_PARTITIONS; p++)
        with_events += work->partitions[p].users.count;
    uint64_t most = with_events + build->user_ids.count;
    if (most >= UINT32_MAX - 1)
        return wp_fail(err, WP_LIMIT, "users: %llu found (expected fewer than 2^32 - 2)",
                       (unsigned long long)most);
    uint32_t number = 0;
    for (size_t i = 0; i < build->batches_count; i++) {
        work->first_users[i] = number;
        for (uint32_t user = 0; user < build->batches[i]->users_count; user++)
            number += build->batches[i]->user_is_new[user];
    }
    columns->row_starts = wp_alloc_array_zero((size_t)most + 1, sizeof(uint32_t));
    columns->user_ids.offsets = wp_alloc_array_zero((size_t)most + 1, sizeof(uint64_t));
    uint32_t *table_numbers = wp_alloc_array(build->user_ids.count, sizeof(uint32_t));
    wp_status status = WP_OK;
    if (columns->row_starts == NULL || columns->user_ids.offsets == NULL || table_numbers == NULL)
        status = wp_fail_memory(err, most * 12);
    if (status == WP_OK)
        status = wp_pool_run(run, build->batches_count, number_users, work, err);
    if (status == WP_OK)
        place_extra_users(work, (uint32_t)with_events, table_numbers);
    if (status != WP_OK) {
        wp_free(table_numbers);
        return status;
    }
    uint32_t users_count = (uint32_t)with_events;
    for (uint32_t i = 0; i < build->user_ids.count; i++)
        users_count = table_numbers[i] >= users_count ? table_numbers[i] + 1 : users_count;
    columns->users_count = columns->user_ids.count = users_count;
    for (uint32_t user = 0; user < users_count; user++) {
        columns->row_starts[user + 1] += columns->row_starts[user];
        columns->user_ids.offsets[user + 1] += columns->user_ids.offsets[user];
    }
    columns->user_ids.bytes = wp_alloc((size_t)columns->user_ids.offsets[users_count]);
    if (columns->user_ids.bytes == NULL)
        status = wp_fail_memory(err, columns->user_ids.offsets[users_count]);
    if (status == WP_OK)
        status = wp_pool_run(run, build->batches_count, place_users, work, err);
    for (uint32_t i = 0; status == WP_OK && i < build->user_ids.count; i++)
        if (table_numbers[i] >= with_events)
            memcpy(columns->user_ids.bytes + columns->user_ids.offsets[table_numbers[i]],
                   build->user_ids.bytes + build->user_ids.offsets[i],
                   (size_t)(build->user_ids.offsets[i + 1] - build->user_ids.offsets[i]));
    if (status == WP_OK)
        status = wp__join_attributes(build, columns, table_numbers, err);
    wp_free(table_numbers);
    return status;
}

/* --- Rows ------------------------------------------------------------------------------------- */

/* Instants of all batches: the range, the greatest unit that divides them, and the room. */
static wp_status plan_times(join *work, wp_error *err)
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
    if (empty || ((uint64_t)last - (uint64_t)first) / (uint64_t)unit <= UINT32_MAX)
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

static wp_status plan_columns(join *work, wp_error *err)
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
    for (uint32_t i = 0; i < build->numbers_count; i++) {
        columns->numbers[i].name = build->names[i];
        build->names[i] = NULL;
        columns->numbers[i].dense = wp_alloc_array(rows, sizeof(double));
        if (columns->numbers[i].dense == NULL)
            return wp_fail_memory(err, rows * sizeof(double));
    }
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
    if (to->micros != NULL) {
        for (uint32_t i = 0; i < count; i++)
            to->micros[to_row + i] = wp_time_at(from, from_row + i);
    } else if (from->offsets != NULL) {
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

/* Where the runs of a batch go: user_offsets become places in the log. */
static void place_runs(const wp_columns *columns, wp_batch *batch)
{
    for (uint32_t user = 0; user < batch->users_count; user++)
        batch->user_offsets[user] += columns->row_starts[batch->users.global[user]];
}

/* Runs are short and go all over the log: asking for a few ahead hides most of the waiting. */
#define RUNS_AHEAD 12u

static void copy_events(join *work, wp_batch *batch)
{
    wp_columns *columns = work->columns;
    const char *times = columns->times.micros != NULL ? (const char *)columns->times.micros
                                                      : (const char *)columns->times.offsets;
    unsigned width = columns->times.micros != NULL ? 8 : 4;
    for (uint32_t user = 0; user < batch->users_count; user++) {
        if (user + RUNS_AHEAD < batch->users_count) {
            size_t ahead = batch->user_offsets[user + RUNS_AHEAD];
            __builtin_prefetch(times + ahead * width, 1);
            if (columns->events.width > 0)
                __builtin_prefetch((char *)columns->events.data + ahead * columns->events.width, 1);
        }
        uint32_t row = batch->user_rows[user], count = batch->user_rows[user + 1] - row;
        size_t to = batch->user_offsets[user];
        copy_times(&columns->times, to, &batch->times, row, count);
        copy_codes(&columns->events, to, &batch->events, row, count, batch->event_names.global);
        if (work->orders != NULL)
            memcpy(work->orders + to, batch->orders + row, count * sizeof *work->orders);
    }
}

/* Chunk: a batch. Its runs of rows go where their users' rows stand. */
static wp_status copy_rows(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    join *work = context;
    wp_build *build = work->build;
    wp_columns *columns = work->columns;
    wp_batch *batch = build->batches[chunk];
    const uint32_t *rows = batch->user_rows;
    place_runs(columns, batch);
    copy_events(work, batch);
    for (uint32_t i = 0; i < build->numbers_count; i++) {
        uint32_t next = 0;
        double *dense = columns->numbers[i].dense;
        for (uint32_t user = 0; user < batch->users_count; user++) {
            if (user + RUNS_AHEAD < batch->users_count)
                __builtin_prefetch(dense + batch->user_offsets[user + RUNS_AHEAD], 1);
            copy_numbers(dense + batch->user_offsets[user], &batch->numbers[i], rows[user],
                         rows[user + 1] - rows[user], &next);
        }
    }
    for (uint32_t i = 0; i < build->texts_count; i++)
        for (uint32_t user = 0; user < batch->users_count; user++)
            copy_codes(&columns->texts[i].codes, batch->user_offsets[user], &batch->texts[i],
                       rows[user], rows[user + 1] - rows[user], batch->text_values[i].global);
    wp__batch_free(batch, build->numbers_count, build->texts_count);
    build->batches[chunk] = NULL;
    return WP_OK;
}

/* --- All of it -------------------------------------------------------------------------------- */

static void join_reset(join *work)
{
    for (uint32_t p = 0; work->partitions != NULL && p < WP_PARTITIONS; p++) {
        wp_intern_free(&work->partitions[p].users);
        wp_free(work->partitions[p].rows);
        wp_free(work->partitions[p].global);
    }
    for (uint32_t i = 0; work->values != NULL && i <= work->build->texts_count; i++)
        wp_intern_free(&work->values[i]);
    wp_free(work->partitions);
    wp_free(work->values);
    wp_free(work->first_users);
    wp_free(work->orders);
}

static wp_status join_start(join *work, wp_error *err)
{
    wp_build *build = work->build;
    wp_columns *columns = work->columns = wp_alloc_zero(sizeof *columns);
    if (columns == NULL)
        return wp_fail_memory(err, sizeof *columns);
    columns->references = 1;
    columns->numbers = wp_alloc_array_zero(build->numbers_count, sizeof *columns->numbers);
    columns->texts = wp_alloc_array_zero(build->texts_count, sizeof *columns->texts);
    work->partitions = wp_alloc_array_zero(WP_PARTITIONS, sizeof *work->partitions);
    work->values = wp_alloc_array_zero((size_t)build->texts_count + 1, sizeof *work->values);
    work->first_users = wp_alloc_array_zero(build->batches_count, sizeof *work->first_users);
    if (columns->numbers == NULL || columns->texts == NULL || work->partitions == NULL ||
        work->values == NULL || work->first_users == NULL)
        return wp_fail_memory(err, WP_PARTITIONS * sizeof *work->partitions);
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
    join work = {.build = build};
    if (build->batches_count > 1)
        qsort(build->batches, build->batches_count, sizeof *build->batches, by_place);
    wp_status status = join_start(&work, err);
    if (status == WP_OK)
        status = wp_pool_run(run, (size_t)build->texts_count + 1, join_texts, &work, err);
    if (status == WP_OK)
        status = join_all_users(&work, run, err);
    if (status == WP_OK)
        status = plan_columns(&work, err);
    if (status == WP_OK)
        status = wp_pool_run(run, build->batches_count, copy_rows, &work, err);
    wp_order *orders = work.orders;
    work.orders = NULL;
    join_reset(&work);
    if (status == WP_OK)
        status = wp_columns_complete(work.columns, orders, run, err);
    wp_free(orders);
    if (status == WP_OK)
        *out = work.columns;
    else
        wp_columns_release(work.columns);
    return status;
}
