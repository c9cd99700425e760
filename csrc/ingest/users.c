/* The users table; see users.h. Cells of a row stand in the order id, alias, known_at (those that
** are asked for), dates, numbers, texts. */
#include "ingest/users.h"

#include "base/memory.h"
#include "ingest/batch_internal.h"

#define EVENTS_MAX 64u

typedef struct user_event {
    uint32_t user; /* code in ids */
    uint16_t name;
    bool zone_assumed;
    int64_t time_us;
} user_event;

struct wp_users {
    wp_users_schema schema;
    wp_build *build;
    wp_intern ids;
    uint32_t columns_count, first_value; /* first_value: the cell after id, alias and known_at */
    /* Per user, row-major; they reach the build in the end, when all aliases are known. */
    uint64_t *seen; /* per column from known_at on: hash of the value, 0 while missing */
    double *kept_numbers;
    uint32_t *kept_texts; /* code + 1, 0 while missing */
    int64_t *kept_known_at_us;
    size_t users_capacity;
    wp_intern *values; /* per text column */
    uint64_t *hashes;  /* of the row at hand */
    user_event *events;
    size_t events_count, events_capacity;
    double *numbers;
    wp_slice *texts;
};

wp_status wp_users_start(const wp_users_schema *schema, wp_build *build, wp_users **out,
                         wp_error *err)
{
    if (schema->events_count > EVENTS_MAX)
        return wp_fail(err, WP_LIMIT, "users: %u date columns (expected at most %u)",
                       schema->events_count, EVENTS_MAX);
    wp_users *users = wp_alloc_zero(sizeof *users);
    if (users == NULL)
        return wp_fail_memory(err, sizeof *users);
    users->schema = *schema;
    users->build = build;
    users->first_value = 1 + (schema->alias != NULL) + (schema->known_at != NULL);
    users->columns_count =
        users->first_value + schema->events_count + schema->numbers_count + schema->texts_count;
    users->numbers = wp_alloc_array(schema->numbers_count + schema->log_numbers_count + 1,
                                    sizeof *users->numbers);
    users->texts =
        wp_alloc_array_zero(schema->texts_count + schema->log_texts_count + 1, sizeof(wp_slice));
    users->hashes = wp_alloc_array(users->columns_count, sizeof *users->hashes);
    users->values = wp_alloc_array_zero(schema->texts_count, sizeof *users->values);
    if (users->numbers == NULL || users->texts == NULL || users->hashes == NULL ||
        users->values == NULL) {
        wp_users_free(users);
        return wp_fail_memory(err, sizeof *users);
    }
    *out = users;
    return WP_OK;
}

void wp_users_free(wp_users *users)
{
    if (users == NULL)
        return;
    wp_intern_free(&users->ids);
    for (uint32_t i = 0; users->values != NULL && i < users->schema.texts_count; i++)
        wp_intern_free(&users->values[i]);
    wp_free(users->values);
    wp_free(users->seen);
    wp_free(users->kept_numbers);
    wp_free(users->kept_texts);
    wp_free(users->kept_known_at_us);
    wp_free(users->hashes);
    wp_free(users->events);
    wp_free(users->numbers);
    wp_free(users->texts);
    wp_free(users);
}

uint32_t wp_users_columns_count(const wp_users *users)
{
    return users->columns_count;
}

const char *wp_users_column(const wp_users *users, uint32_t i)
{
    const wp_users_schema *schema = &users->schema;
    if (i == 0)
        return schema->id;
    if (i < users->first_value)
        return i == 1 && schema->alias != NULL ? schema->alias : schema->known_at;
    i -= users->first_value;
    if (i < schema->events_count)
        return schema->event_columns[i];
    i -= schema->events_count;
    return i < schema->numbers_count ? schema->numbers[i]
                                     : schema->texts[i - schema->numbers_count];
}

/* Columns whose values must agree between the rows of a user: all but id and alias. */
static uint32_t checked_count(const wp_users *users)
{
    return users->columns_count - 1 - (users->schema.alias != NULL);
}

