#include "lua/binding.h"

int wpl_open_model(lua_State *L)
{
    lua_newtable(L);
    return 1;
}
