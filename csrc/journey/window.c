/* Spans and window ranges; see window.h. Cost per user: one search per window border, and per row
** of the widest window one table look-up for the masks. */
#include "journey/window.h"

#include "base/memory.h"

static uint32_t words_for(const wp_plan *plan)
{
    return plan->selections_count == 0 ? 1 : (plan->selections_count + 63) / 64;
}

uint64_t *wp_mask_table(const wp_plan *plan, const wp_columns *columns, wp_error *err)
{
    uint32_t words = words_for(plan), codes = columns->event_names.count;
    uint64_t *table = wp_alloc_array_zero((size_t)codes + 1, words * sizeof *table);
    if (table == NULL) {
        (void)wp_fail_memory(err, (codes + 1ULL) * words * sizeof *table);
        return NULL;
    }
    for (uint32_t s = 0; s < plan->selections_count; s++)
        for (uint32_t code = 0; code < codes; code++)
            if (wp_bit(plan->selections[s]->codes, code))
                table[(size_t)code * words + (s >> 6)] |= 1ULL << (s & 63);
    return table;
}

/* Which leaves can be answered from codes and ranges alone is decided in metric_count.c; here
** only: does any leaf need a mask or a wide tick? */
static bool leaf_wants_ticks(wp_leaf_kind kind)
{
    switch (kind) {
    case WP_LEAF_SESSIONS:
    case WP_LEAF_ACTIVE_DAYS:
    case WP_LEAF_TIME_TO:
    case WP_LEAF_TIME_BETWEEN:
    case WP_LEAF_DWELL:
    case WP_LEAF_LONGEST_GAP:
    case WP_LEAF_PACE:
    case WP_LEAF_HESITATION:
    case WP_LEAF_MATCHES:
    case WP_LEAF_FIRST_TIME:
    case WP_LEAF_LAST_TIME:
    case WP_LEAF_UNTIL_TIME:
    case WP_LEAF_UNTIL_STATUS:
        return true;
    default:
        return false;
    }
}

static bool leaf_wants_masks(const wp_plan *plan, const wp_leaf *leaf, const wp_columns *columns)
{
    if (!wp_leaf_uses_rows(leaf->kind))
        return false;
    bool counts =
        (leaf->kind == WP_LEAF_COUNT && leaf->part == WP_HALF_ALL) || leaf->kind == WP_LEAF_DID;
    const wp_selection *a = plan->selections[leaf->a];
    return !(counts && a->conditions_count == 0 &&
             (columns->events.width == 1 || a->codes == NULL));
}

wp_status wp_span_init(wp_span *span, const wp_log *log, const wp_plan *plan, uint32_t users_room,
                       uint32_t rows_room, const uint64_t *mask_table, wp_error *err)
{
    const wp_columns *columns = log->columns;
    *span = (wp_span){.columns = columns,
                      .plan = plan,
                      .words = words_for(plan),
                      .latest_us = INT64_MAX,
                      .users_room = users_room,
                      .rows_room = rows_room,
                      .mask_table = mask_table};
    bool narrow = !columns->times.wide;
    span->base_us = narrow ? columns->times.base_us : 0;
    span->unit_us = narrow ? columns->times.unit_us : 1;
    for (uint32_t i = 0; i < plan->leaves_count; i++) {
        span->wants_ticks |= leaf_wants_ticks(plan->leaves[i].kind);
        span->wants_masks |= leaf_wants_masks(plan, &plan->leaves[i], columns);
    }
    bool copies = log->rows != NULL, codes = copies && columns->events.width == 1;
    bool wide = span->wants_ticks ? narrow || copies : copies && !narrow;
    size_t users = users_room, rows = rows_room;
    span->users = wp_alloc_array(users, sizeof *span->users);
    span->begin = wp_alloc_array(users, sizeof *span->begin);
    span->end = wp_alloc_array(users, sizeof *span->end);
    span->anchor = wp_alloc_array(users, sizeof *span->anchor);
    span->t0_us = wp_alloc_array(users, sizeof *span->t0_us);
    span->end_us = wp_alloc_array(users, sizeof *span->end_us);
    span->t0_ticks = wp_alloc_array(users, sizeof *span->t0_ticks);
    bool ok = span->users && span->begin && span->end && span->anchor && span->t0_us &&
              span->end_us && span->t0_ticks;
    if (copies)
        ok &= (span->rows_own = wp_alloc_array(rows, sizeof *span->rows_own)) != NULL;
    if (copies && narrow)
        ok &= (span->ticks_32_own = wp_alloc_array(rows, sizeof *span->ticks_32_own)) != NULL;
    if (codes)
        ok &= (span->codes_8_own = wp_alloc_array(rows, 1)) != NULL;
    if (wide)
        ok &= (span->ticks_own = wp_alloc_array(rows, sizeof *span->ticks_own)) != NULL;
    if (span->wants_masks)
        ok &=
            (span->masks_own = wp_alloc_array(rows * span->words, sizeof *span->masks_own)) != NULL;
    if (!ok) {
        wp_span_reset(span);
        return wp_fail_memory(err, rows * (16 + 8 * (size_t)span->words) + users * 40);
    }
    wp_status status = wp__ranges_init(span, err);
    if (status != WP_OK)
        wp_span_reset(span);
    return status;
}

