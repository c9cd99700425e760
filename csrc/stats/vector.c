/* Scales, sums, bins and splines over arrays of doubles; see vector.h. What goes row by row is cut
** into chunks of MAP_ROWS rows for the pool; sums add blocks of SUM_ROWS rows in order. */
#include "stats/vector.h"

#include "base/memory.h"
#include "stats/kernel.h"

#include <string.h>

enum { MAP_ROWS = 16384, SUM_ROWS = 4096 };

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

static wp_moments moments_here(const measure_work *work)
{
    wp_moments m = no_moments;
    double squares = 0, drift = 0, room[SUM_ROWS];
    size_t blocks = chunks_of(work->count, SUM_ROWS);
    for (size_t block = 0; block < blocks; block++) {
        wp_figures f = wp_kernel_figures(rows_of(work, block, room), block_rows(work, block));
        add_figures(&m, &f);
    }
    set_mean(&m);
    for (size_t block = 0; m.rows > 0 && block < blocks; block++) {
        double block_drift;
        squares += wp_kernel_squares(rows_of(work, block, room), m.mean, block_rows(work, block),
                                     &block_drift);
        drift += block_drift;
    }
    if (m.rows > 0)
        set_variance(&m, squares, drift);
    return m;
}

static bool counts(const double *v, const double *weights, size_t i)
{
    return !isnan(v[i]) && weights[i] > 0;
}

static wp_moments weighted_moments(const measure_work *work, const double *weights)
{
    wp_moments m = no_moments;
    double room[SUM_ROWS];
    size_t blocks = chunks_of(work->count, SUM_ROWS);
    for (size_t block = 0; block < blocks; block++) {
        const double *v = rows_of(work, block, room), *w = weights + block * SUM_ROWS;
        double sum = 0, weight_sum = 0;
        for (size_t i = 0; i < block_rows(work, block); i++) {
            if (!counts(v, w, i))
                continue;
            m.rows++;
            weight_sum += w[i];
            sum += w[i] * v[i];
            m.minimum = v[i] >= m.minimum ? m.minimum : v[i];
            m.maximum = v[i] <= m.maximum ? m.maximum : v[i];
        }
        m.sum += sum;
        m.weight += weight_sum;
    }
    if (m.rows == 0)
        return m;
    m.mean = m.minimum == m.maximum ? m.minimum : m.sum / m.weight;
    double squares = 0, drift = 0;
    for (size_t block = 0; block < blocks; block++) {
        const double *v = rows_of(work, block, room), *w = weights + block * SUM_ROWS;
        double block_squares = 0, block_drift = 0;
        for (size_t i = 0; i < block_rows(work, block); i++) {
            if (!counts(v, w, i))
                continue;
            double distance = v[i] - m.mean;
            block_squares += w[i] * distance * distance;
            block_drift += w[i] * distance;
        }
        squares += block_squares;
        drift += block_drift;
    }
    set_variance(&m, squares, drift);
    return m;
}

wp_moments wp_vector_moments(const double *v, const wp_spline *curve, const double *weights,
                             size_t count)
{
    measure_work work = {.v = v, .curve = curve, .count = count};
    return weights == NULL ? moments_here(&work) : weighted_moments(&work, weights);
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
