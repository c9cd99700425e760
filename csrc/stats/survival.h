/* Kaplan-Meier curves, log-rank tests and concordance for right-censored times.
**
** Status is 1 (event) or 0 (censored); no number is missing. Weights are case weights: figures of
** cells equal those of the rows. Cost: one sort, then linear (concordance: rows log rows). */
#ifndef WP_STATS_SURVIVAL_H
#define WP_STATS_SURVIVAL_H

#include "stats/vector.h"

/* A curve has one place per distinct time, ascending. Columns are views into one block. */
typedef struct wp_curve {
    size_t count;
    double *time, *at_risk, *events, *censored;
    double *survival; /* product of 1 - d/n */
    double *se;       /* of log survival: sqrt(sum d / (n (n - d))) (Greenwood) */
} wp_curve;
WP_NODISCARD wp_status wp_curve_make(wp_curve *curve, const double *time, const double *status,
                                     const double *weights, size_t rows, wp_error *err);
void wp_curve_free(wp_curve *curve);
/* First time at which `line` (falling, count places) is at or below 1 - p; where it equals it,
** midway to the next fall, as R's quantile.survfit. NaN when it never falls so far. */
double wp_curve_quantile(const wp_curve *curve, const double *line, double p);

typedef struct wp_log_rank {
    size_t groups;
    double *group, *n, *observed, *expected; /* groups places, views into one block */
    double *variance;                        /* groups squared */
    double statistic;                        /* chi-square, df = groups - 1; NaN without events */
} wp_log_rank;
/* Weights (1 - pooled survival before t)^0 for rho = 0, S(t-)^rho in general (Harrington & Fleming
** 1982); stratified when strata is not NULL. */
WP_NODISCARD wp_status wp_log_rank_make(wp_log_rank *test, const double *time, const double *status,
                                        const double *group, const double *strata,
                                        const double *weights, double rho, size_t rows,
                                        wp_error *err);
void wp_log_rank_free(wp_log_rank *test);

/* Pairs in which the earlier time is an event (censored at the same time counts as later);
** concordant when the earlier one has the higher score (Harrell, Lee & Mark 1996). */
typedef struct wp_concordance {
    double estimate, se; /* infinitesimal jackknife over rows */
    double concordant, discordant, tied_score, tied_time;
} wp_concordance;
/* uno: pairs weighted by 1 / G(t-)^2, G the Kaplan-Meier curve of censoring (Uno et al. 2011); the
** counts are then weighted counts. */
WP_NODISCARD wp_status wp_concordance_make(wp_concordance *result, const double *score,
                                           const double *time, const double *status,
                                           const double *weights, bool uno, size_t rows,
                                           wp_error *err);

#endif
