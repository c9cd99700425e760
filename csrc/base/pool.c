/* A small fork-join pool over pthreads.
**
** Data structure: one static pool; a run publishes {task, chunks} under the mutex and bumps
** `generation`; workers take chunk numbers from an atomic counter and report by `active`.
** Invariant: outside wp_pool_run, active == 0 and every worker sleeps on `wake`.
** Lock order: run_lock (one run at a time), then state_lock. */
#include "base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS_MAX 256

typedef struct run_state {
    wp_task task;
    void *work;
    size_t chunks_count;
    atomic_size_t next_chunk;
    atomic_bool stop;
    size_t failed_chunk; /* SIZE_MAX: none; guarded by state_lock */
    wp_error failure;    /* of failed_chunk */
} run_state;

static struct {
    pthread_mutex_t run_lock, state_lock;
    pthread_cond_t wake, done;
    pthread_t threads[THREADS_MAX];
    unsigned started;    /* workers that exist */
    unsigned wanted;     /* workers of the current run */
    unsigned active;     /* workers still inside the current run */
    uint64_t generation; /* number of runs so far */
    bool quit;
    run_state *current;
    unsigned threads_set; /* 0: default */
    bool fork_handler;
} pool = {.run_lock = PTHREAD_MUTEX_INITIALIZER,
          .state_lock = PTHREAD_MUTEX_INITIALIZER,
          .wake = PTHREAD_COND_INITIALIZER,
          .done = PTHREAD_COND_INITIALIZER};

static void record_failure(run_state *state, size_t chunk, const wp_error *failure)
{
    pthread_mutex_lock(&pool.state_lock);
    if (chunk < state->failed_chunk) {
        state->failed_chunk = chunk;
        state->failure = *failure;
    }
    pthread_mutex_unlock(&pool.state_lock);
    atomic_store(&state->stop, true);
}

static void report_progress(const wp_run *run, size_t done, size_t total)
{
    if (run != NULL && run->progress != NULL)
        run->progress(run->context, done, total);
}

/* Runs chunks until none is left; `run` is non-NULL on the calling thread only. */
static void take_chunks(run_state *state, unsigned worker, const wp_run *run)
{
    wp_error failure;
    while (!atomic_load_explicit(&state->stop, memory_order_relaxed)) {
        size_t chunk = atomic_fetch_add(&state->next_chunk, 1);
        if (chunk >= state->chunks_count)
            return;
        failure.status = WP_OK;
        failure.message[0] = '\0';
        wp_status status = state->task(state->work, chunk, worker, &failure);
        size_t taken = atomic_load_explicit(&state->next_chunk, memory_order_relaxed);
        if (taken < state->chunks_count)
            report_progress(run, taken, state->chunks_count);
        if (status == WP_OK && wp_run_interrupted(run))
            status = wp_fail(&failure, WP_INTERRUPTED, "interrupted");
        if (status != WP_OK) {
            failure.status = status;
            record_failure(state, chunk, &failure);
        }
    }
}

static void *worker_main(void *argument)
{
    unsigned index = (unsigned)(uintptr_t)argument; /* 1 .. */
    uint64_t seen = 0;
    pthread_mutex_lock(&pool.state_lock);
    for (;;) {
        while (!pool.quit && (pool.generation == seen || pool.current == NULL))
            pthread_cond_wait(&pool.wake, &pool.state_lock);
        if (pool.quit)
            break;
        seen = pool.generation;
        if (index > pool.wanted)
            continue;
        run_state *state = pool.current;
        pthread_mutex_unlock(&pool.state_lock);
        take_chunks(state, index, NULL);
        pthread_mutex_lock(&pool.state_lock);
        if (--pool.active == 0)
            pthread_cond_signal(&pool.done);
    }
    pthread_mutex_unlock(&pool.state_lock);
    return NULL;
}

static void before_fork(void)
{
    pthread_mutex_lock(&pool.run_lock);
    pthread_mutex_lock(&pool.state_lock);
}

static void after_fork_parent(void)
{
    pthread_mutex_unlock(&pool.state_lock);
    pthread_mutex_unlock(&pool.run_lock);
}

