/* What the files of logistic and Poisson regression share: the state of a fit.
**
** b is in standardised terms; sums are those of the last pass over the rows: log-likelihood,
** gradient and information (lower triangle), laid out as [loglik, g, H]. */
#ifndef WP_STATS_GLM_INTERNAL_H
#define WP_STATS_GLM_INTERNAL_H

#include "stats/glm.h"

typedef struct wp__newton {
    const wp_design *design;
    const double *y;
    const wp_glm_options *options;
    const wp_run *run;
    size_t k;
    double *b, *tried, *step; /* k */
    double *sums;             /* 1 + k + k*k */
    double *factor, *inverse; /* k*k */
    bool gradient_only;       /* leave the information out of the next passes */
    double tolerance;         /* a step that promises less than this is the last one */
    double promised;          /* g' H^-1 g: twice the log-likelihood to be gained */
    int iterations;
    bool converged, separated;
} wp__newton;

static inline double wp__weight_at(const double *weights, size_t row)
{
    return weights == NULL ? 1 : weights[row];
}

/* glm_newton.c */
void wp__likelihood_visit(void *context, const wp_design *design, size_t first, size_t count,
                          double *block, double *scratch, double *sums);
wp_status wp__newton_alloc(wp__newton *state, wp_error *err);
wp_status wp__newton_fit(wp__newton *state, double mean, wp_error *err);

#endif
