/* Packed integers; see pack.h. */
#include "store/pack.h"

#include "base/hash.h"
#include "base/memory.h"

bool wp_simd_off;

bool wp_has_avx2(void)
{
#if defined(WP_AVX2)
    return __builtin_cpu_supports("avx2") && !wp_simd_off;
#else
    return false;
#endif
}

void wp_bytes_free(wp_bytes *bytes)
{
    wp_free(bytes->data);
    *bytes = (wp_bytes){0};
}

char *wp_bytes_add(wp_bytes *bytes, size_t size)
{
    if (bytes->failed)
        return NULL;
    if (bytes->capacity - bytes->size < size) {
        size_t capacity = bytes->capacity < 256 ? 256 : bytes->capacity;
        while (capacity - bytes->size < size)
            capacity += capacity / 2;
        char *data = wp_realloc_array(bytes->data, capacity, 1);
        if (data == NULL) {
            bytes->failed = true;
            return NULL;
        }
        bytes->data = data;
        bytes->capacity = capacity;
    }
    char *at = bytes->data + bytes->size;
    bytes->size += size;
    return at;
}

static void store_word(char *at, uint64_t word, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (char)(unsigned char)(word >> (8 * i));
}

void wp_bytes_add32(wp_bytes *bytes, uint32_t word)
{
    char *at = wp_bytes_add(bytes, 4);
    if (at != NULL)
        store_word(at, word, 4);
}

void wp_bytes_add64(wp_bytes *bytes, uint64_t word)
{
    char *at = wp_bytes_add(bytes, 8);
    if (at != NULL)
        store_word(at, word, 8);
}

static unsigned width_of(const uint64_t *values, size_t count)
{
    uint64_t all = 0;
    for (size_t i = 0; i < count; i++)
        all |= values[i];
    unsigned width = all == 0 ? 0 : 64 - (unsigned)__builtin_clzll(all);
    return width > 56 ? 64 : width;
}

static void pack_block(wp_bytes *bytes, const uint64_t *values, size_t count)
{
    unsigned width = width_of(values, count);
    size_t size = (count * width + 7) / 8;
    char *at = wp_bytes_add(bytes, 1 + size);
    if (at == NULL)
        return;
    *at++ = (char)width;
    const char *end = at + size;
    uint64_t held = 0; /* bits not written yet; fewer than 8 between values */
    unsigned held_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (width == 64) {
            store_word(at, values[i], 8);
            at += 8;
            continue;
        }
        held |= values[i] << held_count; /* 7 + 56 bits at most */
        for (held_count += width; held_count >= 8; held_count -= 8, held >>= 8)
            *at++ = (char)(unsigned char)held;
    }
    if (at < end)
        *at = (char)(unsigned char)held;
}

void wp_pack(wp_bytes *bytes, const uint64_t *values, size_t count)
{
    for (size_t at = 0; at < count; at += WP_PACK_BLOCK)
        pack_block(bytes, values + at, count - at < WP_PACK_BLOCK ? count - at : WP_PACK_BLOCK);
}

/* Checks the head of a block; its width, or -1. Leaves `at` behind the width. */
static inline int open_block(wp_unpacker *from, size_t count, unsigned width_most)
{
    if (from->at >= from->end)
        return -1;
    unsigned width = (unsigned char)*from->at++;
    if (width > width_most || (width > 56 && width != 64) ||
        (size_t)(from->end - from->at) < (count * width + 7) / 8)
        return -1;
    return (int)width;
}

#define UNPACK_VALUES(type)                                                                        \
    uint64_t mask = (1ULL << width) - 1;                                                           \
    size_t bit = 0;                                                                                \
    for (size_t i = 0; i < n; i++, bit += width)                                                   \
    values[i] = (type)((wp_load64(from->at + (bit >> 3)) >> (bit & 7)) & mask)

#if defined(WP_AVX2)
#    include <immintrin.h>

#    define WIDE_BITS 25u /* a value and its shift lie in 4 bytes */

/* A whole block, eight values at a time: they take `width` whole bytes, so the same shuffle brings
** the four bytes around each value into its lane, in every step. Up to 16 - width / 2 bytes behind
** the block are looked at. */
__attribute__((target("avx2"))) static void unpack_block_avx2(const char *at, unsigned width,
                                                              uint32_t *values)
{
    size_t upper = width / 2; /* where the byte of the fifth value begins */
    __m256i bits = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                                      _mm256_set1_epi32((int)width));
    __m256i begin = _mm256_setr_epi32(0, 0, 0, 0, (int)upper, (int)upper, (int)upper, (int)upper);
    __m256i bytes = _mm256_sub_epi32(_mm256_srli_epi32(bits, 3), begin);
    __m256i shuffle = _mm256_add_epi32(_mm256_mullo_epi32(bytes, _mm256_set1_epi32(0x01010101)),
                                       _mm256_set1_epi32(0x03020100));
    __m256i shifts = _mm256_and_si256(bits, _mm256_set1_epi32(7));
    __m256i mask = _mm256_set1_epi32((int)((1u << width) - 1));
    for (unsigned i = 0; i < WP_PACK_BLOCK; i += 8, at += width) {
        __m128i low = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(at + upper));
        __m256i eight = _mm256_shuffle_epi8(_mm256_set_m128i(high, low), shuffle);
        eight = _mm256_and_si256(_mm256_srlv_epi32(eight, shifts), mask);
        _mm256_storeu_si256((__m256i *)(void *)(values + i), eight);
    }
}
#else
#    define WIDE_BITS 0u
static void unpack_block_avx2(const char *at, unsigned width, uint32_t *values)
{
    (void)at, (void)width, (void)values;
}
#endif

/* Whether a block may be unpacked in wide steps: there are 8 bytes more behind the end. */
static bool can_unpack_block(const wp_unpacker *from, unsigned width, size_t n)
{
    return n == WP_PACK_BLOCK && width <= WIDE_BITS &&
           (size_t)(from->end - from->at) >= WP_PACK_BLOCK / 8 * width + 8;
}

bool wp_unpack32(wp_unpacker *from, uint32_t *values, size_t count, unsigned bits_most)
{
    bool wide = wp_has_avx2();
    for (size_t n; count > 0; count -= n, values += n) {
        n = count < WP_PACK_BLOCK ? count : WP_PACK_BLOCK;
        int found = open_block(from, n, bits_most);
        if (found < 0)
            return false;
        unsigned width = (unsigned)found;
        size_t size = (n * width + 7) / 8;
        if (wide && can_unpack_block(from, width, n)) {
            unpack_block_avx2(from->at, width, values);
        } else {
            UNPACK_VALUES(uint32_t);
        }
        from->at += size;
    }
    return true;
}

bool wp_unpack64(wp_unpacker *from, uint64_t *values, size_t count)
{
    bool wide = wp_has_avx2();
    for (size_t n; count > 0; count -= n, values += n) {
        n = count < WP_PACK_BLOCK ? count : WP_PACK_BLOCK;
        int found = open_block(from, n, 64);
        if (found < 0)
            return false;
        unsigned width = (unsigned)found;
        size_t size = (n * width + 7) / 8;
        if (wide && can_unpack_block(from, width, n)) {
            uint32_t narrow[WP_PACK_BLOCK];
            unpack_block_avx2(from->at, width, narrow);
            for (size_t i = 0; i < WP_PACK_BLOCK; i++)
                values[i] = narrow[i];
        } else if (width == 64) {
            for (size_t i = 0; i < n; i++)
                values[i] = wp_load64(from->at + 8 * i);
        } else {
            UNPACK_VALUES(uint64_t);
        }
        from->at += size;
    }
    return true;
}
