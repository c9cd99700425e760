/* A users table in a CSV file, read from top to bottom in blocks; see users.h. */
#ifndef WP_INGEST_USERS_CSV_H
#define WP_INGEST_USERS_CSV_H

#include "ingest/users.h"

/* Feeds every row of the file. `delimiter` '\0' asks for detection. */
WP_NODISCARD wp_status wp_users_read_csv(const char *path, char delimiter, wp_users *users,
                                         const wp_run *run, wp_error *err);

#endif
