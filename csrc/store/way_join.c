/* The runs of one part put together; see way.h.
**
** The rows of a part, run by run, are numbered from 0; `order` gives for each final row the one it
** comes from. A part with one run needs no order. Times of a run are ascending per user, so merging
** is a stable insertion of later runs, linear when nothing came late. Times that fit the log's
** 32-bit offsets go straight to their place, and no order is made. */
#include "store/way_internal.h"

typedef struct run_list {
    uint32_t *offsets, *row_counts;     /* all runs, end to end */
    uint32_t *user_starts, *row_starts; /* per run, one more */
} run_list;

static void run_list_free(run_list *list)
{
    wp_free(list->offsets);
    wp_free(list->row_counts);
    wp_free(list->user_starts);
    wp_free(list->row_starts);
}

wp_status wp__way_run_users(wp_way *way, const wp__way_run *run, uint32_t *offsets,
                            uint32_t *row_counts, wp__way_scratch *scratch, wp_error *err)
{
    wp_segment segment;
    uint32_t below = way->view.users_numbered - run->part * WP_WAY_PART_USERS;
    below = below < WP_WAY_PART_USERS ? below : WP_WAY_PART_USERS;
    WP_TRY(wp__way_fetch(way, run, WP__COLUMN_USERS, 'u', run->users_count, false, scratch,
                         &segment, err));
    if (wp_segment_users(&segment, run->users_count, below, run->events_count, offsets, row_counts,
                         err) != WP_OK)
        return wp__way_blame(way, run, WP__COLUMN_USERS, err);
    return WP_OK;
}

static wp_status read_users(wp_way *way, const wp__way_part *part, run_list *list,
                            wp__way_scratch *scratch, wp_error *err)
{
    uint64_t users = 0, rows = 0;
    list->user_starts = wp_alloc_array_zero(part->runs_count + 1, sizeof(uint32_t));
    list->row_starts = wp_alloc_array_zero(part->runs_count + 1, sizeof(uint32_t));
    if (list->user_starts == NULL || list->row_starts == NULL)
        return wp_fail_memory(err, part->runs_count * 8);
    for (size_t i = 0; i < part->runs_count; i++) {
        list->user_starts[i] = (uint32_t)users;
        list->row_starts[i] = (uint32_t)rows;
        users += part->runs[i].users_count;
        rows += part->runs[i].events_count;
    }
    list->user_starts[part->runs_count] = (uint32_t)users;
    list->row_starts[part->runs_count] = (uint32_t)rows;
    list->offsets = wp_alloc_array(users, sizeof(uint32_t));
    list->row_counts = wp_alloc_array(users, sizeof(uint32_t));
    if (list->offsets == NULL || list->row_counts == NULL)
        return wp_fail_memory(err, users * 8);
    for (size_t i = 0; i < part->runs_count; i++)
        WP_TRY(wp__way_run_users(way, &part->runs[i], list->offsets + list->user_starts[i],
                                 list->row_counts + list->user_starts[i], scratch, err));
    return WP_OK;
}

/* Times of all runs end to end, in microseconds. */
static wp_status read_times(wp_way *way, const wp__way_part *part, const run_list *list,
                            wp__way_scratch *scratch, int64_t *times_us, wp_error *err)
{
    for (size_t i = 0; i < part->runs_count; i++) {
        const wp__way_run *run = &part->runs[i];
        wp_segment segment;
        int64_t base = 0, unit = 1;
        int64_t *into = times_us + list->row_starts[i];
        WP_TRY(wp__way_fetch(way, run, WP__COLUMN_TIMES, 't', run->events_count, false, scratch,
                             &segment, err));
        if (wp_segment_times(&segment, list->row_counts + list->user_starts[i], run->users_count,
                             run->events_count, &base, &unit, (uint64_t *)into, err) != WP_OK)
            return wp__way_blame(way, run, WP__COLUMN_TIMES, err);
        int64_t first = INT64_MAX, last = INT64_MIN;
        for (uint32_t row = 0; row < run->events_count; row++) {
            into[row] = base + into[row] * unit;
            first = into[row] < first ? into[row] : first;
            last = into[row] > last ? into[row] : last;
        }
        if (unit != run->unit_us || first != run->first_us || last != run->last_us) {
            (void)wp_fail(err, WP_CORRUPT, "they are not those of the run");
            return wp__way_blame(way, run, WP__COLUMN_TIMES, err);
        }
    }
    return WP_OK;
}

