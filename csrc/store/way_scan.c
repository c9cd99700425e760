/* Rows of a store part by part, for wp_log_scan: every worker decodes into a buffer of its own. */
#include "store/way_load.h"

#define READABLE 64u /* rows behind the last one of a part */

/* A column besides times and events that the tasks see. */
typedef struct scan_column {
    bool is_text;
    uint32_t place, column; /* in the log's list of its kind; in segments */
} scan_column;

/* One worker's rows of such a column: codes, or numbers behind a bitmap of whole words. */
typedef struct column_room {
    void *codes;
    wp__number_part numbers;
    uint64_t *present;
    uint32_t *rank;
} column_room;

/* One worker's rows, those of the part it reads. */
typedef struct part_room {
    void *times, *codes;
    column_room *columns;
} part_room;

typedef struct way_scan {
    wp__way_load work;
    part_room *rooms;
    const wp_run *run;
    wp_reads reads;
    size_t rows_room;
    scan_column *columns;
    uint32_t columns_count;
} way_scan;

static void free_room(part_room *room, uint32_t columns_count)
{
    wp_free(room->times);
    wp_free(room->codes);
    for (uint32_t i = 0; room->columns != NULL && i < columns_count; i++) {
        wp_free(room->columns[i].codes);
        wp__number_part_free(&room->columns[i].numbers);
        wp_free(room->columns[i].present);
        wp_free(room->columns[i].rank);
    }
    wp_free(room->columns);
}

static void free_scan(way_scan *scan)
{
    for (unsigned i = 0; scan->rooms != NULL && i < wp_run_threads(scan->run); i++)
        free_room(&scan->rooms[i], scan->columns_count);
    wp_free(scan->rooms);
    wp_free(scan->columns);
    wp__work_end(&scan->work, scan->run);
    wp_free(scan);
}

void wp__scan_end(void *context)
{
    way_scan *scan = context;
    if (scan == NULL)
        return;
    wp__way_end_reading(scan->work.way);
    free_scan(scan);
}

static void list_columns(way_scan *scan, const wp_columns *columns, bool is_text)
{
    const wp__way_loader *loader = scan->work.loader;
    uint32_t count = is_text ? columns->texts_count : columns->numbers_count;
    for (uint32_t place = 0; place < count; place++) {
        uint32_t position = wp__position_of(&loader->way->view, is_text, place);
        if (loader->in_scan[position] && !loader->has_column[position])
            scan->columns[scan->columns_count++] =
                (scan_column){is_text, place, WP__COLUMN_FIRST + position};
    }
}

static wp_status start_scan(way_scan *scan, wp__way_loader *loader, const wp_columns *columns,
                            wp_error *err)
{
    wp__way_load *work = &scan->work;
    unsigned workers = wp_run_threads(scan->run);
    WP_TRY(wp__work_start(work, loader, (wp_columns *)columns, scan->run, err));
    scan->columns = wp_alloc_array(loader->way->view.columns_count, sizeof *scan->columns);
    scan->rooms = wp_alloc_array_zero(workers, sizeof *scan->rooms);
    if (scan->columns == NULL || scan->rooms == NULL)
        return wp_fail_memory(err, workers * sizeof *scan->rooms);
    list_columns(scan, columns, false);
    list_columns(scan, columns, true);
    for (unsigned i = 0; i < workers; i++) {
        scan->rooms[i].columns = wp_alloc_array_zero(scan->columns_count, sizeof(column_room));
        if (scan->rooms[i].columns == NULL)
            return wp_fail_memory(err, scan->columns_count * sizeof(column_room));
    }
    wp__plan_times(work);
    work->part_users = columns->part_users;
    for (uint32_t part = 0; part < work->parts_count; part++) {
        size_t rows = work->row_bases[part + 1] - work->row_bases[part];
        scan->rows_room = rows > scan->rows_room ? rows : scan->rows_room;
    }
    scan->rows_room += READABLE;
    return wp__way_begin_reading(loader->way, err);
}

wp_status wp__scan_start(wp_loader *base, const wp_columns *columns, wp_reads reads,
                         const wp_run *run, void **out, wp_error *err)
{
    way_scan *scan = wp_alloc_zero(sizeof *scan);
    if (scan == NULL)
        return wp_fail_memory(err, sizeof *scan);
    scan->run = run;
    scan->reads = reads;
    wp_status status = start_scan(scan, (wp__way_loader *)base, columns, err);
    if (status == WP_OK)
        *out = scan;
    else
        free_scan(scan);
    return status;
}

/* Where row 0 of the log would stand, were it in memory: only rows of the part are touched. */
static void *before(void *rows, size_t first_row, size_t width)
{
    return (void *)((uintptr_t)rows - first_row * width);
}

