/* Sessions in one scan: each range of users collects the sizes and durations of its sessions, and
** order statistics are selected from the joined lists. */
#include "journey/flow.h"

#include "base/memory.h"
#include "journey/select.h"

#define RANGES 64u

typedef struct session_part {
    uint32_t *sizes;
    int64_t *durations; /* in time units of the log, or microseconds */
    size_t count, capacity;
    uint64_t events_count, users_count;
} session_part;

typedef struct session_work {
    int64_t timeout; /* in the unit of time_in_units */
    uint32_t starts[RANGES + 1];
    session_part parts[RANGES];
    wp_scratch scratch;
} session_work;

static int64_t time_in_units(const wp_times *times, uint32_t row)
{
    return times->wide ? times->micros[row] : (int64_t)times->offsets[row];
}

static wp_status part_grow(session_part *part, size_t more, wp_error *err)
{
    if (part->capacity - part->count >= more)
        return WP_OK;
    size_t capacity = part->capacity * 2 + more + 1024;
    uint32_t *sizes = wp_realloc_array(part->sizes, capacity, sizeof *sizes);
    if (sizes != NULL)
        part->sizes = sizes;
    int64_t *durations = wp_realloc_array(part->durations, capacity, sizeof *durations);
    if (durations != NULL)
        part->durations = durations;
    if (sizes == NULL || durations == NULL)
        return wp_fail_memory(err, capacity * sizeof *durations);
    part->capacity = capacity;
    return WP_OK;
}

/* Cuts one journey; part has room for rows->count more sessions. The cut is written without a
** branch: the running session is stored at every row and the place moves on at a long gap. */
static void cut_journey(const wp_times *times, const wp_rows *rows, int64_t timeout,
                        session_part *part)
{
    size_t place = part->count;
    int64_t began = time_in_units(times, wp_rows_at(rows, 0)), before = began;
    uint32_t size = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        int64_t now = time_in_units(times, wp_rows_at(rows, i));
        bool cut = now - before > timeout;
        place += cut;
        began = cut ? now : began;
        size = cut ? 1 : size + 1;
        part->sizes[place] = size;
        part->durations[place] = now - began;
        before = now;
    }
    part->count = place + 1;
}

static wp_status session_range(void *context, const wp_log *log, wp_piece piece, unsigned worker,
                               wp_error *err)
{
    session_work *work = context;
    session_part *part = &work->parts[piece.chunk];
    for (uint32_t user = piece.first; user < piece.last; user++) {
        wp_rows rows = wp_rows_of(log, user, work->scratch.rows[worker]);
        if (rows.count == 0)
            continue;
        WP_TRY(part_grow(part, rows.count, err));
        cut_journey(&log->columns->times, &rows, work->timeout, part);
        part->events_count += rows.count;
        part->users_count++;
    }
    return WP_OK;
}

/* Joins the parts into the first one's place in new arrays and fills the statistics. */
static wp_status join_parts(session_work *work, uint32_t ranges, int64_t unit_us, wp_sessions *out,
                            wp_error *err)
{
    size_t total = 0;
    for (uint32_t i = 0; i < ranges; i++)
        total += work->parts[i].count;
    uint32_t *sizes = wp_alloc_array(total + 1, sizeof *sizes);
    int64_t *durations = wp_alloc_array(total + 1, sizeof *durations);
    if (sizes == NULL || durations == NULL) {
        wp_free(sizes);
        wp_free(durations);
        return wp_fail_memory(err, total * (sizeof *sizes + sizeof *durations));
    }
    wp_sessions result = {.sessions_count = total};
    int64_t longest = 0;
    size_t at = 0;
    for (uint32_t i = 0; i < ranges; i++) {
        const session_part *part = &work->parts[i];
        for (size_t k = 0; k < part->count; k++, at++) {
            sizes[at] = part->sizes[k];
            durations[at] = part->durations[k] * unit_us;
            result.single_event_count += part->sizes[k] == 1;
            longest = durations[at] > longest ? durations[at] : longest;
        }
        result.events_count += part->events_count;
        result.users_count += part->users_count;
    }
    if (total > 0) {
        result.mean_events = (double)result.events_count / (double)total;
        const double points[] = {0.5, 0.9};
        double found[2];
        wp_quantiles_u32(sizes, total, 1, points, 1, &result.median_events);
        wp_quantiles_i64(durations, total, points, 2, found);
        result.median_seconds = found[0] / 1e6;
        result.p90_seconds = found[1] / 1e6;
        result.max_seconds = (double)longest / 1e6;
    }
    wp_free(sizes);
    wp_free(durations);
    *out = result;
    return WP_OK;
}

wp_status wp_sessions_measure(const wp_log *log, int64_t timeout_us, const wp_run *run,
                              wp_sessions *out, wp_error *err)
{
    const wp_times *times = &log->columns->times;
    int64_t unit_us = times->wide ? 1 : times->unit_us;
    if (log->rows == NULL && !times->wide && timeout_us >= 0)
        return wp__sessions_plain(log, timeout_us / unit_us, run, out, err);
    session_work work = {.timeout = timeout_us / unit_us};
    WP_TRY(wp_scratch_start(log, run, &work.scratch, err));
    uint32_t ranges = wp_user_ranges(log->columns, RANGES, work.starts);
    wp_status status =
        wp_log_scan(log, WP_READS_TIMES, work.starts, ranges, run, session_range, &work, err);
    if (status == WP_OK)
        status = join_parts(&work, ranges, unit_us, out, err);
    for (uint32_t i = 0; i < ranges; i++) {
        wp_free(work.parts[i].sizes);
        wp_free(work.parts[i].durations);
    }
    wp_scratch_reset(&work.scratch);
    return status;
}
