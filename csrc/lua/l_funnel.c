/* Funnels: binding of journey/funnel.h. lua/wayproof/funnel.lua checks what people type and makes
** the options table; the result handle keeps the log's columns alive for lists of people. */
#include "lua/binding.h"
#include "lua/selection.h"

#include "base/memory.h"
#include "journey/funnel.h"

#include <math.h>

#define WPL_FUNNEL "wayproof.FunnelData"

typedef struct funnel_handle {
    wp_funnel funnel;
    wp_log *log; /* NULL: closed */
    wp_funnel_step *steps;
    uint32_t steps_count;
    wp_funnel_exclusion *exclusions;
    uint32_t exclusions_count;
    wp_funnel_options options;
} funnel_handle;

static int m_close(lua_State *L)
{
    funnel_handle *handle = luaL_checkudata(L, 1, WPL_FUNNEL);
    for (uint32_t i = 0; handle->steps != NULL && i < handle->steps_count; i++)
        wp_selection_reset(&handle->steps[i].selection);
    for (uint32_t i = 0; handle->exclusions != NULL && i < handle->exclusions_count; i++)
        wp_selection_reset(&handle->exclusions[i].selection);
    wp_free(handle->steps);
    wp_free(handle->exclusions);
    handle->steps = NULL;
    handle->exclusions = NULL;
    wp_funnel_reset(&handle->funnel);
    wp_log *log = handle->log;
    handle->log = NULL;
    wp_log_release(log);
    return 0;
}

static int64_t field_integer(lua_State *L, const char *name, int64_t fallback)
{
    int64_t value = fallback;
    if (lua_getfield(L, -1, name) != LUA_TNIL)
        value = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    return value;
}

