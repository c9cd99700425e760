/* Joining users: see join_internal.h and, for the whole, csrc/ingest/join.c.
**
** A partition of the users' hashes belongs to one thread, which walks the batches in order and
** keeps the ids it has met in a table of its own: no locks. The table is reused from partition to
** partition and so stays in the cache; only a users table, whose ids must be found later, makes
** every
** partition keep its own. */
#include "ingest/join_internal.h"

#include "base/memory.h"

typedef struct wp__partition_users {
    wp_intern users; /* when partitions keep their tables */
    uint32_t count;
    uint32_t *rows;   /* rows of each user */
    uint32_t *global; /* the user's number in the log */
    size_t capacity;  /* of rows */
} partition;

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

/* Gives the users of one batch and partition their numbers. False when memory is short. */
static bool join_batch(partition *part, wp_intern *table, wp_batch *batch, size_t chunk)
{
    uint32_t new_count = 0, end = batch->partition_starts[chunk + 1];
    for (uint32_t i = batch->partition_starts[chunk]; i < end; i++) {
        wp_batch_user *user = &batch->users[i];
        uint32_t before = table->count;
        user->number = wp_intern_add(table, batch->user_bytes + user->start,
                                     user[1].start - user->start, user->hash);
        if (user->number == UINT32_MAX || (user->number == part->capacity && !grow_partition(part)))
            return false;
        bool is_new = table->count > before;
        new_count += is_new;
        user->place = is_new ? 0 : part->rows[user->number];
        part->rows[user->number] = user->place + (user[1].row - user->row);
    }
    if (new_count > 0)
        atomic_fetch_add_explicit(&batch->new_users_count, new_count, memory_order_relaxed);
    return true;
}

/* Chunk: a partition. */
static wp_status join_partition(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    wp__join *work = context;
    partition *part = &work->partitions[chunk];
    wp_intern *table = work->tables != NULL ? &work->tables[worker] : &part->users;
    wp_intern_clear(table);
    for (size_t i = 0; i < work->build->batches_count; i++)
        if (!join_batch(part, table, work->build->batches[i], chunk))
            return wp_fail_memory(err, table->bytes_capacity * 2);
    part->count = table->count;
    part->global = wp_alloc_array(part->count, sizeof *part->global);
    return part->global != NULL ? WP_OK : wp_fail_memory(err, part->count * sizeof(uint32_t));
}

/* Chunk: a batch. Numbers the users that appear first here, in order of appearance. */
static wp_status number_users(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    wp__join *work = context;
    const wp_batch *batch = work->build->batches[chunk];
    uint32_t number = work->first_users[chunk];
    for (uint32_t i = 0; i < batch->users_count; i++) {
        const wp_batch_user *user = &batch->users[batch->slots[i]];
        if (user->place != 0)
            continue;
        partition *part = &work->partitions[wp__partition(user->hash)];
        part->global[user->number] = number;
        work->columns->row_starts[number + 1] = part->rows[user->number];
        work->columns->user_ids.offsets[number + 1] = user[1].start - user->start;
        number++;
    }
    return WP_OK;
}

/* Chunk: a batch. Says where its runs of rows go, and copies the ids of users that appear first
** here. */
static wp_status place_users(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    wp__join *work = context;
    wp_batch *batch = work->build->batches[chunk];
    wp_dictionary *ids = &work->columns->user_ids;
    for (uint32_t i = 0; i < batch->users_count; i++) {
        wp_batch_user *user = &batch->users[i];
        uint32_t number = work->partitions[wp__partition(user->hash)].global[user->number];
        if (user->place == 0)
            memcpy(ids->bytes + ids->offsets[number], batch->user_bytes + user->start,
                   user[1].start - user->start);
        user->place += work->columns->row_starts[number];
    }
    return WP_OK;
}

/* The number of a user of the users table, UINT32_MAX when it has no event. */
static uint32_t find_user(const wp__join *work, uint32_t code)
{
    const wp_intern *ids = &work->build->user_ids;
    const partition *part = &work->partitions[wp__partition(ids->hashes[code])];
    uint64_t start = ids->offsets[code];
    uint32_t own = wp_intern_find(&part->users, ids->bytes + start,
                                  (size_t)(ids->offsets[code + 1] - start), ids->hashes[code]);
    return own == UINT32_MAX ? UINT32_MAX : part->global[own];
}

/* Users of the users table: numbers after all others for those without events. Returns how many
** users there are in all. */
static uint32_t place_extra_users(wp__join *work, uint32_t users_with_events, uint32_t *numbers)
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
    return next;
}

static void copy_extra_ids(wp__join *work, uint32_t users_with_events, const uint32_t *numbers)
{
    const wp_intern *table = &work->build->user_ids;
    wp_dictionary *ids = &work->columns->user_ids;
    for (uint32_t i = 0; i < table->count; i++)
        if (numbers[i] >= users_with_events)
            memcpy(ids->bytes + ids->offsets[numbers[i]], table->bytes + table->offsets[i],
                   (size_t)(table->offsets[i + 1] - table->offsets[i]));
}