/* Users with rows, their numbers of rows, and where their rows are to stand (`next`). */
static wp_status join_users(wp__way_part *part, const run_list *list, uint32_t *next, wp_error *err)
{
    uint32_t users = 0, row = 0;
    memset(next, 0, WP_WAY_PART_USERS * sizeof *next);
    for (uint32_t i = 0; i < list->user_starts[part->runs_count]; i++)
        next[list->offsets[i]] += list->row_counts[i];
    for (uint32_t user = 0; user < WP_WAY_PART_USERS; user++)
        users += next[user] > 0;
    part->offsets = wp_alloc_array(users, sizeof *part->offsets);
    part->row_counts = wp_alloc_array(users, sizeof *part->row_counts);
    if (part->offsets == NULL || part->row_counts == NULL)
        return wp_fail_memory(err, users * 8ULL);
    users = 0;
    for (uint32_t user = 0; user < WP_WAY_PART_USERS; user++) {
        uint32_t rows = next[user];
        next[user] = row;
        if (rows == 0)
            continue;
        part->offsets[users] = user;
        part->row_counts[users++] = rows;
        row += rows;
    }
    part->users_count = users;
    return WP_OK;
}

/* Stable merge sort of one user's rows: they are ascending runs end to end, in `order` with their
** times beside them. */
static void merge_rows(uint32_t *order, int64_t *times, uint32_t *spare_order, int64_t *spare_times,
                       uint32_t count)
{
    for (;;) {
        uint32_t begin = 0, runs = 0;
        while (begin < count) {
            uint32_t middle = begin + 1, end, at = begin, left = begin, right;
            while (middle < count && times[middle - 1] <= times[middle])
                middle++;
            end = middle < count ? middle + 1 : middle;
            while (end < count && times[end - 1] <= times[end])
                end++;
            for (right = middle; at < end; at++) {
                bool take = left == middle || (right < end && times[right] < times[left]);
                uint32_t from = take ? right++ : left++;
                spare_order[at] = order[from];
                spare_times[at] = times[from];
            }
            begin = end;
            runs++;
        }
        memcpy(order, spare_order, count * sizeof *order);
        memcpy(times, spare_times, count * sizeof *times);
        if (runs <= 1)
            return;
    }
}

/* Fills part->order and, in final order, part->times_us from times of the runs. */
static wp_status join_rows(wp__way_part *part, const run_list *list, const int64_t *times_us,
                           uint32_t *next, wp_error *err)
{
    uint32_t most = 0, row = 0;
    part->order = wp_alloc_array(part->rows_count, sizeof *part->order);
    part->times_us = wp_alloc_array(part->rows_count, sizeof *part->times_us);
    for (uint32_t user = 0; user < part->users_count; user++)
        most = part->row_counts[user] > most ? part->row_counts[user] : most;
    uint32_t *spare_order = wp_alloc_array(most, sizeof *spare_order);
    int64_t *spare_times = wp_alloc_array(most, sizeof *spare_times);
    wp_status status = WP_OK;
    if (part->order == NULL || part->times_us == NULL || spare_order == NULL ||
        spare_times == NULL) {
        status = wp_fail_memory(err, part->rows_count * 12ULL);
    } else {
        for (uint32_t i = 0, from = 0; i < list->user_starts[part->runs_count]; i++)
            for (uint32_t k = 0; k < list->row_counts[i]; k++, from++) {
                uint32_t to = next[list->offsets[i]]++;
                part->order[to] = from;
                part->times_us[to] = times_us[from];
            }
        for (uint32_t user = 0; user < part->users_count; row += part->row_counts[user++])
            for (uint32_t k = 1; k < part->row_counts[user]; k++)
                if (part->times_us[row + k - 1] > part->times_us[row + k]) {
                    merge_rows(part->order + row, part->times_us + row, spare_order, spare_times,
                               part->row_counts[user]);
                    part->in_order = false;
                    break;
                }
    }
    wp_free(spare_order);
    wp_free(spare_times);
    return status;
}

