/* A 64-bit hash of bytes: words folded through 64 x 64 -> 128 bit products.
**
** Not keyed: tables built from hostile text stay correct and merely slow. The result is part of
** stored fingerprints, so it must never change; words are read little-endian on every machine. */
#ifndef WP_BASE_HASH_H
#define WP_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t wp_mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t wp_load64(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline uint32_t wp_load32(const char *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

#define WP_HASH_A 0x9e3779b97f4a7c15ULL
#define WP_HASH_B 0xd1342543de82ef95ULL

/* At most 16 bytes as two words: together with the length they say all of the text. */
static inline void wp_short_words(const char *text, size_t length, uint64_t *low, uint64_t *high)
{
    if (length >= 8) {
        *low = wp_load64(text);
        *high = wp_load64(text + length - 8);
    } else if (length >= 4) {
        *low = wp_load32(text);
        *high = wp_load32(text + length - 4);
    } else {
        *low = length > 0 ? (uint64_t)(unsigned char)text[0] << 16 |
                                (uint64_t)(unsigned char)text[length >> 1] << 8 |
                                (unsigned char)text[length - 1]
                          : 0;
        *high = 0;
    }
}

static inline uint64_t wp_hash_bytes(const char *text, size_t length)
{
    uint64_t state = WP_HASH_A ^ length, low, high;
    size_t left = length;
    for (; left > 16; left -= 16, text += 16)
        state = wp_mix(wp_load64(text) ^ WP_HASH_B, wp_load64(text + 8) ^ state);
    wp_short_words(text, left, &low, &high);
    return wp_mix(WP_HASH_A ^ state, wp_mix(low ^ WP_HASH_B, high ^ state));
}

/* Whether two texts of the same length are equal; inline, as most are short. */
static inline int wp_same_bytes(const char *a, const char *b, size_t length)
{
    if (length >= 8) {
        for (; length > 8; length -= 8, a += 8, b += 8) {
            if (wp_load64(a) != wp_load64(b))
                return 0;
            if (length < 16)
                return wp_load64(a + length - 8) == wp_load64(b + length - 8);
        }
        return wp_load64(a) == wp_load64(b);
    }
    if (length >= 4)
        return wp_load32(a) == wp_load32(b) &&
               wp_load32(a + length - 4) == wp_load32(b + length - 4);
    for (size_t i = 0; i < length; i++)
        if (a[i] != b[i])
            return 0;
    return 1;
}

/* Folds one more word into a running hash; the order of words matters. */
static inline uint64_t wp_hash_word(uint64_t state, uint64_t word)
{
    return wp_mix(state ^ WP_HASH_A, word ^ WP_HASH_B);
}

#endif
