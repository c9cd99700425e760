/* A store as a log: columns that are read when they are needed; see way.h.
**
** Parts are decoded side by side, each into its own range of the final columns: a log's rows are
** the rows of part 0, then of part 1, and so on, as users are numbered in the order of the log.
** Users without events come last; where there are some, or some were taken away, `numbers` leads
** from a user of the log to the number in the store. Nothing depends on the number of threads. */
#include "store/way_load.h"

uint32_t wp_way_scan_parts = 8;
uint64_t wp_way_rows_kept = 256u << 20;

wp_status wp__work_start(wp__way_load *work, wp__way_loader *loader, wp_columns *columns,
                         const wp_run *run, wp_error *err)
{
    const wp__way_view *view = &loader->way->view;
    *work = (wp__way_load){
        .loader = loader, .way = loader->way, .columns = columns, .parts_count = view->parts_count};
    work->row_bases = wp_alloc_array_zero((size_t)view->parts_count + 1, sizeof(uint32_t));
    work->scratches = wp_alloc_array_zero(wp_run_threads(run), sizeof *work->scratches);
    if (work->row_bases == NULL || work->scratches == NULL)
        return wp_fail_memory(err, view->parts_count * 4ULL);
    for (size_t i = 0; i < view->runs_count; i++)
        work->row_bases[view->runs[i].part + 1] += view->runs[i].events_count;
    for (uint32_t part = 0; part < view->parts_count; part++)
        work->row_bases[part + 1] += work->row_bases[part];
    return WP_OK;
}

void wp__work_end(wp__way_load *work, const wp_run *run)
{
    for (unsigned i = 0; work->scratches != NULL && i < wp_run_threads(run); i++)
        wp__way_scratch_free(&work->scratches[i]);
    for (uint32_t i = 0; work->parts != NULL && i < work->parts_count; i++)
        wp__way_part_free(&work->parts[i]);
    for (uint32_t i = 0; work->numbers != NULL && i < work->parts_count; i++)
        wp__number_part_free(&work->numbers[i]);
    wp_free(work->scratches);
    wp_free(work->parts);
    wp_free(work->numbers);
    wp_free(work->packed_bases);
    wp_free(work->row_bases);
}

/* --- The loader ------------------------------------------------------------------------------ */

/* The value, if any, is the first number, also when it came with a later import. */
uint32_t wp__position_of(const wp__way_view *view, bool is_text, uint32_t n)
{
    uint32_t seen = 0;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < view->columns_count; i++) {
            const wp__way_column *column = &view->columns[i];
            if (column->per_user || column->is_text != is_text || column->is_value != (pass == 0))
                continue;
            if (seen++ == n)
                return i;
        }
    return UINT32_MAX;
}

/* Of WP_PART_SCAN the starts. */
static wp_status load_one(wp__way_loader *loader, wp_columns *columns, wp_part part, uint32_t place,
                          const wp_run *run, wp_error *err)
{
    uint32_t position = UINT32_MAX;
    if (part == WP_PART_NUMBERS || part == WP_PART_TEXTS) {
        position = wp__position_of(&loader->way->view, part == WP_PART_TEXTS, place);
        if (loader->has_column[position])
            return WP_OK;
    } else if ((part == WP_PART_SCAN && loader->has_starts) ||
               (part == WP_PART_ROWS && loader->has_rows) ||
               (part == WP_PART_IDS && loader->has_ids) ||
               (part == WP_PART_ATTRIBUTES && loader->has_attributes)) {
        return WP_OK;
    }
    wp__way_load work;
    wp_status status = wp__work_start(&work, loader, columns, run, err);
    if (status == WP_OK)
        status = wp__way_begin_reading(loader->way, err);
    if (status == WP_OK) {
        work.column = WP__COLUMN_FIRST + position;
        if (part == WP_PART_SCAN)
            status = wp__load_starts(&work, run, err);
        else if (part == WP_PART_ROWS)
            status = wp__load_rows(&work, run, err);
        else if (part == WP_PART_IDS)
            status = wp__load_ids(&work, err);
        else if (part == WP_PART_ATTRIBUTES)
            status = wp__load_attributes(&work, err);
        else if (part == WP_PART_TEXTS)
            status = wp__load_texts(&work, &columns->texts[place], run, err);
        else
            status = wp__load_numbers(&work, &columns->numbers[place], run, err);
        wp__way_end_reading(loader->way);
    }
    wp__work_end(&work, run);
    if (status != WP_OK)
        return status;
    loader->has_starts = loader->has_starts || part == WP_PART_SCAN;
    loader->has_rows = loader->has_rows || part == WP_PART_ROWS;
    loader->has_ids = loader->has_ids || part == WP_PART_IDS;
    loader->has_attributes = loader->has_attributes || part == WP_PART_ATTRIBUTES;
    if (position != UINT32_MAX)
        loader->has_column[position] = true;
    columns->bytes_size = wp_columns_size(columns);
    return WP_OK;
}