/* Fills part->order where rows stand run after run. */
static wp_status order_rows(wp__way_part *part, const run_list *list, uint32_t *next, wp_error *err)
{
    part->order = wp_alloc_array(part->rows_count, sizeof *part->order);
    if (part->order == NULL)
        return wp_fail_memory(err, part->rows_count * 4ULL);
    for (uint32_t i = 0, from = 0; i < list->user_starts[part->runs_count]; i++)
        for (uint32_t k = 0, to = next[list->offsets[i]]; k < list->row_counts[i]; k++, from++) {
            part->order[to++] = from;
            next[list->offsets[i]] = to;
        }
    return WP_OK;
}

static wp_status join_runs(wp_way *way, wp__way_part *part, wp__way_depth depth, run_list *list,
                           wp__way_scratch *scratch, wp_error *err)
{
    WP_TRY(read_users(way, part, list, scratch, err));
    part->rows_count = list->row_starts[part->runs_count];
    part->in_order = true; /* until somebody's rows are found to be late */
    if (part->runs_count == 1) {
        part->users_count = part->runs[0].users_count;
        part->offsets = list->offsets;
        part->row_counts = list->row_counts;
        list->offsets = NULL;
        list->row_counts = NULL;
        if (depth != WP__PART_TIMES)
            return WP_OK;
        run_list only = {part->offsets, part->row_counts, list->user_starts, list->row_starts};
        part->times_us = wp_alloc_array(part->rows_count, sizeof *part->times_us);
        if (part->times_us == NULL)
            return wp_fail_memory(err, part->rows_count * 8ULL);
        return read_times(way, part, &only, scratch, part->times_us, err);
    }
    uint32_t *next = wp_alloc_array(WP_WAY_PART_USERS, sizeof *next);
    wp_status status = next != NULL ? join_users(part, list, next, err)
                                    : wp_fail_memory(err, WP_WAY_PART_USERS * 4ULL);
    if (status == WP_OK && depth == WP__PART_IN_ORDER) {
        status = order_rows(part, list, next, err);
        wp_free(next);
        return status;
    }
    int64_t *times_us = wp_alloc_array(part->rows_count, sizeof *times_us);
    if (status == WP_OK && times_us == NULL)
        status = wp_fail_memory(err, part->rows_count * 8ULL);
    if (status == WP_OK)
        status = read_times(way, part, list, scratch, times_us, err);
    if (status == WP_OK)
        status = join_rows(part, list, times_us, next, err);
    wp_free(times_us);
    wp_free(next);
    return status;
}

wp_status wp__way_part_users(wp_way *way, uint32_t number, wp__way_scratch *scratch,
                             wp__way_part *out, wp_error *err)
{
    wp__way_part part = {.part = number};
    run_list list = {0};
    part.runs_count = wp__way_part_runs(&way->view, number, &part.runs);
    uint32_t *next = wp__way_room(scratch, 7, WP_WAY_PART_USERS, sizeof *next);
    wp_status status = next == NULL ? wp_fail_memory(err, WP_WAY_PART_USERS * 4ULL) : WP_OK;
    if (status == WP_OK && part.runs_count > 0)
        status = read_users(way, &part, &list, scratch, err);
    if (status == WP_OK && part.runs_count > 0)
        status = join_users(&part, &list, next, err);
    run_list_free(&list);
    if (status == WP_OK)
        *out = part;
    else
        wp__way_part_free(&part);
    return status;
}

