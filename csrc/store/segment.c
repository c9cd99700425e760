/* Column segments; see segment.h. */
#include "store/segment.h"

#include "store/segment_inside.h"

#define TIME_LIMIT ((int64_t)1 << 62)

static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
#define SCALE_MOST 6

void wp__segment_start(wp_bytes *out, char kind, unsigned encoding, size_t count)
{
    char *head = wp_bytes_add(out, 4);
    if (head != NULL) {
        head[0] = kind;
        head[1] = (char)encoding;
        head[2] = head[3] = 0;
    }
    wp_bytes_add32(out, (uint32_t)count);
}

void wp__segment_finish(wp_bytes *out, uint64_t id)
{
    if (!out->failed)
        wp_bytes_add64(out, wp_checksum(out->data, out->size, id));
}

wp_status wp__segment_corrupt(wp_error *err, const char *what)
{
    return wp_fail(err, WP_CORRUPT, "damaged segment: %s", what);
}

wp_status wp_segment_check(const wp_segment *segment, char kind, uint32_t expected, uint32_t most,
                           uint32_t *count, wp_error *err)
{
    const char *bytes = segment->bytes;
    if (bytes == NULL || segment->size < WP__HEAD_SIZE + WP__CHECK_SIZE)
        return wp__segment_corrupt(err, "it is too short");
    size_t size = segment->size - WP__CHECK_SIZE;
    if (wp_load64(bytes + size) != wp_checksum(bytes, size, segment->id))
        return wp__segment_corrupt(err, "its checksum does not fit");
    if (bytes[0] != kind || bytes[2] != 0 || bytes[3] != 0)
        return wp__segment_corrupt(err, "it is of another kind");
    uint32_t found = wp_load32(bytes + 4);
    if (found > most || (expected != UINT32_MAX && found != expected) ||
        found / WP_PACK_BLOCK > segment->size)
        return wp__segment_corrupt(err, "its number of rows does not fit");
    *count = found;
    return WP_OK;
}

/* --- Users ----------------------------------------------------------------------------------- */

void wp_segment_of_users(wp_bytes *out, uint64_t id, const uint32_t *offsets,
                         const uint32_t *rows_counts, size_t count, uint64_t *scratch)
{
    wp__segment_start(out, 'u', 0, count);
    uint32_t next = 0;
    for (size_t i = 0; i < count; i++) {
        scratch[i] = offsets[i] - next;
        next = offsets[i] + 1;
    }
    wp_pack(out, scratch, count);
    for (size_t i = 0; i < count; i++)
        scratch[i] = rows_counts[i] - 1;
    wp_pack(out, scratch, count);
    wp__segment_finish(out, id);
}

wp_status wp_segment_users(const wp_segment *segment, uint32_t count, uint32_t offsets_below,
                           uint32_t rows_count, uint32_t *offsets, uint32_t *rows_counts,
                           wp_error *err)
{
    wp_unpacker from = wp__segment_payload(segment, 0);
    if (!wp_unpack32(&from, offsets, count, 32) || !wp_unpack32(&from, rows_counts, count, 32) ||
        from.at != from.end)
        return wp__segment_corrupt(err, "users");
    uint64_t next = 0, rows = 0;
    for (uint32_t i = 0; i < count; i++) {
        next += offsets[i];
        if (next >= offsets_below)
            return wp__segment_corrupt(err, "users out of range");
        offsets[i] = (uint32_t)next++;
        rows += (uint64_t)rows_counts[i] + 1;
        if (rows > rows_count)
            return wp__segment_corrupt(err, "rows of users");
        rows_counts[i]++;
    }
    return rows == rows_count ? WP_OK : wp__segment_corrupt(err, "rows of users");
}

/* --- Codes ----------------------------------------------------------------------------------- */

void wp_segment_of_codes(wp_bytes *out, uint64_t id, const uint32_t *codes, size_t count,
                         uint64_t *scratch)
{
    uint32_t low = count > 0 ? UINT32_MAX : 0;
    for (size_t i = 0; i < count; i++)
        low = codes[i] < low ? codes[i] : low;
    for (size_t i = 0; i < count; i++)
        scratch[i] = codes[i] - low;
    wp__segment_start(out, 'c', 0, count);
    wp_bytes_add32(out, low);
    wp_pack(out, scratch, count);
    wp__segment_finish(out, id);
}

