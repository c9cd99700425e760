/* What the files of the Cox regression share: the sorted rows and the sums over risk sets. */
#ifndef WP_STATS_COX_INTERNAL_H
#define WP_STATS_COX_INTERNAL_H

#include "stats/cox.h"

/* Rows of one stratum and one time: first .. last-1 of the sorted rows. */
typedef struct wp__time_group {
    size_t first, last;
    bool starts_stratum, has_events;
} wp__time_group;

typedef struct wp__cox {
    const wp_cox_options *options;
    size_t rows, k;
    double *z; /* rows * k, sorted */
    double *weight, *event, *offset, *risk;
    size_t *source;         /* row of the input */
    wp__time_group *groups; /* by stratum, time falling */
    size_t groups_count;
    double *b, *tried, *step; /* k */
    double *sums;             /* 1 + k + k*k: loglik, score, information (lower triangle) */
    double *factor, *inverse; /* k*k */
    double *risk_sums, *tied; /* 1 + k + k*k: S0 S1 S2; D0 D1 D2 */
    double *part;             /* k + k*k: score and information of one group */
    double promised;
    int iterations;
    bool converged, separated;
    double *memory;
} wp__cox;

/* How the tied events of a group are counted. */
typedef struct wp__tie_plan {
    double weight; /* of all events */
    size_t steps;  /* Efron terms */
    double each;   /* weight of one term */
} wp__tie_plan;

/* cox_risk.c: the sorted copy, risks, and the terms of one group. */
wp_status wp__cox_alloc(wp__cox *state, wp_error *err);
void wp__cox_free(wp__cox *state);
wp_status wp__cox_sort(wp__cox *state, const double *time, const double *strata, wp_error *err);
wp_status wp__cox_copy(wp__cox *state, const wp_design *design, const double *status,
                       const wp_run *run, wp_error *err);
double wp__cox_linear(const wp__cox *state, const double *b, size_t i);
void wp__cox_risks(wp__cox *state, const double *b);
wp__tie_plan wp__cox_ties(const wp__cox *state, const wp__time_group *group);
void wp__cox_enter(wp__cox *state, const wp__time_group *group);
double wp__cox_terms(wp__cox *state, const wp__time_group *group);

/* cox_extra.c: out = V (sum of cluster scores) V; fit->zph and zph_global. */
wp_status wp__cox_robust(wp__cox *state, const double *weights, double *out, size_t *clusters_count,
                         wp_error *err);
wp_status wp__cox_zph(wp_cox_fit *fit, wp__cox *state, const wp_design *design, const double *time,
                      const double *status, wp_error *err);

#endif
