/* Views of a log, made in one pass over its rows; see views.h. */
#include "store/views.h"

#include "base/memory.h"

#define USERS_PER_CHUNK 4096u /* whole words of a bitmap of users */
#define NO_VIEW         UINT32_MAX

/* Rows and users that one worker has put into one view. */
typedef struct view_tally {
    uint32_t events_count, users_count;
    int64_t first_us, last_us;
} view_tally;

typedef struct dividing {
    /* The view that a user's rows go to. */
    uint32_t (*view_of)(const struct dividing *work, const wp_log *log, uint32_t user);
    /* What it looks at. */
    const uint64_t *users;
    const uint32_t *view_of_user;
    int64_t at_us;
    /* Which rows. */
    const wp_selection *selection;
    int64_t since_us, before_us;

    wp_log **views;
    uint32_t views_count;
    view_tally *tallies; /* by worker, then view */
} dividing;

/* Two workers may meet in a word. */
static void put_bits(uint64_t *rows, size_t word, uint64_t bits)
{
    if (bits != 0)
        __atomic_fetch_or(&rows[word], bits, __ATOMIC_RELAXED);
}

static void put_user(const dividing *work, const wp_log *log, uint32_t user, wp_log *view,
                     view_tally *tally)
{
    const wp_columns *columns = log->columns;
    uint32_t before = tally->events_count, row = columns->row_starts[user];
    uint64_t bits = 0;
    size_t word = row >> 6;
    for (; row < columns->row_starts[user + 1]; row++) {
        int64_t time_us = wp_time_at(&columns->times, row);
        if (time_us < work->since_us || time_us >= work->before_us || !wp_bit(log->rows, row) ||
            !wp_selection_has(columns, work->selection, user, row))
            continue;
        if (row >> 6 != word) {
            put_bits(view->rows, word, bits);
            bits = 0;
            word = row >> 6;
        }
        bits |= 1ULL << (row & 63);
        tally->events_count++;
        tally->first_us = time_us < tally->first_us ? time_us : tally->first_us;
        tally->last_us = time_us > tally->last_us ? time_us : tally->last_us;
    }
    put_bits(view->rows, word, bits);
    if (tally->events_count > before) {
        tally->users_count++;
        view->users[user >> 6] |= 1ULL << (user & 63);
    }
}

static wp_status divide_piece(void *context, const wp_log *log, wp_piece piece, unsigned worker,
                              wp_error *err)
{
    (void)err;
    const dividing *work = context;
    view_tally *tallies = work->tallies + (size_t)worker * work->views_count;
    for (uint32_t user = piece.first; user < piece.last; user++) {
        if (!wp_bit(log->users, user))
            continue;
        uint32_t view = work->view_of(work, log, user);
        if (view != NO_VIEW)
            put_user(work, log, user, work->views[view], &tallies[view]);
    }
    return WP_OK;
}

static wp_status start_views(const wp_log *log, dividing *work, size_t tallies_count, wp_error *err)
{
    size_t row_words = log->columns->events_count / 64 + 1;
    size_t user_words = log->columns->users_count / 64 + 1;
    for (uint32_t i = 0; i < work->views_count; i++) {
        WP_TRY(wp_log_take_columns(wp_columns_retain(log->columns), &work->views[i], err));
        wp_log *view = work->views[i];
        view->rows = wp_alloc_array_zero(row_words, sizeof *view->rows);
        view->users = wp_alloc_array_zero(user_words, sizeof *view->users);
        if (view->rows == NULL || view->users == NULL)
            return wp_fail_memory(err, (row_words + user_words) * sizeof *view->rows);
    }
    work->tallies = wp_alloc_array(tallies_count, sizeof *work->tallies);
    if (work->tallies == NULL)
        return wp_fail_memory(err, tallies_count * sizeof *work->tallies);
    for (size_t i = 0; i < tallies_count; i++)
        work->tallies[i] = (view_tally){0, 0, INT64_MAX, INT64_MIN};
    return WP_OK;
}

