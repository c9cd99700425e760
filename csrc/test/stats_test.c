/* The inner loops of fits on every width of the processor, and what is chosen instead of a sort:
** each against a plain twin. */
#include "test/test.h"

#include "base/memory.h"
#include "base/rng.h"
#include "stats/kernel.h"
#include "stats/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 72, TERMS = 11, STRIDE = 80 };

typedef struct outputs {
    double gram[TERMS * TERMS], project[TERMS], eta[ROWS], residual[ROWS], w[ROWS], exp[ROWS];
    double z[ROWS], spline[ROWS], loglik, squares, drift, dot;
    wp_figures figures;
} outputs;

typedef struct inputs {
    double z[TERMS * STRIDE], w[ROWS], y[ROWS], eta[ROWS], gaps[ROWS];
} inputs;

static double uniform(wp_rng *rng)
{
    return 2 * wp_rng_uniform(rng) - 1;
}

static void fill(inputs *in, wp_rng *rng)
{
    for (int i = 0; i < TERMS * STRIDE; i++)
        in->z[i] = uniform(rng);
    for (int i = 0; i < ROWS; i++) {
        in->w[i] = wp_rng_uniform(rng);
        in->y[i] = (double)(wp_rng_next(rng) & 1);
        in->eta[i] = 30 * uniform(rng);
        in->gaps[i] = wp_rng_below(rng, 5) == 0 ? NAN : 5 * uniform(rng);
    }
}

static void run_all(const inputs *in, unsigned width, size_t rows, outputs *out)
{
    static double scratch[4 * WP_KERNEL_ROWS];
    const wp_spline spline = {.knot = -3,
                              .before_last = 1,
                              .last = 4,
                              .before = 7.0 / 3,
                              .behind = 4.0 / 3,
                              .size = 1.0 / 49};
    memset(out, 0, sizeof *out);
    wp_kernel_limit_width(width);
    wp_kernel_gram(in->z, STRIDE, in->w, 0, TERMS, ROWS, scratch, out->gram);
    wp_kernel_project(in->z, STRIDE, in->w, TERMS, ROWS, out->project);
    wp_kernel_linear(in->z, STRIDE, in->w, TERMS, ROWS, out->eta);
    wp_kernel_standardise(in->eta, 0.3, 1.7, rows, out->z);
    out->loglik = wp_kernel_logistic(in->y, in->eta, ROWS, out->residual, out->w);
    wp_kernel_exp(in->eta, ROWS, out->exp);
    out->figures = wp_kernel_figures(in->gaps, rows);
    out->squares = wp_kernel_squares(in->gaps, 0.25, rows, &out->drift);
    out->dot = wp_kernel_dot(in->gaps, in->eta, rows);
    wp_kernel_spline(in->gaps, &spline, rows, out->spline);
    wp_kernel_limit_width(0);
}

/* Above the diagonal nothing is promised. */
static bool same(const outputs *a, outputs *b)
{
    for (int i = 0; i < TERMS; i++)
        for (int j = i + 1; j < TERMS; j++)
            b->gram[i * TERMS + j] = a->gram[i * TERMS + j];
    return memcmp(a, b, sizeof *a) == 0;
}

TEST(kernels_give_the_same_bits_at_every_width)
{
    wp_rng rng;
    wp_rng_seed(&rng, 1, 0);
    for (int round = 0; round < 40; round++) {
        static inputs in;
        static outputs narrow, wide;
        fill(&in, &rng);
        size_t rows = 1 + wp_rng_below(&rng, ROWS);
        run_all(&in, 2, rows, &narrow);
        run_all(&in, 4, rows, &wide);
        CHECK(same(&narrow, &wide));
        run_all(&in, 8, rows, &wide);
        CHECK(same(&narrow, &wide));
    }
}

static bool near(double found, double expected, double tolerance)
{
    return fabs(found - expected) <= tolerance * (1 + fabs(expected));
}

