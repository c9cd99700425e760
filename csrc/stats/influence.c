/* Sums of influences, block by block; see influence.h. */
#include "stats/influence.h"

#include "base/memory.h"
#include "stats/kernel.h"

enum { BLOCK_ROWS = 4096, STEP_ROWS = 512 };

typedef struct influence_work {
    const wp_influences *of;
    double *products, *fourths; /* per block */
} influence_work;

/* out = the influences of rows first .. first + count - 1. */
static void read_block(const wp_influences *of, const double *factors, size_t first, size_t count,
                       double *out)
{
    double room[STEP_ROWS];
    for (size_t at = 0; at < count; at += STEP_ROWS) {
        size_t n = count - at < STEP_ROWS ? count - at : STEP_ROWS;
        for (size_t i = 0; i < n; i++)
            out[at + i] = factors[0];
        for (size_t c = 0; c < of->columns_count; c++) {
            const double *v = wp_column_rows(&of->columns[c], first + at, n, room);
            for (size_t i = 0; i < n; i++)
                out[at + i] += factors[1 + c] * v[i];
        }
        for (size_t i = 0; i < n; i++)
            out[at + i] *= of->residuals[first + at + i];
    }
}

static wp_status sum_block(void *context, size_t block, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const influence_work *work = context;
    const wp_influences *of = work->of;
    double left[BLOCK_ROWS], right[BLOCK_ROWS];
    size_t first = block * BLOCK_ROWS;
    size_t count = of->rows - first < BLOCK_ROWS ? of->rows - first : BLOCK_ROWS;
    read_block(of, of->left, first, count, left);
    if (of->right != of->left)
        read_block(of, of->right, first, count, right);
    work->products[block] = wp_kernel_dot(left, of->right != of->left ? right : left, count);
    for (size_t i = 0; i < count; i++)
        left[i] *= left[i];
    work->fourths[block] = wp_kernel_dot(left, left, count);
    return WP_OK;
}

wp_status wp_influences_sum(const wp_influences *of, double *product, double *fourths,
                            const wp_run *run, wp_error *err)
{
    size_t blocks = (of->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    double *sums = wp_alloc_array(2 * blocks, sizeof *sums);
    if (sums == NULL)
        return wp_fail_memory(err, 2 * blocks * sizeof *sums);
    influence_work work = {of, sums, sums + blocks};
    wp_status status = wp_pool_run(run, blocks, sum_block, &work, err);
    *product = *fourths = 0;
    for (size_t block = 0; status == WP_OK && block < blocks; block++) {
        *product += work.products[block];
        *fourths += work.fourths[block];
    }
    wp_free(sums);
    return status;
}