static wp_status load_all(wp__way_loader *loader, wp_columns *columns, const wp_run *run,
                          wp_error *err)
{
    WP_TRY(load_one(loader, columns, WP_PART_SCAN, 0, run, err));
    WP_TRY(load_one(loader, columns, WP_PART_ROWS, 0, run, err));
    WP_TRY(load_one(loader, columns, WP_PART_IDS, 0, run, err));
    for (uint32_t i = 0; i < columns->numbers_count; i++)
        WP_TRY(load_one(loader, columns, WP_PART_NUMBERS, i, run, err));
    for (uint32_t i = 0; i < columns->texts_count; i++)
        WP_TRY(load_one(loader, columns, WP_PART_TEXTS, i, run, err));
    return load_one(loader, columns, WP_PART_ATTRIBUTES, 0, run, err);
}

/* Whether an analysis that is content with it gets the rows part by part. The first one does: it
** works on them while they are in the processor's cache, and most come alone. With the second one
** they come to stay, unless there are so many that memory is worth more than time. */
static bool is_worth_scanning(const wp__way_loader *loader, const wp_columns *columns)
{
    uint64_t size =
        (uint64_t)columns->events_count * ((columns->times.wide ? 8 : 4) + columns->events.width);
    return !loader->has_rows && columns->parts_count >= wp_way_scan_parts &&
           loader->active_count > 0 && (!loader->scanned || size > wp_way_rows_kept);
}

/* A column that wp_log_scan's tasks will see: it is brought where the rows are. */
static wp_status load_scanned(wp__way_loader *loader, wp_columns *columns, bool is_text,
                              uint32_t place, const wp_run *run, wp_error *err)
{
    if (columns->part_users == NULL)
        return load_one(loader, columns, is_text ? WP_PART_TEXTS : WP_PART_NUMBERS, place, run,
                        err);
    uint32_t position = wp__position_of(&loader->way->view, is_text, place);
    if (is_text && columns->texts[place].values.offsets == NULL) {
        WP_TRY(wp__way_begin_reading(loader->way, err));
        wp_status status = wp__read_values(loader->way, WP__COLUMN_FIRST + position,
                                           &columns->texts[place].values, err);
        wp__way_end_reading(loader->way);
        if (status != WP_OK)
            return status;
        columns->bytes_size = wp_columns_size(columns);
    }
    loader->in_scan[position] = true;
    return WP_OK;
}

static wp_status load_part(wp__way_loader *loader, wp_columns *columns, wp_part part,
                           uint32_t column, const wp_run *run, wp_error *err)
{
    if (part == WP_PART_ALL)
        return load_all(loader, columns, run, err);
    if (part == WP_PART_FINGERPRINT) {
        if (loader->has_fingerprint)
            return WP_OK;
        WP_TRY(load_all(loader, columns, run, err));
        WP_TRY(wp_columns_fingerprint(columns, run, &columns->fingerprint, err));
        loader->has_fingerprint = true;
        wp__way_keep_fingerprint(loader->way, columns->fingerprint);
        return WP_OK;
    }
    /* The starts say which user of the store a user of the log is. */
    WP_TRY(load_one(loader, columns, WP_PART_SCAN, 0, run, err));
    if (part == WP_PART_SCAN_NUMBERS || part == WP_PART_SCAN_TEXTS)
        return load_scanned(loader, columns, part == WP_PART_SCAN_TEXTS, column, run, err);
    if (part == WP_PART_SCAN)
        memset(loader->in_scan, 0, loader->way->view.columns_count);
    if (part == WP_PART_SCAN && is_worth_scanning(loader, columns)) {
        loader->scanned = true;
        return WP_OK;
    }
    if (part == WP_PART_SCAN)
        part = WP_PART_ROWS;
    return load_one(loader, columns, part, column, run, err);
}

static void free_loader(wp_loader *base)
{
    wp__way_loader *loader = (wp__way_loader *)base;
    wp_way_close(loader->way);
    wp_free(loader->has_column);
    wp_free(loader->in_scan);
    wp_free(loader->in_order);
    wp_free(loader->numbers);
    wp_free(loader);
}

static bool has_all(const wp__way_loader *loader)
{
    bool all =
        loader->has_rows && loader->has_ids && loader->has_attributes && loader->has_fingerprint;
    for (uint32_t i = 0; i < loader->way->view.columns_count; i++)
        all = all && loader->has_column[i];
    return all;
}

static wp_status load(wp_loader *base, wp_columns *columns, wp_part part, uint32_t column,
                      const wp_run *run, wp_error *err)
{
    wp__way_loader *loader = (wp__way_loader *)base;
    WP_TRY(load_part(loader, columns, part, column, run, err));
    if (has_all(loader)) { /* the file is not needed any more */
        columns->loader = NULL;
        free_loader(base);
    }
    return WP_OK;
}

