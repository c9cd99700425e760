/* A measuring plan: what `measure.run` asks of a log, compiled to flat arrays.
**
** Data structure: selections (which events), windows (where to look, relative to each user's
** anchor time t0), leaves (one number per user: a kind, a window and selections) and columns (a
** postfix program over leaves). Everything refers to everything else by position.
** Invariant: wp_plan_check has accepted the plan; after that no position is out of range.
**
** Windows are half-open: [from, to) in microseconds after t0. A user's rows are in time order, so a
** window is one contiguous range of rows, found once per user and shared by all its leaves. */
#ifndef WP_JOURNEY_PLAN_H
#define WP_JOURNEY_PLAN_H

#include "store/log.h"

struct wp_zone;

typedef enum wp_window_kind {
    WP_WINDOW_OFFSETS,  /* [t0 + from_us, t0 + to_us) */
    WP_WINDOW_LIFETIME, /* everything up to and including as_of */
    WP_WINDOW_BEFORE,   /* before t0 */
    WP_WINDOW_SINCE     /* [t0, end of follow-up) */
} wp_window_kind;

typedef struct wp_window {
    wp_window_kind kind;
    int64_t from_us, to_us;
} wp_window;

typedef enum wp_leaf_kind {
    WP_LEAF_COUNT,    /* events of a */
    WP_LEAF_DID,      /* 1 when there is one, else 0 */
    WP_LEAF_DISTINCT, /* different non-missing values of `column` among events of a */
    WP_LEAF_SUM,      /* of `column` over events of a; the kinds down to last: missing numbers */
    WP_LEAF_MEAN,     /*     are skipped; all but sum are missing when nothing is left */
    WP_LEAF_MAX,
    WP_LEAF_MIN,
    WP_LEAF_FIRST,
    WP_LEAF_LAST,
    WP_LEAF_SESSIONS,     /* runs of events of a with gaps of at most limit_us */
    WP_LEAF_ACTIVE_DAYS,  /* calendar days (UTC or zone) with an event of a */
    WP_LEAF_TIME_TO,      /* seconds from window start to the first a; window length if none */
    WP_LEAF_TIME_BETWEEN, /* seconds from the first a to the first b at a later instant */
    WP_LEAF_DWELL,        /* seconds from each a to the user's next event, each at most limit_us */
    WP_LEAF_LONGEST_GAP,  /* seconds; missing below two events of a */
    WP_LEAF_PACE,         /* midpoint median of the gaps in seconds; missing below two events */
    WP_LEAF_DEPTH,        /* stages (steps) reached in order, each by a later row */
    WP_LEAF_BACKTRACKS,   /* moves from a stage to an earlier one */
    WP_LEAF_HESITATION,   /* seconds from the first event of step `stage` to the next later stage */
    WP_LEAF_SELF_LOOPS,   /* events of a whose next event is an a of the same name */
    WP_LEAF_U_TURNS,      /* A, other, A in adjacent rows, A in a */
    WP_LEAF_MATCHES,      /* leftmost greedy non-overlapping runs of the steps within limit_us */
    WP_LEAF_ATTRIBUTE,  /* user number `column`, missing when known at or after the window's end */
    WP_LEAF_FIRST_TIME, /* microseconds from t0 to the first a, missing when none */
    WP_LEAF_LAST_TIME,  /* the same of the last a */
    WP_LEAF_UNTIL_TIME, /* seconds from window start to the first a, or to where sight ends */
    WP_LEAF_UNTIL_STATUS, /* 1 when that was an a, 0 when sight ended first */
    WP_LEAF_ANCHOR,       /* `column` at the anchor event: a number, or a text's code */
    WP_LEAF_GIVEN         /* a number that the caller brought, by frame row */
} wp_leaf_kind;

typedef enum wp_source_kind {
    WP_SOURCE_NUMBER, /* numbers[column], or user_numbers when per_user */
    WP_SOURCE_TEXT,   /* texts[column], or user_texts when per_user */
    WP_SOURCE_EVENT   /* the event's name */
} wp_source_kind;

typedef enum wp_half { WP_HALF_ALL, WP_HALF_ODD, WP_HALF_EVEN } wp_half;

