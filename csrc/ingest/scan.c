/* Field ends of CSV text; see scan.h. */
#include "ingest/scan.h"

#include "base/hash.h"
#include "base/memory.h"

#include <string.h>

typedef struct masks {
    uint64_t delimiters, newlines, quotes;
    bool has_nul;
} masks;

/* --- Masks of 64 bytes ------------------------------------------------------------------------ */

/* Bit i of the result: byte i of the word is zero. Exact for every byte: no carry leaves one. */
static inline uint64_t zero_bytes(uint64_t word)
{
    const uint64_t low = 0x7f7f7f7f7f7f7f7fULL;
    uint64_t high = ~(((word & low) + low) | word | low); /* 0x80 where the byte is zero */
    return ((high >> 7) * 0x0102040810204080ULL) >> 56;
}

static inline masks masks_portable(const char *text, char delimiter)
{
    masks m = {0, 0, 0, false};
    const uint64_t ones = 0x0101010101010101ULL;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t word = wp_load64(text + 8 * i);
        m.delimiters |= zero_bytes(word ^ (ones * (unsigned char)delimiter)) << (8 * i);
        m.newlines |= zero_bytes(word ^ (ones * '\n')) << (8 * i);
        m.quotes |= zero_bytes(word ^ (ones * '"')) << (8 * i);
        m.has_nul |= zero_bytes(word) != 0;
    }
    return m;
}

#if defined(__x86_64__) && defined(__GNUC__)
#    include <immintrin.h>
/* Processors have these together. */
#    define AVX2 __attribute__((target("avx2,bmi,popcnt")))

static inline uint64_t equal_sse2(const __m128i *v, char c)
{
    __m128i wanted = _mm_set1_epi8(c);
    uint64_t a = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v[0], wanted));
    uint64_t b = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v[1], wanted));
    uint64_t d = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v[2], wanted));
    uint64_t e = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v[3], wanted));
    return a | b << 16 | d << 32 | e << 48;
}

static inline masks masks_sse2(const char *text, char delimiter)
{
    __m128i v[4];
    for (int i = 0; i < 4; i++)
        v[i] = _mm_loadu_si128((const __m128i *)(const void *)(text + 16 * i));
    return (masks){equal_sse2(v, delimiter), equal_sse2(v, '\n'), equal_sse2(v, '"'),
                   equal_sse2(v, '\0') != 0};
}

AVX2 static inline uint64_t equal_avx2(__m256i a, __m256i b, char c)
{
    __m256i wanted = _mm256_set1_epi8(c);
    uint64_t low = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, wanted));
    uint64_t high = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, wanted));
    return low | high << 32;
}

AVX2 static inline masks masks_avx2(const char *text, char delimiter)
{
    __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)text);
    __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(text + 32));
    return (masks){equal_avx2(a, b, delimiter), equal_avx2(a, b, '\n'), equal_avx2(a, b, '"'),
                   equal_avx2(a, b, '\0') != 0};
}
#endif

/* --- Rows and fields -------------------------------------------------------------------------- */

void wp_scan_free(wp_scan *scan)
{
    wp_free(scan->ends);
    wp_free(scan->rows);
    *scan = (wp_scan){0};
}

void wp_scan_start(wp_scan *scan, char delimiter, size_t start, bool in_field)
{
    scan->delimiter = delimiter;
    scan->ends_count = scan->rows_count = 0;
    scan->at = start;
    scan->field_start = in_field ? SIZE_MAX : start;
    scan->last_quote = SIZE_MAX;
    scan->flags = 0;
    scan->in_quotes = scan->has_nul = scan->is_done = scan->has_quoted = false;
}

