/* Retention in one scan: every range of users fills its own cohort-by-offset tables, which are
** summed. A user counts once per period through a stamp per offset. */
#include "journey/flow.h"

#include "base/memory.h"
#include "journey/below.h"

#define RANGES 16u

typedef struct retention_part {
    uint64_t *users, *active, *observable; /* as in wp_retention */
    uint32_t *stamp;                       /* per offset: last user counted there, plus one */
} retention_part;

typedef struct retention_work {
    const wp_log *log;
    const wp_retention_options *options;
    wp_scratch scratch;
    uint32_t starts[RANGES + 1];
    retention_part parts[RANGES];
    /* The plain question: the boundaries as offsets of the log, each the first one at or after. */
    uint32_t *bounds;        /* periods_count + 1; NULL: not plain */
    double periods_per_tick; /* about: where to look for a period first */
} retention_work;

/* The period that holds the instant; `hint` is where to look first. */
static uint32_t period_of(const wp_retention_options *options, int64_t time_us, uint32_t hint)
{
    const int64_t *b = options->boundaries_us;
    if (time_us >= b[hint]) {
        while (hint + 1 < options->periods_count && time_us >= b[hint + 1] &&
               time_us < b[hint] + 8 * (b[hint + 1] - b[hint]))
            hint++;
        if (hint + 1 >= options->periods_count || time_us < b[hint + 1])
            return hint;
    }
    uint32_t low = 0, high = options->periods_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (b[middle] <= time_us)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Offset of an event, or offsets_count when it lies beyond the table. */
static uint32_t offset_of(const wp_retention_options *options, int64_t time_us, int64_t t0_us,
                          uint32_t cohort, uint32_t *hint)
{
    uint64_t offset;
    if (options->user_period_us > 0) {
        offset = (uint64_t)(time_us - t0_us) / (uint64_t)options->user_period_us;
    } else {
        *hint = period_of(options, time_us, *hint);
        offset = *hint - cohort;
    }
    return offset < options->offsets_count ? (uint32_t)offset : options->offsets_count;
}

static bool is_observable(const wp_retention_options *options, int64_t t0_us, uint32_t cohort,
                          uint32_t offset)
{
    if (options->user_period_us > 0)
        return t0_us + options->user_period_us * ((int64_t)offset + 1) <= options->as_of_us;
    uint32_t end = cohort + offset + 1;
    return end <= options->periods_count &&
           options->boundaries_us[end] <= options->as_of_us + 1; /* the last instant is inside */
}

static void count_user(const retention_work *work, const wp_columns *columns, retention_part *part,
                       uint32_t user, const wp_rows *rows)
{
    const wp_retention_options *options = work->options;
    uint32_t first = 0, offsets = options->offsets_count;
    while (first < rows->count &&
           !wp_selection_has(columns, options->start, user, wp_rows_at(rows, first)))
        first++;
    if (first == rows->count)
        return;
    int64_t t0_us = wp_time_at(&columns->times, wp_rows_at(rows, first));
    uint32_t cohort = period_of(options, t0_us, 0), hint = cohort, last = 0;
    uint64_t *active = part->active + (size_t)cohort * offsets;
    uint64_t *observable = part->observable + (size_t)cohort * offsets;
    bool relative = options->user_period_us > 0;
    part->users[cohort]++;
    bool back = false;
    for (uint32_t i = first; i < rows->count; i++) {
        uint32_t row = wp_rows_at(rows, i);
        if (!wp_selection_has(columns, options->returns, user, row))
            continue;
        uint32_t offset =
            offset_of(options, wp_time_at(&columns->times, row), t0_us, cohort, &hint);
        back = true;
        last = offset;
        if (offset == offsets)
            break; /* later events lie beyond the table as well */
        if (!options->on_or_after && part->stamp[offset] != user + 1 &&
            (!relative || is_observable(options, t0_us, cohort, offset))) {
            part->stamp[offset] = user + 1;
            active[offset]++;
        }
    }
    if (options->on_or_after && back)
        for (uint32_t offset = 0; offset < offsets && offset <= last; offset++)
            active[offset] += !relative || is_observable(options, t0_us, cohort, offset);
    if (!relative)
        return; /* the same for the whole cohort: counted at the end */
    for (uint32_t offset = 0; offset < offsets; offset++)
        observable[offset] += is_observable(options, t0_us, cohort, offset);
}

/* --- The plain question: a whole log with 32-bit times, calendar periods, every event ----------
**
** A user's rows of one period are neighbours, so the loop goes from period to period and skips the
** rows between by counting sixteen at a time. */

static bool accepts_all(const wp_selection *selection)
{
    return selection->codes == NULL && selection->conditions_count == 0;
}

static wp_status start_bounds(retention_work *work, wp_error *err)
{
    const wp_retention_options *options = work->options;
    const wp_times *times = &work->log->columns->times;
    if (work->log->rows != NULL || times->wide || options->user_period_us > 0 ||
        options->on_or_after || !accepts_all(options->start) || !accepts_all(options->returns))
        return WP_OK;
    work->bounds = wp_alloc_array((size_t)options->periods_count + 1, sizeof *work->bounds);
    if (work->bounds == NULL)
        return wp_fail_memory(err, options->periods_count * sizeof *work->bounds);
    for (uint32_t p = 0; p <= options->periods_count; p++) {
        int64_t since_us = options->boundaries_us[p] - times->base_us;
        int64_t tick = since_us <= 0 ? 0 : (since_us + times->unit_us - 1) / times->unit_us;
        work->bounds[p] = tick > UINT32_MAX ? UINT32_MAX : (uint32_t)tick;
    }
    work->periods_per_tick =
        options->periods_count / ((double)work->bounds[options->periods_count] + 1);
    return WP_OK;
}

/* The period of a tick; periods are nearly of one length, so the guess is hardly ever far off. */
static inline uint32_t period_at(const retention_work *work, uint32_t tick)
{
    const uint32_t *bounds = work->bounds;
    uint32_t period = (uint32_t)((double)tick * work->periods_per_tick);
    while (tick < bounds[period])
        period--;
    while (period + 1 < work->options->periods_count && tick >= bounds[period + 1])
        period++;
    return period;
}

static void count_plain(const retention_work *work, const wp_columns *columns, retention_part *part,
                        uint32_t first, uint32_t count)
{
    const uint32_t *ticks = columns->times.offsets;
    uint32_t offsets = work->options->offsets_count, row = first, end = first + count;
    uint32_t cohort = period_at(work, ticks[row]), period = cohort;
    uint64_t *active = part->active + (size_t)cohort * offsets;
    part->users[cohort]++;
    while (period - cohort < offsets) {
        active[period - cohort]++;
        if (period + 1 >= work->options->periods_count)
            return;
        row += wp_count_below(ticks + row, end - row, columns->events_count - row,
                              work->bounds[period + 1]);
        if (row == end)
            return;
        period = period_at(work, ticks[row]);
    }
}

static void part_reset(retention_part *part)
{
    wp_free(part->users);
    wp_free(part->active);
    wp_free(part->observable);
    wp_free(part->stamp);
}

static wp_status part_start(retention_part *part, const wp_retention_options *options,
                            wp_error *err)
{
    size_t cells = (size_t)options->periods_count * options->offsets_count;
    part->users = wp_alloc_array_zero(options->periods_count, sizeof *part->users);
    part->active = wp_alloc_array_zero(cells, sizeof *part->active);
    part->observable = wp_alloc_array_zero(cells, sizeof *part->observable);
    part->stamp = wp_alloc_array_zero(options->offsets_count, sizeof *part->stamp);
    if (part->users != NULL && part->active != NULL && part->observable != NULL &&
        part->stamp != NULL)
        return WP_OK;
    return wp_fail_memory(err, cells * 2 * sizeof *part->active);
}

static wp_status retention_range(void *context, const wp_log *log, wp_piece piece, unsigned worker,
                                 wp_error *err)
{
    retention_work *work = context;
    retention_part *part = &work->parts[piece.chunk];
    if (part->users == NULL)
        WP_TRY(part_start(part, work->options, err));
    for (uint32_t user = piece.first; user < piece.last; user++) {
        wp_rows rows = wp_rows_of(log, user, work->scratch.rows[worker]);
        if (work->bounds == NULL)
            count_user(work, log->columns, part, user, &rows);
        else if (rows.count > 0)
            count_plain(work, log->columns, part, rows.first, rows.count);
    }
    return WP_OK;
}

/* The sums take over the arrays of the first part. In the calendar a cell is observable for the
** whole cohort or for nobody. */
static void fold_parts(retention_work *work, uint32_t ranges, wp_retention *out)
{
    const wp_retention_options *options = work->options;
    size_t offsets = options->offsets_count, cells = options->periods_count * offsets;
    retention_part *sum = &work->parts[0];
    for (uint32_t i = 1; i < ranges; i++) {
        for (uint32_t c = 0; c < options->periods_count; c++)
            sum->users[c] += work->parts[i].users[c];
        for (size_t c = 0; c < cells; c++) {
            sum->active[c] += work->parts[i].active[c];
            sum->observable[c] += work->parts[i].observable[c];
        }
    }
    if (options->user_period_us == 0)
        for (uint32_t c = 0; c < options->periods_count; c++)
            for (uint32_t offset = 0; offset < offsets; offset++)
                if (is_observable(options, 0, c, offset))
                    sum->observable[c * offsets + offset] = sum->users[c];
    *out = (wp_retention){options->periods_count, options->offsets_count, sum->users, sum->active,
                          sum->observable};
    wp_free(sum->stamp);
    *sum = (retention_part){0};
}

wp_status wp_retention_measure(const wp_log *log, const wp_retention_options *options,
                               const wp_run *run, wp_retention *out, wp_error *err)
{
    retention_work work = {.log = log, .options = options};
    WP_TRY(wp_scratch_start(log, run, &work.scratch, err));
    uint32_t ranges = wp_user_ranges(log->columns, RANGES, work.starts);
    wp_reads reads =
        WP_READS_TIMES | wp_selection_reads(options->start) | wp_selection_reads(options->returns);
    wp_status status = start_bounds(&work, err);
    if (status == WP_OK)
        status = wp_log_scan(log, reads, work.starts, ranges, run, retention_range, &work, err);
    if (status == WP_OK)
        fold_parts(&work, ranges, out);
    for (uint32_t i = 0; i < ranges; i++)
        part_reset(&work.parts[i]);
    wp_free(work.bounds);
    wp_scratch_reset(&work.scratch);
    return status;
}

void wp_retention_reset(wp_retention *retention)
{
    wp_free(retention->users);
    wp_free(retention->active);
    wp_free(retention->observable);
    *retention = (wp_retention){0};
}
