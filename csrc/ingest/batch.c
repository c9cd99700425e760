/* The build: schema, aliases, users table and the batches that writers add; see batch.h. Writers
** are in csrc/ingest/writer.c, the join in csrc/ingest/join.c. */
#include "ingest/batch_internal.h"

#include "base/memory.h"

/* --- Small helpers ---------------------------------------------------------------------------- */

unsigned wp__code_width(uint32_t count)
{
    return count <= 1 ? 0 : count <= 1u << 8 ? 1 : count <= 1u << 16 ? 2 : 4;
}

void wp__put_code(wp_codes *codes, size_t row, uint32_t code)
{
    if (codes->width == 1)
        ((uint8_t *)codes->data)[row] = (uint8_t)code;
    else if (codes->width == 2)
        ((uint16_t *)codes->data)[row] = (uint16_t)code;
    else if (codes->width == 4)
        ((uint32_t *)codes->data)[row] = code;
}

static void dictionary_free(wp_batch_dictionary *dictionary)
{
    wp_free(dictionary->offsets);
    wp_free(dictionary->bytes);
    wp_free(dictionary->global);
}

void wp__batch_free(wp_batch *batch, uint32_t numbers_count, uint32_t texts_count)
{
    if (batch == NULL)
        return;
    dictionary_free(&batch->event_names);
    wp_free(batch->users);
    wp_free(batch->user_bytes);
    wp_free(batch->slots);
    wp_free(batch->times.offsets);
    wp_free(batch->times.micros);
    wp_free(batch->events.data);
    for (uint32_t i = 0; batch->numbers != NULL && i < numbers_count; i++) {
        wp_free(batch->numbers[i].present);
        wp_free(batch->numbers[i].packed);
        wp_free(batch->numbers[i].rows);
    }
    for (uint32_t i = 0; i < texts_count; i++) {
        if (batch->texts != NULL)
            wp_free(batch->texts[i].data);
        if (batch->text_values != NULL)
            dictionary_free(&batch->text_values[i]);
    }
    wp_free(batch->numbers);
    wp_free(batch->texts);
    wp_free(batch->text_values);
    wp_free(batch->orders);
    wp_free(batch);
}

/* --- The build -------------------------------------------------------------------------------- */

static bool copy_names(char **into, const char *const *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if ((into[i] = wp_copy_string(names[i], strlen(names[i]))) == NULL)
            return false;
    return true;
}

wp_status wp_build_start(const wp_schema *schema, wp_build **out, wp_error *err)
{
    wp_build *build = wp_alloc_zero(sizeof *build);
    if (build == NULL)
        return wp_fail_memory(err, sizeof *build);
    wp_lock_init(&build->lock);
    build->numbers_count = schema->numbers_count;
    build->texts_count = schema->texts_count;
    build->user_numbers_count = schema->user_numbers_count;
    build->user_texts_count = schema->user_texts_count;
    build->has_value = schema->has_value;
    build->has_order = schema->has_order;
    build->has_known_at = schema->has_known_at;
    size_t names_count = (size_t)schema->numbers_count + schema->texts_count +
                         schema->user_numbers_count + schema->user_texts_count;
    build->names = wp_alloc_array_zero(names_count, sizeof *build->names);
    build->user_text_values =
        wp_alloc_array_zero(schema->user_texts_count, sizeof *build->user_text_values);
    char **names = build->names;
    if (names == NULL || build->user_text_values == NULL ||
        !copy_names(names, schema->numbers, schema->numbers_count) ||
        !copy_names(names += schema->numbers_count, schema->texts, schema->texts_count) ||
        !copy_names(names += schema->texts_count, schema->user_numbers,
                    schema->user_numbers_count) ||
        !copy_names(names += schema->user_numbers_count, schema->user_texts,
                    schema->user_texts_count)) {
        wp_build_free(build);
        return wp_fail_memory(err, names_count * sizeof *build->names);
    }
    *out = build;
    return WP_OK;
}

void wp_build_free(wp_build *build)
{
    if (build == NULL)
        return;
    size_t names_count = (size_t)build->numbers_count + build->texts_count +
                         build->user_numbers_count + build->user_texts_count;
    for (size_t i = 0; build->names != NULL && i < names_count; i++)
        wp_free(build->names[i]);
    wp_free(build->names);
    for (size_t i = 0; i < build->batches_count; i++)
        wp__batch_free(build->batches[i], build->numbers_count, build->texts_count);
    wp_free(build->batches);
    wp_intern_free(&build->aliases);
    wp_intern_free(&build->alias_users);
    wp_free(build->alias_targets);
    wp_intern_free(&build->user_ids);
    wp_free(build->user_numbers);
    wp_free(build->user_texts);
    wp_free(build->known_at_us);
    for (uint32_t i = 0; build->user_text_values != NULL && i < build->user_texts_count; i++)
        wp_intern_free(&build->user_text_values[i]);
    wp_free(build->user_text_values);
    wp_lock_free(&build->lock);
    wp_free(build);
}

void wp_build_count_skipped(wp_build *build, uint64_t rows_count)
{
    wp_lock_take(&build->lock);
    build->rows_skipped += rows_count;
    wp_lock_release(&build->lock);
}

/* --- Aliases and the users table -------------------------------------------------------------- */

wp_slice wp__resolve_alias(const wp_build *build, wp_slice id)
{
    for (;;) {
        uint32_t code =
            wp_intern_find(&build->aliases, id.text, id.length, wp_hash_bytes(id.text, id.length));
        if (code == UINT32_MAX)
            return id;
        uint32_t target = build->alias_targets[code];
        uint64_t start = build->alias_users.offsets[target];
        id = (wp_slice){build->alias_users.bytes + start,
                        (size_t)(build->alias_users.offsets[target + 1] - start)};
    }
}

