/* Measuring and frames. The handle made here holds columns by position; names, words and printing
** live in lua/wayproof/frame.lua. core.frame.measure(log, plan) -> handle; lua/plan.h says what a
** plan is. */
#include "lua/binding.h"

#include "base/memory.h"
#include "journey/measure.h"
#include "lua/l_vector.h"
#include "lua/plan.h"

#include <string.h>

#define WPL_FRAME_CORE "wayproof.FrameCore"

typedef struct frame_handle {
    wp_frame *frame; /* NULL: closed */
} frame_handle;

static wp_frame *check_frame(lua_State *L, int index)
{
    frame_handle *handle = luaL_checkudata(L, index, WPL_FRAME_CORE);
    if (handle->frame == NULL)
        luaL_error(L, "frame is closed");
    return handle->frame;
}

static uint32_t check_column(lua_State *L, int index, const wp_frame *frame)
{
    lua_Integer column = luaL_checkinteger(L, index);
    luaL_argcheck(L, column >= 1 && column <= (lua_Integer)frame->columns_count, index,
                  "no such column");
    luaL_argcheck(L, frame->rows_count == 0 || frame->columns[column - 1].data != NULL, index,
                  "the column was dropped");
    return (uint32_t)(column - 1);
}

static frame_handle *new_handle(lua_State *L)
{
    frame_handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
    handle->frame = NULL;
    luaL_setmetatable(L, WPL_FRAME_CORE);
    return handle;
}

static int m_close(lua_State *L)
{
    frame_handle *handle = luaL_checkudata(L, 1, WPL_FRAME_CORE);
    wp_frame *frame = handle->frame;
    handle->frame = NULL;
    wp_frame_free(frame);
    return 0;
}

