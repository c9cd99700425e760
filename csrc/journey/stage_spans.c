/* One scan finds every stay: per range of users a list in the order of users, then a stable
** placement by stage. */
#include "journey/stage_spans.h"

#include "base/memory.h"

#include <math.h>

#define RANGES         256u
#define ENGAGED_CAP_US (60 * INT64_C(1000000))
#define ABSENT_US      (30 * 60 * INT64_C(1000000))

typedef struct stay_part {
    wp_stay_rows *stays; /* by user, and each user's by stage */
    uint8_t *stages;     /* of each */
    size_t count, capacity;
} stay_part;

typedef struct stay_work {
    const wp_log *log;
    const wp_stage_plan *plan;
    wp_stage_lookup lookup;
    wp_scratch scratch;
    uint32_t *outcomes;
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

/* The stays of one user, appended to the part, which has room for one per stage. */
static void find_stays(const stay_work *work, uint32_t user, const wp_rows *rows, stay_part *part)
{
    const wp_columns *columns = work->log->columns;
    uint32_t count = seen_rows(columns, rows, work->plan->as_of_us), depth = 0;
    uint32_t outcome = outcome_place(work, user, rows, count);
    if (outcome < count)
        work->outcomes[user] = wp_rows_at(rows, outcome);
    wp_stay_rows *open = NULL;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = wp_rows_at(rows, i);
        uint32_t stage = wp_stage_of_row(&work->lookup, columns, user, row);
        if (stage > depth) {
            if (open != NULL)
                open->end = row;
            depth = stage;
            part->stages[part->count] = (uint8_t)(stage - 1);
            open = &part->stays[part->count++];
            *open = (wp_stay_rows){row, WP_NO_ROW};
        }
        if (i == outcome) {
            if (open != NULL)
                open->end = row;
            break;
        }
    }
}

static wp_status make_room(stay_part *part, uint32_t most, wp_error *err)
{
    if (part->capacity - part->count >= most)
        return WP_OK;
    size_t capacity = part->capacity + part->capacity / 2 + most + 256;
    wp_stay_rows *stays = wp_realloc_array(part->stays, capacity, sizeof *stays);
    if (stays != NULL)
        part->stays = stays;
    uint8_t *stages = wp_realloc_array(part->stages, capacity, sizeof *stages);
    if (stages != NULL)
        part->stages = stages;
    if (stays == NULL || stages == NULL)
        return wp_fail_memory(err, capacity * (sizeof *stays + sizeof *stages));
    part->capacity = capacity;
    return WP_OK;
}

static wp_status stay_range(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    stay_work *work = context;
    stay_part *part = &work->parts[chunk];
    for (uint32_t user = work->starts[chunk]; user < work->starts[chunk + 1]; user++) {
        wp_rows rows = wp_rows_of(work->log, user, work->scratch.rows[worker]);
        if (work->outcomes != NULL)
            work->outcomes[user] = WP_NO_ROW;
        if (rows.count == 0)
            continue;
        WP_TRY(make_room(part, work->plan->stages_count, err));
        find_stays(work, user, &rows, part);
    }
    return WP_OK;
}

/* Parts are let go of as they are placed, so that hardly more than one copy is ever there. */
static wp_status join(stay_work *work, uint32_t ranges, wp_stays *out, wp_error *err)
{
    size_t places[WP_STAGES_MAX + 1] = {0}, total = 0;
    for (uint32_t i = 0; i < ranges; i++)
        for (size_t k = 0; k < work->parts[i].count; k++)
            places[work->parts[i].stages[k] + 1]++;
    for (uint32_t k = 0; k < work->plan->stages_count; k++)
        places[k + 1] += places[k];
    total = places[work->plan->stages_count];
    wp_stay_rows *stays = wp_alloc_array(total + 1, sizeof *stays);
    if (stays == NULL)
        return wp_fail_memory(err, total * sizeof *stays);
    *out = (wp_stays){.log = wp_log_retain((wp_log *)work->log),
                      .stages_count = work->plan->stages_count,
                      .as_of_us = work->plan->as_of_us,
                      .stays = stays,
                      .outcomes = work->outcomes};
    work->outcomes = NULL;
    memcpy(out->starts, places, sizeof places);
    for (uint32_t i = 0; i < ranges; i++) {
        stay_part *part = &work->parts[i];
        for (size_t k = 0; k < part->count; k++)
            stays[places[part->stages[k]]++] = part->stays[k];
        wp_free(part->stays);
        wp_free(part->stages);
        *part = (stay_part){0};
    }
    return WP_OK;
}

