/* Two scans over the stays of a stage: gaps of later converters of earlier cohorts give a median
** and a deviation per event; then the signals of every used stay.
**
** Stays are cut into chunks of fixed size. A chunk's used stays have consecutive places, so that
** every chunk writes to its own; what is of no fixed length is listed per chunk and joined in
** order. */
#include "journey/friction.h"

#include "base/memory.h"
#include "journey/select.h"

#include <math.h>
#include <stdlib.h>

#define CHUNK         4096u /* a multiple of 64: chunks share no word of a bitmap */
#define SECOND_US     INT64_C(1000000)
#define SESSION_US    (30 * 60 * SECOND_US)
#define QUICK_US      (5 * SECOND_US)
#define LOOP_US       (15 * SECOND_US)
#define GAPS_LEAST    20u    /* fewer gaps say nothing about an event */
#define LOG_UNIT      1e6    /* log gaps are held as whole millionths */
#define DEVIATION_MIN 0.1    /* of log seconds: below, gaps are as good as equal */
#define MAD_TO_SD     1.4826 /* of a normal law */

typedef struct gap {
    uint32_t code;
    int32_t log_gap; /* log seconds stay below 31, so millionths of them fit */
} gap;

typedef struct friction_part {
    gap *gaps;
    size_t gaps_count, gaps_capacity;
    wp_large_count *large;
    size_t large_count, large_capacity;
    size_t place; /* of its first used stay */
} friction_part;

/* What one worker remembers of each event name in the current stay. */
typedef struct code_memory {
    uint32_t stamp;   /* stay of the chunk + 1 that it belongs to */
    uint32_t session; /* session of the run */
    uint32_t run;
    int64_t last_us, before_last_us; /* WP_TIME_MISSING: none */
} code_memory;

typedef struct friction_work {
    const wp_stays *stays;
    const wp_friction_options *options;
    uint32_t stage;
    size_t first, total; /* the stage's stays */
    int64_t observe_us;
    wp_stage_lookup lookup;
    wp_scratch scratch;
    code_memory **memories;  /* by worker */
    uint32_t **users_counts; /* by worker: stays per event */
    unsigned workers_count;
    uint32_t codes_count;
    friction_part *parts;
    size_t chunks_count;
    float *medians, *deviations; /* by event; NaN: too few gaps */
    wp_friction *out;
} friction_work;

/* The signals of one stay while they are counted. */
typedef struct signals {
    uint32_t counts[WP_SIGNAL_COUNTS];
    uint32_t last_row, next_row;
    double hesitation;
} signals;

static int32_t log_gap(int64_t gap_us)
{
    return (int32_t)llround(log1p((double)gap_us / 1e6) * LOG_UNIT);
}

/* --- Who is used -------------------------------------------------------------------------- */

static bool observed(const wp_stays *stays, const wp_friction_options *options, uint32_t stage,
                     int64_t entry_us)
{
    int64_t observe_us = options->observe_us[stage];
    return observe_us > 0 && entry_us + observe_us + options->within_us <= stays->as_of_us;
}

bool wp_stay_is_used(const wp_stays *stays, const wp_friction_options *options, uint32_t stage,
                     const wp_stay *stay)
{
    return observed(stays, options, stage, stay->entry_us) &&
           (stay->advance_us == WP_TIME_MISSING ||
            stay->advance_us >= stay->entry_us + options->observe_us[stage]);
}

static bool converts(const wp_friction_options *options, uint32_t stage, const wp_stay *stay)
{
    int64_t end_us = stay->entry_us + options->observe_us[stage] + options->within_us;
    return stay->outcome_us != WP_TIME_MISSING && stay->outcome_us < end_us;
}

static size_t chunk_end(const friction_work *work, size_t chunk)
{
    size_t end = (chunk + 1) * CHUNK;
    return end < work->total ? end : work->total;
}

static wp_status used_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    friction_work *work = context;
    uint32_t user = 0;
    size_t count = 0;
    for (size_t i = chunk * CHUNK; i < chunk_end(work, chunk); i++) {
        wp_stay stay = wp_stay_at(work->stays, work->first + i, &user);
        if (!wp_stay_is_used(work->stays, work->options, work->stage, &stay))
            continue;
        work->out->used[i >> 6] |= UINT64_C(1) << (i & 63);
        count++;
    }
    work->parts[chunk].place = count; /* becomes a place once all are counted */
    return WP_OK;
}

