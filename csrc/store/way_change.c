/* What rewrites a store: compacting, and forgetting a user; see way.h.
**
** Both put a part's runs together and write them as one. Forgetting leaves out a user's rows, takes
** their id and every text that nobody else has out of the dictionaries, blanks their attributes and
** records a keyed hash of the id. SQLite overwrites freed bytes with zeros (secure_delete), in the
** same transaction. Cost: compacting is linear in the parts that have several runs; forgetting
** rewrites one part and reads the text columns of all, to know which texts others have. */
#include "store/way_internal.h"

/* --- One part as one run --------------------------------------------------------------------- */

/* All columns of a part, in final order. */
typedef struct whole_part {
    wp__way_part part;
    uint32_t *events;
    uint32_t *columns; /* of events, in segments */
    double **numbers;  /* NULL for texts */
    uint32_t **codes;  /* NULL for numbers */
    uint32_t columns_count;
} whole_part;

static void whole_part_free(whole_part *whole)
{
    for (uint32_t i = 0; i < whole->columns_count; i++) {
        if (whole->numbers != NULL)
            wp_free(whole->numbers[i]);
        if (whole->codes != NULL)
            wp_free(whole->codes[i]);
    }
    wp_free(whole->numbers);
    wp_free(whole->codes);
    wp_free(whole->columns);
    wp_free(whole->events);
    wp__way_part_free(&whole->part);
}

static wp_status read_columns(wp_way *way, whole_part *whole, wp__way_scratch *scratch,
                              wp_error *err)
{
    const wp__way_view *view = &way->view;
    uint32_t rows = whole->part.rows_count;
    whole->columns = wp_alloc_array_zero(view->columns_count, sizeof *whole->columns);
    whole->numbers = wp_alloc_array_zero(view->columns_count, sizeof *whole->numbers);
    whole->codes = wp_alloc_array_zero(view->columns_count, sizeof *whole->codes);
    whole->events = wp_alloc_array(rows, sizeof *whole->events);
    if (whole->columns == NULL || whole->numbers == NULL || whole->codes == NULL ||
        whole->events == NULL)
        return wp_fail_memory(err, rows * 4ULL);
    WP_TRY(wp__way_part_codes(way, &whole->part, WP__COLUMN_EVENTS, UINT32_MAX, scratch,
                              whole->events, err));
    for (uint32_t i = 0; i < view->columns_count; i++) {
        const wp__way_column *column = &view->columns[i];
        if (column->per_user)
            continue;
        uint32_t n = whole->columns_count++;
        whole->columns[n] = column->column;
        if (column->is_text) {
            whole->codes[n] = wp_alloc_array(rows, sizeof **whole->codes);
            if (whole->codes[n] == NULL)
                return wp_fail_memory(err, rows * 4ULL);
            WP_TRY(wp__way_part_codes(way, &whole->part, column->column, UINT32_MAX, scratch,
                                      whole->codes[n], err));
        } else {
            whole->numbers[n] = wp_alloc_array(rows, sizeof **whole->numbers);
            if (whole->numbers[n] == NULL)
                return wp_fail_memory(err, rows * 8ULL);
            WP_TRY(wp__way_part_numbers(way, &whole->part, column->column, scratch,
                                        whole->numbers[n], err));
        }
    }
    return WP_OK;
}

static wp_status read_whole(wp_way *way, uint32_t part, wp__way_scratch *scratch, whole_part *whole,
                            wp_error *err)
{
    *whole = (whole_part){0};
    wp_status status = wp__way_part_read(way, part, WP__PART_TIMES, scratch, &whole->part, err);
    if (status == WP_OK)
        status = read_columns(way, whole, scratch, err);
    if (status != WP_OK)
        whole_part_free(whole);
    return status;
}

