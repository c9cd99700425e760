/* Imports: adding a log to a store; see way.h.
**
** First every user of the log gets a number, every text a code and every column a place; what is
*new
** is added to the dictionaries. Then the users are taken in the order of their numbers, part by
** part: workers pack a window of parts side by side, the calling thread writes them in order. All
*of
** it is one transaction. A user that had no events so far moves behind those that have: users with
** events keep the order in which they first appear.
**
** Cost: the ids of all users are read once per import (a hash of 8 bytes per user). */
#include "base/hash.h"
#include "store/way_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define NONE UINT32_MAX

typedef struct numbered {
    uint32_t number, user; /* in the store, in the log */
} numbered;

typedef struct import {
    wp_way *way;
    const wp_log *log;
    const wp_way_import *how;
    uint32_t run;
    numbered *users; /* with rows, by number */
    uint32_t users_count;
    numbered *all; /* with or without rows, in the order of the log */
    uint32_t all_count;
    uint32_t *event_map;  /* code here -> code in the store */
    uint32_t **text_maps; /* per text column */
    uint32_t **user_text_maps;
    uint32_t *columns; /* segment column of numbers, texts, user numbers, user texts */
    uint32_t numbered_before, numbered_after;
    struct moved {
        uint32_t from, to;
    } * moved; /* users that were idle get another number */
    uint32_t moved_count;
    uint64_t kept_out_count;
    uint64_t events_count;
    bool changes_users; /* something that was in the store before */
    int64_t first_us, last_us;
} import;

/* --- Columns --------------------------------------------------------------------------------- */

static const char *const kind_names[] = {"value", "number", "text", "user number", "user text"};

static wp_status add_column(wp_way *way, unsigned kind, const char *name, uint32_t *column,
                            wp_error *err)
{
    wp__way_view *view = &way->view;
    bool is_text = kind == 2 || kind == 4, per_user = kind >= 3;
    for (uint32_t i = 0; i < view->columns_count; i++) {
        const wp__way_column *known = &view->columns[i];
        if (strcmp(known->name, name) != 0 || known->per_user != per_user)
            continue;
        if (known->is_text != is_text || known->is_value != (kind == 0))
            return wp_fail(err, WP_INVALID, "append: column '%s': a %s (expected a %s, as in %s)",
                           name, kind_names[kind],
                           kind_names[known->is_value ? 0 : 1 + known->is_text + 2 * per_user],
                           way->path);
        *column = known->column;
        return WP_OK;
    }
    for (uint32_t i = 0; kind == 0 && i < view->columns_count; i++)
        if (view->columns[i].is_value)
            return wp_fail(err, WP_INVALID, "append: value column: '%s' (expected '%s', as in %s)",
                           name, view->columns[i].name, way->path);
    if (view->columns_count + WP__COLUMN_FIRST >= WP__COLUMNS_MOST)
        return wp_fail(err, WP_LIMIT, "append: more than %u columns", WP__COLUMNS_MOST);
    wp__way_column *columns =
        wp_realloc_array(view->columns, (size_t)view->columns_count + 1, sizeof *columns);
    char *copy = wp_copy_string(name, strlen(name));
    if (columns != NULL)
        view->columns = columns;
    if (columns == NULL || copy == NULL) {
        wp_free(copy);
        return wp_fail_memory(err, strlen(name));
    }
    *column = WP__COLUMN_FIRST + view->columns_count;
    columns[view->columns_count] = (wp__way_column){copy, is_text, per_user, kind == 0, *column};
    sqlite3_stmt *insert = NULL;
    WP_TRY(wp__way_prepare(way, "INSERT INTO columns VALUES (?1, ?2, ?3)", &insert, err));
    sqlite3_bind_int64(insert, 1, view->columns_count++);
    sqlite3_bind_text(insert, 2, kind_names[kind], -1, SQLITE_STATIC);
    sqlite3_bind_text(insert, 3, name, -1, SQLITE_STATIC);
    wp_status status = wp__way_run_once(way, insert, err);
    sqlite3_finalize(insert);
    return status;
}

