/* What readers are made of, each against a plain twin: field ends for every set of instructions,
** lists of times, texts met before, and the join of batches into a log. */
#include "test/test.h"

#include "base/intern.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/time.h"
#include "ingest/batch.h"
#include "ingest/cell.h"
#include "ingest/scan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Fields ----------------------------------------------------------------------------------- */

enum { TEXT_MOST = 3000 };

static size_t random_csv(wp_rng *rng, char *text, unsigned quotes)
{
    static const char bytes[] = "ab,,,\n\n\r;xyz0123\"";
    size_t size = 1 + (size_t)wp_rng_below(rng, TEXT_MOST - 1);
    for (size_t i = 0; i < size; i++)
        text[i] = bytes[wp_rng_below(rng, sizeof bytes - 2 + (wp_rng_below(rng, 100) < quotes))];
    if (wp_rng_below(rng, 4) == 0)
        memset(text, wp_rng_below(rng, 2) == 0 ? ',' : '\n', size < 300 ? size : 300);
    memset(text + size, 0, WP_SCAN_PADDING);
    return size;
}

TEST(fields_end_at_the_same_places_for_every_set_of_instructions)
{
    static char text[TEXT_MOST + WP_SCAN_PADDING];
    wp_rng rng;
    wp_error err;
    wp_rng_seed(&rng, 11, 1);
    for (unsigned round = 0; round < 400; round++) {
        size_t size = random_csv(&rng, text, round % 4 == 0 ? 60 : round % 4);
        size_t stop = round % 3 == 0 ? (size_t)wp_rng_below(&rng, size) : SIZE_MAX;
        wp_scan scans[WP_SCAN_LEVELS] = {{0}};
        for (unsigned level = 0; level < WP_SCAN_LEVELS; level++) {
            wp_scan_limit(level);
            wp_scan_start(&scans[level], ',', 0, false);
            CHECK_INT(wp_scan_run(&scans[level], text, size, stop, true, &err), WP_OK);
        }
        for (unsigned level = 1; level < WP_SCAN_LEVELS; level++) {
            const wp_scan *plain = &scans[0], *other = &scans[level];
            CHECK_INT(other->ends_count, plain->ends_count);
            CHECK_INT(other->rows_count, plain->rows_count);
            CHECK(other->in_quotes == plain->in_quotes && other->has_quoted == plain->has_quoted);
            CHECK(memcmp(other->ends, plain->ends, plain->ends_count * sizeof *plain->ends) == 0);
            CHECK(memcmp(other->rows, plain->rows, plain->rows_count * sizeof *plain->rows) == 0);
        }
        for (unsigned level = 0; level < WP_SCAN_LEVELS; level++)
            wp_scan_free(&scans[level]);
    }
    wp_scan_limit(WP_SCAN_LEVELS - 1);
}

TEST(a_list_of_times_is_read_like_one_by_one_up_to_the_first_that_is_none)
{
    static const char *const texts[] = {"1704067200",
                                        "1704067200123",
                                        "2024-03-01 12:00:00",
                                        "2024-03-01T12:00:00Z",
                                        "2024-03-01",
                                        " 1704067200 ",
                                        "2024-03-01T12:00:00.25+02:00",
                                        "17040672x0",
                                        "1704067200.5",
                                        "",
                                        "20240301"};
    enum { KINDS = sizeof texts / sizeof *texts, MOST = 40 };
    wp_rng rng;
    wp_rng_seed(&rng, 12, 1);
    for (unsigned round = 0; round < 300; round++) {
        wp_time_rule rule = {.unit = round % 5 == 0 ? WP_UNIT_MILLISECONDS : WP_UNIT_AUTO,
                             .format = round % 7 == 0 ? "%Y-%m-%d" : NULL};
        wp_slice slices[MOST];
        int64_t times[MOST], time_us;
        bool assumed = false, one_assumed = false;
        size_t count = 0;
        for (size_t i = 0; i < MOST; i++) {
            const char *text = texts[wp_rng_below(&rng, round % 2 == 0 ? KINDS : 5)];
            slices[i] = (wp_slice){text, strlen(text)};
        }
        size_t found = wp_time_parse_list(&rule, slices, MOST, times, &assumed);
        while (count < MOST && wp_time_parse(&rule, slices[count].text, slices[count].length,
                                             &time_us, &one_assumed)) {
            if (count < found)
                CHECK_INT(times[count], time_us);
            count++;
        }
        CHECK_INT(found, count);
        CHECK(assumed == one_assumed);
    }
}

