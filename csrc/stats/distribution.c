/* Distribution functions: normal, gamma, beta and what follows from them.
**
** Accuracy rests on two ideas. The factor in front of every series or continued fraction is the
** point mass of a Poisson or binomial in saddle-point form (Loader 2000, "Fast and accurate
** computation of binomial probabilities"), which does not cancel for large parameters; and each
** tail is computed where it is the small one, so that 1 - p never loses digits that matter.
** Cost: tens of operations, O(sqrt(a)) terms for large parameters near the mean. */
#include "stats/distribution.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#define ROOT_HALF    0.70710678118654752440
#define LN_ROOT_2PI  0.91893853320467274178
#define TWO_PI       6.28318530717958647693
#define TERMS_MAX    1000000
#define COUNT_OF(xs) (sizeof(xs) / sizeof((xs)[0]))

/* erfc(x / sqrt 2) / 2 with the rounding error of the division put back: in the far tail the
** relative error of erfc(t) is 2 t times the absolute error of t. */
double wp_normal_upper(double z)
{
    double t = z * ROOT_HALF;
    double error = fma(z, ROOT_HALF, -t) + z * -4.8336466567264567e-17;
    double tail = 0.5 * erfc(t);
    return t > 1 && isfinite(t) ? tail * (1 - 2 * t * error) : tail;
}

double wp_normal_lower(double z)
{
    return wp_normal_upper(-z);
}

static double ratio(const double *top, const double *bottom, double r)
{
    double a = 0, b = 0;
    for (int i = 7; i >= 0; i--) {
        a = a * r + top[i];
        b = b * r + bottom[i];
    }
    return a / b;
}

/* Wichura 1988, algorithm AS 241 (PPND16): rational approximations in three regions. */
static double quantile_start(double q, double tail)
{
    static const double a[] = {3.3871328727963666080e0, 1.3314166789178437745e2,
                               1.9715909503065514427e3, 1.3731693765509461125e4,
                               4.5921953931549871457e4, 6.7265770927008700853e4,
                               3.3430575583588128105e4, 2.5090809287301226727e3};
    static const double b[] = {1,
                               4.2313330701600911252e1,
                               6.8718700749205790830e2,
                               5.3941960214247511077e3,
                               2.1213794301586595867e4,
                               3.9307895800092710610e4,
                               2.8729085735721942674e4,
                               5.2264952788528545610e3};
    static const double c[] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                               5.76949722146069140550e0,  3.64784832476320460504e0,
                               1.27045825245236838258e0,  2.41780725177450611770e-1,
                               2.27238449892691845833e-2, 7.74545014278341407640e-4};
    static const double d[] = {1,
                               2.05319162663775882187e0,
                               1.67638483018380384940e0,
                               6.89767334985100004550e-1,
                               1.48103976427480074590e-1,
                               1.51986665636164571966e-2,
                               5.47593808499534494600e-4,
                               1.05075007164441684324e-9};
    static const double e[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                               1.78482653991729133580e0,  2.96560571828504891230e-1,
                               2.65321895265761230930e-2, 1.24266094738807843860e-3,
                               2.71155556874348757815e-5, 2.01033439929228813265e-7};
    static const double f[] = {1,
                               5.99832206555887937690e-1,
                               1.36929880922735805310e-1,
                               1.48753612908506148525e-2,
                               7.86869131145613259100e-4,
                               1.84631831751005468180e-5,
                               1.42151175831644588870e-7,
                               2.04426310338993978564e-15};
    if (fabs(q) <= 0.425)
        return q * ratio(a, b, 0.180625 - q * q);
    double r = sqrt(-log(tail));
    return copysign(r <= 5 ? ratio(c, d, r - 1.6) : ratio(e, f, r - 5), q);
}

double wp_normal_quantile(double p)
{
    if (!(p >= 0 && p <= 1))
        return NAN;
    if (p == 0 || p == 1)
        return p == 0 ? -INFINITY : INFINITY;
    double z = quantile_start(p - 0.5, p < 0.5 ? p : 1 - p);
    /* One Halley step, in the small tail, takes the last digits. */
    double tail = p < 0.5 ? wp_normal_lower(z) - p : (1 - p) - wp_normal_upper(z);
    double density = exp(-z * z / 2 - LN_ROOT_2PI);
    if (density < DBL_MIN)
        return z;
    double step = tail / density;
    return z - step / (1 + z * step / 2);
}

