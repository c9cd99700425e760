/* Leaves: one number per user of a span.
**
** Each kind is one small loop over the rows of its window; the kinds are spread over
** metric_count.c (counting), metric_value.c (numbers and different values), metric_time.c
** (durations) and metric_order.c (stages, loops, matches). A loop reads the span and writes
** out[user]; it allocates nothing: what it needs beyond is in wp_metric_room. */
#ifndef WP_JOURNEY_METRIC_H
#define WP_JOURNEY_METRIC_H

#include "journey/window.h"

typedef struct wp_metric_room {
    uint32_t *stamps; /* one per code of the widest dictionary that `distinct` reads */
    uint32_t stamp;   /* value that means "seen by this user" */
    uint32_t stamps_count;
    double *numbers; /* one per row of the longest journey; for distinct numbers */
    int64_t *gaps;   /* the same; for medians */
    /* For matches: behind the last row of each user (of a span) that the last step accepts. Leaves
    ** that ask one after the other for the same last step share it. */
    uint32_t *ends;
    uint32_t ends_span, ends_step, ends_window; /* whose they are; ends_span: 1 + first frame row */
} wp_metric_room;

typedef struct wp_leaf_run {
    const wp_span *span;
    const wp_leaf *leaf;
    const uint32_t *lo, *hi; /* the window's rows, by user */
    wp_metric_room *room;
    uint32_t first_frame_row; /* frame row of the span's first user */
    double *out;              /* one per user of the span */
} wp_leaf_run;

/* Room for the leaves of a plan over spans of at most users_room users and rows_room rows. */
WP_NODISCARD wp_status wp_metric_room_init(wp_metric_room *room, const wp_plan *plan,
                                           const wp_columns *columns, uint32_t users_room,
                                           uint32_t rows_room, wp_error *err);
void wp_metric_room_reset(wp_metric_room *room);

void wp_leaf_measure(const wp_leaf_run *run);

/* By file. */
void wp__measure_counts(const wp_leaf_run *run);
void wp__measure_values(const wp_leaf_run *run);
void wp__measure_distinct(const wp_leaf_run *run);
void wp__measure_anchor(const wp_leaf_run *run);
void wp__measure_times(const wp_leaf_run *run);
void wp__measure_order(const wp_leaf_run *run);

/* The next row in [local, end) that the selection accepts, or end. */
static inline uint32_t wp_next_match(const wp_span *span, uint32_t selection, uint32_t local,
                                     uint32_t end)
{
    while (local < end && !wp_span_has(span, selection, local))
        local++;
    return local;
}

static inline double wp_seconds(int64_t micros)
{
    return (double)micros / 1e6;
}

#endif
