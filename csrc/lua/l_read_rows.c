/* Rows from Lua: an array of tables, or an iterator that returns one, into a reading.
**
** Keys are column names. Ids may be texts, numbers or booleans: integers keep all their digits,
** whole floats lose their point. Times are texts or epoch numbers. Whatever a metamethod or an
** iterator raises passes through; __gc frees what was under way. */
#include "base/memory.h"
#include "base/number.h"
#include "lua/reading.h"

#include <string.h>

typedef struct row_reader {
    wpl_reading *reading;
    wp_writer *writer;
    double *numbers;
    wp_slice *texts;
    wp_error err;
} row_reader;

#define ROW_READER "wayproof.RowReader"

static int row_reader_gc(lua_State *L)
{
    row_reader *reader = luaL_checkudata(L, 1, ROW_READER);
    wp_writer_free(reader->writer);
    wp_free(reader->numbers);
    wp_free(reader->texts);
    reader->writer = NULL;
    reader->numbers = NULL;
    reader->texts = NULL;
    return 0;
}

/* What stands at a field, for a message: short, quoted when a text. */
static const char *shown(lua_State *L, int index)
{
    if (lua_type(L, index) == LUA_TSTRING)
        return lua_pushfstring(L, "'%s'", lua_tostring(L, index));
    return luaL_tolstring(L, index, NULL);
}

static bool bad_field(lua_State *L, row_reader *reader, lua_Integer row, const char *field,
                      const char *expected)
{
    wp_fail(&reader->err, WP_PARSE, "row %lld: field '%s': %.200s is not %s", (long long)row, field,
            shown(L, -1), expected);
    lua_pop(L, 1);
    return false;
}

/* The field as text, on the stack; integers keep their digits, whole floats lose their point. */
static wp_slice push_text(lua_State *L, int row, const char *field)
{
    wp_slice slice = {NULL, 0};
    int type = lua_getfield(L, row, field);
    if (type == LUA_TNUMBER && !lua_isinteger(L, -1)) {
        int whole;
        lua_Integer number = lua_tointegerx(L, -1, &whole);
        if (whole) {
            lua_pop(L, 1);
            lua_pushinteger(L, number);
        }
    }
    if (type == LUA_TBOOLEAN) {
        lua_pushstring(L, lua_toboolean(L, -1) ? "true" : "false");
        lua_replace(L, -2);
    }
    if (type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TBOOLEAN)
        slice.text = lua_tolstring(L, -1, &slice.length);
    return slice;
}

static bool read_key(lua_State *L, row_reader *reader, lua_Integer row, int index,
                     const char *field, wp_slice *into)
{
    *into = push_text(L, index, field);
    if (into->length > 0)
        return true;
    if (lua_isnil(L, -1) || lua_type(L, -1) == LUA_TSTRING)
        wp_fail(&reader->err, WP_PARSE, "row %lld: field '%s': is missing (expected a text)",
                (long long)row, field);
    else
        wp_fail(&reader->err, WP_PARSE, "row %lld: field '%s': is a %s (expected a text or number)",
                (long long)row, field, luaL_typename(L, -1));
    return false;
}

static bool read_time(lua_State *L, row_reader *reader, lua_Integer row, int index, wp_row *into)
{
    const wp_source *source = &reader->reading->source;
    int type = lua_getfield(L, index, source->time);
    bool fine = false;
    if (type == LUA_TNUMBER && source->time_rule.format == NULL)
        fine = lua_isinteger(L, -1)
                   ? wp_time_from_integer(&source->time_rule, lua_tointeger(L, -1), &into->time_us)
                   : wp_time_from_double(&source->time_rule, lua_tonumber(L, -1), &into->time_us);
    else if (type == LUA_TSTRING || type == LUA_TNUMBER) {
        size_t length;
        lua_pushvalue(L, -1);
        const char *text = lua_tolstring(L, -1, &length);
        fine = wp_time_parse(&source->time_rule, text, length, &into->time_us,
                             &into->time_zone_assumed);
        lua_pop(L, 1);
    }
    if (fine) {
        lua_pop(L, 1);
        return true;
    }
    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        wp_fail(&reader->err, WP_PARSE, "row %lld: field '%s': is missing (expected a time)",
                (long long)row, source->time);
        return false;
    }
    if (source->time_rule.format == NULL)
        return bad_field(L, reader, row, source->time, "a time (expected ISO 8601 or epoch)");
    const char *expected =
        lua_pushfstring(L, "a time (expected the format '%s')", source->time_rule.format);
    lua_insert(L, -2);
    bad_field(L, reader, row, source->time, expected);
    lua_pop(L, 1);
    return false;
}

static bool read_number(lua_State *L, row_reader *reader, lua_Integer row, int index,
                        const char *field, double *number)
{
    size_t length;
    int type = lua_getfield(L, index, field);
    bool fine = true;
    if (type == LUA_TNUMBER) {
        *number = lua_tonumber(L, -1);
        fine = isnan(*number) || isfinite(*number);
    } else if (type == LUA_TBOOLEAN) {
        *number = lua_toboolean(L, -1);
    } else if (type == LUA_TSTRING) {
        const char *text = lua_tolstring(L, -1, &length);
        fine = wp_number_parse(text, length, number);
    } else if (type == LUA_TNIL) {
        *number = NAN;
    } else {
        fine = false;
    }
    if (!fine)
        return bad_field(L, reader, row, field, "a number");
    lua_pop(L, 1);
    return true;
}

