/* Analyses whose common case has a loop of its own: each against the general one, on made logs with
** short and long journeys, users without events, ties, and codes and times of every width. */
#include "test/test.h"

#include "base/memory.h"
#include "base/rng.h"
#include "journey/chain.h"
#include "journey/flow.h"
#include "journey/measure.h"
#include "journey/select.h"
#include "journey/window.h"

#include <stdlib.h>

enum { USERS = 60, ROWS_MAX = 12000, NAMES = 8 };

typedef struct made_log {
    wp_log log;
    wp_columns columns;
    uint32_t row_starts[USERS + 1], ticks[ROWS_MAX];
    int64_t micros[ROWS_MAX];
    uint8_t codes[ROWS_MAX];
    uint16_t wide_codes[ROWS_MAX];
    uint64_t every_row[ROWS_MAX / 64 + 1], every_user[USERS / 64 + 1];
} made_log;

/* Gaps of 0 to spread - 1 units. The last user's rows end the columns. */
static void make_log(made_log *made, uint64_t seed, uint32_t spread, int64_t unit_us)
{
    wp_rng rng;
    wp_rng_seed(&rng, seed, 1);
    *made = (made_log){0};
    uint32_t rows = 0;
    for (uint32_t user = 0; user < USERS; user++) {
        static const uint32_t lengths[] = {3, 20, 70, 200};
        uint32_t length = (uint32_t)wp_rng_below(&rng, lengths[user % 4]);
        uint32_t tick = (uint32_t)wp_rng_below(&rng, 1000);
        if (user % 29 == 11)
            length = 1024 + user; /* longer than chain_bits.c takes */
        made->row_starts[user] = rows;
        for (uint32_t i = 0; i < length; i++, rows++) {
            tick += (uint32_t)wp_rng_below(&rng, 3) * (uint32_t)wp_rng_below(&rng, spread);
            made->ticks[rows] = tick;
            made->micros[rows] = 5000000 + tick * unit_us;
            made->codes[rows] = (uint8_t)wp_rng_below(&rng, NAMES);
            made->wide_codes[rows] = made->codes[rows];
        }
    }
    made->row_starts[USERS] = rows;
    for (uint32_t i = 0; i < ROWS_MAX / 64 + 1; i++)
        made->every_row[i] = UINT64_MAX;
    made->every_user[0] = (1ULL << USERS) - 1;
    made->columns =
        (wp_columns){.events_count = rows,
                     .users_count = USERS,
                     .row_starts = made->row_starts,
                     .times = {.base_us = 5000000, .unit_us = unit_us, .offsets = made->ticks},
                     .events = {1, made->codes},
                     .event_names = {.count = NAMES}};
    made->log = (wp_log){.references = 1,
                         .columns = &made->columns,
                         .events_count = rows,
                         .users_count = USERS,
                         .first_us = 5000000,
                         .last_us = 5000000 + 40000 * unit_us};
}

static void widen(made_log *made, bool codes, bool times)
{
    if (codes)
        made->columns.events = (wp_codes){2, made->wide_codes};
    if (times)
        made->columns.times = (wp_times){.unit_us = 1, .wide = true, .micros = made->micros};
}

/* --- Funnels --------------------------------------------------------------------------------- */

static void compare_chains(const wp_chain_plan *common, const wp_chain_plan *general,
                           const made_log *made, bool gathered)
{
    static uint32_t index[ROWS_MAX];
    wp_chain_search *searches = wp_alloc_array_zero(2, sizeof *searches);
    wp_error err;
    for (uint32_t user = 0; user < USERS; user++) {
        uint32_t first = made->row_starts[user], count = made->row_starts[user + 1] - first;
        wp_rows rows = {NULL, first, count};
        for (uint32_t i = 0; i < count; i++)
            index[i] = first + i;
        if (gathered)
            rows = (wp_rows){index, first, count};
        wp_chain found, expected;
        if (count == 0)
            continue;
        CHECK_INT(wp_chain_find(common, &searches[0], user, &rows, &found, &err), WP_OK);
        CHECK_INT(wp_chain_find(general, &searches[1], user, &rows, &expected, &err), WP_OK);
        CHECK_INT(found.level, expected.level);
        if (found.level == 0 || found.level != expected.level)
            continue;
        CHECK_INT(found.open, expected.open);
        CHECK_INT(found.pending, expected.pending);
        for (uint32_t step = 0; step < common->options->steps_count; step++)
            CHECK_INT(found.rows[step], expected.rows[step]);
    }
    wp_chain_search_reset(&searches[0]);
    wp_chain_search_reset(&searches[1]);
    wp_free(searches);
}

