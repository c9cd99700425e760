/* Bringing columns of a store into memory; private to way_read.c and way_load_*.c. */
#ifndef WP_STORE_WAY_LOAD_H
#define WP_STORE_WAY_LOAD_H

#include "store/build.h"
#include "store/way_internal.h"

typedef struct wp__way_loader {
    wp_loader base;
    wp_way *way;
    bool has_starts, has_rows, has_ids, has_attributes, has_fingerprint;
    bool scanned;      /* the rows have been read part by part before */
    bool *has_column;  /* by position in the view */
    bool *in_scan;     /* likewise: wanted part by part, if it is not there */
    bool *in_order;    /* by part: see wp__way_part; once the rows are there */
    uint32_t *numbers; /* store number of each user of the log; NULL: the same */
    uint32_t active_count;
} wp__way_loader;

/* A part's numbers, end to end: less than a double per row while most are missing. */
typedef struct wp__number_part {
    uint64_t *present; /* bit per row of the part */
    double *packed;
    uint32_t count;
} wp__number_part;

typedef struct wp__way_load {
    wp__way_loader *loader;
    wp_way *way;
    wp_columns *columns;
    uint32_t parts_count;
    uint32_t *row_bases; /* first row of each part, one more */
    wp__way_scratch *scratches;
    wp__way_part *parts;        /* starts: who has rows in each part */
    uint32_t *row_counts;       /* where everybody has rows, of one run each: by user; else NULL */
    const uint32_t *part_users; /* rows: first user of each part, one more */
    uint32_t column;            /* in segments */
    uint32_t below;             /* codes */
    wp_codes *codes;
    int64_t inverse; /* of the odd part of the unit, modulo 2^64 */
    unsigned shift;
    wp_times times; /* rows: where they go */
    wp__number_part *numbers;
    wp_numbers *target;
    uint32_t *packed_bases;
} wp__way_load;

WP_NODISCARD wp_status wp__work_start(wp__way_load *work, wp__way_loader *loader,
                                      wp_columns *columns, const wp_run *run, wp_error *err);
void wp__work_end(wp__way_load *work, const wp_run *run);

/* How the times of the rows will be kept: work->times, but for the memory. */
void wp__plan_times(wp__way_load *work);
/* Position in the view of an event's n-th number or text column. */
uint32_t wp__position_of(const wp__way_view *view, bool is_text, uint32_t n);
/* Writes codes to rows; a column of width 0 holds nothing but 0. */
void wp__put_codes(const wp_codes *codes, size_t row, const uint32_t *from, size_t count);
/* Memory for codes below `count`; false when short. */
bool wp__make_codes(wp_codes *codes, uint32_t count, size_t rows);
/* A dictionary whose first text is the missing one. */
WP_NODISCARD wp_status wp__read_values(wp_way *way, uint32_t column, wp_dictionary *values,
                                       wp_error *err);
void wp__drop_numbers(wp_numbers *numbers);
unsigned wp__codes_width(uint32_t count);

/* One column of a part whose rows have been read. */
WP_NODISCARD wp_status wp__read_part_codes(const wp__way_load *work, uint32_t number,
                                           uint32_t column, uint32_t below, const wp_codes *codes,
                                           wp__way_scratch *scratch, wp_error *err);
WP_NODISCARD wp_status wp__read_part_numbers(const wp__way_load *work, uint32_t number,
                                             uint32_t column, wp__way_scratch *scratch,
                                             wp__number_part *into, wp_error *err);
void wp__number_part_free(wp__number_part *part);

/* Each brings one part of the columns, inside a reading transaction, or leaves them as they are. */
WP_NODISCARD wp_status wp__load_starts(wp__way_load *work, const wp_run *run, wp_error *err);
/* Needs the starts. */
WP_NODISCARD wp_status wp__load_rows(wp__way_load *work, const wp_run *run, wp_error *err);
WP_NODISCARD wp_status wp__load_texts(wp__way_load *work, wp_texts *texts, const wp_run *run,
                                      wp_error *err);
WP_NODISCARD wp_status wp__load_numbers(wp__way_load *work, wp_numbers *into, const wp_run *run,
                                        wp_error *err);
WP_NODISCARD wp_status wp__load_ids(wp__way_load *work, wp_error *err);
WP_NODISCARD wp_status wp__load_attributes(wp__way_load *work, wp_error *err);

/* The rows of one part into columns that row numbers of the log index; needs the starts. Of a part
** of one run the codes may be NULL: they are not read. */
WP_NODISCARD wp_status wp__read_part_rows(const wp__way_load *work, uint32_t number,
                                          const wp_times *times, const wp_codes *codes,
                                          wp__way_scratch *scratch, wp_error *err);
/* What a loader is asked for by wp_log_scan. */
WP_NODISCARD wp_status wp__scan_start(wp_loader *base, const wp_columns *columns, wp_reads reads,
                                      const wp_run *run, void **out, wp_error *err);
WP_NODISCARD wp_status wp__scan_part(void *context, uint32_t part, unsigned worker,
                                     wp_columns *view, wp_error *err);
void wp__scan_end(void *context);

#endif