static bool read_order(lua_State *L, row_reader *reader, lua_Integer row, int index,
                       wp_order *order)
{
    const char *field = reader->reading->source.order;
    size_t length = 0;
    int type = lua_getfield(L, index, field);
    lua_pushvalue(L, -1);
    const char *text =
        type == LUA_TNUMBER || type == LUA_TSTRING ? lua_tolstring(L, -1, &length) : NULL;
    bool fine = text == NULL ? type == LUA_TNIL : wp_order_parse(text, length, order);
    if (type == LUA_TNIL)
        *order = WP_ORDER_MISSING;
    lua_pop(L, 1);
    if (!fine)
        return bad_field(L, reader, row, field, "an order (expected a number or a time)");
    lua_pop(L, 1);
    return true;
}

/* The table on top of the stack becomes a row; WP_PARSE when it is not a good one. */
static wp_status add_row(lua_State *L, row_reader *reader, lua_Integer number)
{
    const wp_source *source = &reader->reading->source;
    int index = lua_gettop(L);
    wp_row row = {.numbers = reader->numbers, .texts = reader->texts};
    if (!lua_istable(L, index))
        return wp_fail(&reader->err, WP_PARSE, "row %lld: is a %s (expected a table)",
                       (long long)number, luaL_typename(L, index));
    luaL_checkstack(L, (int)source->schema.texts_count + 20, "too many columns");
    if (!read_key(L, reader, number, index, source->user, &row.user))
        return WP_PARSE;
    if (source->event_name != NULL)
        row.event = (wp_slice){source->event_name, strlen(source->event_name)};
    else if (!read_key(L, reader, number, index, source->event, &row.event))
        return WP_PARSE;
    if (!read_time(L, reader, number, index, &row))
        return WP_PARSE;
    for (uint32_t i = 0; i < source->schema.numbers_count; i++)
        if (!read_number(L, reader, number, index, source->schema.numbers[i], &reader->numbers[i]))
            return WP_PARSE;
    for (uint32_t i = 0; i < source->schema.texts_count; i++) {
        reader->texts[i] = push_text(L, index, source->schema.texts[i]);
        if (reader->texts[i].text == NULL && !lua_isnil(L, -1)) {
            bad_field(L, reader, number, source->schema.texts[i], "a text");
            return WP_PARSE;
        }
    }
    if (source->order != NULL && !read_order(L, reader, number, index, &row.order))
        return WP_PARSE;
    return wp_writer_add(reader->writer, &row, &reader->err);
}

static row_reader *new_row_reader(lua_State *L, wpl_reading *reading)
{
    const wp_schema *schema = &reading->source.schema;
    row_reader *reader = lua_newuserdatauv(L, sizeof *reader, 0);
    memset(reader, 0, sizeof *reader);
    reader->reading = reading;
    luaL_setmetatable(L, ROW_READER);
    reader->numbers = wp_alloc_array(schema->numbers_count, sizeof *reader->numbers);
    reader->texts = wp_alloc_array(schema->texts_count, sizeof *reader->texts);
    if (reader->numbers == NULL || reader->texts == NULL)
        wp_fail_memory(&reader->err, schema->texts_count * sizeof *reader->texts);
    else if (wp_writer_start(reading->build, &reader->writer, &reader->err) == WP_OK)
        reader->err.status = WP_OK;
    return reader;
}

/* Pushes row `number` (1-based) of a list or iterator at index; false at the end. */
static bool next_row(lua_State *L, int rows, lua_Integer number)
{
    if (lua_istable(L, rows)) {
        lua_geti(L, rows, number);
    } else {
        lua_pushvalue(L, rows);
        lua_call(L, 0, 1);
    }
    if (!lua_isnil(L, -1))
        return true;
    lua_pop(L, 1);
    return false;
}

/* Feeds all rows of the list or iterator at `rows`. */
wp_status wpl_feed_rows(lua_State *L, wpl_reading *reading, int rows, wp_error *err)
{
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    row_reader *reader = new_row_reader(L, reading);
    wp_status status = reader->err.status;
    uint64_t place = reading->next_place, skipped = 0;
    reading->next_place += 1ULL << 32;
    int top = lua_gettop(L);
    for (lua_Integer number = 1; status == WP_OK && reading->rows_left > 0; number++) {
        if (!next_row(L, rows, number))
            break;
        status = add_row(L, reader, number);
        lua_settop(L, top);
        if (status == WP_OK)
            reading->rows_left--;
        if (status == WP_PARSE && reading->source.skip_bad) {
            status = WP_OK;
            skipped++;
        }
        if (status == WP_OK && wp_writer_count(reader->writer) >= WP_BATCH_ROWS)
            status = wp_writer_finish(reader->writer, place++, &reader->err);
        if (status == WP_OK && (number & 1023) == 0 && wp_run_interrupted(&run))
            status = wp_fail(&reader->err, WP_INTERRUPTED, "interrupted");
    }
    if (status == WP_OK)
        status = wp_writer_finish(reader->writer, place, &reader->err);
    wp_build_count_skipped(reading->build, skipped);
    if (status != WP_OK)
        *err = reader->err;
    lua_pushcfunction(L, row_reader_gc);
    lua_pushvalue(L, -2);
    lua_call(L, 1, 0);
    lua_settop(L, top - 1);
    return status;
}

void wpl_open_row_reader(lua_State *L)
{
    luaL_newmetatable(L, ROW_READER);
    lua_pushcfunction(L, row_reader_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}