static wp_status drop_part(wp_way *way, uint32_t part, wp_error *err)
{
    static const char *const sql[] = {"DELETE FROM segments WHERE id BETWEEN ?1 AND ?2",
                                      "DELETE FROM runs WHERE id BETWEEN ?1 AND ?2"};
    for (size_t i = 0; i < 2; i++) {
        sqlite3_stmt *statement = NULL;
        WP_TRY(wp__way_prepare(way, sql[i], &statement, err));
        sqlite3_bind_int64(statement, 1, wp__segment_id(part, 1, 0));
        sqlite3_bind_int64(statement, 2, wp__segment_id(part, WP__RUNS_MOST, WP__COLUMNS_MOST));
        wp_status status = wp__way_run_once(way, statement, err);
        sqlite3_finalize(statement);
        WP_TRY(status);
    }
    return WP_OK;
}

static wp_status write_whole(wp_way *way, const whole_part *whole, uint32_t run,
                             wp__way_scratch *scratch, wp_error *err)
{
    const wp__way_part *part = &whole->part;
    WP_TRY(drop_part(way, part->part, err));
    if (part->rows_count == 0)
        return WP_OK;
    wp__way_rows rows = {part->part,
                         part->users_count,
                         part->rows_count,
                         part->offsets,
                         part->row_counts,
                         part->times_us,
                         whole->events,
                         whole->columns_count,
                         whole->columns,
                         (const uint32_t *const *)whole->codes,
                         (const double *const *)whole->numbers};
    wp__way_packed packed = {0};
    sqlite3_stmt *insert = NULL;
    wp_status status = wp__way_pack(&rows, run, scratch, &packed, err);
    if (status == WP_OK)
        status = wp__way_insert_segments(way, &insert, err);
    if (status == WP_OK)
        status = wp__way_put_packed(way, insert, &packed, err);
    sqlite3_finalize(insert);
    wp__way_packed_free(&packed);
    return status;
}

/* --- Compacting ------------------------------------------------------------------------------ */

static wp_status compact_parts(wp_way *way, const wp_run *run, uint64_t *merged_count,
                               wp_error *err)
{
    wp__way_scratch scratch = {0};
    wp_status status = WP_OK;
    uint32_t number = way->view.run_last + 1;
    if (number > WP__RUNS_MOST)
        return wp_fail(err, WP_LIMIT, "%s: more than %u runs", way->path, WP__RUNS_MOST);
    *merged_count = 0;
    for (uint32_t part = 0; status == WP_OK && part < way->view.parts_count; part++) {
        const wp__way_run *first;
        if (wp__way_part_runs(&way->view, part, &first) < 2)
            continue;
        if (wp_run_interrupted(run)) {
            status = wp_fail(err, WP_INTERRUPTED, "interrupted");
            break;
        }
        whole_part whole;
        status = read_whole(way, part, &scratch, &whole, err);
        if (status == WP_OK) {
            status = write_whole(way, &whole, number, &scratch, err);
            whole_part_free(&whole);
            ++*merged_count;
        }
    }
    wp__way_scratch_free(&scratch);
    if (status == WP_OK && *merged_count > 0) {
        status = wp__way_set(way, "generation", way->view.generation + 1, err);
        if (status == WP_OK)
            status = wp__way_set(way, "run_last", number, err);
    }
    return status;
}

wp_status wp_way_compact(wp_way *way, const wp_run *run, uint64_t *merged_count, wp_error *err)
{
    uint64_t count = 0;
    way->run = run;
    wp_status status = wp__way_begin_writing(way, err);
    if (status == WP_OK) {
        status = compact_parts(way, run, &count, err);
        status = wp__way_end_writing(way, status, err);
    }
    way->run = NULL;
    if (status == WP_OK) /* leaves the events alone: a store that stays large is no harm */
        status = wp__way_exec(way, "VACUUM", err);
    if (status == WP_OK)
        *merged_count = count;
    return status;
}

/* --- Forgetting ------------------------------------------------------------------------------ */

