/* Funnels over all users; see funnel.h for what is computed, chain.h for one user's search.
**
** A range of users fills its own lists, which are joined in order. Figures of the steps are in
** csrc/journey/funnel_figure.c. */
#include "journey/funnel.h"

#include "base/memory.h"
#include "journey/chain.h"

#define RANGES 64u

typedef struct funnel_part {
    uint32_t *users, *rows;
    uint8_t *levels, *pending;
    size_t count, capacity;
    uint32_t excluded_count, absent_count;
} funnel_part;

typedef struct funnel_work {
    const wp_log *log;
    const wp_funnel_options *options;
    wp_chain_plan plan;
    wp_scratch scratch;
    wp_chain_search *searches; /* per worker */
    uint32_t starts[RANGES + 1];
    funnel_part parts[RANGES];
} funnel_work;

static wp_status part_grow(funnel_part *part, uint32_t steps, wp_error *err)
{
    if (part->count < part->capacity)
        return WP_OK;
    size_t capacity = part->capacity * 2 + 512;
    uint32_t *users = wp_realloc_array(part->users, capacity, sizeof *users);
    part->users = users != NULL ? users : part->users;
    uint32_t *rows = wp_realloc_array(part->rows, capacity, steps * sizeof *rows);
    part->rows = rows != NULL ? rows : part->rows;
    uint8_t *levels = wp_realloc_array(part->levels, capacity, 1);
    part->levels = levels != NULL ? levels : part->levels;
    uint8_t *pending = wp_realloc_array(part->pending, capacity, 1);
    part->pending = pending != NULL ? pending : part->pending;
    if (users == NULL || rows == NULL || levels == NULL || pending == NULL)
        return wp_fail_memory(err, capacity * (steps + 2) * sizeof *rows);
    part->capacity = capacity;
    return WP_OK;
}

static wp_status funnel_range(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    funnel_work *work = context;
    funnel_part *part = &work->parts[chunk];
    uint32_t steps = work->options->steps_count;
    for (uint32_t user = work->starts[chunk]; user < work->starts[chunk + 1]; user++) {
        wp_rows rows = wp_rows_of(work->log, user, work->scratch.rows[worker]);
        if (rows.count == 0)
            continue;
        wp_chain chain;
        WP_TRY(wp_chain_find(&work->plan, &work->searches[worker], user, &rows, &chain, err));
        part->excluded_count += chain.excluded;
        part->absent_count += chain.level == 0 && !chain.excluded;
        if (chain.level == 0 || chain.excluded)
            continue;
        WP_TRY(part_grow(part, steps, err));
        part->users[part->count] = user;
        part->levels[part->count] = (uint8_t)chain.level;
        part->pending[part->count] =
            (uint8_t)((chain.pending ? WP_FUNNEL_PENDING : 0) | (chain.open ? WP_FUNNEL_OPEN : 0));
        memcpy(part->rows + part->count * steps, chain.rows, steps * sizeof *chain.rows);
        part->count++;
    }
    return WP_OK;
}

static wp_status join_parts(funnel_work *work, uint32_t ranges, wp_funnel *out, wp_error *err)
{
    uint32_t steps = work->options->steps_count;
    size_t total = 0;
    for (uint32_t i = 0; i < ranges; i++)
        total += work->parts[i].count;
    wp_funnel result = {.users_count = (uint32_t)total, .steps_count = steps};
    result.users = wp_alloc_array(total + 1, sizeof *result.users);
    result.rows = wp_alloc_array(total + 1, steps * sizeof *result.rows);
    result.levels = wp_alloc_array(total + 1, 1);
    result.pending = wp_alloc_array(total + 1, 1);
    if (result.users == NULL || result.rows == NULL || result.levels == NULL ||
        result.pending == NULL) {
        wp_funnel_reset(&result);
        return wp_fail_memory(err, total * (steps + 2) * sizeof *result.rows);
    }
    size_t at = 0;
    for (uint32_t i = 0; i < ranges; i++) {
        const funnel_part *part = &work->parts[i];
        result.excluded_count += part->excluded_count;
        result.absent_count += part->absent_count;
        if (part->count == 0)
            continue;
        memcpy(result.users + at, part->users, part->count * sizeof *part->users);
        memcpy(result.rows + at * steps, part->rows, part->count * steps * sizeof *part->rows);
        memcpy(result.levels + at, part->levels, part->count);
        memcpy(result.pending + at, part->pending, part->count);
        at += part->count;
    }
    *out = result;
    return WP_OK;
}

