/* See score_cells.h. Cost: one sort; equal scores never lie in two of its parts, so parts count
** and write their cells in parallel. With strata the sorted rows are dealt to them, in order. */
#include "stats/score_cells.h"

#include "base/memory.h"
#include "stats/sort.h"
#include "stats/vector.h"

#include <math.h>

enum { FILL_ROWS = 16384 };

static wp_status check_weights(const wp_resample_input *input, wp_error *err)
{
    double total = 0;
    for (size_t i = 0; i < input->rows; i++) {
        if (input->weights[i] != floor(input->weights[i]))
            return wp_fail(err, WP_INVALID, "weights: row %zu: %g (expected a whole number)", i + 1,
                           input->weights[i]);
        total += input->weights[i];
    }
    if (total > 0x1p52)
        return wp_fail(err, WP_LIMIT, "weights: their sum is too large (expected below 2^52)");
    return WP_OK;
}

wp_status wp__resample_check(const wp_resample_input *input, wp_error *err)
{
    size_t others = 0; /* without a branch: labels are hard to guess */
    if (input->weights != NULL)
        WP_TRY(check_weights(input, err));
    for (size_t i = 0; i < input->rows; i++)
        others += (input->label[i] != 0) & (input->label[i] != 1);
    for (size_t i = 0; others > 0 && i < input->rows; i++)
        if (input->label[i] != 0 && input->label[i] != 1)
            return wp_fail(err, WP_INVALID, "labels: row %zu: %g (expected 0 or 1)", i + 1,
                           input->label[i]);
    return WP_OK;
}

typedef struct cells_work {
    const wp_resample_input *input;
    wp_item *items; /* tag: twice the weight, plus the label */
    wp_sort_parts parts;
    size_t first[WP_SORT_PARTS]; /* cell of each part: how many there are, then the first */
    wp_factor strata;            /* with strata: those of the rows */
    wp_score_cells cells;
} cells_work;

static wp_status fill_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const cells_work *work = context;
    const wp_resample_input *input = work->input;
    size_t first = chunk * FILL_ROWS, last = first + FILL_ROWS;
    for (size_t i = first; i < last && i < input->rows; i++) {
        uint64_t weight = input->weights == NULL ? 1 : (uint64_t)input->weights[i];
        work->items[i] =
            (wp_item){wp_order_key(input->score[i]), 2 * weight + (input->label[i] != 0)};
    }
    return WP_OK;
}

static wp_status count_part(void *context, size_t part, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    cells_work *work = context;
    size_t start = work->parts.starts[part], end = work->parts.starts[part + 1];
    size_t found = start < end;
    for (size_t i = start + 1; i < end; i++)
        found += work->items[i].key != work->items[i - 1].key;
    work->first[part] = found;
    return WP_OK;
}

static wp_status write_part(void *context, size_t part, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const cells_work *work = context;
    const wp_item *items = work->items;
    size_t cell = work->first[part], end = work->parts.starts[part + 1];
    for (size_t i = work->parts.starts[part]; i < end; cell++) {
        uint64_t weight = 0, positives = 0, key = items[i].key;
        for (; i < end && items[i].key == key; i++) {
            uint64_t here = items[i].tag >> 1;
            weight += here;
            positives += here & -(items[i].tag & 1);
        }
        work->cells.scores[cell] = wp_order_number(key);
        work->cells.weights[cell] = (double)weight;
        work->cells.positives[cell] = (double)positives;
    }
    return WP_OK;
}

static wp_status alloc_cells(wp_score_cells *cells, size_t count, wp_error *err)
{
    cells->count = count;
    cells->scores = wp_alloc_array(count, sizeof(double));
    cells->weights = wp_alloc_array(count, sizeof(double));
    cells->positives = wp_alloc_array(count, sizeof(double));
    if (cells->scores == NULL || cells->weights == NULL || cells->positives == NULL)
        return wp_fail_memory(err, count * sizeof(double));
    return WP_OK;
}

static wp_status make_cells(cells_work *work, const wp_run *run, wp_error *err)
{
    size_t rows = work->input->rows, count = 0;
    WP_TRY(wp_pool_run(run, (rows + FILL_ROWS - 1) / FILL_ROWS, fill_chunk, work, err));
    WP_TRY(wp_items_sort(work->items, rows, &work->parts, run, err));
    WP_TRY(wp_pool_run(run, work->parts.count, count_part, work, err));
    for (size_t part = 0; part < work->parts.count; part++) {
        size_t here = work->first[part];
        work->first[part] = count;
        count += here;
    }
    WP_TRY(alloc_cells(&work->cells, count, err));
    return wp_pool_run(run, work->parts.count, write_part, work, err);
}

/* ---- strata ---- */

