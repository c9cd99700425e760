/* Order statistics of integers without sorting them: quickselect with a median-of-three pivot that
** falls back to nothing worse than repeated halving on equal values (three-way partition). */
#ifndef WP_JOURNEY_SELECT_H
#define WP_JOURNEY_SELECT_H

#include <stddef.h>
#include <stdint.h>

/* Type-7 quantile (R's default; the median is the midpoint) of count > 0 values; reorders them. */
double wp_quantile_u32(uint32_t *values, size_t count, double probability);
double wp_quantile_i64(int64_t *values, size_t count, double probability);

#endif