wp_status wp_segment_codes(const wp_segment *segment, size_t count, uint32_t below, uint32_t *codes,
                           wp_error *err)
{
    if (!wp__segment_has_head(segment, 4))
        return wp__segment_corrupt(err, "codes");
    uint32_t low = wp_load32(segment->bytes + WP__HEAD_SIZE), high = 0;
    wp_unpacker from = wp__segment_payload(segment, 4);
    if (!wp_unpack32(&from, codes, count, 32) || from.at != from.end)
        return wp__segment_corrupt(err, "codes");
    for (size_t i = 0; i < count; i++)
        high = codes[i] > high ? codes[i] : high;
    if (count > 0 && (uint64_t)high + low >= below)
        return wp__segment_corrupt(err, "codes out of range");
    for (size_t i = 0; low > 0 && i < count; i++)
        codes[i] += low;
    return WP_OK;
}

wp_status wp_segment_narrow(const wp_segment *segment, size_t count, uint32_t below,
                            const wp_codes *codes, size_t row, wp_error *err)
{
    if (!wp__segment_has_head(segment, 4))
        return wp__segment_corrupt(err, "codes");
    uint32_t low = wp_load32(segment->bytes + WP__HEAD_SIZE), block[WP_PACK_BLOCK], high = 0;
    wp_unpacker from = wp__segment_payload(segment, 4);
    bool whole = true;
    if (codes->width == 1) /* most logs have fewer than 256 event names */
        whole = wp_unpack8(&from, (uint8_t *)codes->data + row, count, low, &high);
    for (size_t left = codes->width == 1 ? 0 : count, n; whole && left > 0; left -= n, row += n) {
        n = left < WP_PACK_BLOCK ? left : WP_PACK_BLOCK;
        whole = wp_unpack32(&from, block, n, 32);
        for (size_t i = 0; whole && i < n; i++)
            high = block[i] > high ? block[i] : high;
        for (size_t i = 0; codes->width == 2 && i < n; i++)
            ((uint16_t *)codes->data)[row + i] = (uint16_t)(block[i] + low);
        for (size_t i = 0; codes->width == 4 && i < n; i++)
            ((uint32_t *)codes->data)[row + i] = block[i] + low;
    }
    if (!whole || from.at != from.end)
        return wp__segment_corrupt(err, "codes");
    return count == 0 || (uint64_t)high + low < below
               ? WP_OK
               : wp__segment_corrupt(err, "codes out of range");
}

/* --- Numbers --------------------------------------------------------------------------------- */

/* Whether every number is an integer divided by 10^scale, to the bit. Integers stay below 2^53, so
** that both directions round once at most. */
static bool scales(const double *numbers, size_t count, unsigned scale, int64_t *low)
{
    int64_t lowest = INT64_MAX;
    for (size_t i = 0; i < count; i++) {
        double number = numbers[i];
        if (isnan(number))
            continue;
        double scaled = number * powers[scale];
        if (!(scaled > -0x1p52 && scaled < 0x1p52))
            return false;
        int64_t integer = (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
        double back = (double)integer / powers[scale];
        if (memcmp(&back, &number, sizeof back) != 0)
            return false;
        lowest = integer < lowest ? integer : lowest;
    }
    *low = lowest == INT64_MAX ? 0 : lowest;
    return true;
}

static size_t present_count(const double *numbers, size_t count)
{
    size_t present = 0;
    for (size_t i = 0; i < count; i++)
        present += !isnan(numbers[i]);
    return present;
}

static void add_bitmap(wp_bytes *out, const double *numbers, size_t count)
{
    size_t size = (count + 7) / 8;
    char *bits = wp_bytes_add(out, size);
    if (bits == NULL)
        return;
    memset(bits, 0, size);
    for (size_t i = 0; i < count; i++)
        bits[i >> 3] = (char)(bits[i >> 3] | (!isnan(numbers[i]) << (i & 7)));
}

void wp_segment_of_numbers(wp_bytes *out, uint64_t id, const double *numbers, size_t count,
                           uint64_t *scratch)
{
    int64_t low = 0;
    unsigned scale = 0;
    while (scale <= SCALE_MOST && !scales(numbers, count, scale, &low))
        scale++;
    bool is_packed = scale <= SCALE_MOST;
    size_t present = present_count(numbers, count), next = 0;
    wp__segment_start(out, 'n', is_packed, count);
    wp_bytes_add32(out, (uint32_t)present);
    wp_bytes_add32(out, is_packed ? scale : 0);
    wp_bytes_add64(out, is_packed ? (uint64_t)low : 0);
    if (present < count)
        add_bitmap(out, numbers, count);
    for (size_t i = 0; i < count; i++) {
        if (isnan(numbers[i]))
            continue;
        if (is_packed) {
            double scaled = numbers[i] * powers[scale];
            scratch[next++] = (uint64_t)((int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5)) - low);
        } else {
            memcpy(&scratch[next++], &numbers[i], sizeof(double));
        }
    }
    if (is_packed)
        wp_pack(out, scratch, next);
    else
        for (size_t i = 0; i < next; i++)
            wp_bytes_add64(out, scratch[i]);
    wp__segment_finish(out, id);
}

