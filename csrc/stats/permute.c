/* Permutation of scores against labels; see resample.h.
**
** A stratum draws either from cell to cell (a hypergeometric draw each) or case by case: places in
** the list of its cases, with a bit for each that was drawn, until there are enough. Sums of ranks
** are kept as whole numbers. Cost of a resample: 2 ns per positive for ranks with few ties, 3
** otherwise. */
#include "stats/resample.h"

#include "base/memory.h"
#include "stats/sampler.h"
#include "stats/score_cells.h"

#include <math.h>
#include <string.h>

enum { POSITIVES_PER_DRAW = 16, TIES_PER_DRAW = 2 };

static bool same_stratum(const wp_score_cells *cells, size_t a, size_t b)
{
    return cells->strata == NULL || cells->strata[a] == cells->strata[b];
}

/* Cells first .. last-1 of a stratum; `few` of its cases are drawn: the positives, or the others
** where those are fewer. */
typedef struct stratum {
    size_t first, last;
    uint64_t cases, positives, slot; /* slot: of the first case, in the list of scores */
    double sum;                      /* of the scores of all cases */
    bool by_cell;
} stratum;

/* A case that shares its score: doubled rank less what its place says. */
typedef struct tied_case {
    uint64_t place;
    int64_t right;
} tied_case;

