/* Another property becomes the unit: a new log whose "users" are the values of a text column.
**
** Events keep their time, name and columns; the former user id becomes a text column. Attributes
** of users are left behind, as they describe somebody else than the new unit. Rows without a unit
** are left out and counted (rows_ungrouped). Ties of equal time keep the former order: by former
** user, then by row. Cost: a copy of the events, O(rows), in parallel. */
#ifndef WP_INGEST_REGROUP_H
#define WP_INGEST_REGROUP_H

#include "store/log.h"

typedef struct wp_unit {
    bool per_user;   /* an attribute from the users table */
    uint32_t column; /* position in texts or user_texts */
} wp_unit;

/* `user_name` names the column that holds the former user id; NULL leaves it out. */
WP_NODISCARD wp_status wp_log_regroup(const wp_log *log, wp_unit unit, const char *user_name,
                                      const wp_run *run, wp_log **out, wp_error *err);

#endif