TEST(integers_of_databases_read_like_their_digits)
{
    const int64_t edges[] = {0,  1,   -1,         9,          10,          99,        100,      101,
                             -5, -10, 1704067200, 9999999999, 99999999999, INT64_MAX, INT64_MIN};
    wp_rng rng;
    wp_rng_seed(&rng, 15, 1);
    for (unsigned i = 0; i < 3000; i++) {
        int64_t number = i < sizeof edges / sizeof *edges
                             ? edges[i]
                             : (int64_t)(wp_rng_next(&rng) >> (i % 64)) * (i % 2 == 0 ? 1 : -1);
        wp_time_rule rule = {.unit = i % 3 == 0 ? WP_UNIT_MILLISECONDS : WP_UNIT_AUTO};
        wp_cell cell = {.kind = WP_CELL_INTEGER, .integer = number};
        char digits[32];
        size_t length = (size_t)snprintf(digits, sizeof digits, "%lld", (long long)number);
        wp_slice text = wp_cell_text(&cell);
        CHECK(text.length == length && memcmp(text.text, digits, length) == 0);
        if (length == 8 || length == 14)
            continue; /* as texts these are dates */
        int64_t found = 0, wanted = 0;
        bool assumed = false, is_time = wp_time_from_integer(&rule, number, &found);
        CHECK(is_time == wp_time_parse(&rule, digits, length, &wanted, &assumed));
        CHECK(!is_time || found == wanted);
    }
}

TEST(texts_met_before_have_their_codes_in_every_epoch)
{
    wp_intern recent = {.recent_bits = 4}, plain = {0};
    wp_rng rng;
    wp_rng_seed(&rng, 13, 1);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 4000; i++) {
            char text[320] = {0};
            size_t length = wp_rng_below(&rng, 20) == 0 ? 250 + (size_t)wp_rng_below(&rng, 20)
                                                        : (size_t)wp_rng_below(&rng, 20);
            memset(text, 'a', length);
            if (length > 0)
                text[wp_rng_below(&rng, length)] = (char)wp_rng_below(&rng, 3); /* also NUL */
            uint32_t code = wp_intern_add(&plain, text, length, wp_hash_bytes(text, length));
            uint32_t found = wp_rng_below(&rng, 2) == 0
                                 ? wp_intern_add_few(&recent, text, length)
                                 : wp_intern_add_few_padded(&recent, text, length);
            CHECK_INT(found, code);
        }
        wp_intern_clear(&plain);
        wp_intern_clear(&recent);
        if (round == 1) /* two epochs before they begin anew */
            recent.recent_epoch = UINT32_MAX - 2 * WP_RECENT_MOST - 1;
    }
    wp_intern_free(&plain);
    wp_intern_free(&recent);
}

/* --- The join --------------------------------------------------------------------------------- */

enum { ROWS = 6000, USERS = 300 };

typedef struct source_row {
    char user[24];
    uint32_t batch;
    int64_t time_us;
    double numbers[3];
} source_row;

static source_row rows[ROWS];

/* Numbers that all rows have, one in three, one in fifty; `spread` of 1 leaves rows in order. */
static void make_rows(wp_rng *rng, uint32_t spread, int64_t unit_us)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        source_row *row = &rows[i];
        snprintf(row->user, sizeof row->user, "user %u", (unsigned)wp_rng_below(rng, USERS));
        row->batch = i / 700;
        row->time_us = (int64_t)(i / 3 + wp_rng_below(rng, spread)) * unit_us;
        row->numbers[0] = i;
        row->numbers[1] = wp_rng_below(rng, 3) == 0 ? (double)i : NAN;
        row->numbers[2] = wp_rng_below(rng, 50) == 0 ? (double)i : NAN;
    }
}

