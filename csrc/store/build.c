/* Completing a log: see build.h.
**
** Users are taken in ranges of about 64 Ki rows, cut by the data alone. In a range each user's rows
** are first tested for order; only those out of order are sorted, by merging the ascending runs
** they consist of, so nearly sorted input costs nearly nothing. One range hashes its contents right
** after, while they are in the cache. */
#include "store/build.h"

#include "base/memory.h"
#include "store/fingerprint.h"

#include <stdlib.h>

#define ROWS_PER_RANGE 65536u

typedef struct entry {
    int64_t time;
    uint32_t row;
} entry;

typedef struct scratch {
    entry *entries, *spare;
    char *gathered;
    size_t capacity; /* rows */
} scratch;

typedef struct completion {
    wp_columns *columns;
    wp_order *orders;
    const wp_sparse *sparse; /* NULL: columns are complete */
    atomic_bool has_moved;   /* numbers of sparse columns have other rows than before */
    uint32_t *ranges;        /* first user of each range, ranges_count + 1 */
    size_t ranges_count;
    uint64_t *hashes; /* per range */
    scratch *scratches;
    wp__hashing hashing;
} completion;

/* --- Order ------------------------------------------------------------------------------------ */

static inline int64_t raw_time(const wp_times *times, size_t row)
{
    return times->wide ? times->micros[row] : (int64_t)times->offsets[row];
}

static inline bool order_less(wp_order a, wp_order b)
{
    return a.whole != b.whole ? a.whole < b.whole : a.fraction < b.fraction;
}

/* True when `b`, which stands later in the source, must come before `a`. */
static inline bool out_of_order(const wp_order *orders, entry a, entry b)
{
    return b.time < a.time ||
           (b.time == a.time && orders != NULL && order_less(orders[b.row], orders[a.row]));
}

static bool is_sorted(const completion *work, uint32_t begin, uint32_t end)
{
    const wp_times *times = &work->columns->times;
    if (work->orders == NULL) {
        bool sorted = true;
        if (times->offsets != NULL)
            for (uint32_t row = begin + 1; row < end; row++)
                sorted &= times->offsets[row - 1] <= times->offsets[row];
        else
            for (uint32_t row = begin + 1; row < end; row++)
                sorted &= times->micros[row - 1] <= times->micros[row];
        return sorted;
    }
    for (uint32_t row = begin + 1; row < end; row++)
        if (out_of_order(work->orders, (entry){raw_time(times, row - 1), row - 1},
                         (entry){raw_time(times, row), row}))
            return false;
    return true;
}

/* Merges neighbours from[begin..middle) and [middle..end) into `to`; ties keep their order. */
static void merge(const wp_order *orders, const entry *from, entry *to, size_t begin, size_t middle,
                  size_t end)
{
    size_t left = begin, right = middle;
    for (size_t at = begin; at < end; at++) {
        bool take_right =
            left == middle || (right < end && out_of_order(orders, from[left], from[right]));
        to[at] = from[take_right ? right++ : left++];
    }
}

static void insertion_sort(const wp_order *orders, entry *entries, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        entry held = entries[i];
        size_t at = i;
        for (; at > 0 && out_of_order(orders, entries[at - 1], held); at--)
            entries[at] = entries[at - 1];
        entries[at] = held;
    }
}

/* Sorts by merging ascending runs; short rows of runs are made longer by insertion first. */
static entry *sort_entries(const wp_order *orders, entry *entries, entry *spare, size_t count)
{
    if (count <= 24) {
        insertion_sort(orders, entries, count);
        return entries;
    }
    for (;;) {
        size_t begin = 0, runs = 0;
        while (begin < count) {
            size_t middle = begin + 1;
            while (middle < count && !out_of_order(orders, entries[middle - 1], entries[middle]))
                middle++;
            size_t end = middle;
            if (end < count)
                end++;
            while (end < count && !out_of_order(orders, entries[end - 1], entries[end]))
                end++;
            merge(orders, entries, spare, begin, middle, end);
            begin = end;
            runs++;
        }
        entry *swap = entries;
        entries = spare;
        spare = swap;
        if (runs <= 1)
            return entries;
    }
}

