/* Segments of columns: every encoding there and back, with and without wide instructions, and bytes
** that a hostile file would hold. */
#include "store/checksum.h"
#include "store/segment.h"
#include "test/test.h"

#include <stdlib.h>

/* Segments with a right checksum and wrong contents: what a hostile file would hold. */
static void seal(char *bytes, size_t size, uint64_t id)
{
    uint64_t sum = wp_checksum(bytes, size - 8, id);
    for (unsigned i = 0; i < 8; i++)
        bytes[size - 8 + i] = (char)(unsigned char)(sum >> (8 * i));
}

enum { ROWS = 300, USERS = 40 };

/* Decodes a segment in every way there is; how many refused it. */
static unsigned decode(const wp_segment *segment, unsigned kind, const uint32_t *counts)
{
    static uint64_t times[ROWS], bits[ROWS / 64 + 1];
    static int64_t instants[ROWS];
    static uint32_t codes[ROWS], own_offsets[USERS], own_counts[USERS], offsets[ROWS];
    static double numbers[ROWS], spare[ROWS];
    static uint8_t bytes[ROWS];
    uint32_t count = 0, room[2 * ROWS];
    int64_t base, unit;
    bool fits = true;
    wp_error err;
    static const char kinds[] = {'u', 't', 'c', 'n', 'i'};
    CHECK(wp_segment_offsets_room(ROWS) <= 2 * ROWS);
    if (wp_segment_check(segment, kinds[kind], kind == 0 ? USERS : ROWS, ROWS, &count, &err) !=
        WP_OK)
        return 1;
    wp_status status = WP_OK, other = WP_OK;
    if (kind == 0)
        status = wp_segment_users(segment, count, 200, ROWS, own_offsets, own_counts, &err);
    else if (kind == 1) {
        const wp_times into = {.unit_us = 1000000, .offsets = offsets};
        status = wp_segment_times(segment, counts, USERS, ROWS, &base, &unit, times, &err);
        other = wp_segment_offsets(segment, counts, USERS, ROWS, &into, 0, (ROWS - 1) * 1000000LL,
                                   room, offsets, &fits, &err);
        CHECK(!fits || status == WP_OK);
        for (unsigned i = 0; other == WP_OK && fits && i < ROWS; i++)
            CHECK((uint64_t)offsets[i] * 1000000 == (uint64_t)base + times[i] * (uint64_t)unit);
    } else if (kind == 2) {
        const wp_codes narrow = {1, bytes};
        status = wp_segment_codes(segment, ROWS, 9, codes, &err);
        other = wp_segment_narrow(segment, ROWS, 9, &narrow, 0, &err);
        CHECK(status == other);
        for (unsigned i = 0; status == WP_OK && i < ROWS; i++)
            CHECK(codes[i] < 9 && codes[i] == bytes[i]);
    } else if (kind == 3) {
        uint32_t present = 0, next = 0;
        status = wp_segment_numbers(segment, ROWS, numbers, spare, &err);
        other = wp_segment_numbers_present(segment, ROWS, &present, &err);
        if (other == WP_OK)
            other = wp_segment_numbers_packed(segment, ROWS, bits, spare, &err);
        CHECK(status == other && present <= ROWS);
        for (unsigned i = 0; status == WP_OK && i < ROWS; i++)
            CHECK(wp_bit(bits, i) ? memcmp(&numbers[i], &spare[next++], 8) == 0
                                  : isnan(numbers[i]));
    } else {
        status = wp_segment_instants(segment, ROWS, instants, &err);
    }
    return status != WP_OK;
}

TEST(hostile_segments_are_refused_or_decoded_within_bounds)
{
    static uint64_t words[ROWS];
    static int64_t times[ROWS];
    static uint32_t codes[ROWS], offsets[USERS], counts[USERS];
    static double numbers[ROWS];
    for (unsigned i = 0; i < USERS; i++) {
        offsets[i] = i * 3;
        counts[i] = i == 0 ? ROWS - USERS + 1 : 1;
    }
    for (unsigned i = 0; i < ROWS; i++) {
        times[i] = (int64_t)i * 1000000;
        codes[i] = i % 7;
        numbers[i] = i % 3 == 0 ? NAN : i / 4.0;
    }
    wp_bytes made[5] = {0};
    wp_segment_of_users(&made[0], 9, offsets, counts, USERS, words);
    wp_segment_of_times(&made[1], 9, times, counts, USERS, ROWS, words);
    wp_segment_of_codes(&made[2], 9, codes, ROWS, words);
    wp_segment_of_numbers(&made[3], 9, numbers, ROWS, words);
    wp_segment_of_instants(&made[4], 9, times, ROWS, words);
    unsigned refused = 0;
    for (unsigned kind = 0; kind < 5; kind++) {
        for (size_t at = 0; at + 8 < made[kind].size; at++) {
            for (unsigned turn = 0; turn < 6; turn++) {
                static const unsigned char masks[] = {0xff, 0x40, 0x01};
                /* exact, so that a sanitizer sees the end */
                char *copy = malloc(made[kind].size);
                memcpy(copy, made[kind].data, made[kind].size);
                copy[at] = (char)(copy[at] ^ masks[turn % 3]);
                seal(copy, made[kind].size, 9);
                wp_segment segment = {copy, made[kind].size, 9};
                wp_simd_off = turn >= 3;
                refused += decode(&segment, kind, counts);
                free(copy);
            }
        }
        wp_bytes_free(&made[kind]);
    }
    wp_simd_off = false;
    CHECK(refused > 400);
}

