/* Elementwise maps, sums, bins and splines over arrays of doubles; see vector.h. Maps are cut into
** chunks of MAP_ROWS rows for the pool; sums add blocks of SUM_ROWS rows in order. */
#include "stats/vector.h"

#include "base/memory.h"
#include "stats/kernel.h"

#include <string.h>

enum { MAP_ROWS = 16384, SUM_ROWS = 4096, FLAG_ROWS = 512, LOGS = 1024 };

static size_t chunks_of(size_t count, size_t rows)
{
    return (count + rows - 1) / rows;
}

/* Chunks in parallel, or the only one here and now. */
static wp_status run_chunks(const wp_run *run, size_t chunks, wp_task task, void *work,
                            wp_error *err)
{
    return chunks == 1 ? task(work, 0, 0, err) : wp_pool_run(run, chunks, task, work, err);
}

typedef struct map_work {
    wp_map map;
    wp_operand left, right;
    double *out;
    size_t count;
    const double *logs; /* log1p of 0 .. LOGS - 1, or NULL */
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
    case WP_MAP_LOG:
        return x > 0 ? log(x) : NAN;
    case WP_MAP_EXP:
        return exp(x);
    case WP_MAP_SQRT:
        return x >= 0 ? sqrt(x) : NAN;
    default:
        return NAN;
    }
}

/* Most arguments are counts, whose logarithms are looked up. */
static void map_log1p(const map_work *work, const double *x, size_t first, size_t last)
{
    for (size_t i = first; i < last; i++) {
        if (work->logs != NULL && x[i] >= 0 && x[i] < LOGS && x[i] == (double)(int)x[i])
            work->out[i] = work->logs[(int)x[i]];
        else
            work->out[i] = x[i] > -1 ? log1p(x[i]) : NAN;
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
    case WP_MAP_MINIMUM:
        EACH(isnan(y) || y < x ? y : x)
        break;
    case WP_MAP_MAXIMUM:
        EACH(isnan(y) || y > x ? y : x)
        break;
    case WP_MAP_ABOVE:
        EACH(compare(x > y, x, y))
        break;
    case WP_MAP_BELOW:
        EACH(compare(x < y, x, y))
        break;
    case WP_MAP_AT_LEAST:
        EACH(compare(x >= y, x, y))
        break;
    case WP_MAP_AT_MOST:
        EACH(compare(x <= y, x, y))
        break;
    case WP_MAP_EQUALS:
        EACH(compare(x == y, x, y))
        break;
    case WP_MAP_FILL:
        EACH(isnan(x) ? y : x)
        break;
    case WP_MAP_ABSOLUTE:
        EACH(((void)y, fabs(x)))
        break;
    case WP_MAP_FLOOR:
        EACH(((void)y, floor(x)))
        break;
    case WP_MAP_IS_MISSING:
        EACH(((void)y, (double)isnan(x)))
        break;
    case WP_MAP_LOG1P:
        map_log1p(work, left, first, last);
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
    double logs[LOGS];
    map_work work = {map, left, right, out, count, NULL};
    if (map == WP_MAP_LOG1P && count >= 4 * LOGS) {
        for (int i = 0; i < LOGS; i++)
            logs[i] = log1p(i);
        work.logs = logs;
    }
    return run_chunks(run, chunks_of(count, MAP_ROWS), map_chunk, &work, err);
}

typedef struct flag_work {
    wp_map map;
    wp_operand left, right;
    uint8_t *out;
    size_t count;
} flag_work;

static wp_operand from_row(wp_operand operand, size_t row)
{
    if (!operand.is_number && operand.numbers != NULL)
        operand.numbers += row;
    return operand;
}

static wp_status flag_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    const flag_work *work = context;
    size_t last = (chunk + 1) * MAP_ROWS < work->count ? (chunk + 1) * MAP_ROWS : work->count;
    for (size_t first = chunk * MAP_ROWS; first < last; first += FLAG_ROWS) {
        double flags[FLAG_ROWS];
        size_t count = last - first < FLAG_ROWS ? last - first : FLAG_ROWS;
        map_work block = {
            work->map, from_row(work->left, first), from_row(work->right, first), flags, count,
            NULL};
        WP_TRY(map_chunk(&block, 0, worker, err));
        for (size_t i = 0; i < count; i++)
            work->out[first + i] = (uint8_t)(isnan(flags[i]) ? WP_FLAG_MISSING
                                             : flags[i] != 0 ? WP_FLAG_YES
                                                             : WP_FLAG_NO);
    }
    return WP_OK;
}

