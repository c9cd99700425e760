/* A log as CSV: what every program can read, and read_csv reads back to the same log.
**
** Events: one line each, users in the order of the log: user, event, time, then the numbers and
** texts by name. Users: one line each, in the same order: user, known_at where attributes are
** dated, then the attributes. Times are ISO 8601 in UTC (or microseconds where the calendar ends),
** numbers have as many digits as it takes to read back the same. */
#ifndef WP_STORE_EXPORT_H
#define WP_STORE_EXPORT_H

#include "store/log.h"

typedef enum wp_export { WP_EXPORT_EVENTS, WP_EXPORT_USERS } wp_export;

/* NULL path: standard output. All of the log must be in memory. */
WP_NODISCARD wp_status wp_log_export_csv(const wp_log *log, wp_export what, const char *path,
                                         const wp_run *run, wp_error *err);

#endif
