/* Views: some rows of a log, or some of its users with all their rows. Nothing is copied; every
** view is new, and belongs to the caller. Rows are only passed over: WP_PART_SCAN is enough. */
#ifndef WP_STORE_VIEWS_H
#define WP_STORE_VIEWS_H

#include "store/scan.h"

/* The rows of `log` that `selection` accepts and whose time is in [since_us, before_us), of users
** whose bit is set in `users` (NULL: all). Users without a row left are not part of the view. */
WP_NODISCARD wp_status wp_log_where(const wp_log *log, const wp_selection *selection,
                                    int64_t since_us, int64_t before_us, const uint64_t *users,
                                    const wp_run *run, wp_log **out, wp_error *err);

/* Two views by users: those whose first event in `log` is before at_us, with all their rows, and
** those whose first event is at or after it. Users without events belong to neither. */
WP_NODISCARD wp_status wp_log_split(const wp_log *log, int64_t at_us, const wp_run *run,
                                    wp_log **before, wp_log **after, wp_error *err);

/* views_count views by users, whose rows all go to views[view_of_user[user]]; users with
** UINT32_MAX go nowhere. After a failure no view is left. */
WP_NODISCARD wp_status wp_log_divide(const wp_log *log, const uint32_t *view_of_user,
                                     uint32_t views_count, const wp_run *run, wp_log **views,
                                     wp_error *err);

#endif
