/* Codes and cells; see vector.h (wp_factor) and cells.h.
**
** wp__keys_encode counts small keys in a table of all possible ones; for others it first tries a
** hash table of distinct keys, which stays in cache for the counts and flags that most columns
** hold; past HASH_KEYS_MAX distinct keys it gives up and sorts (key, row) pairs by a
** least-significant-digit radix sort that skips constant digits. */
#include "stats/cells.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { HASH_KEYS_MAX = 1 << 15 };

/* Order-preserving bits: missing 0, then ascending. */
static uint64_t key_of(double number)
{
    if (isnan(number))
        return 0;
    if (number == 0)
        number = 0; /* -0 */
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits >> 63 ? ~bits : bits | 1ULL << 63;
}

static double number_of(uint64_t key)
{
    if (key == 0)
        return NAN;
    uint64_t bits = key >> 63 ? key & ~(1ULL << 63) : ~key;
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

typedef struct keyed {
    uint64_t key;
    uint32_t place;
} keyed;

static int by_key(const void *left, const void *right)
{
    uint64_t a = ((const keyed *)left)->key, b = ((const keyed *)right)->key;
    return (a > b) - (a < b);
}

typedef struct key_table {
    keyed *slots; /* 2^bits of them; place = code + 1; 0 marks an empty slot */
    keyed *found; /* keys_max of them at most, in order of first sight */
    size_t count, keys_max;
    int bits;
} key_table;

/* False when there are too many distinct keys for the table. */
static bool codes_by_hash(key_table *table, const uint64_t *keys, size_t count, uint32_t *codes)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t key = keys[i];
        size_t slot = (size_t)((key * 0x9e3779b97f4a7c15ULL) >> (64 - table->bits));
        while (table->slots[slot].place != 0 && table->slots[slot].key != key)
            slot = (slot + 1) & (((size_t)1 << table->bits) - 1);
        if (table->slots[slot].place == 0) {
            if (table->count == table->keys_max)
                return false;
            table->found[table->count] = (keyed){key, (uint32_t)table->count};
            table->slots[slot] = (keyed){key, (uint32_t)++table->count};
        }
        codes[i] = table->slots[slot].place - 1;
    }
    return true;
}

static wp_status encode_few(const uint64_t *keys, size_t count, uint32_t *codes,
                            uint64_t **distinct, size_t *distinct_count, bool *few, wp_error *err)
{
    wp_status status = WP_OK;
    uint32_t *rename = NULL;
    key_table table = {.bits = 4, .keys_max = count < HASH_KEYS_MAX ? count : HASH_KEYS_MAX};
    while ((size_t)1 << table.bits < 2 * table.keys_max)
        table.bits++;
    table.slots = wp_alloc_array_zero((size_t)1 << table.bits, sizeof(keyed));
    table.found = wp_alloc_array(table.keys_max, sizeof(keyed));
    if (table.slots == NULL || table.found == NULL) {
        status = wp_fail_memory(err, sizeof(keyed) << table.bits);
        goto done;
    }
    *few = codes_by_hash(&table, keys, count, codes);
    if (!*few)
        goto done;
    rename = wp_alloc_array(table.count, sizeof *rename);
    uint64_t *sorted = wp_alloc_array(table.count, sizeof *sorted);
    if (rename == NULL || sorted == NULL) {
        wp_free(sorted);
        status = wp_fail_memory(err, table.count * sizeof *sorted);
        goto done;
    }
    qsort(table.found, table.count, sizeof(keyed), by_key);
    for (size_t i = 0; i < table.count; i++) {
        sorted[i] = table.found[i].key;
        rename[table.found[i].place] = (uint32_t)i;
    }
    for (size_t i = 0; i < count; i++)
        codes[i] = rename[codes[i]];
    *distinct = sorted;
    *distinct_count = table.count;
done:
    wp_free(rename);
    wp_free(table.found);
    wp_free(table.slots);
    return status;
}

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, PASSES = 6 };

/* Sorts pairs by key; returns the buffer that holds the result (pairs or spare). */
static keyed *radix_sort(keyed *pairs, keyed *spare, size_t count, size_t (*histograms)[DIGITS])
{
    memset(histograms, 0, PASSES * sizeof *histograms);
    for (size_t i = 0; i < count; i++)
        for (int pass = 0; pass < PASSES; pass++)
            histograms[pass][pairs[i].key >> (pass * DIGIT_BITS) & (DIGITS - 1)]++;
    for (int pass = 0; pass < PASSES; pass++) {
        size_t *histogram = histograms[pass], start = 0;
        int shift = pass * DIGIT_BITS;
        if (histogram[pairs[0].key >> shift & (DIGITS - 1)] == count)
            continue;
        for (int digit = 0; digit < DIGITS; digit++) {
            size_t here = histogram[digit];
            histogram[digit] = start;
            start += here;
        }
        for (size_t i = 0; i < count; i++)
            spare[histogram[pairs[i].key >> shift & (DIGITS - 1)]++] = pairs[i];
        keyed *swap = pairs;
        pairs = spare;
        spare = swap;
    }
    return pairs;
}

