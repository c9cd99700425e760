/* Sessions of a whole log whose times are 32-bit offsets, the case of nearly every log, over the
** rows as one column instead of journey by journey.
**
** Data structure: per range of users a bitmap of its rows, set where a session starts: the gap
** before the row is too long, or the row is a user's first. Gaps are compared four at a time; then
** only the set bits are visited, each ending the session before it. Two passes, so that the lists
** are made once at their size: 0.4 ns per row and 3 ns per session on one thread. */
#include "base/memory.h"
#include "journey/flow.h"
#include "journey/select.h"

#if defined(__SSE2__)
#    include <emmintrin.h>
#endif

#define RANGES 64u

typedef struct cut_range {
    uint64_t *bits; /* bit i: a session starts at the range's row i */
    size_t sessions_count, place;
    uint64_t single_count;
    uint32_t users_count, longest;
} cut_range;

typedef struct cut_work {
    const wp_columns *columns;
    uint32_t timeout; /* in the unit of the offsets */
    uint32_t starts[RANGES + 1];
    cut_range ranges[RANGES];
    uint32_t *sizes, *durations;
    size_t total;
    wp_sessions *out;
} cut_work;

/* Bits of 64 gaps: times[i] - times[i - 1] > timeout. What it says of users' first rows is
** overruled afterwards. */
static uint64_t long_gaps(const uint32_t *times, uint32_t timeout)
{
    uint64_t bits = 0;
#if defined(__SSE2__)
    const __m128i sign = _mm_set1_epi32(INT32_MIN);
    const __m128i limit = _mm_xor_si128(_mm_set1_epi32((int)timeout), sign);
    for (unsigned i = 0; i < 64; i += 16) {
        __m128i wide[4];
        for (unsigned k = 0; k < 4; k++) {
            const uint32_t *at = times + i + 4 * k;
            __m128i now = _mm_loadu_si128((const __m128i *)(const void *)at);
            __m128i before = _mm_loadu_si128((const __m128i *)(const void *)(at - 1));
            wide[k] = _mm_cmpgt_epi32(_mm_xor_si128(_mm_sub_epi32(now, before), sign), limit);
        }
        __m128i narrow =
            _mm_packs_epi16(_mm_packs_epi32(wide[0], wide[1]), _mm_packs_epi32(wide[2], wide[3]));
        bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(narrow) << i;
    }
#else
    for (unsigned i = 0; i < 64; i++)
        bits |= (uint64_t)(times[i] - times[i - 1] > timeout) << i;
#endif
    return bits;
}

static wp_status cut_rows(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    cut_work *work = context;
    cut_range *range = &work->ranges[chunk];
    const uint32_t *row_starts = work->columns->row_starts;
    uint32_t first_user = work->starts[chunk], last_user = work->starts[chunk + 1];
    uint32_t first = row_starts[first_user], count = row_starts[last_user] - first;
    const uint32_t *times = work->columns->times.offsets + first;
    uint64_t *bits = range->bits = wp_alloc_array_zero((size_t)count / 64 + 1, sizeof *bits);
    if (bits == NULL)
        return wp_fail_memory(err, count / 8);
    for (uint32_t i = 1; i < count;) { /* row 0 has no row before it */
        if ((i & 63) == 0 && count - i >= 64) {
            bits[i >> 6] = long_gaps(times + i, work->timeout);
            i += 64;
        } else {
            bits[i >> 6] |= (uint64_t)(times[i] - times[i - 1] > work->timeout) << (i & 63);
            i++;
        }
    }
    for (uint32_t user = first_user; user < last_user; user++) {
        uint32_t at = row_starts[user] - first;
        bool has_rows = row_starts[user + 1] - first > at;
        bits[at >> 6] |= (uint64_t)has_rows << (at & 63);
        range->users_count += has_rows;
    }
    for (uint32_t word = 0; word <= count / 64; word++)
        range->sessions_count += (size_t)__builtin_popcountll(bits[word]);
    return WP_OK;
}

