/* Sessions of a whole log whose times are 32-bit offsets, the case of nearly every log, over the
** rows as one column instead of journey by journey.
**
** Data structure: for a block of rows that fits the first-level cache a bitmap, set where a session
** starts: the gap before the row is too long, or the row is a user's first. Gaps are compared
** sixteen at a time; then only the set bits are visited, each ending the session before it. Sizes
** and durations are counted in tallies (select.h), one per worker, and never listed.
**
** Cost: one pass over the times, with 0.5 ns per row and 3 ns per session on one thread; a second
** one where a quantile of the durations lies above 4,095 units of time. */
#include "base/memory.h"
#include "journey/flow.h"
#include "journey/select.h"

#include <stdatomic.h>

#if defined(__SSE2__)
#    include <emmintrin.h>
#endif

#define RANGES     64u
#define BLOCK_ROWS 4096u
#define POINTS     2u

/* What is measured of every session. */
typedef enum figure { SIZE, DURATION, FIGURES } figure;

static const double points[POINTS] = {0.5, 0.9};

typedef struct tally {
    uint32_t counts[FIGURES][WP_TALLY_BINS];
    uint32_t most[FIGURES]; /* largest values */
    uint64_t users_count, sessions_count;
} tally;

/* Values of marked bins. */
typedef struct value_list {
    uint8_t marks[WP_TALLY_BINS];
    uint32_t *values;
    size_t values_count;
    atomic_size_t listed;
} value_list;

typedef struct cut_work {
    uint32_t timeout; /* in the unit of the offsets */
    uint32_t starts[RANGES + 1];
    tally **tallies; /* per worker, NULL until it has work */
    tally *sum;      /* one of them, in the end with what the others have */
    value_list lists[FIGURES];
} cut_work;

/* --- Cutting --------------------------------------------------------------------------------- */

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

/* Fills the bits of rows from .. from + count - 1 of a range; its row 0 has no row before it. */
static void mark_gaps(const uint32_t *times, uint32_t from, uint32_t count, uint32_t timeout,
                      uint64_t *bits)
{
    for (uint32_t i = 0; i < count; i += 64) {
        if (from + i > 0 && count - i >= 64) {
            bits[i >> 6] = long_gaps(times + from + i, timeout);
            continue;
        }
        uint64_t few = 0;
        for (uint32_t k = from + i > 0 ? i : 1; k < count && k < i + 64; k++)
            few |= (uint64_t)(times[from + k] - times[from + k - 1] > timeout) << (k & 63);
        bits[i >> 6] = few;
    }
}

/* Marks the first rows of users that lie in the block; *user moves on to the first user behind it.
** Returns how many there are. */
static uint32_t mark_users(const uint32_t *row_starts, uint32_t *user, uint32_t last_user,
                           uint32_t first_row, uint32_t count, uint64_t *bits)
{
    uint32_t found = 0, i = *user;
    for (; i < last_user && row_starts[i] - first_row < count; i++) {
        uint32_t at = row_starts[i] - first_row;
        bool has_rows = row_starts[i + 1] > row_starts[i];
        bits[at >> 6] |= (uint64_t)has_rows << (at & 63);
        found += has_rows;
    }
    *user = i;
    return found;
}

static inline void count_session(tally *t, uint32_t size, uint32_t duration)
{
    t->counts[SIZE][wp_tally_bin(size)]++;
    t->counts[DURATION][wp_tally_bin(duration)]++;
    t->most[SIZE] = size > t->most[SIZE] ? size : t->most[SIZE];
    t->most[DURATION] = duration > t->most[DURATION] ? duration : t->most[DURATION];
    t->sessions_count++;
}

static inline void list_value(value_list *list, uint32_t value)
{
    if (list->values != NULL && list->marks[wp_tally_bin(value)] != 0)
        list->values[atomic_fetch_add_explicit(&list->listed, 1, memory_order_relaxed)] = value;
}

/* For every session of some users: counts it in *t or, without, lists its values. */
static inline __attribute__((always_inline)) void
cut_users(cut_work *work, const wp_columns *columns, wp_piece piece, tally *t)
{
    const uint32_t *row_starts = columns->row_starts;
    uint32_t user = piece.first, last_user = piece.last;
    uint32_t first = row_starts[user], count = row_starts[last_user] - first, began = 0;
    const uint32_t *times = columns->times.offsets + first;
    uint64_t bits[BLOCK_ROWS / 64];
    for (uint32_t from = 0; from < count; from += BLOCK_ROWS) {
        uint32_t rows = count - from < BLOCK_ROWS ? count - from : BLOCK_ROWS;
        mark_gaps(times, from, rows, work->timeout, bits);
        uint32_t users = mark_users(row_starts, &user, last_user, first + from, rows, bits);
        if (t != NULL)
            t->users_count += users;
        if (from == 0)
            bits[0] &= ~1ULL; /* the first session has begun already */
        for (uint32_t word = 0; word <= (rows - 1) / 64; word++)
            for (uint64_t left = bits[word]; left != 0; left &= left - 1) {
                uint32_t next = from + word * 64 + (uint32_t)__builtin_ctzll(left);
                uint32_t duration = times[next - 1] - times[began];
                if (t != NULL) {
                    count_session(t, next - began, duration);
                } else {
                    list_value(&work->lists[SIZE], next - began);
                    list_value(&work->lists[DURATION], duration);
                }
                began = next;
            }
    }
    if (count == 0)
        return;
    if (t != NULL) {
        count_session(t, count - began, times[count - 1] - times[began]);
    } else {
        list_value(&work->lists[SIZE], count - began);
        list_value(&work->lists[DURATION], times[count - 1] - times[began]);
    }
}

