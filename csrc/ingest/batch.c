/* Writers and the build they fill; see batch.h. The join is in csrc/ingest/join.c. */
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
    dictionary_free(&batch->users);
    dictionary_free(&batch->event_names);
    wp_free(batch->user_rows);
    wp_free(batch->slots);
    wp_free(batch->user_offsets);
    wp_free(batch->user_is_new);
    wp_free(batch->times.offsets);
    wp_free(batch->times.micros);
    wp_free(batch->events.data);
    for (uint32_t i = 0; batch->numbers != NULL && i < numbers_count; i++) {
        wp_free(batch->numbers[i].present);
        wp_free(batch->numbers[i].packed);
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

static uint32_t intern_slice(wp_intern *table, wp_slice slice)
{
    return wp_intern_add(table, slice.text, slice.length, wp_hash_bytes(slice.text, slice.length));
}

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
    uint32_t code = intern_slice(&build->aliases, alias);
    uint32_t target = intern_slice(&build->alias_users, user);
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
    uint32_t before = build->user_ids.count, user = intern_slice(&build->user_ids, id);
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
        uint32_t code = intern_slice(&build->user_text_values[i], row->texts[i]);
        if (code == UINT32_MAX)
            return wp_fail_memory(err, row->texts[i].length);
        texts[i] = code + 1;
    }
    if (build->has_known_at && row->known_at_us != WP_TIME_MISSING)
        build->known_at_us[user] = row->known_at_us;
    return WP_OK;
}

/* --- Writers ---------------------------------------------------------------------------------- */

struct wp_writer {
    wp_build *build;
    uint32_t numbers_count, texts_count; /* of the build, which may be freed before the writer */
    uint32_t count, capacity;            /* rows */
    wp_intern users, events, *texts;
    uint32_t *user_of, *event_of, **text_of; /* per row; text codes are + 1, 0 missing */
    int64_t *time_of;
    double **number_of, *scratch;
    uint32_t *target; /* where each row goes when the batch is finished */
    wp_order *order_of;
    bool time_zone_assumed;
};

wp_status wp_writer_start(wp_build *build, wp_writer **out, wp_error *err)
{
    wp_writer *writer = wp_alloc_zero(sizeof *writer);
    if (writer == NULL)
        return wp_fail_memory(err, sizeof *writer);
    writer->build = build;
    writer->numbers_count = build->numbers_count;
    writer->texts_count = build->texts_count;
    writer->texts = wp_alloc_array_zero(build->texts_count, sizeof *writer->texts);
    writer->text_of = wp_alloc_array_zero(build->texts_count, sizeof *writer->text_of);
    writer->number_of = wp_alloc_array_zero(build->numbers_count, sizeof *writer->number_of);
    if (writer->texts == NULL || writer->text_of == NULL || writer->number_of == NULL) {
        wp_writer_free(writer);
        return wp_fail_memory(err, build->texts_count * sizeof *writer->texts);
    }
    *out = writer;
    return WP_OK;
}

void wp_writer_free(wp_writer *writer)
{
    if (writer == NULL)
        return;
    wp_intern_free(&writer->users);
    wp_intern_free(&writer->events);
    for (uint32_t i = 0; i < writer->texts_count; i++) {
        if (writer->texts != NULL)
            wp_intern_free(&writer->texts[i]);
        if (writer->text_of != NULL)
            wp_free(writer->text_of[i]);
    }
    for (uint32_t i = 0; writer->number_of != NULL && i < writer->numbers_count; i++)
        wp_free(writer->number_of[i]);
    wp_free(writer->texts);
    wp_free(writer->text_of);
    wp_free(writer->number_of);
    wp_free(writer->user_of);
    wp_free(writer->scratch);
    wp_free(writer->target);
    wp_free(writer->event_of);
    wp_free(writer->time_of);
    wp_free(writer->order_of);
    wp_free(writer);
}

uint32_t wp_writer_count(const wp_writer *writer)
{
    return writer->count;
}

void wp_writer_drop(wp_writer *writer)
{
    writer->count = 0;
    writer->time_zone_assumed = false;
    wp_intern_clear(&writer->users);
    wp_intern_clear(&writer->events);
    for (uint32_t i = 0; i < writer->build->texts_count; i++)
        wp_intern_clear(&writer->texts[i]);
}

