/* See column.h. Passes over rows are cut into chunks of CHUNK_ROWS for the pool. */
#include "stats/column.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_ROWS = WP_CHOICE_ROWS };

/* The rows of one chunk. */
typedef struct range {
    size_t first, last;
} range;

static range range_of(size_t chunk, size_t count)
{
    size_t first = chunk * CHUNK_ROWS;
    return (range){first, count - first < CHUNK_ROWS ? count : first + CHUNK_ROWS};
}

/* Chunks in parallel, or the only one here and now. */
static wp_status run_chunks(const wp_run *run, size_t count, wp_task task, void *work,
                            wp_error *err)
{
    size_t chunks = wp_choice_chunks(count);
    return chunks == 1 ? task(work, 0, 0, err) : wp_pool_run(run, chunks, task, work, err);
}

/* ---- reading ---- */

void wp_column_look_up(const wp_column *column, const double *table, size_t first, size_t count,
                       double *out)
{
    if (column->table_count <= 256)
        wp_kernel_look_up_8((const uint8_t *)column->codes + first, table, column->table_count,
                            count, out);
    else
        wp_kernel_look_up_16((const uint16_t *)column->codes + first, table, count, out);
}

void wp_column_read(const wp_column *column, size_t first, size_t count, double *out)
{
    if (column->numbers == NULL)
        wp_column_look_up(column, column->table, first, count, out);
    else if (column->curve != NULL)
        wp_kernel_spline(column->numbers + first, column->curve, count, out);
    else if (count > 0)
        memcpy(out, column->numbers + first, count * sizeof *out);
}

typedef struct expand_work {
    const wp_column *column;
    size_t count;
    double *out;
} expand_work;

static wp_status expand_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const expand_work *work = context;
    range rows = range_of(chunk, work->count);
    wp_column_read(work->column, rows.first, rows.last - rows.first, work->out + rows.first);
    return WP_OK;
}

wp_status wp_column_expand(const wp_column *column, size_t count, double *out, const wp_run *run,
                           wp_error *err)
{
    expand_work work = {column, count, out};
    return run_chunks(run, count, expand_chunk, &work, err);
}

const double *wp_column_rows(const wp_column *column, size_t first, size_t count, double *room)
{
    if (column->numbers != NULL && column->curve == NULL)
        return column->numbers + first;
    wp_column_read(column, first, count, room);
    return room;
}

typedef struct combine_work {
    const wp_column *columns;
    const double *factors;
    size_t columns_count, count;
    double constant;
    double *out;
} combine_work;

static wp_status combine_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    enum { ROWS = 512 };
    const combine_work *work = context;
    range rows = range_of(chunk, work->count);
    for (size_t first = rows.first; first < rows.last; first += ROWS) {
        size_t count = rows.last - first < ROWS ? rows.last - first : ROWS;
        double *out = work->out + first, numbers[ROWS];
        for (size_t i = 0; i < count; i++)
            out[i] = work->constant;
        for (size_t c = 0; c < work->columns_count; c++) {
            const double *v = wp_column_rows(&work->columns[c], first, count, numbers);
            for (size_t i = 0; i < count; i++)
                out[i] += work->factors[c] * v[i];
        }
    }
    return WP_OK;
}

wp_status wp_column_combine(const wp_column *columns, const double *factors, size_t columns_count,
                            double constant, size_t count, double *out, const wp_run *run,
                            wp_error *err)
{
    combine_work work = {columns, factors, columns_count, count, constant, out};
    return run_chunks(run, count, combine_chunk, &work, err);
}

/* ---- figures ---- */

static inline size_t code_at(const wp_column *column, size_t row)
{
    return column->table_count <= 256 ? ((const uint8_t *)column->codes)[row]
                                      : ((const uint16_t *)column->codes)[row];
}

typedef struct tally_work {
    const wp_column *column;
    size_t count;
    uint64_t *rows; /* table_count places per worker */
} tally_work;

/* Neighbours often share a code: four tallies of narrow codes keep an addition from waiting for the
** one before. */
static void tally_narrow(const uint8_t *codes, range rows, uint64_t *tally)
{
    uint32_t four[4][256] = {{0}};
    size_t i = rows.first;
    for (; i + 4 <= rows.last; i += 4) {
        four[0][codes[i]]++;
        four[1][codes[i + 1]]++;
        four[2][codes[i + 2]]++;
        four[3][codes[i + 3]]++;
    }
    for (; i < rows.last; i++)
        four[0][codes[i]]++;
    for (size_t code = 0; code < 256; code++) {
        uint32_t sum = four[0][code] + four[1][code] + four[2][code] + four[3][code];
        if (sum > 0) /* codes of the table only */
            tally[code] += sum;
    }
}

