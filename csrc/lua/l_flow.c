/* How people move: binding of journey/flow.h. Each function takes a log and a plain options table
** (made by lua/wayproof/flow.lua, which checks what people type) and returns plain tables. */
#include "lua/binding.h"
#include "lua/selection.h"

#include "base/memory.h"
#include "journey/flow.h"
#include "journey/groups.h"

#include <math.h>

#define WPL_RESULT "wayproof.FlowResult"

/* Core results live in a userdata while they are turned into tables, so that an error in between
** frees them. */
typedef struct flow_result {
    wp_transitions transitions;
    wp_retention retention;
    wp_paths paths;
    wp_group *groups;
    uint32_t groups_count;
    wp_gaps gaps;
    int32_t *classes;
    wp_selection *selections; /* of classes */
    uint32_t selections_count;
    int64_t *boundaries_us;
    uint32_t *ranks;
} flow_result;

static int result_close(lua_State *L)
{
    flow_result *result = luaL_checkudata(L, 1, WPL_RESULT);
    wp_transitions_reset(&result->transitions);
    wp_retention_reset(&result->retention);
    wp_paths_reset(&result->paths);
    wp_gaps_reset(&result->gaps);
    wp_groups_free(result->groups, result->groups_count);
    for (uint32_t i = 0; i < result->selections_count; i++)
        wp_selection_reset(&result->selections[i]);
    wp_free(result->selections);
    wp_free(result->classes);
    wp_free(result->boundaries_us);
    wp_free(result->ranks);
    *result = (flow_result){0};
    return 0;
}

static flow_result *new_result(lua_State *L)
{
    flow_result *result = lua_newuserdatauv(L, sizeof *result, 0);
    *result = (flow_result){0};
    luaL_setmetatable(L, WPL_RESULT);
    lua_toclose(L, -1);
    return result;
}

static int64_t field_integer(lua_State *L, int table, const char *name, int64_t fallback)
{
    int64_t value = fallback;
    if (lua_getfield(L, table, name) != LUA_TNIL)
        value = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    return value;
}

