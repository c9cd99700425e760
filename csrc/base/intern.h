/* Texts to codes: 0, 1, 2, ... by first appearance.
**
** Open addressing over 8-byte slots (a piece of the hash and the code + 1), at most half full, so
** that a look-up costs one cache line of slots and one comparison of bytes. Texts lie end to end in
** `bytes`; text c is bytes[offsets[c] .. offsets[c+1]-1]. One table belongs to one thread. */
#ifndef WP_BASE_INTERN_H
#define WP_BASE_INTERN_H

#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Short texts that were looked up last, by a few bits of theirs: columns of few values, such as
** event names, are answered here without hashing. */
#define WP_RECENT_BITS 6
typedef struct wp_recent {
    uint64_t low, high; /* wp_short_words */
    uint32_t length, code;
} wp_recent;

typedef struct wp_intern {
    uint64_t *slots; /* hash bits 63..32 | code + 1; 0 is free */
    size_t slots_mask;
    uint32_t count, capacity;
    uint64_t *offsets; /* capacity + 1 */
    uint64_t *hashes;  /* capacity */
    char *bytes;
    size_t bytes_capacity;
    wp_recent *recent; /* 1 << WP_RECENT_BITS, made by wp_intern_add_few; length UINT32_MAX: free */
} wp_intern;

/* A zeroed struct is an empty table. */
void wp_intern_free(wp_intern *table);
void wp_intern_clear(wp_intern *table); /* keeps the memory */
/* Code of the text, added when new; UINT32_MAX when memory is short. */
uint32_t wp_intern_add_new(wp_intern *table, const char *text, size_t length, uint64_t hash);

static inline uint32_t wp_intern_find(const wp_intern *table, const char *text, size_t length,
                                      uint64_t hash)
{
    if (table->slots == NULL)
        return UINT32_MAX;
    for (size_t at = (size_t)hash & table->slots_mask;; at = (at + 1) & table->slots_mask) {
        uint64_t slot = table->slots[at];
        if (slot == 0)
            return UINT32_MAX;
        if ((slot ^ hash) >> 32 != 0)
            continue;
        uint32_t code = (uint32_t)slot - 1;
        uint64_t start = table->offsets[code];
        if (table->offsets[code + 1] - start == length &&
            wp_same_bytes(table->bytes + start, text, length))
            return code;
    }
}

static inline uint32_t wp_intern_add(wp_intern *table, const char *text, size_t length,
                                     uint64_t hash)
{
    uint32_t code = wp_intern_find(table, text, length, hash);
    return code != UINT32_MAX ? code : wp_intern_add_new(table, text, length, hash);
}

/* The same for a column that is likely to have few values. */
uint32_t wp_intern_add_few_new(wp_intern *table, const char *text, size_t length);

static inline uint32_t wp_intern_add_few(wp_intern *table, const char *text, size_t length)
{
    if (length > 16 || table->recent == NULL)
        return wp_intern_add_few_new(table, text, length);
    uint64_t low, high;
    wp_short_words(text, length, &low, &high);
    const wp_recent *recent =
        &table->recent[((low ^ high << 3) + length) * WP_HASH_A >> (64 - WP_RECENT_BITS)];
    if (recent->low == low && recent->high == high && recent->length == length)
        return recent->code;
    return wp_intern_add_few_new(table, text, length);
}

#endif
