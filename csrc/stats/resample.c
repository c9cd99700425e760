/* See resample.h. */
#include "stats/resample.h"

#include "base/memory.h"
#include "stats/cells.h"
#include "stats/sampler.h"
#include "stats/vector.h"

#include <math.h>
#include <string.h>

enum { CASES_PER_DRAW = 20, POSITIVES_PER_DRAW = 16, RUN = 256 };

static double weight_at(const double *weights, size_t i)
{
    return weights == NULL ? 1 : weights[i];
}

static wp_status check_input(const wp_resample_input *input, wp_error *err)
{
    double total = 0;
    for (size_t i = 0; i < input->rows; i++) {
        double weight = weight_at(input->weights, i);
        if (weight != floor(weight))
            return wp_fail(err, WP_INVALID, "weights: row %zu: %g (expected a whole number)", i + 1,
                           weight);
        if (input->label[i] != 0 && input->label[i] != 1)
            return wp_fail(err, WP_INVALID, "labels: row %zu: %g (expected 0 or 1)", i + 1,
                           input->label[i]);
        total += weight;
    }
    if (total > 0x1p52)
        return wp_fail(err, WP_LIMIT, "weights: their sum is too large (expected below 2^52)");
    return WP_OK;
}

/* ---- bootstrap ---- */