void wp_span_reset(wp_span *span)
{
    wp_free(span->users);
    wp_free(span->begin);
    wp_free(span->end);
    wp_free(span->anchor);
    wp_free(span->t0_us);
    wp_free(span->end_us);
    wp_free(span->t0_ticks);
    wp_free(span->marks);
    wp_free(span->at);
    wp_free(span->counts);
    wp_free((void *)span->lo);
    wp_free((void *)span->hi);
    wp_free(span->late);
    wp_free(span->rows_own);
    wp_free(span->ticks_32_own);
    wp_free(span->ticks_own);
    wp_free(span->codes_8_own);
    wp_free(span->masks_own);
    *span = (wp_span){0};
}

/* --- Loading ------------------------------------------------------------------------------- */

/* Puts user i there, whose rows are begin .. end - 1; false when t0 is too late. */
static inline bool put_user(wp_span *span, uint32_t i, uint32_t user, uint32_t begin, uint32_t end,
                            uint32_t anchor)
{
    const wp_times *times = &span->columns->times;
    int64_t tick = times->wide ? times->micros[anchor] : times->offsets[anchor];
    int64_t t0_us = span->base_us + tick * span->unit_us;
    span->users[i] = user;
    span->begin[i] = begin;
    span->end[i] = end;
    span->anchor[i] = anchor;
    span->t0_ticks[i] = tick;
    span->t0_us[i] = t0_us;
    return t0_us <= span->latest_us;
}

/* A user who is too late is overwritten by the next one: no branch depends on it. */
static void load_in_place(wp_span *span, const uint32_t *anchors, uint32_t first, uint32_t last)
{
    const wp_columns *columns = span->columns;
    const uint32_t *starts = columns->row_starts, *offsets = columns->times.offsets;
    uint32_t base = starts[first], count = 0, found = 0;
    span->row_base = base;
    span->rows_count = starts[last] - base;
    span->readable = columns->events_count - base;
    span->rows = NULL;
    for (uint32_t user = first; user < last; user++) {
        uint32_t begin = starts[user], end = starts[user + 1];
        /* t0 is the first touch of a user's times; ask for those of users to come. */
        if (offsets != NULL)
            __builtin_prefetch(offsets + begin + 256);
        uint32_t anchor = anchors != NULL ? anchors[user] : begin;
        if (anchor >= columns->events_count || begin == end)
            continue;
        found++;
        count += put_user(span, count, user, begin - base, end - base, anchor);
    }
    span->users_count = count;
    span->late_count = found - count;
    span->ticks_32 = offsets != NULL ? offsets + base : NULL;
    span->ticks_64 = columns->times.micros != NULL ? columns->times.micros + base : NULL;
    span->codes_8 =
        columns->events.width == 1 ? (const uint8_t *)columns->events.data + base : NULL;
}

static void load_view(wp_span *span, const wp_log *log, const uint32_t *anchors, uint32_t first,
                      uint32_t last)
{
    const wp_columns *columns = span->columns;
    uint32_t count = 0;
    for (uint32_t user = first; user < last; user++) {
        if (anchors[user] >= columns->events_count)
            continue;
        uint32_t begin = count;
        for (uint32_t row = columns->row_starts[user]; row < columns->row_starts[user + 1]; row++)
            if (wp_bit(log->rows, row))
                span->rows_own[count++] = row;
        if (put_user(span, span->users_count, user, begin, count, anchors[user])) {
            span->users_count++;
        } else {
            span->late_count++;
            count = begin;
        }
    }
    span->rows = span->rows_own;
    span->rows_count = count;
    span->readable = span->rows_room;
    if (span->ticks_32_own != NULL)
        for (uint32_t i = 0; i < count; i++)
            span->ticks_32_own[i] = columns->times.offsets[span->rows_own[i]];
    else
        for (uint32_t i = 0; i < count; i++)
            span->ticks_own[i] = columns->times.micros[span->rows_own[i]];
    if (span->codes_8_own != NULL)
        for (uint32_t i = 0; i < count; i++)
            span->codes_8_own[i] = ((const uint8_t *)columns->events.data)[span->rows_own[i]];
    span->ticks_32 = span->ticks_32_own;
    span->ticks_64 = span->ticks_32 != NULL ? NULL : span->ticks_own;
    span->codes_8 = span->codes_8_own;
}

