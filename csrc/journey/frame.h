/* A frame in memory: one row per user, columns no wider than their numbers need.
**
** Columns are immutable once the frame is handed out. Rows of a measured frame are in the order of
** the log's users; `users` then names them in `log`. A frame that the caller brought has neither.
** Cost: the sum of the columns' widths per row (did: 1 byte; counts: 1, or 4 where one is 255 or
** more; the rest 8), plus 8 bytes per measured row for the user and t0, and 8 for the end of
** follow-up where `until` gives each user another. */
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

/* Why rows are lost. */
typedef struct wp_loss {
    uint64_t too_recent, prior_outcome, missing, used, events; /* events: of the used rows */
} wp_loss;

typedef struct wp_frame {
    uint32_t rows_count;
    uint32_t columns_count;
    wp_frame_column *columns;
    wp_log *log;     /* retained; NULL for a frame the caller brought */
    uint32_t *users; /* user of each row; NULL without a log, or when nobody asks any more */
    wp_times t0;     /* of each row, as the log has its times; empty without a log */
    int64_t *end_us; /* NULL: as_of_us for all */
    int64_t as_of_us;
    /* users_total = outside + no_anchor + rows before anybody is lost */
    uint64_t users_total, outside, no_anchor;
    wp_loss loss; /* by the rules of the plan */
} wp_frame;

/* A frame with room for rows and columns; column data are not allocated. */
WP_NODISCARD wp_status wp_frame_new(uint32_t rows_count, uint32_t columns_count, wp_frame **out,
                                    wp_error *err);
WP_NODISCARD wp_status wp_frame_column_alloc(wp_frame_column *column, uint32_t rows_count,
                                             wp_error *err);
/* Lets go of a column that nobody reads any more; its data are then NULL. */
void wp_frame_column_drop(wp_frame_column *column);
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

/* Of a measured frame. */
static inline int64_t wp_frame_t0_us(const wp_frame *frame, uint32_t row)
{
    return wp_time_at(&frame->t0, row);
}

static inline int64_t wp_frame_end_us(const wp_frame *frame, uint32_t row)
{
    return frame->end_us != NULL ? frame->end_us[row] : frame->as_of_us;
}

/* All numbers of a column; NaN when missing. */
WP_NODISCARD wp_status wp_frame_numbers(const wp_frame *frame, uint32_t column, const wp_run *run,
                                        double *out, wp_error *err);

/* The different numbers of a column of small whole numbers: a table of them, ascending, missing
** first, how many rows have each, and the place in the table of each number. table_count is 0 for
** columns of another kind or with more than `most` different numbers. Free with wp_levels_free. */
typedef struct wp_levels {
    double *table;
    uint64_t *rows;
    uint16_t *code_of; /* cells_count places: numbers 0, 1, … and, last, missing */
    size_t table_count, cells_count;
} wp_levels;
WP_NODISCARD wp_status wp_frame_levels(const wp_frame *frame, uint32_t column, size_t most,
                                       const wp_run *run, wp_levels *out, wp_error *err);
void wp_levels_free(wp_levels *levels);
/* The place in the table of every row, in codes of `width` (1 or 2) bytes. */
WP_NODISCARD wp_status wp_frame_codes(const wp_frame *frame, uint32_t column,
                                      const wp_levels *levels, size_t width, const wp_run *run,
                                      void *out, wp_error *err);

/* --- Eligibility, while the frame is filled ------------------------------------------------ */

#define WP_SETTLE_ROWS 8192u /* at most so many at once */

/* The first `count` rows have their numbers: counts into *loss why some are lost (too recent, then
** prior outcome, then missing) and moves those that stay to the front, in order. Returns how many
** they are. t0_us and end_us are those of the rows; NULL: no row is too recent. */
uint32_t wp__frame_settle(wp_frame *frame, const wp_rules *rules, uint32_t count,
                          const int64_t *t0_us, const int64_t *end_us, wp_loss *loss);

#endif
