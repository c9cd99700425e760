/* How many of some sorted 32-bit times lie below a bound, and how many event codes are a wanted
** one.
**
** The first halves while long, then counts: counting has no branches to guess wrong on the short
** journeys that most users have. Sixteen times are compared at once, also beyond the user's last
** one. */
#ifndef WP_JOURNEY_BELOW_H
#define WP_JOURNEY_BELOW_H

#include <stdint.h>
#if defined(__SSE2__)
#    include <emmintrin.h>
#endif

#if defined(__SSE2__)
/* Of the first `count` <= 16 of 16 sorted ticks; all 16 may be read. The sign bit turned, unsigned
** numbers compare as signed ones. */
static inline uint32_t wp__below_in_16(const uint32_t *ticks, uint32_t count, __m128i bound,
                                       __m128i sign)
{
    __m128i below[4];
    for (int i = 0; i < 4; i++) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(ticks + 4 * i));
        below[i] = _mm_cmplt_epi32(_mm_xor_si128(block, sign), bound);
    }
    __m128i bytes =
        _mm_packs_epi16(_mm_packs_epi32(below[0], below[1]), _mm_packs_epi32(below[2], below[3]));
    uint32_t bits = (uint32_t)_mm_movemask_epi8(bytes);
    return (uint32_t)__builtin_ctz(~bits | 1u << count);
}

/* `readable` ticks may be read from ticks[0] on, whoever they belong to. */
static inline uint32_t wp__count_short(const uint32_t *ticks, uint32_t count, uint32_t readable,
                                       uint32_t bound)
{
    const __m128i sign = _mm_set1_epi32(INT32_MIN);
    const __m128i wide = _mm_xor_si128(_mm_set1_epi32((int)bound), sign);
    uint32_t below = 0;
    while (below < count && readable - below >= 16) {
        uint32_t step = count - below < 16 ? count - below : 16;
        uint32_t more = wp__below_in_16(ticks + below, step, wide, sign);
        below += more;
        if (more < 16)
            return below;
    }
    while (below < count && ticks[below] < bound)
        below++;
    return below;
}
#else
static inline uint32_t wp__count_short(const uint32_t *ticks, uint32_t count, uint32_t readable,
                                       uint32_t bound)
{
    uint32_t below = 0;
    (void)readable;
    for (uint32_t i = 0; i < count; i++)
        below += ticks[i] < bound;
    return below;
}
#endif

/* Of ticks[0 .. count-1]; `readable` >= count ticks may be read, whoever they belong to. */
static inline uint32_t wp_count_below(const uint32_t *ticks, uint32_t count, uint32_t readable,
                                      uint32_t bound)
{
    uint32_t below = 0;
    while (count > 128) {
        uint32_t half = count / 2;
        if (ticks[below + half] < bound) {
            below += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return below + wp__count_short(ticks + below, count, readable - below, bound);
}

#if defined(__SSE2__)
static const uint8_t wp__byte_masks[32] = {255, 255, 255, 255, 255, 255, 255, 255,
                                           255, 255, 255, 255, 255, 255, 255, 255};

/* Ones in the first `count` <= 16 bytes. */
static inline __m128i wp_first_bytes(uint32_t count)
{
    const void *lanes = wp__byte_masks + 16 - count;
    return _mm_loadu_si128((const __m128i *)lanes);
}

/* How many of the first `count` of 16 codes are the wanted one; all 16 may be read. */
static inline uint32_t wp__equal_in_16(const uint8_t *codes, uint32_t count, __m128i wanted)
{
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)codes);
    __m128i equal = _mm_and_si128(_mm_cmpeq_epi8(block, wanted), wp_first_bytes(count));
    __m128i sums = _mm_sad_epu8(_mm_sub_epi8(_mm_setzero_si128(), equal), _mm_setzero_si128());
    return (uint32_t)(_mm_cvtsi128_si32(sums) + _mm_cvtsi128_si32(_mm_srli_si128(sums, 8)));
}

/* Of codes[0 .. count-1], 16 at a time: no branch depends on what a user did. `readable` >= count
** codes may be read, whoever they belong to. */
static inline uint32_t wp_count_code(const uint8_t *codes, uint32_t count, uint32_t readable,
                                     uint8_t code)
{
    const __m128i wanted = _mm_set1_epi8((char)code);
    uint32_t found = 0, i = 0;
    for (; i < count && readable - i >= 16; i += 16)
        found += wp__equal_in_16(codes + i, count - i < 16 ? count - i : 16, wanted);
    for (; i < count; i++)
        found += codes[i] == code;
    return found;
}
#else
static inline uint32_t wp_count_code(const uint8_t *codes, uint32_t count, uint32_t readable,
                                     uint8_t code)
{
    (void)readable;
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++)
        found += codes[i] == code;
    return found;
}
#endif

#endif
