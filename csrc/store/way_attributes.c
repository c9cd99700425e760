/* Attributes of users: one segment per column and part, under run 0, that an import replaces where
** it changes something; see way_import.h. What a later users table does not say stays as it is. */
#include "store/way_import.h"

#include <stdlib.h>

typedef struct attribute {
    uint32_t column;
    char kind; /* 'n', 'c', 'i' */
    const wp_numbers *numbers;
    const wp_codes *codes;
    const uint32_t *map;
    const int64_t *known_at_us;
} attribute;

/* The words of a part's column as they stand: doubles, codes or instants, 8 bytes each. */
static wp_status read_words(wp_way *way, uint32_t part, const attribute *a,
                            wp__way_scratch *scratch, uint64_t *words, wp_error *err)
{
    double nothing = NAN;
    int64_t never = WP_TIME_MISSING;
    uint64_t missing = 0;
    if (a->kind == 'n')
        memcpy(&missing, &nothing, sizeof missing);
    else if (a->kind == 'i')
        memcpy(&missing, &never, sizeof missing);
    for (uint32_t i = 0; i < WP_WAY_PART_USERS; i++)
        words[i] = missing;
    wp_segment segment;
    uint32_t count = 0;
    WP_TRY(wp__way_read_segment(way, part, WP__RUN_OF_USERS, a->column, &scratch->bytes, &segment,
                                err));
    if (segment.size == 0)
        return WP_OK;
    WP_TRY(wp_segment_check(&segment, a->kind, UINT32_MAX, WP_WAY_PART_USERS, &count, err));
    if (a->kind == 'i')
        return wp_segment_instants(&segment, count, (int64_t *)words, err);
    void *room = wp__way_room(scratch, 0, WP_WAY_PART_USERS, 8);
    double *unpacked = wp__way_room(scratch, 1, WP_WAY_PART_USERS, 8);
    if (room == NULL || unpacked == NULL)
        return wp_fail_memory(err, WP_WAY_PART_USERS * 16);
    if (a->kind == 'n') {
        WP_TRY(wp_segment_numbers(&segment, count, room, unpacked, err));
        memcpy(words, room, count * sizeof *words);
        return WP_OK;
    }
    WP_TRY(wp_segment_codes(&segment, count, UINT32_MAX, room, err));
    for (uint32_t i = 0; i < count; i++)
        words[i] = ((uint32_t *)room)[i];
    return WP_OK;
}

/* The user's value; false when they have none, and what the store knows stays. */
static bool attribute_of(const attribute *a, uint32_t user, uint64_t *word)
{
    if (a->kind == 'n') {
        double number = wp_number_at(a->numbers, user);
        memcpy(word, &number, sizeof *word);
        return !isnan(number);
    }
    if (a->kind == 'c') {
        *word = a->map[wp_code_at(a->codes, user)];
        return *word != 0;
    }
    memcpy(word, &a->known_at_us[user], sizeof *word);
    return a->known_at_us[user] != WP_TIME_MISSING;
}

static wp_status write_words(wp_way *way, sqlite3_stmt *insert, uint32_t part, const attribute *a,
                             uint32_t count, uint64_t *words, uint64_t *scratch, wp_error *err)
{
    wp_bytes bytes = {0};
    uint64_t id = (uint64_t)wp__segment_id(part, WP__RUN_OF_USERS, a->column);
    if (a->kind == 'n') {
        wp_segment_of_numbers(&bytes, id, (const double *)(const void *)words, count, scratch);
    } else if (a->kind == 'i') {
        wp_segment_of_instants(&bytes, id, (const int64_t *)(const void *)words, count, scratch);
    } else {
        uint32_t *codes = (uint32_t *)(void *)words; /* never ahead of what is read */
        for (uint32_t i = 0; i < count; i++)
            codes[i] = (uint32_t)words[i];
        wp_segment_of_codes(&bytes, id, codes, count, scratch);
    }
    wp_status status = bytes.failed ? wp_fail_memory(err, bytes.capacity * 2)
                                    : wp__way_put_segment(way, insert, part, WP__RUN_OF_USERS,
                                                          a->column, count, &bytes, err);
    wp_bytes_free(&bytes);
    return status;
}

static wp_status write_attribute(wp__import *work, const attribute *a, sqlite3_stmt *insert,
                                 wp__way_scratch *scratch, wp_error *err)
{
    uint64_t *words = wp__way_room(scratch, 2, WP_WAY_PART_USERS, 8);
    uint64_t *spare = wp__way_room(scratch, 3, WP_WAY_PART_USERS, 8);
    if (words == NULL || spare == NULL)
        return wp_fail_memory(err, WP_WAY_PART_USERS * 16);
    for (uint32_t at = 0; at < work->all_count;) {
        uint32_t part = work->all[at].number / WP_WAY_PART_USERS, first = part * WP_WAY_PART_USERS;
        uint32_t end = at, count = work->numbered_after - first;
        while (end < work->all_count && work->all[end].number / WP_WAY_PART_USERS == part)
            end++;
        WP_TRY(read_words(work->way, part, a, scratch, words, err));
        bool changed = false;
        for (; at < end; at++) {
            uint64_t word;
            uint32_t place = work->all[at].number - first;
            if (!attribute_of(a, work->all[at].user, &word) || words[place] == word)
                continue;
            words[place] = word;
            changed = true;
            work->changes_users |= work->all[at].number < work->numbered_before;
        }
        if (changed)
            WP_TRY(write_words(work->way, insert, part, a,
                               count < WP_WAY_PART_USERS ? count : WP_WAY_PART_USERS, words, spare,
                               err));
    }
    return WP_OK;
}