static bool grow(void *array_pointer, size_t capacity, size_t size)
{
    void *old;
    memcpy(&old, array_pointer, sizeof old);
    void *block = wp_realloc_array(old, capacity, size);
    if (block != NULL)
        memcpy(array_pointer, &block, sizeof block);
    return block != NULL;
}

static bool grow_rows(wp_writer *writer)
{
    const wp_build *build = writer->build;
    size_t capacity = writer->capacity == 0 ? 1024 : (size_t)writer->capacity * 2;
    if (capacity > UINT32_MAX)
        return false;
    bool fine = grow(&writer->user_of, capacity, sizeof(uint32_t)) &&
                grow(&writer->event_of, capacity, sizeof(uint32_t)) &&
                grow(&writer->time_of, capacity, sizeof(int64_t)) &&
                grow(&writer->target, capacity, sizeof(uint32_t)) &&
                (build->numbers_count == 0 || grow(&writer->scratch, capacity, sizeof(double))) &&
                (!build->has_order || grow(&writer->order_of, capacity, sizeof(wp_order)));
    for (uint32_t i = 0; fine && i < build->numbers_count; i++)
        fine = grow(&writer->number_of[i], capacity, sizeof(double));
    for (uint32_t i = 0; fine && i < build->texts_count; i++)
        fine = grow(&writer->text_of[i], capacity, sizeof(uint32_t));
    if (fine)
        writer->capacity = (uint32_t)capacity;
    return fine;
}

/* Files are often grouped by user: then the row before is the one to look at. */
static inline bool same_user(const wp_writer *writer, wp_slice user)
{
    if (writer->count == 0)
        return false;
    uint32_t last = writer->user_of[writer->count - 1];
    uint64_t start = writer->users.offsets[last];
    return writer->users.offsets[last + 1] - start == user.length &&
           wp_same_bytes(writer->users.bytes + start, user.text, user.length);
}

wp_status wp_writer_add(wp_writer *writer, const wp_row *row, wp_error *err)
{
    const wp_build *build = writer->build;
    if (writer->count == writer->capacity && !grow_rows(writer))
        return wp_fail_memory(err, (unsigned long long)writer->capacity * 2 * sizeof(int64_t));
    uint32_t at = writer->count;
    wp_slice user = build->aliases.count > 0 ? wp__resolve_alias(build, row->user) : row->user;
    uint32_t user_code =
        same_user(writer, user) ? writer->user_of[at - 1] : intern_slice(&writer->users, user);
    uint32_t event_code = intern_slice(&writer->events, row->event);
    if (user_code == UINT32_MAX || event_code == UINT32_MAX)
        return wp_fail_memory(err, user.length + row->event.length);
    writer->user_of[at] = user_code;
    writer->event_of[at] = event_code;
    writer->time_of[at] = row->time_us;
    for (uint32_t i = 0; i < build->numbers_count; i++)
        writer->number_of[i][at] = row->numbers[i];
    for (uint32_t i = 0; i < build->texts_count; i++) {
        wp_slice text = row->texts[i];
        uint32_t code = text.length == 0 ? 0 : intern_slice(&writer->texts[i], text) + 1;
        if (text.length > 0 && code == 0)
            return wp_fail_memory(err, text.length);
        writer->text_of[i][at] = code;
    }
    if (build->has_order)
        writer->order_of[at] = row->order;
    writer->time_zone_assumed |= row->time_zone_assumed;
    writer->count++;
    return WP_OK;
}

/* --- From rows to a batch --------------------------------------------------------------------- */

static bool copy_dictionary(wp_batch_dictionary *into, const wp_intern *table)
{
    size_t count = table->count, bytes_size = count > 0 ? (size_t)table->offsets[count] : 0;
    into->count = table->count;
    into->offsets = wp_alloc_array(2 * count + 1, sizeof(uint64_t));
    into->bytes = wp_alloc(bytes_size);
    if (into->offsets == NULL || into->bytes == NULL)
        return false;
    into->hashes = into->offsets + count + 1;
    into->offsets[0] = 0;
    if (count > 0) {
        memcpy(into->offsets, table->offsets, (count + 1) * sizeof(uint64_t));
        memcpy(into->hashes, table->hashes, count * sizeof(uint64_t));
        memcpy(into->bytes, table->bytes, bytes_size);
    }
    return true;
}

