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

/* The walk is compiled twice: for few borders and leaves, where nobody asks for the borders, and
** for any. With these as constants its inner loops become straight code in registers. */
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

/* What is found: of one user, by border and by leaf. */
typedef struct found {
    uint32_t before[WP_WALK_MARKS], hits[WP_WALK_COUNTED];
} found;

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

/* A user of `count` rows whose borders lie below 2^32. Sixteen rows may be read wherever there is
** one. */
COMPILED_TWICE found walk_user(const walk *w, const uint32_t *ticks, const uint8_t *codes,
                               uint32_t count, int64_t t0, uint32_t marks, uint32_t leaves)
{
    const __m256i sign = _mm256_set1_epi32(INT32_MIN);
    found f = {{0}, {0}};
    __m256i bounds[WP_WALK_MARKS];
    UNROLLED for (uint32_t m = 0; m < marks; m++)
    {
        int64_t bound = t0 + w->offsets[m];
        bounds[m] = _mm256_set1_epi32((int)((uint32_t)(bound < 0 ? 0 : bound) ^ 1u << 31));
    }
    for (uint32_t at = 0; at < count; at += 16) {
        uint32_t inside = count - at < 16 ? (1u << (count - at)) - 1 : 0xffff;
        const void *times = ticks + at, *names = codes + at;
        __m256i low = _mm256_xor_si256(_mm256_loadu_si256(times), sign);
        __m256i high = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)times + 1), sign);
        uint32_t below[WP_WALK_MARKS];
        UNROLLED for (uint32_t m = 0; m < marks; m++)
        {
            below[m] = below_bits(low, high, bounds[m]) & inside;
            f.before[m] += (uint32_t)__builtin_popcount(below[m]);
        }
        __m128i block = _mm_loadu_si128(names);
        UNROLLED for (uint32_t c = 0; c < leaves; c++)
        {
            uint32_t window = 0;
            UNROLLED for (uint32_t m = 0; m < marks; m++) window ^= below[m] & w->uses[c][m];
            uint32_t equal = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(block, w->codes[c]));
            f.hits[c] += (uint32_t)__builtin_popcount(equal & window);
        }
    }
    return f;
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

/* marks, leaves: at least as many as there are. */
COMPILED_TWICE void walk_users(wp_span *span, const walk *w, uint32_t marks, uint32_t leaves,
                               bool wants_borders)
{
    const uint32_t *begins = span->begin, *ends = span->end, *ticks = span->ticks_32;
    const uint8_t *codes = span->codes_8;
    const int64_t *t0s = span->t0_ticks, last = span->marks[span->marks_count - 1];
    uint32_t users = span->users_count, readable = span->readable, room = span->users_room;
    uint32_t *at = span->at, *counts = span->counts, counted = span->counted_count;
    for (uint32_t i = 0; i < users; i++) {
        uint32_t begin = begins[i], count = ends[i] - begin;
        if (count > SHORT_ROWS || readable - begin < count + 16 || t0s[i] + last >= UINT32_MAX) {
            search_user(span, i);
            continue;
        }
        found f = walk_user(w, ticks + begin, codes + begin, count, t0s[i], marks, leaves);
        UNROLLED for (uint32_t c = 0; c < leaves; c++)
        {
            if (c < counted)
                counts[(size_t)c * room + i] = f.hits[c];
        }
        for (uint32_t m = 0; wants_borders && m < w->skipped; m++)
            at[(size_t)m * room + i] = begin;
        for (uint32_t m = 0; wants_borders && m < w->borders; m++)
            at[(size_t)(w->skipped + m) * room + i] = begin + f.before[m];
    }
}

WITH_AVX2 static void walk_few(wp_span *span, const walk *w)
{
    walk_users(span, w, FEW, FEW, false);
}

WITH_AVX2 static void walk_any(wp_span *span, const walk *w)
{
    walk_users(span, w, WP_WALK_MARKS, WP_WALK_COUNTED, true);
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
    /* Nobody asks for borders where every leaf is counted here. */
    bool wants_borders = span->counted_count < span->plan->leaves_count;
    for (uint32_t i = 0; i < span->plan->windows_count; i++)
        wants_borders |= span->plan->windows[i].kind != WP_WINDOW_OFFSETS;
    if (w.borders <= FEW && span->counted_count <= FEW && !wants_borders)
        walk_few(span, &w);
    else
        walk_any(span, &w);
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
