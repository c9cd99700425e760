/* A frame in memory: one row per user, columns no wider than their numbers need.
**
** Columns are immutable once the frame is handed out. Rows of a measured frame are in the order of
** the log's users; `users` then names them in `log`. A frame that the caller brought has neither.
** Cost: the sum of the columns' widths per row (did: 1 byte, counts: 4, the rest 8), plus 20 bytes
** per measured row for the user, t0 and the end of follow-up. */
#ifndef WP_JOURNEY_FRAME_H
#define WP_JOURNEY_FRAME_H

#include "journey/plan.h"

typedef struct wp_frame_column {
    wp_cell_type type;
    bool integral;
    bool instant; /* I64: microseconds UTC of a date or time the caller brought */
    void *data;
    const wp_dictionary *texts; /* numbers are codes of it; borrowed from the log, or own_texts */
    wp_dictionary own_texts;
    bool code_0_missing;
} wp_frame_column;

typedef struct wp_frame {
    uint32_t rows_count;
    uint32_t columns_count;
    wp_frame_column *columns;
    wp_log *log;     /* retained; NULL for a frame the caller brought */
    uint32_t *users; /* user of each row; NULL without a log */
    int64_t *t0_us, *end_us;
    /* users_total = outside + no_anchor + rows_count as measured */
    uint64_t users_total, outside, no_anchor;
} wp_frame;

/* A frame with room for rows and columns; column data are not allocated. */
WP_NODISCARD wp_status wp_frame_new(uint32_t rows_count, uint32_t columns_count, wp_frame **out,
                                    wp_error *err);
WP_NODISCARD wp_status wp_frame_column_alloc(wp_frame_column *column, uint32_t rows_count,
                                             wp_error *err);
void wp_frame_free(wp_frame *frame);
int64_t wp_frame_bytes(const wp_frame *frame);

static inline size_t wp_cell_width(wp_cell_type type)
{
    return type == WP_CELL_U8 ? 1 : type == WP_CELL_U32 ? 4 : 8;
}

/* The number in a cell; NaN when missing. */
static inline double wp_frame_number(const wp_frame_column *column, uint32_t row)
{
    switch (column->type) {
    case WP_CELL_U8: {
        uint8_t cell = ((const uint8_t *)column->data)[row];
        return cell == UINT8_MAX ? (double)NAN : (double)cell;
    }
    case WP_CELL_U32: {
        uint32_t cell = ((const uint32_t *)column->data)[row];
        return cell == UINT32_MAX ? (double)NAN : (double)cell;
    }
    case WP_CELL_I64: {
        int64_t cell = ((const int64_t *)column->data)[row];
        return cell == WP_TIME_MISSING ? NAN : (double)cell;
    }
    default:
        return ((const double *)column->data)[row];
    }
}

/* All numbers of a column; NaN when missing. */
void wp_frame_numbers(const wp_frame *frame, uint32_t column, double *out);

/* --- Eligibility --------------------------------------------------------------------------- */

typedef struct wp_rules {
    int64_t needed_us;        /* follow-up that a user must have: t0 + needed_us <= end */
    int32_t prior;            /* column: more than 0 leaves the user out; -1: keep everybody */
    int32_t outcome;          /* column: more than 0 is an event; -1: events are not counted */
    const uint32_t *required; /* columns in which a missing number makes the row "missing" */
    uint32_t required_count;
} wp_rules;

typedef struct wp_loss {
    uint64_t too_recent, prior_outcome, missing, used, events; /* events: of the used rows */
} wp_loss;

/* Counts why rows are lost: too recent, then prior outcome, then missing. With `drop`, keeps only
** the rows that are used or missing, in place: before the frame is handed out. A failure (memory,
** interruption) leaves a frame that may only be freed. */
WP_NODISCARD wp_status wp_frame_settle(wp_frame *frame, const wp_rules *rules, bool drop,
                                       const wp_run *run, wp_loss *loss, wp_error *err);

#endif
