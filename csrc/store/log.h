/* The log in memory: immutable columns sorted by (user, time, row order), and views of them.
**
** Main invariant: the rows of user u are row_starts[u] .. row_starts[u+1]-1, in ascending time,
** ties in the order of the source (or of its `order` column). Users are numbered by first
** appearance in the source, so nothing depends on the number of threads.
**
** wp_columns holds the data and is shared by reference count; wp_log is a view of it: all rows, or
** those whose bit is set. Both are immutable once built, hence safe to read from any thread.
**
** Cost: times take 4 bytes per event (a scaled offset) or 8; event names 1, 2 or 4; a number column
** 8 per present value and 1/8 per row when sparse; a text column 1, 2 or 4, nothing when all is
** missing. No analysis copies rows. */
#ifndef WP_STORE_LOG_H
#define WP_STORE_LOG_H

#include "base/error.h"
#include "base/pool.h"

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Missing instants; a real instant lies strictly between -2^62 and 2^62 microseconds. */
#define WP_TIME_MISSING INT64_MIN

/* Texts by code 0 .. count-1. bytes[offsets[c] .. offsets[c+1]-1] is the text, not terminated. */
typedef struct wp_dictionary {
    uint32_t count;
    uint64_t *offsets; /* count + 1 */
    char *bytes;
} wp_dictionary;

static inline const char *wp_dictionary_text(const wp_dictionary *d, uint32_t code, size_t *length)
{
    *length = (size_t)(d->offsets[code + 1] - d->offsets[code]);
    return d->bytes + d->offsets[code];
}

/* Small integers, one per row, in the narrowest of three widths. */
typedef struct wp_codes {
    unsigned width; /* bytes: 1, 2, 4; 0 when every row has code 0 and data is NULL */
    void *data;
} wp_codes;

static inline uint32_t wp_code_at(const wp_codes *codes, size_t row)
{
    switch (codes->width) {
    case 1:
        return ((const uint8_t *)codes->data)[row];
    case 2:
        return ((const uint16_t *)codes->data)[row];
    case 4:
        return ((const uint32_t *)codes->data)[row];
    default:
        return 0;
    }
}

/* Instants in microseconds UTC: base_us + offsets[row] * unit_us, or micros[row] where a 32-bit
** offset in a unit that divides all of them is not enough. No offset is UINT32_MAX: borders of
** periods and windows that lie behind everything become that. */
typedef struct wp_times {
    int64_t base_us, unit_us;
    bool wide;         /* which of the two is used; known also while neither is there */
    uint32_t *offsets; /* NULL when wide */
    int64_t *micros;   /* NULL unless wide */
} wp_times;

static inline size_t wp_times_width(const wp_times *times)
{
    return times->wide ? sizeof *times->micros : sizeof *times->offsets;
}

/* The one of the two arrays that is used; NULL while it is not there. */
static inline void *wp_times_data(const wp_times *times)
{
    return times->wide ? (void *)times->micros : (void *)times->offsets;
}

static inline void wp_times_set_data(wp_times *times, void *data)
{
    times->offsets = times->wide ? NULL : data;
    times->micros = times->wide ? data : NULL;
}

static inline int64_t wp_time_at(const wp_times *times, size_t row)
{
    return times->wide ? times->micros[row]
                       : times->base_us + (int64_t)times->offsets[row] * times->unit_us;
}

/* Doubles, one per row; a missing number is NaN. Dense, or packed behind a bitmap when less than
** half of the rows have one: rank[b] counts the present numbers before 64-row block b. */
typedef struct wp_numbers {
    char *name;
    double *dense;     /* NULL when packed */
    uint64_t *present; /* packed: one bit per row */
    uint32_t *rank;    /* packed: one per block of 64 rows */
    double *packed;
} wp_numbers;

/* How many rows before `row` (at most the number of rows) have a number: a packed column's. */
static inline uint32_t wp_packed_before(const wp_numbers *numbers, size_t row)
{
    uint64_t below = numbers->present[row >> 6] & ((1ULL << (row & 63)) - 1);
    return numbers->rank[row >> 6] + (uint32_t)__builtin_popcountll(below);
}

static inline double wp_number_at(const wp_numbers *numbers, size_t row)
{
    if (numbers->dense != NULL)
        return numbers->dense[row];
    uint64_t block = numbers->present[row >> 6], bit = 1ULL << (row & 63);
    if ((block & bit) == 0)
        return NAN;
    return numbers
        ->packed[numbers->rank[row >> 6] + (uint32_t)__builtin_popcountll(block & (bit - 1))];
}

/* A text column. Code 0 is the missing value; values has an empty text there. */
typedef struct wp_texts {
    char *name;
    wp_codes codes;
    wp_dictionary values;
} wp_texts;

