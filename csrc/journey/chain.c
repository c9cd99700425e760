/* The search for one user's winning chain, steps in order.
**
** Data structure: items (relevant rows) and, per item and level, the latest entry from which a
** chain ends there, with a pointer back. For each pair of levels that may follow each other a
** window over the lower level's items yields the latest entry among those whose gap fits.
** Invariant: when item i is looked at, every window holds exactly the items that may precede it. */
#include "journey/chain.h"

#include "base/memory.h"

#include <stdlib.h>

#define NONE UINT32_MAX

/* --- Plan ------------------------------------------------------------------------------------ */

static bool is_plain(const wp_funnel_options *options)
{
    if (options->order != WP_ORDER_LOOSE || options->ties != WP_TIES_AS_RECORDED ||
        options->exclusions_count > 0 || options->hold_text >= 0 ||
        options->entry == WP_ENTRY_LATEST)
        return false;
    for (uint32_t i = 0; i < options->steps_count; i++) {
        const wp_funnel_step *step = &options->steps[i];
        if (step->optional || step->gap_min_us > 0 || step->gap_max_us >= 0 ||
            step->selection.conditions_count > 0)
            return false;
    }
    return true;
}

wp_status wp_chain_plan_start(const wp_columns *columns, const wp_funnel_options *options,
                              wp_chain_plan *plan, wp_error *err)
{
    uint32_t codes = columns->event_names.count;
    *plan = (wp_chain_plan){.columns = columns, .options = options};
    plan->code_steps = wp_alloc_array_zero((size_t)codes + 1, sizeof *plan->code_steps);
    plan->code_exclusions = wp_alloc_array_zero((size_t)codes + 1, sizeof *plan->code_exclusions);
    plan->code_step = wp_alloc_array_zero((size_t)codes + 1, 1);
    if (plan->code_steps == NULL || plan->code_exclusions == NULL || plan->code_step == NULL) {
        wp_chain_plan_reset(plan);
        return wp_fail_memory(err, (size_t)codes * 9);
    }
    bool plain = is_plain(options);
    for (uint32_t code = 0; code < codes; code++) {
        for (uint32_t i = 0; i < options->steps_count; i++)
            if (wp_bit(options->steps[i].selection.codes, code)) {
                plan->code_steps[code] |= 1u << i;
                plain = plain && plan->code_step[code] == 0;
                plan->code_step[code] = (uint8_t)(i + 1);
            }
        for (uint32_t i = 0; i < options->exclusions_count; i++)
            if (wp_bit(options->exclusions[i].selection.codes, code))
                plan->code_exclusions[code] |= 1u << i;
    }
    for (uint32_t i = 0; i < options->steps_count; i++)
        if (options->steps[i].selection.conditions_count > 0)
            plan->conditioned_steps |= 1u << i;
    for (uint32_t i = 0; i < options->exclusions_count; i++)
        if (options->exclusions[i].selection.conditions_count > 0)
            plan->conditioned_exclusions |= 1u << i;
    if (!plain) {
        wp_free(plan->code_step);
        plan->code_step = NULL;
    }
    return WP_OK;
}

void wp_chain_plan_reset(wp_chain_plan *plan)
{
    wp_free(plan->code_steps);
    wp_free(plan->code_exclusions);
    wp_free(plan->code_step);
    *plan = (wp_chain_plan){0};
}

/* --- Scratch --------------------------------------------------------------------------------- */

wp_status wp__chain_reserve_items(wp_chain_search *search, size_t count, wp_error *err)
{
    if (search->items_capacity >= count)
        return WP_OK;
    size_t capacity = count + count / 2 + 64;
    wp_chain_item *items = wp_realloc_array(search->items, capacity, sizeof *items);
    if (items == NULL)
        return wp_fail_memory(err, capacity * sizeof *items);
    search->items = items;
    search->items_capacity = capacity;
    return WP_OK;
}