static wp_status place_columns(import *work, wp_error *err)
{
    const wp_columns *c = work->log->columns;
    size_t count =
        (size_t)c->numbers_count + c->texts_count + c->user_numbers_count + c->user_texts_count;
    uint32_t *at = work->columns = wp_alloc_array(count, sizeof *work->columns);
    if (at == NULL)
        return wp_fail_memory(err, count * 4);
    for (uint32_t i = 0; i < c->numbers_count; i++)
        WP_TRY(
            add_column(work->way, i == 0 && c->has_value ? 0 : 1, c->numbers[i].name, at++, err));
    for (uint32_t i = 0; i < c->texts_count; i++)
        WP_TRY(add_column(work->way, 2, c->texts[i].name, at++, err));
    for (uint32_t i = 0; i < c->user_numbers_count; i++)
        WP_TRY(add_column(work->way, 3, c->user_numbers[i].name, at++, err));
    for (uint32_t i = 0; i < c->user_texts_count; i++)
        WP_TRY(add_column(work->way, 4, c->user_texts[i].name, at++, err));
    return WP_OK;
}

/* --- Users ----------------------------------------------------------------------------------- */

/* A user without rows in a log that is not a view is one of the users table. */
static bool takes_part(const wp_log *log, uint32_t user, bool *has_rows)
{
    const wp_columns *columns = log->columns;
    uint32_t row = columns->row_starts[user], end = columns->row_starts[user + 1];
    while (row < end && !wp_bit(log->rows, row))
        row++;
    *has_rows = row < end;
    return wp_bit(log->users, user) && (*has_rows || log->rows == NULL);
}

/* Which users of the store have events, as bits by number; NULL when all have. */
static wp_status find_active(wp_way *way, uint64_t **out, wp_error *err)
{
    size_t words = (size_t)way->view.users_numbered / 64 + 1;
    uint64_t *active = wp_alloc_array_zero(words, sizeof *active);
    wp__way_scratch scratch = {0};
    wp_status status = active != NULL ? WP_OK : wp_fail_memory(err, words * 8);
    for (uint32_t p = 0; status == WP_OK && p < way->view.parts_count; p++) {
        wp__way_part part = {0};
        status = wp__way_part_read(way, p, false, &scratch, &part, err);
        for (uint32_t i = 0; status == WP_OK && i < part.users_count; i++) {
            uint32_t number = p * WP_WAY_PART_USERS + part.offsets[i];
            active[number >> 6] |= 1ULL << (number & 63);
        }
        wp__way_part_free(&part);
    }
    wp__way_scratch_free(&scratch);
    if (status == WP_OK)
        *out = active;
    else
        wp_free(active);
    return status;
}

typedef struct hash_set {
    uint64_t *hashes; /* ascending */
    size_t count;
} hash_set;

