/* The truths of the bench: how people behave, what leads to the outcome, and the events they leave.
 */
#ifndef BENCH_TRUTHS_H
#define BENCH_TRUTHS_H

#include "base/rng.h"

#include <stdio.h>

enum { OTHERS = 10, BOARD = 200 };

/* Who a person is and what they did in the first week; x, z, v are standardised logs of the metric,
** of all events, and of all but the metric. */
typedef struct person {
    long id, users;
    double e, f, s, entry;
    int channel, account, bot;
    double account_trait, account_metric;
    int other[OTHERS], metric, volume, total;
    double x, z, v;
    double half; /* HALVES: activity noise of the first half of the week */
} person;

typedef struct world {
    double intercept, metric_mean, metric_sd, total_mean, total_sd, volume_mean, volume_sd;
} world;

typedef struct truth truth;

const truth *truth_find(const char *name);
void truth_list(FILE *file);
void truth_person(const truth *t, person *p, wp_rng *rng);
double truth_link(const truth *t, const person *p);
void truth_emit(const truth *t, const person *p, double log_odds, wp_rng *rng);

#endif
