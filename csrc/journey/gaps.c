/* Gaps between a user's events by the class of the earlier one: two scans.
**
** The first counts per range of users and class, the second writes every gap at its place, so that
** no two ranges share a place and lists come out the same for any number of threads. */
#include "journey/flow.h"

#include "base/memory.h"
#include "journey/select.h"

#define RANGES 16u
#define MICROS 1000000LL
#define DAY_US (86400 * MICROS)

const int64_t wp_gap_bands_us[WP_GAP_BANDS - 1] = {
    MICROS, 10 * MICROS, 60 * MICROS, 300 * MICROS, 1800 * MICROS, 3600 * MICROS, 6 * 3600 * MICROS,
    DAY_US, 7 * DAY_US,  30 * DAY_US, 90 * DAY_US};

typedef struct gap_count {
    uint64_t events_count, count, users_count;
    size_t place;       /* second scan: where the next gap goes */
    uint32_t last_user; /* the user counted last, plus one */
} gap_count;

typedef struct gap_work {
    const wp_classes *classes;
    int64_t timeout_us, cap_us;
    wp_scratch scratch;
    uint32_t starts[RANGES + 1], classes_count;
    gap_count *counts[RANGES]; /* per class */
    int64_t *gaps_us;          /* NULL in the first scan */
    size_t *ends;              /* per class, of its gaps */
    wp_gap_row *rows;
} gap_work;

static void scan_journey(gap_work *work, const wp_columns *columns, gap_count *counts,
                         uint32_t user, const wp_rows *rows)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = wp_rows_at(rows, i);
        int32_t class = wp_class_at(work->classes, columns, user, row);
        if (class < 0)
            continue;
        gap_count *count = &counts[class];
        count->events_count += work->gaps_us == NULL;
        if (i + 1 == rows->count)
            continue;
        int64_t gap_us =
            wp_time_at(&columns->times, wp_rows_at(rows, i + 1)) - wp_time_at(&columns->times, row);
        if (work->timeout_us >= 0 && gap_us > work->timeout_us)
            continue;
        if (work->gaps_us != NULL) {
            work->gaps_us[count->place++] = gap_us;
            continue;
        }
        count->count++;
        count->users_count += count->last_user != user + 1;
        count->last_user = user + 1;
    }
}

static wp_status gap_range(void *context, const wp_log *log, wp_piece piece, unsigned worker,
                           wp_error *err)
{
    gap_work *work = context;
    gap_count **counts = &work->counts[piece.chunk];
    if (*counts == NULL)
        *counts = wp_alloc_array_zero(work->classes_count, sizeof **counts);
    if (*counts == NULL)
        return wp_fail_memory(err, work->classes_count * sizeof **counts);
    for (uint32_t user = piece.first; user < piece.last; user++) {
        wp_rows rows = wp_rows_of(log, user, work->scratch.rows[worker]);
        scan_journey(work, log->columns, *counts, user, &rows);
    }
    return WP_OK;
}

/* Chunk: a class. */
static wp_status figure_class(void *context, size_t class, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    gap_work *work = context;
    wp_gap_row *row = &work->rows[class];
    int64_t *gaps_us = work->gaps_us + work->ends[class] - (size_t)row->count;
    int64_t longest_us = 0;
    for (size_t i = 0; i < row->count; i++) {
        unsigned band = 0;
        while (band < WP_GAP_BANDS - 1 && gaps_us[i] > wp_gap_bands_us[band])
            band++;
        row->bands[band]++;
        longest_us = gaps_us[i] > longest_us ? gaps_us[i] : longest_us;
        row->capped_seconds +=
            (double)(gaps_us[i] < work->cap_us ? gaps_us[i] : work->cap_us) / 1e6;
    }
    if (row->count == 0)
        return WP_OK;
    static const double points[WP_GAP_POINTS] = {0.5, 0.75, 0.9, 0.99};
    wp_quantiles_i64(gaps_us, (size_t)row->count, points, WP_GAP_POINTS, row->seconds);
    for (unsigned p = 0; p < WP_GAP_POINTS; p++)
        row->seconds[p] /= 1e6;
    row->max_seconds = (double)longest_us / 1e6;
    return WP_OK;
}

/* Sums the ranges and gives every range its places. */
static wp_status fold(gap_work *work, uint32_t ranges, wp_error *err)
{
    size_t place = 0;
    work->rows = wp_alloc_array_zero((size_t)work->classes_count + 1, sizeof *work->rows);
    work->ends = wp_alloc_array_zero((size_t)work->classes_count + 1, sizeof *work->ends);
    if (work->rows == NULL || work->ends == NULL)
        return wp_fail_memory(err, work->classes_count * sizeof *work->rows);
    for (uint32_t class = 0; class < work->classes_count; class ++) {
        wp_gap_row *row = &work->rows[class];
        for (uint32_t i = 0; i < ranges; i++) {
            gap_count *count = &work->counts[i][class];
            count->place = place;
            place += (size_t)count->count;
            row->events_count += count->events_count;
            row->count += count->count;
            row->users_count += count->users_count;
        }
        work->ends[class] = place;
        for (unsigned p = 0; p < WP_GAP_POINTS; p++)
            row->seconds[p] = NAN;
        row->max_seconds = NAN;
    }
    work->gaps_us = wp_alloc_array(place + 1, sizeof *work->gaps_us);
    return work->gaps_us != NULL ? WP_OK : wp_fail_memory(err, place * sizeof *work->gaps_us);
}

wp_status wp_gaps_measure(const wp_log *log, const wp_classes *classes, int64_t timeout_us,
                          int64_t cap_us, const wp_run *run, wp_gaps *out, wp_error *err)
{
    gap_work work = {.classes = classes, .timeout_us = timeout_us, .cap_us = cap_us};
    work.classes_count = wp_classes_count(classes, log->columns);
    WP_TRY(wp_scratch_start(log, run, &work.scratch, err));
    uint32_t ranges = wp_user_ranges(log->columns, RANGES, work.starts);
    wp_status status =
        wp_log_scan(log, WP_READS_ROWS, work.starts, ranges, run, gap_range, &work, err);
    if (status == WP_OK)
        status = fold(&work, ranges, err);
    if (status == WP_OK)
        status = wp_log_scan(log, WP_READS_ROWS, work.starts, ranges, run, gap_range, &work, err);
    if (status == WP_OK)
        status = wp_pool_run(run, work.classes_count, figure_class, &work, err);
    for (uint32_t i = 0; i < ranges; i++)
        wp_free(work.counts[i]);
    wp_free(work.gaps_us);
    wp_free(work.ends);
    wp_scratch_reset(&work.scratch);
    if (status == WP_OK)
        *out = (wp_gaps){work.rows, work.classes_count};
    else
        wp_free(work.rows);
    return status;
}

void wp_gaps_reset(wp_gaps *gaps)
{
    wp_free(gaps->rows);
    *gaps = (wp_gaps){0};
}
