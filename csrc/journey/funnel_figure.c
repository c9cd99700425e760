/* Figures of a funnel's steps: how many got there, and how long it took them; see funnel.h.
**
** A first pass counts per part of the funnel and step, so that a second one can write every
** duration to its place: one list per step and kind, whose order statistics are selected side by
** side. Each user's times are looked up once. Cost: 16 bytes per user and step while it runs. */
#include "base/memory.h"
#include "journey/funnel.h"
#include "journey/select.h"

#define KINDS 2u /* since the first step, since the step before */

typedef struct step_counts {
    uint32_t users, stopped, pending, closed, timed;
} step_counts;

typedef struct figure_work {
    const wp_funnel *funnel;
    const wp_columns *columns;
    const wp_funnel_options *options;
    bool any_order, has_optional;
    step_counts counts[WP_FUNNEL_PARTS][WP_FUNNEL_STEPS_MAX];
    size_t places[WP_FUNNEL_PARTS][WP_FUNNEL_STEPS_MAX]; /* in the lists of a step */
    size_t sizes[WP_FUNNEL_STEPS_MAX];
    int64_t *lists[WP_FUNNEL_STEPS_MAX][KINDS];
    wp_funnel_figures *out;
} figure_work;

/* Steps in order and none optional: what a user has follows from the level alone. */
static void count_levels(const figure_work *work, size_t part, step_counts *counts)
{
    const wp_funnel *funnel = work->funnel;
    uint32_t steps = funnel->steps_count, reached = 0, closed = 0;
    uint32_t seen[WP_FUNNEL_STEPS_MAX + 1][4] = {0}; /* by level and flags */
    for (uint32_t i = 0; i < funnel->parts[part].count; i++) {
        const wp_funnel_person *person = wp_funnel_at(funnel, (uint32_t)part, i);
        seen[person->level][person->flags]++;
    }
    for (uint32_t step = steps; step-- > 0;) {
        for (unsigned flags = 0; flags < 4; flags++) {
            uint32_t users = seen[step + 1][flags];
            reached += users;
            closed += (flags & WP_FUNNEL_OPEN) == 0 ? users : 0;
            if (step + 1 < steps && (flags & WP_FUNNEL_PENDING) != 0)
                counts[step].pending += users;
            else if (step + 1 < steps)
                counts[step].stopped += users;
        }
        counts[step].users = counts[step].timed = reached;
        counts[step].closed = closed;
    }
}

static void count_person(const figure_work *work, const wp_funnel_person *person,
                         step_counts *counts)
{
    uint32_t steps = work->funnel->steps_count, level = person->level;
    for (uint32_t step = 0; step < steps; step++) {
        bool here = person->rows[step] != WP_FUNNEL_NO_ROW;
        bool optional = !work->any_order && work->options->steps[step].optional;
        counts[step].timed += work->any_order ? level > step : here;
        bool counted = optional ? here : level > step;
        counts[step].users += counted;
        counts[step].closed += counted && (person->flags & WP_FUNNEL_OPEN) == 0;
    }
    if (level >= 1 && level < steps)
        *((person->flags & WP_FUNNEL_PENDING) != 0 ? &counts[level - 1].pending
                                                   : &counts[level - 1].stopped) += 1;
}

static wp_status count_part(void *context, size_t part, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    figure_work *work = context;
    if (!work->any_order && !work->has_optional) {
        count_levels(work, part, work->counts[part]);
        return WP_OK;
    }
    for (uint32_t i = 0; i < work->funnel->parts[part].count; i++)
        count_person(work, wp_funnel_at(work->funnel, (uint32_t)part, i), work->counts[part]);
    return WP_OK;
}

/* Where the times of a part's rows are: in the columns, or one after the other in its own list. */
typedef struct time_source {
    const wp_times *times;
    bool listed;
    size_t next;
} time_source;

static inline int64_t next_time(time_source *from, uint32_t row)
{
    return wp_time_at(from->times, from->listed ? from->next++ : row);
}

