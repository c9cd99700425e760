/* The common funnel over short journeys, by bits: loose order, every event meaning at most one
** step, no gaps, exclusions or held property, any rule for ties.
**
** Data structure: per step a bit for each row of the journey that means it, made by comparing
** sixteen event codes at once. The winner is looked for from the top: the first row of the highest
** step that has a chain to it. Going back from a row to the last row of each step before it gives
** the latest entry of all its chains; a chain exists where that entry lies within the window. Most
** journeys are decided by a few such looks, where a state machine has to take every row.
**
** Cost: looks at rows times steps in the worst case, each at WP_CHAIN_WORDS words. */
#include "journey/chain.h"

#if defined(__SSE2__)
#    include <emmintrin.h>
#endif

#define NONE WP_CHAIN_NONE

typedef struct bit_journey {
    const wp_funnel_options *options;
    const wp_times *times;
    const wp_rows *rows;
    uint64_t (*steps)[WP_CHAIN_WORDS + 1]; /* from the first step on */
    uint32_t words;
    wp_funnel_ties ties;
    int64_t within; /* in the unit of time_at */
} bit_journey;

/* --- Bits ------------------------------------------------------------------------------------ */

static void mark_one_by_one(const wp_chain_plan *plan, const wp_rows *rows,
                            uint64_t (*bits)[WP_CHAIN_WORDS + 1], uint32_t words)
{
    const wp_codes *codes = &plan->columns->events;
    for (uint32_t step = 0; step <= plan->options->steps_count; step++)
        memset(bits[step], 0, words * sizeof **bits);
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t step = plan->code_step[wp_code_at(codes, wp_rows_at(rows, i))];
        bits[step][i >> 6] |= 1ULL << (i & 63);
    }
}

#if defined(__SSE2__)
/* Which of `count` <= 64 rows have the code, sixteen at once; all sixteen may be read. */
static inline uint64_t equal_codes(const uint8_t *codes, uint32_t count, const uint8_t *wanted)
{
    const __m128i code = _mm_loadu_si128((const __m128i *)(const void *)wanted);
    uint64_t found = 0;
    for (uint32_t i = 0; i < count; i += 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(codes + i));
        found |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(block, code)) << i;
    }
    return found;
}

/* Few codes of one byte. `codes` are those of the journey, `readable` >= its rows may be read. */
static void mark_sixteen(const wp_chain_plan *plan, const uint8_t *codes, uint32_t count,
                         uint32_t readable, uint64_t (*bits)[WP_CHAIN_WORDS + 1])
{
    uint32_t steps = plan->options->steps_count;
    for (uint32_t word = 0, first = 0; first < count; word++, first += 64) {
        uint32_t rows = count - first < 64 ? count - first : 64;
        const uint8_t *at = codes + first;
        uint8_t end_of_log[64];
        if (readable - first < 64)
            at = memcpy(end_of_log, at, rows);
        for (uint32_t step = 1; step <= steps; step++)
            bits[step][word] = 0;
        for (uint32_t k = 0; k < plan->wanted_count; k++)
            bits[plan->wanted_steps[k]][word] |=
                equal_codes(at, rows, plan->wanted_codes[k]) & ~0ULL >> (64 - rows);
    }
}
#endif

static void mark_rows(const wp_chain_plan *plan, const wp_rows *rows,
                      uint64_t (*bits)[WP_CHAIN_WORDS + 1], uint32_t words)
{
#if defined(__SSE2__)
    const wp_columns *columns = plan->columns;
    if (rows->index == NULL && columns->events.width == 1 &&
        plan->wanted_count <= WP_CHAIN_CODES_MAX) {
        mark_sixteen(plan, (const uint8_t *)columns->events.data + rows->first, rows->count,
                     columns->events_count - rows->first, bits);
        return;
    }
#endif
    mark_one_by_one(plan, rows, bits, words);
}

/* --- The search ------------------------------------------------------------------------------
**
** Everything below is compiled twice: once for journeys of one word whose ties are as recorded,
** which nearly all are (`words` and `ties` are constants there, and loops over words go away), and
** once for the rest. */
#define COMPILED_TWICE static inline __attribute__((always_inline))

/* The last row of a step before `end`, or NONE. */
COMPILED_TWICE uint32_t last_before(const bit_journey *j, uint32_t step, uint32_t end)
{
    const uint64_t *bits = j->steps[step];
    uint32_t word = j->words == 1 ? 0 : end >> 6;
    uint64_t left = bits[word] & ~(UINT64_MAX << (end & 63));
    if (j->words == 1 && end == 64)
        left = bits[0];
    while (left == 0) {
        if (word == 0)
            return NONE;
        left = bits[--word];
    }
    return word * 64 + 63 - (uint32_t)__builtin_clzll(left);
}

