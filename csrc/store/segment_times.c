/* Segments of times; see segment.h.
**
** Two streams: the first time of each user, as the signed step from the last time of the user
** before, and the steps from row to row inside users. Put together in the order of rows they are
** one chain of steps, and times are its running sum, without looking at where users begin. */
#include "store/segment_inside.h"

#include "base/memory.h"

#define TIME_LIMIT ((int64_t)1 << 62)

/* Each divides the one before, so that the smaller of two units divides both. */
static const int64_t units[] = {86400000000LL, 3600000000LL, 60000000LL, 1000000LL, 1000LL, 1LL};

static int64_t unit_of(const int64_t *times_us, size_t count)
{
    size_t unit = 0;
    for (size_t i = 0; i < count; i++)
        while (times_us[i] % units[unit] != 0)
            unit++;
    return units[unit];
}

static bool is_unit(int64_t unit_us)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (units[i] == unit_us)
            return true;
    return false;
}

/* Signed steps as small numbers: 0, -1, 1, -2 … become 0, 1, 2, 3 … */
static uint64_t fold_sign(int64_t step)
{
    return (uint64_t)step << 1 ^ (uint64_t)(step >> 63);
}

void wp_segment_of_times(wp_bytes *out, uint64_t id, const int64_t *times_us,
                         const uint32_t *rows_counts, size_t users_count, size_t count,
                         uint64_t *scratch)
{
    int64_t unit = unit_of(times_us, count), base = INT64_MAX;
    size_t row = 0, steps = 0;
    for (size_t user = 0; user < users_count; row += rows_counts[user++])
        base = times_us[row] < base ? times_us[row] : base;
    base = count == 0 ? 0 : base;
    wp__segment_start(out, 't', 0, count);
    wp_bytes_add64(out, (uint64_t)base);
    wp_bytes_add64(out, (uint64_t)unit);
    row = 0;
    for (size_t user = 0; user < users_count; row += rows_counts[user++])
        scratch[user] = fold_sign((times_us[row] - (row == 0 ? base : times_us[row - 1])) / unit);
    wp_pack(out, scratch, users_count);
    row = 0;
    for (size_t user = 0; user < users_count; row += rows_counts[user++])
        for (uint32_t i = 1; i < rows_counts[user]; i++)
            scratch[steps++] =
                (uint64_t)(times_us[row + i] - times_us[row + i - 1]) / (uint64_t)unit;
    wp_pack(out, scratch, steps);
    wp__segment_finish(out, id);
}

int64_t wp_segment_unit(const wp_bytes *times)
{
    return (int64_t)wp_load64(times->data + WP__HEAD_SIZE + 8);
}

/* The streams behind base and unit. */
static wp_status open_times(const wp_segment *segment, int64_t *base, int64_t *unit,
                            wp_unpacker *from, wp_error *err)
{
    if (!wp__segment_has_head(segment, 16))
        return wp__segment_corrupt(err, "times");
    *base = (int64_t)wp_load64(segment->bytes + WP__HEAD_SIZE);
    *unit = (int64_t)wp_load64(segment->bytes + WP__HEAD_SIZE + 8);
    if (!is_unit(*unit) || *base <= -TIME_LIMIT || *base >= TIME_LIMIT || *base % *unit != 0)
        return wp__segment_corrupt(err, "base or unit of times");
    *from = wp__segment_payload(segment, 16);
    return WP_OK;
}

wp_status wp_segment_times(const wp_segment *segment, const uint32_t *rows_counts,
                           size_t users_count, size_t count, int64_t *base_us, int64_t *unit_us,
                           uint64_t *times, wp_error *err)
{
    wp_unpacker from;
    WP_TRY(open_times(segment, base_us, unit_us, &from, err));
    /* Firsts are read twice: past them to the steps, which wait in the end of the buffer (row by
    ** row nothing is overwritten before it is read), and again block by block. */
    uint64_t firsts[WP_PACK_BLOCK];
    wp_unpacker heads = from;
    for (size_t user = 0; user < users_count; user += WP_PACK_BLOCK)
        if (!wp_unpack64(&from, firsts,
                         users_count - user < WP_PACK_BLOCK ? users_count - user : WP_PACK_BLOCK))
            return wp__segment_corrupt(err, "first times");
    if (count < users_count || !wp_unpack64(&from, times + users_count, count - users_count) ||
        from.at != from.end)
        return wp__segment_corrupt(err, "steps of times");
    uint64_t most = (uint64_t)(TIME_LIMIT - 1 - *base_us) / (uint64_t)*unit_us, seen = 0, now = 0;
    size_t row = 0, read = users_count;
    for (size_t user = 0; user < users_count; user++) {
        if (user % WP_PACK_BLOCK == 0 &&
            !wp_unpack64(&heads, firsts,
                         users_count - user < WP_PACK_BLOCK ? users_count - user : WP_PACK_BLOCK))
            return wp__segment_corrupt(err, "first times");
        uint64_t folded = firsts[user % WP_PACK_BLOCK];
        now += folded >> 1 ^ -(folded & 1);
        seen |= (folded >> 1 > most) | (now > most);
        times[row++] = now;
        for (uint32_t i = 1; i < rows_counts[user]; i++) {
            uint64_t step = times[read++];
            now += step;
            seen |= (step > most) | (now > most);
            times[row++] = now;
        }
    }
    return seen == 0 ? WP_OK : wp__segment_corrupt(err, "times out of range");
}

