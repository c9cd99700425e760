/* What the files of the model room share: the rows of a fit as arrays without missing numbers. */
#ifndef WP_LUA_L_MODEL_H
#define WP_LUA_L_MODEL_H

#include "lua/binding.h"

#include "stats/column.h"
#include "stats/design.h"
#include "stats/vector.h"

/* Columns and arrays of one length on the Lua stack; the arrays are those that the caller named
** (NULL where absent). Rows with a missing number or a weight of 0 are gone; `missing` counts the
** rows that were left out for a missing number. */
typedef struct wpl_sample {
    wp_column *columns;
    const double **named;
    size_t columns_count, named_count, rows_count, missing;
    const uint8_t *keep; /* 1 for each given row that is here, or NULL: all are */
} wpl_sample;

enum { WPL_WEIGHTS = 0 }; /* the first named array is the weights */

/* columns: stack index of a list of vectors (0: none). named[0..]: stack indexes of further
** arrays, 0 or nil where absent; named[0] the weights, named[1] must be there and gives the
** length. Leaves vectors on the stack that must stay while the sample is used. */
wpl_sample wpl_check_sample(lua_State *L, int columns, const int *named, size_t named_count);
static inline const double *wpl_named(const wpl_sample *sample, size_t which)
{
    return sample->named[which];
}

/* The rows of a vector or Lua array as wpl_check_numbers takes them, codes as they are. */
wp_column wpl_check_column(lua_State *L, int index, size_t *count);
wp_column wpl_check_column_of(lua_State *L, int index, size_t count);
/* 1 to 1000 columns of one length from the list at index, which stay on the stack with what they
** read. */
wp_column *wpl_check_columns(lua_State *L, int index, size_t *count, size_t *rows);
/* Whether no number of the vector at index is missing; the vector remembers. */
bool wpl_vector_complete(lua_State *L, int index);
/* Mean and SD; false where index holds no vector, or one that does not vary. */
bool wpl_vector_scale(lua_State *L, int index, double *mean, double *sd);

/* Pushes options[name] and returns its index; nil when there are no options. */
int wpl_push_option(lua_State *L, int options, const char *name);
bool wpl_option_flag(lua_State *L, int options, const char *name, bool by_default);
double wpl_option_number(lua_State *L, int options, const char *name, double by_default);

/* t[name] = number; nothing for NaN. */
void wpl_set_number(lua_State *L, const char *name, double number);
void wpl_set_integer(lua_State *L, const char *name, lua_Integer number);
void wpl_set_flag(lua_State *L, const char *name, bool flag);
/* An integer where the number is whole. */
void wpl_set_count(lua_State *L, const char *name, double number);

/* Pushes { estimate, se, low, high, statistic, p }; t law with df where df is a number. */
void wpl_push_estimate(lua_State *L, double estimate, double se, double df, double level);
/* Pushes an n x n matrix as a list of lists, from row and column `first` on; NaN is left out. */
void wpl_push_matrix(lua_State *L, const double *matrix, size_t n, size_t first);

/* Sets coefficients and covariance of the terms from `first` on; a term left out carries `note`. */
void wpl_set_estimates(lua_State *L, const double *estimates, const double *covariance,
                       const wp_term *terms, size_t count, size_t first, double df, double level);

/* A box on the stack: memory that `close` frees when the collector takes it. */
void *wpl_push_box(lua_State *L, size_t bytes_size, lua_CFunction close, const char *name);

int wpl_model_glm(lua_State *L);
int wpl_model_cells(lua_State *L);
int wpl_model_linear(lua_State *L);
int wpl_model_correlations(lua_State *L);
int wpl_model_contrast(lua_State *L);
int wpl_model_influences(lua_State *L);
int wpl_model_residual(lua_State *L);
int wpl_model_cox(lua_State *L);
int wpl_model_curve(lua_State *L);
int wpl_model_log_rank(lua_State *L);
int wpl_model_concordance(lua_State *L);
int wpl_model_bootstrap_auc(lua_State *L);
int wpl_model_permute_sum(lua_State *L);
int wpl_model_bootstrap_sums(lua_State *L);
int wpl_model_multinomial(lua_State *L);
int wpl_model_places(lua_State *L);

#endif
