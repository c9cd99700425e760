/* A pass over the rows of a log, user by user, wherever the rows are.
**
** In memory they are worked on in place. Rows in a file are decoded part by part, each into one
** worker's buffer, worked on while they are in its cache, and forgotten: the pass costs little
** memory, and no row may be looked at before or after it. */
#ifndef WP_STORE_SCAN_H
#define WP_STORE_SCAN_H

#include "store/log.h"

/* Users first .. last - 1 of a chunk. */
typedef struct wp_piece {
    size_t chunk;
    uint32_t first, last;
} wp_piece;

/* `log` is the log of the pass, or one whose rows are there for the users of the piece only; it
** stays at its address for the worker. A chunk may come in several pieces, one after the other in
** the order of users; what belongs to a chunk is touched by one worker at a time. */
typedef wp_status (*wp_scan_task)(void *work, const wp_log *log, wp_piece piece, unsigned worker,
                                  wp_error *err);

/* Runs the task for chunks of users, starts[chunk] .. starts[chunk + 1] - 1; together they are all
** users. Rows must be there as WP_PART_SCAN makes sure, and the task looks at nothing of them but
** `reads` and the columns asked for with WP_PART_SCAN_NUMBERS and _TEXTS. While there are
** part_users, no chunk is empty, and it takes least when every chunk lies in one part or is made of
** whole ones. */
WP_NODISCARD wp_status wp_log_scan(const wp_log *log, wp_reads reads, const uint32_t *starts,
                                   size_t chunks_count, const wp_run *run, wp_scan_task task,
                                   void *work, wp_error *err);

#endif