/* Leaves out the rows of one user; marks the codes they had. */
static uint32_t cut_user(whole_part *whole, uint32_t offset, uint64_t *had_events,
                         uint64_t **had_texts)
{
    wp__way_part *part = &whole->part;
    uint32_t user = 0, row = 0;
    while (user < part->users_count && part->offsets[user] != offset)
        row += part->row_counts[user++];
    if (user == part->users_count)
        return 0;
    uint32_t count = part->row_counts[user], rest = part->rows_count - row - count;
    for (uint32_t i = row; i < row + count; i++) {
        had_events[whole->events[i] >> 6] |= 1ULL << (whole->events[i] & 63);
        for (uint32_t k = 0; k < whole->columns_count; k++)
            if (whole->codes[k] != NULL && whole->codes[k][i] != 0)
                had_texts[k][whole->codes[k][i] >> 6] |= 1ULL << (whole->codes[k][i] & 63);
    }
    memmove(part->times_us + row, part->times_us + row + count, rest * sizeof *part->times_us);
    memmove(whole->events + row, whole->events + row + count, rest * sizeof *whole->events);
    for (uint32_t k = 0; k < whole->columns_count; k++) {
        if (whole->codes[k] != NULL)
            memmove(whole->codes[k] + row, whole->codes[k] + row + count, rest * sizeof(uint32_t));
        else
            memmove(whole->numbers[k] + row, whole->numbers[k] + row + count,
                    rest * sizeof(double));
    }
    uint32_t users_after = part->users_count - user - 1;
    memmove(part->offsets + user, part->offsets + user + 1, users_after * sizeof *part->offsets);
    memmove(part->row_counts + user, part->row_counts + user + 1,
            users_after * sizeof *part->row_counts);
    part->users_count--;
    part->rows_count -= count;
    return count;
}

static size_t count_bits(const uint64_t *bits, size_t words)
{
    size_t count = 0;
    for (size_t i = 0; i < words; i++)
        count += (size_t)__builtin_popcountll(bits[i]);
    return count;
}

/* Takes out of `had` the codes that occur in a column of events, in the store as it now is. */
static wp_status keep_used(wp_way *way, uint32_t column, uint64_t *had, size_t words,
                           wp__way_scratch *scratch, wp_error *err)
{
    for (uint32_t number = 0; number < way->view.parts_count && count_bits(had, words) > 0;
         number++) {
        wp__way_part part = {0};
        WP_TRY(wp__way_part_read(way, number, WP__PART_ORDER, scratch, &part, err));
        uint32_t *codes = wp__way_room(scratch, 3, part.rows_count, sizeof *codes);
        wp_status status = codes == NULL
                               ? wp_fail_memory(err, part.rows_count * 4ULL)
                               : wp__way_part_codes(way, &part, column, (uint32_t)(words * 64),
                                                    scratch, codes, err);
        for (uint32_t i = 0; status == WP_OK && i < part.rows_count; i++)
            had[codes[i] >> 6] &= ~(1ULL << (codes[i] & 63));
        wp__way_part_free(&part);
        WP_TRY(status);
    }
    return WP_OK;
}

static wp_status keep_used_by_users(wp_way *way, uint32_t column, uint64_t *had, size_t words,
                                    wp__way_scratch *scratch, wp_error *err)
{
    uint32_t *codes = wp__way_room(scratch, 3, WP_WAY_PART_USERS, sizeof *codes);
    if (codes == NULL)
        return wp_fail_memory(err, WP_WAY_PART_USERS * 4);
    for (uint32_t part = 0; part < way->view.parts_count; part++) {
        wp_segment segment;
        uint32_t count = 0;
        WP_TRY(wp__way_read_segment(way, part, WP__RUN_OF_USERS, column, &scratch->bytes, &segment,
                                    err));
        if (segment.size == 0)
            continue;
        WP_TRY(wp_segment_check(&segment, 'c', UINT32_MAX, WP_WAY_PART_USERS, &count, err));
        WP_TRY(wp_segment_codes(&segment, count, (uint32_t)(words * 64), codes, err));
        for (uint32_t i = 0; i < count; i++)
            had[codes[i] >> 6] &= ~(1ULL << (codes[i] & 63));
    }
    return WP_OK;
}