static wp_status encode_many(const uint64_t *keys, size_t count, uint32_t *codes,
                             uint64_t **distinct, size_t *distinct_count, wp_error *err)
{
    wp_status status = WP_OK;
    keyed *pairs = wp_alloc_array(count, sizeof *pairs);
    keyed *spare = wp_alloc_array(count, sizeof *spare);
    size_t(*histograms)[DIGITS] = wp_alloc_array(PASSES, sizeof *histograms);
    if (pairs == NULL || spare == NULL || histograms == NULL) {
        status = wp_fail_memory(err, count * sizeof *pairs);
        goto done;
    }
    for (size_t i = 0; i < count; i++)
        pairs[i] = (keyed){keys[i], (uint32_t)i};
    const keyed *sorted = radix_sort(pairs, spare, count, histograms);
    size_t values = 1;
    for (size_t i = 1; i < count; i++)
        values += sorted[i].key != sorted[i - 1].key;
    uint64_t *out = wp_alloc_array(values, sizeof *out);
    if (out == NULL) {
        status = wp_fail_memory(err, values * sizeof *out);
        goto done;
    }
    uint32_t code = 0;
    for (size_t i = 0; i < count; i++) {
        code += i > 0 && sorted[i].key != sorted[i - 1].key;
        out[code] = sorted[i].key;
        codes[sorted[i].place] = code;
    }
    *distinct = out;
    *distinct_count = values;
done:
    wp_free(histograms);
    wp_free(spare);
    wp_free(pairs);
    return status;
}

/* Keys below `range`: one place per possible key. */
static wp_status encode_range(const uint64_t *keys, size_t count, size_t range, uint32_t *codes,
                              uint64_t **distinct, size_t *distinct_count, wp_error *err)
{
    uint32_t *place = wp_alloc_array_zero(range, sizeof *place), next = 0;
    if (place == NULL)
        return wp_fail_memory(err, range * sizeof *place);
    for (size_t i = 0; i < count; i++)
        place[keys[i]] = 1;
    for (size_t key = 0; key < range; key++)
        next += place[key];
    uint64_t *out = wp_alloc_array(next, sizeof *out);
    if (out == NULL) {
        wp_free(place);
        return wp_fail_memory(err, next * sizeof *out);
    }
    *distinct_count = next;
    next = 0;
    for (size_t key = 0; key < range; key++) {
        if (place[key] == 0)
            continue;
        out[next] = key;
        place[key] = next++;
    }
    for (size_t i = 0; i < count; i++)
        codes[i] = place[keys[i]];
    wp_free(place);
    *distinct = out;
    return WP_OK;
}

wp_status wp__keys_encode(const uint64_t *keys, size_t count, uint32_t *codes, uint64_t **distinct,
                          size_t *distinct_count, wp_error *err)
{
    if (count >= UINT32_MAX)
        return wp_fail(err, WP_LIMIT, "cells: %zu rows: too many (expected below 2^32)", count);
    bool few = false;
    uint64_t largest = 0;
    *distinct = NULL;
    *distinct_count = 0;
    for (size_t i = 0; i < count; i++)
        largest = keys[i] > largest ? keys[i] : largest;
    if (largest < 4 * (uint64_t)count)
        return encode_range(keys, count, (size_t)largest + 1, codes, distinct, distinct_count, err);
    WP_TRY(encode_few(keys, count, codes, distinct, distinct_count, &few, err));
    return few ? WP_OK : encode_many(keys, count, codes, distinct, distinct_count, err);
}

wp_status wp_factor_make(wp_factor *factor, const double *v, size_t count, wp_error *err)
{
    wp_factor made = {.count = count};
    uint64_t *distinct = NULL, *keys = wp_alloc_array(count, sizeof *keys);
    made.codes = wp_alloc_array(count, sizeof *made.codes);
    wp_status status = WP_OK;
    if (keys == NULL || made.codes == NULL) {
        status = wp_fail_memory(err, count * sizeof *keys);
        goto done;
    }
    for (size_t i = 0; i < count; i++)
        keys[i] = key_of(v[i]);
    status = wp__keys_encode(keys, count, made.codes, &distinct, &made.numbers_count, err);
    if (status != WP_OK)
        goto done;
    made.numbers = wp_alloc_array(made.numbers_count, sizeof *made.numbers);
    if (made.numbers == NULL) {
        status = wp_fail_memory(err, made.numbers_count * sizeof *made.numbers);
        goto done;
    }
    for (size_t i = 0; i < made.numbers_count; i++)
        made.numbers[i] = number_of(distinct[i]);
done:
    wp_free(distinct);
    wp_free(keys);
    if (status != WP_OK)
        wp_factor_free(&made);
    else
        *factor = made;
    return status;
}

