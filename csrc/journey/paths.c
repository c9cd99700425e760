/* Paths around an anchor event: the step matrix, and the distinct sequences with their users.
**
** Data structure: per range of users a matrix of counts and a flat list of paths (steps_count
** classes each, padded with UINT32_MAX); the joined list is sorted and runs are counted. */
#include "journey/flow.h"

#include "base/memory.h"

#include <stdlib.h>

#define RANGES    16u
#define NO_CLASS  UINT32_MAX
#define STEPS_MAX 64u

typedef struct path_part {
    uint64_t *matrix;
    uint32_t *paths; /* count * steps_count */
    size_t count, capacity;
} path_part;

typedef struct path_work {
    const wp_path_options *options;
    uint32_t classes_count;
    wp_scratch scratch;
    uint32_t starts[RANGES + 1];
    path_part parts[RANGES];
} path_work;

static wp_status part_grow(path_part *part, uint32_t steps, wp_error *err)
{
    if (part->count < part->capacity)
        return WP_OK;
    size_t capacity = part->capacity * 2 + 1024;
    uint32_t *paths = wp_realloc_array(part->paths, capacity, steps * sizeof *paths);
    if (paths == NULL)
        return wp_fail_memory(err, capacity * steps * sizeof *paths);
    part->paths = paths;
    part->capacity = capacity;
    return WP_OK;
}

/* Position of the anchor among the journey's rows, or -1. */
static int64_t find_anchor(const path_work *work, const wp_columns *columns, uint32_t user,
                           const wp_rows *rows)
{
    const wp_path_options *options = work->options;
    if (options->finish != NULL) {
        for (uint32_t i = rows->count; i-- > 0;)
            if (wp_selection_has(columns, options->finish, user, wp_rows_at(rows, i)))
                return i;
        return -1;
    }
    for (uint32_t i = 0; i < rows->count; i++)
        if (options->start == NULL ||
            wp_selection_has(columns, options->start, user, wp_rows_at(rows, i)))
            return i;
    return -1;
}

/* Writes up to steps_count classes from the anchor on, away from it in time; returns how many. */
static uint32_t walk(const path_work *work, const wp_columns *columns, uint32_t user,
                     const wp_rows *rows, uint32_t anchor, uint32_t *path)
{
    const wp_path_options *options = work->options;
    int step = options->finish != NULL ? -1 : 1;
    uint32_t length = 0;
    int64_t before_us = 0;
    for (int64_t i = anchor; i >= 0 && i < rows->count && length < options->steps_count;
         i += step) {
        uint32_t row = wp_rows_at(rows, (uint32_t)i);
        int32_t class = wp_class_at(&options->classes, columns, user, row);
        if (class < 0)
            continue;
        int64_t now_us = wp_time_at(&columns->times, row);
        if (length > 0 && options->timeout_us >= 0 &&
            (now_us - before_us) * step > options->timeout_us)
            break;
        before_us = now_us;
        if (options->merge_repeats && length > 0 && path[length - 1] == (uint32_t) class)
            continue;
        path[length++] = (uint32_t) class;
    }
    return length;
}

static wp_status path_range(void *context, const wp_log *log, wp_piece piece, unsigned worker,
                            wp_error *err)
{
    path_work *work = context;
    path_part *part = &work->parts[piece.chunk];
    uint32_t steps = work->options->steps_count, width = work->classes_count + 1;
    if (part->matrix == NULL)
        part->matrix = wp_alloc_array_zero((size_t)steps * width, sizeof *part->matrix);
    if (part->matrix == NULL)
        return wp_fail_memory(err, (size_t)steps * width * sizeof *part->matrix);
    for (uint32_t user = piece.first; user < piece.last; user++) {
        wp_rows rows = wp_rows_of(log, user, work->scratch.rows[worker]);
        int64_t anchor = find_anchor(work, log->columns, user, &rows);
        if (anchor < 0)
            continue;
        WP_TRY(part_grow(part, steps, err));
        uint32_t *path = part->paths + part->count * steps;
        uint32_t length = walk(work, log->columns, user, &rows, (uint32_t)anchor, path);
        if (length == 0)
            continue;
        for (uint32_t i = 0; i < steps; i++) {
            if (i >= length)
                path[i] = NO_CLASS;
            part->matrix[(size_t)i * width + (i < length ? path[i] : width - 1)]++;
        }
        part->count++;
    }
    return WP_OK;
}

/* Sorting needs the width of a path: qsort has no context, so paths are sorted by an LSD radix
** over their steps (each step a stable counting pass over classes). */
static wp_status sort_paths(uint32_t *paths, uint32_t *spare, size_t count, uint32_t steps,
                            uint32_t classes_count, wp_error *err)
{
    size_t *places = wp_alloc_array((size_t)classes_count + 2, sizeof *places);
    if (places == NULL)
        return wp_fail_memory(err, classes_count * sizeof *places);
    for (uint32_t step = steps; step-- > 0;) {
        memset(places, 0, ((size_t)classes_count + 2) * sizeof *places);
        /* An ended path sorts first. */
        for (size_t i = 0; i < count; i++)
            places[paths[i * steps + step] + 1 <= classes_count ? paths[i * steps + step] + 1
                                                                : 0]++;
        size_t sum = 0;
        for (uint32_t c = 0; c <= classes_count; c++) {
            size_t here = places[c];
            places[c] = sum;
            sum += here;
        }
        for (size_t i = 0; i < count; i++) {
            uint32_t class = paths[i * steps + step];
            size_t to = places[class + 1 <= classes_count ? class + 1 : 0]++;
            memcpy(spare + to * steps, paths + i * steps, steps * sizeof *paths);
        }
        memcpy(paths, spare, count * steps * sizeof *paths);
    }
    wp_free(places);
    return WP_OK;
}

