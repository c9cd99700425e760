/* Two scans over the stays: gaps of later converters of earlier cohorts give a median and a
** deviation per (stage, event); then the signals of every used stay.
**
** Stays are cut into chunks of fixed size; each chunk owns its lists, which are joined in order. */
#include "journey/friction.h"

#include "base/memory.h"
#include "journey/select.h"

#include <math.h>
#include <stdlib.h>

#define CHUNK         4096u
#define SECOND_US     INT64_C(1000000)
#define SESSION_US    (30 * 60 * SECOND_US)
#define QUICK_US      (5 * SECOND_US)
#define LOOP_US       (15 * SECOND_US)
#define GAPS_LEAST    20u    /* fewer gaps say nothing about an event */
#define LOG_UNIT      1e6    /* log gaps are held as whole millionths */
#define DEVIATION_MIN 0.1    /* of log seconds: below, gaps are as good as equal */
#define MAD_TO_SD     1.4826 /* of a normal law */

typedef struct gap {
    uint32_t key; /* stage * codes_count + code */
    int64_t log_gap;
} gap;

typedef struct friction_part {
    gap *gaps;
    size_t gaps_count, gaps_capacity;
    wp_friction_pair *pairs;
    size_t pairs_count, pairs_capacity;
} friction_part;

/* What one worker remembers of each event name in the current stay. */
typedef struct code_memory {
    uint32_t stamp;   /* stay + 1 that it belongs to */
    uint32_t session; /* session of the run */
    uint32_t run;
    size_t pair;                     /* place among the pairs of the chunk */
    int64_t last_us, before_last_us; /* WP_TIME_MISSING: none */
} code_memory;

typedef struct friction_work {
    const wp_stays *stays;
    const wp_stage_plan *plan;
    const wp_friction_options *options;
    wp_stage_lookup lookup;
    wp_scratch scratch;
    code_memory **memories; /* by worker */
    unsigned workers_count;
    uint32_t codes_count;
    friction_part *parts;
    size_t chunks_count;
    float *medians, *deviations; /* by key; NaN: too few gaps */
    wp_signals *signals;
} friction_work;

static int64_t log_gap(int64_t gap_us)
{
    return (int64_t)llround(log1p((double)gap_us / 1e6) * LOG_UNIT);
}

static size_t stays_total(const wp_stays *stays)
{
    return stays->starts[stays->stages_count];
}

/* --- Gaps of later converters ------------------------------------------------------------- */

static bool observed(const friction_work *work, const wp_stay *stay)
{
    int64_t observe_us = work->options->observe_us[stay->stage];
    return observe_us > 0 &&
           stay->entry_us + observe_us + work->options->within_us <= work->stays->as_of_us;
}

static bool converts(const friction_work *work, const wp_stay *stay)
{
    int64_t end_us =
        stay->entry_us + work->options->observe_us[stay->stage] + work->options->within_us;
    return stay->outcome_us != WP_TIME_MISSING && stay->outcome_us < end_us;
}

static wp_status add_gap(friction_part *part, uint32_t key, int64_t gap_us, wp_error *err)
{
    if (part->gaps_count == part->gaps_capacity) {
        size_t capacity = part->gaps_capacity * 2 + 1024;
        gap *gaps = wp_realloc_array(part->gaps, capacity, sizeof *gaps);
        if (gaps == NULL)
            return wp_fail_memory(err, capacity * sizeof *gaps);
        part->gaps = gaps;
        part->gaps_capacity = capacity;
    }
    part->gaps[part->gaps_count++] = (gap){key, log_gap(gap_us)};
    return WP_OK;
}

static wp_status gap_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    friction_work *work = context;
    const wp_columns *columns = work->stays->log->columns;
    size_t end = (chunk + 1) * CHUNK, total = stays_total(work->stays);
    for (size_t s = chunk * CHUNK; s < end && s < total; s++) {
        const wp_stay *stay = &work->stays->stays[s];
        if (!observed(work, stay) || !converts(work, stay) ||
            stay->entry_us >= work->options->cut_us[stay->stage])
            continue;
        wp_rows rows = wp_rows_of(work->stays->log, stay->user, work->scratch.rows[worker]);
        uint32_t last = stay->advance_us != WP_TIME_MISSING ? stay->exit_local : rows.count;
        for (uint32_t i = stay->entry_local; i < stay->exit_local && i + 1 <= last; i++) {
            if (i + 1 >= rows.count)
                break;
            uint32_t row = wp_rows_at(&rows, i), next = wp_rows_at(&rows, i + 1);
            uint32_t key = stay->stage * work->codes_count + wp_code_at(&columns->events, row);
            int64_t gap_us = wp_time_at(&columns->times, next) - wp_time_at(&columns->times, row);
            if (wp_time_at(&columns->times, next) > work->stays->as_of_us)
                break;
            WP_TRY(add_gap(&work->parts[chunk], key, gap_us, err));
        }
    }
    return WP_OK;
}