typedef struct forgetting {
    wp_way *way;
    uint32_t number; /* of the user */
    wp__way_scratch scratch;
    uint64_t *had_events;
    uint64_t **had; /* per column of the view: bit per code; NULL for numbers */
    uint32_t *dictionary_counts;
    uint32_t events_names_count;
    uint64_t texts_count, events_count;
} forgetting;

static wp_status forgetting_start(forgetting *work, wp_error *err)
{
    const wp__way_view *view = &work->way->view;
    WP_TRY(wp__way_count_texts(work->way, WP__COLUMN_EVENTS, &work->events_names_count, err));
    work->had_events = wp_alloc_array_zero((size_t)work->events_names_count / 64 + 1, 8);
    work->had = wp_alloc_array_zero(view->columns_count, sizeof *work->had);
    work->dictionary_counts = wp_alloc_array_zero(view->columns_count, sizeof(uint32_t));
    if (work->had_events == NULL || work->had == NULL || work->dictionary_counts == NULL)
        return wp_fail_memory(err, view->columns_count * 8ULL);
    for (uint32_t i = 0; i < view->columns_count; i++) {
        if (!view->columns[i].is_text)
            continue;
        WP_TRY(wp__way_count_texts(work->way, view->columns[i].column, &work->dictionary_counts[i],
                                   err));
        work->had[i] = wp_alloc_array_zero((size_t)work->dictionary_counts[i] / 64 + 1, 8);
        if (work->had[i] == NULL)
            return wp_fail_memory(err, work->dictionary_counts[i] / 8);
    }
    return WP_OK;
}

static void forgetting_end(forgetting *work)
{
    for (uint32_t i = 0; work->had != NULL && i < work->way->view.columns_count; i++)
        wp_free(work->had[i]);
    wp_free(work->had);
    wp_free(work->had_events);
    wp_free(work->dictionary_counts);
    wp__way_scratch_free(&work->scratch);
}

/* Codes found in segments must be in the dictionaries before they index bitmaps. */
static bool codes_fit(const forgetting *work, const whole_part *whole)
{
    uint32_t rows = whole->part.rows_count;
    for (uint32_t i = 0; i < rows; i++)
        if (whole->events[i] >= work->events_names_count)
            return false;
    for (uint32_t k = 0; k < whole->columns_count; k++)
        for (uint32_t i = 0; whole->codes[k] != NULL && i < rows; i++)
            if (whole->codes[k][i] >= work->dictionary_counts[whole->columns[k] - WP__COLUMN_FIRST])
                return false;
    return true;
}

static wp_status forget_events(forgetting *work, wp_error *err)
{
    wp_way *way = work->way;
    whole_part whole;
    WP_TRY(read_whole(way, work->number / WP_WAY_PART_USERS, &work->scratch, &whole, err));
    wp_status status = WP_OK;
    uint64_t **had = wp_alloc_array_zero(whole.columns_count, sizeof *had);
    if (had == NULL)
        status = wp_fail_memory(err, whole.columns_count * sizeof *had);
    else if (!codes_fit(work, &whole))
        status = wp_fail(err, WP_CORRUPT, "%s: damaged: codes out of range", way->path);
    if (status == WP_OK) {
        for (uint32_t k = 0; k < whole.columns_count; k++)
            had[k] = work->had[whole.columns[k] - WP__COLUMN_FIRST];
        work->events_count =
            cut_user(&whole, work->number % WP_WAY_PART_USERS, work->had_events, had);
        if (work->events_count > 0)
            status = write_whole(way, &whole, way->view.run_last + 1, &work->scratch, err);
    }
    wp_free(had);
    whole_part_free(&whole);
    return status;
}

