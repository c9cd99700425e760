/* The checked allocator: a 16-byte header holds each block's size, atomics hold the totals. */
#include "base/memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* The header keeps the alignment that malloc promises (16 bytes on every platform served). */
typedef union header {
    size_t bytes_size;
    max_align_t align;
} header;

static _Atomic int64_t live_bytes, peak_bytes, fail_countdown;

static int should_fail(void)
{
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) <= 0)
        return 0;
    return atomic_fetch_sub_explicit(&fail_countdown, 1, memory_order_relaxed) == 1;
}

static void account(int64_t change)
{
    int64_t now = atomic_fetch_add_explicit(&live_bytes, change, memory_order_relaxed) + change;
    int64_t peak = atomic_load_explicit(&peak_bytes, memory_order_relaxed);
    while (now > peak && !atomic_compare_exchange_weak_explicit(
                             &peak_bytes, &peak, now, memory_order_relaxed, memory_order_relaxed)) {
    }
}

static void *finish(header *block, size_t bytes_size)
{
    if (block == NULL)
        return NULL;
    block->bytes_size = bytes_size;
    account((int64_t)bytes_size);
    return block + 1;
}

void *wp_alloc(size_t bytes_size)
{
    if (should_fail() || bytes_size > SIZE_MAX / 2)
        return NULL;
    return finish(malloc(sizeof(header) + bytes_size), bytes_size);
}

void *wp_alloc_zero(size_t bytes_size)
{
    if (should_fail() || bytes_size > SIZE_MAX / 2)
        return NULL;
    return finish(calloc(1, sizeof(header) + bytes_size), bytes_size);
}

static int overflows(size_t count, size_t size)
{
    return size != 0 && count > SIZE_MAX / 2 / size;
}

void *wp_alloc_array(size_t count, size_t size)
{
    return overflows(count, size) ? NULL : wp_alloc(count * size);
}

void *wp_alloc_array_zero(size_t count, size_t size)
{
    return overflows(count, size) ? NULL : wp_alloc_zero(count * size);
}

void *wp_realloc_array(void *block, size_t count, size_t size)
{
    if (block == NULL)
        return wp_alloc_array(count, size);
    if (overflows(count, size) || should_fail())
        return NULL;
    header *old = (header *)block - 1;
    size_t old_size = old->bytes_size, new_size = count * size;
    header *moved = realloc(old, sizeof(header) + new_size);
    if (moved == NULL)
        return NULL;
    moved->bytes_size = new_size;
    account((int64_t)new_size - (int64_t)old_size);
    return moved + 1;
}

char *wp_copy_string(const char *text, size_t length)
{
    char *copy = length == SIZE_MAX ? NULL : wp_alloc(length + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

void wp_free(void *block)
{
    if (block == NULL)
        return;
    header *start = (header *)block - 1;
    account(-(int64_t)start->bytes_size);
    free(start);
}

int64_t wp_memory_live(void)
{
    return atomic_load(&live_bytes);
}

int64_t wp_memory_peak(void)
{
    return atomic_load(&peak_bytes);
}

void wp_memory_peak_reset(void)
{
    atomic_store(&peak_bytes, atomic_load(&live_bytes));
}

void wp_memory_fail_after(int64_t n)
{
    atomic_store(&fail_countdown, n);
}

/* Arena blocks double from 4 KiB to 1 MiB; a larger request gets a block of its own size. */
struct wp_arena_block {
    struct wp_arena_block *next;
    max_align_t start[];
};

void wp_arena_init(wp_arena *arena)
{
    *arena = (wp_arena){0};
}

void *wp_arena_alloc(wp_arena *arena, size_t bytes_size)
{
    bytes_size = (bytes_size + 7) & ~(size_t)7;
    if (arena->head == NULL || arena->capacity - arena->used < bytes_size) {
        size_t capacity = arena->capacity < 4096 ? 4096 : arena->capacity * 2;
        if (capacity > (1u << 20))
            capacity = 1u << 20;
        if (capacity < bytes_size)
            capacity = bytes_size;
        struct wp_arena_block *block = wp_alloc(sizeof *block + capacity);
        if (block == NULL)
            return NULL;
        block->next = arena->head;
        arena->head = block;
        arena->used = 0;
        arena->capacity = capacity;
        arena->total_size += capacity;
    }
    char *result = (char *)arena->head->start + arena->used;
    arena->used += bytes_size;
    return result;
}

char *wp_arena_copy(wp_arena *arena, const char *text, size_t length)
{
    char *copy = wp_arena_alloc(arena, length + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

void wp_arena_free(wp_arena *arena)
{
    struct wp_arena_block *block = arena->head;
    while (block != NULL) {
        struct wp_arena_block *next = block->next;
        wp_free(block);
        block = next;
    }
    wp_arena_init(arena);
}