static wp_status reserve_states(wp_chain_search *search, uint32_t steps, size_t items,
                                wp_error *err)
{
    if (search->states_capacity < items * steps) {
        size_t capacity = items * steps + items * steps / 2 + 64;
        uint32_t *starts = wp_realloc_array(search->starts, capacity, sizeof *starts);
        search->starts = starts != NULL ? starts : search->starts;
        uint32_t *backs = wp_realloc_array(search->backs, capacity, sizeof *backs);
        search->backs = backs != NULL ? backs : search->backs;
        uint8_t *levels = wp_realloc_array(search->back_levels, capacity, 1);
        search->back_levels = levels != NULL ? levels : search->back_levels;
        if (starts == NULL || backs == NULL || levels == NULL)
            return wp_fail_memory(err, capacity * 9);
        search->states_capacity = capacity;
    }
    if (search->level_capacity < items || search->level_items[steps - 1] == NULL) {
        size_t capacity = items + items / 2 + 64;
        for (uint32_t level = 0; level < steps; level++) {
            uint32_t *list = wp_realloc_array(search->level_items[level], capacity, sizeof *list);
            if (list == NULL)
                return wp_fail_memory(err, capacity * sizeof *list);
            search->level_items[level] = list;
        }
        search->level_capacity = capacity;
    }
    return WP_OK;
}

/* The windows of a plan: step `to` may follow the step before it and, past optional ones, earlier
** ones. Made once per worker; a window's queue grows when used. */
static wp_status start_windows(const wp_funnel_options *options, wp_chain_search *search,
                               wp_error *err)
{
    uint32_t steps = options->steps_count;
    if (search->windows != NULL)
        return WP_OK;
    search->windows = wp_alloc_array_zero((size_t)steps * steps, sizeof *search->windows);
    if (search->windows == NULL)
        return wp_fail_memory(err, (size_t)steps * steps * sizeof *search->windows);
    for (uint32_t to = 1; to < steps; to++)
        for (uint32_t from = to; from-- > 0;) {
            search->windows[search->windows_count++] = (wp_chain_window){.from = from, .to = to};
            if (!options->steps[from].optional || from == 0)
                break;
        }
    return WP_OK;
}

void wp_chain_search_reset(wp_chain_search *search)
{
    wp_free(search->items);
    wp_free(search->starts);
    wp_free(search->backs);
    wp_free(search->back_levels);
    for (uint32_t level = 0; level < WP_FUNNEL_STEPS_MAX; level++)
        wp_free(search->level_items[level]);
    for (uint32_t i = 0; i < search->windows_count; i++)
        wp_free(search->windows[i].queue);
    wp_free(search->windows);
    *search = (wp_chain_search){0};
}

/* --- Items ----------------------------------------------------------------------------------- */

static uint32_t keep_conditioned(const wp_chain_plan *plan, uint32_t bits, uint32_t conditioned,
                                 bool exclusions, uint32_t user, uint32_t row)
{
    for (uint32_t left = bits & conditioned; left != 0; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(left);
        const wp_selection *selection = exclusions ? &plan->options->exclusions[i].selection
                                                   : &plan->options->steps[i].selection;
        if (!wp_selection_has(plan->columns, selection, user, row))
            bits &= ~(1u << i);
    }
    return bits;
}

static wp_status fill_items(const wp_chain_plan *plan, wp_chain_search *search, uint32_t user,
                            const wp_rows *rows, wp_error *err)
{
    const wp_columns *columns = plan->columns;
    const wp_funnel_options *options = plan->options;
    bool all = options->order == WP_ORDER_STRICT;
    search->items_count = 0;
    WP_TRY(wp__chain_reserve_items(search, rows->count, err));
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = wp_rows_at(rows, i), code = wp_code_at(&columns->events, row);
        uint32_t steps = plan->code_steps[code], exclusions = plan->code_exclusions[code];
        if ((steps | exclusions) == 0 && !all)
            continue;
        steps = keep_conditioned(plan, steps, plan->conditioned_steps, false, user, row);
        exclusions =
            keep_conditioned(plan, exclusions, plan->conditioned_exclusions, true, user, row);
        if ((steps | exclusions) == 0 && !all)
            continue;
        uint32_t hold = 0;
        if (options->hold_text >= 0)
            hold = wp_code_at(&columns->texts[options->hold_text].codes, row);
        search->items[search->items_count++] =
            (wp_chain_item){wp_time_at(&columns->times, row), row, i, steps, exclusions, hold};
    }
    return WP_OK;
}