static wp_status count_range(void *context, const wp_log *log, wp_piece piece, unsigned worker,
                             wp_error *err)
{
    cut_work *work = context;
    if (work->tallies[worker] == NULL)
        work->tallies[worker] = wp_alloc_zero(sizeof(tally));
    if (work->tallies[worker] == NULL)
        return wp_fail_memory(err, sizeof(tally));
    cut_users(work, log->columns, piece, work->tallies[worker]);
    return WP_OK;
}

static wp_status list_range(void *context, const wp_log *log, wp_piece piece, unsigned worker,
                            wp_error *err)
{
    (void)worker;
    (void)err;
    cut_users(context, log->columns, piece, NULL);
    return WP_OK;
}

/* --- Figures --------------------------------------------------------------------------------- */

/* Only as far as there is anything: the memory behind was never touched. */
static void add_tally(tally *sum, const tally *t)
{
    for (unsigned f = 0; f < FIGURES; f++) {
        for (uint32_t bin = 0; bin <= wp_tally_bin(t->most[f]); bin++)
            sum->counts[f][bin] += t->counts[f][bin];
        sum->most[f] = t->most[f] > sum->most[f] ? t->most[f] : sum->most[f];
    }
    sum->users_count += t->users_count;
    sum->sessions_count += t->sessions_count;
}

static void sum_tallies(cut_work *work, unsigned workers)
{
    for (unsigned i = 0; i < workers; i++) {
        if (work->tallies[i] != NULL && work->sum != NULL)
            add_tally(work->sum, work->tallies[i]);
        else if (work->tallies[i] != NULL)
            work->sum = work->tallies[i];
    }
}

static wp_status find_quantiles(cut_work *work, const wp_log *log, uint32_t ranges, size_t sessions,
                                const wp_run *run, double found[FIGURES][POINTS], wp_error *err)
{
    bool listed = false;
    for (unsigned f = 0; f < FIGURES; f++) {
        value_list *list = &work->lists[f];
        wp_tally_mark(work->sum->counts[f], sessions, points, POINTS, list->marks,
                      &list->values_count);
        if (list->values_count == 0)
            continue;
        list->values = wp_alloc_array(list->values_count, sizeof *list->values);
        if (list->values == NULL)
            return wp_fail_memory(err, list->values_count * sizeof *list->values);
        listed = true;
    }
    if (listed)
        WP_TRY(wp_log_scan(log, WP_READS_TIMES, work->starts, ranges, run, list_range, work, err));
    for (unsigned f = 0; f < FIGURES; f++)
        wp_tally_quantiles(work->sum->counts[f], work->lists[f].marks, sessions,
                           f == DURATION ? (double)log->columns->times.unit_us : 1, points, POINTS,
                           work->lists[f].values, work->lists[f].values_count, found[f]);
    return WP_OK;
}

static wp_status fill_in(cut_work *work, const wp_log *log, uint32_t ranges, const wp_run *run,
                         wp_sessions *out, wp_error *err)
{
    double found[FIGURES][POINTS];
    if (work->sum == NULL)
        return WP_OK; /* no users */
    *out = (wp_sessions){.events_count = log->columns->events_count,
                         .users_count = work->sum->users_count,
                         .sessions_count = work->sum->sessions_count,
                         .single_event_count = work->sum->counts[SIZE][1]};
    if (out->sessions_count == 0)
        return WP_OK;
    WP_TRY(find_quantiles(work, log, ranges, out->sessions_count, run, found, err));
    out->mean_events = (double)out->events_count / (double)out->sessions_count;
    out->median_events = found[SIZE][0];
    out->median_seconds = found[DURATION][0] / 1e6;
    out->p90_seconds = found[DURATION][1] / 1e6;
    out->max_seconds =
        (double)work->sum->most[DURATION] * (double)log->columns->times.unit_us / 1e6;
    return WP_OK;
}

wp_status wp__sessions_plain(const wp_log *log, int64_t timeout, const wp_run *run,
                             wp_sessions *out, wp_error *err)
{
    unsigned workers = wp_run_threads(run);
    cut_work *work = wp_alloc_zero(sizeof *work);
    tally **tallies = wp_alloc_array_zero(workers, sizeof *tallies);
    wp_sessions result = {0};
    wp_status status = WP_OK;
    if (work == NULL || tallies == NULL) {
        status = wp_fail_memory(err, sizeof *work);
    } else {
        work->tallies = tallies;
        work->timeout = timeout > UINT32_MAX ? UINT32_MAX : (uint32_t)timeout;
        uint32_t ranges = wp_user_ranges(log->columns, RANGES, work->starts);
        if (log->columns->users_count == 0)
            ranges = 0;
        status =
            wp_log_scan(log, WP_READS_TIMES, work->starts, ranges, run, count_range, work, err);
        if (status == WP_OK) {
            sum_tallies(work, workers);
            status = fill_in(work, log, ranges, run, &result, err);
        }
        for (unsigned i = 0; i < workers; i++)
            wp_free(tallies[i]);
        for (unsigned f = 0; f < FIGURES; f++)
            wp_free(work->lists[f].values);
    }
    wp_free(tallies);
    wp_free(work);
    if (status == WP_OK)
        *out = result;
    return status;
}
