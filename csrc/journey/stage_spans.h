/* Stays in stages: when each person entered a stage, and when and how they got on.
**
** A person's depth is the furthest stage seen so far. A stay begins at the row that raises the
** depth to its stage (stages may be skipped, and each is entered at most once) and ends at the
** first row of a later stage, or at the person's outcome, whichever row comes first; the outcome is
** the stage after the last, so nothing begins behind it. The row of the outcome itself ends a stay
** that it begins, at once.
** Stays are ordered by (stage, user); the rows of one stay are [entry_local, exit_local) of the
** user's rows in the view, and rows of different stays of a user never overlap.
**
** Only the rows that begin and end a stay are kept, 8 bytes, and 4 per user for the outcome; all
** else about a stay is looked up when it is read. Cost: one scan, linear in the rows. */
#ifndef WP_JOURNEY_STAGE_SPANS_H
#define WP_JOURNEY_STAGE_SPANS_H

#include "journey/rows.h"

#define WP_STAGES_MAX 64u
#define WP_NO_ROW     UINT32_MAX

typedef struct wp_stage_plan {
    const wp_selection *const *stages; /* in the order of progression */
    uint32_t stages_count;             /* 1 .. WP_STAGES_MAX */
    const wp_selection *outcome;       /* NULL: none */
    uint32_t outcome_times;            /* the outcome is the row that makes it so many, >= 1 */
    int64_t as_of_us;                  /* later rows are unseen */
} wp_stage_plan;

/* Rows of the log's columns, not of the view. */
typedef struct wp_stay_rows {
    uint32_t entry, end; /* end: the row that ended it; WP_NO_ROW: nothing did */
} wp_stay_rows;

typedef struct wp_stays {
    wp_log *log;
    uint32_t stages_count;
    int64_t as_of_us;
    wp_stay_rows *stays;
    uint32_t
        *outcomes; /* user -> row of the outcome, or WP_NO_ROW; NULL: no outcome is asked for */
    size_t starts[WP_STAGES_MAX + 1]; /* stage -> its first stay */
} wp_stays;

WP_NODISCARD wp_status wp_stays_make(const wp_log *log, const wp_stage_plan *plan,
                                     const wp_run *run, wp_stays *out, wp_error *err);
void wp_stays_reset(wp_stays *stays);

static inline size_t wp_stays_in(const wp_stays *stays, uint32_t stage)
{
    return stays->starts[stage + 1] - stays->starts[stage];
}

/* One stay, looked up. */
typedef struct wp_stay {
    uint32_t user;
    uint32_t entry_local, exit_local; /* exit_local: rows seen of the user where nothing ended it */
    int64_t entry_us;
    int64_t advance_us; /* later stage or outcome; WP_TIME_MISSING: not seen */
    int64_t outcome_us; /* at or after entry; WP_TIME_MISSING: not seen */
    int64_t first_us;   /* the user's first row */
} wp_stay;

/* Stay s. `user` is the reader's place among the users, 0 at first: reading on is quick. */
wp_stay wp_stay_at(const wp_stays *stays, size_t s, uint32_t *user);

/* What a stay is as a number. */
typedef enum wp_stay_number {
    WP_STAY_USER,
    WP_STAY_ENTRY_US,
    WP_STAY_ADVANCE, /* seconds from entry; NaN: not seen */
    WP_STAY_OUTCOME, /* likewise */
    WP_STAY_BEFORE,  /* rows before entry */
    WP_STAY_TENURE,  /* seconds from the first row to entry */
    WP_STAY_ENGAGED, /* gaps between the stay's rows: up to 60 s each, none above 30 min */
    WP_STAY_ROWS,
    WP_STAY_WATCHED, /* seconds from entry to the advance, or to as_of where it was not seen */
    WP_STAY_ADVANCED /* 1 or 0 */
} wp_stay_number;

/* Which stays of a stage are meant. */
typedef struct wp_stay_filter {
    const uint64_t *chosen; /* bit per stay of the stage; NULL: all */
    int64_t closed_us;      /* entered so long before as_of, or longer; WP_TIME_MISSING: all */
    int64_t in_time_us;     /* advanced within that time; WP_TIME_MISSING: all */
    double entered_by;      /* entry_us at most; INFINITY: all */
    int advanced;           /* 1: moved on, 0: not, -1: all */
} wp_stay_filter;
static const wp_stay_filter WP_STAYS_ALL = {NULL, WP_TIME_MISSING, WP_TIME_MISSING, INFINITY, -1};

size_t wp_stays_count(const wp_stays *stays, uint32_t stage, const wp_stay_filter *filter);
/* 1 for every stay of the stage that the filter lets through, 0 for the others. */
void wp_stays_mask(const wp_stays *stays, uint32_t stage, const wp_stay_filter *filter,
                   double *out);
/* Fills out with the numbers of the stays that the filter lets through, in order. */
void wp_stays_numbers(const wp_stays *stays, uint32_t stage, const wp_stay_filter *filter,
                      wp_stay_number which, double *out);

/* People with a stay in one of the stages first .. end - 1. */
WP_NODISCARD wp_status wp_stays_users(const wp_stays *stays, uint32_t first, uint32_t end,
                                      uint64_t *count, wp_error *err);

/* Stage of a row, 1-based, 0: none; the first stage that lists it wins. */
typedef struct wp_stage_lookup {
    const wp_stage_plan *plan;
    uint8_t *of_code;
} wp_stage_lookup;

WP_NODISCARD wp_status wp_stage_lookup_start(const wp_columns *columns, const wp_stage_plan *plan,
                                             wp_stage_lookup *lookup, wp_error *err);
void wp_stage_lookup_reset(wp_stage_lookup *lookup);

static inline uint32_t wp_stage_of_row(const wp_stage_lookup *lookup, const wp_columns *columns,
                                       uint32_t user, uint32_t row)
{
    uint8_t stage = lookup->of_code[wp_code_at(&columns->events, row)];
    if (stage != UINT8_MAX)
        return stage;
    for (uint32_t k = 0; k < lookup->plan->stages_count; k++)
        if (wp_selection_has(columns, lookup->plan->stages[k], user, row))
            return k + 1;
    return 0;
}

#endif
