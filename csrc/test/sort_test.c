/* The sort of ranks against the C library's, and what is built on its parts: cells of scores and
** permutations of ranks against plain twins. */
#include "test/test.h"

#include "base/memory.h"
#include "base/rng.h"
#include "stats/cells.h"
#include "stats/rank.h"
#include "stats/score_cells.h"
#include "stats/sort.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHAPES = 9, ROWS_MOST = 70000 };

static double number_of(wp_rng *rng, int shape, size_t i, size_t count)
{
    double u = wp_rng_uniform(rng);
    switch (shape) {
    case 0:
        return u;
    case 1:
        return floor(4 * u);
    case 2:
        return floor(1e4 * u) - 5e3;
    case 3:
        return ldexp(u - 0.5, (int)wp_rng_below(rng, 2000) - 1000);
    case 4:
        return u < 0.9 ? -0.0 : u < 0.95 ? 0.0 : u;
    case 5:
        return u < 0.01 ? (u < 0.005 ? INFINITY : -INFINITY) : u;
    case 6:
        return (double)i;
    case 7:
        return (double)(count - i);
    default:
        return 1 + ldexp(floor(8 * u), -(int)wp_rng_below(rng, 53));
    }
}

/* By key, then by tag: where tags ascend at first, that is what a stable sort gives. */
static int by_item(const void *left, const void *right)
{
    const wp_item *a = left, *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return (a->tag > b->tag) - (a->tag < b->tag);
}

static void check_parts(const wp_item *items, size_t count, const wp_sort_parts *parts)
{
    bool apart = true;
    CHECK(parts->starts[0] == 0 && parts->starts[parts->count] == count);
    for (size_t part = 1; part < parts->count; part++) {
        size_t start = parts->starts[part];
        apart = apart && start >= parts->starts[part - 1];
        apart = apart && (start == 0 || start == count || items[start - 1].key < items[start].key);
    }
    CHECK(apart);
}

TEST(items_are_sorted_stably_whatever_the_numbers_look_like)
{
    static const size_t counts[] = {0, 1, 2, 20, 21, 300, 4096, 4097, 20000, ROWS_MOST};
    wp_item *items = wp_alloc_array(2 * ROWS_MOST, sizeof *items), *twin = items + ROWS_MOST;
    wp_rng rng;
    wp_rng_seed(&rng, 3, 0);
    for (int shape = 0; shape < SHAPES; shape++)
        for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
            size_t count = counts[k];
            wp_run run = {.threads = 1 + (unsigned)(k % 3)};
            wp_sort_parts parts;
            for (size_t i = 0; i < count; i++)
                items[i] = (wp_item){wp_order_key(number_of(&rng, shape, i, count)), i};
            memcpy(twin, items, count * sizeof *items);
            qsort(twin, count, sizeof *twin, by_item);
            CHECK(wp_items_sort(items, count, &parts, &run, NULL) == WP_OK);
            CHECK(memcmp(items, twin, count * sizeof *items) == 0);
            check_parts(items, count, &parts);
        }
    wp_free(items);
}

typedef struct people {
    double score[ROWS_MOST], label[ROWS_MOST], weights[ROWS_MOST];
} people;

static void draw_people(people *p, int shape, size_t count, double share, uint64_t seed)
{
    wp_rng rng;
    wp_rng_seed(&rng, seed, 1);
    for (size_t i = 0; i < count; i++) {
        p->score[i] = number_of(&rng, shape, i, count);
        p->label[i] = wp_rng_uniform(&rng) < share;
        p->weights[i] = (double)wp_rng_below(&rng, 4);
    }
}

/* The cells hold every row once: totals agree, scores ascend, and each row finds its cell. */
TEST(cells_of_scores_hold_every_row_once)
{
    people *p = wp_alloc(sizeof *p);
    for (int shape = 0; shape < SHAPES; shape++)
        for (int weighted = 0; weighted < 2; weighted++) {
            size_t count = shape % 2 ? 900 : 30000;
            draw_people(p, shape, count, 0.3, 7);
            wp_resample_input input = {.score = p->score, .label = p->label, .rows = count};
            input.weights = weighted ? p->weights : NULL;
            wp_score_cells cells;
            CHECK(wp_score_cells_make(&cells, &input, NULL, NULL) == WP_OK);
            bool found = true, ascend = true;
            for (size_t c = 1; c < cells.count; c++)
                ascend = ascend && cells.scores[c - 1] < cells.scores[c];
            for (size_t i = 0; i < count; i++) {
                size_t low = 0, high = cells.count - 1;
                while (low < high) {
                    size_t middle = (low + high) / 2;
                    if (cells.scores[middle] < p->score[i])
                        low = middle + 1;
                    else
                        high = middle;
                }
                double weight = weighted ? p->weights[i] : 1;
                found = found && cells.scores[low] == p->score[i];
                cells.weights[low] -= weight;
                cells.positives[low] -= weight * p->label[i];
            }
            for (size_t c = 0; c < cells.count; c++)
                found = found && cells.weights[c] == 0 && cells.positives[c] == 0;
            CHECK(found && ascend);
            wp_score_cells_free(&cells);
        }
    wp_free(p);
}

