/* Leaves that measure time. Sums are kept in integer microseconds and turned into seconds once, so
** rounding cannot pile up. Only events inside the window count, also for the gap after the last. */
#include "base/zone.h"
#include "journey/metric.h"

#include <stdlib.h>

#define DAY_US 86400000000LL

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static double sessions(const wp_leaf_run *run, uint32_t i)
{
    const wp_span *span = run->span;
    uint32_t count = 0, a = run->leaf->a;
    int64_t limit = run->leaf->limit_us / span->unit_us, last = 0;
    for (uint32_t local = run->lo[i]; local < run->hi[i]; local++) {
        if (!wp_span_has(span, a, local))
            continue;
        /* A gap in whole ticks is longer than limit_us exactly when it passes its floor. */
        count += count == 0 || span->ticks[local] - last > limit;
        last = span->ticks[local];
    }
    return count;
}

/* Days in order of time only ever step back by one, and only where a zone's clock goes back over
** midnight: remembering the last two days seen is enough to tell a new one. */
static double active_days(const wp_leaf_run *run, uint32_t i)
{
    const wp_span *span = run->span;
    const wp_zone *zone = run->leaf->zone;
    uint32_t count = 0;
    int64_t day_start = INT64_MIN, last = INT64_MIN, other = INT64_MIN;
    for (uint32_t local = run->lo[i]; local < run->hi[i]; local++) {
        if (!wp_span_has(span, run->leaf->a, local))
            continue;
        int64_t time_us = wp_span_us(span, local);
        if (zone != NULL)
            time_us += wp_zone_offset_at(zone, floor_div(time_us, 1000000)) * 1000000LL;
        else if (count > 0 && time_us - day_start < DAY_US) /* still the day counted last */
            continue;
        int64_t day = floor_div(time_us, DAY_US);
        if (day == last || day == other)
            continue;
        other = last;
        last = day;
        day_start = day * DAY_US;
        count++;
    }
    return count;
}

static double first_or_last(const wp_leaf_run *run, uint32_t i)
{
    const wp_span *span = run->span;
    uint32_t lo = run->lo[i], hi = run->hi[i], a = run->leaf->a;
    if (run->leaf->kind == WP_LEAF_LAST_TIME) {
        while (hi > lo && !wp_span_has(span, a, hi - 1))
            hi--;
        return hi == lo ? NAN : (double)(wp_span_us(span, hi - 1) - span->t0_us[i]);
    }
    uint32_t at = wp_next_match(span, a, lo, hi);
    return at >= hi ? NAN : (double)(wp_span_us(span, at) - span->t0_us[i]);
}

static double time_to(const wp_leaf_run *run, uint32_t i)
{
    const wp_span *span = run->span;
    uint32_t at = wp_next_match(span, run->leaf->a, run->lo[i], run->hi[i]);
    int64_t start_us = wp_window_start(span, run->leaf->window, i);
    if (at < run->hi[i])
        return wp_seconds(wp_span_us(span, at) - start_us);
    return wp_seconds(wp_window_end(span, run->leaf->window, i) - start_us);
}

/* Time to event as it could be seen: sight ends with the window or with the user's follow-up. */
static double until_event(const wp_leaf_run *run, uint32_t i)
{
    const wp_span *span = run->span;
    int64_t start_us = wp_window_start(span, run->leaf->window, i);
    int64_t sight_us = wp_window_end(span, run->leaf->window, i);
    sight_us = span->end_us[i] < sight_us ? span->end_us[i] : sight_us;
    if (sight_us < start_us)
        return NAN;
    uint32_t at = wp_next_match(span, run->leaf->a, run->lo[i], run->hi[i]);
    bool seen = at < run->hi[i] && wp_span_us(span, at) < sight_us;
    if (run->leaf->kind == WP_LEAF_UNTIL_STATUS)
        return seen;
    return wp_seconds((seen ? wp_span_us(span, at) : sight_us) - start_us);
}

static double time_between(const wp_leaf_run *run, uint32_t i)
{
    const wp_span *span = run->span;
    uint32_t hi = run->hi[i], at = wp_next_match(span, run->leaf->a, run->lo[i], hi);
    if (at >= hi)
        return NAN;
    int64_t start = span->ticks[at];
    for (at++; at < hi; at++)
        if (span->ticks[at] > start && wp_span_has(span, run->leaf->b, at))
            return wp_seconds((span->ticks[at] - start) * span->unit_us);
    return NAN;
}

static double dwell(const wp_leaf_run *run, uint32_t i)
{
    const wp_span *span = run->span;
    int64_t total_us = 0;
    for (uint32_t local = run->lo[i]; local + 1 < run->hi[i]; local++) {
        if (!wp_span_has(span, run->leaf->a, local))
            continue;
        int64_t gap_us = (span->ticks[local + 1] - span->ticks[local]) * span->unit_us;
        total_us += gap_us < run->leaf->limit_us ? gap_us : run->leaf->limit_us;
    }
    return wp_seconds(total_us);
}

/* Gaps between neighbouring events of a, in ticks; returns how many. */
static uint32_t collect_gaps(const wp_leaf_run *run, uint32_t i, int64_t *gaps, int64_t *longest)
{
    const wp_span *span = run->span;
    uint32_t count = 0, hi = run->hi[i], at = wp_next_match(span, run->leaf->a, run->lo[i], hi);
    while (at < hi) {
        uint32_t next = wp_next_match(span, run->leaf->a, at + 1, hi);
        if (next >= hi)
            break;
        int64_t gap = span->ticks[next] - span->ticks[at];
        if (gaps != NULL)
            gaps[count] = gap;
        if (count == 0 || gap > *longest)
            *longest = gap;
        count++;
        at = next;
    }
    return count;
}

static double longest_gap(const wp_leaf_run *run, uint32_t i)
{
    int64_t longest = 0;
    if (collect_gaps(run, i, NULL, &longest) == 0)
        return NAN;
    return wp_seconds(longest * run->span->unit_us);
}

static int compare_gaps(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static double pace(const wp_leaf_run *run, uint32_t i)
{
    int64_t *gaps = run->room->gaps, longest = 0;
    uint32_t count = collect_gaps(run, i, gaps, &longest);
    if (count == 0)
        return NAN;
    qsort(gaps, count, sizeof *gaps, compare_gaps);
    int64_t twice = gaps[(count - 1) / 2] + gaps[count / 2];
    return (double)(twice * run->span->unit_us) / 2e6;
}

void wp__measure_times(const wp_leaf_run *run)
{
    double (*measure)(const wp_leaf_run *, uint32_t) = NULL;
    switch (run->leaf->kind) {
    case WP_LEAF_SESSIONS:
        measure = sessions;
        break;
    case WP_LEAF_ACTIVE_DAYS:
        measure = active_days;
        break;
    case WP_LEAF_TIME_TO:
        measure = time_to;
        break;
    case WP_LEAF_UNTIL_TIME:
    case WP_LEAF_UNTIL_STATUS:
        measure = until_event;
        break;
    case WP_LEAF_TIME_BETWEEN:
        measure = time_between;
        break;
    case WP_LEAF_DWELL:
        measure = dwell;
        break;
    case WP_LEAF_LONGEST_GAP:
        measure = longest_gap;
        break;
    case WP_LEAF_PACE:
        measure = pace;
        break;
    default:
        measure = first_or_last;
        break;
    }
    for (uint32_t i = 0; i < run->span->users_count; i++)
        run->out[i] = measure(run, i);
}