/* Names and counts of columns; the value comes first among the numbers. */
static wp_status name_columns(const wp__way_view *view, wp_columns *columns, wp_error *err)
{
    size_t count = view->columns_count;
    columns->numbers = wp_alloc_array_zero(count, sizeof *columns->numbers);
    columns->texts = wp_alloc_array_zero(count, sizeof *columns->texts);
    columns->user_numbers = wp_alloc_array_zero(count, sizeof *columns->user_numbers);
    columns->user_texts = wp_alloc_array_zero(count, sizeof *columns->user_texts);
    if (columns->numbers == NULL || columns->texts == NULL || columns->user_numbers == NULL ||
        columns->user_texts == NULL)
        return wp_fail_memory(err, count * sizeof *columns->numbers);
    columns->has_value = wp__position_of(view, false, 0) != UINT32_MAX &&
                         view->columns[wp__position_of(view, false, 0)].is_value;
    columns->numbers_count = columns->has_value;
    for (uint32_t i = 0; i < view->columns_count; i++) {
        const wp__way_column *column = &view->columns[i];
        char *name = wp_copy_string(column->name, strlen(column->name));
        if (name == NULL)
            return wp_fail_memory(err, strlen(column->name));
        if (column->is_text && column->per_user)
            columns->user_texts[columns->user_texts_count++].name = name;
        else if (column->is_text)
            columns->texts[columns->texts_count++].name = name;
        else if (column->per_user)
            columns->user_numbers[columns->user_numbers_count++].name = name;
        else if (!column->is_value)
            columns->numbers[columns->numbers_count++].name = name;
        else if (columns->numbers[0].name == NULL)
            columns->numbers[0].name = name;
        else
            wp_free(name); /* a second value column, which reading the tables has refused */
    }
    /* Codes that are not there crash when they are used, instead of looking like missing values. */
    for (uint32_t i = 0; i < columns->texts_count; i++)
        columns->texts[i].codes.width = 4;
    for (uint32_t i = 0; i < columns->user_texts_count; i++)
        columns->user_texts[i].codes.width = 4;
    return WP_OK;
}

static wp_status fill_facts(wp__way_loader *loader, wp_columns *columns, wp_error *err)
{
    wp_way *way = loader->way;
    const wp__way_view *view = &way->view;
    WP_TRY(wp__way_look(way, err));
    WP_TRY(name_columns(view, columns, err));
    columns->events_count = (uint32_t)view->events_count;
    columns->users_count = view->users_count;
    columns->first_us = view->first_us;
    columns->last_us = view->last_us;
    columns->attributes_dated = view->has_known_at;
    columns->ties_ordered = view->ties_ordered;
    columns->time_zone_assumed = view->time_zone_assumed;
    columns->rows_skipped = view->rows_skipped;
    columns->rows_ungrouped = view->rows_ungrouped;
    columns->fingerprint = view->fingerprint;
    loader->has_fingerprint = view->has_fingerprint;
    loader->has_column = wp_alloc_array_zero((size_t)view->columns_count + 1, sizeof(bool));
    loader->in_scan = wp_alloc_array_zero((size_t)view->columns_count + 1, sizeof(bool));
    loader->in_order = wp_alloc_array_zero((size_t)view->parts_count + 1, sizeof(bool));
    if (loader->has_column == NULL || loader->in_scan == NULL || loader->in_order == NULL)
        return wp_fail_memory(err, (uint64_t)view->columns_count + view->parts_count);
    WP_TRY(wp__way_read_texts(way, WP__COLUMN_EVENTS, &columns->event_names, NULL, err));
    columns->bytes_size = wp_columns_size(columns);
    return WP_OK;
}

wp_status wp_way_log(wp_way *take_way, wp_log **out, wp_error *err)
{
    wp__way_loader *loader = wp_alloc_zero(sizeof *loader);
    wp_columns *columns = wp_alloc_zero(sizeof *columns);
    if (loader == NULL || columns == NULL) {
        wp_free(loader);
        wp_free(columns);
        wp_way_close(take_way);
        return wp_fail_memory(err, sizeof *columns);
    }
    loader->base = (wp_loader){load, wp__scan_start, wp__scan_part, wp__scan_end, free_loader};
    loader->way = take_way;
    columns->references = 1;
    columns->loader = &loader->base;
    /* One transaction for all facts, or a writer could come between them. */
    wp_status status = wp__way_exec(take_way, "BEGIN", err);
    if (status == WP_OK) {
        status = fill_facts(loader, columns, err);
        wp__way_end_reading(take_way);
    }
    if (status != WP_OK) {
        wp_columns_release(columns);
        return status;
    }
    return wp_log_take_columns(columns, out, err);
}
