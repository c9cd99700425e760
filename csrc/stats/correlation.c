/* See correlation.h: a design without intercept whose terms are the standardised columns. */
#include "stats/correlation.h"

#include "base/memory.h"
#include "stats/design.h"

#include <math.h>

/* Which rows of a block count: 1 or 0, and 0 behind the last. */
static void read_keep(const wp_column *keep, size_t first, size_t count, double *w)
{
    for (size_t row = 0; row < WP_BLOCK_ROWS; row++)
        w[row] = row < count;
    if (keep != NULL)
        wp_column_read(keep, first, count, w);
}

typedef struct product_work {
    const wp_column *keep;
    size_t first;
} product_work;

/* sums: of the products; with rows to keep, also of the columns and of the rows that count. */
static void product_visit(void *context, const wp_design *design, size_t first, size_t count,
                          double *block, double *scratch, double *sums)
{
    const product_work *work = context;
    size_t k = design->k;
    read_keep(work->keep, first, count, scratch);
    if (work->keep != NULL) { /* means are not those of the rows that count */
        for (size_t row = 0; row < count; row++)
            sums[k * k + k] += scratch[row];
        wp_block_project(block, scratch, k, count, sums + k * k);
    }
    wp_block_gram_from(block, scratch, work->first, k, count, sums);
}

/* A pass over the columns less `means` and divided by `sds`; sums has (count + 1)^2 places. */
static wp_status add_products(const wp_column *columns, size_t count, size_t rows,
                              const double *means, const double *sds, product_work *work,
                              double *sums, const wp_run *run, wp_error *err)
{
    double *scales = wp_alloc_array(count, sizeof *scales);
    if (scales == NULL)
        return wp_fail_memory(err, count * sizeof *scales);
    for (size_t i = 0; i < count; i++)
        scales[i] = sds[i] > 0 ? sds[i] : INFINITY; /* all of the column becomes 0 */
    wp_design_input input = {.columns = columns,
                             .columns_count = count,
                             .rows_count = rows,
                             .known_centre = means,
                             .known_scale = scales};
    wp_design design;
    wp_status status = wp_design_make(&design, &input, run, err);
    if (status == WP_OK) {
        status = wp_design_pass(&design, 1, product_visit, work, count * count + count + 1, sums,
                                run, err);
        wp_design_free(&design);
    }
    wp_free(scales);
    return status;
}

wp_status wp_correlations(const wp_column *columns, size_t count, size_t first, size_t rows,
                          const double *means, const double *sds, double *out, const wp_run *run,
                          wp_error *err)
{
    double *sums = wp_alloc_array((count + 1) * (count + 1), sizeof *sums);
    if (sums == NULL)
        return wp_fail_memory(err, (count + 1) * (count + 1) * sizeof *sums);
    product_work work = {.first = first};
    wp_status status = add_products(columns, count, rows, means, sds, &work, sums, run, err);
    for (size_t i = first; status == WP_OK && i < count; i++)
        for (size_t j = 0; j <= i; j++)
            out[i * count + j] = sums[i * count + j] / ((double)rows - 1);
    wp_free(sums);
    return status;
}

/* From sums about the means of all rows to correlations, means and SDs of `weight` rows. */
static void centre_products(const double *sums, size_t count, double *means, double *sds,
                            double *out)
{
    const double *column_sums = sums + count * count;
    double weight = column_sums[count];
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j <= i; j++)
            out[i * count + j] =
                (sums[i * count + j] - column_sums[i] * column_sums[j] / weight) / (weight - 1);
    for (size_t i = 0; i < count; i++) {
        double variance = out[i * count + i];
        means[i] += column_sums[i] / weight * sds[i];
        double sd = variance > 1e-20 ? sqrt(variance) : 0; /* what is less is rounding */
        sds[i] *= sd;
        for (size_t j = 0; j <= i; j++)
            out[i * count + j] = sd > 0 ? out[i * count + j] / sd : 0;
        for (size_t j = i; j < count; j++)
            out[j * count + i] = sd > 0 ? out[j * count + i] / sd : 0;
    }
}

wp_status wp_correlations_kept(const wp_column *columns, size_t count, size_t rows,
                               const wp_column *keep, double *means, double *sds, double *out,
                               const wp_run *run, wp_error *err)
{
    double *sums = wp_alloc_array((count + 1) * (count + 1), sizeof *sums);
    if (sums == NULL)
        return wp_fail_memory(err, (count + 1) * (count + 1) * sizeof *sums);
    product_work work = {.keep = keep};
    wp_status status = add_products(columns, count, rows, means, sds, &work, sums, run, err);
    if (status == WP_OK)
        centre_products(sums, count, means, sds, out);
    wp_free(sums);
    return status;
}

static void contrast_visit(void *context, const wp_design *design, size_t first, size_t count,
                           double *block, double *scratch, double *sums)
{
    const wp_contrast_input *input = context;
    double *w = scratch, *own = w + WP_BLOCK_ROWS, *rest = own + WP_BLOCK_ROWS;
    read_keep(input->keep, first, count, w);
    wp_block_linear(design, block, input->own, first, count, own);
    wp_block_linear(design, block, input->rest, first, count, rest);
    const double *x = block + input->x * WP_BLOCK_ROWS, *y = block + input->y * WP_BLOCK_ROWS;
    double x_mean = input->means[input->x], y_mean = input->means[input->y];
    wp_contrast sum = {0};
    for (size_t row = 0; row < count; row++) {
        double square = w[row] * own[row] * own[row];
        double left = rest[row] - own[row] * input->difference;
        double p = fmin(1, fmax(0, y[row] + y_mean - rest[row]));
        sum.squares += square;
        sum.robust += square * left * left;
        sum.expected += w[row] * (x[row] + x_mean) * p;
        sum.variance += w[row] * p * (1 - p);
        sum.binomial += square * p * (1 - p);
    }
    sums[0] += sum.squares;
    sums[1] += sum.robust;
    sums[2] += sum.expected;
    sums[3] += sum.variance;
    sums[4] += sum.binomial;
}

wp_status wp_contrast_make(const wp_contrast_input *input, wp_contrast *out, const wp_run *run,
                           wp_error *err)
{
    double *ones = wp_alloc_array(input->columns_count, sizeof *ones);
    if (ones == NULL)
        return wp_fail_memory(err, input->columns_count * sizeof *ones);
    for (size_t i = 0; i < input->columns_count; i++)
        ones[i] = 1;
    wp_design_input centred = {.columns = input->columns,
                               .columns_count = input->columns_count,
                               .rows_count = input->rows,
                               .known_centre = input->means,
                               .known_scale = ones};
    wp_design design;
    wp_status status = wp_design_make(&design, &centred, run, err);
    if (status == WP_OK) {
        double sums[5];
        wp_contrast_input work = *input;
        status = wp_design_pass(&design, 1, contrast_visit, &work, 5, sums, run, err);
        *out = (wp_contrast){sums[0], sums[1], sums[2], sums[3], sums[4]};
        wp_design_free(&design);
    }
    wp_free(ones);
    return status;
}