/* Takes the attributes of moved users along, and leaves nothing behind. */
static wp_status move_attribute(wp__import *work, const attribute *a, sqlite3_stmt *insert,
                                wp__way_scratch *scratch, wp_error *err)
{
    uint32_t parts = (work->numbered_after + WP_WAY_PART_USERS - 1) / WP_WAY_PART_USERS;
    size_t count = (size_t)parts * WP_WAY_PART_USERS;
    uint64_t *spare = wp__way_room(scratch, 3, WP_WAY_PART_USERS, 8);
    uint64_t *words = wp_alloc_array(count, sizeof *words);
    bool *touched = wp_alloc_array_zero(parts, sizeof *touched);
    double nothing = NAN;
    uint64_t missing = a->kind == 'i' ? (uint64_t)WP_TIME_MISSING : 0;
    if (a->kind == 'n')
        memcpy(&missing, &nothing, sizeof missing);
    wp_status status = WP_OK;
    if (spare == NULL || words == NULL || touched == NULL)
        status = wp_fail_memory(err, count * 8);
    for (uint32_t part = 0; status == WP_OK && part < parts; part++)
        status =
            read_words(work->way, part, a, scratch, words + (size_t)part * WP_WAY_PART_USERS, err);
    for (uint32_t i = 0; status == WP_OK && i < work->moved_count; i++) {
        struct wp__moved move = work->moved[i];
        words[move.to] = words[move.from];
        words[move.from] = missing;
        touched[move.to / WP_WAY_PART_USERS] = touched[move.from / WP_WAY_PART_USERS] = true;
    }
    for (uint32_t part = 0; status == WP_OK && part < parts; part++) {
        size_t first = (size_t)part * WP_WAY_PART_USERS, left = work->numbered_after - first;
        if (touched[part])
            status = write_words(work->way, insert, part, a,
                                 (uint32_t)(left < WP_WAY_PART_USERS ? left : WP_WAY_PART_USERS),
                                 words + first, spare, err);
    }
    wp_free(words);
    wp_free(touched);
    return status;
}

static wp_status move_attributes(wp__import *work, wp_error *err)
{
    const wp__way_view *view = &work->way->view;
    sqlite3_stmt *insert = NULL;
    wp__way_scratch scratch = {0};
    if (work->moved_count == 0)
        return WP_OK;
    WP_TRY(wp__way_insert_segments(work->way, &insert, err));
    wp_status status = WP_OK;
    for (uint32_t i = 0; status == WP_OK && i < view->columns_count; i++) {
        const wp__way_column *column = &view->columns[i];
        attribute a = {.column = column->column, .kind = column->is_text ? 'c' : 'n'};
        if (column->per_user)
            status = move_attribute(work, &a, insert, &scratch, err);
    }
    if (status == WP_OK && view->has_known_at) {
        attribute a = {.column = WP__COLUMN_KNOWN_AT, .kind = 'i'};
        status = move_attribute(work, &a, insert, &scratch, err);
    }
    wp__way_scratch_free(&scratch);
    sqlite3_finalize(insert);
    return status;
}

static wp_status write_attributes(wp__import *work, wp_error *err)
{
    const wp_columns *c = work->log->columns;
    const uint32_t *column = work->columns + c->numbers_count + c->texts_count;
    if (c->user_numbers_count + c->user_texts_count == 0 && c->known_at_us == NULL)
        return WP_OK;
    sqlite3_stmt *insert = NULL;
    wp__way_scratch scratch = {0};
    WP_TRY(wp__way_insert_segments(work->way, &insert, err));
    qsort(work->all, work->all_count, sizeof *work->all, wp__by_number);
    wp_status status = WP_OK;
    for (uint32_t i = 0; status == WP_OK && i < c->user_numbers_count; i++) {
        attribute a = {.column = *column++, .kind = 'n', .numbers = &c->user_numbers[i]};
        status = write_attribute(work, &a, insert, &scratch, err);
    }
    for (uint32_t i = 0; status == WP_OK && i < c->user_texts_count; i++) {
        attribute a = {.column = *column++,
                       .kind = 'c',
                       .codes = &c->user_texts[i].codes,
                       .map = work->user_text_maps[i]};
        status = write_attribute(work, &a, insert, &scratch, err);
    }
    if (status == WP_OK && c->known_at_us != NULL) {
        attribute a = {.column = WP__COLUMN_KNOWN_AT, .kind = 'i', .known_at_us = c->known_at_us};
        status = write_attribute(work, &a, insert, &scratch, err);
    }
    wp__way_scratch_free(&scratch);
    sqlite3_finalize(insert);
    return status;
}

wp_status wp__import_attributes(wp__import *work, wp_error *err)
{
    WP_TRY(move_attributes(work, err));
    return write_attributes(work, err);
}
