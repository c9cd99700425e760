/* Quickselect, written once for two widths; see select.h. */
#include "journey/select.h"

#define DEFINE_SELECT(NAME, TYPE)                                                                  \
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
    double wp_quantile_##NAME(TYPE *values, size_t count, double probability)                      \
    {                                                                                              \
        double place = probability * (double)(count - 1);                                          \
        size_t k = (size_t)place;                                                                  \
        TYPE here = select_##NAME(values, count, k);                                               \
        if (place == (double)k || k + 1 >= count)                                                  \
            return (double)here;                                                                   \
        TYPE next = values[k + 1];                                                                 \
        for (size_t i = k + 2; i < count; i++)                                                     \
            next = values[i] < next ? values[i] : next;                                            \
        return (double)here + ((double)next - (double)here) * (place - (double)k);                 \
    }

DEFINE_SELECT(u32, uint32_t)
DEFINE_SELECT(i64, int64_t)
