/* Elementwise functions of one or two columns, a block of rows at a time: whatever a column is made
** of, its numbers are never all worked out at once.
**
** Missing numbers (NaN) stay missing; x / 0 and the logarithm of a number outside its domain are
** missing. Linear in the length. */
#ifndef WP_STATS_MAP_H
#define WP_STATS_MAP_H

#include "base/error.h"
#include "base/pool.h"
#include "stats/column.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum wp_map {
    WP_MAP_ADD,
    WP_MAP_SUBTRACT,
    WP_MAP_MULTIPLY,
    WP_MAP_DIVIDE, /* by zero: missing */
    WP_MAP_POWER,
    WP_MAP_MINIMUM,
    WP_MAP_MAXIMUM,
    WP_MAP_ABOVE, /* comparisons give 1, 0 or missing */
    WP_MAP_BELOW,
    WP_MAP_AT_LEAST,
    WP_MAP_AT_MOST,
    WP_MAP_EQUALS,
    WP_MAP_FILL, /* left, or right where left is missing */
    WP_MAP_LOG1P,
    WP_MAP_LOG,
    WP_MAP_EXP,
    WP_MAP_SQRT,
    WP_MAP_ABSOLUTE,
    WP_MAP_FLOOR,
    WP_MAP_IS_MISSING /* 1 or 0 */
} wp_map;

/* One side of a map: rows, or one number for all rows. */
typedef struct wp_operand {
    wp_column rows;
    bool is_number;
    double number;
} wp_operand;

/* out[i] = map(left[i], right[i]); unary maps ignore right. Parallel. */
WP_NODISCARD wp_status wp_map_rows(wp_map map, const wp_operand *left, const wp_operand *right,
                                   double *out, size_t count, const wp_run *run, wp_error *err);

/* A comparison, or WP_MAP_IS_MISSING, in one byte per row: WP_FLAG_MISSING, _NO (0) or _YES (1).
** Parallel. */
enum { WP_FLAG_MISSING, WP_FLAG_NO, WP_FLAG_YES };
WP_NODISCARD wp_status wp_map_flags(wp_map map, const wp_operand *left, const wp_operand *right,
                                    uint8_t *out, size_t count, const wp_run *run, wp_error *err);
static inline bool wp_map_is_flag(wp_map map)
{
    return (map >= WP_MAP_ABOVE && map <= WP_MAP_EQUALS) || map == WP_MAP_IS_MISSING;
}

/* Codes of floor(v[i]) - least + 1, and 0 where v[i] is missing; there are `table_count` codes.
** Parallel. */
WP_NODISCARD wp_status wp_map_floor_codes(const double *v, double least, size_t table_count,
                                          void *codes_out, size_t count, const wp_run *run,
                                          wp_error *err);

#endif
