/* First or last values in one scan, then one view per value; see groups.h. */
#include "journey/groups.h"

#include "base/memory.h"

#include <stdlib.h>

typedef struct value_count {
    uint32_t code, users_count;
} value_count;

static int by_users(const void *a, const void *b)
{
    const value_count *x = a, *y = b;
    if (x->users_count != y->users_count)
        return x->users_count > y->users_count ? -1 : 1;
    return x->code < y->code ? -1 : x->code > y->code;
}

/* Users outside the view get UINT32_MAX. */
static void find_values(const wp_log *log, const wp_texts *texts, bool per_user, bool last,
                        uint32_t *codes, value_count *counts)
{
    const wp_columns *columns = log->columns;
    for (uint32_t user = 0; user < columns->users_count; user++) {
        codes[user] = UINT32_MAX;
        if (!wp_bit(log->users, user))
            continue;
        codes[user] = per_user ? wp_code_at(&texts->codes, user) : 0;
        uint32_t first = columns->row_starts[user], end = columns->row_starts[user + 1];
        for (uint32_t i = first; !per_user && i < end && codes[user] == 0; i++) {
            uint32_t row = last ? end - 1 - (i - first) : i;
            if (wp_bit(log->rows, row))
                codes[user] = wp_code_at(&texts->codes, row);
        }
        counts[codes[user]].users_count++;
    }
}

static wp_status make_group(const wp_log *log, const uint32_t *codes, uint32_t code,
                            const wp_run *run, wp_group *group, wp_error *err)
{
    uint32_t users_count = log->columns->users_count;
    uint64_t *users = wp_alloc_array_zero(users_count / 64 + 1, sizeof *users);
    if (users == NULL)
        return wp_fail_memory(err, users_count / 8);
    for (uint32_t user = 0; user < users_count; user++)
        if (codes[user] == code)
            users[user >> 6] |= 1ULL << (user & 63);
    const wp_selection everything = {0};
    group->code = code;
    wp_status status =
        wp_log_where(log, &everything, INT64_MIN, INT64_MAX, users, run, &group->log, err);
    wp_free(users);
    return status;
}

wp_status wp_log_groups(const wp_log *log, uint32_t text_column, bool per_user, bool last,
                        uint32_t groups_max, const wp_run *run, wp_group **out,
                        uint32_t *groups_count, uint32_t *users_left, wp_error *err)
{
    const wp_columns *columns = log->columns;
    const wp_texts *texts = &(per_user ? columns->user_texts : columns->texts)[text_column];
    uint32_t values = texts->values.count;
    uint32_t *codes = wp_alloc_array((size_t)columns->users_count + 1, sizeof *codes);
    value_count *counts = wp_alloc_array_zero((size_t)values + 1, sizeof *counts);
    wp_group *groups = wp_alloc_array_zero((size_t)groups_max + 1, sizeof *groups);
    wp_status status = WP_OK;
    uint32_t made = 0, left = 0;
    if (codes == NULL || counts == NULL || groups == NULL) {
        status = wp_fail_memory(err, columns->users_count * sizeof *codes);
    } else {
        for (uint32_t code = 0; code < values; code++)
            counts[code].code = code;
        find_values(log, texts, per_user, last, codes, counts);
        qsort(counts, values, sizeof *counts, by_users);
        for (uint32_t i = 0; i < values && counts[i].users_count > 0 && status == WP_OK; i++) {
            if (made == groups_max) {
                left += counts[i].users_count;
                continue;
            }
            status = make_group(log, codes, counts[i].code, run, &groups[made], err);
            made += status == WP_OK;
        }
    }
    wp_free(codes);
    wp_free(counts);
    if (status != WP_OK) {
        wp_groups_free(groups, made);
        return status;
    }
    *out = groups;
    *groups_count = made;
    *users_left = left;
    return WP_OK;
}

void wp_groups_free(wp_group *groups, uint32_t groups_count)
{
    for (uint32_t i = 0; groups != NULL && i < groups_count; i++)
        wp_log_release(groups[i].log);
    wp_free(groups);
}