static wp_status check_options(const wp_funnel_options *options, wp_error *err)
{
    if (options->steps_count < 1 || options->steps_count > WP_FUNNEL_STEPS_MAX)
        return wp_fail(err, WP_INVALID, "funnel: %u steps (expected 1 to %u)", options->steps_count,
                       WP_FUNNEL_STEPS_MAX);
    for (uint32_t i = 0; i < options->exclusions_count; i++) {
        const wp_funnel_exclusion *exclusion = &options->exclusions[i];
        if (exclusion->after_step >= exclusion->before_step ||
            exclusion->before_step >= options->steps_count)
            return wp_fail(err, WP_INVALID,
                           "funnel: exclusion between steps %u and %u (expected an earlier and a "
                           "later one of %u steps)",
                           exclusion->after_step + 1, exclusion->before_step + 1,
                           options->steps_count);
    }
    return WP_OK;
}

wp_status wp_funnel_measure(const wp_log *log, const wp_funnel_options *options, const wp_run *run,
                            wp_funnel *out, wp_error *err)
{
    WP_TRY(check_options(options, err));
    funnel_work work = {.log = log, .options = options};
    unsigned workers = wp_run_threads(run);
    wp_status status = wp_chain_plan_start(log->columns, options, &work.plan, err);
    if (status == WP_OK)
        status = wp_scratch_start(log, run, &work.scratch, err);
    uint32_t ranges = wp_user_ranges(log->columns, RANGES, work.starts);
    if (status == WP_OK) {
        work.searches = wp_alloc_array_zero(workers, sizeof *work.searches);
        status = work.searches != NULL ? wp_pool_run(run, ranges, funnel_range, &work, err)
                                       : wp_fail_memory(err, workers * sizeof *work.searches);
    }
    if (status == WP_OK)
        status = join_parts(&work, ranges, out, err);
    for (uint32_t i = 0; i < ranges; i++) {
        wp_free(work.parts[i].users);
        wp_free(work.parts[i].rows);
        wp_free(work.parts[i].levels);
        wp_free(work.parts[i].pending);
    }
    for (unsigned i = 0; work.searches != NULL && i < workers; i++)
        wp_chain_search_reset(&work.searches[i]);
    wp_free(work.searches);
    wp_scratch_reset(&work.scratch);
    wp_chain_plan_reset(&work.plan);
    return status;
}

void wp_funnel_reset(wp_funnel *funnel)
{
    wp_free(funnel->users);
    wp_free(funnel->levels);
    wp_free(funnel->pending);
    wp_free(funnel->rows);
    *funnel = (wp_funnel){0};
}

void wp_funnel_by_value(const wp_funnel *funnel, const wp_texts *texts, uint32_t at_step,
                        const wp_funnel_options *options, uint32_t *counts)
{
    for (uint32_t i = 0; i < funnel->users_count; i++) {
        const uint32_t *rows = funnel->rows + (size_t)i * funnel->steps_count;
        if (rows[at_step] == WP_FUNNEL_NO_ROW)
            continue;
        uint32_t code = wp_code_at(&texts->codes, rows[at_step]);
        uint32_t *steps = counts + (size_t)code * funnel->steps_count;
        for (uint32_t step = 0; step < funnel->steps_count; step++) {
            bool optional = options->order != WP_ORDER_ANY && options->steps[step].optional;
            steps[step] += optional ? rows[step] != WP_FUNNEL_NO_ROW : funnel->levels[i] > step;
        }
    }
}
