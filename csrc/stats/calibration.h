/* Are predicted probabilities right? Brier score, and the logistic recalibration of Cox 1958. */
#ifndef WP_STATS_CALIBRATION_H
#define WP_STATS_CALIBRATION_H

#include "stats/rank.h"

typedef struct wp_calibration {
    double brier;            /* mean (p - y)^2; NaN without rows */
    double rate, mean;       /* of y and of p */
    double slope, intercept; /* of logit P(y) = intercept + slope * logit p; NaN when they do not
                                exist: one class, constant p, a p of 0 or 1, separation */
    double slope_se;         /* from the information */
    double in_the_large;     /* of logit P(y) = in_the_large + logit p; NaN likewise */
    double in_the_large_se;
} wp_calibration;

/* Columns 0 (probability, 0..1) and 1 (label 0 or 1). Cost: a few passes over the rows. */
WP_NODISCARD wp_status wp_calibration_fit(const wp_rows *rows, wp_calibration *out, wp_error *err);

#endif
