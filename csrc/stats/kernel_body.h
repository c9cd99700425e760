/* The loops of kernel.h for one width: included once per width by kernel.c, which defines WIDTH
** (lanes of one register), TILE_I and TILE_J (columns whose sums stay in registers together) and
** TARGET (attribute of functions). A sum has WP_LANES running sums: PARTS registers of WIDTH. */
#ifndef WP_STATS_KERNEL_BODY_H
#define WP_STATS_KERNEL_BODY_H

#define PARTS       (WP_LANES / WIDTH)
#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
#define real        JOIN(real, WIDTH)
#define real_at     JOIN(real_at, WIDTH)
#define bits        JOIN(bits, WIDTH)
#define FN(name)    JOIN(name, WIDTH)

typedef double real __attribute__((vector_size(WIDTH * 8)));
typedef double real_at __attribute__((vector_size(WIDTH * 8), aligned(8), may_alias));
typedef int64_t bits __attribute__((vector_size(WIDTH * 8)));

TARGET static inline __attribute__((always_inline)) real FN(load_)(const double *p)
{
    return *(const real_at *)p;
}

TARGET static inline __attribute__((always_inline)) void FN(store_)(double *p, real x)
{
    *(real_at *)p = x;
}

TARGET static inline __attribute__((always_inline)) double FN(total_)(const real *parts)
{
    double s[WP_LANES];
    for (int h = 0; h < PARTS; h++)
        FN(store_)(s + h * WIDTH, parts[h]);
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

/* out[j] += sum of a b_j for `nj` columns b_j, a constant where it is inlined. */
TARGET static inline __attribute__((always_inline)) void
FN(sums_)(const double *a, const double *b, size_t stride, size_t rows, int nj, double *out)
{
    real sums[4][PARTS];
#pragma GCC unroll 8
    for (int j = 0; j < nj; j++)
#pragma GCC unroll 8
        for (int h = 0; h < PARTS; h++)
            sums[j][h] = (real){0};
    for (size_t row = 0; row < rows; row += WP_LANES)
#pragma GCC unroll 8
        for (int h = 0; h < PARTS; h++) {
            real left = FN(load_)(a + row + (size_t)h * WIDTH);
#pragma GCC unroll 8
            for (int j = 0; j < nj; j++)
                sums[j][h] += left * FN(load_)(b + (size_t)j * stride + row + (size_t)h * WIDTH);
        }
#pragma GCC unroll 8
    for (int j = 0; j < nj; j++)
        out[j] += FN(total_)(sums[j]);
}

/* Sums of `ni` weighted columns with `nj` columns; both are constants where it is inlined. */
TARGET static inline __attribute__((always_inline)) void FN(tile_)(const double *a, const double *b,
                                                                   size_t stride, size_t rows,
                                                                   int ni, int nj, double *gram,
                                                                   size_t k)
{
    real sums[TILE_I][TILE_J][PARTS];
#pragma GCC unroll 8
    for (int i = 0; i < ni; i++)
#pragma GCC unroll 8
        for (int j = 0; j < nj; j++)
#pragma GCC unroll 8
            for (int h = 0; h < PARTS; h++)
                sums[i][j][h] = (real){0};
    for (size_t row = 0; row < rows; row += WP_LANES)
#pragma GCC unroll 8
        for (int h = 0; h < PARTS; h++) {
            real left[TILE_I];
#pragma GCC unroll 8
            for (int i = 0; i < ni; i++)
                left[i] = FN(load_)(a + (size_t)i * WP_KERNEL_ROWS + row + (size_t)h * WIDTH);
#pragma GCC unroll 8
            for (int j = 0; j < nj; j++) {
                real right = FN(load_)(b + (size_t)j * stride + row + (size_t)h * WIDTH);
#pragma GCC unroll 8
                for (int i = 0; i < ni; i++)
                    sums[i][j][h] += left[i] * right;
            }
        }
#pragma GCC unroll 8
    for (int i = 0; i < ni; i++)
#pragma GCC unroll 8
        for (int j = 0; j < nj; j++)
            gram[(size_t)i * k + (size_t)j] += FN(total_)(sums[i][j]);
}

/* All sums of the weighted columns i .. i + ni - 1; the last tile reaches over the diagonal. */
TARGET static inline __attribute__((always_inline)) void FN(band_)(const double *z, size_t stride,
                                                                   const double *scratch, size_t i,
                                                                   int ni, size_t rows,
                                                                   double *gram, size_t k)
{
    size_t j = 0, last = i + (size_t)ni;
    for (; j + TILE_J <= last; j += TILE_J)
        FN(tile_)(scratch, z + j * stride, stride, rows, ni, TILE_J, gram + i * k + j, k);
    for (; j < last; j++)
        FN(tile_)(scratch, z + j * stride, stride, rows, ni, 1, gram + i * k + j, k);
}

TARGET static void FN(gram_)(const double *z, size_t stride, const double *w, size_t first,
                             size_t k, size_t rows, double *scratch, double *gram)
{
    for (size_t i = first; i < k; i += TILE_I) {
        size_t ni = k - i < TILE_I ? k - i : TILE_I;
        for (size_t t = 0; t < ni; t++)
            for (size_t row = 0; row < rows; row += WIDTH)
                FN(store_)
        (scratch + t * WP_KERNEL_ROWS + row,
         FN(load_)(w + row) * FN(load_)(z + (i + t) * stride + row));
        if (ni == TILE_I)
            FN(band_)(z, stride, scratch, i, TILE_I, rows, gram, k);
        else
            for (size_t t = 0; t < ni; t++)
                FN(band_)(z, stride, scratch + t * WP_KERNEL_ROWS, i + t, 1, rows, gram, k);
    }
}

TARGET static void FN(project_)(const double *z, size_t stride, const double *r, size_t k,
                                size_t rows, double *out)
{
    size_t i = 0;
    for (; i + 4 <= k; i += 4)
        FN(sums_)(r, z + i * stride, stride, rows, 4, out + i);
    for (; i < k; i++)
        FN(sums_)(r, z + i * stride, stride, rows, 1, out + i);
}

/* Rows row .. row + 8 * groups - 1, in registers while the terms are added one after the other. */
TARGET static inline __attribute__((always_inline)) void
FN(add_terms_)(const double *z, size_t stride, const double *b, size_t k, double *eta, int groups)
{
    real sums[2 * PARTS];
#pragma GCC unroll 8
    for (int h = 0; h < groups * PARTS; h++)
        sums[h] = FN(load_)(eta + h * WIDTH);
    for (size_t i = 0; i < k; i++)
#pragma GCC unroll 8
        for (int h = 0; h < groups * PARTS; h++)
            sums[h] += b[i] * FN(load_)(z + i * stride + h * WIDTH);
#pragma GCC unroll 8
    for (int h = 0; h < groups * PARTS; h++)
        FN(store_)(eta + h * WIDTH, sums[h]);
}

TARGET static void FN(linear_)(const double *z, size_t stride, const double *b, size_t k,
                               size_t rows, double *eta)
{
    size_t row = 0;
    for (; row + 2 * WP_LANES <= rows; row += 2 * WP_LANES)
        FN(add_terms_)(z + row, stride, b, k, eta + row, 2);
    for (; row < rows; row += WP_LANES)
        FN(add_terms_)(z + row, stride, b, k, eta + row, 1);
}

TARGET static void FN(standardise_)(const double *x, double centre, double factor, size_t rows,
                                    double *z)
{
    size_t row = 0;
    for (; row + WIDTH <= rows; row += WIDTH)
        FN(store_)(z + row, (FN(load_)(x + row) - centre) * factor);
    for (; row < rows; row++)
        z[row] = (x[row] - centre) * factor;
}

TARGET static inline __attribute__((always_inline)) real FN(choose_)(bits mask, real yes, real no)
{
    return (real)(((bits)yes & mask) | ((bits)no & ~mask));
}

TARGET static void FN(figures_)(const double *x, size_t rows, wp_figures *out)
{
    real sums[PARTS], least[PARTS], most[PARTS];
    bits found[PARTS];
#pragma GCC unroll 8
    for (int h = 0; h < PARTS; h++) {
        sums[h] = (real){0};
        least[h] = (real){0} + INFINITY;
        most[h] = (real){0} - INFINITY;
        found[h] = (bits){0};
    }
    for (size_t row = 0; row < rows; row += WP_LANES)
#pragma GCC unroll 8
        for (int h = 0; h < PARTS; h++) {
            real v = FN(load_)(x + row + (size_t)h * WIDTH);
            bits is_number = v == v;
            sums[h] += (real)((bits)v & is_number);
            least[h] = FN(choose_)(v < least[h], v, least[h]);
            most[h] = FN(choose_)(v > most[h], v, most[h]);
            found[h] -= is_number;
        }
    out->sum = FN(total_)(sums);
    for (int h = 0; h < PARTS; h++)
        for (int lane = 0; lane < WIDTH; lane++) {
            out->minimum = least[h][lane] < out->minimum ? least[h][lane] : out->minimum;
            out->maximum = most[h][lane] > out->maximum ? most[h][lane] : out->maximum;
            out->numbers += (size_t)found[h][lane];
        }
}

TARGET static double FN(squares_)(const double *x, double mean, size_t rows, double *drift)
{
    real squares[PARTS], drifts[PARTS];
#pragma GCC unroll 8
    for (int h = 0; h < PARTS; h++)
        squares[h] = drifts[h] = (real){0};
    for (size_t row = 0; row < rows; row += WP_LANES)
#pragma GCC unroll 8
        for (int h = 0; h < PARTS; h++) {
            real distance = FN(load_)(x + row + (size_t)h * WIDTH) - mean;
            distance = (real)((bits)distance & (bits)(distance == distance));
            squares[h] += distance * distance;
            drifts[h] += distance;
        }
    *drift = FN(total_)(drifts);
    return FN(total_)(squares);
}

TARGET static double FN(dot_)(const double *x, const double *y, size_t rows)
{
    real sums[PARTS];
#pragma GCC unroll 8
    for (int h = 0; h < PARTS; h++)
        sums[h] = (real){0};
    for (size_t row = 0; row < rows; row += WP_LANES)
#pragma GCC unroll 8
        for (int h = 0; h < PARTS; h++) {
            real v = FN(load_)(x + row + (size_t)h * WIDTH);
            real w = FN(load_)(y + row + (size_t)h * WIDTH);
            bits both = (bits)(v == v) & (bits)(w == w);
            sums[h] += (real)((bits)(v * w) & both);
        }
    return FN(total_)(sums);
}

TARGET static inline __attribute__((always_inline)) real FN(cube_above_)(real x, double knot)
{
    real distance = x - knot;
    real cube = distance * distance * distance;
    return (real)((bits)cube & ((bits)(distance > 0.0) | (bits)(x != x)));
}

TARGET static void FN(spline_)(const double *v, const wp_spline *s, size_t rows, double *out)
{
    for (size_t row = 0; row < rows; row += WIDTH) {
        real x = FN(load_)(v + row);
        real basis = FN(cube_above_)(x, s->knot) - FN(cube_above_)(x, s->before_last) * s->before +
                     FN(cube_above_)(x, s->last) * s->behind;
        FN(store_)(out + row, basis * s->size);
    }
}

/* exp(x) for -708 <= x <= 709.78 or NaN: x = n log 2 + r with |r| <= log(2) / 2, Taylor's
** polynomial of r to the 13th power (its rest is 4e-18), and n added to the exponent. */
TARGET static inline __attribute__((always_inline)) real FN(exp_core_)(real x)
{
    const double shift = 0x1.8p52; /* n in the low bits of n + shift */
    real turned = x * 0x1.71547652b82fep0 + shift, n = turned - shift;
    real r = (x - n * 0x1.62e42feep-1) - n * 0x1.a39ef35793c76p-33;
    real r2 = r * r, r4 = r2 * r2;
    real low = (0.5 + r * (1.0 / 6)) + r2 * (1.0 / 24 + r * (1.0 / 120));
    real mid = (1.0 / 720 + r * (1.0 / 5040)) + r2 * (1.0 / 40320 + r * (1.0 / 362880));
    real top =
        (1.0 / 3628800 + r * (1.0 / 39916800)) + r2 * (1.0 / 479001600 + r * (1.0 / 6227020800.0));
    real sum = 1.0 + (r + r2 * (low + r4 * (mid + r4 * top)));
    return (real)((bits)sum + ((bits)turned << 52));
}

TARGET static void FN(exp_)(const double *x, size_t rows, double *out)
{
    for (size_t row = 0; row < rows; row += WIDTH) {
        real v = FN(load_)(x + row);
        bits tiny = v<-708.0, huge = v> 0x1.62e42fefa39efp9;
        real inside = (real)((bits)v & ~(tiny | huge));
        bits result = (bits)FN(exp_core_)(inside) & ~(tiny | huge);
        FN(store_)(out + row, (real)(result | (huge & (bits)((real){0} + INFINITY))));
    }
}

/* log(1 + e) is taken of the product of a lane's factors: at most WP_KERNEL_ROWS / WP_LANES of at
** most 2. Rows behind the last have eta = -1000 and y = 0, which add nothing. */
TARGET static double FN(logistic_)(const double *y, const double *eta, size_t rows,
                                   double *residual, double *w)
{
    real sums[PARTS], products[PARTS];
    const bits sign = (bits){0} + INT64_MIN;
#pragma GCC unroll 8
    for (int h = 0; h < PARTS; h++) {
        sums[h] = (real){0};
        products[h] = (real){0} + 1.0;
    }
    for (size_t row = 0; row < rows; row += WP_LANES)
#pragma GCC unroll 8
        for (int h = 0; h < PARTS; h++) {
            size_t at = row + (size_t)h * WIDTH;
            real x = FN(load_)(eta + at), target = FN(load_)(y + at);
            real down = (real)((bits)x | sign); /* -|x| */
            bits up = x >= 0.0, tiny = down < -708.0;
            real e = (real)((bits)FN(exp_core_)((real)((bits)down & ~tiny)) & ~tiny);
            real share = 1.0 / (1.0 + e), other = e * share;
            real p = (real)((up & (bits)share) | (~up & (bits)other));
            FN(store_)(residual + at, target - p);
            FN(store_)(w + at, other * share);
            sums[h] += target * x - (real)(up & (bits)x);
            products[h] *= 1.0 + e;
        }
    double factors[WP_LANES];
    for (int h = 0; h < PARTS; h++)
        FN(store_)(factors + h * WIDTH, products[h]);
    double low = (factors[0] * factors[4]) * (factors[2] * factors[6]);
    double high = (factors[1] * factors[5]) * (factors[3] * factors[7]);
    return FN(total_)(sums) - log(low * high);
}

#undef PARTS
#undef JOIN_
#undef JOIN
#undef real
#undef real_at
#undef bits
#undef FN
#undef WP_STATS_KERNEL_BODY_H /* for the next width */
#endif