/* spare has room for count values; both arrays are spoilt. */
static void set_threshold(friction_work *work, size_t key, int64_t *values, int64_t *spare,
                          size_t count)
{
    static const double half = 0.5;
    double median, deviation;
    memcpy(spare, values, count * sizeof *spare);
    wp_quantiles_i64(spare, count, &half, 1, &median);
    for (size_t i = 0; i < count; i++)
        values[i] = (int64_t)llround(fabs((double)values[i] - median));
    wp_quantiles_i64(values, count, &half, 1, &deviation);
    deviation *= MAD_TO_SD / LOG_UNIT;
    work->medians[key] = (float)(median / LOG_UNIT);
    work->deviations[key] = (float)(deviation > DEVIATION_MIN ? deviation : DEVIATION_MIN);
}

static wp_status settle_gaps(friction_work *work, wp_error *err)
{
    size_t keys = (size_t)work->stays->stages_count * work->codes_count, total = 0;
    size_t *places = wp_alloc_array_zero(keys + 2, sizeof *places);
    work->medians = wp_alloc_array(keys + 1, sizeof *work->medians);
    work->deviations = wp_alloc_array(keys + 1, sizeof *work->deviations);
    for (size_t c = 0; c < work->chunks_count; c++)
        total += work->parts[c].gaps_count;
    int64_t *values = wp_alloc_array(2 * total + 1, sizeof *values);
    if (places == NULL || values == NULL || work->medians == NULL || work->deviations == NULL) {
        wp_free(places);
        wp_free(values);
        return wp_fail_memory(err, keys * sizeof *places + total * sizeof *values);
    }
    for (size_t c = 0; c < work->chunks_count; c++)
        for (size_t i = 0; i < work->parts[c].gaps_count; i++)
            places[work->parts[c].gaps[i].key + 2]++;
    for (size_t k = 0; k < keys; k++)
        places[k + 2] += places[k + 1];
    for (size_t c = 0; c < work->chunks_count; c++) {
        friction_part *part = &work->parts[c];
        for (size_t i = 0; i < part->gaps_count; i++)
            values[places[part->gaps[i].key + 1]++] = part->gaps[i].log_gap;
        wp_free(part->gaps);
        part->gaps = NULL;
        part->gaps_count = part->gaps_capacity = 0;
    }
    for (size_t k = 0; k < keys; k++) {
        size_t count = places[k + 1] - places[k];
        work->medians[k] = work->deviations[k] = NAN;
        if (count >= GAPS_LEAST)
            set_threshold(work, k, values + places[k], values + total, count);
    }
    wp_free(places);
    wp_free(values);
    return WP_OK;
}

/* --- Signals -------------------------------------------------------------------------------- */

static wp_status add_pair(friction_part *part, size_t stay, uint32_t code, wp_error *err)
{
    if (part->pairs_count == part->pairs_capacity) {
        size_t capacity = part->pairs_capacity * 2 + 1024;
        wp_friction_pair *pairs = wp_realloc_array(part->pairs, capacity, sizeof *pairs);
        if (pairs == NULL)
            return wp_fail_memory(err, capacity * sizeof *pairs);
        part->pairs = pairs;
        part->pairs_capacity = capacity;
    }
    part->pairs[part->pairs_count++] = (wp_friction_pair){(uint32_t)stay, code, 0};
    return WP_OK;
}

static void judge_gap(const friction_work *work, const wp_stay *stay, uint32_t code, int64_t gap_us,
                      wp_signals *out)
{
    size_t key = (size_t)stay->stage * work->codes_count + code;
    if (isnan(work->medians[key]))
        return;
    double excess =
        (log1p((double)gap_us / 1e6) - (double)work->medians[key]) / (double)work->deviations[key];
    if (isnan(out->hesitation) || excess > out->hesitation)
        out->hesitation = excess;
}

/* The place of the current row among the rows of one stay before the landmark. */
typedef struct cursor {
    uint32_t session, stage_before; /* stage_before: 1-based stage of the last row of a stage */
    uint32_t codes[2];              /* events before: [0] the last, [1] the one before it */
    int64_t times_us[2];
    uint32_t seen; /* rows so far */
} cursor;

static void count_repeats(const cursor *at, uint32_t code, int64_t now_us, code_memory *memory,
                          bool known, wp_signals *out)
{
    if (known) {
        out->self_loops += at->codes[0] == code;
        out->rework += at->codes[0] != code;
        if (at->seen >= 2 && at->codes[1] == code && at->codes[0] != code) {
            out->u_turns++;
            out->quick_backs += now_us - at->times_us[0] <= QUICK_US;
        }
        if (memory->before_last_us != WP_TIME_MISSING)
            out->page_loops += now_us - memory->before_last_us <= LOOP_US;
    } else {
        out->distinct++;
        *memory = (code_memory){.last_us = WP_TIME_MISSING, .before_last_us = WP_TIME_MISSING};
    }
    memory->run = known && memory->session == at->session ? memory->run + 1 : 1;
    memory->session = at->session;
    if (memory->run > out->runs)
        out->runs = memory->run;
    memory->before_last_us = memory->last_us;
    memory->last_us = now_us;
}