wp_status wp__way_part_read(wp_way *way, uint32_t number, wp__way_depth depth,
                            wp__way_scratch *scratch, wp__way_part *out, wp_error *err)
{
    wp__way_part part = {.part = number};
    run_list list = {0};
    part.runs_count = wp__way_part_runs(&way->view, number, &part.runs);
    wp_status status = WP_OK;
    if (part.runs_count > 0)
        status = join_runs(way, &part, depth, &list, scratch, err);
    run_list_free(&list);
    if (status == WP_OK)
        *out = part;
    else
        wp__way_part_free(&part);
    return status;
}

/* --- Straight to offsets -------------------------------------------------------------------- */

/* Rows of several runs, decoded end to end, on their way to the final columns. */
typedef struct gathering {
    const run_list *list;
    size_t runs_count;
    const uint32_t *times; /* decoded */
    const wp_codes *codes;
    uint32_t *next;        /* by user: where the next row goes, from the part's first on */
    uint32_t *latest;      /* by user: the last time there */
    uint64_t *unsorted;    /* users whose rows came late: a bit each */
    uint32_t *final_times; /* of the part's first row */
    const wp_codes *final_codes;
    size_t row;
} gathering;

/* Imports come one after the other in time, so mostly this is all: a user's rows from run after
** run, end to end. */
static bool gather_rows(gathering *g)
{
    bool any_unsorted = false;
    uint32_t from = 0;
    for (uint32_t i = 0; i < g->list->user_starts[g->runs_count]; i++) {
        uint32_t user = g->list->offsets[i], count = g->list->row_counts[i], to = g->next[user];
        if (g->times[from] < g->latest[user]) {
            g->unsorted[user >> 6] |= 1ULL << (user & 63);
            any_unsorted = true;
        }
        for (uint32_t k = 0; k < count; k++)
            g->final_times[to + k] = g->times[from + k];
        if (g->codes->width == 1) {
            const uint8_t *codes = (const uint8_t *)g->codes->data + from;
            uint8_t *final = (uint8_t *)g->final_codes->data + g->row + to;
            for (uint32_t k = 0; k < count; k++)
                final[k] = codes[k];
        } else if (g->codes->width > 1) {
            unsigned width = g->codes->width;
            memcpy((char *)g->final_codes->data + (g->row + to) * width,
                   (const char *)g->codes->data + (size_t)from * width, (size_t)count * width);
        }
        g->latest[user] = g->times[from + count - 1];
        g->next[user] = to + count;
        from += count;
    }
    return any_unsorted;
}

/* One user's rows by time; `room` holds two orders and two lists of times. */
static void sort_user(const gathering *g, uint32_t row, uint32_t count, uint32_t *orders,
                      int64_t *times)
{
    uint32_t *own = g->final_times + row;
    for (uint32_t k = 0; k < count; k++) {
        orders[k] = k;
        times[k] = own[k];
    }
    merge_rows(orders, times, orders + count, times + count, count);
    for (uint32_t k = 0; k < count; k++)
        own[k] = (uint32_t)times[k];
    size_t first = g->row + row;
    uint32_t *codes = orders + count; /* merged: free again */
    for (uint32_t k = 0; k < count; k++)
        codes[k] = wp_code_at(g->final_codes, first + k);
    for (uint32_t k = 0; k < count; k++)
        switch (g->final_codes->width) {
        case 1:
            ((uint8_t *)g->final_codes->data)[first + k] = (uint8_t)codes[orders[k]];
            break;
        case 2:
            ((uint16_t *)g->final_codes->data)[first + k] = (uint16_t)codes[orders[k]];
            break;
        case 4:
            ((uint32_t *)g->final_codes->data)[first + k] = codes[orders[k]];
            break;
        default:
            break;
        }
}

