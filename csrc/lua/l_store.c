/* wayproof.Store: the handle of a store opened for writing, and the way from a file to a Log and
** back. lua/wayproof/store.lua checks options and makes the public methods.
**
** core.store: log(path) -> Log; save(log, path, how); open(path) -> Store; verify(path);
** append(store, log, how), forget(store, id, now_us), compact(store), imports(store), facts(store).
** What the world can break returns nil, message, code. A handle in the middle of a call cannot be
** closed: no Lua runs meanwhile. */
#include "lua/binding.h"

#include "store/export.h"
#include "store/pseudonym.h"
#include "store/way.h"

#define WPL_STORE "wayproof.Store"

typedef struct store_handle {
    wp_way *way; /* NULL: closed */
} store_handle;

static wp_way *check_store(lua_State *L, int index)
{
    store_handle *handle = luaL_checkudata(L, index, WPL_STORE);
    if (handle->way == NULL)
        luaL_error(L, "store is closed");
    return handle->way;
}

static store_handle *new_handle(lua_State *L)
{
    store_handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
    handle->way = NULL;
    luaL_setmetatable(L, WPL_STORE);
    return handle;
}

static int m_close(lua_State *L)
{
    store_handle *handle = luaL_checkudata(L, 1, WPL_STORE);
    wp_way *way = handle->way;
    handle->way = NULL;
    wp_way_close(way);
    return 0;
}

static int m_is_closed(lua_State *L)
{
    store_handle *handle = luaL_checkudata(L, 1, WPL_STORE);
    lua_pushboolean(L, handle->way == NULL);
    return 1;
}