/* Blanks the user in one column of attributes. */
static wp_status forget_attribute(forgetting *work, sqlite3_stmt *insert, uint32_t column,
                                  char kind, uint64_t *had, uint32_t below, wp_error *err)
{
    wp_way *way = work->way;
    wp__way_scratch *scratch = &work->scratch;
    uint32_t part = work->number / WP_WAY_PART_USERS, place = work->number % WP_WAY_PART_USERS;
    uint32_t count = 0;
    wp_segment segment;
    void *room = wp__way_room(scratch, 0, WP_WAY_PART_USERS, 8);
    void *words = wp__way_room(scratch, 1, WP_WAY_PART_USERS, 8);
    if (room == NULL || words == NULL)
        return wp_fail_memory(err, WP_WAY_PART_USERS * 16);
    WP_TRY(
        wp__way_read_segment(way, part, WP__RUN_OF_USERS, column, &scratch->bytes, &segment, err));
    if (segment.size == 0)
        return WP_OK;
    WP_TRY(wp_segment_check(&segment, kind, UINT32_MAX, WP_WAY_PART_USERS, &count, err));
    if (place >= count)
        return WP_OK;
    wp_bytes bytes = {0};
    if (kind == 'n') {
        WP_TRY(wp_segment_numbers(&segment, count, room, words, err));
        ((double *)room)[place] = NAN;
        wp_segment_of_numbers(&bytes, segment.id, room, count, words);
    } else if (kind == 'i') {
        WP_TRY(wp_segment_instants(&segment, count, room, err));
        ((int64_t *)room)[place] = WP_TIME_MISSING;
        wp_segment_of_instants(&bytes, segment.id, room, count, words);
    } else {
        uint32_t *codes = room;
        WP_TRY(wp_segment_codes(&segment, count, below, codes, err));
        if (codes[place] != 0)
            had[codes[place] >> 6] |= 1ULL << (codes[place] & 63);
        codes[place] = 0;
        wp_segment_of_codes(&bytes, segment.id, codes, count, words);
    }
    wp_status status = bytes.failed ? wp_fail_memory(err, bytes.capacity * 2)
                                    : wp__way_put_segment(way, insert, part, WP__RUN_OF_USERS,
                                                          column, count, &bytes, err);
    wp_bytes_free(&bytes);
    return status;
}

static wp_status forget_attributes(forgetting *work, wp_error *err)
{
    const wp__way_view *view = &work->way->view;
    sqlite3_stmt *insert = NULL;
    WP_TRY(wp__way_insert_segments(work->way, &insert, err));
    wp_status status = WP_OK;
    for (uint32_t i = 0; status == WP_OK && i < view->columns_count; i++)
        if (view->columns[i].per_user)
            status = forget_attribute(work, insert, view->columns[i].column,
                                      view->columns[i].is_text ? 'c' : 'n', work->had[i],
                                      work->dictionary_counts[i], err);
    if (status == WP_OK && view->has_known_at)
        status = forget_attribute(work, insert, WP__COLUMN_KNOWN_AT, 'i', NULL, 0, err);
    sqlite3_finalize(insert);
    return status;
}

/* Texts of one dictionary that only this user had. The view must be that of the file now. */
static wp_status forget_texts(forgetting *work, uint32_t column, bool per_user, uint64_t *had,
                              uint32_t count, wp_error *err)
{
    size_t words = (size_t)count / 64 + 1;
    if (count_bits(had, words) == 0)
        return WP_OK;
    WP_TRY(per_user ? keep_used_by_users(work->way, column, had, words, &work->scratch, err)
                    : keep_used(work->way, column, had, words, &work->scratch, err));
    size_t gone = count_bits(had, words);
    work->texts_count += gone;
    return gone > 0 ? wp__way_take_texts(work->way, column, had, err) : WP_OK;
}

static wp_status forget_all_texts(forgetting *work, wp_error *err)
{
    const wp__way_view *view = &work->way->view;
    for (uint32_t i = 0; i < view->columns_count; i++)
        if (view->columns[i].is_text)
            WP_TRY(forget_texts(work, view->columns[i].column, view->columns[i].per_user,
                                work->had[i], work->dictionary_counts[i], err));
    WP_TRY(forget_texts(work, WP__COLUMN_EVENTS, false, work->had_events, work->events_names_count,
                        err));
    uint64_t *taken = wp_alloc_array_zero((size_t)view->users_numbered / 64 + 1, sizeof *taken);
    if (taken == NULL)
        return wp_fail_memory(err, view->users_numbered / 8);
    taken[work->number >> 6] |= 1ULL << (work->number & 63);
    wp_status status = wp__way_take_texts(work->way, WP__COLUMN_USERS, taken, err);
    wp_free(taken);
    return status;
}

