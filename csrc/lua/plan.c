/* Reading plans; see plan.h. Everything read is in the plan's userdata before the next Lua call
** that could raise, so its __gc frees what was read of a bad plan. */
#include "lua/plan.h"

#include "base/memory.h"
#include "base/zone.h"
#include "lua/selection.h"

#define WPL_PLAN "wayproof.Plan"

typedef struct plan_box {
    wp_plan plan;
    wp_zone **zones; /* one per leaf, mostly NULL */
    uint32_t zones_count;
} plan_box;

static int plan_gc(lua_State *L)
{
    plan_box *box = lua_touserdata(L, 1);
    for (uint32_t i = 0; i < box->zones_count; i++)
        wp_zone_free(box->zones[i]);
    wp_free(box->zones);
    box->zones = NULL;
    box->zones_count = 0;
    wp_plan_reset(&box->plan);
    return 0;
}

void *wpl_check_block(lua_State *L, void *block)
{
    if (block == NULL)
        luaL_error(L, "out of memory");
    return block;
}

uint32_t wpl_push_list(lua_State *L, int from, const char *name)
{
    if (lua_getfield(L, from, name) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
    }
    luaL_checktype(L, -1, LUA_TTABLE);
    return (uint32_t)lua_rawlen(L, -1);
}

int64_t wpl_integer_field(lua_State *L, int at, const char *name, int64_t absent)
{
    lua_getfield(L, at, name);
    int64_t number = luaL_optinteger(L, -1, absent);
    lua_pop(L, 1);
    return number;
}

/* A 1-based position; 0-based inside, 0 when absent. */
static uint32_t position_field(lua_State *L, int at, const char *name)
{
    int64_t position = wpl_integer_field(L, at, name, 1);
    if (position < 1 || position > UINT32_MAX)
        luaL_error(L, "plan: %s is out of range", name);
    return (uint32_t)(position - 1);
}

bool wpl_flag_field(lua_State *L, int at, const char *name)
{
    lua_getfield(L, at, name);
    bool flag = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return flag;
}

int wpl_option_field(lua_State *L, int at, const char *name, const char *absent,
                     const char *const *options)
{
    lua_getfield(L, at, name);
    int option = luaL_checkoption(L, -1, absent, options);
    lua_pop(L, 1);
    return option;
}

static const char *const leaf_kinds[] = {
    "count",        "did",         "distinct",     "sum",      "mean",        "max",
    "min",          "first_value", "last_value",   "sessions", "active_days", "time_to",
    "time_between", "dwell",       "longest_gap",  "pace",     "depth",       "backtracks",
    "hesitation",   "self_loops",  "u_turns",      "matches",  "attribute",   "first_time",
    "time_of_last", "until_time",  "until_status", "anchor",   "given",       NULL};
static const char *const window_kinds[] = {"offsets", "lifetime", "before", "since", NULL};
static const char *const source_kinds[] = {"number", "text", "event", NULL};
static const char *const part_kinds[] = {"all", "odd", "even", NULL};
const char *const wpl_cell_types[] = {"u8", "u32", "i64", "f64", NULL};
static const char *const op_kinds[] = {"leaf",     "constant", "add",   "subtract",
                                       "multiply", "divide",   "log1p", "at_least",
                                       "capped",   "default",  NULL};

/* The selections are userdata kept alive by the table at `keep`. */
static void read_selections(lua_State *L, int from, int keep, const wp_columns *columns,
                            wp_plan *plan)
{
    uint32_t count = wpl_push_list(L, from, "selections");
    int list = lua_gettop(L);
    plan->selections = wpl_check_block(L, wp_alloc_array_zero(count, sizeof *plan->selections));
    for (uint32_t i = 0; i < count; i++) {
        lua_rawgeti(L, list, (lua_Integer)i + 1);
        plan->selections[i] = wpl_push_selection(L, -1, columns);
        lua_rawseti(L, keep, (lua_Integer)i + 1);
        lua_pop(L, 1);
        plan->selections_count = i + 1;
    }
    lua_pop(L, 1);
}

static const wp_selection *read_selection(lua_State *L, int from, const char *name, int keep,
                                          const wp_columns *columns)
{
    const wp_selection *selection = NULL;
    if (lua_getfield(L, from, name) != LUA_TNIL) {
        selection = wpl_push_selection(L, -1, columns);
        lua_setfield(L, keep, name);
    }
    lua_pop(L, 1);
    return selection;
}