wp_status wp_stays_make(const wp_log *log, const wp_stage_plan *plan, const wp_run *run,
                        wp_stays *out, wp_error *err)
{
    if (plan->stages_count < 1 || plan->stages_count > WP_STAGES_MAX)
        return wp_fail(err, WP_INVALID, "stages: %u (expected 1 to %u)", plan->stages_count,
                       WP_STAGES_MAX);
    size_t users = log->columns->users_count;
    stay_work work = {.log = log, .plan = plan};
    wp_status status = wp_scratch_start(log, run, &work.scratch, err);
    if (status == WP_OK)
        status = wp_stage_lookup_start(log->columns, plan, &work.lookup, err);
    if (status == WP_OK && plan->outcome != NULL) {
        work.outcomes = wp_alloc_array(users + 1, sizeof *work.outcomes);
        status = work.outcomes != NULL ? WP_OK : wp_fail_memory(err, users * 4);
    }
    uint32_t ranges = 0;
    if (status == WP_OK) {
        ranges = wp_user_ranges(log->columns, RANGES, work.starts);
        status = wp_pool_run(run, ranges, stay_range, &work, err);
    }
    if (status == WP_OK)
        status = join(&work, ranges, out, err);
    for (uint32_t i = 0; i < ranges; i++) {
        wp_free(work.parts[i].stays);
        wp_free(work.parts[i].stages);
    }
    wp_free(work.outcomes);
    wp_stage_lookup_reset(&work.lookup);
    wp_scratch_reset(&work.scratch);
    return status;
}

void wp_stays_reset(wp_stays *stays)
{
    wp_log_release(stays->log);
    wp_free(stays->stays);
    wp_free(stays->outcomes);
    stays->log = NULL;
    stays->stays = NULL;
    stays->outcomes = NULL;
}

/* --- Reading -------------------------------------------------------------------------------- */

