/* Short journeys in one walk: where every window's border falls, and how often the event of each
** plain leaf lies in its window (window.h says which leaves those are).
**
** Most journeys have fewer rows than a search for two borders and two counts have steps. Here
** sixteen times are compared with all borders at once and sixteen event codes with all wanted ones;
** the answers are bits per row, combined and counted: no branch depends on what a user did, but for
** how many sixteens there are. Longer journeys search (range.c) and then count, and so does every
** journey where the processor has no AVX2.
** Cost: a few nanoseconds per user and sixteen rows. */
#include "journey/below.h"
#include "journey/window.h"

bool wp_walk_off;

#if defined(__x86_64__) && defined(__GNUC__)
#    include <immintrin.h>
#    define SHORT_ROWS 128u
#    define FEW        2u /* borders, and leaves, of most questions */

/* The walk is compiled twice, for few and for more borders and leaves: with constants for both its
** inner loops become straight code whose numbers stay in registers. */
#    define WITH_AVX2      __attribute__((target("avx2,popcnt")))
#    define COMPILED_TWICE WITH_AVX2 static inline __attribute__((always_inline))
#    define UNROLLED       _Pragma("GCC unroll 8")

typedef struct walk {
    uint32_t skipped, borders; /* marks before the first row of everybody; the others */
    int64_t offsets[WP_WALK_MARKS];
    /* The rows of a leaf's window are those below one border, or not, but below the other: of sets
    ** that contain each other the exclusive or, uses[c][m] being all ones for those two. */
    uint32_t uses[WP_WALK_COUNTED][WP_WALK_MARKS];
    __m128i codes[WP_WALK_COUNTED];
} walk;

bool wp__walk_can(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt") && !wp_walk_off;
}

/* Bits of sixteen times, in two vectors with their signs turned: below the bound. */
COMPILED_TWICE uint32_t below_bits(__m256i low, __m256i high, __m256i bound)
{
    __m256i a = _mm256_cmpgt_epi32(bound, low), b = _mm256_cmpgt_epi32(bound, high);
    uint32_t bits = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(a));
    return bits | (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(b)) << 8;
}

/* User i, whose borders lie below 2^32. Sixteen rows may be read wherever it has one. */
COMPILED_TWICE void walk_user(wp_span *span, const walk *w, uint32_t i, uint32_t marks,
                              uint32_t leaves)
{
    const __m256i sign = _mm256_set1_epi32(INT32_MIN);
    uint32_t begin = span->begin[i], count = span->end[i] - begin;
    uint32_t before[WP_WALK_MARKS] = {0}, hits[WP_WALK_COUNTED] = {0};
    __m256i bounds[WP_WALK_MARKS];
    UNROLLED for (uint32_t m = 0; m < marks; m++)
    {
        int64_t bound = span->t0_ticks[i] + w->offsets[m];
        bounds[m] = _mm256_set1_epi32((int)((uint32_t)(bound < 0 ? 0 : bound) ^ 1u << 31));
    }
    for (uint32_t at = 0; at < count; at += 16) {
        uint32_t inside = count - at < 16 ? (1u << (count - at)) - 1 : 0xffff;
        const void *ticks = span->ticks_32 + begin + at, *codes_at = span->codes_8 + begin + at;
        __m256i low = _mm256_xor_si256(_mm256_loadu_si256(ticks), sign);
        __m256i high = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)ticks + 1), sign);
        __m128i codes = _mm_loadu_si128(codes_at);
        uint32_t below[WP_WALK_MARKS];
        UNROLLED for (uint32_t m = 0; m < marks; m++)
        {
            below[m] = below_bits(low, high, bounds[m]) & inside;
            before[m] += (uint32_t)__builtin_popcount(below[m]);
        }
        UNROLLED for (uint32_t c = 0; c < leaves; c++)
        {
            uint32_t window = 0;
            UNROLLED for (uint32_t m = 0; m < marks; m++) window ^= below[m] & w->uses[c][m];
            uint32_t equal = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(codes, w->codes[c]));
            hits[c] += (uint32_t)__builtin_popcount(equal & window);
        }
    }
    for (uint32_t m = 0; m < w->skipped; m++)
        span->at[(size_t)m * span->users_room + i] = begin;
    UNROLLED for (uint32_t m = 0; m < marks; m++)
    {
        if (m < w->borders)
            span->at[(size_t)(w->skipped + m) * span->users_room + i] = begin + before[m];
    }
    UNROLLED for (uint32_t c = 0; c < leaves; c++)
    {
        if (c < span->counted_count)
            span->counts[(size_t)c * span->users_room + i] = hits[c];
    }
}

static void search_user(wp_span *span, uint32_t i)
{
    wp__search_marks(span, i);
    for (uint32_t c = 0; c < span->counted_count; c++) {
        const wp_counted *leaf = &span->counted[c];
        uint32_t lo = span->at[(size_t)leaf->from * span->users_room + i];
        uint32_t hi = span->at[(size_t)leaf->to * span->users_room + i];
        span->counts[(size_t)c * span->users_room + i] =
            wp_count_code(span->codes_8 + lo, hi - lo, span->readable - lo, leaf->code);
    }
}

COMPILED_TWICE void walk_users(wp_span *span, const walk *w, uint32_t marks, uint32_t leaves)
{
    int64_t last = span->marks[span->marks_count - 1];
    for (uint32_t i = 0; i < span->users_count; i++) {
        uint32_t begin = span->begin[i], count = span->end[i] - begin;
        if (count <= SHORT_ROWS && span->readable - begin >= count + 16 &&
            span->t0_ticks[i] + last < UINT32_MAX)
            walk_user(span, w, i, marks, leaves);
        else
            search_user(span, i);
    }
}

WITH_AVX2 static void walk_few(wp_span *span, const walk *w)
{
    walk_users(span, w, FEW, FEW);
}

WITH_AVX2 static void walk_more(wp_span *span, const walk *w)
{
    walk_users(span, w, WP_WALK_MARKS, WP_WALK_COUNTED);
}

WITH_AVX2 void wp__walk_users(wp_span *span)
{
    walk w = {0};
    /* Where t0 is the first row, no row lies before the borders at or before it. */
    while (span->plan->from == NULL && w.skipped < span->marks_count && span->marks[w.skipped] <= 0)
        w.skipped++;
    w.borders = span->marks_count - w.skipped;
    for (uint32_t m = 0; m < WP_WALK_MARKS; m++)
        w.offsets[m] = m < w.borders ? span->marks[w.skipped + m] : -(int64_t)UINT32_MAX;
    for (uint32_t c = 0; c < span->counted_count; c++) {
        const wp_counted *leaf = &span->counted[c];
        w.codes[c] = _mm_set1_epi8((char)leaf->code);
        for (uint32_t m = 0; m < w.borders; m++)
            w.uses[c][m] = (leaf->from == w.skipped + m) != (leaf->to == w.skipped + m) ? ~0u : 0;
    }
    if (w.borders <= FEW && span->counted_count <= FEW)
        walk_few(span, &w);
    else
        walk_more(span, &w);
}
#else
bool wp__walk_can(void)
{
    return false;
}

void wp__walk_users(wp_span *span)
{
    (void)span;
}
#endif
