/* CSV files of events into a build, in parallel.
**
** A file is cut into chunks of fixed size. A chunk's task finds the first row that begins in its
** range by guessing that the range begins outside of quotes, parses rows until one ends beyond the
** range, and finishes them as one batch. Afterwards, in order, each chunk's first row must begin
** where the chunk before it ended; a chunk that guessed wrong is parsed again from the right place,
** and from then on quotes are counted first, so that the guesses are right.
**
** Main invariant: the rows and the first error are those of reading the file from top to bottom,
** for any number of threads. Memory: per thread one chunk of text and its rows. */
#ifndef WP_INGEST_CSV_H
#define WP_INGEST_CSV_H

#include "ingest/source.h"

typedef struct wp_csv_result {
    uint64_t rows_count, rows_skipped;
    char first_bad[512]; /* what was wrong with the first skipped row; empty: none was */
} wp_csv_result;

/* Adds the rows of one file as batches at places first_place .. first_place + 2^32 - 1. At most
** `limit` rows are read. */
WP_NODISCARD wp_status wp_csv_read(const char *path, const wp_source *source, uint64_t limit,
                                   uint64_t first_place, wp_build *build, const wp_run *run,
                                   wp_csv_result *result, wp_error *err);

/* Bytes per chunk; tests make it small. 0 restores the default. */
void wp_csv_set_chunk_bytes(size_t bytes_size);

#endif
