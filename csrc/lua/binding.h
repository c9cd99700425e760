/* What every binding file shares: one file per Lua class, nothing here loops over rows.
**
** A binding function has four steps: check the arguments (may raise; owns nothing yet), create the
** closed handle, call the core with no Lua API inside, push the results. Nothing that was
** allocated may be reachable from a C local only while a Lua call that can raise is made. */
#ifndef WP_LUA_BINDING_H
#define WP_LUA_BINDING_H

#include "base/error.h"
#include "base/pool.h"
#include "store/log.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>

#define WPL_LOG    "wayproof.Log"
#define WPL_FRAME  "wayproof.Frame"
#define WPL_VECTOR "wayproof.Vector"

/* The world failed: pushes nil, message, code and returns 3. An interruption raises instead
** ("interrupted!"), after clearing the hook that asked for it. */
int wpl_push_failure(lua_State *L, const wp_error *err);

/* Raises the core's message, blaming the caller of the Lua function that called us. */
int wpl_raise(lua_State *L, const wp_error *err);

/* Settings of a long call: default threads, Ctrl-C through the debug hook, and progress on standard
** error after a second when that is a terminal. The poll struct must outlive the run; it lives on
** the binding function's stack. */
typedef struct wpl_poll {
    lua_State *L;
    lua_Hook hook;                /* the hook at the start; another one later means "please stop" */
    int64_t started_ns, shown_ns; /* shown_ns: when progress was last written; 0: it is not shown */
} wpl_poll;
wp_run wpl_run(lua_State *L, wpl_poll *poll);

/* Tells the collector about memory that it cannot see, so that dropped handles go in time. */
void wpl_gc_pressure(lua_State *L, int64_t bytes_size);

/* Creates the class `name`: metatable with __name, __gc and __close = close (idempotent), __index =
** a methods table with `close` and `methods`. Leaves the methods table on the stack, so that the
** caller can export it and Lua modules can add methods and (through .metatable) metamethods. */
void wpl_class(lua_State *L, const char *name, lua_CFunction close, const luaL_Reg *methods,
               const luaL_Reg *metamethods);

/* A log argument; raises when it is closed ("log is closed"). The result is borrowed. All of it is
** in memory then; wpl_check_open_log leaves it to the caller to ask for what is needed. */
const wp_log *wpl_check_log(lua_State *L, int index);
const wp_log *wpl_check_open_log(lua_State *L, int index);
/* Makes sure that a part of the columns is in memory; raises when it cannot be read. Selections and
** plans ask for the columns they name. The columns stay what they are to whoever looks at them. */
void wpl_need(lua_State *L, const wp_columns *columns, wp_part part, uint32_t column);
/* A text or number column of events, or the attributes. */
void wpl_need_column(lua_State *L, const wp_columns *columns, bool is_text, bool per_user,
                     uint32_t column);
/* A log whose users, times and events are in memory, and what selections and plans ask for. */
const wp_log *wpl_check_rows(lua_State *L, int index);
/* The same for analyses that look at rows through wp_log_scan alone, as their results do not refer
** to rows or ask for them first. */
const wp_log *wpl_check_scan(lua_State *L, int index);
/* Pushes a handle and takes over the reference; on memory error the reference is released. */
void wpl_push_log(lua_State *L, wp_log *take_log);

/* A vector of doubles (missing = NaN) as a Lua userdata; contents undefined, the caller fills it
** before Lua sees it. Immutable afterwards. Raises when memory is short. */
double *wpl_new_vector(lua_State *L, size_t count);
/* The numbers of the vector at index, or NULL when it is not one. A vector that holds codes
** (l_vector.h) is replaced in its stack slot by one of numbers. Index must be a real slot. */
const double *wpl_to_vector(lua_State *L, int index, size_t *count);
/* A vector, or a Lua array that is replaced by a vector in its stack slot (nil in it is missing,
** its field n gives the length where it has holes); raises when it is neither. The _of forms raise
** unless the length is `count`; the opt form gives NULL for nil. Index must be a real slot. */
const double *wpl_check_numbers(lua_State *L, int index, size_t *count);
const double *wpl_check_numbers_of(lua_State *L, int index, size_t count);
const double *wpl_opt_numbers_of(lua_State *L, int index, size_t count);

/* Each pushes one table (a member of wayproof.core) and returns 1. */
int wpl_open_time(lua_State *L);
int wpl_open_read(lua_State *L);
int wpl_open_source(lua_State *L);
int wpl_open_log(lua_State *L);
int wpl_open_frame(lua_State *L);
int wpl_open_vector(lua_State *L);
int wpl_open_stats(lua_State *L);
int wpl_open_model(lua_State *L);
int wpl_open_sqlite(lua_State *L);
int wpl_open_funnel(lua_State *L);
int wpl_open_flow(lua_State *L);
int wpl_open_store(lua_State *L);
int wpl_open_friction(lua_State *L);

#endif
