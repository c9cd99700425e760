/* The store: a log on disk, in one SQLite file, that grows by imports.
**
** Data structure: users are numbered as they come and cut into parts of WP_WAY_PART_USERS; an
** import adds at most one run to each part: the rows of those users, sorted by (user, time), one
** segment per column (segment.h). Texts are codes of dictionaries that only grow.
**
** Main invariants. A user's rows are those of the runs in the order of the runs, sorted by time,
** ties as they stand; so a log does not depend on how it was cut into imports. Users with events
** come first, by first appearance; the others follow. Whatever changes the file does so in one
** transaction. Runs are never changed by an import, so a log that is open keeps seeing the runs it
** started with; forgetting and compacting count the generation up, and a log that has not read
** all it needs by then says so instead of mixing.
**
** Every page ends with a checksum (way_vfs.c), every segment and dictionary too, and everything
** read is checked before it is used: a damaged or hostile file is WP_CORRUPT.
**
** Cost: opening reads a few rows of tables; loading decodes only the columns that are asked for,
** parts side by side. An import reads the ids of all users. */
#ifndef WP_STORE_WAY_H
#define WP_STORE_WAY_H

#include "store/log.h"

#define WP_WAY_FORMAT 1
#ifndef WP_WAY_PART_USERS /* a test may have smaller parts */
#    define WP_WAY_PART_USERS 16384u
#endif

typedef struct wp_way wp_way;

typedef enum wp_way_mode {
    WP_WAY_READ,  /* a store that exists */
    WP_WAY_WRITE, /* made when missing */
    WP_WAY_SAVE,  /* the same, but made by the first import, or not at all */
    WP_WAY_REPAIR /* reading what can be read: for wp_way_verify */
} wp_way_mode;

WP_NODISCARD wp_status wp_way_open(const char *path, wp_way_mode mode, wp_way **out, wp_error *err);
void wp_way_close(wp_way *way); /* NULL is fine */
const char *wp_way_path(const wp_way *way);

/* Rows are read part by part (store/scan.h) from so many parts on; a test may have fewer. And rows
** of more bytes never come to stay where an analysis can do without. */
extern uint32_t wp_way_scan_parts;
extern uint64_t wp_way_rows_kept;

/* The log as it stands now. Columns are read when they are asked for (wp_columns_need); the columns
** own the store from then on, also on failure. */
WP_NODISCARD wp_status wp_way_log(wp_way *take_way, wp_log **out, wp_error *err);

typedef struct wp_way_import {
    const char *source; /* what the list of imports shows; may be NULL */
    int64_t now_us;
    bool force;          /* also when the same events were imported before */
    bool with_forgotten; /* also users that were forgotten */
    bool replace;        /* instead of what the store holds */
} wp_way_import;

typedef struct wp_way_imported {
    int64_t import;
    uint64_t events_count, users_count, users_new, users_kept_out;
} wp_way_imported;

/* Adds the events of a log, all or nothing. All of the log's columns must be in memory. */
WP_NODISCARD wp_status wp_way_append(wp_way *way, const wp_log *log, const wp_way_import *how,
                                     const wp_run *run, wp_way_imported *out, wp_error *err);

typedef struct wp_way_forgotten {
    bool found;
    uint64_t events_count; /* removed */
    uint64_t texts_count;  /* values of properties that only this user had */
} wp_way_forgotten;

/* Removes a user and all that only belongs to them, overwriting it on disk. */
WP_NODISCARD wp_status wp_way_forget(wp_way *way, const char *id, size_t length, int64_t now_us,
                                     const wp_run *run, wp_way_forgotten *out, wp_error *err);
/* One run per part, and no free pages. */
WP_NODISCARD wp_status wp_way_compact(wp_way *way, const wp_run *run, uint64_t *merged_count,
                                      wp_error *err);

/* Called with one sentence per damage found. */
typedef void (*wp_way_damage)(void *context, const char *text);
typedef struct wp_way_checked {
    uint64_t pages_count, segments_count, damages_count;
} wp_way_checked;
/* Reads every byte of the file. Damages are no failure; a file that is not there is. */
WP_NODISCARD wp_status wp_way_verify(const char *path, const wp_run *run, wp_way_damage damage,
                                     void *context, wp_way_checked *out, wp_error *err);

typedef struct wp_way_entry {
    int64_t import, imported_at_us, first_us, last_us;
    uint64_t events_count, users_count, users_new, users_kept_out;
    char fingerprint[17];
    char source[239]; /* cut when longer */
} wp_way_entry;
/* All imports, oldest first; give them back with wp_way_imports_free. */
WP_NODISCARD wp_status wp_way_imports(wp_way *way, wp_way_entry **out, size_t *count,
                                      wp_error *err);
void wp_way_imports_free(wp_way_entry *entries);

typedef struct wp_way_facts {
    uint64_t events_count, users_count, imports_count, forgotten_count;
    uint64_t runs_count, parts_count, bytes_size;
} wp_way_facts;
WP_NODISCARD wp_status wp_way_tell(wp_way *way, wp_way_facts *out, wp_error *err);

#endif
