/* One row of CSV text to a wp_row: which fields matter, what they mean, what is wrong with them. */
#ifndef WP_INGEST_CSV_ROW_H
#define WP_INGEST_CSV_ROW_H

#include "ingest/csv_head.h"
#include "ingest/source.h"

#define WP_NO_COLUMN UINT32_MAX

/* Positions of the columns that are read. */
typedef struct wp_csv_columns {
    uint32_t width; /* fields per row */
    uint32_t user, event, time, order;
    uint32_t *numbers, *texts;
} wp_csv_columns;

/* A row and the room its parts need; belongs to one thread. */
typedef struct wp_csv_row {
    wp_row row;
    bool is_blank; /* an empty line: no row */
    double *numbers;
    wp_slice *texts;
    char *spare; /* fields with doubled quotes */
    size_t spare_capacity, spare_used;
} wp_csv_row;

/* Reads the header and finds the columns of the source in it. */
WP_NODISCARD wp_status wp_csv_columns_find(const wp_file *file, const wp_source *source,
                                           wp_csv_head *head, wp_csv_columns *columns,
                                           wp_error *err);
void wp_csv_columns_free(wp_csv_columns *columns);

WP_NODISCARD wp_status wp_csv_row_start(wp_csv_row *row, const wp_schema *schema, wp_error *err);
void wp_csv_row_free(wp_csv_row *row);

/* The row whose fields begin at `start` and end at ends[0 .. count-1]. The slices of row->row lie
** in `text` or in row->spare until the next call. WP_PARSE with the reason (without file and line)
** when the row is bad. */
WP_NODISCARD wp_status wp_csv_row_read(wp_csv_row *row, const wp_csv_columns *columns,
                                       const wp_source *source, const char *text, size_t start,
                                       const uint32_t *ends, uint32_t count, bool may_have_nul,
                                       wp_error *err);

#endif
