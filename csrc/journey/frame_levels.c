/* Columns of small whole numbers as codes; see frame.h. Two passes over the rows find the largest
** number and count each one, a third writes the codes. */
#include "journey/frame.h"

#include "base/memory.h"

#include <math.h>

#define LEVEL_ROWS  32768u /* at a time */
#define LEVELS_MOST 65536u /* different cells that are counted */
#define SMALL       256

typedef struct level_work {
    const wp_frame *frame;
    const wp_frame_column *column;
    const wp_levels *levels;
    uint32_t *largest; /* per worker: 1 + the largest number, LEVELS_MOST where it is too large */
    uint64_t *rows;    /* cells_count per worker */
    size_t width;
    void *out;
} level_work;

typedef struct cells {
    const uint8_t *narrow; /* one of the three */
    const uint32_t *wide;
    const double *numbers;
    uint32_t first, last;
} cells;

static cells cells_of(const level_work *work, size_t chunk)
{
    uint32_t first = (uint32_t)chunk * LEVEL_ROWS, rows = work->frame->rows_count;
    cells found = {.first = first, .last = rows - first > LEVEL_ROWS ? first + LEVEL_ROWS : rows};
    if (work->column->type == WP_CELL_U8)
        found.narrow = work->column->data;
    else if (work->column->type == WP_CELL_U32)
        found.wide = work->column->data;
    else
        found.numbers = work->column->data;
    return found;
}

/* 1 + a number that can be counted, 0 for missing. */
static inline uint32_t size_of(double number)
{
    if (number >= 0 && number < LEVELS_MOST - 1 && number == (uint32_t)number)
        return (uint32_t)number + 1;
    return isnan(number) ? 0 : LEVELS_MOST;
}

static wp_status largest_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)err;
    const level_work *work = context;
    cells c = cells_of(work, chunk);
    uint32_t largest = work->largest[worker];
    for (uint32_t row = c.first; row < c.last && largest < LEVELS_MOST; row++) {
        uint32_t size = c.wide != NULL ? c.wide[row] + 1 : size_of(c.numbers[row]);
        largest = size > largest ? size : largest;
    }
    work->largest[worker] = largest;
    return WP_OK;
}

static inline size_t place_of(const cells *c, uint32_t row, size_t missing)
{
    if (c->narrow != NULL)
        return c->narrow[row];
    if (c->wide != NULL)
        return c->wide[row] == UINT32_MAX ? missing : c->wide[row];
    return isnan(c->numbers[row]) ? missing : (size_t)c->numbers[row];
}

static wp_status rows_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)err;
    const level_work *work = context;
    cells c = cells_of(work, chunk);
    size_t count = work->levels->cells_count;
    uint64_t *rows = work->rows + worker * count;
    /* Neighbours often are alike, mostly 0: four tallies, so that no addition waits for the one
    ** before. */
    uint32_t small[4][SMALL] = {{0}};
    for (uint32_t row = c.first; row < c.last; row++) {
        size_t place = place_of(&c, row, count - 1);
        if (place < SMALL)
            small[row % 4][place]++;
        else
            rows[place]++;
    }
    for (size_t place = 0; place < SMALL && place < count; place++)
        rows[place] += small[0][place] + small[1][place] + small[2][place] + small[3][place];
    return WP_OK;
}

static wp_status codes_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const level_work *work = context;
    const wp_levels *levels = work->levels;
    cells c = cells_of(work, chunk);
    for (uint32_t row = c.first; row < c.last; row++) {
        uint16_t code = levels->code_of[place_of(&c, row, levels->cells_count - 1)];
        if (work->width == 1)
            ((uint8_t *)work->out)[row] = (uint8_t)code;
        else
            ((uint16_t *)work->out)[row] = code;
    }
    return WP_OK;
}

static size_t chunks_of(const wp_frame *frame)
{
    return ((size_t)frame->rows_count + LEVEL_ROWS - 1) / LEVEL_ROWS;
}

