/* A span of the log: the journeys of some neighbouring users, laid out for tight loops.
**
** Rows have local numbers 0 .. rows_count-1, in the log's order; user i of the span owns
** begin[i] .. end[i]-1. A log without a row bitmap is read in place; the rows of a view are copied
** together first, so that every loop runs over neighbours. Times are ticks: base_us + tick *
** unit_us microseconds. Masks hold, for each row, one bit per selection of the plan.
**
** A span is scratch memory of one worker, sized once for the largest chunk and used again. */
#ifndef WP_JOURNEY_WINDOW_H
#define WP_JOURNEY_WINDOW_H

#include "journey/plan.h"

/* A leaf that the walk through short journeys counts by the way (walk.c): how often, or whether,
** one event occurs in a window of fixed offsets. Its borders are marks `from` and `to`. */
typedef struct wp_counted {
    uint32_t leaf, from, to;
    uint8_t code;
} wp_counted;

#define WP_WALK_MARKS   4u
#define WP_WALK_COUNTED 4u

typedef struct wp_span {
    const wp_columns *columns;
    const wp_plan *plan;
    /* Rows. */
    uint32_t row_base, rows_count; /* log row of a local row: rows[i], or row_base + i */
    const uint32_t *rows;          /* NULL: in place */
    const uint32_t *ticks_32;      /* one of the two is set */
    const int64_t *ticks_64;
    const uint8_t *codes_8; /* event codes when they are one byte wide; else NULL */
    uint32_t readable;      /* ticks_32 and codes_8 that may be read, from row 0 on */
    const int64_t *ticks;   /* wide ticks; NULL when no leaf asks for them */
    const uint64_t *masks;  /* `words` per row; NULL when no leaf asks for them */
    uint32_t words;
    int64_t base_us, unit_us;
    /* Users that have an anchor, none of them after latest_us. */
    int64_t latest_us;
    uint32_t users_count, late_count;       /* late_count: how many are */
    uint32_t *users, *begin, *end, *anchor; /* anchor: log row */
    int64_t *t0_us, *end_us;                /* end of follow-up */
    int64_t *t0_ticks;                      /* t0 as a tick */
    /* Window borders: the different offsets of the plan's windows, ascending, in ticks; the first
    ** row of user i at or after border m is at[m * users_room + i]. */
    uint32_t marks_count;
    int64_t *marks;
    uint32_t *at;
    /* The walk's leaves, none when there is no walk; counts[c * users_room + i] of user i. */
    wp_counted counted[WP_WALK_COUNTED];
    uint32_t counted_count;
    uint32_t *counts;
    /* Rows of window w of user i: lo[w][i] .. hi[w][i]-1. */
    const uint32_t **lo, **hi;
    uint32_t *late; /* hi of windows that end with the user's follow-up or the log's */
    uint32_t users_room, rows_room;
    /* Room that the pointers above may point into. */
    uint32_t *rows_own, *ticks_32_own;
    int64_t *ticks_own;
    uint8_t *codes_8_own;
    uint64_t *masks_own;
    const uint64_t *mask_table; /* words per event code; the run's, shared */
    bool wants_ticks, wants_masks;
} wp_span;

/* Allocates for at most so many users and rows. The flags say what the leaves of the plan need. */
WP_NODISCARD wp_status wp_span_init(wp_span *span, const wp_log *log, const wp_plan *plan,
                                    uint32_t users_room, uint32_t rows_room,
                                    const uint64_t *mask_table, wp_error *err);
void wp_span_reset(wp_span *span);

/* Loads users [first, last) whose anchor row is known (anchors[user] < events_count; NULL: it is
** the first row). */
void wp_span_load(wp_span *span, const wp_log *log, const uint32_t *anchors, uint32_t first,
                  uint32_t last);

/* Borders and ranges; range.c. */
WP_NODISCARD wp_status wp__ranges_init(wp_span *span, wp_error *err);
void wp__ranges_find(wp_span *span);

/* The borders of user i by searching. */
void wp__search_marks(wp_span *span, uint32_t i);

/* Borders and counts of all users by walking, where the processor can; walk.c. */
bool wp__walk_can(void);
extern bool wp_walk_off; /* for tests: as on a processor that cannot */
void wp__walk_users(wp_span *span);

/* The place of a leaf among those that the walk has counted; counted_count when it has not. */
static inline uint32_t wp_span_counted(const wp_span *span, uint32_t leaf)
{
    uint32_t c = 0;
    while (c < span->counted_count && span->counted[c].leaf != leaf)
        c++;
    return c;
}

/* Start and end of window w for user i, microseconds: what time_to measures from and to. */
int64_t wp_window_start(const wp_span *span, uint32_t window, uint32_t i);
int64_t wp_window_end(const wp_span *span, uint32_t window, uint32_t i);

/* The table that turns an event code into selection bits: words per code. */
uint64_t *wp_mask_table(const wp_plan *plan, const wp_columns *columns, wp_error *err);

static inline uint32_t wp_span_row(const wp_span *span, uint32_t local)
{
    return span->rows != NULL ? span->rows[local] : span->row_base + local;
}

static inline bool wp_span_has(const wp_span *span, uint32_t selection, uint32_t local)
{
    return (span->masks[(size_t)local * span->words + (selection >> 6)] >> (selection & 63)) & 1;
}

static inline uint32_t wp_span_code(const wp_span *span, uint32_t local)
{
    return wp_code_at(&span->columns->events, wp_span_row(span, local));
}

static inline int64_t wp_span_us(const wp_span *span, uint32_t local)
{
    return span->base_us + span->ticks[local] * span->unit_us;
}

#endif
