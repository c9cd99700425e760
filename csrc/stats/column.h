/* A column of numbers as fits read it: plain, codes into a table of few numbers, or a curve (a
** column of a spline) over plain numbers.
**
** Most columns that a verdict is made of are counts with a handful of different numbers. Held as
** one or two bytes per row they need an eighth of the memory, a pass of a fit waits for an eighth
** of the bytes, and whatever is done to a column number by number (logarithm, scale, spline, sums,
** quantiles) is done to its table: the rows stay where they are.
**
** A code is at least as wide as its table needs: one byte up to 256 numbers, two up to
** WP_TABLE_MOST. Numbers of a table may repeat and may stand in any order; NaN is missing. Columns
** borrow everything.
**
** A curve is worked out again wherever it is read: that takes less time than eight bytes per row
** take to arrive, and less memory than any. */
#ifndef WP_STATS_COLUMN_H
#define WP_STATS_COLUMN_H

#include "base/error.h"
#include "base/pool.h"
#include "stats/kernel.h"
#include "stats/vector.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WP_TABLE_MOST = 8192, WP_PAIRS_MOST = 65536 };

typedef struct wp_column {
    const double *numbers;  /* plain: a number per row; NULL for codes */
    const wp_spline *curve; /* NULL, or what is made of numbers */
    const void *codes;      /* wp_code_width(table_count) bytes per row */
    const double *table;
    size_t table_count;
} wp_column;

static inline size_t wp_code_width(size_t table_count)
{
    return table_count <= 256 ? 1 : 2;
}

static inline wp_column wp_column_plain(const double *numbers)
{
    return (wp_column){.numbers = numbers};
}

static inline double wp_column_number(const wp_column *column, size_t row)
{
    if (column->numbers != NULL) {
        double number = column->numbers[row];
        if (column->curve != NULL)
            wp_kernel_spline(&column->numbers[row], column->curve, 1, &number);
        return number;
    }
    size_t code = column->table_count <= 256 ? ((const uint8_t *)column->codes)[row]
                                             : ((const uint16_t *)column->codes)[row];
    return column->table[code];
}

/* out = the rows first .. first + count - 1 of codes into `table` (as long as the column's own). */
void wp_column_look_up(const wp_column *column, const double *table, size_t first, size_t count,
                       double *out);
/* out = the rows first .. first + count - 1. */
void wp_column_read(const wp_column *column, size_t first, size_t count, double *out);
/* The same where they are, or in `room` where they have to be worked out. */
const double *wp_column_rows(const wp_column *column, size_t first, size_t count, double *room);
/* All numbers. Parallel. */
WP_NODISCARD wp_status wp_column_expand(const wp_column *column, size_t count, double *out,
                                        const wp_run *run, wp_error *err);

/* out = constant + factors[0] * columns[0] + ..., added in this order. Parallel. */
WP_NODISCARD wp_status wp_column_combine(const wp_column *columns, const double *factors,
                                         size_t columns_count, double constant, size_t count,
                                         double *out, const wp_run *run, wp_error *err);

/* rows[code] = how many of the rows have it; rows has table_count places. Parallel. */
WP_NODISCARD wp_status wp_column_tally(const wp_column *column, size_t count, uint64_t *rows,
                                       const wp_run *run, wp_error *err);
/* Moments of a coded column without weights, from what wp_column_tally gave. */
wp_moments wp_table_moments(const double *table, const uint64_t *rows, size_t table_count);
/* Moments of any column. Linear in the length. */
wp_moments wp_column_moments(const wp_column *column, const double *weights, size_t count);
/* Pearson correlation over complete pairs; missing when either side is constant. */
double wp_column_correlation(const wp_column *left, const wp_column *right, const double *weights,
                             size_t count);

/* Sum of the products of two columns over rows where both have a number. Parallel. */
WP_NODISCARD wp_status wp_column_dot(const wp_column *left, const wp_column *right, size_t count,
                                     double *out, const wp_run *run, wp_error *err);

/* A table with every number once, ascending, missing first, for `count` numbers (at most
** WP_PAIRS_MOST): code_of[i] is the place of number i. table has WP_TABLE_MOST places. *table_count
** is above WP_TABLE_MOST when there are more different numbers; then there is no table. */
WP_NODISCARD wp_status wp_table_make(const double *numbers, size_t count, uint16_t *code_of,
                                     double *table, size_t *table_count, wp_error *err);

/* codes_out (of a table with to_count numbers) = code_of[code of left * right's table_count + code
** of right]; without right: code_of[code of left]. Parallel. */
WP_NODISCARD wp_status wp_codes_join(const wp_column *left, const wp_column *right, size_t count,
                                     const uint16_t *code_of, size_t to_count, void *codes_out,
                                     const wp_run *run, wp_error *err);

/* Which rows to keep: one byte each (1 or 0), and where the kept rows of every chunk of
** WP_CHOICE_ROWS go; starts has 1 + wp_choice_chunks(count) places, its last is how many are kept.
** *is_mask is false where the column has a number other than 0, 1 and missing. Parallel. */
enum { WP_CHOICE_ROWS = 32768 };
static inline size_t wp_choice_chunks(size_t count)
{
    return (count + WP_CHOICE_ROWS - 1) / WP_CHOICE_ROWS;
}
WP_NODISCARD wp_status wp_choice_make(const wp_column *mask, size_t count, uint8_t *keep,
                                      size_t *starts, bool *is_mask, const wp_run *run,
                                      wp_error *err);
/* out = the kept rows of data, whose rows are `width` (1, 2 or 8) bytes. Parallel. */
WP_NODISCARD wp_status wp_choice_apply(const uint8_t *keep, const size_t *starts, const void *data,
                                       size_t width, size_t count, void *out, const wp_run *run,
                                       wp_error *err);

#endif