static wp_status read_stay(friction_work *work, friction_part *part, size_t s, unsigned worker,
                           wp_error *err)
{
    const wp_stay *stay = &work->stays->stays[s];
    const wp_columns *columns = work->stays->log->columns;
    wp_signals *out = &work->signals[s];
    int64_t landmark_us = stay->entry_us + work->options->observe_us[stay->stage];
    wp_rows rows = wp_rows_of(work->stays->log, stay->user, work->scratch.rows[worker]);
    cursor at = {.stage_before = stay->stage + 1};
    out->start_delay = (double)(landmark_us - stay->entry_us) / 1e6;
    for (uint32_t i = stay->entry_local; i < stay->exit_local; i++) {
        uint32_t row = wp_rows_at(&rows, i), code = wp_code_at(&columns->events, row);
        int64_t now_us = wp_time_at(&columns->times, row);
        if (now_us >= landmark_us)
            break;
        if (at.seen > 0) {
            int64_t gap_us = now_us - at.times_us[0];
            judge_gap(work, stay, at.codes[0], gap_us, out);
            at.session += gap_us > SESSION_US;
            out->pauses += gap_us > SESSION_US;
            if (at.seen == 1)
                out->start_delay = (double)gap_us / 1e6;
        }
        uint32_t stage = wp_stage_of_row(&work->lookup, columns, stay->user, row);
        out->off_path += stage == 0;
        if (stage != 0) {
            out->backtracks += stage < at.stage_before;
            at.stage_before = stage;
        }
        code_memory *memory = &work->memories[worker][code];
        bool known = memory->stamp == (uint32_t)(s + 1);
        count_repeats(&at, code, now_us, memory, known, out);
        memory->stamp = (uint32_t)(s + 1);
        if (!known) {
            memory->pair = part->pairs_count;
            WP_TRY(add_pair(part, s, code, err));
        }
        part->pairs[memory->pair].count++;
        at.codes[1] = at.codes[0];
        at.times_us[1] = at.times_us[0];
        at.codes[0] = code;
        at.times_us[0] = now_us;
        at.seen++;
    }
    out->events = at.seen;
    out->last_code = at.codes[0];
    out->quiet = (double)(landmark_us - at.times_us[0]) / 1e6;
    judge_gap(work, stay, at.codes[0], landmark_us - at.times_us[0], out);
    return WP_OK;
}

static wp_status signal_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    friction_work *work = context;
    size_t end = (chunk + 1) * CHUNK, total = stays_total(work->stays);
    memset(work->memories[worker], 0, ((size_t)work->codes_count + 1) * sizeof(code_memory));
    for (size_t s = chunk * CHUNK; s < end && s < total; s++) {
        const wp_stay *stay = &work->stays->stays[s];
        wp_signals *out = &work->signals[s];
        *out = (wp_signals){.hesitation = NAN, .start_delay = NAN};
        if (!observed(work, stay))
            continue;
        int64_t landmark_us = stay->entry_us + work->options->observe_us[stay->stage];
        if (stay->advance_us != WP_TIME_MISSING && stay->advance_us < landmark_us)
            continue;
        out->used = true;
        out->outcome = converts(work, stay);
        WP_TRY(read_stay(work, &work->parts[chunk], s, worker, err));
    }
    return WP_OK;
}

static wp_status start_memories(friction_work *work, const wp_run *run, wp_error *err)
{
    work->workers_count = wp_run_threads(run);
    work->memories = wp_alloc_array_zero(work->workers_count, sizeof *work->memories);
    if (work->memories == NULL)
        return wp_fail_memory(err, work->workers_count * sizeof *work->memories);
    size_t size = (size_t)work->codes_count + 1;
    for (unsigned w = 0; w < work->workers_count; w++) {
        work->memories[w] = wp_alloc_array(size, sizeof(code_memory));
        if (work->memories[w] == NULL)
            return wp_fail_memory(err, size * sizeof(code_memory));
    }
    return WP_OK;
}

/* Stays are in the order of stages, so the first used one of a user is that of the first stage. */
static wp_status mark_again(friction_work *work, wp_error *err)
{
    uint32_t users_count = work->stays->log->columns->users_count;
    uint64_t *met = wp_alloc_array_zero((size_t)users_count / 64 + 1, sizeof *met);
    if (met == NULL)
        return wp_fail_memory(err, users_count / 8);
    for (size_t s = 0; s < stays_total(work->stays); s++) {
        if (!work->signals[s].used)
            continue;
        uint32_t user = work->stays->stays[s].user;
        work->signals[s].again = wp_bit(met, user);
        met[user >> 6] |= UINT64_C(1) << (user & 63);
    }
    wp_free(met);
    return WP_OK;
}

