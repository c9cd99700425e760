/* Cholesky and the sandwich product; see linear_algebra.h (Golub & Van Loan, section 4.2). */
#include "stats/linear_algebra.h"

#include <math.h>

bool wp_cholesky_factor(double *a, size_t k, double tolerance)
{
    for (size_t j = 0; j < k; j++) {
        double pivot = a[j * k + j], floor = tolerance * pivot;
        for (size_t p = 0; p < j; p++)
            pivot -= a[j * k + p] * a[j * k + p];
        if (!(pivot > floor) || !(pivot > 0))
            return false;
        double root = sqrt(pivot);
        a[j * k + j] = root;
        for (size_t i = j + 1; i < k; i++) {
            double sum = a[i * k + j];
            for (size_t p = 0; p < j; p++)
                sum -= a[i * k + p] * a[j * k + p];
            a[i * k + j] = sum / root;
        }
    }
    return true;
}

void wp_gram_choose(double *a, size_t k, double tolerance, bool *out)
{
    for (size_t i = 0; i < k; i++) {
        double *row = a + i * k, size = row[i];
        for (size_t j = 0; j < i; j++) {
            if (out[j])
                continue;
            for (size_t p = 0; p < j; p++)
                row[j] -= out[p] ? 0 : row[p] * a[j * k + p];
            row[j] /= a[j * k + j];
            row[i] -= row[j] * row[j];
        }
        out[i] = !(row[i] > tolerance * size) || !(size > 0);
        row[i] = out[i] ? 0 : sqrt(row[i]);
    }
}

void wp_cholesky_solve(const double *factor, size_t k, double *b)
{
    for (size_t i = 0; i < k; i++) {
        for (size_t p = 0; p < i; p++)
            b[i] -= factor[i * k + p] * b[p];
        b[i] /= factor[i * k + i];
    }
    for (size_t i = k; i-- > 0;) {
        for (size_t p = i + 1; p < k; p++)
            b[i] -= factor[p * k + i] * b[p];
        b[i] /= factor[i * k + i];
    }
}

void wp_cholesky_inverse(const double *factor, size_t k, double *out)
{
    for (size_t column = 0; column < k; column++) {
        double *x = out + column * k;
        for (size_t i = 0; i < k; i++)
            x[i] = i == column;
        wp_cholesky_solve(factor, k, x);
    }
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < i; j++)
            out[i * k + j] = out[j * k + i] = (out[i * k + j] + out[j * k + i]) / 2;
}

double wp_cholesky_log_determinant(const double *factor, size_t k)
{
    double sum = 0;
    for (size_t i = 0; i < k; i++)
        sum += 2 * log(factor[i * k + i]);
    return sum;
}

void wp_matrix_sandwich(const double *b, const double *m, size_t k, double *scratch, double *out)
{
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < k; j++) {
            double sum = 0;
            for (size_t p = 0; p < k; p++)
                sum += b[i * k + p] * m[p * k + j];
            scratch[i * k + j] = sum;
        }
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;
            for (size_t p = 0; p < k; p++)
                sum += scratch[i * k + p] * b[j * k + p];
            out[i * k + j] = out[j * k + i] = sum;
        }
}