/* --- Straight to 32-bit offsets -------------------------------------------------------------- */

/* The chain of steps in 32 bits. `is_first` has a bit per row. */
typedef struct chain {
    uint32_t *firsts, *steps;
    uint64_t *is_first;
    const uint32_t *rows_counts;
    size_t users_count, count;
    uint32_t begin;     /* added to every sum */
    uint32_t low, high; /* of the sums, modulo 2^32: found */
} chain;

static void sum_plain(chain *work, uint32_t *offsets)
{
    const uint32_t *steps = work->steps;
    uint32_t now = 0, low = UINT32_MAX, high = 0;
    for (size_t user = 0; user < work->users_count; user++) {
        now += work->firsts[user];
        low = now < low ? now : low;
        *offsets++ = now + work->begin;
        for (uint32_t i = 1; i < work->rows_counts[user]; i++) {
            high = now > high ? now : high;
            now += *steps++;
            *offsets++ = now + work->begin;
        }
        high = now > high ? now : high;
    }
    work->low = low;
    work->high = high;
}

#if defined(WP_AVX2)
#    include <immintrin.h>

/* For each pattern of eight rows, a byte per row: which of the next firsts, or of the next others,
** its step is; others have the highest bit, too. */
static void make_places(uint64_t places[256])
{
    for (unsigned pattern = 0; pattern < 256; pattern++) {
        uint64_t word = 0, first = 0, other = 0x80;
        for (unsigned row = 0; row < 8; row++)
            word |= ((pattern >> row & 1) != 0 ? first++ : other++) << (8 * row);
        places[pattern] = word;
    }
}

/* Users are short and of any length, so a loop per user is guessed wrong once per user. Here eight
** rows go at a time: their steps are picked from both streams, summed inside the eight, and the
** only thing that waits for the eight before is one addition. May read 8 words behind each stream.
** The rows done: all but the last few. */
__attribute__((target("avx2"))) static size_t sum_avx2(chain *work, uint32_t *offsets)
{
    uint64_t places[256];
    make_places(places);
    const uint8_t *patterns = (const uint8_t *)work->is_first;
    const uint32_t *firsts = work->firsts, *steps = work->steps;
    const __m256i begin = _mm256_set1_epi32((int)work->begin), third = _mm256_set1_epi32(3);
    const __m256i last = _mm256_set1_epi32(7), zero = _mm256_setzero_si256();
    __m256i carry = zero, low = _mm256_set1_epi32(-1), high = zero;
    size_t row = 0;
    for (; row + 8 <= work->count; row += 8) {
        uint8_t pattern = patterns[row / 8];
        unsigned firsts_count = (unsigned)__builtin_popcount(pattern);
        __m256i place = _mm256_cvtepi8_epi32(_mm_cvtsi64_si128((long long)places[pattern]));
        __m256i first = _mm256_permutevar8x32_epi32(
            _mm256_loadu_si256((const __m256i *)(const void *)firsts), place);
        __m256i other = _mm256_permutevar8x32_epi32(
            _mm256_loadu_si256((const __m256i *)(const void *)steps), place);
        __m256i sums = _mm256_blendv_epi8(first, other, _mm256_srai_epi32(place, 31));
        firsts += firsts_count;
        steps += 8 - firsts_count;
        sums = _mm256_add_epi32(sums, _mm256_slli_si256(sums, 4));
        sums = _mm256_add_epi32(sums, _mm256_slli_si256(sums, 8));
        __m256i lower = _mm256_permutevar8x32_epi32(sums, third);
        sums = _mm256_add_epi32(sums, _mm256_blend_epi32(zero, lower, 0xf0));
        __m256i now = _mm256_add_epi32(sums, carry);
        carry = _mm256_add_epi32(carry, _mm256_permutevar8x32_epi32(sums, last));
        low = _mm256_min_epu32(low, now);
        high = _mm256_max_epu32(high, now);
        _mm256_storeu_si256((__m256i *)(void *)(offsets + row), _mm256_add_epi32(now, begin));
    }
    uint32_t lows[8], highs[8];
    _mm256_storeu_si256((__m256i *)(void *)lows, low);
    _mm256_storeu_si256((__m256i *)(void *)highs, high);
    for (unsigned i = 0; i < 8; i++) {
        work->low = lows[i] < work->low ? lows[i] : work->low;
        work->high = highs[i] > work->high ? highs[i] : work->high;
    }
    work->firsts += firsts - work->firsts;
    work->steps += steps - work->steps;
    return row;
}
#else
static size_t sum_avx2(chain *work, uint32_t *offsets)
{
    (void)work, (void)offsets;
    return 0;
}
#endif

