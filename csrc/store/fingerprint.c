/* The fingerprint of a log; see fingerprint.h. */
#include "store/fingerprint.h"

#include "base/hash.h"
#include "base/memory.h"

/* Four sums side by side, so that no row waits for the product of the row before. */
static inline uint64_t hash_step(uint64_t lane, uint64_t word)
{
    lane = (lane ^ word) * 0x9e3779b97f4a7c15ULL;
    return lane ^ lane >> 32;
}

#define HASH_LANES(state, begin, end, word_of_row)                                                 \
    uint64_t a = 1, b = 2, c = 3, d = 4;                                                           \
    uint32_t row = begin;                                                                          \
    for (; row + 4 <= end; row += 4) {                                                             \
        a = hash_step(a, word_of_row(row));                                                        \
        b = hash_step(b, word_of_row(row + 1));                                                    \
        c = hash_step(c, word_of_row(row + 2));                                                    \
        d = hash_step(d, word_of_row(row + 3));                                                    \
    }                                                                                              \
    for (; row < end; row++)                                                                       \
        a = hash_step(a, word_of_row(row));                                                        \
    return hash_end(state, a, b, c, d)

static uint64_t hash_end(uint64_t state, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return wp_hash_word(wp_hash_word(wp_hash_word(wp_hash_word(state, a), b), c), d);
}

static uint64_t hash_bytes_codes(uint64_t state, const uint8_t *codes, const uint64_t *hashes,
                                 uint32_t begin, uint32_t end)
{
#define BYTE_HASH(i) hashes[codes[i]]
    HASH_LANES(state, begin, end, BYTE_HASH);
}

static uint64_t hash_codes(uint64_t state, const wp_codes *codes, const uint64_t *hashes,
                           uint32_t begin, uint32_t end)
{
#define CODE_HASH(i) hashes[wp_code_at(codes, i)]
    if (codes->width == 1)
        return hash_bytes_codes(state, codes->data, hashes, begin, end);
    HASH_LANES(state, begin, end, CODE_HASH);
}

/* Any NaN is the one missing value. */
static inline uint64_t number_bits(double number)
{
    uint64_t bits = 0x7ff8000000000000ULL;
    if (!isnan(number))
        memcpy(&bits, &number, sizeof bits);
    return bits;
}

static uint64_t hash_numbers(uint64_t state, const wp_numbers *column, uint32_t begin, uint32_t end)
{
    if (column->dense == NULL) { /* packed */
#define PACKED_BITS(i) number_bits(wp_number_at(column, i))
        HASH_LANES(state, begin, end, PACKED_BITS);
    }
    const double *numbers = column->dense;
#define NUMBER_BITS(i) number_bits(numbers[i])
    HASH_LANES(state, begin, end, NUMBER_BITS);
}

/* Of numbers that few rows have, the same as if they were dense: `next` walks the rows that have
** one. */
static uint64_t hash_sparse(uint64_t state, const wp_numbers *column, const wp_sparse *sparse,
                            uint32_t begin, uint32_t end)
{
    const double *packed = column->packed;
    const uint32_t *rows = sparse->rows;
    uint32_t next = wp_packed_before(column, begin), last = wp_packed_before(column, end);
#define SPARSE_BITS(i) number_bits(next < last && rows[next] == (i) ? packed[next++] : NAN)
    HASH_LANES(state, begin, end, SPARSE_BITS);
}

static uint64_t hash_micros(uint64_t state, const int64_t *micros, uint32_t begin, uint32_t end)
{
#define MICROS_BITS(i) (uint64_t) micros[i]
    HASH_LANES(state, begin, end, MICROS_BITS);
}

static uint64_t hash_times(uint64_t state, const wp_times *times, uint32_t begin, uint32_t end)
{
    const uint32_t *offsets = times->offsets;
    const int64_t base_us = times->base_us, unit_us = times->unit_us;
    if (times->wide)
        return hash_micros(state, times->micros, begin, end);
#define TIME_BITS(i) (uint64_t)(base_us + (int64_t)offsets[i] * unit_us)
    HASH_LANES(state, begin, end, TIME_BITS);
}

