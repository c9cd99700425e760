/* Elementwise maps, sums, bins and splines over arrays of doubles; see vector.h. Maps are cut into
** chunks of MAP_ROWS rows for the pool; sums add blocks of SUM_ROWS rows in order. */
#include "stats/vector.h"

#include "base/memory.h"

enum { MAP_ROWS = 16384, SUM_ROWS = 4096 };

typedef struct map_work {
    wp_map map;
    wp_operand left, right;
    double *out;
    size_t count;
} map_work;

static double compare(bool holds, double x, double y)
{
    return isnan(x) || isnan(y) ? NAN : (double)holds;
}

static double map_two(wp_map map, double x, double y)
{
    switch (map) {
    case WP_MAP_POWER:
        return pow(x, y);
    case WP_MAP_MINIMUM:
        return isnan(y) || y < x ? y : x;
    case WP_MAP_MAXIMUM:
        return isnan(y) || y > x ? y : x;
    case WP_MAP_ABOVE:
        return compare(x > y, x, y);
    case WP_MAP_BELOW:
        return compare(x < y, x, y);
    case WP_MAP_AT_LEAST:
        return compare(x >= y, x, y);
    case WP_MAP_AT_MOST:
        return compare(x <= y, x, y);
    case WP_MAP_EQUALS:
        return compare(x == y, x, y);
    case WP_MAP_FILL:
        return isnan(x) ? y : x;
    case WP_MAP_LOG1P:
        return x > -1 ? log1p(x) : NAN;
    case WP_MAP_LOG:
        return x > 0 ? log(x) : NAN;
    case WP_MAP_EXP:
        return exp(x);
    case WP_MAP_SQRT:
        return x >= 0 ? sqrt(x) : NAN;
    case WP_MAP_ABSOLUTE:
        return fabs(x);
    case WP_MAP_FLOOR:
        return floor(x);
    case WP_MAP_IS_MISSING:
        return isnan(x);
    default:
        return NAN;
    }
}

#define EACH(expression)                                                                           \
    for (size_t i = first; i < last; i++) {                                                        \
        double x = left[i * left_step], y = right[i * right_step];                                 \
        out[i] = (expression);                                                                     \
    }

static wp_status map_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const map_work *work = context;
    size_t first = chunk * MAP_ROWS;
    size_t last = first + MAP_ROWS < work->count ? first + MAP_ROWS : work->count;
    size_t left_step = !work->left.is_number, right_step = !work->right.is_number;
    const double *left = work->left.numbers, *right = work->right.numbers;
    double *out = work->out;
    switch (work->map) {
    case WP_MAP_ADD:
        EACH(x + y)
        break;
    case WP_MAP_SUBTRACT:
        EACH(x - y)
        break;
    case WP_MAP_MULTIPLY:
        EACH(x * y)
        break;
    case WP_MAP_DIVIDE:
        EACH(y == 0 ? NAN : x / y)
        break;
    default:
        EACH(map_two(work->map, x, y))
        break;
    }
    return WP_OK;
}

wp_status wp_vector_map(wp_map map, wp_operand left, wp_operand right, double *out, size_t count,
                        const wp_run *run, wp_error *err)
{
    if (right.numbers == NULL)
        right = left;
    map_work work = {map, left, right, out, count};
    return wp_pool_run(run, (count + MAP_ROWS - 1) / MAP_ROWS, map_chunk, &work, err);
}

static double weight_of(const double *weights, size_t i)
{
    return weights == NULL ? 1 : weights[i];
}

static bool counts(const double *v, const double *weights, size_t i)
{
    return !isnan(v[i]) && weight_of(weights, i) > 0;
}

static double squares_about(const double *v, const double *weights, size_t count, double mean,
                            double *drift)
{
    double total = 0;
    *drift = 0;
    for (size_t first = 0; first < count; first += SUM_ROWS) {
        size_t last = first + SUM_ROWS < count ? first + SUM_ROWS : count;
        double block = 0, block_drift = 0;
        for (size_t i = first; i < last; i++) {
            if (!counts(v, weights, i))
                continue;
            double distance = v[i] - mean, weight = weight_of(weights, i);
            block += weight * distance * distance;
            block_drift += weight * distance;
        }
        total += block;
        *drift += block_drift;
    }
    return total;
}

