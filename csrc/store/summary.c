/* Figures of a log; see summary.h. A chunk is a fixed range of users, whose rows are contiguous:
** one pass per column over the chunk's rows keeps each loop simple and its column in the cache. */
#include "store/summary.h"

#include "base/memory.h"
#include "store/scan.h"

#define USERS_PER_CHUNK 4096u

/* Sum with the error carried along (Neumaier 1974). */
typedef struct exact_sum {
    double sum, error;
} exact_sum;

static void sum_add(exact_sum *total, double x)
{
    double sum = total->sum + x;
    total->error += fabs(total->sum) >= fabs(x) ? (total->sum - sum) + x : (x - sum) + total->sum;
    total->sum = sum;
}

typedef struct number_part {
    uint64_t present_count, missing_count;
    exact_sum sum;
    double low, high;
} number_part;

/* What one worker counts; all of it adds up in any order. */
typedef struct worker_part {
    wp_event_summary *events;
    uint32_t *last_user; /* per event name: 1 + the user it was last counted for */
    wp_text_summary *texts, *user_texts;
    uint64_t **values, **user_values; /* per text column: which values occur */
    uint64_t ties_count;
    uint32_t idle_users;
} worker_part;

typedef struct summary_work {
    const wp_log *log;
    worker_part *workers;
    unsigned workers_count;
    number_part *numbers; /* chunk-major: [chunk * (numbers + user_numbers) + column] */
    size_t number_columns;
} summary_work;

static void count_events(const wp_log *log, uint32_t begin, uint32_t end, worker_part *part)
{
    const wp_columns *columns = log->columns;
    for (uint32_t user = begin; user < end; user++) {
        if (!wp_bit(log->users, user))
            continue;
        bool any = false;
        int64_t previous_us = 0;
        for (uint32_t row = columns->row_starts[user]; row < columns->row_starts[user + 1]; row++) {
            if (!wp_bit(log->rows, row))
                continue;
            uint32_t code = wp_code_at(&columns->events, row);
            int64_t time_us = wp_time_at(&columns->times, row);
            part->events[code].events_count++;
            if (part->last_user[code] != user + 1) {
                part->last_user[code] = user + 1;
                part->events[code].users_count++;
            }
            part->ties_count += any && time_us == previous_us;
            any = true;
            previous_us = time_us;
        }
        part->idle_users += !any;
    }
}

/* Whether all rows are in the view and a word of bits says which event names a user had. */
static bool is_plain(const wp_log *log)
{
    const wp_columns *columns = log->columns;
    return log->rows == NULL && log->users == NULL && !columns->times.wide &&
           columns->events.width == 1 && columns->event_names.count <= 64;
}

/* The same for such a log. Rows are counted in two tables by turns, so that an event does not wait
** for the one before, which often has the same name. */
static void count_plain_events(const wp_columns *columns, uint32_t begin, uint32_t end,
                               worker_part *part)
{
    const uint8_t *codes = columns->events.data;
    const uint32_t *offsets = columns->times.offsets;
    uint32_t counts[2][64] = {{0}}, users[64] = {0};
    for (uint32_t user = begin; user < end; user++) {
        uint32_t first = columns->row_starts[user], last = columns->row_starts[user + 1];
        uint32_t ties_count = 0;
        uint64_t seen = 0;
        for (uint32_t row = first; row < last; row++) {
            counts[row & 1][codes[row]]++;
            seen |= 1ULL << codes[row];
        }
        for (uint32_t row = first + 1; row < last; row++)
            ties_count += offsets[row] == offsets[row - 1];
        for (; seen != 0; seen &= seen - 1)
            users[__builtin_ctzll(seen)]++;
        part->ties_count += ties_count;
        part->idle_users += first == last;
    }
    for (uint32_t code = 0; code < columns->event_names.count; code++) {
        part->events[code].events_count += counts[0][code] + counts[1][code];
        part->events[code].users_count += users[code];
    }
}

static void add_number(number_part *part, double x)
{
    if (isnan(x)) {
        part->missing_count++;
        return;
    }
    sum_add(&part->sum, x);
    part->low = part->present_count == 0 || x < part->low ? x : part->low;
    part->high = part->present_count == 0 || x > part->high ? x : part->high;
    part->present_count++;
}

/* Of a packed column only the rows that have a number are visited. */
static void add_packed(const wp_numbers *column, uint32_t begin, uint32_t end, number_part *part)
{
    uint64_t before = part->present_count;
    for (size_t block = begin / 64; block * 64 < end; block++) {
        uint64_t bits = column->present[block];
        if (block * 64 < begin)
            bits &= UINT64_MAX << (begin & 63);
        if (end - block * 64 < 64)
            bits &= (1ULL << (end & 63)) - 1;
        for (; bits != 0; bits &= bits - 1)
            add_number(part, wp_number_at(column, block * 64 + (size_t)__builtin_ctzll(bits)));
    }
    part->missing_count += end - begin - (part->present_count - before);
}

