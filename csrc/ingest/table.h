/* A whole CSV file as a table of texts: for tables of one row per person, not for events.
**
** Holds the text and 4 bytes per field; files up to 512 MiB. Rows that are ragged or badly quoted
** fail, or are left out and counted. */
#ifndef WP_INGEST_TABLE_H
#define WP_INGEST_TABLE_H

#include "ingest/csv_head.h"

typedef struct wp_table {
    wp_csv_head head;
    char *text, *spare;
    wp_scan scan;
    uint32_t *rows; /* good rows: index of the first entry of scan.ends */
    uint32_t rows_count;
    uint64_t rows_skipped;
} wp_table;

WP_NODISCARD wp_status wp_table_read(const char *path, char delimiter, bool skip_bad,
                                     uint64_t limit, wp_table *out, wp_error *err);
void wp_table_free(wp_table *table);
/* The text of a cell, valid until the next call. */
wp_slice wp_table_cell(wp_table *table, uint32_t row, uint32_t column);

/* What all cells of a column have in common; empty cells do not count. */
typedef enum wp_table_kind {
    WP_TABLE_INTEGERS, /* without leading zeros: an id such as 00017 is a text */
    WP_TABLE_NUMBERS,
    WP_TABLE_TEXTS
} wp_table_kind;
wp_table_kind wp_table_column_kind(wp_table *table, uint32_t column);

#endif