static wp_status start_users(wp__join *work, const wp_run *run, wp_error *err)
{
    wp_build *build = work->build;
    work->partitions = wp_alloc_array_zero(WP_PARTITIONS, sizeof *work->partitions);
    work->first_users = wp_alloc_array_zero(build->batches_count, sizeof *work->first_users);
    if (work->partitions == NULL || work->first_users == NULL)
        return wp_fail_memory(err, WP_PARTITIONS * sizeof *work->partitions);
    if (build->user_ids.count > 0)
        return WP_OK;
    work->tables_count = wp_run_threads(run);
    work->tables = wp_alloc_array_zero(work->tables_count, sizeof *work->tables);
    return work->tables != NULL ? WP_OK
                                : wp_fail_memory(err, work->tables_count * sizeof *work->tables);
}

void wp__join_users_reset(wp__join *work)
{
    for (uint32_t p = 0; work->partitions != NULL && p < WP_PARTITIONS; p++) {
        wp_intern_free(&work->partitions[p].users);
        wp_free(work->partitions[p].rows);
        wp_free(work->partitions[p].global);
    }
    for (unsigned i = 0; work->tables != NULL && i < work->tables_count; i++)
        wp_intern_free(&work->tables[i]);
    wp_free(work->partitions);
    wp_free(work->tables);
    wp_free(work->first_users);
    work->partitions = NULL;
    work->tables = NULL;
    work->first_users = NULL;
}

/* Joins every partition; *count is how many users have events. */
static wp_status count_users(wp__join *work, const wp_run *run, uint32_t *count, wp_error *err)
{
    wp_build *build = work->build;
    WP_TRY(start_users(work, run, err));
    WP_TRY(wp_pool_run(run, WP_PARTITIONS, join_partition, work, err));
    uint64_t most = build->user_ids.count;
    for (uint32_t p = 0; p < WP_PARTITIONS; p++)
        most += work->partitions[p].count;
    if (most >= UINT32_MAX - 1)
        return wp_fail(err, WP_LIMIT, "users: %llu found (expected fewer than 2^32 - 2)",
                       (unsigned long long)most);
    *count = (uint32_t)most - build->user_ids.count;
    uint32_t number = 0;
    for (size_t i = 0; i < build->batches_count; i++) {
        work->first_users[i] = number;
        number += atomic_load_explicit(&build->batches[i]->new_users_count, memory_order_relaxed);
    }
    return WP_OK;
}

/* Numbers all users; table_numbers[i] is the number of row i of the users table. */
static wp_status place_all(wp__join *work, uint32_t with_events, uint32_t *table_numbers,
                           const wp_run *run, wp_error *err)
{
    wp_build *build = work->build;
    wp_columns *columns = work->columns;
    size_t most = (size_t)with_events + build->user_ids.count;
    columns->row_starts = wp_alloc_array_zero(most + 1, sizeof(uint32_t));
    columns->user_ids.offsets = wp_alloc_array_zero(most + 1, sizeof(uint64_t));
    if (columns->row_starts == NULL || columns->user_ids.offsets == NULL)
        return wp_fail_memory(err, most * 12);
    WP_TRY(wp_pool_run(run, build->batches_count, number_users, work, err));
    uint32_t users_count = place_extra_users(work, with_events, table_numbers);
    columns->users_count = columns->user_ids.count = users_count;
    for (uint32_t user = 0; user < users_count; user++) {
        columns->row_starts[user + 1] += columns->row_starts[user];
        columns->user_ids.offsets[user + 1] += columns->user_ids.offsets[user];
    }
    columns->user_ids.bytes = wp_alloc((size_t)columns->user_ids.offsets[users_count]);
    if (columns->user_ids.bytes == NULL)
        return wp_fail_memory(err, columns->user_ids.offsets[users_count]);
    WP_TRY(wp_pool_run(run, build->batches_count, place_users, work, err));
    copy_extra_ids(work, with_events, table_numbers);
    return WP_OK;
}

wp_status wp__join_users(wp__join *work, const wp_run *run, wp_error *err)
{
    uint32_t with_events = 0;
    WP_TRY(count_users(work, run, &with_events, err));
    uint32_t *table_numbers = wp_alloc_array(work->build->user_ids.count, sizeof(uint32_t));
    if (table_numbers == NULL)
        return wp_fail_memory(err, work->build->user_ids.count * sizeof(uint32_t));
    wp_status status = place_all(work, with_events, table_numbers, run, err);
    if (status == WP_OK)
        status = wp__join_attributes(work->build, work->columns, table_numbers, err);
    wp_free(table_numbers);
    return status;
}
