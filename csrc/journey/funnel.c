/* Funnels over all users; see funnel.h for what is computed, chain.h for one user's search.
**
** A range of users fills its own list, and the lists stay apart. Figures of the steps are in
** csrc/journey/funnel_figure.c. */
#include "journey/funnel.h"

#include "base/memory.h"
#include "journey/chain.h"

typedef struct funnel_work {
    const wp_funnel_options *options;
    wp_chain_plan plan;
    wp_scratch scratch;
    wp_chain_search *searches; /* per worker */
    uint32_t starts[WP_FUNNEL_PARTS + 1];
    struct {
        uint32_t excluded, absent;
    } counts[WP_FUNNEL_PARTS];
    bool keep_times; /* the rows will not be there later */
    wp_funnel *out;
} funnel_work;

static void keep_person(wp_funnel_person *person, uint32_t user, const wp_chain *chain,
                        uint32_t steps)
{
    person->user = user;
    person->level = (uint8_t)chain->level;
    person->flags =
        (uint8_t)((chain->pending ? WP_FUNNEL_PENDING : 0) | (chain->open ? WP_FUNNEL_OPEN : 0));
    for (uint32_t step = 0; step < steps; step++)
        person->rows[step] = chain->rows[step];
}

static bool resize_times(wp_times *times, size_t count)
{
    void *moved = wp_realloc_array(wp_times_data(times), count, wp_times_width(times));
    if (moved != NULL)
        wp_times_set_data(times, moved);
    return moved != NULL;
}

/* Adds the times of the chain's rows. Which steps have none is hard to guess: there the time of
** `some_row` is written, and overwritten. */
static void add_times(wp_funnel_part *part, const wp_times *from, const wp_chain *chain,
                      uint32_t some_row, uint32_t steps)
{
    size_t count = part->times_count;
    for (uint32_t step = 0; step < steps; step++) {
        bool has_row = chain->rows[step] != WP_FUNNEL_NO_ROW;
        uint32_t row = has_row ? chain->rows[step] : some_row;
        if (from->wide)
            part->times.micros[count] = from->micros[row];
        else
            part->times.offsets[count] = from->offsets[row];
        count += has_row;
    }
    part->times_count = count;
}

static wp_status funnel_range(void *context, const wp_log *log, wp_piece piece, unsigned worker,
                              wp_error *err)
{
    funnel_work *work = context;
    wp_funnel_part *part = &work->out->parts[piece.chunk];
    uint32_t steps = work->options->steps_count;
    size_t stride = wp_funnel_stride(steps);
    wp_chain_plan plan = work->plan;
    plan.columns = log->columns;
    /* Counted here and stored once: other threads write to the same cache lines. */
    uint32_t count = part->count, excluded = 0, absent = 0;
    size_t more = (size_t)(piece.last - piece.first) + 1;
    char *people = wp_realloc_array(part->people, count + more, stride);
    if (people == NULL)
        return wp_fail_memory(err, (count + more) * stride);
    part->people = people;
    part->times.base_us = log->columns->times.base_us;
    part->times.unit_us = log->columns->times.unit_us;
    part->times.wide = log->columns->times.wide;
    if (work->keep_times && !resize_times(&part->times, part->times_count + more * steps))
        return wp_fail_memory(err, (part->times_count + more * steps) * 8);
    for (uint32_t user = piece.first; user < piece.last; user++) {
        wp_rows rows = wp_rows_of(log, user, work->scratch.rows[worker]);
        if (rows.count == 0)
            continue;
        wp_chain chain;
        WP_TRY(wp_chain_find(&plan, &work->searches[worker], user, &rows, &chain, err));
        excluded += chain.excluded;
        absent += chain.level == 0 && !chain.excluded;
        if (chain.level == 0 || chain.excluded)
            continue;
        if (work->keep_times)
            add_times(part, &log->columns->times, &chain, wp_rows_at(&rows, 0), steps);
        keep_person((void *)(people + count++ * stride), user, &chain, steps);
    }
    part->count = count;
    work->counts[piece.chunk].excluded += excluded;
    work->counts[piece.chunk].absent += absent;
    char *fitting = wp_realloc_array(part->people, (size_t)count + 1, stride);
    if (fitting == NULL)
        return wp_fail_memory(err, count * stride);
    part->people = fitting;
    if (work->keep_times && !resize_times(&part->times, part->times_count + 1))
        return wp_fail_memory(err, count * steps * 8ULL);
    return WP_OK;
}

static void sum_up(funnel_work *work)
{
    for (uint32_t i = 0; i < WP_FUNNEL_PARTS; i++) {
        work->out->users_count += work->out->parts[i].count;
        work->out->excluded_count += work->counts[i].excluded;
        work->out->absent_count += work->counts[i].absent;
    }
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
    wp_funnel result = {.steps_count = options->steps_count};
    funnel_work work = {
        .options = options, .keep_times = log->columns->part_users != NULL, .out = &result};
    unsigned workers = wp_run_threads(run);
    wp_status status = wp_chain_plan_start(log->columns, options, &work.plan, err);
    if (status == WP_OK)
        status = wp_scratch_start(log, run, &work.scratch, err);
    uint32_t ranges = wp_user_ranges(log->columns, WP_FUNNEL_PARTS, work.starts);
    if (status == WP_OK) {
        work.searches = wp_alloc_array_zero(workers, sizeof *work.searches);
        status = work.searches != NULL ? wp_log_scan(log, WP_READS_ROWS, work.starts, ranges, run,
                                                     funnel_range, &work, err)
                                       : wp_fail_memory(err, workers * sizeof *work.searches);
    }
    for (unsigned i = 0; work.searches != NULL && i < workers; i++)
        wp_chain_search_reset(&work.searches[i]);
    wp_free(work.searches);
    wp_scratch_reset(&work.scratch);
    wp_chain_plan_reset(&work.plan);
    if (status == WP_OK) {
        sum_up(&work);
        *out = result;
    } else {
        wp_funnel_reset(&result);
    }
    return status;
}

void wp_funnel_reset(wp_funnel *funnel)
{
    for (uint32_t part = 0; part < WP_FUNNEL_PARTS; part++) {
        wp_free(funnel->parts[part].people);
        wp_free(wp_times_data(&funnel->parts[part].times));
    }
    *funnel = (wp_funnel){0};
}

void wp_funnel_by_value(const wp_funnel *funnel, const wp_texts *texts, uint32_t at_step,
                        const wp_funnel_options *options, uint32_t *counts)
{
    wp_funnel_cursor cursor = {0};
    const wp_funnel_person *person;
    while ((person = wp_funnel_next(funnel, &cursor)) != NULL) {
        if (person->rows[at_step] == WP_FUNNEL_NO_ROW)
            continue;
        uint32_t code = wp_code_at(&texts->codes, person->rows[at_step]);
        uint32_t *steps = counts + (size_t)code * funnel->steps_count;
        for (uint32_t step = 0; step < funnel->steps_count; step++) {
            bool optional = options->order != WP_ORDER_ANY && options->steps[step].optional;
            steps[step] += optional ? person->rows[step] != WP_FUNNEL_NO_ROW : person->level > step;
        }
    }
}
