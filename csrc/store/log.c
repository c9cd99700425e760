/* Lifetime and views of the log; see log.h for the layout and its invariant. */
#include "store/log.h"

#include "base/hash.h"
#include "base/memory.h"

static void dictionary_reset(wp_dictionary *dictionary)
{
    wp_free(dictionary->offsets);
    wp_free(dictionary->bytes);
}

static void numbers_free(wp_numbers *columns, uint32_t count)
{
    for (uint32_t i = 0; columns != NULL && i < count; i++) {
        wp_free(columns[i].name);
        wp_free(columns[i].dense);
        wp_free(columns[i].present);
        wp_free(columns[i].rank);
        wp_free(columns[i].packed);
    }
    wp_free(columns);
}

static void texts_free(wp_texts *columns, uint32_t count)
{
    for (uint32_t i = 0; columns != NULL && i < count; i++) {
        wp_free(columns[i].name);
        wp_free(columns[i].codes.data);
        dictionary_reset(&columns[i].values);
    }
    wp_free(columns);
}

wp_columns *wp_columns_retain(wp_columns *columns)
{
    atomic_fetch_add(&columns->references, 1);
    return columns;
}

void wp_columns_release(wp_columns *columns)
{
    if (columns == NULL || atomic_fetch_sub(&columns->references, 1) != 1)
        return;
    if (columns->loader != NULL)
        columns->loader->free(columns->loader);
    wp_free(columns->row_starts);
    wp_free(columns->part_users);
    dictionary_reset(&columns->user_ids);
    wp_free(columns->times.offsets);
    wp_free(columns->times.micros);
    wp_free(columns->events.data);
    dictionary_reset(&columns->event_names);
    numbers_free(columns->numbers, columns->numbers_count);
    texts_free(columns->texts, columns->texts_count);
    numbers_free(columns->user_numbers, columns->user_numbers_count);
    texts_free(columns->user_texts, columns->user_texts_count);
    wp_free(columns->known_at_us);
    wp_free(columns);
}

wp_status wp_log_take_columns(wp_columns *columns, wp_log **out, wp_error *err)
{
    wp_log *log = wp_alloc_zero(sizeof *log);
    if (log == NULL) {
        wp_columns_release(columns);
        return wp_fail_memory(err, sizeof *log);
    }
    log->references = 1;
    log->columns = columns;
    log->events_count = columns->events_count;
    log->users_count = columns->users_count;
    log->first_us = columns->first_us;
    log->last_us = columns->last_us;
    *out = log;
    return WP_OK;
}

wp_log *wp_log_retain(wp_log *log)
{
    atomic_fetch_add(&log->references, 1);
    return log;
}

void wp_log_release(wp_log *log)
{
    if (log == NULL || atomic_fetch_sub(&log->references, 1) != 1)
        return;
    wp_columns_release(log->columns);
    wp_free(log->rows);
    wp_free(log->users);
    wp_free(log);
}

static uint64_t hash_bits(uint64_t hash, const uint64_t *bits, size_t count)
{
    if (bits == NULL)
        return wp_mix(hash ^ WP_HASH_A, WP_HASH_B);
    for (size_t i = 0; i < (count + 63) / 64; i++)
        hash = wp_mix(hash ^ bits[i], WP_HASH_B);
    return hash;
}

uint64_t wp_log_fingerprint(const wp_log *log)
{
    const wp_columns *columns = log->columns;
    if (log->rows == NULL && log->users == NULL)
        return columns->fingerprint;
    uint64_t hash = hash_bits(columns->fingerprint, log->rows, columns->events_count);
    return hash_bits(hash, log->users, columns->users_count);
}

uint32_t wp_dictionary_find(const wp_dictionary *dictionary, const char *text, size_t length)
{
    for (uint32_t code = 0; code < dictionary->count; code++) {
        size_t other_length;
        const char *other = wp_dictionary_text(dictionary, code, &other_length);
        if (other_length == length && memcmp(other, text, length) == 0)
            return code;
    }
    return UINT32_MAX;
}

wp_status wp_dictionary_index_build(const wp_dictionary *dictionary, wp_dictionary_index *out,
                                    wp_error *err)
{
    size_t slots_count = 16;
    while (slots_count < 2 * (size_t)dictionary->count)
        slots_count *= 2;
    uint32_t *slots = wp_alloc_array_zero(slots_count, sizeof *slots);
    if (slots == NULL)
        return wp_fail_memory(err, slots_count * sizeof *slots);
    for (uint32_t code = 0; code < dictionary->count; code++) {
        size_t length;
        const char *text = wp_dictionary_text(dictionary, code, &length);
        size_t at = (size_t)wp_hash_bytes(text, length) & (slots_count - 1);
        while (slots[at] != 0)
            at = (at + 1) & (slots_count - 1);
        slots[at] = code + 1;
    }
    *out = (wp_dictionary_index){slots, slots_count - 1};
    return WP_OK;
}

uint32_t wp_dictionary_index_find(const wp_dictionary *dictionary, const wp_dictionary_index *index,
                                  const char *text, size_t length)
{
    size_t at = (size_t)wp_hash_bytes(text, length) & index->slots_mask;
    for (; index->slots[at] != 0; at = (at + 1) & index->slots_mask) {
        size_t other_length;
        const char *other = wp_dictionary_text(dictionary, index->slots[at] - 1, &other_length);
        if (other_length == length && memcmp(other, text, length) == 0)
            return index->slots[at] - 1;
    }
    return UINT32_MAX;
}

int wp_find_numbers(const wp_numbers *columns, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(columns[i].name, name) == 0)
            return (int)i;
    return -1;
}

int wp_find_texts(const wp_texts *columns, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(columns[i].name, name) == 0)
            return (int)i;
    return -1;
}

static bool number_holds(const wp_condition *condition, double number)
{
    if (isnan(number))
        return false;
    if (condition->kind == WP_NUMBER_RANGE)
        return (condition->low_open ? number > condition->low : number >= condition->low) &&
               (condition->high_open ? number < condition->high : number <= condition->high);
    for (uint32_t i = 0; i < condition->numbers_count; i++)
        if (condition->numbers[i] == number)
            return true;
    return false;
}

bool wp_condition_holds(const wp_columns *columns, const wp_condition *condition, uint32_t user,
                        uint32_t row)
{
    if (condition->kind == WP_SELECTED)
        return wp_selection_has(columns, condition->selection, user, row) != condition->negated;
    size_t place = condition->per_user ? user : row;
    if (condition->per_user &&
        !wp_attributes_known(columns, user, wp_time_at(&columns->times, row)))
        return condition->negated; /* no value yet */
    bool holds;
    if (condition->kind == WP_TEXT_IN) {
        const wp_texts *texts =
            &(condition->per_user ? columns->user_texts : columns->texts)[condition->column];
        holds = wp_bit(condition->codes, wp_code_at(&texts->codes, place));
    } else {
        const wp_numbers *numbers =
            &(condition->per_user ? columns->user_numbers : columns->numbers)[condition->column];
        holds = number_holds(condition, wp_number_at(numbers, place));
    }
    return holds != condition->negated;
}

void wp_selection_reset(wp_selection *selection)
{
    wp_free(selection->codes);
    for (uint32_t i = 0; i < selection->conditions_count; i++) {
        wp_free(selection->conditions[i].codes);
        wp_free(selection->conditions[i].numbers);
        if (selection->conditions[i].selection != NULL)
            wp_selection_reset(selection->conditions[i].selection);
        wp_free(selection->conditions[i].selection);
    }
    wp_free(selection->conditions);
    *selection = (wp_selection){0};
}
