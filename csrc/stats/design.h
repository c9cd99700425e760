/* The design of a regression: borrowed columns, standardised on the fly in small blocks.
**
** Every fit works in z = (x - centre) / scale (weighted mean and sd; without an intercept: 0 and
** root mean square), with the intercept as column 0 of ones; estimates and covariance are carried
** back at the end. This keeps the normal equations well conditioned for values such as 1e9 + small,
** and is exact algebra, so the likelihood does not change. Columns that are constant, or a
** linear combination of earlier ones (1 - R^2 <= 1e-11), are named and left out.
**
** Rows are visited in chunks of WP_CHUNK_ROWS, each in blocks of WP_BLOCK_ROWS; each chunk has
** partial sums of its own which are added in chunk order: the same bits for any number of threads.
** Weights are case weights (a weight of 3 is three equal rows). Callers remove missing numbers. */
#ifndef WP_STATS_DESIGN_H
#define WP_STATS_DESIGN_H

#include "base/error.h"
#include "base/pool.h"
#include "stats/column.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WP_CHUNK_ROWS = 2048, WP_BLOCK_ROWS = 256, WP_BLOCK_SPARE = 4 };

typedef enum wp_term {
    WP_TERM_KEPT = 0,
    WP_TERM_CONSTANT,
    WP_TERM_COLLINEAR,
    WP_TERM_SEPARATED /* kept, but its estimate runs away to infinity */
} wp_term;

typedef struct wp_design_input {
    const wp_column *columns; /* columns_count of them, rows_count rows, none missing */
    size_t columns_count, rows_count;
    const double *weights; /* NULL: ones */
    const double *offset;  /* NULL: zeros */
    bool intercept;
    /* Means and standard deviations (any divisor) of all columns, where the caller has measured
    ** them and knows that the columns vary and are independent; NULL: found out in two passes. */
    const double *known_centre, *known_scale;
} wp_design_input;

typedef struct wp_design {
    wp_design_input input;
    double weight;  /* sum of weights */
    size_t k;       /* fitted terms, the intercept among them */
    size_t *kept;   /* columns_count places: column of each fitted term after the intercept */
    double *centre; /* columns_count */
    double *scale;  /* columns_count; 0 where the column is left out */
    wp_term *terms; /* 1 + columns_count: the intercept, then the columns */
    double *tables; /* standardised tables of the kept coded columns, one after the other */
} wp_design;

WP_NODISCARD wp_status wp_design_make(wp_design *design, const wp_design_input *input,
                                      const wp_run *run, wp_error *err);
void wp_design_free(wp_design *design);

/* Fills z[t][0 .. count-1] for the k terms of rows first .. first+count-1 (count at most
** WP_BLOCK_ROWS); block holds (k + WP_BLOCK_SPARE) * WP_BLOCK_ROWS places, term after term. The
** loops over a block (kernel.h) take eight rows at a time: places behind `count` are 0 in the block
** and are overwritten in w, r and eta. */
void wp_design_block(const wp_design *design, size_t first, size_t count, double *block);

/* Adds sum over rows of w z z' to the lower triangle of gram (k x k); places above the diagonal
** are left in no particular state. Works in the block's spare places. */
void wp_block_gram(double *block, double *w, size_t k, size_t count, double *gram);
/* The same for the rows `from` .. k-1 of gram only. */
void wp_block_gram_from(double *block, double *w, size_t from, size_t k, size_t count,
                        double *gram);
/* sum over rows of r z, added to out (k). */
void wp_block_project(const double *block, double *r, size_t k, size_t count, double *out);
/* eta = b . z (+ offset rows). */
void wp_block_linear(const wp_design *design, const double *block, const double *b, size_t first,
                     size_t count, double *eta);

/* A pass over all rows: visit(context, first, count, block, scratch, sums) for every block, where
** sums has sums_count places, zero at the start of a chunk; the chunks' sums are added in order to
** out. scratch has 6 * WP_BLOCK_ROWS places. Every `stride`-th chunk is visited (1: all). */
typedef void (*wp_block_visit)(void *context, const wp_design *design, size_t first, size_t count,
                               double *block, double *scratch, double *sums);
WP_NODISCARD wp_status wp_design_pass(const wp_design *design, size_t stride, wp_block_visit visit,
                                      void *context, size_t sums_count, double *out,
                                      const wp_run *run, wp_error *err);

/* Rows that a pass with this stride visits. */
size_t wp_design_rows(const wp_design *design, size_t stride);

/* From fitted terms to what the caller asked for: estimates (1 + columns_count; the intercept
** first, NaN without one and where a term was left out) and covariance of the same size squared.
** Either input may be NULL. scratch: allocated inside. */
WP_NODISCARD wp_status wp_design_restore(const wp_design *design, const double *b,
                                         const double *covariance, double *estimates_out,
                                         double *covariance_out, wp_error *err);

#endif
