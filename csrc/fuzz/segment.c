/* Hostile bytes as column segments whose checksum fits: refused, or decoded within bounds and the
** same with and without AVX2. The first byte says which kind, the second how many
** rows are wanted. */
#include "store/segment.h"
#include "base/hash.h"
#include "store/segment_inside.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS = 1024 };

typedef union values {
    uint32_t codes[ROWS + 16];
    uint64_t words[ROWS + 16];
    double numbers[ROWS + 16];
    int64_t times[ROWS + 16];
} values;

static wp_status decode(const wp_segment *segment, char kind, uint32_t count, values *out,
                        values *other)
{
    wp_error err;
    uint32_t found, users[ROWS], below = 300;
    int64_t base, unit;
    WP_TRY(wp_segment_check(segment, kind, count, ROWS, &found, &err));
    for (uint32_t i = 0; i < ROWS; i++)
        users[i] = 2;
    switch (kind) {
    case 'u':
        return wp_segment_users(segment, count, ROWS, ROWS, out->codes, other->codes, &err);
    case 't':
        return wp_segment_times(segment, users, count / 2, count / 2 * 2, &base, &unit, out->words,
                                &err);
    case 'c':
        return wp_segment_codes(segment, count, below, out->codes, &err);
    case 'n':
        return wp_segment_numbers(segment, count, out->numbers, other->numbers, &err);
    default:
        return wp_segment_instants(segment, count, out->times, &err);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char kinds[] = "utcni";
    static values out[2], other[2];
    if (size < 2)
        return 0;
    char kind = kinds[data[0] % 5];
    uint32_t count = data[1] * 4u;
    size_t whole = WP__HEAD_SIZE + (size - 2) + WP__CHECK_SIZE;
    char *bytes = calloc(whole, 1);
    if (bytes == NULL)
        return 0;
    bytes[0] = kind;
    bytes[1] = (char)(data[0] >> 7);
    memcpy(bytes + 4, &count, sizeof count);
    memcpy(bytes + WP__HEAD_SIZE, data + 2, size - 2);
    uint64_t sum = wp_checksum(bytes, whole - WP__CHECK_SIZE, 7);
    memcpy(bytes + whole - WP__CHECK_SIZE, &sum, sizeof sum);
    wp_segment segment = {bytes, whole, 7};
    wp_status status[2];
    for (int k = 0; k < 2; k++) {
        memset(&out[k], 0, sizeof out[k]);
        memset(&other[k], 0, sizeof other[k]);
        wp_simd_off = k == 1;
        status[k] = decode(&segment, kind, count, &out[k], &other[k]);
    }
    if (status[0] != status[1] ||
        (status[0] == WP_OK && memcmp(&out[0], &out[1], sizeof out[0]) != 0))
        abort();
    free(bytes);
    return 0;
}