/* ln(x!) minus Stirling's (x + 1/2) ln x - x + ln sqrt(2 pi). */
static double stirling_error(double x)
{
    if (x < 16) {
        int sign;
        return lgamma_r(x + 1, &sign) - (x + 0.5) * log(x) + x - LN_ROOT_2PI;
    }
    static const double s[] = {1.0 / 12,   -1.0 / 360,      1.0 / 1260, -1.0 / 1680,
                               1.0 / 1188, -691.0 / 360360, 1.0 / 156};
    double inverse = 1 / (x * x), sum = 0;
    for (int i = (int)COUNT_OF(s) - 1; i >= 0; i--)
        sum = sum * inverse + s[i];
    return sum / x;
}

/* x ln(x / m) + m - x >= 0, given the difference d = x - m, which the caller knows better. */
static double deviance_part(double x, double m, double d)
{
    if (fabs(d) >= 0.1 * (x + m))
        return x * log(x / m) - d;
    double v = d / (x + m), sum = d * v, term = 2 * x * v, square = v * v;
    for (int j = 1; j < 1000; j++) {
        term *= square;
        double next = sum + term / (2 * j + 1);
        if (next == sum)
            break;
        sum = next;
    }
    return sum;
}

/* x^a exp(-x) / Gamma(a + 1). */
static double gamma_point(double a, double x)
{
    return exp(-stirling_error(a) - deviance_part(a, x, a - x)) / sqrt(TWO_PI * a);
}

/* P by its series: good for x below a + 1. */
static double gamma_series(double a, double x)
{
    double term = 1, sum = 1;
    for (int k = 1; k < TERMS_MAX && term > sum * (DBL_EPSILON / 8); k++) {
        term *= x / (a + k);
        sum += term;
    }
    return gamma_point(a, x) * sum;
}

/* Q by Legendre's continued fraction, evaluated by the modified Lentz method. */
static double gamma_fraction(double a, double x)
{
    const double tiny = 1e-300;
    double b = x + 1 - a, c = 1 / tiny, d = 1 / b, h = d;
    for (int i = 1; i < TERMS_MAX; i++) {
        double an = i * (a - i);
        b += 2;
        d = an * d + b;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = b + an / c;
        c = fabs(c) < tiny ? tiny : c;
        h *= c * d;
        if (fabs(c * d - 1) < DBL_EPSILON)
            break;
    }
    return a * gamma_point(a, x) * h;
}

static double gamma_tail(double a, double x, bool upper)
{
    if (!(a > 0 && x >= 0) || isinf(a))
        return NAN;
    if (x == 0 || isinf(x))
        return (x == 0) == upper ? 1 : 0;
    bool series = x < a + 1;
    double tail = series ? gamma_series(a, x) : gamma_fraction(a, x);
    return series == upper ? 1 - tail : tail;
}

double wp_gamma_lower(double a, double x)
{
    return gamma_tail(a, x, false);
}

double wp_gamma_upper(double a, double x)
{
    return gamma_tail(a, x, true);
}

double wp_chi_square_lower(double x, double df)
{
    return wp_gamma_lower(df / 2, x < 0 ? 0 : x / 2);
}

double wp_chi_square_upper(double x, double df)
{
    return wp_gamma_upper(df / 2, x < 0 ? 0 : x / 2);
}

/* I_x(a, b) for x below the mean, with y = 1 - x given apart so that neither loses digits when it
** is small: the point mass times the continued fraction of Didonato & Morris 1992 (equation 9),
** whose terms use a - (a + b) x instead of x, and so survive large a with x near 1. */
static double beta_fraction(double x, double y, double a, double b)
{
    double n = a + b, distance = x <= y ? a - n * x : n * y - b;
    double point = exp(stirling_error(n) - stirling_error(a) - stirling_error(b) -
                       deviance_part(a, n * x, distance) - deviance_part(b, n * y, -distance)) *
                   sqrt(n / (TWO_PI * a * b));
    const double tiny = 1e-300;
    double h = a / (a + 1) * (distance + 1), c = h, d = 0;
    for (int m = 1; m < TERMS_MAX; m++) {
        double w = a + 2 * m - 1;
        double top = (a + m - 1) / w * ((n + m - 1) / w) * m * (b - m) * x * x;
        double bottom = m + m * (b - m) * x / w + (a + m) / (w + 2) * (distance + 1 + m * (1 + y));
        d = bottom + top * d;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = bottom + top / c;
        c = fabs(c) < tiny ? tiny : c;
        h *= c * d;
        if (fabs(c * d - 1) < DBL_EPSILON)
            break;
    }
    return a * b / n * point / h;
}

static double beta_tail(double x, double y, double a, double b)
{
    if (!(a > 0 && b > 0 && x >= 0 && y >= 0) || isinf(a) || isinf(b))
        return NAN;
    if (x == 0 || y == 0)
        return x == 0 ? 0 : 1;
    return x < a / (a + b) ? beta_fraction(x, y, a, b) : 1 - beta_fraction(y, x, b, a);
}

