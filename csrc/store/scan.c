/* Passes over rows; see scan.h. Chunks are gathered into groups, each worked on by one worker, that
** end where a part does: no part is read twice. Where chunks and parts have no ends in common, a
** group ends after some parts, and its last part is read again by the next one. */
#include "store/scan.h"

#include "base/memory.h"

#define PARTS_MOST 4u /* in a group that does not end with a part */

typedef struct group {
    uint32_t part; /* that of its first user */
    size_t chunk;  /* its first */
} group;

/* One worker's log, whose columns have the rows of the part that it works on. */
typedef struct part_view {
    wp_log log;
    wp_columns columns; /* whose lists of numbers and texts are its own */
} part_view;

typedef struct scanning {
    const wp_log *log;
    wp_reads reads;
    const uint32_t *starts;
    wp_scan_task task;
    void *work;
    /* Part by part. */
    group *groups; /* and one more */
    size_t groups_count;
    void *scan; /* the loader's */
    part_view *views;
} scanning;

static wp_status run_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    const scanning *s = context;
    wp_piece piece = {chunk, s->starts[chunk], s->starts[chunk + 1]};
    return s->task(s->work, s->log, piece, worker, err);
}

static wp_status run_group(void *context, size_t number, unsigned worker, wp_error *err)
{
    scanning *s = context;
    const group *g = &s->groups[number];
    const uint32_t *starts = s->starts, *part_users = s->log->columns->part_users;
    const wp_loader *loader = s->log->columns->loader;
    part_view *view = &s->views[worker];
    size_t chunk = g->chunk;
    for (uint32_t part = g->part; chunk < g[1].chunk; part++) {
        uint32_t from = part_users[part], to = part_users[part + 1];
        if (from == to)
            continue;
        WP_TRY(loader->scan_part(s->scan, part, worker, &view->columns, err));
        for (; chunk < g[1].chunk; chunk++) {
            uint32_t first = starts[chunk], last = starts[chunk + 1];
            wp_piece piece = {chunk, first > from ? first : from, last < to ? last : to};
            if (piece.first < piece.last)
                WP_TRY(s->task(s->work, &view->log, piece, worker, err));
            if (last > to)
                break;
        }
    }
    return WP_OK;
}

static wp_status make_groups(scanning *s, size_t chunks_count, wp_error *err)
{
    const wp_columns *columns = s->log->columns;
    s->groups = wp_alloc_array(chunks_count + 1, sizeof *s->groups);
    if (s->groups == NULL)
        return wp_fail_memory(err, chunks_count * sizeof *s->groups);
    const uint32_t *part_users = columns->part_users;
    size_t chunk = 0;
    uint32_t part = 0;
    while (chunk < chunks_count) {
        while (part_users[part + 1] <= s->starts[chunk])
            part++;
        s->groups[s->groups_count++] = (group){part, chunk};
        uint32_t last = part, end;
        do {
            end = s->starts[++chunk];
            while (part_users[last + 1] < end)
                last++;
        } while (chunk < chunks_count && part_users[last + 1] != end && last - part < PARTS_MOST);
    }
    s->groups[s->groups_count] = (group){part, chunk};
    return WP_OK;
}

static wp_status start_view(const wp_log *log, part_view *view, wp_error *err)
{
    const wp_columns *columns = log->columns;
    wp_columns *own = &view->columns;
    *own = *columns;
    own->loader = NULL;
    own->part_users = NULL;
    own->numbers = wp_alloc_array(columns->numbers_count, sizeof *own->numbers);
    own->texts = wp_alloc_array(columns->texts_count, sizeof *own->texts);
    if (own->numbers == NULL || own->texts == NULL)
        return wp_fail_memory(err, columns->texts_count * sizeof *own->texts);
    for (uint32_t i = 0; i < columns->numbers_count; i++)
        own->numbers[i] = columns->numbers[i];
    for (uint32_t i = 0; i < columns->texts_count; i++)
        own->texts[i] = columns->texts[i];
    view->log = *log;
    view->log.columns = own;
    return WP_OK;
}

static void free_views(part_view *views, unsigned count)
{
    for (unsigned i = 0; views != NULL && i < count; i++) {
        wp_free(views[i].columns.numbers);
        wp_free(views[i].columns.texts);
    }
    wp_free(views);
}

static wp_status scan_parts(scanning *s, const wp_run *run, wp_error *err)
{
    wp_columns *columns = s->log->columns;
    unsigned workers = wp_run_threads(run);
    s->views = wp_alloc_array_zero(workers, sizeof *s->views);
    if (s->views == NULL)
        return wp_fail_memory(err, workers * sizeof *s->views);
    for (unsigned i = 0; i < workers; i++)
        WP_TRY(start_view(s->log, &s->views[i], err));
    WP_TRY(columns->loader->scan_start(columns->loader, columns, s->reads, run, &s->scan, err));
    return wp_pool_run(run, s->groups_count, run_group, s, err);
}

wp_status wp_log_scan(const wp_log *log, wp_reads reads, const uint32_t *starts,
                      size_t chunks_count, const wp_run *run, wp_scan_task task, void *work,
                      wp_error *err)
{
    scanning s = {.log = log, .reads = reads, .starts = starts, .task = task, .work = work};
    if (log->columns->part_users == NULL)
        return wp_pool_run(run, chunks_count, run_chunk, &s, err);
    wp_status status = make_groups(&s, chunks_count, err);
    if (status == WP_OK)
        status = scan_parts(&s, run, err);
    log->columns->loader->scan_end(s.scan);
    free_views(s.views, wp_run_threads(run));
    wp_free(s.groups);
    return status;
}
