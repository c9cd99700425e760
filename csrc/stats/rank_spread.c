/* How far a rank correlation varies, with ties as they are.
**
** The correlation of mid-ranks is a function of the users' shares; its variance is the mean square
** of what each user adds to it (the asymptotic variance of Brown & Benedetti 1977). With F and G
** the mid-ranks of x and y from -1/2 to 1/2, p the share of users whose x is the user's,
**     covariance    F G + E[G' sgn(F' - F)] / 2 + E[F' sgn(G' - G)] / 2 - 3 E[F' G']
**     variance of F    (E[p'^2] - p^2) / 4
** Invariant: sums of whole numbers, so nothing depends on the order of the rows. Cost: one sort of
** the mid-ranks of each column. */
#include "stats/rank_spread.h"

#include "base/memory.h"

#include <math.h>

/* What the ties and the order of one column (x) say about each row. */
typedef struct side {
    double *pull, *share; /* E[G' sgn(F' - F)] / 2 and p^2 of every row */
    double variance;      /* E[F'^2] */
    double shares;        /* E[p'^2] */
} side;

/* A doubled mid-rank from its middle: 2 W F, a whole number. */
static int64_t centred(const wp_rows *rows, uint64_t rank)
{
    return (int64_t)rank - 1 - rows->weight;
}

static void fill_side(const wp_rows *rows, const wp_item *items, const uint64_t *other, side *out)
{
    double n = (double)rows->weight;
    int64_t below = 0; /* the other column's sum over all is 0, so above = -below - own */
    for (size_t start = 0, end; start < rows->used; start = end) {
        int64_t own = 0, weight = 0;
        for (end = start; end < rows->used && items[end].key == items[start].key; end++) {
            int64_t w = (int64_t)wp_row_weight(rows, items[end].tag);
            own += w * centred(rows, other[items[end].tag]);
            weight += w;
        }
        double f = (double)centred(rows, items[start].key) / (2 * n), p = (double)weight / n;
        double pull = -((double)below * 2 + (double)own) / (2 * n) / (2 * n);
        for (size_t i = start; i < end; i++)
            out->pull[items[i].tag] = pull, out->share[items[i].tag] = p * p;
        below += own;
        out->variance += p * f * f;
        out->shares += p * p * p;
    }
}

static wp_status make_side(const wp_rows *rows, const uint64_t *ranks, const uint64_t *other,
                           side *out, wp_item *items, const wp_run *run, wp_error *err)
{
    size_t count = 0;
    for (size_t row = 0; row < rows->rows_count; row++)
        if (ranks[row] != 0)
            items[count++] = (wp_item){ranks[row], row};
    WP_TRY(wp_items_sort(items, count, NULL, run, err));
    fill_side(rows, items, other, out);
    return WP_OK;
}

/* The square of what each row's users add, in place of x->pull; returns the largest. */
static double square_up(const wp_rows *rows, const uint64_t *x_ranks, const uint64_t *y_ranks,
                        side *x, const side *y, double rho)
{
    double n = (double)rows->weight, scale = sqrt(x->variance * y->variance), most = 0;
    for (size_t row = 0; row < rows->rows_count; row++) {
        if (x_ranks[row] == 0)
            continue;
        double f = (double)centred(rows, x_ranks[row]) / (2 * n);
        double g = (double)centred(rows, y_ranks[row]) / (2 * n);
        double moved = f * g + x->pull[row] + y->pull[row] - 3 * rho * scale;
        double of_x = (x->shares - x->share[row]) / 4, of_y = (y->shares - y->share[row]) / 4;
        double psi = moved / scale - rho / 2 * (of_x / x->variance + of_y / y->variance);
        x->pull[row] = psi * psi;
        most = x->pull[row] > most ? x->pull[row] : most;
    }
    return most;
}

/* Weighted sum of the squares in whole units of 2^-60 of about the largest: the same whatever the
** order of the rows, and for a weight as for so many rows. */
static double sum_up(const wp_rows *rows, const uint64_t *ranks, const double *squares, double most)
{
    int exponent;
    wp_wide sum = 0;
    (void)frexp(most, &exponent);
    for (size_t row = 0; row < rows->rows_count; row++)
        if (ranks[row] != 0)
            sum += (wp_wide)wp_row_weight(rows, row) * (uint64_t)ldexp(squares[row], 60 - exponent);
    return ldexp((double)sum, exponent - 60);
}

wp_status wp_rank_spread(const wp_rows *rows, const uint64_t *x_ranks, const uint64_t *y_ranks,
                         double rho, double *variance, const wp_run *run, wp_error *err)
{
    size_t n = rows->rows_count;
    wp_item *items = wp_alloc_array(rows->used, sizeof *items);
    double *numbers = wp_alloc_array(4 * n, sizeof *numbers);
    wp_status status = WP_OK;
    if (items == NULL || numbers == NULL)
        status = wp_fail_memory(err, rows->used * sizeof *items + 4 * n * sizeof *numbers);
    side x = {.pull = numbers, .share = numbers + n};
    side y = {.pull = numbers + 2 * n, .share = numbers + 3 * n};
    if (status == WP_OK)
        status = make_side(rows, x_ranks, y_ranks, &x, items, run, err);
    if (status == WP_OK)
        status = make_side(rows, y_ranks, x_ranks, &y, items, run, err);
    if (status == WP_OK) {
        double n_users = (double)rows->weight;
        double most = square_up(rows, x_ranks, y_ranks, &x, &y, rho);
        *variance = sum_up(rows, x_ranks, x.pull, most) / n_users / n_users;
    }
    wp_free(items);
    wp_free(numbers);
    return status;
}
