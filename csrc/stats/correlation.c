/* See correlation.h: a design without intercept whose terms are the standardised columns. */
#include "stats/correlation.h"

#include "base/memory.h"
#include "stats/design.h"

#include <math.h>

static void product_visit(void *context, const wp_design *design, size_t first, size_t count,
                          double *block, double *scratch, double *sums)
{
    (void)first;
    for (size_t row = 0; row < WP_BLOCK_ROWS; row++)
        scratch[row] = row < count;
    wp_block_gram_from(block, scratch, *(const size_t *)context, design->k, count, sums);
}

wp_status wp_correlations(const wp_column *columns, size_t count, size_t first, size_t rows,
                          const double *means, const double *sds, double *out, const wp_run *run,
                          wp_error *err)
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
        status = wp_design_pass(&design, 1, product_visit, &first, count * count, out, run, err);
        wp_design_free(&design);
    }
    for (size_t i = first; i < count; i++)
        for (size_t j = 0; j <= i; j++)
            out[i * count + j] /= (double)rows - 1;
    wp_free(scales);
    return status;
}
