/* What the benchmark needs and Lua lacks: clocks, peak memory, and what the machine can do at best.
**
** A Lua module for bench/ only, built by bench/run.sh. `bandwidth` reads a block larger than any
** cache; `scan` steps through a SQLite table with nothing done to the values: the floors that the
** table of results is held against. */
#include <lauxlib.h>
#include <lua.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define THREADS_MAX 64
#define BLOCK_WORDS ((size_t)32 << 20) /* 256 MB */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int l_now(lua_State *L)
{
    lua_pushnumber(L, now());
    return 1;
}

/* Seconds of processor time of all threads: user's, and the kernel's for us. */
static int l_cpu(lua_State *L)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    lua_pushnumber(L, (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6);
    lua_pushnumber(L, (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6);
    return 2;
}

/* Largest resident size so far, in megabytes. */
static int l_peak(lua_State *L)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    lua_pushinteger(L, usage.ru_maxrss / 1024);
    return 1;
}

typedef struct part {
    pthread_t thread;
    const uint64_t *words;
    size_t count;
    uint64_t sum;
    const char *path;
    int64_t first, last;
    uint64_t rows;
} part;

static void *read_words(void *context)
{
    part *mine = context;
    uint64_t sums[8] = {0};
    for (size_t i = 0; i + 8 <= mine->count; i += 8)
        for (int k = 0; k < 8; k++)
            sums[k] ^= mine->words[i + k];
    for (int k = 0; k < 8; k++)
        mine->sum ^= sums[k];
    return NULL;
}

static void run_parts(part *parts, unsigned threads, void *(*task)(void *))
{
    for (unsigned i = 1; i < threads; i++)
        pthread_create(&parts[i].thread, NULL, task, &parts[i]);
    task(&parts[0]);
    for (unsigned i = 1; i < threads; i++)
        pthread_join(parts[i].thread, NULL);
}

static unsigned check_threads(lua_State *L, int arg)
{
    lua_Integer threads = luaL_optinteger(L, arg, 1);
    return threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : (unsigned)threads;
}

/* bandwidth(threads) -> bytes per second, the best of three. */
static int l_bandwidth(lua_State *L)
{
    unsigned threads = check_threads(L, 1);
    part parts[THREADS_MAX] = {0};
    uint64_t *words = malloc(BLOCK_WORDS * sizeof *words);
    if (words == NULL)
        return luaL_error(L, "out of memory");
    memset(words, 1, BLOCK_WORDS * sizeof *words);
    double best = 0;
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < threads; i++) {
            parts[i].words = words + BLOCK_WORDS / threads * i;
            parts[i].count = BLOCK_WORDS / threads;
        }
        double start = now();
        run_parts(parts, threads, read_words);
        double speed = (double)(BLOCK_WORDS * sizeof *words) / (now() - start);
        best = speed > best ? speed : best;
    }
    free(words);
    lua_pushnumber(L, best);
    return 1;
}

static void *scan_rows(void *context)
{
    part *mine = context;
    sqlite3 *db;
    sqlite3_stmt *statement = NULL;
    if (sqlite3_open_v2(mine->path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) ==
            SQLITE_OK &&
        sqlite3_prepare_v2(db,
                           "SELECT user_id, event, ts, value FROM events WHERE rowid BETWEEN ? "
                           "AND ?",
                           -1, &statement, NULL) == SQLITE_OK) {
        sqlite3_bind_int64(statement, 1, mine->first);
        sqlite3_bind_int64(statement, 2, mine->last);
        while (sqlite3_step(statement) == SQLITE_ROW) {
            mine->sum += (uint64_t)sqlite3_column_int64(statement, 0);
            mine->sum += (uint64_t)sqlite3_column_text(statement, 1)[0];
            mine->sum += (uint64_t)sqlite3_column_int64(statement, 2);
            mine->sum += sqlite3_column_type(statement, 3) == SQLITE_FLOAT;
            mine->rows++;
        }
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return NULL;
}

/* scan(path, rows, connections) -> seconds, rows: a bare scan of the table `events`. */
static int l_scan(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    int64_t rows = luaL_checkinteger(L, 2);
    unsigned threads = check_threads(L, 3);
    part parts[THREADS_MAX] = {0};
    for (unsigned i = 0; i < threads; i++) {
        parts[i].path = path;
        parts[i].first = rows * i / threads + 1;
        parts[i].last = rows * (i + 1) / threads;
    }
    double start = now();
    run_parts(parts, threads, scan_rows);
    lua_pushnumber(L, now() - start);
    uint64_t seen = 0;
    for (unsigned i = 0; i < threads; i++)
        seen += parts[i].rows;
    lua_pushinteger(L, (lua_Integer)seen);
    return 2;
}

int luaopen_probe(lua_State *L)
{
    static const luaL_Reg functions[] = {{"now", l_now},   {"cpu", l_cpu},
                                         {"peak", l_peak}, {"bandwidth", l_bandwidth},
                                         {"scan", l_scan}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
