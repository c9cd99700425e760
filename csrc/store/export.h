/* A log as CSV: what every program can read, and read_csv reads back to the same log.
**
** One line per event, users in the order of the log: user, event, time, then the numbers and texts
** by name. Times are ISO 8601 in UTC (or microseconds where the calendar ends), numbers have as
*many
** digits as it takes to read back the same. Attributes of users are left out. */
#ifndef WP_STORE_EXPORT_H
#define WP_STORE_EXPORT_H

#include "store/log.h"

/* NULL path: standard output. All of the log must be in memory. */
WP_NODISCARD wp_status wp_log_export_csv(const wp_log *log, const char *path, const wp_run *run,
                                         wp_error *err);

#endif
