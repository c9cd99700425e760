/* Transitions in one scan, or two when the gaps' medians are wanted.
**
** Data structure: per range of users a table of pairs (from, to) -> {count, users}; a dense square
** for up to DENSE_MAX classes, else an open-addressing hash. Ranges are folded in order into one
** list sorted by (from, to). The second scan writes every gap at its pair's place, using the
** first scan's counts per range, so that no two ranges share a place. */
#include "journey/flow.h"

#include "base/memory.h"
#include "journey/select.h"

#include <stdlib.h>

#define RANGES    16u
#define DENSE_MAX 256u

typedef struct pair {
    uint64_t key; /* from << 32 | to, plus one; 0: empty (hash) */
    uint64_t count, users_count;
    uint32_t last_user; /* the user counted last, plus one */
    size_t place;       /* second scan: where the next gap goes */
} pair;

typedef struct pair_table {
    pair *pairs;
    size_t capacity, used; /* hash: capacity is a power of two */
    uint32_t dense;        /* classes when the table is a square, else 0 */
} pair_table;

typedef struct transition_work {
    const wp_log *log;
    const wp_transition_options *options;
    wp_scratch scratch;
    uint32_t starts[RANGES + 1];
    pair_table tables[RANGES];
    uint32_t *gaps; /* in units of the log; NULL in the first scan */
    int64_t *gaps_us;
    uint32_t dense, ranges;
    wp_transitions *out; /* for the gaps */
} transition_work;

static wp_status table_start(pair_table *table, uint32_t dense, wp_error *err)
{
    table->dense = dense;
    table->used = 0;
    table->capacity = dense > 0 ? (size_t)dense * dense : 1024;
    table->pairs = wp_alloc_array_zero(table->capacity, sizeof *table->pairs);
    return table->pairs != NULL ? WP_OK : wp_fail_memory(err, table->capacity * sizeof(pair));
}

static size_t hash_place(const pair_table *table, uint64_t key)
{
    size_t mask = table->capacity - 1, at = (size_t)((key * 0x9e3779b97f4a7c15ULL) >> 20) & mask;
    while (table->pairs[at].key != 0 && table->pairs[at].key != key)
        at = (at + 1) & mask;
    return at;
}

static wp_status hash_grow(pair_table *table, wp_error *err)
{
    pair_table larger = {.capacity = table->capacity * 2, .used = table->used};
    larger.pairs = wp_alloc_array_zero(larger.capacity, sizeof *larger.pairs);
    if (larger.pairs == NULL)
        return wp_fail_memory(err, larger.capacity * sizeof(pair));
    for (size_t i = 0; i < table->capacity; i++)
        if (table->pairs[i].key != 0)
            larger.pairs[hash_place(&larger, table->pairs[i].key)] = table->pairs[i];
    wp_free(table->pairs);
    *table = larger;
    return WP_OK;
}

/* The pair's entry, made when new; NULL when memory is short. */
static pair *table_entry(pair_table *table, uint32_t from, uint32_t to, wp_error *err)
{
    if (table->dense > 0)
        return &table->pairs[(size_t)from * table->dense + to];
    uint64_t key = ((uint64_t)from << 32 | to) + 1;
    pair *entry = &table->pairs[hash_place(table, key)];
    if (entry->key != 0)
        return entry;
    if (table->used * 2 >= table->capacity) {
        if (hash_grow(table, err) != WP_OK)
            return NULL;
        entry = &table->pairs[hash_place(table, key)];
    }
    entry->key = key;
    table->used++;
    return entry;
}

/* First scan: counts. Second scan (gaps set): writes the gaps at their places. */
static wp_status scan_journey(transition_work *work, const wp_columns *columns, pair_table *table,
                              uint32_t user, const wp_rows *rows, wp_error *err)
{
    const wp_times *times = &columns->times;
    int64_t timeout_us = work->options->timeout_us;
    bool need_time = timeout_us >= 0 || work->gaps != NULL || work->gaps_us != NULL;
    int32_t from = -1;
    int64_t from_us = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = wp_rows_at(rows, i);
        int32_t to = wp_class_at(&work->options->classes, columns, user, row);
        if (to < 0)
            continue;
        int64_t now_us = need_time ? wp_time_at(times, row) : 0;
        if (from >= 0 && (timeout_us < 0 || now_us - from_us <= timeout_us)) {
            pair *entry = table_entry(table, (uint32_t)from, (uint32_t)to, err);
            if (entry == NULL)
                return WP_NO_MEMORY;
            if (work->gaps != NULL) {
                work->gaps[entry->place++] = (uint32_t)((now_us - from_us) / times->unit_us);
            } else if (work->gaps_us != NULL) {
                work->gaps_us[entry->place++] = now_us - from_us;
            } else {
                entry->count++;
                entry->users_count += entry->last_user != user + 1;
                entry->last_user = user + 1;
            }
        }
        from = to;
        from_us = now_us;
    }
    return WP_OK;
}

