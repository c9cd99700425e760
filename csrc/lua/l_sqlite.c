/* A small binding of SQLite for the inside of the library: the demo's writer, the ledger, tools.
** Reading event logs does not go through here (ingest/sqlite.c reads columns without Lua).
**
** core.sqlite.open(path [, mode]) -> Database; mode "r", "rw" or "rwc" (default; creates).
**   db:exec(sql), db:prepare(sql) -> Statement, db:transaction(f, ...), db:busy_timeout(seconds),
**   db:changes(), db:last_rowid(), db:close()
**   st:run(...) binds and runs to the end; st:rows(...) iterates; st:step() -> true, false;
**   st:bind(...), st:column(i), st:row(), st:names(), st:reset(), st:close()
** Integers keep their 64 bits, NULL is nil, blobs are strings, booleans are bound as 0 and 1.
** What the world can break returns nil, message, code; a closed handle raises.
**
** Statement and Database may be collected in any order: sqlite3_close_v2 waits for the last
** statement, and a statement only looks at its database (kept alive by a user value) to see
** whether it was closed by hand. */
#include "lua/binding.h"

#include <sqlite3.h>

#define DATABASE  "wayproof.Database"
#define STATEMENT "wayproof.Statement"

typedef struct database {
    sqlite3 *connection; /* NULL: closed */
    wpl_poll poll;       /* whose call is running, for Ctrl-C */
    char name[256];      /* for messages */
} database;

typedef struct statement {
    sqlite3_stmt *prepared; /* NULL: closed */
    database *owner;        /* first user value */
} statement;

static int push_sql_failure(lua_State *L, database *db)
{
    wp_error err;
    int code = sqlite3_errcode(db->connection);
    if (code == SQLITE_INTERRUPT)
        wp_fail(&err, WP_INTERRUPTED, "interrupted");
    else
        wp_fail(&err, code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? WP_CORRUPT : WP_SQL,
                "%s: %s", db->name, sqlite3_errmsg(db->connection));
    return wpl_push_failure(L, &err);
}

/* Called by SQLite every few thousand steps of its machine; not zero ends the statement. */
static int progress(void *context)
{
    database *db = context;
    return db->poll.L != NULL && lua_gethook(db->poll.L) != db->poll.hook;
}

static database *check_database(lua_State *L, int index)
{
    database *db = luaL_checkudata(L, index, DATABASE);
    if (db->connection == NULL)
        luaL_error(L, "database is closed");
    wpl_run(L, &db->poll);
    return db;
}

static statement *check_statement(lua_State *L, int index)
{
    statement *st = luaL_checkudata(L, index, STATEMENT);
    if (st->prepared == NULL)
        luaL_error(L, "statement is closed");
    if (st->owner->connection == NULL)
        luaL_error(L, "database is closed");
    wpl_run(L, &st->owner->poll);
    return st;
}

static int l_open(lua_State *L)
{
    static const char *const modes[] = {"r", "rw", "rwc", NULL};
    static const int flags[] = {SQLITE_OPEN_READONLY, SQLITE_OPEN_READWRITE,
                                SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE};
    const char *path = luaL_checkstring(L, 1);
    int mode = luaL_checkoption(L, 2, "rwc", modes);
    database *db = lua_newuserdatauv(L, sizeof *db, 0);
    memset(db, 0, sizeof *db);
    luaL_setmetatable(L, DATABASE);
    strncpy(db->name, path, sizeof db->name - 1);
    if (sqlite3_open_v2(path, &db->connection, flags[mode], NULL) != SQLITE_OK) {
        wp_error err;
        wp_fail(&err, WP_IO, "%s: %s", path,
                db->connection != NULL ? sqlite3_errmsg(db->connection) : "out of memory");
        sqlite3_close_v2(db->connection);
        db->connection = NULL;
        return wpl_push_failure(L, &err);
    }
    sqlite3_busy_timeout(db->connection, 5000);
    sqlite3_progress_handler(db->connection, 20000, progress, db);
    return 1;
}

static int m_close(lua_State *L)
{
    database *db = luaL_checkudata(L, 1, DATABASE);
    sqlite3 *connection = db->connection;
    db->connection = NULL;
    if (connection != NULL) {
        sqlite3_progress_handler(connection, 0, NULL, NULL);
        sqlite3_close_v2(connection);
    }
    return 0;
}

static int m_tostring(lua_State *L)
{
    database *db = luaL_checkudata(L, 1, DATABASE);
    lua_pushfstring(L, "Database (%s)", db->connection == NULL ? "closed" : db->name);
    return 1;
}

static int m_busy_timeout(lua_State *L)
{
    database *db = check_database(L, 1);
    lua_Number seconds = luaL_checknumber(L, 2);
    luaL_argcheck(L, seconds >= 0 && seconds <= 86400, 2, "seconds must be 0 to 86400");
    sqlite3_busy_timeout(db->connection, (int)(seconds * 1000));
    return 0;
}

