/* Bootstrap of the AUC and permutation of scores against labels, on cells.
**
** Rows are grouped to canonical cells first; each resample has a random stream of its own (seed,
** number of the resample), so results depend neither on the order of rows nor on threads.
** Whole weights only. Cost per resample: one binomial or hypergeometric draw per cell where cells
** are few; else about 2 ns per case (bootstrap) or per positive (permutation). */
#ifndef WP_STATS_RESAMPLE_H
#define WP_STATS_RESAMPLE_H

#include "base/error.h"
#include "base/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wp_resample_input {
    const double *score;    /* none missing */
    const double *label;    /* 0 or 1 */
    const double *weights;  /* whole numbers or NULL */
    const double *clusters; /* bootstrap: whole clusters are drawn; or NULL */
    const double *strata;   /* permutation: labels move within these; or NULL */
    bool ranks;             /* permutation without strata: mid-ranks instead of scores */
    size_t rows, resamples;
    uint64_t seed;
} wp_resample_input;

/* out[r] = AUC of resample r (NaN where one label is missing from it). */
WP_NODISCARD wp_status wp_bootstrap_auc(const wp_resample_input *input, double *out,
                                        const wp_run *run, wp_error *err);

/* out[r] = sum of `values` over the rows of resample r, each as often as it was drawn. */
WP_NODISCARD wp_status wp_bootstrap_sums(const double *values, size_t rows, size_t resamples,
                                         uint64_t seed, double *out, const wp_run *run,
                                         wp_error *err);

/* The sum of score over positives as it is, with its exact permutation moments. */
typedef struct wp_permuted {
    double observed, mean, variance;
    double cases, positives; /* weights of all rows, and of those with label 1 */
} wp_permuted;

/* out[r] = that sum after permuting labels within strata. */
WP_NODISCARD wp_status wp_permute_sum(const wp_resample_input *input, double *out,
                                      wp_permuted *found, const wp_run *run, wp_error *err);

#endif
