/* Steps in any order: the most different steps done within one window.
**
** A window begins at an entry (any relevant row, or with first_required a row of the first step,
** which then serves that step) and slides over the items. One row serves one step, so a window's
** level is a bipartite matching. Rows matter for it only by the steps they can mean, so the window
** keeps a count per kind (set of steps) and the matching is between steps and kinds. Windows begin
** ever later, so an equal level completes no earlier: only more counts.
** Cost: linear in items, times steps and kinds where rows are ambiguous. */
#include "journey/chain.h"

#define NONE      WP_CHAIN_NONE
#define KINDS_MAX 64u

typedef struct kinds {
    uint32_t steps[KINDS_MAX]; /* the set of steps that this kind of row can mean */
    uint32_t in_window[KINDS_MAX];
    uint32_t count;
    uint32_t steps_count;
    bool many; /* more kinds than there is room for: every window is matched row by row */
} kinds;

static uint32_t kind_of(kinds *k, uint32_t steps)
{
    for (uint32_t i = 0; i < k->count; i++)
        if (k->steps[i] == steps)
            return i;
    if (k->count == KINDS_MAX) {
        k->many = true;
        return 0;
    }
    k->steps[k->count] = steps;
    k->in_window[k->count] = 0;
    return k->count++;
}

static void add_row(kinds *k, uint32_t steps, int sign)
{
    if (steps != 0)
        k->in_window[kind_of(k, steps)] += (uint32_t)sign;
}

typedef struct kind_matching {
    const kinds *kinds;
    uint32_t used[KINDS_MAX];
    uint32_t owner[WP_FUNNEL_STEPS_MAX]; /* kind that serves a step, or NONE */
} kind_matching;

static bool serve_kind(kind_matching *m, uint32_t step, uint64_t *tried)
{
    for (uint32_t kind = 0; kind < m->kinds->count; kind++) {
        if ((m->kinds->steps[kind] >> step & 1u) == 0 || (*tried >> kind & 1u) != 0)
            continue;
        *tried |= 1ULL << kind;
        bool free = m->used[kind] < m->kinds->in_window[kind];
        for (uint32_t other = 0; !free && other < m->kinds->steps_count; other++)
            if (m->owner[other] == kind && serve_kind(m, other, tried)) {
                m->used[kind]--; /* the other step has moved to a new kind */
                free = true;
            }
        if (free) {
            m->owner[step] = kind;
            m->used[kind]++;
            return true;
        }
    }
    return false;
}

/* How many different steps the rows counted in *k can serve, `fixed` of which are given. */
static uint32_t level_of(const kinds *k, uint32_t fixed_steps)
{
    if (k->many)
        return k->steps_count;
    kind_matching m = {.kinds = k};
    uint32_t level = 0;
    for (uint32_t step = 0; step < k->steps_count; step++)
        m.owner[step] = NONE;
    for (uint32_t step = 0; step < k->steps_count; step++) {
        uint64_t tried = 0;
        level += (fixed_steps >> step & 1u) != 0 || serve_kind(&m, step, &tried);
    }
    return level;
}

/* --- Row by row: which rows the chain has ---------------------------------------------------- */

typedef struct matching {
    const wp_chain_run *run;
    size_t begin, end;
    uint32_t owner[WP_FUNNEL_STEPS_MAX]; /* item that serves a step, or NONE */
} matching;

static uint32_t steps_of(const matching *m, uint32_t item)
{
    if (item == m->begin && m->run->options->first_required)
        return 1u;
    return m->run->items[item].steps;
}

/* Gives the item to one of its steps, moving earlier items to others where that helps (Kuhn). Items
** come in order of time, so a step keeps the earliest item that can serve it. */
static bool place_item(matching *m, uint32_t item, uint32_t *tried)
{
    for (uint32_t left = steps_of(m, item) & ~*tried; left != 0; left &= ~*tried & (left - 1)) {
        uint32_t step = (uint32_t)__builtin_ctz(left);
        *tried |= 1u << step;
        if (m->owner[step] == NONE || place_item(m, m->owner[step], tried)) {
            m->owner[step] = item;
            return true;
        }
    }
    return false;
}

static uint32_t match_window(matching *m)
{
    uint32_t matched = 0;
    for (uint32_t step = 0; step < m->run->steps_count; step++)
        m->owner[step] = NONE;
    for (size_t i = m->begin; i < m->end && matched < m->run->steps_count; i++) {
        uint32_t tried = 0;
        matched += m->run->items[i].steps != 0 && place_item(m, (uint32_t)i, &tried);
    }
    return matched;
}

static void keep(const matching *m, uint32_t level, wp_chain *out)
{
    const wp_chain_item *items = m->run->items;
    out->level = level;
    out->entered_us = items[m->begin].time_us;
    out->completed_us = INT64_MIN;
    for (uint32_t step = 0; step < m->run->steps_count; step++) {
        bool served = m->owner[step] != NONE;
        out->rows[step] = served ? items[m->owner[step]].row : WP_FUNNEL_NO_ROW;
        if (served && items[m->owner[step]].time_us > out->completed_us)
            out->completed_us = items[m->owner[step]].time_us;
    }
}

static bool may_begin(const wp_chain_run *r, size_t item)
{
    uint32_t steps = r->items[item].steps;
    if (steps == 0 || (r->options->first_required && (steps & 1u) == 0))
        return false;
    return r->only == NONE || r->only == item;
}

/* The level of the window in *k that begins at the item. */
static uint32_t level_from(kinds *k, const wp_chain_run *r, size_t begin)
{
    if (!r->options->first_required)
        return level_of(k, 0);
    add_row(k, r->items[begin].steps, -1);
    uint32_t level = level_of(k, 1u);
    add_row(k, r->items[begin].steps, 1);
    return level;
}

/* The latest entry that still has the winner's level at the winner's completion: windows grow
** backwards from there until one matches as many steps. */
static void enter_latest(const wp_chain_run *r, matching *m, wp_chain *out)
{
    kinds k = {.steps_count = r->steps_count};
    size_t end = m->begin;
    while (end < r->end && r->items[end].time_us <= out->completed_us)
        end++;
    m->end = end;
    for (size_t begin = end; begin-- > m->begin;) {
        add_row(&k, r->items[begin].steps, 1);
        if (!may_begin(r, begin) || level_from(&k, r, begin) < out->level)
            continue;
        matching later = {.run = r, .begin = begin, .end = end};
        if (match_window(&later) == out->level) {
            keep(&later, out->level, out);
            return;
        }
    }
}

void wp__chain_any(const wp_chain_run *r, wp_chain *out)
{
    const wp_funnel_options *options = r->options;
    kinds k = {.steps_count = r->steps_count};
    matching m = {.run = r}, best = m;
    size_t end = r->begin;
    for (size_t begin = r->begin; begin < r->end && out->level < r->steps_count; begin++) {
        for (; end < r->end &&
               (options->within_us < 0 ||
                r->items[end].time_us - r->items[begin].time_us <= options->within_us);
             end++)
            add_row(&k, r->items[end].steps, 1);
        if (may_begin(r, begin) && level_from(&k, r, begin) > out->level) {
            m.begin = begin;
            m.end = end;
            uint32_t level = match_window(&m);
            if (level > out->level) {
                keep(&m, level, out);
                best = m;
            }
        }
        add_row(&k, r->items[begin].steps, -1);
    }
    if (out->level > 0)
        enter_latest(r, &best, out);
}