/* --- Gaps of later converters ------------------------------------------------------------- */

static wp_status add_gap(friction_part *part, uint32_t code, int64_t gap_us, wp_error *err)
{
    if (part->gaps_count == part->gaps_capacity) {
        size_t capacity = part->gaps_capacity + part->gaps_capacity / 2 + 256;
        gap *gaps = wp_realloc_array(part->gaps, capacity, sizeof *gaps);
        if (gaps == NULL)
            return wp_fail_memory(err, capacity * sizeof *gaps);
        part->gaps = gaps;
        part->gaps_capacity = capacity;
    }
    part->gaps[part->gaps_count++] = (gap){code, log_gap(gap_us)};
    return WP_OK;
}

static wp_status gap_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    friction_work *work = context;
    const wp_columns *columns = work->stays->log->columns;
    uint32_t user = 0;
    for (size_t k = chunk * CHUNK; k < chunk_end(work, chunk); k++) {
        wp_stay stay = wp_stay_at(work->stays, work->first + k, &user);
        if (stay.entry_us >= work->options->cut_us[work->stage] ||
            !observed(work->stays, work->options, work->stage, stay.entry_us) ||
            !converts(work->options, work->stage, &stay))
            continue;
        wp_rows rows = wp_rows_of(work->stays->log, stay.user, work->scratch.rows[worker]);
        uint32_t last = stay.advance_us != WP_TIME_MISSING ? stay.exit_local : rows.count;
        for (uint32_t i = stay.entry_local; i < stay.exit_local && i + 1 <= last; i++) {
            if (i + 1 >= rows.count)
                break;
            uint32_t row = wp_rows_at(&rows, i), next = wp_rows_at(&rows, i + 1);
            int64_t gap_us = wp_time_at(&columns->times, next) - wp_time_at(&columns->times, row);
            if (wp_time_at(&columns->times, next) > work->stays->as_of_us)
                break;
            WP_TRY(add_gap(&work->parts[chunk], wp_code_at(&columns->events, row), gap_us, err));
        }
    }
    return WP_OK;
}

/* spare has room for count values twice. */
static void set_threshold(friction_work *work, size_t code, const int32_t *gaps, int64_t *spare,
                          size_t count)
{
    static const double half = 0.5;
    double median, deviation;
    for (size_t i = 0; i < count; i++)
        spare[i] = gaps[i];
    wp_quantiles_i64(spare, count, &half, 1, &median);
    for (size_t i = 0; i < count; i++)
        spare[i] = (int64_t)llround(fabs((double)gaps[i] - median));
    wp_quantiles_i64(spare, count, &half, 1, &deviation);
    deviation *= MAD_TO_SD / LOG_UNIT;
    work->medians[code] = (float)(median / LOG_UNIT);
    work->deviations[code] = (float)(deviation > DEVIATION_MIN ? deviation : DEVIATION_MIN);
}

/* The gaps by event; places[code] .. places[code + 1] - 1 are those of one. */
static wp_status sort_gaps(friction_work *work, size_t *places, int32_t **sorted, wp_error *err)
{
    size_t codes = work->codes_count;
    for (size_t c = 0; c < work->chunks_count; c++)
        for (size_t i = 0; i < work->parts[c].gaps_count; i++)
            places[work->parts[c].gaps[i].code + 2]++;
    for (size_t k = 0; k < codes; k++)
        places[k + 2] += places[k + 1];
    int32_t *values = *sorted = wp_alloc_array(places[codes + 1] + 1, sizeof *values);
    if (values == NULL)
        return wp_fail_memory(err, places[codes + 1] * sizeof *values);
    for (size_t c = 0; c < work->chunks_count; c++) {
        friction_part *part = &work->parts[c];
        for (size_t i = 0; i < part->gaps_count; i++)
            values[places[part->gaps[i].code + 1]++] = part->gaps[i].log_gap;
        wp_free(part->gaps);
        part->gaps = NULL;
        part->gaps_count = part->gaps_capacity = 0;
    }
    return WP_OK;
}