static wp_status read_forgotten(wp_way *way, hash_set *out, wp_error *err)
{
    sqlite3_stmt *statement = NULL;
    size_t capacity = 0;
    WP_TRY(wp__way_prepare(way, "SELECT hash FROM forgotten", &statement, err));
    wp_status status = WP_OK;
    for (bool row = true; status == WP_OK;) {
        status = wp__way_step(way, statement, &row, err);
        if (status != WP_OK || !row)
            break;
        if (out->count == capacity) {
            capacity = capacity == 0 ? 64 : capacity * 2;
            uint64_t *hashes = wp_realloc_array(out->hashes, capacity, sizeof *hashes);
            if (hashes == NULL)
                status = wp_fail_memory(err, capacity * 8);
            else
                out->hashes = hashes;
        }
        if (status == WP_OK)
            out->hashes[out->count++] = (uint64_t)sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    return status;
}

static int by_word(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

typedef struct known_users {
    wp_dictionary ids;
    uint64_t *taken;  /* ids that are there no more */
    uint64_t *active; /* NULL: all have events */
    uint64_t *moved;  /* get another number in this import */
    wp_dictionary_index index;
    hash_set forgotten;
    uint64_t salt[2];
} known_users;

static void known_users_free(known_users *known)
{
    wp__dictionary_free(&known->ids);
    wp_free(known->taken);
    wp_free(known->active);
    wp_free(known->moved);
    wp_free(known->index.slots);
    wp_free(known->forgotten.hashes);
}

static wp_status read_known(import *work, known_users *known, wp_error *err)
{
    wp_way *way = work->way;
    WP_TRY(wp__way_read_texts(way, WP__COLUMN_USERS, &known->ids, &known->taken, err));
    if (known->ids.count != way->view.users_numbered)
        return wp_fail(err, WP_CORRUPT, "%s: damaged: number of users", way->path);
    WP_TRY(wp_dictionary_index_build(&known->ids, &known->index, err));
    size_t words = (size_t)known->ids.count / 64 + 1;
    known->moved = wp_alloc_array_zero(words, sizeof *known->moved);
    if (known->moved == NULL)
        return wp_fail_memory(err, words * 8);
    if (known->ids.count > 0)
        WP_TRY(find_active(way, &known->active, err));
    if (!work->how->with_forgotten)
        WP_TRY(read_forgotten(way, &known->forgotten, err));
    if (known->forgotten.count > 1)
        qsort(known->forgotten.hashes, known->forgotten.count, sizeof(uint64_t), by_word);
    return wp__way_salt(way, known->salt, err);
}

static bool is_forgotten(const known_users *known, const char *id, size_t length)
{
    if (known->forgotten.count == 0)
        return false;
    uint64_t hash = wp__way_hash_id(known->salt, id, length);
    return bsearch(&hash, known->forgotten.hashes, known->forgotten.count, sizeof hash, by_word) !=
           NULL;
}

/* The number of a user, NONE when they are to be kept out. New ones are listed in `fresh`. */
static uint32_t number_user(import *work, known_users *known, uint32_t user, bool has_rows,
                            uint32_t *fresh, uint32_t *fresh_count)
{
    size_t length;
    const char *id = wp_dictionary_text(&work->log->columns->user_ids, user, &length);
    uint32_t found = NONE;
    if (known->ids.count > 0)
        found = wp_dictionary_index_find(&known->ids, &known->index, id, length);
    if (found != NONE && known->taken != NULL && wp_bit(known->taken, found))
        found = NONE;
    if (found == NONE && is_forgotten(known, id, length)) {
        work->kept_out_count++;
        return NONE;
    }
    if (found != NONE) {
        if (!has_rows || wp_bit(known->active, found))
            return found;
        known->moved[found >> 6] |= 1ULL << (found & 63);
        work->moved[work->moved_count++] = (struct moved){found, work->numbered_after};
    }
    fresh[(*fresh_count)++] = user;
    return work->numbered_after++;
}

static int by_number(const void *left, const void *right)
{
    uint32_t a = ((const numbered *)left)->number, b = ((const numbered *)right)->number;
    return (a > b) - (a < b);
}

static bool is_ascending(const numbered *users, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        if (users[i - 1].number > users[i].number)
            return false;
    return true;
}

static wp_status number_all(import *work, known_users *known, uint32_t *fresh,
                            uint32_t *fresh_count, wp_error *err)
{
    const wp_columns *columns = work->log->columns;
    for (uint32_t user = 0; user < columns->users_count; user++) {
        bool has_rows = false;
        if (!takes_part(work->log, user, &has_rows))
            continue;
        if (work->numbered_after >= UINT32_MAX - 2)
            return wp_fail(err, WP_LIMIT, "append: more than 2^32 - 3 users");
        uint32_t number = number_user(work, known, user, has_rows, fresh, fresh_count);
        if (number == NONE)
            continue;
        work->all[work->all_count++] = (numbered){number, user};
        if (has_rows)
            work->users[work->users_count++] = (numbered){number, user};
    }
    if (!is_ascending(work->users, work->users_count))
        qsort(work->users, work->users_count, sizeof *work->users, by_number);
    return WP_OK;
}

static wp_status write_users(import *work, const known_users *known, const uint32_t *fresh,
                             uint32_t fresh_count, wp_error *err)
{
    wp_way *way = work->way;
    if (work->moved_count > 0) {
        WP_TRY(wp__way_take_texts(way, WP__COLUMN_USERS, known->moved, err));
        work->changes_users = true;
    }
    return wp__way_add_texts(way, WP__COLUMN_USERS, work->numbered_before,
                             &work->log->columns->user_ids, fresh, fresh_count, err);
}

static wp_status place_users(import *work, known_users *known, wp_error *err)
{
    uint32_t users = work->log->columns->users_count, fresh_count = 0;
    work->users = wp_alloc_array(users, sizeof *work->users);
    work->all = wp_alloc_array(users, sizeof *work->all);
    work->moved = wp_alloc_array(users, sizeof *work->moved);
    uint32_t *fresh = wp_alloc_array(users, sizeof *fresh);
    wp_status status = WP_OK;
    if (work->users == NULL || work->all == NULL || work->moved == NULL || fresh == NULL)
        status = wp_fail_memory(err, users * 8ULL);
    if (status == WP_OK)
        status = read_known(work, known, err);
    if (status == WP_OK) {
        work->numbered_before = work->numbered_after = work->way->view.users_numbered;
        status = number_all(work, known, fresh, &fresh_count, err);
    }
    if (status == WP_OK)
        status = write_users(work, known, fresh, fresh_count, err);
    wp_free(fresh);
    return status;
}

/* --- Texts ----------------------------------------------------------------------------------- */

/* Maps codes to those of the store's dictionary, to which used texts are added that it lacks. In a
** dictionary of values, code 0 is the missing one on both sides. */
static wp_status map_texts(wp_way *way, uint32_t dictionary, const wp_dictionary *texts,
                           const uint64_t *used, bool has_missing, uint32_t **out, wp_error *err)
{
    wp_dictionary known = {0};
    wp_dictionary_index index = {0};
    uint64_t *taken = NULL;
    WP_TRY(wp__way_read_texts(way, dictionary, &known, &taken, err));
    uint32_t *map = wp_alloc_array((size_t)texts->count + 1, sizeof *map);
    uint32_t *fresh = wp_alloc_array((size_t)texts->count + 1, sizeof *fresh);
    uint32_t fresh_count = 0;
    wp_status status =
        map != NULL && fresh != NULL ? WP_OK : wp_fail_memory(err, texts->count * 8ULL);
    if (status == WP_OK)
        status = wp_dictionary_index_build(&known, &index, err);
    for (uint32_t code = 0; status == WP_OK && code < texts->count; code++) {
        size_t length;
        const char *text = wp_dictionary_text(texts, code, &length);
        bool is_missing = has_missing && code == 0;
        map[code] = NONE;
        if (!is_missing && !wp_bit(used, code))
            continue;
        uint32_t found = wp_dictionary_index_find(&known, &index, text, length);
        if (is_missing && known.count > 0)
            found = 0;
        else if (found != NONE && taken != NULL && wp_bit(taken, found))
            found = NONE;
        if (found == NONE) {
            found = known.count + fresh_count;
            fresh[fresh_count++] = code;
        }
        map[code] = found;
    }
    if (status == WP_OK)
        status = wp__way_add_texts(way, dictionary, known.count, texts, fresh, fresh_count, err);
    wp_free(fresh);
    wp_free(taken);
    wp_free(index.slots);
    wp__dictionary_free(&known);
    if (status == WP_OK)
        *out = map;
    else
        wp_free(map);
    return status;
}

static uint64_t *used_codes(const import *work, const wp_codes *codes, uint32_t count)
{
    uint64_t *used = wp_alloc_array_zero((size_t)count / 64 + 1, sizeof *used);
    for (uint32_t i = 0; used != NULL && i < work->users_count; i++) {
        const uint32_t *starts = work->log->columns->row_starts + work->users[i].user;
        for (uint32_t row = starts[0]; row < starts[1]; row++)
            if (wp_bit(work->log->rows, row)) {
                uint32_t code = wp_code_at(codes, row);
                used[code >> 6] |= 1ULL << (code & 63);
            }
    }
    return used;
}

static uint64_t *used_by_users(const import *work, const wp_codes *codes, uint32_t count)
{
    uint64_t *used = wp_alloc_array_zero((size_t)count / 64 + 1, sizeof *used);
    for (uint32_t i = 0; used != NULL && i < work->all_count; i++) {
        uint32_t code = wp_code_at(codes, work->all[i].user);
        used[code >> 6] |= 1ULL << (code & 63);
    }
    return used;
}

static wp_status map_column(import *work, uint32_t dictionary, const wp_codes *codes,
                            const wp_dictionary *texts, bool per_user, uint32_t **map,
                            wp_error *err)
{
    uint64_t *used =
        per_user ? used_by_users(work, codes, texts->count) : used_codes(work, codes, texts->count);
    if (used == NULL)
        return wp_fail_memory(err, texts->count / 8);
    wp_status status =
        map_texts(work->way, dictionary, texts, used, dictionary >= WP__COLUMN_FIRST, map, err);
    wp_free(used);
    return status;
}

static wp_status place_texts(import *work, wp_error *err)
{
    const wp_columns *c = work->log->columns;
    const uint32_t *texts = work->columns + c->numbers_count;
    const uint32_t *user_texts = texts + c->texts_count + c->user_numbers_count;
    work->text_maps = wp_alloc_array_zero(c->texts_count, sizeof *work->text_maps);
    work->user_text_maps = wp_alloc_array_zero(c->user_texts_count, sizeof *work->user_text_maps);
    if (work->text_maps == NULL || work->user_text_maps == NULL)
        return wp_fail_memory(err, c->texts_count * sizeof *work->text_maps);
    WP_TRY(map_column(work, WP__COLUMN_EVENTS, &c->events, &c->event_names, false, &work->event_map,
                      err));
    for (uint32_t i = 0; i < c->texts_count; i++)
        WP_TRY(map_column(work, texts[i], &c->texts[i].codes, &c->texts[i].values, false,
                          &work->text_maps[i], err));
    for (uint32_t i = 0; i < c->user_texts_count; i++)
        WP_TRY(map_column(work, user_texts[i], &c->user_texts[i].codes, &c->user_texts[i].values,
                          true, &work->user_text_maps[i], err));
    return WP_OK;
}

/* --- Rows ------------------------------------------------------------------------------------ */

typedef struct window {
    import *work;
    uint32_t *starts; /* first of work->users of each part of the window, one more */
    wp__way_packed *packed;
    wp__way_scratch *scratches;
} window;

/* The rows of one user, appended to the columns from row `at` on. */
static uint32_t gather_rows(const import *work, uint32_t user, uint32_t at, int64_t *times_us,
                            uint32_t *events, double **numbers, uint32_t **codes)
{
    const wp_log *log = work->log;
    const wp_columns *c = log->columns;
    uint32_t from = at;
    for (uint32_t row = c->row_starts[user]; row < c->row_starts[user + 1]; row++) {
        if (!wp_bit(log->rows, row))
            continue;
        times_us[at] = wp_time_at(&c->times, row);
        events[at] = work->event_map[wp_code_at(&c->events, row)];
        for (uint32_t i = 0; i < c->numbers_count; i++)
            numbers[i][at] = wp_number_at(&c->numbers[i], row);
        for (uint32_t i = 0; i < c->texts_count; i++)
            codes[i][at] = work->text_maps[i][wp_code_at(&c->texts[i].codes, row)];
        at++;
    }
    return at - from;
}

typedef struct gathered {
    uint32_t *offsets, *row_counts, *events;
    int64_t *times_us;
    double **numbers; /* numbers, then NULL per text */
    uint32_t **codes; /* NULL per number, then texts */
} gathered;

static bool gathered_make(gathered *rows, const wp_columns *c, uint32_t users, size_t count)
{
    uint32_t columns = c->numbers_count + c->texts_count;
    *rows = (gathered){.offsets = wp_alloc_array(users, 4),
                       .row_counts = wp_alloc_array(users, 4),
                       .events = wp_alloc_array(count, 4),
                       .times_us = wp_alloc_array(count, 8),
                       .numbers = wp_alloc_array_zero(columns, sizeof *rows->numbers),
                       .codes = wp_alloc_array_zero(columns, sizeof *rows->codes)};
    if (rows->offsets == NULL || rows->row_counts == NULL || rows->events == NULL ||
        rows->times_us == NULL || rows->numbers == NULL || rows->codes == NULL)
        return false;
    for (uint32_t i = 0; i < columns; i++)
        if (i < c->numbers_count ? (rows->numbers[i] = wp_alloc_array(count, 8)) == NULL
                                 : (rows->codes[i] = wp_alloc_array(count, 4)) == NULL)
            return false;
    return true;
}

static void gathered_free(gathered *rows, const wp_columns *c)
{
    for (uint32_t i = 0; i < c->numbers_count + c->texts_count; i++) {
        if (rows->numbers != NULL)
            wp_free(rows->numbers[i]);
        if (rows->codes != NULL)
            wp_free(rows->codes[i]);
    }
    wp_free(rows->offsets);
    wp_free(rows->row_counts);
    wp_free(rows->events);
    wp_free(rows->times_us);
    wp_free(rows->numbers);
    wp_free(rows->codes);
}

static wp_status pack_users(const import *work, const numbered *users, uint32_t users_count,
                            gathered *rows, wp__way_scratch *scratch, wp__way_packed *packed,
                            wp_error *err)
{
    const wp_columns *c = work->log->columns;
    uint32_t at = 0;
    for (uint32_t i = 0; i < users_count; i++) {
        rows->offsets[i] = users[i].number % WP_WAY_PART_USERS;
        rows->row_counts[i] = gather_rows(work, users[i].user, at, rows->times_us, rows->events,
                                          rows->numbers, rows->codes + c->numbers_count);
        at += rows->row_counts[i];
    }
    wp__way_rows ready = {users[0].number / WP_WAY_PART_USERS,
                          users_count,
                          at,
                          rows->offsets,
                          rows->row_counts,
                          rows->times_us,
                          rows->events,
                          c->numbers_count + c->texts_count,
                          work->columns,
                          (const uint32_t *const *)rows->codes,
                          (const double *const *)rows->numbers};
    return wp__way_pack(&ready, work->run, scratch, packed, err);
}

static wp_status pack_part(void *context, size_t chunk, unsigned worker, wp_error *err)
{
    window *w = context;
    const wp_columns *c = w->work->log->columns;
    const numbered *users = w->work->users + w->starts[chunk];
    uint32_t users_count = w->starts[chunk + 1] - w->starts[chunk];
    size_t rows_count = 0;
    for (uint32_t i = 0; i < users_count; i++)
        rows_count += c->row_starts[users[i].user + 1] - c->row_starts[users[i].user];
    gathered rows;
    wp_status status = gathered_make(&rows, c, users_count, rows_count)
                           ? pack_users(w->work, users, users_count, &rows, &w->scratches[worker],
                                        &w->packed[chunk], err)
                           : wp_fail_memory(err, rows_count * 16);
    gathered_free(&rows, c);
    return status;
}

static wp_status write_window(import *work, window *w, uint32_t parts_count, sqlite3_stmt *insert,
                              const wp_run *run, wp_error *err)
{
    wp_status status = wp_pool_run(run, parts_count, pack_part, w, err);
    for (uint32_t i = 0; i < parts_count; i++) {
        if (status == WP_OK && wp_run_interrupted(run))
            status = wp_fail(err, WP_INTERRUPTED, "interrupted");
        if (status == WP_OK) {
            const wp__way_run *made = &w->packed[i].run;
            status = wp__way_put_packed(work->way, insert, &w->packed[i], err);
            work->events_count += made->events_count;
            work->first_us = made->first_us < work->first_us ? made->first_us : work->first_us;
            work->last_us = made->last_us > work->last_us ? made->last_us : work->last_us;
        }
        wp__way_packed_free(&w->packed[i]);
    }
    return status;
}

#define PARTS_PER_WINDOW 32u

static wp_status write_rows(import *work, const wp_run *run, wp_error *err)
{
    sqlite3_stmt *insert = NULL;
    uint32_t starts[PARTS_PER_WINDOW + 1];
    wp__way_packed packed[PARTS_PER_WINDOW] = {0};
    window w = {work, starts, packed, NULL};
    unsigned threads = wp_run_threads(run);
    WP_TRY(wp__way_insert_segments(work->way, &insert, err));
    w.scratches = wp_alloc_array_zero(threads, sizeof *w.scratches);
    wp_status status = w.scratches != NULL ? WP_OK : wp_fail_memory(err, threads * 64);
    work->first_us = INT64_MAX;
    work->last_us = INT64_MIN;
    for (uint32_t at = 0; status == WP_OK && at < work->users_count;) {
        uint32_t parts = 0;
        while (parts < PARTS_PER_WINDOW && at < work->users_count) {
            uint32_t part = work->users[at].number / WP_WAY_PART_USERS;
            starts[parts++] = at;
            while (at < work->users_count && work->users[at].number / WP_WAY_PART_USERS == part)
                at++;
        }
        starts[parts] = at;
        status = write_window(work, &w, parts, insert, run, err);
    }
    for (unsigned i = 0; w.scratches != NULL && i < threads; i++)
        wp__way_scratch_free(&w.scratches[i]);
    wp_free(w.scratches);
    sqlite3_finalize(insert);
    return status;
}

/* --- Attributes ------------------------------------------------------------------------------ */

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
    uint64_t *unpacked = wp__way_room(scratch, 1, WP_WAY_PART_USERS, 8);
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

static wp_status write_attribute(import *work, const attribute *a, sqlite3_stmt *insert,
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
static wp_status move_attribute(import *work, const attribute *a, sqlite3_stmt *insert,
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
        struct moved move = work->moved[i];
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

static wp_status move_attributes(import *work, wp_error *err)
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

static wp_status write_attributes(import *work, wp_error *err)
{
    const wp_columns *c = work->log->columns;
    const uint32_t *column = work->columns + c->numbers_count + c->texts_count;
    if (c->user_numbers_count + c->user_texts_count == 0 && c->known_at_us == NULL)
        return WP_OK;
    sqlite3_stmt *insert = NULL;
    wp__way_scratch scratch = {0};
    WP_TRY(wp__way_insert_segments(work->way, &insert, err));
    qsort(work->all, work->all_count, sizeof *work->all, by_number);
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

/* --- The record ------------------------------------------------------------------------------ */

static wp_status refuse_again(wp_way *way, uint64_t fingerprint, wp_error *err)
{
    sqlite3_stmt *statement = NULL;
    char text[17];
    bool row = false;
    snprintf(text, sizeof text, "%016llx", (unsigned long long)fingerprint);
    WP_TRY(
        wp__way_prepare(way, "SELECT import FROM imports WHERE fingerprint = ?1", &statement, err));
    sqlite3_bind_text(statement, 1, text, -1, SQLITE_STATIC);
    wp_status status = wp__way_step(way, statement, &row, err);
    if (status == WP_OK && row)
        status = wp_fail(err, WP_INVALID,
                         "%s: these events are there already, as import %lld (force = true adds "
                         "them again)",
                         way->path, (long long)sqlite3_column_int64(statement, 0));
    sqlite3_finalize(statement);
    return status;
}

static wp_status write_import(import *work, uint64_t fingerprint, int64_t *number, wp_error *err)
{
    wp_way *way = work->way;
    sqlite3_stmt *insert = NULL;
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)fingerprint);
    WP_TRY(wp__way_prepare(way,
                           "INSERT INTO imports VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                           &insert, err));
    sqlite3_bind_text(insert, 1, text, -1, SQLITE_STATIC);
    if (work->how->source != NULL)
        sqlite3_bind_text(insert, 2, work->how->source, -1, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 3, work->how->now_us);
    sqlite3_bind_int64(insert, 4, (int64_t)work->events_count);
    sqlite3_bind_int64(insert, 5, work->all_count);
    sqlite3_bind_int64(insert, 6,
                       (int64_t)work->numbered_after - work->numbered_before - work->moved_count);
    sqlite3_bind_int64(insert, 7, (int64_t)work->kept_out_count);
    if (work->events_count > 0) {
        sqlite3_bind_int64(insert, 8, work->first_us);
        sqlite3_bind_int64(insert, 9, work->last_us);
    }
    wp_status status = wp__way_run_once(way, insert, err);
    if (status == WP_OK)
        *number = sqlite3_last_insert_rowid(way->connection);
    sqlite3_finalize(insert);
    return status;
}

/* Whether the store now is this log, and nothing else. */
static bool is_whole(const import *work)
{
    return work->numbered_before == 0 && work->log->rows == NULL && work->log->users == NULL &&
           work->kept_out_count == 0 && work->way->view.events_count == 0;
}

static wp_status write_facts(import *work, bool first_import, wp_error *err)
{
    wp_way *way = work->way;
    const wp__way_view *view = &way->view;
    const wp_columns *c = work->log->columns;
    const struct {
        const char *name;
        int64_t value;
    } facts[] = {
        {"generation", view->generation + (work->changes_users || work->how->replace)},
        {"users_numbered", work->numbered_after},
        {"users", (int64_t)view->users_count + work->numbered_after - work->numbered_before -
                      work->moved_count},
        {"run_last", work->run},
        {"rows_skipped", (int64_t)(view->rows_skipped + c->rows_skipped)},
        {"rows_ungrouped", (int64_t)(view->rows_ungrouped + c->rows_ungrouped)},
        {"ties_ordered", (first_import || view->ties_ordered) && c->ties_ordered},
        {"time_zone_assumed", view->time_zone_assumed || c->time_zone_assumed},
        {"has_known_at", view->has_known_at || c->known_at_us != NULL},
    };
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        WP_TRY(wp__way_set(way, facts[i].name, facts[i].value, err));
    return wp__way_set_fingerprint(way, is_whole(work), c->fingerprint, err);
}

/* Empties the store but for its salt and what was forgotten. */
static wp_status clear(wp_way *way, wp_error *err)
{
    int64_t generation = way->view.generation;
    WP_TRY(wp__way_exec(way,
                        "DELETE FROM segments; DELETE FROM runs; DELETE FROM texts; "
                        "DELETE FROM columns; DELETE FROM imports; "
                        "DELETE FROM store WHERE name <> 'salt'",
                        err));
    WP_TRY(wp__way_look(way, err));
    way->view.generation = generation;
    return WP_OK;
}

static wp_status write_all(import *work, const wp_run *run, wp_way_imported *out, wp_error *err)
{
    wp_way *way = work->way;
    uint64_t fingerprint = wp_log_fingerprint(work->log);
    if (work->how->replace)
        WP_TRY(clear(way, err));
    else if (!work->how->force)
        WP_TRY(refuse_again(way, fingerprint, err));
    bool first_import = way->view.run_last == 0;
    if (way->view.run_last >= WP__RUNS_MOST)
        return wp_fail(err, WP_LIMIT, "%s: more than %u imports", way->path, WP__RUNS_MOST);
    if (way->view.events_count + work->log->events_count >= UINT32_MAX - 1)
        return wp_fail(err, WP_LIMIT, "%s: more than 2^32 - 2 events", way->path);
    work->run = way->view.run_last + 1;
    known_users known = {0};
    wp_status status = place_columns(work, err);
    if (status == WP_OK)
        status = place_users(work, &known, err);
    known_users_free(&known);
    WP_TRY(status);
    WP_TRY(place_texts(work, err));
    WP_TRY(write_rows(work, run, err));
    WP_TRY(move_attributes(work, err));
    WP_TRY(write_attributes(work, err));
    WP_TRY(write_import(work, fingerprint, &out->import, err));
    out->events_count = work->events_count;
    out->users_count = work->all_count;
    out->users_new = work->numbered_after - work->numbered_before - work->moved_count;
    out->users_kept_out = work->kept_out_count;
    return write_facts(work, first_import, err);
}

static void import_free(import *work)
{
    const wp_columns *c = work->log->columns;
    for (uint32_t i = 0; work->text_maps != NULL && i < c->texts_count; i++)
        wp_free(work->text_maps[i]);
    for (uint32_t i = 0; work->user_text_maps != NULL && i < c->user_texts_count; i++)
        wp_free(work->user_text_maps[i]);
    wp_free(work->text_maps);
    wp_free(work->user_text_maps);
    wp_free(work->event_map);
    wp_free(work->columns);
    wp_free(work->users);
    wp_free(work->all);
    wp_free(work->moved);
}

wp_status wp_way_append(wp_way *way, const wp_log *log, const wp_way_import *how, const wp_run *run,
                        wp_way_imported *out, wp_error *err)
{
import work = {.way = way, .log = log, .how = how };
    wp_way_imported made = {0};
    way->run = run;
    wp_status status = wp__way_begin_writing(way, err);
    if (status == WP_OK) {
        status = write_all(&work, run, &made, err);
        status = wp__way_end_writing(way, status, err);
    }
    way->run = NULL;
    import_free(&work);
    if (status == WP_OK)
        *out = made;
    return status;
}
