/* See sandwich.h. Cluster scores are added in row order on one thread: one multiplication per row
** and term, small beside the fit. */
#include "stats/sandwich.h"

#include "base/memory.h"
#include "stats/linear_algebra.h"
#include "stats/vector.h"

static void meat_visit(void *context, const wp_design *design, size_t first, size_t count,
                       double *block, double *scratch, double *sums)
{
    const double *residuals = context, *weights = design->input.weights;
    double *w = scratch;
    for (size_t row = 0; row < count; row++) {
        double r = residuals[first + row];
        w[row] = r * r * (weights == NULL ? 1 : weights[first + row]);
    }
    wp_block_gram(block, w, design->k, count, sums);
}

static wp_status cluster_meat(const wp_design *design, const double *residuals,
                              const wp_factor *clusters, double *meat, wp_error *err)
{
    size_t k = design->k, rows = design->input.rows_count, groups = clusters->numbers_count;
    const double *weights = design->input.weights;
    double *scores = wp_alloc_array_zero(groups * k, sizeof *scores);
    double *block = wp_alloc_array((k + WP_BLOCK_SPARE) * WP_BLOCK_ROWS, sizeof *block);
    wp_status status = WP_OK;
    if (scores == NULL || block == NULL) {
        status = wp_fail_memory(err, groups * k * sizeof *scores);
        goto done;
    }
    for (size_t first = 0; first < rows; first += WP_BLOCK_ROWS) {
        size_t count = rows - first < WP_BLOCK_ROWS ? rows - first : WP_BLOCK_ROWS;
        wp_design_block(design, first, count, block);
        for (size_t row = 0; row < count; row++) {
            double *score = scores + clusters->codes[first + row] * k;
            double r = residuals[first + row] * (weights == NULL ? 1 : weights[first + row]);
            for (size_t i = 0; i < k; i++)
                score[i] += r * block[i * WP_BLOCK_ROWS + row];
        }
    }
    for (size_t i = 0; i < k * k; i++)
        meat[i] = 0;
    for (size_t group = 0; group < groups; group++)
        for (size_t i = 0; i < k; i++)
            for (size_t j = 0; j <= i; j++)
                meat[i * k + j] += scores[group * k + i] * scores[group * k + j];
done:
    wp_free(block);
    wp_free(scores);
    return status;
}

wp_status wp_sandwich_make(const wp_design *design, const double *inverse, const double *residuals,
                           const double *clusters, double *out, size_t *clusters_count,
                           const wp_run *run, wp_error *err)
{
    size_t k = design->k;
    double *meat = wp_alloc_array(2 * k * k, sizeof *meat), n = design->weight;
    if (meat == NULL)
        return wp_fail_memory(err, 2 * k * k * sizeof *meat);
    wp_status status;
    double groups = n;
    if (clusters == NULL) {
        status = wp_design_pass(design, 1, meat_visit, (void *)residuals, k * k, meat, run, err);
    } else {
        wp_factor factor;
        status = wp_factor_make(&factor, clusters, design->input.rows_count, err);
        if (status == WP_OK) {
            status = cluster_meat(design, residuals, &factor, meat, err);
            groups = (double)factor.numbers_count;
            wp_factor_free(&factor);
        }
    }
    if (status == WP_OK && !(groups > 1))
        status = wp_fail(err, WP_INVALID, "clusters: 1 found (expected at least 2)");
    if (status == WP_OK && !(n > (double)k))
        status = wp_fail(err, WP_INVALID,
                         "robust errors: %g rows for %zu terms (expected more rows)", n, k);
    if (status == WP_OK) {
        double factor = groups / (groups - 1) * (n - 1) / (n - (double)k);
        for (size_t i = 0; i < k; i++)
            for (size_t j = 0; j <= i; j++)
                meat[i * k + j] = meat[j * k + i] = meat[i * k + j] * factor;
        wp_matrix_sandwich(inverse, meat, k, meat + k * k, out);
        *clusters_count = (size_t)groups;
    }
    wp_free(meat);
    return status;
}
