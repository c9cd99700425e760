/* Numbers for the users of an import; see way_import.h.
**
** A user keeps the number they have. New ones follow in the order of the log, and so does a user of
** the store that had no events until now: users with events keep the order in which they first
** appear. Those that were forgotten stay out. Cost: the ids of all users, 8 bytes each for an
** index, and which of them have events. */
#include "store/way_import.h"

#include <stdlib.h>

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
        status = wp__way_part_read(way, p, WP__PART_ORDER, &scratch, &part, err);
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

static wp_status read_known(wp__import *work, known_users *known, wp_error *err)
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

/* The number of a user, WP__NONE when they are to be kept out. New ones are listed in `fresh`. */
static uint32_t number_user(wp__import *work, known_users *known, uint32_t user, bool has_rows,
                            uint32_t *fresh, uint32_t *fresh_count)
{
    size_t length;
    const char *id = wp_dictionary_text(&work->log->columns->user_ids, user, &length);
    uint32_t found = WP__NONE;
    if (known->ids.count > 0)
        found = wp_dictionary_index_find(&known->ids, &known->index, id, length);
    if (found != WP__NONE && known->taken != NULL && wp_bit(known->taken, found))
        found = WP__NONE;
    if (found == WP__NONE && is_forgotten(known, id, length)) {
        work->kept_out_count++;
        return WP__NONE;
    }
    if (found != WP__NONE) {
        if (!has_rows || wp_bit(known->active, found))
            return found;
        known->moved[found >> 6] |= 1ULL << (found & 63);
        work->moved[work->moved_count++] = (struct wp__moved){found, work->numbered_after};
    }
    fresh[(*fresh_count)++] = user;
    return work->numbered_after++;
}

static bool is_ascending(const wp__numbered *users, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        if (users[i - 1].number > users[i].number)
            return false;
    return true;
}

static wp_status number_all(wp__import *work, known_users *known, uint32_t *fresh,
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
        if (number == WP__NONE)
            continue;
        work->all[work->all_count++] = (wp__numbered){number, user};
        if (has_rows)
            work->users[work->users_count++] = (wp__numbered){number, user};
    }
    if (!is_ascending(work->users, work->users_count))
        qsort(work->users, work->users_count, sizeof *work->users, wp__by_number);
    return WP_OK;
}

static wp_status write_users(wp__import *work, const known_users *known, const uint32_t *fresh,
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

wp_status wp__import_users(wp__import *work, wp_error *err)
{
    known_users known = {0};
    uint32_t users = work->log->columns->users_count, fresh_count = 0;
    work->users = wp_alloc_array(users, sizeof *work->users);
    work->all = wp_alloc_array(users, sizeof *work->all);
    work->moved = wp_alloc_array(users, sizeof *work->moved);
    uint32_t *fresh = wp_alloc_array(users, sizeof *fresh);
    wp_status status = WP_OK;
    if (work->users == NULL || work->all == NULL || work->moved == NULL || fresh == NULL)
        status = wp_fail_memory(err, users * 8ULL);
    if (status == WP_OK)
        status = read_known(work, &known, err);
    if (status == WP_OK) {
        work->numbered_before = work->numbered_after = work->way->view.users_numbered;
        status = number_all(work, &known, fresh, &fresh_count, err);
    }
    if (status == WP_OK)
        status = write_users(work, &known, fresh, fresh_count, err);
    known_users_free(&known);
    wp_free(fresh);
    return status;
}
