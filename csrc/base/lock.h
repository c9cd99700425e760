/* A mutex for the little that tasks of one run share. Hold it for a moment only, and only one at a
** time: there is no order between locks. */
#ifndef WP_BASE_LOCK_H
#define WP_BASE_LOCK_H

#include <pthread.h>

typedef struct wp_lock {
    pthread_mutex_t mutex;
} wp_lock;

static inline void wp_lock_init(wp_lock *lock)
{
    pthread_mutex_init(&lock->mutex, NULL);
}

static inline void wp_lock_free(wp_lock *lock)
{
    pthread_mutex_destroy(&lock->mutex);
}

static inline void wp_lock_take(wp_lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
}

static inline void wp_lock_release(wp_lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

#endif