/* log(path) -> Log */
static int l_log(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    wp_way *way = NULL;
    wp_log *log = NULL;
    wp_error err;
    if (wp_way_open(path, WP_WAY_READ, &way, &err) != WP_OK || wp_way_log(way, &log, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    wpl_push_log(L, log);
    return 1;
}

/* open(path) -> Store */
static int l_open(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    store_handle *handle = new_handle(L);
    wp_error err;
    if (wp_way_open(path, WP_WAY_WRITE, &handle->way, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    return 1;
}

static bool flag(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    bool set = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return set;
}

/* how = { source, now_us, force, with_forgotten }; the text stays on the stack. */
static wp_way_import check_import(lua_State *L, int index)
{
    wp_way_import how = {.force = flag(L, index, "force"),
                         .with_forgotten = flag(L, index, "with_forgotten")};
    lua_getfield(L, index, "now_us");
    how.now_us = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    lua_getfield(L, index, "source");
    how.source = lua_tostring(L, -1);
    return how;
}

static void set_integer(lua_State *L, const char *name, int64_t number)
{
    lua_pushinteger(L, (lua_Integer)number);
    lua_setfield(L, -2, name);
}

static int push_imported(lua_State *L, const wp_way_imported *done)
{
    lua_createtable(L, 0, 5);
    set_integer(L, "import", done->import);
    set_integer(L, "events", (int64_t)done->events_count);
    set_integer(L, "users", (int64_t)done->users_count);
    set_integer(L, "new_users", (int64_t)done->users_new);
    set_integer(L, "kept_out", (int64_t)done->users_kept_out);
    return 1;
}

/* Everything of the log in memory, with its fingerprint. */
static wp_status bring_all(const wp_log *log, const wp_run *run, wp_error *err)
{
    WP_TRY(wp_columns_need(log->columns, WP_PART_ALL, 0, run, err));
    return wp_columns_need(log->columns, WP_PART_FINGERPRINT, 0, run, err);
}

/* save(log, path, how): the store at path holds this log and nothing else. */
static int l_save(lua_State *L)
{
    const wp_log *log = wpl_check_log(L, 1);
    const char *path = luaL_checkstring(L, 2);
    lua_settop(L, 3);
    wp_way_import how = check_import(L, 3);
    how.replace = how.with_forgotten = true;
    store_handle *handle = new_handle(L); /* closes the file whatever happens */
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_way_imported done;
    wp_error err;
    if (bring_all(log, &run, &err) != WP_OK ||
        wp_way_open(path, WP_WAY_SAVE, &handle->way, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    wp_status status = wp_way_append(handle->way, log, &how, &run, &done, &err);
    wp_way_close(handle->way);
    handle->way = NULL;
    return status == WP_OK ? push_imported(L, &done) : wpl_push_failure(L, &err);
}

/* append(store, log, how) -> { import, events, users, new_users, kept_out } */
static int l_append(lua_State *L)
{
    wp_way *way = check_store(L, 1);
    const wp_log *log = wpl_check_log(L, 2);
    lua_settop(L, 3);
    wp_way_import how = check_import(L, 3);
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_way_imported done;
    wp_error err;
    if (bring_all(log, &run, &err) != WP_OK ||
        wp_way_append(way, log, &how, &run, &done, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    return push_imported(L, &done);
}

/* forget(store, id, now_us) -> { found, events, values } */
static int l_forget(lua_State *L)
{
    wp_way *way = check_store(L, 1);
    size_t length;
    const char *id = luaL_checklstring(L, 2, &length);
    int64_t now_us = luaL_checkinteger(L, 3);
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_way_forgotten done;
    wp_error err;
    if (wp_way_forget(way, id, length, now_us, &run, &done, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    lua_createtable(L, 0, 3);
    lua_pushboolean(L, done.found);
    lua_setfield(L, -2, "found");
    set_integer(L, "events", (int64_t)done.events_count);
    set_integer(L, "values", (int64_t)done.texts_count);
    return 1;
}

/* compact(store) -> number of parts that were put together */
static int l_compact(lua_State *L)
{
    wp_way *way = check_store(L, 1);
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    uint64_t merged_count = 0;
    wp_error err;
    if (wp_way_compact(way, &run, &merged_count, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    lua_pushinteger(L, (lua_Integer)merged_count);
    return 1;
}

/* --- Lists ----------------------------------------------------------------------------------- */

/* Texts that the core reports, kept outside Lua until the call is over. */
typedef struct text_list {
    char *bytes; /* terminated texts, end to end */
    size_t size, capacity;
} text_list;

static void add_damage(void *context, const char *text)
{
    text_list *list = context;
    size_t size = strlen(text) + 1;
    if (list->capacity - list->size < size)
        return; /* the list ends here; the count goes on */
    memcpy(list->bytes + list->size, text, size);
    list->size += size;
}

#define DAMAGE_BYTES (64u << 10)

/* verify(path) -> { pages, segments, damages = {text, …}, found } */
static int l_verify(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    text_list list = {.bytes = lua_newuserdatauv(L, DAMAGE_BYTES, 0), .capacity = DAMAGE_BYTES};
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_way_checked done;
    wp_error err;
    if (wp_way_verify(path, &run, add_damage, &list, &done, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    lua_createtable(L, 0, 4);
    set_integer(L, "pages", (int64_t)done.pages_count);
    set_integer(L, "segments", (int64_t)done.segments_count);
    set_integer(L, "found", (int64_t)done.damages_count);
    lua_newtable(L);
    lua_Integer n = 0;
    for (const char *at = list.bytes; at < list.bytes + list.size; at += strlen(at) + 1) {
        lua_pushstring(L, at);
        lua_rawseti(L, -2, ++n);
    }
    lua_setfield(L, -2, "damages");
    return 1;
}

/* imports(store) -> { { import, imported_at, events, users, … }, … } */
static int l_imports(lua_State *L)
{
    wp_way *way = check_store(L, 1);
    wp_way_entry *entries = NULL;
    size_t count = 0;
    wp_error err;
    if (wp_way_imports(way, &entries, &count, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    wp_way_entry *own = lua_newuserdatauv(L, count * sizeof *own + 1, 0);
    memcpy(own, entries, count * sizeof *own);
    wp_way_imports_free(entries);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_createtable(L, 0, 10);
        set_integer(L, "import", own[i].import);
        set_integer(L, "imported_at", own[i].imported_at_us);
        set_integer(L, "events", (int64_t)own[i].events_count);
        set_integer(L, "users", (int64_t)own[i].users_count);
        set_integer(L, "new_users", (int64_t)own[i].users_new);
        set_integer(L, "kept_out", (int64_t)own[i].users_kept_out);
        if (own[i].events_count > 0) {
            set_integer(L, "first", own[i].first_us);
            set_integer(L, "last", own[i].last_us);
        }
        lua_pushstring(L, own[i].fingerprint);
        lua_setfield(L, -2, "fingerprint");
        if (own[i].source[0] != '\0') {
            lua_pushstring(L, own[i].source);
            lua_setfield(L, -2, "source");
        }
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* facts(store) -> { events, users, imports, forgotten, runs, parts, bytes } */
static int l_facts(lua_State *L)
{
    wp_way *way = check_store(L, 1);
    wp_way_facts facts;
    wp_error err;
    if (wp_way_tell(way, &facts, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    lua_createtable(L, 0, 7);
    set_integer(L, "events", (int64_t)facts.events_count);
    set_integer(L, "users", (int64_t)facts.users_count);
    set_integer(L, "imports", (int64_t)facts.imports_count);
    set_integer(L, "forgotten", (int64_t)facts.forgotten_count);
    set_integer(L, "runs", (int64_t)facts.runs_count);
    set_integer(L, "parts", (int64_t)facts.parts_count);
    set_integer(L, "bytes", (int64_t)facts.bytes_size);
    return 1;
}

/* export(log, path or nil, "events" or "users") -> true */
static int l_export(lua_State *L)
{
    static const char *const kinds[] = {"events", "users", NULL};
    const wp_log *log = wpl_check_log(L, 1);
    const char *path = luaL_optstring(L, 2, NULL);
    wp_export what =
        luaL_checkoption(L, 3, "events", kinds) == 0 ? WP_EXPORT_EVENTS : WP_EXPORT_USERS;
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    if (wp_log_export_csv(log, what, path, &run, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

/* pseudonymise(log, key): replaces the ids of a log that nobody has seen yet. */
static int l_pseudonymise(lua_State *L)
{
    wp_log *log = (wp_log *)wpl_check_log(L, 1);
    size_t length;
    const char *text = luaL_checklstring(L, 2, &length);
    wp_pseudonym_key key = wp_pseudonym_key_of(text, length);
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    if (wp_log_pseudonymise(log, &key, &run, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    lua_settop(L, 1);
    return 1;
}

/* pseudonym(id, key) -> text */
static int l_pseudonym(lua_State *L)
{
    size_t id_length, length;
    const char *id = luaL_checklstring(L, 1, &id_length);
    const char *text = luaL_checklstring(L, 2, &length);
    wp_pseudonym_key key = wp_pseudonym_key_of(text, length);
    char out[WP_PSEUDONYM_BYTES];
    wp_pseudonym(&key, id, id_length, out);
    lua_pushstring(L, out);
    return 1;
}

/* path(store) */
static int l_path(lua_State *L)
{
    lua_pushstring(L, wp_way_path(check_store(L, 1)));
    return 1;
}

/* scan_parts([parts, bytes]) -> from how many parts on rows are read part by part, and up to how
** many bytes of them come to stay with the second analysis; for tests */
static int l_scan_parts(lua_State *L)
{
    lua_pushinteger(L, wp_way_scan_parts);
    lua_pushinteger(L, (lua_Integer)wp_way_rows_kept);
    wp_way_scan_parts = (uint32_t)luaL_optinteger(L, 1, wp_way_scan_parts);
    wp_way_rows_kept = (uint64_t)luaL_optinteger(L, 2, (lua_Integer)wp_way_rows_kept);
    return 2;
}

int wpl_open_store(lua_State *L)
{
    static const luaL_Reg methods[] = {{"is_closed", m_is_closed}, {NULL, NULL}};
    wpl_class(L, WPL_STORE, m_close, methods, NULL);
    static const luaL_Reg functions[] = {{"log", l_log},
                                         {"save", l_save},
                                         {"open", l_open},
                                         {"append", l_append},
                                         {"forget", l_forget},
                                         {"compact", l_compact},
                                         {"verify", l_verify},
                                         {"imports", l_imports},
                                         {"facts", l_facts},
                                         {"path", l_path},
                                         {"export", l_export},
                                         {"pseudonymise", l_pseudonymise},
                                         {"pseudonym", l_pseudonym},
                                         {"scan_parts", l_scan_parts},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "methods");
    luaL_getmetatable(L, WPL_STORE);
    lua_setfield(L, -2, "metatable");
    return 1;
}
