/* The users table; see users.h. Cells of a row stand in the order id, alias, known_at (those that
** are asked for), dates, numbers, texts. */
#include "ingest/users.h"

#include "base/intern.h"
#include "base/memory.h"

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
    uint64_t *seen; /* per user and column from known_at on: hash of the value, 0 while missing */
    size_t seen_capacity; /* users */
    uint64_t *hashes;     /* of the row at hand */
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
    if (users->numbers == NULL || users->texts == NULL || users->hashes == NULL) {
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
    wp_free(users->seen);
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

static wp_status grow_seen(wp_users *users, wp_error *err)
{
    if (users->ids.count <= users->seen_capacity)
        return WP_OK;
    size_t width = checked_count(users), capacity = users->seen_capacity * 2 + 1024;
    uint64_t *seen = wp_realloc_array(users->seen, capacity * width + 1, sizeof *seen);
    if (seen == NULL)
        return wp_fail_memory(err, capacity * width * sizeof *seen);
    memset(seen + users->seen_capacity * width, 0,
           (capacity - users->seen_capacity) * width * sizeof *seen);
    users->seen = seen;
    users->seen_capacity = capacity;
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
    WP_TRY(grow_seen(users, err));
    WP_TRY(check_row(users, user, cells, &row, place, err));
    WP_TRY(add_alias(users, cells, id, place, err));
    return wp_build_add_user(users->build, &row.attributes, err);
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

wp_status wp_users_finish(wp_users *users, uint64_t batch_place, wp_error *err)
{
    const wp_users_schema *schema = &users->schema;
    for (uint32_t i = 0; i < schema->log_numbers_count; i++)
        users->numbers[i] = NAN;
    for (uint32_t i = 0; i < schema->log_texts_count; i++)
        users->texts[i] = (wp_slice){NULL, 0};
    wp_writer *writer = NULL;
    wp_status status = wp_writer_start(users->build, &writer, err);
    for (size_t i = 0; status == WP_OK && i < users->events_count; i++) {
        const user_event *event = &users->events[i];
        uint64_t start = users->ids.offsets[event->user];
        const char *name = schema->event_names[event->name];
        wp_row row = {.user = {users->ids.bytes + start,
                               (size_t)(users->ids.offsets[event->user + 1] - start)},
                      .event = {name, strlen(name)},
                      .time_us = event->time_us,
                      .numbers = users->numbers,
                      .texts = users->texts,
                      .order = WP_ORDER_MISSING,
                      .time_zone_assumed = event->zone_assumed};
        status = wp_writer_add(writer, &row, err);
        if (status == WP_OK && wp_writer_count(writer) == WP_BATCH_ROWS)
            status = wp_writer_finish(writer, batch_place++, err);
    }
    if (status == WP_OK)
        status = wp_writer_finish(writer, batch_place, err);
    wp_writer_free(writer);
    return status;
}
