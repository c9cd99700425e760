/* Elementwise functions; see map.h. Rows are cut into chunks of CHUNK_ROWS for the pool, and these
** into blocks that stay in the nearest cache. */
#include "stats/map.h"

#include <math.h>

enum { CHUNK_ROWS = 16384, BLOCK_ROWS = 512, LOGS = 1024 };

typedef struct map_work {
    wp_map map;
    const wp_operand *left, *right;
    double *out;    /* numbers of the rows, or NULL */
    uint8_t *flags; /* flags of the rows, or NULL */
    size_t count;
    const double *logs; /* log1p of 0 .. LOGS - 1, or NULL */
} map_work;

static double compare(bool holds, double x, double y)
{
    return isnan(x) || isnan(y) ? NAN : (double)holds;
}

static double rare_map(wp_map map, double x, double y)
{
    switch (map) {
    case WP_MAP_POWER:
        return pow(x, y);
    case WP_MAP_LOG:
        return x > 0 ? log(x) : NAN;
    case WP_MAP_EXP:
        return exp(x);
    case WP_MAP_SQRT:
        return x >= 0 ? sqrt(x) : NAN;
    default:
        return NAN;
    }
}

/* Most arguments are counts, whose logarithms are looked up. */
static void map_log1p(const map_work *work, const double *x, size_t count, double *out)
{
    for (size_t i = 0; i < count; i++) {
        if (work->logs != NULL && x[i] >= 0 && x[i] < LOGS && x[i] == (double)(int)x[i])
            out[i] = work->logs[(int)x[i]];
        else
            out[i] = x[i] > -1 ? log1p(x[i]) : NAN;
    }
}

#define EACH(expression)                                                                           \
    for (size_t i = 0; i < count; i++) {                                                           \
        double x = left[i * left_step], y = right[i * right_step];                                 \
        out[i] = (expression);                                                                     \
    }

/* Both sides step by 1 from row to row, or by 0 where there is one number. */
static void map_block(const map_work *work, const double *left, const double *right, size_t count,
                      double *out)
{
    size_t left_step = !work->left->is_number, right_step = !work->right->is_number;
    switch (work->map) {
    case WP_MAP_ADD:
        EACH(x + y)
        break;
    case WP_MAP_SUBTRACT:
        EACH(x - y)
        break;
    case WP_MAP_MULTIPLY:
        EACH(x * y)
        break;
    case WP_MAP_DIVIDE:
        EACH(y == 0 ? NAN : x / y)
        break;
    case WP_MAP_MINIMUM:
        EACH(isnan(y) || y < x ? y : x)
        break;
    case WP_MAP_MAXIMUM:
        EACH(isnan(y) || y > x ? y : x)
        break;
    case WP_MAP_ABOVE:
        EACH(compare(x > y, x, y))
        break;
    case WP_MAP_BELOW:
        EACH(compare(x < y, x, y))
        break;
    case WP_MAP_AT_LEAST:
        EACH(compare(x >= y, x, y))
        break;
    case WP_MAP_AT_MOST:
        EACH(compare(x <= y, x, y))
        break;
    case WP_MAP_EQUALS:
        EACH(compare(x == y, x, y))
        break;
    case WP_MAP_FILL:
        EACH(isnan(x) ? y : x)
        break;
    case WP_MAP_ABSOLUTE:
        EACH(((void)y, fabs(x)))
        break;
    case WP_MAP_FLOOR:
        EACH(((void)y, floor(x)))
        break;
    case WP_MAP_IS_MISSING:
        EACH(((void)y, (double)isnan(x)))
        break;
    case WP_MAP_LOG1P:
        map_log1p(work, left, count, out);
        break;
    default:
        EACH(rare_map(work->map, x, y))
        break;
    }
}

static const double *numbers_of(const wp_operand *side, size_t first, size_t count, double *room)
{
    return side->is_number ? &side->number : wp_column_rows(&side->rows, first, count, room);
}

static wp_status map_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const map_work *work = context;
    size_t first = chunk * CHUNK_ROWS;
    size_t last = first + CHUNK_ROWS < work->count ? first + CHUNK_ROWS : work->count;
    double left_room[BLOCK_ROWS], right_room[BLOCK_ROWS], numbers[BLOCK_ROWS];
    for (; first < last; first += BLOCK_ROWS) {
        size_t count = last - first < BLOCK_ROWS ? last - first : BLOCK_ROWS;
        const double *left = numbers_of(work->left, first, count, left_room);
        const double *right =
            work->right == work->left ? left : numbers_of(work->right, first, count, right_room);
        map_block(work, left, right, count, work->out != NULL ? work->out + first : numbers);
        for (size_t i = 0; work->flags != NULL && i < count; i++)
            work->flags[first + i] = (uint8_t)(isnan(numbers[i]) ? WP_FLAG_MISSING
                                               : numbers[i] != 0 ? WP_FLAG_YES
                                                                 : WP_FLAG_NO);
    }
    return WP_OK;
}

static wp_status map_all(map_work *work, const wp_run *run, wp_error *err)
{
    double logs[LOGS];
    if (work->map == WP_MAP_LOG1P && work->count >= 4 * LOGS) {
        for (int i = 0; i < LOGS; i++)
            logs[i] = log1p(i);
        work->logs = logs;
    }
    size_t chunks = (work->count + CHUNK_ROWS - 1) / CHUNK_ROWS;
    return chunks == 1 ? map_chunk(work, 0, 0, err)
                       : wp_pool_run(run, chunks, map_chunk, work, err);
}

wp_status wp_map_rows(wp_map map, const wp_operand *left, const wp_operand *right, double *out,
                      size_t count, const wp_run *run, wp_error *err)
{
    map_work work = {.map = map, .left = left, .right = right, .out = out, .count = count};
    return map_all(&work, run, err);
}

wp_status wp_map_flags(wp_map map, const wp_operand *left, const wp_operand *right, uint8_t *out,
                       size_t count, const wp_run *run, wp_error *err)
{
    map_work work = {.map = map, .left = left, .right = right, .flags = out, .count = count};
    return map_all(&work, run, err);
}

/* ---- floors as codes ---- */

typedef struct floor_work {
    const double *v;
    double least;
    size_t table_count, count;
    void *codes;
} floor_work;

static wp_status floor_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const floor_work *work = context;
    size_t first = chunk * CHUNK_ROWS;
    size_t last = first + CHUNK_ROWS < work->count ? first + CHUNK_ROWS : work->count;
    bool narrow = wp_code_width(work->table_count) == 1;
    for (size_t i = first; i < last; i++) {
        double x = work->v[i];
        unsigned code = isnan(x) ? 0 : (unsigned)(floor(x) - work->least) + 1;
        if (narrow)
            ((uint8_t *)work->codes)[i] = (uint8_t)code;
        else
            ((uint16_t *)work->codes)[i] = (uint16_t)code;
    }
    return WP_OK;
}

wp_status wp_map_floor_codes(const double *v, double least, size_t table_count, void *codes_out,
                             size_t count, const wp_run *run, wp_error *err)
{
    floor_work work = {v, least, table_count, count, codes_out};
    return wp_pool_run(run, (count + CHUNK_ROWS - 1) / CHUNK_ROWS, floor_chunk, &work, err);
}