/* Room for `capacity` users in one of the tables; the new part is zero. */
static bool grow_table(void *table, size_t capacity, size_t old_capacity, size_t row_size)
{
    char *block;
    memcpy(&block, table, sizeof block);
    block = wp_realloc_array(block, capacity * row_size + 1, 1);
    if (block == NULL)
        return false;
    memset(block + old_capacity * row_size, 0, (capacity - old_capacity) * row_size);
    memcpy(table, &block, sizeof block);
    return true;
}

static wp_status grow_users(wp_users *users, wp_error *err)
{
    const wp_users_schema *schema = &users->schema;
    size_t old = users->users_capacity, capacity = old * 2 + 1024;
    if (users->ids.count <= old)
        return WP_OK;
    if (!grow_table(&users->seen, capacity, old, checked_count(users) * sizeof(uint64_t)) ||
        !grow_table(&users->kept_numbers, capacity, old, schema->numbers_count * sizeof(double)) ||
        !grow_table(&users->kept_texts, capacity, old, schema->texts_count * sizeof(uint32_t)) ||
        !grow_table(&users->kept_known_at_us, capacity, old, sizeof(int64_t)))
        return wp_fail_memory(err, capacity * users->columns_count * sizeof(uint64_t));
    users->users_capacity = capacity;
    return WP_OK;
}

static wp_status add_event(wp_users *users, uint32_t user, uint32_t name, int64_t time_us,
                           bool zone_assumed, wp_error *err)
{
    if (users->events_count == users->events_capacity) {
        size_t capacity = users->events_capacity * 2 + 1024;
        user_event *events = wp_realloc_array(users->events, capacity, sizeof *events);
        if (events == NULL)
            return wp_fail_memory(err, capacity * sizeof *events);
        users->events = events;
        users->events_capacity = capacity;
    }
    users->events[users->events_count++] =
        (user_event){user, (uint16_t)name, zone_assumed, time_us};
    return WP_OK;
}

/* A parsed row, before anything of it has reached the build: a bad row leaves no trace. */
typedef struct parsed_row {
    wp_user_row attributes;
    int64_t times_us[EVENTS_MAX];
    bool zone_assumed[EVENTS_MAX];
} parsed_row;

static wp_status parse_row(wp_users *users, wp_cell *cells, const char *place, parsed_row *row,
                           wp_error *err)
{
    const wp_users_schema *schema = &users->schema;
    if (wp_cell_missing(&cells[0]))
        return wp_fail_missing(err, place, schema->id);
    row->attributes =
        (wp_user_row){wp_cell_text(&cells[0]), users->numbers, users->texts, WP_TIME_MISSING};
    bool assumed = false;
    wp_cell *known_at = &cells[users->first_value - 1];
    if (schema->known_at != NULL && !wp_cell_missing(known_at) &&
        !wp_cell_time(known_at, &schema->time_rule, &row->attributes.known_at_us, &assumed))
        return wp_fail_time(err, place, schema->known_at, known_at, &schema->time_rule);
    wp_cell *cell = cells + users->first_value;
    for (uint32_t i = 0; i < schema->events_count; i++, cell++) {
        row->times_us[i] = WP_TIME_MISSING;
        row->zone_assumed[i] = false;
        if (!wp_cell_missing(cell) &&
            !wp_cell_time(cell, &schema->time_rule, &row->times_us[i], &row->zone_assumed[i]))
            return wp_fail_time(err, place, schema->event_columns[i], cell, &schema->time_rule);
    }
    for (uint32_t i = 0; i < schema->numbers_count; i++, cell++)
        if (!wp_cell_number(cell, &users->numbers[i]))
            return wp_fail_number(err, place, schema->numbers[i], cell);
    for (uint32_t i = 0; i < schema->texts_count; i++, cell++)
        users->texts[i] = wp_cell_text(cell);
    return WP_OK;
}

static uint64_t hash_number(double number)
{
    uint64_t bits;
    number += 0.0; /* -0 is 0 */
    memcpy(&bits, &number, sizeof bits);
    return wp_hash_word(1, bits);
}

