/* Writers: rows of one thread, column by column, and how they become a batch; see batch.h.
**
** Texts are codes of small tables that are cleared after each batch, so that they stay in the
*cache.
** Finishing is a counting sort: users by partition and first appearance, rows by user. */
#include "ingest/batch_internal.h"

#include "base/memory.h"

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
        same_user(writer, user) ? writer->user_of[at - 1] : wp__intern_slice(&writer->users, user);
    uint32_t event_code = wp_intern_add_few(&writer->events, row->event.text, row->event.length);
    if (user_code == UINT32_MAX || event_code == UINT32_MAX)
        return wp_fail_memory(err, user.length + row->event.length);
    writer->user_of[at] = user_code;
    writer->event_of[at] = event_code;
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
    wp_status status = fine ? wp__build_add(build, batch, err)
                            : wp_fail_memory(err, (unsigned long long)writer->count * 16);
    if (status != WP_OK) {
        wp__batch_free(batch, build->numbers_count, build->texts_count);
        return status;
    }
    wp_writer_drop(writer);
    return WP_OK;
}