/* How many numbers are there, the bitmap that says which (NULL: all), and the stream of them. */
static wp_status open_numbers(const wp_segment *segment, size_t count, size_t *present,
                              const char **bits, wp_unpacker *from, wp_error *err)
{
    if (!wp__segment_has_head(segment, 16))
        return wp__segment_corrupt(err, "numbers");
    *present = wp_load32(segment->bytes + WP__HEAD_SIZE);
    size_t size = *present < count ? (count + 7) / 8 : 0, found = 0;
    if (*present > count || !wp__segment_has_head(segment, 16 + size))
        return wp__segment_corrupt(err, "numbers");
    *bits = size > 0 ? segment->bytes + WP__HEAD_SIZE + 16 : NULL;
    *from = wp__segment_payload(segment, 16 + size);
    for (size_t at = 0; at + 8 <= size; at += 8)
        found += (size_t)__builtin_popcountll(wp_load64(*bits + at));
    for (size_t at = size & ~(size_t)7; at < size; at++)
        found += (size_t)__builtin_popcount((unsigned char)(*bits)[at]);
    bool tail_is_clear =
        size == 0 || count % 8 == 0 || (unsigned char)(*bits)[size - 1] >> count % 8 == 0;
    return size == 0 || (found == *present && tail_is_clear)
               ? WP_OK
               : wp__segment_corrupt(err, "bitmap of numbers");
}

/* The numbers that are there, end to end. */
static wp_status unpack_numbers(const wp_segment *segment, wp_unpacker from, size_t present,
                                double *numbers, wp_error *err)
{
    uint64_t words[WP_PACK_BLOCK];
    bool is_packed = segment->bytes[1] == 1, missing = false;
    unsigned scale = wp_load32(segment->bytes + WP__HEAD_SIZE + 4);
    int64_t low = (int64_t)wp_load64(segment->bytes + WP__HEAD_SIZE + 8);
    if (is_packed ? scale > SCALE_MOST || low <= -TIME_LIMIT || low >= TIME_LIMIT
                  : segment->bytes[1] != 0 || (size_t)(from.end - from.at) != present * 8)
        return wp__segment_corrupt(err, "numbers");
    for (size_t at = 0, n; at < present; at += n) {
        n = present - at < WP_PACK_BLOCK ? present - at : WP_PACK_BLOCK;
        if (!is_packed) {
            for (size_t i = 0; i < n; i++, from.at += 8)
                words[i] = wp_load64(from.at);
            memcpy(numbers + at, words, n * sizeof *words);
            for (size_t i = 0; i < n; i++)
                missing |= isnan(numbers[at + i]);
            continue;
        }
        if (!wp_unpack64(&from, words, n))
            return wp__segment_corrupt(err, "numbers");
        for (size_t i = 0; i < n; i++)
            numbers[at + i] = (double)(int64_t)((uint64_t)low + words[i]) / powers[scale];
    }
    return from.at == from.end && !missing ? WP_OK : wp__segment_corrupt(err, "numbers");
}

