/* Order statistics, written once for two widths; see select.h. */
#include "journey/select.h"

#include <string.h>

#define BINS     1920u
#define BINS_LOG 5   /* 32 bins per power of two */
#define LANES    4   /* neighbours of one bin would wait for each other's count */
#define FEW      512 /* below this, clearing the bins costs more than it saves */

/* Rises with the key: the key itself below 64, then its power of two and leading bits. */
static inline unsigned bin_of(uint64_t key)
{
    unsigned shift = 63 - (unsigned)__builtin_clzll(key | 1u << BINS_LOG) - BINS_LOG;
    return (shift << BINS_LOG) + (unsigned)(key >> shift);
}

/* Places k and k + 1 that a quantile lies between, and how far. */
static size_t place_of(double probability, size_t count, double *part)
{
    double place = probability * (double)(count - 1);
    size_t k = (size_t)place;
    *part = k + 1 < count ? place - (double)k : 0;
    return k;
}

/* Marks the bins that hold the places k and k + 1 of each probability. */
static void mark_bins(const uint32_t *counts, size_t count, const double *probabilities,
                      size_t probabilities_count, uint8_t *marks)
{
    for (size_t p = 0; p < probabilities_count; p++) {
        double part;
        size_t k = place_of(probabilities[p], count, &part), below = 0;
        size_t last = part > 0 ? k + 1 : k;
        for (unsigned bin = 0; below <= last; below += counts[bin++])
            marks[bin] |= counts[bin] > 0 && below + counts[bin] > k;
    }
}

#define DEFINE_QUANTILES(NAME, TYPE, IS_SIGNED)                                                    \
    /* Puts the k-th smallest at place k, smaller ones before it, larger ones after it. */         \
    static TYPE select_##NAME(TYPE *v, size_t count, size_t k)                                     \
    {                                                                                              \
        size_t low = 0, high = count; /* [low, high) holds place k */                              \
        while (high - low > 1) {                                                                   \
            TYPE a = v[low], b = v[low + (high - low) / 2], c = v[high - 1];                       \
            TYPE pivot = a < b ? (b < c ? b : (a < c ? c : a)) : (a < c ? a : (b < c ? c : b));    \
            size_t less = low, i = low, more = high;                                               \
            while (i < more) {                                                                     \
                TYPE x = v[i];                                                                     \
                if (x < pivot) {                                                                   \
                    v[i++] = v[less];                                                              \
                    v[less++] = x;                                                                 \
                } else if (x > pivot) {                                                            \
                    v[i] = v[--more];                                                              \
                    v[more] = x;                                                                   \
                } else {                                                                           \
                    i++;                                                                           \
                }                                                                                  \
            }                                                                                      \
            if (k < less)                                                                          \
                high = less;                                                                       \
            else if (k >= more)                                                                    \
                low = more;                                                                        \
            else                                                                                   \
                return pivot;                                                                      \
        }                                                                                          \
        return v[k];                                                                               \
    }                                                                                              \
    /* Between places k and k + 1. */                                                              \
    static double quantile_##NAME(TYPE *values, size_t count, size_t k, double part, double unit)  \
    {                                                                                              \
        TYPE here = select_##NAME(values, count, k);                                               \
        if (part == 0)                                                                             \
            return (double)here * unit;                                                            \
        TYPE next = values[k + 1];                                                                 \
        for (size_t i = k + 2; i < count; i++)                                                     \
            next = values[i] < next ? values[i] : next;                                            \
        return (double)here * unit + ((double)next - (double)here) * unit * part;                  \
    }                                                                                              \
    /* Moves the values of marked bins to the front, in order; returns how many. */                \
    static size_t keep_##NAME(TYPE *values, size_t count, TYPE lowest, const uint8_t *marks)       \
    {                                                                                              \
        size_t kept = 0;                                                                           \
        for (size_t i = 0; i < count; i++) {                                                       \
            TYPE value = values[i];                                                                \
            values[kept] = value;                                                                  \
            kept += marks[bin_of((uint64_t)value - (uint64_t)lowest)];                             \
        }                                                                                          \
        return kept;                                                                               \
    }                                                                                              \
    static void quantiles_##NAME(TYPE *values, size_t count, double unit,                          \
                                 const double *probabilities, size_t probabilities_count,          \
                                 double *out)                                                      \
    {                                                                                              \
        if (count < FEW) {                                                                         \
            for (size_t p = 0; p < probabilities_count; p++) {                                     \
                double part;                                                                       \
                size_t k = place_of(probabilities[p], count, &part);                               \
                out[p] = quantile_##NAME(values, count, k, part, unit);                            \
            }                                                                                      \
            return;                                                                                \
        }                                                                                          \
        uint32_t lanes[LANES][BINS] = {0}, *counts = lanes[0];                                     \
        uint8_t marks[BINS] = {0};                                                                 \
        TYPE lowest = 0; /* bins are fine enough for what is not negative */                       \
        for (size_t i = 0; IS_SIGNED && i < count; i++)                                            \
            lowest = values[i] < lowest ? values[i] : lowest;                                      \
        for (size_t i = 0; i < count; i++)                                                         \
            lanes[i % LANES][bin_of((uint64_t)values[i] - (uint64_t)lowest)]++;                    \
        for (unsigned bin = 0; bin < BINS; bin++)                                                  \
            counts[bin] += lanes[1][bin] + lanes[2][bin] + lanes[3][bin];                          \
        mark_bins(counts, count, probabilities, probabilities_count, marks);                       \
        size_t kept = keep_##NAME(values, count, lowest, marks);                                   \
        for (size_t p = 0; p < probabilities_count; p++) {                                         \
            double part;                                                                           \
            size_t k = place_of(probabilities[p], count, &part), dropped = 0, below = 0;           \
            for (unsigned bin = 0; below + counts[bin] <= k; below += counts[bin++])               \
                dropped += marks[bin] ? 0 : counts[bin];                                           \
            out[p] = quantile_##NAME(values, kept, k - dropped, part, unit);                       \
        }                                                                                          \
    }

