/* Touches: a scan over the rows of the stays fills strata forwards and what follows backwards; item
** keys are then replaced by their rank among the distinct ones. */
#include "journey/clarity_internal.h"

#include "base/memory.h"

#include <stdlib.h>

#define CHUNK      4096u
#define SECOND_US  INT64_C(1000000)
#define SESSION_US (30 * 60 * SECOND_US)
#define NO_KEY     UINT64_MAX

typedef struct touch_work {
    const wp_stays *stays;
    const wp_clarity_options *options;
    wp_stage_lookup lookup;
    wp_scratch scratch;
    wp_touches *out;
    uint64_t *keys; /* per touch */
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

static void read_forwards(const touch_work *work, const wp_stay *stay, const wp_rows *rows,
                          size_t first, uint32_t count)
{
    const wp_columns *columns = work->stays->log->columns;
    uint32_t before = before_bin(stay->entry_local);
    int64_t last_us = stay->entry_us;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = wp_rows_at(rows, stay->entry_local + i);
        int64_t now_us = wp_time_at(&columns->times, row);
        uint32_t time = time_bin(now_us - stay->entry_us);
        uint32_t cell = row_bin(i) * WP_TIME_BINS + time;
        cell = (cell * WP_BEFORE_BINS + before) * 2 + (now_us - last_us > SESSION_US);
        work->out->touches[first + i] =
            (wp_touch){.item = WP_NO_ITEM, .cell = (uint16_t)cell, .crude = (uint8_t)time};
        work->keys[first + i] = item_key(work, stay->user, row);
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
            work->out->touches[first + i].follow = (uint8_t)follow & 15u;
        }
        next_us = now_us;
        uint32_t stage = wp_stage_of_row(&work->lookup, columns, stay->user, row);
        if (stage != 0 && stage <= stay->stage)
            back_us = now_us;
    }
}

static wp_status touch_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    touch_work *work = context;
    (void)err;
    size_t total = work->stays->starts[work->stays->stages_count], end = (chunk + 1) * CHUNK;
    for (size_t s = chunk * CHUNK; s < end && s < total; s++) {
        const wp_stay *stay = &work->stays->stays[s];
        work->out->counts[s] = 0;
        if (stay->exit_local == stay->entry_local)
            continue;
        wp_rows rows = wp_rows_of(work->stays->log, stay->user, work->scratch.rows[worker]);
        uint32_t count = observed_rows(work, stay, &rows);
        work->out->counts[s] = count;
        read_forwards(work, stay, &rows, work->out->starts[s], count);
        read_backwards(work, stay, &rows, work->out->starts[s], count);
    }
    return WP_OK;
}

/* --- Items: keys to small numbers ---------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static size_t key_slot(const uint64_t *slots, size_t mask, uint64_t key)
{
    size_t slot = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & mask;
    while (slots[slot] != NO_KEY && slots[slot] != key)
        slot = (slot + 1) & mask;
    return slot;
}

static wp_status grow_slots(uint64_t **slots, size_t *mask, wp_error *err)
{
    size_t size = (*mask + 1) * 2;
    uint64_t *larger = wp_alloc_array(size, sizeof *larger);
    if (larger == NULL)
        return wp_fail_memory(err, size * sizeof *larger);
    memset(larger, 0xff, size * sizeof *larger);
    for (size_t i = 0; i <= *mask; i++)
        if ((*slots)[i] != NO_KEY)
            larger[key_slot(larger, size - 1, (*slots)[i])] = (*slots)[i];
    wp_free(*slots);
    *slots = larger;
    *mask = size - 1;
    return WP_OK;
}

/* The distinct keys, ascending. */
static wp_status collect_keys(touch_work *work, size_t total, wp_error *err)
{
    size_t mask = 1023, count = 0;
    uint64_t *slots = wp_alloc_array(mask + 1, sizeof *slots);
    if (slots == NULL)
        return wp_fail_memory(err, (mask + 1) * sizeof *slots);
    memset(slots, 0xff, (mask + 1) * sizeof *slots);
    for (size_t s = 0; s < total; s++)
        for (uint32_t i = 0; i < work->out->counts[s]; i++) {
            uint64_t key = work->keys[work->out->starts[s] + i];
            if (key == NO_KEY)
                continue;
            size_t slot = key_slot(slots, mask, key);
            if (slots[slot] == key)
                continue;
            slots[slot] = key;
            if (++count * 2 > mask) {
                wp_status status = grow_slots(&slots, &mask, err);
                if (status != WP_OK) {
                    wp_free(slots);
                    return status;
                }
            }
        }
    size_t at = 0;
    for (size_t i = 0; i <= mask; i++)
        if (slots[i] != NO_KEY)
            slots[at++] = slots[i];
    qsort(slots, count, sizeof *slots, by_key);
    work->out->item_keys = slots;
    work->out->items_count = (uint32_t)count;
    return WP_OK;
}

