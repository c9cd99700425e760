/* More sources for a reading (see reading.h): SQLite, and the users table.
**
** core.source.sqlite(reading, path, table or nil, query or nil) -> true | nil, message, code
** core.source.users(reading, spec) -> Users | nil, message, code; before any source of events.
**   spec: id, alias, known_at = column names; event_columns, event_names, numbers, properties =
**   lists; time_format, time_unit, timezone, delimiter
**   users:sqlite(path, table, query), users:csv(path), users:rows(rows) -> true | nil, message,
** code
**   users:finish() -> true | nil, message, code; users:close()
** Names are checked by lua/wayproof/read.lua. */
#include "base/memory.h"
#include "ingest/sqlite.h"
#include "ingest/users_csv.h"
#include "lua/reading.h"

#include <string.h>

#define USERS "wayproof.Users"

typedef struct users_handle {
    wp_users *users; /* NULL: closed */
    wp_zone *zone;
    wp_users_schema schema;
    wp_cell *cells;
    char delimiter; /* of CSV; '\0': detected */
} users_handle;

static wp_sqlite_source sqlite_source(lua_State *L, int first)
{
    return (wp_sqlite_source){luaL_checkstring(L, first), luaL_optstring(L, first + 1, NULL),
                              luaL_optstring(L, first + 2, NULL)};
}