static bool field_boolean(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

/* The list in the field `name` of the table on top, pushed; its length. */
static uint32_t push_list(lua_State *L, const char *name)
{
    if (lua_getfield(L, -1, name) == LUA_TNIL)
        return 0;
    luaL_checktype(L, -1, LUA_TTABLE);
    return (uint32_t)lua_rawlen(L, -1);
}

static void read_selection(lua_State *L, const wp_columns *columns, wp_selection *selection)
{
    lua_getfield(L, -1, "selection");
    wpl_to_selection(L, lua_gettop(L), columns, selection);
    lua_pop(L, 1);
}

/* Options table on top of the stack -> handle->options and what it borrows. May raise half-way; the
** handle frees what is there. */
static void read_options(lua_State *L, funnel_handle *handle)
{
    const wp_columns *columns = handle->log->columns;
    uint32_t count = push_list(L, "steps");
    luaL_argcheck(L, count >= 1 && count <= WP_FUNNEL_STEPS_MAX, 2, "1 to 32 steps expected");
    handle->steps = wp_alloc_array_zero(count, sizeof *handle->steps);
    if (handle->steps == NULL)
        luaL_error(L, "out of memory");
    handle->steps_count = count;
    for (uint32_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        handle->steps[i].optional = i > 0 && field_boolean(L, "optional");
        handle->steps[i].gap_min_us = field_integer(L, "gap_min_us", 0);
        handle->steps[i].gap_max_us = field_integer(L, "gap_max_us", -1);
        read_selection(L, columns, &handle->steps[i].selection);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    count = push_list(L, "exclusions");
    luaL_argcheck(L, count <= 32, 2, "at most 32 exclusions expected");
    if (count > 0) {
        handle->exclusions = wp_alloc_array_zero(count, sizeof *handle->exclusions);
        if (handle->exclusions == NULL)
            luaL_error(L, "out of memory");
        handle->exclusions_count = count;
    }
    for (uint32_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        handle->exclusions[i].after_step = (uint32_t)field_integer(L, "after_step", 1) - 1;
        handle->exclusions[i].before_step =
            (uint32_t)field_integer(L, "before_step", handle->steps_count) - 1;
        handle->exclusions[i].whole_user = field_boolean(L, "whole_user");
        read_selection(L, columns, &handle->exclusions[i].selection);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    handle->options = (wp_funnel_options){
        .steps = handle->steps,
        .steps_count = handle->steps_count,
        .exclusions = handle->exclusions,
        .exclusions_count = handle->exclusions_count,
        .within_us = field_integer(L, "within_us", -1),
        .order = (wp_funnel_order)field_integer(L, "order", WP_ORDER_LOOSE),
        .entry = (wp_funnel_entry)field_integer(L, "entry", WP_ENTRY_ANY),
        .ties = (wp_funnel_ties)field_integer(L, "ties", WP_TIES_AS_RECORDED),
        .reuse_rows = field_boolean(L, "reuse_rows"),
        .first_required = field_boolean(L, "first_required"),
        .grace_us = field_integer(L, "grace_us", 0),
        .as_of_us = field_integer(L, "as_of_us", handle->log->last_us),
        .hold_text = (int)field_integer(L, "hold_text", 0) - 1,
    };
    if (handle->options.hold_text >= 0)
        wpl_need_column(L, columns, true, false, (uint32_t)handle->options.hold_text);
}

static void set_seconds(lua_State *L, const char *name, double seconds)
{
    if (isnan(seconds))
        return;
    lua_pushnumber(L, seconds);
    lua_setfield(L, -2, name);
}

static void push_counts(lua_State *L, const wp_funnel_figures *figures, uint32_t count)
{
    lua_createtable(L, (int)count, 0);
    for (uint32_t i = 0; i < count; i++) {
        lua_createtable(L, 0, 16);
        lua_pushinteger(L, figures[i].users_count);
        lua_setfield(L, -2, "users");
        lua_pushinteger(L, figures[i].stopped_count);
        lua_setfield(L, -2, "dropped");
        lua_pushinteger(L, figures[i].pending_count);
        lua_setfield(L, -2, "pending");
        lua_pushinteger(L, figures[i].closed_count);
        lua_setfield(L, -2, "closed");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* measure(log, options) -> handle, list of counts per step, { entered, excluded, absent }.
** options: steps = { { selection, optional, gap_min_us, gap_max_us } }, exclusions = { { selection,
** after_step, before_step, whole_user } }, within_us, order (0 loose, 1 strict, 2 any), entry (0
** any, 1 first, 2 latest), ties (0 as recorded, 1 any, 2 strict), grace_us, as_of_us, hold_text. */
static int l_measure(lua_State *L)
{
    const wp_log *log = wpl_check_scan(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    funnel_handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
    *handle = (funnel_handle){0};
    luaL_setmetatable(L, WPL_FUNNEL);
    handle->log = wp_log_retain((wp_log *)log);
    lua_pushvalue(L, 2);
    read_options(L, handle);
    lua_pop(L, 1);
    wp_error err;
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_funnel_figures figures[WP_FUNNEL_STEPS_MAX];
    wp_status status = wp_funnel_measure(log, &handle->options, &run, &handle->funnel, &err);
    if (status == WP_OK)
        status = wp_funnel_figure(&handle->funnel, log->columns, &handle->options, false, &run,
                                  figures, &err);
    if (status != WP_OK)
        return wpl_push_failure(L, &err);
    push_counts(L, figures, handle->steps_count);
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, handle->funnel.users_count);
    lua_setfield(L, -2, "entered");
    lua_pushinteger(L, handle->funnel.excluded_count);
    lua_setfield(L, -2, "excluded");
    lua_pushinteger(L, handle->funnel.absent_count);
    lua_setfield(L, -2, "absent");
    return 3;
}

/* handle:times() -> a list per step of { median_seconds, p90_seconds, median_step_seconds,
** p90_step_seconds }, without those that nobody has. */
static int m_times(lua_State *L)
{
    funnel_handle *handle = luaL_checkudata(L, 1, WPL_FUNNEL);
    luaL_argcheck(L, handle->log != NULL, 1, "funnel is closed");
    wp_error err;
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_funnel_figures figures[WP_FUNNEL_STEPS_MAX];
    if (wp_funnel_figure(&handle->funnel, handle->log->columns, &handle->options, true, &run,
                         figures, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    lua_createtable(L, (int)handle->steps_count, 0);
    for (uint32_t i = 0; i < handle->steps_count; i++) {
        lua_createtable(L, 0, 4);
        set_seconds(L, "median_seconds", figures[i].median_seconds);
        set_seconds(L, "p90_seconds", figures[i].p90_seconds);
        set_seconds(L, "median_step_seconds", figures[i].median_step_seconds);
        set_seconds(L, "p90_step_seconds", figures[i].p90_step_seconds);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static void push_dictionary_text(lua_State *L, const wp_dictionary *dictionary, uint32_t code)
{
    size_t length;
    const char *text = wp_dictionary_text(dictionary, code, &length);
    lua_pushlstring(L, text, length);
}

/* { user, level, pending, events = {…}, times = {…} } of a person; holes at steps not taken. */
static void push_sequence(lua_State *L, const funnel_handle *handle, const wp_funnel_person *person)
{
    const wp_columns *columns = handle->log->columns;
    const uint32_t *rows = person->rows;
    uint32_t steps = handle->steps_count;
    wpl_need(L, columns, WP_PART_IDS, 0);
    wpl_need(L, columns, WP_PART_ROWS, 0);
    lua_createtable(L, 0, 5);
    push_dictionary_text(L, &columns->user_ids, person->user);
    lua_setfield(L, -2, "user");
    lua_pushinteger(L, person->level);
    lua_setfield(L, -2, "level");
    lua_pushboolean(L, (person->flags & WP_FUNNEL_PENDING) != 0);
    lua_setfield(L, -2, "pending");
    lua_createtable(L, (int)steps, 0);
    lua_createtable(L, (int)steps, 0);
    for (uint32_t step = 0; step < steps; step++) {
        if (rows[step] == WP_FUNNEL_NO_ROW)
            continue;
        push_dictionary_text(L, &columns->event_names, wp_code_at(&columns->events, rows[step]));
        lua_rawseti(L, -3, (lua_Integer)step + 1);
        lua_pushinteger(L, wp_time_at(&columns->times, rows[step]));
        lua_rawseti(L, -2, (lua_Integer)step + 1);
    }
    lua_setfield(L, -3, "times");
    lua_setfield(L, -2, "events");
}

/* handle:list(step, kind [, limit]) -> list of sequences; kind "reached" (this step or further),
** "dropped" (no further, window closed), "pending" (no further yet) or "did" (it is in the
** sequence, for steps in any order). */
static int m_list(lua_State *L)
{
    static const char *const kinds[] = {"reached", "dropped", "pending", "did", NULL};
    funnel_handle *handle = luaL_checkudata(L, 1, WPL_FUNNEL);
    luaL_argcheck(L, handle->log != NULL, 1, "funnel is closed");
    lua_Integer step = luaL_checkinteger(L, 2);
    int kind = luaL_checkoption(L, 3, NULL, kinds);
    lua_Integer limit = luaL_optinteger(L, 4, INT32_MAX);
    luaL_argcheck(L, step >= 1 && step <= handle->steps_count, 2, "no such step");
    bool optional = handle->options.order != WP_ORDER_ANY && handle->steps[step - 1].optional;
    lua_newtable(L);
    lua_Integer count = 0;
    wp_funnel_cursor cursor = {0};
    const wp_funnel_person *person;
    while (count < limit && (person = wp_funnel_next(&handle->funnel, &cursor)) != NULL) {
        bool wanted;
        if (kind == 1 || kind == 2)
            wanted = person->level == step && step < handle->steps_count &&
                     ((person->flags & WP_FUNNEL_PENDING) != 0) == (kind == 2);
        else if (optional || kind == 3)
            wanted = person->rows[step - 1] != WP_FUNNEL_NO_ROW;
        else
            wanted = person->level >= step;
        if (!wanted)
            continue;
        push_sequence(L, handle, person);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

static void push_change(lua_State *L, const funnel_handle *handle, uint32_t user, unsigned before,
                        unsigned after)
{
    wpl_need(L, handle->log->columns, WP_PART_IDS, 0);
    lua_createtable(L, 0, 3);
    push_dictionary_text(L, &handle->log->columns->user_ids, user);
    lua_setfield(L, -2, "user");
    lua_pushinteger(L, before);
    lua_setfield(L, -2, "before");
    lua_pushinteger(L, after);
    lua_setfield(L, -2, "after");
}

/* handle:changes(other, most) -> users further in other, users less far, the first `most` of them
** as { user, before, after } (level 0: not in the funnel). Both are of the same log. */
static int m_changes(lua_State *L)
{
    funnel_handle *handle = luaL_checkudata(L, 1, WPL_FUNNEL);
    funnel_handle *other = luaL_checkudata(L, 2, WPL_FUNNEL);
    lua_Integer most = luaL_checkinteger(L, 3), listed = 0, further = 0, less = 0;
    luaL_argcheck(L, handle->log != NULL && other->log != NULL, 1, "funnel is closed");
    luaL_argcheck(L, handle->log->columns == other->log->columns, 2, "funnel of another log");
    wp_funnel_cursor here = {0}, there = {0};
    const wp_funnel_person *a = wp_funnel_next(&handle->funnel, &here);
    const wp_funnel_person *b = wp_funnel_next(&other->funnel, &there);
    lua_newtable(L);
    while (a != NULL || b != NULL) {
        uint32_t user = a == NULL || (b != NULL && b->user < a->user) ? b->user : a->user;
        unsigned before = 0, after = 0;
        if (a != NULL && a->user == user) {
            before = a->level;
            a = wp_funnel_next(&handle->funnel, &here);
        }
        if (b != NULL && b->user == user) {
            after = b->level;
            b = wp_funnel_next(&other->funnel, &there);
        }
        further += after > before;
        less += after < before;
        if (after == before || listed >= most)
            continue;
        push_change(L, handle, user, before, after);
        lua_rawseti(L, -2, ++listed);
    }
    lua_pushinteger(L, further);
    lua_pushinteger(L, less);
    lua_rotate(L, -3, 2);
    return 3;
}

/* handle:by_value(text_column, at_step) -> list of { value (nil: missing), users = {…} } by code of
** the value; values that nobody has are left out. */
static int m_by_value(lua_State *L)
{
    funnel_handle *handle = luaL_checkudata(L, 1, WPL_FUNNEL);
    luaL_argcheck(L, handle->log != NULL, 1, "funnel is closed");
    const wp_columns *columns = handle->log->columns;
    lua_Integer column = luaL_checkinteger(L, 2), step = luaL_checkinteger(L, 3);
    luaL_argcheck(L, column >= 1 && column <= columns->texts_count, 2, "no such column");
    luaL_argcheck(L, step >= 1 && step <= handle->steps_count, 3, "no such step");
    wpl_need(L, columns, WP_PART_TEXTS, (uint32_t)column - 1);
    const wp_texts *texts = &columns->texts[column - 1];
    size_t cells = (size_t)texts->values.count * handle->steps_count;
    uint32_t *counts = lua_newuserdatauv(L, cells * sizeof *counts + 1, 0);
    memset(counts, 0, cells * sizeof *counts);
    wp_funnel_by_value(&handle->funnel, texts, (uint32_t)step - 1, &handle->options, counts);
    lua_newtable(L);
    lua_Integer listed = 0;
    for (uint32_t code = 0; code < texts->values.count; code++) {
        const uint32_t *users = counts + (size_t)code * handle->steps_count;
        if (users[step - 1] == 0)
            continue;
        lua_createtable(L, 0, 2);
        if (code != 0) {
            push_dictionary_text(L, &texts->values, code);
            lua_setfield(L, -2, "value");
        }
        lua_createtable(L, (int)handle->steps_count, 0);
        for (uint32_t k = 0; k < handle->steps_count; k++) {
            lua_pushinteger(L, users[k]);
            lua_rawseti(L, -2, (lua_Integer)k + 1);
        }
        lua_setfield(L, -2, "users");
        lua_rawseti(L, -2, ++listed);
    }
    return 1;
}

int wpl_open_funnel(lua_State *L)
{
    static const luaL_Reg methods[] = {{"times", m_times},
                                       {"list", m_list},
                                       {"by_value", m_by_value},
                                       {"changes", m_changes},
                                       {NULL, NULL}};
    wpl_class(L, WPL_FUNNEL, m_close, methods, NULL);
    static const luaL_Reg functions[] = {{"measure", l_measure}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
