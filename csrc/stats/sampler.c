/* See sampler.h. */
#include "stats/sampler.h"

#include <math.h>
#include <string.h>

/* log by atanh: x = m 2^e with m near 1, log m = 2 (s + s^3/3 + ...), s = (m - 1) / (m + 1), |s| <
** 0.172: terms up to s^21 leave less than 1e-17. Plain arithmetic, equal on every platform. */
static double plain_log(double x)
{
    int e;
    double m = frexp(x, &e);
    if (m < 0.70710678118654752)
        m *= 2, e--;
    double s = (m - 1) / (m + 1), square = s * s, sum = 0;
    for (int power = 21; power >= 1; power -= 2)
        sum = sum * square + 1.0 / power;
    return e * 0.69314718055994531 + 2 * s * sum;
}

/* log x! less its Stirling approximation (x + 1/2) log(x + 1) - (x + 1) + log(2 pi) / 2. */
static double stirling_rest(double x)
{
    static const double small[] = {0.0810614667953272,  0.0413406959554092, 0.0276779256849983,
                                   0.02079067210376509, 0.0166446911898211, 0.0138761288230707,
                                   0.0118967099458917,  0.0104112652619720, 0.00925546218271273,
                                   0.00833056343336287};
    if (x <= 9)
        return small[(int)x];
    double y = x + 1, square = y * y;
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / y;
}

static double log_factorial(double x)
{
    return (x + 0.5) * plain_log(x + 1) - (x + 1) + 0.91893853320467274 + stirling_rest(x);
}

static double power_of(double base, uint64_t exponent)
{
    double result = 1;
    for (; exponent > 0; exponent >>= 1, base *= base)
        if (exponent & 1)
            result *= base;
    return result;
}

static uint64_t binomial_by_inversion(wp_rng *rng, uint64_t n, double p)
{
    double odds = p / (1 - p), none = power_of(1 - p, n);
    for (;;) {
        double u = wp_rng_uniform(rng), chance = none;
        for (uint64_t x = 0; x <= n; x++) {
            if (u < chance)
                return x;
            u -= chance;
            chance *= (double)(n - x) / (double)(x + 1) * odds;
            if (chance < 1e-300)
                break; /* the rounding left over: draw again */
        }
    }
}

/* Transformed rejection with squeeze; n p >= 10, p <= 1/2. */
static uint64_t binomial_by_rejection(wp_rng *rng, uint64_t trials, double p)
{
    double n = (double)trials, q = 1 - p, spread = sqrt(n * p * q);
    double b = 1.15 + 2.53 * spread, a = -0.0873 + 0.0248 * b + 0.01 * p, c = n * p + 0.5;
    double fast = 0.92 - 4.2 / b, alpha = (2.83 + 5.1 / b) * spread, odds = p / q;
    double mode = floor((n + 1) * p);
    double at_mode = (mode + 0.5) * plain_log((mode + 1) / (odds * (n - mode + 1))) +
                     stirling_rest(mode) + stirling_rest(n - mode);
    for (;;) {
        double u = wp_rng_uniform(rng) - 0.5, v = wp_rng_uniform(rng), us = 0.5 - fabs(u);
        double k = floor((2 * a / us + b) * u + c);
        if (us >= 0.07 && v <= fast)
            return (uint64_t)k;
        if (!(k >= 0 && k <= n) || v <= 0)
            continue;
        double limit = at_mode + (n + 1) * plain_log((n - mode + 1) / (n - k + 1)) +
                       (k + 0.5) * plain_log(odds * (n - k + 1) / (k + 1)) - stirling_rest(k) -
                       stirling_rest(n - k);
        if (plain_log(v * alpha / (a / (us * us) + b)) <= limit)
            return (uint64_t)k;
    }
}

uint64_t wp_rng_binomial(wp_rng *rng, uint64_t n, double p)
{
    if (n == 0 || !(p > 0))
        return 0;
    if (p >= 1)
        return n;
    if (p > 0.5)
        return n - wp_rng_binomial(rng, n, 1 - p);
    return (double)n * p < 10 ? binomial_by_inversion(rng, n, p) : binomial_by_rejection(rng, n, p);
}

