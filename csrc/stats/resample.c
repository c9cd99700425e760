/* See resample.h. */
#include "stats/resample.h"

#include "base/memory.h"
#include "stats/sampler.h"
#include "stats/score_cells.h"
#include "stats/vector.h"

#include <math.h>
#include <string.h>

enum { CASES_PER_DRAW = 20, RUN = 256 };

static double weight_at(const double *weights, size_t i)
{
    return weights == NULL ? 1 : weights[i];
}

/* ---- bootstrap ---- */

/* Categories 2c (label 0) and 2c + 1 (label 1) of the score cells in ascending order. */
typedef struct auc_cells {
    size_t count;    /* score cells */
    double *weights; /* 2 * count */
    uint64_t total;
    uint32_t *code;    /* with clusters: cell of each row */
    wp_factor cluster; /* with clusters */
    uint8_t *slots;    /* one per case, where cases are drawn one by one */
    uint8_t *singles;  /* per run of RUN slots: no score of theirs is shared with another case */
} auc_cells;

typedef struct bootstrap_work {
    const wp_resample_input *input;
    const auc_cells *cells;
    double *scratch; /* scratch_size per worker */
    size_t scratch_size;
    double *out;
} bootstrap_work;

static double auc_of(const double *counts, size_t cells)
{
    double below = 0, wins = 0, positives = 0;
    for (size_t c = 0; c < cells; c++) {
        double no = counts[2 * c], yes = counts[2 * c + 1];
        wins += yes * (below + no / 2);
        below += no;
        positives += yes;
    }
    return positives > 0 && below > 0 ? wins / positives / below : NAN;
}

/* What a slot (one case, in the order of the categories) is. */
enum { SLOT_POSITIVE = 1, SLOT_NEW_CELL = 2 };

/* The AUC of a sample on its way through the slots; twice the wins, so that ties stay whole. */
typedef struct slot_sums {
    const uint8_t *slots, *singles;
    uint64_t below, wins_twice, positives, no, yes; /* no, yes: of the present cell */
} slot_sums;

static void close_cell(slot_sums *sums)
{
    sums->wins_twice += sums->yes * (2 * sums->below + sums->no);
    sums->below += sums->no;
    sums->positives += sums->yes;
    sums->no = sums->yes = 0;
}

/* Where every case is a cell of its own there is no cell to close, and no branch. */
static void add_singles(slot_sums *sums, const uint8_t *slots, const uint16_t *drawn, size_t count)
{
    uint64_t below = sums->below, wins = 0, positives = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t yes = drawn[i] & -(uint64_t)(slots[i] & SLOT_POSITIVE);
        wins += yes * below;
        below += drawn[i] - yes;
        positives += yes;
    }
    sums->below = below;
    sums->wins_twice += 2 * wins;
    sums->positives += positives;
}

