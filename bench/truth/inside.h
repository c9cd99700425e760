/* What the two halves of the truths share: the parameters of a truth, and random numbers. */
#ifndef BENCH_INSIDE_H
#define BENCH_INSIDE_H

#include "truths.h"

#include <math.h>

enum link {
    PLAIN,
    DOSE,
    SEGMENT_ONE,
    SEGMENT_OPPOSITE,
    SEGMENT_EIGHT,
    DECAY,
    SIMPSON,
    LINKED_TOO,
    HAS,
    LAUNCH,
    SEASON,
    WEEKEND,
    ACCOUNT,
    CURVE
};
enum layout { WEEK, HALVES, INFORMED, LAPSE, DAILY, STEP, RETRY, IMMORTAL, TWIN, BOARDS, SHARED };

struct truth {
    const char *name;
    double phi, own, m0, me, mf, ms, mo; /* counts */
    double oe, oz, ov, ox;               /* outcome */
    enum link link;
    enum layout layout;
    double rare;     /* share of people who have the metric at all; 0: counts as above */
    double from_day; /* the metric exists since, in days of the log (LAPSE: of the person) */
    double bots;     /* share of bots */
    double growth;   /* 0: arrivals uniform over 100 days; else most come late */
    double money;    /* log SD of a purchase's value; 0: 1 */
};

#define NOISY  .m0 = 0.1823215568, .me = 0.6, .oe = 0.8
#define LINKED .phi = 0.3, .m0 = -0.3, .me = 0.35, .mf = 0.3, .ms = 0.75
#define THIN   .phi = 0.3, .m0 = 0.2623642645, .me = 0.6, .mf = 1

static inline double uniform(wp_rng *rng)
{
    return wp_rng_uniform(rng);
}

static inline double normal(wp_rng *rng)
{
    double radius = sqrt(-2 * log(1 - uniform(rng)));
    return radius * cos(6.283185307179586 * uniform(rng));
}

static inline double exponential(wp_rng *rng, double mean)
{
    return -mean * log(1 - uniform(rng));
}

/* By multiplication, in parts of at most 30; means beyond 400 count as 400. */
static inline int poisson(wp_rng *rng, double mean)
{
    int count = 0;
    mean = mean > 400 ? 400 : mean;
    while (mean > 0) {
        double part = mean > 30 ? 30 : mean, limit = exp(-part), product = uniform(rng);
        for (; product > limit; count++)
            product *= uniform(rng);
        mean -= part;
    }
    return count;
}

static inline int binomial(wp_rng *rng, int n, double chance)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        count += uniform(rng) < chance;
    return count;
}

static inline double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

extern const double truth_means[OTHERS];

#endif