/* The plain question of most logs as its own loop: all rows, byte codes, few names, no timeout. */
static void scan_plain(pair *square, uint32_t dense, const uint8_t *codes, uint32_t count,
                       uint32_t user)
{
    for (uint32_t i = 1; i < count; i++) {
        pair *entry = &square[(size_t)codes[i - 1] * dense + codes[i]];
        entry->count++;
        entry->users_count += entry->last_user != user + 1;
        entry->last_user = user + 1;
    }
}

static wp_status transition_range(void *context, const wp_log *log, wp_piece piece, unsigned worker,
                                  wp_error *err)
{
    transition_work *work = context;
    pair_table *table = &work->tables[piece.chunk];
    bool second = work->gaps != NULL || work->gaps_us != NULL;
    if (table->pairs == NULL)
        WP_TRY(table_start(table, work->dense, err));
    const wp_columns *columns = log->columns;
    bool plain = !second && log->rows == NULL && columns->events.width == 1 && work->dense > 0 &&
                 work->options->classes.by_code == NULL && work->options->timeout_us < 0;
    for (uint32_t user = piece.first; user < piece.last; user++) {
        wp_rows rows = wp_rows_of(log, user, work->scratch.rows[worker]);
        if (plain)
            scan_plain(table->pairs, table->dense,
                       (const uint8_t *)columns->events.data + rows.first, rows.count, user);
        else
            WP_TRY(scan_journey(work, columns, table, user, &rows, err));
    }
    return WP_OK;
}

static int by_key(const void *a, const void *b)
{
    const wp_transition *x = a, *y = b;
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    return x->to < y->to ? -1 : x->to > y->to;
}

/* Calls visit for every pair of a table that was counted. */
static void each_pair(pair_table *table, void (*visit)(void *, uint32_t, uint32_t, pair *),
                      void *context)
{
    for (size_t i = 0; i < table->capacity; i++) {
        pair *entry = &table->pairs[i];
        if (entry->count == 0)
            continue;
        if (table->dense > 0)
            visit(context, (uint32_t)(i / table->dense), (uint32_t)(i % table->dense), entry);
        else
            visit(context, (uint32_t)((entry->key - 1) >> 32), (uint32_t)(entry->key - 1), entry);
    }
}

typedef struct fold {
    pair_table *sum;
    wp_error *err;
    bool failed;
} fold;

static void add_pair(void *context, uint32_t from, uint32_t to, pair *entry)
{
    fold *into = context;
    pair *sum = into->failed ? NULL : table_entry(into->sum, from, to, into->err);
    into->failed = sum == NULL;
    if (sum != NULL) {
        sum->count += entry->count;
        sum->users_count += entry->users_count;
    }
}

typedef struct listing {
    wp_transitions *out;
    size_t at;
} listing;

static void list_pair(void *context, uint32_t from, uint32_t to, pair *entry)
{
    listing *list = context;
    list->out->rows[list->at++] =
        (wp_transition){from, to, entry->count, entry->users_count, NAN, NAN};
    list->out->total += entry->count;
}

static void count_pair(void *context, uint32_t from, uint32_t to, pair *entry)
{
    (void)from;
    (void)to;
    (void)entry;
    ++*(size_t *)context;
}

/* Ranges -> rows sorted by (from, to). Users are disjoint between ranges, so their counts add. */
static wp_status fold_tables(transition_work *work, uint32_t ranges, wp_transitions *out,
                             wp_error *err)
{
    pair_table sum;
    WP_TRY(table_start(&sum, work->dense, err));
    fold into = {&sum, err, false};
    for (uint32_t i = 0; i < ranges && !into.failed; i++)
        each_pair(&work->tables[i], add_pair, &into);
    size_t count = 0;
    if (!into.failed)
        each_pair(&sum, count_pair, &count);
    out->rows = into.failed ? NULL : wp_alloc_array(count + 1, sizeof *out->rows);
    if (out->rows != NULL) {
        listing list = {out, 0};
        each_pair(&sum, list_pair, &list);
        out->rows_count = count;
        qsort(out->rows, count, sizeof *out->rows, by_key);
    }
    wp_free(sum.pairs);
    return out->rows != NULL ? WP_OK : wp_fail_memory(err, (count + 1) * sizeof *out->rows);
}

static pair *find_pair(pair_table *table, uint32_t from, uint32_t to)
{
    if (table->dense > 0)
        return &table->pairs[(size_t)from * table->dense + to];
    return &table->pairs[hash_place(table, ((uint64_t)from << 32 | to) + 1)];
}

