/* Ids and attributes of users from a store: read in the order of the store's numbers, then put in
** that of the log. */
#include "store/way_load.h"

wp_status wp__load_ids(wp__way_load *work, wp_error *err)
{
    const wp__way_loader *loader = work->loader;
    wp_columns *columns = work->columns;
    wp_dictionary ids = {0}, own = {0};
    WP_TRY(wp__way_read_texts(work->way, WP__COLUMN_USERS, &ids, NULL, err));
    if (ids.count < work->way->view.users_numbered) {
        wp__dictionary_free(&ids);
        return wp_fail(err, WP_CORRUPT, "%s: damaged: number of users", work->way->path);
    }
    if (loader->numbers == NULL) {
        ids.count = columns->users_count; /* an import may have added some since */
        columns->user_ids = ids;
        return WP_OK;
    }
    size_t size = 0, length;
    for (uint32_t user = 0; user < columns->users_count; user++) {
        wp_dictionary_text(&ids, loader->numbers[user], &length);
        size += length;
    }
    own.count = columns->users_count;
    own.offsets = wp_alloc_array((size_t)own.count + 1, sizeof *own.offsets);
    own.bytes = wp_alloc(size);
    wp_status status = WP_OK;
    if (own.offsets == NULL || own.bytes == NULL) {
        wp__dictionary_free(&own);
        status = wp_fail_memory(err, size);
    } else {
        own.offsets[0] = 0;
        for (uint32_t user = 0; user < own.count; user++) {
            const char *id = wp_dictionary_text(&ids, loader->numbers[user], &length);
            memcpy(own.bytes + own.offsets[user], id, length);
            own.offsets[user + 1] = own.offsets[user] + length;
        }
        columns->user_ids = own;
    }
    wp__dictionary_free(&ids);
    return status;
}

/* One column per user, in the order of the store; `width` bytes each, missing where no segment
** says otherwise. `into` has room for whole parts. */
static wp_status read_user_column(wp__way_load *work, uint32_t column, char kind, uint32_t below,
                                  void *into, wp_error *err)
{
    wp_way *way = work->way;
    wp__way_scratch *scratch = &work->scratches[0];
    double *spare = wp__way_room(scratch, 1, WP_WAY_PART_USERS, sizeof *spare);
    if (spare == NULL)
        return wp_fail_memory(err, WP_WAY_PART_USERS * 8);
    for (uint32_t part = 0; part < work->parts_count; part++) {
        uint32_t first = part * WP_WAY_PART_USERS, count = 0;
        wp_segment segment; /* may know users that came since */
        WP_TRY(wp__way_read_segment(way, part, WP__RUN_OF_USERS, column, &scratch->bytes, &segment,
                                    err));
        if (segment.size == 0)
            continue;
        WP_TRY(wp_segment_check(&segment, kind, UINT32_MAX, WP_WAY_PART_USERS, &count, err));
        if (kind == 'c')
            WP_TRY(wp_segment_codes(&segment, count, below, (uint32_t *)into + first, err));
        else if (kind == 'n')
            WP_TRY(wp_segment_numbers(&segment, count, (double *)into + first, spare, err));
        else
            WP_TRY(wp_segment_instants(&segment, count, (int64_t *)into + first, err));
    }
    return WP_OK;
}

static uint32_t number_of(const wp__way_load *work, uint32_t user)
{
    return work->loader->numbers != NULL ? work->loader->numbers[user] : user;
}

static wp_status load_user_numbers(wp__way_load *work, uint32_t column, wp_numbers *into,
                                   wp_error *err)
{
    uint32_t numbered = work->parts_count * WP_WAY_PART_USERS, users = work->columns->users_count;
    double *all = wp_alloc_array(numbered, sizeof *all);
    wp_numbers made = {.name = into->name};
    made.dense = wp_alloc_array(users, sizeof *made.dense);
    wp_status status = WP_OK;
    if (all == NULL || made.dense == NULL)
        status = wp_fail_memory(err, numbered * 8ULL);
    for (uint32_t i = 0; status == WP_OK && i < numbered; i++)
        all[i] = NAN;
    if (status == WP_OK)
        status = read_user_column(work, column, 'n', 0, all, err);
    for (uint32_t user = 0; status == WP_OK && user < users; user++)
        made.dense[user] = all[number_of(work, user)];
    if (status == WP_OK)
        status = wp_numbers_pack(&made, users, err);
    wp_free(all);
    if (status == WP_OK)
        *into = made;
    else
        wp__drop_numbers(&made);
    return status;
}

static wp_status load_user_texts(wp__way_load *work, uint32_t column, wp_texts *into, wp_error *err)
{
    uint32_t numbered = work->parts_count * WP_WAY_PART_USERS, users = work->columns->users_count;
    wp_dictionary values = {0};
    wp_codes codes = {0};
    WP_TRY(wp__read_values(work->way, column, &values, err));
    uint32_t *all = wp_alloc_array_zero(numbered, sizeof *all);
    wp_status status = WP_OK;
    if (all == NULL || !wp__make_codes(&codes, values.count, users))
        status = wp_fail_memory(err, numbered * 4ULL);
    if (status == WP_OK)
        status = read_user_column(work, column, 'c', values.count, all, err);
    for (uint32_t user = 0; status == WP_OK && user < users; user++)
        wp__put_codes(&codes, user, &all[number_of(work, user)], 1);
    wp_free(all);
    if (status == WP_OK) {
        into->codes = codes;
        into->values = values;
    } else {
        wp_free(codes.data);
        wp__dictionary_free(&values);
    }
    return status;
}

static wp_status load_known_at(wp__way_load *work, int64_t **out, wp_error *err)
{
    uint32_t numbered = work->parts_count * WP_WAY_PART_USERS, users = work->columns->users_count;
    int64_t *all = wp_alloc_array(numbered, sizeof *all);
    int64_t *own = wp_alloc_array(users, sizeof *own);
    wp_status status = WP_OK;
    if (all == NULL || own == NULL)
        status = wp_fail_memory(err, numbered * 8ULL);
    for (uint32_t i = 0; status == WP_OK && i < numbered; i++)
        all[i] = WP_TIME_MISSING;
    if (status == WP_OK)
        status = read_user_column(work, WP__COLUMN_KNOWN_AT, 'i', 0, all, err);
    for (uint32_t user = 0; status == WP_OK && user < users; user++)
        own[user] = all[number_of(work, user)];
    wp_free(all);
    if (status == WP_OK)
        *out = own;
    else
        wp_free(own);
    return status;
}

wp_status wp__load_attributes(wp__way_load *work, wp_error *err)
{
    const wp__way_view *view = &work->way->view;
    wp_columns *columns = work->columns;
    uint32_t numbers = 0, texts = 0;
    for (uint32_t i = 0; i < view->columns_count; i++) {
        const wp__way_column *column = &view->columns[i];
        if (!column->per_user)
            continue;
        uint32_t place = column->is_text ? texts++ : numbers++;
        if (work->loader->has_column[i])
            continue;
        if (column->is_text)
            WP_TRY(load_user_texts(work, column->column, &columns->user_texts[place], err));
        else
            WP_TRY(load_user_numbers(work, column->column, &columns->user_numbers[place], err));
        work->loader->has_column[i] = true;
    }
    if (view->has_known_at && columns->known_at_us == NULL)
        WP_TRY(load_known_at(work, &columns->known_at_us, err));
    return WP_OK;
}
