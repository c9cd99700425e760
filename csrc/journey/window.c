/* Slices and window ranges; see window.h. Cost per user: one search per window border, and per row
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
        return true;
    default:
        return false;
    }
}

static bool selection_is_plain(const wp_selection *selection)
{
    return selection->conditions_count == 0;
}

static bool leaf_wants_masks(const wp_plan *plan, const wp_leaf *leaf, const wp_columns *columns)
{
    if (!wp_leaf_uses_rows(leaf->kind))
        return false;
    bool counts =
        (leaf->kind == WP_LEAF_COUNT && leaf->part == WP_PART_ALL) || leaf->kind == WP_LEAF_DID;
    const wp_selection *a = plan->selections[leaf->a];
    return !(counts && selection_is_plain(a) && (columns->events.width == 1 || a->codes == NULL));
}

wp_status wp_slice_init(wp_slice *slice, const wp_log *log, const wp_plan *plan,
                        uint32_t users_room, uint32_t rows_room, const uint64_t *mask_table,
                        wp_error *err)
{
    const wp_columns *columns = log->columns;
    *slice = (wp_slice){.columns = columns,
                        .plan = plan,
                        .words = words_for(plan),
                        .users_room = users_room,
                        .rows_room = rows_room,
                        .mask_table = mask_table};
    bool narrow = columns->times.offsets != NULL;
    slice->base_us = narrow ? columns->times.base_us : 0;
    slice->unit_us = narrow ? columns->times.unit_us : 1;
    for (uint32_t i = 0; i < plan->leaves_count; i++) {
        slice->wants_ticks |= leaf_wants_ticks(plan->leaves[i].kind);
        slice->wants_masks |= leaf_wants_masks(plan, &plan->leaves[i], columns);
    }
    bool copies = log->rows != NULL, codes = copies && columns->events.width == 1;
    bool wide = slice->wants_ticks ? narrow || copies : copies && !narrow;
    size_t users = users_room, rows = rows_room, ranges = users * plan->windows_count;
    slice->users = wp_alloc_array(users, sizeof *slice->users);
    slice->begin = wp_alloc_array(users, sizeof *slice->begin);
    slice->end = wp_alloc_array(users, sizeof *slice->end);
    slice->anchor = wp_alloc_array(users, sizeof *slice->anchor);
    slice->t0_us = wp_alloc_array(users, sizeof *slice->t0_us);
    slice->end_us = wp_alloc_array(users, sizeof *slice->end_us);
    slice->lo = wp_alloc_array(ranges, sizeof *slice->lo);
    slice->hi = wp_alloc_array(ranges, sizeof *slice->hi);
    bool ok = slice->users && slice->begin && slice->end && slice->anchor && slice->t0_us &&
              slice->end_us && slice->lo && slice->hi;
    if (copies)
        ok &= (slice->rows_own = wp_alloc_array(rows, sizeof *slice->rows_own)) != NULL;
    if (copies && narrow)
        ok &= (slice->ticks_32_own = wp_alloc_array(rows, sizeof *slice->ticks_32_own)) != NULL;
    if (codes)
        ok &= (slice->codes_8_own = wp_alloc_array(rows, 1)) != NULL;
    if (wide)
        ok &= (slice->ticks_own = wp_alloc_array(rows, sizeof *slice->ticks_own)) != NULL;
    if (slice->wants_masks)
        ok &= (slice->masks_own = wp_alloc_array(rows * slice->words, sizeof *slice->masks_own)) !=
              NULL;
    if (!ok) {
        wp_slice_reset(slice);
        return wp_fail_memory(err, rows * (16 + 8 * (size_t)slice->words) + ranges * 8);
    }
    return WP_OK;
}

void wp_slice_reset(wp_slice *slice)
{
    wp_free(slice->users);
    wp_free(slice->begin);
    wp_free(slice->end);
    wp_free(slice->anchor);
    wp_free(slice->t0_us);
    wp_free(slice->end_us);
    wp_free(slice->lo);
    wp_free(slice->hi);
    wp_free(slice->rows_own);
    wp_free(slice->ticks_32_own);
    wp_free(slice->ticks_own);
    wp_free(slice->codes_8_own);
    wp_free(slice->masks_own);
    *slice = (wp_slice){0};
}

/* --- Loading ------------------------------------------------------------------------------- */

static void add_user(wp_slice *slice, uint32_t user, uint32_t begin, uint32_t end, uint32_t anchor)
{
    uint32_t i = slice->users_count++;
    slice->users[i] = user;
    slice->begin[i] = begin;
    slice->end[i] = end;
    slice->anchor[i] = anchor;
    slice->t0_us[i] = wp_time_at(&slice->columns->times, anchor);
}

