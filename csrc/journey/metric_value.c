/* Leaves that read a column: sums and extremes of numbers, different values, what was true at the
** anchor. Numbers are added in row order with Neumaier's compensation: the same bits on any
** machine, and users whose amounts are the same in another order tie, as ranks need. */
#include "journey/metric.h"

#include <stdlib.h>

static const wp_numbers *number_source(const wp_leaf *leaf, const wp_columns *columns)
{
    return &(leaf->per_user ? columns->user_numbers : columns->numbers)[leaf->column];
}

static const wp_texts *text_source(const wp_leaf *leaf, const wp_columns *columns)
{
    return &(leaf->per_user ? columns->user_texts : columns->texts)[leaf->column];
}

/* A sum and what rounding has taken from it so far (Neumaier 1974). */
typedef struct total {
    double sum, lost;
} total;

static inline void total_add(total *t, double number)
{
    double sum = t->sum + number;
    t->lost += fabs(t->sum) >= fabs(number) ? (t->sum - sum) + number : (number - sum) + t->sum;
    t->sum = sum;
}

/* The bare sum where it is not finite: the compensation is not a number then. */
static inline double total_of(total t)
{
    return isfinite(t.sum) ? t.sum + t.lost : t.sum;
}

/* Where the value at an event stands: with its row, or with its user once it is known. */
static bool find_place(const wp_leaf_run *run, uint32_t i, uint32_t row, size_t *place)
{
    const wp_columns *columns = run->span->columns;
    uint32_t user = run->span->users[i];
    *place = run->leaf->per_user ? user : row;
    return !run->leaf->per_user ||
           wp_attributes_known(columns, user, wp_time_at(&columns->times, row));
}

typedef struct tally {
    uint64_t count;
    total sum;
    double low, high, first, last;
} tally;

static tally tally_user(const wp_leaf_run *run, const wp_numbers *numbers, uint32_t i)
{
    const wp_span *span = run->span;
    tally t = {0, {0, 0}, INFINITY, -INFINITY, NAN, NAN};
    for (uint32_t local = run->lo[i]; local < run->hi[i]; local++) {
        if (!wp_span_has(span, run->leaf->a, local))
            continue;
        size_t place;
        if (!find_place(run, i, wp_span_row(span, local), &place))
            continue;
        double number = wp_number_at(numbers, place);
        if (isnan(number))
            continue;
        if (t.count++ == 0)
            t.first = number;
        t.last = number;
        total_add(&t.sum, number);
        t.low = number < t.low ? number : t.low;
        t.high = number > t.high ? number : t.high;
    }
    return t;
}

static double tally_result(const tally *t, wp_leaf_kind kind)
{
    if (kind == WP_LEAF_SUM)
        return total_of(t->sum);
    if (t->count == 0)
        return NAN;
    switch (kind) {
    case WP_LEAF_MEAN:
        return total_of(t->sum) / (double)t->count;
    case WP_LEAF_MAX:
        return t->high;
    case WP_LEAF_MIN:
        return t->low;
    case WP_LEAF_FIRST:
        return t->first;
    default:
        return t->last;
    }
}

/* The commonest of them on its own, without the rest of the tally. */
static void sum_values(const wp_leaf_run *run, const wp_numbers *numbers)
{
    const wp_span *span = run->span;
    for (uint32_t i = 0; i < span->users_count; i++) {
        total sum = {0, 0};
        for (uint32_t local = run->lo[i]; local < run->hi[i]; local++) {
            if (!wp_span_has(span, run->leaf->a, local))
                continue;
            double number = wp_number_at(numbers, wp_span_row(span, local));
            if (!isnan(number))
                total_add(&sum, number);
        }
        run->out[i] = total_of(sum);
    }
}

void wp__measure_values(const wp_leaf_run *run)
{
    const wp_numbers *numbers = number_source(run->leaf, run->span->columns);
    if (run->leaf->kind == WP_LEAF_SUM && !run->leaf->per_user) {
        sum_values(run, numbers);
        return;
    }
    for (uint32_t i = 0; i < run->span->users_count; i++) {
        tally t = tally_user(run, numbers, i);
        run->out[i] = tally_result(&t, run->leaf->kind);
    }
}