static void add_numbers(const wp_log *log, const wp_numbers *column, uint32_t begin, uint32_t end,
                        number_part *part)
{
    if (log->rows == NULL && column->dense == NULL && column->present != NULL) {
        add_packed(column, begin, end, part);
        return;
    }
    for (uint32_t row = begin; row < end; row++)
        if (wp_bit(log->rows, row))
            add_number(part, wp_number_at(column, row));
}

static void add_text(wp_text_summary *part, uint64_t *values, uint32_t code)
{
    if (code == 0) {
        part->missing_count++;
        return;
    }
    part->present_count++;
    values[code >> 6] |= 1ULL << (code & 63);
}

/* The rows of the view among the chunk's; users are whole, so these are a plain range. */
static wp_status summarize_chunk(void *context, const wp_log *log, wp_piece piece, unsigned worker,
                                 wp_error *err)
{
    (void)err;
    summary_work *work = context;
    const wp_columns *columns = log->columns;
    worker_part *part = &work->workers[worker];
    number_part *numbers = work->numbers + piece.chunk * work->number_columns;
    uint32_t begin = piece.first, end = piece.last;
    if (is_plain(log))
        count_plain_events(columns, begin, end, part);
    else
        count_events(log, begin, end, part);
    uint32_t first_row = columns->row_starts[begin], end_row = columns->row_starts[end];
    for (uint32_t i = 0; i < columns->numbers_count; i++)
        add_numbers(log, &columns->numbers[i], first_row, end_row, &numbers[i]);
    for (uint32_t i = 0; i < columns->texts_count; i++)
        for (uint32_t row = first_row; row < end_row; row++)
            if (wp_bit(log->rows, row))
                add_text(&part->texts[i], part->values[i],
                         wp_code_at(&columns->texts[i].codes, row));
    numbers += columns->numbers_count;
    for (uint32_t user = begin; user < end; user++) {
        if (!wp_bit(log->users, user))
            continue;
        for (uint32_t i = 0; i < columns->user_numbers_count; i++)
            add_number(&numbers[i], wp_number_at(&columns->user_numbers[i], user));
        for (uint32_t i = 0; i < columns->user_texts_count; i++)
            add_text(&part->user_texts[i], part->user_values[i],
                     wp_code_at(&columns->user_texts[i].codes, user));
    }
    return WP_OK;
}

static void free_bitmaps(uint64_t **bitmaps, uint32_t count)
{
    for (uint32_t i = 0; bitmaps != NULL && i < count; i++)
        wp_free(bitmaps[i]);
    wp_free(bitmaps);
}

static uint64_t **new_bitmaps(const wp_texts *texts, uint32_t count)
{
    uint64_t **bitmaps = wp_alloc_array_zero(count, sizeof *bitmaps);
    for (uint32_t i = 0; bitmaps != NULL && i < count; i++) {
        bitmaps[i] = wp_alloc_array_zero(texts[i].values.count / 64 + 1, sizeof **bitmaps);
        if (bitmaps[i] == NULL) {
            free_bitmaps(bitmaps, count);
            return NULL;
        }
    }
    return bitmaps;
}

static bool start_worker(const wp_columns *columns, worker_part *part)
{
    part->events = wp_alloc_array_zero(columns->event_names.count, sizeof *part->events);
    part->last_user = wp_alloc_array_zero(columns->event_names.count, sizeof *part->last_user);
    part->texts = wp_alloc_array_zero(columns->texts_count, sizeof *part->texts);
    part->user_texts = wp_alloc_array_zero(columns->user_texts_count, sizeof *part->user_texts);
    part->values = new_bitmaps(columns->texts, columns->texts_count);
    part->user_values = new_bitmaps(columns->user_texts, columns->user_texts_count);
    return part->events != NULL && part->last_user != NULL && part->texts != NULL &&
           part->user_texts != NULL && part->values != NULL && part->user_values != NULL;
}

static void end_worker(const wp_columns *columns, worker_part *part)
{
    wp_free(part->events);
    wp_free(part->last_user);
    wp_free(part->texts);
    wp_free(part->user_texts);
    free_bitmaps(part->values, columns->texts_count);
    free_bitmaps(part->user_values, columns->user_texts_count);
}

static void fold_texts(const wp_texts *texts, uint32_t count, wp_text_summary *total,
                       const wp_text_summary *part, uint64_t **total_values, uint64_t **values)
{
    for (uint32_t i = 0; i < count; i++) {
        total[i].present_count += part[i].present_count;
        total[i].missing_count += part[i].missing_count;
        for (size_t word = 0; word <= texts[i].values.count / 64; word++)
            total_values[i][word] |= values[i][word];
    }
}

static void count_values(const wp_texts *texts, uint32_t count, wp_text_summary *total,
                         uint64_t **values)
{
    for (uint32_t i = 0; i < count; i++)
        for (size_t word = 0; word <= texts[i].values.count / 64; word++)
            total[i].values_count += (uint32_t)__builtin_popcountll(values[i][word]);
}

