#include "lua/binding.h"

int wpl_open_time(lua_State *L)
{
    lua_newtable(L);
    return 1;
}
