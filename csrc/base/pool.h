/* Threads: fork-join over fixed chunks.
**
** The caller cuts its work into chunks whose boundaries depend on the data only, never on the
** number of threads; workers take chunk numbers in order. A caller that stores one partial result
** per chunk and folds them in chunk order gets the same bits for any number of threads.
**
** No worker runs while wp_pool_run is not active. The calling thread works too and, between
** chunks, asks `interrupted`; workers stop at the next chunk when it said yes. A task must not
** touch Lua and must not call wp_pool_run. Calls from several threads at once are served one
** after the other. After fork the child starts with no workers. */
#ifndef WP_BASE_POOL_H
#define WP_BASE_POOL_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* How a long call is to run; passed down from the binding. NULL stands for the defaults. */
typedef struct wp_run {
    unsigned threads;                   /* 0: wp_pool_threads() */
    bool (*interrupted)(void *context); /* may be NULL; called on the calling thread only */
    void *context;
    /* May be NULL; called on the calling thread only, with the chunks taken so far, and at the end,
    ** however it came, with done = total. */
    void (*progress)(void *context, size_t done, size_t total);
} wp_run;

/* One chunk of work. `worker` is 0 .. threads-1, for scratch memory that is not shared.
** A failure stops the run; the failure of the lowest failing chunk that ran is reported. */
typedef wp_status (*wp_task)(void *work, size_t chunk, unsigned worker, wp_error *err);

WP_NODISCARD wp_status wp_pool_run(const wp_run *run, size_t chunks_count, wp_task task, void *work,
                                   wp_error *err);

/* Number of threads used by default: min(cores, WAYPROOF_THREADS, what was set). */
unsigned wp_pool_threads(void);
void wp_pool_set_threads(unsigned threads); /* 0 restores the default; capped at 256 */
/* Number of workers a run with these settings may use: the size of a scratch array. */
unsigned wp_run_threads(const wp_run *run);
/* True when the caller wants the work to end; for loops on the calling thread. */
bool wp_run_interrupted(const wp_run *run);
/* Ends all workers. The binding calls it before the library can be unloaded. */
void wp_pool_shutdown(void);

#endif
