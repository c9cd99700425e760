/* Users by their first (or last) value of a text property: the groups of `by`. */
#ifndef WP_JOURNEY_GROUPS_H
#define WP_JOURNEY_GROUPS_H

#include "journey/rows.h"

typedef struct wp_group {
    uint32_t code; /* of the property's value; 0: users without one */
    wp_log *log;   /* all rows that the group's users have in the view; owned */
} wp_group;

/* One view per value that is some user's first (an event property: on the user's first row that
** has one, or with `last` the last such row; an attribute: the user's). Most users first, ties by
** code; at most groups_max of them, the rest is left out and counted in *users_left. Free with
** wp_groups_free. Rows are only passed over: WP_PART_SCAN is enough. */
WP_NODISCARD wp_status wp_log_groups(const wp_log *log, uint32_t text_column, bool per_user,
                                     bool last, uint32_t groups_max, const wp_run *run,
                                     wp_group **out, uint32_t *groups_count, uint32_t *users_left,
                                     wp_error *err);
void wp_groups_free(wp_group *groups, uint32_t groups_count);

#endif