static void permute(void *data, size_t width, uint32_t begin, const entry *entries, uint32_t count,
                    char *gathered)
{
    char *base = data;
    for (uint32_t i = 0; i < count; i++)
        memcpy(gathered + i * width, base + (size_t)entries[i].row * width, width);
    memcpy(base + (size_t)begin * width, gathered, (size_t)count * width);
}

/* The same for numbers that few rows have. `gathered` holds 16 bytes a row: a number, its row and
** which number a row had, from 1. Where a user's numbers are is asked of the bits, which stay as
** they were: rows of other users are being written by other threads. Returns whether there were
** any. */
static bool permute_sparse(const wp_numbers *column, const wp_sparse *sparse, uint32_t begin,
                           const entry *entries, uint32_t count, char *gathered)
{
    uint32_t first = wp_packed_before(column, begin), end = wp_packed_before(column, begin + count);
    uint32_t kept = 0;
    double *packed = column->packed;
    double *numbers = (double *)(void *)gathered;
    uint32_t *rows = (uint32_t *)(void *)(gathered + (size_t)count * 8), *had = rows + count;
    if (first == end)
        return false;
    memset(had, 0, count * sizeof *had);
    for (uint32_t i = first; i < end; i++)
        had[sparse->rows[i] - begin] = i + 1;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t which = had[entries[i].row - begin];
        if (which == 0)
            continue;
        numbers[kept] = packed[which - 1];
        rows[kept++] = begin + i;
    }
    memcpy(packed + first, numbers, kept * sizeof *packed);
    memcpy(sparse->rows + first, rows, kept * sizeof *rows);
    return true;
}

static bool reserve(scratch *space, size_t rows)
{
    if (rows <= space->capacity)
        return true;
    wp_free(space->entries);
    wp_free(space->spare);
    wp_free(space->gathered);
    size_t capacity = rows < 1024 ? 1024 : rows;
    *space =
        (scratch){wp_alloc_array(capacity, sizeof(entry)), wp_alloc_array(capacity, sizeof(entry)),
                  wp_alloc_array(capacity, sizeof(wp_order)), capacity};
    if (space->entries != NULL && space->spare != NULL && space->gathered != NULL)
        return true;
    space->capacity = 0;
    return false;
}

static wp_status sort_user(completion *work, uint32_t begin, uint32_t end, scratch *space,
                           wp_error *err)
{
    wp_columns *columns = work->columns;
    uint32_t count = end - begin;
    if (!reserve(space, count))
        return wp_fail_memory(err, (unsigned long long)count * sizeof(entry) * 3);
    for (uint32_t i = 0; i < count; i++)
        space->entries[i] = (entry){raw_time(&columns->times, begin + i), begin + i};
    const entry *sorted = sort_entries(work->orders, space->entries, space->spare, count);
    if (columns->times.wide)
        permute(columns->times.micros, 8, begin, sorted, count, space->gathered);
    else
        permute(columns->times.offsets, 4, begin, sorted, count, space->gathered);
    if (columns->events.width > 0)
        permute(columns->events.data, columns->events.width, begin, sorted, count, space->gathered);
    for (uint32_t i = 0; i < columns->numbers_count; i++)
        if (columns->numbers[i].dense != NULL)
            permute(columns->numbers[i].dense, 8, begin, sorted, count, space->gathered);
        else if (permute_sparse(&columns->numbers[i], &work->sparse[i], begin, sorted, count,
                                space->gathered))
            atomic_store_explicit(&work->has_moved, true, memory_order_relaxed);
    for (uint32_t i = 0; i < columns->texts_count; i++)
        if (columns->texts[i].codes.width > 0)
            permute(columns->texts[i].codes.data, columns->texts[i].codes.width, begin, sorted,
                    count, space->gathered);
    if (work->orders != NULL)
        permute(work->orders, sizeof *work->orders, begin, sorted, count, space->gathered);
    return WP_OK;
}

/* --- Packing ---------------------------------------------------------------------------------- */

