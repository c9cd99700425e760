/* The hot loops whose long paths small logs do not reach: each against a plain twin. */
#include "test/test.h"

#include "base/intern.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/time.h"
#include "journey/below.h"
#include "journey/select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Type 7: linear between the places around p (n - 1). */
static double quantile_of_sorted(const int64_t *sorted, size_t count, double p)
{
    double place = p * (double)(count - 1);
    size_t k = (size_t)place;
    if (place == (double)k || k + 1 >= count)
        return (double)sorted[k];
    return (double)sorted[k] + ((double)sorted[k + 1] - (double)sorted[k]) * (place - (double)k);
}

enum { MOST = 6000 };

static void compare_quantiles(wp_rng *rng, size_t count, unsigned spread, bool negative)
{
    static int64_t values[MOST], sorted[MOST];
    static uint32_t small[MOST];
    const double points[] = {0.5, 0.9, 0, 1};
    double found[4];
    for (size_t i = 0; i < count; i++) {
        int64_t value = (int64_t)(wp_rng_next(rng) >> (64 - spread));
        small[i] = (uint32_t)value;
        values[i] = sorted[i] = negative && (value & 1) != 0 ? -value : value;
    }
    qsort(sorted, count, sizeof *sorted, by_value);
    wp_quantiles_i64(values, count, points, 4, found);
    for (int p = 0; p < 4; p++)
        CHECK(found[p] == quantile_of_sorted(sorted, count, points[p]));
    for (size_t i = 0; i < count; i++)
        sorted[i] = small[i];
    qsort(sorted, count, sizeof *sorted, by_value);
    wp_quantiles_u32(small, count, 1, points, 4, found);
    for (int p = 0; p < 4; p++)
        CHECK(found[p] == quantile_of_sorted(sorted, count, points[p]));
}

TEST(quantiles_by_bins_are_those_of_the_sorted_values)
{
    wp_rng rng;
    wp_rng_seed(&rng, 1, 1);
    for (unsigned spread = 1; spread <= 50; spread += 7)
        for (size_t count = 1; count <= MOST; count = count * 3 + 1) {
            compare_quantiles(&rng, count, spread, false);
            compare_quantiles(&rng, count, spread, true);
        }
}

TEST(sixteen_times_at_once_count_like_one_by_one)
{
    uint32_t times[400];
    wp_rng rng;
    wp_rng_seed(&rng, 2, 1);
    for (uint32_t count = 0; count <= 300; count++) {
        uint32_t time = count % 3 == 0 ? UINT32_MAX - 2000 : 0;
        for (uint32_t i = 0; i < 400; i++)
            times[i] =
                i < count ? (time += (uint32_t)wp_rng_below(&rng, 5)) : (uint32_t)wp_rng_next(&rng);
        for (uint32_t k = 0; k < 20; k++) {
            uint32_t bound = times[wp_rng_below(&rng, count + 1)] + (uint32_t)k % 3, below = 0;
            while (below < count && times[below] < bound)
                below++;
            uint32_t readable = k % 2 == 0 ? 400 : count;
            CHECK_INT(wp_count_below(times, count, readable, bound), below);
        }
    }
}

TEST(a_column_of_few_values_gets_the_codes_of_any_other)
{
    wp_intern few = {0}, any = {0};
    wp_rng rng;
    wp_rng_seed(&rng, 3, 1);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5000; i++) {
            char text[40];
            /* Lengths 0 to 24 of one letter: words alone do not tell them apart. */
            size_t length = (size_t)wp_rng_below(&rng, 25);
            memset(text, 'a' + (int)wp_rng_below(&rng, 2), sizeof text);
            text[length / 2] = (char)('a' + wp_rng_below(&rng, 3));
            uint32_t code = wp_intern_add(&any, text, length, wp_hash_bytes(text, length));
            CHECK_INT(wp_intern_add_few(&few, text, length), code);
        }
        CHECK_INT(few.count, any.count);
        wp_intern_clear(&few);
        wp_intern_clear(&any);
    }
    wp_intern_free(&few);
    wp_intern_free(&any);
}

TEST(usual_epoch_numbers_are_read_as_by_the_general_reader)
{
    const wp_time_rule rules[] = {
        {.unit = WP_UNIT_AUTO}, {.unit = WP_UNIT_SECONDS}, {.unit = WP_UNIT_MILLISECONDS}};
    wp_rng rng;
    wp_rng_seed(&rng, 4, 1);
    for (int i = 0; i < 3000; i++) {
        char text[32], wide[40];
        int length = i % 2 == 0 ? 10 : 13;
        snprintf(text, sizeof text, "%0*llu", length,
                 (unsigned long long)wp_rng_below(&rng,
                                                  i % 2 == 0 ? 10000000000ULL : 10000000000000ULL));
        snprintf(wide, sizeof wide, " %s ", text); /* blanks: the general reader */
        if (i % 7 == 0)
            wide[1 + i % length] = text[i % length] = ':';
        for (int r = 0; r < 3; r++) {
            int64_t quick = 0, general = 0;
            bool zone = false;
            bool is_time = wp_time_parse(&rules[r], text, (size_t)length, &quick, &zone);
            CHECK(is_time == wp_time_parse(&rules[r], wide, (size_t)length + 2, &general, &zone));
            CHECK_INT(quick, general);
        }
    }
}
