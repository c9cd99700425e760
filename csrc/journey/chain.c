/* One user's winning chain: the plan, the relevant rows, and what is said about the winner.
**
** The search itself is in chain_loose.c (steps in order), chain_ties.c (the same where moments need
** care), chain_any.c (any order), chain_bits.c and chain_plain.c (the common case). With a held
** property each value is a journey of its own, and the best of their chains wins. */
#include "journey/chain.h"

#include "base/memory.h"

#include <stdlib.h>

#define NONE WP_CHAIN_NONE

/* --- Plan ------------------------------------------------------------------------------------ */

static bool is_plain(const wp_funnel_options *options)
{
    if (options->order != WP_ORDER_LOOSE || options->grace_us != 0 ||
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

static void list_wanted(wp_chain_plan *plan)
{
    for (uint32_t code = 0; code < plan->columns->event_names.count; code++) {
        if (plan->code_step[code] == 0)
            continue;
        uint32_t i = plan->wanted_count++;
        if (i >= WP_CHAIN_CODES_MAX)
            return;
        memset(plan->wanted_codes[i], (int)(code & UINT8_MAX), 16);
        plan->wanted_steps[i] = plan->code_step[code];
    }
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
                plan->shared = plan->shared || plan->code_steps[code] != 0;
                plan->code_steps[code] |= 1u << i;
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
    if (plain && !plan->shared) {
        list_wanted(plan);
    } else {
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
        uint8_t *joined = wp_realloc_array(search->joined_levels, capacity, 1);
        search->joined_levels = joined != NULL ? joined : search->joined_levels;
        if (starts == NULL || backs == NULL || levels == NULL || joined == NULL)
            return wp_fail_memory(err, capacity * 10);
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

/* Whether the way on from the step `from` is guarded by the exclusion. */
static bool guards(const wp_funnel_exclusion *exclusion, uint32_t from)
{
    return from >= exclusion->after_step && from < exclusion->before_step;
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
            wp_chain_window *window = &search->windows[search->windows_count++];
            *window = (wp_chain_window){.from = from, .to = to};
            for (uint32_t e = 0; e < options->exclusions_count; e++)
                if (!options->exclusions[e].whole_user && guards(&options->exclusions[e], from))
                    window->exclusions |= 1u << e;
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
    wp_free(search->joined_levels);
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
    bool all = options->order == WP_ORDER_STRICT; /* a foreign row breaks the chain */
    search->items_count = 0;
    search->rows_count = rows->count;
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

/* --- The search over all values of the held property -------------------------------------------
 */

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
    if (a->completed_row != b->completed_row)
        return a->completed_row < b->completed_row;
    if (a->entered_us != b->entered_us)
        return a->entered_us > b->entered_us;
    return a->entered_row > b->entered_row;
}

/* Rows that may begin a chain. */
static uint32_t entry_bits(const wp_funnel_options *options)
{
    return options->order == WP_ORDER_ANY && !options->first_required ? UINT32_MAX : 1u;
}

/* The only entry of entry = "first" and "latest"; NONE when any will do. Nobody's item has the
** number r->end. */
static uint32_t only_entry(const wp_chain_run *r)
{
    if (r->options->entry == WP_ENTRY_ANY)
        return NONE;
    uint32_t only = (uint32_t)r->end;
    for (size_t i = r->begin; i < r->end; i++)
        if ((r->items[i].steps & entry_bits(r->options)) != 0) {
            only = (uint32_t)i;
            if (r->options->entry == WP_ENTRY_FIRST)
                break;
        }
    return only;
}

/* Whether the window of the last entry that counts is not over. */
static bool is_open(const wp_chain_run *r)
{
    const wp_funnel_options *options = r->options;
    if (options->within_us < 0)
        return false;
    for (size_t i = r->end; i-- > r->begin;)
        if ((r->items[i].steps & entry_bits(options)) != 0 && (r->only == NONE || r->only == i))
            return r->items[i].time_us + options->within_us > options->as_of_us;
    return false;
}

static void start_run(wp_chain_run *r)
{
    wp_chain_search *search = r->search;
    for (uint32_t level = 0; level < r->steps_count; level++)
        search->level_counts[level] = 0;
    for (uint32_t i = 0; i < search->windows_count; i++) {
        wp_chain_window *window = &search->windows[i];
        window->next = window->head = window->tail = 0;
        window->seen = r->begin;
        window->barrier = NONE;
    }
    size_t states = (r->end - r->begin) * r->steps_count;
    memset(search->starts + r->begin * r->steps_count, 0xff, states * sizeof *search->starts);
}

static wp_status search_ordered(wp_chain_run *r, wp_chain *chain, bool *pending, wp_error *err)
{
    const wp_funnel_options *options = r->options;
    bool by_moment = options->ties == WP_TIES_ANY && r->shared && !options->reuse_rows &&
                     options->grace_us == 0 && options->order == WP_ORDER_LOOSE;
    start_run(r);
    WP_TRY(by_moment ? wp__chain_ties(r, err) : wp__chain_loose(r, err));
    if (r->best_level == 0)
        return WP_OK;
    chain->level = r->best_level;
    chain->completed_us = r->items[r->best_item].time_us;
    const wp_chain_item *entry = &r->items[wp__chain_start(r, r->best_item, r->best_level - 1)];
    chain->entered_us = entry->time_us;
    if (options->ties != WP_TIES_ANY) {
        chain->completed_row = r->items[r->best_item].row;
        chain->entered_row = entry->row;
    }
    if (by_moment)
        wp__chain_ties_trace(r, chain);
    else
        wp__chain_loose_trace(r, chain);
    *pending = r->best_level < r->steps_count && wp__chain_still_open(r);
    return WP_OK;
}

/* One run per held value; a missing value holds nothing. */
static wp_status search_values(const wp_chain_plan *plan, wp_chain_search *search, wp_chain *out,
                               wp_error *err)
{
    const wp_funnel_options *options = plan->options;
    bool hold = options->hold_text >= 0, any_pending = false, any_open = false;
    WP_TRY(start_windows(options, search, err));
    WP_TRY(reserve_states(search, options->steps_count, search->items_count, err));
    if (hold)
        qsort(search->items, search->items_count, sizeof *search->items, by_hold);
    for (size_t begin = 0, end; begin < search->items_count; begin = end) {
        uint32_t value = search->items[begin].hold;
        end = hold ? begin + 1 : search->items_count;
        while (hold && end < search->items_count && search->items[end].hold == value)
            end++;
        if (hold && value == 0)
            continue;
        wp_chain_run r = {.options = options,
                          .search = search,
                          .items = search->items,
                          .begin = begin,
                          .end = end,
                          .steps_count = options->steps_count,
                          .shared = plan->shared};
        r.only = only_entry(&r);
        wp_chain chain = {.hold = value};
        bool pending = false;
        memset(chain.rows, 0xff, sizeof chain.rows);
        if (options->order == WP_ORDER_ANY) {
            wp__chain_any(&r, &chain);
            pending = chain.level < r.steps_count && is_open(&r);
        } else {
            WP_TRY(search_ordered(&r, &chain, &pending, err));
        }
        if (chain.level == 0)
            continue;
        any_pending = any_pending || pending;
        any_open = any_open || is_open(&r);
        if (is_better(&chain, out))
            *out = chain;
    }
    out->pending = any_pending && out->level < options->steps_count;
    out->open = any_open;
    return WP_OK;
}

/* --- Exclusion of people ------------------------------------------------------------------------
 */

/* Whether the exclusion lies between two rows of the winner that follow each other, or after its
** last one while the window was open. */
static bool hits(const wp_chain_plan *plan, const wp_chain *chain, const wp_chain_item *item,
                 const wp_funnel_exclusion *exclusion)
{
    const wp_funnel_options *options = plan->options;
    const wp_times *times = &plan->columns->times;
    bool by_time = options->ties == WP_TIES_ANY;
    for (uint32_t from = exclusion->after_step; from < exclusion->before_step; from++) {
        uint32_t here = chain->rows[from], next = from + 1;
        if (here == WP_FUNNEL_NO_ROW)
            continue;
        while (next < options->steps_count && chain->rows[next] == WP_FUNNEL_NO_ROW)
            next++;
        if (by_time ? item->time_us <= wp_time_at(times, here) : item->row <= here)
            continue;
        if (next < options->steps_count) {
            uint32_t row = chain->rows[next];
            if (by_time ? item->time_us < wp_time_at(times, row) : item->row < row)
                return true;
        } else if (options->within_us < 0 ||
                   item->time_us - chain->entered_us <= options->within_us) {
            return true;
        }
    }
    return false;
}

static bool is_excluded(const wp_chain_plan *plan, const wp_chain_search *search,
                        const wp_chain *chain)
{
    const wp_funnel_options *options = plan->options;
    for (uint32_t e = 0; e < options->exclusions_count; e++) {
        if (!options->exclusions[e].whole_user)
            continue;
        for (size_t i = 0; i < search->items_count; i++) {
            const wp_chain_item *item = &search->items[i];
            if ((item->exclusions >> e & 1u) != 0 &&
                (options->hold_text < 0 || item->hold == chain->hold) &&
                hits(plan, chain, item, &options->exclusions[e]))
                return true;
        }
    }
    return false;
}

wp_status wp_chain_find(const wp_chain_plan *plan, wp_chain_search *search, uint32_t user,
                        const wp_rows *rows, wp_chain *out, wp_error *err)
{
    if (plan->code_step != NULL && rows->count <= WP_CHAIN_BITS_MAX) {
        wp__chain_bits(plan, search, rows, out);
        return WP_OK;
    }
    *out = (wp_chain){.completed_us = INT64_MAX, .entered_us = INT64_MIN};
    memset(out->rows, 0xff, sizeof out->rows);
    if (plan->code_step != NULL && plan->options->ties == WP_TIES_AS_RECORDED)
        return wp__chain_plain(plan, search, rows, out, err);
    WP_TRY(fill_items(plan, search, user, rows, err));
    if (search->items_count == 0)
        return WP_OK;
    WP_TRY(search_values(plan, search, out, err));
    out->excluded = out->level > 0 && is_excluded(plan, search, out);
    return WP_OK;
}