/* Parts of several runs need the times to know the order of their rows, and are read whole. */
static wp_status scan_rows(const way_scan *scan, uint32_t part, part_room *room, wp_columns *view,
                           wp__way_scratch *scratch, wp_error *err)
{
    const wp__way_load *work = &scan->work;
    const wp__way_run *runs;
    bool whole = wp__way_part_runs(&work->way->view, part, &runs) != 1;
    wp_reads reads = whole ? WP_READS_ROWS : scan->reads;
    wp_times times = work->times;
    wp_codes codes = {.width = view->events.width};
    size_t row = work->row_bases[part], width = wp_times_width(&times);
    bool timed = (reads & WP_READS_TIMES) != 0, named = (reads & WP_READS_EVENTS) != 0;
    if (timed && room->times == NULL)
        room->times = wp_alloc_array_zero(scan->rows_room, width);
    if (named && room->codes == NULL)
        room->codes = wp_alloc_array_zero(scan->rows_room, codes.width > 0 ? codes.width : 1);
    if ((timed && room->times == NULL) || (named && room->codes == NULL))
        return wp_fail_memory(err, scan->rows_room * 5ULL);
    wp_times_set_data(&times, timed ? before(room->times, row, width) : NULL);
    codes.data = named && codes.width > 0 ? before(room->codes, row, codes.width) : NULL;
    view->times = times;
    view->events = codes;
    if (timed)
        return wp__read_part_rows(work, part, &times, named ? &codes : NULL, scratch, err);
    return named ? wp__way_run_codes(work->way, runs, WP__COLUMN_EVENTS, view->event_names.count,
                                     &codes, row, scratch, err)
                 : WP_OK;
}

static wp_status scan_texts(const way_scan *scan, uint32_t part, const scan_column *column,
                            column_room *room, wp_texts *texts, wp__way_scratch *scratch,
                            wp_error *err)
{
    uint32_t below = texts->values.count;
    wp_codes codes = {.width = wp__codes_width(below)};
    if (room->codes == NULL)
        room->codes = wp_alloc_array(scan->rows_room, codes.width > 0 ? codes.width : 1);
    if (room->codes == NULL)
        return wp_fail_memory(err, scan->rows_room * 4ULL);
    if (codes.width > 0)
        codes.data = before(room->codes, scan->work.row_bases[part], codes.width);
    texts->codes = codes;
    return wp__read_part_codes(&scan->work, part, column->column, below, &codes, scratch, err);
}

/* The part's bitmap is moved to where its rows stand in words of the log's. */
static wp_status scan_numbers(const way_scan *scan, uint32_t part, const scan_column *column,
                              column_room *room, wp_numbers *numbers, wp__way_scratch *scratch,
                              wp_error *err)
{
    size_t first_row = scan->work.row_bases[part], room_words = scan->rows_room / 64 + 2;
    if (room->present == NULL)
        room->present = wp_alloc_array(room_words, sizeof *room->present);
    if (room->rank == NULL)
        room->rank = wp_alloc_array(room_words, sizeof *room->rank);
    if (room->present == NULL || room->rank == NULL)
        return wp_fail_memory(err, room_words * sizeof *room->present);
    wp__number_part_free(&room->numbers);
    WP_TRY(wp__read_part_numbers(&scan->work, part, column->column, scratch, &room->numbers, err));
    size_t rows = scan->work.row_bases[part + 1] - first_row, words = rows / 64 + 1;
    unsigned shift = first_row & 63;
    uint32_t seen = 0;
    for (size_t word = 0; word * 64 <= rows + shift; word++) {
        uint64_t bits = word < words ? room->numbers.present[word] << shift : 0;
        if (shift > 0 && word > 0)
            bits |= room->numbers.present[word - 1] >> (64 - shift);
        room->present[word] = bits;
        room->rank[word] = seen;
        seen += (uint32_t)__builtin_popcountll(bits);
    }
    numbers->present = before(room->present, first_row >> 6, sizeof *room->present);
    numbers->rank = before(room->rank, first_row >> 6, sizeof *room->rank);
    numbers->packed = room->numbers.packed;
    return WP_OK;
}

wp_status wp__scan_part(void *context, uint32_t part, unsigned worker, wp_columns *view,
                        wp_error *err)
{
    way_scan *scan = context;
    part_room *room = &scan->rooms[worker];
    wp__way_scratch *scratch = &scan->work.scratches[worker];
    WP_TRY(scan_rows(scan, part, room, view, scratch, err));
    for (uint32_t i = 0; i < scan->columns_count; i++) {
        const scan_column *column = &scan->columns[i];
        if (column->is_text)
            WP_TRY(scan_texts(scan, part, column, &room->columns[i], &view->texts[column->place],
                              scratch, err));
        else
            WP_TRY(scan_numbers(scan, part, column, &room->columns[i],
                                &view->numbers[column->place], scratch, err));
    }
    return WP_OK;
}
