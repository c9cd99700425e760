/* Garbage of long vectors. */
#ifndef WP_LUA_GARBAGE_H
#define WP_LUA_GARBAGE_H

#include <lauxlib.h>
#include <lua.h>

#include <stddef.h>

/* To be called before a userdata of that many bytes is made: collects what nobody holds any more
** where the heap has grown by much since the last time. Lua's own collector waits until there is as
** much garbage as there is in use, which for a few long vectors is a lot of memory. Leaves a
** collector alone that the caller has stopped. */
void wpl_make_room(lua_State *L, size_t bytes);

#endif