static wp_status tally_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)err;
    const tally_work *work = context;
    range rows = range_of(chunk, work->count);
    uint64_t *tally = work->rows + worker * work->column->table_count;
    if (work->column->table_count <= 256) {
        tally_narrow(work->column->codes, rows, tally);
    } else {
        const uint16_t *codes = work->column->codes;
        for (size_t i = rows.first; i < rows.last; i++)
            tally[codes[i]]++;
    }
    return WP_OK;
}

wp_status wp_column_tally(const wp_column *column, size_t count, uint64_t *rows, const wp_run *run,
                          wp_error *err)
{
    size_t places = column->table_count, workers = wp_run_threads(run);
    tally_work work = {column, count, wp_alloc_array_zero(workers * places + 1, sizeof *rows)};
    if (work.rows == NULL)
        return wp_fail_memory(err, workers * places * sizeof *rows);
    wp_status status = run_chunks(run, count, tally_chunk, &work, err);
    for (size_t code = 0; code < places; code++) {
        rows[code] = 0;
        for (size_t worker = 0; worker < workers; worker++)
            rows[code] += work.rows[worker * places + code];
    }
    wp_free(work.rows);
    return status;
}

/* A table whose numbers have weights is what case weights are about. */
static wp_moments weighted_table(const double *table, const double *weights, size_t table_count,
                                 size_t rows)
{
    wp_moments m = wp_vector_moments(table, NULL, weights, table_count);
    m.rows = rows;
    return m;
}

wp_moments wp_table_moments(const double *table, const uint64_t *rows, size_t table_count)
{
    double weights[WP_TABLE_MOST];
    size_t numbers = 0;
    for (size_t code = 0; code < table_count; code++) {
        weights[code] = (double)rows[code];
        numbers += isnan(table[code]) ? 0 : rows[code];
    }
    return weighted_table(table, weights, table_count, numbers);
}

static wp_moments coded_moments(const wp_column *column, const double *weights, size_t count)
{
    double totals[WP_TABLE_MOST];
    size_t rows = 0;
    memset(totals, 0, column->table_count * sizeof *totals);
    for (size_t i = 0; i < count; i++) {
        size_t code = code_at(column, i);
        double weight = weights == NULL ? 1 : weights[i];
        totals[code] += weight;
        rows += weight > 0 && !isnan(column->table[code]);
    }
    return weighted_table(column->table, totals, column->table_count, rows);
}

wp_moments wp_column_moments(const wp_column *column, const double *weights, size_t count)
{
    return column->numbers == NULL
               ? coded_moments(column, weights, count)
               : wp_vector_moments(column->numbers, column->curve, weights, count);
}

/* Weights, and weighted sums of both sides (first pass); sums of squares and products about the
** means (second pass). */
static void add_pairs(const double *x, const double *y, const double *weights, size_t count,
                      const double *means, double *sums)
{
    double here[3] = {0};
    for (size_t i = 0; i < count; i++) {
        double w = weights == NULL ? 1 : weights[i];
        if (isnan(x[i]) || isnan(y[i]) || !(w > 0))
            continue;
        double dx = x[i] - (means == NULL ? 0 : means[0]);
        double dy = y[i] - (means == NULL ? 0 : means[1]);
        here[0] += means == NULL ? w : w * dx * dy;
        here[1] += means == NULL ? w * dx : w * dx * dx;
        here[2] += means == NULL ? w * dy : w * dy * dy;
    }
    for (size_t i = 0; i < 3; i++)
        sums[i] += here[i];
}