static void add_slots(void *context, uint64_t first, const uint16_t *drawn, size_t count)
{
    slot_sums *sums = context;
    slot_sums now = *sums;
    const uint8_t *slots = sums->slots + first;
    if (first % RUN == 0 && count <= RUN && sums->singles[first / RUN]) {
        close_cell(sums);
        add_singles(sums, slots, drawn, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (slots[i] & SLOT_NEW_CELL)
            close_cell(&now);
        uint64_t yes = slots[i] & SLOT_POSITIVE ? drawn[i] : 0;
        now.yes += yes;
        now.no += drawn[i] - yes;
    }
    *sums = now;
}

static double auc_of_slots(wp_rng *rng, const auc_cells *cells)
{
    slot_sums sums = {.slots = cells->slots, .singles = cells->singles};
    wp_rng_slots(rng, cells->total, add_slots, &sums);
    close_cell(&sums);
    if (sums.positives == 0 || sums.below == 0)
        return NAN;
    return (double)sums.wins_twice / 2 / (double)sums.positives / (double)sums.below;
}

static wp_status fill_case_slots(auc_cells *cells, wp_error *err)
{
    cells->slots = wp_alloc_array((size_t)cells->total, 1);
    cells->singles = wp_alloc_array((size_t)cells->total / RUN + 1, 1);
    if (cells->slots == NULL || cells->singles == NULL)
        return wp_fail_memory(err, cells->total);
    uint8_t *slot = cells->slots;
    for (size_t c = 0; c < 2 * cells->count; c++) {
        uint64_t cases = (uint64_t)cells->weights[c];
        memset(slot, c % 2 ? SLOT_POSITIVE : 0, cases);
        if (cases > 0 && (c % 2 == 0 || cells->weights[c - 1] == 0))
            *slot |= SLOT_NEW_CELL;
        slot += cases;
    }
    for (uint64_t first = 0; first < cells->total; first += RUN) {
        uint8_t all = SLOT_NEW_CELL; /* of the run, and of the slot behind it */
        for (uint64_t i = first; i <= first + RUN && i < cells->total; i++)
            all &= cells->slots[i];
        cells->singles[first / RUN] = all != 0;
    }
    return WP_OK;
}

static void draw_cluster_counts(const bootstrap_work *work, wp_rng *rng, double *counts)
{
    const auc_cells *cells = work->cells;
    const wp_resample_input *input = work->input;
    size_t clusters = cells->cluster.numbers_count;
    double *times = counts + 2 * cells->count;
    memset(counts, 0, (2 * cells->count + clusters) * sizeof *counts);
    for (size_t i = 0; i < clusters; i++)
        times[wp_rng_below(rng, clusters)]++;
    for (size_t i = 0; i < input->rows; i++)
        counts[2 * cells->code[i] + (input->label[i] != 0)] +=
            times[cells->cluster.codes[i]] * weight_at(input->weights, i);
}

static wp_status bootstrap_one(void *context, size_t resample, unsigned worker, wp_error *err)
{
    (void)err;
    const bootstrap_work *work = context;
    const auc_cells *cells = work->cells;
    double *counts = work->scratch + worker * work->scratch_size;
    wp_rng rng;
    wp_rng_seed(&rng, work->input->seed, resample);
    if (cells->slots != NULL) {
        work->out[resample] = auc_of_slots(&rng, cells);
        return WP_OK;
    }
    if (work->input->clusters != NULL)
        draw_cluster_counts(work, &rng, counts);
    else
        wp_rng_multinomial(&rng, cells->weights, 2 * cells->count, cells->total, counts);
    work->out[resample] = auc_of(counts, cells->count);
    return WP_OK;
}

/* Whole clusters are drawn: the rows must know their cells. */
static wp_status cells_of_clusters(auc_cells *cells, const wp_resample_input *input, wp_error *err)
{
    wp_factor scores;
    WP_TRY(wp_factor_make(&scores, input->score, input->rows, err));
    cells->count = scores.numbers_count;
    cells->code = scores.codes;
    wp_free(scores.numbers);
    return wp_factor_make(&cells->cluster, input->clusters, input->rows, err);
}

static wp_status auc_cells_make(auc_cells *cells, const wp_resample_input *input, const wp_run *run,
                                wp_error *err)
{
    wp_score_cells scores;
    if (input->clusters != NULL)
        return cells_of_clusters(cells, input, err);
    WP_TRY(wp_score_cells_make(&scores, input, run, err));
    cells->count = scores.count;
    cells->weights = wp_alloc_array(2 * cells->count, sizeof *cells->weights);
    for (size_t c = 0; cells->weights != NULL && c < cells->count; c++) {
        cells->weights[2 * c] = scores.weights[c] - scores.positives[c];
        cells->weights[2 * c + 1] = scores.positives[c];
        cells->total += (uint64_t)scores.weights[c];
    }
    wp_score_cells_free(&scores);
    if (cells->weights == NULL)
        return wp_fail_memory(err, 2 * cells->count * sizeof *cells->weights);
    bool by_case = 2 * cells->count > cells->total / CASES_PER_DRAW && cells->total < UINT32_MAX;
    return by_case ? fill_case_slots(cells, err) : WP_OK;
}

wp_status wp_bootstrap_auc(const wp_resample_input *input, double *out, const wp_run *run,
                           wp_error *err)
{
    WP_TRY(wp__resample_check(input, err));
    auc_cells cells = {0};
    bootstrap_work work = {.input = input, .cells = &cells, .out = out};
    wp_status status = auc_cells_make(&cells, input, run, err);
    if (status != WP_OK)
        goto done;
    work.scratch_size = 2 * cells.count + cells.cluster.numbers_count;
    work.scratch = wp_alloc_array(wp_run_threads(run) * work.scratch_size, sizeof(double));
    if (work.scratch == NULL)
        status = wp_fail_memory(err, work.scratch_size * sizeof(double));
    else
        status = wp_pool_run(run, input->resamples, bootstrap_one, &work, err);
done:
    wp_free(work.scratch);
    wp_free(cells.weights);
    wp_free(cells.code);
    wp_free(cells.slots);
    wp_free(cells.singles);
    wp_factor_free(&cells.cluster);
    return status;
}

/* ---- bootstrap of a sum ---- */

typedef struct sum_work {
    const double *values;
    size_t rows;
    uint64_t seed;
    double *out;
} sum_work;

typedef struct drawn_sum {
    const double *values;
    double total;
} drawn_sum;

static void add_drawn(void *context, uint64_t first, const uint16_t *drawn, size_t count)
{
    drawn_sum *sum = context;
    const double *values = sum->values + first;
    double parts[4] = {0};
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        for (size_t j = 0; j < 4; j++)
            parts[j] += drawn[i + j] * values[i + j];
    for (; i < count; i++)
        parts[0] += drawn[i] * values[i];
    sum->total += (parts[0] + parts[2]) + (parts[1] + parts[3]);
}

static wp_status sum_one(void *context, size_t resample, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const sum_work *work = context;
    drawn_sum sum = {work->values, 0};
    wp_rng rng;
    wp_rng_seed(&rng, work->seed, resample);
    wp_rng_slots(&rng, work->rows, add_drawn, &sum);
    work->out[resample] = sum.total;
    return WP_OK;
}

wp_status wp_bootstrap_sums(const double *values, size_t rows, size_t resamples, uint64_t seed,
                            double *out, const wp_run *run, wp_error *err)
{
    sum_work work = {values, rows, seed, out};
    return wp_pool_run(run, resamples, sum_one, &work, err);
}
