/* Column segments; see segment.h. */
#include "store/segment.h"

#include "base/hash.h"
#include "store/log.h"

#define HEAD_SIZE  8u
#define CHECK_SIZE 8u
#define TIME_LIMIT ((int64_t)1 << 62)

static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
#define SCALE_MOST 6

static uint64_t checksum(const char *bytes, size_t size, uint64_t id)
{
    return wp_hash_word(wp_hash_bytes(bytes, size), id);
}

static void start(wp_bytes *out, char kind, unsigned encoding, size_t count)
{
    char *head = wp_bytes_add(out, 4);
    if (head != NULL) {
        head[0] = kind;
        head[1] = (char)encoding;
        head[2] = head[3] = 0;
    }
    wp_bytes_add32(out, (uint32_t)count);
}

static void finish(wp_bytes *out, uint64_t id)
{
    if (!out->failed)
        wp_bytes_add64(out, checksum(out->data, out->size, id));
}

static wp_status corrupt(wp_error *err, const char *what)
{
    return wp_fail(err, WP_CORRUPT, "damaged segment: %s", what);
}

wp_status wp_segment_check(const wp_segment *segment, char kind, uint32_t expected, uint32_t most,
                           uint32_t *count, wp_error *err)
{
    const char *bytes = segment->bytes;
    if (bytes == NULL || segment->size < HEAD_SIZE + CHECK_SIZE)
        return corrupt(err, "it is too short");
    size_t size = segment->size - CHECK_SIZE;
    if (wp_load64(bytes + size) != checksum(bytes, size, segment->id))
        return corrupt(err, "its checksum does not fit");
    if (bytes[0] != kind || bytes[2] != 0 || bytes[3] != 0)
        return corrupt(err, "it is of another kind");
    uint32_t found = wp_load32(bytes + 4);
    if (found > most || (expected != UINT32_MAX && found != expected) ||
        found / WP_PACK_BLOCK > segment->size)
        return corrupt(err, "its number of rows does not fit");
    *count = found;
    return WP_OK;
}

static wp_unpacker payload(const wp_segment *segment, size_t skip)
{
    size_t size = segment->size - CHECK_SIZE;
    const char *end = segment->bytes + size;
    return (wp_unpacker){HEAD_SIZE + skip > size ? end : segment->bytes + HEAD_SIZE + skip, end};
}

/* The payload has `skip` bytes of its own head. */
static bool has_head(const wp_segment *segment, size_t skip)
{
    return segment->size >= HEAD_SIZE + skip + CHECK_SIZE;
}

/* --- Users ----------------------------------------------------------------------------------- */

void wp_segment_of_users(wp_bytes *out, uint64_t id, const uint32_t *offsets,
                         const uint32_t *rows_counts, size_t count, uint64_t *scratch)
{
    start(out, 'u', 0, count);
    uint32_t next = 0;
    for (size_t i = 0; i < count; i++) {
        scratch[i] = offsets[i] - next;
        next = offsets[i] + 1;
    }
    wp_pack(out, scratch, count);
    for (size_t i = 0; i < count; i++)
        scratch[i] = rows_counts[i] - 1;
    wp_pack(out, scratch, count);
    finish(out, id);
}

wp_status wp_segment_users(const wp_segment *segment, uint32_t count, uint32_t offsets_below,
                           uint32_t rows_count, uint32_t *offsets, uint32_t *rows_counts,
                           wp_error *err)
{
    wp_unpacker from = payload(segment, 0);
    if (!wp_unpack32(&from, offsets, count) || !wp_unpack32(&from, rows_counts, count) ||
        from.at != from.end)
        return corrupt(err, "users");
    uint64_t next = 0, rows = 0;
    for (uint32_t i = 0; i < count; i++) {
        next += offsets[i];
        if (next >= offsets_below)
            return corrupt(err, "users out of range");
        offsets[i] = (uint32_t)next++;
        rows += (uint64_t)rows_counts[i] + 1;
        if (rows > rows_count)
            return corrupt(err, "rows of users");
        rows_counts[i]++;
    }
    return rows == rows_count ? WP_OK : corrupt(err, "rows of users");
}

/* --- Times ----------------------------------------------------------------------------------- */

/* Each divides the one before, so that the smaller of two units divides both. */
static const int64_t units[] = {86400000000LL, 3600000000LL, 60000000LL, 1000000LL, 1000LL, 1LL};