/* --- Windows --------------------------------------------------------------------------------- */

typedef struct run {
    const wp_funnel_options *options;
    wp_chain_search *search;
    const wp_chain_item *items;
    size_t begin, end; /* items of this run: all, or those of one held value */
    uint32_t steps_count;
    uint32_t best_level, best_item; /* best_level: steps reached */
} run;

static uint32_t start_of(const run *r, uint32_t item, uint32_t level)
{
    return r->search->starts[(size_t)item * r->steps_count + level];
}

static wp_status window_push(const run *r, wp_chain_window *window, uint32_t item, bool bounded,
                             wp_error *err)
{
    uint32_t start = start_of(r, item, window->from);
    if (!bounded) {
        if (window->tail == 0 || start > start_of(r, window->queue[0], window->from)) {
            window->queue[0] = item;
            window->tail = 1;
        }
        return WP_OK;
    }
    while (window->tail > window->head &&
           start_of(r, window->queue[window->tail - 1], window->from) < start)
        window->tail--;
    if (window->tail == window->capacity) {
        size_t capacity = window->capacity * 2;
        uint32_t *queue = wp_realloc_array(window->queue, capacity, sizeof *queue);
        if (queue == NULL)
            return wp_fail_memory(err, capacity * sizeof *queue);
        window->queue = queue;
        window->capacity = capacity;
    }
    window->queue[window->tail++] = item;
    return WP_OK;
}

/* Whether the chain that ends at (item, level) uses `other`: with free ties it could, and only
** among rows of the same moment. */
static bool chain_uses(const run *r, uint32_t item, uint32_t level, uint32_t other)
{
    if (r->options->reuse_rows)
        return false;
    for (;;) {
        if (item == other)
            return true;
        size_t state = (size_t)item * r->steps_count + level;
        if (level == 0 || r->search->backs[state] == NONE)
            return false;
        item = r->search->backs[state];
        level = r->search->back_levels[state];
    }
}

/* The item that the chain ending at `item` as step window->to comes from, or NONE. */
static wp_status window_best(const run *r, wp_chain_window *window, uint32_t item, uint32_t *out,
                             wp_error *err)
{
    const wp_funnel_step *step = &r->options->steps[window->to];
    const uint32_t *list = r->search->level_items[window->from];
    int64_t now_us = r->items[item].time_us, gap_min_us = step->gap_min_us;
    bool bounded = step->gap_max_us >= 0, free_ties = r->options->ties == WP_TIES_ANY;
    if (r->options->ties == WP_TIES_STRICT && gap_min_us < 1)
        gap_min_us = 1;
    if (window->queue == NULL) {
        window->queue = wp_alloc_array(64, sizeof *window->queue);
        window->capacity = 64;
        if (window->queue == NULL)
            return wp_fail_memory(err, 64 * sizeof *window->queue);
    }
    while (window->next < r->search->level_counts[window->from]) {
        uint32_t other = list[window->next];
        if (r->items[other].time_us > now_us - gap_min_us || (!free_ties && other >= item))
            break;
        WP_TRY(window_push(r, window, other, bounded, err));
        window->next++;
    }
    while (bounded && window->head < window->tail &&
           now_us - r->items[window->queue[window->head]].time_us > step->gap_max_us)
        window->head++;
    *out = NONE;
    for (size_t i = window->head; i < window->tail; i++)
        if (!free_ties || !chain_uses(r, window->queue[i], window->from, item)) {
            *out = window->queue[i];
            return WP_OK;
        }
    /* With free ties the row itself may have taken the only place: look for another. */
    if (free_ties && window->tail > window->head) {
        uint32_t best = NONE;
        for (size_t i = window->next; i-- > 0;) {
            uint32_t other = list[i];
            if (bounded && now_us - r->items[other].time_us > step->gap_max_us)
                break;
            if (!chain_uses(r, other, window->from, item) &&
                (best == NONE ||
                 start_of(r, other, window->from) >= start_of(r, best, window->from)))
                best = other;
            if (best != NONE && r->items[other].time_us < now_us && !bounded)
                break; /* earlier rows were entered no later */
        }
        *out = best;
    }
    return WP_OK;
}