/* Everything is folded into the first worker's part, then moved to the result. */
static void fold_workers(summary_work *work, wp_summary *out)
{
    const wp_columns *columns = work->log->columns;
    worker_part *total = &work->workers[0];
    for (unsigned w = 1; w < work->workers_count; w++) {
        const worker_part *part = &work->workers[w];
        for (uint32_t code = 0; code < columns->event_names.count; code++) {
            total->events[code].events_count += part->events[code].events_count;
            total->events[code].users_count += part->events[code].users_count;
        }
        fold_texts(columns->texts, columns->texts_count, total->texts, part->texts, total->values,
                   part->values);
        fold_texts(columns->user_texts, columns->user_texts_count, total->user_texts,
                   part->user_texts, total->user_values, part->user_values);
        total->ties_count += part->ties_count;
        total->idle_users += part->idle_users;
    }
    count_values(columns->texts, columns->texts_count, total->texts, total->values);
    count_values(columns->user_texts, columns->user_texts_count, total->user_texts,
                 total->user_values);
    out->events = total->events;
    out->texts = total->texts;
    out->user_texts = total->user_texts;
    out->ties_count = total->ties_count;
    out->idle_users = total->idle_users;
    total->events = NULL;
    total->texts = total->user_texts = NULL;
}

static void fold_numbers(const summary_work *work, size_t chunks, size_t column,
                         wp_number_summary *out)
{
    number_part total = {0, 0, {0, 0}, NAN, NAN};
    for (size_t chunk = 0; chunk < chunks; chunk++) {
        const number_part *part = &work->numbers[chunk * work->number_columns + column];
        total.missing_count += part->missing_count;
        if (part->present_count == 0)
            continue;
        sum_add(&total.sum, part->sum.sum);
        sum_add(&total.sum, part->sum.error);
        total.low = total.present_count == 0 || part->low < total.low ? part->low : total.low;
        total.high = total.present_count == 0 || part->high > total.high ? part->high : total.high;
        total.present_count += part->present_count;
    }
    *out = (wp_number_summary){total.present_count, total.missing_count,
                               total.sum.sum + total.sum.error, total.low, total.high};
}

static wp_status take_results(summary_work *work, size_t chunks, wp_summary *out, wp_error *err)
{
    const wp_columns *columns = work->log->columns;
    wp_summary summary = {0};
    summary.numbers = wp_alloc_array_zero(columns->numbers_count, sizeof *summary.numbers);
    summary.user_numbers =
        wp_alloc_array_zero(columns->user_numbers_count, sizeof *summary.user_numbers);
    if (summary.numbers == NULL || summary.user_numbers == NULL) {
        wp_summary_reset(&summary);
        return wp_fail_memory(err, work->number_columns * sizeof *summary.numbers);
    }
    for (uint32_t i = 0; i < columns->numbers_count; i++)
        fold_numbers(work, chunks, i, &summary.numbers[i]);
    for (uint32_t i = 0; i < columns->user_numbers_count; i++)
        fold_numbers(work, chunks, columns->numbers_count + i, &summary.user_numbers[i]);
    fold_workers(work, &summary);
    *out = summary;
    return WP_OK;
}

wp_status wp_log_summarize(const wp_log *log, const wp_run *run, wp_summary *out, wp_error *err)
{
    const wp_columns *columns = log->columns;
    size_t chunks = (columns->users_count + USERS_PER_CHUNK - 1) / USERS_PER_CHUNK;
    uint32_t *starts = wp_alloc_array(chunks + 1, sizeof *starts);
    summary_work work = {.log = log, .workers_count = wp_run_threads(run)};
    work.number_columns = (size_t)columns->numbers_count + columns->user_numbers_count;
    work.workers = wp_alloc_array_zero(work.workers_count, sizeof *work.workers);
    work.numbers = wp_alloc_array_zero(chunks * work.number_columns, sizeof *work.numbers);
    bool ready = starts != NULL && work.workers != NULL && work.numbers != NULL;
    for (unsigned w = 0; ready && w < work.workers_count; w++)
        ready = start_worker(columns, &work.workers[w]);
    wp_status status = WP_OK;
    if (!ready)
        status = wp_fail_memory(err, chunks * work.number_columns * sizeof *work.numbers);
    for (size_t chunk = 0; ready && chunk < chunks; chunk++)
        starts[chunk] = (uint32_t)chunk * USERS_PER_CHUNK;
    if (ready)
        starts[chunks] = columns->users_count;
    if (status == WP_OK)
        status = wp_log_scan(log, WP_READS_ROWS, starts, chunks, run, summarize_chunk, &work, err);
    if (status == WP_OK)
        status = take_results(&work, chunks, out, err);
    for (unsigned w = 0; work.workers != NULL && w < work.workers_count; w++)
        end_worker(columns, &work.workers[w]);
    wp_free(work.workers);
    wp_free(work.numbers);
    wp_free(starts);
    return status;
}

void wp_summary_reset(wp_summary *summary)
{
    wp_free(summary->events);
    wp_free(summary->numbers);
    wp_free(summary->user_numbers);
    wp_free(summary->texts);
    wp_free(summary->user_texts);
    *summary = (wp_summary){0};
}
