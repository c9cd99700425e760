/* wayproof.Log: the handle of a view of a log. Methods that check options and arrange words live
** in lua/wayproof/log.lua, which adds them to core.log.methods; what needs the columns is here, as
** functions of core.log. A closed handle raises; iterators hold the handle, not the columns, so
** closing a log ends them with a clean error. */
#include "lua/binding.h"

#include "base/memory.h"
#include "ingest/regroup.h"
#include "lua/selection.h"
#include "store/summary.h"
#include "store/views.h"

typedef struct log_handle {
    wp_log *log;                     /* NULL: closed */
    wp_dictionary_index users_index; /* built by the first look-up of a user */
} log_handle;

static log_handle *check_handle(lua_State *L, int index)
{
    log_handle *handle = luaL_checkudata(L, index, WPL_LOG);
    if (handle->log == NULL)
        luaL_error(L, "log is closed");
    return handle;
}

const wp_log *wpl_check_open_log(lua_State *L, int index)
{
    return check_handle(L, index)->log;
}

void wpl_need(lua_State *L, const wp_columns *columns, wp_part part, uint32_t column)
{
    if (columns->loader == NULL)
        return;
    wp_columns *own = (wp_columns *)columns; /* nobody else works on them now */
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    int64_t before = columns->bytes_size;
    if (wp_columns_need(own, part, column, &run, &err) != WP_OK)
        wpl_raise(L, &err);
    wpl_gc_pressure(L, columns->bytes_size - before);
}

void wpl_need_column(lua_State *L, const wp_columns *columns, bool is_text, bool per_user,
                     uint32_t column)
{
    if (per_user)
        wpl_need(L, columns, WP_PART_ATTRIBUTES, 0);
    else if (column < (is_text ? columns->texts_count : columns->numbers_count))
        wpl_need(L, columns, is_text ? WP_PART_SCAN_TEXTS : WP_PART_SCAN_NUMBERS, column);
}

const wp_log *wpl_check_rows(lua_State *L, int index)
{
    const wp_log *log = check_handle(L, index)->log;
    wpl_need(L, log->columns, WP_PART_ROWS, 0);
    return log;
}

const wp_log *wpl_check_scan(lua_State *L, int index)
{
    const wp_log *log = check_handle(L, index)->log;
    wpl_need(L, log->columns, WP_PART_SCAN, 0);
    return log;
}

const wp_log *wpl_check_log(lua_State *L, int index)
{
    const wp_log *log = check_handle(L, index)->log;
    wpl_need(L, log->columns, WP_PART_ALL, 0);
    return log;
}

/* A closed handle, ready to take a log; made before the core is asked for one. */
static log_handle *new_handle(lua_State *L)
{
    log_handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
    memset(handle, 0, sizeof *handle);
    luaL_setmetatable(L, WPL_LOG);
    return handle;
}

typedef struct push_request {
    wp_log *log;
} push_request;

static int push_protected(lua_State *L)
{
    push_request *request = lua_touserdata(L, 1);
    log_handle *handle = new_handle(L);
    handle->log = request->log;
    request->log = NULL;
    return 1;
}

void wpl_push_log(lua_State *L, wp_log *take_log)
{
    push_request request = {take_log};
    int64_t bytes_size = take_log->columns->bytes_size;
    lua_pushcfunction(L, push_protected);
    lua_pushlightuserdata(L, &request);
    int status = lua_pcall(L, 1, 1, 0);
    wp_log_release(request.log); /* NULL when the handle has it */
    if (status != LUA_OK)
        lua_error(L);
    wpl_gc_pressure(L, bytes_size);
}

static int m_close(lua_State *L)
{
    log_handle *handle = luaL_checkudata(L, 1, WPL_LOG);
    log_handle taken = *handle;
    memset(handle, 0, sizeof *handle);
    wp_log_release(taken.log);
    wp_free(taken.users_index.slots);
    return 0;
}

static int mm_len(lua_State *L)
{
    lua_pushinteger(L, wpl_check_open_log(L, 1)->events_count);
    return 1;
}

static int m_is_closed(lua_State *L)
{
    log_handle *handle = luaL_checkudata(L, 1, WPL_LOG);
    lua_pushboolean(L, handle->log == NULL);
    return 1;
}

/* --- Names ----------------------------------------------------------------------------------- */

