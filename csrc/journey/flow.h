/* How people move: sessions, transitions, retention and paths, each in one scan of the log.
**
** All counts are exact integers summed over fixed ranges of users, hence the same for any number
** of threads. Durations are seconds. Results own their arrays; free them with the reset function
** beside each. Cost: linear in the rows of the view. */
#ifndef WP_JOURNEY_FLOW_H
#define WP_JOURNEY_FLOW_H

#include "journey/rows.h"

/* --- Sessions: a gap longer than the timeout starts a new one -------------------------------- */

typedef struct wp_sessions {
    uint64_t sessions_count, events_count, users_count, single_event_count;
    double mean_events, median_events;
    double median_seconds, p90_seconds, max_seconds; /* from first to last event of a session */
} wp_sessions;

WP_NODISCARD wp_status wp_sessions_measure(const wp_log *log, int64_t timeout_us, const wp_run *run,
                                           wp_sessions *out, wp_error *err);

/* The same for a whole log with 32-bit times; timeout in their unit (sessions_plain.c). */
WP_NODISCARD wp_status wp__sessions_plain(const wp_log *log, int64_t timeout, const wp_run *run,
                                          wp_sessions *out, wp_error *err);

/* --- Classes: what analyses of moves count, event names or stages ----------------------------- */

#define WP_CLASS_NONE (-1) /* as if the event were absent */
#define WP_CLASS_ASK  (-2) /* by the row: the first selection that has it */

typedef struct wp_classes {
    const int32_t *by_code; /* event code -> class 0 .. count-1, WP_CLASS_NONE or WP_CLASS_ASK;
                               NULL: each event name is its own class */
    const wp_selection *selections; /* one per class, for WP_CLASS_ASK; else NULL */
    uint32_t count;
} wp_classes;

static inline int32_t wp_class_at(const wp_classes *classes, const wp_columns *columns,
                                  uint32_t user, uint32_t row)
{
    uint32_t code = wp_code_at(&columns->events, row);
    if (classes->by_code == NULL)
        return (int32_t)code;
    int32_t class = classes->by_code[code];
    for (uint32_t i = 0; class == WP_CLASS_ASK && i < classes->count; i++)
        if (wp_selection_has(columns, &classes->selections[i], user, row))
            class = (int32_t)i;
    return class >= 0 ? class : WP_CLASS_NONE;
}

static inline uint32_t wp_classes_count(const wp_classes *classes, const wp_columns *columns)
{
    return classes->by_code != NULL ? classes->count : columns->event_names.count;
}

/* --- Transitions: from an event to the user's next one --------------------------------------- */

typedef struct wp_transition_options {
    wp_classes classes;
    int64_t timeout_us; /* a longer gap is no transition (a new session); < 0: no limit */
    bool times;         /* also the median and 90 % point of the gaps */
} wp_transition_options;

typedef struct wp_transition {
    uint32_t from, to;
    uint64_t count, users_count;
    double median_seconds, p90_seconds; /* NaN without times */
} wp_transition;

typedef struct wp_transitions {
    uint64_t total;
    wp_transition *rows; /* ascending (from, to) */
    size_t rows_count;
} wp_transitions;

WP_NODISCARD wp_status wp_transitions_measure(const wp_log *log,
                                              const wp_transition_options *options,
                                              const wp_run *run, wp_transitions *out,
                                              wp_error *err);
/* Orders the rows by falling count, ties by ranks[from], then ranks[to]. */
WP_NODISCARD wp_status wp_transitions_order(wp_transitions *transitions, const uint32_t *ranks,
                                            wp_error *err);
void wp_transitions_reset(wp_transitions *transitions);

/* --- Retention: cohorts by the period of the first start event ------------------------------- */

typedef struct wp_retention_options {
    const wp_selection *start, *returns; /* which events begin a life, which ones count as back */
    const int64_t *boundaries_us;        /* periods_count + 1 ascending instants; period p is
                                            [b[p], b[p+1]); they cover all events */
    uint32_t periods_count;
    uint32_t offsets_count; /* periods after the cohort's own, itself included: at least 1 */
    int64_t user_period_us; /* > 0: offset = (time - t0) / user_period_us; 0: calendar periods */
    bool on_or_after;       /* back in this period or any later one */
    int64_t as_of_us;       /* end of observation */
} wp_retention_options;

