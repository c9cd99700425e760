/* Rows of a store part by part, for wp_log_scan: every worker decodes into a buffer of its own. */
#include "store/way_load.h"

#define READABLE 64u /* rows behind the last one of a part */

/* One worker's rows, those of the part it reads. */
typedef struct part_room {
    void *times, *codes;
} part_room;

typedef struct way_scan {
    wp__way_load work;
    part_room *rooms;
    const wp_run *run;
    size_t rows_room;
} way_scan;

void wp__scan_end(void *context)
{
    way_scan *scan = context;
    if (scan == NULL)
        return;
    wp__way_end_reading(scan->work.way);
    for (unsigned i = 0; scan->rooms != NULL && i < wp_run_threads(scan->run); i++) {
        wp_free(scan->rooms[i].times);
        wp_free(scan->rooms[i].codes);
    }
    wp_free(scan->rooms);
    wp__work_end(&scan->work, scan->run);
    wp_free(scan);
}

wp_status wp__scan_start(wp_loader *base, const wp_columns *columns, const wp_run *run, void **out,
                         wp_error *err)
{
    wp__way_loader *loader = (wp__way_loader *)base;
    way_scan *scan = wp_alloc_zero(sizeof *scan);
    if (scan == NULL)
        return wp_fail_memory(err, sizeof *scan);
    scan->run = run;
    scan->rooms = wp_alloc_array_zero(wp_run_threads(run), sizeof *scan->rooms);
    wp_status status = wp__work_start(&scan->work, loader, (wp_columns *)columns, run, err);
    if (status == WP_OK && scan->rooms == NULL)
        status = wp_fail_memory(err, wp_run_threads(run) * sizeof *scan->rooms);
    if (status == WP_OK)
        status = wp__way_begin_reading(loader->way, err);
    if (status != WP_OK) {
        wp_free(scan->rooms);
        wp__work_end(&scan->work, run);
        wp_free(scan);
        return status;
    }
    wp__way_load *work = &scan->work;
    wp__plan_times(work);
    work->part_users = columns->part_users;
    for (uint32_t part = 0; part < work->parts_count; part++) {
        size_t rows = work->row_bases[part + 1] - work->row_bases[part];
        scan->rows_room = rows > scan->rows_room ? rows : scan->rows_room;
    }
    scan->rows_room += READABLE;
    *out = scan;
    return WP_OK;
}

/* Where row 0 of the log would stand, were it in memory: only rows of the part are touched. */
static void *before(void *rows, size_t first_row, size_t width)
{
    return (void *)((uintptr_t)rows - first_row * width);
}

wp_status wp__scan_part(void *context, uint32_t part, unsigned worker, wp_columns *view,
                        wp_error *err)
{
    way_scan *scan = context;
    const wp__way_load *work = &scan->work;
    part_room *room = &scan->rooms[worker];
    wp_times times = work->times;
    wp_codes codes = {.width = view->events.width};
    size_t row = work->row_bases[part], width = wp_times_width(&times);
    if (room->times == NULL)
        room->times = wp_alloc_array_zero(scan->rows_room, width);
    if (room->codes == NULL)
        room->codes = wp_alloc_array_zero(scan->rows_room, codes.width > 0 ? codes.width : 1);
    if (room->times == NULL || room->codes == NULL)
        return wp_fail_memory(err, scan->rows_room * 5ULL);
    wp_times_set_data(&times, before(room->times, row, width));
    codes.data = codes.width > 0 ? before(room->codes, row, codes.width) : NULL;
    WP_TRY(wp__read_part_rows(work, part, &times, &codes, &scan->work.scratches[worker], err));
    view->times = times;
    view->events = codes;
    return WP_OK;
}