/* Hashes of the row's values, 0 where missing, in the order of the checked columns. */
static void hash_row(const wp_users *users, const parsed_row *row, uint64_t *hashes)
{
    const wp_users_schema *schema = &users->schema;
    if (schema->known_at != NULL)
        *hashes++ = row->attributes.known_at_us == WP_TIME_MISSING
                        ? 0
                        : wp_hash_word(2, (uint64_t)row->attributes.known_at_us) | 1;
    for (uint32_t i = 0; i < schema->events_count; i++)
        *hashes++ = row->times_us[i] == WP_TIME_MISSING
                        ? 0
                        : wp_hash_word(3, (uint64_t)row->times_us[i]) | 1;
    for (uint32_t i = 0; i < schema->numbers_count; i++)
        *hashes++ = isnan(users->numbers[i]) ? 0 : hash_number(users->numbers[i]) | 1;
    for (uint32_t i = 0; i < schema->texts_count; i++)
        *hashes++ = users->texts[i].length == 0
                        ? 0
                        : wp_hash_bytes(users->texts[i].text, users->texts[i].length) | 1;
}

static wp_status fail_contradiction(const wp_users *users, uint32_t column, wp_cell *cells,
                                    const char *place, wp_error *err)
{
    wp_slice id = wp_cell_text(&cells[0]), value = wp_cell_text(&cells[column]);
    return wp_fail(err, WP_PARSE,
                   "%s: user '%.*s': column '%s': '%.*s' contradicts an earlier row of this user "
                   "(expected one row per user, or equal values)",
                   place, (int)(id.length > 80 ? 80 : id.length), id.text,
                   wp_users_column(users, column), (int)(value.length > 80 ? 80 : value.length),
                   value.text);
}

/* Checks the row against earlier ones of the user and keeps its dates when they are new. */
static wp_status check_row(wp_users *users, uint32_t user, wp_cell *cells, const parsed_row *row,
                           const char *place, wp_error *err)
{
    uint32_t count = checked_count(users), first_date = users->schema.known_at != NULL;
    uint64_t *seen = users->seen + (size_t)user * count, *hashes = users->hashes;
    hash_row(users, row, hashes);
    for (uint32_t i = 0; i < count; i++)
        if (hashes[i] != 0 && seen[i] != 0 && hashes[i] != seen[i])
            return fail_contradiction(users, users->columns_count - count + i, cells, place, err);
    for (uint32_t i = 0; i < users->schema.events_count; i++)
        if (row->times_us[i] != WP_TIME_MISSING && seen[first_date + i] == 0)
            WP_TRY(add_event(users, user, i, row->times_us[i], row->zone_assumed[i], err));
    for (uint32_t i = 0; i < count; i++)
        seen[i] = hashes[i] != 0 ? hashes[i] : seen[i];
    return WP_OK;
}

/* Missing values leave what an earlier row of the user said. */
static wp_status keep_values(wp_users *users, uint32_t user, const parsed_row *row, wp_error *err)
{
    const wp_users_schema *schema = &users->schema;
    double *numbers = users->kept_numbers + (size_t)user * schema->numbers_count;
    uint32_t *texts = users->kept_texts + (size_t)user * schema->texts_count;
    for (uint32_t i = 0; i < schema->numbers_count; i++)
        if (!isnan(users->numbers[i]))
            numbers[i] = users->numbers[i];
    for (uint32_t i = 0; i < schema->texts_count; i++) {
        wp_slice text = users->texts[i];
        if (text.length == 0)
            continue;
        uint32_t code = wp_intern_add(&users->values[i], text.text, text.length,
                                      wp_hash_bytes(text.text, text.length));
        if (code == UINT32_MAX)
            return wp_fail_memory(err, text.length);
        texts[i] = code + 1;
    }
    if (row->attributes.known_at_us != WP_TIME_MISSING)
        users->kept_known_at_us[user] = row->attributes.known_at_us;
    return WP_OK;
}

