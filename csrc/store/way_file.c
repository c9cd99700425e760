/* The file of a store: opening, schema, transactions, and what its tables say; see way.h.
**
** A rollback journal, not a write-ahead log: a store at rest is one file that can be copied, and
** read from where nothing can be written. Readers hold the file only while they read segments, so a
** writer waits for milliseconds and what is forgotten is gone when the call returns. */
#include "store/way_internal.h"

#include <stdio.h>
#include <sys/stat.h>

#define APPLICATION_ID 0x57617901 /* "Way" 1 */
#define OURS           0x576179   /* "Way": the first three bytes, of every format there will be */
#define WAIT_MS        10000
#define WRITER_CACHE   "-262144" /* KiB: an import spills, and shuts readers out, only beyond */

/* The whole schema. A file whose schema differs is refused: nothing of it is ever executed. */
static const char *const schema[] = {
    "CREATE TABLE store(name TEXT PRIMARY KEY NOT NULL, value) WITHOUT ROWID",
    "CREATE TABLE imports(import INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, source TEXT, "
    "imported_at_us INTEGER NOT NULL, events INTEGER NOT NULL, users INTEGER NOT NULL, "
    "users_new INTEGER NOT NULL, users_kept_out INTEGER NOT NULL, first_us INTEGER, "
    "last_us INTEGER)",
    "CREATE TABLE columns(position INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL)",
    "CREATE TABLE texts(id INTEGER PRIMARY KEY, dictionary INTEGER NOT NULL, first INTEGER NOT "
    "NULL, count INTEGER NOT NULL, checksum INTEGER NOT NULL, texts TEXT NOT NULL)",
    "CREATE TABLE runs(id INTEGER PRIMARY KEY, part INTEGER NOT NULL, run INTEGER NOT NULL, users "
    "INTEGER NOT NULL, events INTEGER NOT NULL, first_us INTEGER NOT NULL, last_us INTEGER NOT "
    "NULL, unit_us INTEGER NOT NULL)",
    "CREATE TABLE segments(id INTEGER PRIMARY KEY, part INTEGER NOT NULL, run INTEGER NOT NULL, "
    "col INTEGER NOT NULL, rows INTEGER NOT NULL, bytes BLOB NOT NULL)",
    "CREATE TABLE forgotten(hash INTEGER PRIMARY KEY, forgotten_at_us INTEGER NOT NULL, events "
    "INTEGER NOT NULL)",
    "CREATE VIEW users AS SELECT t.first + j.key AS number, j.value AS id FROM texts t, "
    "json_each(t.texts) j WHERE t.dictionary = 1 AND j.value IS NOT NULL",
    "CREATE VIEW event_names AS SELECT t.first + j.key AS code, j.value AS name FROM texts t, "
    "json_each(t.texts) j WHERE t.dictionary = 3 AND j.value IS NOT NULL",
};
#define SCHEMA_COUNT (sizeof schema / sizeof *schema)

/* --- Calls ----------------------------------------------------------------------------------- */

