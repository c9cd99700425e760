/* See sort.h: a sample sort whose parts are sorted by interpolation.
**
** 255 splitters cut the keys into 256 parts. They lie in a heap (children of i at 2i and 2i + 1),
** so that eight steps without a branch find the part of a key; chunks of rows count and deal their
** items in parallel, each to places of its own. Within a part, keys that are near each other lie
** evenly enough for (key - smallest) >> shift to be almost their place: one counting pass, then
** insertion over short ways. Invariant: every step keeps equal keys in the order they came. */
#include "stats/sort.h"

#include "base/memory.h"
#include "base/rng.h"

#include <stdbool.h>

enum {
    SHORT = 20,          /* items that insertion sorts */
    SLOT_BITS = 10,      /* of a counting pass, at most */
    ALONE = 4096,        /* items that are one part */
    CHUNK_ROWS = 16384,  /* at least */
    CHUNKS_MOST = 128,   /* at most */
    SAMPLE_PER_PART = 8, /* keys drawn per splitter */
    LEVELS = 8
};

_Static_assert(WP_SORT_PARTS == 1 << LEVELS, "the heap of splitters is full");

/* --- One part --- */

static void insert_all(wp_item *items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        wp_item item = items[i];
        size_t j = i;
        for (; j > 0 && items[j - 1].key > item.key; j--)
            items[j] = items[j - 1];
        items[j] = item;
    }
}

static unsigned bits_of(uint64_t number)
{
    unsigned bits = 0;
    for (; number > 0; number >>= 1)
        bits++;
    return bits;
}

static void find_range(const wp_item *items, size_t count, uint64_t *low, uint64_t *high)
{
    uint64_t least = items[0].key, most = items[0].key;
    for (size_t i = 1; i < count; i++) {
        least = items[i].key < least ? items[i].key : least;
        most = items[i].key > most ? items[i].key : most;
    }
    *low = least;
    *high = most;
}

/* Sorts `from` into `to`; both are written. Each level narrows the range of keys of a group by the
** number of slots, at least 16: 16 levels at most, whatever the keys. */
static void sort_part(wp_item *from, wp_item *to, size_t count)
{
    uint32_t ends[1 << SLOT_BITS];
    uint64_t low, high;
    if (count <= SHORT) {
        memcpy(to, from, count * sizeof *to);
        insert_all(to, count);
        return;
    }
    find_range(from, count, &low, &high);
    if (low == high) {
        memcpy(to, from, count * sizeof *to);
        return;
    }
    unsigned width = bits_of(high - low), slot_bits = bits_of(count) - 1;
    slot_bits = slot_bits > SLOT_BITS ? SLOT_BITS : slot_bits;
    unsigned shift = width > slot_bits ? width - slot_bits : 0;
    size_t slots = (size_t)((high - low) >> shift) + 1;
    memset(ends, 0, slots * sizeof *ends);
    for (size_t i = 0; i < count; i++)
        ends[(from[i].key - low) >> shift]++;
    uint32_t place = 0;
    bool crowded = false;
    for (size_t slot = 0; slot < slots; slot++) {
        uint32_t here = ends[slot];
        crowded = crowded || here > SHORT;
        ends[slot] = place;
        place += here;
    }
    for (size_t i = 0; i < count; i++)
        to[ends[(from[i].key - low) >> shift]++] = from[i];
    if (shift == 0)
        return;
    for (size_t slot = 0; crowded && slot < slots; slot++) {
        size_t start = slot == 0 ? 0 : ends[slot - 1], here = ends[slot] - start;
        if (here <= SHORT)
            continue;
        sort_part(to + start, from + start, here);
        memcpy(to + start, from + start, here * sizeof *to);
    }
    insert_all(to, count);
}

/* --- Dealing items into parts --- */

typedef struct sort_work {
    wp_item *items, *spare;
    uint8_t *part_of; /* of each item */
    size_t count, chunk_rows, chunks;
    uint64_t splitters[WP_SORT_PARTS]; /* a heap from 1 on */
    uint32_t (*slots)[WP_SORT_PARTS];  /* per chunk: counts, then where its next item goes */
    wp_sort_parts parts;
} sort_work;

static size_t chunk_end(const sort_work *work, size_t chunk)
{
    size_t end = (chunk + 1) * work->chunk_rows;
    return end < work->count ? end : work->count;
}

/* Fills the heap in order: `next` goes on through the sorted sample. */
static const wp_item *fill_heap(uint64_t *heap, size_t node, const wp_item *next)
{
    if (node >= WP_SORT_PARTS)
        return next;
    next = fill_heap(heap, 2 * node, next);
    heap[node] = next->key;
    return fill_heap(heap, 2 * node + 1, next + SAMPLE_PER_PART);
}

