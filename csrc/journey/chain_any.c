/* Steps in any order: the most different steps done within one window.
**
** The window begins at each relevant row (entry first or latest: at that one row; a fixed first
** step would be a filter on where windows begin) and slides over the items with a count per step.
** Where a row can mean several steps, one row serves one step: a small bipartite matching decides
** how many steps a window really has. Cost: linear in items, times steps where rows are ambiguous.
*/
#include "journey/chain.h"

typedef struct matching {
    const wp_chain_item *items;
    size_t begin, end;
    uint32_t steps_count;
    uint32_t owner[WP_FUNNEL_STEPS_MAX]; /* item that serves a step, or UINT32_MAX */
} matching;

/* Gives the item to one of its steps, moving earlier items to others where that helps (Kuhn). Items
** come in order of time, so a step keeps the earliest item that can serve it. */
static bool place_item(matching *m, uint32_t item, uint32_t *tried)
{
    for (uint32_t left = m->items[item].steps & ~*tried; left != 0; left &= ~*tried & (left - 1)) {
        uint32_t step = (uint32_t)__builtin_ctz(left);
        *tried |= 1u << step;
        if (m->owner[step] == UINT32_MAX || place_item(m, m->owner[step], tried)) {
            m->owner[step] = item;
            return true;
        }
    }
    return false;
}

static uint32_t match_window(matching *m)
{
    uint32_t matched = 0;
    for (uint32_t step = 0; step < m->steps_count; step++)
        m->owner[step] = UINT32_MAX;
    for (size_t i = m->begin; i < m->end && matched < m->steps_count; i++) {
        uint32_t tried = 0;
        matched += m->items[i].steps != 0 && place_item(m, (uint32_t)i, &tried);
    }
    return matched;
}

static void keep(const matching *m, uint32_t level, wp_chain *out)
{
    out->level = level;
    out->entered_us = m->items[m->begin].time_us;
    out->completed_us = INT64_MIN;
    for (uint32_t step = 0; step < m->steps_count; step++) {
        bool served = m->owner[step] != UINT32_MAX;
        out->rows[step] = served ? m->items[m->owner[step]].row : WP_FUNNEL_NO_ROW;
        if (served && m->items[m->owner[step]].time_us > out->completed_us)
            out->completed_us = m->items[m->owner[step]].time_us;
    }
}

/* The latest entry that still has the winner's level at the winner's completion: windows grow
** backwards from there until one matches as many steps. */
static void enter_latest(matching *m, uint32_t enter, wp_chain *out)
{
    size_t end = m->begin;
    while (end < m->end && m->items[end].time_us <= out->completed_us)
        end++;
    m->end = end;
    uint32_t level = out->level, present = 0;
    for (size_t begin = end; begin-- > 0;) {
        present |= m->items[begin].steps;
        if ((m->items[begin].steps & enter) == 0 || (uint32_t)__builtin_popcount(present) < level)
            continue;
        m->begin = begin;
        if (match_window(m) == level) {
            keep(m, level, out);
            return;
        }
    }
}

wp_status wp__chain_any_order(const wp_chain_plan *plan, wp_chain_search *search, wp_chain *out,
                              wp_error *err)
{
    (void)err;
    const wp_funnel_options *options = plan->options;
    const wp_chain_item *items = search->items;
    uint32_t counts[WP_FUNNEL_STEPS_MAX] = {0}, present = 0;
    size_t count = search->items_count, end = 0, last = count;
    matching m = {.items = items, .steps_count = options->steps_count}, best = m;
    for (size_t i = 0; i < count; i++)
        if (options->first_required ? (items[i].steps & 1u) != 0 : items[i].steps != 0)
            last = i;
    for (size_t begin = 0; begin < count && out->level < options->steps_count; begin++) {
        if (items[begin].steps == 0)
            continue;
        while (end < count && (options->within_us < 0 ||
                               items[end].time_us - items[begin].time_us <= options->within_us)) {
            for (uint32_t left = items[end].steps; left != 0; left &= left - 1)
                present += counts[__builtin_ctz(left)]++ == 0;
            end++;
        }
        /* Windows begin ever later, so an equal level completes no earlier: only more counts. */
        bool enters = (!options->first_required || (items[begin].steps & 1u) != 0) &&
                      (options->entry != WP_ENTRY_LATEST || begin == last);
        if (present > out->level && enters) {
            m.begin = begin;
            m.end = end;
            uint32_t level = match_window(&m);
            if (level > out->level) {
                keep(&m, level, out);
                best = m;
            }
        }
        if (options->entry == WP_ENTRY_FIRST && enters)
            return WP_OK;
        for (uint32_t left = items[begin].steps; left != 0; left &= left - 1)
            present -= --counts[__builtin_ctz(left)] == 0;
    }
    if (out->level > 0)
        enter_latest(&best, options->first_required ? 1u : UINT32_MAX, out);
    return WP_OK;
}