wp_status wp__way_failure(wp_way *way, int code, wp_error *err)
{
    switch (code & 0xff) {
    case SQLITE_NOTADB:
        return wp_fail(err, WP_CORRUPT, "%s: not a store (expected a file written by log:save)",
                       way->path);
    case SQLITE_CORRUPT:
        return wp_fail(err, WP_CORRUPT, "%s: damaged (wayproof verify says where)", way->path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return wp_fail(err, WP_IO, "%s: another process is writing (waited %d seconds)", way->path,
                       WAIT_MS / 1000);
    case SQLITE_FULL:
        return wp_fail(err, WP_IO, "%s: the disk is full", way->path);
    case SQLITE_NOMEM:
        return wp_fail(err, WP_NO_MEMORY, "%s: out of memory", way->path);
    case SQLITE_INTERRUPT:
        return wp_fail(err, WP_INTERRUPTED, "interrupted");
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return wp_fail(err, WP_IO, "%s: cannot be written", way->path);
    case SQLITE_CANTOPEN:
        return wp_fail(err, WP_IO, "%s: cannot open: %s", way->path,
                       strerror(sqlite3_system_errno(way->connection)));
    case SQLITE_IOERR:
        return wp_fail(err, WP_IO, "%s: reading or writing failed", way->path);
    default:
        return wp_fail(err, WP_SQL, "%s: %s", way->path, sqlite3_errmsg(way->connection));
    }
}

wp_status wp__way_exec(wp_way *way, const char *sql, wp_error *err)
{
    int code = sqlite3_exec(way->connection, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? WP_OK : wp__way_failure(way, code, err);
}

wp_status wp__way_prepare(wp_way *way, const char *sql, sqlite3_stmt **out, wp_error *err)
{
    int code = sqlite3_prepare_v2(way->connection, sql, -1, out, NULL);
    return code == SQLITE_OK ? WP_OK : wp__way_failure(way, code, err);
}

wp_status wp__way_step(wp_way *way, sqlite3_stmt *statement, bool *row, wp_error *err)
{
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return wp__way_failure(way, code, err);
    *row = code == SQLITE_ROW;
    return WP_OK;
}

wp_status wp__way_run_once(wp_way *way, sqlite3_stmt *statement, wp_error *err)
{
    int code = sqlite3_step(statement);
    wp_status status = code == SQLITE_DONE ? WP_OK : wp__way_failure(way, code, err);
    sqlite3_reset(statement);
    return status;
}

/* --- Opening --------------------------------------------------------------------------------- */

static int asked_to_stop(void *context)
{
    const wp_way *way = context;
    return way->run != NULL && wp_run_interrupted(way->run);
}

static wp_status damaged(const wp_way *way, wp_error *err, const char *what)
{
    return wp_fail(err, WP_CORRUPT, "%s: damaged: %s (wayproof verify says where)", way->path,
                   what);
}

static wp_status not_a_store(const wp_way *way, wp_error *err)
{
    return wp_fail(err, WP_CORRUPT, "%s: not a store (expected a file written by log:save)",
                   way->path);
}

static uint32_t big_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* A store of another format: what it is, what this wayproof reads, and what to do. */
static wp_status other_format(const wp_way *way, uint32_t version, wp_error *err)
{
    return wp_fail(err, WP_CORRUPT,
                   "%s: a store of format %u (expected format %d, which this wayproof reads; %s)",
                   way->path, version, WP_WAY_FORMAT,
                   version > WP_WAY_FORMAT
                       ? "a newer wayproof wrote it: update wayproof"
                       : "an older wayproof wrote it: export it with that one and import it again");
}

/* Settings of every connection: nothing in the file is trusted to run. */
static wp_status configure(wp_way *way, wp_error *err)
{
    sqlite3 *connection = way->connection;
    sqlite3_extended_result_codes(connection, 1);
    sqlite3_busy_timeout(connection, WAIT_MS);
    sqlite3_db_config(connection, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(connection, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(connection, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_progress_handler(connection, 20000, asked_to_stop, way);
    WP_TRY(wp__way_exec(way, "PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON", err));
    if (!way->writable)
        return wp__way_exec(way, "PRAGMA query_only = ON", err);
    return wp__way_exec(way,
                        "PRAGMA synchronous = EXTRA; PRAGMA secure_delete = ON; "
                        "PRAGMA cache_size = " WRITER_CACHE,
                        err);
}

static wp_status number_of(wp_way *way, const char *sql, int64_t *out, wp_error *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    wp_status status = wp__way_prepare(way, sql, &statement, err);
    if (status == WP_OK)
        status = wp__way_step(way, statement, &row, err);
    if (status == WP_OK)
        *out = row ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return status;
}

static wp_status make(wp_way *way, wp_error *err)
{
    for (size_t i = 0; i < SCHEMA_COUNT; i++)
        WP_TRY(wp__way_exec(way, schema[i], err));
    unsigned char salt[16];
    char sql[256];
    sqlite3_randomness(sizeof salt, salt);
    size_t at = (size_t)snprintf(sql, sizeof sql, "INSERT INTO store VALUES ('salt', x'");
    for (size_t i = 0; i < sizeof salt; i++)
        at += (size_t)snprintf(sql + at, sizeof sql - at, "%02x", salt[i]);
    snprintf(sql + at, sizeof sql - at, "')");
    WP_TRY(wp__way_exec(way, sql, err));
    snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             APPLICATION_ID, WP_WAY_FORMAT);
    return wp__way_exec(way, sql, err);
}

/* The file's version, and that its schema is ours to the letter. */
static wp_status check_schema(wp_way *way, wp_error *err)
{
    int64_t application = 0, version = 0;
    WP_TRY(number_of(way, "PRAGMA application_id", &application, err));
    WP_TRY(number_of(way, "PRAGMA user_version", &version, err));
    if (application != APPLICATION_ID || version != WP_WAY_FORMAT)
        return not_a_store(way, err); /* the head said otherwise when the file was opened */
    sqlite3_stmt *statement = NULL;
    WP_TRY(wp__way_prepare(way,
                           "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid",
                           &statement, err));
    size_t count = 0;
    bool row = true, same = true;
    wp_status status = WP_OK;
    while (status == WP_OK && row) {
        status = wp__way_step(way, statement, &row, err);
        if (status != WP_OK || !row)
            break;
        const char *sql = (const char *)sqlite3_column_text(statement, 0);
        same = same && sql != NULL && count < SCHEMA_COUNT && strcmp(sql, schema[count]) == 0;
        count++;
    }
    sqlite3_finalize(statement);
    if (status == WP_OK && (!same || count != SCHEMA_COUNT))
        status = damaged(way, err, "its tables are not those of a store");
    return status;
}

/* The file's first bytes, read before SQLite believes any of them. Every format of ours says who
** wrote it (68 bytes in) and its version (60) where SQLite keeps them, whatever else it is like;
** 16 bytes in is the size of a page and 20 how many bytes of it are reserved. */
static wp_status check_head(wp_way *way, bool *empty, wp_error *err)
{
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;
    unsigned char head[72] = {0};
    sqlite3_file_control(way->connection, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (file == NULL || file->pMethods == NULL)
        return not_a_store(way, err);
    int code = file->pMethods->xFileSize(file, &size);
    *empty = code == SQLITE_OK && size == 0;
    if (code == SQLITE_OK && size >= (sqlite3_int64)sizeof head)
        code = file->pMethods->xRead(file, head, sizeof head, 0);
    if (code != SQLITE_OK)
        return wp__way_failure(way, code, err);
    if (*empty)
        return WP_OK;
    uint32_t application = big_endian(head + 68), version = big_endian(head + 60);
    if (memcmp(head, "SQLite format 3", 16) != 0 || application >> 8 != OURS)
        return not_a_store(way, err);
    if (version != WP_WAY_FORMAT)
        return other_format(way, version, err);
    if (application != APPLICATION_ID || head[16] != WP__PAGE_SIZE >> 8 || head[17] != 0 ||
        head[20] != WP__PAGE_RESERVE)
        return not_a_store(way, err);
    return WP_OK;
}

static wp_status create(wp_way *way, wp_error *err)
{
    char sql[64];
    int reserve = WP__PAGE_RESERVE;
    snprintf(sql, sizeof sql, "PRAGMA page_size = %u", WP__PAGE_SIZE);
    WP_TRY(wp__way_exec(way, sql, err));
    if (sqlite3_file_control(way->connection, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserve) !=
        SQLITE_OK)
        return wp_fail(err, WP_SQL, "%s: SQLite %s is too old (expected 3.32 or newer)", way->path,
                       sqlite3_libversion());
    WP_TRY(wp__way_exec(way, "BEGIN IMMEDIATE", err));
    bool empty = false; /* another process may have been faster */
    wp_status status = check_head(way, &empty, err);
    if (status == WP_OK && empty)
        status = make(way, err);
    if (status == WP_OK && way->saving) {
        way->pending = true; /* the first import commits both */
        return WP_OK;
    }
    if (status == WP_OK)
        return wp__way_exec(way, "COMMIT", err);
    sqlite3_exec(way->connection, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static wp_status open_file(wp_way *way, const char *vfs, wp_error *err)
{
    struct stat facts;
    if (stat(way->path, &facts) == 0 && S_ISDIR(facts.st_mode))
        return wp_fail(err, WP_IO, "%s: is a folder (expected a file)", way->path);
    int flags = way->writable ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE;
    /* Also a reader opens for writing where it may: it rolls back what a killed writer left. */
    int code = sqlite3_open_v2(way->path, &way->connection, flags | SQLITE_OPEN_PRIVATECACHE, vfs);
    if (code != SQLITE_OK && !way->writable) {
        sqlite3_close_v2(way->connection);
        code = sqlite3_open_v2(way->path, &way->connection,
                               SQLITE_OPEN_READONLY | SQLITE_OPEN_PRIVATECACHE, vfs);
    }
    if (way->connection == NULL)
        return wp_fail_memory(err, 1);
    if (code != SQLITE_OK)
        return wp__way_failure(way, code, err);
    bool empty = false;
    WP_TRY(check_head(way, &empty, err));
    WP_TRY(configure(way, err));
    if (empty && !way->writable)
        return not_a_store(way, err);
    if (empty) {
        way->created = true;
        WP_TRY(create(way, err));
    }
    return WP_OK;
}

wp_status wp_way_open(const char *path, wp_way_mode mode, wp_way **out, wp_error *err)
{
    wp_way *way = wp_alloc_zero(sizeof *way);
    if (way == NULL)
        return wp_fail_memory(err, sizeof *way);
    wp_lock_init(&way->lock);
    way->saving = mode == WP_WAY_SAVE;
    way->writable = mode == WP_WAY_WRITE || way->saving;
    way->path = wp_copy_string(path, strlen(path));
    const char *vfs = way->path != NULL ? wp__vfs_retain() : NULL;
    wp_status status = vfs != NULL ? open_file(way, vfs, err) : wp_fail_memory(err, strlen(path));
    if (status == WP_OK && !way->pending) {
        status = wp__way_exec(way, "BEGIN", err);
        if (status == WP_OK) {
            status = check_schema(way, err);
            if (status == WP_OK && way->writable)
                status = wp__way_look(way, err); /* wp_way_log looks where it reads the names */
            wp__way_end_reading(way);
        }
    }
    if (status != WP_OK) {
        if (vfs == NULL) { /* wp_way_close gives back what was not taken */
            wp_free(way->path);
            wp_lock_free(&way->lock);
            wp_free(way);
        } else {
            wp_way_close(way);
        }
        return status;
    }
    *out = way;
    return WP_OK;
}

/* Lets go of what was read, which would keep the file locked. */
static void stop_reading(wp_way *way)
{
    sqlite3_blob_close(way->segment);
    way->segment = NULL;
    if (way->find_segment != NULL)
        sqlite3_reset(way->find_segment);
}

void wp_way_close(wp_way *way)
{
    if (way == NULL)
        return;
    stop_reading(way);
    sqlite3_finalize(way->find_segment);
    sqlite3_close_v2(way->connection); /* rolls back what is pending */
    if (way->pending) {
        sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
        vfs->xDelete(vfs, way->path, 0);
    }
    wp__vfs_release();
    wp__way_view_reset(&way->view);
    wp_lock_free(&way->lock);
    wp_free(way->path);
    wp_free(way);
}

/* --- Transactions ---------------------------------------------------------------------------- */

static wp_status generation_of(wp_way *way, int64_t *generation, wp_error *err)
{
    return number_of(way, "SELECT value FROM store WHERE name = 'generation'", generation, err);
}

static wp_status rewritten(const wp_way *way, wp_error *err)
{
    return wp_fail(err, WP_IO,
                   "%s: rewritten since this log was opened, by forget, compact or save (open it "
                   "again)",
                   way->path);
}

wp_status wp__way_begin_reading(wp_way *way, wp_error *err)
{
    int moved = 0;
    if (sqlite3_file_control(way->connection, "main", SQLITE_FCNTL_HAS_MOVED, &moved) ==
            SQLITE_OK &&
        moved != 0)
        return rewritten(way, err);
    WP_TRY(wp__way_exec(way, "BEGIN", err));
    int64_t generation = 0;
    wp_status status = generation_of(way, &generation, err);
    if (status == WP_OK && generation != way->view.generation)
        status = rewritten(way, err);
    if (status != WP_OK)
        wp__way_end_reading(way);
    return status;
}

void wp__way_end_reading(wp_way *way)
{
    stop_reading(way);
    sqlite3_exec(way->connection, "ROLLBACK", NULL, NULL, NULL);
}

/* Compacting that was killed just after its commit leaves pages behind the end of the database:
** copies of segments, which would outlive the users in them. Where they end, no transaction may
** go on that took them for its own: *cut. Inside a transaction that nobody else can write in. */
static wp_status cut_leftover(wp_way *way, bool *cut, wp_error *err)
{
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;
    int64_t pages = 0;
    WP_TRY(number_of(way, "PRAGMA page_count", &pages, err));
    sqlite3_file_control(way->connection, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    int code = file->pMethods->xFileSize(file, &size);
    *cut = code == SQLITE_OK && size > pages * WP__PAGE_SIZE;
    if (*cut)
        code = file->pMethods->xTruncate(file, pages * WP__PAGE_SIZE);
    return code == SQLITE_OK ? WP_OK : wp__way_failure(way, code, err);
}

static wp_status begin_immediate(wp_way *way, wp_error *err)
{
    bool cut = true;
    while (cut) {
        WP_TRY(wp__way_exec(way, "BEGIN IMMEDIATE", err));
        wp_status status = cut_leftover(way, &cut, err);
        if (status != WP_OK || cut)
            wp__way_end_reading(way);
        WP_TRY(status);
    }
    return WP_OK;
}

wp_status wp__way_begin_writing(wp_way *way, wp_error *err)
{
    if (!way->writable)
        return wp_fail(err, WP_INVALID, "%s: opened for reading", way->path);
    if (!way->pending)
        WP_TRY(begin_immediate(way, err));
    wp_status status = wp__way_look(way, err);
    if (status != WP_OK)
        wp__way_end_reading(way);
    return status;
}

wp_status wp__way_end_writing(wp_way *way, wp_status status, wp_error *err)
{
    stop_reading(way);
    way->run = NULL; /* what is about to be safe is not interrupted */
    if (status == WP_OK) {
        status = wp__way_exec(way, "COMMIT", err);
        if (status == WP_OK) {
            way->pending = false;
            return WP_OK;
        }
    }
    sqlite3_exec(way->connection, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

/* --- The fingerprint, once known ------------------------------------------------------------- */

static bool is_as_seen(wp_way *way)
{
    wp_error ignored;
    int64_t generation = -1, run_last = -1;
    return generation_of(way, &generation, &ignored) == WP_OK &&
           number_of(way, "SELECT value FROM store WHERE name = 'run_last'", &run_last, &ignored) ==
               WP_OK &&
           generation == way->view.generation && run_last == (int64_t)way->view.run_last;
}

void wp__way_keep_fingerprint(wp_way *way, uint64_t fingerprint)
{
    wp_error ignored;
    if (way->view.events_count < WP__FINGERPRINT_LEAST ||
        sqlite3_db_readonly(way->connection, "main") != 0)
        return;
    const wp_run *run = way->run;
    way->run = NULL; /* a few milliseconds: not interrupted */
    sqlite3_busy_timeout(way->connection, 0);
    if (wp__way_exec(way, "PRAGMA query_only = OFF; PRAGMA synchronous = EXTRA; BEGIN IMMEDIATE",
                     &ignored) == WP_OK) {
        bool kept = is_as_seen(way) &&
                    wp__way_set_fingerprint(way, true, fingerprint, &ignored) == WP_OK &&
                    wp__way_exec(way, "COMMIT", &ignored) == WP_OK;
        if (!kept)
            sqlite3_exec(way->connection, "ROLLBACK", NULL, NULL, NULL);
    }
    if (!way->writable)
        sqlite3_exec(way->connection, "PRAGMA query_only = ON", NULL, NULL, NULL);
    sqlite3_busy_timeout(way->connection, WAIT_MS);
    way->run = run;
}
