/* One scan finds every stay: per range of users a list in the order of users, then a stable
** placement by stage. */
#include "journey/stage_spans.h"

#include "base/memory.h"

#define RANGES         64u
#define ENGAGED_CAP_US (60 * INT64_C(1000000))
#define ABSENT_US      (30 * 60 * INT64_C(1000000))

typedef struct stay_part {
    wp_stay *stays;
    size_t count, capacity;
} stay_part;

typedef struct stay_work {
    const wp_log *log;
    const wp_stage_plan *plan;
    wp_stage_lookup lookup;
    wp_scratch scratch;
    uint32_t starts[RANGES + 1];
    stay_part parts[RANGES];
} stay_work;

wp_status wp_stage_lookup_start(const wp_columns *columns, const wp_stage_plan *plan,
                                wp_stage_lookup *lookup, wp_error *err)
{
    uint32_t count = columns->event_names.count;
    lookup->plan = plan;
    lookup->of_code = wp_alloc_array_zero((size_t)count + 1, 1);
    if (lookup->of_code == NULL)
        return wp_fail_memory(err, count);
    for (uint32_t code = 0; code < count; code++)
        for (uint32_t k = 0; k < plan->stages_count && lookup->of_code[code] == 0; k++)
            if (wp_bit(plan->stages[k]->codes, code))
                lookup->of_code[code] =
                    plan->stages[k]->conditions_count > 0 ? UINT8_MAX : (uint8_t)(k + 1);
    return WP_OK;
}

void wp_stage_lookup_reset(wp_stage_lookup *lookup)
{
    wp_free(lookup->of_code);
    lookup->of_code = NULL;
}

/* Rows of the user that were seen by as_of_us. */
static uint32_t seen_rows(const wp_columns *columns, const wp_rows *rows, int64_t as_of_us)
{
    uint32_t count = rows->count;
    while (count > 0 && wp_time_at(&columns->times, wp_rows_at(rows, count - 1)) > as_of_us)
        count--;
    return count;
}

/* Place of the row that completes the outcome, or `count`. */
static uint32_t outcome_place(const stay_work *work, uint32_t user, const wp_rows *rows,
                              uint32_t count)
{
    if (work->plan->outcome == NULL)
        return count;
    uint32_t times = 0;
    for (uint32_t i = 0; i < count; i++)
        if (wp_selection_has(work->log->columns, work->plan->outcome, user, wp_rows_at(rows, i)) &&
            ++times == work->plan->outcome_times)
            return i;
    return count;
}

static void end_stay(wp_stay *stay, uint32_t local, int64_t now_us)
{
    stay->exit_local = local;
    stay->advance_us = now_us;
}

static int64_t engaged(int64_t gap_us)
{
    if (gap_us > ABSENT_US)
        return 0;
    return gap_us < ENGAGED_CAP_US ? gap_us : ENGAGED_CAP_US;
}

/* The stays of one user; `room` has place for one per stage. Returns how many. */
static uint32_t find_stays(const stay_work *work, uint32_t user, const wp_rows *rows, wp_stay *room)
{
    const wp_columns *columns = work->log->columns;
    uint32_t count = seen_rows(columns, rows, work->plan->as_of_us), stays = 0, depth = 0;
    uint32_t outcome = outcome_place(work, user, rows, count);
    int64_t outcome_us = WP_TIME_MISSING, before_us = 0, first_us = 0;
    if (outcome < count)
        outcome_us = wp_time_at(&columns->times, wp_rows_at(rows, outcome));
    wp_stay *open = NULL;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = wp_rows_at(rows, i);
        int64_t now_us = wp_time_at(&columns->times, row);
        uint32_t stage = wp_stage_of_row(&work->lookup, columns, user, row);
        if (i == 0)
            first_us = now_us;
        else if (open != NULL)
            open->engaged_us += engaged(now_us - before_us);
        before_us = now_us;
        if (stage > depth) {
            if (open != NULL)
                end_stay(open, i, now_us);
            depth = stage;
            open = &room[stays++];
            *open = (wp_stay){.user = user,
                              .stage = stage - 1,
                              .entry_local = i,
                              .exit_local = count,
                              .entry_us = now_us,
                              .advance_us = WP_TIME_MISSING,
                              .outcome_us = outcome_us,
                              .first_us = first_us};
        }
        if (i == outcome) {
            if (open != NULL)
                end_stay(open, i, now_us);
            break;
        }
    }
    return stays;
}

