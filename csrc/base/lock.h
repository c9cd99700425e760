/* A mutex, so that threads of the system are named in base/ only. */
#ifndef WP_BASE_LOCK_H
#define WP_BASE_LOCK_H

#include <pthread.h>

typedef pthread_mutex_t wp_lock;

static inline void wp_lock_start(wp_lock *lock)
{
    pthread_mutex_init(lock, NULL);
}

static inline void wp_lock_end(wp_lock *lock)
{
    pthread_mutex_destroy(lock);
}

static inline void wp_lock_take(wp_lock *lock)
{
    pthread_mutex_lock(lock);
}

static inline void wp_lock_give(wp_lock *lock)
{
    pthread_mutex_unlock(lock);
}

#endif