static wp_columns *join_rows(unsigned threads)
{
    static const char *const numbers[] = {"all", "some", "few"}, *const texts[] = {"row"};
    wp_schema schema = {.numbers = numbers, .numbers_count = 3, .texts = texts, .texts_count = 1};
    wp_run run = {.threads = threads};
    wp_build *build = NULL;
    wp_writer *writer = NULL;
    wp_columns *columns = NULL;
    wp_error err;
    CHECK_INT(wp_build_start(&schema, &build, &err), WP_OK);
    CHECK_INT(wp_writer_start(build, &writer, &err), WP_OK);
    for (uint32_t i = 0; i < ROWS; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", i);
        wp_slice text = {name, strlen(name)};
        wp_row row = {.user = {rows[i].user, strlen(rows[i].user)},
                      .event = {i % 5 == 0 ? "five" : "other", i % 5 == 0 ? 4 : 5},
                      .time_us = rows[i].time_us,
                      .numbers = rows[i].numbers,
                      .texts = &text};
        CHECK_INT(wp_writer_add(writer, &row, &err), WP_OK);
        if (i + 1 == ROWS || rows[i + 1].batch != rows[i].batch)
            CHECK_INT(wp_writer_finish(writer, rows[i].batch, &err), WP_OK);
    }
    CHECK_INT(wp_build_finish(build, &run, &columns, &err), WP_OK);
    wp_writer_free(writer);
    wp_build_free(build);
    return columns;
}

static uint32_t source_of(const wp_columns *columns, uint32_t row)
{
    size_t length;
    char name[16] = {0};
    const char *text = wp_dictionary_text(&columns->texts[0].values,
                                          wp_code_at(&columns->texts[0].codes, row), &length);
    memcpy(name, text, length < sizeof name ? length : 0);
    return (uint32_t)atoi(name);
}

static void check_row(const wp_columns *columns, uint32_t user, uint32_t row)
{
    uint32_t source = source_of(columns, row);
    size_t length;
    const char *id = wp_dictionary_text(&columns->user_ids, user, &length);
    CHECK(length == strlen(rows[source].user) && memcmp(id, rows[source].user, length) == 0);
    CHECK_INT(wp_time_at(&columns->times, row), rows[source].time_us);
    for (uint32_t i = 0; i < 3; i++) {
        double found = wp_number_at(&columns->numbers[i], row), wanted = rows[source].numbers[i];
        CHECK(isnan(wanted) ? isnan(found) : found == wanted);
    }
    if (row == columns->row_starts[user])
        return;
    uint32_t before = source_of(columns, row - 1);
    CHECK(rows[before].time_us < rows[source].time_us ||
          (rows[before].time_us == rows[source].time_us && before < source));
}

TEST(batches_are_joined_into_users_rows_in_order_of_time)
{
    wp_rng rng;
    wp_error err;
    wp_rng_seed(&rng, 14, 1);
    for (unsigned round = 0; round < 6; round++) {
        uint64_t first = 0, again = 0;
        make_rows(&rng, round < 2 ? 1 : round < 4 ? 20 : 4000, round % 2 == 0 ? 1000000 : 999);
        for (unsigned threads = 1; threads <= 3; threads++) {
            wp_columns *columns = join_rows(threads);
            CHECK_INT(columns->events_count, ROWS);
            CHECK(columns->numbers[0].dense != NULL && columns->numbers[1].packed != NULL &&
                  columns->numbers[2].packed != NULL);
            for (uint32_t user = 0; user < columns->users_count; user++)
                for (uint32_t row = columns->row_starts[user]; row < columns->row_starts[user + 1];
                     row++)
                    check_row(columns, user, row);
            first = threads == 1 ? columns->fingerprint : first;
            CHECK(columns->fingerprint == first);
            CHECK_INT(wp_columns_fingerprint(columns, NULL, &again, &err), WP_OK);
            CHECK(again == first);
            wp_columns_release(columns);
        }
    }
}