static wp_status sort_unsorted(const gathering *g, const wp__way_part *part, wp_error *err)
{
    uint32_t most = 0, row = 0;
    for (uint32_t i = 0; i < part->users_count; i++)
        if (wp_bit(g->unsorted, part->offsets[i]) && part->row_counts[i] > most)
            most = part->row_counts[i];
    uint32_t *orders = wp_alloc_array(most, 2 * sizeof *orders);
    int64_t *times = wp_alloc_array(most, 2 * sizeof *times);
    bool fits = orders != NULL && times != NULL;
    for (uint32_t i = 0; fits && i < part->users_count; row += part->row_counts[i++])
        if (wp_bit(g->unsorted, part->offsets[i]))
            sort_user(g, row, part->row_counts[i], orders, times);
    wp_free(orders);
    wp_free(times);
    return fits ? WP_OK : wp_fail_memory(err, most * 24ULL);
}

static wp_status decode_runs(wp_way *way, const wp__way_part *part, const run_list *list,
                             const wp_times *times, const wp_codes *codes, uint32_t events_below,
                             wp__way_scratch *scratch, bool *done, wp_error *err)
{
    *done = true;
    for (size_t i = 0; *done && i < part->runs_count; i++)
        WP_TRY(wp__way_run_rows(way, &part->runs[i], list->row_counts + list->user_starts[i], times,
                                codes, events_below, list->row_starts[i], scratch, done, err));
    return WP_OK;
}

static wp_status gather_part(wp_way *way, wp__way_part *part, run_list *list, const wp_times *times,
                             const wp_codes *events, uint32_t events_below, size_t row,
                             wp__way_scratch *scratch, bool *done, wp_error *err)
{
    WP_TRY(read_users(way, part, list, scratch, err));
    part->rows_count = list->row_starts[part->runs_count];
    wp_times own_times = *times;
    own_times.offsets = wp__way_room(scratch, 5, part->rows_count, 4);
    wp_codes own_codes = {events->width, wp__way_room(scratch, 6, part->rows_count, 4)};
    const size_t users = WP_WAY_PART_USERS;
    uint32_t *by_user = wp__way_room(scratch, 7, 2 * users + 2 * (users / 64), 4);
    if (own_times.offsets == NULL || own_codes.data == NULL || by_user == NULL)
        return wp_fail_memory(err, part->rows_count * 8ULL);
    WP_TRY(decode_runs(way, part, list, &own_times, &own_codes, events_below, scratch, done, err));
    if (!*done)
        return WP_OK;
    gathering g = {.list = list,
                   .runs_count = part->runs_count,
                   .times = own_times.offsets,
                   .codes = &own_codes,
                   .next = by_user,
                   .latest = by_user + users,
                   .unsorted = (uint64_t *)(void *)(by_user + 2 * users),
                   .final_times = times->offsets + row,
                   .final_codes = events,
                   .row = row};
    memset(by_user, 0, (2 * users + 2 * (users / 64)) * sizeof *by_user);
    WP_TRY(join_users(part, list, g.next, err));
    part->in_order = !gather_rows(&g);
    return part->in_order ? WP_OK : sort_unsorted(&g, part, err);
}

wp_status wp__way_part_rows(wp_way *way, uint32_t number, const wp_times *times,
                            const wp_codes *events, uint32_t events_below, size_t row,
                            wp__way_scratch *scratch, wp__way_part *out, bool *done, wp_error *err)
{
    wp__way_part part = {.part = number};
    run_list list = {0};
    part.runs_count = wp__way_part_runs(&way->view, number, &part.runs);
    wp_status status =
        gather_part(way, &part, &list, times, events, events_below, row, scratch, done, err);
    run_list_free(&list);
    if (status == WP_OK && *done)
        *out = part;
    else
        wp__way_part_free(&part);
    return status;
}