static void window_clear(const run *r, wp_chain_window *window)
{
    window->head = window->tail = 0;
    window->next = r->search->level_counts[window->from];
}

/* --- The search ------------------------------------------------------------------------------ */

static void set_state(run *r, uint32_t item, uint32_t level, uint32_t start, uint32_t back,
                      uint32_t back_level)
{
    size_t state = (size_t)item * r->steps_count + level;
    r->search->starts[state] = start;
    r->search->backs[state] = back;
    r->search->back_levels[state] = (uint8_t)back_level;
    r->search->level_items[level][r->search->level_counts[level]++] = item;
    if (level + 1 > r->best_level) {
        r->best_level = level + 1;
        r->best_item = item;
    }
}

static bool fits_window(const run *r, uint32_t start, uint32_t item)
{
    return r->options->within_us < 0 ||
           r->items[item].time_us - r->items[start].time_us <= r->options->within_us;
}

/* Reaches `level` at `item` from the best chain before it, if there is one. */
static wp_status advance(run *r, uint32_t item, uint32_t level, wp_error *err)
{
    uint32_t best_start = NONE, best_back = NONE, best_from = 0;
    for (uint32_t i = 0; i < r->search->windows_count; i++) {
        wp_chain_window *window = &r->search->windows[i];
        if (window->to != level)
            continue;
        uint32_t back = NONE;
        WP_TRY(window_best(r, window, item, &back, err));
        if (back == NONE)
            continue;
        uint32_t start = start_of(r, back, window->from);
        /* Windows of a step come nearest first, so equal entries keep the optional step. */
        if (best_start == NONE || start > best_start) {
            best_start = start;
            best_back = back;
            best_from = window->from;
        }
    }
    if (best_start != NONE && fits_window(r, best_start, item))
        set_state(r, item, level, best_start, best_back, best_from);
    return WP_OK;
}

/* Strict order: only the row directly before counts. */
static void advance_strict(run *r, uint32_t item, uint32_t level)
{
    if (item == r->begin || r->items[item - 1].place + 1 != r->items[item].place)
        return;
    const wp_funnel_step *step = &r->options->steps[level];
    int64_t gap_us = r->items[item].time_us - r->items[item - 1].time_us;
    if (gap_us < step->gap_min_us || (step->gap_max_us >= 0 && gap_us > step->gap_max_us) ||
        (r->options->ties == WP_TIES_STRICT && gap_us == 0))
        return;
    for (uint32_t from = level; from-- > 0;) {
        uint32_t start = start_of(r, item - 1, from);
        if (start != NONE && fits_window(r, start, item)) {
            set_state(r, item, level, start, item - 1, from);
            return;
        }
        if (!r->options->steps[from].optional)
            return;
    }
}

static void exclude(run *r, uint32_t item)
{
    for (uint32_t left = r->items[item].exclusions; left != 0; left &= left - 1) {
        const wp_funnel_exclusion *exclusion = &r->options->exclusions[__builtin_ctz(left)];
        if (exclusion->whole_user)
            continue; /* judged on the winner */
        for (uint32_t i = 0; i < r->search->windows_count; i++) {
            wp_chain_window *window = &r->search->windows[i];
            if (window->from >= exclusion->after_step && window->from < exclusion->before_step)
                window_clear(r, window);
        }
    }
}

