/* First or last values in one pass, then the views of all values in another; see groups.h. */
#include "journey/groups.h"

#include "base/memory.h"
#include "store/views.h"

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

#define USERS_PER_CHUNK 4096u
#define NO_GROUP        UINT32_MAX

typedef struct grouping {
    const wp_texts *attribute; /* NULL: the property of events in `column` */
    uint32_t column;
    bool last;
    uint32_t *codes; /* of everybody's value; UINT32_MAX outside the view */
} grouping;

static wp_status find_values(void *context, const wp_log *log, wp_piece piece, unsigned worker,
                             wp_error *err)
{
    (void)worker;
    (void)err;
    const grouping *work = context;
    const wp_columns *columns = log->columns;
    for (uint32_t user = piece.first; user < piece.last; user++) {
        uint32_t code = 0, first = columns->row_starts[user], end = columns->row_starts[user + 1];
        if (!wp_bit(log->users, user))
            code = UINT32_MAX;
        else if (work->attribute != NULL)
            code = wp_code_at(&work->attribute->codes, user);
        for (uint32_t i = first; work->attribute == NULL && i < end && code == 0; i++) {
            uint32_t row = work->last ? end - 1 - (i - first) : i;
            if (wp_bit(log->rows, row))
                code = wp_code_at(&columns->texts[work->column].codes, row);
        }
        work->codes[user] = code;
    }
    return WP_OK;
}

static wp_status read_values(const wp_log *log, grouping *work, const wp_run *run, wp_error *err)
{
    uint32_t users_count = log->columns->users_count;
    uint32_t *starts = wp_alloc_array(users_count / USERS_PER_CHUNK + 2, sizeof *starts);
    if (starts == NULL)
        return wp_fail_memory(err, users_count / USERS_PER_CHUNK * sizeof *starts);
    uint32_t chunks = wp_user_ranges(log->columns, users_count / USERS_PER_CHUNK + 1, starts);
    wp_status status =
        wp_log_scan(log, WP_READS_NOTHING, starts, chunks, run, find_values, work, err);
    wp_free(starts);
    return status;
}

/* The values with most users become groups, whose codes go to `groups`; everybody's code becomes
** the number of their group. */
static uint32_t choose_groups(uint32_t *codes, uint32_t users_count, value_count *counts,
                              uint32_t values, uint32_t groups_max, wp_group *groups,
                              uint32_t *group_of_code, uint32_t *users_left)
{
    uint32_t made = 0, left = 0;
    for (uint32_t code = 0; code < values; code++)
        counts[code].code = code;
    for (uint32_t user = 0; user < users_count; user++)
        if (codes[user] != UINT32_MAX)
            counts[codes[user]].users_count++;
    qsort(counts, values, sizeof *counts, by_users);
    for (uint32_t i = 0; i < values; i++) {
        bool fits = made < groups_max && counts[i].users_count > 0;
        group_of_code[counts[i].code] = fits ? made : NO_GROUP;
        if (fits)
            groups[made++].code = counts[i].code;
        else
            left += counts[i].users_count;
    }
    for (uint32_t user = 0; user < users_count; user++)
        codes[user] = codes[user] == UINT32_MAX ? NO_GROUP : group_of_code[codes[user]];
    *users_left = left;
    return made;
}

wp_status wp_log_groups(const wp_log *log, uint32_t text_column, bool per_user, bool last,
                        uint32_t groups_max, const wp_run *run, wp_group **out,
                        uint32_t *groups_count, uint32_t *users_left, wp_error *err)
{
    const wp_columns *columns = log->columns;
    uint32_t users_count = columns->users_count, made = 0;
    const wp_texts *texts = &(per_user ? columns->user_texts : columns->texts)[text_column];
    uint32_t values = texts->values.count;
    grouping work = {.attribute = per_user ? texts : NULL, .column = text_column, .last = last};
    work.codes = wp_alloc_array((size_t)users_count + 1, sizeof *work.codes);
    value_count *counts = wp_alloc_array_zero((size_t)values + 1, sizeof *counts);
    uint32_t *group_of_code = wp_alloc_array((size_t)values + 1, sizeof *group_of_code);
    wp_group *groups = wp_alloc_array_zero((size_t)groups_max + 1, sizeof *groups);
    wp_log **views = wp_alloc_array_zero((size_t)groups_max + 1, sizeof *views);
    wp_status status = work.codes == NULL || counts == NULL || group_of_code == NULL ||
                               groups == NULL || views == NULL
                           ? wp_fail_memory(err, users_count * sizeof *work.codes)
                           : read_values(log, &work, run, err);
    if (status == WP_OK) {
        made = choose_groups(work.codes, users_count, counts, values, groups_max, groups,
                             group_of_code, users_left);
        status = wp_log_divide(log, work.codes, made, run, views, err);
    }
    for (uint32_t i = 0; status == WP_OK && i < made; i++)
        groups[i].log = views[i];
    wp_free(work.codes);
    wp_free(counts);
    wp_free(group_of_code);
    wp_free(views);
    if (status != WP_OK) {
        wp_free(groups);
        return status;
    }
    *out = groups;
    *groups_count = made;
    return WP_OK;
}

void wp_groups_free(wp_group *groups, uint32_t groups_count)
{
    for (uint32_t i = 0; groups != NULL && i < groups_count; i++)
        wp_log_release(groups[i].log);
    wp_free(groups);
}
