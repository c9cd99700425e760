/* What the two halves of clarity share: touches (clarity_touches.c) and their comparison
** (clarity.c). */
#ifndef WP_JOURNEY_CLARITY_INTERNAL_H
#define WP_JOURNEY_CLARITY_INTERNAL_H

#include "journey/clarity.h"

#define WP_NO_ITEM       UINT32_MAX
#define WP_ROW_BINS      7u  /* rows in the stage so far */
#define WP_TIME_BINS     10u /* time in the stage so far */
#define WP_BEFORE_BINS   4u  /* rows before the stage */
#define WP_CLARITY_CELLS (WP_ROW_BINS * WP_TIME_BINS * WP_BEFORE_BINS * 2u)

typedef struct wp_touch {
    uint32_t item; /* WP_NO_ITEM: a control only */
    uint16_t cell; /* stratum */
    uint8_t crude; /* stratum by time in the stage alone */
    uint8_t follow : 4, no_control : 4;
} wp_touch;

/* Touches of stay s are touches[starts[s] .. starts[s] + counts[s] - 1], in order of rows. */
typedef struct wp_touches {
    wp_touch *touches;
    size_t *starts;
    uint32_t *counts;
    uint64_t *item_keys; /* item -> event code << 32 | value code, ascending */
    uint32_t items_count;
} wp_touches;

WP_NODISCARD wp_status wp__touches_make(const wp_stays *stays, const wp_stage_plan *plan,
                                        const wp_clarity_options *options, const wp_run *run,
                                        wp_touches *out, wp_error *err);
void wp__touches_reset(wp_touches *touches);

#endif
