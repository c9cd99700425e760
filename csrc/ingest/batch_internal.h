/* Inside the builder: what a writer leaves and wp_build_finish joins. Private to ingest/. */
#ifndef WP_INGEST_BATCH_INTERNAL_H
#define WP_INGEST_BATCH_INTERNAL_H

#include "base/intern.h"
#include "base/lock.h"
#include "base/memory.h"
#include "ingest/batch.h"

/* Users are spread by the top bits of their hash; a partition is joined by one thread. More would
** have smaller tables, but visit every batch more often for fewer users. */
#define WP_PARTITION_BITS 6u
#define WP_PARTITIONS     (1u << WP_PARTITION_BITS)

static inline uint32_t wp__partition(uint64_t hash)
{
    return (uint32_t)(hash >> (64 - WP_PARTITION_BITS));
}

/* The texts of one column in one batch. */
typedef struct wp_batch_dictionary {
    uint32_t count;
    uint64_t *offsets, *hashes; /* one block: offsets, then hashes */
    char *bytes;
    uint32_t *global; /* code in the log by code here; filled by the join */
} wp_batch_dictionary;

/* Numbers that are there, in row order; `present` has a bit per row, NULL when all are there. */
typedef struct wp_batch_numbers {
    uint64_t *present;
    double *packed;
    uint32_t count;
    uint32_t *rows; /* join, of a sparse column: the row of each in the log */
} wp_batch_numbers;

/* A user of a batch. What the join asks about it lies side by side: it visits a few users of every
** batch for each partition, and each visit costs as many waits for memory as there are places. */
typedef struct wp_batch_user {
    uint64_t hash;
    uint32_t start;  /* of its id in user_bytes */
    uint32_t row;    /* first of its rows */
    uint32_t number; /* join: its number in the partition */
    uint32_t place;  /* join: its rows in earlier batches, 0 when it is new; then, in the log, the
                        place  of its first row here */
} wp_batch_user;

/* Rows grouped by user; users by (partition, first appearance). Everything is in that order but
** `slots`, which leads from the order of first appearance to it. */
typedef struct wp_batch {
    uint64_t place;
    uint32_t rows_count, users_count;
    bool time_zone_assumed;
    uint32_t partition_starts[WP_PARTITIONS + 1]; /* first user of each partition */
    wp_batch_user *users;                         /* users_count + 1: the last one says the ends */
    char *user_bytes;
    uint32_t *slots;             /* by first appearance */
    atomic_uint new_users_count; /* join: users that appear first here */
    wp_times times;
    int64_t first_us, last_us;
    wp_codes events;
    wp_batch_dictionary event_names;
    wp_batch_numbers *numbers;
    wp_codes *texts;
    wp_batch_dictionary *text_values; /* code here + 1 is what texts hold; 0 is missing */
    wp_order *orders;
} wp_batch;

struct wp_build {
    wp_lock lock;
    /* The schema, copied. */
    char **names; /* numbers, texts, user numbers, user texts, end to end */
    uint32_t numbers_count, texts_count, user_numbers_count, user_texts_count;
    bool has_value, has_order, has_known_at;
    wp_batch **batches;
    size_t batches_count, batches_capacity;
    uint64_t rows_count, rows_skipped;
    /* aliases.code -> the text it stands for */
    wp_intern aliases;
    wp_intern alias_users;
    uint32_t *alias_targets;
    size_t alias_capacity;
    /* users table: one row per distinct id */
    wp_intern user_ids;
    size_t user_capacity;
    double *user_numbers; /* row-major */
    uint32_t *user_texts; /* row-major, code + 1, 0 missing */
    int64_t *known_at_us;
    wp_intern *user_text_values; /* per user text column */
};

void wp__batch_free(wp_batch *batch, uint32_t numbers_count, uint32_t texts_count);
/* Takes over the batch when it succeeds. */
WP_NODISCARD wp_status wp__build_add(wp_build *build, wp_batch *take_batch, wp_error *err);

static inline uint32_t wp__intern_slice(wp_intern *table, wp_slice slice)
{
    return wp_intern_add(table, slice.text, slice.length, wp_hash_bytes(slice.text, slice.length));
}

/* Reallocates the array whose pointer stands at `array_pointer`. */
static inline bool wp__grow(void *array_pointer, size_t capacity, size_t size)
{
    void *block;
    memcpy(&block, array_pointer, sizeof block);
    block = wp_realloc_array(block, capacity, size);
    if (block != NULL)
        memcpy(array_pointer, &block, sizeof block);
    return block != NULL;
}

/* The id an alias leads to, or the slice itself. */
wp_slice wp__resolve_alias(const wp_build *build, wp_slice id);
/* Attribute columns of the log; numbers[i] is the user of row i of the users table. */
WP_NODISCARD wp_status wp__join_attributes(wp_build *build, wp_columns *columns,
                                           const uint32_t *numbers, wp_error *err);
/* Number columns; see csrc/ingest/numbers.c. Rows go where `target` says; `scratch` has room for as
** many doubles. False when memory is short. */
bool wp__numbers_keep(wp_batch_numbers *numbers, const double *number_of, uint32_t rows_count,
                      const uint32_t *target, double *scratch);
/* Packed columns of the log. `count` of all rows have a number. */
WP_NODISCARD wp_status wp__sparse_start(wp_numbers *numbers, wp_sparse *sparse, uint64_t count,
                                        size_t rows, wp_error *err);
WP_NODISCARD wp_status wp__sparse_mark(wp_numbers *numbers, const wp_batch *batch,
                                       wp_batch_numbers *from, wp_error *err);
void wp__sparse_place(const wp_numbers *numbers, const wp_sparse *sparse,
                      const wp_batch_numbers *from);
/* Narrowest width for codes 0 .. count-1. */
unsigned wp__code_width(uint32_t count);
void wp__put_code(wp_codes *codes, size_t row, uint32_t code);

#endif