static void read_windows(lua_State *L, int from, wp_plan *plan)
{
    uint32_t count = wpl_push_list(L, from, "windows");
    plan->windows = wpl_check_block(L, wp_alloc_array_zero(count, sizeof *plan->windows));
    plan->windows_count = count;
    for (uint32_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        int at = lua_gettop(L);
        plan->windows[i].kind = (wp_window_kind)wpl_option_field(L, at, "kind", NULL, window_kinds);
        plan->windows[i].from_us = wpl_integer_field(L, at, "from_us", 0);
        plan->windows[i].to_us = wpl_integer_field(L, at, "to_us", 0);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    count = wpl_push_list(L, from, "steps");
    plan->steps = wpl_check_block(L, wp_alloc_array_zero(count, sizeof *plan->steps));
    plan->steps_count = count;
    for (uint32_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        plan->steps[i] = (uint32_t)(luaL_checkinteger(L, -1) - 1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void read_zone(lua_State *L, int at, wp_zone **zone)
{
    wp_error err;
    if (lua_getfield(L, at, "zone") != LUA_TNIL &&
        wp_zone_load(luaL_checkstring(L, -1), zone, &err) != WP_OK)
        wpl_raise(L, &err);
    lua_pop(L, 1);
}

static void read_leaf(lua_State *L, int at, const wp_columns *columns, wp_leaf *leaf,
                      wp_zone **zone)
{
    leaf->kind = (wp_leaf_kind)wpl_option_field(L, at, "kind", NULL, leaf_kinds);
    leaf->window = position_field(L, at, "window");
    leaf->a = position_field(L, at, "a");
    leaf->b = position_field(L, at, "b");
    leaf->first_step = position_field(L, at, "first_step");
    leaf->steps_count = (uint32_t)wpl_integer_field(L, at, "steps_count", 0);
    leaf->stage = position_field(L, at, "stage");
    leaf->source = (wp_source_kind)wpl_option_field(L, at, "source", "number", source_kinds);
    leaf->per_user = wpl_flag_field(L, at, "per_user");
    leaf->column = position_field(L, at, "column");
    if (lua_getfield(L, at, "column") != LUA_TNIL && leaf->source != WP_SOURCE_EVENT)
        wpl_need_column(L, columns, leaf->source == WP_SOURCE_TEXT, leaf->per_user, leaf->column);
    lua_pop(L, 1);
    leaf->limit_us = wpl_integer_field(L, at, "limit_us", INT64_MAX);
    leaf->part = (wp_half)wpl_option_field(L, at, "part", "all", part_kinds);
    read_zone(L, at, zone);
    leaf->zone = *zone;
    lua_getfield(L, at, "given");
    leaf->given = wpl_to_vector(L, -1, &leaf->given_count);
    lua_setfield(L, at, "given"); /* the plan's table keeps it alive */
}

static void read_leaves(lua_State *L, int from, const wp_columns *columns, plan_box *box)
{
    uint32_t count = wpl_push_list(L, from, "leaves");
    box->plan.leaves = wpl_check_block(L, wp_alloc_array_zero(count, sizeof *box->plan.leaves));
    box->zones = wpl_check_block(L, wp_alloc_array_zero(count, sizeof(wp_zone *)));
    box->plan.leaves_count = box->zones_count = count;
    for (uint32_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        read_leaf(L, lua_gettop(L), columns, &box->plan.leaves[i], &box->zones[i]);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static uint32_t count_ops(lua_State *L, int columns, uint32_t count)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        lua_rawgeti(L, columns, (lua_Integer)i + 1);
        total += wpl_push_list(L, lua_gettop(L), "ops");
        lua_pop(L, 2);
    }
    return total;
}

static void read_op(lua_State *L, wp_op *op)
{
    int at = lua_gettop(L);
    op->kind = (wp_op_kind)wpl_option_field(L, at, "kind", NULL, op_kinds);
    op->leaf = position_field(L, at, "leaf");
    lua_getfield(L, at, "number");
    op->number = luaL_optnumber(L, -1, 0);
    lua_pop(L, 1);
}

/* The dictionary that a column's codes belong to: `texts` is "event" or { per_user, column }. */
static void read_texts(lua_State *L, int at, const wp_columns *columns, wp_plan_column *column)
{
    int type = lua_getfield(L, at, "texts");
    if (type == LUA_TSTRING) {
        column->texts = &columns->event_names;
    } else if (type == LUA_TTABLE) {
        int source = lua_gettop(L);
        bool per_user = wpl_flag_field(L, source, "per_user");
        uint32_t place = position_field(L, source, "column");
        if (place >= (per_user ? columns->user_texts_count : columns->texts_count))
            luaL_error(L, "plan: no such text column");
        wpl_need_column(L, columns, true, per_user, place);
        column->texts = &(per_user ? columns->user_texts : columns->texts)[place].values;
        column->code_0_missing = true;
    }
    lua_pop(L, 1);
}

static void read_columns(lua_State *L, int from, const wp_columns *columns, wp_plan *plan)
{
    uint32_t count = wpl_push_list(L, from, "columns"), op = 0;
    int list = lua_gettop(L);
    plan->ops_count = count_ops(L, list, count);
    plan->ops = wpl_check_block(L, wp_alloc_array_zero(plan->ops_count, sizeof *plan->ops));
    plan->columns = wpl_check_block(L, wp_alloc_array_zero(count, sizeof *plan->columns));
    plan->columns_count = count;
    for (uint32_t i = 0; i < count; i++) {
        lua_rawgeti(L, list, (lua_Integer)i + 1);
        int at = lua_gettop(L);
        wp_plan_column *column = &plan->columns[i];
        column->type = (wp_cell_type)wpl_option_field(L, at, "type", "f64", wpl_cell_types);
        column->integral = wpl_flag_field(L, at, "integral");
        read_texts(L, at, columns, column);
        column->first_op = op;
        column->ops_count = wpl_push_list(L, at, "ops");
        for (uint32_t k = 0; k < column->ops_count; k++, op++) {
            lua_rawgeti(L, at + 1, (lua_Integer)k + 1);
            read_op(L, &plan->ops[op]);
            lua_pop(L, 1);
        }
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
}

/* A 1-based column, 0 or absent for none: 0-based inside, -1 for none. */
static int32_t column_field(lua_State *L, int at, const char *name)
{
    int64_t column = wpl_integer_field(L, at, name, 0);
    if (column < 0 || column > INT32_MAX)
        luaL_error(L, "plan: %s is out of range", name);
    return (int32_t)(column - 1);
}

static void read_rules(lua_State *L, int from, wp_plan *plan)
{
    plan->has_rules = lua_getfield(L, from, "rules") != LUA_TNIL;
    plan->rules.prior = plan->rules.outcome = -1;
    if (plan->has_rules) {
        int at = lua_gettop(L);
        wp_rules *rules = &plan->rules;
        rules->needed_us = wpl_integer_field(L, at, "needed_us", 0);
        rules->prior = column_field(L, at, "prior");
        rules->outcome = column_field(L, at, "outcome");
        uint32_t count = wpl_push_list(L, at, "required");
        rules->required = wpl_check_block(L, wp_alloc_array_zero(count, sizeof *rules->required));
        for (uint32_t i = 0; i < count; i++) {
            lua_rawgeti(L, -1, (lua_Integer)i + 1);
            rules->required[i] = (uint32_t)(luaL_checkinteger(L, -1) - 1);
            rules->required_count = i + 1;
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

const wp_plan *wpl_push_plan(lua_State *L, int index, const wp_columns *columns)
{
    index = lua_absindex(L, index);
    luaL_checkstack(L, 16, "plan");
    lua_newtable(L); /* keeps the selections alive */
    int keep = lua_gettop(L);
    plan_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    memset(box, 0, sizeof *box);
    if (luaL_newmetatable(L, WPL_PLAN)) {
        lua_pushcfunction(L, plan_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    wp_plan *plan = &box->plan;
    plan->as_of_us = wpl_integer_field(L, index, "as_of_us", WP_TIME_MISSING);
    plan->from = read_selection(L, index, "from", keep, columns);
    plan->until = read_selection(L, index, "until_", keep, columns);
    plan->population = read_selection(L, index, "population", keep, columns);
    read_selections(L, index, keep, columns, plan);
    read_windows(L, index, plan);
    read_leaves(L, index, columns, box);
    read_columns(L, index, columns, plan);
    read_rules(L, index, plan);
    return plan;
}