static wp_status settle_gaps(friction_work *work, wp_error *err)
{
    size_t codes = work->codes_count, most = 0;
    size_t *places = wp_alloc_array_zero(codes + 2, sizeof *places);
    int32_t *sorted = NULL;
    int64_t *spare = NULL;
    wp_status status = places != NULL ? sort_gaps(work, places, &sorted, err)
                                      : wp_fail_memory(err, codes * sizeof *places);
    for (size_t k = 0; status == WP_OK && k < codes; k++)
        most = places[k + 1] - places[k] > most ? places[k + 1] - places[k] : most;
    if (status == WP_OK && (spare = wp_alloc_array(most + 1, sizeof *spare)) == NULL)
        status = wp_fail_memory(err, most * sizeof *spare);
    for (size_t k = 0; status == WP_OK && k < codes; k++) {
        size_t count = places[k + 1] - places[k];
        work->medians[k] = work->deviations[k] = NAN;
        if (count >= GAPS_LEAST)
            set_threshold(work, k, sorted + places[k], spare, count);
    }
    wp_free(places);
    wp_free(sorted);
    wp_free(spare);
    return status;
}

/* --- Signals -------------------------------------------------------------------------------- */

static void judge_gap(const friction_work *work, uint32_t code, int64_t gap_us, signals *out)
{
    if (isnan(work->medians[code]))
        return;
    double excess = (log1p((double)gap_us / 1e6) - (double)work->medians[code]) /
                    (double)work->deviations[code];
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
                          bool known, uint32_t *counts)
{
    if (known) {
        counts[WP_SIGNAL_SELF_LOOPS] += at->codes[0] == code;
        counts[WP_SIGNAL_REWORK] += at->codes[0] != code;
        if (at->seen >= 2 && at->codes[1] == code && at->codes[0] != code) {
            counts[WP_SIGNAL_U_TURNS]++;
            counts[WP_SIGNAL_QUICK_BACKS] += now_us - at->times_us[0] <= QUICK_US;
        }
        if (memory->before_last_us != WP_TIME_MISSING)
            counts[WP_SIGNAL_PAGE_LOOPS] += now_us - memory->before_last_us <= LOOP_US;
    } else {
        counts[WP_SIGNAL_DISTINCT]++;
        *memory = (code_memory){.last_us = WP_TIME_MISSING, .before_last_us = WP_TIME_MISSING};
    }
    memory->run = known && memory->session == at->session ? memory->run + 1 : 1;
    memory->session = at->session;
    if (memory->run > counts[WP_SIGNAL_RUNS])
        counts[WP_SIGNAL_RUNS] = memory->run;
    memory->before_last_us = memory->last_us;
    memory->last_us = now_us;
}

/* `stamp` is a number that no other stay of the chunk has. */
static signals read_stay(const friction_work *work, const wp_stay *stay, uint32_t stamp,
                         unsigned worker)
{
    const wp_columns *columns = work->stays->log->columns;
    int64_t landmark_us = stay->entry_us + work->observe_us;
    wp_rows rows = wp_rows_of(work->stays->log, stay->user, work->scratch.rows[worker]);
    signals out = {.next_row = WP_NO_ROW, .hesitation = NAN};
    cursor at = {.stage_before = work->stage + 1};
    for (uint32_t i = stay->entry_local; i < stay->exit_local; i++) {
        uint32_t row = wp_rows_at(&rows, i), code = wp_code_at(&columns->events, row);
        int64_t now_us = wp_time_at(&columns->times, row);
        if (now_us >= landmark_us)
            break;
        if (at.seen > 0) {
            int64_t gap_us = now_us - at.times_us[0];
            judge_gap(work, at.codes[0], gap_us, &out);
            at.session += gap_us > SESSION_US;
            out.counts[WP_SIGNAL_PAUSES] += gap_us > SESSION_US;
            if (at.seen == 1)
                out.next_row = row;
        }
        uint32_t stage = wp_stage_of_row(&work->lookup, columns, stay->user, row);
        out.counts[WP_SIGNAL_OFF_PATH] += stage == 0;
        if (stage != 0) {
            out.counts[WP_SIGNAL_BACKTRACKS] += stage < at.stage_before;
            at.stage_before = stage;
        }
        code_memory *memory = &work->memories[worker][code];
        bool known = memory->stamp == stamp;
        count_repeats(&at, code, now_us, memory, known, out.counts);
        memory->stamp = stamp;
        work->users_counts[worker][code] += !known;
        at.codes[1] = at.codes[0];
        at.times_us[1] = at.times_us[0];
        at.codes[0] = code;
        at.times_us[0] = now_us;
        at.seen++;
        out.last_row = row;
    }
    out.counts[WP_SIGNAL_EVENTS] = at.seen;
    out.counts[WP_SIGNAL_LAST_CODE] = at.codes[0] + 1;
    judge_gap(work, at.codes[0], landmark_us - at.times_us[0], &out);
    return out;
}

