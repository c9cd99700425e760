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

/* Texts that were looked up last, by a few bits of theirs: columns of few values, such as event
** names, and values that come back soon, such as users, are answered here without hashing. */
#define WP_RECENT_BITS 8
#define WP_RECENT_MOST 255u /* longer texts are not remembered */
typedef struct wp_recent {
    uint64_t low,
        high;       /* wp_short_words: all of a text up to 16 bytes, both ends of a longer one */
    uint32_t stamp; /* recent_epoch + length */
    uint32_t code;
} wp_recent;

typedef struct wp_intern {
    uint64_t *slots; /* hash bits 63..32 | code + 1; 0 is free */
    size_t slots_mask;
    uint32_t count, capacity;
    uint64_t *offsets; /* capacity + 1 */
    uint64_t *hashes;  /* capacity */
    char *bytes;
    size_t bytes_capacity;
    wp_recent *recent;     /* 1 << recent_bits, made by the first wp_intern_add_few */
    unsigned recent_bits;  /* may be set while `recent` is NULL; 0: WP_RECENT_BITS */
    uint32_t recent_epoch; /* a multiple of 256; what is older is forgotten */
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

/* The first 16 bytes, zeros behind a shorter text; of a longer one its first and its last 8. */
static inline void wp_recent_words(const char *text, size_t length, uint64_t *low, uint64_t *high)
{
    *high = 0;
    if (length >= 8) {
        *low = wp_load64(text);
        if (length > 8)
            *high = wp_load64(text + length - 8) >> (length < 16 ? 8 * (16 - length) : 0);
    } else if (length >= 4) {
        *low = wp_load32(text) | (uint64_t)wp_load32(text + length - 4) << 8 * (length - 4);
    } else {
        *low = 0;
        for (size_t i = 0; i < length; i++)
            *low |= (uint64_t)(unsigned char)text[i] << 8 * i;
    }
}

/* The same where 16 bytes may be read whatever the length: no branch on it, which in a column of
** names would be guessed wrong as often as not. */
static inline void wp_recent_words_padded(const char *text, size_t length, uint64_t *low,
                                          uint64_t *high)
{
    static const char masks[33] =
        "\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377";
    if (length > 16) {
        wp_recent_words(text, length, low, high);
        return;
    }
    *low = wp_load64(text) & wp_load64(masks + 16 - length);
    *high = wp_load64(text + 8) & wp_load64(masks + 24 - length);
}

static inline size_t wp_recent_place(const wp_intern *table, uint64_t low, uint64_t high)
{
    return (size_t)((low * WP_HASH_A + high * WP_HASH_B) >> (64 - table->recent_bits));
}

/* Code of a text that is not among the recent ones, which it joins. */
uint32_t wp_intern_add_recent(wp_intern *table, const char *text, size_t length, uint64_t low,
                              uint64_t high);

static inline uint32_t wp_intern_recent(wp_intern *table, const char *text, size_t length,
                                        uint64_t low, uint64_t high)
{
    if (table->recent != NULL) {
        const wp_recent *recent = &table->recent[wp_recent_place(table, low, high)];
        if (recent->low == low && recent->high == high &&
            recent->stamp == table->recent_epoch + length &&
            (length <= 16 ||
             wp_same_bytes(table->bytes + table->offsets[recent->code], text, length)))
            return recent->code;
    }
    return wp_intern_add_recent(table, text, length, low, high);
}

/* wp_intern_add for a column that is likely to have few values, or the same ones again soon. */
static inline uint32_t wp_intern_add_few(wp_intern *table, const char *text, size_t length)
{
    uint64_t low, high;
    wp_recent_words(text, length, &low, &high);
    return wp_intern_recent(table, text, length, low, high);
}

/* The same for a text of which 16 bytes may be read. */
static inline uint32_t wp_intern_add_few_padded(wp_intern *table, const char *text, size_t length)
{
    uint64_t low, high;
    wp_recent_words_padded(text, length, &low, &high);
    return wp_intern_recent(table, text, length, low, high);
}

#endif
