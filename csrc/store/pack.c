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

/* Sixteen values of at most 8 bits: two bytes around each are brought into its lane, the value to
** the lane's upper end and down again. */
__attribute__((target("avx2"))) static inline __m256i
sixteen_avx2(const char *at, unsigned width, __m256i shuffle, __m256i factors, __m128i down)
{
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(at + width));
    __m256i lanes = _mm256_shuffle_epi8(_mm256_set_m128i(high, low), shuffle);
    return _mm256_srl_epi16(_mm256_mullo_epi16(lanes, factors), down);
}

/* Where values of a width stand among the eight that take `width` bytes, and the factors that move
** them to the upper end of 16 bits; blocks that follow each other have mostly one width. */
typedef struct narrow_plan {
    unsigned width;
    uint8_t bytes[16];
    uint16_t factors[8];
} narrow_plan;

static void plan_narrow(narrow_plan *plan, unsigned width)
{
    plan->width = width;
    for (unsigned i = 0; i < 8; i++) {
        unsigned bit = i * width;
        plan->bytes[2 * i] = (uint8_t)(bit / 8);
        plan->bytes[2 * i + 1] = (uint8_t)(bit / 8 + 1);
        plan->factors[i] = (uint16_t)(1u << (16 - width - bit % 8)); /* width 0: all become 0 */
    }
}

/* A whole block of values of at most 8 bits into bytes; the largest before `add` is added. Up to
** 16 - width bytes behind the block are looked at. */
__attribute__((target("avx2"))) static uint32_t
narrow_block_avx2(const char *at, const narrow_plan *plan, uint32_t add, uint8_t *values)
{
    unsigned width = plan->width;
    __m256i shuffle =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)plan->bytes));
    __m256i factors =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)plan->factors));
    __m128i down = _mm_cvtsi32_si128((int)(16 - width));
    __m256i added = _mm256_set1_epi8((char)add), most = _mm256_setzero_si256();
    for (unsigned i = 0; i < WP_PACK_BLOCK; i += 32, at += 4 * width) {
        __m256i first = sixteen_avx2(at, width, shuffle, factors, down);
        __m256i second = sixteen_avx2(at + 2 * width, width, shuffle, factors, down);
        __m256i all = _mm256_permute4x64_epi64(_mm256_packus_epi16(first, second), 0xd8);
        most = _mm256_max_epu8(most, all);
        _mm256_storeu_si256((__m256i *)(void *)(values + i), _mm256_add_epi8(all, added));
    }
    __m128i half = _mm_max_epu8(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
    half = _mm_max_epu8(half, _mm_srli_epi16(half, 8)); /* the even bytes are the largest of two */
    half = _mm_and_si128(half, _mm_set1_epi16(0xff));
    /* The least of the complements is the complement of the largest. */
    __m128i least = _mm_minpos_epu16(_mm_xor_si128(half, _mm_set1_epi16(-1)));
    return 0xffffu - (unsigned)_mm_extract_epi16(least, 0);
}
#else
typedef struct narrow_plan {
    unsigned width;
} narrow_plan;

static void plan_narrow(narrow_plan *plan, unsigned width)
{
    plan->width = width;
}

static uint32_t narrow_block_avx2(const char *at, const narrow_plan *plan, uint32_t add,
                                  uint8_t *values)
{
    (void)at, (void)plan, (void)add, (void)values;
    return 0;
}
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

bool wp_unpack8(wp_unpacker *from, uint8_t *values, size_t count, uint32_t add, uint32_t *high)
{
    bool wide = wp_has_avx2();
    uint32_t highest = 0, block[WP_PACK_BLOCK];
    narrow_plan plan;
    plan_narrow(&plan, 0);
    for (size_t n; count > 0; count -= n, values += n) {
        n = count < WP_PACK_BLOCK ? count : WP_PACK_BLOCK;
        wp_unpacker whole = *from;
        int width = open_block(&whole, n, 8);
        if (wide && width >= 0 && can_unpack_block(&whole, (unsigned)width, n)) {
            if (plan.width != (unsigned)width)
                plan_narrow(&plan, (unsigned)width);
            uint32_t found = narrow_block_avx2(whole.at, &plan, add, values);
            highest = found > highest ? found : highest;
            from->at = whole.at + WP_PACK_BLOCK / 8 * (unsigned)width;
            continue;
        }
        if (!wp_unpack32(from, block, n, 32))
            return false;
        for (size_t i = 0; i < n; i++) {
            highest = block[i] > highest ? block[i] : highest;
            values[i] = (uint8_t)(block[i] + add);
        }
    }
    *high = highest;
    return true;
}