/* Categories 2c (label 0) and 2c + 1 (label 1) of the score cells in ascending order. */
typedef struct auc_cells {
    size_t count;    /* score cells */
    double *weights; /* 2 * count */
    uint64_t total;
    uint32_t *code;    /* cell of each row */
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

static wp_status auc_cells_make(auc_cells *cells, const wp_resample_input *input, wp_error *err)
{
    wp_factor scores;
    WP_TRY(wp_factor_make(&scores, input->score, input->rows, err));
    cells->count = scores.numbers_count;
    cells->code = scores.codes;
    wp_free(scores.numbers);
    cells->weights = wp_alloc_array_zero(2 * cells->count, sizeof *cells->weights);
    if (cells->weights == NULL)
        return wp_fail_memory(err, 2 * cells->count * sizeof *cells->weights);
    for (size_t i = 0; i < input->rows; i++) {
        double weight = weight_at(input->weights, i);
        cells->weights[2 * cells->code[i] + (input->label[i] != 0)] += weight;
        cells->total += (uint64_t)weight;
    }
    if (input->clusters != NULL)
        return wp_factor_make(&cells->cluster, input->clusters, input->rows, err);
    bool by_case = 2 * cells->count > cells->total / CASES_PER_DRAW && cells->total < UINT32_MAX;
    return by_case ? fill_case_slots(cells, err) : WP_OK;
}

wp_status wp_bootstrap_auc(const wp_resample_input *input, double *out, const wp_run *run,
                           wp_error *err)
{
    WP_TRY(check_input(input, err));
    auc_cells cells = {0};
    bootstrap_work work = {.input = input, .cells = &cells, .out = out};
    wp_status status = auc_cells_make(&cells, input, err);
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

/* ---- permutation ---- */

/* Cells first .. last-1 of a stratum; `few` of its cases are drawn: the positives, or the others
** where those are fewer. */
typedef struct stratum {
    size_t first, last;
    uint64_t cases, positives, slot; /* slot: of the first case, in the list of scores */
    double sum;                      /* of the scores of all cases */
    bool by_cell;
} stratum;

typedef struct permute_work {
    const wp_resample_input *input;
    const double *scores, *weights; /* per cell */
    const stratum *strata;
    size_t strata_count;
    /* Score of each case, where some stratum draws cases: doubled in 32 bits where all are whole
    ** then, as mid-ranks are, since what a draw costs is a place of this list in a near cache. */
    const double *slots;
    const uint32_t *halves;
    uint64_t *bits; /* bits_size words per worker, all zero between draws */
    size_t bits_size;
    double *out;
} permute_work;

static double sum_by_cell(const permute_work *work, const stratum *s, wp_rng *rng)
{
    uint64_t left = s->cases, good = s->positives;
    double sum = 0;
    for (size_t c = s->first; c < s->last && good > 0; c++) {
        uint64_t here = (uint64_t)work->weights[c];
        uint64_t drawn = wp_rng_hypergeometric(rng, here, left - here, good);
        sum += (double)drawn * work->scores[c];
        left -= here;
        good -= drawn;
    }
    return sum;
}

/* A case that nobody drew yet. */
static inline uint64_t draw_new(wp_rng *rng, uint64_t cases, uint64_t *bits)
{
    for (;;) {
        uint64_t place = wp_rng_below(rng, cases), bit = 1ULL << (place & 63);
        if (bits[place >> 6] & bit)
            continue;
        bits[place >> 6] |= bit;
        return place;
    }
}

static double draw_scores(const double *scores, uint64_t cases, uint64_t wanted, wp_rng *rng,
                          uint64_t *bits)
{
    double sum = 0;
    for (uint64_t taken = 0; taken < wanted; taken++)
        sum += scores[draw_new(rng, cases, bits)];
    return sum;
}

static uint64_t draw_halves(const uint32_t *halves, uint64_t cases, uint64_t wanted, wp_rng *rng,
                            uint64_t *bits)
{
    uint64_t sum = 0;
    wp_rng local = *rng;
    for (uint64_t taken = 0; taken < wanted; taken++)
        sum += halves[draw_new(&local, cases, bits)];
    *rng = local;
    return sum;
}

static double sum_by_case(const permute_work *work, const stratum *s, wp_rng *rng, uint64_t *bits)
{
    bool others = s->positives > s->cases / 2;
    uint64_t wanted = others ? s->cases - s->positives : s->positives;
    double sum = work->halves != NULL
                     ? (double)draw_halves(work->halves + s->slot, s->cases, wanted, rng, bits) / 2
                     : draw_scores(work->slots + s->slot, s->cases, wanted, rng, bits);
    memset(bits, 0, (size_t)(s->cases / 64 + 1) * sizeof *bits);
    return others ? s->sum - sum : sum;
}

static wp_status permute_one(void *context, size_t resample, unsigned worker, wp_error *err)
{
    (void)err;
    const permute_work *work = context;
    double sum = 0;
    wp_rng rng;
    wp_rng_seed(&rng, work->input->seed, resample);
    for (size_t i = 0; i < work->strata_count; i++) {
        const stratum *s = &work->strata[i];
        sum += s->by_cell ? sum_by_cell(work, s, &rng)
                          : sum_by_case(work, s, &rng, work->bits + worker * work->bits_size);
    }
    work->out[resample] = sum;
    return WP_OK;
}

/* Strata of the cells (stratum, score), with positives and exact permutation moments. */
static size_t find_strata(stratum *strata, const wp_cells *cells, const double *positives,
                          double *mean, double *variance)
{
    size_t count = 0;
    uint64_t slot = 0;
    *mean = *variance = 0;
    for (size_t first = 0, last = 0; first < cells->count; first = last) {
        double cases = 0, events = 0, sum = 0, squares = 0;
        for (; last < cells->count && cells->columns[0][last] == cells->columns[0][first]; last++) {
            cases += cells->weights[last];
            events += positives[last];
            sum += cells->weights[last] * cells->columns[1][last];
        }
        double centre = sum / cases;
        for (size_t c = first; c < last; c++) {
            double distance = cells->columns[1][c] - centre;
            squares += cells->weights[c] * distance * distance;
        }
        *mean += events * centre;
        if (cases > 1)
            *variance += events * (cases - events) / cases * squares / (cases - 1);
        double fewer = fmin(events, cases - events);
        strata[count++] = (stratum){first,
                                    last,
                                    (uint64_t)cases,
                                    (uint64_t)events,
                                    slot,
                                    sum,
                                    (double)(last - first) * POSITIVES_PER_DRAW < fewer};
        slot += (uint64_t)cases;
    }
    return count;
}

static bool all_halves(const permute_work *work)
{
    size_t cells = work->strata[work->strata_count - 1].last;
    for (size_t c = 0; c < cells; c++) {
        double twice = 2 * work->scores[c];
        if (!(twice >= 0 && twice <= UINT32_MAX && twice == floor(twice)))
            return false;
    }
    return true;
}

static wp_status fill_slots(permute_work *work, uint64_t total, void **slots, wp_error *err)
{
    bool halves = all_halves(work);
    size_t size = halves ? sizeof(uint32_t) : sizeof(double);
    *slots = wp_alloc_array((size_t)total, size);
    if (*slots == NULL)
        return wp_fail_memory(err, total * size);
    double *scores = *slots;
    uint32_t *twice = *slots;
    for (size_t i = 0; i < work->strata_count; i++) {
        const stratum *s = &work->strata[i];
        size_t next = s->slot, words = (size_t)(s->cases / 64 + 1);
        for (size_t c = s->first; c < s->last; c++)
            for (uint64_t j = 0; j < (uint64_t)work->weights[c]; j++, next++) {
                if (halves)
                    twice[next] = (uint32_t)(2 * work->scores[c]);
                else
                    scores[next] = work->scores[c];
            }
        work->bits_size = words > work->bits_size ? words : work->bits_size;
    }
    work->halves = halves ? *slots : NULL;
    work->slots = halves ? NULL : *slots;
    return WP_OK;
}

static wp_status permute_cells(permute_work *work, const wp_run *run, wp_error *err)
{
    void *slots = NULL;
    bool by_case = false;
    uint64_t total = 0;
    for (size_t i = 0; i < work->strata_count; i++) {
        by_case = by_case || !work->strata[i].by_cell;
        total += work->strata[i].cases;
    }
    wp_status status = by_case ? fill_slots(work, total, &slots, err) : WP_OK;
    if (status == WP_OK && by_case) {
        work->bits = wp_alloc_array_zero(wp_run_threads(run) * work->bits_size, sizeof(uint64_t));
        if (work->bits == NULL)
            status = wp_fail_memory(err, work->bits_size * sizeof(uint64_t));
    }
    if (status == WP_OK)
        status = wp_pool_run(run, work->input->resamples, permute_one, work, err);
    wp_free(work->bits);
    wp_free(slots);
    return status;
}

/* Scores of one stratum become the mid-ranks of their cases. */
static void rank_scores(wp_cells *cells)
{
    double below = 0;
    for (size_t c = 0; c < cells->count; c++) {
        cells->columns[1][c] = below + (cells->weights[c] + 1) / 2;
        below += cells->weights[c];
    }
}

/* Cells (0, score) without strata: the distinct scores, found with one sort instead of three. */
static wp_status cells_of_scores(wp_cells *cells, const wp_resample_input *input, wp_error *err)
{
    wp_factor scores;
    WP_TRY(wp_factor_make(&scores, input->score, input->rows, err));
    size_t count = scores.numbers_count;
    *cells = (wp_cells){.count = count, .rows_count = input->rows, .index = scores.codes};
    cells->columns = wp_alloc_array_zero(2, sizeof *cells->columns);
    cells->weights = wp_alloc_array(count, sizeof *cells->weights);
    if (cells->columns == NULL || cells->weights == NULL) {
        wp_free(scores.numbers);
        return wp_fail_memory(err, count * sizeof *cells->weights);
    }
    cells->columns_count = 2;
    cells->columns[1] = scores.numbers;
    cells->columns[0] = wp_alloc_array_zero(count, sizeof(double));
    if (cells->columns[0] == NULL)
        return wp_fail_memory(err, count * sizeof(double));
    wp_factor_weights(&scores, input->weights, cells->weights);
    return WP_OK;
}

wp_status wp_permute_sum(const wp_resample_input *input, double *out, double *observed,
                         double *mean, double *variance, const wp_run *run, wp_error *err)
{
    WP_TRY(check_input(input, err));
    wp_cells cells = {0};
    stratum *strata = NULL;
    double *positives = NULL;
    const double *columns[] = {input->strata, input->score};
    wp_status status = input->strata == NULL ? cells_of_scores(&cells, input, err)
                                             : wp_cells_make(&cells, columns, 2, input->rows,
                                                             input->weights, run, err);
    if (status != WP_OK)
        goto done;
    if (input->ranks)
        rank_scores(&cells);
    positives = wp_alloc_array_zero(cells.count, sizeof *positives);
    strata = wp_alloc_array(cells.count, sizeof *strata);
    if (positives == NULL || strata == NULL) {
        status = wp_fail_memory(err, cells.count * sizeof *strata);
        goto done;
    }
    for (size_t i = 0; i < input->rows; i++)
        positives[cells.index[i]] += input->label[i] * weight_at(input->weights, i);
    *observed = 0;
    for (size_t c = 0; c < cells.count; c++)
        *observed += positives[c] * cells.columns[1][c];
    permute_work work = {.input = input,
                         .scores = cells.columns[1],
                         .weights = cells.weights,
                         .strata = strata,
                         .out = out};
    work.strata_count = find_strata(strata, &cells, positives, mean, variance);
    status = permute_cells(&work, run, err);
done:
    wp_free(strata);
    wp_free(positives);
    wp_cells_free(&cells);
    return status;
}
