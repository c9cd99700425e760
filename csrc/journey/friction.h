/* Signals of friction in the first part of a stay, for people who are still in it.
**
** Every stage has a landmark, `observe_us` after entry. Signals are read from the rows of the stay
** before the landmark; the outcome counts from the landmark on, for `within_us`. Only stays that
** are still open at the landmark, had no outcome before, and whose outcome window had ended by
** as_of_us are `used`: everybody was watched equally long, and nobody for longer because they
** converted later. Gaps are judged against those of later converters of earlier cohorts.
** Cost: two scans of the rows inside stays; about 100 bytes per stay, 8 per (stay, event name). */
#ifndef WP_JOURNEY_FRICTION_H
#define WP_JOURNEY_FRICTION_H

#include "journey/stage_spans.h"

typedef struct wp_friction_options {
    const int64_t *observe_us; /* per stage; <= 0: no landmark, no stay of the stage is used */
    const int64_t *cut_us;     /* per stage: entries before it are the earlier cohorts */
    int64_t within_us;
} wp_friction_options;

typedef struct wp_signals {
    bool used, outcome;   /* outcome in [landmark, landmark + within) */
    bool again;           /* an earlier stage has a used stay of the same user */
    uint32_t events;      /* rows before the landmark, the entry included */
    uint32_t self_loops;  /* the same event immediately again */
    uint32_t rework;      /* the same event again with others between */
    uint32_t u_turns;     /* a, b, a */
    uint32_t quick_backs; /* a, b, a with at most 5 s on b */
    uint32_t page_loops;  /* third or later time of an event within 15 s */
    uint32_t backtracks;  /* moves to an earlier stage */
    uint32_t off_path;    /* rows of no stage */
    uint32_t distinct;    /* event names */
    uint32_t runs;        /* most repetitions of one event within a session of 30 min */
    uint32_t pauses;      /* returns after more than 30 min */
    uint32_t last_code;   /* event before the landmark */
    double hesitation;    /* longest gap after an event, the open one included: deviations above
                             the median log gap of later converters; NaN: nothing to compare */
    double quiet;         /* seconds from the last row before the landmark to it */
    double start_delay;   /* seconds to the next row; to the landmark when there is none */
} wp_signals;

typedef struct wp_friction_pair {
    uint32_t stay, code, count; /* rows of the event in a used stay before its landmark */
} wp_friction_pair;

typedef struct wp_friction_event {
    uint32_t code;
    uint32_t users_count; /* used stays of the stage with the event before the landmark */
} wp_friction_event;

typedef struct wp_friction {
    wp_signals *signals;     /* one per stay */
    wp_friction_pair *pairs; /* ascending by stay */
    size_t pairs_count;
} wp_friction;

WP_NODISCARD wp_status wp_friction_measure(const wp_stays *stays, const wp_stage_plan *plan,
                                           const wp_friction_options *options, const wp_run *run,
                                           wp_friction *out, wp_error *err);
void wp_friction_reset(wp_friction *friction);

/* Events of a stage's used stays, most users first; *events is the caller's to free. */
WP_NODISCARD wp_status wp_friction_events(const wp_friction *friction, const wp_stays *stays,
                                          uint32_t stage, wp_friction_event **events,
                                          size_t *events_count, wp_error *err);

#endif