static int answer(lua_State *L, wp_status status, const wp_error *err)
{
    if (status != WP_OK)
        return wpl_push_failure(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

static int l_sqlite(lua_State *L)
{
    wpl_reading *reading = wpl_check_reading(L, 1);
    wp_sqlite_source from = sqlite_source(L, 2);
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    uint64_t place = reading->next_place;
    reading->next_place += 1ULL << 32;
    return answer(L,
                  wp_sqlite_read_events(&from, &reading->source, place, &reading->rows_left,
                                        reading->build, &run, &err),
                  &err);
}

/* --- Users -------------------------------------------------------------------------------------
 */

static int u_close(lua_State *L)
{
    users_handle *handle = luaL_checkudata(L, 1, USERS);
    wp_users_free(handle->users);
    wp_zone_free(handle->zone);
    wp_free(handle->cells);
    memset(handle, 0, sizeof *handle);
    return 0;
}

static users_handle *check_users(lua_State *L, wpl_reading **reading)
{
    users_handle *handle = luaL_checkudata(L, 1, USERS);
    if (handle->users == NULL)
        luaL_error(L, "users table is finished");
    lua_getiuservalue(L, 1, 1); /* the events go into its build, so it must still be there */
    *reading = wpl_check_reading(L, -1);
    lua_pop(L, 1);
    return handle;
}

static const char *name_field(lua_State *L, int spec, const char *field)
{
    lua_getfield(L, spec, field);
    const char *name = luaL_optstring(L, -1, NULL);
    lua_pop(L, 1);
    return name; /* kept alive by the spec */
}

/* The list as an array of names that the handle's user value `slot` keeps alive. */
static const char *const *names_field(lua_State *L, int spec, const char *field, int handle,
                                      int slot, uint32_t *count)
{
    lua_getfield(L, spec, field);
    luaL_checktype(L, -1, LUA_TTABLE);
    *count = (uint32_t)luaL_len(L, -1);
    const char **names = lua_newuserdatauv(L, ((size_t)*count + 1) * sizeof *names, 0);
    for (uint32_t i = 0; i < *count; i++) {
        lua_geti(L, -2, (lua_Integer)i + 1);
        names[i] = luaL_checkstring(L, -1);
        lua_pop(L, 1);
    }
    lua_setiuservalue(L, handle, slot);
    lua_pop(L, 1);
    return names;
}

/* users(reading, spec) */
static int l_users(lua_State *L)
{
    wpl_reading *reading = wpl_check_reading(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    users_handle *handle = lua_newuserdatauv(L, sizeof *handle, 6);
    int self = lua_gettop(L);
    memset(handle, 0, sizeof *handle);
    luaL_setmetatable(L, USERS);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, self, 1);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, self, 2);
    wp_users_schema *schema = &handle->schema;
    schema->id = name_field(L, 2, "id");
    schema->alias = name_field(L, 2, "alias");
    schema->known_at = name_field(L, 2, "known_at");
    const char *delimiter = name_field(L, 2, "delimiter");
    handle->delimiter = delimiter == NULL ? '\0' : delimiter[0];
    uint32_t names_count;
    schema->event_columns = names_field(L, 2, "event_columns", self, 3, &schema->events_count);
    schema->event_names = names_field(L, 2, "event_names", self, 4, &names_count);
    schema->numbers = names_field(L, 2, "numbers", self, 5, &schema->numbers_count);
    schema->texts = names_field(L, 2, "properties", self, 6, &schema->texts_count);
    luaL_argcheck(L, schema->id != NULL && names_count == schema->events_count, 2, "bad spec");
    schema->log_numbers_count = reading->source.schema.numbers_count;
    schema->log_texts_count = reading->source.schema.texts_count;
    schema->skip_bad = reading->source.skip_bad;
    wp_error err;
    wp_status status = wpl_time_rule(L, 2, &schema->time_rule, &handle->zone, &err);
    if (status == WP_OK)
        status = wp_users_start(schema, reading->build, &handle->users, &err);
    if (status != WP_OK)
        return wpl_push_failure(L, &err);
    handle->cells = wp_alloc_array_zero(wp_users_columns_count(handle->users), sizeof(wp_cell));
    if (handle->cells == NULL)
        return luaL_error(L, "out of memory");
    lua_settop(L, self);
    return 1;
}

static int u_sqlite(lua_State *L)
{
    wpl_reading *reading;
    users_handle *handle = check_users(L, &reading);
    wp_sqlite_source from = sqlite_source(L, 2);
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    return answer(L, wp_sqlite_read_users(&from, handle->users, &run, &err), &err);
}

/* users:csv(path) */
static int u_csv(lua_State *L)
{
    wpl_reading *reading;
    users_handle *handle = check_users(L, &reading);
    const char *path = luaL_checkstring(L, 2);
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    return answer(L, wp_users_read_csv(path, handle->delimiter, handle->users, &run, &err), &err);
}

/* The value on top of the stack as a cell; false when it can be none. */
static bool to_cell(lua_State *L, bool is_number, wp_cell *cell)
{
    switch (lua_type(L, -1)) {
    case LUA_TNIL:
        cell->kind = WP_CELL_NULL;
        return true;
    case LUA_TBOOLEAN:
        cell->kind = is_number ? WP_CELL_INTEGER : WP_CELL_TEXT;
        cell->integer = lua_toboolean(L, -1);
        cell->text = lua_toboolean(L, -1) ? (wp_slice){"true", 4} : (wp_slice){"false", 5};
        return true;
    case LUA_TNUMBER:
        cell->kind = lua_isinteger(L, -1) ? WP_CELL_INTEGER : WP_CELL_REAL;
        cell->integer = lua_tointeger(L, -1);
        cell->real = lua_tonumber(L, -1);
        if (cell->kind == WP_CELL_REAL && cell->real != cell->real)
            cell->kind = WP_CELL_NULL;
        return true;
    case LUA_TSTRING:
        cell->kind = WP_CELL_TEXT;
        cell->text.text = lua_tolstring(L, -1, &cell->text.length);
        return true;
    default:
        return false;
    }
}

/* The table on top of the stack becomes the cells of a row, whose texts stay on the stack. */
static wp_status read_row(lua_State *L, users_handle *handle, lua_Integer number, wp_error *err)
{
    const wp_users *users = handle->users;
    uint32_t count = wp_users_columns_count(users);
    uint32_t numbers_end = count - handle->schema.texts_count;
    uint32_t numbers_start = numbers_end - handle->schema.numbers_count;
    int row = lua_gettop(L);
    if (!lua_istable(L, row))
        return wp_fail(err, WP_PARSE, "users: row %lld: a %s (expected a table)", (long long)number,
                       luaL_typename(L, row));
    luaL_checkstack(L, (int)count + 8, "users: too many columns");
    for (uint32_t i = 0; i < count; i++) {
        lua_getfield(L, row, wp_users_column(users, i));
        if (!to_cell(L, i >= numbers_start && i < numbers_end, &handle->cells[i]))
            return wp_fail(err, WP_PARSE,
                           "users: row %lld: column '%s': a %s (expected a text or a number)",
                           (long long)number, wp_users_column(users, i), luaL_typename(L, -1));
    }
    return WP_OK;
}

/* users:rows(list of tables, or iterator) */
static int u_rows(lua_State *L)
{
    wpl_reading *reading;
    users_handle *handle = check_users(L, &reading);
    bool is_list = lua_istable(L, 2);
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    for (lua_Integer number = 1;; number++) {
        lua_settop(L, 2);
        if (is_list) {
            lua_geti(L, 2, number);
        } else {
            lua_pushvalue(L, 2);
            lua_call(L, 0, 1);
            check_users(L, &reading); /* the iterator may have closed us */
        }
        if (lua_isnil(L, -1))
            break;
        char place[64];
        snprintf(place, sizeof place, "users: row %lld", (long long)number);
        wp_status status = read_row(L, handle, number, &err);
        if (status == WP_OK)
            status = wp_users_add(handle->users, handle->cells, place, &err);
        else if (handle->schema.skip_bad) {
            wp_build_count_skipped(reading->build, 1);
            status = WP_OK;
        }
        if (status == WP_OK && wp_run_interrupted(&run))
            status = wp_fail(&err, WP_INTERRUPTED, "interrupted");
        if (status != WP_OK)
            return wpl_push_failure(L, &err);
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int u_finish(lua_State *L)
{
    wpl_reading *reading;
    users_handle *handle = check_users(L, &reading);
    wp_error err;
    uint64_t place = reading->next_place;
    reading->next_place += 1ULL << 32;
    wp_status status = wp_users_finish(handle->users, place, &err);
    lua_settop(L, 1);
    u_close(L);
    return answer(L, status, &err);
}

int wpl_open_source(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"csv", u_csv}, {"sqlite", u_sqlite}, {"rows", u_rows}, {"finish", u_finish}, {NULL, NULL}};
    wpl_class(L, USERS, u_close, methods, NULL);
    lua_pop(L, 1);
    static const luaL_Reg functions[] = {{"sqlite", l_sqlite}, {"users", l_users}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
