/* Resolved selectors: from the Lua table that lua/wayproof/resolve.lua makes to a wp_selection.
**
** The table is { codes = {1, 4} or nil, conditions = { … } or nil }. codes are positions in the
** list of event names (core.log.names(log).events); nil selects every event. A condition is
** { kind = "text_in", column = 1, per_user = true or nil, negated = true or nil, values = {…} },
** { kind = "number_range", …, low, high, low_open, high_open } or
** { kind = "number_in", …, values = {…} }, where column is a position in the list of that kind; or
** { kind = "selected", selection = {codes, conditions}, negated = true }: `except` with a filter.
*/
#ifndef WP_LUA_SELECTION_H
#define WP_LUA_SELECTION_H

#include "lua/binding.h"

/* Fills *selection, which must be all zero and belong to something that resets it when Lua raises
** (a userdata with __gc): this function may raise half-way, and then *selection is incomplete but
** fit for wp_selection_reset. nil or no table at index selects everything. */
void wpl_to_selection(lua_State *L, int index, const wp_columns *columns, wp_selection *selection);

/* The same inside a new userdata, which is pushed and owns the result. */
const wp_selection *wpl_push_selection(lua_State *L, int index, const wp_columns *columns);

#endif