static void load_in_place(wp_slice *slice, const uint32_t *anchors, uint32_t first, uint32_t last)
{
    const wp_columns *columns = slice->columns;
    const uint32_t *starts = columns->row_starts;
    uint32_t base = starts[first];
    slice->row_base = base;
    slice->rows_count = starts[last] - base;
    slice->rows = NULL;
    for (uint32_t user = first; user < last; user++)
        if (anchors[user] < columns->events_count)
            add_user(slice, user, starts[user] - base, starts[user + 1] - base, anchors[user]);
    slice->ticks_32 = columns->times.offsets != NULL ? columns->times.offsets + base : NULL;
    slice->ticks_64 = columns->times.micros != NULL ? columns->times.micros + base : NULL;
    slice->codes_8 =
        columns->events.width == 1 ? (const uint8_t *)columns->events.data + base : NULL;
}

static void load_view(wp_slice *slice, const wp_log *log, const uint32_t *anchors, uint32_t first,
                      uint32_t last)
{
    const wp_columns *columns = slice->columns;
    uint32_t count = 0;
    for (uint32_t user = first; user < last; user++) {
        if (anchors[user] >= columns->events_count)
            continue;
        uint32_t begin = count;
        for (uint32_t row = columns->row_starts[user]; row < columns->row_starts[user + 1]; row++)
            if (wp_bit(log->rows, row))
                slice->rows_own[count++] = row;
        add_user(slice, user, begin, count, anchors[user]);
    }
    slice->rows = slice->rows_own;
    slice->rows_count = count;
    if (slice->ticks_32_own != NULL)
        for (uint32_t i = 0; i < count; i++)
            slice->ticks_32_own[i] = columns->times.offsets[slice->rows_own[i]];
    else
        for (uint32_t i = 0; i < count; i++)
            slice->ticks_own[i] = columns->times.micros[slice->rows_own[i]];
    if (slice->codes_8_own != NULL)
        for (uint32_t i = 0; i < count; i++)
            slice->codes_8_own[i] = ((const uint8_t *)columns->events.data)[slice->rows_own[i]];
    slice->ticks_32 = slice->ticks_32_own;
    slice->ticks_64 = slice->ticks_32 != NULL ? NULL : slice->ticks_own;
    slice->codes_8 = slice->codes_8_own;
}

/* End of follow-up: as_of, or the first `until` event at or after t0 when that is earlier. */
static void find_ends(wp_slice *slice)
{
    const wp_plan *plan = slice->plan;
    for (uint32_t i = 0; i < slice->users_count; i++) {
        slice->end_us[i] = plan->as_of_us;
        if (plan->until == NULL)
            continue;
        for (uint32_t local = slice->begin[i]; local < slice->end[i]; local++) {
            uint32_t row = wp_slice_row(slice, local);
            int64_t time_us = wp_time_at(&slice->columns->times, row);
            if (time_us >= plan->as_of_us)
                break;
            if (time_us >= slice->t0_us[i] &&
                wp_selection_has(slice->columns, plan->until, slice->users[i], row)) {
                slice->end_us[i] = time_us;
                break;
            }
        }
    }
}

/* --- Ranges -------------------------------------------------------------------------------- */

