/* Small dense symmetric matrices: the k x k side of every model (k below a few hundred).
**
** Matrices are row-major k x k; `factor` holds the lower triangle L of A = L L' (Cholesky), the
** upper part is left alone. No pivoting: callers standardise their columns first and take out
** collinear ones. */
#ifndef WP_STATS_LINEAR_ALGEBRA_H
#define WP_STATS_LINEAR_ALGEBRA_H

#include <stdbool.h>
#include <stddef.h>

/* Factors a in place. False (a is spoilt) when a pivot falls to `tolerance` times its diagonal
** entry or below, or is not a number. */
bool wp_cholesky_factor(double *a, size_t k, double tolerance);
/* Which terms can be fitted together: walks the terms of a Gram or information matrix in order and
** leaves out[i] true where the rest of term i, once the kept terms before it are taken away, falls
** to `tolerance` of its diagonal entry (or where that entry is 0). Spoils a. */
void wp_gram_choose(double *a, size_t k, double tolerance, bool *out);
/* Solves A x = b in place. */
void wp_cholesky_solve(const double *factor, size_t k, double *b);
/* Full symmetric inverse of A; out must not be factor. */
void wp_cholesky_inverse(const double *factor, size_t k, double *out);
/* log det A. */
double wp_cholesky_log_determinant(const double *factor, size_t k);
/* out = B M B' for symmetric M; B is k x k; scratch has k*k places; out must be neither. */
void wp_matrix_sandwich(const double *b, const double *m, size_t k, double *scratch, double *out);

#endif
