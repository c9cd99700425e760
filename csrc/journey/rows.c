/* Ranges of users and the size of scratch; see rows.h. */
#include "journey/rows.h"

#include "base/memory.h"

static uint32_t longest_journey(const wp_log *log)
{
    if (log->rows == NULL)
        return 0;
    const uint32_t *starts = log->columns->row_starts;
    uint32_t longest = 0;
    for (uint32_t user = 0; user < log->columns->users_count; user++)
        if (starts[user + 1] - starts[user] > longest)
            longest = starts[user + 1] - starts[user];
    return longest;
}

wp_status wp_scratch_start(const wp_log *log, const wp_run *run, wp_scratch *scratch, wp_error *err)
{
    size_t longest = longest_journey(log);
    unsigned workers = wp_run_threads(run);
    *scratch = (wp_scratch){wp_alloc_array_zero(workers, sizeof *scratch->rows), workers};
    bool complete = scratch->rows != NULL;
    for (unsigned i = 0; i < workers && complete; i++) {
        scratch->rows[i] = wp_alloc_array(longest + 1, sizeof **scratch->rows);
        complete = scratch->rows[i] != NULL;
    }
    if (complete)
        return WP_OK;
    wp_scratch_reset(scratch);
    return wp_fail_memory(err, workers * longest * sizeof **scratch->rows);
}

void wp_scratch_reset(wp_scratch *scratch)
{
    for (unsigned i = 0; scratch->rows != NULL && i < scratch->workers_count; i++)
        wp_free(scratch->rows[i]);
    wp_free(scratch->rows);
    *scratch = (wp_scratch){0};
}

/* The first place in low .. high - 1 that starts at or after the target; high when none does. */
static uint32_t first_at(const uint32_t *starts, uint32_t low, uint32_t high, uint32_t target)
{
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (starts[middle] >= target)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

uint32_t wp_user_ranges(const wp_columns *columns, uint32_t parts, uint32_t *starts)
{
    uint32_t user = 0, count = 0;
    starts[0] = 0;
    for (uint32_t part = 1; part <= parts && user < columns->users_count; part++) {
        uint32_t target = (uint32_t)((uint64_t)columns->events_count * part / parts);
        uint32_t next = first_at(columns->row_starts, user + 1, columns->users_count, target);
        if (columns->part_users != NULL)
            next =
                columns->part_users[first_at(columns->part_users, 0, columns->parts_count, next)];
        user = part == parts ? columns->users_count : next;
        starts[++count] = user;
    }
    if (count == 0)
        starts[++count] = columns->users_count;
    return count;
}
