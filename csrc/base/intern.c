/* Texts to codes; see intern.h. */
#include "base/intern.h"

#include "base/memory.h"

void wp_intern_free(wp_intern *table)
{
    wp_free(table->slots);
    wp_free(table->offsets);
    wp_free(table->hashes);
    wp_free(table->bytes);
    wp_free(table->recent);
    *table = (wp_intern){0};
}

/* A new epoch forgets all of them at once; when epochs run out, they begin anew. */
static void forget_recent(wp_intern *table)
{
    table->recent_epoch += WP_RECENT_MOST + 1;
    if (table->recent_epoch == 0 && table->recent != NULL) {
        memset(table->recent, 0, ((size_t)1 << table->recent_bits) * sizeof *table->recent);
        table->recent_epoch = WP_RECENT_MOST + 1;
    }
}

void wp_intern_clear(wp_intern *table)
{
    forget_recent(table);
    if (table->slots != NULL)
        memset(table->slots, 0, (table->slots_mask + 1) * sizeof *table->slots);
    table->count = 0;
}

static bool grow_codes(wp_intern *table)
{
    uint32_t capacity = table->capacity < 16 ? 16 : table->capacity * 2;
    if (capacity <= table->capacity)
        return false;
    uint64_t *offsets = wp_realloc_array(table->offsets, (size_t)capacity + 1, sizeof *offsets);
    if (offsets == NULL)
        return false;
    offsets[0] = 0;
    table->offsets = offsets;
    uint64_t *hashes = wp_realloc_array(table->hashes, capacity, sizeof *hashes);
    if (hashes == NULL)
        return false;
    table->hashes = hashes;
    size_t slots_count = (size_t)capacity * 2;
    uint64_t *slots = wp_alloc_array_zero(slots_count, sizeof *slots);
    if (slots == NULL)
        return false;
    wp_free(table->slots);
    table->slots = slots;
    table->slots_mask = slots_count - 1;
    table->capacity = capacity;
    for (uint32_t code = 0; code < table->count; code++) {
        size_t at = (size_t)table->hashes[code] & table->slots_mask;
        while (slots[at] != 0)
            at = (at + 1) & table->slots_mask;
        slots[at] = (table->hashes[code] >> 32 << 32) | (code + 1);
    }
    return true;
}

uint32_t wp_intern_add_new(wp_intern *table, const char *text, size_t length, uint64_t hash)
{
    if (table->count == table->capacity && !grow_codes(table))
        return UINT32_MAX;
    uint64_t start = table->offsets[table->count];
    if (table->bytes_capacity - start < length || table->bytes == NULL) {
        size_t capacity = table->bytes_capacity < 256 ? 256 : table->bytes_capacity * 2;
        capacity = capacity < start + length ? start + length : capacity;
        char *bytes = wp_realloc_array(table->bytes, capacity, 1);
        if (bytes == NULL)
            return UINT32_MAX;
        table->bytes = bytes;
        table->bytes_capacity = capacity;
    }
    uint32_t code = table->count++;
    if (length > 0)
        memcpy(table->bytes + start, text, length);
    table->offsets[code + 1] = start + length;
    table->hashes[code] = hash;
    size_t at = (size_t)hash & table->slots_mask;
    while (table->slots[at] != 0)
        at = (at + 1) & table->slots_mask;
    table->slots[at] = (hash >> 32 << 32) | (code + 1);
    return code;
}

/* A text takes the place of whatever was there: the latest is the likeliest. */
uint32_t wp_intern_add_recent(wp_intern *table, const char *text, size_t length, uint64_t low,
                              uint64_t high)
{
    uint32_t code = wp_intern_add(table, text, length, wp_hash_bytes(text, length));
    if (code == UINT32_MAX || length > WP_RECENT_MOST)
        return code;
    if (table->recent == NULL) {
        table->recent_bits = table->recent_bits == 0 ? WP_RECENT_BITS : table->recent_bits;
        table->recent = wp_alloc_array_zero((size_t)1 << table->recent_bits, sizeof *table->recent);
        if (table->recent == NULL)
            return UINT32_MAX;
        forget_recent(table);
    }
    table->recent[wp_recent_place(table, low, high)] =
        (wp_recent){low, high, table->recent_epoch + (uint32_t)length, code};
    return code;
}
