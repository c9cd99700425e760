/* SipHash-2-4 (Aumasson and Bernstein 2012): a keyed hash of bytes to 64 bits. Without the key
** nobody can tell which text a hash belongs to, other than by having the key. */
#ifndef WP_BASE_SIPHASH_H
#define WP_BASE_SIPHASH_H

#include "base/hash.h"

static inline uint64_t wp__rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void wp__sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = wp__rotate(v[1], 13) ^ v[0];
    v[3] = wp__rotate(v[3], 16) ^ v[2];
    v[0] = wp__rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = wp__rotate(v[1], 17) ^ v[2];
    v[3] = wp__rotate(v[3], 21) ^ v[0];
    v[2] = wp__rotate(v[2], 32);
}

static inline uint64_t wp_siphash(const uint64_t key[2], const char *text, size_t length)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575ULL, key[1] ^ 0x646f72616e646f6dULL,
                     key[0] ^ 0x6c7967656e657261ULL, key[1] ^ 0x7465646279746573ULL};
    uint64_t last = (uint64_t)length << 56;
    size_t at = 0;
    for (; at + 8 <= length; at += 8) {
        uint64_t word = wp_load64(text + at);
        v[3] ^= word;
        wp__sip_round(v);
        wp__sip_round(v);
        v[0] ^= word;
    }
    for (unsigned i = 0; at + i < length; i++)
        last |= (uint64_t)(unsigned char)text[at + i] << (8 * i);
    v[3] ^= last;
    wp__sip_round(v);
    wp__sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        wp__sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