/* Chunk: a pair. Its gaps end where the last range with any has stopped writing. */
static wp_status select_gaps(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    transition_work *work = context;
    const wp_times *times = &work->log->columns->times;
    wp_transition *row = &work->out->rows[chunk];
    size_t end = 0;
    for (uint32_t i = work->ranges; i-- > 0 && end == 0;) {
        const pair *entry = find_pair(&work->tables[i], row->from, row->to);
        end = entry->count > 0 ? entry->place : 0;
    }
    const double points[] = {0.5, 0.9};
    double found[2];
    size_t begin = end - (size_t)row->count;
    if (work->gaps != NULL)
        wp_quantiles_u32(work->gaps + begin, (size_t)row->count, (double)times->unit_us, points, 2,
                         found);
    else
        wp_quantiles_i64(work->gaps_us + begin, (size_t)row->count, points, 2, found);
    row->median_seconds = found[0] / 1e6;
    row->p90_seconds = found[1] / 1e6;
    return WP_OK;
}

/* Second scan: gaps grouped by pair, then the order statistics of each group. */
static wp_status measure_times(transition_work *work, uint32_t ranges, const wp_run *run,
                               wp_transitions *out, wp_error *err)
{
    const wp_times *times = &work->log->columns->times;
    size_t place = 0;
    work->out = out;
    work->ranges = ranges;
    for (size_t k = 0; k < out->rows_count; k++)
        for (uint32_t i = 0; i < ranges; i++) {
            pair *entry = find_pair(&work->tables[i], out->rows[k].from, out->rows[k].to);
            if (entry->count > 0) {
                entry->place = place;
                place += entry->count;
            }
        }
    if (!times->wide)
        work->gaps = wp_alloc_array(place + 1, sizeof *work->gaps);
    else
        work->gaps_us = wp_alloc_array(place + 1, sizeof *work->gaps_us);
    if (work->gaps == NULL && work->gaps_us == NULL)
        return wp_fail_memory(err, (place + 1) * sizeof *work->gaps);
    wp_status status = wp_log_scan(work->log, WP_READS_ROWS, work->starts, ranges, run,
                                   transition_range, work, err);
    if (status == WP_OK)
        status = wp_pool_run(run, out->rows_count, select_gaps, work, err);
    wp_free(work->gaps);
    wp_free(work->gaps_us);
    return status;
}

wp_status wp_transitions_measure(const wp_log *log, const wp_transition_options *options,
                                 const wp_run *run, wp_transitions *out, wp_error *err)
{
    transition_work work = {.log = log, .options = options};
    uint32_t classes = wp_classes_count(&options->classes, log->columns);
    work.dense = classes > 0 && classes <= DENSE_MAX ? classes : 0;
    WP_TRY(wp_scratch_start(log, run, &work.scratch, err));
    wp_transitions result = {0};
    uint32_t ranges = wp_user_ranges(log->columns, RANGES, work.starts);
    bool timed = options->timeout_us >= 0 || options->classes.selections != NULL;
    wp_status status = wp_log_scan(log, timed ? WP_READS_ROWS : WP_READS_EVENTS, work.starts,
                                   ranges, run, transition_range, &work, err);
    if (status == WP_OK)
        status = fold_tables(&work, ranges, &result, err);
    if (status == WP_OK && options->times)
        status = measure_times(&work, ranges, run, &result, err);
    for (uint32_t i = 0; i < ranges; i++)
        wp_free(work.tables[i].pairs);
    wp_scratch_reset(&work.scratch);
    if (status == WP_OK)
        *out = result;
    else
        wp_transitions_reset(&result);
    return status;
}

typedef struct order_key {
    uint64_t count;
    uint32_t from, to; /* ranks */
    size_t row;
} order_key;

static int by_count(const void *a, const void *b)
{
    const order_key *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    return (x->to > y->to) - (x->to < y->to);
}

wp_status wp_transitions_order(wp_transitions *transitions, const uint32_t *ranks, wp_error *err)
{
    size_t count = transitions->rows_count;
    order_key *keys = wp_alloc_array(count, sizeof *keys);
    wp_transition *rows = wp_alloc_array(count + 1, sizeof *rows);
    if (keys == NULL || rows == NULL) {
        wp_free(keys);
        wp_free(rows);
        return wp_fail_memory(err, count * sizeof *rows);
    }
    for (size_t i = 0; i < count; i++) {
        const wp_transition *row = &transitions->rows[i];
        keys[i] = (order_key){row->count, ranks[row->from], ranks[row->to], i};
    }
    if (count > 0)
        qsort(keys, count, sizeof *keys, by_count);
    for (size_t i = 0; i < count; i++)
        rows[i] = transitions->rows[keys[i].row];
    wp_free(keys);
    wp_free(transitions->rows);
    transitions->rows = rows;
    return WP_OK;
}

void wp_transitions_reset(wp_transitions *transitions)
{
    wp_free(transitions->rows);
    *transitions = (wp_transitions){0};
}