typedef struct wp_retention {
    uint32_t cohorts_count, offsets_count; /* cohorts_count = periods_count */
    uint64_t *users;                       /* per cohort */
    uint64_t *active;     /* cohort * offsets_count + offset: users who were back; with
                             user_period_us only observable ones, a share of those */
    uint64_t *observable; /* likewise: users whose whole period lies at or before as_of_us */
} wp_retention;

WP_NODISCARD wp_status wp_retention_measure(const wp_log *log, const wp_retention_options *options,
                                            const wp_run *run, wp_retention *out, wp_error *err);
void wp_retention_reset(wp_retention *retention);

/* --- Paths: what happens around an anchor event, step by step -------------------------------- */

typedef struct wp_path_options {
    const wp_selection *start;  /* anchor forwards: the first such event; NULL: the first event */
    const wp_selection *finish; /* anchor backwards: the last such event; NULL: forwards */
    wp_classes classes;
    uint32_t steps_count; /* rows looked at from the anchor on (itself included): 1 .. 64 */
    int64_t timeout_us;   /* a longer gap ends the path; < 0: no limit */
    bool merge_repeats;   /* runs of the same class count once */
} wp_path_options;

typedef struct wp_path {
    uint64_t users_count;
    uint32_t length;   /* classes in the path, at most steps_count */
    uint32_t *classes; /* from the anchor on: backwards in time with finish */
} wp_path;

#define WP_CYCLE_MAX 3u

/* A return to the same class: classes[0] .. classes[length-1], then classes[0] again. */
typedef struct wp_cycle {
    uint32_t length, classes[WP_CYCLE_MAX];
    uint64_t count, users_count; /* occurrences; users with one */
} wp_cycle;

typedef struct wp_paths {
    uint64_t users_count; /* users with an anchor */
    uint32_t steps_count, classes_count;
    uint64_t *matrix;   /* step * (classes_count + 1) + class; the last column: path already over */
    wp_path *sequences; /* distinct sequences, most frequent first, ties by their classes */
    size_t sequences_count;
    wp_cycle *cycles; /* most frequent first */
    size_t cycles_count;
} wp_paths;

WP_NODISCARD wp_status wp_paths_measure(const wp_log *log, const wp_path_options *options,
                                        const wp_run *run, wp_paths *out, wp_error *err);
/* Fills the cycles from all sequences; part of wp_paths_measure. */
WP_NODISCARD wp_status wp_paths_find_cycles(wp_paths *paths, wp_error *err);
void wp_paths_reset(wp_paths *paths);

/* --- Gaps: how long until the same user's next event ----------------------------------------- */

#define WP_GAP_BANDS                                                                               \
    12u /* up to and including 1 s, 10 s, 1 min, 5 min, 30 min, 1 h, 6 h, 1 d, 7 d,                \
           30 d, 90 d; more */
#define WP_GAP_POINTS 4u /* 0.5, 0.75, 0.9, 0.99 */

extern const int64_t wp_gap_bands_us[WP_GAP_BANDS - 1];

typedef struct wp_gap_row {
    uint64_t events_count; /* events of the class */
    uint64_t count;        /* of them, those with a next event; the others were the user's last */
    uint64_t users_count;  /* users with a gap after this class */
    double seconds[WP_GAP_POINTS]; /* quantiles; NaN without gaps */
    double max_seconds;            /* likewise */
    double capped_seconds;         /* sum of the gaps, each at most cap_us */
    uint64_t bands[WP_GAP_BANDS];
} wp_gap_row;

typedef struct wp_gaps {
    wp_gap_row *rows; /* one per class */
    uint32_t rows_count;
} wp_gaps;

/* Gaps from each event to the user's next one in the view (whatever it is), by the event's class.
** A gap longer than timeout_us (< 0: none) does not count: its event is the last of its session. */
WP_NODISCARD wp_status wp_gaps_measure(const wp_log *log, const wp_classes *classes,
                                       int64_t timeout_us, int64_t cap_us, const wp_run *run,
                                       wp_gaps *out, wp_error *err);
void wp_gaps_reset(wp_gaps *gaps);

#endif
