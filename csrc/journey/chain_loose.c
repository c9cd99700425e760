/* Steps in order, loose or strict: dynamic programming level by level.
**
** A state (item, level) says that a chain of `level + 1` steps ends at the item, and holds the
** latest entry of all such chains: a later entry leaves more of the window and constrains nothing
** else, so it dominates. Per pair of levels that may follow each other a window slides over the
** lower level's items in order of time. Invariant: when item i is looked at, the window's queue
** holds, by falling starts, the items that its step may follow. Cost: items times pairs. */
#include "journey/chain.h"

#include "base/memory.h"

#define NONE WP_CHAIN_NONE

/* --- Windows --------------------------------------------------------------------------------- */

static wp_status window_push(const wp_chain_run *r, wp_chain_window *window, uint32_t item,
                             wp_error *err)
{
    uint32_t start = wp__chain_start(r, item, window->from);
    while (window->tail > window->head &&
           wp__chain_start(r, window->queue[window->tail - 1], window->from) < start)
        window->tail--;
    if (window->tail == window->capacity) {
        size_t capacity = window->capacity * 2 + 64;
        uint32_t *queue = wp_realloc_array(window->queue, capacity, sizeof *queue);
        if (queue == NULL)
            return wp_fail_memory(err, capacity * sizeof *queue);
        window->queue = queue;
        window->capacity = capacity;
    }
    window->queue[window->tail++] = item;
    return WP_OK;
}

/* Whether item a lies before item b with no doubt: by place, or by time where ties are free. */
static bool is_before(const wp_chain_run *r, size_t a, size_t b)
{
    return r->options->ties == WP_TIES_ANY ? r->items[a].time_us < r->items[b].time_us : a < b;
}

/* Looks for excluded events before the item; what lies before the last of them is cut off. */
static void window_bar(const wp_chain_run *r, wp_chain_window *window, uint32_t item)
{
    if (window->exclusions == 0)
        return;
    for (; window->seen < r->end && is_before(r, window->seen, item); window->seen++)
        if ((r->items[window->seen].exclusions & window->exclusions) != 0)
            window->barrier = (uint32_t)window->seen;
}

static bool is_barred(const wp_chain_run *r, const wp_chain_window *window, uint32_t item)
{
    return window->barrier != NONE && is_before(r, item, window->barrier);
}

/* Whether the chain that ends at (item, level) uses `other`. */
static bool chain_uses(const wp_chain_run *r, uint32_t item, uint32_t level, uint32_t other)
{
    while (item != other) {
        size_t state = (size_t)item * r->steps_count + level;
        if (level == 0 || r->search->backs[state] == NONE)
            return false;
        item = r->search->backs[state];
        level = r->search->back_levels[state];
    }
    return true;
}

/* With a grace a row may stand both before and after another: the best item within reach whose
** chain does not use this row. One chain per state is remembered, so this is a greedy choice. */
static uint32_t best_without(const wp_chain_run *r, const wp_chain_window *window, uint32_t item)
{
    const uint32_t *list = r->search->level_items[window->from];
    int64_t gap_max_us = r->options->steps[window->to].gap_max_us;
    uint32_t best = NONE;
    for (size_t i = window->next; i-- > 0;) {
        uint32_t other = list[i];
        if ((gap_max_us >= 0 && r->items[item].time_us - r->items[other].time_us > gap_max_us) ||
            is_barred(r, window, other))
            break;
        if (!chain_uses(r, other, window->from, item) &&
            (best == NONE ||
             wp__chain_start(r, other, window->from) >= wp__chain_start(r, best, window->from)))
            best = other;
        else if (best != NONE && r->items[other].time_us < r->items[item].time_us)
            break; /* earlier rows were entered no later */
    }
    return best;
}

/* The item that the step window->to at `item` comes from, or NONE. */
static wp_status window_best(const wp_chain_run *r, wp_chain_window *window, uint32_t item,
                             bool earlier_only, uint32_t *out, wp_error *err)
{
    const wp_funnel_options *options = r->options;
    const wp_funnel_step *step = &options->steps[window->to];
    const uint32_t *list = r->search->level_items[window->from];
    bool free_ties = options->ties == WP_TIES_ANY;
    int64_t now_us = r->items[item].time_us, gap_min_us = step->gap_min_us;
    if ((options->ties == WP_TIES_STRICT || earlier_only) && gap_min_us < 1)
        gap_min_us = 1;
    if (free_ties && gap_min_us == 0)
        gap_min_us = -options->grace_us;
    window_bar(r, window, item);
    for (; window->next < r->search->level_counts[window->from]; window->next++) {
        uint32_t other = list[window->next];
        if (r->items[other].time_us > now_us - gap_min_us || (!free_ties && other >= item))
            break;
        if (!is_barred(r, window, other))
            WP_TRY(window_push(r, window, other, err));
    }
    while (window->head < window->tail &&
           (is_barred(r, window, window->queue[window->head]) ||
            (step->gap_max_us >= 0 &&
             now_us - r->items[window->queue[window->head]].time_us > step->gap_max_us)))
        window->head++;
    *out = window->head < window->tail ? window->queue[window->head] : NONE;
    if (*out != NONE && free_ties && r->shared && !earlier_only && !options->reuse_rows &&
        chain_uses(r, *out, window->from, item))
        *out = best_without(r, window, item);
    return WP_OK;
}

/* --- States ---------------------------------------------------------------------------------- */