struct wp_loader;

typedef struct wp_columns {
    atomic_int references;
    struct wp_loader *loader; /* brings what is not in memory yet; NULL: everything is */
    uint32_t events_count, users_count;
    uint32_t *row_starts; /* users_count + 1 */
    /* While times and events stay in the file and are read part by part (store/scan.h): the first
    ** user of each part, and users_count; else NULL. */
    uint32_t *part_users;
    uint32_t parts_count;
    wp_dictionary user_ids;
    wp_times times;
    wp_codes events;
    wp_dictionary event_names; /* by first appearance in the source */
    /* Per event. numbers[0] is the default value column when has_value. */
    bool has_value;
    uint32_t numbers_count, texts_count;
    wp_numbers *numbers;
    wp_texts *texts;
    /* Per user, from a users table; row = user. */
    uint32_t user_numbers_count, user_texts_count;
    wp_numbers *user_numbers;
    wp_texts *user_texts;
    int64_t *known_at_us;      /* when each user's attributes were known; NULL: undated */
    bool attributes_dated;     /* known_at_us will be brought */
    bool ties_ordered;         /* an `order` column was given */
    bool time_zone_assumed;    /* some times came without an offset and `timezone` was not given */
    int64_t first_us, last_us; /* WP_TIME_MISSING when there are no events */
    uint64_t rows_skipped;     /* bad rows left out because bad_rows = "skip" */
    uint64_t rows_ungrouped;   /* rows that regrouping left out: they had no unit */
    uint64_t fingerprint;      /* of the contents: same events in same order, same number */
    int64_t bytes_size;        /* memory held */
} wp_columns;

/* What may be brought later. Until then its pointers are NULL; counts, names and dictionaries of
** event names are there from the start. */
typedef enum wp_part {
    WP_PART_SCAN, /* row_starts, and what wp_log_scan takes: the rows or part_users */
    /* Asked for after WP_PART_SCAN, and until it is asked for again: that wp_log_scan's tasks see
    ** numbers[column], or texts[column], whose values are there at once. */
    WP_PART_SCAN_NUMBERS,
    WP_PART_SCAN_TEXTS,
    WP_PART_ROWS,       /* row_starts, times, events */
    WP_PART_IDS,        /* user_ids */
    WP_PART_NUMBERS,    /* numbers[column] */
    WP_PART_TEXTS,      /* texts[column] */
    WP_PART_ATTRIBUTES, /* all columns per user, known_at_us */
    WP_PART_ALL,        /* all of these */
    WP_PART_FINGERPRINT /* fingerprint; brings everything when it is not known otherwise */
} wp_part;

/* What a pass looks at of every row, beside the columns that were asked for; the rest is not read
** where rows are in a file. */
typedef enum wp_reads {
    WP_READS_NOTHING = 0,
    WP_READS_TIMES = 1,
    WP_READS_EVENTS = 2,
    WP_READS_ROWS = 3 /* both */
} wp_reads;

/* `load` brings a part that is not there and is called by one thread at a time, while no other
** works on the columns. When it fails, the columns are as before.
**
** The others serve wp_log_scan while there are part_users. Between scan_start and scan_end workers
** may ask side by side: scan_part makes the rows of one part those of `view`, a copy of the
** columns that belongs to the worker with its lists of numbers and texts, until it asks for the
** next; of times and events, where `reads` has them, 64 rows behind may be read. */
typedef struct wp_loader {
    wp_status (*load)(struct wp_loader *loader, wp_columns *columns, wp_part part, uint32_t column,
                      const wp_run *run, wp_error *err);
    wp_status (*scan_start)(struct wp_loader *loader, const wp_columns *columns, wp_reads reads,
                            const wp_run *run, void **scan, wp_error *err);
    wp_status (*scan_part)(void *scan, uint32_t part, unsigned worker, wp_columns *view,
                           wp_error *err);
    void (*scan_end)(void *scan); /* NULL is fine */
    void (*free)(struct wp_loader *loader);
} wp_loader;

/* Makes sure that a part is in memory. */
WP_NODISCARD static inline wp_status wp_columns_need(wp_columns *columns, wp_part part,
                                                     uint32_t column, const wp_run *run,
                                                     wp_error *err)
{
    return columns->loader == NULL
               ? WP_OK
               : columns->loader->load(columns->loader, columns, part, column, run, err);
}

typedef struct wp_log {
    atomic_int references;
    wp_columns *columns;
    uint64_t *rows;  /* bit per event that belongs to the view; NULL: all */
    uint64_t *users; /* bit per user that belongs to the view; NULL: all */
    uint32_t events_count, users_count;
    int64_t first_us, last_us;
} wp_log;