double wp_beta_lower(double x, double a, double b)
{
    return beta_tail(x, 1 - x, a, b);
}

double wp_beta_upper(double x, double a, double b)
{
    return beta_tail(1 - x, x, b, a);
}

double wp_t_upper(double t, double df)
{
    if (!(df > 0) || isnan(t))
        return NAN;
    if (isinf(df))
        return wp_normal_upper(t);
    double ratio_ = t / sqrt(df), square = ratio_ * ratio_;
    double half = isinf(square)
                      ? 0.5 * pow(fabs(ratio_), -df) /
                            (df / 2 * exp(lgamma(df / 2) + lgamma(0.5) - lgamma(df / 2 + 0.5)))
                      : 0.5 * beta_tail(1 / (1 + square), square / (1 + square), df / 2, 0.5);
    return t < 0 ? 1 - half : half;
}

double wp_f_upper(double f, double df1, double df2)
{
    if (!(df1 > 0 && df2 > 0) || isnan(f))
        return NAN;
    if (f <= 0)
        return 1;
    double odds = df1 * f / df2;
    return isinf(odds) ? 0 : beta_tail(1 / (1 + odds), odds / (1 + odds), df2 / 2, df1 / 2);
}

/* --- Quantiles: the tail function is inverted on a scale where its logarithm is smooth. --- */

typedef struct inverse {
    double (*tail)(double x, double a, double b); /* monotone in x */
    double (*scale)(double u);                    /* u on the whole line to x */
    double a, b, log_target;
} inverse;

static double miss(const inverse *task, double u)
{
    double tail = task->tail(task->scale(u), task->a, task->b);
    return log(tail < DBL_TRUE_MIN ? DBL_TRUE_MIN : tail) - task->log_target;
}

/* Root of `miss` by bisection with secant steps (Illinois); the bracket grows from 0 outwards. */
static double invert(const inverse *task)
{
    double low = -1, high = 1, at_low = miss(task, low), at_high = miss(task, high);
    for (int i = 0; i < 60 && (at_low > 0) == (at_high > 0); i++) {
        bool left = (fabs(at_low) < fabs(at_high)) ||
                    (at_low == at_high && (task->log_target < at_low) == (i % 2 == 0));
        if (left)
            at_low = miss(task, low *= 2);
        else
            at_high = miss(task, high *= 2);
    }
    for (int i = 0; i < 300 && high - low > 4 * DBL_EPSILON * (1 + fabs(low)); i++) {
        double u = low - at_low * (high - low) / (at_high - at_low);
        if (!(u > low && u < high) || i % 8 == 7)
            u = low + (high - low) / 2;
        double at_u = miss(task, u);
        if (at_u == 0)
            return task->scale(u);
        if ((at_u > 0) == (at_low > 0)) {
            low = u;
            at_low = at_u;
            at_high /= 2;
        } else {
            high = u;
            at_high = at_u;
            at_low /= 2;
        }
    }
    return task->scale(low + (high - low) / 2);
}

static double scale_unit(double u)
{
    return 1 / (1 + exp(-u));
}

static double t_tail(double x, double df, double unused)
{
    (void)unused;
    return wp_t_upper(x, df);
}

double wp_t_quantile(double p, double df)
{
    if (!(p >= 0 && p <= 1 && df > 0))
        return NAN;
    if (isinf(df) || p == 0 || p == 1)
        return wp_normal_quantile(p);
    if (p == 0.5)
        return 0;
    inverse task = {t_tail, exp, df, 0, log(p < 0.5 ? p : 1 - p)};
    return p < 0.5 ? -invert(&task) : invert(&task);
}

static double chi_square_tail(double x, double df, double upper)
{
    return gamma_tail(df / 2, x / 2, upper > 0);
}

double wp_chi_square_quantile(double p, double df)
{
    if (!(p >= 0 && p <= 1 && df > 0) || isinf(df))
        return NAN;
    if (p == 0 || p == 1)
        return p == 0 ? 0 : INFINITY;
    bool upper = p > 0.5;
    inverse task = {chi_square_tail, exp, df, upper, log(upper ? 1 - p : p)};
    return invert(&task);
}

double wp_beta_quantile(double p, double a, double b)
{
    if (!(p >= 0 && p <= 1 && a > 0 && b > 0) || isinf(a) || isinf(b))
        return NAN;
    if (p == 0 || p == 1)
        return p;
    inverse task = {p > 0.5 ? wp_beta_upper : wp_beta_lower, scale_unit, a, b,
                    log(p > 0.5 ? 1 - p : p)};
    return invert(&task);
}