TEST(kernels_equal_plain_loops)
{
    static inputs in;
    static outputs out;
    wp_rng rng;
    wp_rng_seed(&rng, 2, 0);
    fill(&in, &rng);
    run_all(&in, 0, ROWS, &out);
    double loglik = 0, sum = 0, squares = 0, dot = 0;
    size_t numbers = 0;
    for (int i = 0; i < TERMS; i++)
        for (int j = 0; j <= i; j++) {
            double expected = 0;
            for (int row = 0; row < ROWS; row++)
                expected += in.w[row] * in.z[i * STRIDE + row] * in.z[j * STRIDE + row];
            CHECK(near(out.gram[i * TERMS + j], expected, 1e-13));
        }
    for (int row = 0; row < ROWS; row++) {
        double p = 1 / (1 + exp(-in.eta[row])), x = in.gaps[row];
        loglik += in.y[row] > 0 ? -log1p(exp(-in.eta[row])) : -log1p(exp(in.eta[row]));
        CHECK(near(out.residual[row], in.y[row] - p, 1e-14));
        CHECK(near(out.w[row], p * (1 - p), 1e-14));
        CHECK(near(out.exp[row] / exp(in.eta[row]), 1, 3e-16));
        if (x == x) {
            numbers++;
            sum += x;
            squares += (x - 0.25) * (x - 0.25);
            dot += x * in.eta[row];
        }
    }
    CHECK(near(out.loglik, loglik, 1e-13));
    CHECK(out.figures.numbers == numbers && near(out.figures.sum, sum, 1e-13));
    CHECK(near(out.squares, squares, 1e-13) && near(out.dot, dot, 1e-13));
}

TEST(exp_at_its_ends)
{
    const double x[WP_LANES] = {-INFINITY, -708.5, -708, 709.78, 710, INFINITY, -0.0, NAN};
    double out[WP_LANES];
    wp_kernel_exp(x, WP_LANES, out);
    CHECK(out[0] == 0 && out[1] == 0 && near(out[2] / exp(-708), 1, 3e-16));
    CHECK(near(out[3] / exp(709.78), 1, 3e-16) && isinf(out[4]) && isinf(out[5]));
    CHECK(out[6] == 1 && isnan(out[7]));
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Type 7 of sorted numbers. */
static double quantile_of(const double *sorted, size_t count, double chance)
{
    double h = (double)(count - 1) * chance;
    size_t place = (size_t)floor(h);
    if (place + 1 >= count)
        return sorted[count - 1];
    return sorted[place] + (h - (double)place) * (sorted[place + 1] - sorted[place]);
}

/* Shapes that leave bins empty, crowded and full of one number. */
static double drawn(wp_rng *rng, int shape)
{
    switch (shape) {
    case 0:
        return uniform(rng);
    case 1:
        return (double)wp_rng_below(rng, 7);
    case 2:
        return wp_rng_below(rng, 1000) == 0 ? 1e12 * uniform(rng) : uniform(rng);
    case 3:
        return 1e15 + (double)wp_rng_below(rng, 3);
    default:
        return wp_rng_below(rng, 5000) == 0 ? INFINITY : uniform(rng);
    }
}

TEST(quantiles_without_sorting_equal_those_of_sorted_numbers)
{
    enum { MOST = 30000 };
    const double chances[] = {0, 0.05, 0.35, 0.5, 0.65, 0.95, 0.999, 1};
    double *v = wp_alloc_array(2 * MOST, sizeof *v), *sorted = v + MOST;
    wp_rng rng;
    wp_error err;
    wp_rng_seed(&rng, 3, 0);
    for (int round = 0; v != NULL && round < 60; round++) {
        size_t count = round % 3 == 0 ? 1 + wp_rng_below(&rng, 9) : 1 + wp_rng_below(&rng, MOST);
        for (size_t i = 0; i < count; i++)
            v[i] = sorted[i] = drawn(&rng, round % 5);
        qsort(sorted, count, sizeof *sorted, by_number);
        double found[8];
        CHECK(wp_vector_select(v, count, sorted[0], sorted[count - 1], chances, 8, found, NULL,
                               &err) == WP_OK);
        for (int i = 0; i < 8; i++) {
            double expected = quantile_of(sorted, count, chances[i]);
            CHECK(found[i] == expected || near(found[i], expected, 1e-11) ||
                  (isinf(sorted[count - 1]) && isnan(expected)));
        }
    }
    wp_free(v);
}
