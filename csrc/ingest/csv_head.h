/* The first row of a CSV file: delimiter, column names, where the data starts. */
#ifndef WP_INGEST_CSV_HEAD_H
#define WP_INGEST_CSV_HEAD_H

#include "base/file.h"
#include "ingest/batch.h"
#include "ingest/scan.h"

typedef struct wp_csv_head {
    char delimiter;
    uint64_t data_offset;
    uint32_t columns_count;
    char **names;
} wp_csv_head;

/* Reads the header. `delimiter` '\0' asks for detection among , tab ; and |: the one that makes
** most of the `wanted` names appear, then the one that cuts the first rows most evenly. */
WP_NODISCARD wp_status wp_csv_head_read(const wp_file *file, char delimiter,
                                        const char *const *wanted, uint32_t wanted_count,
                                        wp_csv_head *out, wp_error *err);
void wp_csv_head_free(wp_csv_head *head);

/* Position of a column. A name that is not there fails with the list of those that are; a name
** that is there twice fails too. */
WP_NODISCARD wp_status wp_csv_head_find(const wp_csv_head *head, const char *file_name,
                                        const char *name, uint32_t *column, wp_error *err);

/* The text of a field that starts at `start` and ends with `end`, an entry of wp_scan. Doubled
** quotes are halved into *spare, which must have room for the field. */
static inline wp_slice wp_csv_cut(const char *text, size_t start, uint32_t end, char *spare)
{
    size_t stop = end & WP_END_OFFSET;
    if (stop > start && text[stop - 1] == '\r' && (text[stop] == '\n' || text[stop] == '\0'))
        stop--;
    if ((end & WP_END_QUOTED) == 0)
        return (wp_slice){text + start, stop - start};
    start++;
    stop = stop > start ? stop - 1 : start;
    if ((end & WP_END_ESCAPED) == 0)
        return (wp_slice){text + start, stop - start};
    size_t length = 0;
    for (size_t at = start; at < stop; at++) {
        spare[length++] = text[at];
        if (text[at] == '"')
            at++;
    }
    return (wp_slice){spare, length};
}

#endif