static inline bool wp_bit(const uint64_t *bits, size_t i)
{
    return bits == NULL || ((bits[i >> 6] >> (i & 63)) & 1) != 0;
}

/* Frees the columns when the last reference goes. NULL is fine. */
wp_columns *wp_columns_retain(wp_columns *columns);
void wp_columns_release(wp_columns *columns);

/* A view of all rows; takes over the caller's reference to columns, also on failure. */
WP_NODISCARD wp_status wp_log_take_columns(wp_columns *columns, wp_log **out, wp_error *err);
wp_log *wp_log_retain(wp_log *log);
void wp_log_release(wp_log *log);

/* A 64-bit hash of what the view holds: that of the columns, and of which rows and users are seen.
 */
uint64_t wp_log_fingerprint(const wp_log *log);

/* Codes by text: UINT32_MAX when the text does not occur. Linear; callers cache. */
uint32_t wp_dictionary_find(const wp_dictionary *dictionary, const char *text, size_t length);
/* The same through a table of codes, for many look-ups: 8 bytes per text. */
typedef struct wp_dictionary_index {
    uint32_t *slots; /* code + 1 by hash; 0 is free */
    size_t slots_mask;
} wp_dictionary_index;
WP_NODISCARD wp_status wp_dictionary_index_build(const wp_dictionary *dictionary,
                                                 wp_dictionary_index *out, wp_error *err);
uint32_t wp_dictionary_index_find(const wp_dictionary *dictionary, const wp_dictionary_index *index,
                                  const char *text, size_t length);
/* Position of a column by name, or -1. */
int wp_find_numbers(const wp_numbers *columns, uint32_t count, const char *name);
int wp_find_texts(const wp_texts *columns, uint32_t count, const char *name);

/* --- Row conditions: how filters reach the core -------------------------------------------- */

typedef enum wp_condition_kind {
    WP_TEXT_IN,      /* text code is one of a set (bit per code; missing is code 0) */
    WP_NUMBER_RANGE, /* low <= number <= high, each bound open or closed; missing never passes */
    WP_NUMBER_IN,    /* number equals one of a list; missing never passes */
    WP_SELECTED      /* another selection accepts the row; negated it is what `except` says */
} wp_condition_kind;

struct wp_selection;

typedef struct wp_condition {
    wp_condition_kind kind;
    bool negated;     /* passes when the test does not hold, missing values included */
    bool per_user;    /* column is a user attribute */
    uint32_t column;  /* position in texts/numbers or user_texts/user_numbers */
    uint64_t *codes;  /* WP_TEXT_IN: bitmap of values.count bits; owned by who made it */
    double low, high; /* WP_NUMBER_RANGE, -INFINITY / INFINITY when absent */
    bool low_open, high_open;
    double *numbers; /* WP_NUMBER_IN; owned by who made it */
    uint32_t numbers_count;
    struct wp_selection *selection; /* WP_SELECTED; owned by who made it */
} wp_condition;

bool wp_condition_holds(const wp_columns *columns, const wp_condition *condition, uint32_t user,
                        uint32_t row);

/* Whether a user's attributes have values at an instant: from `known_at` on, or always without. */
static inline bool wp_attributes_known(const wp_columns *columns, uint32_t user, int64_t time_us)
{
    return columns->known_at_us == NULL ||
           (columns->known_at_us[user] != WP_TIME_MISSING && columns->known_at_us[user] <= time_us);
}

/* Which events: a set of event codes and conditions that must all hold. */
typedef struct wp_selection {
    uint64_t *codes; /* bitmap of event_names.count bits; NULL: every event */
    wp_condition *conditions;
    uint32_t conditions_count;
} wp_selection;

void wp_selection_reset(wp_selection *selection); /* frees what it owns */

/* What deciding looks at: conditions on attributes ask for the time, too. NULL: every event. */
static inline wp_reads wp_selection_reads(const wp_selection *selection)
{
    if (selection == NULL)
        return WP_READS_NOTHING;
    if (selection->conditions_count > 0)
        return WP_READS_ROWS;
    return selection->codes != NULL ? WP_READS_EVENTS : WP_READS_NOTHING;
}

static inline bool wp_selection_has(const wp_columns *columns, const wp_selection *selection,
                                    uint32_t user, uint32_t row)
{
    if (selection->codes != NULL && !wp_bit(selection->codes, wp_code_at(&columns->events, row)))
        return false;
    for (uint32_t i = 0; i < selection->conditions_count; i++)
        if (!wp_condition_holds(columns, &selection->conditions[i], user, row))
            return false;
    return true;
}

#endif
