/* Inside the store; private to store/way_*.c. */
#ifndef WP_STORE_WAY_INTERNAL_H
#define WP_STORE_WAY_INTERNAL_H

#include "base/lock.h"
#include "base/memory.h"
#include "base/siphash.h"
#include "store/segment.h"
#include "store/way.h"

#include <sqlite3.h>

/* Columns of segments, and dictionaries. A property's is its position + WP__COLUMN_FIRST. */
enum {
    WP__COLUMN_USERS = 1,
    WP__COLUMN_TIMES = 2,
    WP__COLUMN_EVENTS = 3,
    WP__COLUMN_KNOWN_AT = 4,
    WP__COLUMN_FIRST = 16
};
#define WP__COLUMNS_MOST 0xffffu
#define WP__RUNS_MOST    0xffffffu

/* Attributes of users stand under run 0: a part has one segment per column, which is replaced. */
#define WP__RUN_OF_USERS 0u

static inline int64_t wp__segment_id(uint32_t part, uint32_t run, uint32_t column)
{
    return (int64_t)((uint64_t)part << 40 | (uint64_t)run << 16 | column);
}

typedef struct wp__way_column {
    char *name;
    bool is_text, per_user, is_value;
    uint32_t column; /* in segments; also the dictionary of a text column */
} wp__way_column;

typedef struct wp__way_run {
    uint32_t part, run, users_count, events_count;
    int64_t first_us, last_us, unit_us;
} wp__way_run;

/* What the tables said when they were read, in one transaction. */
typedef struct wp__way_view {
    int64_t generation;
    uint32_t users_numbered; /* user numbers given so far */
    uint32_t users_count;    /* of them, not taken away */
    uint32_t run_last;
    uint64_t events_count;
    uint64_t rows_skipped, rows_ungrouped;
    bool ties_ordered, time_zone_assumed, has_known_at;
    bool has_fingerprint;
    uint64_t fingerprint;
    int64_t first_us, last_us;
    wp__way_column *columns; /* by position */
    uint32_t columns_count;
    wp__way_run *runs; /* by part, then run */
    size_t runs_count;
    uint32_t parts_count; /* of users */
} wp__way_view;

struct wp_way {
    sqlite3 *connection;
    char *path;
    bool writable, saving, created;
    bool pending; /* made in a transaction that is still open */
    wp_lock lock; /* one statement at a time */
    sqlite3_stmt *find_segment;
    sqlite3_blob *segment; /* the last one read, inside a transaction */
    const wp_run *run;     /* asked between steps of SQLite; NULL: none */
    wp__way_view view;
};

/* --- way_vfs.c ------------------------------------------------------------------------------- */

#define WP__PAGE_SIZE    16384u
#define WP__PAGE_RESERVE 8u
/* Name of the file system that checks pages. Registered while at least one store is open; every
** successful call needs a wp__vfs_release. NULL: memory is short. */
const char *wp__vfs_retain(void);
void wp__vfs_release(void);
bool wp__page_is_good(const char *page, size_t size, uint64_t offset);

/* --- way_file.c ------------------------------------------------------------------------------ */

/* The failure of the last SQLite call, in our words. */
wp_status wp__way_failure(wp_way *way, int code, wp_error *err);
WP_NODISCARD wp_status wp__way_exec(wp_way *way, const char *sql, wp_error *err);
WP_NODISCARD wp_status wp__way_prepare(wp_way *way, const char *sql, sqlite3_stmt **out,
                                       wp_error *err);
/* Steps to a row (true) or the end (false). */
WP_NODISCARD wp_status wp__way_step(wp_way *way, sqlite3_stmt *statement, bool *row, wp_error *err);
/* Runs a statement that gives no rows, and resets it. */
WP_NODISCARD wp_status wp__way_run_once(wp_way *way, sqlite3_stmt *statement, wp_error *err);

/* Transactions. A reading one fails when the file is not the one that was opened. */
WP_NODISCARD wp_status wp__way_begin_reading(wp_way *way, wp_error *err);
WP_NODISCARD wp_status wp__way_begin_writing(wp_way *way, wp_error *err);
void wp__way_end_reading(wp_way *way);
/* Commits when status is WP_OK, else rolls back; the status of all. */
WP_NODISCARD wp_status wp__way_end_writing(wp_way *way, wp_status status, wp_error *err);

