/* Cox regression (Cox 1972; ties after Efron 1977 or Breslow 1974) with strata and case
** weights, by Newton's method on the partial likelihood.
**
** Rows are sorted once by stratum and falling time; a pass adds the risk-set sums S0 = sum w r,
** S1 = sum w r z, S2 = sum w r z z' down the order (r = exp(b z)) and takes a term at every
** distinct event time. Efron's terms are l = 0 .. d-1 of S - (l/d) D, with D the same sums over the
** d tied events. Whole weights are case weights: m tied events each, so that a fit of cells equals
** that of the rows; where a tied event has a fractional weight, the rows count as events of the
** mean weight (as in R's survival).
** Cost: O(rows log rows + rows k^2) per iteration, one thread. */
#ifndef WP_STATS_COX_H
#define WP_STATS_COX_H

#include "stats/design.h"

typedef enum wp_ties { WP_EFRON, WP_BRESLOW } wp_ties;

typedef struct wp_cox_options {
    wp_ties ties;
    const double *strata;   /* NULL: one */
    const double *clusters; /* NULL: model-based covariance unless robust */
    bool robust;
    bool want_zph;      /* Grambsch & Therneau 1994 with the Kaplan-Meier transform of time */
    int iterations_max; /* 0: 50 */
} wp_cox_options;

typedef struct wp_cox_fit {
    double *estimates, *covariance, *naive; /* columns_count; squared; model-based covariance */
    wp_term *terms;                         /* columns_count */
    size_t columns_count, rank, clusters;
    double weight, events;
    double null_loglik, loglik, score; /* score test at 0 */
    double wald;                       /* b' V^-1 b with the covariance reported */
    double *zph;                       /* columns_count: chi-square of each column, df 1 */
    double zph_global;                 /* df rank */
    int iterations;
    bool converged, separated;
} wp_cox_fit;

WP_NODISCARD wp_status wp_cox_make(wp_cox_fit *fit, const wp_design_input *input,
                                   const double *time, const double *status,
                                   const wp_cox_options *options, const wp_run *run, wp_error *err);
void wp_cox_free(wp_cox_fit *fit);

#endif