/* The user of a row, from the last one found on: a step or two, or a search. */
static uint32_t user_of(const wp_columns *columns, uint32_t row, uint32_t user)
{
    const uint32_t *starts = columns->row_starts;
    if (starts[user] > row)
        user = 0;
    for (int step = 0; step < 16; step++, user++)
        if (starts[user + 1] > row)
            return user;
    uint32_t low = user, high = columns->users_count - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (starts[middle + 1] > row)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Rows of the view in [first, end). */
static uint32_t rows_between(const wp_log *log, uint32_t first, uint32_t end)
{
    if (log->rows == NULL)
        return end - first;
    uint32_t count = 0;
    while (first < end) {
        uint32_t stop = (first | 63u) < end ? (first | 63u) + 1 : end;
        uint64_t bits = log->rows[first >> 6] >> (first & 63);
        if (stop - first < 64)
            bits &= (UINT64_C(1) << (stop - first)) - 1;
        count += (uint32_t)__builtin_popcountll(bits);
        first = stop;
    }
    return count;
}

static uint32_t first_row(const wp_log *log, uint32_t row)
{
    while (log->rows != NULL && !wp_bit(log->rows, row))
        row++;
    return row;
}

/* After the last row of the user, from `row` on, that is in the view and was seen. */
static uint32_t end_of_seen(const wp_stays *stays, uint32_t user, uint32_t row)
{
    const wp_columns *columns = stays->log->columns;
    uint32_t end = columns->row_starts[user + 1];
    while (end > row + 1 && ((stays->log->rows != NULL && !wp_bit(stays->log->rows, end - 1)) ||
                             wp_time_at(&columns->times, end - 1) > stays->as_of_us))
        end--;
    return end;
}

wp_stay wp_stay_at(const wp_stays *stays, size_t s, uint32_t *user)
{
    const wp_columns *columns = stays->log->columns;
    const wp_times *times = &columns->times;
    uint32_t entry = stays->stays[s].entry, end = stays->stays[s].end;
    *user = user_of(columns, entry, *user);
    uint32_t start = columns->row_starts[*user];
    uint32_t outcome = stays->outcomes != NULL ? stays->outcomes[*user] : WP_NO_ROW;
    wp_stay stay = {.user = *user,
                    .entry_local = rows_between(stays->log, start, entry),
                    .entry_us = wp_time_at(times, entry),
                    .advance_us = end != WP_NO_ROW ? wp_time_at(times, end) : WP_TIME_MISSING,
                    .outcome_us =
                        outcome != WP_NO_ROW ? wp_time_at(times, outcome) : WP_TIME_MISSING,
                    .first_us = wp_time_at(times, first_row(stays->log, start))};
    uint32_t stop = end != WP_NO_ROW ? end : end_of_seen(stays, *user, entry);
    stay.exit_local = stay.entry_local + rows_between(stays->log, entry, stop);
    return stay;
}

static bool passes(const wp_stays *stays, const wp_stay_filter *filter, size_t place,
                   const wp_stay *stay)
{
    bool advanced = stay->advance_us != WP_TIME_MISSING;
    if (filter->chosen != NULL && !wp_bit(filter->chosen, place))
        return false;
    if (filter->closed_us != WP_TIME_MISSING &&
        stays->as_of_us - stay->entry_us < filter->closed_us)
        return false;
    if (filter->in_time_us != WP_TIME_MISSING &&
        (!advanced || stay->advance_us - stay->entry_us > filter->in_time_us))
        return false;
    return (double)stay->entry_us <= filter->entered_by &&
           (filter->advanced < 0 || (filter->advanced != 0) == advanced);
}

size_t wp_stays_count(const wp_stays *stays, uint32_t stage, const wp_stay_filter *filter)
{
    size_t count = 0;
    uint32_t user = 0;
    for (size_t s = stays->starts[stage]; s < stays->starts[stage + 1]; s++) {
        wp_stay stay = wp_stay_at(stays, s, &user);
        count += passes(stays, filter, s - stays->starts[stage], &stay);
    }
    return count;
}

void wp_stays_mask(const wp_stays *stays, uint32_t stage, const wp_stay_filter *filter, double *out)
{
    uint32_t user = 0;
    for (size_t s = stays->starts[stage]; s < stays->starts[stage + 1]; s++) {
        wp_stay stay = wp_stay_at(stays, s, &user);
        *out++ = passes(stays, filter, s - stays->starts[stage], &stay);
    }
}

static double seconds_between(int64_t start_us, int64_t instant_us)
{
    return instant_us == WP_TIME_MISSING ? NAN : (double)(instant_us - start_us) / 1e6;
}

static int64_t engaged_us(const wp_stays *stays, const wp_stay_rows *rows, uint32_t user)
{
    const wp_log *log = stays->log;
    uint32_t end = rows->end != WP_NO_ROW ? rows->end + 1 : end_of_seen(stays, user, rows->entry);
    int64_t sum = 0, before_us = wp_time_at(&log->columns->times, rows->entry);
    for (uint32_t row = rows->entry + 1; row < end; row++) {
        if (log->rows != NULL && !wp_bit(log->rows, row))
            continue;
        int64_t now_us = wp_time_at(&log->columns->times, row), gap_us = now_us - before_us;
        sum += gap_us > ABSENT_US ? 0 : gap_us < ENGAGED_CAP_US ? gap_us : ENGAGED_CAP_US;
        before_us = now_us;
    }
    return sum;
}

static double number_of(const wp_stays *stays, size_t s, const wp_stay *stay, wp_stay_number which)
{
    bool advanced = stay->advance_us != WP_TIME_MISSING;
    switch (which) {
    case WP_STAY_USER:
        return (double)stay->user;
    case WP_STAY_ENTRY_US:
        return (double)stay->entry_us;
    case WP_STAY_ADVANCE:
        return seconds_between(stay->entry_us, stay->advance_us);
    case WP_STAY_OUTCOME:
        return seconds_between(stay->entry_us, stay->outcome_us);
    case WP_STAY_BEFORE:
        return (double)stay->entry_local;
    case WP_STAY_TENURE:
        return (double)(stay->entry_us - stay->first_us) / 1e6;
    case WP_STAY_ENGAGED:
        return (double)engaged_us(stays, &stays->stays[s], stay->user) / 1e6;
    case WP_STAY_ROWS:
        return (double)(stay->exit_local - stay->entry_local);
    case WP_STAY_WATCHED:
        return seconds_between(stay->entry_us, advanced ? stay->advance_us : stays->as_of_us);
    default:
        return advanced;
    }
}

void wp_stays_numbers(const wp_stays *stays, uint32_t stage, const wp_stay_filter *filter,
                      wp_stay_number which, double *out)
{
    uint32_t user = 0;
    for (size_t s = stays->starts[stage]; s < stays->starts[stage + 1]; s++) {
        wp_stay stay = wp_stay_at(stays, s, &user);
        if (passes(stays, filter, s - stays->starts[stage], &stay))
            *out++ = number_of(stays, s, &stay, which);
    }
}

wp_status wp_stays_users(const wp_stays *stays, uint32_t first, uint32_t end, uint64_t *count,
                         wp_error *err)
{
    size_t words = (size_t)stays->log->columns->users_count / 64 + 1;
    uint64_t *met = wp_alloc_array_zero(words, sizeof *met);
    if (met == NULL)
        return wp_fail_memory(err, words * sizeof *met);
    for (uint32_t stage = first; stage < end; stage++) {
        uint32_t user = 0;
        for (size_t s = stays->starts[stage]; s < stays->starts[stage + 1]; s++) {
            user = user_of(stays->log->columns, stays->stays[s].entry, user);
            met[user >> 6] |= UINT64_C(1) << (user & 63);
        }
    }
    *count = 0;
    for (size_t i = 0; i < words; i++)
        *count += (uint64_t)__builtin_popcountll(met[i]);
    wp_free(met);
    return WP_OK;
}