/* Reads the tables into way->view; inside a transaction. */
WP_NODISCARD wp_status wp__way_look(wp_way *way, wp_error *err);
void wp__way_view_reset(wp__way_view *view);
WP_NODISCARD wp_status wp__way_set(wp_way *way, const char *name, int64_t value, wp_error *err);
WP_NODISCARD wp_status wp__way_set_fingerprint(wp_way *way, bool known, uint64_t fingerprint,
                                               wp_error *err);
/* Writes down the fingerprint of the store as it was opened, so that it is made once and not by
** every reader. Any import and any forgetting takes it away again. Nothing is written where the
** file cannot be, is being written by somebody else or has moved on, nor where it is so small that
** making the fingerprint costs less than waiting for the disk. */
#define WP__FINGERPRINT_LEAST 250000u
void wp__way_keep_fingerprint(wp_way *way, uint64_t fingerprint);
WP_NODISCARD wp_status wp__way_salt(wp_way *way, uint64_t salt[2], wp_error *err);

/* Copies a segment into `into` (which is grown), for any thread. No such segment: size 0. */
WP_NODISCARD wp_status wp__way_read_segment(wp_way *way, uint32_t part, uint32_t run,
                                            uint32_t column, wp_bytes *into, wp_segment *out,
                                            wp_error *err);
/* insert: INSERT INTO segments, prepared by the caller with wp__way_insert_segments. */
WP_NODISCARD wp_status wp__way_insert_segments(wp_way *way, sqlite3_stmt **out, wp_error *err);
WP_NODISCARD wp_status wp__way_put_segment(wp_way *way, sqlite3_stmt *insert, uint32_t part,
                                           uint32_t run, uint32_t column, uint32_t rows,
                                           const wp_bytes *bytes, wp_error *err);
WP_NODISCARD wp_status wp__way_put_run(wp_way *way, const wp__way_run *run, wp_error *err);

/* --- way_text.c ------------------------------------------------------------------------------ */

/* The texts of a dictionary, codes 0 .. count-1. Texts taken away are empty; `taken` (may be NULL)
** gets a bitmap of them, NULL when there are none. */
WP_NODISCARD wp_status wp__way_read_texts(wp_way *way, uint32_t dictionary, wp_dictionary *out,
                                          uint64_t **taken, wp_error *err);
WP_NODISCARD wp_status wp__way_count_texts(wp_way *way, uint32_t dictionary, uint32_t *count,
                                           wp_error *err);
/* Adds texts from code `first` on: those of `from` whose codes are listed. */
WP_NODISCARD wp_status wp__way_add_texts(wp_way *way, uint32_t dictionary, uint32_t first,
                                         const wp_dictionary *from, const uint32_t *codes,
                                         uint32_t count, wp_error *err);
/* Takes texts away for good: bit per code. */
WP_NODISCARD wp_status wp__way_take_texts(wp_way *way, uint32_t dictionary, const uint64_t *taken,
                                          wp_error *err);
void wp__dictionary_free(wp_dictionary *dictionary);

/* --- way_part.c ------------------------------------------------------------------------------ */

/* Scratch of one worker. */
typedef struct wp__way_scratch {
    wp_bytes bytes;
    void *blocks[8];
    size_t capacities[8];
} wp__way_scratch;
void wp__way_scratch_free(wp__way_scratch *scratch);
/* Block k, of at least count * size bytes; NULL when memory is short. Contents are lost. */
void *wp__way_room(wp__way_scratch *scratch, unsigned k, size_t count, size_t size);

/* Reads and checks a segment that must be there (or may be missing: size 0). */
WP_NODISCARD wp_status wp__way_fetch(wp_way *way, const wp__way_run *run, uint32_t column,
                                     char kind, uint32_t expected, bool may_miss,
                                     wp__way_scratch *scratch, wp_segment *out, wp_error *err);
/* Names the damaged place in a message that says what is damaged; the status. */
wp_status wp__way_blame(const wp_way *way, const wp__way_run *run, uint32_t column, wp_error *err);

/* --- way_join.c ------------------------------------------------------------------------------ */

/* The runs of one part put together: who has rows, and from which row of the runs, taken end to
** end, each row comes. */
typedef struct wp__way_part {
    uint32_t part;
    const wp__way_run *runs;
    size_t runs_count;
    uint32_t users_count, rows_count;
    uint32_t *offsets; /* users with rows, ascending */
    uint32_t *row_counts;
    uint32_t *order;   /* NULL: rows stand as in the only run */
    int64_t *times_us; /* in final order; NULL unless asked for */
    bool in_order;     /* nobody's rows came late: they are those of the runs, end to end */
} wp__way_part;

