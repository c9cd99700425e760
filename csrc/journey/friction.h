/* Signals of friction in the first part of a stay, for people who are still in it.
**
** Every stage has a landmark, `observe_us` after entry. Signals are read from the rows of the stay
** before the landmark; the outcome counts from the landmark on, for `within_us`. Only stays that
** are still open at the landmark, had no outcome before, and whose outcome window had ended by
** as_of_us are `used`: everybody was watched equally long, and nobody for longer because they
** converted later. Gaps are judged against those of later converters of earlier cohorts.
**
** One stage is held at a time, of its used stays only, and narrowly: a byte per count (larger ones
** stand in a list beside), the rows that quiet and the start delay end at.
** Cost: two scans of the rows inside the stage's stays; about 30 bytes per used stay. */
#ifndef WP_JOURNEY_FRICTION_H
#define WP_JOURNEY_FRICTION_H

#include "journey/stage_spans.h"

typedef struct wp_friction_options {
    int64_t observe_us[WP_STAGES_MAX]; /* <= 0: no landmark, no stay of the stage is used */
    int64_t cut_us[WP_STAGES_MAX];     /* entries before it are the earlier cohorts */
    int64_t within_us;
} wp_friction_options;

typedef enum wp_signal {
    WP_SIGNAL_EVENTS,      /* rows before the landmark, the entry included */
    WP_SIGNAL_SELF_LOOPS,  /* the same event immediately again */
    WP_SIGNAL_REWORK,      /* the same event again with others between */
    WP_SIGNAL_U_TURNS,     /* a, b, a */
    WP_SIGNAL_QUICK_BACKS, /* a, b, a with at most 5 s on b */
    WP_SIGNAL_PAGE_LOOPS,  /* third or later time of an event within 15 s */
    WP_SIGNAL_BACKTRACKS,  /* moves to an earlier stage */
    WP_SIGNAL_OFF_PATH,    /* rows of no stage */
    WP_SIGNAL_DISTINCT,    /* event names */
    WP_SIGNAL_RUNS,        /* most repetitions of one event within a session of 30 min */
    WP_SIGNAL_PAUSES,      /* returns after more than 30 min */
    WP_SIGNAL_LAST_CODE,   /* event before the landmark, 1-based */
    WP_SIGNAL_COUNTS,      /* the ones above are held as bytes */
    WP_SIGNAL_OUTCOME = WP_SIGNAL_COUNTS, /* 1: in [landmark, landmark + within) */
    WP_SIGNAL_AGAIN,                      /* 1: an earlier stage has a used stay of the same user */
    WP_SIGNAL_HESITATION, /* longest gap after an event, the open one included: deviations above
                             the median log gap of later converters; NaN: nothing to compare */
    WP_SIGNAL_QUIET,      /* seconds from the last row before the landmark to it */
    WP_SIGNAL_START_DELAY /* seconds to the next row; to the landmark when there is none */
} wp_signal;

typedef struct wp_friction_event {
    uint32_t code;
    uint32_t users_count; /* used stays of the stage with the event before the landmark */
} wp_friction_event;

/* A count of 255 or more. */
typedef struct wp_large_count {
    uint32_t place, value; /* place among the used stays */
    wp_signal signal;
} wp_large_count;

/* The signals of one stage. */
typedef struct wp_friction {
    uint32_t stage;
    uint64_t *used; /* bit per stay of the stage; NULL: nothing is measured */
    size_t used_count;
    uint8_t *counts[WP_SIGNAL_COUNTS]; /* UINT8_MAX: see large */
    wp_large_count *large;
    size_t large_count;
    uint32_t *last_rows, *next_rows; /* before the landmark; after the entry, or WP_NO_ROW */
    double *hesitation;
    wp_friction_event *events; /* before the landmark, most users first */
    size_t events_count;
} wp_friction;

/* Whether a stay counts: still open at its landmark, and seen for long enough after. */
bool wp_stay_is_used(const wp_stays *stays, const wp_friction_options *options, uint32_t stage,
                     const wp_stay *stay);

WP_NODISCARD wp_status wp_friction_measure(const wp_stays *stays, const wp_stage_plan *plan,
                                           const wp_friction_options *options, uint32_t stage,
                                           const wp_run *run, wp_friction *out, wp_error *err);
void wp_friction_reset(wp_friction *friction);

/* A signal of the stage's used stays, in order; out has used_count places. */
WP_NODISCARD wp_status wp_friction_signal(const wp_friction *friction, const wp_stays *stays,
                                          const wp_friction_options *options, wp_signal signal,
                                          double *out, wp_error *err);
/* Rows of an event before the landmark, likewise. */
WP_NODISCARD wp_status wp_friction_times(const wp_friction *friction, const wp_stays *stays,
                                         const wp_friction_options *options, uint32_t code,
                                         const wp_run *run, double *out, wp_error *err);

#endif