/* Users by partition, in each by first appearance. */
static bool arrange_users(wp_batch *batch, const wp_intern *table)
{
    uint32_t count = table->count, next[WP_PARTITIONS];
    wp_batch_dictionary *users = &batch->users;
    users->count = batch->users_count = count;
    users->offsets = wp_alloc_array(2 * (size_t)count + 1, sizeof(uint64_t));
    users->bytes = wp_alloc((size_t)table->offsets[count]);
    batch->slots = wp_alloc_array(count, sizeof(uint32_t));
    if (users->offsets == NULL || users->bytes == NULL || batch->slots == NULL)
        return false;
    users->hashes = users->offsets + count + 1;
    memset(batch->partition_starts, 0, sizeof batch->partition_starts);
    for (uint32_t i = 0; i < count; i++)
        batch->partition_starts[wp__partition(table->hashes[i]) + 1]++;
    for (uint32_t p = 0; p < WP_PARTITIONS; p++)
        batch->partition_starts[p + 1] += batch->partition_starts[p];
    memcpy(next, batch->partition_starts, sizeof next);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = batch->slots[i] = next[wp__partition(table->hashes[i])]++;
        users->hashes[slot] = table->hashes[i];
        users->offsets[slot + 1] = table->offsets[i + 1] - table->offsets[i];
    }
    users->offsets[0] = 0;
    for (uint32_t i = 0; i < count; i++)
        users->offsets[i + 1] += users->offsets[i];
    for (uint32_t i = 0; i < count; i++)
        memcpy(users->bytes + users->offsets[batch->slots[i]], table->bytes + table->offsets[i],
               (size_t)(table->offsets[i + 1] - table->offsets[i]));
    return true;
}

/* Where each row goes so that rows stand by user, in each user in the order they were added. */
static bool arrange_rows(wp_batch *batch, wp_writer *writer)
{
    uint32_t *starts = wp_alloc_array_zero((size_t)batch->users_count + 2, sizeof *starts);
    if (starts == NULL)
        return false;
    for (uint32_t row = 0; row < writer->count; row++)
        starts[batch->slots[writer->user_of[row]] + 2]++;
    for (uint32_t user = 0; user < batch->users_count; user++)
        starts[user + 2] += starts[user + 1];
    for (uint32_t row = 0; row < writer->count; row++)
        writer->target[row] = starts[batch->slots[writer->user_of[row]] + 1]++;
    batch->user_rows = starts; /* starts[u] is now the first row of u */
    return true;
}

/* The greatest of 1 s, 1 ms and 1 µs that divides all instants; divisors are constants, which the
** compiler turns into multiplications. */
static int64_t common_unit(const int64_t *time_of, uint32_t count)
{
    uint32_t row = 0;
    while (row < count && time_of[row] % 1000000 == 0)
        row++;
    if (row == count)
        return 1000000;
    while (row < count && time_of[row] % 1000 == 0)
        row++;
    return row == count ? 1000 : 1;
}

static bool keep_times(wp_batch *batch, const wp_writer *writer, const uint32_t *target)
{
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (uint32_t row = 0; row < writer->count; row++) {
        int64_t time_us = writer->time_of[row];
        first = time_us < first ? time_us : first;
        last = time_us > last ? time_us : last;
    }
    int64_t unit = common_unit(writer->time_of, writer->count);
    batch->first_us = first;
    batch->last_us = last;
    batch->times.base_us = first;
    batch->times.unit_us = unit;
    if (((uint64_t)last - (uint64_t)first) / (uint64_t)unit > UINT32_MAX) {
        int64_t *micros = batch->times.micros = wp_alloc_array(writer->count, sizeof *micros);
        for (uint32_t row = 0; micros != NULL && row < writer->count; row++)
            micros[target[row]] = writer->time_of[row];
        return micros != NULL;
    }
    uint32_t *offsets = batch->times.offsets = wp_alloc_array(writer->count, sizeof *offsets);
    if (offsets == NULL)
        return false;
    if (unit == 1000000)
        for (uint32_t row = 0; row < writer->count; row++)
            offsets[target[row]] = (uint32_t)((uint64_t)(writer->time_of[row] - first) / 1000000);
    else if (unit == 1000)
        for (uint32_t row = 0; row < writer->count; row++)
            offsets[target[row]] = (uint32_t)((uint64_t)(writer->time_of[row] - first) / 1000);
    else
        for (uint32_t row = 0; row < writer->count; row++)
            offsets[target[row]] = (uint32_t)(writer->time_of[row] - first);
    return true;
}

