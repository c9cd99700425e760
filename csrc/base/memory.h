/* One checked allocator for the whole core.
**
** Counts live bytes, so that tests can assert that nothing leaks and Lua's collector can be told
** how large a log is, and can be told to fail the n-th allocation, so that tests can walk through
** every out-of-memory path. Thread-safe. A NULL return means failure; size 0 returns a unique
** pointer that wp_free accepts. Blocks are aligned for any C type. */
#ifndef WP_BASE_MEMORY_H
#define WP_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

void *wp_alloc(size_t bytes_size);
void *wp_alloc_zero(size_t bytes_size);
/* count * size with an overflow check; contents undefined. */
void *wp_alloc_array(size_t count, size_t size);
void *wp_alloc_array_zero(size_t count, size_t size);
/* Grows or shrinks; on failure returns NULL and the old block stays valid. block may be NULL. */
void *wp_realloc_array(void *block, size_t count, size_t size);
/* Copies `length` bytes and adds a NUL. */
char *wp_copy_string(const char *text, size_t length);
void wp_free(void *block); /* NULL is fine */

/* Bytes asked for and not yet freed, over all threads. */
int64_t wp_memory_live(void);
/* Highest value of wp_memory_live since the last wp_memory_peak_reset. */
int64_t wp_memory_peak(void);
void wp_memory_peak_reset(void);

/* Testing: the n-th allocation from now (1 = the next) returns NULL, later ones succeed again.
** 0 switches the hook off. */
void wp_memory_fail_after(int64_t n);

/* An arena: many small blocks with one lifetime. Not thread-safe; one arena belongs to one thread
** at a time. Blocks are aligned to 8 bytes and live until wp_arena_free. */
typedef struct wp_arena {
    struct wp_arena_block *head;
    size_t used, capacity; /* in the head block, bytes */
    size_t total_size;     /* bytes held by all blocks */
} wp_arena;

void wp_arena_init(wp_arena *arena);
void *wp_arena_alloc(wp_arena *arena, size_t bytes_size);              /* NULL when out of memory */
char *wp_arena_copy(wp_arena *arena, const char *text, size_t length); /* NUL-terminated */
void wp_arena_free(wp_arena *arena); /* also resets it for re-use */

#endif