/* In any order step k stands for having done k steps: the times, ascending. */
static void time_any_order(figure_work *work, const uint32_t *rows, time_source *from,
                           size_t *places)
{
    int64_t sorted[WP_FUNNEL_STEPS_MAX];
    uint32_t count = 0;
    for (uint32_t step = 0; step < work->funnel->steps_count; step++) {
        if (rows[step] == WP_FUNNEL_NO_ROW)
            continue;
        int64_t time_us = next_time(from, rows[step]);
        uint32_t at = count++;
        for (; at > 0 && sorted[at - 1] > time_us; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = time_us;
    }
    for (uint32_t k = 0; k < count; k++) {
        size_t place = places[k]++;
        work->lists[k][0][place] = sorted[k] - sorted[0];
        work->lists[k][1][place] = sorted[k] - sorted[k > 0 ? k - 1 : 0];
    }
}

static void time_in_order(figure_work *work, const uint32_t *rows, time_source *from,
                          size_t *places)
{
    int64_t first_us = next_time(from, rows[0]), before_us = first_us;
    for (uint32_t step = 1; step < work->funnel->steps_count; step++) {
        if (rows[step] == WP_FUNNEL_NO_ROW)
            continue;
        size_t place = places[step]++;
        int64_t now_us = next_time(from, rows[step]);
        /* With a grace a step may lie a little before the one before it: no time passed. */
        work->lists[step][0][place] = now_us > first_us ? now_us - first_us : 0;
        work->lists[step][1][place] = now_us > before_us ? now_us - before_us : 0;
        before_us = now_us;
    }
}

static wp_status time_part(void *context, size_t part, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    figure_work *work = context;
    const wp_funnel_part *people = &work->funnel->parts[part];
    bool listed = wp_times_data(&people->times) != NULL;
    time_source from = {listed ? &people->times : &work->columns->times, listed, 0};
    for (uint32_t i = 0; i < people->count; i++) {
        const uint32_t *rows = wp_funnel_at(work->funnel, (uint32_t)part, i)->rows;
        (work->any_order ? time_any_order : time_in_order)(work, rows, &from, work->places[part]);
    }
    return WP_OK;
}

/* Chunk: one list. */
static wp_status select_times(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    figure_work *work = context;
    size_t step = chunk / KINDS, kind = chunk % KINDS;
    wp_funnel_figures *figures = &work->out[step];
    const double points[] = {0.5, 0.9};
    double found[] = {NAN, NAN};
    if (step == 0 && !work->any_order && work->sizes[step] > 0)
        found[0] = found[1] = 0; /* where the time is counted from */
    else if (work->sizes[step] > 0)
        wp_quantiles_i64(work->lists[step][kind], work->sizes[step], points, 2, found);
    *(kind == 0 ? &figures->median_seconds : &figures->median_step_seconds) = found[0] / 1e6;
    *(kind == 0 ? &figures->p90_seconds : &figures->p90_step_seconds) = found[1] / 1e6;
    return WP_OK;
}

/* Adds up the parts: the counts, and where each of them writes its times. */
static void sum_counts(figure_work *work)
{
    for (uint32_t step = 0; step < work->funnel->steps_count; step++) {
        size_t place = 0;
        work->out[step] = (wp_funnel_figures){0, 0, 0, 0, NAN, NAN, NAN, NAN};
        for (size_t part = 0; part < WP_FUNNEL_PARTS; part++) {
            const step_counts *counts = &work->counts[part][step];
            work->places[part][step] = place;
            place += counts->timed;
            work->out[step].users_count += counts->users;
            work->out[step].stopped_count += counts->stopped;
            work->out[step].pending_count += counts->pending;
            work->out[step].closed_count += counts->closed;
        }
        work->sizes[step] = place;
    }
}

static wp_status measure_times(figure_work *work, const wp_run *run, wp_error *err)
{
    uint32_t steps = work->funnel->steps_count;
    for (uint32_t step = 0; step < steps; step++) {
        size_t room = step == 0 && !work->any_order ? 0 : work->sizes[step];
        for (uint32_t kind = 0; kind < KINDS; kind++)
            if ((work->lists[step][kind] = wp_alloc_array(room, sizeof(int64_t))) == NULL)
                return wp_fail_memory(err, room * sizeof(int64_t));
    }
    WP_TRY(wp_pool_run(run, WP_FUNNEL_PARTS, time_part, work, err));
    return wp_pool_run(run, (size_t)steps * KINDS, select_times, work, err);
}

wp_status wp_funnel_figure(const wp_funnel *funnel, const wp_columns *columns,
                           const wp_funnel_options *options, bool times, const wp_run *run,
                           wp_funnel_figures *out, wp_error *err)
{
    figure_work *work = wp_alloc_zero(sizeof *work);
    if (work == NULL)
        return wp_fail_memory(err, sizeof *work);
    work->funnel = funnel;
    work->columns = columns;
    work->options = options;
    work->any_order = options->order == WP_ORDER_ANY;
    work->out = out;
    for (uint32_t step = 0; step < options->steps_count; step++)
        work->has_optional |= options->steps[step].optional;
    wp_status status = wp_pool_run(run, WP_FUNNEL_PARTS, count_part, work, err);
    if (status == WP_OK)
        sum_counts(work);
    if (status == WP_OK && times)
        status = measure_times(work, run, err);
    for (uint32_t step = 0; step < funnel->steps_count; step++)
        for (uint32_t kind = 0; kind < KINDS; kind++)
            wp_free(work->lists[step][kind]);
    wp_free(work);
    return status;
}
