/* Random numbers: xoshiro256** (Blackman & Vigna 2018, public domain algorithm), seeded by
** splitmix64 from (seed, stream). The same seed gives the same bits on every platform; each chunk
** of parallel work takes its own stream, so results do not depend on the number of threads. */
#ifndef WP_BASE_RNG_H
#define WP_BASE_RNG_H

#include <stdint.h>

typedef struct wp_rng {
    uint64_t s[4];
} wp_rng;

static inline uint64_t wp_splitmix64(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static inline void wp_rng_seed(wp_rng *rng, uint64_t seed, uint64_t stream)
{
    uint64_t state = seed;
    state = wp_splitmix64(&state) ^ (stream * 0xd1342543de82ef95ULL);
    for (int i = 0; i < 4; i++)
        rng->s[i] = wp_splitmix64(&state);
}

static inline uint64_t wp_rng_next(wp_rng *rng)
{
    uint64_t *s = rng->s, x = s[1] * 5, t = s[1] << 17;
    uint64_t result = ((x << 7) | (x >> 57)) * 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return result;
}

/* Uniform in [0, 1), 53 bits. */
static inline double wp_rng_uniform(wp_rng *rng)
{
    return (double)(wp_rng_next(rng) >> 11) * 0x1p-53;
}

/* Uniform integer in [0, limit), limit > 0, without bias (Lemire 2019). */
static inline uint64_t wp_rng_below(wp_rng *rng, uint64_t limit)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)wp_rng_next(rng) * limit;
    if ((uint64_t)product < limit) {
        uint64_t floor = -limit % limit;
        while ((uint64_t)product < floor)
            product = (wide)wp_rng_next(rng) * limit;
    }
    return (uint64_t)(product >> 64);
}

#endif