/* End of follow-up: as_of, or the first `until` event at or after t0 when that is earlier. */
static void find_ends(wp_span *span)
{
    const wp_plan *plan = span->plan;
    for (uint32_t i = 0; i < span->users_count; i++) {
        span->end_us[i] = plan->as_of_us;
        if (plan->until == NULL)
            continue;
        for (uint32_t local = span->begin[i]; local < span->end[i]; local++) {
            uint32_t row = wp_span_row(span, local);
            int64_t time_us = wp_time_at(&span->columns->times, row);
            if (time_us >= plan->as_of_us)
                break;
            if (time_us >= span->t0_us[i] &&
                wp_selection_has(span->columns, plan->until, span->users[i], row)) {
                span->end_us[i] = time_us;
                break;
            }
        }
    }
}

/* --- Masks --------------------------------------------------------------------------------- */

/* Clears the bits of selections whose conditions a row does not meet. */
static void apply_conditions(const wp_span *span, uint32_t s, uint32_t user, uint32_t from,
                             uint32_t to)
{
    const wp_selection *selection = span->plan->selections[s];
    uint64_t bit = 1ULL << (s & 63);
    for (uint32_t local = from; local < to; local++) {
        uint64_t *mask = &span->masks_own[(size_t)local * span->words + (s >> 6)];
        if ((*mask & bit) == 0)
            continue;
        uint32_t row = wp_span_row(span, local);
        for (uint32_t c = 0; c < selection->conditions_count; c++)
            if (!wp_condition_holds(span->columns, &selection->conditions[c], user, row)) {
                *mask &= ~bit;
                break;
            }
    }
}

static void fill_masks(wp_span *span, uint32_t from, uint32_t to)
{
    const uint64_t *table = span->mask_table;
    uint32_t words = span->words;
    if (words == 1 && span->codes_8 != NULL) {
        for (uint32_t local = from; local < to; local++)
            span->masks_own[local] = table[span->codes_8[local]];
        return;
    }
    for (uint32_t local = from; local < to; local++)
        memcpy(&span->masks_own[(size_t)local * words],
               &table[(size_t)wp_span_code(span, local) * words], words * sizeof *table);
}

static void make_masks(wp_span *span)
{
    const wp_plan *plan = span->plan;
    for (uint32_t i = 0; i < span->users_count; i++) {
        uint32_t from = span->end[i], to = span->begin[i];
        for (uint32_t w = 0; w < plan->windows_count; w++) {
            uint32_t lo = span->lo[w][i], hi = span->hi[w][i];
            if (lo >= hi)
                continue;
            from = lo < from ? lo : from;
            to = hi > to ? hi : to;
        }
        if (from >= to)
            continue;
        fill_masks(span, from, to);
        for (uint32_t s = 0; s < plan->selections_count; s++)
            if (plan->selections[s]->conditions_count > 0)
                apply_conditions(span, s, span->users[i], from, to);
    }
    span->masks = span->masks_own;
}

static void widen_ticks(wp_span *span)
{
    if (span->ticks_64 != NULL) {
        span->ticks = span->ticks_64;
        return;
    }
    for (uint32_t i = 0; i < span->rows_count; i++)
        span->ticks_own[i] = span->ticks_32[i];
    span->ticks = span->ticks_own;
}

void wp_span_load(wp_span *span, const wp_log *log, const uint32_t *anchors, uint32_t first,
                  uint32_t last)
{
    span->users_count = span->late_count = 0;
    if (log->rows == NULL)
        load_in_place(span, anchors, first, last);
    else
        load_view(span, log, anchors, first, last);
    find_ends(span);
    wp__ranges_find(span);
    if (span->wants_ticks)
        widen_ticks(span);
    if (span->wants_masks)
        make_masks(span);
}