static void compare_funnel(const made_log *made, const wp_funnel_options *options)
{
    wp_chain_plan common, general;
    wp_error err;
    if (wp_chain_plan_start(&made->columns, options, &common, &err) != WP_OK ||
        wp_chain_plan_start(&made->columns, options, &general, &err) != WP_OK)
        abort();
    CHECK(common.code_step != NULL);
    wp_free(general.code_step);
    general.code_step = NULL;
    compare_chains(&common, &general, made, false);
    compare_chains(&common, &general, made, true);
    wp_chain_plan_reset(&common);
    wp_chain_plan_reset(&general);
}

static void compare_rules(const made_log *made)
{
    const int64_t limits_us[] = {-1, 0, 20000000, 2000000000};
    uint64_t codes[] = {1u << 2, 1u << 0 | 1u << 5, 1u << 1, 1u << 7}; /* one step has two names */
    wp_funnel_step steps[4] = {{.gap_max_us = -1}};
    for (int i = 0; i < 4; i++)
        steps[i] = (wp_funnel_step){.selection = {.codes = &codes[i]}, .gap_max_us = -1};
    for (uint32_t count = 1; count <= 4; count++)
        for (unsigned rule = 0; rule < 3 * 2 * 4; rule++) {
            wp_funnel_options options = {.steps = steps,
                                         .steps_count = count,
                                         .within_us = limits_us[rule / 6],
                                         .ties = (wp_funnel_ties)(rule % 3),
                                         .entry = rule / 3 % 2 == 0 ? WP_ENTRY_ANY : WP_ENTRY_FIRST,
                                         .as_of_us = made->log.last_us,
                                         .hold_text = -1};
            compare_funnel(made, &options);
        }
}

TEST(a_funnel_by_bits_finds_the_chains_of_the_general_search)
{
    made_log *made = malloc(sizeof *made);
    for (uint64_t seed = 0; seed < 4; seed++) {
        make_log(made, seed, seed % 2 == 0 ? 4 : 400, 1000000);
        widen(made, seed == 1, seed == 2);
        compare_rules(made);
    }
    free(made);
}

/* --- Windows --------------------------------------------------------------------------------- */

static void compare_frames(const wp_log *log, const wp_plan *plan)
{
    wp_frame *found = NULL, *expected = NULL;
    wp_run run = {.threads = 1};
    wp_error err;
    wp_walk_off = false;
    CHECK_INT(wp_measure(log, plan, &run, &found, &err), WP_OK);
    wp_walk_off = true;
    run.threads = 3;
    CHECK_INT(wp_measure(log, plan, &run, &expected, &err), WP_OK);
    wp_walk_off = false;
    CHECK_INT(found->rows_count, expected->rows_count);
    for (uint32_t row = 0; row < found->rows_count; row++) {
        CHECK_INT(found->users[row], expected->users[row]);
        CHECK_INT(wp_frame_t0_us(found, row), wp_frame_t0_us(expected, row));
        for (uint32_t i = 0; i < plan->columns_count; i++)
            CHECK_INT((int64_t)wp_frame_number(&found->columns[i], row),
                      (int64_t)wp_frame_number(&expected->columns[i], row));
    }
    CHECK_INT(found->loss.used, expected->loss.used);
    CHECK_INT(found->loss.too_recent, expected->loss.too_recent);
    CHECK_INT(found->loss.events, expected->loss.events);
    wp_frame_free(found);
    wp_frame_free(expected);
}

/* Counts of four events in four windows, of which the plan has as many as asked for. */
static void compare_windows(const wp_log *log, uint32_t leaves_count, const wp_selection *from,
                            int64_t day_us)
{
    uint64_t codes[] = {1u << 2, 1u << 5, 1u << 0, 1u << 7};
    wp_selection selections[4];
    const wp_selection *borrowed[4];
    wp_window windows[] = {{WP_WINDOW_OFFSETS, 0, 7 * day_us},
                           {WP_WINDOW_OFFSETS, 7 * day_us, 37 * day_us},
                           {WP_WINDOW_OFFSETS, -5 * day_us, 0},
                           {WP_WINDOW_OFFSETS, day_us, 37 * day_us}};
    wp_leaf leaves[4] = {{.kind = WP_LEAF_COUNT}};
    wp_op ops[4] = {{.kind = WP_OP_LEAF}};
    wp_plan_column columns[4] = {{.type = WP_CELL_U32}};
    for (uint32_t i = 0; i < 4; i++) {
        selections[i] = (wp_selection){.codes = &codes[i]};
        borrowed[i] = &selections[i];
        leaves[i] = (wp_leaf){.kind = i == 1 ? WP_LEAF_DID : WP_LEAF_COUNT, .window = i, .a = i};
        ops[i] = (wp_op){.kind = WP_OP_LEAF, .leaf = i};
        columns[i] = (wp_plan_column){.first_op = i, .ops_count = 1, .type = WP_CELL_U32};
    }
    wp_plan plan = {.from = from,
                    .selections = borrowed,
                    .selections_count = 4,
                    .as_of_us = log->last_us,
                    .windows = windows,
                    .windows_count = leaves_count,
                    .leaves = leaves,
                    .leaves_count = leaves_count,
                    .ops = ops,
                    .ops_count = leaves_count,
                    .columns = columns,
                    .columns_count = leaves_count,
                    .rules = {.prior = -1, .outcome = -1}};
    compare_frames(log, &plan);
    plan.has_rules = true;
    plan.rules = (wp_rules){.needed_us = 3000 * day_us, .prior = -1, .outcome = 0};
    compare_frames(log, &plan);
    plan.rules.prior = (int32_t)leaves_count - 1;
    compare_frames(log, &plan);
}