/* --- Encodings ------------------------------------------------------------------------------- */

TEST(packed_integers_of_every_width_come_back)
{
    enum { MOST = 300 };
    static uint64_t values[MOST], back[MOST];
    static uint32_t narrow[MOST];
    static uint8_t eights[MOST];
    for (unsigned turn = 0; turn < 2 * 65; turn++)
        for (size_t count = 0; count <= MOST; count += count < 4 ? 1 : 37) {
            unsigned width = turn / 2;
            uint64_t state = width * 1000 + count;
            for (size_t i = 0; i < count; i++)
                values[i] = width == 0 ? 0 : (state = wp_mix(state + 1, WP_HASH_A)) >> (64 - width);
            wp_bytes bytes = {0};
            wp_pack(&bytes, values, count);
            size_t size = bytes.size;
            wp_bytes_add64(&bytes, 0);
            wp_simd_off = turn % 2 != 0;
            wp_unpacker from = {bytes.data, bytes.data + size}, again = from, once_more = from;
            CHECK(wp_unpack64(&from, back, count));
            CHECK(from.at == from.end);
            CHECK(memcmp(values, back, count * sizeof *values) == 0);
            bool fits = wp_unpack32(&again, narrow, count, 32);
            CHECK(fits || width > 32);
            for (size_t i = 0; fits && i < count; i++)
                CHECK(narrow[i] == values[i]);
            uint32_t high = 0, found = 0;
            CHECK(wp_unpack8(&once_more, eights, count, 7, &found) == fits);
            for (size_t i = 0; fits && i < count; i++) {
                high = narrow[i] > high ? narrow[i] : high;
                CHECK(eights[i] == (uint8_t)(values[i] + 7));
            }
            CHECK(!fits || (found == high && once_more.at == once_more.end));
            wp_bytes_free(&bytes);
        }
    wp_simd_off = false;
}

/* Users of every length, times that repeat, jump and start before those of the user before, in
** units of the log that are finer, equal or coarser. */
TEST(times_come_back_by_every_way)
{
    enum { MOST_USERS = 700, MOST_ROWS = 4000 };
    static uint32_t counts[MOST_USERS], offsets[MOST_ROWS], room[2 * MOST_ROWS];
    static int64_t times_us[MOST_ROWS];
    static uint64_t words[MOST_ROWS], back[MOST_ROWS];
    uint64_t state = 1;
    for (unsigned turn = 0; turn < 400; turn++) {
        const int64_t unit = turn % 3 == 0 ? 1000000 : 60000000;
        const uint64_t steps_below = turn % 5 == 0 ? 1 : 1u << turn % 16;
        size_t users = 0, rows = 0;
        int64_t first = INT64_MAX, last = INT64_MIN;
        for (; users < MOST_USERS && rows < 100 + turn * 8; users++) {
            state = wp_mix(state + 1, WP_HASH_A);
            uint32_t count = 1 + (uint32_t)(state % (turn % 7 == 0 ? 40 : 1 + turn % 9));
            int64_t now = (int64_t)(state >> 32) % 5000000;
            for (uint32_t i = 0; i < count; i++, rows++) {
                times_us[rows] = now * unit;
                first = times_us[rows] < first ? times_us[rows] : first;
                last = times_us[rows] > last ? times_us[rows] : last;
                now += (int64_t)((state = wp_mix(state + 1, WP_HASH_B)) % steps_below);
            }
            counts[users] = count;
        }
        wp_bytes bytes = {0};
        wp_segment_of_times(&bytes, 7, times_us, counts, users, rows, words);
        CHECK(!bytes.failed);
        wp_segment segment = {bytes.data, bytes.size, 7};
        int64_t base, found_unit;
        wp_error err;
        CHECK(wp_segment_times(&segment, counts, users, rows, &base, &found_unit, back, &err) ==
              WP_OK);
        for (size_t i = 0; i < rows; i++)
            CHECK(base + (int64_t)back[i] * found_unit == times_us[i]);
        for (unsigned way = 0; way < 4; way++) {
            const wp_times times = {.base_us = first - 3600000000LL * (way / 2),
                                    .unit_us = way < 2 ? 1000000 : 60000000,
                                    .offsets = offsets};
            bool fits = false;
            wp_simd_off = way % 2 == 0;
            CHECK(wp_segment_offsets(&segment, counts, users, rows, &times, first, last, room,
                                     offsets, &fits, &err) == WP_OK);
            CHECK(fits || found_unit % times.unit_us != 0);
            for (size_t i = 0; fits && i < rows; i++)
                CHECK(wp_time_at(&times, i) == times_us[i]);
        }
        wp_bytes_free(&bytes);
    }
    wp_simd_off = false;
}