static uint32_t rank_of(const wp_touches *out, uint64_t key)
{
    uint32_t low = 0, high = out->items_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (out->item_keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static wp_status item_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    touch_work *work = context;
    (void)worker;
    (void)err;
    size_t total = work->stays->starts[work->stays->stages_count], end = (chunk + 1) * CHUNK;
    for (size_t s = chunk * CHUNK; s < end && s < total; s++)
        for (uint32_t i = 0; i < work->out->counts[s]; i++) {
            size_t at = work->out->starts[s] + i;
            if (work->keys[at] != NO_KEY)
                work->out->touches[at].item = rank_of(work->out, work->keys[at]);
        }
    return WP_OK;
}

static wp_status start_touches(touch_work *work, size_t total, wp_error *err)
{
    wp_touches *out = work->out;
    out->starts = wp_alloc_array(total + 1, sizeof *out->starts);
    out->counts = wp_alloc_array_zero(total + 1, sizeof *out->counts);
    if (out->starts == NULL || out->counts == NULL)
        return wp_fail_memory(err, total * (sizeof *out->starts + sizeof *out->counts));
    size_t rows = 0;
    for (size_t s = 0; s < total; s++) {
        const wp_stay *stay = &work->stays->stays[s];
        out->starts[s] = rows;
        rows += stay->exit_local - stay->entry_local;
    }
    out->touches = wp_alloc_array(rows + 1, sizeof *out->touches);
    work->keys = wp_alloc_array(rows + 1, sizeof *work->keys);
    if (out->touches == NULL || work->keys == NULL)
        return wp_fail_memory(err, rows * (sizeof *out->touches + sizeof *work->keys));
    return WP_OK;
}

wp_status wp__touches_make(const wp_stays *stays, const wp_stage_plan *plan,
                           const wp_clarity_options *options, const wp_run *run, wp_touches *out,
                           wp_error *err)
{
    *out = (wp_touches){0};
    touch_work work = {.stays = stays, .options = options, .out = out};
    size_t total = stays->starts[stays->stages_count], chunks = (total + CHUNK - 1) / CHUNK;
    wp_status status = wp_scratch_start(stays->log, run, &work.scratch, err);
    if (status == WP_OK)
        status = wp_stage_lookup_start(stays->log->columns, plan, &work.lookup, err);
    if (status == WP_OK)
        status = start_touches(&work, total, err);
    if (status == WP_OK)
        status = wp_pool_run(run, chunks, touch_chunk, &work, err);
    if (status == WP_OK)
        status = collect_keys(&work, total, err);
    if (status == WP_OK)
        status = wp_pool_run(run, chunks, item_chunk, &work, err);
    wp_free(work.keys);
    wp_stage_lookup_reset(&work.lookup);
    wp_scratch_reset(&work.scratch);
    if (status != WP_OK)
        wp__touches_reset(out);
    return status;
}

void wp__touches_reset(wp_touches *touches)
{
    wp_free(touches->touches);
    wp_free(touches->starts);
    wp_free(touches->counts);
    wp_free(touches->item_keys);
    *touches = (wp_touches){0};
}
