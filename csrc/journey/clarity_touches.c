/* Touches of a stage, in two scans over the rows of its stays: the first counts them and collects
** the items there are, the second fills strata forwards and what follows backwards, with every item
** as its rank among the keys. */
#include "journey/clarity_internal.h"

#include "base/memory.h"

#include <stdlib.h>

#define CHUNK      4096u /* a multiple of 64: chunks share no word of a bitmap */
#define SECOND_US  INT64_C(1000000)
#define SESSION_US (30 * 60 * SECOND_US)
#define NO_KEY     UINT64_MAX

/* A set of keys, by open addressing. */
typedef struct key_set {
    uint64_t *slots; /* mask + 1; NO_KEY: free */
    size_t mask, count;
} key_set;

typedef struct touch_work {
    const wp_stays *stays;
    const wp_clarity_options *options;
    wp_stage_lookup lookup;
    wp_scratch scratch;
    wp_touches *out;
    key_set *sets; /* by worker */
    unsigned workers_count;
} touch_work;

static uint32_t row_bin(uint32_t rows)
{
    static const uint32_t upper[WP_ROW_BINS - 1] = {0, 1, 2, 4, 8, 16};
    uint32_t bin = 0;
    while (bin < WP_ROW_BINS - 1 && rows > upper[bin])
        bin++;
    return bin;
}

static uint32_t time_bin(int64_t us)
{
    static const int64_t upper[WP_TIME_BINS - 1] = {0,     10,    60,     600,   3600,
                                                    21600, 86400, 259200, 604800};
    uint32_t bin = 0;
    while (bin < WP_TIME_BINS - 1 && us > upper[bin] * SECOND_US)
        bin++;
    return bin;
}

static uint32_t before_bin(uint32_t rows)
{
    return rows == 0 ? 0 : rows <= 3 ? 1 : rows <= 15 ? 2 : 3;
}

static uint64_t item_key(const touch_work *work, uint32_t user, uint32_t row)
{
    const wp_columns *columns = work->stays->log->columns;
    if (work->options->items != NULL && !wp_selection_has(columns, work->options->items, user, row))
        return NO_KEY;
    uint64_t key = (uint64_t)wp_code_at(&columns->events, row) << 32;
    if (work->options->text_column < 0)
        return key;
    uint32_t value = wp_code_at(&columns->texts[work->options->text_column].codes, row);
    return value == 0 ? NO_KEY : key | value;
}

/* Rows of the stay whose window had ended by as_of. */
static uint32_t observed_rows(const touch_work *work, const wp_stay *stay, const wp_rows *rows)
{
    const wp_times *times = &work->stays->log->columns->times;
    uint32_t count = stay->exit_local - stay->entry_local;
    while (count > 0 && wp_time_at(times, wp_rows_at(rows, stay->entry_local + count - 1)) +
                                work->options->within_us >
                            work->stays->as_of_us)
        count--;
    return count;
}

/* --- Keys ----------------------------------------------------------------------------------- */

static size_t key_slot(const key_set *set, uint64_t key)
{
    size_t slot = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & set->mask;
    while (set->slots[slot] != NO_KEY && set->slots[slot] != key)
        slot = (slot + 1) & set->mask;
    return slot;
}

static wp_status set_size(key_set *set, size_t size, wp_error *err)
{
    key_set larger = {wp_alloc_array(size, sizeof *larger.slots), size - 1, set->count};
    if (larger.slots == NULL)
        return wp_fail_memory(err, size * sizeof *larger.slots);
    memset(larger.slots, 0xff, size * sizeof *larger.slots);
    for (size_t i = 0; set->slots != NULL && i <= set->mask; i++)
        if (set->slots[i] != NO_KEY)
            larger.slots[key_slot(&larger, set->slots[i])] = set->slots[i];
    wp_free(set->slots);
    *set = larger;
    return WP_OK;
}

