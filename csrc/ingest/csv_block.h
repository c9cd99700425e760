/* Blocks of plain rows of CSV text into a writer, column by column.
**
** A row is plain when it has as many fields as the header and no quotes, and its values are what
** their columns want. Nearly all rows are; a block with any other is left to csv_row.h, row by row,
** which knows what is wrong. One column after the other keeps each loop short and its table in the
** first-level cache. */
#ifndef WP_INGEST_CSV_BLOCK_H
#define WP_INGEST_CSV_BLOCK_H

#include "ingest/csv_row.h"

#define WP_CSV_BLOCK 256u

/* Adds the `count` rows (at most WP_CSV_BLOCK) from row `first` of the scan on, of which the first
** begins at `start` in the text, when all are plain (*taken); else none. */
WP_NODISCARD wp_status wp_csv_block_read(const wp_csv_columns *columns, const wp_source *source,
                                         const char *text, const wp_scan *scan, size_t first,
                                         size_t start, uint32_t count, wp_writer *writer,
                                         bool *taken, wp_error *err);

#endif
