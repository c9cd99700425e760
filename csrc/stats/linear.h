/* Least squares by the normal equations of the standardised design, with one step of iterative
** refinement from the residuals. Weights are case weights: a fit of cells equals that of the rows,
** and degrees of freedom count weights. Classic or sandwich covariance (sandwich.h).
** Cost: two passes over the rows, O(rows k^2). */
#ifndef WP_STATS_LINEAR_H
#define WP_STATS_LINEAR_H

#include "stats/design.h"

typedef struct wp_linear_options {
    bool robust;            /* HC1 */
    const double *clusters; /* implies robust; may be NULL */
} wp_linear_options;

typedef struct wp_linear_fit {
    double *estimates, *covariance; /* terms_count, intercept first; squared; NaN where none */
    wp_term *terms;
    double *residuals; /* rows_count */
    size_t terms_count, rank, clusters;
    double weight;      /* sum of weights */
    double df;          /* weight - rank, or clusters - 1 where clusters are given */
    double df_residual; /* weight - rank */
    double residual_squares, total_squares; /* about the mean where there is an intercept */
    double loglik; /* of normal errors at the variance residual_squares / weight */
} wp_linear_fit;

WP_NODISCARD wp_status wp_linear_make(wp_linear_fit *fit, const wp_design_input *input,
                                      const double *y, const wp_linear_options *options,
                                      const wp_run *run, wp_error *err);
void wp_linear_free(wp_linear_fit *fit);

#endif
