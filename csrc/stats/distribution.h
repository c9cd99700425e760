/* Distribution functions to nearly full double accuracy (relative, also in the far tails).
**
** Pure functions of a few numbers: no state, no allocation, thread-safe. A question outside the
** domain (p outside 0..1, df <= 0, NaN) answers NaN; the binding turns that into an error. "upper"
** is P(X > x), computed directly and never as 1 - lower. Formulas: doc/stats/distributions.md. */
#ifndef WP_STATS_DISTRIBUTION_H
#define WP_STATS_DISTRIBUTION_H

double wp_normal_lower(double z);
double wp_normal_upper(double z);
double wp_normal_quantile(double p); /* -inf at 0, inf at 1 */

/* Regularised incomplete gamma functions P(a, x) and Q(a, x); a > 0, x >= 0. */
double wp_gamma_lower(double a, double x);
double wp_gamma_upper(double a, double x);

double wp_chi_square_lower(double x, double df);
double wp_chi_square_upper(double x, double df);
double wp_chi_square_quantile(double p, double df);

/* Regularised incomplete beta I_x(a, b) and its complement; a, b > 0, 0 <= x <= 1. */
double wp_beta_lower(double x, double a, double b);
double wp_beta_upper(double x, double a, double b);
double wp_beta_quantile(double p, double a, double b);

double wp_t_upper(double t, double df);
double wp_t_quantile(double p, double df);
double wp_f_upper(double f, double df1, double df2);

#endif
