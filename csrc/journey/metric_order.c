/* Leaves that read the order of events: stages, loops, turns, matches. "Later" means a later row of
** the user, so events of one instant keep the order in which they were recorded. */
#include "journey/metric.h"

/* The stage of a row, 1-based; 0 when it belongs to none. The first stage that lists it wins. */
static uint32_t stage_of(const wp_leaf_run *run, uint32_t local)
{
    const uint32_t *steps = run->span->plan->steps + run->leaf->first_step;
    for (uint32_t k = 0; k < run->leaf->steps_count; k++)
        if (wp_span_has(run->span, steps[k], local))
            return k + 1;
    return 0;
}

static double depth(const wp_leaf_run *run, uint32_t i)
{
    uint32_t reached = 0;
    for (uint32_t local = run->lo[i]; local < run->hi[i] && reached < run->leaf->steps_count;
         local++)
        reached += stage_of(run, local) == reached + 1;
    return reached;
}

static double backtracks(const wp_leaf_run *run, uint32_t i)
{
    uint32_t count = 0, before = 0;
    for (uint32_t local = run->lo[i]; local < run->hi[i]; local++) {
        uint32_t stage = stage_of(run, local);
        if (stage == 0)
            continue;
        count += stage < before;
        before = stage;
    }
    return count;
}

static double hesitation(const wp_leaf_run *run, uint32_t i)
{
    const wp_span *span = run->span;
    uint32_t wanted = run->leaf->stage + 1, hi = run->hi[i], local = run->lo[i];
    while (local < hi && stage_of(run, local) != wanted)
        local++;
    if (local >= hi)
        return NAN;
    int64_t start_us = wp_span_us(span, local);
    for (local++; local < hi; local++)
        if (stage_of(run, local) > wanted)
            return wp_seconds(wp_span_us(span, local) - start_us);
    return wp_seconds(wp_window_end(span, run->leaf->window, i) - start_us);
}

static double self_loops(const wp_leaf_run *run, uint32_t i)
{
    const wp_span *span = run->span;
    uint32_t count = 0, a = run->leaf->a;
    for (uint32_t local = run->lo[i]; local + 1 < run->hi[i]; local++)
        count += wp_span_has(span, a, local) && wp_span_has(span, a, local + 1) &&
                 wp_span_code(span, local) == wp_span_code(span, local + 1);
    return count;
}

static double u_turns(const wp_leaf_run *run, uint32_t i)
{
    const wp_span *span = run->span;
    uint32_t count = 0, a = run->leaf->a;
    for (uint32_t local = run->lo[i]; local + 2 < run->hi[i]; local++) {
        if (!wp_span_has(span, a, local) || !wp_span_has(span, a, local + 2))
            continue;
        uint32_t code = wp_span_code(span, local);
        count += wp_span_code(span, local + 1) != code && wp_span_code(span, local + 2) == code;
    }
    return count;
}

/* Row of the last step of the greedy match that starts at `first`; hi when the rows run out before
** it is complete; *late is set when it is complete but takes longer than allowed. */
static uint32_t match_from(const wp_leaf_run *run, uint32_t first, uint32_t hi, bool *late)
{
    const wp_span *span = run->span;
    const uint32_t *steps = span->plan->steps + run->leaf->first_step;
    uint32_t at = first;
    int64_t limit = run->leaf->limit_us / span->unit_us;
    *late = false;
    for (uint32_t k = 1; k < run->leaf->steps_count; k++) {
        at = wp_next_match(span, steps[k], at + 1, hi);
        if (at >= hi)
            return hi;
        if (span->ticks[at] - span->ticks[first] > limit) {
            *late = true;
            return at;
        }
    }
    return at;
}

/* Where the search for matches may end. Most users have no row of the last step, and plans ask for
** many matches that end in the same step: it is looked for once. */
static void find_ends(const wp_leaf_run *run)
{
    const wp_span *span = run->span;
    const wp_leaf *leaf = run->leaf;
    wp_metric_room *room = run->room;
    uint32_t step = span->plan->steps[leaf->first_step + leaf->steps_count - 1];
    if (room->ends_span == run->first_frame_row + 1 && room->ends_step == step &&
        room->ends_window == leaf->window)
        return;
    for (uint32_t i = 0; i < span->users_count; i++) {
        uint32_t end = run->hi[i];
        while (end > run->lo[i] && !wp_span_has(span, step, end - 1))
            end--;
        room->ends[i] = end;
    }
    room->ends_span = run->first_frame_row + 1;
    room->ends_step = step;
    room->ends_window = leaf->window;
}

/* A start whose match is too late is given up for the next start; one whose steps run out ends the
** search, since every later start would run out as well. */
static double matches(const wp_leaf_run *run, uint32_t i)
{
    const wp_span *span = run->span;
    uint32_t step = span->plan->steps[run->leaf->first_step], hi = run->room->ends[i], count = 0;
    uint32_t first = wp_next_match(span, step, run->lo[i], hi);
    while (first < hi) {
        bool late;
        uint32_t last = match_from(run, first, hi, &late);
        if (last >= hi)
            break;
        count += !late;
        first = wp_next_match(span, step, (late ? first : last) + 1, hi);
    }
    return count;
}

void wp__measure_order(const wp_leaf_run *run)
{
    double (*measure)(const wp_leaf_run *, uint32_t) = matches;
    switch (run->leaf->kind) {
    case WP_LEAF_DEPTH:
        measure = depth;
        break;
    case WP_LEAF_BACKTRACKS:
        measure = backtracks;
        break;
    case WP_LEAF_HESITATION:
        measure = hesitation;
        break;
    case WP_LEAF_SELF_LOOPS:
        measure = self_loops;
        break;
    case WP_LEAF_U_TURNS:
        measure = u_turns;
        break;
    default:
        break;
    }
    if (run->leaf->kind == WP_LEAF_MATCHES)
        find_ends(run);
    for (uint32_t i = 0; i < run->span->users_count; i++)
        run->out[i] = measure(run, i);
}
