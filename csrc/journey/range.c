/* Row ranges of windows: where each border falls in each user's rows.
**
** Windows share borders ([0, 7d) and [7d, 37d) have three), so the different borders are found once
** per user, in ascending order, each search starting where the one before ended. Borders are kept
** in ticks: a row is at or after t0 + x exactly when its tick is at least t0's plus x / unit
** rounded up. Cost: one pass over the rows up to the last border, four or more of them per step. */
#include "journey/below.h"
#include "journey/window.h"

#include "base/memory.h"

#include <stdlib.h>

static int64_t ceil_div(int64_t a, int64_t b)
{
    return a / b + (a % b > 0);
}

static int compare_marks(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static uint32_t find_mark(const wp_span *span, int64_t offset_us)
{
    int64_t tick = ceil_div(offset_us, span->unit_us);
    uint32_t mark = 0;
    while (span->marks[mark] != tick)
        mark++;
    return mark;
}

static const uint32_t *mark_rows(const wp_span *span, int64_t offset_us)
{
    return span->at + (size_t)find_mark(span, offset_us) * span->users_room;
}

static void collect_marks(wp_span *span)
{
    const wp_plan *plan = span->plan;
    uint32_t count = 0, kept = 0;
    span->marks[count++] = 0; /* t0 itself: before, since */
    for (uint32_t w = 0; w < plan->windows_count; w++) {
        if (plan->windows[w].kind != WP_WINDOW_OFFSETS)
            continue;
        span->marks[count++] = ceil_div(plan->windows[w].from_us, span->unit_us);
        span->marks[count++] = ceil_div(plan->windows[w].to_us, span->unit_us);
    }
    qsort(span->marks, count, sizeof *span->marks, compare_marks);
    for (uint32_t i = 0; i < count; i++)
        if (i == 0 || span->marks[i] != span->marks[kept - 1])
            span->marks[kept++] = span->marks[i];
    span->marks_count = kept;
}

/* True when the leaf counts one event name, given by a one-byte code, in fixed offsets. */
static bool counts_one_code(const wp_span *span, const wp_leaf *leaf, uint8_t *code)
{
    const wp_selection *selection = span->plan->selections[leaf->a];
    bool counts =
        leaf->kind == WP_LEAF_DID || (leaf->kind == WP_LEAF_COUNT && leaf->part == WP_HALF_ALL);
    if (!counts || span->plan->windows[leaf->window].kind != WP_WINDOW_OFFSETS ||
        selection->conditions_count > 0 || selection->codes == NULL)
        return false;
    uint32_t found = 0;
    for (uint32_t i = 0; i < span->columns->event_names.count; i++)
        if (wp_bit(selection->codes, i)) {
            *code = (uint8_t)i;
            found++;
        }
    return found == 1;
}

static void collect_counted(wp_span *span)
{
    const wp_plan *plan = span->plan;
    span->counted_count = 0;
    if (!wp__walk_can() || span->marks_count > WP_WALK_MARKS || span->columns->times.wide ||
        span->columns->events.width != 1)
        return;
    for (uint32_t i = 0; i < plan->leaves_count && span->counted_count < WP_WALK_COUNTED; i++) {
        const wp_window *window = &plan->windows[plan->leaves[i].window];
        wp_counted *counted = &span->counted[span->counted_count];
        if (counts_one_code(span, &plan->leaves[i], &counted->code)) {
            counted->leaf = i;
            counted->from = find_mark(span, window->from_us);
            counted->to = find_mark(span, window->to_us);
            span->counted_count++;
        }
    }
}

wp_status wp__ranges_init(wp_span *span, wp_error *err)
{
    const wp_plan *plan = span->plan;
    size_t windows = plan->windows_count, users = span->users_room, late = 0;
    span->marks = wp_alloc_array(2 * windows + 1, sizeof *span->marks);
    span->lo = wp_alloc_array(windows, sizeof *span->lo);
    span->hi = wp_alloc_array(windows, sizeof *span->hi);
    span->late = wp_alloc_array(users, windows * sizeof *span->late);
    if (span->marks == NULL || span->lo == NULL || span->hi == NULL || span->late == NULL)
        return wp_fail_memory(err, users * windows * sizeof *span->late);
    collect_marks(span);
    span->at = wp_alloc_array(users, span->marks_count * sizeof *span->at);
    if (span->at == NULL)
        return wp_fail_memory(err, users * span->marks_count * sizeof *span->at);
    collect_counted(span);
    span->counts = wp_alloc_array(users, span->counted_count * sizeof *span->counts);
    if (span->counts == NULL)
        return wp_fail_memory(err, users * span->counted_count * sizeof *span->counts);
    for (uint32_t w = 0; w < windows; w++) {
        const wp_window *window = &plan->windows[w];
        bool offsets = window->kind == WP_WINDOW_OFFSETS;
        bool from_begin = window->kind == WP_WINDOW_LIFETIME || window->kind == WP_WINDOW_BEFORE;
        span->lo[w] = from_begin ? span->begin : mark_rows(span, offsets ? window->from_us : 0);
        if (offsets || window->kind == WP_WINDOW_BEFORE)
            span->hi[w] = mark_rows(span, offsets ? window->to_us : 0);
        else
            span->hi[w] = span->late + users * late++;
    }
    return WP_OK;
}

/* --- Searching ----------------------------------------------------------------------------- */

static uint32_t count_below_64(const int64_t *ticks, uint32_t count, int64_t bound)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (ticks[middle] < bound)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* First local row in [begin, end) at or after a tick, or end. */
static uint32_t first_at(const wp_span *span, uint32_t begin, uint32_t end, int64_t tick)
{
    if (span->ticks_32 == NULL)
        return begin + count_below_64(span->ticks_64 + begin, end - begin, tick);
    if (tick <= 0)
        return begin;
    if (tick > UINT32_MAX)
        return end;
    return begin + wp_count_below(span->ticks_32 + begin, end - begin, span->readable - begin,
                                  (uint32_t)tick);
}

int64_t wp_window_start(const wp_span *span, uint32_t window, uint32_t i)
{
    const wp_window *w = &span->plan->windows[window];
    if (w->kind == WP_WINDOW_OFFSETS)
        return span->t0_us[i] + w->from_us;
    if (w->kind == WP_WINDOW_SINCE)
        return span->t0_us[i];
    return wp_time_at(&span->columns->times, wp_span_row(span, span->begin[i]));
}

int64_t wp_window_end(const wp_span *span, uint32_t window, uint32_t i)
{
    const wp_window *w = &span->plan->windows[window];
    switch (w->kind) {
    case WP_WINDOW_OFFSETS:
        return span->t0_us[i] + w->to_us;
    case WP_WINDOW_BEFORE:
        return span->t0_us[i];
    case WP_WINDOW_SINCE:
        return span->end_us[i];
    default:
        return span->plan->as_of_us;
    }
}

static void find_late(wp_span *span, uint32_t window)
{
    bool lifetime = span->plan->windows[window].kind == WP_WINDOW_LIFETIME;
    uint32_t *hi = (uint32_t *)span->hi[window];
    for (uint32_t i = 0; i < span->users_count; i++) {
        int64_t end_us = wp_window_end(span, window, i) + lifetime; /* as_of itself is inside */
        hi[i] = first_at(span, span->lo[window][i], span->end[i],
                         ceil_div(end_us - span->base_us, span->unit_us));
    }
}

void wp__search_marks(wp_span *span, uint32_t i)
{
    uint32_t row = span->begin[i], end = span->end[i];
    /* Where t0 is the user's first instant nothing lies before it. */
    bool at_start =
        span->t0_ticks[i] == (span->ticks_32 != NULL ? span->ticks_32[row] : span->ticks_64[row]);
    for (uint32_t m = 0; m < span->marks_count; m++) {
        if (!at_start || span->marks[m] > 0)
            row = first_at(span, row, end, span->t0_ticks[i] + span->marks[m]);
        span->at[(size_t)m * span->users_room + i] = row;
    }
}

void wp__ranges_find(wp_span *span)
{
    if (span->counted_count > 0)
        wp__walk_users(span);
    else
        for (uint32_t i = 0; i < span->users_count; i++)
            wp__search_marks(span, i);
    for (uint32_t w = 0; w < span->plan->windows_count; w++)
        if (span->plan->windows[w].kind == WP_WINDOW_LIFETIME ||
            span->plan->windows[w].kind == WP_WINDOW_SINCE)
            find_late(span, w);
}