/* --- Different values ---------------------------------------------------------------------- */

static int compare_numbers(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static uint32_t distinct_numbers(const wp_leaf_run *run, const wp_numbers *numbers, uint32_t i)
{
    const wp_span *span = run->span;
    uint32_t count = 0, different = 0;
    for (uint32_t local = run->lo[i]; local < run->hi[i]; local++) {
        if (!wp_span_has(span, run->leaf->a, local))
            continue;
        size_t place;
        if (!find_place(run, i, wp_span_row(span, local), &place))
            continue;
        double number = wp_number_at(numbers, place);
        if (!isnan(number))
            run->room->numbers[count++] = number;
    }
    qsort(run->room->numbers, count, sizeof(double), compare_numbers);
    for (uint32_t k = 0; k < count; k++)
        different += k == 0 || run->room->numbers[k] != run->room->numbers[k - 1];
    return different;
}

static uint32_t distinct_codes(const wp_leaf_run *run, const wp_codes *codes, bool zero_counts,
                               uint32_t i)
{
    const wp_span *span = run->span;
    wp_metric_room *room = run->room;
    uint32_t different = 0;
    if (++room->stamp == 0) { /* wrapped: old stamps could be mistaken for new ones */
        memset(room->stamps, 0, room->stamps_count * sizeof *room->stamps);
        room->stamp = 1;
    }
    for (uint32_t local = run->lo[i]; local < run->hi[i]; local++) {
        size_t place;
        if (!wp_span_has(span, run->leaf->a, local) ||
            !find_place(run, i, wp_span_row(span, local), &place))
            continue;
        uint32_t code = wp_code_at(codes, place);
        if ((code == 0 && !zero_counts) || room->stamps[code] == room->stamp)
            continue;
        room->stamps[code] = room->stamp;
        different++;
    }
    return different;
}

void wp__measure_distinct(const wp_leaf_run *run)
{
    const wp_columns *columns = run->span->columns;
    const wp_leaf *leaf = run->leaf;
    for (uint32_t i = 0; i < run->span->users_count; i++) {
        if (leaf->source == WP_SOURCE_NUMBER)
            run->out[i] = distinct_numbers(run, number_source(leaf, columns), i);
        else if (leaf->source == WP_SOURCE_TEXT)
            run->out[i] = distinct_codes(run, &text_source(leaf, columns)->codes, false, i);
        else
            run->out[i] = distinct_codes(run, &columns->events, true, i);
    }
}

/* --- One value per user -------------------------------------------------------------------- */

static double attribute_of(const wp_leaf_run *run, uint32_t i)
{
    const wp_span *span = run->span;
    const wp_columns *columns = span->columns;
    uint32_t user = span->users[i];
    if (columns->known_at_us != NULL) {
        int64_t known_us = columns->known_at_us[user];
        if (known_us == WP_TIME_MISSING || known_us >= wp_window_end(span, run->leaf->window, i))
            return NAN;
    }
    return wp_number_at(&columns->user_numbers[run->leaf->column], user);
}

static double anchor_value(const wp_leaf_run *run, uint32_t i)
{
    const wp_columns *columns = run->span->columns;
    const wp_leaf *leaf = run->leaf;
    size_t place;
    if (!find_place(run, i, run->span->anchor[i], &place))
        return NAN;
    if (leaf->source == WP_SOURCE_NUMBER)
        return wp_number_at(number_source(leaf, columns), place);
    if (leaf->source == WP_SOURCE_EVENT)
        return wp_code_at(&columns->events, place);
    uint32_t code = wp_code_at(&text_source(leaf, columns)->codes, place);
    return code == 0 ? (double)NAN : (double)code;
}

void wp__measure_anchor(const wp_leaf_run *run)
{
    for (uint32_t i = 0; i < run->span->users_count; i++) {
        if (run->leaf->kind == WP_LEAF_ATTRIBUTE)
            run->out[i] = attribute_of(run, i);
        else if (run->leaf->kind == WP_LEAF_ANCHOR)
            run->out[i] = anchor_value(run, i);
        else
            run->out[i] = run->leaf->given[run->first_frame_row + i];
    }
}