/* Two passes, and the second corrects the mean's own rounding (Chan, Golub & LeVeque 1983). */
wp_moments wp_vector_moments(const double *v, const double *weights, size_t count)
{
    wp_moments m = {.minimum = NAN, .maximum = NAN, .mean = NAN, .variance = NAN};
    for (size_t first = 0; first < count; first += SUM_ROWS) {
        size_t last = first + SUM_ROWS < count ? first + SUM_ROWS : count;
        double sum = 0, weight_sum = 0;
        for (size_t i = first; i < last; i++) {
            if (!counts(v, weights, i))
                continue;
            double weight = weight_of(weights, i);
            m.rows++;
            weight_sum += weight;
            sum += weight * v[i];
            m.minimum = v[i] >= m.minimum ? m.minimum : v[i];
            m.maximum = v[i] <= m.maximum ? m.maximum : v[i];
        }
        m.sum += sum;
        m.weight += weight_sum;
    }
    if (m.rows == 0)
        return m;
    m.mean = m.minimum == m.maximum ? m.minimum : m.sum / m.weight;
    double drift, squares = squares_about(v, weights, count, m.mean, &drift);
    if (m.minimum != m.maximum)
        m.mean += drift / m.weight;
    squares -= drift * drift / m.weight;
    if (m.weight > 1)
        m.variance = squares > 0 ? squares / (m.weight - 1) : 0;
    return m;
}

/* --- Sums ------------------------------------------------------------------------------------
**
** Blocks of rows are added up on their own and their sums in order, so that threads change nothing.
*/
typedef struct sum_work {
    const double *v, *w;
    size_t count;
    double *sums; /* by block */
} sum_work;

/* Sums of the blocks of one chunk. Four go side by side, so that no addition waits for the one
** before it. `of` is a constant where this is inlined. */
static inline __attribute__((always_inline)) void
sum_blocks(double (*of)(const double *, const double *, size_t), const sum_work *work, size_t chunk)
{
    const double *v = work->v, *w = work->w;
    size_t first = chunk * MAP_ROWS;
    size_t last = first + MAP_ROWS < work->count ? first + MAP_ROWS : work->count;
    double *sums = work->sums + first / SUM_ROWS;
    for (; last - first >= 4 * SUM_ROWS; first += 4 * SUM_ROWS, sums += 4) {
        double a = 0, b = 0, c = 0, d = 0;
        for (size_t i = first; i < first + SUM_ROWS; i++) {
            a += of(v, w, i);
            b += of(v, w, i + SUM_ROWS);
            c += of(v, w, i + 2 * SUM_ROWS);
            d += of(v, w, i + 3 * SUM_ROWS);
        }
        sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
    }
    for (; first < last; first += SUM_ROWS, sums++) {
        size_t end = first + SUM_ROWS < last ? first + SUM_ROWS : last;
        *sums = 0;
        for (size_t i = first; i < end; i++)
            *sums += of(v, w, i);
    }
}

#define SUM_TASK(name, term)                                                                       \
    static inline double name##_term(const double *v, const double *w, size_t i)                   \
    {                                                                                              \
        (void)w;                                                                                   \
        return (term);                                                                             \
    }                                                                                              \
    static wp_status name##_chunk(void *work, size_t chunk, unsigned worker, wp_error *err)        \
    {                                                                                              \
        (void)worker, (void)err;                                                                   \
        sum_blocks(name##_term, work, chunk);                                                      \
        return WP_OK;                                                                              \
    }

SUM_TASK(plain, isnan(v[i]) ? 0 : v[i])
SUM_TASK(weighted, isnan(v[i]) || !(w[i] > 0) ? 0 : w[i] * v[i])
SUM_TASK(dot, isnan(v[i]) || isnan(w[i]) ? 0 : v[i] * w[i])

static wp_status sum_up(wp_task task, const double *v, const double *w, size_t count,
                        const wp_run *run, double *out, wp_error *err)
{
    size_t blocks = (count + SUM_ROWS - 1) / SUM_ROWS;
    sum_work work = {v, w, count, wp_alloc_array(blocks, sizeof(double))};
    if (work.sums == NULL)
        return wp_fail_memory(err, blocks * sizeof(double));
    wp_status status = wp_pool_run(run, (count + MAP_ROWS - 1) / MAP_ROWS, task, &work, err);
    *out = 0;
    for (size_t block = 0; status == WP_OK && block < blocks; block++)
        *out += work.sums[block];
    wp_free(work.sums);
    return status;
}

wp_status wp_vector_sum(const double *v, const double *weights, size_t count, const wp_run *run,
                        double *out, wp_error *err)
{
    return sum_up(weights == NULL ? plain_chunk : weighted_chunk, v, weights, count, run, out, err);
}

wp_status wp_vector_dot(const double *v, const double *w, size_t count, const wp_run *run,
                        double *out, wp_error *err)
{
    return sum_up(dot_chunk, v, w, count, run, out, err);
}

double wp_vector_correlation(const double *x, const double *y, const double *weights, size_t count)
{
    double weight = 0, x_mean = 0, y_mean = 0, xx = 0, yy = 0, xy = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t first = 0; first < count; first += SUM_ROWS) {
            size_t last = first + SUM_ROWS < count ? first + SUM_ROWS : count;
            double sums[4] = {0};
            for (size_t i = first; i < last; i++) {
                if (!counts(x, weights, i) || isnan(y[i]))
                    continue;
                double w = weight_of(weights, i);
                double dx = x[i] - (pass ? x_mean : 0), dy = y[i] - (pass ? y_mean : 0);
                sums[0] += pass ? w * dx * dx : w;
                sums[1] += pass ? w * dy * dy : w * dx;
                sums[2] += pass ? w * dx * dy : w * dy;
            }
            if (pass) {
                xx += sums[0], yy += sums[1], xy += sums[2];
            } else {
                weight += sums[0], x_mean += sums[1], y_mean += sums[2];
            }
        }
        if (pass == 0)
            x_mean /= weight, y_mean /= weight;
    }
    if (!(xx > 0) || !(yy > 0))
        return NAN;
    double r = xy / sqrt(xx) / sqrt(yy);
    return r > 1 ? 1 : r < -1 ? -1 : r;
}

