/* A reading under way: a build and the rules of its events, as a Lua value that frees both.
**
** core.read.start(spec) makes one; sources are fed to it one after the other, in the order their
** rows shall have; finish turns it into a log. Any error frees it through __gc. */
#ifndef WP_LUA_READING_H
#define WP_LUA_READING_H

#include "ingest/source.h"
#include "lua/binding.h"

#define WPL_READING "wayproof.Reading"

typedef struct wpl_reading {
    wp_build *build; /* NULL: finished or closed */
    wp_source source;
    wp_zone *zone;
    uint64_t next_place; /* where the next source starts; a source takes 2^32 places */
    uint64_t rows_left;  /* of the limit */
} wpl_reading;

/* Raises when it is finished. */
wpl_reading *wpl_check_reading(lua_State *L, int index);
/* Fills a rule for times from the fields time_format, time_unit and timezone of the table at
** index. Returns WP_OK or a failure to show; *zone is the caller's to free. */
wp_status wpl_time_rule(lua_State *L, int index, wp_time_rule *rule, wp_zone **zone, wp_error *err);
/* Feeds all rows of the list or iterator at `rows` (l_read_rows.c). */
wp_status wpl_feed_rows(lua_State *L, wpl_reading *reading, int rows, wp_error *err);
void wpl_open_row_reader(lua_State *L);

#endif