static int m_exec(lua_State *L)
{
    database *db = check_database(L, 1);
    if (sqlite3_exec(db->connection, luaL_checkstring(L, 2), NULL, NULL, NULL) != SQLITE_OK)
        return push_sql_failure(L, db);
    lua_pushboolean(L, 1);
    return 1;
}

static int m_changes(lua_State *L)
{
    lua_pushinteger(L, sqlite3_changes(check_database(L, 1)->connection));
    return 1;
}

static int m_last_rowid(lua_State *L)
{
    lua_pushinteger(L, sqlite3_last_insert_rowid(check_database(L, 1)->connection));
    return 1;
}

/* transaction(f, ...): calls f(...) between BEGIN IMMEDIATE and COMMIT and returns what it
** returns; when f raises, or returns nil and a message, everything is rolled back. */
static int m_transaction(lua_State *L)
{
    database *db = check_database(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    if (sqlite3_exec(db->connection, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return push_sql_failure(L, db);
    int call_status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
    if (db->connection == NULL) /* f closed it, which rolled back */
        return call_status == LUA_OK ? luaL_error(L, "database is closed") : lua_error(L);
    bool failed = call_status != LUA_OK ||
                  (lua_gettop(L) >= 3 && lua_isnil(L, 2) && lua_type(L, 3) == LUA_TSTRING);
    if (failed) {
        sqlite3_exec(db->connection, "ROLLBACK", NULL, NULL, NULL);
        return call_status != LUA_OK ? lua_error(L) : lua_gettop(L) - 1;
    }
    if (sqlite3_exec(db->connection, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
        int results = push_sql_failure(L, db);
        sqlite3_exec(db->connection, "ROLLBACK", NULL, NULL, NULL);
        return results;
    }
    return lua_gettop(L) - 1;
}

static int m_prepare(lua_State *L)
{
    database *db = check_database(L, 1);
    size_t length;
    const char *sql = luaL_checklstring(L, 2, &length);
    luaL_argcheck(L, length < INT32_MAX, 2, "the statement is too long");
    statement *st = lua_newuserdatauv(L, sizeof *st, 1);
    st->prepared = NULL;
    st->owner = db;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, STATEMENT);
    if (sqlite3_prepare_v2(db->connection, sql, (int)length, &st->prepared, NULL) != SQLITE_OK)
        return push_sql_failure(L, db);
    luaL_argcheck(L, st->prepared != NULL, 2, "there is no statement in the text");
    return 1;
}

static int st_close(lua_State *L)
{
    statement *st = luaL_checkudata(L, 1, STATEMENT);
    sqlite3_stmt *prepared = st->prepared;
    st->prepared = NULL;
    sqlite3_finalize(prepared);
    return 0;
}

static int st_tostring(lua_State *L)
{
    statement *st = luaL_checkudata(L, 1, STATEMENT);
    if (st->prepared == NULL)
        lua_pushliteral(L, "Statement (closed)");
    else
        lua_pushfstring(L, "Statement (%s)", sqlite3_sql(st->prepared));
    return 1;
}

static int bind_value(lua_State *L, sqlite3_stmt *prepared, int place, int index)
{
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        return sqlite3_bind_null(prepared, place);
    case LUA_TBOOLEAN:
        return sqlite3_bind_int(prepared, place, lua_toboolean(L, index));
    case LUA_TNUMBER:
        if (lua_isinteger(L, index))
            return sqlite3_bind_int64(prepared, place, lua_tointeger(L, index));
        return sqlite3_bind_double(prepared, place, lua_tonumber(L, index));
    case LUA_TSTRING: {
        size_t length;
        const char *text = lua_tolstring(L, index, &length);
        return sqlite3_bind_text64(prepared, place, text, length, SQLITE_TRANSIENT, SQLITE_UTF8);
    }
    default:
        return luaL_argerror(L, index, "expected nil, boolean, number or string");
    }
}

/* Binds the arguments after the statement; missing ones are NULL. 0, or the results of a failure.
 */
static int bind_arguments(lua_State *L, statement *st)
{
    int count = lua_gettop(L) - 1, places = sqlite3_bind_parameter_count(st->prepared);
    if (count > places)
        return luaL_error(L, "statement takes %d values: %d given", places, count);
    sqlite3_reset(st->prepared);
    sqlite3_clear_bindings(st->prepared);
    for (int i = 1; i <= count; i++)
        if (bind_value(L, st->prepared, i, i + 1) != SQLITE_OK)
            return push_sql_failure(L, st->owner);
    return 0;
}

static int st_bind(lua_State *L)
{
    int failed = bind_arguments(L, check_statement(L, 1));
    if (failed != 0)
        return failed;
    lua_settop(L, 1);
    return 1;
}

static int st_step(lua_State *L)
{
    statement *st = check_statement(L, 1);
    int code = sqlite3_step(st->prepared);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return push_sql_failure(L, st->owner);
    lua_pushboolean(L, code == SQLITE_ROW);
    return 1;
}

static void push_column(lua_State *L, sqlite3_stmt *prepared, int place)
{
    switch (sqlite3_column_type(prepared, place)) {
    case SQLITE_INTEGER:
        lua_pushinteger(L, sqlite3_column_int64(prepared, place));
        break;
    case SQLITE_FLOAT:
        lua_pushnumber(L, sqlite3_column_double(prepared, place));
        break;
    case SQLITE_NULL:
        lua_pushnil(L);
        break;
    default: {
        const void *bytes = sqlite3_column_blob(prepared, place);
        lua_pushlstring(L, bytes != NULL ? bytes : "",
                        (size_t)sqlite3_column_bytes(prepared, place));
    }
    }
}

static int push_row(lua_State *L, sqlite3_stmt *prepared)
{
    int count = sqlite3_data_count(prepared);
    luaL_checkstack(L, count, "too many columns");
    for (int i = 0; i < count; i++)
        push_column(L, prepared, i);
    return count;
}

static int st_column(lua_State *L)
{
    statement *st = check_statement(L, 1);
    lua_Integer place = luaL_checkinteger(L, 2);
    luaL_argcheck(L, place >= 1 && place <= sqlite3_data_count(st->prepared), 2, "no such column");
    push_column(L, st->prepared, (int)place - 1);
    return 1;
}

static int st_row(lua_State *L)
{
    return push_row(L, check_statement(L, 1)->prepared);
}

static int st_names(lua_State *L)
{
    statement *st = check_statement(L, 1);
    int count = sqlite3_column_count(st->prepared);
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushstring(L, sqlite3_column_name(st->prepared, i));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int st_reset(lua_State *L)
{
    sqlite3_reset(check_statement(L, 1)->prepared);
    lua_settop(L, 1);
    return 1;
}

static int st_run(lua_State *L)
{
    statement *st = check_statement(L, 1);
    int failed = bind_arguments(L, st);
    if (failed != 0)
        return failed;
    int code;
    do
        code = sqlite3_step(st->prepared);
    while (code == SQLITE_ROW);
    if (code != SQLITE_DONE) {
        failed = push_sql_failure(L, st->owner);
        sqlite3_reset(st->prepared);
        return failed;
    }
    sqlite3_reset(st->prepared);
    lua_pushboolean(L, 1);
    return 1;
}

/* An iterator cannot return nil, message: a failing step raises. The first value of a row that is
** NULL would end the loop, hence the row number in front. */
static int next_row(lua_State *L)
{
    statement *st = check_statement(L, lua_upvalueindex(1));
    int code = sqlite3_step(st->prepared);
    if (code == SQLITE_ROW) {
        lua_Integer number = luaL_checkinteger(L, 2) + 1;
        lua_pushinteger(L, number);
        return 1 + push_row(L, st->prepared);
    }
    if (code != SQLITE_DONE) {
        push_sql_failure(L, st->owner);
        lua_pop(L, 1);
        return lua_error(L);
    }
    sqlite3_reset(st->prepared);
    return 0;
}

/* for number, a, b in st:rows(...) do */
static int st_rows(lua_State *L)
{
    int failed = bind_arguments(L, check_statement(L, 1));
    if (failed != 0) {
        lua_pop(L, 1);
        return lua_error(L);
    }
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, next_row, 1);
    lua_pushnil(L);
    lua_pushinteger(L, 0);
    return 3;
}

static int l_version(lua_State *L)
{
    lua_pushstring(L, sqlite3_libversion());
    return 1;
}

int wpl_open_sqlite(lua_State *L)
{
    static const luaL_Reg database_methods[] = {{"exec", m_exec},
                                                {"prepare", m_prepare},
                                                {"transaction", m_transaction},
                                                {"changes", m_changes},
                                                {"last_rowid", m_last_rowid},
                                                {"busy_timeout", m_busy_timeout},
                                                {NULL, NULL}};
    static const luaL_Reg statement_methods[] = {
        {"bind", st_bind}, {"step", st_step},   {"run", st_run},
        {"rows", st_rows}, {"reset", st_reset}, {"column", st_column},
        {"row", st_row},   {"names", st_names}, {NULL, NULL}};
    static const luaL_Reg database_meta[] = {{"__tostring", m_tostring}, {NULL, NULL}};
    static const luaL_Reg statement_meta[] = {{"__tostring", st_tostring}, {NULL, NULL}};
    wpl_class(L, DATABASE, m_close, database_methods, database_meta);
    wpl_class(L, STATEMENT, st_close, statement_methods, statement_meta);
    lua_pop(L, 2);
    static const luaL_Reg functions[] = {{"open", l_open}, {"version", l_version}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
