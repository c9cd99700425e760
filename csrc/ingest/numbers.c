/* Number columns: how a batch keeps them, and how those that fewer than half of the rows have go
** from the batches straight to packed form.
**
** That takes three steps, each of all batches side by side: wp__sparse_mark says where each number
** goes and sets its bit; wp_numbers_rank counts the bits; wp__sparse_place puts each number where
** the bits before its own say. Only words of bits are shared between batches, and bits are only
** ever added, so the result does not depend on who comes first. */
#include "ingest/batch_internal.h"

#include "base/memory.h"

/* --- Into a batch ---------------------------------------------------------------------------- */

/* Lists the rows that have a number; returns how many they are. */
static uint32_t list_present(const double *number_of, uint32_t rows_count, uint32_t *rows)
{
    uint32_t count = 0;
    for (uint32_t row = 0; row < rows_count; row++) {
        rows[count] = row;
        count += !isnan(number_of[row]);
    }
    return count;
}

/* The places of the listed rows go into `present`, then each number's own follows from the bits
** before it. */
static void pack_few(wp_batch_numbers *numbers, const double *number_of, uint32_t rows_count,
                     const uint32_t *target, const uint32_t *rows, uint32_t *ranks)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < numbers->count; i++)
        numbers->present[target[rows[i]] >> 6] |= 1ULL << (target[rows[i]] & 63);
    for (uint32_t block = 0; block <= rows_count / 64; block++) {
        ranks[block] = count;
        count += (uint32_t)__builtin_popcountll(numbers->present[block]);
    }
    for (uint32_t i = 0; i < numbers->count; i++) {
        uint32_t to = target[rows[i]];
        uint64_t before = numbers->present[to >> 6] & ((1ULL << (to & 63)) - 1);
        numbers->packed[ranks[to >> 6] + (uint32_t)__builtin_popcountll(before)] =
            number_of[rows[i]];
    }
}

/* Scatters into `scratch`, then keeps what is there. */
static void pack_many(wp_batch_numbers *numbers, const double *number_of, uint32_t rows_count,
                      const uint32_t *target, double *scratch)
{
    uint32_t kept = 0;
    for (uint32_t row = 0; row < rows_count; row++)
        scratch[target[row]] = number_of[row];
    for (uint32_t row = 0; row < rows_count; row++) {
        if (isnan(scratch[row]))
            continue;
        numbers->present[row >> 6] |= 1ULL << (row & 63);
        numbers->packed[kept++] = scratch[row];
    }
}

bool wp__numbers_keep(wp_batch_numbers *numbers, const double *number_of, uint32_t rows_count,
                      const uint32_t *target, double *scratch)
{
    uint32_t *rows = (uint32_t *)(void *)scratch, *ranks = rows + rows_count; /* 8 bytes per row */
    numbers->count = list_present(number_of, rows_count, rows);
    numbers->packed = wp_alloc_array(numbers->count, sizeof *numbers->packed);
    if (numbers->packed == NULL)
        return false;
    if (numbers->count == rows_count) {
        for (uint32_t row = 0; row < rows_count; row++)
            numbers->packed[target[row]] = number_of[row];
        return true;
    }
    numbers->present = wp_alloc_array_zero(rows_count / 64 + 1, sizeof *numbers->present);
    if (numbers->present == NULL)
        return false;
    if (numbers->count < rows_count / 8)
        pack_few(numbers, number_of, rows_count, target, rows, ranks);
    else
        pack_many(numbers, number_of, rows_count, target, scratch);
    return true;
}

/* --- From the batches to the log ---------------------------------------------------------------
 */

wp_status wp__sparse_start(wp_numbers *numbers, wp_sparse *sparse, uint64_t count, size_t rows,
                           wp_error *err)
{
    numbers->present = wp_alloc_array_zero(rows / 64 + 1, sizeof *numbers->present);
    numbers->rank = wp_alloc_array(rows / 64 + 1, sizeof *numbers->rank);
    numbers->packed = wp_alloc_array((size_t)count, sizeof *numbers->packed);
    sparse->rows = wp_alloc_array((size_t)count, sizeof *sparse->rows);
    sparse->count = (uint32_t)count;
    if (numbers->present == NULL || numbers->rank == NULL || numbers->packed == NULL ||
        sparse->rows == NULL)
        return wp_fail_memory(err, count * 12 + rows / 64 * 12);
    return WP_OK;
}

wp_status wp__sparse_mark(wp_numbers *numbers, const wp_batch *batch, wp_batch_numbers *from,
                          wp_error *err)
{
    from->rows = wp_alloc_array(from->count, sizeof *from->rows);
    if (from->rows == NULL)
        return wp_fail_memory(err, from->count * sizeof *from->rows);
    uint32_t user = 0, kept = 0;
    for (uint32_t row = 0; row < batch->rows_count; row += 64) {
        uint32_t left = batch->rows_count - row;
        uint64_t bits = from->present != NULL ? from->present[row >> 6] : UINT64_MAX;
        if (left < 64)
            bits &= (1ULL << left) - 1;
        for (; bits != 0; bits &= bits - 1) {
            uint32_t at = row + (uint32_t)__builtin_ctzll(bits);
            while (batch->users[user + 1].row <= at)
                user++;
            uint32_t to = batch->users[user].place + (at - batch->users[user].row);
            from->rows[kept++] = to;
            __atomic_fetch_or(&numbers->present[to >> 6], 1ULL << (to & 63), __ATOMIC_RELAXED);
        }
    }
    return WP_OK;
}

void wp__sparse_place(const wp_numbers *numbers, const wp_sparse *sparse,
                      const wp_batch_numbers *from)
{
    for (uint32_t i = 0; i < from->count; i++) {
        uint32_t row = from->rows[i];
        uint64_t before = numbers->present[row >> 6] & ((1ULL << (row & 63)) - 1);
        uint32_t to = numbers->rank[row >> 6] + (uint32_t)__builtin_popcountll(before);
        numbers->packed[to] = from->packed[i];
        sparse->rows[to] = row;
    }
}