static wp_status stay_range(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    stay_work *work = context;
    stay_part *part = &work->parts[chunk];
    uint32_t most = work->plan->stages_count;
    for (uint32_t user = work->starts[chunk]; user < work->starts[chunk + 1]; user++) {
        wp_rows rows = wp_rows_of(work->log, user, work->scratch.rows[worker]);
        if (rows.count == 0)
            continue;
        if (part->capacity - part->count < most) {
            size_t capacity = part->capacity * 2 + most + 256;
            wp_stay *stays = wp_realloc_array(part->stays, capacity, sizeof *stays);
            if (stays == NULL)
                return wp_fail_memory(err, capacity * sizeof *stays);
            part->stays = stays;
            part->capacity = capacity;
        }
        part->count += find_stays(work, user, &rows, part->stays + part->count);
    }
    return WP_OK;
}

static wp_status join(stay_work *work, uint32_t ranges, wp_stays *out, wp_error *err)
{
    size_t places[WP_STAGES_MAX + 1] = {0}, total = 0;
    for (uint32_t i = 0; i < ranges; i++)
        for (size_t k = 0; k < work->parts[i].count; k++)
            places[work->parts[i].stays[k].stage + 1]++;
    for (uint32_t k = 0; k < work->plan->stages_count; k++)
        places[k + 1] += places[k];
    total = places[work->plan->stages_count];
    wp_stay *stays = wp_alloc_array(total + 1, sizeof *stays);
    if (stays == NULL)
        return wp_fail_memory(err, total * sizeof *stays);
    *out = (wp_stays){.log = wp_log_retain((wp_log *)work->log),
                      .stages_count = work->plan->stages_count,
                      .as_of_us = work->plan->as_of_us,
                      .stays = stays};
    memcpy(out->starts, places, sizeof places);
    for (uint32_t i = 0; i < ranges; i++)
        for (size_t k = 0; k < work->parts[i].count; k++)
            stays[places[work->parts[i].stays[k].stage]++] = work->parts[i].stays[k];
    return WP_OK;
}

wp_status wp_stays_make(const wp_log *log, const wp_stage_plan *plan, const wp_run *run,
                        wp_stays *out, wp_error *err)
{
    if (plan->stages_count < 1 || plan->stages_count > WP_STAGES_MAX)
        return wp_fail(err, WP_INVALID, "stages: %u (expected 1 to %u)", plan->stages_count,
                       WP_STAGES_MAX);
    stay_work work = {.log = log, .plan = plan};
    wp_status status = wp_scratch_start(log, run, &work.scratch, err);
    if (status == WP_OK)
        status = wp_stage_lookup_start(log->columns, plan, &work.lookup, err);
    uint32_t ranges = 0;
    if (status == WP_OK) {
        ranges = wp_user_ranges(log->columns, RANGES, work.starts);
        status = wp_pool_run(run, ranges, stay_range, &work, err);
    }
    if (status == WP_OK)
        status = join(&work, ranges, out, err);
    for (uint32_t i = 0; i < ranges; i++)
        wp_free(work.parts[i].stays);
    wp_stage_lookup_reset(&work.lookup);
    wp_scratch_reset(&work.scratch);
    return status;
}

void wp_stays_reset(wp_stays *stays)
{
    wp_log_release(stays->log);
    wp_free(stays->stays);
    stays->log = NULL;
    stays->stays = NULL;
}
