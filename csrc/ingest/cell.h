/* One value of a row as databases hold it, and what a column makes of it.
**
** A cell borrows its text until the source moves to the next row. */
#ifndef WP_INGEST_CELL_H
#define WP_INGEST_CELL_H

#include "ingest/source.h"

typedef enum wp_cell_kind {
    WP_CELL_NULL,
    WP_CELL_INTEGER,
    WP_CELL_REAL,
    WP_CELL_TEXT
} wp_cell_kind;

typedef struct wp_cell {
    wp_cell_kind kind;
    int64_t integer;
    double real;
    wp_slice text;   /* WP_CELL_TEXT */
    char digits[32]; /* where an integer or real is written when text is asked for */
} wp_cell;

/* NULL and the empty text are missing values everywhere. */
static inline bool wp_cell_missing(const wp_cell *cell)
{
    return cell->kind == WP_CELL_NULL || (cell->kind == WP_CELL_TEXT && cell->text.length == 0);
}

/* The cell as text; integers keep all 64 bits, reals are written so that they read back. */
wp_slice wp_cell_text(wp_cell *cell);
/* False when the cell is not a number. Missing cells and NaN give NaN and true. */
bool wp_cell_number(const wp_cell *cell, double *number);
/* False when the cell is missing or not an instant under the rule. */
bool wp_cell_time(wp_cell *cell, const wp_time_rule *rule, int64_t *time_us, bool *zone_assumed);
/* False when the cell is neither a number nor a time. */
bool wp_cell_order(const wp_cell *cell, wp_order *order);

/* Where a bad value stands: "events.db: rowid 42", "users.csv:7", "row 3 of users". */
#define WP_PLACE_TEXT 256

/* Failures of one cell, all of status WP_PARSE: "place: column 'x': 'value' is not …". */
wp_status wp_fail_missing(wp_error *err, const char *place, const char *column);
wp_status wp_fail_number(wp_error *err, const char *place, const char *column, wp_cell *cell);
wp_status wp_fail_order(wp_error *err, const char *place, const char *column, wp_cell *cell);
wp_status wp_fail_time(wp_error *err, const char *place, const char *column, wp_cell *cell,
                       const wp_time_rule *rule);

#endif