/* Running sums of the chain, plus `begin`. */
static void sum_chain(chain *work, uint32_t *offsets)
{
    if (!wp_has_avx2()) {
        sum_plain(work, offsets);
        return;
    }
    memset(work->is_first, 0, (work->count / 64 + 1) * sizeof *work->is_first);
    size_t row = 0;
    for (size_t user = 0; user < work->users_count; row += work->rows_counts[user++])
        work->is_first[row >> 6] |= 1ULL << (row & 63);
    row = sum_avx2(work, offsets);
    for (uint32_t now = row > 0 ? offsets[row - 1] - work->begin : 0; row < work->count; row++) {
        now += (work->is_first[row >> 6] >> (row & 63) & 1) != 0 ? *work->firsts++ : *work->steps++;
        work->low = now < work->low ? now : work->low;
        work->high = now > work->high ? now : work->high;
        offsets[row] = now + work->begin;
    }
}

size_t wp_segment_offsets_room(size_t count)
{
    return count + 16 + 2 * (count / 64 + 2);
}

wp_status wp_segment_offsets(const wp_segment *segment, const uint32_t *rows_counts,
                             size_t users_count, size_t count, const wp_times *times,
                             int64_t first_us, int64_t last_us, uint32_t *room, uint32_t *offsets,
                             bool *fits, wp_error *err)
{
    int64_t base, unit;
    wp_unpacker from;
    *fits = false;
    WP_TRY(open_times(segment, &base, &unit, &from, err));
    uint64_t span = (uint64_t)(last_us - first_us) / (uint64_t)unit;
    uint64_t scale = (uint64_t)(unit / times->unit_us);
    if (base != first_us || unit % times->unit_us != 0 || span > INT32_MAX || count < users_count)
        return WP_OK; /* the long way says what is wrong, if anything is */
    uint64_t *is_first = (uint64_t *)(void *)room; /* aligned as any memory */
    uint32_t *firsts = room + 2 * (count / 64 + 2), *steps = firsts + users_count;
    chain work = {.firsts = firsts,
                  .steps = steps,
                  .is_first = is_first,
                  .rows_counts = rows_counts,
                  .users_count = users_count,
                  .count = count,
                  .begin =
                      (uint32_t)((uint64_t)(first_us - times->base_us) / (uint64_t)times->unit_us),
                  .low = UINT32_MAX};
    if (!wp_unpack32(&from, firsts, users_count, 32) ||
        !wp_unpack32(&from, steps, count - users_count, 31) || from.at != from.end)
        return WP_OK;
    memset(steps + (count - users_count), 0, 8 * sizeof *steps); /* looked at, never used */
    for (size_t user = 0; user < users_count; user++)
        firsts[user] = firsts[user] >> 1 ^ -(firsts[user] & 1);
    sum_chain(&work, offsets);
    for (size_t row = 0; scale != 1 && row < count; row++)
        offsets[row] = (offsets[row] - work.begin) * (uint32_t)scale + work.begin;
    /* No step is longer than 2^31, so that a sum beyond either end, modulo 2^32, is found beyond
    ** the span, which is shorter. */
    *fits = work.low == 0 && work.high == span;
    return WP_OK;
}