void wp__chain_set_state(wp_chain_run *r, uint32_t item, uint32_t level, uint32_t start,
                         uint32_t back, uint32_t back_level)
{
    wp_chain_search *search = r->search;
    size_t state = (size_t)item * r->steps_count + level;
    search->starts[state] = start;
    search->backs[state] = back;
    search->back_levels[state] = (uint8_t)back_level;
    search->level_items[level][search->level_counts[level]++] = item;
    /* Where ties are free, rows of one moment complete together: the latest entry decides. */
    bool together = level + 1 == r->best_level && r->options->ties == WP_TIES_ANY &&
                    r->items[item].time_us == r->items[r->best_item].time_us &&
                    start > wp__chain_start(r, r->best_item, level);
    if (level + 1 > r->best_level || together) {
        r->best_level = level + 1;
        r->best_item = item;
    }
}

wp_status wp__chain_best_before(wp_chain_run *r, uint32_t item, uint32_t level, bool earlier_only,
                                uint32_t *out_back, uint32_t *out_from, wp_error *err)
{
    uint32_t best_start = NONE;
    *out_back = NONE;
    *out_from = 0;
    for (uint32_t i = 0; i < r->search->windows_count; i++) {
        wp_chain_window *window = &r->search->windows[i];
        if (window->to != level)
            continue;
        uint32_t back = NONE;
        WP_TRY(window_best(r, window, item, earlier_only, &back, err));
        if (back == NONE)
            continue;
        uint32_t start = wp__chain_start(r, back, window->from);
        /* Windows of a step come nearest first, so equal entries keep the optional step. */
        if (best_start == NONE || start > best_start) {
            best_start = start;
            *out_back = back;
            *out_from = window->from;
        }
    }
    return WP_OK;
}

static wp_status advance_loose(wp_chain_run *r, uint32_t item, uint32_t level, wp_error *err)
{
    uint32_t back, from;
    WP_TRY(wp__chain_best_before(r, item, level, false, &back, &from, err));
    if (back == NONE)
        return WP_OK;
    uint32_t start = wp__chain_start(r, back, from);
    if (wp__chain_fits(r, start, item))
        wp__chain_set_state(r, item, level, start, back, from);
    return WP_OK;
}

/* Strict order: only the row directly before counts. */
static void advance_strict(wp_chain_run *r, uint32_t item, uint32_t level)
{
    if (item == r->begin || r->items[item - 1].place + 1 != r->items[item].place)
        return;
    const wp_funnel_step *step = &r->options->steps[level];
    int64_t gap_us = r->items[item].time_us - r->items[item - 1].time_us;
    if (gap_us < step->gap_min_us || (step->gap_max_us >= 0 && gap_us > step->gap_max_us) ||
        (r->options->ties == WP_TIES_STRICT && gap_us == 0))
        return;
    uint32_t best_start = NONE, best_from = 0;
    for (uint32_t from = level; from-- > 0;) {
        uint32_t start = wp__chain_start(r, item - 1, from);
        if (start != NONE && wp__chain_fits(r, start, item) &&
            (best_start == NONE || start > best_start)) {
            best_start = start;
            best_from = from;
        }
        if (!r->options->steps[from].optional)
            break;
    }
    if (best_start != NONE)
        wp__chain_set_state(r, item, level, best_start, item - 1, best_from);
}

wp_status wp__chain_loose(wp_chain_run *r, wp_error *err)
{
    for (uint32_t level = 0; level < r->steps_count; level++) {
        if (level > 0 && r->search->level_counts[0] == 0)
            return WP_OK;
        for (size_t i = r->begin; i < r->end; i++) {
            uint32_t item = (uint32_t)i;
            if ((r->items[i].steps >> level & 1u) == 0)
                continue;
            if (level == 0) {
                if (r->only == NONE || r->only == item)
                    wp__chain_set_state(r, item, 0, item, NONE, 0);
            } else if (r->options->order == WP_ORDER_STRICT) {
                advance_strict(r, item, level);
            } else {
                WP_TRY(advance_loose(r, item, level, err));
            }
        }
    }
    return WP_OK;
}

void wp__chain_loose_trace(const wp_chain_run *r, wp_chain *out)
{
    uint32_t item = r->best_item, level = r->best_level - 1;
    for (;;) {
        out->rows[level] = r->items[item].row;
        size_t state = (size_t)item * r->steps_count + level;
        if (level == 0)
            return;
        item = r->search->backs[state];
        level = r->search->back_levels[state];
    }
}

/* --- At the end of the log ------------------------------------------------------------------- */

/* Whether a chain that stands at (item, window->from) can still take the step window->to after
** as_of_us. A chain without any limit of time is not waited for. */
static bool can_go_on(const wp_chain_run *r, const wp_chain_window *window, uint32_t item)
{
    const wp_funnel_options *options = r->options;
    int64_t gap_max_us = options->steps[window->to].gap_max_us;
    uint32_t start = wp__chain_start(r, item, window->from);
    if (options->within_us < 0 && gap_max_us < 0)
        return false;
    if (options->order == WP_ORDER_STRICT && r->items[item].place + 1 != r->search->rows_count)
        return false;
    return (options->within_us < 0 ||
            r->items[start].time_us + options->within_us > options->as_of_us) &&
           (gap_max_us < 0 || r->items[item].time_us + gap_max_us > options->as_of_us);
}

bool wp__chain_still_open(const wp_chain_run *r)
{
    for (uint32_t i = 0; i < r->search->windows_count; i++) {
        wp_chain_window window = r->search->windows[i];
        window.barrier = NONE;
        for (size_t x = r->end; x-- > r->begin && window.barrier == NONE;)
            if ((r->items[x].exclusions & window.exclusions) != 0)
                window.barrier = (uint32_t)x;
        for (size_t k = r->search->level_counts[window.from]; k-- > 0;) {
            uint32_t item = r->search->level_items[window.from][k];
            if (is_barred(r, &window, item))
                break;
            if (can_go_on(r, &window, item))
                return true;
        }
    }
    return false;
}
