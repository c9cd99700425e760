/* Signals of a measured stage as numbers, and its end; see friction.h. */
#include "base/memory.h"
#include "journey/friction.h"

#include <math.h>

#define CHUNK 4096u

void wp_friction_reset(wp_friction *friction)
{
    wp_free(friction->used);
    for (int c = 0; c < WP_SIGNAL_COUNTS; c++)
        wp_free(friction->counts[c]);
    wp_free(friction->large);
    wp_free(friction->last_rows);
    wp_free(friction->next_rows);
    wp_free(friction->hesitation);
    wp_free(friction->events);
    *friction = (wp_friction){0};
}

static void read_counts(const wp_friction *friction, wp_signal signal, double *out)
{
    const uint8_t *counts = friction->counts[signal];
    for (size_t i = 0; i < friction->used_count; i++)
        out[i] = counts[i];
    for (size_t i = 0; i < friction->large_count; i++)
        if (friction->large[i].signal == signal)
            out[friction->large[i].place] = friction->large[i].value;
}

/* Users who have a used stay in a stage before. */
static wp_status users_before(const wp_stays *stays, const wp_friction_options *options,
                              uint32_t stage, uint64_t **out, wp_error *err)
{
    size_t words = (size_t)stays->log->columns->users_count / 64 + 1;
    uint64_t *met = *out = wp_alloc_array_zero(words, sizeof *met);
    if (met == NULL)
        return wp_fail_memory(err, words * sizeof *met);
    for (uint32_t k = 0; k < stage; k++) {
        uint32_t user = 0;
        for (size_t s = stays->starts[k]; s < stays->starts[k + 1]; s++) {
            wp_stay stay = wp_stay_at(stays, s, &user);
            if (wp_stay_is_used(stays, options, k, &stay))
                met[user >> 6] |= UINT64_C(1) << (user & 63);
        }
    }
    return WP_OK;
}

/* Signals that are looked up: see friction.h for what is held of them. */
static double look_up(const wp_friction *friction, const wp_stays *stays,
                      const wp_friction_options *options, wp_signal signal, size_t place,
                      const wp_stay *stay)
{
    const wp_times *times = &stays->log->columns->times;
    int64_t observe_us = options->observe_us[friction->stage];
    int64_t landmark_us = stay->entry_us + observe_us;
    if (signal == WP_SIGNAL_OUTCOME)
        return stay->outcome_us != WP_TIME_MISSING &&
               stay->outcome_us < landmark_us + options->within_us;
    if (signal == WP_SIGNAL_QUIET)
        return (double)(landmark_us - wp_time_at(times, friction->last_rows[place])) / 1e6;
    uint32_t next = friction->next_rows[place];
    return (double)(next == WP_NO_ROW ? observe_us : wp_time_at(times, next) - stay->entry_us) /
           1e6;
}

wp_status wp_friction_signal(const wp_friction *friction, const wp_stays *stays,
                             const wp_friction_options *options, wp_signal signal, double *out,
                             wp_error *err)
{
    if (signal < WP_SIGNAL_COUNTS) {
        read_counts(friction, signal, out);
        return WP_OK;
    }
    if (signal == WP_SIGNAL_HESITATION) {
        memcpy(out, friction->hesitation, friction->used_count * sizeof *out);
        return WP_OK;
    }
    uint64_t *met = NULL;
    if (signal == WP_SIGNAL_AGAIN)
        WP_TRY(users_before(stays, options, friction->stage, &met, err));
    uint32_t user = 0;
    size_t place = 0, total = wp_stays_in(stays, friction->stage);
    for (size_t i = 0; i < total; i++) {
        if (!wp_bit(friction->used, i))
            continue;
        wp_stay stay = wp_stay_at(stays, stays->starts[friction->stage] + i, &user);
        out[place] = met != NULL ? (double)wp_bit(met, user)
                                 : look_up(friction, stays, options, signal, place, &stay);
        place++;
    }
    wp_free(met);
    return WP_OK;
}

/* --- Rows of one event ---------------------------------------------------------------------- */

typedef struct times_work {
    const wp_friction *friction;
    const wp_stays *stays;
    int64_t observe_us;
    uint32_t code;
    size_t *places; /* by chunk: of its first used stay */
    double *out;
} times_work;

/* Rows of a stay that are in the view; what comes after its end lies behind the landmark, or is
** unseen. */
static double times_of(const times_work *work, const wp_stay_rows *rows, const wp_stay *stay)
{
    const wp_log *log = work->stays->log;
    const wp_columns *columns = log->columns;
    int64_t landmark_us = stay->entry_us + work->observe_us;
    uint32_t end = rows->end != WP_NO_ROW ? rows->end : columns->row_starts[stay->user + 1];
    uint32_t times = 0;
    for (uint32_t row = rows->entry; row < end; row++) {
        if (wp_time_at(&columns->times, row) >= landmark_us)
            break;
        times += wp_code_at(&columns->events, row) == work->code &&
                 (log->rows == NULL || wp_bit(log->rows, row));
    }
    return times;
}

static wp_status times_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    (void)err;
    const times_work *work = context;
    size_t end = (chunk + 1) * CHUNK, total = wp_stays_in(work->stays, work->friction->stage);
    size_t first = work->stays->starts[work->friction->stage], place = work->places[chunk];
    uint32_t user = 0;
    for (size_t i = chunk * CHUNK; i < end && i < total; i++) {
        if (!wp_bit(work->friction->used, i))
            continue;
        wp_stay stay = wp_stay_at(work->stays, first + i, &user);
        work->out[place++] = times_of(work, &work->stays->stays[first + i], &stay);
    }
    return WP_OK;
}

wp_status wp_friction_times(const wp_friction *friction, const wp_stays *stays,
                            const wp_friction_options *options, uint32_t code, const wp_run *run,
                            double *out, wp_error *err)
{
    size_t total = wp_stays_in(stays, friction->stage), chunks = (total + CHUNK - 1) / CHUNK;
    times_work work = {friction, stays, options->observe_us[friction->stage], code, NULL, out};
    work.places = wp_alloc_array_zero(chunks + 1, sizeof *work.places);
    if (work.places == NULL)
        return wp_fail_memory(err, chunks * sizeof *work.places);
    for (size_t c = 0; c < chunks; c++) {
        size_t words = CHUNK / 64, last = total / 64 + 1, count = 0;
        for (size_t w = c * words; w < (c + 1) * words && w < last; w++)
            count += (size_t)__builtin_popcountll(friction->used[w]);
        work.places[c + 1] = work.places[c] + count;
    }
    wp_status status = wp_pool_run(run, chunks, times_chunk, &work, err);
    wp_free(work.places);
    return status;
}