typedef struct permute_work {
    const wp_resample_input *input;
    const double *scores, *weights; /* per cell */
    const stratum *strata;
    size_t strata_count;
    /* Score of each case, where some stratum draws cases: doubled in 32 bits where all are whole
    ** then, as mid-ranks are, since what a draw costs is a place of this list in a near cache. */
    const double *slots;
    const uint32_t *halves;
    /* Ranks of one stratum with few ties need no list. */
    bool straight;
    tied_case *tied;
    size_t tied_count;
    uint64_t *bits; /* bits_size words per worker, all zero between draws */
    size_t bits_size, threads;
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
    wp_rng local = *rng; /* in registers */
    for (uint64_t taken = 0; taken < wanted; taken++)
        sum += scores[draw_new(&local, cases, bits)];
    *rng = local;
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

/* Without ties the doubled rank of the case at `place` is 2 place + 2: nothing to look up. The few
** that are tied are put right afterwards, from the bits of who was drawn. */
static uint64_t draw_ranks(const permute_work *work, uint64_t cases, uint64_t wanted, wp_rng *rng,
                           uint64_t *bits)
{
    uint64_t places = 0, right = 0;
    wp_rng local = *rng;
    for (uint64_t taken = 0; taken < wanted; taken++)
        places += draw_new(&local, cases, bits);
    *rng = local;
    for (size_t i = 0; i < work->tied_count; i++) {
        const tied_case *tied = &work->tied[i];
        right += (uint64_t)tied->right & -(bits[tied->place >> 6] >> (tied->place & 63) & 1);
    }
    return 2 * (places + wanted) + right;
}

static double sum_by_case(const permute_work *work, const stratum *s, wp_rng *rng, uint64_t *bits)
{
    bool others = s->positives > s->cases / 2;
    uint64_t wanted = others ? s->cases - s->positives : s->positives;
    double sum;
    if (work->straight)
        sum = (double)draw_ranks(work, s->cases, wanted, rng, bits) / 2;
    else if (work->halves != NULL)
        sum = (double)draw_halves(work->halves + s->slot, s->cases, wanted, rng, bits) / 2;
    else
        sum = draw_scores(work->slots + s->slot, s->cases, wanted, rng, bits);
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

/* Strata of the cells, and the observed sum with its exact permutation moments. */
static size_t find_strata(stratum *strata, const wp_score_cells *cells, wp_permuted *found)
{
    size_t count = 0;
    uint64_t slot = 0;
    *found = (wp_permuted){0};
    for (size_t first = 0, last = 0; first < cells->count; first = last) {
        double cases = 0, events = 0, sum = 0, squares = 0;
        for (; last < cells->count && same_stratum(cells, first, last); last++) {
            cases += cells->weights[last];
            events += cells->positives[last];
            sum += cells->weights[last] * cells->scores[last];
            found->observed += cells->positives[last] * cells->scores[last];
        }
        double centre = sum / cases;
        for (size_t c = first; c < last; c++) {
            double distance = cells->scores[c] - centre;
            squares += cells->weights[c] * distance * distance;
        }
        found->mean += events * centre;
        if (cases > 1)
            found->variance += events * (cases - events) / cases * squares / (cases - 1);
        found->cases += cases;
        found->positives += events;
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
        size_t next = s->slot;
        for (size_t c = s->first; c < s->last; c++)
            for (uint64_t j = 0; j < (uint64_t)work->weights[c]; j++, next++) {
                if (halves)
                    twice[next] = (uint32_t)(2 * work->scores[c]);
                else
                    scores[next] = work->scores[c];
            }
    }
    work->halves = halves ? *slots : NULL;
    work->slots = halves ? NULL : *slots;
    return WP_OK;
}

/* Lists the cases that share a score, where they are few beside those that are drawn. */
static wp_status list_ties(permute_work *work, wp_error *err)
{
    const stratum *s = work->strata;
    size_t count = 0;
    uint64_t place = 0, wanted = s->positives;
    wanted = wanted > s->cases / 2 ? s->cases - wanted : wanted;
    for (size_t c = 0; c < s->last; c++)
        count += work->weights[c] > 1 ? (size_t)work->weights[c] : 0;
    if (count > wanted / TIES_PER_DRAW || s->cases > INT32_MAX)
        return WP_OK;
    work->tied = wp_alloc_array(count, sizeof *work->tied);
    if (work->tied == NULL)
        return wp_fail_memory(err, count * sizeof *work->tied);
    for (size_t c = 0; c < s->last; c++) {
        int64_t here = (int64_t)work->weights[c];
        for (int64_t j = 0; here > 1 && j < here; j++)
            work->tied[work->tied_count++] = (tied_case){place + (uint64_t)j, here - 1 - 2 * j};
        place += (uint64_t)here;
    }
    work->straight = true;
    return WP_OK;
}

static wp_status prepare_cases(permute_work *work, void **slots, wp_error *err)
{
    uint64_t total = 0, most = 0;
    for (size_t i = 0; i < work->strata_count; i++) {
        total += work->strata[i].cases;
        most = work->strata[i].cases > most ? work->strata[i].cases : most;
    }
    work->bits_size = (size_t)(most / 64 + 1);
    work->bits = wp_alloc_array_zero(work->threads * work->bits_size, sizeof(uint64_t));
    if (work->bits == NULL)
        return wp_fail_memory(err, work->bits_size * sizeof(uint64_t));
    if (work->input->ranks)
        WP_TRY(list_ties(work, err));
    return work->straight ? WP_OK : fill_slots(work, total, slots, err);
}

static wp_status draw_all(permute_work *work, const wp_run *run, wp_error *err)
{
    void *slots = NULL;
    bool by_case = false;
    for (size_t i = 0; i < work->strata_count; i++)
        by_case = by_case || !work->strata[i].by_cell;
    work->threads = wp_run_threads(run);
    wp_status status = by_case ? prepare_cases(work, &slots, err) : WP_OK;
    if (status == WP_OK)
        status = wp_pool_run(run, work->input->resamples, permute_one, work, err);
    wp_free(work->tied);
    wp_free(work->bits);
    wp_free(slots);
    return status;
}

/* ---- cells ---- */

/* Scores become the mid-ranks of their cases. */
static void rank_scores(wp_score_cells *cells)
{
    double below = 0;
    for (size_t c = 0; c < cells->count; c++) {
        cells->scores[c] = below + (cells->weights[c] + 1) / 2;
        below += cells->weights[c];
    }
}

wp_status wp_permute_sum(const wp_resample_input *input, double *out, wp_permuted *found,
                         const wp_run *run, wp_error *err)
{
    wp_score_cells cells;
    WP_TRY(wp__resample_check(input, err));
    WP_TRY(wp_score_cells_make(&cells, input, run, err));
    if (input->ranks)
        rank_scores(&cells);
    stratum *strata = wp_alloc_array(cells.count, sizeof *strata);
    wp_status status;
    if (strata == NULL) {
        status = wp_fail_memory(err, cells.count * sizeof *strata);
    } else {
        permute_work work = {.input = input,
                             .scores = cells.scores,
                             .weights = cells.weights,
                             .strata = strata,
                             .out = out};
        work.strata_count = find_strata(strata, &cells, found);
        status = draw_all(&work, run, err);
    }
    wp_free(strata);
    wp_score_cells_free(&cells);
    return status;
}