DEFINE_QUANTILES(u32, uint32_t, false)
DEFINE_QUANTILES(i64, int64_t, true)

void wp_quantiles_u32(uint32_t *values, size_t count, double unit, const double *probabilities,
                      size_t probabilities_count, double *out)
{
    quantiles_u32(values, count, unit, probabilities, probabilities_count, out);
}

void wp_quantiles_i64(int64_t *values, size_t count, const double *probabilities,
                      size_t probabilities_count, double *out)
{
    quantiles_i64(values, count, 1, probabilities, probabilities_count, out);
}

/* --- Tallies --------------------------------------------------------------------------------- */

void wp_tally_mark(const uint32_t *counts, size_t count, const double *probabilities,
                   size_t probabilities_count, uint8_t *marks, size_t *values_count)
{
    bool exact = true;
    size_t marked = 0, below = 0;
    mark_bins(counts, count, probabilities, probabilities_count, marks);
    for (uint32_t bin = 0; below < count; below += counts[bin++]) {
        marked += marks[bin] != 0 ? counts[bin] : 0;
        exact = exact && (marks[bin] == 0 || bin < 2u << WP_TALLY_LOG);
    }
    *values_count = exact ? 0 : marked;
}

/* The value at place k when all bins up to there hold one value each. */
static double exact_at(const uint32_t *counts, size_t k)
{
    uint32_t bin = 0;
    for (size_t below = 0; (below += counts[bin]) <= k;)
        bin++;
    return bin;
}

void wp_tally_quantiles(const uint32_t *counts, const uint8_t *marks, size_t count, double unit,
                        const double *probabilities, size_t probabilities_count, uint32_t *values,
                        size_t values_count, double *out)
{
    for (size_t p = 0; p < probabilities_count; p++) {
        double part;
        size_t k = place_of(probabilities[p], count, &part), dropped = 0, below = 0;
        if (values_count == 0) {
            double here = exact_at(counts, k);
            double step = part == 0 ? 0 : (exact_at(counts, k + 1) - here) * unit * part;
            out[p] = here * unit + step;
            continue;
        }
        for (uint32_t bin = 0; below + counts[bin] <= k; below += counts[bin++])
            dropped += marks[bin] != 0 ? 0 : counts[bin];
        out[p] = quantile_u32(values, values_count, k - dropped, part, unit);
    }
}