static wp_status add_key(key_set *set, uint64_t key, wp_error *err)
{
    size_t slot = key_slot(set, key);
    if (set->slots[slot] == key)
        return WP_OK;
    set->slots[slot] = key;
    return ++set->count * 2 > set->mask ? set_size(set, (set->mask + 1) * 2, err) : WP_OK;
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The keys of all workers, ascending. */
static wp_status join_keys(touch_work *work, wp_error *err)
{
    key_set *all = &work->sets[0];
    for (unsigned w = 1; w < work->workers_count; w++)
        for (size_t i = 0; i <= work->sets[w].mask; i++)
            if (work->sets[w].slots[i] != NO_KEY)
                WP_TRY(add_key(all, work->sets[w].slots[i], err));
    size_t at = 0;
    for (size_t i = 0; i <= all->mask; i++)
        if (all->slots[i] != NO_KEY)
            all->slots[at++] = all->slots[i];
    qsort(all->slots, at, sizeof *all->slots, by_key);
    work->out->item_keys = all->slots;
    work->out->items_count = (uint32_t)at;
    all->slots = NULL;
    return WP_OK;
}

/* 1-based rank of a key. */
static uint32_t item_of(const wp_touches *out, uint64_t key)
{
    if (key == NO_KEY)
        return 0;
    uint32_t low = 0, high = out->items_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (out->item_keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low + 1;
}

/* --- Touches -------------------------------------------------------------------------------- */

static size_t chunk_end(const touch_work *work, size_t chunk)
{
    size_t end = (chunk + 1) * CHUNK;
    return end < work->out->total ? end : work->out->total;
}

static wp_status count_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    touch_work *work = context;
    wp_touches *out = work->out;
    uint32_t user = 0;
    for (size_t i = chunk * CHUNK; i < chunk_end(work, chunk); i++) {
        wp_stay stay = wp_stay_at(work->stays, out->first + i, &user);
        wp_rows rows = wp_rows_of(work->stays->log, stay.user, work->scratch.rows[worker]);
        uint32_t count = observed_rows(work, &stay, &rows);
        out->starts[i + 1] = count;
        if (stay.advance_us != WP_TIME_MISSING && count > 0 &&
            count == stay.exit_local - stay.entry_local)
            out->moved[i >> 6] |= UINT64_C(1) << (i & 63);
        for (uint32_t k = 0; k < count; k++) {
            uint64_t key = item_key(work, stay.user, wp_rows_at(&rows, stay.entry_local + k));
            if (key != NO_KEY)
                WP_TRY(add_key(&work->sets[worker], key, err));
        }
    }
    return WP_OK;
}

static void put_item(const wp_codes *items, size_t at, uint32_t item)
{
    if (items->width == 1)
        ((uint8_t *)items->data)[at] = (uint8_t)item;
    else if (items->width == 2)
        ((uint16_t *)items->data)[at] = (uint16_t)item;
    else
        ((uint32_t *)items->data)[at] = item;
}

static void read_forwards(const touch_work *work, const wp_stay *stay, const wp_rows *rows,
                          size_t first, uint32_t count)
{
    const wp_columns *columns = work->stays->log->columns;
    uint32_t before = before_bin(stay->entry_local);
    int64_t last_us = stay->entry_us;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = wp_rows_at(rows, stay->entry_local + i);
        int64_t now_us = wp_time_at(&columns->times, row);
        uint32_t cell = row_bin(i) * WP_TIME_BINS + time_bin(now_us - stay->entry_us);
        cell = (cell * WP_BEFORE_BINS + before) * 2 + (now_us - last_us > SESSION_US);
        work->out->marks[first + i] = (uint16_t)(cell << 2);
        put_item(&work->out->items, first + i, item_of(work->out, item_key(work, stay->user, row)));
        last_us = now_us;
    }
}

/* What follows, from the last row of the stay to the first. */
static void read_backwards(const touch_work *work, const wp_stay *stay, const wp_rows *rows,
                           size_t first, uint32_t count)
{
    const wp_columns *columns = work->stays->log->columns;
    int64_t next_us = INT64_MAX, back_us = INT64_MAX; /* of the next row, the next one back */
    for (uint32_t i = stay->exit_local - stay->entry_local; i-- > 0;) {
        uint32_t row = wp_rows_at(rows, stay->entry_local + i);
        int64_t now_us = wp_time_at(&columns->times, row);
        int64_t end_us = now_us + work->options->within_us;
        if (i < count) {
            wp_follow follow = WP_LEAVE;
            if (stay->advance_us != WP_TIME_MISSING && stay->advance_us <= end_us)
                follow = WP_ADVANCE;
            else if (back_us <= end_us)
                follow = WP_BACK;
            else if (next_us <= end_us)
                follow = WP_LINGER;
            work->out->marks[first + i] |= (uint16_t)follow;
        }
        next_us = now_us;
        uint32_t stage = wp_stage_of_row(&work->lookup, columns, stay->user, row);
        if (stage != 0 && stage <= work->out->stage)
            back_us = now_us;
    }
}

