/* Quantiles and groups without a sort: see vector.h (wp_vector_select, wp_vector_groups).
**
** Numbers are counted in SELECT_BINS equal bins from the minimum to the maximum; those in the bins
** that hold a wanted place are copied and partitioned around it. The bin of a number is a monotone
** function of it, so places before a bin are all in earlier bins. Counts are whole numbers: the
** same for any number of threads. Cost: two passes; more only where a few numbers far out leave
** nearly all others in one bin. */
#include "stats/vector.h"

#include "base/memory.h"

#include <string.h>

enum { SELECT_BINS = 4096, SELECT_ROWS = 65536, SELECT_FEW = 8192 };

typedef struct select_work {
    const double *v;
    size_t count;
    double minimum, scale;
    uint32_t *counts; /* SELECT_BINS per worker */
    uint8_t *wanted;  /* SELECT_BINS: a place is in this bin */
    size_t *starts;   /* SELECT_BINS: where the bin's numbers are copied to */
    double *copied;
} select_work;

static inline size_t bin_of(const select_work *work, double x)
{
    size_t bin = (size_t)((x - work->minimum) * work->scale);
    return bin < SELECT_BINS ? bin : SELECT_BINS - 1;
}

static wp_status count_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)err;
    const select_work *work = context;
    uint32_t *counts = work->counts + (size_t)worker * SELECT_BINS;
    size_t first = chunk * SELECT_ROWS;
    size_t last = first + SELECT_ROWS < work->count ? first + SELECT_ROWS : work->count;
    for (size_t i = first; i < last; i++)
        counts[bin_of(work, work->v[i])]++;
    return WP_OK;
}

/* Partitions until the place-th smallest number (from 0) is where it belongs; returns it. */
static double nth(double *x, size_t count, size_t place)
{
    size_t low = 0, high = count;
    for (;;) {
        double a = x[low], b = x[low + (high - low) / 2], c = x[high - 1];
        double pivot = a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
        size_t less = low, more = high, i = low; /* [low, less) < pivot, [more, high) > pivot */
        while (i < more) {
            double here = x[i];
            if (here < pivot) {
                x[i++] = x[less];
                x[less++] = here;
            } else if (here > pivot) {
                x[i] = x[--more];
                x[more] = here;
            } else {
                i++;
            }
        }
        if (place < less)
            high = less;
        else if (place >= more)
            low = more;
        else
            return pivot;
    }
}

/* h = (count - 1) p as in wp_factor_quantile: its whole part, and what is left. */
static size_t place_of(size_t count, double chance, double *part)
{
    double h = count > 1 ? ((double)count - 1) * chance : 0;
    double place = floor(h + 4 * 2.220446049250313e-16 * h);
    *part = h - place < 1e-12 * (h + 1) ? 0 : h - place;
    return (size_t)place;
}

static size_t bin_with(const select_work *work, size_t place, size_t *before)
{
    size_t bin = 0;
    for (*before = 0; *before + work->counts[bin] <= place; bin++)
        *before += work->counts[bin];
    return bin;
}

/* Number at one place of the sorted data; without counts all numbers are copied. */
static double at_place(const select_work *work, size_t place)
{
    if (work->counts == NULL)
        return nth(work->copied, work->count, place);
    size_t before, bin = bin_with(work, place, &before);
    return nth(work->copied + work->starts[bin], work->counts[bin], place - before);
}

static wp_status copy_wanted(select_work *work, wp_error *err)
{
    size_t total = 0, next[SELECT_BINS];
    for (size_t bin = 0; bin < SELECT_BINS; bin++) {
        work->starts[bin] = next[bin] = total;
        total += work->wanted[bin] ? work->counts[bin] : 0;
    }
    work->copied = wp_alloc_array(total, sizeof *work->copied);
    if (work->copied == NULL)
        return wp_fail_memory(err, total * sizeof *work->copied);
    for (size_t i = 0; i < work->count; i++) {
        size_t bin = bin_of(work, work->v[i]);
        if (work->wanted[bin])
            work->copied[next[bin]++] = work->v[i];
    }
    return WP_OK;
}

static wp_status count_and_copy(select_work *work, const double *chances, size_t chances_count,
                                const wp_run *run, wp_error *err)
{
    size_t threads = wp_run_threads(run), chunks = (work->count + SELECT_ROWS - 1) / SELECT_ROWS;
    work->counts = wp_alloc_array_zero(threads * SELECT_BINS, sizeof *work->counts);
    if (work->counts == NULL)
        return wp_fail_memory(err, threads * SELECT_BINS * sizeof *work->counts);
    WP_TRY(wp_pool_run(run, chunks, count_chunk, work, err));
    for (size_t i = SELECT_BINS; i < threads * SELECT_BINS; i++)
        work->counts[i % SELECT_BINS] += work->counts[i];
    for (size_t i = 0; i < chances_count; i++) {
        double part;
        size_t before, place = place_of(work->count, chances[i], &part);
        work->wanted[bin_with(work, place, &before)] = 1;
        if (part > 0)
            work->wanted[bin_with(work, place + 1, &before)] = 1;
    }
    return copy_wanted(work, err);
}