wp_status wp_segment_numbers(const wp_segment *segment, size_t count, double *numbers,
                             double *scratch, wp_error *err)
{
    size_t present = 0, next = 0;
    const char *bits = NULL;
    wp_unpacker from;
    WP_TRY(open_numbers(segment, count, &present, &bits, &from, err));
    WP_TRY(unpack_numbers(segment, from, present, bits == NULL ? numbers : scratch, err));
    for (size_t i = 0; bits != NULL && i < count; i++)
        numbers[i] = (bits[i >> 3] >> (i & 7) & 1) != 0 ? scratch[next++] : NAN;
    return WP_OK;
}

wp_status wp_segment_numbers_present(const wp_segment *segment, size_t count, uint32_t *present,
                                     wp_error *err)
{
    size_t found = 0;
    const char *bits;
    wp_unpacker from;
    WP_TRY(open_numbers(segment, count, &found, &bits, &from, err));
    *present = (uint32_t)found;
    return WP_OK;
}

wp_status wp_segment_numbers_packed(const wp_segment *segment, size_t count, uint64_t *present,
                                    double *packed, wp_error *err)
{
    size_t found = 0;
    const char *bits = NULL;
    wp_unpacker from;
    WP_TRY(open_numbers(segment, count, &found, &bits, &from, err));
    size_t size = (count + 7) / 8;
    for (size_t i = 0; i < count / 64 + 1; i++) {
        char bytes[8] = {0};
        size_t left = size - i * 8 < 8 ? size - i * 8 : 8;
        if (bits != NULL)
            memcpy(bytes, bits + i * 8, left);
        else if (left == 8)
            memset(bytes, 0xff, left);
        present[i] = wp_load64(bytes);
    }
    for (size_t i = count & ~(size_t)63; bits == NULL && i < count; i++)
        present[i >> 6] |= 1ULL << (i & 63);
    return unpack_numbers(segment, from, found, packed, err);
}

/* --- Instants -------------------------------------------------------------------------------- */

void wp_segment_of_instants(wp_bytes *out, uint64_t id, const int64_t *times_us, size_t count,
                            uint64_t *scratch)
{
    int64_t low = INT64_MAX;
    for (size_t i = 0; i < count; i++)
        if (times_us[i] != WP_TIME_MISSING && times_us[i] < low)
            low = times_us[i];
    low = low == INT64_MAX ? 0 : low;
    for (size_t i = 0; i < count; i++)
        scratch[i] = times_us[i] == WP_TIME_MISSING ? 0 : (uint64_t)(times_us[i] - low) + 1;
    wp__segment_start(out, 'i', 0, count);
    wp_bytes_add64(out, (uint64_t)low);
    wp_pack(out, scratch, count);
    wp__segment_finish(out, id);
}

wp_status wp_segment_instants(const wp_segment *segment, size_t count, int64_t *times_us,
                              wp_error *err)
{
    if (!wp__segment_has_head(segment, 8))
        return wp__segment_corrupt(err, "instants");
    int64_t low = (int64_t)wp_load64(segment->bytes + WP__HEAD_SIZE);
    wp_unpacker from = wp__segment_payload(segment, 8);
    uint64_t block[WP_PACK_BLOCK];
    if (low <= -TIME_LIMIT || low >= TIME_LIMIT)
        return wp__segment_corrupt(err, "instants");
    for (size_t at = 0; at < count; at += WP_PACK_BLOCK) {
        size_t n = count - at < WP_PACK_BLOCK ? count - at : WP_PACK_BLOCK;
        if (!wp_unpack64(&from, block, n))
            return wp__segment_corrupt(err, "instants");
        for (size_t i = 0; i < n; i++) {
            if (block[i] > (uint64_t)(TIME_LIMIT - low))
                return wp__segment_corrupt(err, "instants out of range");
            times_us[at + i] = block[i] == 0 ? WP_TIME_MISSING : low + (int64_t)(block[i] - 1);
        }
    }
    return from.at == from.end ? WP_OK : wp__segment_corrupt(err, "instants");
}
