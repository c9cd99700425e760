/* Regrouping; see regroup.h. The rows of the view go through the builder that every reader feeds,
** in chunks of rows, so that the new log has every property of a log that was read. */
#include "ingest/regroup.h"

#include "base/memory.h"
#include "ingest/batch.h"

typedef struct regroup_work {
    const wp_log *log;
    wp_unit unit;
    bool keep_user;
    uint32_t texts_count; /* of the new log */
    wp_build *build;
    struct regroup_worker {
        wp_writer *writer;
        double *numbers;
        wp_slice *texts;
    } * workers;
    atomic_ullong rows_ungrouped;
} regroup_work;

static wp_slice text_at(const wp_texts *texts, size_t place)
{
    wp_slice slice;
    slice.text =
        wp_dictionary_text(&texts->values, wp_code_at(&texts->codes, place), &slice.length);
    return slice;
}

/* The user whose rows include `row`: the last one that starts at or before it. */
static uint32_t user_of(const wp_columns *columns, uint32_t row)
{
    uint32_t low = 0, high = columns->users_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (columns->row_starts[middle] <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static wp_status add_row(const regroup_work *work, struct regroup_worker *worker, uint32_t user,
                         uint32_t row, wp_slice unit, wp_error *err)
{
    const wp_columns *columns = work->log->columns;
    wp_row out = {.user = unit, .numbers = worker->numbers, .texts = worker->texts};
    out.event.text = wp_dictionary_text(&columns->event_names, wp_code_at(&columns->events, row),
                                        &out.event.length);
    out.time_us = wp_time_at(&columns->times, row);
    out.time_zone_assumed = columns->time_zone_assumed;
    out.order = WP_ORDER_MISSING;
    for (uint32_t i = 0; i < columns->numbers_count; i++)
        worker->numbers[i] = wp_number_at(&columns->numbers[i], row);
    uint32_t texts_count = 0;
    for (uint32_t i = 0; i < columns->texts_count; i++)
        if (work->unit.per_user || i != work->unit.column)
            worker->texts[texts_count++] = text_at(&columns->texts[i], row);
    if (work->keep_user) {
        wp_slice *id = &worker->texts[texts_count];
        id->text = wp_dictionary_text(&columns->user_ids, user, &id->length);
    }
    return wp_writer_add(worker->writer, &out, err);
}

static wp_status regroup_chunk(void *context, size_t chunk, unsigned worker_index, wp_error *err)
{
    regroup_work *work = context;
    const wp_columns *columns = work->log->columns;
    struct regroup_worker *worker = &work->workers[worker_index];
    if (worker->writer == NULL)
        WP_TRY(wp_writer_start(work->build, &worker->writer, err));
    uint32_t begin = (uint32_t)chunk * WP_BATCH_ROWS, end = begin + WP_BATCH_ROWS;
    if (end > columns->events_count || end < begin)
        end = columns->events_count;
    uint32_t user = user_of(columns, begin), ungrouped = 0;
    for (uint32_t row = begin; row < end; row++) {
        while (columns->row_starts[user + 1] <= row)
            user++;
        if (!wp_bit(work->log->rows, row))
            continue;
        const wp_texts *texts =
            &(work->unit.per_user ? columns->user_texts : columns->texts)[work->unit.column];
        wp_slice unit = text_at(texts, work->unit.per_user ? user : row);
        if (unit.length == 0)
            ungrouped++;
        else
            WP_TRY(add_row(work, worker, user, row, unit, err));
    }
    atomic_fetch_add(&work->rows_ungrouped, ungrouped);
    return wp_writer_finish(worker->writer, chunk, err);
}

/* Column names of the new log: those of the old one without the unit, then the former user. */
static wp_status start_build(regroup_work *work, const char *user_name, wp_error *err)
{
    const wp_columns *columns = work->log->columns;
    const char **numbers = wp_alloc_array(columns->numbers_count, sizeof *numbers);
    const char **texts = wp_alloc_array((size_t)columns->texts_count + 1, sizeof *texts);
    wp_status status = WP_OK;
    if (numbers == NULL || texts == NULL) {
        status = wp_fail_memory(err, ((size_t)columns->texts_count + 1) * sizeof *texts);
    } else {
        for (uint32_t i = 0; i < columns->numbers_count; i++)
            numbers[i] = columns->numbers[i].name;
        for (uint32_t i = 0; i < columns->texts_count; i++)
            if (work->unit.per_user || i != work->unit.column)
                texts[work->texts_count++] = columns->texts[i].name;
        if (work->keep_user)
            texts[work->texts_count++] = user_name;
        wp_schema schema = {.numbers = numbers,
                            .numbers_count = columns->numbers_count,
                            .has_value = columns->has_value,
                            .texts = texts,
                            .texts_count = work->texts_count};
        status = wp_build_start(&schema, &work->build, err);
    }
    wp_free(numbers);
    wp_free(texts);
    return status;
}

static wp_status start_workers(regroup_work *work, unsigned count, wp_error *err)
{
    work->workers = wp_alloc_array_zero(count, sizeof *work->workers);
    if (work->workers == NULL)
        return wp_fail_memory(err, count * sizeof *work->workers);
    for (unsigned i = 0; i < count; i++) {
        struct regroup_worker *worker = &work->workers[i];
        worker->numbers =
            wp_alloc_array(work->log->columns->numbers_count, sizeof *worker->numbers);
        worker->texts = wp_alloc_array(work->texts_count, sizeof *worker->texts);
        if (worker->numbers == NULL || worker->texts == NULL)
            return wp_fail_memory(err, work->texts_count * sizeof *worker->texts);
    }
    return WP_OK;
}

static void end_work(regroup_work *work, unsigned count)
{
    for (unsigned i = 0; work->workers != NULL && i < count; i++) {
        wp_writer_free(work->workers[i].writer);
        wp_free(work->workers[i].numbers);
        wp_free(work->workers[i].texts);
    }
    wp_free(work->workers);
    wp_build_free(work->build);
}

wp_status wp_log_regroup(const wp_log *log, wp_unit unit, const char *user_name, const wp_run *run,
                         wp_log **out, wp_error *err)
{
    const wp_columns *old = log->columns;
    unsigned threads = wp_run_threads(run);
    size_t chunks = ((size_t)old->events_count + WP_BATCH_ROWS - 1) / WP_BATCH_ROWS;
    regroup_work work = {.log = log, .unit = unit, .keep_user = user_name != NULL};
    wp_columns *columns = NULL;
    wp_status status = start_build(&work, user_name, err);
    if (status == WP_OK)
        status = start_workers(&work, threads, err);
    if (status == WP_OK)
        status = wp_pool_run(run, chunks, regroup_chunk, &work, err);
    if (status == WP_OK)
        status = wp_build_finish(work.build, run, &columns, err);
    unsigned long long rows_ungrouped = work.rows_ungrouped;
    end_work(&work, threads);
    if (status != WP_OK)
        return status;
    columns->rows_skipped = old->rows_skipped;
    columns->rows_ungrouped = old->rows_ungrouped + rows_ungrouped;
    columns->ties_ordered = old->ties_ordered;
    return wp_log_take_columns(columns, out, err);
}
