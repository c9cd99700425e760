/* Exact draws from discrete laws. The same seed gives the same draws on every platform: accept or
** reject decisions use only + - * / and square roots, and a logarithm of our own.
** References: inversion and BTRS (Hormann 1993) for the binomial, HRUA (Stadlober 1990) for the
** hypergeometric law; constant time per draw. */
#ifndef WP_STATS_SAMPLER_H
#define WP_STATS_SAMPLER_H

#include "base/rng.h"

#include <stddef.h>
#include <stdint.h>

/* Successes in n trials of chance p (0..1). */
uint64_t wp_rng_binomial(wp_rng *rng, uint64_t n, double p);
/* Good ones among `drawn` taken without replacement from good + bad; drawn <= good + bad. */
uint64_t wp_rng_hypergeometric(wp_rng *rng, uint64_t good, uint64_t bad, uint64_t drawn);

/* Multinomial(total draws, chances proportional to weights): counts of one bootstrap sample of the
** cases that whole weights stand for. total is the sum of weights, below 2^53. */
void wp_rng_multinomial(wp_rng *rng, const double *weights, size_t count, uint64_t total,
                        double *out);

/* Visits 0 .. total-1 in order, in runs of at most 256 slots, with how often each was drawn when
** `total` slots are drawn total times with replacement. */
typedef void (*wp_slot_visit)(void *context, uint64_t first, const uint16_t *drawn, size_t count);
void wp_rng_slots(wp_rng *rng, uint64_t total, wp_slot_visit visit, void *context);

/* out = 0 .. count-1 in random order (Fisher-Yates), or drawn with replacement. */
void wp_rng_permutation(wp_rng *rng, uint32_t *out, size_t count);
void wp_rng_replacement(wp_rng *rng, uint32_t *out, size_t count);

#endif
