/* Bringing columns of a store into memory; private to way_read.c and way_load_*.c. */
#ifndef WP_STORE_WAY_LOAD_H
#define WP_STORE_WAY_LOAD_H

#include "store/build.h"
#include "store/way_internal.h"

typedef struct wp__way_loader {
    wp_loader base;
    wp_way *way;
    bool has_rows, has_ids, has_attributes, has_fingerprint;
    bool *has_column;  /* by position in the view */
    bool *in_order;    /* by part: see wp__way_part; once the rows are there */
    uint32_t *numbers; /* store number of each user of the log; NULL: the same */
    uint32_t active_count;
} wp__way_loader;

typedef struct wp__way_load {
    wp__way_loader *loader;
    wp_way *way;
    wp_columns *columns;
    uint32_t parts_count;
    uint32_t *row_bases; /* first row of each part, one more */
    wp__way_scratch *scratches;
    wp__way_part *parts;  /* rows: who has rows in each part */
    uint32_t *row_counts; /* where everybody has rows, of one run each: by user; else NULL */
    uint32_t column;      /* in segments */
    uint32_t below;       /* codes */
    wp_codes *codes;
    int64_t inverse; /* of the odd part of the unit, modulo 2^64 */
    unsigned shift;
    wp_times times;
    struct wp__number_part {
        uint64_t *present; /* bit per row of the part */
        double *packed;
        uint32_t count;
    } * numbers;
    wp_numbers *target;
    uint32_t *packed_bases;
} wp__way_load;

/* Writes codes to rows; a column of width 0 holds nothing but 0. */
void wp__put_codes(const wp_codes *codes, size_t row, const uint32_t *from, size_t count);
/* Memory for codes below `count`; false when short. */
bool wp__make_codes(wp_codes *codes, uint32_t count, size_t rows);
/* A dictionary whose first text is the missing one. */
WP_NODISCARD wp_status wp__read_values(wp_way *way, uint32_t column, wp_dictionary *values,
                                       wp_error *err);
void wp__drop_numbers(wp_numbers *numbers);

/* Each brings one part of the columns, inside a reading transaction, or leaves them as they are. */
WP_NODISCARD wp_status wp__load_rows(wp__way_load *work, const wp_run *run, wp_error *err);
WP_NODISCARD wp_status wp__load_texts(wp__way_load *work, wp_texts *texts, const wp_run *run,
                                      wp_error *err);
WP_NODISCARD wp_status wp__load_numbers(wp__way_load *work, wp_numbers *into, const wp_run *run,
                                        wp_error *err);
WP_NODISCARD wp_status wp__load_ids(wp__way_load *work, wp_error *err);
WP_NODISCARD wp_status wp__load_attributes(wp__way_load *work, wp_error *err);

#endif