static wp_status record_forgotten(wp_way *way, const char *id, size_t length, int64_t now_us,
                                  uint64_t events_count, wp_error *err)
{
    uint64_t salt[2];
    sqlite3_stmt *insert = NULL;
    WP_TRY(wp__way_salt(way, salt, err));
    WP_TRY(
        wp__way_prepare(way, "INSERT OR REPLACE INTO forgotten VALUES (?1, ?2, ?3)", &insert, err));
    sqlite3_bind_int64(insert, 1, (int64_t)wp__way_hash_id(salt, id, length));
    sqlite3_bind_int64(insert, 2, now_us);
    sqlite3_bind_int64(insert, 3, (int64_t)events_count);
    wp_status status = wp__way_run_once(way, insert, err);
    sqlite3_finalize(insert);
    return status;
}

static wp_status find_user(wp_way *way, const char *id, size_t length, uint32_t *number,
                           wp_error *err)
{
    wp_dictionary ids = {0};
    uint64_t *taken = NULL;
    *number = UINT32_MAX;
    WP_TRY(wp__way_read_texts(way, WP__COLUMN_USERS, &ids, &taken, err));
    for (uint32_t i = 0; i < ids.count && *number == UINT32_MAX; i++) {
        size_t other_length;
        const char *other = wp_dictionary_text(&ids, i, &other_length);
        if (other_length == length && memcmp(other, id, length) == 0 &&
            (taken == NULL || !wp_bit(taken, i)))
            *number = i;
    }
    wp__dictionary_free(&ids);
    wp_free(taken);
    return WP_OK;
}

static wp_status forget_found(forgetting *work, wp_error *err)
{
    wp_way *way = work->way;
    WP_TRY(forgetting_start(work, err));
    if (way->view.run_last >= WP__RUNS_MOST)
        return wp_fail(err, WP_LIMIT, "%s: more than %u runs", way->path, WP__RUNS_MOST);
    WP_TRY(forget_events(work, err));
    WP_TRY(forget_attributes(work, err));
    WP_TRY(wp__way_set(way, "generation", way->view.generation + 1, err));
    WP_TRY(wp__way_set(way, "users", (int64_t)way->view.users_count - 1, err));
    WP_TRY(wp__way_set(way, "run_last", (int64_t)way->view.run_last + 1, err));
    WP_TRY(wp__way_set_fingerprint(way, false, 0, err));
    uint32_t columns = way->view.columns_count;
    WP_TRY(wp__way_look(way, err));
    if (columns != way->view.columns_count)
        return wp_fail(err, WP_CORRUPT, "%s: damaged: table columns", way->path);
    return forget_all_texts(work, err);
}

wp_status wp_way_forget(wp_way *way, const char *id, size_t length, int64_t now_us,
                        const wp_run *run, wp_way_forgotten *out, wp_error *err)
{
    forgetting work = {.way = way};
    way->run = run;
    wp_status status = wp__way_begin_writing(way, err);
    bool begun = status == WP_OK;
    if (status == WP_OK)
        status = find_user(way, id, length, &work.number, err);
    bool found = status == WP_OK && work.number != UINT32_MAX;
    if (found) {
        status = forget_found(&work, err);
        forgetting_end(&work);
    }
    if (status == WP_OK) /* also somebody unknown: they may come with a later import */
        status = record_forgotten(way, id, length, now_us, work.events_count, err);
    if (begun)
        status = wp__way_end_writing(way, status, err);
    way->run = NULL;
    if (status == WP_OK)
        *out = (wp_way_forgotten){found, work.events_count, work.texts_count};
    return status;
}
