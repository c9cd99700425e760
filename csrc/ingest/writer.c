/* Writers: rows of one thread, column by column, and how they become a batch; see batch.h.
**
** Texts are codes of small tables that are cleared after each batch, so that they stay in the
** cache. Finishing is a counting sort: users by partition and first appearance, rows by user. */
#include "ingest/batch_internal.h"

#include "base/memory.h"

/* Users at work at the same time come back within a few hundred rows; 24 KiB stay in the cache. */
#define USERS_RECENT_BITS 10

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
    writer->users.recent_bits = USERS_RECENT_BITS;
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

static bool grow_rows(wp_writer *writer)
{
    const wp_build *build = writer->build;
    size_t capacity = writer->capacity == 0 ? 1024 : (size_t)writer->capacity * 2;
    if (capacity > UINT32_MAX)
        return false;
    bool fine =
        wp__grow(&writer->user_of, capacity, sizeof(uint32_t)) &&
        wp__grow(&writer->event_of, capacity, sizeof(uint32_t)) &&
        wp__grow(&writer->time_of, capacity, sizeof(int64_t)) &&
        wp__grow(&writer->target, capacity, sizeof(uint32_t)) &&
        (build->numbers_count == 0 || wp__grow(&writer->scratch, capacity, sizeof(double))) &&
        (!build->has_order || wp__grow(&writer->order_of, capacity, sizeof(wp_order)));
    for (uint32_t i = 0; fine && i < build->numbers_count; i++)
        fine = wp__grow(&writer->number_of[i], capacity, sizeof(double));
    for (uint32_t i = 0; fine && i < build->texts_count; i++)
        fine = wp__grow(&writer->text_of[i], capacity, sizeof(uint32_t));
    if (fine)
        writer->capacity = (uint32_t)capacity;
    return fine;
}

static uint32_t user_code(wp_writer *writer, wp_slice user)
{
    if (writer->build->aliases.count > 0)
        user = wp__resolve_alias(writer->build, user);
    return wp_intern_add_few(&writer->users, user.text, user.length);
}

uint32_t wp_writer_last_user(const wp_writer *writer)
{
    return writer->user_of[writer->count - 1];
}

