/* Stays in stages, signals of friction, effects of touches: binding of journey/stage_spans.h,
** friction.h and clarity.h. lua/wayproof/{friction,clarity}.lua check what people type and make
** the plan; the handle owns the stays, and its user value keeps the plan's selections alive. */
#include "lua/binding.h"
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
    wp_friction friction;
    wp_friction_event *events; /* while a list of them is pushed */
    wp_clarity clarity;        /* likewise */
} stays_handle;

static int m_close(lua_State *L)
{
    stays_handle *handle = luaL_checkudata(L, 1, WPL_STAYS);
    wp_friction_reset(&handle->friction);
    wp_clarity_reset(&handle->clarity);
    wp_free(handle->events);
    handle->events = NULL;
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

static size_t stays_in(const stays_handle *handle, uint32_t stage)
{
    return handle->stays.starts[stage + 1] - handle->stays.starts[stage];
}

/* counts() -> stays per stage */
static int m_counts(lua_State *L)
{
    stays_handle *handle = check_handle(L);
    lua_createtable(L, (int)handle->stays.stages_count, 0);
    for (uint32_t k = 0; k < handle->stays.stages_count; k++) {
        lua_pushinteger(L, (lua_Integer)stays_in(handle, k));
        lua_rawseti(L, -2, (lua_Integer)k + 1);
    }
    return 1;
}

/* --- Columns -------------------------------------------------------------------------------- */

static double seconds_after(int64_t instant_us, int64_t start_us)
{
    return instant_us == WP_TIME_MISSING ? NAN : (double)(instant_us - start_us) / 1e6;
}

static const char *const stay_names[] = {
    "user",   "entry_us",       "advance_seconds", "outcome_seconds",
    "before", "tenure_seconds", "engaged_seconds", "rows",
    NULL};

static double stay_number(const wp_stay *stay, int which)
{
    switch (which) {
    case 0:
        return (double)stay->user;
    case 1:
        return (double)stay->entry_us;
    case 2:
        return seconds_after(stay->advance_us, stay->entry_us);
    case 3:
        return seconds_after(stay->outcome_us, stay->entry_us);
    case 4:
        return (double)stay->entry_local;
    case 5:
        return (double)(stay->entry_us - stay->first_us) / 1e6;
    case 6:
        return (double)stay->engaged_us / 1e6;
    default:
        return (double)(stay->exit_local - stay->entry_local);
    }
}

static size_t used_in(const stays_handle *handle, uint32_t stage)
{
    size_t count = 0;
    for (size_t s = handle->stays.starts[stage]; s < handle->stays.starts[stage + 1]; s++)
        count += handle->friction.signals[s].used;
    return count;
}

static void check_measured(lua_State *L, const stays_handle *handle)
{
    if (handle->friction.signals == NULL)
        luaL_error(L, "stays: signals are not measured yet");
}

/* column(stage, name [, used]) -> a vector over the stage's stays, or over those in use. */
static int m_column(lua_State *L)
{
    stays_handle *handle = check_handle(L);
    uint32_t stage = check_stage(L, handle, 2);
    int which = luaL_checkoption(L, 3, NULL, stay_names);
    bool used = lua_toboolean(L, 4);
    if (used)
        check_measured(L, handle);
    double *out = wpl_new_vector(L, used ? used_in(handle, stage) : stays_in(handle, stage));
    for (size_t s = handle->stays.starts[stage]; s < handle->stays.starts[stage + 1]; s++)
        if (!used || handle->friction.signals[s].used)
            *out++ = stay_number(&handle->stays.stays[s], which);
    return 1;
}

/* --- Friction ------------------------------------------------------------------------------- */

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

/* measure{ observe_us = {…}, cut_us = {…}, within_us } -> true */
static int m_measure(lua_State *L)
{
    stays_handle *handle = check_handle(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    int64_t observe_us[WP_STAGES_MAX], cut_us[WP_STAGES_MAX];
    read_times(L, "observe_us", handle->stays.stages_count, observe_us);
    read_times(L, "cut_us", handle->stays.stages_count, cut_us);
    lua_getfield(L, 2, "within_us");
    wp_friction_options options = {observe_us, cut_us, luaL_checkinteger(L, -1)};
    wp_friction_reset(&handle->friction);
    wp_error err;
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    if (wp_friction_measure(&handle->stays, &handle->plan, &options, &run, &handle->friction,
                            &err) != WP_OK)
        return wpl_push_failure(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

static const char *const signal_names[] = {
    "outcome",     "again",      "events",     "self_loops",    "rework",      "u_turns",
    "quick_backs", "page_loops", "backtracks", "off_path",      "distinct",    "runs",
    "pauses",      "last_code",  "hesitation", "quiet_seconds", "start_delay", NULL};

static double signal_number(const wp_signals *signals, int which)
{
    const uint32_t counts[] = {signals->outcome,     signals->again,        signals->events,
                               signals->self_loops,  signals->rework,       signals->u_turns,
                               signals->quick_backs, signals->page_loops,   signals->backtracks,
                               signals->off_path,    signals->distinct,     signals->runs,
                               signals->pauses,      signals->last_code + 1};
    const double numbers[] = {signals->hesitation, signals->quiet, signals->start_delay};
    int whole = (int)(sizeof counts / sizeof *counts);
    return which < whole ? counts[which] : numbers[which - whole];
}

/* signal(stage, name) -> a vector over the stays in use */
static int m_signal(lua_State *L)
{
    stays_handle *handle = check_handle(L);
    uint32_t stage = check_stage(L, handle, 2);
    int which = luaL_checkoption(L, 3, NULL, signal_names);
    check_measured(L, handle);
    double *out = wpl_new_vector(L, used_in(handle, stage));
    for (size_t s = handle->stays.starts[stage]; s < handle->stays.starts[stage + 1]; s++)
        if (handle->friction.signals[s].used)
            *out++ = signal_number(&handle->friction.signals[s], which);
    return 1;
}

/* events(stage) -> list of { code = 1-based, users } over the stays in use, most users first */
static int m_events(lua_State *L)
{
    stays_handle *handle = check_handle(L);
    uint32_t stage = check_stage(L, handle, 2);
    check_measured(L, handle);
    wp_free(handle->events);
    handle->events = NULL;
    size_t count;
    wp_error err;
    if (wp_friction_events(&handle->friction, &handle->stays, stage, &handle->events, &count,
                           &err) != WP_OK)
        return wpl_push_failure(L, &err);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_createtable(L, 0, 2);
        lua_pushinteger(L, (lua_Integer)handle->events[i].code + 1);
        lua_setfield(L, -2, "code");
        lua_pushinteger(L, handle->events[i].users_count);
        lua_setfield(L, -2, "users");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    wp_free(handle->events);
    handle->events = NULL;
    return 1;
}

/* times(stage, code) -> rows of the event before the landmark, for each stay in use */
static int m_times(lua_State *L)
{
    stays_handle *handle = check_handle(L);
    uint32_t stage = check_stage(L, handle, 2);
    uint32_t code = (uint32_t)(luaL_checkinteger(L, 3) - 1);
    check_measured(L, handle);
    const wp_friction *friction = &handle->friction;
    double *out = wpl_new_vector(L, used_in(handle, stage));
    size_t pair = 0;
    for (size_t s = handle->stays.starts[stage]; s < handle->stays.starts[stage + 1]; s++) {
        if (!friction->signals[s].used)
            continue;
        while (pair < friction->pairs_count && friction->pairs[pair].stay < s)
            pair++;
        double times = 0;
        for (; pair < friction->pairs_count && friction->pairs[pair].stay == s; pair++)
            if (friction->pairs[pair].code == code)
                times = friction->pairs[pair].count;
        *out++ = times;
    }
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
*number of touches */
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
        {"counts", m_counts}, {"column", m_column}, {"measure", m_measure}, {"signal", m_signal},
        {"events", m_events}, {"times", m_times},   {"clarity", m_clarity}, {NULL, NULL}};
    wpl_class(L, WPL_STAYS, m_close, methods, NULL);
    lua_pop(L, 1);
    static const luaL_Reg functions[] = {{"stays", l_stays}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