/* Keys are drawn at random places, so that no order of rows makes uneven parts; always the same
** ones. */
static void choose_splitters(sort_work *work)
{
    wp_item sample[WP_SORT_PARTS * SAMPLE_PER_PART], sorted[WP_SORT_PARTS * SAMPLE_PER_PART];
    wp_rng rng;
    wp_rng_seed(&rng, 0, work->count);
    for (size_t i = 0; i < WP_SORT_PARTS * SAMPLE_PER_PART; i++)
        sample[i] = work->items[wp_rng_below(&rng, work->count)];
    sort_part(sample, sorted, WP_SORT_PARTS * SAMPLE_PER_PART);
    fill_heap(work->splitters, 1, sorted + SAMPLE_PER_PART);
}

/* Which part each item belongs to: eight steps down the heap, the same for every key. */
static wp_status classify_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const sort_work *work = context;
    uint32_t *counts = work->slots[chunk];
    memset(counts, 0, sizeof *work->slots);
    for (size_t i = chunk * work->chunk_rows, end = chunk_end(work, chunk); i < end; i++) {
        size_t node = 1;
        for (int level = 0; level < LEVELS; level++)
            node = 2 * node + (work->items[i].key >= work->splitters[node]);
        work->part_of[i] = (uint8_t)(node - WP_SORT_PARTS);
        counts[node - WP_SORT_PARTS]++;
    }
    return WP_OK;
}

/* Turns counts into places: part by part, within a part chunk by chunk (so it is stable). */
static void place_parts(sort_work *work)
{
    size_t next = 0;
    work->parts.count = WP_SORT_PARTS;
    for (size_t part = 0; part < WP_SORT_PARTS; part++) {
        work->parts.starts[part] = next;
        for (size_t chunk = 0; chunk < work->chunks; chunk++) {
            uint32_t here = work->slots[chunk][part];
            work->slots[chunk][part] = (uint32_t)next;
            next += here;
        }
    }
    work->parts.starts[WP_SORT_PARTS] = next;
}

static wp_status deal_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const sort_work *work = context;
    uint32_t *next = work->slots[chunk];
    for (size_t i = chunk * work->chunk_rows, end = chunk_end(work, chunk); i < end; i++)
        work->spare[next[work->part_of[i]]++] = work->items[i];
    return WP_OK;
}

static wp_status sort_one_part(void *context, size_t part, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const sort_work *work = context;
    size_t start = work->parts.starts[part];
    sort_part(work->spare + start, work->items + start, work->parts.starts[part + 1] - start);
    return WP_OK;
}

static wp_status sort_by_parts(sort_work *work, const wp_run *run, wp_error *err)
{
    work->chunk_rows = work->count / CHUNKS_MOST + 1;
    if (work->chunk_rows < CHUNK_ROWS)
        work->chunk_rows = CHUNK_ROWS;
    work->chunks = (work->count + work->chunk_rows - 1) / work->chunk_rows;
    work->slots = wp_alloc_array(work->chunks, sizeof *work->slots);
    work->part_of = wp_alloc_array(work->count, sizeof *work->part_of);
    if (work->slots == NULL || work->part_of == NULL)
        return wp_fail_memory(err, work->count);
    choose_splitters(work);
    WP_TRY(wp_pool_run(run, work->chunks, classify_chunk, work, err));
    place_parts(work);
    WP_TRY(wp_pool_run(run, work->chunks, deal_chunk, work, err));
    return wp_pool_run(run, WP_SORT_PARTS, sort_one_part, work, err);
}

wp_status wp_items_sort(wp_item *items, size_t count, wp_sort_parts *parts, const wp_run *run,
                        wp_error *err)
{
    wp_status status = WP_OK;
    sort_work work = {.items = items, .count = count, .parts = {1, {0, count}}};
    if (count >= UINT32_MAX)
        return wp_fail(err, WP_LIMIT, "sort: %zu rows: too many (expected below 2^32)", count);
    if (count > SHORT) {
        work.spare = wp_alloc_array(count, sizeof *work.spare);
        if (work.spare == NULL)
            return wp_fail_memory(err, count * sizeof *work.spare);
    }
    if (count <= SHORT) {
        insert_all(items, count);
    } else if (count <= ALONE) {
        memcpy(work.spare, items, count * sizeof *items);
        sort_part(work.spare, items, count);
    } else {
        status = sort_by_parts(&work, run, err);
    }
    if (parts != NULL)
        *parts = work.parts;
    wp_free(work.part_of);
    wp_free(work.slots);
    wp_free(work.spare);
    return status;
}