static wp_status add_large(friction_part *part, size_t place, wp_signal signal, uint32_t value,
                           wp_error *err)
{
    if (part->large_count == part->large_capacity) {
        size_t capacity = part->large_capacity * 2 + 64;
        wp_large_count *large = wp_realloc_array(part->large, capacity, sizeof *large);
        if (large == NULL)
            return wp_fail_memory(err, capacity * sizeof *large);
        part->large = large;
        part->large_capacity = capacity;
    }
    part->large[part->large_count++] = (wp_large_count){(uint32_t)place, value, signal};
    return WP_OK;
}

static wp_status signal_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    friction_work *work = context;
    friction_part *part = &work->parts[chunk];
    wp_friction *out = work->out;
    size_t place = part->place;
    uint32_t user = 0;
    memset(work->memories[worker], 0, ((size_t)work->codes_count + 1) * sizeof(code_memory));
    for (size_t i = chunk * CHUNK; i < chunk_end(work, chunk); i++) {
        if (!wp_bit(out->used, i))
            continue;
        wp_stay stay = wp_stay_at(work->stays, work->first + i, &user);
        signals found = read_stay(work, &stay, (uint32_t)(i % CHUNK) + 1, worker);
        for (int c = 0; c < WP_SIGNAL_COUNTS; c++) {
            bool fits = found.counts[c] < UINT8_MAX;
            out->counts[c][place] = fits ? (uint8_t)found.counts[c] : UINT8_MAX;
            if (!fits)
                WP_TRY(add_large(part, place, (wp_signal)c, found.counts[c], err));
        }
        out->last_rows[place] = found.last_row;
        out->next_rows[place] = found.next_row;
        out->hesitation[place] = found.hesitation;
        place++;
    }
    return WP_OK;
}

/* --- All of a stage ------------------------------------------------------------------------- */

static wp_status start_workers(friction_work *work, const wp_run *run, wp_error *err)
{
    size_t size = (size_t)work->codes_count + 1;
    work->workers_count = wp_run_threads(run);
    work->memories = wp_alloc_array_zero(work->workers_count, sizeof *work->memories);
    work->users_counts = wp_alloc_array_zero(work->workers_count, sizeof *work->users_counts);
    work->medians = wp_alloc_array(size, sizeof *work->medians);
    work->deviations = wp_alloc_array(size, sizeof *work->deviations);
    bool fine = work->memories != NULL && work->users_counts != NULL && work->medians != NULL &&
                work->deviations != NULL;
    for (unsigned w = 0; fine && w < work->workers_count; w++) {
        work->memories[w] = wp_alloc_array(size, sizeof(code_memory));
        work->users_counts[w] = wp_alloc_array_zero(size, sizeof(uint32_t));
        fine = work->memories[w] != NULL && work->users_counts[w] != NULL;
    }
    return fine ? WP_OK : wp_fail_memory(err, size * sizeof(code_memory));
}

static wp_status start_used(friction_work *work, const wp_run *run, wp_error *err)
{
    wp_friction *out = work->out;
    work->parts = wp_alloc_array_zero(work->chunks_count + 1, sizeof *work->parts);
    out->used = wp_alloc_array_zero(work->total / 64 + 1, sizeof *out->used);
    if (work->parts == NULL || out->used == NULL)
        return wp_fail_memory(err, work->chunks_count * sizeof *work->parts + work->total / 8);
    WP_TRY(wp_pool_run(run, work->chunks_count, used_chunk, work, err));
    for (size_t c = 0; c < work->chunks_count; c++) {
        size_t count = work->parts[c].place;
        work->parts[c].place = out->used_count;
        out->used_count += count;
    }
    size_t size = out->used_count + 1;
    bool fine = true;
    for (int c = 0; c < WP_SIGNAL_COUNTS; c++)
        fine = (out->counts[c] = wp_alloc_array(size, 1)) != NULL && fine;
    out->last_rows = wp_alloc_array(size, sizeof *out->last_rows);
    out->next_rows = wp_alloc_array(size, sizeof *out->next_rows);
    out->hesitation = wp_alloc_array(size, sizeof *out->hesitation);
    if (!fine || out->last_rows == NULL || out->next_rows == NULL || out->hesitation == NULL)
        return wp_fail_memory(err, size * 28);
    return WP_OK;
}

