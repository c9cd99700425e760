/* The area under the ROC curve with DeLong's variance, exact and in O(n log n).
**
** AUC = P(score of a positive > score of a negative) + P(equal) / 2. Labels are 0 or 1 (NaN:
** missing); weights as in rank.h. DeLong, DeLong & Clarke-Pearson 1988 through the mid-ranks of
** Sun & Xu 2014: V10_i = (r_i - r1_i) / n0, V01_j = 1 - (r_j - r0_j) / n1. All sums are exact. */
#ifndef WP_STATS_AUC_H
#define WP_STATS_AUC_H

#include "stats/rank.h"

typedef struct wp_auc {
    double estimate;      /* NaN when a class is empty */
    double variance;      /* DeLong; NaN when a class has fewer than 2 */
    double null_variance; /* of the estimate when scores and labels are unrelated, ties included */
    int64_t n1, n0, missing;
    int64_t high1, high0; /* weight at the larger score when there are just two distinct scores */
    size_t distinct;      /* distinct scores */
} wp_auc;

WP_NODISCARD wp_status wp_auc_delong(const double *scores, const double *labels,
                                     const double *weights, size_t rows_count, const wp_run *run,
                                     wp_auc *out, wp_error *err);

/* Two scores of the same people. covariance is NaN where a variance is. */
typedef struct wp_auc_pair {
    wp_auc a, b;
    double covariance;
} wp_auc_pair;
WP_NODISCARD wp_status wp_auc_compare(const double *a, const double *b, const double *labels,
                                      const double *weights, size_t rows_count, const wp_run *run,
                                      wp_auc_pair *out, wp_error *err);

/* Newcombe 2006, method 5: all x with |estimate - x| <= z sqrt(V(x)),
** V(x) = x (1 - x) [1 + N (1 - x) / (2 - x) + N x / (1 + x)] / (n1 n0), N = (n1 + n0) / 2 - 1. */
void wp_auc_score_interval(double estimate, double n1, double n0, double z, double *low,
                           double *high);

#endif
