/* An import in the making; private to way_write.c and the files that number its users, texts and
** attributes. */
#ifndef WP_STORE_WAY_IMPORT_H
#define WP_STORE_WAY_IMPORT_H

#include "store/way_internal.h"

#define WP__NONE UINT32_MAX

typedef struct wp__numbered {
    uint32_t number, user; /* in the store, in the log */
} wp__numbered;

typedef struct wp__import {
    wp_way *way;
    const wp_log *log;
    const wp_way_import *how;
    uint32_t run;
    wp__numbered *users; /* with rows, by number */
    uint32_t users_count;
    wp__numbered *all; /* with or without rows, in the order of the log */
    uint32_t all_count;
    uint32_t *event_map;  /* code here -> code in the store */
    uint32_t **text_maps; /* per text column */
    uint32_t **user_text_maps;
    uint32_t *columns; /* segment column of numbers, texts, user numbers, user texts */
    uint32_t numbered_before, numbered_after;
    struct wp__moved {
        uint32_t from, to;
    } * moved; /* users that were idle get another number */
    uint32_t moved_count;
    uint64_t kept_out_count;
    uint64_t events_count;
    bool changes_users; /* something that was in the store before */
    int64_t first_us, last_us;
} wp__import;

/* Columns of the log that the store lacks are added; work->columns says where each one is. */
WP_NODISCARD wp_status wp__import_columns(wp__import *work, wp_error *err);
/* Numbers all users, and writes the ids of new ones. */
WP_NODISCARD wp_status wp__import_users(wp__import *work, wp_error *err);
/* Maps all texts, and writes new ones. After columns and users. */
WP_NODISCARD wp_status wp__import_texts(wp__import *work, wp_error *err);
/* Attributes of users that moved, then those that the log brings. */
WP_NODISCARD wp_status wp__import_attributes(wp__import *work, wp_error *err);

static inline int wp__by_number(const void *left, const void *right)
{
    uint32_t a = ((const wp__numbered *)left)->number, b = ((const wp__numbered *)right)->number;
    return (a > b) - (a < b);
}

#endif