static wp_status touch_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    touch_work *work = context;
    wp_touches *out = work->out;
    (void)err;
    uint32_t user = 0;
    for (size_t i = chunk * CHUNK; i < chunk_end(work, chunk); i++) {
        uint32_t count = out->starts[i + 1] - out->starts[i];
        if (count == 0)
            continue;
        wp_stay stay = wp_stay_at(work->stays, out->first + i, &user);
        wp_rows rows = wp_rows_of(work->stays->log, stay.user, work->scratch.rows[worker]);
        read_forwards(work, &stay, &rows, out->starts[i], count);
        read_backwards(work, &stay, &rows, out->starts[i], count);
    }
    return WP_OK;
}

static wp_status start_count(touch_work *work, const wp_run *run, wp_error *err)
{
    wp_touches *out = work->out;
    out->starts = wp_alloc_array_zero(out->total + 1, sizeof *out->starts);
    out->moved = wp_alloc_array_zero(out->total / 64 + 1, sizeof *out->moved);
    work->workers_count = wp_run_threads(run);
    work->sets = wp_alloc_array_zero(work->workers_count, sizeof *work->sets);
    if (out->starts == NULL || out->moved == NULL || work->sets == NULL)
        return wp_fail_memory(err, out->total * sizeof *out->starts);
    for (unsigned w = 0; w < work->workers_count; w++)
        WP_TRY(set_size(&work->sets[w], 1024, err));
    return WP_OK;
}

/* Touches are rows of the log, of which there are fewer than 2^32. */
static wp_status start_touches(touch_work *work, wp_error *err)
{
    wp_touches *out = work->out;
    for (size_t i = 0; i < out->total; i++)
        out->starts[i + 1] += out->starts[i];
    size_t rows = out->starts[out->total];
    out->items.width = out->items_count < UINT8_MAX ? 1 : out->items_count < UINT16_MAX ? 2 : 4;
    out->items.data = wp_alloc_array(rows + 1, out->items.width);
    out->marks = wp_alloc_array(rows + 1, sizeof *out->marks);
    if (out->items.data == NULL || out->marks == NULL)
        return wp_fail_memory(err, rows * (out->items.width + sizeof *out->marks));
    return WP_OK;
}

wp_status wp__touches_make(const wp_stays *stays, const wp_stage_plan *plan,
                           const wp_clarity_options *options, uint32_t stage, const wp_run *run,
                           wp_touches *out, wp_error *err)
{
    *out = (wp_touches){
        .stage = stage, .first = stays->starts[stage], .total = wp_stays_in(stays, stage)};
    touch_work work = {.stays = stays, .options = options, .out = out};
    size_t chunks = (out->total + CHUNK - 1) / CHUNK;
    wp_status status = wp_scratch_start(stays->log, run, &work.scratch, err);
    if (status == WP_OK)
        status = wp_stage_lookup_start(stays->log->columns, plan, &work.lookup, err);
    if (status == WP_OK)
        status = start_count(&work, run, err);
    if (status == WP_OK)
        status = wp_pool_run(run, chunks, count_chunk, &work, err);
    if (status == WP_OK)
        status = join_keys(&work, err);
    if (status == WP_OK)
        status = start_touches(&work, err);
    if (status == WP_OK)
        status = wp_pool_run(run, chunks, touch_chunk, &work, err);
    for (unsigned w = 0; work.sets != NULL && w < work.workers_count; w++)
        wp_free(work.sets[w].slots);
    wp_free(work.sets);
    wp_stage_lookup_reset(&work.lookup);
    wp_scratch_reset(&work.scratch);
    if (status != WP_OK)
        wp__touches_reset(out);
    return status;
}

void wp__touches_reset(wp_touches *touches)
{
    wp_free(touches->starts);
    wp_free(touches->marks);
    wp_free(touches->items.data);
    wp_free(touches->item_keys);
    wp_free(touches->moved);
    *touches = (wp_touches){0};
}