static wp_status copy_all(select_work *work, wp_error *err)
{
    work->copied = wp_alloc_array(work->count, sizeof *work->copied);
    if (work->copied == NULL)
        return wp_fail_memory(err, work->count * sizeof *work->copied);
    memcpy(work->copied, work->v, work->count * sizeof *work->copied);
    return WP_OK;
}

wp_status wp_vector_select(const double *v, size_t count, double minimum, double maximum,
                           const double *chances, size_t chances_count, double *out,
                           const wp_run *run, wp_error *err)
{
    size_t starts[SELECT_BINS];
    uint8_t wanted[SELECT_BINS] = {0};
    if (count == 0 || minimum == maximum) {
        for (size_t i = 0; i < chances_count; i++)
            out[i] = count == 0 ? NAN : minimum;
        return WP_OK;
    }
    select_work work = {.v = v,
                        .count = count,
                        .minimum = minimum,
                        .wanted = wanted,
                        .starts = starts,
                        .scale = SELECT_BINS / (maximum - minimum)};
    bool few = count <= SELECT_FEW || !(work.scale > 0) || isinf(work.scale);
    wp_status status =
        few ? copy_all(&work, err) : count_and_copy(&work, chances, chances_count, run, err);
    for (size_t i = 0; status == WP_OK && i < chances_count; i++) {
        double part, low;
        size_t place = place_of(count, chances[i], &part);
        out[i] = low = at_place(&work, place);
        if (part > 0)
            out[i] = low + part * (at_place(&work, place + 1) - low);
    }
    wp_free(work.copied);
    wp_free(work.counts);
    return status;
}

/* ---- groups ---- */

/* What is above a cut is in the next group or a later one, and so is what is at it where the cut is
** `closed`. */
typedef struct group_work {
    const double *v;
    size_t count, cuts_count;
    double cuts[WP_SELECT_MOST];
    bool closed[WP_SELECT_MOST];
    uint32_t *counts; /* per worker and cut: rows below, rows equal */
    uint8_t *codes;
} group_work;

static wp_status count_cuts_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)err;
    const group_work *work = context;
    size_t first = chunk * SELECT_ROWS;
    size_t last = first + SELECT_ROWS < work->count ? first + SELECT_ROWS : work->count;
    for (size_t k = 0; k < work->cuts_count; k++) {
        double cut = work->cuts[k];
        uint32_t below = 0, equal = 0;
        for (size_t i = first; i < last; i++) {
            below += work->v[i] < cut;
            equal += work->v[i] == cut;
        }
        uint32_t *counts = work->counts + 2 * (worker * work->cuts_count + k);
        counts[0] += below;
        counts[1] += equal;
    }
    return WP_OK;
}

static wp_status code_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const group_work *work = context;
    size_t first = chunk * SELECT_ROWS;
    size_t last = first + SELECT_ROWS < work->count ? first + SELECT_ROWS : work->count;
    memset(work->codes + first, 0, last - first);
    for (size_t k = 0; k < work->cuts_count; k++) {
        double cut = work->cuts[k];
        bool closed = work->closed[k];
        for (size_t i = first; i < last; i++)
            work->codes[i] =
                (uint8_t)(work->codes[i] + ((work->v[i] > cut) | (closed & (work->v[i] == cut))));
    }
    return WP_OK;
}

/* Group k + 1 begins at the number in place floor(count k / groups), or behind it where its
** mid-rank is too low: every number below has a mid-rank below count k / groups, every number
** above one above. */
static void close_cuts(group_work *work, size_t groups, unsigned workers)
{
    for (size_t k = 0; k < work->cuts_count; k++) {
        double below = 0, equal = 0;
        for (unsigned worker = 0; worker < workers; worker++) {
            const uint32_t *counts = work->counts + 2 * (worker * work->cuts_count + k);
            below += counts[0];
            equal += counts[1];
        }
        double rank = below + (equal + 1) / 2;
        double group = floor((double)groups * (rank - 0.5) / (double)work->count);
        work->closed[k] = group >= (double)(k + 1);
    }
}

wp_status wp_vector_groups(const double *v, size_t count, double minimum, double maximum,
                           size_t groups, uint8_t *codes, const wp_run *run, wp_error *err)
{
    group_work work = {.v = v, .count = count, .cuts_count = groups - 1, .codes = codes};
    double chances[WP_SELECT_MOST];
    unsigned workers = wp_run_threads(run);
    size_t chunks = (count + SELECT_ROWS - 1) / SELECT_ROWS;
    for (size_t k = 0; k + 1 < groups; k++)
        chances[k] = count > 1 ? (double)(count * (k + 1) / groups) / ((double)count - 1) : 0;
    WP_TRY(wp_vector_select(v, count, minimum, maximum, chances, work.cuts_count, work.cuts, run,
                            err));
    work.counts = wp_alloc_array_zero(workers * work.cuts_count, 2 * sizeof *work.counts);
    if (work.counts == NULL)
        return wp_fail_memory(err, workers * work.cuts_count * 2 * sizeof *work.counts);
    wp_status status = wp_pool_run(run, chunks, count_cuts_chunk, &work, err);
    close_cuts(&work, groups, workers);
    if (status == WP_OK)
        status = wp_pool_run(run, chunks, code_chunk, &work, err);
    wp_free(work.counts);
    return status;
}
