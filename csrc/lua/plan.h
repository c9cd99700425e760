/* Plans: from the Lua table that lua/wayproof/measure.lua writes to a wp_plan.
**
** All positions are 1-based; fields carry the names of wp_plan (journey/plan.h):
**   from, until_, population   resolved selectors (lua/selection.h) or nil
**   as_of_us, selections = { resolved… }, steps = { selection… },
**   windows = { { kind, from_us, to_us }… },
**   leaves = { { kind, window, a, b, first_step, steps_count, stage, source, per_user, column,
**                limit_us, part, zone, given }… },
**   columns = { { type, integral, texts, ops = { { kind, leaf | number }… } }… },
**   rules = { needed_us, prior, outcome, required = { column… } } or nil: keep everybody */
#ifndef WP_LUA_PLAN_H
#define WP_LUA_PLAN_H

#include "journey/plan.h"
#include "lua/binding.h"

/* Pushes two values that keep the plan alive: the selections, and the plan itself. The table at
** index must stay reachable too: it holds the vectors of `given`. Raises on a malformed plan. */
const wp_plan *wpl_push_plan(lua_State *L, int index, const wp_columns *columns);

/* Cell types by name, in the order of wp_cell_type. */
extern const char *const wpl_cell_types[];

/* Raises when block is NULL. */
void *wpl_check_block(lua_State *L, void *block);
/* Pushes the list `name` of the table at `from` (an empty one when absent); returns its length. */
uint32_t wpl_push_list(lua_State *L, int from, const char *name);
/* Fields of the table at `at`, which is an absolute index. */
int64_t wpl_integer_field(lua_State *L, int at, const char *name, int64_t absent);
bool wpl_flag_field(lua_State *L, int at, const char *name);
int wpl_option_field(lua_State *L, int at, const char *name, const char *absent,
                     const char *const *options);

#endif