static void end_view(const dividing *work, uint32_t i, unsigned workers)
{
    view_tally sum = {0, 0, INT64_MAX, INT64_MIN};
    for (unsigned worker = 0; worker < workers; worker++) {
        const view_tally *own = &work->tallies[(size_t)worker * work->views_count + i];
        sum.events_count += own->events_count;
        sum.users_count += own->users_count;
        sum.first_us = own->first_us < sum.first_us ? own->first_us : sum.first_us;
        sum.last_us = own->last_us > sum.last_us ? own->last_us : sum.last_us;
    }
    wp_log *view = work->views[i];
    view->events_count = sum.events_count;
    view->users_count = sum.users_count;
    view->first_us = sum.events_count > 0 ? sum.first_us : WP_TIME_MISSING;
    view->last_us = sum.events_count > 0 ? sum.last_us : WP_TIME_MISSING;
}

/* Fills work->views, which has room for them. */
static wp_status divide(const wp_log *log, dividing *work, const wp_run *run, wp_error *err)
{
    unsigned workers = wp_run_threads(run);
    uint32_t users_count = log->columns->users_count, *starts = NULL;
    size_t chunks = 0;
    for (uint32_t i = 0; i < work->views_count; i++)
        work->views[i] = NULL;
    wp_status status = start_views(log, work, (size_t)workers * work->views_count, err);
    if (status == WP_OK) {
        starts = wp_alloc_array(users_count / USERS_PER_CHUNK + 2, sizeof *starts);
        if (starts == NULL)
            status = wp_fail_memory(err, users_count / USERS_PER_CHUNK * sizeof *starts);
    }
    if (status == WP_OK) {
        for (uint32_t user = 0; user < users_count; user += USERS_PER_CHUNK)
            starts[chunks++] = user;
        starts[chunks] = users_count;
        wp_reads reads = WP_READS_TIMES | wp_selection_reads(work->selection);
        status = wp_log_scan(log, reads, starts, chunks, run, divide_piece, work, err);
    }
    for (uint32_t i = 0; i < work->views_count; i++) {
        if (status == WP_OK) {
            end_view(work, i, workers);
        } else {
            wp_log_release(work->views[i]);
            work->views[i] = NULL;
        }
    }
    wp_free(starts);
    wp_free(work->tallies);
    return status;
}

/* --- Who goes where -------------------------------------------------------------------------- */

/* Of whoever goes to a view, all rows. */
static dividing all_rows(wp_log **views, uint32_t views_count)
{
    static const wp_selection everything = {0};
    return (dividing){.selection = &everything,
                      .since_us = INT64_MIN,
                      .before_us = INT64_MAX,
                      .views = views,
                      .views_count = views_count};
}

static uint32_t by_bit(const dividing *work, const wp_log *log, uint32_t user)
{
    (void)log;
    return wp_bit(work->users, user) ? 0 : NO_VIEW;
}

wp_status wp_log_where(const wp_log *log, const wp_selection *selection, int64_t since_us,
                       int64_t before_us, const uint64_t *users, const wp_run *run, wp_log **out,
                       wp_error *err)
{
    wp_log *view;
    dividing work = all_rows(&view, 1);
    work.view_of = by_bit;
    work.users = users;
    work.selection = selection;
    work.since_us = since_us;
    work.before_us = before_us;
    WP_TRY(divide(log, &work, run, err));
    *out = view;
    return WP_OK;
}

static uint32_t by_number(const dividing *work, const wp_log *log, uint32_t user)
{
    (void)log;
    return work->view_of_user[user];
}

wp_status wp_log_divide(const wp_log *log, const uint32_t *view_of_user, uint32_t views_count,
                        const wp_run *run, wp_log **views, wp_error *err)
{
    dividing work = all_rows(views, views_count);
    work.view_of = by_number;
    work.view_of_user = view_of_user;
    return divide(log, &work, run, err);
}

/* By the first row that belongs to the log. */
static uint32_t by_first(const dividing *work, const wp_log *log, uint32_t user)
{
    const wp_columns *columns = log->columns;
    uint32_t row = columns->row_starts[user], end = columns->row_starts[user + 1];
    while (row < end && !wp_bit(log->rows, row))
        row++;
    if (row == end)
        return NO_VIEW;
    return wp_time_at(&columns->times, row) < work->at_us ? 0 : 1;
}

wp_status wp_log_split(const wp_log *log, int64_t at_us, const wp_run *run, wp_log **before,
                       wp_log **after, wp_error *err)
{
    wp_log *views[2];
    dividing work = all_rows(views, 2);
    work.view_of = by_first;
    work.at_us = at_us;
    WP_TRY(divide(log, &work, run, err));
    *before = views[0];
    *after = views[1];
    return WP_OK;
}