static wp_status add_alias(wp_users *users, wp_cell *cells, wp_slice id, const char *place,
                           wp_error *err)
{
    if (users->schema.alias == NULL || wp_cell_missing(&cells[1]))
        return WP_OK;
    wp_slice alias = wp_cell_text(&cells[1]);
    wp_error why;
    wp_status status = wp_build_add_alias(users->build, alias, id, &why);
    return status == WP_OK ? WP_OK : wp_fail(err, status, "%s: %s", place, why.message);
}

static wp_status add_row(wp_users *users, wp_cell *cells, const char *place, wp_error *err)
{
    parsed_row row;
    WP_TRY(parse_row(users, cells, place, &row, err));
    wp_slice id = row.attributes.id;
    uint32_t user =
        wp_intern_add(&users->ids, id.text, id.length, wp_hash_bytes(id.text, id.length));
    if (user == UINT32_MAX)
        return wp_fail_memory(err, id.length);
    WP_TRY(grow_users(users, err));
    WP_TRY(check_row(users, user, cells, &row, place, err));
    WP_TRY(add_alias(users, cells, id, place, err));
    return keep_values(users, user, &row, err);
}

wp_status wp_users_add(wp_users *users, wp_cell *cells, const char *place, wp_error *err)
{
    wp_error why;
    wp_status status = add_row(users, cells, place, &why);
    if (status == WP_PARSE && users->schema.skip_bad) {
        wp_build_count_skipped(users->build, 1);
        return WP_OK;
    }
    if (status != WP_OK && err != NULL)
        *err = why;
    return status;
}

wp_status wp_users_refuse(wp_users *users, const char *place, const char *why, wp_error *err)
{
    if (!users->schema.skip_bad)
        return wp_fail(err, WP_PARSE, "%s: %s", place, why);
    wp_build_count_skipped(users->build, 1);
    return WP_OK;
}

/* --- The end ------------------------------------------------------------------------------------
 */

static wp_slice text_of(const wp_intern *table, uint32_t code)
{
    return (wp_slice){table->bytes + table->offsets[code],
                      (size_t)(table->offsets[code + 1] - table->offsets[code])};
}

/* Another user says the same in checked column i. A date's event stays where it is. */
static void copy_value(wp_users *users, uint32_t user, uint32_t other, uint32_t i)
{
    const wp_users_schema *schema = &users->schema;
    uint32_t count = checked_count(users), has_date = schema->known_at != NULL;
    users->seen[(size_t)other * count + i] = users->seen[(size_t)user * count + i];
    if (has_date && i == 0)
        users->kept_known_at_us[other] = users->kept_known_at_us[user];
    if (i < has_date + schema->events_count)
        return;
    i -= has_date + schema->events_count;
    if (i < schema->numbers_count)
        users->kept_numbers[(size_t)other * schema->numbers_count + i] =
            users->kept_numbers[(size_t)user * schema->numbers_count + i];
    else
        users->kept_texts[(size_t)other * schema->texts_count + i - schema->numbers_count] =
            users->kept_texts[(size_t)user * schema->texts_count + i - schema->numbers_count];
}

/* A user whose id is an alias of another user in the table: their rows describe one person. */
static wp_status merge_user(wp_users *users, uint32_t user, uint32_t other, wp_error *err)
{
    uint32_t count = checked_count(users);
    uint64_t *seen = users->seen + (size_t)user * count, *its = users->seen + (size_t)other * count;
    for (uint32_t i = 0; i < count; i++) {
        if (seen[i] != 0 && its[i] != 0 && seen[i] != its[i]) {
            wp_slice alias = text_of(&users->ids, user), id = text_of(&users->ids, other);
            return wp_fail(err, WP_PARSE,
                           "users: '%.*s' is an alias of '%.*s', and their rows contradict each "
                           "other in column '%s' (expected equal values)",
                           (int)(alias.length > 80 ? 80 : alias.length), alias.text,
                           (int)(id.length > 80 ? 80 : id.length), id.text,
                           wp_users_column(users, users->columns_count - count + i));
        }
        if (seen[i] == its[i])
            seen[i] = 0; /* said once is enough: a date is one event */
        else if (its[i] == 0)
            copy_value(users, user, other, i);
    }
    return WP_OK;
}