/* Of a range of users: ids, row counts, and all columns, through the texts and not their codes. */
uint64_t wp__hash_range(const wp__hashing *work, uint32_t first_user, uint32_t last_user)
{
    const wp_columns *columns = work->columns;
    uint64_t state = 1;
    uint32_t begin = columns->row_starts[first_user], end = columns->row_starts[last_user];
    for (uint32_t user = first_user; user < last_user; user++) {
        size_t length;
        const char *id = wp_dictionary_text(&columns->user_ids, user, &length);
        state = wp_hash_word(state, wp_hash_bytes(id, length) + columns->row_starts[user + 1]);
    }
    state = hash_times(state, &columns->times, begin, end);
    state = hash_codes(state, &columns->events, work->event_hashes, begin, end);
    for (uint32_t i = 0; i < columns->numbers_count; i++)
        if (columns->numbers[i].dense == NULL && work->sparse != NULL)
            state = hash_sparse(state, &columns->numbers[i], &work->sparse[i], begin, end);
        else
            state = hash_numbers(state, &columns->numbers[i], begin, end);
    for (uint32_t i = 0; i < columns->texts_count; i++)
        state = hash_codes(state, &columns->texts[i].codes, work->text_hashes[i], begin, end);
    return state;
}

static uint64_t hash_user_columns(const wp_columns *columns, uint64_t state)
{
    for (uint32_t i = 0; i < columns->user_numbers_count; i++) {
        const wp_numbers *numbers = &columns->user_numbers[i];
        state = wp_hash_word(state, wp_hash_bytes(numbers->name, strlen(numbers->name)));
        for (uint32_t user = 0; user < columns->users_count; user++) {
            double number = wp_number_at(numbers, user);
            uint64_t bits = 0x7ff8000000000000ULL;
            if (!isnan(number))
                memcpy(&bits, &number, sizeof bits);
            state = wp_hash_word(state, bits);
        }
    }
    for (uint32_t i = 0; i < columns->user_texts_count; i++) {
        const wp_texts *texts = &columns->user_texts[i];
        state = wp_hash_word(state, wp_hash_bytes(texts->name, strlen(texts->name)));
        for (uint32_t user = 0; user < columns->users_count; user++) {
            size_t length;
            const char *text =
                wp_dictionary_text(&texts->values, wp_code_at(&texts->codes, user), &length);
            state = wp_hash_word(state, wp_hash_bytes(text, length));
        }
    }
    for (uint32_t user = 0; columns->known_at_us != NULL && user < columns->users_count; user++)
        state = wp_hash_word(state, (uint64_t)columns->known_at_us[user]);
    return state;
}

uint64_t wp__hash_all(const wp_columns *columns, const uint64_t *ranges, size_t ranges_count)
{
    uint64_t state = columns->events_count;
    for (uint32_t i = 0; i < columns->numbers_count; i++)
        state = wp_hash_word(
            state, wp_hash_bytes(columns->numbers[i].name, strlen(columns->numbers[i].name)));
    for (uint32_t i = 0; i < columns->texts_count; i++)
        state = wp_hash_word(state,
                             wp_hash_bytes(columns->texts[i].name, strlen(columns->texts[i].name)));
    for (size_t i = 0; i < ranges_count; i++)
        state = wp_hash_word(state, ranges[i]);
    return hash_user_columns(columns, state);
}

static uint64_t *dictionary_hashes(const wp_dictionary *dictionary)
{
    uint64_t *hashes = wp_alloc_array((size_t)dictionary->count + 1, sizeof *hashes);
    for (uint32_t code = 0; hashes != NULL && code < dictionary->count; code++) {
        size_t length;
        const char *text = wp_dictionary_text(dictionary, code, &length);
        hashes[code] = wp_hash_bytes(text, length);
    }
    return hashes;
}

wp_status wp__hashing_start(wp__hashing *work, const wp_columns *columns, const wp_sparse *sparse,
                            wp_error *err)
{
    *work = (wp__hashing){.columns = columns, .sparse = sparse};
    work->event_hashes = dictionary_hashes(&columns->event_names);
    work->text_hashes = wp_alloc_array_zero(columns->texts_count, sizeof *work->text_hashes);
    bool fine = work->event_hashes != NULL && work->text_hashes != NULL;
    for (uint32_t i = 0; fine && i < columns->texts_count; i++)
        fine = (work->text_hashes[i] = dictionary_hashes(&columns->texts[i].values)) != NULL;
    return fine ? WP_OK : wp_fail_memory(err, columns->event_names.count * sizeof(uint64_t));
}

void wp__hashing_reset(wp__hashing *work)
{
    for (uint32_t i = 0; work->text_hashes != NULL && i < work->columns->texts_count; i++)
        wp_free(work->text_hashes[i]);
    wp_free(work->text_hashes);
    wp_free(work->event_hashes);
}
