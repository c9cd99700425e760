/* See design.h. The block is column after column, so that every inner loop runs over contiguous
** rows; 256 rows of ten columns stay in the first-level cache. */
#include "stats/design.h"

#include "base/memory.h"
#include "stats/kernel.h"
#include "stats/linear_algebra.h"
#include "stats/vector.h"

#include <math.h>
#include <string.h>

#define COLLINEAR_TOLERANCE 1e-11

/* Rows of a block as the kernels take them. */
static size_t padded(size_t count)
{
    return (count + WP_LANES - 1) / WP_LANES * WP_LANES;
}

static void pad(double *numbers, size_t count)
{
    for (size_t row = count; row < padded(count); row++)
        numbers[row] = 0;
}

void wp_block_gram_from(double *block, double *w, size_t from, size_t k, size_t count, double *gram)
{
    pad(w, count);
    wp_kernel_gram(block, WP_BLOCK_ROWS, w, from, k, padded(count), block + k * WP_BLOCK_ROWS,
                   gram);
}

void wp_block_gram(double *block, double *w, size_t k, size_t count, double *gram)
{
    wp_block_gram_from(block, w, 0, k, count, gram);
}

void wp_block_project(const double *block, double *r, size_t k, size_t count, double *out)
{
    pad(r, count);
    wp_kernel_project(block, WP_BLOCK_ROWS, r, k, padded(count), out);
}

void wp_block_linear(const wp_design *design, const double *block, const double *b, size_t first,
                     size_t count, double *eta)
{
    const double *offset = design->input.offset;
    memset(eta, 0, padded(count) * sizeof *eta);
    if (offset != NULL)
        memcpy(eta, offset + first, count * sizeof *eta);
    wp_kernel_linear(block, WP_BLOCK_ROWS, b, design->k, padded(count), eta);
}

void wp_design_block(const wp_design *design, size_t first, size_t count, double *block)
{
    size_t term = 0;
    if (design->input.intercept) {
        for (size_t row = 0; row < count; row++)
            block[row] = 1;
        pad(block, count);
        term = 1;
    }
    const double *table = design->tables;
    for (; term < design->k; term++) {
        size_t place = design->kept[term - design->input.intercept];
        const wp_column *column = &design->input.columns[place];
        double *z = block + term * WP_BLOCK_ROWS;
        if (column->numbers == NULL) {
            wp_column_look_up(column, table, first, count, z);
            table += column->table_count;
        } else {
            const double *numbers = column->numbers + first;
            if (column->curve != NULL) {
                wp_kernel_spline(numbers, column->curve, count, z);
                numbers = z;
            }
            wp_kernel_standardise(numbers, design->centre[place], 1 / design->scale[place], count,
                                  z);
        }
        pad(z, count);
    }
}

/* Once the terms are chosen: a table is standardised instead of its rows, to the same bits. */
static wp_status standardise_tables(wp_design *design, wp_error *err)
{
    size_t places = 0, kept = design->k - design->input.intercept;
    for (size_t i = 0; i < kept; i++)
        places += design->input.columns[design->kept[i]].table_count;
    wp_free(design->tables);
    design->tables = wp_alloc_array(places, sizeof *design->tables);
    if (design->tables == NULL)
        return wp_fail_memory(err, places * sizeof *design->tables);
    double *table = design->tables;
    for (size_t i = 0; i < kept; i++) {
        const wp_column *column = &design->input.columns[design->kept[i]];
        if (column->numbers != NULL)
            continue;
        wp_kernel_standardise(column->table, design->centre[design->kept[i]],
                              1 / design->scale[design->kept[i]], column->table_count, table);
        table += column->table_count;
    }
    return WP_OK;
}

typedef struct pass_work {
    const wp_design *design;
    wp_block_visit visit;
    void *context;
    size_t stride, sums_count;
    double *sums;    /* sums_count per chunk */
    double *scratch; /* scratch_size per worker */
    size_t scratch_size;
} pass_work;

static wp_status pass_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)err;
    const pass_work *work = context;
    size_t rows = work->design->input.rows_count;
    size_t first = chunk * work->stride * WP_CHUNK_ROWS;
    size_t last = first + WP_CHUNK_ROWS < rows ? first + WP_CHUNK_ROWS : rows;
    double *block = work->scratch + worker * work->scratch_size;
    double *scratch = block + (work->design->k + WP_BLOCK_SPARE) * WP_BLOCK_ROWS;
    double *sums = work->sums + chunk * work->sums_count;
    for (; first < last; first += WP_BLOCK_ROWS) {
        size_t count = last - first < WP_BLOCK_ROWS ? last - first : WP_BLOCK_ROWS;
        wp_design_block(work->design, first, count, block);
        work->visit(work->context, work->design, first, count, block, scratch, sums);
    }
    return WP_OK;
}

