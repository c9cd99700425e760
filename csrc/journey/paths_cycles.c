/* Cycles within paths: returns to the same class within three steps (x x, x y x, x y z x).
**
** Data structure: an open-addressing table of cycles by their classes, filled from the distinct
** sequences, each weighted by its users. A path with a cycle twice counts it twice; people who have
** it at all are counted besides. Cost: linear in the classes of all distinct sequences. */
#include "journey/flow.h"

#include "base/memory.h"

#include <stdlib.h>

typedef struct cycle_table {
    wp_cycle *slots; /* length 0: free */
    uint64_t *last;  /* per slot: the sequence counted last, plus one */
    size_t capacity, used;
} cycle_table;

static uint64_t hash_of(const wp_cycle *cycle)
{
    uint64_t hash = cycle->length;
    for (uint32_t i = 0; i < cycle->length; i++)
        hash = (hash ^ cycle->classes[i]) * 0x9e3779b97f4a7c15ULL;
    return hash ^ hash >> 29;
}

static bool same_cycle(const wp_cycle *a, const wp_cycle *b)
{
    return a->length == b->length &&
           memcmp(a->classes, b->classes, a->length * sizeof *a->classes) == 0;
}

static size_t find_slot(const cycle_table *table, const wp_cycle *cycle)
{
    size_t at = (size_t)hash_of(cycle) & (table->capacity - 1);
    while (table->slots[at].length != 0 && !same_cycle(&table->slots[at], cycle))
        at = (at + 1) & (table->capacity - 1);
    return at;
}

static wp_status table_resize(cycle_table *table, size_t capacity, wp_error *err)
{
    cycle_table larger = {.capacity = capacity, .used = table->used};
    larger.slots = wp_alloc_array_zero(capacity, sizeof *larger.slots);
    larger.last = wp_alloc_array_zero(capacity, sizeof *larger.last);
    if (larger.slots == NULL || larger.last == NULL) {
        wp_free(larger.slots);
        wp_free(larger.last);
        return wp_fail_memory(err, capacity * (sizeof *larger.slots + sizeof *larger.last));
    }
    for (size_t i = 0; i < table->capacity; i++)
        if (table->slots[i].length != 0) {
            size_t at = find_slot(&larger, &table->slots[i]);
            larger.slots[at] = table->slots[i];
            larger.last[at] = table->last[i];
        }
    wp_free(table->slots);
    wp_free(table->last);
    *table = larger;
    return WP_OK;
}

static wp_status add_cycle(cycle_table *table, const wp_cycle *cycle, size_t sequence,
                           uint64_t users, wp_error *err)
{
    if ((table->used + 1) * 2 > table->capacity)
        WP_TRY(table_resize(table, table->capacity * 2, err));
    size_t at = find_slot(table, cycle);
    if (table->slots[at].length == 0) {
        table->slots[at] = *cycle;
        table->used++;
    }
    table->slots[at].count += users;
    if (table->last[at] != sequence + 1)
        table->slots[at].users_count += users;
    table->last[at] = sequence + 1;
    return WP_OK;
}

static wp_status visit_sequence(cycle_table *table, const wp_path *path, size_t sequence,
                                wp_error *err)
{
    for (uint32_t i = 0; i + 1 < path->length; i++) {
        wp_cycle cycle = {0};
        for (uint32_t length = 1; length <= WP_CYCLE_MAX && i + length < path->length; length++) {
            uint32_t class = path->classes[i + length];
            cycle.classes[length - 1] = path->classes[i + length - 1];
            cycle.length = length;
            if (class == path->classes[i]) {
                WP_TRY(add_cycle(table, &cycle, sequence, path->users_count, err));
                break; /* a longer one would pass through its own start */
            }
        }
    }
    return WP_OK;
}

static int by_count(const void *a, const void *b)
{
    const wp_cycle *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    if (x->length != y->length)
        return x->length < y->length ? -1 : 1;
    return memcmp(x->classes, y->classes, sizeof x->classes);
}

wp_status wp_paths_find_cycles(wp_paths *paths, wp_error *err)
{
    cycle_table table = {0};
    WP_TRY(table_resize(&table, 256, err));
    wp_status status = WP_OK;
    for (size_t i = 0; i < paths->sequences_count && status == WP_OK; i++)
        status = visit_sequence(&table, &paths->sequences[i], i, err);
    size_t count = 0;
    for (size_t i = 0; i < table.capacity; i++)
        if (table.slots[i].length != 0)
            table.slots[count++] = table.slots[i];
    qsort(table.slots, count, sizeof *table.slots, by_count);
    wp_free(table.last);
    if (status != WP_OK) {
        wp_free(table.slots);
        return status;
    }
    paths->cycles = table.slots;
    paths->cycles_count = count;
    return WP_OK;
}