static wp_status join_large(friction_work *work, wp_error *err)
{
    wp_friction *out = work->out;
    for (size_t c = 0; c < work->chunks_count; c++)
        out->large_count += work->parts[c].large_count;
    out->large = wp_alloc_array(out->large_count + 1, sizeof *out->large);
    if (out->large == NULL)
        return wp_fail_memory(err, out->large_count * sizeof *out->large);
    size_t at = 0;
    for (size_t c = 0; c < work->chunks_count; c++)
        for (size_t i = 0; i < work->parts[c].large_count; i++)
            out->large[at++] = work->parts[c].large[i];
    return WP_OK;
}

static int by_users(const void *a, const void *b)
{
    const wp_friction_event *x = a, *y = b;
    if (x->users_count != y->users_count)
        return x->users_count > y->users_count ? -1 : 1;
    return x->code < y->code ? -1 : x->code > y->code;
}

static wp_status list_events(friction_work *work, wp_error *err)
{
    wp_friction *out = work->out;
    out->events = wp_alloc_array((size_t)work->codes_count + 1, sizeof *out->events);
    if (out->events == NULL)
        return wp_fail_memory(err, work->codes_count * sizeof *out->events);
    for (uint32_t code = 0; code < work->codes_count; code++) {
        uint32_t users = 0;
        for (unsigned w = 0; w < work->workers_count; w++)
            users += work->users_counts[w][code];
        if (users > 0)
            out->events[out->events_count++] = (wp_friction_event){code, users};
    }
    qsort(out->events, out->events_count, sizeof *out->events, by_users);
    return WP_OK;
}

static void reset_work(friction_work *work)
{
    for (size_t c = 0; work->parts != NULL && c < work->chunks_count; c++) {
        wp_free(work->parts[c].gaps);
        wp_free(work->parts[c].large);
    }
    for (unsigned w = 0; w < work->workers_count; w++) {
        if (work->memories != NULL)
            wp_free(work->memories[w]);
        if (work->users_counts != NULL)
            wp_free(work->users_counts[w]);
    }
    wp_free(work->memories);
    wp_free(work->users_counts);
    wp_free(work->parts);
    wp_free(work->medians);
    wp_free(work->deviations);
    wp_stage_lookup_reset(&work->lookup);
    wp_scratch_reset(&work->scratch);
}

wp_status wp_friction_measure(const wp_stays *stays, const wp_stage_plan *plan,
                              const wp_friction_options *options, uint32_t stage, const wp_run *run,
                              wp_friction *out, wp_error *err)
{
    *out = (wp_friction){.stage = stage};
    size_t total = wp_stays_in(stays, stage);
    friction_work work = {.stays = stays,
                          .options = options,
                          .stage = stage,
                          .first = stays->starts[stage],
                          .total = total,
                          .observe_us = options->observe_us[stage],
                          .codes_count = stays->log->columns->event_names.count,
                          .chunks_count = (total + CHUNK - 1) / CHUNK,
                          .out = out};
    wp_status status = wp_scratch_start(stays->log, run, &work.scratch, err);
    if (status == WP_OK)
        status = wp_stage_lookup_start(stays->log->columns, plan, &work.lookup, err);
    if (status == WP_OK)
        status = start_workers(&work, run, err);
    if (status == WP_OK)
        status = start_used(&work, run, err);
    if (status == WP_OK)
        status = wp_pool_run(run, work.chunks_count, gap_chunk, &work, err);
    if (status == WP_OK)
        status = settle_gaps(&work, err);
    if (status == WP_OK)
        status = wp_pool_run(run, work.chunks_count, signal_chunk, &work, err);
    if (status == WP_OK)
        status = join_large(&work, err);
    if (status == WP_OK)
        status = list_events(&work, err);
    reset_work(&work);
    if (status != WP_OK)
        wp_friction_reset(out);
    return status;
}