wp_status wp_design_pass(const wp_design *design, size_t stride, wp_block_visit visit,
                         void *context, size_t sums_count, double *out, const wp_run *run,
                         wp_error *err)
{
    size_t chunks = (design->input.rows_count + WP_CHUNK_ROWS - 1) / WP_CHUNK_ROWS;
    chunks = (chunks + stride - 1) / stride;
    pass_work work = {.design = design,
                      .visit = visit,
                      .context = context,
                      .stride = stride,
                      .sums_count = sums_count,
                      .scratch_size = (design->k + WP_BLOCK_SPARE + 6) * WP_BLOCK_ROWS};
    work.sums = wp_alloc_array_zero(chunks * sums_count, sizeof(double));
    work.scratch = wp_alloc_array(wp_run_threads(run) * work.scratch_size, sizeof(double));
    wp_status status;
    if (work.sums == NULL || work.scratch == NULL)
        status = wp_fail_memory(err, chunks * sums_count * sizeof(double));
    else
        status = wp_pool_run(run, chunks, pass_chunk, &work, err);
    if (status == WP_OK) {
        memset(out, 0, sums_count * sizeof *out);
        for (size_t chunk = 0; chunk < chunks; chunk++)
            for (size_t i = 0; i < sums_count; i++)
                out[i] += work.sums[chunk * sums_count + i];
    }
    wp_free(work.scratch);
    wp_free(work.sums);
    return status;
}

size_t wp_design_rows(const wp_design *design, size_t stride)
{
    size_t rows = 0, all = design->input.rows_count, step = stride * WP_CHUNK_ROWS;
    for (size_t first = 0; first < all; first += step)
        rows += all - first < WP_CHUNK_ROWS ? all - first : WP_CHUNK_ROWS;
    return rows;
}

static wp_status measure_column(void *context, size_t column, unsigned worker, wp_error *err)
{
    (void)worker;
    wp_design *design = context;
    const wp_design_input *input = &design->input;
    wp_moments m = wp_column_moments(&input->columns[column], input->weights, input->rows_count);
    if (isinf(m.minimum) || isinf(m.maximum))
        return wp_fail(err, WP_INVALID, "column %zu: infinite number (expected finite ones)",
                       column + 1);
    double *centre = &design->centre[column], *scale = &design->scale[column];
    double size = fmax(fabs(m.minimum), fabs(m.maximum));
    double spread =
        m.weight > 1 ? sqrt(m.variance * (m.weight - 1) / m.weight) : (m.maximum - m.minimum) / 2;
    if (!input->intercept) {
        *centre = 0;
        *scale = size == 0 ? 0 : sqrt(spread * spread + m.mean * m.mean);
    } else {
        *centre = m.mean;
        *scale = m.minimum == m.maximum || !(spread > 1e-13 * size) ? 0 : spread;
    }
    design->terms[column + 1] = *scale > 0 ? WP_TERM_KEPT : WP_TERM_CONSTANT;
    return WP_OK;
}

static void gram_visit(void *context, const wp_design *design, size_t first, size_t count,
                       double *block, double *scratch, double *sums)
{
    (void)context;
    const double *weights = design->input.weights;
    double *w = scratch;
    for (size_t row = 0; row < count; row++)
        w[row] = weights == NULL ? 1 : weights[first + row];
    wp_block_gram(block, w, design->k, count, sums);
}

/* Takes out the terms that are combinations of terms before them. */
static wp_status find_collinear(wp_design *design, double *gram, wp_error *err)
{
    size_t k = design->k, intercept = design->input.intercept;
    size_t *term_of = design->kept; /* rewritten in place behind the reading position */
    size_t kept = 0;
    bool *out = wp_alloc_array_zero(k + 1, sizeof *out);
    if (out == NULL)
        return wp_fail_memory(err, k);
    wp_gram_choose(gram, k, COLLINEAR_TOLERANCE, out);
    for (size_t i = 0; i < k; i++) {
        if (i < intercept)
            continue;
        size_t column = term_of[i - intercept];
        if (out[i]) {
            design->terms[column + 1] = WP_TERM_COLLINEAR;
            design->scale[column] = 0;
        } else {
            term_of[kept++] = column;
        }
    }
    design->k = kept + intercept;
    wp_free(out);
    return WP_OK;
}

