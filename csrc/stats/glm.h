/* Logistic and Poisson regression by Newton's method (equal to iteratively reweighted least
** squares for these canonical links; McCullagh & Nelder 1989, section 2.5), optionally with Firth's
** penalty (Firth 1993; Heinze & Schemper 2002).
**
** Logistic: y in 0..1 (a share, where weights are trials), mean p = 1 / (1 + exp(-eta)).
** Poisson:  y >= 0, mean exp(eta).
** Newton step b += (Z'WZ)^-1 Z'm(y - mean), with halving when the likelihood falls; ends when the
** step promises less than 1e-14 of log-likelihood per event (at most 1e-9), after that step. Large
** fits start from a fit to every 16th chunk; rows of few different numbers are grouped first.
** Separation is proved, not guessed: a direction d with s_i z_i . d >= 0 in all rows (s = sign of
** y) along which the likelihood only rises (Albert & Anderson 1984). Estimates of the terms in d
** are then missing; loglik is its limit. Cost: O(rows k^2) per iteration, about 8 iterations. */
#ifndef WP_STATS_GLM_H
#define WP_STATS_GLM_H

#include "stats/design.h"

typedef enum wp_family { WP_LOGISTIC, WP_POISSON } wp_family;

typedef struct wp_glm_options {
    wp_family family;
    bool firth;             /* logistic only */
    bool robust;            /* sandwich covariance, HC1 */
    bool rough;             /* estimates to a thousandth of their errors are good enough */
    const double *clusters; /* cluster of each row (any numbers), or NULL; implies robust */
    const double *start;    /* 1 + columns_count estimates of an earlier fit (NaN: 0), or NULL */
    int iterations_max;     /* 0: 100 */
} wp_glm_options;

typedef struct wp_glm_fit {
    double *estimates;  /* terms_count = 1 + columns_count, intercept first; NaN where none */
    double *covariance; /* terms_count squared; NaN where none */
    wp_term *terms;     /* terms_count */
    size_t terms_count;
    size_t rank;   /* terms fitted */
    double weight; /* sum of weights */
    double events; /* sum of weights * y */
    double loglik, null_loglik, deviance, null_deviance;
    double pearson; /* sum of weights (y - mean)^2 / mean; Poisson, else NaN */
    double penalty; /* log det of the information / 2; 0 without firth */
    double df;      /* clusters - 1 where clusters are given, else NaN: use the normal law */
    size_t clusters;
    int iterations;
    bool converged, separated;
    double *fitted; /* rows_count means, when asked for */
} wp_glm_fit;

/* input has no missing numbers and weights above 0; y likewise. want_fitted fills fit->fitted. */
WP_NODISCARD wp_status wp_glm_make(wp_glm_fit *fit, const wp_design_input *input, const double *y,
                                   const wp_glm_options *options, bool want_fitted,
                                   const wp_run *run, wp_error *err);
void wp_glm_free(wp_glm_fit *fit);

#endif
