/* The inner loops of every fit, over blocks of a design (design.h): the same bits on any processor.
**
** A sum over the rows of a block has eight running sums, sum s over the rows s, s + 8, s + 16, …,
** which are added in a fixed order at the end. Processors of different widths carry out these very
** additions, two, four or eight lanes at a time, and no product is fused with an addition. The
** width is chosen at run time; wp_kernel_limit_width is for tests.
**
** Rows count from 0 to a multiple of WP_LANES: callers fill the places behind the last row of a
** block (z with any finite number, weights and residuals with 0). */
#ifndef WP_STATS_KERNEL_H
#define WP_STATS_KERNEL_H

#include <stddef.h>
#include <stdint.h>

enum { WP_LANES = 8, WP_KERNEL_ROWS = 256 };

/* gram[i * k + j] += sum of w z_i z_j for i = first .. k-1, j = 0 .. i. z_i starts at
** z + i * stride. scratch: 4 * WP_KERNEL_ROWS places; at most WP_KERNEL_ROWS rows. Places
** of gram above the diagonal are left in no particular state. */
void wp_kernel_gram(const double *z, size_t stride, const double *w, size_t first, size_t k,
                    size_t rows, double *scratch, double *gram);
/* out[i] += sum of r z_i, i = 0 .. k-1. */
void wp_kernel_project(const double *z, size_t stride, const double *r, size_t k, size_t rows,
                       double *out);
/* eta[row] += sum over i of b[i] z_i[row], term after term. */
void wp_kernel_linear(const double *z, size_t stride, const double *b, size_t k, size_t rows,
                      double *eta);
/* z = (x - centre) * factor; any number of rows. */
void wp_kernel_standardise(const double *x, double centre, double factor, size_t rows, double *z);
/* Logistic regression with mean p(eta): residual = y - p, w = p (1 - p); returns the
** log-likelihood, sum of y eta - log(1 + exp(eta)). Rows behind the last: y = 0, eta = -1000. At
** most WP_KERNEL_ROWS rows. */
double wp_kernel_logistic(const double *y, const double *eta, size_t rows, double *residual,
                          double *w);
/* out = exp(x), 1.6e-16 of it away at most; 0 below -708, infinite above 709.78. */
void wp_kernel_exp(const double *x, size_t rows, double *out);

/* How many of x are numbers (others: NaN, missing), their sum and range; any number of rows. */
typedef struct wp_figures {
    size_t numbers;
    double sum, minimum, maximum;
} wp_figures;
wp_figures wp_kernel_figures(const double *x, size_t rows);
/* Sum of (x - mean)^2 and, in *drift, of x - mean over the numbers among x; any number of rows. */
double wp_kernel_squares(const double *x, double mean, size_t rows, double *drift);
/* Sum of x y where both are numbers; any number of rows. */
double wp_kernel_dot(const double *x, const double *y, size_t rows);
/* One column of a restricted cubic spline (vector.h): with (x)+ = x above 0, else 0,
** ((v - knot)+^3 - before * (v - before_last)+^3 + behind * (v - last)+^3) * size. Any number of
** rows. */
typedef struct wp_spline {
    double knot, before_last, last;
    double before, behind, size;
} wp_spline;
void wp_kernel_spline(const double *v, const wp_spline *s, size_t rows, double *out);

/* out = table[code] for codes of one byte or two; any number of rows. */
void wp_kernel_look_up_8(const uint8_t *codes, const double *table, size_t table_count, size_t rows,
                         double *out);
void wp_kernel_look_up_16(const uint16_t *codes, const double *table, size_t rows, double *out);

/* Lanes that a processor may use at once: 2, 4, 8 (0: all that it has). For tests only. */
void wp_kernel_limit_width(unsigned lanes);

#endif
