/* Calibration: see calibration.h. Two small Newton fits over the logits of the predictions; rows
** are visited in their order on one thread, so results do not depend on threads. */
#include "stats/calibration.h"

#include "base/memory.h"

#include <math.h>

typedef struct sums {
    double g0, g1, h00, h01, h11, loglik;
} sums;

static double log1p_exp(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

/* Gradient, information and log-likelihood at logit P = a + b logit p; logits[row] NaN: no row. */
static sums evaluate(const wp_rows *rows, const double *logits, double a, double b)
{
    sums s = {0};
    for (size_t row = 0; row < rows->rows_count; row++) {
        double l = logits[row];
        if (isnan(l))
            continue;
        double w = (double)wp_row_weight(rows, row), y = rows->columns[1][row];
        double eta = a + b * l, p = 1 / (1 + exp(-eta)), v = w * p * (1 - p);
        s.g0 += w * (y - p);
        s.g1 += w * (y - p) * l;
        s.h00 += v;
        s.h01 += v * l;
        s.h11 += v * l * l;
        s.loglik += w * (y * eta - log1p_exp(eta));
    }
    return s;
}

/* Newton with step halving on the intercept alone, or on both. False when it does not settle at a
** finite maximum: separated classes, or a constant prediction. */
static bool fit(const wp_rows *rows, const double *logits, bool both, double *a, double *b,
                sums *at)
{
    *at = evaluate(rows, logits, *a, *b);
    for (int i = 0; i < 60; i++) {
        double determinant = at->h00 * at->h11 - at->h01 * at->h01;
        if (!(at->h00 > 0) || (both && !(determinant > 1e-12 * at->h00 * at->h11)))
            return false;
        double da = both ? (at->h11 * at->g0 - at->h01 * at->g1) / determinant : at->g0 / at->h00;
        double db = both ? (at->h00 * at->g1 - at->h01 * at->g0) / determinant : 0;
        if (fabs(da) <= 1e-13 * (1 + fabs(*a)) && fabs(db) <= 1e-13 * (1 + fabs(*b)))
            return true;
        sums next = evaluate(rows, logits, *a + da, *b + db);
        int halvings = 0;
        while (!(next.loglik >= at->loglik - 1e-12 * fabs(at->loglik)) && halvings++ < 30) {
            da /= 2;
            db /= 2;
            next = evaluate(rows, logits, *a + da, *b + db);
        }
        *a += da;
        *b += db;
        *at = next;
        if (fabs(*a) > 1e3 || fabs(*b) > 1e3)
            return false;
    }
    return fabs(at->g0) < 1e-6 && (!both || fabs(at->g1) < 1e-6);
}

static void recalibrate(const wp_rows *rows, const double *logits, wp_calibration *out)
{
    sums at;
    double a = 0, b = 1;
    if (fit(rows, logits, false, &a, &b, &at)) {
        out->in_the_large = a;
        out->in_the_large_se = 1 / sqrt(at.h00);
    }
    a = 0;
    if (fit(rows, logits, true, &a, &b, &at)) {
        out->intercept = a;
        out->slope = b;
        out->slope_se = sqrt(at.h00 / (at.h00 * at.h11 - at.h01 * at.h01));
    }
}

/* First pass: Brier score, means, logits. `inside`: no prediction is exactly 0 or 1. */
static wp_status scan(const wp_rows *rows, double *logits, wp_calibration *out, bool *inside,
                      wp_error *err)
{
    double squares = 0, events = 0, predicted = 0, n = (double)rows->weight;
    *inside = true;
    for (size_t row = 0; row < rows->rows_count; row++) {
        logits[row] = NAN;
        if (!wp_row_counts(rows, row))
            continue;
        double p = rows->columns[0][row], y = rows->columns[1][row];
        double w = (double)wp_row_weight(rows, row);
        if (!(p >= 0 && p <= 1))
            return wp_fail(err, WP_INVALID, "probability %zu: found %g (expected 0 to 1)", row + 1,
                           p);
        if (y != 0 && y != 1)
            return wp_fail(err, WP_INVALID, "label %zu: found %g (expected 0 or 1)", row + 1, y);
        squares += w * (p - y) * (p - y);
        events += w * y;
        predicted += w * p;
        *inside = *inside && p > 0 && p < 1;
        logits[row] = log(p / (1 - p));
    }
    out->brier = squares / n;
    out->rate = events / n;
    out->mean = predicted / n;
    return WP_OK;
}

wp_status wp_calibration_fit(const wp_rows *rows, wp_calibration *out, wp_error *err)
{
    *out = (wp_calibration){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    double *logits = wp_alloc_array(rows->rows_count, sizeof *logits);
    if (logits == NULL)
        return wp_fail_memory(err, rows->rows_count * sizeof *logits);
    bool inside = false;
    wp_status status = rows->weight > 0 ? scan(rows, logits, out, &inside, err) : WP_OK;
    if (status == WP_OK && inside && out->rate > 0 && out->rate < 1)
        recalibrate(rows, logits, out);
    wp_free(logits);
    return status;
}
