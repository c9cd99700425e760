/* Dose and response: the outcome per quantile group of a score, and the isotonic fit. */
#ifndef WP_STATS_DOSE_H
#define WP_STATS_DOSE_H

#include "stats/rank.h"

#define WP_DOSE_GROUPS_MAX 1024

typedef struct wp_dose_group {
    int64_t weight;  /* users in it; 0: an empty group, which ties can cause */
    double sum;      /* of the outcome */
    double squares;  /* of the outcome's distance from the group's mean */
    double cubes;    /* of the same, with its sign */
    double from, to; /* smallest and largest score */
} wp_dose_group;

/* Columns 0 (score) and 1 (outcome). Group of a user (0-based): min(G - 1, floor(G (r - 1/2) / n))
** with r the mid-rank, so equal scores share a group. binary: every outcome is 0 or 1. */
WP_NODISCARD wp_status wp_dose_table(const wp_rows *rows, size_t groups_count,
                                     wp_dose_group *groups, bool *binary, const wp_run *run,
                                     wp_error *err);

/* Weighted least squares under "never falls" by pooling adjacent violators (Ayer et al. 1955),
** O(count). weights may be NULL, else positive; NaN or infinite y is refused. */
WP_NODISCARD wp_status wp_isotonic_fit(const double *y, const double *weights, size_t count,
                                       double *fitted, wp_error *err);

#endif
