/* Building a log: what every reader (CSV, SQLite, Lua rows) feeds.
**
** A reader makes one wp_build, describes the columns, and from any number of threads adds parsed
** rows through writers, one per thread. A writer collects rows; wp_writer_finish compresses them
** into a batch: rows grouped by user, texts as codes of small dictionaries of the batch. Batches
** carry a `place`; all rows of a lower place come before all rows of a higher one, and rows within
** a batch keep the order they were added in. wp_build_finish joins the batches.
**
** Main invariant: the log depends on the sequence of rows only: not on where batches end, nor on
** the number of threads. Batches of about WP_BATCH_ROWS rows keep the writer inside the cache.
**
**     wp_build *build;
**     wp_build_start(&schema, &build, err);
**     ... wp_build_add_alias / wp_build_add_user, one thread, before any writer is made
**     wp_writer *writer;                                       (one per worker)
**     wp_writer_start(build, &writer, err);
**     ... wp_writer_add(writer, &row, err) ... wp_writer_finish(writer, place, err);  (repeat)
**     wp_writer_free(writer);
**     wp_build_finish(build, run, &columns, err);
**     wp_build_free(build);
**
** Cost: adding a row hashes each of its texts once; a batch holds about 4 bytes of time, 1 to 4 of
** each code and 8 per present number; finishing is linear in rows, sorting only what is not. */
#ifndef WP_INGEST_BATCH_H
#define WP_INGEST_BATCH_H

#include "base/error.h"
#include "base/pool.h"
#include "base/slice.h"
#include "store/build.h"
#include "store/log.h"

#define WP_BATCH_ROWS 32768u

/* The columns beside user, event and time. All names are copied. */
typedef struct wp_schema {
    const char *const *numbers; /* names of number columns; the first is the value when has_value */
    uint32_t numbers_count;
    bool has_value;
    const char *const *texts; /* names of text columns */
    uint32_t texts_count;
    bool has_order; /* rows carry wp_row.order */
    const char *const *user_numbers;
    uint32_t user_numbers_count;
    const char *const *user_texts;
    uint32_t user_texts_count;
    bool has_known_at;
} wp_schema;

/* One event. Nothing in it is kept after wp_writer_add returns. */
typedef struct wp_row {
    wp_slice user, event;   /* not empty: the reader has refused or skipped such rows */
    uint32_t known_user;    /* instead of `user`: wp_writer_last_user of a row of this batch, + 1 */
    int64_t time_us;        /* |time_us| < 2^62 */
    const double *numbers;  /* schema.numbers_count; NaN: missing */
    const wp_slice *texts;  /* schema.texts_count */
    wp_order order;         /* read when schema.has_order */
    bool time_zone_assumed; /* the time came without an offset */
} wp_row;

/* Attributes of one user, from a users table. A user may have several rows: a later present value
** replaces an earlier one. Users without events become users of the log, after all others. */
typedef struct wp_user_row {
    wp_slice id;
    const double *numbers; /* schema.user_numbers_count; NaN: missing */
    const wp_slice *texts; /* schema.user_texts_count */
    int64_t known_at_us;   /* WP_TIME_MISSING: undated */
} wp_user_row;

typedef struct wp_build wp_build;
typedef struct wp_writer wp_writer;

WP_NODISCARD wp_status wp_build_start(const wp_schema *schema, wp_build **out, wp_error *err);
void wp_build_free(wp_build *build); /* NULL is fine */

/* Events and attributes of `alias` belong to `user`. Chains are followed; a circle is refused. */
WP_NODISCARD wp_status wp_build_add_alias(wp_build *build, wp_slice alias, wp_slice user,
                                          wp_error *err);
WP_NODISCARD wp_status wp_build_add_user(wp_build *build, const wp_user_row *row, wp_error *err);

WP_NODISCARD wp_status wp_writer_start(wp_build *build, wp_writer **out, wp_error *err);
void wp_writer_free(wp_writer *writer); /* NULL is fine; unfinished rows are dropped */
WP_NODISCARD wp_status wp_writer_add(wp_writer *writer, const wp_row *row, wp_error *err);
/* What the batch calls the user of the row added last. */
uint32_t wp_writer_last_user(const wp_writer *writer);

/* Many rows at once, column by column, for a reader that has them side by side: wp_writer_open
** makes room for `count` more rows, each of its columns is then filled in, and wp_writer_take adds
** them. Rows that are not taken are forgotten, but not the texts that were put, so a reader puts
** texts only when it is sure of the rows. Of every text 16 bytes may be read, whatever its length.
** Not for a schema with has_order. */
WP_NODISCARD wp_status wp_writer_open(wp_writer *writer, uint32_t count, wp_error *err);
int64_t *wp_writer_times(wp_writer *writer);
double *wp_writer_numbers(wp_writer *writer, uint32_t column);
WP_NODISCARD wp_status wp_writer_put_users(wp_writer *writer, const wp_slice *users, uint32_t count,
                                           wp_error *err);
WP_NODISCARD wp_status wp_writer_put_events(wp_writer *writer, const wp_slice *events,
                                            uint32_t count, wp_error *err);
WP_NODISCARD wp_status wp_writer_put_one_event(wp_writer *writer, const char *event, uint32_t count,
                                               wp_error *err);
WP_NODISCARD wp_status wp_writer_put_texts(wp_writer *writer, uint32_t column,
                                           const wp_slice *texts, uint32_t count, wp_error *err);
void wp_writer_take(wp_writer *writer, uint32_t count, bool time_zone_assumed);

uint32_t wp_writer_count(const wp_writer *writer); /* rows added and not finished */
void wp_writer_drop(wp_writer *writer);            /* forgets them */
/* Hands the rows to the build as the batch at `place` (unique; gaps are fine) and starts anew.
** Thread-safe between writers. No rows: no batch. */
WP_NODISCARD wp_status wp_writer_finish(wp_writer *writer, uint64_t place, wp_error *err);

/* Forgets the batch at `place`, if there is one: a reader that guessed wrong. Thread-safe. */
void wp__build_drop(wp_build *build, uint64_t place);

/* Facts about reading that the log shows; thread-safe, added up. */
void wp_build_count_skipped(wp_build *build, uint64_t rows_count);

/* Joins everything into a log. The build is empty afterwards, also on failure. */
WP_NODISCARD wp_status wp_build_finish(wp_build *build, const wp_run *run, wp_columns **out,
                                       wp_error *err);

#endif