static int l_measure(lua_State *L)
{
    const wp_log *log = wpl_check_scan(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    const wp_plan *plan = wpl_push_plan(L, 2, log->columns);
    frame_handle *handle = new_handle(L);
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    wp_error err;
    if (wp_measure(log, plan, &run, &handle->frame, &err) != WP_OK)
        return err.status == WP_INVALID || err.status == WP_LIMIT ? wpl_raise(L, &err)
                                                                  : wpl_push_failure(L, &err);
    wpl_gc_pressure(L, wp_frame_bytes(handle->frame));
    return 1;
}

/* last_us(log) -> time of its last event, or nil when it has none. */
static int l_last_us(lua_State *L)
{
    const wp_log *log = wpl_check_open_log(L, 1);
    if (log->last_us == WP_TIME_MISSING)
        lua_pushnil(L);
    else
        lua_pushinteger(L, log->last_us);
    return 1;
}

/* --- Frames that the caller brought -------------------------------------------------------- */

/* Fills the codes and the dictionary of a text column from a list with holes. Texts are numbered
** by first appearance; 0 is missing. The table `seen` maps texts to codes. */
static void bring_texts(lua_State *L, int values, uint32_t rows, wp_frame_column *column)
{
    wp_dictionary *texts = &column->own_texts;
    uint32_t *codes = column->data;
    uint32_t room = 16;
    size_t bytes_room = 256, used = 0;
    texts->offsets = wpl_check_block(L, wp_alloc_array(room + 1, sizeof *texts->offsets));
    texts->bytes = wpl_check_block(L, wp_alloc_array(bytes_room, 1));
    texts->offsets[0] = texts->offsets[1] = 0;
    texts->count = 1;
    lua_newtable(L);
    int seen = lua_gettop(L);
    for (uint32_t row = 0; row < rows; row++) {
        size_t length;
        lua_rawgeti(L, values, (lua_Integer)row + 1);
        const char *text = lua_isnil(L, -1) ? NULL : luaL_tolstring(L, -1, &length);
        if (text == NULL || length == 0) {
            codes[row] = UINT32_MAX;
            lua_settop(L, seen);
            continue;
        }
        lua_pushvalue(L, -1);
        if (lua_rawget(L, seen) == LUA_TNIL) {
            if (texts->count == room) {
                room *= 2;
                texts->offsets = wpl_check_block(
                    L, wp_realloc_array(texts->offsets, room + 1, sizeof *texts->offsets));
            }
            while (used + length > bytes_room) {
                bytes_room *= 2;
                texts->bytes = wpl_check_block(L, wp_realloc_array(texts->bytes, bytes_room, 1));
            }
            memcpy(texts->bytes + used, text, length);
            used += length;
            lua_pushvalue(L, -2);
            lua_pushinteger(L, texts->count);
            lua_rawset(L, seen);
            codes[row] = texts->count++;
            texts->offsets[texts->count] = used;
        } else {
            codes[row] = (uint32_t)lua_tointeger(L, -1);
        }
        lua_settop(L, seen);
    }
    lua_settop(L, seen - 1);
    column->texts = texts;
    column->code_0_missing = true;
}

static void bring_numbers(lua_State *L, int values, uint32_t rows, wp_frame_column *column)
{
    size_t count = 0;
    const double *vector = wpl_to_vector(L, values, &count);
    for (uint32_t row = 0; row < rows; row++) {
        double number = NAN;
        int64_t instant = WP_TIME_MISSING;
        if (vector != NULL) {
            number = row < count ? vector[row] : NAN;
        } else {
            int type = lua_rawgeti(L, values, (lua_Integer)row + 1);
            if (type == LUA_TBOOLEAN)
                number = lua_toboolean(L, -1);
            else if (type == LUA_TNUMBER && column->type == WP_CELL_I64)
                instant = lua_tointeger(L, -1);
            else if (type == LUA_TNUMBER)
                number = lua_tonumber(L, -1);
            lua_pop(L, 1);
        }
        if (column->type == WP_CELL_I64)
            ((int64_t *)column->data)[row] = instant;
        else if (column->type == WP_CELL_F64)
            ((double *)column->data)[row] = number;
        else if (column->type == WP_CELL_U8)
            ((uint8_t *)column->data)[row] = isnan(number) ? UINT8_MAX : (uint8_t)number;
        else
            ((uint32_t *)column->data)[row] = isnan(number) ? UINT32_MAX : (uint32_t)number;
    }
}

/* bring(rows, { { type, integral, instant, text, values }… }) -> handle. values is a list with
** holes or a vector; what it holds was checked by the caller. */
static int l_bring(lua_State *L)
{
    lua_Integer rows = luaL_checkinteger(L, 1);
    luaL_argcheck(L, rows >= 0 && rows < (lua_Integer)UINT32_MAX, 1, "too many rows");
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    uint32_t count = (uint32_t)lua_rawlen(L, 2);
    frame_handle *handle = new_handle(L);
    wp_error err;
    if (wp_frame_new((uint32_t)rows, count, &handle->frame, &err) != WP_OK)
        return wpl_push_failure(L, &err);
    handle->frame->users_total = (uint64_t)rows;
    for (uint32_t i = 0; i < count; i++) {
        wp_frame_column *column = &handle->frame->columns[i];
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        int at = lua_gettop(L);
        bool text = wpl_flag_field(L, at, "text");
        column->type =
            (wp_cell_type)wpl_option_field(L, at, "type", text ? "u32" : "f64", wpl_cell_types);
        column->integral = wpl_flag_field(L, at, "integral");
        column->instant = wpl_flag_field(L, at, "instant");
        if (wp_frame_column_alloc(column, (uint32_t)rows, &err) != WP_OK)
            return wpl_push_failure(L, &err);
        lua_getfield(L, at, "values");
        if (text)
            bring_texts(L, lua_gettop(L), (uint32_t)rows, column);
        else
            bring_numbers(L, lua_gettop(L), (uint32_t)rows, column);
        lua_settop(L, at - 1);
    }
    wpl_gc_pressure(L, wp_frame_bytes(handle->frame));
    return 1;
}

/* --- Access -------------------------------------------------------------------------------- */

static void push_cell(lua_State *L, const wp_frame_column *column, uint32_t row)
{
    if (column->type == WP_CELL_I64) {
        int64_t cell = ((const int64_t *)column->data)[row];
        if (cell == WP_TIME_MISSING)
            lua_pushnil(L);
        else
            lua_pushinteger(L, cell);
        return;
    }
    double number = wp_frame_number(column, row);
    if (isnan(number)) {
        lua_pushnil(L);
    } else if (column->texts != NULL) {
        size_t length;
        const char *text = wp_dictionary_text(column->texts, (uint32_t)number, &length);
        lua_pushlstring(L, text, length);
    } else if (column->integral && number >= -0x1p63 && number < 0x1p63 &&
               number == floor(number)) {
        lua_pushinteger(L, (lua_Integer)number);
    } else {
        lua_pushnumber(L, number);
    }
}

static int m_rows(lua_State *L)
{
    lua_pushinteger(L, check_frame(L, 1)->rows_count);
    return 1;
}

/* f:cell(column, row) */
static int m_cell(lua_State *L)
{
    const wp_frame *frame = check_frame(L, 1);
    uint32_t column = check_column(L, 2, frame);
    lua_Integer row = luaL_checkinteger(L, 3);
    if (row < 1 || row > (lua_Integer)frame->rows_count)
        lua_pushnil(L);
    else
        push_cell(L, &frame->columns[column], (uint32_t)(row - 1));
    return 1;
}

/* f:column(column) -> a Lua array with holes, the number of rows */
static int m_column(lua_State *L)
{
    const wp_frame *frame = check_frame(L, 1);
    const wp_frame_column *column = &frame->columns[check_column(L, 2, frame)];
    lua_createtable(L, frame->rows_count > INT32_MAX ? INT32_MAX : (int)frame->rows_count, 0);
    for (uint32_t row = 0; row < frame->rows_count; row++) {
        push_cell(L, column, row);
        lua_rawseti(L, -2, (lua_Integer)row + 1);
    }
    lua_pushinteger(L, frame->rows_count);
    return 2;
}

static int levels_gc(lua_State *L)
{
    wp_levels_free(lua_touserdata(L, 1));
    return 0;
}

/* Pushes the column as codes; false where it has too many different numbers. */
static bool push_coded(lua_State *L, const wp_frame *frame, uint32_t column, const wp_run *run)
{
    wp_error err;
    wp_levels *levels = wpl_push_box(L, sizeof *levels, levels_gc, "wayproof.levels");
    if (wp_frame_levels(frame, column, WP_TABLE_MOST, run, levels, &err) != WP_OK)
        wpl_raise(L, &err);
    size_t count = levels->table_count;
    if (count == 0)
        return false;
    wpl_codes *codes = wpl_push_codes(L, frame->rows_count, count);
    if (wp_frame_codes(frame, column, levels, wp_code_width(count), run, wpl_code_bytes(codes),
                       &err) != WP_OK)
        wpl_raise(L, &err);
    memcpy(codes->rows, levels->rows, count * sizeof *codes->rows);
    codes->tallied = true;
    memcpy(wpl_push_coded(L, frame->rows_count, -1)->payload, levels->table,
           count * sizeof *levels->table);
    wp_levels_free(levels);
    return true;
}

/* f:vector(column) : numbers; of a text column its codes, missing = nil. */
static int m_vector(lua_State *L)
{
    const wp_frame *frame = check_frame(L, 1);
    uint32_t column = check_column(L, 2, frame);
    wpl_poll poll;
    wp_run run = wpl_run(L, &poll);
    if (push_coded(L, frame, column, &run))
        return 1;
    double *out = wpl_new_vector(L, frame->rows_count);
    wp_error err;
    if (wp_frame_numbers(frame, column, &run, out, &err) != WP_OK)
        return wpl_raise(L, &err);
    return 1;
}

/* f:drop(column) : frees a column that is not read again; f:drop() : who the rows are. */
static int m_drop(lua_State *L)
{
    wp_frame *frame = check_frame(L, 1);
    if (lua_isnoneornil(L, 2)) {
        wp_free(frame->users);
        frame->users = NULL;
    } else {
        wp_frame_column_drop(&frame->columns[check_column(L, 2, frame)]);
    }
    return 0;
}

/* f:texts(column) -> list of texts by code, or nil when the column holds numbers. Code c of the
** vector is entry c of the list, or entry c + 1 when code 0 is a text of its own; the second result
** says what to add to a code. */
static int m_texts(lua_State *L)
{
    const wp_frame *frame = check_frame(L, 1);
    const wp_frame_column *column = &frame->columns[check_column(L, 2, frame)];
    if (column->texts == NULL)
        return 0;
    uint32_t first = column->code_0_missing ? 1 : 0;
    lua_createtable(L, (int)column->texts->count, 0);
    for (uint32_t code = first; code < column->texts->count; code++) {
        size_t length;
        const char *text = wp_dictionary_text(column->texts, code, &length);
        lua_pushlstring(L, text, length);
        lua_rawseti(L, -2, (lua_Integer)(code - first + 1));
    }
    lua_pushinteger(L, 1 - (lua_Integer)first);
    return 2;
}

static void push_user(lua_State *L, const wp_frame *frame, uint32_t row)
{
    size_t length;
    wpl_need(L, frame->log->columns, WP_PART_IDS, 0);
    const char *id = wp_dictionary_text(&frame->log->columns->user_ids, frame->users[row], &length);
    lua_pushlstring(L, id, length);
}

/* f:user(row) -> id, or nil for a frame without a log. f:users() -> all ids. */
static int m_user(lua_State *L)
{
    const wp_frame *frame = check_frame(L, 1);
    lua_Integer row = luaL_checkinteger(L, 2);
    if (frame->users == NULL || row < 1 || row > (lua_Integer)frame->rows_count)
        lua_pushnil(L);
    else
        push_user(L, frame, (uint32_t)(row - 1));
    return 1;
}

static int m_users(lua_State *L)
{
    const wp_frame *frame = check_frame(L, 1);
    if (frame->users == NULL)
        return 0;
    lua_createtable(L, frame->rows_count > INT32_MAX ? INT32_MAX : (int)frame->rows_count, 0);
    for (uint32_t row = 0; row < frame->rows_count; row++) {
        push_user(L, frame, row);
        lua_rawseti(L, -2, (lua_Integer)row + 1);
    }
    return 1;
}

/* f:times(row) -> t0_us, end_us of one row. */
static int m_times(lua_State *L)
{
    const wp_frame *frame = check_frame(L, 1);
    lua_Integer row = luaL_checkinteger(L, 2);
    if (frame->log == NULL || row < 1 || row > (lua_Integer)frame->rows_count)
        return 0;
    lua_pushinteger(L, wp_frame_t0_us(frame, (uint32_t)(row - 1)));
    lua_pushinteger(L, wp_frame_end_us(frame, (uint32_t)(row - 1)));
    return 2;
}

/* f:fixed("t0_us" | "end_us" | "length_us" | "user") : vectors that every measured row has. The
** length is the time from t0 to the end, the user their number in the log. */
static int m_fixed(lua_State *L)
{
    enum { T0, END, LENGTH, USER };
    static const char *const names[] = {"t0_us", "end_us", "length_us", "user", NULL};
    const wp_frame *frame = check_frame(L, 1);
    int which = luaL_checkoption(L, 2, NULL, names);
    if (frame->log == NULL || (which == USER && frame->users == NULL))
        return 0;
    double *out = wpl_new_vector(L, frame->rows_count);
    for (uint32_t row = 0; row < frame->rows_count; row++) {
        double t0 = (double)wp_frame_t0_us(frame, row), end = (double)wp_frame_end_us(frame, row);
        out[row] = which == T0       ? t0
                   : which == END    ? end
                   : which == LENGTH ? end - t0
                                     : (double)frame->users[row];
    }
    return 1;
}

static int m_counts(lua_State *L)
{
    const wp_frame *frame = check_frame(L, 1);
    lua_createtable(L, 0, 5);
    lua_pushboolean(L, frame->log != NULL);
    lua_setfield(L, -2, "measured");
    lua_pushinteger(L, (lua_Integer)frame->users_total);
    lua_setfield(L, -2, "users");
    lua_pushinteger(L, (lua_Integer)frame->outside);
    lua_setfield(L, -2, "outside");
    lua_pushinteger(L, (lua_Integer)frame->no_anchor);
    lua_setfield(L, -2, "no_anchor");
    lua_pushinteger(L, wp_frame_bytes(frame));
    lua_setfield(L, -2, "bytes");
    return 1;
}

/* f:describe(column) -> type ("u8" …), is it integral, an instant, a text */
static int m_describe(lua_State *L)
{
    const wp_frame *frame = check_frame(L, 1);
    const wp_frame_column *column = &frame->columns[check_column(L, 2, frame)];
    lua_pushstring(L, wpl_cell_types[column->type]);
    lua_pushboolean(L, column->integral);
    lua_pushboolean(L, column->instant);
    lua_pushboolean(L, column->texts != NULL);
    return 4;
}

/* f:loss() -> how many rows the rules of the plan left out, and why; without rules all are 0. */
static int m_loss(lua_State *L)
{
    const wp_loss *loss = &check_frame(L, 1)->loss;
    lua_createtable(L, 0, 5);
    lua_pushinteger(L, (lua_Integer)loss->too_recent);
    lua_setfield(L, -2, "too_recent");
    lua_pushinteger(L, (lua_Integer)loss->prior_outcome);
    lua_setfield(L, -2, "prior_outcome");
    lua_pushinteger(L, (lua_Integer)loss->missing);
    lua_setfield(L, -2, "missing");
    lua_pushinteger(L, (lua_Integer)loss->used);
    lua_setfield(L, -2, "used");
    lua_pushinteger(L, (lua_Integer)loss->events);
    lua_setfield(L, -2, "events");
    return 1;
}

int wpl_open_frame(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"rows", m_rows},   {"cell", m_cell},     {"column", m_column},     {"vector", m_vector},
        {"texts", m_texts}, {"user", m_user},     {"users", m_users},       {"times", m_times},
        {"fixed", m_fixed}, {"counts", m_counts}, {"describe", m_describe}, {"loss", m_loss},
        {"drop", m_drop},   {NULL, NULL}};
    wpl_class(L, WPL_FRAME_CORE, m_close, methods, NULL);
    lua_pop(L, 1);
    static const luaL_Reg functions[] = {
        {"measure", l_measure}, {"bring", l_bring}, {"last_us", l_last_us}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