static wp_status make_room(wp_scan *scan, wp_error *err)
{
    if (scan->ends_capacity - scan->ends_count < 128) {
        size_t capacity = scan->ends_capacity < 4096 ? 8192 : scan->ends_capacity * 2;
        uint32_t *ends = wp_realloc_array(scan->ends, capacity, sizeof *ends);
        if (ends == NULL)
            return wp_fail_memory(err, capacity * sizeof *ends);
        scan->ends = ends;
        scan->ends_capacity = capacity;
    }
    if (scan->rows_capacity - scan->rows_count < 128) {
        size_t capacity = scan->rows_capacity < 4096 ? 8192 : scan->rows_capacity * 2;
        uint32_t *rows = wp_realloc_array(scan->rows, capacity, sizeof *rows);
        if (rows == NULL)
            return wp_fail_memory(err, capacity * sizeof *rows);
        scan->rows = rows;
        scan->rows_capacity = capacity;
    }
    return WP_OK;
}

static void end_field(wp_scan *scan, const char *text, size_t at)
{
    if (scan->flags != 0) {
        scan->has_quoted = true;
        size_t end = at > scan->field_start && text[at - 1] == '\r' ? at - 1 : at;
        if (scan->last_quote + 1 != at && scan->last_quote + 1 != end)
            scan->flags |= WP_END_SPOILED;
    }
    scan->ends[scan->ends_count++] = (uint32_t)at | scan->flags;
    scan->flags = 0;
    scan->field_start = at + 1;
}

/* A quote opens a field only as its first byte; right behind a closing one it is text. */
static void meet_quote(wp_scan *scan, size_t at)
{
    if (scan->in_quotes) {
        scan->in_quotes = false;
        scan->last_quote = at;
    } else if (at == scan->field_start) {
        scan->in_quotes = true;
        scan->flags = WP_END_QUOTED;
    } else if (scan->flags != 0 && scan->last_quote + 1 == at) {
        scan->in_quotes = true;
        scan->flags |= WP_END_ESCAPED;
    }
}

/* Visits the set bits of one block with the whole state machine. */
static void walk_block(wp_scan *scan, const char *text, size_t base, masks m, size_t stop)
{
    uint64_t bits = m.delimiters | m.newlines | m.quotes;
    for (; bits != 0; bits &= bits - 1) {
        unsigned i = (unsigned)__builtin_ctzll(bits);
        if ((m.quotes >> i & 1) != 0) {
            meet_quote(scan, base + i);
        } else if (!scan->in_quotes) {
            end_field(scan, text, base + i);
            if ((m.newlines >> i & 1) == 0)
                continue;
            scan->rows[scan->rows_count++] = (uint32_t)scan->ends_count;
            if (base + i + 1 >= stop) {
                scan->at = base + i + 1;
                scan->is_done = true;
                return;
            }
        }
    }
    scan->at = base + 64;
}

/* The same for a block without quotes, outside of them: no state to ask. */
static inline void run_block(wp_scan *scan, size_t base, uint64_t delimiters, uint64_t newlines)
{
    uint64_t bits = delimiters | newlines;
    uint32_t *ends = scan->ends, *rows = scan->rows;
    size_t fields = scan->ends_count, row = scan->rows_count;
    if (bits == 0)
        return;
    for (; bits != 0; bits &= bits - 1) {
        unsigned i = (unsigned)__builtin_ctzll(bits);
        ends[fields++] = (uint32_t)(base + i);
        rows[row] = (uint32_t)fields;
        row += newlines >> i & 1;
    }
    scan->field_start = (size_t)ends[fields - 1] + 1;
    scan->ends_count = fields;
    scan->rows_count = row;
}

#if defined(AVX2)
/* The same with instructions that count and find bits. How many fields a block has cannot be
** foreseen, so eight are written at once, whether they are there or not: a wrong guess costs more
** than the few stores. */
AVX2 static inline void run_block_avx2(wp_scan *scan, size_t base, uint64_t delimiters,
                                       uint64_t newlines)
{
    uint64_t bits = delimiters | newlines, all = bits;
    uint32_t *ends = scan->ends + scan->ends_count, *rows = scan->rows + scan->rows_count;
    uint32_t fields = (uint32_t)scan->ends_count;
    uint32_t count = (uint32_t)__builtin_popcountll(bits);
    if (bits == 0)
        return;
    for (uint32_t done = 0; done < count; done += 8)
#    pragma GCC unroll 8
        for (uint32_t k = 0; k < 8; k++, bits &= bits - 1)
            ends[done + k] = (uint32_t)base + (uint32_t)_tzcnt_u64(bits);
    scan->rows_count += (size_t)__builtin_popcountll(newlines);
    for (; newlines != 0; newlines &= newlines - 1)
        *rows++ = fields + (uint32_t)__builtin_popcountll(all & (newlines ^ (newlines - 1)));
    scan->field_start = (size_t)ends[count - 1] + 1;
    scan->ends_count += count;
}
#endif