static int64_t unit_of(const int64_t *times_us, size_t count)
{
    size_t unit = 0;
    for (size_t i = 0; i < count; i++)
        while (times_us[i] % units[unit] != 0)
            unit++;
    return units[unit];
}

static bool is_unit(int64_t unit_us)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (units[i] == unit_us)
            return true;
    return false;
}

void wp_segment_of_times(wp_bytes *out, uint64_t id, const int64_t *times_us,
                         const uint32_t *rows_counts, size_t users_count, size_t count,
                         uint64_t *scratch)
{
    int64_t unit = unit_of(times_us, count), base = INT64_MAX;
    size_t row = 0;
    for (size_t user = 0; user < users_count; row += rows_counts[user++])
        base = times_us[row] < base ? times_us[row] : base;
    base = count == 0 ? 0 : base;
    start(out, 't', 0, count);
    wp_bytes_add64(out, (uint64_t)base);
    wp_bytes_add64(out, (uint64_t)unit);
    row = 0;
    for (size_t user = 0; user < users_count; row += rows_counts[user++])
        scratch[user] = (uint64_t)(times_us[row] - base) / (uint64_t)unit;
    wp_pack(out, scratch, users_count);
    size_t steps = 0;
    row = 0;
    for (size_t user = 0; user < users_count; row += rows_counts[user++])
        for (uint32_t i = 1; i < rows_counts[user]; i++)
            scratch[steps++] =
                (uint64_t)(times_us[row + i] - times_us[row + i - 1]) / (uint64_t)unit;
    wp_pack(out, scratch, steps);
    finish(out, id);
}

int64_t wp_segment_unit(const wp_bytes *times)
{
    return (int64_t)wp_load64(times->data + HEAD_SIZE + 8);
}

wp_status wp_segment_times(const wp_segment *segment, const uint32_t *rows_counts,
                           size_t users_count, size_t count, int64_t *base_us, int64_t *unit_us,
                           uint64_t *steps, wp_error *err)
{
    if (!has_head(segment, 16))
        return corrupt(err, "times");
    int64_t base = (int64_t)wp_load64(segment->bytes + HEAD_SIZE);
    int64_t unit = (int64_t)wp_load64(segment->bytes + HEAD_SIZE + 8);
    if (!is_unit(unit) || base <= -TIME_LIMIT || base >= TIME_LIMIT || base % unit != 0)
        return corrupt(err, "base or unit of times");
    wp_unpacker from = payload(segment, 16);
    /* First times wait at the end of the buffer, steps follow in what is left of it: row by row
    ** nothing is overwritten before it is read, as a user's rows come before the next first. */
    uint64_t firsts[WP_PACK_BLOCK];
    wp_unpacker heads = from;
    for (size_t user = 0; user < users_count; user += WP_PACK_BLOCK) {
        size_t n = users_count - user < WP_PACK_BLOCK ? users_count - user : WP_PACK_BLOCK;
        if (!wp_unpack64(&from, firsts, n))
            return corrupt(err, "first times");
    }
    size_t gap = users_count;
    if (count < users_count || !wp_unpack64(&from, steps + gap, count - gap) || from.at != from.end)
        return corrupt(err, "steps of times");
    uint64_t most = (uint64_t)(TIME_LIMIT - 1 - base) / (uint64_t)unit, seen = 0;
    size_t row = 0, read = gap;
    for (size_t user = 0; user < users_count; user++) {
        if (user % WP_PACK_BLOCK == 0) {
            size_t n = users_count - user < WP_PACK_BLOCK ? users_count - user : WP_PACK_BLOCK;
            if (!wp_unpack64(&heads, firsts, n))
                return corrupt(err, "first times");
        }
        uint64_t now = firsts[user % WP_PACK_BLOCK];
        seen |= now > most;
        steps[row++] = now;
        for (uint32_t i = 1; i < rows_counts[user]; i++) {
            uint64_t step = steps[read++];
            now += step;
            seen |= (step > most) | (now > most);
            steps[row++] = now;
        }
    }
    if (seen != 0)
        return corrupt(err, "times out of range");
    *base_us = base;
    *unit_us = unit;
    return WP_OK;
}

