/* Counting leaves, and which loop serves which kind. The plain cases (every event; a set of event
** names whose codes are one byte wide) read no masks: they are the fast path of most questions. */
#include "journey/metric.h"

#include "base/memory.h"
#include "journey/below.h"

void wp_leaf_measure(const wp_leaf_run *run)
{
    switch (run->leaf->kind) {
    case WP_LEAF_COUNT:
    case WP_LEAF_DID:
        wp__measure_counts(run);
        return;
    case WP_LEAF_DISTINCT:
        wp__measure_distinct(run);
        return;
    case WP_LEAF_SUM:
    case WP_LEAF_MEAN:
    case WP_LEAF_MAX:
    case WP_LEAF_MIN:
    case WP_LEAF_FIRST:
    case WP_LEAF_LAST:
        wp__measure_values(run);
        return;
    case WP_LEAF_ATTRIBUTE:
    case WP_LEAF_ANCHOR:
    case WP_LEAF_GIVEN:
        wp__measure_anchor(run);
        return;
    case WP_LEAF_DEPTH:
    case WP_LEAF_BACKTRACKS:
    case WP_LEAF_HESITATION:
    case WP_LEAF_SELF_LOOPS:
    case WP_LEAF_U_TURNS:
    case WP_LEAF_MATCHES:
        wp__measure_order(run);
        return;
    default:
        wp__measure_times(run);
        return;
    }
}

static void count_all(const wp_leaf_run *run)
{
    for (uint32_t i = 0; i < run->span->users_count; i++)
        run->out[i] = run->hi[i] - run->lo[i];
}

/* One event name, one-byte codes. */
static void count_code(const wp_leaf_run *run, uint8_t code)
{
    const wp_span *span = run->span;
    for (uint32_t i = 0; i < span->users_count; i++) {
        uint32_t lo = run->lo[i], hi = run->hi[i];
        run->out[i] =
            hi > lo ? wp_count_code(span->codes_8 + lo, hi - lo, span->readable - lo, code) : 0;
    }
}

/* What the walk has counted already. */
static void take_counts(const wp_leaf_run *run, uint32_t counted)
{
    const uint32_t *counts = run->span->counts + (size_t)counted * run->span->users_room;
    for (uint32_t i = 0; i < run->span->users_count; i++)
        run->out[i] = counts[i];
}

/* A set of event names, one-byte codes. */
static void count_codes(const wp_leaf_run *run, const uint8_t *wanted)
{
    const uint8_t *codes = run->span->codes_8;
    for (uint32_t i = 0; i < run->span->users_count; i++) {
        uint32_t count = 0;
        for (uint32_t local = run->lo[i]; local < run->hi[i]; local++)
            count += wanted[codes[local]];
        run->out[i] = count;
    }
}

static void count_masks(const wp_leaf_run *run)
{
    const wp_span *span = run->span;
    uint32_t words = span->words, shift = run->leaf->a & 63;
    const uint64_t *masks = span->masks + (run->leaf->a >> 6);
    for (uint32_t i = 0; i < span->users_count; i++) {
        uint64_t count = 0;
        for (uint32_t local = run->lo[i]; local < run->hi[i]; local++)
            count += (masks[(size_t)local * words] >> shift) & 1;
        run->out[i] = (double)count;
    }
}

/* Only the rows with an odd (1st, 3rd, …) or even number in the user's journey. */
static void count_part(const wp_leaf_run *run)
{
    const wp_span *span = run->span;
    for (uint32_t i = 0; i < span->users_count; i++) {
        uint32_t count = 0, odd = run->leaf->part == WP_HALF_ODD;
        for (uint32_t local = run->lo[i]; local < run->hi[i]; local++)
            count +=
                ((local - span->begin[i]) & 1) != odd && wp_span_has(span, run->leaf->a, local);
        run->out[i] = count;
    }
}

/* The table of wanted one-byte codes; returns how many there are and the last of them. */
static uint32_t wanted_codes(const wp_span *span, const wp_selection *selection, uint8_t *wanted,
                             uint8_t *last)
{
    uint32_t found = 0;
    memset(wanted, 0, 256);
    for (uint32_t code = 0; code < span->columns->event_names.count && code < 256; code++)
        if (wp_bit(selection->codes, code)) {
            wanted[code] = 1;
            *last = (uint8_t)code;
            found++;
        }
    return found;
}

void wp__measure_counts(const wp_leaf_run *run)
{
    const wp_span *span = run->span;
    const wp_selection *selection = span->plan->selections[run->leaf->a];
    bool plain = selection->conditions_count == 0;
    uint32_t counted = wp_span_counted(span, (uint32_t)(run->leaf - span->plan->leaves));
    if (counted < span->counted_count) {
        take_counts(run, counted);
    } else if (run->leaf->kind == WP_LEAF_COUNT && run->leaf->part != WP_HALF_ALL) {
        count_part(run);
    } else if (plain && selection->codes == NULL) {
        count_all(run);
    } else if (plain && span->codes_8 != NULL) {
        uint8_t wanted[256], code = 0;
        if (wanted_codes(span, selection, wanted, &code) == 1)
            count_code(run, code);
        else
            count_codes(run, wanted);
    } else {
        count_masks(run);
    }
    if (run->leaf->kind == WP_LEAF_DID)
        for (uint32_t i = 0; i < span->users_count; i++)
            run->out[i] = run->out[i] > 0;
}

/* --- Room ---------------------------------------------------------------------------------- */

static const wp_texts *text_source(const wp_leaf *leaf, const wp_columns *columns)
{
    return &(leaf->per_user ? columns->user_texts : columns->texts)[leaf->column];
}

wp_status wp_metric_room_init(wp_metric_room *room, const wp_plan *plan, const wp_columns *columns,
                              uint32_t users_room, uint32_t rows_room, wp_error *err)
{
    *room = (wp_metric_room){0};
    bool numbers = false, gaps = false, ends = false;
    for (uint32_t i = 0; i < plan->leaves_count; i++) {
        const wp_leaf *leaf = &plan->leaves[i];
        gaps |= leaf->kind == WP_LEAF_PACE;
        ends |= leaf->kind == WP_LEAF_MATCHES;
        if (leaf->kind != WP_LEAF_DISTINCT)
            continue;
        uint32_t codes = 0;
        if (leaf->source == WP_SOURCE_NUMBER)
            numbers = true;
        else
            codes = leaf->source == WP_SOURCE_EVENT ? columns->event_names.count
                                                    : text_source(leaf, columns)->values.count;
        room->stamps_count = codes > room->stamps_count ? codes : room->stamps_count;
    }
    room->stamps = wp_alloc_array_zero(room->stamps_count, sizeof *room->stamps);
    room->numbers = numbers ? wp_alloc_array(rows_room, sizeof *room->numbers) : NULL;
    room->gaps = gaps ? wp_alloc_array(rows_room, sizeof *room->gaps) : NULL;
    room->ends = ends ? wp_alloc_array(users_room, sizeof *room->ends) : NULL;
    if (room->stamps == NULL || (numbers && room->numbers == NULL) ||
        (gaps && room->gaps == NULL) || (ends && room->ends == NULL)) {
        wp_metric_room_reset(room);
        return wp_fail_memory(err, room->stamps_count * 4ULL + rows_room * 16ULL);
    }
    return WP_OK;
}

void wp_metric_room_reset(wp_metric_room *room)
{
    wp_free(room->stamps);
    wp_free(room->numbers);
    wp_free(room->gaps);
    wp_free(room->ends);
    *room = (wp_metric_room){0};
}