static wp_status choose_terms(wp_design *design, const wp_run *run, wp_error *err)
{
    size_t kept = 0;
    for (size_t column = 0; column < design->input.columns_count; column++)
        if (design->terms[column + 1] == WP_TERM_KEPT)
            design->kept[kept++] = column;
    design->k = kept + design->input.intercept;
    if (design->k == 0 || kept == 0)
        return WP_OK;
    WP_TRY(standardise_tables(design, err));
    double *gram = wp_alloc_array(design->k * design->k, sizeof *gram);
    if (gram == NULL)
        return wp_fail_memory(err, design->k * design->k * sizeof *gram);
    wp_status status =
        wp_design_pass(design, 1, gram_visit, NULL, design->k * design->k, gram, run, err);
    if (status == WP_OK)
        status = find_collinear(design, gram, err);
    wp_free(gram);
    return status;
}

/* All columns are terms, standardised as the caller says. */
static void take_known(wp_design *design)
{
    const wp_design_input *input = &design->input;
    for (size_t column = 0; column < input->columns_count; column++) {
        design->centre[column] = input->known_centre[column];
        design->scale[column] = input->known_scale[column];
        design->kept[column] = column;
    }
    design->k = input->columns_count + input->intercept;
}

wp_status wp_design_make(wp_design *design, const wp_design_input *input, const wp_run *run,
                         wp_error *err)
{
    wp_design made = {.input = *input};
    size_t columns = input->columns_count;
    made.kept = wp_alloc_array(columns, sizeof *made.kept);
    made.centre = wp_alloc_array_zero(columns, sizeof *made.centre);
    made.scale = wp_alloc_array_zero(columns, sizeof *made.scale);
    made.terms = wp_alloc_array_zero(columns + 1, sizeof *made.terms);
    wp_status status = WP_OK;
    if (made.kept == NULL || made.centre == NULL || made.scale == NULL || made.terms == NULL)
        status = wp_fail_memory(err, columns * sizeof(double));
    made.weight = (double)input->rows_count;
    if (input->weights != NULL) {
        made.weight = 0;
        for (size_t i = 0; i < input->rows_count; i++)
            made.weight += input->weights[i];
    }
    if (status == WP_OK && input->known_scale != NULL) {
        take_known(&made);
    } else if (status == WP_OK) {
        status = wp_pool_run(run, columns, measure_column, &made, err);
        if (status == WP_OK)
            status = choose_terms(&made, run, err);
    }
    if (status == WP_OK)
        status = standardise_tables(&made, err);
    if (status != WP_OK)
        wp_design_free(&made);
    else
        *design = made;
    return status;
}

void wp_design_free(wp_design *design)
{
    wp_free(design->kept);
    wp_free(design->centre);
    wp_free(design->scale);
    wp_free(design->terms);
    wp_free(design->tables);
    *design = (wp_design){0};
}

/* T with estimates = T b: column j is b_j / scale_j, the intercept loses sum b_j centre_j /
 * scale_j. */
static void fill_back_transform(const wp_design *design, double *t)
{
    size_t k = design->k, intercept = design->input.intercept;
    memset(t, 0, k * k * sizeof *t);
    if (intercept)
        t[0] = 1;
    for (size_t i = intercept; i < k; i++) {
        size_t column = design->kept[i - intercept];
        t[i * k + i] = 1 / design->scale[column];
        if (intercept)
            t[i] = -design->centre[column] / design->scale[column];
    }
}

static size_t place_of(const wp_design *design, size_t term)
{
    size_t intercept = design->input.intercept;
    return term < intercept ? 0 : 1 + design->kept[term - intercept];
}

wp_status wp_design_restore(const wp_design *design, const double *b, const double *covariance,
                            double *estimates_out, double *covariance_out, wp_error *err)
{
    size_t k = design->k, all = 1 + design->input.columns_count;
    double *t = wp_alloc_array(3 * k * k, sizeof *t);
    if (t == NULL)
        return wp_fail_memory(err, 3 * k * k * sizeof *t);
    fill_back_transform(design, t);
    if (b != NULL) {
        for (size_t i = 0; i < all; i++)
            estimates_out[i] = NAN;
        for (size_t i = 0; i < k; i++) {
            double sum = 0;
            for (size_t j = 0; j < k; j++)
                sum += t[i * k + j] * b[j];
            estimates_out[place_of(design, i)] = sum;
        }
    }
    if (covariance != NULL) {
        double *scratch = t + k * k, *result = scratch + k * k;
        wp_matrix_sandwich(t, covariance, k, scratch, result);
        for (size_t i = 0; i < all * all; i++)
            covariance_out[i] = NAN;
        for (size_t i = 0; i < k; i++)
            for (size_t j = 0; j < k; j++)
                covariance_out[place_of(design, i) * all + place_of(design, j)] = result[i * k + j];
    }
    wp_free(t);
    return WP_OK;
}