TEST(cells_within_strata_are_those_of_the_pairs)
{
    people *p = wp_alloc(sizeof *p);
    double *strata = wp_alloc_array(ROWS_MOST, sizeof *strata);
    for (int shape = 0; shape < SHAPES; shape++)
        for (int weighted = 0; weighted < 2; weighted++) {
            size_t count = shape % 2 ? 900 : 30000;
            draw_people(p, shape, count, 0.3, 11);
            for (size_t i = 0; i < count; i++)
                strata[i] = (double)(i * i % 11) - 3;
            wp_resample_input input = {
                .score = p->score, .label = p->label, .strata = strata, .rows = count};
            input.weights = weighted ? p->weights : NULL;
            const double *columns[] = {strata, p->score};
            wp_score_cells cells;
            wp_cells pairs;
            wp_run run = {.threads = 1 + (unsigned)(shape % 3)};
            CHECK(wp_score_cells_make(&cells, &input, &run, NULL) == WP_OK);
            CHECK(wp_cells_make(&pairs, columns, 2, count, input.weights, NULL, NULL) == WP_OK);
            CHECK(cells.count == pairs.count);
            bool same = cells.count == pairs.count;
            for (size_t i = 0; same && i < count; i++)
                cells.positives[pairs.index[i]] -= p->label[i] * (weighted ? p->weights[i] : 1);
            for (size_t c = 0; same && c < cells.count; c++) {
                same = cells.scores[c] == pairs.columns[1][c] && cells.positives[c] == 0 &&
                       cells.weights[c] == pairs.weights[c];
                if (same && c > 0)
                    same = (cells.strata[c] != cells.strata[c - 1]) ==
                           (pairs.columns[0][c] != pairs.columns[0][c - 1]);
            }
            CHECK(same);
            wp_score_cells_free(&cells);
            wp_cells_free(&pairs);
        }
    wp_free(strata);
    wp_free(p);
}

/* Ranks that are worked out from the places drawn, against the same ranks given as scores. */
TEST(permutations_of_ranks_equal_permutations_of_scores_that_are_the_ranks)
{
    enum { DRAWS = 20 };
    static const double shares[] = {0.05, 0.5, 0.97};
    people *p = wp_alloc(sizeof *p);
    uint64_t *ranks = wp_alloc_array(ROWS_MOST, sizeof *ranks);
    double fast[DRAWS], plain[DRAWS];
    for (int shape = 0; shape < SHAPES; shape++)
        for (size_t k = 0; k < 12; k++) {
            size_t count = k < 6 ? 2 + k : 40 + 700 * (k - 6);
            draw_people(p, shape, count, shares[k % 3], k);
            const double *columns[] = {p->score};
            wp_rows rows;
            CHECK(wp_rows_init(&rows, columns, 1, count, NULL, NULL) == WP_OK);
            CHECK(wp_midranks(&rows, 0, ranks, NULL, NULL, NULL) == WP_OK);
            wp_resample_input input = {.score = p->score,
                                       .label = p->label,
                                       .ranks = true,
                                       .rows = count,
                                       .resamples = DRAWS,
                                       .seed = k};
            wp_permuted found, expected;
            wp_run run = {.threads = 1 + (unsigned)(k % 3)};
            CHECK(wp_permute_sum(&input, fast, &found, &run, NULL) == WP_OK);
            for (size_t i = 0; i < count; i++)
                p->score[i] = (double)ranks[i] / 2;
            input.ranks = false;
            CHECK(wp_permute_sum(&input, plain, &expected, NULL, NULL) == WP_OK);
            CHECK(memcmp(fast, plain, sizeof fast) == 0);
            CHECK(memcmp(&found, &expected, sizeof found) == 0);
            CHECK(found.cases == (double)count);
        }
    wp_free(ranks);
    wp_free(p);
}
