/* Operations on plain arrays of doubles in which a missing number is NaN.
**
** Elementwise functions (those of two sides are in map.h) keep missing numbers missing. Sums leave
** missing numbers out, with their weights. Weights are case weights: a weight of 3 stands for three
** equal rows, so that every figure of grouped cells equals that of the rows. NULL weights are ones.
** Sums run over fixed blocks in order: the same bits for any number of threads. All functions are
** linear in the length unless they say otherwise. */
#ifndef WP_STATS_VECTOR_H
#define WP_STATS_VECTOR_H

#include "base/error.h"
#include "base/pool.h"
#include "stats/kernel.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* out = (v - mean) / sd. Parallel. */
WP_NODISCARD wp_status wp_vector_scale(const double *v, double mean, double sd, size_t count,
                                       double *out, const wp_run *run, wp_error *err);
typedef struct wp_moments {
    size_t rows;   /* rows with a number and a weight above 0 */
    double weight; /* sum of weights over them */
    double sum, mean, minimum, maximum;
    double variance; /* divisor weight - 1; missing when weight <= 1 */
} wp_moments;
/* Of v, or of what `curve` makes of it where there is one. */
wp_moments wp_vector_moments(const double *v, const wp_spline *curve, const double *weights,
                             size_t count);
/* The same numbers without weights, in parallel. `variance`: or only those that one pass gives; the
** mean is then not the corrected one. */
WP_NODISCARD wp_status wp_vector_measure(const double *v, const wp_spline *curve, size_t count,
                                         bool variance, wp_moments *out, const wp_run *run,
                                         wp_error *err);

/* Distinct numbers of a column in ascending order and the place of every row among them; the one
** sort that distinct, order, ranks and quantiles share. Missing numbers come first (one value);
** -0 equals 0. Cost: a hash pass when there are few values, a radix sort otherwise. */
typedef struct wp_factor {
    uint32_t *codes; /* count: index into numbers */
    double *numbers; /* numbers_count: ascending, NaN first when there is one */
    size_t count, numbers_count;
} wp_factor;
WP_NODISCARD wp_status wp_factor_make(wp_factor *factor, const double *v, size_t count,
                                      wp_error *err);
void wp_factor_free(wp_factor *factor);
/* Sum of weights (or rows) per distinct number; out has numbers_count places. */
void wp_factor_weights(const wp_factor *factor, const double *weights, double *out);
/* Stable order of the rows, ascending, missing first; out has count places (0-based). */
WP_NODISCARD wp_status wp_factor_order(const wp_factor *factor, uint32_t *out, wp_error *err);

/* Mid-ranks 1 .. sum of weights; missing stays missing. */
WP_NODISCARD wp_status wp_factor_ranks(const wp_factor *factor, const double *weights, double *out,
                                       wp_error *err);
/* group = 1 + min(groups - 1, floor(groups * (midrank - 1/2) / weight)): equal numbers always
** share a group, so groups may be unequal or empty; missing stays missing. */
WP_NODISCARD wp_status wp_factor_groups(const wp_factor *factor, const double *weights, int groups,
                                        double *out, wp_error *err);
/* Type 7 (R's default) on the data that the weights stand for; out is NaN when nothing is there.
** `totals` as wp_factor_weights made them. */
double wp_factor_quantile(const wp_factor *factor, const double *totals, double probability);

/* Rows in which no array (NULL ones are skipped) has a missing number and, with weights, the weight
** is above 0; keep has count places (1 or 0), or is NULL to count only. */
size_t wp_rows_complete(const double *const *arrays, size_t arrays_count, const double *weights,
                        size_t count, uint8_t *keep);

/* Type 7 quantiles of numbers none of which is missing, without sorting them: counts in equal bins
** between the minimum and the maximum, then a selection within the bins that matter. At most
** WP_SELECT_MOST chances. Equal to wp_factor_quantile without weights. */
enum { WP_SELECT_MOST = 32 };
WP_NODISCARD wp_status wp_vector_select(const double *v, size_t count, double minimum,
                                        double maximum, const double *chances, size_t chances_count,
                                        double *out, const wp_run *run, wp_error *err);

/* codes[i] = the group of v[i], from 0, as wp_factor_groups has them, without sorting: numbers none
** of which is missing, fewer than 2^32, in 2 to WP_SELECT_MOST + 1 groups. Parallel. */
WP_NODISCARD wp_status wp_vector_groups(const double *v, size_t count, double minimum,
                                        double maximum, size_t groups, uint8_t *codes,
                                        const wp_run *run, wp_error *err);

/* 1 + number of cuts <= v[i]; cuts ascending; missing stays missing. */
void wp_vector_bin(const double *v, size_t count, const double *cuts, size_t cuts_count,
                   double *out);

/* Restricted cubic spline (Harrell, Regression Modeling Strategies, 2.4.5): columns
** j = 0 .. knots-3 of the truncated power basis, linear beyond the outer knots, each divided by
** (last knot - first knot)^2 so that it has the scale of v:
**   (x-t_j)+^3 - (x-t_{k-1})+^3 (t_k-t_j) / (t_k-t_{k-1}) + (x-t_k)+^3 (t_{k-1}-t_j) /
*(t_k-t_{k-1})
** The linear column is v itself. Equals Hmisc::rcspline.eval(x, knots, norm = 2). Worked out by
** wp_kernel_spline. */
WP_NODISCARD wp_status wp_vector_curve(const double *knots, size_t knots_count, size_t column,
                                       wp_spline *out, wp_error *err);
#endif