typedef struct wp_leaf {
    wp_leaf_kind kind;
    uint32_t window;
    uint32_t a, b;                    /* selections */
    uint32_t first_step, steps_count; /* in plan->steps, which holds selections */
    uint32_t stage;                   /* 0-based step, hesitation */
    wp_source_kind source;
    bool per_user;
    uint32_t column;
    int64_t limit_us;           /* timeout, cap or within; INT64_MAX: none */
    wp_half part;               /* count: only the odd or even rows of the user's journey */
    const struct wp_zone *zone; /* active days; NULL: UTC */
    const double *given;        /* one per frame row */
    size_t given_count;
} wp_leaf;

typedef enum wp_op_kind {
    WP_OP_LEAF, /* push a leaf's number */
    WP_OP_CONSTANT,
    WP_OP_ADD, /* the two-operand ones pop right, then left */
    WP_OP_SUBTRACT,
    WP_OP_MULTIPLY,
    WP_OP_DIVIDE, /* x/0 is missing */
    WP_OP_LOG1P,
    WP_OP_AT_LEAST, /* 1 or 0 */
    WP_OP_CAPPED,
    WP_OP_DEFAULT /* fills a missing number; every other operation keeps it missing */
} wp_op_kind;

typedef struct wp_op {
    wp_op_kind kind;
    uint32_t leaf;
    double number;
} wp_op;

/* How a column is kept: no wider than its numbers can be. */
typedef enum wp_cell_type {
    WP_CELL_U8,  /* 0 .. 254, 255 missing */
    WP_CELL_U32, /* 0 .. 2^32-2, 2^32-1 missing */
    WP_CELL_I64, /* WP_TIME_MISSING missing */
    WP_CELL_F64  /* NaN missing */
} wp_cell_type;

typedef struct wp_plan_column {
    uint32_t first_op, ops_count;
    wp_cell_type type;
    bool integral;              /* hand out integers */
    const wp_dictionary *texts; /* the numbers are codes of this dictionary; NULL: numbers */
    bool code_0_missing;        /* of a text: code 0 stands for no value */
} wp_plan_column;

#define WP_PLAN_STACK 64 /* deepest program */

/* Who stays in the frame: those with enough follow-up and no prior outcome. */
typedef struct wp_rules {
    int64_t needed_us;  /* follow-up that a user must have: t0 + needed_us <= end */
    int32_t prior;      /* column: more than 0 leaves the user out; -1: keep everybody */
    int32_t outcome;    /* column: more than 0 is an event; -1: events are not counted */
    uint32_t *required; /* columns in which a missing number makes the row "missing": it stays, but
                           is not used */
    uint32_t required_count;
} wp_rules;

typedef struct wp_plan {
    const wp_selection *from;  /* t0 is the first of these; NULL: the user's first event */
    const wp_selection *until; /* the first at or after t0 ends follow-up; NULL: nothing does */
    const wp_selection *population;  /* must accept the anchor event; NULL: everybody */
    const wp_selection **selections; /* what leaves look for; all selections are borrowed */
    uint32_t selections_count;
    int64_t as_of_us;
    bool has_rules; /* else everybody stays */
    wp_rules rules;
    wp_window *windows;
    uint32_t windows_count;
    wp_leaf *leaves;
    uint32_t leaves_count;
    uint32_t *steps;
    uint32_t steps_count;
    wp_op *ops;
    uint32_t ops_count;
    wp_plan_column *columns;
    uint32_t columns_count;
} wp_plan;

/* Refuses a plan with a position out of range, a program that does not leave exactly one number or
** a column that is not of the kind its leaf needs. */
WP_NODISCARD wp_status wp_plan_check(const wp_plan *plan, const wp_columns *columns, wp_error *err);

/* False when every number of the column is certainly there. */
bool wp_plan_may_miss(const wp_plan *plan, uint32_t column);

/* Frees the arrays, not what is borrowed. */
void wp_plan_reset(wp_plan *plan);

/* True when the leaf looks at its selections row by row, so that masks help it. */
bool wp_leaf_uses_rows(wp_leaf_kind kind);

#endif