/* Places for cells 0, 1, … and, last, for missing ones; 0: too many. */
static wp_status count_cells(level_work *work, const wp_run *run, size_t *out, wp_error *err)
{
    unsigned workers = wp_run_threads(run);
    uint32_t largest = 0;
    *out = 1 + UINT8_MAX;
    if (work->column->type == WP_CELL_U8)
        return WP_OK;
    work->largest = wp_alloc_array_zero(workers, sizeof *work->largest);
    if (work->largest == NULL)
        return wp_fail_memory(err, workers * sizeof *work->largest);
    wp_status status = wp_pool_run(run, chunks_of(work->frame), largest_chunk, work, err);
    for (unsigned i = 0; i < workers; i++)
        largest = work->largest[i] > largest ? work->largest[i] : largest;
    wp_free(work->largest);
    *out = largest < LEVELS_MOST ? largest + 1 : 0;
    return status;
}

/* From the rows of each cell value to the table. */
static void fill_table(wp_levels *levels, const uint64_t *rows, size_t most)
{
    size_t count = levels->cells_count, missing = count - 1;
    for (size_t i = 0; i < count; i++) {
        size_t cell = i == 0 ? missing : i - 1; /* missing first */
        if (rows[cell] == 0)
            continue;
        if (levels->table_count < most) {
            levels->table[levels->table_count] = cell == missing ? (double)NAN : (double)cell;
            levels->rows[levels->table_count] = rows[cell];
            levels->code_of[cell] = (uint16_t)levels->table_count;
        }
        levels->table_count++;
    }
    if (levels->table_count > most)
        levels->table_count = 0;
}

static wp_status make_table(level_work *work, wp_levels *levels, size_t most, const wp_run *run,
                            wp_error *err)
{
    unsigned workers = wp_run_threads(run);
    size_t count = levels->cells_count;
    levels->table = wp_alloc_array(most, sizeof *levels->table);
    levels->rows = wp_alloc_array(most, sizeof *levels->rows);
    levels->code_of = wp_alloc_array_zero(count, sizeof *levels->code_of);
    work->rows = wp_alloc_array_zero(workers * count, sizeof *work->rows);
    if (levels->table == NULL || levels->rows == NULL || levels->code_of == NULL ||
        work->rows == NULL)
        return wp_fail_memory(err, workers * count * sizeof *work->rows);
    WP_TRY(wp_pool_run(run, chunks_of(work->frame), rows_chunk, work, err));
    for (unsigned worker = 1; worker < workers; worker++)
        for (size_t cell = 0; cell < count; cell++)
            work->rows[cell] += work->rows[worker * count + cell];
    fill_table(levels, work->rows, most);
    return WP_OK;
}

wp_status wp_frame_levels(const wp_frame *frame, uint32_t column, size_t most, const wp_run *run,
                          wp_levels *out, wp_error *err)
{
    wp_levels levels = {0};
    level_work work = {.frame = frame, .column = &frame->columns[column], .levels = &levels};
    *out = levels;
    if (work.column->type == WP_CELL_I64)
        return WP_OK;
    WP_TRY(count_cells(&work, run, &levels.cells_count, err));
    if (levels.cells_count == 0)
        return WP_OK;
    wp_status status = make_table(&work, &levels, most, run, err);
    wp_free(work.rows);
    if (status == WP_OK && levels.table_count > 0)
        *out = levels;
    else
        wp_levels_free(&levels);
    return status;
}

void wp_levels_free(wp_levels *levels)
{
    wp_free(levels->table);
    wp_free(levels->rows);
    wp_free(levels->code_of);
    *levels = (wp_levels){0};
}

wp_status wp_frame_codes(const wp_frame *frame, uint32_t column, const wp_levels *levels,
                         size_t width, const wp_run *run, void *out, wp_error *err)
{
    level_work work = {.frame = frame,
                       .column = &frame->columns[column],
                       .levels = levels,
                       .width = width,
                       .out = out};
    return wp_pool_run(run, chunks_of(frame), codes_chunk, &work, err);
}