wp_status wp_numbers_pack(wp_numbers *numbers, size_t rows_count, wp_error *err)
{
    size_t count = 0;
    for (size_t row = 0; row < rows_count; row++)
        count += !isnan(numbers->dense[row]);
    if (count * 2 >= rows_count)
        return WP_OK;
    size_t blocks = rows_count / 64 + 1;
    uint64_t *present = wp_alloc_array_zero(blocks, sizeof *present);
    uint32_t *rank = wp_alloc_array_zero(blocks, sizeof *rank);
    if (present == NULL || rank == NULL) {
        wp_free(present);
        wp_free(rank);
        return wp_fail_memory(err, blocks * 12);
    }
    uint32_t kept = 0; /* never ahead of row: packing in place is safe */
    for (size_t row = 0; row < rows_count; row++) {
        if ((row & 63) == 0)
            rank[row >> 6] = kept;
        double number = numbers->dense[row];
        if (isnan(number))
            continue;
        present[row >> 6] |= 1ULL << (row & 63);
        numbers->dense[kept++] = number;
    }
    if (rows_count > 0 && (rows_count & 63) == 0)
        rank[rows_count >> 6] = kept;
    double *packed = wp_realloc_array(numbers->dense, kept, sizeof *packed);
    numbers->packed = packed != NULL ? packed : numbers->dense;
    numbers->dense = NULL;
    numbers->present = present;
    numbers->rank = rank;
    return WP_OK;
}

void wp_numbers_rank(wp_numbers *numbers, size_t rows_count)
{
    uint32_t count = 0;
    for (size_t block = 0; block <= rows_count / 64; block++) {
        numbers->rank[block] = count;
        count += (uint32_t)__builtin_popcountll(numbers->present[block]);
    }
}

/* After sorting: the bits of the rows that have a number now. */
static void mark_again(wp_numbers *numbers, const wp_sparse *sparse, size_t rows_count)
{
    memset(numbers->present, 0, (rows_count / 64 + 1) * sizeof *numbers->present);
    for (uint32_t i = 0; i < sparse->count; i++)
        numbers->present[sparse->rows[i] >> 6] |= 1ULL << (sparse->rows[i] & 63);
    wp_numbers_rank(numbers, rows_count);
}

/* --- All of it -------------------------------------------------------------------------------- */

static wp_status complete_range(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    completion *work = context;
    const uint32_t *starts = work->columns->row_starts;
    for (uint32_t user = work->ranges[chunk]; user < work->ranges[chunk + 1]; user++)
        if (!is_sorted(work, starts[user], starts[user + 1]))
            WP_TRY(sort_user(work, starts[user], starts[user + 1], &work->scratches[worker], err));
    work->hashes[chunk] =
        wp__hash_range(&work->hashing, work->ranges[chunk], work->ranges[chunk + 1]);
    return WP_OK;
}

static bool plan_ranges(completion *work)
{
    const wp_columns *columns = work->columns;
    size_t most =
        columns->events_count / ROWS_PER_RANGE + columns->users_count / ROWS_PER_RANGE + 2;
    work->ranges = wp_alloc_array(most + 1, sizeof *work->ranges);
    if (work->ranges == NULL)
        return false;
    uint32_t first = 0;
    while (first < columns->users_count) {
        work->ranges[work->ranges_count++] = first;
        uint32_t begin = columns->row_starts[first], limit = first + ROWS_PER_RANGE;
        limit = limit > columns->users_count ? columns->users_count : limit;
        do
            first++;
        while (first < limit && columns->row_starts[first] - begin < ROWS_PER_RANGE);
    }
    work->ranges[work->ranges_count] = columns->users_count;
    work->hashes = wp_alloc_array(work->ranges_count, sizeof *work->hashes);
    return work->hashes != NULL;
}

static int64_t numbers_size(const wp_numbers *columns, uint32_t count, uint32_t rows_count)
{
    int64_t size = 0, rows = rows_count;
    for (uint32_t i = 0; i < count; i++) {
        if (columns[i].dense != NULL)
            size += rows * 8;
        else if (columns[i].rank != NULL)
            size += (rows / 64 + 1) * 12 + ((int64_t)columns[i].rank[rows / 64] +
                                            __builtin_popcountll(columns[i].present[rows / 64])) *
                                               8;
    }
    return size;
}