/* Ratio of uniforms; less = min(good, bad), drawn <= half of all. */
static double hypergeometric_by_rejection(wp_rng *rng, double less, double more, double drawn)
{
    double all = less + more, share = less / all, centre = drawn * share + 0.5;
    double spread = sqrt((all - drawn) * drawn * share * (1 - share) / (all - 1) + 0.5);
    double width = 1.7155277699214135 * spread + 0.8989161620588988;
    double mode = floor((drawn + 1) * (less + 1) / (all + 2));
    double top = log_factorial(mode) + log_factorial(less - mode) + log_factorial(drawn - mode) +
                 log_factorial(more - drawn + mode);
    double end = fmin(fmin(drawn, less) + 1, floor(centre + 16 * spread));
    for (;;) {
        double x = wp_rng_uniform(rng), y = wp_rng_uniform(rng);
        double place = centre + width * (y - 0.5) / x;
        if (!(x > 0) || !(place >= 0 && place < end))
            continue;
        double z = floor(place);
        double t = top - (log_factorial(z) + log_factorial(less - z) + log_factorial(drawn - z) +
                          log_factorial(more - drawn + z));
        if (x * (4 - x) - 3 <= t)
            return z;
        if (x * (x - t) < 1 && 2 * plain_log(x) <= t)
            return z;
    }
}

uint64_t wp_rng_hypergeometric(wp_rng *rng, uint64_t good, uint64_t bad, uint64_t drawn)
{
    uint64_t all = good + bad;
    if (drawn == 0 || good == 0)
        return 0;
    if (bad == 0)
        return drawn;
    if (drawn == all)
        return good;
    if (drawn > all / 2)
        return good - wp_rng_hypergeometric(rng, good, bad, all - drawn);
    if (drawn <= 10) {
        uint64_t found = 0;
        for (uint64_t i = 0; i < drawn; i++)
            found += wp_rng_below(rng, all - i) < good - found;
        return found;
    }
    if (good > bad)
        return drawn -
               (uint64_t)hypergeometric_by_rejection(rng, (double)bad, (double)good, (double)drawn);
    return (uint64_t)hypergeometric_by_rejection(rng, (double)good, (double)bad, (double)drawn);
}

/* Draws within a run of up to 256 equal slots, eight 8-bit numbers from one 64-bit number. */
static void draw_run(wp_rng *rng, uint64_t draws, size_t count, uint16_t *drawn)
{
    memset(drawn, 0, count * sizeof *drawn);
    if (count == 256) {
        for (; draws >= 8; draws -= 8) {
            uint64_t bits = wp_rng_next(rng);
            for (int i = 0; i < 8; i++, bits >>= 8)
                drawn[bits & 255]++;
        }
    }
    for (; draws > 0; draws--)
        drawn[wp_rng_below(rng, count)]++;
}

typedef struct slot_work {
    wp_rng *rng;
    wp_slot_visit visit;
    void *context;
} slot_work;

/* Halves the runs, and the draws between the halves by a binomial draw. */
static void draw_slots(const slot_work *work, uint64_t first, uint64_t count, uint64_t draws)
{
    if (count <= 256) {
        uint16_t drawn[256];
        draw_run(work->rng, draws, (size_t)count, drawn);
        work->visit(work->context, first, drawn, (size_t)count);
        return;
    }
    uint64_t left = (count / 2 + 255) / 256 * 256;
    uint64_t left_draws = wp_rng_binomial(work->rng, draws, (double)left / (double)count);
    draw_slots(work, first, left, left_draws);
    draw_slots(work, first + left, count - left, draws - left_draws);
}

void wp_rng_slots(wp_rng *rng, uint64_t total, wp_slot_visit visit, void *context)
{
    slot_work work = {rng, visit, context};
    if (total > 0)
        draw_slots(&work, 0, total, total);
}

void wp_rng_multinomial(wp_rng *rng, const double *weights, size_t count, uint64_t total,
                        double *out)
{
    double weight_left = (double)total;
    uint64_t left = total;
    for (size_t i = 0; i < count; i++) {
        double chance = weight_left > 0 ? weights[i] / weight_left : 0;
        uint64_t drawn = wp_rng_binomial(rng, left, chance < 1 ? chance : 1);
        out[i] = (double)drawn;
        left -= drawn;
        weight_left -= weights[i];
    }
}

void wp_rng_permutation(wp_rng *rng, uint32_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t j = (size_t)wp_rng_below(rng, i + 1);
        out[i] = out[j];
        out[j] = (uint32_t)i;
    }
}

void wp_rng_replacement(wp_rng *rng, uint32_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (uint32_t)wp_rng_below(rng, count);
}