static void push_text(lua_State *L, const wp_dictionary *dictionary, uint32_t code)
{
    size_t length;
    const char *text = wp_dictionary_text(dictionary, code, &length);
    lua_pushlstring(L, text, length);
}

static void push_dictionary(lua_State *L, const wp_dictionary *dictionary)
{
    lua_createtable(L, (int)dictionary->count, 0);
    for (uint32_t code = 0; code < dictionary->count; code++) {
        push_text(L, dictionary, code);
        lua_rawseti(L, -2, (lua_Integer)code + 1);
    }
}

static void push_number_names(lua_State *L, const wp_numbers *columns, uint32_t count)
{
    lua_createtable(L, (int)count, 0);
    for (uint32_t i = 0; i < count; i++) {
        lua_pushstring(L, columns[i].name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_text_names(lua_State *L, const wp_texts *columns, uint32_t count)
{
    lua_createtable(L, (int)count, 0);
    for (uint32_t i = 0; i < count; i++) {
        lua_pushstring(L, columns[i].name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* names(log) -> { events, numbers, texts, user_numbers, user_texts, has_value }: lists of names,
** whose positions are what selection.h and the plans speak of. */
static int l_names(lua_State *L)
{
    const wp_columns *columns = wpl_check_open_log(L, 1)->columns;
    lua_createtable(L, 0, 6);
    push_dictionary(L, &columns->event_names);
    lua_setfield(L, -2, "events");
    push_number_names(L, columns->numbers, columns->numbers_count);
    lua_setfield(L, -2, "numbers");
    push_text_names(L, columns->texts, columns->texts_count);
    lua_setfield(L, -2, "texts");
    push_number_names(L, columns->user_numbers, columns->user_numbers_count);
    lua_setfield(L, -2, "user_numbers");
    push_text_names(L, columns->user_texts, columns->user_texts_count);
    lua_setfield(L, -2, "user_texts");
    lua_pushboolean(L, columns->has_value);
    lua_setfield(L, -2, "has_value");
    return 1;
}

static void set_integer(lua_State *L, const char *name, int64_t number)
{
    lua_pushinteger(L, (lua_Integer)number);
    lua_setfield(L, -2, name);
}

/* facts(log [, with_fingerprint = true]) -> what is known without looking at the rows; the
** fingerprint of a store that grew has to be made from all of it. */
static int l_facts(lua_State *L)
{
    const wp_log *log = wpl_check_open_log(L, 1);
    const wp_columns *columns = log->columns;
    bool with_fingerprint = lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
    if (with_fingerprint)
        wpl_need(L, columns, WP_PART_FINGERPRINT, 0);
    lua_createtable(L, 0, 12);
    set_integer(L, "events", log->events_count);
    set_integer(L, "users", log->users_count);
    if (log->first_us != WP_TIME_MISSING) {
        set_integer(L, "first", log->first_us);
        set_integer(L, "last", log->last_us);
    }
    set_integer(L, "skipped", (int64_t)columns->rows_skipped);
    set_integer(L, "ungrouped", (int64_t)columns->rows_ungrouped);
    set_integer(L, "bytes", columns->bytes_size);
    lua_pushfstring(L, "%p", (const void *)columns); /* equal text: shared memory */
    lua_setfield(L, -2, "memory");
    if (with_fingerprint) {
        char fingerprint[17];
        snprintf(fingerprint, sizeof fingerprint, "%016llx",
                 (unsigned long long)wp_log_fingerprint(log));
        lua_pushstring(L, fingerprint);
        lua_setfield(L, -2, "fingerprint");
    }
    lua_pushboolean(L, columns->ties_ordered);
    lua_setfield(L, -2, "ties_ordered");
    lua_pushboolean(L, columns->time_zone_assumed);
    lua_setfield(L, -2, "time_zone_assumed");
    lua_pushboolean(L, log->rows != NULL || log->users != NULL);
    lua_setfield(L, -2, "is_view");
    lua_pushboolean(L, columns->attributes_dated || columns->known_at_us != NULL);
    lua_setfield(L, -2, "attributes_dated");
    return 1;
}

/* --- Views ----------------------------------------------------------------------------------- */

static const wp_dictionary_index *users_index(lua_State *L, log_handle *handle)
{
    wp_error err;
    if (handle->users_index.slots == NULL &&
        wp_dictionary_index_build(&handle->log->columns->user_ids, &handle->users_index, &err) !=
            WP_OK)
        wpl_raise(L, &err);
    return &handle->users_index;
}

static uint32_t find_user(lua_State *L, log_handle *handle, int index)
{
    size_t length;
    wpl_need(L, handle->log->columns, WP_PART_IDS, 0);
    lua_pushvalue(L, index); /* tolstring would change a number in the caller's table */
    const char *text = luaL_checklstring(L, -1, &length);
    uint32_t user = wp_dictionary_index_find(&handle->log->columns->user_ids,
                                             users_index(L, handle), text, length);
    lua_pop(L, 1);
    return user;
}

/* Bitmap of the users listed at index, in a new userdata; NULL for no list. */
static uint64_t *push_user_bits(lua_State *L, log_handle *handle, int index)
{
    if (lua_isnoneornil(L, index)) {
        lua_pushnil(L);
        return NULL;
    }
    luaL_checktype(L, index, LUA_TTABLE);
    size_t bytes_size = ((size_t)handle->log->columns->users_count / 64 + 1) * sizeof(uint64_t);
    uint64_t *bits = lua_newuserdatauv(L, bytes_size, 0);
    memset(bits, 0, bytes_size);
    lua_Integer length = luaL_len(L, index);
    for (lua_Integer i = 1; i <= length; i++) {
        lua_geti(L, index, i);
        uint32_t user = find_user(L, handle, lua_gettop(L));
        if (user != UINT32_MAX)
            bits[user >> 6] |= 1ULL << (user & 63);
        lua_pop(L, 1);
    }
    return bits;
}

/* where(log, resolved selection, since_us or nil, before_us or nil, list of users or nil) */
static int l_where(lua_State *L)
{
    log_handle *handle = check_handle(L, 1);
    (void)wpl_check_scan(L, 1);
    int64_t since_us = luaL_optinteger(L, 3, INT64_MIN);
    int64_t before_us = luaL_optinteger(L, 4, INT64_MAX);
    lua_settop(L, 5);
    const uint64_t *users = push_user_bits(L, handle, 5);
    const wp_selection *selection = wpl_push_selection(L, 2, handle->log->columns);
    log_handle *result = new_handle(L);
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    if (wp_log_where(handle->log, selection, since_us, before_us, users, &run, &result->log,
                     &err) != WP_OK)
        return wpl_raise(L, &err);
    return 1;
}

/* split(log, at_us) -> before, after */
static int l_split(lua_State *L)
{
    const wp_log *log = wpl_check_scan(L, 1);
    int64_t at_us = luaL_checkinteger(L, 2);
    log_handle *before = new_handle(L), *after = new_handle(L);
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    if (wp_log_split(log, at_us, &run, &before->log, &after->log, &err) != WP_OK)
        return wpl_raise(L, &err);
    return 2;
}

/* regroup(log, text column, per_user, name for the former user or nil) */
static int l_regroup(lua_State *L)
{
    const wp_log *log = wpl_check_log(L, 1);
    lua_Integer column = luaL_checkinteger(L, 2) - 1;
    wp_unit unit = {lua_toboolean(L, 3), (uint32_t)column};
    const char *user_name = luaL_optstring(L, 4, NULL);
    uint32_t count = unit.per_user ? log->columns->user_texts_count : log->columns->texts_count;
    luaL_argcheck(L, column >= 0 && column < (lua_Integer)count, 2, "column is out of range");
    log_handle *result = new_handle(L);
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    if (wp_log_regroup(log, unit, user_name, &run, &result->log, &err) != WP_OK)
        return wpl_raise(L, &err);
    wpl_gc_pressure(L, result->log->columns->bytes_size);
    return 1;
}

/* --- Summary --------------------------------------------------------------------------------- */

#define WPL_SUMMARY "wayproof.core.Summary" /* owns a wp_summary while it is turned into tables */

static int summary_gc(lua_State *L)
{
    wp_summary_reset(lua_touserdata(L, 1));
    return 0;
}

static wp_summary *new_summary(lua_State *L)
{
    wp_summary *summary = lua_newuserdatauv(L, sizeof *summary, 0);
    memset(summary, 0, sizeof *summary);
    if (luaL_newmetatable(L, WPL_SUMMARY)) {
        lua_pushcfunction(L, summary_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return summary;
}

static void start_column(lua_State *L, const char *name, const char *kind, bool per_user,
                         uint64_t present_count, uint64_t missing_count)
{
    lua_createtable(L, 0, 8);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, kind);
    lua_setfield(L, -2, "kind");
    lua_pushboolean(L, per_user);
    lua_setfield(L, -2, "per_user");
    set_integer(L, "present", (int64_t)present_count);
    set_integer(L, "missing", (int64_t)missing_count);
}

static void push_numbers(lua_State *L, const wp_numbers *columns, uint32_t count,
                         const wp_number_summary *figures, bool per_user)
{
    for (uint32_t i = 0; i < count; i++) {
        start_column(L, columns[i].name, "number", per_user, figures[i].present_count,
                     figures[i].missing_count);
        if (figures[i].present_count > 0) {
            lua_pushnumber(L, figures[i].sum);
            lua_setfield(L, -2, "sum");
            lua_pushnumber(L, figures[i].low);
            lua_setfield(L, -2, "min");
            lua_pushnumber(L, figures[i].high);
            lua_setfield(L, -2, "max");
        }
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    }
}

static void push_texts(lua_State *L, const wp_texts *columns, uint32_t count,
                       const wp_text_summary *figures, bool per_user)
{
    for (uint32_t i = 0; i < count; i++) {
        start_column(L, columns[i].name, "text", per_user, figures[i].present_count,
                     figures[i].missing_count);
        set_integer(L, "values", figures[i].values_count);
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    }
}

/* Everything but the ids. */
static void need_properties(lua_State *L, const wp_columns *columns)
{
    for (uint32_t i = 0; i < columns->numbers_count; i++)
        wpl_need_column(L, columns, false, false, i);
    for (uint32_t i = 0; i < columns->texts_count; i++)
        wpl_need_column(L, columns, true, false, i);
    wpl_need(L, columns, WP_PART_ATTRIBUTES, 0);
}

/* summarize(log [, with_properties = true]) -> { event_names = {{name, events, users}, …} that
** occur, properties = {…}, ties, idle_users } */
static int l_summarize(lua_State *L)
{
    const wp_log *log = wpl_check_scan(L, 1);
    wp_columns bare;
    wp_log view = *log;
    if (lua_isnoneornil(L, 2) || lua_toboolean(L, 2)) {
        need_properties(L, log->columns);
    } else { /* a log of events alone */
        bare = *log->columns;
        bare.numbers_count = bare.texts_count = 0;
        bare.user_numbers_count = bare.user_texts_count = 0;
        view.columns = &bare;
    }
    const wp_columns *columns = view.columns;
    wp_summary *summary = new_summary(L);
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    if (wp_log_summarize(&view, &run, summary, &err) != WP_OK)
        return wpl_raise(L, &err);
    lua_createtable(L, 0, 4);
    lua_createtable(L, (int)columns->event_names.count, 0);
    for (uint32_t code = 0; code < columns->event_names.count; code++) {
        if (summary->events[code].events_count == 0)
            continue;
        lua_createtable(L, 0, 3);
        push_text(L, &columns->event_names, code);
        lua_setfield(L, -2, "name");
        set_integer(L, "events", (int64_t)summary->events[code].events_count);
        set_integer(L, "users", summary->events[code].users_count);
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    }
    lua_setfield(L, -2, "event_names");
    lua_newtable(L);
    push_numbers(L, columns->numbers, columns->numbers_count, summary->numbers, false);
    push_texts(L, columns->texts, columns->texts_count, summary->texts, false);
    push_numbers(L, columns->user_numbers, columns->user_numbers_count, summary->user_numbers,
                 true);
    push_texts(L, columns->user_texts, columns->user_texts_count, summary->user_texts, true);
    lua_setfield(L, -2, "properties");
    set_integer(L, "ties", (int64_t)summary->ties_count);
    set_integer(L, "idle_users", summary->idle_users);
    wp_summary_reset(summary);
    return 1;
}

/* --- Journeys -------------------------------------------------------------------------------- */

static bool is_reserved(const char *name)
{
    return strcmp(name, "time") == 0 || strcmp(name, "event") == 0 || strcmp(name, "value") == 0;
}

static void push_event(lua_State *L, const wp_columns *columns, uint32_t row)
{
    lua_createtable(L, 0, 2 + (int)columns->numbers_count + (int)columns->texts_count);
    lua_pushinteger(L, wp_time_at(&columns->times, row));
    lua_setfield(L, -2, "time");
    push_text(L, &columns->event_names, wp_code_at(&columns->events, row));
    lua_setfield(L, -2, "event");
    for (uint32_t i = 0; i < columns->numbers_count; i++) {
        bool is_value = i == 0 && columns->has_value;
        double number = wp_number_at(&columns->numbers[i], row);
        if (isnan(number) || (!is_value && is_reserved(columns->numbers[i].name)))
            continue;
        lua_pushnumber(L, number);
        lua_setfield(L, -2, is_value ? "value" : columns->numbers[i].name);
    }
    for (uint32_t i = 0; i < columns->texts_count; i++) {
        uint32_t code = wp_code_at(&columns->texts[i].codes, row);
        if (code == 0 || is_reserved(columns->texts[i].name))
            continue;
        push_text(L, &columns->texts[i].values, code);
        lua_setfield(L, -2, columns->texts[i].name);
    }
}

static void set_attributes(lua_State *L, const wp_columns *columns, uint32_t user)
{
    lua_createtable(L, 0, (int)columns->user_numbers_count + (int)columns->user_texts_count);
    for (uint32_t i = 0; i < columns->user_numbers_count; i++) {
        double number = wp_number_at(&columns->user_numbers[i], user);
        if (isnan(number))
            continue;
        lua_pushnumber(L, number);
        lua_setfield(L, -2, columns->user_numbers[i].name);
    }
    for (uint32_t i = 0; i < columns->user_texts_count; i++) {
        uint32_t code = wp_code_at(&columns->user_texts[i].codes, user);
        if (code == 0)
            continue;
        push_text(L, &columns->user_texts[i].values, code);
        lua_setfield(L, -2, columns->user_texts[i].name);
    }
    lua_setfield(L, -2, "attributes");
}

static void push_journey(lua_State *L, const wp_log *log, uint32_t user)
{
    const wp_columns *columns = log->columns;
    uint32_t begin = columns->row_starts[user], end = columns->row_starts[user + 1];
    luaL_checkstack(L, 8, "journey");
    lua_createtable(L, log->rows == NULL && end - begin < INT32_MAX ? (int)(end - begin) : 0, 0);
    lua_Integer length = 0;
    for (uint32_t row = begin; row < end; row++) {
        if (!wp_bit(log->rows, row))
            continue;
        push_event(L, columns, row);
        lua_rawseti(L, -2, ++length);
    }
    if (columns->user_numbers_count + columns->user_texts_count > 0)
        set_attributes(L, columns, user);
}

/* Upvalues: the log's handle, the next user. */
static int next_journey(lua_State *L)
{
    const wp_log *log = wpl_check_log(L, lua_upvalueindex(1));
    lua_Integer user = lua_tointeger(L, lua_upvalueindex(2));
    while (user < (lua_Integer)log->columns->users_count && !wp_bit(log->users, (size_t)user))
        user++;
    lua_pushinteger(L, user + 1);
    lua_replace(L, lua_upvalueindex(2));
    if (user >= (lua_Integer)log->columns->users_count)
        return 0;
    push_text(L, &log->columns->user_ids, (uint32_t)user);
    push_journey(L, log, (uint32_t)user);
    return 2;
}

/* journeys(log) -> iterator over id, journey */
static int l_journeys(lua_State *L)
{
    wpl_check_log(L, 1);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_journey, 2);
    return 1;
}

/* journey(log, id) -> journey or nil */
static int l_journey(lua_State *L)
{
    log_handle *handle = check_handle(L, 1);
    wpl_need(L, handle->log->columns, WP_PART_ALL, 0);
    uint32_t user = find_user(L, handle, 2);
    if (user == UINT32_MAX || !wp_bit(handle->log->users, user))
        return 0;
    push_journey(L, handle->log, user);
    return 1;
}

int wpl_open_log(lua_State *L)
{
    static const luaL_Reg methods[] = {{"is_closed", m_is_closed}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__len", mm_len}, {NULL, NULL}};
    wpl_class(L, WPL_LOG, m_close, methods, metamethods);
    static const luaL_Reg functions[] = {
        {"names", l_names},       {"facts", l_facts},     {"where", l_where},
        {"split", l_split},       {"regroup", l_regroup}, {"summarize", l_summarize},
        {"journeys", l_journeys}, {"journey", l_journey}, {NULL, NULL}};
    luaL_newlib(L, functions);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "methods");
    luaL_getmetatable(L, WPL_LOG);
    lua_setfield(L, -2, "metatable");
    return 1;
}