/* How many of the sorted ticks lie below the bound. Halves while long, then counts: a branch-free
** count beats a search on the short journeys that most users have. */
static uint32_t count_below_32(const uint32_t *ticks, uint32_t count, uint32_t bound)
{
    uint32_t below = 0;
    while (count > 64) {
        uint32_t half = count / 2;
        if (ticks[half] < bound) {
            below += half + 1;
            ticks += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    uint32_t more = 0;
    for (uint32_t i = 0; i < count; i++)
        more += ticks[i] < bound;
    return below + more;
}

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

/* First local row of user i, from `begin` on, at or after the instant. */
static uint32_t first_row_at(const wp_slice *slice, uint32_t begin, uint32_t end, int64_t time_us)
{
    if (slice->ticks_32 == NULL)
        return begin + count_below_64(slice->ticks_64 + begin, end - begin, time_us);
    int64_t offset_us = time_us - slice->base_us;
    if (offset_us <= 0)
        return begin;
    int64_t bound = slice->unit_us == 1 ? offset_us : (offset_us - 1) / slice->unit_us + 1;
    if (bound > UINT32_MAX)
        return end;
    return begin + count_below_32(slice->ticks_32 + begin, end - begin, (uint32_t)bound);
}

int64_t wp_window_start(const wp_slice *slice, uint32_t window, uint32_t i)
{
    const wp_window *w = &slice->plan->windows[window];
    if (w->kind == WP_WINDOW_OFFSETS)
        return slice->t0_us[i] + w->from_us;
    if (w->kind == WP_WINDOW_SINCE)
        return slice->t0_us[i];
    return wp_time_at(&slice->columns->times, wp_slice_row(slice, slice->begin[i]));
}

int64_t wp_window_end(const wp_slice *slice, uint32_t window, uint32_t i)
{
    const wp_window *w = &slice->plan->windows[window];
    switch (w->kind) {
    case WP_WINDOW_OFFSETS:
        return slice->t0_us[i] + w->to_us;
    case WP_WINDOW_BEFORE:
        return slice->t0_us[i];
    case WP_WINDOW_SINCE:
        return slice->end_us[i];
    default:
        return slice->plan->as_of_us;
    }
}

static void find_ranges(wp_slice *slice, uint32_t window)
{
    const wp_window *w = &slice->plan->windows[window];
    uint32_t *lo = slice->lo + (size_t)window * slice->users_room;
    uint32_t *hi = slice->hi + (size_t)window * slice->users_room;
    for (uint32_t i = 0; i < slice->users_count; i++) {
        uint32_t begin = slice->begin[i], end = slice->end[i];
        int64_t to_us = wp_window_end(slice, window, i) + (w->kind == WP_WINDOW_LIFETIME);
        bool from_begin = w->kind == WP_WINDOW_LIFETIME || w->kind == WP_WINDOW_BEFORE;
        lo[i] =
            from_begin ? begin : first_row_at(slice, begin, end, wp_window_start(slice, window, i));
        hi[i] = first_row_at(slice, lo[i], end, to_us);
    }
}

/* --- Masks --------------------------------------------------------------------------------- */

/* Clears the bits of selections whose conditions a row does not meet. */
static void apply_conditions(const wp_slice *slice, uint32_t s, uint32_t user, uint32_t from,
                             uint32_t to)
{
    const wp_selection *selection = slice->plan->selections[s];
    uint64_t bit = 1ULL << (s & 63);
    for (uint32_t local = from; local < to; local++) {
        uint64_t *mask = &slice->masks_own[(size_t)local * slice->words + (s >> 6)];
        if ((*mask & bit) == 0)
            continue;
        uint32_t row = wp_slice_row(slice, local);
        for (uint32_t c = 0; c < selection->conditions_count; c++)
            if (!wp_condition_holds(slice->columns, &selection->conditions[c], user, row)) {
                *mask &= ~bit;
                break;
            }
    }
}

static void fill_masks(wp_slice *slice, uint32_t from, uint32_t to)
{
    const uint64_t *table = slice->mask_table;
    uint32_t words = slice->words;
    if (words == 1 && slice->codes_8 != NULL) {
        for (uint32_t local = from; local < to; local++)
            slice->masks_own[local] = table[slice->codes_8[local]];
        return;
    }
    for (uint32_t local = from; local < to; local++)
        memcpy(&slice->masks_own[(size_t)local * words],
               &table[(size_t)wp_slice_code(slice, local) * words], words * sizeof *table);
}

static void make_masks(wp_slice *slice)
{
    const wp_plan *plan = slice->plan;
    for (uint32_t i = 0; i < slice->users_count; i++) {
        uint32_t from = slice->end[i], to = slice->begin[i];
        for (uint32_t w = 0; w < plan->windows_count; w++) {
            uint32_t lo = slice->lo[(size_t)w * slice->users_room + i];
            uint32_t hi = slice->hi[(size_t)w * slice->users_room + i];
            if (lo >= hi)
                continue;
            from = lo < from ? lo : from;
            to = hi > to ? hi : to;
        }
        if (from >= to)
            continue;
        fill_masks(slice, from, to);
        for (uint32_t s = 0; s < plan->selections_count; s++)
            if (!selection_is_plain(plan->selections[s]))
                apply_conditions(slice, s, slice->users[i], from, to);
    }
    slice->masks = slice->masks_own;
}

static void widen_ticks(wp_slice *slice)
{
    if (slice->ticks_64 != NULL) {
        slice->ticks = slice->ticks_64;
        return;
    }
    for (uint32_t i = 0; i < slice->rows_count; i++)
        slice->ticks_own[i] = slice->ticks_32[i];
    slice->ticks = slice->ticks_own;
}

void wp_slice_load(wp_slice *slice, const wp_log *log, const uint32_t *anchors, uint32_t first,
                   uint32_t last)
{
    slice->users_count = 0;
    if (log->rows == NULL)
        load_in_place(slice, anchors, first, last);
    else
        load_view(slice, log, anchors, first, last);
    find_ends(slice);
    for (uint32_t w = 0; w < slice->plan->windows_count; w++)
        find_ranges(slice, w);
    if (slice->wants_ticks)
        widen_ticks(slice);
    if (slice->wants_masks)
        make_masks(slice);
}
