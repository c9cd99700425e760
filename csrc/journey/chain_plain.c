/* The common funnel as its own loop: loose order, every event meaning at most one step, no gaps,
** exclusions or held property.
**
** First the interesting rows are compacted without a branch, which halves the time of the state
** machine after it (measured on 10 million events). The machine itself has no branch on what the
** event is either: `entries[k]` is the newest entry that got through k steps, and an event of step
** k hands entries[k - 1] on when that began recently enough. The winner's rows are found again by
** one greedy walk from its entry. */
#include "journey/chain.h"

#define NEVER (INT64_MIN / 4)

/* An interesting row: places in the log and in the funnel, the first step being 1. */
typedef struct plain_item {
    uint32_t row, step;
} plain_item;

typedef struct plain_best {
    uint32_t level, entry, item; /* steps reached; items of the entry and of the completion */
} plain_best;

static size_t compact(const wp_chain_plan *plan, const wp_rows *rows, plain_item *items)
{
    const wp_columns *columns = plan->columns;
    const uint8_t *step_of = plan->code_step;
    size_t count = 0;
    if (rows->index == NULL && columns->events.width == 1) {
        const uint8_t *codes = (const uint8_t *)columns->events.data + rows->first;
        for (uint32_t i = 0; i < rows->count; i++) {
            uint32_t step = step_of[codes[i]];
            items[count] = (plain_item){rows->first + i, step};
            count += step != 0;
        }
    } else {
        for (uint32_t i = 0; i < rows->count; i++) {
            uint32_t row = wp_rows_at(rows, i);
            uint32_t step = step_of[wp_code_at(&columns->events, row)];
            items[count] = (plain_item){row, step};
            count += step != 0;
        }
    }
    return count;
}

/* An entry that reached a level: where, and when it began. */
typedef struct plain_entry {
    int64_t began;
    uint32_t item;
} plain_entry;

/* `ticks` NULL: times are microseconds; else they and `within` are in units of the log. */
static inline plain_best run_steps(const wp_funnel_options *options, const wp_times *times,
                                   const uint32_t *ticks, int64_t within, const plain_item *items,
                                   size_t count)
{
    plain_entry entries[WP_FUNNEL_STEPS_MAX + 1];
    plain_best best = {0, 0, 0};
    uint32_t steps = options->steps_count;
    bool first_only = options->entry == WP_ENTRY_FIRST, closed = false;
    for (uint32_t k = 0; k <= steps; k++)
        entries[k].began = NEVER;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t step = items[i].step;
        int64_t now =
            ticks != NULL ? (int64_t)ticks[items[i].row] : wp_time_at(times, items[i].row);
        entries[0] = (plain_entry){closed ? NEVER : now, i};
        plain_entry before = entries[step - 1], *here = &entries[step];
        bool fits = now - before.began <= within;
        here->began = fits ? before.began : here->began;
        here->item = fits ? before.item : here->item;
        closed |= first_only && step == 1;
        if (fits && step > best.level) {
            best = (plain_best){step, before.item, i};
            if (step == steps)
                break;
        }
    }
    return best;
}

/* Whether the window of the last entry that counts is not over. */
static bool is_open(const wp_funnel_options *options, const wp_times *times,
                    const plain_item *items, size_t count)
{
    size_t entry = options->entry == WP_ENTRY_FIRST ? 0 : count - 1;
    if (options->within_us < 0)
        return false;
    while (items[entry].step != 1) /* there is one: somebody entered */
        entry += options->entry == WP_ENTRY_FIRST ? 1 : SIZE_MAX;
    return wp_time_at(times, items[entry].row) + options->within_us > options->as_of_us;
}

wp_status wp__chain_plain(const wp_chain_plan *plan, wp_chain_search *search, const wp_rows *rows,
                          wp_chain *out, wp_error *err)
{
    const wp_funnel_options *options = plan->options;
    const wp_times *times = &plan->columns->times;
    _Static_assert(sizeof(plain_item) <= sizeof(wp_chain_item), "items have room");
    WP_TRY(wp__chain_reserve_items(search, (size_t)rows->count + 1, err));
    plain_item *items = (plain_item *)(void *)search->items;
    size_t count = compact(plan, rows, items);
    int64_t within = options->within_us < 0 ? INT64_MAX / 8 : options->within_us;
    plain_best best = times->wide ? run_steps(options, times, NULL, within, items, count)
                                  : run_steps(options, times, times->offsets,
                                              within / times->unit_us, items, count);
    if (best.level == 0)
        return WP_OK;
    out->level = best.level;
    out->entered_us = wp_time_at(times, items[best.entry].row);
    out->completed_us = wp_time_at(times, items[best.item].row);
    uint32_t step = 1;
    for (uint32_t i = best.entry; step <= best.level; i++)
        if (items[i].step == step)
            out->rows[step++ - 1] = items[i].row;
    out->open = is_open(options, times, items, count);
    out->pending = out->open && best.level < options->steps_count;
    return WP_OK;
}
