/* Rows that are alike as one row: see alike.h. One pass counts the cells; what follows depends on
** their number only. */
#include "stats/alike.h"

#include "base/memory.h"

#define ALIKE_CHUNK   2048 /* rows */
#define CELLS_MOST    65536
#define ROWS_PER_CELL 4 /* at least, or the rows are as quick */

typedef struct count_work {
    const wp_column *columns;
    const double *y;
    size_t columns_count, rows_count, cells;
    uint32_t *counts; /* 2 per cell (outcome 0, outcome 1) and worker */
    bool *is_other;   /* per worker: an outcome that is neither 0 nor 1 */
} count_work;

static void add_codes(const wp_column *column, size_t first, size_t count, uint32_t *cell)
{
    size_t times = column->table_count;
    if (times <= 256) {
        const uint8_t *codes = (const uint8_t *)column->codes + first;
        for (size_t i = 0; i < count; i++)
            cell[i] = (uint32_t)(cell[i] * times + codes[i]);
    } else {
        const uint16_t *codes = (const uint16_t *)column->codes + first;
        for (size_t i = 0; i < count; i++)
            cell[i] = (uint32_t)(cell[i] * times + codes[i]);
    }
}

static wp_status count_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)err;
    const count_work *work = context;
    size_t first = chunk * ALIKE_CHUNK, rows = work->rows_count - first;
    rows = rows > ALIKE_CHUNK ? ALIKE_CHUNK : rows;
    uint32_t *counts = work->counts + worker * 2 * work->cells, cell[ALIKE_CHUNK];
    for (size_t i = 0; i < rows; i++)
        cell[i] = 0;
    for (size_t column = 0; column < work->columns_count; column++)
        add_codes(&work->columns[column], first, rows, cell);
    bool is_other = false;
    for (size_t i = 0; i < rows; i++) {
        double y = work->y[first + i];
        is_other |= y != 0 && y != 1;
        counts[2 * cell[i] + (y == 1)]++;
    }
    work->is_other[worker] |= is_other;
    return WP_OK;
}

/* How many cells the columns may have; 0: too many, or not all are codes. */
static size_t cells_of(const wp_column *columns, size_t columns_count, size_t rows_count)
{
    size_t cells = 1, most = rows_count / ROWS_PER_CELL;
    most = most > CELLS_MOST ? CELLS_MOST : most;
    if (rows_count > UINT32_MAX)
        return 0;
    for (size_t i = 0; i < columns_count; i++) {
        if (columns[i].numbers != NULL)
            return 0;
        cells *= columns[i].table_count;
        if (cells > most)
            return 0;
    }
    return columns_count > 0 && cells <= most ? cells : 0;
}

/* The cells that there are, as rows: two per cell at most. */
static wp_status fill_rows(const count_work *work, wp_alike *out, wp_error *err)
{
    size_t columns = work->columns_count, rows = 0;
    for (size_t i = 0; i < 2 * work->cells; i++)
        rows += work->counts[i] > 0;
    out->numbers = wp_alloc_array((columns + 2) * rows, sizeof *out->numbers);
    out->columns = wp_alloc_array(columns, sizeof *out->columns);
    if (out->numbers == NULL || out->columns == NULL)
        return wp_fail_memory(err, (columns + 2) * rows * sizeof *out->numbers);
    out->y = out->numbers + columns * rows;
    out->weights = out->y + rows;
    for (size_t column = 0; column < columns; column++)
        out->columns[column] = wp_column_plain(out->numbers + column * rows);
    for (size_t i = 0; i < 2 * work->cells; i++) {
        if (work->counts[i] == 0)
            continue;
        size_t cell = i / 2;
        for (size_t column = columns; column-- > 0;) {
            const wp_column *from = &work->columns[column];
            out->numbers[column * rows + out->rows] = from->table[cell % from->table_count];
            cell /= from->table_count;
        }
        out->y[out->rows] = (double)(i % 2);
        out->weights[out->rows++] = work->counts[i];
    }
    return WP_OK;
}

wp_status wp_alike_make(wp_alike *out, const wp_column *columns, size_t columns_count,
                        size_t rows_count, const double *y, const wp_run *run, wp_error *err)
{
    unsigned workers = wp_run_threads(run);
    count_work work = {.columns = columns,
                       .y = y,
                       .columns_count = columns_count,
                       .rows_count = rows_count,
                       .cells = cells_of(columns, columns_count, rows_count)};
    *out = (wp_alike){0};
    if (work.cells == 0)
        return WP_OK;
    work.counts = wp_alloc_array_zero(workers * 2 * work.cells, sizeof *work.counts);
    work.is_other = wp_alloc_array_zero(workers, sizeof *work.is_other);
    wp_status status;
    if (work.counts == NULL || work.is_other == NULL)
        status = wp_fail_memory(err, workers * 2 * work.cells * sizeof *work.counts);
    else
        status =
            wp_pool_run(run, (rows_count + ALIKE_CHUNK - 1) / ALIKE_CHUNK, count_chunk, &work, err);
    bool is_other = false;
    for (unsigned worker = 0; status == WP_OK && worker < workers; worker++) {
        is_other |= work.is_other[worker];
        for (size_t i = 0; worker > 0 && i < 2 * work.cells; i++)
            work.counts[i] += work.counts[worker * 2 * work.cells + i];
    }
    if (status == WP_OK && !is_other)
        status = fill_rows(&work, out, err);
    wp_free(work.counts);
    wp_free(work.is_other);
    if (status != WP_OK)
        wp_alike_free(out);
    return status;
}

void wp_alike_free(wp_alike *alike)
{
    wp_free(alike->numbers);
    wp_free(alike->columns);
    *alike = (wp_alike){0};
}