static wp_status join_pairs(friction_work *work, wp_friction *out, wp_error *err)
{
    size_t total = 0;
    for (size_t c = 0; c < work->chunks_count; c++)
        total += work->parts[c].pairs_count;
    wp_friction_pair *pairs = wp_alloc_array(total + 1, sizeof *pairs);
    if (pairs == NULL)
        return wp_fail_memory(err, total * sizeof *pairs);
    size_t at = 0;
    for (size_t c = 0; c < work->chunks_count; c++) {
        const friction_part *part = &work->parts[c];
        if (part->pairs_count > 0)
            memcpy(pairs + at, part->pairs, part->pairs_count * sizeof *pairs);
        at += part->pairs_count;
    }
    *out = (wp_friction){.signals = work->signals, .pairs = pairs, .pairs_count = total};
    work->signals = NULL;
    return WP_OK;
}

static void reset_work(friction_work *work)
{
    for (size_t c = 0; work->parts != NULL && c < work->chunks_count; c++) {
        wp_free(work->parts[c].gaps);
        wp_free(work->parts[c].pairs);
    }
    for (unsigned w = 0; work->memories != NULL && w < work->workers_count; w++)
        wp_free(work->memories[w]);
    wp_free(work->memories);
    wp_free(work->parts);
    wp_free(work->medians);
    wp_free(work->deviations);
    wp_free(work->signals);
    wp_stage_lookup_reset(&work->lookup);
    wp_scratch_reset(&work->scratch);
}

wp_status wp_friction_measure(const wp_stays *stays, const wp_stage_plan *plan,
                              const wp_friction_options *options, const wp_run *run,
                              wp_friction *out, wp_error *err)
{
    size_t total = stays_total(stays);
    friction_work work = {.stays = stays,
                          .plan = plan,
                          .options = options,
                          .codes_count = stays->log->columns->event_names.count,
                          .chunks_count = (total + CHUNK - 1) / CHUNK};
    wp_status status = wp_scratch_start(stays->log, run, &work.scratch, err);
    if (status == WP_OK)
        status = wp_stage_lookup_start(stays->log->columns, plan, &work.lookup, err);
    if (status == WP_OK)
        status = start_memories(&work, run, err);
    if (status == WP_OK) {
        work.parts = wp_alloc_array_zero(work.chunks_count + 1, sizeof *work.parts);
        work.signals = wp_alloc_array(total + 1, sizeof *work.signals);
        if (work.parts == NULL || work.signals == NULL)
            status = wp_fail_memory(err, total * sizeof *work.signals);
    }
    if (status == WP_OK)
        status = wp_pool_run(run, work.chunks_count, gap_chunk, &work, err);
    if (status == WP_OK)
        status = settle_gaps(&work, err);
    if (status == WP_OK)
        status = wp_pool_run(run, work.chunks_count, signal_chunk, &work, err);
    if (status == WP_OK)
        status = mark_again(&work, err);
    if (status == WP_OK)
        status = join_pairs(&work, out, err);
    reset_work(&work);
    return status;
}

void wp_friction_reset(wp_friction *friction)
{
    wp_free(friction->signals);
    wp_free(friction->pairs);
    *friction = (wp_friction){0};
}

static int by_users(const void *a, const void *b)
{
    const wp_friction_event *x = a, *y = b;
    if (x->users_count != y->users_count)
        return x->users_count > y->users_count ? -1 : 1;
    return x->code < y->code ? -1 : x->code > y->code;
}

wp_status wp_friction_events(const wp_friction *friction, const wp_stays *stays, uint32_t stage,
                             wp_friction_event **events, size_t *events_count, wp_error *err)
{
    uint32_t codes = stays->log->columns->event_names.count;
    wp_friction_event *list = wp_alloc_array_zero((size_t)codes + 1, sizeof *list);
    if (list == NULL)
        return wp_fail_memory(err, codes * sizeof *list);
    for (size_t i = 0; i < friction->pairs_count; i++) {
        size_t stay = friction->pairs[i].stay;
        if (stay >= stays->starts[stage] && stay < stays->starts[stage + 1])
            list[friction->pairs[i].code].users_count++;
    }
    size_t count = 0;
    for (uint32_t code = 0; code < codes; code++)
        if (list[code].users_count > 0)
            list[count++] = (wp_friction_event){code, list[code].users_count};
    qsort(list, count, sizeof *list, by_users);
    *events = list;
    *events_count = count;
    return WP_OK;
}
