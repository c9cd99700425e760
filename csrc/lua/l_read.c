/* core.read: from files and Lua values to a log.
**
** core.read.csv(paths, spec)  -> Log | nil, message, code      paths: text or list of texts
** core.read.rows(rows, spec)  -> Log | nil, message, code      rows: array or iterator
** core.read.start(spec)       -> Reading | nil, message, code  to join several sources:
**   reading:csv(paths) -> true | nil, message, code
**   reading:rows(rows) -> true | nil, message, code
**   reading:finish()   -> Log | nil, message, code;   reading:close()
** Sources follow each other in row order. What a users table says is added between start and the
** first source of events (C: wpl_check_reading, ingest/batch.h).
** core.read.table(path, { delimiter, bad_rows, limit }) -> Table | nil, message, code
**   { rows = count, skipped = count, names = {name, …}, kinds = {"integer" | "number" | "text", …},
**     columns = { {value or nil, …}, … } } by position of the column. A column is of integers or
**   numbers when all its cells are (00017 is a text); an empty cell is nil.
**
** spec: user, event, time = column names (event_name = "x" instead of event: a constant);
**   value = number column, numbers = {names}, properties = {names}, order = column,
**   time_format, time_unit = "s" | "ms" | "us", timezone, bad_rows = "fail" | "skip", limit,
**   delimiter (CSV); user_numbers = {names}, user_texts = {names}, has_known_at (for the users
**   table). Options are taken as they come: lua/wayproof/read.lua has checked them. */
#include "base/memory.h"
#include "base/number.h"
#include "ingest/csv.h"
#include "ingest/table.h"
#include "lua/reading.h"

#include <string.h>

/* --- The spec --------------------------------------------------------------------------------- */

static const char *text_field(lua_State *L, int spec, const char *field)
{
    const char *text = lua_getfield(L, spec, field) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    lua_pop(L, 1);
    return text; /* kept alive by the spec */
}