wp_status wp_writer_add(wp_writer *writer, const wp_row *row, wp_error *err)
{
    const wp_build *build = writer->build;
    if (writer->count == writer->capacity && !grow_rows(writer))
        return wp_fail_memory(err, (unsigned long long)writer->capacity * 2 * sizeof(int64_t));
    uint32_t at = writer->count;
    uint32_t user = row->known_user > 0 ? row->known_user - 1 : user_code(writer, row->user);
    uint32_t event = wp_intern_add_few(&writer->events, row->event.text, row->event.length);
    if (user == UINT32_MAX || event == UINT32_MAX)
        return wp_fail_memory(err, row->user.length + row->event.length);
    writer->user_of[at] = user;
    writer->event_of[at] = event;
    writer->time_of[at] = row->time_us;
    for (uint32_t i = 0; i < build->numbers_count; i++)
        writer->number_of[i][at] = row->numbers[i];
    for (uint32_t i = 0; i < build->texts_count; i++) {
        wp_slice text = row->texts[i];
        uint32_t code =
            text.length == 0 ? 0 : wp_intern_add_few(&writer->texts[i], text.text, text.length) + 1;
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

/* --- Rows in blocks --------------------------------------------------------------------------- */

wp_status wp_writer_open(wp_writer *writer, uint32_t count, wp_error *err)
{
    while (writer->capacity - writer->count < count)
        if (!grow_rows(writer))
            return wp_fail_memory(err, (unsigned long long)writer->capacity * 2 * sizeof(int64_t));
    return WP_OK;
}

static wp_status put_codes(wp_intern *table, const wp_slice *texts, uint32_t count, uint32_t *codes,
                           wp_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        codes[i] = wp_intern_add_few_padded(table, texts[i].text, texts[i].length);
        if (codes[i] == UINT32_MAX)
            return wp_fail_memory(err, texts[i].length);
    }
    return WP_OK;
}

int64_t *wp_writer_times(wp_writer *writer)
{
    return writer->time_of + writer->count;
}

double *wp_writer_numbers(wp_writer *writer, uint32_t column)
{
    return writer->number_of[column] + writer->count;
}

wp_status wp_writer_put_users(wp_writer *writer, const wp_slice *users, uint32_t count,
                              wp_error *err)
{
    uint32_t *codes = writer->user_of + writer->count;
    if (writer->build->aliases.count == 0)
        return put_codes(&writer->users, users, count, codes, err);
    for (uint32_t i = 0; i < count; i++)
        if ((codes[i] = user_code(writer, users[i])) == UINT32_MAX)
            return wp_fail_memory(err, users[i].length);
    return WP_OK;
}

wp_status wp_writer_put_events(wp_writer *writer, const wp_slice *events, uint32_t count,
                               wp_error *err)
{
    return put_codes(&writer->events, events, count, writer->event_of + writer->count, err);
}

wp_status wp_writer_put_one_event(wp_writer *writer, const char *event, uint32_t count,
                                  wp_error *err)
{
    uint32_t code = wp_intern_add_few(&writer->events, event, strlen(event));
    if (code == UINT32_MAX)
        return wp_fail_memory(err, strlen(event));
    for (uint32_t i = 0; i < count; i++)
        writer->event_of[writer->count + i] = code;
    return WP_OK;
}

wp_status wp_writer_put_texts(wp_writer *writer, uint32_t column, const wp_slice *texts,
                              uint32_t count, wp_error *err)
{
    wp_intern *table = &writer->texts[column];
    uint32_t *codes = writer->text_of[column] + writer->count;
    for (uint32_t i = 0; i < count; i++) {
        codes[i] = texts[i].length == 0
                       ? 0
                       : wp_intern_add_few_padded(table, texts[i].text, texts[i].length) + 1;
        if (codes[i] == 0 && texts[i].length > 0)
            return wp_fail_memory(err, texts[i].length);
    }
    return WP_OK;
}

void wp_writer_take(wp_writer *writer, uint32_t count, bool time_zone_assumed)
{
    writer->time_zone_assumed |= time_zone_assumed;
    writer->count += count;
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

/* Users by partition, in each by first appearance. False when memory is short: for a batch, ids of
** 4 GiB are. */
static bool arrange_users(wp_batch *batch, const wp_intern *table)
{
    uint32_t count = table->count, next[WP_PARTITIONS];
    uint64_t bytes_size = table->offsets[count], start = 0;
    if (bytes_size > UINT32_MAX)
        return false;
    wp_batch_user *users = batch->users = wp_alloc_array_zero((size_t)count + 1, sizeof *users);
    char *bytes = batch->user_bytes = wp_alloc((size_t)bytes_size);
    batch->slots = wp_alloc_array(count, sizeof(uint32_t));
    if (users == NULL || bytes == NULL || batch->slots == NULL)
        return false;
    batch->users_count = count;
    memset(batch->partition_starts, 0, sizeof batch->partition_starts);
    for (uint32_t i = 0; i < count; i++)
        batch->partition_starts[wp__partition(table->hashes[i]) + 1]++;
    for (uint32_t p = 0; p < WP_PARTITIONS; p++)
        batch->partition_starts[p + 1] += batch->partition_starts[p];
    memcpy(next, batch->partition_starts, sizeof next);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = batch->slots[i] = next[wp__partition(table->hashes[i])]++;
        users[slot].hash = table->hashes[i];
        users[slot].start = (uint32_t)(table->offsets[i + 1] - table->offsets[i]);
    }
    for (uint32_t slot = 0; slot <= count; slot++) {
        uint32_t length = users[slot].start;
        users[slot].start = (uint32_t)start;
        start += length;
    }
    for (uint32_t i = 0; i < count; i++)
        memcpy(bytes + users[batch->slots[i]].start, table->bytes + table->offsets[i],
               (size_t)(table->offsets[i + 1] - table->offsets[i]));
    return true;
}

/* Where each row goes so that rows stand by user, in each user in the order they were added. */
static void arrange_rows(wp_batch *batch, wp_writer *writer)
{
    wp_batch_user *users = batch->users;
    uint32_t start = 0;
    for (uint32_t row = 0; row < writer->count; row++) {
        uint32_t slot = writer->user_of[row] = batch->slots[writer->user_of[row]];
        users[slot].row++;
    }
    for (uint32_t slot = 0; slot <= batch->users_count; slot++) {
        uint32_t count = users[slot].row;
        users[slot].row = users[slot].place = start;
        start += count;
    }
    for (uint32_t row = 0; row < writer->count; row++)
        writer->target[row] = users[writer->user_of[row]].place++;
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

/* Offsets from `first` in whole seconds, as most logs have them. False: some instant is between. */
static bool put_seconds(uint32_t *offsets, const int64_t *time_of, int64_t first, uint32_t count,
                        const uint32_t *target)
{
    uint64_t rest = 0;
    for (uint32_t row = 0; row < count; row++) {
        uint64_t micros = (uint64_t)time_of[row] - (uint64_t)first, seconds = micros / 1000000;
        rest |= micros - seconds * 1000000;
        offsets[target[row]] = (uint32_t)seconds;
    }
    return rest == 0 && first % 1000000 == 0;
}

static void put_offsets(uint32_t *offsets, const int64_t *time_of, int64_t first, int64_t unit,
                        uint32_t count, const uint32_t *target)
{
    if (unit == 1000)
        for (uint32_t row = 0; row < count; row++)
            offsets[target[row]] = (uint32_t)((uint64_t)(time_of[row] - first) / 1000);
    else
        for (uint32_t row = 0; row < count; row++)
            offsets[target[row]] = (uint32_t)(time_of[row] - first);
}

static bool keep_times(wp_batch *batch, const wp_writer *writer, const uint32_t *target)
{
    const int64_t *time_of = writer->time_of;
    uint32_t count = writer->count;
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (uint32_t row = 0; row < count; row++) {
        first = time_of[row] < first ? time_of[row] : first;
        last = time_of[row] > last ? time_of[row] : last;
    }
    uint64_t span = (uint64_t)last - (uint64_t)first;
    wp_times *times = &batch->times;
    batch->first_us = times->base_us = first;
    batch->last_us = last;
    times->unit_us = 1000000;
    if (span / 1000000 <= UINT32_MAX) {
        times->offsets = wp_alloc_array(count, sizeof *times->offsets);
        if (times->offsets == NULL || put_seconds(times->offsets, time_of, first, count, target))
            return times->offsets != NULL;
    }
    times->unit_us = common_unit(time_of, count);
    if (times->offsets != NULL && span / (uint64_t)times->unit_us <= UINT32_MAX) {
        put_offsets(times->offsets, time_of, first, times->unit_us, count, target);
        return true;
    }
    wp_free(times->offsets);
    times->offsets = NULL;
    times->wide = true;
    times->micros = wp_alloc_array(count, sizeof *times->micros);
    for (uint32_t row = 0; times->micros != NULL && row < count; row++)
        times->micros[target[row]] = time_of[row];
    return times->micros != NULL;
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
    uint8_t *bytes = codes->data;
    if (codes->width == 1)
        for (uint32_t row = 0; row < rows_count; row++)
            bytes[target[row]] = (uint8_t)code_of[row];
    else
        for (uint32_t row = 0; row < rows_count; row++)
            wp__put_code(codes, target[row], code_of[row]);
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
        fine = wp__numbers_keep(&batch->numbers[i], writer->number_of[i], writer->count, target,
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
    bool fine = arrange_users(batch, &writer->users);
    if (fine)
        arrange_rows(batch, writer);
    fine = fine && keep_columns(batch, writer);
    wp_status status = fine ? wp__build_add(build, batch, err)
                            : wp_fail_memory(err, (unsigned long long)writer->count * 16);
    if (status != WP_OK) {
        wp__batch_free(batch, build->numbers_count, build->texts_count);
        return status;
    }
    wp_writer_drop(writer);
    return WP_OK;
}
