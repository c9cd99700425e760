/* Stays in stages, signals of friction, effects of touches: binding of journey/stage_spans.h,
** friction.h and clarity.h. lua/wayproof/{friction,clarity}.lua check what people type and make
** the plan; the handle owns the stays, and its user value keeps the plan's selections alive. */
#include "lua/l_vector.h"
#include "lua/selection.h"

#include "base/memory.h"
#include "journey/clarity.h"
#include "journey/friction.h"

#include <math.h>

#define WPL_STAYS "wayproof.StaysData"

typedef struct stays_handle {
    wp_stays stays; /* stays.log is NULL: closed */
    wp_stage_plan plan;
    const wp_selection *stages[WP_STAGES_MAX];
    bool measured; /* `options` say where signals end */
    wp_friction_options options;
    wp_friction friction; /* of the stage that was asked for last */
    wp_clarity clarity;   /* while its items are pushed */
    double *numbers;      /* while a vector is made of them */
} stays_handle;

static int m_close(lua_State *L)
{
    stays_handle *handle = luaL_checkudata(L, 1, WPL_STAYS);
    wp_friction_reset(&handle->friction);
    wp_clarity_reset(&handle->clarity);
    wp_free(handle->numbers);
    handle->numbers = NULL;
    if (handle->stays.log != NULL)
        wp_stays_reset(&handle->stays);
    return 0;
}

static stays_handle *check_handle(lua_State *L)
{
    stays_handle *handle = luaL_checkudata(L, 1, WPL_STAYS);
    if (handle->stays.log == NULL)
        luaL_error(L, "stays are closed");
    return handle;
}

/* An interruption raises as everywhere; what else fails is raised, too. */
static void fail(lua_State *L, const wp_error *err)
{
    wpl_push_failure(L, err);
    lua_pushvalue(L, -2);
    lua_error(L);
}

/* Room for the numbers of a vector, which push_numbers makes. */
static double *start_numbers(lua_State *L, stays_handle *handle, size_t count)
{
    wp_free(handle->numbers);
    handle->numbers = wp_alloc_array(count + 1, sizeof(double));
    wp_error err;
    if (handle->numbers == NULL) {
        (void)wp_fail_memory(&err, count * sizeof(double));
        fail(L, &err);
    }
    return handle->numbers;
}

/* The largest of numbers that are all whole and from 0 to 8,191, as most signals are; -1: they are
** not. */
static int largest_whole(const double *numbers, size_t count)
{
    int largest = 0;
    for (size_t i = 0; i < count; i++) {
        if (!(numbers[i] >= 0 && numbers[i] < WP_TABLE_MOST) || numbers[i] != floor(numbers[i]) ||
            signbit(numbers[i]))
            return -1;
        largest = (int)numbers[i] > largest ? (int)numbers[i] : largest;
    }
    return largest;
}

/* Pushes the handle's numbers as a vector, with one or two bytes each where they are small. */
static int push_numbers(lua_State *L, stays_handle *handle, size_t count)
{
    const double *numbers = handle->numbers;
    int largest = largest_whole(numbers, count);
    if (largest < 0) {
        memcpy(wpl_new_vector(L, count), numbers, count * sizeof *numbers);
    } else {
        wpl_codes *codes = wpl_push_codes(L, count, (size_t)largest + 1);
        uint8_t *bytes = wpl_code_bytes(codes);
        uint16_t *pairs = wpl_code_bytes(codes);
        bool narrow = wp_code_width((size_t)largest + 1) == 1;
        for (size_t i = 0; i < count; i++)
            if (narrow)
                bytes[i] = (uint8_t)numbers[i];
            else
                pairs[i] = (uint16_t)numbers[i];
        double *table = wpl_push_coded(L, count, -1)->payload;
        for (int i = 0; i <= largest; i++)
            table[i] = i;
    }
    wp_free(handle->numbers);
    handle->numbers = NULL;
    return 1;
}

/* A stage argument, 1-based in Lua. */
static uint32_t check_stage(lua_State *L, const stays_handle *handle, int index)
{
    lua_Integer stage = luaL_checkinteger(L, index);
    luaL_argcheck(L, stage >= 1 && stage <= (lua_Integer)handle->stays.stages_count, index,
                  "no such stage");
    return (uint32_t)stage - 1;
}

