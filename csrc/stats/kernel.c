/* See kernel.h. kernel_body.h holds the loops once; here they are compiled for each width that the
** compiler knows, and the processor's own is chosen on each call (a load and a jump per block). */
#include "stats/kernel.h"

#include <math.h>
#include <stdint.h>

/* A fused product would round once where other widths round twice. */
#if defined(__clang__)
#    pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#    pragma GCC optimize("fp-contract=off")
#endif

#define WIDTH  2
#define TILE_I 1
#define TILE_J 2
#define TARGET
#include "stats/kernel_body.h"
#undef WIDTH
#undef TILE_I
#undef TILE_J
#undef TARGET

#if defined(__x86_64__) && defined(__GNUC__)
#    include <immintrin.h>
#    define WIDE 1

#    define WIDTH  4
#    define TILE_I 2
#    define TILE_J 3
#    define TARGET __attribute__((target("avx2")))
#    include "stats/kernel_body.h"
#    undef WIDTH
#    undef TILE_I
#    undef TILE_J
#    undef TARGET

#    define WIDTH  8
#    define TILE_I 4
#    define TILE_J 4
#    define TARGET __attribute__((target("avx512f,avx512dq")))
#    include "stats/kernel_body.h"
#    undef WIDTH
#    undef TILE_I
#    undef TILE_J
#    undef TARGET
#endif

static unsigned width_limit;

void wp_kernel_limit_width(unsigned lanes)
{
    width_limit = lanes;
}

static unsigned width(void)
{
#if defined(WIDE)
    unsigned limit = width_limit == 0 ? WP_LANES : width_limit;
    if (limit >= 8 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
        return 8;
    if (limit >= 4 && __builtin_cpu_supports("avx2"))
        return 4;
#endif
    return 2;
}

#if defined(WIDE)
#    define RUN(name, ...)                                                                         \
        (width() == 8   ? name##_8(__VA_ARGS__)                                                    \
         : width() == 4 ? name##_4(__VA_ARGS__)                                                    \
                        : name##_2(__VA_ARGS__))
#else
#    define RUN(name, ...) name##_2(__VA_ARGS__)
#endif

#if defined(WIDE)
/* A table of 16 numbers fits two registers. */
enum { SMALL_TABLE = 16 };

__attribute__((target("avx512f,avx512dq"))) static size_t look_up_small(const uint8_t *codes,
                                                                        const double *table,
                                                                        size_t table_count,
                                                                        size_t rows, double *out)
{
    double padded[SMALL_TABLE] = {0};
    for (size_t i = 0; i < table_count; i++)
        padded[i] = table[i];
    __m512d low = _mm512_loadu_pd(padded), high = _mm512_loadu_pd(padded + 8);
    size_t row = 0;
    for (; row + 8 <= rows; row += 8) {
        __m512i code = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const void *)(codes + row)));
        _mm512_storeu_pd(out + row, _mm512_permutex2var_pd(low, code, high));
    }
    return row;
}
#endif

void wp_kernel_look_up_8(const uint8_t *codes, const double *table, size_t table_count, size_t rows,
                         double *out)
{
    size_t row = 0;
#if defined(WIDE)
    if (table_count <= SMALL_TABLE && width() == 8)
        row = look_up_small(codes, table, table_count, rows, out);
#endif
    for (; row + 4 <= rows; row += 4)
        for (size_t i = 0; i < 4; i++)
            out[row + i] = table[codes[row + i]];
    for (; row < rows; row++)
        out[row] = table[codes[row]];
}

void wp_kernel_look_up_16(const uint16_t *codes, const double *table, size_t rows, double *out)
{
    size_t row = 0;
    for (; row + 4 <= rows; row += 4)
        for (size_t i = 0; i < 4; i++)
            out[row + i] = table[codes[row + i]];
    for (; row < rows; row++)
        out[row] = table[codes[row]];
}

void wp_kernel_gram(const double *z, size_t stride, const double *w, size_t first, size_t k,
                    size_t rows, double *scratch, double *gram)
{
    RUN(gram, z, stride, w, first, k, rows, scratch, gram);
}

void wp_kernel_project(const double *z, size_t stride, const double *r, size_t k, size_t rows,
                       double *out)
{
    RUN(project, z, stride, r, k, rows, out);
}

void wp_kernel_linear(const double *z, size_t stride, const double *b, size_t k, size_t rows,
                      double *eta)
{
    RUN(linear, z, stride, b, k, rows, eta);
}

void wp_kernel_standardise(const double *x, double centre, double factor, size_t rows, double *z)
{
    RUN(standardise, x, centre, factor, rows, z);
}

double wp_kernel_logistic(const double *y, const double *eta, size_t rows, double *residual,
                          double *w)
{
    return RUN(logistic, y, eta, rows, residual, w);
}

void wp_kernel_exp(const double *x, size_t rows, double *out)
{
    RUN(exp, x, rows, out);
}

/* The rows behind the last whole group of eight, with missing numbers behind them. */
static size_t copy_rest(const double *x, size_t rows, double *rest)
{
    size_t whole = rows / WP_LANES * WP_LANES;
    for (size_t i = 0; i < WP_LANES; i++)
        rest[i] = whole + i < rows ? x[whole + i] : NAN;
    return whole;
}

wp_figures wp_kernel_figures(const double *x, size_t rows)
{
    double rest[WP_LANES];
    size_t whole = copy_rest(x, rows, rest);
    wp_figures out = {0, 0, INFINITY, -INFINITY}, tail = out;
    RUN(figures, x, whole, &out);
    RUN(figures, rest, WP_LANES, &tail);
    out.sum += tail.sum;
    out.numbers += tail.numbers;
    out.minimum = tail.minimum < out.minimum ? tail.minimum : out.minimum;
    out.maximum = tail.maximum > out.maximum ? tail.maximum : out.maximum;
    return out;
}

double wp_kernel_squares(const double *x, double mean, size_t rows, double *drift)
{
    double rest[WP_LANES], more;
    size_t whole = copy_rest(x, rows, rest);
    double squares = RUN(squares, x, mean, whole, drift);
    squares += RUN(squares, rest, mean, WP_LANES, &more);
    *drift += more;
    return squares;
}

double wp_kernel_dot(const double *x, const double *y, size_t rows)
{
    double rest[WP_LANES], rest_y[WP_LANES];
    size_t whole = copy_rest(x, rows, rest);
    copy_rest(y, rows, rest_y);
    double sum = RUN(dot, x, y, whole);
    return sum + RUN(dot, rest, rest_y, WP_LANES);
}

void wp_kernel_spline(const double *v, const wp_spline *s, size_t rows, double *out)
{
    double rest[WP_LANES];
    size_t whole = copy_rest(v, rows, rest);
    RUN(spline, v, s, whole, out);
    RUN(spline, rest, s, WP_LANES, rest);
    for (size_t i = whole; i < rows; i++)
        out[i] = rest[i - whole];
}