double wp_column_correlation(const wp_column *left, const wp_column *right, const double *weights,
                             size_t count)
{
    enum { ROWS = 4096 };
    double left_room[ROWS], right_room[ROWS], means[2], sums[2][3] = {{0}};
    for (int pass = 0; pass < 2; pass++) {
        for (size_t first = 0; first < count; first += ROWS) {
            size_t rows = count - first < ROWS ? count - first : ROWS;
            add_pairs(wp_column_rows(left, first, rows, left_room),
                      wp_column_rows(right, first, rows, right_room),
                      weights == NULL ? NULL : weights + first, rows, pass == 0 ? NULL : means,
                      sums[pass]);
        }
        means[0] = sums[0][1] / sums[0][0];
        means[1] = sums[0][2] / sums[0][0];
    }
    double xy = sums[1][0], xx = sums[1][1], yy = sums[1][2];
    if (!(xx > 0) || !(yy > 0))
        return NAN;
    double r = xy / sqrt(xx) / sqrt(yy);
    return r > 1 ? 1 : r < -1 ? -1 : r;
}

enum { DOT_ROWS = 4096 };

typedef struct dot_work {
    const wp_column *left, *right;
    size_t count;
    double *sums; /* per block */
} dot_work;

static wp_status dot_block(void *context, size_t block, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const dot_work *work = context;
    double left[DOT_ROWS], right[DOT_ROWS];
    size_t first = block * DOT_ROWS;
    size_t count = work->count - first < DOT_ROWS ? work->count - first : DOT_ROWS;
    work->sums[block] = wp_kernel_dot(wp_column_rows(work->left, first, count, left),
                                      wp_column_rows(work->right, first, count, right), count);
    return WP_OK;
}

wp_status wp_column_dot(const wp_column *left, const wp_column *right, size_t count, double *out,
                        const wp_run *run, wp_error *err)
{
    size_t blocks = (count + DOT_ROWS - 1) / DOT_ROWS;
    dot_work work = {left, right, count, wp_alloc_array(blocks, sizeof(double))};
    if (work.sums == NULL)
        return wp_fail_memory(err, blocks * sizeof(double));
    wp_status status = wp_pool_run(run, blocks, dot_block, &work, err);
    *out = 0;
    for (size_t block = 0; status == WP_OK && block < blocks; block++)
        *out += work.sums[block];
    wp_free(work.sums);
    return status;
}

/* ---- tables and codes ---- */

/* Equal numbers have equal keys: one kind of 0, one kind of missing. */
static uint64_t key_of(double number)
{
    uint64_t key;
    number = isnan(number) ? NAN : number + 0.0;
    memcpy(&key, &number, sizeof key);
    return key;
}

static int compare_numbers(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    if (isnan(a) || isnan(b))
        return (isnan(b) != 0) - (isnan(a) != 0);
    return (a > b) - (a < b);
}

static size_t find_number(const double *table, size_t count, double number)
{
    size_t low = 0, high = count;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (compare_numbers(&table[middle], &number) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

enum { SLOTS = 4 * WP_TABLE_MOST };

/* Few of the numbers differ, so they are found by hashing and only those are sorted. */
wp_status wp_table_make(const double *numbers, size_t count, uint16_t *code_of, double *table,
                        size_t *table_count, wp_error *err)
{
    uint16_t *slots = wp_alloc_array_zero(SLOTS, sizeof *slots); /* 1 + place; 0: free */
    double *found = wp_alloc_array(WP_TABLE_MOST, sizeof *found);
    size_t found_count = 0;
    *table_count = WP_TABLE_MOST + 1;
    if (slots == NULL || found == NULL) {
        wp_free(slots);
        wp_free(found);
        return wp_fail_memory(err, SLOTS * sizeof *slots);
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t key = key_of(numbers[i]);
        size_t slot = (key * 0x9e3779b97f4a7c15u) >> 49;
        while (slots[slot] != 0 && key_of(found[slots[slot] - 1]) != key)
            slot = (slot + 1) % SLOTS;
        if (slots[slot] == 0) {
            if (found_count == WP_TABLE_MOST)
                goto done;
            found[found_count++] = isnan(numbers[i]) ? NAN : numbers[i] + 0.0;
            slots[slot] = (uint16_t)found_count;
        }
        code_of[i] = (uint16_t)(slots[slot] - 1);
    }
    memcpy(table, found, found_count * sizeof *table);
    qsort(table, found_count, sizeof *table, compare_numbers);
    for (size_t i = 0; i < found_count; i++) /* from place found to place in the table */
        slots[i] = (uint16_t)find_number(table, found_count, found[i]);
    for (size_t i = 0; i < count; i++)
        code_of[i] = slots[code_of[i]];
    *table_count = found_count;
done:
    wp_free(slots);
    wp_free(found);
    return WP_OK;
}

typedef struct join_work {
    const wp_column *left, *right;
    const uint16_t *code_of;
    size_t count, to_count;
    void *out;
} join_work;

static wp_status join_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const join_work *work = context;
    range rows = range_of(chunk, work->count);
    size_t times = work->right == NULL ? 1 : work->right->table_count;
    bool narrow = work->to_count <= 256;
    for (size_t i = rows.first; i < rows.last; i++) {
        size_t place = code_at(work->left, i) * times;
        if (work->right != NULL)
            place += code_at(work->right, i);
        if (narrow)
            ((uint8_t *)work->out)[i] = (uint8_t)work->code_of[place];
        else
            ((uint16_t *)work->out)[i] = work->code_of[place];
    }
    return WP_OK;
}

wp_status wp_codes_join(const wp_column *left, const wp_column *right, size_t count,
                        const uint16_t *code_of, size_t to_count, void *codes_out,
                        const wp_run *run, wp_error *err)
{
    join_work work = {left, right, code_of, count, to_count, codes_out};
    return run_chunks(run, count, join_chunk, &work, err);
}

/* ---- choosing rows ---- */

typedef struct choice_work {
    const wp_column *mask;
    const uint8_t *kept_codes; /* of a coded mask: 1, 0, or 2 for what is no mask */
    size_t count;
    uint8_t *keep;
    size_t *starts;
} choice_work;

static uint8_t is_kept(double x)
{
    return x == 1 ? 1 : x == 0 || isnan(x) ? 0 : 2;
}

static wp_status choice_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const choice_work *work = context;
    range rows = range_of(chunk, work->count);
    size_t sum = 0;
    uint8_t seen = 0;
    for (size_t i = rows.first; i < rows.last; i++) {
        uint8_t kept = work->kept_codes != NULL ? work->kept_codes[code_at(work->mask, i)]
                                                : is_kept(work->mask->numbers[i]);
        work->keep[i] = kept;
        seen |= kept;
        sum += kept;
    }
    work->starts[chunk] = seen & 2 ? SIZE_MAX : sum;
    return WP_OK;
}