static bool may_enter(const run *r, uint32_t item, uint32_t only)
{
    return (r->items[item].steps & 1u) != 0 && (only == NONE || only == item);
}

/* The only entry of entry = "first" and "latest"; NONE when any will do. */
static uint32_t only_entry(const run *r)
{
    if (r->options->entry == WP_ENTRY_ANY)
        return NONE;
    uint32_t only = (uint32_t)r->end; /* nobody: no item has this number */
    for (size_t i = r->begin; i < r->end; i++)
        if ((r->items[i].steps & 1u) != 0) {
            only = (uint32_t)i;
            if (r->options->entry == WP_ENTRY_FIRST)
                break;
        }
    return only;
}

/* End of the group of rows that count as of the same moment as `item`. */
static size_t group_end(const run *r, size_t item)
{
    size_t end = item + 1;
    if (r->options->ties != WP_TIES_ANY)
        return end;
    while (end < r->end && r->items[end].time_us - r->items[item].time_us <= r->options->grace_us)
        end++;
    return end;
}

static wp_status search_run(run *r, wp_error *err)
{
    wp_chain_search *search = r->search;
    uint32_t only = only_entry(r);
    for (uint32_t level = 0; level < r->steps_count; level++)
        search->level_counts[level] = 0;
    for (uint32_t i = 0; i < search->windows_count; i++) {
        search->windows[i].next = 0;
        search->windows[i].head = search->windows[i].tail = 0;
    }
    size_t states = (r->end - r->begin) * r->steps_count;
    memset(search->starts + r->begin * r->steps_count, 0xff, states * sizeof *search->starts);
    for (size_t begin = r->begin, end; begin < r->end; begin = end) {
        end = group_end(r, begin);
        for (size_t i = begin; i < end; i++)
            exclude(r, (uint32_t)i);
        for (uint32_t level = 0; level < r->steps_count; level++)
            for (size_t i = begin; i < end; i++) {
                uint32_t item = (uint32_t)i;
                if ((r->items[i].steps >> level & 1u) == 0)
                    continue;
                if (level == 0) {
                    if (may_enter(r, item, only))
                        set_state(r, item, 0, item, NONE, 0);
                } else if (r->options->order == WP_ORDER_STRICT) {
                    advance_strict(r, item, level);
                } else {
                    WP_TRY(advance(r, item, level, err));
                }
            }
    }
    return WP_OK;
}

static void trace(const run *r, wp_chain *out)
{
    uint32_t item = r->best_item, level = r->best_level - 1;
    out->level = r->best_level;
    out->completed_us = r->items[item].time_us;
    out->entered_us = r->items[start_of(r, item, level)].time_us;
    for (;;) {
        out->rows[level] = r->items[item].row;
        size_t state = (size_t)item * r->steps_count + level;
        if (level == 0)
            return;
        item = r->search->backs[state];
        level = r->search->back_levels[state];
    }
}

/* Whether an event that removes the whole user lies inside the winner's steps, or after a step
** that was never followed while its window was open. */
static bool is_excluded(const wp_chain_plan *plan, const wp_chain_search *search,
                        const wp_chain *chain)
{
    const wp_funnel_options *options = plan->options;
    const wp_times *times = &plan->columns->times;
    for (uint32_t e = 0; e < options->exclusions_count; e++) {
        const wp_funnel_exclusion *exclusion = &options->exclusions[e];
        uint32_t after = chain->rows[exclusion->after_step];
        if (!exclusion->whole_user || after == WP_FUNNEL_NO_ROW)
            continue;
        uint32_t before = chain->rows[exclusion->before_step];
        int64_t limit_us =
            options->within_us < 0 ? INT64_MAX : chain->entered_us + options->within_us;
        for (size_t i = 0; i < search->items_count; i++) {
            const wp_chain_item *item = &search->items[i];
            if ((item->exclusions >> e & 1u) != 0 && item->row > after &&
                (before != WP_FUNNEL_NO_ROW ? item->row < before
                                            : wp_time_at(times, item->row) <= limit_us))
                return true;
        }
    }
    return false;
}