wp_status wp_build_add_alias(wp_build *build, wp_slice alias, wp_slice user, wp_error *err)
{
    if (alias.length == user.length && memcmp(alias.text, user.text, alias.length) == 0)
        return WP_OK;
    wp_slice end = wp__resolve_alias(build, user);
    if (end.length == alias.length && memcmp(end.text, alias.text, alias.length) == 0)
        return wp_fail(err, WP_PARSE,
                       "alias '%.*s': stands for '%.*s' and the other way round (expected one id "
                       "per person)",
                       (int)alias.length, alias.text, (int)user.length, user.text);
    uint32_t before = build->aliases.count;
    uint32_t code = wp__intern_slice(&build->aliases, alias);
    uint32_t target = wp__intern_slice(&build->alias_users, user);
    if (code == UINT32_MAX || target == UINT32_MAX)
        return wp_fail_memory(err, alias.length + user.length);
    if (build->aliases.count == before && build->alias_targets[code] != target)
        return wp_fail(err, WP_PARSE,
                       "alias '%.*s': stands for two users, the second is '%.*s' (expected one)",
                       (int)alias.length, alias.text, (int)user.length, user.text);
    if (code >= build->alias_capacity) {
        size_t capacity = build->alias_capacity < 16 ? 16 : build->alias_capacity * 2;
        uint32_t *targets = wp_realloc_array(build->alias_targets, capacity, sizeof *targets);
        if (targets == NULL) {
            build->aliases.count = 0; /* unusable from here on; the build is given up */
            wp_intern_clear(&build->aliases);
            return wp_fail_memory(err, capacity * sizeof *targets);
        }
        build->alias_targets = targets;
        build->alias_capacity = capacity;
    }
    build->alias_targets[code] = target;
    return WP_OK;
}

static wp_status grow_users(wp_build *build, wp_error *err)
{
    size_t capacity = build->user_capacity < 16 ? 16 : build->user_capacity * 2;
    double *numbers = wp_realloc_array(build->user_numbers, capacity * build->user_numbers_count,
                                       sizeof *numbers);
    if (numbers == NULL)
        return wp_fail_memory(err, capacity * sizeof *numbers);
    build->user_numbers = numbers;
    uint32_t *texts =
        wp_realloc_array(build->user_texts, capacity * build->user_texts_count, sizeof *texts);
    if (texts == NULL)
        return wp_fail_memory(err, capacity * sizeof *texts);
    build->user_texts = texts;
    int64_t *known = wp_realloc_array(build->known_at_us, capacity, sizeof *known);
    if (known == NULL)
        return wp_fail_memory(err, capacity * sizeof *known);
    build->known_at_us = known;
    build->user_capacity = capacity;
    return WP_OK;
}

wp_status wp_build_add_user(wp_build *build, const wp_user_row *row, wp_error *err)
{
    if (build->user_ids.count == build->user_capacity)
        WP_TRY(grow_users(build, err));
    wp_slice id = build->aliases.count > 0 ? wp__resolve_alias(build, row->id) : row->id;
    uint32_t before = build->user_ids.count, user = wp__intern_slice(&build->user_ids, id);
    if (user == UINT32_MAX)
        return wp_fail_memory(err, id.length);
    double *numbers = build->user_numbers + (size_t)user * build->user_numbers_count;
    uint32_t *texts = build->user_texts + (size_t)user * build->user_texts_count;
    if (build->user_ids.count > before) {
        for (uint32_t i = 0; i < build->user_numbers_count; i++)
            numbers[i] = NAN;
        memset(texts, 0, build->user_texts_count * sizeof *texts);
        build->known_at_us[user] = WP_TIME_MISSING;
    }
    for (uint32_t i = 0; i < build->user_numbers_count; i++)
        if (!isnan(row->numbers[i]))
            numbers[i] = row->numbers[i];
    for (uint32_t i = 0; i < build->user_texts_count; i++) {
        if (row->texts[i].length == 0)
            continue;
        uint32_t code = wp__intern_slice(&build->user_text_values[i], row->texts[i]);
        if (code == UINT32_MAX)
            return wp_fail_memory(err, row->texts[i].length);
        texts[i] = code + 1;
    }
    if (build->has_known_at && row->known_at_us != WP_TIME_MISSING)
        build->known_at_us[user] = row->known_at_us;
    return WP_OK;
}

/* --- Batches ---------------------------------------------------------------------------------- */

wp_status wp__build_add(wp_build *build, wp_batch *batch, wp_error *err)
{
    wp_status status = WP_OK;
    wp_lock_take(&build->lock);
    if (build->batches_count == build->batches_capacity) {
        size_t capacity = build->batches_capacity < 64 ? 64 : build->batches_capacity * 2;
        if (wp__grow(&build->batches, capacity, sizeof(wp_batch *)))
            build->batches_capacity = capacity;
        else
            status = wp_fail_memory(err, capacity * sizeof(wp_batch *));
    }
    if (status == WP_OK) {
        build->batches[build->batches_count++] = batch;
        build->rows_count += batch->rows_count;
    }
    wp_lock_release(&build->lock);
    return status;
}

void wp__build_drop(wp_build *build, uint64_t place)
{
    wp_lock_take(&build->lock);
    for (size_t i = build->batches_count; i-- > 0;) {
        wp_batch *batch = build->batches[i];
        if (batch->place != place)
            continue;
        build->rows_count -= batch->rows_count;
        build->batches[i] = build->batches[--build->batches_count];
        wp__batch_free(batch, build->numbers_count, build->texts_count);
        break;
    }
    wp_lock_release(&build->lock);
}
