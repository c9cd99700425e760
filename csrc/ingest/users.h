/* A users table: one row per user with attributes, dates that become events, and other ids.
**
** Sources (CSV, SQLite, Lua rows) hand over cells; this room checks and feeds the builder.
** A user may have several rows (say, one per anonymous id) as long as they do not contradict each
** other: a value that is there must be the same in every row, and in the rows of the user's other
** ids. All of it is kept until wp_users_finish, because only then all aliases are known.
** Cost: until then per user up to 16 bytes per column and date, and each distinct text once. */
#ifndef WP_INGEST_USERS_H
#define WP_INGEST_USERS_H

#include "ingest/cell.h"

/* Names of columns; the lists are borrowed for the life of the wp_users. */
typedef struct wp_users_schema {
    const char *id;
    const char *alias;    /* NULL: none */
    const char *known_at; /* NULL: undated */
    const char *const *event_columns;
    const char *const *event_names;
    uint32_t events_count;
    const char *const *numbers;
    uint32_t numbers_count;
    const char *const *texts;
    uint32_t texts_count;
    uint32_t log_numbers_count, log_texts_count; /* columns of the events' schema */
    wp_time_rule time_rule;
    bool skip_bad;
} wp_users_schema;

typedef struct wp_users wp_users;

WP_NODISCARD wp_status wp_users_start(const wp_users_schema *schema, wp_build *build,
                                      wp_users **out, wp_error *err);
void wp_users_free(wp_users *users); /* NULL is fine */

/* The columns a source must deliver, in the order of the cells of a row. */
uint32_t wp_users_columns_count(const wp_users *users);
const char *wp_users_column(const wp_users *users, uint32_t i);

/* One row. `place` names it in messages ("users.csv:7"). */
WP_NODISCARD wp_status wp_users_add(wp_users *users, wp_cell *cells, const char *place,
                                    wp_error *err);

/* A row that cannot even be cut into cells: counted when bad rows are skipped, else a failure of
** "place: why". */
WP_NODISCARD wp_status wp_users_refuse(wp_users *users, const char *place, const char *why,
                                       wp_error *err);

/* Writes the dates as events, as the batch at `batch_place`. No rows may follow. */
WP_NODISCARD wp_status wp_users_finish(wp_users *users, uint64_t batch_place, wp_error *err);

#endif
