/* base/: numbers, instants and texts as codes, each against the C library or a plain twin. */
#include "test/test.h"

#include "base/intern.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/rng.h"
#include "base/time.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool number_is(const char *text, double expected)
{
    double number = 0;
    return wp_number_parse(text, strlen(text), &number) &&
           memcmp(&number, &expected, sizeof number) == 0;
}

static bool number_refused(const char *text)
{
    double number;
    return !wp_number_parse(text, strlen(text), &number);
}

TEST(decimal_text_becomes_the_nearest_double)
{
    CHECK(number_is("0", 0.0));
    CHECK(number_is("-0", -0.0));
    CHECK(number_is(" +12.50 ", 12.5));
    CHECK(number_is(".5", 0.5));
    CHECK(number_is("5.", 5.0));
    CHECK(number_is("1e-3", 0.001));
    CHECK(number_is("9007199254740993", 9007199254740992.0));
    CHECK(number_is("1.7976931348623157e308", 1.7976931348623157e308));
    CHECK(number_is("5e-324", 5e-324));
    CHECK(number_is("1e-400", 0.0));
    CHECK(number_is("0.000000000000000000000000000000000000000000000000000000000001e60", 1.0));
}

TEST(text_that_is_no_finite_number_is_refused)
{
    const char *const bad[] = {"x", "1x", "1 2", "--1", "1e", "e5", ".", "1e999", "0x10", "1,5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!CHECK(number_refused(bad[i])))
            printf("  '%s'\n", bad[i]);
}

TEST(words_for_nothing_are_missing_numbers)
{
    const char *const words[] = {"", "  ", "NA", "NaN", "null", "None", "\\N"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        double number = 0;
        CHECK(wp_number_parse(words[i], strlen(words[i]), &number) && isnan(number));
    }
}

TEST(random_numbers_parse_as_the_c_library_reads_them)
{
    wp_rng rng;
    wp_rng_seed(&rng, 11, 0);
    for (int i = 0; i < 200000; i++) {
        char text[64];
        uint64_t bits = wp_rng_next(&rng);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        switch (i % 4) {
        case 0: /* any double */
            snprintf(text, sizeof text, "%.17g", value);
            break;
        case 1: /* more digits than a double holds */
            snprintf(text, sizeof text, "%.*e", (int)wp_rng_below(&rng, 30), value);
            break;
        case 2: /* money */
            snprintf(text, sizeof text, "%.*f", (int)wp_rng_below(&rng, 9),
                     (double)(int64_t)bits / 1e12);
            break;
        default: /* halfway between two doubles, the hard case */
            snprintf(text, sizeof text, "%llu", (unsigned long long)(bits >> 10 | 1ULL << 53));
        }
        double expected = strtod(text, NULL), found;
        if (!CHECK(wp_number_parse(text, strlen(text), &found) && found == expected)) {
            printf("  '%s'\n", text);
            return;
        }
    }
}

TEST(integers_keep_all_their_64_bits)
{
    int64_t number = 0;
    CHECK(wp_integer_parse("9223372036854775807", 19, &number));
    CHECK_INT(number, INT64_MAX);
    CHECK(wp_integer_parse("-9223372036854775808", 20, &number));
    CHECK_INT(number, INT64_MIN);
    CHECK(!wp_integer_parse("9223372036854775808", 19, &number));
    CHECK(!wp_integer_parse("", 0, &number));
    CHECK(!wp_integer_parse("12 ", 3, &number));
    CHECK(!wp_integer_parse("1.0", 3, &number));
}

static bool time_is(const char *text, int64_t expected)
{
    wp_time_rule rule = {0};
    int64_t time_us = -1;
    bool assumed = false;
    bool parsed = wp_time_parse(&rule, text, strlen(text), &time_us, &assumed);
    if (!parsed || time_us != expected)
        printf("  '%s' is %lld\n", text, parsed ? (long long)time_us : -1LL);
    return parsed && time_us == expected;
}

TEST(instants_are_read_in_their_usual_spellings)
{
    const int64_t noon = 1709294400000000; /* 2024-03-01T12:00:00Z */
    CHECK(time_is("2024-03-01T12:00:00Z", noon));
    CHECK(time_is("2024-03-01 12:00:00", noon));
    CHECK(time_is("2024-03-01T14:00:00+02:00", noon));
    CHECK(time_is("2024-03-01T12:00:00.250Z", noon + 250000));
    CHECK(time_is("2024-03-01", noon - 12 * 3600 * WP_US_PER_SECOND));
    CHECK(time_is("1709294400", noon));
    CHECK(time_is("1709294400000", noon));
    CHECK(time_is("1709294400000000", noon));
    CHECK(time_is("1709294400.5", noon + 500000));
}

TEST(instants_that_do_not_exist_are_refused)
{
    const char *const bad[] = {
        "",           "yesterday",           "2024-13-01",          "2024-02-30",
        "2023-02-29", "2024-03-01T25:00:00", "2024-03-01T12:60:00Z"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wp_time_rule rule = {0};
        int64_t time_us;
        bool assumed = false;
        if (!CHECK(!wp_time_parse(&rule, bad[i], strlen(bad[i]), &time_us, &assumed)))
            printf("  '%s'\n", bad[i]);
    }
}

TEST(days_and_dates_agree_with_the_c_library)
{
    for (int64_t days = -140000; days < 140000; days += 7) {
        time_t seconds = (time_t)(days * 86400);
        struct tm tm;
        gmtime_r(&seconds, &tm);
        int64_t year;
        unsigned month, day;
        wp_date_from_days(days, &year, &month, &day);
        if (!CHECK(year == tm.tm_year + 1900 && (int)month == tm.tm_mon + 1 &&
                   (int)day == tm.tm_mday && wp_days_from_date(year, month, day) == days))
            return;
    }
}

TEST(an_instant_survives_being_written_and_read)
{
    wp_rng rng;
    wp_rng_seed(&rng, 12, 0);
    for (int i = 0; i < 20000; i++) {
        int64_t time_us = (int64_t)wp_rng_below(&rng, 4102444800000000ULL), found;
        if (i % 3 == 0)
            time_us -= time_us % WP_US_PER_SECOND;
        char text[WP_TIME_TEXT];
        size_t length = wp_time_text(time_us, NULL, text);
        wp_time_rule rule = {0};
        bool assumed = false;
        if (!CHECK(wp_time_parse(&rule, text, length, &found, &assumed) && found == time_us))
            return;
    }
}

TEST(equal_texts_get_equal_codes_in_order_of_appearance)
{
    wp_intern table = {0};
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 5000; i++) {
            char text[16];
            int length = snprintf(text, sizeof text, "%u", i * 7919u);
            uint64_t hash = i % 100; /* poor on purpose: texts with the same hash are told apart */
            if (!CHECK_INT(wp_intern_add(&table, text, (size_t)length, hash), i))
                break;
        }
    }
    CHECK_INT(table.count, 5000);
    CHECK_INT(wp_intern_find(&table, "none", 4, 1), UINT32_MAX);
    CHECK_INT(wp_intern_add(&table, "", 0, 7), 5000);
    CHECK_INT(wp_intern_find(&table, "", 0, 7), 5000);
    wp_intern_free(&table);
}