/* Sums of steps from one first time, as offsets; the last one. `seen` collects the bits of all
** steps: none is longer than that, so that sums that wrap around are noticed. */
static uint64_t sum_steps(uint64_t now, uint64_t scale, const uint32_t *steps, uint32_t count,
                          uint32_t *offsets, uint32_t *seen)
{
    uint32_t bits = 0;
    *offsets++ = (uint32_t)now;
    for (uint32_t i = 0; i < count; i++) {
        bits |= steps[i];
        now += steps[i] * scale;
        offsets[i] = (uint32_t)now;
    }
    *seen |= bits;
    return now;
}

wp_status wp_segment_offsets(const wp_segment *segment, const uint32_t *rows_counts,
                             size_t users_count, size_t count, const wp_times *times,
                             int64_t first_us, int64_t last_us, uint32_t *steps, uint32_t *offsets,
                             bool *fits, wp_error *err)
{
    *fits = false;
    if (!has_head(segment, 16) || count < users_count)
        return corrupt(err, "times");
    int64_t base = (int64_t)wp_load64(segment->bytes + HEAD_SIZE);
    int64_t unit = (int64_t)wp_load64(segment->bytes + HEAD_SIZE + 8);
    if (!is_unit(unit) || base != first_us || base % unit != 0 || unit % times->unit_us != 0)
        return WP_OK;
    uint64_t scale = (uint64_t)(unit / times->unit_us);
    uint64_t begin = (uint64_t)(first_us - times->base_us) / (uint64_t)times->unit_us;
    uint64_t end = (uint64_t)(last_us - times->base_us) / (uint64_t)times->unit_us, last = 0;
    uint32_t seen = 0;
    wp_unpacker from = payload(segment, 16), heads = from;
    uint32_t firsts[WP_PACK_BLOCK];
    for (size_t user = 0; user < users_count; user += WP_PACK_BLOCK)
        if (!wp_unpack32(&from, firsts,
                         users_count - user < WP_PACK_BLOCK ? users_count - user : WP_PACK_BLOCK))
            return WP_OK;
    if (scale > UINT32_MAX || !wp_unpack32(&from, steps, count - users_count) ||
        from.at != from.end)
        return WP_OK; /* the long way says what is wrong, if anything is */
    for (size_t user = 0; user < users_count; user++) {
        if (user % WP_PACK_BLOCK == 0 &&
            !wp_unpack32(&heads, firsts,
                         users_count - user < WP_PACK_BLOCK ? users_count - user : WP_PACK_BLOCK))
            return WP_OK;
        uint64_t now = sum_steps(begin + firsts[user % WP_PACK_BLOCK] * scale, scale, steps,
                                 rows_counts[user] - 1, offsets, &seen);
        seen |= firsts[user % WP_PACK_BLOCK];
        last = now > last ? now : last;
        steps += rows_counts[user] - 1;
        offsets += rows_counts[user];
    }
    /* 2^32 rows of up to 2^31 units each stay below 2^64 */
    *fits = last == end && seen * scale <= INT32_MAX;
    return WP_OK;
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
    start(out, 'c', 0, count);
    wp_bytes_add32(out, low);
    wp_pack(out, scratch, count);
    finish(out, id);
}

wp_status wp_segment_codes(const wp_segment *segment, size_t count, uint32_t below, uint32_t *codes,
                           wp_error *err)
{
    if (!has_head(segment, 4))
        return corrupt(err, "codes");
    uint32_t low = wp_load32(segment->bytes + HEAD_SIZE), high = 0;
    wp_unpacker from = payload(segment, 4);
    if (!wp_unpack32(&from, codes, count) || from.at != from.end)
        return corrupt(err, "codes");
    for (size_t i = 0; i < count; i++)
        high = codes[i] > high ? codes[i] : high;
    if (count > 0 && (uint64_t)high + low >= below)
        return corrupt(err, "codes out of range");
    for (size_t i = 0; low > 0 && i < count; i++)
        codes[i] += low;
    return WP_OK;
}

