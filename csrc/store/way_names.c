/* Columns and texts of an import: what the store lacks is added, the rest is mapped; see
** way_import.h. Only texts that are used by what is imported get into the store. */
#include "store/way_import.h"

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

wp_status wp__import_columns(wp__import *work, wp_error *err)
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
        map[code] = WP__NONE;
        if (!is_missing && !wp_bit(used, code))
            continue;
        uint32_t found = wp_dictionary_index_find(&known, &index, text, length);
        if (is_missing && known.count > 0)
            found = 0;
        else if (found != WP__NONE && taken != NULL && wp_bit(taken, found))
            found = WP__NONE;
        if (found == WP__NONE) {
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

static uint64_t *used_codes(const wp__import *work, const wp_codes *codes, uint32_t count)
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

static uint64_t *used_by_users(const wp__import *work, const wp_codes *codes, uint32_t count)
{
    uint64_t *used = wp_alloc_array_zero((size_t)count / 64 + 1, sizeof *used);
    for (uint32_t i = 0; used != NULL && i < work->all_count; i++) {
        uint32_t code = wp_code_at(codes, work->all[i].user);
        used[code >> 6] |= 1ULL << (code & 63);
    }
    return used;
}

static wp_status map_column(wp__import *work, uint32_t dictionary, const wp_codes *codes,
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

wp_status wp__import_texts(wp__import *work, wp_error *err)
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