size_t wp_rows_complete(const double *const *arrays, size_t arrays_count, const double *weights,
                        size_t count, uint8_t *keep)
{
    enum { SLICE = 1024 };
    uint8_t fine[SLICE];
    size_t kept = 0;
    for (size_t first = 0; first < count; first += SLICE) {
        size_t rows = count - first < SLICE ? count - first : SLICE;
        for (size_t i = 0; i < rows; i++)
            fine[i] = weights == NULL || weights[first + i] > 0;
        for (size_t a = 0; a < arrays_count; a++)
            for (size_t i = 0; arrays[a] != NULL && i < rows; i++)
                fine[i] = fine[i] && !isnan(arrays[a][first + i]);
        for (size_t i = 0; i < rows; i++)
            kept += fine[i];
        for (size_t i = 0; keep != NULL && i < rows; i++)
            keep[first + i] = fine[i];
    }
    return kept;
}

void wp_vector_bin(const double *v, size_t count, const double *cuts, size_t cuts_count,
                   double *out)
{
    for (size_t i = 0; i < count; i++) {
        size_t low = 0, high = cuts_count;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (cuts[middle] <= v[i])
                low = middle + 1;
            else
                high = middle;
        }
        out[i] = isnan(v[i]) ? NAN : (double)(low + 1);
    }
}

typedef struct spline_work {
    const double *v;
    double *out;
    size_t count;
    double knot, before_last, last, norm;
} spline_work;

static double cube_above(double x, double knot)
{
    double distance = x - knot;
    return distance > 0 ? distance * distance * distance : isnan(distance) ? NAN : 0;
}

static wp_status spline_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const spline_work *s = context;
    size_t last = (chunk + 1) * MAP_ROWS < s->count ? (chunk + 1) * MAP_ROWS : s->count;
    double span = s->last - s->before_last;
    for (size_t i = chunk * MAP_ROWS; i < last; i++) {
        double x = s->v[i];
        double basis = cube_above(x, s->knot) -
                       cube_above(x, s->before_last) * (s->last - s->knot) / span +
                       cube_above(x, s->last) * (s->before_last - s->knot) / span;
        s->out[i] = basis / s->norm;
    }
    return WP_OK;
}

wp_status wp_vector_spline(const double *v, size_t count, const double *knots, size_t knots_count,
                           size_t column, double *out, const wp_run *run, wp_error *err)
{
    if (knots_count < 3 || column + 2 >= knots_count)
        return wp_fail(err, WP_INVALID, "spline: %zu knots: too few (expected at least 3)",
                       knots_count);
    for (size_t i = 1; i < knots_count; i++)
        if (!(knots[i] > knots[i - 1]))
            return wp_fail(err, WP_INVALID, "spline: knots %g, %g: not ascending", knots[i - 1],
                           knots[i]);
    double range = knots[knots_count - 1] - knots[0];
    spline_work work = {.v = v,
                        .out = out,
                        .count = count,
                        .knot = knots[column],
                        .before_last = knots[knots_count - 2],
                        .last = knots[knots_count - 1],
                        .norm = range * range};
    return wp_pool_run(run, (count + MAP_ROWS - 1) / MAP_ROWS, spline_chunk, &work, err);
}