/* stays(log, { stages = {resolved, …}, outcome = resolved or nil, outcome_times, as_of_us }) */
static int l_stays(lua_State *L)
{
    const wp_log *log = wpl_check_rows(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    stays_handle *handle = lua_newuserdatauv(L, sizeof *handle, 1);
    *handle = (stays_handle){0};
    luaL_setmetatable(L, WPL_STAYS);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 3, 1);
    lua_getfield(L, 2, "stages");
    luaL_checktype(L, 5, LUA_TTABLE);
    size_t count = lua_rawlen(L, 5);
    luaL_argcheck(L, count >= 1 && count <= WP_STAGES_MAX, 2, "1 to 64 stages expected");
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 5, (lua_Integer)i + 1);
        handle->stages[i] = wpl_push_selection(L, 6, log->columns);
        lua_rawseti(L, 4, (lua_Integer)i + 1);
        lua_settop(L, 5);
    }
    if (lua_getfield(L, 2, "outcome") != LUA_TNIL) {
        handle->plan.outcome = wpl_push_selection(L, 6, log->columns);
        lua_setfield(L, 4, "outcome");
    }
    lua_settop(L, 5);
    lua_getfield(L, 2, "outcome_times");
    handle->plan.outcome_times = (uint32_t)luaL_optinteger(L, -1, 1);
    lua_getfield(L, 2, "as_of_us");
    handle->plan.as_of_us = luaL_checkinteger(L, -1);
    handle->plan.stages = handle->stages;
    handle->plan.stages_count = (uint32_t)count;
    lua_settop(L, 3);
    wp_error err;
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    if (wp_stays_make(log, &handle->plan, &run, &handle->stays, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    return 1;
}

/* counts() -> stays per stage */
static int m_counts(lua_State *L)
{
    stays_handle *handle = check_handle(L);
    lua_createtable(L, (int)handle->stays.stages_count, 0);
    for (uint32_t k = 0; k < handle->stays.stages_count; k++) {
        lua_pushinteger(L, (lua_Integer)wp_stays_in(&handle->stays, k));
        lua_rawseti(L, -2, (lua_Integer)k + 1);
    }
    return 1;
}

/* --- Signals of a stage, measured when one is asked for ------------------------------------- */

static void read_times(lua_State *L, const char *name, uint32_t count, int64_t *out)
{
    lua_getfield(L, 2, name);
    luaL_checktype(L, -1, LUA_TTABLE);
    for (uint32_t k = 0; k < count; k++) {
        lua_rawgeti(L, -1, (lua_Integer)k + 1);
        out[k] = luaL_checkinteger(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* measure{ observe_us = {…}, cut_us = {…}, within_us } -> true; where signals end from now on */
static int m_measure(lua_State *L)
{
    stays_handle *handle = check_handle(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    wp_friction_options options;
    read_times(L, "observe_us", handle->stays.stages_count, options.observe_us);
    read_times(L, "cut_us", handle->stays.stages_count, options.cut_us);
    lua_getfield(L, 2, "within_us");
    options.within_us = luaL_checkinteger(L, -1);
    wp_friction_reset(&handle->friction);
    handle->options = options;
    handle->measured = true;
    lua_pushboolean(L, true);
    return 1;
}

/* Makes the handle hold the stage's signals. Raises when that fails. */
static void need_stage(lua_State *L, stays_handle *handle, uint32_t stage)
{
    if (!handle->measured)
        luaL_error(L, "stays: no landmarks yet (expected a call of measure before)");
    if (handle->friction.used != NULL && handle->friction.stage == stage)
        return;
    wp_friction_reset(&handle->friction);
    wp_error err;
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    if (wp_friction_measure(&handle->stays, &handle->plan, &handle->options, stage, &run,
                            &handle->friction, &err) != WP_OK)
        fail(L, &err);
}

static const char *const signal_names[] = {
    "events",        "self_loops",  "rework",   "u_turns",  "quick_backs",
    "page_loops",    "backtracks",  "off_path", "distinct", "runs",
    "pauses",        "last_code",   "outcome",  "again",    "hesitation",
    "quiet_seconds", "start_delay", NULL}; /* in the order of wp_signal */

/* signal(stage, name) -> a vector over the stays in use */
static int m_signal(lua_State *L)
{
    stays_handle *handle = check_handle(L);
    uint32_t stage = check_stage(L, handle, 2);
    int which = luaL_checkoption(L, 3, NULL, signal_names);
    need_stage(L, handle, stage);
    double *out = start_numbers(L, handle, handle->friction.used_count);
    wp_error err;
    if (wp_friction_signal(&handle->friction, &handle->stays, &handle->options, (wp_signal)which,
                           out, &err) != WP_OK)
        fail(L, &err);
    return push_numbers(L, handle, handle->friction.used_count);
}

/* events(stage) -> list of { code = 1-based, users } over the stays in use, most users first */
static int m_events(lua_State *L)
{
    stays_handle *handle = check_handle(L);
    uint32_t stage = check_stage(L, handle, 2);
    need_stage(L, handle, stage);
    const wp_friction *friction = &handle->friction;
    lua_createtable(L, (int)friction->events_count, 0);
    for (size_t i = 0; i < friction->events_count; i++) {
        lua_createtable(L, 0, 2);
        lua_pushinteger(L, (lua_Integer)friction->events[i].code + 1);
        lua_setfield(L, -2, "code");
        lua_pushinteger(L, friction->events[i].users_count);
        lua_setfield(L, -2, "users");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* times(stage, code) -> rows of the event before the landmark, for each stay in use */
static int m_times(lua_State *L)
{
    stays_handle *handle = check_handle(L);
    uint32_t stage = check_stage(L, handle, 2);
    uint32_t code = (uint32_t)(luaL_checkinteger(L, 3) - 1);
    need_stage(L, handle, stage);
    double *out = start_numbers(L, handle, handle->friction.used_count);
    wp_error err;
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    if (wp_friction_times(&handle->friction, &handle->stays, &handle->options, code, &run, out,
                          &err) != WP_OK)
        fail(L, &err);
    return push_numbers(L, handle, handle->friction.used_count);
}

/* --- Columns of stays ----------------------------------------------------------------------- */

static const char *const stay_names[] = {"user",
                                         "entry_us",
                                         "advance_seconds",
                                         "outcome_seconds",
                                         "before",
                                         "tenure_seconds",
                                         "engaged_seconds",
                                         "rows",
                                         "watched_seconds",
                                         "advanced",
                                         NULL}; /* in the order of wp_stay_number */

static int64_t opt_time(lua_State *L, int index, const char *name)
{
    int64_t time_us = WP_TIME_MISSING;
    if (lua_getfield(L, index, name) != LUA_TNIL)
        time_us = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    return time_us;
}

/* Which stays: nil, or a table: used (those whose signals are measured), closed_us, in_time_us,
** entered_by, advanced (true or false). */
static wp_stay_filter check_filter(lua_State *L, stays_handle *handle, uint32_t stage, int index)
{
    wp_stay_filter filter = WP_STAYS_ALL;
    if (lua_isnoneornil(L, index))
        return filter;
    luaL_checktype(L, index, LUA_TTABLE);
    lua_getfield(L, index, "used");
    if (lua_toboolean(L, -1)) {
        need_stage(L, handle, stage);
        filter.chosen = handle->friction.used;
    }
    lua_pop(L, 1);
    filter.closed_us = opt_time(L, index, "closed_us");
    filter.in_time_us = opt_time(L, index, "in_time_us");
    if (lua_getfield(L, index, "entered_by") != LUA_TNIL)
        filter.entered_by = luaL_checknumber(L, -1);
    if (lua_getfield(L, index, "advanced") != LUA_TNIL)
        filter.advanced = lua_toboolean(L, -1);
    lua_pop(L, 2);
    return filter;
}

/* count(stage [, filter]) -> stays that the filter lets through */
static int m_count(lua_State *L)
{
    stays_handle *handle = check_handle(L);
    uint32_t stage = check_stage(L, handle, 2);
    wp_stay_filter filter = check_filter(L, handle, stage, 3);
    lua_pushinteger(L, (lua_Integer)wp_stays_count(&handle->stays, stage, &filter));
    return 1;
}

/* mask(stage, filter) -> 1 for stays that the filter lets through, 0 for the stage's others */
static int m_mask(lua_State *L)
{
    stays_handle *handle = check_handle(L);
    uint32_t stage = check_stage(L, handle, 2);
    wp_stay_filter filter = check_filter(L, handle, stage, 3);
    size_t count = wp_stays_in(&handle->stays, stage);
    double *out = start_numbers(L, handle, count);
    wp_stays_mask(&handle->stays, stage, &filter, out);
    return push_numbers(L, handle, count);
}

/* column(stage, name [, filter]) -> a vector over the stays that the filter lets through */
static int m_column(lua_State *L)
{
    stays_handle *handle = check_handle(L);
    uint32_t stage = check_stage(L, handle, 2);
    int which = luaL_checkoption(L, 3, NULL, stay_names);
    bool all = lua_isnoneornil(L, 4);
    wp_stay_filter filter = check_filter(L, handle, stage, 4);
    size_t count =
        all ? wp_stays_in(&handle->stays, stage) : wp_stays_count(&handle->stays, stage, &filter);
    double *out = start_numbers(L, handle, count);
    wp_stays_numbers(&handle->stays, stage, &filter, (wp_stay_number)which, out);
    return push_numbers(L, handle, count);
}

/* users(first, last) -> people with a stay in any of these stages */
static int m_users(lua_State *L)
{
    stays_handle *handle = check_handle(L);
    lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
    luaL_argcheck(L, first >= 1 && last <= (lua_Integer)handle->stays.stages_count, 2,
                  "no such stages");
    uint64_t count = 0;
    wp_error err;
    if (wp_stays_users(&handle->stays, (uint32_t)first - 1,
                       (uint32_t)(last < first - 1 ? first - 1 : last), &count, &err) != WP_OK)
        fail(L, &err);
    lua_pushinteger(L, (lua_Integer)count);
    return 1;
}

/* --- Clarity -------------------------------------------------------------------------------- */

static void set_integer(lua_State *L, const char *name, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, double value)
{
    if (isnan(value))
        return;
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

static void push_item(lua_State *L, const wp_clarity_item *item, const wp_texts *texts)
{
    static const char *const follows[WP_FOLLOWS] = {"linger", "advance", "back", "leave"};
    lua_createtable(L, 0, 14);
    set_integer(L, "stage", (lua_Integer)item->stage + 1);
    set_integer(L, "code", (lua_Integer)item->code + 1);
    set_integer(L, "users", item->users_count);
    set_integer(L, "compared", item->compared_count);
    set_integer(L, "passed", item->passed_count);
    set_integer(L, "moved", item->moved_count);
    for (int f = 0; f < WP_FOLLOWS; f++)
        set_number(L, follows[f], item->difference[f]);
    set_number(L, "base", item->rate[WP_ADVANCE]);
    set_number(L, "se", item->se);
    set_number(L, "crude", item->crude);
    set_number(L, "known", item->known);
    set_number(L, "known_se", item->known_se);
    set_number(L, "place", item->place);
    set_number(L, "place_se", item->place_se);
    lua_pushboolean(L, item->structural);
    lua_setfield(L, -2, "structural");
    if (texts != NULL) {
        size_t length;
        const char *text = wp_dictionary_text(&texts->values, item->value, &length);
        lua_pushlstring(L, text, length);
        lua_setfield(L, -2, "value");
    }
}

/* clarity{ items = resolved or nil, text_column = 1-based or nil, within_us, users_least } ->
** list of { stage, code, value, users, compared, passed, moved, advance, back, linger, leave, base,
** se, crude, known, known_se, place, place_se, structural }, number of items that too few met,
** number of touches */
static int m_clarity(lua_State *L)
{
    stays_handle *handle = check_handle(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    const wp_columns *columns = handle->stays.log->columns;
    wp_clarity_options options = {.text_column = -1};
    if (lua_getfield(L, 2, "items") != LUA_TNIL)
        options.items = wpl_push_selection(L, 3, columns);
    lua_getfield(L, 2, "text_column");
    lua_Integer column = luaL_optinteger(L, -1, 0);
    luaL_argcheck(L, column >= 0 && column <= (lua_Integer)columns->texts_count, 2,
                  "no such column");
    options.text_column = (int32_t)column - 1;
    if (column > 0)
        wpl_need_column(L, columns, true, false, (uint32_t)column - 1);
    lua_getfield(L, 2, "within_us");
    options.within_us = luaL_checkinteger(L, -1);
    lua_getfield(L, 2, "users_least");
    options.users_least = (uint32_t)luaL_checkinteger(L, -1);
    wp_clarity_reset(&handle->clarity);
    wp_error err;
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    if (wp_clarity_measure(&handle->stays, &handle->plan, &options, &run, &handle->clarity, &err) !=
        WP_OK)
        return wpl_push_failure(L, &err);
    const wp_texts *texts = column > 0 ? &columns->texts[column - 1] : NULL;
    lua_createtable(L, (int)handle->clarity.items_count, 0);
    for (size_t i = 0; i < handle->clarity.items_count; i++) {
        push_item(L, &handle->clarity.items[i], texts);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_pushinteger(L, (lua_Integer)handle->clarity.rare_count);
    lua_pushinteger(L, (lua_Integer)handle->clarity.touches_count);
    wp_clarity_reset(&handle->clarity);
    return 3;
}

int wpl_open_friction(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"counts", m_counts}, {"count", m_count},     {"mask", m_mask},     {"column", m_column},
        {"users", m_users},   {"measure", m_measure}, {"signal", m_signal}, {"events", m_events},
        {"times", m_times},   {"clarity", m_clarity}, {NULL, NULL}};
    wpl_class(L, WPL_STAYS, m_close, methods, NULL);
    lua_pop(L, 1);
    static const luaL_Reg functions[] = {{"stays", l_stays}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