/* What is asked of a part: also the times, or only what does not take the times to know, as the
** part is known to be in_order. */
typedef enum wp__way_depth { WP__PART_ORDER, WP__PART_TIMES, WP__PART_IN_ORDER } wp__way_depth;

WP_NODISCARD wp_status wp__way_part_read(wp_way *way, uint32_t part, wp__way_depth depth,
                                         wp__way_scratch *scratch, wp__way_part *out,
                                         wp_error *err);
/* Only who has rows, and how many. */
WP_NODISCARD wp_status wp__way_part_users(wp_way *way, uint32_t part, wp__way_scratch *scratch,
                                          wp__way_part *out, wp_error *err);
void wp__way_part_free(wp__way_part *part);
/* The runs of a part in the view; their number. */
size_t wp__way_part_runs(const wp__way_view *view, uint32_t part, const wp__way_run **first);
/* One column of the part in final order. */
WP_NODISCARD wp_status wp__way_part_codes(wp_way *way, const wp__way_part *part, uint32_t column,
                                          uint32_t below, wp__way_scratch *scratch, uint32_t *codes,
                                          wp_error *err);
/* Who has rows in a run, as offsets in the part, and how many. */
WP_NODISCARD wp_status wp__way_run_users(wp_way *way, const wp__way_run *run, uint32_t *offsets,
                                         uint32_t *row_counts, wp__way_scratch *scratch,
                                         wp_error *err);
/* The only run of a part, straight to the rows from `row` on of the final columns, whose times are
** offsets. *done: false when its times have to be decoded the long way. */
WP_NODISCARD wp_status wp__way_run_rows(wp_way *way, const wp__way_run *run,
                                        const uint32_t *row_counts, const wp_times *times,
                                        const wp_codes *events, uint32_t events_below, size_t row,
                                        wp__way_scratch *scratch, bool *done, wp_error *err);
/* The same for a part of several runs; `out` says who has rows. */
WP_NODISCARD wp_status wp__way_part_rows(wp_way *way, uint32_t number, const wp_times *times,
                                         const wp_codes *events, uint32_t events_below, size_t row,
                                         wp__way_scratch *scratch, wp__way_part *out, bool *done,
                                         wp_error *err);
WP_NODISCARD wp_status wp__way_run_codes(wp_way *way, const wp__way_run *run, uint32_t column,
                                         uint32_t below, const wp_codes *codes, size_t row,
                                         wp__way_scratch *scratch, wp_error *err);
WP_NODISCARD wp_status wp__way_part_numbers(wp_way *way, const wp__way_part *part, uint32_t column,
                                            wp__way_scratch *scratch, double *numbers,
                                            wp_error *err);

/* The numbers of one run as they stand in memory: end to end, with a bitmap of the rows that have
** one. Also after a failure the caller frees what is there. */
WP_NODISCARD wp_status wp__way_run_numbers(wp_way *way, const wp__way_run *run, uint32_t column,
                                           wp__way_scratch *scratch, uint64_t **present,
                                           double **packed, uint32_t *count, wp_error *err);

/* --- way_pack.c ------------------------------------------------------------------------------ */

/* Rows ready to be written as one run of a part. */
typedef struct wp__way_rows {
    uint32_t part, users_count, rows_count;
    const uint32_t *offsets, *row_counts;
    const int64_t *times_us;
    const uint32_t *events;
    uint32_t columns_count;
    const uint32_t *columns;      /* segment column of each further one */
    const uint32_t *const *codes; /* NULL: the column holds numbers */
    const double *const *numbers; /* NULL: the column holds codes */
} wp__way_rows;
/* Segments of a run, not in the file yet. */
typedef struct wp__way_packed {
    wp__way_run run;
    uint32_t segments_count;
    uint32_t *columns;
    wp_bytes *segments;
} wp__way_packed;
WP_NODISCARD wp_status wp__way_pack(const wp__way_rows *rows, uint32_t run,
                                    wp__way_scratch *scratch, wp__way_packed *out, wp_error *err);
void wp__way_packed_free(wp__way_packed *packed);
WP_NODISCARD wp_status wp__way_put_packed(wp_way *way, sqlite3_stmt *insert,
                                          const wp__way_packed *packed, wp_error *err);

/* How an id is recorded that was forgotten: hashed with the store's salt. */
static inline uint64_t wp__way_hash_id(const uint64_t salt[2], const char *id, size_t length)
{
    return wp_siphash(salt, id, length);
}

#endif