static wp_status merge_users(wp_users *users, wp_error *err)
{
    for (uint32_t user = 0; user < users->ids.count; user++) {
        wp_slice id = text_of(&users->ids, user);
        wp_slice end = wp__resolve_alias(users->build, id);
        uint32_t other = end.text == id.text ? user
                                             : wp_intern_find(&users->ids, end.text, end.length,
                                                              wp_hash_bytes(end.text, end.length));
        if (other != user && other != UINT32_MAX)
            WP_TRY(merge_user(users, user, other, err));
    }
    return WP_OK;
}

/* Hands the attributes to the build. The masks of `seen` say which values there are. */
static wp_status add_attributes(wp_users *users, wp_error *err)
{
    const wp_users_schema *schema = &users->schema;
    uint32_t count = checked_count(users), has_date = schema->known_at != NULL;
    for (uint32_t user = 0; user < users->ids.count; user++) {
        const uint64_t *seen = users->seen + (size_t)user * count;
        const uint64_t *of_numbers = seen + has_date + schema->events_count;
        const uint64_t *of_texts = of_numbers + schema->numbers_count;
        for (uint32_t i = 0; i < schema->numbers_count; i++)
            users->numbers[i] = of_numbers[i] == 0
                                    ? NAN
                                    : users->kept_numbers[(size_t)user * schema->numbers_count + i];
        for (uint32_t i = 0; i < schema->texts_count; i++) {
            uint32_t code = users->kept_texts[(size_t)user * schema->texts_count + i];
            users->texts[i] =
                of_texts[i] == 0 ? (wp_slice){NULL, 0} : text_of(&users->values[i], code - 1);
        }
        wp_user_row row = {text_of(&users->ids, user), users->numbers, users->texts,
                           has_date && seen[0] != 0 ? users->kept_known_at_us[user]
                                                    : WP_TIME_MISSING};
        WP_TRY(wp_build_add_user(users->build, &row, err));
    }
    return WP_OK;
}

static wp_status add_events(wp_users *users, wp_writer *writer, uint64_t batch_place, wp_error *err)
{
    const wp_users_schema *schema = &users->schema;
    uint32_t count = checked_count(users), first_date = schema->known_at != NULL;
    for (uint32_t i = 0; i < schema->log_numbers_count; i++)
        users->numbers[i] = NAN;
    for (uint32_t i = 0; i < schema->log_texts_count; i++)
        users->texts[i] = (wp_slice){NULL, 0};
    for (size_t i = 0; i < users->events_count; i++) {
        const user_event *event = &users->events[i];
        if (users->seen[(size_t)event->user * count + first_date + event->name] == 0)
            continue; /* its other id has it */
        const char *name = schema->event_names[event->name];
        wp_row row = {.user = text_of(&users->ids, event->user),
                      .event = {name, strlen(name)},
                      .time_us = event->time_us,
                      .numbers = users->numbers,
                      .texts = users->texts,
                      .order = WP_ORDER_MISSING,
                      .time_zone_assumed = event->zone_assumed};
        WP_TRY(wp_writer_add(writer, &row, err));
        if (wp_writer_count(writer) == WP_BATCH_ROWS)
            WP_TRY(wp_writer_finish(writer, batch_place++, err));
    }
    return wp_writer_finish(writer, batch_place, err);
}

wp_status wp_users_finish(wp_users *users, uint64_t batch_place, wp_error *err)
{
    wp_writer *writer = NULL;
    WP_TRY(merge_users(users, err));
    WP_TRY(add_attributes(users, err));
    WP_TRY(wp_writer_start(users->build, &writer, err));
    wp_status status = add_events(users, writer, batch_place, err);
    wp_writer_free(writer);
    return status;
}