/* The first row of a step from `begin` on, or NONE. */
COMPILED_TWICE uint32_t first_from(const bit_journey *j, uint32_t step, uint32_t begin)
{
    uint32_t word = begin >> 6;
    if (word >= j->words)
        return NONE;
    uint64_t left = j->steps[step][word] & UINT64_MAX << (begin & 63);
    while (left == 0) {
        if (++word >= j->words)
            return NONE;
        left = j->steps[step][word];
    }
    return word * 64 + (uint32_t)__builtin_ctzll(left);
}

COMPILED_TWICE int64_t time_at(const bit_journey *j, uint32_t i)
{
    uint32_t row = wp_rows_at(j->rows, i);
    return j->times->wide ? j->times->micros[row] : (int64_t)j->times->offsets[row];
}

static uint32_t moment_begin(const bit_journey *j, uint32_t i)
{
    int64_t now = time_at(j, i);
    while (i > 0 && time_at(j, i - 1) == now)
        i--;
    return i;
}

static uint32_t moment_end(const bit_journey *j, uint32_t i)
{
    int64_t now = time_at(j, i++);
    while (i < j->rows->count && time_at(j, i) == now)
        i++;
    return i;
}

/* Where the steps before row i end. */
COMPILED_TWICE uint32_t end_of_before(const bit_journey *j, uint32_t i)
{
    if (j->ties == WP_TIES_AS_RECORDED)
        return i;
    return j->ties == WP_TIES_ANY ? moment_end(j, i) : moment_begin(j, i);
}

/* Where the steps after row i begin. */
COMPILED_TWICE uint32_t begin_of_after(const bit_journey *j, uint32_t i)
{
    if (j->ties == WP_TIES_AS_RECORDED)
        return i + 1;
    return j->ties == WP_TIES_ANY ? moment_begin(j, i) : moment_end(j, i);
}

/* The latest entry of the chains that end with `step` at row i, or NONE when it lies too far back.
 */
COMPILED_TWICE uint32_t entry_of(const bit_journey *j, uint32_t step, uint32_t i)
{
    uint32_t at = i;
    while (step-- > 0 && at != NONE)
        at = last_before(j, step, end_of_before(j, at));
    return at != NONE && time_at(j, i) - time_at(j, at) <= j->within ? at : NONE;
}

/* The winner's entry; *level: how far it came. */
COMPILED_TWICE uint32_t find_winner(const bit_journey *j, uint32_t *level)
{
    uint32_t top = 0, entry;
    while (top < j->options->steps_count && first_from(j, top, 0) != NONE)
        top++;
    for (; top > 1; top--)
        for (uint32_t row = 0; (row = first_from(j, top - 1, row)) != NONE; row++)
            if ((entry = entry_of(j, top - 1, row)) != NONE) {
                *level = top;
                return entry;
            }
    /* Nobody gets beyond the first step: its first row; where ties are free the last of its
    ** moment. */
    *level = 1;
    entry = first_from(j, 0, 0);
    return j->ties == WP_TIES_ANY ? last_before(j, 0, moment_end(j, entry)) : entry;
}

/* Only the first entry counts. */
COMPILED_TWICE void keep_first(const bit_journey *j)
{
    uint32_t first = first_from(j, 0, 0);
    for (uint32_t word = 0; word < j->words; word++)
        j->steps[0][word] &= word == first >> 6 ? 1ULL << (first & 63) : 0;
}

COMPILED_TWICE void find_chain(const bit_journey *j, wp_chain *out)
{
    const wp_funnel_options *options = j->options;
    if (first_from(j, 0, 0) == NONE)
        return;
    if (options->entry == WP_ENTRY_FIRST)
        keep_first(j);
    uint32_t level, at = find_winner(j, &level);
    for (uint32_t step = 0; step < options->steps_count; step++) {
        if (step > 0 && step < level)
            at = first_from(j, step, begin_of_after(j, at));
        out->rows[step] = step < level ? wp_rows_at(j->rows, at) : WP_FUNNEL_NO_ROW;
    }
    uint32_t last = wp_rows_at(j->rows, last_before(j, 0, j->rows->count));
    out->level = level;
    out->open = options->within_us >= 0 &&
                wp_time_at(j->times, last) + options->within_us > options->as_of_us;
    out->pending = out->open && level < options->steps_count;
}

void wp__chain_bits(const wp_chain_plan *plan, wp_chain_search *search, const wp_rows *rows,
                    wp_chain *out)
{
    const wp_funnel_options *options = plan->options;
    const wp_times *times = &plan->columns->times;
    int64_t unit_us = times->wide ? 1 : times->unit_us;
    uint32_t words = (rows->count + 63) / 64;
    mark_rows(plan, rows, search->step_rows, words);
    bit_journey j = {options,
                     times,
                     rows,
                     search->step_rows + 1,
                     words,
                     options->ties,
                     options->within_us < 0 ? INT64_MAX : options->within_us / unit_us};
    out->level = 0;
    out->open = out->pending = out->excluded = false;
    if (words == 1 && options->ties == WP_TIES_AS_RECORDED) {
        j.words = 1;
        j.ties = WP_TIES_AS_RECORDED;
        find_chain(&j, out);
    } else {
        find_chain(&j, out);
    }
}