wp_status wp_choice_make(const wp_column *mask, size_t count, uint8_t *keep, size_t *starts,
                         bool *is_mask, const wp_run *run, wp_error *err)
{
    size_t chunks = wp_choice_chunks(count), next = 0;
    uint8_t kept_codes[WP_TABLE_MOST];
    choice_work work = {mask, NULL, count, keep, starts};
    for (size_t code = 0; mask->numbers == NULL && code < mask->table_count; code++)
        kept_codes[code] = is_kept(mask->table[code]);
    if (mask->numbers == NULL)
        work.kept_codes = kept_codes;
    WP_TRY(run_chunks(run, count, choice_chunk, &work, err));
    *is_mask = true;
    for (size_t chunk = 0; chunk < chunks; chunk++) {
        size_t here = starts[chunk];
        *is_mask = *is_mask && here != SIZE_MAX;
        starts[chunk] = next;
        next += here;
    }
    starts[chunks] = next;
    return WP_OK;
}

typedef struct apply_work {
    const uint8_t *keep;
    const size_t *starts;
    const void *data;
    size_t width, count;
    void *out;
} apply_work;

/* Every row is written and then kept or not: a branch would be guessed wrong too often. Stops at
** the last kept row, behind which there may be no place to write to. */
#define KEEP_ROWS(type)                                                                            \
    do {                                                                                           \
        const type *from = work->data;                                                             \
        type *to = (type *)work->out + work->starts[chunk];                                        \
        type *end = (type *)work->out + work->starts[chunk + 1];                                   \
        for (size_t i = chunk * CHUNK_ROWS; to < end; i++) {                                       \
            *to = from[i];                                                                         \
            to += work->keep[i];                                                                   \
        }                                                                                          \
    } while (0)

static wp_status apply_chunk(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker, (void)err;
    const apply_work *work = context;
    if (work->width == 1)
        KEEP_ROWS(uint8_t);
    else if (work->width == 2)
        KEEP_ROWS(uint16_t);
    else
        KEEP_ROWS(uint64_t);
    return WP_OK;
}

wp_status wp_choice_apply(const uint8_t *keep, const size_t *starts, const void *data, size_t width,
                          size_t count, void *out, const wp_run *run, wp_error *err)
{
    apply_work work = {keep, starts, data, width, count, out};
    return run_chunks(run, count, apply_chunk, &work, err);
}
