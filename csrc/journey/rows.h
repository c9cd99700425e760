/* The rows of one user in a view of a log, without copying columns. A view of everything is a
** range; otherwise the row numbers are gathered into scratch that belongs to one worker. */
#ifndef WP_JOURNEY_ROWS_H
#define WP_JOURNEY_ROWS_H

#include "store/scan.h"

typedef struct wp_rows {
    const uint32_t *index; /* NULL: first, first + 1, ... */
    uint32_t first, count;
} wp_rows;

static inline uint32_t wp_rows_at(const wp_rows *rows, uint32_t i)
{
    return rows->index != NULL ? rows->index[i] : rows->first + i;
}

/* Room for the rows of the longest journey, once per worker; next to nothing when the log is all
** of its columns, since then nothing is gathered. */
typedef struct wp_scratch {
    uint32_t **rows; /* by worker */
    unsigned workers_count;
} wp_scratch;

WP_NODISCARD wp_status wp_scratch_start(const wp_log *log, const wp_run *run, wp_scratch *scratch,
                                        wp_error *err);
void wp_scratch_reset(wp_scratch *scratch);

static inline wp_rows wp_rows_of(const wp_log *log, uint32_t user, uint32_t *scratch)
{
    uint32_t first = log->columns->row_starts[user], end = log->columns->row_starts[user + 1];
    if (log->rows == NULL)
        return (wp_rows){NULL, first, end - first};
    uint32_t count = 0;
    if (wp_bit(log->users, user))
        for (uint32_t row = first; row < end; row++)
            if (wp_bit(log->rows, row))
                scratch[count++] = row;
    return (wp_rows){scratch, first, count};
}

/* Cuts the users into at most `parts` ranges of about equal numbers of rows, as wp_log_scan wants
** them; the cuts depend on the columns only. starts has room for parts + 1; returns the number of
** ranges (at least 1). */
uint32_t wp_user_ranges(const wp_columns *columns, uint32_t parts, uint32_t *starts);

#endif