/* Tag: the label, and above it what tells the stratum: its number, or with weights the row. */
static wp_status fill_strata_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const cells_work *work = context;
    const wp_resample_input *input = work->input;
    size_t first = chunk * FILL_ROWS, last = first + FILL_ROWS;
    for (size_t i = first; i < last && i < input->rows; i++) {
        uint64_t place = input->weights == NULL ? work->strata.codes[i] : i;
        work->items[i] =
            (wp_item){wp_order_key(input->score[i]), 2 * place + (input->label[i] != 0)};
    }
    return WP_OK;
}

/* Deals the items sorted by score to their strata; ends[k]: where stratum k ends. */
static void deal_to_strata(const cells_work *work, wp_item *dealt, size_t *ends)
{
    const uint32_t *codes = work->strata.codes;
    bool weighted = work->input->weights != NULL;
    for (size_t i = 0; i < work->input->rows; i++)
        ends[codes[i] + 1]++;
    for (size_t k = 1; k <= work->strata.numbers_count; k++)
        ends[k] += ends[k - 1];
    for (size_t i = 0; i < work->input->rows; i++) {
        uint64_t place = work->items[i].tag >> 1;
        dealt[ends[weighted ? codes[place] : place]++] = work->items[i];
    }
}

static size_t count_dealt(const wp_item *dealt, const size_t *ends, size_t strata)
{
    size_t count = 0, i = 0;
    for (size_t k = 0; k < strata; k++)
        for (size_t start = i; i < ends[k]; i++)
            count += i == start || dealt[i].key != dealt[i - 1].key;
    return count;
}

static void write_dealt(cells_work *work, const wp_item *dealt, const size_t *ends)
{
    wp_score_cells *cells = &work->cells;
    const double *weights = work->input->weights;
    size_t cell = 0, i = 0;
    for (size_t k = 0; k < work->strata.numbers_count; k++)
        for (; i < ends[k]; cell++) {
            uint64_t key = dealt[i].key;
            double weight = 0, positives = 0;
            for (; i < ends[k] && dealt[i].key == key; i++) {
                double here = weights == NULL ? 1 : weights[dealt[i].tag >> 1];
                weight += here;
                positives += here * (double)(dealt[i].tag & 1);
            }
            cells->strata[cell] = (uint32_t)k;
            cells->scores[cell] = wp_order_number(key);
            cells->weights[cell] = weight;
            cells->positives[cell] = positives;
        }
}

static wp_status sort_within(cells_work *work, wp_item *dealt, size_t *ends, const wp_run *run,
                             wp_error *err)
{
    size_t rows = work->input->rows;
    wp_score_cells *cells = &work->cells;
    WP_TRY(wp_pool_run(run, (rows + FILL_ROWS - 1) / FILL_ROWS, fill_strata_chunk, work, err));
    WP_TRY(wp_items_sort(work->items, rows, NULL, run, err));
    deal_to_strata(work, dealt, ends);
    WP_TRY(alloc_cells(cells, count_dealt(dealt, ends, work->strata.numbers_count), err));
    cells->strata = wp_alloc_array(cells->count, sizeof *cells->strata);
    if (cells->strata == NULL)
        return wp_fail_memory(err, cells->count * sizeof *cells->strata);
    write_dealt(work, dealt, ends);
    return WP_OK;
}

static wp_status make_cells_within(cells_work *work, const wp_run *run, wp_error *err)
{
    WP_TRY(wp_factor_make(&work->strata, work->input->strata, work->input->rows, err));
    wp_item *dealt = wp_alloc_array(work->input->rows, sizeof *dealt);
    size_t *ends = wp_alloc_array_zero(work->strata.numbers_count + 1, sizeof *ends);
    wp_status status = dealt == NULL || ends == NULL
                           ? wp_fail_memory(err, work->input->rows * sizeof *dealt)
                           : sort_within(work, dealt, ends, run, err);
    wp_free(ends);
    wp_free(dealt);
    wp_factor_free(&work->strata);
    return status;
}

wp_status wp_score_cells_make(wp_score_cells *cells, const wp_resample_input *input,
                              const wp_run *run, wp_error *err)
{
    cells_work work = {.input = input};
    work.items = wp_alloc_array(input->rows, sizeof *work.items);
    if (work.items == NULL)
        return wp_fail_memory(err, input->rows * sizeof *work.items);
    wp_status status =
        input->strata == NULL ? make_cells(&work, run, err) : make_cells_within(&work, run, err);
    wp_free(work.items);
    if (status != WP_OK)
        wp_score_cells_free(&work.cells);
    else
        *cells = work.cells;
    return status;
}

void wp_score_cells_free(wp_score_cells *cells)
{
    wp_free(cells->strata);
    wp_free(cells->scores);
    wp_free(cells->weights);
    wp_free(cells->positives);
    *cells = (wp_score_cells){0};
}
