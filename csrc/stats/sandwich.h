/* Robust covariance A^-1 B A^-1 of estimates with scores u_i = z_i r_i: B sums u u' over rows
** (HC1, factor n / (n - k)) or over clusters after adding the scores within each
** (factor C / (C - 1) * (n - 1) / (n - k)); Liang & Zeger 1986, sandwich::vcovCL(type = "HC1").
** A row of weight m stands for m rows in the same cluster, or for m rows of their own. */
#ifndef WP_STATS_SANDWICH_H
#define WP_STATS_SANDWICH_H

#include "stats/design.h"

/* inverse: A^-1 in the terms of the design (k x k); residuals: r_i per row, unweighted.
** out (k x k). clusters NULL: rows. *clusters_count is set. Fails when there is one cluster. */
WP_NODISCARD wp_status wp_sandwich_make(const wp_design *design, const double *inverse,
                                        const double *residuals, const double *clusters,
                                        double *out, size_t *clusters_count, const wp_run *run,
                                        wp_error *err);

#endif