void wp_factor_free(wp_factor *factor)
{
    wp_free(factor->codes);
    wp_free(factor->numbers);
    *factor = (wp_factor){0};
}

void wp_factor_weights(const wp_factor *factor, const double *weights, double *out)
{
    for (size_t i = 0; i < factor->numbers_count; i++)
        out[i] = 0;
    for (size_t i = 0; i < factor->count; i++)
        out[factor->codes[i]] += weights == NULL ? 1 : weights[i];
}

wp_status wp_factor_order(const wp_factor *factor, uint32_t *out, wp_error *err)
{
    size_t *starts = wp_alloc_array_zero(factor->numbers_count + 1, sizeof *starts);
    if (starts == NULL)
        return wp_fail_memory(err, factor->numbers_count * sizeof *starts);
    for (size_t i = 0; i < factor->count; i++)
        starts[factor->codes[i] + 1]++;
    for (size_t i = 1; i <= factor->numbers_count; i++)
        starts[i] += starts[i - 1];
    for (size_t i = 0; i < factor->count; i++)
        out[starts[factor->codes[i]]++] = (uint32_t)i;
    wp_free(starts);
    return WP_OK;
}

static bool has_missing(const wp_factor *factor)
{
    return factor->numbers_count > 0 && isnan(factor->numbers[0]);
}

/* Mid-rank of each distinct number; *weight is the weight of all that are not missing. */
static double *midranks(const wp_factor *factor, const double *weights, double *weight)
{
    double *ranks = wp_alloc_array(factor->numbers_count, sizeof *ranks);
    if (ranks == NULL)
        return NULL;
    wp_factor_weights(factor, weights, ranks);
    double below = 0;
    for (size_t i = 0; i < factor->numbers_count; i++) {
        if (i == 0 && has_missing(factor)) {
            ranks[i] = NAN;
            continue;
        }
        double here = ranks[i];
        ranks[i] = below + (here + 1) / 2;
        below += here;
    }
    *weight = below;
    return ranks;
}

wp_status wp_factor_ranks(const wp_factor *factor, const double *weights, double *out,
                          wp_error *err)
{
    double weight, *ranks = midranks(factor, weights, &weight);
    if (ranks == NULL)
        return wp_fail_memory(err, factor->numbers_count * sizeof *ranks);
    for (size_t i = 0; i < factor->count; i++)
        out[i] = ranks[factor->codes[i]];
    wp_free(ranks);
    return WP_OK;
}

wp_status wp_factor_groups(const wp_factor *factor, const double *weights, int groups, double *out,
                           wp_error *err)
{
    double weight, *ranks = midranks(factor, weights, &weight);
    if (ranks == NULL)
        return wp_fail_memory(err, factor->numbers_count * sizeof *ranks);
    for (size_t i = 0; i < factor->numbers_count; i++) {
        double group = floor(groups * (ranks[i] - 0.5) / weight);
        ranks[i] = isnan(ranks[i]) ? NAN : 1 + (group > groups - 1 ? groups - 1 : group);
    }
    for (size_t i = 0; i < factor->count; i++)
        out[i] = ranks[factor->codes[i]];
    wp_free(ranks);
    return WP_OK;
}

/* Hyndman & Fan 1996, definition 7: h = (W - 1) p, between the numbers at places floor(h) and
** floor(h) + 1 (0-based) of the expanded data. */
double wp_factor_quantile(const wp_factor *factor, const double *totals, double probability)
{
    size_t first = has_missing(factor);
    double weight = 0;
    for (size_t i = first; i < factor->numbers_count; i++)
        weight += totals[i];
    if (!(weight > 0))
        return NAN;
    double h = weight > 1 ? (weight - 1) * probability : 0;
    double place = floor(h + 4 * 2.220446049250313e-16 * h), part = h - place;
    if (part < 1e-12 * (h + 1))
        part = 0;
    double below = 0, low = NAN;
    for (size_t i = first; i < factor->numbers_count; i++) {
        below += totals[i];
        if (totals[i] <= 0)
            continue;
        if (isnan(low) && below > place)
            low = factor->numbers[i];
        if (!isnan(low) && (part == 0 || below > place + 1))
            return part == 0 ? low : low + part * (factor->numbers[i] - low);
    }
    return low;
}

