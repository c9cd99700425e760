/* How many of some sorted 32-bit times lie below a bound.
**
** Halves while long, then counts: counting has no branches to guess wrong on the short journeys
** that most users have. Sixteen times are compared at once, also beyond the user's last one. */
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

#endif