static int by_hold(const void *a, const void *b)
{
    const wp_chain_item *x = a, *y = b;
    if (x->hold != y->hold)
        return x->hold < y->hold ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static bool is_better(const wp_chain *a, const wp_chain *b)
{
    if (a->level != b->level)
        return a->level > b->level;
    if (a->completed_us != b->completed_us)
        return a->completed_us < b->completed_us;
    return a->entered_us > b->entered_us;
}

/* With a held property one run per value, the best chain wins; a missing value holds nothing. */
static wp_status search_ordered(const wp_chain_plan *plan, wp_chain_search *search, wp_chain *out,
                                wp_error *err)
{
    const wp_funnel_options *options = plan->options;
    WP_TRY(start_windows(options, search, err));
    WP_TRY(reserve_states(search, options->steps_count, search->items_count, err));
    bool hold = options->hold_text >= 0;
    if (hold)
        qsort(search->items, search->items_count, sizeof *search->items, by_hold);
    for (size_t begin = 0, end; begin < search->items_count; begin = end) {
        end = hold ? begin + 1 : search->items_count;
        while (hold && end < search->items_count &&
               search->items[end].hold == search->items[begin].hold)
            end++;
        if (hold && search->items[begin].hold == 0)
            continue;
        run r = {options, search, search->items, begin, end, options->steps_count, 0, NONE};
        WP_TRY(search_run(&r, err));
        if (r.best_level == 0)
            continue;
        wp_chain chain = {0};
        memset(chain.rows, 0xff, sizeof chain.rows);
        trace(&r, &chain);
        if (is_better(&chain, out))
            *out = chain;
    }
    return WP_OK;
}

static void judge_pending(const wp_chain_plan *plan, const wp_chain_search *search, wp_chain *out)
{
    const wp_funnel_options *options = plan->options;
    if (out->level == 0 || out->level == options->steps_count || options->within_us < 0)
        return;
    bool any_step = options->order == WP_ORDER_ANY && !options->first_required;
    uint32_t enter = any_step ? UINT32_MAX : 1u;
    int64_t entered_us = WP_TIME_MISSING;
    for (size_t i = 0; i < search->items_count; i++)
        if ((search->items[i].steps & enter) != 0 &&
            (entered_us == WP_TIME_MISSING      ? true
             : options->entry == WP_ENTRY_FIRST ? search->items[i].time_us < entered_us
                                                : search->items[i].time_us > entered_us))
            entered_us = search->items[i].time_us;
    out->pending = entered_us + options->within_us > options->as_of_us;
}

wp_status wp_chain_find(const wp_chain_plan *plan, wp_chain_search *search, uint32_t user,
                        const wp_rows *rows, wp_chain *out, wp_error *err)
{
    *out = (wp_chain){.completed_us = INT64_MAX, .entered_us = INT64_MIN};
    memset(out->rows, 0xff, sizeof out->rows);
    if (plan->code_step != NULL)
        return wp__chain_plain(plan, search, rows, out, err);
    WP_TRY(fill_items(plan, search, user, rows, err));
    if (search->items_count == 0)
        return WP_OK;
    if (plan->options->order == WP_ORDER_ANY)
        WP_TRY(wp__chain_any_order(plan, search, out, err));
    else
        WP_TRY(search_ordered(plan, search, out, err));
    if (out->level > 0 && is_excluded(plan, search, out))
        out->excluded = true;
    judge_pending(plan, search, out);
    return WP_OK;
}