/* A list of texts as an array that Lua owns; `first` goes before it when not NULL. The array and
** the list stay on the stack for the caller to anchor. */
static const char **names_field(lua_State *L, int spec, const char *field, const char *first,
                                uint32_t *count)
{
    int type = lua_getfield(L, spec, field);
    lua_Unsigned listed = type == LUA_TTABLE ? lua_rawlen(L, -1) : 0;
    if (listed > 100000)
        luaL_error(L, "%s: too many columns", field);
    const char **names = lua_newuserdatauv(L, ((size_t)listed + 1) * sizeof *names, 0);
    uint32_t kept = 0;
    if (first != NULL)
        names[kept++] = first;
    for (lua_Unsigned i = 1; i <= listed; i++) {
        if (lua_rawgeti(L, -2, (lua_Integer)i) != LUA_TSTRING)
            luaL_error(L, "%s: column names must be strings", field);
        names[kept++] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    *count = kept;
    lua_remove(L, -2);
    return names;
}

wp_status wpl_time_rule(lua_State *L, int index, wp_time_rule *rule, wp_zone **zone, wp_error *err)
{
    *zone = NULL;
    *rule = (wp_time_rule){.format = text_field(L, index, "time_format")};
    const char *unit = text_field(L, index, "time_unit");
    if (unit != NULL)
        rule->unit = strcmp(unit, "s") == 0    ? WP_UNIT_SECONDS
                     : strcmp(unit, "ms") == 0 ? WP_UNIT_MILLISECONDS
                     : strcmp(unit, "us") == 0 ? WP_UNIT_MICROSECONDS
                                               : WP_UNIT_AUTO;
    if (unit != NULL && rule->unit == WP_UNIT_AUTO)
        return wp_fail(err, WP_INVALID, "time_unit: '%s' (expected 's', 'ms' or 'us')", unit);
    const char *problem = rule->format == NULL ? NULL : wp_time_format_problem(rule->format);
    if (problem != NULL)
        return wp_fail(err, WP_INVALID, "time_format: '%s' %s", rule->format, problem);
    const char *name = text_field(L, index, "timezone");
    if (name == NULL)
        return WP_OK;
    WP_TRY(wp_zone_load(name, zone, err));
    rule->zone = *zone;
    return WP_OK;
}

static int m_close(lua_State *L)
{
    wpl_reading *reading = luaL_checkudata(L, 1, WPL_READING);
    wp_build_free(reading->build);
    wp_zone_free(reading->zone);
    reading->build = NULL;
    reading->zone = NULL;
    return 0;
}

wpl_reading *wpl_check_reading(lua_State *L, int index)
{
    wpl_reading *reading = luaL_checkudata(L, index, WPL_READING);
    if (reading->build == NULL)
        luaL_error(L, "reading is finished");
    return reading;
}

/* Pushes a reading for the spec at index; its names are anchored in the user values. */
static wpl_reading *new_reading(lua_State *L, int spec, wp_error *err)
{
    spec = lua_absindex(L, spec);
    wpl_reading *reading = lua_newuserdatauv(L, sizeof *reading, 5);
    memset(reading, 0, sizeof *reading);
    luaL_setmetatable(L, WPL_READING);
    lua_pushvalue(L, spec);
    lua_setiuservalue(L, -2, 1);
    wp_source *source = &reading->source;
    source->user = text_field(L, spec, "user");
    source->event = text_field(L, spec, "event");
    source->time = text_field(L, spec, "time");
    source->event_name = text_field(L, spec, "event_name");
    source->order = text_field(L, spec, "order");
    const char *delimiter = text_field(L, spec, "delimiter");
    source->delimiter = delimiter != NULL ? delimiter[0] : '\0';
    const char *bad_rows = text_field(L, spec, "bad_rows");
    source->skip_bad = bad_rows != NULL && strcmp(bad_rows, "skip") == 0;
    if (source->user == NULL || source->time == NULL ||
        (source->event == NULL && source->event_name == NULL))
        luaL_error(L, "spec: user, event and time are needed");
    lua_getfield(L, spec, "limit");
    source->limit = lua_isnil(L, -1) ? UINT64_MAX : (uint64_t)luaL_checkinteger(L, -1);
    reading->rows_left = source->limit;
    lua_pop(L, 1);
    const char *value = text_field(L, spec, "value");
    wp_schema *schema = &source->schema;
    schema->has_value = value != NULL;
    schema->has_order = source->order != NULL;
    schema->numbers = names_field(L, spec, "numbers", value, &schema->numbers_count);
    lua_setiuservalue(L, -2, 2);
    schema->texts = names_field(L, spec, "properties", NULL, &schema->texts_count);
    lua_setiuservalue(L, -2, 3);
    schema->user_numbers = names_field(L, spec, "user_numbers", NULL, &schema->user_numbers_count);
    lua_setiuservalue(L, -2, 4);
    schema->user_texts = names_field(L, spec, "user_texts", NULL, &schema->user_texts_count);
    lua_setiuservalue(L, -2, 5);
    lua_getfield(L, spec, "has_known_at");
    schema->has_known_at = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (wpl_time_rule(L, spec, &source->time_rule, &reading->zone, err) != WP_OK ||
        wp_build_start(schema, &reading->build, err) != WP_OK)
        return NULL;
    return reading;
}

/* --- CSV files -------------------------------------------------------------------------------- */

static wp_status feed_file(lua_State *L, wpl_reading *reading, const char *path,
                           wp_csv_result *total, wp_error *err)
{
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_csv_result result;
    uint64_t place = reading->next_place;
    reading->next_place += 1ULL << 32;
    WP_TRY(wp_csv_read(path, &reading->source, reading->rows_left, place, reading->build, &run,
                       &result, err));
    wp_build_count_skipped(reading->build, result.rows_skipped);
    if (reading->rows_left != UINT64_MAX)
        reading->rows_left -= result.rows_count;
    total->rows_count += result.rows_count;
    total->rows_skipped += result.rows_skipped;
    if (total->first_bad[0] == '\0')
        memcpy(total->first_bad, result.first_bad, sizeof total->first_bad);
    return WP_OK;
}

static wp_status check_found(const wp_csv_result *total, const char *path, wp_error *err)
{
    if (total->rows_count > 0)
        return WP_OK;
    if (total->rows_skipped > 0)
        return wp_fail(err, WP_PARSE, "%s (and all of %llu rows are bad)", total->first_bad,
                       (unsigned long long)total->rows_skipped);
    return wp_fail(err, WP_PARSE,
                   "%s: has column names and no rows (expected one row per event below them)",
                   path);
}

/* Feeds the file, or the list of files, at `paths`. */
static wp_status feed_csv(lua_State *L, wpl_reading *reading, int paths, wp_error *err)
{
    wp_csv_result total = {0};
    bool is_limited = reading->rows_left == 0;
    if (lua_type(L, paths) == LUA_TSTRING) {
        const char *path = lua_tostring(L, paths);
        WP_TRY(feed_file(L, reading, path, &total, err));
        return is_limited ? WP_OK : check_found(&total, path, err);
    }
    luaL_checktype(L, paths, LUA_TTABLE);
    lua_Integer count = (lua_Integer)lua_rawlen(L, paths);
    const char *path = "list of files";
    for (lua_Integer i = 1; i <= count && reading->rows_left > 0; i++) {
        if (lua_rawgeti(L, paths, i) != LUA_TSTRING)
            luaL_error(L, "path %I: string expected, got %s", i, luaL_typename(L, -1));
        path = lua_tostring(L, -1); /* the list keeps it */
        lua_pop(L, 1);
        WP_TRY(feed_file(L, reading, path, &total, err));
    }
    return is_limited ? WP_OK : check_found(&total, path, err);
}

/* --- Entries ---------------------------------------------------------------------------------- */

static int finish(lua_State *L, wpl_reading *reading)
{
    wp_error err;
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_columns *columns = NULL;
    wp_log *log = NULL;
    wp_build *build = reading->build;
    wp_status status = wp_build_finish(build, &run, &columns, &err);
    if (status == WP_OK)
        status = wp_log_take_columns(columns, &log, &err);
    reading->build = NULL;
    wp_build_free(build);
    if (status != WP_OK)
        return wpl_push_failure(L, &err);
    wpl_push_log(L, log);
    return 1;
}

static int m_finish(lua_State *L)
{
    return finish(L, wpl_check_reading(L, 1));
}

static int m_rows(lua_State *L)
{
    wpl_reading *reading = wpl_check_reading(L, 1);
    wp_error err;
    if (wpl_feed_rows(L, reading, 2, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

static int m_csv(lua_State *L)
{
    wpl_reading *reading = wpl_check_reading(L, 1);
    wp_error err;
    if (feed_csv(L, reading, 2, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

static int l_csv(lua_State *L)
{
    wp_error err;
    luaL_checktype(L, 2, LUA_TTABLE);
    wpl_reading *reading = new_reading(L, 2, &err);
    if (reading == NULL || feed_csv(L, reading, 1, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    return finish(L, reading);
}

/* --- Tables ----------------------------------------------------------------------------------- */

#define TABLE "wayproof.Table"

static int table_gc(lua_State *L)
{
    wp_table_free(luaL_checkudata(L, 1, TABLE));
    return 0;
}

static void push_cell(lua_State *L, wp_slice cell, wp_table_kind kind)
{
    int64_t integer;
    double number;
    if (cell.length == 0)
        lua_pushnil(L);
    else if (kind == WP_TABLE_TEXTS)
        lua_pushlstring(L, cell.text, cell.length);
    else if (kind == WP_TABLE_INTEGERS && wp_integer_parse(cell.text, cell.length, &integer))
        lua_pushinteger(L, integer);
    else if (wp_number_parse(cell.text, cell.length, &number) && !isnan(number))
        lua_pushnumber(L, number);
    else
        lua_pushnil(L);
}

/* Pushes { names, kinds, columns, rows, skipped }. */
static void push_table(lua_State *L, wp_table *table)
{
    static const char *const kinds[] = {"integer", "number", "text"};
    uint32_t count = table->head.columns_count;
    lua_createtable(L, 0, 5);
    lua_pushinteger(L, table->rows_count);
    lua_setfield(L, -2, "rows");
    lua_pushinteger(L, (lua_Integer)table->rows_skipped);
    lua_setfield(L, -2, "skipped");
    lua_newtable(L);
    lua_newtable(L);
    lua_newtable(L);
    for (uint32_t column = 0; column < count; column++) {
        wp_table_kind kind = wp_table_column_kind(table, column);
        lua_pushstring(L, table->head.names[column]);
        lua_rawseti(L, -4, (lua_Integer)column + 1);
        lua_pushstring(L, kinds[kind]);
        lua_rawseti(L, -3, (lua_Integer)column + 1);
        lua_createtable(L, (int)(table->rows_count < INT32_MAX ? table->rows_count : 0), 0);
        for (uint32_t row = 0; row < table->rows_count; row++) {
            push_cell(L, wp_table_cell(table, row, column), kind);
            lua_rawseti(L, -2, (lua_Integer)row + 1);
        }
        lua_rawseti(L, -2, (lua_Integer)column + 1);
    }
    lua_setfield(L, -4, "columns");
    lua_setfield(L, -3, "kinds");
    lua_setfield(L, -2, "names");
}

static int l_table(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    const char *delimiter = NULL, *bad_rows = NULL;
    lua_Integer limit = LUA_MAXINTEGER;
    if (!lua_isnoneornil(L, 2)) {
        luaL_checktype(L, 2, LUA_TTABLE);
        delimiter = text_field(L, 2, "delimiter");
        bad_rows = text_field(L, 2, "bad_rows");
        if (lua_getfield(L, 2, "limit") != LUA_TNIL)
            limit = luaL_checkinteger(L, -1);
        lua_pop(L, 1);
    }
    wp_table *table = lua_newuserdatauv(L, sizeof *table, 0);
    memset(table, 0, sizeof *table);
    luaL_setmetatable(L, TABLE);
    wp_error err;
    if (wp_table_read(path, delimiter != NULL ? delimiter[0] : '\0',
                      bad_rows != NULL && strcmp(bad_rows, "skip") == 0, (uint64_t)limit, table,
                      &err) != WP_OK)
        return wpl_push_failure(L, &err);
    push_table(L, table);
    wp_table_free(table);
    return 1;
}

/* chunk_bytes(n): makes chunks of CSV small in tests; 0 restores the default. */
static int l_chunk_bytes(lua_State *L)
{
    lua_Integer size = luaL_checkinteger(L, 1);
    luaL_argcheck(L, size >= 0 && size <= 1 << 26, 1, "0 to 2^26 expected");
    wp_csv_set_chunk_bytes((size_t)size);
    return 0;
}

static int l_start(lua_State *L)
{
    wp_error err;
    luaL_checktype(L, 1, LUA_TTABLE);
    return new_reading(L, 1, &err) != NULL ? 1 : wpl_push_failure(L, &err);
}

static int l_rows(lua_State *L)
{
    wp_error err;
    luaL_checktype(L, 2, LUA_TTABLE);
    wpl_reading *reading = new_reading(L, 2, &err);
    if (reading == NULL || wpl_feed_rows(L, reading, 1, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    return finish(L, reading);
}

int wpl_open_read(lua_State *L)
{
    wpl_open_row_reader(L);
    luaL_newmetatable(L, TABLE);
    lua_pushcfunction(L, table_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    static const luaL_Reg methods[] = {
        {"csv", m_csv}, {"rows", m_rows}, {"finish", m_finish}, {NULL, NULL}};
    wpl_class(L, WPL_READING, m_close, methods, NULL);
    lua_pop(L, 1);
    static const luaL_Reg functions[] = {{"csv", l_csv},
                                         {"rows", l_rows},
                                         {"start", l_start},
                                         {"table", l_table},
                                         {"chunk_bytes", l_chunk_bytes},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
