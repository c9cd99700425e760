/* Funnels: how far each user gets through a list of steps, with one winning sequence per user.
**
** A chain takes one row per step, each later than the one before (by the tie rule), the last at
** most within_us after the first. Among a user's chains the winner reaches furthest; among those
** it completes earliest (by row, or by time where ties are free); among those it entered latest.
** Its rows give times that are never negative and can be listed.
**
** An excluded event lies between two steps when its row does (with free ties: its time); it ends
** the attempts that stand between its two steps there. With a held property every value is a
** journey of its own, and only excluded events of the same value count.
**
** Cost: linear in rows times steps for loose and strict order, whatever the number of entries: for
** each level the latest entry that reached it dominates all earlier ones, and per-step gaps are a
** sliding-window maximum over them. Results are the same for any number of threads. */
#ifndef WP_JOURNEY_FUNNEL_H
#define WP_JOURNEY_FUNNEL_H

#include "journey/rows.h"

#define WP_FUNNEL_STEPS_MAX 32u
#define WP_FUNNEL_NO_ROW    UINT32_MAX

typedef enum wp_funnel_order {
    WP_ORDER_LOOSE,  /* other events may lie between the steps */
    WP_ORDER_STRICT, /* each step is the very next row of the journey */
    WP_ORDER_ANY     /* steps in any order; the level is the number of different steps */
} wp_funnel_order;

typedef enum wp_funnel_entry {
    WP_ENTRY_ANY,   /* every first-step row begins an attempt */
    WP_ENTRY_FIRST, /* only the user's first one */
    WP_ENTRY_LATEST /* only the user's last one */
} wp_funnel_entry;

typedef enum wp_funnel_ties {
    WP_TIES_AS_RECORDED, /* rows of equal time follow each other as in the source */
    WP_TIES_ANY,         /* rows of equal time may follow each other either way */
    WP_TIES_STRICT       /* a later step needs a later time */
} wp_funnel_ties;

typedef struct wp_funnel_step {
    wp_selection selection; /* owned by who made it */
    bool optional;          /* a chain may leave it out; never the first step */
    int64_t gap_min_us;     /* since the chain's step before; 0: none */
    int64_t gap_max_us;     /* likewise; < 0: none */
} wp_funnel_step;

/* An event that must not lie between two steps. */
typedef struct wp_funnel_exclusion {
    wp_selection selection;
    uint32_t after_step, before_step; /* 0-based steps that enclose it; after < before */
    bool whole_user; /* true: removes the user from the funnel; false: ends that attempt */
} wp_funnel_exclusion;

typedef struct wp_funnel_options {
    const wp_funnel_step *steps;
    uint32_t steps_count;
    const wp_funnel_exclusion *exclusions;
    uint32_t exclusions_count;
    int64_t within_us; /* inclusive; < 0: no limit */
    wp_funnel_order order;
    wp_funnel_entry entry;
    wp_funnel_ties ties;
    bool reuse_rows;     /* with WP_TIES_ANY: one row may serve several steps */
    bool first_required; /* in any order: windows begin at rows of the first step only */
    int64_t grace_us;    /* a step may lie this much before the one before it; with WP_TIES_ANY */
    int64_t as_of_us;    /* end of observation, for pending */
    int hold_text;       /* text column that stays constant along the chain; -1: none */
} wp_funnel_options;

#define WP_FUNNEL_PENDING                                                                          \
    1u                    /* not through, and some attempt could still go further at as_of_us      \
                           */
#define WP_FUNNEL_OPEN 2u /* the window of the last entry that counts was not over at as_of_us */

/* One who reached the first step (or, in any order, some step). */
typedef struct wp_funnel_person {
    uint32_t user;
    uint8_t level;   /* furthest step reached, 1 .. steps_count (any order: how many) */
    uint8_t flags;   /* WP_FUNNEL_PENDING and WP_FUNNEL_OPEN */
    uint32_t rows[]; /* steps_count: rows of the winner, WP_FUNNEL_NO_ROW if not in it */
} wp_funnel_person;

/* The people of some neighbouring users of the log, in its order. */
typedef struct wp_funnel_part {
    char *people; /* wp_funnel_stride bytes each */
    uint32_t count;
    /* Of rows that were read part by part: the times of everybody's steps that have one, person by
    ** person, step by step. Empty where the rows are in memory. */
    wp_times times;
    size_t times_count;
} wp_funnel_part;

#define WP_FUNNEL_PARTS 64u

typedef struct wp_funnel {
    uint32_t users_count; /* users who entered */
    uint32_t steps_count;
    wp_funnel_part parts[WP_FUNNEL_PARTS]; /* in the order of the log */
    uint32_t excluded_count;               /* users removed by an exclusion of the whole user */
    uint32_t absent_count;                 /* users of the view who never entered */
} wp_funnel;

static inline size_t wp_funnel_stride(uint32_t steps_count)
{
    return sizeof(wp_funnel_person) + steps_count * sizeof(uint32_t);
}

static inline const wp_funnel_person *wp_funnel_at(const wp_funnel *funnel, uint32_t part,
                                                   uint32_t i)
{
    const char *people = funnel->parts[part].people;
    return (const void *)(people + i * wp_funnel_stride(funnel->steps_count));
}

/* A place among all people; begins as {0}. */
typedef struct wp_funnel_cursor {
    uint32_t part, i;
} wp_funnel_cursor;

/* The person at the cursor, which moves on; NULL at the end. */
static inline const wp_funnel_person *wp_funnel_next(const wp_funnel *funnel,
                                                     wp_funnel_cursor *cursor)
{
    while (cursor->part < WP_FUNNEL_PARTS && cursor->i == funnel->parts[cursor->part].count)
        *cursor = (wp_funnel_cursor){cursor->part + 1, 0};
    return cursor->part < WP_FUNNEL_PARTS ? wp_funnel_at(funnel, cursor->part, cursor->i++) : NULL;
}

WP_NODISCARD wp_status wp_funnel_measure(const wp_log *log, const wp_funnel_options *options,
                                         const wp_run *run, wp_funnel *out, wp_error *err);
void wp_funnel_reset(wp_funnel *funnel);

/* Figures of one step, from the winning sequences. */
typedef struct wp_funnel_figures {
    uint32_t users_count;   /* reached this step (an optional step: have it in their sequence) */
    uint32_t stopped_count; /* went no further and had the time to */
    uint32_t pending_count; /* went no further, but their window is still open */
    uint32_t closed_count;  /* of users_count: their window was over, whatever they did in it */
    double median_seconds, p90_seconds;           /* from the first step; NaN when nobody */
    double median_step_seconds, p90_step_seconds; /* from the sequence's step before */
} wp_funnel_figures;

/* Figures of all steps into out[steps_count]; without `times` their seconds are NaN, for a tenth of
** the cost. */
WP_NODISCARD wp_status wp_funnel_figure(const wp_funnel *funnel, const wp_columns *columns,
                                        const wp_funnel_options *options, bool times,
                                        const wp_run *run, wp_funnel_figures *out, wp_error *err);

/* Users per step by the value that an event property has on the winner's row of step `at_step`:
** counts[code * steps_count + step], zeroed by the caller. Users without that step do not count. */
void wp_funnel_by_value(const wp_funnel *funnel, const wp_texts *texts, uint32_t at_step,
                        const wp_funnel_options *options, uint32_t *counts);

#endif
