/* Touches in stages: what follows when somebody meets an item (an event, or an event with a value).
**
** Every row of a stay is a touch; what follows it within `within_us` is one of advance, back (a row
** of an earlier stage), linger (any row) or leave (none). For each item, people's first meeting of
** it in the stay is compared with touches of others at the same stage who have not met it: a row of
** both kinds stands for somebody who is there and doing something at that moment. Equals share a
** stratum: time in the stage so far, rows in the stage so far, rows before the stage, and whether a
** pause of 30 minutes came just before. After a meeting a person is no control for that item, and
** touches of structural items (met by 95 % of those who move on) are no controls for any.
**
** `place` asks the same within journeys, where what a person is like cancels out: how late among
** their own touches in the stage (-1/2 first, 1/2 last) people who moved on met the item, less how
** late the others did. Who moves on because of an item meets it late; a favourite of keen people is
** met anywhere.
**
** The difference is the within-stratum least squares slope (Mantel-Haenszel weights n1 n0 / n), its
** variance that of people: all touches of a person are one cluster. Touches whose window had not
** ended by as_of_us are left out. Cost: two scans; one stage at a time, 3 bytes per touch and 4 per
** meeting (first touch of an item in a stay); O(touches of the stage) per
** item met by enough people. */
#ifndef WP_JOURNEY_CLARITY_H
#define WP_JOURNEY_CLARITY_H

#include "journey/stage_spans.h"

typedef enum wp_follow { WP_LINGER, WP_ADVANCE, WP_BACK, WP_LEAVE, WP_FOLLOWS } wp_follow;

typedef struct wp_clarity_options {
    const wp_selection *items; /* rows that may be items; NULL: all */
    int32_t text_column;       /* an item is (event, value of it), missing: none; -1: the event */
    int64_t within_us;
    uint32_t users_least; /* items that fewer people met are only counted */
} wp_clarity_options;

typedef struct wp_clarity_item {
    uint32_t stage, code, value;        /* value: code in the text column, 0 without one */
    uint32_t users_count;               /* people who met it in the stage, touch observed */
    uint32_t compared_count;            /* of these, in strata with controls */
    uint32_t passed_count, moved_count; /* of the people who moved on, those who met it before */
    double rate[WP_FOLLOWS];            /* what follows a control, weighted as the difference is */
    double difference[WP_FOLLOWS];      /* NaN: no controls */
    double se;                          /* of difference[WP_ADVANCE] */
    double crude;                       /* difference[WP_ADVANCE] among those equally long there */
    double known, known_se; /* difference[WP_ADVANCE] where 3 rows or more came before */
    double place, place_se; /* see below; NaN: too few */
    bool structural;        /* nearly everybody who moved on had met it: no control either */
} wp_clarity_item;

typedef struct wp_clarity {
    wp_clarity_item *items; /* by stage, then most people first */
    size_t items_count;
    uint64_t rare_count; /* items that too few people met */
    uint64_t touches_count;
} wp_clarity;

WP_NODISCARD wp_status wp_clarity_measure(const wp_stays *stays, const wp_stage_plan *plan,
                                          const wp_clarity_options *options, const wp_run *run,
                                          wp_clarity *out, wp_error *err);
void wp_clarity_reset(wp_clarity *clarity);

#endif