#define RUN(name, masks_of, block, attribute)                                                      \
    attribute static wp_status name(wp_scan *scan, const char *text, size_t size, size_t stop,     \
                                    wp_error *err)                                                 \
    {                                                                                              \
        while (!scan->is_done && scan->at + 64 <= size) {                                          \
            if (scan->ends_capacity - scan->ends_count < 128 ||                                    \
                scan->rows_capacity - scan->rows_count < 128)                                      \
                WP_TRY(make_room(scan, err));                                                      \
            size_t base = scan->at;                                                                \
            masks m = masks_of(text + base, scan->delimiter);                                      \
            scan->has_nul |= m.has_nul;                                                            \
            if (m.quotes == 0 && !scan->in_quotes && scan->flags == 0 && base + 64 < stop) {       \
                block(scan, base, m.delimiters, m.newlines);                                       \
                scan->at = base + 64;                                                              \
            } else {                                                                               \
                walk_block(scan, text, base, m, stop);                                             \
            }                                                                                      \
        }                                                                                          \
        return WP_OK;                                                                              \
    }

RUN(run_portable, masks_portable, run_block, )
#if defined(AVX2)
RUN(run_sse2, masks_sse2, run_block, )
RUN(run_avx2, masks_avx2, run_block_avx2, AVX2)
#endif

static unsigned most_level = WP_SCAN_LEVELS - 1;

void wp_scan_limit(unsigned level)
{
    most_level = level;
}

static wp_status run_blocks(wp_scan *scan, const char *text, size_t size, size_t stop,
                            wp_error *err)
{
#if defined(AVX2)
    if (most_level >= 2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
        __builtin_cpu_supports("popcnt"))
        return run_avx2(scan, text, size, stop, err);
    if (most_level >= 1)
        return run_sse2(scan, text, size, stop, err);
#endif
    return run_portable(scan, text, size, stop, err);
}

/* The last piece of the text, shorter than a block, and the end of the last row. */
static wp_status run_tail(wp_scan *scan, const char *text, size_t size, size_t stop, wp_error *err)
{
    WP_TRY(make_room(scan, err));
    if (scan->at < size) {
        size_t base = scan->at;
        masks m = masks_portable(text + base, scan->delimiter);
        uint64_t inside = (1ULL << (size - base)) - 1;
        m.delimiters &= inside;
        m.newlines &= inside;
        m.quotes &= inside;
        scan->has_nul |= memchr(text + base, '\0', size - base) != NULL;
        walk_block(scan, text, base, m, stop);
        if (scan->is_done)
            return WP_OK;
        scan->at = size;
    }
    bool row_open = scan->field_start < size ||
                    (scan->ends_count > 0 && (scan->rows_count == 0 ||
                                              scan->rows[scan->rows_count - 1] < scan->ends_count));
    if (row_open && !scan->in_quotes) {
        end_field(scan, text, size);
        scan->rows[scan->rows_count++] = (uint32_t)scan->ends_count;
    }
    scan->is_done = true;
    return WP_OK;
}

wp_status wp_scan_run(wp_scan *scan, const char *text, size_t size, size_t stop, bool is_last,
                      wp_error *err)
{
    WP_TRY(run_blocks(scan, text, size, stop, err));
    if (is_last && !scan->is_done)
        return run_tail(scan, text, size, stop, err);
    return WP_OK;
}

size_t wp_scan_count_quotes(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += text[i] == '"';
    return count;
}
