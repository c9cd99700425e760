/* Columns of the log that describe users, from the rows of the users table. */
#include "ingest/batch_internal.h"

#include "base/memory.h"

static wp_status join_numbers(const wp_build *build, const uint32_t *numbers, uint32_t column,
                              uint32_t users_count, wp_numbers *into, wp_error *err)
{
    into->dense = wp_alloc_array(users_count, sizeof(double));
    if (into->dense == NULL)
        return wp_fail_memory(err, users_count * sizeof(double));
    for (uint32_t user = 0; user < users_count; user++)
        into->dense[user] = NAN;
    for (uint32_t i = 0; i < build->user_ids.count; i++)
        into->dense[numbers[i]] =
            build->user_numbers[(size_t)i * build->user_numbers_count + column];
    return wp_numbers_pack(into, users_count, err);
}

static wp_status join_texts(wp_build *build, const uint32_t *numbers, uint32_t column,
                            uint32_t users_count, wp_texts *into, wp_error *err)
{
    const wp_intern *table = &build->user_text_values[column];
    uint64_t bytes_size = table->count > 0 ? table->offsets[table->count] : 0;
    into->values.count = table->count + 1;
    into->values.offsets = wp_alloc_array_zero((size_t)table->count + 2, sizeof(uint64_t));
    into->values.bytes = wp_alloc((size_t)bytes_size);
    into->codes.width = wp__code_width(table->count + 1);
    if (into->codes.width > 0)
        into->codes.data = wp_alloc_array_zero(users_count, into->codes.width);
    if (into->values.offsets == NULL || into->values.bytes == NULL ||
        (into->codes.width > 0 && into->codes.data == NULL))
        return wp_fail_memory(err, bytes_size + (uint64_t)users_count * 4);
    if (table->count > 0) {
        memcpy(into->values.offsets + 1, table->offsets,
               ((size_t)table->count + 1) * sizeof(uint64_t));
        memcpy(into->values.bytes, table->bytes, (size_t)bytes_size);
    }
    for (uint32_t i = 0; i < build->user_ids.count; i++)
        wp__put_code(&into->codes, numbers[i],
                     build->user_texts[(size_t)i * build->user_texts_count + column]);
    return WP_OK;
}

wp_status wp__join_attributes(wp_build *build, wp_columns *columns, const uint32_t *numbers,
                              wp_error *err)
{
    char **names = build->names + build->numbers_count + build->texts_count;
    uint32_t users_count = columns->users_count;
    columns->user_numbers =
        wp_alloc_array_zero(build->user_numbers_count, sizeof *columns->user_numbers);
    columns->user_texts = wp_alloc_array_zero(build->user_texts_count, sizeof *columns->user_texts);
    if (columns->user_numbers == NULL || columns->user_texts == NULL)
        return wp_fail_memory(err, build->user_texts_count * sizeof *columns->user_texts);
    columns->user_numbers_count = build->user_numbers_count;
    columns->user_texts_count = build->user_texts_count;
    for (uint32_t i = 0; i < build->user_numbers_count; i++) {
        columns->user_numbers[i].name = names[i];
        names[i] = NULL;
        WP_TRY(join_numbers(build, numbers, i, users_count, &columns->user_numbers[i], err));
    }
    names += build->user_numbers_count;
    for (uint32_t i = 0; i < build->user_texts_count; i++) {
        columns->user_texts[i].name = names[i];
        names[i] = NULL;
        WP_TRY(join_texts(build, numbers, i, users_count, &columns->user_texts[i], err));
    }
    if (!build->has_known_at)
        return WP_OK;
    columns->known_at_us = wp_alloc_array(users_count, sizeof(int64_t));
    if (columns->known_at_us == NULL)
        return wp_fail_memory(err, users_count * sizeof(int64_t));
    for (uint32_t user = 0; user < users_count; user++)
        columns->known_at_us[user] = WP_TIME_MISSING;
    for (uint32_t i = 0; i < build->user_ids.count; i++)
        columns->known_at_us[numbers[i]] = build->known_at_us[i];
    return WP_OK;
}