static bool keep_codes(wp_codes *codes, const uint32_t *code_of, uint32_t values_count,
                       uint32_t rows_count, const uint32_t *target)
{
    codes->width = wp__code_width(values_count);
    if (codes->width == 0)
        return true;
    codes->data = wp_alloc_array(rows_count, codes->width);
    if (codes->data == NULL)
        return false;
    for (uint32_t row = 0; row < rows_count; row++)
        wp__put_code(codes, target[row], code_of[row]);
    return true;
}

/* Scatters into the writer's scratch, then keeps what is there. */
static bool keep_numbers(wp_batch_numbers *numbers, const double *number_of, uint32_t rows_count,
                         const uint32_t *target, double *scratch)
{
    uint32_t count = 0, kept = 0;
    for (uint32_t row = 0; row < rows_count; row++) {
        count += !isnan(number_of[row]);
        scratch[target[row]] = number_of[row];
    }
    numbers->count = count;
    numbers->packed = wp_alloc_array(count, sizeof *numbers->packed);
    if (numbers->packed == NULL)
        return false;
    if (count == rows_count) {
        memcpy(numbers->packed, scratch, count * sizeof *scratch);
        return true;
    }
    numbers->present = wp_alloc_array_zero(rows_count / 64 + 1, sizeof *numbers->present);
    if (numbers->present == NULL)
        return false;
    for (uint32_t row = 0; row < rows_count; row++) {
        if (isnan(scratch[row]))
            continue;
        numbers->present[row >> 6] |= 1ULL << (row & 63);
        numbers->packed[kept++] = scratch[row];
    }
    return true;
}

static bool keep_columns(wp_batch *batch, const wp_writer *writer)
{
    const uint32_t *target = writer->target;
    const wp_build *build = writer->build;
    batch->numbers = wp_alloc_array_zero(build->numbers_count, sizeof *batch->numbers);
    batch->texts = wp_alloc_array_zero(build->texts_count, sizeof *batch->texts);
    batch->text_values = wp_alloc_array_zero(build->texts_count, sizeof *batch->text_values);
    if (batch->numbers == NULL || batch->texts == NULL || batch->text_values == NULL)
        return false;
    bool fine =
        keep_times(batch, writer, target) &&
        copy_dictionary(&batch->event_names, &writer->events) &&
        keep_codes(&batch->events, writer->event_of, writer->events.count, writer->count, target);
    for (uint32_t i = 0; fine && i < build->numbers_count; i++)
        fine = keep_numbers(&batch->numbers[i], writer->number_of[i], writer->count, target,
                            writer->scratch);
    for (uint32_t i = 0; fine && i < build->texts_count; i++)
        fine = copy_dictionary(&batch->text_values[i], &writer->texts[i]) &&
               keep_codes(&batch->texts[i], writer->text_of[i], writer->texts[i].count + 1,
                          writer->count, target);
    if (fine && build->has_order) {
        batch->orders = wp_alloc_array(writer->count, sizeof *batch->orders);
        fine = batch->orders != NULL;
        for (uint32_t row = 0; fine && row < writer->count; row++)
            batch->orders[target[row]] = writer->order_of[row];
    }
    return fine;
}

static wp_status add_batch(wp_build *build, wp_batch *batch, wp_error *err)
{
    wp_status status = WP_OK;
    wp_lock_take(&build->lock);
    if (build->batches_count == build->batches_capacity) {
        size_t capacity = build->batches_capacity < 64 ? 64 : build->batches_capacity * 2;
        if (grow(&build->batches, capacity, sizeof(wp_batch *)))
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

wp_status wp_writer_finish(wp_writer *writer, uint64_t place, wp_error *err)
{
    if (writer->count == 0)
        return WP_OK;
    wp_build *build = writer->build;
    wp_batch *batch = wp_alloc_zero(sizeof *batch);
    if (batch == NULL)
        return wp_fail_memory(err, sizeof *batch);
    batch->place = place;
    batch->rows_count = writer->count;
    batch->time_zone_assumed = writer->time_zone_assumed;
    bool fine = arrange_users(batch, &writer->users) && arrange_rows(batch, writer) &&
                keep_columns(batch, writer);
    wp_status status = fine ? add_batch(build, batch, err)
                            : wp_fail_memory(err, (unsigned long long)writer->count * 16);
    if (status != WP_OK) {
        wp__batch_free(batch, build->numbers_count, build->texts_count);
        return status;
    }
    wp_writer_drop(writer);
    return WP_OK;
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
