/* Order statistics of integers without sorting them.
**
** Values are counted into bins of equal relative width (32 per power of two above nought, or above
** the smallest of negative values); only the few bins that hold the wanted places are kept and
** searched by quickselect, so the cost is two steady passes without branches that guess wrong. The
** numbers are exact. */
#ifndef WP_JOURNEY_SELECT_H
#define WP_JOURNEY_SELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WP_QUANTILES_MAX 4

/* Type-7 quantiles (R's default; the median is the midpoint) of count > 0 values at up to
** WP_QUANTILES_MAX probabilities; spoils the values. Small values may count in units (such as 60 s
** in microseconds): what lies between two of them is then the same, bit for bit, in any unit. */
void wp_quantiles_u32(uint32_t *values, size_t count, double unit, const double *probabilities,
                      size_t probabilities_count, double *out);
void wp_quantiles_i64(int64_t *values, size_t count, const double *probabilities,
                      size_t probabilities_count, double *out);

/* --- The same without a list of all values -----------------------------------------------------
**
** While values come, they are counted in a tally: WP_TALLY_BINS counters, one per value below 4,096
** and 2,048 per power of two above. Its marks say which bins the quantiles lie in. Where each of
** those holds one value only, the tally knows the quantiles; else the values of the marked bins,
** hardly any, are collected in a second pass. */

#define WP_TALLY_LOG  11u
#define WP_TALLY_BINS (22u << WP_TALLY_LOG)

static inline uint32_t wp_tally_bin(uint32_t value)
{
    unsigned shift = 31 - WP_TALLY_LOG - (unsigned)__builtin_clz(value | 1u << WP_TALLY_LOG);
    return (shift << WP_TALLY_LOG) + (value >> shift);
}

/* Marks the bins, marks[WP_TALLY_BINS] being zero before, and sets *values_count to how many values
** they hold; 0 when the tally alone answers. `count` > 0 is the sum of the counters. */
void wp_tally_mark(const uint32_t *counts, size_t count, const double *probabilities,
                   size_t probabilities_count, uint8_t *marks, size_t *values_count);

/* Type-7 quantiles. `values`: those of the marked bins in any order, which it spoils; values_count
** as wp_tally_mark said. */
void wp_tally_quantiles(const uint32_t *counts, const uint8_t *marks, size_t count, double unit,
                        const double *probabilities, size_t probabilities_count, uint32_t *values,
                        size_t values_count, double *out);

#endif