wp_status wp_vector_flags(wp_map map, wp_operand left, wp_operand right, uint8_t *out, size_t count,
                          const wp_run *run, wp_error *err)
{
    flag_work work = {map, left, right.numbers == NULL ? left : right, out, count};
    return run_chunks(run, chunks_of(count, MAP_ROWS), flag_chunk, &work, err);
}

typedef struct scale_work {
    const double *v;
    double *out;
    size_t count;
    double mean, sd;
} scale_work;

static wp_status scale_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const scale_work *work = context;
    size_t last = (chunk + 1) * MAP_ROWS < work->count ? (chunk + 1) * MAP_ROWS : work->count;
    for (size_t i = chunk * MAP_ROWS; i < last; i++)
        work->out[i] = (work->v[i] - work->mean) / work->sd;
    return WP_OK;
}

wp_status wp_vector_scale(const double *v, double mean, double sd, size_t count, double *out,
                          const wp_run *run, wp_error *err)
{
    scale_work work = {v, out, count, mean, sd};
    return run_chunks(run, chunks_of(count, MAP_ROWS), scale_chunk, &work, err);
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

/* The first pass over a block; the second, which also corrects the mean's own rounding, sums up
** distances from the mean (Chan, Golub & LeVeque 1983). */
typedef struct measure_work {
    const double *v;
    const wp_spline *curve; /* NULL: v itself */
    size_t count;
    double mean;
    wp_figures *figures; /* per block */
    double (*sums)[2];   /* per block: squares, drift */
} measure_work;

static size_t block_rows(const measure_work *work, size_t block)
{
    size_t first = block * SUM_ROWS;
    return work->count - first < SUM_ROWS ? work->count - first : SUM_ROWS;
}

/* The rows of a block, in `room` (SUM_ROWS places) where they have to be worked out. */
static const double *rows_of(const measure_work *work, size_t block, double *room)
{
    const double *v = work->v + block * SUM_ROWS;
    if (work->curve == NULL)
        return v;
    wp_kernel_spline(v, work->curve, block_rows(work, block), room);
    return room;
}

static wp_status figures_block(void *context, size_t block, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const measure_work *work = context;
    double room[SUM_ROWS];
    work->figures[block] = wp_kernel_figures(rows_of(work, block, room), block_rows(work, block));
    return WP_OK;
}

static wp_status squares_block(void *context, size_t block, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const measure_work *work = context;
    double *sums = work->sums[block], room[SUM_ROWS];
    sums[0] = wp_kernel_squares(rows_of(work, block, room), work->mean, block_rows(work, block),
                                &sums[1]);
    return WP_OK;
}

static void add_figures(wp_moments *m, const wp_figures *f)
{
    if (f->numbers == 0)
        return;
    m->rows += f->numbers;
    m->sum += f->sum;
    m->minimum = m->minimum <= f->minimum ? m->minimum : f->minimum;
    m->maximum = m->maximum >= f->maximum ? m->maximum : f->maximum;
}

static const wp_moments no_moments = {.minimum = NAN, .maximum = NAN, .mean = NAN, .variance = NAN};

static void set_mean(wp_moments *m)
{
    m->weight = (double)m->rows;
    if (m->rows > 0)
        m->mean = m->minimum == m->maximum ? m->minimum : m->sum / m->weight;
}

static void set_variance(wp_moments *m, double squares, double drift)
{
    if (m->minimum != m->maximum)
        m->mean += drift / m->weight;
    squares -= drift * drift / m->weight;
    if (m->weight > 1)
        m->variance = squares > 0 ? squares / (m->weight - 1) : 0;
}

wp_status wp_vector_measure(const double *v, const wp_spline *curve, size_t count, bool variance,
                            wp_moments *out, const wp_run *run, wp_error *err)
{
    size_t blocks = chunks_of(count, SUM_ROWS);
    measure_work work = {.v = v, .curve = curve, .count = count};
    *out = no_moments;
    work.figures = wp_alloc_array(blocks, sizeof *work.figures + sizeof *work.sums);
    if (work.figures == NULL)
        return wp_fail_memory(err, blocks * sizeof *work.figures);
    work.sums = (double(*)[2])(work.figures + blocks);
    wp_status status = run_chunks(run, blocks, figures_block, &work, err);
    for (size_t block = 0; status == WP_OK && block < blocks; block++)
        add_figures(out, &work.figures[block]);
    set_mean(out);
    if (variance && status == WP_OK && out->rows > 0) {
        double squares = 0, drift = 0;
        work.mean = out->mean;
        status = run_chunks(run, blocks, squares_block, &work, err);
        for (size_t block = 0; status == WP_OK && block < blocks; block++) {
            squares += work.sums[block][0];
            drift += work.sums[block][1];
        }
        set_variance(out, squares, drift);
    }
    wp_free(work.figures);
    return status;
}

static wp_moments moments_here(const double *v, size_t count)
{
    wp_moments m = no_moments;
    double squares = 0, drift = 0;
    for (size_t first = 0; first < count; first += SUM_ROWS) {
        wp_figures f =
            wp_kernel_figures(v + first, count - first < SUM_ROWS ? count - first : SUM_ROWS);
        add_figures(&m, &f);
    }
    set_mean(&m);
    for (size_t first = 0; m.rows > 0 && first < count; first += SUM_ROWS) {
        double block_drift;
        squares += wp_kernel_squares(
            v + first, m.mean, count - first < SUM_ROWS ? count - first : SUM_ROWS, &block_drift);
        drift += block_drift;
    }
    if (m.rows > 0)
        set_variance(&m, squares, drift);
    return m;
}

wp_moments wp_vector_moments(const double *v, const double *weights, size_t count)
{
    if (weights == NULL)
        return moments_here(v, count);
    wp_moments m = no_moments;
    for (size_t first = 0; first < count; first += SUM_ROWS) {
        size_t last = first + SUM_ROWS < count ? first + SUM_ROWS : count;
        double sum = 0, weight_sum = 0;
        for (size_t i = first; i < last; i++) {
            if (!counts(v, weights, i))
                continue;
            m.rows++;
            weight_sum += weights[i];
            sum += weights[i] * v[i];
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
    set_variance(&m, squares, drift);
    return m;
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

wp_status wp_vector_curve(const double *knots, size_t knots_count, size_t column, wp_spline *out,
                          wp_error *err)
{
    if (knots_count < 3 || column + 2 >= knots_count)
        return wp_fail(err, WP_INVALID, "spline: %zu knots: too few (expected at least 3)",
                       knots_count);
    for (size_t i = 1; i < knots_count; i++)
        if (!(knots[i] > knots[i - 1]))
            return wp_fail(err, WP_INVALID, "spline: knots %g, %g: not ascending", knots[i - 1],
                           knots[i]);
    double knot = knots[column], last = knots[knots_count - 1];
    double before_last = knots[knots_count - 2], range = last - knots[0];
    *out = (wp_spline){.knot = knot,
                       .before_last = before_last,
                       .last = last,
                       .before = (last - knot) / (last - before_last),
                       .behind = (before_last - knot) / (last - before_last),
                       .size = 1 / (range * range)};
    return WP_OK;
}