typedef struct encode_work {
    const double *const *columns;
    size_t rows_count;
    wp_factor *factors;
} encode_work;

static wp_status encode_column(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    encode_work *work = context;
    return wp_factor_make(&work->factors[chunk], work->columns[chunk], work->rows_count, err);
}

/* keys = mixed-radix number of the codes; re-encoded when the next digit would not fit. */
static wp_status pack_codes(const wp_factor *factors, size_t columns_count, size_t rows_count,
                            uint64_t *keys, uint32_t *scratch, wp_error *err)
{
    uint64_t range = 1;
    memset(keys, 0, rows_count * sizeof *keys);
    for (size_t column = 0; column < columns_count; column++) {
        uint64_t values = factors[column].numbers_count;
        if (values > 0 && range > UINT64_MAX / 2 / values) {
            uint64_t *distinct;
            size_t distinct_count;
            WP_TRY(wp__keys_encode(keys, rows_count, scratch, &distinct, &distinct_count, err));
            wp_free(distinct);
            for (size_t i = 0; i < rows_count; i++)
                keys[i] = scratch[i];
            range = distinct_count;
        }
        for (size_t i = 0; i < rows_count; i++)
            keys[i] = keys[i] * values + factors[column].codes[i];
        range *= values;
    }
    return WP_OK;
}

static wp_status fill_cells(wp_cells *cells, const wp_factor *factors, const double *weights,
                            wp_error *err)
{
    uint32_t *member = wp_alloc_array(cells->count, sizeof *member);
    cells->weights = wp_alloc_array_zero(cells->count, sizeof *cells->weights);
    bool fine = member != NULL && cells->weights != NULL;
    for (size_t c = 0; fine && c < cells->columns_count; c++) {
        cells->columns[c] = wp_alloc_array(cells->count, sizeof(double));
        fine = cells->columns[c] != NULL;
    }
    if (!fine) {
        wp_free(member);
        return wp_fail_memory(err, cells->count * sizeof(double));
    }
    for (size_t i = 0; i < cells->rows_count; i++) {
        member[cells->index[i]] = (uint32_t)i;
        cells->weights[cells->index[i]] += weights == NULL ? 1 : weights[i];
    }
    for (size_t c = 0; c < cells->columns_count; c++)
        for (size_t i = 0; i < cells->count; i++)
            cells->columns[c][i] = factors[c].numbers[factors[c].codes[member[i]]];
    wp_free(member);
    return WP_OK;
}

wp_status wp_cells_make(wp_cells *cells, const double *const *columns, size_t columns_count,
                        size_t rows_count, const double *weights, const wp_run *run, wp_error *err)
{
    wp_cells made = {.columns_count = columns_count, .rows_count = rows_count};
    wp_status status = WP_OK;
    uint64_t *distinct = NULL, *keys = wp_alloc_array(rows_count, sizeof *keys);
    wp_factor *factors = wp_alloc_array_zero(columns_count, sizeof *factors);
    uint32_t *scratch = wp_alloc_array(rows_count, sizeof *scratch);
    made.columns = wp_alloc_array_zero(columns_count, sizeof *made.columns);
    made.index = wp_alloc_array(rows_count, sizeof *made.index);
    if (keys == NULL || factors == NULL || scratch == NULL || made.columns == NULL ||
        made.index == NULL) {
        status = wp_fail_memory(err, rows_count * sizeof *keys);
        goto done;
    }
    encode_work work = {columns, rows_count, factors};
    if ((status = wp_pool_run(run, columns_count, encode_column, &work, err)) != WP_OK)
        goto done;
    if ((status = pack_codes(factors, columns_count, rows_count, keys, scratch, err)) != WP_OK)
        goto done;
    status = wp__keys_encode(keys, rows_count, made.index, &distinct, &made.count, err);
    if (status == WP_OK)
        status = fill_cells(&made, factors, weights, err);
done:
    for (size_t c = 0; factors != NULL && c < columns_count; c++)
        wp_factor_free(&factors[c]);
    wp_free(scratch);
    wp_free(factors);
    wp_free(keys);
    wp_free(distinct);
    if (status != WP_OK)
        wp_cells_free(&made);
    else
        *cells = made;
    return status;
}

void wp_cells_free(wp_cells *cells)
{
    for (size_t c = 0; cells->columns != NULL && c < cells->columns_count; c++)
        wp_free(cells->columns[c]);
    wp_free(cells->columns);
    wp_free(cells->weights);
    wp_free(cells->index);
    *cells = (wp_cells){0};
}
