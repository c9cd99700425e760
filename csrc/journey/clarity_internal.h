/* What the two halves of clarity share: touches (clarity_touches.c) and their comparison
** (clarity.c). */
#ifndef WP_JOURNEY_CLARITY_INTERNAL_H
#define WP_JOURNEY_CLARITY_INTERNAL_H

#include "journey/clarity.h"

#define WP_ROW_BINS      7u  /* rows in the stage so far */
#define WP_TIME_BINS     10u /* time in the stage so far */
#define WP_BEFORE_BINS   4u  /* rows before the stage */
#define WP_CLARITY_CELLS (WP_ROW_BINS * WP_TIME_BINS * WP_BEFORE_BINS * 2u)

/* The touches of one stage. Those of its stay i are starts[i] .. starts[i + 1] - 1, in order of
** rows; a touch is a mark and an item, in 3 bytes where there are fewer than 256 items. */
typedef struct wp_touches {
    uint32_t stage;
    size_t first, total; /* its stays among all, and how many */
    uint32_t *starts;    /* total + 1 */
    uint16_t *marks;     /* stratum << 2 | what follows */
    wp_codes items;      /* 0: a control only */
    uint64_t *item_keys; /* item - 1 -> event code << 32 | value code, ascending */
    uint32_t items_count;
    uint64_t *moved; /* bit per stay: moved on, and all its rows are touches, one at least */
} wp_touches;

static inline uint32_t wp_touch_item(const wp_touches *touches, size_t at)
{
    return wp_code_at(&touches->items, at);
}

static inline uint32_t wp_touch_cell(const wp_touches *touches, size_t at)
{
    return touches->marks[at] >> 2;
}

/* The stratum by time in the stage alone. */
static inline uint32_t wp_crude_cell(uint32_t cell)
{
    return cell / (WP_BEFORE_BINS * 2) % WP_TIME_BINS;
}

static inline wp_follow wp_touch_follow(const wp_touches *touches, size_t at)
{
    return (wp_follow)(touches->marks[at] & 3u);
}

WP_NODISCARD wp_status wp__touches_make(const wp_stays *stays, const wp_stage_plan *plan,
                                        const wp_clarity_options *options, uint32_t stage,
                                        const wp_run *run, wp_touches *out, wp_error *err);
void wp__touches_reset(wp_touches *touches);

#endif