static wp_status list_sessions(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    cut_work *work = context;
    cut_range *range = &work->ranges[chunk];
    if (range->sessions_count == 0)
        return WP_OK;
    const uint32_t *row_starts = work->columns->row_starts;
    uint32_t first = row_starts[work->starts[chunk]];
    uint32_t count = row_starts[work->starts[chunk + 1]] - first;
    const uint32_t *times = work->columns->times.offsets + first;
    uint32_t *sizes = work->sizes + range->place, *durations = work->durations + range->place;
    uint32_t began = 0, longest = 0, single = 0;
    size_t at = 0;
    range->bits[0] &= ~(uint64_t)1;                  /* the first session began already */
    range->bits[count >> 6] |= 1ULL << (count & 63); /* and the last one ends */
    for (uint32_t word = 0; word <= count / 64; word++)
        for (uint64_t left = range->bits[word]; left != 0; left &= left - 1) {
            uint32_t next = word * 64 + (uint32_t)__builtin_ctzll(left);
            uint32_t duration = times[next - 1] - times[began];
            sizes[at] = next - began;
            durations[at++] = duration;
            single += next - began == 1;
            longest = duration > longest ? duration : longest;
            began = next;
        }
    range->single_count = single;
    range->longest = longest;
    return WP_OK;
}

/* Chunk 0: events per session; chunk 1: durations. */
static wp_status select_figures(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    cut_work *work = context;
    const double points[] = {0.5, 0.9};
    double found[2], seconds_per_unit = (double)work->columns->times.unit_us / 1e6;
    if (chunk == 0) {
        wp_quantiles_u32(work->sizes, work->total, points, 1, &work->out->median_events);
        return WP_OK;
    }
    wp_quantiles_u32(work->durations, work->total, points, 2, found);
    work->out->median_seconds = found[0] * seconds_per_unit;
    work->out->p90_seconds = found[1] * seconds_per_unit;
    return WP_OK;
}

static wp_status sum_up(cut_work *work, uint32_t ranges, const wp_run *run, wp_error *err)
{
    wp_sessions *out = work->out;
    uint32_t longest = 0;
    for (uint32_t i = 0; i < ranges; i++) {
        work->ranges[i].place = work->total;
        work->total += work->ranges[i].sessions_count;
        out->users_count += work->ranges[i].users_count;
    }
    out->sessions_count = work->total;
    out->events_count = work->columns->events_count;
    if (work->total == 0)
        return WP_OK;
    work->sizes = wp_alloc_array(work->total, sizeof *work->sizes);
    work->durations = wp_alloc_array(work->total, sizeof *work->durations);
    if (work->sizes == NULL || work->durations == NULL)
        return wp_fail_memory(err, work->total * 8);
    WP_TRY(wp_pool_run(run, ranges, list_sessions, work, err));
    for (uint32_t i = 0; i < ranges; i++) {
        out->single_event_count += work->ranges[i].single_count;
        longest = work->ranges[i].longest > longest ? work->ranges[i].longest : longest;
    }
    out->mean_events = (double)out->events_count / (double)work->total;
    out->max_seconds = (double)longest * ((double)work->columns->times.unit_us / 1e6);
    return wp_pool_run(run, 2, select_figures, work, err);
}

wp_status wp__sessions_plain(const wp_log *log, int64_t timeout, const wp_run *run,
                             wp_sessions *out, wp_error *err)
{
    wp_sessions result = {0};
    cut_work work = {.columns = log->columns, .out = &result};
    work.timeout = timeout > UINT32_MAX ? UINT32_MAX : (uint32_t)timeout;
    uint32_t ranges = wp_user_ranges(log->columns, RANGES, work.starts);
    if (log->columns->users_count == 0)
        ranges = 0;
    wp_status status = wp_pool_run(run, ranges, cut_rows, &work, err);
    if (status == WP_OK)
        status = sum_up(&work, ranges, run, err);
    for (uint32_t i = 0; i < ranges; i++)
        wp_free(work.ranges[i].bits);
    wp_free(work.sizes);
    wp_free(work.durations);
    if (status == WP_OK)
        *out = result;
    return status;
}
