/* Order statistics of integers without sorting them.
**
** Values are counted into bins of equal relative width (32 per power of two above nought, or above
** the smallest of negative values); only the few bins that hold the wanted places are kept and
** searched by quickselect, so the cost is two steady passes without branches that guess wrong. The
** numbers are exact. */
#ifndef WP_JOURNEY_SELECT_H
#define WP_JOURNEY_SELECT_H

#include <stddef.h>
#include <stdint.h>

#define WP_QUANTILES_MAX 4

/* Type-7 quantiles (R's default; the median is the midpoint) of count > 0 values at up to
** WP_QUANTILES_MAX probabilities; spoils the values. */
void wp_quantiles_u32(uint32_t *values, size_t count, const double *probabilities,
                      size_t probabilities_count, double *out);
void wp_quantiles_i64(int64_t *values, size_t count, const double *probabilities,
                      size_t probabilities_count, double *out);

#endif