TEST(a_walk_through_short_journeys_counts_like_searches)
{
    made_log *made = malloc(sizeof *made);
    uint64_t code = 1u << 3;
    wp_selection from = {.codes = &code};
    for (uint64_t seed = 0; seed < 4; seed++) {
        make_log(made, seed, seed % 2 == 0 ? 3 : 30, 1000000);
        widen(made, seed == 2, seed == 3);
        for (uint32_t leaves = 1; leaves <= 4; leaves++) {
            compare_windows(&made->log, leaves, NULL, 3000000);
            compare_windows(&made->log, leaves, &from, 3000000);
        }
        made->log.rows = made->every_row;
        made->log.users = made->every_user;
        compare_windows(&made->log, 4, NULL, 3000000);
    }
    free(made);
}

/* --- Sessions -------------------------------------------------------------------------------- */

TEST(sessions_over_the_column_are_those_of_journeys)
{
    made_log *made = malloc(sizeof *made);
    const uint32_t spreads[] = {10, 4000,
                                100000}; /* the last ones last longer than a tally knows */
    for (uint64_t seed = 0; seed < 6; seed++) {
        make_log(made, seed, spreads[seed % 3], 250000);
        int64_t timeout_us = (int64_t)spreads[seed % 3] * 250000;
        wp_run run = {.threads = 2};
        wp_sessions found, expected;
        wp_error err;
        CHECK_INT(wp_sessions_measure(&made->log, timeout_us, &run, &found, &err), WP_OK);
        made->log.rows = made->every_row;
        made->log.users = made->every_user;
        CHECK_INT(wp_sessions_measure(&made->log, timeout_us, &run, &expected, &err), WP_OK);
        CHECK_INT((int64_t)found.sessions_count, (int64_t)expected.sessions_count);
        CHECK_INT((int64_t)found.users_count, (int64_t)expected.users_count);
        CHECK_INT((int64_t)found.events_count, (int64_t)expected.events_count);
        CHECK_INT((int64_t)found.single_event_count, (int64_t)expected.single_event_count);
        CHECK(found.median_events == expected.median_events);
        CHECK(found.mean_events == expected.mean_events);
        CHECK(found.median_seconds == expected.median_seconds);
        CHECK(found.p90_seconds == expected.p90_seconds);
        CHECK(found.max_seconds == expected.max_seconds);
    }
    free(made);
}

/* --- Tallies --------------------------------------------------------------------------------- */

static void compare_tally(const uint32_t *values, size_t count)
{
    const double points[] = {0.5, 0.9, 0, 1};
    uint32_t *counts = wp_alloc_array_zero(WP_TALLY_BINS, sizeof *counts);
    uint8_t *marks = wp_alloc_array_zero(WP_TALLY_BINS, 1);
    uint32_t kept[500], copy[500];
    size_t marked, listed = 0;
    double found[4], expected[4];
    for (size_t i = 0; i < count; i++)
        counts[wp_tally_bin(copy[i] = values[i])]++;
    wp_tally_mark(counts, count, points, 4, marks, &marked);
    for (size_t i = 0; i < count; i++)
        if (marks[wp_tally_bin(values[i])] != 0)
            kept[listed++] = values[i];
    CHECK(marked == 0 || marked == listed);
    wp_tally_quantiles(counts, marks, count, 60e6, points, 4, kept, marked, found);
    wp_quantiles_u32(copy, count, 60e6, points, 4, expected);
    for (int p = 0; p < 4; p++)
        CHECK(found[p] == expected[p]);
    wp_free(counts);
    wp_free(marks);
}

TEST(tallies_know_the_quantiles_of_all_values)
{
    wp_rng rng;
    wp_rng_seed(&rng, 5, 1);
    for (unsigned spread = 1; spread <= 32; spread++)
        for (size_t count = 1; count <= 500; count = count * 2 + 3) {
            uint32_t values[500];
            for (size_t i = 0; i < count; i++)
                values[i] = (uint32_t)(wp_rng_next(&rng) >> (64 - spread));
            compare_tally(values, count);
        }
    for (uint32_t value = 4090; value < 4100; value++)
        CHECK(wp_tally_bin(value) <= wp_tally_bin(value + 1));
    CHECK(wp_tally_bin(UINT32_MAX) == WP_TALLY_BINS - 1);
}