/* The child has one thread: forget the workers, keep the settings. */
static void after_fork_child(void)
{
    pool.started = 0;
    pool.current = NULL;
    pthread_cond_init(&pool.wake, NULL);
    pthread_cond_init(&pool.done, NULL);
    pthread_mutex_init(&pool.state_lock, NULL);
    pthread_mutex_init(&pool.run_lock, NULL);
}

/* Starts workers up to `count`; fewer is fine. Workers block every signal, so that Ctrl-C reaches
** the thread that runs Lua: they inherit the mask that their creator has for that moment. */
static void start_workers(unsigned count)
{
    if (!pool.fork_handler) {
        pthread_atfork(before_fork, after_fork_parent, after_fork_child);
        pool.fork_handler = true;
    }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool.started < count) {
        void *argument = (void *)(uintptr_t)(pool.started + 1);
        if (pthread_create(&pool.threads[pool.started], NULL, worker_main, argument) != 0)
            break;
        pool.started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

wp_status wp_pool_run(const wp_run *run, size_t chunks_count, wp_task task, void *work,
                      wp_error *err)
{
    run_state state = {
        .task = task, .work = work, .chunks_count = chunks_count, .failed_chunk = SIZE_MAX};
    unsigned threads = wp_run_threads(run);
    if (threads > chunks_count)
        threads = chunks_count == 0 ? 1 : (unsigned)chunks_count;

    if (threads == 1) {
        take_chunks(&state, 0, run);
    } else {
        pthread_mutex_lock(&pool.run_lock);
        pthread_mutex_lock(&pool.state_lock);
        start_workers(threads - 1);
        pool.wanted = threads - 1 < pool.started ? threads - 1 : pool.started;
        pool.active = pool.wanted;
        pool.current = &state;
        pool.generation++;
        pthread_cond_broadcast(&pool.wake);
        pthread_mutex_unlock(&pool.state_lock);

        take_chunks(&state, 0, run);

        pthread_mutex_lock(&pool.state_lock);
        while (pool.active > 0)
            pthread_cond_wait(&pool.done, &pool.state_lock);
        pool.current = NULL;
        pthread_mutex_unlock(&pool.state_lock);
        pthread_mutex_unlock(&pool.run_lock);
    }
    report_progress(run, chunks_count, chunks_count);
    if (state.failed_chunk != SIZE_MAX) {
        if (err != NULL)
            *err = state.failure;
        return state.failure.status;
    }
    return WP_OK;
}

static unsigned default_threads(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = cores < 1 ? 1 : (unsigned)cores;
    const char *limit = getenv("WAYPROOF_THREADS");
    if (limit != NULL) {
        long value = strtol(limit, NULL, 10);
        if (value >= 1 && (unsigned long)value < threads)
            threads = (unsigned)value;
    }
    return threads > THREADS_MAX ? THREADS_MAX : threads;
}

unsigned wp_pool_threads(void)
{
    return pool.threads_set != 0 ? pool.threads_set : default_threads();
}

void wp_pool_set_threads(unsigned threads)
{
    pool.threads_set = threads > THREADS_MAX ? THREADS_MAX : threads;
}

unsigned wp_run_threads(const wp_run *run)
{
    unsigned threads = run != NULL && run->threads != 0 ? run->threads : wp_pool_threads();
    return threads > THREADS_MAX ? THREADS_MAX : threads;
}

bool wp_run_interrupted(const wp_run *run)
{
    return run != NULL && run->interrupted != NULL && run->interrupted(run->context);
}

void wp_pool_shutdown(void)
{
    pthread_mutex_lock(&pool.run_lock);
    pthread_mutex_lock(&pool.state_lock);
    pool.quit = true;
    pthread_cond_broadcast(&pool.wake);
    unsigned count = pool.started;
    pthread_mutex_unlock(&pool.state_lock);
    for (unsigned i = 0; i < count; i++)
        pthread_join(pool.threads[i], NULL);
    pool.started = 0;
    pool.quit = false;
    pthread_mutex_unlock(&pool.run_lock);
}