static bool field_boolean(lua_State *L, int table, const char *name)
{
    lua_getfield(L, table, name);
    bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

static int out_of_memory(lua_State *L)
{
    return luaL_error(L, "out of memory");
}

/* options.class_selections: a resolved selector per class, for codes whose class is true. */
static void field_selections(lua_State *L, int table, const wp_columns *columns, flow_result *owner)
{
    if (lua_getfield(L, table, "class_selections") != LUA_TNIL) {
        uint32_t count = (uint32_t)lua_rawlen(L, -1);
        owner->selections = wp_alloc_array_zero((size_t)count + 1, sizeof *owner->selections);
        if (owner->selections == NULL)
            out_of_memory(L);
        owner->selections_count = count;
        for (uint32_t i = 0; i < count; i++) {
            lua_rawgeti(L, -1, (lua_Integer)i + 1);
            wpl_to_selection(L, lua_gettop(L), columns, &owner->selections[i]);
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
}

/* options.classes: a list with the class (1-based) of each event code (1-based), false for none,
** true to ask the selections; options.classes_count: how many there are. */
static wp_classes field_classes(lua_State *L, int table, const wp_columns *columns,
                                flow_result *owner)
{
    if (lua_getfield(L, table, "classes") == LUA_TNIL) {
        lua_pop(L, 1);
        return (wp_classes){0};
    }
    uint32_t count = columns->event_names.count;
    owner->classes = wp_alloc_array((size_t)count + 1, sizeof *owner->classes);
    if (owner->classes == NULL)
        out_of_memory(L);
    for (uint32_t code = 0; code < count; code++) {
        lua_rawgeti(L, -1, (lua_Integer)code + 1);
        owner->classes[code] = lua_isinteger(L, -1)   ? (int32_t)lua_tointeger(L, -1) - 1
                               : lua_toboolean(L, -1) ? WP_CLASS_ASK
                                                      : WP_CLASS_NONE;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    field_selections(L, table, columns, owner);
    uint32_t classes_count = (uint32_t)field_integer(L, table, "classes_count", 0);
    luaL_argcheck(L, owner->selections == NULL || owner->selections_count == classes_count, table,
                  "a selection per class expected");
    return (wp_classes){owner->classes, owner->selections, classes_count};
}

static void set_integer(lua_State *L, const char *name, uint64_t value)
{
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, double value)
{
    if (isnan(value))
        return;
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

/* sessions(log, timeout_us) */
static int l_sessions(lua_State *L)
{
    const wp_log *log = wpl_check_scan(L, 1);
    int64_t timeout_us = luaL_checkinteger(L, 2);
    wp_sessions sessions;
    wp_error err;
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    if (wp_sessions_measure(log, timeout_us, &run, &sessions, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    lua_createtable(L, 0, 9);
    set_integer(L, "sessions", sessions.sessions_count);
    set_integer(L, "events", sessions.events_count);
    set_integer(L, "users", sessions.users_count);
    set_integer(L, "single_event", sessions.single_event_count);
    if (sessions.sessions_count > 0) {
        set_number(L, "mean_events", sessions.mean_events);
        set_number(L, "median_events", sessions.median_events);
        set_number(L, "median_seconds", sessions.median_seconds);
        set_number(L, "p90_seconds", sessions.p90_seconds);
        set_number(L, "max_seconds", sessions.max_seconds);
    }
    return 1;
}

/* Place of each class among the names in order, from the list `ranks`; NULL when memory is short.
 */
static uint32_t *field_ranks(lua_State *L, int table, const wp_transitions *transitions,
                             flow_result *owner)
{
    lua_getfield(L, table, "ranks");
    luaL_checktype(L, -1, LUA_TTABLE);
    size_t count = lua_rawlen(L, -1);
    for (size_t i = 0; i < transitions->rows_count; i++)
        if (transitions->rows[i].from >= count || transitions->rows[i].to >= count)
            luaL_argerror(L, table, "a rank per class expected");
    uint32_t *ranks = owner->ranks = wp_alloc_array(count, sizeof *owner->ranks);
    for (size_t i = 0; ranks != NULL && i < count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        ranks[i] = (uint32_t)lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return ranks;
}

/* transitions(log, { classes, classes_count, timeout_us, times, ranks }) -> total, rows of
** { from, to, count, users, median_seconds, p90_seconds } with 1-based classes, by falling count,
** ties by the ranks of from and to. */
static int l_transitions(lua_State *L)
{
    const wp_log *log = wpl_check_scan(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    flow_result *result = new_result(L);
    wp_transition_options options = {
        .classes = field_classes(L, 2, log->columns, result),
        .timeout_us = field_integer(L, 2, "timeout_us", -1),
        .times = field_boolean(L, 2, "times"),
    };
    wp_error err;
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    if (wp_transitions_measure(log, &options, &run, &result->transitions, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    const uint32_t *ranks = field_ranks(L, 2, &result->transitions, result);
    if (ranks == NULL)
        return out_of_memory(L);
    if (wp_transitions_order(&result->transitions, ranks, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    const wp_transitions *transitions = &result->transitions;
    lua_pushinteger(L, (lua_Integer)transitions->total);
    lua_createtable(L, (int)transitions->rows_count, 0);
    for (size_t i = 0; i < transitions->rows_count; i++) {
        const wp_transition *row = &transitions->rows[i];
        lua_createtable(L, 0, 11); /* and what the caller adds */
        set_integer(L, "from", (uint64_t)row->from + 1);
        set_integer(L, "to", (uint64_t)row->to + 1);
        set_integer(L, "count", row->count);
        set_integer(L, "users", row->users_count);
        set_number(L, "median_seconds", row->median_seconds);
        set_number(L, "p90_seconds", row->p90_seconds);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 2;
}

static void push_counts(lua_State *L, const uint64_t *counts, uint32_t count)
{
    lua_createtable(L, (int)count, 0);
    for (uint32_t i = 0; i < count; i++) {
        lua_pushinteger(L, (lua_Integer)counts[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* retention(log, { start, returns, boundaries_us, offsets, user_period_us, on_or_after, as_of_us })
** -> a list per period of { users, active = {…}, observable = {…} }. */
static int l_retention(lua_State *L)
{
    const wp_log *log = wpl_check_scan(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    flow_result *result = new_result(L);
    lua_getfield(L, 2, "start");
    const wp_selection *start = wpl_push_selection(L, lua_gettop(L), log->columns);
    lua_getfield(L, 2, "returns");
    const wp_selection *returns = wpl_push_selection(L, lua_gettop(L), log->columns);
    lua_getfield(L, 2, "boundaries_us");
    luaL_checktype(L, -1, LUA_TTABLE);
    size_t boundaries = lua_rawlen(L, -1);
    luaL_argcheck(L, boundaries >= 2, 2, "at least one period expected");
    result->boundaries_us = wp_alloc_array(boundaries, sizeof *result->boundaries_us);
    if (result->boundaries_us == NULL)
        return out_of_memory(L);
    for (size_t i = 0; i < boundaries; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        result->boundaries_us[i] = luaL_checkinteger(L, -1);
        lua_pop(L, 1);
    }
    wp_retention_options options = {
        .start = start,
        .returns = returns,
        .boundaries_us = result->boundaries_us,
        .periods_count = (uint32_t)(boundaries - 1),
        .offsets_count = (uint32_t)field_integer(L, 2, "offsets", 1),
        .user_period_us = field_integer(L, 2, "user_period_us", 0),
        .on_or_after = field_boolean(L, 2, "on_or_after"),
        .as_of_us = field_integer(L, 2, "as_of_us", log->last_us),
    };
    wp_error err;
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    if (wp_retention_measure(log, &options, &run, &result->retention, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    const wp_retention *retention = &result->retention;
    lua_createtable(L, (int)retention->cohorts_count, 0);
    for (uint32_t i = 0; i < retention->cohorts_count; i++) {
        size_t at = (size_t)i * retention->offsets_count;
        lua_createtable(L, 0, 3);
        set_integer(L, "users", retention->users[i]);
        push_counts(L, retention->active + at, retention->offsets_count);
        lua_setfield(L, -2, "active");
        push_counts(L, retention->observable + at, retention->offsets_count);
        lua_setfield(L, -2, "observable");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* Field `classes`: 1-based. */
static void set_classes(lua_State *L, const uint32_t *classes, uint32_t count)
{
    lua_createtable(L, (int)count, 0);
    for (uint32_t k = 0; k < count; k++) {
        lua_pushinteger(L, (lua_Integer)classes[k] + 1);
        lua_rawseti(L, -2, (lua_Integer)k + 1);
    }
    lua_setfield(L, -2, "classes");
}

static void push_cycles(lua_State *L, const wp_paths *paths, size_t top)
{
    size_t shown = paths->cycles_count < top ? paths->cycles_count : top;
    lua_createtable(L, (int)shown, 0);
    for (size_t i = 0; i < shown; i++) {
        const wp_cycle *cycle = &paths->cycles[i];
        lua_createtable(L, 0, 3);
        set_integer(L, "users", cycle->users_count);
        set_integer(L, "count", cycle->count);
        set_classes(L, cycle->classes, cycle->length);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* paths(log, { start, finish, classes, classes_count, steps, timeout_us, merge_repeats, top }) ->
** users, matrix (a list per step of counts per class, the last being "over"), sequences (list of
** { users, classes = {…} }), number of distinct sequences, cycles (list of { users, count,
** classes = {…} }, at most `top`). */
static int l_paths(lua_State *L)
{
    const wp_log *log = wpl_check_scan(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    flow_result *result = new_result(L);
    const wp_selection *start = NULL, *finish = NULL;
    if (lua_getfield(L, 2, "start") != LUA_TNIL)
        start = wpl_push_selection(L, lua_gettop(L), log->columns);
    if (lua_getfield(L, 2, "finish") != LUA_TNIL)
        finish = wpl_push_selection(L, lua_gettop(L), log->columns);
    wp_path_options options = {
        .start = start,
        .finish = finish,
        .classes = field_classes(L, 2, log->columns, result),
        .steps_count = (uint32_t)field_integer(L, 2, "steps", 10),
        .timeout_us = field_integer(L, 2, "timeout_us", -1),
        .merge_repeats = field_boolean(L, 2, "merge_repeats"),
    };
    size_t top = (size_t)field_integer(L, 2, "top", 10);
    wp_error err;
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    if (wp_paths_measure(log, &options, &run, &result->paths, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    const wp_paths *paths = &result->paths;
    lua_pushinteger(L, (lua_Integer)paths->users_count);
    lua_createtable(L, (int)paths->steps_count, 0);
    for (uint32_t step = 0; step < paths->steps_count; step++) {
        push_counts(L, paths->matrix + (size_t)step * (paths->classes_count + 1),
                    paths->classes_count + 1);
        lua_rawseti(L, -2, (lua_Integer)step + 1);
    }
    size_t shown = paths->sequences_count < top ? paths->sequences_count : top;
    lua_createtable(L, (int)shown, 0);
    for (size_t i = 0; i < shown; i++) {
        lua_createtable(L, 0, 2);
        set_integer(L, "users", paths->sequences[i].users_count);
        set_classes(L, paths->sequences[i].classes, paths->sequences[i].length);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_pushinteger(L, (lua_Integer)paths->sequences_count);
    push_cycles(L, paths, top);
    return 5;
}

/* gaps(log, { classes, classes_count, timeout_us, cap_us }) -> a list per class of { events, gaps,
** users, median_seconds, p75_seconds, p90_seconds, p99_seconds, max_seconds, capped_seconds, bands
*},
** ends of the bands in seconds. */
static int l_gaps(lua_State *L)
{
    static const char *const points[WP_GAP_POINTS] = {"median_seconds", "p75_seconds",
                                                      "p90_seconds", "p99_seconds"};
    const wp_log *log = wpl_check_scan(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    flow_result *result = new_result(L);
    wp_classes classes = field_classes(L, 2, log->columns, result);
    wp_error err;
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    if (wp_gaps_measure(log, &classes, field_integer(L, 2, "timeout_us", -1),
                        field_integer(L, 2, "cap_us", INT64_MAX), &run, &result->gaps,
                        &err) != WP_OK)
        return wpl_push_failure(L, &err);
    lua_createtable(L, (int)result->gaps.rows_count, 0);
    for (uint32_t i = 0; i < result->gaps.rows_count; i++) {
        const wp_gap_row *row = &result->gaps.rows[i];
        lua_createtable(L, 0, 10);
        set_integer(L, "events", row->events_count);
        set_integer(L, "gaps", row->count);
        set_integer(L, "users", row->users_count);
        for (unsigned p = 0; p < WP_GAP_POINTS; p++)
            set_number(L, points[p], row->seconds[p]);
        set_number(L, "max_seconds", row->max_seconds);
        set_number(L, "capped_seconds", row->capped_seconds);
        push_counts(L, row->bands, WP_GAP_BANDS);
        lua_setfield(L, -2, "bands");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_createtable(L, WP_GAP_BANDS - 1, 0);
    for (unsigned band = 0; band + 1 < WP_GAP_BANDS; band++) {
        lua_pushinteger(L, wp_gap_bands_us[band] / 1000000);
        lua_rawseti(L, -2, (lua_Integer)band + 1);
    }
    return 2;
}

/* groups(log, text_column, per_user, groups_max, last) -> list of { value = text or nil,
** log = view }, users left out. Columns are 1-based positions as in core.log.names. */
static int l_groups(lua_State *L)
{
    const wp_log *log = wpl_check_scan(L, 1);
    lua_Integer column = luaL_checkinteger(L, 2);
    bool per_user = lua_toboolean(L, 3);
    lua_Integer groups_max = luaL_checkinteger(L, 4);
    const wp_columns *columns = log->columns;
    lua_Integer columns_count = per_user ? columns->user_texts_count : columns->texts_count;
    luaL_argcheck(L, column >= 1 && column <= columns_count, 2, "no such column");
    wpl_need_column(L, columns, true, per_user, (uint32_t)column - 1);
    luaL_argcheck(L, groups_max >= 1 && groups_max <= 10000, 4, "1 to 10000 expected");
    flow_result *result = new_result(L);
    uint32_t users_left;
    wp_error err;
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    if (wp_log_groups(log, (uint32_t)column - 1, per_user, lua_toboolean(L, 5),
                      (uint32_t)groups_max, &run, &result->groups, &result->groups_count,
                      &users_left, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    const wp_texts *texts = &(per_user ? columns->user_texts : columns->texts)[column - 1];
    lua_createtable(L, (int)result->groups_count, 0);
    for (uint32_t i = 0; i < result->groups_count; i++) {
        lua_createtable(L, 0, 2);
        if (result->groups[i].code != 0) {
            size_t length;
            const char *text = wp_dictionary_text(&texts->values, result->groups[i].code, &length);
            lua_pushlstring(L, text, length);
            lua_setfield(L, -2, "value");
        }
        wpl_push_log(L, wp_log_retain(result->groups[i].log));
        lua_setfield(L, -2, "log");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_pushinteger(L, users_left);
    return 2;
}

int wpl_open_flow(lua_State *L)
{
    wpl_class(L, WPL_RESULT, result_close, NULL, NULL);
    static const luaL_Reg functions[] = {{"sessions", l_sessions},
                                         {"transitions", l_transitions},
                                         {"retention", l_retention},
                                         {"paths", l_paths},
                                         {"groups", l_groups},
                                         {"gaps", l_gaps},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
