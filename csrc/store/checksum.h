/* The checksum of pages and segments: wp_hash_bytes in four strands, so that the processor's
** products overlap. At the speed of memory; part of the format, so it must never change. */
#ifndef WP_STORE_CHECKSUM_H
#define WP_STORE_CHECKSUM_H

#include "base/hash.h"

/* `place` is where the bytes belong: bytes in another place do not fit. */
static inline uint64_t wp_checksum(const char *bytes, size_t size, uint64_t place)
{
    uint64_t a = WP_HASH_A, b = WP_HASH_B, c = ~WP_HASH_A, d = ~WP_HASH_B;
    size_t left = size;
    for (; left >= 64; left -= 64, bytes += 64) {
        a = wp_mix(wp_load64(bytes) ^ WP_HASH_B, wp_load64(bytes + 8) ^ a);
        b = wp_mix(wp_load64(bytes + 16) ^ WP_HASH_B, wp_load64(bytes + 24) ^ b);
        c = wp_mix(wp_load64(bytes + 32) ^ WP_HASH_B, wp_load64(bytes + 40) ^ c);
        d = wp_mix(wp_load64(bytes + 48) ^ WP_HASH_B, wp_load64(bytes + 56) ^ d);
    }
    uint64_t state = wp_hash_word(wp_hash_word(a, b), wp_hash_word(c, d));
    state = wp_hash_word(state, wp_hash_bytes(bytes, left));
    return wp_hash_word(wp_hash_word(state, size), place);
}

#endif
