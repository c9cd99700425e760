/* Steps in order where rows of one moment may follow each other either way, one row serves one
** step, and a row can mean several steps.
**
** The unit is the moment: all rows of one instant. A chain comes to a moment at some level, takes
** one or more steps there, each by a row of its own, and moves on. Which steps a moment can serve
** together is a bipartite matching of steps and rows, so the search is exact. States are as in
** chain_loose.c, with the first item of the moment standing for it. */
#include "journey/chain.h"

#define NONE WP_CHAIN_NONE

typedef struct moment {
    const wp_chain_run *run;
    size_t begin, end;
    uint32_t owner[WP_FUNNEL_STEPS_MAX]; /* item that serves a step of the chain, or NONE */
} moment;

static bool can_serve(const moment *m, size_t item, uint32_t level)
{
    if ((m->run->items[item].steps >> level & 1u) == 0)
        return false;
    return level > 0 || m->run->only == NONE || m->run->only == item;
}

/* The step that an item serves, or NONE. */
static uint32_t step_of(const moment *m, size_t item)
{
    for (uint32_t level = 0; level < m->run->steps_count; level++)
        if (m->owner[level] == item)
            return level;
    return NONE;
}

/* Gives the step a row of its own, moving other steps to other rows where that helps (Kuhn).
** tried: steps on the way here; each is visited once. */
static bool serve(moment *m, uint32_t level, uint32_t *tried)
{
    *tried |= 1u << level;
    for (size_t item = m->begin; item < m->end; item++) {
        if (!can_serve(m, item, level))
            continue;
        uint32_t other = step_of(m, item);
        if (other == NONE || ((*tried >> other & 1u) == 0 && serve(m, other, tried))) {
            m->owner[level] = (uint32_t)item;
            return true;
        }
    }
    return false;
}

static void clear(moment *m)
{
    for (uint32_t level = 0; level < m->run->steps_count; level++)
        m->owner[level] = NONE;
}

static bool place(moment *m, uint32_t level)
{
    uint32_t tried = 0;
    return serve(m, level, &tried);
}

/* A chain that comes to the moment as step `from` (its entry: `start`) spreads over the steps that
** the moment can serve. better[level] holds the latest entry found so far for each level. */
static void spread(wp_chain_run *r, moment *m, uint32_t from, uint32_t start, uint32_t back,
                   uint32_t back_level, uint32_t *better)
{
    wp_chain_search *search = r->search;
    clear(m);
    for (uint32_t level = from; level < r->steps_count; level++) {
        const wp_funnel_step *step = &r->options->steps[level];
        bool optional = level > from && step->optional;
        if (level > from && step->gap_min_us > 0) {
            if (optional)
                continue;
            return;
        }
        moment before = *m;
        if (!place(m, level)) {
            *m = before;
            if (optional)
                continue;
            return;
        }
        if (better[level] == NONE || start > better[level]) {
            size_t state = m->begin * r->steps_count + level;
            better[level] = start;
            search->starts[state] = start;
            search->backs[state] = back;
            search->back_levels[state] = (uint8_t)back_level;
            search->joined_levels[state] = (uint8_t)from;
        }
        if (optional)
            *m = before; /* a later step may need its row more */
    }
}

static wp_status visit(wp_chain_run *r, moment *m, wp_error *err)
{
    uint32_t better[WP_FUNNEL_STEPS_MAX], first = (uint32_t)m->begin, steps = 0;
    for (size_t i = m->begin; i < m->end; i++)
        steps |= r->items[i].steps;
    for (uint32_t level = 0; level < r->steps_count; level++)
        better[level] = NONE;
    for (uint32_t level = 0; level < r->steps_count; level++) {
        if ((steps >> level & 1u) == 0)
            continue;
        uint32_t start = first, back = NONE, from = 0;
        if (level > 0) {
            WP_TRY(wp__chain_best_before(r, first, level, true, &back, &from, err));
            if (back == NONE)
                continue;
            start = wp__chain_start(r, back, from);
            if (!wp__chain_fits(r, start, first))
                continue;
        }
        spread(r, m, level, start, back, from, better);
    }
    for (uint32_t level = 0; level < r->steps_count; level++) {
        size_t state = m->begin * r->steps_count + level;
        if (better[level] != NONE)
            wp__chain_set_state(r, first, level, better[level], r->search->backs[state],
                                r->search->back_levels[state]);
    }
    return WP_OK;
}

wp_status wp__chain_ties(wp_chain_run *r, wp_error *err)
{
    for (size_t begin = r->begin, end; begin < r->end; begin = end) {
        end = begin + 1;
        while (end < r->end && r->items[end].time_us == r->items[begin].time_us)
            end++;
        moment m = {.run = r, .begin = begin, .end = end};
        WP_TRY(visit(r, &m, err));
    }
    return WP_OK;
}

void wp__chain_ties_trace(const wp_chain_run *r, wp_chain *out)
{
    uint32_t item = r->best_item, level = r->best_level - 1;
    while (item != NONE) {
        size_t state = (size_t)item * r->steps_count + level, end = item + 1;
        while (end < r->end && r->items[end].time_us == r->items[item].time_us)
            end++;
        moment m = {.run = r, .begin = item, .end = end};
        clear(&m);
        uint32_t from = r->search->joined_levels[state];
        for (uint32_t step = from; step <= level; step++)
            if (step == from || step == level || !r->options->steps[step].optional)
                (void)place(&m, step);
        for (uint32_t step = from; step <= level; step++)
            if (m.owner[step] != NONE)
                out->rows[step] = r->items[m.owner[step]].row;
        item = r->search->backs[state];
        level = r->search->back_levels[state];
    }
}