static int by_users(const void *a, const void *b)
{
    const wp_path *x = a, *y = b;
    if (x->users_count != y->users_count)
        return x->users_count > y->users_count ? -1 : 1;
    for (uint32_t i = 0; i < x->length && i < y->length; i++)
        if (x->classes[i] != y->classes[i])
            return x->classes[i] < y->classes[i] ? -1 : 1;
    return x->length < y->length ? -1 : x->length > y->length;
}

/* Runs of equal paths in the sorted list become sequences. */
static wp_status list_sequences(const uint32_t *paths, size_t count, uint32_t steps, wp_paths *out,
                                wp_error *err)
{
    size_t distinct = 0;
    for (size_t i = 0; i < count; i++)
        distinct += i == 0 ||
                    memcmp(paths + i * steps, paths + (i - 1) * steps, steps * sizeof *paths) != 0;
    out->sequences = wp_alloc_array_zero(distinct + 1, sizeof *out->sequences);
    if (out->sequences == NULL)
        return wp_fail_memory(err, distinct * sizeof *out->sequences);
    for (size_t i = 0; i < count;) {
        const uint32_t *path = paths + i * steps;
        size_t end = i + 1;
        while (end < count && memcmp(path, paths + end * steps, steps * sizeof *paths) == 0)
            end++;
        wp_path *sequence = &out->sequences[out->sequences_count];
        while (sequence->length < steps && path[sequence->length] != NO_CLASS)
            sequence->length++;
        sequence->classes = wp_alloc_array(sequence->length, sizeof *sequence->classes);
        if (sequence->classes == NULL)
            return wp_fail_memory(err, sequence->length * sizeof *sequence->classes);
        memcpy(sequence->classes, path, sequence->length * sizeof *path);
        sequence->users_count = end - i;
        out->sequences_count++;
        i = end;
    }
    qsort(out->sequences, out->sequences_count, sizeof *out->sequences, by_users);
    return WP_OK;
}

static wp_status join_parts(path_work *work, uint32_t ranges, wp_paths *out, wp_error *err)
{
    uint32_t steps = work->options->steps_count;
    size_t cells = (size_t)steps * (work->classes_count + 1), count = 0;
    for (uint32_t i = 0; i < ranges; i++)
        count += work->parts[i].count;
    uint32_t *paths = wp_alloc_array(count + 1, steps * sizeof *paths);
    uint32_t *spare = wp_alloc_array(count + 1, steps * sizeof *spare);
    out->matrix = wp_alloc_array_zero(cells, sizeof *out->matrix);
    wp_status status = WP_OK;
    if (paths == NULL || spare == NULL || out->matrix == NULL)
        status = wp_fail_memory(err, (count * 2 * steps) * sizeof *paths);
    size_t at = 0;
    for (uint32_t i = 0; i < ranges && status == WP_OK; i++) {
        const path_part *part = &work->parts[i];
        if (part->count > 0)
            memcpy(paths + at * steps, part->paths, part->count * steps * sizeof *paths);
        at += part->count;
        for (size_t c = 0; c < cells; c++)
            out->matrix[c] += part->matrix[c];
    }
    out->users_count = count;
    out->steps_count = steps;
    out->classes_count = work->classes_count;
    if (status == WP_OK)
        status = sort_paths(paths, spare, count, steps, work->classes_count, err);
    if (status == WP_OK)
        status = list_sequences(paths, count, steps, out, err);
    wp_free(paths);
    wp_free(spare);
    return status;
}

wp_status wp_paths_measure(const wp_log *log, const wp_path_options *options, const wp_run *run,
                           wp_paths *out, wp_error *err)
{
    if (options->steps_count < 1 || options->steps_count > STEPS_MAX)
        return wp_fail(err, WP_INVALID, "paths: steps: %u (expected 1 to %u)", options->steps_count,
                       STEPS_MAX);
    path_work work = {.options = options};
    work.classes_count = wp_classes_count(&options->classes, log->columns);
    WP_TRY(wp_scratch_start(log, run, &work.scratch, err));
    wp_paths result = {0};
    uint32_t ranges = wp_user_ranges(log->columns, RANGES, work.starts);
    wp_status status =
        wp_log_scan(log, WP_READS_ROWS, work.starts, ranges, run, path_range, &work, err);
    if (status == WP_OK)
        status = join_parts(&work, ranges, &result, err);
    if (status == WP_OK)
        status = wp_paths_find_cycles(&result, err);
    for (uint32_t i = 0; i < ranges; i++) {
        wp_free(work.parts[i].matrix);
        wp_free(work.parts[i].paths);
    }
    wp_scratch_reset(&work.scratch);
    if (status == WP_OK)
        *out = result;
    else
        wp_paths_reset(&result);
    return status;
}

void wp_paths_reset(wp_paths *paths)
{
    wp_free(paths->matrix);
    for (size_t i = 0; paths->sequences != NULL && i < paths->sequences_count; i++)
        wp_free(paths->sequences[i].classes);
    wp_free(paths->sequences);
    wp_free(paths->cycles);
    *paths = (wp_paths){0};
}