wp_status wp_segment_narrow(const wp_segment *segment, size_t count, uint32_t below,
                            const wp_codes *codes, size_t row, wp_error *err)
{
    if (!has_head(segment, 4))
        return corrupt(err, "codes");
    uint32_t low = wp_load32(segment->bytes + HEAD_SIZE), block[WP_PACK_BLOCK];
    wp_unpacker from = payload(segment, 4);
    uint64_t high = 0;
    for (size_t n; count > 0; count -= n, row += n) {
        n = count < WP_PACK_BLOCK ? count : WP_PACK_BLOCK;
        if (!wp_unpack32(&from, block, n))
            return corrupt(err, "codes");
        for (size_t i = 0; i < n; i++)
            high |= (uint64_t)((uint64_t)block[i] + low >= below);
        if (codes->width == 1)
            for (size_t i = 0; i < n; i++)
                ((uint8_t *)codes->data)[row + i] = (uint8_t)(block[i] + low);
        else if (codes->width == 2)
            for (size_t i = 0; i < n; i++)
                ((uint16_t *)codes->data)[row + i] = (uint16_t)(block[i] + low);
        else if (codes->width == 4)
            for (size_t i = 0; i < n; i++)
                ((uint32_t *)codes->data)[row + i] = block[i] + low;
    }
    if (high != 0)
        return corrupt(err, "codes out of range");
    return from.at == from.end ? WP_OK : corrupt(err, "codes");
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
    start(out, 'n', is_packed, count);
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
    finish(out, id);
}

/* The numbers that are there, in `scratch`, as bits of doubles. */
static bool unpack_numbers(const wp_segment *segment, wp_unpacker from, size_t present,
                           uint64_t *scratch)
{
    if (segment->bytes[1] == 0) {
        if ((size_t)(from.end - from.at) != present * 8)
            return false;
        for (size_t i = 0; i < present; i++)
            scratch[i] = wp_load64(from.at + 8 * i);
        return true;
    }
    unsigned scale = wp_load32(segment->bytes + HEAD_SIZE + 4);
    int64_t low = (int64_t)wp_load64(segment->bytes + HEAD_SIZE + 8);
    if (segment->bytes[1] != 1 || scale > SCALE_MOST || low <= -TIME_LIMIT || low >= TIME_LIMIT ||
        !wp_unpack64(&from, scratch, present) || from.at != from.end)
        return false;
    for (size_t i = 0; i < present; i++) {
        double number = (double)(int64_t)((uint64_t)low + scratch[i]) / powers[scale];
        memcpy(&scratch[i], &number, sizeof number);
    }
    return true;
}

wp_status wp_segment_numbers(const wp_segment *segment, size_t count, double *numbers,
                             uint64_t *scratch, wp_error *err)
{
    if (!has_head(segment, 16))
        return corrupt(err, "numbers");
    size_t present = wp_load32(segment->bytes + HEAD_SIZE);
    size_t bitmap_size = present < count ? (count + 7) / 8 : 0;
    if (present > count || !has_head(segment, 16 + bitmap_size) ||
        !unpack_numbers(segment, payload(segment, 16 + bitmap_size), present, scratch))
        return corrupt(err, "numbers");
    if (bitmap_size == 0) {
        memcpy(numbers, scratch, count * sizeof *numbers);
        return WP_OK;
    }
    const char *bits = segment->bytes + HEAD_SIZE + 16;
    size_t next = 0;
    for (size_t i = 0; i < count; i++) {
        numbers[i] = NAN;
        if ((bits[i >> 3] >> (i & 7) & 1) != 0) {
            if (next == present)
                return corrupt(err, "bitmap of numbers");
            memcpy(&numbers[i], &scratch[next++], sizeof(double));
        }
    }
    return next == present ? WP_OK : corrupt(err, "bitmap of numbers");
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
    start(out, 'i', 0, count);
    wp_bytes_add64(out, (uint64_t)low);
    wp_pack(out, scratch, count);
    finish(out, id);
}

wp_status wp_segment_instants(const wp_segment *segment, size_t count, int64_t *times_us,
                              wp_error *err)
{
    if (!has_head(segment, 8))
        return corrupt(err, "instants");
    int64_t low = (int64_t)wp_load64(segment->bytes + HEAD_SIZE);
    wp_unpacker from = payload(segment, 8);
    uint64_t block[WP_PACK_BLOCK];
    if (low <= -TIME_LIMIT || low >= TIME_LIMIT)
        return corrupt(err, "instants");
    for (size_t at = 0; at < count; at += WP_PACK_BLOCK) {
        size_t n = count - at < WP_PACK_BLOCK ? count - at : WP_PACK_BLOCK;
        if (!wp_unpack64(&from, block, n))
            return corrupt(err, "instants");
        for (size_t i = 0; i < n; i++) {
            if (block[i] > (uint64_t)(TIME_LIMIT - low))
                return corrupt(err, "instants out of range");
            times_us[at + i] = block[i] == 0 ? WP_TIME_MISSING : low + (int64_t)(block[i] - 1);
        }
    }
    return from.at == from.end ? WP_OK : corrupt(err, "instants");
}
