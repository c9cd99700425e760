/* What the files of wayproof.Vector share: l_vector.c (the handle, maps, figures) and
** l_vector_rows.c (sorted views, parts).
**
** A vector is plain, a double per row, coded (a table of numbers inside the vector and codes in a
** userdata of their own, which vectors made of one another share) or a curve over another vector;
** see stats/column.h. Whoever cannot read the others asks for the plain vector, which takes the
** place of the one on the stack. */
#ifndef WP_LUA_L_VECTOR_H
#define WP_LUA_L_VECTOR_H

#include "lua/l_model.h"

#include "stats/column.h"

/* Sum, range, mean and variance are kept once somebody asked for them: vectors do not change. */
typedef enum wpl_known { WPL_KNOWN_NOTHING, WPL_KNOWN_RANGE, WPL_KNOWN_ALL } wpl_known;

typedef struct wpl_vector {
    size_t count;
    wpl_known known;
    wp_moments moments;
    wp_column column;
    double payload[]; /* the numbers, the table, or the curve */
} wpl_vector;

/* User values of a vector; its source is what it reads: codes, or the vector under a curve. A mask
** also has its choice of rows, and what it has chosen from other vectors. */
enum { WPL_CHOICE = 1, WPL_SOURCE = 2, WPL_CHOSEN = 3, WPL_VECTOR_VALUES = 3 };

/* Codes of `count` rows; the bytes are behind the rows. */
typedef struct wpl_codes {
    size_t table_count;
    bool tallied;    /* rows is filled */
    uint64_t rows[]; /* of each code; then the codes */
} wpl_codes;

static inline void *wpl_code_bytes(wpl_codes *codes)
{
    return codes->rows + codes->table_count;
}

static inline bool wpl_is_coded(const wpl_vector *v)
{
    return v->column.numbers == NULL;
}

static inline bool wpl_is_curve(const wpl_vector *v)
{
    return v->column.curve != NULL;
}

wpl_vector *wpl_check_vector(lua_State *L, int index);
/* The same, plain or coded: a curve becomes plain, on the stack. */
wpl_vector *wpl_check_worked_out(lua_State *L, int index);
/* The vector at index as a plain one, which takes its place on the stack. */
wpl_vector *wpl_check_plain(lua_State *L, int index);
/* Pushes codes without contents. */
wpl_codes *wpl_push_codes(lua_State *L, size_t count, size_t table_count);
/* Pushes a vector of these codes, which are on the stack at index; the caller fills `payload`. */
wpl_vector *wpl_push_coded(lua_State *L, size_t count, int codes);
/* Pushes a curve over the plain vector at index. */
void wpl_push_curve(lua_State *L, int index, const wp_spline *curve);
/* Pushes the codes of the coded vector at index. */
wpl_codes *wpl_codes_of(lua_State *L, int index);
/* How many rows of the coded vector at index have each code. */
const uint64_t *wpl_tally(lua_State *L, int index);
const wp_moments *wpl_measured(lua_State *L, int index, wpl_known wanted);
/* Weights of `count` rows, or NULL; raises where one is no weight. */
const double *wpl_opt_weights(lua_State *L, int index, size_t count);
void wpl_push_number(lua_State *L, double number);

/* l_vector_rows.c: adds its methods to the table on top of the stack. */
void wpl_open_vector_rows(lua_State *L);

#endif