static int64_t dictionary_size(const wp_dictionary *dictionary)
{
    if (dictionary->offsets == NULL)
        return 0;
    return ((int64_t)dictionary->count + 1) * 8 + (int64_t)dictionary->offsets[dictionary->count];
}

static int64_t texts_size(const wp_texts *columns, uint32_t count, uint32_t rows_count)
{
    int64_t size = 0;
    for (uint32_t i = 0; i < count; i++)
        size += (columns[i].codes.data != NULL ? (int64_t)columns[i].codes.width * rows_count : 0) +
                dictionary_size(&columns[i].values);
    return size;
}

int64_t wp_columns_size(const wp_columns *columns)
{
    bool has_rows = columns->times.offsets != NULL || columns->times.micros != NULL;
    int64_t rows = has_rows ? columns->events_count : 0;
    return (int64_t)sizeof *columns + ((int64_t)columns->users_count + 1) * 4 +
           dictionary_size(&columns->user_ids) + rows * (columns->times.wide ? 8 : 4) +
           rows * columns->events.width + dictionary_size(&columns->event_names) +
           numbers_size(columns->numbers, columns->numbers_count, columns->events_count) +
           texts_size(columns->texts, columns->texts_count, columns->events_count) +
           numbers_size(columns->user_numbers, columns->user_numbers_count, columns->users_count) +
           texts_size(columns->user_texts, columns->user_texts_count, columns->users_count) +
           (columns->known_at_us != NULL ? (int64_t)columns->users_count * 8 : 0);
}

static void completion_reset(completion *work, unsigned threads)
{
    for (unsigned i = 0; work->scratches != NULL && i < threads; i++) {
        wp_free(work->scratches[i].entries);
        wp_free(work->scratches[i].spare);
        wp_free(work->scratches[i].gathered);
    }
    wp__hashing_reset(&work->hashing);
    wp_free(work->scratches);
    wp_free(work->ranges);
    wp_free(work->hashes);
}

static wp_status completion_start(completion *work, unsigned threads, wp_error *err)
{
    WP_TRY(wp__hashing_start(&work->hashing, work->columns, work->sparse, err));
    work->scratches = wp_alloc_array_zero(threads, sizeof *work->scratches);
    if (work->scratches == NULL || !plan_ranges(work))
        return wp_fail_memory(err, (unsigned long long)work->columns->users_count * 8);
    return WP_OK;
}

static wp_status hash_one_range(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    completion *work = context;
    work->hashes[chunk] =
        wp__hash_range(&work->hashing, work->ranges[chunk], work->ranges[chunk + 1]);
    return WP_OK;
}

wp_status wp_columns_fingerprint(const wp_columns *columns, const wp_run *run,
                                 uint64_t *fingerprint, wp_error *err)
{
    completion work = {.columns = (wp_columns *)columns}; /* only read */
    unsigned threads = wp_run_threads(run);
    wp_status status = completion_start(&work, threads, err);
    if (status == WP_OK)
        status = wp_pool_run(run, work.ranges_count, hash_one_range, &work, err);
    if (status == WP_OK)
        *fingerprint = wp__hash_all(columns, work.hashes, work.ranges_count);
    completion_reset(&work, threads);
    return status;
}

wp_status wp_columns_complete(wp_columns *columns, wp_order *orders, const wp_sparse *sparse,
                              const wp_run *run, wp_error *err)
{
    completion work = {.columns = columns, .orders = orders, .sparse = sparse};
    unsigned threads = wp_run_threads(run);
    wp_status status = completion_start(&work, threads, err);
    if (status == WP_OK)
        status = wp_pool_run(run, work.ranges_count, complete_range, &work, err);
    if (status == WP_OK) {
        for (uint32_t i = 0; work.has_moved && i < columns->numbers_count; i++)
            if (sparse[i].rows != NULL)
                mark_again(&columns->numbers[i], &sparse[i], columns->events_count);
        columns->fingerprint = wp__hash_all(columns, work.hashes, work.ranges_count);
        columns->bytes_size = wp_columns_size(columns);
    }
    completion_reset(&work, threads);
    return status;
}
