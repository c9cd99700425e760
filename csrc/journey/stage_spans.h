/* Stays in stages: when each person entered a stage, and when and how they got on.
**
** A person's depth is the furthest stage seen so far. A stay begins at the row that raises the
** depth to its stage (stages may be skipped, and each is entered at most once) and ends at the
** first row of a later stage, or at the person's outcome, whichever row comes first; the outcome is
** the stage after the last, so nothing begins behind it. The row of the outcome itself ends a stay
** that it begins, at once.
** Stays are ordered by (stage, user); the rows of one stay are [entry_local, exit_local) of the
** user's rows in the view, and rows of different stays of a user never overlap.
** Cost: one scan, linear in the rows; about 80 bytes per stay. */
#ifndef WP_JOURNEY_STAGE_SPANS_H
#define WP_JOURNEY_STAGE_SPANS_H

#include "journey/rows.h"

#define WP_STAGES_MAX 64u

typedef struct wp_stage_plan {
    const wp_selection *const *stages; /* in the order of progression */
    uint32_t stages_count;             /* 1 .. WP_STAGES_MAX */
    const wp_selection *outcome;       /* NULL: none */
    uint32_t outcome_times;            /* the outcome is the row that makes it so many, >= 1 */
    int64_t as_of_us;                  /* later rows are unseen */
} wp_stage_plan;

typedef struct wp_stay {
    uint32_t user, stage;             /* stage 0 .. stages_count-1 */
    uint32_t entry_local, exit_local; /* exit_local: rows seen of the user where nothing ended it */
    int64_t entry_us;
    int64_t advance_us; /* later stage or outcome; WP_TIME_MISSING: not seen */
    int64_t outcome_us; /* at or after entry; WP_TIME_MISSING: not seen */
    int64_t first_us;   /* the user's first row */
    int64_t engaged_us; /* gaps between the stay's rows: up to 60 s each, none above 30 min */
} wp_stay;

typedef struct wp_stays {
    wp_log *log;
    uint32_t stages_count;
    int64_t as_of_us;
    wp_stay *stays;
    size_t starts[WP_STAGES_MAX + 1]; /* stage -> its first stay */
} wp_stays;

WP_NODISCARD wp_status wp_stays_make(const wp_log *log, const wp_stage_plan *plan,
                                     const wp_run *run, wp_stays *out, wp_error *err);
void wp_stays_reset(wp_stays *stays);

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
